/* SPDX-License-Identifier: MIT */
/*
 * qos.c: the QoS of sockets. Each function is one request that brings the socket along; what becomes of it is told by
 * events.
 */
#include "proto/qos.h"

#include <errno.h>

#include "lib/client.h"
#include "lib/options.h"
#include "proto/signal.h"

/* One request about a socket, if the host can understand it. */
static int socket_call(struct gw *gw, struct msg *request, int fd, struct reply *reply)
{
	if (!gw)
		return -EINVAL;
	if (!(gw->host_flags & MSG_HOST_QOS))
		return -EOPNOTSUPP;
	if (fd < 0)
		return -EBADF;
	return client_call(gw, request, &fd, 1, reply);
}

static bool is_address(const struct sockaddr_storage *sa)
{
	struct address address;

	return sa->ss_family == AF_UNSPEC ||
	       address_from_sockaddr((const struct sockaddr *)sa, sizeof(*sa), &address) == 0;
}

static int check_flows(const struct gw_qos *qos)
{
	if (qos->n_flows > GW_RSVP_FLOWS_MAX)
		return -ENOBUFS;
	if (qos->n_flows > 0 && !qos->flows)
		return -EINVAL;
	for (uint32_t i = 0; i < qos->n_flows; i++) {
		const struct gw_rsvp_flow *flow = &qos->flows[i];

		if (flow->reserved[0] || flow->reserved[1] || !is_address(&flow->sender.address))
			return -EINVAL;
	}
	return 0;
}

/* Appends what the caller asks for to a request; `buf` has room for it. */
static int put_qos(struct msg *request, const struct gw_qos *given, unsigned char *buf, size_t room)
{
	struct gw_qos qos = QOS_NOTHING;
	long len;
	int r;

	r = options_read(given, &qos, sizeof(qos));
	if (r == 0)
		r = check_flows(&qos);
	if (r < 0)
		return r;
	if (!is_address(&qos.destination) || (qos.sending_policy_len > 0 && !qos.sending_policy) ||
	    (qos.receiving_policy_len > 0 && !qos.receiving_policy))
		return -EINVAL;
	len = qos_encode(&qos, buf, room);
	if (len < 0)
		return (int)len;
	MSG_SET(request, TAG_QOS, qos, ((struct codec_bytes){ buf, (size_t)len }));
	return 0;
}

int gw_qos_set(struct gw *gw, int fd, const struct gw_qos *qos)
{
	struct msg request = REQUEST(MSG_QOS_SET);
	unsigned char buf[SIGNAL_MAX];
	struct reply reply;
	int r;

	r = qos ? put_qos(&request, qos, buf, sizeof(buf)) : -EINVAL;
	return r < 0 ? r : socket_call(gw, &request, fd, &reply);
}

int gw_qos_look(struct gw *gw, int fd, uint64_t *ret_socket)
{
	struct msg request = REQUEST(MSG_QOS_LOOK);
	struct reply reply;
	int r = socket_call(gw, &request, fd, &reply);

	if (r == 0 && ret_socket)
		*ret_socket = reply.msg.cookie;
	return r;
}

int gw_qos_end(struct gw *gw, int fd, uint32_t directions)
{
	struct msg request = REQUEST(MSG_QOS_END);
	struct reply reply;

	MSG_SET(&request, TAG_FLAGS, flags, directions);
	return socket_call(gw, &request, fd, &reply);
}

static int put_group(struct msg *request, const struct sockaddr *group, socklen_t len)
{
	if (!group || address_from_sockaddr(group, len, &request->address) < 0)
		return -EINVAL;
	request->present |= CODEC_BIT(TAG_ADDRESS);
	return 0;
}

int gw_qos_join(struct gw *gw, int fd, const struct sockaddr *group, socklen_t group_len,
		uint32_t directions, const struct gw_qos *qos)
{
	struct msg request = REQUEST(MSG_QOS_JOIN);
	unsigned char buf[SIGNAL_MAX];
	struct reply reply;
	int r = put_group(&request, group, group_len);

	MSG_SET(&request, TAG_FLAGS, flags, directions);
	if (r == 0 && qos)
		r = put_qos(&request, qos, buf, sizeof(buf));
	return r < 0 ? r : socket_call(gw, &request, fd, &reply);
}

int gw_qos_leave(struct gw *gw, int fd, const struct sockaddr *group, socklen_t group_len)
{
	struct msg request = REQUEST(MSG_QOS_LEAVE);
	struct reply reply;
	int r = put_group(&request, group, group_len);

	return r < 0 ? r : socket_call(gw, &request, fd, &reply);
}

int gw_qos_query(struct gw *gw, int fd, struct gw_qos_info *ret_info)
{
	struct msg request = REQUEST(MSG_QOS_QUERY);
	struct gw_qos_info info;
	struct reply reply;
	int r;

	if (!ret_info)
		return -EINVAL;
	r = socket_call(gw, &request, fd, &reply);
	if (r == 0)
		r = qos_info_decode(&reply.msg.qos, &info);
	return r < 0 ? r : options_write(&info, sizeof(info), ret_info);
}
