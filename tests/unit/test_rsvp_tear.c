/* SPDX-License-Identifier: MIT */
/* test_rsvp_tear.c: the ways in which state ends (R-088..R-095, R-124..R-129, R-273; architecture §5.2). */
#include "rsvp_hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void make_with_paths(struct hand *hand, unsigned senders)
{
	hand_make(hand, AF_INET);
	for (unsigned i = 0; i < 3; i++) {
		if (senders & 1u << i)
			hand_path(hand, i, 5000);
	}
	sim_run(hand->sim, 5 * SIM_S);
	sim_forget(hand->sim);
}

static unsigned sent_in_all(const struct hand *hand)
{
	return (unsigned)sim_n_packets(hand->sim);
}

/* goes on, along the way of the data, twice and identical. */
static void test_path_tear(void **state)
{
	const struct sim_packet *packet;
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, 1);
	hand_path_tear(&hand, 0);
	assert_int_equal(rsvp_sizes(hand.rsvp).sessions, 0);
	for (uint32_t i = 3; i <= 4; i++) {
		assert_int_equal(hand_sent(&hand, RSVP_PATH_TEAR, i), 1);
		packet = sim_last_sent(hand.sim, HAND_R, RSVP_PATH_TEAR, i, &message);
		assert_memory_equal(packet->packet.source.addr, hand.senders[0].address, 16);
		assert_memory_equal(packet->packet.destination.addr, hand.session.address, 16);
		assert_true(packet->packet.router_alert && packet->packet.foreign_source);
		assert_int_equal(packet->packet.ttl, 59);
		assert_int_equal(message.hop.lih, i);
	}
	sim_run(hand.sim, 450 * SIM_MS);
	assert_int_equal(hand_sent(&hand, RSVP_PATH_TEAR, 3), 1);
	sim_run(hand.sim, 100 * SIM_MS);
	assert_int_equal(hand_sent(&hand, RSVP_PATH_TEAR, 3), 2);
	{
		const struct sim_packet *first = sim_packet(hand.sim, 0);
		const struct sim_packet *again = sim_last_sent(hand.sim, HAND_R, RSVP_PATH_TEAR,
							       first->packet.ifindex, NULL);

		assert_ptr_not_equal(first, again);
		assert_int_equal(first->packet.len, again->packet.len);
		assert_memory_equal(first->data, again->data, first->packet.len);
	}
	sim_run(hand.sim, 200 * SIM_S);
	assert_int_equal(sent_in_all(&hand), 4);
	hand_free(&hand);
}

/* A session that has begun anew is not torn by the repetition. */
static void test_restarted(void **state)
{
	struct hand hand;

	(void)state;
	make_with_paths(&hand, 1);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	hand_resv_tear(&hand, 3, RSVP_STYLE_FF, 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 1), 1);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	hand_path_tear(&hand, 0);
	hand_path(&hand, 0, 1000);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	sim_run(hand.sim, 2 * SIM_S);
	assert_int_equal(hand_sent(&hand, RSVP_PATH_TEAR, 3), 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 1), 1);
	hand_free(&hand);
}

/* */
static void test_path_tear_of_others(void **state)
{
	struct rsvp_hop hop;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, 1);
	hand_path_tear(&hand, 2);
	hop = hand.neighbours[1];
	hand.neighbours[1].address.addr[15] = 77;
	hand_path_tear(&hand, 0);
	hand.neighbours[1] = hop;
	hand.session.port++;
	hand_path_tear(&hand, 0);
	assert_int_equal(sent_in_all(&hand), 0);
	assert_int_equal(rsvp_sizes(hand.rsvp).senders, 1);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_NO_STATE), 3);
	hand_free(&hand);
}

/* the filters go with the sender, and upstream hears nothing. */
static void test_path_tear_ends_filters(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, 5);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 5);
	hand_ask(&hand, 4, RSVP_STYLE_SE, 1000, 1);
	sim_run(hand.sim, 5 * SIM_S);
	sim_forget(hand.sim);
	hand_path_tear(&hand, 0);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 1);
	assert_int_equal(sim_installed(hand.sim, HAND_R, 0)->request.n_filters, 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 0), 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 0), 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 0), 0);
	sim_run(hand.sim, 50 * SIM_S);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_int_equal(hand_senders(&hand, &message), 4);
	hand_free(&hand);

	make_with_paths(&hand, 5);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 5);
	hand_path_tear(&hand, 2);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 0), 0);
	hand_free(&hand);
}

/* */
static void test_path_tear_of_the_last(void **state)
{
	struct hand hand;

	(void)state;
	make_with_paths(&hand, 3);
	hand_ask(&hand, 3, RSVP_STYLE_WF, 8000, 0);
	assert_true(sim_installed(hand.sim, HAND_R, 0)->request.tspec.r == 8000);
	hand_path_tear(&hand, 0);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
	assert_true(sim_installed(hand.sim, HAND_R, 0)->request.tspec.r == 5000);
	assert_false(sim_installed(hand.sim, HAND_R, 0)->request.police_merge);
	hand_path_tear(&hand, 1);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 0);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 0), 0);
	hand_free(&hand);
}

