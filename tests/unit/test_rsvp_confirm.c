/* SPDX-License-Identifier: MIT */
/* test_rsvp_confirm.c: confirmations: who gives them, and who gets them (R-043, R-142..R-149). */
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

static void ask_confirmed(struct hand *hand, uint32_t ifindex, enum rsvp_style style, float rate,
			  unsigned senders)
{
	struct hand_resv resv = { .style = style,
				  .flowspec = sim_controlled_load(rate),
				  .senders = senders,
				  .confirm = true };

	hand_resv(hand, ifindex, &resv);
}

/* goes on once, with the request that is the largest; refreshes do not repeat it. */
static void test_goes_on_once(void **state)
{
	static const enum rsvp_style styles[] = { RSVP_STYLE_FF, RSVP_STYLE_SE, RSVP_STYLE_WF };
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	for (int s = 0; s < 3; s++) {
		make_with_paths(&hand);
		ask_confirmed(&hand, 3, styles[s], 1000, 1);
		assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 1);
		hand_last(&hand, RSVP_RESV, 1, &message);
		assert_memory_equal(message.confirm.addr, hand.neighbours[3].address.addr, 16);
		assert_int_equal(hand_sent(&hand, RSVP_RESV_CONF, 0), 0);
		sim_run(hand.sim, 40 * SIM_S);
		hand_last(&hand, RSVP_RESV, 1, &message);
		assert_int_equal(message.confirm.family, AF_UNSPEC);
		sim_forget(hand.sim);
		ask_confirmed(&hand, 4, styles[s], 2000, 1);
		hand_last(&hand, RSVP_RESV, 1, &message);
		assert_memory_equal(message.confirm.addr, hand.neighbours[4].address.addr, 16);
		assert_int_equal(hand_sent(&hand, RSVP_RESV_CONF, 0), 0);
		hand_free(&hand);
	}
}

/* what changes nothing upstream is confirmed at the merge point. */
static void test_answered_at_the_merge_point(void **state)
{
	static const float rates[] = { 1000, 500 };
	const struct sim_packet *packet;
	struct rsvp_message message;
	struct address own;
	struct hand hand;

	(void)state;
	for (int i = 0; i < 2; i++) {
		make_with_paths(&hand);
		hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 5);
		sim_forget(hand.sim);
		ask_confirmed(&hand, 4, RSVP_STYLE_SE, rates[i], 1);
		assert_int_equal(sim_n_packets(hand.sim), 1);
		packet = sim_last_sent(hand.sim, HAND_R, RSVP_RESV_CONF, 0, &message);
		assert_non_null(packet);
		assert_true(packet->packet.router_alert);
		assert_memory_equal(packet->packet.destination.addr,
				    hand.neighbours[4].address.addr, 16);
		assert_int_equal(message.error.code, 0);
		assert_int_equal(message.error.value, 0);
		own = sim_address(hand.sim, HAND_R, 4, AF_INET);
		assert_memory_equal(message.error.node.addr, own.addr, 16);
		assert_memory_equal(message.confirm.addr, hand.neighbours[4].address.addr, 16);
		assert_int_equal(message.style, RSVP_STYLE_SE);
		assert_int_equal(hand_senders(&hand, &message), 1);
		assert_true(hand_flow(&message, 0).flowspec.tspec.r == rates[i]);
		hand_free(&hand);
	}
}

/* what was refused is not confirmed, neither now nor later. */
static void test_refused(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	sim_set_capacity(hand.sim, HAND_R, 3, 500);
	ask_confirmed(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_CONF, 0), 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 0), 0);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 400, 1);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_int_equal(message.confirm.family, AF_UNSPEC);
	hand_free(&hand);
}

