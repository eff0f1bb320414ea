/* SPDX-License-Identifier: MIT */
/*
 * target.c: the targets of flows that have no sockets: the control group of a program, or packets by their
 * addresses. They are always in force.
 */
#include "engine/internal.h"

bool flow_has_targets(const struct flow *flow)
{
	return flow->group || flow->tuples;
}

/* `tuple` NULL: the program. */
void flow_target(const struct flow *flow, const struct tuple *tuple,
		 struct datapath_target *ret_target)
{
	*ret_target = (struct datapath_target){ .fd = -1 };
	if (tuple) {
		ret_target->tuple = &tuple->key;
		ret_target->family = tuple->key.destination.family;
		ret_target->protocol = tuple->key.protocol;
		ret_target->destination = tuple->key.destination;
	} else {
		ret_target->group = flow->group;
		ret_target->any_destination = true;
	}
}

static int target_apply(struct engine *engine, const struct flow *flow, const struct tuple *tuple)
{
	struct datapath_treatment treatment;
	struct datapath_target target;

	flow_target(flow, tuple, &target);
	flow_treatment(engine, flow, &treatment);
	return engine->ports.datapath->apply(engine->ports.datapath_data, &target, &treatment);
}

static void target_clear(struct engine *engine, const struct flow *flow, const struct tuple *tuple)
{
	struct datapath_target target;

	flow_target(flow, tuple, &target);
	engine->ports.datapath->clear(engine->ports.datapath_data, &target);
}

int tuple_apply(struct engine *engine, const struct tuple *tuple)
{
	return target_apply(engine, tuple->flow, tuple);
}

void tuple_clear(struct engine *engine, const struct tuple *tuple)
{
	target_clear(engine, tuple->flow, tuple);
}

int flow_targets_apply(struct engine *engine, struct flow *flow, const struct tuple **ret_failed)
{
	const struct tuple *tuple;
	int r;

	*ret_failed = NULL;
	if (flow->group)
		return target_apply(engine, flow, NULL);
	DL_FOREACH(flow->tuples, tuple) {
		r = tuple_apply(engine, tuple);
		if (r < 0) {
			*ret_failed = tuple;
			return r;
		}
	}
	return 0;
}

/* The settings are the earlier ones again: the tuples before `failed` get them back, or nothing. */
void flow_targets_roll_back(struct engine *engine, struct flow *flow, const struct tuple *failed)
{
	const struct tuple *tuple;

	DL_FOREACH(flow->tuples, tuple) {
		if (tuple == failed)
			return;
		if (tuple_apply(engine, tuple) < 0)
			tuple_clear(engine, tuple);
	}
}

void flow_targets_clear(struct engine *engine, const struct flow *flow)
{
	const struct tuple *tuple;

	if (flow->group)
		target_clear(engine, flow, NULL);
	DL_FOREACH(flow->tuples, tuple)
		tuple_clear(engine, tuple);
}
