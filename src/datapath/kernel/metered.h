/* SPDX-License-Identifier: MIT */
/*
 * metered.h: the targets that are under meters. A TCP socket that is alone under one that delays keeps to the
 * rate by itself (pacing.h), so that it never meets the excess; several share a rate only where the packets of
 * all of them are seen, so each is held to the whole of it and none is trusted.
 */
#ifndef GW_DATAPATH_METERED_H
#define GW_DATAPATH_METERED_H

#include "datapath/datapath.h"
#include "datapath/kernel/entries.h"
#include "datapath/pacing.h"

struct metered_target;
struct metered_flow;

struct metered {
	struct entries *entries;
	struct pacing pacing;
	struct metered_target *targets;
	struct metered_target *pacers; /* by cookie: whose rate the socket keeps to */
	struct metered_flow *flows;
};

void metered_init(struct metered *metered, struct entries *entries);
void metered_free(struct metered *metered);

/* entries_apply() and entries_clear() with what belongs to it. `meter` is the flow's, or NULL. */
int metered_apply(struct metered *metered, const struct datapath_target *target,
		  const struct datapath_treatment *treatment, const struct datapath_meter *meter);
void metered_clear(struct metered *metered, const struct datapath_target *target);

/* The socket has gone. */
void metered_forget(struct metered *metered, uint64_t cookie);

/* Whether the target keeps to the rate by itself. */
bool metered_is_paced(const struct metered *metered, const struct datapath_target *target);

#endif
