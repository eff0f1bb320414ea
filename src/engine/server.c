/* SPDX-License-Identifier: MIT */
/*
 * server.c: messages to verbs and back. A request is checked for form here and for sense by the engine; its
 * reply carries the verb's result. One table says what each request must contain.
 */
#include "engine/server_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENT_ROOM 2048u /* the largest event, one record inside */

/* ---- ports that the server stands in for ---- */

static int port_descriptor(void *user_data, uint64_t cookie)
{
	struct server *server = user_data;

	for (size_t i = 0; i < server->n_passed; i++) {
		if (server->passed[i].cookie == cookie)
			return server->passed[i].fd;
	}
	return -1;
}

static bool is_asked_again(const struct asked_route *asked, const struct address *destination,
			   const struct engine_socket *socket)
{
	return socket && socket->bound_ifindex == asked->bound_ifindex &&
	       address_equal(&asked->destination, destination) &&
	       address_equal(&asked->local, &socket->local);
}

static int port_route(void *user_data, const struct address *destination,
		      const struct engine_socket *socket, struct engine_route *ret_route)
{
	struct server *server = user_data;
	struct asked_route *asked = &server->asked_route;
	int r;

	if (asked->known && is_asked_again(asked, destination, socket)) {
		*ret_route = asked->route;
		return asked->r;
	}
	r = server->ports.route(server->ports.user_data, destination, socket, ret_route);
	/* Where multicasts go may hang on options of the socket. */
	asked->known = asked->handling && socket && !address_is_multicast(destination);
	if (asked->known) {
		asked->destination = *destination;
		asked->local = socket->local;
		asked->bound_ifindex = socket->bound_ifindex;
		asked->route = *ret_route;
		asked->r = r;
	}
	return r;
}

static bool port_is_administrator(void *user_data, const struct owner *owner)
{
	struct server *server = user_data;

	return server->ports.is_administrator(server->ports.user_data, owner);
}

static int port_group_create(void *user_data, const struct owner *owner, uint64_t *ret_group)
{
	struct server *server = user_data;

	return server->ports.group_create(server->ports.user_data, owner, ret_group);
}

static void port_group_end(void *user_data, uint64_t group)
{
	struct server *server = user_data;

	server->ports.group_end(server->ports.user_data, group);
}

static void send_message(struct server *server, struct owner *owner, const struct msg *event,
			 const struct gw_flow_record *record, bool must_arrive)
{
	unsigned char buf[EVENT_ROOM];
	long len = msg_encode(event, buf, sizeof(buf));

	if (len > 0 && record)
		len = record_append(record, buf, (size_t)len, sizeof(buf));
	if (len > 0)
		server->ports.send_event(server->ports.user_data, owner, buf, (size_t)len,
					 must_arrive);
}

static void set_path(struct msg *reply, const struct gw_path_info *info)
{
	if (info->capacity_known)
		MSG_SET(reply, TAG_CAPACITY, capacity_bps, info->capacity_bps);
	if (info->available_known)
		MSG_SET(reply, TAG_AVAILABLE, available_bps, info->available_bps);
	if (info->rtt_known)
		MSG_SET(reply, TAG_RTT, rtt_us, info->rtt_us);
}

/* Whoever waited hears by an event, if it has named a token; else its request is answered now. */
static void port_completed(void *user_data, struct owner *owner,
			   const struct engine_completion *completion)
{
	const struct engine_wait *wait = &completion->wait;
	struct server *server = user_data;
	struct msg message = { .head = { .type = MSG_EVENT, .status = completion->status } };

	if (wait->is_request) {
		message.head.type = (uint16_t)wait->type;
		message.head.serial = wait->serial;
	} else {
		MSG_SET(&message, TAG_EVENT, event, GW_EVENT_COMPLETED);
		MSG_SET(&message, TAG_TIME, time_us,
			server->ports.wall_clock_us(server->ports.user_data));
		MSG_SET(&message, TAG_TOKEN, token, wait->token);
	}
	if (completion->path)
		set_path(&message, completion->path);
	if (completion->granted)
		MSG_SET(&message, TAG_FLAGS, flags, MSG_GRANTED);
	send_message(server, owner, &message, NULL, true);
}

