/* SPDX-License-Identifier: MIT */
/*
 * entries.h: writes the engine's targets into the maps. The common add is one or two system calls,
 * the common remove one or two. See gw_bpf.h for how the destinations of a socket are laid out.
 *
 * The kernel may delete a socket's entry at any time, and what it has deleted must not come back:
 * without a descriptor, which keeps the socket alive, an entry is only ever changed, never made.
 */
#ifndef GW_DATAPATH_ENTRIES_H
#define GW_DATAPATH_ENTRIES_H

#include "datapath/datapath.h"
#include "datapath/kernel/kernel.h"
#include "datapath/kernel/tables.h"
#include "datapath/kernel/tuples.h"

/*
 * What is in `dests`, the only thing that is known here and not asked: by destination, and per
 * socket.
 */
struct further;
struct further_list;

struct entries {
	const struct tables *tables;
	struct tuples tuples;
	struct further *further;
	struct further_list *lists;
};

void entries_init(struct entries *entries, const struct tables *tables);
void entries_free(struct entries *entries);

/* These three are datapath_ops. `paced`: the socket itself keeps to the rate of the flow. */
int entries_apply(struct entries *entries, const struct datapath_target *target,
		  const struct datapath_treatment *treatment, bool paced);
void entries_clear(struct entries *entries, const struct datapath_target *target);
uint64_t entries_count(const struct entries *entries);

/* See kernel_datapath_sweep(). */
int entries_sweep(struct entries *entries, kernel_keep_group_fn *keep, void *user_data);

#endif
