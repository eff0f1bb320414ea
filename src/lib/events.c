/* SPDX-License-Identifier: MIT */
/*
 * events.c: events that wait to be taken, and the descriptor that tells of them.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "lib/client.h"

#define QUEUE_MAX \
	1024u /* events; a program that never asks for them loses the rest, and can see so */

struct queued_event {
	struct gw_event event;
	struct queued_event *prev, *next;
};

static void queue_signal(const struct gw *gw, bool waiting)
{
	uint64_t count = 1;
	ssize_t n;

	if (waiting)
		n = write(gw->queue_fd, &count, sizeof(count));
	else
		n = read(gw->queue_fd, &count, sizeof(count));
	(void)n; /* non-blocking: it is in the wanted state already */
}

int event_push(struct gw *gw, const struct gw_event *event)
{
	struct queued_event *queued = NULL;

	if (gw->n_queued < QUEUE_MAX)
		queued = malloc(sizeof(*queued));
	if (!queued) {
		gw->n_lost++;
		return -ENOBUFS;
	}
	queued->event = *event;
	DL_APPEND(gw->queue, queued);
	if (gw->n_queued++ == 0)
		queue_signal(gw, true);
	return 0;
}

bool event_pop(struct gw *gw, struct gw_event *ret_event)
{
	struct queued_event *queued = gw->queue;

	if (!queued && gw->n_lost == 0)
		return false;
	if (!queued) {
		*ret_event = (struct gw_event){
			.size = sizeof(*ret_event),
			.type = GW_EVENT_LOST,
			.lost = gw->n_lost,
		};
		gw->n_lost = 0;
		return true;
	}
	*ret_event = queued->event;
	DL_DELETE(gw->queue, queued);
	free(queued);
	if (--gw->n_queued == 0)
		queue_signal(gw, false);
	return true;
}

void event_free_all(struct gw *gw)
{
	struct queued_event *queued, *next;

	DL_FOREACH_SAFE(gw->queue, queued, next)
		free(queued);
	gw->queue = NULL;
}

void event_from_msg(const struct msg *msg, const void *buf, size_t len, struct gw_event *ret_event)
{
	struct codec_bytes nested;
	size_t position = 0;

	*ret_event = (struct gw_event){
		.size = sizeof(*ret_event),
		.type = (enum gw_event_type)msg->event,
		.status = msg->head.status,
		.token = msg->token,
		.lost = msg->lost,
		.time_us = msg->time_us,
	};
	memcpy(ret_event->reason, msg->end_reason, sizeof(ret_event->reason));
	if (msg_next(buf, len, TAG_RECORD, &position, &nested) == 1)
		record_decode(&nested, &ret_event->flow);
}

int gw_event_fd(const struct gw *gw)
{
	return gw->epoll_fd;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* With a callback there is nothing to take: one step of reading is one chance for it to be called. */
static int next_by_callback(struct gw *gw, int timeout_ms)
{
	bool something;

	pthread_mutex_lock(&gw->lock);
	something = client_wait_step(gw, timeout_ms);
	pthread_mutex_unlock(&gw->lock);
	return something ? 1 : 0;
}

int gw_event_next(struct gw *gw, int timeout_ms, struct gw_event *ret_event)
{
	uint64_t end_ms = timeout_ms > 0 ? now_ms() + (uint64_t)timeout_ms : 0;
	bool found;

	if (gw->pid != getpid())
		return -ECHILD;
	if (gw->on_event) {
		if (gw->lost || gw->ended)
			return gw->ended ? -ECANCELED : -ESHUTDOWN;
		return next_by_callback(gw, timeout_ms);
	}
	pthread_mutex_lock(&gw->lock);
	while (!(found = event_pop(gw, ret_event))) {
		if (gw->ended || gw->lost)
			break;
		if (timeout_ms > 0) {
			uint64_t now = now_ms();

			if (now >= end_ms)
				break;
			timeout_ms = (int)(end_ms - now);
		}
		if (!client_wait_step(gw, timeout_ms) && timeout_ms == 0) {
			found = event_pop(gw, ret_event);
			break;
		}
	}
	pthread_mutex_unlock(&gw->lock);
	if (found)
		return 1;
	return gw->ended ? -ECANCELED : gw->lost ? -ESHUTDOWN : 0;
}
