/* SPDX-License-Identifier: MIT */
/*
 * inbox.h: what has come to a socket of packets, taken out a bounded part at a time: strangers send it. Each packet
 * comes with its ancillary data and the time at which the kernel had it.
 */
#ifndef GW_HOST_INBOX_H
#define GW_HOST_INBOX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "host/probe/throttle.h"

#define INBOX_PACKET_MAX 2048 /* more than any message has; what is longer is cut */
#define INBOX_HEADROOM 4      /* octets before a packet that may be written */

struct inbox; /* room for packets; any number of sockets may share it, one after the other */

/* NULL: no memory. */
struct inbox *inbox_new(void);
struct inbox *inbox_free(struct inbox *inbox); /* NULL is allowed; returns NULL */

struct inbox_packet {
	struct msghdr *header; /* whence it came, and ancillary data */
	uint8_t *data;
	size_t len;
	uint64_t received_ns;
	uint64_t now_us;
};

typedef void (*inbox_take)(void *user_data, const struct inbox_packet *packet);

/*
 * Takes a bounded part of what has come; the rest makes the descriptor readable again. What the throttle does not grant
 * any more is lost.
 */
void inbox_read(struct inbox *inbox, int fd, struct throttle *throttle, inbox_take take,
		void *user_data);

#endif
