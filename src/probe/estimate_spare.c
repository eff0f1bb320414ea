/* SPDX-License-Identifier: MIT */
/* estimate_spare.c: see estimate_spare.h: the probes, and what they say of a time. The floor: estimate_floor.c. */
#include "probe/estimate_spare_internal.h"

#include <stdlib.h>

#define LATE_NS (NS_PER_MS / 2)
#define CLOCK_JUMP_NS (10 * NS_PER_S)
#define RTT_MAX_NS (10 * NS_PER_S)

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
	if (spare->n > 0 && probe.at_ns < spare_at(spare, spare->n - 1)->at_ns)
		return;
	spare->ring[spare->next] = probe;
	spare->next = (spare->next + 1) % SPARE_RING;
	if (spare->n < SPARE_RING)
		spare->n++;
}

int spare_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

unsigned spare_first_since(const struct spare *spare, uint64_t from_ns)
{
	unsigned low = 0, high = spare->n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (spare_at_const(spare, middle)->at_ns < from_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
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
	unsigned first = spare_first_since(spare, now_ns > span_ns ? now_ns - span_ns : 0);
	unsigned idle = 0, idle_late = 0, n_late = 0;
	double sum_ns = 0;

	for (unsigned i = first; i < spare->n; i++) {
		const struct spare_probe *probe = spare_at_const(spare, i);
		double waited;

		if (probe->astray)
			continue;
		view.n++;
		view.lost += probe->lost;
		if (probe->lost)
			continue;
		waited = spare_waited_ns(&spare->base, probe);
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
	at_ns = spare_at_const(spare, spare->n > n ? spare->n - n : 0)->at_ns;
	return now_ns - at_ns < max_ns ? now_ns - at_ns : max_ns;
}
