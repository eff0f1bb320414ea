/* SPDX-License-Identifier: MIT */
/* test_lltd_sink.c: probe/lltd as a sink, to which the test plays controllers, kind ones and others. */
#include "lltd_hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MINUTE UINT64_C(60000000)
#define KEEP "\xff"

static int setup(void **state)
{
	play_open(&play_sink);
	return 0;
}

static void initialise(void)
{
	play_frame(LLTD_INITIALIZE_SINK, 0x2a, KEEP, 1);
}

static bool has_session(void)
{
	return lltd_sizes(play.lltd).sessions > 0;
}

/* P-085, P-086 */
static void session(void **state)
{
	struct play_view view;
	struct lltd_ready ready;

	play_receive_hex("02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 02 00 00 "
			 "02 00 00 00 00 02 02 00 00 00 00 01 00 2a ff");
	assert_int_equal(play.n_sent, 1);
	play_assert_bytes(play_last()->data, play_last()->len,
			  "02 00 00 00 00 01 02 00 00 00 00 02 88 d9 01 02 00 01 "
			  "02 00 00 00 00 01 02 00 00 00 00 02 00 2a "
			  "00 08 3d 60 00 00 00 00 00 98 96 80");
	view = play_view(0);
	assert_int_equal(lltd_read_ready(view.body, view.body_len, &ready), 0);

	/* The clock that is named is the one of later frames. */
	for (unsigned i = 0; i < 2; i++) {
		play_probe(1, &(struct lltd_probe){ .test = LLTD_TEST_GAP }, "");
		play.now_us += 500000;
	}
	{
		struct lltd_probe first, second;

		view = play_view(1);
		assert_int_equal(lltd_read_probe(view.body, view.body_len, &first), 0);
		view = play_view(2);
		assert_int_equal(lltd_read_probe(view.body, view.body_len, &second), 0);
		assert_true(second.sink_received - first.sink_received == ready.frequency / 2);
		assert_true(first.sink_sent >= first.sink_received);
	}
}

static void note_three(void)
{
	for (unsigned i = 0; i < 3; i++) {
		play_probe(0x2b,
			   &(struct lltd_probe){ .controller_sent = 0x1000 + i,
						 .test = LLTD_TEST_TIMED,
						 .packet_id = (uint8_t)(7 + i) },
			   "00 00 00 00 00");
		play.now_us += 120;
	}
}

/* P-094, P-095, P-087 */
static void timed_probes(void **state)
{
	struct lltd_event events[3];
	struct play_view view;
	unsigned n_events;
	bool failed;

	initialise();
	note_three();
	assert_int_equal(play.n_sent, 1);
	for (unsigned round = 0; round < 3; round++) {
		if (round == 2)
			initialise(); /* again: nothing is forgotten */
		play_frame(LLTD_QUERY, 0x2b, NULL, 0);
		view = play_view(play.n_sent - 1);
		assert_int_equal(view.header.function, LLTD_QUERY_RESP);
		assert_int_equal(view.header.sequence, 0x2b);
		assert_int_equal(view.body_len, LLTD_QUERY_RESP_LEN + 3 * LLTD_EVENT_LEN);
		assert_int_equal(lltd_read_query_resp(view.body, view.body_len, &n_events, &failed),
				 0);
		assert_true(n_events == 3 && !failed);
		for (unsigned i = 0; i < 3; i++) {
			lltd_get_event(view.body, i, &events[i]);
			assert_int_equal(events[i].controller_sent, 0x1000 + i);
			assert_int_equal(events[i].packet_id, 7 + i);
		}
		assert_int_equal(events[1].sink_received - events[0].sink_received, 1200);
		assert_int_equal(events[2].sink_received - events[1].sink_received, 1200);
	}
	assert_memory_equal(play.sent[1].data, play.sent[2].data, play.sent[1].len);
}

/* P-096 */
static void unknown_sequence(void **state)
{
	initialise();
	note_three();
	play_frame(LLTD_QUERY, 0x2c, NULL, 0);
	assert_int_equal(play.n_sent, 1);
}

