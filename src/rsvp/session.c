/* SPDX-License-Identifier: MIT */
/* session.c: finding and keeping destinations, sessions, senders and previous hops. */
#include "rsvp/internal.h"

#include <errno.h>
#include <stdlib.h>

/* ---- destinations ---- */

#define DESTINATION_KEY_LEN sizeof(((struct destination *)0)->key)

static unsigned destination_hash(const struct rsvp *rsvp, const struct destination *destination)
{
	return (unsigned)rsvp_digest64(rsvp->seed, &destination->key, DESTINATION_KEY_LEN);
}

static void set_destination(struct destination *destination, const struct rsvp_session *key)
{
	memcpy(destination->key.address, key->address, sizeof(key->address));
	destination->key.family = key->family;
	destination->key.protocol = key->protocol;
	destination->key.form = key->form;
}

static struct destination *find_destination(const struct rsvp *rsvp, const struct rsvp_session *key)
{
	struct destination probe = { 0 }, *destination;

	set_destination(&probe, key);
	HASH_FIND_BYHASHVALUE(hh, rsvp->destinations, &probe.key, DESTINATION_KEY_LEN,
			      destination_hash(rsvp, &probe), destination);
	return destination;
}

static struct destination *add_destination(struct rsvp *rsvp, const struct rsvp_session *key)
{
	struct destination *destination = calloc(1, sizeof(*destination));

	if (!destination)
		return NULL;
	set_destination(destination, key);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, rsvp->destinations, &destination->key, DESTINATION_KEY_LEN,
				    destination_hash(rsvp, destination), destination);
	if (!destination->hh.tbl) {
		free(destination);
		return NULL;
	}
	return destination;
}

static void put_destination(struct rsvp *rsvp, struct destination *destination)
{
	if (destination->sessions)
		return;
	if (destination->settling)
		DL_DELETE(rsvp->settling, destination);
	HASH_DEL(rsvp->destinations, destination);
	free(destination);
}

/* ---- sessions ---- */

static unsigned session_hash(const struct rsvp *rsvp, const struct rsvp_session *key)
{
	return (unsigned)rsvp_digest64(rsvp->seed, key, sizeof(*key));
}

struct session *rsvp_session_find(const struct rsvp *rsvp, const struct rsvp_session *key)
{
	struct session *session;

	HASH_FIND_BYHASHVALUE(hh, rsvp->sessions, key, sizeof(*key), session_hash(rsvp, key),
			      session);
	return session;
}

/* RFC 2205 §3.2: for one destination all ports are zero, or none is; so one session tells for all. */
static bool ports_conflict(const struct destination *destination, const struct rsvp_session *key)
{
	return destination && key->form == RSVP_FORM_PORTS &&
	       (destination->sessions->key.port == 0) != (key->port == 0);
}

static int add_session(struct rsvp *rsvp, struct destination *destination,
		       const struct rsvp_session *key, struct session **ret_session)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return -ENOMEM;
	if (!slots_take(&rsvp->slots, session)) {
		free(session);
		return -ENOMEM;
	}
	session->key = *key;
	session->destination = destination;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, rsvp->sessions, &session->key, sizeof(session->key),
				    session_hash(rsvp, key), session);
	if (!session->hh.tbl) {
		slots_give(&rsvp->slots, session);
		free(session);
		return -ENOMEM;
	}
	DL_APPEND2(destination->sessions, session, destination_prev, destination_next);
	rsvp->sizes.sessions++;
	*ret_session = session;
	return 0;
}

int rsvp_session_get(struct rsvp *rsvp, const struct rsvp_session *key,
		     struct session **ret_session)
{
	struct session *session = rsvp_session_find(rsvp, key);
	struct destination *destination;
	int r;

	if (session) {
		*ret_session = session;
		return 0;
	}
	destination = find_destination(rsvp, key);
	if (ports_conflict(destination, key))
		return -EADDRINUSE;
	if (rsvp->sizes.sessions >= rsvp->config.max_sessions)
		return -ENOBUFS;
	if (!destination)
		destination = add_destination(rsvp, key);
	if (!destination)
		return -ENOMEM;
	r = add_session(rsvp, destination, key, ret_session);
	if (r < 0)
		put_destination(rsvp, destination);
	return r;
}

void rsvp_session_put(struct rsvp *rsvp, struct session *session)
{
	if (session->senders || session->apps)
		return;
	DL_DELETE2(session->destination->sessions, session, destination_prev, destination_next);
	put_destination(rsvp, session->destination);
	HASH_DEL(rsvp->sessions, session);
	slots_give(&rsvp->slots, session);
	rsvp->sizes.sessions--;
	free(session);
}

bool rsvp_session_is_multicast(const struct session *session)
{
	struct address address;

	address = rsvp_session_host(&session->key);
	return address_is_multicast(&address);
}

/* ---- senders ---- */

static unsigned sender_hash(const struct rsvp *rsvp, const struct sender_key *key)
{
	return (unsigned)rsvp_digest64(rsvp->seed, key, sizeof(*key));
}

