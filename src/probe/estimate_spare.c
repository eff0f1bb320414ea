/* SPDX-License-Identifier: MIT */
/*
 * estimate_spare.c: see estimate_spare.h.
 *
 * The delays of probes over time have a floor, which only those touch that waited nowhere: a straight line, as
 * clocks drift evenly over such times. How steep it is the lower convex hull of all points shows, how high it is now
 * the lowest of the last ones. When the path is busy all the time, the floor of what is seen lies above the true one;
 * so a floor that has risen more than clocks can is not believed. Nor is a packet that was there sooner than all others:
 * whoever had to wait while he read a clock has stamped it wrong, and all others would seem to have waited.
 *
 * What counts as "has not waited" depends on how noisy the two clocks and the hosts are: those who did not wait
 * stand close together above the floor, those who did are spread over at least a packet's time.
 */
#include "probe/estimate_spare.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

#define LATE_NS (NS_PER_MS / 2)
#define CLOCK_JUMP_NS (10 * NS_PER_S)
#define RTT_MAX_NS (10 * NS_PER_S)
/* Clocks of computers are within 100 ppm each; whatever is more is no drift. */
#define DRIFT_MAX 500e-6
/* How much of it may be unknown: of clocks of which nothing is known yet, and however long they are watched. */
#define DOUBT_AT_FIRST 100e-6
#define DOUBT_LEAST 20e-6
/* Who stands on the floor stands anywhere in its width, at both ends of the time that is seen. */
#define DOUBT_WIDTHS 2
#define DOUBT_STAMPS_NS 20000.0
#define FIT_TIMES 3
#define FIT_MEANS 2
#define FLOOR_SLACK_NS 1000.0
#define PROVISIONAL_NS NS_PER_S
#define PROVISIONAL_PROBES 40
#define PROVISIONAL_SHARE 16
#define RECENT_NS (3 * NS_PER_S)
#define RECENT_PROBES 100
#define RECENT_MAX_NS (10 * NS_PER_S)
/* No clock is better than that. */
#define STEP_NS 500
#define LEAST_SHARE 256
#define IDLE_PROBES 10
#define ALL_NS NS_PER_S
#define REFUSE_NS (30 * NS_PER_S)
/* One is astray unless so many others stand on the same floor. More than some cannot be. */
#define CONFIRM_PROBES 2
#define CONFIRM_SHARE 64
#define ASTRAY_SHARE 16

/* ---- samples ---- */

static struct spare_probe *at(struct spare *spare, unsigned i)
{
	return &spare->ring[(spare->next + SPARE_RING - spare->n + i) % SPARE_RING];
}

static const struct spare_probe *at_const(const struct spare *spare, unsigned i)
{
	return &spare->ring[(spare->next + SPARE_RING - spare->n + i) % SPARE_RING];
}

void spare_forget(struct spare *spare)
{
	*spare = (struct spare){
		.ring = spare->ring,
		.rtt_ns = spare->rtt_ns,
		.heard_ns = spare->heard_ns,
	};
}

void spare_clear(struct spare *spare)
{
	free(spare->ring);
	*spare = (struct spare){ 0 };
}

/* How long it was on its way, there and back; 0: that cannot be. */
static uint64_t take_rtt(struct spare *spare, const struct probe_gap *gap)
{
	uint64_t there_and_back_ns = gap->received_ns - gap->sent_ns;
	uint64_t residence_ns = gap->sink_sent_ns - gap->sink_received_ns;
	uint64_t rtt_ns;

	/* Time that runs backwards, or a sink that had it for longer than it was away. */
	if (there_and_back_ns > RTT_MAX_NS || residence_ns > there_and_back_ns)
		return 0;
	rtt_ns = there_and_back_ns - residence_ns;
	if (rtt_ns < 1000)
		rtt_ns = 1000;
	spare->rtt_ns = spare->rtt_ns == 0 ? rtt_ns
					   : spare->rtt_ns - spare->rtt_ns / 8 + rtt_ns / 8;
	return rtt_ns;
}

