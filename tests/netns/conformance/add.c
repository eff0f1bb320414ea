/* SPDX-License-Identifier: MIT */
/*
 * add.c: Q-026..Q-064, and what else is about adding.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance.h"

#define UNKNOWN_FLOW 0x7fffffff

static HANDLE h;

/* A call that is to fail, and to leave the identifier. */
static void refuse(DWORD error, SOCKET s, const void *to, int type, DWORD flags, QOS_FLOWID id)
{
	QOS_FLOWID before = id;

	EXPECT_FAIL(QOSAddSocketToFlow(h, s, (PSOCKADDR)to, (QOS_TRAFFIC_TYPE)type, flags, &id),
		    error);
	CHECK_EQUAL(id, before);
}

static void join(QOS_FLOWID id, int fd, const void *to)
{
	QOS_FLOWID same = id;

	EXPECT_TRUE(QOSAddSocketToFlow(h, (SOCKET)fd, (PSOCKADDR)to, QOSTrafficTypeVoice,
				       QOS_NON_ADAPTIVE_FLOW, &same));
	CHECK_EQUAL(same, id);
}

static QOS_FLOWID voice(int fd, void *to)
{
	return add_flow(h, fd, to, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW);
}

static void q026(void)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	CHECK(voice(connected_socket(&sink), NULL) != 0);
}

static void q027(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = udp_socket(AF_INET);

	h = new_handle();
	voice(fd, address_of(&sink));
	CHECK_EQUAL(DSCP(byte_sent_to(fd, &sink, address_of(&sink), sink.length)), 56);
}

static void q028(void)
{
	h = new_handle();
	refuse(87, (SOCKET)udp_socket(AF_INET), NULL, QOSTrafficTypeVoice, 2, 0);
	refuse(87, (SOCKET)udp_socket(AF_INET), NULL, QOSTrafficTypeVoice, 0, 0);
}

static void q029(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);

	h = new_handle();
	voice(fd, address_of(&sink));
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
}

static void q030(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);

	h = new_handle();
	sink.in.sin_port ^= htons(1);
	refuse(87, (SOCKET)fd, address_of(&sink), QOSTrafficTypeVoice, 2, 0);
}

static void q031(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);

	h = new_handle();
	sink.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	refuse(87, (SOCKET)fd, address_of(&sink), QOSTrafficTypeVoice, 2, 0);
}

static void q032(void)
{
	struct sockaddr_in address;
	int listener = tcp_listener(&address), accepted;
	int fd = keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	struct capture capture = new_capture(address.sin_port, false);

	h = new_handle();
	voice(fd, &address);
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	accepted = keep(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	(void)accepted;
	captured_byte(&capture, CAPTURE_SYN); /* whatever it had */
	CHECK_EQUAL(DSCP(captured_byte(&capture, CAPTURE_ACK)), 56);
	CHECK(send(fd, "x", 1, 0) == 1);
	CHECK_EQUAL(DSCP(captured_byte(&capture, CAPTURE_DATA)), 56);
}

static void q033(void)
{
	struct sockaddr_in address;
	int listener = tcp_listener(&address), accepted;
	int fd = keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	struct capture capture = new_capture(address.sin_port, true);

	h = new_handle();
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	accepted = keep(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	voice(accepted, NULL);
	CHECK(send(accepted, "x", 1, 0) == 1);
	CHECK_EQUAL(DSCP(captured_byte(&capture, CAPTURE_DATA)), 56);
}

static void q034(void)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	refuse(87, (SOCKET)udp_socket(AF_INET6), address_of(&sink), QOSTrafficTypeVoice, 2, 0);
}

static void q035(void)
{
	struct sink sink = new_sink(AF_INET);
	struct sockaddr_in6 to = mapped(&sink);

	h = new_handle();
	refuse(87, (SOCKET)udp_socket(AF_INET6), &to, QOSTrafficTypeVoice, 2, 0);
}

/* The way of Sunshine: connect, add, disconnect, send with an address. */
static void dual_stack(bool disconnect)
{
	struct sockaddr unspecified = { .sa_family = AF_UNSPEC };
	struct sink sink = new_sink(AF_INET);
	struct sockaddr_in6 to = mapped(&sink);
	int fd = udp_socket(AF_INET6);

	h = new_handle();
	CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	voice(fd, NULL);
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
	if (disconnect) {
		CHECK(connect(fd, &unspecified, sizeof(unspecified)) == 0);
		usleep(20000); /* should it be noticed late, then before the check */
		CHECK_EQUAL(DSCP(byte_sent_to(fd, &sink, &to, sizeof(to))), 56);
	}
}

static void q036(void)
{
	dual_stack(false);
}

static void q037(void)
{
	dual_stack(true);
}

static void q038(void)
{
	struct sink sink = new_sink(AF_INET6);
	int fd = udp_socket(AF_INET6);

	h = new_handle();
	voice(fd, address_of(&sink));
	CHECK_EQUAL(DSCP(byte_sent_to(fd, &sink, address_of(&sink), sink.length)), 56);
}

/* Any interface's own link-local address will do: nothing is sent. */
static void q039(void)
{
	struct sockaddr_in6 to = { 0 };
	struct ifaddrs *all, *i;

	h = new_handle();
	CHECK(getifaddrs(&all) == 0);
	for (i = all; i; i = i->ifa_next) {
		const struct sockaddr_in6 *address = (const struct sockaddr_in6 *)i->ifa_addr;

		if (address && address->sin6_family == AF_INET6 &&
		    IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr))
			to = *address;
	}
	freeifaddrs(all);
	if (to.sin6_family == AF_UNSPEC)
		item_skip("no interface has a link-local address");
	to.sin6_port = htons(9);
	voice(udp_socket(AF_INET6), &to);
}

