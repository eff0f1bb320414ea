/* SPDX-License-Identifier: MIT */
/* test_rsvp_resv.c: reservations: made, merged, changed and refused (R-100..R-123, R-205..R-215). */
#include "rsvp_hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const uint16_t families[] = { AF_INET, AF_INET6 };

/* All three senders have sent, and what that led to is forgotten. */
static void make_with_paths(struct hand *hand, uint16_t family)
{
	hand_make(hand, family);
	for (unsigned i = 0; i < 3; i++)
		hand_path(hand, i, 5000);
	sim_run(hand->sim, 5 * SIM_S);
	sim_forget(hand->sim);
}

static void expect_resv_err(const struct hand *hand, uint32_t ifindex, uint8_t code, uint16_t value)
{
	struct rsvp_message message;

	assert_int_equal(hand_sent(hand, RSVP_RESV_ERR, ifindex), 1);
	hand_last(hand, RSVP_RESV_ERR, ifindex, &message);
	assert_int_equal(message.error.code, code);
	assert_int_equal(message.error.value, value);
}

/* no session. */
static void test_no_path(void **state)
{
	const struct sim_packet *packet;
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	expect_resv_err(&hand, 3, RSVP_ERROR_NO_PATH, 0);
	packet = sim_last_sent(hand.sim, HAND_R, RSVP_RESV_ERR, 3, NULL);
	assert_memory_equal(packet->packet.destination.addr, hand.neighbours[3].address.addr, 16);
	assert_false(packet->packet.router_alert);
	assert_int_equal(rsvp_sizes(hand.rsvp).sessions, 0);
	hand_free(&hand);
}

/* a descriptor without a sender is refused, the others stand. */
static void test_no_sender(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	hand_path(&hand, 0, 5000);
	hand_path(&hand, 2, 5000);
	sim_forget(hand.sim);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 7);
	expect_resv_err(&hand, 3, RSVP_ERROR_NO_SENDER, 0);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_int_equal(hand_senders(&hand, &message), 2);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 2);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_int_equal(hand_senders(&hand, &message), 5);
	hand_free(&hand);
}

/* another style; R-104: none that is known. */
static void test_styles(void **state)
{
	struct hand_resv odd = { .style = RSVP_STYLE_WF,
				 .option = 0x15,
				 .flowspec = sim_controlled_load(1000) };
	struct hand hand;

	(void)state;
	make_with_paths(&hand, AF_INET);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 1);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 1000, 1);
	expect_resv_err(&hand, 4, RSVP_ERROR_STYLE_CONFLICT, RSVP_STYLE_SE);
	sim_forget(hand.sim);
	hand_resv(&hand, 4, &odd);
	expect_resv_err(&hand, 4, RSVP_ERROR_STYLE_UNKNOWN, 0);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
	hand_free(&hand);
}

/* filters without a sender are left out; with none left it is error 04. */
static void test_se_without_sender(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	hand_path(&hand, 0, 5000);
	sim_forget(hand.sim);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 3);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 0), 0);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_int_equal(hand_senders(&hand, &message), 1);
	hand_ask(&hand, 4, RSVP_STYLE_SE, 1000, 2);
	expect_resv_err(&hand, 4, RSVP_ERROR_NO_SENDER, 0);
	hand_free(&hand);
}

/* it is the LIH that says which interface. R-108: one that was never given out. */
static void test_lih(void **state)
{
	struct hand hand;
	struct rsvp_hop hop;

	(void)state;
	make_with_paths(&hand, AF_INET);
	hop = hand.neighbours[4];
	hand.neighbours[4].lih = 3;
	hand_ask(&hand, 4, RSVP_STYLE_FF, 1000, 1);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 1);
	assert_int_equal(sim_installed(hand.sim, HAND_R, 0)->request.ifindex, 3);
	hand.neighbours[4].lih = 99;
	sim_forget(hand.sim);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 1000, 2);
	assert_int_equal(sim_n_packets(hand.sim), 0);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_BAD_HOP), 1);
	hand.neighbours[4] = hop;
	hand.neighbours[4].lih = 0; /* the interface that it came by */
	hand_ask(&hand, 4, RSVP_STYLE_FF, 1000, 2);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 2);
	hand_free(&hand);
}

