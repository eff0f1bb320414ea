/* SPDX-License-Identifier: MIT */
/*
 * test_sim_path_life.c: probe/path from the first question to the last: by which protocol, sinks that are not there, come
 * and go, links that change, paths that cannot be measured, and what is answered meanwhile.
 */
#include "measure.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct measure measure;
static struct measure_host *host = &measure.hosts[0];

static int setup(void **state)
{
	measure_start(&measure, &measure_plan_default, 1, 1);
	return 0;
}

static int teardown(void **state)
{
	measure_end(&measure);
	return 0;
}

static void use(unsigned trackers, unsigned flows)
{
	path_set_users(host->path, trackers, flows, measure_now_us(&measure));
}

static int fundamentals(struct path_fundamentals *known)
{
	memset(known, 0, sizeof(*known));
	return path_fundamentals(host->path, measure_now_us(&measure), known);
}

static double cross_bps(double share)
{
	return bottleneck_capacity_bps(&measure.link, 883) * share;
}

/* ---- by which protocol ---- */

static void lltd_first(void **state)
{
	struct path_fundamentals known;

	use(0, 1);
	measure_run(&measure, 5 * MEASURE_S);
	assert_int_equal(host->method, PATH_LLTD);
	assert_int_equal(fundamentals(&known), 0);
	assert_int_equal(host->events[PATH_EVENT_SUPPORTED], 1);
}

/* P-120 */
static void no_raw_sockets(void **state)
{
	struct path_fundamentals known;

	measure.forbidden[PATH_LLTD] = true;
	use(0, 1);
	measure_run(&measure, 5 * MEASURE_S);
	assert_int_equal(host->method, PATH_QLPB);
	assert_int_equal(fundamentals(&known), 0);
	assert_true(known.bottleneck_set && known.available_set && known.rtt_set);
	assert_int_equal(host->events[PATH_EVENT_UNSUPPORTED], 0);
}

static void vary_a_lot(void)
{
	measure.link.plan.rate_bps = 500000000;
	measure.link.plan.jitter_ns = 2 * MEASURE_MS;
	use(0, 1);
	measure_run(&measure, 10 * MEASURE_S);
}

/* Trains of LLTD are too short where delays vary a lot: those of MS-QLPB are not, and only they are sent by it. */
static void longer_trains(void **state)
{
	struct path_fundamentals known;
	double capacity;

	vary_a_lot();
	capacity = bottleneck_capacity_bps(&measure.link, 1496);
	assert_true(host->started_by[PATH_QLPB][PATH_TRAIN] > 0);
	assert_int_equal(host->started_by[PATH_QLPB][PATH_GAPS], 0);
	assert_true(host->started_by[PATH_LLTD][PATH_GAPS] > 0);
	assert_int_equal(fundamentals(&known), 0);
	assert_in_range(known.bottleneck_bps, (uint64_t)(0.9 * capacity),
			(uint64_t)(1.1 * capacity));
}

/* A sink that does not speak it is asked once. */
static void no_longer_trains(void **state)
{
	struct path_fundamentals known;

	measure.forbidden[PATH_QLPB] = true;
	vary_a_lot();
	assert_int_equal(host->started_by[PATH_QLPB][PATH_TRAIN], 0);
	assert_true(host->started_by[PATH_LLTD][PATH_TRAIN] > 4);
	assert_int_equal(host->events[PATH_EVENT_UNSUPPORTED], 0);
	assert_int_equal(fundamentals(&known), 0);
	assert_true(known.bottleneck_set);
}

static void no_protocol_at_all(void **state)
{
	struct path_fundamentals known;

	measure.forbidden[PATH_LLTD] = measure.forbidden[PATH_QLPB] = true;
	use(0, 1);
	measure_run(&measure, MEASURE_S);
	assert_int_equal(fundamentals(&known), -EOPNOTSUPP);
	assert_int_equal(host->events[PATH_EVENT_UNSUPPORTED], 1);
}

/* ---- sinks ---- */

