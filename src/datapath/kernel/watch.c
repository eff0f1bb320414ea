/* SPDX-License-Identifier: MIT */
/* watch.c: see watch.h. */
#include "datapath/kernel/watch.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "datapath/kernel/tc.h"

#define RECEIVE_LEN 32768

/* Room for what the making of a tree with many classes brings about at once. */
#define ROOM_BYTES (4 << 20)

#define ATTEMPTS_PER_WINDOW 5
#define WINDOW_US (60 * USEC_PER_SEC)

static int join(struct mnl_socket *socket)
{
	static const int groups[] = { RTNLGRP_LINK, RTNLGRP_TC };
	const int room = ROOM_BYTES;

	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	/* Less room only means looking at everything more often. */
	(void)setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVBUFFORCE, &room,
			 sizeof(room));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, (void *)&groups[i],
					  sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

int watch_open(struct mnl_socket **ret_socket)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int r;

	if (!socket)
		return -errno;
	r = join(socket);
	if (r < 0) {
		mnl_socket_close(socket);
		return r;
	}
	*ret_socket = socket;
	return 0;
}

int watch_read(struct mnl_socket *socket, mnl_cb_t on_message, void *user_data, bool *ret_lost)
{
	_cleanup_(freep) char *buffer = malloc(RECEIVE_LEN);
	ssize_t n;

	*ret_lost = false;
	if (!buffer)
		return -ENOMEM;
	for (;;) {
		n = mnl_socket_recvfrom(socket, buffer, RECEIVE_LEN);
		if (n >= 0)
			(void)tc_run(buffer, (size_t)n, 0, 0, on_message, user_data);
		else if (errno == ENOBUFS)
			*ret_lost = true;
		else if (errno != EINTR)
			return errno == EAGAIN ? 0 : -errno;
	}
}

bool attempts_allow(struct attempts *attempts, uint64_t now_us)
{
	if (attempts->window_us == 0 || now_us - attempts->window_us >= WINDOW_US)
		*attempts = (struct attempts){ .window_us = now_us };
	if (attempts->made >= ATTEMPTS_PER_WINDOW)
		return false;
	attempts->made++;
	return true;
}
