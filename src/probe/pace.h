/* SPDX-License-Identifier: MIT */
/*
 * pace.h: when the packets of a train leave that is sent at a rate. Who was held up makes up for it, as a train is of
 * use only as a whole; how long it took is told with it. All zero: back to back, all at once.
 */
#ifndef GW_PROBE_PACE_H
#define GW_PROBE_PACE_H

#include <stdint.h>

/* Packets that follow each other more closely leave some at a time. */
#define PACE_TURN_US 200

struct pace {
	uint64_t interval_ns;
	uint64_t begun_ns;	    /* when the first one was due */
	uint64_t first_ns, last_ns; /* when the first and the last one left, up to now */
	uint64_t held_ns; /* how late the one left that was held up longest, reckoned from the first */
};

static inline struct pace pace_of(uint64_t rate_bps, uint32_t packet_bytes)
{
	return (struct pace){
		.interval_ns = rate_bps ? UINT64_C(8000000000) * packet_bytes / rate_bps + 1 : 0,
	};
}

/* How many of `n` packets, of which `sent` have left, are to leave now. */
static inline unsigned pace_due(const struct pace *pace, unsigned sent, unsigned n, uint64_t now_ns)
{
	uint64_t due;

	if (pace->interval_ns == 0)
		return n - sent;
	due = now_ns < pace->begun_ns ? 0 : (now_ns - pace->begun_ns) / pace->interval_ns + 1;
	if (due > n)
		due = n;
	return due > sent ? (unsigned)due - sent : 0;
}

static inline uint64_t pace_next_us(const struct pace *pace, unsigned sent, uint64_t now_us)
{
	uint64_t next_us = (pace->begun_ns + sent * pace->interval_ns + 999) / 1000;

	return next_us > now_us + PACE_TURN_US ? next_us : now_us + PACE_TURN_US;
}

static inline void pace_note(struct pace *pace, unsigned sent, uint64_t stamp_ns)
{
	uint64_t due_ns;

	if (sent == 0) {
		pace->first_ns = stamp_ns;
		pace->held_ns = 0;
	}
	due_ns = pace->first_ns + sent * pace->interval_ns;
	if (stamp_ns > due_ns && stamp_ns - due_ns > pace->held_ns)
		pace->held_ns = stamp_ns - due_ns;
	pace->last_ns = stamp_ns;
}

/* What struct probe_train tells of it. */
static inline uint64_t pace_spread_ns(const struct pace *pace)
{
	return pace->interval_ns ? pace->last_ns - pace->first_ns : 0;
}

#endif
