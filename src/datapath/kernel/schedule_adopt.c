/* SPDX-License-Identifier: MIT */
/*
 * schedule_adopt.c: a tree that a crashed daemon has left: whether it is what we would have built,
 * and which of its classes were given out. Figures may differ, they are changed in place; the shape
 * may not.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "datapath/kernel/schedule_internal.h"

/* What stands at a class. */
struct leaf_seen {
	bool splitter;
	const struct qdisc_kind *below; /* the splitter */
	const struct qdisc_kind *alone; /* below the class itself */
};

struct survey {
	const struct schedule *schedule;
	struct htb_class_seen link;
	struct htb_class_seen bands[GW_CLASS_COUNT];
	struct htb_class_seen *pool;
	struct leaf_seen band_leaves[GW_CLASS_COUNT];
	struct leaf_seen *pool_leaves;
	struct leaves_seen leaves;
	bool stranger; /* a class that we did not make */
};

static void on_class(void *user_data, const struct htb_class_seen *seen)
{
	struct survey *survey = user_data;

	if (seen->minor == PLAN_LINK)
		survey->link = *seen;
	else if (seen->minor >= PLAN_BANDS && seen->minor - PLAN_BANDS < GW_CLASS_COUNT)
		survey->bands[seen->minor - PLAN_BANDS] = *seen;
	else if (seen->minor >= PLAN_POOL && seen->minor - PLAN_POOL < survey->schedule->pool.size)
		survey->pool[seen->minor - PLAN_POOL] = *seen;
	else
		survey->stranger = true;
}

static void look_at_leaf(const struct leaf *leaf, const struct qdisc_seen *qdisc,
			 struct leaf_seen *seen)
{
	const struct qdisc_kind *kind = qdisc_kind_find(qdisc->kind);

	if (qdisc->place.handle == leaf->splitter && kind == &qdisc_tbf)
		seen->splitter = qdisc->place.parent == (SCHEDULE_HANDLE | leaf->minor);
	if (qdisc->place.handle != leaf->queue || kind == &qdisc_tbf)
		return;
	if (qdisc->place.parent == (SCHEDULE_HANDLE | leaf->minor))
		seen->alone = kind;
	if (qdisc->place.parent == (leaf->splitter | 1))
		seen->below = kind;
}

static void on_leaf(void *user_data, const struct qdisc_seen *qdisc)
{
	struct survey *survey = user_data;
	uint32_t minor = plan_minor_of_leaf(qdisc->place.handle);
	struct leaf leaf;

	if (minor >= PLAN_BANDS && minor - PLAN_BANDS < GW_CLASS_COUNT) {
		leaf = plan_leaf_of_band(minor - PLAN_BANDS);
		look_at_leaf(&leaf, qdisc, &survey->band_leaves[minor - PLAN_BANDS]);
	}
	if (minor >= PLAN_POOL && minor - PLAN_POOL < survey->schedule->pool.size) {
		leaf = plan_leaf_of_pool(minor);
		look_at_leaf(&leaf, qdisc, &survey->pool_leaves[minor - PLAN_POOL]);
	}
	leaves_add(&survey->leaves, qdisc);
}

/* NULL: none of ours, or one of another shape. */
static const struct qdisc_kind *queue_of(const struct leaf_seen *leaf, bool splits)
{
	if (leaf->splitter != splits)
		return NULL;
	return splits ? leaf->below : leaf->alone;
}

static bool fits(const struct survey *survey)
{
	bool splits = survey->band_leaves[0].splitter;
	const struct qdisc_kind *leaf = queue_of(&survey->band_leaves[0], splits);

	if (survey->stranger || survey->link.minor == 0 || survey->link.parent != 0 || !leaf)
		return false;
	for (enum gw_class c = 0; c < GW_CLASS_COUNT; c++) {
		if (survey->bands[c].minor == 0 || survey->bands[c].parent != PLAN_LINK ||
		    queue_of(&survey->band_leaves[c], splits) != leaf)
			return false;
	}
	for (uint32_t i = 0; i < survey->schedule->pool.size; i++) {
		if (survey->pool[i].minor == 0 || survey->pool[i].parent != PLAN_LINK ||
		    queue_of(&survey->pool_leaves[i], splits) != &qdisc_pfifo)
			return false;
	}
	return true;
}

/* The priority of a class that was given out tells whose place it had. */
static enum gw_class class_of_priority(const struct plan *plan, uint32_t priority)
{
	for (enum gw_class c = 0; c < GW_CLASS_COUNT; c++)
		if (plan_band(plan, c).priority == priority)
			return c;
	return GW_CLASS_BEST_EFFORT;
}

static void take_stock(struct schedule *schedule, const struct survey *survey)
{
	struct pool *pool = &schedule->pool;

	schedule->splits = survey->band_leaves[0].splitter;
	schedule->unsplit = !schedule->splits;
	schedule->leaf = queue_of(&survey->band_leaves[0], schedule->splits);
	for (uint32_t i = 0; i < pool->size; i++) {
		struct htb_class_seen *seen = &survey->pool[i];

		leaf_complete(seen, &survey->leaves.pool[i]);
		pool->classes[i].base = pool_count(seen);
		if (seen->priority == PLAN_IDLE_PRIORITY) {
			pool_put_free(pool, i);
			continue;
		}
		pool->classes[i].state = POOL_STATE_KEPT;
		pool->classes[i].demand = (struct schedule_demand){
			.traffic_class = class_of_priority(&schedule->plan, seen->priority),
			.rate_bps = seen->rate_bps > PLAN_IDLE_BPS ? seen->rate_bps : 0,
		};
		pool->reserved_bps += pool->classes[i].demand.rate_bps;
	}
}

int schedule_adopt(struct schedule *schedule, const struct foreign *root)
{
	uint32_t size = schedule->pool.size;
	_cleanup_(freep) struct htb_class_seen *classes = calloc(size, sizeof(*classes));
	_cleanup_(freep) struct leaf_seen *leaves = calloc(size, sizeof(*leaves));
	_cleanup_(freep) struct leaf_counters *counters = calloc(size, sizeof(*counters));
	struct survey survey = {
		.schedule = schedule,
		.pool = classes,
		.pool_leaves = leaves,
		.leaves = { .pool = counters, .pool_size = size },
	};
	int r;

	if (!classes || !leaves || !counters)
		return -ENOMEM;
	if (root->default_minor != schedule_class_of(GW_CLASS_BEST_EFFORT))
		return -ENOENT;
	r = htb_class_visit(&schedule->htb, on_class, &survey);
	if (r == 0)
		r = qdisc_visit(&schedule->tc, schedule->htb.ifindex, on_leaf, &survey);
	if (r < 0)
		return r;
	if (!fits(&survey))
		return -ENOENT;
	take_stock(schedule, &survey);
	schedule->adopted = true;
	return schedule_apply(schedule, &schedule->plan);
}
