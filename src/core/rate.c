/* SPDX-License-Identifier: MIT */
/*
 * rate.c: the conversions of rate.h. 64 bits throughout: hosts without wider numbers are served too.
 */
#include "core/rate.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

#define NS_PER_S UINT64_C(1000000000)

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? RATE_UNLIMITED : sum;
}

static uint64_t multiply_saturating(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? RATE_UNLIMITED : product;
}

uint64_t rate_to_bytes_up(uint64_t rate_bps)
{
	if (rate_bps == RATE_UNLIMITED)
		return RATE_UNLIMITED;
	return rate_bps / 8 + (rate_bps % 8 != 0);
}

uint64_t rate_to_bytes_down(uint64_t rate_bps)
{
	return rate_bps == RATE_UNLIMITED ? RATE_UNLIMITED : rate_bps / 8;
}

uint64_t rate_from_bytes(uint64_t bytes_per_s)
{
	return multiply_saturating(bytes_per_s, 8);
}

struct rate_netlink rate_to_netlink(uint64_t rate_bps)
{
	uint64_t bytes = rate_to_bytes_up(rate_bps);

	/* All ones in the small field says "look at the large one". */
	if (bytes >= UINT32_MAX)
		return (struct rate_netlink){ .rate = UINT32_MAX, .rate64 = bytes };
	return (struct rate_netlink){ .rate = (uint32_t)bytes };
}

uint32_t rate_burst_ticks(uint64_t rate_bps, uint32_t burst_bytes)
{
	uint64_t bytes_per_s = rate_to_bytes_up(rate_bps);
	uint64_t time_ns, ticks;

	if (burst_bytes == 0)
		return 0;
	if (bytes_per_s == 0)
		return UINT32_MAX;

	/* 2^32 bytes times 10^9 stay below 2^62. */
	time_ns = (burst_bytes * NS_PER_S - 1) / bytes_per_s + 1;
	ticks = (time_ns - 1) / RATE_NETLINK_TICK_NS + 1;
	return ticks < UINT32_MAX ? (uint32_t)ticks : UINT32_MAX;
}

int rate_bytes_from_float(float value, uint64_t *ret_value)
{
	if (isnan(value) || value < 0)
		return -EINVAL;

	/* 2^64, the first that does not fit, is exact in single precision. */
	*ret_value = value < 0x1p64f ? (uint64_t)((double)value + 0.5) : RATE_UNLIMITED;
	return 0;
}

float rate_bytes_to_float(uint64_t value)
{
	return value == RATE_UNLIMITED ? INFINITY : (float)value;
}

uint64_t rate_bytes_in(uint64_t rate_bps, uint64_t time_ns)
{
	uint64_t whole_s = time_ns / NS_PER_S;
	uint64_t rest_ns = time_ns % NS_PER_S;
	uint64_t bits;

	if (rate_bps == RATE_UNLIMITED && time_ns != 0)
		return RATE_UNLIMITED;

	/* The rate is split as well, so that no product of the rest can wrap. */
	bits = multiply_saturating(rate_bps / NS_PER_S, rest_ns);
	bits = add_saturating(bits, rate_bps % NS_PER_S * rest_ns / NS_PER_S);
	bits = add_saturating(bits, multiply_saturating(rate_bps, whole_s));
	return rate_to_bytes_down(bits);
}

uint64_t rate_share(uint64_t rate_bps, uint32_t percent)
{
	assert(percent <= 100);

	if (rate_bps == RATE_UNLIMITED && percent != 0)
		return RATE_UNLIMITED;
	return rate_bps / 100 * percent + rate_bps % 100 * percent / 100;
}

uint64_t rate_on_link(uint64_t rate_bps, uint32_t packet_bytes, uint32_t overhead_bytes)
{
	uint64_t unit = packet_bytes > 0 ? packet_bytes : 1;
	uint64_t whole = multiply_saturating(rate_bps / unit, overhead_bytes);
	uint64_t rest = rate_bps % unit * overhead_bytes;

	rest = rest / unit + (rest % unit != 0);
	return add_saturating(rate_bps, add_saturating(whole, rest));
}
