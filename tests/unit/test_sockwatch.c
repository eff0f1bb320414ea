/* SPDX-License-Identifier: MIT */
/*
 * Tests of datapath/sockwatch on real sockets over loopback: whose end is told, whose is not, and that
 * losses do not go unnoticed. Run twice, as whoever runs the tests and, if that is root, as nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "datapath/sockwatch.h"
#include "sockets.h"

#define SOON_MS 10000 /* for a machine that is busy with other things; tens of microseconds else */
#define NEVER_MS 100
#define TOO_MANY 1000 /* more messages than the buffer holds that the test leaves it */

static struct sockwatch *watch;

static int set_up(void **state)
{
	(void)state;
	return sockwatch_new(&watch);
}

static int tear_down(void **state)
{
	(void)state;
	watch = sockwatch_free(watch);
	return 0;
}

struct expected {
	uint64_t cookie;
	unsigned times;
};

static void count(void *user_data, uint64_t cookie)
{
	struct expected *expected = user_data;

	expected->times += cookie == expected->cookie;
}

/* Until this watch tells of the end of a socket, or the time is up. Returns what its first failure was, or 0. */
static int hear(struct sockwatch *teller, struct expected *expected, int timeout_ms)
{
	uint64_t deadline_us = time_now_us() + (uint64_t)timeout_ms * USEC_PER_MSEC;
	struct pollfd readable = { .fd = sockwatch_fd(teller), .events = POLLIN };
	int r = 0;

	while (r == 0 && expected->times == 0 && time_now_us() < deadline_us) {
		if (poll(&readable, 1, 10) > 0)
			r = sockwatch_dispatch(teller, count, expected);
	}
	return r;
}

/* How often the end of this socket is told within the time; returns after the first. */
static unsigned told(uint64_t cookie, int timeout_ms)
{
	struct expected expected = { .cookie = cookie };

	assert_int_equal(hear(watch, &expected, timeout_ms), 0);
	return expected.times;
}

static const int families[] = { AF_INET, AF_INET6 };

static void tells_of_closed_udp(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		uint64_t cookie;
		int fd;

		need_family(families[i]);
		assert_int_equal(sockwatch_join(watch, families[i], IPPROTO_UDP), 0);
		fd = udp_connected(families[i]);
		cookie = cookie_of(fd);
		close(fd);
		assert_int_equal(told(cookie, SOON_MS), 1);
		/* Also one that never had a port. */
		fd = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0);
		cookie = cookie_of(fd);
		close(fd);
		assert_int_equal(told(cookie, SOON_MS), 1);
	}
}

static void tells_of_closed_tcp(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		uint64_t cookie;
		int client, server;

		need_family(families[i]);
		assert_int_equal(sockwatch_join(watch, families[i], IPPROTO_TCP), 0);
		tcp_pair(families[i], &client, &server);
		cookie = cookie_of(client);
		close(client);
		close(server);
		assert_int_equal(told(cookie, SOON_MS), 1);
	}
}

static void only_the_last_copy_counts(void **unused)
{
	int fd = udp_connected(AF_INET), copy = dup(fd);
	uint64_t cookie = cookie_of(fd);

	(void)unused;
	assert_int_equal(sockwatch_join(watch, AF_INET, IPPROTO_UDP), 0);
	close(fd);
	assert_int_equal(told(cookie, NEVER_MS), 0);
	close(copy);
	assert_int_equal(told(cookie, SOON_MS), 1);
}

