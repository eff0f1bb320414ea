/* SPDX-License-Identifier: MIT */
/* bottleneck.c: see bottleneck.h. */
#include "bottleneck.h"

#include <math.h>
#include <stddef.h>

#define MEAN_BYTES 883.2 /* of those below */
#define CONSTANT_BYTES 1000
#define BURST_PACKETS 5

static uint32_t some_size(struct dice *dice)
{
	uint32_t choice = dice_below(dice, 10);

	if (choice < 3)
		return 60;
	return choice < 5 ? 576 : 1500;
}

static double exponential(struct dice *dice, double mean)
{
	return -mean * log(1 - dice_unit(dice));
}

/* When the packet after this one comes, and how long it is. */
static void next_of(struct bottleneck *link, struct bottleneck_source *source)
{
	double burst = source->kind == BOTTLENECK_BURSTS ? BURST_PACKETS : 1;
	double ns_per_byte = 8e9 / source->bps;

	if (source->kind == BOTTLENECK_CONSTANT) {
		source->next_bytes = CONSTANT_BYTES;
		source->next_ns += CONSTANT_BYTES * ns_per_byte;
		return;
	}
	source->next_bytes = some_size(&link->dice);
	if (source->left > 0) {
		source->left--;
		return;
	}
	source->left = (unsigned)burst - 1;
	source->next_ns += exponential(&link->dice, burst * MEAN_BYTES * ns_per_byte);
}

void bottleneck_start(struct bottleneck *link, const struct bottleneck_plan *plan, uint64_t seed)
{
	*link = (struct bottleneck){ .plan = *plan, .dice = { seed } };
}

double bottleneck_capacity_bps(const struct bottleneck *link, uint32_t bytes)
{
	return (double)link->plan.rate_bps * bytes / (bytes + link->plan.overhead_bytes);
}

/* When the last bit of it has left; negative: there was no room. */
static double serve(struct bottleneck *link, double now_ns, uint32_t bytes)
{
	double ns_per_byte = 8e9 / (double)link->plan.rate_bps;
	double takes_ns = (bytes + link->plan.overhead_bytes) * ns_per_byte;
	double bucket_ns = link->plan.bucket_bytes * ns_per_byte;
	double leaves_ns = link->free_ns > now_ns ? link->free_ns : now_ns;

	if (bucket_ns > 0) {
		leaves_ns = link->free_ns + takes_ns - bucket_ns;
		if (leaves_ns < now_ns)
			leaves_ns = now_ns;
		if (leaves_ns < link->leave_ns)
			leaves_ns = link->leave_ns;
	}
	if ((leaves_ns - now_ns) / ns_per_byte > (double)link->plan.buffer_bytes)
		return -1;
	if (bucket_ns > 0) {
		link->free_ns = (link->free_ns > leaves_ns ? link->free_ns : leaves_ns) + takes_ns;
		link->leave_ns = leaves_ns;
		return leaves_ns;
	}
	link->free_ns = leaves_ns + takes_ns;
	link->leave_ns = link->free_ns;
	return link->free_ns;
}

/* Of all sources, the one that sends next before then. */
static struct bottleneck_source *next_source(struct bottleneck *link, double until_ns)
{
	struct bottleneck_source *next = NULL;

	for (unsigned i = 0; i < BOTTLENECK_SOURCES; i++) {
		struct bottleneck_source *source = &link->sources[i];

		if (source->bps > 0 && source->next_ns <= until_ns &&
		    (!next || source->next_ns < next->next_ns))
			next = source;
	}
	return next;
}

static void let_others_send(struct bottleneck *link, double until_ns)
{
	struct bottleneck_source *source;

	while ((source = next_source(link, until_ns))) {
		link->cross_packets++;
		if (serve(link, source->next_ns, source->next_bytes) < 0)
			link->cross_dropped++;
		next_of(link, source);
	}
	if (until_ns > link->now_ns)
		link->now_ns = until_ns;
}

void bottleneck_source(struct bottleneck *link, unsigned i, enum bottleneck_kind kind, double bps,
		       uint64_t now_ns)
{
	let_others_send(link, (double)now_ns);
	link->sources[i] =
		(struct bottleneck_source){ .kind = kind, .bps = bps, .next_ns = (double)now_ns };
	if (bps > 0)
		next_of(link, &link->sources[i]);
}

bool bottleneck_pass(struct bottleneck *link, uint64_t now_ns, uint32_t bytes,
		     uint64_t *ret_arrives_ns)
{
	double comes_ns = (double)now_ns, leaves_ns, arrives_ns;

	if (link->plan.uneven_ns > 0)
		comes_ns += dice_unit(&link->dice) * (double)link->plan.uneven_ns;
	if (comes_ns < link->now_ns)
		comes_ns = link->now_ns;
	let_others_send(link, comes_ns);
	leaves_ns = serve(link, comes_ns, bytes);
	if (leaves_ns < 0)
		return false;
	arrives_ns = leaves_ns + (double)link->plan.delay_ns +
		     dice_unit(&link->dice) * (double)link->plan.jitter_ns;
	if (arrives_ns < link->last_ns)
		arrives_ns = link->last_ns;
	link->last_ns = arrives_ns;
	*ret_arrives_ns = (uint64_t)arrives_ns;
	return true;
}
