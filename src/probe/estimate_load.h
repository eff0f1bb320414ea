/* SPDX-License-Identifier: MIT */
/*
 * estimate_load.h: how much others send over the narrowest link, from trains that leave at about the rate of that
 * link: as long as they fill it, whatever others send stretches them. Few of them say less than many small packets
 * that find the link idle or not; but neither delays that vary by more than a packet's time nor a shaper's bucket,
 * in which small packets never wait, deceive them.
 */
#ifndef GW_PROBE_ESTIMATE_LOAD_H
#define GW_PROBE_ESTIMATE_LOAD_H

#include "probe/sample.h"

#define LOAD_RING 64

struct load_sample {
	uint64_t at_us;
	double left_ns, came_ns; /* how long it took to leave, and to come */
	double bits;
	unsigned gaps;
	double seemed; /* share that seemed to be free to small packets then */
};

/* All zero: nothing is known. */
struct load {
	struct load_sample ring[LOAD_RING];
	unsigned n, next;
	uint64_t capacity_bps; /* as it is known now: what trains have shown before, it may show differently */
};

/* So much faster than the link, so that it stays filled by those behind the ones that fill it. */
#define LOAD_PACE 1.05

/* A train with its `spread_ns`, and what small packets said then. */
void load_take(struct load *load, const struct probe_train *train, uint64_t capacity_bps,
	       double seemed, uint64_t now_us);

/* What small packets that followed say too, of those since then. */
void load_seems(struct load *load, uint64_t since_us, double seemed);

struct load_view {
	unsigned n;
	double busy, seemed; /* the means */
	double variance;     /* of the mean of busy, from how they differ; 1: nobody knows */
	double chance; /* the same, from how much chance there is in so few gaps, if `seemed` is right */
};

/* Of those since then. */
void load_look(const struct load *load, uint64_t since_us, struct load_view *ret_view);

#endif
