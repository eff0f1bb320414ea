/* SPDX-License-Identifier: MIT */
/*
 * rsvp_hand.h: a router among neighbours that are played by hand: two of them upstream (interfaces 1 and 2), two
 * downstream (3 and 4), who are members of a group.
 */
#ifndef GW_TESTS_RSVP_HAND_H
#define GW_TESTS_RSVP_HAND_H

#include "../sim/world.h"
#include "rsvp/writer.h"

#define HAND_R 0u /* the router's number */
#define HAND_LINKS 4

struct hand {
	struct sim *sim;
	struct rsvp *rsvp;
	struct rsvp_session session;
	struct rsvp_sender senders[3]; /* 0 and 2 behind interface 1, 1 behind interface 2 */
	struct rsvp_hop neighbours[HAND_LINKS +
				   1]; /* by interface of the router, as they name themselves */
	/* Of the next message: */
	const uint8_t *extra; /* objects that come behind TIME_VALUES, or the hop */
	size_t extra_len;
	uint8_t ttl;
};

/* The router has no application. */
void hand_make(struct hand *hand, uint16_t family);
void hand_free(struct hand *hand);

/* Path of sender i, from the neighbour on its interface. */
void hand_path(struct hand *hand, unsigned i, float rate);
void hand_path_tear(struct hand *hand, unsigned i);
void hand_path_err(struct hand *hand, uint32_t ifindex, unsigned i, uint8_t code, uint16_t value);

/* From the neighbour behind an interface, of senders by their bits (WF: ignored). */
struct hand_resv {
	enum rsvp_style style;
	struct rsvp_flowspec flowspec;
	unsigned senders;
	bool confirm;
	uint8_t option; /* in place of the style's, if not 0 */
	const struct address *scope;
	size_t n_scope;
};

void hand_resv(struct hand *hand, uint32_t ifindex, const struct hand_resv *resv);
/* The same in fewer words. */
void hand_ask(struct hand *hand, uint32_t ifindex, enum rsvp_style style, float rate,
	      unsigned senders);
void hand_resv_tear(struct hand *hand, uint32_t ifindex, enum rsvp_style style, unsigned senders);
/* From upstream. */
void hand_resv_err(struct hand *hand, uint32_t ifindex, const struct hand_resv *resv, uint8_t code,
		   uint16_t value, uint8_t flags);

/* Messages that the router has sent out of an interface since the last sim_forget(). */
size_t hand_sent(const struct hand *hand, uint8_t type, uint32_t ifindex);
/* The last of these; fails the test if there is none. */
void hand_last(const struct hand *hand, uint8_t type, uint32_t ifindex,
	       struct rsvp_message *ret_message);
/* Descriptor i of it. */
struct rsvp_flow hand_flow(const struct rsvp_message *message, unsigned i);
/* The senders in it, by their bits. */
unsigned hand_senders(const struct hand *hand, const struct rsvp_message *message);

#endif
