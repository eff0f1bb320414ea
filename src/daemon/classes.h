/* SPDX-License-Identifier: MIT */
/*
 * classes.h: links that are handed over where there is no eBPF: sockets find their classes by their priority
 * (datapath/socket/socket.h). A socket has one priority, so a flow has one class, on the first of its links.
 */
#ifndef GW_DAEMON_CLASSES_H
#define GW_DAEMON_CLASSES_H

#include "datapath/kernel/handover.h"
#include "datapath/socket/socket.h"

struct classes;

/* NULL if memory is short. */
struct classes *classes_new(void);
struct classes *classes_free(struct classes *classes);

/* Before the first flow. */
void classes_set_handover(struct classes *classes, const struct handover *handover);

/* Some link has another schedule than before, or none: to be called at each such change. */
void classes_links_changed(struct classes *classes);

struct socket_classes classes_port(struct classes *classes);

#endif
