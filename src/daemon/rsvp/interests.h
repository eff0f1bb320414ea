/* SPDX-License-Identifier: MIT */
/* interests.h: which users have programs that take part in which sessions, and so may see what is known of these. */
#ifndef GW_DAEMON_RSVP_INTERESTS_H
#define GW_DAEMON_RSVP_INTERESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "rsvp/wire.h"

struct interests {
	struct interest *table;
};

/* Once for each program. -ENOMEM */
int interests_add(struct interests *interests, const struct rsvp_session *session, uint32_t uid);
void interests_remove(struct interests *interests, const struct rsvp_session *session,
		      uint32_t uid);

bool interests_has(const struct interests *interests, const struct rsvp_session *session,
		   uint32_t uid);

#endif
