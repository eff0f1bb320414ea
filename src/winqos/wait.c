/* SPDX-License-Identifier: MIT */
/*
 * wait.c: waiting for events and timers, while driving the overlapped operations that will set
 * them.
 *
 * A thread that has to block links itself to each of its waitables with an eventfd of its own, and
 * polls that, the timers, and all sources attached to the waitables. Setting an event writes to the
 * eventfd of each thread linked to it; so does attaching a source, since the set of descriptors to
 * poll has changed. Then all look again, and the first one takes an auto-reset event.
 */
#include "winqos/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

struct waiter_link {
	struct waiter_link *prev, *next;
	int wake_fd;
};

/*
 * What one thread polls; sources are copied, with a reference on the owner, and outlive detaching
 * so.
 */
struct pollset {
	struct pollfd *fds;
	struct source *sources; /* beside fds; owner NULL: nothing to call */
	unsigned count, capacity;
	unsigned last_shared; /* where one was found */
};

static pthread_mutex_t state_mutex = PTHREAD_MUTEX_INITIALIZER;

void state_lock(void)
{
	pthread_mutex_lock(&state_mutex);
}

void state_unlock(void)
{
	pthread_mutex_unlock(&state_mutex);
}

static void ring(int event_fd)
{
	uint64_t one = 1;
	ssize_t written;

	/* Fails only when the counter is full, which is as readable as it can be. */
	written = write(event_fd, &one, sizeof(one));
	(void)written;
}

