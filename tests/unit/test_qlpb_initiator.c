/* SPDX-License-Identifier: MIT */
/*
 * test_qlpb_initiator.c: probe/qlpb as an initiator: connections and handshakes, route check, packet pair and flood,
 * against a sink that the test plays.
 */
#include "qlpb_hand.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)

/* The only result there is. */
static void assert_result(enum qlpb_kind kind, int status)
{
	assert_int_equal(hand.n_results, 1);
	assert_int_equal(hand.results[0].kind, kind);
	assert_int_equal(hand.results[0].status, status);
	assert_ptr_equal(hand.result_data[0], &hand);
	assert_int_equal(qlpb_sizes(hand.qlpb).experiments, 0);
}

static void assert_route_result(enum probe_priority priority)
{
	assert_result(QLPB_ROUTE_CHECK, 0);
	assert_int_equal(hand.results[0].priority, priority);
}

static struct qlpb_request request_of(enum qlpb_kind kind)
{
	return (struct qlpb_request){
		.kind = kind,
		.sink = hand_address(HAND_PEER, 0),
		.ifindex = 7,
		.data = &hand,
	};
}

static uint32_t start(enum qlpb_kind kind)
{
	struct qlpb_request request = request_of(kind);
	uint32_t experiment = 0;

	assert_int_equal(qlpb_start(hand.qlpb, &request, &experiment, hand.now_us), 0);
	return experiment;
}

/* ---- the connection ---- */

/* P-004: of one send each */
static void handshakes(void **state)
{
	uint32_t route = start(QLPB_ROUTE_CHECK), pair = start(QLPB_PACKET_PAIR);

	assert_int_equal(hand.n_connects, 2);
	assert_int_equal(hand.connect_sink.port, QLPB_PORT);
	qlpb_connected(hand.qlpb, route, 49876, hand.now_us);
	qlpb_connected(hand.qlpb, pair, 49877, hand.now_us);
	assert_int_equal(hand.n_written, 2);
	hand_assert_written(0, route, "02 00 00 01");
	hand_assert_written(1, pair, "01 00 00 01");
	hand_receive_hex(pair, "1e 00");
	hand_pass(0);
	assert_int_equal(hand.n_sent, 0);
	hand_receive_hex(pair, "00 01");
	hand_pass(0);
	assert_int_equal(hand.n_sent, 16);
	assert_int_equal(hand.n_results, 0);
}

/* P-048 */
static void handshake_is_not_answered(void **state)
{
	uint32_t route = start(QLPB_ROUTE_CHECK);

	hand_pass(1 * SECOND); /* connecting takes its time */
	qlpb_connected(hand.qlpb, route, 49876, hand.now_us);
	hand_pass(250 * MS - 1);
	assert_int_equal(hand.n_results, 0);
	hand_pass(1);
	assert_result(QLPB_ROUTE_CHECK, -ETIMEDOUT);
	assert_true(hand_is_closed(route));
	hand_receive_hex(route, "1e 00 00 01");
	hand_pass(5 * SECOND);
	assert_int_equal(hand.n_sent, 0);
	assert_int_equal(hand.n_results, 1);
}

/* P-073 */
static void connection_is_refused(void **state)
{
	struct qlpb_request request = request_of(QLPB_PACKET_PAIR);
	uint32_t pair = start(QLPB_PACKET_PAIR);

	qlpb_closed(hand.qlpb, pair, -ECONNREFUSED, hand.now_us);
	assert_result(QLPB_PACKET_PAIR, -ECONNREFUSED);
	assert_int_equal(hand.n_closed, 0);
	hand.connect_error = -ECONNREFUSED;
	assert_int_equal(qlpb_start(hand.qlpb, &request, &pair, hand.now_us), -ECONNREFUSED);
	assert_int_equal(hand.n_results, 1);
	assert_int_equal(qlpb_sizes(hand.qlpb).experiments, 0);
}

