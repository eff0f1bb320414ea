/* SPDX-License-Identifier: MIT */
/* expect.c: see expect.h. */
#include "expect.h"

#include "net_internal.h"
#include "net_routes.h"

#include <stdlib.h>
#include <string.h>

/* ---- path state: where Paths come by ---- */

static struct net_node *node_at(const struct expect *expect, uint32_t node)
{
	return expect->net->nodes[node];
}

static uint64_t mask_of(const struct rsvp_route *route)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < route->n_out; i++)
		mask |= UINT64_C(1) << (route->out[i] - 1);
	return mask;
}

static struct rsvp_route route_at(const struct expect *expect, uint32_t sender, uint32_t node)
{
	struct address source, destination;
	struct rsvp_route route;

	rsvp_session_address(&expect->session, &destination);
	rsvp_sender_address(&expect->senders[sender].sender, &source);
	net_port_route(node_at(expect, node), &destination, &source, &route);
	return route;
}

/* Only where the link is there. */
static uint64_t usable(const struct expect *expect, uint32_t node, uint64_t mask)
{
	const struct net_node *at = node_at(expect, node);

	for (uint32_t i = 0; i < at->n_interfaces; i++)
		if (!expect->net->links[at->interfaces[i].link].up)
			mask &= ~(UINT64_C(1) << i);
	return mask;
}

struct walk {
	struct expect *expect;
	uint32_t sender;
	uint32_t hop_node, hop_interface; /* the last that speaks RSVP */
	unsigned depth;
};

static void walk_out(struct walk walk, uint32_t node, uint64_t out);

static struct expect_path *add_path(struct expect *expect, const struct expect_path *path)
{
	expect->paths = realloc(expect->paths, (expect->n_paths + 1) * sizeof(*expect->paths));
	if (!expect->paths)
		abort();
	expect->paths[expect->n_paths] = *path;
	return &expect->paths[expect->n_paths++];
}

static bool is_known(const struct expect *expect, uint32_t sender, uint32_t node,
		     uint32_t in_interface)
{
	for (uint32_t i = 0; i < expect->n_paths; i++)
		if (expect->paths[i].sender == sender && expect->paths[i].node == node &&
		    expect->paths[i].in_interface == in_interface)
			return true;
	return false;
}

/* A node that speaks RSVP: it keeps the state, and goes on from there. */
static void walk_into(struct walk walk, uint32_t node, uint32_t interface)
{
	struct expect *expect = walk.expect;
	struct rsvp_route route = route_at(expect, walk.sender, node);
	struct expect_path path = {
		.sender = walk.sender,
		.node = node,
		.in_interface = interface,
		.hop_node = walk.hop_node,
		.hop_interface = walk.hop_interface,
	};

	if (is_known(expect, walk.sender, node, interface))
		return;
	path.forwards = !expect->multicast || route.in_ifindex == interface + 1;
	path.local = route.local && path.forwards;
	if (path.forwards)
		path.out = usable(expect, node, mask_of(&route) & ~(UINT64_C(1) << interface));
	add_path(expect, &path);
	walk_out(walk, node, path.out);
}

static void walk_plain(struct walk walk, uint32_t node, uint32_t interface)
{
	struct rsvp_route route = route_at(walk.expect, walk.sender, node);
	uint64_t out = mask_of(&route) & ~(UINT64_C(1) << interface);

	if (walk.expect->multicast && route.in_ifindex != interface + 1)
		return;
	walk_out(walk, node, out);
}

static void walk_to(struct walk walk, struct net_end end)
{
	const struct net_node *node = node_at(walk.expect, end.node);
	struct address group;

	if (!node->up || --walk.depth == 0)
		return;
	rsvp_session_address(&walk.expect->session, &group);
	if (node->kind == NET_PLAIN)
		walk_plain(walk, end.node, end.interface);
	else if (node->kind == NET_ROUTER || !walk.expect->multicast ||
		 routes_is_member(walk.expect->net, net_group_of(&group), end.node))
		walk_into(walk, end.node, end.interface);
}

static void walk_link(struct walk walk, uint32_t node, uint32_t interface)
{
	struct net *net = walk.expect->net;
	const struct net_link *link = &net->links[net->nodes[node]->interfaces[interface].link];
	struct address destination;
	uint32_t owner_interface;
	struct net_node *owner;
	struct net_hop hop;

	if (!link->up)
		return;
	if (walk.expect->multicast) {
		for (uint32_t i = 0; i < link->n_ends; i++)
			if (link->ends[i].node != node)
				walk_to(walk, link->ends[i]);
		return;
	}
	rsvp_session_address(&walk.expect->session, &destination);
	owner = net_owner(net, &destination, &owner_interface);
	hop = routes_hop(net, node, owner->interfaces[owner_interface].link);
	if (hop.gateway == NET_NONE)
		walk_to(walk, (struct net_end){ owner->index, owner_interface });
	else
		walk_to(walk, (struct net_end){ hop.gateway, hop.gateway_interface });
}

