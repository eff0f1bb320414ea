/* SPDX-License-Identifier: MIT */
/*
 * test_qlpb_sink.c: probe/qlpb as a sink: sessions, what is said of probes, probegap, and what others cannot make it
 * do.
 */
#include "qlpb_hand.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

#define MS 1000
#define SECOND 1000000

static uint64_t count(enum qlpb_counter counter)
{
	return qlpb_count(hand.qlpb, counter);
}

/* ---- sessions ---- */

/* P-013, P-014 */
static void handshakes(void **state)
{
	uint32_t pair = hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);
	uint32_t route = hand_session(HAND_PEER6, 49877, QLPB_ID_ROUTE_CHECK);

	assert_int_not_equal(pair, route);
	assert_int_equal(hand.n_closed, 0);
	assert_int_equal(qlpb_sizes(hand.qlpb).sessions, 2);
	assert_int_equal(count(QLPB_COUNT_SESSIONS), 2);
}

/* P-011 */
static void handshake_in_pieces(void **state)
{
	static const char *const pieces[] = { "01", "00", "00 01" };
	uint32_t connection = hand_accept(HAND_PEER, 49876);

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(hand.n_written, 0);
		hand_receive_hex(connection, pieces[i]);
	}
	assert_int_equal(hand.n_written, 1);
	hand_assert_written(0, connection, "1e 00 00 01");
	assert_int_equal(hand.n_closed, 0);
}

/* P-015: closed, for there are no such sessions. */
static void discard_is_off(void **state)
{
	uint32_t connection = hand_accept(HAND_PEER, 49876);

	hand_receive_hex(connection, "00 00 00 01");
	assert_int_equal(hand.n_written, 0);
	assert_true(hand_is_closed(connection));
}

/* P-015: drained without a word, up to the limit. */
static void discard_is_on(void **state)
{
	static const uint8_t data[1000];
	uint32_t connection;

	hand.config.discard_max_bytes = 5002;
	hand_reopen();
	connection = hand_accept(HAND_PEER, 49876);
	hand_receive_hex(connection, "00 00 00 01 aa bb");
	for (unsigned i = 0; i < 5; i++) {
		hand_pass(29 * SECOND); /* it is not idle */
		qlpb_received(hand.qlpb, connection, data, sizeof(data), hand.now_us);
	}
	assert_int_equal(hand.n_closed, 0);
	qlpb_received(hand.qlpb, connection, data, 1, hand.now_us);
	assert_true(hand_is_closed(connection));
	assert_int_equal(hand.n_written, 0);
}

/* P-016, also in one segment (P-011) */
static void a_second_handshake(void **state)
{
	uint32_t other = hand_session(HAND_PEER6, 49876, QLPB_ID_ROUTE_CHECK);
	uint32_t connection = hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);

	hand_receive_hex(connection, "01 00 00 01");
	assert_true(hand_is_closed(connection));
	connection = hand_accept(HAND_PEER, 49876);
	hand_receive_hex(connection, "02 00 00 01 02 00 00 01");
	assert_int_equal(hand.n_written, 3);
	hand_assert_written(2, connection, "1e 00 00 01");
	assert_true(hand_is_closed(connection));
	assert_false(hand_is_closed(other));
	assert_int_equal(count(QLPB_COUNT_VIOLATIONS), 2);
}

/* P-017: MS-QDP begins with 0x96. */
static void unknown_handshakes(void **state)
{
	static const char *const examples[] = {
		"77 00 00 01", "96 00 00 03", "01 00 00 02", "02 00 00 00", "05 00 00 02",
		"06 00 00 02", "0a 00 00 01", "14 00 00 01", "1e 00 00 01", "ff ff ff ff",
	};
	uint32_t other = hand_session(HAND_PEER6, 49876, QLPB_ID_PACKET_PAIR);

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		uint32_t connection = hand_accept(HAND_PEER, 49876);

		hand_receive_hex(connection, examples[i]);
		assert_true(hand_is_closed(connection));
	}
	assert_false(hand_is_closed(other));
	assert_int_equal(qlpb_sizes(hand.qlpb).sessions, 1);
	assert_int_equal(hand.n_written, 1);
}

