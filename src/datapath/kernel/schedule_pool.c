/* SPDX-License-Identifier: MIT */
/* schedule_pool.c: classes of a schedule that are given out and come back, and what they count. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "datapath/kernel/schedule_internal.h"

int pool_init(struct pool *pool, uint32_t size)
{
	*pool = (struct pool){
		.classes = calloc(size, sizeof(*pool->classes)),
		.free_ring = calloc(size, sizeof(*pool->free_ring)),
		.size = size,
	};
	return pool->classes && pool->free_ring ? 0 : -ENOMEM;
}

void pool_free(struct pool *pool)
{
	free(pool->classes);
	free(pool->free_ring);
	*pool = (struct pool){ 0 };
}

void pool_put_free(struct pool *pool, uint32_t index)
{
	pool->classes[index].state = POOL_STATE_FREE;
	pool->classes[index].demand = (struct schedule_demand){ 0 };
	pool->free_ring[(pool->free_first + pool->free_count++) % pool->size] = index;
}

struct pool_class *pool_find(struct schedule *schedule, uint32_t minor)
{
	if (minor < PLAN_POOL || minor - PLAN_POOL >= schedule->pool.size)
		return NULL;
	return &schedule->pool.classes[minor - PLAN_POOL];
}

struct pool_counters pool_count(const struct htb_class_seen *seen)
{
	return (struct pool_counters){
		.bytes = seen->bytes,
		.packets = seen->packets,
		.drops = seen->drops,
	};
}

static struct pool_class *find_in(struct schedule *schedule, uint32_t minor, enum pool_state state)
{
	struct pool_class *c = pool_find(schedule, minor);

	return c && c->state == state ? c : NULL;
}

/* --- Giving out ------------------------------------------------------------------------------- */

/* A class that drains keeps its guarantee, and what is queued leaves as fast as the link allows. */
static struct schedule_demand draining_demand(const struct schedule_demand *demand)
{
	struct schedule_demand draining = *demand;

	draining.ceil_bps = 0;
	return draining;
}

/* A link that has become slower than what was promised on it shares what it has. */
static uint64_t granted_bps(const struct plan *plan, uint64_t reserved_bps, uint64_t rate_bps)
{
	if (reserved_bps <= plan->reservable_bps)
		return rate_bps;
	return (uint64_t)((double)rate_bps * (double)plan->reservable_bps / (double)reserved_bps);
}

struct htb_class pool_wanted(const struct schedule *schedule, const struct plan *plan,
			     uint32_t index)
{
	const struct pool *pool = &schedule->pool;
	const struct pool_class *c = &pool->classes[index];
	struct schedule_demand demand = c->demand;
	struct htb_class wanted;

	if (c->state == POOL_STATE_DRAINING)
		demand = draining_demand(&c->demand);
	else
		demand.rate_bps = granted_bps(plan, pool->reserved_bps, demand.rate_bps);
	if (c->state == POOL_STATE_FREE ||
	    plan_demand(plan, &demand, PLAN_POOL + index, &wanted) < 0)
		wanted = plan_idle(plan, PLAN_POOL + index);
	return wanted;
}

int pool_settle_leaf(struct schedule *schedule, const struct plan *plan, uint32_t index,
		     uint64_t ceil_bps)
{
	const struct queue_size size = plan_pool_queue(plan, ceil_bps);
	const struct leaf leaf = plan_leaf_of_pool(PLAN_POOL + index);
	struct pool_class *c = &schedule->pool.classes[index];
	int r;

	if (c->split_bytes == size.split_bytes)
		return 0;
	r = leaf_change_splitter(schedule, &leaf, &size);
	if (r == 0)
		c->split_bytes = size.split_bytes;
	return r;
}

