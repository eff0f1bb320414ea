/* SPDX-License-Identifier: MIT */
/*
 * prober_station.c: hosts on a link that are measured by LLTD. Each has one session, whatever addresses it has, which
 * the paths to them share as long as one of them has users. It does one thing at a time, trains and route checks before
 * gaps, which they interrupt; the others wait. Gaps are for all paths that want some, as often as the one that wants
 * them most, and so are trains of the same length. A claim goes on beside that, one at a time.
 *
 *   state    event                                                      what happens
 *   none     a path joins                                               a session is begun: opening
 *   opening  ready                                                      idle
 *   idle     something is wanted                                        it is begun: busy
 *   idle     nothing is, and nobody uses a path (any more)              that one leaves
 *   busy     ready                                                      it has ended, or was interrupted: idle
 *   busy     something shorter is wanted while it does gaps, or gaps    these are stopped; ready follows
 *            at another interval, or none any more
 *   any      the last path leaves                                       closed: none
 *   any      the session ends                                           all that is wanted has failed: none
 */
#include "probe/prober_internal.h"

#include <errno.h>
#include <stdlib.h>

/* Longest possible frames with a tag, as it is those that do not get through everywhere. */
#define CHECK_PACKETS 5
#define CHECK_PACKETS_MIN 4
#define CHECK_INTERVAL_US 20000
#define CHECK_US (1 * US_PER_S)
#define CHECK_PRIORITY 5

/* ---- what a station does ---- */

/* Whether that is for this one, too. */
static bool is_for(const struct station *station, const struct run *run)
{
	const struct path_experiment *doing = &station->doing;

	if (station->state != STATION_BUSY || !prober_lltd_is_wanted(run) ||
	    run->experiment.kind != doing->kind)
		return false;
	return run == station->run || doing->kind == PATH_GAPS ||
	       (doing->kind == PATH_TRAIN && run->experiment.packets == doing->packets);
}

/* What comes first of what is wanted; NULL: nothing is. */
static struct run *first_wanted(const struct station *station)
{
	static const enum path_kind kinds[] = { PATH_TRAIN, PATH_ROUTE_CHECK, PATH_PACED,
						PATH_GAPS };
	struct prober_path *path;

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		DL_FOREACH2(station->paths, path, lltd.next) {
			if (prober_lltd_is_wanted(&path->runs[kinds[i]]))
				return &path->runs[kinds[i]];
		}
	}
	return NULL;
}

/* The gaps that are wanted most often. */
static const struct path_experiment *fastest_gaps(const struct station *station)
{
	const struct path_experiment *fastest = NULL;
	const struct prober_path *path;

	DL_FOREACH2(station->paths, path, lltd.next) {
		const struct run *run = &path->runs[PATH_GAPS];

		if (prober_lltd_is_wanted(run) &&
		    (!fastest || run->experiment.interval_us < fastest->interval_us))
			fastest = &run->experiment;
	}
	return fastest;
}

void prober_station_stop(const struct station *station)
{
	lltd_stop(station->interface->lltd, station->session);
}

void prober_station_interrupt(const struct station *station)
{
	const struct run *first = first_wanted(station);

	if (station->state != STATION_BUSY || station->doing.kind != PATH_GAPS)
		return;
	if (!first || first->experiment.kind != PATH_GAPS ||
	    fastest_gaps(station)->interval_us != station->doing.interval_us)
		prober_station_stop(station);
}

static int check_route(struct station *station, struct prober_path *path, uint64_t now_us)
{
	const struct lltd_gap_request request = {
		.interval_us = CHECK_INTERVAL_US,
		.count = CHECK_PACKETS,
		.packet_bytes = LLTD_GAP_PACKET_MAX,
		.tagged = true,
		.priority = CHECK_PRIORITY,
	};

	station->answered = 0;
	/* What cannot even leave is not there in time either. */
	path->lltd.timer_us = now_us + CHECK_US;
	prober_settle(path);
	return lltd_probegap(station->interface->lltd, station->session, &request, now_us);
}

static bool is_train(enum path_kind kind)
{
	return kind == PATH_TRAIN || kind == PATH_PACED;
}

