/* SPDX-License-Identifier: MIT */
/*
 * rsvp_line.h: two hosts with a router between them, all RSVP nodes in this process, under a virtual clock. Messages
 * wait in buffers of their own, so that what the router does with many of them can be measured alone.
 */
#ifndef GW_BENCH_RSVP_LINE_H
#define GW_BENCH_RSVP_LINE_H

#include "rsvp/rsvp.h"

enum { LINE_SENDER, LINE_ROUTER, LINE_RECEIVER, LINE_NODES };

struct line_mail;

struct line_node {
	struct line *line;
	unsigned place;
	struct rsvp *rsvp;
	struct line_mail *mail; /* that waits for it */
};

struct line {
	uint64_t now_us;
	uint64_t random;
	uint64_t handles;
	uint64_t n_events; /* RESV at the sender */
	struct line_node nodes[LINE_NODES];
};

/* `room`: bytes that may wait for each node. */
struct line *line_new(bool reduce_refreshes, size_t room);
struct line *line_free(struct line *line);

/* Session number i at both ends: it is opened, reserved for at the receiver, and announced by the sender. */
void line_open(struct line *line, uint32_t i);

/* What waits for the node is dealt with; what it sends waits for others. How many messages. */
uint64_t line_work(struct line *line, unsigned place);
void line_tick(struct line *line, unsigned place);

#endif
