/* SPDX-License-Identifier: MIT */
/*
 * routes.c: where packets of a simulated network go: shortest ways by cost, and for multicast the tree of the
 * shortest ways back to the source.
 */
#include "world_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- what there is ---- */

struct attachment *sim_attachment(const struct sim *sim, unsigned node, uint32_t ifindex)
{
	const struct node *n = &sim->nodes[node];

	if (ifindex == 0 || ifindex > n->n_attachments)
		return NULL;
	return &sim->attachments[n->attachments[ifindex - 1]];
}

unsigned sim_link(struct sim *sim)
{
	sim->links = sim_grow(sim->links, sim->n_links, &sim->max_links, sizeof(*sim->links));
	sim->links[sim->n_links] = (struct link){ .up = true, .cost = 1 };
	return (unsigned)sim->n_links++;
}

static struct address make_address(uint16_t family, unsigned link, size_t position)
{
	struct address address = { .family = family };

	if (family == AF_INET)
		address.addr[10] = address.addr[11] = 0xff;
	else
		address.addr[0] = 0xfd;
	if (family == AF_INET)
		address.addr[12] = 10;
	address.addr[13] = (uint8_t)(link >> 8);
	address.addr[14] = (uint8_t)link;
	address.addr[15] = (uint8_t)(position + 1);
	return address;
}

uint32_t sim_attach(struct sim *sim, unsigned node, unsigned link)
{
	struct node *n = &sim->nodes[node];
	struct link *l = &sim->links[link];
	struct attachment *at;

	assert(n->n_attachments < SIM_INTERFACES_MAX && l->n_attached < 250);
	sim->attachments = sim_grow(sim->attachments, sim->n_attachments, &sim->max_attachments,
				    sizeof(*sim->attachments));
	at = &sim->attachments[sim->n_attachments];
	*at = (struct attachment){ .node = node, .link = link };
	l->attached = sim_grow(l->attached, l->n_attached, &l->max_attached, sizeof(*l->attached));
	n->attachments[n->n_attachments++] = sim->n_attachments;
	at->ifindex = n->n_attachments;
	rsvp_interface_default(&at->interface);
	at->interface.ifindex = at->ifindex;
	at->interface.enforced = true;
	at->interface.bandwidth_bps = 100000000;
	at->interface.latency_us = 1000;
	at->interface.address4 = make_address(AF_INET, link, l->n_attached);
	at->interface.address6 = make_address(AF_INET6, link, l->n_attached);
	l->attached[l->n_attached++] = sim->n_attachments++;
	sim_routes_forget(sim);
	sim_interface_apply(sim, node, at->ifindex);
	return at->ifindex;
}

unsigned sim_connect(struct sim *sim, unsigned a, unsigned b)
{
	unsigned link = sim_link(sim);

	sim_attach(sim, a, link);
	sim_attach(sim, b, link);
	return link;
}

unsigned sim_line(struct sim *sim, unsigned n_nodes)
{
	unsigned first = sim_node(sim);

	for (unsigned i = 1; i < n_nodes; i++)
		sim_connect(sim, first + i - 1, sim_node(sim));
	return first;
}

uint32_t sim_ifindex(const struct sim *sim, unsigned node, unsigned link)
{
	const struct node *n = &sim->nodes[node];

	for (unsigned i = 0; i < n->n_attachments; i++) {
		if (sim->attachments[n->attachments[i]].link == link)
			return i + 1;
	}
	assert(!"not attached");
	return 0;
}

struct rsvp_interface *sim_interface(struct sim *sim, unsigned node, uint32_t ifindex)
{
	return &sim_attachment(sim, node, ifindex)->interface;
}

struct address sim_address(const struct sim *sim, unsigned node, uint32_t ifindex, uint16_t family)
{
	const struct attachment *at = sim_attachment(sim, node, ifindex);

	return family == AF_INET ? at->interface.address4 : at->interface.address6;
}

/* ---- changes ---- */

void sim_routes_forget(struct sim *sim)
{
	for (size_t i = 0; i < sim->n_links; i++) {
		free(sim->links[i].distance);
		sim->links[i].distance = NULL;
	}
}

void sim_tell_routes(struct sim *sim)
{
	struct address all = { 0 };

	for (unsigned i = 0; i < sim->n_nodes; i++) {
		if (!sim->nodes[i].rsvp)
			continue;
		rsvp_routes_changed(sim->nodes[i].rsvp, &all, 0, sim->now_us);
		sim_schedule(sim, i);
	}
}