void spare_take(struct spare *spare, const struct probe_gap *gap)
{
	struct spare_probe probe = {
		.at_ns = gap->sent_ns,
		.lost = gap->lost,
		.late = gap->sent_ns > gap->scheduled_ns + LATE_NS,
	};
	uint64_t delay_ns = gap->sink_received_ns - gap->sent_ns;

	if (!spare->ring)
		spare->ring = calloc(SPARE_RING, sizeof(*spare->ring));
	if (!spare->ring)
		return;
	if (!gap->lost) {
		if (!spare->has_origin)
			spare->origin_ns = delay_ns;
		probe.delay_ns = (int64_t)(delay_ns - spare->origin_ns);
		/* One of the clocks was set: what was before says nothing any more. */
		if (spare->has_origin &&
		    (probe.delay_ns > CLOCK_JUMP_NS || probe.delay_ns < -CLOCK_JUMP_NS)) {
			spare_forget(spare);
			spare->origin_ns = delay_ns;
			probe.delay_ns = 0;
		}
		spare->has_origin = true;
		spare->heard_ns = gap->received_ns;
		probe.rtt_ns = take_rtt(spare, gap);
	}
	/* In the order of sending, as the floor needs it. */
	if (spare->n > 0 && probe.at_ns < at(spare, spare->n - 1)->at_ns)
		return;
	spare->ring[spare->next] = probe;
	spare->next = (spare->next + 1) % SPARE_RING;
	if (spare->n < SPARE_RING)
		spare->n++;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static unsigned first_since(const struct spare *spare, uint64_t from_ns)
{
	unsigned low = 0, high = spare->n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (at_const(spare, middle)->at_ns < from_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* ---- who has waited ---- */

static double floor_at(const struct spare_base *base, uint64_t at_ns)
{
	return base->delay_ns + base->drift * ((double)at_ns - (double)base->at_ns);
}

/* How long it waited, above that floor; 0 and more. */
static double waited_ns(const struct spare_base *base, const struct spare_probe *probe)
{
	double waited = (double)probe->delay_ns - floor_at(base, probe->at_ns);

	return waited > 0 ? waited : 0;
}

/* How many of the sorted ones are less than that. */
static unsigned below(const double *sorted, unsigned n, double limit)
{
	unsigned low = 0, high = n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (sorted[middle] < limit)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * From the width within which a tenth of all stand on, as long as there are about as many in the next stretch as in
 * those before.
 */
static double width_of_idle(const double *sorted, unsigned n, uint64_t packet_ns)
{
	double step = sorted[n / 10], limit, most = (double)packet_ns;

	if (step < STEP_NS)
		step = STEP_NS;
	limit = step;
	/* Less does not matter; and with less, above a floor that is a little too high nobody would not have waited. */
	if (limit < most / LEAST_SHARE)
		limit = most / LEAST_SHARE;
	while (limit < most) {
		unsigned inside = below(sorted, n, limit);
		unsigned next = below(sorted, n, limit + step) - inside;

		if (next * limit < 0.35 * inside * step)
			break;
		limit += step;
	}
	return limit;
}

/* How far above that floor those stand who have not waited; 0: nobody knows. */
static double width_on(const struct spare *spare, const struct spare_base *base, uint64_t packet_ns)
{
	double waited[SPARE_RING];
	unsigned n = 0;

	for (unsigned i = 0; i < spare->n; i++) {
		const struct spare_probe *probe = at_const(spare, i);

		if (!probe->lost && !probe->astray)
			waited[n++] = waited_ns(base, probe);
	}
	if (n < IDLE_PROBES)
		return 0;
	qsort(waited, n, sizeof(*waited), compare_doubles);
	return width_of_idle(waited, n, packet_ns);
}

/* ---- the floor ---- */

/* On which side of the line from a to b is c? Positive: above. */
static double side(const struct spare_probe *a, const struct spare_probe *b,
		   const struct spare_probe *c)
{
	double bx = (double)(b->at_ns - a->at_ns), cx = (double)(c->at_ns - a->at_ns);

	return bx * (double)(c->delay_ns - a->delay_ns) - cx * (double)(b->delay_ns - a->delay_ns);
}

/* The lower convex hull of what was sent since then and came back; how many points it has. */
static unsigned hull_of(const struct spare *spare, uint64_t from_ns,
			const struct spare_probe *hull[SPARE_RING])
{
	unsigned n = 0;

	for (unsigned i = 0; i < spare->n; i++) {
		const struct spare_probe *probe = at_const(spare, i);

		if (probe->lost || probe->astray || probe->at_ns < from_ns)
			continue;
		while (n >= 2 && side(hull[n - 2], hull[n - 1], probe) <= 0)
			n--;
		hull[n++] = probe;
	}
	return n;
}

/* The line that supports all of them from below, if clocks drift so. */
static struct spare_base support(const struct spare_probe **hull, unsigned n, double drift)
{
	struct spare_base base = { .known = true, .drift = drift };
	double least = 0;

	for (unsigned i = 0; i < n; i++) {
		double above = (double)(hull[i]->delay_ns - hull[0]->delay_ns) -
			       drift * (double)(hull[i]->at_ns - hull[0]->at_ns);

		if (i > 0 && above >= least)
			continue;
		least = above;
		base.at_ns = hull[i]->at_ns;
		base.delay_ns = (double)hull[i]->delay_ns;
	}
	return base;
}

/* As it is now, so that what is not known of the drift counts from now on only. */
static struct spare_base moved_to(const struct spare_base *base, uint64_t now_ns)
{
	struct spare_base moved = *base;

	moved.delay_ns = floor_at(base, now_ns);
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
	return (near > spare->idle_ns ? spare->idle_ns : near) + FLOOR_SLACK_NS;
}

/* Above the floor that is known; without one, above what the first one took. */
static double height_of(const struct spare *spare, const struct spare_probe *probe)
{
	if (!is_floor_known(spare))
		return (double)probe->delay_ns;
	return (double)probe->delay_ns - floor_at(&spare->base, probe->at_ns);
}

/* Below that they are astray, of the sorted ones. */
static double least_believed(const struct spare *spare, const double *sorted, unsigned n,
			     double near, uint64_t now_ns)
{
	double slack = is_floor_known(spare) ? slack_ns(spare, now_ns) : 0;
	unsigned others = n / CONFIRM_SHARE > CONFIRM_PROBES ? n / CONFIRM_SHARE : CONFIRM_PROBES;

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
	unsigned first = first_since(spare, from_ns), n = 0;

	if (first == spare->n)
		return;
	for (unsigned i = first; i < spare->n; i++) {
		if (!at(spare, i)->lost)
			heights[n++] = height_of(spare, at(spare, i));
	}
	qsort(heights, n, sizeof(*heights), compare_doubles);
	near = near_ns(spare, packet_ns, now_ns - at(spare, first)->at_ns);
	least = least_believed(spare, heights, n, near, now_ns);
	for (unsigned i = first; i < spare->n; i++)
		at(spare, i)->astray = !at(spare, i)->lost &&
				       height_of(spare, at(spare, i)) < least;
}

/* ---- how clocks drift ---- */

/* Who was on the way there and back for as short as anybody has waited nowhere, whatever clocks do. */
static bool is_quick(const struct spare *spare, const struct spare_probe *probe)
{
	return probe->rtt_ns > 0 && !probe->astray &&
	       (double)probe->rtt_ns <= spare->least_rtt_ns + spare->quick_ns;
}

/* The least that is not a wrong stamp's doing, and how far above it those are who did not wait. */
static void learn_quick(struct spare *spare, uint64_t packet_ns)
{
	double rtts[SPARE_RING], least;
	unsigned n = 0, others;

	for (unsigned i = 0; i < spare->n; i++) {
		if (at(spare, i)->rtt_ns > 0)
			rtts[n++] = (double)at(spare, i)->rtt_ns;
	}
	if (n < IDLE_PROBES)
		return;
	qsort(rtts, n, sizeof(*rtts), compare_doubles);
	others = n / CONFIRM_SHARE > CONFIRM_PROBES ? n / CONFIRM_SHARE : CONFIRM_PROBES;
	least = rtts[others];
	/* What was once so short is so again. */
	if (spare->least_rtt_ns == 0 || least < spare->least_rtt_ns)
		spare->least_rtt_ns = least;
	for (unsigned i = 0; i < n; i++)
		rtts[i] = rtts[i] > spare->least_rtt_ns ? rtts[i] - spare->least_rtt_ns : 0;
	spare->quick_ns = width_of_idle(rtts, n, packet_ns);
}

struct drift {
	double drift, doubt;
};

struct line {
	uint64_t first_ns, last_ns;
	double at_ns, delay_ns, slope; /* through that point; counted from the first one */
	unsigned n;
};

static double beside(const struct line *line, const struct spare_probe *probe)
{
	double above = (double)probe->delay_ns - line->delay_ns -
		       line->slope * ((double)(probe->at_ns - line->first_ns) - line->at_ns);

	return above < 0 ? -above : above;
}

/* The one that fits those quick ones best that are no further from another one than so much; NULL: all of them. */
static struct line fit(const struct spare *spare, const struct line *other, double most_ns)
{
	struct line line = { 0 };
	double squares = 0, products = 0;

	for (unsigned i = 0; i < spare->n; i++) {
		const struct spare_probe *probe = at_const(spare, i);
		double at_ns, step;

		if (!is_quick(spare, probe) || (other && beside(other, probe) > most_ns))
			continue;
		if (line.n++ == 0)
			line.first_ns = probe->at_ns;
		line.last_ns = probe->at_ns;
		at_ns = (double)(probe->at_ns - line.first_ns);
		step = at_ns - line.at_ns;
		line.at_ns += step / line.n;
		line.delay_ns += ((double)probe->delay_ns - line.delay_ns) / line.n;
		squares += step * (at_ns - line.at_ns);
		products += step * ((double)probe->delay_ns - line.delay_ns);
	}
	line.slope = squares > 0 ? products / squares : 0;
	return line;
}

static double mean_beside(const struct spare *spare, const struct line *line)
{
	double sum = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < spare->n; i++) {
		if (!is_quick(spare, at_const(spare, i)))
			continue;
		sum += beside(line, at_const(spare, i));
		n++;
	}
	return n > 0 ? sum / n : 0;
}

/* Few that are far off bend a line a lot. The doubt: as if all that is chance bent it one way. */
static struct drift drift_of(const struct spare *spare)
{
	struct line line = fit(spare, NULL, 0);
	double doubt;

	if (line.n < IDLE_PROBES)
		return (struct drift){ 0, DOUBT_AT_FIRST };
	for (unsigned i = 0; i < FIT_TIMES && line.n > 0; i++)
		line = fit(spare, &line, FIT_MEANS * mean_beside(spare, &line));
	doubt = (DOUBT_WIDTHS * spare->quick_ns + DOUBT_STAMPS_NS) /
		(double)(line.last_ns - line.first_ns);
	if (line.n < IDLE_PROBES || doubt > DOUBT_AT_FIRST)
		doubt = DOUBT_AT_FIRST;
	return (struct drift){ line.slope, doubt > DOUBT_LEAST ? doubt : DOUBT_LEAST };
}

/* Only who has not waited shows how clocks drift; the longer they are seen, the better. */
static void follow_drift(struct spare *spare)
{
	struct drift seen = drift_of(spare);

	if (seen.doubt > spare->base.doubt || seen.drift > DRIFT_MAX || seen.drift < -DRIFT_MAX)
		return;
	spare->base.drift = seen.drift;
	spare->base.doubt = seen.doubt;
}

/* ---- the floor as it is now ---- */

/* As long as little has been seen, all of it makes the floor. */
static void found_floor(struct spare *spare, uint64_t now_ns)
{
	const struct spare_probe *hull[SPARE_RING];
	unsigned n = hull_of(spare, 0, hull);
	struct drift seen = drift_of(spare);
	struct spare_base base;

	if (n == 0)
		return;
	/* What may be chance is taken as none: most clocks are set by others. */
	if (seen.drift > DRIFT_MAX || seen.drift < -DRIFT_MAX ||
	    (seen.drift < seen.doubt && seen.drift > -seen.doubt))
		seen.drift = 0;
	base = support(hull, n, seen.drift);
	base.doubt = seen.doubt;
	base.provisional = spare->n < PROVISIONAL_PROBES ||
			   hull[n - 1]->at_ns - hull[0]->at_ns < (uint64_t)PROVISIONAL_NS;
	spare->base = moved_to(&base, now_ns);
}

/* Whether one of those since then was as quick as can be, so that the floor is where it was seen. */
static bool has_quick(const struct spare *spare, uint64_t from_ns)
{
	unsigned n = 0;

	for (unsigned i = first_since(spare, from_ns); i < spare->n; i++)
		n += is_quick(spare, at_const(spare, i));
	return n > CONFIRM_PROBES;
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
	const struct spare_probe *hull[SPARE_RING];
	struct spare_base base;
	double rise_ns;
	unsigned n;

	if (!is_floor_known(spare)) {
		find_astray(spare, packet_ns, 0, now_ns);
		found_floor(spare, now_ns);
		return;
	}
	if (span_ns < (uint64_t)RECENT_NS)
		span_ns = RECENT_NS;
	find_astray(spare, packet_ns, now_ns - span_ns, now_ns);
	n = hull_of(spare, now_ns - span_ns, hull);
	if (n == 0)
		return;
	base = support(hull, n, spare->base.drift);
	rise_ns = floor_at(&base, now_ns) - floor_at(&spare->base, now_ns);
	if (rise_ns > slack_ns(spare, now_ns) && !has_quick(spare, now_ns - span_ns)) {
		refuse_floor(spare, packet_ns, now_ns);
		return;
	}
	base.doubt = spare->base.doubt;
	spare->base = moved_to(&base, now_ns);
}

static void learn_idle(struct spare *spare, uint64_t packet_ns)
{
	double width_ns = width_on(spare, &spare->base, packet_ns);

	/* As long as nobody knows how the clocks drift, what little they did is no waiting. */
	if (spare->base.provisional && width_ns < (double)packet_ns / PROVISIONAL_SHARE)
		width_ns = (double)packet_ns / PROVISIONAL_SHARE;
	if (width_ns > 0)
		spare->idle_ns = width_ns;
}

void spare_learn(struct spare *spare, uint64_t packet_ns, uint64_t now_ns)
{
	/* What changes slowly, and is learnt from all there is. */
	bool all = !is_floor_known(spare) || now_ns - spare->learnt_ns >= (uint64_t)ALL_NS;

	if (all) {
		spare->learnt_ns = now_ns;
		learn_quick(spare, packet_ns);
	}
	learn_floor(spare, packet_ns, now_ns);
	if (!all)
		return;
	if (is_floor_known(spare))
		follow_drift(spare);
	learn_idle(spare, packet_ns);
}

/*
 * Who came just when a packet had nearly left has waited less than `idle_ns` too. Of a packet's time any remainder is
 * as likely: (1 - busy) * (1 + busy * share of the packet's time) seem idle; solved for 1 - busy.
 */
static double correct(double seemed_idle, double share_of_packet)
{
	double busy = 1 - seemed_idle;

	if (share_of_packet > 1)
		share_of_packet = 1;
	for (unsigned i = 0; i < 20; i++)
		busy = 1 - seemed_idle / (1 + busy * share_of_packet);
	return 1 - busy;
}

bool spare_look(const struct spare *spare, uint64_t span_ns, uint64_t packet_ns, uint64_t now_ns,
		struct spare_view *ret_view)
{
	struct spare_view view = { .waited_least_ns = 1e18 };
	unsigned first = first_since(spare, now_ns > span_ns ? now_ns - span_ns : 0);
	unsigned idle = 0, idle_late = 0, n_late = 0;
	double sum_ns = 0;

	for (unsigned i = first; i < spare->n; i++) {
		const struct spare_probe *probe = at_const(spare, i);
		double waited;

		if (probe->astray)
			continue;
		view.n++;
		view.lost += probe->lost;
		if (probe->lost)
			continue;
		waited = waited_ns(&spare->base, probe);
		sum_ns += waited;
		idle += waited < spare->idle_ns;
		n_late += probe->late;
		idle_late += probe->late && waited < spare->idle_ns;
		if (waited < view.waited_least_ns)
			view.waited_least_ns = waited;
	}
	if (view.n == view.lost || !spare->base.known || spare->idle_ns <= 0) {
		*ret_view = (struct spare_view){ .n = view.n, .lost = view.lost };
		return false;
	}
	view.waited_mean_ns = sum_ns / (view.n - view.lost);
	/* Who was late came when this host was busy, and not at any time, unless it always is. */
	if (n_late * 2 < view.n - view.lost)
		view.idle = (double)(idle - idle_late) / (view.n - view.lost - n_late);
	else
		view.idle = (double)idle / (view.n - view.lost);
	view.idle = correct(view.idle, spare->idle_ns / (double)packet_ns);
	*ret_view = view;
	return true;
}

uint64_t spare_span_of(const struct spare *spare, unsigned n, uint64_t max_ns, uint64_t now_ns)
{
	uint64_t at_ns;

	if (spare->n == 0)
		return 0;
	at_ns = at_const(spare, spare->n > n ? spare->n - n : 0)->at_ns;
	return now_ns - at_ns < max_ns ? now_ns - at_ns : max_ns;
}
