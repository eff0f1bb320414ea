/* SPDX-License-Identifier: MIT */
/* estimate_load.c: see estimate_load.h. */
#include "probe/estimate_load.h"

/* Whoever was held up while sending has not filled the link. */
#define SLOWER_MAX 1.1
/* At the head a shaper's bucket may let through what others send; by then it is empty, and stays so. */
#define HEAD_SHARE 2
#define PACKETS_MIN 8

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
	if (left_ns > SLOWER_MAX * service_ns)
		return;
	load->ring[load->next] = (struct load_sample){
		.at_us = now_us,
		.busy = (came_ns - (left_ns > service_ns ? left_ns : service_ns)) / left_ns,
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

void load_look(const struct load *load, uint64_t since_us, struct load_view *ret_view)
{
	double sum = 0, squares = 0, seemed = 0, mean;
	unsigned n = 0;

	for (unsigned i = 0; i < load->n; i++) {
		const struct load_sample *sample = at(load, i);

		if (sample->at_us < since_us)
			continue;
		n++;
		sum += sample->busy;
		squares += sample->busy * sample->busy;
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
