/* SPDX-License-Identifier: MIT */
/*
 * record.c: flows as others see them: listing, and telling those who watch.
 */
#include <errno.h>
#include <string.h>

#include "engine/internal.h"
#include "engine/provider.h"

static enum gw_flow_state entry_state(const struct flow *flow, const struct entry *entry)
{
	if (flow_has_targets(flow))
		return GW_FLOW_ACTIVE;
	if (!entry)
		return GW_FLOW_CLOSED;
	if (!flow_claims(flow))
		return GW_FLOW_UNMARKED;
	return entry->slot->in_force == entry ? GW_FLOW_ACTIVE : GW_FLOW_SHADOWED;
}

/* What the meter says, of all sockets of the flow together. */
static void record_meter(const struct engine *engine, const struct flow *flow,
			 struct gw_flow_record *record)
{
	const struct datapath_ops *ops = engine->ports.datapath;
	struct datapath_meter_counters counters;

	if (!flow->metering)
		return;
	record->reserved_bps = flow->metering->meter.reserved_bps;
	if (!ops->meter_read ||
	    ops->meter_read(engine->ports.datapath_data, flow->id, &counters) < 0)
		return;
	record->metered = 1;
	record->conforming_packets = counters.conforming_packets;
	record->conforming_bytes = counters.conforming_bytes;
	record->excess_packets = counters.excess_packets;
	record->excess_bytes = counters.excess_bytes;
	record->dropped_packets = counters.dropped_packets;
	record->dropped_bytes = counters.dropped_bytes;
}

/* How the rate of this one target is kept to. */
static enum gw_shaping_method target_shaping(const struct engine *engine, const struct flow *flow,
					     const struct tuple *tuple, const struct entry *entry)
{
	const struct datapath_ops *ops = engine->ports.datapath;
	struct datapath_target target;

	if (!flow->metered || !ops->shaping)
		return GW_SHAPING_NONE;
	if (flow_has_targets(flow))
		flow_target(flow, tuple, &target);
	else
		slot_target(engine, entry->slot, &target);
	return ops->shaping(engine->ports.datapath_data, flow->id, &target);
}

static void record_tuple(const struct tuple *tuple, struct gw_flow_record *record)
{
	record->protocol = tuple->key.protocol;
	address_to_sockaddr(&tuple->key.source, &record->local);
	address_to_sockaddr(&tuple->key.destination, &record->destination);
}

/* All that depends on the tuple or the entry; `record` may be of another of the same flow. */
static void record_target(const struct engine *engine, const struct flow *flow,
			  const struct tuple *tuple, const struct entry *entry,
			  struct gw_flow_record *record)
{
	struct datapath_treatment treatment;

	flow_treatment(engine, flow, &treatment);
	record->state = entry_state(flow, entry);
	record->dscp = -1;
	record->shaping = GW_SHAPING_NONE;
	if (record->state == GW_FLOW_ACTIVE) {
		if (treatment.mark.set_dscp)
			record->dscp = treatment.mark.dscp;
		record->shaping = target_shaping(engine, flow, tuple, entry);
	}
	if (tuple)
		record_tuple(tuple, record);
	if (entry) {
		const struct slot *slot = entry->slot;

		record->protocol = slot->sock->protocol;
		record->socket_cookie = slot->sock->cookie;
		address_to_sockaddr(&slot->sock->local, &record->local);
		address_to_sockaddr(&slot->key.destination, &record->destination);
	}
	if (entry && engine->provider)
		provider_record_flow(engine->provider, record);
}

static void record_path(const struct engine *engine, const struct flow *flow,
			struct gw_flow_record *record)
{
	record->path_state = flow_path_state(engine, flow);
	record->path.size = sizeof(record->path);
	if (flow->path)
		path_known(engine, flow->path, &record->path);
}

/* All that the entries of a flow have in common. */
static void record_begin(const struct engine *engine, const struct flow *flow,
			 struct gw_flow_record *ret_record)
{
	const struct engine_owner_info *info = &flow->owner->info;

	*ret_record = (struct gw_flow_record){
		.size = sizeof(*ret_record),
		.id = flow->id,
		.uid = info->uid,
		.pid = info->pid,
		.traffic_class = flow->settings.traffic_class,
		.rate_bps = flow->settings.rate_bps,
	};
	memcpy(ret_record->comm, info->comm, sizeof(ret_record->comm));
	memcpy(ret_record->api, info->api, sizeof(ret_record->api));
	record_meter(engine, flow, ret_record);
	record_path(engine, flow, ret_record);
}

