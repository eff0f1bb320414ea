/* SPDX-License-Identifier: MIT */
/*
 * probe_measure.c: looks at the path of an adaptive flow at regular times, and asks to be told when it is congested and
 * when it is not any more. How it is measured, and how often, is decided by who serves the flow.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/probe.h"

/* Whoever measures gives up after 10 s; then there is an error, not silence. */
#define FIRST_ANSWER_US UINT64_C(15000000)
#define PROGRESS_US UINT64_C(200000)
#define FRESH_US UINT64_C(8000000) /* it is answered within 5 s */
#define FRESH_TOKEN 99

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- congestion ---- */

/* The conditions that are asked for, and the states they are; the token of a request is the condition's number + 1. */
static const struct {
	enum gw_condition condition;
	enum probe_state state;
} conditions[] = {
	{ GW_CONDITION_CONGESTED, PROBE_CONGESTED },
	{ GW_CONDITION_UNCONGESTED, PROBE_UNCONGESTED },
};

#define CONDITIONS (sizeof(conditions) / sizeof(conditions[0]))

static void change_state(struct probe *probe, enum probe_state state)
{
	uint64_t now = now_us();

	if (state == probe->state)
		return;
	probe->state = state;
	if (probe->n_changes == PROBE_CHANGES_MAX)
		return;
	probe->changes[probe->n_changes++] = (struct probe_change){
		.time_us = probe->began_us && now > probe->began_us ? now - probe->began_us : 0,
		.state = state,
	};
}

/* To be told of the states that the path is not in. One that it has come to be in meanwhile is told at once. */
static int ask_for_changes(struct probe *probe)
{
	for (size_t i = 0; i < CONDITIONS; i++) {
		int r;

		if (conditions[i].state == probe->state)
			continue;
		r = gw_flow_notify(probe->gw, probe->flow, conditions[i].condition, 0,
				   (uint64_t)conditions[i].condition + 1);
		if (r == 0)
			change_state(probe, conditions[i].state);
		/* Pending already; or nobody measures (any more), of which the samples tell. */
		else if (r < 0 && r != -EEXIST && r != -EBUSY && r != -EOPNOTSUPP)
			return r;
	}
	return 0;
}

static int take_event(struct probe *probe, const struct gw_event *event)
{
	if (event->type == GW_EVENT_DISCONNECTED)
		return -ESHUTDOWN;
	if (event->type == GW_EVENT_FLOW_ENDED)
		return -ECANCELED;
	if (event->type != GW_EVENT_COMPLETED)
		return 0;
	if (event->token == FRESH_TOKEN) {
		probe->fresh_pending = false;
		probe->fresh_answer = event->status;
		probe->fresh = event->flow.path;
	}
	if (event->status < 0)
		return 0; /* the samples tell why nobody tells of it any more */
	for (size_t i = 0; i < CONDITIONS; i++)
		if (event->token == (uint64_t)conditions[i].condition + 1)
			change_state(probe, conditions[i].state);
	return ask_for_changes(probe);
}

static int take_events(struct probe *probe)
{
	struct gw_event event = { .size = sizeof(event) };
	int r;

	while ((r = gw_event_next(probe->gw, 0, &event)) > 0) {
		r = take_event(probe, &event);
		gw_event_release(&event);
		if (r < 0)
			return r;
		event.size = sizeof(event);
	}
	return r;
}

/* ---- samples ---- */

static int keep(struct probe *probe, const struct gw_path_info *info, uint64_t now)
{
	struct probe_sample *sample;

	if (probe->n_samples == probe->samples_max) {
		size_t max = probe->samples_max ? probe->samples_max * 2 : 64;
		struct probe_sample *samples = reallocarray(probe->samples, max, sizeof(*samples));

		if (!samples)
			return -ENOMEM;
		probe->samples = samples;
		probe->samples_max = max;
	}
	sample = &probe->samples[probe->n_samples++];
	*sample = (struct probe_sample){
		.time_us = now - probe->began_us,
		.info = *info,
		.state = probe->state,
	};
	return 0;
}

