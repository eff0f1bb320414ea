/* SPDX-License-Identifier: MIT */
/* test_rsvp_error.c: PathErr and ResvErr, and who hears of them (R-013..R-015, R-021, R-022, R-096..R-099, R-134..R-141). */
#include "rsvp_hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void make_with_paths(struct hand *hand)
{
	hand_make(hand, AF_INET);
	for (unsigned i = 0; i < 3; i++)
		hand_path(hand, i, 5000);
	sim_run(hand->sim, 5 * SIM_S);
	sim_forget(hand->sim);
}

/* a class that is not known and must be. */
static void test_unknown_class(void **state)
{
	static const uint8_t unknown[] = { 0, 8, 0x60, 3, 0, 0, 0, 0 };
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	hand.extra = unknown;
	hand.extra_len = sizeof(unknown);
	hand_path(&hand, 0, 9000);
	assert_int_equal(sim_n_packets(hand.sim), 1);
	hand_last(&hand, RSVP_PATH_ERR, 1, &message);
	assert_int_equal(message.error.code, RSVP_ERROR_UNKNOWN_CLASS);
	assert_int_equal(message.error.value, 0x6003);
	assert_memory_equal(&message.sender, &hand.senders[0], sizeof(message.sender));
	sim_forget(hand.sim);
	hand.extra = unknown;
	hand.extra_len = sizeof(unknown);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	assert_int_equal(sim_n_packets(hand.sim), 1);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_int_equal(message.error.code, RSVP_ERROR_UNKNOWN_CLASS);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 0);
	sim_forget(hand.sim);
	for (int i = 0; i < 4; i++) {
		struct hand_resv resv = { .style = RSVP_STYLE_FF,
					  .flowspec = sim_controlled_load(1000),
					  .senders = 1 };

		hand.extra = unknown;
		hand.extra_len = sizeof(unknown);
		if (i == 0)
			hand_path_tear(&hand, 0);
		else if (i == 1)
			hand_resv_tear(&hand, 3, RSVP_STYLE_FF, 1);
		else if (i == 2)
			hand_path_err(&hand, 3, 0, 1, 1);
		else
			hand_resv_err(&hand, 1, &resv, 1, 1, 0);
	}
	assert_int_equal(sim_n_packets(hand.sim), 0);
	assert_int_equal(rsvp_sizes(hand.rsvp).senders, 3);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_UNKNOWN_OBJECT), 6);
	hand_free(&hand);
}

/* a class that is dropped. */
static void test_dropped_class(void **state)
{
	static const uint8_t dropped[] = { 0, 8, 0xa0, 3, 0, 0, 0, 0 };
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	hand.extra = dropped;
	hand.extra_len = sizeof(dropped);
	hand_path(&hand, 0, 9000);
	hand_last(&hand, RSVP_PATH, 3, &message);
	assert_true(message.tspec.tspec.r == 9000);
	assert_int_equal(memmem(message.data, message.len, dropped, 4) != NULL, false);
	hand_free(&hand);
}

/* goes to the previous hop as it is, and changes nothing. */
static void test_path_err(void **state)
{
	const struct sim_packet *packet;
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	hand_path_err(&hand, 3, 1, RSVP_ERROR_POLICY, 77);
	assert_int_equal(sim_n_packets(hand.sim), 1);
	packet = sim_last_sent(hand.sim, HAND_R, RSVP_PATH_ERR, 2, &message);
	assert_non_null(packet);
	assert_memory_equal(packet->packet.destination.addr, hand.neighbours[2].address.addr, 16);
	assert_false(packet->packet.router_alert);
	assert_int_equal(message.error.code, RSVP_ERROR_POLICY);
	assert_int_equal(message.error.value, 77);
	assert_memory_equal(message.error.node.addr, hand.neighbours[3].address.addr, 16);
	assert_int_equal(rsvp_sizes(hand.rsvp).senders, 3);
	sim_forget(hand.sim);
	hand_path_err(&hand, 2, 1, RSVP_ERROR_POLICY, 77); /* nobody there has a Path from here */
	hand.session.port++;
	hand_path_err(&hand, 3, 1, RSVP_ERROR_POLICY, 77);
	assert_int_equal(sim_n_packets(hand.sim), 0);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_NO_STATE), 2);
	hand_free(&hand);
}