static void connection_hangs(void **state)
{
	uint32_t pair = start(QLPB_PACKET_PAIR);

	hand_pass(3 * SECOND);
	assert_result(QLPB_PACKET_PAIR, -ETIMEDOUT);
	assert_true(hand_is_closed(pair));
}

static void the_sink_goes(void **state)
{
	static const enum qlpb_kind kinds[] = { QLPB_ROUTE_CHECK, QLPB_PACKET_PAIR };

	for (unsigned i = 0; i < 2; i++) {
		uint32_t experiment = hand_experiment(kinds[i], HAND_PEER);

		hand_pass(5 * MS);
		qlpb_closed(hand.qlpb, experiment, 0, hand.now_us);
		assert_int_equal(hand.n_results, i + 1);
		assert_int_equal(hand.results[i].status, -ECONNRESET);
		assert_int_equal(hand.n_closed, 0);
	}
}

/* Whatever is not what comes next ends it. P-061: a summary before there is anything to be said. */
static void answers_that_must_not_come(void **state)
{
	static const struct {
		enum qlpb_kind kind;
		const char *hex;
	} examples[] = {
		{ QLPB_ROUTE_CHECK, "14 00 00 01" },
		{ QLPB_ROUTE_CHECK, "1e 00 00 01 14 00 00 01" },
		{ QLPB_ROUTE_CHECK, "1e 00 00 01 1e 00 00 01" },
		{ QLPB_ROUTE_CHECK, "1e 00 00 01 0a 00 00 01 00 00 00 01 00 00 00 00 00 00 00 00" },
		{ QLPB_ROUTE_CHECK, "1e 00 00 02" },
		{ QLPB_ROUTE_CHECK, "96 00 00 03" },
		{ QLPB_PACKET_PAIR, "0a 00 00 01 00 00 00 01 00 00 00 00 00 00 00 00" },
		{ QLPB_PACKET_PAIR, "1e 00 00 01 1e 00 00 01" },
		{ QLPB_PACKET_PAIR, "1e 00 00 01 14 01 00 01" },
		{ QLPB_PACKET_PAIR, "02 00 00 01" },
	};

	for (unsigned i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		uint32_t experiment = start(examples[i].kind);

		qlpb_connected(hand.qlpb, experiment, 49876, hand.now_us);
		hand_receive_hex(experiment, examples[i].hex);
		assert_int_equal(hand.n_results, i + 1);
		assert_int_equal(hand.results[i].status, -EPROTO);
		assert_int_equal(hand.results[i].priority, PROBE_PRIORITY_UNKNOWN);
		assert_true(hand_is_closed(experiment));
	}
	assert_int_equal(hand.n_sent, 0);
}

static void bad_requests(void **state)
{
	struct qlpb_request request = request_of(QLPB_ROUTE_CHECK);
	static const char *const sinks[] = { "0.0.0.0", "255.255.255.255", "224.0.0.1",
					     "::", "ff02::1" };
	uint32_t id;

	for (unsigned i = 0; i < 5; i++) {
		request.sink = hand_address(sinks[i], 0);
		assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EINVAL);
	}
	request.sink = (struct address){ 0 };
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EINVAL);
	request = request_of((enum qlpb_kind)5);
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EINVAL);
	request = request_of(QLPB_FLOOD);
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EINVAL);
	request = request_of(QLPB_CLAIM);
	request.duration_us = 1000;
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EINVAL);
	request.rate_bps = 1000000;
	request.duration_us = 1000001;
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EINVAL);
	request = request_of(QLPB_PACKET_PAIR);
	request.train_size = 1;
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EINVAL);
	request.train_size = QLPB_TRAIN_MAX + 1;
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EINVAL);
	request = request_of(QLPB_PACKET_PAIR);
	request.packet_bytes = QLPB_PACKET_MAX_BYTES + 1;
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EINVAL);
	request.packet_bytes = 39;
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EINVAL);
	request = request_of(QLPB_PROBEGAP);
	request.interval_us = 999;
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EINVAL);
	hand.off_link = true;
	request = request_of(QLPB_ROUTE_CHECK);
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -ENETUNREACH);
	hand.off_link = false;
	assert_int_equal(hand.n_connects, 0);
	for (unsigned i = 0; i < hand.config.max_experiments; i++)
		start(QLPB_ROUTE_CHECK);
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EUSERS);
}

