/* SPDX-License-Identifier: MIT */
/*
 * test_meter.c: what becomes of packets of a flow with a rate, in every case of meter.h, and when they may
 * depart. Conformance over time is in test_conformance.c.
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
#define MINOR 0x123
#define MBIT 1000000u
#define NS_PER_S 1000000000ull
#define NS_PER_MS 1000000ull
#define FQ_LIMIT 100u

/* Room for one packet of ONE_PAYLOAD, and no more at the same time. */
#define ONE_PAYLOAD 100
#define ONE_LEN(version) ((version) == 4 ? 128u : 148u)

static struct bucket_spec one_packet(int version)
{
	return (struct bucket_spec){ .rate_bps = MBIT, .depth_bytes = ONE_LEN(version) };
}

static uint64_t takes_ns(uint64_t bytes, uint64_t rate_bps)
{
	return (uint64_t)((double)bytes * 8e9 / (double)rate_bps + 0.5);
}

static void assert_counts(struct gw_bucket counts, uint64_t conforming, uint64_t excess,
			  uint64_t dropped, uint64_t bytes)
{
	assert_int_equal(counts.conforming_packets, conforming);
	assert_int_equal(counts.conforming_bytes, conforming * bytes);
	assert_int_equal(counts.excess_packets, excess);
	assert_int_equal(counts.excess_bytes, excess * bytes);
	assert_int_equal(counts.dropped_packets, dropped);
	assert_int_equal(counts.dropped_bytes, dropped * bytes);
}

static void assert_marked(const struct passed *passed, const struct packet *before, uint8_t dscp,
			  uint32_t priority, uint32_t minor)
{
	struct packet wanted = *before;

	packet_set_tos(&wanted, (uint8_t)(dscp << 2));
	assert_int_equal(passed->action, ACTION_UNSPEC);
	assert_int_equal(passed->priority, priority);
	assert_int_equal(passed->tag, GW_TAG | minor);
	assert_memory_equal(passed->packet.data, wanted.data, wanted.len);
}

/* --- Every case ------------------------------------------------------------------------------- */

enum second { WAITS, DEPARTS_LATER, DROPPED, REMARKED };

struct situation {
	enum gw_meter_action action;
	bool has_class;
	bool paced;
	bool edt;
};

/* As it is specified, not as the program does it. */
static enum second second_of(const struct situation *is)
{
	static const enum second delay[2][2][2] = {
		/* [class][paced][edt] */
		[0] = { { DROPPED, DEPARTS_LATER }, { WAITS, WAITS } },
		[1] = { { WAITS, WAITS }, { WAITS, WAITS } },
	};

	if (is->action == GW_METER_DELAY)
		return delay[is->has_class][is->paced][is->edt];
	return is->action == GW_METER_DROP ? DROPPED : REMARKED;
}

static void prepare(const struct situation *is, int version)
{
	const struct bucket_spec spec = one_packet(version);
	struct gw_meter meter = world_meter(is->action, &spec);
	const struct gw_verdict verdict =
		world_verdict((uint8_t)(GW_VERDICT_METERED | (is->paced ? GW_VERDICT_PACED : 0)));

	world_setup(NULL);
	/* Another link's class comes first, and must not count here. */
	meter.classes[0].ifindex = WORLD_IFINDEX + 1;
	meter.classes[0].minor = 0x3ff;
	if (is->has_class) {
		meter.classes[1].ifindex = WORLD_IFINDEX;
		meter.classes[1].minor = MINOR;
	}
	world_put_meter(&meter);
	world_put_link(is->edt ? GW_LINK_EDT : 0);
	world_put_socket(&verdict);
}