static int send_train(const struct station *station, uint64_t now_us)
{
	const struct lltd_train_request request = {
		.n = station->doing.packets,
		.packet_bytes = station->doing.packet_bytes,
		.rate_bps = station->doing.rate_bps,
		.lead = station->doing.lead,
	};
	struct prober_path *path;

	DL_FOREACH2(station->paths, path, lltd.next)
		path_fill(path->path, &station->doing, now_us);
	return lltd_train(station->interface->lltd, station->session, &request, now_us);
}

/* They go on until nobody wants any. */
static int probe_gaps(struct station *station, uint64_t now_us)
{
	struct lltd_gap_request gaps;

	station->doing = *fastest_gaps(station);
	gaps = (struct lltd_gap_request){ .interval_us = station->doing.interval_us,
					  .vary_us = station->doing.vary_us };
	return lltd_probegap(station->interface->lltd, station->session, &gaps, now_us);
}

static int begin(struct station *station, struct run *run, uint64_t now_us)
{
	station->doing = run->experiment;
	station->run = run;
	if (is_train(run->experiment.kind))
		return send_train(station, now_us);
	if (run->experiment.kind == PATH_GAPS)
		return probe_gaps(station, now_us);
	return check_route(station, run->path, now_us);
}

void prober_station_go_on(struct station *station, uint64_t now_us)
{
	struct prober_path *path, *next;
	struct run *run;

	while (station->state == STATION_IDLE && (run = first_wanted(station))) {
		int r = begin(station, run, now_us);

		if (r == 0)
			station->state = STATION_BUSY;
		else
			prober_run_ended(run, r);
	}
	prober_station_interrupt(station);
	DL_FOREACH_SAFE2(station->paths, path, next, lltd.next) {
		if (prober_lltd_is_done(path))
			prober_lltd_leave(path);
	}
}

int prober_station_claim(struct run *run, uint64_t now_us)
{
	const struct lltd_claim_request request = {
		.rate_bps = run->experiment.rate_bps,
		.packet_bytes = run->experiment.packet_bytes,
		.duration_us = run->experiment.duration_us,
	};
	struct station *station = run->path->lltd.station;
	int r;

	if (!station || station->state == STATION_OPENING)
		return -EOPNOTSUPP;
	r = lltd_claim(station->interface->lltd, station->session, &request, now_us);
	if (r == 0)
		station->claim = run;
	return r;
}

void prober_station_withdraw(struct station *station, const struct run *run)
{
	if (station->claim == run) {
		lltd_end_claim(station->interface->lltd, station->session);
		station->claim = NULL;
	}
	if (station->run == run && run->experiment.kind == PATH_ROUTE_CHECK)
		prober_station_stop(station);
	if (station->run == run)
		station->run = NULL;
	prober_station_interrupt(station);
}

/* ---- joining and parting ---- */

static struct station *find_station(const struct interface *interface, const struct lltd_mac *mac)
{
	struct station *station;

	DL_FOREACH(interface->stations, station) {
		if (lltd_mac_equal(&station->mac, mac))
			return station;
	}
	return NULL;
}

static int new_station(struct interface *interface, const struct lltd_mac *mac,
		       struct station **ret_station, uint64_t now_us)
{
	struct station *station = calloc(1, sizeof(*station));
	const struct lltd_request request = { .sink = *mac, .data = station };
	int r;

	if (!station)
		return -ENOMEM;
	r = lltd_open(interface->lltd, &request, &station->session, now_us);
	if (r < 0) {
		free(station);
		return r;
	}
	station->interface = interface;
	station->mac = *mac;
	DL_APPEND(interface->stations, station);
	*ret_station = station;
	return 0;
}

static void forget_station(struct station *station)
{
	DL_DELETE(station->interface->stations, station);
	free(station);
}

int prober_station_join(struct prober_path *path, const struct lltd_mac *mac, uint64_t now_us)
{
	struct station *station = find_station(path->interface, mac);
	int r;

	if (!station) {
		r = new_station(path->interface, mac, &station, now_us);
		if (r < 0)
			return r;
	}
	path->lltd.station = station;
	DL_APPEND2(station->paths, path, lltd.prev, lltd.next);
	return 0;
}

static void part(struct prober_path *path)
{
	DL_DELETE2(path->lltd.station->paths, path, lltd.prev, lltd.next);
	path->lltd.station = NULL;
}

void prober_station_part(struct prober_path *path)
{
	struct station *station = path->lltd.station;

	part(path);
	if (station->paths) {
		prober_station_interrupt(station);
		return;
	}
	lltd_close(station->interface->lltd, station->session, path->prober->now_us);
	forget_station(station);
}