static void q040(void)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	sink.in.sin_port = 0;
	refuse(87, (SOCKET)udp_socket(AF_INET), address_of(&sink), QOSTrafficTypeVoice, 2, 0);
}

static void q041(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(9) };
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6, .sin6_port = htons(9) };

	h = new_handle();
	refuse(87, (SOCKET)udp_socket(AF_INET), &any, QOSTrafficTypeVoice, 2, 0);
	refuse(87, (SOCKET)udp_socket(AF_INET6), &any6, QOSTrafficTypeVoice, 2, 0);
}

static void q042(void)
{
	struct sockaddr unspecified = { .sa_family = AF_UNSPEC }, local = { .sa_family = AF_UNIX };

	h = new_handle();
	refuse(87, (SOCKET)udp_socket(AF_INET), &unspecified, QOSTrafficTypeVoice, 2, 0);
	refuse(87, (SOCKET)udp_socket(AF_INET), &local, QOSTrafficTypeVoice, 2, 0);
}

static void q043(void)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	refuse(87, INVALID_SOCKET, address_of(&sink), QOSTrafficTypeVoice, 2, 0);
	refuse(87, INVALID_SOCKET, NULL, QOSTrafficTypeVoice, 2, 0);
}

static void q044(void)
{
	struct sink sink = new_sink(AF_INET);
	int closed = dup(sink.fd), fds[2];

	h = new_handle();
	close(closed);
	refuse(87, (SOCKET)closed, address_of(&sink), QOSTrafficTypeVoice, 2, 0);
	refuse(87, (SOCKET)closed, NULL, QOSTrafficTypeVoice, 2, 0);
	CHECK(pipe(fds) == 0);
	keep(fds[0]);
	keep(fds[1]);
	refuse(87, (SOCKET)fds[0], NULL, QOSTrafficTypeVoice, 2, 0); /* §5.3: a non-socket */
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	refuse(50, (SOCKET)keep(fds[0]), NULL, QOSTrafficTypeVoice, 2, 0); /* another family */
	keep(fds[1]);
}

static void q045(void)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	EXPECT_FAIL(QOSAddSocketToFlow(h, (SOCKET)connected_socket(&sink), NULL,
				       QOSTrafficTypeVoice, 2, NULL),
		    87);
}

static void q046(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);

	h = new_handle();
	refuse(87, (SOCKET)fd, NULL, 6, 2, 0);
	refuse(87, (SOCKET)fd, NULL, -1, 2, 0);
}

