/* SPDX-License-Identifier: MIT */
/*
 * packet.h: messages as they arrive: their bytes, their descriptors, and who has sent them.
 */
#ifndef GW_HOST_PACKET_H
#define GW_HOST_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proto/msg.h"

/*
 * As many descriptors as one message can carry. Of a message with more than there is room for, the kernel would
 * close the rest, and wait for that (host/parting.h).
 */
#define PACKET_MAX_FDS 253

struct packet {
	unsigned char buf[MSG_MAX];
	size_t len;
	int fds[PACKET_MAX_FDS];
	size_t n_fds;
	pid_t sender; /* the process; 0 if the kernel was not asked to tell */
};

/* Has the kernel tell of each message who has sent it. */
void packets_name_senders(int fd);

/*
 * 1: a message. 0: none now. Negative: the connection is over; *ret_why is NULL if the peer just left. Descriptors may
 * have come in any case, and are the caller's.
 */
int packet_receive(int fd, struct packet *packet, const char **ret_why);

/* Nothing more is read from the connection. Returns whether all that was sent has been. Needs the senders' names. */
bool packets_all_read(int fd);

#endif
