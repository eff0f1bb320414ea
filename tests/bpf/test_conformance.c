/* SPDX-License-Identifier: MIT */
/*
 * test_conformance.c: the loaded program's token bucket against a model of RFC 2215 §3.6 that shares nothing
 * with it: tokens that grow, in exact 128-bit numbers, and packets cut by hand. Random parameters and
 * traffic over hours of virtual time; each verdict and all counters must agree. Other seeds: GW_SEED.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mark_world.h"

#define UDP 17
#define TCP 6
#define WORLDS 40
#define PACKETS 1500
#define LARGEST 1900u

/* --- The model -------------------------------------------------------------------------------- */

typedef unsigned __int128 tokens; /* in units of 10^-9 bit */

#define BYTE ((tokens)8 * 1000000000)

struct one_bucket {
	uint64_t rate_bps;
	tokens depth, level;
};

struct model {
	struct bucket_spec spec;
	struct one_bucket main, peak;
	uint64_t last_ns;
	uint64_t conforming_packets, conforming_bytes, excess_packets, excess_bytes;
	/* A bucket in debt has less than no tokens; they are kept apart. */
	tokens main_debt, peak_debt;
};

static void grow(struct one_bucket *bucket, tokens *debt, uint64_t elapsed_ns)
{
	tokens gained = (tokens)bucket->rate_bps * elapsed_ns;
	tokens paid = gained < *debt ? gained : *debt;

	*debt -= paid;
	bucket->level += gained - paid;
	if (bucket->level > bucket->depth)
		bucket->level = bucket->depth;
}

static bool holds(const struct one_bucket *bucket, tokens debt, tokens charge)
{
	if (debt > 0)
		return false;
	/* What is larger than the bucket needs it full. */
	return bucket->level >= charge || bucket->level == bucket->depth;
}

static void take(struct one_bucket *bucket, tokens *debt, tokens charge)
{
	tokens had = charge < bucket->level ? charge : bucket->level;

	bucket->level -= had;
	*debt += charge - had;
}

static void model_init(struct model *model, const struct bucket_spec *spec)
{
	/* A bucket holds at least the longest packet. */
	uint64_t depth = spec->depth_bytes > spec->max_bytes ? spec->depth_bytes : spec->max_bytes;

	*model = (struct model){ .spec = *spec };
	model->main.rate_bps = spec->rate_bps;
	model->main.depth = model->main.level = depth * BYTE;
	model->peak.rate_bps = spec->peak_bps;
	model->peak.depth = model->peak.level = spec->max_bytes * BYTE;
}

/* The packets on the wire, one by one; what they are charged, or false: one is too long. */
static bool charge_of(const struct model *model, unsigned header, unsigned payload, unsigned size,
		      tokens *ret_charge, uint64_t *ret_packets, uint64_t *ret_bytes)
{
	uint64_t longest = model->spec.max_bytes ? model->spec.max_bytes : model->spec.depth_bytes;
	bool fits = true;

	*ret_charge = 0;
	*ret_packets = *ret_bytes = 0;
	do {
		unsigned part = size && payload > size ? size : payload;
		uint64_t len = header + part;

		fits = fits && len <= longest;
		*ret_bytes += len;
		*ret_packets += 1;
		*ret_charge += (len > model->spec.min_bytes ? len : model->spec.min_bytes) * BYTE;
		payload -= part;
	} while (payload > 0);
	return fits;
}

static bool model_take(struct model *model, unsigned header, unsigned payload, unsigned size,
		       uint64_t now_ns)
{
	uint64_t packets, bytes;
	tokens charge;
	bool conforms = charge_of(model, header, payload, size, &charge, &packets, &bytes);

	/* One that is too long is none of the buckets' business: they do not even see the time. */
	if (conforms && now_ns > model->last_ns) {
		grow(&model->main, &model->main_debt, now_ns - model->last_ns);
		grow(&model->peak, &model->peak_debt, now_ns - model->last_ns);
		model->last_ns = now_ns;
	}
	conforms = conforms && holds(&model->main, model->main_debt, charge) &&
		   (model->spec.peak_bps == 0 || holds(&model->peak, model->peak_debt, charge));
	if (conforms) {
		take(&model->main, &model->main_debt, charge);
		if (model->spec.peak_bps != 0)
			take(&model->peak, &model->peak_debt, charge);
		model->conforming_packets += packets;
		model->conforming_bytes += bytes;
	} else {
		model->excess_packets += packets;
		model->excess_bytes += bytes;
	}
	return conforms;
}

/* --- Random traffic --------------------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

/* As many small numbers as large ones: `from`, times up to two, `doublings` at most times doubled. */
static uint64_t random_magnitude(uint64_t from, unsigned doublings)
{
	uint64_t floor = from << random_below(doublings + 1);

	return floor + random_below(floor);
}

static struct bucket_spec random_spec(void)
{
	struct bucket_spec spec = {
		.rate_bps = random_magnitude(1000, 26),
		.depth_bytes = random_magnitude(500, 8),
	};

