/* SPDX-License-Identifier: MIT */
/*
 * winsock_connect.c: bind(), listen() and connect(), under their own and their Winsock names: what gives a socket its
 * addresses, with which QoS begins, and takes its peer away, with which it ends (spec/gqos.md §7.2, §16.5).
 */
#include <errno.h>
#include <string.h>

#include "winqos/errmap.h"
#include "winqos/gqos.h"
#include "winqos/socket_table.h"
#include "winqos/winsock.h"

/* An address of zeros, which is no peer to datagrams, or none of any family. */
static bool is_nobody(const struct sockaddr *address, socklen_t length)
{
	if (length < sizeof(address->sa_family))
		return false;
	if (address->sa_family == AF_UNSPEC)
		return true;
	if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in))
		return ((const struct sockaddr_in *)address)->sin_addr.s_addr == INADDR_ANY;
	if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6))
		return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return false;
}

/*
 * Ends the association of a datagram socket. A port that the system chose for it, which the kernel would take back, it
 * keeps: the socket stays bound.
 */
static int dissolve(int fd)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct sockaddr_storage before = { 0 }, after = { 0 };
	socklen_t length = sizeof(before), after_length = sizeof(after);
	struct sockaddr_in *in = (struct sockaddr_in *)&after;
	in_port_t port;

	if (getsockname(fd, (struct sockaddr *)&before, &length) < 0 ||
	    connect(fd, &nobody, sizeof(nobody)) < 0 ||
	    getsockname(fd, (struct sockaddr *)&after, &after_length) < 0)
		return -errno;
	if (before.ss_family != AF_INET && before.ss_family != AF_INET6)
		return 0;
	/* The port stands at the same place in both families. */
	port = ((struct sockaddr_in *)&before)->sin_port;
	if (port == 0 || in->sin_port != 0)
		return 0;
	in->sin_port = port;
	return bind(fd, (struct sockaddr *)&after, after_length) < 0 ? -errno : 0;
}

/* The way back from a call that has changed the peer and then failed. */
static void restore_peer(int fd, const struct sockaddr_storage *peer, socklen_t length)
{
	if (length > 0 && connect(fd, (const struct sockaddr *)peer, length) == 0)
		return;
	dissolve(fd);
}

/* What QoS and network events have to know of a connect(2), which answered 0 or a negative errno. */
static int connected(int fd, int r)
{
	const bool under_way = r == -EINPROGRESS || r == -EINTR;
	struct socket_entry *entry;

	if (r < 0 && !under_way)
		return r;
	entry = socket_entry_get(fd);
	if (entry && atomic_load(&entry->qos)) {
		socket_set_connecting(entry, under_way);
		if (!under_way)
			gqos_look((SOCKET)fd);
	}
	socket_entry_put(entry);
	netevents_restart(fd, true);
	return r;
}

/* A datagram socket loses its peer, and its QoS. */
static int leave_peer(int fd)
{
	const bool qos = socket_is_qos(fd);
	int r;

	if (qos)
		gqos_end((SOCKET)fd, GQOS_BOTH, false);
	r = dissolve(fd);
	if (qos)
		gqos_look((SOCKET)fd);
	return r;
}

static int connect_socket(int fd, const struct sockaddr *address, socklen_t length)
{
	int r;

	if (winsock_is_datagram(fd) && is_nobody(address, length))
		return leave_peer(fd);
	r = connect(fd, address, length) < 0 ? -errno : 0;
	/* What the kernel answers, once, where an attempt has failed before and its error has been taken away. */
	if (r == -ECONNABORTED)
		r = connect(fd, address, length) < 0 ? -errno : 0;
	if (address->sa_family == AF_UNSPEC && r == 0) {
		/* A connection that is given up. */
		if (socket_is_qos(fd))
			gqos_end((SOCKET)fd, GQOS_BOTH, false);
		netevents_restart(fd, false);
		return 0;
	}
	return connected(fd, r);
}

