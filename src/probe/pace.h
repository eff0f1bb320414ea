/* SPDX-License-Identifier: MIT */
/*
 * pace.h: when the packets of a train leave that is sent at a rate. Some may leave at once ahead of the others. Who was
 * held up makes up for it, as a train is of use only as a whole; how long it took is told with it. All zero: back to
 * back, all at once.
 */
#ifndef GW_PROBE_PACE_H
#define GW_PROBE_PACE_H

#include <stdint.h>

/*
 * Packets that follow each other more closely leave some at a time; and those before their time, so that a link which
 * they are to keep busy does not go idle until the next turn, nor if that is late.
 */
#define PACE_TURN_US 200
#define PACE_AHEAD_US 400
/* Of a train only a part: what leaves all at once is not paced. */
#define PACE_AHEAD_PACKETS 20

struct pace {
	uint64_t interval_ns;
	uint64_t ahead_ns; /* how long before its time a packet may leave */
	unsigned lead; /* packets that leave with the one behind them, which is the first that is paced */
	uint64_t begun_ns;	    /* when that one was due */
	uint64_t first_ns, last_ns; /* when that one and the last one left, up to now */
	uint64_t held_ns; /* how late the one left that was held up longest, reckoned from the first */
};

static inline struct pace pace_of(uint64_t rate_bps, uint32_t packet_bytes, unsigned lead)
{
	uint64_t interval_ns = rate_bps ? UINT64_C(8000000000) * packet_bytes / rate_bps + 1 : 0;
	uint64_t ahead_ns = PACE_AHEAD_PACKETS * interval_ns;

	if (ahead_ns > PACE_AHEAD_US * 1000)
		ahead_ns = PACE_AHEAD_US * 1000;
	return (struct pace){
		.interval_ns = interval_ns,
		.ahead_ns = interval_ns < PACE_TURN_US * 1000 ? ahead_ns : 0,
		.lead = rate_bps ? lead : 0,
	};
}

/* How many of `n` packets, of which `sent` have left, are to leave now. */
static inline unsigned pace_due(const struct pace *pace, unsigned sent, unsigned n, uint64_t now_ns)
{
	uint64_t due;

	if (pace->interval_ns == 0)
		return n - sent;
	due = now_ns < pace->begun_ns
		      ? 0
		      : (now_ns + pace->ahead_ns - pace->begun_ns) / pace->interval_ns + 1 +
				pace->lead;
	if (due > n)
		due = n;
	return due > sent ? (unsigned)due - sent : 0;
}

/* How long after the first one that is paced. */
static inline uint64_t pace_after_ns(const struct pace *pace, unsigned sent)
{
	return sent > pace->lead ? (sent - pace->lead) * pace->interval_ns : 0;
}

static inline uint64_t pace_next_us(const struct pace *pace, unsigned sent, uint64_t now_us)
{
	uint64_t due_ns = pace->begun_ns + pace_after_ns(pace, sent);
	uint64_t next_us = due_ns > pace->ahead_ns ? (due_ns - pace->ahead_ns + 999) / 1000 : 0;

	return next_us > now_us + PACE_TURN_US ? next_us : now_us + PACE_TURN_US;
}

/* `n` more than those that had been sent have left between these two times. */
static inline void pace_note(struct pace *pace, unsigned sent, unsigned n, uint64_t from_ns,
			     uint64_t to_ns)
{
	uint64_t each_ns = (to_ns - from_ns) / n, due_ns;

	if (sent == 0) {
		pace->first_ns = from_ns + pace->lead * each_ns;
		pace->held_ns = 0;
	}
	due_ns = pace->first_ns + pace_after_ns(pace, sent);
	if (from_ns > due_ns && from_ns - due_ns > pace->held_ns)
		pace->held_ns = from_ns - due_ns;
	pace->last_ns = from_ns + (n - 1) * each_ns;
}

/* What struct probe_train tells of it. */
static inline uint64_t pace_spread_ns(const struct pace *pace)
{
	return pace->interval_ns ? pace->last_ns - pace->first_ns : 0;
}

#endif