/* for at most 10 s it may yet come; and what is tried in vain is tried rarely. */
static void no_sink(void **state)
{
	struct path_fundamentals known;
	struct path_wish wish = { 0, 1000000, NULL };

	measure.plan.deaf = true;
	use(0, 1);
	measure_run(&measure, 100 * MEASURE_MS);
	assert_int_equal(fundamentals(&known), -EAGAIN);
	measure_run(&measure, 10 * MEASURE_S);
	assert_int_equal(fundamentals(&known), -EOPNOTSUPP);
	assert_int_equal(path_admit(host->path, &wish, measure_now_us(&measure)), -EOPNOTSUPP);
	measure_run(&measure, 600 * MEASURE_S);
	assert_int_equal(fundamentals(&known), -EOPNOTSUPP);
	assert_in_range(host->started[PATH_TRAIN], 20, 50);
	assert_int_equal(host->started[PATH_GAPS], 0);
}

/* */
static void sink_comes_later(void **state)
{
	struct path_fundamentals known;

	measure.plan.deaf = true;
	use(0, 1);
	measure_run(&measure, 300 * MEASURE_S);
	measure.plan.deaf = false;
	measure_run(&measure, 60 * MEASURE_S);
	assert_int_equal(fundamentals(&known), 0);
	assert_true(known.bottleneck_set && known.available_set);
}

/* Of what was measured nothing is told once it is old; nor is the path congested for ever. */
static void sink_goes(void **state)
{
	struct path_fundamentals known;

	use(0, 1);
	measure_run(&measure, 20 * MEASURE_S);
	assert_int_equal(path_state(host->path), PATH_UNCONGESTED);
	measure.plan.deaf = true;
	measure_run(&measure, 60 * MEASURE_S);
	assert_true(host->events[PATH_EVENT_UNSUPPORTED] > 0);
	assert_int_equal(fundamentals(&known), -EOPNOTSUPP);
	assert_int_equal(path_state(host->path), PATH_UNKNOWN);
	measure.plan.deaf = false;
	measure_run(&measure, 60 * MEASURE_S);
	assert_int_equal(fundamentals(&known), 0);
	assert_int_equal(path_state(host->path), PATH_UNCONGESTED);
}

/* After it was gone for a while. */
static void comes_back_by_qlpb(void)
{
	measure.plan.deaf = true;
	measure_run(&measure, 20 * MEASURE_S);
	measure.plan.deaf = false;
	measure.forbidden[PATH_LLTD] = true;
}

/* It answers by the method that comes second a moment before it does by the first, as it did before. */
static void sink_comes_back_in_parts(void **state)
{
	uint64_t congested;

	use(0, 1);
	measure_run(&measure, 10 * MEASURE_S);
	assert_int_equal(host->method, PATH_LLTD);
	comes_back_by_qlpb();
	measure_run(&measure, 40 * MEASURE_S);
	assert_int_equal(host->method, PATH_QLPB);
	/* It was tried once more, and not again. */
	measure.forbidden[PATH_LLTD] = false;
	measure_run(&measure, 60 * MEASURE_S);
	assert_int_equal(host->method, PATH_QLPB);
	measure.plan.deaf = true;
	measure_run(&measure, 40 * MEASURE_S);
	measure.plan.deaf = false;
	measure_run(&measure, 40 * MEASURE_S);
	assert_int_equal(host->method, PATH_LLTD);

	comes_back_by_qlpb();
	for (unsigned i = 0; i < 400 && host->events[PATH_EVENT_SUPPORTED] < 4; i++)
		measure_run(&measure, 100 * MEASURE_MS);
	measure.forbidden[PATH_LLTD] = false;
	congested = host->events[PATH_EVENT_CONGESTED];
	measure_run(&measure, 30 * MEASURE_S);
	assert_int_equal(host->method, PATH_LLTD);
	assert_int_equal(host->events[PATH_EVENT_CONGESTED], congested);
	assert_int_equal(path_state(host->path), PATH_UNCONGESTED);
}

/* Long trains by MS-QLPB come through, but the sink does not speak LLTD any more. */
static void longer_trains_prove_nothing(void **state)
{
	struct path_fundamentals known;

	vary_a_lot();
	assert_true(host->started_by[PATH_QLPB][PATH_TRAIN] > 0);
	comes_back_by_qlpb();
	measure_run(&measure, 60 * MEASURE_S);
	assert_int_equal(host->method, PATH_QLPB);
	assert_true(host->started_by[PATH_QLPB][PATH_GAPS] > 0);
	assert_int_equal(fundamentals(&known), 0);
	assert_true(known.available_set);
}

