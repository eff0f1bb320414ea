/* SPDX-License-Identifier: MIT */
/*
 * provider_set.c: what programs ask of a socket, and of a group. All of a request is done or nothing: each part it
 * concerns begins what is new, and remembers what it had; when one fails, those before it take that back. Then, and
 * only then, what is not asked for any more ends.
 */
#include <errno.h>

#include "engine/provider_internal.h"

/* What is asked of one direction; `keep`: what it has, with these flags besides. */
struct change {
	struct address destination; /* AF_UNSPEC: none was named */
	bool keep_sending, keep_receiving;
	uint32_t sending_flags, receiving_flags;
	struct sending *sending;
	struct receiving *receiving;
};

/* ---- what is asked ---- */

static void change_free(struct change *change)
{
	sending_unref(change->sending);
	receiving_unref(change->receiving);
}

static int change_make(const struct provider_request *request, struct change *ret_change)
{
	const struct gw_qos *qos = &request->qos;
	struct change change = {
		.destination = request->destination,
		.keep_sending = qos->sending.service == GW_QOS_KEEP,
		.keep_receiving = qos->receiving.service == GW_QOS_KEEP,
		.sending_flags = qos->sending.flags,
		.receiving_flags = qos->receiving.flags,
	};

	if (!change.keep_sending)
		change.sending = sending_new(qos);
	if (!change.keep_receiving)
		change.receiving = receiving_new(qos);
	if ((!change.keep_sending && !change.sending) ||
	    (!change.keep_receiving && !change.receiving)) {
		change_free(&change);
		return -ENOMEM;
	}
	*ret_change = change;
	return 0;
}

/* What a part, or the socket, is to have in place of what it has; with a reference. */
static int next_sending(const struct change *change, struct sending *has,
			struct sending **ret_sending)
{
	if (!change->keep_sending)
		*ret_sending = sending_ref(change->sending);
	else if (has && (change->sending_flags & ~has->direction.flags))
		*ret_sending = sending_with_flags(has, change->sending_flags);
	else
		*ret_sending = sending_ref(has);
	return *ret_sending || (change->keep_sending && !has) ? 0 : -ENOMEM;
}

static int next_receiving(const struct change *change, struct receiving *has,
			  struct receiving **ret_receiving)
{
	if (!change->keep_receiving)
		*ret_receiving = receiving_ref(change->receiving);
	else if (has && (change->receiving_flags & ~has->direction.flags))
		*ret_receiving = receiving_with_flags(has, change->receiving_flags);
	else
		*ret_receiving = receiving_ref(has);
	return *ret_receiving || (change->keep_receiving && !has) ? 0 : -ENOMEM;
}

static bool begins_sending(const struct change *change)
{
	return !change->keep_sending && change->sending->direction.service != GW_QOS_NONE;
}

static bool wants_to_receive(const struct receiving *receiving)
{
	return receiving && service_is_signalled(receiving->direction.service);
}

static bool begins_receiving(const struct change *change)
{
	return !change->keep_receiving && wants_to_receive(change->receiving);
}

/* ---- parts ---- */

/* A named destination is meant alone; without one those named before end with the rest, but do not change with it. */
static bool sends_otherwise(const struct part *part, const struct change *change)
{
	bool named = change->destination.family != AF_UNSPEC &&
		     part->qsock->socket.peer.family == AF_UNSPEC;

	if (!(part->directions & DIRECTION_SEND))
		return false;
	if (named)
		return part->kind == PART_NAMED &&
		       address_equal(&part->destination, &change->destination);
	return part->kind != PART_NAMED || change->keep_sending ||
	       !service_is_signalled(change->sending->direction.service);
}

static void touch(struct part *part)
{
	part->touched = true;
	part->sending_before = sending_ref(part->sending);
	part->receiving_before = receiving_ref(part->receiving);
}

static void untouch(struct part *part)
{
	part->touched = part->fresh = false;
	sending_unref(part->sending_before);
	receiving_unref(part->receiving_before);
	part->sending_before = NULL;
	part->receiving_before = NULL;
}

static int begin_sending(struct part *part, const struct change *change)
{
	struct sending *has = part->sending, *next;
	int r = 0;

	if (!has && part->kind == PART_PEER)
		has = part->qsock->sending;
	if (sends_otherwise(part, change))
		r = next_sending(change, has, &next);
	else
		next = sending_ref(has);
	if (r == 0 && next)
		r = sender_begin(part, next);
	sending_unref(next);
	return r;
}

static int begin_receiving(struct part *part, const struct change *change)
{
	struct receiving *has = part->receiving, *next;
	int r;

	if (!(part->directions & DIRECTION_RECEIVE))
		return 0;
	if (!has && part->kind == PART_LOCAL)
		has = part->qsock->receiving;
	r = next_receiving(change, has, &next);
	if (r == 0)
		r = receiver_begin(part, next);
	receiving_unref(next);
	return r;
}

