/* SPDX-License-Identifier: MIT */
/* estimate_load.c: see estimate_load.h. */
#include "probe/estimate_load.h"

/* Whoever was held up while sending has not filled the link. */
#define SLOWER_MAX 1.1
/* At the head a shaper's bucket may let through what others send; by then it is empty, and stays so. */
#define HEAD_SHARE 2
#define PACKETS_MIN 8
/* While one was held up, the link went idle, though the others made up for it. No timer is better than that. */
#define HELD_SHARE 16
#define HELD_NS 300000

static bool is_held_up(const struct probe_train *train)
{
	return train->held_ns > HELD_NS && train->held_ns > train->spread_ns / HELD_SHARE;
}

void load_take(struct load *load, const struct probe_train *train, uint64_t capacity_bps,
	       double seemed, uint64_t now_us)
{
	unsigned head = train->n_gaps / HEAD_SHARE, n = train->n_gaps - head;
	double service_ns, left_ns, came_ns = 0;

	/* With a hole in it nobody knows where. */
	if (capacity_bps == 0 || train->spread_ns == 0 || train->n_gaps + 1 != train->n_sent ||
	    train->n_sent < PACKETS_MIN)
		return;
	for (unsigned i = head; i < train->n_gaps; i++)
		came_ns += (double)train->gaps_ns[i];
	service_ns = n * (double)train->packet_bytes * 8e9 / (double)capacity_bps;
	left_ns = (double)train->spread_ns * n / train->n_gaps;
	if (left_ns > SLOWER_MAX * service_ns || is_held_up(train))
		return;
	load->capacity_bps = capacity_bps;
	load->ring[load->next] = (struct load_sample){
		.at_us = now_us,
		.left_ns = left_ns,
		.came_ns = came_ns,
		.bits = n * (double)train->packet_bytes * 8,
		.seemed = seemed,
	};
	load->next = (load->next + 1) % LOAD_RING;
	if (load->n < LOAD_RING)
		load->n++;
}

static const struct load_sample *at(const struct load *load, unsigned i)
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

void load_look(const struct load *load, uint64_t since_us, struct load_view *ret_view)
{
	double sum = 0, squares = 0, seemed = 0, mean, busy;
	unsigned n = 0;

	for (unsigned i = 0; i < load->n; i++) {
		const struct load_sample *sample = at(load, i);

		if (sample->at_us < since_us)
			continue;
		busy = busy_of(load, sample);
		n++;
		sum += busy;
		squares += busy * busy;
		seemed += sample->seemed;
	}
	*ret_view = (struct load_view){ .n = n, .variance = 1 };
	if (n == 0)
		return;
	mean = sum / n;
	ret_view->busy = mean;
	ret_view->seemed = seemed / n;
	if (n > 1)
		ret_view->variance = (squares / n - mean * mean) / (n - 1);
}
