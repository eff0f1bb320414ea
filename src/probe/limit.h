/* SPDX-License-Identifier: MIT */
/*
 * limit.h: at most so many a second, for what others can make us do: a bucket of whole things, not of bytes. All
 * zero is a limit that has not been used yet.
 */
#ifndef GW_PROBE_LIMIT_H
#define GW_PROBE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct probe_limit {
	uint64_t credit;     /* millionths of one thing */
	uint64_t counted_us; /* up to when; 0: never */
};

/*
 * Whether one more may be now, which is counted then. In any stretch of time t there are at most
 * `burst` + `per_s` * t of them.
 */
bool probe_limit_take(struct probe_limit *limit, uint32_t per_s, uint32_t burst, uint64_t now_us);

#endif
