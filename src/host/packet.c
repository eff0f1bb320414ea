/* SPDX-License-Identifier: MIT */
/* packet.c: see packet.h. */
#include "host/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

void packets_name_senders(int fd)
{
	const int yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &yes, sizeof(yes)); /* cannot fail */
}

static void take_descriptors(const struct cmsghdr *item, struct packet *packet)
{
	size_t n = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	memcpy(packet->fds, CMSG_DATA(item), n * sizeof(int));
	packet->n_fds = n;
}

static void take_sender(const struct cmsghdr *item, struct packet *packet)
{
	struct ucred sender;

	memcpy(&sender, CMSG_DATA(item), sizeof(sender));
	packet->sender = sender.pid;
}

static void take_control(struct msghdr *head, struct packet *packet)
{
	for (struct cmsghdr *item = CMSG_FIRSTHDR(head); item; item = CMSG_NXTHDR(head, item)) {
		if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS)
			take_descriptors(item, packet);
		else if (item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_CREDENTIALS)
			take_sender(item, packet);
	}
}

int packet_receive(int fd, struct packet *packet, const char **ret_why)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(PACKET_MAX_FDS * sizeof(int)) +
			   CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { packet->buf, sizeof(packet->buf) };
	struct msghdr head = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*ret_why = NULL;
	packet->n_fds = 0;
	packet->sender = 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	take_control(&head, packet);
	/* An empty message looks like the end, but for what comes with it. */
	if (n == 0 && !CMSG_FIRSTHDR(&head))
		return -ECONNRESET;
	if ((head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || packet->n_fds > MSG_MAX_FDS) {
		*ret_why = "message too long";
		return -EMSGSIZE;
	}
	packet->len = (size_t)n;
	return 1;
}

bool packets_all_read(int fd)
{
	struct msghdr head = { 0 };

	if (shutdown(fd, SHUT_RD) < 0)
		return false;
	return recvmsg(fd, &head, MSG_PEEK | MSG_DONTWAIT) == 0 &&
	       !(head.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
}