static void check_second(enum second second, const struct passed *passed,
			 const struct packet *packet, uint32_t minor)
{
	uint64_t len = ONE_LEN(packet->version), now = run->bss->run_clock_ns;

	switch (second) {
	case WAITS:
		assert_marked(passed, packet, WORLD_DSCP, WORLD_PRIORITY, minor);
		assert_int_equal(passed->tstamp, 0);
		assert_counts(world_bucket(), 2, 0, 0, len);
		break;
	case DEPARTS_LATER:
		assert_marked(passed, packet, WORLD_DSCP, WORLD_PRIORITY, minor);
		assert_int_equal(passed->tstamp, now + takes_ns(len, MBIT));
		assert_counts(world_bucket(), 2, 0, 0, len);
		break;
	case DROPPED:
		assert_int_equal(passed->action, ACTION_DROP);
		assert_counts(world_bucket(), 1, 0, 1, len);
		break;
	case REMARKED:
		assert_marked(passed, packet, 0, 0, GW_TAG_EXCESS | GW_BAND(1));
		assert_counts(world_bucket(), 1, 1, 0, len);
		break;
	}
}

static void check(const struct situation *is, int version, uint8_t protocol)
{
	uint32_t minor = is->has_class ? MINOR : GW_BAND(WORLD_CLASS);
	unsigned payload = protocol == TCP ? ONE_PAYLOAD - 12 : ONE_PAYLOAD;
	struct packet packet;
	struct passed passed;

	prepare(is, version);
	world_build(&packet, version, protocol, payload);
	passed = world_send_packet(&packet);
	assert_marked(&passed, &packet, WORLD_DSCP, WORLD_PRIORITY, minor);
	assert_counts(world_bucket(), 1, 0, 0, ONE_LEN(version));
	passed = world_send_packet(&packet);
	check_second(second_of(is), &passed, &packet, minor);
}

static void test_every_case(void **state)
{
	for (unsigned i = 0; i < 3 * 8; i++) {
		const struct situation is = {
			.action = (enum gw_meter_action)(GW_METER_DELAY + i / 8),
			.has_class = i & 1,
			.paced = i & 2,
			.edt = i & 4,
		};

		for (int version = 4; version <= 6; version += 2) {
			check(&is, version, UDP);
			check(&is, version, TCP);
		}
	}
}

static void test_all_classes_of_a_meter(void **state)
{
	const struct bucket_spec spec = one_packet(4);
	const struct gw_verdict verdict = world_verdict(GW_VERDICT_METERED);
	struct packet packet;

	world_build(&packet, 4, UDP, ONE_PAYLOAD);
	world_put_socket(&verdict);
	for (unsigned at = 0; at < GW_METER_CLASSES; at++) {
		struct gw_meter meter = world_meter(GW_METER_DELAY, &spec);

		for (unsigned i = 0; i <= at; i++) {
			meter.classes[i].ifindex = i == at ? WORLD_IFINDEX : 100 + i;
			meter.classes[i].minor = 0x200 + i;
		}
		world_put_meter(&meter);
		assert_int_equal(world_send_packet(&packet).tag, GW_TAG | (0x200 + at));
	}
}

/* A link on another one, say a VLAN: what has been counted there is not counted here, and keeps its ruling. */
static void test_links_above_each_other(void **state)
{
	const struct gw_verdict verdict = world_verdict(GW_VERDICT_METERED);
	const struct bucket_spec spec = one_packet(4);
	struct packet packet;
	struct sent sent = { .packet = &packet };
	struct passed passed;

	for (unsigned action = GW_METER_DELAY; action <= GW_METER_REMARK; action++) {
		struct gw_meter meter = world_meter((enum gw_meter_action)action, &spec);

		world_setup(state);
		world_put_socket(&verdict);
		world_put_meter(&meter);
		world_build(&packet, 4, UDP, ONE_PAYLOAD);
		sent.tag = world_send_packet(&packet).tag;
		assert_int_equal(sent.tag, WORLD_TAG);

		passed = world_send(&sent);
		assert_marked(&passed, &packet, WORLD_DSCP, WORLD_PRIORITY, GW_BAND(WORLD_CLASS));
		assert_counts(world_bucket(), 1, 0, 0, ONE_LEN(4));

		/* It waits where there is a class, at whichever of the links that is. */
		meter.classes[0].ifindex = WORLD_IFINDEX;
		meter.classes[0].minor = MINOR;
		world_put_meter(&meter);
		assert_int_equal(world_send(&sent).tag, GW_TAG | MINOR);
		assert_counts(world_bucket(), 0, 0, 0, ONE_LEN(4));
	}

	/* The last kind: re-marked above. */
	world_send_packet(&packet);
	passed = world_send_packet(&packet);
	assert_marked(&passed, &packet, 0, 0, GW_TAG_EXCESS | GW_BAND(1));
	packet = passed.packet;
	sent.tag = passed.tag;
	passed = world_send(&sent);
	assert_int_equal(passed.tag, sent.tag);
	assert_memory_equal(passed.packet.data, packet.data, packet.len);
	assert_counts(world_bucket(), 1, 1, 0, ONE_LEN(4));
}

