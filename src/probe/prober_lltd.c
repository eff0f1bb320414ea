/* SPDX-License-Identifier: MIT */
/*
 * prober_lltd.c: paths by LLTD. What a path wants, the station that has its destination's address does
 * (prober_station.c), for all paths that lead there.
 *
 *   state   event                                what happens
 *   alone   something is wanted                  the station is asked for: asking
 *   asking  it is there                          joins the others there: joined
 *   asking  it is not, or not within 2 s         all that is wanted has failed: alone
 *   joined  its address has another station      leaves, and begins anew: alone
 *   joined  nobody uses the path (any more)      leaves when what it wanted has ended: alone
 *   joined  the path is given up                 leaves: who comes back knows nothing of the session: alone
 *   joined  the session ends                     all that is wanted has failed: alone
 */
#include "probe/prober_internal.h"

#include <errno.h>

#define ASK_AGAIN_US (50 * US_PER_MS)
#define ASK_US (2 * US_PER_S)

bool prober_lltd_is_wanted(const struct run *run)
{
	return run->wanted && run->experiment.method == PATH_LLTD;
}

static bool wants_anything(const struct prober_path *path)
{
	for (unsigned kind = 0; kind < PATH_KIND_COUNT; kind++) {
		if (prober_lltd_is_wanted(&path->runs[kind]))
			return true;
	}
	return false;
}

bool prober_lltd_is_done(const struct prober_path *path)
{
	return (!path->used || !path->by_lltd) && !wants_anything(path);
}

void prober_lltd_wake(struct prober_path *path)
{
	path->lltd.timer_us = path->prober->now_us;
}

static struct lltd *node_of(const struct prober_path *path)
{
	return path->interface ? path->interface->lltd : NULL;
}

/* ---- coming and going ---- */

void prober_lltd_fail(struct prober_path *path, int status)
{
	path->lltd.ask_until_us = 0;
	path->lltd.timer_us = UINT64_MAX;
	for (unsigned kind = 0; kind < PATH_KIND_COUNT; kind++) {
		if (!prober_lltd_is_wanted(&path->runs[kind]))
			continue;
		prober_run_ended(&path->runs[kind], status);
		status = -ECANCELED;
	}
}

void prober_lltd_leave(struct prober_path *path)
{
	path->lltd.ask_until_us = 0;
	path->lltd.timer_us = UINT64_MAX;
	if (!path->lltd.station)
		return;
	for (unsigned kind = 0; kind < PATH_KIND_COUNT; kind++) {
		if (prober_lltd_is_wanted(&path->runs[kind]))
			prober_lltd_stop(&path->runs[kind]);
	}
	prober_station_part(path);
}

void prober_lltd_follow(struct prober_path *path, uint64_t now_us)
{
	const struct prober_ports *ports = &path->prober->ports;
	const struct station *station = path->lltd.station;
	struct lltd_mac mac;

	if (!station ||
	    ports->station(ports->user_data, &path->key.destination, path->key.ifindex, &mac) < 0 ||
	    lltd_mac_equal(&mac, &station->mac))
		return;
	prober_lltd_leave(path);
	path_reset(path->path, path->interface->link.rate_bps, now_us);
}

static void look_for_station(struct prober_path *path, uint64_t now_us)
{
	const struct prober_ports *ports = &path->prober->ports;
	struct lltd_mac mac;
	int r = -ENODEV;

	if (!wants_anything(path)) {
		path->lltd.ask_until_us = 0;
		return;
	}
	if (path->lltd.ask_until_us == 0)
		path->lltd.ask_until_us = now_us + ASK_US;
	if (node_of(path))
		r = ports->station(ports->user_data, &path->key.destination, path->key.ifindex,
				   &mac);
	if (r == -EAGAIN && now_us < path->lltd.ask_until_us) {
		path->lltd.timer_us = now_us + ASK_AGAIN_US;
		return;
	}
	path->lltd.ask_until_us = 0;
	if (r == 0)
		r = prober_station_join(path, &mac, now_us);
	if (r < 0)
		prober_lltd_fail(path, r);
}

static void end_gaps(struct prober_path *path)
{
	struct run *run = &path->runs[PATH_GAPS];

	if (!prober_lltd_is_wanted(run) || run->experiment.packets == 0 ||
	    path->lltd.gaps_done < run->experiment.packets)
		return;
	prober_run_ended(run, path->lltd.gaps_heard > 0 ? 0 : -ETIMEDOUT);
}

void prober_lltd_tick(struct prober_path *path, uint64_t now_us)
{
	struct station *station;

	path->lltd.timer_us = UINT64_MAX;
	if (!path->lltd.station)
		look_for_station(path, now_us);
	station = path->lltd.station;
	if (!station)
		return;
	end_gaps(path);
	if (station->run == &path->runs[PATH_ROUTE_CHECK])
		prober_station_stop(station);
	prober_station_go_on(station, now_us);
}

/* ---- what a path wants ---- */

int prober_lltd_start(struct run *run, uint64_t now_us)
{
	struct prober_path *path = run->path;
	const struct station *station = path->lltd.station;

	if (!node_of(path))
		return -EOPNOTSUPP;
	if (run->experiment.kind == PATH_CLAIM)
		return prober_station_claim(run, now_us);
	if (run->experiment.kind == PATH_GAPS)
		path->lltd.gaps_done = path->lltd.gaps_heard = 0;
	run->wanted = true;
	/* Not from within: it may fail at once. */
	if (!station || station->state == STATION_IDLE)
		prober_lltd_wake(path);
	else
		prober_station_interrupt(station);
	return 0;
}

void prober_lltd_stop(struct run *run)
{
	struct prober_path *path = run->path;
	struct station *station = path->lltd.station;

	run->wanted = false;
	if (!station)
		return;
	prober_station_withdraw(station, run);
	if (station->state == STATION_IDLE)
		prober_lltd_wake(path);
}
