/* SPDX-License-Identifier: MIT */
/*
 * condition.c: being told, once, of the state of a path (spec/qwave.md §5.7, §10), and asking what is known of it
 * (§5.6).
 */
#include <errno.h>

#include "engine/internal.h"

/* A fresh experiment ends well before whoever asked has waited for 5 s (spec/qwave.md §17, Q-137). */
#define FRESH_US UINT64_C(4500000)

/* ---- conditions ---- */

static bool is_attainable(const struct engine *engine, const struct flow *flow, uint64_t target_bps)
{
	const struct measuring *measuring = engine->measuring;
	uint64_t current_bps = rate_weight(flow->settings.rate_bps);

	/* It may have got there while the request waited. */
	return target_bps <= current_bps ||
	       measuring->is_attainable(measuring->user_data, flow->path->measured, current_bps,
					target_bps);
}

/* What is free is only known where somebody takes part; congestion shows also in the flow's own connection. */
static bool can_hold(const struct flow *flow, enum gw_condition condition)
{
	return condition == GW_CONDITION_AVAILABLE ? flow->path && flow->path->support != SUPPORT_NO
						   : flow_is_watched(flow);
}

static bool holds(const struct engine *engine, const struct flow *flow, enum gw_condition condition,
		  uint64_t target_bps)
{
	enum measuring_state state;

	if (!flow->path->measured || !can_hold(flow, condition))
		return false;
	state = path_condition(engine, flow->path);
	switch (condition) {
	case GW_CONDITION_CONGESTED:
		return state == MEASURING_CONGESTED;
	case GW_CONDITION_UNCONGESTED:
		return state == MEASURING_UNCONGESTED;
	case GW_CONDITION_AVAILABLE:
		return state != MEASURING_CONGESTED && is_attainable(engine, flow, target_bps);
	}
	return false;
}

static bool flow_awaits(const struct flow *flow, enum gw_condition condition)
{
	const struct op *op;

	DL_FOREACH(flow->ops, op) {
		if (op->kind == OP_CONDITION && op->condition == condition)
			return true;
	}
	return false;
}

void flow_serve_conditions(struct engine *engine, struct flow *flow)
{
	struct op *op, *next;

	DL_FOREACH_SAFE(flow->ops, op, next) {
		if (op->kind == OP_CONDITION && holds(engine, flow, op->condition, op->target_bps))
			op_complete(engine, op, 0);
	}
}

void flow_fail_conditions(struct engine *engine, struct flow *flow, int status)
{
	struct op *op, *next;

	DL_FOREACH_SAFE(flow->ops, op, next) {
		if (op->kind == OP_CONDITION && !can_hold(flow, op->condition))
			op_complete(engine, op, status);
	}
}

int engine_notify(struct engine *engine, struct owner *owner, uint32_t flow_id, uint32_t condition,
		  uint64_t target_bps, uint64_t token, uint64_t now_us)
{
	struct op begun = {
		.kind = OP_CONDITION,
		.wait = { .token = token },
		.condition = (enum gw_condition)condition,
		.target_bps = target_bps,
	};
	struct flow *flow;
	struct op *op;
	int r;

	engine_note_time(engine, now_us);
	if (condition > GW_CONDITION_AVAILABLE)
		return -EINVAL;
	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r < 0)
		return r;
	if (!(flow->flags & GW_FLOW_ADAPTIVE))
		return -EOPNOTSUPP;
	if (condition == GW_CONDITION_AVAILABLE &&
	    target_bps <= rate_weight(flow->settings.rate_bps))
		return -EINVAL;
	r = path_follow(engine, flow);
	if (r < 0)
		return r;
	if (!can_hold(flow, begun.condition))
		return -EOPNOTSUPP;
	if (flow_awaits(flow, begun.condition))
		return -EEXIST;
	if (holds(engine, flow, begun.condition, target_bps))
		return 0;
	begun.flow = flow;
	r = op_start(engine, owner, &begun, &op);
	return r < 0 ? r : 1;
}

/* ---- figures ---- */

/*
 * To who wants it now, that nothing is known yet, or that who took part has gone, is that it cannot be had now
 * (spec/qwave.md §17, Q-137).
 */
static int fresh_status(const struct flow_path *path, int r)
{
	bool gone = r == -EOPNOTSUPP && (path->lost || path->support == SUPPORT_YES);

	return r == -ENODATA || gone ? -EAGAIN : r;
}

void flow_serve_fresh(struct engine *engine, struct flow *flow)
{
	struct op *op, *next;

	DL_FOREACH_SAFE(flow->ops, op, next) {
		struct gw_path_info info;
		int r;

		if (op->kind != OP_FRESH)
			continue;
		r = fresh_status(flow->path, path_known(engine, flow->path, &info));
		/* Nobody answered: that was an experiment without a result. */
		if (r == -EOPNOTSUPP)
			r = -ETIMEDOUT;
		op_complete_with(engine, op,
				 &(struct engine_completion){ .status = r,
							      .path = r == 0 ? &info : NULL });
	}
}

void flow_fail_fresh(struct engine *engine, struct flow *flow, int status)
{
	struct op *op;

	while ((op = flow_find_op(flow, OP_FRESH)))
		op_complete(engine, op, status);
}

/* Who comes while an experiment is under way for another hears the result of that one. */
static int refresh(struct engine *engine, struct flow *flow)
{
	const struct measuring *measuring = engine->measuring;
	const struct flow *other;

	if (!flow->path->measured)
		return -EAGAIN;
	DL_FOREACH2(flow->path->flows, other, path_next) {
		if (flow_find_op(other, OP_FRESH))
			return 0;
	}
	return measuring->refresh(measuring->user_data, flow->path->measured, engine->now_us);
}

static int query_fresh(struct engine *engine, struct owner *owner, struct flow *flow,
		       const struct engine_wait *wait)
{
	struct op begun = { .kind = OP_FRESH, .flow = flow };
	struct op *op;
	int r;

	if (!wait)
		return -EAGAIN;
	r = refresh(engine, flow);
	if (r < 0)
		return fresh_status(flow->path, r);
	begun.wait = *wait;
	r = op_start(engine, owner, &begun, &op);
	if (r < 0)
		return r;
	op_set_deadline(engine, op, engine->now_us + FRESH_US);
	return 1;
}

int engine_query_path(struct engine *engine, struct owner *owner, uint32_t flow_id, uint32_t flags,
		      const struct engine_wait *wait, struct gw_path_info *ret_info,
		      uint64_t now_us)
{
	struct flow *flow = flow_find(engine, flow_id);
	int r;

	engine_note_time(engine, now_us);
	if (flags & ~GW_PATH_FRESH)
		return -EINVAL;
	if (!flow || (flow->owner != owner && !owner_is_administrator(engine, owner)))
		return -ENOENT;
	if (!flow->path)
		return -EOPNOTSUPP;
	if (flow->owner == owner) {
		r = path_follow(engine, flow);
		if (r < 0)
			return r;
	}
	r = path_known(engine, flow->path, ret_info);
	if (!(flags & GW_PATH_FRESH) || flow->owner != owner)
		return r;
	if (r == -EOPNOTSUPP)
		return fresh_status(flow->path, r);
	return query_fresh(engine, owner, flow, wait);
}
