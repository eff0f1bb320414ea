/* SPDX-License-Identifier: MIT */
/* qos_far.c: see qos_far.h. */
#include "qos_far.h"

#include "daemon.h"
#include "measure.h"

static struct gw *gw;

void qos_far_open(const char *namespace, const char *daemon_socket)
{
	enter_namespace(namespace);
	gw = daemon_open(daemon_socket);
	enter_namespace("-");
}

struct qos_far qos_far_begin(const struct sockaddr_in *near, const struct sockaddr_in *far)
{
	const struct qos_far sessions = { .receives = daemon_session(gw, far),
					  .sends = daemon_session(gw, near) };

	daemon_reserve(gw, sessions.receives, near, QOS_FAR_RATE * 8);
	daemon_offer(gw, sessions.sends, far, QOS_FAR_RATE * 8);
	return sessions;
}

void qos_far_end(const struct qos_far *far)
{
	must(gw_rsvp_close(gw, far->receives), "gw_rsvp_close");
	must(gw_rsvp_close(gw, far->sends), "gw_rsvp_close");
	daemon_drain(gw);
}
