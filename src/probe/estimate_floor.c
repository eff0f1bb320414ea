/* SPDX-License-Identifier: MIT */
/*
 * estimate_floor.c: the least that probes take one way: the delays over time have a floor, which only those touch that
 * waited nowhere: a straight line, as clocks drift evenly over such times (estimate_clocks.c). How high it is now
 * the lowest of the last ones shows. When the path is busy all the time, the floor of what is seen lies above the true
 * one; so a floor that has risen more than clocks can is not believed, unless some were there and back as soon as ever.
 * Nor is a packet that was there sooner than all others: whoever had to wait while he read a clock has stamped it wrong,
 * and all others would seem to have waited.
 */
#include "probe/estimate_spare_internal.h"

#include <stdlib.h>

#define FLOOR_SLACK_NS 1000.0
#define PROVISIONAL_NS NS_PER_S
#define PROVISIONAL_PROBES 40
#define PROVISIONAL_SHARE 16
#define LEAST_IDLE_SHARE 32
#define RECENT_NS (3 * NS_PER_S)
#define RECENT_PROBES 100
#define RECENT_MAX_NS (10 * NS_PER_S)
#define ALL_NS NS_PER_S
#define REFUSE_NS (30 * NS_PER_S)
/* More than some cannot be astray. */
#define ASTRAY_SHARE 16

/* What supports all from below that were sent since then and came back, if clocks drift so. false: there are none. */
static bool support(const struct spare *spare, uint64_t from_ns, double drift,
		    struct spare_base *ret_base)
{
	struct spare_base base = { .drift = drift };

	for (unsigned i = spare_first_since(spare, from_ns); i < spare->n; i++) {
		const struct spare_probe *probe = spare_at_const(spare, i);

		if (probe->lost || probe->astray ||
		    (base.known && spare_above_ns(&base, probe) >= 0))
			continue;
		base.known = true;
		base.at_ns = probe->at_ns;
		base.delay_ns = (double)probe->delay_ns;
	}
	*ret_base = base;
	return base.known;
}

/* As it is now, so that what is not known of the drift counts from now on only. */
static struct spare_base moved_to(const struct spare_base *base, uint64_t now_ns)
{
	struct spare_base moved = *base;

	moved.delay_ns = spare_floor_at(base, now_ns);
	moved.at_ns = now_ns;
	return moved;
}

static bool is_floor_known(const struct spare *spare)
{
	return spare->base.known && !spare->base.provisional;
}

/* What two clocks may have drifted apart since the floor was last seen. */
static double slack_ns(const struct spare *spare, uint64_t now_ns)
{
	return spare->base.doubt * (double)(now_ns - spare->base.at_ns) + FLOOR_SLACK_NS;
}

/* How far above each other those may be that stand on one floor. */
static double near_ns(const struct spare *spare, uint64_t packet_ns, uint64_t span_ns)
{
	double near = (double)packet_ns / 2;

	if (!is_floor_known(spare))
		return near + DOUBT_AT_FIRST * (double)span_ns;
	return (near > spare->noise_ns ? spare->noise_ns : near) + FLOOR_SLACK_NS;
}

/* Above the floor that is known; without one, above what the first one took. */
static double height_of(const struct spare *spare, const struct spare_probe *probe)
{
	if (!is_floor_known(spare))
		return (double)probe->delay_ns;
	return spare_above_ns(&spare->base, probe);
}

/* Below that they are astray, of the sorted ones. */
static double least_believed(const struct spare *spare, const double *sorted, unsigned n,
			     double near, uint64_t now_ns)
{
	double slack = is_floor_known(spare) ? slack_ns(spare, now_ns) : 0;
	unsigned others = spare_others(n);

	for (unsigned i = 0; i <= (n + ASTRAY_SHARE / 2) / ASTRAY_SHARE && i + others < n; i++) {
		/* What stands on the floor that is known needs no others. */
		if ((is_floor_known(spare) && sorted[i] > -slack) ||
		    sorted[i + others] - sorted[i] <= near)
			return sorted[i];
	}
	return n > 0 ? sorted[0] : 0;
}

/* Each time anew: what nobody else has confirmed yet others may confirm soon. */
static void find_astray(struct spare *spare, uint64_t packet_ns, uint64_t from_ns, uint64_t now_ns)
{
	double heights[SPARE_RING], least, near;
	unsigned first = spare_first_since(spare, from_ns), n = 0;

	if (first == spare->n)
		return;
	for (unsigned i = first; i < spare->n; i++) {
		if (!spare_at(spare, i)->lost)
			heights[n++] = height_of(spare, spare_at(spare, i));
	}
	qsort(heights, n, sizeof(*heights), spare_compare);
	near = near_ns(spare, packet_ns, now_ns - spare_at(spare, first)->at_ns);
	least = least_believed(spare, heights, n, near, now_ns);
	for (unsigned i = first; i < spare->n; i++)
		spare_at(spare, i)->astray = !spare_at(spare, i)->lost &&
					     height_of(spare, spare_at(spare, i)) < least;
}

