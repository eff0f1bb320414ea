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

/* The socket itself, for other questions to the kernel. */
int route_socket(const struct route *route);

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
	struct address gateway; /* AF_UNSPEC: on the link */
};

/*
 * 0, or -ENETUNREACH, -EHOSTUNREACH, -ENETDOWN as a send would find them (a route that rejects or
 * swallows packets is -EHOSTUNREACH), or -EINVAL for a destination of no family. Anything else is a
 * failure to ask.
 */
int route_lookup(struct route *route, const struct route_query *query,
		 struct route_result *ret_result);

/*
 * Whether that is the address of one other host, which an entry of the routing table, not a mere guess, says is
 * reached by the interface without a router.
 */
bool route_is_neighbour(struct route *route, const struct address *address, uint32_t ifindex);

/* Where the kernel's multicast forwarding takes in, and sends, what a source sends to a group. */
#define ROUTE_GROUP_LINKS 32

struct route_group {
	uint32_t in_ifindex;
	unsigned n_out;
	uint32_t out[ROUTE_GROUP_LINKS];
};

/*
 * The entry of exactly this source, or with NULL that of any. -ENOENT: there is none. -EOPNOTSUPP: this kernel
 * does not forward multicasts, or cannot be asked.
 */
int route_group_lookup(struct route *route, const struct address *group,
		       const struct address *source, struct route_group *ret_group);

#endif
