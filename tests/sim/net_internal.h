/* SPDX-License-Identifier: MIT */
/* net_internal.h: what the files of the simulated network share, and nobody else uses. */
#ifndef GW_SIM_NET_INTERNAL_H
#define GW_SIM_NET_INTERNAL_H

#include "net.h"

/* ---- node.c ---- */

void net_node_prepare(struct net_node *node);
/* It speaks RSVP from now on, without state. Applications that stay are there again. */
void net_node_begin(struct net_node *node);
/* What it still has ends; what it sends then goes out only if it is not muted. */
void net_node_finish(struct net_node *node);
void net_node_set_interface(struct net_node *node, uint32_t interface);

/* ---- net.c ---- */

/* Routing hears of what has changed: links, nodes, costs (topology), or only members of groups. */
void net_routing_later(struct net *net, bool topology);

/* ---- packet.c ---- */

/* The ports `send` and `route` of a node. */
void net_port_send(void *user_data, const struct rsvp_packet *packet);
int net_port_route(void *user_data, const struct address *destination, const struct address *source,
		   struct rsvp_route *ret_route);
/* Those on their way; nothing happens any more. */
void net_drop_packets(struct net *net);
uint32_t net_group_of(const struct address *address);

/* ---- app.c ---- */

void net_app_event(void *user_data, void *app_data, const struct rsvp_event *event);
/* The node has come, or (lost) gone. */
void net_apps_return(struct net_node *node);
void net_apps_lose(struct net_node *node);
void net_free_apps(struct net *net);

#endif
