/* SPDX-License-Identifier: MIT */
/*
 * qwave_set.c: changing a flow (spec/qwave.md §5.5).
 *
 * Every change finishes inside the call, which §4.5 allows for overlapped calls too: the OVERLAPPED
 * is then completed before the call returns TRUE.
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

static BOOL set_flow(struct qos *qos, QOS_FLOWID id, QOS_SET_FLOW operation, ULONG size,
		     const void *buffer)
{
	union setting setting;

	if (size != setting_size(operation))
		return qos_fail_after_flow(qos, id, ERROR_INVALID_PARAMETER);
	/* The caller's pointer need not be aligned. */
	memcpy(&setting, buffer, size);
	if (!is_valid(operation, &setting))
		return qos_fail_after_flow(qos, id, ERROR_INVALID_PARAMETER);
	return qos_result(apply(qos, id, operation, &setting));
}

BOOL WINAPI QOSSetFlow(HANDLE QOSHandle, QOS_FLOWID FlowId, QOS_SET_FLOW Operation, ULONG Size,
		       PVOID Buffer, DWORD Flags, LPOVERLAPPED Overlapped)
{
	QOS_REF qos = qos_get(QOSHandle);
	struct notify notify;
	DWORD error;

	if (!qos)
		return fail_with(ERROR_INVALID_HANDLE);
	if (Flags || !setting_size(Operation) || !Buffer)
		return fail_with(ERROR_INVALID_PARAMETER);
	error = notify_of(Overlapped, NULL, &notify);
	if (error)
		return fail_with(error);

	if (!set_flow(qos, FlowId, Operation, Size, Buffer)) {
		notify_drop(&notify);
		return FALSE;
	}
	overlapped_succeed(Overlapped, &notify, 0, 0);
	return TRUE;
}
