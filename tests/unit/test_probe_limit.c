/* SPDX-License-Identifier: MIT */
/* test_probe_limit.c: probe/limit: never more than the burst and the rate allow, and never much less. */
#include "probe/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND_US UINT64_C(1000000)

static unsigned take_all(struct probe_limit *limit, uint32_t per_s, uint32_t burst, uint64_t now_us)
{
	unsigned taken = 0;

	while (taken <= burst && probe_limit_take(limit, per_s, burst, now_us))
		taken++;
	return taken;
}

static void burst_then_rate(void **state)
{
	struct probe_limit limit = { 0 };
	uint64_t now_us = 5 * SECOND_US;

	assert_int_equal(take_all(&limit, 1000, 50, now_us), 50);
	assert_int_equal(take_all(&limit, 1000, 50, now_us + 999), 0);
	assert_int_equal(take_all(&limit, 1000, 50, now_us + 1000), 1);
	assert_int_equal(take_all(&limit, 1000, 50, now_us + 11000), 10);
	assert_int_equal(take_all(&limit, 1000, 50, now_us + 3600 * SECOND_US), 50);
	assert_int_equal(take_all(&limit, 1000, 50, UINT64_MAX), 50);
}

/* Asked too often all the time, it gives the rate; asked at the rate, it gives all. */
static void over_a_second(void **state)
{
	struct probe_limit hungry = { 0 }, modest = { 0 };
	unsigned hungry_taken = 0, modest_taken = 0;

	for (uint64_t now_us = 1; now_us <= SECOND_US; now_us += 100) {
		hungry_taken += probe_limit_take(&hungry, 1000, 20, now_us);
		if (now_us % 1000 == 1)
			modest_taken += probe_limit_take(&modest, 1000, 20, now_us);
	}
	assert_in_range(hungry_taken, 1000, 1020);
	assert_int_equal(modest_taken, 1000);
}

static void time_that_stands_or_goes_back(void **state)
{
	struct probe_limit limit = { 0 };

	assert_int_equal(take_all(&limit, 1000, 3, 0), 3);
	assert_int_equal(take_all(&limit, 1000, 3, 0), 0);
	assert_int_equal(take_all(&limit, 1000, 3, 2001), 2);
	assert_int_equal(take_all(&limit, 1000, 3, 1001), 0);
}

static void none_a_second(void **state)
{
	struct probe_limit limit = { 0 };

	assert_int_equal(take_all(&limit, 0, 2, 7), 2);
	assert_int_equal(take_all(&limit, 0, 2, 100 * SECOND_US), 0);
	limit = (struct probe_limit){ 0 };
	assert_int_equal(take_all(&limit, 1000, 0, 7), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(burst_then_rate),
		cmocka_unit_test(over_a_second),
		cmocka_unit_test(time_that_stands_or_goes_back),
		cmocka_unit_test(none_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
