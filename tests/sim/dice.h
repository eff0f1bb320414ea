/* SPDX-License-Identifier: MIT */
/* dice.h: chance that is the same again with the same seed (splitmix64). */
#ifndef GW_SIM_DICE_H
#define GW_SIM_DICE_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

static inline uint64_t dice_next(struct dice *dice)
{
	uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* Others, which do not change when more are drawn from these. */
static inline struct dice dice_fork(struct dice *dice)
{
	return (struct dice){ dice_next(dice) };
}

/* 0 .. below - 1; 0 of 0. */
static inline uint32_t dice_below(struct dice *dice, uint32_t below)
{
	return (uint32_t)((dice_next(dice) >> 32) * below >> 32);
}

/* from .. to, both included. */
static inline uint32_t dice_between(struct dice *dice, uint32_t from, uint32_t to)
{
	return from + dice_below(dice, to - from + 1);
}

static inline double dice_unit(struct dice *dice)
{
	return (double)(dice_next(dice) >> 11) * 0x1p-53;
}

static inline bool dice_chance(struct dice *dice, double probability)
{
	return probability > 0 && dice_unit(dice) < probability;
}

#endif
