/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of core/bucket. The reference is not a bucket at all but what RFC 2215 §3.6 says of traffic:
 * over any time T no more than r T + b. It keeps the whole past and looks at every interval of it, in 128
 * bits.
 *
 * The random parts print their seed when they fail; they are the same each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/bucket.h"

#define NS_PER_S UINT64_C(1000000000)
#define TRAINS 300
#define TRAIN_PACKETS 300

typedef __int128 wide;

static uint64_t random_state;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static uint64_t between(uint64_t low, uint64_t high)
{
	return low + next_random() % (high - low + 1);
}

static uint64_t any_rate_bps(void)
{
	uint64_t decade = 1000;

	for (uint64_t i = next_random() % 8; i > 0; i--)
		decade *= 10;
	return between(decade, decade * 10); /* 1 kbit/s to 100 Gbit/s */
}

static struct bucket_rule make(uint64_t rate_bps, uint64_t depth_bytes)
{
	struct bucket_spec spec = { .rate_bps = rate_bps, .depth_bytes = depth_bytes };
	struct bucket_rule rule;

	assert_int_equal(bucket_rule_make(&spec, &rule), 0);
	return rule;
}

/* ---- the reference ---- */

struct past {
	uint64_t time_ns[TRAIN_PACKETS];
	uint64_t charge_bytes[TRAIN_PACKETS];
	int n;
};

/* Do the past packets and `charge_bytes` more keep to rate and depth over every interval that ends now? */
static bool fits(const struct past *past, uint64_t rate_bps, uint64_t depth_bytes,
		 uint64_t charge_bytes, uint64_t now_ns)
{
	/* Larger than the bucket: when all before it is paid for. */
	wide sum = charge_bytes < depth_bytes ? charge_bytes : depth_bytes;

	for (int i = past->n - 1; i >= 0; i--) {
		wide allowed = (wide)rate_bps * (now_ns - past->time_ns[i]) +
			       (wide)depth_bytes * 8 * NS_PER_S;

		sum += past->charge_bytes[i];
		if (sum * 8 * NS_PER_S > allowed)
			return false;
	}
	return true;
}

/* Segment by segment; -1: one is longer than M. */
static wide charge_of(const struct bucket_spec *spec, const struct bucket_packet *packet)
{
	uint64_t longest = spec->max_bytes != 0 ? spec->max_bytes : spec->depth_bytes;
	uint64_t left = packet->bytes;
	wide sum = 0;

	if (packet->segments > 1)
		left -= packet->header_bytes;
	for (uint32_t i = 0; i == 0 || i < packet->segments; i++) {
		uint64_t length = left;

		if (packet->segments > 1) {
			if (length > packet->segment_bytes)
				length = packet->segment_bytes;
			left -= length;
			length += packet->header_bytes;
		}
		if (length > longest)
			return -1;
		sum += length > spec->min_bytes ? length : spec->min_bytes;
	}
	return sum;
}

static struct bucket_packet any_packet(void)
{
	struct bucket_packet packet = { .bytes = (uint32_t)between(1, 2000) };
	uint32_t payload;

	if (next_random() % 4 != 0)
		return packet;
	packet.header_bytes = (uint32_t)between(28, 72);
	packet.segment_bytes = (uint32_t)between(1, 1600);
	payload = (uint32_t)between(1, 60000);
	packet.segments = (payload + packet.segment_bytes - 1) / packet.segment_bytes;
	packet.bytes = packet.header_bytes + payload;
	return packet;
}

static struct bucket_spec any_spec(void)
{
	struct bucket_spec spec = {
		.rate_bps = any_rate_bps(),
		.depth_bytes = between(1, next_random() % 2 ? 6000 : 1000000),
	};

	if (next_random() % 2)
		spec.max_bytes = (uint32_t)between(64, 2000);
	if (next_random() % 2)
		spec.min_bytes = (uint32_t)between(0, spec.max_bytes != 0 ? spec.max_bytes
									  : spec.depth_bytes);
	if (spec.max_bytes != 0 && next_random() % 2)
		spec.peak_bps = spec.rate_bps + any_rate_bps() % (4 * spec.rate_bps);
	return spec;
}

