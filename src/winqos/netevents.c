/* SPDX-License-Identifier: MIT */
/*
 * netevents.c: see netevents.h.
 *
 * What is polled of a socket is what is selected and enabled; the conditions hold for as long as nobody does anything
 * about them, so one that has been recorded must not be polled. What poll(2) reports whether asked or not, an error or
 * the end of both directions, ends the polling for good.
 */
#include "winqos/netevents.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <winsock2.h>

#include "winqos/errmap.h"
#include "winqos/gqos.h"
#include "winqos/socket_table.h"
#include "winqos/winsock_accept.h"

_Static_assert(FD_MAX_EVENTS == ARRAYSIZE(((struct netevents *)0)->error), "one error for each");

static atomic_uint selected_count; /* so that all other programs pay nothing */

static long enabled_events(const struct netevents *events)
{
	return events->selected & ~events->disabled;
}

static void record_locked(struct netevents *events, unsigned bit, int error)
{
	const long event = 1L << bit;

	if (!(enabled_events(events) & event))
		return;
	events->recorded |= event;
	events->disabled |= event;
	events->error[bit] = error;
	waitable_set_locked(&events->event->waitable);
}

/* ---- what is polled ---- */

static void socket_ready(struct object *object);
static void news_ready(struct object *object);

/* The one owner of all sources of news. */
static struct object news_owner = { OBJECT_SOCKET, 1, NULL };

static bool can_end(const struct netevents *events)
{
	return !events->datagram && !events->at_end;
}

/* Whether to poll the socket, and for what. */
static bool wanted_locked(const struct netevents *events, short *ret_poll_events)
{
	const long enabled = enabled_events(events);
	bool wanted = false;
	short poll_events = 0;

	if (events->is_over)
		return false;
	if (events->datagram || events->stage == NETEVENTS_CONNECTED) {
		if ((enabled & FD_READ) && !events->at_end)
			poll_events |= POLLIN;
		if (enabled & FD_WRITE)
			poll_events |= POLLOUT;
		if (enabled & FD_OOB)
			poll_events |= POLLPRI;
		/* With data that the program has been told of, the end that follows it has to wait. */
		if ((enabled & FD_CLOSE) && can_end(events)) {
			wanted = true;
			if (!(events->selected & events->disabled & FD_READ))
				poll_events |= POLLRDHUP;
		}
	} else if (events->stage == NETEVENTS_CONNECTING) {
		poll_events = POLLOUT;
	} else if (events->stage == NETEVENTS_LISTENING && (enabled & FD_ACCEPT)) {
		poll_events = POLLIN;
	}
	*ret_poll_events = poll_events;
	return wanted || poll_events;
}

static void attach_socket_locked(struct socket_entry *entry)
{
	struct netevents *events = &entry->events;
	bool wanted;
	short poll_events = 0;

	wanted = events->event && wanted_locked(events, &poll_events);
	if (events->has_socket_source && wanted && events->socket_source.poll_events == poll_events)
		return;
	if (events->has_socket_source)
		waitable_detach_locked(&events->event->waitable, &events->socket_source);
	events->has_socket_source = wanted;
	if (!wanted)
		return;
	events->socket_source = (struct source){ .fd = events->fd,
						 .poll_events = poll_events,
						 .owner = &entry->object,
						 .ready = socket_ready };
	waitable_attach_locked(&events->event->waitable, &events->socket_source);
}

/* `fd`: where news come from; -1: nowhere. */
static void attach_news_locked(struct netevents *events, int fd)
{
	if (events->has_news_source)
		waitable_detach_locked(&events->event->waitable, &events->news_source);
	events->has_news_source = fd >= 0 && events->event && (events->selected & FD_QOS);
	if (!events->has_news_source)
		return;
	events->news_source = (struct source){ .fd = fd,
					       .poll_events = POLLIN,
					       .shared = true,
					       .owner = &news_owner,
					       .ready = news_ready };
	waitable_attach_locked(&events->event->waitable, &events->news_source);
}

/* ---- what has happened ---- */

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
	record_locked(events, FD_CONNECT_BIT, error ? (int)errmap_winsock(-error) : 0);
	return !error;
}

