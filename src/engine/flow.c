/* SPDX-License-Identifier: MIT */
/*
 * flow.c: what a flow is: how it is found, made and unmade, what it wants done to its packets, and what its
 * owner may ask of it and end.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/internal.h"

/* ---- finding ---- */

struct flow *flow_find(const struct engine *engine, uint32_t id)
{
	struct flow *flow;

	HASH_FIND(hh, engine->flows_by_id, &id, sizeof(id), flow);
	return flow;
}

/* A flow belongs to the handle it was added with; to any other it does not exist (spec/qwave.md §4.8). */
int flow_find_own(const struct engine *engine, const struct owner *owner, uint32_t id,
		  struct flow **ret_flow)
{
	struct flow *flow = flow_find(engine, id);

	if (!flow || flow->owner != owner)
		return -ENOENT;
	*ret_flow = flow;
	return 0;
}

/* ---- what a flow wants ---- */

/* An adaptive flow does not affect traffic until a rate has been accepted (spec/qwave.md §5.3). */
bool flow_claims(const struct flow *flow)
{
	return !(flow->flags & GW_FLOW_ADAPTIVE) || flow->settings.rate_bps != 0;
}

static bool flow_marks(const struct engine *engine, const struct flow *flow)
{
	const struct flow_settings *settings = &flow->settings;

	if (engine->config.marks_ignored || settings->rate_cleared || !flow_claims(flow))
		return false;
	return settings->rate_bps == 0 || settings->shaping != GW_SHAPE_ONLY;
}

/* Whose meter its packets are under, if there is one. */
static const struct flow *flow_meterer(const struct engine *engine, const struct flow *flow)
{
	uint32_t id = flow->settings.lender;
	const struct flow *lender = id != 0 ? flow_find(engine, id) : NULL;

	return lender && lender->metered ? lender : flow;
}

void flow_treatment(const struct engine *engine, const struct flow *flow,
		    struct datapath_treatment *ret_treatment)
{
	const struct flow_settings *settings = &flow->settings;
	const struct mark_profile *profile = &engine->config.profile;
	const struct flow *meterer = flow_meterer(engine, flow);

	*ret_treatment = (struct datapath_treatment){
		.flow_id = meterer->id,
		.traffic_class = settings->traffic_class,
		.metered = meterer->metered,
		.watched = flow->watches,
	};
	if (!flow_marks(engine, flow)) {
		/* Without marks it is best effort also in the order of sending (spec/qwave.md §7.1). */
		if (!engine->config.marks_ignored && settings->traffic_class != GW_CLASS_BACKGROUND)
			ret_treatment->traffic_class = GW_CLASS_BEST_EFFORT;
		return;
	}
	if (settings->marks.set)
		ret_treatment->mark = (struct mark){ .set_dscp = true,
						     .set_priority = true,
						     .dscp = settings->marks.dscp,
						     .priority = settings->marks.priority };
	else if (settings->dscp == GW_DSCP_FROM_CLASS)
		ret_treatment->mark = class_mark(profile, settings->traffic_class);
	else
		ret_treatment->mark = class_mark_with_dscp(profile, settings->traffic_class,
							   (uint8_t)settings->dscp);
	ret_treatment->mark.tag = flow_tags(flow);
}

/* What the excess gets, if it is sent at all and not delayed; false: no mark of ours. */
bool flow_excess_mark(const struct engine *engine, const struct flow *flow, struct mark *ret_mark)
{
	const struct flow_settings *settings = &flow->settings;
	bool remarked = settings->reserved.rate_bps != 0
				? settings->excess != GW_EXCESS_DROP && !settings->excess_waits
				: settings->rate_bps != 0 &&
					  settings->shaping == GW_SHAPE_MARK_CONFORMANT;

	*ret_mark = (struct mark){ 0 };
	if (!remarked || !flow_marks(engine, flow))
		return false;
	if (settings->marks.set) {
		*ret_mark = (struct mark){ .set_dscp = true,
					   .set_priority = true,
					   .dscp = settings->marks.excess_dscp,
					   .priority = settings->marks.excess_priority };
		return true;
	}
	*ret_mark = class_mark_nonconformant(&engine->config.profile, settings->traffic_class);
	/* Where the class marks nothing but a value was set, the excess must not keep an application's own. */
	if (settings->dscp != GW_DSCP_FROM_CLASS)
		ret_mark->set_dscp = true;
	ret_mark->tag = flow_tags(flow);
	return ret_mark->set_dscp;
}

bool flow_is_in_force(const struct flow *flow)
{
	return flow->entries || flow_has_targets(flow);
}

/* ---- making and unmaking ---- */

static uint32_t id_allocate(struct engine *engine)
{
	uint32_t id;

	do
		id = engine->next_id++;
	while (id == 0 || flow_find(engine, id));
	return id;
}

/* Keeps a list ascending also after the counter has gone round once. */
#define INSERT_ASCENDING(list, flow, prev, next)                                  \
	do {                                                                      \
		struct flow *after = (list) ? (list)->prev : NULL; /* the tail */ \
                                                                                  \
		while (after && after->id > (flow)->id)                           \
			after = after == (list) ? NULL : after->prev;             \
		if (after)                                                        \
			DL_APPEND_ELEM2(list, after, flow, prev, next);           \
		else                                                              \
			DL_PREPEND2(list, flow, prev, next);                      \
	} while (0)

