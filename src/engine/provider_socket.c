/* SPDX-License-Identifier: MIT */
/* provider_socket.c: sockets, their parts, and what becomes of these when addresses change. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/provider_internal.h"

/* ---- owners ---- */

static struct holder *holder_find(const struct provider *provider, const struct owner *owner)
{
	struct holder *holder;

	HASH_FIND_PTR(provider->holders, &owner, holder);
	return holder;
}

static struct holder *holder_obtain(struct provider *provider, struct owner *owner)
{
	struct holder *holder = holder_find(provider, owner);

	if (holder)
		return holder;
	holder = calloc(1, sizeof(*holder));
	if (!holder)
		return NULL;
	holder->owner = owner;
	HASH_ADD_PTR(provider->holders, owner, holder);
	if (!holder->hh.tbl) {
		free(holder);
		return NULL;
	}
	return holder;
}

static void holder_release(struct provider *provider, struct holder *holder)
{
	if (holder->qsocks)
		return;
	HASH_DEL(provider->holders, holder);
	free(holder);
}

void provider_owner_gone(struct provider *provider, struct owner *owner, uint64_t now_us)
{
	struct holder *holder = holder_find(provider, owner);
	struct qsock *qsock, *next;

	provider->now_us = now_us;
	if (holder) {
		DL_FOREACH_SAFE(holder->qsocks, qsock, next)
			qsock_free(qsock); /* the holder goes with the last */
	}
	if (provider->signalling)
		provider->signalling->owner_gone(provider->signalling->user_data, owner, now_us);
}

/* ---- sockets ---- */

struct qsock *qsock_find(const struct provider *provider, uint64_t cookie)
{
	struct qsock *qsock;

	HASH_FIND(hh, provider->qsocks, &cookie, sizeof(cookie), qsock);
	return qsock;
}

static int qsock_new(struct provider *provider, struct owner *owner,
		     const struct engine_socket *socket, struct qsock **ret_qsock)
{
	struct holder *holder = holder_obtain(provider, owner);
	struct qsock *qsock = holder ? calloc(1, sizeof(*qsock)) : NULL;
	int r = -ENOMEM;

	if (!qsock)
		goto fail;
	qsock->provider = provider;
	qsock->holder = holder;
	qsock->socket = *socket;
	qsock->hears = true;
	r = engine_watch(provider->engine, owner, socket, &qsock->watch_id);
	if (r < 0)
		goto fail;
	HASH_ADD(hh, provider->qsocks, socket.cookie, sizeof(qsock->socket.cookie), qsock);
	if (!qsock->hh.tbl) {
		engine_remove(provider->engine, owner, qsock->watch_id, provider->now_us);
		r = -ENOMEM;
		goto fail;
	}
	DL_APPEND(holder->qsocks, qsock);
	*ret_qsock = qsock;
	return 0;
fail:
	free(qsock);
	if (holder)
		holder_release(provider, holder);
	return r;
}

/* Who asks last has it: a socket has one QoS, and whoever asks holds a descriptor of it. */
int qsock_obtain(struct provider *provider, struct owner *owner, const struct engine_socket *socket,
		 struct qsock **ret_qsock, bool *ret_fresh)
{
	struct qsock *qsock = qsock_find(provider, socket->cookie);

	if (qsock && qsock->holder->owner != owner) {
		qsock_free(qsock);
		qsock = NULL;
	}
	*ret_fresh = !qsock;
	if (!qsock)
		return qsock_new(provider, owner, socket, ret_qsock);
	*ret_qsock = qsock;
	return 0;
}

void qsock_free(struct qsock *qsock)
{
	struct provider *provider = qsock->provider;
	struct holder *holder = qsock->holder;

	qsock_end(qsock, DIRECTION_BOTH);
	while (qsock->parts)
		part_free(qsock->parts);
	engine_remove(provider->engine, holder->owner, qsock->watch_id, provider->now_us);
	HASH_DEL(provider->qsocks, qsock);
	DL_DELETE(holder->qsocks, qsock);
	free(qsock);
	holder_release(provider, holder);
}

bool qsock_can_signal(const struct qsock *qsock)
{
	return qsock->provider->signalling && !owner_info(qsock->holder->owner)->elsewhere;
}

void qsock_end(struct qsock *qsock, unsigned directions)
{
	struct part *part, *next;

	if (directions & DIRECTION_SEND) {
		sending_unref(qsock->sending);
		qsock->sending = NULL;
	}
	if (directions & DIRECTION_RECEIVE) {
		receiving_unref(qsock->receiving);
		qsock->receiving = NULL;
		qsock->hears = false;
	}
	DL_FOREACH_SAFE(qsock->parts, part, next) {
		if (directions & DIRECTION_SEND) {
			sending_unref(part->sending);
			part->sending = NULL;
		}
		if (directions & DIRECTION_RECEIVE) {
			receiving_unref(part->receiving);
			part->receiving = NULL;
		}
		sender_settle(part);
		receiver_settle(part);
		part_reap(part);
	}
}

