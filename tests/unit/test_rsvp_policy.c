/* SPDX-License-Identifier: MIT */
/* test_rsvp_policy.c: POLICY_DATA on its way, and who refuses what because of it (R-258..R-261, R-273). */
#include "rsvp_hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "rsvp/policy.h"

/* Of a type that no node knows, with a byte to tell it by; and of the priorities. */
static size_t private_policy(uint8_t *buf, size_t capacity, uint8_t byte)
{
	const uint8_t data[4] = { byte, 1, 2, 3 };
	size_t len = rsvp_policy_begin(buf, capacity, NULL, 0);

	return rsvp_policy_end(buf, rsvp_policy_add(buf, capacity, len, 60000, data, sizeof(data)));
}

static void make_with_path(struct hand *hand)
{
	hand_make(hand, AF_INET);
	hand_path(hand, 0, 5000);
	sim_run(hand->sim, 5 * SIM_S);
	sim_forget(hand->sim);
}

static bool has_object(const struct rsvp_message *message, const uint8_t *object, size_t len)
{
	return memmem(message->data, message->len, object, len);
}

/* as it came, with Path, Resv and errors. */
static void test_unchanged(void **state)
{
	struct hand_resv resv = { .style = RSVP_STYLE_FF,
				  .flowspec = sim_controlled_load(1000),
				  .senders = 1 };
	struct rsvp_message message;
	uint8_t policy[32];
	size_t len = private_policy(policy, sizeof(policy), 7);
	struct hand hand;

	(void)state;
	make_with_path(&hand);
	hand.extra = policy;
	hand.extra_len = len;
	hand_path(&hand, 0, 5000);
	hand_last(&hand, RSVP_PATH, 3, &message);
	assert_true(has_object(&message, policy, len));
	hand_last(&hand, RSVP_PATH, 4, &message);
	assert_true(has_object(&message, policy, len));
	hand.extra = policy;
	hand.extra_len = len;
	hand_resv(&hand, 3, &resv);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_true(has_object(&message, policy, len));
	hand.extra = policy;
	hand.extra_len = len;
	hand_path_err(&hand, 3, 0, RSVP_ERROR_POLICY, 3);
	hand_last(&hand, RSVP_PATH_ERR, 1, &message);
	assert_true(has_object(&message, policy, len));
	hand.extra = policy;
	hand.extra_len = len;
	hand_resv_err(&hand, 1, &resv, RSVP_ERROR_POLICY, 3, 0);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_true(has_object(&message, policy, len));
	assert_int_equal(message.error.value, 3);
	hand_free(&hand);
}

/* of each reservation that is merged, one behind the other. */
static void test_concatenated(void **state)
{
	struct hand_resv resv = { .style = RSVP_STYLE_FF,
				  .flowspec = sim_controlled_load(1000),
				  .senders = 1 };
	uint8_t policy[2][32];
	struct rsvp_message message;
	struct rsvp_object object;
	size_t position = 0, len = 0;
	unsigned n = 0;
	struct hand hand;

	(void)state;
	make_with_path(&hand);
	for (uint8_t i = 0; i < 2; i++) {
		len = private_policy(policy[i], sizeof(policy[i]), i);
		hand.extra = policy[i];
		hand.extra_len = len;
		hand_resv(&hand, 3u + i, &resv);
	}
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_true(has_object(&message, policy[0], len));
	assert_true(has_object(&message, policy[1], len));
	while (rsvp_message_next(&message, RSVP_CLASS_POLICY_DATA, &position, &object))
		n++;
	assert_int_equal(n, 2);
	hand_free(&hand);
}

static uint8_t reason[32];
static size_t reason_len;
static unsigned asked;
static struct rsvp_policy_question last; /* with what follows in place of what is gone by then */
static struct rsvp_sender last_sender;
static struct rsvp_tspec last_tspec;
static struct rsvp_flowspec last_flowspec;