struct sender *rsvp_sender_find(const struct rsvp *rsvp, const struct session *session,
				const struct rsvp_sender *sender_key)
{
	struct sender_key key = { (struct session *)session, *sender_key };
	struct sender *sender;

	HASH_FIND_BYHASHVALUE(hh, rsvp->senders, &key, sizeof(key), sender_hash(rsvp, &key),
			      sender);
	return sender;
}

/* RFC 2205 §3.2: one host must not send with and without a port. */
static bool sender_ports_conflict(const struct rsvp *rsvp, const struct session *session,
				  const struct rsvp_sender *key)
{
	struct rsvp_sender without = *key;
	const struct sender *other;

	if (key->form != RSVP_FORM_PORTS)
		return false;
	if (key->id != 0) {
		without.id = 0;
		return rsvp_sender_find(rsvp, session, &without);
	}
	DL_FOREACH(session->senders, other) {
		if (other->key.sender.id != 0 &&
		    memcmp(other->key.sender.address, key->address, sizeof(key->address)) == 0)
			return true;
	}
	return false;
}

int rsvp_sender_get(struct rsvp *rsvp, struct session *session, const struct rsvp_sender *key,
		    struct sender **ret_sender)
{
	struct sender *sender = rsvp_sender_find(rsvp, session, key);

	if (sender) {
		*ret_sender = sender;
		return 0;
	}
	if (sender_ports_conflict(rsvp, session, key))
		return -EADDRINUSE;
	if (session->n_senders >= rsvp->config.max_senders_per_session)
		return -ENOBUFS;
	sender = calloc(1, sizeof(*sender));
	if (!sender)
		return -ENOMEM;
	sender->key = (struct sender_key){ session, *key };
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, rsvp->senders, &sender->key, sizeof(sender->key),
				    sender_hash(rsvp, &sender->key), sender);
	if (!sender->hh.tbl) {
		free(sender);
		return -ENOMEM;
	}
	DL_APPEND(session->senders, sender);
	session->n_senders++;
	rsvp->sizes.senders++;
	*ret_sender = sender;
	return 0;
}

void rsvp_sender_free(struct rsvp *rsvp, struct sender *sender)
{
	struct session *session = sender->key.session;

	DL_DELETE(session->senders, sender);
	session->n_senders--;
	rsvp->sizes.senders--;
	HASH_DEL(rsvp->senders, sender);
	free(sender);
	rsvp_session_put(rsvp, session);
}

struct out *rsvp_sender_out(const struct sender *sender, uint32_t ifindex)
{
	struct out *out;

	LL_FOREACH(sender->outs, out) {
		if (out->ifindex == ifindex)
			return out;
	}
	return NULL;
}

struct path *rsvp_sender_local_path(const struct sender *sender, uint32_t ifindex)
{
	struct path *path;

	if (!sender->to_local)
		return NULL;
	LL_FOREACH(sender->paths, path) {
		if (ifindex != 0 && path->in_ifindex == ifindex)
			return path;
	}
	return sender->path ? sender->path : sender->paths;
}

/* ---- previous hops ---- */

struct up *rsvp_up_find(const struct session *session, const struct address *address)
{
	struct up *up;

	DL_FOREACH(session->ups, up) {
		if (!up->app && address_equal(&up->hop.address, address))
			return up;
	}
	return NULL;
}

static bool is_up(const struct up *up, const struct rsvp_hop *hop, uint32_t ifindex,
		  const struct rsvp_app *app)
{
	if (up->app || app)
		return up->app == app;
	return up->ifindex == ifindex && memcmp(&up->hop, hop, sizeof(*hop)) == 0;
}

struct up *rsvp_up_get(struct session *session, const struct rsvp_hop *hop, uint32_t ifindex,
		       struct rsvp_app *app)
{
	struct up *up;

	DL_FOREACH(session->ups, up) {
		if (is_up(up, hop, ifindex, app))
			return up;
	}
	up = calloc(1, sizeof(*up));
	if (!up)
		return NULL;
	up->session = session;
	up->app = app;
	if (hop)
		up->hop = *hop;
	up->ifindex = ifindex;
	DL_APPEND(session->ups, up);
	return up;
}

void rsvp_path_attach(struct path *path, struct up *up)
{
	path->up = up;
	path->reserved = false;
	DL_APPEND2(up->paths, path, up_prev, up_next);
}

static void free_up(struct rsvp *rsvp, struct up *up)
{
	if (up->why != 0)
		LL_DELETE2(rsvp->dirty, up, dirty_next);
	if (up->blockade)
		rsvp_blockade_free(rsvp, up->blockade);
	rsvp_stop_timer(rsvp, &up->refresh);
	rsvp_advert_end(rsvp, &up->advert);
	DL_DELETE(up->session->ups, up);
	free(up);
}

void rsvp_path_detach(struct rsvp *rsvp, struct path *path)
{
	struct blockade *blockade = path->sender->blockade;
	struct up *up = path->up;

	if (blockade && blockade->up == up)
		rsvp_blockade_free(rsvp, blockade);
	DL_DELETE2(up->paths, path, up_prev, up_next);
	path->up = NULL;
	path->reserved = false;
	if (!up->paths)
		free_up(rsvp, up);
}
