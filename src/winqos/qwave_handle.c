/* SPDX-License-Identifier: MIT */
/*
 * qwave_handle.c: opening and closing the subsystem (spec/qwave.md §5.1, §5.2).
 */
#include <errno.h>
#include <stdlib.h>

#include "winqos/errmap.h"
#include "winqos/fork.h"
#include "winqos/overlapped.h"
#include "winqos/qwave.h"

struct qos *qos_get(HANDLE handle)
{
	struct qos *qos = (struct qos *)handle_get(handle, OBJECT_QOS);

	if (qos && qos->fork_generation != fork_generation()) {
		qos_put(qos);
		return NULL;
	}
	return qos;
}

void qos_put(struct qos *qos)
{
	object_unref(&qos->object);
}

void qos_putp(struct qos **qos)
{
	if (*qos)
		qos_put(*qos);
}

BOOL qos_result(int r)
{
	return r < 0 ? fail_with(errmap_win32(r)) : TRUE;
}

BOOL qos_fail_after_flow(struct qos *qos, QOS_FLOWID id, DWORD error)
{
	struct gw_flow_info info = { .size = sizeof(info) };
	int r = gw_flow_query(qos->gw, id, &info);

	return fail_with(r < 0 ? errmap_win32(r) : error);
}

/* Called by whichever thread is inside a function of the handle; it holds a reference. */
static void on_event(const struct gw_event *event, void *user_data)
{
	struct qos *qos = user_data;

	switch (event->type) {
	case GW_EVENT_COMPLETED:
		qos_request_completed(qos, event);
		break;
	case GW_EVENT_DISCONNECTED:
		operation_complete_all(&qos->object, ERROR_DEVICE_REINITIALIZATION_NEEDED);
		break;
	case GW_EVENT_FLOW_ADDED:
	case GW_EVENT_FLOW_CHANGED:
	case GW_EVENT_FLOW_ENDED:
	case GW_EVENT_LOST:
	case GW_EVENT_RSVP_PATH:
	case GW_EVENT_RSVP_RESV:
	case GW_EVENT_RSVP_PATH_ERROR:
	case GW_EVENT_RSVP_RESV_ERROR:
	case GW_EVENT_RSVP_CONFIRM:
	case GW_EVENT_RSVP_MESSAGE:
	case GW_EVENT_RSVP_HOP:
		break; /* this interface has no way to tell */
	}
}

void qos_dispatch(struct object *object)
{
	struct qos *qos = (struct qos *)object;
	struct gw_event event;
	int r;

	do {
		event.size = sizeof(event);
		r = gw_event_next(qos->gw, 0, &event);
	} while (r > 0);
	/* Nothing will come any more: who waits must not wait for ever. */
	if (r < 0 && r != -EINTR)
		operation_complete_all(&qos->object, errmap_win32(r));
}

static void qos_destroy(struct object *object)
{
	struct qos *qos = (struct qos *)object;

	gw_close(qos->gw);
	free(qos);
}

/* Opens the engine; ERROR_SUCCESS with a new object, or what the caller is to hear. */
static DWORD qos_open(struct qos **ret_qos)
{
	struct gw_open_options options = { .size = sizeof(options),
					   .api = "qwave",
					   .on_event = on_event };
	struct qos *qos;
	int r;

	qos = calloc(1, sizeof(*qos));
	if (!qos)
		return ERROR_NOT_ENOUGH_MEMORY;
	object_init(&qos->object, OBJECT_QOS, qos_destroy);
	qos->fork_generation = fork_generation();

	options.user_data = qos;
	r = gw_open(&qos->gw, &options);
	if (r < 0) {
		free(qos);
		return errmap_open(r);
	}
	*ret_qos = qos;
	return ERROR_SUCCESS;
}

BOOL WINAPI QOSCreateHandle(PQOS_VERSION Version, PHANDLE QOSHandle)
{
	struct qos *qos = NULL;
	HANDLE handle;
	DWORD error;

	if (!Version || !QOSHandle)
		return fail_with(ERROR_INVALID_PARAMETER);
	if (Version->MajorVersion != 1 || Version->MinorVersion != 0)
		return fail_with(ERROR_INVALID_PARAMETER);

	error = qos_open(&qos);
	if (error)
		return fail_with(error);
	handle = handle_new(&qos->object);
	if (!handle)
		return fail_with(ERROR_NOT_ENOUGH_MEMORY);
	*QOSHandle = handle;
	return TRUE;
}

/*
 * From handle_take() on the handle is refused; gw_end() then completes what is pending, releases
 * who is blocked, and removes the flows. Threads that are inside calls hold references and find the
 * connection ended; the last of them frees it.
 */
BOOL WINAPI QOSCloseHandle(HANDLE QOSHandle)
{
	struct qos *qos;

	/* Not handle_take() at once: to a forked child its parent's handle is none. */
	qos = qos_get(QOSHandle);
	if (!qos)
		return fail_with(ERROR_INVALID_HANDLE);
	qos_put(qos);
	qos = (struct qos *)handle_take(QOSHandle, OBJECT_QOS);
	if (!qos)
		return fail_with(ERROR_INVALID_HANDLE);

	gw_end(qos->gw);
	operation_complete_all(&qos->object, ERROR_OPERATION_ABORTED);
	qos_put(qos);
	return TRUE;
}
