/* SPDX-License-Identifier: MIT */
/*
 * fake_greenwave.h: a libgreenwave in one struct, for tests of the Windows layer alone. It knows
 * flows 1..3 (1 non-adaptive, 2 adaptive, 3 of somebody else), answers what a test has put into
 * `fake`, and records what it was asked. Completions are posted by the test, and delivered as the
 * real library does it: by the thread that reads, through the callback.
 */
#ifndef FAKE_GREENWAVE_H
#define FAKE_GREENWAVE_H

#include <errno.h>
#include <greenwave.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FAKE_FLOW 1
#define FAKE_ADAPTIVE 2
#define FAKE_MAX_EVENTS 64

struct gw {
	struct gw_open_options options;
	int fd;
	pthread_mutex_t mutex;
	struct gw_event events[FAKE_MAX_EVENTS]; /* waiting to be read */
	unsigned n_events;
	uint64_t pending[FAKE_MAX_EVENTS]; /* tokens */
	unsigned n_pending;
	bool ended;
};

static struct {
	int result; /* of every function that changes something; 0 unless a test says otherwise */
	int open_result;
	int path_result;
	int notify_result; /* 1: pending */
	int rate_result;   /* of a rate that is begun; 1: pending */
	int fresh_result;  /* of a query of fresh figures that is begun; 1: pending */
	int health;	   /* of everything: -ESHUTDOWN once the daemon is gone */
	unsigned n_open, n_closed;
	struct gw *last; /* opened */
	uint32_t ids[8]; /* that exist on the host */
	size_t n_ids;
	struct gw_path_info path;
	/* What the last call passed. */
	const char *call;
	uint32_t id, flags, value;
	uint64_t rate_bps, token;
	uint64_t accepted_bps; /* the rate of all flows */
	int fd;
	enum gw_class traffic_class;
	socklen_t destination_len;
	uint32_t path_flags;
	/* A rate: so many times the answer is to wait; a DSCP + 1 for what exceeds it. */
	uint64_t wait_ns;
	int waits, excess_dscp;
	size_t paced_bytes;
	int complete_early; /* with what a request is completed before its call returns; 1: not */
} fake;

static pthread_mutex_t fake_mutex = PTHREAD_MUTEX_INITIALIZER; /* of what several threads record */

static inline void fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.notify_result = 1;
	fake.path_result = -ENODATA;
	fake.fresh_result = 1;
	fake.complete_early = 1;
}

static void fake_ring(struct gw *gw)
{
	uint64_t one = 1;
	ssize_t n = write(gw->fd, &one, sizeof(one));

	(void)n;
}

/* Posts an event for whoever reads next. */
static inline void fake_post(struct gw *gw, enum gw_event_type type, uint64_t token, int status)
{
	pthread_mutex_lock(&gw->mutex);
	gw->events[gw->n_events++] = (struct gw_event){
		.size = sizeof(struct gw_event), .type = type, .token = token, .status = status
	};
	if (type == GW_EVENT_COMPLETED && status == 0)
		gw->events[gw->n_events - 1].flow.path = fake.path;
	fake_ring(gw);
	pthread_mutex_unlock(&gw->mutex);
}

/* Forgets a pending request; false if there is none. */
static inline bool fake_take_pending(struct gw *gw, uint64_t token)
{
	bool found = false;

	pthread_mutex_lock(&gw->mutex);
	for (unsigned i = 0; i < gw->n_pending && !found; i++) {
		if (gw->pending[i] != token)
			continue;
		gw->pending[i] = gw->pending[--gw->n_pending];
		found = true;
	}
	pthread_mutex_unlock(&gw->mutex);
	return found;
}

static inline unsigned fake_pending(struct gw *gw, uint64_t *ret_first)
{
	unsigned n;

	pthread_mutex_lock(&gw->mutex);
	n = gw->n_pending;
	*ret_first = gw->pending[0];
	pthread_mutex_unlock(&gw->mutex);
	return n;
}

/* The engine completes the oldest pending request. */
static inline void fake_complete(struct gw *gw, int status)
{
	uint64_t token;

	fake_pending(gw, &token);
	if (fake_take_pending(gw, token))
		fake_post(gw, GW_EVENT_COMPLETED, token, status);
}

