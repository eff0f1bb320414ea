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
#define ROOMY_PER_USER 8	 /* of those who may have so many; does not bind root */
#define RESERVED_FOR_ROOT 64	 /* clients */

void connection_close(struct connection *connection)
{
	struct host *host = connection->host;

	DL_DELETE(host->connections, connection);
	if (connection->owner)
		server_disconnect(host->server, connection->owner, time_now_us());
	if (connection->readable)
		event_free(connection->readable);
	if (connection->death)
		event_free(connection->death);
	outgoing_free(connection);
	if (connection->pidfd >= 0)
		close(connection->pidfd);
	if (connection->roomy)
		connection->user->n_roomy--;
	farewell_connection(connection);
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

bool connection_has_net_admin(const struct connection *connection)
{
	return connection->net_admin;
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
static void make_room(struct connection *connection)
{
	struct host_user *user = connection->user;
	int size = EVENT_ROOM_MAX;

	if (user->uid != 0 && user->n_roomy >= ROOMY_PER_USER)
		return;
	user->n_roomy++;
	connection->roomy = true;
	setsockopt(connection->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
}

/* Asks the kernel; that it has none is remembered until the peer has read. */
static bool find_room(struct connection *connection)
{
	if (connection->full)
		return false;
	if (has_room_for_events(connection))
		return true;
	if (!connection->roomy)
		make_room(connection);
	if (has_room_for_events(connection))
		return true;
	connection->full = outgoing_wait_for_room(connection) == 0;
	return false;
}

void connection_send_event(struct connection *connection, const void *buf, size_t len,
			   bool must_arrive)
{
	if (must_arrive && outgoing_send(connection, buf, len) == 0)
		return;
	if (!must_arrive && !connection->outgoing && find_room(connection)) {
		if (connection->lost > 0 && tell_of_loss(connection))
			connection->lost = 0;
		if (connection->lost == 0 && send_now(connection, buf, len))
			return;
	}
	connection->lost++;
}

/* ---- requests ---- */

static int answer(struct connection *connection, struct packet *packet, const char **ret_why)
{
	struct host *host = connection->host;
	const void *reply;
	long len;

	len = server_handle(host->server, connection->owner, packet->buf, packet->len, packet->fds,
			    packet->n_fds, time_now_us(), &reply, ret_why);
	if (host->endwatch)
		endwatch_kick(host->endwatch);
	if (len == 0) { /* the reply comes later */
		farewell_descriptors(connection, packet);
		return 0;
	}
	/* First ours, then the reply: the application's own close() must be able to be the last one. */
	return len < 0 ? (int)len : farewell_then_reply(connection, packet, reply, (size_t)len);
}

void connection_read_on(struct connection *connection)
{
	if (connection->paused || connection->farewell || connection->rests)
		return;
	if (event_add(connection->readable, NULL) < 0)
		connection_close(connection);
}

/* Whether the user's other connections let this one be read. */
static bool may_read(struct connection *connection)
{
	if (!user_is_parting(connection->user))
		return true;
	connection->rests = true;
	event_del(connection->readable);
	return false;
}

static void on_readable(evutil_socket_t fd, short what, void *user_data)
{
	struct connection *connection = user_data;
	struct host *host = connection->host;
	struct packet packet;
	const char *why = NULL;

	(void)fd;
	(void)what;
	for (int i = 0; i < MESSAGES_PER_TURN; i++) {
		int r;

		if (connection->paused || connection->farewell || !may_read(connection))
			break;
		r = packet_receive(connection->fd, &packet, &why);
		connection->speaker = packet.sender;
		if (r > 0)
			r = answer(connection, &packet, &why);
		else if (r == 0)
			break;
		if (r < 0) {
			if (why)
				host_complain(host, &connection->peer, why);
			farewell_descriptors(connection, &packet);
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

void host_process_name(pid_t pid, char ret_name[static 16])
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, ret_name, 15);
	close(fd);
	ret_name[n > 0 ? n : 0] = '\0';
	ret_name[strcspn(ret_name, "\n")] = '\0';
	/* A program chooses its name; it is shown on other people's terminals, and as JSON. */
	for (char *c = ret_name; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

/*
 * Root always gets in. Of the others nobody may hold more than is still free, so that whoever comes finds something,
 * however many users one person has at hand.
 */
static const char *refuse(const struct host *host, const struct host_user *user)
{
	const struct host_options *options = &host->options;
	size_t limit = options->max_clients;

	if (user->uid == 0)
		limit += RESERVED_FOR_ROOT;
	if (host->n_clients >= limit)
		return "too many clients";
	if (user->uid == 0)
		return NULL;
	if (user->n_clients >= options->max_clients_per_user)
		return "too many clients of this user";
	if (user->n_clients >= limit - host->n_clients)
		return "too many clients of this user for the few that are left";
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

	host_process_name(connection->peer.pid, info.comm);
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

static int connection_new(struct host *host, struct host_user *user, const struct ucred *peer,
			  int fd)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	int r;

	if (!connection) {
		close(fd);
		user_release(host, user);
		return -ENOMEM;
	}
	*connection = (struct connection){
		.host = host, .user = user, .peer = *peer, .fd = fd, .pidfd = -1
	};
	DL_APPEND(host->connections, connection);
	user->n_clients++;
	host->n_clients++;
	r = connection_start(connection);
	if (r < 0)
		connection_close(connection);
	return r;
}

int host_accept(struct host *host, int fd)
{
	_cleanup_(closep) int owned = fd;
	struct host_user *user;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	const char *why;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	if (host->options.strangers)
		packets_name_senders(fd);
	user = user_obtain(host, peer.uid);
	if (!user)
		return -ENOMEM;
	why = refuse(host, user);
	if (!why)
		return connection_new(host, user, &peer, steal_fd(&owned));
	host_complain(host, &peer, why);
	farewell_stranger(host, user, steal_fd(&owned));
	return -ENOBUFS;
}
