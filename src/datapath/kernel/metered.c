/* SPDX-License-Identifier: MIT */
/* metered.c: see metered.h. */
#include "datapath/kernel/metered.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* What a target is told from others by; all bytes count. */
struct metered_key {
	uint64_t cookie;
	uint64_t group;
	uint64_t any_destination;
	struct address destination;
	struct gw_tuplekey tuple;
};

struct metered_flow {
	uint32_t id;
	unsigned count;
	struct metered_target *targets;
	UT_hash_handle hh;
};

struct metered_target {
	struct metered_key key;
	struct metered_flow *flow;
	struct datapath_target target; /* of a socket, without its descriptor */
	struct datapath_treatment treatment;
	uint64_t rate_bps;  /* the flow's when the target was last applied */
	uint64_t paced_bps; /* what the socket keeps to on its account; 0: nothing */
	bool trusted;	    /* its verdict says that it does */
	struct metered_target *prev, *next;
	UT_hash_handle hh;
	UT_hash_handle by_cookie; /* while paced_bps is not 0 */
};

static struct metered_key key_of(const struct datapath_target *target)
{
	struct metered_key key;

	memset(&key, 0, sizeof(key));
	key.cookie = target->cookie;
	if (target->cookie == 0)
		key.group = target->group;
	else if (target->any_destination)
		key.any_destination = 1;
	else
		key.destination = target->destination;
	if (target->cookie == 0 && target->group == 0 && target->tuple)
		(void)tuples_key(target->tuple, &key.tuple);
	return key;
}

static struct metered_target *find(const struct metered *metered,
				   const struct datapath_target *target)
{
	const struct metered_key key = key_of(target);
	struct metered_target *found;

	HASH_FIND(hh, metered->targets, &key, sizeof(key), found);
	return found;
}

static struct metered_target *find_pacer(const struct metered *metered, uint64_t cookie)
{
	struct metered_target *found;

	HASH_FIND(by_cookie, metered->pacers, &cookie, sizeof(cookie), found);
	return found;
}

/* --- Trust ------------------------------------------------------------------------------------ */

/* Brings what the verdicts of a flow say in line with what its sockets do. */
static void settle(struct metered *metered, const struct metered_flow *flow)
{
	struct metered_target *t;

	/* Of more than two none has been trusted since there were two: nobody pays for thousands of them. */
	if (flow->count > 2)
		return;
	DL_FOREACH(flow->targets, t) {
		bool trusted = flow->count == 1 && t->paced_bps != 0 && t->paced_bps == t->rate_bps;

		if (trusted == t->trusted || t->key.cookie == 0)
			continue;
		/* A socket that has gone sends nothing. */
		if (entries_apply(metered->entries, &t->target, &t->treatment, trusted) == 0)
			t->trusted = trusted;
	}
}

static void stop_pacer(struct metered *metered, struct metered_target *pacer)
{
	if (pacer->paced_bps == 0)
		return;
	HASH_DELETE(by_cookie, metered->pacers, pacer);
	pacer->by_cookie.tbl = NULL;
	pacer->paced_bps = 0;
}

/* One socket can keep to one rate: the last that was asked for. */
static void start_pacer(struct metered *metered, struct metered_target *target, uint64_t rate_bps)
{
	struct metered_target *before = find_pacer(metered, target->key.cookie);

	if (before && before != target) {
		stop_pacer(metered, before);
		settle(metered, before->flow);
	}
	if (target->paced_bps == 0)
		HASH_ADD(by_cookie, metered->pacers, key.cookie, sizeof(target->key.cookie),
			 target);
	if (target->by_cookie.tbl)
		target->paced_bps = rate_bps;
}

/* Only TCP keeps to a rate whatever the queue is. */
static bool can_pace(const struct datapath_target *target, const struct datapath_meter *meter)
{
	return target->cookie != 0 && target->fd >= 0 && target->protocol == IPPROTO_TCP &&
	       meter->excess == DATAPATH_EXCESS_DELAY;
}

/* Once nothing asks for it any more, as soon as there is a descriptor. */
static void release_pace(struct metered *metered, const struct datapath_target *target)
{
	if (target->cookie != 0 && target->fd >= 0 && !find_pacer(metered, target->cookie))
		pacing_clear(&metered->pacing, target->fd, target->cookie);
}

/* --- The list --------------------------------------------------------------------------------- */

static struct metered_flow *take_flow(struct metered *metered, uint32_t flow_id)
{
	struct metered_flow *flow;

	HASH_FIND(hh, metered->flows, &flow_id, sizeof(flow_id), flow);
	if (flow)
		return flow;
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return NULL;
	flow->id = flow_id;
	HASH_ADD(hh, metered->flows, id, sizeof(flow->id), flow);
	if (flow->hh.tbl)
		return flow;
	free(flow);
	return NULL;
}

