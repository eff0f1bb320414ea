/* SPDX-License-Identifier: MIT */
/* test_pacing.c: rates that sockets keep to themselves, and what their applications get back. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/pacing.h"

#ifndef SO_MAX_PACING_RATE
#define SO_MAX_PACING_RATE 47
#endif

#define MBIT UINT64_C(1000000)
#define COOKIE 7

static uint64_t rate_of(int fd)
{
	uint64_t rate = 0;
	socklen_t len = sizeof(rate);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &len), 0);
	if (len == sizeof(uint32_t) && (uint32_t)rate == UINT32_MAX)
		return UINT64_MAX;
	return rate;
}

static void ask_for(int fd, uint32_t rate)
{
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)), 0);
}

static int open_tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(rate_of(fd) == UINT64_MAX);
	return fd;
}

static void test_arithmetic(void **state)
{
	assert_int_equal(pacing_bytes_per_second(12000, 1448, 1500), 1448);
	assert_int_equal(pacing_bytes_per_second(8 * MBIT, 1, 1), MBIT);
	/* No rate is too high to be counted, none is nothing. */
	assert_true(pacing_bytes_per_second(UINT64_MAX, 65483, 65535) / 1000 ==
		    (uint64_t)((long double)(UINT64_MAX / 8) * 65483 / 65535 / 1000));
	assert_int_equal(pacing_bytes_per_second(1, 1448, 1500), 1);
}

/* The usual packet, since nothing is known of this one's path. */
static void test_unconnected(void **state)
{
	struct pacing pacing = { 0 };
	int fd = open_tcp();

	assert_int_equal(pacing_set(&pacing, fd, COOKIE, 12 * MBIT), 0);
	assert_int_equal(rate_of(fd), 1448000);
	assert_int_equal(pacing_set(&pacing, fd, COOKIE, 24 * MBIT), 0);
	assert_int_equal(rate_of(fd), 2896000);
	pacing_clear(&pacing, fd, COOKIE);
	assert_true(rate_of(fd) == UINT64_MAX);
	assert_null(pacing.sockets);
	pacing_clear(&pacing, fd, COOKIE);
	close(fd);
}

static void test_connected(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	struct pacing pacing = { 0 };
	int listener = open_tcp(), fd = open_tcp();
	uint64_t rate;

	assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(pacing_set(&pacing, fd, COOKIE, 80 * MBIT), 0);
	/* Loopback has large packets; hardly anything of them is headers. */
	rate = rate_of(fd);
	assert_true(rate < 10 * MBIT && rate > 99 * MBIT / 10);
	pacing_clear(&pacing, fd, COOKIE);
	assert_true(rate_of(fd) == UINT64_MAX);
	close(fd);
	close(listener);
}

static void test_udp(void **state)
{
	struct pacing pacing = { 0 };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(pacing_set(&pacing, fd, COOKIE, 8 * MBIT), 0);
	assert_int_equal(rate_of(fd), MBIT);
	pacing_clear(&pacing, fd, COOKIE);
	assert_true(rate_of(fd) == UINT64_MAX);
	close(fd);
}

static void test_wide(void **state)
{
	struct pacing pacing = { 0 };
	int fd = open_tcp();
	uint64_t probe = UINT64_C(1) << 40;

	if (setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &probe, sizeof(probe)) < 0 ||
	    rate_of(fd) != probe) {
		close(fd);
		skip(); /* the kernel's option has 32 bits */
	}
	assert_int_equal(pacing_set(&pacing, fd, COOKIE, 120000 * MBIT), 0);
	assert_true(rate_of(fd) == UINT64_C(14480000000));
	pacing_clear(&pacing, fd, COOKIE);
	assert_true(rate_of(fd) == probe);
	close(fd);
}

/* What it had asked for holds where it is lower, and comes back. */
static void test_own_rate(void **state)
{
	struct pacing pacing = { 0 };
	int fd = open_tcp();

	ask_for(fd, 1000000);
	assert_int_equal(pacing_set(&pacing, fd, COOKIE, 12 * MBIT), 0);
	assert_int_equal(rate_of(fd), 1000000);
	assert_int_equal(pacing_set(&pacing, fd, COOKIE, 6 * MBIT), 0);
	assert_int_equal(rate_of(fd), 724000);
	pacing_clear(&pacing, fd, COOKIE);
	assert_int_equal(rate_of(fd), 1000000);
	close(fd);
}

static void test_changed_meanwhile(void **state)
{
	struct pacing pacing = { 0 };
	int fd = open_tcp();

	assert_int_equal(pacing_set(&pacing, fd, COOKIE, 12 * MBIT), 0);
	ask_for(fd, 900000);
	pacing_clear(&pacing, fd, COOKIE);
	assert_int_equal(rate_of(fd), 900000);

	/* Also when there is another rate in between. */
	assert_int_equal(pacing_set(&pacing, fd, COOKIE, 6 * MBIT), 0);
	ask_for(fd, 800000);
	assert_int_equal(pacing_set(&pacing, fd, COOKIE, 3 * MBIT), 0);
	assert_int_equal(rate_of(fd), 362000);
	pacing_clear(&pacing, fd, COOKIE);
	assert_int_equal(rate_of(fd), 800000);
	close(fd);
}

static void test_forgotten(void **state)
{
	struct pacing pacing = { 0 };
	int fd = open_tcp(), other = open_tcp();

	assert_int_equal(pacing_set(&pacing, fd, COOKIE, 12 * MBIT), 0);
	assert_int_equal(pacing_set(&pacing, other, COOKIE + 1, 12 * MBIT), 0);
	pacing_forget(&pacing, COOKIE);
	pacing_clear(&pacing, fd, COOKIE);
	assert_int_equal(rate_of(fd), 1448000);
	pacing_free(&pacing);
	assert_null(pacing.sockets);
	assert_int_equal(rate_of(other), 1448000);
	close(fd);
	close(other);
}

static void test_no_socket(void **state)
{
	struct pacing pacing = { 0 };

	assert_true(pacing_set(&pacing, -1, COOKIE, MBIT) < 0);
	assert_null(pacing.sockets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arithmetic),
		cmocka_unit_test(test_unconnected),
		cmocka_unit_test(test_connected),
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_own_rate),
		cmocka_unit_test(test_changed_meanwhile),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_no_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