/* Without a rate: the band, and nothing counted. Not of a flow: no tag, not even somebody else's. */
static void test_tags_without_rates(void **state)
{
	struct gw_verdict verdict = world_verdict(0);
	struct sent sent = { .tag = GW_TAG | MINOR };
	struct packet packet;
	struct passed passed;

	world_build(&packet, 6, UDP, ONE_PAYLOAD);
	sent.packet = &packet;
	for (uint8_t class = 0; class < 6; class ++) {
		verdict.traffic_class = class;
		world_put_socket(&verdict);
		assert_int_equal(world_send(&sent).tag, GW_TAG | GW_BAND(class));
	}
	run->bss->run_cookie = WORLD_COOKIE + 1;
	passed = world_send(&sent);
	assert_int_equal(passed.tag, 0);
	assert_int_equal(passed.action, ACTION_UNSPEC);
	/* What is no tag is not ours to clear. */
	sent.tag = 0x77;
	assert_int_equal(world_send(&sent).tag, 0x77);
}

/* While a meter comes and goes there are moments without it. */
static void test_meter_or_bucket_missing(void **state)
{
	const struct gw_verdict verdict = world_verdict(GW_VERDICT_METERED);
	const struct bucket_spec spec = one_packet(4);
	const struct gw_meter meter = world_meter(GW_METER_DROP, &spec);
	const struct gw_bucket bucket = { 0 };
	const uint32_t flow_id = WORLD_FLOW;
	struct packet packet;
	struct passed passed;

	world_build(&packet, 4, UDP, 10 * ONE_PAYLOAD);
	world_put_socket(&verdict);
	passed = world_send_packet(&packet);
	assert_marked(&passed, &packet, WORLD_DSCP, WORLD_PRIORITY, GW_BAND(WORLD_CLASS));
	world_put(run->maps.meters, &flow_id, &meter);
	passed = world_send_packet(&packet);
	assert_marked(&passed, &packet, WORLD_DSCP, WORLD_PRIORITY, GW_BAND(WORLD_CLASS));
	world_put(run->maps.buckets, &flow_id, &bucket);
	assert_int_equal(world_send_packet(&packet).action, ACTION_DROP);
}

/* The excess keeps its mark and loses its place, if that is what it is to get. */
static void test_excess_of_another_class(void **state)
{
	const struct bucket_spec spec = one_packet(4);
	struct gw_meter meter = world_meter(GW_METER_REMARK, &spec);
	const struct gw_verdict verdict = world_verdict(GW_VERDICT_METERED);
	uint64_t excess = world_stat(GW_STAT_EXCESS), dropped = world_stat(GW_STAT_DROPPED);
	struct packet packet;
	struct passed passed;

	meter.excess.flags = GW_VERDICT_VALID;
	meter.excess.traffic_class = 2;
	meter.classes[0].ifindex = WORLD_IFINDEX;
	meter.classes[0].minor = MINOR;
	world_put_meter(&meter);
	world_put_socket(&verdict);
	world_build(&packet, 4, UDP, ONE_PAYLOAD);
	packet_set_tos(&packet, 10 << 2);
	passed = world_send_packet(&packet);
	assert_marked(&passed, &packet, WORLD_DSCP, WORLD_PRIORITY, MINOR);
	passed = world_send_packet(&packet);
	assert_marked(&passed, &packet, 10, 0, GW_TAG_EXCESS | GW_BAND(2));

	meter.action = GW_METER_DROP;
	world_put_meter(&meter);
	world_send_packet(&packet);
	assert_int_equal(world_send_packet(&packet).action, ACTION_DROP);
	assert_int_equal(world_stat(GW_STAT_EXCESS) - excess, 1);
	assert_int_equal(world_stat(GW_STAT_DROPPED) - dropped, 1);
}

