/* SPDX-License-Identifier: MIT */
/*
 * wait.h: things that threads wait for, and the descriptors that move them along.
 *
 * A waitable is an event (a flag in memory) or a timer (a timerfd). The library has no thread of
 * its own, so what completes an overlapped operation, a message from the engine or a readable
 * socket, is taken in by whoever waits: while an operation is pending, its event carries a source,
 * the descriptor to poll beside the flag and the function to call when it is ready. Nothing here
 * knows what that function does.
 *
 * One lock, the state lock, guards all flags, sources and pending operations of the process. It is
 * never held during a call into the engine's library, a blocking call, or object_unref().
 */
#ifndef GW_WINQOS_WAIT_H
#define GW_WINQOS_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "winqos/handle.h"

#define WAIT_FOREVER UINT32_MAX

struct waiter_link;

/* Owned by whom it belongs to, an operation or a socket; attached to one waitable at a time. */
struct source {
	struct source *prev, *next;
	int fd;
	short poll_events;
	bool shared;			     /* others have the same descriptor and owner */
	struct object *owner;		     /* alive as long as the source is attached */
	void (*ready)(struct object *owner); /* takes in what there is; never blocks */
};

struct waitable {
	bool manual_reset;
	bool set;     /* of an event */
	int timer_fd; /* -1: an event */
	struct waiter_link *waiters;
	struct source *sources;
	int poll_fd;   /* what gw_win_event_fd() handed out; -1: nothing yet */
	int mirror_fd; /* an eventfd in it that is readable while `set` */
};

void state_lock(void);
void state_unlock(void);

/* A timer_fd is taken over. */
void waitable_init(struct waitable *waitable, bool manual_reset, bool set, int timer_fd);
void waitable_fini(struct waitable *waitable);

void waitable_set_locked(struct waitable *waitable);
void waitable_reset_locked(struct waitable *waitable);

/* Lets every waiter look again: the waitable, or what is attached to it, has changed. */
void waitable_wake_locked(struct waitable *waitable);

/* Whether it is set; if so, and it resets itself, it is reset by that. */
bool waitable_consume_locked(struct waitable *waitable);

void waitable_attach_locked(struct waitable *waitable, struct source *source);
void waitable_detach_locked(struct waitable *waitable, struct source *source);

/*
 * Waits until one (the index is returned) or all (0 is returned) of the waitables are set, and
 * consumes them. -ETIMEDOUT, or an error of the system if it had to block and could not: -EMFILE,
 * -ENFILE, -ENOMEM.
 */
int wait_for(struct waitable *const *waitables, unsigned count, bool all, uint32_t timeout_ms);

/* The same, but -EINTR when `alert` (NULL: there is none) is set and they are not. There may be no waitables at all. */
int wait_alertable(struct waitable *const *waitables, unsigned count, bool all, uint32_t timeout_ms,
		   struct waitable *alert);

/*
 * A descriptor that polls readable while wait_for() might have something to do; or a negative
 * errno.
 */
int waitable_poll_fd(struct waitable *waitable);

/*
 * In a child after fork(), with the state lock held: the parent's threads and pending operations
 * are not this process's, and its descriptors must no longer be shared.
 */
void waitable_forked_locked(struct waitable *waitable);

#endif