/* P-097; and of the buckets the oldest makes room. */
static void full_buckets(void **state)
{
	initialise();
	for (unsigned i = 0; i < 100; i++)
		play_probe(1, &(struct lltd_probe){ .packet_id = (uint8_t)i }, "");
	play_frame(LLTD_QUERY, 1, NULL, 0);
	assert_int_equal(play_last()->len, 1510);
	assert_int_equal(play_view(1).body[1], 82);
	assert_int_equal(lltd_counter(play.lltd, LLTD_COUNT_OVERFLOW), 18);

	for (uint16_t sequence = 2; sequence <= 11; sequence++)
		play_probe(sequence, &(struct lltd_probe){ 0 }, "");
	play_frame(LLTD_QUERY, 1, NULL, 0);
	assert_int_equal(play.n_sent, 2);
	for (uint16_t sequence = 2; sequence <= 11; sequence++)
		play_frame(LLTD_QUERY, sequence, NULL, 0);
	assert_int_equal(play.n_sent, 7); /* six at once, and the rest when it is due */
	play_pass(1000000);
	play_frame(LLTD_QUERY, 11, NULL, 0);
	assert_int_equal(play.n_sent, 8);
}

/* P-098, P-099 */
static void reflection(void **state)
{
	initialise();
	play_receive_hex("02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 02 00 02 "
			 "02 00 00 00 00 02 02 00 00 00 00 01 00 2c 00 00 00 00 00 00 20 00 "
			 "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 08 85 de ad be ef 01");
	assert_int_equal(play.n_sent, 2);
	assert_int_equal(play_last()->len, 68);
	assert_int_equal(play_last()->at_us, play.now_us);
	play_assert_bytes(play_last()->data, 44,
			  "02 00 00 00 00 01 02 00 00 00 00 02 81 00 a0 00 88 d9 01 02 00 02 "
			  "02 00 00 00 00 01 02 00 00 00 00 02 00 2c 00 00 00 00 00 00 20 00");
	play_assert_bytes(play_last()->data + 60, 8, "02 08 85 de ad be ef 01");

	play_probe(0x2d, &(struct lltd_probe){ .test = LLTD_TEST_GAP, .priority = 5 }, "01 02 03");
	assert_int_equal(play_last()->len, LLTD_HEADER_LEN + LLTD_PROBE_LEN + 3);
	assert_false(play_view(2).header.tagged);
	play_assert_bytes(play_last()->data + 56, 6, "02 00 05 01 02 03");
}

/* P-100: nothing goes round and round. */
static void no_reflection_of_reflections(void **state)
{
	initialise();
	play_probe(0x2c, &(struct lltd_probe){ .test = LLTD_TEST_GAP_REPLY }, "");
	assert_int_equal(play.n_sent, 1);
	assert_int_equal(lltd_counter(play.lltd, LLTD_COUNT_UNEXPECTED), 1);
}

/* P-088 */
static void too_many_controllers(void **state)
{
	struct lltd_mac mac = play_controller;

	for (unsigned i = 1; i <= 11; i++) {
		mac.octets[4] = (uint8_t)i;
		play_frame_from(&mac, LLTD_INITIALIZE_SINK, 0x2a, KEEP, 1);
		assert_int_equal(play.n_sent, i);
		assert_int_equal(play_view(i - 1).header.function,
				 i <= 10 ? LLTD_READY : LLTD_ERROR);
	}
	play_assert_bytes(play_view(10).body, 2, "00 01");
	assert_int_equal(play_view(10).body_len, 2);
	/* The ten are served all the same. */
	mac.octets[4] = 10;
	play_frame_from(&mac, LLTD_RESET, 1, NULL, 0);
	assert_int_equal(play_view(11).header.function, LLTD_ACK);
}

/* P-089 */
static void moderation(void **state)
{
	play_frame(LLTD_INITIALIZE_SINK, 0x2a, "\0", 1);
	play_assert_bytes(play_last()->data, play_last()->len,
			  "02 00 00 00 00 01 02 00 00 00 00 02 88 d9 01 02 00 06 "
			  "02 00 00 00 00 01 02 00 00 00 00 02 00 2a 00 02");
	assert_false(has_session());
}