/* ---- addresses ---- */

/* Where it receives, of what comes to the n-th address of this host; false: there are no more. */
static bool local_address(const struct qsock *qsock, size_t n, struct address *ret_address)
{
	const struct provider *provider = qsock->provider;
	const struct engine_socket *socket = &qsock->socket;
	bool everywhere = address_is_unspecified(&socket->local);

	if (socket->local.port == 0 || !qsock_can_signal(qsock) ||
	    (socket->protocol == IPPROTO_TCP && socket->peer.family == AF_UNSPEC))
		return false;
	if (n >= (everywhere ? provider->n_addresses : 1))
		return false;
	*ret_address = everywhere ? provider->addresses[n] : socket->local;
	ret_address->port = socket->local.port;
	return true;
}

static bool can_receive_at(const struct qsock *qsock, const struct address *address)
{
	return address->family != AF_UNSPEC && !address_is_loopback(address) &&
	       !address_is_multicast(address) &&
	       (qsock->socket.family == AF_INET6 || address->family == AF_INET);
}

static bool receives_at(const struct qsock *qsock, const struct address *wanted)
{
	struct address address;

	for (size_t n = 0; local_address(qsock, n, &address); n++) {
		if (can_receive_at(qsock, &address) && address_equal(&address, wanted))
			return true;
	}
	return false;
}

/* Who has been told where to send to now has a peer: the part of that one is its, others end (E16). */
static void readdress_sender(struct part *part)
{
	const struct address *peer = &part->qsock->socket.peer;
	bool is_peer = address_equal(&part->destination, peer);

	if (part->kind == PART_NAMED && is_peer)
		part->kind = PART_PEER;
	else if (!is_peer && (part->kind == PART_PEER || peer->family != AF_UNSPEC))
		part_free(part);
}

void qsock_readdress(struct qsock *qsock, const struct engine_socket *socket)
{
	const struct engine_socket before = qsock->socket;
	bool was_connected = before.peer.family != AF_UNSPEC;
	bool is_connected = socket->peer.family != AF_UNSPEC;
	struct part *part, *next;

	qsock->socket = *socket;
	if (address_equal(&before.local, &socket->local) &&
	    address_equal(&before.peer, &socket->peer))
		return;
	sock_renew(qsock->provider->engine, socket);
	if (was_connected && !is_connected)
		qsock_end(qsock, DIRECTION_BOTH); /* E6, E7 */
	if (!was_connected && is_connected && socket->protocol == IPPROTO_TCP)
		qsock->hears = true; /* another connection */
	DL_FOREACH_SAFE(qsock->parts, part, next) {
		switch (part->kind) {
		case PART_PEER:
		case PART_NAMED:
			readdress_sender(part);
			break;
		case PART_LOCAL:
			if (!receives_at(qsock, &part->destination))
				part_free(part);
			break;
		case PART_GROUP:
			break;
		}
	}
}

static int obtain(struct qsock *qsock, enum part_kind kind, const struct address *destination,
		  unsigned directions)
{
	struct part *part = part_find(qsock, kind, destination);

	return part ? 0 : part_new(qsock, kind, destination, directions, &part);
}

int qsock_arrange(struct qsock *qsock, bool sends)
{
	const struct address *peer = &qsock->socket.peer;
	struct address address;
	int r = 0;

	if (sends && peer->family != AF_UNSPEC)
		r = obtain(qsock, PART_PEER, peer, DIRECTION_SEND);
	for (size_t n = 0; r == 0 && local_address(qsock, n, &address); n++) {
		if (can_receive_at(qsock, &address))
			r = obtain(qsock, PART_LOCAL, &address, DIRECTION_RECEIVE);
	}
	return r;
}

int qsock_begin(struct qsock *qsock)
{
	struct part *part, *next;
	int first = qsock_arrange(qsock, qsock->sending);
	int r;

	DL_FOREACH_SAFE(qsock->parts, part, next) {
		r = 0;
		part->fresh = false;
		if (part->kind == PART_PEER && !part->sending)
			r = sender_begin(part, qsock->sending);
		else if (part->sending)
			r = sender_begin(part, part->sending);
		if (r < 0 && first == 0)
			first = r;
		if (part->directions & DIRECTION_RECEIVE)
			r = receiver_begin(part, part->kind == PART_LOCAL ? qsock->receiving
									  : part->receiving);
		if (r < 0 && first == 0)
			first = r;
		sender_settle(part);
		receiver_settle(part);
		part_reap(part);
	}
	return first;
}

/* ---- parts ---- */

struct part *part_find(const struct qsock *qsock, enum part_kind kind,
		       const struct address *destination)
{
	struct part *part;

	DL_FOREACH(qsock->parts, part) {
		if (part->kind == kind && address_equal(&part->destination, destination))
			return part;
	}
	return NULL;
}

