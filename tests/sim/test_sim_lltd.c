/* SPDX-License-Identifier: MIT */
/*
 * test_sim_lltd.c: stations that measure a link by LLTD's QoS diagnostics, both roles against each other, over a
 * bottleneck (bottleneck.h) that loses, delays, doubles and reorders frames; and a whole path (probe/path) measured in
 * that way.
 */
#include "bottleneck.h"
#include "probe/lltd.h"
#include "probe/path.h"
#include "queue.h"
#include "seeds.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)
#define STATIONS 4

struct frame {
	struct event event;
	unsigned to;
	size_t len;
	uint8_t data[];
};

struct station {
	unsigned number;
	struct lltd *lltd;
	struct lltd_mac mac;
	int64_t offset_ns; /* of its clock */
	struct event tick;
	uint64_t sent_bytes;

	/* as a controller */
	uint32_t session;
	bool ready;
	int status, ended; /* ended: 1: it has not */
	unsigned n_ready, n_trains, n_gaps, n_lost, n_gaps_in_trains;
	uint64_t least_gap_ns, least_rtt_ns;
	uint32_t next_sequence;
	struct path *path;
	enum path_kind doing;
	bool busy;
};

static struct world {
	struct queue queue;
	uint64_t now_ns;
	struct dice dice;
	double loss, duplicate, reorder;
	struct bottleneck links[STATIONS]; /* to each */
	unsigned n;
	struct station stations[STATIONS];
} world;

static uint64_t clock_ns(const struct station *station)
{
	return world.now_ns + (uint64_t)station->offset_ns;
}

static uint64_t clock_us(const struct station *station)
{
	return clock_ns(station) / 1000;
}

static void plan_tick(struct station *station);
static void step_done(struct station *station, int status);

/* ---- the link ---- */

static void deliver(struct event *event)
{
	struct frame *frame = (struct frame *)event;
	struct station *to = &world.stations[frame->to];

	if (to->lltd)
		lltd_receive(to->lltd, frame->data, frame->len, clock_ns(to), clock_us(to));
	plan_tick(to);
	free(frame);
}

static void send_to(unsigned to, const struct lltd_frame *sent, uint64_t extra_ns)
{
	struct frame *frame = malloc(sizeof(*frame) + sent->len);
	uint64_t arrives_ns;

	assert_non_null(frame);
	if (dice_chance(&world.dice, world.loss) ||
	    !bottleneck_pass(&world.links[to], world.now_ns,
			     (uint32_t)(sent->len - LLTD_LINK_HEADER_LEN), &arrives_ns)) {
		free(frame);
		return;
	}
	*frame = (struct frame){ .to = to, .len = sent->len };
	memcpy(frame->data, sent->data, sent->len);
	frame->event.happen = deliver;
	queue_set(&world.queue, &frame->event, arrives_ns + extra_ns);
}

static int on_send(void *user_data, const struct lltd_frame *frames, unsigned n)
{
	struct station *from = user_data;

	for (unsigned i = 0; i < n; i++) {
		bool all = frames[i].data[0] & 1;

		from->sent_bytes += frames[i].len;
		for (unsigned to = 0; to < world.n; to++) {
			bool doubled = dice_chance(&world.dice, world.duplicate);
			uint64_t extra_ns = dice_chance(&world.dice, world.reorder) ? 3 * MS : 0;

			if (to == from->number ||
			    (!all && memcmp(frames[i].data, &world.stations[to].mac, 6) != 0))
				continue;
			send_to(to, &frames[i], extra_ns);
			if (doubled)
				send_to(to, &frames[i], MS);
		}
	}
	return (int)n;
}

/* ---- stations ---- */

static uint64_t on_stamp(void *user_data)
{
	return clock_ns(user_data);
}

static uint32_t on_random(void *user_data)
{
	return (uint32_t)dice_next(&world.dice);
}

static void on_counts(void *user_data, struct lltd_counts *ret_counts)
{
	*ret_counts = (struct lltd_counts){ 0 };
}

static void on_ready(void *user_data, void *data, int status)
{
	struct station *station = data;

	station->ready = true;
	station->status = status;
	station->n_ready++;
	if (station->path)
		step_done(station, status);
}

static void on_train(void *user_data, void *data, const struct probe_train *train)
{
	struct station *station = data;

	station->n_trains++;
	station->n_gaps_in_trains += train->n_gaps;
	assert_true(train->n_gaps < train->n_sent);
	for (unsigned i = 0; i < train->n_gaps; i++) {
		if (train->gaps_ns[i] < station->least_gap_ns)
			station->least_gap_ns = train->gaps_ns[i];
	}
	if (station->path)
		path_train(station->path, train, clock_us(station));
}