/* --- Lengths ---------------------------------------------------------------------------------- */

struct gso_case {
	int version;
	uint8_t protocol;
	unsigned tcp_option_words;
	unsigned payload, size;
	unsigned vlan_tags;
};

/* Cut by hand: how many, and how many bytes they are with headers of their own. */
static void cut(const struct gso_case *is, uint64_t *ret_packets, uint64_t *ret_bytes)
{
	unsigned header = (is->version == 4 ? 20 : 40) +
			  (is->protocol == TCP ? 20 + 4 * is->tcp_option_words : 8);

	*ret_packets = *ret_bytes = 0;
	for (unsigned left = is->payload; left > 0; (*ret_packets)++) {
		unsigned part = left < is->size ? left : is->size;

		*ret_bytes += header + part;
		left -= part;
	}
}

static void check_gso(const struct gso_case *is, bool counted, enum gw_meter_action action,
		      bool fits)
{
	const struct packet_options options = {
		.port = PACKET_PORT,
		.last_octet = PACKET_LAST_OCTET,
		.payload_len = is->payload,
		.protocol = is->protocol,
		.tcp_option_words = is->tcp_option_words,
		.vlan_tags = is->vlan_tags,
	};
	const struct gw_verdict verdict = world_verdict(GW_VERDICT_METERED);
	struct bucket_spec spec = { .rate_bps = MBIT };
	struct gw_meter meter;
	struct packet packet;
	struct sent sent = { .packet = &packet, .gso_size = is->size };
	uint64_t packets, bytes;

	world_setup(NULL);
	packet_build(&packet, is->version, &options);
	cut(is, &packets, &bytes);
	sent.gso_segs = counted ? (uint32_t)packets : 0;
	/* A bucket that is used by one byte already holds it, or lacks just that one. */
	spec.depth_bytes = bytes + (fits ? 1 : 0);
	meter = world_meter(action, &spec);
	world_put_meter(&meter);
	world_put_socket(&verdict);
	if (action == GW_METER_DROP) {
		const uint32_t flow_id = WORLD_FLOW;
		const struct gw_bucket used = {
			.bucket = { .used_nbit = BUCKET_BYTE_NBIT,
				    .last_ns = run->bss->run_clock_ns },
		};

		world_put(run->maps.buckets, &flow_id, &used);
		assert_int_equal(world_send(&sent).action, fits ? ACTION_UNSPEC : ACTION_DROP);
		assert_int_equal(fits ? world_bucket().conforming_packets
				      : world_bucket().dropped_packets,
				 packets);
		assert_int_equal(fits ? world_bucket().conforming_bytes
				      : world_bucket().dropped_bytes,
				 bytes);
		return;
	}
	world_put_link(GW_LINK_EDT);
	assert_int_equal(world_send(&sent).action, ACTION_UNSPEC);
	assert_int_equal(world_bucket().departs_ns, run->bss->run_clock_ns + takes_ns(bytes, MBIT));
}

static void test_gso(void **state)
{
	static const struct gso_case cases[] = {
		{ 4, UDP, 0, 1500, 500, 0 }, { 4, UDP, 0, 1501, 500, 0 },
		{ 6, UDP, 0, 1499, 500, 0 }, { 4, TCP, 0, 1700, 100, 0 },
		{ 4, TCP, 3, 1701, 100, 0 }, { 6, TCP, 3, 1600, 536, 1 },
		{ 6, TCP, 10, 1601, 7, 2 },  { 4, UDP, 0, 1472, 1, 1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int counted = 0; counted < 2; counted++) {
			check_gso(&cases[i], counted, GW_METER_DROP, true);
			check_gso(&cases[i], counted, GW_METER_DROP, false);
			check_gso(&cases[i], counted, GW_METER_DELAY, true);
		}
	}
}

