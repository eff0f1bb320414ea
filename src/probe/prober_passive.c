/* SPDX-License-Identifier: MIT */
/*
 * prober_passive.c: what the host sees anyway, for paths that somebody uses: the queue of the interface, and the TCP
 * connections that take the path. Of these the first few that are there count as one: what they have sent and lost
 * is added up, and of their delays that of the one counts that has sent the most since it was looked at last, as
 * those of the others may be old.
 */
#include "probe/prober_internal.h"

#include <errno.h>
#include <stdlib.h>

#define SOCKETS_MAX 4
/* So many are asked for until as many are there. */
#define ASKED_MAX 8

static struct tcp_socket *find(const struct prober_path *path, uint64_t cookie)
{
	struct tcp_socket *socket;

	HASH_FIND(hh, path->sockets, &cookie, sizeof(cookie), socket);
	return socket;
}

int prober_add_socket(struct prober *prober, struct prober_path *path, uint64_t cookie)
{
	struct tcp_socket *socket = find(path, cookie);

	if (socket)
		return 0;
	socket = calloc(1, sizeof(*socket));
	if (!socket)
		return -ENOMEM;
	socket->cookie = cookie;
	HASH_ADD(hh, path->sockets, cookie, sizeof(cookie), socket);
	return 0;
}

static void forget(struct prober_path *path, struct tcp_socket *socket)
{
	HASH_DEL(path->sockets, socket);
	free(socket);
	if (path->sockets)
		return;
	path->tcp = (struct passive_tcp){ 0 };
	path_forget_tcp(path->path);
}

void prober_remove_socket(struct prober *prober, struct prober_path *path, uint64_t cookie)
{
	struct tcp_socket *socket = find(path, cookie);

	if (socket)
		forget(path, socket);
}

void prober_forget_sockets(struct prober_path *path)
{
	struct tcp_socket *socket, *next;

	HASH_ITER(hh, path->sockets, socket, next)
		forget(path, socket);
}

/* What a total has grown by. */
static uint64_t grown(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* Adds what it has done; how many segments it has sent. What it did before it was known does not count. */
static uint64_t add(struct passive_tcp *sum, struct tcp_socket *socket,
		    const struct passive_tcp *now)
{
	const struct passive_tcp *last = socket->seen ? &socket->last : now;
	uint64_t sent = grown(now->segments_sent, last->segments_sent);

	sum->segments_sent += sent;
	sum->segments_retransmitted +=
		grown(now->segments_retransmitted, last->segments_retransmitted);
	sum->marked += grown(now->marked, last->marked);
	socket->last = *now;
	socket->seen = true;
	return sent;
}

static bool look_at_sockets(struct prober_path *path)
{
	const struct prober_ports *ports = &path->prober->ports;
	struct passive_tcp *sum = &path->tcp, now;
	unsigned n = 0, asked = 0;
	struct tcp_socket *socket;
	uint64_t most = 0;

	sum->delivery_rate_bps = 0;
	for (socket = path->sockets; socket && n < SOCKETS_MAX && asked < ASKED_MAX;
	     socket = socket->hh.next, asked++) {
		uint64_t sent;

		if (!ports->tcp(ports->user_data, socket->cookie, &now))
			continue;
		sent = add(sum, socket, &now);
		sum->delivery_rate_bps += now.delivery_rate_bps;
		if (n++ > 0 && sent <= most)
			continue;
		most = sent;
		sum->rtt_us = now.rtt_us;
		sum->min_rtt_us = now.min_rtt_us;
		sum->app_limited = now.app_limited;
	}
	return n > 0;
}

void prober_look(struct prober_path *path, uint64_t now_us)
{
	const struct prober_ports *ports = &path->prober->ports;
	struct passive_queue queue;

	if (path->sockets && look_at_sockets(path))
		path_tcp(path->path, &path->tcp, now_us);
	if (ports->queue(ports->user_data, path->key.ifindex, &queue))
		path_queue(path->path, &queue, now_us);
}
