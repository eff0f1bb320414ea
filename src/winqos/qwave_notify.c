/* SPDX-License-Identifier: MIT */
/*
 * qwave_notify.c: being told, once, of the state of a path (spec/qwave.md §5.7), and giving up what is pending (§5.8).
 */
#include <string.h>

#include "winqos/errmap.h"
#include "winqos/overlapped.h"
#include "winqos/qwave.h"

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
	struct qos_request *request;
	UINT64 target_bps = 0;
	struct notify notify;
	DWORD error;

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

	request = qos_request_begin(qos, Overlapped, &notify);
	if (!request)
		return fail_with(ERROR_NOT_ENOUGH_MEMORY);
	return qos_request_answered(request,
				    gw_flow_notify(qos->gw, FlowId, (enum gw_condition)Operation,
						   target_bps, qos_request_token(request)),
				    0);
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
