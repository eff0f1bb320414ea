/* SPDX-License-Identifier: MIT */
/*
 * estimate_capacity.h: how narrow the narrowest link of a path is, from trains of packets that left back to back
 * (spec/probing.md §6.1). In bits of IP packets per second.
 *
 * A sink may lie: whatever it says, the result is bounded by the interfaces at both ends, and it is a number.
 */
#ifndef GW_PROBE_ESTIMATE_CAPACITY_H
#define GW_PROBE_ESTIMATE_CAPACITY_H

#include "probe/sample.h"

#define CAPACITY_TRAINS 5
/* What a packet takes of Ethernet besides its own octets: preamble, header, checksum, gap. */
#define CAPACITY_FRAME_OVERHEAD 38

/* All zero: nothing is known. */
struct capacity {
	uint64_t trains_bps[CAPACITY_TRAINS]; /* what each of the last ones showed, newest last */
	unsigned trains_head[CAPACITY_TRAINS]; /* packets of each that a shaper's bucket let through */
	unsigned n_trains;
	uint64_t bps; /* 0: not known */
	unsigned bucket_packets; /* how many of them a bucket lets through, as two trains have shown; 0: none */
	uint64_t measured_us;
};

/* What a train alone shows; 0: nothing. */
uint64_t capacity_of_train(const struct probe_train *train);

/*
 * `own_link_bps`: of the interface by which it left; 0: not known. Whether it is known well enough: two trains
 * agree.
 */
bool capacity_take(struct capacity *capacity, const struct probe_train *train,
		   uint64_t own_link_bps, uint64_t now_us);
/* The next trains alone count; until then what is known is not forgotten. */
void capacity_doubt(struct capacity *capacity);
/* Of the last trains no two have shown about the same: whatever is said of it, another one says otherwise. */
bool capacity_is_disputed(const struct capacity *capacity);

#endif
