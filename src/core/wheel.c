/* SPDX-License-Identifier: MIT */
/*
 * wheel.c: see wheel.h. Level 0 has a slot for each of the next 256 ticks, level n one for each 256^n of them;
 * when the time comes, a slot of a higher level is dealt out to the lower ones. Bit maps of the slots that hold
 * something let idle time be skipped.
 */
#include "core/wheel.h"

#include <stddef.h>
#include <string.h>

#define TICK_SHIFT 12
#define SLOT_SHIFT 8
#define SLOT_MASK (WHEEL_SLOTS - 1u)
#define SPAN_SHIFT(level) ((unsigned)(level)*SLOT_SHIFT)
/* As far as the highest level reaches without coming round to the slot of now. */
#define TICKS_MAX \
	((UINT64_C(1) << SPAN_SHIFT(WHEEL_LEVELS)) - (UINT64_C(1) << SPAN_SHIFT(WHEEL_LEVELS - 1)))

/* Rounded up: never before its time. */
static uint64_t tick_of(uint64_t us)
{
	uint64_t tick = us >> TICK_SHIFT;

	return us & ((UINT64_C(1) << TICK_SHIFT) - 1) ? tick + 1 : tick;
}

static void push(struct wheel_timer **list, struct wheel_timer *timer)
{
	timer->next = *list;
	timer->back = list;
	if (timer->next)
		timer->next->back = &timer->next;
	*list = timer;
}

static void take_out(struct wheel_timer *timer)
{
	*timer->back = timer->next;
	if (timer->next)
		timer->next->back = timer->back;
	timer->next = NULL;
	timer->back = NULL;
}

/* Bits may be left of slots that have become empty; they cost one look. */
static void place(struct wheel *wheel, struct wheel_timer *timer)
{
	uint64_t tick = tick_of(timer->due_us);
	uint64_t ahead;
	unsigned level = 0, slot;

	if (tick < wheel->tick)
		tick = wheel->tick;
	ahead = tick - wheel->tick;
	if (ahead > TICKS_MAX)
		tick = wheel->tick + TICKS_MAX; /* is dealt out and placed again then */
	while (level + 1 < WHEEL_LEVELS &&
	       (tick >> SPAN_SHIFT(level + 1)) != (wheel->tick >> SPAN_SHIFT(level + 1)))
		level++;
	slot = (unsigned)(tick >> SPAN_SHIFT(level)) & SLOT_MASK;
	push(&wheel->slot[level][slot], timer);
	wheel->occupied[level][slot / 64] |= UINT64_C(1) << slot % 64;
}

void wheel_init(struct wheel *wheel, uint64_t now_us)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->tick = now_us >> TICK_SHIFT;
}

void wheel_set(struct wheel *wheel, struct wheel_timer *timer, uint64_t due_us)
{
	wheel_stop(wheel, timer);
	timer->due_us = due_us;
	wheel->count++;
	place(wheel, timer);
}

void wheel_stop(struct wheel *wheel, struct wheel_timer *timer)
{
	if (!timer->back)
		return;
	take_out(timer);
	wheel->count--;
}

/* The first occupied slot of the level from `from` on, or WHEEL_SLOTS. */
static unsigned next_slot(const struct wheel *wheel, unsigned level, unsigned from)
{
	for (unsigned word = from / 64; word < WHEEL_SLOTS / 64; word++) {
		uint64_t bits = wheel->occupied[level][word];

		if (word == from / 64)
			bits &= ~UINT64_C(0) << from % 64;
		if (bits)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return WHEEL_SLOTS;
}

/*
 * The next tick at which there may be something to do: the next slot of level 0, or the time at which one of a
 * higher level is dealt out.
 */
static uint64_t next_tick(const struct wheel *wheel)
{
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t base = wheel->tick >> SPAN_SHIFT(level);
		unsigned here = (unsigned)base & SLOT_MASK;
		/* Above level 0 the slot of now has been dealt out. */
		unsigned slot = next_slot(wheel, level, level == 0 ? here : here + 1);

		if (slot < WHEEL_SLOTS) {
			uint64_t tick = (base - here + slot) << SPAN_SHIFT(level);

			return tick > wheel->tick ? tick : wheel->tick;
		}
	}
	/* Placed on the highest level, behind its end: it comes round. */
	return ((wheel->tick >> SPAN_SHIFT(WHEEL_LEVELS)) + 1) << SPAN_SHIFT(WHEEL_LEVELS);
}

/* Moves what is in a slot to where it belongs now. */
static void deal_out(struct wheel *wheel, unsigned level, unsigned slot)
{
	struct wheel_timer *list = wheel->slot[level][slot];

	wheel->slot[level][slot] = NULL;
	wheel->occupied[level][slot / 64] &= ~(UINT64_C(1) << slot % 64);
	if (list)
		list->back = &list;
	while (list) {
		struct wheel_timer *timer = list;

		take_out(timer);
		if (level == 0 && tick_of(timer->due_us) <= wheel->tick)
			push(&wheel->due, timer);
		else
			place(wheel, timer);
	}
}

/* At wheel->tick: from the highest level down, those whose slot begins there. */
static void turn(struct wheel *wheel)
{
	for (unsigned level = WHEEL_LEVELS; level-- > 0;) {
		if (wheel->tick & ((UINT64_C(1) << SPAN_SHIFT(level)) - 1))
			continue;
		deal_out(wheel, level, (unsigned)(wheel->tick >> SPAN_SHIFT(level)) & SLOT_MASK);
	}
}

struct wheel_timer *wheel_take(struct wheel *wheel, uint64_t now_us)
{
	uint64_t until = now_us >> TICK_SHIFT;
	struct wheel_timer *timer;

	while (!wheel->due && wheel->tick <= until) {
		uint64_t tick = wheel->count ? next_tick(wheel) : until + 1;

		if (tick > until) {
			/* What is set from now on is placed as seen from here. */
			wheel->tick = until;
			turn(wheel);
			break;
		}
		wheel->tick = tick;
		turn(wheel);
	}
	timer = wheel->due;
	if (timer) {
		take_out(timer);
		wheel->count--;
	}
	return timer;
}

uint64_t wheel_next_us(const struct wheel *wheel)
{
	if (wheel->due)
		return 0;
	return wheel->count ? next_tick(wheel) << TICK_SHIFT : UINT64_MAX;
}
