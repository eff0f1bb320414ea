/* SPDX-License-Identifier: MIT */
/*
 * outgoing.c: messages that must arrive, replies and completions, when the peer's end of the connection is full.
 * They wait here in their order. While a reply is among them no further request is read, so there are never more
 * of them than one reply and the requests that the engine lets an owner have pending.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#include "host/internal.h"

struct outgoing {
	struct outgoing *prev, *next;
	size_t len;
	unsigned char bytes[];
};

static int send_now(const struct connection *connection, const void *buf, size_t len)
{
	return send(connection->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void take_first(struct connection *connection)
{
	struct outgoing *first = connection->outgoing;

	DL_DELETE(connection->outgoing, first);
	free(first);
}

static void on_writable(evutil_socket_t fd, short what, void *user_data)
{
	struct connection *connection = user_data;

	(void)fd;
	(void)what;
	while (connection->outgoing) {
		const struct outgoing *first = connection->outgoing;
		int r = send_now(connection, first->bytes, first->len);

		if (r == -EAGAIN)
			return;
		if (r < 0) {
			connection_close(connection);
			return;
		}
		take_first(connection);
	}
	event_del(connection->writable);
	connection->full = false;
	if (connection->paused) {
		connection->paused = false;
		connection_read_on(connection);
	}
}

int outgoing_wait_for_room(struct connection *connection)
{
	if (!connection->writable)
		connection->writable = event_new(connection->host->options.base, connection->fd,
						 EV_WRITE | EV_PERSIST, on_writable, connection);
	return connection->writable && event_add(connection->writable, NULL) == 0 ? 0 : -ENOMEM;
}

static int queue(struct connection *connection, const void *buf, size_t len)
{
	struct outgoing *outgoing = malloc(sizeof(*outgoing) + len);

	if (!outgoing || outgoing_wait_for_room(connection) < 0) {
		free(outgoing);
		return -ENOMEM;
	}
	outgoing->len = len;
	memcpy(outgoing->bytes, buf, len);
	DL_APPEND(connection->outgoing, outgoing);
	return 0;
}

int outgoing_send(struct connection *connection, const void *buf, size_t len)
{
	int r = -EAGAIN;

	if (!connection->outgoing)
		r = send_now(connection, buf, len);
	return r == -EAGAIN ? queue(connection, buf, len) : r;
}

int outgoing_send_reply(struct connection *connection, const void *buf, size_t len)
{
	int r = outgoing_send(connection, buf, len);

	if (r == 0 && connection->outgoing && !connection->paused) {
		connection->paused = true;
		event_del(connection->readable);
	}
	return r;
}

void outgoing_free(struct connection *connection)
{
	while (connection->outgoing)
		take_first(connection);
	if (connection->writable)
		event_free(connection->writable);
}
