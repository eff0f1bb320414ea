/* SPDX-License-Identifier: MIT */
/* test_rsvp_blockade.c: blockade state, and SCOPE (R-150..R-164). */
#include "rsvp_hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void refresh_paths(struct hand *hand)
{
	for (unsigned i = 0; i < 3; i++)
		hand_path(hand, i, 5000);
}

static void make_with_paths(struct hand *hand)
{
	hand_make(hand, AF_INET);
	refresh_paths(hand);
	sim_run(hand->sim, 5 * SIM_S);
	sim_forget(hand->sim);
}

/* From the previous hop on an interface: so much is too much. */
static void refuse(struct hand *hand, uint32_t ifindex, enum rsvp_style style, float rate,
		   unsigned senders, uint8_t code)
{
	struct hand_resv resv = { .style = style,
				  .flowspec = sim_controlled_load(rate),
				  .senders = senders };

	hand_resv_err(hand, ifindex, &resv, code, 2, 0);
}

static float asked(const struct hand *hand, uint32_t ifindex)
{
	struct rsvp_message message;

	hand_last(hand, RSVP_RESV, ifindex, &message);
	return hand_flow(&message, 0).flowspec.tspec.r;
}

/* what was refused is left out, and what is smaller is asked for at once. */
static void test_smaller_is_asked_for(void **state)
{
	static const enum rsvp_style styles[] = { RSVP_STYLE_FF, RSVP_STYLE_SE, RSVP_STYLE_WF };
	struct hand hand;

	(void)state;
	for (int s = 0; s < 3; s++) {
		make_with_paths(&hand);
		hand_ask(&hand, 3, styles[s], 2000, 1);
		hand_ask(&hand, 4, styles[s], 1000, 1);
		sim_forget(hand.sim);
		refuse(&hand, 1, styles[s], 2000, 1, RSVP_ERROR_ADMISSION);
		assert_int_equal(rsvp_sizes(hand.rsvp).blockades, 1);
		assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 1);
		assert_true(asked(&hand, 1) == 1000);
		assert_int_equal(sim_n_installed(hand.sim, HAND_R), 2); /* */
		assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 0), 0);
		hand_free(&hand);
	}
}

/* it lasts Kb * R from the last refusal; then the large one is tried again. */
static void test_expires(void **state)
{
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 2000, 1);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 1000, 1);
	refuse(&hand, 1, RSVP_STYLE_FF, 2000, 1, RSVP_ERROR_ADMISSION);
	sim_run(hand.sim, 60 * SIM_S);
	refuse(&hand, 1, RSVP_STYLE_FF, 2000, 1, RSVP_ERROR_ADMISSION);
	sim_run(hand.sim, 89 * SIM_S);
	assert_true(asked(&hand, 1) == 1000);
	sim_forget(hand.sim);
	sim_run(hand.sim, 1100 * SIM_MS);
	assert_int_equal(rsvp_sizes(hand.rsvp).blockades, 0);
	assert_true(asked(&hand, 1) == 2000);
	hand_free(&hand);
}

/* */
static void test_other_errors(void **state)
{
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 2000, 1);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 1000, 1);
	sim_forget(hand.sim);
	refuse(&hand, 1, RSVP_STYLE_FF, 2000, 1, RSVP_ERROR_POLICY);
	refuse(&hand, 1, RSVP_STYLE_FF, 2000, 1, RSVP_ERROR_TRAFFIC);
	assert_int_equal(rsvp_sizes(hand.rsvp).blockades, 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 0), 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 3), 2);
	hand_free(&hand);
}

/* for WF it is the previous hop that refuses, for the others it is a matter of the sender. */
static void test_of_whom(void **state)
{
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	hand_ask(&hand, 3, RSVP_STYLE_WF, 2000, 0);
	hand_ask(&hand, 4, RSVP_STYLE_WF, 1000, 0);
	sim_forget(hand.sim);
	refuse(&hand, 1, RSVP_STYLE_WF, 2000, 0, RSVP_ERROR_ADMISSION);
	assert_true(asked(&hand, 1) == 1000);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 2), 0);
	hand_free(&hand);

	make_with_paths(&hand);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 2000, 5);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 1000, 5);
	refuse(&hand, 1, RSVP_STYLE_FF, 2000, 4, RSVP_ERROR_ADMISSION);
	{
		struct rsvp_message message;

		hand_last(&hand, RSVP_RESV, 1, &message);
		assert_int_equal(message.n_flows, 2);
		for (unsigned i = 0; i < 2; i++) {
			struct rsvp_flow flow = hand_flow(&message, i);
			bool refused = rsvp_sender_equal(&flow.sender, &hand.senders[2]);

			assert_true(flow.flowspec.tspec.r == (refused ? 1000 : 2000));
		}
	}
	hand_free(&hand);
}

/* if all is refused the least is asked for, so that it lives; not as an answer to the refusal. */
static void test_all_are_blockaded(void **state)
{
	static const enum rsvp_style styles[] = { RSVP_STYLE_FF, RSVP_STYLE_SE, RSVP_STYLE_WF };
	struct hand hand;

	(void)state;
	for (int s = 0; s < 3; s++) {
		make_with_paths(&hand);
		hand_ask(&hand, 3, styles[s], 2000, 1);
		hand_ask(&hand, 4, styles[s], 1000, 1);
		sim_forget(hand.sim);
		refuse(&hand, 1, styles[s], 1000, 1, RSVP_ERROR_ADMISSION);
		assert_int_equal(hand_sent(&hand, RSVP_RESV, 0), 0);
		assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 0), 0);
		sim_run(hand.sim, 60 * SIM_S);
		assert_true(asked(&hand, 1) == 1000);
		hand_free(&hand);
	}
}

