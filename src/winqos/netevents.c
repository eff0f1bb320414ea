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

#include "winqos/gqos.h"
#include "winqos/netevents_internal.h"
#include "winqos/socket_table.h"

static atomic_uint selected_count; /* so that all other programs pay nothing */

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
	const long enabled = netevents_enabled_locked(events);
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

static void look(struct socket_entry *entry)
{
	bool connected = false;
	int fd = -1;

	state_lock();
	if (entry->events.event && !socket_entry_is(entry, entry->events.fd)) {
		entry->events.is_over = true; /* it is closed, and the number may be another's */
	} else if (entry->events.event) {
		fd = entry->events.fd;
		connected =
			netevents_look_locked(&entry->events, atomic_load(&entry->has_deferred));
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
		netevents_record_locked(&entry->events, FD_CONNECT_BIT, 0);
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
		netevents_record_locked(&entry->events, FD_QOS_BIT, code);
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