/* P-018: however slowly it dribbles in */
static void no_handshake(void **state)
{
	uint32_t silent = hand_accept(HAND_PEER, 49876), slow;

	hand_pass(500 * MS);
	slow = hand_accept(HAND_PEER, 49877);
	hand_receive_hex(slow, "01");
	hand_pass(1499 * MS);
	hand_receive_hex(slow, "00 00");
	assert_int_equal(hand.n_closed, 0);
	hand_pass(1 * MS);
	assert_true(hand_is_closed(silent));
	assert_false(hand_is_closed(slow));
	hand_pass(500 * MS);
	assert_true(hand_is_closed(slow));
	assert_true(qlpb_deadline_us(hand.qlpb) == UINT64_MAX);
	assert_int_equal(count(QLPB_COUNT_TIMEOUTS), 2);
}

static void idle_sessions(void **state)
{
	uint32_t connection = hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);

	for (unsigned i = 0; i < 3; i++) {
		hand_pass(29 * SECOND);
		hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, true, 2, i, 0);
	}
	hand_pass(30 * SECOND - 1);
	assert_int_equal(hand.n_closed, 0);
	hand_pass(1);
	assert_true(hand_is_closed(connection));
}

/* P-047, and four of one host */
static void too_many_sessions(void **state)
{
	uint32_t connection, connections[32];
	struct address address;

	for (unsigned i = 0; i < 32; i++) {
		char remote[32];

		snprintf(remote, sizeof(remote), "192.0.2.%u", 1 + i / 4);
		connections[i] = hand_session(remote, (uint16_t)(40000 + i), QLPB_ID_PACKET_PAIR);
		address = hand_address(remote, 50000);
		if (i % 4 == 3)
			assert_int_equal(qlpb_accept(hand.qlpb, &address, 7, &connection,
						     hand.now_us),
					 -EUSERS);
	}
	address = hand_address("192.0.2.77", 50000);
	assert_int_equal(qlpb_accept(hand.qlpb, &address, 7, &connection, hand.now_us), -EUSERS);
	assert_int_equal(hand.n_closed, 0);
	assert_int_equal(qlpb_sizes(hand.qlpb).sessions, 32);
	assert_int_equal(count(QLPB_COUNT_REFUSED), 9);
	qlpb_closed(hand.qlpb, connections[31], 0, hand.now_us);
	hand_accept("192.0.2.77", 50000);
	assert_int_equal(hand.n_closed, 0);
}

/* A role that is off does nothing; nobody from elsewhere is served. */
static void roles(void **state)
{
	struct address address = hand_address(HAND_PEER, 49876);
	struct qlpb_request request = { .sink = address };
	uint32_t id;

	hand.off_link = true;
	assert_int_equal(qlpb_accept(hand.qlpb, &address, 7, &id, hand.now_us), -ENETUNREACH);
	hand.off_link = false;
	hand.config.sink = false;
	hand_reopen();
	assert_int_equal(qlpb_accept(hand.qlpb, &address, 7, &id, hand.now_us), -EOPNOTSUPP);
	hand_datagram_hex(HAND_PEER, QLPB_PORT,
			  "05 00 00 02 00 00 00 2a 00 00 00 11 22 33 44 55"
			  "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00");
	assert_int_equal(hand.n_sent, 0);
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), 0);
	qlpb_cancel(hand.qlpb, id);
	hand.config.initiator = false;
	hand_reopen();
	assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), -EOPNOTSUPP);
}

/* ---- route check ---- */

/* So many in the order of `row`, in groups of five. */
static void route_probes(const char *source, const uint32_t *row, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint32_t place = (row[i] - 1) % 5;

		hand_probe(source, QLPB_ID_ROUTE_CHECK, place == 0, place == 4 ? 5 : 0, row[i],
			   place == 0 ? 1460 : 0);
	}
}