static int refuse(const struct rsvp_policy_question *question, struct rsvp_error *ret_error)
{
	asked++;
	last = *question;
	if (question->sender) {
		last_sender = *question->sender;
		last.sender = &last_sender;
	}
	if (question->tspec) {
		last_tspec = *question->tspec;
		last.tspec = &last_tspec;
	}
	if (question->flowspec) {
		last_flowspec = *question->flowspec;
		last.flowspec = &last_flowspec;
	}
	if (reason_len == 0)
		return 0;
	ret_error->value = RSVP_POLICY_ERROR_EXPIRED;
	ret_error->policy = reason;
	ret_error->policy_len = reason_len;
	return -1;
}

/* to a Path, and nothing is kept of it. */
static void test_path_refused(void **state)
{
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_path(&hand);
	sim_set_policy(hand.sim, HAND_R, refuse);
	reason_len = private_policy(reason, sizeof(reason), 9);
	hand_path(&hand, 1, 5000);
	hand_last(&hand, RSVP_PATH_ERR, 2, &message);
	assert_int_equal(message.error.code, RSVP_ERROR_POLICY);
	assert_int_equal(message.error.value, RSVP_POLICY_ERROR_EXPIRED);
	assert_true(has_object(&message, reason, reason_len));
	assert_memory_equal(last.sender, &hand.senders[1], sizeof(hand.senders[1]));
	assert_memory_equal(&last.session, &hand.session, sizeof(hand.session));
	assert_true(last.tspec->r == 5000);
	assert_null(last.policy);
	assert_int_equal(rsvp_sizes(hand.rsvp).senders, 1);
	assert_int_equal(hand_sent(&hand, RSVP_PATH, 3), 0);
	reason_len = 0;
	hand_path(&hand, 1, 5000);
	assert_int_equal(rsvp_sizes(hand.rsvp).senders, 2);
	hand_free(&hand);
}

/* to a Resv; what stands stays for its lifetime, and errors and tears are not asked about. */
static void test_resv_refused(void **state)
{
	struct hand_resv resv = { .style = RSVP_STYLE_FF,
				  .flowspec = sim_controlled_load(1000),
				  .senders = 1 };
	struct rsvp_message message;
	struct hand hand;

	(void)state;
	make_with_path(&hand);
	sim_set_policy(hand.sim, HAND_R, refuse);
	reason_len = private_policy(reason, sizeof(reason), 9);
	hand_resv(&hand, 3, &resv);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_int_equal(message.error.code, RSVP_ERROR_POLICY);
	assert_int_equal(message.error.value, RSVP_POLICY_ERROR_EXPIRED);
	assert_int_equal(message.error.flags & RSVP_ERROR_IN_PLACE, 0);
	assert_true(has_object(&message, reason, reason_len));
	assert_true(last.flowspec->tspec.r == 1000);
	assert_int_equal(last.ifindex, 3);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 0);
	assert_int_equal(hand_sent(&hand, RSVP_RESV, 1), 0);
	reason_len = 0;
	hand_resv(&hand, 3, &resv);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 1);
	reason_len = private_policy(reason, sizeof(reason), 9);
	resv.flowspec = sim_controlled_load(2000);
	hand_resv(&hand, 3, &resv);
	hand_last(&hand, RSVP_RESV_ERR, 3, &message);
	assert_int_equal(message.error.flags & RSVP_ERROR_IN_PLACE, RSVP_ERROR_IN_PLACE);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 1);
	assert_true(sim_installed(hand.sim, HAND_R, 0)->request.flowspec.tspec.r == 1000);
	asked = 0;
	hand_path_err(&hand, 3, 0, RSVP_ERROR_POLICY, 3);
	hand_resv_err(&hand, 1, &resv, RSVP_ERROR_POLICY, 3, 0);
	hand_resv_tear(&hand, 3, RSVP_STYLE_FF, 1);
	hand_path_tear(&hand, 0);
	assert_int_equal(asked, 0);
	reason_len = 0;
	hand_free(&hand);
}

