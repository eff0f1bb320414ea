/* SPDX-License-Identifier: MIT */
/*
 * test_sim_qlpb.c: hosts that measure each other with MS-QLPB over links of every kind: what they find out is so,
 * everything that begins ends in its time, and nobody can make a node keep or send more than it should.
 */
#include "probe_net.h"
#include "seeds.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define US_NS UINT64_C(1000)
#define MS_NS UINT64_C(1000000)
#define S_NS UINT64_C(1000000000)

#define EXPERIMENTS 64

/* One experiment, as its program sees it. */
struct run {
	struct probe_net *net;
	struct probe_host *host, *sink;
	enum qlpb_kind kind;
	uint32_t id;
	bool started, cancelled, finished;
	uint64_t started_ns, finished_ns;
	uint32_t n_gaps, n_answered, n_trains;
	uint64_t sent_ns; /* of the last question */
	uint64_t last_us; /* duration of the last train: the sum of its gaps */
	bool only_once;	  /* the program is content with one train */
	struct qlpb_result result;
};

static struct run runs[EXPERIMENTS];
static unsigned n_runs;
static bool good;
static bool overheard; /* somebody hears what is asked, and can answer it */

#define require(condition)                                                                      \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			if (good)                                                               \
				fprintf(stderr, "%s:%d: %s\n", __func__, __LINE__, #condition); \
			good = false;                                                           \
		}                                                                               \
	} while (0)

/* ---- what programs are told ---- */

/* No train goes faster than the narrowest link between the two. */
static uint64_t narrowest_bps(const struct run *run)
{
	uint64_t up = run->host->plan.up.rate_bps, down = run->sink->plan.down.rate_bps;

	return up < down ? up : down;
}

static bool on_train(void *data, const struct probe_train *train)
{
	struct run *run = data;
	uint64_t sum_ns = 0;

	require(run->started && !run->finished && !run->cancelled);
	require(run->kind == QLPB_PACKET_PAIR);
	require(train->n_sent >= 2 && train->n_gaps == train->n_sent - 1);
	for (unsigned i = 0; i < train->n_gaps; i++)
		sum_ns += train->gaps_ns[i];
	run->last_us = sum_ns / 1000;
	run->n_trains++;
	require(run->n_trains <= 3);
	return run->only_once;
}

/* Each question once and in order; times as they can be, for the clocks of both are known here. */
static void on_gap(void *data, const struct probe_gap *gap)
{
	struct run *run = data;
	uint64_t there_ns, back_ns, sink_ns;

	require(run->started && !run->finished && !run->cancelled);
	require(gap->sequence == run->n_gaps++);
	require(gap->sent_ns >= gap->scheduled_ns && gap->sent_ns >= run->sent_ns);
	run->sent_ns = gap->sent_ns;
	if (gap->lost) {
		require(gap->received_ns == 0 && gap->sink_sent_ns == 0);
		return;
	}
	run->n_answered++;
	require(gap->sink_sent_ns >= gap->sink_received_ns);
	require(gap->received_ns > gap->sent_ns);
	if (overheard)
		return;
	/* The way there and back, with what clocks may drift meanwhile and 100 ns of rounding each. */
	sink_ns = gap->sink_sent_ns - gap->sink_received_ns;
	there_ns = run->host->plan.up.delay_ns + run->sink->plan.down.delay_ns;
	back_ns = run->sink->plan.up.delay_ns + run->host->plan.down.delay_ns;
	require(gap->received_ns - gap->sent_ns + 300 >= sink_ns + there_ns + back_ns);
}

static void on_finished(void *data, const struct qlpb_result *result)
{
	struct run *run = data;

	require(run->started && !run->finished && !run->cancelled);
	require(result->kind == run->kind);
	run->finished = true;
	run->finished_ns = run->net->now_ns;
	run->result = *result;
	if (run->kind == QLPB_PACKET_PAIR)
		require(result->samples == run->n_trains);
	if (run->kind == QLPB_PROBEGAP)
		require(result->samples == run->n_answered);
	if (run->kind == QLPB_ROUTE_CHECK)
		require((result->priority != PROBE_PRIORITY_UNKNOWN) == (result->status == 0));
}

