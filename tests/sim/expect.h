/* SPDX-License-Identifier: MIT */
/*
 * expect.h: what RFC 2205, RFC 2209 and spec/rsvp.md §8 say that one session of a simulated network comes to when
 * nothing is lost and nothing changes any more, worked out from the network itself and from what its applications
 * ask for: where path state is, what is reserved on which interface for which next hop, what senders hear. The nodes
 * are not asked. Admission control does not come into it: everything fits.
 */
#ifndef GW_SIM_EXPECT_H
#define GW_SIM_EXPECT_H

#include "net.h"

#define EXPECT_SENDERS_MAX 64 /* sets of senders are masks */

struct expect_sender {
	const struct net_app *app;
	struct rsvp_sender sender;
};

/* Path state. */
struct expect_path {
	uint32_t sender, node;
	uint32_t in_interface;		  /* NET_NONE: the sender is here */
	uint32_t hop_node, hop_interface; /* previous hop, and where its Path left */
	bool forwards;			  /* it came as data does */
	bool local;			  /* data of it is for applications here */
	uint64_t out;			  /* interfaces that Paths leave by */
};

/* What one next hop asks for on one interface. */
struct expect_resv {
	uint32_t node, interface;
	uint32_t from_node, from_interface;
	uint32_t sender;  /* FF; else NET_NONE */
	uint64_t filters; /* SE, FF */
	bool scoped;
	uint64_t scope; /* WF, if scoped */
	struct rsvp_flowspec flowspec;
};

struct expect {
	struct net *net;
	struct rsvp_session session;
	bool multicast;
	enum rsvp_style style; /* NONE: nobody reserves */
	uint32_t n_senders, n_paths, n_resvs;
	struct expect_sender senders[EXPECT_SENDERS_MAX];
	struct expect_path *paths;
	struct expect_resv *resvs;
};

void expect_session(struct net *net, const struct rsvp_session *session, struct expect *ret_expect);
void expect_free(struct expect *expect);

/* Whether the application's reservation selects the sender (SE, FF: by its number in *ret_flow). */
bool expect_selects(const struct expect *expect, const struct net_app *app, uint32_t sender,
		    unsigned *ret_flow);
/* The one whose data applications on the node get; NULL: there is none. */
const struct expect_path *expect_local_path(const struct expect *expect, uint32_t sender,
					    uint32_t node);
/* The least upper bound of all that is asked for there. False: nothing is. Mask: of its filters. */
bool expect_install(const struct expect *expect, uint32_t node, uint32_t interface, uint32_t sender,
		    struct rsvp_flowspec *ret_flowspec, uint64_t *ret_filters);
/* What the application that sends is to hear. False: that nothing is reserved. */
bool expect_event(const struct expect *expect, uint32_t sender, struct rsvp_flowspec *ret_flowspec);

#endif
