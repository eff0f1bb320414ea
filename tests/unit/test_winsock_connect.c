/* SPDX-License-Identifier: MIT */
/*
 * test_winsock_connect.c: what begins and ends QoS besides its own calls: bind, connect, shutdown, groups (spec/gqos.md
 * §7.2, §7.4, §16), with a provider of the test's own.
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <poll.h>

#include "fake_gqos.h"
#include "last_error.h"

#define LEAF (WSA_FLAG_MULTIPOINT_C_LEAF | WSA_FLAG_MULTIPOINT_D_LEAF)

static struct {
	SOCKET tcp, udp; /* QoS-enabled */
	int tcp_peer, udp_peer;
	struct sockaddr_in tcp_address, udp_address; /* of the peers */
} net;

static QOS asked; /* any */

static struct sockaddr_in loopback(void)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int bound(int type, struct sockaddr_in *ret_address)
{
	socklen_t length = sizeof(*ret_address);
	int fd = socket(AF_INET, type, 0);

	*ret_address = loopback();
	assert_int_equal(bind(fd, (struct sockaddr *)ret_address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret_address, &length), 0);
	return fd;
}

static int setup(void **state)
{
	WSADATA data;

	fake_gqos_reset();
	net.tcp = qos_socket(AF_INET, SOCK_STREAM, 0);
	net.udp = qos_socket(AF_INET, SOCK_DGRAM, 0);
	net.tcp_peer = bound(SOCK_STREAM, &net.tcp_address);
	net.udp_peer = bound(SOCK_DGRAM, &net.udp_address);
	assert_int_equal(listen(net.tcp_peer, 5), 0);
	return WSAStartup(MAKEWORD(2, 2), &data);
}

static int teardown(void **state)
{
	closesocket(net.tcp);
	closesocket(net.udp);
	close(net.tcp_peer);
	close(net.udp_peer);
	return WSACleanup();
}

static int connect_to(SOCKET s, const struct sockaddr_in *address, QOS *qos)
{
	return WSAConnect(s, (const struct sockaddr *)address, address ? sizeof(*address) : 0, NULL,
			  NULL, qos, NULL);
}

static bool has_peer(SOCKET s)
{
	struct sockaddr_in peer;
	socklen_t length = sizeof(peer);

	return getpeername((int)s, (struct sockaddr *)&peer, &length) == 0;
}

static in_port_t own_port(SOCKET s)
{
	struct sockaddr_in own;
	socklen_t length = sizeof(own);

	assert_int_equal(getsockname((int)s, (struct sockaddr *)&own, &length), 0);
	return own.sin_port;
}

/* ---- connecting ---- */

