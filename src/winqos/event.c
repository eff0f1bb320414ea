/* SPDX-License-Identifier: MIT */
/*
 * event.c: the Windows calls for events and for waiting, under their kernel32 and their Winsock
 * names. wait.h does the work; here handles become objects and results become last errors.
 */
#include "winqos/event.h"

#include <errno.h>
#include <stdlib.h>
#include <winsock2.h>

#include "winqos/apc.h"
#include "winqos/errmap.h"

static void event_destroy(struct object *object)
{
	struct event *event = (struct event *)object;

	waitable_fini(&event->waitable);
	free(event);
}

HANDLE event_new(bool manual_reset, bool set, int timer_fd)
{
	struct event *event = calloc(1, sizeof(*event));
	HANDLE handle = NULL;

	if (event) {
		object_init(&event->object, timer_fd >= 0 ? OBJECT_TIMER : OBJECT_EVENT,
			    event_destroy);
		waitable_init(&event->waitable, manual_reset, set, timer_fd);
		handle = handle_new(&event->object);
	}
	if (!handle)
		fail_with(ERROR_NOT_ENOUGH_MEMORY);
	return handle;
}

struct event *event_get(HANDLE handle, unsigned types)
{
	return (struct event *)handle_get(handle, types);
}

void event_put(struct event *event)
{
	object_unref(&event->object);
}

static HANDLE create_event(BOOL manual_reset, BOOL set, bool named)
{
	if (named) {
		fail_with(ERROR_NOT_SUPPORTED);
		return NULL;
	}
	return event_new(manual_reset, set, -1);
}

HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES lpEventAttributes, BOOL bManualReset,
			   BOOL bInitialState, LPCSTR lpName)
{
	return create_event(bManualReset, bInitialState, lpName != NULL);
}

HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES lpEventAttributes, BOOL bManualReset,
			   BOOL bInitialState, LPCWSTR lpName)
{
	return create_event(bManualReset, bInitialState, lpName != NULL);
}

static BOOL change_event(HANDLE handle, void (*change)(struct waitable *waitable))
{
	struct event *event = event_get(handle, OBJECT_EVENT);

	if (!event)
		return fail_with(ERROR_INVALID_HANDLE);
	state_lock();
	change(&event->waitable);
	state_unlock();
	event_put(event);
	return TRUE;
}

BOOL WINAPI SetEvent(HANDLE hEvent)
{
	return change_event(hEvent, waitable_set_locked);
}

BOOL WINAPI ResetEvent(HANDLE hEvent)
{
	return change_event(hEvent, waitable_reset_locked);
}

BOOL WINAPI CloseHandle(HANDLE hObject)
{
	struct object *object = handle_take(hObject, OBJECT_EVENT | OBJECT_TIMER);

	if (!object)
		return fail_with(ERROR_INVALID_HANDLE);
	object_unref(object);
	return TRUE;
}

int gw_win_event_fd(HANDLE hEvent)
{
	struct event *event = event_get(hEvent, OBJECT_EVENT | OBJECT_TIMER);
	int r;

	if (!event) {
		fail_with(ERROR_INVALID_HANDLE);
		return -1;
	}
	r = waitable_poll_fd(&event->waitable);
	event_put(event);
	if (r < 0) {
		fail_with(errmap_win32(r));
		return -1;
	}
	return r;
}

static bool has_duplicate(const HANDLE *handles, DWORD count)
{
	for (DWORD i = 1; i < count; i++) {
		for (DWORD j = 0; j < i; j++) {
			if (handles[i] == handles[j])
				return true;
		}
	}
	return false;
}

/* WAIT_OBJECT_0 and up, WAIT_TIMEOUT, or WAIT_FAILED. */
static DWORD wait_for_events(struct event *const *events, DWORD count, BOOL all, DWORD timeout_ms,
			     BOOL alertable)
{
	struct waitable *waitables[MAXIMUM_WAIT_OBJECTS];
	int r;

	for (DWORD i = 0; i < count; i++)
		waitables[i] = &events[i]->waitable;
	r = wait_alertable(waitables, count, all, timeout_ms,
			   alertable ? apc_thread_waitable() : NULL);
	if (r >= 0)
		return WAIT_OBJECT_0 + (DWORD)r;
	if (r == -ETIMEDOUT)
		return WAIT_TIMEOUT;
	if (r == -EINTR) {
		apc_run();
		return WAIT_IO_COMPLETION;
	}
	fail_with(errmap_win32(r));
	return WAIT_FAILED;
}

DWORD WINAPI WaitForMultipleObjectsEx(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll,
				      DWORD dwMilliseconds, BOOL bAlertable)
{
	struct event *events[MAXIMUM_WAIT_OBJECTS];
	DWORD result = WAIT_FAILED;
	DWORD count = 0;

	if (nCount == 0 || nCount > MAXIMUM_WAIT_OBJECTS || !lpHandles ||
	    (bWaitAll && has_duplicate(lpHandles, nCount))) {
		fail_with(ERROR_INVALID_PARAMETER);
		return WAIT_FAILED;
	}
	while (count < nCount) {
		events[count] = event_get(lpHandles[count], OBJECT_EVENT | OBJECT_TIMER);
		if (!events[count])
			break;
		count++;
	}
	if (count == nCount)
		result = wait_for_events(events, count, bWaitAll, dwMilliseconds, bAlertable);
	else
		fail_with(ERROR_INVALID_HANDLE);
	while (count > 0)
		event_put(events[--count]);
	return result;
}

DWORD WINAPI WaitForMultipleObjects(DWORD nCount, const HANDLE *lpHandles, BOOL bWaitAll,
				    DWORD dwMilliseconds)
{
	return WaitForMultipleObjectsEx(nCount, lpHandles, bWaitAll, dwMilliseconds, FALSE);
}

DWORD WINAPI WaitForSingleObjectEx(HANDLE hHandle, DWORD dwMilliseconds, BOOL bAlertable)
{
	return WaitForMultipleObjectsEx(1, &hHandle, FALSE, dwMilliseconds, bAlertable);
}

DWORD WINAPI WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds)
{
	return WaitForSingleObjectEx(hHandle, dwMilliseconds, FALSE);
}

DWORD WINAPI SleepEx(DWORD dwMilliseconds, BOOL bAlertable)
{
	/* Without a call to come there is nothing to poll, and nothing that can fail. */
	if (!bAlertable || !apc_thread_waitable()) {
		Sleep(dwMilliseconds);
		return 0;
	}
	return wait_for_events(NULL, 0, FALSE, dwMilliseconds, TRUE) == WAIT_IO_COMPLETION
		       ? WAIT_IO_COMPLETION
		       : 0;
}

/* ---- the Winsock names ---- */

WSAEVENT WSAAPI WSACreateEvent(void)
{
	return CreateEventA(NULL, TRUE, FALSE, NULL);
}

BOOL WSAAPI WSACloseEvent(WSAEVENT hEvent)
{
	return CloseHandle(hEvent);
}

BOOL WSAAPI WSASetEvent(WSAEVENT hEvent)
{
	return SetEvent(hEvent);
}

BOOL WSAAPI WSAResetEvent(WSAEVENT hEvent)
{
	return ResetEvent(hEvent);
}

DWORD WSAAPI WSAWaitForMultipleEvents(DWORD cEvents, const WSAEVENT *lphEvents, BOOL fWaitAll,
				      DWORD dwTimeout, BOOL fAlertable)
{
	return WaitForMultipleObjectsEx(cEvents, lphEvents, fWaitAll, dwTimeout, fAlertable);
}