int gw_win_connect(int fd, const struct sockaddr *address, socklen_t address_len)
{
	int r;

	if (!address || address_len < sizeof(address->sa_family))
		return winsock_posix_fail(address ? -EINVAL : -EFAULT);
	r = connect_socket(fd, address, address_len);
	return r < 0 ? winsock_posix_fail(r) : 0;
}

/* ---- WSAConnect ---- */

/* A NULL name (spec/gqos.md §16.5). */
static int end_service(int fd)
{
	int r = 0;

	if (winsock_is_datagram(fd))
		r = leave_peer(fd);
	else if (socket_is_qos(fd))
		gqos_end((SOCKET)fd, GQOS_BOTH, false);
	else
		r = -EFAULT;
	return r < 0 ? winsock_fail(r) : 0;
}

/* The QoS of a datagram socket may need the port that connecting gives it; it takes effect with the peer. */
static int connect_datagram(int fd, const struct sockaddr *name, socklen_t length, const QOS *qos)
{
	struct sockaddr_storage former;
	socklen_t former_length = sizeof(former);
	int error;

	if (getpeername(fd, (struct sockaddr *)&former, &former_length) < 0)
		former_length = 0;
	if (connect(fd, name, length) < 0)
		return winsock_fail(-errno);
	error = gqos_set((SOCKET)fd, qos);
	if (error) {
		restore_peer(fd, &former, former_length);
		return winsock_fail_with((DWORD)winsock_qos_error(error));
	}
	connected(fd, 0);
	return 0;
}

/* That of a stream is kept in mind until it is connected, also for another attempt. */
static int connect_stream(int fd, const struct sockaddr *name, socklen_t length, const QOS *qos)
{
	struct sockaddr_storage peer;
	socklen_t peer_length = sizeof(peer);
	int error, r;

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_length) == 0)
		return winsock_fail(-EISCONN);
	error = gqos_set((SOCKET)fd, qos);
	if (error)
		return winsock_fail_with((DWORD)winsock_qos_error(error));
	r = connect_socket(fd, name, length);
	return r < 0 ? winsock_fail(r) : 0;
}

/* Callers pass the size of a sockaddr_storage. */
static socklen_t address_length(const struct sockaddr *name, int length)
{
	if (name->sa_family == AF_INET && length > (int)sizeof(struct sockaddr_in))
		return sizeof(struct sockaddr_in);
	if (name->sa_family == AF_INET6 && length > (int)sizeof(struct sockaddr_in6))
		return sizeof(struct sockaddr_in6);
	return (socklen_t)length;
}

int WSAAPI WSAConnect(SOCKET s, const struct sockaddr *name, int namelen, LPWSABUF lpCallerData,
		      LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS)
{
	int fd = winsock_fd(s), error, r;
	socklen_t length;

	if (fd < 0)
		return winsock_fail(-ENOTSOCK);
	if (lpGQOS || (!name && lpSQOS))
		return winsock_fail(-EINVAL);
	if (!name)
		return end_service(fd);
	if (namelen < (int)sizeof(name->sa_family))
		return winsock_fail(-EFAULT);
	error = winsock_check_qos(fd, lpSQOS);
	if (error)
		return winsock_fail_with((DWORD)error);
	length = address_length(name, namelen);
	if (lpSQOS && winsock_is_datagram(fd) && !is_nobody(name, length))
		return connect_datagram(fd, name, length, lpSQOS);
	if (lpSQOS && is_nobody(name, length))
		return winsock_fail(-EINVAL); /* nobody to have it with */
	if (lpSQOS)
		return connect_stream(fd, name, length, lpSQOS);
	r = connect_socket(fd, name, length);
	return r < 0 ? winsock_fail(r) : 0;
}

/* ---- bind and listen ---- */

int gw_win_bind(int fd, const struct sockaddr *address, socklen_t address_len)
{
	if (bind(fd, address, address_len) < 0)
		return winsock_posix_fail(-errno);
	if (socket_is_qos(fd))
		gqos_look((SOCKET)fd);
	return 0;
}

int gw_win_listen(int fd, int backlog)
{
	if (listen(fd, backlog) < 0)
		return winsock_posix_fail(-errno);
	netevents_restart(fd, false);
	return 0;
}
