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

struct survey {
	const struct schedule *schedule;
	struct htb_class_seen link;
	struct htb_class_seen bands[GW_CLASS_COUNT];
	struct htb_class_seen *pool;
	const struct qdisc_kind *band_leaf[GW_CLASS_COUNT];
	bool *pool_leaf;
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

static void on_leaf(void *user_data, const struct qdisc_seen *qdisc)
{
	struct survey *survey = user_data;
	const struct qdisc_kind *kind = qdisc_kind_find(qdisc->kind);
	uint32_t minor = qdisc->place.parent & ~SCHEDULE_HANDLE;

	if ((qdisc->place.parent & 0xffff0000u) != SCHEDULE_HANDLE || !kind)
		return;
	for (enum gw_class c = 0; c < GW_CLASS_COUNT; c++)
		if (minor == schedule_class_of(c) && qdisc->place.handle == plan_leaf_of_band(c))
			survey->band_leaf[c] = kind;
	if (minor >= PLAN_POOL && minor - PLAN_POOL < survey->schedule->pool.size &&
	    qdisc->place.handle == plan_leaf_of_pool(minor) && kind == &qdisc_pfifo)
		survey->pool_leaf[minor - PLAN_POOL] = true;
}

static bool fits(const struct survey *survey)
{
	if (survey->stranger || survey->link.minor == 0 || survey->link.parent != 0)
		return false;
	for (enum gw_class c = 0; c < GW_CLASS_COUNT; c++) {
		if (survey->bands[c].minor == 0 || survey->bands[c].parent != PLAN_LINK ||
		    !survey->band_leaf[c] || survey->band_leaf[c] != survey->band_leaf[0])
			return false;
	}
	for (uint32_t i = 0; i < survey->schedule->pool.size; i++) {
		if (survey->pool[i].minor == 0 || survey->pool[i].parent != PLAN_LINK ||
		    !survey->pool_leaf[i])
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

	for (uint32_t i = 0; i < pool->size; i++) {
		const struct htb_class_seen *seen = &survey->pool[i];

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
	_cleanup_(freep) bool *leaves = calloc(size, sizeof(*leaves));
	struct survey survey = { .schedule = schedule, .pool = classes, .pool_leaf = leaves };
	int r;

	if (!classes || !leaves)
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
	schedule->leaf = survey.band_leaf[0];
	take_stock(schedule, &survey);
	schedule->adopted = true;
	return schedule_apply(schedule, &schedule->plan);
}
