/* SPDX-License-Identifier: MIT */
/* test_rsvp_objects.c: IntServ objects, what hops make of an Adspec, policy and diagnostic objects. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rsvp/adspec.h"
#include "rsvp/diag.h"
#include "rsvp/policy.h"

static const struct rsvp_tspec bucket = { 125000, 8000, 250000, 64, 1500 };

static struct rsvp_object object_of(const uint8_t *data, size_t len)
{
	struct rsvp_object object = { 0 };
	size_t position = 0;

	assert_int_equal(rsvp_object_next(data, len, &position, &object), 1);
	assert_int_equal(position, len);
	return object;
}

static void assert_words(const uint8_t *data, size_t len, const uint32_t *words, size_t n_words)
{
	assert_int_equal(len, 4 * n_words);
	for (size_t i = 0; i < n_words; i++) {
		if (get32(data + 4 * i) != words[i])
			fail_msg("word %zu: %08x instead of %08x", i, get32(data + 4 * i),
				 words[i]);
	}
}

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* R-178..R-180: word by word. */
static void test_layout(void **state)
{
	static const uint32_t tspec_words[] = { 0x00240c02, 0x00000007, 0x01000006,
						0x7f000005, 0x47f42400, 0x45fa0000,
						0x48742400, 64,		1500 };
	static const uint32_t load_words[] = { 0x00240902, 0x00000007, 0x05000006,
					       0x7f000005, 0x47f42400, 0x45fa0000,
					       0x48742400, 64,	       1500 };
	static const uint32_t guaranteed_words[] = { 0x00300902, 0x0000000a, 0x02000009, 0x7f000005,
						     0x47f42400, 0x45fa0000, 0x48742400, 64,
						     1500,	 0x82000002, 0x48127c00, 500 };
	static const uint32_t null_words[] = { 0x00140902, 0x00000003, 0x06000002, 0x80000001,
					       1500 };
	static const uint32_t both_words[] = { 0x00300c02, 0x0000000a, 0x01000006, 0x7f000005,
					       0x47f42400, 0x45fa0000, 0x48742400, 64,
					       1500,	   0x06000002, 0x80000001, 900 };
	struct rsvp_flowspec flowspec = { .tspec = bucket, .service = FLOWSPEC_CONTROLLED_LOAD };
	struct rsvp_sender_tspec tspec = { .tspec = bucket };
	uint8_t buf[RSVP_OBJECT_SMALL];

	assert_words(buf, rsvp_encode_sender_tspec(buf, &tspec), tspec_words, N(tspec_words));
	tspec.null_M = 900;
	assert_words(buf, rsvp_encode_sender_tspec(buf, &tspec), both_words, N(both_words));
	assert_words(buf, rsvp_encode_flowspec(buf, &flowspec), load_words, N(load_words));
	flowspec.service = FLOWSPEC_GUARANTEED;
	flowspec.R = 150000;
	flowspec.S = 500;
	assert_words(buf, rsvp_encode_flowspec(buf, &flowspec), guaranteed_words,
		     N(guaranteed_words));
	flowspec = (struct rsvp_flowspec){ .tspec.M = 1500, .service = FLOWSPEC_NULL };
	assert_words(buf, rsvp_encode_flowspec(buf, &flowspec), null_words, N(null_words));
}

/* R-194..R-196, R-198, R-206: a flowspec with one word changed. */
static void test_flowspec_values(void **state)
{
	static const struct {
		unsigned word;
		uint32_t value;
		int result;
	} changes[] = {
		{ 1, 0x00000009, -EINVAL },	{ 1, 0x1000000a, -EINVAL },
		{ 2, 0x02000008, -EINVAL },	{ 2, 0x0200000a, -EINVAL },
		{ 2, 0x09000009, -EOPNOTSUPP }, { 3, 0x7f000004, -EINVAL },
		{ 3, 0x7e000005, -EINVAL },	{ 4, 0x7fc00000, -EINVAL },
		{ 4, 0x80000000, -EINVAL },	{ 4, 0x7f800000, -EINVAL },
		{ 4, 0xc7f42400, -EINVAL },	{ 5, 0x7f800000, -EINVAL },
		{ 6, 0x7f800000, 0 },		{ 6, 0xff800000, -EINVAL },
		{ 6, 0x7f800001, -EINVAL },	{ 7, 0, -EINVAL },
		{ 7, 1501, -EINVAL },		{ 8, 0, -EINVAL },
		{ 9, 0x82000003, -EINVAL },	{ 9, 0x81000002, -EINVAL },
		{ 10, 0x47000000, -EINVAL },	{ 10, 0x7f800000, -EINVAL },
		{ 11, 0xffffffff, 0 },
	};
	const struct rsvp_flowspec guaranteed = {
		.tspec = bucket, .R = 150000, .S = 500, .service = FLOWSPEC_GUARANTEED
	};
	uint8_t buf[RSVP_OBJECT_SMALL];
	struct rsvp_flowspec read;

	for (size_t i = 0; i < N(changes); i++) {
		size_t len = rsvp_encode_flowspec(buf, &guaranteed);
		struct rsvp_object object;

		put32(buf + 4 * changes[i].word, changes[i].value);
		object = object_of(buf, len);
		if (rsvp_read_flowspec(&object, &read) != changes[i].result)
			fail_msg("change %zu is taken wrongly", i);
	}
}

