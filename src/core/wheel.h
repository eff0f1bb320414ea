/* SPDX-License-Identifier: MIT */
/*
 * wheel.h: a timing wheel: very many timers, each set, moved and stopped in constant time. Time is the
 * caller's, in microseconds; timers are due within one tick (4.096 ms) after their time, never before it.
 *
 * A timer lies in whatever it is of, and is all zero when stopped. One thread.
 */
#ifndef GW_CORE_WHEEL_H
#define GW_CORE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_LEVELS 4
#define WHEEL_SLOTS 256

struct wheel_timer {
	struct wheel_timer *next;
	struct wheel_timer **back; /* what points to it; NULL: stopped */
	uint64_t due_us;
};

struct wheel {
	uint64_t tick; /* all before it has been given out */
	uint64_t count;
	uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];
	struct wheel_timer *slot[WHEEL_LEVELS][WHEEL_SLOTS];
	struct wheel_timer *due; /* not yet taken */
};

void wheel_init(struct wheel *wheel, uint64_t now_us);

/* Sets it, in place of when it was set before. A time that has passed is due with the next tick. */
void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_us);

/* Idempotent. */
void wheel_stop(struct wheel *wheel, struct wheel_timer *timer);

static inline bool wheel_is_set(const struct wheel_timer *timer)
{
	return timer->back;
}

/*
 * The next timer that is due at `now_us`, stopped; NULL: there is none. In between, any timer may be set or
 * stopped.
 */
struct wheel_timer *wheel_take(struct wheel *wheel, uint64_t now_us);

/* A time not later than the next timer, and UINT64_MAX without any. Between the two may be a few idle calls. */
uint64_t wheel_next_us(const struct wheel *wheel);

#endif
