/* SPDX-License-Identifier: MIT */
/* test_rsvp_message.c: messages captured and made are understood; malformed ones are refused for the right reason. */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "rsvp/format.h"
#include "rsvp/writer.h"
#include "rsvp_again.h"
#include "rsvp_messages.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static uint8_t buf[RSVP_MESSAGE_MAX], other[RSVP_MESSAGE_MAX];
static struct rsvp_message message;
static struct rsvp_complaint complaint;

/* In memory of just that size, so that a sanitizer sees each byte too many. */
static int parse_limited(const uint8_t *data, size_t len, const struct rsvp_limits *limits)
{
	static uint8_t *exact;

	free(exact);
	exact = malloc(len ? len : 1);
	memcpy(exact, data, len);
	memset(&complaint, 0, sizeof(complaint));
	return rsvp_message_parse(exact, len, limits, &message, &complaint);
}

static int parse(const uint8_t *data, size_t len)
{
	return parse_limited(data, len, &rsvp_limits_default);
}

/* what others have sent is written again byte by byte. */
static void test_captures(void **state)
{
	const char *source = getenv("GW_SOURCE");
	struct dirent *entry;
	char path[1024];
	int understood = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "%s/tests/fuzz/seeds/rsvp_message", source ? source : ".");
	folder = opendir(path);
	assert_non_null(folder);
	while ((entry = readdir(folder))) {
		char name[2048];
		size_t len, again;
		FILE *file;

		if (strncmp(entry->d_name, "crafted", 7) != 0 &&
		    strncmp(entry->d_name, "kom", 3) != 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		file = fopen(name, "rb");
		len = fread(buf, 1, sizeof(buf), file);
		fclose(file);
		if (parse(buf, len) != 0)
			fail_msg("%s: %s", entry->d_name, rsvp_reason_text(complaint.reason));
		again = rsvp_again(&message, other, sizeof(other));
		if (again != len || memcmp(buf, other, len) != 0)
			fail_msg("%s is not the same again", entry->d_name);
		understood++;
	}
	closedir(folder);
	assert_int_equal(understood, 24);
}

/* ..R-180: every kind of message, IPv4 and IPv6, again and as text. */
static void test_every_kind(void **state)
{
	for (unsigned i = 0; i < rsvp_messages_count(); i++) {
		size_t len = rsvp_messages_build(i, buf, sizeof(buf)), again;
		char text[4096];

		assert_true(len > 0);
		if (parse(buf, len) != 0)
			fail_msg("message %u: %s", i, rsvp_reason_text(complaint.reason));
		again = rsvp_again(&message, other, sizeof(other));
		assert_int_equal(again, len);
		assert_memory_equal(buf, other, len);
		assert_true(rsvp_message_format(&message, text, sizeof(text)) > 0);
		assert_null(strstr(text, "C-Type"));
		for (size_t size = 0; size < 64; size++)
			assert_true(rsvp_message_format(&message, text, size) <=
				    (size ? size - 1 : 0));
		/* Too small a buffer is noticed at every length. */
		for (size_t room = 0; room < len; room++)
			assert_int_equal(rsvp_messages_build(i, other, room), 0);
	}
}

