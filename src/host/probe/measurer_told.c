/* SPDX-License-Identifier: MIT */
/*
 * measurer_told.c: what happens to paths is noted while the prober runs, and told when it does not: the engine may then
 * ask for more, and even close the path that it hears of.
 */
#include <stdlib.h>

#include "host/probe/measurer_internal.h"

static void queue(struct measured *measured)
{
	struct measurer *measurer = measured->measurer;

	if (measured->queued)
		return;
	measured->queued = true;
	DL_APPEND(measurer->queue, measured);
}

static void unqueue(struct measured *measured)
{
	struct measurer *measurer = measured->measurer;

	if (!measured->queued)
		return;
	measured->queued = false;
	DL_DELETE(measurer->queue, measured);
}

static void note(struct measured *measured, enum measuring_event event)
{
	measured->events |= 1u << event;
	queue(measured);
}

/* ---- from the prober ---- */

void measurer_on_event(void *user_data, void *data, enum path_event event)
{
	(void)user_data;
	switch (event) {
	case PATH_EVENT_CONGESTED:
	case PATH_EVENT_UNCONGESTED:
		note(data, MEASURING_EVENT_STATE);
		return;
	case PATH_EVENT_MEASURED:
		note(data, MEASURING_EVENT_MEASURED);
		return;
	case PATH_EVENT_PRIORITY:
		note(data, MEASURING_EVENT_PRIORITY);
		return;
	case PATH_EVENT_SUPPORTED:
		note(data, MEASURING_EVENT_SUPPORTED);
		return;
	case PATH_EVENT_UNSUPPORTED:
		note(data, MEASURING_EVENT_UNSUPPORTED);
		return;
	}
}

void measurer_on_refreshed(void *user_data, void *data)
{
	(void)user_data;
	note(data, MEASURING_EVENT_REFRESHED);
}

void measurer_on_admitted(void *user_data, void *data, uint64_t token, int status)
{
	struct measured *measured = data;
	struct measured_wish *wish;

	(void)user_data;
	DL_FOREACH(measured->wishes, wish) {
		if (wish->token != token)
			continue;
		wish->answered = true;
		wish->status = status;
		queue(measured);
		return;
	}
}

/* ---- to the engine ---- */

static struct measured_wish *find_answered(const struct measured *measured)
{
	struct measured_wish *wish;

	DL_FOREACH(measured->wishes, wish) {
		if (wish->answered)
			return wish;
	}
	return NULL;
}

/* One thing after the other, as long as the engine keeps the path open. */
static void tell_of(struct measurer *measurer, struct measured *measured, uint64_t now_us)
{
	const struct measurer_options *options = &measurer->options;
	struct measured_wish *wish;

	for (unsigned event = 0; measurer->telling && event <= MEASURING_EVENT_UNSUPPORTED;
	     event++) {
		if (!(measured->events & 1u << event))
			continue;
		measured->events &= ~(1u << event);
		options->event(options->user_data, measured->path, (enum measuring_event)event,
			       now_us);
	}
	while (measurer->telling && (wish = find_answered(measured))) {
		uint64_t token = wish->token;
		int status = wish->status;

		DL_DELETE(measured->wishes, wish);
		free(wish);
		options->admitted(options->user_data, measured->path, token, status, now_us);
	}
}

void measurer_tell(struct measurer *measurer, uint64_t now_us)
{
	struct measured *measured;
	unsigned n = 0;

	/* What comes of it is told in the next turn. */
	DL_COUNT(measurer->queue, measured, n);
	while (n-- > 0 && measurer->queue) {
		measured = measurer->telling = measurer->queue;
		unqueue(measured);
		tell_of(measurer, measured, now_us);
	}
	measurer->telling = NULL;
}

void measurer_forget(struct measured *measured)
{
	struct measured_wish *wish, *next;

	unqueue(measured);
	if (measured->measurer->telling == measured)
		measured->measurer->telling = NULL;
	DL_FOREACH_SAFE(measured->wishes, wish, next) {
		DL_DELETE(measured->wishes, wish);
		free(wish);
	}
}
