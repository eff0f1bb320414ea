/* SPDX-License-Identifier: MIT */
/*
 * transfer_internal.h: what kinds of transfers share. transfer.c lets them go on in their order, and has those of one
 * message; transmit.c has those of many packets.
 */
#ifndef GW_WINQOS_TRANSFER_INTERNAL_H
#define GW_WINQOS_TRANSFER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winqos/overlapped.h"
#include "winqos/transfer.h"

struct transfer {
	struct operation operation;
	struct transfer *prev, *next;
	bool queued;
	int fd;
	bool sending;
	/*
	 * A send that the rate of its flow holds back waits for a timer in place of the socket, which is writable all
	 * the time. -1: none. How long, its last attempt has said.
	 */
	int timer_fd;
	uint64_t wait_ns;
	/* Takes one step: bytes of the whole transfer, or a negative errno. */
	ssize_t (*go_on)(struct transfer *transfer, int flags);
	union {
		struct {
			struct iovec iov[TRANSFER_MAX_BUFFERS];
			DWORD count;
			int flags;	       /* in: of recvmsg(); out: of the message */
			struct sockaddr *from; /* the caller's; NULL: nobody asks */
			INT *from_len;
		} receive;
		struct {
			struct iovec iov[TRANSFER_MAX_BUFFERS];
			size_t count;
			int flags;
			struct sockaddr_storage to;
			socklen_t to_len;
		} send;
		struct {
			const TRANSMIT_PACKETS_ELEMENT *elements;
			DWORD count, next;
			size_t offset; /* within the packet that begins at `next`, of a stream */
			size_t sent;
		} transmit;
	};
};

/* NULL with the last error set. */
struct transfer *transfer_new(int fd, OVERLAPPED *overlapped,
			      LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, bool sending);

/*
 * Begins an overlapped transfer: what can be done now is done, unless older ones wait. Returns the
 * bytes, or a negative errno; -EINPROGRESS if it is pending.
 */
ssize_t transfer_begin(struct transfer *transfer);

/* One message at the rate of its flow, if that is held to one: bytes, or a negative errno. */
ssize_t transfer_send_message(struct transfer *transfer, const struct msghdr *message, int flags);

/* What a call returns for `n`, which transfer_begin() or a blocking one gave, with the last error set. */
BOOL transfer_transmitted(struct transfer *transfer, ssize_t n);

#endif
