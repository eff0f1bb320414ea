/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of core/rate: conversions at their borders, and against wider arithmetic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "core/rate.h"

#define ROUNDS 20000

typedef unsigned __int128 wide;

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* As many small numbers as large ones. */
static uint64_t any_size(void)
{
	uint64_t value = next_random();

	return value >> (next_random() % 64);
}

static uint64_t cut(wide value)
{
	return value < UINT64_MAX ? (uint64_t)value : UINT64_MAX;
}

static void test_bytes(void **state)
{
	(void)state;
	assert_int_equal(rate_to_bytes_up(64000), 8000);
	assert_int_equal(rate_to_bytes_down(64000), 8000);
	assert_int_equal(rate_to_bytes_up(1), 1);
	assert_int_equal(rate_to_bytes_down(1), 0);
	assert_int_equal(rate_to_bytes_up(9), 2);
	assert_int_equal(rate_to_bytes_down(15), 1);
	assert_int_equal(rate_to_bytes_up(0), 0);
	assert_int_equal(rate_to_bytes_up(UINT64_MAX - 1), UINT64_C(1) << 61);
	assert_int_equal(rate_to_bytes_up(RATE_UNLIMITED), RATE_UNLIMITED);
	assert_int_equal(rate_to_bytes_down(RATE_UNLIMITED), RATE_UNLIMITED);

	assert_int_equal(rate_from_bytes(8000), 64000);
	assert_int_equal(rate_from_bytes((UINT64_C(1) << 61) - 1), UINT64_MAX - 7);
	assert_int_equal(rate_from_bytes(UINT64_C(1) << 61), RATE_UNLIMITED);
	assert_int_equal(rate_from_bytes(RATE_UNLIMITED), RATE_UNLIMITED);
}

static void assert_netlink(uint64_t rate_bps, uint32_t rate, uint64_t rate64)
{
	struct rate_netlink fields = rate_to_netlink(rate_bps);

	assert_int_equal(fields.rate, rate);
	assert_int_equal(fields.rate64, rate64);
}

static void test_netlink(void **state)
{
	(void)state;
	assert_netlink(100000000, 12500000, 0);
	assert_netlink(1, 1, 0);
	assert_netlink((UINT32_MAX - 1) * UINT64_C(8), UINT32_MAX - 1, 0);
	/* All ones in the small field is no rate of its own. */
	assert_netlink(UINT32_MAX * UINT64_C(8), UINT32_MAX, UINT32_MAX);
	assert_netlink(UINT64_C(100000000000), UINT32_MAX, UINT64_C(12500000000));
}

static void test_ticks(void **state)
{
	(void)state;
	/* 1500 bytes at 12.5 MB/s take 120 us: 1875 ticks. */
	assert_int_equal(rate_burst_ticks(100000000, 1500), 1875);
	assert_int_equal(rate_burst_ticks(100000000, 0), 0);
	assert_int_equal(rate_burst_ticks(RATE_UNLIMITED, 1), 1);
	assert_int_equal(rate_burst_ticks(1, 1500), UINT32_MAX);
	assert_int_equal(rate_burst_ticks(0, 1500), UINT32_MAX);
	/* 2^32-1 bytes at 1 GB/s: 4.29 s. */
	assert_int_equal(rate_burst_ticks(UINT64_C(8000000000), UINT32_MAX), 67108864);
}

static void assert_from_float(float value, uint64_t expected)
{
	uint64_t read = 1;

	assert_int_equal(rate_bytes_from_float(value, &read), 0);
	assert_int_equal(read, expected);
}

static void test_float(void **state)
{
	uint64_t untouched = 7;

	(void)state;
	assert_from_float(0.0f, 0);
	assert_from_float(-0.0f, 0);
	assert_from_float(0.49f, 0);
	assert_from_float(0.5f, 1);
	assert_from_float(8500.0f, 8500);
	assert_from_float(8500.5f, 8501);
	assert_from_float(16777216.0f, 16777216);
	assert_from_float(0x1.fffffep63f, UINT64_C(0xffffff0000000000));
	assert_from_float(0x1p64f, RATE_UNLIMITED);
	assert_from_float(3.4e38f, RATE_UNLIMITED);
	assert_from_float(INFINITY, RATE_UNLIMITED);
	assert_int_equal(rate_bytes_from_float(NAN, &untouched), -EINVAL);
	assert_int_equal(rate_bytes_from_float(-1.0f, &untouched), -EINVAL);
	assert_int_equal(rate_bytes_from_float(-INFINITY, &untouched), -EINVAL);
	assert_int_equal(untouched, 7);

	assert_true(rate_bytes_to_float(12500000) == 12500000.0f);
	assert_true(rate_bytes_to_float(16777217) == 16777216.0f); /* the nearest that there is */
	assert_true(isinf(rate_bytes_to_float(RATE_UNLIMITED)));
	assert_true(isfinite(rate_bytes_to_float(RATE_UNLIMITED - 1)));
}

/* Every single that is a whole number comes back as it was. */
static void test_float_there_and_back(void **state)
{
	(void)state;
	random_state = 1;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t value = (next_random() & 0xffffff) << (next_random() % 40);

		assert_from_float(rate_bytes_to_float(value), value);
	}
}

static void test_against_wider(void **state)
{
	(void)state;
	random_state = 2;
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t rate_bps = any_size() >> 1, time_ns = any_size();
		uint32_t percent = (uint32_t)(next_random() % 101);
		uint32_t packet = (uint32_t)any_size(), overhead = (uint32_t)any_size();
		wide unit = packet != 0 ? packet : 1;
		wide bits = (wide)rate_bps * time_ns / 1000000000;

		assert_int_equal(rate_bytes_in(rate_bps, time_ns),
				 bits < UINT64_MAX ? (uint64_t)(bits / 8) : RATE_UNLIMITED);
		assert_int_equal(rate_share(rate_bps, percent),
				 (uint64_t)((wide)rate_bps * percent / 100));
		assert_int_equal(rate_on_link(rate_bps, packet, overhead),
				 cut(rate_bps + ((wide)rate_bps * overhead + unit - 1) / unit));
	}
}

static void test_shares_and_overhead(void **state)
{
	(void)state;
	assert_int_equal(rate_share(100000000, 75), 75000000);
	assert_int_equal(rate_share(3, 75), 2);
	assert_int_equal(rate_share(100, 0), 0);
	assert_int_equal(rate_share(RATE_UNLIMITED, 0), 0);
	assert_int_equal(rate_share(RATE_UNLIMITED, 1), RATE_UNLIMITED);
	/* A voice packet of 200 bytes behind an Ethernet header of 14. */
	assert_int_equal(rate_on_link(80000, 200, 14), 85600);
	assert_int_equal(rate_on_link(80001, 200, 14), 85602);
	assert_int_equal(rate_on_link(1000, 0, 14), 15000);
	assert_int_equal(rate_on_link(RATE_UNLIMITED, 1500, 14), RATE_UNLIMITED);
	assert_int_equal(rate_bytes_in(64000, 10000000), 80);
	assert_int_equal(rate_bytes_in(RATE_UNLIMITED, 1), RATE_UNLIMITED);
	assert_int_equal(rate_bytes_in(RATE_UNLIMITED, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_netlink),
		cmocka_unit_test(test_ticks),
		cmocka_unit_test(test_float),
		cmocka_unit_test(test_float_there_and_back),
		cmocka_unit_test(test_against_wider),
		cmocka_unit_test(test_shares_and_overhead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
