/* SPDX-License-Identifier: MIT */
/*
 * overlapped.h: operations that outlive the call which began them (spec/qwave.md §4.5).
 *
 * Life of an operation: made and published while the call is still deciding; then either withdrawn,
 * since the call succeeded or failed at once, or accepted, since it is pending. A completion may
 * arrive, in another thread, between publishing and accepting: it is kept, and takes effect at
 * acceptance. So the caller's OVERLAPPED is not touched before the call is sure to answer
 * ERROR_IO_PENDING, and the event is reset before anything can complete the operation.
 *
 * A blocking call is an operation without an OVERLAPPED whose owner waits for `done`.
 */
#ifndef GW_WINQOS_OVERLAPPED_H
#define GW_WINQOS_OVERLAPPED_H

#include <winsock2.h>

#include "winqos/apc.h"
#include "winqos/event.h"
#include "winqos/wait.h"

enum operation_state {
	OPERATION_STARTING, /* published; the call has not returned yet */
	OPERATION_PENDING,  /* accepted */
	OPERATION_FINISHED  /* `error` and `bytes` hold the result */
};

/* How a caller is to hear that its operation is over: one of these, or neither. */
struct notify {
	struct event *event; /* of the OVERLAPPED, with a reference */
	struct apc *apc;     /* of the completion routine, which goes before the event */
};

struct operation {
	struct object object;
	struct operation *prev, *next; /* in the list of all that are not over */
	bool listed;
	enum operation_state state;
	struct object *owner; /* what it was begun on, with a reference; NULL: a socket */
	uint64_t token;	      /* its name among the owner's */
	OVERLAPPED *overlapped;
	struct notify notify;
	struct waitable done;
	/* The same descriptor, for waiters of either, and for who polls for all operations. */
	struct source notify_source, done_source, any_source;
	/* If it has succeeded while it was pending: puts the result where the caller wants it. State lock held. */
	void (*deliver)(struct operation *operation);
	DWORD error;
	DWORD bytes;
	DWORD flags; /* for the completion routine */
};

/*
 * For what a caller passed; without an OVERLAPPED there is nothing to hear. 0, ERROR_INVALID_HANDLE, or
 * WSA_NOT_ENOUGH_MEMORY.
 */
DWORD notify_of(OVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
		struct notify *ret_notify);
void notify_drop(struct notify *notify);

/* Completes an OVERLAPPED (NULL is allowed) whose call has succeeded at once, and takes over how that is told. */
void overlapped_succeed(OVERLAPPED *overlapped, struct notify *notify, DWORD bytes, DWORD flags);

/*
 * Prepares an operation. What `notify` holds is taken over. While it is pending, waiters poll `fd` and call
 * `ready` on `owner` or, where that is NULL, on the operation itself. `destroy` frees what contains
 * it, after operation_fini(). One reference, the caller's.
 */
void operation_init(struct operation *operation, struct object *owner, OVERLAPPED *overlapped,
		    const struct notify *notify, int fd, short poll_events,
		    void (*ready)(struct object *object), void (*destroy)(struct object *object));
void operation_fini(struct operation *operation);

void operation_publish(struct operation *operation);
void operation_withdraw(struct operation *operation);
void operation_accept(struct operation *operation);

/* The call has succeeded at once, and the operation has not been accepted. */
void operation_succeed(struct operation *operation, DWORD bytes);

/* Completes; does nothing to one that is over. */
void operation_complete(struct operation *operation, DWORD error, DWORD bytes);

/*
 * A new reference to the owner's operation of this token, or to the pending one of this OVERLAPPED.
 */
struct operation *operation_find(const struct object *owner, uint64_t token);
struct operation *operation_find_overlapped(const OVERLAPPED *overlapped);

/* Completes all operations of an owner. */
void operation_complete_all(const struct object *owner, DWORD error);

/*
 * Fetches the result of a pending or completed OVERLAPPED: its error, or ERROR_IO_INCOMPLETE.
 * ERROR_INVALID_HANDLE if it says that it is pending, but nothing is.
 */
DWORD overlapped_result(OVERLAPPED *overlapped, bool wait, DWORD *ret_bytes);

/* In a child after fork(), with the state lock held: what is pending is the parent's. */
void operation_forget_all_locked(void);

#endif