/* ---- SCOPE ---- */

static unsigned scope_of(const struct hand *hand, uint32_t ifindex, struct address *addresses)
{
	struct rsvp_message message;
	const struct rsvp_object *scope = &message.object[RSVP_CLASS_SCOPE];
	unsigned n;

	hand_last(hand, RSVP_RESV, ifindex, &message);
	if (!scope->data)
		return 0;
	n = rsvp_scope_count(scope);
	for (unsigned i = 0; i < n; i++)
		rsvp_scope_get(scope, i, &addresses[i]);
	return n;
}

/* R-159..R-162: with more than one previous hop, each is told which of its senders are meant, in their order. */
static void test_scope(void **state)
{
	struct address listed[8];
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	/* A host behind the first hop, with an address above that hop's. */
	sim_attach(hand.sim, sim_plain_node(hand.sim), 0);
	hand.senders[2].address[15]++;
	hand_path(&hand, 2, 1000);
	hand_ask(&hand, 3, RSVP_STYLE_WF, 1000, 0);
	assert_int_equal(scope_of(&hand, 1, listed), 0);
	/* A second sender behind the same hop; then another hop. */
	hand_path(&hand, 0, 1000);
	hand_path(&hand, 1, 1000);
	sim_run(hand.sim, 60 * SIM_S);
	assert_int_equal(scope_of(&hand, 1, listed), 2);
	assert_memory_equal(listed[0].addr, hand.senders[0].address, 16);
	assert_memory_equal(listed[1].addr, hand.senders[2].address, 16);
	assert_int_equal(scope_of(&hand, 2, listed), 1);
	assert_memory_equal(listed[0].addr, hand.senders[1].address, 16);
	hand_free(&hand);
}

/* those that are asked for are all elsewhere. */
static void test_empty_scope(void **state)
{
	struct hand_resv resv = { .style = RSVP_STYLE_WF, .flowspec = sim_controlled_load(1000) };
	struct address listed[8], scope;
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	scope = hand.neighbours[1].address;
	resv.scope = &scope;
	resv.n_scope = 1;
	hand_resv(&hand, 3, &resv);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 2), 0);
	assert_int_equal(scope_of(&hand, 1, listed), 1);
	/* One without a SCOPE means all. */
	hand_ask(&hand, 4, RSVP_STYLE_WF, 500, 0);
	assert_int_equal(scope_of(&hand, 2, listed), 1);
	hand_free(&hand);
}

/* a sender on this node is no matter of any previous hop's. */
static void test_local_senders(void **state)
{
	struct address listed[8], own;
	struct sim_app *app;
	struct rsvp_sender sender;
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	app = sim_open(hand.sim, HAND_R, &hand.session);
	own = sim_address(hand.sim, HAND_R, 3, AF_INET);
	sender = sim_sender(&own, 7000);
	sim_send(app, &sender, 1000);
	hand_ask(&hand, 3, RSVP_STYLE_WF, 1000, 0);
	assert_int_equal(sim_events(app, RSVP_EVENT_RESV), 1);
	assert_int_equal(scope_of(&hand, 1, listed), 1);
	assert_memory_equal(listed[0].addr, hand.neighbours[1].address.addr, 16);
	assert_int_equal(scope_of(&hand, 2, listed), 1);
	sim_close(app);
	hand_free(&hand);
}

/*
 * three routers in a ring, each with a host that sends and receives. When the receivers have gone, nothing is
 * left that keeps itself alive.
 */
static void test_loop_dies_out(void **state)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(1000);
	struct address group = sim_group(AF_INET, 5), address;
	struct rsvp_session session = sim_session(&group, 5004);
	struct sim *sim = sim_new(12);
	struct sim_app *apps[3];
	struct rsvp_sender sender;

	(void)state;
	for (int i = 0; i < 6; i++)
		sim_node(sim);
	for (unsigned i = 0; i < 3; i++) {
		sim_connect(sim, i, (i + 1) % 3);
		sim_connect(sim, i, 3 + i);
	}
	for (unsigned i = 0; i < 3; i++) {
		apps[i] = sim_open(sim, 3 + i, &session);
		address = sim_address(sim, 3 + i, 1, AF_INET);
		sender = sim_sender(&address, 6000);
		sim_send(apps[i], &sender, 1000);
		sim_reserve(apps[i], RSVP_STYLE_WF, &flowspec, NULL, 0, false);
	}
	sim_run(sim, 200 * SIM_S);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(sim_events(apps[i], RSVP_EVENT_RESV) > 0, true);
		assert_false(sim_last_event(apps[i], RSVP_EVENT_RESV)->event.gone);
		assert_int_equal(sim_n_installed(sim, i), 3);
	}
	for (unsigned i = 0; i < 3; i++)
		sim_reserve(apps[i], RSVP_STYLE_WF, NULL, NULL, 0, false);
	sim_run(sim, 400 * SIM_S);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(sim_n_installed(sim, i), 0);
	sim_forget(sim);
	sim_run(sim, 100 * SIM_S);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(sim_sent(sim, i, RSVP_RESV, 0), 0);
	sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_smaller_is_asked_for), cmocka_unit_test(test_expires),
		cmocka_unit_test(test_other_errors),	     cmocka_unit_test(test_of_whom),
		cmocka_unit_test(test_all_are_blockaded),    cmocka_unit_test(test_scope),
		cmocka_unit_test(test_empty_scope),	     cmocka_unit_test(test_local_senders),
		cmocka_unit_test(test_loop_dies_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