/* ---- users ---- */

/* P-072: without users nothing is sent; after the last one soon nothing any more. */
static void nobody(void **state)
{
	uint64_t sent_bits;

	measure_run(&measure, 60 * MEASURE_S);
	assert_int_equal(path_load(host->path).sent_bits, 0);
	use(1, 0);
	measure_run(&measure, MEASURE_S);
	assert_true(path_load(host->path).sent_bits > 0); /* */
	measure_run(&measure, 20 * MEASURE_S);
	use(0, 0);
	sent_bits = path_load(host->path).sent_bits;
	assert_false(path_is_idle(host->path, measure_now_us(&measure)));
	measure_run(&measure, 31 * MEASURE_S);
	assert_true(path_is_idle(host->path, measure_now_us(&measure)));
	assert_int_equal(path_load(host->path).sent_bits, sent_bits);
}

/* who was tracked for 5 s is known at once when a flow comes. */
static void tracked_before(void **state)
{
	struct path_fundamentals known;

	use(1, 0);
	measure_run(&measure, 5 * MEASURE_S);
	use(1, 1);
	assert_int_equal(fundamentals(&known), 0);
	assert_true(known.bottleneck_set && known.available_set && known.rtt_set);
	assert_true(known.bottleneck_bps >= known.available_bps);
}

/* a flow goes on being measured when the client is not tracked any more. */
static void flow_remains(void **state)
{
	use(1, 1);
	measure_run(&measure, 20 * MEASURE_S);
	use(0, 1);
	measure_cross(&measure, BOTTLENECK_POISSON, 1.5);
	measure_run(&measure, 3 * MEASURE_S);
	assert_int_equal(path_state(host->path), PATH_CONGESTED);
}

/* */
static void never_half_known(void **state)
{
	struct path_fundamentals known;
	unsigned half = 0;

	/* Trains come through, small probes never come back. */
	measure.plan.mute = true;
	use(0, 1);
	for (unsigned i = 0; i < 60; i++) {
		measure_run(&measure, 500 * MEASURE_MS);
		if (fundamentals(&known) == 0 && known.bottleneck_set != known.available_set)
			half++;
	}
	assert_true(half < 30);
	assert_true(fundamentals(&known) < 0);
}

static void refresh(void **state)
{
	uint64_t gaps, trains;

	use(1, 0);
	measure_run(&measure, 45 * MEASURE_S);
	gaps = host->started[PATH_GAPS];
	trains = host->started[PATH_TRAIN];
	path_refresh(host->path, measure_now_us(&measure));
	measure_run(&measure, MEASURE_S);
	assert_int_equal(host->started[PATH_GAPS], gaps + 1);
	assert_int_equal(host->started[PATH_TRAIN], trains + 1);
}

/* While the path is full no train is sent; who wants fresh figures does not wait for one. */
static void refresh_when_full(void **state)
{
	uint64_t trains;

	use(0, 1);
	measure_run(&measure, 40 * MEASURE_S);
	measure_cross(&measure, BOTTLENECK_POISSON, 1.3);
	measure_run(&measure, 4 * MEASURE_S);
	assert_int_equal(path_state(host->path), PATH_CONGESTED);
	trains = host->started[PATH_TRAIN];
	/* Of longer ago than what counts as fresh. */
	measure_run(&measure, 28 * MEASURE_S);
	assert_int_equal(host->started[PATH_TRAIN], trains);
	path_refresh(host->path, measure_now_us(&measure));
	assert_false(path_is_fresh(host->path));
	measure_run(&measure, 3 * MEASURE_S);
	assert_true(path_is_fresh(host->path));
	assert_int_equal(host->started[PATH_TRAIN], trains);
}

static void link_change(void **state)
{
	struct path_fundamentals known;

	use(0, 1);
	measure_run(&measure, 20 * MEASURE_S);
	measure.link.plan.rate_bps = 2000000;
	path_reset(host->path, 1000000000, measure_now_us(&measure));
	assert_int_equal(path_state(host->path), PATH_UNKNOWN);
	assert_int_equal(fundamentals(&known), -EAGAIN);
	measure_run(&measure, 20 * MEASURE_S);
	assert_int_equal(fundamentals(&known), 0);
	assert_in_range(known.bottleneck_bps, 1800000, 2100000);
}

