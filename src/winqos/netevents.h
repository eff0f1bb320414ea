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

/* An item of this status code has entered the socket's queue: FD_QOS, if it is selected and enabled. */
void netevents_raise_qos(int fd, int code);

/* SIO_GET_QOS has been called: FD_QOS is enabled again, and recorded at once if gqos_pending_code() has more. */
void netevents_reenable_qos(int fd);

/* gqos_event_fd() now is another descriptor. */
void netevents_renew_qos(void);

#endif
