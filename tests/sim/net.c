/* SPDX-License-Identifier: MIT */
/* net.c: see net.h: the network itself, what goes wrong in it, and its addresses. */
#include "net.h"

#include "net_internal.h"
#include "net_routes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct net_link_how net_link_default = {
	.delay_us = 2000,
	.mtu = 1500,
	.cost = 1,
	.reservable_bytes_per_s = INFINITY,
};

static void *resized(void *memory, size_t count, size_t size)
{
	memory = realloc(memory, count * size);
	if (!memory)
		abort();
	return memory;
}

/* ---- building ---- */

static void converged(struct event *event);

struct net *net_new(uint64_t seed)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		abort();
	net->seed = seed;
	net->dice.state = seed;
	net->now_us = SECOND;
	net->trace = getenv("GW_SIM_TRACE") != NULL;
	net->converge_us = 500 * MS;
	net->notify_us = 100 * MS;
	net->convergence.happen = converged;
	return net;
}

uint32_t net_add_node(struct net *net, enum net_kind kind)
{
	struct net_node *node = calloc(1, sizeof(*node));

	if (!node)
		abort();
	node->net = net;
	node->index = net->n_nodes;
	node->kind = kind;
	node->dice = dice_fork(&net->dice);
	rsvp_interface_default(&node->setting);
	net->nodes = resized(net->nodes, net->n_nodes + 1, sizeof(struct net_node *));
	net->nodes[net->n_nodes] = node;
	return net->n_nodes++;
}

static struct net_end attach(struct net *net, uint32_t index, uint32_t link, uint32_t end,
			     double reservable)
{
	struct net_node *node = net->nodes[index];
	uint32_t i = node->n_interfaces++;

	if (i >= NET_INTERFACES_MAX)
		abort();
	node->interfaces[i] = (struct net_interface){
		.link = link,
		.end = end,
		.line.reservable_bytes_per_s = reservable,
	};
	return (struct net_end){ index, i };
}

static struct address address_at(uint32_t link, uint32_t end, uint16_t family)
{
	struct address address = { .family = family };
	uint8_t *a = address.addr;

	if (family == AF_INET) {
		memcpy(a,
		       (uint8_t[16]){ [10] = 0xff,
				      0xff,
				      10,
				      (uint8_t)(link >> 8),
				      (uint8_t)link,
				      (uint8_t)(end + 1) },
		       16);
		return address;
	}
	a[0] = 0xfd;
	a[12] = (uint8_t)(link >> 8);
	a[13] = (uint8_t)link;
	a[15] = (uint8_t)(end + 1);
	return address;
}

uint32_t net_add_link(struct net *net, const struct net_link_how *how, unsigned n_nodes,
		      const uint32_t *nodes)
{
	uint32_t index = net->n_links++;
	struct net_link *link;

	if (how->cost < 1 || how->cost > NET_COST_MAX || n_nodes > 250 || index > UINT16_MAX)
		abort();
	net->links = resized(net->links, net->n_links, sizeof(*net->links));
	link = &net->links[index];
	*link = (struct net_link){ .how = *how, .up = true, .known_up = true, .n_ends = n_nodes };
	link->ends = resized(NULL, n_nodes, sizeof(*link->ends));
	for (unsigned i = 0; i < n_nodes; i++) {
		struct net_interface *interface;

		link->ends[i] = attach(net, nodes[i], index, i, how->reservable_bytes_per_s);
		interface = &net->nodes[nodes[i]]->interfaces[link->ends[i].interface];
		interface->address4 = address_at(index, i, AF_INET);
		interface->address6 = address_at(index, i, AF_INET6);
	}
	return index;
}

uint32_t net_connect(struct net *net, uint32_t a, uint32_t b)
{
	return net_add_link(net, &net_link_default, 2, (uint32_t[]){ a, b });
}

void net_set_interfaces(struct net *net, const struct rsvp_interface *setting)
{
	for (uint32_t i = 0; i < net->n_nodes; i++)
		net->nodes[i]->setting = *setting;
}

void net_set_node(struct net *net, uint32_t node, const struct rsvp_interface *setting)
{
	net->nodes[node]->setting = *setting;
}

void net_set_key(struct net *net, const struct rsvp_key *key)
{
	net->key = *key;
	net->keyed = true;
}

void net_build(struct net *net)
{
	net->tables = calloc(net->n_links + 1, sizeof(struct net_route_table *));
	if (!net->tables)
		abort();
	net->built = true;
	for (uint32_t i = 0; i < net->n_nodes; i++) {
		net_node_prepare(net->nodes[i]);
		net_node_begin(net->nodes[i]);
		net->nodes[i]->known_up = true;
	}
}

struct net *net_free(struct net *net)
{
	if (!net)
		return NULL;
	for (uint32_t i = 0; i < net->n_nodes; i++) {
		struct net_node *node = net->nodes[i];

		node->muted = true;
		net_node_finish(node);
		ledger_free(&node->ledger);
	}
	net_drop_packets(net);
	net_free_apps(net);
	for (uint32_t i = 0; i < net->n_nodes; i++)
		free(net->nodes[i]);
	for (uint32_t i = 0; i < net->n_links; i++)
		free(net->links[i].ends);
	if (net->built)
		routes_free(net);
	queue_free(&net->queue);
	free(net->nodes);
	free(net->links);
	free(net);
	return NULL;
}

