/* SPDX-License-Identifier: MIT */
/*
 * gqos_state.h: what the provider keeps of each QoS socket: what was asked for, the senders that it knows of, and the
 * queue of what is to be told (spec/gqos.md §12).
 *
 * States are found by the socket's cookie, by which the engine tells of it, so that a descriptor that was closed and
 * given out again is not taken for the old one. One lock, the GQoS lock, guards them all. It is never held during a
 * call into the engine's library or the surface; the state lock (wait.h) may be taken inside it.
 */
#ifndef GW_WINQOS_GQOS_STATE_H
#define GW_WINQOS_GQOS_STATE_H

#include <uthash.h>

#include "winqos/gqos.h"
#include "winqos/gqos_item.h"
#include "winqos/gqos_translate.h"
#include "winqos/overlapped.h"

#define GQOS_QUEUE_MAX 64 /* items */

/* An SIO_GET_QOS that waits for the next item. Its list holds a reference. */
struct gqos_get {
	struct operation operation;
	struct gqos_get *prev, *next;
	int fd;
	void *out;
	DWORD out_size;
};

struct gqos_state {
	uint64_t cookie;
	int fd;			   /* by which it was first seen */
	bool set;		   /* something has been asked for, some time */
	unsigned shut;		   /* GQOS_SENDING, GQOS_RECEIVING: will not begin again */
	unsigned broken;	   /* the same: the engine has told last that it cannot go on */
	QOS requested;		   /* without objects */
	struct gqos_native native; /* the same, for who inherits it */
	struct gqos_senders senders;
	struct gqos_item *items; /* oldest first */
	unsigned n_items;
	struct gqos_get *gets; /* oldest first; while there are any, there are no items */
	UT_hash_handle hh, hh_fd;
};

void gqos_lock(void);
void gqos_unlock(void);

/* The state of a socket, made if need be; NULL if there is none, or memory is out. */
struct gqos_state *gqos_state_find_locked(uint64_t cookie);
struct gqos_state *gqos_state_of_fd_locked(int fd);
struct gqos_state *gqos_state_make_locked(int fd);

/*
 * Gets that have been completed. Their references are given back by gqos_gets_release(), with no lock held, since the
 * last one may close the engine.
 */
void gqos_gets_release(struct gqos_get *done);

/* Forgets a socket; its gets are completed with WSA_OPERATION_ABORTED. */
void gqos_state_drop_locked(struct gqos_state *state, struct gqos_get **done);

/*
 * Gives the item to the oldest get, or to the queue, which merges away what is too much. True: the queue has become
 * longer.
 */
bool gqos_state_tell_locked(struct gqos_state *state, struct gqos_item *item,
			    struct gqos_get **done);

/* Takes the oldest item out, to be freed. */
struct gqos_item *gqos_state_take_locked(struct gqos_state *state);

/* What waits to be told of these directions is not told any more. */
void gqos_state_discard_locked(struct gqos_state *state, unsigned directions);

/* Nothing is asked for in these directions any more. */
void gqos_state_end_locked(struct gqos_state *state, unsigned directions);

/* Completes all gets of a socket. */
void gqos_state_fail_gets_locked(struct gqos_state *state, DWORD error, struct gqos_get **done);

/* Calls `visit` for each; it may drop what it is given. */
void gqos_state_visit_locked(void (*visit)(struct gqos_state *state, void *user_data),
			     void *user_data);

/*
 * What else is to be done in a child after fork(), under the lock. What is asked for stays known there; what waits is
 * the parent's.
 */
void gqos_state_set_fork_hook(void (*forked_locked)(void));

#endif