/* P-023, P-024, P-025: what goes over the connection, once each. */
static void route_check_summaries(void **state)
{
	static const uint32_t in_order[] = { 1, 2, 3, 4, 5 }, overtaken[] = { 6, 10, 7, 8, 9 },
			      lost[] = { 12, 13, 14, 15 };
	uint32_t connection = hand_session(HAND_PEER, 49876, QLPB_ID_ROUTE_CHECK);

	route_probes(HAND_PEER, in_order, 5);
	assert_int_equal(hand.n_written, 2);
	hand_assert_written(1, connection, "14 00 00 01");
	route_probes(HAND_PEER, overtaken, 2);
	assert_int_equal(hand.n_written, 2);
	route_probes(HAND_PEER, overtaken + 2, 1);
	assert_int_equal(hand.n_written, 3);
	route_probes(HAND_PEER, overtaken + 3, 2); /* P-028 */
	assert_int_equal(hand.n_written, 3);
	hand_assert_written(2, connection, "14 01 00 01");
	route_probes(HAND_PEER, lost, 4);
	assert_int_equal(hand.n_written, 4);
	hand_assert_written(3, connection, "14 02 00 01");
	assert_int_equal(count(QLPB_COUNT_SUMMARIES), 3);
}

/* P-019..P-021 */
static void probes_of_no_session(void **state)
{
	static const uint32_t row[] = { 1, 2, 3, 4, 5 };
	uint32_t route = hand_session(HAND_PEER, 49876, QLPB_ID_ROUTE_CHECK);
	uint32_t pair = hand_session("192.0.2.2", 49876, QLPB_ID_PACKET_PAIR);
	uint32_t elsewhere = hand_session("192.0.2.3", 49877, QLPB_ID_ROUTE_CHECK);

	route_probes("192.0.2.4", row, 5);			   /* P-020 */
	route_probes("192.0.2.3", row, 5);			   /* P-019: another port */
	route_probes("192.0.2.2", row, 5);			   /* P-021 */
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, true, 2, 1, 0); /* P-021 */
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, false, 2, 2, 0);
	assert_int_equal(hand.n_written, 3);
	assert_int_equal(count(QLPB_COUNT_NO_SESSION), 17);
	route_probes(HAND_PEER, row, 5);
	assert_int_equal(hand.n_written, 4);
	hand_assert_written(3, route, "14 00 00 01");
	assert_false(hand_is_closed(pair) || hand_is_closed(elsewhere));
}

/* The port that probes come from is not looked at, but 2177 sends only probegap. */
static void port_of_probes(void **state)
{
	static const char probe[] = "01 80 00 01 c2 d4 00 02 00 00 00 01",
			  next[] = "01 00 00 01 c2 d4 00 02 00 00 00 02";

	hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);
	hand_datagram_hex(HAND_PEER, 50123, probe);
	hand_datagram_hex(HAND_PEER, QLPB_PORT, next);
	assert_int_equal(hand.n_written, 1);
	hand_datagram_hex(HAND_PEER, 50124, next);
	assert_int_equal(hand.n_written, 2);
}

/* P-022 */
static void truncated_probes(void **state)
{
	static const uint8_t probe[] = { 1, 0x80, 0, 1, 0xc2, 0xd4, 0, 2, 0, 0, 0, 1 };
	uint8_t next[sizeof(probe)];

	memcpy(next, probe, sizeof(next));
	next[1] = 0;
	next[11] = 2;
	hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);
	for (size_t len = 0; len < sizeof(probe); len++)
		hand_datagram(HAND_PEER, 50123, probe, len);
	assert_int_equal(count(QLPB_COUNT_BAD_MESSAGE), 12);
	hand_datagram(HAND_PEER, 50123, probe, sizeof(probe));
	hand_datagram(HAND_PEER, 50123, next, sizeof(next) - 1);
	assert_int_equal(hand.n_written, 1);
	hand_datagram(HAND_PEER, 50123, next, sizeof(next));
	assert_int_equal(hand.n_written, 2);
}

/* ---- packet pair ---- */

static void train(uint32_t first, unsigned n, uint32_t apart_us)
{
	for (unsigned i = 0; i < n; i++) {
		hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, i == 0, n, first + i, 1456);
		hand.now_us += apart_us;
	}
}

