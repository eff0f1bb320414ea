/* SPDX-License-Identifier: MIT */
/*
 * pacing.h: sockets that keep to a rate by themselves (SO_MAX_PACING_RATE), and what their applications had
 * asked for before, which comes back when the rate ends. TCP does so everywhere, UDP only where fq is the
 * queue: whether it makes sense is the caller's to know.
 */
#ifndef GW_DATAPATH_PACING_H
#define GW_DATAPATH_PACING_H

#include <stdbool.h>
#include <stdint.h>

/* By cookie. All zero is an empty table. */
struct paced_socket;

struct pacing {
	struct paced_socket *sockets;
};

/* The options of the sockets stay as they are. */
void pacing_free(struct pacing *pacing);

/*
 * Gives the socket this rate of IP bytes, or the next, or leaves it the lower one that its application has
 * asked for. A TCP socket's is best set again once it is connected, when the size of its packets is known.
 */
int pacing_set(struct pacing *pacing, int fd, uint64_t cookie, uint64_t rate_bps);

/* Puts back what the application had, unless it has changed it since. Fine if nothing was set. */
void pacing_clear(struct pacing *pacing, int fd, uint64_t cookie);

/* The socket has gone. */
void pacing_forget(struct pacing *pacing, uint64_t cookie);

/*
 * What a socket is to be given: bytes each second. TCP counts what it carries only, so a packet of
 * `packet_bytes` with `payload_bytes` in it counts as the latter.
 */
uint64_t pacing_bytes_per_second(uint64_t rate_bps, uint32_t payload_bytes, uint32_t packet_bytes);

#endif
