/* SPDX-License-Identifier: MIT */
/*
 * track.c: hosts that owners have announced (spec/qwave.md §5.9, §5.10): their paths are measured before there is a
 * flow. Each owner holds one tracker of a host, however often it has announced it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

/* That nobody answers is told well before whoever asked has waited for 5 s (spec/qwave.md §17, Q-182). */
#define TRACK_US UINT64_C(4500000)

/* The port does not count. */
static bool is_for(const struct tracker *tracker, const struct address *host)
{
	const struct path_key *key = &tracker->path->key;

	return memcmp(key->addr, host->addr, sizeof(key->addr)) == 0 && key->scope == host->scope;
}

static struct tracker *tracker_find(const struct owner *owner, const struct address *host)
{
	struct tracker *tracker;

	DL_FOREACH(owner->trackers, tracker) {
		if (is_for(tracker, host))
			break;
	}
	return tracker;
}

static struct tracker *tracker_new(struct engine *engine, struct owner *owner,
				   const struct address *host, const struct engine_route *route)
{
	struct tracker *tracker = calloc(1, sizeof(*tracker));
	struct flow_path *path = tracker ? path_obtain(engine, host, route) : NULL;

	if (!path) {
		free(tracker);
		return NULL;
	}
	tracker->owner = owner;
	tracker->path = path;
	DL_APPEND(owner->trackers, tracker);
	DL_APPEND2(owner->user->tracker_list, tracker, user_prev, user_next);
	owner->user->trackers++;
	DL_APPEND2(path->trackers, tracker, path_prev, path_next);
	path->n_trackers++;
	path_users_changed(engine, path);
	return tracker;
}

void tracker_end(struct engine *engine, struct tracker *tracker, int status)
{
	struct owner *owner = tracker->owner;
	struct flow_path *path = tracker->path;

	while (tracker->ops)
		op_complete(engine, tracker->ops, status);
	DL_DELETE(owner->trackers, tracker);
	DL_DELETE2(owner->user->tracker_list, tracker, user_prev, user_next);
	owner->user->trackers--;
	DL_DELETE2(path->trackers, tracker, path_prev, path_next);
	path->n_trackers--;
	free(tracker);
	if (path->flows || path->trackers)
		path_users_changed(engine, path);
	path_release(engine, path);
}

/* Those that wait hear that somebody has answered; or that nobody has, and then nothing is tracked. */
void path_serve_trackers(struct engine *engine, struct flow_path *path, int status)
{
	struct tracker *tracker, *next;

	DL_FOREACH_SAFE2(path->trackers, tracker, next, path_next) {
		if (tracker->ops && status < 0) {
			tracker_end(engine, tracker, status);
			continue;
		}
		while (tracker->ops)
			op_complete(engine, tracker->ops, status);
	}
}

static int limit_check(struct engine *engine, const struct user *user)
{
	if (user->uid == 0 || user->trackers < engine->config.max_tracked_per_user)
		return 0;
	engine->counters.refused_limit++;
	return -ENOBUFS;
}

static int answer_await(struct engine *engine, struct tracker *tracker,
			const struct engine_wait *wait)
{
	struct op begun = { .kind = OP_TRACK, .tracker = tracker };
	struct op *op;
	int r;

	if (!wait)
		return -EAGAIN;
	begun.wait = *wait;
	r = op_start(engine, tracker->owner, &begun, &op);
	if (r < 0)
		return r;
	op_set_deadline(engine, op, engine->now_us + TRACK_US);
	return 1;
}

/* What the path of a tracker that was made just now has to say. */
static int tracker_begin(struct engine *engine, struct tracker *tracker,
			 const struct engine_wait *wait)
{
	const struct flow_path *path = tracker->path;
	int r;

	if (!path->measured)
		r = -ENOBUFS;
	else if (path->support == SUPPORT_UNKNOWN)
		r = answer_await(engine, tracker, wait);
	else
		r = path->support == SUPPORT_YES ? 0 : -EHOSTUNREACH;
	if (r < 0)
		tracker_end(engine, tracker, r);
	return r;
}

int engine_track(struct engine *engine, struct owner *owner, const struct address *host,
		 const struct engine_wait *wait, uint64_t now_us)
{
	struct engine_route route = { 0 };
	struct tracker *tracker;
	int r;

	engine_note_time(engine, now_us);
	if (address_is_unspecified(host) || address_is_multicast(host))
		return -EINVAL;
	tracker = tracker_find(owner, host);
	if (tracker)
		return tracker->ops ? answer_await(engine, tracker, wait) : 0;
	r = engine->ports.route(engine->ports.user_data, host, NULL, &route);
	if (r < 0)
		return r;
	if (!route.on_link || !engine->measuring)
		return -EOPNOTSUPP;
	r = limit_check(engine, owner->user);
	if (r < 0)
		return r;
	tracker = tracker_new(engine, owner, host, &route);
	return tracker ? tracker_begin(engine, tracker, wait) : -ENOMEM;
}

int engine_untrack(struct engine *engine, struct owner *owner, const struct address *host,
		   uint64_t now_us)
{
	struct tracker *tracker = tracker_find(owner, host);

	engine_note_time(engine, now_us);
	if (address_is_unspecified(host) || address_is_multicast(host))
		return -EINVAL;
	if (!tracker) {
		DL_FOREACH2(owner->user->tracker_list, tracker, user_next) {
			if (is_for(tracker, host))
				break;
		}
	}
	if (!tracker)
		return -ENOENT;
	tracker_end(engine, tracker, -ECANCELED);
	return 0;
}