int gw_open(struct gw **ret_gw, const struct gw_open_options *options)
{
	struct gw *gw;

	if (fake.open_result < 0)
		return fake.open_result;
	gw = calloc(1, sizeof(*gw));
	if (!gw)
		return -ENOMEM;
	gw->options = *options;
	gw->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (gw->fd < 0) {
		int r = -errno;

		free(gw);
		return r;
	}
	pthread_mutex_init(&gw->mutex, NULL);
	fake.last = gw;
	fake.n_open++;
	*ret_gw = gw;
	return 0;
}

int gw_event_next(struct gw *gw, int timeout_ms, struct gw_event *ret_event)
{
	struct gw_event event;
	uint64_t count;

	pthread_mutex_lock(&gw->mutex);
	if (gw->n_events == 0) {
		pthread_mutex_unlock(&gw->mutex);
		return fake.health < 0 ? fake.health : 0;
	}
	event = gw->events[0];
	memmove(gw->events, gw->events + 1, --gw->n_events * sizeof(event));
	if (gw->n_events == 0) {
		ssize_t n = read(gw->fd, &count, sizeof(count));

		(void)n;
	}
	pthread_mutex_unlock(&gw->mutex);
	gw->options.on_event(&event, gw->options.user_data);
	return 1;
}

void gw_end(struct gw *gw)
{
	struct gw_event event;
	uint64_t token;

	pthread_mutex_lock(&gw->mutex);
	gw->ended = true;
	pthread_mutex_unlock(&gw->mutex);
	while (fake_pending(gw, &token) > 0)
		fake_complete(gw, -ECANCELED);
	while (gw_event_next(gw, 0, &event) > 0)
		;
}

struct gw *gw_close(struct gw *gw)
{
	close(gw->fd);
	pthread_mutex_destroy(&gw->mutex);
	free(gw);
	fake.n_closed++;
	return NULL;
}

static int fake_find(uint32_t id)
{
	if (fake.health < 0)
		return fake.health;
	return id == FAKE_FLOW || id == FAKE_ADAPTIVE ? 0 : -ENOENT;
}

static int fake_change(const char *call, uint32_t id)
{
	int r = fake_find(id);

	pthread_mutex_lock(&fake_mutex);
	fake.call = call;
	fake.id = id;
	pthread_mutex_unlock(&fake_mutex);
	return r < 0 ? r : fake.result;
}

int gw_flow_add(struct gw *gw, int fd, const struct sockaddr *destination,
		socklen_t destination_len, const struct gw_flow_options *options, uint32_t *ret_id)
{
	fake.call = "add";
	fake.fd = fd;
	fake.destination_len = destination ? destination_len : 0;
	fake.flags = options->flags;
	fake.traffic_class = options->traffic_class;
	if (fake.health < 0)
		return fake.health;
	if (fake.result < 0)
		return fake.result;
	*ret_id = FAKE_FLOW;
	return 0;
}

int gw_flow_attach(struct gw *gw, uint32_t id, int fd, const struct sockaddr *destination,
		   socklen_t destination_len, uint32_t flags)
{
	fake.fd = fd;
	fake.flags = flags;
	fake.destination_len = destination ? destination_len : 0;
	return fake_change("attach", id);
}

int gw_flow_detach(struct gw *gw, uint32_t id, int fd)
{
	fake.fd = fd;
	return fake_change("detach", id);
}

int gw_flow_remove(struct gw *gw, uint32_t id)
{
	return fake_change("remove", id);
}

int gw_flow_set_class(struct gw *gw, uint32_t id, enum gw_class traffic_class)
{
	pthread_mutex_lock(&fake_mutex);
	fake.traffic_class = traffic_class;
	pthread_mutex_unlock(&fake_mutex);
	return fake_change("set_class", id);
}

int gw_flow_set_dscp(struct gw *gw, uint32_t id, uint32_t dscp)
{
	fake.value = dscp;
	return fake_change("set_dscp", id);
}

int gw_flow_set_rate(struct gw *gw, uint32_t id, uint64_t rate_bps, enum gw_shaping shaping,
		     uint32_t reason)
{
	int r;

	fake.rate_bps = rate_bps;
	fake.value = (uint32_t)shaping << 8 | reason;
	r = fake_change("set_rate", id);
	if (r == 0)
		fake.accepted_bps = rate_bps;
	return r;
}