/* an error comes all the way to the sender: the conflict of ports at the second router. */
static void test_path_err_reaches_the_sender(void **state)
{
	struct rsvp_config config;
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct sim_app *from;
	struct address address;
	struct sim *sim = sim_new(7);

	(void)state;
	rsvp_config_default(&config);
	sim_node(sim);
	sim_node(sim);
	sim_config(sim)->max_sessions = 0;
	sim_node(sim);
	*sim_config(sim) = config;
	sim_node(sim);
	for (unsigned i = 0; i < 3; i++)
		sim_connect(sim, i, i + 1);
	address = sim_address(sim, 3, 1, AF_INET);
	session = sim_session(&address, 5004);
	address = sim_address(sim, 0, 1, AF_INET);
	sender = sim_sender(&address, 6000);
	from = sim_open(sim, 0, &session);
	sim_send(from, &sender, 1000);
	sim_run(sim, 100 * SIM_MS);
	assert_int_equal(sim_events(from, RSVP_EVENT_PATH_ERROR), 1);
	{
		const struct sim_event *event = sim_last_event(from, RSVP_EVENT_PATH_ERROR);

		address = sim_address(sim, 2, 1, AF_INET);
		assert_int_equal(event->event.error.code, RSVP_ERROR_SYSTEM);
		assert_memory_equal(event->event.error.node.addr, address.addr, 16);
		assert_memory_equal(&event->event.sender, &sender, sizeof(sender));
	}
	sim_free(sim);
}

/* R-134, spec §16.7: of a session that there is not, or from somebody who is not asked. */
static void test_resv_err_without_state(void **state)
{
	struct hand_resv resv = { .style = RSVP_STYLE_FF,
				  .flowspec = sim_controlled_load(1000),
				  .senders = 1 };
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	hand_resv_err(&hand, 1, &resv, RSVP_ERROR_ADMISSION, 2, 0);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	sim_forget(hand.sim);
	hand_resv_err(&hand, 4, &resv, RSVP_ERROR_ADMISSION, 2, 0);
	hand.session.port++;
	hand_resv_err(&hand, 1, &resv, RSVP_ERROR_ADMISSION, 2, 0);
	assert_int_equal(sim_n_packets(hand.sim), 0);
	assert_int_equal(rsvp_sizes(hand.rsvp).blockades, 0);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_NO_STATE), 3);
	hand_free(&hand);
}

/* with InPlace those who ask for less hear nothing; without it all do. */
static void test_resv_err_goes_on(void **state)
{
	struct hand_resv resv = { .style = RSVP_STYLE_SE,
				  .flowspec = sim_controlled_load(2000),
				  .senders = 1 };
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 2000, 5);
	hand_ask(&hand, 4, RSVP_STYLE_SE, 1000, 1);
	sim_forget(hand.sim);
	hand_resv_err(&hand, 1, &resv, RSVP_ERROR_ADMISSION, 2, RSVP_ERROR_IN_PLACE);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 3), 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 4), 0);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_int_equal(hand_senders(&hand, &message), 5);
	assert_int_equal(message.error.flags, RSVP_ERROR_IN_PLACE);
	assert_memory_equal(message.error.node.addr, hand.neighbours[1].address.addr, 16);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 2000);
	assert_int_equal(message.hop.lih, 3);
	sim_forget(hand.sim);
	hand_resv_err(&hand, 1, &resv, RSVP_ERROR_ADMISSION, 2, 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 3), 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 4), 1);
	/* what is reserved downstream stays. */
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 2);
	hand_free(&hand);
}

/* not back to where it came from, where somebody has reserved too. */
static void test_resv_err_does_not_go_back(void **state)
{
	struct hand_resv resv = { .style = RSVP_STYLE_WF, .flowspec = sim_controlled_load(1000) };
	struct hand hand;
	struct address group;

	(void)state;
	make_with_paths(&hand);
	/* Interface 2 is also a way to receivers, of what comes in by 1. */
	group = sim_group(AF_INET, 1);
	sim_join(hand.sim, 2, &group);
	sim_run(hand.sim, 3 * SIM_S);
	hand.neighbours[2].lih = 2;
	hand_ask(&hand, 2, RSVP_STYLE_WF, 1000, 0);
	hand.neighbours[2].lih = 102;
	hand_ask(&hand, 3, RSVP_STYLE_WF, 1000, 0);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 2);
	sim_forget(hand.sim);
	hand_resv_err(&hand, 2, &resv, RSVP_ERROR_ADMISSION, 2, 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 2), 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 3), 1);
	hand_free(&hand);
}

