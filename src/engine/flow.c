/* SPDX-License-Identifier: MIT */
/*
 * flow.c: flows and the verbs of their owners. A verb either does all of what it says or nothing.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/internal.h"

#define KNOWN_FLAGS                                                                 \
	(GW_FLOW_ADAPTIVE | GW_FLOW_KEEP_ON_DISCONNECT | GW_FLOW_KEEP_WHEN_CLOSED | \
	 GW_FLOW_REQUIRE_DESTINATION)
#define REASON_MAX 4u
/* A rate that no link has needs no shaper. */
#define RATE_UNLIMITED_BPS UINT64_C(1000000000000000)

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

void flow_treatment(const struct engine *engine, const struct flow *flow,
		    struct datapath_treatment *ret_treatment)
{
	const struct flow_settings *settings = &flow->settings;
	const struct mark_profile *profile = &engine->config.profile;

	*ret_treatment = (struct datapath_treatment){
		.flow_id = flow->id,
		.traffic_class = settings->traffic_class,
	};
	if (!flow_marks(engine, flow))
		return;
	if (settings->dscp == GW_DSCP_FROM_CLASS)
		ret_treatment->mark = class_mark(profile, settings->traffic_class);
	else
		ret_treatment->mark = class_mark_with_dscp(profile, settings->traffic_class,
							   (uint8_t)settings->dscp);
}

