/* SPDX-License-Identifier: MIT */
/*
 * Tests of datapath/identity on real sockets over loopback.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath/datapath.h"
#include "datapath/identity.h"

static struct sockaddr_in loopback_v4(void)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int open_socket(int family, int type, int protocol)
{
	int fd = socket(family, type | SOCK_CLOEXEC, protocol);

	if (fd < 0 && (errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT || errno == EPERM)) {
		print_message("SKIP: socket(%d, %d, %d): %s\n", family, type, protocol,
			      strerror(errno));
		skip();
	}
	assert_true(fd >= 0);
	return fd;
}

static struct socket_identity identify(int fd)
{
	struct socket_identity identity;

	assert_int_equal(socket_identity_read(fd, &identity), 0);
	return identity;
}

static void assert_address(const struct address *address, const char *expected)
{
	char buf[ADDRESS_TEXT_LEN];

	assert_string_equal(address_format(address, buf), expected);
}

/* A listener on a free port of 127.0.0.1. */
static int open_listener(struct sockaddr_in *ret_address)
{
	socklen_t len = sizeof(*ret_address);
	int fd = open_socket(AF_INET, SOCK_STREAM, 0);

	*ret_address = loopback_v4();
	assert_int_equal(bind(fd, (struct sockaddr *)ret_address, sizeof(*ret_address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret_address, &len), 0);
	return fd;
}

struct connection {
	int listener, client, server;
};

static struct connection open_connection(void)
{
	struct connection c;
	struct sockaddr_in sin;

	c.listener = open_listener(&sin);
	c.client = open_socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(c.client, (struct sockaddr *)&sin, sizeof(sin)), 0);
	c.server = accept4(c.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(c.server >= 0);
	return c;
}

static void close_connection(struct connection *c)
{
	close(c->client);
	close(c->server);
	close(c->listener);
}

/* The peer's FIN or RST arrives by way of softirq; loopback is quick, but not a function call. */
static void wait_for(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	assert_int_equal(poll(&pollfd, 1, 5000), 1);
}

static void test_udp(void **state)
{
	struct sockaddr_in sin = loopback_v4();
	struct socket_identity identity, again;
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0), copy;

	(void)state;
	identity = identify(fd);
	assert_int_not_equal(identity.cookie, 0);
	assert_int_equal(identity.family, AF_INET);
	assert_int_equal(identity.protocol, IPPROTO_UDP);
	assert_address(&identity.local, "0.0.0.0:0");
	assert_int_equal(identity.peer.family, AF_UNSPEC);
	assert_int_equal(identity.bound_ifindex, 0);
	assert_int_equal(identity.tcp_state, 0);
	assert_int_equal(identity.ended, 0);

	sin.sin_port = htons(5060);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	copy = dup(fd);
	again = identify(copy);
	assert_int_equal(again.cookie, identity.cookie);
	assert_address(&again.peer, "127.0.0.1:5060");
	assert_int_equal(again.local.family, AF_INET);
	assert_int_not_equal(again.local.port, 0);
	close(copy);
	close(fd);
}

static void test_cookies_differ(void **state)
{
	int a = open_socket(AF_INET, SOCK_DGRAM, 0), b = open_socket(AF_INET, SOCK_DGRAM, 0);
	uint64_t cookie;

	(void)state;
	assert_int_equal(socket_cookie_read(a, &cookie), 0);
	assert_int_equal(cookie, identify(a).cookie);
	assert_int_not_equal(cookie, identify(b).cookie);
	close(a);
	close(b);
}

static void test_v6(void **state)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				     .sin6_port = htons(5060) };
	struct socket_identity identity;
	int fd = open_socket(AF_INET6, SOCK_DGRAM, 0);

	(void)state;
	if (connect(fd, (struct sockaddr *)&sin6, sizeof(sin6)) < 0) {
		close(fd);
		print_message("SKIP: no IPv6 on loopback\n");
		skip();
	}
	identity = identify(fd);
	assert_int_equal(identity.family, AF_INET6);
	assert_address(&identity.peer, "[::1]:5060");
	assert_int_equal(identity.local.family, AF_INET6);
	close(fd);
}