static void q047(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);

	h = new_handle();
	refuse(87, (SOCKET)fd, NULL, QOSTrafficTypeVoice, 0x1, 0);
	refuse(87, (SOCKET)fd, NULL, QOSTrafficTypeVoice, 0x4, 0);
	refuse(87, (SOCKET)fd, NULL, QOSTrafficTypeVoice, 0x80000000, 0);
}

static void q048(void)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	add_flow(h, connected_socket(&sink), NULL, QOSTrafficTypeVoice, 0x2);
	add_flow(h, connected_socket(&sink), NULL, QOSTrafficTypeVoice, 0);
}

/* An address behind a gateway, if the host has one; nothing is sent there. */
static struct sockaddr_in off_link(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = udp_socket(AF_INET);

	CHECK(inet_pton(AF_INET, "198.51.100.1", &to.sin_addr) == 1);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		item_skip("no route off link: %s", strerror(errno));
	return to;
}

static void q049(void)
{
	struct sockaddr_in to = off_link();

	h = new_handle();
	add_flow(h, udp_socket(AF_INET), (PSOCKADDR)&to, QOSTrafficTypeVoice, 0);
}

static void q050(void)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	add_flow(h, udp_socket(AF_INET), address_of(&sink), QOSTrafficTypeVoice, 0);
}

static void q051(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);

	h = new_handle();
	CHECK(voice(fd, NULL) != voice(fd, NULL));
}

static void q052(void)
{
	struct child children[4];
	unsigned long ids[4 * 8];
	struct sink sink = new_sink(AF_INET);
	char line[64];
	int n = 0;

	h = new_handle();
	for (int i = 0; i < 4; i++)
		children[i] = start_child("hold", "8");
	for (int i = 0; i < 4; i++) {
		for (int j = 0; j < 8; j++) {
			child_line(&children[i], line, sizeof(line));
			ids[n++] = strtoul(line, NULL, 10);
		}
	}
	for (int i = 0; i < n; i++) {
		for (int j = 0; j < i; j++)
			CHECK(ids[i] != ids[j]);
		CHECK(ids[i] != 0 && ids[i] != voice(connected_socket(&sink), NULL));
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQUAL(end_child(&children[i], false), 0);
}

static void q053(void)
{
	struct sink sink = new_sink(AF_INET);
	int second = connected_socket(&sink);
	QOS_FLOWID id;

	h = new_handle();
	id = voice(connected_socket(&sink), NULL);
	join(id, second, NULL);
	CHECK_EQUAL(DSCP(byte_sent(second, &sink)), 56);
	/* An unconnected one needs a destination here, too. */
	refuse(87, (SOCKET)udp_socket(AF_INET), NULL, QOSTrafficTypeVoice, 2, id);
}

static void q054(void)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	refuse(87, (SOCKET)connected_socket(&sink), NULL, QOSTrafficTypeVoice, 0,
	       voice(connected_socket(&sink), NULL));
}

static void q055(void)
{
	struct sink sink = new_sink(AF_INET);
	QOS_FLOWID id;

	h = new_handle();
	id = add_flow(h, connected_socket(&sink), NULL, QOSTrafficTypeVoice, 0);
	refuse(87, (SOCKET)connected_socket(&sink), NULL, QOSTrafficTypeVoice, 2, id);
	refuse(87, (SOCKET)connected_socket(&sink), NULL, QOSTrafficTypeVoice, 0, id);
}

static void q056(void)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	refuse(1168, (SOCKET)connected_socket(&sink), NULL, QOSTrafficTypeVoice, 2, UNKNOWN_FLOW);
}

static void q057(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_FLOWID id;

	h = new_handle();
	id = voice(fd, NULL);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, (SOCKET)fd, id, 0));
	refuse(1168, (SOCKET)fd, NULL, QOSTrafficTypeVoice, 2, id);
}

static void q058(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_FLOWID id =
		add_flow(new_handle(), fd, NULL, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW);

	h = new_handle();
	refuse(1168, (SOCKET)fd, NULL, QOSTrafficTypeVoice, 2, id);
}

static void q059(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_FLOWID id;

	h = new_handle();
	id = add_flow(h, connected_socket(&sink), NULL, QOSTrafficTypeBackground,
		      QOS_NON_ADAPTIVE_FLOW);
	EXPECT_TRUE(QOSAddSocketToFlow(h, (SOCKET)fd, NULL, QOSTrafficTypeVoice, 2, &id));
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 8);
}

