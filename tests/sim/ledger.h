/* SPDX-License-Identifier: MIT */
/*
 * ledger.h: what is reserved on the interfaces of a simulated node, as traffic control would have it: it admits
 * what fits, and never refuses what only shrinks.
 */
#ifndef GW_SIM_LEDGER_H
#define GW_SIM_LEDGER_H

#include "rsvp/rsvp.h"

/* Of one interface. */
struct ledger_line {
	double reservable_bytes_per_s;
	double reserved_bytes_per_s;
	uint32_t count;
	uint64_t refused;
};

struct ledger_entry {
	bool used;
	struct ledger_line *line;
	struct rsvp_tc_request request; /* with filters of its own */
	double rate;
};

struct ledger {
	uint32_t count, room;
	struct ledger_entry *entries; /* by handle - 1 */
	uint64_t changes;
};

/* Bytes/s that a flowspec takes. */
double ledger_rate(const struct rsvp_flowspec *flowspec);

/* See struct rsvp_ports. Every request is checked for what none may be; a violation ends the program. */
int ledger_reserve(struct ledger *ledger, struct ledger_line *line,
		   const struct rsvp_tc_request *request, uint64_t *handle,
		   struct rsvp_error *ret_error);
void ledger_release(struct ledger *ledger, uint64_t handle);
/* Everything, as after a crash. */
void ledger_clear(struct ledger *ledger);
void ledger_free(struct ledger *ledger);

#endif
