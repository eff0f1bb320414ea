/* SPDX-License-Identifier: MIT */
/* test_estimate.c: probe/estimate_*: what trains, gaps and the host's own counters say, and what they cannot say. */
#include "probe/estimate_capacity.h"
#include "probe/estimate_load.h"
#include "probe/estimate_passive.h"
#include "probe/estimate_spare.h"
#include "probe/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

/* ---- trains ---- */

static uint64_t capacity_from(const uint64_t *gaps_ns, unsigned n)
{
	const struct probe_train train = { 1496, 0, n + 1, n, gaps_ns };

	return train_look(&train).bps;
}

static void assert_near(uint64_t is, uint64_t should_be, unsigned percent)
{
	assert_in_range(is, should_be - should_be / 100 * percent,
			should_be + should_be / 100 * percent);
}

/* The example of spec/probing.md §6.1. */
static void even_gaps(void **state)
{
	uint64_t gaps_ns[15];

	for (unsigned i = 0; i < 15; i++)
		gaps_ns[i] = 120000;
	assert_near(capacity_from(gaps_ns, 15), 99733333, 1);
	assert_near(capacity_from(gaps_ns, 1), 99733333, 1);
}

/* Where packets wait for one that is late, and then all come at once, hardly a gap is a packet's time. */
static void all_at_once_behind_a_late_one(void **state)
{
	static const unsigned bunches[] = { 9, 14, 6, 17, 11, 8, 12, 4 };
	uint64_t gaps_ns[81];
	unsigned n = 0;

	for (unsigned i = 0; i < 8; i++) {
		for (unsigned j = 1; j < bunches[i]; j++)
			gaps_ns[n++] = 1650;
		if (n < 81)
			gaps_ns[n++] = bunches[i] * 240000 - (bunches[i] - 1) * 1650;
	}
	assert_near(capacity_from(gaps_ns, n), 49866666, 10);
}

/* P-081 */
static void gaps_of_nothing(void **state)
{
	uint64_t gaps_ns[15] = { 0 };
	struct capacity capacity = { 0 };
	const struct probe_train train = { 1496, 0, 16, 15, gaps_ns };

	assert_int_equal(capacity_from(gaps_ns, 15), 0);
	assert_int_equal(capacity_from(gaps_ns, 0), 0);
	assert_false(capacity_take(&capacity, &train, 0, 1));
	assert_int_equal(capacity.bps, 0);
	for (unsigned i = 0; i < 15; i += 3)
		gaps_ns[i] = 360000; /* three at a time */
	assert_near(capacity_from(gaps_ns, 15), 99733333, 3);
	gaps_ns[0] = UINT64_MAX;
	for (unsigned i = 1; i < 15; i++)
		gaps_ns[i] = UINT64_MAX;
	assert_in_range(capacity_from(gaps_ns, 15), 0, 1);
}

static void others_in_between(void **state)
{
	uint64_t gaps_ns[15];

	for (unsigned i = 0; i < 15; i++)
		gaps_ns[i] = i % 3 == 0 ? 240000 + i * 3000 : 120000;
	assert_near(capacity_from(gaps_ns, 15), 99733333, 3);
}

static void bucket_at_the_head(void **state)
{
	uint64_t gaps_ns[15];

	for (unsigned i = 0; i < 15; i++)
		gaps_ns[i] = i < 6 ? 3000 : i == 6 ? 50000 : 120000;
	assert_near(capacity_from(gaps_ns, 15), 99733333, 3);
}

/* What a train shows; until none shows it any more, there is one. */
static void bucket_is_told(void **state)
{
	static const struct {
		unsigned head, bucket;
	} trains[] = { { 0, 0 }, { 3, 3 }, { 6, 6 }, { 3, 6 }, { 0, 6 }, { 0, 6 },
		       { 6, 6 }, { 0, 6 }, { 0, 6 }, { 0, 6 }, { 0, 0 } };
	struct capacity capacity = { 0 };
	uint64_t gaps_ns[15];
	const struct probe_train train = { 1496, 0, 16, 15, gaps_ns };

	for (unsigned i = 0; i < sizeof(trains) / sizeof(trains[0]); i++) {
		for (unsigned j = 0; j < 15; j++)
			gaps_ns[j] = j + 1 < trains[i].head ? 3000 : 120000;
		capacity_take(&capacity, &train, 0, 1);
		assert_near(capacity.bps, 99733333, 3);
		assert_int_equal(capacity.bucket_packets, trains[i].bucket);
	}
}