/* */
static void test_adspec_layout(void **state)
{
	uint8_t buf[RSVP_ADSPEC_MADE_MAX];

	assert_int_equal(rsvp_encode_adspec(buf, true, true, false), 84);
	assert_int_equal(get32(buf + 4), 19);
	assert_int_equal(get32(buf + 8), 0x01000008);
	assert_int_equal(get32(buf + 44), 0x02000008);
	assert_int_equal(get32(buf + 80), 0x05000000);
	assert_int_equal(rsvp_encode_adspec(buf, true, true, true), 88);
	assert_int_equal(get32(buf + 84), 0x06000000);
	assert_int_equal(rsvp_encode_adspec(buf, false, false, false), 44);
}

static const struct rsvp_adspec_hop plain_hop = {
	.bandwidth = 1250000,
	.latency_us = 100,
	.mtu = 1500,
	.c_bytes = 1500,
	.d_us = 120,
	.guaranteed.offered = true,
	.controlled_load.offered = true,
};

/* Composes in place; what the object says then. */
static struct rsvp_adspec compose(uint8_t *buf, const struct rsvp_adspec_hop *hop)
{
	uint8_t composed[1024];
	struct rsvp_object object = object_of(buf, get16(buf));
	struct rsvp_adspec adspec;
	size_t len = rsvp_compose_adspec(&object, hop, composed);

	memcpy(buf, composed, len);
	object = object_of(buf, len);
	assert_int_equal(rsvp_read_adspec(&object, &adspec), 0);
	return adspec;
}

/* R-186..R-189, R-191..R-193 */
static void test_hops(void **state)
{
	struct rsvp_adspec_hop hop = plain_hop;
	struct rsvp_adspec adspec;
	uint8_t buf[1024];

	rsvp_encode_adspec(buf, true, true, false);
	adspec = compose(buf, &hop);
	assert_int_equal(adspec.hops, 1);
	assert_true(adspec.bandwidth == 1250000);
	assert_int_equal(adspec.latency_us, 100);
	assert_int_equal(adspec.mtu, 1500);
	assert_false(adspec.broken);
	assert_int_equal(adspec.c_total, 1500);
	assert_int_equal(adspec.d_since, 120);

	hop.mtu = 1400;
	hop.bandwidth = 2e6f;
	hop.broken = true;
	adspec = compose(buf, &hop);
	assert_int_equal(adspec.hops, 2);
	assert_true(adspec.bandwidth == 1250000);
	assert_int_equal(adspec.latency_us, 200);
	assert_int_equal(adspec.mtu, 1400);
	assert_true(adspec.broken);
	assert_int_equal(adspec.c_total, 3000);
	assert_int_equal(adspec.d_total, 240);
	assert_int_equal(adspec.c_since, 3000);

	/* What is broken or not known stays so; who reshapes begins anew. */
	hop.broken = false;
	hop.bandwidth = 0;
	hop.latency_us = UINT32_MAX;
	hop.reshapes = true;
	hop.d_us = UINT32_MAX;
	adspec = compose(buf, &hop);
	assert_true(adspec.broken);
	assert_true(adspec.bandwidth == 0);
	assert_int_equal(adspec.latency_us, UINT32_MAX);
	assert_int_equal(adspec.c_total, 4500);
	assert_int_equal(adspec.d_total, UINT32_MAX);
	assert_int_equal(adspec.c_since, 1500);
	adspec = compose(buf, &plain_hop);
	assert_true(adspec.bandwidth == 0);
	assert_int_equal(adspec.latency_us, UINT32_MAX);
	assert_int_equal(adspec.d_total, UINT32_MAX);
	assert_int_equal(adspec.c_since, 3000);
}