/* The copy is in a child, which is killed. */
static void a_killed_process_closes(void **unused)
{
	int fd = udp_connected(AF_INET);
	uint64_t cookie = cookie_of(fd);
	pid_t pid;

	(void)unused;
	assert_int_equal(sockwatch_join(watch, AF_INET, IPPROTO_UDP), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pause();
		_exit(0);
	}
	close(fd);
	assert_int_equal(told(cookie, NEVER_MS), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(told(cookie, SOON_MS), 1);
}

static void shutdown_and_disconnect_are_no_end(void **unused)
{
	int fd = udp_connected(AF_INET);
	uint64_t cookie = cookie_of(fd);

	(void)unused;
	assert_int_equal(sockwatch_join(watch, AF_INET, IPPROTO_UDP), 0);
	assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
	disconnect(fd);
	assert_int_equal(told(cookie, NEVER_MS), 0);
	close(fd);
	assert_int_equal(told(cookie, SOON_MS), 1);
}

/* It costs nobody anything while nothing of the kind is managed. */
static void tells_only_of_kinds_joined(void **unused)
{
	uint64_t cookie;
	int fd;

	(void)unused;
	assert_int_equal(sockwatch_join(watch, AF_INET, IPPROTO_TCP), 0);
	fd = udp_connected(AF_INET);
	cookie = cookie_of(fd);
	close(fd);
	assert_int_equal(told(cookie, NEVER_MS), 0);

	assert_int_equal(sockwatch_join(watch, AF_INET, IPPROTO_UDP), 0);
	sockwatch_leave(watch, AF_INET, IPPROTO_UDP);
	fd = udp_connected(AF_INET);
	cookie = cookie_of(fd);
	close(fd);
	assert_int_equal(told(cookie, NEVER_MS), 0);
}

/* First losses are reported, then what comes later is told again. */
static void losses_are_noticed(void **unused)
{
	struct expected expected = { .cookie = 0 };
	struct sockwatch *witness;
	const int small = 4096;
	uint64_t cookie;
	bool lost = false;
	int fd, r;

	(void)unused;
	assert_int_equal(sockwatch_new(&witness), 0);
	assert_int_equal(sockwatch_join(witness, AF_INET, IPPROTO_UDP), 0);
	assert_int_equal(sockwatch_join(watch, AF_INET, IPPROTO_UDP), 0);
	assert_int_equal(
		setsockopt(sockwatch_fd(watch), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < TOO_MANY; i++) {
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_true(fd >= 0);
		/* Newer kernels tell of no socket that nobody knows by its cookie. */
		expected = (struct expected){ .cookie = cookie_of(fd) };
		close(fd);
		/* The kernel tells in its own time; other programs may end more at once than a witness can be told of. */
		r = hear(witness, &expected, SOON_MS);
		assert_true(r == -ENOBUFS || (r == 0 && expected.times == 1));
	}
	sockwatch_free(witness);
	for (int i = 0; i < TOO_MANY; i++) {
		struct pollfd readable = { .fd = sockwatch_fd(watch), .events = POLLIN };

		if (poll(&readable, 1, NEVER_MS) == 0)
			break;
		r = sockwatch_dispatch(watch, count, &expected);
		if (r == -ENOBUFS)
			lost = true;
		else
			assert_int_equal(r, 0);
	}
	assert_true(lost);
	fd = udp_connected(AF_INET);
	cookie = cookie_of(fd);
	close(fd);
	assert_int_equal(told(cookie, SOON_MS), 1);
}

/* Another process that knows our port cannot forge an ending. */
static void only_the_kernel_is_heard(void **unused)
{
	struct sockaddr_nl ours;
	socklen_t len = sizeof(ours);
	char message[128] = { 0 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	(void)unused;
	assert_true(fd >= 0);
	assert_int_equal(getsockname(sockwatch_fd(watch), (struct sockaddr *)&ours, &len), 0);
	assert_int_not_equal(ours.nl_pid, 0);
	assert_int_equal(sendto(fd, message, sizeof(message), 0, (struct sockaddr *)&ours,
				sizeof(ours)),
			 -1);
	assert_true(errno == ECONNREFUSED || errno == EPERM);
	close(fd);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_of_closed_udp, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tells_of_closed_tcp, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_the_last_copy_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_killed_process_closes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(shutdown_and_disconnect_are_no_end, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(tells_only_of_kinds_joined, set_up, tear_down),
		cmocka_unit_test_setup_teardown(losses_are_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_the_kernel_is_heard, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_also_as_nobody(run);
}
