/* SPDX-License-Identifier: MIT */
/*
 * path.c: the ways to hosts, each shared by all adaptive flows and trackers that name it, and measured by the
 * host behind measuring.h.
 *
 * A path is measured by experiments with the host at its other end, which must be a neighbour (no gateway
 * between) and take part. A path to a neighbour is SUPPORT_UNKNOWN until something has been heard from it, and
 * SUPPORT_NO once it has been silent for the discovery time; any other path is SUPPORT_NO at once
 * (spec/qwave.md §5.6, A-33). Who was silent may appear later.
 *
 * What a TCP connection tells of its path is there without anybody at the other end, and without being a neighbour:
 * its flow is watched then, so that it hears of congestion, but what is free is not known.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

static bool flow_is_tcp(const struct flow *flow)
{
	return flow->entries && flow->entries->slot->sock->protocol == IPPROTO_TCP;
}

bool flow_is_watched(const struct flow *flow)
{
	const struct flow_path *path = flow->path;

	if (!path)
		return false;
	return path->support != SUPPORT_NO || (path->measured && flow_is_tcp(flow));
}

enum measuring_state path_condition(const struct engine *engine, const struct flow_path *path)
{
	const struct measuring *measuring = engine->measuring;

	return path->measured ? measuring->state(measuring->user_data, path->measured)
			      : MEASURING_UNKNOWN;
}

int path_known(const struct engine *engine, const struct flow_path *path,
	       struct gw_path_info *ret_info)
{
	const struct measuring *measuring = engine->measuring;
	struct gw_path_info info = { .size = sizeof(info) };
	int r;

	if (!path->on_link)
		return -EOPNOTSUPP;
	if (!path->measured)
		return path->support == SUPPORT_NO ? -EOPNOTSUPP : -ENODATA;
	r = measuring->fundamentals(measuring->user_data, path->measured, &info, engine->now_us);
	if (r == -ENODATA && path->support == SUPPORT_NO)
		return -EOPNOTSUPP;
	if (r < 0)
		return r;
	/* More than all cannot be free. */
	if (info.capacity_known && info.available_known && info.available_bps > info.capacity_bps)
		info.available_bps = info.capacity_bps;
	*ret_info = info;
	return 0;
}

enum gw_path_state flow_path_state(const struct engine *engine, const struct flow *flow)
{
	static const enum gw_path_state states[] = {
		[MEASURING_UNKNOWN] = GW_PATH_UNKNOWN,
		[MEASURING_UNCONGESTED] = GW_PATH_UNCONGESTED,
		[MEASURING_CONGESTED] = GW_PATH_CONGESTED,
	};

	if (!flow->path)
		return GW_PATH_NONE;
	return flow_is_watched(flow) ? states[path_condition(engine, flow->path)]
				     : GW_PATH_UNSUPPORTED;
}

bool flow_tags(const struct flow *flow)
{
	return flow->path && flow->path->tags;
}

static bool path_may_tag(const struct engine *engine, const struct flow_path *path)
{
	const struct measuring *measuring = engine->measuring;

	return engine->ports.datapath->tags && path->on_link && path->support == SUPPORT_YES &&
	       path->measured && measuring->may_tag(measuring->user_data, path->measured);
}

/* The proof has come, or has gone: at once for all flows that have a mark. */
static void path_look_at_tags(struct engine *engine, struct flow_path *path)
{
	bool tags = path_may_tag(engine, path);
	struct flow *flow;

	if (tags == path->tags)
		return;
	path->tags = tags;
	DL_FOREACH2(path->flows, flow, path_next) {
		if (flow_claims(flow))
			flow_reapply(engine, flow);
	}
}

/* ---- whether somebody takes part ---- */

static void path_set_support(struct engine *engine, struct flow_path *path,
			     enum path_support support)
{
	if (path->support == SUPPORT_UNKNOWN)
		DL_DELETE(engine->unknown_paths, path);
	path->support = support;
	if (support != SUPPORT_UNKNOWN)
		return;
	path->deadline_us = engine->now_us + engine->config.discovery_us;
	DL_APPEND(engine->unknown_paths, path);
}

