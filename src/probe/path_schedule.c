/* SPDX-License-Identifier: MIT */
/*
 * path_schedule.c: what is measured when, and by which method (spec/qwave.md §9): a client that is tracked now and then,
 * one that flows are sent to all the time. Trains: path_trains.c; how much all of it may take: path_budget.c.
 */
#include "probe/path_internal.h"

#include <errno.h>

#define GAP_BYTES 60 /* of IPv4; until one has been seen */
#define GAPS_PER_S_MAX 100.0
#define GAPS_PER_S_MIN 4.0
#define GAPS_SHARE 0.6
#define GAP_VARY 3
/* The interval is looked at again. */
#define GAP_RUN_US (1 * US_PER_S)
/* When nothing has come back for so long: a sink that has gone, or a path that carries nothing. */
#define DEAD_US (3 * US_PER_S)

#define TRACKED_GAPS 30
#define TRACKED_GAPS_US (10 * US_PER_S)
/* Gaps would wait for the first trains; so they follow, unless it takes too long. */
#define FIRST_GAPS_US (1 * US_PER_S)

#define RETRY_US (30 * US_PER_S)
#define RETRY_MAX_US (600 * US_PER_S)
#define FAILURES_MAX 3
#define BACK_US (10 * US_PER_S)

/* ---- starting and stopping ---- */

void path_stop(struct path *path, enum path_kind kind)
{
	if (!path->running[kind])
		return;
	path->running[kind] = false;
	path->ports.stop(path->ports.user_data, path->data, kind);
}

void path_stop_all(struct path *path)
{
	for (unsigned kind = 0; kind < PATH_KIND_COUNT; kind++)
		path_stop(path, (enum path_kind)kind);
}

int path_start(struct path *path, const struct path_experiment *experiment)
{
	int r = path->ports.start(path->ports.user_data, path->data, experiment);

	path->running[experiment->kind] = r == 0;
	return r;
}

static void begin_trying(struct path *path, unsigned method, uint64_t now_us)
{
	while (method < PATH_METHOD_COUNT && !path->config.methods[method])
		method++;
	path->failures = 0;
	path->route_checked = false;
	path->long_trains_came = path->long_trains_refused = false;
	path->train_us = now_us;
	path->gaps_us = now_us + FIRST_GAPS_US;
	path->trains_begun = 0;
	if (method < PATH_METHOD_COUNT) {
		path->support = SUPPORT_TRYING;
		path->method = (enum path_method)method;
		return;
	}
	path->support = SUPPORT_NO;
	/* A flow finds a sink that comes later within a minute; for others it is looked for more rarely. */
	path->retry_us = now_us + (path->flows > 0 ? RETRY_US : path->retry_delay_us);
	path->retry_delay_us = path->retry_delay_us * 2 < RETRY_MAX_US ? path->retry_delay_us * 2
								       : RETRY_MAX_US;
	path_unlearn(path);
	path_priority(path, PROBE_PRIORITY_UNKNOWN);
	path_tell(path, PATH_EVENT_UNSUPPORTED);
}

/*
 * A sink that comes back may answer by one method a moment before it does by a better one, by which it has answered
 * before. That is tried once more.
 */
static void try_better(struct path *path, uint64_t now_us)
{
	path->back_us = UINT64_MAX;
	for (unsigned method = 0; method < path->method; method++)
		path->worked[method] = false;
	path_stop_all(path);
	/* It is not silent meanwhile: nobody is asked. */
	path->gaps_wanted = false;
	begin_trying(path, 0, now_us);
}

void path_try_next(struct path *path, uint64_t now_us)
{
	path_stop_all(path);
	begin_trying(path, path->method + 1u, now_us);
}

/* ---- gaps ---- */

static uint32_t gap_interval_us(const struct path *path)
{
	uint32_t bytes = path->gap_bytes > 0 ? path->gap_bytes : GAP_BYTES;
	double per_s = GAPS_SHARE * path_earns_bps(path) / path_cost_bits(1, bytes);

	if (path->hurry || path->flows == 0 || per_s > GAPS_PER_S_MAX)
		per_s = GAPS_PER_S_MAX;
	else if (per_s < GAPS_PER_S_MIN)
		per_s = GAPS_PER_S_MIN;
	return (uint32_t)(US_PER_S / per_s);
}

static void start_gaps(struct path *path, uint64_t now_us)
{
	uint32_t interval_us = gap_interval_us(path);
	struct path_experiment gaps = {
		.method = path->method,
		.kind = PATH_GAPS,
		.packets = path->flows > 0 ? 0 : TRACKED_GAPS,
		/* Which does not beat with what others send regularly. */
		.interval_us = interval_us - interval_us / GAP_VARY,
		.vary_us = 2 * (interval_us / GAP_VARY),
	};

	if (!path->gaps_wanted)
		path->heard_us = now_us;
	path->gaps_wanted = path->flows > 0;
	path->gap_interval_us = interval_us;
	path->gap_started_us = now_us;
	path->gaps_us = now_us + (path->flows > 0 ? GAP_RUN_US : TRACKED_GAPS_US);
	if (path_start(path, &gaps) == 0 && path->judge_us == UINT64_MAX)
		path->judge_us = now_us + JUDGE_US;
}

static void go_on_with_gaps(struct path *path, uint64_t now_us)
{
	bool faster = gap_interval_us(path) * 4 < path->gap_interval_us * 3;

	if (path->flows == 0 || (!faster && now_us < path->gap_started_us + GAP_RUN_US))
		return;
	path_stop(path, PATH_GAPS);
	if (now_us < path->heard_us + DEAD_US) {
		start_gaps(path, now_us);
		return;
	}
	path->heard_us = now_us;
	path_finished(path, PATH_GAPS, -ETIMEDOUT, now_us);
}

