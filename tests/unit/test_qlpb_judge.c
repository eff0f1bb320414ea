/* SPDX-License-Identifier: MIT */
/*
 * test_qlpb_judge.c: probe/qlpb_judge: what a sink concludes from the order in which probes arrive: the rows of
 * spec/probing.md §9, and what a peer of bad will might send.
 */
#include "probe/qlpb_judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOTHING (-1)

/* Number `sequence` of a route check: groups of five, the first oversized, the fifth closes the group. */
static int judge_one(struct qlpb_route_judge *judge, uint32_t sequence)
{
	uint32_t place = (sequence - 1) % 5;
	struct qlpb_probe probe = {
		.id = QLPB_ID_ROUTE_CHECK,
		.flag = place == 0,
		.train_size = place == 4 ? 5 : 0,
		.sequence = sequence,
	};
	enum qlpb_observation observation;

	return qlpb_judge_route(judge, &probe, &observation) ? (int)observation : NOTHING;
}

/* `expected`: of the probe at that place of the row; all others say nothing. Ends with place 0. */
struct verdict {
	unsigned place; /* from 1 */
	int observation;
};

static void assert_row(const uint32_t *row, unsigned n, const struct verdict *expected)
{
	struct qlpb_route_judge judge = { 0 };

	for (unsigned i = 0; i < n; i++) {
		int observation = judge_one(&judge, row[i]);

		if (expected->place == i + 1)
			assert_int_equal(observation, expected++->observation);
		else
			assert_int_equal(observation, NOTHING);
	}
	assert_int_equal(expected->place, 0);
}

#define ROW(...) (const uint32_t[]){ __VA_ARGS__ }, sizeof((const uint32_t[]){ __VA_ARGS__ }) / 4
#define SAYS(...)                \
	(const struct verdict[]) \
	{                        \
		__VA_ARGS__,     \
		{                \
			0, 0     \
		}                \
	}

/* P-023..P-027, P-121, P-122: and P-028, for nothing else is said. */
static void route_checks(void **state)
{
	assert_row(ROW(1, 2, 3, 4, 5), SAYS({ 5, QLPB_OBSERVED_NONE }));
	assert_row(ROW(1, 5, 2, 3, 4), SAYS({ 3, QLPB_OBSERVED_INVERSION }));
	assert_row(ROW(2, 3, 4, 5), SAYS({ 4, QLPB_OBSERVED_LOSS }));
	assert_row(ROW(1, 2, 4, 5, 6, 7, 8, 9, 10), SAYS({ 9, QLPB_OBSERVED_NONE }));
	assert_row(ROW(1, 2, 3, 5, 4), SAYS({ 5, QLPB_OBSERVED_INVERSION }));
	assert_row(ROW(5, 1, 2, 3, 4), SAYS({ 1, QLPB_OBSERVED_LOSS }));
	assert_row(ROW(2, 3, 4, 5, 7, 8, 9, 10),
		   SAYS({ 4, QLPB_OBSERVED_LOSS }, { 8, QLPB_OBSERVED_LOSS }));
}

