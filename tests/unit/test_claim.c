/* SPDX-License-Identifier: MIT */
/*
 * test_claim.c: probe/claim paces load, and either protocol sends it so that nobody answers: MS-QLPB as probes of no
 * session, LLTD as timed probes that nobody asks for.
 */
#include "probe/claim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lltd_hand.h"
#include "qlpb_hand.h"

#define MS UINT64_C(1000)
#define SECOND UINT64_C(1000000)

/* ---- when packets leave ---- */

static unsigned take_all(struct claim *claim, uint64_t now_us, unsigned *ret_most)
{
	unsigned sum = 0;

	*ret_most = 0;
	while (!claim_is_over(claim, now_us)) {
		unsigned n = claim_take(claim, now_us);
		uint64_t next_us = claim_deadline_us(claim, now_us);

		assert_true(next_us > now_us);
		now_us = next_us;
		sum += n;
		*ret_most = n > *ret_most ? n : *ret_most;
	}
	assert_int_equal(claim_take(claim, now_us), 0);
	return sum;
}

static void paced(void **state)
{
	static const struct {
		uint64_t rate_bps;
		unsigned least, most, at_once;
	} cases[] = {
		{ 64000, 2, 2, 1 },	       /* one each 187 ms */
		{ 10000000, 166, 169, 2 },     /* one each 1.2 ms */
		{ 100000000, 1660, 1680, 10 }, /* some at a time */
		{ UINT64_C(100000000000), 64 * 199, 64 * 200,
		  CLAIM_BATCH }, /* no more than so many */
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct claim claim;
		unsigned most;

		assert_int_equal(claim_begin(&claim, cases[i].rate_bps, 1496, 200000, SECOND), 0);
		assert_in_range(take_all(&claim, SECOND, &most), cases[i].least, cases[i].most);
		assert_in_range(most, 1, cases[i].at_once);
	}
}

/* Who comes late does not send all that should have left meanwhile. */
static void held_up(void **state)
{
	struct claim claim;

	assert_int_equal(claim_begin(&claim, 1000000000, 1496, 500000, SECOND), 0);
	assert_int_equal(claim_take(&claim, SECOND + 300 * MS), CLAIM_BATCH);
	assert_int_equal(claim_take(&claim, SECOND + 300 * MS), 0);
	assert_in_range(claim_take(&claim, SECOND + 301 * MS), 80 * CLAIM_BATCH / 84, CLAIM_BATCH);
}

static void refused(void **state)
{
	struct claim claim;

	assert_int_equal(claim_begin(&claim, 0, 1496, 1000, SECOND), -EINVAL);
	assert_int_equal(claim_begin(&claim, 1000, 0, 1000, SECOND), -EINVAL);
	assert_int_equal(claim_begin(&claim, 1000, 1496, 0, SECOND), -EINVAL);
	assert_int_equal(claim_begin(&claim, 1000, 1496, 1000001, SECOND), -EINVAL);
	/* A rate that nothing has is no division by zero. */
	assert_int_equal(claim_begin(&claim, UINT64_MAX, 1496, 1000, SECOND), 0);
	assert_int_equal(claim_take(&claim, SECOND + 500), CLAIM_BATCH);
}

/* ---- MS-QLPB ---- */

/* P-055's properties hold; and the session key is one that no session has (P-019). */
static void by_qlpb(void **state)
{
	struct qlpb_request request = {
		.kind = QLPB_CLAIM,
		.sink = hand_address(HAND_PEER, 0),
		.ifindex = 7,
		.data = &hand,
		.rate_bps = 5984000, /* a packet each 2 ms */
		.duration_us = 100000,
	};
	uint64_t start_us = hand.now_us;
	uint32_t experiment;

	assert_int_equal(qlpb_start(hand.qlpb, &request, &experiment, hand.now_us), 0);
	hand_pass(SECOND);
	assert_int_equal(hand.n_connects, 0);
	assert_int_equal(hand.n_sent, 50);
	for (unsigned i = 0; i < hand.n_sent; i++) {
		const struct hand_sent *sent = &hand.sent[i];
		struct qlpb_probe probe;

		assert_int_equal(sent->at_us, start_us + i * 2 * MS);
		assert_int_equal(sent->datagram.socket, QLPB_SOCKET_PROBE);
		assert_int_equal(sent->datagram.hop_limit, 1);
		assert_int_equal(sent->datagram.len, 1468);
		assert_int_equal(qlpb_read_probe(sent->data, sent->datagram.len, &probe), 0);
		assert_int_equal(probe.initiator_port, 0);
		assert_false(probe.flag);
		assert_int_equal(probe.sequence, i + 1);
		if (i > 0)
			assert_memory_not_equal(sent->data + 12, hand.sent[i - 1].data + 12, 1456);
	}
	assert_int_equal(hand.n_results, 1);
	assert_int_equal(hand.results[0].status, 0);
	assert_int_equal(hand.results[0].bytes, 50 * 1468);
	assert_true(qlpb_deadline_us(hand.qlpb) == UINT64_MAX);
}

/* A sink says nothing to it, whatever sessions there are. */
static void ignored_by_qlpb(void **state)
{
	uint8_t data[1468] = { 0 };
	uint32_t connection;
	struct address remote = hand_address(HAND_PEER, 40000);

	assert_int_equal(qlpb_accept(hand.qlpb, &remote, 7, &connection, hand.now_us), 0);
	hand_receive_hex(connection, "01 00 00 01");
	assert_int_equal(hand.n_written, 1);
	qlpb_put_probe(data, &(struct qlpb_probe){ .id = QLPB_ID_PACKET_PAIR, .sequence = 1 });
	for (unsigned i = 0; i < 100; i++)
		hand_datagram(HAND_PEER, 50000, data, sizeof(data));
	hand_pass(SECOND);
	assert_int_equal(hand.n_sent, 0);
	assert_int_equal(hand.n_written, 1);
	assert_int_equal(qlpb_count(hand.qlpb, QLPB_COUNT_NO_SESSION), 100);
	assert_int_equal(qlpb_sizes(hand.qlpb).sessions, 1);
}

