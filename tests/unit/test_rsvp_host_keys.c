/* SPDX-License-Identifier: MIT */
/* test_rsvp_host_keys.c: when keys hold, by a clock that is never set (R-256, R-257's ground; RFC 2747 §5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/rsvp/rsvp_internal.h"

#define SECOND UINT64_C(1000000)
#define NOW (100 * SECOND) /* since the machine was started */
#define TODAY INT64_C(1800000000)

static uint64_t at(int64_t time_s, uint64_t epoch_us)
{
	return rsvp_key_time_us(time_s, NOW, epoch_us);
}

static void times_are_as_far_away(void **state)
{
	(void)state;
	assert_true(at(TODAY, TODAY * SECOND) == NOW);
	assert_true(at(TODAY + 5, TODAY * SECOND) == NOW + 5 * SECOND);
	assert_true(at(TODAY - 5, TODAY * SECOND) == NOW - 5 * SECOND);
	assert_true(at(TODAY, TODAY * SECOND + 1) == NOW - 1);
}

/* It has begun, or ended, all the same; 0 would be always. */
static void times_before_the_machine_was_started(void **state)
{
	(void)state;
	assert_true(at(TODAY - 99, TODAY * SECOND) == SECOND);
	assert_true(at(TODAY - 100, TODAY * SECOND) == 1);
	assert_true(at(1, TODAY * SECOND) == 1);
	assert_true(at(0, TODAY * SECOND) == 0);
}

/* The clock is set an hour on, or back: what was to come has come, or comes later. */
static void after_the_clock_was_set(void **state)
{
	const uint64_t before = TODAY * SECOND, on = before + 3600 * SECOND;

	(void)state;
	assert_true(at(TODAY + 1800, before) > NOW);
	assert_true(at(TODAY + 1800, on) < NOW);
	assert_true(at(TODAY + 1800, on) == 1);
	assert_true(at(TODAY + 1800, before - 3600 * SECOND) == NOW + 5400 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_as_far_away),
		cmocka_unit_test(times_before_the_machine_was_started),
		cmocka_unit_test(after_the_clock_was_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
