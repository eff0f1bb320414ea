/* SPDX-License-Identifier: MIT */
/*
 * qwave_set.c: changing a flow (spec/qwave.md §5.5).
 *
 * Only a rate may have to wait, for the path of an adaptive flow to be asked whether it has it: an overlapped call
 * pends for that long. Every other change finishes inside the call, which §4.5 allows for overlapped calls too: the
 * OVERLAPPED is then completed before the call returns TRUE.
 */
#include <errno.h>
#include <string.h>

#include "winqos/errmap.h"
#include "winqos/overlapped.h"
#include "winqos/qwave.h"

/* What QOSSetFlow() takes, by operation. */
union setting {
	QOS_TRAFFIC_TYPE type;
	QOS_FLOWRATE_OUTGOING rate;
	DWORD dscp;
};

/* The exact size of an operation's setting, 0 for an operation that does not exist. */
static ULONG setting_size(QOS_SET_FLOW operation)
{
	switch (operation) {
	case QOSSetTrafficType:
		return sizeof(QOS_TRAFFIC_TYPE);
	case QOSSetOutgoingRate:
		return sizeof(QOS_FLOWRATE_OUTGOING);
	case QOSSetOutgoingDSCPValue:
		return sizeof(DWORD);
	}
	return 0;
}

/* Enumerations of C hold any int, so each range is checked as a number. */
static bool is_valid(QOS_SET_FLOW operation, const union setting *setting)
{
	switch (operation) {
	case QOSSetTrafficType:
		return (unsigned)setting->type <= QOSTrafficTypeControl;
	case QOSSetOutgoingRate:
		return (unsigned)setting->rate.ShapingBehavior <= QOSUseNonConformantMarkings &&
		       (unsigned)setting->rate.Reason <= QOSFlowRateUserCaused;
	case QOSSetOutgoingDSCPValue:
		return setting->dscp <= 63;
	}
	return false;
}

static int apply(struct qos *qos, QOS_FLOWID id, QOS_SET_FLOW operation,
		 const union setting *setting)
{
	switch (operation) {
	case QOSSetTrafficType:
		return gw_flow_set_class(qos->gw, id, (enum gw_class)setting->type);
	case QOSSetOutgoingRate:
		return gw_flow_set_rate(qos->gw, id, setting->rate.Bandwidth,
					(enum gw_shaping)setting->rate.ShapingBehavior,
					(uint32_t)setting->rate.Reason);
	case QOSSetOutgoingDSCPValue:
		return gw_flow_set_dscp(qos->gw, id, setting->dscp);
	}
	return -EINVAL;
}

static BOOL read_setting(struct qos *qos, QOS_FLOWID id, QOS_SET_FLOW operation, ULONG size,
			 const void *buffer, union setting *ret_setting)
{
	if (size != setting_size(operation))
		return qos_fail_after_flow(qos, id, ERROR_INVALID_PARAMETER);
	/* The caller's pointer need not be aligned. */
	memcpy(ret_setting, buffer, size);
	if (!is_valid(operation, ret_setting))
		return qos_fail_after_flow(qos, id, ERROR_INVALID_PARAMETER);
	return TRUE;
}

static BOOL set_now(struct qos *qos, QOS_FLOWID id, QOS_SET_FLOW operation,
		    const union setting *setting, OVERLAPPED *overlapped, struct notify *notify)
{
	if (!qos_result(apply(qos, id, operation, setting))) {
		notify_drop(notify);
		return FALSE;
	}
	overlapped_succeed(overlapped, notify, 0, 0);
	return TRUE;
}

static BOOL begin_rate(struct qos *qos, QOS_FLOWID id, const QOS_FLOWRATE_OUTGOING *rate,
		       OVERLAPPED *overlapped, struct notify *notify)
{
	struct qos_request *request = qos_request_begin(qos, overlapped, notify);

	if (!request)
		return fail_with(ERROR_NOT_ENOUGH_MEMORY);
	return qos_request_answered(request,
				    gw_flow_begin_rate(qos->gw, id, rate->Bandwidth,
						       (enum gw_shaping)rate->ShapingBehavior,
						       (uint32_t)rate->Reason,
						       qos_request_token(request)),
				    0);
}

BOOL WINAPI QOSSetFlow(HANDLE QOSHandle, QOS_FLOWID FlowId, QOS_SET_FLOW Operation, ULONG Size,
		       PVOID Buffer, DWORD Flags, LPOVERLAPPED Overlapped)
{
	QOS_REF qos = qos_get(QOSHandle);
	union setting setting;
	struct notify notify;
	DWORD error;

	if (!qos)
		return fail_with(ERROR_INVALID_HANDLE);
	if (Flags || !setting_size(Operation) || !Buffer)
		return fail_with(ERROR_INVALID_PARAMETER);
	error = notify_of(Overlapped, NULL, &notify);
	if (error)
		return fail_with(error);

	if (!read_setting(qos, FlowId, Operation, Size, Buffer, &setting)) {
		notify_drop(&notify);
		return FALSE;
	}
	if (Overlapped && Operation == QOSSetOutgoingRate)
		return begin_rate(qos, FlowId, &setting.rate, Overlapped, &notify);
	return set_now(qos, FlowId, Operation, &setting, Overlapped, &notify);
}
