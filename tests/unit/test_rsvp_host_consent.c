/* SPDX-License-Identifier: MIT */
/*
 * test_rsvp_host_consent.c: the daemon's answers to what neighbours ask for, by the rules of its configuration,
 * with who asks (RFC 3182) and with what priority (RFC 3181).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/rsvp/consent.h"
#include "rsvp/policy.h"

static struct config *config;
static struct rsvp_policy_question question;
static struct rsvp_sender sender;
static struct rsvp_flowspec flowspec;
static struct rsvp_error error;
static uint8_t refusal[CONSENT_POLICY_MAX], policy[512];
static size_t policy_len;

static void complain(const char *file, int line, const char *message, void *user)
{
	print_error("%s:%d: %s\n", file, line, message);
}

static void configure(const char *rules)
{
	char text[1024];

	config = config_free(config);
	snprintf(text, sizeof(text), "rsvp { %s }", rules);
	assert_int_equal(config_parse_buffer("t", text, strlen(text), &config, complain, NULL), 0);
}

static bool is_own(const void *user_data, const struct address *address)
{
	return address->addr[15] == 1;
}

static int ask(void)
{
	const struct consent consent = { .config = &config->rsvp,
					 .interface = "eth0",
					 .is_own = is_own };

	error = (struct rsvp_error){ .value = 1 };
	return consent_ask(&consent, &question, refusal, &error);
}

static void assert_accepted(void)
{
	assert_int_equal(ask(), 0);
}

static void assert_refused(uint16_t value)
{
	assert_int_equal(ask(), -EACCES);
	assert_int_equal(error.value, value);
}

static void put4(uint8_t addr[16], uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
	const uint8_t address[16] = { [10] = 0xff, 0xff, a, b, c, d };

	memcpy(addr, address, sizeof(address));
}

/* A Resv of style FF for 192.0.2.9 from the neighbour 203.0.113.7, for 1 Mbit/s of the sender 198.51.100.5. */
static int set_up(void **state)
{
	question = (struct rsvp_policy_question){ 0 };
	sender = (struct rsvp_sender){ .family = AF_INET };
	put4(sender.address, 198, 51, 100, 5);
	flowspec = (struct rsvp_flowspec){ .service = FLOWSPEC_CONTROLLED_LOAD,
					   .tspec = { .r = 125000 } };
	question.session.family = question.neighbour.family = AF_INET;
	put4(question.session.address, 192, 0, 2, 9);
	put4(question.neighbour.addr, 203, 0, 113, 7);
	question.sender = &sender;
	question.flowspec = &flowspec;
	return 0;
}

static int tear_down(void **state)
{
	config = config_free(config);
	return 0;
}

static void without_rules_everything_may_be(void **state)
{
	configure("");
	assert_accepted();
	configure("accept-others = false");
	assert_refused(RSVP_POLICY_ERROR_REJECT);
	assert_int_equal(error.policy_len, 0);
}

static void the_first_rule_that_is_about_it_decides(void **state)
{
	configure("rule a { accept = true session = '192.0.2.0/29' }"
		  "rule b { accept = false session = '192.0.2.8/29' }"
		  "rule c { accept = true }");
	assert_refused(RSVP_POLICY_ERROR_REJECT);
	put4(question.session.address, 192, 0, 2, 7);
	assert_accepted();
	put4(question.session.address, 192, 0, 2, 16);
	assert_accepted();
}

static void every_condition_counts(void **state)
{
	static const char *const met[] = {
		"interface = eth0",	   "neighbour = '203.0.113.0/24'",
		"neighbour = 203.0.113.7", "session = '192.0.2.9/32'",
		"session = '0.0.0.0/0'",   "sender = '198.51.100.4/30'",
	};
	static const char *const not_met[] = {
		"interface = eth1",
		"neighbour = 203.0.113.8",
		"neighbour = '2001:db8::/32'",
		"session = '::/0'",
		"session = 192.0.2.8",
		"sender = '198.51.100.6/31'",
		"user = 'somebody'",
		"application = 'APP=x'",
		"interface = eth0 session = 192.0.2.8",
	};
	char rules[200];

	for (size_t i = 0; i < sizeof(met) / sizeof(met[0]); i++) {
		snprintf(rules, sizeof(rules), "rule a { accept = false %s }", met[i]);
		configure(rules);
		assert_refused(RSVP_POLICY_ERROR_REJECT);
	}
	for (size_t i = 0; i < sizeof(not_met) / sizeof(not_met[0]); i++) {
		snprintf(rules, sizeof(rules), "rule a { accept = false %s }", not_met[i]);
		configure(rules);
		assert_accepted();
	}
	/* Of whoever sends nothing is known. */
	question.sender = NULL;
	configure("rule a { accept = true sender = '198.51.100.0/24' } accept-others = false");
	assert_refused(RSVP_POLICY_ERROR_REJECT);
}

static void rates_are_limited(void **state)
{
	configure("rule a { accept = true max-rate = 1Mbit }");
	assert_accepted();
	flowspec.tspec.r = 125001;
	assert_refused(RSVP_POLICY_ERROR_EXCEEDED);
	flowspec.service = FLOWSPEC_NULL;
	assert_accepted();
	flowspec = (struct rsvp_flowspec){ .service = FLOWSPEC_GUARANTEED,
					   .tspec = { .r = 1000 },
					   .R = 125001 };
	assert_refused(RSVP_POLICY_ERROR_EXCEEDED);
	question.flowspec = NULL; /* a Path */
	assert_accepted();
}

