/* SPDX-License-Identifier: MIT */
/* app.c: applications on this node: taking part in a session, and sending (RFC 2205 §3.11.1; spec/rsvp.md §8.14). */
#include "rsvp/internal.h"

#include <errno.h>
#include <stdlib.h>

#define DATA_TTL 63

/* ---- taking part ---- */

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_UDP || protocol == IPPROTO_TCP || protocol == IPPROTO_DCCP ||
	       protocol == IPPROTO_SCTP || protocol == IPPROTO_UDPLITE;
}

/* RFC 2205 §3.2, RFC 2207 §4.1; spec §8.13. */
static bool session_is_good(const struct rsvp_session *session)
{
	struct address address;

	address = rsvp_session_host(session);
	if ((session->family != AF_INET && session->family != AF_INET6) ||
	    address_is_unspecified(&address))
		return false;
	switch ((enum rsvp_form)session->form) {
	case RSVP_FORM_PORTS:
		return session->protocol != 0 &&
		       has_ports(session->protocol) == (session->port != 0);
	case RSVP_FORM_GPI:
		return session->port != 0 &&
		       (session->protocol == IPPROTO_ESP || session->protocol == IPPROTO_AH);
	case RSVP_FORM_AGGREGATE:
		return session->protocol == 0 && session->port < 64;
	case RSVP_FORM_FLOW_LABEL:
		break;
	}
	return false;
}

/* Who listens to a group gets its data; for a unicast address that is a matter of routes. */
static void set_listening(struct rsvp *rsvp, struct session *session)
{
	struct sender *sender;

	if (!rsvp_session_is_multicast(session))
		return;
	DL_FOREACH(session->senders, sender)
		sender->to_local = session->apps;
}

int rsvp_app_open(struct rsvp *rsvp, const struct rsvp_session *key, uint32_t ifindex,
		  void *app_data, struct rsvp_app **ret_app, uint64_t now_us)
{
	struct session *session;
	struct sender *sender;
	struct rsvp_app *app;
	struct path *path;
	int r;

	rsvp->now_us = now_us;
	if (!session_is_good(key))
		return -EINVAL;
	r = rsvp_session_get(rsvp, key, &session);
	if (r < 0)
		return r;
	app = calloc(1, sizeof(*app));
	if (!app) {
		rsvp_session_put(rsvp, session);
		return -ENOMEM;
	}
	app->session = session;
	app->data = app_data;
	app->ifindex = ifindex;
	DL_APPEND(session->apps, app);
	set_listening(rsvp, session);
	*ret_app = app;
	DL_FOREACH(session->senders, sender) {
		path = rsvp_sender_local_path(sender, ifindex);
		if (path)
			rsvp_app_tell_path(rsvp, app, path, false);
	}
	return 0;
}

void rsvp_app_close(struct rsvp *rsvp, struct rsvp_app *app, uint64_t now_us)
{
	struct session *session;

	if (!app)
		return;
	rsvp->now_us = now_us;
	session = app->session;
	rsvp_app_release(rsvp, app);
	rsvp_app_sender_end(rsvp, app);
	rsvp_flush(rsvp);
	DL_DELETE(session->apps, app);
	set_listening(rsvp, session);
	free(app);
	rsvp_session_put(rsvp, session);
}

/* ---- sending ---- */

void rsvp_app_sender_end(struct rsvp *rsvp, struct rsvp_app *app)
{
	struct sender *sender = app->sender;

	app->sender = NULL;
	if (sender)
		rsvp_path_end(rsvp, sender->paths);
}

/* The address of the interface that data leaves by, where the application leaves it open. */
static int choose_address(struct rsvp *rsvp, const struct rsvp_app *app, struct rsvp_sender *sender)
{
	const struct interface *interface;
	struct address destination, none = { 0 };
	const struct address *own;
	struct rsvp_route route = { 0 };
	uint32_t ifindex = app->ifindex;

	destination = rsvp_session_host(&app->session->key);
	if (ifindex == 0 &&
	    rsvp->ports.route(rsvp->ports.user_data, &destination, &none, &route) == 0 &&
	    route.n_out > 0)
		ifindex = route.out[0];
	interface = rsvp_interface_find(rsvp, ifindex);
	own = interface ? rsvp_interface_address(interface, app->session->key.family) : &none;
	if (own->family == AF_UNSPEC)
		return -EADDRNOTAVAIL;
	sender->family = own->family;
	memcpy(sender->address, own->addr, sizeof(sender->address));
	return 0;
}

static int check_sender(struct rsvp *rsvp, const struct rsvp_app *app, struct rsvp_sender *sender)
{
	const struct rsvp_session *session = &app->session->key;
	struct address address;
	int r = 0;

	address = rsvp_sender_host(sender);
	if (sender->family == AF_UNSPEC || address_is_unspecified(&address))
		r = choose_address(rsvp, app, sender);
	if (r < 0)
		return r;
	address = rsvp_sender_host(sender);
	if (!rsvp_sender_fits(session, sender))
		return -EINVAL;
	if (sender->form == RSVP_FORM_PORTS && session->port == 0 && sender->id != 0)
		return -EINVAL;
	return rsvp_address_is_local(rsvp, &address) ? 0 : -EADDRNOTAVAIL;
}