static int begin_part(struct part *part, const struct change *change)
{
	int r;

	touch(part);
	r = begin_sending(part, change);
	return r < 0 ? r : begin_receiving(part, change);
}

static void settle(struct qsock *qsock)
{
	struct part *part, *next;

	DL_FOREACH_SAFE(qsock->parts, part, next) {
		untouch(part);
		sender_settle(part);
		receiver_settle(part);
		part_reap(part);
	}
}

/* As it was before: what it had goes on, what it had not ends. */
static void take_back(struct part *part)
{
	if (part->sending_before) {
		sender_begin(part, part->sending_before);
	} else {
		sending_unref(part->sending);
		part->sending = NULL;
	}
	if (part->receiving != part->receiving_before)
		receiver_begin(part, part->receiving_before);
}

static void roll_back(struct qsock *qsock)
{
	struct part *part, *next;

	DL_FOREACH_SAFE(qsock->parts, part, next) {
		bool fresh = part->fresh;

		if (part->touched && !fresh)
			take_back(part);
		untouch(part);
		if (fresh) {
			part_free(part);
			continue;
		}
		sender_settle(part);
		receiver_settle(part);
	}
}

/* ---- sockets ---- */

static int arrange(struct qsock *qsock, const struct change *change)
{
	bool connected = qsock->socket.peer.family != AF_UNSPEC;
	struct part *part;
	int r;

	r = qsock_arrange(qsock, begins_sending(change) || qsock->sending);
	if (r < 0 || connected || change->destination.family == AF_UNSPEC ||
	    !begins_sending(change) || part_find(qsock, PART_NAMED, &change->destination))
		return r;
	return part_new(qsock, PART_NAMED, &change->destination, DIRECTION_SEND, &part);
}

static int begin_all(struct qsock *qsock, const struct change *change)
{
	struct part *part;
	int r = arrange(qsock, change);

	DL_FOREACH(qsock->parts, part) {
		if (r < 0)
			break;
		r = begin_part(part, change);
	}
	return r;
}

static bool receives_anywhere(const struct qsock *qsock)
{
	const struct part *part;

	DL_FOREACH(qsock->parts, part) {
		if (wants_to_receive(part->receiving))
			return true;
	}
	return wants_to_receive(qsock->receiving);
}

/* Who takes back what it wanted does not want to hear of senders either, until it wants something again (§16.6). */
static bool hears_then(const struct qsock *qsock, const struct change *change)
{
	if (change->keep_receiving)
		return qsock->hears;
	if (begins_receiving(change))
		return true;
	return qsock->hears && !receives_anywhere(qsock);
}

static int qsock_change(struct qsock *qsock, const struct change *change)
{
	bool heard = qsock->hears;
	struct sending *sending = NULL;
	struct receiving *receiving = NULL;
	int r;

	r = next_sending(change, qsock->sending, &sending);
	if (r == 0)
		r = next_receiving(change, qsock->receiving, &receiving);
	qsock->hears = hears_then(qsock, change);
	if (r == 0)
		r = begin_all(qsock, change);
	if (r < 0) {
		qsock->hears = heard;
		roll_back(qsock);
		sending_unref(sending);
		receiving_unref(receiving);
		return r;
	}
	sending_unref(qsock->sending);
	receiving_unref(qsock->receiving);
	qsock->sending = sending;
	qsock->receiving = receiving;
	settle(qsock);
	return 0;
}

/* What has been shut down, also before it was known here, does not begin again (§16.4). */
static int check_shut(const struct qsock *qsock, const struct engine_socket *socket,
		      const struct change *change)
{
	bool sends = !change->keep_sending &&
		     service_is_signalled(change->sending->direction.service);
	unsigned shut = qsock->shut | socket->shut;

	if ((sends && (shut & DIRECTION_SEND)) ||
	    (begins_receiving(change) && (shut & DIRECTION_RECEIVE)))
		return -ESHUTDOWN;
	return 0;
}

static bool has_group(const struct qsock *qsock)
{
	const struct part *part;

	DL_FOREACH(qsock->parts, part) {
		if (part->kind == PART_GROUP)
			return true;
	}
	return false;
}

/* The end of one destination that there is no session with is none; with groups there never is (§16.3, E8, E9). */
static bool ends_nothing(const struct qsock *qsock, const struct change *change)
{
	if (change->keep_sending || change->destination.family == AF_UNSPEC ||
	    qsock->socket.peer.family != AF_UNSPEC ||
	    service_is_signalled(change->sending->direction.service) ||
	    part_find(qsock, PART_NAMED, &change->destination))
		return false;
	return change->sending->direction.service == GW_QOS_NONE || has_group(qsock);
}

/* The socket as it is now, if it may have what is asked. */
static int change_begin(struct provider *provider, struct owner *owner,
			const struct engine_socket *socket, const struct change *change,
			struct qsock **ret_qsock, bool *ret_fresh)
{
	int r = qsock_obtain(provider, owner, socket, ret_qsock, ret_fresh);

