/* SPDX-License-Identifier: MIT */
/*
 * socket_table.h: what the process remembers of its sockets: of those that are QoS-enabled or multipoint (spec/gqos.md
 * §1), and of those whose network events somebody has selected. Of all others there is nothing to remember.
 *
 * A socket is known by its cookie, which the kernel gives no other socket; a descriptor leads to it. So a number that
 * close() has freed inherits nothing, and a duplicate finds what its original was.
 */
#ifndef GW_WINQOS_SOCKET_TABLE_H
#define GW_WINQOS_SOCKET_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <uthash.h>
#include <winsock2.h>

#include "winqos/netevents.h"

struct group;
struct deferred;

struct socket_entry {
	struct object object; /* OBJECT_SOCKET */
	uint64_t cookie;
	UT_hash_handle hh;
	unsigned slots; /* descriptors that are known to lead here */

	atomic_bool qos;	/* QoS-enabled */
	atomic_uint flags;	/* WSA_FLAG_... */
	atomic_bool connecting; /* the provider is to look when it is connected */

	struct netevents events; /* guarded by the state lock */
	atomic_bool has_deferred;
	struct deferred *
		deferred; /* connections that a condition function left for later (winsock_accept.c) */
	struct group *groups; /* that it has joined (winsock_group.c) */
};

/* A reference to the entry of an open socket; NULL if there is none. */
struct socket_entry *socket_entry_get(int fd);

/* The same, made if there is none yet; NULL if memory is out or it is no socket. */
struct socket_entry *socket_entry_make(int fd);

void socket_entry_put(struct socket_entry *entry); /* NULL is allowed */

/* Whether the descriptor still is of that socket. */
bool socket_entry_is(const struct socket_entry *entry, int fd);

bool socket_is_qos(int fd);

void socket_set_connecting(struct socket_entry *entry, bool connecting);

/* A connection of a QoS-enabled socket may have been under way: if it is there now, the provider looks. */
void socket_settle(int fd);

/* The descriptor is about to be closed: ends what is its own. */
void socket_table_close(int fd);

/* Calls `visit` for every descriptor that is known to be of a QoS-enabled socket. */
void socket_visit_qos(void (*visit)(int fd));

/* Guards `groups` and `deferred` of all entries. Taken before all other locks. */
void socket_table_lock(void);
void socket_table_unlock(void);

/* In a child after fork(), with the table's and the state lock held: selections are the parent's. */
void socket_table_forked_locked(void);

#endif
