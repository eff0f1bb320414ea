/* SPDX-License-Identifier: MIT */
/*
 * overlapped.c: pending operations and the OVERLAPPED structures of their callers (spec/qwave.md
 * §4.5).
 */
#include "winqos/overlapped.h"

#include <utlist.h>

#include "winqos/errmap.h"

/* All that are published or pending, oldest first. Guarded by the state lock. */
static struct operation *operations;

/* Set when any has ended that was pending. */
static struct waitable any_done = { .timer_fd = -1, .poll_fd = -1, .mirror_fd = -1 };

/* ---- an OVERLAPPED ---- */

static bool is_pending(const OVERLAPPED *overlapped)
{
	return __atomic_load_n(&overlapped->Internal, __ATOMIC_ACQUIRE) == STATUS_PENDING;
}

/* Internal goes last: who sees that it has changed may look at the rest. */
static void store_result(OVERLAPPED *overlapped, ULONG_PTR status, ULONG_PTR bytes)
{
	overlapped->InternalHigh = bytes;
	__atomic_store_n(&overlapped->Internal, status, __ATOMIC_RELEASE);
}

/* ---- how to tell ---- */

DWORD notify_of(OVERLAPPED *overlapped, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine,
		struct notify *ret_notify)
{
	uintptr_t value;

	*ret_notify = (struct notify){ 0 };
	if (overlapped && routine) {
		ret_notify->apc = apc_new(routine, overlapped);
		return ret_notify->apc ? ERROR_SUCCESS : WSA_NOT_ENOUGH_MEMORY;
	}
	if (!overlapped || !overlapped->hEvent)
		return ERROR_SUCCESS;
	/*
	 * The low bit keeps a completion out of a completion port, and is not part of the handle.
	 */
	value = (uintptr_t)overlapped->hEvent & ~(uintptr_t)1;
	ret_notify->event = event_get((HANDLE)value, OBJECT_EVENT);
	return ret_notify->event ? ERROR_SUCCESS : ERROR_INVALID_HANDLE;
}

void notify_drop(struct notify *notify)
{
	apc_free(notify->apc);
	if (notify->event)
		event_put(notify->event);
	*notify = (struct notify){ 0 };
}

/* What its waiters wait for, or NULL. */
static struct waitable *notify_waitable(const struct notify *notify)
{
	if (notify->apc)
		return apc_waitable(notify->apc);
	return notify->event ? &notify->event->waitable : NULL;
}

static void notify_tell_locked(struct notify *notify, DWORD error, DWORD bytes, DWORD flags)
{
	if (notify->apc && apc_post_locked(notify->apc, error, bytes, flags))
		notify->apc = NULL;
	if (notify->event)
		waitable_set_locked(&notify->event->waitable);
}

void overlapped_succeed(OVERLAPPED *overlapped, struct notify *notify, DWORD bytes, DWORD flags)
{
	if (!overlapped)
		return;
	state_lock();
	store_result(overlapped, STATUS_SUCCESS, bytes);
	notify_tell_locked(notify, ERROR_SUCCESS, bytes, flags);
	state_unlock();
	notify_drop(notify);
}

/* ---- the life of an operation ---- */

void operation_init(struct operation *operation, struct object *owner, OVERLAPPED *overlapped,
		    const struct notify *notify, int fd, short poll_events,
		    void (*ready)(struct object *object), void (*destroy)(struct object *object))
{
	struct source source = {
		.fd = fd,
		.poll_events = poll_events,
		.shared = owner != NULL,
		.owner = owner ? owner : &operation->object,
		.ready = ready,
	};

	*operation =
		(struct operation){ .owner = owner, .overlapped = overlapped, .notify = *notify };
	object_init(&operation->object, OBJECT_OPERATION, destroy);
	waitable_init(&operation->done, true, false, -1);
	operation->notify_source = source;
	operation->done_source = source;
	operation->any_source = source;
	if (owner)
		object_ref(owner);
}

void operation_fini(struct operation *operation)
{
	waitable_fini(&operation->done);
	notify_drop(&operation->notify);
	object_unref(operation->owner);
}

void operation_publish(struct operation *operation)
{
	object_ref(&operation->object);
	state_lock();
	DL_APPEND(operations, operation);
	operation->listed = true;
	state_unlock();
}

/* Whether the list's reference is now the caller's to give back. */
static bool unlist_locked(struct operation *operation)
{
	if (!operation->listed)
		return false;
	DL_DELETE(operations, operation);
	operation->listed = false;
	return true;
}

void operation_withdraw(struct operation *operation)
{
	bool unlisted;

	state_lock();
	unlisted = unlist_locked(operation);
	state_unlock();
	if (unlisted)
		object_unref(&operation->object);
}

/* Lets the result take effect, for the caller's eyes in one step. */
static void settle_locked(struct operation *operation)
{
	if (operation->deliver && !operation->error)
		operation->deliver(operation);
	if (operation->overlapped)
		store_result(operation->overlapped, errmap_status(operation->error),
			     operation->bytes);
	notify_tell_locked(&operation->notify, operation->error, operation->bytes,
			   operation->flags);
	waitable_set_locked(&operation->done);
	waitable_set_locked(&any_done);
}