static void on_gap(void *user_data, void *data, const struct probe_gap *gap)
{
	struct station *station = data;
	uint64_t rtt_ns;

	/* Each number once, in order. */
	assert_int_equal(gap->sequence, station->next_sequence++);
	station->n_gaps++;
	station->n_lost += gap->lost;
	if (station->path)
		path_gap(station->path, gap, clock_us(station));
	if (gap->lost)
		return;
	rtt_ns = gap->received_ns - gap->sent_ns - (gap->sink_sent_ns - gap->sink_received_ns);
	assert_true(gap->received_ns > gap->sent_ns);
	if (rtt_ns < station->least_rtt_ns)
		station->least_rtt_ns = rtt_ns;
}

static void on_ended(void *user_data, void *data, int status)
{
	struct station *station = data;

	station->ended = status;
}

static void on_counted(void *user_data, void *data, int status, const struct lltd_second *seconds,
		       unsigned n)
{
}

static void on_tick(struct event *event)
{
	struct station *station =
		(struct station *)((char *)event - offsetof(struct station, tick));

	if (lltd_deadline_us(station->lltd) <= clock_us(station))
		lltd_tick(station->lltd, clock_us(station));
	if (station->path && path_deadline_us(station->path) <= clock_us(station))
		path_tick(station->path, clock_us(station));
	plan_tick(station);
}

static void plan_tick(struct station *station)
{
	uint64_t due_us = lltd_deadline_us(station->lltd), due_ns;

	if (station->path && path_deadline_us(station->path) < due_us)
		due_us = path_deadline_us(station->path);
	queue_cancel(&world.queue, &station->tick);
	if (due_us == UINT64_MAX)
		return;
	due_ns = due_us * 1000 - (uint64_t)station->offset_ns;
	station->tick.happen = on_tick;
	queue_set(&world.queue, &station->tick,
		  due_us <= clock_us(station) ? world.now_ns : due_ns);
}

static void run(uint64_t ns)
{
	uint64_t until_ns = world.now_ns + ns;
	struct event *event;

	while ((event = queue_take(&world.queue, until_ns))) {
		if (event->time_us > world.now_ns)
			world.now_ns = event->time_us;
		event->happen(event);
	}
	world.now_ns = until_ns;
}

static void start_world(unsigned n, uint64_t rate_bps, uint64_t seed)
{
	const struct bottleneck_plan plan = {
		.rate_bps = rate_bps,
		.overhead_bytes = LLTD_LINK_HEADER_LEN,
		.buffer_bytes = 250000,
		.delay_ns = MS / 5,
	};
	struct lltd_config config;

	memset(&world, 0, sizeof(world));
	world.dice = (struct dice){ seed };
	world.now_ns = 7200 * SECOND;
	world.n = n;
	for (unsigned i = 0; i < n; i++) {
		struct station *station = &world.stations[i];
		const struct lltd_ports ports = {
			.user_data = station,
			.send = on_send,
			.stamp_ns = on_stamp,
			.random = on_random,
			.counts = on_counts,
			.ready = on_ready,
			.train = on_train,
			.gap = on_gap,
			.ended = on_ended,
			.counted = on_counted,
		};

		bottleneck_start(&world.links[i], &plan, dice_next(&world.dice));
		*station = (struct station){ .number = i, .ended = 1 };
		station->least_gap_ns = station->least_rtt_ns = UINT64_MAX;
		station->mac = (struct lltd_mac){ { 2, 0, 0, 0, 0, (uint8_t)(1 + i) } };
		station->offset_ns = i % 2 == 0 ? 0 : -(int64_t)(3600 * SECOND);
		lltd_config_default(&config);
		config.mac = station->mac;
		config.link_bps = rate_bps;
		station->lltd = lltd_new(&ports, &config);
		assert_non_null(station->lltd);
	}
}

static void end_world(void)
{
	struct event *event;

	for (unsigned i = 0; i < world.n; i++) {
		struct station *station = &world.stations[i];

		queue_cancel(&world.queue, &station->tick);
		station->path = path_free(station->path);
		station->lltd = lltd_free(station->lltd);
	}
	while ((event = queue_take(&world.queue, UINT64_MAX)))
		free(event);
	queue_free(&world.queue);
}

static void open_session(struct station *from, const struct station *to)
{
	const struct lltd_request request = { .sink = to->mac, .data = from };

	assert_int_equal(lltd_open(from->lltd, &request, &from->session, clock_us(from)), 0);
	plan_tick(from);
}

