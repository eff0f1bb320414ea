/* SPDX-License-Identifier: MIT */
/* last_error.h: calls of the Windows interfaces, judged by what they return and what becomes of the last error. */
#ifndef GW_TESTS_LAST_ERROR_H
#define GW_TESTS_LAST_ERROR_H

#define SENTINEL 0xdeadbeef /* the last error before a call */

#define assert_fails(call, error)                        \
	do {                                             \
		SetLastError(SENTINEL);                  \
		assert_int_equal((call), FALSE);         \
		assert_int_equal(GetLastError(), error); \
	} while (0)

/* Of sockets, with winsock2.h. */
#define assert_error(call, error)                           \
	do {                                                \
		SetLastError(SENTINEL);                     \
		assert_int_equal((call), SOCKET_ERROR);     \
		assert_int_equal(WSAGetLastError(), error); \
	} while (0)

#define assert_succeeds(call)                               \
	do {                                                \
		SetLastError(SENTINEL);                     \
		assert_int_equal((call), TRUE);             \
		assert_int_equal(GetLastError(), SENTINEL); \
	} while (0)

#endif
