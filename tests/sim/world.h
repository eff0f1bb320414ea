/* SPDX-License-Identifier: MIT */
/*
 * world.h: networks of RSVP nodes in one process, under virtual time and with a seed: links with delay and loss,
 * routes that follow from what is up, multicast trees from who has joined, traffic control that keeps books, and a
 * record of what was sent and what applications were told.
 *
 * Nodes and links are numbered from 0. An interface of a node has an index from 1, in the order of attaching.
 */
#ifndef GW_TESTS_SIM_WORLD_H
#define GW_TESTS_SIM_WORLD_H

#include "rsvp/message.h"
#include "rsvp/rsvp.h"

#define SIM_S UINT64_C(1000000)
#define SIM_MS UINT64_C(1000)
#define SIM_SENDERS 16

struct sim;

/* What an application was told; pointers are into the record. */
struct sim_event {
	uint64_t time_us;
	struct rsvp_event event;
	struct rsvp_flowspec flowspec;
	struct rsvp_adspec adspec;
	struct rsvp_sender senders[SIM_SENDERS];
	bool has_flowspec, has_adspec;
	size_t policy_len;
};

struct sim_app {
	struct sim *sim;
	struct sim_app *next;
	unsigned node;
	struct rsvp_app *app; /* NULL: closed, or its node has started anew */
	struct rsvp_session session;
	struct sim_event *events;
	size_t n_events, max_events;
};

/* What a node has sent (or, from outside, what was given to it). */
struct sim_packet {
	uint64_t time_us;
	unsigned node; /* who sent it */
	struct rsvp_packet packet;
	uint8_t type;
	uint8_t *data;
};

struct sim_installed {
	uint64_t handle;
	struct rsvp_tc_request request; /* filters: own copy */
	unsigned changes;		/* since it was installed */
};

/* ---- the world ---- */

struct sim *sim_new(uint64_t seed);
void sim_free(struct sim *sim);

uint64_t sim_now(const struct sim *sim);
void sim_run(struct sim *sim, uint64_t for_us);
uint32_t sim_random(struct sim *sim);

/* A router or host that speaks RSVP; or (plain) a router that does not. */
unsigned sim_node(struct sim *sim);
unsigned sim_plain_node(struct sim *sim);
unsigned sim_link(struct sim *sim);
/* Returns the index of the interface. */
uint32_t sim_attach(struct sim *sim, unsigned node, unsigned link);
/* A link between two nodes; returns its number. */
unsigned sim_connect(struct sim *sim, unsigned a, unsigned b);
/* As many nodes in a row, the first of them returned; link i is between node i and i + 1 of an empty world. */
unsigned sim_line(struct sim *sim, unsigned n_nodes);
/* The interface of the node on the link. */
uint32_t sim_ifindex(const struct sim *sim, unsigned node, unsigned link);

/* What all nodes have from now on unless it is set for them; before nodes are made. */
struct rsvp_config *sim_config(struct sim *sim);
/* The settings of an interface; to change them, change them and call sim_interface_apply(). */
struct rsvp_interface *sim_interface(struct sim *sim, unsigned node, uint32_t ifindex);
void sim_interface_apply(struct sim *sim, unsigned node, uint32_t ifindex);

/* Routes follow; nodes are told if `tell`. */
void sim_link_set_up(struct sim *sim, unsigned link, bool up, bool tell);
void sim_link_set_cost(struct sim *sim, unsigned link, unsigned cost, bool tell);
void sim_link_set_loss(struct sim *sim, unsigned link, unsigned percent);
void sim_link_set_disorder(struct sim *sim, unsigned link, unsigned percent_twice,
			   uint64_t jitter_us);
void sim_tell_routes(struct sim *sim);
/* Routes asked for by the node so far. */
unsigned sim_routes_asked(const struct sim *sim, unsigned node);

/* Without a farewell, and with an empty memory. */
void sim_restart(struct sim *sim, unsigned node);

/* With a farewell; it speaks RSVP no more. */
void sim_end(struct sim *sim, unsigned node);

