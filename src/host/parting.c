/* SPDX-License-Identifier: MIT */
/*
 * parting.c: see parting.h. A thread for each parting, a bounded number of them at a time; a pipe tells the event
 * loop which are over. Each message on it is the address of one.
 *
 * The kernel lets nothing linger that a thread has open when it exits. So the last hold on a connection is given to a
 * thread with a descriptor table of its own, which then does just that.
 */
#include "host/parting.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/cleanup.h"

#define THREADS_MAX 256u
#define STACK_BYTES (64u << 10)
#define LAST_WAIT_MS 100 /* for those that are nearly over, at the end */

struct parting {
	int tell_fd;
	bool by_exit;
	pthread_t thread; /* by_exit */
	sem_t closed;	  /* by_exit: the event loop has closed its own */
	void (*done)(void *user_data);
	void *user_data;
	struct parting *prev, *next; /* of those that wait for a thread */
	size_t n_fds;
	int fds[];
};

struct partings {
	int pipe[2];
	struct event *over;
	struct parting *waiting;
	unsigned running;
};

static void close_all(const int *fds, size_t n_fds)
{
	while (n_fds > 0)
		close(fds[--n_fds]);
}

bool parting_is_quick(int fd)
{
	struct linger linger;
	socklen_t len = sizeof(int);
	int family;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0 ||
	    (family != AF_INET && family != AF_INET6))
		return false;
	len = sizeof(linger);
	return getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len) == 0 &&
	       (linger.l_onoff == 0 || linger.l_linger == 0);
}

static void tell(struct parting *parting)
{
	ssize_t n;

	do
		n = write(parting->tell_fd, &parting, sizeof(parting));
	while (n < 0 && errno == EINTR);
}

static void *close_thread(void *user_data)
{
	struct parting *parting = user_data;

	close_all(parting->fds, parting->n_fds);
	tell(parting);
	return NULL;
}

static void *exit_thread(void *user_data)
{
	struct parting *parting = user_data;

	/* If that is refused, the event loop has the last hold, and may wait. */
	(void)unshare(CLONE_FILES);
	tell(parting);
	while (sem_wait(&parting->closed) < 0 && errno == EINTR)
		;
	return NULL;
}

static int start_thread(struct parting *parting)
{
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_t thread;
	int r;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	if (!parting->by_exit)
		pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(parting->by_exit ? &parting->thread : &thread, &attributes,
			   parting->by_exit ? exit_thread : close_thread, parting);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return -r;
}

/* The thread has done its part. */
static void conclude(struct parting *parting)
{
	if (!parting->by_exit)
		return;
	close_all(parting->fds, parting->n_fds);
	sem_post(&parting->closed);
	pthread_join(parting->thread, NULL);
}

static void finish(struct parting *parting)
{
	parting->done(parting->user_data);
	sem_destroy(&parting->closed);
	free(parting);
}

static void run_waiting(struct partings *partings)
{
	while (partings->waiting && partings->running < THREADS_MAX) {
		struct parting *first = partings->waiting;

		bool started = start_thread(first) == 0;

		if (!started && partings->running > 0)
			return; /* when one of those is over */
		DL_DELETE(partings->waiting, first);
		if (started) {
			partings->running++;
		} else {
			close_all(first->fds, first->n_fds);
			finish(first);
		}
	}
}

/* One that is over, within `timeout_ms`. */
static struct parting *next_over(struct partings *partings, int timeout_ms)
{
	struct pollfd over = { .fd = partings->pipe[0], .events = POLLIN };
	struct parting *parting;

	if (poll(&over, 1, timeout_ms) <= 0 ||
	    read(partings->pipe[0], &parting, sizeof(parting)) != sizeof(parting))
		return NULL;
	partings->running--;
	conclude(parting);
	return parting;
}

static void on_over(evutil_socket_t fd, short what, void *user_data)
{
	struct partings *partings = user_data;
	struct parting *parting = next_over(partings, 0);

	(void)fd;
	(void)what;
	run_waiting(partings);
	if (parting)
		finish(parting);
}

static void begin(struct partings *partings, const int *fds, size_t n_fds, bool by_exit,
		  void (*done)(void *user_data), void *user_data)
{
	struct parting *parting = malloc(sizeof(*parting) + n_fds * sizeof(fds[0]));

	if (!parting) {
		close_all(fds, n_fds);
		done(user_data);
		return;
	}
	parting->tell_fd = partings->pipe[1];
	parting->by_exit = by_exit;
	parting->done = done;
	parting->user_data = user_data;
	parting->n_fds = n_fds;
	memcpy(parting->fds, fds, n_fds * sizeof(fds[0]));
	sem_init(&parting->closed, 0, 0);
	DL_APPEND(partings->waiting, parting);
	run_waiting(partings);
}

void partings_begin(struct partings *partings, const int *fds, size_t n_fds,
		    void (*done)(void *user_data), void *user_data)
{
	begin(partings, fds, n_fds, false, done, user_data);
}

void partings_begin_last(struct partings *partings, int fd, void (*done)(void *user_data),
			 void *user_data)
{
	begin(partings, &fd, 1, true, done, user_data);
}

int partings_new(struct event_base *base, struct partings **ret_partings)
{
	struct partings *partings = calloc(1, sizeof(*partings));

	if (!partings)
		return -ENOMEM;
	if (pipe2(partings->pipe, O_CLOEXEC) < 0) {
		free(partings);
		return -errno;
	}
	partings->over =
		event_new(base, partings->pipe[0], EV_READ | EV_PERSIST, on_over, partings);
	if (!partings->over || event_add(partings->over, NULL) < 0) {
		partings_free(partings);
		return -ENOMEM;
	}
	*ret_partings = partings;
	return 0;
}

struct partings *partings_free(struct partings *partings)
{
	struct parting *parting;

	if (!partings)
		return NULL;
	if (partings->over)
		event_free(partings->over);
	while (partings->running > 0 && (parting = next_over(partings, LAST_WAIT_MS))) {
		run_waiting(partings);
		finish(parting);
	}
	/* A thread that still waits will write to the pipe. */
	if (partings->running > 0)
		return NULL;
	close(partings->pipe[0]);
	close(partings->pipe[1]);
	free(partings);
	return NULL;
}