/* Mostly about the time of a packet, at times none, backwards, or an hour and more. */
static uint64_t step(uint64_t now_ns, uint64_t rate_bps)
{
	uint64_t packet_ns = 8 * 1000 * NS_PER_S / rate_bps;

	switch (next_random() % 16) {
	case 0:
	case 1:
	case 2:
		return now_ns;
	case 3:
		return now_ns - between(0, now_ns < 2 * packet_ns ? now_ns : 2 * packet_ns);
	case 4:
		return now_ns + (next_random() % 8 == 0 ? between(0, 3600 * 100 * NS_PER_S)
							: 20 * packet_ns);
	default:
		return now_ns + between(0, 2 * packet_ns);
	}
}

/* ---- tests ---- */

/* The bucket says what the reference says, packet for packet, and knows when it would have said yes. */
static void run_train(uint64_t seed)
{
	struct bucket_spec spec;
	struct bucket_rule rule;
	struct bucket bucket = { 0 };
	struct past past = { .n = 0 };
	uint64_t now_ns, latest_ns = 0, depth_bytes;

	random_state = seed;
	spec = any_spec();
	assert_int_equal(bucket_rule_make(&spec, &rule), 0);
	depth_bytes = spec.depth_bytes > spec.max_bytes ? spec.depth_bytes : spec.max_bytes;
	now_ns = between(0, 1000 * NS_PER_S);

	for (int i = 0; i < TRAIN_PACKETS; i++) {
		struct bucket_packet packet = any_packet();
		wide charge_bytes = charge_of(&spec, &packet);
		uint64_t charge = bucket_charge(&rule, &packet);
		bool chargeable = charge <= BUCKET_BYTES_MAX, expected = false;

		assert_int_equal(charge,
				 charge_bytes >= 0 ? (uint64_t)charge_bytes : BUCKET_TOO_LONG);
		now_ns = step(now_ns, spec.rate_bps);
		if (chargeable) {
			/* What is too long does not get as far as the clock. */
			if (now_ns > latest_ns)
				latest_ns = now_ns;
			expected = fits(&past, spec.rate_bps, depth_bytes, charge, latest_ns);
			if (spec.peak_bps != 0)
				expected = expected && fits(&past, spec.peak_bps, spec.max_bytes,
							    charge, latest_ns);
		}
		if (bucket_take(&rule, &bucket, charge, now_ns) != expected)
			fail_msg("seed %llu packet %d: %s expected", (unsigned long long)seed, i,
				 expected ? "conforming" : "excess");
		assert_true(bucket_tokens_bytes(&bucket, &rule, now_ns) <= depth_bytes);
		if (expected) {
			past.time_ns[past.n] = latest_ns;
			past.charge_bytes[past.n++] = charge;
		} else if (chargeable) {
			uint64_t at_ns = bucket_conforms_at_ns(&bucket, &rule, charge);
			struct bucket early = bucket, due = bucket;

			assert_true(at_ns > latest_ns);
			assert_false(bucket_take(&rule, &early, charge, at_ns - 1));
			assert_true(bucket_take(&rule, &due, charge, at_ns));
		}
	}
}

static void test_trains(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= TRAINS; seed++)
		run_train(seed * UINT64_C(0x9e3779b97f4a7c15));
}

