/* SPDX-License-Identifier: MIT */
/*
 * path.c: what is known of the paths of adaptive flows, being told when it changes, and hosts that are announced.
 */
#include <errno.h>

#include "lib/client.h"
#include "lib/options.h"

struct gw_path_info path_info_of(const struct msg *msg)
{
	return (struct gw_path_info){
		.size = sizeof(struct gw_path_info),
		.capacity_known = MSG_HAS(msg, TAG_CAPACITY),
		.available_known = MSG_HAS(msg, TAG_AVAILABLE),
		.rtt_known = MSG_HAS(msg, TAG_RTT),
		.capacity_bps = msg->capacity_bps,
		.available_bps = msg->available_bps,
		.rtt_us = msg->rtt_us,
	};
}

/* 1: it pends, by the token in the request. */
static int query_path(struct gw *gw, struct msg *request, uint32_t id, uint32_t flags,
		      struct gw_path_info *ret_info)
{
	struct gw_path_info info;
	struct reply reply;
	int r;

	MSG_SET(request, TAG_FLOW_ID, flow_id, id);
	MSG_SET(request, TAG_FLAGS, flags, flags);
	r = client_call(gw, request, NULL, 0, &reply);
	if (r < 0)
		return r;
	if (reply.msg.flags & MSG_PENDING)
		return 1;
	info = path_info_of(&reply.msg);
	return options_write(&info, sizeof(info), ret_info);
}

int gw_flow_query_path(struct gw *gw, uint32_t id, uint32_t flags, struct gw_path_info *ret_info)
{
	struct msg request = REQUEST(MSG_QUERY_PATH);

	if (!gw || !ret_info)
		return -EINVAL;
	return query_path(gw, &request, id, flags, ret_info);
}

int gw_flow_begin_query_path(struct gw *gw, uint32_t id, uint32_t flags, uint64_t token,
			     struct gw_path_info *ret_info)
{
	struct msg request = REQUEST(MSG_QUERY_PATH);

	if (!gw || !ret_info)
		return -EINVAL;
	MSG_SET(&request, TAG_TOKEN, token, token);
	return query_path(gw, &request, id, flags, ret_info);
}

int gw_flow_notify(struct gw *gw, uint32_t id, enum gw_condition condition, uint64_t target_bps,
		   uint64_t token)
{
	struct msg request = REQUEST(MSG_NOTIFY);
	struct reply reply;
	int r;

	if (!gw)
		return -EINVAL;
	MSG_SET(&request, TAG_FLOW_ID, flow_id, id);
	MSG_SET(&request, TAG_CONDITION, condition, condition);
	MSG_SET(&request, TAG_RATE, rate_bps, target_bps);
	MSG_SET(&request, TAG_TOKEN, token, token);
	r = client_call(gw, &request, NULL, 0, &reply);
	if (r < 0)
		return r;
	return reply.msg.flags & MSG_PENDING ? 1 : 0;
}

int gw_cancel(struct gw *gw, uint64_t token)
{
	struct msg request = REQUEST(MSG_CANCEL);
	struct reply reply;

	if (!gw)
		return -EINVAL;
	MSG_SET(&request, TAG_TOKEN, token, token);
	return client_call(gw, &request, NULL, 0, &reply);
}

static int track(struct gw *gw, enum msg_type type, const struct sockaddr *host, socklen_t host_len)
{
	struct msg request = REQUEST(type);
	struct address address;
	struct reply reply;

	if (!gw || !host || address_from_sockaddr(host, host_len, &address) < 0)
		return -EINVAL;
	MSG_SET(&request, TAG_ADDRESS, address, address);
	return client_call(gw, &request, NULL, 0, &reply);
}

int gw_track_start(struct gw *gw, const struct sockaddr *host, socklen_t host_len)
{
	return track(gw, MSG_TRACK_START, host, host_len);
}

int gw_track_stop(struct gw *gw, const struct sockaddr *host, socklen_t host_len)
{
	return track(gw, MSG_TRACK_STOP, host, host_len);
}
