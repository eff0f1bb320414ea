/* SPDX-License-Identifier: MIT */
/* shaper_internal.h: what the parts of the shaper share: shaper.c keeps flows and links, shaper_classes.c asks for classes. */
#ifndef GW_DATAPATH_SHAPER_INTERNAL_H
#define GW_DATAPATH_SHAPER_INTERNAL_H

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "datapath/kernel/shaper.h"

struct shaped_link {
	char name[16];
	uint32_t ifindex;
	struct schedule *schedule;
	struct shaped_link *prev, *next;
};

struct shaped_class {
	struct shaped_link *link;
	uint32_t minor;
	uint64_t ceil_bps;
};

struct class_set {
	struct shaped_class class[GW_METER_CLASSES];
	unsigned count;
};

/* Packets, also before they are segmented, and bytes of IP. */
struct mix {
	uint64_t packets, before, bytes;
};

struct shaped_flow {
	uint32_t id;
	struct datapath_meter meter;
	struct gw_meter entry; /* as in the map */
	struct class_set classes;
	struct mix seen; /* counters when its mix was taken */
	struct mix mix;
	UT_hash_handle hh;
};

struct shaped_class *class_set_find(struct class_set *set, const struct shaped_link *link);

struct schedule_demand shaper_demand(const struct shaper *shaper, const struct shaped_flow *flow,
				     const struct datapath_meter *meter,
				     const struct shaped_link *link);

/*
 * Classes for the flow under this meter, on all its links; those that it has are changed. Where none can be had
 * there is none. `insist`: on what is to be guaranteed (-EDQUOT, and all is as before); else a class without it is
 * better than none.
 */
int shaper_take_classes(struct shaper *shaper, struct shaped_flow *flow,
			const struct datapath_meter *meter, const struct gw_meter *entry,
			bool insist, struct class_set *ret_taken);

/* The flow's classes as they were before these were taken. */
void shaper_undo_classes(const struct shaper *shaper, struct shaped_flow *flow,
			 const struct class_set *taken);

/* Gives back what the flow had and has not any more, once packets are not sent there any more. */
void shaper_release_others(const struct class_set *had, struct class_set *taken);

#endif
