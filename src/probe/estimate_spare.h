/* SPDX-License-Identifier: MIT */
/*
 * estimate_spare.h: how busy the narrowest link of a path is, from small packets that either find it idle or wait
 * (spec/probing.md §6.2, §6.3): the share that found it idle is the share of it that is free.
 *
 * Clocks of two hosts are off, and drift. What a sink says of its clock may be a lie: it can make the path look
 * busier or less busy, but never more than its capacity free.
 */
#ifndef GW_PROBE_ESTIMATE_SPARE_H
#define GW_PROBE_ESTIMATE_SPARE_H

#include "probe/sample.h"

#define SPARE_RING 2048

struct spare_probe {
	uint64_t at_ns;	  /* own clock */
	int64_t delay_ns; /* one way, between the two clocks, and from the first one's on */
	uint64_t rtt_ns;  /* there and back; 0: not known */
	bool lost, late;
	bool astray; /* sooner there than any other: its stamps cannot be right */
};

/* The least that a packet takes at a time, as the clocks show it. */
struct spare_base {
	bool known, provisional;
	uint64_t at_ns;
	double delay_ns;     /* then */
	double drift, doubt; /* of the clocks, and how wrong that may be */
	uint64_t refused_ns; /* since when a later one is refused; 0: it is not */
};

/* All zero: nothing is known. */
struct spare {
	struct spare_probe *ring; /* NULL: nothing has been seen */
	unsigned n, next;
	uint64_t origin_ns; /* what the first delay was taken as */
	bool has_origin;
	struct spare_base base;
	double noise_ns; /* those who have not waited differ by that */
	double idle_ns;	 /* who waits less than that has not waited; rather more than noise alone */
	double least_rtt_ns; /* who is there and back so soon has not either, */
	double quick_ns;     /* or who took that much longer */
	uint64_t learnt_ns;  /* when all that is there was looked at */
	uint64_t rtt_ns;     /* smoothed; 0: not known */
	uint64_t heard_ns;
};

void spare_take(struct spare *spare, const struct probe_gap *gap);
/* What was seen before does not count any more. */
void spare_forget(struct spare *spare);
/* Nothing is known any more, and nothing is kept. */
void spare_clear(struct spare *spare);

/* What probes that were sent from a time on have seen. */
struct spare_view {
	unsigned n, lost;
	double idle;		/* share of those that are not lost */
	double waited_least_ns; /* that none of them fell below */
	double waited_mean_ns;
};

/* Before views: learns what idle is from all that is there. `packet_ns`: what a full packet takes. */
void spare_learn(struct spare *spare, uint64_t packet_ns, uint64_t now_ns);
/* Those of the last `span_ns`. false: there are none that have come back, or nothing to compare with. */
bool spare_look(const struct spare *spare, uint64_t span_ns, uint64_t packet_ns, uint64_t now_ns,
		struct spare_view *ret_view);
/* How far back one must go for so many probes; at most max_ns. */
uint64_t spare_span_of(const struct spare *spare, unsigned n, uint64_t max_ns, uint64_t now_ns);

#endif
