/* SPDX-License-Identifier: MIT */
/*
 * qwave_notify.c: being told, once, of the state of a path, and giving that up (spec/qwave.md §5.7,
 * §5.8). The one function whose operations really pend.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "winqos/errmap.h"
#include "winqos/overlapped.h"
#include "winqos/qwave.h"

static void request_destroy(struct object *object)
{
	struct operation *operation = (struct operation *)object;

	operation_fini(operation);
	free(operation);
}

/* What `notify` holds is taken over. NULL if memory is out. */
static struct operation *request_new(struct qos *qos, OVERLAPPED *overlapped, struct notify *notify)
{
	struct operation *request = malloc(sizeof(*request));

	if (!request) {
		notify_drop(notify);
		return NULL;
	}
	operation_init(request, &qos->object, overlapped, notify, gw_event_fd(qos->gw), POLLIN,
		       qos_dispatch, request_destroy);
	request->token = atomic_fetch_add(&qos->last_token, 1) + 1;
	return request;
}

/* The engine has answered: 0, the condition holds; 1, it will be told; or an error. */
static BOOL request_answered(struct operation *request, int r)
{
	struct waitable *done = &request->done;

	if (r <= 0) {
		operation_withdraw(request);
		if (r < 0)
			return qos_result(r);
		operation_succeed(request, 0);
		return TRUE;
	}

	operation_accept(request);
	if (request->overlapped)
		return fail_with(ERROR_IO_PENDING);
	r = wait_for(&done, 1, false, WAIT_FOREVER);
	if (r < 0) { /* could not block */
		gw_cancel(((struct qos *)request->owner)->gw, request->token);
		operation_withdraw(request);
		return qos_result(r);
	}
	return request->error ? fail_with(request->error) : TRUE;
}

/* Reads the target of QOSNotifyAvailable, the one operation with a buffer. */
static BOOL read_target(struct qos *qos, QOS_FLOWID id, PULONG size, const void *buffer,
			UINT64 *ret_target_bps)
{
	if (*size < sizeof(*ret_target_bps)) {
		qos_fail_after_flow(qos, id, ERROR_INSUFFICIENT_BUFFER);
		if (GetLastError() == ERROR_INSUFFICIENT_BUFFER)
			*size = sizeof(*ret_target_bps);
		return FALSE;
	}
	memcpy(ret_target_bps, buffer, sizeof(*ret_target_bps));
	return TRUE;
}

static bool arguments_fit(QOS_NOTIFY_FLOW operation, const ULONG *size, const void *buffer)
{
	switch (operation) {
	case QOSNotifyCongested:
	case QOSNotifyUncongested:
		return !size && !buffer;
	case QOSNotifyAvailable:
		return size && buffer;
	}
	return false;
}

BOOL WINAPI QOSNotifyFlow(HANDLE QOSHandle, QOS_FLOWID FlowId, QOS_NOTIFY_FLOW Operation,
			  PULONG Size, PVOID Buffer, DWORD Flags, LPOVERLAPPED Overlapped)
{
	QOS_REF qos = qos_get(QOSHandle);
	struct operation *request;
	UINT64 target_bps = 0;
	struct notify notify;
	DWORD error;
	BOOL done;

	if (!qos)
		return fail_with(ERROR_INVALID_HANDLE);
	if (Flags || !arguments_fit(Operation, Size, Buffer))
		return fail_with(ERROR_INVALID_PARAMETER);
	error = notify_of(Overlapped, NULL, &notify);
	if (error)
		return fail_with(error);
	if (Operation == QOSNotifyAvailable &&
	    !read_target(qos, FlowId, Size, Buffer, &target_bps)) {
		notify_drop(&notify);
		return FALSE;
	}

	request = request_new(qos, Overlapped, &notify);
	if (!request)
		return fail_with(ERROR_NOT_ENOUGH_MEMORY);
	operation_publish(request);
	done = request_answered(request,
				gw_flow_notify(qos->gw, FlowId, (enum gw_condition)Operation,
					       target_bps, request->token));
	object_unref(&request->object);
	return done;
}

BOOL WINAPI QOSCancel(HANDLE QOSHandle, LPOVERLAPPED Overlapped)
{
	QOS_REF qos = qos_get(QOSHandle);
	struct operation *request;
	BOOL cancelled;

	if (!qos)
		return fail_with(ERROR_INVALID_HANDLE);
	if (!Overlapped)
		return fail_with(ERROR_INVALID_PARAMETER);
	request = operation_find_overlapped(Overlapped);
	if (!request || request->owner != &qos->object) {
		object_unref((struct object *)request);
		return fail_with(ERROR_NOT_FOUND);
	}
	cancelled = qos_result(gw_cancel(qos->gw, request->token));
	object_unref(&request->object);
	return cancelled;
}