static void walk_out(struct walk walk, uint32_t node, uint64_t out)
{
	for (uint32_t i = 0; i < NET_INTERFACES_MAX; i++) {
		if (!(out >> i & 1))
			continue;
		if (node_at(walk.expect, node)->kind != NET_PLAIN) {
			walk.hop_node = node;
			walk.hop_interface = i;
		}
		walk_link(walk, node, i);
	}
}

/* Data of a multicast session leaves by the interface whose address it has; nobody asks who listens. */
static void walk_from(struct expect *expect, uint32_t sender)
{
	uint32_t node = expect->senders[sender].app->node;
	struct rsvp_route route = route_at(expect, sender, node);
	const struct expect_path path = {
		.sender = sender,
		.node = node,
		.in_interface = NET_NONE,
		.hop_node = NET_NONE,
		.forwards = true,
		.out = usable(expect, node, expect->multicast ? 1 : mask_of(&route)),
	};
	const struct walk walk = { .expect = expect, .sender = sender, .depth = 63 };

	add_path(expect, &path);
	walk_out(walk, node, path.out);
}

/* ---- reservations ---- */

static bool is_active(const struct expect *expect, const struct net_app *app)
{
	return app->app && rsvp_session_equal(&app->session, &expect->session);
}

bool expect_selects(const struct expect *expect, const struct net_app *app, uint32_t sender,
		    unsigned *ret_flow)
{
	*ret_flow = 0;
	if (!is_active(expect, app) || !app->receives)
		return false;
	if (app->style == RSVP_STYLE_WF)
		return true;
	for (unsigned i = 0; i < app->n_flows; i++) {
		if (!rsvp_sender_equal(&app->senders[i], &expect->senders[sender].sender))
			continue;
		*ret_flow = app->style == RSVP_STYLE_FF ? i : 0;
		return true;
	}
	return false;
}

const struct expect_path *expect_local_path(const struct expect *expect, uint32_t sender,
					    uint32_t node)
{
	for (uint32_t i = 0; i < expect->n_paths; i++)
		if (expect->paths[i].sender == sender && expect->paths[i].node == node &&
		    expect->paths[i].local)
			return &expect->paths[i];
	return NULL;
}

static void merge(struct rsvp_flowspec *sum, bool *any, const struct rsvp_flowspec *flowspec)
{
	if (!*any)
		*sum = *flowspec;
	else if (flowspec_merge(sum, flowspec, sum) < 0)
		abort(); /* all receivers of a session want the same service */
	*any = true;
}

/* What goes from a node to one of its previous hops, while it is worked out. */
struct request {
	bool any;
	struct rsvp_flowspec flowspec;
	uint64_t filters, scope;
};

/* Senders behind that previous hop, of those that Paths came from along which data comes. */
static bool is_from(const struct expect_path *path, const struct expect_path *hop)
{
	return path->forwards && path->in_interface != NET_NONE && path->node == hop->node &&
	       path->hop_node == hop->hop_node && path->hop_interface == hop->hop_interface;
}

static bool resv_is_for(const struct expect *expect, const struct expect_resv *resv,
			const struct expect_path *path)
{
	if (resv->node != path->node || !(path->out >> resv->interface & 1))
		return false;
	return expect->style == RSVP_STYLE_WF || (resv->filters >> path->sender & 1);
}

/* What is asked for of one sender. */
static void gather(const struct expect *expect, const struct expect_path *path,
		   struct request *request)
{
	uint64_t bit = UINT64_C(1) << path->sender;
	const struct net_app *app;
	unsigned flow;

	for (uint32_t i = 0; i < expect->n_resvs; i++) {
		const struct expect_resv *resv = &expect->resvs[i];
		uint64_t filters;
		struct rsvp_flowspec flowspec;

		if (!resv_is_for(expect, resv, path))
			continue;
		/* With it comes all that is merged on that interface. */
		expect_install(expect, resv->node, resv->interface, resv->sender, &flowspec,
			       &filters);
		merge(&request->flowspec, &request->any, &flowspec);
		request->filters |= bit;
		if (!resv->scoped || (resv->scope & bit))
			request->scope |= bit;
	}
	for (app = node_at(expect, path->node)->apps; path->local && app; app = app->next) {
		if (!expect_selects(expect, app, path->sender, &flow))
			continue;
		merge(&request->flowspec, &request->any, &app->flowspecs[flow]);
		request->filters |= bit;
		request->scope |= bit;
	}
}

/* More than one previous hop, or somebody downstream has: spec/rsvp.md §8.8. */
static bool needs_scope(const struct expect *expect, const struct expect_path *hop)
{
	if (expect->style != RSVP_STYLE_WF)
		return false;
	for (uint32_t i = 0; i < expect->n_paths; i++) {
		const struct expect_path *path = &expect->paths[i];

		if (path->node == hop->node && path->in_interface != NET_NONE &&
		    (path->hop_node != hop->hop_node || path->hop_interface != hop->hop_interface))
			return true;
	}
	for (uint32_t i = 0; i < expect->n_resvs; i++)
		if (expect->resvs[i].node == hop->node && expect->resvs[i].scoped)
			return true;
	return false;
}

