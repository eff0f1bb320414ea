/* SPDX-License-Identifier: MIT */
/*
 * sockwatch.c: see sockwatch.h. The netlink socket is connected to the kernel: another process that knew its
 * port could otherwise send it forged endings.
 */
#include "datapath/sockwatch.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "datapath/sockdiag.h"

#define MESSAGES_PER_TURN 64
#define RECEIVE_BUFFER_BYTES (4 << 20) /* a few thousand messages; the unprivileged get less */

struct sockwatch {
	int fd;
};

struct sockwatch *sockwatch_free(struct sockwatch *watch)
{
	if (!watch)
		return NULL;
	if (watch->fd >= 0)
		close(watch->fd);
	free(watch);
	return NULL;
}

DEFINE_CLEANUP(struct sockwatch *, sockwatch_free);

int sockwatch_new(struct sockwatch **ret_watch)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const int size = RECEIVE_BUFFER_BYTES;
	_cleanup_(sockwatch_freep) struct sockwatch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG);
	if (watch->fd < 0)
		return errno == EPROTONOSUPPORT || errno == EAFNOSUPPORT ? -EOPNOTSUPP : -errno;
	if (setsockopt(watch->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(watch->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (connect(watch->fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	*ret_watch = steal_ptr(&watch);
	return 0;
}

int sockwatch_fd(const struct sockwatch *watch)
{
	return watch->fd;
}

/* ---- groups ---- */

static int group_of(int family, int protocol)
{
	if (protocol == IPPROTO_TCP)
		return family == AF_INET6 ? SKNLGRP_INET6_TCP_DESTROY : SKNLGRP_INET_TCP_DESTROY;
	return family == AF_INET6 ? SKNLGRP_INET6_UDP_DESTROY : SKNLGRP_INET_UDP_DESTROY;
}

/* The kernel composes its messages with the module that also answers questions; joining does not load it. */
static int load_module(int family, int protocol)
{
	struct sockdiag *sockdiag;
	int r = sockdiag_new(&sockdiag);

	if (r < 0)
		return r;
	r = sockdiag_probe(sockdiag, family, protocol);
	sockdiag_free(sockdiag);
	return r;
}

int sockwatch_join(struct sockwatch *watch, int family, int protocol)
{
	int group = group_of(family, protocol);
	int r = load_module(family, protocol);

	if (r < 0)
		return r;
	if (setsockopt(watch->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
		return errno == EINVAL ? -EOPNOTSUPP : -errno; /* before Linux 4.3 */
	return 0;
}

void sockwatch_leave(struct sockwatch *watch, int family, int protocol)
{
	int group = group_of(family, protocol);

	setsockopt(watch->fd, SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
}

/* ---- messages ---- */

/* 1: a message. 0: none now. */
static int receive(struct sockwatch *watch, uint64_t *ret_cookie)
{
	union {
		struct nlmsghdr header;
		char bytes[2048];
	} buffer;
	struct sockdiag_state state;
	ssize_t n;

	do
		n = recv(watch->fd, &buffer, sizeof(buffer), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	*ret_cookie = NLMSG_OK(&buffer.header, (size_t)n) && sockdiag_parse(&buffer.header, &state)
			      ? state.cookie
			      : 0;
	return 1;
}

int sockwatch_dispatch(struct sockwatch *watch, void (*destroyed)(void *user_data, uint64_t cookie),
		       void *user_data)
{
	uint64_t cookie;
	int r = 1;

	for (int i = 0; i < MESSAGES_PER_TURN && r > 0; i++) {
		r = receive(watch, &cookie);
		if (r > 0 && cookie != 0)
			destroyed(user_data, cookie);
	}
	return r < 0 ? r : 0;
}
