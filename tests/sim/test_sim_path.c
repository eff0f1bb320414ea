/* SPDX-License-Identifier: MIT */
/*
 * test_sim_path.c: how well probe/path knows a path: what it says against what the simulated bottleneck is, for links
 * of 1 to 500 Mbit/s with other traffic on them; how soon it notices congestion, and that it is over; what measuring
 * costs; and hosts that want the same spare bandwidth. GW_SIM_FIGURES=1 prints what was measured.
 */
#include "measure.h"
#include "seeds.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct measure measure;
static bool without_lltd;

static struct path *path_of(unsigned host)
{
	return measure.hosts[host].path;
}

static struct measure_plan plan_of(double mbps)
{
	struct measure_plan plan = measure_plan_default;

	plan.link.rate_bps = (uint64_t)(mbps * 1e6);
	/* A fifth of a second, but not less than some packets. */
	plan.link.buffer_bytes = plan.link.rate_bps / 40;
	if (plan.link.buffer_bytes < 30000)
		plan.link.buffer_bytes = 30000;
	return plan;
}

static void start(const struct measure_plan *plan, uint64_t seed)
{
	measure_start(&measure, plan, 1, seed);
	measure.forbidden[PATH_LLTD] = without_lltd;
	path_set_users(path_of(0), 0, 1, measure_now_us(&measure));
}

static double capacity(void)
{
	return bottleneck_capacity_bps(&measure.link, 1496);
}

static bool wrong(const char *what, double mbps, double cross, double is, double should_be)
{
	fprintf(stderr, "%s: %.1f Mbit/s, %.0f %% cross traffic: %.4g instead of %.4g\n", what,
		mbps, cross * 100, is, should_be);
	return false;
}

static void figure(const char *what, double mbps, double cross, double is, double should_be)
{
	if (getenv("GW_SIM_FIGURES"))
		printf("%-12s %5.0f Mbit/s %3.0f %%: %10.4g of %10.4g (%+.1f %%)\n", what, mbps,
		       cross * 100, is, should_be, (is / should_be - 1) * 100);
}

/* ---- how narrow, how much is free (P-074..P-077, P-080) ---- */

/* `most`: by how much, of the capacity, what is free may be wrong. */
static bool measure_on(struct measure_plan *plan, enum bottleneck_kind kind, double cross,
		       double most, uint64_t seed)
{
	double mbps = (double)plan->link.rate_bps / 1e6, free_bps;
	struct path_fundamentals known;
	bool good = true;

	/* Clocks that are an hour apart, either way, and drift. */
	plan->offset_ns = (seed % 2 == 0 ? 1 : -1) * (int64_t)(3600 * MEASURE_S);
	plan->ppm = seed % 3 == 0 ? -60 : 45;
	start(plan, seed);
	measure_cross(&measure, kind, cross);
	measure_run(&measure, 45 * MEASURE_S);
	/* Of slow links that are nearly full chance alone makes a queue now and then: nothing is free until it is over. */
	for (unsigned i = 0; i < 20 && path_state(path_of(0)) == PATH_CONGESTED; i++)
		measure_run(&measure, 2 * MEASURE_S);
	if (path_fundamentals(path_of(0), measure_now_us(&measure), &known) < 0 ||
	    !known.bottleneck_set || !known.available_set || !known.rtt_set)
		good = wrong("nothing is known", mbps, cross, 0, 1);
	free_bps = capacity() * (1 - cross);
	figure("capacity", mbps, cross, (double)known.bottleneck_bps, capacity());
	figure("free", mbps, cross, (double)known.available_bps, free_bps);
	if (good && fabs((double)known.bottleneck_bps - capacity()) > 0.10 * capacity())
		good = wrong("capacity", mbps, cross, (double)known.bottleneck_bps, capacity());
	if (good && fabs((double)known.available_bps - free_bps) > most * capacity())
		good = wrong("free", mbps, cross, (double)known.available_bps, free_bps);
	measure_end(&measure);
	return good;
}

