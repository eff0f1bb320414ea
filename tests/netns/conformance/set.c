/* SPDX-License-Identifier: MIT */
/*
 * set.c: Q-095..Q-125 as far as they need neither a shaper (rates.c) nor a measured path, and Q-226.
 */
#include <stdio.h>
#include <string.h>

#include "conformance.h"

static HANDLE h;
static struct sink sink;
static int fd;
static QOS_FLOWID id;

static void prepare(QOS_TRAFFIC_TYPE type, DWORD flags)
{
	sink = new_sink(AF_INET);
	fd = connected_socket(&sink);
	h = new_handle();
	id = add_flow(h, fd, NULL, type, flags);
}

static void check_dscp(int dscp)
{
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), dscp);
}

static void need_privilege(void)
{
	if (!is_privileged())
		item_skip("needs an administrator");
}

static void q095(void)
{
	prepare(QOSTrafficTypeBackground, 2);
	check_dscp(8);
	EXPECT_TRUE(set_type(h, id, QOSTrafficTypeVoice));
	check_dscp(56);
}

static void q096(void)
{
	prepare(QOSTrafficTypeBackground, 2);
	EXPECT_FAIL(set_type(h, id, 6), 87);
	EXPECT_FAIL(set_type(h, id, -1), 87);
	check_dscp(8);
}

static void wrong_size(QOS_SET_FLOW operation, ULONG size)
{
	UINT64 zeros[4] = { 0 };

	EXPECT_FAIL(QOSSetFlow(h, id, operation, size, zeros, 0, NULL), 87);
}

static void q097(void)
{
	prepare(QOSTrafficTypeVoice, 2);
	wrong_size(QOSSetTrafficType, 2);
	wrong_size(QOSSetTrafficType, 8);
	check_dscp(56);
}

static void q098(void)
{
	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_FAIL(QOSSetFlow(h, id, QOSSetTrafficType, 4, NULL, 0, NULL), 87);
	EXPECT_FAIL(QOSSetFlow(h, id, QOSSetOutgoingRate, 16, NULL, 0, NULL), 87);
}

static void q099(void)
{
	int type = QOSTrafficTypeVoice;

	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_FAIL(QOSSetFlow(h, id, (QOS_SET_FLOW)3, 4, &type, 0, NULL), 87);
	EXPECT_FAIL(QOSSetFlow(h, id, (QOS_SET_FLOW)-1, 4, &type, 0, NULL), 87);
}

static void q100(void)
{
	int type = QOSTrafficTypeBackground;

	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_FAIL(QOSSetFlow(h, id, QOSSetTrafficType, 4, &type, 1, NULL), 87);
	check_dscp(56);
}

static void q101(void)
{
	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_FAIL(set_type(h, 0x7fffffff, QOSTrafficTypeVoice), 1168);
	EXPECT_FAIL(set_type(h, 0, QOSTrafficTypeVoice), 1168);
	EXPECT_FAIL(set_type(new_handle(), id, QOSTrafficTypeVoice), 1168);
}

static void q102(void)
{
	prepare(QOSTrafficTypeVoice, 2);
	wrong_size(QOSSetOutgoingRate, 12);
	wrong_size(QOSSetOutgoingRate, 24);
}

static void q103(void)
{
	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_FAIL(set_rate(h, id, 1000000, 3, 0), 87);
	EXPECT_FAIL(set_rate(h, id, 1000000, -1, 0), 87);
	EXPECT_FAIL(set_rate(h, id, 1000000, QOSShapeAndMark, 5), 87);
	EXPECT_FAIL(set_rate(h, id, 1000000, QOSShapeAndMark, -1), 87);
}

static void q104(void)
{
	prepare(QOSTrafficTypeVoice, 2);
	for (int reason = 0; reason <= 4; reason++) {
		UINT64 rate = 0;

		EXPECT_TRUE(set_rate(h, id, QOS_OUTGOING_DEFAULT_MINIMUM_BANDWIDTH, QOSShapeAndMark,
				     reason));
		EXPECT_TRUE(query_rate(h, id, &rate));
		CHECK_EQUAL(rate, QOS_OUTGOING_DEFAULT_MINIMUM_BANDWIDTH);
		check_dscp(56);
	}
}

/* Without a shaper: what bandwidth 0 does to the mark, and how it comes back. */
static void q108(void)
{
	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_TRUE(set_rate(h, id, 0, QOSShapeAndMark, 0));
	check_dscp(0);
	EXPECT_TRUE(set_rate(h, id, QOS_OUTGOING_DEFAULT_MINIMUM_BANDWIDTH, QOSShapeAndMark, 0));
	check_dscp(56);
	EXPECT_TRUE(set_rate(h, id, 0, QOSShapeAndMark, 0));
	EXPECT_TRUE(set_type(h, id, QOSTrafficTypeVoice));
	check_dscp(56);
}

