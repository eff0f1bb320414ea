/* SPDX-License-Identifier: MIT */
/*
 * bucket.c: making, re-rating and reading token buckets.
 */
#include "core/bucket.h"

#include <assert.h>
#include <errno.h>

static uint64_t divide_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

static int spec_check(const struct bucket_spec *spec, uint64_t peak_bps)
{
	/* Without M the depth is the longest packet. */
	uint64_t longest = spec->max_bytes != 0 ? spec->max_bytes : spec->depth_bytes;

	if (spec->rate_bps == 0 || spec->depth_bytes == 0)
		return -EINVAL;
	if (spec->min_bytes > longest)
		return -EINVAL;
	if (peak_bps != 0 && (peak_bps < spec->rate_bps || spec->max_bytes == 0))
		return -EINVAL;
	if (spec->rate_bps == RATE_UNLIMITED || spec->depth_bytes > BUCKET_BYTES_MAX ||
	    longest > BUCKET_BYTES_MAX)
		return -ERANGE;
	return 0;
}

int bucket_rule_make(const struct bucket_spec *spec, struct bucket_rule *ret_rule)
{
	uint64_t peak_bps = spec->peak_bps != RATE_UNLIMITED ? spec->peak_bps : 0;
	uint64_t depth_bytes = spec->depth_bytes;
	int r;

	r = spec_check(spec, peak_bps);
	if (r < 0)
		return r;
	if (depth_bytes < spec->max_bytes)
		depth_bytes = spec->max_bytes;

	*ret_rule = (struct bucket_rule){
		.rate_bps = spec->rate_bps,
		.depth_nbit = depth_bytes * BUCKET_BYTE_NBIT,
		.drain_ns = divide_up(BUCKET_USED_MAX_NBIT, spec->rate_bps),
		.min_bytes = spec->min_bytes,
		.max_bytes = spec->max_bytes != 0 ? spec->max_bytes : (uint32_t)depth_bytes,
	};
	if (peak_bps != 0) {
		ret_rule->peak_bps = peak_bps;
		ret_rule->peak_depth_nbit = spec->max_bytes * BUCKET_BYTE_NBIT;
		ret_rule->peak_drain_ns = divide_up(BUCKET_USED_MAX_NBIT, peak_bps);
	}
	return 0;
}

/*
 * used * to / from. Depths are whole bytes, below 2^31, so that the parts stay within 64 bits. Rounded up:
 * no token comes of nothing.
 */
static uint64_t rescale(uint64_t used_nbit, uint64_t from_nbit, uint64_t to_nbit)
{
	uint64_t from_bytes = from_nbit / BUCKET_BYTE_NBIT;
	uint64_t to_bytes = to_nbit / BUCKET_BYTE_NBIT;
	uint64_t scaled_nbit;

	if (__builtin_mul_overflow(used_nbit / from_bytes, to_bytes, &scaled_nbit) ||
	    scaled_nbit >= BUCKET_USED_MAX_NBIT)
		return BUCKET_USED_MAX_NBIT;
	scaled_nbit += divide_up(used_nbit % from_bytes * to_bytes, from_bytes);
	return scaled_nbit < BUCKET_USED_MAX_NBIT ? scaled_nbit : BUCKET_USED_MAX_NBIT;
}

void bucket_rerate(struct bucket *bucket, const struct bucket_rule *from,
		   const struct bucket_rule *to, uint64_t now_ns)
{
	assert(from->depth_nbit >= BUCKET_BYTE_NBIT && to->depth_nbit >= BUCKET_BYTE_NBIT);

	/* The time until now was under the old rate. */
	bucket_advance(from, bucket, now_ns);
	bucket->used_nbit = rescale(bucket->used_nbit, from->depth_nbit, to->depth_nbit);
	if (from->peak_bps != 0 && to->peak_bps != 0)
		bucket->peak_used_nbit =
			rescale(bucket->peak_used_nbit, from->peak_depth_nbit, to->peak_depth_nbit);
	else
		bucket->peak_used_nbit = 0;
}

uint64_t bucket_tokens_bytes(const struct bucket *bucket, const struct bucket_rule *rule,
			     uint64_t now_ns)
{
	struct bucket at = *bucket;

	bucket_advance(rule, &at, now_ns);
	if (at.used_nbit >= rule->depth_nbit)
		return 0;
	return (rule->depth_nbit - at.used_nbit) / BUCKET_BYTE_NBIT;
}

/* How long one bucket must drain until it is used no further than `room_nbit`. */
static uint64_t wait_ns(uint64_t used_nbit, uint64_t room_nbit, uint64_t rate_bps)
{
	return used_nbit > room_nbit ? divide_up(used_nbit - room_nbit, rate_bps) : 0;
}

uint64_t bucket_conforms_at_ns(const struct bucket *bucket, const struct bucket_rule *rule,
			       uint64_t charge_bytes)
{
	uint64_t charge_nbit, longest_ns, at_ns;

	if (charge_bytes > BUCKET_BYTES_MAX)
		return UINT64_MAX;
	charge_nbit = charge_bytes * BUCKET_BYTE_NBIT;

	longest_ns = wait_ns(bucket->used_nbit, bucket_room(rule->depth_nbit, charge_nbit),
			     rule->rate_bps);
	if (rule->peak_bps != 0) {
		uint64_t peak_ns = wait_ns(bucket->peak_used_nbit,
					   bucket_room(rule->peak_depth_nbit, charge_nbit),
					   rule->peak_bps);

		if (peak_ns > longest_ns)
			longest_ns = peak_ns;
	}
	return __builtin_add_overflow(bucket->last_ns, longest_ns, &at_ns) ? UINT64_MAX : at_ns;
}

uint64_t bucket_depth_bytes(uint64_t rate_bps, uint64_t time_ns, uint64_t floor_bytes)
{
	uint64_t depth_bytes = rate_bytes_in(rate_bps, time_ns);

	if (depth_bytes < floor_bytes)
		depth_bytes = floor_bytes;
	return depth_bytes < BUCKET_BYTES_MAX ? depth_bytes : BUCKET_BYTES_MAX;
}
