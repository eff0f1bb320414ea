/* SPDX-License-Identifier: MIT */
/*
 * notify.c: Q-147..Q-176 as far as they need no measured path: an adaptive flow to a host on the link
 * that answers nothing, so that requests pend for the time of discovery. And, which
 * watch it end.
 */
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "conformance.h"

#define DISCOVERY_S 10

static HANDLE h;
static struct sink sink;
static int fd;
static QOS_FLOWID id;

static void prepare_at(const struct sink *destination)
{
	sink = *destination;
	fd = connected_socket(&sink);
	h = new_handle();
	id = add_flow(h, fd, NULL, QOSTrafficTypeVoice, 0);
}

static void prepare(void)
{
	struct sink silent = silent_host();

	prepare_at(&silent);
}

static DWORD fundamentals_error(void)
{
	QOS_FLOW_FUNDAMENTALS fundamentals;
	ULONG size = sizeof(fundamentals);

	SetLastError(0);
	if (QOSQueryFlow(h, id, QOSQueryFlowFundamentals, &size, &fundamentals, 0, NULL))
		item_skip("loopback was measured");
	return GetLastError();
}

/* To where nothing can be measured, and that is known: then any rate will do. */
static void prepare_unmeasurable(void)
{
	struct sink loopback = new_sink(AF_INET);
	double start = clock_seconds();

	prepare_at(&loopback);
	while (fundamentals_error() == 232) {
		CHECK(clock_seconds() - start < DISCOVERY_S + 3);
		usleep(100000);
	}
}

/* Not on the stack: an item may end while its operations pend. Full of junk all the same. */
static OVERLAPPED *overlapped(HANDLE event)
{
	static OVERLAPPED pool[16];
	static unsigned next;
	OVERLAPPED *ov = &pool[next++ % ARRAYSIZE(pool)];

	memset(ov, 0xa5, sizeof(*ov));
	ov->hEvent = event;
	return ov;
}

static BOOL notify(QOS_FLOWID flow, int operation, OVERLAPPED *ov)
{
	return QOSNotifyFlow(h, flow, (QOS_NOTIFY_FLOW)operation, NULL, NULL, 0, ov);
}

static BOOL available(UINT64 target, OVERLAPPED *ov)
{
	ULONG size = sizeof(target);

	return QOSNotifyFlow(h, id, QOSNotifyAvailable, &size, &target, 0, ov);
}

static bool is_set(HANDLE event)
{
	return WaitForSingleObject(event, 0) == WAIT_OBJECT_0;
}

/* An operation that has ended with 995, and whose event says so. */
static void check_aborted(OVERLAPPED *ov)
{
	DWORD bytes;

	if (ov->hEvent)
		CHECK_EQUAL(WaitForSingleObject(ov->hEvent, 5000), WAIT_OBJECT_0);
	EXPECT_FAIL(GetOverlappedResult(h, ov, &bytes, TRUE), 995);
	CHECK_EQUAL(ov->Internal, 0xC0000120);
	CHECK_EQUAL(ov->InternalHigh, 0);
}

static void q147(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 997);
	CHECK(!is_set(ov->hEvent));
	CHECK_EQUAL(WaitForSingleObject(ov->hEvent, 100), WAIT_TIMEOUT);
}

static void q148(void)
{
	UINT64 target = 1000000;
	ULONG size = sizeof(target);
	OVERLAPPED *ov = overlapped(new_event(TRUE));

	prepare();
	for (int operation = QOSNotifyCongested; operation <= QOSNotifyUncongested; operation++) {
		QOS_NOTIFY_FLOW op = (QOS_NOTIFY_FLOW)operation;

		EXPECT_FAIL(QOSNotifyFlow(h, id, op, &size, NULL, 0, ov), 87);
		EXPECT_FAIL(QOSNotifyFlow(h, id, op, NULL, &target, 0, ov), 87);
		EXPECT_FAIL(QOSNotifyFlow(h, id, op, &size, &target, 0, ov), 87);
	}
}