static bool measure_one(double mbps, double cross, enum bottleneck_kind kind, double most,
			uint64_t seed)
{
	struct measure_plan plan = plan_of(mbps);

	return measure_on(&plan, kind, cross, most, seed);
}

static const double rates_mbps[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500 };
static const double crosses[] = { 0, 0.2, 0.5, 0.8 };

/*
 * A fifth of what is free, and not of the capacity; but with a probe every 40 or 80 ms, of which one in five finds the path
 * idle, chance alone makes more.
 */
static double tolerance(double mbps, double cross)
{
	double most = 0.2 * (1 - cross);

	return mbps < 5 && most < 0.1 ? 0.1 : most;
}

static bool accuracy(uint64_t seed)
{
	bool good = true;

	for (unsigned i = 0; i < sizeof(rates_mbps) / sizeof(rates_mbps[0]); i++) {
		for (unsigned j = 0; j < sizeof(crosses) / sizeof(crosses[0]); j++)
			good &= measure_one(rates_mbps[i], crosses[j], BOTTLENECK_POISSON,
					    tolerance(rates_mbps[i], crosses[j]), seed);
	}
	return good;
}

static void accurate(void **state)
{
	assert_true(seeds_run("accurate", 2, accuracy));
}

/* Traffic that is as regular as the probes are does not deceive them: P-077. */
static bool regular(uint64_t seed)
{
	return measure_one(10, 0.5, BOTTLENECK_CONSTANT, 0.15, seed) &
	       measure_one(50, 0.5, BOTTLENECK_CONSTANT, 0.15, seed) &
	       measure_one(20, 0.5, BOTTLENECK_BURSTS, 0.15, seed);
}

static void regular_traffic(void **state)
{
	assert_true(seeds_run("regular_traffic", 3, regular));
}

/* ---- other kinds of links and hosts ---- */

static bool capacity_of(const struct measure_plan *plan, const char *what, double cross,
			uint64_t seed)
{
	struct path_fundamentals known = { 0 };
	bool good = true;

	start(plan, seed);
	measure_cross(&measure, BOTTLENECK_POISSON, cross);
	measure_run(&measure, 20 * MEASURE_S);
	path_fundamentals(path_of(0), measure_now_us(&measure), &known);
	figure(what, (double)plan->link.rate_bps / 1e6, cross, (double)known.bottleneck_bps,
	       capacity());
	if (fabs((double)known.bottleneck_bps - capacity()) > 0.10 * capacity())
		good = wrong(what, (double)plan->link.rate_bps / 1e6, cross,
			     (double)known.bottleneck_bps, capacity());
	measure_end(&measure);
	return good;
}

/* A shaper lets the first packets of each train through at once. */
static bool shaper(uint64_t seed)
{
	struct measure_plan plan = plan_of(10);

	plan.link.bucket_bytes = 6000;
	if (!capacity_of(&plan, "shaper", 0, seed))
		return false;
	plan = plan_of(200);
	plan.link.bucket_bytes = 25000;
	return capacity_of(&plan, "shaper", 0, seed);
}

/* The sink's interface hands in packets some at a time. */
static bool batches(uint64_t seed)
{
	struct measure_plan plan = plan_of(100);

	plan.batch_ns = 250000;
	return capacity_of(&plan, "batches", 0, seed) & capacity_of(&plan, "batches", 0.5, seed);
}

/* With a sink of MS-QLPB alone, which can tell of trains that are long enough from the beginning. */
static bool capacity_by_qlpb(const struct measure_plan *plan, const char *what, uint64_t seed)
{
	bool good;

	without_lltd = true;
	good = capacity_of(plan, what, 0, seed);
	without_lltd = false;
	return good;
}

/* Delays that vary by many packets' time, behind the narrow link and before it. */
static bool uneven_delays(uint64_t seed)
{
	static const uint64_t varies_us[] = { 500, 1000, 2000, 5000 };
	bool good = true;

	for (unsigned i = 0; i < sizeof(rates_mbps) / sizeof(rates_mbps[0]); i++) {
		for (unsigned j = 0; j < sizeof(varies_us) / sizeof(varies_us[0]); j++) {
			struct measure_plan plan = plan_of(rates_mbps[i]);

			plan.link.delay_ns = 5 * MEASURE_MS;
			plan.link.jitter_ns = varies_us[j] * 1000;
			good &= capacity_of(&plan, "jitter after", 0, seed);
			plan.link.jitter_ns = 0;
			plan.link.uneven_ns = varies_us[j] * 1000;
			good &= capacity_of(&plan, "jitter before", 0, seed);
		}
	}
	return good;
}