static void q109(void)
{
	enum { COUNT = 100, SIZE = 1400 };
	static char block[SIZE];
	double start;

	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_TRUE(set_rate(h, id, QOS_OUTGOING_DEFAULT_MINIMUM_BANDWIDTH, QOSShapeAndMark, 0));
	start = clock_seconds();
	for (int i = 0; i < COUNT; i++) {
		CHECK(send(fd, block, SIZE, 0) == SIZE);
		CHECK_EQUAL(DSCP(byte_received(&sink)), 56);
	}
	/* At the 64 kbit/s that are reserved it would take 18 s. */
	CHECK(clock_seconds() - start < 2);
}

static void q112(void)
{
	need_privilege();
	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_TRUE(set_dscp(h, id, 46));
	check_dscp(46);
}

static void q113(void)
{
	run_child("plain", "set-dscp");
}

static void q114(void)
{
	need_privilege();
	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_FAIL(set_dscp(h, id, 64), 87);
	check_dscp(56);
	EXPECT_TRUE(set_dscp(h, id, 63));
	check_dscp(63);
	EXPECT_TRUE(set_dscp(h, id, 0));
	check_dscp(0);
}

static void q115(void)
{
	prepare(QOSTrafficTypeVoice, 2);
	wrong_size(QOSSetOutgoingDSCPValue, 1);
	wrong_size(QOSSetOutgoingDSCPValue, 2);
}

static void q116(void)
{
	need_privilege();
	prepare(QOSTrafficTypeVoice, 0);
	EXPECT_FAIL(set_dscp(h, id, 46), 50);
}

static void q117(void)
{
	need_privilege();
	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_TRUE(set_dscp(h, id, 46));
	EXPECT_TRUE(set_type(h, id, QOSTrafficTypeBackground));
	check_dscp(8);
}

static void q123(void)
{
	OVERLAPPED ov = { .hEvent = new_event(TRUE) };
	int type = QOSTrafficTypeVoice;
	DWORD bytes = 99;
	BOOL done;

	prepare(QOSTrafficTypeBackground, 2);
	SetLastError(SENTINEL);
	done = QOSSetFlow(h, id, QOSSetTrafficType, sizeof(type), &type, 0, &ov);
	CHECK(done || GetLastError() == 997);
	CHECK_EQUAL(WaitForSingleObject(ov.hEvent, 5000), WAIT_OBJECT_0);
	EXPECT_TRUE(GetOverlappedResult(h, &ov, &bytes, TRUE));
	CHECK_EQUAL(bytes, 0);
	check_dscp(56);
}

static void q124(void)
{
	OVERLAPPED ov = { .hEvent = new_event(TRUE) };
	int type = QOSTrafficTypeVoice;
	DWORD bytes;

	prepare(QOSTrafficTypeBackground, 2);
	QOSSetFlow(h, id, QOSSetTrafficType, sizeof(type), &type, 0, &ov);
	memset(&type, 0xff, sizeof(type));
	EXPECT_TRUE(GetOverlappedResult(h, &ov, &bytes, TRUE));
	check_dscp(56);
}

static void q125(void)
{
	char text[16];

	prepare(QOSTrafficTypeVoice, 2);
	snprintf(text, sizeof(text), "%u", id);
	run_child("foreign", text);
	check_dscp(56);
}

static void q226(void)
{
	UINT64 rate = 0;

	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_TRUE(set_rate(h, id, 0xFFFFFFFFFFFFFFFF, QOSShapeAndMark, 0));
	EXPECT_TRUE(query_rate(h, id, &rate));
	CHECK(rate == 0xFFFFFFFFFFFFFFFF);
	check_dscp(56);
}

const struct item set_items[] = {
	{ "Q-095", "traffic type", q095 },
	{ "Q-096", "wrong traffic type", q096 },
	{ "Q-097", "traffic type of wrong size", q097 },
	{ "Q-098", "no buffer", q098 },
	{ "Q-099", "unknown operation", q099 },
	{ "Q-100", "flags", q100 },
	{ "Q-101", "unknown flow", q101 },
	{ "Q-102", "rate of wrong size", q102 },
	{ "Q-103", "wrong behaviour or reason", q103 },
	{ "Q-104", "all reasons", q104 },
	{ "Q-108", "bandwidth 0 ends the mark", q108 },
	{ "Q-109", "default bandwidth", q109 },
	{ "Q-112", "DSCP value", q112 },
	{ "Q-113", "DSCP value by a plain user", q113 },
	{ "Q-114", "limits of the DSCP value", q114 },
	{ "Q-115", "DSCP value of wrong size", q115 },
	{ "Q-116", "DSCP value of an adaptive flow", q116 },
	{ "Q-117", "traffic type replaces the DSCP value", q117 },
	{ "Q-123", "overlapped", q123 },
	{ "Q-124", "overlapped, the buffer changes", q124 },
	{ "Q-125", "a flow of another process", q125 },
	{ "Q-226", "64 bits of bandwidth", q226 },
	{ 0 },
};
