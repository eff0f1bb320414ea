/* SPDX-License-Identifier: MIT */
/*
 * cleanup_qos.c: how a careful program takes its QoS down while another of its threads still waits.
 *
 *	cleanup_qos [ADDRESS [PORT]]	(default 127.0.0.1 5004)
 *
 * QOSCloseHandle() alone would do: it ends whatever the handle has. But an operation that pends
 * when it is called completes with ERROR_OPERATION_ABORTED in whichever thread waits for it, and
 * that thread may be using the flow, the OVERLAPPED or the handle at that moment. So the order here
 * is: take the socket out of the flow, which completes what pends on it; let the worker see that
 * and finish; only then close the handle.
 *
 * The operation is a request to be told of congestion. The path to a host on the same link stays
 * unknown for some seconds while its ability to be measured is found out, so the request pends
 * until then.
 *
 * Each step is printed with its outcome. Exit status 0 if every step ended as it should, 1 if not.
 */
#include <qos2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* What the worker is given, and what it reports. It owns neither the handle nor the flow. */
struct worker {
	HANDLE qos;
	QOS_FLOWID flow;
	HANDLE started; /* set when the request has been made, or has failed */
	DWORD outcome;	/* the last error with which the request ended; 0: the path is congested */
};

static int failures;

/* Prints a step; a step that went wrong counts. */
static void step(const char *what, BOOL done, DWORD error)
{
	if (done)
		printf("%-36s ok\n", what);
	else
		printf("%-36s failed with error %u\n", what, error);
	failures += !done;
}

static void *watch_congestion(void *arg)
{
	struct worker *worker = arg;
	OVERLAPPED request = { .hEvent = CreateEvent(NULL, TRUE, FALSE, NULL) };
	DWORD bytes;

	if (!request.hEvent || (!QOSNotifyFlow(worker->qos, worker->flow, QOSNotifyCongested, NULL,
					       NULL, 0, &request) &&
				GetLastError() != ERROR_IO_PENDING)) {
		worker->outcome = GetLastError();
		SetEvent(worker->started);
		return NULL;
	}

	/* The OVERLAPPED must stay until the request has completed: so this function stays, too. */
	SetEvent(worker->started);
	worker->outcome = GetOverlappedResult(worker->qos, &request, &bytes, TRUE) ? 0
										   : GetLastError();
	CloseHandle(request.hEvent);
	return NULL;
}

static int connect_socket(const char *address, unsigned port)
{
	struct sockaddr_storage to = { 0 };
	INT length = sizeof(to);
	int family = AF_INET, fd;

	if (WSAStringToAddressA((LPSTR)address, family, NULL, (LPSOCKADDR)&to, &length) != 0) {
		family = AF_INET6;
		length = sizeof(to);
		if (WSAStringToAddressA((LPSTR)address, family, NULL, (LPSOCKADDR)&to, &length) !=
		    0)
			return -1;
	}
	SS_PORT(&to) = htons((in_port_t)port);
	fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&to, (socklen_t)length) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* Opens the subsystem and puts the socket into an adaptive flow, the kind that can be watched. */
static BOOL set_up(int fd, struct worker *worker)
{
	QOS_VERSION version = { 1, 0 };
	BOOL done;

	done = QOSCreateHandle(&version, &worker->qos);
	step("QOSCreateHandle", done, GetLastError());
	if (!done)
		return FALSE;
	done = QOSAddSocketToFlow(worker->qos, (SOCKET)fd, NULL, QOSTrafficTypeVoice, 0,
				  &worker->flow);
	step("QOSAddSocketToFlow", done, GetLastError());
	return done;
}

/* The clean-up proper. Either part may be missing: then there is less to do. */
static void clean_up(int fd, struct worker *worker, pthread_t *thread)
{
	if (worker->flow) {
		BOOL removed = QOSRemoveSocketFromFlow(worker->qos, (SOCKET)fd, worker->flow, 0);

		step("QOSRemoveSocketFromFlow", removed, GetLastError());
	}
	if (thread) {
		pthread_join(*thread, NULL);
		/* Or it had ended already, because nobody can measure the path, as on loopback. */
		step("the pending request has ended",
		     worker->outcome == ERROR_OPERATION_ABORTED ||
			     worker->outcome == ERROR_NOT_SUPPORTED,
		     worker->outcome);
	}
	if (worker->qos) {
		BOOL closed = QOSCloseHandle(worker->qos);

		step("QOSCloseHandle", closed, GetLastError());
	}
}

int main(int argc, char **argv)
{
	struct worker worker = { 0 };
	pthread_t thread, *running = NULL;
	int fd;

	fd = connect_socket(argc > 1 ? argv[1] : "127.0.0.1",
			    argc > 2 ? (unsigned)atoi(argv[2]) : 5004);
	if (fd < 0) {
		fprintf(stderr, "cleanup_qos: no way to that address\n");
		return 1;
	}
	worker.started = CreateEvent(NULL, TRUE, FALSE, NULL);
	if (worker.started && set_up(fd, &worker) &&
	    pthread_create(&thread, NULL, watch_congestion, &worker) == 0) {
		running = &thread;
		WaitForSingleObject(worker.started, INFINITE);
	}
	clean_up(fd, &worker, running);

	/* The socket is as it was before: open, connected, unmarked. */
	step("the socket still sends", send(fd, "bye", 3, 0) == 3, 0);
	close(fd);
	if (worker.started)
		CloseHandle(worker.started);
	return failures ? 1 : 0;
}
