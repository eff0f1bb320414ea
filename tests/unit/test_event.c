/* SPDX-License-Identifier: MIT */
/*
 * test_event.c: events, waitable timers, waiting, and the descriptors for other loops. No engine is
 * involved.
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <winsock2.h>

#include "last_error.h"

#define assert_wait_fails(call, error)                   \
	do {                                             \
		SetLastError(SENTINEL);                  \
		assert_int_equal((call), WAIT_FAILED);   \
		assert_int_equal(GetLastError(), error); \
	} while (0)

static HANDLE manual_event(void)
{
	return CreateEvent(NULL, TRUE, FALSE, NULL);
}

static HANDLE auto_event(void)
{
	return CreateEvent(NULL, FALSE, FALSE, NULL);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static double cpu_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* ---- one event ---- */

static void manual_event_stays_set(void **state)
{
	HANDLE e = manual_event();

	assert_int_equal(WaitForSingleObject(e, 0), WAIT_TIMEOUT);
	assert_int_equal(SetEvent(e), TRUE);
	assert_int_equal(SetEvent(e), TRUE);
	for (int i = 0; i < 3; i++)
		assert_int_equal(WaitForSingleObject(e, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(ResetEvent(e), TRUE);
	assert_int_equal(WaitForSingleObject(e, 0), WAIT_TIMEOUT);
	CloseHandle(e);
}

static void auto_event_releases_one_wait(void **state)
{
	HANDLE e = auto_event();

	SetEvent(e);
	SetEvent(e);
	assert_int_equal(WaitForSingleObject(e, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(WaitForSingleObject(e, 0), WAIT_TIMEOUT);
	CloseHandle(e);
}

static void initial_state_is_honoured(void **state)
{
	HANDLE e = CreateEventW(NULL, FALSE, TRUE, NULL);

	assert_int_equal(WaitForSingleObject(e, 0), WAIT_OBJECT_0);
	assert_int_equal(WaitForSingleObject(e, 0), WAIT_TIMEOUT);
	CloseHandle(e);
}

static void names_are_refused(void **state)
{
	static const WCHAR wide[] = { 'e', 0 };

	assert_fails(CreateEventA(NULL, TRUE, FALSE, "e") != NULL, ERROR_NOT_SUPPORTED);
	assert_fails(CreateEventW(NULL, TRUE, FALSE, wide) != NULL, ERROR_NOT_SUPPORTED);
	assert_fails(CreateWaitableTimerA(NULL, TRUE, "t") != NULL, ERROR_NOT_SUPPORTED);
	assert_fails(CreateWaitableTimerW(NULL, TRUE, wide) != NULL, ERROR_NOT_SUPPORTED);
}

static void success_leaves_the_last_error(void **state)
{
	HANDLE e;

	SetLastError(SENTINEL);
	e = WSACreateEvent();
	assert_int_equal(WSASetEvent(e), TRUE);
	assert_int_equal(WSAWaitForMultipleEvents(1, &e, TRUE, 0, FALSE), WSA_WAIT_EVENT_0);
	assert_int_equal(WSAResetEvent(e), TRUE);
	assert_int_equal(WSAWaitForMultipleEvents(1, &e, TRUE, 1, TRUE), WSA_WAIT_TIMEOUT);
	assert_int_equal(WSACloseEvent(e), TRUE);
	assert_int_equal(GetLastError(), SENTINEL);
	assert_fails(WSACloseEvent(e), ERROR_INVALID_HANDLE);
}

static void wrong_handles_and_counts_are_refused(void **state)
{
	HANDLE e = manual_event(), t = CreateWaitableTimer(NULL, TRUE, NULL);
	HANDLE same[2] = { e, e }, many[65];

	for (int i = 0; i < 65; i++)
		many[i] = e;
	assert_fails(SetEvent(NULL), ERROR_INVALID_HANDLE);
	assert_fails(SetEvent(t), ERROR_INVALID_HANDLE);
	assert_fails(ResetEvent((HANDLE)(uintptr_t)0xdeadbeef), ERROR_INVALID_HANDLE);
	assert_wait_fails(WaitForSingleObject(INVALID_HANDLE_VALUE, 0), ERROR_INVALID_HANDLE);
	assert_wait_fails(WaitForMultipleObjects(0, &e, FALSE, 0), ERROR_INVALID_PARAMETER);
	assert_wait_fails(WaitForMultipleObjects(65, many, FALSE, 0), ERROR_INVALID_PARAMETER);
	assert_wait_fails(WaitForMultipleObjects(1, NULL, FALSE, 0), ERROR_INVALID_PARAMETER);
	assert_wait_fails(WaitForMultipleObjects(2, same, TRUE, 0), ERROR_INVALID_PARAMETER);
	assert_int_equal(WaitForMultipleObjects(2, same, FALSE, 0), WAIT_TIMEOUT);
	CloseHandle(e);
	same[1] = t;
	assert_wait_fails(WaitForMultipleObjects(2, same, FALSE, 0), ERROR_INVALID_HANDLE);
	CloseHandle(t);
}

/* ---- several ---- */

static void any_gives_the_lowest_index(void **state)
{
	HANDLE e[3] = { auto_event(), auto_event(), manual_event() };

	SetEvent(e[2]);
	assert_int_equal(WaitForMultipleObjects(3, e, FALSE, 0), WAIT_OBJECT_0 + 2);
	SetEvent(e[1]);
	assert_int_equal(WaitForMultipleObjects(3, e, FALSE, 0), WAIT_OBJECT_0 + 1);
	/* The one that was returned, and no other, has been reset. */
	assert_int_equal(WaitForMultipleObjects(3, e, FALSE, 0), WAIT_OBJECT_0 + 2);
	for (int i = 0; i < 3; i++)
		CloseHandle(e[i]);
}

static void all_consumes_nothing_before_all_are_set(void **state)
{
	HANDLE e[64];

	for (int i = 0; i < 64; i++)
		e[i] = auto_event();
	for (int i = 0; i < 63; i++)
		SetEvent(e[i]);
	assert_int_equal(WaitForMultipleObjects(64, e, TRUE, 5), WAIT_TIMEOUT);
	assert_int_equal(WaitForSingleObject(e[0], 0), WAIT_OBJECT_0);
	SetEvent(e[0]);
	SetEvent(e[63]);
	assert_int_equal(WaitForMultipleObjects(64, e, TRUE, INFINITE), WAIT_OBJECT_0);
	assert_int_equal(WaitForMultipleObjects(64, e, FALSE, 0), WAIT_TIMEOUT);
	for (int i = 0; i < 64; i++)
		CloseHandle(e[i]);
}

static void timeouts_last_as_long_as_asked(void **state)
{
	HANDLE e = manual_event();
	double start = now_ms(), cpu = cpu_ms();

	assert_int_equal(WaitForSingleObject(e, 60), WAIT_TIMEOUT);
	assert_true(now_ms() - start >= 60);
	assert_true(now_ms() - start < 1000);
	assert_true(cpu_ms() - cpu < 30); /* it slept */
	CloseHandle(e);
}

struct setter {
	HANDLE event;
	DWORD delay_ms;
};

static void *set_later(void *arg)
{
	struct setter *setter = arg;

	Sleep(setter->delay_ms);
	SetEvent(setter->event);
	return NULL;
}

static void a_blocked_wait_is_woken(void **state)
{
	HANDLE e[2] = { manual_event(), auto_event() };
	struct setter setter = { e[1], 30 };
	pthread_t thread;

	pthread_create(&thread, NULL, set_later, &setter);
	assert_int_equal(WaitForMultipleObjects(2, e, FALSE, 10000), WAIT_OBJECT_0 + 1);
	pthread_join(thread, NULL);
	assert_int_equal(WaitForSingleObject(e[1], 0), WAIT_TIMEOUT);
	CloseHandle(e[0]);
	CloseHandle(e[1]);
}

static atomic_int released;
static DWORD patience_ms = 5000;

static void *wait_once(void *arg)
{
	if (WaitForSingleObject(arg, patience_ms) == WAIT_OBJECT_0)
		atomic_fetch_add(&released, 1);
	return NULL;
}

static void start_waiters(pthread_t *threads, int count, HANDLE event)
{
	atomic_store(&released, 0);
	for (int i = 0; i < count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, wait_once, event), 0);
	Sleep(30);
}

static void one_set_releases_one_thread_or_all(void **state)
{
	pthread_t threads[8];
	HANDLE e = auto_event();

	start_waiters(threads, 8, e);
	for (int i = 1; i <= 8; i++) {
		SetEvent(e);
		for (int tries = 0; tries < 500 && atomic_load(&released) < i; tries++)
			Sleep(1);
		Sleep(2);
		assert_int_equal(atomic_load(&released), i);
	}
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	CloseHandle(e);

	e = manual_event();
	start_waiters(threads, 8, e);
	SetEvent(e);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&released), 8);
	CloseHandle(e);
}

/* Auto-reset events as a baton: no set may be lost, none may count twice. */
struct baton {
	HANDLE mine, theirs;
	int rounds;
};

static void *pass_baton(void *arg)
{
	struct baton *baton = arg;

	for (int i = 0; i < baton->rounds; i++) {
		if (WaitForSingleObject(baton->mine, 10000) != WAIT_OBJECT_0)
			return (void *)1;
		SetEvent(baton->theirs);
	}
	return NULL;
}

static void no_wakeup_is_lost(void **state)
{
	HANDLE e[2] = { auto_event(), auto_event() };
	struct baton batons[2] = { { e[0], e[1], 5000 }, { e[1], e[0], 5000 } };
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, pass_baton, &batons[i]);
	SetEvent(e[0]);
	for (int i = 0; i < 2; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	CloseHandle(e[0]);
	CloseHandle(e[1]);
}

static void events_need_no_descriptor(void **state)
{
	enum { COUNT = 5000 };
	static HANDLE events[COUNT];
	struct rlimit old, few = { 32, 0 };

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (int i = 0; i < COUNT; i++) {
		events[i] = auto_event();
		assert_non_null(events[i]);
		SetEvent(events[i]);
	}
	for (int i = 0; i < COUNT; i++) {
		assert_int_equal(WaitForSingleObject(events[i], 0), WAIT_OBJECT_0);
		CloseHandle(events[i]);
	}
	setrlimit(RLIMIT_NOFILE, &old);
}

static void closing_under_a_waiter_is_survived(void **state)
{
	HANDLE e = manual_event();
	pthread_t thread;

	patience_ms = 100;
	start_waiters(&thread, 1, e);
	assert_int_equal(CloseHandle(e), TRUE);
	assert_fails(SetEvent(e), ERROR_INVALID_HANDLE);
	pthread_join(thread, NULL); /* it times out */
	patience_ms = 5000;
	assert_int_equal(atomic_load(&released), 0);
}

/* ---- descriptors ---- */

static bool polls_readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

static void the_descriptor_follows_the_event(void **state)
{
	HANDLE e = auto_event();
	int fd;

	SetEvent(e);
	fd = gw_win_event_fd(e);
	assert_true(fd >= 0);
	assert_true(polls_readable(fd));
	assert_true(polls_readable(fd)); /* looking changes nothing */
	assert_int_equal(gw_win_event_fd(e), fd);
	assert_int_equal(WaitForSingleObject(e, 0), WAIT_OBJECT_0);
	assert_false(polls_readable(fd));
	SetEvent(e);
	SetEvent(e);
	assert_true(polls_readable(fd));
	ResetEvent(e);
	assert_false(polls_readable(fd));
	CloseHandle(e);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	SetLastError(SENTINEL);
	assert_int_equal(gw_win_event_fd(e), -1);
	assert_int_equal(GetLastError(), ERROR_INVALID_HANDLE);
}

static void a_child_has_its_own_state(void **state)
{
	HANDLE e = manual_event();
	int fd = gw_win_event_fd(e), status;
	pid_t pid = fork();

	if (pid == 0) {
		SetEvent(e);
		_exit(polls_readable(fd) && WaitForSingleObject(e, 0) == WAIT_OBJECT_0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_false(polls_readable(fd));
	assert_int_equal(WaitForSingleObject(e, 0), WAIT_TIMEOUT);
	SetEvent(e);
	assert_true(polls_readable(fd));
	CloseHandle(e);
}

static void a_child_of_waiting_threads_can_wait(void **state)
{
	HANDLE e = auto_event();
	pthread_t threads[4];
	int status;
	pid_t pid;

	start_waiters(threads, 4, e);
	pid = fork();
	if (pid == 0) {
		SetEvent(e);
		_exit(WaitForSingleObject(e, 0) == WAIT_OBJECT_0 &&
				      WaitForSingleObject(e, 5) == WAIT_TIMEOUT
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(atomic_load(&released), 0);
	for (int i = 0; i < 4; i++) {
		SetEvent(e);
		while (atomic_load(&released) <= i)
			Sleep(1);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	CloseHandle(e);
}

/* ---- timers ---- */

static BOOL start_timer(HANDLE timer, LONGLONG due_ms, LONG period_ms)
{
	LARGE_INTEGER due = { .QuadPart = -due_ms * 10000 };

	return SetWaitableTimer(timer, &due, period_ms, NULL, NULL, FALSE);
}

static void a_timer_fires_once_or_periodically(void **state)
{
	HANDLE t = CreateWaitableTimer(NULL, FALSE, NULL);
	double start = now_ms();

	assert_int_equal(WaitForSingleObject(t, 0), WAIT_TIMEOUT);
	assert_int_equal(start_timer(t, 20, 0), TRUE);
	assert_int_equal(WaitForSingleObject(t, 5000), WAIT_OBJECT_0);
	assert_true(now_ms() - start >= 19);
	assert_int_equal(WaitForSingleObject(t, 30), WAIT_TIMEOUT);

	start = now_ms();
	assert_int_equal(start_timer(t, 10, 15), TRUE);
	for (int i = 0; i < 4; i++)
		assert_int_equal(WaitForSingleObject(t, 5000), WAIT_OBJECT_0);
	assert_true(now_ms() - start >= 54);
	CloseHandle(t);
}

static void a_notification_timer_stays_set(void **state)
{
	HANDLE t = CreateWaitableTimer(NULL, TRUE, NULL);

	assert_int_equal(start_timer(t, 5, 0), TRUE);
	assert_int_equal(WaitForSingleObject(t, 5000), WAIT_OBJECT_0);
	assert_int_equal(WaitForSingleObject(t, 0), WAIT_OBJECT_0);
	assert_int_equal(start_timer(t, 60000, 0), TRUE); /* arming resets */
	assert_int_equal(WaitForSingleObject(t, 0), WAIT_TIMEOUT);
	CloseHandle(t);
}

static void dates_and_the_past_fire(void **state)
{
	HANDLE t = CreateWaitableTimer(NULL, FALSE, NULL);
	LARGE_INTEGER due = { .QuadPart = 0 };
	struct timespec date;

	assert_int_equal(SetWaitableTimer(t, &due, 0, NULL, NULL, FALSE), TRUE);
	assert_int_equal(WaitForSingleObject(t, 5000), WAIT_OBJECT_0);
	due.QuadPart = 1; /* 1601 */
	assert_int_equal(SetWaitableTimer(t, &due, 0, NULL, NULL, FALSE), TRUE);
	assert_int_equal(WaitForSingleObject(t, 5000), WAIT_OBJECT_0);

	clock_gettime(CLOCK_REALTIME, &date);
	due.QuadPart = (date.tv_sec + 11644473600LL) * 10000000 + date.tv_nsec / 100 + 300000;
	assert_int_equal(SetWaitableTimer(t, &due, 0, NULL, NULL, FALSE), TRUE);
	assert_int_equal(WaitForSingleObject(t, 0), WAIT_TIMEOUT);
	assert_int_equal(WaitForSingleObject(t, 5000), WAIT_OBJECT_0);
	CloseHandle(t);
}

static VOID CALLBACK never_called(LPVOID arg, DWORD low, DWORD high)
{
}

static void wrong_settings_are_refused(void **state)
{
	HANDLE t = CreateWaitableTimer(NULL, FALSE, NULL), e = manual_event();
	LARGE_INTEGER due = { .QuadPart = -1 };

	assert_fails(SetWaitableTimer(e, &due, 0, NULL, NULL, FALSE), ERROR_INVALID_HANDLE);
	assert_fails(SetWaitableTimer(t, NULL, 0, NULL, NULL, FALSE), ERROR_INVALID_PARAMETER);
	assert_fails(SetWaitableTimer(t, &due, -1, NULL, NULL, FALSE), ERROR_INVALID_PARAMETER);
	assert_fails(SetWaitableTimer(t, &due, 0, never_called, NULL, FALSE), ERROR_NOT_SUPPORTED);
	CloseHandle(t);
	CloseHandle(e);
}

/* A timer that is set while another object is not must not make the wait spin. */
static void waiting_for_all_sleeps_with_a_set_timer(void **state)
{
	HANDLE h[2] = { CreateWaitableTimer(NULL, FALSE, NULL), auto_event() };
	struct setter setter = { h[1], 120 };
	pthread_t thread;
	double cpu;

	start_timer(h[0], 1, 0);
	Sleep(5);
	cpu = cpu_ms();
	pthread_create(&thread, NULL, set_later, &setter);
	assert_int_equal(WaitForMultipleObjects(2, h, TRUE, 5000), WAIT_OBJECT_0);
	pthread_join(thread, NULL);
	assert_true(cpu_ms() - cpu < 60);
	assert_int_equal(WaitForMultipleObjects(2, h, FALSE, 0), WAIT_TIMEOUT);
	CloseHandle(h[0]);
	CloseHandle(h[1]);
}

static void a_wait_for_all_sees_a_timer_fire_again(void **state)
{
	HANDLE h[2] = { CreateWaitableTimer(NULL, FALSE, NULL), auto_event() };
	struct setter setter = { h[1], 60 };
	pthread_t thief, thread;

	/*
	 * Both threads wait for the timer; whoever takes the first tick, the second comes for the
	 * other.
	 */
	start_timer(h[0], 20, 100);
	pthread_create(&thread, NULL, set_later, &setter);
	pthread_create(&thief, NULL, wait_once, h[0]);
	assert_int_equal(WaitForMultipleObjects(2, h, TRUE, 5000), WAIT_OBJECT_0);
	pthread_join(thread, NULL);
	pthread_join(thief, NULL);
	CloseHandle(h[0]);
	CloseHandle(h[1]);
}

/* ---- the heap ---- */

static void the_heap_is_the_process_heap(void **state)
{
	unsigned char *p = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, 100);

	assert_non_null(p);
	for (int i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	assert_int_equal(HeapFree(GetProcessHeap(), 0, p), TRUE);
	assert_int_equal(HeapFree(GetProcessHeap(), 0, NULL), TRUE);
	assert_fails(HeapAlloc(NULL, 0, 1) != NULL, ERROR_INVALID_HANDLE);
	assert_fails(HeapFree((HANDLE)1, 0, NULL), ERROR_INVALID_HANDLE);
	assert_fails(CloseHandle(GetProcessHeap()), ERROR_INVALID_HANDLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manual_event_stays_set),
		cmocka_unit_test(auto_event_releases_one_wait),
		cmocka_unit_test(initial_state_is_honoured),
		cmocka_unit_test(names_are_refused),
		cmocka_unit_test(success_leaves_the_last_error),
		cmocka_unit_test(wrong_handles_and_counts_are_refused),
		cmocka_unit_test(any_gives_the_lowest_index),
		cmocka_unit_test(all_consumes_nothing_before_all_are_set),
		cmocka_unit_test(timeouts_last_as_long_as_asked),
		cmocka_unit_test(a_blocked_wait_is_woken),
		cmocka_unit_test(one_set_releases_one_thread_or_all),
		cmocka_unit_test(no_wakeup_is_lost),
		cmocka_unit_test(events_need_no_descriptor),
		cmocka_unit_test(closing_under_a_waiter_is_survived),
		cmocka_unit_test(the_descriptor_follows_the_event),
		cmocka_unit_test(a_child_has_its_own_state),
		cmocka_unit_test(a_child_of_waiting_threads_can_wait),
		cmocka_unit_test(a_timer_fires_once_or_periodically),
		cmocka_unit_test(a_notification_timer_stays_set),
		cmocka_unit_test(dates_and_the_past_fire),
		cmocka_unit_test(wrong_settings_are_refused),
		cmocka_unit_test(waiting_for_all_sleeps_with_a_set_timer),
		cmocka_unit_test(a_wait_for_all_sees_a_timer_fire_again),
		cmocka_unit_test(the_heap_is_the_process_heap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
