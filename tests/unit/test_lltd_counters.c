/* SPDX-License-Identifier: MIT */
/* test_lltd_counters.c: probe/lltd: what passes an interface, counted for others, and asked of others. */
#include "lltd_hand.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)
#define MINUTE (60 * SECOND)

static int setup_sink(void **state)
{
	play_open(&play_sink);
	return 0;
}

static int setup_controller(void **state)
{
	play_open(&play_controller);
	return 0;
}

/* As everybody else sends it. */
static void lease(void)
{
	play_receive_hex("ff ff ff ff ff ff 02 00 00 00 00 01 88 d9 01 02 00 0a "
			 "ff ff ff ff ff ff 02 00 00 00 00 01 00 00");
}

static void traffic(uint64_t bytes_per_s, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		play.counts.bytes_received += bytes_per_s;
		play.counts.packets_received += bytes_per_s / 1024;
		play.counts.bytes_sent += 10240;
		play.counts.packets_sent += 20;
		play_pass(SECOND);
	}
}

static struct lltd_result snapshot(uint8_t history, struct lltd_counts counts[static 32])
{
	unsigned before = play.n_sent;
	struct lltd_result result;
	struct play_view view;

	play_frame(LLTD_COUNTER_SNAPSHOT, 0x31, &history, 1);
	assert_int_equal(play.n_sent, before + 1);
	view = play_view(before);
	assert_int_equal(view.header.function, LLTD_COUNTER_RESULT);
	assert_int_equal(view.header.sequence, 0x31);
	assert_int_equal(lltd_read_result(view.body, view.body_len, &result), 0);
	assert_int_equal(view.body_len, LLTD_RESULT_LEN + (result.history + 1u) * LLTD_COUNTS_LEN);
	for (unsigned i = 0; i <= result.history; i++)
		lltd_get_counts(view.body, i, &result, &counts[i]);
	return result;
}

/* P-105 */
static void without_lease(void **state)
{
	struct lltd_counts counts[32];
	struct lltd_result result;

	traffic(50 * 1024, 5);
	result = snapshot(3, counts);
	assert_int_equal(result.subsecond_span, 0);
	assert_int_equal(result.history, 0);
	assert_int_equal(counts[0].bytes_received, 0);
	assert_true(lltd_deadline_us(play.lltd) == UINT64_MAX);
}

/* P-106 */
static void with_lease(void **state)
{
	struct lltd_counts counts[32];
	struct lltd_result result;

	lease();
	for (unsigned i = 1; i <= 5; i++)
		traffic(i * 100 * 1024, 1);
	play.counts.bytes_received += 7 * 1024;
	play_pass(SECOND / 2);
	result = snapshot(3, counts);
	assert_int_equal(result.history, 3);
	assert_int_equal(result.subsecond_span, 128);
	assert_int_equal(result.byte_scale, 0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(counts[i].bytes_received, (3 + i) * 100 * 1024);
		assert_int_equal(counts[i].packets_received, (3 + i) * 100);
		assert_int_equal(counts[i].bytes_sent, 10240);
		assert_int_equal(counts[i].packets_sent, 20);
	}
	assert_int_equal(counts[3].bytes_received, 7 * 1024);
	/* Never more than there is, nor than is kept. */
	assert_int_equal(snapshot(200, counts).history, 5);
	traffic(1024, 60);
	assert_int_equal(snapshot(200, counts).history, 30);
}

/* P-107 */
static void lease_expires(void **state)
{
	struct lltd_counts counts[32];

	lease();
	play_pass(4 * MINUTE);
	lease();
	play_pass(4 * MINUTE);
	assert_int_equal(snapshot(3, counts).history, 3);
	play_pass(MINUTE + SECOND);
	assert_true(lltd_deadline_us(play.lltd) == UINT64_MAX);
	assert_int_equal(snapshot(3, counts).history, 0);
	assert_int_equal(snapshot(3, counts).subsecond_span, 0);
}

/* P-108 */
static void scale(void **state)
{
	struct lltd_counts counts[32];
	struct lltd_result result;

	lease();
	traffic(UINT64_C(125000000), 1); /* 1 Gbit/s */
	traffic(1024, 1);
	result = snapshot(2, counts);
	assert_int_equal(result.byte_scale, 1);
	assert_in_range(counts[0].bytes_received, 125000000 - 1024, 125000000 + 1024);
	assert_int_equal(result.packet_scale, 1);
}