/* ---- both roles, and what can happen to frames ---- */

static bool complain(const char *what, uint64_t is)
{
	fprintf(stderr, "%s: %llu\n", what, (unsigned long long)is);
	return false;
}

static void probe(struct station *from)
{
	const struct lltd_gap_request gaps = { .interval_us = 10000, .count = 100 };

	from->ready = false;
	from->next_sequence = 0;
	assert_int_equal(lltd_probegap(from->lltd, from->session, &gaps, clock_us(from)), 0);
	plan_tick(from);
	run(15 * SECOND);
}

static void send_train(struct station *from)
{
	from->ready = false;
	assert_int_equal(lltd_train(from->lltd, from->session,
				    &(struct lltd_train_request){ 20, 1400, 0 }, clock_us(from)),
			 0);
	plan_tick(from);
	run(SECOND);
}

static bool quiet(uint64_t seed)
{
	struct station *from = &world.stations[0], *to = &world.stations[1];
	bool good = true;

	start_world(2, 20000000, seed);
	open_session(from, to);
	run(SECOND);
	send_train(from);
	probe(from);
	if (from->n_trains != 1 || from->n_gaps_in_trains != 19)
		good = complain("gaps in a train", from->n_gaps_in_trains);
	/* 1414 octets at 20 Mbit/s, in steps of 100 ns. */
	if (from->least_gap_ns < 565400 || from->least_gap_ns > 565800)
		good = complain("gap", from->least_gap_ns);
	if (from->n_gaps != 100 || from->n_lost != 0)
		good = complain("lost", from->n_lost);
	/* There and back: two delays, and 59 octets each way. */
	if (from->least_rtt_ns < 440000 || from->least_rtt_ns > 460000)
		good = complain("rtt", from->least_rtt_ns);
	lltd_close(from->lltd, from->session, clock_us(from));
	plan_tick(from);
	run(SECOND);
	if (lltd_sizes(to->lltd).sessions != 0 || lltd_sizes(from->lltd).controlled != 0)
		good = complain("sessions", lltd_sizes(to->lltd).sessions);
	end_world();
	return good;
}

static unsigned gaps_in_all, trains_in_all;

/* Frames are lost, doubled and overtake each other: everything comes to an end, and what is told is true. */
static bool rough(uint64_t seed)
{
	struct station *from = &world.stations[0], *to = &world.stations[1];
	bool good = true;

	start_world(2, 20000000, seed);
	world.loss = 0.15;
	world.duplicate = 0.1;
	world.reorder = 0.1;
	open_session(from, to);
	run(SECOND);
	for (unsigned i = 0; i < 5 && from->ended == 1; i++) {
		if (from->ready)
			send_train(from);
		if (from->ready)
			probe(from);
		if (from->ended == 1 && !from->ready)
			good = complain("neither ready nor ended", i);
	}
	/* No gap is shorter than the link makes it, but for what came out of order. */
	if (from->least_gap_ns < 565400 - 300)
		good = complain("gap", from->least_gap_ns);
	if (from->n_gaps > 0 &&
	    (from->n_lost * 100 < from->n_gaps * 10 || from->n_lost * 100 > from->n_gaps * 60))
		good = complain("lost", from->n_lost);
	gaps_in_all += from->n_gaps;
	trains_in_all += from->n_trains;
	lltd_close(from->lltd, from->session, clock_us(from));
	plan_tick(from);
	run(200 * SECOND);
	if (lltd_sizes(to->lltd).sessions != 0 || lltd_sizes(from->lltd).controlled != 0)
		good = complain("sessions", lltd_sizes(to->lltd).sessions);
	end_world();
	return good;
}

static void both_roles(void **state)
{
	assert_true(seeds_run("both_roles", 10, quiet));
	assert_true(seeds_run("both_roles", 100, rough));
	if (!getenv("GW_SEED"))
		assert_true(gaps_in_all > 20000 && trains_in_all > 200);
}

/* Everybody measures everybody, each being sink and controller at once. */
static bool everybody(uint64_t seed)
{
	bool good = true;

	start_world(STATIONS, 50000000, seed);
	for (unsigned i = 0; i < STATIONS; i++)
		open_session(&world.stations[i], &world.stations[(i + 1) % STATIONS]);
	run(SECOND);
	for (unsigned i = 0; i < STATIONS; i++)
		send_train(&world.stations[i]);
	for (unsigned i = 0; i < STATIONS; i++) {
		if (world.stations[i].n_trains != 1)
			good = complain("trains", world.stations[i].n_trains);
	}
	end_world();
	return good;
}

