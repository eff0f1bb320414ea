/* SPDX-License-Identifier: MIT */
/*
 * sample.h: what an experiment with a sink saw, in one form for both protocols: raw facts, in the order in which they
 * came, for the estimator to judge.
 *
 * Times are nanoseconds of a clock whose epoch nobody knows; of which host's is in the name. Clocks of two hosts
 * have nothing to do with each other: only differences of the same clock mean something.
 */
#ifndef GW_PROBE_SAMPLE_H
#define GW_PROBE_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Packets of one size that left back to back, as the sink received them: what the narrowest link made of them. */
struct probe_train {
	uint32_t packet_bytes; /* of each, as an IP packet; without IP: what the link carries as its payload */
	uint64_t sink_link_bps; /* of the interface by which they came; 0: not known, or no bound */
	unsigned n_sent;	/* packets */
	unsigned n_gaps; /* only between packets that left one after the other; all came: n_sent - 1 */
	const uint64_t *gaps_ns; /* sink's clock, in order; good until the callback returns */
	unsigned lead;	    /* of what is paced: so many left at once with the first one that was */
	uint64_t spread_ns; /* own clock: from that one to the last as they left; 0: back to back */
	uint64_t held_ns;   /* own clock: how late the one left that was held up longest */
};

/* One small packet to the sink, and what came back. */
struct probe_gap {
	uint32_t sequence; /* of this experiment, from 0; each number is reported once, in order */
	bool lost;	   /* nothing has come back; what the sink says, and received_ns, are 0 */
	bool tagged;	   /* asked to come back with a priority tag */
	uint32_t packet_bytes;
	uint64_t scheduled_ns;			 /* own clock: when it should have left */
	uint64_t sent_ns;			 /* own clock: when it did */
	uint64_t sink_received_ns, sink_sent_ns; /* sink's clock */
	uint64_t received_ns;			 /* own clock */
};

/* Whether packets with a priority tag get to the sink, and are given priority or at least no disadvantage. */
enum probe_priority {
	PROBE_PRIORITY_UNKNOWN,
	PROBE_PRIORITY_SUPPORTED,
	PROBE_PRIORITY_NOT_SUPPORTED,
};

#endif
