/* SPDX-License-Identifier: MIT */
/* test_rsvp_preempt.c: who makes room for whom (R-262..R-266; RFC 3181, RFC 4495). */
#include "rsvp_hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "rsvp/policy.h"

static void make_with_paths(struct hand *hand, bool reduces)
{
	hand_make(hand, AF_INET);
	if (reduces) {
		sim_config(hand->sim)->reduces_preempted = true;
		sim_restart(hand->sim, HAND_R);
		hand->rsvp = sim_rsvp(hand->sim, HAND_R);
	}
	for (unsigned i = 0; i < 3; i++)
		hand_path(hand, i, 100000);
	sim_run(hand->sim, 5 * SIM_S);
	sim_set_capacity(hand->sim, HAND_R, 3, 10000);
	sim_forget(hand->sim);
}

static void ask(struct hand *hand, uint32_t ifindex, unsigned sender,
		const struct rsvp_flowspec *flowspec, struct rsvp_preemption priorities)
{
	const struct hand_resv resv = { .style = RSVP_STYLE_FF,
					.flowspec = *flowspec,
					.senders = 1u << sender };
	uint8_t policy[32];
	size_t len = rsvp_policy_begin(policy, sizeof(policy), NULL, 0);

	len = rsvp_policy_add_preemption(policy, sizeof(policy), len, &priorities);
	hand->extra_len = rsvp_policy_end(policy, len);
	hand->extra = policy;
	hand_resv(hand, ifindex, &resv);
}

/* Of a sender, at a rate, on interface 3. */
static void reserve(struct hand *hand, unsigned sender, float rate, uint16_t preemption,
		    uint16_t defending)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(rate);

	ask(hand, 3, sender, &flowspec,
	    (struct rsvp_preemption){ RSVP_MERGE_HIGHEST_QOS, 0, preemption, defending });
}

/* What is reserved of the sender on interface 3. */
static float reserved(const struct hand *hand, unsigned sender)
{
	float rate = 0;

	for (size_t i = 0; i < sim_n_installed(hand->sim, HAND_R); i++) {
		const struct rsvp_tc_request *request =
			&sim_installed(hand->sim, HAND_R, i)->request;

		if (request->ifindex == 3 &&
		    rsvp_sender_equal(&request->filters[0].sender, &hand->senders[sender]))
			rate += request->flowspec.tspec.r;
	}
	return rate;
}

static void expect_preemption_error(const struct rsvp_message *message, uint16_t value,
				    uint16_t preemption)
{
	struct rsvp_policy_element element;
	struct rsvp_preemption found;
	struct rsvp_policy policy;
	struct rsvp_object object;
	size_t position = 0, at = 0;

	assert_int_equal(message->error.code, RSVP_ERROR_POLICY);
	assert_int_equal(message->error.value, value);
	assert_true(rsvp_message_next(message, RSVP_CLASS_POLICY_DATA, &position, &object));
	assert_int_equal(rsvp_read_policy(&object, &policy), 0);
	assert_true(rsvp_policy_next(&policy, &at, &element));
	assert_int_equal(element.type, RSVP_POLICY_PREEMPTION);
	assert_int_equal(element.len + 4, 12); /* */
	assert_int_equal(rsvp_read_preemption(&element, &found), 0);
	assert_int_equal(found.error, RSVP_PREEMPTION_PREEMPTED);
	assert_int_equal(found.preemption, preemption);
}

/* error downstream, tear upstream. */
static void test_displaced(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, false);
	reserve(&hand, 0, 8000, 3, 3);
	sim_forget(hand.sim);
	reserve(&hand, 1, 6000, 4, 4);
	assert_true(reserved(&hand, 0) == 0);
	assert_true(reserved(&hand, 1) == 6000);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	expect_preemption_error(&message, RSVP_POLICY_ERROR_PREEMPTED, 4);
	assert_int_equal(hand_senders(&hand, &message), 1);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 8000);
	hand_last(&hand, RSVP_RESV_TEAR, 1, &message);
	assert_int_equal(hand_senders(&hand, &message), 1);
	hand_last(&hand, RSVP_RESV, 2, &message);
	assert_int_equal(hand_senders(&hand, &message), 2);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
	/* It asks again, and is refused as anybody would be. */
	sim_forget(hand.sim);
	reserve(&hand, 0, 8000, 3, 3);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_int_equal(message.error.code, RSVP_ERROR_ADMISSION);
	assert_true(reserved(&hand, 1) == 6000);
	hand_free(&hand);
}