/* P-005, P-029, P-030, P-037..P-039, and the summary of spec §9 */
static void train_summaries(void **state)
{
	uint32_t connection = hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);
	const struct hand_written *written;

	hand.link.rate_bps = 100000000;
	train(1, 4, 120);
	hand_assert_written(
		1, connection,
		"0a 00 00 01 00 00 00 01 05 f5 e1 00 00 00 00 03 00 00 00 00 00 00 04 b0"
		"00 00 00 00 00 00 04 b0 00 00 00 00 00 00 04 b0");
	hand.link = (struct qlpb_link){ .rate_bps = 54000000, .wireless = true };
	train(5, 2, 1 * MS);
	hand_assert_written(
		2, connection,
		"0a 00 00 01 00 00 00 05 01 ee 62 80 00 00 00 01 00 00 00 00 00 00 27 10");
	hand.link = (struct qlpb_link){ .rate_bps = 10000000000 };
	train(1000, 16, 1 * MS);
	assert_int_equal(hand.n_written, 4);
	written = &hand.written[3];
	assert_int_equal(written->len, 16 + 8 * 15);
	assert_int_equal(get32(written->data + 4), 1000);
	assert_int_equal(get32(written->data + 8), 0xffffffff);
	assert_int_equal(get16(written->data + 14), 15);
	for (unsigned i = 0; i < 15; i++)
		assert_true(qlpb_get_delta(written->data, i) == 10000);
	assert_int_equal(hand.n_closed, 0);
}

/* Stamps that run backwards count as no time at all. */
static void stamps_out_of_order(void **state)
{
	hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, true, 2, 1, 100);
	hand.now_us -= 10;
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, false, 2, 2, 100);
	assert_int_equal(hand.n_written, 2);
	assert_true(qlpb_get_delta(hand.written[1].data, 0) == 0);
}

/* P-031..P-036 from end to end: the rest is in test_qlpb_judge. */
static void trains_with_holes(void **state)
{
	hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, false, 3, 1, 100); /* P-035 */
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, true, 3, 1, 100);
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, false, 3, 2, 99);  /* P-033 */
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, false, 2, 2, 100); /* P-034 */
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, true, 1, 2, 100);  /* P-036 */
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, true, 0, 2, 100);  /* P-036 */
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, false, 3, 3, 100); /* P-031 */
	assert_int_equal(hand.n_written, 1);
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, false, 3, 2, 100);
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, false, 3, 2, 100); /* P-032 */
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, false, 3, 3, 100);
	assert_int_equal(hand.n_written, 2);
}

/* P-040 */
static void the_initiator_closes(void **state)
{
	uint32_t connection = hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);

	qlpb_closed(hand.qlpb, connection, 0, hand.now_us);
	assert_int_equal(qlpb_sizes(hand.qlpb).sessions, 0);
	train(1, 4, 120);
	assert_int_equal(hand.n_written, 1);
	assert_int_equal(hand.n_closed, 0);
	/* It is not known any more. */
	hand_receive_hex(connection, "01 00 00 01");
	qlpb_closed(hand.qlpb, connection, 0, hand.now_us);
	qlpb_writable(hand.qlpb, connection, hand.now_us);
	qlpb_connected(hand.qlpb, connection, 1, hand.now_us);
	assert_int_equal(hand.n_written, 1);
	assert_true(qlpb_deadline_us(hand.qlpb) == UINT64_MAX);
}

/* Whoever does not read what is said to him does not make us keep it. */
static void the_initiator_does_not_read(void **state)
{
	uint32_t pair = hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);
	uint32_t other = hand_accept("192.0.2.2", 49876);

	hand.write_error = -ENOBUFS;
	train(1, 4, 120);
	assert_true(hand_is_closed(pair));
	hand_receive_hex(other, "02 00 00 01");
	assert_true(hand_is_closed(other));
	assert_int_equal(qlpb_sizes(hand.qlpb).sessions, 0);
}

/* ---- probegap ---- */

#define REQUEST                                           \
	"05 00 00 02 00 00 00 2a 00 00 00 11 22 33 44 55" \
	"00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"

