/* SPDX-License-Identifier: MIT */
/*
 * connections.c: see connections.h. Messages are short, and nearly always fit into the socket's buffer; what does not
 * is kept, up to a bound, until it does.
 */
#include "host/probe/connections.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A table that cannot grow is an error like any other. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "host/probe/throttle.h"
#include "probe/qlpb_wire.h"

#define FAMILIES 2 /* IPv4, IPv6 */
#define BACKLOG 32
#define ACCEPTS_PER_TURN 16
#define ACCEPTS_PER_S 500
#define NO_ROOM_MS 1000 /* when there are no descriptors left */
#define READ_LEN 4096
#define REST_MAX 65536

struct connection {
	struct connections *connections;
	uint32_t id;
	int fd;
	bool connecting;
	bool ours; /* the initiator is this host */
	struct event *readable, *writable;
	uint8_t *rest; /* has been written, and waits */
	size_t rest_len;
	UT_hash_handle hh;
};

struct listener {
	int fd;
	struct throttle throttle;
};

struct connections {
	struct connections_options options;
	struct listener listeners[FAMILIES];
	struct connection *table;
};

static struct connection *find(const struct connections *connections, uint32_t id)
{
	struct connection *connection;

	HASH_FIND_INT(connections->table, &id, connection);
	return connection;
}

static void drop(struct connection *connection)
{
	HASH_DEL(connection->connections->table, connection);
	if (connection->readable)
		event_free(connection->readable);
	if (connection->writable)
		event_free(connection->writable);
	close(connection->fd);
	free(connection->rest);
	free(connection);
}

static void fail(struct connection *connection, int error)
{
	struct connections_options *options = &connection->connections->options;
	uint32_t id = connection->id;

	drop(connection);
	options->closed(options->user_data, id, error);
}

/* ---- reading and writing ---- */

static void on_readable(evutil_socket_t fd, short what, void *user_data)
{
	struct connection *connection = user_data;
	struct connections_options *options = &connection->connections->options;
	uint8_t data[READ_LEN];
	ssize_t n;

	(void)what;
	n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
	if (n > 0)
		options->received(options->user_data, connection->id, data, (size_t)n);
	else if (n == 0)
		fail(connection, 0);
	else if (errno != EAGAIN && errno != EINTR)
		fail(connection, -errno);
}

static uint16_t local_port(int fd)
{
	struct sockaddr_storage sockaddr;
	socklen_t len = sizeof(sockaddr);
	struct address address;

	if (getsockname(fd, (struct sockaddr *)&sockaddr, &len) < 0 ||
	    address_from_sockaddr((struct sockaddr *)&sockaddr, len, &address) < 0)
		return 0;
	return address.port;
}

static void finish_connecting(struct connection *connection)
{
	struct connections_options *options = &connection->connections->options;
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error == 0 && event_add(connection->readable, NULL) < 0)
		error = ENOMEM;
	if (error != 0) {
		fail(connection, -error);
		return;
	}
	connection->connecting = false;
	options->connected(options->user_data, connection->id, local_port(connection->fd));
}

/* As much as fits. */
static int flush(struct connection *connection)
{
	ssize_t n = send(connection->fd, connection->rest, connection->rest_len,
			 MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	connection->rest_len -= (size_t)n;
	memmove(connection->rest, connection->rest + n, connection->rest_len);
	return 0;
}

static void on_writable(evutil_socket_t fd, short what, void *user_data)
{
	struct connection *connection = user_data;
	struct connections_options *options = &connection->connections->options;
	int r;

	(void)fd;
	(void)what;
	if (connection->connecting) {
		finish_connecting(connection);
		return;
	}
	r = connection->rest_len > 0 ? flush(connection) : 0;
	if (r == 0 && connection->rest_len > 0 && event_add(connection->writable, NULL) < 0)
		r = -ENOMEM;
	if (r < 0)
		fail(connection, r);
	else if (connection->rest_len == 0)
		options->writable(options->user_data, connection->id);
}

static int keep(struct connection *connection, const uint8_t *data, size_t len)
{
	uint8_t *grown;

	if (len == 0)
		return 0;
	if (connection->rest_len + len > REST_MAX)
		return -ENOBUFS;
	grown = realloc(connection->rest, connection->rest_len + len);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + connection->rest_len, data, len);
	connection->rest = grown;
	connection->rest_len += len;
	return 0;
}

