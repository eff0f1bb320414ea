/* SPDX-License-Identifier: MIT */
/* provider.c: the provider's life, what it knows of the host, and the ends of sockets. See provider.h. */
#include "engine/provider_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void provider_config_default(struct provider_config *ret_config)
{
	*ret_config = (struct provider_config){
		.controlled_load = { 0x18, 4 },
		.guaranteed = { 0x28, 5 },
		.network_control = { 0x30, 7 },
		.excess = { 0, 1 },
	};
}

struct provider *provider_new(struct engine *engine, const struct provider_ports *ports)
{
	struct provider *provider = calloc(1, sizeof(*provider));

	if (!provider)
		return NULL;
	provider->engine = engine;
	provider->ports = *ports;
	provider_config_default(&provider->config);
	engine->provider = provider;
	return provider;
}

struct provider *provider_free(struct provider *provider)
{
	struct qsock *qsock, *next;

	if (!provider)
		return NULL;
	HASH_ITER(hh, provider->qsocks, qsock, next)
		qsock_free(qsock);
	provider->engine->provider = NULL;
	free(provider->addresses);
	free(provider);
	return NULL;
}

void provider_configure(struct provider *provider, const struct provider_config *config)
{
	provider->config = *config;
}

void provider_run(struct provider *provider, uint64_t now_us)
{
	provider->now_us = now_us;
	while (provider->due) {
		struct part *part = provider->due;

		part->due = false;
		DL_DELETE2(provider->due, part, due_prev, due_next);
		receiver_run(part);
	}
}

/* ---- the host ---- */

/* What the owner has not ended itself it is told of: once for each direction that was signalled. */
static void tell_ended(const struct qsock *qsock, unsigned directions)
{
	const struct part *part, *sender = NULL, *receiver = NULL;

	DL_FOREACH(qsock->parts, part) {
		if (part->sent)
			sender = part;
		if (part->session != 0 && part->receiving &&
		    service_is_signalled(part->receiving->direction.service))
			receiver = part;
	}
	if (sender && (directions & DIRECTION_SEND))
		tell_error(sender, GW_EVENT_RSVP_PATH_ERROR, ERROR_SYSTEM, 0);
	if (receiver && (directions & DIRECTION_RECEIVE))
		tell_error(receiver, GW_EVENT_RSVP_RESV_ERROR, ERROR_SYSTEM, 0);
}

static void begin_everywhere(struct provider *provider)
{
	struct qsock *qsock, *next;

	HASH_ITER(hh, provider->qsocks, qsock, next)
		qsock_begin(qsock);
}

/* E26 */
static void end_everywhere(struct provider *provider)
{
	struct qsock *qsock, *next;

	HASH_ITER(hh, provider->qsocks, qsock, next) {
		tell_ended(qsock, DIRECTION_BOTH);
		qsock_end(qsock, DIRECTION_BOTH);
	}
}

void provider_set_signalling(struct provider *provider, const struct signalling *signalling,
			     uint64_t now_us)
{
	provider->now_us = now_us;
	if (signalling == provider->signalling)
		return;
	if (provider->signalling)
		end_everywhere(provider);
	provider->signalling = signalling;
	if (signalling)
		begin_everywhere(provider);
}

struct own_addresses {
	const struct address *addresses;
	size_t n;
};

static bool has_address(const struct own_addresses *own, const struct address *address)
{
	for (size_t i = 0; i < own->n; i++) {
		if (memcmp(own->addresses[i].addr, address->addr, sizeof(address->addr)) == 0)
			return true;
	}
	return false;
}

/* E20: the address that the socket is bound to was ours, and has gone. */
static bool has_lost_address(const struct qsock *qsock, const struct own_addresses *before,
			     const struct own_addresses *now)
{
	const struct address *local = &qsock->socket.local;

	return !owner_info(qsock->holder->owner)->elsewhere && !address_is_unspecified(local) &&
	       has_address(before, local) && !has_address(now, local);
}

static void on_addresses(struct qsock *qsock, const struct own_addresses *before,
			 const struct own_addresses *now)
{
	struct part *part, *next;

	if (has_lost_address(qsock, before, now)) {
		tell_ended(qsock, DIRECTION_BOTH);
		qsock_end(qsock, DIRECTION_BOTH);
		return;
	}
	if (!address_is_unspecified(&qsock->socket.local))
		return;
	DL_FOREACH_SAFE(qsock->parts, part, next) {
		if (part->kind == PART_LOCAL && !has_address(now, &part->destination))
			part_free(part);
	}
	qsock_begin(qsock);
}

void provider_set_addresses(struct provider *provider, const struct address *addresses, size_t n,
			    uint64_t now_us)
{
	struct own_addresses before = { provider->addresses, provider->n_addresses }, now;
	struct address *own = calloc(n > 0 ? n : 1, sizeof(*own));
	struct qsock *qsock, *next;

	provider->now_us = now_us;
	if (!own)
		return; /* as it was; the next change tells all of them again */
	for (size_t i = 0; i < n; i++) {
		own[i] = addresses[i];
		own[i].port = 0;
	}
	provider->addresses = own;
	provider->n_addresses = n;
	now = (struct own_addresses){ own, n };
	HASH_ITER(hh, provider->qsocks, qsock, next)
		on_addresses(qsock, &before, &now);
	free((struct address *)before.addresses);
}

