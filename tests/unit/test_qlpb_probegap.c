/* SPDX-License-Identifier: MIT */
/* test_qlpb_probegap.c: probe/qlpb asks a sink how busy the path is: when it asks, and which answers it takes. */
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

static uint32_t start(uint32_t interval_us, uint32_t requests)
{
	struct qlpb_request request = {
		.kind = QLPB_PROBEGAP,
		.sink = hand_address(HAND_PEER, 0),
		.ifindex = 7,
		.data = &hand,
		.interval_us = interval_us,
		.count = requests,
	};
	uint32_t experiment = 0;

	assert_int_equal(qlpb_start(hand.qlpb, &request, &experiment, hand.now_us), 0);
	return experiment;
}

/* The sink answers request number `i`; its clock is an hour ahead, its residence 5 us. */
#define SINK_100NS(i) (UINT64_C(36000000000) + (i)*10000)

static void make_answer(unsigned i, uint8_t *data)
{
	assert_true(i < hand.n_sent);
	memcpy(data, hand.sent[i].data, QLPB_GAP_LEN);
	data[0] = QLPB_ID_GAP_REPLY;
	put64(data + 16, SINK_100NS(i));
	put64(data + 24, SINK_100NS(i) + 50);
}

static void answer(unsigned i)
{
	uint8_t data[QLPB_GAP_LEN];

	make_answer(i, data);
	hand_datagram(HAND_PEER, QLPB_PORT, data, sizeof(data));
}

static uint64_t unexpected(void)
{
	return qlpb_count(hand.qlpb, QLPB_COUNT_UNEXPECTED);
}

static void assert_ended(int status, unsigned samples)
{
	assert_int_equal(hand.n_results, 1);
	assert_int_equal(hand.results[0].kind, QLPB_PROBEGAP);
	assert_int_equal(hand.results[0].status, status);
	assert_int_equal(hand.results[0].samples, samples);
	assert_int_equal(qlpb_sizes(hand.qlpb).experiments, 0);
	assert_true(qlpb_deadline_us(hand.qlpb) == UINT64_MAX);
}

/* P-068, P-069, P-003, P-006: 1 ms apart, and the time on the wire is when each should have left */
static void requests(void **state)
{
	static const uint8_t zeros[16];
	uint64_t start_us = hand.now_us, wire;
	uint32_t sequence;

	hand.stamp_extra_ns = 300;
	start(0, 0);
	hand_pass(1 * SECOND - 1);
	assert_in_range(hand.n_sent, 950, 1050);
	assert_int_equal(hand.n_sent, 1000);
	sequence = get32(hand.sent[0].data + 4);
	wire = get64(hand.sent[0].data + 8);
	for (unsigned i = 0; i < hand.n_sent; i++) {
		const struct hand_sent *sent = &hand.sent[i];

		assert_true(sent->at_us == start_us + i * MS);
		assert_int_equal(sent->datagram.len, QLPB_GAP_LEN);
		assert_int_equal(get32(sent->data), 0x05000002);
		assert_int_equal(get32(sent->data + 4), sequence + i);
		assert_true(get64(sent->data + 8) == wire + i * 10000);
		assert_memory_equal(sent->data + 16, zeros, 16);
		assert_int_equal(sent->datagram.socket, QLPB_SOCKET_SERVICE);
		assert_int_equal(sent->datagram.destination.port, QLPB_PORT);
		assert_int_equal(sent->datagram.hop_limit, 1);
		assert_true(sent->datagram.dont_fragment);
		assert_false(sent->datagram.omit_checksum);
	}
	assert_int_equal(hand.n_connects, 0);
}

/* Both clocks as they are, and how long the sink kept it. */
static void answers(void **state)
{
	hand.stamp_extra_ns = 300;
	start(10 * MS, 0);
	for (unsigned i = 0; i < 20; i++) {
		const struct probe_gap *gap = &hand.gaps[i];
		uint64_t sent_us = hand.now_us;

		hand_pass(2 * MS);
		answer(i);
		assert_int_equal(hand.n_gaps, i + 1);
		assert_int_equal(gap->sequence, i);
		assert_false(gap->lost);
		assert_int_equal(gap->packet_bytes, 60);
		assert_true(gap->scheduled_ns == sent_us * 1000);
		assert_true(gap->sent_ns == sent_us * 1000 + 300);
		assert_true(gap->sink_received_ns == SINK_100NS(i) * 100);
		assert_true(gap->sink_sent_ns - gap->sink_received_ns == 5000);
		assert_true(gap->received_ns == hand.now_us * 1000);
		hand_pass(8 * MS);
	}
	assert_int_equal(hand.n_results, 0);
}