/* */
static void test_blockaded(void **state)
{
	struct hand_resv large = { .style = RSVP_STYLE_FF,
				   .flowspec = sim_controlled_load(2000),
				   .senders = 1 };
	struct hand hand;

	(void)state;
	make_with_paths(&hand);
	hand_resv(&hand, 3, &large);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 500, 1);
	hand_resv_err(&hand, 1, &large, RSVP_ERROR_ADMISSION, 2, 0);
	sim_forget(hand.sim);
	ask_confirmed(&hand, 3, RSVP_STYLE_FF, 2000, 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_CONF, 0), 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 0), 0);
	hand_free(&hand);
}

/* hop by hop to the application; the sender's host gives it. */
static void test_end_to_end(void **state)
{
	static const uint16_t families[] = { AF_INET, AF_INET6 };
	static const enum rsvp_style styles[] = { RSVP_STYLE_FF, RSVP_STYLE_SE, RSVP_STYLE_WF };
	struct rsvp_flowspec flowspec = sim_controlled_load(1000);
	const struct sim_event *event;
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct sim_app *from, *to;
	struct address address;
	struct sim *sim;

	(void)state;
	for (int s = 0; s < 6; s++) {
		sim = sim_new(9);
		sim_line(sim, 4);
		address = sim_address(sim, 3, 1, families[s / 3]);
		session = sim_session(&address, 5004);
		address = sim_address(sim, 0, 1, families[s / 3]);
		sender = sim_sender(&address, 6000);
		from = sim_open(sim, 0, &session);
		to = sim_open(sim, 3, &session);
		sim_send(from, &sender, 5000);
		sim_run(sim, SIM_S);
		sim_reserve(to, styles[s % 3], &flowspec, &sender, 1, true);
		sim_run(sim, 100 * SIM_MS);
		assert_int_equal(sim_events(to, RSVP_EVENT_CONFIRM), 1);
		event = sim_last_event(to, RSVP_EVENT_CONFIRM);
		assert_true(event->flowspec.tspec.r == 1000);
		assert_int_equal(event->event.style, styles[s % 3]);
		assert_memory_equal(event->event.error.node.addr, address.addr, 16);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(sim_sent(sim, i, RSVP_RESV_CONF, 0), 1);
		sim_run(sim, 100 * SIM_S);
		assert_int_equal(sim_events(to, RSVP_EVENT_CONFIRM), 1);
		sim_free(sim);
	}
}

/* R-149, and a loop of routes ends with the TTL. */
static void test_strange_confirmations(void **state)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(1000);
	struct rsvp_error_spec error = { .code = 0 };
	struct address other;
	struct rsvp_writer writer;
	uint8_t buf[512];
	struct hand hand;
	size_t len;

	(void)state;
	make_with_paths(&hand);
	error.node = hand.neighbours[1].address;
	other = hand.neighbours[4].address;
	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_RESV_CONF, 0, 60);
	rsvp_put_session(&writer, &hand.session, 0);
	rsvp_put_error(&writer, &error);
	rsvp_put_confirm(&writer, &hand.neighbours[3].address);
	rsvp_put_style(&writer, RSVP_STYLE_WF);
	rsvp_put_flowspec(&writer, &flowspec);
	assert_int_equal(rsvp_writer_finish(&writer, &len), 0);
	sim_inject(hand.sim, HAND_R, 1, &error.node, &other, 60, buf, len);
	assert_int_equal(sim_n_packets(hand.sim), 0);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_BAD_HOP), 1);
	other = hand.neighbours[3].address;
	sim_inject(hand.sim, HAND_R, 1, &error.node, &other, 1, buf, len);
	assert_int_equal(sim_n_packets(hand.sim), 0);
	sim_inject(hand.sim, HAND_R, 1, &error.node, &other, 20, buf, len);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_CONF, 0), 1);
	assert_int_equal(sim_packet(hand.sim, 0)->packet.ttl, 19);
	assert_int_equal(sim_packet(hand.sim, 0)->data[4], 19);
	hand_free(&hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goes_on_once),
		cmocka_unit_test(test_answered_at_the_merge_point),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_blockaded),
		cmocka_unit_test(test_end_to_end),
		cmocka_unit_test(test_strange_confirmations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