static void cancelled_qlpb(void **state)
{
	struct qlpb_request request = {
		.kind = QLPB_CLAIM,
		.sink = hand_address(HAND_PEER6, 0),
		.data = &hand,
		.rate_bps = 50000000,
		.duration_us = 100000,
	};
	uint32_t experiment;
	unsigned n_sent;

	assert_int_equal(qlpb_start(hand.qlpb, &request, &experiment, hand.now_us), 0);
	hand_pass(10 * MS);
	n_sent = hand.n_sent;
	assert_true(n_sent > 0);
	qlpb_cancel(hand.qlpb, experiment);
	hand_pass(SECOND);
	assert_int_equal(hand.n_sent, n_sent);
	assert_int_equal(hand.n_results, 0);
}

/* ---- LLTD ---- */

static uint32_t session;

static int setup_lltd(void **state)
{
	const struct lltd_request request = { .sink = play_sink, .data = &play };
	uint8_t body[LLTD_READY_LEN];

	play_open(&play_controller);
	assert_int_equal(lltd_open(play.lltd, &request, &session, play.now_us), 0);
	lltd_put_ready(body, &(struct lltd_ready){ 100000000, 1000000 });
	play_frame(LLTD_READY, play_view(0).header.sequence, body, sizeof(body));
	assert_int_equal(play.n_ready, 1);
	play.n_sent = 0;
	return 0;
}

static const struct lltd_claim_request claim_request = {
	.rate_bps = 5984000,
	.packet_bytes = 1496,
	.duration_us = 100000,
};

static void by_lltd(void **state)
{
	uint64_t start_us = play.now_us;
	struct lltd_probe probe;

	assert_int_equal(lltd_claim(play.lltd, session, &claim_request, play.now_us), 0);
	assert_int_equal(lltd_claim(play.lltd, session, &claim_request, play.now_us), -EBUSY);
	play_pass(SECOND);
	assert_int_equal(play.n_sent, 50);
	assert_int_equal(play.n_claimed, 1);
	assert_int_equal(play.n_ended, 0);
	for (unsigned i = 0; i < play.n_sent; i++) {
		struct play_view view = play_view(i);

		assert_int_equal(play.sent[i].at_us, start_us + i * 2 * MS);
		assert_int_equal(play.sent[i].len, 1510);
		assert_int_equal(view.header.function, LLTD_PROBE);
		assert_int_equal(view.header.sequence, play_view(0).header.sequence);
		assert_int_equal(lltd_read_probe(view.body, view.body_len, &probe), 0);
		assert_int_equal(probe.test, LLTD_TEST_TIMED);
	}
}

/* Gaps go on meanwhile, under numbers of their own. */
static void beside_gaps(void **state)
{
	const struct lltd_gap_request gaps = { .interval_us = 10000, .count = 3 };
	unsigned n_gaps = 0;

	assert_int_equal(lltd_claim(play.lltd, session, &claim_request, play.now_us), 0);
	assert_int_equal(lltd_probegap(play.lltd, session, &gaps, play.now_us), 0);
	play_pass(2 * SECOND);
	assert_int_equal(play.n_gaps, 3);
	assert_int_equal(play.n_claimed, 1);
	for (unsigned i = 0; i < play.n_sent; i++) {
		if (play.sent[i].len == 1510)
			continue;
		assert_int_not_equal(play_view(i).header.sequence & 0x8000,
				     play_view(1).header.sequence & 0x8000);
		n_gaps++;
	}
	assert_int_equal(n_gaps, 3);
}

static void ended_lltd(void **state)
{
	struct lltd_claim_request request = claim_request;
	unsigned n_sent;

	assert_int_equal(lltd_claim(play.lltd, session + 1, &request, play.now_us), -ENOENT);
	request.packet_bytes = LLTD_TRAIN_PACKET_MAX + 1;
	assert_int_equal(lltd_claim(play.lltd, session, &request, play.now_us), -EINVAL);
	request = claim_request;
	request.rate_bps = 0;
	assert_int_equal(lltd_claim(play.lltd, session, &request, play.now_us), -EINVAL);
	for (unsigned closes = 0; closes < 2; closes++) {
		assert_int_equal(lltd_claim(play.lltd, session, &claim_request, play.now_us), 0);
		play_pass(10 * MS);
		if (closes)
			lltd_close(play.lltd, session, play.now_us);
		else
			lltd_end_claim(play.lltd, session);
		n_sent = play.n_sent;
		play_pass(50 * MS);
		assert_int_equal(play.n_sent, n_sent);
		assert_int_equal(play.n_claimed, 0);
	}
	assert_int_equal(lltd_claim(play.lltd, session, &claim_request, play.now_us), -ENOENT);
}

int main(void)
{
#define BY_QLPB(name) cmocka_unit_test_setup_teardown(name, hand_setup, hand_teardown)
#define BY_LLTD(name) cmocka_unit_test_setup_teardown(name, setup_lltd, play_teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paced), cmocka_unit_test(held_up), cmocka_unit_test(refused),
		BY_QLPB(by_qlpb),	 BY_QLPB(ignored_by_qlpb),  BY_QLPB(cancelled_qlpb),
		BY_LLTD(by_lltd),	 BY_LLTD(beside_gaps),	    BY_LLTD(ended_lltd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
