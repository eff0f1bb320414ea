/* SPDX-License-Identifier: MIT */
/*
 * timer.c: waitable timers, each a timerfd, and Sleep().
 *
 * A timer is set while its timerfd is readable: a synchronization timer is read by the wait that it
 * satisfies, a notification timer (manual reset) stays readable until SetWaitableTimer() arms it
 * again.
 */
#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <windows.h>

#include "winqos/errmap.h"
#include "winqos/event.h"

#define UNITS_PER_S 10000000 /* of 100 ns, in which Windows counts time */
#define NS_PER_UNIT 100

/* From 1601-01-01, where Windows begins to count, to 1970-01-01. */
#define EPOCH_DIFFERENCE_S 11644473600LL

VOID WINAPI Sleep(DWORD dwMilliseconds)
{
	struct timespec left = { dwMilliseconds / 1000, dwMilliseconds % 1000 * 1000000L };

	do {
		while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
			;
	} while (dwMilliseconds == INFINITE);
}

static HANDLE create_timer(BOOL manual_reset, bool named)
{
	int fd;

	if (named) {
		fail_with(ERROR_NOT_SUPPORTED);
		return NULL;
	}
	/* A due time may be a date, which follows the clock when it is set. */
	fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (fd < 0) {
		fail_with(errmap_win32(-errno));
		return NULL;
	}
	return event_new(manual_reset, false, fd);
}

HANDLE WINAPI CreateWaitableTimerA(LPSECURITY_ATTRIBUTES lpTimerAttributes, BOOL bManualReset,
				   LPCSTR lpTimerName)
{
	return create_timer(bManualReset, lpTimerName != NULL);
}

HANDLE WINAPI CreateWaitableTimerW(LPSECURITY_ATTRIBUTES lpTimerAttributes, BOOL bManualReset,
				   LPCWSTR lpTimerName)
{
	return create_timer(bManualReset, lpTimerName != NULL);
}

static struct timespec units_to_timespec(LONGLONG units)
{
	return (struct timespec){ .tv_sec = units / UNITS_PER_S,
				  .tv_nsec = units % UNITS_PER_S * NS_PER_UNIT };
}

/*
 * The timerfd setting for a due time, negative: from now. The timer fires even if the time is past.
 */
static int due_setting(LONGLONG due_units, struct itimerspec *setting)
{
	const struct timespec at_once = { .tv_nsec = 1 }; /* all zero would disarm */
	LONGLONG since_1970 = due_units - EPOCH_DIFFERENCE_S * UNITS_PER_S;

	if (due_units < 0) {
		/* -INT64_MIN does not exist; the next number is 29,000 years away, too. */
		setting->it_value =
			units_to_timespec(due_units == INT64_MIN ? INT64_MAX : -due_units);
		return 0;
	}
	if (due_units == 0 || since_1970 <= 0) {
		setting->it_value = at_once;
		return 0;
	}
	setting->it_value = units_to_timespec(since_1970);
	return TFD_TIMER_ABSTIME;
}

BOOL WINAPI SetWaitableTimer(HANDLE hTimer, const LARGE_INTEGER *lpDueTime, LONG lPeriod,
			     PTIMERAPCROUTINE pfnCompletionRoutine, LPVOID lpArgToCompletionRoutine,
			     BOOL fResume)
{
	struct itimerspec setting = { 0 };
	struct event *timer;
	int flags, r = 0;

	timer = event_get(hTimer, OBJECT_TIMER);
	if (!timer)
		return fail_with(ERROR_INVALID_HANDLE);
	if (!lpDueTime || lPeriod < 0 || pfnCompletionRoutine) {
		event_put(timer);
		return fail_with(pfnCompletionRoutine ? ERROR_NOT_SUPPORTED
						      : ERROR_INVALID_PARAMETER);
	}

	flags = due_setting(lpDueTime->QuadPart, &setting);
	setting.it_interval.tv_sec = lPeriod / 1000;
	setting.it_interval.tv_nsec = lPeriod % 1000 * 1000000L;

	state_lock();
	if (timerfd_settime(timer->waitable.timer_fd, flags, &setting, NULL) < 0)
		r = -errno;
	waitable_wake_locked(&timer->waitable);
	state_unlock();

	event_put(timer);
	return r < 0 ? fail_with(errmap_win32(r)) : TRUE;
}