static void join(struct metered_target *target, struct metered_flow *flow)
{
	target->flow = flow;
	flow->count++;
	DL_APPEND(flow->targets, target);
}

static void leave(struct metered *metered, struct metered_target *target)
{
	struct metered_flow *flow = target->flow;

	DL_DELETE(flow->targets, target);
	if (--flow->count > 0) {
		settle(metered, flow);
		return;
	}
	HASH_DEL(metered->flows, flow);
	free(flow);
}

static void drop(struct metered *metered, struct metered_target *target)
{
	stop_pacer(metered, target);
	leave(metered, target);
	HASH_DEL(metered->targets, target);
	free(target);
}

static struct metered_target *add(struct metered *metered, const struct datapath_target *target)
{
	struct metered_target *added = calloc(1, sizeof(*added));

	if (!added)
		return NULL;
	added->key = key_of(target);
	added->target = *target;
	added->target.fd = -1;
	added->target.tuple = NULL;
	HASH_ADD(hh, metered->targets, key, sizeof(added->key), added);
	if (added->hh.tbl)
		return added;
	free(added);
	return NULL;
}

/* Finds or makes what is kept of the target, as one of this flow. */
static struct metered_target *enlist(struct metered *metered, const struct datapath_target *target,
				     uint32_t flow_id)
{
	struct metered_target *listed = find(metered, target);
	struct metered_flow *flow = take_flow(metered, flow_id);

	if (!flow)
		return NULL;
	if (!listed)
		listed = add(metered, target);
	if (listed && listed->flow != flow) {
		if (listed->flow)
			leave(metered, listed);
		join(listed, flow);
	} else if (!listed && flow->count == 0) {
		HASH_DEL(metered->flows, flow);
		free(flow);
	}
	return listed;
}

/* --- The port --------------------------------------------------------------------------------- */

static int apply_metered(struct metered *metered, const struct datapath_target *target,
			 const struct datapath_treatment *treatment,
			 const struct datapath_meter *meter)
{
	bool known = find(metered, target);
	struct metered_target *listed = enlist(metered, target, treatment->flow_id);
	int r;

	if (!listed)
		return -ENOMEM;
	/* Whoever was alone until now is held to the rate together with this one. */
	settle(metered, listed->flow);
	if (can_pace(target, meter) &&
	    pacing_set(&metered->pacing, target->fd, target->cookie, meter->bucket.rate_bps) == 0)
		start_pacer(metered, listed, meter->bucket.rate_bps);
	if (meter->excess != DATAPATH_EXCESS_DELAY)
		stop_pacer(metered, listed);
	listed->rate_bps = meter->excess == DATAPATH_EXCESS_DELAY ? meter->bucket.rate_bps : 0;
	listed->trusted = listed->flow->count == 1 && listed->paced_bps != 0 &&
			  listed->paced_bps == listed->rate_bps;
	r = entries_apply(metered->entries, target, treatment, listed->trusted);
	if (r == 0)
		listed->treatment = *treatment;
	else if (!known)
		drop(metered, listed);
	release_pace(metered, target);
	return r;
}

int metered_apply(struct metered *metered, const struct datapath_target *target,
		  const struct datapath_treatment *treatment, const struct datapath_meter *meter)
{
	struct metered_target *listed;
	int r;

	if (treatment->metered && meter)
		return apply_metered(metered, target, treatment, meter);
	r = entries_apply(metered->entries, target, treatment, false);
	listed = r == 0 ? find(metered, target) : NULL;
	if (listed)
		drop(metered, listed);
	if (r == 0)
		release_pace(metered, target);
	return r;
}

void metered_clear(struct metered *metered, const struct datapath_target *target)
{
	struct metered_target *listed = find(metered, target);

	entries_clear(metered->entries, target);
	if (listed)
		drop(metered, listed);
	release_pace(metered, target);
}

void metered_forget(struct metered *metered, uint64_t cookie)
{
	struct metered_target *pacer = find_pacer(metered, cookie);

	if (pacer)
		stop_pacer(metered, pacer);
	pacing_forget(&metered->pacing, cookie);
}

bool metered_is_paced(const struct metered *metered, const struct datapath_target *target)
{
	const struct metered_target *listed = find(metered, target);

	return listed && listed->trusted;
}

/* --- Life ------------------------------------------------------------------------------------- */

void metered_init(struct metered *metered, struct entries *entries)
{
	*metered = (struct metered){ .entries = entries };
}

void metered_free(struct metered *metered)
{
	struct metered_target *target, *next_target;
	struct metered_flow *flow, *next_flow;

	HASH_CLEAR(by_cookie, metered->pacers);
	HASH_ITER(hh, metered->targets, target, next_target) {
		HASH_DEL(metered->targets, target);
		free(target);
	}
	HASH_ITER(hh, metered->flows, flow, next_flow) {
		HASH_DEL(metered->flows, flow);
		free(flow);
	}
	pacing_free(&metered->pacing);
}
