/* SPDX-License-Identifier: MIT */
/*
 * route.c: which way data of senders goes on, and what follows when routes change (spec/rsvp.md §8.12, RFC 2205
 * §3.6). Routes are asked for when a sender comes, and when somebody says that they may have changed: then once for
 * all changes until they have settled.
 */
#include "rsvp/internal.h"

#include <stdlib.h>

void rsvp_out_free(struct rsvp *rsvp, struct sender *sender, struct out *out)
{
	rsvp_stop_timer(rsvp, &out->refresh);
	rsvp_advert_end(rsvp, &out->advert);
	LL_DELETE(sender->outs, out);
	free(out);
}

static struct out *add_out(struct sender *sender, uint32_t ifindex)
{
	struct out *out = calloc(1, sizeof(*out));

	if (!out)
		return NULL;
	out->sender = sender;
	out->ifindex = ifindex;
	LL_PREPEND(sender->outs, out);
	return out;
}

static bool is_routed(const struct rsvp_route *route, uint32_t ifindex)
{
	for (unsigned i = 0; i < route->n_out && i < RSVP_OUT_MAX; i++) {
		if (route->out[i] == ifindex)
			return true;
	}
	return false;
}

/* Paths do not go back where they came from, nor where RSVP is not spoken. */
static bool may_leave(const struct rsvp *rsvp, const struct sender *sender, uint32_t ifindex)
{
	const struct path *path = sender->path;

	return path && (path->up->app || path->in_ifindex != ifindex) &&
	       rsvp_interface_usable(rsvp, ifindex);
}

/* True: there was one. */
static bool drop_outs(struct rsvp *rsvp, struct sender *sender, const struct rsvp_route *route)
{
	struct out *out, *next;
	bool any = false;

	LL_FOREACH_SAFE(sender->outs, out, next) {
		if (is_routed(route, out->ifindex) && may_leave(rsvp, sender, out->ifindex))
			continue;
		rsvp_out_free(rsvp, sender, out);
		any = true;
	}
	return any;
}

/* Whom Paths reach next, as far as it is one: when that changes, somebody else must hear of the path. */
static void set_next_hop(const struct sender *sender, const struct rsvp_route *route,
			 struct address *ret_next_hop)
{
	*ret_next_hop = (struct address){ 0 };
	if (rsvp_session_is_multicast(sender->key.session))
		return;
	*ret_next_hop = route->gateway;
	if (route->gateway.family == AF_UNSPEC)
		*ret_next_hop = rsvp_session_host(&sender->key.session->key);
}

/* True: it goes other ways than before. */
static bool set_outs(struct rsvp *rsvp, struct sender *sender, const struct rsvp_route *route,
		     bool announce_all)
{
	bool changed = drop_outs(rsvp, sender, route), is_new;
	struct address next_hop;
	struct out *out;

	set_next_hop(sender, route, &next_hop);
	for (unsigned i = 0; i < route->n_out && i < RSVP_OUT_MAX; i++) {
		if (!may_leave(rsvp, sender, route->out[i]))
			continue;
		out = rsvp_sender_out(sender, route->out[i]);
		is_new = !out;
		if (is_new)
			out = add_out(sender, route->out[i]);
		if (!out)
			continue;
		changed |= is_new;
		if (is_new || announce_all || !address_equal(&out->next_hop, &next_hop)) {
			out->next_hop = next_hop;
			rsvp_path_announce_out(rsvp, out);
		}
	}
	return changed;
}

/* A multicast sender on this node: the interface that it chose, or else the one that its address is of. */
static uint32_t sending_interface(const struct rsvp *rsvp, const struct sender *sender,
				  const struct rsvp_app *app)
{
	struct interface *interface, *next;
	struct address address;

	if (app->ifindex != 0)
		return app->ifindex;
	address = rsvp_sender_host(&sender->key.sender);
	HASH_ITER(hh, rsvp->interfaces, interface, next) {
		const struct address *own = rsvp_interface_address(interface, address.family);

		if (rsvp_same_host(own, &address))
			return interface->info.ifindex;
	}
	return 0;
}

static void ask(struct rsvp *rsvp, const struct sender *sender, struct rsvp_route *ret_route)
{
	const struct session *session = sender->key.session;
	bool multicast = rsvp_session_is_multicast(session);
	struct address destination, source = { 0 };

	destination = rsvp_session_host(&session->key);
	if (multicast)
		source = rsvp_sender_host(&sender->key.sender);
	*ret_route = (struct rsvp_route){ 0 };
	if (rsvp->ports.route(rsvp->ports.user_data, &destination, &source, ret_route) < 0)
		*ret_route = (struct rsvp_route){ 0 };
	if (multicast && sender->paths && sender->paths->up->app) {
		ret_route->n_out = 1;
		ret_route->out[0] = sending_interface(rsvp, sender, sender->paths->up->app);
		ret_route->in_ifindex = 0;
	}
	if (multicast && session->apps)
		ret_route->local = true;
}

