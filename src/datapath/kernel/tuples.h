/* SPDX-License-Identifier: MIT */
/*
 * tuples.h: writes targets that are packets by their addresses into the map `tuples`, and tells the mark
 * program which kinds of them there are to look for.
 */
#ifndef GW_DATAPATH_TUPLES_H
#define GW_DATAPATH_TUPLES_H

#include "datapath/datapath.h"
#include "datapath/kernel/tables.h"

struct tuples {
	const struct tables *tables;
	uint32_t count[GW_WILD_COUNT]; /* by `wild` of their keys */
};

/* Takes over what is there. */
void tuples_init(struct tuples *tuples, const struct tables *tables);

/* What becomes the key; -EOPNOTSUPP: the mark program does not look for such packets. */
int tuples_key(const struct datapath_tuple *tuple, struct gw_tuplekey *ret_key);

/* -ENOSPC: the table is full. */
int tuples_apply(struct tuples *tuples, const struct datapath_tuple *tuple,
		 const struct gw_verdict *verdict);
void tuples_clear(struct tuples *tuples, const struct datapath_tuple *tuple);
uint32_t tuples_count(const struct tuples *tuples);

/* Removes what an earlier daemon has left; how many those were, or a negative errno. */
int tuples_sweep(struct tuples *tuples);

#endif
