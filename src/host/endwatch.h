/* SPDX-License-Identifier: MIT */
/*
 * endwatch.h: notices that managed sockets have been closed, shut down or disconnected where no hook in the
 * kernel tells of it, and ends their service. It listens to the kernel's messages about destroyed sockets, and it
 * asks for the state of each managed socket in turn: each once a second while there are few, more slowly when
 * that would take more than a hundredth of a core. Without a managed socket it sleeps.
 *
 * Without privilege and without eBPF this is all there is; beside eBPF it fills the gaps of a kernel that lacks
 * some of the hooks.
 */
#ifndef GW_HOST_ENDWATCH_H
#define GW_HOST_ENDWATCH_H

#include <event2/event.h>
#include <stdbool.h>

struct endwatch;
struct host;

/* Which endings it has to notice, because nobody else does. */
struct endwatch_options {
	struct event_base *base;
	struct host *host; /* outlives it; calls endwatch_kick() from now on */
	bool closes;
	bool shutdowns;
	bool disconnects;
};

/*
 * Serves the network namespace of the calling thread. -EOPNOTSUPP: the kernel answers no questions about
 * sockets, neither UDP nor TCP.
 */
int endwatch_new(const struct endwatch_options *options, struct endwatch **ret_watch);
struct endwatch *endwatch_free(struct endwatch *watch);

/*
 * Flows may have been added. Must come before the descriptors that came with the request are closed: until then
 * no socket can have been destroyed unheard.
 */
void endwatch_kick(struct endwatch *watch);

/* Whether it can see to sockets of this kind. */
bool endwatch_covers(const struct endwatch *watch, int family, int protocol);

#endif
