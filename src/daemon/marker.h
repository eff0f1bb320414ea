/* SPDX-License-Identifier: MIT */
/* marker.h: what the files of the daemon's datapath share: marker.c, endings.c, takeover.c and facts.c. */
#ifndef GW_DAEMON_MARKER_H
#define GW_DAEMON_MARKER_H

#include <event2/event.h>

#include "daemon/classes.h"
#include "daemon/daemon.h"
#include "datapath/kernel/kernel.h"
#include "datapath/socket/socket.h"
#include "host/endwatch.h"

struct marker {
	struct event_base *base;
	const struct config *config;	/* in force */
	struct kernel_datapath *kernel; /* or NULL, then: */
	struct socket_datapath *socket;
	struct classes *classes;
	struct handover *handover;
	struct kernel_facts facts;
	char why_no_kernel[64];
	struct host *host;
	struct endwatch *endwatch;
	struct event *on_close;
	struct event *on_link;
	struct event *on_group;
	struct event *on_handover;
	struct event *tick; /* of shaping */
	struct event *retry;
	struct event *resync;
	uint64_t resynced_us; /* when it was done last */
	void (*links_changed)(void *user_data);
	void *links_changed_data;
};

/* endings.c: callbacks of events, with the marker */
void marker_on_close(evutil_socket_t fd, short what, void *user_data);
void marker_on_resync(evutil_socket_t fd, short what, void *user_data);

/* takeover.c: what an earlier daemon has left. Programs go on as they were; all else ends. */
void take_over(struct marker *marker);

#endif