/* When more is reserved than is reservable, who asks for less leaves more to all others. */
static void share_anew(struct schedule *schedule, uint64_t reserved_before_bps)
{
	struct pool *pool = &schedule->pool;

	if (reserved_before_bps <= schedule->plan.reservable_bps)
		return;
	for (uint32_t i = 0; i < pool->size; i++) {
		struct htb_class wanted = pool_wanted(schedule, &schedule->plan, i);

		/* Where it fails a class keeps less than it could have, for the time being. */
		if (pool->classes[i].state == POOL_STATE_USED)
			(void)htb_class_change(&schedule->htb, &wanted);
	}
}

/* Room in the books is asked for only by who wants more than it has. */
static int change_class(struct schedule *schedule, struct pool_class *c, uint32_t minor,
			const struct schedule_demand *demand)
{
	struct pool *pool = &schedule->pool;
	const struct plan *plan = &schedule->plan;
	uint64_t before_bps = pool->reserved_bps, reserved_bps;
	struct schedule_demand granted = *demand;
	struct htb_class wanted;
	int r = plan_demand(plan, demand, minor, &wanted);

	if (r < 0)
		return r;
	reserved_bps = before_bps - c->demand.rate_bps + demand->rate_bps;
	if (demand->rate_bps > c->demand.rate_bps && reserved_bps > plan->reservable_bps)
		return -EDQUOT;
	granted.rate_bps = granted_bps(plan, reserved_bps, demand->rate_bps);
	r = plan_demand(plan, &granted, minor, &wanted);
	/* Splitting other sizes than is best harms nobody, should the class itself not be changed then. */
	if (r == 0)
		r = pool_settle_leaf(schedule, plan, minor - PLAN_POOL, demand->ceil_bps);
	if (r == 0)
		r = htb_class_change(&schedule->htb, &wanted);
	if (r < 0)
		return r;
	pool->reserved_bps = reserved_bps;
	c->demand = *demand;
	c->state = POOL_STATE_USED;
	share_anew(schedule, before_bps);
	return 0;
}

/*
 * Nobody but root may have more than are still free, so that whoever comes finds one, however many flows somebody
 * makes. What drains counts, or else those who end their flows at once would have them all.
 */
static bool has_enough(const struct pool *pool, uint32_t uid)
{
	uint32_t count = 0;

	if (uid == 0)
		return false;
	for (uint32_t i = 0; i < pool->size; i++)
		count += pool->classes[i].state != POOL_STATE_FREE &&
			 pool->classes[i].demand.uid == uid;
	return count >= pool->free_count;
}

int schedule_reserve(struct schedule *schedule, const struct schedule_demand *demand,
		     uint32_t *ret_minor)
{
	struct pool *pool = &schedule->pool;
	uint32_t index;
	int r;

	if (pool->free_count == 0 || has_enough(pool, demand->uid))
		return -ENOSPC;
	index = pool->free_ring[pool->free_first];
	r = change_class(schedule, &pool->classes[index], PLAN_POOL + index, demand);
	if (r < 0)
		return r;
	pool->free_first = (pool->free_first + 1) % pool->size;
	pool->free_count--;
	*ret_minor = PLAN_POOL + index;
	return 0;
}

int schedule_change(struct schedule *schedule, uint32_t minor, const struct schedule_demand *demand)
{
	struct pool_class *c = find_in(schedule, minor, POOL_STATE_USED);

	return c ? change_class(schedule, c, minor, demand) : -ENOENT;
}

int schedule_claim(struct schedule *schedule, uint32_t minor, const struct schedule_demand *demand)
{
	struct pool_class *c = find_in(schedule, minor, POOL_STATE_KEPT);

	return c ? change_class(schedule, c, minor, demand) : -ENOENT;
}

/* --- Taking back ------------------------------------------------------------------------------ */

static void drain(struct schedule *schedule, uint32_t index)
{
	struct pool_class *c = &schedule->pool.classes[index];
	uint64_t before_bps = schedule->pool.reserved_bps;
	struct htb_class wanted;

	schedule->pool.reserved_bps -= c->demand.rate_bps;
	schedule->pool.draining++;
	c->state = POOL_STATE_DRAINING;
	c->empty = false;
	wanted = pool_wanted(schedule, &schedule->plan, index);
	/* If that fails it drains at the pace that it has. */
	(void)htb_class_change(&schedule->htb, &wanted);
	share_anew(schedule, before_bps);
}

