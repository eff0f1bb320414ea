/* SPDX-License-Identifier: MIT */
/*
 * internal.h: a host and its connections, shared by the files of this folder.
 */
#ifndef GW_HOST_INTERNAL_H
#define GW_HOST_INTERNAL_H

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "datapath/route.h"
#include "host/host.h"
#include "host/packet.h"

struct endwatch;
struct farewell;
struct outgoing;
struct partings;

struct host_user {
	uid_t uid;
	size_t n_clients;
	size_t n_partings;
	size_t n_roomy;
	UT_hash_handle hh;
};

struct connection {
	struct host *host;
	struct owner *owner;
	struct host_user *user;
	struct ucred peer;
	pid_t speaker;	/* who has sent the message in hand; 0: not known */
	bool net_admin; /* the peer has proved that it had CAP_NET_ADMIN */
	int fd;
	int pidfd;		   /* of the peer process, or -1 */
	uint64_t lost;		   /* events that did not fit and have not been told of */
	bool roomy;		   /* has been given all the room for events there is */
	bool full;		   /* of events: none is tried before there is room again */
	struct outgoing *outgoing; /* what must arrive and did not fit */
	bool paused; /* a reply is among it: no request is read before that has gone */
	struct farewell *farewell; /* the reply waits until descriptors are closed */
	bool rests;		   /* the user has too many of those under way */
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
	struct host_user *users;
	size_t n_clients;
	struct partings *partings; /* NULL: nobody is a stranger */
};

void connection_close(struct connection *connection);
/* Reads requests again if nothing stands against it. */
void connection_read_on(struct connection *connection);
void connection_send_event(struct connection *connection, const void *buf, size_t len,
			   bool must_arrive);

/*
 * outgoing.c: sends now or, in order, as soon as there is room. Negative: neither can be, or the peer has gone.
 */
int outgoing_send(struct connection *connection, const void *buf, size_t len);
/* Events fit again once the peer has read most of them; -ENOMEM. */
int outgoing_wait_for_room(struct connection *connection);
int outgoing_send_reply(struct connection *connection, const void *buf, size_t len);
void outgoing_free(struct connection *connection);

/* user.c: the users of the connections */
struct host_user *user_obtain(struct host *host, uid_t uid);  /* NULL: no memory */
void user_release(struct host *host, struct host_user *user); /* frees it once it has nothing */
void user_drop(struct host *host, struct host_user *user);
bool user_is_parting(const struct host_user *user);

/*
 * farewell.c: closes the descriptors of a request, then sends its reply; negative: neither can be, or the peer has
 * gone. The others close without more.
 */
int farewell_then_reply(struct connection *connection, struct packet *packet, const void *reply,
			size_t len);
void farewell_descriptors(struct connection *connection, struct packet *packet);
void farewell_connection(struct connection *connection);
void farewell_stranger(struct host *host, struct host_user *user,
		       int fd); /* not a connection yet */

void host_complain(struct host *host, const struct ucred *peer, const char *why);

#endif