/* Nothing is told of what was cancelled. */
static void cancelling(void **state)
{
	uint32_t connecting = start(QLPB_ROUTE_CHECK);
	uint32_t running = hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);
	uint32_t gap = hand_experiment(QLPB_PROBEGAP, HAND_PEER);

	hand_pass(5 * MS);
	qlpb_cancel(hand.qlpb, connecting);
	qlpb_cancel(hand.qlpb, running);
	qlpb_cancel(hand.qlpb, gap);
	qlpb_cancel(hand.qlpb, gap);
	qlpb_cancel(hand.qlpb, 0);
	assert_true(hand_is_closed(connecting) && hand_is_closed(running));
	assert_int_equal(hand.n_closed, 2);
	assert_int_equal(hand.n_results, 0);
	assert_true(qlpb_deadline_us(hand.qlpb) == UINT64_MAX);
	hand_reopen();
	assert_int_equal(hand.n_results, 0);
}

static uint32_t next_experiment;

static void start_another(void *data)
{
	struct qlpb_request request = request_of(QLPB_PACKET_PAIR);

	hand.on_finished = NULL;
	assert_int_equal(qlpb_start(hand.qlpb, &request, &next_experiment, hand.now_us), 0);
}

/* The end of one may be the beginning of the next. */
static void one_after_the_other(void **state)
{
	hand.on_finished = start_another;
	qlpb_closed(hand.qlpb, start(QLPB_ROUTE_CHECK), -ECONNREFUSED, hand.now_us);
	assert_int_equal(hand.n_results, 1);
	qlpb_connected(hand.qlpb, next_experiment, 49877, hand.now_us);
	hand_assert_written(0, next_experiment, "01 00 00 01");
}

static void the_node_ends(void **state)
{
	uint32_t experiment = hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);

	hand_experiment(QLPB_PROBEGAP, HAND_PEER);
	hand_pass(5 * MS);
	hand_reopen();
	assert_int_equal(hand.n_results, 2);
	assert_int_equal(hand.results[0].status, -ECANCELED);
	assert_int_equal(hand.results[1].status, -ECANCELED);
	assert_true(hand_is_closed(experiment));
}

/* ---- route check ---- */

/* P-050..P-053, P-055, P-007..P-009, P-062: everything about one group, which is number `group`. */
static void assert_group(unsigned group, bool six, uint64_t at_us)
{
	static const unsigned ip_bytes[][5] = { { 1500, 1496, 1496, 40, 40 },
						{ 1500, 1496, 1496, 60, 60 } };

	for (unsigned i = 0; i < 5; i++) {
		const struct hand_sent *sent = &hand.sent[group * 5 + i];
		const struct qlpb_datagram *datagram = &sent->datagram;
		bool high = i == 0 || i == 4;
		uint8_t header[12];

		assert_true(group * 5 + i < hand.n_sent);
		assert_true(sent->at_us == at_us);
		assert_int_equal(datagram->len + (six ? 48 : 28), ip_bytes[six][i]);
		hand_hex(i == 0 ? "02 80 00 01 c2 d4 00 00" : "02 00 00 01 c2 d4 00 00", header,
			 sizeof(header));
		put16(header + 6, i == 4 ? 5 : 0);
		put32(header + 8, group * 5 + i + 1);
		assert_memory_equal(sent->data, header, 12);
		assert_int_equal(datagram->dscp, high ? 40 : 0);
		assert_int_equal(datagram->priority, high ? 5 : 0);
		assert_int_equal(datagram->hop_limit, 1);
		assert_true(datagram->dont_fragment);
		assert_int_equal(datagram->socket, QLPB_SOCKET_PROBE);
		assert_int_equal(datagram->omit_checksum, !six);
		assert_int_equal(datagram->destination.port, QLPB_PORT);
		assert_memory_equal(datagram->destination.addr,
				    hand_address(six ? HAND_PEER6 : HAND_PEER, 0).addr, 16);
		assert_int_equal(datagram->ifindex, 7);
	}
}

