/* SPDX-License-Identifier: MIT */
/*
 * prober_lltd.c: paths by LLTD. A path has a session with the station that has its destination's address, as long as
 * it has users; a session does one thing at a time, trains and route checks before gaps, which they interrupt. A
 * claim goes on beside that.
 *
 *   state    event                                                      what happens
 *   none     something is wanted                                        the station is asked for: asking
 *   asking   it is there                                                a session is begun: opening
 *   asking   it is not, or not within 2 s                               all that is wanted has failed: none
 *   opening  ready                                                      idle
 *   idle     something is wanted                                        it is begun: busy
 *   idle     nothing is, and nobody uses the path (any more)            closed: none
 *   busy     ready                                                      it has ended, or was interrupted: idle
 *   busy     something shorter is wanted while it does gaps             these are stopped; ready follows
 *   any      the session ends                                           all that is wanted has failed: none
 */
#include "probe/prober_internal.h"

#include <errno.h>

#define ASK_AGAIN_US (50 * US_PER_MS)
#define ASK_US (2 * US_PER_S)

/* Longest possible frames with a tag, as it is those that do not get through everywhere. */
#define CHECK_PACKETS 5
#define CHECK_PACKETS_MIN 4
#define CHECK_INTERVAL_US 20000
#define CHECK_US (1 * US_PER_S)
#define CHECK_PRIORITY 5

static bool is_wanted(const struct prober_path *path, enum path_kind kind)
{
	const struct run *run = &path->runs[kind];

	return run->wanted && run->experiment.method == PATH_LLTD;
}

static void wake(struct prober_path *path)
{
	path->lltd.timer_us = path->prober->now_us;
}

static struct lltd *node_of(const struct prober_path *path)
{
	return path->interface ? path->interface->lltd : NULL;
}

/* ---- beginning and ending of sessions ---- */

/* All of it for one reason, which counts once. */
static void fail(struct prober_path *path, int status)
{
	path->lltd.state = STATION_NONE;
	path->lltd.timer_us = UINT64_MAX;
	for (unsigned kind = 0; kind < PATH_KIND_COUNT; kind++) {
		if (!is_wanted(path, (enum path_kind)kind))
			continue;
		prober_run_ended(&path->runs[kind], status);
		status = -ECANCELED;
	}
}

static void open_session(struct prober_path *path, uint64_t now_us)
{
	struct lltd_request request = { .data = path };
	const struct prober_ports *ports = &path->prober->ports;
	int r = -ENODEV;

	if (node_of(path))
		r = ports->station(ports->user_data, &path->key.destination, path->key.ifindex,
				   &request.sink);
	if (r == -EAGAIN && now_us < path->lltd.since_us + ASK_US) {
		path->lltd.timer_us = now_us + ASK_AGAIN_US;
		return;
	}
	if (r == 0)
		r = lltd_open(node_of(path), &request, &path->lltd.session, now_us);
	if (r < 0)
		fail(path, r);
	else
		path->lltd.state = STATION_OPENING;
}

static void ask_for_station(struct prober_path *path, uint64_t now_us)
{
	if (!is_wanted(path, PATH_TRAIN) && !is_wanted(path, PATH_ROUTE_CHECK) &&
	    !is_wanted(path, PATH_GAPS))
		return;
	path->lltd.state = STATION_ASKING;
	path->lltd.since_us = now_us;
	open_session(path, now_us);
}

void prober_lltd_leave(struct prober_path *path)
{
	if (path->lltd.state >= STATION_OPENING)
		lltd_close(node_of(path), path->lltd.session, path->prober->now_us);
	path->lltd.state = STATION_NONE;
	path->lltd.timer_us = UINT64_MAX;
}

/* ---- one thing after the other ---- */

static int check_route(struct prober_path *path, uint64_t now_us)
{
	const struct lltd_gap_request request = {
		.interval_us = CHECK_INTERVAL_US,
		.count = CHECK_PACKETS,
		.packet_bytes = LLTD_GAP_PACKET_MAX,
		.tagged = true,
		.priority = CHECK_PRIORITY,
	};

	/* What cannot even leave is not there in time either. */
	path->lltd.timer_us = now_us + CHECK_US;
	path->lltd.answered = 0;
	return lltd_probegap(node_of(path), path->lltd.session, &request, now_us);
}

static bool is_train(enum path_kind kind)
{
	return kind == PATH_TRAIN || kind == PATH_PACED;
}

static int send_train(struct prober_path *path, const struct path_experiment *experiment,
		      uint64_t now_us)
{
	const struct lltd_train_request request = {
		.n = experiment->packets,
		.packet_bytes = experiment->packet_bytes,
		.rate_bps = experiment->rate_bps,
		.lead = experiment->lead,
	};

	return lltd_train(node_of(path), path->lltd.session, &request, now_us);
}

static int begin(struct prober_path *path, enum path_kind kind, uint64_t now_us)
{
	const struct path_experiment *experiment = &path->runs[kind].experiment;
	struct lltd_gap_request gaps = { .interval_us = experiment->interval_us,
					 .vary_us = experiment->vary_us };

	if (is_train(kind))
		return send_train(path, experiment, now_us);
	if (kind == PATH_ROUTE_CHECK)
		return check_route(path, now_us);
	if (experiment->packets > 0)
		gaps.count = experiment->packets - path->lltd.gaps_done;
	return lltd_probegap(node_of(path), path->lltd.session, &gaps, now_us);
}

/* What comes first of what is wanted; PATH_KIND_COUNT: nothing is. */
static enum path_kind first_wanted(const struct prober_path *path)
{
	static const enum path_kind kinds[] = { PATH_TRAIN, PATH_ROUTE_CHECK, PATH_PACED,
						PATH_GAPS };

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (is_wanted(path, kinds[i]))
			return kinds[i];
	}
	return PATH_KIND_COUNT;
}

