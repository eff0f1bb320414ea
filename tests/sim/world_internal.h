/* SPDX-License-Identifier: MIT */
/* world_internal.h: what world.c and routes.c share. */
#ifndef GW_TESTS_SIM_WORLD_INTERNAL_H
#define GW_TESTS_SIM_WORLD_INTERNAL_H

#include "world.h"

#define SIM_NODES_MAX 1100
#define SIM_INTERFACES_MAX 32
#define FAR UINT32_MAX

struct attachment {
	unsigned node, link;
	uint32_t ifindex;
	struct rsvp_interface interface;
	double capacity;
};

struct link {
	bool up;
	unsigned cost, loss, twice;
	uint64_t jitter_us;
	size_t *attached; /* indices of attachments */
	size_t n_attached, max_attached;
	uint32_t *distance; /* of each node from it; NULL: not known */
};

struct member {
	unsigned node, count;
	struct address group;
};

struct node {
	struct sim *sim;
	unsigned number;
	struct rsvp *rsvp; /* NULL: it speaks none */
	bool mute;
	uint64_t wake_us;
	unsigned routes_asked;
	unsigned n_attachments;
	size_t attachments[SIM_INTERFACES_MAX]; /* by ifindex - 1 */
	struct sim_installed *installed;
	size_t n_installed, max_installed;
	uint64_t last_handle;
	sim_policy_fn *policy;
	uint8_t refuse_code;
	uint16_t refuse_value;
};

/* A packet arrives, or (without data) a node is to be woken. */
struct occurrence {
	uint64_t time_us, serial;
	unsigned node;
	uint32_t ifindex;
	struct rsvp_packet packet;
	uint8_t *data;
};

struct sim {
	uint64_t now_us, random, serial;
	struct rsvp_config config;
	struct node nodes[SIM_NODES_MAX];
	unsigned n_nodes;
	struct link *links;
	size_t n_links, max_links;
	struct attachment *attachments;
	size_t n_attachments, max_attachments;
	struct member *members;
	size_t n_members, max_members;
	struct occurrence *queue;
	size_t n_queue, max_queue;
	struct sim_packet *packets;
	size_t n_packets, max_packets;
	bool recording;
	struct sim_app *apps;
};

/* Room for one more than n. */
void *sim_grow(void *array, size_t n, size_t *max, size_t size);
void sim_schedule(struct sim *sim, unsigned node);

/* ---- routes.c ---- */

struct hop {
	size_t from, to; /* attachments */
};

/* NULL: there is none. */
struct attachment *sim_attachment(const struct sim *sim, unsigned node, uint32_t ifindex);
bool sim_is_local(const struct sim *sim, unsigned node, const struct address *address);
/* The next one on the way; out of an interface if `from` is given. */
bool sim_next_hop(struct sim *sim, unsigned node, const struct address *destination,
		  const struct attachment *from, struct hop *ret_hop);
void sim_unicast_route(struct sim *sim, unsigned node, const struct address *destination,
		       struct rsvp_route *ret_route);
void sim_multicast_route(struct sim *sim, unsigned node, const struct address *group,
			 const struct address *source, struct rsvp_route *ret_route);
void sim_routes_forget(struct sim *sim);

#endif