static void changed(struct sim *sim, bool tell)
{
	sim_routes_forget(sim);
	if (tell)
		sim_tell_routes(sim);
}

void sim_link_set_up(struct sim *sim, unsigned link, bool up, bool tell)
{
	sim->links[link].up = up;
	changed(sim, tell);
}

void sim_link_set_cost(struct sim *sim, unsigned link, unsigned cost, bool tell)
{
	sim->links[link].cost = cost;
	changed(sim, tell);
}

void sim_link_set_loss(struct sim *sim, unsigned link, unsigned percent)
{
	sim->links[link].loss = percent;
}

void sim_link_set_disorder(struct sim *sim, unsigned link, unsigned percent_twice,
			   uint64_t jitter_us)
{
	sim->links[link].twice = percent_twice;
	sim->links[link].jitter_us = jitter_us;
}

static struct member *find_member(const struct sim *sim, unsigned node, const struct address *group)
{
	for (size_t i = 0; i < sim->n_members; i++) {
		if (sim->members[i].node == node && sim->members[i].count > 0 &&
		    address_equal(&sim->members[i].group, group))
			return &sim->members[i];
	}
	return NULL;
}

void sim_join(struct sim *sim, unsigned node, const struct address *group)
{
	struct member *member = find_member(sim, node, group);

	if (member) {
		member->count++;
		return;
	}
	sim->members =
		sim_grow(sim->members, sim->n_members, &sim->max_members, sizeof(*sim->members));
	sim->members[sim->n_members++] = (struct member){ node, 1, *group };
	sim_tell_routes(sim);
}

void sim_leave(struct sim *sim, unsigned node, const struct address *group)
{
	struct member *member = find_member(sim, node, group);

	if (member && --member->count == 0)
		sim_tell_routes(sim);
}

/* ---- unicast ---- */

static bool is_own(const struct attachment *at, const struct address *address)
{
	return address_equal(&at->interface.address4, address) ||
	       address_equal(&at->interface.address6, address);
}

bool sim_is_local(const struct sim *sim, unsigned node, const struct address *address)
{
	const struct node *n = &sim->nodes[node];

	for (unsigned i = 0; i < n->n_attachments; i++) {
		if (is_own(&sim->attachments[n->attachments[i]], address))
			return true;
	}
	return address_is_multicast(address) && find_member(sim, node, address);
}

/* The link that an address is of: its middle bytes say so. */
static unsigned link_of(const struct sim *sim, const struct address *address)
{
	unsigned link = (unsigned)address->addr[13] << 8 | address->addr[14];

	return link < sim->n_links ? link : FAR;
}

/* Of every node from a link: as long as something gets nearer, once more. */
static const uint32_t *distances(struct sim *sim, unsigned target)
{
	uint32_t *distance = sim->links[target].distance;
	bool nearer = true;

	if (distance)
		return distance;
	distance = malloc(SIM_NODES_MAX * sizeof(*distance));
	assert(distance);
	for (unsigned i = 0; i < SIM_NODES_MAX; i++)
		distance[i] = FAR;
	for (size_t i = 0; sim->links[target].up && i < sim->links[target].n_attached; i++)
		distance[sim->attachments[sim->links[target].attached[i]].node] = 0;
	while (nearer) {
		nearer = false;
		for (size_t l = 0; l < sim->n_links; l++) {
			const struct link *link = &sim->links[l];
			uint32_t least = FAR;

			for (size_t i = 0; link->up && i < link->n_attached; i++) {
				uint32_t d = distance[sim->attachments[link->attached[i]].node];

				least = d < least ? d : least;
			}
			for (size_t i = 0; least != FAR && i < link->n_attached; i++) {
				uint32_t *d = &distance[sim->attachments[link->attached[i]].node];

				if (least + link->cost < *d) {
					*d = least + link->cost;
					nearer = true;
				}
			}
		}
	}
	sim->links[target].distance = distance;
	return distance;
}

static bool nearest_on(struct sim *sim, size_t from, const uint32_t *distance, uint32_t *best,
		       struct hop *hop)
{
	const struct attachment *at = &sim->attachments[from];
	const struct link *link = &sim->links[at->link];
	bool found = false;

	for (size_t i = 0; link->up && i < link->n_attached; i++) {
		const struct attachment *other = &sim->attachments[link->attached[i]];
		uint32_t d = distance[other->node];

		if (other->node == at->node || d == FAR || d + link->cost >= *best)
			continue;
		*best = d + link->cost;
		*hop = (struct hop){ from, link->attached[i] };
		found = true;
	}
	return found;
}

