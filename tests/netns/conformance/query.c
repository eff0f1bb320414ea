/* SPDX-License-Identifier: MIT */
/*
 * query.c: Q-126..Q-146 as far as they need neither a shaper nor a measured path.
 */
#include <stdio.h>
#include <string.h>

#include "conformance.h"

static HANDLE h;
static QOS_FLOWID id;

static void prepare(QOS_TRAFFIC_TYPE type, DWORD flags)
{
	struct sink sink = new_sink(AF_INET);

	h = new_handle();
	id = add_flow(h, connected_socket(&sink), NULL, type, flags);
}

/* An adaptive flow to who answers nothing. */
static void prepare_silent(void)
{
	struct sink silent = silent_host();

	h = new_handle();
	id = add_flow(h, connected_socket(&silent), NULL, QOSTrafficTypeVoice, 0);
}

static BOOL query(int operation, PULONG size, PVOID buffer, DWORD flags)
{
	return QOSQueryFlow(h, id, (QOS_QUERY_FLOW)operation, size, buffer, flags, NULL);
}

static void q126(void)
{
	QOS_PACKET_PRIORITY priority;
	ULONG size = 64;

	prepare(QOSTrafficTypeAudioVideo, 2);
	memset(&priority, 0xff, sizeof(priority));
	EXPECT_TRUE(query(QOSQueryPacketPriority, &size, &priority, 0));
	CHECK_EQUAL(size, 16);
	CHECK_EQUAL(priority.ConformantDSCPValue, 40);
	CHECK_EQUAL(priority.NonConformantDSCPValue, 0);
	CHECK_EQUAL(priority.ConformantL2Value, 0);
	CHECK_EQUAL(priority.NonConformantL2Value, 0);
}

static void q127(void)
{
	QOS_PACKET_PRIORITY priority;

	if (!is_privileged())
		item_skip("needs an administrator");
	prepare(QOSTrafficTypeAudioVideo, 2);
	EXPECT_TRUE(set_dscp(h, id, 46));
	EXPECT_TRUE(query_priority(h, id, &priority));
	CHECK_EQUAL(priority.ConformantDSCPValue, 46);
}

static void q128(void)
{
	static const QOS_TRAFFIC_TYPE types[] = { QOSTrafficTypeVoice, QOSTrafficTypeBackground };
	QOS_PACKET_PRIORITY priority;

	for (int i = 0; i < 2; i++) {
		prepare(types[i], 2);
		/* A rate beyond every link, which needs no shaper. */
		EXPECT_TRUE(set_rate(h, id, 1ull << 60, QOSUseNonConformantMarkings, 0));
		EXPECT_TRUE(query_priority(h, id, &priority));
		CHECK_EQUAL(priority.ConformantDSCPValue, i == 0 ? 56 : 8);
		CHECK_EQUAL(priority.NonConformantDSCPValue, i == 0 ? 0 : 8);
	}
}

static void q129(void)
{
	ULONG size = 8;
	UINT64 rate = 1;

	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_TRUE(query(QOSQueryOutgoingRate, &size, &rate, 0));
	CHECK_EQUAL(size, 8);
	CHECK_EQUAL(rate, 0);
}

static void q130(void)
{
	UINT64 rate = 1;

	prepare(QOSTrafficTypeVoice, 2);
	if (!set_rate(h, id, 5100000, QOSShapeAndMark, 0)) {
		CHECK_EQUAL(GetLastError(), 50);
		EXPECT_TRUE(query_rate(h, id, &rate));
		CHECK_EQUAL(rate, 0); /* the flow is as before */
		item_skip("nothing here can shape to that rate");
	}
	EXPECT_TRUE(query_rate(h, id, &rate));
	CHECK_EQUAL(rate, 5100000);
}

static void q132(void)
{
	QOS_FLOW_FUNDAMENTALS fundamentals;
	ULONG size = sizeof(fundamentals);

	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_FAIL(query(QOSQueryFlowFundamentals, &size, &fundamentals, 0), 50);
	CHECK_EQUAL(size, sizeof(fundamentals));
}

static void q134(void)
{
	QOS_FLOW_FUNDAMENTALS fundamentals;
	ULONG size = sizeof(fundamentals);

	prepare_silent();
	EXPECT_FAIL(query(QOSQueryFlowFundamentals, &size, &fundamentals, 0), 232);
	CHECK_EQUAL(size, sizeof(fundamentals));
}

static void q137(void)
{
	QOS_FLOW_FUNDAMENTALS fundamentals;
	ULONG size = sizeof(fundamentals);
	double start = clock_seconds();

	prepare_silent();
	CHECK(!query(QOSQueryFlowFundamentals, &size, &fundamentals, QOS_QUERYFLOW_FRESH));
	CHECK(GetLastError() == 1237 || GetLastError() == 1460);
	CHECK(clock_seconds() - start < 5);
}

static void q138(void)
{
	QOS_PACKET_PRIORITY priority;
	ULONG size = sizeof(priority);

	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_TRUE(query(QOSQueryPacketPriority, &size, &priority, QOS_QUERYFLOW_FRESH));
	CHECK_EQUAL(priority.ConformantDSCPValue, 56);
}