/* ..R-113: at once, and only if there is more to ask for. */
static void forwarded_when_larger(uint16_t family)
{
	const struct sim_packet *packet;
	struct rsvp_message message;
	struct address own;
	struct hand hand;

	make_with_paths(&hand, family);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 0), 1);
	hand_last(&hand, RSVP_RESV, 1, &message);
	own = sim_address(hand.sim, HAND_R, 1, family);
	assert_memory_equal(message.hop.address.addr, own.addr, 16);
	assert_int_equal(message.hop.lih, 101);
	assert_int_equal(message.refresh_ms, 30000);
	packet = sim_last_sent(hand.sim, HAND_R, RSVP_RESV, 1, NULL);
	assert_memory_equal(packet->packet.destination.addr, hand.neighbours[1].address.addr, 16);
	assert_false(packet->packet.router_alert); /* */
	assert_int_equal(packet->packet.ttl, message.send_ttl);

	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 500, 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 0), 1);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 2);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 2000, 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 0), 2);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 2000);
	hand_free(&hand);
}

static void test_forwarded_when_larger(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++)
		forwarded_when_larger(families[i]);
}

/* WF is for all senders, and each previous hop hears of it on its own. */
static void test_wildcard(void **state)
{
	struct hand hand;

	(void)state;
	make_with_paths(&hand, AF_INET);
	hand_ask(&hand, 3, RSVP_STYLE_WF, 1000, 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 2), 1);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 0), 2);
	assert_int_equal(sim_installed(hand.sim, HAND_R, 0)->request.n_filters, 0);
	assert_true(sim_installed(hand.sim, HAND_R, 0)->request.police_merge); /* */
	hand_free(&hand);
}

/* of a sender whose data does not go out there, nothing is asked. */
static void test_only_where_paths_go(void **state)
{
	static const enum rsvp_style styles[] = { RSVP_STYLE_WF, RSVP_STYLE_SE };
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	for (int s = 0; s < 2; s++) {
		hand_make(&hand, AF_INET);
		/* Receiver 4 hears sender 1 from its own router, by a link that is not this one's. */
		sim_connect(hand.sim, 2, 4);
		sim_link_set_cost(hand.sim, 1, 9, false);
		sim_link_set_cost(hand.sim, 3, 5, false);
		for (unsigned i = 0; i < 3; i++)
			hand_path(&hand, i, 5000);
		hand_ask(&hand, 4, styles[s], 1000, 7);
		assert_int_equal(hand_sent(&hand, RSVP_RESV, 2), 0);
		assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 1);
		hand_last(&hand, RSVP_RESV, 1, &message);
		assert_int_equal(hand_senders(&hand, &message), s == 1 ? 5 : 0);
		hand_free(&hand);
	}
}

/* a descriptor for each sender. R-116: the union of the filters. */
static void test_descriptors(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, AF_INET);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 2000, 4);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_int_equal(message.n_flows, 2);
	assert_int_equal(hand_senders(&hand, &message), 5);
	for (unsigned i = 0; i < 2; i++) {
		struct rsvp_flow flow = hand_flow(&message, i);
		bool first = rsvp_sender_equal(&flow.sender, &hand.senders[0]);

		assert_true(flow.flowspec.tspec.r == (first ? 1000 : 2000));
	}
	assert_false(sim_installed(hand.sim, HAND_R, 0)->request.police_merge);
	hand_free(&hand);

	make_with_paths(&hand, AF_INET6);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 3);
	hand_ask(&hand, 4, RSVP_STYLE_SE, 2000, 4);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_int_equal(message.n_flows, 2);
	assert_int_equal(hand_senders(&hand, &message), 5);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 2000);
	hand_last(&hand, RSVP_RESV, 2, &message);
	assert_int_equal(hand_senders(&hand, &message), 2);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 1000);
	assert_int_equal(sim_installed(hand.sim, HAND_R, 0)->request.n_filters, 2);
	hand_free(&hand);
}

