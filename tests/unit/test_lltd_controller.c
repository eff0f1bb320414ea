/* SPDX-License-Identifier: MIT */
/* test_lltd_controller.c: probe/lltd as a controller, to which the test plays sinks, kind ones and others. */
#include "lltd_hand.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)
#define CLOCK 1000000 /* of the sink that the test plays: microseconds */

static uint32_t session;

static const struct lltd_train_request four_packets = { 4, 1496, 0 };

static int setup(void **state)
{
	play_open(&play_controller);
	return 0;
}

static void open_session(void)
{
	const struct lltd_request request = { .sink = play_sink, .data = &play };

	assert_int_equal(lltd_open(play.lltd, &request, &session, play.now_us), 0);
}

static uint16_t last_sequence(void)
{
	return play_view(play.n_sent - 1).header.sequence;
}

static void answer_ready(uint16_t sequence)
{
	uint8_t body[LLTD_READY_LEN];

	lltd_put_ready(body, &(struct lltd_ready){ 100000000, CLOCK });
	play_frame(LLTD_READY, sequence, body, sizeof(body));
}

static void open_ready(void)
{
	open_session();
	answer_ready(last_sequence());
	assert_int_equal(play.n_ready, 1);
	play.n_ready = 0;
}

/* P-111, P-112 */
static void silent_sink(void **state)
{
	open_session();
	/* The station's dice show 0x29. */
	play_assert_bytes(play.sent[0].data, play.sent[0].len,
			  "02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 02 00 00 "
			  "02 00 00 00 00 02 02 00 00 00 00 01 00 2a 00");
	play_pass(499 * MS);
	assert_int_equal(play.n_ended, 0);
	play_pass(2 * MS);
	assert_int_equal(play.n_sent, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(play.sent[i].at_us, SECOND + i * 100 * MS);
		assert_memory_equal(play.sent[i].data, play.sent[0].data, play.sent[0].len);
	}
	assert_int_equal(play.n_ended, 1);
	assert_int_equal(play.ended[0], -ETIMEDOUT);
	assert_int_equal(lltd_sizes(play.lltd).controlled, 0);
	play_pass(10 * SECOND);
	assert_int_equal(play.n_sent, 5);
}

/* P-112 */
static void sequence_numbers(void **state)
{
	uint16_t before, sequence;
	bool wrapped = false;

	open_ready();
	before = last_sequence();
	assert_int_not_equal(before, 0);
	for (unsigned i = 0; i < 70000; i++, before = sequence) {
		play.n_sent = play.n_gaps = play.n_ready = 0;
		assert_int_equal(lltd_probegap(play.lltd, session,
					       &(struct lltd_gap_request){ 1000, 1, false, 0 },
					       play.now_us),
				 0);
		sequence = last_sequence();
		assert_int_equal(sequence, before == 0xffff ? 1 : before + 1);
		wrapped |= before == 0xffff;
		play_pass(800 * MS);
		assert_int_equal(play.n_ready, 1);
	}
	assert_true(wrapped);
}

/* P-117 */
static void moderation(void **state)
{
	open_session();
	assert_int_equal(play_view(0).body[0], 0x00);
	play_frame(LLTD_ERROR, last_sequence(), "\0\2", 2);
	assert_int_equal(play.n_sent, 2);
	assert_int_equal(play_view(1).body[0], 0xff);
	assert_int_equal(play_view(1).header.sequence, play_view(0).header.sequence + 1);
	play_frame(LLTD_ERROR, last_sequence(), "\0\2", 2);
	assert_int_equal(play.n_sent, 2);
	assert_int_equal(play.ended[0], -EOPNOTSUPP);
}

static void refusals(void **state)
{
	open_session();
	play_frame(LLTD_ERROR, last_sequence(), "\0\1", 2);
	assert_int_equal(play.ended[0], -EBUSY);
	open_session();
	play_frame(LLTD_ERROR, last_sequence(), "\0\7", 2); /* nobody knows what */
	play_frame(LLTD_ERROR, last_sequence(), "\0", 1);
	assert_int_equal(play.n_ended, 1);
	play_frame(LLTD_ERROR, last_sequence(), "\0\0", 2);
	assert_int_equal(play.n_ended, 2);
	assert_int_equal(play.ended[1], -ENOMEM);
}