static void port_flow_event(void *user_data, struct owner *owner,
			    const struct engine_flow_event *flow_event)
{
	struct server *server = user_data;
	struct msg event = { .head = { .type = MSG_EVENT } };

	MSG_SET(&event, TAG_EVENT, event, (uint32_t)flow_event->type);
	MSG_SET(&event, TAG_TIME, time_us, server->ports.wall_clock_us(server->ports.user_data));
	snprintf(event.end_reason, sizeof(event.end_reason), "%s", flow_event->reason);
	event.present |= CODEC_BIT(TAG_END_REASON);
	send_message(server, owner, &event, &flow_event->record, false);
}

static void port_tell(void *user_data, struct owner *owner, enum gw_event_type type,
		      uint64_t socket, const struct gw_rsvp_record *record)
{
	server_signal_socket(user_data, owner, type, socket, record);
}

static uint32_t port_link_mtu(void *user_data, uint32_t ifindex)
{
	const struct server_ports *ports = &((struct server *)user_data)->ports;

	return ports->link_mtu ? ports->link_mtu(ports->user_data, ifindex) : 0;
}

static uint64_t port_link_speed_bps(void *user_data, uint32_t ifindex)
{
	const struct server_ports *ports = &((struct server *)user_data)->ports;

	return ports->link_speed_bps ? ports->link_speed_bps(ports->user_data, ifindex) : 0;
}

/* ---- requests ---- */

/* It is shown on other people's terminals. */
static bool is_printable(const char *name)
{
	while (*name > ' ' && *name <= '~')
		name++;
	return *name == '\0';
}

static int on_hello(struct call *call)
{
	struct server *server = call->server;
	uint32_t flags = MSG_HOST_RATES | MSG_HOST_SIGNALS | MSG_HOST_QOS;

	if (call->request->protocol != MSG_PROTOCOL)
		return -EPROTONOSUPPORT;
	if (!is_printable(call->request->api))
		return -EINVAL;
	owner_set_api(call->owner, call->request->api);
	if (call->n_fds > 0 && server->ports.vouch)
		server->ports.vouch(server->ports.user_data, call->owner, call->fds[0]);
	MSG_SET(&call->reply, TAG_MODE, mode, (uint32_t)server->mode);
	memcpy(call->reply.version, server->version, sizeof(call->reply.version));
	call->reply.present |= CODEC_BIT(TAG_VERSION);
	if (server->ports.datapath->needs_descriptor)
		flags |= MSG_HOST_NEEDS_FDS;
	if (owner_info(call->owner)->elsewhere)
		flags |= MSG_HOST_ELSEWHERE;
	MSG_SET(&call->reply, TAG_HOST_FLAGS, host_flags, flags);
	return 0;
}

static int on_end(struct call *call)
{
	return engine_owner_close(call->server->engine, call->owner, call->now_us);
}

static int on_add(struct call *call)
{
	const struct msg *m = call->request;
	struct flow_request request = {
		.traffic_class = (enum gw_class)m->traffic_class,
		.flags = m->flags,
		.dscp = m->dscp,
	};
	struct engine_socket socket;
	uint32_t id = m->flow_id;
	int r;

	if (call->n_fds != 1)
		return -ENOTSOCK;
	r = call->server->ports.identify(call->server->ports.user_data, call->fds[0], false,
					 &socket);
	if (r < 0)
		return r;
	call->server->passed[0] = (struct passed){ socket.cookie, call->fds[0] };
	call->server->n_passed = 1;
	r = engine_add(call->server->engine, call->owner, &socket,
		       MSG_HAS(m, TAG_ADDRESS) ? &m->address : NULL, &request, &id, call->now_us);
	if (r < 0)
		return r;
	MSG_SET(&call->reply, TAG_FLOW_ID, flow_id, id);
	return 0;
}

static int on_detach(struct call *call)
{
	return engine_detach(call->server->engine, call->owner, call->request->flow_id,
			     call->request->cookie, call->now_us);
}

static int on_remove(struct call *call)
{
	return engine_remove(call->server->engine, call->owner, call->request->flow_id,
			     call->now_us);
}

static int on_set_class(struct call *call)
{
	return engine_set_class(call->server->engine, call->owner, call->request->flow_id,
				(enum gw_class)call->request->traffic_class, call->now_us);
}

static int on_set_dscp(struct call *call)
{
	return engine_set_dscp(call->server->engine, call->owner, call->request->flow_id,
			       (uint32_t)call->request->dscp, call->now_us);
}

static struct engine_wait call_wait(const struct call *call)
{
	return (struct engine_wait){
		.token = call->request->token,
		.is_request = !MSG_HAS(call->request, TAG_TOKEN),
		.serial = call->request->head.serial,
		.type = call->request->head.type,
	};
}

