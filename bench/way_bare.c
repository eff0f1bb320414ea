/* SPDX-License-Identifier: MIT */
/*
 * way_bare.c: the least that asking another process can cost: a message with a descriptor and its answer,
 * and a second message and its answer, over a SOCK_SEQPACKET pair. The other process reads the
 * descriptor's socket cookie and closes it, and waits in epoll as a daemon does.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "way.h"

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

#define REQUEST_BYTES 128
#define REPLY_BYTES 64

struct bare {
	int connection;
	int fd;
};

struct parcel {
	char data[REQUEST_BYTES];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr head;
};

static void parcel_init(struct parcel *parcel)
{
	memset(parcel, 0, sizeof(*parcel));
	parcel->iov = (struct iovec){ parcel->data, sizeof(parcel->data) };
	parcel->head = (struct msghdr){ .msg_iov = &parcel->iov, .msg_iovlen = 1 };
}

static void parcel_make_room(struct parcel *parcel)
{
	parcel->head.msg_control = parcel->control.bytes;
	parcel->head.msg_controllen = sizeof(parcel->control.bytes);
}

static void serve_one(int connection)
{
	static const char reply[REPLY_BYTES];
	const struct cmsghdr *item;
	struct parcel parcel;
	uint64_t cookie;
	socklen_t len = sizeof(cookie);
	int fd;

	parcel_init(&parcel);
	parcel_make_room(&parcel);
	if (recvmsg(connection, &parcel.head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0)
		_exit(0);
	item = CMSG_FIRSTHDR(&parcel.head);
	if (item) {
		memcpy(&fd, CMSG_DATA(item), sizeof(fd));
		must_call(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), "SO_COOKIE");
		close(fd);
	}
	must_call((int)send(connection, reply, sizeof(reply), MSG_NOSIGNAL), "send");
}

static _Noreturn void serve(int connection)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = must_call(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must_call(epoll_ctl(epoll, EPOLL_CTL_ADD, connection, &event), "epoll_ctl");
	for (;;)
		if (epoll_wait(epoll, &event, 1, -1) > 0)
			serve_one(connection);
}

static void *bare_open(const struct lane *lane, int fd, const struct sockaddr_in *destination)
{
	struct bare *bare = way_state(sizeof(*bare));
	int pair[2];

	(void)lane;
	(void)destination;
	must_call(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	if (must_call(fork(), "fork") == 0) {
		close(pair[0]);
		serve(pair[1]);
	}
	close(pair[1]);
	bare->connection = pair[0];
	bare->fd = fd;
	return bare;
}

static void exchange(const struct bare *bare, struct parcel *parcel)
{
	char reply[REPLY_BYTES];

	must_call((int)sendmsg(bare->connection, &parcel->head, MSG_NOSIGNAL), "sendmsg");
	if (must_call((int)recv(bare->connection, reply, sizeof(reply), 0), "recv") == 0)
		die("the other process has gone");
}

static void bare_begin(void *state)
{
	const struct bare *bare = state;
	struct parcel parcel;
	struct cmsghdr *item;

	parcel_init(&parcel);
	parcel_make_room(&parcel);
	item = CMSG_FIRSTHDR(&parcel.head);
	item->cmsg_level = SOL_SOCKET;
	item->cmsg_type = SCM_RIGHTS;
	item->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(item), &bare->fd, sizeof(int));
	exchange(bare, &parcel);
}

static void bare_end(void *state)
{
	struct parcel parcel;

	parcel_init(&parcel);
	exchange(state, &parcel);
}

const struct way way_bare = {
	.kind = "bare", .open = bare_open, .begin = bare_begin, .end = bare_end
};
const struct way way_message = { .kind = "message", .open = bare_open, .begin = bare_begin };