/* Reservations are for an address, on whatever link it is. */
static struct target_key target_key(const struct address *destination, uint32_t protocol)
{
	struct target_key key = { *destination, protocol };

	key.destination.scope = 0;
	return key;
}

struct target *target_find(const struct provider *provider, const struct address *destination,
			   uint32_t protocol)
{
	struct target_key key = target_key(destination, protocol);
	struct target *target;

	HASH_FIND(hh, provider->targets, &key, sizeof(key), target);
	return target;
}

static int target_join(struct part *part)
{
	struct provider *provider = part->qsock->provider;
	uint32_t protocol = (uint32_t)part->qsock->socket.protocol;
	struct target *target = target_find(provider, &part->destination, protocol);

	if (!target) {
		target = calloc(1, sizeof(*target));
		if (!target)
			return -ENOMEM;
		target->key = target_key(&part->destination, protocol);
		HASH_ADD(hh, provider->targets, key, sizeof(target->key), target);
		if (!target->hh.tbl) {
			free(target);
			return -ENOMEM;
		}
	}
	part->target = target;
	DL_APPEND2(target->parts, part, target_prev, target_next);
	return 0;
}

static void target_leave(struct part *part)
{
	struct target *target = part->target;

	if (!target)
		return;
	DL_DELETE2(target->parts, part, target_prev, target_next);
	if (target->parts)
		return;
	HASH_DEL(part->qsock->provider->targets, target);
	free(target);
}

int part_new(struct qsock *qsock, enum part_kind kind, const struct address *destination,
	     unsigned directions, struct part **ret_part)
{
	struct part *part = calloc(1, sizeof(*part));

	if (!part)
		return -ENOMEM;
	part->qsock = qsock;
	part->kind = kind;
	part->destination = *destination;
	part->directions = directions;
	part->fresh = true;
	part->resv.dscp = -1;
	if ((directions & DIRECTION_SEND) && target_join(part) < 0) {
		free(part);
		return -ENOMEM;
	}
	DL_APPEND(qsock->parts, part);
	*ret_part = part;
	return 0;
}

void part_free(struct part *part)
{
	struct qsock *qsock = part->qsock;

	part->directions = 0;
	sending_unref(part->sending);
	receiving_unref(part->receiving);
	part->sending = NULL;
	part->receiving = NULL;
	sender_settle(part);
	receiver_settle(part);
	if (part->due)
		DL_DELETE2(qsock->provider->due, part, due_prev, due_next);
	target_leave(part);
	DL_DELETE(qsock->parts, part);
	free(part);
}

/* A group stays until it is left. */
void part_reap(struct part *part)
{
	bool asked = (part->sending && service_is_signalled(part->sending->direction.service)) ||
		     (part->receiving && service_is_signalled(part->receiving->direction.service));

	if (part->kind != PART_GROUP && part->session == 0 && part->flow_id == 0 && !asked)
		part_free(part);
}

/* ---- sessions ---- */

struct part *part_by_session(const struct provider *provider, uint32_t session)
{
	struct part *part;

	HASH_FIND(hh, provider->sessions, &session, sizeof(session), part);
	return part;
}

/* The routes say where a session is, save where an address means nothing without its link. */
static uint32_t session_link(const struct part *part)
{
	if (part->destination.scope != 0)
		return part->destination.scope;
	return part->kind == PART_GROUP ? (uint32_t)part->qsock->socket.bound_ifindex : 0;
}

int part_open(struct part *part)
{
	struct provider *provider = part->qsock->provider;
	const struct signalling *signalling = provider->signalling;
	const struct signalling_session session = {
		.destination = part->destination,
		.protocol = (uint8_t)part->qsock->socket.protocol,
		.ifindex = session_link(part),
	};
	struct owner *owner = part_owner(part);
	uint32_t id;
	int r;

	provider->opening = part;
	r = signalling->open(signalling->user_data, owner, &session, &id, provider->now_us);
	provider->opening = NULL;
	if (r < 0) {
		heard_forget(part);
		return r;
	}
	part->session = id;
	HASH_ADD(hh, provider->sessions, session, sizeof(part->session), part);
	if (!part->hh.tbl) {
		part->session = 0;
		heard_forget(part);
		signalling->close(signalling->user_data, owner, id, provider->now_us);
		return -ENOMEM;
	}
	return 0;
}

void part_close(struct part *part)
{
	struct provider *provider = part->qsock->provider;
	const struct signalling *signalling = provider->signalling;

	if (part->session == 0)
		return;
	sender_forget(part);
	receiver_forget(part);
	part->closing = true;
	signalling->close(signalling->user_data, part_owner(part), part->session, provider->now_us);
	part->closing = false;
	HASH_DEL(provider->sessions, part);
	part->session = 0;
}