/* RFC 2215: shorter than m counts as m, longer than M never conforms; counters count what is sent. */
static void test_shortest_and_longest(void **state)
{
	const struct bucket_spec spec = {
		.rate_bps = MBIT, .depth_bytes = 1000, .min_bytes = 500, .max_bytes = 600
	};
	const struct gw_meter meter = world_meter(GW_METER_DROP, &spec);
	const struct gw_verdict verdict = world_verdict(GW_VERDICT_METERED);
	struct packet small, largest, larger;

	world_put_meter(&meter);
	world_put_socket(&verdict);
	world_build(&small, 4, UDP, 12);
	world_build(&largest, 4, UDP, 600 - 28);
	world_build(&larger, 4, UDP, 601 - 28);
	assert_int_equal(world_send_packet(&larger).action, ACTION_DROP);
	assert_int_equal(world_send_packet(&small).action, ACTION_UNSPEC);
	assert_int_equal(world_send_packet(&small).action, ACTION_UNSPEC);
	assert_int_equal(world_send_packet(&small).action, ACTION_DROP);
	assert_int_equal(world_bucket().conforming_bytes, 2 * 40);
	run->bss->run_clock_ns += takes_ns(600, MBIT);
	assert_int_equal(world_send_packet(&largest).action, ACTION_UNSPEC);
}

/* --- Departure times -------------------------------------------------------------------------- */

static void put_departures(uint64_t rate_bps)
{
	const struct bucket_spec spec = { .rate_bps = rate_bps, .depth_bytes = 3000 };
	const struct gw_meter meter = world_meter(GW_METER_DELAY, &spec);
	const struct gw_verdict verdict = world_verdict(GW_VERDICT_METERED);

	world_setup(NULL);
	world_put_meter(&meter);
	world_put_link(GW_LINK_EDT);
	world_put_socket(&verdict);
}

/* As fq does it: what has departed by now is gone. */
struct queue {
	uint64_t departs[FQ_LIMIT];
	unsigned len, longest;
	uint64_t accepted_bytes, last_ns;
};

static void enqueue(struct queue *queue, const struct passed *passed, uint64_t bytes)
{
	uint64_t now = run->bss->run_clock_ns;
	unsigned kept = 0;

	for (unsigned i = 0; i < queue->len; i++)
		if (queue->departs[i] > now)
			queue->departs[kept++] = queue->departs[i];
	queue->len = kept;
	if (passed->action == ACTION_DROP)
		return;
	assert_true(passed->tstamp >= now);
	assert_true(passed->tstamp <= now + 2 * NS_PER_S);
	assert_true(passed->tstamp >= queue->last_ns);
	assert_true(queue->len < FQ_LIMIT);
	queue->departs[queue->len++] = passed->tstamp;
	if (queue->len > queue->longest)
		queue->longest = queue->len;
	queue->accepted_bytes += bytes;
	queue->last_ns = passed->tstamp;
}

/* Offered `times` of the rate for `seconds`; what goes out is the rate, and the queue is never beyond fq's. */
static void check_flood(uint64_t rate_bps, unsigned times, double seconds)
{
	uint64_t gap = takes_ns(1228, rate_bps) / times, begin, first_len = 1228;
	struct queue queue = { 0 };
	struct packet packet;
	unsigned wanted;
	double rate;

	put_departures(rate_bps);
	world_build(&packet, 4, UDP, 1200);
	begin = run->bss->run_clock_ns;
	while (run->bss->run_clock_ns < begin + (uint64_t)(seconds * 1e9)) {
		struct passed passed = world_send_packet(&packet);

		enqueue(&queue, &passed, 1228);
		run->bss->run_clock_ns += gap;
	}
	rate = (double)(queue.accepted_bytes - first_len) * 8e9 / (double)(queue.last_ns - begin);
	assert_true(rate > (double)rate_bps * 0.9999 && rate < (double)rate_bps * 1.0001);
	wanted = (unsigned)(2 * NS_PER_S / takes_ns(1228, rate_bps));
	wanted = wanted < 98 ? wanted : 98;
	assert_in_range(queue.longest, wanted, wanted + 2);
}

