/* SPDX-License-Identifier: MIT */
/*
 * gqos_host.h: the process's one connection to the engine for GQoS, opened when it is first needed, and again after the
 * daemon has gone or the process has forked.
 */
#ifndef GW_WINQOS_GQOS_HOST_H
#define GW_WINQOS_GQOS_HOST_H

#include <greenwave.h>
#include <stdbool.h>

#include "winqos/handle.h"

struct gqos_host {
	struct object object;
	struct gw *gw;
	bool lost; /* it has ended by itself; under the GQoS lock */
};

/* A reference to it; opened if need be. 0 or a negative errno. */
int gqos_host_get(struct gqos_host **ret_host);

/* The same if it is open already; else NULL. */
struct gqos_host *gqos_host_get_open(void);

void gqos_host_put(struct gqos_host *host);

/* Takes in what the engine has sent, without blocking. For sources (wait.h); `object` is a host. */
void gqos_host_dispatch(struct object *object);

/* A call into the engine about one socket; `argument` is the caller's own. 0 or a negative errno. */
typedef int (*gqos_call)(struct gw *gw, int fd, void *argument);

/* Makes the call, once more if the engine turns out to have gone meanwhile. 0 or the Winsock value of an error. */
int gqos_host_call(gqos_call call, int fd, void *argument);

#endif