static bool drain(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

static bool is_readable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

/* ---- one waitable ---- */

void waitable_init(struct waitable *waitable, bool manual_reset, bool set, int timer_fd)
{
	*waitable = (struct waitable){
		.manual_reset = manual_reset,
		.set = set,
		.timer_fd = timer_fd,
		.poll_fd = -1,
		.mirror_fd = -1,
	};
}

void waitable_fini(struct waitable *waitable)
{
	if (waitable->timer_fd >= 0)
		close(waitable->timer_fd);
	if (waitable->poll_fd >= 0)
		close(waitable->poll_fd);
	if (waitable->mirror_fd >= 0)
		close(waitable->mirror_fd);
}

void waitable_wake_locked(struct waitable *waitable)
{
	struct waiter_link *link;

	DL_FOREACH(waitable->waiters, link)
		ring(link->wake_fd);
}

void waitable_set_locked(struct waitable *waitable)
{
	if (waitable->set)
		return;
	waitable->set = true;
	if (waitable->mirror_fd >= 0)
		ring(waitable->mirror_fd);
	waitable_wake_locked(waitable);
}

void waitable_reset_locked(struct waitable *waitable)
{
	if (!waitable->set)
		return;
	waitable->set = false;
	if (waitable->mirror_fd >= 0)
		drain(waitable->mirror_fd);
}

static bool is_set_locked(const struct waitable *waitable)
{
	return waitable->timer_fd >= 0 ? is_readable(waitable->timer_fd) : waitable->set;
}

bool waitable_consume_locked(struct waitable *waitable)
{
	if (!is_set_locked(waitable))
		return false;
	if (waitable->manual_reset)
		return true;
	if (waitable->timer_fd < 0) {
		waitable_reset_locked(waitable);
		return true;
	}
	if (!drain(waitable->timer_fd))
		return false; /* a forked relative was faster */
	/* Those who wait for this timer among others, and saw it set, must poll it again. */
	waitable_wake_locked(waitable);
	return true;
}

/* ---- sources ---- */

/* Several sources may share a descriptor; one registration, for all they poll, serves them. */
static void watch_fd_locked(const struct waitable *waitable, int fd)
{
	struct epoll_event event = { 0 };
	const struct source *source;
	bool found = false;

	DL_FOREACH(waitable->sources, source) {
		if (source->fd != fd)
			continue;
		found = true;
		event.events |= (uint32_t)source->poll_events;
	}
	if (!found)
		epoll_ctl(waitable->poll_fd, EPOLL_CTL_DEL, fd, NULL);
	else if (epoll_ctl(waitable->poll_fd, EPOLL_CTL_ADD, fd, &event) < 0 && errno == EEXIST)
		epoll_ctl(waitable->poll_fd, EPOLL_CTL_MOD, fd, &event);
}

void waitable_attach_locked(struct waitable *waitable, struct source *source)
{
	DL_APPEND(waitable->sources, source);
	if (waitable->poll_fd >= 0)
		watch_fd_locked(waitable, source->fd);
	waitable_wake_locked(waitable);
}

void waitable_detach_locked(struct waitable *waitable, struct source *source)
{
	DL_DELETE(waitable->sources, source);
	if (waitable->poll_fd >= 0)
		watch_fd_locked(waitable, source->fd);
	waitable_wake_locked(waitable);
}

/* ---- what a thread polls ---- */

static int pollset_grow(struct pollset *set)
{
	unsigned capacity = set->capacity ? 2 * set->capacity : 16;
	struct source *sources;
	struct pollfd *fds;

	fds = realloc(set->fds, capacity * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	set->fds = fds;
	sources = realloc(set->sources, capacity * sizeof(*sources));
	if (!sources)
		return -ENOMEM;
	set->sources = sources;
	set->capacity = capacity;
	return 0;
}

static bool is_same(const struct source *a, const struct source *b)
{
	return a->fd == b->fd && a->owner == b->owner;
}

/* Thousands may share one; nearly always it is the one that was found before. */
static bool has_shared(struct pollset *set, const struct source *source)
{
	if (set->last_shared < set->count && is_same(&set->sources[set->last_shared], source))
		return true;
	for (unsigned i = 0; i < set->count; i++) {
		if (is_same(&set->sources[i], source)) {
			set->last_shared = i;
			return true;
		}
	}
	return false;
}

static int pollset_add(struct pollset *set, const struct source *source)
{
	if (source->shared && has_shared(set, source))
		return 0;
	if (set->count == set->capacity) {
		int r = pollset_grow(set);

		if (r < 0)
			return r;
	}
	set->fds[set->count] = (struct pollfd){ .fd = source->fd, .events = source->poll_events };
	set->sources[set->count] = *source;
	if (source->owner)
		object_ref(source->owner);
	set->count++;
	return 0;
}

/* Timers that are set already are left out, or a wait for all would spin on the first. */
static int pollset_fill_locked(struct pollset *set, struct waitable *const *waitables,
			       unsigned count)
{
	int r = 0;

	for (unsigned i = 0; i < count && r == 0; i++) {
		struct source *source;

		if (waitables[i]->timer_fd >= 0 && !is_readable(waitables[i]->timer_fd))
			r = pollset_add(set, &(struct source){ .fd = waitables[i]->timer_fd,
							       .poll_events = POLLIN });
		DL_FOREACH(waitables[i]->sources, source) {
			if (r == 0)
				r = pollset_add(set, source);
		}
	}
	return r;
}

/* Calls the sources whose descriptors are ready, and empties the set. */
static void pollset_finish(struct pollset *set, bool polled)
{
	for (unsigned i = 0; i < set->count; i++) {
		struct object *owner = set->sources[i].owner;

		if (!owner)
			continue;
		if (polled && set->fds[i].revents)
			set->sources[i].ready(owner);
		object_unref(owner);
	}
	set->count = 0;
}

static void pollset_free(struct pollset *set)
{
	free(set->fds);
	free(set->sources);
}

/* ---- waiting ---- */

/* What a thread waits for. */
struct wait {
	struct waitable *const *waitables;
	unsigned count;
	bool all;
	struct waitable *alert;
};

static int acquire_waitables_locked(const struct wait *wait)
{
	for (unsigned i = 0; i < wait->count; i++) {
		if (!wait->all && waitable_consume_locked(wait->waitables[i]))
			return (int)i;
		if (wait->all && !is_set_locked(wait->waitables[i]))
			return -EAGAIN;
	}
	if (!wait->all || wait->count == 0)
		return -EAGAIN;
	for (unsigned i = 0; i < wait->count; i++)
		waitable_consume_locked(wait->waitables[i]);
	return 0;
}

static int acquire_locked(const struct wait *wait)
{
	int r = acquire_waitables_locked(wait);

	return r == -EAGAIN && wait->alert && wait->alert->set ? -EINTR : r;
}

static int pollset_fill_wait_locked(struct pollset *set, const struct wait *wait)
{
	int r = pollset_fill_locked(set, wait->waitables, wait->count);

	return r == 0 && wait->alert ? pollset_fill_locked(set, &wait->alert, 1) : r;
}

/* Takes in what is ready, without blocking, and looks again. */
static int wait_test(const struct wait *wait)
{
	struct pollset set = { 0 };
	bool polled = false;
	int r;

	state_lock();
	r = acquire_locked(wait);
	if (r == -EAGAIN && pollset_fill_wait_locked(&set, wait) < 0)
		r = -ENOMEM;
	state_unlock();

	if (r == -EAGAIN && set.count == 0)
		return -ETIMEDOUT;
	if (r == -EAGAIN)
		polled = poll(set.fds, set.count, 0) > 0;
	pollset_finish(&set, polled);
	pollset_free(&set);
	if (r != -EAGAIN)
		return r;

	state_lock();
	r = acquire_locked(wait);
	state_unlock();
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

static struct timespec now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts;
}

/* What is left until `deadline`; false if nothing. */
static bool remaining(const struct timespec *deadline, struct timespec *ret_left)
{
	struct timespec ts = now();

	ts.tv_sec = deadline->tv_sec - ts.tv_sec;
	ts.tv_nsec = deadline->tv_nsec - ts.tv_nsec;
	if (ts.tv_nsec < 0) {
		ts.tv_nsec += 1000000000;
		ts.tv_sec--;
	}
	if (ts.tv_sec < 0 || (ts.tv_sec == 0 && ts.tv_nsec == 0))
		return false;
	*ret_left = ts;
	return true;
}

/*
 * One round: poll everything once and take in what is ready. Entered and left with the lock held.
 */
static int wait_round_locked(struct pollset *set, const struct wait *wait, int wake_fd,
			     const struct timespec *left)
{
	bool polled = false;
	int r;

	r = pollset_add(set, &(struct source){ .fd = wake_fd, .poll_events = POLLIN });
	if (r == 0)
		r = pollset_fill_wait_locked(set, wait);
	state_unlock();

	if (r == 0) {
		polled = ppoll(set->fds, set->count, left, NULL) > 0;
		drain(wake_fd);
	}
	pollset_finish(set, polled);
	state_lock();
	return r;
}

static int wait_block(const struct wait *wait, uint32_t timeout_ms, int wake_fd)
{
	struct waiter_link links[MAXIMUM_WAIT_OBJECTS], alert_link = { .wake_fd = wake_fd };
	struct timespec deadline = now(), left;
	struct pollset set = { 0 };
	int r;

	deadline.tv_sec += timeout_ms / 1000;
	deadline.tv_nsec += timeout_ms % 1000 * 1000000;
	if (deadline.tv_nsec >= 1000000000) {
		deadline.tv_sec++;
		deadline.tv_nsec -= 1000000000;
	}

	state_lock();
	for (unsigned i = 0; i < wait->count; i++) {
		links[i].wake_fd = wake_fd;
		DL_APPEND(wait->waitables[i]->waiters, &links[i]);
	}
	if (wait->alert)
		DL_APPEND(wait->alert->waiters, &alert_link);
	for (;;) {
		r = acquire_locked(wait);
		if (r != -EAGAIN)
			break;
		if (timeout_ms != WAIT_FOREVER && !remaining(&deadline, &left)) {
			r = -ETIMEDOUT;
			break;
		}
		r = wait_round_locked(&set, wait, wake_fd,
				      timeout_ms == WAIT_FOREVER ? NULL : &left);
		if (r < 0)
			break;
	}
	for (unsigned i = 0; i < wait->count; i++)
		DL_DELETE(wait->waitables[i]->waiters, &links[i]);
	if (wait->alert)
		DL_DELETE(wait->alert->waiters, &alert_link);
	state_unlock();

	pollset_free(&set);
	return r;
}

int wait_alertable(struct waitable *const *waitables, unsigned count, bool all, uint32_t timeout_ms,
		   struct waitable *alert)
{
	const struct wait wait = { waitables, count, all, alert };
	int r, wake_fd;

	r = wait_test(&wait);
	if (r != -ETIMEDOUT || timeout_ms == 0)
		return r;

	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return -errno;
	r = wait_block(&wait, timeout_ms, wake_fd);
	close(wake_fd);
	return r;
}

int wait_for(struct waitable *const *waitables, unsigned count, bool all, uint32_t timeout_ms)
{
	return wait_alertable(waitables, count, all, timeout_ms, NULL);
}

/* ---- descriptors for other people's loops ---- */

/* Opens both descriptors, or replaces them under the same numbers. */
static int open_poll_fds_locked(struct waitable *waitable)
{
	struct epoll_event event = { .events = EPOLLIN };
	int poll_fd, mirror_fd, r = 0;

	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (poll_fd < 0)
		return -errno;
	mirror_fd = eventfd(waitable->set, EFD_CLOEXEC | EFD_NONBLOCK);
	if (mirror_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, mirror_fd, &event) < 0)
		r = -errno;
	if (r < 0) {
		close(poll_fd);
		if (mirror_fd >= 0)
			close(mirror_fd);
		return r;
	}

	if (waitable->poll_fd < 0) {
		waitable->poll_fd = poll_fd;
	} else {
		dup3(poll_fd, waitable->poll_fd, O_CLOEXEC);
		close(poll_fd);
	}
	if (waitable->mirror_fd >= 0)
		close(waitable->mirror_fd);
	waitable->mirror_fd = mirror_fd;
	return 0;
}

int waitable_poll_fd(struct waitable *waitable)
{
	struct source *source;
	int r = 0;

	if (waitable->timer_fd >= 0)
		return waitable->timer_fd;

	state_lock();
	if (waitable->poll_fd < 0) {
		r = open_poll_fds_locked(waitable);
		if (r == 0) {
			DL_FOREACH(waitable->sources, source)
				watch_fd_locked(waitable, source->fd);
		}
	}
	if (r == 0)
		r = waitable->poll_fd;
	state_unlock();
	return r;
}

void waitable_forked_locked(struct waitable *waitable)
{
	waitable->waiters = NULL;
	waitable->sources = NULL;
	if (waitable->poll_fd >= 0)
		open_poll_fds_locked(waitable);
}
