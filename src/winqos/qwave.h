/* SPDX-License-Identifier: MIT */
/*
 * qwave.h: what the files of the qWAVE functions share: the object behind a QOS handle, and the
 * checks that several functions make (spec/qwave.md §4).
 *
 * Every function checks in the order of §4.2: handle, flags, operation and pointers, health, flow,
 * buffer size, privilege, kind of flow. The engine knows about the second half; so when a caller's
 * buffer or value is wrong, the engine is first asked for the flow, and its complaint goes first.
 */
#ifndef GW_WINQOS_QWAVE_H
#define GW_WINQOS_QWAVE_H

#include <greenwave.h>
#include <qos2.h>
#include <stdbool.h>

#include "winqos/handle.h"
#include "winqos/overlapped.h"

struct qos {
	struct object object;
	struct gw *gw;
	unsigned fork_generation; /* of the process that opened it */
	_Atomic uint64_t last_token;
};

/* A reference to the object of a live QOS handle of this process, or NULL. */
struct qos *qos_get(HANDLE handle);
void qos_put(struct qos *qos);
void qos_putp(struct qos **qos);

/* Holds it for the scope: `QOS_REF qos = qos_get(handle);` */
#define QOS_REF __attribute__((__cleanup__(qos_putp))) struct qos *

/* Takes in what the engine has sent, without blocking. For sources (wait.h). */
void qos_dispatch(struct object *object);

/*
 * qwave_request.c: operations that may pend. One is begun before the engine is asked with its token, so that no
 * completion is missed; the engine's answer (0: it is done, 1: it pends, or a negative errno) then ends the call, and
 * with it the caller's reference. If it was done at once, `bytes` are reported; what a pending query has found is put
 * into `fundamentals`, which may be NULL. NULL: no memory. What `notify` holds is taken over.
 */
struct qos_request;
struct qos_request *qos_request_begin(struct qos *qos, OVERLAPPED *overlapped,
				      struct notify *notify);
void qos_request_set_buffer(struct qos_request *request, void *fundamentals);
uint64_t qos_request_token(const struct qos_request *request);
BOOL qos_request_answered(struct qos_request *request, int r, DWORD bytes);

/* A GW_EVENT_COMPLETED of the handle. */
void qos_request_completed(struct qos *qos, const struct gw_event *event);

/* qwave_query.c: as callers get them, padding and what is not known zeroed. */
void qos_fundamentals(const struct gw_path_info *path, QOS_FLOW_FUNDAMENTALS *ret_fundamentals);

/* TRUE, or FALSE with the last error that stands for a negative errno. */
BOOL qos_result(int r);

/*
 * For a call that is to fail with `error` unless there is something worse to say: the handle is
 * dead (1164) or the flow unknown (1168).
 */
BOOL qos_fail_after_flow(struct qos *qos, QOS_FLOWID id, DWORD error);

/*
 * The length of an address that a caller passed without one: by its family (§5.3). 0 if the family
 * is neither IPv4 nor IPv6, or the address is IPv4 in IPv6 clothes. Reads no more than that length.
 */
socklen_t qos_address_length(const struct sockaddr *address);

/* Whether an address with such a length is 0.0.0.0 or ::, or one of many hosts. */
bool qos_address_unspecified(const struct sockaddr *address);
bool qos_address_group(const struct sockaddr *address);

#endif