/* What the engine has said: an error, 0, or 1: the answer comes later. */
static int call_result(struct call *call, int r)
{
	if (r <= 0)
		return r;
	if (MSG_HAS(call->request, TAG_TOKEN))
		MSG_SET(&call->reply, TAG_FLAGS, flags, MSG_PENDING);
	else
		call->deferred = true;
	return 0;
}

static int on_set_rate(struct call *call)
{
	const struct msg *m = call->request;
	struct engine_wait wait = call_wait(call);

	return call_result(call, engine_set_rate(call->server->engine, call->owner, m->flow_id,
						 m->rate_bps, m->shaping, m->reason, &wait,
						 call->now_us));
}

static int on_query(struct call *call)
{
	struct gw_flow_info info;
	struct msg *reply = &call->reply;
	int r;

	r = engine_query(call->server->engine, call->owner, call->request->flow_id, &info);
	if (r < 0)
		return r;
	MSG_SET(reply, TAG_FLOW_ID, flow_id, info.id);
	MSG_SET(reply, TAG_FLAGS, flags, info.flags);
	MSG_SET(reply, TAG_CLASS, traffic_class, info.traffic_class);
	MSG_SET(reply, TAG_DSCP, dscp, info.dscp_set);
	MSG_SET(reply, TAG_RATE, rate_bps, info.rate_bps);
	MSG_SET(reply, TAG_SHAPING, shaping, info.shaping);
	MSG_SET(reply, TAG_SOCKETS, sockets, info.sockets);
	MSG_SET(reply, TAG_CONFORMANT_DSCP, conformant_dscp, info.conformant_dscp);
	MSG_SET(reply, TAG_NONCONFORMANT_DSCP, nonconformant_dscp, info.nonconformant_dscp);
	MSG_SET(reply, TAG_CONFORMANT_PRIORITY, conformant_priority, info.conformant_priority);
	MSG_SET(reply, TAG_NONCONFORMANT_PRIORITY, nonconformant_priority,
		info.nonconformant_priority);
	return 0;
}

static int on_query_path(struct call *call)
{
	struct gw_path_info info = { .size = sizeof(info) };
	struct engine_wait wait = call_wait(call);
	int r;

	r = engine_query_path(call->server->engine, call->owner, call->request->flow_id,
			      call->request->flags, &wait, &info, call->now_us);
	if (r == 0)
		set_path(&call->reply, &info);
	return call_result(call, r);
}

static int on_notify(struct call *call)
{
	const struct msg *m = call->request;

	return call_result(call, engine_notify(call->server->engine, call->owner, m->flow_id,
					       m->condition, m->rate_bps, m->token, call->now_us));
}

static int on_cancel(struct call *call)
{
	return engine_cancel(call->server->engine, call->owner, call->request->token, call->now_us);
}

static int on_track_start(struct call *call)
{
	struct engine_wait wait = call_wait(call);

	return call_result(call, engine_track(call->server->engine, call->owner,
					      &call->request->address, &wait, call->now_us));
}

static int on_track_stop(struct call *call)
{
	return engine_untrack(call->server->engine, call->owner, &call->request->address,
			      call->now_us);
}