/* P-055: whatever leaves stays on the link, in one piece, and from the right port. */
static void spy(struct probe_net *net, const struct probe_host *host,
		const struct qlpb_datagram *datagram)
{
	bool gap = datagram->data[0] == QLPB_ID_GAP_REQUEST ||
		   datagram->data[0] == QLPB_ID_GAP_REPLY;

	require(datagram->hop_limit == 1 && datagram->dont_fragment);
	require(datagram->destination.port == QLPB_PORT);
	require((datagram->socket == QLPB_SOCKET_SERVICE) == gap);
	require(datagram->len >= (gap ? 32 : 12) && datagram->data[2] == 0);
	require(datagram->data[3] == (gap ? 2 : 1));
}

/* ---- a world ---- */

static struct probe_net *world_new(uint64_t seed)
{
	struct probe_net *net = probe_net_new(seed);

	memset(runs, 0, sizeof(runs));
	n_runs = 0;
	good = true;
	overheard = false;
	net->watcher = (struct probe_watcher){ on_train, on_gap, on_finished };
	net->spy = spy;
	return net;
}

static struct run *start(struct probe_host *host, struct probe_host *sink,
			 struct qlpb_request request)
{
	struct run *run = &runs[n_runs];

	if (n_runs == EXPERIMENTS)
		abort();
	*run = (struct run){
		.net = host->net,
		.host = host,
		.sink = sink,
		.kind = request.kind,
		.started_ns = host->net->now_ns,
		.started = true,
	};
	request.data = run;
	if (probe_host_start(host, sink, request, &run->id) < 0)
		run->started = false;
	else
		n_runs++;
	return run;
}

static struct run *start_kind(struct probe_host *host, struct probe_host *sink, enum qlpb_kind kind)
{
	return start(host, sink, (struct qlpb_request){ .kind = kind, .flood_bytes = 100000 });
}

/* Links that nothing goes wrong on: 1 to 1000 Mbit/s, up to 5 ms long. */
static struct probe_host_plan some_plan(struct dice *dice)
{
	struct probe_host_plan plan = probe_host_plan_default;
	static const uint64_t rates_bps[] = { 1000000,	 5000000,   10000000,  50000000,
					      100000000, 500000000, 1000000000 };

	plan.up.rate_bps = rates_bps[dice_below(dice, 7)];
	plan.down.rate_bps = rates_bps[dice_below(dice, 7)];
	plan.up.delay_ns = dice_below(dice, 5000) * US_NS;
	plan.down.delay_ns = dice_below(dice, 5000) * US_NS;
	plan.clock_offset_ns = S_NS + dice_below(dice, 7200) * S_NS;
	plan.clock_ppm = (dice_unit(dice) - 0.5) * 200;
	plan.late_ns = dice_below(dice, 2000) * US_NS;
	plan.link.rate_bps = plan.down.rate_bps;
	return plan;
}

/* After whatever happened: all have ended, and nobody keeps anything. */
static void assert_quiet(struct probe_net *net)
{
	for (unsigned i = 0; i < n_runs; i++)
		require(!runs[i].started || runs[i].finished || runs[i].cancelled);
	for (unsigned i = 0; i < net->n_hosts; i++) {
		struct qlpb_sizes sizes = qlpb_sizes(net->hosts[i].qlpb);

		require(sizes.sessions == 0 && sizes.experiments == 0);
		require(qlpb_deadline_us(net->hosts[i].qlpb) == UINT64_MAX);
	}
}

static bool end(struct probe_net *net)
{
	probe_net_free(net);
	return good;
}

/* ---- nothing goes wrong: what they find out is so ---- */

/* P-023, P-024, P-056, P-060: links that keep the order, that give priority, and that drop what is long and tagged. */
static bool check_routes(uint64_t seed)
{
	struct probe_net *net = world_new(seed);
	struct probe_host_plan plan = some_plan(&net->dice);
	struct probe_host *host = probe_net_host(net, &plan), *sink;
	unsigned shape = dice_below(&net->dice, 3);
	struct run *run;

	plan = some_plan(&net->dice);
	if (shape == 1)
		plan.down.priorities = true;
	if (shape == 2)
		plan.down.tagged_max_bytes = 1499;
	sink = probe_net_host(net, &plan);
	run = start_kind(host, sink, QLPB_ROUTE_CHECK);
	probe_net_run(net, 1 * S_NS);
	require(run->result.status == 0);
	require(run->result.priority ==
		(shape == 2 ? PROBE_PRIORITY_NOT_SUPPORTED : PROBE_PRIORITY_SUPPORTED));
	assert_quiet(net);
	return end(net);
}

