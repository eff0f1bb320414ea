/* SPDX-License-Identifier: MIT */
/*
 * estimate_capacity.h: how narrow the narrowest link of a path is, from the trains that went over it (estimate_train.h,
 * spec/probing.md §6.1), and how long the next one has to be to say more. In bits of IP packets per second.
 *
 * A sink may lie: whatever it says, the result is bounded by the interfaces at both ends, and it is a number.
 */
#ifndef GW_PROBE_ESTIMATE_CAPACITY_H
#define GW_PROBE_ESTIMATE_CAPACITY_H

#include "probe/estimate_train.h"

#define CAPACITY_TRAINS 7
/* What a packet takes of Ethernet besides its own octets: preamble, header, checksum, gap. */
#define CAPACITY_FRAME_OVERHEAD 38

/* All zero: nothing is known. */
struct capacity {
	struct train_view trains[CAPACITY_TRAINS]; /* the last ones that say something, newest last */
	unsigned n_trains;
	uint64_t bps;		 /* 0: not known */
	unsigned bucket_packets; /* of a train so many go through at once; 0: the link has no bucket */
	unsigned unseen;	 /* trains in succession that have not shown it */
	double varies_ns;	 /* by how much delays do */
	uint32_t packet_bytes; /* of the trains */
	unsigned longest;      /* packets of the longest train that came through whole */
	unsigned lost;	       /* of the last one that did not; 0: it is long ago */
	unsigned came;	       /* since then */
	uint64_t measured_us;
};

/*
 * `own_link_bps`: of the interface by which it left; 0: not known. Whether that is enough for the time being, as trains
 * agree.
 */
bool capacity_take(struct capacity *capacity, const struct probe_train *train,
		   uint64_t own_link_bps, uint64_t now_us);
/* A train did not come through whole. */
void capacity_lose(struct capacity *capacity, unsigned packets);

bool capacity_is_settled(const struct capacity *capacity);
/*
 * Trains contradict each other, or those that come through are so short that all of them may be a bucket's: whatever is
 * said of it, another one may say otherwise.
 */
bool capacity_is_disputed(const struct capacity *capacity);

/* With fewer packets a train shows too little: what varies, and a bucket lets through, is too much of it. */
unsigned capacity_least_packets(const struct capacity *capacity);
/* How many packets the next train should have, `most` at most. */
unsigned capacity_packets(const struct capacity *capacity, unsigned most);
/* That is so many more than the last one had that it says more. */
bool capacity_is_growing(const struct capacity *capacity, unsigned most);

#endif