/* All of a short train passes at once. */
static bool large_buckets(uint64_t seed)
{
	static const uint32_t sizes[] = { 16000, 32000, 65536, 98304, 131072 };
	bool good = true;

	for (unsigned i = 0; i < sizeof(rates_mbps) / sizeof(rates_mbps[0]); i++) {
		for (unsigned j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			struct measure_plan plan = plan_of(rates_mbps[i]);

			/* On slow links there is hardly room for a train that is longer than that. */
			if (rates_mbps[i] < 5 && sizes[j] > 65536)
				continue;
			plan.link.bucket_bytes = sizes[j];
			good &= capacity_by_qlpb(&plan, "large bucket", seed);
		}
	}
	return good;
}

static void other_links(void **state)
{
	assert_true(seeds_run("other_links", 3, shaper));
	assert_true(seeds_run("other_links", 3, batches));
	assert_true(seeds_run("other_links", 3, uneven_delays));
	assert_true(seeds_run("other_links", 3, large_buckets));
}

/* ---- what deceives small packets ---- */

static bool free_on(const struct measure_plan *plan, const char *what, double cross, uint64_t seed)
{
	double mbps = (double)plan->link.rate_bps / 1e6, free_bps;
	struct path_fundamentals known = { 0 };
	bool good = true;
	double cost;

	start(plan, seed);
	measure_cross(&measure, BOTTLENECK_POISSON, cross);
	measure_run(&measure, 30 * MEASURE_S);
	cost = (double)path_load(path_of(0)).sent_bits;
	measure_run(&measure, 90 * MEASURE_S);
	cost = ((double)path_load(path_of(0)).sent_bits - cost) / 90;
	path_fundamentals(path_of(0), measure_now_us(&measure), &known);
	free_bps = capacity() * (1 - cross);
	figure(what, mbps, cross, (double)known.available_bps, free_bps);
	if (fabs((double)known.bottleneck_bps - capacity()) > 0.15 * capacity())
		good = wrong(what, mbps, cross, (double)known.bottleneck_bps, capacity());
	if (good && fabs((double)known.available_bps - free_bps) > 0.2 * capacity())
		good = wrong(what, mbps, cross, (double)known.available_bps, free_bps);
	/* To begin with more is sent; test steady_load has that too. */
	if (cost > 0.01 * capacity())
		good = wrong("cost", mbps, cross, cost, 0.01 * capacity());
	measure_end(&measure);
	return good;
}

/* In a shaper's bucket small packets never wait. */
static bool buckets(uint64_t seed)
{
	static const struct {
		double mbps;
		uint32_t bytes;
	} shapers[] = { { 10, 1600 },  { 10, 5000 },  { 50, 1600 },  { 50, 25000 },
			{ 200, 1600 }, { 500, 3200 }, { 500, 31250 } };
	bool good = true;

	for (unsigned i = 0; i < sizeof(shapers) / sizeof(shapers[0]); i++) {
		struct measure_plan plan = plan_of(shapers[i].mbps);

		plan.link.bucket_bytes = shapers[i].bytes;
		good &= free_on(&plan, "bucket", 0, seed);
		good &= free_on(&plan, "bucket", 0.5, seed);
		/* A hundredth of 10 Mbit/s is too few trains in two minutes for that. */
		if (shapers[i].mbps > 10)
			good &= free_on(&plan, "bucket", 0.8, seed);
	}
	return good;
}

/*
 * What an application sends evenly never waits in a bucket of two packets, nor do small packets, however much it
 * is; and that has to be found out at once, for a hundredth of a slow link.
 */
