/* SPDX-License-Identifier: MIT */
/*
 * test_handle.c: the handle table, and QOS handles over a fake engine.
 * Q-001..Q-022, Q-025, Q-210, Q-211, Q-231.
 */
#include "fake_greenwave.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <dirent.h>
#include <qos2.h>
#include <sys/wait.h>

#include "last_error.h"
#include "winqos/handle.h"

static QOS_VERSION version = { 1, 0 };

static int setup(void **state)
{
	fake_reset();
	SetLastError(SENTINEL);
	return 0;
}

static HANDLE open_qos(void)
{
	HANDLE h = NULL;

	assert_int_equal(QOSCreateHandle(&version, &h), TRUE);
	return h;
}

/* ---- the table ---- */

static unsigned destroyed;

static void count_destroyed(struct object *object)
{
	destroyed++;
	free(object);
}

static struct object *make_object(enum object_type type)
{
	struct object *object = malloc(sizeof(*object));

	assert_non_null(object);
	object_init(object, type, count_destroyed);
	return object;
}

static void a_handle_lives_once(void **state)
{
	HANDLE first = handle_new(make_object(OBJECT_EVENT)), last = first;

	object_unref(handle_take(first, OBJECT_EVENT));
	for (int i = 0; i < 100000; i++) {
		last = handle_new(make_object(OBJECT_EVENT));
		assert_true(last != first);
		assert_null(handle_get(first, OBJECT_EVENT));
		object_unref(handle_take(last, OBJECT_EVENT));
	}
	assert_null(handle_take(last, OBJECT_EVENT));
}

static void a_reference_outlives_the_handle(void **state)
{
	HANDLE h = handle_new(make_object(OBJECT_TIMER));
	struct object *object = handle_get(h, OBJECT_EVENT | OBJECT_TIMER);

	destroyed = 0;
	assert_non_null(object);
	object_unref(handle_take(h, OBJECT_TIMER));
	assert_null(handle_get(h, OBJECT_TIMER));
	assert_int_equal(destroyed, 0);
	object_unref(object);
	assert_int_equal(destroyed, 1);
}

static void types_are_told_apart(void **state)
{
	HANDLE h = handle_new(make_object(OBJECT_EVENT));

	assert_null(handle_get(h, OBJECT_QOS | OBJECT_TIMER));
	assert_null(handle_take(h, OBJECT_QOS));
	object_unref(handle_take(h, OBJECT_EVENT));
}

/* Descriptors, small numbers, pointers, and near misses of a live handle. */
static void other_values_are_refused(void **state)
{
	HANDLE h = handle_new(make_object(OBJECT_EVENT));
	uintptr_t value = (uintptr_t)h;

	assert_int_equal(value % 4, 0);
	for (uintptr_t i = 0; i < 100000; i++)
		assert_null(handle_get((HANDLE)i, ~0u));
	for (unsigned bit = 0; bit < 64; bit++)
		assert_null(handle_get((HANDLE)(value ^ (uintptr_t)1 << bit), ~0u));
	assert_null(handle_get(INVALID_HANDLE_VALUE, ~0u));
	assert_null(handle_get(&value, ~0u));
	object_unref(handle_take(h, OBJECT_EVENT));
}

static void thousands_at_once(void **state)
{
	enum { COUNT = 5000 };
	static HANDLE handles[COUNT];

	for (int i = 0; i < COUNT; i++) {
		handles[i] = handle_new(make_object(OBJECT_EVENT));
		assert_non_null(handles[i]);
	}
	destroyed = 0;
	for (int i = 0; i < COUNT; i++)
		object_unref(handle_take(handles[i], OBJECT_EVENT));
	assert_int_equal(destroyed, COUNT);
}

/* ---- QOSCreateHandle, QOSCloseHandle ---- */

static void create_checks_its_pointers(void **state)
{
	HANDLE h = (HANDLE)42;
	QOS_VERSION junk = { 0xabcd, 0x1234 };

	assert_fails(QOSCreateHandle(NULL, NULL), 87);	   /* */
	assert_fails(QOSCreateHandle(&version, NULL), 87); /* */
	assert_fails(QOSCreateHandle(&junk, NULL), 87);
	assert_fails(QOSCreateHandle(NULL, &h), 87); /* */
	assert_ptr_equal(h, (HANDLE)42);
}

