/* SPDX-License-Identifier: MIT */
/*
 * path_schedule.c: what is measured when, and how much of the path that may take (spec/qwave.md §9).
 *
 * A client that is tracked is measured now and then, one that flows are sent to all the time. Experiments earn a
 * little less than a hundredth of the path's capacity; the regular ones take most of it, and the rest is saved for
 * when something seems to be wrong and has to be looked at more closely.
 */
#include "probe/path_internal.h"

#include <errno.h>

#define SHARE 125
#define FLOOR_BPS 8000.0
/* As long as nobody knows how narrow the path is. */
#define UNKNOWN_BPS 64000.0
#define SAVED_S 20.0
/* Of what is earned, as long as something was sent before. */
#define REPAID_SHARE 0.1

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
#define TRACKED_TRAIN_US (60 * US_PER_S)
#define TRACKED_TRAIN_PACKETS 32
#define TRACKED_FIRST_TRAINS 6
#define ACTIVE_TRAIN_US (30 * US_PER_S)
/* The first ones, until two agree. */
#define FIRST_TRAIN_US (100 * US_PER_MS)
#define FIRST_TRAINS 12
/* Where one was lost: what is full of it, or of a bucket's packets, has to recover. */
#define LOST_TRAIN_US (1 * US_PER_S)
#define REFILL_US (300 * US_PER_MS)
#define TRAIN_SHARE 0.2
/* Gaps would wait for the first trains; so they follow, unless it takes too long. */
#define FIRST_GAPS_US (1 * US_PER_S)
/* Trains fill the path until what others sent meanwhile has left too; longer than that nobody waits for it. */
#define FILLED_US (10 * US_PER_MS)
#define FILLED_UNKNOWN_US (200 * US_PER_MS)
#define FILLED_BUSY_MAX 0.85
/* In trouble trains wait, though not for ever, nor where the sink may have gone. */
#define POSTPONE_US (1 * US_PER_S)
#define POSTPONED_MAX 30

#define PACED_FIRST_US (1 * US_PER_S)
#define PACED_SHARE 0.35
#define PACED_LEAD_MIN 2
/* Once they agree with small packets, only to see whether they still do. */
#define PACED_ENOUGH 24
#define PACED_AGREED_SHARE 0.05

#define RETRY_US (30 * US_PER_S)
#define RETRY_MAX_US (600 * US_PER_S)
#define FAILURES_MAX 3
/* When too many others measure. */
#define BUSY_US (1 * US_PER_S)

/* ---- budget ---- */

static double earns_bps(const struct path *path)
{
	double bps = (double)path->capacity.bps / SHARE;

	if (path->capacity.bps == 0 || capacity_is_disputed(&path->capacity))
		return UNKNOWN_BPS;
	return bps > FLOOR_BPS ? bps : FLOOR_BPS;
}

static void earn(struct path *path, uint64_t now_us)
{
	double most = earns_bps(path) * SAVED_S;
	double earned = earns_bps(path) * (double)(now_us - path->credited_us) / US_PER_S;
	double repaid = REPAID_SHARE * earned;

	if (repaid > path->debt_bits)
		repaid = path->debt_bits;
	path->debt_bits -= repaid;
	path->credit_bits += earned - repaid;
	if (path->credit_bits > most)
		path->credit_bits = most;
	path->credited_us = now_us;
}

static double cost_bits(uint64_t packets, uint32_t packet_bytes)
{
	return (double)packets * (packet_bytes + LINK_HEADER_BYTES) * 8;
}

static void spend(struct path *path, uint64_t packets, uint32_t packet_bytes, bool first)
{
	path->load.sent_bits += (uint64_t)cost_bits(packets, packet_bytes);
	if (first)
		path->debt_bits += cost_bits(packets, packet_bytes);
	else
		path->credit_bits -= cost_bits(packets, packet_bytes);
}

/* ---- what fills the path ---- */

/* How long a path on which others may be too is full of so many packets of ours. */
static uint64_t filled_us(const struct path *path, unsigned packets)
{
	double busy = FILLED_BUSY_MAX, wait_ns = packets * (double)path_packet_ns(path);
	struct load_view view;

	if (path->capacity.bps == 0)
		return FILLED_UNKNOWN_US;
	load_look(&path->paced, 0, &view);
	if (view.n > 0 && view.busy < busy)
		busy = view.busy > 0 ? view.busy : 0;
	return FILLED_US + (uint64_t)(wait_ns / (1 - busy)) / NS_PER_US;
}