static void groups_in_a_row(void **state)
{
	/* Each in order; the run of sequence numbers is counted anew after each. */
	assert_row(ROW(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
		   SAYS({ 5, QLPB_OBSERVED_NONE }, { 10, QLPB_OBSERVED_NONE }));
	/* The second group overtakes, the third loses its oversized probe. */
	assert_row(ROW(1, 2, 3, 4, 5, 6, 10, 7, 8, 9, 12, 13, 14, 15),
		   SAYS({ 5, QLPB_OBSERVED_NONE }, { 8, QLPB_OBSERVED_INVERSION },
			{ 14, QLPB_OBSERVED_LOSS }));
}

/* What comes again, or from long ago, changes nothing of what is known of the group. */
static void probes_from_before(void **state)
{
	assert_row(ROW(1, 2, 3, 4, 5, 6, 7, 9, 10, 1, 10, 8),
		   SAYS({ 5, QLPB_OBSERVED_NONE }, { 12, QLPB_OBSERVED_INVERSION }));
}

/* A lone high-priority probe of a train that is longer than its sequence number; and numbers that wrap. */
static void hostile_route_checks(void **state)
{
	struct qlpb_route_judge judge = { 0 };
	struct qlpb_probe probe = { .flag = true, .sequence = 1 };
	enum qlpb_observation observation;

	assert_false(qlpb_judge_route(&judge, &probe, &observation));
	probe = (struct qlpb_probe){ .sequence = 3, .train_size = 65535 };
	assert_false(qlpb_judge_route(&judge, &probe, &observation));
	/* The second of the group comes late: all numbers below 3 are in it. */
	probe = (struct qlpb_probe){ .sequence = 2 };
	assert_true(qlpb_judge_route(&judge, &probe, &observation));
	assert_int_equal(observation, QLPB_OBSERVED_INVERSION);

	/* No oversized one has ever come, however long the train is said to be. */
	judge = (struct qlpb_route_judge){ 0 };
	probe = (struct qlpb_probe){ .sequence = 3, .train_size = 5 };
	assert_true(qlpb_judge_route(&judge, &probe, &observation));
	assert_int_equal(observation, QLPB_OBSERVED_LOSS);

	judge = (struct qlpb_route_judge){ 0 };
	probe = (struct qlpb_probe){ .flag = true, .sequence = UINT32_MAX - 1 };
	assert_false(qlpb_judge_route(&judge, &probe, &observation));
	probe = (struct qlpb_probe){ .sequence = UINT32_MAX, .train_size = 65535 };
	assert_false(qlpb_judge_route(&judge, &probe, &observation));
	probe = (struct qlpb_probe){ .sequence = 0 };
	assert_false(qlpb_judge_route(&judge, &probe, &observation));
	probe = (struct qlpb_probe){ .sequence = UINT32_MAX - 65534 };
	assert_true(qlpb_judge_route(&judge, &probe, &observation));
	assert_int_equal(observation, QLPB_OBSERVED_INVERSION);
}

/* ---- trains ---- */

#define BYTES 1468

static enum qlpb_train_verdict feed(struct qlpb_train_judge *judge, bool first, unsigned train,
				    uint32_t sequence, uint64_t stamp_100ns)
{
	struct qlpb_probe probe = {
		.id = QLPB_ID_PACKET_PAIR,
		.flag = first,
		.train_size = (uint16_t)train,
		.sequence = sequence,
	};

	return qlpb_judge_train(judge, &probe, BYTES, stamp_100ns);
}

/* P-029, P-030, P-037, P-039 */
static void whole_trains(void **state)
{
	static const unsigned lengths[] = { 2, 3, 16, QLPB_SINK_TRAIN_MAX };
	struct qlpb_train_judge judge = { 0 };
	uint32_t sequence = 7001;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint32_t first = sequence;

		for (unsigned k = 0; k < lengths[i]; k++) {
			enum qlpb_train_verdict verdict =
				feed(&judge, k == 0, lengths[i], sequence++, 500 + k * 10000);

			assert_int_equal(verdict, k == lengths[i] - 1 ? QLPB_TRAIN_COMPLETE
								      : QLPB_TRAIN_GOES_ON);
		}
		assert_int_equal(judge.first, first);
		assert_int_equal(judge.length, lengths[i]);
		for (unsigned k = 1; k < lengths[i]; k++)
			assert_true(judge.stamps_100ns[k] - judge.stamps_100ns[k - 1] == 10000);
		/* It is over. */
		assert_int_equal(feed(&judge, false, lengths[i], sequence, 0), QLPB_TRAIN_IGNORED);
	}
}