static void q060(void)
{
	struct sink sinks[4];
	int fd = udp_socket(AF_INET);
	QOS_FLOWID id = 0;

	if (is_embedded())
		item_skip("the embedded engine marks whole sockets");
	h = new_handle();
	for (int i = 0; i < 4; i++)
		sinks[i] = new_sink(AF_INET);
	id = voice(fd, address_of(&sinks[0]));
	join(id, fd, address_of(&sinks[1]));
	join(id, fd, address_of(&sinks[2]));
	for (int i = 0; i < 4; i++)
		CHECK_EQUAL(
			DSCP(byte_sent_to(fd, &sinks[i], address_of(&sinks[i]), sinks[i].length)),
			i < 3 ? 56 : 0);
}

static void q061(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = udp_socket(AF_INET);
	QOS_FLOWID id;

	h = new_handle();
	id = voice(fd, address_of(&sink));
	join(id, fd, address_of(&sink));
	join(id, fd, address_of(&sink));
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, (SOCKET)fd, id, 0));
	CHECK_EQUAL(byte_sent_to(fd, &sink, address_of(&sink), sink.length), 0);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, (SOCKET)fd, id, 0), 1168);
}

static void q062(void)
{
	q027();
}

/*
 * Seconds that `rounds` times Add and Remove take together; each datagram between them is marked.
 */
static double add_send_remove(int fd, struct sink *sink, int rounds)
{
	double spent = 0;

	for (int i = 0; i < rounds; i++) {
		double start = clock_seconds();
		QOS_FLOWID id = voice(fd, address_of(sink));

		spent += clock_seconds() - start;
		CHECK_EQUAL(DSCP(byte_sent_to(fd, sink, address_of(sink), sink->length)), 56);
		start = clock_seconds();
		EXPECT_TRUE(QOSRemoveSocketFromFlow(h, 0, id, 0));
		spent += clock_seconds() - start;
	}
	return spent;
}

/*
 * As a voice server does it for each packet. The machine has other work: the best of many slices is
 * judged.
 */
static void q063(void)
{
	enum { SLICES = 100, ROUNDS = 100 };
	struct sink sink = new_sink(AF_INET);
	int fd = udp_socket(AF_INET);
	double best = 1e9;

	h = new_handle();
	for (int i = 0; i < SLICES; i++) {
		double spent = add_send_remove(fd, &sink, ROUNDS);

		best = spent < best ? spent : best;
	}
	printf("# Q-063: Add and Remove together take %.1f us\n", best / ROUNDS * 1e6);
#ifndef __SANITIZE_ADDRESS__
	/* An emulated processor proves nothing about time. */
	if (!getenv("GW_TIME_FACTOR"))
		CHECK(best / ROUNDS < 100e-6);
#endif
}

static void q064(void)
{
	static const char *const candidates[] = { "198.51.100.1", "240.0.0.1", "203.0.113.9" };
	int fd = udp_socket(AF_INET);

	h = new_handle();
	for (size_t i = 0; i < ARRAYSIZE(candidates); i++) {
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };

		CHECK(inet_pton(AF_INET, candidates[i], &to.sin_addr) == 1);
		if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == ENETUNREACH) {
			refuse(1232, (SOCKET)udp_socket(AF_INET), &to, QOSTrafficTypeVoice, 2, 0);
			return;
		}
	}
	item_skip("there is a route to everywhere");
}

/* ---- groups of hosts ---- */

static void q230(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int fd = udp_socket(AF_INET);
	QOS_FLOW_FUNDAMENTALS fundamentals;
	ULONG size = sizeof(fundamentals);
	QOS_FLOWID id;

	h = new_handle();
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) < 0)
		item_skip("cannot bind to loopback: %s", strerror(errno));
	to.sin_addr.s_addr = htonl(0xefff0102);
	voice(fd, &to);
	id = add_flow(h, fd, (PSOCKADDR)&to, QOSTrafficTypeVoice, 0);
	EXPECT_FAIL(QOSQueryFlow(h, id, QOSQueryFlowFundamentals, &size, &fundamentals, 0, NULL),
		    50);
}

/* ---- accepted sockets, copies of identifiers ---- */

