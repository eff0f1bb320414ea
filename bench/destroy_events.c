/* SPDX-License-Identifier: MIT */
/* destroy_events.c: see destroy_events.h. */
#include "destroy_events.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measure.h"

int destroy_events_open(void)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1u << (SKNLGRP_INET_UDP_DESTROY - 1),
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static uint64_t cookie_of(const struct inet_diag_msg *message)
{
	return (uint64_t)message->id.idiag_cookie[1] << 32 | message->id.idiag_cookie[0];
}

bool destroy_events_wait(int fd, uint64_t cookie, int timeout_ms)
{
	union {
		struct nlmsghdr head;
		char bytes[4096];
	} buf;

	for (;;) {
		struct pollfd readable = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&readable, 1, timeout_ms) <= 0)
			return false;
		n = recv(fd, &buf, sizeof(buf), MSG_DONTWAIT);
		if (n >= (ssize_t)NLMSG_LENGTH(sizeof(struct inet_diag_msg)) &&
		    cookie_of(NLMSG_DATA(&buf.head)) == cookie)
			return true;
	}
}
