/* SPDX-License-Identifier: MIT */
/*
 * netevents_internal.h: between who finds out what has happened to a socket, netevents_look.c, and who has it polled and
 * told, netevents.c. All under the state lock.
 */
#ifndef GW_WINQOS_NETEVENTS_INTERNAL_H
#define GW_WINQOS_NETEVENTS_INTERNAL_H

#include "winqos/netevents.h"

/* What is selected, and would be recorded. */
long netevents_enabled_locked(const struct netevents *events);

/* Records an event, if it is selected and enabled. */
void netevents_record_locked(struct netevents *events, unsigned bit, int error);

/* Records what is the case now. True if a connection has come about. */
bool netevents_look_locked(struct netevents *events, bool has_deferred);

#endif