static bool slow_bucket(double mbps, enum bottleneck_kind kind, double cross, uint64_t seed)
{
	struct measure_plan plan = plan_of(mbps);

	plan.link.bucket_bytes = 3028;
	return measure_on(&plan, kind, cross, 0.2, seed);
}

static bool slow_buckets(uint64_t seed)
{
	static const double slow_mbps[] = { 1, 2, 5, 10, 20 };
	bool good = true;

	for (unsigned i = 0; i < sizeof(slow_mbps) / sizeof(slow_mbps[0]); i++) {
		for (unsigned j = 0; j < sizeof(crosses) / sizeof(crosses[0]); j++) {
			good &= slow_bucket(slow_mbps[i], BOTTLENECK_CONSTANT, crosses[j], seed);
			/* Of what comes at any time, some trains on slower ones show too much or too little. */
			if (slow_mbps[i] >= 10)
				good &= slow_bucket(slow_mbps[i], BOTTLENECK_POISSON, crosses[j],
						    seed);
		}
	}
	return good;
}

/* Where delays vary by more than a packet's time, small packets seem to wait though nobody else is there. */
static bool varying_delays(uint64_t seed)
{
	static const struct {
		double mbps;
		uint64_t us;
	} links[] = { { 2, 500 }, { 10, 500 }, { 20, 1000 }, { 50, 500 }, { 50, 1000 }, { 100, 500 } },
	  quiet[] = { { 50, 5000 }, { 100, 5000 }, { 200, 1000 }, { 500, 1000 } };
	bool good = true;

	for (unsigned i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		struct measure_plan plan = plan_of(links[i].mbps);

		plan.link.jitter_ns = links[i].us * 1000;
		good &= free_on(&plan, "jitter", 0, seed);
		good &= free_on(&plan, "jitter", 0.5, seed);
	}
	for (unsigned i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++) {
		struct measure_plan plan = plan_of(quiet[i].mbps);

		plan.link.jitter_ns = quiet[i].us * 1000;
		good &= free_on(&plan, "much jitter", 0, seed);
	}
	return good;
}

/*
 * A host that others keep busy: its timers are late, and some stamps are wrong by more than a packet's time as somebody
 * else had the processor between two readings of clocks. Nothing of that is load.
 */
static bool busy_on(double mbps, double cross, uint64_t seed)
{
	struct measure_plan plan = plan_of(mbps);
	struct path_fundamentals known = { 0 };
	double free_bps, most;
	bool good = true;

	plan.busy = 0.3;
	plan.busy_ns = 10 * MEASURE_MS;
	plan.astray = 0.01;
	plan.astray_ns = 3 * MEASURE_MS;
	start(&plan, seed);
	measure_cross(&measure, BOTTLENECK_POISSON, cross);
	free_bps = capacity() * (1 - cross);
	most = 0.2 * capacity();
	for (unsigned i = 0; i < 240 && good; i++) {
		measure_run(&measure, 250 * MEASURE_MS);
		if (i < 60 || path_fundamentals(path_of(0), measure_now_us(&measure), &known) < 0)
			continue;
		if (fabs((double)known.available_bps - free_bps) > most)
			good = wrong("free, busy", mbps, cross, (double)known.available_bps,
				     free_bps);
	}
	if (measure.hosts[0].events[PATH_EVENT_CONGESTED] > 0)
		good = wrong("alarms, busy", mbps, cross, 1, 0);
	figure("free, busy", mbps, cross, (double)known.available_bps, free_bps);
	measure_end(&measure);
	return good;
}

static bool busy(uint64_t seed)
{
	return busy_on(20, 0, seed) & busy_on(20, 0.5, seed);
}

static void not_deceived(void **state)
{
	assert_true(seeds_run("not_deceived", 2, buckets));
	assert_true(seeds_run("not_deceived", 2, slow_buckets));
	assert_true(seeds_run("not_deceived", 2, varying_delays));
}

static void busy_host(void **state)
{
	assert_true(seeds_run("busy_host", 3, busy));
}

/* ---- how long (P-079) ---- */