/* What traffic control is told of the priorities in the objects. */
static void expect_priorities(struct hand *hand, const uint8_t *policy, size_t len,
			      uint16_t preemption, uint16_t defending)
{
	const struct hand_resv resv = { .style = RSVP_STYLE_FF,
					.flowspec = sim_controlled_load(1000),
					.senders = 1 };
	const struct sim_installed *installed;

	hand->extra = policy;
	hand->extra_len = len;
	hand_resv(hand, 3, &resv);
	assert_int_equal(sim_n_installed(hand->sim, HAND_R), 1);
	installed = sim_installed(hand->sim, HAND_R, 0);
	assert_int_equal(installed->request.preemption_priority, preemption);
	assert_int_equal(installed->request.defending_priority, defending);
}

/* with the next Resv, or in the same object. */
static void test_empty_element_deletes(void **state)
{
	const struct rsvp_preemption five = { RSVP_MERGE_HIGHEST_QOS, 0, 5, 7 };
	uint8_t policy[64];
	size_t begun, len;
	struct hand hand;

	(void)state;
	make_with_path(&hand);
	begun = rsvp_policy_begin(policy, sizeof(policy), NULL, 0);
	len = rsvp_policy_add_preemption(policy, sizeof(policy), begun, &five);
	expect_priorities(&hand, policy, rsvp_policy_end(policy, len), 5, 7);
	len = rsvp_policy_add(policy, sizeof(policy), len, RSVP_POLICY_PREEMPTION, NULL, 0);
	expect_priorities(&hand, policy, rsvp_policy_end(policy, len), 0, 0);
	len = rsvp_policy_add_preemption(policy, sizeof(policy), len, &five);
	expect_priorities(&hand, policy, rsvp_policy_end(policy, len), 5, 7);
	len = rsvp_policy_add(policy, sizeof(policy), begun, RSVP_POLICY_PREEMPTION, NULL, 0);
	expect_priorities(&hand, policy, rsvp_policy_end(policy, len), 0, 0);
	len = rsvp_policy_add_preemption(policy, sizeof(policy), begun, &five);
	expect_priorities(&hand, policy, rsvp_policy_end(policy, len), 5, 7);
	len = rsvp_policy_add(policy, sizeof(policy), begun, RSVP_POLICY_USER, NULL, 0);
	expect_priorities(&hand, policy, rsvp_policy_end(policy, len), 0, 0);
	hand_free(&hand);
}

/* what is for another node is passed on, but says nothing here. */
static void test_for_another_node(void **state)
{
	const struct rsvp_preemption five = { RSVP_MERGE_HIGHEST_QOS, 0, 5, 7 };
	struct rsvp_message message;
	uint8_t policy[128], options[64];
	size_t len, first;
	struct rsvp_hop hop;
	struct hand hand;

	(void)state;
	make_with_path(&hand);
	first = rsvp_encode_hop(options, &hand.neighbours[3]);
	hop = hand.neighbours[1];
	len = first + rsvp_encode_hop(options + first, &hop);
	len = rsvp_policy_begin(policy, sizeof(policy), options, len);
	len = rsvp_policy_end(policy,
			      rsvp_policy_add_preemption(policy, sizeof(policy), len, &five));
	expect_priorities(&hand, policy, len, 0, 0);
	hand_last(&hand, RSVP_RESV, 1, &message);
	assert_true(has_object(&message, policy, len));
	hop.address = sim_address(hand.sim, HAND_R, 3, AF_INET);
	len = first + rsvp_encode_hop(options + first, &hop);
	len = rsvp_policy_begin(policy, sizeof(policy), options, len);
	len = rsvp_policy_end(policy,
			      rsvp_policy_add_preemption(policy, sizeof(policy), len, &five));
	expect_priorities(&hand, policy, len, 5, 7);
	hand_free(&hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unchanged),
		cmocka_unit_test(test_concatenated),
		cmocka_unit_test(test_path_refused),
		cmocka_unit_test(test_resv_refused),
		cmocka_unit_test(test_empty_element_deletes),
		cmocka_unit_test(test_for_another_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
