/* SPDX-License-Identifier: MIT */
/*
 * shaper.h: keeps the rates of flows where packets can wait: in classes of the links that are handed over, one
 * for each flow and link. Follows the links as they come, go and change, and the sizes of the packets: rates
 * are of IP packets, and classes count what is around these too.
 */
#ifndef GW_DATAPATH_SHAPER_H
#define GW_DATAPATH_SHAPER_H

#include "datapath/datapath.h"
#include "datapath/kernel/handover.h"
#include "datapath/kernel/meters.h"

#define SHAPER_TICK_MS 100

struct shaped_flow;
struct shaped_link;

struct shaper {
	struct meters meters;
	const struct handover *handover; /* set before the first meter */
	struct shaped_flow *flows;
	struct shaped_link *links; /* that have a schedule */
	bool swept; /* what an earlier daemon has left has been claimed or has gone */
};

int shaper_init(struct shaper *shaper, const struct tables *tables);

/* What stands in the kernel stays. */
void shaper_free(struct shaper *shaper);

/* These three are datapath_ops. */
int shaper_meter(struct shaper *shaper, const struct datapath_meter *meter);
void shaper_meter_end(struct shaper *shaper, uint32_t flow_id);
int shaper_read(const struct shaper *shaper, uint32_t flow_id,
		struct datapath_meter_counters *ret_counters);

/* NULL: the flow has none. */
const struct datapath_meter *shaper_find(const struct shaper *shaper, uint32_t flow_id);

/* Whether packets of the flow have a class on the link; 0: on any. */
bool shaper_has_class(const struct shaper *shaper, uint32_t flow_id, uint32_t ifindex);

/* A link is scheduled, or not any more: see struct handover_config. */
void shaper_link_changed(struct shaper *shaper, const struct handover_report *report);

/* Fits the classes to the packets; whether there is anything to fit. */
bool shaper_tick(struct shaper *shaper);

/* Removes what an earlier daemon has left and nobody has claimed; how many meters, or a negative errno. */
int shaper_sweep(struct shaper *shaper);

#endif
