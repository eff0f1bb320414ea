/* SPDX-License-Identifier: MIT */
/*
 * enumerate.c: Q-191..Q-198. Flows of other programs on the host are let be.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance.h"

#define MAX_FLOWS 20000

static HANDLE h;
static QOS_FLOWID ids[MAX_FLOWS];

static void need_privilege(void)
{
	if (!is_privileged())
		item_skip("needs an administrator");
}

static ULONG enumerate(void)
{
	ULONG size = sizeof(ids);

	EXPECT_TRUE(QOSEnumerateFlows(h, &size, ids));
	CHECK(size % 4 == 0);
	return size / 4;
}

static bool is_listed(QOS_FLOWID id)
{
	ULONG count = enumerate();

	for (ULONG i = 0; i < count; i++) {
		if (ids[i] == id)
			return true;
	}
	return false;
}

static void q191(void)
{
	run_child("plain", "enumerate");
}

static void q192(void)
{
	ULONG size = 0;

	need_privilege();
	h = new_handle();
	if (enumerate() > 0)
		item_skip("there are flows of others");
	EXPECT_TRUE(QOSEnumerateFlows(h, &size, NULL));
	CHECK_EQUAL(size, 0);
}

/* Two flows here and one in another process. */
static void three_flows(void)
{
	struct sink sink = new_sink(AF_INET);
	struct child child = start_child("hold", "1");
	ULONG others, size = 0;
	QOS_FLOWID mine[3];
	char line[32];

	h = new_handle();
	child_line(&child, line, sizeof(line));
	mine[2] = (QOS_FLOWID)strtoul(line, NULL, 10);
	if (!is_embedded() && !is_listed(mine[2]))
		item_failed(__FILE__, __LINE__, "the other process's flow is not listed");
	others = enumerate() - (is_embedded() ? 0 : 1);
	for (int i = 0; i < 2; i++)
		mine[i] = add_flow(h, connected_socket(&sink), NULL, QOSTrafficTypeVoice, 2);
	EXPECT_FAIL(QOSEnumerateFlows(h, &size, NULL), 122);
	CHECK_EQUAL(size, 4 * (others + (is_embedded() ? 2 : 3)));
	EXPECT_TRUE(QOSEnumerateFlows(h, &size, ids));
	CHECK_EQUAL(size, 4 * (others + (is_embedded() ? 2 : 3)));
	for (int i = 0; i < (is_embedded() ? 2 : 3); i++)
		CHECK(is_listed(mine[i]));
	for (ULONG i = 1; i < enumerate(); i++)
		CHECK(ids[i - 1] < ids[i]); /* §5.11: ascending recommended */
	end_child(&child, false);
}

static void q193(void)
{
	need_privilege();
	three_flows();
	if (is_embedded())
		item_skip("shown for one process: each has an engine of its own");
}

static void q194(void)
{
	q193();
}

static void q195(void)
{
	struct sink sink = new_sink(AF_INET);
	ULONG count, size;

	need_privilege();
	h = new_handle();
	for (int i = 0; i < 3; i++)
		add_flow(h, connected_socket(&sink), NULL, QOSTrafficTypeVoice, 2);
	count = enumerate();
	memset(ids, 0xee, sizeof(ids));
	size = 4 * count - 1;
	EXPECT_FAIL(QOSEnumerateFlows(h, &size, ids), 122);
	CHECK_EQUAL(size, 4 * count);
	CHECK_EQUAL(ids[0], 0xeeeeeeee);
}

static void q196(void)
{
	need_privilege();
	h = new_handle();
	EXPECT_FAIL(QOSEnumerateFlows(h, NULL, ids), 87);
}

static void q197(void)
{
	struct sink sink = new_sink(AF_INET);
	QOS_FLOWID id;

	need_privilege();
	h = new_handle();
	id = add_flow(h, connected_socket(&sink), NULL, QOSTrafficTypeVoice, 2);
	CHECK(is_listed(id));
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, 0, id, 0));
	CHECK(!is_listed(id));
}

/* A process is killed without warning, whose program forgets its handle. */
static void q198(void)
{
	struct child child;
	char line[32];
	QOS_FLOWID id;

	need_privilege();
	if (is_embedded())
		item_skip("each process has an engine of its own");
	h = new_handle();
	child = start_child("hold", "1");
	child_line(&child, line, sizeof(line));
	id = (QOS_FLOWID)strtoul(line, NULL, 10);
	CHECK(is_listed(id));
	end_child(&child, true);
	for (int i = 0; i < 1000 && is_listed(id); i++)
		usleep(10000);
	CHECK(!is_listed(id));
}

const struct item enumerate_items[] = {
	{ "Q-191", "plain user", q191 },
	{ "Q-192", "no flows", q192 },
	{ "Q-193", "three flows of two processes, their number", q193 },
	{ "Q-194", "three flows of two processes, their identifiers", q194 },
	{ "Q-195", "a buffer too small by one byte", q195 },
	{ "Q-196", "no size", q196 },
	{ "Q-197", "removed flows vanish", q197 },
	{ "Q-198", "flows of a killed process vanish", q198 },
	{ 0 },
};
