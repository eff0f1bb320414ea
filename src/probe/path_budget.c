/* SPDX-License-Identifier: MIT */
/*
 * path_budget.c: how much of the path measuring may take, and while it is full of what measures it.
 *
 * Experiments earn a little less than a hundredth of the path's capacity; the regular ones take most of it, and the rest
 * is saved for when something seems to be wrong and has to be looked at more closely.
 */
#include "probe/path_internal.h"

#define SHARE 125
#define FLOOR_BPS 8000.0
/* As long as nobody knows how narrow the path is. */
#define UNKNOWN_BPS 64000.0
#define SAVED_S 20.0
/* Of what is earned, as long as something was sent before. */
#define REPAID_SHARE 0.1

/* Trains fill the path until what others sent meanwhile has left too; longer than that nobody waits for it. */
#define FILLED_US (10 * US_PER_MS)
#define FILLED_UNKNOWN_US (200 * US_PER_MS)
#define FILLED_BUSY_MAX 0.85

/* ---- budget ---- */

double path_earns_bps(const struct path *path)
{
	double bps = (double)path->capacity.bps / SHARE;

	if (path->capacity.bps == 0 || capacity_is_disputed(&path->capacity))
		return UNKNOWN_BPS;
	return bps > FLOOR_BPS ? bps : FLOOR_BPS;
}

void path_earn(struct path *path, uint64_t now_us)
{
	double most = path_earns_bps(path) * SAVED_S;
	double earned = path_earns_bps(path) * (double)(now_us - path->credited_us) / US_PER_S;
	double repaid = REPAID_SHARE * earned;

	if (repaid > path->debt_bits)
		repaid = path->debt_bits;
	path->debt_bits -= repaid;
	path->credit_bits += earned - repaid;
	if (path->credit_bits > most)
		path->credit_bits = most;
	path->credited_us = now_us;
}

double path_cost_bits(uint64_t packets, uint32_t packet_bytes)
{
	return (double)packets * (packet_bytes + LINK_HEADER_BYTES) * 8;
}

void path_spend(struct path *path, uint64_t packets, uint32_t packet_bytes, bool first)
{
	path->load.sent_bits += (uint64_t)path_cost_bits(packets, packet_bytes);
	if (first)
		path->debt_bits += path_cost_bits(packets, packet_bytes);
	else
		path->credit_bits -= path_cost_bits(packets, packet_bytes);
}

/* ---- what fills the path ---- */

/* How long a path on which others may be too is full of so many packets of ours. */
static uint64_t filled_us(const struct path *path, unsigned packets)
{
	double busy = FILLED_BUSY_MAX, wait_ns = packets * (double)path_packet_ns(path);
	struct load_view view;

	if (path->capacity.bps == 0)
		return FILLED_UNKNOWN_US;
	load_look(&path->paced, 0, &view);
	if (view.n > 0 && view.busy < busy)
		busy = view.busy > 0 ? view.busy : 0;
	return FILLED_US + (uint64_t)(wait_ns / (1 - busy)) / NS_PER_US;
}

/* Whoever waits for our own trains says nothing about others. */
void path_begin_filling(struct path *path, unsigned packets, uint64_t now_us)
{
	path->filled_from_us = now_us;
	path->filled_until_us = now_us + filled_us(path, packets);
}

void path_fill(struct path *path, const struct path_experiment *train, uint64_t now_us)
{
	/* A bucket as large as the lead fills again. */
	unsigned packets =
		train->packets + (train->kind == PATH_PACED ? train->lead : train->packets);

	path_begin_filling(path, packets, now_us);
}

bool path_is_filled(const struct path *path, uint64_t at_us)
{
	return at_us >= path->filled_from_us && at_us < path->filled_until_us;
}