/* ---- running ---- */

void net_run(struct net *net, uint64_t until_us)
{
	struct event *event;

	while ((event = queue_take(&net->queue, until_us))) {
		net->now_us = event->time_us;
		event->happen(event);
	}
	net->now_us = until_us;
}

void net_run_for(struct net *net, uint64_t for_us)
{
	net_run(net, net->now_us + for_us);
}

/* ---- routing ---- */

static void notice(struct net_node *node)
{
	struct net *net = node->net;

	if (node->rsvp && node->notice.place == 0)
		queue_set(&net->queue, &node->notice,
			  net->now_us + dice_below(&net->dice, (uint32_t)net->notify_us));
}

static void converged(struct event *event)
{
	struct net *net = (struct net *)((char *)event - offsetof(struct net, convergence));

	if (!net->topology_changed) {
		routes_update_trees(net, notice);
		return;
	}
	net->topology_changed = false;
	for (uint32_t i = 0; i < net->n_links; i++)
		net->links[i].known_up = net->links[i].up;
	for (uint32_t i = 0; i < net->n_nodes; i++)
		net->nodes[i]->known_up = net->nodes[i]->up;
	routes_forget(net);
	for (uint32_t i = 0; i < net->n_nodes; i++)
		notice(net->nodes[i]);
}

void net_routing_later(struct net *net, bool topology)
{
	net->topology_changed |= topology;
	if (net->convergence.place == 0)
		queue_set(&net->queue, &net->convergence, net->now_us + net->converge_us);
}

/* ---- what goes wrong ---- */

void net_link_set_up(struct net *net, uint32_t index, bool up)
{
	struct net_link *link = &net->links[index];

	if (link->up == up)
		return;
	link->up = up;
	for (uint32_t i = 0; i < link->n_ends; i++)
		net_node_set_interface(net->nodes[link->ends[i].node], link->ends[i].interface);
	net_routing_later(net, true);
}

void net_link_set_cost(struct net *net, uint32_t link, uint32_t cost)
{
	if (cost < 1 || cost > NET_COST_MAX)
		abort();
	net->links[link].how.cost = cost;
	net_routing_later(net, true);
}

void net_node_set_up(struct net *net, uint32_t index, bool up)
{
	struct net_node *node = net->nodes[index];

	if (node->up == up)
		return;
	if (up) {
		net_node_begin(node);
	} else {
		node->muted = true;
		net_node_finish(node);
		node->up = false;
	}
	net_routing_later(net, true);
}

void net_node_restart(struct net *net, uint32_t index)
{
	struct net_node *node = net->nodes[index];

	if (!node->up)
		return;
	node->muted = true;
	net_node_finish(node);
	net_node_begin(node);
}

/* ---- addresses ---- */

struct address net_address(const struct net *net, uint32_t node, uint32_t interface,
			   uint16_t family)
{
	const struct net_interface *where = &net->nodes[node]->interfaces[interface];

	return family == AF_INET ? where->address4 : where->address6;
}

struct address net_group_address(uint32_t group, uint16_t family)
{
	struct address address = { .family = family };

	if (family == AF_INET) {
		memcpy(address.addr,
		       (uint8_t[16]){
			       [10] = 0xff, 0xff, 239, 1, (uint8_t)(group >> 8), (uint8_t)group },
		       16);
		return address;
	}
	address.addr[0] = 0xff;
	address.addr[1] = 0x0e;
	address.addr[14] = (uint8_t)(group >> 8);
	address.addr[15] = (uint8_t)group;
	return address;
}

struct net_node *net_owner(const struct net *net, const struct address *address,
			   uint32_t *ret_interface)
{
	const uint8_t *a = address->addr;
	uint32_t link, end;

	if (address->family == AF_INET) {
		if (a[12] != 10)
			return NULL;
		link = (uint32_t)a[13] << 8 | a[14];
	} else {
		if (a[0] != 0xfd)
			return NULL;
		link = (uint32_t)a[12] << 8 | a[13];
	}
	end = a[15] - 1u;
	if (link >= net->n_links || end >= net->links[link].n_ends)
		return NULL;
	*ret_interface = net->links[link].ends[end].interface;
	return net->nodes[net->links[link].ends[end].node];
}

struct rsvp_session net_session(const struct address *destination, uint16_t port)
{
	struct rsvp_session session = {
		.family = destination->family,
		.port = port,
		.protocol = IPPROTO_UDP,
	};

	memcpy(session.address, destination->addr, sizeof(session.address));
	return session;
}

struct rsvp_sender net_sender(const struct net *net, uint32_t node, uint16_t family, uint16_t port)
{
	struct rsvp_sender sender = { .family = family, .id = port };
	struct address address = net_address(net, node, 0, family);

	memcpy(sender.address, address.addr, sizeof(sender.address));
	return sender;
}
