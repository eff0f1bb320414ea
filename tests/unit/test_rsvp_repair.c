/* SPDX-License-Identifier: MIT */
/* test_rsvp_repair.c: routes that change, refreshes that get lost, R that grows (R-167..R-177). */
#include "../sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/*
 * A sender (0), a router (1) with two ways to the next (4): by 2, which is the shorter one, and by 3; then the
 * receiver (5).
 */
struct diamond {
	struct sim *sim;
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct sim_app *from, *to;
	unsigned upper, lower; /* the links of router 1 */
};

static void make_diamond(struct diamond *diamond, uint64_t seed)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(1000);
	struct address address;
	struct sim *sim = sim_new(seed);

	diamond->sim = sim;
	for (int i = 0; i < 6; i++)
		sim_node(sim);
	sim_connect(sim, 0, 1);
	diamond->upper = sim_connect(sim, 1, 2);
	diamond->lower = sim_connect(sim, 1, 3);
	sim_connect(sim, 2, 4);
	sim_connect(sim, 3, 4);
	sim_connect(sim, 4, 5);
	sim_link_set_cost(sim, diamond->lower, 3, false);
	address = sim_address(sim, 5, 1, AF_INET);
	diamond->session = sim_session(&address, 5004);
	address = sim_address(sim, 0, 1, AF_INET);
	diamond->sender = sim_sender(&address, 6000);
	diamond->from = sim_open(sim, 0, &diamond->session);
	diamond->to = sim_open(sim, 5, &diamond->session);
	sim_send(diamond->from, &diamond->sender, 1000);
	sim_reserve(diamond->to, RSVP_STYLE_FF, &flowspec, &diamond->sender, 1, false);
	sim_run(sim, 10 * SIM_S);
	sim_forget(sim);
}

/* after W a Path goes the new way, and the reservation follows at once. */
static void test_route_changes(void **state)
{
	struct diamond d;

	(void)state;
	make_diamond(&d, 31);
	assert_int_equal(sim_n_installed(d.sim, 2), 1);
	sim_link_set_cost(d.sim, d.upper, 9, true);
	sim_run(d.sim, 1900 * SIM_MS);
	assert_int_equal(sim_sent(d.sim, 1, RSVP_PATH, 3), 0);
	sim_run(d.sim, 200 * SIM_MS);
	assert_int_equal(sim_sent(d.sim, 1, RSVP_PATH, 3), 1);
	assert_int_equal(sim_n_installed(d.sim, 3), 1);
	assert_int_equal(sim_n_installed(d.sim, 1), 2); /* the old one stays until it expires */
	assert_int_equal(sim_sent(d.sim, 1, RSVP_RESV_TEAR, 0), 0);
	assert_false(sim_last_event(d.from, RSVP_EVENT_RESV)->event.gone);
	/* what was reserved on the old way is not kept alive. */
	sim_run(d.sim, 200 * SIM_S);
	assert_int_equal(sim_n_installed(d.sim, 2), 0);
	assert_int_equal(sim_n_installed(d.sim, 1), 1);
	assert_int_equal(rsvp_sizes(sim_rsvp(d.sim, 2)).senders, 0);
	assert_false(sim_last_event(d.from, RSVP_EVENT_RESV)->event.gone);
	sim_free(d.sim);
}

/* a route that flaps within W is one change, or none. */
static void test_flapping(void **state)
{
	unsigned asked;
	struct diamond d;

	(void)state;
	make_diamond(&d, 32);
	asked = sim_routes_asked(d.sim, 1);
	for (int i = 0; i < 5; i++) {
		sim_link_set_cost(d.sim, d.upper, i % 2 ? 1 : 9, true);
		sim_run(d.sim, 300 * SIM_MS);
	}
	sim_run(d.sim, 1900 * SIM_MS);
	assert_int_equal(sim_sent(d.sim, 1, RSVP_PATH, 3), 1);
	assert_int_equal(sim_routes_asked(d.sim, 1), asked + 1);
	/* That it never ends is no reason to wait for ever. */
	sim_forget(d.sim);
	asked = sim_routes_asked(d.sim, 1);
	for (int i = 0; i < 24; i++) {
		sim_link_set_cost(d.sim, d.upper, 1, true);
		sim_run(d.sim, 300 * SIM_MS);
	}
	assert_int_equal(sim_routes_asked(d.sim, 1), asked + 1);
	sim_free(d.sim);
}