/* Of a multicast sender, the path that came where its data comes is the one that is forwarded. */
static void choose_path(struct sender *sender)
{
	struct path *path;

	sender->path = sender->paths;
	if (sender->in_ifindex == 0 || !rsvp_session_is_multicast(sender->key.session))
		return;
	sender->path = NULL;
	LL_FOREACH(sender->paths, path) {
		if (path->in_ifindex == sender->in_ifindex)
			sender->path = path;
	}
}

void rsvp_sender_route(struct rsvp *rsvp, struct sender *sender, bool announce)
{
	struct path *before = sender->path;
	struct rsvp_route route;
	bool moved, changed;

	ask(rsvp, sender, &route);
	sender->in_ifindex = route.in_ifindex;
	sender->to_local = route.local;
	choose_path(sender);
	moved = before && sender->path && before != sender->path;
	changed = set_outs(rsvp, sender, &route, announce || moved);
	if (moved || changed) {
		rsvp_ups_dirty(rsvp, sender->key.session, sender, WHY_CHANGE);
		rsvp_ups_recheck(rsvp, sender->key.session);
	}
	if (changed)
		rsvp_sender_retune(rsvp, sender);
}

/* ---- changes ---- */

static bool is_below(const struct destination *destination, const struct address *prefix,
		     unsigned bits)
{
	const uint8_t *a = destination->key.address, *b = prefix->addr;

	if (prefix->family == AF_UNSPEC)
		return true;
	if (destination->key.family != prefix->family)
		return false;
	if (prefix->family == AF_INET)
		bits += 96;
	if (bits > 128)
		bits = 128;
	if (memcmp(a, b, bits / 8) != 0)
		return false;
	return bits % 8 == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - bits % 8) == 0;
}

/* For multicast it is also the way from the source that matters. */
static bool is_affected(const struct destination *destination, const struct address *prefix,
			unsigned bits)
{
	return rsvp_session_is_multicast(destination->sessions) ||
	       is_below(destination, prefix, bits);
}

/* W: the longest of any interface, since it is not known yet which one it will be. */
static uint64_t settle_us(const struct rsvp *rsvp)
{
	struct interface *interface, *next;
	uint32_t longest_ms = 0;

	HASH_ITER(hh, rsvp->interfaces, interface, next) {
		if (interface->info.settle_ms > longest_ms)
			longest_ms = interface->info.settle_ms;
	}
	return longest_ms * US_PER_MS;
}

/* W after the last change, but no later than 3 W after the first. */
static void set_settle_timer(struct rsvp *rsvp)
{
	uint64_t w = settle_us(rsvp), latest;

	if (!wheel_is_set(&rsvp->settle.wheel))
		rsvp->settle_first_us = rsvp->now_us;
	latest = rsvp->settle_first_us + 3 * w;
	if (rsvp->now_us + w > latest)
		w = latest > rsvp->now_us ? latest - rsvp->now_us : 0;
	rsvp_set_timer(rsvp, &rsvp->settle, TIMER_SETTLE, w);
}

void rsvp_routes_changed(struct rsvp *rsvp, const struct address *prefix, unsigned prefix_bits,
			 uint64_t now_us)
{
	struct destination *destination, *next;
	bool any = false;

	rsvp->now_us = now_us;
	HASH_ITER(hh, rsvp->destinations, destination, next) {
		if (!is_affected(destination, prefix, prefix_bits))
			continue;
		any = true;
		if (destination->settling)
			continue;
		destination->settling = true;
		DL_APPEND(rsvp->settling, destination);
	}
	if (any)
		set_settle_timer(rsvp);
}

static void reroute(struct rsvp *rsvp, struct session *session)
{
	struct sender *sender;
	const struct path *before, *after;

	DL_FOREACH(session->senders, sender) {
		before = rsvp_sender_local_path(sender, 0);
		rsvp_sender_route(rsvp, sender, false);
		after = rsvp_sender_local_path(sender, 0);
		if (after && after != before)
			rsvp_app_path_event(rsvp, sender, after);
	}
	rsvp_app_fulfil(rsvp, session);
}

void rsvp_settled(struct rsvp *rsvp)
{
	struct destination *destination, *next;
	struct session *session;

	DL_FOREACH_SAFE(rsvp->settling, destination, next) {
		DL_DELETE(rsvp->settling, destination);
		destination->settling = false;
		DL_FOREACH2(destination->sessions, session, destination_next)
			reroute(rsvp, session);
	}
}