/* what is installed is no more than what is sent; less than elsewhere is told. */
static void test_installed(void **state)
{
	const struct sim_installed *installed;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, AF_INET);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 8000, 1);
	installed = sim_installed(hand.sim, HAND_R, 0);
	assert_true(installed->request.flowspec.tspec.r == 8000);
	assert_true(installed->request.tspec.r == 5000);
	assert_false(installed->request.police_branch);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 1000, 1);
	assert_true(sim_installed(hand.sim, HAND_R, 1)->request.police_branch);
	/* The sender means to send more. */
	hand_path(&hand, 0, 7000);
	assert_true(sim_installed(hand.sim, HAND_R, 0)->request.tspec.r == 7000);
	assert_int_equal(sim_installed(hand.sim, HAND_R, 0)->changes, 1);
	hand_free(&hand);
}

/* as it was before, and who asked is told whether it still has something. */
static void test_refused(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, AF_INET);
	sim_set_capacity(hand.sim, HAND_R, 3, 1500);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 2000, 1);
	expect_resv_err(&hand, 3, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_BANDWIDTH);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_int_equal(message.error.flags & RSVP_ERROR_IN_PLACE, 0);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 2000);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 0), 0);

	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	sim_forget(hand.sim);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 2000, 1);
	expect_resv_err(&hand, 3, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_BANDWIDTH);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_int_equal(message.error.flags & RSVP_ERROR_IN_PLACE, RSVP_ERROR_IN_PLACE);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 0), 0);
	assert_true(sim_installed(hand.sim, HAND_R, 0)->request.flowspec.tspec.r == 1000);
	/* It still is what it was: the next refresh changes nothing. */
	sim_forget(hand.sim);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	assert_int_equal(sim_n_packets(hand.sim), 0);
	hand_free(&hand);
}

/* The same for the filters of SE: those that would be new are not there. */
static void test_refused_filters(void **state)
{
	struct hand hand;

	(void)state;
	make_with_paths(&hand, AF_INET);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 1);
	sim_refuse(hand.sim, HAND_R, RSVP_ERROR_TRAFFIC_SYSTEM, 7);
	sim_forget(hand.sim);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 7);
	expect_resv_err(&hand, 3, RSVP_ERROR_TRAFFIC_SYSTEM, 7);
	assert_int_equal(sim_installed(hand.sim, HAND_R, 0)->request.n_filters, 1);
	sim_refuse(hand.sim, HAND_R, 0, 0);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 5);
	assert_int_equal(sim_installed(hand.sim, HAND_R, 0)->request.n_filters, 2);
	hand_free(&hand);
}

/* M above the interface's MTU; R-205: services that cannot be merged; R-206: one that is not known. */
static void test_impossible_flowspecs(void **state)
{
	struct hand_resv resv = { .style = RSVP_STYLE_FF,
				  .flowspec = sim_controlled_load(1000),
				  .senders = 1 };
	struct hand hand;

	(void)state;
	make_with_paths(&hand, AF_INET);
	resv.flowspec.tspec.M = 1501;
	hand_resv(&hand, 3, &resv);
	expect_resv_err(&hand, 3, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_MTU);
	sim_forget(hand.sim);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	resv.flowspec = sim_guaranteed(1000, 2000);
	hand_resv(&hand, 4, &resv);
	expect_resv_err(&hand, 4, RSVP_ERROR_TRAFFIC, RSVP_TRAFFIC_CONFLICT);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
	/* The one that asked may change its mind. */
	sim_forget(hand.sim);
	hand_resv(&hand, 3, &resv);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 0), 0);
	assert_int_equal(sim_installed(hand.sim, HAND_R, 0)->request.flowspec.service,
			 FLOWSPEC_GUARANTEED);
	hand_free(&hand);
}

/* each filter of SE lives as long as it is refreshed. */
static void test_filters_expire(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, AF_INET);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 7);
	for (int i = 0; i < 5; i++) {
		sim_run(hand.sim, 30 * SIM_S);
		hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 1);
		for (unsigned s = 0; s < 3; s++)
			hand_path(&hand, s, 5000);
	}
	sim_forget(hand.sim);
	sim_run(hand.sim, 10 * SIM_S);
	assert_int_equal(sim_installed(hand.sim, HAND_R, 0)->request.n_filters, 1);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
	hand_last(&hand, RSVP_RESV_TEAR, 1, &message);
	assert_int_equal(hand_senders(&hand, &message), 4);
	hand_last(&hand, RSVP_RESV_TEAR, 2, &message);
	assert_int_equal(hand_senders(&hand, &message), 2);
	hand_free(&hand);
}

