/* SPDX-License-Identifier: MIT */
/*
 * meters.h: the rates of flows in the maps `meters` and `buckets`. A meter's bucket is there before it and
 * goes after it, and keeps its state when the rate changes.
 */
#ifndef GW_DATAPATH_METERS_H
#define GW_DATAPATH_METERS_H

#include <stdbool.h>

#include "datapath/datapath.h"
#include "datapath/kernel/tables.h"

struct inherited_meter;

struct meters {
	const struct tables *tables;
	struct inherited_meter *inherited; /* what an earlier daemon has left, as it was found */
};

int meters_init(struct meters *meters, const struct tables *tables);
void meters_free(struct meters *meters);

/* -EINVAL, -ERANGE: no bucket is so (core/bucket.h). Without classes. */
int meters_make(const struct datapath_meter *meter, struct gw_meter *ret_meter);

/* The other way round, as far as it stands in the map. */
void meters_read_back(const struct gw_meter *meter, struct datapath_meter *ret_meter);

/* In place of `before`, which NULL says is none of ours. -ENOSPC: the table is full. */
int meters_put(const struct meters *meters, uint32_t flow_id, const struct gw_meter *meter,
	       const struct gw_meter *before);
void meters_delete(const struct meters *meters, uint32_t flow_id);
int meters_read(const struct meters *meters, uint32_t flow_id, struct gw_bucket *ret_bucket);

/* NULL: an earlier daemon has left none of this flow. */
const struct gw_meter *meters_inherited(const struct meters *meters, uint32_t flow_id);

/* The minor of a class on the link that an earlier daemon's meter had which said the same; then it is taken. 0: none. */
uint32_t meters_take_class(struct meters *meters, const struct gw_meter *like, uint32_t ifindex);

/* Removes what is not `kept`, and forgets what was inherited. How many meters went, or a negative errno. */
int meters_sweep(struct meters *meters, bool (*kept)(void *user_data, uint32_t flow_id),
		 void *user_data);

#endif
