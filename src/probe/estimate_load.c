/* SPDX-License-Identifier: MIT */
/* estimate_load.c: see estimate_load.h. */
#include "probe/estimate_load.h"

#include <math.h>

/* Whoever was held up while sending has not filled the link. */
#define SLOWER_MAX 1.1
/* Who left nearly all at once does not show what others send meanwhile. */
#define SPREAD_MIN 0.25
#define PACKETS_MIN 8
/* Others send in bursts of about so many packets. */
#define BURST 4
/* So many in a row that differ by so much of the link from all before: what was is over. */
#define CHANGED_TIMES 3
#define CHANGED 0.35
#define CHANGED_SIGMAS 2.5
#define CHANGED_MIN 7
/* While one was held up, the link went idle, though the others made up for it. No timer is better than that. */
#define HELD_SHARE 16
#define HELD_NS 300000

static bool is_held_up(const struct probe_train *train)
{
	return train->held_ns > HELD_NS && train->held_ns > train->spread_ns / HELD_SHARE;
}

static struct load_sample *at(struct load *load, unsigned i)
{
	return &load->ring[(load->next + LOAD_RING - load->n + i) % LOAD_RING];
}

static const struct load_sample *at_const(const struct load *load, unsigned i)
{
	return &load->ring[(load->next + LOAD_RING - load->n + i) % LOAD_RING];
}

/* Share of the link that others took; what varies may make it less than 0. */
static double busy_of(const struct load *load, const struct load_sample *sample)
{
	double service_ns = sample->bits * 1e9 / (double)load->capacity_bps;
	double alone_ns = sample->left_ns > service_ns ? sample->left_ns : service_ns;

	return (sample->came_ns - alone_ns) / sample->left_ns;
}

/* Whether the last ones are all more than so much above, or below, what was before. */
static bool have_changed(const struct load *load, double before, double least)
{
	unsigned above = 0, below = 0;

	for (unsigned i = load->n - CHANGED_TIMES; i < load->n; i++) {
		double more = busy_of(load, at_const(load, i)) - before;

		above += more > least;
		below += more < -least;
	}
	return above == CHANGED_TIMES || below == CHANGED_TIMES;
}

/* Other traffic than there was: only the last ones count. */
static void forget_what_was(struct load *load)
{
	double mean = 0, squares = 0, least;
	unsigned n = load->n - CHANGED_TIMES;

	if (load->n < CHANGED_MIN)
		return;
	for (unsigned i = 0; i < n; i++) {
		double busy = busy_of(load, at(load, i));

		mean += busy / n;
		squares += busy * busy / n;
	}
	least = CHANGED_SIGMAS * sqrt(squares > mean * mean ? squares - mean * mean : 0);
	if (have_changed(load, mean, least > CHANGED ? least : CHANGED))
		load->n = CHANGED_TIMES;
}

/* Some left before their time: of what others sent so many gaps' worth shows. */
static unsigned seen_gaps(unsigned n, double spread_share)
{
	unsigned seen = spread_share < 1 ? (unsigned)(n * spread_share) : n;

	return seen > 0 ? seen : 1;
}

void load_take(struct load *load, const struct probe_train *train, uint64_t capacity_bps,
	       double seemed, uint64_t now_us)
{
	unsigned n = train->n_gaps - train->lead;
	double service_ns, came_ns = 0;

	/* With a hole in it nobody knows where. */
	if (capacity_bps == 0 || train->spread_ns == 0 || train->n_gaps + 1 != train->n_sent ||
	    train->n_sent < PACKETS_MIN || train->lead >= train->n_gaps)
		return;
	for (unsigned i = train->lead; i < train->n_gaps; i++)
		came_ns += (double)train->gaps_ns[i];
	service_ns = n * (double)train->packet_bytes * 8e9 / (double)capacity_bps;
	if ((double)train->spread_ns > SLOWER_MAX * service_ns ||
	    (double)train->spread_ns < SPREAD_MIN * service_ns || is_held_up(train))
		return;
	load->capacity_bps = capacity_bps;
	load->ring[load->next] = (struct load_sample){
		.at_us = now_us,
		.left_ns = (double)train->spread_ns,
		.came_ns = came_ns,
		.bits = n * (double)train->packet_bytes * 8,
		.gaps = seen_gaps(n, (double)train->spread_ns / service_ns),
		.seemed = seemed,
	};
	load->next = (load->next + 1) % LOAD_RING;
	if (load->n < LOAD_RING)
		load->n++;
	forget_what_was(load);
}

void load_seems(struct load *load, uint64_t since_us, double seemed)
{
	for (unsigned i = 0; i < load->n; i++) {
		struct load_sample *sample = at(load, i);

		if (sample->at_us >= since_us)
			sample->seemed = seemed;
	}
}

/* How much of what one shows is chance, if that share is free: of packets, and at both ends of it. */
static double chance_of(const struct load_sample *sample)
{
	double busy = sample->seemed < 1 ? 1 - sample->seemed : 0;

	return (BURST * busy + 1.0 / sample->gaps) / sample->gaps;
}

void load_look(const struct load *load, uint64_t since_us, struct load_view *ret_view)
{
	double sum = 0, squares = 0, seemed = 0, chance = 0, mean, busy;
	unsigned n = 0;

	for (unsigned i = 0; i < load->n; i++) {
		const struct load_sample *sample = at_const(load, i);

		if (sample->at_us < since_us)
			continue;
		busy = busy_of(load, sample);
		n++;
		sum += busy;
		squares += busy * busy;
		seemed += sample->seemed;
		chance += chance_of(sample);
	}
	*ret_view = (struct load_view){ .n = n, .variance = 1, .chance = 1 };
	if (n == 0)
		return;
	mean = sum / n;
	ret_view->busy = mean;
	ret_view->seemed = seemed / n;
	ret_view->chance = chance / n / n;
	if (n > 1)
		ret_view->variance = (squares / n - mean * mean) / (n - 1);
}
