/* SPDX-License-Identifier: MIT */
/*
 * server.h: an engine that is spoken to in messages (proto/msg.h). Both hosts, greenwaved and the embedded
 * engine, put one of these behind their connections; neither knows what a message means.
 */
#ifndef GW_ENGINE_SERVER_H
#define GW_ENGINE_SERVER_H

#include <stddef.h>

#include "engine/engine.h"
#include "proto/fact.h"
#include "proto/msg.h"

struct server;

/* What the host provides, beside the kernel: see struct engine_ports for the members of the same name. */
struct server_ports {
	void *user_data;
	const struct datapath_ops *datapath;
	void *datapath_data;
	int (*route)(void *user_data, const struct address *destination,
		     const struct engine_socket *socket, struct engine_route *ret_route);
	bool (*is_administrator)(void *user_data, const struct owner *owner);

	/* Of an interface of the host; 0: not known. May be NULL. */
	uint32_t (*link_mtu)(void *user_data, uint32_t ifindex);
	uint64_t (*link_speed_bps)(void *user_data, uint32_t ifindex);

	/* What came with the owner's greeting, which may prove something about it. May be NULL. */
	void (*vouch)(void *user_data, struct owner *owner, int fd);
	int (*group_create)(void *user_data, const struct owner *owner, uint64_t *ret_group);
	void (*group_end)(void *user_data, uint64_t group);

	/* Reads what a passed descriptor is. Only `cookie` is needed if `cookie_only`. */
	int (*identify)(void *user_data, int fd, bool cookie_only,
			struct engine_socket *ret_socket);

	/*
	 * Sends an event, or the reply to a request that had to wait, without waiting. What does not fit is kept if it must arrive; else it is lost, and the
	 * host counts it and says so.
	 */
	void (*send_event)(void *user_data, struct owner *owner, const void *buf, size_t len,
			   bool must_arrive);

	/* Nothing more can be reserved for the owner's flow; for the log. May be NULL. */
	void (*refused)(void *user_data, const struct owner *owner, uint32_t flow_id,
			const char *why);

	/* Wall clock time in microseconds since the epoch, for people who read events. */
	uint64_t (*wall_clock_us)(void *user_data);

	/* Calls `visit` for each mechanism and limitation of the host. */
	void (*facts)(void *user_data, const struct fact_visitor *visitor);
};

/* NULL if memory is short. */
struct server *server_new(const struct server_ports *ports, const struct engine_config *config,
			  enum gw_mode mode, const char *version);
struct server *server_free(struct server *server);
struct engine *server_engine(struct server *server);

/* A connection. `host_data` is what the host finds in owner_host_data(). */
int server_connect(struct server *server, const struct engine_owner_info *info, void *host_data,
		   struct owner **ret_owner);
void server_disconnect(struct server *server, struct owner *owner, uint64_t now_us);

/*
 * Does what one message asks for. Returns the length of the reply, which is valid until the next call; 0: it is
 * answered later, through send_event(). The
 * descriptors stay the caller's, who closes them before sending the reply: only then can the application's
 * own close() be the last one. A negative result means that the peer does not keep to the protocol (-EBADMSG,
 * -EPROTO): disconnect it; *ret_why says in words what was wrong.
 */
long server_handle(struct server *server, struct owner *owner, const void *buf, size_t len,
		   const int *fds, size_t n_fds, uint64_t now_us, const void **ret_reply,
		   const char **ret_why);

#endif
