/* SPDX-License-Identifier: MIT */
/*
 * net_routes.h: where packets go in a simulated network. For each link that something is addressed to: shortest paths
 * from every node. A multicast tree is these paths backwards, from the link of the source.
 *
 * All of it is as routing knows the network (known_up), which may be a while behind what is true.
 */
#ifndef GW_SIM_NET_ROUTES_H
#define GW_SIM_NET_ROUTES_H

#include "net.h"

struct net_hop {
	bool reachable;
	uint32_t interface; /* it leaves by */
	uint32_t gateway;   /* node; NET_NONE: the link is that of the destination */
	uint32_t gateway_interface;
};

/* Towards the link. */
struct net_hop routes_hop(struct net *net, uint32_t node, uint32_t link);

/* Interfaces of the node by which data of that source goes on to members, as a mask. */
uint64_t routes_tree_out(struct net *net, uint32_t group, const struct net_node *source,
			 uint32_t source_interface, const struct net_node *node);

/* Whether the node, or (member) an application on it, gets what is sent to the group. */
bool routes_is_member(const struct net *net, uint32_t group, uint32_t node);
void routes_join(struct net *net, uint32_t group, uint32_t node);
void routes_leave(struct net *net, uint32_t group, uint32_t node);

/* Everything may be different now. */
void routes_forget(struct net *net);
/*
 * Trees whose members have changed are made again. `notice` hears of each node that forwards something else than
 * before.
 */
void routes_update_trees(struct net *net, void (*notice)(struct net_node *node));
void routes_free(struct net *net);

#endif