static void routes(void **state)
{
	assert_true(seeds_run("routes", 150, check_routes));
}

/* P-029, P-039, P-063: all trains arrive, and they are as long as the narrowest link makes them. */
static bool check_trains(uint64_t seed)
{
	struct probe_net *net = world_new(seed);
	struct probe_host_plan plan = some_plan(&net->dice);
	struct probe_host *host = probe_net_host(net, &plan), *sink;
	uint64_t expected_us;
	struct run *run;

	plan = some_plan(&net->dice);
	sink = probe_net_host(net, &plan);
	run = start_kind(host, sink, QLPB_PACKET_PAIR);
	probe_net_run(net, 2 * S_NS);
	require(run->result.status == 0);
	/* A slow link holds only so many of the third train. */
	require(run->n_trains == 3 || narrowest_bps(run) <= 10000000);
	require(run->n_trains >= 1);
	expected_us = 15 * (1496 + PROBE_FRAME_OVERHEAD) * UINT64_C(8000000) / narrowest_bps(run);
	require(run->last_us + 2 >= expected_us * 999 / 1000);
	require(run->last_us <= expected_us * 1001 / 1000 + 2);
	assert_quiet(net);
	return end(net);
}

static void trains(void **state)
{
	assert_true(seeds_run("trains", 150, check_trains));
}

/* P-041, P-068: a second of questions, each answered; on_gap() looks at the times. */
static bool check_gaps(uint64_t seed)
{
	struct probe_net *net = world_new(seed);
	struct probe_host_plan plan = some_plan(&net->dice);
	struct probe_host *host = probe_net_host(net, &plan), *sink;
	struct qlpb_request request = { .kind = QLPB_PROBEGAP, .count = 1000 };
	struct run *run;

	plan = some_plan(&net->dice);
	sink = probe_net_host(net, &plan);
	run = start(host, sink, request);
	probe_net_run(net, 1 * S_NS);
	require(host->n_sent >= 950 && host->n_sent <= 1050);
	probe_net_run(net, 2 * S_NS);
	require(run->finished && run->result.status == 0);
	require(run->n_gaps == 1000 && run->n_answered == 1000);
	require(sink->n_echoes_sent == 1000);
	assert_quiet(net);
	return end(net);
}

static void gaps(void **state)
{
	assert_true(seeds_run("gaps", 60, check_gaps));
}

/* Both measure each other at once, in every way there is. */
static bool check_both_roles(uint64_t seed)
{
	struct probe_net *net = world_new(seed);
	struct probe_host *hosts[2];
	struct run *made[2][3];

	for (unsigned i = 0; i < 2; i++) {
		struct probe_host_plan plan = some_plan(&net->dice);

		/* Queues that hold all that two experiments may send. */
		plan.up.rate_bps = plan.down.rate_bps = 100000000;
		plan.config.discard_max_bytes = 100000;
		hosts[i] = probe_net_host(net, &plan);
	}
	for (unsigned i = 0; i < 2; i++) {
		start_kind(hosts[i], hosts[1 - i], QLPB_FLOOD);
		made[i][0] = start_kind(hosts[i], hosts[1 - i], QLPB_ROUTE_CHECK);
		made[i][1] = start_kind(hosts[i], hosts[1 - i], QLPB_PACKET_PAIR);
		made[i][2] = start(hosts[i], hosts[1 - i],
				   (struct qlpb_request){ .kind = QLPB_PROBEGAP, .count = 100 });
	}
	probe_net_run(net, 3 * S_NS);
	for (unsigned i = 0; i < 2; i++) {
		require(made[i][0]->result.priority == PROBE_PRIORITY_SUPPORTED);
		require(made[i][1]->n_trains == 3);
		require(made[i][2]->n_answered == 100);
	}
	for (unsigned i = 0; i < n_runs; i++)
		require(runs[i].finished && runs[i].result.status == 0);
	assert_quiet(net);
	return end(net);
}

static void both_roles(void **state)
{
	assert_true(seeds_run("both_roles", 60, check_both_roles));
}

/* ---- everything goes wrong ---- */