	if (r == 0)
		r = check_shut(*ret_qsock, socket, change);
	if (r == 0)
		qsock_readdress(*ret_qsock, socket);
	return r;
}

/* What came of it is `r`: who has had nothing before has nothing then, if it failed. */
static int change_end(struct qsock *qsock, bool fresh, int r)
{
	qsock->socket.fd = -1;
	if (r < 0 && fresh)
		qsock_free(qsock);
	return r;
}

int provider_set(struct provider *provider, struct owner *owner, const struct engine_socket *socket,
		 const struct provider_request *request, uint64_t now_us)
{
	struct change change;
	struct qsock *qsock;
	bool fresh;
	int r;

	provider->now_us = now_us;
	r = ask_check(provider, owner, socket, request);
	if (r == 0)
		r = change_make(request, &change);
	if (r < 0)
		return r;
	r = change_begin(provider, owner, socket, &change, &qsock, &fresh);
	if (r == 0) {
		change.keep_sending |= ends_nothing(qsock, &change);
		r = change_end(qsock, fresh, qsock_change(qsock, &change));
	}
	change_free(&change);
	return r;
}

int provider_look(struct provider *provider, struct owner *owner,
		  const struct engine_socket *socket, uint64_t now_us)
{
	struct qsock *qsock = qsock_find(provider, socket->cookie);
	bool fresh;
	int r;

	provider->now_us = now_us;
	if (socket->protocol != IPPROTO_TCP && socket->protocol != IPPROTO_UDP)
		return -EDESTADDRREQ;
	if (qsock && qsock->holder->owner != owner)
		return 0; /* to look is not to ask */
	r = qsock_obtain(provider, owner, socket, &qsock, &fresh);
	if (r < 0)
		return r;
	qsock_readdress(qsock, socket);
	r = qsock_begin(qsock);
	qsock->socket.fd = -1;
	return r;
}

/* ---- groups ---- */

static int check_group(const struct provider *provider, const struct owner *owner,
		       const struct engine_socket *socket, const struct address *group,
		       uint32_t directions, const struct provider_request *request)
{
	struct provider_request own;

	if (socket->protocol != IPPROTO_UDP)
		return -EDESTADDRREQ;
	if (!address_is_multicast(group) || group->port == 0 || directions == 0 ||
	    (directions & ~(GW_QOS_SENDING | GW_QOS_RECEIVING)))
		return -EINVAL;
	if (socket->family == AF_INET && group->family != AF_INET)
		return -EAFNOSUPPORT;
	if (!request)
		return 0;
	own = *request;
	own.destination = (struct address){ 0 };
	return ask_check(provider, owner, socket, &own);
}

static int begin_group(struct qsock *qsock, const struct address *group, unsigned directions,
		       const struct change *change)
{
	struct sending *sending = NULL;
	struct receiving *receiving = NULL;
	struct part *part;
	int r;

	if (part_find(qsock, PART_GROUP, group))
		return -EISCONN;
	r = part_new(qsock, PART_GROUP, group, directions, &part);
	if (r < 0)
		return r;
	r = next_sending(change, qsock->sending, &sending);
	if (r == 0)
		r = next_receiving(change, qsock->receiving, &receiving);
	if (r == 0 && (directions & DIRECTION_SEND) && sending)
		r = sender_begin(part, sending);
	if (r == 0 && (directions & DIRECTION_RECEIVE))
		r = receiver_begin(part, receiving);
	sending_unref(sending);
	receiving_unref(receiving);
	part->fresh = false;
	if (r < 0)
		part_free(part);
	return r;
}

int provider_join(struct provider *provider, struct owner *owner,
		  const struct engine_socket *socket, const struct address *group,
		  uint32_t directions, const struct provider_request *request, uint64_t now_us)
{
	struct change change = { .keep_sending = true, .keep_receiving = true };
	struct qsock *qsock;
	bool fresh;
	int r;

	provider->now_us = now_us;
	r = check_group(provider, owner, socket, group, directions, request);
	if (r == 0 && request)
		r = change_make(request, &change);
	if (r < 0)
		return r;
	r = change_begin(provider, owner, socket, &change, &qsock, &fresh);
	if (r == 0)
		r = change_end(qsock, fresh,
			       begin_group(qsock, group, directions_of(directions), &change));
	change_free(&change);
	return r;
}

int provider_leave(struct provider *provider, struct owner *owner, uint64_t cookie,
		   const struct address *group, uint64_t now_us)
{
	struct qsock *qsock = qsock_find(provider, cookie);
	struct part *part = qsock ? part_find(qsock, PART_GROUP, group) : NULL;

	(void)owner; /* whoever holds a descriptor of it */
	provider->now_us = now_us;
	if (part)
		part_free(part);
	return 0;
}