/* Only who has not waited shows how clocks drift; the longer they are seen, the better. */
static void follow_drift(struct spare *spare)
{
	struct drift seen = spare_drift_of(spare);

	if (seen.doubt > spare->base.doubt || seen.drift > DRIFT_MAX || seen.drift < -DRIFT_MAX)
		return;
	spare->base.drift = seen.drift;
	spare->base.doubt = seen.doubt;
}

/* From the first one to the last one that came back. */
static uint64_t seen_for_ns(const struct spare *spare)
{
	uint64_t first_ns = 0, last_ns = 0;

	for (unsigned i = 0; i < spare->n; i++) {
		const struct spare_probe *probe = spare_at_const(spare, i);

		if (probe->lost || probe->astray)
			continue;
		if (last_ns == 0)
			first_ns = probe->at_ns;
		last_ns = probe->at_ns;
	}
	return last_ns - first_ns;
}

/* As long as little has been seen, all of it makes the floor. */
static void found_floor(struct spare *spare, uint64_t now_ns)
{
	struct drift seen = spare_drift_of(spare);
	struct spare_base base;

	/* What may be chance is taken as none: most clocks are set by others. */
	if (seen.drift > DRIFT_MAX || seen.drift < -DRIFT_MAX ||
	    (seen.drift < seen.doubt && seen.drift > -seen.doubt))
		seen.drift = 0;
	if (!support(spare, 0, seen.drift, &base))
		return;
	base.doubt = seen.doubt;
	base.provisional = spare->n < PROVISIONAL_PROBES ||
			   seen_for_ns(spare) < (uint64_t)PROVISIONAL_NS;
	spare->base = moved_to(&base, now_ns);
}

/* A floor that is not believed is believed after all, if it stays for long and nothing is lost. */
static void refuse_floor(struct spare *spare, uint64_t packet_ns, uint64_t now_ns)
{
	struct spare_view view;

	if (spare->base.refused_ns == 0)
		spare->base.refused_ns = now_ns;
	if (now_ns - spare->base.refused_ns < (uint64_t)REFUSE_NS)
		return;
	spare_look(spare, REFUSE_NS, packet_ns, now_ns, &view);
	if (view.lost == 0)
		spare_forget(spare);
}

/* The lowest of the last ones is the floor, unless that has risen by more than drift explains. */
static void learn_floor(struct spare *spare, uint64_t packet_ns, uint64_t now_ns)
{
	uint64_t span_ns = spare_span_of(spare, RECENT_PROBES, RECENT_MAX_NS, now_ns);
	struct spare_base base;
	double rise_ns;

	if (!is_floor_known(spare)) {
		find_astray(spare, packet_ns, 0, now_ns);
		found_floor(spare, now_ns);
		return;
	}
	if (span_ns < (uint64_t)RECENT_NS)
		span_ns = RECENT_NS;
	find_astray(spare, packet_ns, now_ns - span_ns, now_ns);
	if (!support(spare, now_ns - span_ns, spare->base.drift, &base))
		return;
	rise_ns = spare_floor_at(&base, now_ns) - spare_floor_at(&spare->base, now_ns);
	if (rise_ns > slack_ns(spare, now_ns) && !spare_has_quick(spare, now_ns - span_ns)) {
		refuse_floor(spare, packet_ns, now_ns);
		return;
	}
	base.doubt = spare->base.doubt;
	spare->base = moved_to(&base, now_ns);
}

/* How far above that floor those stand who have not waited; 0: nobody knows. */
static double width_on(const struct spare *spare, const struct spare_base *base, uint64_t packet_ns)
{
	double waited[SPARE_RING];
	unsigned n = 0;

	for (unsigned i = 0; i < spare->n; i++) {
		const struct spare_probe *probe = spare_at_const(spare, i);

		if (!probe->lost && !probe->astray)
			waited[n++] = spare_waited_ns(base, probe);
	}
	if (n < IDLE_PROBES)
		return 0;
	qsort(waited, n, sizeof(*waited), spare_compare);
	return spare_width_of(waited, n, packet_ns);
}

static void learn_idle(struct spare *spare, uint64_t packet_ns)
{
	double noise_ns = width_on(spare, &spare->base, packet_ns), least_ns;

	if (noise_ns > 0)
		spare->noise_ns = noise_ns;
	/* The floor may be a little too low; more so as long as nobody knows how the clocks drift. */
	least_ns = (double)packet_ns /
		   (spare->base.provisional ? PROVISIONAL_SHARE : LEAST_IDLE_SHARE);
	if (noise_ns > 0 || spare->base.provisional)
		spare->idle_ns = spare->noise_ns > least_ns ? spare->noise_ns : least_ns;
}

void spare_learn(struct spare *spare, uint64_t packet_ns, uint64_t now_ns)
{
	/* What changes slowly, and is learnt from all there is. */
	bool all = !is_floor_known(spare) || now_ns - spare->learnt_ns >= (uint64_t)ALL_NS;

	if (all) {
		spare->learnt_ns = now_ns;
		spare_learn_quick(spare, packet_ns);
	}
	learn_floor(spare, packet_ns, now_ns);
	if (!all)
		return;
	if (is_floor_known(spare))
		follow_drift(spare);
	learn_idle(spare, packet_ns);
}
