/* SPDX-License-Identifier: MIT */
/*
 * connections.h: the TCP connections of MS-QLPB (spec/probing.md §1): those that an initiator opens to sinks, and those
 * that others open to this one. They are numbered by the node that speaks the protocol.
 */
#ifndef GW_HOST_CONNECTIONS_H
#define GW_HOST_CONNECTIONS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"

struct connections;

struct connections_options {
	struct event_base *base;
	void *user_data;
	/* Somebody has connected: 0 and its number, or a negative errno and it is closed. */
	int (*accepted)(void *user_data, const struct address *remote, uint32_t *ret_id);
	/* As of qlpb.h. */
	void (*connected)(void *user_data, uint32_t id, uint16_t local_port);
	void (*received)(void *user_data, uint32_t id, const uint8_t *data, size_t len);
	void (*writable)(void *user_data, uint32_t id);
	void (*closed)(void *user_data, uint32_t id, int error);
};

int connections_new(const struct connections_options *options,
		    struct connections **ret_connections);
/* Closes all of them, and says nothing. */
struct connections *connections_free(struct connections *connections);

/*
 * From now on others may connect, to port 2177 (P-012). What is open already stays. 0, or what went wrong first:
 * -EADDRINUSE: somebody else listens there.
 */
int connections_listen(struct connections *connections);
bool connections_listens(const struct connections *connections, int family);

/* As of struct qlpb_ports. */
int connections_connect(struct connections *connections, uint32_t id, const struct address *sink,
			uint32_t ifindex);
int connections_write(struct connections *connections, uint32_t id, const uint8_t *data,
		      size_t len);
void connections_close(struct connections *connections, uint32_t id);

#endif
