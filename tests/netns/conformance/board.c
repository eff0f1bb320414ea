/* SPDX-License-Identifier: MIT */
/*
 * board.c: Q-209..Q-236 that are not with what they are about. are proved by
 * every statement of every item (conformance.h).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conformance.h"

static HANDLE h;

static QOS_FLOWID voice(int fd, PSOCKADDR to)
{
	return add_flow(h, fd, to, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW);
}

static void q209(void)
{
	SetLastError(0);
	CHECK_EQUAL(QOSCloseHandle(NULL), 0);
	CHECK_EQUAL(WSAGetLastError(), 6);
	CHECK_EQUAL(GetLastError(), 6);
}

static void *fail_differently(void *arg)
{
	atomic_int *wrong = arg;

	for (int i = 0; i < 1000; i++) {
		QOSCreateHandle(NULL, NULL);
		if (GetLastError() != 87)
			(*wrong)++;
	}
	return NULL;
}

static void q210(void)
{
	atomic_int wrong = 0;
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, fail_differently, &wrong) == 0);
	for (int i = 0; i < 1000; i++) {
		QOSCloseHandle(NULL);
		if (GetLastError() != 6)
			wrong++;
	}
	pthread_join(thread, NULL);
	CHECK_EQUAL(wrong, 0);
}

static void q211(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_PACKET_PRIORITY priority;
	QOS_FLOWID id;

	h = new_handle();
	id = voice(fd, NULL);
	EXPECT_TRUE(set_type(h, id, QOSTrafficTypeControl));
	EXPECT_TRUE(query_priority(h, id, &priority));
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, (SOCKET)fd, id, 0));
	EXPECT_TRUE(QOSCloseHandle(h));
}

static void q212(void)
{
	struct sink sink = new_sink(AF_INET);
	int first = connected_socket(&sink), second = connected_socket(&sink);
	HANDLE other = new_handle();

	h = new_handle();
	voice(first, NULL);
	add_flow(other, second, NULL, QOSTrafficTypeBackground, QOS_NON_ADAPTIVE_FLOW);
	EXPECT_TRUE(QOSCloseHandle(h));
	CHECK_EQUAL(byte_sent(first, &sink), 0);
	CHECK_EQUAL(DSCP(byte_sent(second, &sink)), 8);
}

static void q213(void)
{
	struct sink sink = new_sink(AF_INET);
	int fds[20];

	h = new_handle();
	for (int i = 0; i < 20; i++) {
		fds[i] = connected_socket(&sink);
		voice(fds[i], NULL);
	}
	CHECK_EQUAL(DSCP(byte_sent(fds[19], &sink)), 56);
	EXPECT_TRUE(QOSCloseHandle(h));
	for (int i = 0; i < 20; i++)
		CHECK_EQUAL(byte_sent(fds[i], &sink), 0);
}

static void q214(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);

	h = new_handle();
	voice(fd, NULL);
	EXPECT_TRUE(QOSCloseHandle(h));
	for (int i = 0; i < 10; i++)
		CHECK_EQUAL(byte_sent(fd, &sink), 0);
	h = new_handle();
	voice(fd, NULL);
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
}

/* ---- threads ---- */

static struct sockaddr_in shared_to;
static atomic_bool stop;
static atomic_int unexpected, first_error, rounds;

static bool is_over(BOOL ok)
{
	DWORD error = ok ? 0 : GetLastError();

	if (ok)
		return false;
	if (error != 6 && error != 995) {
		unexpected++;
		first_error = (int)error;
	}
	return true;
}

/* Add, Set, Query, Remove until the handle is gone. */
static void *use(void *arg)
{
	int fd = *(int *)arg;

	while (!stop) {
		QOS_PACKET_PRIORITY priority;
		QOS_FLOWID id = 0;

		if (is_over(QOSAddSocketToFlow(h, (SOCKET)fd, (PSOCKADDR)&shared_to,
					       QOSTrafficTypeVoice, 2, &id)) ||
		    is_over(set_type(h, id, QOSTrafficTypeBackground)) ||
		    is_over(query_priority(h, id, &priority)))
			break;
		if (priority.ConformantDSCPValue != 8)
			unexpected++;
		if (is_over(QOSRemoveSocketFromFlow(h, 0, id, 0)))
			break;
		rounds++;
	}
	return NULL;
}

static void start_threads(pthread_t *threads, int *fds, int count)
{
	struct sink sink = new_sink(AF_INET);

	shared_to = sink.in;
	stop = false;
	unexpected = first_error = rounds = 0;
	for (int i = 0; i < count; i++) {
		fds[i] = udp_socket(AF_INET);
		CHECK(pthread_create(&threads[i], NULL, use, &fds[i]) == 0);
	}
}

