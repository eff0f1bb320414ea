/* SPDX-License-Identifier: MIT */
/*
 * change.c: new settings for a flow that exists. They become effective wherever it is in force, or, when the
 * datapath refuses one place, nowhere. A meter is there before the first of its targets and stays until after
 * the last.
 */
#include <errno.h>

#include "engine/internal.h"

static int entry_reapply(struct engine *engine, struct entry *entry)
{
	int r = slot_refresh(engine, entry->slot, entry->slot->in_force == entry);

	return r == -ENOENT ? 0 : r; /* gone in the kernel: its end is on the way to us */
}

void flow_reapply(struct engine *engine, struct flow *flow)
{
	const struct tuple *failed;
	struct meter_change change;
	struct entry *entry;

	if (flow->metering && meter_begin(engine, flow, NULL, &change, NULL) == 0)
		meter_settle(engine, flow, &change);
	flow_targets_apply(engine, flow, &failed);
	DL_FOREACH2(flow->entries, entry, flow_next)
		entry_reapply(engine, entry);
}

/* Which target refused. */
struct failure {
	const struct tuple *tuple;
	const struct entry *entry;
};

/* The settings are the earlier ones again: those before the failure get them back, or lose their mark. */
static void flow_roll_back(struct engine *engine, struct flow *flow, const struct failure *failure)
{
	struct entry *entry;

	flow_targets_roll_back(engine, flow, failure->tuple);
	DL_FOREACH2(flow->entries, entry, flow_next) {
		if (entry == failure->entry)
			return;
		if (entry_reapply(engine, entry) < 0)
			slot_clear(engine, entry->slot);
	}
}

/* The earlier meter does not come back: then nothing of the flow is in force, until the next change or its end. */
static void flow_lose(struct engine *engine, struct flow *flow)
{
	struct entry *entry;

	flow_targets_clear(engine, flow);
	DL_FOREACH2(flow->entries, entry, flow_next) {
		if (entry->slot->in_force == entry)
			slot_clear(engine, entry->slot);
	}
	flow_unmeter(engine, flow);
}

/* Returns the error of the first target that refuses. */
static int targets_apply(struct engine *engine, struct flow *flow, struct failure *ret_failure)
{
	struct entry *entry;
	int r;

	*ret_failure = (struct failure){ 0 };
	r = flow_targets_apply(engine, flow, &ret_failure->tuple);
	if (r < 0)
		return r;
	DL_FOREACH2(flow->entries, entry, flow_next) {
		r = entry_reapply(engine, entry);
		if (r < 0) {
			ret_failure->entry = entry;
			return r;
		}
	}
	return 0;
}

/* Makes new settings effective wherever the flow is in force. */
static int flow_apply(struct engine *engine, struct flow *flow,
		      const struct flow_settings *settings, const struct meter_links *links,
		      struct admission_refusal *ret_refusal)
{
	struct flow_settings before = flow->settings;
	struct meter_change change;
	struct failure failure;
	int r;

	flow->settings = *settings;
	r = meter_begin(engine, flow, links, &change, ret_refusal);
	if (r < 0) {
		flow->settings = before;
		return r;
	}
	r = targets_apply(engine, flow, &failure);
	if (r == 0) {
		meter_settle(engine, flow, &change);
		return 0;
	}
	flow->settings = before;
	if (meter_restore(engine, flow, &change)) {
		flow_roll_back(engine, flow, &failure);
		meter_undone(engine, flow, &change);
	} else {
		flow_lose(engine, flow);
	}
	return r;
}

int flow_change(struct engine *engine, struct flow *flow, const struct flow_settings *settings,
		const struct meter_links *links, struct admission_refusal *ret_refusal)
{
	int r = flow_apply(engine, flow, settings, links, ret_refusal);

	if (r < 0)
		return r;
	tell_watchers(engine, NULL, GW_EVENT_FLOW_CHANGED, "changed", flow, flow->entries);
	return 0;
}

int engine_set_class(struct engine *engine, struct owner *owner, uint32_t flow_id,
		     enum gw_class traffic_class, uint64_t now_us)
{
	struct flow_settings settings;
	struct flow *flow;
	int r;

	(void)now_us;
	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r < 0)
		return r;
	if (!class_is_valid(traffic_class))
		return -EINVAL;
	settings = flow->settings;
	settings.traffic_class = traffic_class;
	settings.dscp = GW_DSCP_FROM_CLASS;
	settings.rate_cleared = false;
	return flow_change(engine, flow, &settings, NULL, NULL);
}

int engine_set_dscp(struct engine *engine, struct owner *owner, uint32_t flow_id, uint32_t dscp,
		    uint64_t now_us)
{
	struct flow_settings settings;
	struct flow *flow;
	int r;

	(void)now_us;
	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r < 0)
		return r;
	if (dscp > DSCP_MAX)
		return -EINVAL;
	if (!owner_is_administrator(engine, owner)) {
		engine->counters.refused_policy++;
		return -EACCES;
	}
	if (flow->flags & GW_FLOW_ADAPTIVE)
		return -EOPNOTSUPP;
	settings = flow->settings;
	settings.dscp = (int32_t)dscp;
	settings.rate_cleared = false;
	return flow_change(engine, flow, &settings, NULL, NULL);
}
