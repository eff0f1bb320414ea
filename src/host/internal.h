/* SPDX-License-Identifier: MIT */
/*
 * internal.h: a host and its connections, shared by the files of this folder.
 */
#ifndef GW_HOST_INTERNAL_H
#define GW_HOST_INTERNAL_H

#include "datapath/route.h"
#include "host/host.h"

struct endwatch;

struct outgoing;

struct connection {
	struct host *host;
	struct owner *owner;
	struct ucred peer;
	int fd;
	int pidfd;		   /* of the peer process, or -1 */
	uint64_t lost;		   /* events that did not fit and have not been told of */
	bool roomy;		   /* has been given all the room for events there is */
	struct outgoing *outgoing; /* what must arrive and did not fit */
	bool paused; /* a reply is among it: no request is read before that has gone */
	struct event *readable;
	struct event *writable;
	struct event *death;
	struct connection *prev, *next;
};

struct host {
	struct host_options options;
	struct server *server;
	struct route *route;
	struct event *tick;
	struct endwatch *endwatch; /* or NULL; not the host's to free */
	uint64_t scheduled_us;
	uint64_t netns_cookie;
	struct connection *connections;
	size_t n_connections;
};

void connection_close(struct connection *connection);
void connection_send_event(struct connection *connection, const void *buf, size_t len,
			   bool must_arrive);

/*
 * outgoing.c: sends now or, in order, as soon as there is room. Negative: neither can be, or the peer has gone.
 */
int outgoing_send(struct connection *connection, const void *buf, size_t len);
int outgoing_send_reply(struct connection *connection, const void *buf, size_t len);
void outgoing_free(struct connection *connection);

void host_complain(struct host *host, const struct ucred *peer, const char *why);

#endif
