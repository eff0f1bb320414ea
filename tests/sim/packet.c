/* SPDX-License-Identifier: MIT */
/* packet.c: how packets cross a simulated network, and what becomes of them on the way. */
#include "net_internal.h"

#include "net_routes.h"
#include "rsvp/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct packet {
	struct event event; /* it arrives */
	struct net *net;
	uint32_t node, interface; /* where */
	struct address source, destination;
	uint8_t ttl;
	bool router_alert;
	uint16_t port; /* of UDP; 0: it is not in UDP */
	uint32_t len;
	uint8_t data[];
};

uint32_t net_group_of(const struct address *address)
{
	return (uint32_t)address->addr[14] << 8 | address->addr[15];
}

static struct net_node *node_of(const struct packet *packet)
{
	return packet->net->nodes[packet->node];
}

/* ---- seeing ---- */

static void trace(const struct packet *packet, const struct net_node *from, const char *what)
{
	char source[ADDRESS_TEXT_LEN], destination[ADDRESS_TEXT_LEN], text[4096] = "?\n";
	struct rsvp_complaint complaint;
	struct rsvp_message message;

	if (!packet->net->trace)
		return;
	if (rsvp_message_parse(packet->data, packet->len, &rsvp_limits_default, &message,
			       &complaint) == 0)
		rsvp_message_format(&message, text, sizeof(text));
	fprintf(stderr, "%.6f %s %u>%u.%u %s>%s ttl %u %s", (double)packet->net->now_us / 1e6, what,
		from->index, packet->node, packet->interface + 1,
		address_format(&packet->source, source),
		address_format(&packet->destination, destination), packet->ttl, text);
}

/* ---- one link ---- */

static void arrive(struct event *event);

/* Longer packets travel in fragments, each of which may be lost. */
static bool is_lost(struct net *net, const struct net_link *link, size_t len)
{
	double loss = net->loss + link->how.loss;

	if (loss <= 0)
		return false;
	for (size_t sent = 0; sent < len; sent += link->how.mtu)
		if (dice_chance(&net->dice, loss))
			return true;
	return false;
}

static uint64_t delay(struct net *net, const struct net_link *link)
{
	uint64_t delay_us = link->how.delay_us;

	if (dice_chance(&net->dice, net->reorder + link->how.reorder))
		delay_us += (uint64_t)(dice_unit(&net->dice) * 19 * (double)delay_us);
	return delay_us;
}

static void launch(const struct packet *packet, const struct net_node *from,
		   const struct net_link *link, struct net_end to)
{
	struct packet *copy = malloc(sizeof(*copy) + packet->len);
	struct net *net = packet->net;

	if (!copy)
		abort();
	memcpy(copy, packet, sizeof(*copy) + packet->len);
	copy->event = (struct event){ .happen = arrive };
	copy->node = to.node;
	copy->interface = to.interface;
	net->n_packets++;
	trace(copy, from, "->");
	queue_set(&net->queue, &copy->event, net->now_us + delay(net, link));
}

static void cross(const struct packet *packet, const struct net_node *from, uint32_t interface,
		  struct net_end to)
{
	struct net *net = packet->net;
	const struct net_link *link = &net->links[from->interfaces[interface].link];

	if (!link->up || is_lost(net, link, packet->len)) {
		net->n_lost++;
		trace(packet, from, "LOST");
		return;
	}
	launch(packet, from, link, to);
	if (dice_chance(&net->dice, net->duplicate + link->how.duplicate)) {
		net->n_duplicated++;
		launch(packet, from, link, to);
	}
}

/* ---- where to ---- */

/* Everybody on the link hears it, and looks whether it is for them. */
static void send_to_all(const struct packet *packet, const struct net_node *from,
			uint32_t interface)
{
	const struct net_link *link = &packet->net->links[from->interfaces[interface].link];

	for (uint32_t i = 0; i < link->n_ends; i++)
		if (link->ends[i].node != from->index)
			cross(packet, from, interface, link->ends[i]);
}