/* ---- without a sink: what the host sees ---- */

static void tell_tcp(unsigned times, struct passive_tcp *tcp, uint64_t lost_of_100)
{
	for (unsigned i = 0; i < times; i++) {
		tcp->segments_sent += 100;
		tcp->segments_retransmitted += lost_of_100;
		path_tcp(host->path, tcp, measure_now_us(&measure));
		measure_run(&measure, 250 * MEASURE_MS);
	}
}

static void off_link(void **state)
{
	struct path_config config = { .methods = { true, true } };
	struct path_ports ports = { 0 };
	struct passive_tcp tcp = { .rtt_us = 20000, .min_rtt_us = 15000 };
	struct path_wish wish = { 0, 1000000, NULL };
	struct path_fundamentals known;

	/* The same ports; but a router is in between. */
	measure_end(&measure);
	measure_start(&measure, &measure_plan_default, 1, 1);
	measure_ports(host, &ports);
	path_free(host->path);
	host->path = path_new(&ports, &config, host, measure_now_us(&measure));
	assert_non_null(host->path);
	use(0, 1);
	assert_int_equal(fundamentals(&known), -EOPNOTSUPP);
	assert_int_equal(path_admit(host->path, &wish, measure_now_us(&measure)), -EOPNOTSUPP);
	tell_tcp(8, &tcp, 0);
	assert_int_equal(path_state(host->path), PATH_UNCONGESTED);
	tell_tcp(6, &tcp, 10);
	assert_int_equal(path_state(host->path), PATH_CONGESTED);
	assert_true(measure.now_ns - host->event_ns[PATH_EVENT_CONGESTED] <= 1500 * MEASURE_MS);
	tell_tcp(6, &tcp, 0);
	assert_int_equal(path_state(host->path), PATH_UNCONGESTED);
	assert_int_equal(path_load(host->path).sent_bits, 0);
}

/* With probes, what the host sees counts unless they say the opposite. */
static void both_kinds_of_evidence(void **state)
{
	struct passive_tcp tcp = { .rtt_us = 20000, .min_rtt_us = 15000 };

	use(0, 1);
	measure_run(&measure, 20 * MEASURE_S);
	tell_tcp(10, &tcp, 10); /* it loses, but not here */
	assert_int_equal(path_state(host->path), PATH_UNCONGESTED);
	measure_cross(&measure, BOTTLENECK_POISSON, 0.9);
	measure_run(&measure, 5 * MEASURE_S);
	tell_tcp(10, &tcp, 10);
	assert_int_equal(path_state(host->path), PATH_CONGESTED);
}

/* The own interface is the narrowest link, a shaper that hides from probes how busy it is. */
static void own_shaper(void **state)
{
	struct passive_queue queue = { .rate_bps = 10000000 };
	struct path_fundamentals known;
	double capacity;

	measure.link.plan.bucket_bytes = 3200;
	use(0, 1);
	capacity = bottleneck_capacity_bps(&measure.link, 1496);
	measure_cross(&measure, BOTTLENECK_CONSTANT, 0.5);
	for (unsigned i = 0; i < 120; i++) {
		queue.bytes += 10000000 / 8 / 4 / 2;
		queue.packets += 180;
		path_queue(host->path, &queue, measure_now_us(&measure));
		measure_run(&measure, 250 * MEASURE_MS);
	}
	assert_int_equal(fundamentals(&known), 0);
	assert_in_range(known.available_bps, (uint64_t)(0.4 * capacity),
			(uint64_t)(0.6 * capacity));
	/* Of a link that is not the narrowest nothing is concluded, however full it is. */
	queue.rate_bps = 100000000;
	for (unsigned i = 0; i < 20; i++) {
		queue.bytes += 90000000 / 8 / 4;
		queue.packets += 1800;
		path_queue(host->path, &queue, measure_now_us(&measure));
		measure_run(&measure, 250 * MEASURE_MS);
	}
	assert_int_equal(fundamentals(&known), 0);
	assert_in_range(known.available_bps, (uint64_t)(0.3 * capacity),
			(uint64_t)(0.7 * capacity));
}

/* ---- admission ---- */