static void round_trip(void **state)
{
	struct measure_plan plan = plan_of(50);
	struct path_fundamentals known;

	plan.link.delay_ns = plan.back_delay_ns = 20 * MEASURE_MS;
	start(&plan, 1);
	measure_run(&measure, 10 * MEASURE_S);
	assert_int_equal(path_fundamentals(path_of(0), measure_now_us(&measure), &known), 0);
	assert_true(known.rtt_set);
	assert_in_range(known.rtt_us, 39000, 41000);
	measure_end(&measure);
}

/* ---- congestion (P-078) ---- */

/* To applications nothing means congested, so as long as the path is not, it is a little. */
static void nothing_is_congested(void **state)
{
	struct measure_plan plan = plan_of(20);
	struct passive_queue queue = { .rate_bps = 20000000 };
	struct path_fundamentals known;

	start(&plan, 1);
	/* What this host sends through its own interface fills that, and waits nowhere. */
	for (unsigned i = 0; i < 40; i++) {
		measure_run(&measure, 250 * MEASURE_MS);
		queue.bytes += queue.rate_bps / 8 / 4;
		queue.packets += 400;
		path_queue(path_of(0), &queue, measure_now_us(&measure));
	}
	assert_int_equal(path_fundamentals(path_of(0), measure_now_us(&measure), &known), 0);
	assert_int_equal(path_state(path_of(0)), PATH_UNCONGESTED);
	assert_true(known.available_set);
	assert_in_range(known.available_bps, 1, known.bottleneck_bps / 20);
	measure_end(&measure);
}

static bool is_late(const char *what, double mbps, double load, uint64_t since_ns,
		    enum path_event event, double most_s)
{
	const struct measure_host *host = &measure.hosts[0];
	double took_s = host->events[event] > 0 && host->event_ns[event] > since_ns
				? (double)(host->event_ns[event] - since_ns) / 1e9
				: INFINITY;

	figure(what, mbps, load, took_s, most_s);
	if (took_s > most_s)
		wrong(what, mbps, load, took_s, most_s);
	return took_s > most_s;
}

static bool congest(double mbps, double load, double notice_s, uint64_t seed)
{
	struct measure_plan plan = plan_of(mbps);
	struct path_fundamentals known = { 0 };
	uint64_t since_ns;
	bool good = true;

	start(&plan, seed);
	measure_cross(&measure, BOTTLENECK_POISSON, 0.5);
	measure_run(&measure, 30 * MEASURE_S);
	since_ns = measure.now_ns;
	measure_cross(&measure, BOTTLENECK_POISSON, load);
	measure_run(&measure, 10 * MEASURE_S);
	good &= !is_late("notice", mbps, load, since_ns, PATH_EVENT_CONGESTED, notice_s);
	path_fundamentals(path_of(0), measure_now_us(&measure), &known);
	if (path_state(path_of(0)) != PATH_CONGESTED || !known.available_set ||
	    known.available_bps != 0)
		good = wrong("free while congested", mbps, load, (double)known.available_bps, 0);
	since_ns = measure.now_ns;
	measure_cross(&measure, BOTTLENECK_POISSON, 0.5);
	measure_run(&measure, 10 * MEASURE_S);
	good &= !is_late("relief", mbps, load, since_ns, PATH_EVENT_UNCONGESTED, 5);
	if (path_state(path_of(0)) != PATH_UNCONGESTED)
		good = wrong("state", mbps, load, path_state(path_of(0)), PATH_UNCONGESTED);
	measure_end(&measure);
	return good;
}

static bool congestion(uint64_t seed)
{
	static const double congested_mbps[] = { 5, 10, 50, 100, 500 };
	bool good = true;

	for (unsigned i = 0; i < sizeof(congested_mbps) / sizeof(congested_mbps[0]); i++) {
		good &= congest(congested_mbps[i], 1.2, 2, seed);
		good &= congest(congested_mbps[i], 1.5, 2, seed);
	}
	/* A hundredth of these is a probe every 40 or 80 ms, and their queues grow slowly. */
	good &= congest(2, 1.5, 2, seed);
	good &= congest(2, 1.2, 3, seed);
	return good & congest(1, 1.5, 4, seed);
}

