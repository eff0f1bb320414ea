/* SPDX-License-Identifier: MIT */
/*
 * winsock_accept.c: accept() and WSAAccept() with its condition function (spec/gqos.md §7.3).
 *
 * The kernel has no connections that wait for a decision: one is taken from it, and then accepted, reset, or kept with
 * its listener until the next call, which it is the first for.
 */
#include "winqos/winsock_accept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "winqos/errmap.h"
#include "winqos/gqos.h"
#include "winqos/socket_table.h"
#include "winqos/winsock.h"

struct deferred {
	struct deferred *prev, *next;
	int fd;
};

static void reset(int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

void deferred_free(struct deferred *deferred)
{
	struct deferred *one, *next;

	DL_FOREACH_SAFE(deferred, one, next) {
		reset(one->fd);
		free(one);
	}
}

/* The oldest connection that has been left for later, or -1. */
static int take_deferred(int listener)
{
	struct socket_entry *entry = socket_entry_get(listener);
	struct deferred *deferred;
	int fd = -1;

	if (!entry)
		return -1;
	socket_table_lock();
	deferred = entry->deferred;
	if (deferred) {
		DL_DELETE(entry->deferred, deferred);
		fd = deferred->fd;
	}
	atomic_store(&entry->has_deferred, entry->deferred != NULL);
	socket_table_unlock();
	free(deferred);
	socket_entry_put(entry);
	return fd;
}

/* Before those that came later; those who have come with it keep their order. */
static int defer(int listener, int fd)
{
	struct deferred *deferred = malloc(sizeof(*deferred));
	struct socket_entry *entry = deferred ? socket_entry_make(listener) : NULL;

	if (!entry) {
		free(deferred);
		return -ENOMEM;
	}
	deferred->fd = fd;
	socket_table_lock();
	DL_PREPEND(entry->deferred, deferred);
	atomic_store(&entry->has_deferred, true);
	socket_table_unlock();
	socket_entry_put(entry);
	return 0;
}

/* A connection, or a negative errno. */
static int take_connection(int listener, int flags)
{
	int fd = take_deferred(listener);

	if (fd < 0)
		fd = accept4(listener, NULL, NULL, flags);
	return fd < 0 ? -errno : fd;
}

/* The connection takes over what its listener is and has; `from_condition` is NULL where nobody was asked. */
static int adopt(int listener, int fd, const QOS *from_condition)
{
	struct socket_entry *entry;

	if (socket_is_qos(listener)) {
		entry = socket_entry_make(fd);
		if (!entry)
			return -ENOMEM;
		atomic_store(&entry->qos, true);
		socket_entry_put(entry);
		gqos_inherit((SOCKET)listener, (SOCKET)fd, from_condition);
	}
	return netevents_inherit(listener, fd);
}

/* ---- accept ---- */

/* A connection that has been left for later, as accept4(2) would have returned it. */
static int finish_deferred(int fd, struct sockaddr *address, socklen_t *address_len, int flags)
{
	if (fcntl(fd, F_SETFD, flags & SOCK_CLOEXEC ? FD_CLOEXEC : 0) < 0 ||
	    ((flags & SOCK_NONBLOCK) && fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0))
		return -errno;
	return address && getpeername(fd, address, address_len) < 0 ? -errno : 0;
}

int gw_win_accept4(int fd, struct sockaddr *address, socklen_t *address_len, int flags)
{
	int accepted = take_deferred(fd), r = 0;

	if (accepted >= 0)
		r = finish_deferred(accepted, address, address_len, flags);
	else if ((accepted = accept4(fd, address, address_len, flags)) < 0)
		r = -errno;
	if (accepted >= 0 && r == 0)
		r = adopt(fd, accepted, NULL);
	if (r < 0 && accepted >= 0)
		reset(accepted);
	netevents_reenable(fd, FD_ACCEPT);
	return r < 0 ? winsock_posix_fail(r) : accepted;
}

int gw_win_accept(int fd, struct sockaddr *address, socklen_t *address_len)
{
	return gw_win_accept4(fd, address, address_len, 0);
}

/* ---- WSAAccept ---- */

struct condition {
	LPCONDITIONPROC function;
	DWORD_PTR data;
	bool has_qos;
	QOS qos; /* the listener's, and then what the function made of it */
};

static WSABUF address_buffer(struct sockaddr_storage *address, socklen_t length)
{
	return (WSABUF){ .len = (ULONG)length, .buf = (CHAR *)address };
}

/* CF_... or whatever the function answers. */
static int ask(struct condition *condition, int listener, int fd)
{
	struct sockaddr_storage peer, local;
	socklen_t peer_length = sizeof(peer), local_length = sizeof(local);
	WSABUF caller, callee, no_caller_data = { 0 }, no_callee_data = { 0 };
	GROUP group = 0;

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_length) < 0 ||
	    getsockname(fd, (struct sockaddr *)&local, &local_length) < 0)
		return CF_REJECT; /* it is gone already */
	caller = address_buffer(&peer, peer_length);
	callee = address_buffer(&local, local_length);
	condition->has_qos = socket_is_qos(listener) &&
			     gqos_requested((SOCKET)listener, &condition->qos);
	return condition->function(&caller, &no_caller_data,
				   condition->has_qos ? &condition->qos : NULL, NULL, &callee,
				   &no_callee_data, &group, condition->data);
}

