/* SPDX-License-Identifier: MIT */
/*
 * net.h: a network of RSVP nodes in one process under a virtual clock. All that is left to chance comes from one
 * seed, so a run can be repeated exactly.
 *
 * Links have any number of ends (two, or a LAN) and delay, lose, duplicate and reorder what crosses them. Hosts
 * and routers are RSVP nodes with applications; plain routers only forward. Unicast goes by shortest paths,
 * multicast from each source by the reverse of them (one forwarder for each link), as far as there are members.
 * Routing learns of a change after a while, nodes of that a little later; until then packets go the old way.
 *
 * What may be reserved on an interface stands in a book of its own (ledger.h). The fields of the structures are for
 * looking at; they are changed by the functions only.
 */
#ifndef GW_SIM_NET_H
#define GW_SIM_NET_H

#include "rsvp/object.h"
#include "rsvp/rsvp.h"

#include "dice.h"
#include "ledger.h"
#include "queue.h"

#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)

#define NET_INTERFACES_MAX 64 /* of one node */
#define NET_FLOWS_MAX 16      /* of one application */
#define NET_NONE UINT32_MAX

/* ---- links ---- */

struct net_link_how {
	uint32_t delay_us;
	uint32_t mtu;
	uint32_t cost;		       /* 1 .. NET_COST_MAX */
	double loss;		       /* of each fragment */
	double duplicate;	       /* of a packet */
	double reorder;		       /* of a packet: it takes up to 20 times as long */
	double reservable_bytes_per_s; /* at each end; infinite: everything fits */
};

#define NET_COST_MAX 15

struct net_end {
	uint32_t node, interface;
};

struct net_link {
	struct net_link_how how;
	bool up, known_up; /* known: to routing */
	uint32_t n_ends;
	struct net_end *ends;
};

/* ---- nodes ---- */

enum net_kind {
	NET_HOST, /* forwards nothing */
	NET_ROUTER,
	NET_PLAIN, /* a router that knows no RSVP */
};

struct net_interface {
	uint32_t link, end;
	struct address address4, address6;
	struct ledger_line line;
};

struct net_app;

struct net_node {
	struct net *net;
	uint32_t index;
	enum net_kind kind;
	bool up, known_up;
	bool muted;		       /* nothing leaves any more: it has crashed */
	struct rsvp *rsvp;	       /* NULL: plain, or down */
	struct rsvp_interface setting; /* what is the same for all of its interfaces */
	struct event timer, notice;
	struct dice dice;
	uint32_t n_interfaces;
	struct net_interface interfaces[NET_INTERFACES_MAX];
	struct ledger ledger;
	struct net_app *apps;
	uint64_t sent[32]; /* messages by type, those in Bundles too */
};

/* ---- applications ---- */

/* What an application has heard, as it stands. */
struct net_app_sender {
	struct rsvp_sender sender;
	struct rsvp_tspec tspec;
};

struct net_app {
	struct net *net;
	uint32_t node;
	struct net_app *next; /* of the node */
	struct net_app *all_next;
	struct rsvp_session session;
	struct rsvp_app *app; /* NULL: its node is down, or it is closed */
	bool open;
	bool stays;	    /* comes back with its node */
	bool joins, member; /* of the group: wants to be, and is */

	bool sends;
	struct rsvp_sender_request sending;

	bool receives;
	enum rsvp_style style;
	bool confirm;
	unsigned n_flows; /* senders; WF: 0 */
	struct rsvp_flowspec flowspecs[NET_FLOWS_MAX];
	struct rsvp_sender senders[NET_FLOWS_MAX];

	/* What it has heard. */
	uint32_t n_known; /* senders */
	struct net_app_sender *known;
	bool reserved; /* for what it sends */
	struct rsvp_flowspec reserved_flowspec;
	uint64_t events[RSVP_EVENT_CONFIRM + 1];
	uint64_t refused; /* RESV_ERROR of admission */
	struct rsvp_error last_error;
	bool last_not_guilty;
};

/* ---- the network ---- */

struct net_route_table; /* net_routes.h */
struct net_group;

