/* SPDX-License-Identifier: MIT */
/* waker.c: see waker.h. */
#include "host/probe/waker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"

struct waker {
	int fd;
	struct event *event;
	uint64_t at_us;
	void (*wake)(void *user_data);
	void *user_data;
};

static void on_time(evutil_socket_t fd, short what, void *user_data)
{
	struct waker *waker = user_data;
	uint64_t times;

	(void)what;
	/* Set anew meanwhile: then it has not come yet. */
	if (read(fd, &times, sizeof(times)) != sizeof(times))
		return;
	waker->at_us = UINT64_MAX;
	waker->wake(waker->user_data);
}

struct waker *waker_free(struct waker *waker)
{
	if (!waker)
		return NULL;
	if (waker->event)
		event_free(waker->event);
	if (waker->fd >= 0)
		close(waker->fd);
	free(waker);
	return NULL;
}

DEFINE_CLEANUP(struct waker *, waker_free);

int waker_new(struct event_base *base, void (*wake)(void *user_data), void *user_data,
	      struct waker **ret_waker)
{
	_cleanup_(waker_freep) struct waker *waker = calloc(1, sizeof(*waker));

	if (!waker)
		return -ENOMEM;
	waker->at_us = UINT64_MAX;
	waker->wake = wake;
	waker->user_data = user_data;
	waker->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (waker->fd < 0)
		return -errno;
	waker->event = event_new(base, waker->fd, EV_READ | EV_PERSIST, on_time, waker);
	if (!waker->event || event_add(waker->event, NULL) < 0)
		return -ENOMEM;
	*ret_waker = steal_ptr(&waker);
	return 0;
}

void waker_set(struct waker *waker, uint64_t at_us)
{
	struct itimerspec timer = { 0 };

	if (at_us == waker->at_us)
		return;
	waker->at_us = at_us;
	if (at_us != UINT64_MAX) {
		timer.it_value.tv_sec = (time_t)(at_us / USEC_PER_SEC);
		timer.it_value.tv_nsec = (long)(at_us % USEC_PER_SEC * NSEC_PER_USEC);
		/* All zero would stop it. */
		if (at_us == 0)
			timer.it_value.tv_nsec = 1;
	}
	(void)timerfd_settime(waker->fd, TFD_TIMER_ABSTIME, &timer, NULL);
}
