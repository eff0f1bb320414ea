/* SPDX-License-Identifier: MIT */
/*
 * parting.h: closing descriptors that a stranger has passed. close() may take as long as the stranger likes: a TCP
 * socket lingers over what it could not send, a file system in user space is asked first, and a unix socket takes
 * what lies in its queue along. What may wait is closed by a thread of its own, never by the event loop.
 */
#ifndef GW_HOST_PARTING_H
#define GW_HOST_PARTING_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

struct partings;

int partings_new(struct event_base *base, struct partings **ret_partings);
/* Those that are still waiting then go on until the process ends. */
struct partings *partings_free(struct partings *partings);

/* Of the sockets that programs have good reason to pass, closing all but a few takes no time. */
bool parting_is_quick(int fd);

/*
 * Closes the descriptors, which are not the caller's any more, and then calls `done` from the event loop. Where no
 * thread can be had, all that has happened on return.
 */
void partings_begin(struct partings *partings, const int *fds, size_t n_fds,
		    void (*done)(void *user_data), void *user_data);

/*
 * The same for one socket to which nobody else will hold on, such as a connection: that never takes long, whatever
 * lies in its queue.
 */
void partings_begin_last(struct partings *partings, int fd, void (*done)(void *user_data),
			 void *user_data);

#endif
