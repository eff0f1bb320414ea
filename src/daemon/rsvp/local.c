/* SPDX-License-Identifier: MIT */
/* local.c: programs of this host that take part in sessions (RFC 2205 §3.11.1), or ask about paths (RFC 2745). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/time.h"
#include "daemon/rsvp/rsvp_internal.h"

static struct address session_address(const struct rsvp_session *session)
{
	struct address address = { .family = session->family };

	memcpy(address.addr, session->address, sizeof(address.addr));
	return address;
}

/* Where data of the group is received, as far as anybody has said. */
static uint32_t group_interface(struct rsvp_daemon *daemon, const struct address *group,
				uint32_t ifindex)
{
	const struct route_query query = { .destination = group };
	struct route_result result;

	if (ifindex != 0)
		return ifindex;
	return route_lookup(daemon->route, &query, &result) == 0 ? result.ifindex : 0;
}

static int join(struct rsvp_daemon *daemon, struct rsvp_local *local, uint32_t ifindex)
{
	struct address group = session_address(&local->session);
	int r;

	if (!address_is_multicast(&group))
		return 0;
	ifindex = group_interface(daemon, &group, ifindex);
	if (ifindex == 0)
		return 0; /* who only sends needs no group */
	r = transport_join(daemon->transport, &group, ifindex);
	if (r < 0)
		return r;
	local->group = group;
	local->group_ifindex = ifindex;
	return 0;
}

static void leave(struct rsvp_daemon *daemon, struct rsvp_local *local)
{
	if (local->group.family != AF_UNSPEC)
		transport_leave(daemon->transport, &local->group, local->group_ifindex);
	local->group = (struct address){ 0 };
}

int rsvp_daemon_open(struct rsvp_daemon *daemon, const void *owner,
		     const struct rsvp_session *session, uint32_t ifindex,
		     rsvp_local_event on_event, void *user_data, struct rsvp_local **ret_local)
{
	struct rsvp_local *local;
	int r;

	if (ifindex != 0 && !rsvp_link_find(daemon, ifindex))
		return -ENODEV;
	local = calloc(1, sizeof(*local));
	if (!local)
		return -ENOMEM;
	local->daemon = daemon;
	local->owner = owner;
	local->session = *session;
	local->on_event = on_event;
	local->user_data = user_data;
	*ret_local = local; /* what is known of the session already is told before this returns */
	r = join(daemon, local, ifindex);
	DL_APPEND(daemon->locals, local);
	if (r >= 0)
		r = rsvp_app_open(daemon->node, session, ifindex, local, &local->app,
				  time_now_us());
	rsvp_daemon_schedule(daemon);
	if (r >= 0)
		return 0;
	leave(daemon, local);
	DL_DELETE(daemon->locals, local);
	free(local);
	*ret_local = NULL;
	return r;
}

int rsvp_daemon_send(struct rsvp_local *local, const struct rsvp_sender_request *request)
{
	struct rsvp_daemon *daemon = local->daemon;
	int r = rsvp_app_send(daemon->node, local->app, request, time_now_us());

	rsvp_daemon_schedule(daemon);
	return r;
}

int rsvp_daemon_reserve(struct rsvp_local *local, const struct rsvp_reserve_request *request)
{
	struct rsvp_daemon *daemon = local->daemon;
	int r = rsvp_app_reserve(daemon->node, local->app, request, time_now_us());

	rsvp_daemon_schedule(daemon);
	return r;
}

void rsvp_daemon_close(struct rsvp_local *local)
{
	struct rsvp_daemon *daemon = local->daemon;

	rsvp_app_close(daemon->node, local->app, time_now_us());
	leave(daemon, local);
	DL_DELETE(daemon->locals, local);
	free(local);
	rsvp_daemon_schedule(daemon);
}

int rsvp_daemon_ask(struct rsvp_daemon *daemon, const struct rsvp_diagnose_request *request,
		    rsvp_answer on_answer, void *user_data, struct rsvp_asking **ret_asking)
{
	struct rsvp_asking *asking = calloc(1, sizeof(*asking));
	struct rsvp_diagnose_request own = *request;
	int r;

	if (!asking)
		return -ENOMEM;
	asking->daemon = daemon;
	asking->on_answer = on_answer;
	asking->user_data = user_data;
	own.data = asking;
	r = rsvp_diagnose(daemon->node, &own, &asking->diagnosis, time_now_us());
	if (r < 0) {
		free(asking);
		return r;
	}
	rsvp_daemon_schedule(daemon);
	*ret_asking = asking;
	return 0;
}

void rsvp_daemon_ask_no_more(struct rsvp_asking *asking)
{
	rsvp_diagnose_cancel(asking->daemon->node, asking->diagnosis);
	free(asking);
}

void rsvp_daemon_owner_gone(struct rsvp_daemon *daemon, const void *owner)
{
	struct rsvp_local *local, *next;

	DL_FOREACH_SAFE(daemon->locals, local, next) {
		if (local->owner == owner)
			rsvp_daemon_close(local);
	}
}

const void *rsvp_local_owner(const struct rsvp_local *local)
{
	return local->owner;
}