static void q149(void)
{
	UINT64 target = 1000000;
	ULONG size = 4;

	prepare();
	EXPECT_FAIL(QOSNotifyFlow(h, id, QOSNotifyAvailable, NULL, &target, 0, NULL), 87);
	EXPECT_FAIL(QOSNotifyFlow(h, id, QOSNotifyAvailable, &size, NULL, 0, NULL), 87);
	EXPECT_FAIL(QOSNotifyFlow(h, id, QOSNotifyAvailable, &size, &target, 0, NULL), 122);
	CHECK_EQUAL(size, 8);
}

static void q150(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));

	prepare_unmeasurable();
	EXPECT_TRUE(set_rate(h, id, QOS_OUTGOING_DEFAULT_MINIMUM_BANDWIDTH, QOSShapeAndMark, 0));
	/* Which stands for 64 kbit/s. */
	EXPECT_FAIL(available(64000, ov), 87);
	EXPECT_FAIL(available(1000, ov), 87);
	prepare();
	EXPECT_FAIL(available(1ull << 33, ov), 997);
}

static void q151(void)
{
	OVERLAPPED *first = overlapped(new_event(TRUE)), *second = overlapped(new_event(TRUE));
	DWORD bytes;

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, first), 997);
	EXPECT_FAIL(notify(id, QOSNotifyCongested, second), 183);
	CHECK(!is_set(first->hEvent) && !is_set(second->hEvent));
	EXPECT_FAIL(GetOverlappedResult(h, first, &bytes, FALSE), 996);
}

static void q152(void)
{
	OVERLAPPED *ov[3] = { overlapped(new_event(TRUE)), overlapped(new_event(TRUE)),
			      overlapped(new_event(TRUE)) };

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov[0]), 997);
	EXPECT_FAIL(notify(id, QOSNotifyUncongested, ov[1]), 997);
	EXPECT_FAIL(available(1000000, ov[2]), 997);
	for (int i = 0; i < 3; i++)
		CHECK(!is_set(ov[i]->hEvent));
}

static void q153(void)
{
	OVERLAPPED *ov[2] = { overlapped(new_event(TRUE)), overlapped(new_event(TRUE)) };
	QOS_FLOWID other;

	prepare();
	other = add_flow(h, connected_socket(&sink), NULL, QOSTrafficTypeVoice, 0);
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov[0]), 997);
	EXPECT_FAIL(notify(other, QOSNotifyCongested, ov[1]), 997);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, 0, id, 0));
	check_aborted(ov[0]);
	CHECK(!is_set(ov[1]->hEvent));
}

static void q159(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));
	struct {
		ULONG before, size, after;
		UINT64 target, guard;
	} mine = { 1, 8, 2, 1000000, 3 };

	prepare();
	EXPECT_FAIL(QOSNotifyFlow(h, id, QOSNotifyAvailable, &mine.size, &mine.target, 0, ov), 997);
	mine.size = 0x5a5a5a5a;
	mine.target = 0x1122334455667788;
	EXPECT_TRUE(QOSCancel(h, ov));
	check_aborted(ov);
	CHECK(mine.size == 0x5a5a5a5a && mine.target == 0x1122334455667788);
	CHECK(mine.before == 1 && mine.after == 2 && mine.guard == 3);
}

static void q160(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));

	prepare();
	id = add_flow(h, fd, NULL, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW);
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 50);
	EXPECT_FAIL(notify(id, QOSNotifyUncongested, NULL), 50);
	EXPECT_FAIL(available(1000000, ov), 50);
}

/* A group of hosts is a path that cannot be measured, as one off link. */
static void q161(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	OVERLAPPED *ov = overlapped(new_event(TRUE));

	fd = udp_socket(AF_INET);
	h = new_handle();
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) < 0)
		item_skip("cannot bind to loopback");
	to.sin_addr.s_addr = htonl(0xefff0102);
	id = add_flow(h, fd, (PSOCKADDR)&to, QOSTrafficTypeVoice, 0);
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 50);
	EXPECT_FAIL(notify(id, QOSNotifyUncongested, ov), 50);
	EXPECT_FAIL(available(1000000, ov), 50);
}

