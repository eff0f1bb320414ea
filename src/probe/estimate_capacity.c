/* SPDX-License-Identifier: MIT */
/*
 * estimate_capacity.c: see estimate_capacity.h.
 *
 * Packets that leave faster than the narrowest link carries them leave that link one packet time apart. What
 * spoils it: other packets between two of them make gaps longer; a receiver that takes packets in batches makes
 * some gaps tiny and the next one long; a shaper with a bucket lets the first packets through at the speed of its
 * interface. So the head of a train is left out if it is faster than what follows, gaps are looked at alone, in
 * twos, in threes ... until they are much the same, and of those the most frequent counts.
 */
#include "probe/estimate_capacity.h"

#include <stdlib.h>
#include <string.h>

#define GAPS_MAX 512
#define GROUP_MAX 12
#define NS_PER_S UINT64_C(1000000000)
/* Other traffic makes a train at most twice as long as it would be: less than half its speed is a batch's doing. */
#define FASTER_THAN_MEAN_MAX 2.2
/* And it never makes it shorter. */
#define SLOWER_THAN_MEAN_MIN 0.9
#define AGREE 0.1
#define CHANGED 0.2
#define DISPUTED 0.5

struct rates {
	double bps[GAPS_MAX];
	unsigned n;
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median_gap(const uint64_t *gaps_ns, unsigned n)
{
	uint64_t sorted[GAPS_MAX];

	memcpy(sorted, gaps_ns, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_u64);
	return sorted[n / 2];
}

/* How many gaps at the head, and so packets before the last of them, are a shaper's bucket's. */
static unsigned head_of(const uint64_t *gaps_ns, unsigned n)
{
	uint64_t tail_ns;
	unsigned head = 0;

	if (n < 6)
		return 0;
	tail_ns = median_gap(gaps_ns + n - n / 3, n / 3);
	while (head < n - n / 3 && gaps_ns[head] < tail_ns / 2)
		head++;
	/* A single one may be a batch's doing, if there are others like it. */
	for (unsigned i = 1; head == 1 && i < n; i++) {
		if (gaps_ns[i] < tail_ns / 2)
			head = 0;
	}
	/* The one after them is what was left in the bucket, and less than a packet. */
	if (head == 0)
		return 0;
	return head + 1 < n - n / 3 ? head + 1 : head;
}

static unsigned gaps_in(const struct probe_train *train)
{
	return train->n_gaps < GAPS_MAX ? train->n_gaps : GAPS_MAX;
}

static double rate_of(uint32_t packet_bytes, unsigned packets, double time_ns)
{
	return packets * (double)packet_bytes * 8 * (double)NS_PER_S / time_ns;
}

/* Rates of all groups of so many gaps in a row, in ascending order. */
static void group(const uint64_t *gaps_ns, unsigned n, unsigned size, uint32_t packet_bytes,
		  struct rates *ret_rates)
{
	ret_rates->n = 0;
	for (unsigned i = 0; i + size <= n; i++) {
		double sum_ns = 0;

		for (unsigned j = i; j < i + size; j++)
			sum_ns += (double)gaps_ns[j];
		if (sum_ns > 0)
			ret_rates->bps[ret_rates->n++] = rate_of(packet_bytes, size, sum_ns);
	}
	qsort(ret_rates->bps, ret_rates->n, sizeof(*ret_rates->bps), compare_doubles);
}

/* The mean of those that stand closest together, the fastest at most `width` times the slowest; their share. */
static double mode_of(const struct rates *rates, double width, double *ret_share)
{
	unsigned best_from = 0, best_to = 0, to = 0;
	double sum = 0;

	for (unsigned from = 0; from < rates->n; from++) {
		while (to < rates->n && rates->bps[to] <= rates->bps[from] * width)
			to++;
		if (to - from > best_to - best_from) {
			best_from = from;
			best_to = to;
		}
	}
	for (unsigned i = best_from; i < best_to; i++)
		sum += rates->bps[i];
	*ret_share = (double)(best_to - best_from) / rates->n;
	return sum / (best_to - best_from);
}

static bool is_tight(const struct rates *rates)
{
	double low = rates->bps[rates->n / 4], high = rates->bps[rates->n - 1 - rates->n / 4];

	return high - low <= 0.25 * rates->bps[rates->n / 2];
}

/* Stamps may be too coarse for the narrow width; others' packets between them make no more than half of it go. */
static bool most_frequent(const struct rates *rates, double mean, uint64_t *ret_bps)
{
	static const struct {
		double width, share;
	} choices[] = { { 1.05, 0.5 }, { 1.25, 0.45 } };

	for (unsigned i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
		double share, mode = mode_of(rates, choices[i].width, &share);

		if (mode > FASTER_THAN_MEAN_MAX * mean || mode < SLOWER_THAN_MEAN_MIN * mean)
			continue;
		if (share >= choices[i].share || is_tight(rates)) {
			*ret_bps = (uint64_t)mode;
			return true;
		}
	}
	return false;
}

uint64_t capacity_of_train(const struct probe_train *train)
{
	unsigned n = gaps_in(train);
	const uint64_t *gaps_ns = train->gaps_ns;
	unsigned head = head_of(gaps_ns, n);
	struct rates rates;
	uint64_t bps;
	double mean;

	gaps_ns += head;
	n -= head;
	if (n == 0 || train->packet_bytes == 0)
		return 0;
	group(gaps_ns, n, n, train->packet_bytes, &rates);
	if (rates.n == 0)
		return 0; /* all at once: that is no measurement */
	mean = rates.bps[0];
	for (unsigned size = 1; size <= GROUP_MAX && size + 2 <= n; size++) {
		group(gaps_ns, n, size, train->packet_bytes, &rates);
		if (rates.n >= 3 && most_frequent(&rates, mean, &bps))
			return bps;
	}
	return mean < (double)UINT32_MAX * 1000 ? (uint64_t)mean : 0;
}

/* ---- trains together ---- */

static bool agree(uint64_t a_bps, uint64_t b_bps, double tolerance)
{
	double a = (double)a_bps, b = (double)b_bps, difference = a > b ? a - b : b - a;

	return difference <= tolerance * (a < b ? a : b);
}

static uint64_t median_of(const uint64_t *values, unsigned n)
{
	uint64_t sorted[CAPACITY_TRAINS];

	memcpy(sorted, values, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_u64);
	return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

/* No packet can be faster than the interfaces at both ends (P-082). */
static uint64_t cap(uint64_t bps, uint64_t link_bps, uint32_t packet_bytes)
{
	double share_bps;

	if (link_bps == 0)
		return bps;
	share_bps = (double)link_bps * packet_bytes / (packet_bytes + CAPACITY_FRAME_OVERHEAD);
	return (double)bps > share_bps ? (uint64_t)share_bps : bps;
}

static void keep_last(struct capacity *capacity, unsigned n)
{
	unsigned gone = capacity->n_trains - n;

	memmove(capacity->trains_bps, capacity->trains_bps + gone,
		n * sizeof(*capacity->trains_bps));
	memmove(capacity->trains_head, capacity->trains_head + gone,
		n * sizeof(*capacity->trains_head));
	capacity->n_trains = n;
}

static void add(struct capacity *capacity, uint64_t bps, unsigned head)
{
	if (capacity->n_trains == CAPACITY_TRAINS)
		keep_last(capacity, CAPACITY_TRAINS - 1);
	capacity->trains_head[capacity->n_trains] = head;
	capacity->trains_bps[capacity->n_trains++] = bps;
}

/* Of trains that follow each other closely only the first one finds it full; a single head may be chance. */
static unsigned second_largest(const unsigned *heads, unsigned n)
{
	unsigned first = 0, second = 0;

	for (unsigned i = 0; i < n; i++) {
		if (heads[i] > first) {
			second = first;
			first = heads[i];
		} else if (heads[i] > second) {
			second = heads[i];
		}
	}
	return second;
}

void capacity_doubt(struct capacity *capacity)
{
	capacity->n_trains = 0;
}

bool capacity_is_disputed(const struct capacity *capacity)
{
	for (unsigned i = 0; i < capacity->n_trains; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (agree(capacity->trains_bps[i], capacity->trains_bps[j], DISPUTED))
				return false;
		}
	}
	return capacity->n_trains >= 2;
}

bool capacity_take(struct capacity *capacity, const struct probe_train *train,
		   uint64_t own_link_bps, uint64_t now_us)
{
	uint64_t bps = capacity_of_train(train);
	const uint64_t *last;
	bool agreed;

	bps = cap(bps, own_link_bps, train->packet_bytes);
	bps = cap(bps, train->sink_link_bps, train->packet_bytes);
	if (bps == 0)
		return false;
	add(capacity, bps, head_of(train->gaps_ns, gaps_in(train)));
	last = &capacity->trains_bps[capacity->n_trains - 1];
	agreed = capacity->n_trains >= 2 && agree(last[0], last[-1], AGREE);
	capacity->bps = median_of(capacity->trains_bps, capacity->n_trains);
	/* Two that agree with each other, and not with what was: the path is another one now. */
	if (agreed && !agree(last[0], capacity->bps, CHANGED)) {
		keep_last(capacity, 2);
		capacity->bps = median_of(capacity->trains_bps, 2);
	}
	capacity->bucket_packets = second_largest(capacity->trains_head, capacity->n_trains);
	capacity->measured_us = now_us;
	return agreed;
}
