/* SPDX-License-Identifier: MIT */
/*
 * test_errmap.c: the translation of errors (spec/qwave.md §3) and the last error of each thread.
 *
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <winsock2.h>

#include "winqos/errmap.h"

/* Every row that the specification, or the header's list of errors, asks for. */
static void errno_becomes_the_specified_code(void **state)
{
	static const struct {
		int error;
		DWORD code;
	} rows[] = {
		{ EINVAL, 87 },		{ ENOTSOCK, 87 },      { EBADF, 87 },
		{ EDESTADDRREQ, 87 },	{ E2BIG, 87 },	       { ENOENT, 1168 },
		{ EACCES, 5 },		{ EPERM, 5 },	       { EXDEV, 50 },
		{ EOPNOTSUPP, 50 },	{ EAFNOSUPPORT, 50 },  { EPROTONOSUPPORT, 50 },
		{ ENOMEM, 8 },		{ ENOBUFS, 1450 },     { EMFILE, 1450 },
		{ ENFILE, 1450 },	{ ENETDOWN, 57 },      { ENODEV, 57 },
		{ EBUSY, 170 },		{ ENETUNREACH, 1232 }, { EDQUOT, 54 },
		{ EHOSTUNREACH, 1232 }, { ENODATA, 232 },      { EEXIST, 183 },
		{ ECANCELED, 995 },	{ ETIMEDOUT, 1460 },   { EAGAIN, 1237 },
		{ ESHUTDOWN, 1164 },	{ ECHILD, 6 },	       { ECONNREFUSED, 1225 },
		{ ECONNRESET, 59 },	{ EPIPE, 59 },	       { EIO, 1117 },
		{ ENOSPC, 1450 },	{ ELIBACC, 31 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(errmap_win32(-rows[i].error), rows[i].code);
}

static void an_engine_out_of_reach_is_a_failed_dependency(void **state)
{
	static const int unreachable[] = { ENOENT,  ECONNREFUSED, ETIMEDOUT, EACCES,
					   ELIBACC, ENOTDIR,	  ESHUTDOWN };

	for (size_t i = 0; i < sizeof(unreachable) / sizeof(unreachable[0]); i++)
		assert_int_equal(errmap_open(-unreachable[i]), ERROR_SERVICE_DEPENDENCY_FAIL);
	assert_int_equal(errmap_open(-ENOMEM), ERROR_NOT_ENOUGH_MEMORY);
	assert_int_equal(errmap_open(-EMFILE), ERROR_NO_SYSTEM_RESOURCES);
	assert_int_equal(errmap_open(-ENOBUFS), ERROR_NO_SYSTEM_RESOURCES);
	assert_int_equal(errmap_open(-EINVAL), ERROR_GEN_FAILURE);
}

static void winsock_has_codes_of_its_own(void **state)
{
	assert_int_equal(errmap_winsock(-ENOTSOCK), WSAENOTSOCK);
	assert_int_equal(errmap_winsock(-EBADF), WSAENOTSOCK);
	assert_int_equal(errmap_winsock(-EINPROGRESS), WSAEWOULDBLOCK);
	assert_int_equal(errmap_winsock(-ECONNREFUSED), WSAECONNREFUSED);
	assert_int_equal(errmap_winsock(-ECANCELED), WSA_OPERATION_ABORTED);
}

/* §3: the NTSTATUS values that appear in OVERLAPPED.Internal. */
static void status_values_are_those_of_windows(void **state)
{
	assert_int_equal(errmap_status(0), 0);
	assert_int_equal(errmap_status(995), 0xC0000120);
	assert_int_equal(errmap_status(1450), 0xC000009A);
	assert_int_equal(errmap_status(50), 0xC00000BB);
	assert_int_equal(errmap_status(1164), 0xC0000287);
	assert_int_equal(errmap_status(54), 0xC00000BF);
	assert_int_equal(errmap_status(1237), 0xC000022D);
	assert_int_equal(errmap_status(1168), 0xC0000225);
}

static void every_code_survives_the_way_through_a_status(void **state)
{
	for (DWORD error = 0; error < 12000; error++) {
		ULONG_PTR status = errmap_status(error);

		assert_int_equal(errmap_from_status(status), error);
		assert_true(status != STATUS_PENDING);
		assert_true(error == 0 || status >> 31 == 1);
	}
}

static void both_names_read_one_slot(void **state)
{
	SetLastError(1234);
	assert_int_equal(WSAGetLastError(), 1234);
	WSASetLastError(WSAENOTSOCK);
	assert_int_equal(GetLastError(), WSAENOTSOCK);
	assert_int_equal(fail_with(87), FALSE);
	assert_int_equal(GetLastError(), 87);
	assert_int_equal(WSAGetLastError(), 87);
}

static void *other_thread(void *arg)
{
	DWORD *seen = arg;

	*seen = GetLastError();
	SetLastError(2);
	return NULL;
}

static void each_thread_has_its_own(void **state)
{
	pthread_t thread;
	DWORD seen = 99;

	SetLastError(1);
	assert_int_equal(pthread_create(&thread, NULL, other_thread, &seen), 0);
	pthread_join(thread, NULL);
	assert_int_equal(seen, 0);
	assert_int_equal(GetLastError(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errno_becomes_the_specified_code),
		cmocka_unit_test(an_engine_out_of_reach_is_a_failed_dependency),
		cmocka_unit_test(winsock_has_codes_of_its_own),
		cmocka_unit_test(status_values_are_those_of_windows),
		cmocka_unit_test(every_code_survives_the_way_through_a_status),
		cmocka_unit_test(both_names_read_one_slot),
		cmocka_unit_test(each_thread_has_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
