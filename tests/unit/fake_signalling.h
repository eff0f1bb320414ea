/* SPDX-License-Identifier: MIT */
/*
 * fake_signalling.h: a host that signals nothing and remembers what it was asked for.
 */
#ifndef GW_TESTS_FAKE_SIGNALLING_H
#define GW_TESTS_FAKE_SIGNALLING_H

#include "engine/signalling.h"

#define FAKE_SESSIONS 64

struct fake_session {
	uint32_t id; /* 0: none */
	const struct owner *owner;
	struct signalling_session session;
	bool sends, reserves;
	struct gw_rsvp_offer offer;	/* the last */
	struct gw_rsvp_request request; /* likewise, without its policy */
	struct gw_rsvp_flow flows[GW_RSVP_FLOWS_MAX];
};

struct fake_signalling {
	struct signalling port;
	struct fake_session sessions[FAKE_SESSIONS];
	uint32_t last_id;
	int error;	      /* of the next call that may fail; 0: none */
	unsigned error_after; /* calls before that one */

	/* What would have gone out; a session that is closed ends what it has. */
	unsigned paths, path_tears, resvs, resv_tears;
	/* Tells what is known already of a session that is being opened; NULL: nothing is. */
	void (*on_open)(void *user_data, struct owner *owner, uint32_t id,
			const struct signalling_session *session);
	void *on_open_data;

	struct gw_rsvp_offer offer; /* the last; without its policy */
	size_t offer_policy_len;
	uint8_t offer_policy_last;	/* byte */
	struct gw_rsvp_request request; /* the last; without its policy */
	size_t request_policy_len;
	uint8_t request_policy_last; /* byte */
	struct gw_rsvp_flow flows[GW_RSVP_FLOWS_MAX];
	struct signalling_question question; /* the last */
	struct owner *asked, *watching;	     /* who */

	/* What a list shows: so many senders, with ports from 1 on; after each this many it wants a rest. */
	uint32_t n_records, rest_after;
	struct engine_view view; /* of the last list */
	uint32_t kinds;		 /* the same */
	unsigned n_visits;	 /* calls of visit() */
};

/* Zeroes it and fills in the port. */
void fake_signalling_init(struct fake_signalling *fake);
/* The first session of a destination; NULL: there is none. */
struct fake_session *fake_signalling_find(struct fake_signalling *fake,
					  const struct address *destination);
unsigned fake_signalling_count(const struct fake_signalling *fake, const struct owner *owner);

#endif