static const struct request {
	int (*handle)(struct call *call);
	uint64_t needs; /* fields without which it makes no sense */
} requests[] = {
	[MSG_HELLO] = { on_hello, CODEC_BIT(TAG_PROTOCOL) | CODEC_BIT(TAG_API) },
	[MSG_END] = { on_end, 0 },
	[MSG_ADD] = { on_add, CODEC_BIT(TAG_FLOW_ID) | CODEC_BIT(TAG_CLASS) | CODEC_BIT(TAG_FLAGS) |
				      CODEC_BIT(TAG_DSCP) },
	[MSG_DETACH] = { on_detach, CODEC_BIT(TAG_FLOW_ID) | CODEC_BIT(TAG_COOKIE) },
	[MSG_REMOVE] = { on_remove, CODEC_BIT(TAG_FLOW_ID) },
	[MSG_SET_CLASS] = { on_set_class, CODEC_BIT(TAG_FLOW_ID) | CODEC_BIT(TAG_CLASS) },
	[MSG_SET_DSCP] = { on_set_dscp, CODEC_BIT(TAG_FLOW_ID) | CODEC_BIT(TAG_DSCP) },
	[MSG_SET_RATE] = { on_set_rate, CODEC_BIT(TAG_FLOW_ID) | CODEC_BIT(TAG_RATE) |
						CODEC_BIT(TAG_SHAPING) | CODEC_BIT(TAG_REASON) },
	[MSG_QUERY] = { on_query, CODEC_BIT(TAG_FLOW_ID) },
	[MSG_QUERY_PATH] = { on_query_path, CODEC_BIT(TAG_FLOW_ID) | CODEC_BIT(TAG_FLAGS) },
	[MSG_NOTIFY] = { on_notify, CODEC_BIT(TAG_FLOW_ID) | CODEC_BIT(TAG_CONDITION) |
					    CODEC_BIT(TAG_RATE) | CODEC_BIT(TAG_TOKEN) },
	[MSG_CANCEL] = { on_cancel, CODEC_BIT(TAG_TOKEN) },
	[MSG_TRACK_START] = { on_track_start, CODEC_BIT(TAG_ADDRESS) },
	[MSG_TRACK_STOP] = { on_track_stop, CODEC_BIT(TAG_ADDRESS) },
	[MSG_ENUMERATE] = { server_on_enumerate, CODEC_BIT(TAG_FLOW_ID) },
	[MSG_RUN] = { server_on_run,
		      CODEC_BIT(TAG_CLASS) | CODEC_BIT(TAG_FLAGS) | CODEC_BIT(TAG_DSCP) },
	[MSG_LIST] = { server_on_list,
		       CODEC_BIT(TAG_FLOW_ID) | CODEC_BIT(TAG_TOKEN) | CODEC_BIT(TAG_FLAGS) },
	[MSG_STATUS] = { server_on_status, 0 },
	[MSG_FACTS] = { server_on_facts, CODEC_BIT(TAG_COUNT) },
	[MSG_WATCH] = { server_on_watch, 0 },
	[MSG_RESERVE] = { server_on_reserve,
			  CODEC_BIT(TAG_FLOW_ID) | CODEC_BIT(TAG_RATE) | CODEC_BIT(TAG_EXCESS) },
	[MSG_ADD_TUPLE] = { server_on_add_tuple,
			    CODEC_BIT(TAG_CLASS) | CODEC_BIT(TAG_FLAGS) | CODEC_BIT(TAG_DSCP) |
				    CODEC_BIT(TAG_ADDRESS) | CODEC_BIT(TAG_IP_PROTOCOL) |
				    CODEC_BIT(TAG_INTERFACE) },
	[MSG_RSVP_OPEN] = { server_on_rsvp_open,
			    CODEC_BIT(TAG_ADDRESS) | CODEC_BIT(TAG_IP_PROTOCOL) },
	[MSG_RSVP_SEND] = { server_on_rsvp_send, CODEC_BIT(TAG_SESSION) },
	[MSG_RSVP_RESERVE] = { server_on_rsvp_reserve, CODEC_BIT(TAG_SESSION) },
	[MSG_RSVP_CLOSE] = { server_on_rsvp_close, CODEC_BIT(TAG_SESSION) },
	[MSG_RSVP_LIST] = { server_on_rsvp_list, CODEC_BIT(TAG_FLAGS) | CODEC_BIT(TAG_TOKEN) },
	[MSG_RSVP_WATCH] = { server_on_rsvp_watch, 0 },
	[MSG_RSVP_DIAGNOSE] = { server_on_rsvp_diagnose,
				CODEC_BIT(TAG_ADDRESS) | CODEC_BIT(TAG_SOURCE) |
					CODEC_BIT(TAG_IP_PROTOCOL) | CODEC_BIT(TAG_TOKEN) },
	[MSG_QOS_SET] = { server_on_qos_set, CODEC_BIT(TAG_QOS) },
	[MSG_QOS_LOOK] = { server_on_qos_look, 0 },
	[MSG_QOS_END] = { server_on_qos_end, CODEC_BIT(TAG_FLAGS) },
	[MSG_QOS_JOIN] = { server_on_qos_join, CODEC_BIT(TAG_ADDRESS) | CODEC_BIT(TAG_FLAGS) },
	[MSG_QOS_LEAVE] = { server_on_qos_leave, CODEC_BIT(TAG_ADDRESS) },
	[MSG_QOS_QUERY] = { server_on_qos_query, 0 },
};
#define N_REQUESTS (sizeof(requests) / sizeof(requests[0]))

/* ---- the server ---- */

