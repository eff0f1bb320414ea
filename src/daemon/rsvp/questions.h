/* SPDX-License-Identifier: MIT */
/* questions.h: what programs have asked about paths (RFC 2745), each under a token of its own. */
#ifndef GW_DAEMON_RSVP_QUESTIONS_H
#define GW_DAEMON_RSVP_QUESTIONS_H

#include "daemon/rsvp/rsvp_daemon.h"
#include "engine/signalling.h"

struct questions {
	struct server *server;
	struct rsvp_daemon *daemon;
	struct question *list;
};

/* -EBUSY: the owner has asked with this token; -ENOBUFS: its user has asked enough. Else as rsvp_daemon_ask(). */
int questions_ask(struct questions *questions, struct owner *owner,
		  const struct signalling_question *asked);

/* Nothing is told of its questions any more. */
void questions_owner_gone(struct questions *questions, const struct owner *owner);

/* All that are left end with -ECANCELED. */
void questions_end(struct questions *questions);

#endif
