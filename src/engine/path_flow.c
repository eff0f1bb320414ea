/* SPDX-License-Identifier: MIT */
/*
 * path_flow.c: the adaptive flows of a path, from which they may go to another one, and their connections, of which
 * what the kernel knows tells of the path (path.c).
 */
#include <errno.h>
#include <netinet/in.h>

#include "engine/internal.h"

/* ---- flows ---- */

static void path_enter(struct engine *engine, struct flow *flow, struct flow_path *path)
{
	DL_APPEND2(path->flows, flow, path_prev, path_next);
	path->n_flows++;
	flow->path = path;
	path_users_changed(engine, path);
	flow->told = flow_path_state(engine, flow);
}

int path_join(struct engine *engine, struct flow *flow, const struct address *destination,
	      const struct engine_route *route)
{
	struct flow_path *path = path_obtain(engine, destination, route);

	if (!path)
		return -ENOMEM;
	path_enter(engine, flow, path);
	return 0;
}

void path_leave(struct engine *engine, struct flow *flow)
{
	struct flow_path *path = flow->path;

	if (!path)
		return;
	DL_DELETE2(path->flows, flow, path_prev, path_next);
	path->n_flows--;
	flow->path = NULL;
	if (path->flows || path->trackers)
		path_users_changed(engine, path);
	path_release(engine, path);
}

/* ---- connections ---- */

/* Flows may share a connection; adaptive ones have one entry each. */
static struct entry *path_find_other(const struct entry *entry, bool shown)
{
	const struct slot *slot;
	struct entry *other;

	DL_FOREACH(entry->slot->sock->slots, slot) {
		DL_FOREACH2(slot->entries, other, slot_next) {
			if (other != entry && other->on_path && (other->shown || !shown) &&
			    other->flow->path == entry->flow->path)
				return other;
		}
	}
	return NULL;
}

void path_show(struct engine *engine, struct entry *entry)
{
	const struct measuring *measuring = engine->measuring;
	const struct sock *sock = entry->slot->sock;
	const struct measuring_socket socket = {
		.cookie = sock->cookie,
		.family = sock->family,
		.protocol = sock->protocol,
		.local = sock->local,
		.peer = sock->peer,
	};

	if (path_find_other(entry, true))
		return;
	entry->shown = true;
	measuring->add_socket(measuring->user_data, entry->flow->path->measured, &socket);
}

void path_add_entry(struct engine *engine, struct entry *entry)
{
	struct flow_path *path = entry->flow->path;

	if (!path || entry->slot->sock->protocol != IPPROTO_TCP ||
	    address_is_multicast(&path->destination))
		return;
	entry->on_path = true;
	path->n_tcp++;
	if (path->measured)
		path_show(engine, entry);
	else
		path_users_changed(engine, path); /* it may be of use only now */
}

void path_remove_entry(struct engine *engine, struct entry *entry)
{
	const struct measuring *measuring = engine->measuring;
	struct flow_path *path = entry->flow->path;
	struct entry *heir;

	if (!entry->on_path)
		return;
	entry->on_path = false;
	path->n_tcp--;
	if (!entry->shown)
		return;
	entry->shown = false;
	heir = path_find_other(entry, false);
	if (heir)
		heir->shown = true;
	else
		measuring->remove_socket(measuring->user_data, path->measured,
					 entry->slot->sock->cookie);
}

/* ---- going elsewhere ---- */

static int flow_move(struct engine *engine, struct flow *flow, const struct engine_route *route)
{
	const struct address *destination = &flow->entries->slot->key.destination;
	struct flow_path *path = path_obtain(engine, destination, route);
	bool tagged = flow_tags(flow);

	if (!path)
		return -ENOMEM;
	path_hold(path);
	flow_forget_wish(engine, flow);
	path_remove_entry(engine, flow->entries);
	path_leave(engine, flow);
	path_enter(engine, flow, path);
	path_add_entry(engine, flow->entries);
	path_unhold(engine, path);
	if (flow_tags(flow) != tagged && flow_claims(flow))
		flow_reapply(engine, flow);
	flow_ask_rate(engine, flow);
	return 0;
}

/* What waits on the flow goes with it (spec/qwave.md §12: the next request re-determines the path). */
int path_follow(struct engine *engine, struct flow *flow)
{
	struct flow_path *path = flow->path;
	struct engine_route route = { 0 };
	int r;

	if (!path || !flow->entries || address_is_multicast(&path->destination))
		return 0;
	r = slot_route(engine, flow->entries->slot, &route);
	if (r < 0)
		return r;
	if (route.ifindex != path->key.ifindex)
		return flow_move(engine, flow, &route);
	if (route.on_link != path->on_link)
		path_set_on_link(engine, path, route.on_link);
	return 0;
}
