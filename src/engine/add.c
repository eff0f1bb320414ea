/* SPDX-License-Identifier: MIT */
/*
 * add.c: adding sockets to flows. Either all of a request is done or nothing: every check comes before the
 * first change, and a datapath that refuses leaves what was in force as it was.
 */
#include <errno.h>

#include "engine/internal.h"

#define KNOWN_FLAGS                                                                 \
	(GW_FLOW_ADAPTIVE | GW_FLOW_KEEP_ON_DISCONNECT | GW_FLOW_KEEP_WHEN_CLOSED | \
	 GW_FLOW_REQUIRE_DESTINATION | GW_FLOW_PACES)
/* ---- limits ---- */

/* A flow whose sockets are all gone is only held for its identifier: the oldest gives way to a new one. */
static bool make_room(struct engine *engine, const struct user *user)
{
	struct flow *flow;

	/* Whoever keeps asking at a limit must not make us look through all flows each time. */
	if (user ? user->flows == user->in_force : engine->n_flows == engine->in_force)
		return false;
	for (flow = user ? user->flow_list : engine->flows; flow;
	     flow = user ? flow->user_next : flow->next) {
		if (!flow_is_in_force(flow))
			return engine_end(engine, &(struct end_scope){ .flow = flow }, END_REVOKED,
					  0) > 0;
	}
	return false;
}

int limits_check(struct engine *engine, const struct owner *owner, bool new_flow)
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

int request_check(struct engine *engine, const struct owner *owner,
		  const struct flow_request *request)
{
	if (!class_is_valid(request->traffic_class) || (request->flags & ~KNOWN_FLAGS))
		return -EINVAL;
	if (request->dscp == GW_DSCP_FROM_CLASS)
		return 0;
	if (request->dscp < 0 || request->dscp > DSCP_MAX || (request->flags & GW_FLOW_ADAPTIVE))
		return -EINVAL;
	if (owner_is_administrator(engine, owner))
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

/*
 * What one flow, and one socket with one destination, may take: changing the one, and finding out what is in force for
 * the other, happens in one go.
 */
static int extent_check(struct engine *engine, const struct owner *owner, const struct flow *flow,
			const struct slot *slot)
{
	const struct engine_config *config = &engine->config;
	bool bound = owner->user->uid != 0;

	if (!slot_is_full(engine, slot) &&
	    !(flow && bound && flow->n_entries >= config->max_sockets_per_flow))
		return 0;
	engine->counters.refused_limit++;
	return -ENOBUFS;
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

/* A meter that has a link too many, because it cannot be made again without, does no harm. */
static void meter_take_back(struct engine *engine, struct flow *flow,
			    const struct meter_change *change)
{
	if (meter_restore(engine, flow, change))
		meter_undone(engine, flow, change);
	else
		meter_settle(engine, flow, change);
}

/* Adds (socket, destination) to the flow, in force if it is the newest that claims it. */
static int attach(struct engine *engine, struct flow *flow, const struct engine_socket *socket,
		  const struct address *destination)
{
	struct meter_change change;
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
	r = meter_begin_entry(engine, flow, entry, &change);
	if (r == 0) {
		r = slot_refresh(engine, slot, false);
		if (r == 0)
			meter_settle(engine, flow, &change);
		else
			meter_take_back(engine, flow, &change);
		if (r == -EOPNOTSUPP)
			engine->counters.refused_datapath++;
	}
	if (r < 0) {
		/* What was in force still is. */
		slot_take_out(slot, entry);
		entry_free(engine, entry);
		slot_release(engine, slot);
		return r;
	}
	engine->counters.entries_added++;
	path_add_entry(engine, entry);
	tell_watchers(engine, NULL,
		      flow->n_entries == 1 ? GW_EVENT_FLOW_ADDED : GW_EVENT_FLOW_CHANGED, "added",
		      flow, entry);
	return 0;
}

static int add_new(struct engine *engine, struct owner *owner, const struct engine_socket *socket,
		   const struct address *destination, const struct engine_route *route,
		   const struct flow_request *request, uint32_t *flow_id)
{
	struct flow *flow;
	int r;

	r = flow_new(engine, owner, request, &flow);
	if (r < 0)
		return r;
	if ((request->flags & GW_FLOW_ADAPTIVE) && destination)
		r = path_join(engine, flow, destination, route);
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

int engine_watch(struct engine *engine, struct owner *owner, const struct engine_socket *socket,
		 uint32_t *ret_flow_id)
{
	const struct flow_request request = { .traffic_class = GW_CLASS_BEST_EFFORT,
					      .flags = GW_FLOW_KEEP_ON_DISCONNECT,
					      .dscp = GW_DSCP_FROM_CLASS };
	struct flow *flow;
	int r;

	end_closing_sock(engine, socket->cookie);
	r = limits_check(engine, owner, true);
	if (r == 0)
		r = flow_new(engine, owner, &request, &flow);
	if (r < 0)
		return r;
	flow->watches = true;
	r = attach(engine, flow, socket, NULL);
	if (r < 0) {
		flow_free(engine, flow);
		return r;
	}
	*ret_flow_id = flow->id;
	return 0;
}

int engine_add(struct engine *engine, struct owner *owner, const struct engine_socket *socket,
	       const struct address *destination, const struct flow_request *request,
	       uint32_t *flow_id, uint64_t now_us)
{
	bool adaptive = request->flags & GW_FLOW_ADAPTIVE;
	struct engine_route route;
	struct flow *flow = NULL;
	const struct slot *slot;
	int r;

	engine_note_time(engine, now_us);
	/* It was not closed, then. */
	end_closing_sock(engine, socket->cookie);
	if (*flow_id != 0) {
		r = flow_find_own(engine, owner, *flow_id, &flow);
		if (r < 0)
			return r;
		if (adaptive || (flow->flags & GW_FLOW_ADAPTIVE) ||
		    (request->flags & ~KNOWN_FLAGS) || flow_has_targets(flow))
			return -EINVAL;
	} else {
		r = request_check(engine, owner, request);
		if (r < 0)
			return r;
	}
	r = choose_destination(socket, destination, request->flags & GW_FLOW_REQUIRE_DESTINATION,
			       &destination);
	if (r < 0)
		return r;
	slot = slot_find(engine, socket->cookie, destination);
	if (flow && slot && entry_find(flow, slot))
		return 0; /* and nothing changes */
	r = check_route(engine, socket, destination, adaptive, &route);
	if (r < 0)
		return r;
	r = extent_check(engine, owner, flow, slot);
	if (r == 0)
		r = limits_check(engine, owner, !flow);
	if (r < 0)
		return r;
	if (flow)
		return attach(engine, flow, socket, destination);
	return add_new(engine, owner, socket, destination, &route, request, flow_id);
}
