/* SPDX-License-Identifier: MIT */
/* sockets.c: see sockets.h. */
#include "sockets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUIET_PORT 9 /* discard */

static socklen_t loopback(int family, uint16_t port, struct sockaddr_storage *ret_address)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)ret_address;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)ret_address;

	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		sin->sin_port = htons(port);
		sin->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*sin);
	}
	sin6->sin6_port = htons(port);
	sin6->sin6_addr = in6addr_loopback;
	return sizeof(*sin6);
}

static int open_bound(int family, int type)
{
	struct sockaddr_storage address;
	socklen_t len = loopback(family, 0, &address);
	int fd = socket(family, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

void need_family(int family)
{
	struct sockaddr_storage address;
	socklen_t len = loopback(family, 0, &address);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -1 : bind(fd, (struct sockaddr *)&address, len);

	if (fd >= 0)
		close(fd);
	if (r == 0)
		return;
	print_message("SKIP: no IPv6 on loopback\n");
	skip();
}

/* A port that is free is asked for by its number: one that the kernel chose it also takes back. */
int udp_bound(int family)
{
	for (;;) {
		struct sockaddr_storage address;
		socklen_t len = sizeof(address);
		int chosen = open_bound(family, SOCK_DGRAM);
		int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		assert_true(fd >= 0);
		assert_int_equal(getsockname(chosen, (struct sockaddr *)&address, &len), 0);
		close(chosen);
		if (bind(fd, (struct sockaddr *)&address, len) == 0)
			return fd;
		assert_int_equal(errno, EADDRINUSE);
		close(fd);
	}
}

void udp_connect(int fd, int family)
{
	struct sockaddr_storage address;
	socklen_t len = loopback(family, QUIET_PORT, &address);

	assert_int_equal(connect(fd, (struct sockaddr *)&address, len), 0);
}

int udp_connected(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	udp_connect(fd, family);
	return fd;
}

int udp_bound_connected(int family)
{
	int fd = udp_bound(family);

	udp_connect(fd, family);
	return fd;
}

void udp_send(int fd, int family)
{
	struct sockaddr_storage address;
	socklen_t len = loopback(family, QUIET_PORT, &address);

	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&address, len), 1);
}

void tcp_pair(int family, int *ret_client, int *ret_server)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int listener = open_bound(family, SOCK_STREAM);

	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	*ret_client = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(*ret_client >= 0);
	assert_int_equal(connect(*ret_client, (struct sockaddr *)&address, len), 0);
	*ret_server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*ret_server >= 0);
	close(listener);
}

void disconnect(int fd)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	assert_int_equal(connect(fd, &none, sizeof(none)), 0);
}

bool link_is_running(const char *name, unsigned timeout_s)
{
	char line[160];

	snprintf(line, sizeof(line),
		 "timeout %u sh -c 'until ip link show %s | grep -q state.UP; do sleep 0.02; done'",
		 timeout_s, name);
	return system(line) == 0;
}

uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

static int run_as_nobody(int (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			exit(99);
		exit(run());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int run_also_as_nobody(int (*run)(void))
{
	int failed = run();

	if (geteuid() == 0)
		failed += run_as_nobody(run);
	return failed != 0;
}
