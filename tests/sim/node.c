/* SPDX-License-Identifier: MIT */
/* node.c: one node of a simulated network: the ports of its RSVP, its timer, its beginning and its end. */
#include "net_internal.h"

#include "rsvp/integrity.h"

#include <stdlib.h>

static struct net_node *node_of(void *user_data)
{
	return user_data;
}

static int port_reserve(void *user_data, const struct rsvp_tc_request *request, uint64_t *handle,
			struct rsvp_error *ret_error)
{
	struct net_node *node = node_of(user_data);

	if (request->ifindex == 0 || request->ifindex > node->n_interfaces)
		abort();
	return ledger_reserve(&node->ledger, &node->interfaces[request->ifindex - 1].line, request,
			      handle, ret_error);
}

static void port_release(void *user_data, uint64_t handle)
{
	ledger_release(&node_of(user_data)->ledger, handle);
}

static uint32_t port_random(void *user_data)
{
	return (uint32_t)(dice_next(&node_of(user_data)->dice) >> 32);
}

/* Not one that keeps anybody out, but it depends on all of the message and of the key. */
static void port_digest(void *user_data, enum rsvp_digest kind, const uint8_t *key, size_t key_len,
			const uint8_t *data, size_t len, uint8_t *ret_digest)
{
	size_t digest_len = rsvp_digest_len(kind);
	struct dice dice = { kind };

	(void)user_data;
	for (size_t i = 0; i < key_len; i++)
		dice.state = (dice.state ^ key[i]) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < len; i++)
		dice.state = (dice.state ^ data[i]) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < digest_len; i++)
		ret_digest[i] = (uint8_t)(dice_next(&dice) >> 56);
}

/* ---- time ---- */

void net_rearm(struct net_node *node)
{
	struct queue *queue = &node->net->queue;
	uint64_t deadline_us;

	if (!node->rsvp) {
		queue_cancel(queue, &node->timer);
		return;
	}
	deadline_us = rsvp_next_deadline_us(node->rsvp);
	if (deadline_us == UINT64_MAX) {
		queue_cancel(queue, &node->timer);
		return;
	}
	/* Time goes on, whatever the node says. */
	if (deadline_us <= node->net->now_us)
		deadline_us = node->net->now_us + 1;
	if (node->timer.place == 0 || node->timer.time_us != deadline_us)
		queue_set(queue, &node->timer, deadline_us);
}

static void tick(struct event *event)
{
	struct net_node *node =
		(struct net_node *)((char *)event - offsetof(struct net_node, timer));

	rsvp_tick(node->rsvp, node->net->now_us);
	net_rearm(node);
}

static void hear_of_routes(struct event *event)
{
	struct net_node *node =
		(struct net_node *)((char *)event - offsetof(struct net_node, notice));

	if (!node->rsvp)
		return;
	rsvp_routes_changed(node->rsvp, &(struct address){ 0 }, 0, node->net->now_us);
	net_rearm(node);
}

/* ---- life ---- */

void net_node_prepare(struct net_node *node)
{
	node->timer.happen = tick;
	node->notice.happen = hear_of_routes;
}

static void set_interface(struct net_node *node, uint32_t index)
{
	const struct net_interface *interface = &node->interfaces[index];
	const struct net_link *link = &node->net->links[interface->link];
	struct rsvp_interface setting = node->setting;

	setting.ifindex = index + 1;
	setting.up = link->up;
	setting.address4 = interface->address4;
	setting.address6 = interface->address6;
	setting.mtu = link->how.mtu;
	setting.latency_us = link->how.delay_us;
	if (rsvp_interface_set(node->rsvp, &setting, node->net->now_us) < 0)
		abort();
}

void net_node_set_interface(struct net_node *node, uint32_t interface)
{
	if (!node->rsvp)
		return;
	set_interface(node, interface);
	net_rearm(node);
}

void net_node_begin(struct net_node *node)
{
	const struct rsvp_ports ports = {
		.user_data = node,
		.send = net_port_send,
		.route = net_port_route,
		.tc_reserve = port_reserve,
		.tc_release = port_release,
		.event = net_app_event,
		.random = port_random,
		.digest = port_digest,
	};
	struct rsvp_config config;

	node->up = true;
	node->muted = false;
	if (node->kind == NET_PLAIN)
		return;
	rsvp_config_default(&config);
	config.started_s = (uint32_t)(node->net->now_us / SECOND);
	node->rsvp = rsvp_new(&ports, &config, node->net->now_us);
	if (!node->rsvp || (node->net->keyed && rsvp_keys_set(node->rsvp, &node->net->key, 1) < 0))
		abort();
	for (uint32_t i = 0; i < node->n_interfaces; i++)
		set_interface(node, i);
	net_apps_return(node);
	net_rearm(node);
}

void net_node_finish(struct net_node *node)
{
	if (!node->rsvp)
		return;
	net_apps_lose(node);
	node->rsvp = rsvp_free(node->rsvp, node->net->now_us);
	queue_cancel(&node->net->queue, &node->timer);
	queue_cancel(&node->net->queue, &node->notice);
	/* Whatever a crash leaves behind does not outlive it. An orderly end leaves nothing. */
	if (node->ledger.count > 0)
		abort();
}