static bool tspec_is_good(const struct rsvp_sender_request *request)
{
	bool reserves = request->offers_guaranteed || request->offers_controlled_load;

	if (!reserves && !request->offers_null)
		return false;
	return reserves ? tspec_check(&request->tspec) == 0 : request->tspec.M > 0;
}

/* Whole POLICY_DATA objects, and not too many. */
static bool policy_is_good(const struct rsvp *rsvp, const uint8_t *policy, size_t len)
{
	struct rsvp_object object;
	size_t position = 0;
	int r;

	if (!policy || len == 0)
		return true;
	if (len > rsvp->limits.policy_bytes)
		return false;
	while ((r = rsvp_object_next(policy, len, &position, &object)) == 1) {
		if (object.class_num != RSVP_CLASS_POLICY_DATA)
			return false;
	}
	return r == 0;
}

static int carry(const struct rsvp_sender_request *request, struct carried **slot)
{
	uint64_t storage[CARRIED_MAX / sizeof(uint64_t) + 1];
	struct carried *carried = (struct carried *)storage;

	*carried = (struct carried){ 0 };
	carried->adspec_len =
		(uint16_t)rsvp_encode_adspec(carried->data, request->offers_guaranteed,
					     request->offers_controlled_load, request->offers_null);
	if (request->policy && request->policy_len > 0) {
		memcpy(carried->data + carried->adspec_len, request->policy, request->policy_len);
		carried->policy_len = (uint16_t)request->policy_len;
	}
	return rsvp_carried_store(slot, carried);
}

static int add_path(struct rsvp *rsvp, struct rsvp_app *app, const struct rsvp_sender *key)
{
	struct sender *sender;
	struct path *path;
	struct up *up;
	int r;

	r = rsvp_sender_get(rsvp, app->session, key, &sender);
	if (r < 0)
		return r;
	if (sender->paths)
		return -EADDRINUSE;
	path = calloc(1, sizeof(*path));
	up = path ? rsvp_up_get(app->session, NULL, 0, app) : NULL;
	if (!up) {
		free(path);
		rsvp_sender_free(rsvp, sender);
		return -ENOMEM;
	}
	path->sender = sender;
	path->e_police = true; /* who comes first polices */
	rsvp_path_attach(path, up);
	LL_APPEND(sender->paths, path);
	app->sender = sender;
	return 0;
}

/* Everything that can be wrong, before anything is done. */
static int check_request(struct rsvp *rsvp, const struct rsvp_app *app,
			 const struct rsvp_sender_request *request, struct rsvp_sender *ret_sender)
{
	*ret_sender = request->sender;
	if (!tspec_is_good(request) || !policy_is_good(rsvp, request->policy, request->policy_len))
		return -EINVAL;
	return check_sender(rsvp, app, ret_sender);
}

static int set_path(struct path *path, const struct rsvp_sender_request *request)
{
	bool reserves = request->offers_guaranteed || request->offers_controlled_load;

	if (carry(request, &path->carried) < 0)
		return -ENOMEM;
	path->tspec = (struct rsvp_sender_tspec){ 0 };
	if (reserves)
		path->tspec.tspec = request->tspec;
	if (request->offers_null)
		path->tspec.null_M = request->tspec.M;
	path->ttl = request->data_ttl ? request->data_ttl : DATA_TTL;
	return 0;
}

int rsvp_app_send(struct rsvp *rsvp, struct rsvp_app *app,
		  const struct rsvp_sender_request *request, uint64_t now_us)
{
	struct rsvp_sender key;
	bool added = false;
	int r;

	rsvp->now_us = now_us;
	if (!request) {
		rsvp_app_sender_end(rsvp, app);
		rsvp_flush(rsvp);
		return 0;
	}
	r = check_request(rsvp, app, request, &key);
	if (r < 0)
		return r;
	if (app->sender && !rsvp_sender_equal(&app->sender->key.sender, &key))
		rsvp_app_sender_end(rsvp, app);
	if (!app->sender) {
		r = add_path(rsvp, app, &key);
		added = r == 0;
	}
	if (r == 0)
		r = set_path(app->sender->paths, request);
	if (r < 0) {
		if (added)
			rsvp_app_sender_end(rsvp, app);
		return r;
	}
	rsvp_sender_route(rsvp, app->sender, true);
	rsvp_app_path_event(rsvp, app->sender, app->sender->paths);
	/* Of WF something may be reserved for it already. */
	if (added)
		rsvp_up_dirty(rsvp, app->sender->paths->up, WHY_CHANGE);
	rsvp_sender_retune(rsvp, app->sender);
	rsvp_app_fulfil(rsvp, app->session);
	rsvp_flush(rsvp);
	return 0;
}
