/* SPDX-License-Identifier: MIT */
/*
 * route.h: asks the kernel which way packets to a destination would go, through one rtnetlink
 * socket that is kept open. libc only, no privilege, a few microseconds a question.
 */
#ifndef GW_DATAPATH_ROUTE_H
#define GW_DATAPATH_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"

struct route;

/* Serves the network namespace of the calling thread. A negative errno of socket(2). */
int route_new(struct route **ret_route);
struct route *route_free(struct route *route);

/* What a socket has decided itself; 0 or NULL: nothing. */
struct route_query {
	const struct address *destination;
	const struct address *source; /* what it is bound to; 0.0.0.0 and :: count as none */
	uint32_t ifindex;	      /* what it is bound to, or sends its multicasts through */
	uint32_t mark;		      /* SO_MARK */
};

struct route_result {
	uint32_t ifindex;
	bool on_link; /* no gateway between: a neighbour, a group on the link, or this host */
	bool local;   /* an address of this host */
};

/*
 * 0, or -ENETUNREACH, -EHOSTUNREACH, -ENETDOWN as a send would find them (a route that rejects or
 * swallows packets is -EHOSTUNREACH), or -EINVAL for a destination of no family. Anything else is a
 * failure to ask.
 */
int route_lookup(struct route *route, const struct route_query *query,
		 struct route_result *ret_result);

#endif