/* P-031 */
static void a_probe_is_missing(void **state)
{
	struct qlpb_train_judge judge = { 0 };

	assert_int_equal(feed(&judge, true, 4, 1, 10), QLPB_TRAIN_GOES_ON);
	assert_int_equal(feed(&judge, false, 4, 2, 20), QLPB_TRAIN_GOES_ON);
	assert_int_equal(feed(&judge, false, 4, 4, 40), QLPB_TRAIN_IGNORED);
	assert_int_equal(feed(&judge, true, 4, 5, 100), QLPB_TRAIN_GOES_ON);
	assert_int_equal(feed(&judge, false, 4, 6, 110), QLPB_TRAIN_GOES_ON);
	assert_int_equal(feed(&judge, false, 4, 7, 120), QLPB_TRAIN_GOES_ON);
	assert_int_equal(feed(&judge, false, 4, 8, 130), QLPB_TRAIN_COMPLETE);
	assert_int_equal(judge.first, 5);
	assert_true(judge.stamps_100ns[0] == 100 && judge.stamps_100ns[3] == 130);
}

/* P-032..P-036: what does not fit in changes nothing. */
static void probes_that_do_not_fit(void **state)
{
	struct qlpb_probe shorter = { .train_size = 3, .sequence = 2 };
	struct qlpb_train_judge judge = { 0 };

	assert_int_equal(feed(&judge, false, 3, 1, 1), QLPB_TRAIN_IGNORED); /* P-035 */
	assert_int_equal(feed(&judge, true, 0, 1, 1), QLPB_TRAIN_IGNORED);  /* P-036 */
	assert_int_equal(feed(&judge, true, 1, 1, 1), QLPB_TRAIN_IGNORED);  /* P-036 */
	assert_int_equal(feed(&judge, true, QLPB_SINK_TRAIN_MAX + 1, 1, 1), QLPB_TRAIN_IGNORED);

	assert_int_equal(feed(&judge, true, 3, 1, 10), QLPB_TRAIN_GOES_ON);
	assert_int_equal(feed(&judge, false, 3, 1, 11), QLPB_TRAIN_IGNORED); /* P-032 */
	assert_int_equal(qlpb_judge_train(&judge, &shorter, BYTES - 1, 12),
			 QLPB_TRAIN_IGNORED);				     /* P-033 */
	assert_int_equal(feed(&judge, false, 4, 2, 13), QLPB_TRAIN_IGNORED); /* P-034 */
	assert_int_equal(feed(&judge, true, 0, 2, 14), QLPB_TRAIN_IGNORED);
	assert_int_equal(feed(&judge, false, 3, 2, 20), QLPB_TRAIN_GOES_ON);
	assert_int_equal(feed(&judge, false, 3, 2, 21), QLPB_TRAIN_IGNORED); /* P-032 */
	assert_int_equal(feed(&judge, false, 3, 3, 30), QLPB_TRAIN_COMPLETE);
	assert_true(judge.stamps_100ns[1] == 20 && judge.stamps_100ns[2] == 30);
}

/* An F in the middle begins anew; sequence numbers may wrap. */
static void trains_that_begin_anew(void **state)
{
	struct qlpb_train_judge judge = { 0 };

	assert_int_equal(feed(&judge, true, 3, 1, 10), QLPB_TRAIN_GOES_ON);
	assert_int_equal(feed(&judge, false, 3, 2, 20), QLPB_TRAIN_GOES_ON);
	assert_int_equal(feed(&judge, true, 2, UINT32_MAX, 30), QLPB_TRAIN_GOES_ON);
	assert_int_equal(feed(&judge, false, 3, 3, 40), QLPB_TRAIN_IGNORED);
	assert_int_equal(feed(&judge, false, 2, 0, 50), QLPB_TRAIN_COMPLETE);
	assert_int_equal(judge.first, UINT32_MAX);
	assert_true(judge.stamps_100ns[1] - judge.stamps_100ns[0] == 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(route_checks),		  cmocka_unit_test(groups_in_a_row),
		cmocka_unit_test(probes_from_before),	  cmocka_unit_test(hostile_route_checks),
		cmocka_unit_test(whole_trains),		  cmocka_unit_test(a_probe_is_missing),
		cmocka_unit_test(probes_that_do_not_fit), cmocka_unit_test(trains_that_begin_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
