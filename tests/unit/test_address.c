/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of core/address: one form for IPv4, IPv6 and v4-mapped addresses, at any alignment and
 * length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "core/address.h"

static struct address v4(const char *text, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct address address;

	assert_int_equal(inet_pton(AF_INET, text, &sin.sin_addr), 1);
	assert_int_equal(address_from_sockaddr((struct sockaddr *)&sin, sizeof(sin), &address), 0);
	return address;
}

static struct address v6(const char *text, uint16_t port, uint32_t scope)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons(port),
				     .sin6_scope_id = scope };
	struct address address;

	assert_int_equal(inet_pton(AF_INET6, text, &sin6.sin6_addr), 1);
	assert_int_equal(address_from_sockaddr((struct sockaddr *)&sin6, sizeof(sin6), &address),
			 0);
	return address;
}

static void test_mapped_is_v4(void **state)
{
	struct address a = v4("192.0.2.1", 5060), b = v6("::ffff:192.0.2.1", 5060, 7);
	static const uint8_t bytes[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };

	(void)state;
	assert_int_equal(a.family, AF_INET);
	assert_memory_equal(a.addr, bytes, sizeof(bytes));
	assert_int_equal(a.port, 5060);
	assert_int_equal(a.scope, 0);
	assert_true(address_equal(&a, &b));
}

static void test_equal(void **state)
{
	struct address a = v4("192.0.2.1", 1), b = v4("192.0.2.1", 2), c = v4("192.0.2.2", 1);
	struct address d = v6("fe80::1", 1, 2), e = v6("fe80::1", 1, 3);

	(void)state;
	assert_true(address_equal(&a, &a));
	assert_false(address_equal(&a, &b));
	assert_false(address_equal(&a, &c));
	assert_false(address_equal(&d, &e));
}

/* The scope belongs to link-local addresses only; a stray one must not make equal hosts differ. */
static void test_scope(void **state)
{
	struct address a = v6("2001:db8::1", 9, 4), b = v6("2001:db8::1", 9, 0);

	(void)state;
	assert_true(address_equal(&a, &b));
	assert_int_equal(v6("fe80::1", 9, 4).scope, 4);
	assert_int_equal(v6("ff02::1", 9, 4).scope, 4);
	assert_int_equal(v6("ff05::1", 9, 4).scope, 0);
}

static void test_refused(void **state)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct address untouched, address;
	struct sockaddr *sa = (struct sockaddr *)&sin, *sa6 = (struct sockaddr *)&sin6;

	(void)state;
	memset(&address, 0xa5, sizeof(address));
	untouched = address;

	for (socklen_t len = 0; len < sizeof(sin); len++)
		assert_int_equal(address_from_sockaddr(sa, len, &address), -EINVAL);
	for (socklen_t len = 0; len < sizeof(sin6); len++)
		assert_int_equal(address_from_sockaddr(sa6, len, &address), -EINVAL);
	sin.sin_family = AF_UNIX;
	assert_int_equal(address_from_sockaddr(sa, sizeof(sin), &address), -EAFNOSUPPORT);
	sin.sin_family = AF_UNSPEC;
	assert_int_equal(address_from_sockaddr(sa, sizeof(sin), &address), -EAFNOSUPPORT);
	assert_memory_equal(&address, &untouched, sizeof(address));
}

static void test_unaligned(void **state)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(1234) };
	char buffer[sizeof(sin6) + 1];
	struct address address;

	(void)state;
	sin6.sin6_addr = in6addr_loopback;
	memcpy(buffer + 1, &sin6, sizeof(sin6));
	assert_int_equal(address_from_sockaddr((struct sockaddr *)(void *)(buffer + 1),
					       sizeof(sin6), &address),
			 0);
	assert_int_equal(address.port, 1234);
}

static void test_round_trip(void **state)
{
	const struct address none = { 0 };
	const struct address table[] = { v4("192.0.2.1", 5060), v4("255.255.255.255", 65535),
					 v6("2001:db8::1", 1, 0), v6("fe80::1", 5060, 3), none };

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct sockaddr_storage ss;
		struct address back = { 0 };

		memset(&ss, 0xa5, sizeof(ss));
		address_to_sockaddr(&table[i], &ss);
		assert_int_equal(ss.ss_family, table[i].family);
		if (table[i].family != AF_UNSPEC)
			assert_int_equal(address_from_sockaddr((struct sockaddr *)&ss, sizeof(ss),
							       &back),
					 0);
		assert_true(address_equal(&table[i], &back));
	}
}

static void test_kinds(void **state)
{
	static const struct {
		const char *text;
		int unspecified, multicast, link_local;
	} table[] = {
		{ "0.0.0.0", 1, 0, 0 },
		{ "0.0.0.1", 0, 0, 0 },
		{ "223.255.255.255", 0, 0, 0 },
		{ "224.0.0.0", 0, 1, 0 },
		{ "239.255.255.255", 0, 1, 0 },
		{ "240.0.0.0", 0, 0, 0 },
		{ "169.254.1.1", 0, 0, 0 },
		{ "255.255.255.255", 0, 1, 0 },
		{ "::", 1, 0, 0 },
		{ "::1", 0, 0, 0 },
		{ "::ffff:0.0.0.0", 1, 0, 0 },
		{ "::ffff:224.0.0.1", 0, 1, 0 },
		{ "fe80::1", 0, 0, 1 },
		{ "febf::1", 0, 0, 1 },
		{ "fec0::1", 0, 0, 0 },
		{ "ff01::1", 0, 1, 1 },
		{ "ff02::1", 0, 1, 1 },
		{ "ff12::1", 0, 1, 1 },
		{ "ff05::1", 0, 1, 0 },
		{ "ff0e::1", 0, 1, 0 },
		{ "fd00::1", 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct address address = strchr(table[i].text, ':') ? v6(table[i].text, 1, 2)
								    : v4(table[i].text, 1);

		assert_int_equal(address_is_unspecified(&address), table[i].unspecified);
		assert_int_equal(address_is_multicast(&address), table[i].multicast);
		assert_int_equal(address_is_link_local(&address), table[i].link_local);
	}
}

static void assert_text(struct address address, const char *expected)
{
	char buf[ADDRESS_TEXT_LEN];

	assert_ptr_equal(address_format(&address, buf), buf);
	assert_string_equal(buf, expected);
}

static void test_format(void **state)
{
	(void)state;
	assert_text(v4("192.0.2.1", 5060), "192.0.2.1:5060");
	assert_text(v6("::ffff:192.0.2.1", 5060, 0), "192.0.2.1:5060");
	assert_text(v6("2001:db8::1", 5060, 3), "[2001:db8::1]:5060");
	assert_text(v6("fe80::1", 5060, 2), "[fe80::1%2]:5060");
	assert_text(v6("fe80:1111:2222:3333:4444:5555:6666:7777", 65535, UINT32_MAX),
		    "[fe80:1111:2222:3333:4444:5555:6666:7777%4294967295]:65535");
	assert_text((struct address){ 0 }, "none");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mapped_is_v4), cmocka_unit_test(test_equal),
		cmocka_unit_test(test_scope),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_unaligned),    cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_kinds),	     cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
