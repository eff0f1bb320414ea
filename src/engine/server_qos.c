/* SPDX-License-Identifier: MIT */
/*
 * server_qos.c: the requests about the QoS of sockets, between their messages and the provider. Form is checked here;
 * what the numbers mean, and whether they can be had, is the provider's.
 */
#include <errno.h>

#include "engine/server_internal.h"
#include "proto/qos.h"

#define INFO_ROOM 512u

/* The one socket that came with the request. */
static int socket_of(struct call *call, struct engine_socket *ret_socket)
{
	struct server *server = call->server;

	if (call->n_fds != 1)
		return -ENOTSOCK;
	return server->ports.identify(server->ports.user_data, call->fds[0], false, ret_socket);
}

static bool is_service(enum gw_qos_service service)
{
	switch (service) {
	case GW_QOS_NONE:
	case GW_QOS_BEST_EFFORT:
	case GW_QOS_CONTROLLED_LOAD:
	case GW_QOS_GUARANTEED:
	case GW_QOS_EITHER:
	case GW_QOS_KEEP:
	case GW_QOS_NETWORK_CONTROL:
	case GW_QOS_QUALITATIVE:
		return true;
	}
	return false;
}

static bool is_direction(const struct gw_qos_direction *said)
{
	return is_service(said->service) &&
	       !(said->flags & ~(GW_QOS_NO_SIGNALLING | GW_QOS_NO_TRAFFIC_CONTROL));
}

static bool is_style(uint32_t style)
{
	return style == 0 || style == GW_RSVP_FF || style == GW_RSVP_WF || style == GW_RSVP_SE;
}

static int check(const struct gw_qos *qos)
{
	if (!is_direction(&qos->sending) || !is_direction(&qos->receiving))
		return -EINVAL;
	if (qos->dscp < -1 || qos->dscp > 63 || qos->priority < -1 || qos->priority > 7)
		return -EINVAL;
	if (qos->excess > GW_QOS_EXCESS_DISCARD || !is_style(qos->style) || qos->confirm > 1)
		return -EINVAL;
	return 0;
}

static int request_of(const struct call *call, struct qos_request *decoded,
		      struct provider_request *ret_request)
{
	int r = qos_decode(&call->request->qos, decoded);

	if (r == 0)
		r = check(&decoded->qos);
	if (r < 0)
		return r;
	ret_request->qos = decoded->qos;
	ret_request->destination = (struct address){ 0 };
	if (decoded->qos.destination.ss_family == AF_UNSPEC)
		return 0;
	return address_from_sockaddr((const struct sockaddr *)&decoded->qos.destination,
				     sizeof(decoded->qos.destination), &ret_request->destination);
}

/* What is signalled is signalled in the host's own network namespace. */
static int begin(struct call *call, struct engine_socket *ret_socket)
{
	return owner_info(call->owner)->elsewhere ? -EXDEV : socket_of(call, ret_socket);
}

int server_on_qos_set(struct call *call)
{
	struct provider_request request;
	struct engine_socket socket;
	struct qos_request decoded;
	int r = begin(call, &socket);

	if (r == 0)
		r = request_of(call, &decoded, &request);
	if (r < 0)
		return r;
	return provider_set(call->server->provider, call->owner, &socket, &request, call->now_us);
}

int server_on_qos_look(struct call *call)
{
	struct engine_socket socket;
	int r = begin(call, &socket);

	if (r == 0)
		r = provider_look(call->server->provider, call->owner, &socket, call->now_us);
	if (r < 0)
		return r;
	MSG_SET(&call->reply, TAG_COOKIE, cookie, socket.cookie);
	return 0;
}

int server_on_qos_end(struct call *call)
{
	uint32_t directions = call->request->flags;
	struct engine_socket socket;
	int r = begin(call, &socket);

	if (r < 0)
		return r;
	if (directions & ~(GW_QOS_SENDING | GW_QOS_RECEIVING | GW_QOS_SHUT))
		return -EINVAL;
	return provider_end(call->server->provider, call->owner, &socket, directions, call->now_us);
}

int server_on_qos_join(struct call *call)
{
	const struct msg *m = call->request;
	bool has_own = MSG_HAS(m, TAG_QOS);
	struct provider_request request;
	struct engine_socket socket;
	struct qos_request decoded;
	int r = begin(call, &socket);

	if (r == 0 && has_own)
		r = request_of(call, &decoded, &request);
	if (r < 0)
		return r;
	if (m->flags == 0 || (m->flags & ~(GW_QOS_SENDING | GW_QOS_RECEIVING)))
		return -EINVAL;
	return provider_join(call->server->provider, call->owner, &socket, &m->address, m->flags,
			     has_own ? &request : NULL, call->now_us);
}

int server_on_qos_leave(struct call *call)
{
	struct engine_socket socket;
	int r = begin(call, &socket);

	if (r < 0)
		return r;
	return provider_leave(call->server->provider, call->owner, socket.cookie,
			      &call->request->address, call->now_us);
}

int server_on_qos_query(struct call *call)
{
	struct gw_qos_info info = { .size = sizeof(info) };
	unsigned char nested[INFO_ROOM];
	struct engine_socket socket;
	int r = begin(call, &socket);
	long len;

	if (r == 0)
		r = provider_query(call->server->provider, call->owner, &socket, &info);
	if (r < 0)
		return r;
	len = qos_info_encode(&info, nested, sizeof(nested));
	if (len < 0)
		return (int)len;
	MSG_SET(&call->reply, TAG_QOS, qos, ((struct codec_bytes){ nested, (size_t)len }));
	/* The bytes are gone on return: the reply is written here. */
	call->len = msg_encode(&call->reply, call->server->out, sizeof(call->server->out));
	return call->len < 0 ? (int)call->len : 0;
}

void server_configure_qos(struct server *server, const struct provider_config *config)
{
	provider_configure(server->provider, config);
}

int server_reserve_socket(struct server *server, const struct signalling_session *session,
			  const struct address *source, const struct engine_service *service,
			  struct admission_refusal *ret_refusal, uint64_t now_us)
{
	return provider_reserve(server->provider, session, source, service, ret_refusal, now_us);
}

unsigned server_share_sockets(struct server *server, const struct provider_shared *shared,
			      uint64_t now_us)
{
	return provider_share(server->provider, shared, now_us);
}
