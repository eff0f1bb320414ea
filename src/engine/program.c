/* SPDX-License-Identifier: MIT */
/*
 * program.c: flows of whole programs. Such a flow has a control group in place of sockets, and an owner of its
 * own, since the program that asked has become the one that is marked.
 */
#include <errno.h>

#include "engine/internal.h"

void group_target(const struct flow *flow, struct datapath_target *ret_target)
{
	*ret_target =
		(struct datapath_target){ .group = flow->group, .fd = -1, .any_destination = true };
}

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

int group_apply(struct engine *engine, struct flow *flow)
{
	struct datapath_treatment treatment;
	struct datapath_target target;

	group_target(flow, &target);
	flow_treatment(engine, flow, &treatment);
	return engine->ports.datapath->apply(engine->ports.datapath_data, &target, &treatment);
}

static int group_begin(struct engine *engine, struct flow *flow, uint64_t group)
{
	flow->group = group;
	flow_count_in_force(engine, flow, 1);
	flow->owner->user->programs++;
	HASH_ADD(by_group, engine->flows_by_group, group, sizeof(flow->group), flow);
	if (!flow->by_group.tbl)
		return -ENOMEM;
	return group_apply(engine, flow);
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
	       uint32_t *ret_flow_id, uint64_t now_us)
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
	r = limits_check(engine, owner, true);
	if (r == 0)
		r = programs_check(engine, owner->user);
	if (r < 0)
		return r;
	r = group_flow(engine, &owner->info, request, &flow);
	if (r < 0)
		return r;
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

int engine_adopt_group(struct engine *engine, uint64_t group,
		       const struct datapath_treatment *treatment,
		       const struct engine_owner_info *info, uint64_t now_us)
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
