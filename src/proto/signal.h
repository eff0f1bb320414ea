/* SPDX-License-Identifier: MIT */
/*
 * signal.h: how offers, requests and records of RSVP (greenwave.h) travel inside a message, as the value of TAG_RSVP.
 * What is zero does not travel. Unknown fields are skipped, so either end may be older than the other.
 */
#ifndef GW_PROTO_SIGNAL_H
#define GW_PROTO_SIGNAL_H

#include <greenwave.h>

#include "proto/msg.h"

/* What is left for it in a message that has a few numbers beside. */
#define SIGNAL_MAX (MSG_MAX - 512u)

/* Each returns its length, or -EMSGSIZE. */
long signal_offer_encode(const struct gw_rsvp_offer *offer, void *buf, size_t capacity);
long signal_request_encode(const struct gw_rsvp_request *request, void *buf, size_t capacity);

/* Leaves out what does not fit: the policy, then senders, then the end of the text, and says so by GW_RSVP_CUT. */
long signal_record_encode(const struct gw_rsvp_record *record, void *buf, size_t capacity);

/* -EBADMSG; pointers are into the message. */
int signal_offer_decode(const struct codec_bytes *bytes, struct gw_rsvp_offer *ret_offer);

struct signal_request {
	struct gw_rsvp_request request;
	struct gw_rsvp_flow flows[GW_RSVP_FLOWS_MAX];
};

/* The same, and into *ret_request itself, which must stay where it is. -ENOBUFS: too many flows. */
int signal_request_decode(const struct codec_bytes *bytes, struct signal_request *ret_request);

#define SIGNAL_SENDERS_MAX 128u /* in one record; more are left out */

/* Likewise. */
struct signal_record {
	struct gw_rsvp_record record;
	struct gw_rsvp_sender senders[SIGNAL_SENDERS_MAX];
	struct codec_bytes text; /* without a 0 at its end, as `record` has it: there it is NULL */
};

int signal_record_decode(const struct codec_bytes *bytes, struct signal_record *ret_record);

#endif