/* Q-036's ground: the peer of a dual-stack socket is an IPv4 destination. */
static void test_mapped_peer(void **state)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(5060) };
	struct socket_identity identity;
	int fd = open_socket(AF_INET6, SOCK_DGRAM, 0);

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &sin6.sin6_addr), 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin6, sizeof(sin6)), 0);
	identity = identify(fd);
	assert_int_equal(identity.family, AF_INET6);
	assert_int_equal(identity.peer.family, AF_INET);
	assert_address(&identity.peer, "127.0.0.1:5060");
	close(fd);
}

static void test_bound_device(void **state)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);
	uint32_t loopback = if_nametoindex("lo");

	(void)state;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	assert_int_equal(identify(fd).bound_ifindex, loopback);
	close(fd);
}

static void test_tcp_states(void **state)
{
	struct connection c = open_connection();
	struct socket_identity identity;
	int fresh = open_socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	identity = identify(fresh);
	assert_int_equal(identity.protocol, IPPROTO_TCP);
	assert_int_equal(identity.tcp_state, TCP_CLOSE);
	assert_int_equal(identity.ended, 0);
	assert_int_equal(identity.peer.family, AF_UNSPEC);

	identity = identify(c.listener);
	assert_int_equal(identity.tcp_state, TCP_LISTEN);
	assert_int_equal(identity.ended, 0);
	assert_int_equal(identity.peer.family, AF_UNSPEC);

	identity = identify(c.client);
	assert_int_equal(identity.tcp_state, TCP_ESTABLISHED);
	assert_int_equal(identity.ended, 0);
	assert_int_equal(identity.peer.port, identify(c.listener).local.port);
	assert_true(address_equal(&identity.local, &(struct address){ 0 }) == false);
	close(fresh);
	close_connection(&c);
}

static void test_tcp_shutdown(void **state)
{
	struct connection c = open_connection();

	(void)state;
	assert_int_equal(shutdown(c.server, SHUT_RD), 0);
	assert_int_equal(identify(c.server).ended, DIRECTION_RECEIVE);
	assert_int_equal(shutdown(c.client, SHUT_WR), 0);
	assert_int_equal(identify(c.client).ended, DIRECTION_SEND);

	/* The other end has received the FIN, and may still send. */
	wait_for(c.server, POLLRDHUP);
	assert_int_equal(identify(c.server).ended, DIRECTION_RECEIVE);
	assert_int_equal(shutdown(c.server, SHUT_WR), 0);
	assert_int_equal(identify(c.server).ended, DIRECTION_BOTH);
	close_connection(&c);
}