/* Whoever waits for our own trains says nothing about others. */
static void begin_filling(struct path *path, unsigned packets, uint64_t now_us)
{
	path->filled_from_us = now_us;
	path->filled_until_us = now_us + filled_us(path, packets);
}

void path_fill(struct path *path, const struct path_experiment *train, uint64_t now_us)
{
	/* A bucket as large as the lead fills again. */
	unsigned packets =
		train->packets + (train->kind == PATH_PACED ? train->lead : train->packets);

	begin_filling(path, packets, now_us);
}

static bool is_filled(const struct path *path, uint64_t at_us)
{
	return at_us >= path->filled_from_us && at_us < path->filled_until_us;
}

/* ---- starting and stopping ---- */

static void stop(struct path *path, enum path_kind kind)
{
	if (!path->running[kind])
		return;
	path->running[kind] = false;
	path->ports.stop(path->ports.user_data, path->data, kind);
}

void path_stop_all(struct path *path)
{
	for (unsigned kind = 0; kind < PATH_KIND_COUNT; kind++)
		stop(path, (enum path_kind)kind);
}

static int start(struct path *path, const struct path_experiment *experiment)
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

void path_try_next(struct path *path, uint64_t now_us)
{
	path_stop_all(path);
	begin_trying(path, path->method + 1u, now_us);
}

/* ---- trains ---- */

/* As many as a sink can tell of. */
static const unsigned train_most[PATH_METHOD_COUNT] = { [PATH_LLTD] = 82, [PATH_QLPB] = 256 };

/* Where those of one method would show too little, another's do, if the sink speaks that too. */
static enum path_method train_method(const struct path *path)
{
	bool too_short = capacity_least_packets(&path->capacity) > train_most[path->method];

	return path->method == PATH_LLTD && path->config.methods[PATH_QLPB] && too_short &&
			       !path->long_trains_refused
		       ? PATH_QLPB
		       : path->method;
}

/* Of a client that nobody sends to not much need be known. */
static unsigned longest_train(const struct path *path)
{
	return path->flows > 0 ? train_most[train_method(path)] : TRACKED_TRAIN_PACKETS;
}

static unsigned first_trains(const struct path *path)
{
	return path->flows > 0 ? FIRST_TRAINS : TRACKED_FIRST_TRAINS;
}

static unsigned train_packets(const struct path *path)
{
	return capacity_packets(&path->capacity, longest_train(path));
}

static bool wants_longer_train(const struct path *path)
{
	return capacity_is_growing(&path->capacity, longest_train(path)) &&
	       path->trains_begun < first_trains(path);
}

/* Until they agree, and are as long as they have to be. */
static bool is_first_train(const struct path *path)
{
	return path->trains_begun < first_trains(path) &&
	       (!capacity_is_settled(&path->capacity) || wants_longer_train(path));
}

void path_begin_to_send(struct path *path, uint64_t now_us)
{
	path->gaps_us = path_earlier(path->gaps_us, now_us);
	if (is_first_train(path))
		path->train_us = path_earlier(path->train_us, now_us);
}

static uint64_t train_interval_us(const struct path *path)
{
	double cost = cost_bits(train_packets(path), TRAIN_PACKET_BYTES);
	double affordable_us = cost / (TRAIN_SHARE * earns_bps(path)) * US_PER_S;
	uint64_t regular_us = path->flows > 0 ? ACTIVE_TRAIN_US : TRACKED_TRAIN_US;

	if (is_first_train(path))
		return FIRST_TRAIN_US;
	return affordable_us > (double)regular_us ? (uint64_t)affordable_us : regular_us;
}

/* A shaper's bucket has to fill again before the next one shows more. */
static uint64_t longer_train_us(const struct path *path)
{
	if (path->capacity.lost > 0)
		return LOST_TRAIN_US;
	return path->capacity.bucket_packets > 0 ? REFILL_US : 0;
}

static bool postpone_train(struct path *path, uint64_t now_us)
{
	bool troubled = path->troubled || path_is_queueing(path, now_us);

	if (!troubled || path->support != SUPPORT_YES || path->failures > 0 ||
	    path->capacity.n_trains < 2 || path->trains_postponed == POSTPONED_MAX) {
		path->trains_postponed = 0;
		return false;
	}
	path->trains_postponed++;
	path->train_us = now_us + POSTPONE_US;
	/* Who waits for fresh figures gets what small packets tell. */
	path->refresh.train = false;
	return true;
}

/* Those that are not as long as they should be are still to be had. */
static void refuse_long_trains(struct path *path, uint64_t now_us)
{
	path->long_trains_refused = true;
	path->train_us = now_us;
}

static bool is_long_train(const struct path *path)
{
	return path->train_method != path->method;
}

