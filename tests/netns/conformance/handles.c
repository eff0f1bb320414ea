/* SPDX-License-Identifier: MIT */
/*
 * handles.c: Q-001..Q-025.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "conformance.h"

static QOS_VERSION right = { 1, 0 };

static void q001(void)
{
	EXPECT_FAIL(QOSCreateHandle(NULL, NULL), 87);
}

static void q002(void)
{
	QOS_VERSION junk = { 0xa5a5, 0x5a5a };

	EXPECT_FAIL(QOSCreateHandle(&right, NULL), 87);
	EXPECT_FAIL(QOSCreateHandle(&junk, NULL), 87);
}

static void q003(void)
{
	HANDLE h = (HANDLE)42;

	EXPECT_FAIL(QOSCreateHandle(NULL, &h), 87);
	CHECK(h == (HANDLE)42);
}

static void refuse_version(USHORT major, USHORT minor)
{
	QOS_VERSION version = { major, minor };
	HANDLE h = (HANDLE)42;

	EXPECT_FAIL(QOSCreateHandle(&version, &h), 87);
	CHECK(h == (HANDLE)42);
}

static void q004(void)
{
	refuse_version(0, 0);
}

static void q005(void)
{
	refuse_version(1, 5);
}

static void q006(void)
{
	refuse_version(2, 0);
}

static void q007(void)
{
	HANDLE h = new_handle();

	CHECK(h != NULL && h != INVALID_HANDLE_VALUE);
}

static void q008(void)
{
	refuse_version(1, 1);
	refuse_version(0, 1);
}

static void q009(void)
{
	EXPECT_TRUE(QOSCloseHandle(new_handle()));
}

static void q010(void)
{
	HANDLE h = new_handle();

	SetLastError(0xdeadbeef);
	CHECK_EQUAL(QOSCloseHandle(h), TRUE);
	CHECK_EQUAL(GetLastError(), 0xdeadbeef);
}

static void q011(void)
{
	EXPECT_FAIL(QOSCloseHandle((HANDLE)(uintptr_t)0xdeadbeef), 6);
}

static void q012(void)
{
	EXPECT_FAIL(QOSCloseHandle(NULL), 6);
}

static void q013(void)
{
	HANDLE h = new_handle();

	EXPECT_TRUE(QOSCloseHandle(h));
	EXPECT_FAIL(QOSCloseHandle(h), 6);
}

static void q014(void)
{
	EXPECT_FAIL(QOSCloseHandle(INVALID_HANDLE_VALUE), 6);
}

static void q015(void)
{
	HANDLE event = new_event(TRUE);

	EXPECT_FAIL(QOSCloseHandle(event), 6);
	EXPECT_TRUE(SetEvent(event));
	CHECK_EQUAL(WaitForSingleObject(event, 0), WAIT_OBJECT_0);
}

static int count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	CHECK(dir != NULL);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static long resident_kib(void)
{
	long pages = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	CHECK(file != NULL);
	CHECK(fscanf(file, "%ld %ld", &pages, &resident) == 2);
	fclose(file);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void open_and_close(int times)
{
	for (int i = 0; i < times; i++) {
		HANDLE h;

		EXPECT_TRUE(QOSCreateHandle(&right, &h));
		EXPECT_TRUE(QOSCloseHandle(h));
	}
}

static void q016(void)
{
	int descriptors;
	long kib;

	open_and_close(100); /* what is made once is made now */
	descriptors = count_descriptors();
	kib = resident_kib();
	open_and_close(1000);
	/* The engine inside this process notices the end of a connection in its own time. */
	for (int i = 0; i < 1000 && count_descriptors() > descriptors; i++)
		usleep(10000);
	CHECK(count_descriptors() <= descriptors);
	/*
	 * A leak of one handle's memory, some hundred bytes, would be seen; sanitizers keep freed
	 * memory.
	 */
#ifndef __SANITIZE_ADDRESS__
	CHECK(resident_kib() - kib < 256);
#else
	(void)kib;
#endif
}

static void q017(void)
{
	HANDLE handles[64];

	for (int i = 0; i < 64; i++) {
		handles[i] = new_handle();
		for (int j = 0; j < i; j++)
			CHECK(handles[i] != handles[j]);
	}
}

static void q018(void)
{
	run_child("no-daemon", "");
}