static void send_train(unsigned n)
{
	assert_int_equal(lltd_train(play.lltd, session, &(struct lltd_train_request){ n, 1496, 0 },
				    play.now_us),
			 0);
}

/* Events of the probes, each 120 us after the one before. */
static void answer_query(uint16_t sequence, const uint8_t *ids, unsigned n, bool failed)
{
	uint8_t body[LLTD_FRAME_MAX];
	struct lltd_probe probe;

	assert_int_equal(lltd_read_probe(play_view(1).body, play_view(1).body_len, &probe), 0);
	lltd_put_query_resp(body, n, failed);
	for (unsigned i = 0; i < n; i++)
		lltd_put_event(body, i,
			       &(struct lltd_event){ probe.controller_sent, 1000 + i * 120,
						     ids[i] });
	play_frame(LLTD_QUERY_RESP, sequence, body, LLTD_QUERY_RESP_LEN + n * LLTD_EVENT_LEN);
}

/* P-113; what a train is made of. */
static void train(void **state)
{
	static const uint8_t ids[] = { 0, 1, 2, 3 };
	uint8_t zeros[32] = { 0 };

	open_ready();
	send_train(4);
	assert_int_equal(play.n_sent, 1 + 4 + 1);
	for (unsigned i = 1; i <= 4; i++) {
		struct play_view view = play_view(i);
		struct lltd_probe probe;

		assert_int_equal(play.sent[i].len, 1510);
		assert_int_equal(lltd_read_probe(view.body, view.body_len, &probe), 0);
		assert_true(probe.test == LLTD_TEST_TIMED && probe.packet_id == i - 1 &&
			    probe.sink_received == 0 && probe.sink_sent == 0 && !probe.tag);
		assert_int_equal(view.header.sequence, play_view(5).header.sequence);
		/* Payloads are noise, each another one. */
		assert_memory_not_equal(view.body + 27, zeros, sizeof(zeros));
		assert_memory_not_equal(view.body + 27, play_view(i % 4 + 1).body + 27, 32);
	}
	assert_int_equal(play_view(5).header.function, LLTD_QUERY);
	assert_int_equal(play.sent[5].len, 32);
	answer_query(last_sequence(), ids, 4, false);
	assert_true(play.n_trains == 1 && play.n_ready == 1 && play.ready[0] == 0);
	assert_true(play.trains[0].n_sent == 4 && play.trains[0].n_gaps == 3);
	assert_int_equal(play.trains[0].packet_bytes, 1496);
	assert_int_equal(play.trains[0].sink_link_bps, 100000000);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(play.gaps_ns[0][i], 120000);
}

static void train_with_losses(void **state)
{
	static const uint8_t ids[] = { 0, 1, 3, 5, 4, 6, 7 };

	open_ready();
	send_train(8);
	answer_query(last_sequence(), ids, 7, false);
	/* Only 0-1 and 6-7 were sent, and arrived, one after the other. */
	assert_int_equal(play.trains[0].n_sent, 8);
	assert_int_equal(play.trains[0].n_gaps, 2);
}

/* P-115, P-116 */
static void lies(void **state)
{
	static const uint8_t ids[] = { 0, 1, 2, 3, 4 };
	static const struct lltd_mac other = { { 2, 0, 0, 0, 0, 3 } };
	uint16_t sequence;

	open_session();
	sequence = last_sequence();
	answer_ready((uint16_t)(sequence + 1));
	play_frame_from(&other, LLTD_READY, sequence, "\0\0\0\1\0\0\0\0\0\0\0\1", 12);
	play_frame(LLTD_READY, sequence, "\0\0\0\1\0\0\0\0\0\0\0", 11);
	play_frame(LLTD_READY, sequence, "\0\0\0\1\0\0\0\0\0\0\0\0", 12); /* a clock that stands */
	play_frame(LLTD_ACK, sequence, NULL, 0);
	play_frame(LLTD_QUERY_RESP, sequence, "\0\0", 2);
	assert_int_equal(play.n_ready, 0);
	answer_ready(sequence);
	assert_int_equal(play.n_ready, 1);
	answer_ready(sequence); /* again */
	assert_int_equal(play.n_ready, 1);

	send_train(4);
	sequence = last_sequence();
	answer_query(sequence, ids, 5, false);
	answer_query((uint16_t)(sequence - 1), ids, 4, false);
	answer_query((uint16_t)(sequence + 1), ids, 4, false);
	play_frame(LLTD_QUERY_RESP, sequence, "\0\2\0\0", 4); /* fewer than it says */
	assert_int_equal(play.n_trains, 0);
	answer_query(sequence, ids, 4, false);
	assert_int_equal(play.n_trains, 1);
	answer_query(sequence, ids, 4, false);
	assert_int_equal(play.n_trains, 1);
}

