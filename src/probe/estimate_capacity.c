/* SPDX-License-Identifier: MIT */
/*
 * estimate_capacity.c: see estimate_capacity.h.
 *
 * Of trains that agree more or less the median counts. Those that a shaper's bucket let through whole do not: trains
 * have to be longer than that, and as long as what varies is little against what they take. How long that is, each of
 * them shows for the next one.
 */
#include "probe/estimate_capacity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AGREE 0.1
#define CHANGED 0.2
#define DISPUTED 0.5
/* What a bucket lets through is faster by far more. */
#define FASTER 1.5
/* A bucket that is not full lets fewer packets through. */
#define PASSED_HEADS 2
/* More in succession, and there is no bucket any more. */
#define UNSEEN_MAX 4
/* After the last loss. */
#define CAME_AGAIN 8
#define VARIES_ALPHA 0.5
#define SIGMAS 4

static bool agree(uint64_t a_bps, uint64_t b_bps, double tolerance)
{
	double a = (double)a_bps, b = (double)b_bps, difference = a > b ? a - b : b - a;

	return difference <= tolerance * (a < b ? a : b);
}

static bool is_faster(uint64_t a_bps, uint64_t b_bps)
{
	return (double)a_bps > FASTER * (double)b_bps;
}

static const struct train_view *last_of(const struct capacity *capacity)
{
	return &capacity->trains[capacity->n_trains - 1];
}

static double mean_doubt(const struct capacity *capacity)
{
	double sum = 0;

	for (unsigned i = 0; i < capacity->n_trains; i++)
		sum += capacity->trains[i].doubt;
	return sum / capacity->n_trains;
}

/* ---- what trains say together ---- */

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Between two that contradict each other the lower: what is too much is so by far. */
static uint64_t median_of(const struct capacity *capacity)
{
	uint64_t sorted[CAPACITY_TRAINS], low, high;
	unsigned n = capacity->n_trains;

	for (unsigned i = 0; i < n; i++)
		sorted[i] = capacity->trains[i].bps;
	qsort(sorted, n, sizeof(*sorted), compare_u64);
	low = sorted[(n - 1) / 2];
	high = sorted[n / 2];
	return agree(low, high, CHANGED) ? low + (high - low) / 2 : low;
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
	memmove(capacity->trains, capacity->trains + capacity->n_trains - n,
		n * sizeof(*capacity->trains));
	capacity->n_trains = n;
}

/* ---- buckets ---- */

/* Where delays vary, a head may be chance, and it takes another train that shows it. */
static void learn_bucket(struct capacity *capacity, const struct train_view *view)
{
	unsigned head = view->is_sure ? view->head : 0;

	for (unsigned i = 0; i < capacity->n_trains; i++) {
		if (capacity->trains[i].head > head)
			head = capacity->trains[i].head;
	}
	if (head > view->head)
		head = view->head;
	if (head > capacity->bucket_packets)
		capacity->bucket_packets = head;
	if (head > 0)
		capacity->unseen = 0;
}

/* Others have emptied it just before, whether they show in between or have made the train slower. */
static bool may_be_empty(const struct capacity *capacity, const struct train_view *view)
{
	return view->others || (double)view->bps * (1 + AGREE) < (double)capacity->bps;
}

/*
 * Trains of which a bucket lets all packets through say nothing but how large it is at least. After some in succession
 * that do not show it, though they should, there is none any more.
 */
static bool is_buckets(struct capacity *capacity, const struct train_view *view)
{
	bool faster = is_faster(view->bps, capacity->bps);

	if (view->head > 0 || capacity->bucket_packets == 0)
		return false;
	if (faster && 2 * view->packets <= capacity->bucket_packets)
		return true;
	if (!faster && may_be_empty(capacity, view))
		return false;
	if (++capacity->unseen >= UNSEEN_MAX) {
		capacity->bucket_packets = capacity->unseen = 0;
		return false;
	}
	if (faster && view->packets > capacity->bucket_packets)
		capacity->bucket_packets = view->packets;
	return faster;
}

/* Beside this one those say nothing that are much shorter, or that went through the bucket that it shows. */
static void drop_for(struct capacity *capacity, const struct train_view *view)
{
	unsigned n = 0;

	for (unsigned i = 0; i < capacity->n_trains; i++) {
		const struct train_view *before = &capacity->trains[i];
		bool passed = view->is_sure && before->head == 0 &&
			      before->packets <= PASSED_HEADS * view->head &&
			      is_faster(before->bps, view->bps);

		if (2 * before->packets > view->packets && !passed)
			capacity->trains[n++] = *before;
	}
	capacity->n_trains = n;
}

/* ---- one train more ---- */

static void note_length(struct capacity *capacity, const struct probe_train *train,
			const struct train_view *view)
{
	capacity->packet_bytes = train->packet_bytes;
	if (view->packets > capacity->longest)
		capacity->longest = view->packets;
	/* It was chance; or so long ago that it may be tried again. A bucket alone does not need it. */
	if (++capacity->came >= CAME_AGAIN ||
	    (view->head == 0 && 4 * view->packets >= 3 * capacity->lost))
		capacity->lost = 0;
}

static void add(struct capacity *capacity, const struct train_view *view)
{
	double took_ns = view->packets * (double)capacity->packet_bytes * 8e9 / (double)view->bps;

	capacity->varies_ns += VARIES_ALPHA * (view->doubt * took_ns - capacity->varies_ns);
	learn_bucket(capacity, view);
	drop_for(capacity, view);
	if (capacity->n_trains == CAPACITY_TRAINS)
		keep_last(capacity, CAPACITY_TRAINS - 1);
	capacity->trains[capacity->n_trains++] = *view;
	capacity->bps = median_of(capacity);
}