static void join_threads(pthread_t *threads, int count)
{
	for (int i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	if (unexpected)
		item_failed(__FILE__, __LINE__, "%d unexpected results, the last %d", unexpected,
			    first_error);
}

static void q215(void)
{
	for (int round = 0; round < 20; round++) {
		pthread_t threads[4];
		int fds[4];

		h = new_handle();
		start_threads(threads, fds, 4);
		usleep((useconds_t)(round * 500));
		EXPECT_TRUE(QOSCloseHandle(h));
		join_threads(threads, 4);
	}
}

static void q216(void)
{
	pthread_t threads[100];
	int fds[100];

	h = new_handle();
	start_threads(threads, fds, 100);
	sleep(long_run ? 30 : 2);
	stop = true;
	join_threads(threads, 100);
	CHECK(rounds > 100);
}

/* ---- what programs do ---- */

static void q219(void)
{
	struct sink sinks[3] = { new_sink(AF_INET), new_sink(AF_INET), new_sink(AF_INET) };
	int fd = udp_socket(AF_INET);
	QOS_FLOWID id = 0;

	h = new_handle();
	for (int i = 0; i < 3; i++) {
		EXPECT_TRUE(QOSAddSocketToFlow(h, (SOCKET)fd, address_of(&sinks[i]),
					       QOSTrafficTypeAudioVideo, QOS_NON_ADAPTIVE_FLOW,
					       &id));
		if (i == 0 && !set_dscp(h, id, 34))
			CHECK_EQUAL(GetLastError(), 5);
	}
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(
			DSCP(byte_sent_to(fd, &sinks[i], address_of(&sinks[i]), sinks[i].length)),
			is_privileged() ? 34 : 40);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, 0, id, 0));
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(byte_sent_to(fd, &sinks[i], address_of(&sinks[i]), sinks[i].length), 0);
	EXPECT_TRUE(QOSCloseHandle(h));
}

static void q227(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	QOS_FLOWID first;

	h = new_handle();
	first = voice(fd, NULL);
	EXPECT_TRUE(QOSRemoveSocketFromFlow(h, 0, first, 0));
	for (int i = 0; i < 65536; i++) {
		QOS_FLOWID id = voice(fd, NULL);

		CHECK(id != first);
		EXPECT_TRUE(QOSRemoveSocketFromFlow(h, 0, id, 0));
	}
}

/* The other process keeps no handle; its socket is ours to read from. */
static void q232(void)
{
	struct sink sink = new_sink(AF_INET);
	struct child child;
	char port[16], line[32];

	snprintf(port, sizeof(port), "%u", ntohs(sink.in.sin_port));
	child = start_child("forget", port);
	for (int i = 0; i < 3; i++) {
		CHECK_EQUAL(DSCP(byte_received(&sink)), 56);
		child_line(&child, line, sizeof(line));
	}
	end_child(&child, true);
	/* That the flow is gone then, Q-198 has shown. */
}

/* ---- cancelling while the handle is closed ---- */

struct canceller {
	OVERLAPPED *ov;
	pthread_barrier_t barrier;
	BOOL result;
	DWORD error;
};

static void *cancel(void *arg)
{
	struct canceller *canceller = arg;

	pthread_barrier_wait(&canceller->barrier);
	canceller->result = QOSCancel(h, canceller->ov);
	canceller->error = GetLastError();
	return NULL;
}

static void q234(void)
{
	struct sink sink = silent_host();
	int fd = connected_socket(&sink);

	for (int round = 0; round < 100; round++) {
		OVERLAPPED ov = { .hEvent = CreateEvent(NULL, FALSE, FALSE, NULL) };
		struct canceller canceller = { .ov = &ov };
		QOS_VERSION version = { 1, 0 };
		pthread_t thread;
		QOS_FLOWID id;
		DWORD bytes;

		EXPECT_TRUE(QOSCreateHandle(&version, &h));
		id = add_flow(h, fd, NULL, QOSTrafficTypeVoice, 0);
		EXPECT_FAIL(QOSNotifyFlow(h, id, QOSNotifyCongested, NULL, NULL, 0, &ov), 997);
		pthread_barrier_init(&canceller.barrier, NULL, 2);
		CHECK(pthread_create(&thread, NULL, cancel, &canceller) == 0);
		pthread_barrier_wait(&canceller.barrier);
		EXPECT_TRUE(QOSCloseHandle(h));
		pthread_join(thread, NULL);
		pthread_barrier_destroy(&canceller.barrier);
		/*
		 * 1168 where the close has completed it before the cancelling thread looked for it.
		 */
		CHECK(canceller.result || canceller.error == 6 || canceller.error == 995 ||
		      canceller.error == 1168);
		CHECK_EQUAL(WaitForSingleObject(ov.hEvent, 0), WAIT_OBJECT_0);
		CHECK_EQUAL(WaitForSingleObject(ov.hEvent, 0), WAIT_TIMEOUT); /* once only */
		EXPECT_FAIL(GetOverlappedResult(h, &ov, &bytes, TRUE), 995);
		CloseHandle(ov.hEvent);
	}
}

const struct item board_items[] = {
	{ "Q-209", "one last error under two names", q209 },
	{ "Q-210", "one last error for each thread", q210 },
	{ "Q-211", "success leaves the last error", q211 },
	{ "Q-212", "Close leaves other handles alone", q212 },
	{ "Q-213", "the first packet after Close is unmarked", q213 },
	{ "Q-214", "sockets work after Close", q214 },
	{ "Q-215", "Close under threads that use the handle", q215 },
	{ "Q-216", "100 threads on one handle", q216 },
	{ "Q-219", "as Chromium does it", q219 },
	{ "Q-227", "identifiers do not come back soon", q227 },
	{ "Q-231", "exactly 1 and exactly 0", q211 },
	{ "Q-232", "a handle that is forgotten", q232 },
	{ "Q-234", "cancel and Close at once", q234 },
	{ 0 },
};