/* P-090, P-091, P-092, P-093: what is discarded, without a word and without a trace. */
static void strangers(void **state)
{
	static const char *const frames[] = {
		/* real destination */
		"02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 02 00 00 "
		"02 00 00 00 00 03 02 00 00 00 00 01 00 2a ff",
		"02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 02 00 00 "
		"ff ff ff ff ff ff 02 00 00 00 00 01 00 2a ff",
		/* Ethernet destination */
		"02 00 00 00 00 09 02 00 00 00 00 01 88 d9 01 02 00 00 "
		"02 00 00 00 00 02 02 00 00 00 00 01 00 2a ff",
		/* real source: a group, everybody, ourselves, nobody */
		"02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 02 00 00 "
		"02 00 00 00 00 02 03 00 00 00 00 01 00 2a ff",
		"02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 02 00 00 "
		"02 00 00 00 00 02 ff ff ff ff ff ff 00 2a ff",
		"02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 02 00 00 "
		"02 00 00 00 00 02 02 00 00 00 00 02 00 2a ff",
		"02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 02 00 00 "
		"02 00 00 00 00 02 00 00 00 00 00 00 00 2a ff",
		/* Ethernet source: the answer would go to all */
		"02 00 00 00 00 02 ff ff ff ff ff ff 88 d9 01 02 00 00 "
		"02 00 00 00 00 02 02 00 00 00 00 01 00 2a ff",
		/* no number */
		"02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 02 00 00 "
		"02 00 00 00 00 02 02 00 00 00 00 01 00 00 ff",
		/* types of service, versions */
		"02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 00 00 00 "
		"02 00 00 00 00 02 02 00 00 00 00 01 00 2a ff",
		"02 00 00 00 00 02 02 00 00 00 00 01 88 d9 01 01 00 00 "
		"02 00 00 00 00 02 02 00 00 00 00 01 00 2a ff",
		"02 00 00 00 00 02 02 00 00 00 00 01 88 d9 02 02 00 00 "
		"02 00 00 00 00 02 02 00 00 00 00 01 00 2a ff",
	};

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		play_receive_hex(frames[i]);
		assert_int_equal(play.n_sent, 0);
		assert_false(has_session());
	}
	/* Nor has a probe, a question, a reset or a snapshot of number 0 any effect. */
	initialise();
	play_probe(0, &(struct lltd_probe){ .test = LLTD_TEST_GAP }, "");
	play_probe(0, &(struct lltd_probe){ .test = LLTD_TEST_TIMED }, "");
	play_frame(LLTD_QUERY, 0, NULL, 0);
	play_frame(LLTD_RESET, 0, NULL, 0);
	play_frame(LLTD_COUNTER_SNAPSHOT, 0, "\3", 1);
	assert_int_equal(play.n_sent, 1);
	assert_true(has_session());
	assert_int_equal(lltd_counter(play.lltd, LLTD_COUNT_NOTED), 0);
}

/* P-101, P-102 */
static void reset(void **state)
{
	initialise();
	note_three();
	play_frame(LLTD_RESET, 0x2d, NULL, 0);
	play_assert_bytes(play_last()->data, play_last()->len,
			  "02 00 00 00 00 01 02 00 00 00 00 02 88 d9 01 02 00 07 "
			  "02 00 00 00 00 01 02 00 00 00 00 02 00 2d");
	assert_int_equal(play.n_sent, 2);
	play_frame(LLTD_RESET, 0x2e, NULL, 0);
	play_probe(0x2f, &(struct lltd_probe){ .test = LLTD_TEST_GAP }, "");
	play_frame(LLTD_QUERY, 0x2b, NULL, 0);
	assert_int_equal(play.n_sent, 2);
	assert_false(has_session());
}

/* P-103; one that is used stays. */
static void idle(void **state)
{
	initialise();
	note_three();
	play_pass(MINUTE * 3 / 2);
	play_frame(LLTD_QUERY, 0x2b, NULL, 0);
	assert_int_equal(play.n_sent, 2);
	play_pass(MINUTE * 3 / 2);
	play_frame(LLTD_QUERY, 0x2b, NULL, 0);
	assert_int_equal(play.n_sent, 3);
	play_pass(MINUTE * 5 / 2);
	assert_false(has_session());
	play_frame(LLTD_QUERY, 0x2b, NULL, 0);
	assert_int_equal(play.n_sent, 3);
	assert_int_equal(lltd_counter(play.lltd, LLTD_COUNT_EXPIRED), 1);
	/* Without sessions there is nothing to do. */
	play_pass(MINUTE);
	assert_true(lltd_deadline_us(play.lltd) == UINT64_MAX);
}

/* P-104 */
static void link_down(void **state)
{
	initialise();
	lltd_link_changed(play.lltd, 1000000000);
	assert_false(has_session());
	initialise();
	play_assert_bytes(play_view(1).body, 4, "00 98 96 80");
}

/* P-110 */
static void truncated(void **state)
{
	static const struct {
		enum lltd_function function;
		size_t body_len;
	} kinds[] = {
		{ LLTD_INITIALIZE_SINK, 1 },
		{ LLTD_PROBE, 27 },
		{ LLTD_QUERY, 0 },
		{ LLTD_RESET, 0 },
		{ LLTD_COUNTER_SNAPSHOT, 1 },
		{ LLTD_COUNTER_LEASE, 0 },
	};
	uint8_t body[LLTD_PROBE_LEN] = { [24] = LLTD_TEST_GAP };

	initialise();
	note_three();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t whole = LLTD_HEADER_LEN + kinds[i].body_len;
		uint8_t data[LLTD_HEADER_LEN + LLTD_PROBE_LEN];
		struct lltd_header header = {
			.ethernet_destination = play_sink,
			.ethernet_source = play_controller,
			.function = kinds[i].function,
			.destination = play_sink,
			.source = play_controller,
			.sequence = 0x2b,
		};

		lltd_put_header(data, &header);
		memcpy(data + LLTD_HEADER_LEN, body, kinds[i].body_len);
		for (size_t len = 0; len < whole; len++)
			play_receive(data, len);
	}
	assert_int_equal(play.n_sent, 1);
	assert_true(has_session());
}