struct net {
	uint64_t now_us;
	uint64_t seed;
	struct dice dice; /* of the links */
	struct queue queue;
	uint32_t n_nodes, n_links;
	struct net_node **nodes;
	struct net_link *links;
	struct net_app *apps;
	bool built;
	bool keyed;
	struct rsvp_key key;

	/* How long routing takes to learn of a change, and nodes of that. */
	uint64_t converge_us, notify_us;
	struct event convergence;
	bool topology_changed;
	struct net_route_table **tables; /* by link; NULL: not asked for yet */
	struct net_group *groups;

	/* Impairments on top of those of each link. */
	double loss, duplicate, reorder;

	uint64_t n_packets, n_lost, n_duplicated, n_nowhere;
	bool trace; /* every message, to stderr: GW_SIM_TRACE is set */
};

/* Times begin at 1 s. */
struct net *net_new(uint64_t seed);
/* Frees every node; NULL is allowed, returns NULL. */
struct net *net_free(struct net *net);

extern const struct net_link_how net_link_default;

uint32_t net_add_node(struct net *net, enum net_kind kind);
/* With one end for each of the nodes. */
uint32_t net_add_link(struct net *net, const struct net_link_how *how, unsigned n_nodes,
		      const uint32_t *nodes);
uint32_t net_connect(struct net *net, uint32_t a, uint32_t b);
/* R, W, K, ... of all interfaces of the node; before net_build(). */
void net_set_interfaces(struct net *net, const struct rsvp_interface *setting);
void net_set_node(struct net *net, uint32_t node, const struct rsvp_interface *setting);
/* All nodes sign what they send with it, and take nothing else; before net_build(). */
void net_set_key(struct net *net, const struct rsvp_key *key);
/* Everything is there: the nodes begin. */
void net_build(struct net *net);

/* Runs until that time, which is `now_us` then. */
void net_run(struct net *net, uint64_t until_us);
void net_run_for(struct net *net, uint64_t for_us);

/* ---- what goes wrong ---- */

void net_link_set_up(struct net *net, uint32_t link, bool up);
/* A node that stops says nothing, and its state is gone; one that starts begins anew. */
void net_node_set_up(struct net *net, uint32_t node, bool up);
/* The same at once: a restart of what speaks RSVP. Packets are forwarded all the while. */
void net_node_restart(struct net *net, uint32_t node);
/* Routes change without a link that fails. */
void net_link_set_cost(struct net *net, uint32_t link, uint32_t cost);

/* ---- addresses ---- */

struct address net_address(const struct net *net, uint32_t node, uint32_t interface,
			   uint16_t family);
struct address net_group_address(uint32_t group, uint16_t family);
/* Whose it is; NULL: nobody's. */
struct net_node *net_owner(const struct net *net, const struct address *address,
			   uint32_t *ret_interface);
struct rsvp_session net_session(const struct address *destination, uint16_t port);
struct rsvp_sender net_sender(const struct net *net, uint32_t node, uint16_t family, uint16_t port);

/* ---- applications ---- */

struct net_app *net_app_open(struct net *net, uint32_t node, const struct rsvp_session *session);
/* Takes back what it asked for, and leaves the group. It stays there to be looked at. */
void net_app_close(struct net_app *app);
/* Port of the sender, and what it sends. NULL: it stops. */
void net_app_send(struct net_app *app, uint16_t port, const struct rsvp_tspec *tspec);
void net_app_reserve_wf(struct net_app *app, const struct rsvp_flowspec *flowspec);
void net_app_reserve_se(struct net_app *app, const struct rsvp_flowspec *flowspec, unsigned n,
			const struct rsvp_sender *senders);
void net_app_reserve_ff(struct net_app *app, const struct rsvp_flowspec *flowspecs, unsigned n,
			const struct rsvp_sender *senders);
void net_app_release(struct net_app *app);
/* So that PATH events come and data is received; of a multicast session only. */
void net_app_join(struct net_app *app);

/* A message was handed to a node, or an application did something: its next deadline may be another one. */
void net_rearm(struct net_node *node);

#endif
