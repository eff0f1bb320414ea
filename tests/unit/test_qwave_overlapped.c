/* SPDX-License-Identifier: MIT */
/*
 * test_qwave_overlapped.c: the life of overlapped qWAVE operations (spec/qwave.md §4.5), with an
 * engine that completes when the test says so. ..Q-153, Q-159,
 * Q-163..Q-176, Q-215, Q-234.
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <poll.h>
#include <qos2.h>
#include <sys/wait.h>
#include <time.h>

#include "last_error.h"

static HANDLE h;

static int setup(void **state)
{
	QOS_VERSION version = { 1, 0 };

	fake_reset();
	return QOSCreateHandle(&version, &h) ? 0 : -1;
}

static int teardown(void **state)
{
	QOSCloseHandle(h);
	return 0;
}

/* An OVERLAPPED full of junk, as a program's stack has it. */
static OVERLAPPED overlapped(HANDLE event)
{
	OVERLAPPED ov;

	memset(&ov, 0xa5, sizeof(ov));
	ov.hEvent = event;
	return ov;
}

static BOOL congested(OVERLAPPED *ov)
{
	return QOSNotifyFlow(h, FAKE_ADAPTIVE, QOSNotifyCongested, NULL, NULL, 0, ov);
}

static BOOL is_set(HANDLE event)
{
	return WaitForSingleObject(event, 0) == WAIT_OBJECT_0;
}

static DWORD result_of(OVERLAPPED *ov, BOOL wait)
{
	DWORD bytes = 99;

	SetLastError(SENTINEL);
	if (GetOverlappedResult(h, ov, &bytes, wait)) {
		assert_int_equal(bytes, ov->InternalHigh);
		assert_int_equal(GetLastError(), SENTINEL);
		return 0;
	}
	return GetLastError();
}

static HANDLE manual_event(BOOL set)
{
	return CreateEvent(NULL, TRUE, set, NULL);
}

static HANDLE auto_event(void)
{
	return CreateEvent(NULL, FALSE, FALSE, NULL);
}

static bool polls_readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

/* ---- finishing at once ---- */

static void success_at_once_sets_the_event(void **state)
{
	HANDLE e = manual_event(FALSE);
	OVERLAPPED ov = overlapped(e);
	QOS_TRAFFIC_TYPE type = QOSTrafficTypeVoice;
	ULONG size = sizeof(QOS_PACKET_PRIORITY);
	QOS_PACKET_PRIORITY priority;

	assert_succeeds(QOSSetFlow(h, FAKE_FLOW, QOSSetTrafficType, 4, &type, 0, &ov)); /* */
	assert_true(is_set(e));
	assert_int_equal(result_of(&ov, FALSE), 0);
	assert_int_equal(ov.InternalHigh, 0);

	ResetEvent(e);
	ov = overlapped(e);
	assert_succeeds(
		QOSQueryFlow(h, FAKE_FLOW, QOSQueryPacketPriority, &size, &priority, 0, &ov));
	assert_true(is_set(e));
	assert_int_equal(result_of(&ov, TRUE), 0);
	assert_int_equal(ov.InternalHigh, sizeof(priority)); /* */

	ResetEvent(e);
	ov = overlapped(e);
	fake.notify_result = 0;
	assert_succeeds(congested(&ov));
	assert_true(is_set(e));
	assert_int_equal(ov.Internal, STATUS_SUCCESS);
	CloseHandle(e);
}

static void an_error_at_once_completes_nothing(void **state) /* */
{
	HANDLE e = manual_event(FALSE);
	OVERLAPPED ov = overlapped(e), before = ov;
	QOS_TRAFFIC_TYPE type = QOSTrafficTypeVoice;

	assert_fails(QOSSetFlow(h, 77, QOSSetTrafficType, 4, &type, 0, &ov), 1168);
	fake.notify_result = -EEXIST; /* */
	assert_fails(congested(&ov), 183);
	assert_false(is_set(e));
	assert_memory_equal(&ov, &before, sizeof(ov));
	CloseHandle(e);
}

