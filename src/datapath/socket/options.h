/* SPDX-License-Identifier: MIT */
/*
 * options.h: the three socket options that make up a mark, read and written together.
 */
#ifndef GW_DATAPATH_SOCKET_OPTIONS_H
#define GW_DATAPATH_SOCKET_OPTIONS_H

#include <stdbool.h>

#include "core/class.h"

/* As the kernel has them: bytes with DSCP above and ECN below. */
struct socket_options {
	int tos;
	int traffic_class; /* AF_INET6 sockets only; 0 for AF_INET */
	int priority;
};

/* What a mark has left in the options; a field of -1 was not written. */
struct written_mark {
	int dscp;
	int priority;
};

/* Nothing of it is ours. */
#define WRITTEN_NOTHING ((struct written_mark){ .dscp = -1, .priority = -1 })

int socket_options_read(int fd, int family, struct socket_options *ret_options);

/* Makes `wanted` of `current`. On failure everything is as `current` says. */
int socket_options_write(int fd, int family, const struct socket_options *current,
			 const struct socket_options *wanted);

/*
 * What the application itself wants: its latest choice where the socket no longer carries
 * `written`, else what it had before (`saved`). ECN bits are always the current ones.
 */
struct socket_options socket_options_own(const struct socket_options *current,
					 const struct socket_options *saved,
					 const struct written_mark *written);

/* The application's own values with a mark laid over them. */
struct socket_options socket_options_marked(const struct socket_options *own, int family,
					    const struct mark *mark);

/* Whether this process may set that priority on that socket; tried by setting it. */
bool socket_priority_permitted(int fd, int priority);

#endif
