/* SPDX-License-Identifier: MIT */
/* probe_tcp.c: TCP of the simulated net: see probe_net.h. */
#include "probe_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STALL_NS UINT64_C(200000000)

enum segment_kind {
	SEGMENT_OPEN,	/* to who listens */
	SEGMENT_OPENED, /* to who connects */
	SEGMENT_REFUSED,
	SEGMENT_DATA,
	SEGMENT_END,
	SEGMENT_ROOM, /* what was written has left: to who wrote it */
	SEGMENT_READ, /* the program looks into its inbox */
};

struct segment {
	struct event event;
	struct probe_connection *connection;
	unsigned end; /* to which it goes */
	enum segment_kind kind;
	size_t len;
	uint8_t data[];
};

static void arrive(struct event *event);

static void put(struct probe_connection *connection, unsigned end, enum segment_kind kind,
		const uint8_t *data, size_t len, uint64_t at_ns)
{
	struct segment *segment = calloc(1, sizeof(*segment) + len);

	if (!segment)
		abort();
	segment->event.happen = arrive;
	segment->connection = connection;
	segment->end = end;
	segment->kind = kind;
	segment->len = len;
	if (len > 0)
		memcpy(segment->data, data, len);
	connection->in_flight++;
	queue_set(&connection->net->queue, &segment->event, at_ns);
}

static uint64_t delay_ns(const struct probe_connection *connection)
{
	uint64_t ns = 0;

	for (unsigned i = 0; i < 2; i++) {
		const struct probe_host_plan *plan = &connection->ends[i].host->plan;

		ns += plan->up.delay_ns + plan->down.delay_ns;
	}
	return ns / 2 + 1000;
}

/* From the other end to this one, behind all that was sent before. */
static void send_to(struct probe_connection *connection, unsigned end, enum segment_kind kind,
		    const uint8_t *data, size_t len)
{
	struct probe_net *net = connection->net;
	struct probe_end *from = &connection->ends[1 - end];
	uint64_t at_ns = net->now_ns + delay_ns(connection);

	if (dice_chance(&net->dice, net->tcp_stall))
		at_ns += STALL_NS;
	if (at_ns < from->last_ns)
		at_ns = from->last_ns;
	from->last_ns = at_ns;
	put(connection, end, kind, data, len, at_ns);
}

/* ---- what arrives ---- */

static void close_end(struct probe_connection *connection, unsigned end)
{
	if (!connection->ends[end].open)
		return;
	connection->ends[end].open = false;
	send_to(connection, 1 - end, SEGMENT_END, NULL, 0);
}

static void accept_it(struct probe_connection *connection)
{
	struct probe_end *end = &connection->ends[1], *other = &connection->ends[0];
	struct address remote = { 0 };

	if (end->host->plan.deaf) {
		send_to(connection, 0, SEGMENT_REFUSED, NULL, 0);
		return;
	}
	send_to(connection, 0, SEGMENT_OPENED, NULL, 0);
	remote = other->host->address;
	remote.port = connection->port;
	end->open = true;
	if (qlpb_accept(end->host->qlpb, &remote, 1, &end->connection,
			probe_host_now_us(end->host)) < 0)
		close_end(connection, 1);
}

/* The program reads: all that is there, as one piece or as two. */
static void read_inbox(struct probe_connection *connection, unsigned number)
{
	struct probe_end *end = &connection->ends[number];
	struct qlpb *qlpb = end->host->qlpb;
	uint64_t now_us = probe_host_now_us(end->host);
	size_t len = end->inbox_len;
	size_t first = dice_below(&connection->net->dice, (uint32_t)len + 1);
	uint8_t *inbox = end->inbox;

	end->inbox = NULL;
	end->inbox_len = 0;
	end->host->tcp_in_bytes += len;
	if (first > 0)
		qlpb_received(qlpb, end->connection, inbox, first, now_us);
	if (len > first && end->open)
		qlpb_received(qlpb, end->connection, inbox + first, len - first, now_us);
	free(inbox);
	if (end->finished && end->open) {
		close_end(connection, number);
		qlpb_closed(qlpb, end->connection, 0, now_us);
	}
}

static void keep(struct probe_connection *connection, const struct segment *segment)
{
	struct probe_end *end = &connection->ends[segment->end];

	if (segment->kind == SEGMENT_END)
		end->finished = true;
	if (segment->len > 0) {
		end->inbox = realloc(end->inbox, end->inbox_len + segment->len);
		if (!end->inbox)
			abort();
		memcpy(end->inbox + end->inbox_len, segment->data, segment->len);
		end->inbox_len += segment->len;
	}
	put(connection, segment->end, SEGMENT_READ, NULL, 0, probe_host_sees_ns(end->host));
}

