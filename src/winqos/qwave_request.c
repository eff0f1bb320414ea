/* SPDX-License-Identifier: MIT */
/*
 * qwave_request.c: qWAVE operations that may pend (spec/qwave.md §4.5): being told of a path, a rate that must be
 * admitted, fresh figures.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "winqos/errmap.h"
#include "winqos/qwave.h"

struct qos_request {
	struct operation operation;
	void *buffer; /* the caller's, of a query; need not be aligned */
	QOS_FLOW_FUNDAMENTALS fundamentals;
};

static void request_destroy(struct object *object)
{
	struct qos_request *request = (struct qos_request *)object;

	operation_fini(&request->operation);
	free(request);
}

static void request_deliver(struct operation *operation)
{
	struct qos_request *request = (struct qos_request *)operation;

	memcpy(request->buffer, &request->fundamentals, sizeof(request->fundamentals));
}

struct qos_request *qos_request_begin(struct qos *qos, OVERLAPPED *overlapped,
				      struct notify *notify)
{
	struct qos_request *request = calloc(1, sizeof(*request));

	if (!request) {
		notify_drop(notify);
		return NULL;
	}
	operation_init(&request->operation, &qos->object, overlapped, notify, gw_event_fd(qos->gw),
		       POLLIN, qos_dispatch, request_destroy);
	request->operation.token = atomic_fetch_add(&qos->last_token, 1) + 1;
	operation_publish(&request->operation);
	return request;
}

void qos_request_set_buffer(struct qos_request *request, void *fundamentals)
{
	request->buffer = fundamentals;
	request->operation.deliver = request_deliver;
}

uint64_t qos_request_token(const struct qos_request *request)
{
	return request->operation.token;
}

static BOOL answered_at_once(struct operation *operation, int r, DWORD bytes)
{
	operation_withdraw(operation);
	if (r < 0)
		return qos_result(r);
	operation_succeed(operation, bytes);
	return TRUE;
}

static BOOL await(struct operation *operation)
{
	struct qos *qos = (struct qos *)operation->owner;
	struct waitable *done = &operation->done;
	int r = wait_for(&done, 1, false, WAIT_FOREVER);

	if (r < 0) { /* could not block */
		gw_cancel(qos->gw, operation->token);
		operation_withdraw(operation);
		return qos_result(r);
	}
	return operation->error ? fail_with(operation->error) : TRUE;
}

BOOL qos_request_answered(struct qos_request *request, int r, DWORD bytes)
{
	struct operation *operation = &request->operation;
	BOOL done;

	if (r <= 0) {
		done = answered_at_once(operation, r, bytes);
	} else {
		operation_accept(operation);
		done = operation->overlapped ? fail_with(ERROR_IO_PENDING) : await(operation);
	}
	object_unref(&operation->object);
	return done;
}

void qos_request_completed(struct qos *qos, const struct gw_event *event)
{
	struct operation *operation = operation_find(&qos->object, event->token);
	struct qos_request *request = (struct qos_request *)operation;
	DWORD bytes = 0;

	if (!operation)
		return; /* QOSCloseHandle() was faster */
	if (operation->deliver && event->status == 0) {
		qos_fundamentals(&event->flow.path, &request->fundamentals);
		bytes = sizeof(request->fundamentals);
	}
	operation_complete(operation, event->status < 0 ? errmap_win32(event->status) : 0, bytes);
	object_unref(&operation->object);
}