void path_hold(struct flow_path *path)
{
	path->held++;
}

void path_unhold(struct engine *engine, struct flow_path *path)
{
	path->held--;
	path_release(engine, path);
}

/* All that waits for measurements is answered; what a flow's own connection tells is left to wait for. */
static void path_loses_support(struct engine *engine, struct flow_path *path)
{
	bool lost = path->support == SUPPORT_YES;
	/* Who has asked anew while nobody answered has had an experiment without a result (spec/qwave.md §5.6). */
	int fresh = lost ? -EAGAIN : engine->measuring ? -ETIMEDOUT : -EOPNOTSUPP;
	struct flow *flow;

	path_set_support(engine, path, SUPPORT_NO);
	path->lost |= lost;
	DL_FOREACH2(path->flows, flow, path_next) {
		flow_fail_conditions(engine, flow, lost ? -ECONNRESET : -EOPNOTSUPP);
		flow_fail_fresh(engine, flow, fresh);
		flow_forget_wish(engine, flow);
		flow_ask_rate(engine, flow);
	}
	path_serve_trackers(engine, path, -EHOSTUNREACH);
	path_look_at_tags(engine, path);
}

static void path_gains_support(struct engine *engine, struct flow_path *path)
{
	if (!path->on_link || path->support == SUPPORT_YES)
		return;
	path_set_support(engine, path, SUPPORT_YES);
	path->lost = false;
	path_serve_trackers(engine, path, 0);
}

/* The figures say so too: a path that is opened again may be known already. */
static void path_look(struct engine *engine, struct flow_path *path)
{
	struct gw_path_info info;

	if (path->measured && path->support != SUPPORT_YES && path_known(engine, path, &info) == 0)
		path_gains_support(engine, path);
}

static void path_tell(struct engine *engine, struct flow_path *path)
{
	struct flow *flow;

	DL_FOREACH2(path->flows, flow, path_next)
		flow_tell_path(engine, flow);
}

void paths_give_up(struct engine *engine)
{
	while (engine->unknown_paths && engine->unknown_paths->deadline_us <= engine->now_us) {
		struct flow_path *path = engine->unknown_paths;

		path_hold(path);
		path_loses_support(engine, path);
		path_tell(engine, path);
		path_unhold(engine, path);
	}
}

/* ---- life ---- */

static void path_measure(struct engine *engine, struct flow_path *path)
{
	const struct measuring *measuring = engine->measuring;
	const struct measuring_target target = {
		.destination = path->destination,
		.ifindex = path->key.ifindex,
		.on_link = path->on_link,
	};
	struct flow *flow;

	/*
	 * Without a neighbour there is nothing to experiment with: only connections tell something. If it fails, it is
	 * tried again for the next one who uses the path.
	 */
	if (!measuring || path->measured || !(path->on_link || path->n_tcp > 0) ||
	    measuring->open(measuring->user_data, &target, path, &path->measured, engine->now_us) <
		    0)
		return;
	DL_FOREACH2(path->flows, flow, path_next) {
		if (flow->entries && flow->entries->on_path)
			path_show(engine, flow->entries);
	}
	path_look(engine, path);
	path_look_at_tags(engine, path);
}

static void path_unmeasure(struct engine *engine, struct flow_path *path)
{
	const struct measuring *measuring = engine->measuring;
	struct measured *measured = path->measured;
	struct flow *flow;

	if (!measured)
		return;
	DL_FOREACH2(path->flows, flow, path_next) {
		flow_forget_wish(engine, flow);
		if (flow->entries)
			flow->entries->shown = false;
	}
	path->measured = NULL;
	measuring->close(measuring->user_data, measured, engine->now_us);
	path_look_at_tags(engine, path);
}

void path_users_changed(struct engine *engine, struct flow_path *path)
{
	const struct measuring *measuring = engine->measuring;

	path_measure(engine, path);
	if (path->measured)
		measuring->set_users(measuring->user_data, path->measured, path->n_trackers,
				     path->n_flows, engine->now_us);
}

static struct path_key path_key(const struct address *destination, uint32_t ifindex)
{
	struct path_key key = { .scope = destination->scope, .ifindex = ifindex };