/* A host that slept counts nothing twice, and each second that it missed as much as the others. */
static void held_up(void **state)
{
	struct lltd_counts counts[32];

	lease();
	play.counts.bytes_received += 400 * 1024;
	play.now_us += 4 * SECOND;
	assert_int_equal(snapshot(9, counts).history, 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(counts[i].bytes_received, 100 * 1024);
}

/* A question to all would be answered by all, to whoever it says it is from. */
static void for_everybody(void **state)
{
	static const char *const broadcast =
		"ff ff ff ff ff ff 02 00 00 00 00 01 88 d9 01 02 00 08 "
		"ff ff ff ff ff ff 02 00 00 00 00 01 00 31 03";

	play_receive_hex(broadcast);
	assert_int_equal(play.n_sent, 0);
	assert_int_equal(lltd_counter(play.lltd, LLTD_COUNT_NOT_FOR_US), 1);
}

/* P-109: the number as the Rally kit writes it. */
static void history_of_sixteen_bits(void **state)
{
	lease();
	traffic(1024, 5);
	play_frame(LLTD_COUNTER_SNAPSHOT, 0x31, "\0\3", 2);
	assert_int_equal(play.n_sent, 1);
	assert_int_equal(play_last()->data[35], 3);
}

static void limited(void **state)
{
	lease();
	for (unsigned i = 0; i < 2000; i++) {
		play_frame(LLTD_COUNTER_SNAPSHOT, 0x31, "\3", 1);
		play.now_us += 500;
	}
	assert_in_range(play.n_sent, 50, 57);
}

/* ---- asking others ---- */

/* P-119 */
static void renewal(void **state)
{
	assert_int_equal(lltd_count(play.lltd, &play_sink, 3, NULL, play.now_us), -ENOTCONN);
	lltd_lease(play.lltd, play.now_us);
	lltd_lease(play.lltd, play.now_us); /* has no effect */
	play_assert_bytes(play.sent[0].data, play.sent[0].len,
			  "ff ff ff ff ff ff 02 00 00 00 00 01 88 d9 01 02 00 0a "
			  "ff ff ff ff ff ff 02 00 00 00 00 01 00 00");
	play_pass(10 * MINUTE);
	assert_int_equal(play.n_sent, 4);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(play.sent[i].at_us, SECOND + i * 3 * MINUTE);
		assert_memory_equal(play.sent[i].data, play.sent[0].data, play.sent[0].len);
	}
	lltd_end_lease(play.lltd);
	play_pass(10 * MINUTE);
	assert_int_equal(play.n_sent, 4);
}

static void answer(uint16_t sequence, uint8_t history)
{
	struct lltd_result result = { .subsecond_span = 64, .byte_scale = 1, .history = history };
	uint8_t body[LLTD_RESULT_LEN + 8 * LLTD_COUNTS_LEN];

	lltd_put_result(body, &result);
	for (unsigned i = 0; i <= history; i++)
		lltd_put_counts(body, i, &result,
				&(struct lltd_counts){ (i + 1) * 20480, i, i, i });
	play_frame(LLTD_COUNTER_RESULT, sequence, body,
		   LLTD_RESULT_LEN + (history + 1u) * LLTD_COUNTS_LEN);
}

static void question(void **state)
{
	uint16_t sequence;

	lltd_lease(play.lltd, play.now_us);
	assert_int_equal(lltd_count(play.lltd, &play_sink, 3, NULL, play.now_us), 0);
	assert_int_equal(lltd_count(play.lltd, &play_sink, 3, NULL, play.now_us), -EBUSY);
	assert_int_equal(play_last()->len, 33);
	assert_int_equal(play_last()->data[32], 3);
	sequence = play_view(1).header.sequence;
	assert_int_not_equal(sequence, 0);
	play_pass(150 * MS); /* is asked again, with the same number */
	assert_int_equal(play.n_sent, 3);
	assert_memory_equal(play.sent[1].data, play.sent[2].data, 33);
	answer((uint16_t)(sequence + 1), 2);
	answer(sequence, 4); /* more than was asked for */
	assert_int_equal(play.n_counted, 0);
	answer(sequence, 2);
	assert_int_equal(play.n_counted, 1);
	assert_int_equal(play.n_seconds, 3);
	assert_int_equal(play.seconds[0].span_us, SECOND);
	assert_int_equal(play.seconds[1].counts.bytes_received, 2 * 20480);
	assert_int_equal(play.seconds[2].span_us, SECOND / 4);
	answer(sequence, 2);
	assert_int_equal(play.n_counted, 1);
}

static void silence(void **state)
{
	lltd_lease(play.lltd, play.now_us);
	assert_int_equal(lltd_count(play.lltd, &play_sink, 3, NULL, play.now_us), 0);
	play_pass(SECOND);
	assert_int_equal(play.n_sent, 1 + 5);
	assert_true(play.n_counted == 1 && play.counted_status == -ETIMEDOUT);
	assert_int_equal(lltd_count(play.lltd, &play_sink, 3, NULL, play.now_us), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_lease, setup_sink, play_teardown),
		cmocka_unit_test_setup_teardown(with_lease, setup_sink, play_teardown),
		cmocka_unit_test_setup_teardown(lease_expires, setup_sink, play_teardown),
		cmocka_unit_test_setup_teardown(scale, setup_sink, play_teardown),
		cmocka_unit_test_setup_teardown(held_up, setup_sink, play_teardown),
		cmocka_unit_test_setup_teardown(for_everybody, setup_sink, play_teardown),
		cmocka_unit_test_setup_teardown(history_of_sixteen_bits, setup_sink, play_teardown),
		cmocka_unit_test_setup_teardown(limited, setup_sink, play_teardown),
		cmocka_unit_test_setup_teardown(renewal, setup_controller, play_teardown),
		cmocka_unit_test_setup_teardown(question, setup_controller, play_teardown),
		cmocka_unit_test_setup_teardown(silence, setup_controller, play_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
