/* SPDX-License-Identifier: MIT */
/*
 * flow.c: the verbs on flows. Each is one request; what it means is the engine's affair.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "lib/client.h"
#include "lib/options.h"

/* The socket must be one, and the destination, if any, of the socket's own family. */
static int check_socket(int fd, const struct sockaddr *destination)
{
	socklen_t len = sizeof(int);
	int family;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0)
		return -ENOTSOCK;
	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	return destination && destination->sa_family != family ? -EINVAL : 0;
}

static void request_options(struct msg *request, const struct gw_flow_options *options)
{
	MSG_SET(request, TAG_CLASS, traffic_class, options->traffic_class);
	MSG_SET(request, TAG_FLAGS, flags, options->flags);
	MSG_SET(request, TAG_DSCP, dscp, options->dscp);
}

/* The options of a flow that has its rate, if any, from gw_flow_set_rate(). */
static int read_options(const struct gw_flow_options *given, struct gw_flow_options *known)
{
	int r = options_read(given, known, sizeof(*known));

	return r == 0 && known->rate_bps != 0 ? -EINVAL : r;
}

static int add_to(struct gw *gw, uint32_t id, int fd, const struct sockaddr *destination,
		  socklen_t destination_len, const struct gw_flow_options *options,
		  uint32_t *ret_id)
{
	struct msg request = REQUEST(MSG_ADD);
	struct address address;
	struct placed *placed;
	struct reply reply;
	int r;

	r = check_socket(fd, destination);
	if (r < 0)
		return r;
	if (destination) {
		r = address_from_sockaddr(destination, destination_len, &address);
		if (r < 0)
			return -EINVAL;
		MSG_SET(&request, TAG_ADDRESS, address, address);
	}
	MSG_SET(&request, TAG_FLOW_ID, flow_id, id);
	request_options(&request, options);
	if (client_is_inherited(gw))
		return -ECHILD;
	/* A host whose kernel shapes need not know. */
	if (!(gw->host_flags & MSG_HOST_NEEDS_FDS))
		request.flags &= ~GW_FLOW_PACES;
	r = placed_begin(gw, id, fd, options->flags, &placed);
	if (r < 0)
		return r;
	r = client_add(gw, &request, fd, placed, &reply);
	if (r < 0)
		return r == -EBADF ? -ENOTSOCK : r; /* closed by another thread meanwhile */
	r = pace_add(gw, reply.msg.flow_id, fd, destination ? &address : NULL, options->flags);
	if (r < 0) {
		gw_flow_detach(gw, reply.msg.flow_id, fd);
		return r;
	}
	*ret_id = reply.msg.flow_id;
	return 0;
}

int gw_flow_add(struct gw *gw, int fd, const struct sockaddr *destination,
		socklen_t destination_len, const struct gw_flow_options *options, uint32_t *ret_id)
{
	struct gw_flow_options o = GW_FLOW_OPTIONS(.flags = 0);
	int r;

	if (!gw || !ret_id)
		return -EINVAL;
	r = read_options(options, &o);
	if (r < 0)
		return r;
	return add_to(gw, 0, fd, destination, destination_len, &o, ret_id);
}

int gw_flow_attach(struct gw *gw, uint32_t id, int fd, const struct sockaddr *destination,
		   socklen_t destination_len, uint32_t flags)
{
	struct gw_flow_options o = GW_FLOW_OPTIONS(.flags = flags);

	if (!gw)
		return -EINVAL;
	/* 0 would make a new flow */
	return id == 0 ? -ENOENT : add_to(gw, id, fd, destination, destination_len, &o, &id);
}

int flow_change(struct gw *gw, struct msg *request, uint32_t id, struct reply *reply)
{
	int fds[MSG_MAX_FDS] = { -1 };

	MSG_SET(request, TAG_FLOW_ID, flow_id, id);
	if (client_is_inherited(gw))
		return -ECHILD;
	return client_change(gw, request, fds, placed_collect(gw, id, fds), reply);
}

int gw_flow_detach(struct gw *gw, uint32_t id, int fd)
{
	struct msg request = REQUEST(MSG_DETACH);
	struct reply reply;
	uint64_t cookie;
	int copy = -1, r;
	size_t n;

	if (!gw)
		return -EINVAL;
	cookie = socket_cookie(fd);
	MSG_SET(&request, TAG_FLOW_ID, flow_id, id);
	MSG_SET(&request, TAG_COOKIE, cookie, cookie);
	if (client_is_inherited(gw))
		return -ECHILD;
	n = placed_collect_one(gw, id, cookie, &copy);
	r = client_call(gw, &request, &copy, n, &reply);
	placed_close(&copy, n);
	if (r == 0) {
		placed_drop(gw, id, cookie);
		pace_drop(gw, id, cookie);
	}
	return r;
}

int gw_flow_remove(struct gw *gw, uint32_t id)
{
	struct msg request = REQUEST(MSG_REMOVE);
	struct reply reply;
	int r;

	if (!gw)
		return -EINVAL;
	r = flow_change(gw, &request, id, &reply);
	if (r == 0 || r == -ENOENT) {
		placed_drop(gw, id, 0);
		pace_drop(gw, id, 0);
	}
	return r;
}

int32_t flow_excess_dscp(struct gw *gw, uint32_t id)
{
	struct gw_flow_info info = { .size = sizeof(info) };

	if (gw_flow_query(gw, id, &info) < 0 || info.nonconformant_dscp == info.conformant_dscp)
		return -1;
	return (int32_t)info.nonconformant_dscp;
}

