/* SPDX-License-Identifier: MIT */
/*
 * bottleneck.h: the narrowest link of a path, under a virtual clock: a FIFO with a rate, a buffer, a delay and
 * jitter, that others send through as well. Or a shaper with a bucket in its place. Times are in nanoseconds.
 *
 * Nothing is queued as such: what came before is the time at which the link will be free. So packets have to be
 * offered in the order in which they arrive.
 */
#ifndef GW_SIM_BOTTLENECK_H
#define GW_SIM_BOTTLENECK_H

#include "dice.h"

#define BOTTLENECK_SOURCES 8

struct bottleneck_plan {
	uint64_t rate_bps; /* of packets with their overhead */
	uint32_t overhead_bytes;
	uint64_t buffer_bytes;
	uint64_t delay_ns;
	uint64_t jitter_ns;    /* after it, at most; order is kept */
	uint64_t uneven_ns;    /* the same before it */
	uint32_t bucket_bytes; /* of a shaper: passes at once; 0: a link */
};

enum bottleneck_kind {
	BOTTLENECK_POISSON,  /* at any time, packets of all sizes */
	BOTTLENECK_CONSTANT, /* 1000 bytes, evenly */
	BOTTLENECK_BURSTS,   /* some packets at once, at any time */
};

struct bottleneck_source {
	enum bottleneck_kind kind;
	double bps; /* of IP packets; 0: silent */
	double next_ns;
	uint32_t next_bytes;
	unsigned left; /* of a burst */
};

struct bottleneck {
	struct bottleneck_plan plan;
	struct dice dice;
	double free_ns;	 /* all that came has left then; of a shaper: its bucket is full again */
	double leave_ns; /* when the last one left */
	double last_ns;	 /* and arrived at the other end */
	double now_ns; /* up to here everybody has sent; ahead of time where packets come unevenly */
	struct bottleneck_source sources[BOTTLENECK_SOURCES];
	uint64_t cross_packets, cross_dropped;
};

void bottleneck_start(struct bottleneck *link, const struct bottleneck_plan *plan, uint64_t seed);
/* Others send so much from now on. */
void bottleneck_source(struct bottleneck *link, unsigned i, enum bottleneck_kind kind, double bps,
		       uint64_t now_ns);
/* A packet; false: there is no room for it. Else when it arrives at the other end. */
bool bottleneck_pass(struct bottleneck *link, uint64_t now_ns, uint32_t bytes,
		     uint64_t *ret_arrives_ns);
/* What it carries of packets of that size. */
double bottleneck_capacity_bps(const struct bottleneck *link, uint32_t bytes);

#endif
