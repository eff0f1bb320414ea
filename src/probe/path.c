/* SPDX-License-Identifier: MIT */
/* path.c: a path as a whole: see path.h. */
#include "probe/path_internal.h"

#include <errno.h>
#include <stdlib.h>

/* An estimate that is older is not told (spec/probing.md §6.4). */
#define VALID_US (10 * US_PER_S)
#define BOTTLENECK_VALID_US (600 * US_PER_S)
/* Nobody waits longer for what is not there. */
#define PATIENCE_US (10 * US_PER_S)
#define BOTTLENECK_FRESH_US (30 * US_PER_S)
/* Of which what is free now can be told. */
#define FRESH_GAPS 20

static const char *const state_names[] = {
	[PATH_UNKNOWN] = "unknown",
	[PATH_UNCONGESTED] = "uncongested",
	[PATH_CONGESTED] = "congested",
};

const char *path_state_name(enum path_state state)
{
	return state_names[state];
}

struct path *path_new(const struct path_ports *ports, const struct path_config *config, void *data,
		      uint64_t now_us)
{
	struct path *path = calloc(1, sizeof(*path));

	if (!path)
		return NULL;
	path->ports = *ports;
	path->config = *config;
	path->data = data;
	path->began_us = path->used_us = path->credited_us = now_us;
	path->judge_us = UINT64_MAX;
	path->retry_us = path->back_us = UINT64_MAX;
	return path;
}

struct path *path_free(struct path *path)
{
	if (!path)
		return NULL;
	path_stop_all(path);
	path_admit_end(path, -ECANCELED);
	spare_clear(&path->spare);
	free(path);
	return NULL;
}

void path_tell(struct path *path, enum path_event event)
{
	path->ports.event(path->ports.user_data, path->data, event);
}

uint64_t path_packet_ns(const struct path *path)
{
	/* Nobody knows yet: as if it were a common one. */
	uint64_t bps = path->capacity.bps > 0 ? path->capacity.bps : 100000000;

	return UINT64_C(8000000000) * FULL_PACKET_BYTES / bps;
}

/* ---- who wants to know ---- */

static bool is_used(const struct path *path)
{
	return path->trackers > 0 || path->flows > 0;
}

bool path_is_idle(const struct path *path, uint64_t now_us)
{
	return !is_used(path) && now_us >= path->used_us + PATH_LINGER_US;
}

void path_set_users(struct path *path, unsigned trackers, unsigned flows, uint64_t now_us)
{
	bool was_idle = path_is_idle(path, now_us) ||
			(!is_used(path) && path->used_us == path->began_us);
	bool begins = flows > 0 && path->flows == 0;

	if (is_used(path))
		path->used_us = now_us;
	path->trackers = trackers;
	path->flows = flows;
	if (begins)
		path_begin_to_send(path, now_us);
	if (is_used(path)) {
		path->used_us = now_us;
		if (was_idle)
			path->began_us = now_us;
		/* A flow does not wait as long as a client that nobody sends to. */
		if (path->support == SUPPORT_NO && flows > 0 && was_idle)
			path->retry_us = now_us;
	}
	path_schedule(path, now_us);
}

void path_reset(struct path *path, uint64_t own_link_bps, uint64_t now_us)
{
	bool was_known = path->state != PATH_UNKNOWN;

	path_stop_all(path);
	path->config.own_link_bps = own_link_bps;
	path->capacity = (struct capacity){ 0 };
	path->train_packets = 0;
	path->passive = (struct passive){ 0 };
	path_unlearn(path);
	path->support = SUPPORT_UNTRIED;
	path_priority(path, PROBE_PRIORITY_UNKNOWN);
	path->route_checked = false;
	path->retry_delay_us = 0;
	path->began_us = now_us;
	if (was_known)
		path_tell(path, PATH_EVENT_MEASURED);
	path_schedule(path, now_us);
}

/* ---- time ---- */

uint64_t path_deadline_us(const struct path *path)
{
	uint64_t deadline_us = path_schedule_deadline_us(path, path->judge_us);

	return path_earlier(deadline_us, path_admit_deadline_us(path));
}

void path_tick(struct path *path, uint64_t now_us)
{
	if (now_us >= path->judge_us)
		path_judge(path, now_us);
	path_admit_tick(path, now_us);
	path_schedule(path, now_us);
}

/* ---- what the host sees ---- */

void path_tcp(struct path *path, const struct passive_tcp *tcp, uint64_t now_us)
{
	passive_take_tcp(&path->passive, tcp, now_us);
	if (path->judge_us == UINT64_MAX)
		path->judge_us = now_us;
}

void path_forget_tcp(struct path *path)
{
	passive_forget_tcp(&path->passive);
}

void path_queue(struct path *path, const struct passive_queue *queue, uint64_t now_us)
{
	passive_take_queue(&path->passive, queue, now_us);
	if (path->judge_us == UINT64_MAX)
		path->judge_us = now_us;
}

/* ---- asking ---- */

enum path_state path_state(const struct path *path)
{
	return path->state;
}

enum probe_priority path_get_priority(const struct path *path)
{
	return path->priority;
}

struct path_load path_load(const struct path *path)
{
	return path->load;
}

static uint32_t rtt_us(const struct path *path)
{
	uint64_t us = path->spare.rtt_ns / NS_PER_US;

	if (us == 0)
		return 1;
	return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

int path_fundamentals(const struct path *path, uint64_t now_us,
		      struct path_fundamentals *ret_fundamentals)
{
	uint64_t heard_us = path->spare.heard_ns / NS_PER_US;
	struct path_fundamentals known = { 0 };

	if (!path->config.on_link || path->support == SUPPORT_NO)
		return -EOPNOTSUPP;
	known.bottleneck_set = path->capacity.bps > 0 &&
			       now_us < path->capacity.measured_us + BOTTLENECK_VALID_US;
	known.available_set = path->available_known && now_us < path->available_us + VALID_US;
	known.rtt_set = path->spare.rtt_ns > 0 && now_us < heard_us + VALID_US;
	/* One of the two alone would be asked for again and again. */
	if (!known.bottleneck_set || !known.available_set) {
		if (now_us >= path->began_us + PATIENCE_US && !path->available_known)
			return -EOPNOTSUPP;
		if (!known.bottleneck_set)
			return -EAGAIN;
	}
	if (known.bottleneck_set)
		known.bottleneck_bps = path->capacity.bps;
	if (known.available_set)
		known.available_bps = path->available_bps < path->capacity.bps ? path->available_bps
									       : path->capacity.bps;
	if (known.rtt_set)
		known.rtt_us = rtt_us(path);
	*ret_fundamentals = known;
	return 0;
}

void path_refresh(struct path *path, uint64_t now_us)
{
	path->gaps_us = now_us;
	path->refresh.wanted = true;
	path->refresh.gaps = FRESH_GAPS;
	path->refresh.train = path->capacity.bps == 0 ||
			      now_us >= path->capacity.measured_us + BOTTLENECK_FRESH_US;
	if (path->refresh.train)
		path->train_us = now_us;
	path_schedule(path, now_us);
}

bool path_is_fresh(const struct path *path)
{
	return !path->refresh.wanted;
}

bool path_is_attainable(const struct path *path, uint64_t current_bps, uint64_t wanted_bps)
{
	return path->state == PATH_UNCONGESTED && path->available_known &&
	       (wanted_bps <= current_bps || wanted_bps - current_bps <= path->available_bps);
}
