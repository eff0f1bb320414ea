/* SPDX-License-Identifier: MIT */
/*
 * netevents.h: the network events of sockets, FD_READ and the like, as WSAEventSelect() has them.
 *
 * An event is recorded once, sets the event object, and is not recorded again until the program has called what
 * re-enables it: a receive for FD_READ, a send that would block for FD_WRITE, accept() for FD_ACCEPT, SIO_GET_QOS for
 * FD_QOS. If its cause is still there then, it is recorded at once. Nobody watches sockets in the background: they are
 * sources of their event object (wait.h), and looked at by who waits for it or asks what has happened.
 */
#ifndef GW_WINQOS_NETEVENTS_H
#define GW_WINQOS_NETEVENTS_H

#include <stdbool.h>

#include "winqos/event.h"

struct socket_entry;

/* What a connection-oriented socket is doing. */
enum netevents_stage {
	NETEVENTS_IDLE,
	NETEVENTS_CONNECTING,
	NETEVENTS_LISTENING,
	NETEVENTS_CONNECTED
};

/* Of one socket; part of its entry (socket_table.h). */
struct netevents {
	struct event *event; /* with a reference; NULL: nothing is selected */
	int fd;		     /* that it was selected with */
	long selected, recorded;
	long disabled; /* recorded, and not re-enabled since */
	int error[10]; /* FD_MAX_EVENTS; of those recorded */
	bool datagram;
	enum netevents_stage stage;
	bool at_end;  /* the peer sends no more, and that has been taken in */
	bool is_over; /* the socket polls ready for ever */
	bool has_socket_source, has_news_source;
	struct source socket_source;
	struct source news_source; /* what the provider of QoS hears */
};

/* An item of this status code has entered the socket's queue: FD_QOS, if it is selected and enabled. */
void netevents_raise_qos(int fd, int code);

/* SIO_GET_QOS has been called: FD_QOS is enabled again, and recorded at once if gqos_pending_code() has more. */
void netevents_reenable_qos(int fd);

/* gqos_event_fd() now is another descriptor. */
void netevents_renew_qos(void);

/* Replaces what is selected. `event` is taken over. 0, or a negative errno. */
int netevents_select(struct socket_entry *entry, int fd, struct event *event, long selected);
void netevents_cancel(struct socket_entry *entry);

/* A connection takes over what is selected for its listener; -ENOMEM. */
int netevents_inherit(int listener, int accepted);

/* Takes in what there is, hands out what is recorded, and resets `event` (NULL: none). */
void netevents_take(struct socket_entry *entry, struct event *event, long *ret_events, int *errors);

/* The program has called what re-enables these. Costs nothing where nothing is selected. */
void netevents_reenable(int fd, long events);

/* connect() or listen() has been called. */
void netevents_restart(int fd, bool connected);

/* The descriptor is about to be closed. */
void netevents_close(struct socket_entry *entry, int fd);

void netevents_forked_locked(struct netevents *events);

#endif