/* Words of an Adspec, as they come and as they leave the plain hop. */
static void assert_composed(const uint32_t *in, size_t n_in, const struct rsvp_adspec_hop *hop,
			    const uint32_t *out, size_t n_out)
{
	uint8_t buf[1024], composed[1024];
	struct rsvp_object object;
	struct rsvp_adspec adspec;

	for (size_t i = 0; i < n_in; i++)
		put32(buf + 4 * i, in[i]);
	object = object_of(buf, 4 * n_in);
	assert_int_equal(rsvp_read_adspec(&object, &adspec), 0);
	assert_words(composed, rsvp_compose_adspec(&object, hop, composed), out, n_out);
}

#define GENERAL_IN \
	0x01000008, 0x04000001, 3, 0x06000001, 0x49989680, 0x08000001, 50, 0x0a000001, 1480
#define GENERAL_OUT \
	0x01000008, 0x04000001, 4, 0x06000001, 0x49989680, 0x08000001, 150, 0x0a000001, 1480

/* R-183..R-185: services that the hop does not know or offer, and the empty block. */
static void test_services(void **state)
{
	static const uint32_t unknown_in[] = { 0x00340d02, 0x0000000b, GENERAL_IN, 0x63000001,
					       0x12345678 };
	static const uint32_t unknown_out[] = { 0x00340d02, 0x0000000b, GENERAL_OUT, 0x63800001,
						0x12345678 };
	static const uint32_t null_in[] = { 0x00300d02, 0x0000000a, GENERAL_IN, 0x06000000 };
	static const uint32_t null_out[] = { 0x00300d02, 0x0000000a, GENERAL_OUT, 0x06800000 };
	static const uint32_t empty_in[] = { 0x00300d02, 0x0000000a, GENERAL_IN, 0x02800000 };
	static const uint32_t empty_out[] = { 0x00500d02, 0x00000012, GENERAL_OUT, 0x02800008,
					      0x85000001, 1500,	      0x86000001,  120,
					      0x87000001, 1500,	      0x88000001,  120 };
	/* A parameter that nobody knows goes on, marked: 11 is general, 200 is not. */
	static const uint32_t strange_in[] = { 0x00400d02, 0x0000000e, GENERAL_IN, 0x05000004,
					       0xc8000001, 7,	       0x0b000001, 8 };
	static const uint32_t strange_out[] = { 0x00400d02, 0x0000000e, GENERAL_OUT, 0x05000004,
						0xc8800001, 7,		0x0b800001,  8 };

	assert_composed(unknown_in, N(unknown_in), &plain_hop, unknown_out, N(unknown_out));
	assert_composed(null_in, N(null_in), &plain_hop, null_out, N(null_out));
	assert_composed(empty_in, N(empty_in), &plain_hop, empty_out, N(empty_out));
	assert_composed(strange_in, N(strange_in), &plain_hop, strange_out, N(strange_out));
}

/* overrides that arrived, that the hop has, both, and neither; in the order of their numbers. */
static void test_overrides(void **state)
{
	static const uint32_t in[] = { 0x00400d02, 0x0000000e, GENERAL_IN, 0x05000004,
				       0x08000001, 20,	       0x0a000001, 1400 };
	static const uint32_t arriving[] = { 0x00400d02, 0x0000000e, GENERAL_OUT, 0x05000004,
					     0x08000001, 120,	     0x0a000001,  1400 };
	/* 6 only of the hop, 8 of both, 10 only arriving. */
	static const uint32_t both[] = { 0x00480d02, 0x00000010, GENERAL_OUT, 0x05000006,
					 0x06000001, 0x447a0000, 0x08000001,  27,
					 0x0a000001, 1400 };
	struct rsvp_adspec_hop hop = plain_hop;

	assert_composed(in, N(in), &hop, arriving, N(arriving));
	hop.controlled_load.has_latency = true;
	hop.controlled_load.latency_us = 7;
	hop.controlled_load.has_bandwidth = true;
	hop.controlled_load.bandwidth = 1000;
	assert_composed(in, N(in), &hop, both, N(both));
}