void operation_accept(struct operation *operation)
{
	struct waitable *waitable = notify_waitable(&operation->notify);

	state_lock();
	if (operation->notify.event)
		waitable_reset_locked(&operation->notify.event->waitable);
	if (operation->state == OPERATION_FINISHED) {
		settle_locked(operation);
	} else {
		operation->state = OPERATION_PENDING;
		if (operation->overlapped)
			store_result(operation->overlapped, STATUS_PENDING, 0);
		if (waitable)
			waitable_attach_locked(waitable, &operation->notify_source);
		waitable_attach_locked(&operation->done, &operation->done_source);
		waitable_attach_locked(&any_done, &operation->any_source);
	}
	state_unlock();
}

void operation_succeed(struct operation *operation, DWORD bytes)
{
	overlapped_succeed(operation->overlapped, &operation->notify, bytes, operation->flags);
}

/* Whether it ended just now, and the list's reference is the caller's to give back. */
static bool complete_locked(struct operation *operation, DWORD error, DWORD bytes)
{
	struct waitable *waitable = notify_waitable(&operation->notify);
	bool was_pending = operation->state == OPERATION_PENDING;

	if (!unlist_locked(operation))
		return false;
	operation->state = OPERATION_FINISHED;
	operation->error = error;
	operation->bytes = bytes;
	if (was_pending) {
		if (waitable)
			waitable_detach_locked(waitable, &operation->notify_source);
		waitable_detach_locked(&operation->done, &operation->done_source);
		waitable_detach_locked(&any_done, &operation->any_source);
		settle_locked(operation);
	}
	return true;
}

void operation_complete(struct operation *operation, DWORD error, DWORD bytes)
{
	bool completed;

	state_lock();
	completed = complete_locked(operation, error, bytes);
	state_unlock();
	if (completed)
		object_unref(&operation->object);
}

void operation_complete_all(const struct object *owner, DWORD error)
{
	struct operation *operation, *next, *completed = NULL;

	state_lock();
	DL_FOREACH_SAFE(operations, operation, next) {
		if (operation->owner == owner && complete_locked(operation, error, 0))
			DL_APPEND(completed, operation);
	}
	state_unlock();

	DL_FOREACH_SAFE(completed, operation, next)
		object_unref(&operation->object);
}

struct operation *operation_find(const struct object *owner, uint64_t token)
{
	struct operation *operation;

	state_lock();
	DL_FOREACH(operations, operation) {
		if (operation->owner == owner && operation->token == token) {
			object_ref(&operation->object);
			break;
		}
	}
	state_unlock();
	return operation;
}

struct operation *operation_find_overlapped(const OVERLAPPED *overlapped)
{
	struct operation *operation;

	state_lock();
	DL_FOREACH(operations, operation) {
		if (operation->overlapped == overlapped && operation->state == OPERATION_PENDING) {
			object_ref(&operation->object);
			break;
		}
	}
	state_unlock();
	return operation;
}

void operation_forget_all_locked(void)
{
	operations = NULL;
	waitable_forked_locked(&any_done);
}

/* ---- for who polls for all of them ---- */

int gw_win_poll_fd(VOID)
{
	int r = waitable_poll_fd(&any_done);

	if (r >= 0)
		return r;
	fail_with(errmap_win32(r));
	return -1;
}

BOOL WINAPI gw_win_poll(VOID)
{
	struct waitable *any = &any_done;

	return wait_for(&any, 1, false, 0) == 0;
}

/* ---- results ---- */

/* Waits as Windows does for the event of the operation, which resets it if it is of that kind. */
static DWORD wait_operation(struct operation *operation, bool wait)
{
	struct waitable *done = &operation->done;
	int r;

	r = wait_for(&done, 1, false, wait ? WAIT_FOREVER : 0);
	if (r < 0 && wait)
		return errmap_win32(r);
	if (wait && operation->notify.event) {
		state_lock();
		waitable_consume_locked(&operation->notify.event->waitable);
		state_unlock();
	}
	return ERROR_SUCCESS;
}

DWORD overlapped_result(OVERLAPPED *overlapped, bool wait, DWORD *ret_bytes)
{
	struct operation *operation;
	DWORD error = ERROR_SUCCESS;

	if (is_pending(overlapped)) {
		operation = operation_find_overlapped(overlapped);
		if (operation)
			error = wait_operation(operation, wait);
		/* Nobody's, unless it was completed just now: there is nothing to wait for. */
		else if (wait && is_pending(overlapped))
			error = ERROR_INVALID_HANDLE;
		if (operation)
			object_unref(&operation->object);
		if (error)
			return error;
	}
	if (is_pending(overlapped))
		return ERROR_IO_INCOMPLETE;
	*ret_bytes = (DWORD)overlapped->InternalHigh;
	return errmap_from_status(overlapped->Internal);
}

BOOL WINAPI GetOverlappedResult(HANDLE hFile, LPOVERLAPPED lpOverlapped,
				LPDWORD lpNumberOfBytesTransferred, BOOL bWait)
{
	DWORD error;

	if (!lpOverlapped || !lpNumberOfBytesTransferred)
		return fail_with(ERROR_INVALID_PARAMETER);
	/*
	 * hFile is not looked at: another thread may have closed it, and a caller that heard
	 * ERROR_INVALID_HANDLE would let go of an OVERLAPPED that is still to be written.
	 */
	error = overlapped_result(lpOverlapped, bWait, lpNumberOfBytesTransferred);
	return error ? fail_with(error) : TRUE;
}

BOOL WINAPI gw_win_overlapped_completed(LPOVERLAPPED lpOverlapped)
{
	DWORD bytes;

	return overlapped_result(lpOverlapped, false, &bytes) != ERROR_IO_INCOMPLETE;
}
