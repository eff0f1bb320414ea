/* SPDX-License-Identifier: MIT */
/*
 * plan.h: the arithmetic of a schedule: which rates, ceilings, buckets and quanta its classes get
 * on a link of a given rate. No requests are made here.
 */
#ifndef GW_DATAPATH_PLAN_H
#define GW_DATAPATH_PLAN_H

#include <greenwave.h>
#include <stdbool.h>
#include <stdint.h>

#include "datapath/kernel/htb.h"
#include "datapath/kernel/qdisc.h"
#include "datapath/kernel/schedule.h"

/* Minors, for good: a restarted daemon finds its classes by them. */
#define PLAN_LINK 0x1u
#define PLAN_BANDS 0x10u
#define PLAN_POOL 0x100u

/* Of a class that is not given out; the kernel takes no zero. */
#define PLAN_IDLE_BPS 8
#define PLAN_IDLE_PRIORITY 7

struct plan {
	uint64_t rate_bps;
	uint64_t reservable_bps;
	uint64_t bands_bps; /* what is guaranteed to the bands together */
	uint32_t frame_bytes;
	uint16_t overhead_bytes;
};

/* -EINVAL: a rate, share or size that no link has. */
int plan_make(const struct schedule_config *config, struct plan *ret_plan);

struct htb_class plan_link(const struct plan *plan);
struct htb_class plan_band(const struct plan *plan, enum gw_class traffic_class);
struct htb_class plan_idle(const struct plan *plan, uint32_t minor);

/* -EINVAL: a demand that makes no sense on this link. */
int plan_demand(const struct plan *plan, const struct schedule_demand *demand, uint32_t minor,
		struct htb_class *ret_class);

struct queue_size plan_band_queue(const struct plan *plan);

/* Of a class of the pool that may use as much as `ceil_bps`; 0: as the link. */
struct queue_size plan_pool_queue(const struct plan *plan, uint64_t ceil_bps);

/* Whether packets of many segments are split in a class of the pool that has this ceiling; 0: the link's. */
bool plan_splits(const struct plan *plan, uint64_t ceil_bps);

/* Where the queue of a class stands: handles, for good as well. */
struct leaf {
	uint32_t minor;
	uint32_t splitter; /* below the class */
	uint32_t queue;	   /* below the splitter, or below the class where there is none */
};

struct leaf plan_leaf_of_band(enum gw_class traffic_class);
struct leaf plan_leaf_of_pool(uint32_t minor);

/* Whose splitter or queue has this handle; 0: nobody's. */
uint32_t plan_minor_of_leaf(uint32_t handle);

#endif
