/* SPDX-License-Identifier: MIT */
/* inbox.c: see inbox.h. */
#include "host/probe/inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "host/probe/stamp.h"

#define BATCH 32
#define BATCHES_PER_TURN 4
#define CONTROL_LEN 256

struct inbox {
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	struct sockaddr_storage sources[BATCH];
	_Alignas(struct cmsghdr) char control[BATCH][CONTROL_LEN];
	uint8_t packets[BATCH][INBOX_HEADROOM + INBOX_PACKET_MAX];
};

struct inbox *inbox_new(void)
{
	return calloc(1, sizeof(struct inbox));
}

struct inbox *inbox_free(struct inbox *inbox)
{
	free(inbox);
	return NULL;
}

static int receive(struct inbox *inbox, int fd)
{
	int n;

	memset(inbox->messages, 0, sizeof(inbox->messages));
	for (int i = 0; i < BATCH; i++) {
		inbox->iov[i] =
			(struct iovec){ inbox->packets[i] + INBOX_HEADROOM, INBOX_PACKET_MAX };
		inbox->messages[i].msg_hdr = (struct msghdr){
			.msg_name = &inbox->sources[i],
			.msg_namelen = sizeof(inbox->sources[i]),
			.msg_iov = &inbox->iov[i],
			.msg_iovlen = 1,
			.msg_control = inbox->control[i],
			.msg_controllen = CONTROL_LEN,
		};
	}
	do
		n = recvmmsg(fd, inbox->messages, BATCH, MSG_DONTWAIT, NULL);
	while (n < 0 && errno == EINTR);
	return n;
}

void inbox_read(struct inbox *inbox, int fd, struct throttle *throttle, inbox_take take,
		void *user_data)
{
	struct stamp_clock clock;

	for (int turn = 0; turn < BATCHES_PER_TURN; turn++) {
		int n = receive(inbox, fd);

		stamp_clock_read(&clock);
		for (int i = 0; i < n; i++) {
			struct msghdr *header = &inbox->messages[i].msg_hdr;
			const struct inbox_packet packet = {
				.header = header,
				.data = inbox->packets[i] + INBOX_HEADROOM,
				.len = inbox->messages[i].msg_len,
				.received_ns = stamp_of(&clock, header),
				.now_us = clock.now_ns / NSEC_PER_USEC,
			};

			if (!throttle_take(throttle, packet.now_us))
				return;
			take(user_data, &packet);
		}
		if (n < BATCH)
			return;
	}
}