static void all_at_once(void **state)
{
	assert_true(seeds_run("all_at_once", 20, everybody));
}

/* ---- a whole path ---- */

/* One session does one thing at a time: trains interrupt gaps. */
struct driver {
	bool wanted[PATH_KIND_COUNT];
	struct path_experiment experiments[PATH_KIND_COUNT];
};
static struct driver driver;

static void drive(struct station *station)
{
	enum path_kind kind = driver.wanted[PATH_TRAIN] ? PATH_TRAIN : PATH_GAPS;
	const struct path_experiment *experiment = &driver.experiments[kind];
	int r;

	if (station->busy) {
		if (kind == PATH_TRAIN && station->doing == PATH_GAPS)
			lltd_stop(station->lltd, station->session);
		return;
	}
	if (!station->ready || !driver.wanted[kind])
		return;
	station->ready = false;
	station->doing = kind;
	station->busy = true;
	if (kind == PATH_TRAIN) {
		const struct lltd_train_request train = { experiment->packets,
							  experiment->packet_bytes, 0 };

		r = lltd_train(station->lltd, station->session, &train, clock_us(station));
	} else {
		const struct lltd_gap_request gaps = { .interval_us = experiment->interval_us,
						       .count = experiment->packets };

		station->next_sequence = 0;
		r = lltd_probegap(station->lltd, station->session, &gaps, clock_us(station));
	}
	assert_int_equal(r, 0);
}

static int on_start(void *user_data, void *data, const struct path_experiment *experiment)
{
	if (experiment->kind != PATH_TRAIN && experiment->kind != PATH_GAPS)
		return -EOPNOTSUPP;
	driver.wanted[experiment->kind] = true;
	driver.experiments[experiment->kind] = *experiment;
	drive(data);
	return 0;
}

static void on_stop(void *user_data, void *data, enum path_kind kind)
{
	struct station *station = data;

	driver.wanted[kind] = false;
	if (station->busy && station->doing == PATH_GAPS && kind == PATH_GAPS)
		lltd_stop(station->lltd, station->session);
}

static void on_event(void *user_data, void *data, enum path_event event)
{
}

static void on_admitted(void *user_data, void *data, void *wish_data, int status)
{
}

/* What it did is done: the path is told of trains only; gaps go on as long as they are wanted. */
static void step_done(struct station *station, int status)
{
	bool was_busy = station->busy;

	station->busy = false;
	if (was_busy && station->doing == PATH_TRAIN) {
		driver.wanted[PATH_TRAIN] = false;
		path_finished(station->path, PATH_TRAIN, status, clock_us(station));
	}
	drive(station);
}

static bool path_over_lltd(uint64_t seed)
{
	struct station *from = &world.stations[0];
	const struct path_ports ports = {
		.start = on_start,
		.stop = on_stop,
		.event = on_event,
		.admitted = on_admitted,
		.random = on_random,
	};
	const struct path_config config = { .on_link = true, .methods = { [PATH_LLTD] = true } };
	struct path_fundamentals known = { 0 };
	double capacity, spare;
	bool good = true;

	memset(&driver, 0, sizeof(driver));
	start_world(2, 20000000, seed);
	from->path = path_new(&ports, &config, from, clock_us(from));
	assert_non_null(from->path);
	open_session(from, &world.stations[1]);
	path_set_users(from->path, 0, 1, clock_us(from));
	capacity = bottleneck_capacity_bps(&world.links[1], 1496);
	bottleneck_source(&world.links[1], 0, BOTTLENECK_POISSON, 0.5 * capacity, world.now_ns);
	spare = 0.5 * capacity;
	run(40 * SECOND);
	path_fundamentals(from->path, clock_us(from), &known);
	if ((double)known.bottleneck_bps < 0.9 * capacity ||
	    (double)known.bottleneck_bps > 1.1 * capacity)
		good = complain("bottleneck", known.bottleneck_bps);
	if ((double)known.available_bps < 0.8 * spare || (double)known.available_bps > 1.2 * spare)
		good = complain("free", known.available_bps);
	if (from->ended != 1)
		good = complain("ended", (uint64_t)-from->ended);
	end_world();
	return good;
}

static void whole_path(void **state)
{
	assert_true(seeds_run("whole_path", 5, path_over_lltd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_roles),
		cmocka_unit_test(all_at_once),
		cmocka_unit_test(whole_path),
	};

	seeds_choose_test();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