/* What passes in the long run is the rate, to less than 0.01 %, at any rate. */
static void test_long_run(void **state)
{
	static const uint64_t rates_bps[] = { 1000,
					      1001,
					      64000,
					      333333,
					      1000000,
					      99999989,
					      1000000000,
					      UINT64_C(99999999977),
					      UINT64_C(100000000000) };

	(void)state;
	random_state = 5;
	for (size_t i = 0; i < sizeof(rates_bps) / sizeof(rates_bps[0]); i++) {
		struct bucket_rule rule = make(rates_bps[i], 15000);
		/* Twice the rate is offered, in steps of odd lengths. */
		uint64_t step_ns = 1200 * 8 * NS_PER_S / rates_bps[i] / 2;
		uint64_t start_ns = 77, now_ns = start_ns, passed_bytes = 0;
		struct bucket bucket = { 0 };
		wide earned_nbit, passed_nbit;

		for (int n = 0; n < 100000; n++) {
			uint64_t bytes = between(1000, 1400);

			if (bucket_take(&rule, &bucket, bytes, now_ns))
				passed_bytes += bytes;
			now_ns += between(step_ns / 2, step_ns * 3 / 2);
		}
		earned_nbit = (wide)rates_bps[i] * (now_ns - start_ns);
		passed_nbit = (wide)(passed_bytes - 15000) * 8 * NS_PER_S;
		assert_true(passed_nbit <= earned_nbit);
		assert_true((earned_nbit - passed_nbit) * 10000 < earned_nbit);
	}
}

/* Whatever the pause, a bucket holds its depth and no more. */
static void test_depth(void **state)
{
	static const uint64_t pauses_ns[] = { 1, NS_PER_S, 86400 * NS_PER_S, UINT64_MAX / 2 };

	(void)state;
	for (size_t i = 0; i < sizeof(pauses_ns) / sizeof(pauses_ns[0]); i++) {
		struct bucket_rule rule = make(UINT64_C(100000000000), 5000);
		struct bucket bucket = { .last_ns = 1, .used_nbit = 1 };
		uint64_t now_ns = 1 + pauses_ns[i];
		int passed = 0;

		assert_int_equal(bucket_tokens_bytes(&bucket, &rule, now_ns), 5000);
		while (bucket_take(&rule, &bucket, 100, now_ns))
			passed++;
		assert_int_equal(passed, 50);
		assert_int_equal(bucket_tokens_bytes(&bucket, &rule, now_ns), 0);
	}
}

/* A pause longer than a second is worth all of itself, where the bucket is deep enough. */
static void test_long_pause_counts(void **state)
{
	struct bucket_rule rule = make(8000, 10000);
	struct bucket bucket = { 0 };

	(void)state;
	assert_true(bucket_take(&rule, &bucket, 10000, NS_PER_S));
	assert_int_equal(bucket_tokens_bytes(&bucket, &rule, 6 * NS_PER_S), 5000);
	assert_false(bucket_take(&rule, &bucket, 5001, 6 * NS_PER_S));
	assert_true(bucket_take(&rule, &bucket, 5000, 6 * NS_PER_S));
}

