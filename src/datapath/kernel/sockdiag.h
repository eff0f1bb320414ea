/* SPDX-License-Identifier: MIT */
/*
 * sockdiag.h: asks the kernel for the state of a socket we hold no descriptor of. Where shutdown() and
 * disconnect cannot be traced, the host polls with this.
 */
#ifndef GW_DATAPATH_SOCKDIAG_H
#define GW_DATAPATH_SOCKDIAG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"

struct sockdiag;

struct sockdiag_query {
	uint64_t cookie;
	int family; /* of the socket */
	int protocol;
	uint32_t ifindex; /* the device it is bound to, else 0 */
	struct address local;
	struct address remote; /* its peer; AF_UNSPEC: not connected */
};

struct sockdiag_state {
	uint64_t cookie;
	uint8_t tcp_state;  /* TCP_ESTABLISHED …; UDP uses TCP_ESTABLISHED and TCP_CLOSE */
	uint8_t directions; /* DIRECTION_*: what has been shut down (datapath.h) */
	bool connected;
};

/* Serves the network namespace of the calling thread. */
int sockdiag_new(struct sockdiag **ret_sockdiag);
struct sockdiag *sockdiag_free(struct sockdiag *sockdiag);

/*
 * Finds one socket by its addresses and makes sure by its cookie that it is the one meant; where addresses
 * are shared or have changed, looks through all sockets of the kind. -ENOENT: no such socket any more, or a
 * UDP socket without a port: the kernel takes back the port it has chosen itself when the socket disconnects.
 */
int sockdiag_find(struct sockdiag *sockdiag, const struct sockdiag_query *query,
		  struct sockdiag_state *ret_state);

/* Reports every socket of a family and protocol: the cheap way to look at many. */
int sockdiag_scan(struct sockdiag *sockdiag, int family, int protocol,
		  void (*report)(void *user_data, const struct sockdiag_state *state), void *user_data);

#endif