static struct probe_host_plan bad_plan(struct dice *dice)
{
	struct probe_host_plan plan = some_plan(dice);
	struct probe_link_plan *links[] = { &plan.up, &plan.down };

	/* A tenth of everything, and trains hardly ever arrive whole. */
	double badness = dice_chance(dice, 0.5) ? 0.3 : 0.01;

	for (unsigned i = 0; i < 2; i++) {
		links[i]->loss = dice_unit(dice) * badness;
		links[i]->duplicate = dice_unit(dice) * badness;
		links[i]->reorder = dice_unit(dice) * badness;
		links[i]->reorder_ns = dice_below(dice, 20000) * US_NS;
		links[i]->jitter_ns = dice_below(dice, 10000) * US_NS;
		links[i]->queue_bytes = dice_between(dice, 3000, 200000);
		links[i]->priorities = dice_chance(dice, 0.3);
		/* Others' traffic costs time to simulate. */
		if (links[i]->rate_bps <= 10000000)
			links[i]->cross = dice_unit(dice) * 1.2;
	}
	plan.late_ns = dice_below(dice, 20000) * US_NS;
	plan.coalesce_ns = dice_chance(dice, 0.3) ? dice_below(dice, 300) * US_NS : 0;
	plan.deaf = dice_chance(dice, 0.1);
	plan.config.discard_max_bytes = dice_below(dice, 200000);
	return plan;
}

/* The times of spec §5, and what links, TCP and programs add. */
static void assert_in_time(const struct run *run)
{
	uint64_t slack_ns = 200 * MS_NS, limit_ns = 0;

	switch (run->kind) {
	case QLPB_ROUTE_CHECK:
		limit_ns = 3 * S_NS + 250 * MS_NS + 400 * MS_NS;
		break;
	case QLPB_PACKET_PAIR:
		limit_ns = 3 * S_NS + 250 * MS_NS + 1500 * MS_NS;
		break;
	case QLPB_PROBEGAP: /* 100 of them, 1 ms apart, then 1 s; or 3 s after the last answer */
		limit_ns = 100 * MS_NS + 4 * S_NS;
		break;
	case QLPB_FLOOD:
		limit_ns = 13 * S_NS;
		break;
	case QLPB_CLAIM:
		limit_ns = S_NS;
		break;
	}
	if (run->finished)
		require(run->finished_ns - run->started_ns <= limit_ns + slack_ns);
}

static void assert_status(const struct run *run)
{
	static const int possible[] = { 0,	    -ECONNREFUSED, -ETIMEDOUT, -ECONNRESET,
					-ECANCELED, -EPROTO,	   -EPIPE };
	bool found = false;

	for (unsigned i = 0; i < sizeof(possible) / sizeof(possible[0]); i++)
		found = found || run->result.status == possible[i];
	require(found);
	/* Nobody lies here, but what is doubled on the way may make a sink say more than is expected. */
	if (run->result.status == -EPROTO)
		require(run->kind == QLPB_ROUTE_CHECK);
}

/* Something that may happen to it, or to a host. */
static void happen(struct probe_net *net)
{
	struct probe_host *host = &net->hosts[dice_below(&net->dice, net->n_hosts)];
	struct probe_host *sink = &net->hosts[dice_below(&net->dice, net->n_hosts)];
	enum qlpb_kind kind = (enum qlpb_kind)dice_below(&net->dice, QLPB_CLAIM + 1);
	struct qlpb_request request = {
		.kind = kind,
		.rate_bps = 2000000,
		.duration_us = 100000,
		.train_size = dice_between(&net->dice, 2, QLPB_TRAIN_MAX),
		.packet_bytes = dice_between(&net->dice, 100, QLPB_PACKET_MAX_BYTES),
		.count = 100,
		.flood_bytes = dice_between(&net->dice, 1, 200000),
	};
	struct run *run = n_runs > 0 ? &runs[dice_below(&net->dice, n_runs)] : NULL;

	switch (dice_below(&net->dice, 10)) {
	case 0:
		if (run && !run->finished && !run->cancelled) {
			run->cancelled = true;
			probe_host_cancel(run->host, run->id);
		}
		break;
	case 1:
		if (dice_chance(&net->dice, 0.3))
			probe_host_restart(host);
		break;
	default:
		if (host != sink && n_runs < EXPERIMENTS) {
			run = start(host, sink, request);
			run->only_once = dice_chance(&net->dice, 0.5);
		}
	}
}