/* what is listed, and nothing that somebody else still wants. */
static void test_resv_tear(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, 7);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 7);
	hand_ask(&hand, 4, RSVP_STYLE_SE, 1000, 1);
	sim_forget(hand.sim);
	hand_resv_tear(&hand, 3, RSVP_STYLE_SE, 5);
	assert_int_equal(sim_installed(hand.sim, HAND_R, 0)->request.n_filters, 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 1), 1);
	hand_last(&hand, RSVP_RESV_TEAR, 1, &message);
	assert_int_equal(hand_senders(&hand, &message), 4);
	assert_int_equal(message.hop.lih, 101);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 2), 0);
	hand_resv_tear(&hand, 4, RSVP_STYLE_SE, 1);
	hand_last(&hand, RSVP_RESV_TEAR, 1, &message);
	assert_int_equal(hand_senders(&hand, &message), 1);
	hand_resv_tear(&hand, 3, RSVP_STYLE_SE, 2);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 2), 1);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 0);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 0);
	hand_free(&hand);
}

/* what remains is smaller. R-128: nothing changes. */
static void test_resv_tear_lowers(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, 1);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 2000, 1);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 1000, 1);
	sim_forget(hand.sim);
	hand_resv_tear(&hand, 3, RSVP_STYLE_FF, 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 0), 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 1);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 1000);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 500, 1);
	sim_forget(hand.sim);
	hand_resv_tear(&hand, 3, RSVP_STYLE_FF, 1);
	assert_int_equal(sent_in_all(&hand), 0);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 1);
	hand_free(&hand);
}

/* R-129, spec §16.7: of another style, or from somebody who has not reserved. */
static void test_resv_tear_of_others(void **state)
{
	struct rsvp_hop hop;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, 1);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	sim_forget(hand.sim);
	hand_resv_tear(&hand, 3, RSVP_STYLE_SE, 1);
	hand_resv_tear(&hand, 3, RSVP_STYLE_WF, 0);
	hand_resv_tear(&hand, 4, RSVP_STYLE_FF, 1);
	hop = hand.neighbours[3];
	hand.neighbours[3].address.addr[15] = 77;
	hand_resv_tear(&hand, 3, RSVP_STYLE_FF, 1);
	hand.neighbours[3] = hop;
	hand_resv_tear(&hand, 3, RSVP_STYLE_FF, 2);
	assert_int_equal(sent_in_all(&hand), 0);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_NO_STATE), 5);
	hand_free(&hand);
}

/* an interface that is down takes its reservations along; upstream hears of it. */
static void test_interface_down(void **state)
{
	struct hand hand;

	(void)state;
	make_with_paths(&hand, 3);
	hand_ask(&hand, 3, RSVP_STYLE_WF, 1000, 0);
	sim_forget(hand.sim);
	sim_interface(hand.sim, HAND_R, 3)->up = false;
	sim_interface_apply(hand.sim, HAND_R, 3);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 1), 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 2), 1);
	assert_int_equal(hand_sent(&hand, RSVP_PATH_TEAR, 0), 0);
	sim_run(hand.sim, 60 * SIM_S);
	assert_int_equal(hand_sent(&hand, RSVP_PATH, 3), 0);
	assert_in_range(hand_sent(&hand, RSVP_PATH, 4), 2, 8);
	/* One that is gone takes along what came by it. */
	rsvp_interface_remove(hand.rsvp, 1, sim_now(hand.sim));
	assert_int_equal(rsvp_sizes(hand.rsvp).senders, 1);
	assert_int_equal(hand_sent(&hand, RSVP_PATH_TEAR, 4), 1);
	hand_free(&hand);
}

/* A node that ends says so to everybody. */
static void test_farewell(void **state)
{
	struct hand hand;

	(void)state;
	make_with_paths(&hand, 3);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 3);
	sim_forget(hand.sim);
	sim_end(hand.sim, HAND_R);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 1), 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 2), 1);
	assert_int_equal(hand_sent(&hand, RSVP_PATH_TEAR, 3), 2);
	assert_int_equal(hand_sent(&hand, RSVP_PATH_TEAR, 4), 2);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 0);
	hand_free(&hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_tear),
		cmocka_unit_test(test_restarted),
		cmocka_unit_test(test_path_tear_of_others),
		cmocka_unit_test(test_path_tear_ends_filters),
		cmocka_unit_test(test_path_tear_of_the_last),
		cmocka_unit_test(test_resv_tear),
		cmocka_unit_test(test_resv_tear_lowers),
		cmocka_unit_test(test_resv_tear_of_others),
		cmocka_unit_test(test_interface_down),
		cmocka_unit_test(test_farewell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