static void handle(struct probe_connection *connection, const struct segment *segment)
{
	struct probe_end *end = &connection->ends[segment->end];
	uint64_t now_us = probe_host_now_us(end->host);

	if (end->host->dead)
		return;
	if (segment->kind == SEGMENT_OPEN) {
		accept_it(connection);
		return;
	}
	if (!end->open)
		return;
	if (end->connection == 0) { /* opened by hand: nobody reads */
		if (segment->kind == SEGMENT_END || segment->kind == SEGMENT_REFUSED)
			end->open = false;
		return;
	}
	switch (segment->kind) {
	case SEGMENT_OPEN:
		break;
	case SEGMENT_OPENED:
		qlpb_connected(end->host->qlpb, end->connection, connection->port, now_us);
		break;
	case SEGMENT_REFUSED:
		end->open = false;
		qlpb_closed(end->host->qlpb, end->connection, -ECONNREFUSED, now_us);
		break;
	case SEGMENT_DATA:
	case SEGMENT_END:
		keep(connection, segment);
		break;
	case SEGMENT_ROOM:
		qlpb_writable(end->host->qlpb, end->connection, now_us);
		break;
	case SEGMENT_READ:
		read_inbox(connection, segment->end);
		break;
	}
}

static void forget(struct probe_connection *connection)
{
	free(connection->ends[0].inbox);
	free(connection->ends[1].inbox);
	memset(connection, 0, sizeof(*connection));
}

void probe_tcp_free(struct probe_net *net)
{
	for (unsigned i = 0; i < PROBE_NET_CONNECTIONS; i++)
		forget(&net->connections[i]);
}

static void arrive(struct event *event)
{
	struct segment *segment = (struct segment *)event;
	struct probe_connection *connection = segment->connection;
	struct probe_host *host = connection->ends[segment->end].host;

	handle(connection, segment);
	free(segment);
	probe_host_called(host);
	connection->in_flight--;
	if (connection->in_flight == 0 && !connection->ends[0].open && !connection->ends[1].open)
		forget(connection);
}

/* ---- what hosts do ---- */

static struct probe_connection *connection_new(struct probe_host *host, uint32_t number,
					       struct probe_host *sink)
{
	struct probe_net *net = host->net;

	for (unsigned i = 0; i < PROBE_NET_CONNECTIONS; i++) {
		struct probe_connection *connection = &net->connections[i];

		if (connection->used)
			continue;
		connection->net = net;
		connection->used = true;
		connection->port = host->next_port++;
		connection->ends[0].host = host;
		connection->ends[0].connection = number;
		connection->ends[0].open = true;
		connection->ends[1].host = sink;
		send_to(connection, 1, SEGMENT_OPEN, NULL, 0);
		return connection;
	}
	return NULL;
}

int probe_tcp_connect(struct probe_host *host, uint32_t number, struct probe_host *sink)
{
	return connection_new(host, number, sink) ? 0 : -EMFILE;
}

static struct probe_connection *find(struct probe_host *host, uint32_t number, unsigned *ret_end)
{
	struct probe_net *net = host->net;

	for (unsigned i = 0; i < 2 * PROBE_NET_CONNECTIONS; i++) {
		struct probe_connection *connection = &net->connections[i / 2];
		struct probe_end *end = &connection->ends[i % 2];

		if (connection->used && end->open && end->host == host &&
		    end->connection == number) {
			*ret_end = i % 2;
			return connection;
		}
	}
	return NULL;
}

int probe_tcp_write(struct probe_host *host, uint32_t number, const uint8_t *data, size_t len)
{
	unsigned end;
	struct probe_connection *connection = find(host, number, &end);
	size_t first;

	if (!connection)
		return -EPIPE;
	host->tcp_out_bytes += len;
	first = dice_below(&host->net->dice, (uint32_t)len);
	if (first > 0)
		send_to(connection, 1 - end, SEGMENT_DATA, data, first);
	send_to(connection, 1 - end, SEGMENT_DATA, data + first, len - first);
	if (end == 0)
		put(connection, end, SEGMENT_ROOM, NULL, 0,
		    host->net->now_ns + len * UINT64_C(8000000000) / host->plan.up.rate_bps);
	return 0;
}

void probe_tcp_close(struct probe_host *host, uint32_t number)
{
	unsigned end;
	struct probe_connection *connection = find(host, number, &end);

	if (connection)
		close_end(connection, end);
}

struct probe_connection *probe_host_connect(struct probe_host *host, struct probe_host *sink)
{
	return connection_new(host, 0, sink);
}

void probe_connection_write(struct probe_connection *connection, const uint8_t *data, size_t len)
{
	if (connection->used && connection->ends[0].open && len > 0)
		send_to(connection, 1, SEGMENT_DATA, data, len);
}

void probe_connection_close(struct probe_connection *connection)
{
	if (connection->used)
		close_end(connection, 0);
}