/* P-041, P-042, P-006: and what is behind the header comes back. */
static void probegap_is_answered(void **state)
{
	static const char payload[] = "de ad be ef 01";
	char hex[200];
	const struct hand_sent *sent = &hand.sent[0];
	uint8_t expected[64];
	size_t len;

	snprintf(hex, sizeof(hex), "%s%s", REQUEST, payload);
	len = hand_hex(hex, expected, sizeof(expected));
	hand.stamp_extra_ns = 5000;
	hand_datagram_hex(HAND_PEER, QLPB_PORT, hex);
	assert_int_equal(hand.n_sent, 1);
	assert_int_equal(sent->datagram.len, len);
	hand_hex("06 00 00 02", expected, 4);
	assert_memory_equal(sent->data, expected, 16);
	assert_memory_equal(sent->data + 32, expected + 32, 5);
	assert_true(get64(sent->data + 16) != 0);
	assert_true(get64(sent->data + 24) - get64(sent->data + 16) == 50);
	assert_int_equal(sent->datagram.socket, QLPB_SOCKET_SERVICE);
	assert_int_equal(sent->datagram.destination.port, QLPB_PORT);
	assert_int_equal(sent->datagram.hop_limit, 1);
	assert_true(sent->datagram.dont_fragment);
	assert_int_equal(sent->datagram.ifindex, 7);
	assert_memory_equal(sent->datagram.destination.addr, hand_address(HAND_PEER, 0).addr, 16);
	/* From the address that was asked. */
	assert_memory_equal(sent->datagram.source.addr, hand_address("192.0.2.99", 0).addr, 16);

	hand.now_us += 1000;
	hand_datagram_hex(HAND_PEER6, QLPB_PORT, REQUEST);
	assert_int_equal(hand.n_sent, 2);
	assert_int_equal(hand.sent[1].datagram.destination.family, AF_INET6);
	/* 1 ms of the sink's clock */
	assert_true(get64(hand.sent[1].data + 16) - get64(sent->data + 16) == 10000);
}

static void probegap_keeps_its_marks(void **state)
{
	struct qlpb_arrival arrival = {
		.source = hand_address(HAND_PEER, QLPB_PORT),
		.destination = hand_address("192.0.2.99", QLPB_PORT),
		.unicast = true,
		.dscp = 40,
		.priority = 5,
		/* Later than what the clock says now: P-041 all the same */
		.received_ns = hand.now_us * 1000 + 700,
	};
	uint8_t data[QLPB_GAP_LEN];

	hand_hex(REQUEST, data, sizeof(data));
	qlpb_receive(hand.qlpb, &arrival, data, sizeof(data), hand.now_us);
	assert_int_equal(hand.n_sent, 1);
	assert_int_equal(hand.sent[0].datagram.dscp, 40);
	assert_int_equal(hand.sent[0].datagram.priority, 5);
	assert_true(get64(hand.sent[0].data + 24) >= get64(hand.sent[0].data + 16));
}

/* P-043..P-045, and no answer to anybody who is not one host on the link */
static void probegap_is_not_answered(void **state)
{
	struct qlpb_arrival arrival = {
		.source = hand_address(HAND_PEER, QLPB_PORT),
		.destination = hand_address("192.0.2.255", QLPB_PORT),
	};
	static uint8_t data[1500];
	size_t len = hand_hex(REQUEST, data, sizeof(data));

	data[0] = 6; /* P-043 */
	hand_datagram(HAND_PEER, QLPB_PORT, data, len);
	data[0] = 5;
	data[3] = 1; /* P-044 */
	hand_datagram(HAND_PEER, QLPB_PORT, data, len);
	data[3] = 2;
	for (size_t shorter = 0; shorter < len; shorter++)
		hand_datagram(HAND_PEER, QLPB_PORT, data, shorter); /* P-044 */
	hand_datagram(HAND_PEER, QLPB_PORT, data, 1473);
	hand_datagram(HAND_PEER, 50123, data, len); /* P-045 */
	hand_datagram("224.0.0.1", QLPB_PORT, data, len);
	hand_datagram("255.255.255.255", QLPB_PORT, data, len);
	hand_datagram("0.0.0.0", QLPB_PORT, data, len);
	hand_datagram("ff02::1", QLPB_PORT, data, len);
	qlpb_receive(hand.qlpb, &arrival, data, len, hand.now_us); /* not for this host alone */
	hand.off_link = true;
	hand_datagram(HAND_PEER, QLPB_PORT, data, len);
	assert_int_equal(hand.n_sent, 0);
	assert_int_equal(count(QLPB_COUNT_OFF_LINK), 6);
	hand.off_link = false;
	hand_datagram("192.0.2.3", QLPB_PORT, data, len);
	assert_int_equal(hand.n_sent, 1);
	/* Routes change; that is noticed after a while. */
	hand.now_us += 10 * SECOND;
	hand_datagram(HAND_PEER, QLPB_PORT, data, len);
	assert_int_equal(hand.n_sent, 2);
}

