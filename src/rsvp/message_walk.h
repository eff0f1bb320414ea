/* SPDX-License-Identifier: MIT */
/* message_walk.h: the walk over the objects of a message; for the files of message.h that are the parser. */
#ifndef GW_RSVP_MESSAGE_WALK_H
#define GW_RSVP_MESSAGE_WALK_H

#include <errno.h>

#include "rsvp/message.h"

/* A bit for each class. */
struct grammar {
	uint64_t required, optional;
};

/* Where in a message the walk is (RFC 2205 §3.1.1, RFC 2961 §4.1). */
enum phase { PHASE_START, PHASE_ACKS, PHASE_BODY, PHASE_FLOWS };

struct walk {
	struct rsvp_message *message;
	const struct rsvp_limits *limits;
	struct rsvp_complaint *complaint;
	const struct grammar *grammar;
	enum phase phase;
	uint64_t seen;
	size_t kept_bytes, policy_bytes;
	bool unanswered; /* what is wrong so far can be answered, and the walk has gone on */
};

static inline int complain(struct rsvp_complaint *complaint, int error, enum rsvp_reason reason,
			   const struct rsvp_object *object)
{
	*complaint = (struct rsvp_complaint){ .reason = reason };
	if (object)
		complaint->object = *object;
	return error;
}

static inline int refuse(struct walk *walk, enum rsvp_reason reason,
			 const struct rsvp_object *object)
{
	return complain(walk->complaint, reason == RSVP_REASON_LIMIT ? -EMSGSIZE : -EBADMSG, reason,
			object);
}

/* All objects have been seen: do they make a message? -EOPNOTSUPP: one that is to be answered with an error. */
int rsvp_walk_end(struct walk *walk);

#endif
