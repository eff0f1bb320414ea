/* SPDX-License-Identifier: MIT */
/* test_wheel.c: core/wheel: every timer is due once, never early, at most a tick late, whatever happens. */
#include "core/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TICK_US 4096u
#define SECOND_US UINT64_C(1000000)
#define N_TIMERS 500

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void nothing_set(void **state)
{
	struct wheel *wheel = calloc(1, sizeof(*wheel));

	assert_non_null(wheel);
	wheel_init(wheel, 12345);
	assert_true(wheel_next_us(wheel) == UINT64_MAX);
	assert_null(wheel_take(wheel, 1000 * SECOND_US));
	free(wheel);
}

static void each_distance(void **state)
{
	static const uint64_t distances_us[] = {
		0,
		1,
		TICK_US,
		TICK_US + 1,
		SECOND_US,
		30 * SECOND_US,
		157500000,
		3600 * SECOND_US,
		86400 * SECOND_US,
		400 * 86400 * SECOND_US,
	};
	struct wheel *wheel = calloc(1, sizeof(*wheel));
	struct wheel_timer timer = { 0 };

	assert_non_null(wheel);
	for (size_t i = 0; i < sizeof(distances_us) / sizeof(distances_us[0]); i++) {
		uint64_t now_us = 7 * SECOND_US + 99, due_us = now_us + distances_us[i];
		int calls = 0;

		wheel_init(wheel, now_us);
		wheel_set(wheel, &timer, due_us);
		while (!wheel_take(wheel, now_us)) {
			uint64_t next_us = wheel_next_us(wheel);

			assert_true(next_us <= due_us + TICK_US);
			assert_true(next_us > now_us);
			now_us = next_us;
			assert_true(calls++ < 8);
		}
		assert_true(now_us >= due_us && now_us <= due_us + TICK_US);
		assert_false(wheel_is_set(&timer));
		assert_true(wheel_next_us(wheel) == UINT64_MAX);
	}
	free(wheel);
}

/* Set, moved and stopped at random, also while others are taken; each is due when it was last set to. */
static void at_random(void **state)
{
	static struct wheel_timer timers[N_TIMERS];
	struct wheel *wheel = calloc(1, sizeof(*wheel));
	uint64_t now_us = SECOND_US, seed, taken = 0;

	assert_non_null(wheel);
	for (uint64_t run = 1; run <= 20; run++) {
		seed = run * UINT64_C(0x9e3779b97f4a7c15);
		memset(timers, 0, sizeof(timers));
		wheel_init(wheel, now_us);
		for (int step = 0; step < 5000; step++) {
			struct wheel_timer *timer = &timers[next_random(&seed) % N_TIMERS];
			uint64_t last_us = now_us;

			if (next_random(&seed) % 4 == 0)
				wheel_stop(wheel, timer);
			else
				wheel_set(wheel, timer,
					  now_us + next_random(&seed) %
							   (next_random(&seed) % 8
								    ? SECOND_US
								    : 2000 * SECOND_US));
			now_us += next_random(&seed) %
				  (next_random(&seed) % 64 ? 20000 : 90 * SECOND_US);
			while ((timer = wheel_take(wheel, now_us))) {
				assert_true(timer->due_us <= now_us);
				assert_true(timer->due_us + 2 * TICK_US > last_us);
				taken++;
				if (next_random(&seed) % 3 == 0)
					wheel_set(wheel, timer, now_us + SECOND_US / 10);
				last_us = now_us < last_us ? now_us : last_us;
			}
			for (int i = 0; i < N_TIMERS; i++)
				assert_true(!wheel_is_set(&timers[i]) ||
					    timers[i].due_us + TICK_US > now_us);
		}
	}
	assert_true(taken > 10000);
	free(wheel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_set),
		cmocka_unit_test(each_distance),
		cmocka_unit_test(at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