/* what is not refreshed ends, and upstream hears of it. */
static void test_expires(void **state)
{
	static const enum rsvp_style styles[] = { RSVP_STYLE_FF, RSVP_STYLE_WF, RSVP_STYLE_SE };
	struct hand hand;

	(void)state;
	for (int s = 0; s < 3; s++) {
		make_with_paths(&hand, AF_INET);
		hand_ask(&hand, 3, styles[s], 1000, 1);
		for (int i = 0; i < 5; i++) {
			sim_run(hand.sim, 31 * SIM_S);
			for (unsigned p = 0; p < 3; p++)
				hand_path(&hand, p, 5000);
		}
		assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
		assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 0), 0);
		sim_run(hand.sim, 4 * SIM_S);
		assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 0);
		assert_int_equal(sim_n_installed(hand.sim, HAND_R), 0);
		assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 1), 2);
		assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_TIMEOUTS_RESV), 1);
		hand_free(&hand);
	}
}

/* objects of unknown classes go on, each that is different once: policy data. */
static void test_objects_go_on(void **state)
{
	static const uint8_t kept[] = { 0, 8, 0xe6, 1, 1, 2, 3, 4 };
	static const uint8_t other[] = { 0, 8, 0xe6, 1, 9, 9, 9, 9 };
	static const uint8_t policy[] = { 0, 12, 14, 1, 0, 8, 0, 0, 0, 4, 0, 5 };
	struct rsvp_message message;
	struct rsvp_object object;
	struct hand hand;
	size_t position = 0;
	unsigned n = 0;

	(void)state;
	make_with_paths(&hand, AF_INET);
	hand.extra = kept;
	hand.extra_len = sizeof(kept);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 1);
	hand.extra = kept;
	hand.extra_len = sizeof(kept);
	hand_ask(&hand, 4, RSVP_STYLE_SE, 1000, 1);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_int_equal(message.n_kept, 1);
	hand.extra = other;
	hand.extra_len = sizeof(other);
	hand_ask(&hand, 4, RSVP_STYLE_SE, 1000, 1);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_int_equal(message.n_kept, 2);
	for (uint32_t i = 3; i <= 4; i++) {
		hand.extra = policy;
		hand.extra_len = sizeof(policy);
		hand_ask(&hand, i, RSVP_STYLE_SE, 1000, 1);
	}
	hand_last(&hand, RSVP_RESV, 1, &message);
	while (rsvp_message_next(&message, RSVP_CLASS_POLICY_DATA, &position, &object)) {
		assert_memory_equal(object.data, policy, sizeof(policy));
		n++;
	}
	assert_int_equal(n, 2);
	/* In later refreshes too. */
	sim_forget(hand.sim);
	sim_run(hand.sim, 60 * SIM_S);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_true(rsvp_message_has(&message, RSVP_CLASS_POLICY_DATA));
	hand_free(&hand);
}

/* of Paths likewise. */
static void test_path_objects_go_on(void **state)
{
	static const uint8_t kept[] = { 0, 8, 0xe6, 1, 1, 2, 3, 4 };
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	hand.extra = kept;
	hand.extra_len = sizeof(kept);
	hand_path(&hand, 0, 1000);
	sim_forget(hand.sim);
	sim_run(hand.sim, 60 * SIM_S);
	for (uint32_t i = 3; i <= 4; i++) {
		hand_last(&hand, RSVP_PATH, i, &message);
		assert_int_equal(message.n_kept, 1);
	}
	hand.extra = kept;
	hand.extra_len = sizeof(kept);
	hand_path_tear(&hand, 0);
	hand_last(&hand, RSVP_PATH_TEAR, 3, &message);
	assert_int_equal(message.n_kept, 1);
	hand_free(&hand);
}