static void test_borders(void **state)
{
	struct bucket_rule rule = make(1, 1);
	struct bucket bucket = { 0 };

	(void)state;
	/* The slowest: a byte each eight seconds, to the nanosecond. */
	assert_true(bucket_take(&rule, &bucket, 1, 0));
	assert_false(bucket_take(&rule, &bucket, 1, 8 * NS_PER_S - 1));
	assert_true(bucket_take(&rule, &bucket, 1, 8 * NS_PER_S));

	/* The fastest and the largest. */
	rule = make(RATE_UNLIMITED - 1, BUCKET_BYTES_MAX);
	bucket = (struct bucket){ 0 };
	assert_true(bucket_take(&rule, &bucket, BUCKET_BYTES_MAX, UINT64_MAX - 1));
	assert_false(bucket_take(&rule, &bucket, 1, UINT64_MAX - 1));
	assert_true(bucket_take(&rule, &bucket, BUCKET_BYTES_MAX, UINT64_MAX));
	assert_false(bucket_take(&rule, &bucket, BUCKET_BYTES_MAX + 1, UINT64_MAX));
	assert_false(bucket_take(&rule, &bucket, BUCKET_TOO_LONG, UINT64_MAX));
	assert_int_equal(bucket_conforms_at_ns(&bucket, &rule, BUCKET_TOO_LONG), UINT64_MAX);
	assert_int_equal(bucket_conforms_at_ns(&bucket, &rule, BUCKET_BYTES_MAX), UINT64_MAX);

	/* Longer than any bucket can be charged: not even where the bucket is full, and nothing wraps. */
	rule = make(1000, 1000);
	bucket = (struct bucket){ 0 };
	assert_false(bucket_take(&rule, &bucket, BUCKET_BYTES_MAX + 1, 5));
	assert_false(bucket_take(&rule, &bucket, UINT64_MAX / BUCKET_BYTE_NBIT + 1, 5));
	assert_int_equal(bucket_tokens_bytes(&bucket, &rule, 5), 1000);

	/* The slowest with the largest: 272 years until it is full again. */
	rule = make(1, BUCKET_BYTES_MAX);
	bucket = (struct bucket){ 0 };
	assert_true(bucket_take(&rule, &bucket, BUCKET_BYTES_MAX, 0));
	assert_false(
		bucket_take(&rule, &bucket, BUCKET_BYTES_MAX, BUCKET_BYTES_MAX * 8 * NS_PER_S - 1));
	assert_true(bucket_take(&rule, &bucket, BUCKET_BYTES_MAX, BUCKET_BYTES_MAX * 8 * NS_PER_S));

	/* What does not conform takes nothing, of either bucket (spec/qwave.md §7.3). */
	rule = make(1000, 1000);
	bucket = (struct bucket){ 0 };
	assert_true(bucket_take(&rule, &bucket, 400, 5));
	assert_false(bucket_take(&rule, &bucket, 601, 5));
	assert_true(bucket_take(&rule, &bucket, 600, 5));
	assert_false(bucket_take(&rule, &bucket, 1, 5));
}

/* Two readings of the clock that arrive in the wrong order yield what they would in the right one. */
static void test_clock(void **state)
{
	struct bucket_rule rule = make(8000000, 5000); /* 1 byte a microsecond */
	struct bucket right = { 0 }, wrong = { 0 };

	(void)state;
	assert_true(bucket_take(&rule, &right, 5000, 1000000));
	wrong = right;
	assert_true(bucket_take(&rule, &right, 100, 1200000));
	assert_true(bucket_take(&rule, &right, 100, 1300000));
	assert_true(bucket_take(&rule, &wrong, 100, 1300000));
	assert_true(bucket_take(&rule, &wrong, 100, 1200000));
	assert_memory_equal(&right, &wrong, sizeof(right));
	assert_int_equal(bucket_tokens_bytes(&wrong, &rule, 0), 100);

	/* Swinging back and forth earns time once. */
	for (int i = 0; i < 100; i++) {
		assert_int_equal(bucket_tokens_bytes(&wrong, &rule, 1300000), 100);
		(void)bucket_take(&rule, &wrong, 4000, i % 2 ? 1300000 : 0);
	}
}

/* m, M and the charges of what will be cut into segments (spec/qwave.md §7.2). */
static void test_charges(void **state)
{
	struct bucket_spec spec = {
		.rate_bps = 1000000, .depth_bytes = 5000, .min_bytes = 128, .max_bytes = 1500
	};
	struct bucket_packet packet = { .bytes = 40 };
	struct bucket_rule rule;

	(void)state;
	assert_int_equal(bucket_rule_make(&spec, &rule), 0);
	assert_int_equal(bucket_charge(&rule, &packet), 128);
	packet.bytes = 129;
	assert_int_equal(bucket_charge(&rule, &packet), 129);
	packet.bytes = 1500;
	assert_int_equal(bucket_charge(&rule, &packet), 1500);
	packet.bytes = 1501;
	assert_int_equal(bucket_charge(&rule, &packet), BUCKET_TOO_LONG);

	/* Three of 1448 bytes and one of 10, counted as m, behind 52 bytes of headers each. */
	packet = (struct bucket_packet){ .bytes = 52 + 3 * 1448 + 10,
					 .segments = 4,
					 .segment_bytes = 1448,
					 .header_bytes = 52 };
	assert_int_equal(bucket_charge(&rule, &packet), 3 * 1500 + 128);
	packet.header_bytes = 53;
	assert_int_equal(bucket_charge(&rule, &packet), BUCKET_TOO_LONG);

	/* Fewer segments announced than there are: the last is then too long. */
	packet.header_bytes = 52;
	packet.segments = 2;
	assert_int_equal(bucket_charge(&rule, &packet), BUCKET_TOO_LONG);
	/* More announced: each is charged. Absurdly many do not wrap. */
	packet.segments = 6;
	assert_int_equal(bucket_charge(&rule, &packet), 5 * 1500 + 128);
	packet.segments = UINT32_MAX;
	assert_int_equal(bucket_charge(&rule, &packet), BUCKET_TOO_LONG);
	packet = (struct bucket_packet){ .bytes = 10, .segments = 2, .header_bytes = 400 };
	assert_int_equal(bucket_charge(&rule, &packet), 800);
}