/* Packets that were never sent, times that run back: no gaps. */
static void nonsense_in_a_train(void **state)
{
	static const uint8_t ids[] = { 200, 201, 3, 3 };

	open_ready();
	send_train(4);
	answer_query(last_sequence(), ids, 4, false);
	assert_int_equal(play.trains[0].n_gaps, 0);
}

/* At a rate: what it took is told with it. */
static void paced_train(void **state)
{
	static const uint8_t ids[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	/* A packet each 2 ms. */
	const struct lltd_train_request request = { 8, 1496, 5984000 };

	open_ready();
	assert_int_equal(lltd_train(play.lltd, session, &request, play.now_us), 0);
	assert_int_equal(lltd_train(play.lltd, session, &request, play.now_us), -EBUSY);
	play_pass(13 * MS);
	assert_int_equal(play.n_sent, 1 + 7);
	play_pass(2 * MS);
	assert_int_equal(play.n_sent, 1 + 8 + 1);
	for (unsigned i = 0; i < 8; i++) {
		assert_in_range(play.sent[1 + i].at_us, SECOND + i * 2 * MS,
				SECOND + i * 2 * MS + 10);
		assert_int_equal(play_view(1 + i).header.sequence, last_sequence());
		assert_int_equal(play.sent[1 + i].data[57], i);
	}
	assert_int_equal(play_view(9).header.function, LLTD_QUERY);
	answer_query(last_sequence(), ids, 8, false);
	assert_int_equal(play.n_trains, 1);
	assert_int_equal(play.trains[0].n_gaps, 7);
	assert_in_range(play.trains[0].spread_ns, 14000000, 14010000);
	assert_int_equal(play.n_ready, 1);
	/* What cannot be sent ends it. */
	assert_int_equal(lltd_train(play.lltd, session, &request, play.now_us), 0);
	play.send_error = -ENOBUFS;
	play_pass(5 * MS);
	assert_int_equal(play.ready[1], -ENOBUFS);
}

/* Those that follow each other closely leave some at a time, before their time, so that the link stays busy meanwhile. */
static void closely_paced_train(void **state)
{
	static const uint8_t ids[] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	/* A packet each 25 us: 16 of them are 400 us. */
	const struct lltd_train_request request = { 60, 1496, 478720000, 10 };
	uint64_t start_us;

	open_ready();
	start_us = play.now_us;
	assert_int_equal(lltd_train(play.lltd, session, &request, play.now_us), 0);
	assert_in_range(play.n_sent, 1 + 10 + 1 + 15, 1 + 10 + 1 + 16);
	while (play.n_sent < 1 + 60) {
		size_t n = play.n_sent;

		play_pass(10);
		assert_in_range(play.n_sent - n, 0, 9);
		/* Never later than its time. */
		assert_true((play.n_sent - 1 - 10) * 25 + 1 > play.now_us - start_us);
	}
	answer_query(last_sequence(), ids, 8, false);
	assert_in_range(play.trains[0].spread_ns, 600000, 49 * 25000);
	assert_int_equal(play.trains[0].held_ns, 0);
}

static void sink_without_memory(void **state)
{
	open_ready();
	send_train(4);
	answer_query(last_sequence(), NULL, 0, true);
	assert_int_equal(play.n_trains, 0);
	assert_int_equal(play.ready[0], -EIO);
}

/* The Query is repeated, the probes are not. */
static void query_lost(void **state)
{
	open_ready();
	send_train(4);
	play_pass(500 * MS);
	assert_int_equal(play.n_sent, 1 + 4 + 5);
	for (unsigned i = 5; i < 10; i++) {
		assert_int_equal(play_view(i).header.function, LLTD_QUERY);
		assert_int_equal(play_view(i).header.sequence, play_view(1).header.sequence);
	}
	assert_int_equal(play.ended[0], -ETIMEDOUT);
}

static void reflect(uint64_t residence_us)
{
	struct play_view view = play_view(play.n_sent - 1);
	struct lltd_probe probe;

	assert_int_equal(lltd_read_probe(view.body, view.body_len, &probe), 0);
	assert_int_equal(probe.test, LLTD_TEST_GAP);
	probe.test = LLTD_TEST_GAP_REPLY;
	probe.sink_received = 5000000;
	probe.sink_sent = 5000000 + residence_us;
	play_probe(view.header.sequence, &probe, "");
}

/* P-114, and one after the other. */
static void probegap(void **state)
{
	const struct lltd_gap_request request = { 10000, 3, true, 5 };

	open_ready();
	assert_int_equal(lltd_probegap(play.lltd, session, &request, play.now_us), 0);
	assert_int_equal(lltd_train(play.lltd, session, &four_packets, play.now_us), -EBUSY);
	/* It bears the tag that its answer is to have, and the five octets of payload of MS-LLTD's text (B-10). */
	assert_int_equal(play_last()->len, LLTD_HEADER_LEN + LLTD_TAG_LEN + LLTD_PROBE_LEN + 5);
	assert_int_equal(play_last()->data[14], 0xa0);
	assert_int_equal(play_last()->data[62], 0x85);
	play.now_us += 300;
	reflect(40);
	assert_int_equal(play.n_gaps, 1);
	assert_false(play.gaps[0].lost);
	assert_int_equal(play.gaps[0].received_ns - play.gaps[0].sent_ns, 300000);
	assert_int_equal(play.gaps[0].sink_sent_ns - play.gaps[0].sink_received_ns, 40000);
	assert_true(play.gaps[0].tagged);

	play_pass(10 * MS);
	assert_int_equal(play.n_sent, 3);
	assert_int_equal(play.sent[2].at_us, SECOND + 10 * MS);
	play_pass(100 * MS); /* lost: the next one, at once, and not this one again */
	assert_int_equal(play.n_gaps, 2);
	assert_true(play.gaps[1].lost && play.gaps[1].sequence == 1);
	assert_int_equal(play.n_sent, 4);
	assert_int_not_equal(last_sequence(), play_view(2).header.sequence);
	reflect(0);
	assert_int_equal(play.n_gaps, 3);
	assert_int_equal(play.n_ready, 1);
	play_pass(SECOND);
	assert_int_equal(play.n_sent, 4);
}

static void wrong_reflections(void **state)
{
	static const struct lltd_mac other = { { 2, 0, 0, 0, 0, 3 } };
	struct lltd_probe probe, wrong;
	uint8_t body[LLTD_PROBE_LEN];
	struct play_view view;

	open_ready();
	lltd_probegap(play.lltd, session, &(struct lltd_gap_request){ 10000, 0, false, 0 },
		      play.now_us);
	view = play_view(1);
	assert_int_equal(lltd_read_probe(view.body, view.body_len, &probe), 0);
	probe.test = LLTD_TEST_GAP_REPLY;
	lltd_put_probe(body, &probe);
	play_frame_from(&other, LLTD_PROBE, view.header.sequence, body, sizeof(body));
	play_probe((uint16_t)(view.header.sequence + 1), &probe, "");
	wrong = probe;
	wrong.packet_id++;
	play_probe(view.header.sequence, &wrong, "");
	wrong = probe;
	wrong.controller_sent++;
	play_probe(view.header.sequence, &wrong, "");
	assert_int_equal(play.n_gaps, 0);
	play_probe(view.header.sequence, &probe, "");
	play_probe(view.header.sequence, &probe, ""); /* replayed */
	assert_int_equal(play.n_gaps, 1);
	assert_int_equal(lltd_counter(play.lltd, LLTD_COUNT_UNEXPECTED), 5);
}

static void stop_probegap(void **state)
{
	open_ready();
	lltd_probegap(play.lltd, session, &(struct lltd_gap_request){ 10000, 0, false, 0 },
		      play.now_us);
	lltd_stop(play.lltd, session);
	play_pass(200 * MS);
	assert_true(play.n_sent == 2 && play.n_gaps == 1 && play.n_ready == 1);
	/* Between two. */
	lltd_probegap(play.lltd, session, &(struct lltd_gap_request){ 50000, 0, false, 0 },
		      play.now_us);
	reflect(0);
	lltd_stop(play.lltd, session);
	play_pass(200 * MS);
	assert_true(play.n_sent == 3 && play.n_gaps == 2 && play.n_ready == 2);
}

/* P-118 */
static void reset(void **state)
{
	open_ready();
	lltd_close(play.lltd, session, play.now_us);
	play_pass(SECOND);
	assert_int_equal(play.n_sent, 1 + 5);
	for (unsigned i = 1; i < 6; i++)
		assert_int_equal(play_view(i).header.function, LLTD_RESET);
	assert_int_equal(lltd_sizes(play.lltd).controlled, 0);
	assert_int_equal(play.n_ended, 0);

	open_session();
	answer_ready(last_sequence());
	lltd_close(play.lltd, session, play.now_us);
	play_frame(LLTD_ACK, last_sequence(), NULL, 0);
	assert_int_equal(lltd_sizes(play.lltd).controlled, 0);
	assert_int_equal(lltd_train(play.lltd, session, &four_packets, play.now_us), -ENOENT);
}

static void open_again(void)
{
	if (play.n_ended < 3)
		open_session();
}

static void link_down(void **state)
{
	open_ready();
	play.on_ended = open_again;
	lltd_link_changed(play.lltd, 0);
	assert_true(play.n_ended == 1 && play.ended[0] == -ENETDOWN);
	/* Opened from within: a new one, which lives. */
	answer_ready(last_sequence());
	assert_int_equal(play.n_ready, 1);
}

static void limits(void **state)
{
	struct lltd_request request = { .sink = play_sink, .data = &play };

	open_session();
	assert_int_equal(lltd_open(play.lltd, &request, &session, play.now_us), -EALREADY);
	for (unsigned i = 1; i < 10; i++) {
		request.sink.octets[4] = (uint8_t)i;
		assert_int_equal(lltd_open(play.lltd, &request, &session, play.now_us), 0);
	}
	request.sink.octets[4] = 99;
	assert_int_equal(lltd_open(play.lltd, &request, &session, play.now_us), -EUSERS);
	request.sink = lltd_broadcast;
	assert_int_equal(lltd_open(play.lltd, &request, &session, play.now_us), -EINVAL);
	request.sink = play_controller;
	assert_int_equal(lltd_open(play.lltd, &request, &session, play.now_us), -EINVAL);
}

static void cannot_send(void **state)
{
	open_ready();
	play.send_error = -ENETDOWN;
	assert_int_equal(lltd_train(play.lltd, session, &four_packets, play.now_us), -ENETDOWN);
	lltd_probegap(play.lltd, session, &(struct lltd_gap_request){ 10000, 2, false, 0 },
		      play.now_us);
	play_pass(100 * MS);
	assert_int_equal(play.n_gaps, 0); /* what has not left is not lost */
	play.send_error = 0;
	play_pass(SECOND);
	assert_int_equal(play.n_gaps, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(silent_sink, setup, play_teardown),
		cmocka_unit_test_setup_teardown(sequence_numbers, setup, play_teardown),
		cmocka_unit_test_setup_teardown(moderation, setup, play_teardown),
		cmocka_unit_test_setup_teardown(refusals, setup, play_teardown),
		cmocka_unit_test_setup_teardown(train, setup, play_teardown),
		cmocka_unit_test_setup_teardown(train_with_losses, setup, play_teardown),
		cmocka_unit_test_setup_teardown(lies, setup, play_teardown),
		cmocka_unit_test_setup_teardown(nonsense_in_a_train, setup, play_teardown),
		cmocka_unit_test_setup_teardown(paced_train, setup, play_teardown),
		cmocka_unit_test_setup_teardown(closely_paced_train, setup, play_teardown),
		cmocka_unit_test_setup_teardown(sink_without_memory, setup, play_teardown),
		cmocka_unit_test_setup_teardown(query_lost, setup, play_teardown),
		cmocka_unit_test_setup_teardown(probegap, setup, play_teardown),
		cmocka_unit_test_setup_teardown(wrong_reflections, setup, play_teardown),
		cmocka_unit_test_setup_teardown(stop_probegap, setup, play_teardown),
		cmocka_unit_test_setup_teardown(reset, setup, play_teardown),
		cmocka_unit_test_setup_teardown(link_down, setup, play_teardown),
		cmocka_unit_test_setup_teardown(limits, setup, play_teardown),
		cmocka_unit_test_setup_teardown(cannot_send, setup, play_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