struct rsvp *sim_rsvp(const struct sim *sim, unsigned node);
struct address sim_address(const struct sim *sim, unsigned node, uint32_t ifindex, uint16_t family);

/* Bytes/s that traffic control gives on an interface; 0: all that is asked for. */
void sim_set_capacity(struct sim *sim, unsigned node, uint32_t ifindex, double bytes_per_s);
/* Every request to traffic control of the node is refused with that, until code is 0. */
void sim_refuse(struct sim *sim, unsigned node, uint8_t code, uint16_t value);
/* The node asks this of what its neighbours ask for; NULL: whatever they do. */
typedef int sim_policy_fn(const struct rsvp_policy_question *question,
			  struct rsvp_error *ret_error);
void sim_set_policy(struct sim *sim, unsigned node, sim_policy_fn *policy);
size_t sim_n_installed(const struct sim *sim, unsigned node);
const struct sim_installed *sim_installed(const struct sim *sim, unsigned node, size_t i);

/* Without an application; a plain node too. */
void sim_join(struct sim *sim, unsigned node, const struct address *group);
void sim_leave(struct sim *sim, unsigned node, const struct address *group);

/* ---- applications ---- */

struct rsvp_session sim_session(const struct address *destination, uint16_t port);
/* "232.0.0.x" or "ff3e::x" */
struct address sim_group(uint16_t family, uint8_t number);
struct rsvp_sender sim_sender(const struct address *source, uint16_t port);
struct rsvp_tspec sim_tspec(float rate);
struct rsvp_flowspec sim_controlled_load(float rate);
struct rsvp_flowspec sim_guaranteed(float rate, float reserved);

/* Joins, if it is a group. */
struct sim_app *sim_open(struct sim *sim, unsigned node, const struct rsvp_session *session);
void sim_close(struct sim_app *app);
/* An only path is a sender of controlled load and guaranteed service. */
void sim_send(struct sim_app *app, const struct rsvp_sender *sender, float rate);
void sim_reserve(struct sim_app *app, enum rsvp_style style, const struct rsvp_flowspec *flowspec,
		 const struct rsvp_sender *senders, unsigned n_senders, bool confirm);
size_t sim_events(const struct sim_app *app, enum rsvp_event_type type);
/* NULL: there was none. */
const struct sim_event *sim_last_event(const struct sim_app *app, enum rsvp_event_type type);
void sim_forget_events(struct sim_app *app);

/* ---- diagnostics ---- */

#define SIM_HOPS 32

/* What has come of one; pointers of the hops are not kept, but to the Tspec and the flowspec. */
struct sim_diagnosis {
	struct rsvp_diagnosis *diagnosis;
	unsigned n_hops, n_ends;
	int status;
	struct rsvp_hop_report hops[SIM_HOPS];
	struct rsvp_tspec tspecs[SIM_HOPS];
	struct rsvp_flowspec flowspecs[SIM_HOPS];
};

int sim_diagnose(struct sim *sim, unsigned node, struct rsvp_diagnose_request request,
		 struct sim_diagnosis *diagnosis);

/* ---- messages ---- */

/* Messages that nodes send are recorded, from now on. */
void sim_record(struct sim *sim, bool on);
void sim_forget(struct sim *sim);
/* Of that node and type, out of that interface (0: any). */
size_t sim_sent(const struct sim *sim, unsigned node, uint8_t type, uint32_t ifindex);
/* The last one; parsed; NULL: there was none. */
const struct sim_packet *sim_last_sent(const struct sim *sim, unsigned node, uint8_t type,
				       uint32_t ifindex, struct rsvp_message *ret_message);
size_t sim_n_packets(const struct sim *sim);
const struct sim_packet *sim_packet(const struct sim *sim, size_t i);

/*
 * Hands a message to a node as if it had come in there. `source` and `destination` of family AF_UNSPEC: those that
 * such a message has.
 */
enum rsvp_verdict sim_inject(struct sim *sim, unsigned node, uint32_t ifindex,
			     const struct address *source, const struct address *destination,
			     uint8_t ttl, const uint8_t *data, size_t len);

#endif
