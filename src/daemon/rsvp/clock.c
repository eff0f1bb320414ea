/* SPDX-License-Identifier: MIT */
/*
 * clock.c: keys hold from and until times of the calendar, while everything else here goes by a clock that is never
 * set. When the calendar's is, or the machine has slept, those times are others on ours.
 */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "daemon/rsvp/rsvp_internal.h"

#define NEVER_S (INT64_C(1) << 33) /* beyond the year 2200 */

static void on_clock(evutil_socket_t fd, short what, void *user_data)
{
	struct rsvp_daemon *daemon = user_data;
	uint64_t expirations;

	(void)what;
	if (read(fd, &expirations, sizeof(expirations)) >= 0 || errno != ECANCELED)
		return;
	if (daemon->config->n_keys == 0)
		return;
	log_info(RSVP_MODULE, "the clock was set: times of keys are reckoned anew");
	(void)rsvp_daemon_set_keys(daemon); /* or they stay, and that is told */
	rsvp_daemon_schedule(daemon);
}

int rsvp_clock_watch(struct rsvp_daemon *daemon)
{
	const struct itimerspec never = { .it_value.tv_sec = NEVER_S };

	daemon->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (daemon->clock_fd < 0 ||
	    timerfd_settime(daemon->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
			    NULL) < 0)
		return -errno;
	daemon->on_clock =
		event_new(daemon->base, daemon->clock_fd, EV_READ | EV_PERSIST, on_clock, daemon);
	return daemon->on_clock && event_add(daemon->on_clock, NULL) == 0 ? 0 : -ENOMEM;
}

void rsvp_clock_end(struct rsvp_daemon *daemon)
{
	if (daemon->on_clock)
		event_free(daemon->on_clock);
	if (daemon->clock_fd >= 0)
		close(daemon->clock_fd);
}