/* lengths within that do not fit, and an order that is none, are a bad Adspec. */
static void test_bad_adspecs(void **state)
{
	uint8_t buf[RSVP_ADSPEC_MADE_MAX];
	static const struct {
		unsigned word;
		uint32_t value;
	} changes[] = {
		{ 1, 18 },	    { 1, 0x10000013 },	{ 2, 0x01000007 },  { 2, 0x01000009 },
		{ 2, 0x02000008 },  { 3, 0x04000002 },	{ 3, 0x0b000001 },  { 5, 0x04000001 },
		{ 6, 0x7fc00000 },  { 6, 0x80000000 },	{ 6, 0xc0000000 },  { 11, 0x05000008 },
		{ 11, 0x0200ffff }, { 12, 0x85000000 }, { 12, 0x8a000001 }, { 20, 0x05000001 },
		{ 20, 0x01000000 },
	};

	for (size_t i = 0; i < N(changes); i++) {
		size_t len = rsvp_encode_adspec(buf, true, true, false);
		struct rsvp_object object = object_of(buf, len);
		struct rsvp_adspec adspec;

		assert_int_equal(rsvp_read_adspec(&object, &adspec), 0);
		put32(buf + 4 * changes[i].word, changes[i].value);
		if (rsvp_read_adspec(&object, &adspec) != -EINVAL)
			fail_msg("change %zu is taken", i);
	}
}

/* */
static void test_policy(void **state)
{
	const struct rsvp_preemption preemption = { RSVP_MERGE_HIGHEST_PRIORITY, 0, 3, 9 };
	const struct rsvp_admission_priority admission = { RSVP_MERGE_HIGHEST_QOS, 0, 4 };
	struct rsvp_admission_priority admission_read;
	struct rsvp_preemption preemption_read;
	struct rsvp_policy_element element;
	struct rsvp_attribute attribute;
	struct rsvp_policy policy;
	struct rsvp_object object;
	uint8_t buf[128], user[32];
	size_t len, user_len, position = 0, at = 0;

	user_len = rsvp_attribute_add(user, sizeof(user), 0, RSVP_ATTRIBUTE_LOCATOR, 1, "CN=me", 5);
	assert_int_equal(user_len, 12);
	user_len = rsvp_attribute_add(user, sizeof(user), user_len, RSVP_ATTRIBUTE_CREDENTIAL, 1,
				      "four", 4);
	assert_int_equal(user_len, 20);
	len = rsvp_policy_begin(buf, sizeof(buf), (const uint8_t[]){ 0, 8, 5, 1, 0, 0, 0, 9 }, 8);
	len = rsvp_policy_add_preemption(buf, sizeof(buf), len, &preemption);
	assert_int_equal(len, 16 + 12);
	len = rsvp_policy_add_admission_priority(buf, sizeof(buf), len, &admission);
	len = rsvp_policy_add(buf, sizeof(buf), len, RSVP_POLICY_USER, user, user_len);
	len = rsvp_policy_add(buf, sizeof(buf), len, RSVP_POLICY_SESSION, NULL, 0);
	assert_int_equal(rsvp_policy_add(buf, len + 3, len, RSVP_POLICY_SESSION, NULL, 0), 0);
	len = rsvp_policy_end(buf, len);

	object = object_of(buf, len);
	assert_int_equal(rsvp_read_policy(&object, &policy), 0);
	assert_int_equal(policy.options_len, 8);
	assert_true(rsvp_policy_next(&policy, &position, &element));
	assert_int_equal(element.type, RSVP_POLICY_PREEMPTION);
	assert_int_equal(rsvp_read_preemption(&element, &preemption_read), 0);
	assert_memory_equal(&preemption, &preemption_read, sizeof(preemption));
	assert_true(rsvp_policy_next(&policy, &position, &element));
	assert_int_equal(rsvp_read_admission_priority(&element, &admission_read), 0);
	assert_memory_equal(&admission, &admission_read, sizeof(admission));
	assert_true(rsvp_policy_next(&policy, &position, &element));
	assert_int_equal(rsvp_attribute_next(&element, &at, &attribute), 1);
	assert_int_equal(attribute.len, 5);
	assert_memory_equal(attribute.value, "CN=me", 5);
	assert_int_equal(rsvp_attribute_next(&element, &at, &attribute), 1);
	assert_int_equal(attribute.type, RSVP_ATTRIBUTE_CREDENTIAL);
	assert_int_equal(rsvp_attribute_next(&element, &at, &attribute), 0);
	assert_true(rsvp_policy_next(&policy, &position, &element));
	assert_int_equal(element.len, 0);
	assert_false(rsvp_policy_next(&policy, &position, &element));
}

