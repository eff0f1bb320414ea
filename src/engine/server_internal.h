/* SPDX-License-Identifier: MIT */
/*
 * server_internal.h: a server and one request on its way through it, shared by the files that handle requests.
 */
#ifndef GW_ENGINE_SERVER_INTERNAL_H
#define GW_ENGINE_SERVER_INTERNAL_H

#include "engine/provider.h"
#include "engine/server.h"
#include "engine/signalling.h"

/* A descriptor that came with the request in hand. */
struct passed {
	uint64_t cookie;
	int fd;
};

/* What the routes have last said while a request is handled: several parts of it ask the same. */
struct asked_route {
	bool handling, known;
	struct address destination, local;
	int bound_ifindex;
	struct engine_route route;
	int r;
};

/* Of the entries in the datapath; the next one is made when this one is not good any more. */
struct count {
	uint64_t entries;
	uint64_t good_until_us;
};

struct server {
	struct server_ports ports;
	struct engine *engine;
	struct provider *provider;
	enum gw_mode mode;
	char version[32];
	struct passed passed[MSG_MAX_FDS];
	size_t n_passed;
	struct count last_count;
	struct asked_route asked_route;
	const struct signalling *signalling; /* the host's; NULL: it does not signal */
	unsigned char out[MSG_MAX];
};

/* One request on its way through. */
struct call {
	struct server *server;
	struct owner *owner;
	const struct msg *request;
	struct msg reply;
	bool deferred; /* it is answered later: server.c, port_completed() */
	long len; /* of the reply in server->out, once a handler has written it itself; else 0 */
	const int *fds;
	size_t n_fds;
	uint64_t now_us;
};

/* server_rates.c */
int server_on_run(struct call *call);
int server_on_reserve(struct call *call);
int server_on_add_tuple(struct call *call);

/* server_seen.c */
int server_on_enumerate(struct call *call);
int server_on_list(struct call *call);
int server_on_status(struct call *call);
int server_on_facts(struct call *call);
int server_on_watch(struct call *call);

/* server_signalling.c */
int server_on_rsvp_open(struct call *call);
int server_on_rsvp_send(struct call *call);
int server_on_rsvp_reserve(struct call *call);
int server_on_rsvp_close(struct call *call);
int server_on_rsvp_list(struct call *call);
int server_on_rsvp_watch(struct call *call);
int server_on_rsvp_diagnose(struct call *call);

/* server_qos.c */
int server_on_qos_set(struct call *call);
int server_on_qos_look(struct call *call);
int server_on_qos_end(struct call *call);
int server_on_qos_join(struct call *call);
int server_on_qos_leave(struct call *call);
int server_on_qos_query(struct call *call);

/* As server_signal(), of the QoS of a socket, which stands in place of the token. */
void server_signal_socket(struct server *server, struct owner *owner, enum gw_event_type type,
			  uint64_t socket, const struct gw_rsvp_record *record);

#endif