static bool owner_on(const struct sim *sim, unsigned link, const struct address *address,
		     size_t *ret_attachment)
{
	const struct link *l = &sim->links[link];

	for (size_t i = 0; l->up && i < l->n_attached; i++) {
		if (is_own(&sim->attachments[l->attached[i]], address)) {
			*ret_attachment = l->attached[i];
			return true;
		}
	}
	return false;
}

bool sim_next_hop(struct sim *sim, unsigned node, const struct address *destination,
		  const struct attachment *from, struct hop *ret_hop)
{
	const struct node *n = &sim->nodes[node];
	unsigned target = link_of(sim, destination);
	const uint32_t *distance;
	uint32_t best = FAR;
	bool found = false;

	if (target == FAR)
		return false;
	for (unsigned i = 0; i < n->n_attachments; i++) {
		const struct attachment *at = &sim->attachments[n->attachments[i]];

		if (at->link == target && (!from || from == at)) {
			ret_hop->from = n->attachments[i];
			return owner_on(sim, target, destination, &ret_hop->to);
		}
	}
	distance = distances(sim, target);
	for (unsigned i = 0; i < n->n_attachments; i++) {
		if (!from || from == &sim->attachments[n->attachments[i]])
			found |= nearest_on(sim, n->attachments[i], distance, &best, ret_hop);
	}
	return found;
}

void sim_unicast_route(struct sim *sim, unsigned node, const struct address *destination,
		       struct rsvp_route *ret_route)
{
	struct hop hop;

	*ret_route = (struct rsvp_route){ .local = sim_is_local(sim, node, destination) };
	if (ret_route->local || !sim_next_hop(sim, node, destination, NULL, &hop))
		return;
	ret_route->n_out = 1;
	ret_route->out[0] = sim->attachments[hop.from].ifindex;
	if (sim->attachments[hop.from].link != link_of(sim, destination))
		ret_route->gateway = destination->family == AF_INET
					     ? sim->attachments[hop.to].interface.address4
					     : sim->attachments[hop.to].interface.address6;
}

/* ---- multicast ---- */

static bool wants(struct sim *sim, unsigned node, const struct address *group,
		  const struct address *source, unsigned depth);

/* Whether somebody behind that interface gets the group's data through this node. */
static bool wanted_behind(struct sim *sim, const struct attachment *at, const struct address *group,
			  const struct address *source, unsigned depth)
{
	const struct link *link = &sim->links[at->link];
	struct hop back;

	for (size_t i = 0; link->up && i < link->n_attached; i++) {
		const struct attachment *other = &sim->attachments[link->attached[i]];

		if (other->node == at->node || sim_is_local(sim, other->node, source) ||
		    !sim_next_hop(sim, other->node, source, NULL, &back))
			continue;
		if (back.from == link->attached[i] && sim->attachments[back.to].node == at->node &&
		    wants(sim, other->node, group, source, depth + 1))
			return true;
	}
	return false;
}

static bool wants(struct sim *sim, unsigned node, const struct address *group,
		  const struct address *source, unsigned depth)
{
	const struct node *n = &sim->nodes[node];

	if (find_member(sim, node, group))
		return true;
	for (unsigned i = 0; depth < 64 && i < n->n_attachments; i++) {
		if (wanted_behind(sim, &sim->attachments[n->attachments[i]], group, source, depth))
			return true;
	}
	return false;
}

void sim_multicast_route(struct sim *sim, unsigned node, const struct address *group,
			 const struct address *source, struct rsvp_route *ret_route)
{
	const struct node *n = &sim->nodes[node];
	bool own = sim_is_local(sim, node, source);
	struct hop back;

	*ret_route = (struct rsvp_route){ .local = find_member(sim, node, group) };
	if (!own) {
		if (!sim_next_hop(sim, node, source, NULL, &back))
			return;
		ret_route->in_ifindex = sim->attachments[back.from].ifindex;
	}
	for (unsigned i = 0; i < n->n_attachments; i++) {
		const struct attachment *at = &sim->attachments[n->attachments[i]];

		if (at->ifindex != ret_route->in_ifindex &&
		    wanted_behind(sim, at, group, source, 0) && ret_route->n_out < RSVP_OUT_MAX)
			ret_route->out[ret_route->n_out++] = at->ifindex;
	}
}