/* What exceeds a rate may get another mark when the flow does. */
static int change_mark(struct gw *gw, struct msg *request, uint32_t id)
{
	struct reply reply;
	int r = flow_change(gw, request, id, &reply);

	if (r == 0 && pace_marks_excess(gw, id))
		pace_set_excess(gw, id, flow_excess_dscp(gw, id));
	return r;
}

int gw_flow_set_class(struct gw *gw, uint32_t id, enum gw_class traffic_class)
{
	struct msg request = REQUEST(MSG_SET_CLASS);

	if (!gw)
		return -EINVAL;
	MSG_SET(&request, TAG_CLASS, traffic_class, traffic_class);
	return change_mark(gw, &request, id);
}

int gw_flow_set_dscp(struct gw *gw, uint32_t id, uint32_t dscp)
{
	struct msg request = REQUEST(MSG_SET_DSCP);

	if (!gw)
		return -EINVAL;
	MSG_SET(&request, TAG_DSCP, dscp, (int32_t)dscp);
	return change_mark(gw, &request, id);
}

int gw_flow_query(struct gw *gw, uint32_t id, struct gw_flow_info *ret_info)
{
	struct msg request = REQUEST(MSG_QUERY);
	struct gw_flow_info info;
	struct reply reply;
	int r;

	if (!gw || !ret_info)
		return -EINVAL;
	MSG_SET(&request, TAG_FLOW_ID, flow_id, id);
	r = client_call(gw, &request, NULL, 0, &reply);
	if (r < 0)
		return r;
	info = (struct gw_flow_info){
		.id = reply.msg.flow_id,
		.flags = reply.msg.flags,
		.traffic_class = (enum gw_class)reply.msg.traffic_class,
		.dscp_set = reply.msg.dscp,
		.rate_bps = reply.msg.rate_bps,
		.shaping = (enum gw_shaping)reply.msg.shaping,
		.sockets = reply.msg.sockets,
		.conformant_dscp = reply.msg.conformant_dscp,
		.nonconformant_dscp = reply.msg.nonconformant_dscp,
		.conformant_priority = reply.msg.conformant_priority,
		.nonconformant_priority = reply.msg.nonconformant_priority,
	};
	return options_write(&info, sizeof(info), ret_info);
}

int gw_run_self(struct gw *gw, const struct gw_flow_options *options, uint32_t *ret_id)
{
	struct gw_flow_options o = GW_FLOW_OPTIONS(.flags = 0);
	struct msg request = REQUEST(MSG_RUN);
	struct reply reply;
	int r;

	if (!gw || !ret_id)
		return -EINVAL;
	r = options_read(options, &o, sizeof(o));
	if (r < 0)
		return r;
	request_options(&request, &o);
	if (o.rate_bps != 0) {
		if (!(gw->host_flags & MSG_HOST_RATES))
			return -EOPNOTSUPP;
		MSG_SET(&request, TAG_RATE, rate_bps, o.rate_bps);
	}
	r = client_call(gw, &request, NULL, 0, &reply);
	if (r < 0)
		return r;
	*ret_id = reply.msg.flow_id;
	return 0;
}

/* The addresses of a tuple and its interface, by which this process knows it. */
static int request_tuple(const struct gw *gw, const struct gw_tuple *tuple, struct msg *request)
{
	const struct sockaddr *source = (const struct sockaddr *)&tuple->source;
	const struct sockaddr *destination = (const struct sockaddr *)&tuple->destination;
	unsigned ifindex;

	if (source->sa_family != AF_UNSPEC) {
		if (address_from_sockaddr(source, sizeof(tuple->source), &request->source) < 0)
			return -EINVAL;
		request->present |= CODEC_BIT(TAG_SOURCE);
	}
	if (address_from_sockaddr(destination, sizeof(tuple->destination), &request->address) < 0)
		return -EINVAL;
	request->present |= CODEC_BIT(TAG_ADDRESS);
	MSG_SET(request, TAG_IP_PROTOCOL, ip_protocol, tuple->protocol);
	if (tuple->interface[0] == '\0' ||
	    strnlen(tuple->interface, sizeof(tuple->interface)) == sizeof(tuple->interface))
		return -EINVAL;
	if (gw->host_flags & MSG_HOST_ELSEWHERE)
		return -EXDEV;
	ifindex = if_nametoindex(tuple->interface);
	if (ifindex == 0)
		return -ENODEV;
	MSG_SET(request, TAG_INTERFACE, ifindex, ifindex);
	return 0;
}

int gw_flow_add_tuple(struct gw *gw, const struct gw_tuple *tuple,
		      const struct gw_flow_options *options, uint32_t *ret_id)
{
	struct gw_flow_options o = GW_FLOW_OPTIONS(.flags = 0);
	struct msg request = REQUEST(MSG_ADD_TUPLE);
	struct gw_tuple t = { 0 };
	struct reply reply;
	int r;

	if (!gw || !tuple || !ret_id)
		return -EINVAL;
	r = options_read(tuple, &t, sizeof(t));
	if (r == 0)
		r = read_options(options, &o);
	if (r == 0)
		r = request_tuple(gw, &t, &request);
	if (r < 0)
		return r;
	if (!(gw->host_flags & MSG_HOST_RATES))
		return -EOPNOTSUPP;
	request_options(&request, &o);
	r = client_call(gw, &request, NULL, 0, &reply);
	if (r < 0)
		return r;
	*ret_id = reply.msg.flow_id;
	return 0;
}
