/* SPDX-License-Identifier: MIT */
/*
 * fork.c: what a child process finds of its parent's handles (spec/qwave.md §4.1).
 *
 * QOS handles are useless to it, and its calls on them answer ERROR_INVALID_HANDLE, since the
 * connection to the engine is the parent's. Events and timers keep working, each process with its
 * own. The locks are held across fork(), so that the child never finds one taken by a thread it
 * does not have.
 */
#include "winqos/fork.h"

#include <pthread.h>

#include "winqos/apc.h"
#include "winqos/event.h"
#include "winqos/overlapped.h"
#include "winqos/socket_table.h"
#include "winqos/transfer.h"

static unsigned generation;

unsigned fork_generation(void)
{
	return generation;
}

static void before_fork(void)
{
	socket_table_lock();
	handle_table_lock();
	transfer_lock();
	state_lock();
}

static void after_fork(void)
{
	state_unlock();
	transfer_unlock();
	handle_table_unlock();
	socket_table_unlock();
}

static void disown(struct object *object)
{
	if (object->type & (OBJECT_EVENT | OBJECT_TIMER))
		waitable_forked_locked(&((struct event *)object)->waitable);
}

static void in_child(void)
{
	generation++;
	handle_visit_locked(disown);
	operation_forget_all_locked();
	transfer_forget_all_locked();
	apc_forked_locked();
	socket_table_forked_locked();
	after_fork();
}

__attribute__((constructor)) static void watch_fork(void)
{
	pthread_atfork(before_fork, after_fork, in_child);
}
