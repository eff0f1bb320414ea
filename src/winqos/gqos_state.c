/* SPDX-License-Identifier: MIT */
/* gqos_state.c: see gqos_state.h. */
/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((void)(element))

#include "winqos/gqos_state.h"

#include <pthread.h>
#include <stdlib.h>
#include <utlist.h>

static pthread_mutex_t gqos_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct gqos_state *states; /* by cookie */
static struct gqos_state
	*states_by_fd; /* those whose descriptor has not been seen with another socket */

static void (*fork_hook)(void);

static void watch_fork(void);

void gqos_lock(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	/* After fork.c has: the last to register is the first to lock, and this lock goes before the state lock. */
	pthread_once(&once, watch_fork);
	pthread_mutex_lock(&gqos_mutex);
}

void gqos_unlock(void)
{
	pthread_mutex_unlock(&gqos_mutex);
}

/* ---- finding ---- */

static bool cookie_of(int fd, uint64_t *ret_cookie)
{
	socklen_t length = sizeof(*ret_cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret_cookie, &length) == 0;
}

struct gqos_state *gqos_state_find_locked(uint64_t cookie)
{
	struct gqos_state *state;

	HASH_FIND(hh, states, &cookie, sizeof(cookie), state);
	return state;
}

struct gqos_state *gqos_state_of_fd_locked(int fd)
{
	uint64_t cookie;

	return cookie_of(fd, &cookie) ? gqos_state_find_locked(cookie) : NULL;
}

static void state_free(struct gqos_state *state)
{
	gqos_state_discard_locked(state, GQOS_BOTH);
	gqos_native_clear(&state->native);
	gqos_senders_clear(&state->senders);
	free(state);
}

static void unlink_state(struct gqos_state *state)
{
	struct gqos_state *of_fd;

	HASH_FIND(hh_fd, states_by_fd, &state->fd, sizeof(state->fd), of_fd);
	if (of_fd == state)
		HASH_DELETE(hh_fd, states_by_fd, state);
	HASH_DEL(states, state);
}

/* Its descriptor is another socket's now: it was closed behind our back. */
static void drop_stale(int fd)
{
	struct gqos_get *get, *next, *done = NULL;
	struct gqos_state *stale;

	HASH_FIND(hh_fd, states_by_fd, &fd, sizeof(fd), stale);
	if (!stale)
		return;
	gqos_state_drop_locked(stale, &done);
	/* Whoever makes the new state holds the engine; these references are not the last. */
	DL_FOREACH_SAFE(done, get, next)
		object_unref(&get->operation.object);
}

struct gqos_state *gqos_state_make_locked(int fd)
{
	struct gqos_state *state;
	uint64_t cookie;

	if (!cookie_of(fd, &cookie))
		return NULL;
	state = gqos_state_find_locked(cookie);
	if (state)
		return state;
	drop_stale(fd);
	state = calloc(1, sizeof(*state));
	if (!state)
		return NULL;
	state->cookie = cookie;
	state->fd = fd;
	gqos_native_init(&state->native);
	HASH_ADD(hh, states, cookie, sizeof(state->cookie), state);
	if (!state->hh.tbl) {
		free(state);
		return NULL;
	}
	HASH_ADD(hh_fd, states_by_fd, fd, sizeof(state->fd), state);
	if (!state->hh_fd.tbl) {
		HASH_DEL(states, state);
		free(state);
		return NULL;
	}
	return state;
}

void gqos_state_visit_locked(void (*visit)(struct gqos_state *state, void *user_data),
			     void *user_data)
{
	struct gqos_state *state, *next;

	HASH_ITER(hh, states, state, next)
		visit(state, user_data);
}

/* ---- gets ---- */

static void complete_get(struct gqos_state *state, struct gqos_get *get, DWORD error, DWORD bytes,
			 struct gqos_get **done)
{
	DL_DELETE(state->gets, get);
	DL_APPEND(*done, get);
	operation_complete(&get->operation, error, bytes);
}