/* not by an equal, and not by who has no priority. */
static void test_defended(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, false);
	reserve(&hand, 0, 8000, 3, 5);
	for (uint16_t preemption = 0; preemption <= 5; preemption++) {
		sim_forget(hand.sim);
		reserve(&hand, 1, 6000, preemption, 9);
		hand_last(&hand, RSVP_RESV_ERR, 3, &message);
		assert_int_equal(message.error.code, RSVP_ERROR_ADMISSION);
		assert_int_equal(message.error.value, RSVP_ADMISSION_BANDWIDTH);
		assert_true(reserved(&hand, 0) == 8000);
		assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 0), 0);
	}
	reserve(&hand, 1, 6000, 6, 9);
	assert_true(reserved(&hand, 0) == 0 && reserved(&hand, 1) == 6000);
	hand_free(&hand);
}

/* the lowest first, who is not in the way stays, and nobody goes in vain. */
static void test_lowest_first(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, false);
	reserve(&hand, 0, 4000, 2, 2);
	reserve(&hand, 1, 6000, 1, 1);
	reserve(&hand, 2, 5000, 9, 9);
	assert_true(reserved(&hand, 0) == 4000);
	assert_true(reserved(&hand, 1) == 0);
	assert_true(reserved(&hand, 2) == 5000);
	sim_forget(hand.sim);
	reserve(&hand, 1, 9000, 5, 5); /* 4000 would go for it, and 5000 not */
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_int_equal(message.error.code, RSVP_ERROR_ADMISSION);
	assert_true(reserved(&hand, 0) == 4000 && reserved(&hand, 2) == 5000);
	hand_free(&hand);
}

/* the lowest alone is not enough, and with the next it is not needed. */
static void test_spared(void **state)
{
	struct hand hand;

	(void)state;
	make_with_paths(&hand, false);
	reserve(&hand, 0, 1000, 1, 1);
	reserve(&hand, 1, 9000, 2, 2);
	reserve(&hand, 2, 8000, 3, 3);
	assert_true(reserved(&hand, 0) == 1000);
	assert_true(reserved(&hand, 1) == 0);
	assert_true(reserved(&hand, 2) == 8000);
	hand_free(&hand);
}

/* who has something and wants more may displace too; on other interfaces all stays. */
static void test_increase(void **state)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(7000);
	struct hand hand;

	(void)state;
	make_with_paths(&hand, false);
	reserve(&hand, 0, 4000, 2, 2);
	reserve(&hand, 1, 4000, 3, 3);
	ask(&hand, 4, 0, &flowspec, (struct rsvp_preemption){ 1, 0, 1, 1 });
	reserve(&hand, 1, 9000, 3, 3);
	assert_true(reserved(&hand, 0) == 0 && reserved(&hand, 1) == 9000);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 2);
	hand_free(&hand);
}

/* what may stay does; upstream is asked for as much, and not torn; a repetition changes nothing. */
static void test_reduced(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, true);
	reserve(&hand, 0, 8000, 3, 3);
	sim_forget(hand.sim);
	reserve(&hand, 1, 6000, 4, 4);
	assert_true(reserved(&hand, 0) == 4000);
	assert_true(reserved(&hand, 1) == 6000);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	expect_preemption_error(&message, RSVP_POLICY_ERROR_PARTLY_PREEMPTED, 4);
	assert_int_equal(message.error.flags & RSVP_ERROR_IN_PLACE, RSVP_ERROR_IN_PLACE);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 4000);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 0), 0);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_true(hand_flow(&message, 0).flowspec.tspec.r == 4000);
	sim_forget(hand.sim);
	for (int i = 0; i < 3; i++)
		reserve(&hand, 0, 8000, 3, 3);
	assert_int_equal(sim_n_packets(hand.sim), 0);
	assert_true(reserved(&hand, 0) == 4000);
	/* It has understood; later there is room again, and it asks for more. */
	reserve(&hand, 0, 4000, 3, 3);
	assert_int_equal(sim_n_packets(hand.sim), 0);
	sim_set_capacity(hand.sim, HAND_R, 3, 0);
	reserve(&hand, 0, 8000, 3, 3);
	assert_true(reserved(&hand, 0) == 8000);
	hand_free(&hand);
}