bool flow_is_in_force(const struct flow *flow)
{
	return flow->entries || flow->group;
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

/* Keeps the list ascending also after the counter has gone round once. */
static void flow_insert(struct engine *engine, struct flow *flow)
{
	struct flow *after = engine->flows ? engine->flows->prev : NULL; /* the tail */

	while (after && after->id > flow->id)
		after = after == engine->flows ? NULL : after->prev;
	if (after)
		DL_APPEND_ELEM(engine->flows, after, flow);
	else
		DL_PREPEND(engine->flows, flow);
}

static int flow_new(struct engine *engine, struct owner *owner, const struct flow_request *request,
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
	flow_insert(engine, flow);
	DL_APPEND2(owner->flows, flow, owner_prev, owner_next);
	engine->n_flows++;
	owner->user->flows++;
	*ret_flow = flow;
	return 0;
}

static void count_in_force(struct engine *engine, struct flow *flow, int change)
{
	engine->in_force += (uint64_t)change;
	flow->owner->user->in_force += (uint32_t)change;
}

/* The entries are gone already. */
void flow_free(struct engine *engine, struct flow *flow)
{
	struct owner *owner = flow->owner;
	struct datapath_target target;

	if (flow->group) {
		group_target(flow, &target);
		engine->ports.datapath->clear(engine->ports.datapath_data, &target);
		engine->ports.group_end(engine->ports.user_data, flow->group);
		count_in_force(engine, flow, -1);
	}
	HASH_DEL(engine->flows_by_id, flow);
	DL_DELETE(engine->flows, flow);
	DL_DELETE2(owner->flows, flow, owner_prev, owner_next);
	engine->n_flows--;
	owner->user->flows--;
	path_leave(engine, flow);
	free(flow);
}

static int entry_new(struct engine *engine, struct flow *flow, struct slot *slot,
		     struct entry **ret_entry)
{
	struct entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return -ENOMEM;
	entry->flow = flow;
	entry->slot = slot;
	if (!flow->entries)
		count_in_force(engine, flow, 1);
	DL_APPEND2(flow->entries, entry, flow_prev, flow_next);
	DL_APPEND2(slot->entries, entry, slot_prev, slot_next);
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

	if (flow->flags & GW_FLOW_KEEP_ON_DISCONNECT)
		entry->slot->sock->n_keep--;
	DL_DELETE2(flow->entries, entry, flow_prev, flow_next);
	if (!flow->entries)
		count_in_force(engine, flow, -1);
	flow->n_entries--;
	engine->n_entries--;
	flow->owner->user->entries--;
	free(entry);
}

/* ---- limits ---- */

/* A flow whose sockets are all gone is only held for its identifier: the oldest gives way to a new one. */
static bool make_room(struct engine *engine, const struct user *user)
{
	struct flow *flow;

	/* Whoever keeps asking at a limit must not make us look through all flows each time. */
	if (user ? user->flows == user->in_force : engine->n_flows == engine->in_force)
		return false;
	DL_FOREACH(engine->flows, flow) {
		if (!flow_is_in_force(flow) && (!user || flow->owner->user == user))
			return engine_end(engine, &(struct end_scope){ .flow = flow }, END_REVOKED,
					  0) > 0;
	}
	return false;
}

static int check_limits(struct engine *engine, const struct owner *owner, bool new_flow)
{
	const struct engine_config *config = &engine->config;
	const struct user *user = owner->user;
	bool bound = user->uid != 0;

	if (new_flow && bound && user->flows >= config->max_flows_per_user &&
	    !make_room(engine, user))
		goto refuse;
	if (new_flow && engine->n_flows >= config->max_flows && !make_room(engine, NULL))
		goto refuse;
	if (bound && user->entries >= config->max_flows_per_user)
		goto refuse;
	if (engine->n_entries >= config->max_flows)
		goto refuse;
	return 0;
refuse:
	engine->counters.refused_limit++;
	return -ENOBUFS;
}

/* ---- adding ---- */

static int check_request(struct engine *engine, const struct owner *owner,
			 const struct flow_request *request)
{
	if (!class_is_valid(request->traffic_class) || (request->flags & ~KNOWN_FLAGS))
		return -EINVAL;
	if (request->dscp == GW_DSCP_FROM_CLASS)
		return 0;
	if (request->dscp < 0 || request->dscp > DSCP_MAX || (request->flags & GW_FLOW_ADAPTIVE))
		return -EINVAL;
	if (engine->ports.is_administrator(engine->ports.user_data, owner))
		return 0;
	engine->counters.refused_policy++;
	return -EACCES;
}

/*
 * Which destination is meant? A connected socket's is its peer, and naming another is an error; an unconnected
 * one's is the one that is named, or everything. spec/qwave.md §5.3, destination rules.
 */
static int choose_destination(const struct engine_socket *socket, const struct address *named,
			      bool required, const struct address **ret_destination)
{
	bool connected = socket->peer.family != AF_UNSPEC;

	if (!named) {
		if (!connected && required)
			return -EDESTADDRREQ;
		*ret_destination = connected ? &socket->peer : NULL;
		return 0;
	}
	if (named->family == AF_UNSPEC || named->port == 0 || address_is_unspecified(named))
		return -EINVAL;
	if (connected && !address_equal(named, &socket->peer))
		return -EINVAL;
	*ret_destination = named;
	return 0;
}

static struct entry *entry_find(const struct flow *flow, const struct slot *slot)
{
	struct entry *entry;

	DL_FOREACH2(slot->entries, entry, slot_next) {
		if (entry->flow == flow)
			return entry;
	}
	return NULL;
}

/* Is (socket, destination) in the flow already? Then adding it again succeeds and changes nothing. */
static bool is_attached(struct engine *engine, const struct flow *flow,
			const struct engine_socket *socket, const struct address *destination)
{
	const struct slot *slot = slot_find(engine, socket->cookie, destination);

	return slot && entry_find(flow, slot);
}

/* The route is only asked for where the answer is not known: a connected socket has had one. */
static int check_route(struct engine *engine, const struct engine_socket *socket,
		       const struct address *destination, bool adaptive,
		       struct engine_route *ret_route)
{
	*ret_route = (struct engine_route){ 0 };
	if (!destination || (socket->peer.family != AF_UNSPEC && !adaptive))
		return 0;
	return engine->ports.route(engine->ports.user_data, destination, socket, ret_route);
}

/* Adds (socket, destination) to the flow, in force if it is the newest that claims it. */
static int attach(struct engine *engine, struct flow *flow, const struct engine_socket *socket,
		  const struct address *destination)
{
	struct entry *entry;
	struct slot *slot;
	int r;

	r = slot_obtain(engine, socket, destination, &slot);
	if (r < 0)
		return r;
	r = entry_new(engine, flow, slot, &entry);
	if (r < 0) {
		slot_release(engine, slot);
		return r;
	}
	r = slot_refresh(engine, slot, false);
	if (r < 0) {
		/* What was in force still is. */
		DL_DELETE2(slot->entries, entry, slot_prev, slot_next);
		entry_free(engine, entry);
		slot_release(engine, slot);
		if (r == -EOPNOTSUPP)
			engine->counters.refused_datapath++;
		return r;
	}
	engine->counters.entries_added++;
	tell_watchers(engine, NULL,
		      flow->n_entries == 1 ? GW_EVENT_FLOW_ADDED : GW_EVENT_FLOW_CHANGED, "added",
		      flow, entry);
	return 0;
}

static int add_new(struct engine *engine, struct owner *owner, const struct engine_socket *socket,
		   const struct address *destination, const struct engine_route *route,
		   const struct flow_request *request, uint32_t *flow_id, uint64_t now_us)
{
	struct flow *flow;
	int r;

	r = flow_new(engine, owner, request, &flow);
	if (r < 0)
		return r;
	if ((request->flags & GW_FLOW_ADAPTIVE) && destination)
		r = path_join(engine, flow, destination, route->on_link, now_us);
	if (r >= 0)
		r = attach(engine, flow, socket, destination);
	if (r < 0) {
		flow_free(engine, flow);
		return r;
	}
	engine->counters.flows_added++;
	*flow_id = flow->id;
	return 0;
}

int engine_add(struct engine *engine, struct owner *owner, const struct engine_socket *socket,
	       const struct address *destination, const struct flow_request *request,
	       uint32_t *flow_id, uint64_t now_us)
{
	bool adaptive = request->flags & GW_FLOW_ADAPTIVE;
	struct engine_route route;
	struct flow *flow = NULL;
	int r;

	if (*flow_id != 0) {
		r = flow_find_own(engine, owner, *flow_id, &flow);
		if (r < 0)
			return r;
		if (adaptive || (flow->flags & GW_FLOW_ADAPTIVE) || (request->flags & ~KNOWN_FLAGS))
			return -EINVAL;
	} else {
		r = check_request(engine, owner, request);
		if (r < 0)
			return r;
	}
	r = choose_destination(socket, destination, request->flags & GW_FLOW_REQUIRE_DESTINATION,
			       &destination);
	if (r < 0)
		return r;
	if (flow && is_attached(engine, flow, socket, destination))
		return 0;
	r = check_route(engine, socket, destination, adaptive, &route);
	if (r < 0)
		return r;
	r = check_limits(engine, owner, !flow);
	if (r < 0)
		return r;
	if (flow)
		return attach(engine, flow, socket, destination);
	return add_new(engine, owner, socket, destination, &route, request, flow_id, now_us);
}

/* ---- programs ---- */

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

static int group_apply(struct engine *engine, struct flow *flow)
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
	count_in_force(engine, flow, 1);
	return group_apply(engine, flow);
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
	r = check_request(engine, owner, request);
	if (r < 0)
		return r;
	r = check_limits(engine, owner, true);
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

	DL_FOREACH(engine->flows, flow) {
		if (flow->group == group)
			return flow;
	}
	return NULL;
}

bool engine_has_group(const struct engine *engine, uint64_t group)
{
	return flow_find_group(engine, group);
}

/* ---- changing ---- */

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

/* ---- asking ---- */

int engine_query(struct engine *engine, struct owner *owner, uint32_t flow_id,
		 struct gw_flow_info *ret_info)
{
	struct flow *flow = flow_find(engine, flow_id);
	struct datapath_treatment treatment;

	if (!flow || (flow->owner != owner &&
		      !engine->ports.is_administrator(engine->ports.user_data, owner)))
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
	if (treatment.mark.set_dscp && flow->settings.rate_bps != 0 &&
	    flow->settings.shaping == GW_SHAPE_MARK_CONFORMANT) {
		struct mark excess = class_mark_nonconformant(&engine->config.profile,
							      flow->settings.traffic_class);

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