	memcpy(key.addr, destination->addr, sizeof(key.addr));
	return key;
}

struct flow_path *path_obtain(struct engine *engine, const struct address *destination,
			      const struct engine_route *route)
{
	struct path_key key = path_key(destination, route->ifindex);
	struct flow_path *path;

	HASH_FIND(hh, engine->paths, &key, sizeof(key), path);
	if (path)
		return path;
	path = calloc(1, sizeof(*path));
	if (!path)
		return NULL;
	path->key = key;
	path->destination = *destination;
	path->destination.port = 0;
	HASH_ADD(hh, engine->paths, key, sizeof(path->key), path);
	if (!path->hh.tbl) {
		free(path);
		return NULL;
	}
	path->on_link = route->on_link && !address_is_multicast(destination);
	path->support = SUPPORT_NO;
	path_set_support(engine, path,
			 path->on_link && !engine->never_measures ? SUPPORT_UNKNOWN : SUPPORT_NO);
	return path;
}

void path_release(struct engine *engine, struct flow_path *path)
{
	if (path->flows || path->trackers || path->held)
		return;
	path_unmeasure(engine, path);
	path_set_support(engine, path, SUPPORT_NO);
	HASH_DEL(engine->paths, path);
	free(path);
}

/* It is measured anew, if at all; or by somebody else. */
static void path_reopen(struct engine *engine, struct flow_path *path)
{
	struct flow *flow;

	path_users_changed(engine, path);
	DL_FOREACH2(path->flows, flow, path_next)
		flow_ask_rate(engine, flow);
}

void path_set_on_link(struct engine *engine, struct flow_path *path, bool on_link)
{
	path_unmeasure(engine, path);
	path->on_link = on_link;
	if (on_link && !engine->never_measures)
		path_set_support(engine, path, SUPPORT_UNKNOWN);
	path_reopen(engine, path);
	if (!on_link)
		path_loses_support(engine, path);
}

/* ---- the host ---- */

void engine_set_measuring(struct engine *engine, const struct measuring *measuring, uint64_t now_us)
{
	struct flow_path *path, *next;

	engine_note_time(engine, now_us);
	HASH_ITER(hh, engine->paths, path, next)
		path_unmeasure(engine, path);
	engine->measuring = measuring;
	engine->never_measures = !measuring;
	HASH_ITER(hh, engine->paths, path, next) {
		path_hold(path);
		if (!measuring)
			path_loses_support(engine, path);
		else if (path->on_link && path->support == SUPPORT_NO)
			path_set_support(engine, path, SUPPORT_UNKNOWN);
		path_reopen(engine, path);
		path_tell(engine, path);
		path_unhold(engine, path);
	}
}

void engine_path_event(struct engine *engine, struct flow_path *path, enum measuring_event event,
		       uint64_t now_us)
{
	struct flow *flow;

	engine_note_time(engine, now_us);
	path_hold(path);
	switch (event) {
	case MEASURING_EVENT_SUPPORTED:
		path_gains_support(engine, path);
		break;
	case MEASURING_EVENT_UNSUPPORTED:
		if (path->support != SUPPORT_NO)
			path_loses_support(engine, path);
		break;
	case MEASURING_EVENT_STATE:
	case MEASURING_EVENT_MEASURED:
	case MEASURING_EVENT_REFRESHED:
	case MEASURING_EVENT_PRIORITY:
		path_look(engine, path);
		break;
	}
	path_look_at_tags(engine, path);
	DL_FOREACH2(path->flows, flow, path_next) {
		flow_serve_conditions(engine, flow);
		if (event == MEASURING_EVENT_REFRESHED)
			flow_serve_fresh(engine, flow);
	}
	path_tell(engine, path);
	path_unhold(engine, path);
}

void engine_path_admitted(struct engine *engine, struct flow_path *path, uint64_t token, int status,
			  uint64_t now_us)
{
	struct op *op;

	(void)path;
	engine_note_time(engine, now_us);
	HASH_FIND(by_wish, engine->wishes, &token, sizeof(token), op);
	if (!op)
		return;
	rate_answered(engine, op, status);
}
