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

/* Makes the descriptor readable while there is something to take. */
static void queue_signal(struct gw *gw)
{
	bool waiting = gw->queue || gw->n_lost > 0;
	uint64_t count = 1;
	ssize_t n;

	if (waiting == gw->signalled)
		return;
	gw->signalled = waiting;
	if (waiting)
		n = write(gw->queue_fd, &count, sizeof(count));
	else
		n = read(gw->queue_fd, &count, sizeof(count));
	(void)n;
}

int event_push(struct gw *gw, const struct gw_event *event)
{
	bool must_keep = event->type == GW_EVENT_COMPLETED || event->type == GW_EVENT_DISCONNECTED;
	struct queued_event *queued = NULL;

	if (gw->n_queued < QUEUE_MAX || must_keep)
		queued = malloc(sizeof(*queued));
	if (queued) {
		queued->event = *event;
		DL_APPEND(gw->queue, queued);
		gw->n_queued++;
	} else {
		gw->n_lost++;
	}
	queue_signal(gw);
	return queued ? 0 : -ENOBUFS;
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
		queue_signal(gw);
		return true;
	}
	*ret_event = queued->event;
	DL_DELETE(gw->queue, queued);
	free(queued);
	gw->n_queued--;
	queue_signal(gw);
	return true;
}

void event_free_all(struct gw *gw)
{
	struct queued_event *queued, *next;

	DL_FOREACH_SAFE(gw->queue, queued, next) {
		gw_event_release(&queued->event);
		free(queued);
	}
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
	ret_event->flow.path = path_info_of(msg);
	memcpy(ret_event->reason, msg->end_reason, sizeof(ret_event->reason));
	if (MSG_HAS(msg, TAG_RSVP)) {
		ret_event->socket = msg->cookie;
		ret_event->rsvp = rsvp_record_copy(&msg->rsvp);
		if (!ret_event->rsvp)
			*ret_event = (struct gw_event){ .size = sizeof(*ret_event),
							.type = GW_EVENT_LOST,
							.lost = 1 };
	}
	if (msg_next(buf, len, TAG_RECORD, &position, &nested) == 1)
		record_decode(&nested, &ret_event->flow);
}

int gw_event_fd(const struct gw *gw)
{
	return gw ? gw->epoll_fd : -EINVAL;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* With a callback there is nothing to take: that it has been told of another one is enough. Lock held. */
static bool take_event(struct gw *gw, uint64_t told_before, struct gw_event *ret_event)
{
	return gw->on_event ? gw->n_told != told_before : event_pop(gw, ret_event);
}

/* Lock held, and dropped while waiting. */
static bool wait_for_event(struct gw *gw, int timeout_ms, struct gw_event *ret_event)
{
	uint64_t end_ms = timeout_ms > 0 ? now_ms() + (uint64_t)timeout_ms : 0;
	uint64_t told_before = gw->n_told;

	for (;;) {
		bool came;

		if (take_event(gw, told_before, ret_event))
			return true;
		if (gw->ended || gw->lost)
			return false;
		came = client_wait_step(gw, timeout_ms);
		if (timeout_ms > 0) {
			uint64_t now = now_ms();

			timeout_ms = now < end_ms ? (int)(end_ms - now) : 0;
		} else if (timeout_ms == 0 && !came) {
			return take_event(gw, told_before, ret_event);
		}
	}
}

int gw_event_next(struct gw *gw, int timeout_ms, struct gw_event *ret_event)
{
	int r;

	if (!gw || !ret_event)
		return -EINVAL;
	if (client_is_inherited(gw))
		return -ECHILD;
	pthread_mutex_lock(&gw->lock);
	if (wait_for_event(gw, timeout_ms, ret_event))
		r = 1;
	else if (gw->ended)
		r = -ECANCELED;
	else
		r = gw->lost ? -ESHUTDOWN : 0;
	pthread_mutex_unlock(&gw->lock);
	return r;
}
