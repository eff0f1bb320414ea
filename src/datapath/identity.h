/* SPDX-License-Identifier: MIT */
/*
 * identity.h: what a host reads from a descriptor that an application passed: which socket it is,
 * of what kind, between which addresses, and whether it still sends. Reading changes nothing.
 */
#ifndef GW_DATAPATH_IDENTITY_H
#define GW_DATAPATH_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"

struct socket_identity {
	uint64_t cookie;
	uint64_t netns_cookie; /* 0: this kernel does not tell (before 5.14) */
	int family;	       /* AF_INET or AF_INET6: of the socket, not of its packets */
	int protocol;	       /* IPPROTO_TCP or IPPROTO_UDP */
	struct address local;
	struct address peer;	/* AF_UNSPEC: not connected; AF_INET also for a v4-mapped peer */
	uint32_t bound_ifindex; /* SO_BINDTODEVICE, or 0 */
	int tcp_state;		/* TCP_ESTABLISHED ... of <netinet/tcp.h>; 0 for UDP */
	/*
	 * DIRECTION_*: what is over for good, by shutdown(2), a reset, or (receiving) the peer's
	 * FIN. Of a UDP socket's shutdown(SHUT_WR) alone no socket call tells; sock_diag does.
	 */
	unsigned ended;
};

/*
 * -EBADF: not open. -ENOTSOCK. -EAFNOSUPPORT: neither IPv4 nor IPv6. -EPROTONOSUPPORT: neither TCP
 * nor UDP (UDP-Lite, SCTP, MPTCP, raw sockets).
 */
int socket_identity_read(int fd, struct socket_identity *ret_identity);

/* Only the cookie: to see whether a descriptor still is the socket that it was. */
int socket_cookie_read(int fd, uint64_t *ret_cookie);

/* Which network namespace the calling thread makes sockets in; 0 where the kernel does not tell. */
int netns_cookie_read(uint64_t *ret_cookie);

/*
 * How a socket that is not bound to a device sends to groups of `family`: through which interface
 * (0: undecided), and, IPv4 only, from which address (AF_UNSPEC: undecided).
 */
int socket_multicast_read(int fd, int family, uint32_t *ret_ifindex, struct address *ret_source);

#endif