/* `interface` NET_NONE: by the routing table. */
static void send_unicast(const struct packet *packet, const struct net_node *from,
			 uint32_t interface)
{
	struct net *net = packet->net;
	uint32_t owner_interface;
	struct net_node *owner = net_owner(net, &packet->destination, &owner_interface);
	struct net_hop hop;

	if (!owner) {
		net->n_nowhere++;
		return;
	}
	/* Onto the link that it names, if whom it is for is there. */
	if (interface != NET_NONE &&
	    from->interfaces[interface].link == owner->interfaces[owner_interface].link) {
		cross(packet, from, interface, (struct net_end){ owner->index, owner_interface });
		return;
	}
	hop = routes_hop(net, from->index, owner->interfaces[owner_interface].link);
	if (!hop.reachable || (interface != NET_NONE && hop.interface != interface)) {
		net->n_nowhere++;
		return;
	}
	if (hop.gateway == NET_NONE)
		cross(packet, from, hop.interface,
		      (struct net_end){ owner->index, owner_interface });
	else
		cross(packet, from, hop.interface,
		      (struct net_end){ hop.gateway, hop.gateway_interface });
}

/* Interface that data of that source comes by; NET_NONE: it is of this node, or cannot come. */
static uint32_t arrival_of(struct net *net, const struct net_node *node,
			   const struct net_node *source, uint32_t source_interface)
{
	struct net_hop hop;

	if (node == source)
		return NET_NONE;
	hop = routes_hop(net, node->index, source->interfaces[source_interface].link);
	return hop.reachable ? hop.interface : NET_NONE;
}

static void forward_multicast(const struct packet *packet, const struct net_node *node)
{
	struct net *net = packet->net;
	uint32_t source_interface;
	struct net_node *source = net_owner(net, &packet->source, &source_interface);
	uint64_t out;

	if (!source || arrival_of(net, node, source, source_interface) != packet->interface)
		return;
	out = routes_tree_out(net, net_group_of(&packet->destination), source, source_interface,
			      node);
	for (uint32_t i = 0; i < node->n_interfaces; i++)
		if (i != packet->interface && out >> i & 1)
			send_to_all(packet, node, i);
}

static void forward(struct packet *packet)
{
	const struct net_node *node = node_of(packet);

	if (node->kind == NET_HOST || packet->ttl <= 1)
		return;
	packet->ttl--;
	if (address_is_multicast(&packet->destination))
		forward_multicast(packet, node);
	else
		send_unicast(packet, node, NET_NONE);
}

/* ---- arriving ---- */

/* Of the link. */
static bool is_encapsulation_group(const struct address *address)
{
	static const uint8_t group4[16] = { [10] = 0xff, 0xff, 224, 0, 0, 14 };
	static const uint8_t group6[16] = { 0xff, 0x02, [15] = 0x0e };

	return memcmp(address->addr, address->family == AF_INET ? group4 : group6, 16) == 0;
}

static bool is_for(const struct packet *packet, const struct net_node *node)
{
	uint32_t interface;

	if (is_encapsulation_group(&packet->destination))
		return true;
	if (address_is_multicast(&packet->destination))
		return routes_is_member(packet->net, net_group_of(&packet->destination),
					node->index);
	return net_owner(packet->net, &packet->destination, &interface) == node;
}

/* RFC 2205 App. C: who has nothing but UDP takes both ports, all others leave the copies alone. */
static bool hears(const struct net_node *node, uint16_t port)
{
	return node->setting.udp_only ? port != 0 : port != RSVP_UDP_PORT_COPIES;
}

static void take(struct packet *packet)
{
	struct net_node *node = node_of(packet);
	bool local = is_for(packet, node);
	const struct rsvp_arrival arrival = {
		.ifindex = packet->interface + 1,
		.source = packet->source,
		.destination = packet->destination,
		.destination_is_local = local,
		.ttl = packet->ttl,
		.router_alert = packet->router_alert,
		.udp = packet->port != 0,
	};
	enum rsvp_verdict verdict = RSVP_FORWARD;

	if (node->rsvp && hears(node, packet->port) &&
	    (local || (packet->router_alert && node->kind == NET_ROUTER))) {
		verdict = rsvp_receive(node->rsvp, &arrival, packet->data, packet->len,
				       packet->net->now_us);
		net_rearm(node);
	}
	if (verdict == RSVP_FORWARD && !(local && !address_is_multicast(&packet->destination)))
		forward(packet);
}

static void arrive(struct event *event)
{
	struct packet *packet = (struct packet *)event;
	const struct net_node *node = node_of(packet);

	if (node->up && packet->net->links[node->interfaces[packet->interface].link].up)
		take(packet);
	else
		packet->net->n_lost++;
	free(packet);
}