static void send_train(struct path *path, uint64_t now_us)
{
	struct path_experiment train = {
		.method = train_method(path),
		.kind = PATH_TRAIN,
		.packets = train_packets(path),
		.packet_bytes = TRAIN_PACKET_BYTES,
	};
	bool first = is_first_train(path);
	int r = start(path, &train);

	path->train_method = train.method;
	if (r == -EPERM || r == -EOPNOTSUPP) {
		if (is_long_train(path))
			refuse_long_trains(path, now_us);
		else
			path_try_next(path, now_us);
		return;
	}
	if (r == -EUSERS || r == -ENOMEM) {
		path->train_us = now_us + BUSY_US;
		return;
	}
	path->trains_begun++;
	path->trains_seen = 0;
	path->train_is_first = first;
	path_fill(path, &train, now_us);
	path->train_packets = train.packets;
	path->train_us = now_us + train_interval_us(path);
	if (r < 0)
		path_finished(path, PATH_TRAIN, r, now_us);
}

/* ---- gaps ---- */

static uint32_t gap_interval_us(const struct path *path)
{
	uint32_t bytes = path->gap_bytes > 0 ? path->gap_bytes : GAP_BYTES;
	double per_s = GAPS_SHARE * earns_bps(path) / cost_bits(1, bytes);

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
	if (start(path, &gaps) == 0 && path->judge_us == UINT64_MAX)
		path->judge_us = now_us + JUDGE_US;
}

static void go_on_with_gaps(struct path *path, uint64_t now_us)
{
	bool faster = gap_interval_us(path) * 4 < path->gap_interval_us * 3;

	if (path->flows == 0 || (!faster && now_us < path->gap_started_us + GAP_RUN_US))
		return;
	stop(path, PATH_GAPS);
	if (now_us < path->heard_us + DEAD_US) {
		start_gaps(path, now_us);
		return;
	}
	path->heard_us = now_us;
	path_finished(path, PATH_GAPS, -ETIMEDOUT, now_us);
}

/* ---- paced trains ---- */

/* The longer, the less varying delays mean, and the chance by which others send just then. */
static unsigned paced_packets(const struct path *path)
{
	if (path->capacity.bps > 30000000)
		return 64;
	if (path->capacity.bps > 15000000)
		return 32;
	return path->capacity.bps > 4000000 ? 18 : 14;
}

/* With so many at once the link is full from the first that is paced on: a shaper's bucket is empty, and one waits. */
static unsigned paced_lead(const struct path *path)
{
	unsigned lead = path->capacity.bucket_packets + 1, most = paced_packets(path) / 2;

	return lead < PACED_LEAD_MIN ? PACED_LEAD_MIN : lead < most ? lead : most;
}

static uint64_t paced_interval_us(const struct path *path)
{
	double cost = cost_bits(paced_packets(path), TRAIN_PACKET_BYTES);
	bool agreed = !path->deceived && path->paced.n >= PACED_ENOUGH;
	double share = agreed ? PACED_AGREED_SHARE : PACED_SHARE;

	if (path->paced_begun < PACED_FIRST)
		return PACED_FIRST_US;
	return (uint64_t)(cost / (share * earns_bps(path)) * US_PER_S);
}

/* From half of it to half as much again: hosts that began together must not meet each time. */
static uint64_t some_of(const struct path *path, uint64_t us)
{
	return us / 2 + path->ports.random(path->ports.user_data) % (us + 1);
}

static void send_paced(struct path *path, uint64_t now_us)
{
	struct path_experiment paced = {
		.method = path->method,
		.kind = PATH_PACED,
		.packets = paced_packets(path),
		.packet_bytes = TRAIN_PACKET_BYTES,
		.rate_bps = (uint64_t)((double)path->capacity.bps * LOAD_PACE),
		.lead = paced_lead(path),
	};
	bool first = path->paced_begun < PACED_FIRST;

	path->paced_us = now_us + some_of(path, paced_interval_us(path));
	/* A path that seems to be full, without a queue, is one to be asked. */
	if (path->losing || path_is_queueing(path, now_us) || (!first && path->credit_bits < 0))
		return;
	/* Nor beside a claim, which shows whether there is room for that. */
	if (path->n_wishes > 0)
		return;
	if (start(path, &paced) < 0)
		return;
	path->paced_begun++;
	spend(path, paced.packets, TRAIN_PACKET_BYTES, first);
	path_fill(path, &paced, now_us);
}

static bool wants_paced(const struct path *path)
{
	return path->flows > 0 && path->capacity.n_trains >= 2 && path->available_known &&
	       !path->running[PATH_PACED];
}

