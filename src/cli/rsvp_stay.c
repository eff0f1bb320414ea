/* SPDX-License-Identifier: MIT */
/* rsvp_stay.c: prints what happens, until a signal, the end of a time, or an event that is waited for. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "cli/endings.h"
#include "cli/fmt.h"
#include "cli/host.h"
#include "cli/rsvp.h"

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int rsvp_show_event(const struct gw_event *event, bool json)
{
	int r;

	if (json)
		r = fmt_json_print(stdout, rsvp_json_event(event));
	else
		r = rsvp_print_event(stdout, event);
	if (r < 0)
		return r;
	/* A reader waits for each line. */
	return cli_flush_output() ? 0 : -EPIPE;
}

/* The exit status when it is time to leave, or -1. */
static int take_event(const struct rsvp_stay *stay, const struct gw_event *event)
{
	int r;

	if (event->type == GW_EVENT_DISCONNECTED)
		return host_report(stay->what, -ESHUTDOWN);
	if (event->type == GW_EVENT_LOST) {
		cli_error("%s: %" PRIu64 " events were lost: they came faster than they were read",
			  stay->what, event->lost);
		return -1;
	}
	if (stay->on_event)
		return stay->on_event(event, stay->user_data);
	if (!event->rsvp)
		return -1;
	r = rsvp_show_event(event, stay->json);
	if (r == -EPIPE)
		return CLI_FINE; /* the reader had enough, or cli_finish_output() reports */
	return r < 0 ? host_report(stay->what, r) : -1;
}

static int take_events(const struct rsvp_stay *stay)
{
	struct gw_event event = { .size = sizeof(event) };
	int status = -1, r = 0;

	while (status < 0 && (r = gw_event_next(stay->gw, 0, &event)) > 0) {
		status = take_event(stay, &event);
		gw_event_release(&event);
		event.size = sizeof(event);
	}
	return status < 0 && r < 0 ? host_report(stay->what, r) : status;
}

/* What is left of the time, rounded up; -1: there is no end. */
static int wait_ms(const struct rsvp_stay *stay, uint64_t end_us)
{
	uint64_t now = now_us(), left_ms;

	if (stay->duration_us == 0)
		return -1;
	left_ms = now < end_us ? (end_us - now + 999) / 1000 : 0;
	return left_ms < 3600000 ? (int)left_ms : 3600000;
}

int rsvp_stay(const struct rsvp_stay *stay)
{
	uint64_t end_us = now_us() + stay->duration_us;
	/* Of standard output only POLLERR is of interest: the reader has left. */
	struct pollfd fds[] = {
		{ .fd = endings_watch(false, NULL), .events = POLLIN },
		{ .fd = gw_event_fd(stay->gw), .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};
	bool over = false;
	int status = -1;

	signal(SIGPIPE, SIG_IGN); /* what was asked for is torn down in any case */
	if (fds[0].fd < 0)
		return host_report(stay->what, fds[0].fd);
	while (status < 0 && !over) {
		int timeout_ms;

		status = take_events(stay);
		timeout_ms = wait_ms(stay, end_us);
		if (status >= 0)
			break;
		over = timeout_ms == 0;
		if (over)
			status = stay->late;
		else if (poll(fds, 3, timeout_ms) < 0 && errno != EINTR)
			status = host_report(stay->what, -errno);
		else if (fds[0].revents || (fds[2].revents & (POLLERR | POLLHUP | POLLNVAL)))
			status = CLI_FINE;
	}
	close(fds[0].fd);
	return status;
}