static void go_on(struct prober_path *path, uint64_t now_us)
{
	enum path_kind kind;

	while (path->lltd.state == STATION_IDLE && (kind = first_wanted(path)) != PATH_KIND_COUNT) {
		int r = begin(path, kind, now_us);

		if (r == 0) {
			path->lltd.state = STATION_BUSY;
			path->lltd.doing = kind;
			path->lltd.stopped = false;
		} else {
			prober_run_ended(&path->runs[kind], r);
		}
	}
	if (path->lltd.state == STATION_IDLE && (!path->used || !path->by_lltd))
		prober_lltd_leave(path);
}

/* Gaps give way to whatever is shorter. */
static void interrupt(struct prober_path *path)
{
	if (path->lltd.state == STATION_BUSY && path->lltd.doing == PATH_GAPS &&
	    first_wanted(path) != PATH_GAPS)
		lltd_stop(node_of(path), path->lltd.session);
}

void prober_lltd_tick(struct prober_path *path, uint64_t now_us)
{
	path->lltd.timer_us = UINT64_MAX;
	switch (path->lltd.state) {
	case STATION_NONE:
		ask_for_station(path, now_us);
		break;
	case STATION_ASKING:
		open_session(path, now_us);
		break;
	case STATION_OPENING:
		break;
	case STATION_IDLE:
		go_on(path, now_us);
		break;
	case STATION_BUSY:
		if (path->lltd.doing == PATH_ROUTE_CHECK)
			lltd_stop(node_of(path), path->lltd.session);
		break;
	}
}

/* ---- what a path wants ---- */

static int claim(struct run *run, uint64_t now_us)
{
	const struct lltd_claim_request request = {
		.rate_bps = run->experiment.rate_bps,
		.packet_bytes = run->experiment.packet_bytes,
		.duration_us = run->experiment.duration_us,
	};
	struct prober_path *path = run->path;

	if (path->lltd.state != STATION_IDLE && path->lltd.state != STATION_BUSY)
		return -EOPNOTSUPP;
	return lltd_claim(node_of(path), path->lltd.session, &request, now_us);
}

int prober_lltd_start(struct run *run, uint64_t now_us)
{
	struct prober_path *path = run->path;

	if (!node_of(path))
		return -EOPNOTSUPP;
	if (run->experiment.kind == PATH_CLAIM)
		return claim(run, now_us);
	if (run->experiment.kind == PATH_GAPS)
		path->lltd.gaps_done = path->lltd.gaps_heard = 0;
	run->wanted = true;
	/* Not from within: it may fail at once. */
	if (path->lltd.state == STATION_NONE || path->lltd.state == STATION_IDLE)
		wake(path);
	interrupt(path);
	return 0;
}

void prober_lltd_stop(struct run *run)
{
	struct prober_path *path = run->path;
	enum path_kind kind = run->experiment.kind;

	if (kind == PATH_CLAIM && path->lltd.state >= STATION_OPENING)
		lltd_end_claim(node_of(path), path->lltd.session);
	if (path->lltd.state == STATION_BUSY && path->lltd.doing == kind) {
		path->lltd.stopped = true;
		lltd_stop(node_of(path), path->lltd.session);
	}
	if (path->lltd.state == STATION_IDLE)
		wake(path);
}

/* ---- what sessions have seen ---- */

static void end_check(struct prober_path *path)
{
	path_priority(path->path, path->lltd.answered >= CHECK_PACKETS_MIN
					  ? PROBE_PRIORITY_SUPPORTED
					  : PROBE_PRIORITY_NOT_SUPPORTED);
	prober_run_ended(&path->runs[PATH_ROUTE_CHECK], 0);
}

static void end_gaps(struct prober_path *path)
{
	struct run *run = &path->runs[PATH_GAPS];

	/* Interrupted: there are more. */
	if (run->experiment.packets == 0 || path->lltd.gaps_done < run->experiment.packets)
		return;
	prober_run_ended(run, path->lltd.gaps_heard > 0 ? 0 : -ETIMEDOUT);
}

static void on_ready(void *user_data, void *data, int status)
{
	struct prober_path *path = data;
	bool was_busy = path->lltd.state == STATION_BUSY;
	enum path_kind done = path->lltd.doing;

	path->lltd.state = STATION_IDLE;
	path->lltd.timer_us = UINT64_MAX;
	if (was_busy && !path->lltd.stopped) {
		if (is_train(done))
			prober_run_ended(&path->runs[done], status);
		else if (done == PATH_ROUTE_CHECK)
			end_check(path);
		else
			end_gaps(path);
	}
	go_on(path, prober_now(path->prober));
	prober_settle(path);
}

static void on_train(void *user_data, void *data, const struct probe_train *train)
{
	struct prober_path *path = data;

	if (path->lltd.stopped)
		return;
	prober_take_train(&path->runs[path->lltd.doing], train);
}

static void on_gap(void *user_data, void *data, const struct probe_gap *gap)
{
	struct prober_path *path = data;

	if (path->lltd.stopped)
		return;
	if (path->lltd.doing == PATH_ROUTE_CHECK) {
		path->lltd.answered += !gap->lost;
		return;
	}
	path->lltd.gaps_done++;
	path->lltd.gaps_heard += !gap->lost;
	path_gap(path->path, gap, prober_now(path->prober));
	prober_settle(path);
}

static void on_claimed(void *user_data, void *data)
{
	struct prober_path *path = data;

	if (is_wanted(path, PATH_CLAIM))
		prober_run_ended(&path->runs[PATH_CLAIM], 0);
}

static void on_ended(void *user_data, void *data, int status)
{
	struct prober_path *path = data;

	fail(path, status);
	prober_settle(path);
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