static void test_departures_under_flood(void **state)
{
	check_flood(64000, 20, 60);
	check_flood(2 * MBIT, 3, 10);
	check_flood(1000 * MBIT, 2, 0.05);
	/* A packet takes 9.8 s, more than the horizon. */
	check_flood(1000, 5, 200);
}

/* Short packets among long ones: none starves, and fq's limit holds all the same. */
static void test_departures_of_all_lengths(void **state)
{
	static const unsigned payloads[] = { 32, 1200, 100, 700 };
	uint64_t sent[4] = { 0 }, accepted[4] = { 0 };
	struct queue queue = { 0 };
	struct packet packet;

	put_departures(10 * MBIT);
	print_message("seed 5\n");
	srand(5);
	for (int i = 0; i < 20000; i++) {
		unsigned which = (unsigned)rand() % 4;
		struct passed passed;

		world_build(&packet, 6, UDP, payloads[which]);
		passed = world_send_packet(&packet);
		enqueue(&queue, &passed, payloads[which] + 48);
		sent[which]++;
		accepted[which] += passed.action != ACTION_DROP;
		/* On average, twice the rate. */
		run->bss->run_clock_ns += (unsigned)rand() % 444000;
	}
	for (int i = 0; i < 4; i++)
		assert_true(accepted[i] * 10 > sent[i] * 4 && accepted[i] * 10 < sent[i] * 6);
}

static void test_departures_after_silence(void **state)
{
	struct packet packet;
	uint64_t takes;

	put_departures(MBIT);
	world_build(&packet, 4, UDP, ONE_PAYLOAD);
	takes = takes_ns(ONE_LEN(4), MBIT);
	for (int pause = 0; pause < 3; pause++) {
		uint64_t now = run->bss->run_clock_ns += 3600 * NS_PER_S;

		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(world_send_packet(&packet).tstamp, now + i * takes);
	}
}

/* A packet that its socket holds back itself goes no earlier, and holds up nobody. */
static void test_departures_asked_for(void **state)
{
	struct packet packet;
	struct sent sent = { .packet = &packet };
	uint64_t now, takes;

	put_departures(MBIT);
	world_build(&packet, 4, UDP, ONE_PAYLOAD);
	takes = takes_ns(ONE_LEN(4), MBIT);
	now = run->bss->run_clock_ns;
	sent.tstamp = now + 50 * NS_PER_MS;
	assert_int_equal(world_send(&sent).tstamp, sent.tstamp);
	sent.tstamp = now - 50 * NS_PER_MS;
	assert_int_equal(world_send(&sent).tstamp, now + takes);
}

/* Two CPUs read the clock in one order and come in the other. */
static void test_departures_clock_goes_back(void **state)
{
	struct packet packet;
	uint64_t now, takes;

	put_departures(MBIT);
	world_build(&packet, 4, UDP, ONE_PAYLOAD);
	takes = takes_ns(ONE_LEN(4), MBIT);
	now = run->bss->run_clock_ns;
	assert_int_equal(world_send_packet(&packet).tstamp, now);
	run->bss->run_clock_ns = now - 500;
	assert_int_equal(world_send_packet(&packet).tstamp, now + takes);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		WORLD_CASE(test_every_case),
		WORLD_CASE(test_all_classes_of_a_meter),
		WORLD_CASE(test_links_above_each_other),
		WORLD_CASE(test_tags_without_rates),
		WORLD_CASE(test_meter_or_bucket_missing),
		WORLD_CASE(test_excess_of_another_class),
		WORLD_CASE(test_gso),
		WORLD_CASE(test_shortest_and_longest),
		WORLD_CASE(test_departures_under_flood),
		WORLD_CASE(test_departures_of_all_lengths),
		WORLD_CASE(test_departures_after_silence),
		WORLD_CASE(test_departures_asked_for),
		WORLD_CASE(test_departures_clock_goes_back),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return run_mark_tests(tests);
}
