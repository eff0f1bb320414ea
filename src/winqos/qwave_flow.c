/* SPDX-License-Identifier: MIT */
/*
 * qwave_flow.c: binding sockets to flows and taking them out again (spec/qwave.md §5.3, §5.4).
 */
#include <errno.h>
#include <limits.h>

#include "winqos/errmap.h"
#include "winqos/qwave.h"

/* A descriptor from a SOCKET; -1, which is no descriptor, for values that cannot be one. */
static int socket_fd(SOCKET s)
{
	return s <= INT_MAX ? (int)s : -1;
}

static int flow_class(QOS_TRAFFIC_TYPE type, enum gw_class *ret_class)
{
	switch (type) {
	case QOSTrafficTypeBestEffort:
	case QOSTrafficTypeBackground:
	case QOSTrafficTypeExcellentEffort:
	case QOSTrafficTypeAudioVideo:
	case QOSTrafficTypeVoice:
	case QOSTrafficTypeControl:
		*ret_class = (enum gw_class)type; /* the same numbers, greenwave.h says */
		return 0;
	}
	return -EINVAL;
}

/*
 * An address without a port is no destination. That it is of the socket's family, the engine sees
 * to.
 */
static int check_destination(const struct sockaddr *destination, socklen_t *ret_length)
{
	*ret_length = 0;
	if (!destination)
		return 0;
	*ret_length = qos_address_length(destination);
	if (*ret_length == 0 || qos_address_unspecified(destination))
		return -EINVAL;
	/* The port stands at the same place in both families. */
	return ((const struct sockaddr_in *)destination)->sin_port ? 0 : -EINVAL;
}

static BOOL create_flow(struct qos *qos, int fd, const struct sockaddr *destination,
			socklen_t length, enum gw_class traffic_class, DWORD flags,
			PQOS_FLOWID ret_id)
{
	struct gw_flow_options options = GW_FLOW_OPTIONS(.traffic_class = traffic_class);
	uint32_t id;
	int r;

	/* §5.3: the captured peer outlives a disconnect, the identifier outlives the socket. */
	options.flags = GW_FLOW_KEEP_ON_DISCONNECT | GW_FLOW_KEEP_WHEN_CLOSED |
			GW_FLOW_REQUIRE_DESTINATION | GW_FLOW_PACES; /* send.c */
	if (!(flags & QOS_NON_ADAPTIVE_FLOW))
		options.flags |= GW_FLOW_ADAPTIVE;

	r = gw_flow_add(qos->gw, fd, destination, length, &options, &id);
	if (r < 0)
		return qos_result(r);
	*ret_id = id;
	return TRUE;
}

static BOOL join_flow(struct qos *qos, int fd, const struct sockaddr *destination, socklen_t length,
		      DWORD flags, QOS_FLOWID id)
{
	if (!(flags & QOS_NON_ADAPTIVE_FLOW))
		return qos_fail_after_flow(qos, id, ERROR_INVALID_PARAMETER);
	return qos_result(
		gw_flow_attach(qos->gw, id, fd, destination, length, GW_FLOW_REQUIRE_DESTINATION));
}

BOOL WINAPI QOSAddSocketToFlow(HANDLE QOSHandle, SOCKET Socket, PSOCKADDR DestAddr,
			       QOS_TRAFFIC_TYPE TrafficType, DWORD Flags, PQOS_FLOWID FlowId)
{
	QOS_REF qos = qos_get(QOSHandle);
	enum gw_class traffic_class;
	int fd = socket_fd(Socket);
	socklen_t length;

	if (!qos)
		return fail_with(ERROR_INVALID_HANDLE);
	if (Flags & ~(DWORD)QOS_NON_ADAPTIVE_FLOW)
		return fail_with(ERROR_INVALID_PARAMETER);
	if (!FlowId || fd < 0 || check_destination(DestAddr, &length) < 0)
		return fail_with(ERROR_INVALID_PARAMETER);

	if (*FlowId != 0)
		return join_flow(qos, fd, DestAddr, length, Flags, *FlowId);
	if (flow_class(TrafficType, &traffic_class) < 0)
		return fail_with(ERROR_INVALID_PARAMETER);
	return create_flow(qos, fd, DestAddr, length, traffic_class, Flags, FlowId);
}

/* A value that is no IP socket, or no socket any more, is not part of any flow (§5.4). */
static bool is_no_socket(int r)
{
	return r == -EBADF || r == -ENOTSOCK || r == -EAFNOSUPPORT || r == -EPROTONOSUPPORT ||
	       r == -EXDEV;
}

BOOL WINAPI QOSRemoveSocketFromFlow(HANDLE QOSHandle, SOCKET Socket, QOS_FLOWID FlowId, DWORD Flags)
{
	QOS_REF qos = qos_get(QOSHandle);
	int r;

	if (!qos)
		return fail_with(ERROR_INVALID_HANDLE);
	if (Flags)
		return fail_with(ERROR_INVALID_PARAMETER);
	if (Socket == 0)
		return qos_result(gw_flow_remove(qos->gw, FlowId));
	if (socket_fd(Socket) < 0)
		return qos_fail_after_flow(qos, FlowId, ERROR_NOT_FOUND);

	r = gw_flow_detach(qos->gw, FlowId, socket_fd(Socket));
	return is_no_socket(r) ? qos_fail_after_flow(qos, FlowId, ERROR_NOT_FOUND) : qos_result(r);
}
