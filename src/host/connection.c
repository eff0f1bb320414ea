/* SPDX-License-Identifier: MIT */
/*
 * connection.c: one client: receiving its messages with their descriptors, answering, telling events, and
 * noticing that it has gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "host/endwatch.h"
#include "host/internal.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

#define MESSAGES_PER_TURN 32	 /* then the others */
#define EVENT_ROOM_MAX (4 << 20) /* bytes that may wait for one who watches */

/* A message as it arrived. */
struct packet {
	unsigned char buf[MSG_MAX];
	size_t len;
	int fds[MSG_MAX_FDS];
	size_t n_fds;
};

void connection_close(struct connection *connection)
{
	struct host *host = connection->host;

	DL_DELETE(host->connections, connection);
	host->n_connections--;
	if (connection->owner)
		server_disconnect(host->server, connection->owner, time_now_us());
	if (connection->readable)
		event_free(connection->readable);
	if (connection->death)
		event_free(connection->death);
	outgoing_free(connection);
	if (connection->pidfd >= 0)
		close(connection->pidfd);
	close(connection->fd);
	free(connection);
	host_schedule(host);
}

const struct ucred *connection_peer(const struct connection *connection)
{
	return &connection->peer;
}

int connection_fd(const struct connection *connection)
{
	return connection->fd;
}

bool connection_peer_runs(const struct connection *connection)
{
	struct pollfd death = { .fd = connection->pidfd, .events = POLLIN };

	return connection->pidfd >= 0 && poll(&death, 1, 0) == 0;
}

/* ---- events ---- */

