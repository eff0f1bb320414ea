/* SPDX-License-Identifier: MIT */
/*
 * remove.c: Q-065..Q-075.
 */
#include <stdio.h>
#include <unistd.h>

#include "conformance.h"

static HANDLE h;

static QOS_FLOWID voice(int fd)
{
	return add_flow(h, fd, NULL, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW);
}

static void join(QOS_FLOWID id, int fd)
{
	EXPECT_TRUE(QOSAddSocketToFlow(h, (SOCKET)fd, NULL, QOSTrafficTypeVoice, 2, &id));
}

static void q065(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_PACKET_PRIORITY priority;
	QOS_FLOWID id;

	h = new_handle();
	id = voice(fd);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, (SOCKET)fd, id, 0));
	EXPECT_FAIL(query_priority(h, id, &priority), 1168);
}

static void q066(void)
{
	struct sink sink = new_sink(AF_INET);
	int fds[3];
	QOS_FLOWID id;

	h = new_handle();
	for (int i = 0; i < 3; i++)
		fds[i] = connected_socket(&sink);
	id = voice(fds[0]);
	join(id, fds[1]);
	join(id, fds[2]);
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(DSCP(byte_sent(fds[i], &sink)), 56);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, 0, id, 0));
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(byte_sent(fds[i], &sink), 0);
}

static void q067(void)
{
	struct sink sink = new_sink(AF_INET);
	int first = connected_socket(&sink), second = connected_socket(&sink);
	QOS_PACKET_PRIORITY priority;
	QOS_FLOWID id;

	h = new_handle();
	id = voice(first);
	join(id, second);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, (SOCKET)first, id, 0));
	CHECK_EQUAL(byte_sent(first, &sink), 0);
	CHECK_EQUAL(DSCP(byte_sent(second, &sink)), 56);
	EXPECT_TRUE(query_priority(h, id, &priority));
}

static void q068(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_FLOWID id;

	h = new_handle();
	id = voice(fd);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, (SOCKET)connected_socket(&sink), id, 0), 1168);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, INVALID_SOCKET, id, 0), 1168);
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
}

static void q069(void)
{
	struct sink sink = new_sink(AF_INET);
	SOCKET s = (SOCKET)connected_socket(&sink);

	h = new_handle();
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, s, 0x7fffffff, 0), 1168);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, 0, 0x7fffffff, 0), 1168);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, s, 0, 0), 1168);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, 0, 0, 0), 1168);
}

static void q070(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_FLOWID id;

	h = new_handle();
	id = voice(fd);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, (SOCKET)fd, id, 0));
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, (SOCKET)fd, id, 0), 1168);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, 0, id, 0), 1168);
}

static void q071(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_FLOWID id;

	h = new_handle();
	id = voice(fd);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, (SOCKET)fd, id, 1), 87);
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, (SOCKET)fd, id, 0));
}

static void q072(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	HANDLE other = new_handle();
	char text[16];
	QOS_FLOWID id;

	h = new_handle();
	id = voice(fd);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(other, (SOCKET)fd, id, 0), 1168);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(other, 0, id, 0), 1168);
	snprintf(text, sizeof(text), "%u", id);
	run_child("foreign", text);
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
}

static void q073(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);

	h = new_handle();
	for (int i = 0; i < 200; i++) {
		QOS_FLOWID id = voice(fd);

		CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
		EXPECT_TRUE(QOSRemoveSocketFromFlow(h, i & 1 ? 0 : (SOCKET)fd, id, 0));
		CHECK_EQUAL(byte_sent(fd, &sink), 0);
	}
}

static void q074(void)
{
	struct sink sink = silent_host();
	OVERLAPPED ov = { .hEvent = new_event(TRUE) };
	DWORD bytes;
	QOS_FLOWID id;

	h = new_handle();
	id = add_flow(h, connected_socket(&sink), NULL, QOSTrafficTypeVoice, 0);
	EXPECT_FAIL(QOSNotifyFlow(h, id, QOSNotifyCongested, NULL, NULL, 0, &ov), 997);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, 0, id, 0));
	CHECK_EQUAL(WaitForSingleObject(ov.hEvent, 0), WAIT_OBJECT_0);
	EXPECT_FAIL(GetOverlappedResult(h, &ov, &bytes, FALSE), 995);
}

static void q075(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = udp_socket(AF_INET);
	QOS_FLOWID id;

	h = new_handle();
	id = add_flow(h, fd, address_of(&sink), QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW);
	close(fd);
	usleep(20000);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, 0, id, 0));
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, 0, id, 0), 1168);
}

const struct item remove_items[] = {
	{ "Q-065", "the only socket", q065 },
	{ "Q-066", "all of three sockets", q066 },
	{ "Q-067", "one of two sockets", q067 },
	{ "Q-068", "a socket that is not in it", q068 },
	{ "Q-069", "unknown flows", q069 },
	{ "Q-070", "twice", q070 },
	{ "Q-071", "flags", q071 },
	{ "Q-072", "flows of others", q072 },
	{ "Q-073", "the first datagram afterwards is unmarked", q073 },
	{ "Q-074", "a pending notification is completed", q074 },
	{ "Q-075", "a socket that was closed first", q075 },
	{ 0 },
};