/* P-049..P-055, P-058, P-008, P-009 */
static void a_silent_sink(void **state)
{
	for (int six = 0; six < 2; six++) {
		uint64_t start_us = hand.now_us;
		uint32_t route = hand_experiment(QLPB_ROUTE_CHECK, six ? HAND_PEER6 : HAND_PEER);

		hand_pass(400 * MS - 1);
		assert_int_equal(hand.n_sent, 25);
		for (unsigned group = 0; group < 5; group++)
			assert_group(group, six, start_us + group * 20 * MS);
		assert_int_equal(hand.n_results, 0);
		hand_pass(1);
		assert_route_result(PROBE_PRIORITY_NOT_SUPPORTED);
		assert_true(hand.results[0].duration_us == 400 * MS);
		assert_true(hand_is_closed(route));
		hand_pass(5 * SECOND);
		assert_int_equal(hand.n_sent, 25);
		hand.n_sent = hand.n_results = 0;
	}
}

/* P-056 */
static void an_inversion(void **state)
{
	uint32_t route = hand_experiment(QLPB_ROUTE_CHECK, HAND_PEER);

	hand_pass(2 * MS);
	hand_receive_hex(route, "14 01 00 01");
	assert_route_result(PROBE_PRIORITY_SUPPORTED);
	assert_true(hand_is_closed(route));
	hand_pass(1 * SECOND);
	assert_int_equal(hand.n_sent, 5);
}

/* P-057 */
static void loss_twice(void **state)
{
	uint32_t route = hand_experiment(QLPB_ROUTE_CHECK, HAND_PEER);

	hand_pass(2 * MS);
	hand_receive_hex(route, "14 02 00 01");
	hand_pass(20 * MS);
	assert_int_equal(hand.n_results, 0);
	hand_receive_hex(route, "14 02 00 01");
	assert_route_result(PROBE_PRIORITY_NOT_SUPPORTED);
	assert_int_equal(hand.n_sent, 10);
}

/* P-057: once is nothing. */
static void loss_then_order(void **state)
{
	static const char *const summaries[] = { "14 02 00 01", "14 00 00 01", "14 02 00 01" };
	uint32_t route = hand_experiment(QLPB_ROUTE_CHECK, HAND_PEER);

	for (unsigned i = 0; i < 3; i++) {
		hand_pass(2 * MS);
		hand_receive_hex(route, summaries[i]);
		hand_pass(18 * MS);
		assert_int_equal(hand.n_results, 0);
	}
	assert_int_equal(hand.n_sent, 20);
	hand_receive_hex(route, "14 01 00 01");
	assert_route_result(PROBE_PRIORITY_SUPPORTED);
}

/* P-059, and what comes last counts */
static void one_summary_then_silence(void **state)
{
	static const struct {
		const char *hex;
		enum probe_priority priority;
	} examples[] = {
		{ "14 00 00 01", PROBE_PRIORITY_SUPPORTED },
		{ "14 02 00 01", PROBE_PRIORITY_NOT_SUPPORTED },
		{ "14 03 00 01", PROBE_PRIORITY_NOT_SUPPORTED }, /* reserved: nothing was said */
		{ "14 00 00 01 14 03 00 01", PROBE_PRIORITY_SUPPORTED },
	};

	for (unsigned i = 0; i < 4; i++) {
		uint32_t route = hand_experiment(QLPB_ROUTE_CHECK, HAND_PEER);

		hand_pass(22 * MS);
		hand_receive_hex(route, examples[i].hex);
		hand_pass(378 * MS - 1);
		assert_int_equal(hand.n_results, 0);
		hand_pass(1);
		assert_route_result(examples[i].priority);
		hand.n_results = 0;
	}
}