int gw_flow_query(struct gw *gw, uint32_t id, struct gw_flow_info *ret_info)
{
	int r = fake_find(id);

	if (r < 0)
		return r;
	ret_info->id = id;
	ret_info->flags = id == FAKE_ADAPTIVE ? GW_FLOW_ADAPTIVE : 0;
	ret_info->rate_bps = fake.accepted_bps;
	ret_info->conformant_dscp = 40;
	ret_info->nonconformant_dscp = 8;
	ret_info->conformant_priority = 5;
	ret_info->nonconformant_priority = 2;
	return 0;
}

int gw_flow_query_path(struct gw *gw, uint32_t id, uint32_t flags, struct gw_path_info *ret_info)
{
	int r = fake_find(id);

	fake.path_flags = flags;
	if (r < 0)
		return r;
	if (id != FAKE_ADAPTIVE)
		return -EOPNOTSUPP;
	if (fake.path_result < 0)
		return fake.path_result;
	*ret_info = fake.path;
	return 0;
}

/* `r` if it is not 1; else the request pends, unless the handle has ended. */
static int fake_pend(struct gw *gw, int r, uint64_t token)
{
	struct gw_event event;

	pthread_mutex_lock(&fake_mutex);
	fake.token = token;
	pthread_mutex_unlock(&fake_mutex);
	if (r != 1)
		return r;
	pthread_mutex_lock(&gw->mutex);
	if (gw->ended)
		r = -ECANCELED;
	else
		gw->pending[gw->n_pending++] = token;
	pthread_mutex_unlock(&gw->mutex);
	if (r == 1 && fake.complete_early != 1) {
		fake_complete(gw, fake.complete_early);
		gw_event_next(gw, 0, &event);
	}
	return r;
}

int gw_flow_begin_rate(struct gw *gw, uint32_t id, uint64_t rate_bps, enum gw_shaping shaping,
		       uint32_t reason, uint64_t token)
{
	int r = gw_flow_set_rate(gw, id, rate_bps, shaping, reason);

	return r < 0 ? r : fake_pend(gw, fake.rate_result, token);
}

int gw_flow_begin_query_path(struct gw *gw, uint32_t id, uint32_t flags, uint64_t token,
			     struct gw_path_info *ret_info)
{
	if ((flags & GW_PATH_FRESH) && fake_find(id) == 0 && id == FAKE_ADAPTIVE) {
		fake.path_flags = flags;
		return fake_pend(gw, fake.fresh_result, token);
	}
	return gw_flow_query_path(gw, id, flags, ret_info);
}

int gw_flow_notify(struct gw *gw, uint32_t id, enum gw_condition condition, uint64_t target_bps,
		   uint64_t token)
{
	int r = fake_find(id);

	pthread_mutex_lock(&fake_mutex);
	fake.call = "notify";
	fake.value = condition;
	fake.rate_bps = target_bps;
	pthread_mutex_unlock(&fake_mutex);
	return fake_pend(gw, r < 0 ? r : fake.notify_result, token);
}

int gw_cancel(struct gw *gw, uint64_t token)
{
	if (!fake_take_pending(gw, token))
		return -ENOENT;
	fake_post(gw, GW_EVENT_COMPLETED, token, -ECANCELED);
	return 0;
}

int gw_track_start(struct gw *gw, const struct sockaddr *host, socklen_t host_len)
{
	fake.call = "track_start";
	fake.destination_len = host_len;
	return fake.result;
}

int gw_track_stop(struct gw *gw, const struct sockaddr *host, socklen_t host_len)
{
	fake.call = "track_stop";
	fake.destination_len = host_len;
	return fake.result;
}

int gw_flow_enumerate(struct gw *gw, uint32_t *ids, size_t capacity, size_t *ret_count)
{
	if (fake.result < 0)
		return fake.result;
	for (size_t i = 0; i < capacity && i < fake.n_ids; i++)
		ids[i] = fake.ids[i];
	*ret_count = fake.n_ids;
	return 0;
}

int gw_pace(int fd, size_t payload_bytes, struct gw_pacing *ret_pacing)
{
	pthread_mutex_lock(&fake_mutex);
	ret_pacing->wait_ns = fake.wait_ns && fake.waits > 0 ? fake.wait_ns : 0;
	ret_pacing->dscp = fake.excess_dscp - 1;
	if (ret_pacing->wait_ns > 0)
		fake.waits--;
	fake.paced_bytes = payload_bytes;
	pthread_mutex_unlock(&fake_mutex);
	return 0;
}

int gw_event_fd(const struct gw *gw)
{
	return gw->fd;
}

#include "fake_qos.h"

#endif