/* P-070: what is passed over is lost, and told in order. */
static void answers_out_of_order(void **state)
{
	static const bool lost[] = { false, true, true, false, false };

	start(0, 0);
	hand_pass(5 * MS);
	answer(0);
	answer(3);
	answer(2);
	answer(1);
	answer(3);
	answer(4);
	assert_int_equal(hand.n_gaps, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(hand.gaps[i].sequence, i);
		assert_int_equal(hand.gaps[i].lost, lost[i]);
		assert_true(lost[i] == (hand.gaps[i].received_ns == 0));
		assert_true(hand.gaps[i].sent_ns != 0);
	}
	assert_int_equal(unexpected(), 3);
}

/* P-071, and other answers that are none */
static void answers_of_others(void **state)
{
	uint8_t data[QLPB_GAP_LEN];

	start(0, 0);
	hand_pass(5 * MS);
	make_answer(2, data);
	hand_datagram("192.0.2.3", QLPB_PORT, data, sizeof(data)); /* P-071 */
	hand_datagram(HAND_PEER6, QLPB_PORT, data, sizeof(data));
	hand_datagram(HAND_PEER, 50123, data, sizeof(data)); /* another port */
	hand_datagram(HAND_PEER, QLPB_PORT, data, sizeof(data) - 1);
	put32(data + 4, get32(data + 4) + 4); /* not asked yet */
	hand_datagram(HAND_PEER, QLPB_PORT, data, sizeof(data));
	make_answer(2, data);
	put32(data + 4, get32(data + 4) - 3);
	hand_datagram(HAND_PEER, QLPB_PORT, data, sizeof(data));
	make_answer(2, data);
	put64(data + 8, get64(data + 8) + 1); /* the number is guessed, the time is not */
	hand_datagram(HAND_PEER, QLPB_PORT, data, sizeof(data));
	make_answer(2, data);
	put64(data + 24, SINK_100NS(2) - 1); /* answered before it was asked */
	hand_datagram(HAND_PEER, QLPB_PORT, data, sizeof(data));
	assert_int_equal(hand.n_gaps, 0);
	/* Reflected: the sink here answers it once, as it would anybody; nothing comes of that. */
	hand_datagram(HAND_PEER, QLPB_PORT, hand.sent[2].data, QLPB_GAP_LEN);
	assert_int_equal(hand.n_gaps, 0);
	answer(2);
	assert_int_equal(hand.n_gaps, 3);
	assert_int_equal(hand.n_results, 0);
}

/* The numbers of two experiments with two sinks, or with one, do not mix. */
static void two_at_once(void **state)
{
	struct qlpb_request request = {
		.kind = QLPB_PROBEGAP,
		.sink = hand_address("192.0.2.2", 0),
		.data = &hand,
	};
	uint32_t other;

	start(0, 1);
	start(0, 1);
	assert_int_equal(qlpb_start(hand.qlpb, &request, &other, hand.now_us), 0);
	hand_pass(0);
	assert_int_equal(hand.n_sent, 3);
	answer(1);
	assert_int_equal(hand.n_results, 1);
	answer(0);
	assert_int_equal(hand.n_results, 2);
	answer(2); /* of HAND_PEER, who was not asked */
	assert_int_equal(hand.n_results, 2);
	assert_int_equal(hand.n_gaps, 2);
}

/* A burst: it is over when the last answer is here. */
static void a_burst(void **state)
{
	start(0, 30);
	hand_pass(29 * MS);
	assert_int_equal(hand.n_sent, 30);
	for (unsigned i = 0; i < 29; i++)
		answer(i);
	assert_int_equal(hand.n_results, 0);
	hand_pass(10 * MS);
	assert_int_equal(hand.n_sent, 30);
	answer(29);
	assert_ended(0, 30);
	assert_int_equal(hand.n_gaps, 30);
}

/* Or when it will not come any more. */
static void a_burst_with_loss(void **state)
{
	start(0, 30);
	hand_pass(29 * MS);
	for (unsigned i = 10; i < 20; i++)
		answer(i);
	assert_int_equal(hand.n_gaps, 20);
	hand_pass(1 * SECOND - 1);
	assert_int_equal(hand.n_results, 0);
	hand_pass(1);
	assert_ended(0, 10);
	assert_int_equal(hand.n_gaps, 30);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(hand.gaps[i].lost, i < 10 || i >= 20);
}

static void a_burst_without_answer(void **state)
{
	start(0, 30);
	hand_pass(29 * MS + 1 * SECOND);
	assert_ended(-ETIMEDOUT, 0);
	assert_int_equal(hand.n_gaps, 30);
}

