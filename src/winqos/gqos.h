/* SPDX-License-Identifier: MIT */
/*
 * gqos.h: what the calls of Winsock ask of the QoS behind a socket (spec/gqos.md §7, §8, §16).
 *
 * The surface, winsock*.c, netevents*.c and socket_table.c, knows which sockets are QoS-enabled, what has happened to
 * them, and in which order the calls check. The provider, gqos_*.c, knows what was asked for, speaks to the engine,
 * and keeps the queue of what is to be told. Its functions are called for QoS-enabled sockets only, never with a lock
 * held. `int` ones return 0 or the Winsock value of an error; after an error nothing has changed.
 */
#ifndef GW_WINQOS_GQOS_H
#define GW_WINQOS_GQOS_H

#include <stdbool.h>
#include <winsock2.h>

#define GQOS_SENDING 1u
#define GQOS_RECEIVING 2u
#define GQOS_BOTH (GQOS_SENDING | GQOS_RECEIVING)

/* Whether a program could set this; nothing is sent for it. */
int gqos_check(SOCKET s, const QOS *qos);

/* SIO_SET_QOS and the lpSQOS of WSAConnect(). */
int gqos_set(SOCKET s, const QOS *qos);

/* What was set last, without its objects. False if nothing was. */
bool gqos_requested(SOCKET s, QOS *ret_qos);

/*
 * The socket has been bound or connected, or a connection that was under way is there: what waits for its addresses
 * begins.
 */
void gqos_look(SOCKET s);

/* Ends directions of all its sessions; `shut`: they will not begin again. */
void gqos_end(SOCKET s, unsigned directions, bool shut);

/*
 * The socket has joined a group. `qos` NULL: what the socket has asked for goes for the group. WSAEISCONN: it has been
 * there already.
 */
int gqos_join(SOCKET s, const struct sockaddr *group, socklen_t group_len, unsigned directions,
	      const QOS *qos);
void gqos_leave(SOCKET s, const struct sockaddr *group, socklen_t group_len);

/*
 * A connection has been accepted, and takes over what its listener has asked for. `from_condition` (NULL: none) is
 * what a condition function made of that.
 */
void gqos_inherit(SOCKET listener, SOCKET accepted, const QOS *from_condition);

/* The descriptor is about to be closed: requests that are pending on it complete with WSA_OPERATION_ABORTED. */
void gqos_closing(SOCKET s);

/*
 * The QoS codes of WSAIoctl(). The caller has found the program started (WSAStartup) and the socket QoS-enabled, and
 * completes the OVERLAPPED of what succeeds at once. WSA_IO_PENDING: an operation has been accepted (overlapped.h)
 * that carries `notify`, which in this case alone has been taken over.
 */
struct notify;
struct gqos_ioctl {
	SOCKET s;
	DWORD code;
	const void *in;
	DWORD in_size;
	void *out;
	DWORD out_size;
	bool has_size; /* the caller can be told a size, by lpcbBytesReturned or an OVERLAPPED */
	OVERLAPPED *overlapped;
	const struct notify *notify;
};
int gqos_ioctl(const struct gqos_ioctl *ioctl, DWORD *ret_size);

/*
 * Network events. The status code of the oldest item in the socket's queue; 0: it is empty.
 */
int gqos_pending_code(SOCKET s);

/*
 * The descriptor to poll for news about sockets, opened if need be; -1 if there never are any. When it is readable,
 * gqos_dispatch() takes in what has come, without blocking, and calls netevents_raise_qos() (netevents.h) for each
 * socket whose queue has become longer. SIO_GET_QOS calls netevents_reenable_qos(), whatever it answers.
 */
int gqos_event_fd(void);
void gqos_dispatch(void);

#endif