/* ---- ends ---- */

/* END-SEND and END-RECV are idempotent: what has ended already is not there any more. */
int provider_end(struct provider *provider, struct owner *owner, const struct engine_socket *socket,
		 uint32_t directions, uint64_t now_us)
{
	/* Whoever holds a descriptor of it may. */
	struct qsock *qsock = qsock_find(provider, socket->cookie);
	unsigned ended = directions_of(directions);
	bool fresh;
	int r;

	provider->now_us = now_us;
	if (!qsock && (directions & GW_QOS_SHUT) && ended) {
		r = qsock_obtain(provider, owner, socket, &qsock, &fresh);
		if (r < 0)
			return r;
		qsock->socket.fd = -1;
	}
	if (!qsock)
		return 0;
	if (directions & GW_QOS_SHUT)
		qsock->shut |= ended;
	qsock_end(qsock, ended);
	return 0;
}

void provider_socket_ended(struct provider *provider, uint64_t cookie, unsigned directions,
			   enum end_reason reason, uint64_t now_us)
{
	struct qsock *qsock = qsock_find(provider, cookie);

	if (!qsock)
		return;
	provider->now_us = now_us;
	if (reason == END_CLOSED) {
		qsock_free(qsock);
		return;
	}
	if (reason == END_DISCONNECTED) {
		/* A connection that has failed leaves what was asked for the next one (§7.2). */
		if (qsock->socket.protocol == IPPROTO_TCP && qsock->socket.peer.family == AF_UNSPEC)
			return;
		qsock->socket.peer = (struct address){ 0 };
		directions = DIRECTION_BOTH;
	}
	if (reason == END_SHUTDOWN)
		qsock->shut |= directions;
	qsock_end(qsock, directions);
}

/* ---- asking ---- */

static uint32_t end_to_end(const struct qsock *qsock)
{
	uint32_t known = UINT32_MAX;
	const struct heard *heard;
	const struct part *part;

	DL_FOREACH(qsock->parts, part) {
		if (part->resv.stands)
			known = 1;
		DL_FOREACH(part->heard, heard) {
			if (!heard->path.known || !part_matches(part, heard))
				continue;
			if (heard->path.broken)
				return 0;
			known = 1;
		}
	}
	return known;
}

static bool is_reserved(const struct qsock *qsock)
{
	const struct part *part;

	DL_FOREACH(qsock->parts, part) {
		if (part->resv.stands)
			return true;
	}
	return false;
}

uint32_t provider_link_to(const struct provider *provider, const struct engine_socket *socket,
			  const struct address *destination)
{
	const struct engine *engine = provider->engine;
	struct engine_route route = { .ifindex = (uint32_t)socket->bound_ifindex };

	if (route.ifindex == 0 && destination->family != AF_UNSPEC &&
	    engine->ports.route(engine->ports.user_data, destination, socket, &route) < 0)
		return 0;
	return route.ifindex;
}

/* Where it sends: to its peer, or what it has named first. */
static const struct address *destination_of(const struct engine_socket *socket,
					    const struct qsock *qsock)
{
	const struct part *part;

	if (socket->peer.family != AF_UNSPEC || !qsock)
		return &socket->peer;
	DL_FOREACH(qsock->parts, part) {
		if (part->directions & DIRECTION_SEND)
			return &part->destination;
	}
	return &socket->peer;
}

/* What the administrator has said of a link that is handed over, else what the driver says of it. */
static uint64_t link_bps(const struct provider *provider, const struct engine_socket *socket,
			 const struct qsock *qsock)
{
	uint32_t ifindex = provider_link_to(provider, socket, destination_of(socket, qsock));
	struct admission_books books;

	if (ifindex == 0)
		return 0;
	admission_books(provider->engine->admission, ifindex, &books);
	return books.rate_bps != 0
		       ? books.rate_bps
		       : provider->ports.link_speed_bps(provider->ports.user_data, ifindex);
}

/* A datapath of socket options has nothing that would hold datagrams back. */
static bool has_traffic_control(const struct provider *provider, const struct engine_socket *socket)
{
	const struct datapath_ops *datapath = provider->engine->ports.datapath;

	return datapath->meter && (!datapath->needs_descriptor || socket->protocol == IPPROTO_TCP);
}

int provider_query(struct provider *provider, struct owner *owner,
		   const struct engine_socket *socket, struct gw_qos_info *ret_info)
{
	const struct qsock *qsock = qsock_find(provider, socket->cookie);
	const struct gw_qos_direction nothing = { .latency_us = UINT32_MAX,
						  .slack_us = UINT32_MAX };

	*ret_info = (struct gw_qos_info){
		.size = sizeof(*ret_info),
		.sending = qsock && qsock->sending ? qsock->sending->direction : nothing,
		.receiving = qsock && qsock->receiving ? qsock->receiving->direction : nothing,
		.signals = provider->signalling && !owner_info(owner)->elsewhere,
		.traffic_control = has_traffic_control(provider, socket),
		.link_bps = link_bps(provider, socket, qsock),
		.end_to_end = qsock ? end_to_end(qsock) : UINT32_MAX,
		.sending_reserved = qsock && is_reserved(qsock),
		.max_unreserved_bps = provider->config.max_unreserved_bps,
	};
	return 0;
}