/* A packet of 500 Mbit/s; `head` of them come at the speed of the interface, and others have packets in between. */
#define FAST_NS 24000

static struct train_view take_fast(struct capacity *capacity, unsigned n, unsigned head,
				   bool others)
{
	static uint32_t dice = 1;
	uint64_t gaps_ns[255];
	const struct probe_train train = { 1496, 0, n, n - 1, gaps_ns };

	for (unsigned i = 0; i < n - 1; i++) {
		dice = dice * 1103515245 + 12345;
		gaps_ns[i] = FAST_NS;
		if (i + 1 < head)
			gaps_ns[i] = i == 3 ? 26000 : 5000;
		else if (others && dice >> 30 == 0)
			gaps_ns[i] += 17000 * (1 + (dice >> 28 & 3));
	}
	capacity_take(capacity, &train, 0, 1);
	return train_look(&train);
}

/* What others send in between hides no bucket; and where they have emptied it, it is still there. */
static void bucket_beside_others(void **state)
{
	struct capacity capacity = { 0 };
	struct train_view view = take_fast(&capacity, 128, 21, true);

	assert_true(view.head == 21 && view.is_sure && view.others);
	assert_near(capacity.bps, 498666666, 1);
	assert_int_equal(capacity.bucket_packets, 21);
	for (unsigned i = 0; i < 10; i++)
		take_fast(&capacity, 128, 0, true);
	assert_int_equal(capacity.bucket_packets, 21);
	for (unsigned i = 0; i < 4; i++)
		take_fast(&capacity, 128, 0, false);
	assert_int_equal(capacity.bucket_packets, 0);
	assert_near(capacity.bps, 498666666, 1);
}

/* Who comes late, and all that waited with him, are no bucket's. */
static void late_head(void **state)
{
	uint64_t gaps_ns[127];
	const struct probe_train train = { 1496, 0, 128, 127, gaps_ns };

	for (unsigned i = 0; i < 127; i++)
		gaps_ns[i] = i == 0 ? 20 * FAST_NS : i < 20 ? 1000 : FAST_NS;
	assert_int_equal(train_look(&train).head, 0);
}

/* One train that took far too long, though it shows the bucket, is not believed more than all the long ones before. */
static void long_trains_count(void **state)
{
	struct capacity capacity = { 0 };
	uint64_t gaps_ns[255];
	const struct probe_train train = { 1496, 0, 256, 255, gaps_ns };

	for (unsigned i = 0; i < 5; i++)
		take_fast(&capacity, 256, 0, true);
	for (unsigned i = 0; i < 255; i++)
		gaps_ns[i] = i < 20 ? 5000 : 4 * FAST_NS;
	assert_true(train_look(&train).is_sure);
	capacity_take(&capacity, &train, 0, 1);
	assert_near(capacity.bps, 498666666, 1);
}

/* Delays that vary by some packets' time make a train longer or shorter by that, and its gaps anything. */
static void varying_delays(void **state)
{
	uint64_t gaps_ns[127], random = 1, before_ns = 0;
	const struct probe_train train = { 1496, 0, 128, 127, gaps_ns };
	struct capacity capacity = { 0 };

	for (unsigned i = 0; i < CAPACITY_TRAINS; i++) {
		for (unsigned j = 0; j <= 127; j++) {
			uint64_t at_ns = j * 120000 + noise_next(&random) % 1000000;

			at_ns = j > 0 && at_ns < before_ns ? before_ns : at_ns;
			if (j > 0)
				gaps_ns[j - 1] = at_ns - before_ns;
			before_ns = at_ns;
		}
		assert_near(train_look(&train).bps, 99733333, 10);
		assert_true(train_look(&train).doubt > 0.005);
		capacity_take(&capacity, &train, 0, 1);
	}
	assert_near(capacity.bps, 99733333, 5);
	assert_int_equal(capacity.bucket_packets, 0);
	assert_true(capacity_is_settled(&capacity));
}

/* ---- how long trains are ---- */