/* P-048, P-058, P-064, P-070, P-073: whatever happens, each ends once, in time, with a reason; nothing is left. */
static bool check_chaos(uint64_t seed)
{
	struct probe_net *net = world_new(seed);
	unsigned n_hosts = dice_between(&net->dice, 2, 4);

	for (unsigned i = 0; i < n_hosts; i++) {
		struct probe_host_plan plan = bad_plan(&net->dice);

		probe_net_host(net, &plan);
	}
	net->tcp_stall = dice_unit(&net->dice) * 0.2;
	for (unsigned i = 0; i < 30; i++) {
		happen(net);
		probe_net_run(net, dice_below(&net->dice, 300) * MS_NS);
		for (unsigned k = 0; k < n_hosts; k++) {
			struct probe_host *host = &net->hosts[k];

			require(qlpb_sizes(host->qlpb).sessions <= 32);
			require(host->n_echoes_sent <= host->n_echoes_asked);
		}
	}
	for (unsigned k = 0; k < n_hosts; k++) {
		probe_link_cross(&net->hosts[k].up, 0);
		probe_link_cross(&net->hosts[k].down, 0);
	}
	probe_net_run(net, 50 * S_NS); /* sessions of those who crashed are idle for 30 s */
	for (unsigned i = 0; i < n_runs; i++) {
		assert_in_time(&runs[i]);
		if (runs[i].finished)
			assert_status(&runs[i]);
	}
	assert_quiet(net);
	return end(net);
}

static void chaos(void **state)
{
	assert_true(seeds_run("chaos", 250, check_chaos));
}

/* ---- several initiators ---- */

/* P-047: as many as come, those that there is room for are served, the others learn at once that they are not. */
static bool check_crowd(uint64_t seed)
{
	struct probe_net *net = world_new(seed);
	struct probe_host_plan plan = probe_host_plan_default;
	unsigned served = 0, refused = 0;
	struct probe_host *sink;

	plan.down.rate_bps = 1000000000;
	plan.down.queue_bytes = 10000000;
	sink = probe_net_host(net, &plan);
	plan.late_ns = dice_below(&net->dice, 500) * US_NS;
	for (unsigned i = 0; i < 12; i++) {
		struct probe_host *host = probe_net_host(net, &plan);

		for (unsigned k = 0; k < 5; k++)
			start_kind(host, sink, k % 2 ? QLPB_PACKET_PAIR : QLPB_ROUTE_CHECK);
	}
	for (unsigned i = 0; i < 3000; i++) {
		probe_net_run(net, 1 * MS_NS);
		require(qlpb_sizes(sink->qlpb).sessions <= 32);
	}
	for (unsigned i = 0; i < n_runs; i++) {
		served += runs[i].result.status == 0;
		refused += runs[i].result.status == -ECONNRESET;
		if (runs[i].result.status == -ECONNRESET)
			require(runs[i].finished_ns - runs[i].started_ns < 20 * MS_NS);
	}
	require(served >= 32 && served + refused == 60);
	assert_quiet(net);
	return end(net);
}

static void crowds(void **state)
{
	assert_true(seeds_run("crowds", 20, check_crowd));
}

/* ---- somebody of bad will ---- */

/* What is said on the link, for who repeats it. */
static struct {
	uint8_t data[1500];
	size_t len;
} heard[64];
static unsigned n_heard;

static void listen_in(struct probe_net *net, const struct probe_host *host,
		      const struct qlpb_datagram *datagram)
{
	unsigned i = n_heard++ % 64;

	spy(net, host, datagram);
	memcpy(heard[i].data, datagram->data, datagram->len);
	heard[i].len = datagram->len;
}

