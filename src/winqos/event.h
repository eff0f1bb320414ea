/* SPDX-License-Identifier: MIT */
/*
 * event.h: events and waitable timers as objects of the handle table.
 */
#ifndef GW_WINQOS_EVENT_H
#define GW_WINQOS_EVENT_H

#include "winqos/wait.h"

struct event {
	struct object object; /* OBJECT_EVENT or OBJECT_TIMER */
	struct waitable waitable;
};

/*
 * A handle to a new object; NULL with the last error set. A timer_fd (-1: an event) is taken over.
 */
HANDLE event_new(bool manual_reset, bool set, int timer_fd);

/*
 * A new reference to the event or, if `types` says so, timer behind a handle; NULL if it is none.
 */
struct event *event_get(HANDLE handle, unsigned types);
void event_put(struct event *event);

#endif
