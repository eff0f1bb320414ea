/* SPDX-License-Identifier: MIT */
/*
 * waker.h: wakes the event loop at a time, to the precision of the kernel's timers: probes are a millisecond apart,
 * and the loop's own timers are rounded to that or worse.
 */
#ifndef GW_HOST_WAKER_H
#define GW_HOST_WAKER_H

#include <event2/event.h>
#include <stdint.h>

struct waker;

int waker_new(struct event_base *base, void (*wake)(void *user_data), void *user_data,
	      struct waker **ret_waker);
struct waker *waker_free(struct waker *waker);

/* Once, at that time of time_now_us(), or at once if it has passed; UINT64_MAX: not. Replaces what was set. */
void waker_set(struct waker *waker, uint64_t at_us);

#endif
