/* SPDX-License-Identifier: MIT */
/* apc.c: see apc.h. The state lock (wait.h) guards the queues. */
#include "winqos/apc.h"

#include <pthread.h>
#include <stdlib.h>
#include <utlist.h>

/* Of one thread, and of every call that is or may be posted to it. */
struct apc_queue {
	struct object object;
	struct waitable waitable; /* set while there are calls */
	struct apc *calls;
	bool ended; /* its thread has */
};

struct apc {
	struct apc *prev, *next;
	struct apc_queue *queue; /* with a reference */
	LPWSAOVERLAPPED_COMPLETION_ROUTINE routine;
	OVERLAPPED *overlapped;
	DWORD error, bytes, flags;
};

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key;

void apc_free(struct apc *apc)
{
	if (!apc)
		return;
	object_unref(&apc->queue->object);
	free(apc);
}

static void queue_destroy(struct object *object)
{
	struct apc_queue *queue = (struct apc_queue *)object;

	waitable_fini(&queue->waitable);
	free(queue);
}

static struct apc *take_call(struct apc_queue *queue)
{
	struct apc *apc;

	state_lock();
	apc = queue->calls;
	if (apc)
		DL_DELETE(queue->calls, apc);
	if (!queue->calls)
		waitable_reset_locked(&queue->waitable);
	state_unlock();
	return apc;
}

/* Its thread has ended: what it has not waited for is not called. */
static void queue_leave(void *value)
{
	struct apc_queue *queue = value;
	struct apc *apc;

	state_lock();
	queue->ended = true;
	state_unlock();
	while ((apc = take_call(queue)))
		apc_free(apc);
	object_unref(&queue->object);
}

static void make_key(void)
{
	has_key = pthread_key_create(&key, queue_leave) == 0;
}

static struct apc_queue *queue_of_thread(void)
{
	pthread_once(&key_once, make_key);
	return has_key ? pthread_getspecific(key) : NULL;
}

static struct apc_queue *queue_new(void)
{
	struct apc_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	object_init(&queue->object, OBJECT_QUEUE, queue_destroy);
	waitable_init(&queue->waitable, true, false, -1);
	if (!has_key || pthread_setspecific(key, queue) != 0) {
		object_unref(&queue->object);
		return NULL;
	}
	return queue;
}

struct apc *apc_new(LPWSAOVERLAPPED_COMPLETION_ROUTINE routine, OVERLAPPED *overlapped)
{
	struct apc_queue *queue = queue_of_thread();
	struct apc *apc;

	if (!queue)
		queue = queue_new();
	if (!queue)
		return NULL;
	apc = malloc(sizeof(*apc));
	if (!apc)
		return NULL;
	*apc = (struct apc){ .queue = queue, .routine = routine, .overlapped = overlapped };
	object_ref(&queue->object);
	return apc;
}

struct waitable *apc_waitable(struct apc *apc)
{
	return &apc->queue->waitable;
}

bool apc_post_locked(struct apc *apc, DWORD error, DWORD bytes, DWORD flags)
{
	if (apc->queue->ended)
		return false;
	apc->error = error;
	apc->bytes = bytes;
	apc->flags = flags;
	DL_APPEND(apc->queue->calls, apc);
	waitable_set_locked(&apc->queue->waitable);
	return true;
}

struct waitable *apc_thread_waitable(void)
{
	struct apc_queue *queue = queue_of_thread();

	return queue ? &queue->waitable : NULL;
}

void apc_run(void)
{
	struct apc_queue *queue = queue_of_thread();
	struct apc *apc;

	while (queue && (apc = take_call(queue))) {
		apc->routine(apc->error, apc->bytes, apc->overlapped, apc->flags);
		apc_free(apc);
	}
}

void apc_forked_locked(void)
{
	struct apc_queue *queue = queue_of_thread();

	if (!queue)
		return;
	queue->calls = NULL;
	waitable_reset_locked(&queue->waitable);
	waitable_forked_locked(&queue->waitable);
}