static void test_tcp_reset(void **state)
{
	const struct linger linger = { .l_onoff = 1 };
	struct connection c = open_connection();
	struct socket_identity identity;

	(void)state;
	assert_int_equal(setsockopt(c.client, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	close(c.client);
	c.client = -1;
	wait_for(c.server, POLLRDHUP);
	identity = identify(c.server);
	assert_int_equal(identity.tcp_state, TCP_CLOSE);
	assert_int_equal(identity.ended, DIRECTION_BOTH);
	close(c.server);
	close(c.listener);
}

static void test_udp_shutdown(void **state)
{
	struct sockaddr_in sin = loopback_v4();
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	sin.sin_port = htons(5060);
	assert_int_equal(connect(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(shutdown(fd, SHUT_RD), 0);
	assert_int_equal(identify(fd).ended, DIRECTION_RECEIVE);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(identify(fd).ended, DIRECTION_BOTH);
	close(fd);
}

static void assert_refused(int fd, int error)
{
	struct socket_identity identity, untouched;

	memset(&identity, 0xa5, sizeof(identity));
	untouched = identity;
	assert_int_equal(socket_identity_read(fd, &identity), error);
	assert_memory_equal(&identity, &untouched, sizeof(identity));
}

static void test_not_sockets(void **state)
{
	int pipes[2];

	(void)state;
	assert_refused(-1, -EBADF);
	assert_int_equal(pipe(pipes), 0);
	assert_refused(pipes[0], -ENOTSOCK);
	close(pipes[0]);
	close(pipes[1]);
	assert_refused(pipes[0], -EBADF);
}

static void test_other_families(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_refused(fds[0], -EAFNOSUPPORT);
	close(fds[0]);
	close(fds[1]);
}

static void refuse_protocol(int type, int protocol)
{
	int fd = open_socket(AF_INET, type, protocol);

	assert_refused(fd, -EPROTONOSUPPORT);
	close(fd);
}

static void test_udp_lite(void **state)
{
	(void)state;
	refuse_protocol(SOCK_DGRAM, IPPROTO_UDPLITE);
}

static void test_mptcp(void **state)
{
	(void)state;
	refuse_protocol(SOCK_STREAM, IPPROTO_MPTCP);
}

/* Its SO_PROTOCOL says UDP, but it writes its own headers. */
static void test_raw(void **state)
{
	(void)state;
	refuse_protocol(SOCK_RAW, IPPROTO_UDP);
}

static void test_netns_cookie(void **state)
{
	int fd = open_socket(AF_INET, SOCK_DGRAM, 0);
	uint64_t cookie = UINT64_MAX;

	(void)state;
	assert_int_equal(netns_cookie_read(&cookie), 0);
	assert_int_equal(identify(fd).netns_cookie, cookie);
	close(fd);
	if (cookie == 0) {
		print_message(
			"SKIP: this kernel does not tell network namespaces apart by cookie\n");
		skip();
	}
}

static void test_multicast(void **state)
{
	int v4 = open_socket(AF_INET, SOCK_DGRAM, 0), v6;
	const struct ip_mreqn mreqn = { .imr_address.s_addr = htonl(INADDR_LOOPBACK) };
	uint32_t ifindex = 99, loopback = if_nametoindex("lo");
	struct address source;

	(void)state;
	assert_int_equal(socket_multicast_read(v4, AF_INET, &ifindex, &source), 0);
	assert_int_equal(ifindex, 0);
	assert_int_equal(source.family, AF_UNSPEC);

	assert_int_equal(setsockopt(v4, IPPROTO_IP, IP_MULTICAST_IF, &mreqn, sizeof(mreqn)), 0);
	assert_int_equal(socket_multicast_read(v4, AF_INET, &ifindex, &source), 0);
	assert_address(&source, "127.0.0.1:0");
	close(v4);

	v6 = open_socket(AF_INET6, SOCK_DGRAM, 0);
	assert_int_equal(
		setsockopt(v6, IPPROTO_IPV6, IPV6_MULTICAST_IF, &loopback, sizeof(loopback)), 0);
	assert_int_equal(socket_multicast_read(v6, AF_INET6, &ifindex, &source), 0);
	assert_int_equal(ifindex, loopback);
	assert_int_equal(source.family, AF_UNSPEC);
	close(v6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_udp),
		cmocka_unit_test(test_cookies_differ),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_mapped_peer),
		cmocka_unit_test(test_bound_device),
		cmocka_unit_test(test_tcp_states),
		cmocka_unit_test(test_tcp_shutdown),
		cmocka_unit_test(test_tcp_reset),
		cmocka_unit_test(test_udp_shutdown),
		cmocka_unit_test(test_not_sockets),
		cmocka_unit_test(test_other_families),
		cmocka_unit_test(test_udp_lite),
		cmocka_unit_test(test_mptcp),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_netns_cookie),
		cmocka_unit_test(test_multicast),
	};

	return cmocka_run_group_tests_name("socket identity", tests, NULL, NULL);
}