void net_drop_packets(struct net *net)
{
	struct event *event;

	while ((event = queue_take(&net->queue, UINT64_MAX)))
		if (event->happen == arrive)
			free(event);
}

/* ---- the ports of a node ---- */

static void count_sent(struct net_node *node, const uint8_t *data, size_t len)
{
	struct rsvp_complaint complaint;
	struct rsvp_message message;
	size_t position = 0, inner_len;
	const uint8_t *inner;

	node->sent[data[1] & 31]++;
	if (data[1] != RSVP_BUNDLE)
		return;
	if (rsvp_message_parse(data, len, &rsvp_limits_default, &message, &complaint) < 0)
		abort();
	while (rsvp_bundle_next(&message, &position, &inner, &inner_len))
		node->sent[inner[1] & 31]++;
}

static void send_one(struct net_node *node, const struct rsvp_packet *request, uint16_t port)
{
	uint32_t interface = request->ifindex ? request->ifindex - 1 : NET_NONE;
	struct packet *packet;

	packet = calloc(1, sizeof(*packet) + request->len);
	if (!packet || (interface != NET_NONE && interface >= node->n_interfaces))
		abort();
	packet->net = node->net;
	packet->source = request->source;
	packet->destination = request->destination;
	packet->ttl = request->ttl;
	packet->router_alert = request->router_alert;
	packet->port = port;
	packet->destination.port = 0;
	packet->len = (uint32_t)request->len;
	memcpy(packet->data, request->data, request->len);
	if (packet->source.family == AF_UNSPEC && interface != NET_NONE)
		packet->source =
			net_address(node->net, node->index, interface, packet->destination.family);
	if (!address_is_multicast(&packet->destination))
		send_unicast(packet, node, interface);
	else if (interface != NET_NONE)
		send_to_all(packet, node, interface);
	free(packet);
}

/* A copy in UDP goes no further than the link. */
void net_port_send(void *user_data, const struct rsvp_packet *request)
{
	struct net_node *node = user_data;
	struct rsvp_packet copy = *request;

	if (node->muted)
		return;
	if (node->setting.udp_only && (!request->udp || request->destination.port == 0))
		abort();
	count_sent(node, request->data, request->len);
	send_one(node, request, request->destination.port);
	if (!request->udp || request->destination.port != 0)
		return;
	copy.router_alert = false;
	copy.ttl = 1;
	if (copy.foreign_source)
		copy.source = (struct address){ 0 };
	send_one(node, &copy, RSVP_UDP_PORT_COPIES);
}

static void route_unicast(struct net_node *node, const struct address *destination,
			  struct rsvp_route *ret_route)
{
	struct net *net = node->net;
	uint32_t owner_interface;
	struct net_node *owner = net_owner(net, destination, &owner_interface);
	struct net_hop hop;

	if (!owner)
		return;
	if (owner == node) {
		ret_route->local = true;
		return;
	}
	hop = routes_hop(net, node->index, owner->interfaces[owner_interface].link);
	if (!hop.reachable)
		return;
	ret_route->n_out = 1;
	ret_route->out[0] = hop.interface + 1;
	if (hop.gateway != NET_NONE)
		ret_route->gateway =
			net_address(net, hop.gateway, hop.gateway_interface, destination->family);
}

static void route_multicast(struct net_node *node, const struct address *group,
			    const struct address *source_address, struct rsvp_route *ret_route)
{
	struct net *net = node->net;
	uint32_t source_interface, arrival;
	struct net_node *source = net_owner(net, source_address, &source_interface);
	uint64_t out;

	ret_route->local = routes_is_member(net, net_group_of(group), node->index);
	if (!source)
		return;
	arrival = arrival_of(net, node, source, source_interface);
	ret_route->in_ifindex = arrival == NET_NONE ? 0 : arrival + 1;
	out = routes_tree_out(net, net_group_of(group), source, source_interface, node);
	for (uint32_t i = 0; i < node->n_interfaces; i++) {
		if (!(out >> i & 1))
			continue;
		if (ret_route->n_out == RSVP_OUT_MAX)
			abort();
		ret_route->out[ret_route->n_out++] = i + 1;
	}
}

int net_port_route(void *user_data, const struct address *destination, const struct address *source,
		   struct rsvp_route *ret_route)
{
	*ret_route = (struct rsvp_route){ 0 };
	if (address_is_multicast(destination))
		route_multicast(user_data, destination, source, ret_route);
	else
		route_unicast(user_data, destination, ret_route);
	return 0;
}