/* ---- all of it ---- */

static void check_route(struct path *path)
{
	struct path_experiment check = { .method = path->method, .kind = PATH_ROUTE_CHECK };

	path->route_checked = true;
	start(path, &check);
}

static void schedule_experiments(struct path *path, uint64_t now_us)
{
	earn(path, now_us);
	if (now_us >= path->train_us && !path->running[PATH_TRAIN] && !postpone_train(path, now_us))
		send_train(path, now_us);
	if (path->support != SUPPORT_YES)
		return;
	if (!path->route_checked && !path->running[PATH_ROUTE_CHECK])
		check_route(path);
	if (wants_paced(path) && now_us >= path->paced_us)
		send_paced(path, now_us);
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
		stop(path, PATH_GAPS);
		return;
	}
	if (path->support == SUPPORT_UNTRIED ||
	    (path->support == SUPPORT_NO && now_us >= path->retry_us)) {
		if (path->retry_delay_us == 0)
			path->retry_delay_us = RETRY_US;
		begin_trying(path, 0, now_us);
	}
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
	if (!path->running[PATH_TRAIN])
		deadline_us = path_earlier(deadline_us, path->train_us);
	if (path->support == SUPPORT_YES && wants_paced(path))
		deadline_us = path_earlier(deadline_us, path->paced_us);
	if (path->support == SUPPORT_YES && !path->running[PATH_GAPS])
		deadline_us = path_earlier(deadline_us, path->gaps_us);
	else if (path->support == SUPPORT_YES && path->flows > 0)
		deadline_us = path_earlier(deadline_us, path->gap_started_us + GAP_RUN_US);
	return deadline_us;
}

/* ---- what experiments have seen ---- */

static void become_supported(struct path *path)
{
	path->failures = 0;
	if (path->support == SUPPORT_YES)
		return;
	path->support = SUPPORT_YES;
	path->retry_delay_us = 0;
	path_tell(path, PATH_EVENT_SUPPORTED);
}

bool path_train(struct path *path, const struct probe_train *train, uint64_t now_us)
{
	bool enough = capacity_take(&path->capacity, train, path->config.own_link_bps, now_us);

	spend(path, path->train_packets, TRAIN_PACKET_BYTES, path->train_is_first);
	/* The next one of these has left already. */
	if (path->running[PATH_TRAIN])
		begin_filling(path, path->train_packets, now_us);
	path->trains_seen++;
	path->long_trains_came |= is_long_train(path);
	/* What waited for the first ones, for which nobody knows how long that is, does not count. */
	if (!path->available_known)
		path->steady_us = now_us;
	if (!path->available_known && path->capacity.n_trains >= 2)
		path->gaps_us = path_earlier(path->gaps_us, path->filled_until_us);
	if (path->capacity.bps > 0)
		become_supported(path);
	if (wants_longer_train(path)) {
		path->train_us = now_us + longer_train_us(path);
		return true;
	}
	return enough;
}

void path_paced(struct path *path, const struct probe_train *train, uint64_t now_us)
{
	if (path->available_known)
		load_take(&path->paced, train, path->capacity.bps, path->seemed, now_us);
}

void path_gap(struct path *path, const struct probe_gap *gap, uint64_t now_us)
{
	path->gap_bytes = gap->packet_bytes;
	spend(path, 1, gap->packet_bytes, false);
	if (!is_filled(path, gap->sent_ns / NS_PER_US))
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
	if (kind == PATH_TRAIN)
		path->refresh.train = false;
	/* A train that did not come through whole costs as much. */
	if (kind == PATH_TRAIN && status < 0 && status != -ECONNREFUSED)
		spend(path, path->train_packets, TRAIN_PACKET_BYTES, path->train_is_first);
	if (kind == PATH_TRAIN && status == -ETIMEDOUT)
		capacity_lose(&path->capacity, path->train_packets);
	if (kind == PATH_GAPS && status == -ECANCELED)
		path->gaps_us = path_earlier(path->gaps_us, now_us);
	if (status >= 0 || status == -ECANCELED)
		return;
	if (kind == PATH_TRAIN && is_long_train(path) && !path->long_trains_came) {
		refuse_long_trains(path, now_us);
		return;
	}
	path->failures++;
	if (path->support == SUPPORT_TRYING || status == -ECONNREFUSED ||
	    path->failures >= FAILURES_MAX)
		path_try_next(path, now_us);
	else if (kind == PATH_TRAIN)
		path->train_us = now_us + LOST_TRAIN_US;
	else
		path->train_us = path_earlier(path->train_us, now_us + US_PER_S);
}