/* ---- what sessions have seen ---- */

static void end_check(struct station *station, struct prober_path *path)
{
	path->lltd.timer_us = UINT64_MAX;
	path_priority(path->path, station->answered >= CHECK_PACKETS_MIN
					  ? PROBE_PRIORITY_SUPPORTED
					  : PROBE_PRIORITY_NOT_SUPPORTED);
	prober_run_ended(&path->runs[PATH_ROUTE_CHECK], 0);
}

static void on_ready(void *user_data, void *data, int status)
{
	struct station *station = data;
	struct prober_path *path;

	DL_FOREACH2(station->paths, path, lltd.next) {
		struct run *run = &path->runs[station->doing.kind];

		if (!is_for(station, run))
			continue;
		if (is_train(station->doing.kind))
			prober_run_ended(run, status);
		else if (station->doing.kind == PATH_ROUTE_CHECK)
			end_check(station, path);
	}
	station->state = STATION_IDLE;
	station->run = NULL;
	prober_station_go_on(station, prober_now(station->interface->prober));
}

static void on_train(void *user_data, void *data, const struct probe_train *train)
{
	const struct station *station = data;
	struct prober_path *path;

	DL_FOREACH2(station->paths, path, lltd.next) {
		struct run *run = &path->runs[station->doing.kind];

		if (is_for(station, run))
			prober_take_train(run, train);
	}
}

static void take_gap(struct prober_path *path, const struct probe_gap *gap)
{
	const struct path_experiment *wanted = &path->runs[PATH_GAPS].experiment;

	path->lltd.gaps_done++;
	path->lltd.gaps_heard += !gap->lost;
	path_gap(path->path, gap, prober_now(path->prober));
	if (wanted->packets > 0 && path->lltd.gaps_done >= wanted->packets)
		prober_lltd_wake(path);
	prober_settle(path);
}

static void on_gap(void *user_data, void *data, const struct probe_gap *gap)
{
	struct station *station = data;
	struct prober_path *path;

	if (station->doing.kind == PATH_ROUTE_CHECK) {
		station->answered += !gap->lost;
		return;
	}
	DL_FOREACH2(station->paths, path, lltd.next) {
		if (is_for(station, &path->runs[PATH_GAPS]))
			take_gap(path, gap);
	}
}

static void on_claimed(void *user_data, void *data)
{
	struct station *station = data;
	struct run *run = station->claim;

	station->claim = NULL;
	if (run)
		prober_run_ended(run, 0);
}

static void on_ended(void *user_data, void *data, int status)
{
	struct station *station = data;
	struct prober_path *path;

	while ((path = station->paths)) {
		part(path);
		prober_lltd_fail(path, status);
		prober_settle(path);
	}
	forget_station(station);
}

/* ---- what a node needs of the host ---- */

static int on_send(void *user_data, const struct lltd_frame *frames, unsigned n)
{
	const struct interface *interface = user_data;
	const struct prober_ports *ports = &interface->prober->ports;

	return ports->send_frames(ports->user_data, interface->link.ifindex, frames, n);
}

static uint64_t on_stamp_ns(void *user_data)
{
	const struct prober_ports *ports = &((struct interface *)user_data)->prober->ports;

	return ports->stamp_ns(ports->user_data);
}

static uint32_t on_random(void *user_data)
{
	const struct prober_ports *ports = &((struct interface *)user_data)->prober->ports;

	return ports->random(ports->user_data);
}

static void on_counts(void *user_data, struct lltd_counts *ret_counts)
{
	const struct interface *interface = user_data;
	const struct prober_ports *ports = &interface->prober->ports;

	ports->counts(ports->user_data, interface->link.ifindex, ret_counts);
}

struct lltd *prober_lltd_new(struct interface *interface)
{
	const struct lltd_ports ports = {
		.user_data = interface,
		.send = on_send,
		.stamp_ns = on_stamp_ns,
		.random = on_random,
		.counts = on_counts,
		.ready = on_ready,
		.train = on_train,
		.gap = on_gap,
		.claimed = on_claimed,
		.ended = on_ended,
	};
	struct lltd_config config = interface->prober->config.lltd;

	config.mac = interface->link.mac;
	config.link_bps = interface->link.rate_bps;
	return lltd_new(&ports, &config);
}