/* P-060, on a path so long that the first summary comes when all groups have left */
static void five_summaries(void **state)
{
	for (unsigned late_ms = 2; late_ms < 100; late_ms += 38) {
		uint32_t route = hand_experiment(QLPB_ROUTE_CHECK, HAND_PEER);

		hand_pass(late_ms * MS);
		for (unsigned i = 0; i < 5; i++) {
			assert_int_equal(hand.n_results, 0);
			hand_receive_hex(route, "14 00 00 01");
			hand_pass(20 * MS);
		}
		assert_route_result(PROBE_PRIORITY_SUPPORTED);
		assert_true(hand.results[0].duration_us == (late_ms + 80) * MS);
		hand.n_results = 0;
	}
}

static void four_in_order_then_loss(void **state)
{
	uint32_t route = hand_experiment(QLPB_ROUTE_CHECK, HAND_PEER);

	for (unsigned i = 0; i < 5; i++) {
		hand_pass(20 * MS);
		hand_receive_hex(route, i < 4 ? "14 00 00 01" : "14 02 00 01");
	}
	assert_route_result(PROBE_PRIORITY_NOT_SUPPORTED);
}

/* P-061: more is said than there is to be said. */
static void more_summaries_than_groups(void **state)
{
	uint32_t route = hand_experiment(QLPB_ROUTE_CHECK, HAND_PEER);

	hand_pass(2 * MS);
	hand_receive_hex(route, "14 00 00 01");
	assert_int_equal(hand.n_results, 0);
	hand_receive_hex(route, "14 00 00 01");
	assert_result(QLPB_ROUTE_CHECK, -EPROTO);
	assert_true(hand_is_closed(route));
}

/* P-062; and the others must leave. */
static void probes_do_not_leave(void **state)
{
	hand.fail_send_at = 1;
	hand.send_error = -EMSGSIZE;
	hand_experiment(QLPB_ROUTE_CHECK, HAND_PEER);
	hand_pass(0);
	assert_route_result(PROBE_PRIORITY_NOT_SUPPORTED);
	assert_int_equal(hand.n_sent, 0);
	for (unsigned i = 2; i <= 5; i++) {
		hand.n_results = 0;
		hand.fail_send_at = i;
		hand.send_error = -ENETDOWN;
		hand_experiment(QLPB_ROUTE_CHECK, HAND_PEER);
		hand_pass(0);
		assert_result(QLPB_ROUTE_CHECK, i == 2 ? -ENETDOWN : -ENOBUFS);
		assert_int_equal(hand.results[0].priority, PROBE_PRIORITY_UNKNOWN);
	}
}

/* The host slept: one group, not all that should have been. */
static void a_late_tick(void **state)
{
	hand_experiment(QLPB_ROUTE_CHECK, HAND_PEER);
	hand.now_us += 95 * MS;
	hand_pass(19 * MS);
	assert_int_equal(hand.n_sent, 5);
	hand_pass(1 * MS);
	assert_int_equal(hand.n_sent, 10);
	hand.now_us += 400 * MS;
	hand_pass(0);
	assert_route_result(PROBE_PRIORITY_NOT_SUPPORTED);
	assert_int_equal(hand.n_sent, 10);
}

/* ---- packet pair ---- */

