/* SPDX-License-Identifier: MIT */
/*
 * sockdiag.h: asks the kernel for the state of sockets that we hold no descriptor of (NETLINK_SOCK_DIAG).
 * Where shutdown() and disconnect cannot be traced, the host polls with this. Needs no privilege.
 */
#ifndef GW_DATAPATH_SOCKDIAG_H
#define GW_DATAPATH_SOCKDIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"

struct sockdiag;
struct nlmsghdr;

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
	uint8_t tcp_state; /* TCP_ESTABLISHED ...; UDP uses TCP_ESTABLISHED and TCP_CLOSE */
	uint8_t directions; /* DIRECTION_*: what has been shut down (datapath.h); TCP: also by the peer's FIN */
	bool connected;
	bool held;	  /* a descriptor of it still exists; else only TCP's farewell keeps it */
	uint32_t ifindex; /* as in the query, */
	struct address local, remote; /* for the next one */
};

/* Serves the network namespace of the calling thread. -EOPNOTSUPP: not with this kernel. */
int sockdiag_new(struct sockdiag **ret_sockdiag);
struct sockdiag *sockdiag_free(struct sockdiag *sockdiag);

/*
 * Whether the kernel answers for this kind of socket; has it load the module that does. -EOPNOTSUPP: it does
 * not, and the functions below would say -ENOENT of every socket.
 */
int sockdiag_probe(struct sockdiag *sockdiag, int family, int protocol);

/*
 * Asks for one socket by its addresses and makes sure by its cookie that it is the one meant. -ENOENT: not
 * found under these addresses, or another one that shares them was.
 */
int sockdiag_ask(struct sockdiag *sockdiag, const struct sockdiag_query *query,
		 struct sockdiag_state *ret_state);

/* What the kernel knows of a TCP connection; totals since it began. */
struct sockdiag_tcp {
	uint32_t rtt_us, min_rtt_us; /* smoothed; the least */
	uint64_t segments_sent, segments_retransmitted;
	uint64_t marked; /* acknowledged with an ECN mark */
	uint64_t delivery_rate_bps;
	bool app_limited; /* the rate is what the program sends, not what the path carries */
};

/* sockdiag_ask() for a connection, and what is known of it. -ENODATA: it is not told. */
int sockdiag_ask_tcp(struct sockdiag *sockdiag, const struct sockdiag_query *query,
		     struct sockdiag_tcp *ret_tcp);

/* Reads struct tcp_info, which newer kernels have more of. -ENODATA: too short. */
int sockdiag_read_tcp(const void *info, size_t len, struct sockdiag_tcp *ret_tcp);

/*
 * Looks through all sockets of a family and protocol, a piece at a time: a host must not stop for long. The
 * first call begins; sockdiag_scan_next() reports some, and returns 1 if there are more, 0 at the end. The
 * same `sockdiag` answers nothing else until then.
 *
 * Not among them are UDP sockets without a port, never used or disconnected after the kernel itself had
 * chosen the port, and TCP sockets that are neither connected nor listening.
 */
int sockdiag_scan_begin(struct sockdiag *sockdiag, int family, int protocol);
int sockdiag_scan_next(struct sockdiag *sockdiag,
		       void (*report)(void *user_data, const struct sockdiag_state *state),
		       void *user_data);

/* sockdiag_ask(), and where that does not find it, the whole scan. */
int sockdiag_find(struct sockdiag *sockdiag, const struct sockdiag_query *query,
		  struct sockdiag_state *ret_state);

/* Reads one message about a socket. False: it is another kind of message. */
bool sockdiag_parse(const struct nlmsghdr *message, struct sockdiag_state *ret_state);

#endif