static void q162(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));

	prepare();
	EXPECT_FAIL(notify(id, 3, ov), 87);
	EXPECT_FAIL(notify(id, -1, ov), 87);
	EXPECT_FAIL(QOSNotifyFlow(h, id, QOSNotifyCongested, NULL, NULL, 1, ov), 87);
	CHECK(!is_set(ov->hEvent));
}

/* ---- blocking calls ---- */

struct blocked {
	pthread_t thread;
	bool calling;
	BOOL result;
	DWORD error;
	double seconds;
};

static void *block(void *arg)
{
	struct blocked *blocked = arg;
	double start = clock_seconds();

	__atomic_store_n(&blocked->calling, true, __ATOMIC_SEQ_CST);
	blocked->result = notify(id, QOSNotifyCongested, NULL);
	blocked->error = GetLastError();
	blocked->seconds = clock_seconds() - start;
	return NULL;
}

/* On a busy machine a thread begins when it likes. */
static void start_blocked(struct blocked *blocked)
{
	blocked->calling = false;
	CHECK(pthread_create(&blocked->thread, NULL, block, blocked) == 0);
	while (!__atomic_load_n(&blocked->calling, __ATOMIC_SEQ_CST))
		usleep(1000);
	usleep(200000);
}

static void check_released(struct blocked *blocked)
{
	double start = clock_seconds();

	pthread_join(blocked->thread, NULL);
	CHECK_EQUAL(blocked->result, FALSE);
	CHECK_EQUAL(blocked->error, 995);
	CHECK(blocked->seconds >= 0.15); /* it did block */
	CHECK(clock_seconds() - start < 10);
}

static void q163(void)
{
	struct blocked blocked;

	prepare();
	start_blocked(&blocked);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, 0, id, 0));
	check_released(&blocked);
}

static void q164(void)
{
	struct blocked blocked;

	prepare();
	start_blocked(&blocked);
	EXPECT_TRUE(QOSCloseHandle(h));
	check_released(&blocked);
}

/* ---- cancelling ---- */

static void q165(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 997);
	EXPECT_TRUE(QOSCancel(h, ov));
	check_aborted(ov);
}

static void q166(void)
{
	h = new_handle();
	EXPECT_FAIL(QOSCancel(h, NULL), 87);
}

static void q167(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE)), *other = overlapped(NULL);

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 997);
	EXPECT_FAIL(QOSCancel(h, other), 1168);
	CHECK(!is_set(ov->hEvent));
}

static void q168(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 997);
	EXPECT_TRUE(QOSCancel(h, ov));
	check_aborted(ov);
	EXPECT_FAIL(QOSCancel(h, ov), 1168);
}

static void q169(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 997);
	EXPECT_FAIL(QOSCancel(new_handle(), ov), 1168);
	CHECK(!is_set(ov->hEvent));
}

static void q170(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));

	prepare();
	for (int i = 0; i < 3; i++) {
		EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 997);
		EXPECT_TRUE(QOSCancel(h, ov));
		check_aborted(ov);
	}
}

static void q171(void)
{
	OVERLAPPED *ov[3] = { overlapped(new_event(TRUE)), overlapped(new_event(TRUE)),
			      overlapped(NULL) };

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov[0]), 997);
	EXPECT_FAIL(notify(id, QOSNotifyUncongested, ov[1]), 997);
	EXPECT_FAIL(available(1000000, ov[2]), 997);
	EXPECT_TRUE(QOSCloseHandle(h));
	CHECK(is_set(ov[0]->hEvent) && is_set(ov[1]->hEvent));
	for (int i = 0; i < 3; i++)
		check_aborted(ov[i]);
}

/* ---- OVERLAPPED ---- */

static void q172(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));
	DWORD bytes;

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 997);
	CHECK_EQUAL(ov->Internal, 0x103);
	EXPECT_FAIL(GetOverlappedResult(h, ov, &bytes, FALSE), 996);
}

static void q173(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));

	prepare();
	SetEvent(ov->hEvent);
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 997);
	CHECK(!is_set(ov->hEvent));
}