static void q139(void)
{
	QOS_PACKET_PRIORITY priority;
	ULONG size = sizeof(priority);

	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_FAIL(query(QOSQueryPacketPriority, &size, &priority, 2), 87);
}

static const ULONG sizes[] = { 40, 16, 8 };

static void q140(void)
{
	unsigned char buffer[64], untouched[64];

	prepare(QOSTrafficTypeVoice, 0);
	memset(buffer, 0xee, sizeof(buffer));
	memset(untouched, 0xee, sizeof(untouched));
	for (int operation = 0; operation <= 2; operation++) {
		ULONG size = sizes[operation] - 1;

		EXPECT_FAIL(query(operation, &size, buffer, 0), 122);
		CHECK_EQUAL(size, sizes[operation]);
		CHECK(memcmp(buffer, untouched, sizeof(buffer)) == 0);
	}
}

static void q141(void)
{
	unsigned char buffer[64], untouched[64];

	prepare(QOSTrafficTypeVoice, 2);
	memset(untouched, 0xee, sizeof(untouched));
	for (int operation = 1; operation <= 2; operation++) {
		ULONG size = sizeof(buffer);

		memset(buffer, 0xee, sizeof(buffer));
		EXPECT_TRUE(query(operation, &size, buffer, 0));
		CHECK_EQUAL(size, sizes[operation]);
		CHECK(memcmp(buffer + size, untouched, sizeof(buffer) - size) == 0);
	}
}

static void q142(void)
{
	unsigned char buffer[64];

	prepare(QOSTrafficTypeVoice, 2);
	for (int operation = 0; operation <= 2; operation++) {
		ULONG size = 0;

		EXPECT_FAIL(query(operation, NULL, buffer, 0), 87);
		EXPECT_FAIL(query(operation, &size, NULL, 0), 122);
		CHECK_EQUAL(size, sizes[operation]);
		EXPECT_FAIL(query(operation, &size, NULL, 0), 87);
	}
}

static void q143(void)
{
	unsigned char buffer[64];
	ULONG size = sizeof(buffer);

	prepare(QOSTrafficTypeVoice, 2);
	EXPECT_FAIL(query(3, &size, buffer, 0), 87);
	EXPECT_FAIL(query(-1, &size, buffer, 0), 87);
}

static void q144(void)
{
	unsigned char buffer[64];

	prepare(QOSTrafficTypeVoice, 2);
	id = 0x7fffffff;
	for (int operation = 0; operation <= 2; operation++) {
		ULONG size = sizeof(buffer);

		EXPECT_FAIL(query(operation, &size, buffer, 0), 1168);
		size = 0;
		EXPECT_FAIL(query(operation, &size, NULL, 0), 1168);
		CHECK_EQUAL(size, 0);
	}
}

static void q145(void)
{
	char text[32];

	if (is_embedded())
		item_skip("each process has an engine of its own");
	prepare(QOSTrafficTypeVoice, 2);
	snprintf(text, sizeof(text), "query:%u", id);
	run_child("plain", text);
	if (!is_privileged())
		item_skip("only the plain user's half: not an administrator");
	snprintf(text, sizeof(text), "%u", id);
	run_child("administrator", text);
}

static void q146(void)
{
	OVERLAPPED ov = { .hEvent = new_event(TRUE) };
	QOS_PACKET_PRIORITY priority;
	ULONG size = sizeof(priority);
	DWORD bytes = 0;
	BOOL done;

	prepare(QOSTrafficTypeVoice, 2);
	SetLastError(SENTINEL);
	done = QOSQueryFlow(h, id, QOSQueryPacketPriority, &size, &priority, 0, &ov);
	CHECK(done || GetLastError() == 997);
	CHECK_EQUAL(WaitForSingleObject(ov.hEvent, 5000), WAIT_OBJECT_0);
	EXPECT_TRUE(GetOverlappedResult(h, &ov, &bytes, FALSE));
	CHECK_EQUAL(bytes, sizeof(priority));
	CHECK_EQUAL(priority.ConformantDSCPValue, 56);
}

const struct item query_items[] = {
	{ "Q-126", "priority of a new flow", q126 },
	{ "Q-127", "priority with a DSCP value", q127 },
	{ "Q-128", "priority of what exceeds the rate", q128 },
	{ "Q-129", "rate where none was set", q129 },
	{ "Q-130", "rate that was set", q130 },
	{ "Q-132", "fundamentals of a non-adaptive flow", q132 },
	{ "Q-134", "fundamentals before any result", q134 },
	{ "Q-137", "fresh fundamentals, nobody answers", q137 },
	{ "Q-138", "fresh priority", q138 },
	{ "Q-139", "unknown flags", q139 },
	{ "Q-140", "a buffer too small", q140 },
	{ "Q-141", "a buffer too large", q141 },
	{ "Q-142", "no buffer, no size", q142 },
	{ "Q-143", "unknown operation", q143 },
	{ "Q-144", "unknown flow", q144 },
	{ "Q-145", "a flow of another process", q145 },
	{ "Q-146", "overlapped", q146 },
	{ 0 },
};