/* Does what the function has decided: 0, or the Winsock value of an error; the descriptor is gone then. */
static int decide(struct condition *condition, int listener, int fd)
{
	int r;

	switch (ask(condition, listener, fd)) {
	case CF_ACCEPT:
		r = adopt(listener, fd, condition->has_qos ? &condition->qos : NULL);
		if (r == 0)
			return 0;
		reset(fd);
		return (int)errmap_winsock(r);
	case CF_DEFER:
		r = defer(listener, fd);
		if (r == 0)
			return WSATRY_AGAIN;
		reset(fd);
		return (int)errmap_winsock(r);
	case CF_REJECT:
		reset(fd);
		return WSAECONNREFUSED;
	default:
		reset(fd);
		return WSAEINVAL;
	}
}

static int accept_one(int listener, struct condition *condition, int *ret_fd)
{
	int fd = take_connection(listener, SOCK_CLOEXEC), error;

	fd = fd < 0 ? fd : winsock_avoid_zero(fd);
	if (fd < 0)
		return (int)errmap_winsock(fd);
	if (condition->function)
		error = decide(condition, listener, fd);
	else
		error = adopt(listener, fd, NULL) < 0 ? WSAENOBUFS : 0;
	if (!condition->function && error)
		reset(fd);
	if (!error)
		*ret_fd = fd;
	return error;
}

/* The size of the addresses of a socket. */
static socklen_t own_address_length(int fd)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	return getsockname(fd, (struct sockaddr *)&address, &length) == 0 ? length : 0;
}

SOCKET WSAAPI WSAAccept(SOCKET s, struct sockaddr *addr, LPINT addrlen,
			LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData)
{
	struct condition condition = { .function = lpfnCondition, .data = dwCallbackData };
	int fd = winsock_fd(s), accepted = -1, error = 0;
	socklen_t length;

	if (fd < 0)
		error = WSAENOTSOCK;
	else if (addr && (!addrlen || *addrlen < (INT)own_address_length(fd)))
		error = WSAEFAULT;
	else
		error = accept_one(fd, &condition, &accepted);
	if (fd >= 0)
		netevents_reenable(fd, FD_ACCEPT);
	if (error) {
		fail_with((DWORD)error);
		return INVALID_SOCKET;
	}
	if (addr) {
		length = (socklen_t)*addrlen;
		/* Fails if the peer is gone by now: then there is no address to tell. */
		if (getpeername(accepted, addr, &length) == 0)
			*addrlen = (INT)length;
	}
	return (SOCKET)accepted;
}
