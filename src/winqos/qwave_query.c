/* SPDX-License-Identifier: MIT */
/*
 * qwave_query.c: asking what is known of a flow, and which flows there are (spec/qwave.md §5.6,
 * §5.11, buffers §4.6).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "winqos/errmap.h"
#include "winqos/overlapped.h"
#include "winqos/qwave.h"

/* What QOSQueryFlow() answers, by operation. */
union answer {
	QOS_FLOW_FUNDAMENTALS fundamentals;
	QOS_PACKET_PRIORITY priority;
	UINT64 rate_bps;
};

/* The exact size of an operation's answer, 0 for an operation that does not exist. */
static ULONG answer_size(QOS_QUERY_FLOW operation)
{
	switch (operation) {
	case QOSQueryFlowFundamentals:
		return sizeof(QOS_FLOW_FUNDAMENTALS);
	case QOSQueryPacketPriority:
		return sizeof(QOS_PACKET_PRIORITY);
	case QOSQueryOutgoingRate:
		return sizeof(UINT64);
	}
	return 0;
}

void qos_fundamentals(const struct gw_path_info *path, QOS_FLOW_FUNDAMENTALS *ret_fundamentals)
{
	/* Padding is zeroed as well: callers compare and copy the whole structure. */
	memset(ret_fundamentals, 0, sizeof(*ret_fundamentals));
	if (path->capacity_known) {
		ret_fundamentals->BottleneckBandwidthSet = TRUE;
		ret_fundamentals->BottleneckBandwidth = path->capacity_bps;
	}
	if (path->available_known) {
		ret_fundamentals->AvailableBandwidthSet = TRUE;
		ret_fundamentals->AvailableBandwidth = path->available_bps;
	}
	if (path->rtt_known) {
		ret_fundamentals->RTTSet = TRUE;
		ret_fundamentals->RTT = path->rtt_us;
	}
}

static uint32_t path_flags(DWORD flags)
{
	return flags & QOS_QUERYFLOW_FRESH ? GW_PATH_FRESH : 0;
}

static int query_fundamentals(struct qos *qos, QOS_FLOWID id, DWORD flags,
			      QOS_FLOW_FUNDAMENTALS *ret_fundamentals)
{
	struct gw_path_info path = { .size = sizeof(path) };
	int r = gw_flow_query_path(qos->gw, id, path_flags(flags), &path);

	if (r == 0)
		qos_fundamentals(&path, ret_fundamentals);
	return r;
}

static int query(struct qos *qos, QOS_FLOWID id, QOS_QUERY_FLOW operation, DWORD flags,
		 union answer *ret_answer)
{
	struct gw_flow_info info = { .size = sizeof(info) };
	int r;

	if (operation == QOSQueryFlowFundamentals)
		return query_fundamentals(qos, id, flags, &ret_answer->fundamentals);

	r = gw_flow_query(qos->gw, id, &info);
	if (r < 0)
		return r;
	if (operation == QOSQueryOutgoingRate) {
		ret_answer->rate_bps = info.rate_bps;
	} else {
		ret_answer->priority = (QOS_PACKET_PRIORITY){
			.ConformantDSCPValue = info.conformant_dscp,
			.NonConformantDSCPValue = info.nonconformant_dscp,
			.ConformantL2Value = info.conformant_priority,
			.NonConformantL2Value = info.nonconformant_priority,
		};
	}
	return 0;
}

static BOOL buffer_fits(struct qos *qos, QOS_FLOWID id, QOS_QUERY_FLOW operation, PULONG size,
			const void *buffer)
{
	ULONG needed = answer_size(operation);

	if (*size < needed) {
		qos_fail_after_flow(qos, id, ERROR_INSUFFICIENT_BUFFER);
		if (GetLastError() == ERROR_INSUFFICIENT_BUFFER)
			*size = needed;
		return FALSE;
	}
	return buffer ? TRUE : qos_fail_after_flow(qos, id, ERROR_INVALID_PARAMETER);
}

static BOOL query_into(struct qos *qos, QOS_FLOWID id, QOS_QUERY_FLOW operation, PULONG size,
		       void *buffer, DWORD flags)
{
	union answer answer;
	int r;

	r = query(qos, id, operation, flags, &answer);
	if (r < 0)
		return qos_result(r);
	*size = answer_size(operation);
	memcpy(buffer, &answer, *size);
	return TRUE;
}