static bool is_same(const struct expect_resv *a, const struct expect_resv *b)
{
	return a->filters == b->filters && a->scoped == b->scoped && a->scope == b->scope &&
	       flowspec_same(&a->flowspec, &b->flowspec);
}

static bool put_resv(struct expect *expect, const struct expect_resv *resv)
{
	for (uint32_t i = 0; i < expect->n_resvs; i++) {
		struct expect_resv *other = &expect->resvs[i];

		if (other->node != resv->node || other->interface != resv->interface ||
		    other->from_node != resv->from_node ||
		    other->from_interface != resv->from_interface || other->sender != resv->sender)
			continue;
		if (is_same(other, resv))
			return false;
		*other = *resv;
		return true;
	}
	expect->resvs = realloc(expect->resvs, (expect->n_resvs + 1) * sizeof(*expect->resvs));
	if (!expect->resvs)
		abort();
	expect->resvs[expect->n_resvs++] = *resv;
	return true;
}

static bool ask(struct expect *expect, const struct expect_path *hop, uint32_t sender,
		const struct request *request)
{
	struct expect_resv resv = {
		.node = hop->hop_node,
		.interface = hop->hop_interface,
		.from_node = hop->node,
		.from_interface = hop->in_interface,
		.sender = sender,
		.filters = expect->style == RSVP_STYLE_WF ? 0 : request->filters,
		.scoped = needs_scope(expect, hop),
		.flowspec = request->flowspec,
	};

	if (!request->any || (resv.scoped && request->scope == 0))
		return false;
	if (resv.scoped)
		resv.scope = request->scope;
	return put_resv(expect, &resv);
}

/* From the node of the path to its previous hop. True: it is something new. */
static bool ask_hop(struct expect *expect, const struct expect_path *hop)
{
	struct request request = { 0 };

	if (hop->in_interface == NET_NONE || !hop->forwards)
		return false;
	if (expect->style == RSVP_STYLE_FF) {
		gather(expect, hop, &request);
		return ask(expect, hop, hop->sender, &request);
	}
	for (uint32_t i = 0; i < expect->n_paths; i++)
		if (is_from(&expect->paths[i], hop))
			gather(expect, &expect->paths[i], &request);
	return ask(expect, hop, NET_NONE, &request);
}

bool expect_install(const struct expect *expect, uint32_t node, uint32_t interface, uint32_t sender,
		    struct rsvp_flowspec *ret_flowspec, uint64_t *ret_filters)
{
	bool any = false;

	*ret_filters = 0;
	for (uint32_t i = 0; i < expect->n_resvs; i++) {
		const struct expect_resv *resv = &expect->resvs[i];

		if (resv->node != node || resv->interface != interface || resv->sender != sender)
			continue;
		merge(ret_flowspec, &any, &resv->flowspec);
		*ret_filters |= resv->filters;
	}
	return any;
}

bool expect_event(const struct expect *expect, uint32_t sender, struct rsvp_flowspec *ret_flowspec)
{
	struct request request = { 0 };

	for (uint32_t i = 0; i < expect->n_paths; i++)
		if (expect->paths[i].sender == sender && expect->paths[i].in_interface == NET_NONE)
			gather(expect, &expect->paths[i], &request);
	*ret_flowspec = request.flowspec;
	return request.any;
}

/* ---- all of it ---- */

#define ROUNDS_MAX 1000

void expect_session(struct net *net, const struct rsvp_session *session, struct expect *ret_expect)
{
	struct expect *expect = ret_expect;
	struct address destination;
	bool changed = true;

	*expect = (struct expect){ .net = net, .session = *session };
	rsvp_session_address(session, &destination);
	expect->multicast = address_is_multicast(&destination);
	for (const struct net_app *app = net->apps; app; app = app->all_next) {
		if (!is_active(expect, app))
			continue;
		if (app->receives)
			expect->style = app->style;
		if (!app->sends)
			continue;
		if (expect->n_senders == EXPECT_SENDERS_MAX)
			abort();
		expect->senders[expect->n_senders++] =
			(struct expect_sender){ app, app->sending.sender };
	}
	for (uint32_t i = 0; i < expect->n_senders; i++)
		walk_from(expect, i);
	/* Requests grow from the receivers on, until nothing is new: the least that all rules hold for. */
	for (unsigned round = 0; changed; round++) {
		if (round == ROUNDS_MAX)
			abort();
		changed = false;
		for (uint32_t i = 0; i < expect->n_paths; i++)
			changed |= ask_hop(expect, &expect->paths[i]);
	}
}

void expect_free(struct expect *expect)
{
	free(expect->paths);
	free(expect->resvs);
	*expect = (struct expect){ 0 };
}
