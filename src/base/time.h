/* SPDX-License-Identifier: MIT */
/*
 * time.h: the clocks, in microseconds. Only hosts (daemon, embedded, cli) and datapaths read them; the
 * engines below get `now` as an argument.
 */
#ifndef GW_BASE_TIME_H
#define GW_BASE_TIME_H

#include <stdint.h>
#include <time.h>

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define NSEC_PER_USEC UINT64_C(1000)

static inline uint64_t time_read_us(clockid_t clock)
{
	struct timespec ts;

	/* Cannot fail: both clocks below exist on every Linux. */
	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / NSEC_PER_USEC;
}

/* For intervals and deadlines. */
static inline uint64_t time_now_us(void)
{
	return time_read_us(CLOCK_MONOTONIC);
}

/* For people: since 1970. */
static inline uint64_t time_epoch_us(void)
{
	return time_read_us(CLOCK_REALTIME);
}

#endif