static int admit(double mbps)
{
	struct path_wish wish = { 0, (uint64_t)(mbps * 1e6), host };
	int r;

	host->admitted = 1;
	r = path_admit(host->path, &wish, measure_now_us(&measure));
	if (r != -EINPROGRESS)
		return r;
	measure_run(&measure, 2 * MEASURE_S);
	return host->admitted;
}

/* Q-119's judgement: more than the bottleneck, and more than what is free, is refused at once. */
static void admission(void **state)
{
	uint64_t before_ns;

	use(0, 1);
	measure_cross(&measure, BOTTLENECK_POISSON, 0.5);
	measure_run(&measure, 30 * MEASURE_S);
	before_ns = measure.now_ns;
	assert_int_equal(admit(20), -EBUSY);
	assert_int_equal(admit(8), -EBUSY);
	assert_true(measure.now_ns == before_ns);
	assert_int_equal(admit(2), 0);
	assert_true(host->admitted_ns - before_ns < 2 * MEASURE_S);
	/* What was admitted a moment ago is not free, though nobody sends yet. */
	assert_int_equal(admit(4), -EBUSY);
	measure_run(&measure, 10 * MEASURE_S);
	assert_int_equal(admit(3), 0);
}

/* Less than before is always admitted. */
static void less_is_no_wish(void **state)
{
	struct path_wish wish = { 5000000, 4000000, host };

	use(0, 1);
	measure_run(&measure, 20 * MEASURE_S);
	measure_cross(&measure, BOTTLENECK_POISSON, 1.2);
	measure_run(&measure, 5 * MEASURE_S);
	assert_int_equal(path_state(host->path), PATH_CONGESTED);
	assert_int_equal(path_admit(host->path, &wish, measure_now_us(&measure)), 0);
	assert_int_equal(admit(1), -EBUSY);
}

/* A first wish waits for what is measured, for 2 s at most. */
static void nothing_measured_yet(void **state)
{
	use(0, 1);
	assert_int_equal(admit(3), 0);

	measure_end(&measure);
	measure_start(&measure, &measure_plan_default, 1, 1);
	measure.link.plan.delay_ns = 3 * MEASURE_S;
	use(0, 1);
	assert_int_equal(admit(3), -EBUSY);
}

static void cancelled(void **state)
{
	struct path_wish wish = { 0, 3000000, host };

	use(0, 1);
	measure_run(&measure, 20 * MEASURE_S);
	assert_int_equal(path_admit(host->path, &wish, measure_now_us(&measure)), -EINPROGRESS);
	path_cancel(host->path, host);
	measure_run(&measure, 3 * MEASURE_S);
	assert_int_equal(host->admitted, 1);
	/* And when the path goes away there is an answer. */
	assert_int_equal(path_admit(host->path, &wish, measure_now_us(&measure)), -EINPROGRESS);
	host->path = path_free(host->path);
	assert_int_equal(host->admitted, -ECANCELED);
}

static void attainable(void **state)
{
	use(0, 1);
	assert_false(path_is_attainable(host->path, 0, 1));
	bottleneck_source(&measure.link, 0, BOTTLENECK_POISSON, cross_bps(0.4), measure.now_ns);
	measure_run(&measure, 30 * MEASURE_S);
	assert_true(path_is_attainable(host->path, 3000000, 7000000));
	assert_false(path_is_attainable(host->path, 3000000, 12000000));
	measure_cross(&measure, BOTTLENECK_POISSON, 1.4);
	measure_run(&measure, 5 * MEASURE_S);
	assert_false(path_is_attainable(host->path, 3000000, 3000001));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lltd_first),
		TEST(no_raw_sockets),
		TEST(longer_trains),
		TEST(no_longer_trains),
		TEST(no_protocol_at_all),
		TEST(no_sink),
		TEST(sink_comes_later),
		TEST(sink_goes),
		TEST(sink_comes_back_in_parts),
		TEST(longer_trains_prove_nothing),
		TEST(nobody),
		TEST(tracked_before),
		TEST(flow_remains),
		TEST(never_half_known),
		TEST(refresh),
		TEST(refresh_when_full),
		TEST(link_change),
		TEST(off_link),
		TEST(both_kinds_of_evidence),
		TEST(own_shaper),
		TEST(admission),
		TEST(less_is_no_wish),
		TEST(nothing_measured_yet),
		TEST(cancelled),
		TEST(attainable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
