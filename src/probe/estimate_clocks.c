/* SPDX-License-Identifier: MIT */
/*
 * estimate_clocks.c: how two clocks drift apart, from probes that were there and back as soon as any: those have waited
 * nowhere, whatever the clocks do. A line through their one-way delays is the drift.
 *
 * What counts as "has not waited" depends on how noisy the two clocks and the hosts are: those who did not wait
 * stand close together, those who did are spread over at least a packet's time.
 */
#include "probe/estimate_spare_internal.h"

#include <stdlib.h>

/* How wrong a drift may be, however long clocks are watched. */
#define DOUBT_LEAST 20e-6
/* Who stands on the floor stands anywhere in its width, at both ends of the time that is seen. */
#define DOUBT_WIDTHS 2
#define DOUBT_STAMPS_NS 20000.0
#define FIT_TIMES 3
#define FIT_MEANS 2
/* No clock is better than that. */
#define STEP_NS 500
#define LEAST_SHARE 256

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
double spare_width_of(const double *sorted, unsigned n, uint64_t packet_ns)
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

/* Who was on the way there and back for as short as anybody has waited nowhere, whatever clocks do. */
static bool is_quick(const struct spare *spare, const struct spare_probe *probe)
{
	return probe->rtt_ns > 0 && !probe->astray &&
	       (double)probe->rtt_ns <= spare->least_rtt_ns + spare->quick_ns;
}

/* The least that is not a wrong stamp's doing, and how far above it those are who did not wait. */
void spare_learn_quick(struct spare *spare, uint64_t packet_ns)
{
	double rtts[SPARE_RING], least;
	unsigned n = 0, others;

	for (unsigned i = 0; i < spare->n; i++) {
		if (spare_at(spare, i)->rtt_ns > 0)
			rtts[n++] = (double)spare_at(spare, i)->rtt_ns;
	}
	if (n < IDLE_PROBES)
		return;
	qsort(rtts, n, sizeof(*rtts), spare_compare);
	others = spare_others(n);
	least = rtts[others];
	/* What was once so short is so again. */
	if (spare->least_rtt_ns == 0 || least < spare->least_rtt_ns)
		spare->least_rtt_ns = least;
	for (unsigned i = 0; i < n; i++)
		rtts[i] = rtts[i] > spare->least_rtt_ns ? rtts[i] - spare->least_rtt_ns : 0;
	spare->quick_ns = spare_width_of(rtts, n, packet_ns);
}

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
		const struct spare_probe *probe = spare_at_const(spare, i);
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
		if (!is_quick(spare, spare_at_const(spare, i)))
			continue;
		sum += beside(line, spare_at_const(spare, i));
		n++;
	}
	return n > 0 ? sum / n : 0;
}

/* Few that are far off bend a line a lot. The doubt: as if all that is chance bent it one way. */
struct drift spare_drift_of(const struct spare *spare)
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

/* Whether one of those since then was as quick as can be, so that the floor is where it was seen. */
bool spare_has_quick(const struct spare *spare, uint64_t from_ns)
{
	unsigned n = 0;

	for (unsigned i = spare_first_since(spare, from_ns); i < spare->n; i++)
		n += is_quick(spare, spare_at_const(spare, i));
	return n > CONFIRM_PROBES;
}