/* Nothing for 3 s: the sink is gone. */
static void a_dead_sink(void **state)
{
	start(10 * MS, 0);
	hand_pass(2 * SECOND);
	answer(hand.n_sent - 1);
	hand_pass(3 * SECOND - 1);
	assert_int_equal(hand.n_results, 0);
	hand_pass(1);
	assert_ended(-ETIMEDOUT, 1);
	assert_int_equal(hand.n_gaps, hand.n_sent);
}

/* Who cancels sends nothing more and is told nothing more. */
static void cancelled(void **state)
{
	uint32_t experiment = start(0, 0);
	unsigned n_sent;

	hand_pass(100 * MS);
	n_sent = hand.n_sent;
	qlpb_cancel(hand.qlpb, experiment);
	hand_pass(10 * SECOND);
	answer(n_sent - 1);
	assert_int_equal(hand.n_sent, n_sent);
	assert_int_equal(hand.n_gaps, 0);
	assert_int_equal(hand.n_results, 0);
}

/* More questions are open than are kept: the oldest are lost. */
static void answers_that_take_very_long(void **state)
{
	start(0, 0);
	hand_pass(600 * MS);
	assert_int_equal(hand.n_sent, 601);
	assert_int_equal(hand.n_gaps, 601 - 512);
	answer(88);
	assert_int_equal(hand.n_gaps, 601 - 512);
	answer(89);
	assert_int_equal(hand.n_gaps, 90);
	assert_true(hand.gaps[88].lost);
	assert_false(hand.gaps[89].lost);
}

/* The host was held up for a little: it catches up. For long: it goes on with what is due now. */
static void held_up(void **state)
{
	uint64_t start_us = hand.now_us;

	start(0, 0);
	hand_pass(0);
	hand.now_us += 10 * MS;
	hand_pass(0);
	assert_int_equal(hand.n_sent, 11);
	for (unsigned i = 0; i < 11; i++)
		assert_true(get64(hand.sent[i].data + 8) ==
			    get64(hand.sent[0].data + 8) + i * 10000);
	hand.now_us += 700 * MS;
	hand_pass(0);
	assert_int_equal(hand.n_sent, 11 + 16);
	answer(26);
	/* The last of them was due now. */
	assert_true(hand.gaps[26].scheduled_ns == (start_us + 710 * MS) * 1000);
	assert_true(hand.gaps[11].scheduled_ns == (start_us + 695 * MS) * 1000);
	assert_true(hand.gaps[26].sent_ns == hand.now_us * 1000);
	hand_pass(1 * MS);
	assert_int_equal(hand.n_sent, 28);
}

/* What has not left is neither asked nor lost. */
static void requests_that_do_not_leave(void **state)
{
	start(0, 0);
	hand_pass(0);
	hand.fail_send_at = 1;
	hand.send_error = -ENOBUFS;
	hand_pass(2 * MS);
	assert_int_equal(hand.n_sent, 2);
	answer(1);
	assert_int_equal(hand.n_gaps, 2);
	assert_true(hand.gaps[0].lost);
	assert_true(hand.gaps[1].sent_ns == hand.now_us * 1000);
	assert_int_equal(get32(hand.sent[1].data + 4), get32(hand.sent[0].data + 4) + 1);
}

static void nothing_leaves(void **state)
{
	start(500 * MS, 0);
	hand.send_error = -ENETDOWN;
	for (unsigned i = 0; i < 7 && hand.n_results == 0; i++) {
		hand.fail_send_at = 1;
		hand_pass(i > 0 ? 500 * MS : 0);
	}
	assert_ended(-ENETDOWN, 0);
	assert_int_equal(hand.n_sent, 0);
	assert_int_equal(hand.n_gaps, 0);
}

/* Beginning numbers and clocks cannot be told from what came before. */
static void numbers_are_not_guessed(void **state)
{
	uint32_t first, second;
	uint64_t wire;

	start(0, 1);
	start(0, 1);
	hand_pass(0);
	first = get32(hand.sent[0].data + 4);
	second = get32(hand.sent[1].data + 4);
	wire = get64(hand.sent[0].data + 8);
	assert_true(first != 0 && second != first + 1 && second != first);
	assert_true(wire > UINT64_C(1) << 40 && wire < UINT64_C(1) << 57);
	hand_reopen();
	start(0, 1);
	hand_pass(0);
	assert_true(get64(hand.sent[2].data + 8) != wire);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, hand_setup, hand_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests),
		TEST(answers),
		TEST(answers_out_of_order),
		TEST(answers_of_others),
		TEST(two_at_once),
		TEST(a_burst),
		TEST(a_burst_with_loss),
		TEST(a_burst_without_answer),
		TEST(a_dead_sink),
		TEST(cancelled),
		TEST(answers_that_take_very_long),
		TEST(held_up),
		TEST(requests_that_do_not_leave),
		TEST(nothing_leaves),
		TEST(numbers_are_not_guessed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