/* P-046: a second in which one host asks ten thousand times, and others as they should. */
static void probegap_of_one_host_is_limited(void **state)
{
	unsigned to_peer = 0, to_other = 0;
	uint8_t data[QLPB_GAP_LEN];

	hand_hex(REQUEST, data, sizeof(data));
	for (unsigned i = 0; i < 10000; i++) {
		hand_datagram(HAND_PEER, QLPB_PORT, data, sizeof(data));
		if (i % 10 == 0)
			hand_datagram("192.0.2.2", QLPB_PORT, data, sizeof(data));
		hand.now_us += 100;
	}
	for (unsigned i = 0; i < hand.n_sent; i++) {
		if (hand.sent[i].datagram.destination.addr[15] == 1)
			to_peer++;
		else
			to_other++;
	}
	assert_in_range(to_peer, 900, 1101);
	assert_int_equal(to_other, 1000);
	assert_int_equal(count(QLPB_COUNT_LIMITED), 10000 - to_peer);
}

/* From as many addresses as somebody likes to forge. */
static void probegap_of_all_is_limited(void **state)
{
	uint8_t data[QLPB_GAP_LEN];

	hand.config.echoes_per_s = 1000;
	hand_reopen();
	hand_hex(REQUEST, data, sizeof(data));
	for (unsigned i = 0; i < 20000; i++) {
		char source[32];

		snprintf(source, sizeof(source), "192.0.%u.%u", i / 200 % 100, 1 + i % 200);
		hand_datagram(source, QLPB_PORT, data, sizeof(data));
		hand.now_us += 50;
	}
	assert_in_range(hand.n_sent, 1000, 1101);
}

/* ---- in general ---- */

/* Nobody is answered with more bytes than he has sent: octets of IP packets both ways, per session and in all. */
static void no_amplification(void **state)
{
	uint64_t in = 0, out = 0;
	uint32_t seed = 1;

	hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);
	hand_session("192.0.2.2", 49876, QLPB_ID_ROUTE_CHECK);
	for (unsigned i = 0; i < 2000; i++) {
		unsigned n_sent = hand.n_sent, n_written = hand.n_written;

		seed = seed * 1664525u + 1013904223u;
		if (seed >> 31)
			hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, i % 2 == 0, 2, i, 0);
		else
			hand_probe("192.0.2.2", QLPB_ID_ROUTE_CHECK, false, 2 + i % 3, i, 0);
		in += 12;
		if (hand.n_written > n_written)
			out += hand.written[n_written % HAND_WRITTEN_MAX].len;
		assert_int_equal(hand.n_sent, n_sent);
		assert_true(hand.n_written <= n_written + 1);
		assert_true(out <= in);
		hand.now_us += 100;
	}
	assert_true(out > 0);
}

static void counters(void **state)
{
	for (int i = 0; i < QLPB_COUNT_COUNT; i++) {
		assert_non_null(qlpb_counter_name((enum qlpb_counter)i));
		assert_int_equal(count((enum qlpb_counter)i), 0);
	}
	assert_null(qlpb_counter_name(QLPB_COUNT_COUNT));
	assert_null(qlpb_free(NULL, 0));
}

/* The node's end is its sessions' end. */
static void ending(void **state)
{
	uint32_t one = hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR);
	uint32_t other = hand_accept("192.0.2.2", 49876);

	hand_reopen();
	assert_true(hand_is_closed(one) && hand_is_closed(other));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, hand_setup, hand_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(handshakes),
		TEST(handshake_in_pieces),
		TEST(discard_is_off),
		TEST(discard_is_on),
		TEST(a_second_handshake),
		TEST(unknown_handshakes),
		TEST(no_handshake),
		TEST(idle_sessions),
		TEST(too_many_sessions),
		TEST(roles),
		TEST(route_check_summaries),
		TEST(probes_of_no_session),
		TEST(port_of_probes),
		TEST(truncated_probes),
		TEST(train_summaries),
		TEST(stamps_out_of_order),
		TEST(trains_with_holes),
		TEST(the_initiator_closes),
		TEST(the_initiator_does_not_read),
		TEST(probegap_is_answered),
		TEST(probegap_keeps_its_marks),
		TEST(probegap_is_not_answered),
		TEST(probegap_of_one_host_is_limited),
		TEST(probegap_of_all_is_limited),
		TEST(no_amplification),
		TEST(counters),
		TEST(ending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