static void only_version_1_0(void **state)
{
	/* */
	static QOS_VERSION wrong[] = { { 0, 0 }, { 1, 5 }, { 2, 0 }, { 1, 1 }, { 0, 1 } };
	HANDLE h = (HANDLE)42;

	for (size_t i = 0; i < ARRAYSIZE(wrong); i++) {
		assert_fails(QOSCreateHandle(&wrong[i], &h), 87);
		assert_ptr_equal(h, (HANDLE)42);
	}
	assert_int_equal(fake.n_open, 0);
}

static void create_and_close(void **state)
{
	HANDLE h = NULL;

	assert_int_equal(QOSCreateHandle(&version, &h), TRUE); /* */
	assert_int_equal(GetLastError(), SENTINEL);
	assert_non_null(h);
	assert_ptr_not_equal(h, INVALID_HANDLE_VALUE);
	assert_string_equal(fake.last->options.api, "qwave");
	assert_int_equal(QOSCloseHandle(h), TRUE);  /* */
	assert_int_equal(GetLastError(), SENTINEL); /* */
	assert_int_equal(fake.n_closed, 1);
	assert_fails(QOSCloseHandle(h), 6); /* */
}

static void close_refuses_what_is_no_handle(void **state)
{
	HANDLE event = CreateEvent(NULL, TRUE, FALSE, NULL);

	assert_fails(QOSCloseHandle((HANDLE)(uintptr_t)0xdeadbeef), 6); /* */
	assert_fails(QOSCloseHandle(NULL), 6);				/* */
	assert_fails(QOSCloseHandle(INVALID_HANDLE_VALUE), 6);		/* */
	assert_fails(QOSCloseHandle(event), 6);				/* */
	assert_int_equal(SetEvent(event), TRUE);
	assert_int_equal(WaitForSingleObject(event, 0), WAIT_OBJECT_0);
	assert_int_equal(CloseHandle(event), TRUE);
}

static void closehandle_does_not_close_qos_handles(void **state)
{
	HANDLE h = open_qos();

	assert_fails(CloseHandle(h), 6);
	assert_int_equal(QOSCloseHandle(h), TRUE);
}

static unsigned count_descriptors(void)
{
	unsigned count = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void cycles_leak_nothing(void **state) /* */
{
	unsigned before = count_descriptors();

	for (int i = 0; i < 1000; i++)
		assert_int_equal(QOSCloseHandle(open_qos()), TRUE);
	assert_int_equal(count_descriptors(), before);
	assert_int_equal(fake.n_open, 1000);
	assert_int_equal(fake.n_closed, 1000);
}

static void many_handles_at_once(void **state) /* */
{
	HANDLE handles[64];

	for (int i = 0; i < 64; i++) {
		handles[i] = open_qos();
		for (int j = 0; j < i; j++)
			assert_ptr_not_equal(handles[i], handles[j]);
	}
	for (int i = 0; i < 64; i++)
		assert_int_equal(QOSCloseHandle(handles[i]), TRUE);
}

static void failed_create_leaves_the_variable(void **state) /* */
{
	HANDLE h = (HANDLE)42;

	fake.open_result = -ECONNREFUSED;
	assert_fails(QOSCreateHandle(&version, &h), 1068);
	assert_ptr_equal(h, (HANDLE)42);
	fake.open_result = -ENOMEM;
	assert_fails(QOSCreateHandle(&version, &h), 8);
	fake.open_result = -EMFILE;
	assert_fails(QOSCreateHandle(&version, &h), 1450);
	assert_ptr_equal(h, (HANDLE)42);
}

/* Each call is otherwise right, so that nothing but the handle can be at fault. */
static void assert_every_function_refuses(HANDLE h)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(9) };
	QOS_TRAFFIC_TYPE type = QOSTrafficTypeVoice;
	QOS_PACKET_PRIORITY priority;
	ULONG size = sizeof(priority);
	QOS_FLOWID id = 0;
	OVERLAPPED ov = { 0 };
	PSOCKADDR to = (PSOCKADDR)&address;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_fails(QOSCloseHandle(h), 6);
	assert_fails(QOSStartTrackingClient(h, to, 0), 6);
	assert_fails(QOSStopTrackingClient(h, to, 0), 6);
	assert_fails(QOSEnumerateFlows(h, &size, &priority), 6);
	assert_fails(QOSAddSocketToFlow(h, 5, to, type, QOS_NON_ADAPTIVE_FLOW, &id), 6);
	assert_fails(QOSRemoveSocketFromFlow(h, 0, FAKE_FLOW, 0), 6);
	assert_fails(QOSSetFlow(h, FAKE_FLOW, QOSSetTrafficType, sizeof(type), &type, 0, NULL), 6);
	assert_fails(QOSQueryFlow(h, FAKE_FLOW, QOSQueryPacketPriority, &size, &priority, 0, NULL),
		     6);
	assert_fails(QOSNotifyFlow(h, FAKE_ADAPTIVE, QOSNotifyCongested, NULL, NULL, 0, &ov), 6);
	assert_fails(QOSCancel(h, &ov), 6);
	/* The handle comes before every other fault. */
	assert_fails(QOSSetFlow(h, 0, (QOS_SET_FLOW)99, 0, NULL, 99, NULL), 6);
	assert_fails(QOSAddSocketToFlow(h, INVALID_SOCKET, NULL, type, 99, NULL), 6);
	assert_null(fake.call);
}

