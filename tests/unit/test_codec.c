/* SPDX-License-Identifier: MIT */
/* test_codec.c: structures to bytes and back, and bytes that are no structure. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/address.h"
#include "proto/codec.h"

struct thing {
	uint32_t number;
	uint64_t wide;
	char name[8];
	struct address address;
	struct codec_bytes bytes;
};

static const struct codec_field fields[] = {
	CODEC_FIELD(1, struct thing, number, CODEC_NUMBER),
	CODEC_FIELD(2, struct thing, wide, CODEC_NUMBER),
	CODEC_FIELD(3, struct thing, name, CODEC_STRING),
	CODEC_FIELD(4, struct thing, address, CODEC_ADDRESS),
	CODEC_FIELD(9, struct thing, bytes, CODEC_BYTES), /* after a gap */
};
#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))
#define ALL (CODEC_BIT(1) | CODEC_BIT(2) | CODEC_BIT(3) | CODEC_BIT(4) | CODEC_BIT(9))

static struct thing example(void)
{
	struct thing thing = {
		.number = 7,
		.wide = UINT64_MAX - 1,
		.name = "seven",
		.bytes = { "abc", 3 },
	};
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = 1,
				   .sin_addr.s_addr = 0x01020304 };

	address_from_sockaddr((struct sockaddr *)&sin, sizeof(sin), &thing.address);
	return thing;
}

/* In a buffer of just that size, so that a sanitizer sees one byte too many. */
static int decode(const void *data, size_t len, struct thing *ret_thing, uint64_t *ret_present)
{
	void *exact = malloc(len ? len : 1);
	int r;

	memcpy(exact, data, len);
	r = codec_decode(fields, N_FIELDS, exact, len, ret_thing, ret_present);
	if (r == 0 && ret_thing->bytes.data)
		ret_thing->bytes.data = "abc"; /* it pointed into `exact` */
	free(exact);
	return r;
}

static void there_and_back(void **state)
{
	struct thing in = example(), out = { 0 };
	unsigned char buf[256];
	uint64_t present;
	long len = codec_encode(fields, N_FIELDS, &in, ALL, buf, 0, sizeof(buf));

	(void)state;
	assert_int_equal(len, 5 * 4 + 4 + 8 + 5 + 24 + 3);
	assert_int_equal(decode(buf, (size_t)len, &out, &present), 0);
	assert_true(present == ALL);
	assert_int_equal(out.number, 7);
	assert_true(out.wide == UINT64_MAX - 1);
	assert_string_equal(out.name, "seven");
	assert_true(address_equal(&out.address, &in.address));
	assert_int_equal(out.bytes.len, 3);
}

/* Every selection of fields; what is not there stays as it was. */
static void some_of_the_fields(void **state)
{
	static const uint16_t tags[] = { 1, 2, 3, 4, 9 };

	(void)state;
	for (unsigned choice = 0; choice < 32; choice++) {
		struct thing in = example(), out = { .number = 99, .name = "old" };
		unsigned char buf[256];
		uint64_t chosen = 0, present;
		long len;

		for (int i = 0; i < 5; i++)
			chosen |= choice & (1u << i) ? CODEC_BIT(tags[i]) : 0;
		len = codec_encode(fields, N_FIELDS, &in, chosen, buf, 0, sizeof(buf));
		assert_int_equal(decode(buf, (size_t)len, &out, &present), 0);
		assert_true(present == chosen);
		assert_int_equal(out.number, choice & 1 ? 7 : 99);
		assert_string_equal(out.name, choice & 4 ? "seven" : "old");
	}
}

/* Cut off anywhere but between two fields, it is malformed. */
static void cut_off(void **state)
{
	struct thing in = example();
	unsigned char buf[256];
	long len = codec_encode(fields, N_FIELDS, &in, ALL, buf, 0, sizeof(buf));
	int whole = 0;

	(void)state;
	for (size_t n = 0; n < (size_t)len; n++) {
		struct thing out = { 0 };
		uint64_t present;
		int r = decode(buf, n, &out, &present);

		assert_true(r == 0 || r == -EBADMSG);
		whole += r == 0;
	}
	assert_int_equal(whole, 5);
}

static void no_room(void **state)
{
	struct thing in = example();
	unsigned char buf[256];
	long len = codec_encode(fields, N_FIELDS, &in, ALL, buf, 0, sizeof(buf));

	(void)state;
	for (size_t n = 0; n < (size_t)len; n++) {
		unsigned char *exact = malloc(n ? n : 1);

		assert_int_equal(codec_encode(fields, N_FIELDS, &in, ALL, exact, 0, n), -EMSGSIZE);
		free(exact);
	}
	assert_int_equal(codec_append(1, buf, 65536, buf, 0, 100000), -EMSGSIZE);
	assert_int_equal(codec_append(1, "", 0, buf, 253, 256), -EMSGSIZE);
	assert_int_equal(codec_append(1, "", 0, buf, 257, 256), -EMSGSIZE);
	assert_int_equal(codec_append(1, "", 0, buf, 252, 256), 256);
}