/* `bucket` packets of a train of `packets` are let through. */
static void take_shaped(struct capacity *capacity, unsigned packets, unsigned bucket)
{
	uint64_t gaps_ns[256];
	const struct probe_train train = { 1496, 0, packets, packets - 1, gaps_ns };

	for (unsigned i = 0; i < packets - 1; i++)
		gaps_ns[i] = i + 1 < bucket ? 12000 : 1200000;
	capacity_take(capacity, &train, 0, 1);
}

/* Each is longer than the one before until one shows what comes after the bucket, which the short ones then do not hide. */
static void longer_than_a_bucket(void **state)
{
	static const unsigned buckets[] = { 10, 20, 43, 85, 160 };

	for (unsigned i = 0; i < sizeof(buckets) / sizeof(buckets[0]); i++) {
		struct capacity capacity = { 0 };
		unsigned packets = 0;

		for (unsigned j = 0; j < 8; j++) {
			packets = capacity_packets(&capacity, 256);
			assert_true(capacity.longest == 0 || packets <= 2 * capacity.longest);
			take_shaped(&capacity, packets, buckets[i]);
		}
		assert_near(capacity.bps, 9973333, 1);
		assert_int_equal(capacity.bucket_packets, buckets[i]);
		assert_in_range(packets, buckets[i] + 12, 2 * buckets[i] + 12);
		assert_false(capacity_is_growing(&capacity, 256));
		assert_true(capacity_is_settled(&capacity));
		/* All of a short one goes through: that is not how fast the link is. */
		take_shaped(&capacity, 8, buckets[i]);
		assert_near(capacity.bps, 9973333, 1);
		assert_int_equal(capacity_packets(&capacity, 256), packets);
	}
}

/* Whoever has no room for longer ones is sent shorter ones; that is not enough to be sure of a fast path. */
static void no_room_for_longer(void **state)
{
	struct capacity capacity = { 0 };

	take_shaped(&capacity, 16, 16);
	take_shaped(&capacity, 32, 32);
	assert_int_equal(capacity_packets(&capacity, 256), 64);
	assert_int_equal(capacity_packets(&capacity, 50), 50);
	assert_false(capacity_is_disputed(&capacity));
	capacity_lose(&capacity, 64);
	assert_int_equal(capacity_packets(&capacity, 256), 32);
	assert_true(capacity_is_disputed(&capacity));
	take_shaped(&capacity, 32, 32);
	assert_int_equal(capacity_packets(&capacity, 256), 48);
	take_shaped(&capacity, 48, 40);
	assert_near(capacity.bps, 9973333, 1);
	assert_int_equal(capacity.bucket_packets, 40);
	assert_false(capacity_is_disputed(&capacity));
	/* Nothing is lost for ever, nor is a train ever too short to be one. */
	for (unsigned packets = 64; packets >= 8; packets /= 2)
		capacity_lose(&capacity, packets);
	assert_int_equal(capacity_packets(&capacity, 256), 8);
	for (unsigned i = 0; i < 8; i++)
		take_shaped(&capacity, 48, 40);
	assert_int_equal(capacity_packets(&capacity, 256), 60);
}

/* P-082 */
static void no_faster_than_interfaces(void **state)
{
	uint64_t gaps_ns[3] = { 100, 100, 100 };
	struct probe_train train = { 1496, 0, 4, 3, gaps_ns };
	struct capacity capacity = { 0 };

	capacity_take(&capacity, &train, 100000000, 1);
	assert_int_equal(capacity.bps, UINT64_C(100000000) * 1496 / 1534);
	train.sink_link_bps = 10000000;
	for (unsigned i = 0; i < 5; i++)
		capacity_take(&capacity, &train, 100000000, 1);
	assert_int_equal(capacity.bps, UINT64_C(10000000) * 1496 / 1534);
}

static void another_path(void **state)
{
	uint64_t gaps_ns[8];
	const struct probe_train train = { 1496, 0, 9, 8, gaps_ns };
	struct capacity capacity = { 0 };

	for (unsigned i = 0; i < 8; i++)
		gaps_ns[i] = 120000;
	assert_false(capacity_take(&capacity, &train, 0, 1));
	assert_true(capacity_take(&capacity, &train, 0, 1));
	for (unsigned i = 0; i < 3; i++)
		capacity_take(&capacity, &train, 0, 1);
	for (unsigned i = 0; i < 8; i++)
		gaps_ns[i] = 1200000;
	/* One may be by chance, two are not. */
	assert_false(capacity_take(&capacity, &train, 0, 1));
	assert_near(capacity.bps, 99733333, 1);
	assert_true(capacity_take(&capacity, &train, 0, 1));
	assert_near(capacity.bps, 9973333, 1);
}

