/* SPDX-License-Identifier: MIT */
/*
 * marking.c: Q-077..Q-094 as far as they show at the receiving socket, and.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance.h"

static HANDLE h;

static QOS_FLOWID voice(int fd, PSOCKADDR to)
{
	return add_flow(h, fd, to, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW);
}

/* Over IPv4 and, where there is some, IPv6. */
static void check_type(QOS_TRAFFIC_TYPE type, int byte)
{
	struct sink sink = new_sink(AF_INET), sink6;
	int fd = connected_socket(&sink);

	h = new_handle();
	add_flow(h, fd, NULL, type, QOS_NON_ADAPTIVE_FLOW);
	CHECK_EQUAL(byte_sent(fd, &sink), byte);
	sink6 = new_sink(AF_INET6);
	fd = connected_socket(&sink6);
	add_flow(h, fd, NULL, type, QOS_NON_ADAPTIVE_FLOW);
	CHECK_EQUAL(byte_sent(fd, &sink6), byte);
}

static void q077(void)
{
	check_type(QOSTrafficTypeBestEffort, 0);
}

static void q078(void)
{
	check_type(QOSTrafficTypeBackground, 0x20);
}

static void q079(void)
{
	check_type(QOSTrafficTypeExcellentEffort, 0xA0);
}

static void q080(void)
{
	check_type(QOSTrafficTypeAudioVideo, 0xA0);
}

static void q081(void)
{
	check_type(QOSTrafficTypeVoice, 0xE0);
}

static void q082(void)
{
	check_type(QOSTrafficTypeControl, 0xE0);
}

static void q083(void)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	for (int i = 0; i < 100; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		CHECK(connect(fd, &sink.any, sink.length) == 0);
		voice(fd, NULL);
		CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
		close(fd);
	}
}

static void q084(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_PACKET_PRIORITY priority;
	QOS_FLOWID id;

	h = new_handle();
	id = add_flow(h, fd, NULL, QOSTrafficTypeVoice, 0);
	CHECK_EQUAL(byte_sent(fd, &sink), 0);
	EXPECT_TRUE(
		set_type(h, id, QOSTrafficTypeControl)); /* §8: not in force until a rate is set */
	CHECK_EQUAL(byte_sent(fd, &sink), 0);
	EXPECT_TRUE(query_priority(h, id, &priority));
	CHECK_EQUAL(priority.ConformantDSCPValue, 0);
	CHECK_EQUAL(priority.ConformantL2Value, 0);
}

static void q086(void)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	for (int ecn = 0; ecn < 4; ecn++) {
		int fd = connected_socket(&sink);

		CHECK(setsockopt(fd, IPPROTO_IP, IP_TOS, &ecn, sizeof(ecn)) == 0);
		voice(fd, NULL);
		CHECK_EQUAL(byte_sent(fd, &sink), 0xE0 | ecn);
	}
	sink = new_sink(AF_INET6);
	for (int ecn = 0; ecn < 4; ecn++) {
		int fd = connected_socket(&sink);

		CHECK(setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &ecn, sizeof(ecn)) == 0);
		voice(fd, NULL);
		CHECK_EQUAL(byte_sent(fd, &sink), 0xE0 | ecn);
	}
}

#ifndef IPV6_FLOWINFO
#define IPV6_FLOWINFO 11
#endif

/* Traffic class and flow label of what arrived, in host order. */
static unsigned flow_information(int fd, struct sink *sink)
{
	unsigned char control[256];
	char text[8];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	uint32_t information = 0;
	bool found = false;

	CHECK(send(fd, "x", 1, 0) == 1);
	CHECK(recvmsg(sink->fd, &message, 0) == 1);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level != IPPROTO_IPV6 || c->cmsg_type != IPV6_FLOWINFO)
			continue;
		memcpy(&information, CMSG_DATA(c), sizeof(information));
		found = true;
	}
	/* No label and no class: no message. */
	return found ? ntohl(information) : 0;
}

static void q087(void)
{
	struct sink sink = new_sink(AF_INET6);
	int fd = udp_socket(AF_INET6), on = 1;
	unsigned before;

	h = new_handle();
	CHECK(setsockopt(sink.fd, IPPROTO_IPV6, IPV6_FLOWINFO, &on, sizeof(on)) == 0);
	CHECK(connect(fd, &sink.any, sink.length) == 0);
	before = flow_information(fd, &sink);
	if ((before & 0xfffff) == 0)
		item_skip("no flow labels here");
	voice(fd, NULL);
	CHECK_EQUAL(flow_information(fd, &sink), 0xE000000 | before);
}