/* An object with one element; for the node that ends with .1 or .2, or for whoever gets it (0). */
static void add_policy(uint16_t type, const uint8_t *data, size_t len, uint8_t destination)
{
	uint8_t options[24] = { 0, 12, RSVP_CLASS_HOP, 1, 203, 0, 113, 7,	   0, 0, 0, 0,
				0, 12, RSVP_CLASS_HOP, 1, 203, 0, 113, destination };
	size_t at;

	at = rsvp_policy_begin(policy + policy_len, sizeof(policy) - policy_len, options,
			       destination ? sizeof(options) : 0);
	at = rsvp_policy_add(policy + policy_len, sizeof(policy) - policy_len, at, type, data, len);
	at = rsvp_policy_end(policy + policy_len, at);
	assert_true(at > 0);
	policy_len += at;
	question.policy = policy;
	question.policy_len = policy_len;
}

static void claim(uint16_t preemption, uint16_t defending, uint8_t destination)
{
	const struct rsvp_preemption claimed = { .strategy = RSVP_MERGE_HIGHEST_QOS,
						 .preemption = preemption,
						 .defending = defending };
	uint8_t object[64];
	size_t at = rsvp_policy_begin(object, sizeof(object), NULL, 0);

	at = rsvp_policy_add_preemption(object, sizeof(object), at, &claimed);
	policy_len = 0;
	/* Its 8 bytes behind the headers of object and element. */
	add_policy(RSVP_POLICY_PREEMPTION, object + at - 8, 8, destination);
}

/* RFC 3181: nobody claims more than was given to them. */
static void priorities_are_limited(void **state)
{
	configure("rule a { accept = true max-priority = 100 }");
	claim(100, 100, 0);
	assert_accepted();
	claim(100, 101, 0);
	assert_refused(RSVP_POLICY_ERROR_EXCEEDED);
	claim(0, 101, 1);
	assert_refused(RSVP_POLICY_ERROR_EXCEEDED);
	claim(0, 101, 2);
	assert_accepted();
}

static void name(enum rsvp_policy_type type, uint8_t attribute, const char *text,
		 uint8_t destination)
{
	uint8_t data[128];
	size_t len = rsvp_attribute_add(data, sizeof(data), 0, attribute, 1, text, strlen(text));

	add_policy((uint16_t)type, data, len, destination);
}

/* RFC 3182: who asks; RFC 2872: by which program. */
static void identities_decide(void **state)
{
	configure("rule a { accept = true user = 'CN=a, O=b' application = 'VER=1.0' }"
		  "accept-others = false");
	assert_refused(RSVP_POLICY_ERROR_REJECT);
	policy_len = 0;
	name(RSVP_POLICY_USER, RSVP_ATTRIBUTE_LOCATOR, "CN=a, O=b", 0);
	assert_refused(RSVP_POLICY_ERROR_REJECT);
	name(RSVP_POLICY_APPLICATION, RSVP_ATTRIBUTE_LOCATOR, "APP=x, VER=1.0, SAPP=y", 0);
	assert_accepted();
	/* A credential says it as well. */
	policy_len = 0;
	name(RSVP_POLICY_APPLICATION, RSVP_ATTRIBUTE_LOCATOR, "VER=1.0", 1);
	name(RSVP_POLICY_USER, RSVP_ATTRIBUTE_CREDENTIAL, "CN=a, O=b", 1);
	assert_accepted();
	/* Nearly is not enough, nor is what is for others. */
	policy_len = 0;
	name(RSVP_POLICY_APPLICATION, RSVP_ATTRIBUTE_LOCATOR, "VER=1.0", 0);
	name(RSVP_POLICY_USER, RSVP_ATTRIBUTE_LOCATOR, "CN=a, O=bc", 0);
	assert_refused(RSVP_POLICY_ERROR_REJECT);
	name(RSVP_POLICY_USER, RSVP_ATTRIBUTE_LOCATOR, "CN=a, O=b", 2);
	assert_refused(RSVP_POLICY_ERROR_REJECT);
	policy_len = 0;
	name(RSVP_POLICY_USER, RSVP_ATTRIBUTE_LOCATOR, "CN=a, O=b", 0);
	name(RSVP_POLICY_APPLICATION, RSVP_ATTRIBUTE_LOCATOR, "VER=1.01, AVER=1.0", 0);
	assert_refused(RSVP_POLICY_ERROR_REJECT);
}

/* who said who it is learns that it has not the right (RFC 3182 §3.3.4: 3). */
static void refusals_say_why(void **state)
{
	struct rsvp_policy_element element;
	struct rsvp_attribute attribute;
	struct rsvp_policy read;
	struct rsvp_object object;
	size_t position = 0;

	configure("rule a { accept = false }");
	policy_len = 0;
	name(RSVP_POLICY_USER, RSVP_ATTRIBUTE_LOCATOR, "CN=a", 0);
	assert_refused(RSVP_POLICY_ERROR_REJECT);
	assert_int_equal(rsvp_object_next(error.policy, error.policy_len, &position, &object), 1);
	assert_int_equal(position, error.policy_len);
	assert_int_equal(rsvp_read_policy(&object, &read), 0);
	position = 0;
	assert_true(rsvp_policy_next(&read, &position, &element));
	assert_int_equal(element.type, RSVP_POLICY_USER);
	position = 0;
	assert_int_equal(rsvp_attribute_next(&element, &position, &attribute), 1);
	assert_int_equal(attribute.type, RSVP_ATTRIBUTE_ERROR);
	assert_int_equal(attribute.len, 4);
	assert_memory_equal(attribute.value, "\0\0\0\3", 4);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_rules_everything_may_be),
		TEST(the_first_rule_that_is_about_it_decides),
		TEST(every_condition_counts),
		TEST(rates_are_limited),
		TEST(priorities_are_limited),
		TEST(identities_decide),
		TEST(refusals_say_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