static void noticed_and_relieved(void **state)
{
	assert_true(seeds_run("noticed_and_relieved", 2, congestion));
}

/*
 * Full a moment after it is known, when hosts that get quicker look like clocks that drift: what they said then must not make
 * the path look full for longer than it is.
 */
static bool full_from_the_start(double mbps, double ppm, uint64_t seed)
{
	struct measure_plan plan = plan_of(mbps);
	struct path_fundamentals known = { 0 };
	uint64_t since_ns;
	bool good;

	plan.noise_ns = 10000;
	plan.warm_ns = 150000;
	plan.ppm = ppm;
	start(&plan, seed);
	for (unsigned i = 0; i < 100 && path_state(path_of(0)) == PATH_UNKNOWN; i++)
		measure_run(&measure, 50 * MEASURE_MS);
	measure_run(&measure, 500 * MEASURE_MS);
	since_ns = measure.now_ns;
	measure_cross(&measure, BOTTLENECK_POISSON, 1.3);
	measure_run(&measure, 2 * MEASURE_S);
	good = !is_late("early notice", mbps, 1.3, since_ns, PATH_EVENT_CONGESTED, 2);
	since_ns = measure.now_ns;
	measure_cross(&measure, BOTTLENECK_POISSON, 0);
	measure_run(&measure, 5 * MEASURE_S);
	good &= !is_late("early relief", mbps, 1.3, since_ns, PATH_EVENT_UNCONGESTED, 3);
	if (path_fundamentals(path_of(0), measure_now_us(&measure), &known) < 0 ||
	    (double)known.available_bps < 0.8 * capacity())
		good = wrong("free then", mbps, 1.3, (double)known.available_bps, capacity());
	measure_end(&measure);
	return good;
}

static bool early(uint64_t seed)
{
	return full_from_the_start(10, 0, seed) & full_from_the_start(10, 45, seed) &
	       full_from_the_start(50, 0, seed) & full_from_the_start(50, -60, seed);
}

static void early_congestion(void **state)
{
	assert_true(seeds_run("early_congestion", 4, early));
}

/* Ten minutes, and what measuring costs of them: P-083. */
static bool steady(uint64_t seed)
{
	static const double steady_mbps[] = { 1, 2, 10, 50 };
	bool good = true;

	for (unsigned i = 0; i < sizeof(steady_mbps) / sizeof(steady_mbps[0]); i++) {
		struct measure_plan plan = plan_of(steady_mbps[i]);
		double alarms, cost;

		start(&plan, seed);
		measure_cross(&measure, BOTTLENECK_POISSON, 0.7);
		measure_run(&measure, 600 * MEASURE_S);
		alarms = measure.hosts[0].events[PATH_EVENT_CONGESTED];
		cost = (double)path_load(path_of(0)).sent_bits / 600 / capacity();
		figure("alarms", steady_mbps[i], 0.7, alarms, 1);
		figure("cost", steady_mbps[i], 0.7, cost, 0.01);
		if (alarms > 1)
			good = wrong("alarms", steady_mbps[i], 0.7, alarms, 1);
		if (cost > 0.01)
			good = wrong("cost", steady_mbps[i], 0.7, cost, 0.01);
		measure_end(&measure);
	}
	return good;
}

static void steady_load(void **state)
{
	assert_true(seeds_run("steady_load", 2, steady));
}

/* P-083 for who is merely tracked, Q-188; and nothing at all when nobody is (P-072). */
static void tracked(void **state)
{
	static const double tracked_mbps[] = { 1, 10, 500 };

	for (unsigned i = 0; i < 3; i++) {
		struct measure_plan plan = plan_of(tracked_mbps[i]);
		struct path_fundamentals known;
		double most_bps = tracked_mbps[i] * 1e4 > 64000 ? tracked_mbps[i] * 1e4 : 64000;
		uint64_t sent_bits;

		measure_start(&measure, &plan, 1, 1);
		measure_run(&measure, 60 * MEASURE_S);
		assert_int_equal(path_load(path_of(0)).sent_bits, 0);
		path_set_users(path_of(0), 1, 0, measure_now_us(&measure));
		measure_run(&measure, 60 * MEASURE_S);
		assert_true((double)path_load(path_of(0)).sent_bits / 60 <= most_bps);
		assert_int_equal(path_fundamentals(path_of(0), measure_now_us(&measure), &known),
				 0);
		assert_true(known.bottleneck_set && known.available_set);
		path_set_users(path_of(0), 0, 0, measure_now_us(&measure));
		sent_bits = path_load(path_of(0)).sent_bits;
		measure_run(&measure, 60 * MEASURE_S);
		assert_int_equal(path_load(path_of(0)).sent_bits, sent_bits);
		assert_true(path_is_idle(path_of(0), measure_now_us(&measure)));
		measure_end(&measure);
	}
}