/* The end of what the peer sends, or of the connection. */
static void end_locked(struct netevents *events, int error)
{
	events->at_end = true;
	record_locked(events, FD_CLOSE_BIT,
		      error == ETIMEDOUT ? WSAECONNABORTED
		      : error		 ? (int)errmap_winsock(-error)
					 : 0);
}

static void connected_locked(struct netevents *events)
{
	short ready = poll_now(events->fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP);
	ssize_t n = 1;
	char byte;

	if (ready & POLLPRI)
		record_locked(events, FD_OOB_BIT, 0);
	if ((ready & (POLLIN | POLLERR | POLLHUP)) && !events->at_end) {
		n = recv(events->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		if (n > 0)
			record_locked(events, FD_READ_BIT, 0);
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
		record_locked(events, FD_WRITE_BIT, 0);
}

static void datagram_locked(struct netevents *events)
{
	short ready = poll_now(events->fd, POLLIN | POLLOUT | POLLPRI);

	/* An error is told by whichever call comes next. */
	if (ready & (POLLIN | POLLERR))
		record_locked(events, FD_READ_BIT, 0);
	if (ready & (POLLOUT | POLLERR))
		record_locked(events, FD_WRITE_BIT, 0);
	if (ready & POLLPRI)
		record_locked(events, FD_OOB_BIT, 0);
	if (ready & POLLHUP)
		events->is_over = true;
}

/* True if a connection has come about. */
static bool look_locked(struct socket_entry *entry)
{
	struct netevents *events = &entry->events;
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
	    (atomic_load(&entry->has_deferred) || (poll_now(events->fd, POLLIN) & POLLIN)))
		record_locked(events, FD_ACCEPT_BIT, 0);
	return connected;
}

static void look(struct socket_entry *entry)
{
	bool connected = false;
	int fd = -1;

	state_lock();
	if (entry->events.event && !socket_entry_is(entry, entry->events.fd)) {
		entry->events.is_over = true; /* it is closed, and the number may be another's */
	} else if (entry->events.event) {
		fd = entry->events.fd;
		connected = look_locked(entry);
	}
	attach_socket_locked(entry);
	state_unlock();

	if (connected && atomic_load(&entry->connecting)) {
		socket_set_connecting(entry, false);
		gqos_look((SOCKET)fd);
	}
}

static void socket_ready(struct object *object)
{
	look((struct socket_entry *)object);
}

static void news_ready(struct object *object)
{
	gqos_dispatch();
}

/* ---- selecting ---- */

/* Returns the reference that is to be given back. */
static struct event *drop_locked(struct socket_entry *entry)
{
	struct netevents *events = &entry->events;
	struct event *event = events->event;

	if (!event)
		return NULL;
	if (events->has_socket_source)
		waitable_detach_locked(&event->waitable, &events->socket_source);
	if (events->has_news_source)
		waitable_detach_locked(&event->waitable, &events->news_source);
	*events = (struct netevents){ 0 };
	atomic_fetch_sub(&selected_count, 1);
	return event;
}

void netevents_cancel(struct socket_entry *entry)
{
	struct event *event;

	state_lock();
	event = drop_locked(entry);
	state_unlock();
	if (event)
		event_put(event);
}

void netevents_close(struct socket_entry *entry, int fd)
{
	struct event *event = NULL;

	state_lock();
	if (entry->events.fd == fd)
		event = drop_locked(entry);
	state_unlock();
	if (event)
		event_put(event);
}

int netevents_select(struct socket_entry *entry, int fd, struct event *event, long selected)
{
	const bool news = (selected & FD_QOS) && atomic_load(&entry->qos);
	const int news_fd = news ? gqos_event_fd() : -1;
	socklen_t length = sizeof(int);
	int type = SOCK_STREAM, flags;
	struct event *former;

	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0) {
		event_put(event);
		return -errno;
	}
	state_lock();
	former = drop_locked(entry);
	entry->events = (struct netevents){
		.event = event,
		.fd = fd,
		.selected = selected,
		.datagram = type != SOCK_STREAM && type != SOCK_SEQPACKET,
	};
	atomic_fetch_add(&selected_count, 1);
	attach_news_locked(&entry->events, news_fd);
	state_unlock();
	if (former)
		event_put(former);
	look(entry);
	if (news)
		netevents_raise_qos(fd, gqos_pending_code((SOCKET)fd));
	return 0;
}