static void binding_and_connecting_are_looked_at(void **state)
{
	struct sockaddr_in own = loopback();
	int plain = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind((int)net.udp, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_asked("look %d,", (int)net.udp);
	assert_int_equal(bind((int)net.udp, (struct sockaddr *)&own, sizeof(own)), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(WSAGetLastError(), WSAEINVAL);
	assert_asked("%s", "");
	assert_int_equal(connect((int)net.udp, (struct sockaddr *)&net.udp_address, sizeof(own)),
			 0);
	assert_asked("look %d,", (int)net.udp);
	assert_int_equal(connect_to(net.tcp, &net.tcp_address, NULL), 0);
	assert_asked("look %d,", (int)net.tcp);
	assert_int_equal(connect(plain, (struct sockaddr *)&net.udp_address, sizeof(own)), 0);
	assert_asked("%s", "");
	close(plain);
}

/* G-100: the surface's part. Whoever uses the socket next finds that it is connected. */
static void connections_under_way(void **state)
{
	struct pollfd poll_fd = { .fd = (int)net.tcp, .events = POLLOUT };
	unsigned long yes = 1;

	assert_int_equal(ioctlsocket(net.tcp, (long)FIONBIO, &yes), 0);
	assert_error(connect_to(net.tcp, &net.tcp_address, NULL), WSAEWOULDBLOCK);
	assert_asked("%s", "");
	assert_int_equal(poll(&poll_fd, 1, 5000), 1);
	assert_asked("%s", "");
	assert_int_equal(send((int)net.tcp, "x", 1, 0), 1);
	assert_asked("look %d,", (int)net.tcp);
	assert_int_equal(send((int)net.tcp, "x", 1, 0), 1);
	assert_asked("%s", "");
}

static void connections_under_way_with_events(void **state)
{
	WSAEVENT event = WSACreateEvent();

	assert_int_equal(WSAEventSelect(net.tcp, event, FD_CONNECT), 0);
	assert_error(connect_to(net.tcp, &net.tcp_address, NULL), WSAEWOULDBLOCK);
	assert_int_equal(WaitForSingleObject(event, 5000), WAIT_OBJECT_0);
	assert_asked("look %d,", (int)net.tcp);
	CloseHandle(event);
}

/* G-101: the surface's part */
static void refused_connections_are_not_looked_at(void **state)
{
	struct sockaddr_in nobody = loopback();

	nobody.sin_port = htons(1);
	assert_error(connect_to(net.tcp, &nobody, &asked), WSAECONNREFUSED);
	assert_asked("check %d,set %d,", (int)net.tcp, (int)net.tcp);
	assert_int_equal(connect_to(net.tcp, &net.tcp_address, NULL), 0);
	assert_asked("look %d,", (int)net.tcp);
}

static void qos_comes_with_the_connection(void **state)
{
	int fd = (int)net.tcp;

	assert_int_equal(connect_to(net.tcp, &net.tcp_address, &asked), 0);
	assert_asked("check %d,set %d,look %d,", fd, fd, fd);
	assert_error(connect_to(net.tcp, &net.tcp_address, &asked), WSAEISCONN);
	assert_asked("check %d,", fd);
	fd = (int)net.udp;
	assert_int_equal(connect_to(net.udp, &net.udp_address, &asked), 0);
	assert_asked("check %d,set %d,look %d,", fd, fd, fd);
}

/* G-103 (WSAConnect), G-104 */
static void bad_qos_connects_nothing(void **state)
{
	struct pollfd poll_fd = { .fd = net.tcp_peer, .events = POLLIN };
	int plain = socket(AF_INET, SOCK_STREAM, 0);

	fake_gqos.check_result = WSA_QOS_ESERVICETYPE;
	assert_error(connect_to(net.tcp, &net.tcp_address, &asked), WSA_QOS_ESERVICETYPE);
	assert_asked("check %d,", (int)net.tcp);
	fake_gqos.check_result = WSA_QOS_ADMISSION_FAILURE;
	assert_error(connect_to(net.tcp, &net.tcp_address, &asked), WSAEOPNOTSUPP);
	fake_gqos.check_result = 0;
	fake_gqos.set_result = WSA_QOS_EFLOWSPEC;
	assert_error(connect_to(net.tcp, &net.tcp_address, &asked), WSA_QOS_EFLOWSPEC);
	assert_error(connect_to((SOCKET)plain, &net.tcp_address, &asked), WSAEOPNOTSUPP);
	assert_error(WSAConnect(net.tcp, (struct sockaddr *)&net.tcp_address,
				sizeof(net.tcp_address), NULL, NULL, NULL, &asked),
		     WSAEINVAL);
	WSACleanup();
	assert_error(connect_to(net.tcp, &net.tcp_address, &asked), WSANOTINITIALISED);
	assert_int_equal(WSAStartup(MAKEWORD(2, 2), &(WSADATA){ 0 }), 0);
	assert_false(has_peer(net.tcp));
	assert_int_equal(poll(&poll_fd, 1, 20), 0);
	close(plain);
}

static void a_failed_call_leaves_the_peer(void **state)
{
	struct sockaddr_in other, peer;
	socklen_t length = sizeof(peer);
	int other_peer = bound(SOCK_DGRAM, &other);

	fake_gqos.set_result = WSA_QOS_ADMISSION_FAILURE;
	assert_error(connect_to(net.udp, &net.udp_address, &asked), WSAEOPNOTSUPP);
	assert_false(has_peer(net.udp));
	assert_int_equal(connect_to(net.udp, &net.udp_address, NULL), 0);
	assert_error(connect_to(net.udp, &other, &asked), WSAEOPNOTSUPP);
	assert_int_equal(getpeername((int)net.udp, (struct sockaddr *)&peer, &length), 0);
	assert_int_equal(peer.sin_port, net.udp_address.sin_port);
	close(other_peer);
}

/* ---- no peer ---- */

/* G-218, G-219: what of them is the surface's */
static void null_names_end_both_directions(void **state)
{
	in_port_t port;
	char byte;
	int fd;

	assert_int_equal(connect_to(net.udp, &net.udp_address, NULL), 0);
	port = own_port(net.udp);
	fake_gqos.log[0] = '\0';
	assert_int_equal(connect_to(net.udp, NULL, NULL), 0);
	assert_asked("end %d sr,look %d,", (int)net.udp, (int)net.udp);
	assert_false(has_peer(net.udp));
	assert_int_equal(own_port(net.udp), port);
	/* It may be connected again. */
	assert_int_equal(connect_to(net.udp, &net.udp_address, NULL), 0);
	assert_int_equal(own_port(net.udp), port);

	assert_int_equal(connect_to(net.tcp, &net.tcp_address, NULL), 0);
	fake_gqos.log[0] = '\0';
	assert_int_equal(connect_to(net.tcp, NULL, NULL), 0);
	assert_asked("end %d sr,", (int)net.tcp);
	fd = accept(net.tcp_peer, NULL, NULL);
	assert_int_equal(send((int)net.tcp, "x", 1, 0), 1);
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	close(fd);
}

/* G-220: the surface's part; §16.5 of others */
static void null_names_of_the_unconnected(void **state)
{
	SOCKET plain_tcp = WSASocket(AF_INET, SOCK_STREAM, 0, NULL, 0, 0);
	SOCKET plain_udp = WSASocket(AF_INET, SOCK_DGRAM, 0, NULL, 0, 0);

	assert_int_equal(connect_to(net.udp, NULL, NULL), 0);
	assert_asked("end %d sr,look %d,", (int)net.udp, (int)net.udp);
	assert_int_equal(connect_to(net.tcp, NULL, NULL), 0);
	assert_asked("end %d sr,", (int)net.tcp);
	assert_int_equal(connect_to(plain_udp, &net.udp_address, NULL), 0);
	assert_int_equal(connect_to(plain_udp, NULL, NULL), 0);
	assert_false(has_peer(plain_udp));
	assert_error(connect_to(plain_tcp, NULL, NULL), WSAEFAULT);
	assert_asked("%s", "");
	closesocket(plain_tcp);
	closesocket(plain_udp);
}

/* G-221: the surface's part */
static void addresses_of_zeros(void **state)
{
	static const struct sockaddr_in zeros = { .sin_family = AF_INET };
	static const struct sockaddr_in6 zeros6 = { .sin6_family = AF_INET6 };
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct sockaddr_in6 peer6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	SOCKET udp6 = qos_socket(AF_INET6, SOCK_DGRAM, 0);
	int fd = (int)net.udp;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(connect_to(net.udp, &net.udp_address, NULL), 0);
		fake_gqos.log[0] = '\0';
		if (i == 0)
			assert_int_equal(connect_to(net.udp, &zeros, NULL), 0);
		else if (i == 1)
			assert_int_equal(connect(fd, (struct sockaddr *)&zeros, sizeof(zeros)), 0);
		else
			assert_int_equal(connect(fd, &nobody, sizeof(nobody)), 0);
		assert_asked("end %d sr,look %d,", fd, fd);
		assert_false(has_peer(net.udp));
	}
	peer6.sin6_port = htons(9);
	assert_int_equal(connect((int)udp6, (struct sockaddr *)&peer6, sizeof(peer6)), 0);
	fake_gqos.log[0] = '\0';
	assert_int_equal(connect((int)udp6, (struct sockaddr *)&zeros6, sizeof(zeros6)), 0);
	assert_asked("end %d sr,look %d,", (int)udp6, (int)udp6);
	assert_false(has_peer(udp6));
	closesocket(udp6);
}

/* G-222 */
static void null_names_have_no_qos(void **state)
{
	assert_int_equal(connect_to(net.udp, &net.udp_address, NULL), 0);
	fake_gqos.log[0] = '\0';
	assert_error(connect_to(net.udp, NULL, &asked), WSAEINVAL);
	assert_error(WSAConnect(net.udp, NULL, 0, NULL, NULL, NULL, &asked), WSAEINVAL);
	assert_asked("%s", "");
	assert_true(has_peer(net.udp));
}

/* ---- shutting down ---- */

static void directions_are_shut_down(void **state)
{
	static const struct {
		int how;
		const char *directions;
	} cases[] = { { SD_RECEIVE, "r" }, { SD_SEND, "s" }, { SD_BOTH, "sr" } };
	WSABUF empty = { 0 }, data = { 1, (char *)(uintptr_t) "x" };

	assert_int_equal(connect_to(net.tcp, &net.tcp_address, NULL), 0);
	fake_gqos.log[0] = '\0';
	for (size_t i = 0; i < ARRAYSIZE(cases); i++) {
		assert_int_equal(shutdown((int)net.tcp, cases[i].how), 0);
		assert_asked("shut %d %s,", (int)net.tcp, cases[i].directions);
	}
	assert_int_equal(shutdown((int)net.tcp, 3), -1);
	assert_int_equal(errno, EINVAL);
	/* G-217: the surface's part */
	assert_int_equal(WSASendDisconnect(net.tcp, NULL), 0);
	assert_asked("shut %d s,", (int)net.tcp);
	assert_int_equal(WSARecvDisconnect(net.tcp, &empty), 0);
	assert_asked("shut %d r,", (int)net.tcp);
	assert_error(WSASendDisconnect(net.tcp, &data), WSAEOPNOTSUPP);
	assert_error(WSARecvDisconnect(INVALID_SOCKET, NULL), WSAENOTSOCK);
	assert_asked("%s", "");
}

/* G-216 */
static void what_is_not_connected_cannot_be_shut_down(void **state)
{
	assert_error(shutdown((int)net.tcp, SD_SEND), WSAENOTCONN);
	assert_error(WSASendDisconnect(net.tcp, NULL), WSAENOTCONN);
	assert_asked("%s", "");
	assert_error(shutdown(-1, SD_SEND), WSAENOTSOCK);
}

/* §16.4 of spec/gqos.md */
static void datagrams_need_no_peer_for_that(void **state)
{
	const struct sockaddr *to = (const struct sockaddr *)&net.udp_address;
	SOCKET plain = WSASocket(AF_INET, SOCK_DGRAM, 0, NULL, 0, 0);
	WSABUF buffer = { 1, (char *)(uintptr_t) "x" };
	DWORD bytes;

	assert_int_equal(sendto((int)net.udp, "x", 1, 0, to, sizeof(net.udp_address)), 1);
	assert_int_equal(shutdown((int)net.udp, SD_SEND), 0);
	assert_asked("shut %d s,", (int)net.udp);
	assert_error((int)sendto((int)net.udp, "x", 1, 0, to, sizeof(net.udp_address)),
		     WSAESHUTDOWN);
	assert_error(WSASendTo(net.udp, &buffer, 1, &bytes, 0, to, sizeof(net.udp_address), NULL,
			       NULL),
		     WSAESHUTDOWN);
	assert_int_equal(shutdown((int)net.udp, SD_RECEIVE), 0);
	assert_asked("shut %d r,", (int)net.udp);
	assert_int_equal(shutdown((int)plain, SD_BOTH), 0);
	assert_asked("%s", "");
	closesocket(plain);
}

static void closing_is_told(void **state)
{
	SOCKET s = qos_socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(closesocket(s), 0);
	assert_asked("closing %d,", (int)s);
}

/* ---- groups ---- */

static struct sockaddr_in group_address(const char *text, unsigned port)
{
	struct sockaddr_in group = { .sin_family = AF_INET, .sin_port = htons((in_port_t)port) };

	inet_pton(AF_INET, text, &group.sin_addr);
	return group;
}

static int join(SOCKET s, const struct sockaddr_in *group, QOS *qos, DWORD flags)
{
	SOCKET joined = WSAJoinLeaf(s, (const struct sockaddr *)group, sizeof(*group), NULL, NULL,
				    qos, NULL, flags);

	if (joined == INVALID_SOCKET)
		return SOCKET_ERROR;
	assert_true(joined == s); /* G-124 */
	return 0;
}

/* A socket that sends to groups on the loopback interface. */
static SOCKET leaf_socket(bool qos)
{
	SOCKET s = qos ? qos_socket(AF_INET, SOCK_DGRAM, LEAF)
		       : WSASocket(AF_INET, SOCK_DGRAM, 0, NULL, 0, LEAF);
	struct in_addr on = { .s_addr = htonl(INADDR_LOOPBACK) };

	assert_int_equal(setsockopt((int)s, IPPROTO_IP, IP_MULTICAST_IF, &on, sizeof(on)), 0);
	return s;
}

/* Whether a datagram to a group reaches the socket. */
static bool hears(SOCKET s, const struct sockaddr_in *group)
{
	struct pollfd poll_fd = { .fd = (int)s, .events = POLLIN };
	struct sockaddr_in to = *group;
	SOCKET from = leaf_socket(false);
	bool heard;
	char byte;

	to.sin_port = own_port(s);
	assert_int_equal(sendto((int)from, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	heard = poll(&poll_fd, 1, 100) == 1;
	if (heard)
		recv((int)s, &byte, 1, 0);
	closesocket(from);
	return heard;
}

/* G-124; G-126: the surface's part */
static void roles_in_a_group(void **state)
{
	static const struct {
		DWORD flags;
		const char *directions;
		bool member;
	} cases[] = { { JL_SENDER_ONLY, "s", false },
		      { JL_RECEIVER_ONLY, "r", true },
		      { JL_BOTH, "sr", true } };
	const struct sockaddr_in group = group_address("239.255.71.1", 5001);

	for (size_t i = 0; i < ARRAYSIZE(cases); i++) {
		SOCKET s = leaf_socket(true);
		int no = 0;

		/* Only what it has joined itself. */
		assert_int_equal(setsockopt((int)s, IPPROTO_IP, IP_MULTICAST_ALL, &no, sizeof(no)),
				 0);
		assert_int_equal(join(s, &group, i ? &asked : NULL, cases[i].flags), 0);
		if (i)
			assert_asked("check %d,join %d 5001 %s qos,", (int)s, (int)s,
				     cases[i].directions);
		else
			assert_asked("join %d 5001 %s,", (int)s, cases[i].directions);
		assert_true(own_port(s) != 0);
		assert_int_equal(hears(s, &group), cases[i].member);
		fake_gqos.log[0] = '\0';
		closesocket(s);
		assert_asked("closing %d,", (int)s);
	}
}

/* G-125 */
static void groups_are_joined_once(void **state)
{
	const struct sockaddr_in group = group_address("239.255.71.1", 5001);
	const struct sockaddr_in other_port = group_address("239.255.71.1", 5002);
	const struct sockaddr_in other = group_address("239.255.71.2", 5001);
	SOCKET s = leaf_socket(true);

	assert_int_equal(join(s, &group, NULL, JL_BOTH), 0);
	fake_gqos.log[0] = '\0';
	assert_error(join(s, &group, NULL, JL_BOTH), WSAEISCONN);
	assert_asked("%s", "");
	assert_int_equal(join(s, &other, NULL, JL_BOTH), 0);
	assert_int_equal(join(s, &other_port, NULL, JL_BOTH), 0);
	assert_asked("join %d 5001 sr,join %d 5002 sr,", (int)s, (int)s);
	closesocket(s);
}

/* E19 of spec/gqos.md §16.2; G-128: the surface's part */
static void groups_are_left(void **state)
{
	const struct sockaddr_in group = group_address("239.255.71.1", 5001);
	const struct sockaddr_in other = group_address("239.255.71.2", 5001);
	struct ip_mreqn request = { .imr_multiaddr = group.sin_addr,
				    .imr_address.s_addr = htonl(INADDR_LOOPBACK) };
	SOCKET s = leaf_socket(true);
	int fd = (int)s;

	assert_int_equal(join(s, &group, NULL, JL_BOTH), 0);
	assert_int_equal(join(s, &other, NULL, JL_BOTH), 0);
	fake_gqos.log[0] = '\0';
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof(request)),
			 0);
	assert_asked("leave %d 5001,", fd);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof(request)),
			 -1);
	assert_asked("%s", "");
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)),
			 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_DROP_MEMBERSHIP, &request, sizeof(request)),
			 0);
	assert_asked("%s", "");
	assert_int_equal(join(s, &group, NULL, JL_BOTH), 0);
	closesocket(s);
}

