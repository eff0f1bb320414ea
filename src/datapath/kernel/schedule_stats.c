/* SPDX-License-Identifier: MIT */
/* schedule_stats.c: what the classes of a schedule have carried, dropped and hold back. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "datapath/kernel/schedule_internal.h"

static void on_leaf(void *user_data, const struct qdisc_seen *qdisc)
{
	leaves_add(user_data, qdisc);
}

/* Dumps may tell a class twice, and what is done about a class may change others; so first all. */
struct collected {
	struct htb_class_seen bands[GW_CLASS_COUNT];
	struct htb_class_seen *pool;
	uint32_t pool_size;
};

static void on_class(void *user_data, const struct htb_class_seen *seen)
{
	struct collected *collected = user_data;

	if (seen->minor >= PLAN_BANDS && seen->minor - PLAN_BANDS < GW_CLASS_COUNT)
		collected->bands[seen->minor - PLAN_BANDS] = *seen;
	if (seen->minor >= PLAN_POOL && seen->minor - PLAN_POOL < collected->pool_size)
		collected->pool[seen->minor - PLAN_POOL] = *seen;
}

static struct schedule_class_stats stats_of(const struct htb_class_seen *seen,
					    const struct pool_counters *base)
{
	const struct pool_counters now = pool_count(seen);

	return (struct schedule_class_stats){
		.minor = seen->minor,
		.rate_bps = seen->rate_bps,
		.bytes = now.bytes - base->bytes,
		.packets = now.packets - base->packets,
		.drops = now.drops - base->drops,
		.backlog_bytes = seen->backlog_bytes,
		.backlog_packets = seen->backlog_packets,
	};
}

int schedule_stats(struct schedule *schedule,
		   void (*visit)(void *user_data, const struct schedule_class_stats *stats),
		   void *user_data)
{
	static const struct pool_counters none;
	_cleanup_(freep) struct htb_class_seen *seen = calloc(schedule->pool.size, sizeof(*seen));
	_cleanup_(freep) struct leaf_counters *counters =
		calloc(schedule->pool.size, sizeof(*counters));
	struct collected collected = { .pool = seen, .pool_size = schedule->pool.size };
	struct leaves_seen leaves = { .pool = counters, .pool_size = schedule->pool.size };
	struct schedule_class_stats stats;
	int r;

	if (!seen || !counters)
		return -ENOMEM;
	r = htb_class_visit(&schedule->htb, on_class, &collected);
	if (r == 0)
		r = qdisc_visit(&schedule->tc, schedule->htb.ifindex, on_leaf, &leaves);
	if (r < 0)
		return r;
	for (enum gw_class c = 0; c < GW_CLASS_COUNT; c++) {
		if (collected.bands[c].minor == 0)
			return -ENOENT;
		leaf_complete(&collected.bands[c], &leaves.bands[c]);
		stats = stats_of(&collected.bands[c], &none);
		stats.band = true;
		stats.traffic_class = c;
		visit(user_data, &stats);
	}
	for (uint32_t i = 0; i < schedule->pool.size; i++) {
		const struct pool_class *c = &schedule->pool.classes[i];

		if (c->state == POOL_STATE_FREE || seen[i].minor == 0)
			continue;
		leaf_complete(&seen[i], &counters[i]);
		stats = stats_of(&seen[i], &c->base);
		stats.traffic_class = c->demand.traffic_class;
		visit(user_data, &stats);
	}
	return 0;
}