/* P-007, P-009, P-063, P-067: three trains, 20 ms apart, each sent at once */
static void trains(void **state)
{
	uint64_t start_us = hand.now_us;

	hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);
	hand_pass(1499 * MS);
	assert_int_equal(hand.n_sent, 48);
	for (unsigned i = 0; i < 48; i++) {
		const struct hand_sent *sent = &hand.sent[i];
		uint8_t header[12];

		assert_true(sent->at_us == start_us + i / 16 * 20 * MS);
		assert_int_equal(sent->datagram.len, 1468); /* as an IP packet 1496 */
		hand_hex(i % 16 == 0 ? "01 80 00 01 c2 d4 00 10" : "01 00 00 01 c2 d4 00 10",
			 header, sizeof(header));
		put32(header + 8, i + 1);
		assert_memory_equal(sent->data, header, 12);
		assert_int_equal(sent->datagram.hop_limit, 1);
		assert_true(sent->datagram.dont_fragment);
		assert_int_equal(sent->datagram.dscp, 0);
		assert_int_equal(sent->datagram.priority, 0);
		assert_int_equal(sent->datagram.socket, QLPB_SOCKET_PROBE);
		if (i > 0)
			assert_memory_not_equal(sent->data + 12, hand.sent[i - 1].data + 12, 64);
		if (i % 16 == 0)
			assert_int_equal(hand.batches[i], 16);
	}
}

/* P-067: no value is frequent among the octets of the payloads. */
static void payloads_are_noise(void **state)
{
	unsigned counts[256] = { 0 };

	hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);
	hand_pass(0);
	for (unsigned i = 0; i < 16; i++) {
		for (unsigned k = 12; k < 1468; k++)
			counts[hand.sent[i].data[k]]++;
	}
	for (unsigned value = 0; value < 256; value++) /* 91 expected */
		assert_in_range(counts[value], 40, 150);
}

static void trains_of_other_sizes(void **state)
{
	struct qlpb_request request = request_of(QLPB_PACKET_PAIR);
	uint32_t pair;

	request.sink = hand_address(HAND_PEER6, 0);
	request.train_size = 2;
	request.packet_bytes = 600;
	assert_int_equal(qlpb_start(hand.qlpb, &request, &pair, hand.now_us), 0);
	qlpb_connected(hand.qlpb, pair, 49876, hand.now_us);
	hand_receive_hex(pair, "1e 00 00 01");
	hand_pass(0);
	assert_int_equal(hand.n_sent, 2);
	assert_int_equal(hand.sent[1].datagram.len, 600 - 48);
	assert_int_equal(get16(hand.sent[1].data + 6), 2);
	hand_receive_hex(pair, "0a 00 00 01 00 00 00 01 ff ff ff ff 00 00 00 01"
			       "00 00 00 00 00 00 04 b0");
	assert_int_equal(hand.n_trains, 1);
	assert_int_equal(hand.trains[0].train.packet_bytes, 600);
	assert_int_equal(hand.trains[0].train.n_sent, 2);
	assert_int_equal(hand.trains[0].train.n_gaps, 1);
	assert_true(hand.trains[0].gaps_ns[0] == 120000);
	assert_true(hand.trains[0].train.sink_link_bps == 0);
}

/* P-064 */
static void no_summary(void **state)
{
	uint32_t pair = hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);

	hand_pass(1500 * MS - 1);
	assert_int_equal(hand.n_results, 0);
	hand_pass(1);
	assert_result(QLPB_PACKET_PAIR, -ETIMEDOUT);
	assert_true(hand_is_closed(pair));
}

/* What a sink says of a train of 16 whose first is `sequence`, all deltas alike. */
static void summary(uint32_t pair, uint32_t sequence, unsigned n_deltas, uint64_t delta_100ns)
{
	static uint8_t message[QLPB_SUMMARY_LEN + 8 * 65535];

	qlpb_put_summary(message, &(struct qlpb_summary){
					  .sequence = sequence,
					  .interface_speed_bps = 100000000,
					  .n_deltas = (uint16_t)n_deltas,
				  });
	for (unsigned i = 0; i < n_deltas; i++)
		qlpb_put_delta(message, i, delta_100ns);
	qlpb_received(hand.qlpb, pair, message, qlpb_summary_len(n_deltas), hand.now_us);
}