void gqos_gets_release(struct gqos_get *done)
{
	struct gqos_get *get, *next;

	DL_FOREACH_SAFE(done, get, next)
		object_unref(&get->operation.object);
}

void gqos_state_fail_gets_locked(struct gqos_state *state, DWORD error, struct gqos_get **done)
{
	while (state->gets)
		complete_get(state, state->gets, error, 0, done);
}

void gqos_state_drop_locked(struct gqos_state *state, struct gqos_get **done)
{
	gqos_state_fail_gets_locked(state, WSA_OPERATION_ABORTED, done);
	unlink_state(state);
	state_free(state);
}

/* ---- the queue ---- */

static void remove_item(struct gqos_state *state, struct gqos_item *item)
{
	DL_DELETE(state->items, item);
	state->n_items--;
}

/* What is least missed: the oldest good news of the direction, then its oldest failure, then the oldest of all. */
static struct gqos_item *choose_victim(const struct gqos_state *state, unsigned direction)
{
	struct gqos_item *item, *failure = NULL;

	DL_FOREACH(state->items, item) {
		if (item->direction != direction)
			continue;
		if (!item->failure)
			return item;
		if (!failure)
			failure = item;
	}
	return failure ? failure : state->items;
}

static void push_item(struct gqos_state *state, struct gqos_item *item)
{
	if (state->n_items == GQOS_QUEUE_MAX) {
		struct gqos_item *victim = choose_victim(state, item->direction);

		remove_item(state, victim);
		free(victim);
	}
	DL_APPEND(state->items, item);
	state->n_items++;
}

/* Whether the item has gone to it; it stays where there is no room for it. */
static bool give(struct gqos_state *state, struct gqos_get *get, const struct gqos_item *item,
		 struct gqos_get **done)
{
	size_t size = gqos_item_size(item);
	ULONG needed = (ULONG)size;

	if (get->out_size < size) {
		memcpy(get->out, &needed, sizeof(needed));
		complete_get(state, get, WSAENOBUFS, sizeof(needed), done);
		return false;
	}
	gqos_item_write(item, get->out);
	complete_get(state, get, ERROR_SUCCESS, needed, done);
	return true;
}

bool gqos_state_tell_locked(struct gqos_state *state, struct gqos_item *item,
			    struct gqos_get **done)
{
	while (state->gets) {
		if (give(state, state->gets, item, done)) {
			free(item);
			return false;
		}
	}
	push_item(state, item);
	return true;
}

struct gqos_item *gqos_state_take_locked(struct gqos_state *state)
{
	struct gqos_item *item = state->items;

	if (item)
		remove_item(state, item);
	return item;
}

void gqos_state_discard_locked(struct gqos_state *state, unsigned directions)
{
	struct gqos_item *item, *next;

	DL_FOREACH_SAFE(state->items, item, next) {
		if (!(item->direction & directions))
			continue;
		remove_item(state, item);
		free(item);
	}
}

void gqos_state_end_locked(struct gqos_state *state, unsigned directions)
{
	const FLOWSPEC none = { .ServiceType = SERVICETYPE_NOTRAFFIC };

	gqos_state_discard_locked(state, directions);
	gqos_native_end(&state->native, directions);
	if (directions & GQOS_SENDING)
		state->requested.SendingFlowspec = none;
	if (directions & GQOS_RECEIVING)
		state->requested.ReceivingFlowspec = none;
}

/* ---- fork() ---- */

void gqos_state_set_fork_hook(void (*forked_locked)(void))
{
	fork_hook = forked_locked;
}

static void before_fork(void)
{
	pthread_mutex_lock(&gqos_mutex);
}

static void in_child(void)
{
	struct gqos_state *state, *next;

	HASH_ITER(hh, states, state, next) {
		state->gets = NULL;
		gqos_state_discard_locked(state, GQOS_BOTH);
		gqos_senders_clear(&state->senders);
	}
	if (fork_hook)
		fork_hook();
	gqos_unlock();
}

static void watch_fork(void)
{
	pthread_atfork(before_fork, gqos_unlock, in_child);
}