/* every session of the destination, and only what is below the prefix. */
static void test_all_sessions(void **state)
{
	struct address prefix, elsewhere;
	struct sim_app *apps[10];
	struct diamond d;
	unsigned asked;

	(void)state;
	make_diamond(&d, 33);
	for (unsigned i = 0; i < 10; i++) {
		struct rsvp_session session = d.session;

		session.port = (uint16_t)(7000 + i);
		apps[i] = sim_open(d.sim, 0, &session);
		sim_send(apps[i], &d.sender, 1000);
	}
	sim_run(d.sim, 5 * SIM_S);
	sim_forget(d.sim);
	asked = sim_routes_asked(d.sim, 1);
	sim_link_set_cost(d.sim, d.upper, 9, false);
	prefix = sim_address(d.sim, 5, 1, AF_INET);
	elsewhere = prefix;
	elsewhere.addr[13] ^= 0x80;
	rsvp_routes_changed(sim_rsvp(d.sim, 1), &elsewhere, 9, sim_now(d.sim));
	sim_run(d.sim, 7 * SIM_S);
	assert_int_equal(sim_routes_asked(d.sim, 1), asked);
	rsvp_routes_changed(sim_rsvp(d.sim, 1), &prefix, 24, sim_now(d.sim));
	sim_interface_apply(d.sim, 1, 1); /* the world looks at deadlines again */
	sim_run(d.sim, 2100 * SIM_MS);
	assert_int_equal(sim_sent(d.sim, 1, RSVP_PATH, 3), 11);
	sim_free(d.sim);
}

/* R grows by no more than 30 % in one cycle, and shrinks at once. */
static void test_refresh_grows_slowly(void **state)
{
	struct rsvp_message message;
	uint32_t last = 30000;
	struct diamond d;

	(void)state;
	make_diamond(&d, 34);
	sim_interface(d.sim, 1, 2)->refresh_ms = 120000;
	sim_interface_apply(d.sim, 1, 2);
	for (size_t i = 0, n = 0; i < 40; i++) {
		sim_run(d.sim, 30 * SIM_S);
		n = sim_sent(d.sim, 1, RSVP_PATH, 2);
		if (n == 0)
			continue;
		sim_last_sent(d.sim, 1, RSVP_PATH, 2, &message);
		assert_in_range(message.refresh_ms, last, last * 13 / 10 + 1);
		last = message.refresh_ms;
	}
	assert_int_equal(last, 120000);
	assert_int_equal(rsvp_sizes(sim_rsvp(d.sim, 2)).senders, 1);
	sim_interface(d.sim, 1, 2)->refresh_ms = 5000;
	sim_interface_apply(d.sim, 1, 2);
	sim_run(d.sim, 150 * SIM_S);
	sim_last_sent(d.sim, 1, RSVP_PATH, 2, &message);
	assert_int_equal(message.refresh_ms, 5000);
	sim_free(d.sim);
}

/* with one message in four lost, everything holds for an hour. */
static void test_loss(void **state)
{
	struct diamond d;

	(void)state;
	make_diamond(&d, 35);
	for (unsigned i = 0; i < 6; i++)
		sim_link_set_loss(d.sim, i, 10);
	sim_run(d.sim, 3600 * SIM_S);
	assert_int_equal(sim_n_installed(d.sim, 0), 1);
	assert_int_equal(sim_n_installed(d.sim, 4), 1);
	sim_free(d.sim);
}

/* A router that starts anew has everything back within R. */
static void test_restart(void **state)
{
	struct diamond d;

	(void)state;
	make_diamond(&d, 36);
	sim_restart(d.sim, 1);
	assert_int_equal(sim_n_installed(d.sim, 1), 0);
	sim_run(d.sim, 90 * SIM_S);
	assert_int_equal(sim_n_installed(d.sim, 1), 1);
	assert_false(sim_last_event(d.from, RSVP_EVENT_RESV)->event.gone);
	sim_free(d.sim);
}

/* What the link offers changes, and receivers hear of it. */
static void test_adspec_changes(void **state)
{
	struct diamond d;

	(void)state;
	make_diamond(&d, 37);
	sim_interface(d.sim, 2, 2)->mtu = 1300;
	sim_interface_apply(d.sim, 2, 2);
	sim_run(d.sim, 100 * SIM_MS);
	assert_int_equal(sim_last_event(d.to, RSVP_EVENT_PATH)->adspec.mtu, 1300);
	sim_free(d.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_route_changes),  cmocka_unit_test(test_flapping),
		cmocka_unit_test(test_all_sessions),   cmocka_unit_test(test_refresh_grows_slowly),
		cmocka_unit_test(test_loss),	       cmocka_unit_test(test_restart),
		cmocka_unit_test(test_adspec_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