/* ---- two hosts, one sink ---- */

/* Whoever is admitted sends. */
static void send_if_admitted(unsigned host, double bps)
{
	struct measure_host *from = &measure.hosts[host];

	if (from->admitted == 0 && measure.link.sources[1 + host].bps <= 0)
		bottleneck_source(&measure.link, 1 + host, BOTTLENECK_CONSTANT, bps,
				  measure.now_ns);
}

static unsigned admit_both(double mbps, double share, uint64_t seed)
{
	struct measure_plan plan = plan_of(mbps);
	unsigned n = 0;

	measure_start(&measure, &plan, 2, seed);
	for (unsigned i = 0; i < 2; i++)
		path_set_users(path_of(i), 0, 1, measure_now_us(&measure));
	measure_cross(&measure, BOTTLENECK_POISSON, 0.2);
	measure_run(&measure, 20 * MEASURE_S);
	for (unsigned i = 0; i < 2; i++) {
		struct path_wish wish = { 0, (uint64_t)(share * capacity()), &plan };
		int r = path_admit(path_of(i), &wish, measure_now_us(&measure));

		/* What the two measure at the same moment they may take for others'. */
		if (r != -EINPROGRESS)
			measure.hosts[i].admitted = r;
	}
	for (unsigned i = 0; i < 210; i++) {
		measure_run(&measure, 10 * MEASURE_MS);
		for (unsigned j = 0; j < 2; j++)
			send_if_admitted(j, share * capacity());
	}
	for (unsigned i = 0; i < 2; i++) {
		/* Within two seconds there is an answer. */
		assert_int_not_equal(measure.hosts[i].admitted, 1);
		n += measure.hosts[i].admitted == 0;
	}
	measure_end(&measure);
	return n;
}

/* There is room for one of them, or for both. */
static void same_spare_bandwidth(void **state)
{
	static const double shared_mbps[] = { 5, 10, 100 };
	unsigned runs = 0, none = 0, both = 0, refused = 0;

	for (unsigned i = 0; i < 3; i++) {
		for (uint64_t seed = 1; seed <= 40; seed++) {
			unsigned n = admit_both(shared_mbps[i], 0.55, seed);

			if (n > 1)
				fprintf(stderr, "both: %.0f Mbit/s, seed %llu\n", shared_mbps[i],
					(unsigned long long)seed);
			both += n > 1;
			none += n == 0;
			runs++;
		}
	}
	if (getenv("GW_SIM_FIGURES"))
		printf("same spare bandwidth: nobody got it in %u of %u, both in %u\n", none, runs,
		       both);
	assert_int_equal(both, 0);
	assert_true(none * 5 <= runs);
	for (uint64_t seed = 1; seed <= 40; seed++)
		refused += 2 - admit_both(10, 0.25, seed);
	/* What one of them measures the other may now and then take for somebody else's. */
	assert_in_range(refused, 0, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accurate),
		cmocka_unit_test(regular_traffic),
		cmocka_unit_test(other_links),
		cmocka_unit_test(not_deceived),
		cmocka_unit_test(busy_host),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(nothing_is_congested),
		cmocka_unit_test(noticed_and_relieved),
		cmocka_unit_test(early_congestion),
		cmocka_unit_test(steady_load),
		cmocka_unit_test(tracked),
		cmocka_unit_test(same_spare_bandwidth),
	};

	seeds_choose_test();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