/* the sender hears of it, and its own first link is reserved too. */
static void test_end_to_end(void **state)
{
	static const enum rsvp_style styles[] = { RSVP_STYLE_FF, RSVP_STYLE_WF, RSVP_STYLE_SE };
	struct rsvp_flowspec flowspec = sim_controlled_load(3000);
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct sim_app *from, *to;
	struct address address;
	struct sim *sim;
	uint64_t before;

	(void)state;
	for (int s = 0; s < 6; s++) {
		sim = sim_new(6);
		sim_line(sim, 4);
		address = sim_address(sim, 3, 1, families[s / 3]);
		session = sim_session(&address, 5004);
		address = sim_address(sim, 0, 1, families[s / 3]);
		sender = sim_sender(&address, 6000);
		from = sim_open(sim, 0, &session);
		to = sim_open(sim, 3, &session);
		/* Before there is a Path (DESIGN of spec §8.14). */
		sim_reserve(to, styles[s % 3], &flowspec, &sender, 1, false);
		sim_run(sim, SIM_S);
		assert_int_equal(sim_n_packets(sim), 0);
		before = sim_now(sim);
		sim_send(from, &sender, 5000);
		sim_run(sim, 50 * SIM_MS);
		assert_int_equal(sim_events(from, RSVP_EVENT_RESV), 1);
		assert_in_range(sim_last_event(from, RSVP_EVENT_RESV)->time_us - before, 6000,
				6500);
		assert_true(sim_last_event(from, RSVP_EVENT_RESV)->flowspec.tspec.r == 3000);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(sim_n_installed(sim, i), 1);
		assert_int_equal(sim_n_installed(sim, 3), 0);
		sim_run(sim, 300 * SIM_S);
		assert_int_equal(sim_events(from, RSVP_EVENT_RESV), 1);
		flowspec = sim_controlled_load(4000);
		sim_reserve(to, styles[s % 3], &flowspec, &sender, 1, false);
		sim_run(sim, 50 * SIM_MS);
		assert_int_equal(sim_events(from, RSVP_EVENT_RESV), 2);
		assert_true(sim_installed(sim, 1, 0)->request.flowspec.tspec.r == 4000);
		sim_reserve(to, styles[s % 3], NULL, NULL, 0, false);
		sim_run(sim, 50 * SIM_MS);
		assert_true(sim_last_event(from, RSVP_EVENT_RESV)->event.gone);
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(sim_n_installed(sim, i), 0);
		flowspec = sim_controlled_load(3000);
		sim_free(sim);
	}
}

/*
 * of SE all senders share what is reserved on an interface, so all previous hops hear when that changes,
 * also those of senders that the request does not name.
 */
static void test_se_shared(void **state)
{
	struct rsvp_message message;
	struct rsvp_hop first;
	struct hand hand;

	(void)state;
	hand_make(&hand, AF_INET);
	hand_path(&hand, 0, 9000);
	hand_path(&hand, 1, 9000);
	hand_ask(&hand, 3, RSVP_STYLE_SE, 1000, 1 | 2);
	first = hand.neighbours[3];
	hand.neighbours[3].address.addr[15] ^= 0x40; /* another one on the same link */
	hand_ask(&hand, 3, RSVP_STYLE_SE, 5000, 2);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 5000);
	assert_int_equal(hand_senders(&hand, &message), 1);
	hand_resv_tear(&hand, 3, RSVP_STYLE_SE, 2);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 1000);
	hand_last(&hand, RSVP_RESV, 2, &message);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 1000);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 1), 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 2), 0);
	hand.neighbours[3] = first;
	hand_free(&hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_path),
		cmocka_unit_test(test_no_sender),
		cmocka_unit_test(test_styles),
		cmocka_unit_test(test_se_without_sender),
		cmocka_unit_test(test_lih),
		cmocka_unit_test(test_forwarded_when_larger),
		cmocka_unit_test(test_wildcard),
		cmocka_unit_test(test_only_where_paths_go),
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_installed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_filters),
		cmocka_unit_test(test_impossible_flowspecs),
		cmocka_unit_test(test_filters_expire),
		cmocka_unit_test(test_expires),
		cmocka_unit_test(test_objects_go_on),
		cmocka_unit_test(test_path_objects_go_on),
		cmocka_unit_test(test_end_to_end),
		cmocka_unit_test(test_se_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