/* A segmented packet larger than the bucket passes a full one, and what it took too much is paid later. */
static void test_debt(void **state)
{
	struct bucket_rule rule = make(8000000, 5000); /* 1 byte a microsecond */
	struct bucket_packet packet = {
		.bytes = 40 + 40 * 1460, .segments = 40, .segment_bytes = 1460, .header_bytes = 40
	};
	uint64_t charge = bucket_charge(&rule, &packet);
	struct bucket bucket = { 0 };
	uint64_t now_ns = NS_PER_S;
	int passed = 0;

	(void)state;
	assert_int_equal(charge, 60000);
	assert_true(bucket_take(&rule, &bucket, 1, now_ns));
	assert_false(bucket_take(&rule, &bucket, charge, now_ns + 999));
	assert_true(bucket_take(&rule, &bucket, charge, now_ns + 1000));
	assert_int_equal(bucket_tokens_bytes(&bucket, &rule, now_ns + 50000000), 0);
	assert_false(bucket_take(&rule, &bucket, 1, now_ns + 1000 + 55000999));
	assert_true(bucket_take(&rule, &bucket, 1, now_ns + 1000 + 55001000));

	/* Offered every millisecond for a minute: the rate holds, 1000 packets of 60 ms. */
	bucket = (struct bucket){ 0 };
	for (int i = 0; i < 60000; i++)
		passed += bucket_take(&rule, &bucket, charge, now_ns + (uint64_t)i * 1000000);
	assert_int_equal(passed, 1000);

	/* One datagram of that length, which is not cut, does not conform. */
	packet = (struct bucket_packet){ .bytes = 5001 };
	assert_int_equal(bucket_charge(&rule, &packet), BUCKET_TOO_LONG);
}

/* r 1 MB/s, b 10000, p 10 MB/s, M 1000: a burst leaves packet by packet at the peak rate. */
static void test_peak(void **state)
{
	struct bucket_spec spec = {
		.rate_bps = 8000000, .depth_bytes = 10000, .peak_bps = 80000000, .max_bytes = 1000
	};
	struct bucket bucket = { 0 };
	struct bucket_rule rule;
	uint64_t now_ns = 50;

	(void)state;
	assert_int_equal(bucket_rule_make(&spec, &rule), 0);
	/* The eleventh takes the last of the deep bucket: 10000 bytes and what came in meanwhile. */
	for (int i = 0; i <= 10; i++) {
		assert_true(bucket_take(&rule, &bucket, 1000, now_ns));
		assert_false(bucket_take(&rule, &bucket, 1, now_ns + 99));
		if (i < 10)
			now_ns += 100000;
		assert_int_equal(bucket_conforms_at_ns(&bucket, &rule, 1000),
				 i < 10 ? now_ns : now_ns + 1000000);
	}

	/* No limit is no limit, in either spelling. */
	spec.peak_bps = RATE_UNLIMITED;
	assert_int_equal(bucket_rule_make(&spec, &rule), 0);
	assert_int_equal(rule.peak_bps, 0);
	bucket = (struct bucket){ 0 };
	for (int i = 0; i < 10; i++)
		assert_true(bucket_take(&rule, &bucket, 1000, now_ns));
	assert_false(bucket_take(&rule, &bucket, 1, now_ns));
}