static void q088(void)
{
	struct sink marked = new_sink(AF_INET), other = new_sink(AF_INET);
	struct sink elsewhere = new_sink_at("127.0.0.2");
	int fd = udp_socket(AF_INET);

	if (is_embedded())
		item_skip("the embedded engine marks whole sockets");
	h = new_handle();
	voice(fd, address_of(&marked));
	CHECK_EQUAL(DSCP(byte_sent_to(fd, &marked, address_of(&marked), marked.length)), 56);
	CHECK_EQUAL(byte_sent_to(fd, &other, address_of(&other), other.length), 0);
	CHECK_EQUAL(byte_sent_to(fd, &elsewhere, address_of(&elsewhere), elsewhere.length), 0);
}

static void q089(void)
{
	struct sink sink = new_sink(AF_INET);
	int marked = connected_socket(&sink), other = connected_socket(&sink);

	h = new_handle();
	voice(marked, NULL);
	CHECK_EQUAL(byte_sent(other, &sink), 0);
	CHECK_EQUAL(DSCP(byte_sent(marked, &sink)), 56);
}

static void q091(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink), own = 0x48;

	h = new_handle();
	CHECK(setsockopt(fd, IPPROTO_IP, IP_TOS, &own, sizeof(own)) == 0);
	add_flow(h, fd, NULL, QOSTrafficTypeBestEffort, QOS_NON_ADAPTIVE_FLOW);
	CHECK_EQUAL(byte_sent(fd, &sink), 0x48);
}

/* The client is marked; it only receives, so that what it sends are acknowledgements. */
static void q094(void)
{
	struct sockaddr_in address;
	int listener = tcp_listener(&address), server;
	int client = keep(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	struct capture capture = new_capture(address.sin_port, false);
	char block[4096] = { 0 };

	h = new_handle();
	CHECK(connect(client, (struct sockaddr *)&address, sizeof(address)) == 0);
	server = keep(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	CHECK_EQUAL(captured_byte(&capture, CAPTURE_ACK), 0); /* of the handshake */
	voice(client, NULL);
	for (int i = 0; i < 8; i++) {
		CHECK(send(server, block, sizeof(block), 0) == sizeof(block));
		CHECK(recv(client, block, sizeof(block), MSG_WAITALL) == sizeof(block));
	}
	CHECK_EQUAL(DSCP(captured_byte(&capture, CAPTURE_ACK)), 56);
}

/* ---- whose mark it is ---- */

static void q228(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_FLOWID later;

	h = new_handle();
	add_flow(h, fd, NULL, QOSTrafficTypeBackground, QOS_NON_ADAPTIVE_FLOW);
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 8);
	later = voice(fd, NULL);
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, (SOCKET)fd, later, 0));
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 8);
}

static void q229(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink), status;
	pid_t pid;

	h = new_handle();
	voice(fd, NULL);
	pid = fork();
	if (pid == 0)
		_exit(send(fd, "x", 1, 0) == 1 ? 0 : 1);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_EQUAL(DSCP(byte_received(&sink)), 56);
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
}

static void q235(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_VERSION version = { 1, 0 };

	for (int i = 0; i < 1000; i++) {
		EXPECT_TRUE(QOSCreateHandle(&version, &h));
		voice(fd, NULL);
		CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
		EXPECT_TRUE(QOSCloseHandle(h));
		CHECK_EQUAL(byte_sent(fd, &sink), 0);
	}
}

const struct item marking_items[] = {
	{ "Q-077", "best effort", q077 },
	{ "Q-078", "background", q078 },
	{ "Q-079", "excellent effort", q079 },
	{ "Q-080", "audio and video", q080 },
	{ "Q-081", "voice", q081 },
	{ "Q-082", "control", q082 },
	{ "Q-083", "from the first packet on", q083 },
	{ "Q-084", "adaptive: not before a rate is set", q084 },
	{ "Q-086", "ECN survives", q086 },
	{ "Q-087", "the IPv6 flow label survives", q087 },
	{ "Q-088", "other destinations are unmarked", q088 },
	{ "Q-089", "other sockets are unmarked", q089 },
	{ "Q-091", "best effort leaves the program's own mark", q091 },
	{ "Q-094", "acknowledgements are marked", q094 },
	{ "Q-228", "an earlier flow comes back", q228 },
	{ "Q-229", "a socket shared with another process", q229 },
	{ "Q-235", "1,000 times create, add, close", q235 },
	{ 0 },
};