/* Two that agree with each other, and not with what was: the path is another one now. */
static void follow_change(struct capacity *capacity)
{
	const struct train_view *last = last_of(capacity);

	if (capacity->n_trains < 2 || !agree(last[0].bps, last[-1].bps, AGREE) ||
	    agree(last[0].bps, capacity->bps, CHANGED + SIGMAS * last->doubt))
		return;
	keep_last(capacity, 2);
	capacity->bps = median_of(capacity);
}

bool capacity_take(struct capacity *capacity, const struct probe_train *train,
		   uint64_t own_link_bps, uint64_t now_us)
{
	struct train_view view = train_look(train);

	view.bps = cap(view.bps, own_link_bps, train->packet_bytes);
	view.bps = cap(view.bps, train->sink_link_bps, train->packet_bytes);
	note_length(capacity, train, &view);
	if (view.bps == 0 || is_buckets(capacity, &view))
		return false;
	add(capacity, &view);
	follow_change(capacity);
	capacity->measured_us = now_us;
	return capacity_is_settled(capacity);
}

void capacity_lose(struct capacity *capacity, unsigned packets)
{
	capacity->lost = packets;
	capacity->came = 0;
}

/* ---- which ones are needed ---- */

#define PACKETS_MIN 8
#define PACKETS_FIRST 16
#define PACKETS_LONGEST 256
/* Of what it shows, what varies may make so much of one train, and of all together. */
#define DOUBT_OF_ONE 0.05
#define DOUBT_OF_ALL 0.03
/* A path is not filled for longer than that, only to see it better. */
#define FILLED_NS 200e6
/* A clear tail is enough after a bucket: so many, and as many as half of it. */
#define TAIL_PACKETS 12

/*
 * Of a fast path more, as receivers take packets in batches there; and as that may be only how fast the interface before
 * a shaper is.
 */
static unsigned packets_for(uint64_t bps)
{
	if (bps == 0)
		return PACKETS_FIRST;
	if (bps > 400000000)
		return PACKETS_LONGEST;
	if (bps > 90000000)
		return 128;
	if (bps > 30000000)
		return 32;
	return bps <= 4000000 ? PACKETS_MIN : PACKETS_FIRST;
}

/* As many as the bucket lets through do not count. */
static unsigned packets_after_bucket(const struct capacity *capacity)
{
	unsigned bucket = capacity->bucket_packets;

	if (capacity->n_trains > 0 && last_of(capacity)->head > bucket)
		bucket = last_of(capacity)->head;
	if (bucket == 0)
		return 0;
	return bucket + (bucket / 2 > TAIL_PACKETS ? bucket / 2 : TAIL_PACKETS);
}

static unsigned packets_where_it_varies(const struct capacity *capacity)
{
	double packet_ns, most, packets;

	if (capacity->bps == 0)
		return 0;
	packet_ns = capacity->packet_bytes * 8e9 / (double)capacity->bps;
	most = FILLED_NS / packet_ns < PACKETS_LONGEST ? FILLED_NS / packet_ns : PACKETS_LONGEST;
	packets = capacity->varies_ns / (DOUBT_OF_ONE * packet_ns);
	return (unsigned)(packets < most ? packets : most);
}

/* Whoever has room for fewer loses some; at first much fewer, so that it does not happen again and again. */
static unsigned packets_that_come(const struct capacity *capacity)
{
	unsigned packets = capacity->came == 0 ? capacity->lost / 2 : capacity->lost / 4 * 3;

	return packets > PACKETS_MIN ? packets : PACKETS_MIN;
}

unsigned capacity_least_packets(const struct capacity *capacity)
{
	unsigned after_bucket = packets_after_bucket(capacity);
	unsigned varying = packets_where_it_varies(capacity);

	return after_bucket > varying ? after_bucket : varying;
}

unsigned capacity_packets(const struct capacity *capacity, unsigned most)
{
	unsigned packets = packets_for(capacity->bps), least = capacity_least_packets(capacity);

	if (packets < least)
		packets = least;
	/* Slow paths must not be flooded by mistake. */
	if (capacity->longest > 0 && packets > 2 * capacity->longest)
		packets = 2 * capacity->longest;
	if (capacity->lost > 0 && packets > packets_that_come(capacity))
		packets = packets_that_come(capacity);
	return packets < most ? packets : most;
}

bool capacity_is_growing(const struct capacity *capacity, unsigned most)
{
	return capacity->n_trains > 0 &&
	       4 * capacity_packets(capacity, most) > 5 * last_of(capacity)->packets;
}

bool capacity_is_settled(const struct capacity *capacity)
{
	const struct train_view *last;

	if (capacity->n_trains < 2 || capacity->n_trains == CAPACITY_TRAINS)
		return capacity->n_trains == CAPACITY_TRAINS;
	last = last_of(capacity);
	return agree(last[0].bps, last[-1].bps, AGREE) &&
	       mean_doubt(capacity) < DOUBT_OF_ALL * sqrt(capacity->n_trains);
}

/* As longer ones do not come through, a bucket may let all of them through. */
static bool are_too_short(const struct capacity *capacity)
{
	return capacity->lost > 0 && capacity->n_trains > 0 && capacity->bucket_packets == 0 &&
	       4 * last_of(capacity)->packets < packets_for(capacity->bps);
}

bool capacity_is_disputed(const struct capacity *capacity)
{
	if (are_too_short(capacity))
		return true;
	for (unsigned i = 0; i < capacity->n_trains; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (agree(capacity->trains[i].bps, capacity->trains[j].bps, DISPUTED))
				return false;
		}
	}
	return capacity->n_trains >= 2;
}
