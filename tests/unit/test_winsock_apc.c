/* SPDX-License-Identifier: MIT */
/*
 * test_winsock_apc.c: completion routines, and the waits that run them.
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <winsock2.h>

#define MAX_CALLS 8

/* What the routines of this thread have been called with. */
static _Thread_local struct {
	unsigned count;
	DWORD error[MAX_CALLS], bytes[MAX_CALLS];
	OVERLAPPED *overlapped[MAX_CALLS];
} calls;

static void CALLBACK record(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags)
{
	assert_true(HasOverlappedIoCompleted(overlapped));
	assert_int_equal(flags, overlapped->Offset);
	calls.error[calls.count] = error;
	calls.bytes[calls.count] = bytes;
	calls.overlapped[calls.count++] = overlapped;
}

static char inbox[4][16];

static int setup(void **state)
{
	static int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	memset(&calls, 0, sizeof(calls));
	fake_reset();
	*state = fds;
	return 0;
}

static int teardown(void **state)
{
	int *fds = *state;

	closesocket((SOCKET)fds[0]);
	closesocket((SOCKET)fds[1]);
	return 0;
}

/* A receive into inbox[i]; 0 or the last error. */
static int receive(int fd, unsigned i, OVERLAPPED *ov)
{
	WSABUF buffer = { sizeof(inbox[i]), inbox[i] };
	DWORD flags = 0;

	SetLastError(0);
	return WSARecv((SOCKET)fd, &buffer, 1, NULL, &flags, ov, record) == 0 ? 0
									      : WSAGetLastError();
}

static void only_alertable_waits_run_them(void **state)
{
	int *fds = *state;
	HANDLE unused = WSACreateEvent();
	OVERLAPPED ov = { .hEvent = (HANDLE)7 }; /* the program's own: not looked at */

	assert_int_equal(receive(fds[0], 0, &ov), WSA_IO_PENDING);
	assert_int_equal(send(fds[1], "one", 3, 0), 3);
	assert_int_equal(WaitForSingleObject(unused, 1), WAIT_TIMEOUT);
	assert_int_equal(WSAWaitForMultipleEvents(1, &unused, FALSE, 1, FALSE), WSA_WAIT_TIMEOUT);
	assert_int_equal(SleepEx(1, FALSE), 0);
	assert_true(HasOverlappedIoCompleted(&ov));
	assert_int_equal(calls.count, 0);
	assert_int_equal(WSAWaitForMultipleEvents(1, &unused, FALSE, INFINITE, TRUE),
			 WSA_WAIT_IO_COMPLETION);
	assert_int_equal(calls.count, 1);
	assert_int_equal(calls.error[0], 0);
	assert_int_equal(calls.bytes[0], 3);
	assert_ptr_equal(calls.overlapped[0], &ov);
	assert_memory_equal(inbox[0], "one", 3);
	/* Once. */
	assert_int_equal(SleepEx(0, TRUE), 0);
	assert_int_equal(WaitForSingleObjectEx(unused, 0, TRUE), WAIT_TIMEOUT);
	assert_int_equal(calls.count, 1);
	CloseHandle(unused);
}