static void q174(void)
{
	OVERLAPPED *ov = overlapped(new_event(FALSE));
	DWORD bytes;

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 997);
	EXPECT_TRUE(QOSCancel(h, ov));
	CHECK_EQUAL(WaitForSingleObject(ov->hEvent, 5000), WAIT_OBJECT_0);
	EXPECT_FAIL(GetOverlappedResult(h, ov, &bytes, TRUE), 995);
}

static void *cancel_later(void *arg)
{
	usleep(100000);
	QOSCancel(h, arg);
	return NULL;
}

static void q175(void)
{
	OVERLAPPED *ov = overlapped(NULL);
	pthread_t thread;
	DWORD bytes;

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 997);
	CHECK(pthread_create(&thread, NULL, cancel_later, ov) == 0);
	SetLastError(SENTINEL);
	CHECK_EQUAL(GetOverlappedResult(h, ov, &bytes, TRUE), FALSE);
	CHECK_EQUAL(GetLastError(), 995);
	pthread_join(thread, NULL);
}

static void q176(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE)), before = *ov;

	prepare();
	EXPECT_FAIL(notify(0x7fffffff, QOSNotifyCongested, ov), 1168);
	EXPECT_FAIL(notify(id, 3, ov), 87);
	CHECK(!is_set(ov->hEvent));
	CHECK(memcmp(ov, &before, sizeof(*ov)) == 0);
}

/* ---- the end of discovery ---- */

/* 232 for at most 10 s, nothing but 50 from then on; what pended ends with it. Q-136 on the way. */
static void q221(void)
{
	OVERLAPPED *ov = overlapped(new_event(TRUE));
	double start = clock_seconds();
	DWORD error, bytes;

	prepare();
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 997);
	while ((error = fundamentals_error()) == 232) {
		CHECK(clock_seconds() - start < DISCOVERY_S + 3);
		usleep(100000);
	}
	CHECK_EQUAL(error, 50);
	CHECK_EQUAL(WaitForSingleObject(ov->hEvent, 10000), WAIT_OBJECT_0);
	EXPECT_FAIL(GetOverlappedResult(h, ov, &bytes, TRUE), 50);
	for (int i = 0; i < 10; i++) {
		CHECK_EQUAL(fundamentals_error(), 50);
		usleep(20000);
	}
	EXPECT_FAIL(notify(id, QOSNotifyCongested, ov), 50);
}

static void q223(void)
{
	prepare_unmeasurable();
	CHECK_EQUAL(byte_sent(fd, &sink), 0);
	EXPECT_TRUE(set_rate(h, id, QOS_OUTGOING_DEFAULT_MINIMUM_BANDWIDTH, QOSShapeAndMark, 0));
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
}

const struct item notify_items[] = {
	{ "Q-147", "congested pends", q147 },
	{ "Q-148", "buffers that must not be", q148 },
	{ "Q-149", "buffers that must be", q149 },
	{ "Q-150", "a target that is reached", q150 },
	{ "Q-151", "the same request twice", q151 },
	{ "Q-152", "three requests on one flow", q152 },
	{ "Q-153", "requests on two flows", q153 },
	{ "Q-159", "the caller's variables are left alone", q159 },
	{ "Q-160", "a non-adaptive flow", q160 },
	{ "Q-161", "a path that cannot be measured", q161 },
	{ "Q-162", "unknown operation, flags", q162 },
	{ "Q-163", "Remove releases a blocked call", q163 },
	{ "Q-164", "Close releases a blocked call", q164 },
	{ "Q-165", "cancel", q165 },
	{ "Q-166", "cancel nothing", q166 },
	{ "Q-167", "cancel another OVERLAPPED", q167 },
	{ "Q-168", "cancel what has completed", q168 },
	{ "Q-169", "cancel through another handle", q169 },
	{ "Q-170", "again after cancelling", q170 },
	{ "Q-171", "Close completes three", q171 },
	{ "Q-172", "Internal while pending", q172 },
	{ "Q-173", "the event is reset", q173 },
	{ "Q-174", "auto-reset event", q174 },
	{ "Q-175", "no event", q175 },
	{ "Q-176", "argument errors complete nothing", q176 },
	{ "Q-221", "silence becomes 50 within 10 s", q221 },
	{ "Q-223", "a rate after that", q223 },
	{ 0 },
};
