/* SPDX-License-Identifier: MIT */
/* watch.h: what the kernel tells of interfaces, queues and filters while they change. */
#ifndef GW_DATAPATH_WATCH_H
#define GW_DATAPATH_WATCH_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

/* A socket that is in the groups of interfaces and of traffic control. First listen, then look. */
int watch_open(struct mnl_socket **ret_socket);

/*
 * Hands over all messages that wait. *ret_lost, also filled on failure: some found no room, so that
 * everything is to be looked at again.
 */
int watch_read(struct mnl_socket *socket, mnl_cb_t on_message, void *user_data, bool *ret_lost);

/* Against somebody who keeps undoing what we do: we do not fight. */
struct attempts {
	unsigned made; /* in the window */
	uint64_t window_us;
};

/* Whether one more may be made now, which is then counted. */
bool attempts_allow(struct attempts *attempts, uint64_t now_us);

#endif