/* A pause short for the rate and long for a peak rate far above it: each is cut at a time of its own. */
static void test_peak_far_above(void **state)
{
	struct bucket_spec spec = { .rate_bps = 1000,
				    .depth_bytes = 10000,
				    .peak_bps = UINT64_C(100000000000),
				    .max_bytes = 1000 };
	/* Times the peak rate it is 2^64 and a little. */
	uint64_t pause_ns = UINT64_MAX / spec.peak_bps + 1;
	struct bucket bucket = { 0 };
	struct bucket_rule rule;

	(void)state;
	assert_int_equal(bucket_rule_make(&spec, &rule), 0);
	assert_true(bucket_take(&rule, &bucket, 1000, 5));
	assert_true(bucket_take(&rule, &bucket, 1000, 5 + pause_ns));
}

static void test_rerate(void **state)
{
	struct bucket_rule slow = make(8000000, 10000), fast = make(80000000, 100000);
	struct bucket bucket = { 0 }, before;

	(void)state;
	assert_true(bucket_take(&slow, &bucket, 7500, NS_PER_S));
	/* A quarter full, and a tenth of the depth earned by the old rate until the change. */
	bucket_rerate(&bucket, &slow, &fast, NS_PER_S + 1000000);
	assert_int_equal(bucket_tokens_bytes(&bucket, &fast, 0), 35000);
	/* From now on at the new rate: in force at once. */
	assert_int_equal(bucket_tokens_bytes(&bucket, &fast, NS_PER_S + 2000000), 45000);
	bucket_rerate(&bucket, &fast, &slow, NS_PER_S + 2000000);
	assert_int_equal(bucket_tokens_bytes(&bucket, &slow, 0), 4500);

	/* To the same: nothing changes, and a full one stays full. */
	before = bucket;
	bucket_rerate(&bucket, &slow, &slow, 0);
	assert_memory_equal(&bucket, &before, sizeof(bucket));
	bucket = (struct bucket){ 0 };
	bucket_rerate(&bucket, &slow, &fast, 5);
	assert_int_equal(bucket_tokens_bytes(&bucket, &fast, 5), 100000);

	/* A debt of five depths stays one. */
	bucket = (struct bucket){ 0 };
	assert_true(bucket_take(&slow, &bucket, 60000, NS_PER_S));
	bucket_rerate(&bucket, &slow, &fast, NS_PER_S);
	assert_int_equal(bucket_conforms_at_ns(&bucket, &fast, 100000), NS_PER_S + 60000000);
}

/* Whoever changes the rate again and again gains nothing by it, and no level leaves its range. */
static void test_rerate_mints_nothing(void **state)
{
	(void)state;
	random_state = 11;
	for (int i = 0; i < 5000; i++) {
		struct bucket_rule a = make(any_rate_bps(), between(1, BUCKET_BYTES_MAX));
		struct bucket_rule b = make(any_rate_bps(), between(1, BUCKET_BYTES_MAX));
		struct bucket bucket = { .last_ns = 9,
					 .used_nbit = next_random() % BUCKET_USED_MAX_NBIT };
		struct bucket start = bucket;
		wide exact;

		bucket_rerate(&bucket, &a, &b, 9);
		exact = ((wide)start.used_nbit * b.depth_nbit + a.depth_nbit - 1) / a.depth_nbit;
		if (exact > (wide)BUCKET_USED_MAX_NBIT)
			exact = BUCKET_USED_MAX_NBIT;
		assert_true((wide)bucket.used_nbit == exact);
		if (exact == (wide)BUCKET_USED_MAX_NBIT)
			continue;
		bucket_rerate(&bucket, &b, &a, 9);
		assert_true(bucket.used_nbit >= start.used_nbit);
	}
}

