/* SPDX-License-Identifier: MIT */
/* estimate_spare_internal.h: what the files that are estimate_spare.h share: its probes, its floor, its clocks. */
#ifndef GW_PROBE_ESTIMATE_SPARE_INTERNAL_H
#define GW_PROBE_ESTIMATE_SPARE_INTERNAL_H

#include "probe/estimate_spare.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* Clocks of computers are within 100 ppm each; whatever is more is no drift. */
#define DRIFT_MAX 500e-6
/* How much of it may be unknown: of clocks of which nothing is known yet. */
#define DOUBT_AT_FIRST 100e-6
/* Less says nothing of how they are spread. */
#define IDLE_PROBES 10
/* A stamp may be wrong unless so many others say about the same. */
#define CONFIRM_PROBES 2
#define CONFIRM_SHARE 64

static inline struct spare_probe *spare_at(struct spare *spare, unsigned i)
{
	return &spare->ring[(spare->next + SPARE_RING - spare->n + i) % SPARE_RING];
}

static inline const struct spare_probe *spare_at_const(const struct spare *spare, unsigned i)
{
	return &spare->ring[(spare->next + SPARE_RING - spare->n + i) % SPARE_RING];
}

/* The first one that was sent at that time or later; spare->n: none. */
unsigned spare_first_since(const struct spare *spare, uint64_t from_ns);
int spare_compare(const void *a, const void *b); /* doubles */

static inline unsigned spare_others(unsigned n)
{
	return n / CONFIRM_SHARE > CONFIRM_PROBES ? n / CONFIRM_SHARE : CONFIRM_PROBES;
}

static inline double spare_floor_at(const struct spare_base *base, uint64_t at_ns)
{
	return base->delay_ns + base->drift * ((double)at_ns - (double)base->at_ns);
}

static inline double spare_above_ns(const struct spare_base *base, const struct spare_probe *probe)
{
	return (double)probe->delay_ns - spare_floor_at(base, probe->at_ns);
}

/* How long it waited, above that floor; 0 and more. */
static inline double spare_waited_ns(const struct spare_base *base, const struct spare_probe *probe)
{
	double above_ns = spare_above_ns(base, probe);

	return above_ns > 0 ? above_ns : 0;
}

/* ---- estimate_clocks.c ---- */

/*
 * Of sorted times above the least that can be: how far those reach that are so by noise alone, and not because a packet,
 * which takes that long, was before them.
 */
double spare_width_of(const double *sorted_ns, unsigned n, uint64_t packet_ns);

/* The least that it takes there and back, and how far above it those are who did not wait. */
void spare_learn_quick(struct spare *spare, uint64_t packet_ns);
/* Whether some of those since then were as quick as can be. */
bool spare_has_quick(const struct spare *spare, uint64_t from_ns);

struct drift {
	double drift, doubt;
};
struct drift spare_drift_of(const struct spare *spare);

#endif
