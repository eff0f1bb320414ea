/* SPDX-License-Identifier: MIT */
/*
 * qlpb_judge.h: what a sink makes of probes as they arrive: whether a route check has shown something (MS-QLPB
 * §3.2.5.4), and when a train is complete (§3.2.5.5). Nothing but arithmetic.
 */
#ifndef GW_PROBE_QLPB_JUDGE_H
#define GW_PROBE_QLPB_JUDGE_H

#include "probe/qlpb_wire.h"

/* All zero at first. Names of the document: LatestSequence, ConsecutiveCount, LatestHPSequence, ... */
struct qlpb_route_judge {
	uint32_t latest, consecutive;
	uint32_t latest_high,
		high_train; /* the last high-priority probe whose stragglers may still come */
	uint32_t oversized;
};

/* true: *ret_observation is to be told. */
bool qlpb_judge_route(struct qlpb_route_judge *judge, const struct qlpb_probe *probe,
		      enum qlpb_observation *ret_observation);

/* The longest train that a sink looks at; a longer one is ignored. */
#define QLPB_SINK_TRAIN_MAX 512

struct qlpb_train_judge {
	uint32_t first, latest;
	uint16_t length;    /* 0: none has begun */
	uint16_t n;	    /* so many have come */
	size_t probe_bytes; /* of each */
	uint64_t stamps_100ns[QLPB_SINK_TRAIN_MAX];
};

enum qlpb_train_verdict {
	QLPB_TRAIN_IGNORED, /* the probe does not fit in */
	QLPB_TRAIN_GOES_ON,
	QLPB_TRAIN_COMPLETE, /* judge->first, and length stamps; the next probe must begin another one */
};

enum qlpb_train_verdict qlpb_judge_train(struct qlpb_train_judge *judge,
					 const struct qlpb_probe *probe, size_t probe_bytes,
					 uint64_t stamp_100ns);

#endif