/* Where trains contradict each other nobody knows (spec/qwave.md §5.5, 1237). */
static void disputed(void **state)
{
	struct capacity capacity = { 0 };
	static const struct {
		uint64_t gap_ns;
		bool is_disputed;
	} trains[] = { { 120000, false }, { 600000, true }, { 3000000, true }, { 125000, false } };

	for (unsigned i = 0; i < sizeof(trains) / sizeof(trains[0]); i++) {
		uint64_t gaps_ns[15];
		const struct probe_train train = { 1496, 0, 16, 15, gaps_ns };

		for (unsigned j = 0; j < 15; j++)
			gaps_ns[j] = trains[i].gap_ns;
		capacity_take(&capacity, &train, 0, 1);
		assert_int_equal(capacity_is_disputed(&capacity), trains[i].is_disputed);
	}
}

/* ---- paced trains ---- */

static void take_paced(struct load *load, uint64_t gap_ns, uint64_t spread_ns, unsigned n_gaps)
{
	uint64_t gaps_ns[31];
	const struct probe_train train = {
		.packet_bytes = 1496,
		.n_sent = 32,
		.n_gaps = n_gaps,
		.gaps_ns = gaps_ns,
		.spread_ns = spread_ns,
	};

	for (unsigned i = 0; i < 31; i++)
		gaps_ns[i] = gap_ns;
	load_take(load, &train, 99733333, 0.5, 1000);
}

static void load_by_stretch(void **state)
{
	struct load load = { 0 };
	struct load_view view;

	load_look(&load, 0, &view);
	assert_int_equal(view.n, 0);
	/* Back to back; with a hole; sent too slowly: these say nothing. */
	take_paced(&load, 120000, 0, 31);
	take_paced(&load, 120000, UINT64_C(31) * 114286, 30);
	take_paced(&load, 150000, UINT64_C(31) * 150000, 31);
	load_look(&load, 0, &view);
	assert_int_equal(view.n, 0);
	/* As it was sent: idle. Half as long again: others took about as much of the time as it took to send. */
	take_paced(&load, 120000, UINT64_C(31) * 114286, 31);
	load_look(&load, 0, &view);
	assert_true(view.n == 1 && view.busy > -0.01 && view.busy < 0.01);
	assert_true(view.variance >= 1);
	take_paced(&load, 180000, UINT64_C(31) * 114286, 31);
	load_look(&load, 0, &view);
	assert_true(view.n == 2 && view.busy > 0.25 && view.busy < 0.28);
	assert_true(view.seemed > 0.49 && view.seemed < 0.51 && view.variance < 0.1);
	load_look(&load, 1001, &view);
	assert_int_equal(view.n, 0);
	/* No more are kept than there is room for. */
	for (unsigned i = 0; i < 2 * LOAD_RING; i++)
		take_paced(&load, 120000, UINT64_C(31) * 114286, 31);
	load_look(&load, 0, &view);
	assert_int_equal(view.n, LOAD_RING);
	assert_true(view.busy < 0.01);
}

/* ---- gaps ---- */

static struct spare *spare;

static int setup_spare(void **state)
{
	spare = calloc(1, sizeof(*spare));
	return spare ? 0 : -1;
}

static int teardown_spare(void **state)
{
	spare_clear(spare);
	free(spare);
	return 0;
}

static void probe_with(uint64_t at_ns, uint64_t sink_offset_ns, uint64_t wait_ns, bool lost)
{
	struct probe_gap gap = {
		.packet_bytes = 60, .lost = lost, .scheduled_ns = at_ns, .sent_ns = at_ns
	};

	if (!lost) {
		gap.sink_received_ns = at_ns + 200000 + wait_ns + sink_offset_ns;
		gap.sink_sent_ns = gap.sink_received_ns + 70000;
		gap.received_ns = at_ns + 200000 + wait_ns + 70000 + 300000;
	}
	spare_take(spare, &gap);
}