void record_flow(const struct engine *engine, const struct flow *flow, const struct entry *entry,
		 struct gw_flow_record *ret_record)
{
	record_begin(engine, flow, ret_record);
	record_target(engine, flow, flow->tuples, entry, ret_record);
}

static bool is_in_view(const struct engine_view *view, const struct flow *flow)
{
	return view->everything || flow->owner->info.uid == view->uid;
}

bool flow_is_visible(const struct engine_view *view, const struct flow *flow)
{
	return !flow->watches && is_in_view(view, flow);
}

void event_begin(const struct engine *engine, const struct owner *also, const struct flow *flow,
		 const struct entry *entry, struct engine_flow_event *event)
{
	if (engine->watchers || also)
		record_flow(engine, flow, entry, &event->record);
}

void event_tell(struct engine *engine, struct owner *also, const struct flow *flow,
		const struct engine_flow_event *event)
{
	struct owner *owner;

	DL_FOREACH2(engine->watchers, owner, watch_next) {
		if (flow_is_visible(&owner->view, flow))
			engine->ports.flow_event(engine->ports.user_data, owner, event);
	}
	if (also && !also->watching && also->host_data)
		engine->ports.flow_event(engine->ports.user_data, also, event);
}

void tell_watchers(struct engine *engine, struct owner *also, enum gw_event_type type,
		   const char *reason, const struct flow *flow, const struct entry *entry)
{
	struct engine_flow_event event = { .type = type, .reason = reason };

	event_begin(engine, also, flow, entry, &event);
	event_tell(engine, also, flow, &event);
}

void flow_tell_path(struct engine *engine, struct flow *flow)
{
	enum gw_path_state state = flow_path_state(engine, flow);

	if (flow->told == state)
		return;
	flow->told = state;
	tell_watchers(engine, NULL, GW_EVENT_FLOW_CHANGED, "path", flow, flow->entries);
}

uint32_t engine_next_flow_id(const struct engine *engine, uint32_t after)
{
	struct flow *flow = after ? flow_find(engine, after) : NULL;

	if (flow)
		return flow->next ? flow->next->id : 0;
	/* The flow of the last step has ended since. */
	DL_FOREACH(engine->flows, flow) {
		if (flow->id > after)
			return flow->id;
	}
	return 0;
}

uint32_t engine_next_flow_id_of(const struct engine *engine, const struct engine_view *view,
				uint32_t after)
{
	const struct user *user;
	struct flow *flow;

	if (view->everything)
		return engine_next_flow_id(engine, after);
	user = user_find(engine, view->uid);
	if (!user)
		return 0;
	flow = after ? flow_find(engine, after) : NULL;
	if (flow && flow->owner->user == user)
		return flow->user_next ? flow->user_next->id : 0;
	DL_FOREACH2(user->flow_list, flow, user_next) {
		if (flow->id > after)
			return flow->id;
	}
	return 0;
}

int engine_flow_records(const struct engine *engine, const struct engine_view *view,
			uint32_t flow_id,
			int (*visit)(const struct gw_flow_record *record, void *user_data),
			void *user_data)
{
	struct flow *flow = flow_find(engine, flow_id);
	struct gw_flow_record record;
	struct tuple *tuple;
	struct entry *entry;
	int r = 0;

	if (!flow || !is_in_view(view, flow))
		return -ENOENT;
	record_begin(engine, flow, &record);
	if (flow->watches)
		return flow->entries && engine->provider
			       ? provider_visit(engine->provider, flow->entries->slot->sock->cookie,
						&record, visit, user_data)
			       : 0;
	if (!flow->entries && !flow->tuples) {
		record_target(engine, flow, NULL, NULL, &record);
		return visit(&record, user_data);
	}
	DL_FOREACH(flow->tuples, tuple) {
		record_target(engine, flow, tuple, NULL, &record);
		r = visit(&record, user_data);
		if (r != 0)
			return r;
	}
	DL_FOREACH2(flow->entries, entry, flow_next) {
		record_target(engine, flow, NULL, entry, &record);
		r = visit(&record, user_data);
		if (r != 0)
			return r;
	}
	return 0;
}