/* SCOPE is cut down to the senders of each interface; where none is left, nothing goes. */
static void test_resv_err_scope(void **state)
{
	struct address scope[2], strangers[1];
	struct hand_resv resv = { .style = RSVP_STYLE_WF,
				  .flowspec = sim_controlled_load(1000),
				  .scope = scope,
				  .n_scope = 2 };
	struct rsvp_message message;
	struct address listed;
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	hand_ask(&hand, 3, RSVP_STYLE_WF, 1000, 0);
	sim_forget(hand.sim);
	scope[0] = hand.neighbours[1].address;
	scope[1] = hand.neighbours[1].address;
	scope[1].addr[15] = 200;
	hand_resv_err(&hand, 1, &resv, RSVP_ERROR_ADMISSION, 2, 0);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_int_equal(rsvp_scope_count(&message.object[RSVP_CLASS_SCOPE]), 1);
	rsvp_scope_get(&message.object[RSVP_CLASS_SCOPE], 0, &listed);
	assert_memory_equal(listed.addr, scope[0].addr, 16);
	strangers[0] = scope[1];
	resv.scope = strangers;
	resv.n_scope = 1;
	sim_forget(hand.sim);
	hand_resv_err(&hand, 1, &resv, RSVP_ERROR_ADMISSION, 2, 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 0), 0);
	hand_free(&hand);
}

/* What an application was told of a refusal of that much. */
static const struct sim_event *refusal_of(const struct sim_app *app, float rate)
{
	for (size_t i = 0; i < app->n_events; i++) {
		if (app->events[i].event.type == RSVP_EVENT_RESV_ERROR &&
		    app->events[i].flowspec.tspec.r == rate)
			return &app->events[i];
	}
	return NULL;
}

/* what the receiver hears, and that it is not to blame if it asked for less. */
static void test_receiver_hears(void **state)
{
	struct rsvp_flowspec small = sim_controlled_load(1000), large = sim_controlled_load(9000);
	struct address group = sim_group(AF_INET, 3), address;
	const struct sim_event *event;
	struct sim_app *from, *to[2];
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct sim *sim = sim_new(8);

	(void)state;
	/* 0 - 1 - 2, and 2 has receivers 3 and 4; the link between 0 and 1 is too small. */
	sim_line(sim, 3);
	sim_connect(sim, 2, sim_node(sim));
	sim_connect(sim, 2, sim_node(sim));
	session = sim_session(&group, 5004);
	address = sim_address(sim, 0, 1, AF_INET);
	sender = sim_sender(&address, 6000);
	from = sim_open(sim, 0, &session);
	to[0] = sim_open(sim, 3, &session);
	to[1] = sim_open(sim, 4, &session);
	sim_set_capacity(sim, 0, 1, 500);
	sim_send(from, &sender, 5000);
	sim_reserve(to[0], RSVP_STYLE_FF, &small, &sender, 1, false);
	sim_reserve(to[1], RSVP_STYLE_FF, &large, &sender, 1, false);
	sim_run(sim, 5 * SIM_S);
	event = refusal_of(to[1], 9000);
	assert_non_null(event);
	assert_int_equal(event->event.error.code, RSVP_ERROR_ADMISSION);
	assert_int_equal(event->event.error.value, RSVP_ADMISSION_BANDWIDTH);
	assert_int_equal(event->event.error.flags & RSVP_ERROR_NOT_GUILTY, 0);
	assert_memory_equal(event->event.error.node.addr, address.addr, 16);
	assert_int_equal(event->event.n_senders, 1);
	assert_memory_equal(&event->senders[0], &sender, sizeof(sender));
	assert_int_equal(event->event.style, RSVP_STYLE_FF);
	event = refusal_of(to[0], 9000);
	assert_non_null(event);
	assert_int_equal(event->event.error.flags & RSVP_ERROR_NOT_GUILTY, RSVP_ERROR_NOT_GUILTY);
	sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unknown_class),
		cmocka_unit_test(test_dropped_class),
		cmocka_unit_test(test_path_err),
		cmocka_unit_test(test_path_err_reaches_the_sender),
		cmocka_unit_test(test_resv_err_without_state),
		cmocka_unit_test(test_resv_err_goes_on),
		cmocka_unit_test(test_resv_err_does_not_go_back),
		cmocka_unit_test(test_resv_err_scope),
		cmocka_unit_test(test_receiver_hears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
