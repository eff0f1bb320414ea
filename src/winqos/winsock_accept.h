/* SPDX-License-Identifier: MIT */
/* winsock_accept.h: connections that a condition function has left for later; they belong to the listener's entry. */
#ifndef GW_WINQOS_WINSOCK_ACCEPT_H
#define GW_WINQOS_WINSOCK_ACCEPT_H

struct deferred;

/* Resets the connections. NULL is allowed. */
void deferred_free(struct deferred *deferred);

#endif
