/* SPDX-License-Identifier: MIT */
/*
 * programs.h: programs that take part in sessions, and people who look: the port that the host's server has for them
 * (engine/signalling.h), in front of the daemon's node.
 */
#ifndef GW_DAEMON_RSVP_PROGRAMS_H
#define GW_DAEMON_RSVP_PROGRAMS_H

#include "daemon/rsvp/rsvp_daemon.h"

struct rsvp_programs;

/* From now on the host signals. Both must be there until the end. */
int rsvp_programs_new(struct host *host, struct rsvp_daemon *daemon,
		      struct rsvp_programs **ret_programs);

/* What programs still have ends, with tears. Before the daemon's node goes. Accepts NULL, returns it. */
struct rsvp_programs *rsvp_programs_free(struct rsvp_programs *programs);

#endif