static int accepted_dual_stack(void)
{
	int listener = keep(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)), off = 0;
	int client = keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	socklen_t length = sizeof(any);

	setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	CHECK(bind(listener, (struct sockaddr *)&any, sizeof(any)) == 0 &&
	      listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&any, &length) == 0);
	to.sin_port = any.sin6_port;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(connect(client, (struct sockaddr *)&to, sizeof(to)) == 0);
	return keep(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

static void q233(void)
{
	int fd = accepted_dual_stack();
	struct sockaddr_in6 local, peer;
	socklen_t length = sizeof(peer);
	struct capture capture;

	h = new_handle();
	CHECK(getpeername(fd, (struct sockaddr *)&peer, &length) == 0);
	CHECK(getsockname(fd, (struct sockaddr *)&local, &length) == 0);
	capture = new_capture(local.sin6_port, true);
	refuse(87, (SOCKET)fd, &peer, QOSTrafficTypeVoice, 2, 0);
	voice(fd, NULL);
	CHECK(send(fd, "x", 1, 0) == 1);
	CHECK_EQUAL(DSCP(captured_byte(&capture, CAPTURE_DATA)), 56);
}

static void q236(void)
{
	struct sockaddr_in address;
	int listener = tcp_listener(&address), fd;
	QOS_FLOWID zero = 0, copy = zero;

	(void)listener;
	h = new_handle();
	fd = keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	CHECK(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	EXPECT_TRUE(QOSAddSocketToFlow(h, (SOCKET)fd, (PSOCKADDR)&address, QOSTrafficTypeVoice, 2,
				       &copy));
	CHECK(copy != 0 && zero == 0);
}

const struct item add_items[] = {
	{ "Q-026", "connected socket, no destination", q026 },
	{ "Q-027", "unconnected socket with destination", q027 },
	{ "Q-028", "unconnected socket without destination", q028 },
	{ "Q-029", "connected socket, its peer", q029 },
	{ "Q-030", "connected socket, other port", q030 },
	{ "Q-031", "connected socket, other address", q031 },
	{ "Q-032", "TCP socket before connect", q032 },
	{ "Q-033", "accepted TCP socket", q033 },
	{ "Q-034", "IPv6 socket, IPv4 address", q034 },
	{ "Q-035", "IPv6 socket, v4-mapped address", q035 },
	{ "Q-036", "dual-stack socket connected to IPv4", q036 },
	{ "Q-037", "the same, disconnected", q037 },
	{ "Q-038", "IPv6", q038 },
	{ "Q-039", "link-local address with scope", q039 },
	{ "Q-040", "port 0", q040 },
	{ "Q-041", "unspecified address", q041 },
	{ "Q-042", "other address families", q042 },
	{ "Q-043", "INVALID_SOCKET", q043 },
	{ "Q-044", "closed socket, no socket", q044 },
	{ "Q-045", "no place for the identifier", q045 },
	{ "Q-046", "traffic types 6 and -1", q046 },
	{ "Q-047", "unknown flags", q047 },
	{ "Q-048", "known flags", q048 },
	{ "Q-049", "adaptive, off link", q049 },
	{ "Q-050", "adaptive, on link, nobody answers", q050 },
	{ "Q-051", "two flows, two identifiers", q051 },
	{ "Q-052", "identifiers of several processes", q052 },
	{ "Q-053", "second socket in a flow", q053 },
	{ "Q-054", "second socket without the flag", q054 },
	{ "Q-055", "second socket in an adaptive flow", q055 },
	{ "Q-056", "joining an unknown flow", q056 },
	{ "Q-057", "joining a flow that has ended", q057 },
	{ "Q-058", "joining a flow of another handle", q058 },
	{ "Q-059", "joining keeps the type", q059 },
	{ "Q-060", "three destinations of one socket", q060 },
	{ "Q-061", "the same twice", q061 },
	{ "Q-062", "loopback destination", q062 },
	{ "Q-063", "add, send, remove 10,000 times", q063 },
	{ "Q-064", "no route", q064 },
	{ "Q-230", "multicast destination", q230 },
	{ "Q-233", "accepted dual-stack socket", q233 },
	{ "Q-236", "identifier passed by copy", q236 },
	{ 0 },
};
