/* SPDX-License-Identifier: MIT */
/* destroy_events.h: the kernel's own announcement that a UDP socket is gone, for comparison. */
#ifndef GW_BENCH_DESTROY_EVENTS_H
#define GW_BENCH_DESTROY_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

/* Of the calling thread's network namespace. Negative errno if the kernel has no such announcements. */
int destroy_events_open(void);

/* Waits for that of the socket with this cookie. */
bool destroy_events_wait(int fd, uint64_t cookie, int timeout_ms);

#endif