static void test_bad_policy(void **state)
{
	static const uint32_t words[] = { 0x00200e01, 0x00100000, 0x00080501, 1,
					  0x000c0001, 0x00010000, 0x00030009, 0x00040004 };
	static const struct {
		unsigned word;
		uint32_t value;
	} changes[] = {
		{ 1, 0x00040000 }, { 1, 0x00120000 }, { 1, 0x00240000 },
		{ 2, 0x00040501 }, { 2, 0x000c0501 }, { 4, 0x000a0001 },
		{ 4, 0x00140001 }, { 4, 0x00000001 }, { 7, 0x00080004 },
	};
	struct rsvp_policy_element element;
	struct rsvp_preemption preemption;
	struct rsvp_policy policy;
	struct rsvp_object object;
	size_t position = 0;
	uint8_t buf[32];

	for (size_t i = 0; i <= N(changes); i++) {
		for (size_t word = 0; word < N(words); word++)
			put32(buf + 4 * word, words[word]);
		object = object_of(buf, sizeof(buf));
		assert_int_equal(rsvp_read_policy(&object, &policy), 0);
		if (i == N(changes))
			break;
		put32(buf + 4 * changes[i].word, changes[i].value);
		if (changes[i].word == 2 && changes[i].value == 0x00040501)
			put32(buf + 12, 0x00030000); /* a second option, too short */
		if (rsvp_read_policy(&object, &policy) != -EBADMSG)
			fail_msg("change %zu is taken", i);
	}
	/* A strategy that there is not; a defence weaker than the attack. */
	assert_true(rsvp_policy_next(&policy, &position, &element));
	assert_int_equal(rsvp_read_preemption(&element, &preemption), 0);
	buf[21] = 4;
	assert_int_equal(rsvp_read_preemption(&element, &preemption), -EBADMSG);
	buf[21] = 1;
	put32(buf + 24, 0x000a0009);
	assert_int_equal(rsvp_read_preemption(&element, &preemption), -EBADMSG);
}

static void test_diag_select(void **state)
{
	const uint8_t select[] = { 0, 12, 33, 1, 9, 2, 12, 0, 14, 1, 0, 0 };
	struct rsvp_object object = object_of(select, sizeof(select));

	assert_int_equal(rsvp_check_diag(&object), 0);
	assert_true(rsvp_diag_selects(&object, 9, 2));
	assert_false(rsvp_diag_selects(&object, 9, 1));
	assert_true(rsvp_diag_selects(&object, 12, 7));
	assert_false(rsvp_diag_selects(&object, 13, 2));
	assert_false(rsvp_diag_selects(&object, 0, 0));
}

/* the four bytes of the SPI are the sender, and no port. */
static void test_gpi(void **state)
{
	uint8_t object_bytes[] = { 0, 12, 10, 4, 10, 1, 1, 100, 0x12, 0x34, 0x56, 0x78 };
	struct rsvp_object object = object_of(object_bytes, sizeof(object_bytes));
	struct rsvp_sender a, b;
	struct address address;

	assert_int_equal(rsvp_read_sender(&object, &a), 0);
	assert_int_equal(a.id, 0x12345678);
	rsvp_sender_address(&a, &address);
	assert_int_equal(address.port, 0);
	for (size_t i = 8; i < 12; i++) {
		object_bytes[i] ^= 1;
		assert_int_equal(rsvp_read_sender(&object, &b), 0);
		assert_false(rsvp_sender_equal(&a, &b));
		object_bytes[i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),	      cmocka_unit_test(test_flowspec_values),
		cmocka_unit_test(test_adspec_layout), cmocka_unit_test(test_hops),
		cmocka_unit_test(test_services),      cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_bad_adspecs),   cmocka_unit_test(test_policy),
		cmocka_unit_test(test_bad_policy),    cmocka_unit_test(test_diag_select),
		cmocka_unit_test(test_gpi),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