/* Each call is right but for the handle. */
static void refuse_handle(HANDLE h)
{
	struct sink sink = new_sink(AF_INET);
	SOCKET s = (SOCKET)connected_socket(&sink);
	QOS_PACKET_PRIORITY priority;
	ULONG size = sizeof(priority);
	QOS_FLOWID id = 0;
	OVERLAPPED ov = { 0 };

	EXPECT_FAIL(QOSStartTrackingClient(h, address_of(&sink), 0), 6);
	EXPECT_FAIL(QOSStopTrackingClient(h, address_of(&sink), 0), 6);
	EXPECT_FAIL(QOSEnumerateFlows(h, &size, &priority), 6);
	EXPECT_FAIL(QOSAddSocketToFlow(h, s, NULL, QOSTrafficTypeVoice, 2, &id), 6);
	EXPECT_FAIL(QOSRemoveSocketFromFlow(h, s, 1, 0), 6);
	EXPECT_FAIL(set_type(h, 1, QOSTrafficTypeVoice), 6);
	EXPECT_FAIL(QOSQueryFlow(h, 1, QOSQueryPacketPriority, &size, &priority, 0, NULL), 6);
	EXPECT_FAIL(QOSNotifyFlow(h, 1, QOSNotifyCongested, NULL, NULL, 0, &ov), 6);
	EXPECT_FAIL(QOSCancel(h, &ov), 6);
	CHECK_EQUAL(id, 0);
}

static void q019(void)
{
	refuse_handle(NULL);
}

static void q020(void)
{
	refuse_handle((HANDLE)(uintptr_t)0xdeadbeef);
}

static void q021(void)
{
	HANDLE h = new_handle();

	EXPECT_TRUE(QOSCloseHandle(h));
	refuse_handle(h);
}

static void *thread_create(void *arg)
{
	return (void *)(intptr_t)QOSCreateHandle(&right, arg);
}

static void *thread_close(void *arg)
{
	return (void *)(intptr_t)QOSCloseHandle(*(HANDLE *)arg);
}

static intptr_t in_thread(void *(*function)(void *), void *arg)
{
	pthread_t thread;
	void *result;

	CHECK(pthread_create(&thread, NULL, function, arg) == 0);
	pthread_join(thread, &result);
	return (intptr_t)result;
}

static void q022(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink);
	HANDLE h;

	CHECK_EQUAL(in_thread(thread_create, &h), TRUE);
	add_flow(h, fd, NULL, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW);
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
	CHECK_EQUAL(in_thread(thread_close, &h), TRUE);
	CHECK_EQUAL(byte_sent(fd, &sink), 0);
}

static void q023(void)
{
	run_child("no-daemon", "");
}

/*
 * With all that exit() does; but a leak checker is confused by the threads that a child does not
 * have.
 */
static void leave(int status)
{
#ifdef __SANITIZE_ADDRESS__
	_exit(status);
#else
	exit(status);
#endif
}

static void q025(void)
{
	struct sink sink = new_sink(AF_INET);
	int fd = connected_socket(&sink), status;
	HANDLE h = new_handle();
	pid_t pid;

	add_flow(h, fd, NULL, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW);
	pid = fork();
	if (pid == 0)
		leave(QOSCloseHandle(h) || GetLastError() != 6);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_EQUAL(status, 0);
	usleep(20000);
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
}

const struct item handle_items[] = {
	{ "Q-001", "create without pointers", q001 },
	{ "Q-002", "create without output pointer", q002 },
	{ "Q-003", "create without version", q003 },
	{ "Q-004", "version 0.0", q004 },
	{ "Q-005", "version 1.5", q005 },
	{ "Q-006", "version 2.0", q006 },
	{ "Q-007", "version 1.0", q007 },
	{ "Q-008", "versions 1.1 and 0.1", q008 },
	{ "Q-009", "close", q009 },
	{ "Q-010", "close leaves the last error", q010 },
	{ "Q-011", "close 0xdeadbeef", q011 },
	{ "Q-012", "close NULL", q012 },
	{ "Q-013", "close twice", q013 },
	{ "Q-014", "close INVALID_HANDLE_VALUE", q014 },
	{ "Q-015", "close an event as a QOS handle", q015 },
	{ "Q-016", "1,000 cycles leak nothing", q016 },
	{ "Q-017", "64 handles", q017 },
	{ "Q-018", "failed create leaves the variable", q018 },
	{ "Q-019", "every function, NULL handle", q019 },
	{ "Q-020", "every function, 0xdeadbeef", q020 },
	{ "Q-021", "every function, closed handle", q021 },
	{ "Q-022", "create, use, close in three threads", q022 },
	{ "Q-023", "no daemon", q023 },
	{ "Q-025", "a child's exit leaves flows alone", q025 },
	{ 0 },
};