int connections_write(struct connections *connections, uint32_t id, const uint8_t *data, size_t len)
{
	struct connection *connection = find(connections, id);
	ssize_t n = 0;
	int r;

	if (!connection || connection->connecting)
		return -ENOTCONN;
	if (connection->rest_len == 0) {
		n = send(connection->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		n = n < 0 ? 0 : n;
	}
	r = keep(connection, data + n, len - (size_t)n);
	/* Only who fills a path wants to know when there is room again. */
	if (r == 0 && (connection->rest_len > 0 || connection->ours) &&
	    event_add(connection->writable, NULL) < 0)
		r = -ENOMEM;
	return r;
}

void connections_close(struct connections *connections, uint32_t id)
{
	struct connection *connection = find(connections, id);

	if (connection)
		drop(connection);
}

/* ---- beginning ---- */

static int set(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Takes the descriptor over if it returns 0. */
static int add(struct connections *connections, uint32_t id, int fd, bool ours)
{
	struct event_base *base = connections->options.base;
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return -ENOMEM;
	connection->connections = connections;
	connection->id = id;
	connection->ours = connection->connecting = ours;
	connection->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, connection);
	connection->writable = event_new(base, fd, EV_WRITE, on_writable, connection);
	if (connection->readable && connection->writable &&
	    event_add(ours ? connection->writable : connection->readable, NULL) == 0) {
		HASH_ADD_INT(connections->table, id, connection);
		if (connection->hh.tbl) {
			connection->fd = fd;
			return 0;
		}
	}
	if (connection->readable)
		event_free(connection->readable);
	if (connection->writable)
		event_free(connection->writable);
	free(connection);
	return -ENOMEM;
}

int connections_connect(struct connections *connections, uint32_t id, const struct address *sink,
			uint32_t ifindex)
{
	struct address to = *sink;
	struct sockaddr_storage sockaddr;
	_cleanup_(closep) int fd = socket(to.family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	to.port = QLPB_PORT;
	if (address_is_link_local(&to) && to.scope == 0)
		to.scope = ifindex;
	address_to_sockaddr(&to, &sockaddr);
	/* Old kernels let only root say so; then the routing table decides, which knows the same way. */
	if (ifindex != 0)
		(void)set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, (int)ifindex);
	(void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (connect(fd, (struct sockaddr *)&sockaddr,
		    to.family == AF_INET ? sizeof(struct sockaddr_in)
					 : sizeof(struct sockaddr_in6)) < 0 &&
	    errno != EINPROGRESS)
		return -errno;
	r = add(connections, id, fd, true);
	if (r == 0)
		(void)steal_fd(&fd);
	return r;
}

/* ---- those of others ---- */

static void take(struct connections *connections, int taken, const struct sockaddr *sockaddr,
		 socklen_t len)
{
	struct connections_options *options = &connections->options;
	_cleanup_(closep) int fd = taken;
	struct address remote;
	uint32_t id;

	if (address_from_sockaddr(sockaddr, len, &remote) < 0 ||
	    options->accepted(options->user_data, &remote, &id) < 0)
		return;
	(void)set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (add(connections, id, fd, false) == 0)
		(void)steal_fd(&fd);
	else
		options->closed(options->user_data, id, -ENOMEM);
}

static struct listener *listener_of(struct connections *connections, int fd)
{
	return &connections->listeners[connections->listeners[0].fd == fd ? 0 : 1];
}

static void on_arrival(evutil_socket_t fd, short what, void *user_data)
{
	struct connections *connections = user_data;
	struct listener *listener = listener_of(connections, fd);
	struct sockaddr_storage sockaddr;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		socklen_t len = sizeof(sockaddr);
		int taken;

		if (!throttle_take(&listener->throttle, time_now_us()))
			return;
		taken = accept4(fd, (struct sockaddr *)&sockaddr, &len,
				SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (taken >= 0) {
			take(connections, taken, (struct sockaddr *)&sockaddr, len);
			continue;
		}
		/* Else the loop would run on and on, as the one who waits stays. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			throttle_rest(&listener->throttle, NO_ROOM_MS);
		return;
	}
}

static int open_listener(int family, int *ret_fd)
{
	const struct address any = { .family = (uint16_t)family, .port = QLPB_PORT };
	_cleanup_(closep) int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_storage sockaddr;
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in)
					  : sizeof(struct sockaddr_in6);

	if (fd < 0)
		return -errno;
	/* Connections of the daemon before that are still parting do no harm. */
	if (set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0 ||
	    (family == AF_INET6 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) < 0))
		return -errno;
	address_to_sockaddr(&any, &sockaddr);
	if (bind(fd, (struct sockaddr *)&sockaddr, len) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int listen_to(struct connections *connections, struct listener *listener, int family)
{
	int r = open_listener(family, &listener->fd);

	if (r < 0)
		return r == -EAFNOSUPPORT || (family == AF_INET6 && r == -EADDRNOTAVAIL) ? 0 : r;
	r = throttle_start(&listener->throttle, connections->options.base, listener->fd,
			   ACCEPTS_PER_S, on_arrival, connections);
	if (r == 0)
		return 0;
	close(listener->fd);
	listener->fd = -1;
	return r;
}

int connections_listen(struct connections *connections)
{
	int error = 0, r;

	for (int i = 0; i < FAMILIES; i++) {
		struct listener *listener = &connections->listeners[i];

		if (listener->fd >= 0)
			continue;
		r = listen_to(connections, listener, i == 0 ? AF_INET : AF_INET6);
		if (error == 0)
			error = r;
	}
	return error;
}

bool connections_listens(const struct connections *connections, int family)
{
	return connections->listeners[family == AF_INET6].fd >= 0;
}

/* ---- life ---- */

int connections_new(const struct connections_options *options, struct connections **ret_connections)
{
	struct connections *connections = calloc(1, sizeof(*connections));

	if (!connections)
		return -ENOMEM;
	connections->options = *options;
	for (int i = 0; i < FAMILIES; i++)
		connections->listeners[i].fd = -1;
	*ret_connections = connections;
	return 0;
}

struct connections *connections_free(struct connections *connections)
{
	struct connection *connection, *next;

	if (!connections)
		return NULL;
	HASH_ITER(hh, connections->table, connection, next)
		drop(connection);
	for (int i = 0; i < FAMILIES; i++) {
		throttle_stop(&connections->listeners[i].throttle);
		if (connections->listeners[i].fd >= 0)
			close(connections->listeners[i].fd);
	}
	free(connections);
	return NULL;
}
