/* SPDX-License-Identifier: MIT */
/*
 * winsock_shutdown.c: shutdown() under its own and its Winsock names: the end of one direction or both (spec/gqos.md
 * §16.4).
 */
#include <errno.h>

#include "winqos/errmap.h"
#include "winqos/gqos.h"
#include "winqos/socket_table.h"
#include "winqos/winsock.h"

_Static_assert(SD_RECEIVE == SHUT_RD && SD_SEND == SHUT_WR && SD_BOTH == SHUT_RDWR,
	       "one set of values");

static unsigned directions_of(int how)
{
	switch (how) {
	case SHUT_RD:
		return GQOS_RECEIVING;
	case SHUT_WR:
		return GQOS_SENDING;
	default:
		return GQOS_BOTH;
	}
}

static int shutdown_socket(int fd, int how)
{
	int r = shutdown(fd, how) < 0 ? -errno : 0;

	/* The kernel says so of a datagram socket without a peer, and yet shuts it down. */
	if (r == -ENOTCONN && winsock_is_datagram(fd))
		r = 0;
	if (r == 0 && socket_is_qos(fd))
		gqos_end((SOCKET)fd, directions_of(how), true);
	return r;
}

int gw_win_shutdown(int fd, int how)
{
	int r = shutdown_socket(fd, how);

	return r < 0 ? winsock_posix_fail(r) : 0;
}

static int disconnect(SOCKET s, int how, const WSABUF *data)
{
	int fd = winsock_fd(s), r;

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	if (data && data->buf && data->len > 0)
		return winsock_fail(-EOPNOTSUPP);
	r = shutdown_socket(fd, how);
	return r < 0 ? winsock_fail(r) : 0;
}

int WSAAPI WSASendDisconnect(SOCKET s, LPWSABUF lpOutboundDisconnectData)
{
	return disconnect(s, SHUT_WR, lpOutboundDisconnectData);
}

int WSAAPI WSARecvDisconnect(SOCKET s, LPWSABUF lpInboundDisconnectData)
{
	return disconnect(s, SHUT_RD, lpInboundDisconnectData);
}
