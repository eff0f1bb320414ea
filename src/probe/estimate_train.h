/* SPDX-License-Identifier: MIT */
/*
 * estimate_train.h: what a train of packets that left back to back shows by itself of how narrow the narrowest link
 * is (spec/probing.md §6.1). In bits of IP packets per second.
 */
#ifndef GW_PROBE_ESTIMATE_TRAIN_H
#define GW_PROBE_ESTIMATE_TRAIN_H

#include "probe/sample.h"

struct train_view {
	uint64_t bps;	  /* 0: nothing */
	double doubt;	  /* by what share of it that may be off, because delays vary */
	unsigned packets; /* of all */
	unsigned head; /* packets at the head that came faster: a shaper's bucket let them through */
	bool is_sure;  /* nothing but a bucket makes such a head */
	bool others;   /* had packets in between, so that a bucket need not have been full */
};

struct train_view train_look(const struct probe_train *train);

#endif