/* All have been heard of: nothing more can come. */
static void three_summaries(void **state)
{
	uint32_t pair = hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);

	for (unsigned i = 0; i < 3; i++) {
		hand_pass(15 * MS);
		assert_int_equal(hand.n_results, 0);
		summary(pair, 1 + 16 * i, 15, 1200 + i);
		assert_int_equal(hand.n_trains, i + 1);
		assert_int_equal(hand.trains[i].train.n_gaps, 15);
		assert_int_equal(hand.trains[i].train.packet_bytes, 1496);
		assert_true(hand.trains[i].train.sink_link_bps == 100000000);
		assert_true(hand.trains[i].gaps_ns[14] == (1200 + i) * 100);
		hand_pass(5 * MS);
	}
	assert_result(QLPB_PACKET_PAIR, 0);
	assert_int_equal(hand.results[0].samples, 3);
	assert_true(hand_is_closed(pair));
}

static void one_is_enough(void **state)
{
	uint32_t pair = hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);

	hand.satisfied = true;
	hand_pass(2 * MS);
	summary(pair, 1, 15, 1200);
	assert_result(QLPB_PACKET_PAIR, 0);
	hand_pass(1 * SECOND);
	assert_int_equal(hand.n_sent, 16);
}

/* P-065; and at the end of the time */
/* One train, at a rate: what it took is told with it. */
static void paced(void **state)
{
	struct qlpb_request request = request_of(QLPB_PACKET_PAIR);
	uint32_t pair;
	uint64_t from_us;

	request.train_size = 8;
	request.rate_bps = 5984000; /* a packet each 2 ms */
	assert_int_equal(qlpb_start(hand.qlpb, &request, &pair, hand.now_us), 0);
	qlpb_connected(hand.qlpb, pair, 49876, hand.now_us);
	hand_receive_hex(pair, "1e 00 00 01");
	from_us = hand.now_us;
	hand_pass(100 * 1000);
	assert_int_equal(hand.n_sent, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_in_range(hand.sent[i].at_us, from_us + i * 2000, from_us + i * 2000 + 10);
	summary(pair, 1, 7, 20000);
	assert_int_equal(hand.n_trains, 1);
	assert_in_range(hand.trains[0].train.spread_ns, 14000000, 14010000);
	assert_result(QLPB_PACKET_PAIR, 0);
}

static void one_summary(void **state)
{
	uint32_t pair = hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);

	hand_pass(2 * MS);
	summary(pair, 1, 15, 1200);
	qlpb_closed(hand.qlpb, pair, 0, hand.now_us);
	assert_result(QLPB_PACKET_PAIR, 0);
	assert_int_equal(hand.results[0].samples, 1);
	hand.n_results = 0;

	pair = hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);
	hand_pass(30 * MS);
	summary(pair, 17, 15, 1200);
	hand_pass(1470 * MS - 1);
	assert_int_equal(hand.n_results, 0);
	hand_pass(1);
	assert_result(QLPB_PACKET_PAIR, 0);
}

/* P-066, and other things that a sink that lies might say */
static void summaries_that_do_not_fit(void **state)
{
	uint32_t pair = hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);

	hand_pass(2 * MS);
	summary(pair, 1, 14, 1200);    /* P-066 */
	summary(pair, 1, 16, 1200);    /* P-066 */
	summary(pair, 1, 0, 0);	       /* P-066 */
	summary(pair, 1, 65535, 1200); /* P-066: longer than anything that is kept */
	summary(pair, 2, 15, 1200);    /* no train began there */
	summary(pair, 17, 15, 1200);   /* not yet */
	summary(pair, 0, 15, 1200);
	assert_int_equal(hand.n_trains, 0);
	summary(pair, 1, 15, 1200);
	assert_int_equal(hand.n_trains, 1);
	summary(pair, 1, 15, 1200); /* again */
	hand_pass(20 * MS);
	summary(pair, 17, 15, UINT64_MAX); /* longer than the experiment */
	assert_int_equal(hand.n_trains, 1);
	assert_int_equal(hand.n_results, 0);
	hand_pass(1500 * MS);
	assert_result(QLPB_PACKET_PAIR, 0);
	assert_int_equal(hand.results[0].samples, 1);
}