/* Fresh figures take their time. Once the call has said so, only the buffer is written, when they are there. */
static BOOL begin_query(struct qos *qos, QOS_FLOWID id, PULONG size, void *buffer, DWORD flags,
			OVERLAPPED *overlapped, struct notify *notify)
{
	struct qos_request *request = qos_request_begin(qos, overlapped, notify);
	struct gw_path_info path = { .size = sizeof(path) };
	QOS_FLOW_FUNDAMENTALS fundamentals;
	int r;

	if (!request)
		return fail_with(ERROR_NOT_ENOUGH_MEMORY);
	qos_request_set_buffer(request, buffer);
	r = gw_flow_begin_query_path(qos->gw, id, path_flags(flags), qos_request_token(request),
				     &path);
	if (r == 0) {
		qos_fundamentals(&path, &fundamentals);
		memcpy(buffer, &fundamentals, sizeof(fundamentals));
		*size = sizeof(fundamentals);
	}
	return qos_request_answered(request, r, sizeof(fundamentals));
}

BOOL WINAPI QOSQueryFlow(HANDLE QOSHandle, QOS_FLOWID FlowId, QOS_QUERY_FLOW Operation, PULONG Size,
			 PVOID Buffer, DWORD Flags, LPOVERLAPPED Overlapped)
{
	QOS_REF qos = qos_get(QOSHandle);
	struct notify notify;
	DWORD error;

	if (!qos)
		return fail_with(ERROR_INVALID_HANDLE);
	if ((Flags & ~(DWORD)QOS_QUERYFLOW_FRESH) || !answer_size(Operation) || !Size)
		return fail_with(ERROR_INVALID_PARAMETER);
	error = notify_of(Overlapped, NULL, &notify);
	if (error)
		return fail_with(error);

	if (!buffer_fits(qos, FlowId, Operation, Size, Buffer)) {
		notify_drop(&notify);
		return FALSE;
	}
	if (Overlapped && Operation == QOSQueryFlowFundamentals)
		return begin_query(qos, FlowId, Size, Buffer, Flags, Overlapped, &notify);
	if (!query_into(qos, FlowId, Operation, Size, Buffer, Flags)) {
		notify_drop(&notify);
		return FALSE;
	}
	overlapped_succeed(Overlapped, &notify, *Size, 0);
	return TRUE;
}

/* ---- all flows of the host ---- */

/*
 * Reads all identifiers into memory of its own, so that a buffer too small stays untouched. Asks
 * for the number first, which may grow between the two questions.
 */
static int enumerate(struct qos *qos, uint32_t **ret_ids, size_t *ret_count)
{
	size_t capacity = 0, count;
	uint32_t *ids = NULL;
	int r;

	for (;;) {
		uint32_t *grown;

		r = gw_flow_enumerate(qos->gw, ids, capacity, &count);
		if (r < 0 || count <= capacity)
			break;
		capacity = count + 16;
		grown = realloc(ids, capacity * sizeof(*ids));
		if (!grown) {
			r = -ENOMEM;
			break;
		}
		ids = grown;
	}
	if (r < 0) {
		free(ids);
		return r;
	}
	*ret_ids = ids;
	*ret_count = count;
	return 0;
}

static BOOL copy_ids(const uint32_t *ids, size_t count, PULONG size, void *buffer)
{
	ULONG needed = (ULONG)(count * sizeof(QOS_FLOWID));

	if (*size < needed) {
		*size = needed;
		return fail_with(ERROR_INSUFFICIENT_BUFFER);
	}
	if (!buffer && *size > 0)
		return fail_with(ERROR_INVALID_PARAMETER);
	if (needed)
		memcpy(buffer, ids, needed);
	*size = needed;
	return TRUE;
}

BOOL WINAPI QOSEnumerateFlows(HANDLE QOSHandle, PULONG Size, PVOID Buffer)
{
	QOS_REF qos = qos_get(QOSHandle);
	uint32_t *ids;
	size_t count;
	BOOL copied;
	int r;

	if (!qos)
		return fail_with(ERROR_INVALID_HANDLE);
	if (!Size)
		return fail_with(ERROR_INVALID_PARAMETER);
	r = enumerate(qos, &ids, &count);
	if (r < 0)
		return qos_result(r);
	copied = copy_ids(ids, count, Size, Buffer);
	free(ids);
	return copied;
}
