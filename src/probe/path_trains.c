/* SPDX-License-Identifier: MIT */
/*
 * path_trains.c: which trains are sent when: those that leave at once and show how narrow the path is, and those that
 * are paced and show what others send.
 */
#include "probe/path_internal.h"

#include <errno.h>

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
/* In trouble trains wait, though not for ever, nor where the sink may have gone. */
#define POSTPONE_US (1 * US_PER_S)
#define POSTPONED_MAX 30
/* When too many others measure. */
#define BUSY_US (1 * US_PER_S)

#define PACED_FIRST_US (1 * US_PER_S)
#define PACED_SHARE 0.35
#define PACED_LEAD_MIN 2
/* Once they agree with small packets, only to see whether they still do. */
#define PACED_ENOUGH 24
#define PACED_AGREED_SHARE 0.05

/* ---- trains ---- */

/* As many as a sink can tell of. */
static const unsigned train_most[PATH_METHOD_COUNT] = { [PATH_LLTD] = 82, [PATH_QLPB] = 256 };

/*
 * Where those of one method would show too little, another's do, if the sink speaks that too. Whether it speaks the first
 * one they do not show, so that is tried by its own.
 */
static enum path_method train_method(const struct path *path)
{
	bool too_short = capacity_least_packets(&path->capacity) > train_most[path->method];

	return path->method == PATH_LLTD && path->config.methods[PATH_QLPB] && too_short &&
			       path->support == SUPPORT_YES && !path->long_trains_refused
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
	double cost = path_cost_bits(train_packets(path), TRAIN_PACKET_BYTES);
	double affordable_us = cost / (TRAIN_SHARE * path_earns_bps(path)) * US_PER_S;
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

bool path_postpone_train(struct path *path, uint64_t now_us)
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

void path_send_train(struct path *path, uint64_t now_us)
{
	struct path_experiment train = {
		.method = train_method(path),
		.kind = PATH_TRAIN,
		.packets = train_packets(path),
		.packet_bytes = TRAIN_PACKET_BYTES,
	};
	bool first = is_first_train(path);
	int r = path_start(path, &train);

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
	path->train_is_first = first;
	path_fill(path, &train, now_us);
	path->train_packets = train.packets;
	path->train_us = now_us + train_interval_us(path);
	if (r < 0)
		path_finished(path, PATH_TRAIN, r, now_us);
}

bool path_train(struct path *path, const struct probe_train *train, uint64_t now_us)
{
	bool enough = capacity_take(&path->capacity, train, path->config.own_link_bps, now_us);

	path_spend(path, path->train_packets, TRAIN_PACKET_BYTES, path->train_is_first);
	/* The next one of these has left already. */
	if (path->running[PATH_TRAIN])
		path_begin_filling(path, path->train_packets, now_us);
	path->long_trains_came |= is_long_train(path);
	/* What waited for the first ones, for which nobody knows how long that is, does not count. */
	if (!path->available_known)
		path->steady_us = now_us;
	if (!path->available_known && path->capacity.n_trains >= 2)
		path->gaps_us = path_earlier(path->gaps_us, path->filled_until_us);
	/* One by the other method says nothing of whether the path's own still works. */
	if (path->capacity.bps > 0 && !is_long_train(path))
		path_become_supported(path, now_us);
	if (wants_longer_train(path)) {
		path->train_us = now_us + longer_train_us(path);
		return true;
	}
	return enough;
}

bool path_end_train(struct path *path, int status, uint64_t now_us)
{
	path->refresh.train = false;
	if (status >= 0 || status == -ECANCELED)
		return false;
	/* A train that did not come through whole costs as much. */
	if (status != -ECONNREFUSED)
		path_spend(path, path->train_packets, TRAIN_PACKET_BYTES, path->train_is_first);
	if (status == -ETIMEDOUT)
		capacity_lose(&path->capacity, path->train_packets);
	path->train_us = now_us + LOST_TRAIN_US;
	if (!is_long_train(path) || path->long_trains_came)
		return false;
	refuse_long_trains(path, now_us);
	return true;
}

/* ---- paced trains ---- */

/* The longer, the less varying delays mean, and the chance by which others send just then. */
static unsigned paced_packets(const struct path *path)
{
	if (path->capacity.bps > 200000000)
		return train_most[PATH_LLTD];
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
	double cost = path_cost_bits(paced_packets(path), TRAIN_PACKET_BYTES);
	bool agreed = !path->deceived && path->paced.n >= PACED_ENOUGH;
	double share = agreed ? PACED_AGREED_SHARE : PACED_SHARE;

	if (path->paced_begun < PACED_FIRST)
		return PACED_FIRST_US;
	return (uint64_t)(cost / (share * path_earns_bps(path)) * US_PER_S);
}

/* From half of it to half as much again: hosts that began together must not meet each time. */
static uint64_t some_of(const struct path *path, uint64_t us)
{
	return us / 2 + path->ports.random(path->ports.user_data) % (us + 1);
}

void path_send_paced(struct path *path, uint64_t now_us)
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
	if (path_start(path, &paced) < 0)
		return;
	path->paced_begun++;
	path_spend(path, paced.packets, TRAIN_PACKET_BYTES, first);
	path_fill(path, &paced, now_us);
}

bool path_wants_paced(const struct path *path)
{
	return path->flows > 0 && path->capacity.n_trains >= 2 && path->available_known &&
	       !path->running[PATH_PACED];
}

void path_paced(struct path *path, const struct probe_train *train, uint64_t now_us)
{
	if (path->available_known)
		load_take(&path->paced, train, path->capacity.bps, path->seemed, now_us);
}