/* one bit changed anywhere. */
static void test_one_bit(void **state)
{
	size_t len = rsvp_messages_build(RSVP_MESSAGES_PATH4, buf, sizeof(buf));

	for (size_t bit = 0; bit < len * 8; bit++) {
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_true(parse(buf, len) < 0);
		assert_false(complaint.answer);
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(parse(buf, len), 0);
}

/* */
static void test_checksum(void **state)
{
	struct rsvp_limits strict = rsvp_limits_default;
	size_t len = rsvp_messages_build(RSVP_MESSAGES_PATH4, buf, sizeof(buf));
	/* All ones already: the complement is 0. */
	uint8_t ones[8] = { 0xff, 0xff, 0, 0, 0, 0, 0, 0 };

	assert_int_equal(rsvp_checksum(ones, sizeof(ones)), 0xffff);
	strict.require_checksum = true;
	assert_int_equal(parse_limited(buf, len, &strict), 0);
	buf[2] = buf[3] = 0;
	assert_int_equal(parse(buf, len), 0);
	assert_int_equal(parse_limited(buf, len, &strict), -EBADMSG);
	assert_int_equal(complaint.reason, RSVP_REASON_CHECKSUM);
}

/* */
static void test_header(void **state)
{
	size_t len = rsvp_messages_build(RSVP_MESSAGES_PATH4, buf, sizeof(buf));

	buf[0] = 0x2f;
	assert_int_equal(parse(buf, len), -EPROTONOSUPPORT);
	assert_int_equal(complaint.reason, RSVP_REASON_VERSION);
	buf[0] = 0x1f;
	rsvp_set_checksum(buf, len);
	assert_int_equal(parse(buf, len), 0);
	for (size_t shorter = 0; shorter < len; shorter++) {
		assert_int_equal(parse(buf, shorter), -EBADMSG);
		assert_int_equal(complaint.reason, RSVP_REASON_LENGTH);
	}
	assert_int_equal(parse(buf, len + 4), -EBADMSG);
	assert_int_equal(complaint.reason, RSVP_REASON_LENGTH);

	/* Lengths that agree, but end within an object. */
	for (size_t cut = RSVP_HEADER_LEN; cut < len; cut++) {
		memcpy(other, buf, cut);
		put16(other + 6, (uint16_t)cut);
		other[2] = other[3] = 0;
		/* Without its last object, which may be left out, it is whole. */
		if (parse(other, cut) == 0)
			assert_int_equal(cut, message.object[RSVP_CLASS_SENDER_TSPEC].data -
						      message.data +
						      message.object[RSVP_CLASS_SENDER_TSPEC].len);
		else
			assert_false(complaint.answer);
	}
	for (unsigned type = 0; type < 256; type++) {
		buf[1] = (uint8_t)type;
		buf[2] = buf[3] = 0;
		if (!rsvp_type_name((uint8_t)type)) {
			assert_int_equal(parse(buf, len), -EPROTONOSUPPORT);
			assert_int_equal(complaint.reason, RSVP_REASON_TYPE);
		}
	}
}

/* ---- messages of single objects, in any order ---- */

#define SESSION4 "000c0101 0a090909 1100138c"
#define SESSION6 "00180102 20010db8000000000000000000000009 1100138c"
#define SESSION_GPI "000c0103 0a090909 32001388"
#define HOP4 "000c0301 0a010101 00000007"
#define TIMES "00080501 00007530"
#define TEMPLATE4 "000c0b01 0a010164 00001770"
#define TEMPLATE6 "00180b02 20010db8000000000000000000000001 00001770"
#define BUCKET "47f42400 45fa0000 48742400 00000040 000005dc"
#define TSPEC "00240c02 00000007 01000006 7f000005" BUCKET
#define FF "00080801 0000000a"
#define WF "00080801 00000011"
#define SE "00080801 00000012"
#define FLOWSPEC "00240902 00000007 05000006 7f000005" BUCKET
#define FILTER4 "000c0a01 0a010164 00001770"
#define FILTER_B "000c0a01 0a010165 00001770"
#define ERROR4 "000c0601 0a010102 00150002"
#define CONFIRM4 "00080f01 0a090909"
#define MESSAGE_ID "000c1701 01000001 00000001"
#define ACK_ID "000c1801 00000001 00000001"
#define INTEGRITY "00240401 00000000 00000001 00000000 00000001 00000000 00000000 00000000 00000000"
#define CHALLENGE_OBJECT "00144001 00000000 00000001 12345678 9abcdef0"
#define POLICY "00080e01 00080000"
#define ANY_NULL "000c0007 ffffffff ffffffff"
#define PATH_REST HOP4 TIMES TEMPLATE4 TSPEC
#define PATH SESSION4 PATH_REST
#define RESV SESSION4 HOP4 TIMES
#define DROPPED "00088001 11111111"
#define KEPT "0008c001 22222222"
#define REJECTED "00087f05 33333333"

static size_t from_hex(const char *hex, uint8_t *to)
{
	size_t digits = 0;

	for (; *hex; hex++) {
		uint8_t value = (uint8_t)(*hex >= 'a' ? *hex - 'a' + 10 : *hex - '0');

		if (*hex == ' ')
			continue;
		if (digits % 2 == 0)
			to[digits / 2] = (uint8_t)(value << 4);
		else
			to[digits / 2] |= value;
		digits++;
	}
	return digits / 2;
}

static size_t make(enum rsvp_type type, const char *hex)
{
	size_t len = RSVP_HEADER_LEN + from_hex(hex, buf + RSVP_HEADER_LEN);

	memset(buf, 0, RSVP_HEADER_LEN);
	buf[0] = RSVP_VERSION << 4;
	buf[1] = (uint8_t)type;
	buf[4] = 63;
	put16(buf + 6, (uint16_t)len);
	rsvp_set_checksum(buf, len);
	return len;
}

struct refusal {
	enum rsvp_type type;
	const char *hex;
	enum rsvp_reason reason; /* RSVP_REASON_NONE: it is accepted */
	bool answer;
	uint8_t code;
	uint16_t value;
};

static const struct refusal refusals[] = {
	/* any order, NULL anywhere. */
	{ RSVP_PATH, PATH, RSVP_REASON_NONE },
	{ RSVP_PATH, TSPEC TEMPLATE4 TIMES HOP4 SESSION4, RSVP_REASON_NONE },
	{ RSVP_PATH, ANY_NULL SESSION4 ANY_NULL PATH_REST ANY_NULL, RSVP_REASON_NONE },
	{ RSVP_RESV, TIMES HOP4 SESSION4 FF FLOWSPEC FILTER4, RSVP_REASON_NONE },
	{ RSVP_PATH, INTEGRITY ACK_ID ACK_ID MESSAGE_ID PATH, RSVP_REASON_NONE },
	/* what must stand first. */
	{ RSVP_PATH, SESSION4 INTEGRITY PATH_REST, RSVP_REASON_ORDER },
	{ RSVP_PATH, DROPPED INTEGRITY PATH, RSVP_REASON_ORDER },
	{ RSVP_PATH, MESSAGE_ID ACK_ID PATH, RSVP_REASON_ORDER },
	{ RSVP_PATH, SESSION4 MESSAGE_ID PATH_REST, RSVP_REASON_ORDER },
	/* what must stand last. */
	{ RSVP_RESV, FF FLOWSPEC FILTER4 RESV, RSVP_REASON_ORDER },
	{ RSVP_RESV, RESV FLOWSPEC FF FILTER4, RSVP_REASON_ORDER },
	{ RSVP_RESV, RESV FF FLOWSPEC FILTER4 POLICY, RSVP_REASON_ORDER },
	/* R-009..R-011 */
	{ RSVP_PATH, PATH "00008001", RSVP_REASON_OBJECT },
	{ RSVP_PATH, PATH "00018001", RSVP_REASON_OBJECT },
	{ RSVP_PATH, PATH "00038001", RSVP_REASON_OBJECT },
	{ RSVP_PATH, PATH "00058001 00000000", RSVP_REASON_OBJECT },
	{ RSVP_PATH, PATH "000c8001 00000000", RSVP_REASON_OBJECT },
	{ RSVP_PATH, PATH "fffc8001 00000000", RSVP_REASON_OBJECT },
	{ RSVP_PATH, "00100101 0a090909 1100138c 00000000" PATH_REST, RSVP_REASON_OBJECT },
	{ RSVP_PATH, SESSION4 "00080301 0a010101" TIMES TEMPLATE4 TSPEC, RSVP_REASON_OBJECT },
	/* R-013..R-015 */
	{ RSVP_PATH, REJECTED PATH, RSVP_REASON_UNKNOWN_CLASS, true, 13, 0x7f05 },
	{ RSVP_PATH, PATH REJECTED, RSVP_REASON_UNKNOWN_CLASS, true, 13, 0x7f05 },
	{ RSVP_RESV, RESV REJECTED FF FLOWSPEC FILTER4, RSVP_REASON_UNKNOWN_CLASS, true, 13,
	  0x7f05 },
	{ RSVP_PATH_TEAR, REJECTED SESSION4 HOP4 TEMPLATE4, RSVP_REASON_UNKNOWN_CLASS },
	{ RSVP_RESV_TEAR, REJECTED SESSION4 HOP4 FF FILTER4, RSVP_REASON_UNKNOWN_CLASS },
	{ RSVP_PATH_ERR, REJECTED SESSION4 ERROR4 TEMPLATE4, RSVP_REASON_UNKNOWN_CLASS },
	{ RSVP_RESV_ERR, REJECTED SESSION4 HOP4 ERROR4 WF FLOWSPEC, RSVP_REASON_UNKNOWN_CLASS },
	{ RSVP_RESV_CONF, REJECTED SESSION4 ERROR4 CONFIRM4 WF FLOWSPEC,
	  RSVP_REASON_UNKNOWN_CLASS },
	/* One that is malformed as well is not answered. */
	{ RSVP_PATH, REJECTED SESSION4 HOP4 TIMES, RSVP_REASON_MISSING },
	{ RSVP_PATH, REJECTED PATH "00018001", RSVP_REASON_OBJECT },
	/* classes and enterprises that nobody here knows, by their two top bits. */
	{ RSVP_PATH, DROPPED PATH DROPPED, RSVP_REASON_NONE },
	{ RSVP_PATH, KEPT PATH KEPT, RSVP_REASON_NONE },
	{ RSVP_PATH, "0008bc01 00000009" PATH "0008fc01 00000009", RSVP_REASON_NONE },
	{ RSVP_PATH, "00087c01 00000009" PATH, RSVP_REASON_UNKNOWN_CLASS, true, 13, 0x7c01 },
	{ RSVP_RESV, RESV FF FLOWSPEC FILTER4 KEPT, RSVP_REASON_NONE },
	/* */
	{ RSVP_PATH, SESSION4 "000c0309 0a010101 00000007" HOP4 TIMES TEMPLATE4 TSPEC,
	  RSVP_REASON_REPEATED },
	{ RSVP_PATH, SESSION4 HOP4 "00080509 00007530" TEMPLATE4 TSPEC, RSVP_REASON_UNKNOWN_CTYPE,
	  true, 14, 0x0509 },
	{ RSVP_PATH, "00100107 0a090909 00000001 0a010101" PATH_REST, RSVP_REASON_UNKNOWN_CTYPE,
	  true, 14, 0x0107 },
	{ RSVP_RESV, RESV FF "00080901 00000000" FILTER4, RSVP_REASON_UNKNOWN_CTYPE, true, 14,
	  0x0901 },
	{ RSVP_RESV, RESV FF FLOWSPEC "000c0a07 0a010164 00000001", RSVP_REASON_UNKNOWN_CTYPE, true,
	  14, 0x0a07 },
	/* Nowhere to answer to. */
	{ RSVP_PATH, SESSION4 "000c0309 0a010101 00000007" TIMES TEMPLATE4 TSPEC,
	  RSVP_REASON_UNKNOWN_CTYPE },
	/* */
	{ RSVP_PATH, PATH_REST, RSVP_REASON_MISSING },
	{ RSVP_PATH, SESSION4 TIMES TEMPLATE4 TSPEC, RSVP_REASON_MISSING },
	{ RSVP_PATH, SESSION4 HOP4 TEMPLATE4 TSPEC, RSVP_REASON_MISSING },
	{ RSVP_PATH, SESSION4 HOP4 TIMES TSPEC, RSVP_REASON_MISSING },
	{ RSVP_PATH, SESSION4 HOP4 TIMES TEMPLATE4, RSVP_REASON_MISSING },
	/* */
	{ RSVP_RESV, HOP4 TIMES FF FLOWSPEC FILTER4, RSVP_REASON_MISSING },
	{ RSVP_RESV, SESSION4 TIMES FF FLOWSPEC FILTER4, RSVP_REASON_MISSING },
	{ RSVP_RESV, SESSION4 HOP4 FF FLOWSPEC FILTER4, RSVP_REASON_MISSING },
	{ RSVP_RESV, RESV, RSVP_REASON_MISSING },
	/* R-029..R-032 */
	{ RSVP_RESV, RESV FF FILTER4, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV FF FILTER4 FLOWSPEC FILTER_B, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV FF FLOWSPEC, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV FF FLOWSPEC FLOWSPEC FILTER4, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV FF FLOWSPEC FILTER4 FLOWSPEC, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV FF, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV FF FLOWSPEC FILTER4 FILTER_B, RSVP_REASON_NONE },
	{ RSVP_RESV, RESV WF FLOWSPEC, RSVP_REASON_NONE },
	{ RSVP_RESV, RESV WF FLOWSPEC FILTER4, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV WF FLOWSPEC FLOWSPEC, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV WF, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV SE FLOWSPEC FILTER4 FILTER_B, RSVP_REASON_NONE },
	{ RSVP_RESV, RESV SE FLOWSPEC, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV SE FILTER4 FILTER_B, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV SE FILTER4 FLOWSPEC, RSVP_REASON_FLOWS },
	{ RSVP_RESV, RESV SE FLOWSPEC FILTER4 FLOWSPEC FILTER_B, RSVP_REASON_FLOWS },
	{ RSVP_RESV_TEAR, SESSION4 HOP4 FF FILTER4 FILTER_B, RSVP_REASON_NONE },
	{ RSVP_RESV_TEAR, SESSION4 HOP4 SE FILTER4, RSVP_REASON_NONE },
	{ RSVP_RESV_TEAR, SESSION4 HOP4 WF, RSVP_REASON_NONE },
	{ RSVP_RESV_TEAR, SESSION4 HOP4 FF, RSVP_REASON_FLOWS },
	{ RSVP_RESV_ERR, SESSION4 HOP4 ERROR4 FF FLOWSPEC FILTER4, RSVP_REASON_NONE },
	{ RSVP_RESV_ERR, SESSION4 HOP4 ERROR4 FF, RSVP_REASON_NONE },
	{ RSVP_RESV_ERR, SESSION4 HOP4 ERROR4 FF FLOWSPEC FILTER4 FILTER_B, RSVP_REASON_FLOWS },
	/* */
	{ RSVP_RESV, RESV "00080801 00000009" FLOWSPEC, RSVP_REASON_STYLE, true, 6, 0 },
	/* R-034..R-036 */
	{ RSVP_PATH, "000c0101 00000000 11001388" PATH_REST, RSVP_REASON_OBJECT },
	{ RSVP_PATH, "000c0101 0a090909 00001388" PATH_REST, RSVP_REASON_OBJECT },
	{ RSVP_PATH, SESSION4 HOP4 TIMES "000c0b01 00000000 00001770" TSPEC, RSVP_REASON_OBJECT },
	{ RSVP_PATH, SESSION4 HOP4 TIMES "000c0b01 e0000001 00001770" TSPEC, RSVP_REASON_OBJECT },
	{ RSVP_PATH, SESSION4 "000c0301 00000000 00000007" TIMES TEMPLATE4 TSPEC,
	  RSVP_REASON_OBJECT },
	{ RSVP_PATH, SESSION4 "000c0301 e0000001 00000007" TIMES TEMPLATE4 TSPEC,
	  RSVP_REASON_OBJECT },
	{ RSVP_PATH, SESSION4 "000c0301 7f000001 00000007" TIMES TEMPLATE4 TSPEC,
	  RSVP_REASON_OBJECT },
	{ RSVP_PATH, SESSION4 "000c0301 ffffffff 00000007" TIMES TEMPLATE4 TSPEC,
	  RSVP_REASON_OBJECT },
	/* */
	{ RSVP_PATH, SESSION6 PATH_REST, RSVP_REASON_FAMILY },
	{ RSVP_PATH, SESSION4 HOP4 TIMES TEMPLATE6 TSPEC, RSVP_REASON_FAMILY },
	{ RSVP_PATH, "00180102 00000000000000000000ffff0a090909 1100138c" PATH_REST,
	  RSVP_REASON_OBJECT },
	{ RSVP_RESV, RESV "00180702 20010db8000000000000000000000001 00000000" WF FLOWSPEC,
	  RSVP_REASON_OBJECT },
	{ RSVP_RESV, RESV "00140702 20010db8000000000000000000000001" WF FLOWSPEC,
	  RSVP_REASON_FAMILY },
	{ RSVP_RESV, RESV "00140f02 20010db8000000000000000000000001" WF FLOWSPEC,
	  RSVP_REASON_FAMILY },
	/* */
	{ RSVP_PATH, "000c0101 0a090909 11000000" PATH_REST, RSVP_REASON_PORTS },
	{ RSVP_RESV, "000c0101 0a090909 11000000" HOP4 TIMES FF FLOWSPEC FILTER4,
	  RSVP_REASON_PORTS },
	/* of a Path; are of test_flowspec. */
	{ RSVP_PATH,
	  SESSION4 HOP4 TIMES TEMPLATE4
	  "00240c02 00000007 01000006 7f000005 7fc00000 45fa0000 48742400 00000040 000005dc",
	  RSVP_REASON_VALUE, true, 21, 4 },
	{ RSVP_PATH, SESSION4 HOP4 TIMES TEMPLATE4 "00240c02 00000008 01000006 7f000005" BUCKET,
	  RSVP_REASON_VALUE, true, 21, 4 },
	{ RSVP_PATH, PATH "000c0d02 00000001 01000001", RSVP_REASON_VALUE, true, 21, 5 },
	/* Of other messages it is not looked at. */
	{ RSVP_PATH_TEAR, SESSION4 HOP4 TEMPLATE4 "00080c02 ffffffff", RSVP_REASON_NONE },
	/* */
	{ RSVP_RESV, SESSION_GPI HOP4 TIMES FF FLOWSPEC "000c0a04 0a010164 12345678",
	  RSVP_REASON_NONE },
	{ RSVP_RESV, SESSION_GPI HOP4 TIMES FF FLOWSPEC FILTER4, RSVP_REASON_FAMILY },
	{ RSVP_RESV, RESV FF FLOWSPEC "000c0a04 0a010164 12345678", RSVP_REASON_FAMILY },
	{ RSVP_RESV, "000c0103 0a090909 32000000" HOP4 TIMES WF FLOWSPEC, RSVP_REASON_OBJECT },
	{ RSVP_RESV, "000c0103 0a090909 1100138c" HOP4 TIMES WF FLOWSPEC, RSVP_REASON_OBJECT },
	/* What does not belong there, and what does but once. */
	{ RSVP_PATH, PATH CONFIRM4, RSVP_REASON_FORBIDDEN },
	{ RSVP_PATH_TEAR, SESSION4 HOP4 TIMES TEMPLATE4, RSVP_REASON_FORBIDDEN },
	{ RSVP_PATH, PATH SESSION4, RSVP_REASON_REPEATED },
	{ RSVP_PATH, POLICY PATH POLICY, RSVP_REASON_NONE },
	/* */
	{ RSVP_ACK, ACK_ID ACK_ID, RSVP_REASON_NONE },
	{ RSVP_ACK, ACK_ID MESSAGE_ID, RSVP_REASON_FORBIDDEN },
	{ RSVP_ACK, INTEGRITY, RSVP_REASON_MISSING },
	{ RSVP_SREFRESH,
	  "000c1901 00000001 00000007"
	  "00141904 00000001 00000007 0a010101 e0010101",
	  RSVP_REASON_NONE },
	{ RSVP_SREFRESH, "00101902 00000001 00000007 0a010101", RSVP_REASON_NONE },
	{ RSVP_SREFRESH,
	  "000c1901 00000001 00000007"
	  "00101902 00000001 00000007 0a010101",
	  RSVP_REASON_FORBIDDEN },
	{ RSVP_SREFRESH,
	  "00101902 00000001 00000007 0a010101"
	  "00141904 00000001 00000007 0a010101 e0010101",
	  RSVP_REASON_FORBIDDEN },
	{ RSVP_SREFRESH, "00141902 00000001 00000007 0a010101 00000000", RSVP_REASON_OBJECT },
	{ RSVP_SREFRESH, "00041901", RSVP_REASON_OBJECT },
	/* R-243, and bundles that do not add up. */
	{ RSVP_BUNDLE, "", RSVP_REASON_MISSING },
	{ RSVP_BUNDLE, "100d0000 3f000008", RSVP_REASON_NONE },
	{ RSVP_BUNDLE, "100d0000 3f000008 100c0000 3f000008", RSVP_REASON_FORBIDDEN },
	{ RSVP_BUNDLE, "100d0000 3f000010", RSVP_REASON_LENGTH },
	{ RSVP_BUNDLE, "100d0000 3f000000", RSVP_REASON_LENGTH },
	{ RSVP_BUNDLE, "100d0000 3f000008 100d0000", RSVP_REASON_LENGTH },
	/* */
	{ RSVP_CHALLENGE, CHALLENGE_OBJECT, RSVP_REASON_NONE },
	{ RSVP_CHALLENGE, INTEGRITY CHALLENGE_OBJECT, RSVP_REASON_FORBIDDEN },
	{ RSVP_RESPONSE, INTEGRITY CHALLENGE_OBJECT, RSVP_REASON_NONE },
	{ RSVP_RESPONSE, CHALLENGE_OBJECT, RSVP_REASON_MISSING },
};

static void test_refusals(void **state)
{
	for (size_t i = 0; i < N(refusals); i++) {
		const struct refusal *refusal = &refusals[i];
		size_t len = make(refusal->type, refusal->hex);
		int r = parse(buf, len);

		if (refusal->reason == RSVP_REASON_NONE) {
			if (r != 0)
				fail_msg("%zu: %s", i, rsvp_reason_text(complaint.reason));
			continue;
		}
		if (r == 0 || complaint.reason != refusal->reason)
			fail_msg("%zu: %d, %s", i, r, rsvp_reason_text(complaint.reason));
		assert_int_equal(r == -EOPNOTSUPP, refusal->answer);
		assert_int_equal(complaint.answer, refusal->answer);
		assert_int_equal(complaint.code, refusal->code);
		assert_int_equal(complaint.value, refusal->value);
	}
}

/* each descriptor stands for itself. */
static void test_flows(void **state)
{
#define BAD_FLOWSPEC \
	"00240902 00000007 05000006 7f000005 80000000 45fa0000 48742400 00000040 000005dc"
#define STRANGE_FLOWSPEC "000c0902 00000001 09000000"
#define FILTER_C "000c0a01 0a010166 00001770"
#define FILTER_D "000c0a01 0a010167 00001770"
	static const struct {
		uint8_t host, code;
		uint16_t value;
	} expected[] = { { 0x64, 0, 0 }, { 0x65, 0, 0 }, { 0x66, 21, 3 }, { 0x67, 21, 2 } };
	struct rsvp_flow_iter iter = { 0 };
	struct rsvp_flow flow;
	size_t len = make(
		RSVP_RESV,
		RESV FF FLOWSPEC FILTER4 FILTER_B BAD_FLOWSPEC FILTER_C STRANGE_FLOWSPEC FILTER_D);

	assert_int_equal(parse(buf, len), 0);
	assert_int_equal(message.n_flows, N(expected));
	for (size_t i = 0; i < N(expected); i++) {
		assert_true(rsvp_flow_next(&message, &iter, &flow));
		assert_int_equal(flow.sender.address[15], expected[i].host);
		assert_int_equal(flow.sender.id, 6000);
		assert_int_equal(flow.error_code, expected[i].code);
		assert_int_equal(flow.error_value, expected[i].value);
		if (expected[i].code == 0) {
			assert_true(flow.flowspec.tspec.r == 125000);
			assert_int_equal(flow.flowspec.service, FLOWSPEC_CONTROLLED_LOAD);
		}
	}
	assert_false(rsvp_flow_next(&message, &iter, &flow));

	iter = (struct rsvp_flow_iter){ 0 };
	assert_int_equal(parse(buf, make(RSVP_RESV, RESV WF FLOWSPEC)), 0);
	assert_true(rsvp_flow_next(&message, &iter, &flow));
	assert_int_equal(flow.sender.family, AF_UNSPEC);
	assert_true(flow.flowspec.tspec.p == 250000);
	assert_false(rsvp_flow_next(&message, &iter, &flow));
}

/* R-017..R-020, R-267: what goes on unchanged is found in its order; DCLASS is understood as well. */
static void test_kept(void **state)
{
	struct rsvp_object object;
	size_t position = 0;
	size_t len = make(RSVP_RESV, RESV KEPT DROPPED "0008e101 000000b8" FF FLOWSPEC FILTER4
						       "0008c101 44444444");

	assert_int_equal(parse(buf, len), 0);
	assert_int_equal(message.n_kept, 3);
	assert_true(rsvp_message_next_kept(&message, &position, &object));
	assert_int_equal(object.class_num, 0xc0);
	assert_int_equal(get32(object.data + 4), 0x22222222);
	assert_true(rsvp_message_next_kept(&message, &position, &object));
	assert_int_equal(object.class_num, RSVP_CLASS_DCLASS);
	assert_int_equal(rsvp_dclass_first(&message.dclass), 46);
	assert_true(rsvp_message_next_kept(&message, &position, &object));
	assert_int_equal(object.class_num, 0xc1);
	assert_false(rsvp_message_next_kept(&message, &position, &object));
}

/* each message of a Bundle is one. */
static void test_bundle(void **state)
{
	const uint8_t *data;
	size_t position = 0, len = rsvp_messages_build(RSVP_MESSAGES_BUNDLE, other, sizeof(other));
	size_t sub_len, found = 0;
	struct rsvp_message bundle;

	assert_int_equal(rsvp_message_parse(other, len, &rsvp_limits_default, &bundle, &complaint),
			 0);
	while (rsvp_bundle_next(&bundle, &position, &data, &sub_len)) {
		assert_int_equal(parse(data, sub_len), 0);
		found++;
	}
	assert_int_equal(found, 2);
	assert_int_equal(position, len);
}

/* Spec §16.3 */
static void test_limits(void **state)
{
	struct rsvp_limits few = rsvp_limits_default;
	size_t len;

	few.flows = 1;
	few.kept = 1;
	few.policy_bytes = 8;
	few.scope = 1;
	len = make(RSVP_RESV, RESV SE FLOWSPEC FILTER4);
	assert_int_equal(parse_limited(buf, len, &few), 0);
	len = make(RSVP_RESV, RESV SE FLOWSPEC FILTER4 FILTER_B);
	assert_int_equal(parse_limited(buf, len, &few), -EMSGSIZE);
	assert_int_equal(complaint.reason, RSVP_REASON_LIMIT);
	len = make(RSVP_PATH, PATH KEPT POLICY);
	assert_int_equal(parse_limited(buf, len, &few), 0);
	len = make(RSVP_PATH, PATH KEPT KEPT);
	assert_int_equal(parse_limited(buf, len, &few), -EMSGSIZE);
	len = make(RSVP_PATH, PATH POLICY POLICY);
	assert_int_equal(parse_limited(buf, len, &few), -EMSGSIZE);
	len = make(RSVP_RESV, RESV "000c0701 0a010101 0a010102" WF FLOWSPEC);
	assert_int_equal(parse(buf, len), 0);
	assert_int_equal(parse_limited(buf, len, &few), -EMSGSIZE);
	few = rsvp_limits_default;
	few.kept_bytes = 8;
	assert_int_equal(parse_limited(buf, make(RSVP_PATH, PATH KEPT KEPT), &few), -EMSGSIZE);
}

static void test_text(void **state)
{
	char text[2048];

	assert_int_equal(parse(buf, make(RSVP_RESV, RESV FF FLOWSPEC FILTER4 KEPT)), 0);
	rsvp_message_format(&message, text, sizeof(text));
	assert_string_equal(text,
			    "Resv of 104 bytes, ttl 63\n"
			    "\tSESSION 10.9.9.9 port 5004 protocol 17\n"
			    "\tRSVP_HOP 10.1.1.1 lih 7\n"
			    "\tTIME_VALUES 30000 ms\n"
			    "\tSTYLE fixed filter\n"
			    "\tFLOWSPEC controlled load r 125000 b 8000 p 250000 m 64 M 1500\n"
			    "\tFILTER_SPEC 10.1.1.100 port 6000\n"
			    "\tclass 192 C-Type 1 (8 bytes, C-Type 1)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_captures), cmocka_unit_test(test_every_kind),
		cmocka_unit_test(test_one_bit),	 cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_header),	 cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_flows),	 cmocka_unit_test(test_kept),
		cmocka_unit_test(test_bundle),	 cmocka_unit_test(test_limits),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