static long one(uint16_t tag, const void *data, size_t data_len, unsigned char buf[static 256])
{
	return codec_append(tag, data, data_len, buf, 0, 256);
}

static int decode_one(uint16_t tag, const void *data, size_t data_len)
{
	unsigned char buf[256];
	struct thing out = { 0 };
	uint64_t present;

	return decode(buf, (size_t)one(tag, data, data_len, buf), &out, &present);
}

static void values_of_the_wrong_form(void **state)
{
	unsigned char zero[64] = { 0 };

	(void)state;
	assert_int_equal(decode_one(1, zero, 4), 0);
	assert_int_equal(decode_one(1, zero, 3), -EBADMSG);
	assert_int_equal(decode_one(1, zero, 8), -EBADMSG);
	assert_int_equal(decode_one(1, zero, 0), -EBADMSG);
	assert_int_equal(decode_one(2, zero, 4), -EBADMSG);
	assert_int_equal(decode_one(3, "1234567", 7), 0);
	assert_int_equal(decode_one(3, "12345678", 8), -EBADMSG);
	assert_int_equal(decode_one(3, "12\0", 3), -EBADMSG);
	assert_int_equal(decode_one(3, "", 0), 0);
	assert_int_equal(decode_one(4, zero, 24), 0);
	assert_int_equal(decode_one(4, zero, 23), -EBADMSG);
	assert_int_equal(decode_one(9, "", 0), 0);
}

/* One spelling of each address: anything else would be another key for the same packets. */
static void addresses_have_one_spelling(void **state)
{
	struct address good = example().address, bad;

	(void)state;
	assert_int_equal(decode_one(4, &good, sizeof(good)), 0);
	bad = good;
	bad.family = 77;
	assert_int_equal(decode_one(4, &bad, sizeof(bad)), -EBADMSG);
	bad.family = AF_UNSPEC; /* with something in it */
	assert_int_equal(decode_one(4, &bad, sizeof(bad)), -EBADMSG);
	bad = good;
	bad.addr[0] = 1; /* IPv4 without its prefix */
	assert_int_equal(decode_one(4, &bad, sizeof(bad)), -EBADMSG);
	bad = good;
	bad.family = AF_INET6; /* v4-mapped is IPv4 */
	assert_int_equal(decode_one(4, &bad, sizeof(bad)), -EBADMSG);
	bad = good;
	bad.scope = 1;
	assert_int_equal(decode_one(4, &bad, sizeof(bad)), -EBADMSG);
	bad = (struct address){ .family = AF_INET6, .port = 1, .addr = { 0xfe, 0x80, [15] = 1 } };
	bad.scope = 3;
	assert_int_equal(decode_one(4, &bad, sizeof(bad)), 0);
	bad.addr[0] = 0x20;
	assert_int_equal(decode_one(4, &bad, sizeof(bad)), -EBADMSG);
}

/* Newer ends may say more. The last of several is what counts, and all can be stepped through. */
static void unknown_and_repeated(void **state)
{
	unsigned char buf[256];
	struct thing out = { 0 };
	struct codec_bytes value;
	size_t position = 0;
	uint32_t number;
	uint64_t present;
	long len = 0;

	(void)state;
	len = codec_append(60000, "newer", 5, buf, (size_t)len, sizeof(buf));
	for (number = 1; number <= 3; number++)
		len = codec_append(1, &number, 4, buf, (size_t)len, sizeof(buf));
	len = codec_append(0, "", 0, buf, (size_t)len, sizeof(buf));
	len = codec_append(63, "x", 1, buf, (size_t)len, sizeof(buf));
	assert_int_equal(decode(buf, (size_t)len, &out, &present), 0);
	assert_true(present == CODEC_BIT(1));
	assert_int_equal(out.number, 3);
	for (uint32_t i = 1; i <= 3; i++) {
		assert_int_equal(codec_next(buf, (size_t)len, 1, &position, &value), 1);
		memcpy(&number, value.data, 4);
		assert_int_equal(number, i);
	}
	assert_int_equal(codec_next(buf, (size_t)len, 1, &position, &value), 0);
	assert_int_equal(codec_next(buf, (size_t)len, 1, &position, &value), 0);
	position = 0;
	assert_int_equal(codec_next(buf, 11, 1, &position, &value), -EBADMSG);
}

/* Strings are cut where their member ends. */
static void unterminated_string(void **state)
{
	struct thing in = { 0 }, out = { 0 };
	unsigned char buf[256];
	uint64_t present;
	long len;

	(void)state;
	memcpy(in.name, "12345678", 8);
	len = codec_encode(fields, N_FIELDS, &in, CODEC_BIT(3), buf, 0, sizeof(buf));
	assert_int_equal(decode(buf, (size_t)len, &out, &present), 0);
	assert_string_equal(out.name, "1234567");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(some_of_the_fields),
		cmocka_unit_test(cut_off),
		cmocka_unit_test(no_room),
		cmocka_unit_test(values_of_the_wrong_form),
		cmocka_unit_test(addresses_have_one_spelling),
		cmocka_unit_test(unknown_and_repeated),
		cmocka_unit_test(unterminated_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
