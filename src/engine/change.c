/* SPDX-License-Identifier: MIT */
/*
 * change.c: new settings for a flow that exists. They become effective wherever it is in force, or, when the
 * datapath refuses one place, nowhere.
 */
#include <errno.h>

#include "engine/internal.h"

#define REASON_MAX 4u
/* A rate that no link has needs no shaper. */
#define RATE_UNLIMITED_BPS UINT64_C(1000000000000000)

static int entry_reapply(struct engine *engine, struct entry *entry)
{
	int r = slot_refresh(engine, entry->slot, entry->slot->in_force == entry);

	return r == -ENOENT ? 0 : r; /* gone in the kernel: its end is on the way to us */
}

void flow_reapply(struct engine *engine, struct flow *flow)
{
	struct entry *entry;

	if (flow->group)
		group_apply(engine, flow);
	DL_FOREACH2(flow->entries, entry, flow_next)
		entry_reapply(engine, entry);
}

/* The settings are the earlier ones again: those before `failed` get them back, or lose their mark. */
static void flow_roll_back(struct engine *engine, struct flow *flow, const struct entry *failed)
{
	struct entry *entry;

	DL_FOREACH2(flow->entries, entry, flow_next) {
		if (entry == failed)
			return;
		if (entry_reapply(engine, entry) < 0)
			slot_clear(engine, entry->slot);
	}
}

/* Makes new settings effective wherever the flow is in force. */
static int flow_apply(struct engine *engine, struct flow *flow,
		      const struct flow_settings *settings)
{
	struct flow_settings before = flow->settings;
	struct entry *entry = NULL;
	int r = 0;

	flow->settings = *settings;
	if (flow->group)
		r = group_apply(engine, flow);
	DL_FOREACH2(flow->entries, entry, flow_next) {
		r = entry_reapply(engine, entry);
		if (r < 0)
			break;
	}
	if (r < 0) {
		flow->settings = before;
		flow_roll_back(engine, flow, entry);
	}
	return r;
}

static int flow_change(struct engine *engine, struct flow *flow,
		       const struct flow_settings *settings)
{
	int r = flow_apply(engine, flow, settings);

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
	return flow_change(engine, flow, &settings);
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
	if (!engine->ports.is_administrator(engine->ports.user_data, owner)) {
		engine->counters.refused_policy++;
		return -EACCES;
	}
	if (flow->flags & GW_FLOW_ADAPTIVE)
		return -EOPNOTSUPP;
	settings = flow->settings;
	settings.dscp = (int32_t)dscp;
	settings.rate_cleared = false;
	return flow_change(engine, flow, &settings);
}

/*
 * Rates that need no shaper are accepted: none, the default minimum (spec/qwave.md A-27: no delay shaping), and
 * one beyond any link. For all others something would have to delay, drop or re-mark packets, and no datapath
 * here can: the flow stays as it is.
 */
int engine_set_rate(struct engine *engine, struct owner *owner, uint32_t flow_id, uint64_t rate_bps,
		    uint32_t shaping, uint32_t reason, uint64_t now_us)
{
	struct flow_settings settings;
	struct flow *flow;
	int r;

	(void)now_us;
	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r < 0)
		return r;
	if (shaping > GW_SHAPE_MARK_CONFORMANT || reason > REASON_MAX)
		return -EINVAL;
	if (rate_bps != GW_RATE_NONE && rate_bps != GW_RATE_MINIMUM &&
	    rate_bps < RATE_UNLIMITED_BPS)
		return -EOPNOTSUPP;
	settings = flow->settings;
	settings.rate_bps = rate_bps;
	settings.shaping = (enum gw_shaping)shaping;
	settings.rate_reason = reason;
	settings.rate_cleared = rate_bps == GW_RATE_NONE;
	return flow_change(engine, flow, &settings);
}
