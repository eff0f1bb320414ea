/* SPDX-License-Identifier: MIT */
/*
 * program.c: flows of whole programs. Such a flow has a control group in place of sockets, and an owner of its
 * own, since the program that asked has become the one that is marked.
 */
#include <errno.h>

#include "engine/internal.h"

static int group_flow(struct engine *engine, const struct engine_owner_info *info,
		      const struct flow_request *request, struct flow **ret_flow)
{
	struct owner *program = owner_new(engine, info);
	int r;

	if (!program)
		return -ENOMEM;
	r = flow_new(engine, program, request, ret_flow);
	if (r < 0) {
		owner_free(program);
		return r;
	}
	program->program = true;
	owner_set_api(program, "run");
	return 0;
}

static void group_flow_discard(struct engine *engine, struct flow *flow)
{
	struct owner *program = flow->owner;

	flow_free(engine, flow);
	owner_free(program);
}

/* First the meter, so that no packet passes without. Whoever discards the flow takes all of it back. */
static int group_begin(struct engine *engine, struct flow *flow, uint64_t group)
{
	const struct meter_links anywhere = { 0 };
	const struct tuple *failed;
	struct meter_change change;
	int r;

	flow->group = group;
	flow_count_in_force(engine, flow, 1);
	flow->owner->user->programs++;
	HASH_ADD(by_group, engine->flows_by_group, group, sizeof(flow->group), flow);
	if (!flow->by_group.tbl)
		return -ENOMEM;
	r = meter_begin(engine, flow, &anywhere, &change, NULL);
	if (r < 0)
		return r;
	r = flow_targets_apply(engine, flow, &failed);
	if (r == 0)
		meter_settle(engine, flow, &change);
	return r;
}

void group_forget(struct engine *engine, struct flow *flow)
{
	if (flow->by_group.tbl)
		HASH_DELETE(by_group, engine->flows_by_group, flow);
	flow_count_in_force(engine, flow, -1);
	flow->owner->user->programs--;
}

/* The tables of groups are smaller than those of sockets. */
static int programs_check(struct engine *engine, const struct user *user)
{
	if (user->uid == 0 || user->programs < engine->config.max_programs_per_user)
		return 0;
	engine->counters.refused_limit++;
	return -ENOBUFS;
}

int engine_run(struct engine *engine, struct owner *owner, const struct flow_request *request,
	       uint64_t rate_bps, uint32_t *ret_flow_id, uint64_t now_us)
{
	struct flow *flow;
	uint64_t group;
	int r;

	(void)now_us;
	if (request->flags != 0)
		return -EINVAL;
	r = request_check(engine, owner, request);
	if (r < 0)
		return r;
	/* Before anything is moved anywhere. */
	if (rate_needs_meter(rate_bps) && !engine->ports.datapath->meter)
		return -EOPNOTSUPP;
	r = limits_check(engine, owner, true);
	if (r == 0)
		r = programs_check(engine, owner->user);
	if (r < 0)
		return r;
	r = group_flow(engine, &owner->info, request, &flow);
	if (r < 0)
		return r;
	flow->settings.rate_bps = rate_bps;
	if (rate_bps != GW_RATE_NONE)
		flow->settings.shaping = GW_SHAPE_AND_MARK;
	r = engine->ports.group_create(engine->ports.user_data, owner, &group);
	if (r < 0) {
		group_flow_discard(engine, flow);
		return r;
	}
	r = group_begin(engine, flow, group);
	if (r < 0) {
		group_flow_discard(engine, flow);
		return r;
	}
	engine->counters.flows_added++;
	tell_watchers(engine, NULL, GW_EVENT_FLOW_ADDED, "added", flow, NULL);
	*ret_flow_id = flow->id;
	return 0;
}

/* The settings that made the meter of an earlier engine. */
static void settings_from_meter(struct flow_settings *settings,
				const struct datapath_treatment *treatment,
				const struct datapath_meter *meter)
{
	if (meter->reserved_bps != 0 || meter->excess == DATAPATH_EXCESS_DROP) {
		settings->reserved = meter->bucket;
		settings->reserved_bps = meter->reserved_bps ? meter->reserved_bps
							     : meter->bucket.rate_bps;
		settings->excess = GW_EXCESS_DROP;
		if (meter->excess == DATAPATH_EXCESS_REMARK)
			settings->excess = meter->excess_class == treatment->traffic_class
						   ? GW_EXCESS_REMARK
						   : GW_EXCESS_BEST_EFFORT;
		return;
	}
	settings->rate_bps = meter->bucket.rate_bps;
	settings->shaping = treatment->mark.set_dscp ? GW_SHAPE_AND_MARK : GW_SHAPE_ONLY;
	if (meter->excess == DATAPATH_EXCESS_REMARK)
		settings->shaping = GW_SHAPE_MARK_CONFORMANT;
}

int engine_adopt_group(struct engine *engine, uint64_t group,
		       const struct datapath_treatment *treatment,
		       const struct datapath_meter *meter, const struct engine_owner_info *info,
		       uint64_t now_us)
{
	struct flow_request request = { .traffic_class = treatment->traffic_class,
					.dscp = GW_DSCP_FROM_CLASS };
	struct mark usual;
	struct flow *flow;
	int r;

	(void)now_us;
	if (!class_is_valid(treatment->traffic_class))
		return -EINVAL;
	usual = class_mark(&engine->config.profile, treatment->traffic_class);
	if (treatment->mark.set_dscp && treatment->mark.dscp != usual.dscp)
		request.dscp = treatment->mark.dscp;
	r = group_flow(engine, info, &request, &flow);
	if (r < 0)
		return r;
	if (meter)
		settings_from_meter(&flow->settings, treatment, meter);
	r = group_begin(engine, flow, group); /* under its new identifier */
	if (r < 0)
		group_flow_discard(engine, flow);
	return r;
}

struct flow *flow_find_group(const struct engine *engine, uint64_t group)
{
	struct flow *flow;

	HASH_FIND(by_group, engine->flows_by_group, &group, sizeof(group), flow);
	return flow;
}

bool engine_has_group(const struct engine *engine, uint64_t group)
{
	return flow_find_group(engine, group);
}
