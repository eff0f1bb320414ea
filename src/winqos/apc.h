/* SPDX-License-Identifier: MIT */
/*
 * apc.h: completion routines. One belongs to the thread that began its operation, and runs in that thread alone, when
 * it waits and has said that it may be interrupted (an alertable wait).
 */
#ifndef GW_WINQOS_APC_H
#define GW_WINQOS_APC_H

#include <stdbool.h>
#include <winsock2.h>

#include "winqos/wait.h"

struct apc;

/* A call of `routine` by the calling thread, some day. NULL if memory is out. */
struct apc *apc_new(LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, OVERLAPPED *overlapped);

/* Of one that has not been posted. NULL is allowed. */
void apc_free(struct apc *apc);

/* What its thread waits for in alertable waits; good as long as `apc` is. */
struct waitable *apc_waitable(struct apc *apc);

/*
 * The operation is over: its thread's next alertable wait makes the call, and frees it. False if that thread has ended:
 * it stays the caller's.
 */
bool apc_post_locked(struct apc *apc, DWORD error, DWORD bytes, DWORD flags);

/* The same of the calling thread; NULL if it never had any. */
struct waitable *apc_thread_waitable(void);

/* Makes the calls that have been posted to the calling thread, oldest first. */
void apc_run(void);

/* In a child after fork(), with the state lock held: what has been posted is the parent's. */
void apc_forked_locked(void);

#endif
