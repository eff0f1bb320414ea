/* SPDX-License-Identifier: MIT */
/*
 * farewell.c: letting go of what strangers have passed, and of their connections, without waiting for it
 * (parting.h). A reply must not be sent before our copies of its request's descriptors are closed: while that lasts
 * the connection rests. A user who has many such partings under way is not read from at all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "host/internal.h"
#include "host/parting.h"

struct farewell {
	struct host *host;
	struct host_user *user;
	struct connection *connection; /* NULL: it has gone, or it is what is being closed */
	size_t len;
	unsigned char reply[];
};

/* Those who rested because of the user's other connections. */
static void wake_others(struct host *host, const struct host_user *user)
{
	struct connection *connection, *next;

	if (user_is_parting(user))
		return;
	DL_FOREACH_SAFE(host->connections, connection, next) {
		if (connection->user == user && connection->rests) {
			connection->rests = false;
			connection_read_on(connection);
		}
	}
}

static void on_done(void *user_data)
{
	struct farewell *farewell = user_data;
	struct connection *connection = farewell->connection;
	struct host_user *user = farewell->user;
	struct host *host = farewell->host;

	user->n_partings--;
	user->n_clients++; /* it must not go before we have done with it */
	if (connection) {
		connection->farewell = NULL;
		if (outgoing_send_reply(connection, farewell->reply, farewell->len) < 0)
			connection_close(connection);
		else
			connection_read_on(connection);
	}
	free(farewell);
	wake_others(host, user);
	user->n_clients--;
	user_release(host, user);
}

static struct farewell *farewell_new(struct host *host, struct host_user *user, const void *reply,
				     size_t len)
{
	struct farewell *farewell = malloc(sizeof(*farewell) + len);

	if (!farewell)
		return NULL;
	*farewell = (struct farewell){ .host = host, .user = user, .len = len };
	if (len > 0)
		memcpy(farewell->reply, reply, len);
	user->n_partings++;
	return farewell;
}

/* Closes those that take no time; the others remain. */
static void close_quick(struct packet *packet)
{
	size_t n = 0;

	for (size_t i = 0; i < packet->n_fds; i++) {
		if (parting_is_quick(packet->fds[i]))
			close(packet->fds[i]);
		else
			packet->fds[n++] = packet->fds[i];
	}
	packet->n_fds = n;
}

static void close_all(struct packet *packet)
{
	while (packet->n_fds > 0)
		close(packet->fds[--packet->n_fds]);
}

int farewell_then_reply(struct connection *connection, struct packet *packet, const void *reply,
			size_t len)
{
	struct host *host = connection->host;
	struct farewell *farewell;

	if (!host->partings)
		close_all(packet);
	else
		close_quick(packet);
	if (packet->n_fds == 0)
		return outgoing_send_reply(connection, reply, len);
	farewell = farewell_new(host, connection->user, reply, len);
	if (!farewell)
		return -ENOMEM; /* the packet's descriptors go with the connection */
	farewell->connection = connection;
	connection->farewell = farewell;
	event_del(connection->readable);
	partings_begin(host->partings, packet->fds, packet->n_fds, on_done, farewell);
	packet->n_fds = 0;
	return 0;
}

void farewell_descriptors(struct connection *connection, struct packet *packet)
{
	struct host *host = connection->host;
	struct farewell *farewell = NULL;

	if (host->partings)
		close_quick(packet);
	if (host->partings && packet->n_fds > 0)
		farewell = farewell_new(host, connection->user, NULL, 0);
	if (farewell)
		partings_begin(host->partings, packet->fds, packet->n_fds, on_done, farewell);
	else
		close_all(packet);
	packet->n_fds = 0;
}

void farewell_connection(struct connection *connection)
{
	struct host *host = connection->host;
	struct host_user *user = connection->user;

	if (connection->farewell)
		connection->farewell->connection = NULL;
	user->n_clients--;
	host->n_clients--;
	farewell_stranger(host, user, connection->fd);
}

/* What was sent and not read goes with the connection, and may take its time. */
void farewell_stranger(struct host *host, struct host_user *user, int fd)
{
	struct farewell *farewell = NULL;

	if (host->partings && !packets_all_read(fd))
		farewell = farewell_new(host, user, NULL, 0);
	if (farewell) {
		partings_begin_last(host->partings, fd, on_done, farewell);
		return;
	}
	close(fd);
	user_release(host, user);
}