/* P-079, P-080: what the sink took for itself, and what time it thinks it is, do not count. */
static void round_trips(void **state)
{
	static const uint64_t offsets_ns[] = { 0, 3600 * SECOND, -3600 * SECOND, UINT64_MAX / 2 };

	for (unsigned i = 0; i < 4; i++) {
		spare_clear(spare);
		for (unsigned j = 0; j < 100; j++)
			probe_with(SECOND + j * 10 * MS, offsets_ns[i], 0, false);
		assert_int_equal(spare->rtt_ns / 1000, 500);
	}
}

/* Times that cannot be are of no consequence. */
static void lies(void **state)
{
	struct probe_gap gap = { .packet_bytes = 60 };
	struct spare_view view;

	for (unsigned i = 0; i < 200; i++) {
		gap.scheduled_ns = gap.sent_ns = SECOND + i * 10 * MS;
		gap.received_ns = gap.sent_ns + MS;
		gap.sink_received_ns = i % 2 == 0 ? UINT64_MAX - i : i;
		gap.sink_sent_ns = i % 3 == 0 ? 0 : UINT64_MAX;
		spare_take(spare, &gap);
	}
	spare_learn(spare, MS, 4 * SECOND);
	if (spare_look(spare, 3 * SECOND, MS, 4 * SECOND, &view))
		assert_true(view.idle >= 0 && view.idle <= 1);
	assert_true(spare->rtt_ns <= MS);
}

/* P-076, P-077, with a clock that drifts: idle, and every other probe has waited. */
static void share_of_idle(void **state)
{
	for (unsigned busy = 0; busy <= 4; busy++) {
		struct spare_view view;

		spare_clear(spare);
		for (unsigned i = 0; i < 1000; i++) {
			uint64_t wait_ns = i % 5 < busy ? 200000 + i * 7919 % 3000000
							: i * 31 % 2000;

			probe_with(SECOND + i * 10 * MS, i * 500, wait_ns, false); /* 50 ppm */
			if (i % 25 == 0)
				spare_learn(spare, 1200000, SECOND + i * 10 * MS);
		}
		assert_true(spare_look(spare, 9 * SECOND, 1200000, 11 * SECOND, &view));
		assert_in_range((unsigned)(view.idle * 100 + 0.5), 95 - busy * 20, 103 - busy * 20);
	}
}

/* A queue that stays is not a longer path, at once. */
static void floor_stays(void **state)
{
	struct spare_view view;

	for (unsigned i = 0; i < 1500; i++) {
		probe_with(SECOND + i * 10 * MS, 0, i < 500 ? 0 : 20 * MS, false);
		if (i % 25 == 0)
			spare_learn(spare, 1200000, SECOND + i * 10 * MS);
	}
	assert_true(spare_look(spare, SECOND, 1200000, 16 * SECOND, &view));
	assert_true(view.idle < 0.01);
	assert_true(view.waited_least_ns > 19e6);
	/* After half a minute without a loss it is. */
	for (unsigned i = 1500; i < 5000; i++) {
		probe_with(SECOND + i * 10 * MS, 0, 20 * MS, false);
		if (i % 25 == 0)
			spare_learn(spare, 1200000, SECOND + i * 10 * MS);
	}
	assert_true(spare_look(spare, SECOND, 1200000, 51 * SECOND, &view));
	assert_true(view.idle > 0.9);
}

static void losses(void **state)
{
	struct spare_view view;

	assert_false(spare_look(spare, SECOND, MS, SECOND, &view));
	for (unsigned i = 0; i < 200; i++)
		probe_with(SECOND + i * 10 * MS, 0, 0, i % 4 == 0);
	spare_learn(spare, MS, 3 * SECOND);
	assert_true(spare_look(spare, 5 * SECOND, MS, 3 * SECOND, &view));
	assert_int_equal(view.n, 200);
	assert_int_equal(view.lost, 50);
	assert_true(view.idle > 0.95);
}

/* ---- what the host sees ---- */