/* A train with a hole is not waited for; without any, the reason is told. */
static void trains_do_not_leave(void **state)
{
	uint32_t pair;

	hand.fail_send_at = 5;
	pair = hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);
	hand_pass(50 * MS);
	assert_int_equal(hand.n_sent, 4 + 32);
	summary(pair, 17, 15, 1200);
	summary(pair, 33, 15, 1200);
	assert_result(QLPB_PACKET_PAIR, 0);
	hand.n_results = 0;

	pair = hand_experiment(QLPB_PACKET_PAIR, HAND_PEER);
	for (unsigned i = 0; i < 3; i++) {
		hand.fail_send_at = 1;
		hand.send_error = -ENETUNREACH;
		hand_pass(i > 0 ? 20 * MS : 0);
	}
	hand_pass(1500 * MS);
	assert_result(QLPB_PACKET_PAIR, -ENETUNREACH);
}

/* ---- flood ---- */

static void a_flood(void **state)
{
	uint32_t flood = hand_experiment(QLPB_FLOOD, HAND_PEER);

	hand_assert_written(0, flood, "00 00 00 01");
	for (unsigned i = 0; i < 100 && hand.n_results == 0; i++) {
		hand_pass(1 * MS);
		qlpb_writable(hand.qlpb, flood, hand.now_us);
	}
	assert_result(QLPB_FLOOD, 0);
	assert_true(hand.results[0].bytes == 1000000);
	assert_true(hand.results[0].duration_us == (1000000 + 16383) / 16384 * MS + 1 * MS);
	assert_true(hand_is_closed(flood));
	assert_int_equal(hand.n_sent, 0);
}

static void a_flood_that_ends(void **state)
{
	uint32_t flood = hand_experiment(QLPB_FLOOD, HAND_PEER);

	qlpb_writable(hand.qlpb, flood, hand.now_us);
	qlpb_closed(hand.qlpb, flood, 0, hand.now_us);
	assert_result(QLPB_FLOOD, -ECONNRESET);
	hand.n_results = 0;
	flood = hand_experiment(QLPB_FLOOD, HAND_PEER);
	hand_receive_hex(flood, "1e 00 00 01");
	assert_result(QLPB_FLOOD, -EPROTO);
	hand.n_results = 0;
	flood = hand_experiment(QLPB_FLOOD, HAND_PEER);
	hand_pass(10 * SECOND);
	assert_result(QLPB_FLOOD, -ETIMEDOUT);
	hand.n_results = 0;
	flood = hand_experiment(QLPB_FLOOD, HAND_PEER);
	hand.write_error = -EPIPE;
	qlpb_writable(hand.qlpb, flood, hand.now_us);
	assert_result(QLPB_FLOOD, -EPIPE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, hand_setup, hand_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(handshakes),
		TEST(handshake_is_not_answered),
		TEST(connection_is_refused),
		TEST(connection_hangs),
		TEST(the_sink_goes),
		TEST(answers_that_must_not_come),
		TEST(bad_requests),
		TEST(cancelling),
		TEST(one_after_the_other),
		TEST(the_node_ends),
		TEST(a_silent_sink),
		TEST(an_inversion),
		TEST(loss_twice),
		TEST(loss_then_order),
		TEST(one_summary_then_silence),
		TEST(five_summaries),
		TEST(four_in_order_then_loss),
		TEST(more_summaries_than_groups),
		TEST(probes_do_not_leave),
		TEST(a_late_tick),
		TEST(trains),
		TEST(payloads_are_noise),
		TEST(trains_of_other_sizes),
		TEST(no_summary),
		TEST(three_summaries),
		TEST(one_is_enough),
		TEST(paced),
		TEST(one_summary),
		TEST(summaries_that_do_not_fit),
		TEST(trains_do_not_leave),
		TEST(a_flood),
		TEST(a_flood_that_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