/* A message that is nearly one. Blind: the forger does not know what is said on the link. */
static size_t forged(struct dice *dice, bool blind, uint8_t *data)
{
	static const uint8_t ids[] = { 0x00, 0x01, 0x02, 0x05, 0x06, 0x0a, 0x14, 0x1e };
	size_t len = dice_below(dice, dice_chance(dice, 0.1) ? 1473 : 60);

	if (!blind && n_heard > 0) {
		unsigned i = dice_below(dice, n_heard < 64 ? n_heard : 64);

		len = heard[i].len;
		memcpy(data, heard[i].data, len);
		if (dice_chance(dice, 0.5))
			data[dice_below(dice, (uint32_t)len)] = (uint8_t)dice_next(dice);
		if (dice_chance(dice, 0.3))
			len = dice_below(dice, (uint32_t)len);
		return len;
	}
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(dice_chance(dice, 0.5) ? dice_below(dice, 6) : dice_next(dice));
	if (len >= 4 && dice_chance(dice, 0.9)) {
		data[0] = ids[dice_below(dice, sizeof(ids))];
		data[3] = data[0] == 5 || data[0] == 6 ? 2 : 1;
	}
	return len;
}

static void do_evil(struct probe_net *net, struct probe_host *evil, bool blind)
{
	struct dice *dice = &evil->dice;
	struct probe_host *victim = &net->hosts[dice_below(dice, 2)];
	uint8_t data[1500];
	size_t len = forged(dice, blind, data);

	probe_host_forge(evil, &net->hosts[dice_below(dice, 3)], victim,
			 dice_chance(dice, 0.6) ? QLPB_PORT : (uint16_t)dice_next(dice), data, len);
	if (dice_chance(dice, 0.05)) {
		struct probe_connection *connection = probe_host_connect(evil, victim);

		if (connection) {
			probe_connection_write(connection, data, len < 20 ? len : 20);
			if (dice_chance(dice, 0.5))
				probe_connection_close(connection);
		}
	}
}

/*
 * Two hosts measure each other; a third sends what it likes, under whose name it likes. If it does not hear what is
 * said, they do not even notice. If it does, they are disturbed, and still bounded.
 */
static bool check_evil(uint64_t seed)
{
	struct probe_net *net = world_new(seed);
	struct probe_host_plan plan = probe_host_plan_default;
	bool blind = seed % 2;
	uint64_t in_bytes = 0, out_bytes = 0;
	struct probe_host *evil;

	plan.down.queue_bytes = 1000000;
	n_heard = 0;
	overheard = !blind;
	net->spy = listen_in;
	for (unsigned i = 0; i < 2; i++)
		probe_net_host(net, &plan);
	evil = probe_net_host(net, &plan);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned k = 0; k < 2; k++)
			start_kind(&net->hosts[i], &net->hosts[1 - i],
				   k ? QLPB_PACKET_PAIR : QLPB_ROUTE_CHECK);
		start(&net->hosts[i], &net->hosts[1 - i],
		      (struct qlpb_request){ .kind = QLPB_PROBEGAP, .count = 300 });
	}
	for (unsigned i = 0; i < 4000; i++) {
		do_evil(net, evil, blind);
		probe_net_run(net, dice_below(&net->dice, 400) * US_NS);
		require(qlpb_sizes(net->hosts[0].qlpb).sessions <= 32);
	}
	probe_net_run(net, 40 * S_NS);
	for (unsigned i = 0; i < n_runs; i++) {
		require(runs[i].finished);
		if (!blind)
			continue;
		require(runs[i].result.status == 0);
		if (runs[i].kind == QLPB_ROUTE_CHECK)
			require(runs[i].result.priority == PROBE_PRIORITY_SUPPORTED);
		if (runs[i].kind == QLPB_PACKET_PAIR)
			require(runs[i].n_trains == 3);
		if (runs[i].kind == QLPB_PROBEGAP)
			require(runs[i].n_answered == 300);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct probe_host *host = &net->hosts[i];

		in_bytes += host->udp_in_bytes + host->tcp_in_bytes;
		out_bytes += host->udp_out_bytes + host->tcp_out_bytes;
		require(host->n_echoes_sent <= host->n_echoes_asked);
	}
	/* Besides their own experiments: two trains, two checks, 300 questions each. */
	require(out_bytes <= in_bytes + 2 * (3 * 16 * 1468 + 5 * 4500 + 300 * 32 + 100));
	/* What was opened by hand and not closed is idle for 30 s at most. */
	assert_quiet(net);
	return end(net);
}

static void evil(void **state)
{
	assert_true(seeds_run("evil", 60, check_evil));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),     cmocka_unit_test(trains), cmocka_unit_test(gaps),
		cmocka_unit_test(both_roles), cmocka_unit_test(chaos),	cmocka_unit_test(crowds),
		cmocka_unit_test(evil),
	};

	seeds_choose_test();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