void schedule_release(struct schedule *schedule, uint32_t minor)
{
	if (find_in(schedule, minor, POOL_STATE_USED))
		drain(schedule, minor - PLAN_POOL);
}

uint32_t schedule_sweep(struct schedule *schedule)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < schedule->pool.size; i++) {
		if (schedule->pool.classes[i].state != POOL_STATE_KEPT)
			continue;
		drain(schedule, i);
		count++;
	}
	return count;
}

struct look {
	struct schedule *schedule;
	bool found;
	bool empty; /* one of them has nothing queued any more */
};

/* Requests wait until the dump is over. */
static void on_draining(void *user_data, const struct htb_class_seen *seen)
{
	struct look *look = user_data;
	struct pool_class *c = find_in(look->schedule, seen->minor, POOL_STATE_DRAINING);

	if (!c)
		return;
	look->found = true;
	/* Before Linux 6.13 the bytes of packets that were split are not counted well. */
	c->empty = seen->backlog_packets == 0;
	look->empty |= c->empty;
	c->base = pool_count(seen);
}

static void on_leaf(void *user_data, const struct qdisc_seen *qdisc)
{
	leaves_add(user_data, qdisc);
}

/* What the leaves of those that are empty have counted belongs to the past too. */
static int complete_bases(struct schedule *schedule)
{
	struct pool *pool = &schedule->pool;
	_cleanup_(freep) struct leaf_counters *counters = calloc(pool->size, sizeof(*counters));
	struct leaves_seen leaves = { .pool = counters, .pool_size = pool->size };
	int r;

	if (!counters)
		return -ENOMEM;
	r = qdisc_visit(&schedule->tc, schedule->htb.ifindex, on_leaf, &leaves);
	for (uint32_t i = 0; r == 0 && i < pool->size; i++) {
		struct pool_class *c = &pool->classes[i];

		if (c->state == POOL_STATE_DRAINING && c->base.drops < counters[i].drops)
			c->base.drops = counters[i].drops;
	}
	return r;
}

int schedule_tick(struct schedule *schedule)
{
	struct look look = { .schedule = schedule };
	struct pool *pool = &schedule->pool;
	int r;

	if (pool->draining == 0)
		return 0;
	r = htb_class_visit(&schedule->htb, on_draining, &look);
	/* A link that has gone is dumped as one without classes. */
	if (r == 0 && !look.found)
		r = schedule_check(schedule, NULL);
	if (r == 0 && !look.found)
		r = -ENOENT;
	if (r == 0 && look.empty && schedule->splits)
		r = complete_bases(schedule);
	for (uint32_t i = 0; r == 0 && i < pool->size; i++) {
		const struct htb_class idle = plan_idle(&schedule->plan, PLAN_POOL + i);
		struct pool_class *c = &pool->classes[i];

		if (c->state != POOL_STATE_DRAINING || !c->empty)
			continue;
		r = htb_class_change(&schedule->htb, &idle);
		if (r < 0)
			break;
		pool_put_free(pool, i);
		pool->draining--;
	}
	return r < 0 ? r : (int)pool->draining;
}

/* --- The books -------------------------------------------------------------------------------- */

uint64_t schedule_reservable_bps(const struct schedule *schedule)
{
	return schedule->plan.reservable_bps;
}

uint64_t schedule_reserved_bps(const struct schedule *schedule)
{
	return schedule->pool.reserved_bps;
}

uint32_t schedule_free_classes(const struct schedule *schedule)
{
	return schedule->pool.free_count;
}

bool schedule_splits(const struct schedule *schedule, uint64_t ceil_bps)
{
	return !schedule->unsplit && plan_splits(&schedule->plan, ceil_bps);
}