/* §14: short answers are not longer than what was sent (padded), and are not endless; long ones are few. */
static void floods(void **state)
{
	initialise();
	note_three();
	for (unsigned i = 0; i < 20000; i++) {
		play_probe(0x2c, &(struct lltd_probe){ .test = LLTD_TEST_GAP }, "");
		play_frame(LLTD_QUERY, 0x2b, NULL, 0);
		play.now_us += 50;
		if (play.n_sent > PLAY_SENT_MAX - 2)
			break;
	}
	/* A second of it. */
	assert_in_range(lltd_counter(play.lltd, LLTD_COUNT_REFLECTED), 1000, 1101);
	assert_in_range(play.n_sent - 1 - lltd_counter(play.lltd, LLTD_COUNT_REFLECTED), 50, 57);
	assert_true(lltd_counter(play.lltd, LLTD_COUNT_LIMITED) > 30000);
}

static uint64_t on_wire(size_t len)
{
	return len > 60 ? len : 60;
}

/* §14: to nobody goes more than has come in his name, however often, and for how long, he asks again. */
static void asked_again(void **state)
{
	uint64_t came = on_wire(LLTD_HEADER_LEN + LLTD_INITIALIZE_LEN), went = 0;

	initialise();
	for (unsigned i = 0; i < LLTD_EVENTS_MAX; i++) {
		play_probe(0x2b, &(struct lltd_probe){ .test = LLTD_TEST_TIMED }, "");
		came += on_wire(LLTD_HEADER_LEN + LLTD_PROBE_LEN);
	}
	for (unsigned i = 0; i < 2000; i++) {
		play_frame(LLTD_QUERY, 0x2b, NULL, 0);
		came += on_wire(LLTD_HEADER_LEN);
		play.now_us += 100000;
	}
	for (unsigned i = 0; i < play.n_sent; i++)
		went += on_wire(play.sent[i].len);
	assert_in_range(went, came - 2 * LLTD_FRAME_MAX, came);
	assert_true(lltd_counter(play.lltd, LLTD_COUNT_LIMITED) > 1800);
}

/* Whoever claims to be everybody gets no further than one host does four times. */
static void flood_of_many(void **state)
{
	struct lltd_mac mac = play_controller;

	for (unsigned i = 0; i < 20000; i++) {
		mac.octets[4] = (uint8_t)(i >> 8);
		mac.octets[5] = (uint8_t)i;
		if (mac.octets[4] != 0)
			play_frame_from(&mac, LLTD_INITIALIZE_SINK, 0x2a, KEEP, 1);
		play.now_us += 25;
	}
	assert_int_equal(lltd_sizes(play.lltd).sessions, 10);
	assert_in_range(play.n_sent, 1900, 2500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(session, setup, play_teardown),
		cmocka_unit_test_setup_teardown(timed_probes, setup, play_teardown),
		cmocka_unit_test_setup_teardown(unknown_sequence, setup, play_teardown),
		cmocka_unit_test_setup_teardown(full_buckets, setup, play_teardown),
		cmocka_unit_test_setup_teardown(reflection, setup, play_teardown),
		cmocka_unit_test_setup_teardown(no_reflection_of_reflections, setup, play_teardown),
		cmocka_unit_test_setup_teardown(too_many_controllers, setup, play_teardown),
		cmocka_unit_test_setup_teardown(moderation, setup, play_teardown),
		cmocka_unit_test_setup_teardown(strangers, setup, play_teardown),
		cmocka_unit_test_setup_teardown(reset, setup, play_teardown),
		cmocka_unit_test_setup_teardown(idle, setup, play_teardown),
		cmocka_unit_test_setup_teardown(link_down, setup, play_teardown),
		cmocka_unit_test_setup_teardown(truncated, setup, play_teardown),
		cmocka_unit_test_setup_teardown(floods, setup, play_teardown),
		cmocka_unit_test_setup_teardown(asked_again, setup, play_teardown),
		cmocka_unit_test_setup_teardown(flood_of_many, setup, play_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