static void failed_joins_leave_nothing(void **state)
{
	const struct sockaddr_in group = group_address("239.255.71.1", 5001);
	SOCKET s = leaf_socket(true), plain = leaf_socket(false);
	int no = 0;

	assert_int_equal(setsockopt((int)s, IPPROTO_IP, IP_MULTICAST_ALL, &no, sizeof(no)), 0);
	fake_gqos.join_result = WSA_QOS_ADMISSION_FAILURE;
	assert_error(join(s, &group, NULL, JL_BOTH), WSAEOPNOTSUPP);
	assert_false(hears(s, &group));
	fake_gqos.check_result = WSA_QOS_EFLOWSPEC;
	assert_error(join(s, &group, &asked, JL_BOTH), WSA_QOS_EFLOWSPEC);
	fake_gqos.check_result = fake_gqos.join_result = 0;
	assert_int_equal(join(s, &group, NULL, JL_BOTH), 0);
	assert_true(hears(s, &group));
	/* Without QoS it is a membership. */
	fake_gqos.log[0] = '\0';
	assert_error(join(plain, &group, &asked, JL_BOTH), WSAEOPNOTSUPP);
	assert_int_equal(join(plain, &group, NULL, JL_BOTH), 0);
	assert_asked("%s", "");
	assert_true(hears(plain, &group));
	closesocket(s);
	closesocket(plain);
}