static void every_function_wants_a_live_handle(void **state)
{
	HANDLE closed = open_qos();
	HANDLE event = CreateEvent(NULL, TRUE, FALSE, NULL);

	QOSCloseHandle(closed);
	assert_every_function_refuses(NULL);			      /* */
	assert_every_function_refuses((HANDLE)(uintptr_t)0xdeadbeef); /* */
	assert_every_function_refuses(closed);			      /* */
	assert_every_function_refuses(event);
	CloseHandle(event);
}

static void *use_handle(void *arg)
{
	return (void *)(intptr_t)QOSRemoveSocketFromFlow(arg, 0, FAKE_FLOW, 0);
}

static void *close_handle(void *arg)
{
	return (void *)(intptr_t)QOSCloseHandle(arg);
}

static void threads_share_a_handle(void **state) /* */
{
	void *(*const steps[])(void *) = { use_handle, close_handle };
	HANDLE h = open_qos();

	for (size_t i = 0; i < ARRAYSIZE(steps); i++) {
		pthread_t thread;
		void *result;

		assert_int_equal(pthread_create(&thread, NULL, steps[i], h), 0);
		pthread_join(thread, &result);
		assert_int_equal((intptr_t)result, TRUE);
	}
	assert_fails(QOSCloseHandle(h), 6);
}

/* In the child: 0 if all is as it should be. */
static int child_of(HANDLE h, HANDLE event)
{
	HANDLE own;

	if (QOSRemoveSocketFromFlow(h, 0, FAKE_FLOW, 0) || GetLastError() != 6)
		return 1;
	if (QOSCloseHandle(h) || GetLastError() != 6)
		return 2;
	if (!SetEvent(event) || WaitForSingleObject(event, 0) != WAIT_OBJECT_0)
		return 3;
	if (!QOSCreateHandle(&version, &own) || !QOSCloseHandle(own))
		return 4;
	return fake.n_closed == 1 ? 0 : 5;
}

static void a_child_cannot_touch_its_parents_handle(void **state) /* */
{
	HANDLE event = CreateEvent(NULL, TRUE, FALSE, NULL);
	HANDLE h = open_qos();
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(child_of(h, event));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(WaitForSingleObject(event, 0), WAIT_TIMEOUT);
	assert_int_equal(QOSRemoveSocketFromFlow(h, 0, FAKE_FLOW, 0), TRUE);
	assert_int_equal(QOSCloseHandle(h), TRUE);
	CloseHandle(event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_handle_lives_once, setup),
		cmocka_unit_test_setup(a_reference_outlives_the_handle, setup),
		cmocka_unit_test_setup(types_are_told_apart, setup),
		cmocka_unit_test_setup(other_values_are_refused, setup),
		cmocka_unit_test_setup(thousands_at_once, setup),
		cmocka_unit_test_setup(create_checks_its_pointers, setup),
		cmocka_unit_test_setup(only_version_1_0, setup),
		cmocka_unit_test_setup(create_and_close, setup),
		cmocka_unit_test_setup(close_refuses_what_is_no_handle, setup),
		cmocka_unit_test_setup(closehandle_does_not_close_qos_handles, setup),
		cmocka_unit_test_setup(cycles_leak_nothing, setup),
		cmocka_unit_test_setup(many_handles_at_once, setup),
		cmocka_unit_test_setup(failed_create_leaves_the_variable, setup),
		cmocka_unit_test_setup(every_function_wants_a_live_handle, setup),
		cmocka_unit_test_setup(threads_share_a_handle, setup),
		cmocka_unit_test_setup(a_child_cannot_touch_its_parents_handle, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