int netevents_inherit(int listener, int accepted)
{
	struct socket_entry *from, *to = NULL;
	struct event *event = NULL;
	long selected = 0;
	int r = 0;

	if (atomic_load(&selected_count) == 0 || !(from = socket_entry_get(listener)))
		return 0;
	state_lock();
	if (from->events.event) {
		event = from->events.event;
		object_ref(&event->object);
		selected = from->events.selected;
	}
	state_unlock();
	if (event)
		to = socket_entry_make(accepted);
	if (to) {
		r = netevents_select(to, accepted, event, selected);
	} else if (event) {
		event_put(event);
		r = -ENOMEM;
	}
	socket_entry_put(to);
	socket_entry_put(from);
	return r;
}

/* ---- what the program hears and does ---- */

void netevents_take(struct socket_entry *entry, struct event *event, long *ret_events, int *errors)
{
	struct netevents *events = &entry->events;

	bool news;

	state_lock();
	news = events->has_news_source;
	state_unlock();
	if (news)
		gqos_dispatch();
	look(entry);
	state_lock();
	*ret_events = events->recorded;
	for (unsigned bit = 0; bit < FD_MAX_EVENTS; bit++) {
		if (events->recorded & (1L << bit))
			errors[bit] = events->error[bit];
	}
	events->recorded = 0;
	if (event)
		waitable_reset_locked(&event->waitable);
	state_unlock();
}

/* A reference to the entry, if something of these is selected there. */
static struct socket_entry *get_selected(int fd, long events)
{
	struct socket_entry *entry;
	bool selected;

	if (atomic_load(&selected_count) == 0 || !(entry = socket_entry_get(fd)))
		return NULL;
	state_lock();
	selected = entry->events.event && (entry->events.selected & events);
	state_unlock();
	if (selected)
		return entry;
	socket_entry_put(entry);
	return NULL;
}

void netevents_reenable(int fd, long events)
{
	struct socket_entry *entry = get_selected(fd, events);

	if (!entry)
		return;
	state_lock();
	entry->events.disabled &= ~events;
	state_unlock();
	look(entry);
	socket_entry_put(entry);
}

void netevents_restart(int fd, bool connected)
{
	struct socket_entry *entry = get_selected(fd, FD_ALL_EVENTS);

	if (!entry)
		return;
	state_lock();
	entry->events.disabled &= ~(long)(FD_CONNECT | FD_CLOSE);
	entry->events.at_end = entry->events.is_over = false;
	if (entry->events.datagram && connected)
		record_locked(&entry->events, FD_CONNECT_BIT, 0);
	else if (connected)
		entry->events.stage = NETEVENTS_CONNECTING;
	else
		entry->events.stage = NETEVENTS_IDLE;
	state_unlock();
	look(entry);
	socket_entry_put(entry);
}

void netevents_raise_qos(int fd, int code)
{
	struct socket_entry *entry = code ? get_selected(fd, FD_QOS) : NULL;

	if (!entry)
		return;
	state_lock();
	if (entry->events.event)
		record_locked(&entry->events, FD_QOS_BIT, code);
	state_unlock();
	socket_entry_put(entry);
}

void netevents_reenable_qos(int fd)
{
	struct socket_entry *entry = get_selected(fd, FD_QOS);

	if (!entry)
		return;
	state_lock();
	entry->events.disabled &= ~(long)FD_QOS;
	state_unlock();
	socket_entry_put(entry);
	netevents_raise_qos(fd, gqos_pending_code((SOCKET)fd));
}

static void renew(int fd)
{
	struct socket_entry *entry = get_selected(fd, FD_QOS);
	int news_fd = gqos_event_fd();

	if (!entry)
		return;
	state_lock();
	attach_news_locked(&entry->events, news_fd);
	state_unlock();
	socket_entry_put(entry);
}

void netevents_renew_qos(void)
{
	if (atomic_load(&selected_count) > 0)
		socket_visit_qos(renew);
}

void netevents_forked_locked(struct netevents *events)
{
	if (!events->event)
		return;
	/* Not given back: that is not done under the lock. It is the memory of one event. */
	waitable_forked_locked(&events->event->waitable);
	*events = (struct netevents){ 0 };
	atomic_store(&selected_count, 0);
}