/* G-103 (WSAJoinLeaf), G-123, G-127 */
static void arguments_of_groups(void **state)
{
	const struct sockaddr_in group = group_address("239.255.71.1", 5001);
	const struct sockaddr_in no_port = group_address("239.255.71.1", 0);
	const struct sockaddr_in no_group = group_address("127.0.0.1", 5001);
	const struct sockaddr *name = (const struct sockaddr *)&group;
	struct sockaddr_in6 group6 = { .sin6_family = AF_INET6, .sin6_port = htons(5001) };
	SOCKET s = leaf_socket(true);

	assert_error(join(net.udp, &group, NULL, JL_BOTH), WSAEINVAL);
	assert_error(join(s, &group, NULL, 0), WSAEINVAL);
	assert_error(join(s, &group, NULL, 8), WSAEINVAL);
	assert_error(join(s, &group, NULL, JL_SENDER_ONLY | JL_RECEIVER_ONLY), WSAEINVAL);
	assert_error(join(s, &no_port, NULL, JL_BOTH), WSAEINVAL);
	assert_error(join(s, &no_group, NULL, JL_BOTH), WSAEINVAL);
	assert_error((int)WSAJoinLeaf(s, name, sizeof(group), NULL, NULL, NULL, &asked, JL_BOTH),
		     WSAEINVAL);
	assert_error((int)WSAJoinLeaf(s, NULL, 0, NULL, NULL, NULL, NULL, JL_BOTH), WSAEFAULT);
	assert_error((int)WSAJoinLeaf(s, name, 8, NULL, NULL, NULL, NULL, JL_BOTH), WSAEFAULT);
	assert_error((int)WSAJoinLeaf(s, (struct sockaddr *)&group6, sizeof(group6), NULL, NULL,
				      NULL, NULL, JL_BOTH),
		     WSAEAFNOSUPPORT);
	assert_error((int)WSAJoinLeaf(INVALID_SOCKET, name, sizeof(group), NULL, NULL, NULL, NULL,
				      JL_BOTH),
		     WSAENOTSOCK);
	assert_asked("%s", "");
	closesocket(s);
}