static void each_kind_of_wait_drives_what_pends(void **state)
{
	int *fds = *state;
	HANDLE events[2] = { WSACreateEvent(), WSACreateEvent() };
	OVERLAPPED ov[3] = { 0 };

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(receive(fds[0], i, &ov[i]), WSA_IO_PENDING);
	assert_int_equal(send(fds[1], "1", 1, 0), 1);
	assert_int_equal(SleepEx(INFINITE, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(send(fds[1], "22", 2, 0), 2);
	assert_int_equal(WaitForSingleObjectEx(events[0], INFINITE, TRUE), WAIT_IO_COMPLETION);
	SetEvent(events[0]);
	assert_int_equal(send(fds[1], "333", 3, 0), 3);
	/* All of them are not set. */
	assert_int_equal(WaitForMultipleObjectsEx(2, events, TRUE, INFINITE, TRUE),
			 WAIT_IO_COMPLETION);
	for (unsigned i = 0; i < 3; i++) {
		assert_ptr_equal(calls.overlapped[i], &ov[i]);
		assert_int_equal(calls.bytes[i], i + 1);
	}
	assert_int_equal(calls.count, 3);
	CloseHandle(events[0]);
	CloseHandle(events[1]);
}

static void what_completes_at_once_is_called_later(void **state)
{
	int *fds = *state;
	HANDLE set = CreateEvent(NULL, TRUE, TRUE, NULL);
	WSABUF buffer = { 4, (char *)(uintptr_t) "four" };
	OVERLAPPED in = { 0 }, out = { 0 };
	DWORD bytes = 0;

	assert_int_equal(WSASend((SOCKET)fds[1], &buffer, 1, &bytes, 0, &out, record), 0);
	assert_int_equal(bytes, 4);
	assert_int_equal(receive(fds[0], 0, &in), 0);
	assert_int_equal(calls.count, 0);
	/* What is set goes first. */
	assert_int_equal(WaitForSingleObjectEx(set, INFINITE, TRUE), WAIT_OBJECT_0);
	assert_int_equal(calls.count, 0);
	assert_int_equal(SleepEx(0, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(calls.count, 2);
	assert_ptr_equal(calls.overlapped[0], &out);
	assert_ptr_equal(calls.overlapped[1], &in);
	CloseHandle(set);
}

static void closing_calls_with_the_error(void **state)
{
	int *fds = *state;
	OVERLAPPED ov = { 0 };

	assert_int_equal(receive(fds[0], 0, &ov), WSA_IO_PENDING);
	assert_int_equal(closesocket((SOCKET)fds[0]), 0);
	assert_int_equal(calls.count, 0);
	assert_int_equal(SleepEx(0, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(calls.count, 1);
	assert_int_equal(calls.error[0], WSA_OPERATION_ABORTED);
}

static void CALLBACK again(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags)
{
	static OVERLAPPED next;
	int *fd = overlapped->hEvent;

	record(error, bytes, overlapped, flags);
	assert_int_equal(receive(*fd, 1, &next), 0);
	/* A wait inside runs what there is by now. */
	assert_int_equal(SleepEx(0, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(calls.count, 2);
}

static void routines_may_begin_and_wait(void **state)
{
	int *fds = *state;
	OVERLAPPED ov = { .hEvent = &fds[0] };
	WSABUF buffer = { sizeof(inbox[0]), inbox[0] };
	DWORD flags = 0;

	assert_int_equal(WSARecv((SOCKET)fds[0], &buffer, 1, NULL, &flags, &ov, again),
			 SOCKET_ERROR);
	assert_int_equal(send(fds[1], "a", 1, 0), 1);
	assert_int_equal(send(fds[1], "b", 1, 0), 1);
	assert_int_equal(SleepEx(INFINITE, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(calls.count, 2);
}

static void *take_in(void *ov)
{
	DWORD bytes = 0;

	assert_int_equal(GetOverlappedResult(NULL, ov, &bytes, TRUE), TRUE);
	assert_int_equal(bytes, 3);
	assert_int_equal(SleepEx(0, TRUE), 0);
	assert_int_equal(calls.count, 0);
	return NULL;
}

/* Whoever completes the operation, the routine runs in the thread that began it. */
static void they_belong_to_their_thread(void **state)
{
	int *fds = *state;
	OVERLAPPED ov = { 0 };
	pthread_t thread;

	assert_int_equal(receive(fds[0], 0, &ov), WSA_IO_PENDING);
	assert_int_equal(pthread_create(&thread, NULL, take_in, &ov), 0);
	assert_int_equal(send(fds[1], "one", 3, 0), 3);
	pthread_join(thread, NULL);
	assert_int_equal(calls.count, 0);
	assert_int_equal(SleepEx(0, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(calls.count, 1);
}

static void *begin(void *fd)
{
	static OVERLAPPED ov[2];

	assert_int_equal(receive(*(int *)fd, 2, &ov[0]), WSA_IO_PENDING);
	assert_int_equal(receive(*(int *)fd, 3, &ov[1]), WSA_IO_PENDING);
	return ov;
}

/* Nobody is called; memory is not lost, which the sanitizer sees. */
static void threads_end_with_calls_to_come(void **state)
{
	int *fds = *state;
	OVERLAPPED *ov;
	pthread_t thread;
	DWORD bytes;
	void *value;

	assert_int_equal(pthread_create(&thread, NULL, begin, &fds[0]), 0);
	pthread_join(thread, &value);
	ov = value;
	assert_int_equal(send(fds[1], "one", 3, 0), 3);
	assert_int_equal(GetOverlappedResult(NULL, &ov[0], &bytes, TRUE), TRUE);
	assert_int_equal(SleepEx(0, TRUE), 0);
	assert_int_equal(calls.count, 0);
}

static void children_have_none(void **state)
{
	int *fds = *state, status;
	OVERLAPPED ov = { 0 };
	pid_t child;

	assert_int_equal(send(fds[1], "one", 3, 0), 3);
	assert_int_equal(receive(fds[0], 0, &ov), 0);
	child = fork();
	if (child == 0) {
		bool none = SleepEx(0, TRUE) == 0 && calls.count == 0;

		send(fds[1], "x", 1, 0);
		none = none && receive(fds[0], 1, &ov) == 0 &&
		       SleepEx(0, TRUE) == WAIT_IO_COMPLETION && calls.count == 1;
		_exit(none ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(SleepEx(0, TRUE), WAIT_IO_COMPLETION);
	assert_int_equal(calls.count, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(only_alertable_waits_run_them),
		TEST(each_kind_of_wait_drives_what_pends),
		TEST(what_completes_at_once_is_called_later),
		TEST(closing_calls_with_the_error),
		TEST(routines_may_begin_and_wait),
		TEST(they_belong_to_their_thread),
		TEST(threads_end_with_calls_to_come),
		TEST(children_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
