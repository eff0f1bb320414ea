/* SPDX-License-Identifier: MIT */
/*
 * netevents_look.c: what has become of a socket since it was last looked at. Nothing here changes the socket, but an error
 * that is told as that of an event is taken out of it.
 */
#include <errno.h>
#include <poll.h>
#include <winsock2.h>

#include "winqos/errmap.h"
#include "winqos/netevents_internal.h"

_Static_assert(FD_MAX_EVENTS == ARRAYSIZE(((struct netevents *)0)->error), "one error for each");

long netevents_enabled_locked(const struct netevents *events)
{
	return events->selected & ~events->disabled;
}

void netevents_record_locked(struct netevents *events, unsigned bit, int error)
{
	const long event = 1L << bit;

	if (!(netevents_enabled_locked(events) & event))
		return;
	events->recorded |= event;
	events->disabled |= event;
	events->error[bit] = error;
	waitable_set_locked(&events->event->waitable);
}

/* Of a stream: by what it can be asked, whoever has called connect() or listen(). */
static enum netevents_stage find_stage(const struct netevents *events)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(int);
	struct tcp_info info;
	int listening = 0;

	if (getsockopt(events->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 &&
	    listening)
		return NETEVENTS_LISTENING;
	length = sizeof(peer);
	if (getpeername(events->fd, (struct sockaddr *)&peer, &length) == 0)
		return NETEVENTS_CONNECTED;
	length = sizeof(info);
	if (getsockopt(events->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
	    (info.tcpi_state == TCP_SYN_SENT || info.tcpi_state == TCP_SYN_RECV))
		return NETEVENTS_CONNECTING;
	return NETEVENTS_IDLE;
}

static short poll_now(int fd, short poll_events)
{
	struct pollfd poll_fd = { .fd = fd, .events = poll_events };

	return poll(&poll_fd, 1, 0) == 1 ? poll_fd.revents : 0;
}

/* Whether it is connected now, and was not. */
static bool connecting_locked(struct netevents *events)
{
	socklen_t length = sizeof(int);
	int error = 0;

	if (!poll_now(events->fd, POLLOUT))
		return false;
	getsockopt(events->fd, SOL_SOCKET, SO_ERROR, &error, &length);
	events->stage = error ? NETEVENTS_IDLE : NETEVENTS_CONNECTED;
	netevents_record_locked(events, FD_CONNECT_BIT, error ? (int)errmap_winsock(-error) : 0);
	return !error;
}

/* The end of what the peer sends, or of the connection. */
static void end_locked(struct netevents *events, int error)
{
	events->at_end = true;
	netevents_record_locked(events, FD_CLOSE_BIT,
				error == ETIMEDOUT ? WSAECONNABORTED
				: error		   ? (int)errmap_winsock(-error)
						   : 0);
}

static void connected_locked(struct netevents *events)
{
	short ready = poll_now(events->fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP);
	ssize_t n = 1;
	char byte;

	if (ready & POLLPRI)
		netevents_record_locked(events, FD_OOB_BIT, 0);
	if ((ready & (POLLIN | POLLERR | POLLHUP)) && !events->at_end) {
		n = recv(events->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n > 0)
			netevents_record_locked(events, FD_READ_BIT, 0);
		else if (n == 0 || (errno != EAGAIN && errno != EINTR))
			end_locked(events, n == 0 ? 0 : errno);
	}
	/* A program that does not ask for data hears of the end before it has read all. */
	if ((ready & (POLLRDHUP | POLLERR | POLLHUP)) && !(events->selected & FD_READ) &&
	    !events->at_end)
		end_locked(events, 0);
	if (ready & (POLLERR | POLLHUP))
		events->is_over = true;
	else if (ready & POLLOUT)
		netevents_record_locked(events, FD_WRITE_BIT, 0);
}

static void datagram_locked(struct netevents *events)
{
	short ready = poll_now(events->fd, POLLIN | POLLOUT | POLLPRI);

	/* An error is told by whichever call comes next. */
	if (ready & (POLLIN | POLLERR))
		netevents_record_locked(events, FD_READ_BIT, 0);
	if (ready & (POLLOUT | POLLERR))
		netevents_record_locked(events, FD_WRITE_BIT, 0);
	if (ready & POLLPRI)
		netevents_record_locked(events, FD_OOB_BIT, 0);
	if (ready & POLLHUP)
		events->is_over = true;
}

bool netevents_look_locked(struct netevents *events, bool has_deferred)
{
	bool connected = false;

	if (events->datagram) {
		datagram_locked(events);
		return false;
	}
	if (events->stage == NETEVENTS_IDLE)
		events->stage = find_stage(events);
	if (events->stage == NETEVENTS_CONNECTING)
		connected = connecting_locked(events);
	if (events->stage == NETEVENTS_CONNECTED)
		connected_locked(events);
	if (events->stage == NETEVENTS_LISTENING &&
	    (has_deferred || (poll_now(events->fd, POLLIN) & POLLIN)))
		netevents_record_locked(events, FD_ACCEPT_BIT, 0);
	return connected;
}
