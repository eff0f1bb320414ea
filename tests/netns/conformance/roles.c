/* SPDX-License-Identifier: MIT */
/*
 * roles.c: what this program does as another process, for items that need one.
 *
 *	no-daemon	create a handle where no daemon is
 *	hold N		add N flows, print their identifiers, wait for the end of standard input
 *	forget PORT	add a flow, forget the handle, send marked packets to PORT for ever
 *	foreign ID	try to change the flow of somebody else
 *	administrator ID  read the flow of somebody else
 *	plain WHAT	as a user without privilege: set-dscp, enumerate, query:ID
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "items.h"

#define NOBODY 65534

static int no_daemon(const char *argument)
{
	QOS_VERSION version = { 1, 0 };
	HANDLE h = (HANDLE)42;
	double start = clock_seconds();

	setenv("GREENWAVE_MODE", "daemon", 1);
	setenv("GREENWAVE_SOCKET", "/nonexistent/greenwave/socket", 1);
	EXPECT_FAIL(QOSCreateHandle(&version, &h), 1068);
	CHECK(h == (HANDLE)42);
	CHECK(clock_seconds() - start < 5);
	return 0;
}

static int hold(const char *argument)
{
	struct sink sink = new_sink(AF_INET);
	HANDLE h = new_handle();
	char byte;

	for (int n = atoi(argument); n > 0; n--)
		printf("%u\n", add_flow(h, connected_socket(&sink), NULL, QOSTrafficTypeVoice, 2));
	fflush(stdout);
	return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 1;
}

static void add_and_forget(int fd)
{
	QOS_VERSION version = { 1, 0 };
	QOS_FLOWID id = 0;
	HANDLE h;

	EXPECT_TRUE(QOSCreateHandle(&version, &h));
	EXPECT_TRUE(QOSAddSocketToFlow(h, (SOCKET)fd, NULL, QOSTrafficTypeVoice, 2, &id));
}

static int forget(const char *argument)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((in_port_t)atoi(argument)) };
	int fd = udp_socket(AF_INET);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	add_and_forget(fd);
	for (int i = 0; i < 3; i++) {
		CHECK(send(fd, "x", 1, 0) == 1);
		puts("sent");
		fflush(stdout);
		usleep(50000);
	}
	pause();
	return 0;
}

static int foreign(const char *argument)
{
	QOS_FLOWID id = (QOS_FLOWID)strtoul(argument, NULL, 10);
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	HANDLE h = new_handle();
	OVERLAPPED ov = { 0 };

	EXPECT_FAIL(set_type(h, id, QOSTrafficTypeBackground), 1168);
	EXPECT_FAIL(set_dscp(h, id, 46), 1168);
	EXPECT_FAIL(set_rate(h, id, 0, QOSShapeAndMark, 0), 1168);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, 0, id, 0), 1168);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, (SOCKET)fd, id, 0), 1168);
	EXPECT_FAIL(QOSNotifyFlow(h, id, QOSNotifyCongested, NULL, NULL, 0, &ov), 1168);
	EXPECT_FAIL(QOSAddSocketToFlow(h, (SOCKET)fd, NULL, QOSTrafficTypeVoice, 2, &id), 1168);
	return 0;
}

static int administrator(const char *argument)
{
	QOS_PACKET_PRIORITY priority;
	QOS_FLOWID id = (QOS_FLOWID)strtoul(argument, NULL, 10);

	EXPECT_TRUE(query_priority(new_handle(), id, &priority));
	CHECK_EQUAL(priority.ConformantDSCPValue, 56);
	return 0;
}

static HANDLE plain_handle(void)
{
	QOS_VERSION version = { 1, 0 };
	HANDLE h;

	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
			       setresuid(NOBODY, NOBODY, NOBODY) < 0))
		item_skip("cannot become a plain user: %s", strerror(errno));
	SetLastError(SENTINEL);
	if (!QOSCreateHandle(&version, &h)) {
		CHECK_EQUAL(GetLastError(), 1068);
		item_skip("a plain user cannot reach the engine here");
	}
	return h;
}

static int plain(const char *argument)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	HANDLE h = plain_handle();
	QOS_PACKET_PRIORITY priority;
	ULONG size = 0;
	QOS_FLOWID id;

	if (strcmp(argument, "enumerate") == 0) {
		EXPECT_FAIL(QOSEnumerateFlows(h, &size, NULL), 5);
		CHECK_EQUAL(size, 0);
	} else if (strcmp(argument, "set-dscp") == 0) {
		id = add_flow(h, fd, NULL, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW);
		EXPECT_FAIL(set_dscp(h, id, 46), 5);
		CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
	} else {
		CHECK(sscanf(argument, "query:%u", &id) == 1);
		EXPECT_FAIL(query_priority(h, id, &priority), 1168);
	}
	return 0;
}

int role_main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const char *argument);
	} roles[] = {
		{ "no-daemon", no_daemon },
		{ "hold", hold },
		{ "forget", forget },
		{ "foreign", foreign },
		{ "administrator", administrator },
		{ "plain", plain },
	};

	for (size_t i = 0; i < ARRAYSIZE(roles); i++) {
		if (argc > 1 && strcmp(argv[0], roles[i].name) == 0)
			return roles[i].run(argv[1]);
	}
	return 2;
}
