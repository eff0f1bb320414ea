/* SPDX-License-Identifier: MIT */
/*
 * sockwatch.h: hears from the kernel which sockets have been destroyed (the multicast groups of
 * NETLINK_SOCK_DIAG). Needs no privilege.
 *
 * The kernel tells when it frees a socket. That is at once after close() for an idle UDP socket, when the last of
 * its packets has left for a busy one, and after the exchange of FINs for TCP.
 */
#ifndef GW_DATAPATH_SOCKWATCH_H
#define GW_DATAPATH_SOCKWATCH_H

#include <stdint.h>

struct sockwatch;

/* Serves the network namespace of the calling thread. -EOPNOTSUPP: not with this kernel. */
int sockwatch_new(struct sockwatch **ret_watch);
struct sockwatch *sockwatch_free(struct sockwatch *watch);

/* Polls readable when there is something for sockwatch_dispatch(). */
int sockwatch_fd(const struct sockwatch *watch);

/*
 * From here on every socket of this kind that is destroyed is told of, ours or not. -EOPNOTSUPP: the kernel does
 * not tell of this kind.
 */
int sockwatch_join(struct sockwatch *watch, int family, int protocol);
void sockwatch_leave(struct sockwatch *watch, int family, int protocol);

/*
 * Calls `destroyed` for those that have come in, some dozens at most; the descriptor stays readable if there are
 * more. -ENOBUFS: they came faster than they were read, and some are lost.
 */
int sockwatch_dispatch(struct sockwatch *watch, void (*destroyed)(void *user_data, uint64_t cookie),
		       void *user_data);

#endif
