/* SPDX-License-Identifier: MIT */
/* seen.h: what the nodes of a simulated network say of their state, in the order of sessions. */
#ifndef GW_SIM_SEEN_H
#define GW_SIM_SEEN_H

#include "net.h"

struct seen_sender {
	uint32_t node;
	bool expected;
	struct rsvp_sender_info info;
};

struct seen_resv {
	uint32_t node;
	bool expected;
	struct rsvp_reservation_info info; /* with senders of its own */
};

struct seen {
	size_t n_senders, n_resvs;
	struct seen_sender *senders;
	struct seen_resv *resvs;
};

/* Of one node (its state as it stands), or of all of them (NET_NONE). */
void seen_collect(const struct net *net, uint32_t node, struct seen *ret_seen);
void seen_free(struct seen *seen);

/* The first of a session, and how many there are. */
struct seen_sender *seen_senders_of(const struct seen *seen, const struct rsvp_session *session,
				    size_t *ret_count);
struct seen_resv *seen_resvs_of(const struct seen *seen, const struct rsvp_session *session,
				size_t *ret_count);

#endif