struct server *server_new(const struct server_ports *ports, const struct engine_config *config,
			  enum gw_mode mode, const char *version)
{
	struct server *server = calloc(1, sizeof(*server));
	struct engine_ports engine_ports = {
		.user_data = server,
		.datapath = ports->datapath,
		.datapath_data = ports->datapath_data,
		.route = port_route,
		.descriptor = port_descriptor,
		.is_administrator = port_is_administrator,
		.group_create = port_group_create,
		.group_end = port_group_end,
		.completed = port_completed,
		.flow_event = port_flow_event,
	};
	const struct provider_ports provider_ports = {
		.user_data = server,
		.tell = port_tell,
		.link_mtu = port_link_mtu,
		.link_speed_bps = port_link_speed_bps,
	};

	if (!server)
		return NULL;
	server->ports = *ports;
	server->mode = mode;
	snprintf(server->version, sizeof(server->version), "%s", version);
	server->engine = engine_new(&engine_ports, config);
	if (server->engine)
		server->provider = provider_new(server->engine, &provider_ports);
	return server->provider ? server : server_free(server);
}

struct server *server_free(struct server *server)
{
	if (!server)
		return NULL;
	provider_free(server->provider);
	engine_free(server->engine);
	free(server);
	return NULL;
}

struct engine *server_engine(struct server *server)
{
	return server->engine;
}

int server_connect(struct server *server, const struct engine_owner_info *info, void *host_data,
		   struct owner **ret_owner)
{
	return engine_owner_add(server->engine, info, host_data, ret_owner);
}

void server_disconnect(struct server *server, struct owner *owner, uint64_t now_us)
{
	engine_owner_remove(server->engine, owner, now_us);
}

/* The flow's own descriptors, sent along because its marks are options of those sockets. */
static void note_passed(struct server *server, const int *fds, size_t n_fds)
{
	struct engine_socket socket;

	server->n_passed = 0;
	for (size_t i = 0; i < n_fds && i < MSG_MAX_FDS; i++) {
		if (server->ports.identify(server->ports.user_data, fds[i], true, &socket) < 0)
			continue;
		server->passed[server->n_passed++] = (struct passed){ socket.cookie, fds[i] };
	}
}

static int check_form(const struct owner *owner, const struct msg *message, const char **ret_why)
{
	bool introduced = owner_info(owner)->api[0] != '\0';

	if (message->head.type >= N_REQUESTS || !requests[message->head.type].handle) {
		*ret_why = "unknown request";
		return -EPROTO;
	}
	if (introduced == (message->head.type == MSG_HELLO)) {
		*ret_why = introduced ? "second hello" : "no hello";
		return -EPROTO;
	}
	if (requests[message->head.type].needs & ~message->present) {
		*ret_why = "request lacks a field";
		return -EPROTO;
	}
	if (message->head.type == MSG_HELLO && message->api[0] == '\0') {
		*ret_why = "hello without a name";
		return -EPROTO;
	}
	return 0;
}

static int handle(struct call *call)
{
	enum msg_type type = (enum msg_type)call->request->head.type;

	/* Of several threads on one handle, one may have ended it while others were about to ask. */
	if (owner_is_closed(call->owner) && type != MSG_END)
		return -ECANCELED;
	return requests[type].handle(call);
}

long server_handle(struct server *server, struct owner *owner, const void *buf, size_t len,
		   const int *fds, size_t n_fds, uint64_t now_us, const void **ret_reply,
		   const char **ret_why)
{
	struct msg message;
	struct call call = {
		.server = server,
		.owner = owner,
		.request = &message,
		.fds = fds,
		.n_fds = n_fds,
		.now_us = now_us,
	};
	int r;

	r = msg_decode(buf, len, &message);
	if (r < 0) {
		*ret_why = "malformed message";
		return r;
	}
	r = check_form(owner, &message, ret_why);
	if (r < 0)
		return r;
	call.reply.head =
		(struct msg_head){ .type = message.head.type, .serial = message.head.serial };
	server->n_passed = 0;
	if (n_fds > 0 && message.head.type != MSG_ADD)
		note_passed(server, fds, n_fds);
	server->asked_route = (struct asked_route){ .handling = true };
	r = handle(&call);
	server_run_signals(server, now_us);
	server->asked_route = (struct asked_route){ 0 };
	server->n_passed = 0;
	if (r == 0 && call.deferred)
		return 0;
	if (r < 0) {
		call.reply.head.status = r;
		call.reply.present = 0;
		call.len = 0;
	}
	if (call.len == 0)
		call.len = msg_encode(&call.reply, server->out, sizeof(server->out));
	*ret_reply = server->out;
	return call.len;
}