static void flow_insert(struct engine *engine, struct user *user, struct flow *flow)
{
	INSERT_ASCENDING(engine->flows, flow, prev, next);
	INSERT_ASCENDING(user->flow_list, flow, user_prev, user_next);
}

int flow_new(struct engine *engine, struct owner *owner, const struct flow_request *request,
	     struct flow **ret_flow)
{
	struct flow *flow = calloc(1, sizeof(*flow));

	if (!flow)
		return -ENOMEM;
	flow->id = id_allocate(engine);
	flow->flags = request->flags;
	flow->owner = owner;
	flow->settings.traffic_class = request->traffic_class;
	flow->settings.dscp = request->dscp;
	HASH_ADD(hh, engine->flows_by_id, id, sizeof(flow->id), flow);
	if (!flow->hh.tbl) {
		free(flow);
		return -ENOMEM;
	}
	flow_insert(engine, owner->user, flow);
	DL_APPEND2(owner->flows, flow, owner_prev, owner_next);
	engine->n_flows++;
	owner->user->flows++;
	*ret_flow = flow;
	return 0;
}

void flow_count_in_force(struct engine *engine, struct flow *flow, int change)
{
	engine->in_force += (uint64_t)change;
	flow->owner->user->in_force += (uint32_t)change;
}

/* The entries are gone already. */
void flow_free(struct engine *engine, struct flow *flow)
{
	struct owner *owner = flow->owner;

	flow_targets_clear(engine, flow);
	flow_unmeter(engine, flow);
	if (flow->group) {
		engine->ports.group_end(engine->ports.user_data, flow->group);
		group_forget(engine, flow);
	}
	if (flow->tuples)
		tuples_forget(engine, flow);
	HASH_DEL(engine->flows_by_id, flow);
	DL_DELETE(engine->flows, flow);
	DL_DELETE2(owner->user->flow_list, flow, user_prev, user_next);
	DL_DELETE2(owner->flows, flow, owner_prev, owner_next);
	engine->n_flows--;
	owner->user->flows--;
	path_leave(engine, flow);
	free(flow);
}

int entry_new(struct engine *engine, struct flow *flow, struct slot *slot, struct entry **ret_entry)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	entry->flow = flow;
	entry->slot = slot;
	if (!flow->entries)
		flow_count_in_force(engine, flow, 1);
	DL_APPEND2(flow->entries, entry, flow_prev, flow_next);
	DL_APPEND2(slot->entries, entry, slot_prev, slot_next);
	slot->n_entries++;
	slot->sock->n_entries++;
	slot->sock->n_watches += flow->watches;
	if (flow->flags & GW_FLOW_KEEP_ON_DISCONNECT)
		slot->sock->n_keep++;
	flow->n_entries++;
	engine->n_entries++;
	flow->owner->user->entries++;
	*ret_entry = entry;
	return 0;
}

void entry_free(struct engine *engine, struct entry *entry)
{
	struct flow *flow = entry->flow;

	path_remove_entry(engine, entry);
	entry->slot->sock->n_entries--;
	if (flow->flags & GW_FLOW_KEEP_ON_DISCONNECT)
		entry->slot->sock->n_keep--;
	DL_DELETE2(flow->entries, entry, flow_prev, flow_next);
	if (!flow->entries) {
		flow_count_in_force(engine, flow, -1);
		flow_unmeter(engine, flow); /* nothing is left that could be under it */
	}
	flow->n_entries--;
	engine->n_entries--;
	flow->owner->user->entries--;
	free(entry);
}

/* ---- asking ---- */

int engine_query(struct engine *engine, struct owner *owner, uint32_t flow_id,
		 struct gw_flow_info *ret_info)
{
	struct flow *flow = flow_find(engine, flow_id);
	struct datapath_treatment treatment;
	struct mark excess;

	if (!flow || (flow->owner != owner && !owner_is_administrator(engine, owner)))
		return -ENOENT;
	flow_treatment(engine, flow, &treatment);
	*ret_info = (struct gw_flow_info){
		.size = sizeof(*ret_info),
		.id = flow->id,
		.flags = flow->flags,
		.traffic_class = flow->settings.traffic_class,
		.dscp_set = flow->settings.dscp,
		.rate_bps = flow->settings.rate_bps,
		.shaping = flow->settings.shaping,
		.sockets = flow->n_entries,
	};
	if (treatment.mark.set_dscp)
		ret_info->conformant_dscp = treatment.mark.dscp;
	if (treatment.mark.set_priority && treatment.mark.tag)
		ret_info->conformant_priority = treatment.mark.priority;
	if (flow_excess_mark(engine, flow, &excess)) {
		ret_info->nonconformant_dscp = excess.dscp;
		ret_info->nonconformant_priority = excess.priority;
	}
	return 0;
}

/* ---- ending, by the owner's word ---- */

int engine_detach(struct engine *engine, struct owner *owner, uint32_t flow_id, uint64_t cookie,
		  uint64_t now_us)
{
	struct sock *sock = sock_find(engine, cookie);
	struct flow *flow;
	int r;

	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r < 0)
		return r;
	if (!sock || engine_end(engine, &(struct end_scope){ .flow = flow, .sock = sock },
				END_REMOVED, now_us) == 0)
		return -ENOENT;
	return 0;
}

int engine_remove(struct engine *engine, struct owner *owner, uint32_t flow_id, uint64_t now_us)
{
	struct flow *flow;
	int r;

	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r < 0)
		return r;
	engine_end(engine, &(struct end_scope){ .flow = flow }, END_REMOVED, now_us);
	return 0;
}
