/* SPDX-License-Identifier: MIT */
/*
 * estimate_train.c: see estimate_train.h.
 *
 * Packets that leave faster than the narrowest link carries them leave that link one packet time apart. What
 * spoils it: a shaper with a bucket lets the first packets through at the speed of its interface; other packets
 * between two of them make gaps longer; delays that vary, and a receiver that takes packets in batches, make some
 * gaps tiny and others long, but all of the train no longer than by as much. So the head of a train is left out if it
 * is faster than what follows. If hardly any gap is shorter than the most frequent one, that one is a packet's time,
 * whatever came in between. If many are, only how long many packets took together counts; where a receiver takes them
 * every so often, as many of them as others are hardly ever in between of.
 */
#include "probe/estimate_train.h"

#include <math.h>
#include <stdlib.h>

#define GAPS_MAX 512
#define NS_PER_S UINT64_C(1000000000)
/* Of fewer gaps nothing but their sum says anything. */
#define LINE_MIN 4

/* When packets arrived; arrivals_ns[0] is 0. */
struct line {
	const double *arrivals_ns;
	const uint64_t *gaps_ns;
	unsigned n; /* gaps */
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The value below which such a share of the gaps is. */
static double quantile_of_gaps(const struct line *line, double share)
{
	double sorted[GAPS_MAX];

	for (unsigned i = 0; i < line->n; i++)
		sorted[i] = (double)line->gaps_ns[i];
	qsort(sorted, line->n, sizeof(*sorted), compare_doubles);
	return sorted[(unsigned)((line->n - 1) * share + 0.5)];
}

static double taken_ns(const struct line *line, unsigned from, unsigned to)
{
	return line->arrivals_ns[to] - line->arrivals_ns[from];
}

static struct line part_of(const struct line *line, unsigned from, unsigned to)
{
	return (struct line){ line->arrivals_ns + from, line->gaps_ns + from, to - from };
}

/* ---- a line through what varies ---- */

/* Of arrivals, by least squares: a packet's time, and how far from it they are typically. */
static void fit(const struct line *line, double *ret_packet_ns, double *ret_varies_ns)
{
	double mean_i = line->n / 2.0, mean_ns = 0, product = 0, square = 0, rest = 0, slope;

	for (unsigned i = 0; i <= line->n; i++)
		mean_ns += taken_ns(line, 0, i) / (line->n + 1);
	for (unsigned i = 0; i <= line->n; i++) {
		product += (i - mean_i) * (taken_ns(line, 0, i) - mean_ns);
		square += (i - mean_i) * (i - mean_i);
	}
	slope = product / square;
	for (unsigned i = 0; i <= line->n; i++) {
		double off = taken_ns(line, 0, i) - mean_ns - slope * (i - mean_i);

		rest += off * off;
	}
	*ret_packet_ns = slope;
	*ret_varies_ns = sqrt(rest / (line->n + 1));
}

/* ---- the head ---- */

#define HEAD_MIN 2
#define TAIL_MIN 4
#define HEAD_FASTER 0.75
#define HEAD_MUCH_FASTER 0.5
#define HEAD_SIGMAS 4
#define TAIL_SHARE 0.25
#define RUN_MIN 4
#define RUN_LATER_SHARE 0.1

/* The one that came earliest against an even train. */
static unsigned knee_of(const struct line *line)
{
	double even_ns = taken_ns(line, 0, line->n) / line->n, most_ns = 0;
	unsigned knee = 0;

	for (unsigned i = 1; i < line->n; i++) {
		double early_ns = i * even_ns - taken_ns(line, 0, i);

		if (early_ns > most_ns) {
			most_ns = early_ns;
			knee = i;
		}
	}
	return knee;
}

/* Where delays do not vary, all gaps of the head are shorter than those that follow. */
static bool is_clear(const struct line *head, const struct line *tail)
{
	double least_ns = quantile_of_gaps(tail, 0.25);

	return quantile_of_gaps(head, 0.95) < HEAD_FASTER * least_ns &&
	       least_ns > HEAD_FASTER * quantile_of_gaps(tail, 0.5) &&
	       taken_ns(head, 0, head->n) / head->n <
		       HEAD_FASTER * taken_ns(tail, 0, tail->n) / tail->n;
}

/* Where they do, it has to be faster by much more than that. */
static bool is_far_ahead(const struct line *head, const struct line *tail)
{
	double packet_ns, varies_ns, early_ns;

	if (tail->n < TAIL_SHARE * (head->n + tail->n))
		return false;
	fit(tail, &packet_ns, &varies_ns);
	early_ns = head->n * packet_ns - taken_ns(head, 0, head->n);
	return taken_ns(head, 0, head->n) / head->n < HEAD_MUCH_FASTER * packet_ns &&
	       early_ns > HEAD_SIGMAS * varies_ns;
}

/*
 * Of gaps at the head, nearly all are shorter than a packet's time, and hardly any of those that follow is, whatever others
 * put in between there.
 */
static unsigned run_of(const struct line *line)
{
	struct line later = part_of(line, line->n / 2, line->n);
	double limit_ns = HEAD_FASTER * quantile_of_gaps(&later, 0.25);
	unsigned run = 0;
	int shorter = 0, most = 0;

	if (quantile_of_gaps(&later, RUN_LATER_SHARE) < limit_ns)
		return 0;
	for (unsigned i = 0; i < line->n / 2; i++) {
		shorter += (double)line->gaps_ns[i] < limit_ns ? 1 : -1;
		if (shorter > most) {
			most = shorter;
			run = i + 1;
		}
	}
	return most >= RUN_MIN && taken_ns(line, 0, run) < limit_ns * run ? run : 0;
}

/* How many gaps at the head, and so packets before the last of them, are a shaper's bucket's. */
static unsigned head_of(const struct line *line, bool *ret_is_sure)
{
	unsigned knee = knee_of(line), run;
	struct line head = part_of(line, 0, knee), tail = part_of(line, knee, line->n);
	bool parted = knee >= HEAD_MIN - 1 && tail.n >= TAIL_MIN;

	*ret_is_sure = false;
	if (line->n < TAIL_MIN)
		return 0;
	run = parted && is_clear(&head, &tail) ? knee : run_of(line);
	*ret_is_sure = run > 0;
	if (run == 0 && parted && is_far_ahead(&head, &tail))
		run = knee;
	/* The gap after them is what was left in the bucket, and less than a packet. */
	return run > 0 ? run + 1 : 0;
}

/* ---- the rest ---- */

/* Stamps of fast links are too coarse for less. */
#define MODE_WIDTH 1.1
#define MODE_SHARE 0.25
#define MODE_MIN 3.5
/* Others do not make a train longer than that; where packets wait for a late one, and then come at once, it is. */
#define LONGER_MAX 2.2
#define SHORTER 0.8
#define SHORTER_SHARE 0.1
/* What is of bounded size becomes less and less of longer parts. */
#define BOUNDED 0.3
#define BOUNDED_PACKETS 8
#define FULL_PACKET 1.9
#define LATER_MIN 32
/* By so much longer than gaps say: perhaps it is not others, and a longer train will tell. */
#define OTHERS 1.1

/* The mean of those that stand closest together, the longest at most `width` times the shortest; their share. */
static double mode_of(const uint64_t *times_ns, unsigned n, double width, double *ret_share)
{
	unsigned best_from = 0, best_to = 0, to = 0;
	double sorted[GAPS_MAX], sum = 0;

	for (unsigned i = 0; i < n; i++)
		sorted[i] = (double)times_ns[i];
	qsort(sorted, n, sizeof(*sorted), compare_doubles);
	for (unsigned from = 0; from < n; from++) {
		while (to < n && sorted[to] <= sorted[from] * width)
			to++;
		if (to - from > best_to - best_from) {
			best_from = from;
			best_to = to;
		}
	}
	for (unsigned i = best_from; i < best_to; i++)
		sum += sorted[i];
	*ret_share = (double)(best_to - best_from) / n;
	return sum / (best_to - best_from);
}

/* Variance of how long so many took. */
static double variance_of(const struct line *line, unsigned packets)
{
	double sum = 0, squares = 0, n = line->n - packets + 1, mean;

	for (unsigned i = 0; i + packets <= line->n; i++)
		sum += taken_ns(line, i, i + packets);
	mean = sum / n;
	for (unsigned i = 0; i + packets <= line->n; i++)
		squares += (taken_ns(line, i, i + packets) - mean) *
			   (taken_ns(line, i, i + packets) - mean);
	return squares / n;
}

/* Whether a full packet of others is in most of the longer gaps. */
static bool are_packets_between(const struct line *line, double packet_ns)
{
	unsigned longer = 0, full = 0;

	for (unsigned i = 0; i < line->n; i++) {
		longer += (double)line->gaps_ns[i] > MODE_WIDTH * packet_ns;
		full += (double)line->gaps_ns[i] > FULL_PACKET * packet_ns;
	}
	return 2 * full > longer;
}

/*
 * What others put in between adds up, unless they send as regularly as full packets only are sent; what a receiver does
 * that takes packets every so often does not.
 */
static bool is_bounded(const struct line *line, double packet_ns)
{
	unsigned packets = line->n / 4 < BOUNDED_PACKETS ? line->n / 4 : BOUNDED_PACKETS;

	return packets >= 2 && !are_packets_between(line, packet_ns) &&
	       variance_of(line, packets) < BOUNDED * packets * variance_of(line, 1);
}

/* A packet's time, if gaps themselves show it. */
static bool by_gaps(const struct line *line, double *ret_packet_ns)
{
	double share, mode_ns = mode_of(line->gaps_ns, line->n, MODE_WIDTH, &share);
	unsigned shorter = 0;

	for (unsigned i = 0; i < line->n; i++)
		shorter += (double)line->gaps_ns[i] < SHORTER * mode_ns;
	if (mode_ns <= 0 || share < MODE_SHARE || share * line->n < MODE_MIN ||
	    shorter > SHORTER_SHARE * line->n ||
	    taken_ns(line, 0, line->n) > LONGER_MAX * mode_ns * line->n)
		return false;
	if (is_bounded(line, mode_ns))
		return false;
	*ret_packet_ns = mode_ns;
	return true;
}

/* ---- receivers that take packets in batches ---- */

/* So many of the times between batches, and at least so many, are so near to a multiple of one of them. */
#define BATCH_SHARE 0.8
#define BATCH_MIN 4
#define BATCH_OFF 0.1
#define BATCH_WIDTH 1.05
#define BATCH_PACKETS_MAX 24
/* More than that of what is shown may be how much fits into one batch. */
#define BATCH_DOUBT 0.3

/* Of gaps, those that are no part of a batch; how many they are. */
static unsigned between_batches(const struct line *line, uint64_t *ret_gaps_ns)
{
	double mean_ns = taken_ns(line, 0, line->n) / line->n;
	unsigned n = 0;

	for (unsigned i = 0; i < line->n; i++) {
		if ((double)line->gaps_ns[i] > mean_ns / 4)
			ret_gaps_ns[n++] = line->gaps_ns[i];
	}
	return n;
}

/* How often a receiver takes packets; 0: whenever they come. */
static double batch_ns(const struct line *line)
{
	uint64_t gaps_ns[GAPS_MAX];
	unsigned n = between_batches(line, gaps_ns), even = 0;
	double share, every_ns;

	if (n < BATCH_MIN)
		return 0;
	every_ns = mode_of(gaps_ns, n, MODE_WIDTH, &share);
	for (unsigned i = 0; i < n; i++) {
		double times = (double)gaps_ns[i] / every_ns;

		even += fabs(times - round(times)) < BATCH_OFF;
	}
	return even >= BATCH_SHARE * n ? every_ns : 0;
}

/* How long so many packets took each time; how many times that is. */
static unsigned sums_of(const struct line *line, unsigned packets, uint64_t *ret_sums_ns)
{
	unsigned n = line->n - packets + 1;

	for (unsigned i = 0; i < n; i++)
		ret_sums_ns[i] = (uint64_t)taken_ns(line, i, i + packets);
	return n;
}

/*
 * If so many packets take the same number of batches nearly always, that is about how long they take; and the better
 * known the more it is. Others are in between some of them only.
 */
static bool by_batches(const struct line *line, double *ret_packet_ns)
{
	double every_ns = batch_ns(line), least_doubt = BATCH_DOUBT;
	unsigned most = line->n / 2 < BATCH_PACKETS_MAX ? line->n / 2 : BATCH_PACKETS_MAX;
	uint64_t sums_ns[GAPS_MAX];

	for (unsigned packets = 1; every_ns > 0 && packets <= most; packets++) {
		unsigned n = sums_of(line, packets, sums_ns);
		double share, mode_ns = mode_of(sums_ns, n, BATCH_WIDTH, &share);
		double doubt = (1 - share) * every_ns / mode_ns;

		if (mode_ns < every_ns * (1 - BATCH_OFF) || doubt >= least_doubt)
			continue;
		least_doubt = doubt;
		*ret_packet_ns = mode_ns / packets;
	}
	return least_doubt < BATCH_DOUBT;
}

/* How long all of it took: others in between make it longer, and how much nobody knows where delays vary as well. */
static double by_line(const struct line *line, double *ret_varies_ns)
{
	double packet_ns;

	fit(line, &packet_ns, ret_varies_ns);
	return packet_ns > 0 ? packet_ns : taken_ns(line, 0, line->n) / line->n;
}

/* Of packets after the head; 0: all at once, that is no measurement. */
static double look(const struct line *line, struct train_view *view)
{
	double all_ns = taken_ns(line, 0, line->n), varies_ns, packet_ns = 0;
	/* At first delays are not yet as long as those that others have waited for; and a head may have been overlooked. */
	struct line later = part_of(line, line->n / 4, line->n);

	if (all_ns <= 0 || line->n < LINE_MIN)
		return all_ns / line->n;
	if (by_gaps(line->n < LATER_MIN ? line : &later, &packet_ns)) {
		view->others = all_ns > OTHERS * packet_ns * line->n;
		if (view->others)
			view->doubt = (all_ns / (packet_ns * line->n) - 1) / 2;
		return packet_ns;
	}
	if (by_batches(line, &packet_ns))
		return packet_ns;
	packet_ns = by_line(&later, &varies_ns);
	/* At both ends. */
	view->doubt = sqrt(2) * varies_ns / (packet_ns * line->n);
	return packet_ns;
}

struct train_view train_look(const struct probe_train *train)
{
	unsigned n = train->n_gaps < GAPS_MAX ? train->n_gaps : GAPS_MAX;
	struct train_view view = { .packets = train->n_sent };
	double arrivals_ns[GAPS_MAX + 1] = { 0 }, packet_ns, bps;
	struct line line = { arrivals_ns, train->gaps_ns, n };

	if (n == 0 || train->packet_bytes == 0)
		return view;
	for (unsigned i = 0; i < n; i++)
		arrivals_ns[i + 1] = arrivals_ns[i] + (double)train->gaps_ns[i];
	view.head = head_of(&line, &view.is_sure);
	line = part_of(&line, view.head, n);
	packet_ns = look(&line, &view);
	if (packet_ns <= 0)
		return view;
	bps = (double)train->packet_bytes * 8 * (double)NS_PER_S / packet_ns;
	if (bps < (double)UINT32_MAX * 1000)
		view.bps = (uint64_t)bps;
	return view;
}
