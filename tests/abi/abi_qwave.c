/* SPDX-License-Identifier: MIT */
/*
 * The binary interface of qos2.h and the headers around it, checked at run time as the program that
 * includes them sees it: layouts against the tables, and the inline helpers.
 */
#include <qos2.h>
#include <mswsock.h>
#include <qosobjs.h>
#include <qospol.h>
#include <qossp.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

struct row {
	const char *what;
	long long is;
	long long should_be;
};

#define LAYOUT_SIZE(type, bytes) { "sizeof " #type, (long long)sizeof(type), (bytes) },
#define LAYOUT_FIELD(type, member, offset) \
	{ #type "." #member, (long long)offsetof(type, member), (offset) },
#define LAYOUT_VALUE(name, number) { #name, (long long)(name), (number) },

static const struct row qwave_rows[] = {
#include "layout_qwave.h"
};

#ifdef __LP64__
static const struct row base_rows[] = {
#include "layout_base.h"
};

static const struct row gqos_rows[] = {
#include "layout_gqos.h"
};
#endif

static void check_rows(const struct row *rows, size_t count)
{
	size_t wrong = 0;

	for (size_t i = 0; i < count; i++) {
		if (rows[i].is != rows[i].should_be) {
			print_error("%s is %lld, should be %lld\n", rows[i].what, rows[i].is,
				    rows[i].should_be);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

/* Q-199..Q-202 */
static void test_qwave_layout(void **state)
{
	check_rows(qwave_rows, ARRAYSIZE(qwave_rows));
}

static void test_base_layout(void **state)
{
#ifdef __LP64__
	check_rows(base_rows, ARRAYSIZE(base_rows));
#else
	skip(); /* the spec gives 64-bit layouts */
#endif
}

/* G-001..G-011, G-013..G-019 */
static void test_gqos_layout(void **state)
{
#ifdef __LP64__
	check_rows(gqos_rows, ARRAYSIZE(gqos_rows));
#else
	skip(); /* the spec gives 64-bit layouts */
#endif
}

/* alignment, and the padding that the offsets imply */
static void test_alignment(void **state)
{
	assert_int_equal(_Alignof(QOS_VERSION), 2);
	assert_int_equal(_Alignof(QOS_FLOW_FUNDAMENTALS), 8);
	assert_int_equal(_Alignof(QOS_FLOWRATE_OUTGOING), 8);
	assert_int_equal(_Alignof(QOS_PACKET_PRIORITY), 4);
}

/* §2.1: signs, all-ones values, and ULONG and UINT32 being one type */
static void test_scalars(void **state)
{
	QOS_FLOWID flow = 0;
	UINT32 *same_type = &flow;

	assert_ptr_equal(same_type, &flow);
	assert_true((QOS_FLOWID)-1 == 0xFFFFFFFFu);
	assert_true((DWORD)-1 > 0);
	assert_true((LONG)-1 < 0);
	assert_true((BOOL)-1 < 0);
	assert_true((SOCKET)-1 > 0);
	assert_true(INVALID_SOCKET == UINTPTR_MAX);
	assert_true(INVALID_HANDLE_VALUE == (HANDLE)UINTPTR_MAX);
	assert_true((int)INVALID_SOCKET == -1); /* as a descriptor, it is none */
}

/* §2.4: the two halves of a LARGE_INTEGER are those of its number */
static void test_large_integer(void **state)
{
	LARGE_INTEGER number;

	number.QuadPart = -10000000;
	assert_int_equal(number.LowPart, (DWORD)-10000000);
	assert_int_equal(number.HighPart, -1);
	assert_int_equal(number.u.LowPart, number.LowPart);
}

/* every row of the table in §2.5 */
static void test_overhead(void **state)
{
	static const struct {
		int af;
		int protocol;
		UINT32 size;
		UINT64 rate_bps;
		UINT64 with_overhead_bps;
	} rows[] = {
		{ AF_INET, IPPROTO_UDP, 100, 1000000, 1280000 },
		{ AF_INET, IPPROTO_TCP, 1460, 10000000, 10273972 },
		{ AF_INET6, IPPROTO_UDP, 1400, 1000000, 1034285 },
		{ AF_INET, IPPROTO_UDP, 1400, 5000000, 5100000 },
		{ AF_INET6, IPPROTO_TCP, 1, 8, 488 },
		{ AF_INET, IPPROTO_UDP, 1400, 1, 1 },
	};

	for (size_t i = 0; i < ARRAYSIZE(rows); i++) {
		UINT64 sum = QOS_ADD_OVERHEAD(rows[i].af, rows[i].protocol, rows[i].size,
					      rows[i].rate_bps);

		assert_int_equal(sum, rows[i].with_overhead_bps);
		assert_int_equal(QOS_SUBTRACT_OVERHEAD(rows[i].af, rows[i].protocol, rows[i].size,
						       sum),
				 rows[i].rate_bps);
	}
	assert_int_equal(QOS_HEADER_OVERHEAD(AF_INET, IPPROTO_UDP), 28);
	assert_int_equal(QOS_HEADER_OVERHEAD(AF_INET, IPPROTO_TCP), 40);
	assert_int_equal(QOS_HEADER_OVERHEAD(AF_INET6, IPPROTO_UDP), 48);
	assert_int_equal(QOS_HEADER_OVERHEAD(AF_INET6, IPPROTO_TCP), 60);
}

/* A payload size whose bit count leaves 32 bits behind must not wrap. */
static void test_overhead_of_huge_packets(void **state)
{
	assert_int_equal(QOS_ADD_OVERHEAD(AF_INET, IPPROTO_UDP, 0x20000000, 8), 8);
	assert_int_equal(QOS_SUBTRACT_OVERHEAD(AF_INET, IPPROTO_UDP, 0x20000000, 8), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qwave_layout),
		cmocka_unit_test(test_base_layout),
		cmocka_unit_test(test_gqos_layout),
		cmocka_unit_test(test_alignment),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_large_integer),
		cmocka_unit_test(test_overhead),
		cmocka_unit_test(test_overhead_of_huge_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