/* ---- pending ---- */

static void a_pending_operation_completes(void **state)
{
	HANDLE e = manual_event(TRUE);
	OVERLAPPED ov = overlapped(e);

	assert_fails(congested(&ov), 997);
	assert_false(is_set(e));	      /* */
	assert_int_equal(ov.Internal, 0x103); /* */
	assert_int_equal(result_of(&ov, FALSE), 996);
	assert_false(HasOverlappedIoCompleted(&ov));
	fake_complete(fake.last, 0);
	assert_int_equal(WaitForSingleObject(e, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(ov.Internal, STATUS_SUCCESS);
	assert_int_equal(ov.InternalHigh, 0);
	assert_int_equal(result_of(&ov, TRUE), 0);
	assert_true(HasOverlappedIoCompleted(&ov));
	assert_fails(QOSCancel(h, &ov), 1168); /* */
	CloseHandle(e);
}

/* A completion that overtakes the answer of the call is kept until the call has said 997. */
static void an_early_completion_is_not_lost(void **state)
{
	HANDLE e = manual_event(TRUE);
	OVERLAPPED ov = overlapped(e);

	fake.complete_early = -EPIPE;
	assert_fails(congested(&ov), 997);
	assert_true(is_set(e));
	assert_int_equal(result_of(&ov, TRUE), 59);
	CloseHandle(e);
}

/* Asking, without ever waiting, ends as well. */
static void questions_take_completions_in(void **state)
{
	OVERLAPPED ov = overlapped(NULL);

	assert_fails(congested(&ov), 997);
	fake_complete(fake.last, 0);
	assert_int_equal(result_of(&ov, FALSE), 0);

	ov = overlapped(NULL);
	assert_fails(congested(&ov), 997);
	assert_false(HasOverlappedIoCompleted(&ov));
	fake_complete(fake.last, -ECANCELED);
	SetLastError(SENTINEL);
	assert_true(HasOverlappedIoCompleted(&ov));
	assert_int_equal(GetLastError(), SENTINEL);
	assert_int_equal(result_of(&ov, FALSE), 995);
}

static void errors_become_status_and_code(void **state)
{
	static const struct {
		int status;
		DWORD code, internal;
	} rows[] = {
		{ -ECANCELED, 995, 0xC0000120 },     { -EOPNOTSUPP, 50, 0xC00000BB },
		{ -ESHUTDOWN, 1164, 0xC0000287 },    { -ECONNRESET, 59, 0xC007003B },
		{ -EHOSTUNREACH, 1232, 0xC00704D0 },
	};

	for (size_t i = 0; i < ARRAYSIZE(rows); i++) {
		OVERLAPPED ov = overlapped(NULL);

		assert_fails(congested(&ov), 997);
		fake_complete(fake.last, rows[i].status);
		assert_int_equal(result_of(&ov, TRUE), rows[i].code);
		assert_int_equal(ov.Internal, rows[i].internal);
	}
}

static void auto_events_do_not_hang(void **state) /* */
{
	HANDLE e = auto_event();
	OVERLAPPED ov = overlapped(e);

	assert_fails(congested(&ov), 997);
	fake_complete(fake.last, 0);
	assert_int_equal(WaitForSingleObject(e, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(result_of(&ov, TRUE), 0);

	/* Waiting for the result is a wait for the event, and resets it. */
	assert_fails(congested(&ov), 997);
	fake_complete(fake.last, 0);
	assert_int_equal(result_of(&ov, TRUE), 0);
	assert_false(is_set(e));
	CloseHandle(e);
}

static void the_low_bit_is_not_part_of_the_handle(void **state)
{
	HANDLE e = manual_event(FALSE);
	OVERLAPPED ov = overlapped((HANDLE)((uintptr_t)e | 1));

	assert_fails(congested(&ov), 997);
	fake_complete(fake.last, 0);
	assert_int_equal(WaitForSingleObject(e, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(result_of(&ov, TRUE), 0);
	CloseHandle(e);
}

static void the_callers_variables_are_not_touched_again(void **state) /* */
{
	OVERLAPPED ov = overlapped(NULL);
	UINT64 target = 6000000;
	ULONG size = sizeof(target);

	assert_fails(QOSNotifyFlow(h, FAKE_ADAPTIVE, QOSNotifyAvailable, &size, &target, 0, &ov),
		     997);
	size = 0x5a5a5a5a;
	target = 0x1122334455667788;
	assert_int_equal(fake.rate_bps, 6000000);
	fake_complete(fake.last, 0);
	assert_int_equal(result_of(&ov, TRUE), 0);
	assert_int_equal(size, 0x5a5a5a5a);
	assert_true(target == 0x1122334455667788);
}

static void several_may_pend(void **state) /* */
{
	HANDLE e[3] = { manual_event(FALSE), manual_event(FALSE), manual_event(FALSE) };
	UINT64 target = 6000000;
	ULONG size = sizeof(target);
	OVERLAPPED ov[3];

	for (int i = 0; i < 3; i++)
		ov[i] = overlapped(e[i]);
	assert_fails(congested(&ov[0]), 997);
	assert_fails(QOSNotifyFlow(h, FAKE_ADAPTIVE, QOSNotifyUncongested, NULL, NULL, 0, &ov[1]),
		     997);
	assert_fails(QOSNotifyFlow(h, FAKE_ADAPTIVE, QOSNotifyAvailable, &size, &target, 0, &ov[2]),
		     997);
	fake_complete(fake.last, 0);
	assert_int_equal(WaitForMultipleObjects(3, e, FALSE, INFINITE), WAIT_OBJECT_0);
	assert_false(is_set(e[1]) || is_set(e[2]));
	fake_complete(fake.last, 0);
	fake_complete(fake.last, -EOPNOTSUPP);
	assert_int_equal(WaitForMultipleObjects(3, e, TRUE, INFINITE), WAIT_OBJECT_0);
	for (int i = 0; i < 3; i++)
		CloseHandle(e[i]);
}

/* ---- rates and figures that take their time ---- */

static BOOL set_rate(QOS_FLOWRATE_OUTGOING *rate, OVERLAPPED *ov)
{
	return QOSSetFlow(h, FAKE_ADAPTIVE, QOSSetOutgoingRate, sizeof(*rate), rate, 0, ov);
}

static void a_rate_may_pend(void **state) /* */
{
	HANDLE e = manual_event(TRUE);
	OVERLAPPED ov = overlapped(e), second = overlapped(NULL);
	QOS_FLOWRATE_OUTGOING rate = { 5000000, QOSShapeAndMark, QOSFlowRateCongestion };

	assert_succeeds(set_rate(&rate, &ov));
	assert_true(is_set(e));
	fake.rate_result = 1;
	assert_fails(set_rate(&rate, &ov), 997);
	memset(&rate, 0xee, sizeof(rate));
	assert_false(is_set(e));
	assert_int_equal(ov.Internal, 0x103);
	assert_int_equal(fake.rate_bps, 5000000);
	fake.rate_result = -EALREADY;
	rate = (QOS_FLOWRATE_OUTGOING){ 6000000, QOSShapeAndMark, 0 };
	assert_fails(set_rate(&rate, &second), 170);
	fake_complete(fake.last, 0);
	assert_int_equal(WaitForSingleObject(e, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(result_of(&ov, TRUE), 0);
	assert_int_equal(ov.InternalHigh, 0);
	CloseHandle(e);
}

static void a_pending_rate_is_refused(void **state)
{
	static const struct {
		int status;
		DWORD code;
		ULONG_PTR internal;
	} rows[] = {
		{ -EDQUOT, 54, 0xC00000BF },
		{ -EAGAIN, 1237, 0xC000022D },
		{ -ECANCELED, 995, 0xC0000120 },
	};
	QOS_FLOWRATE_OUTGOING rate = { 5000000, QOSShapeAndMark, 0 };

	fake.rate_result = 1;
	for (size_t i = 0; i < ARRAYSIZE(rows); i++) {
		OVERLAPPED ov = overlapped(NULL);

		assert_fails(set_rate(&rate, &ov), 997);
		fake_complete(fake.last, rows[i].status);
		assert_int_equal(result_of(&ov, TRUE), rows[i].code);
		assert_int_equal(ov.Internal, rows[i].internal);
	}
	OVERLAPPED ov = overlapped(NULL), before = ov;

	fake.rate_result = -EDQUOT; /* at once */
	assert_fails(set_rate(&rate, &ov), 54);
	assert_memory_equal(&ov, &before, sizeof(ov));
}

/* A structure between guards, and the size beside it. */
struct guarded {
	unsigned char before[16];
	QOS_FLOW_FUNDAMENTALS figures;
	unsigned char after[16];
	ULONG size;
};

static struct guarded guarded(void)
{
	struct guarded g;

	memset(&g, 0xcc, sizeof(g));
	g.size = sizeof(g.figures) + 8;
	return g;
}

static BOOL fresh(struct guarded *g, OVERLAPPED *ov)
{
	return QOSQueryFlow(h, FAKE_ADAPTIVE, QOSQueryFlowFundamentals, &g->size, &g->figures,
			    QOS_QUERYFLOW_FRESH, ov);
}

static void figures_come_later(void **state) /* */
{
	struct guarded g = guarded(), untouched = g;
	HANDLE e = auto_event();
	OVERLAPPED ov = overlapped(e);

	fake.path = (struct gw_path_info){ .available_known = 1, .rtt_known = 1, .rtt_us = 77 };
	assert_fails(fresh(&g, &ov), 997);
	assert_int_equal(fake.path_flags, GW_PATH_FRESH);
	assert_memory_equal(&g, &untouched, sizeof(g));
	g.size = untouched.size = 0x5a5a5a5a;
	fake_complete(fake.last, 0);
	assert_memory_equal(&g, &untouched, sizeof(g));
	assert_int_equal(WaitForSingleObject(e, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(result_of(&ov, TRUE), 0);
	assert_int_equal(ov.InternalHigh, sizeof(g.figures));
	assert_int_equal(g.size, 0x5a5a5a5a);
	assert_memory_equal(g.before, untouched.before, sizeof(g.before));
	assert_memory_equal(g.after, untouched.after, sizeof(g.after));
	assert_int_equal(g.figures.BottleneckBandwidthSet, FALSE);
	assert_true(g.figures.BottleneckBandwidth == 0);
	assert_int_equal(g.figures.AvailableBandwidthSet, TRUE);
	assert_true(g.figures.AvailableBandwidth == 0);
	assert_int_equal(g.figures.RTT, 77);
	CloseHandle(e);
}

static void figures_at_once(void **state)
{
	struct guarded g = guarded();
	OVERLAPPED ov = overlapped(NULL);

	fake.path_result = 0;
	fake.path = (struct gw_path_info){ .capacity_known = 1, .capacity_bps = 9 };
	assert_succeeds(QOSQueryFlow(h, FAKE_ADAPTIVE, QOSQueryFlowFundamentals, &g.size,
				     &g.figures, 0, &ov));
	assert_int_equal(g.size, sizeof(g.figures));
	assert_int_equal(ov.InternalHigh, sizeof(g.figures));
	assert_true(g.figures.BottleneckBandwidth == 9);
	/* Before the call has said that it pends, the figures are there already. */
	g = guarded();
	ov = overlapped(NULL);
	fake.complete_early = 0;
	assert_fails(fresh(&g, &ov), 997);
	assert_int_equal(g.size, sizeof(g.figures) + 8);
	assert_int_equal(result_of(&ov, FALSE), 0);
	assert_true(g.figures.BottleneckBandwidth == 9);
}

/* Whatever ends it without figures leaves the buffer alone: it may be gone. */
static void no_figures_touch_nothing(void **state)
{
	struct guarded g = guarded(), untouched = g;
	OVERLAPPED ov = overlapped(NULL);

	fake.path = (struct gw_path_info){ .capacity_known = 1, .capacity_bps = 9 };
	fake.fresh_result = -EAGAIN;
	assert_fails(fresh(&g, &ov), 1237);
	fake.fresh_result = 1;
	assert_fails(fresh(&g, &ov), 997);
	fake_complete(fake.last, -ETIMEDOUT);
	assert_int_equal(result_of(&ov, TRUE), 1460);
	assert_fails(fresh(&g, &ov), 997);
	assert_succeeds(QOSCancel(h, &ov));
	assert_int_equal(result_of(&ov, TRUE), 995);
	assert_int_equal(ov.InternalHigh, 0);
	assert_fails(fresh(&g, &ov), 997);
	assert_succeeds(QOSCloseHandle(h));
	assert_int_equal(result_of(&ov, TRUE), 995);
	assert_memory_equal(&g, &untouched, sizeof(g));
}

/* ---- one thread for all that pends ---- */

static void all_that_pends_in_one_descriptor(void **state)
{
	QOS_FLOWRATE_OUTGOING rate = { 5000000, QOSShapeAndMark, 0 };
	OVERLAPPED ov[3] = { overlapped(NULL), overlapped(NULL), overlapped(NULL) };
	QOS_VERSION version = { 1, 0 };
	struct gw *gw = fake.last;
	HANDLE other, mine = h;
	int fd;

	while (gw_win_poll())
		; /* what earlier tests have left */
	fake.rate_result = 1;
	assert_fails(congested(&ov[0]), 997);
	fd = gw_win_poll_fd();
	assert_true(fd >= 0);
	assert_int_equal(gw_win_poll_fd(), fd);
	assert_fails(set_rate(&rate, &ov[1]), 997);
	assert_int_equal(QOSCreateHandle(&version, &other), TRUE);
	h = other;
	assert_fails(congested(&ov[2]), 997);
	h = mine;
	assert_false(polls_readable(fd, 0));
	assert_int_equal(gw_win_poll(), FALSE);
	fake_complete(fake.last, 0);
	assert_true(polls_readable(fd, 0));
	assert_int_equal(ov[2].Internal, 0x103);
	SetLastError(SENTINEL);
	assert_int_equal(gw_win_poll(), TRUE);
	assert_int_equal(GetLastError(), SENTINEL);
	assert_int_equal(ov[2].Internal, STATUS_SUCCESS);
	assert_int_equal(gw_win_poll(), FALSE);
	assert_false(polls_readable(fd, 0));
	/* Another thread takes it in: who polls hears of it all the same. */
	fake_complete(gw, 0);
	assert_int_equal(result_of(&ov[0], TRUE), 0);
	assert_true(polls_readable(fd, 0));
	assert_int_equal(gw_win_poll(), TRUE);
	assert_succeeds(QOSCloseHandle(h));
	assert_true(polls_readable(fd, 0));
	assert_int_equal(gw_win_poll(), TRUE);
	assert_int_equal(result_of(&ov[1], FALSE), 995);
	assert_int_equal(gw_win_poll(), FALSE);
	assert_false(polls_readable(fd, 0));
	assert_succeeds(QOSCloseHandle(other));
}

/* The child's is its own: what its parent waits for is not in it. */
static void a_child_polls_for_itself(void **state)
{
	OVERLAPPED ov = overlapped(NULL);
	int fd = gw_win_poll_fd(), status;
	pid_t pid;

	assert_fails(congested(&ov), 997);
	pid = fork();
	if (pid == 0) {
		fake_post(fake.last, GW_EVENT_LOST, 0, 0);
		_exit(polls_readable(fd, 0) || gw_win_poll() ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	fake_complete(fake.last, 0);
	assert_true(polls_readable(fd, 0));
	while (gw_win_poll())
		;
	assert_int_equal(result_of(&ov, FALSE), 0);
}

/* The waiter polls the engine of an operation that began after it had gone to sleep. */
static void *wait_for_event(void *arg)
{
	return (void *)(uintptr_t)WaitForSingleObject(arg, 10000);
}

static void a_waiter_learns_of_a_new_operation(void **state)
{
	HANDLE e = manual_event(FALSE);
	OVERLAPPED ov = overlapped(e);
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, wait_for_event, e);
	Sleep(30);
	assert_fails(congested(&ov), 997);
	Sleep(10);
	fake_complete(fake.last, 0);
	pthread_join(thread, &result);
	assert_int_equal((uintptr_t)result, WAIT_OBJECT_0);
	CloseHandle(e);
}

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void pending_costs_nothing(void **state)
{
	HANDLE e = manual_event(FALSE);
	OVERLAPPED ov = overlapped(e);
	double cpu = cpu_ms();

	assert_fails(congested(&ov), 997);
	assert_int_equal(WaitForSingleObject(e, 150), WAIT_TIMEOUT);
	assert_true(cpu_ms() - cpu < 50);
	QOSCancel(h, &ov);
	assert_int_equal(result_of(&ov, TRUE), 995);
	CloseHandle(e);
}

static void the_descriptor_tells_of_completions(void **state)
{
	HANDLE e = auto_event();
	OVERLAPPED ov = overlapped(e);

	/*
	 * At first asked for when the operation is under way already, then kept for the next one.
	 */
	for (int i = 0; i < 2; i++) {
		int fd;

		assert_fails(congested(&ov), 997);
		fd = gw_win_event_fd(e);
		assert_false(is_set(e)); /* takes in what came for others */
		assert_false(polls_readable(fd, 0));
		fake_complete(fake.last, 0);
		assert_true(polls_readable(fd, 0));
		assert_true(is_set(e));
		assert_int_equal(result_of(&ov, FALSE), 0);
		assert_false(polls_readable(fd, 0));
		/* Nothing pends on the event: the engine's traffic is no news to it. */
		fake_post(fake.last, GW_EVENT_FLOW_ENDED, 0, 0);
		assert_false(polls_readable(fd, 0));
	}
	CloseHandle(e);
}

static void closing_the_event_early_is_survived(void **state)
{
	HANDLE e = manual_event(FALSE);
	OVERLAPPED ov = overlapped(e);

	assert_fails(congested(&ov), 997);
	CloseHandle(e);
	fake_complete(fake.last, 0);
	assert_int_equal(result_of(&ov, TRUE), 0);
}

/* ---- cancelling and closing ---- */

static void cancel_completes_with_995(void **state) /* */
{
	HANDLE e = manual_event(FALSE);
	OVERLAPPED ov = overlapped(e), other = overlapped(NULL);

	for (int i = 0; i < 2; i++) {
		assert_fails(congested(&ov), 997);
		assert_fails(QOSCancel(h, &other), 1168); /* */
		assert_succeeds(QOSCancel(h, &ov));
		assert_int_equal(WaitForSingleObject(e, INFINITE), WAIT_OBJECT_0);
		assert_int_equal(result_of(&ov, TRUE), 995);
		assert_int_equal(ov.Internal, 0xC0000120);
		assert_int_equal(ov.InternalHigh, 0);
		assert_fails(QOSCancel(h, &ov), 1168); /* */
	}
	CloseHandle(e);
}

static void only_its_own_handle_cancels(void **state) /* */
{
	QOS_VERSION version = { 1, 0 };
	OVERLAPPED ov = overlapped(NULL);
	struct gw *gw = fake.last;
	HANDLE other;

	assert_fails(congested(&ov), 997);
	assert_int_equal(QOSCreateHandle(&version, &other), TRUE);
	assert_fails(QOSCancel(other, &ov), 1168);
	assert_succeeds(QOSCloseHandle(other));
	assert_int_equal(result_of(&ov, FALSE), 996);
	fake_complete(gw, 0);
	assert_int_equal(result_of(&ov, TRUE), 0);
}

static void close_completes_all(void **state) /* */
{
	HANDLE e[2] = { manual_event(FALSE), auto_event() };
	OVERLAPPED ov[3] = { overlapped(e[0]), overlapped(e[1]), overlapped(NULL) };

	for (int i = 0; i < 3; i++)
		assert_fails(congested(&ov[i]), 997);
	assert_succeeds(QOSCloseHandle(h));
	assert_int_equal(WaitForMultipleObjects(2, e, TRUE, 0), WAIT_OBJECT_0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(result_of(&ov[i], FALSE), 995);
		assert_int_equal(result_of(&ov[i], TRUE),
				 995); /* the handle is gone, the result is not */
		assert_int_equal(ov[i].Internal, 0xC0000120);
	}
	assert_int_equal(fake.n_closed, 1);
	CloseHandle(e[0]);
	CloseHandle(e[1]);
}

/* Even if the engine never says a word. */
static void close_completes_what_the_engine_forgot(void **state)
{
	OVERLAPPED ov = overlapped(NULL);

	assert_fails(congested(&ov), 997);
	fake_take_pending(fake.last, fake.token);
	assert_succeeds(QOSCloseHandle(h));
	assert_int_equal(result_of(&ov, TRUE), 995);
}

static void a_lost_engine_completes_with_1164(void **state)
{
	HANDLE e = manual_event(FALSE);
	OVERLAPPED ov = overlapped(e);

	assert_fails(congested(&ov), 997);
	fake_post(fake.last, GW_EVENT_DISCONNECTED, 0, -ESHUTDOWN);
	assert_int_equal(WaitForSingleObject(e, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(result_of(&ov, TRUE), 1164);

	/* Or it does not say so, but reading fails. */
	assert_fails(congested(&ov), 997);
	fake_post(fake.last, GW_EVENT_LOST, 0, 0);
	fake.health = -ESHUTDOWN;
	assert_int_equal(result_of(&ov, TRUE), 1164);
	assert_succeeds(QOSCloseHandle(h));
	CloseHandle(e);
}

/* ---- blocking ---- */

struct blocked {
	pthread_t thread;
	BOOL result;
	DWORD error;
};

static void *block(void *arg)
{
	struct blocked *blocked = arg;

	blocked->result = congested(NULL);
	blocked->error = blocked->result ? 0 : GetLastError();
	return NULL;
}

static void start_blocked(struct blocked *blocked)
{
	uint64_t token;
	unsigned before = fake_pending(fake.last, &token);

	assert_int_equal(pthread_create(&blocked->thread, NULL, block, blocked), 0);
	while (fake_pending(fake.last, &token) == before)
		Sleep(1);
	Sleep(10);
}

static void a_blocking_call_ends_with_the_condition(void **state)
{
	struct blocked blocked;

	start_blocked(&blocked);
	fake_complete(fake.last, 0);
	pthread_join(blocked.thread, NULL);
	assert_int_equal(blocked.result, TRUE);
	fake.notify_result = 0;
	assert_succeeds(congested(NULL));
}

static void close_releases_blocked_calls(void **state) /* */
{
	struct blocked blocked[3];

	for (int i = 0; i < 3; i++)
		start_blocked(&blocked[i]);
	assert_succeeds(QOSCloseHandle(h));
	for (int i = 0; i < 3; i++) {
		pthread_join(blocked[i].thread, NULL);
		assert_int_equal(blocked[i].result, FALSE);
		assert_int_equal(blocked[i].error, 995);
	}
	assert_int_equal(fake.n_closed, 1); /* by the last one out */
}

static void a_blocked_call_does_not_block_others(void **state) /* */
{
	struct blocked blocked;
	HANDLE e = manual_event(FALSE);
	OVERLAPPED ov = overlapped(e);
	QOS_TRAFFIC_TYPE type = QOSTrafficTypeVoice;

	start_blocked(&blocked);
	assert_succeeds(QOSSetFlow(h, FAKE_FLOW, QOSSetTrafficType, 4, &type, 0, NULL));
	assert_fails(congested(&ov), 997);
	assert_succeeds(QOSCancel(h, &ov));
	assert_int_equal(WaitForSingleObject(e, 10000), WAIT_OBJECT_0);
	fake_complete(fake.last, -ECANCELED); /* its flow is removed */
	pthread_join(blocked.thread, NULL);
	assert_int_equal(blocked.error, 995);
	CloseHandle(e);
}

/* ---- races ---- */

static void *keep_calling(void *arg)
{
	for (;;) {
		QOS_TRAFFIC_TYPE type = QOSTrafficTypeVoice;
		OVERLAPPED ov = { 0 };
		BOOL ok = congested(&ov);

		if (!ok && GetLastError() != 997)
			return (void *)(uintptr_t)GetLastError();
		if (!QOSCancel(h, &ov) && GetLastError() == 6)
			return (void *)(uintptr_t)result_of(&ov, TRUE);
		if (result_of(&ov, TRUE) != 995)
			return (void *)1;
		if (!QOSSetFlow(h, FAKE_FLOW, QOSSetTrafficType, 4, &type, 0, NULL))
			return (void *)(uintptr_t)GetLastError();
	}
}

/* A handle is closed under threads that start, cancel and await operations on it. */
static void close_races_with_calls(void **state)
{
	for (int round = 0; round < 50; round++) {
		QOS_VERSION version = { 1, 0 };
		pthread_t threads[4];

		for (int i = 0; i < 4; i++)
			pthread_create(&threads[i], NULL, keep_calling, NULL);
		Sleep(2);
		assert_succeeds(QOSCloseHandle(h));
		for (int i = 0; i < 4; i++) {
			void *error;

			pthread_join(threads[i], &error);
			assert_true((uintptr_t)error == 6 || (uintptr_t)error == 995);
		}
		assert_int_equal(fake.n_closed, fake.n_open);
		assert_int_equal(QOSCreateHandle(&version, &h), TRUE);
	}
}

static void a_child_forgets_what_is_pending(void **state)
{
	HANDLE e = manual_event(FALSE);
	OVERLAPPED ov = overlapped(e);
	int status;
	pid_t pid;

	assert_fails(congested(&ov), 997);
	pid = fork();
	if (pid == 0) {
		fake_complete(fake.last, 0); /* shows up in the parent's descriptor only */
		_exit(WaitForSingleObject(e, 5) == WAIT_TIMEOUT && SetEvent(e) && is_set(e) ? 0
											    : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_succeeds(QOSCancel(h, &ov));
	assert_int_equal(WaitForSingleObject(e, 10000), WAIT_OBJECT_0);
	assert_int_equal(result_of(&ov, TRUE), 995);
	CloseHandle(e);
}

#define qwave_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		qwave_test(success_at_once_sets_the_event),
		qwave_test(an_error_at_once_completes_nothing),
		qwave_test(a_pending_operation_completes),
		qwave_test(an_early_completion_is_not_lost),
		qwave_test(questions_take_completions_in),
		qwave_test(errors_become_status_and_code),
		qwave_test(auto_events_do_not_hang),
		qwave_test(the_low_bit_is_not_part_of_the_handle),
		qwave_test(the_callers_variables_are_not_touched_again),
		qwave_test(several_may_pend),
		qwave_test(a_rate_may_pend),
		qwave_test(a_pending_rate_is_refused),
		qwave_test(figures_come_later),
		qwave_test(figures_at_once),
		qwave_test(no_figures_touch_nothing),
		qwave_test(all_that_pends_in_one_descriptor),
		qwave_test(a_child_polls_for_itself),
		qwave_test(a_waiter_learns_of_a_new_operation),
		qwave_test(pending_costs_nothing),
		qwave_test(the_descriptor_tells_of_completions),
		qwave_test(closing_the_event_early_is_survived),
		qwave_test(cancel_completes_with_995),
		qwave_test(only_its_own_handle_cancels),
		qwave_test(close_completes_all),
		qwave_test(close_completes_what_the_engine_forgot),
		qwave_test(a_lost_engine_completes_with_1164),
		qwave_test(a_blocking_call_ends_with_the_condition),
		qwave_test(close_releases_blocked_calls),
		qwave_test(a_blocked_call_does_not_block_others),
		qwave_test(close_races_with_calls),
		qwave_test(a_child_forgets_what_is_pending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