/* cut twice, and of the guaranteed service, the rate that is reserved too. */
static void test_reduced_again(void **state)
{
	struct rsvp_flowspec flowspec = sim_guaranteed(8000, 8000);
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_paths(&hand, true);
	ask(&hand, 3, 0, &flowspec, (struct rsvp_preemption){ 1, 0, 3, 3 });
	assert_true(reserved(&hand, 0) == 8000);
	reserve(&hand, 1, 4000, 4, 4);
	assert_true(reserved(&hand, 0) == 6000);
	reserve(&hand, 2, 3000, 4, 4);
	assert_true(reserved(&hand, 0) == 3000);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_true(hand_flow(&message, 0).flowspec.R == 3000);
	sim_forget(hand.sim);
	ask(&hand, 3, 0, &flowspec, (struct rsvp_preemption){ 1, 0, 3, 3 });
	assert_int_equal(sim_n_packets(hand.sim), 0);
	assert_true(reserved(&hand, 0) == 3000);
	/* Nothing of it may stay. */
	reserve(&hand, 1, 7000, 4, 4);
	assert_true(reserved(&hand, 0) == 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_TEAR, 1), 1);
	hand_free(&hand);
}

/* Two next hops behind interface 3: the larger with low priorities, the smaller with high ones. */
static const struct rsvp_tc_request *merge(struct hand *hand, uint8_t strategy, float second)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(4000);
	struct rsvp_hop first = hand->neighbours[3];

	ask(hand, 3, 0, &flowspec, (struct rsvp_preemption){ strategy, 0, 2, 6 });
	hand->neighbours[3].address.addr[15] ^= 0x40;
	flowspec = sim_controlled_load(second);
	ask(hand, 3, 0, &flowspec, (struct rsvp_preemption){ strategy, 0, 5, 5 });
	hand->neighbours[3] = first;
	assert_int_equal(sim_n_installed(hand->sim, HAND_R), 1);
	return &sim_installed(hand->sim, HAND_R, 0)->request;
}

/* each strategy, with equal and with different flowspecs. */
static void test_strategies(void **state)
{
	static const struct {
		uint8_t strategy;
		float second;
		uint16_t preemption, defending;
		unsigned refused;
	} cases[] = {
		{ RSVP_MERGE_HIGHEST_QOS, 1000, 2, 6, 0 },
		{ RSVP_MERGE_HIGHEST_QOS, 4000, 5, 6, 0 },
		{ RSVP_MERGE_HIGHEST_PRIORITY, 1000, 5, 6, 0 },
		{ RSVP_MERGE_HIGHEST_PRIORITY, 9000, 5, 6, 0 },
		{ RSVP_MERGE_HIGHEST_QOS, 9000, 5, 5, 0 },
		{ RSVP_MERGE_EQUAL_ONLY, 4000, 5, 6, 0 },
		{ RSVP_MERGE_EQUAL_ONLY, 1000, 2, 6, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct rsvp_tc_request *request;
		struct hand hand;

		make_with_paths(&hand, false);
		request = merge(&hand, cases[i].strategy, cases[i].second);
		assert_int_equal(request->preemption_priority, cases[i].preemption);
		assert_int_equal(request->defending_priority, cases[i].defending);
		assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 3), cases[i].refused);
		assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 2 - cases[i].refused);
		if (cases[i].refused) {
			struct rsvp_message message;

			hand_last(&hand, RSVP_RESV_ERR, 3, &message);
			assert_int_equal(message.error.code, RSVP_ERROR_POLICY);
			assert_int_equal(message.error.value, RSVP_POLICY_ERROR_MERGE);
		}
		hand_free(&hand);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_displaced),     cmocka_unit_test(test_defended),
		cmocka_unit_test(test_lowest_first),  cmocka_unit_test(test_spared),
		cmocka_unit_test(test_increase),      cmocka_unit_test(test_reduced),
		cmocka_unit_test(test_reduced_again), cmocka_unit_test(test_strategies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