	if (random_below(2))
		spec.max_bytes = (uint32_t)(300 + random_below(LARGEST));
	if (random_below(2))
		spec.min_bytes =
			(uint32_t)random_below((spec.max_bytes ? spec.max_bytes : 500) + 1);
	if (spec.max_bytes && random_below(2))
		spec.peak_bps = spec.rate_bps + random_magnitude(1, 33);
	return spec;
}

struct random_packet {
	struct packet packet;
	unsigned header, payload, size;
};

static void make_packet(struct random_packet *made)
{
	int version = random_below(2) ? 4 : 6;
	bool tcp = random_below(2);

	made->header = (version == 4 ? 20 : 40) + (tcp ? 20 : 8);
	made->payload = 1 + (unsigned)random_below(random_below(2) ? 300 : LARGEST - 100);
	made->size = random_below(3) ? 0 : 1 + (unsigned)random_below(made->payload);
	world_build(&made->packet, version, tcp ? TCP : UDP, made->payload);
}

/* Half of what the rate needs; now and then nothing, hours, or the reading of a CPU that came late. */
static void pass_time(uint64_t rate_bps, uint64_t bytes)
{
	uint64_t takes_ns = (uint64_t)((double)bytes * 8e9 / (double)rate_bps);

	switch (random_below(20)) {
	case 0:
		run->bss->run_clock_ns += random_magnitude(1000000000, 13);
		break;
	case 1:
		run->bss->run_clock_ns -= random_below(3000);
		break;
	case 2:
	case 3:
		break;
	default:
		run->bss->run_clock_ns += random_below(takes_ns + 2);
	}
}

static void assert_agree(const struct model *model, enum gw_meter_action action)
{
	struct gw_bucket bucket = world_bucket();
	bool dropped = action == GW_METER_DROP;

	assert_int_equal(bucket.conforming_packets, model->conforming_packets);
	assert_int_equal(bucket.conforming_bytes, model->conforming_bytes);
	assert_int_equal(bucket.excess_packets, dropped ? 0 : model->excess_packets);
	assert_int_equal(bucket.excess_bytes, dropped ? 0 : model->excess_bytes);
	assert_int_equal(bucket.dropped_packets, dropped ? model->excess_packets : 0);
	assert_int_equal(bucket.dropped_bytes, dropped ? model->excess_bytes : 0);
}

static void assert_verdict(const struct passed *passed, bool conforms, enum gw_meter_action action)
{
	if (conforms) {
		assert_int_equal(passed->action, ACTION_UNSPEC);
		assert_int_equal(passed->tag, WORLD_TAG);
		assert_int_equal(packet_tos(&passed->packet) >> 2, WORLD_DSCP);
	} else if (action == GW_METER_DROP) {
		assert_int_equal(passed->action, ACTION_DROP);
	} else {
		assert_int_equal(passed->action, ACTION_UNSPEC);
		assert_int_equal(passed->tag, GW_TAG | GW_TAG_EXCESS | GW_BAND(1));
		assert_int_equal(packet_tos(&passed->packet) >> 2, 0);
	}
}

static uint64_t begin_world(const struct bucket_spec *spec, enum gw_meter_action action)
{
	const struct gw_verdict verdict = world_verdict(GW_VERDICT_METERED);
	const struct gw_meter meter = world_meter(action, spec);

	world_setup(NULL);
	world_put_meter(&meter);
	world_put_socket(&verdict);
	return run->bss->run_clock_ns;
}

static uint64_t one_world(uint64_t *ret_conforming)
{
	struct bucket_spec spec = random_spec();
	enum gw_meter_action action = random_below(2) ? GW_METER_DROP : GW_METER_REMARK;
	uint64_t begin_ns = begin_world(&spec, action);
	struct random_packet made;
	struct model model;

	model_init(&model, &spec);
	for (int i = 0; i < PACKETS; i++) {
		struct sent sent = { .packet = &made.packet };
		struct passed passed;

		make_packet(&made);
		sent.gso_size = made.size;
		if (made.size && random_below(2))
			sent.gso_segs = (made.payload + made.size - 1) / made.size;
		passed = world_send(&sent);
		assert_verdict(&passed,
			       model_take(&model, made.header, made.payload, made.size,
					  run->bss->run_clock_ns),
			       action);
		pass_time(spec.rate_bps, made.packet.len);
	}
	assert_agree(&model, action);
	*ret_conforming += model.conforming_packets > 0 && model.excess_packets > 0;
	return run->bss->run_clock_ns - begin_ns;
}

static void test_against_model(void **state)
{
	const char *seed = getenv("GW_SEED");
	uint64_t virtual_ns = 0, mixed = 0;

	random_state = seed ? strtoull(seed, NULL, 10) : 20240229;
	print_message("seed %llu\n", (unsigned long long)random_state);
	for (int i = 0; i < WORLDS; i++)
		virtual_ns += one_world(&mixed);
	print_message("%d packets in %.0f virtual hours\n", WORLDS * PACKETS,
		      (double)virtual_ns / 3.6e12);
	/* Nearly all the worlds must have seen both, or little is proved. */
	assert_true(mixed > WORLDS * 3 / 4);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		WORLD_CASE(test_against_model),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return run_mark_tests(tests);
}
