/* SPDX-License-Identifier: MIT */
/*
 * host.h: what both hosts of the engine share: connections on an event loop. greenwaved and the embedded
 * engine differ in where connections come from, in the datapath, and in what they allow; all else is here.
 *
 * One connection is one owner. It ends when its peer hangs up, breaks the protocol, or (for a daemon) when the
 * process that opened it dies, even if a child of it still holds the descriptor. A peer that does not read its
 * replies is not read from either, until it does.
 */
#ifndef GW_HOST_HOST_H
#define GW_HOST_HOST_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "engine/server.h"

struct host;
struct connection;

struct host_options {
	struct event_base *base;
	enum gw_mode mode;
	struct engine_config engine;
	const struct datapath_ops *datapath;
	void *datapath_data;
	bool strangers; /* peers are other processes: check who they are, watch them, bound them */
	uint32_t max_clients;
	uint32_t max_clients_per_user; /* does not bind root */

	/* The rest may be NULL. */
	void *user_data;
	bool (*is_administrator)(void *user_data, const struct connection *connection);
	/* The process of the peer, which is alive and has asked itself. */
	int (*group_create)(void *user_data, const struct connection *connection,
			    uint64_t *ret_group);
	void (*group_end)(void *user_data, uint64_t group);
	void (*facts)(void *user_data, const struct fact_visitor *visitor);
	/* Why nothing more can be reserved for a flow, for the log. */
	void (*on_refusal)(void *user_data, const struct engine_owner_info *info, uint32_t flow_id,
			   const char *why);
	/* A connection was refused or thrown out, for the log. */
	void (*on_complaint)(void *user_data, const struct ucred *peer, const char *why);
};

int host_new(const struct host_options *options, struct host **ret_host);

/* Ends every connection and everything they own. */
struct host *host_free(struct host *host);

struct engine *host_engine(struct host *host);
struct server *host_server(struct host *host); /* for engine/signalling.h */

/* New limits and marks; clients over a lowered limit stay. */
void host_reconfigure(struct host *host, const struct engine_config *engine, uint32_t max_clients,
		      uint32_t max_clients_per_user);

/* Takes a connected SOCK_SEQPACKET descriptor, which is the host's from then on, also on failure. */
int host_accept(struct host *host, int fd);

/* After the engine has been told something from outside, its next deadline may be another. */
void host_schedule(struct host *host);

/* The name of a process, in printable characters; left alone if it is not there. */
void host_process_name(pid_t pid, char ret_name[static 16]);

/* Who the peer was when it connected. */
const struct ucred *connection_peer(const struct connection *connection);

/* Whether the peer has proved that it had CAP_NET_ADMIN (MSG_HELLO). */
bool connection_has_net_admin(const struct connection *connection);
int connection_fd(const struct connection *connection);

/* Whether the process that opened it is known to be alive still. */
bool connection_peer_runs(const struct connection *connection);

#endif
