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