static enum passive_verdict tcp_verdict(uint32_t rtt_us, uint64_t lost_of_100,
					uint64_t marked_of_100, unsigned times)
{
	struct passive passive = { 0 };
	struct passive_tcp tcp = { .min_rtt_us = 10000 };

	for (unsigned i = 0; i <= times; i++) {
		passive_take_tcp(&passive, &tcp, i * 250000);
		tcp.rtt_us = rtt_us;
		tcp.segments_sent += 100;
		tcp.segments_retransmitted += lost_of_100;
		tcp.marked += marked_of_100;
	}
	return passive_verdict(&passive, times * 250000);
}

static void tcp_connections(void **state)
{
	assert_int_equal(tcp_verdict(12000, 0, 0, 0), PASSIVE_UNKNOWN);
	assert_int_equal(tcp_verdict(12000, 1, 0, 4), PASSIVE_CLEAR);
	assert_int_equal(tcp_verdict(12000, 10, 0, 2), PASSIVE_UNKNOWN); /* a burst of losses */
	assert_int_equal(tcp_verdict(12000, 10, 0, 4), PASSIVE_CONGESTED);
	assert_int_equal(tcp_verdict(12000, 0, 10, 4), PASSIVE_CONGESTED);
	assert_int_equal(tcp_verdict(60000, 0, 0, 4), PASSIVE_CONGESTED);
	assert_int_equal(tcp_verdict(25000, 0, 0, 4), PASSIVE_CLEAR);
}

static enum passive_verdict queue_verdict(uint64_t backlog_bytes, uint64_t drops_of_100,
					  uint64_t marked_of_100)
{
	struct passive passive = { 0 };
	struct passive_queue queue = { .rate_bps = 10000000 };

	for (unsigned i = 0; i <= 4; i++) {
		passive_take_queue(&passive, &queue, i * 250000);
		queue.backlog_bytes = backlog_bytes;
		queue.packets += 100;
		queue.drops += drops_of_100;
		queue.marked += marked_of_100;
	}
	return passive_verdict(&passive, 1000000);
}

static void own_queue(void **state)
{
	assert_int_equal(queue_verdict(10000, 0, 0), PASSIVE_CLEAR);
	assert_int_equal(queue_verdict(200000, 0, 0), PASSIVE_CONGESTED);
	assert_int_equal(queue_verdict(10000, 5, 0), PASSIVE_CONGESTED);
	assert_int_equal(queue_verdict(10000, 0, 20), PASSIVE_CONGESTED);
}

/* What was long ago says nothing; neither does who sends nothing. */
static void old_evidence(void **state)
{
	struct passive passive = { 0 };
	struct passive_tcp tcp = { .min_rtt_us = 10000, .rtt_us = 90000 };

	for (unsigned i = 0; i <= 5; i++) {
		tcp.segments_sent += 100;
		passive_take_tcp(&passive, &tcp, i * 250000);
	}
	assert_int_equal(passive_verdict(&passive, 1250000), PASSIVE_CONGESTED);
	for (unsigned i = 6; i <= 30; i++)
		passive_take_tcp(&passive, &tcp, i * 250000);
	assert_int_equal(passive_verdict(&passive, 7500000), PASSIVE_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(even_gaps),
		cmocka_unit_test(all_at_once_behind_a_late_one),
		cmocka_unit_test(gaps_of_nothing),
		cmocka_unit_test(others_in_between),
		cmocka_unit_test(bucket_at_the_head),
		cmocka_unit_test(bucket_is_told),
		cmocka_unit_test(bucket_beside_others),
		cmocka_unit_test(late_head),
		cmocka_unit_test(long_trains_count),
		cmocka_unit_test(varying_delays),
		cmocka_unit_test(longer_than_a_bucket),
		cmocka_unit_test(no_room_for_longer),
		cmocka_unit_test(no_faster_than_interfaces),
		cmocka_unit_test(another_path),
		cmocka_unit_test(disputed),
		cmocka_unit_test(load_by_stretch),
		cmocka_unit_test_setup_teardown(round_trips, setup_spare, teardown_spare),
		cmocka_unit_test_setup_teardown(lies, setup_spare, teardown_spare),
		cmocka_unit_test_setup_teardown(share_of_idle, setup_spare, teardown_spare),
		cmocka_unit_test_setup_teardown(floor_stays, setup_spare, teardown_spare),
		cmocka_unit_test_setup_teardown(losses, setup_spare, teardown_spare),
		cmocka_unit_test(tcp_connections),
		cmocka_unit_test(own_queue),
		cmocka_unit_test(old_evidence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