static bool send_now(struct connection *connection, const void *buf, size_t len)
{
	return send(connection->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/* Events may fill half of what the socket holds: the other half is for replies. */
static bool has_room_for_events(const struct connection *connection)
{
	int queued, size;
	socklen_t len = sizeof(size);

	return ioctl(connection->fd, SIOCOUTQ, &queued) == 0 &&
	       getsockopt(connection->fd, SOL_SOCKET, SO_SNDBUF, &size, &len) == 0 &&
	       queued < size / 2;
}

/* Before the next event that fits, says how many did not. */
static bool tell_of_loss(struct connection *connection)
{
	struct msg event = { .head = { .type = MSG_EVENT } };
	unsigned char buf[128];
	long len;

	MSG_SET(&event, TAG_EVENT, event, GW_EVENT_LOST);
	MSG_SET(&event, TAG_LOST, lost, connection->lost);
	MSG_SET(&event, TAG_TIME, time_us, time_epoch_us());
	len = msg_encode(&event, buf, sizeof(buf));
	return len > 0 && send_now(connection, buf, (size_t)len);
}

/* One who falls behind for the first time gets more room, where we may give it. */
static void make_room(const struct connection *connection)
{
	int size = EVENT_ROOM_MAX;

	setsockopt(connection->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
}

void connection_send_event(struct connection *connection, const void *buf, size_t len,
			   bool must_arrive)
{
	if (must_arrive && outgoing_send(connection, buf, len) == 0)
		return;
	if (!connection->roomy && !has_room_for_events(connection)) {
		connection->roomy = true;
		make_room(connection);
	}
	if (!must_arrive && !connection->outgoing && has_room_for_events(connection)) {
		if (connection->lost > 0 && tell_of_loss(connection))
			connection->lost = 0;
		if (connection->lost == 0 && send_now(connection, buf, len))
			return;
	}
	connection->lost++;
}

/* ---- requests ---- */

static void take_descriptors(struct msghdr *head, struct packet *packet)
{
	struct cmsghdr *item;

	packet->n_fds = 0;
	for (item = CMSG_FIRSTHDR(head); item; item = CMSG_NXTHDR(head, item)) {
		size_t n = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(packet->fds, CMSG_DATA(item), n * sizeof(int));
		packet->n_fds = n;
	}
}

static void close_descriptors(struct packet *packet)
{
	while (packet->n_fds > 0)
		close(packet->fds[--packet->n_fds]);
}

/* 1: a message. 0: none now. Negative: the connection is over; *ret_why is NULL if the peer just left. */
static int receive(struct connection *connection, struct packet *packet, const char **ret_why)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MSG_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { packet->buf, sizeof(packet->buf) };
	struct msghdr head = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n = recvmsg(connection->fd, &head, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	*ret_why = NULL;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	take_descriptors(&head, packet);
	if (n == 0 && packet->n_fds == 0)
		return -ECONNRESET;
	if (head.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
		close_descriptors(packet);
		*ret_why = "message too long";
		return -EMSGSIZE;
	}
	packet->len = (size_t)n;
	return 1;
}

static int answer(struct connection *connection, struct packet *packet, const char **ret_why)
{
	struct host *host = connection->host;
	const void *reply;
	long len;

	len = server_handle(host->server, connection->owner, packet->buf, packet->len, packet->fds,
			    packet->n_fds, time_now_us(), &reply, ret_why);
	if (host->endwatch)
		endwatch_kick(host->endwatch);
	/* First ours, then the reply: the application's own close() must be able to be the last one. */
	close_descriptors(packet);
	return len < 0 ? (int)len : outgoing_send_reply(connection, reply, (size_t)len);
}

static void on_readable(evutil_socket_t fd, short what, void *user_data)
{
	struct connection *connection = user_data;
	struct host *host = connection->host;
	struct packet packet;
	const char *why = NULL;

	(void)fd;
	(void)what;
	for (int i = 0; i < MESSAGES_PER_TURN && !connection->paused; i++) {
		int r = receive(connection, &packet, &why);

		if (r > 0)
			r = answer(connection, &packet, &why);
		else if (r == 0)
			break;
		if (r < 0) {
			if (why)
				host_complain(host, &connection->peer, why);
			connection_close(connection);
			return;
		}
		if (host->options.strangers && i == 0)
			break; /* nearly always there is no second one: spare the call that would say so */
	}
	host_schedule(host);
}

static void on_death(evutil_socket_t fd, short what, void *user_data)
{
	(void)fd;
	(void)what;
	connection_close(user_data);
}

/* ---- accepting ---- */

static int open_peer_pidfd(int fd, pid_t pid)
{
	int pidfd;
	socklen_t len = sizeof(pidfd);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0)
		return pidfd;
	return (int)syscall(SYS_pidfd_open, pid, 0); /* close-on-exec by nature */
}

static void read_comm(pid_t pid, char comm[static 16])
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, comm, 15);
	close(fd);
	comm[n > 0 ? n : 0] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	/* A program chooses its name; it is shown on other people's terminals, and as JSON. */
	for (char *c = comm; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

static size_t clients_of(const struct host *host, uid_t uid)
{
	const struct connection *connection;
	size_t n = 0;

	DL_FOREACH(host->connections, connection)
		n += connection->peer.uid == uid;
	return n;
}

static const char *refuse(const struct host *host, const struct ucred *peer)
{
	if (host->n_connections >= host->options.max_clients)
		return "too many clients";
	if (peer->uid != 0 && clients_of(host, peer->uid) >= host->options.max_clients_per_user)
		return "too many clients of this user";
	return NULL;
}

/* Our end of the connection was made in the network namespace of the peer, who connected. */
static bool is_elsewhere(const struct connection *connection)
{
	uint64_t ours = connection->host->netns_cookie, theirs;
	socklen_t len = sizeof(theirs);

	return ours &&
	       getsockopt(connection->fd, SOL_SOCKET, SO_NETNS_COOKIE, &theirs, &len) == 0 &&
	       theirs != ours;
}

static int connection_start(struct connection *connection)
{
	struct host *host = connection->host;
	struct engine_owner_info info = { .uid = connection->peer.uid,
					  .pid = connection->peer.pid };
	struct event_base *base = host->options.base;
	int r;

	read_comm(connection->peer.pid, info.comm);
	info.elsewhere = is_elsewhere(connection);
	r = server_connect(host->server, &info, connection, &connection->owner);
	if (r < 0)
		return r;
	connection->readable =
		event_new(base, connection->fd, EV_READ | EV_PERSIST, on_readable, connection);
	if (!connection->readable || event_add(connection->readable, NULL) < 0)
		return -ENOMEM;
	if (!host->options.strangers)
		return 0;
	connection->pidfd = open_peer_pidfd(connection->fd, connection->peer.pid);
	if (connection->pidfd < 0)
		return 0; /* before Linux 5.3: hanging up must do */
	connection->death = event_new(base, connection->pidfd, EV_READ, on_death, connection);
	return connection->death && event_add(connection->death, NULL) == 0 ? 0 : -ENOMEM;
}

int host_accept(struct host *host, int fd)
{
	_cleanup_(closep) int owned = fd;
	struct connection *connection;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	const char *why;
	int r;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	why = refuse(host, &peer);
	if (why) {
		host_complain(host, &peer, why);
		return -ENOBUFS;
	}
	connection = calloc(1, sizeof(*connection));
	if (!connection)
		return -ENOMEM;
	*connection = (struct connection){
		.host = host, .peer = peer, .fd = steal_fd(&owned), .pidfd = -1
	};
	DL_APPEND(host->connections, connection);
	host->n_connections++;
	r = connection_start(connection);
	if (r < 0)
		connection_close(connection);
	return r;
}