/* What was answered. 1: the path has not answered yet. */
static int take_info(struct probe *probe, int answer, const struct gw_path_info *info)
{
	uint64_t now = now_us();

	if (answer == -ENODATA)
		return 1;
	if (answer < 0)
		return answer;
	if (!info->capacity_known && !info->available_known && !info->rtt_known)
		return 1;
	if (probe->began_us == 0)
		probe->began_us = now;
	answer = keep(probe, info, now);
	/* Only now is it sure that there is something to be told of. */
	return answer < 0 ? answer : ask_for_changes(probe);
}

static int look(struct probe *probe)
{
	struct gw_path_info info = { .size = sizeof(info) };

	return take_info(probe, gw_flow_query_path(probe->gw, probe->flow, 0, &info), &info);
}

/* ---- the loop ---- */

/* 1: there was a signal. Ends early when what is asked for freshly has come. */
static int wait_until(struct probe *probe, uint64_t until_us)
{
	struct pollfd fds[] = {
		{ .fd = probe->signals, .events = POLLIN },
		{ .fd = gw_event_fd(probe->gw), .events = POLLIN },
	};
	bool asked = probe->fresh_pending;
	uint64_t now;

	while ((now = now_us()) < until_us && probe->fresh_pending == asked) {
		uint64_t left_us = until_us - now;
		int r, timeout_ms;

		probe_progress(probe, now);
		timeout_ms = (int)((left_us < PROGRESS_US ? left_us : PROGRESS_US) + 999) / 1000;
		if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR)
			return -errno;
		if (fds[0].revents)
			return 1;
		r = take_events(probe);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether what is known is still so: only a new measurement can tell. */
static int look_freshly(struct probe *probe)
{
	struct gw_path_info info = { .size = sizeof(info) };
	int r = gw_flow_begin_query_path(probe->gw, probe->flow, GW_PATH_FRESH, FRESH_TOKEN, &info);

	if (r == 1) {
		probe->fresh_pending = true;
		probe->fresh_answer = -ETIMEDOUT;
		r = wait_until(probe, now_us() + FRESH_US);
		if (r > 0)
			probe->end = PROBE_INTERRUPTED;
		if (r != 0)
			return r;
		r = probe->fresh_answer;
		info = probe->fresh;
	}
	if (r == -ETIMEDOUT)
		return -EOPNOTSUPP;
	return r == -EAGAIN ? 0 : take_info(probe, r, &info);
}

static int measure(struct probe *probe)
{
	uint64_t start_us = now_us(), next_us = start_us;
	int r;

	for (;;) {
		uint64_t now = now_us();

		if (probe->began_us != 0 && now >= probe->began_us + probe->duration_us)
			return look_freshly(probe);
		if (probe->began_us == 0 && now >= start_us + FIRST_ANSWER_US)
			return -ETIMEDOUT;
		r = look(probe);
		if (r < 0)
			return r;
		next_us += probe->interval_us;
		if (next_us < now)
			next_us = now;
		if (probe->began_us != 0 && next_us > probe->began_us + probe->duration_us)
			next_us = probe->began_us + probe->duration_us;
		r = wait_until(probe, next_us);
		if (r > 0)
			probe->end = PROBE_INTERRUPTED;
		if (r != 0)
			return r;
	}
}

int probe_measure(struct probe *probe)
{
	int r = measure(probe);

	probe_progress_end();
	if (probe->began_us != 0)
		probe->took_us = now_us() - probe->began_us;
	if (r == -EOPNOTSUPP && probe->n_samples > 0) {
		probe->end = PROBE_STOPPED;
		return 0;
	}
	if (r < 0)
		return r;
	return probe->n_samples > 0 ? 0 : -ENODATA;
}