static void test_rerate_peak(void **state)
{
	struct bucket_spec spec = {
		.rate_bps = 8000000, .depth_bytes = 10000, .peak_bps = 80000000, .max_bytes = 1000
	};
	struct bucket_rule none = make(8000000, 10000), small, large;
	struct bucket bucket = { 0 };

	(void)state;
	assert_int_equal(bucket_rule_make(&spec, &small), 0);
	spec.max_bytes = 2000;
	assert_int_equal(bucket_rule_make(&spec, &large), 0);
	assert_true(bucket_take(&small, &bucket, 500, 7));
	bucket_rerate(&bucket, &small, &large, 7);
	assert_int_equal(bucket.peak_used_nbit, 1000 * BUCKET_BYTE_NBIT);
	assert_int_equal(bucket.used_nbit, 500 * BUCKET_BYTE_NBIT);
	bucket_rerate(&bucket, &large, &none, 7);
	assert_int_equal(bucket.peak_used_nbit, 0);
	bucket_rerate(&bucket, &none, &large, 7);
	assert_int_equal(bucket.peak_used_nbit, 0);
}

static void assert_refused(struct bucket_spec spec, int error)
{
	struct bucket_rule rule, untouched;

	memset(&untouched, 0x5a, sizeof(untouched));
	rule = untouched;
	assert_int_equal(bucket_rule_make(&spec, &rule), error);
	assert_memory_equal(&rule, &untouched, sizeof(rule));
}

static void test_rules(void **state)
{
	struct bucket_spec raised = { .rate_bps = 1, .depth_bytes = 100, .max_bytes = 1500 };
	struct bucket_rule rule;

	(void)state;
	assert_refused((struct bucket_spec){ .depth_bytes = 1 }, -EINVAL);
	assert_refused((struct bucket_spec){ .rate_bps = 1 }, -EINVAL);
	assert_refused((struct bucket_spec){ 1, 100, 0, 65, 64 }, -EINVAL);
	assert_refused((struct bucket_spec){ 1, 100, 0, 101, 0 }, -EINVAL);
	assert_refused((struct bucket_spec){ 10, 100, 9, 0, 64 }, -EINVAL);
	assert_refused((struct bucket_spec){ 10, 100, 11, 0, 0 }, -EINVAL);
	assert_refused((struct bucket_spec){ 1, BUCKET_BYTES_MAX + 1, 0, 0, 0 }, -ERANGE);
	assert_refused((struct bucket_spec){ 1, 1, 0, 0, UINT32_MAX }, -ERANGE);
	assert_refused((struct bucket_spec){ RATE_UNLIMITED, 1, 0, 0, 0 }, -ERANGE);

	/* A bucket below M is raised to it, and not refused. */
	assert_int_equal(bucket_rule_make(&raised, &rule), 0);
	assert_int_equal(rule.depth_nbit, 1500 * BUCKET_BYTE_NBIT);
}

static void test_depth_for_rate(void **state)
{
	(void)state;
	assert_int_equal(bucket_depth_bytes(100000000, 10000000, 3000), 125000);
	assert_int_equal(bucket_depth_bytes(64000, 10000000, 3000), 3000);
	assert_int_equal(bucket_depth_bytes(64000, 100000000, 0), 800);
	assert_int_equal(bucket_depth_bytes(RATE_UNLIMITED, 10000000, 3000), BUCKET_BYTES_MAX);
	assert_int_equal(bucket_depth_bytes(1, 1, UINT64_MAX), BUCKET_BYTES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trains),	       cmocka_unit_test(test_long_run),
		cmocka_unit_test(test_depth),	       cmocka_unit_test(test_long_pause_counts),
		cmocka_unit_test(test_borders),	       cmocka_unit_test(test_clock),
		cmocka_unit_test(test_charges),	       cmocka_unit_test(test_debt),
		cmocka_unit_test(test_peak),	       cmocka_unit_test(test_peak_far_above),
		cmocka_unit_test(test_rerate),	       cmocka_unit_test(test_rerate_mints_nothing),
		cmocka_unit_test(test_rerate_peak),    cmocka_unit_test(test_rules),
		cmocka_unit_test(test_depth_for_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