/* ---- all of it ---- */

static void check_route(struct path *path)
{
	struct path_experiment check = { .method = path->method, .kind = PATH_ROUTE_CHECK };

	path->route_checked = true;
	path_start(path, &check);
}

static void schedule_experiments(struct path *path, uint64_t now_us)
{
	path_earn(path, now_us);
	if (now_us >= path->train_us && !path->running[PATH_TRAIN] &&
	    !path_postpone_train(path, now_us))
		path_send_train(path, now_us);
	if (path->support != SUPPORT_YES)
		return;
	if (!path->route_checked && !path->running[PATH_ROUTE_CHECK])
		check_route(path);
	if (path_wants_paced(path) && now_us >= path->paced_us)
		path_send_paced(path, now_us);
	if (path->hurry && path->credit_bits <= 0)
		path->hurry = false;
	if (path->running[PATH_GAPS])
		go_on_with_gaps(path, now_us);
	else if (now_us >= path->gaps_us)
		start_gaps(path, now_us);
}

void path_schedule(struct path *path, uint64_t now_us)
{
	if (!path->config.on_link)
		return;
	if (path_is_idle(path, now_us) ||
	    (path->trackers == 0 && path->flows == 0 && path->support == SUPPORT_UNTRIED)) {
		path_stop_all(path);
		return;
	}
	if (path->flows == 0)
		path->gaps_wanted = false;
	/* Nobody is there, but somebody may come again soon: what is under way goes on, nothing is begun. */
	if (path->trackers == 0 && path->flows == 0) {
		path_stop(path, PATH_GAPS);
		return;
	}
	if (path->support == SUPPORT_UNTRIED ||
	    (path->support == SUPPORT_NO && now_us >= path->retry_us)) {
		if (path->retry_delay_us == 0)
			path->retry_delay_us = RETRY_US;
		begin_trying(path, 0, now_us);
	}
	if (path->support == SUPPORT_YES && now_us >= path->back_us)
		try_better(path, now_us);
	if (path->support == SUPPORT_TRYING || path->support == SUPPORT_YES)
		schedule_experiments(path, now_us);
}

uint64_t path_schedule_deadline_us(const struct path *path, uint64_t judge_us)
{
	uint64_t deadline_us = judge_us;

	if (!path->config.on_link)
		return deadline_us;
	if (path->trackers == 0 && path->flows == 0)
		return deadline_us;
	if (path->support == SUPPORT_NO)
		return path_earlier(deadline_us, path->retry_us);
	if (path->support == SUPPORT_YES)
		deadline_us = path_earlier(deadline_us, path->back_us);
	if (!path->running[PATH_TRAIN])
		deadline_us = path_earlier(deadline_us, path->train_us);
	if (path->support == SUPPORT_YES && path_wants_paced(path))
		deadline_us = path_earlier(deadline_us, path->paced_us);
	if (path->support == SUPPORT_YES && !path->running[PATH_GAPS])
		deadline_us = path_earlier(deadline_us, path->gaps_us);
	else if (path->support == SUPPORT_YES && path->flows > 0)
		deadline_us = path_earlier(deadline_us, path->gap_started_us + GAP_RUN_US);
	return deadline_us;
}

/* ---- what experiments have seen ---- */

static bool has_better_worked(const struct path *path)
{
	for (unsigned method = 0; method < path->method; method++) {
		if (path->worked[method])
			return true;
	}
	return false;
}

void path_become_supported(struct path *path, uint64_t now_us)
{
	path->failures = 0;
	if (path->support == SUPPORT_YES)
		return;
	path->support = SUPPORT_YES;
	path->retry_delay_us = 0;
	path->worked[path->method] = true;
	path->back_us = has_better_worked(path) ? now_us + BACK_US : UINT64_MAX;
	path_tell(path, PATH_EVENT_SUPPORTED);
}

void path_gap(struct path *path, const struct probe_gap *gap, uint64_t now_us)
{
	path->gap_bytes = gap->packet_bytes;
	path_spend(path, 1, gap->packet_bytes, false);
	if (!path_is_filled(path, gap->sent_ns / NS_PER_US))
		spare_take(&path->spare, gap);
	if (path->refresh.gaps > 0)
		path->refresh.gaps--;
	if (gap->lost)
		return;
	path->failures = 0;
	path->heard_us = now_us;
}

void path_priority(struct path *path, enum probe_priority priority)
{
	if (path->priority == priority)
		return;
	path->priority = priority;
	path_tell(path, PATH_EVENT_PRIORITY);
}

void path_finished(struct path *path, enum path_kind kind, int status, uint64_t now_us)
{
	path->running[kind] = false;
	/* Of these nothing depends on each. */
	if (kind == PATH_CLAIM || kind == PATH_PACED)
		return;
	if (kind == PATH_ROUTE_CHECK) {
		/* Who cannot say so does not get tags (spec/probing.md §4.2). */
		if (status < 0)
			path_priority(path, PROBE_PRIORITY_NOT_SUPPORTED);
		return;
	}
	if (kind == PATH_TRAIN && path_end_train(path, status, now_us))
		return;
	if (kind == PATH_GAPS && status == -ECANCELED)
		path->gaps_us = path_earlier(path->gaps_us, now_us);
	if (status >= 0 || status == -ECANCELED)
		return;
	path->failures++;
	if (path->support == SUPPORT_TRYING || status == -ECONNREFUSED ||
	    path->failures >= FAILURES_MAX)
		path_try_next(path, now_us);
	else if (kind == PATH_GAPS)
		path->train_us = path_earlier(path->train_us, now_us + US_PER_S);
}
