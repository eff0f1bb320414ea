/* SPDX-License-Identifier: MIT */
/* test_qlpb_memory.c: probe/qlpb where there is no memory: what is asked for is refused, what stands goes on. */
#include "qlpb_hand.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scarce_memory.h"

static int accept_one(uint16_t port, uint32_t *ret_connection)
{
	struct address remote = hand_address(HAND_PEER, port);

	return qlpb_accept(hand.qlpb, &remote, 7, ret_connection, hand.now_us);
}

static void sessions(void **state)
{
	static const uint8_t handshake[] = { 1, 0, 0, 1 };
	uint32_t stands = hand_session(HAND_PEER, 49876, QLPB_ID_PACKET_PAIR), next;
	uint32_t waits = hand_accept(HAND_PEER, 49877);

	memory_fails_at = 1;
	assert_int_equal(accept_one(49878, &next), -ENOMEM);
	memory_fails_at = 1;
	qlpb_received(hand.qlpb, waits, handshake, sizeof(handshake), hand.now_us);
	assert_int_equal(memory_fails_at, 0);
	assert_true(hand_is_closed(waits));
	assert_false(hand_is_closed(stands));
	assert_int_equal(qlpb_sizes(hand.qlpb).sessions, 1);
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, true, 2, 1, 100);
	hand_probe(HAND_PEER, QLPB_ID_PACKET_PAIR, false, 2, 2, 100);
	assert_int_equal(hand.n_written, 2);
}

/* Of an experiment, or of what its kind needs besides. */
static void experiments(void **state)
{
	for (enum qlpb_kind kind = QLPB_ROUTE_CHECK; kind <= QLPB_CLAIM; kind++) {
		unsigned needed = kind == QLPB_ROUTE_CHECK || kind == QLPB_FLOOD ? 1 : 2;
		struct qlpb_request request = {
			.kind = kind,
			.sink = hand_address(HAND_PEER, 0),
			.flood_bytes = 1,
			.rate_bps = 1000000,
			.duration_us = 1000,
		};
		uint32_t id;

		for (unsigned n = 0; n < needed; n++) {
			memory_fails_at = n + 1;
			assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us),
					 -ENOMEM);
			assert_int_equal(memory_fails_at, 0);
		}
		assert_int_equal(hand.n_connects, 0);
		assert_int_equal(qlpb_sizes(hand.qlpb).experiments, 0);
		assert_int_equal(qlpb_start(hand.qlpb, &request, &id, hand.now_us), 0);
		qlpb_cancel(hand.qlpb, id);
		hand.n_connects = 0;
	}
	assert_true(qlpb_deadline_us(hand.qlpb) == UINT64_MAX);
}

static void a_node(void **state)
{
	struct qlpb_ports ports = { 0 };
	struct qlpb_config config;

	qlpb_config_default(&config);
	memory_fails_at = 1;
	assert_null(qlpb_new(&ports, &config));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, hand_setup, hand_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(sessions), TEST(experiments), TEST(a_node) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