static void groups_of_ipv6(void **state)
{
	struct sockaddr_in6 group = { .sin6_family = AF_INET6, .sin6_port = htons(5001) };
	struct ipv6_mreq request = { .ipv6mr_interface = 1 };
	SOCKET s = qos_socket(AF_INET6, SOCK_DGRAM, LEAF);

	inet_pton(AF_INET6, "ff02::4757", &group.sin6_addr);
	group.sin6_scope_id = 1;
	request.ipv6mr_multiaddr = group.sin6_addr;
	assert_true(WSAJoinLeaf(s, (struct sockaddr *)&group, sizeof(group), NULL, NULL, NULL, NULL,
				JL_BOTH) == s);
	assert_asked("join %d 5001 sr,", (int)s);
	assert_int_equal(
		setsockopt((int)s, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &request, sizeof(request)), 0);
	assert_asked("leave %d 5001,", (int)s);
	closesocket(s);
}

static void small_controls(void **state)
{
	unsigned long value = 1;

	assert_int_equal(ioctlsocket(net.udp, (long)FIONBIO, &value), 0);
	assert_int_equal(recv((int)net.udp, &value, 1, 0), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	assert_int_equal(sendto((int)net.udp, "abc", 3, 0, (struct sockaddr *)&net.udp_address,
				sizeof(net.udp_address)),
			 3);
	assert_int_equal(ioctlsocket((SOCKET)net.udp_peer, (long)FIONREAD, &value), 0);
	assert_int_equal(value, 3);
	assert_error(ioctlsocket(net.udp, (long)FIONBIO, NULL), WSAEFAULT);
	assert_error(ioctlsocket(net.udp, 1, &value), WSAEINVAL);
	assert_error(ioctlsocket(INVALID_SOCKET, (long)FIONBIO, &value), WSAENOTSOCK);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(binding_and_connecting_are_looked_at),
		TEST(connections_under_way),
		TEST(connections_under_way_with_events),
		TEST(refused_connections_are_not_looked_at),
		TEST(qos_comes_with_the_connection),
		TEST(bad_qos_connects_nothing),
		TEST(a_failed_call_leaves_the_peer),
		TEST(null_names_end_both_directions),
		TEST(null_names_of_the_unconnected),
		TEST(addresses_of_zeros),
		TEST(null_names_have_no_qos),
		TEST(directions_are_shut_down),
		TEST(what_is_not_connected_cannot_be_shut_down),
		TEST(datagrams_need_no_peer_for_that),
		TEST(closing_is_told),
		TEST(roles_in_a_group),
		TEST(groups_are_joined_once),
		TEST(groups_are_left),
		TEST(failed_joins_leave_nothing),
		TEST(arguments_of_groups),
		TEST(groups_of_ipv6),
		TEST(small_controls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
