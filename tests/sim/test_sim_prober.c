/* SPDX-License-Identifier: MIT */
/*
 * test_sim_prober.c: hosts with whole probers measure each other over links that are shared: by which protocol, what
 * they find, what it costs, sinks that come and go, admission, and what stays in memory.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe_net.h"
#include "seeds.h"

#include <cmocka.h>

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)
#define IFINDEX 1

/* What is told of one path. */
struct view {
	struct probe_host *host;
	struct prober_path *path;
	unsigned events[PATH_EVENT_UNSUPPORTED + 1];
	uint64_t event_ns[PATH_EVENT_UNSUPPORTED + 1]; /* the last one of each */
	unsigned refreshed;
	uint64_t refreshed_ns;
	int admitted; /* 1: nothing was said */
	uint64_t token;
};

static struct probe_net *net;
static struct view views[8];

static bool complain(const char *what, uint64_t is)
{
	fprintf(stderr, "%s: %llu\n", what, (unsigned long long)is);
	return false;
}

/* ---- what is told ---- */

static void on_event(void *data, enum path_event event)
{
	struct view *view = data;

	view->events[event]++;
	view->event_ns[event] = net->now_ns;
}

static void on_refreshed(void *data)
{
	struct view *view = data;

	view->refreshed++;
	view->refreshed_ns = net->now_ns;
}

static void on_admitted(void *data, uint64_t token, int status)
{
	struct view *view = data;

	view->admitted = status;
	view->token = token;
}

/* ---- the world ---- */

static struct probe_host_plan plan_of(double mbps, bool raw)
{
	struct probe_host_plan plan = probe_host_plan_default;

	plan.whole = true;
	plan.raw = raw;
	plan.up.rate_bps = 1000000000;
	plan.up.queue_bytes = 2000000;
	plan.link.rate_bps = 1000000000;
	plan.down.rate_bps = (uint64_t)(mbps * 1e6);
	plan.down.queue_bytes = plan.down.rate_bps / 80;
	if (plan.down.queue_bytes < 100000)
		plan.down.queue_bytes = 100000;
	plan.late_ns = 60000;
	plan.clock_ppm = 30;
	prober_config_default(&plan.prober);
	return plan;
}

/* Host 0 is the sink, behind the narrow link; the others measure it. */
static void begin(unsigned hosts, double mbps, bool raw, uint64_t seed)
{
	struct probe_host_plan plan = plan_of(mbps, raw);

	memset(views, 0, sizeof(views));
	net = probe_net_new(seed);
	net->watcher = (struct probe_watcher){
		.event = on_event,
		.refreshed = on_refreshed,
		.admitted = on_admitted,
	};
	probe_net_host(net, &plan);
	plan.down.rate_bps = 1000000000;
	for (unsigned i = 1; i < hosts; i++) {
		plan.clock_offset_ns = i * 3600 * S;
		plan.clock_ppm = -45;
		probe_net_host(net, &plan);
		views[i].host = &net->hosts[i];
		views[i].admitted = 1;
	}
}

static void end(void)
{
	net = probe_net_free(net);
}

static uint64_t now_us(const struct view *view)
{
	return probe_host_now_us(view->host);
}

/* The host is handed something by hand: it may have something to do now. */
static void woken(struct probe_host *host)
{
	uint64_t deadline_us = prober_deadline_us(host->prober);
	uint64_t ns;

	if (deadline_us == UINT64_MAX)
		return;
	ns = probe_host_net_ns(host, deadline_us * 1000);
	queue_set(&net->queue, &host->tick, ns > net->now_ns ? ns : net->now_ns);
}

static int open_to(struct view *view, const struct address *destination, bool on_link)
{
	const struct prober_target target = {
		.destination = *destination,
		.ifindex = IFINDEX,
		.on_link = on_link,
	};
	int r = prober_open(view->host->prober, &target, view, &view->path, now_us(view));

	woken(view->host);
	return r;
}

static void use(struct view *view, unsigned trackers, unsigned flows)
{
	prober_set_users(view->host->prober, view->path, trackers, flows, now_us(view));
	woken(view->host);
}

static void close_it(struct view *view)
{
	prober_close(view->host->prober, view->path, now_us(view));
	woken(view->host);
	view->path = NULL;
}

static void measure(struct view *view, unsigned trackers, unsigned flows)
{
	assert_int_equal(open_to(view, &net->hosts[0].address, true), 0);
	use(view, trackers, flows);
}

static const struct path *path_of(const struct view *view)
{
	return prober_path(view->path);
}

static int known_of(const struct view *view, struct path_fundamentals *known)
{
	memset(known, 0, sizeof(*known));
	return path_fundamentals(path_of(view), now_us(view), known);
}

static uint64_t sent_bytes(const struct probe_host *host)
{
	return host->udp_out_bytes + host->tcp_out_bytes + host->frame_out_bytes;
}

static double capacity(double mbps)
{
	return mbps * 1e6 * 1496 / (1496 + PROBE_FRAME_OVERHEAD);
}

static bool is_near(uint64_t is, double should_be, double most)
{
	return (double)is >= should_be - most && (double)is <= should_be + most;
}

/* ---- what is measured, by which protocol ---- */

static bool measure_by(bool raw, double mbps, double cross, uint64_t seed)
{
	struct path_fundamentals known;
	struct view *view = &views[1];
	bool good = true;

	begin(2, mbps, raw, seed);
	probe_link_cross(&net->hosts[0].down, cross);
	measure(view, 0, 1);
	probe_net_run(net, 45 * S);
	if (known_of(view, &known) != 0 || !known.bottleneck_set || !known.available_set ||
	    !known.rtt_set)
		good = complain("nothing is known", seed);
	if (good && !is_near(known.bottleneck_bps, capacity(mbps), 0.1 * capacity(mbps)))
		good = complain("bottleneck", known.bottleneck_bps);
	if (good && !is_near(known.available_bps, capacity(mbps) * (1 - cross),
			     0.2 * capacity(mbps) * (1 - cross) + 0.05 * capacity(mbps)))
		good = complain("free", known.available_bps);
	if (path_get_priority(path_of(view)) != PROBE_PRIORITY_SUPPORTED)
		good = complain("priority", path_get_priority(path_of(view)));
	if (path_state(path_of(view)) != PATH_UNCONGESTED)
		good = complain("state", path_state(path_of(view)));
	/* LLTD first (spec/probing.md §13): then nobody connects. */
	if (raw && (view->host->tcp_out_bytes > 0 || view->host->frame_out_bytes == 0))
		good = complain("not by LLTD", view->host->tcp_out_bytes);
	if (!raw && (view->host->tcp_out_bytes == 0 || view->host->frame_out_bytes > 0))
		good = complain("not by MS-QLPB", view->host->frame_out_bytes);
	end();
	return good;
}

static bool both_protocols(uint64_t seed)
{
	bool good = true;

	for (unsigned raw = 0; raw < 2; raw++) {
		good &= measure_by(raw, 10, 0, seed);
		good &= measure_by(raw, 50, 0.5, seed);
		good &= measure_by(raw, 100, 0.2, seed);
	}
	return good;
}

/* P-120 */
static void measured(void **state)
{
	assert_true(seeds_run("measured", 3, both_protocols));
}

/* The sink speaks MS-QLPB alone, which is found out within seconds. */
static bool only_one_protocol(uint64_t seed)
{
	struct probe_host_plan plan = plan_of(20, false);
	struct path_fundamentals known;
	bool good = true;

	begin(2, 20, true, seed);
	net->hosts[0].plan = plan;
	probe_host_restart(&net->hosts[0]);
	measure(&views[1], 0, 1);
	probe_net_run(net, 8 * S);
	if (known_of(&views[1], &known) != 0 ||
	    !is_near(known.bottleneck_bps, capacity(20), 0.1 * capacity(20)))
		good = complain("bottleneck", known.bottleneck_bps);
	if (views[1].events[PATH_EVENT_UNSUPPORTED] > 0)
		good = complain("unsupported", seed);
	end();
	return good;
}

static void sink_without_lltd(void **state)
{
	assert_true(seeds_run("sink_without_lltd", 5, only_one_protocol));
}

/* ---- sinks that come and go ---- */

static bool come_and_go(bool raw, uint64_t seed)
{
	struct path_fundamentals known;
	struct view *view = &views[1];
	bool good = true;

	begin(2, 20, raw, seed);
	net->hosts[0].dead = true;
	measure(view, 0, 1);
	probe_net_run(net, 11 * S);
	/* */
	if (known_of(view, &known) != -EOPNOTSUPP || view->events[PATH_EVENT_UNSUPPORTED] == 0)
		good = complain("not given up", seed);
	probe_net_run(net, 200 * S + seed * 700 * MS);
	/* */
	net->hosts[0].dead = false;
	probe_net_run(net, 60 * S);
	if (known_of(view, &known) != 0 || !known.available_set)
		good = complain("not found again", seed);
	net->hosts[0].dead = true;
	view->events[PATH_EVENT_UNSUPPORTED] = 0;
	probe_net_run(net, 30 * S);
	if (view->events[PATH_EVENT_UNSUPPORTED] == 0 || known_of(view, &known) != -EOPNOTSUPP ||
	    path_state(path_of(view)) != PATH_UNKNOWN)
		good = complain("death not noticed", path_state(path_of(view)));
	net->hosts[0].dead = false;
	probe_net_run(net, 60 * S);
	if (known_of(view, &known) != 0 || path_state(path_of(view)) != PATH_UNCONGESTED)
		good = complain("not alive again", path_state(path_of(view)));
	end();
	return good;
}

static bool each_protocol_comes_and_goes(uint64_t seed)
{
	return come_and_go(false, seed) & come_and_go(true, seed);
}

static void sink_comes_and_goes(void **state)
{
	assert_true(seeds_run("sink_comes_and_goes", 5, each_protocol_comes_and_goes));
}

/* ---- without a sink ---- */

static struct passive_tcp tcp = { .rtt_us = 20000, .min_rtt_us = 15000 };
static uint64_t tcp_loses; /* of a hundred */

static bool on_tcp(uint64_t cookie, struct passive_tcp *ret_tcp)
{
	if (cookie != 77)
		return false;
	tcp.segments_sent += 100;
	tcp.segments_retransmitted += tcp_loses;
	*ret_tcp = tcp;
	return true;
}

/* What the kernel knows of a connection is all there is beyond a router; nothing is sent for it. */
static void off_link(void **state)
{
	struct view *view = &views[1];
	struct path_fundamentals known;

	begin(2, 20, true, 1);
	net->watcher.tcp = on_tcp;
	assert_int_equal(open_to(view, &net->hosts[0].address, false), 0);
	use(view, 0, 1);
	/* Three of the sockets are not there. */
	for (uint64_t cookie = 75; cookie < 79; cookie++)
		assert_int_equal(prober_add_socket(view->host->prober, view->path, cookie), 0);
	assert_int_equal(known_of(view, &known), -EOPNOTSUPP);
	assert_int_equal(prober_refresh(view->host->prober, view->path, now_us(view)), -EOPNOTSUPP);
	assert_int_equal(prober_admit(view->host->prober, view->path, 0, 1000000, 5, now_us(view)),
			 -EOPNOTSUPP);
	tcp_loses = 0;
	probe_net_run(net, 3 * S);
	assert_int_equal(path_state(path_of(view)), PATH_UNCONGESTED);
	tcp_loses = 10;
	probe_net_run(net, 1500 * MS);
	assert_int_equal(path_state(path_of(view)), PATH_CONGESTED);
	assert_int_equal(view->events[PATH_EVENT_CONGESTED], 1);
	tcp_loses = 0;
	probe_net_run(net, 1500 * MS);
	assert_int_equal(path_state(path_of(view)), PATH_UNCONGESTED);
	assert_int_equal(sent_bytes(view->host), 0);
	prober_remove_socket(view->host->prober, view->path, 77);
	tcp_loses = 10;
	probe_net_run(net, 3 * S);
	assert_int_equal(path_state(path_of(view)), PATH_UNCONGESTED);
	end();
}

/* ---- congestion ---- */

static bool congest(bool raw, uint64_t seed)
{
	struct view *view = &views[1];
	uint64_t since_ns;
	bool good = true;

	begin(2, 20, raw, seed);
	probe_link_cross(&net->hosts[0].down, 0.5);
	measure(view, 0, 1);
	probe_net_run(net, 30 * S);
	since_ns = net->now_ns;
	probe_link_cross(&net->hosts[0].down, 1.3);
	probe_net_run(net, 10 * S);
	if (view->events[PATH_EVENT_CONGESTED] == 0 ||
	    view->event_ns[PATH_EVENT_CONGESTED] > since_ns + 2 * S)
		good = complain("notice", view->event_ns[PATH_EVENT_CONGESTED] - since_ns);
	since_ns = net->now_ns;
	probe_link_cross(&net->hosts[0].down, 0.5);
	probe_net_run(net, 10 * S);
	if (view->event_ns[PATH_EVENT_UNCONGESTED] < since_ns ||
	    view->event_ns[PATH_EVENT_UNCONGESTED] > since_ns + 5 * S)
		good = complain("relief", view->event_ns[PATH_EVENT_UNCONGESTED] - since_ns);
	end();
	return good;
}

static bool both_congest(uint64_t seed)
{
	return congest(false, seed) & congest(true, seed);
}

/* P-078 */
static void noticed_and_relieved(void **state)
{
	assert_true(seeds_run("noticed_and_relieved", 4, both_congest));
}

/* ---- what it costs ---- */

/* Q-188, P-083: a client that is tracked costs less than 64 kbit/s, P-072: nobody costs nothing. */
static bool cost(uint64_t seed)
{
	bool good = true;

	for (unsigned raw = 0; raw < 2; raw++) {
		struct view *view = &views[1];
		uint64_t sent;

		begin(2, 10, raw, seed);
		assert_int_equal(open_to(view, &net->hosts[0].address, true), 0);
		probe_net_run(net, 60 * S);
		if (sent_bytes(view->host) > 0)
			good = complain("without users", sent_bytes(view->host));
		use(view, 1, 0);
		probe_net_run(net, 5 * S);
		/* */
		if (sent_bytes(view->host) == 0)
			good = complain("nothing was sent", seed);
		sent = sent_bytes(view->host);
		probe_net_run(net, 60 * S);
		sent = sent_bytes(view->host) - sent;
		if (sent * 8 / 60 > 64000)
			good = complain("tracked", sent * 8 / 60);
		use(view, 0, 0);
		probe_net_run(net, 1 * S);
		sent = sent_bytes(view->host);
		probe_net_run(net, 60 * S);
		if (sent_bytes(view->host) != sent)
			good = complain("after the last one", sent_bytes(view->host) - sent);
		/* No session is left behind. */
		if (raw && lltd_sizes(prober_lltd(net->hosts[0].prober, IFINDEX)).sessions > 0)
			good = complain("sessions", seed);
		if (prober_deadline_us(view->host->prober) != UINT64_MAX)
			good = complain("deadline", seed);
		end();
	}
	return good;
}

static void what_tracking_costs(void **state)
{
	assert_true(seeds_run("what_tracking_costs", 3, cost));
}

/* ---- coming and going of paths ---- */

static void lingers(void **state)
{
	struct path_fundamentals known;
	struct view *view = &views[1];

	begin(2, 20, false, 3);
	measure(view, 0, 1);
	assert_int_equal(open_to(view, &net->hosts[0].address, true), -EALREADY);
	probe_net_run(net, 10 * S);
	close_it(view);
	assert_int_equal(prober_sizes(view->host->prober).open, 0);
	assert_int_equal(prober_sizes(view->host->prober).paths, 1);
	memset(view->events, 0, sizeof(view->events));
	probe_net_run(net, 5 * S);
	for (unsigned i = 0; i <= PATH_EVENT_UNSUPPORTED; i++)
		assert_int_equal(view->events[i], 0);
	/* Whoever comes back finds what is known. */
	measure(view, 0, 1);
	assert_int_equal(known_of(view, &known), 0);
	assert_true(known.bottleneck_set && known.available_set);
	close_it(view);
	probe_net_run(net, 31 * S);
	assert_int_equal(prober_sizes(view->host->prober).paths, 0);
	/* The same address behind a router is another path. */
	measure(view, 0, 1);
	probe_net_run(net, 10 * S);
	close_it(view);
	assert_int_equal(open_to(view, &net->hosts[0].address, false), 0);
	assert_int_equal(prober_sizes(view->host->prober).paths, 1);
	assert_int_equal(known_of(view, &known), -EOPNOTSUPP);
	end();
}

static struct address nobody(uint32_t i)
{
	struct address address = net->hosts[0].address;

	address.addr[13] = 99;
	address.addr[14] = (uint8_t)(i >> 8);
	address.addr[15] = (uint8_t)i;
	return address;
}

/* There are only so many; who has been closed longest goes first. */
static void bounded(void **state)
{
	struct prober_path *paths[1024];
	struct path_fundamentals known;
	struct prober *prober;
	struct address address;

	begin(2, 20, false, 4);
	prober = views[1].host->prober;
	measure(&views[1], 0, 1);
	probe_net_run(net, 5 * S);
	close_it(&views[1]);
	for (uint32_t i = 0; i < 1023; i++) {
		address = nobody(i);
		assert_int_equal(open_to(&views[1], &address, i % 2), 0);
		paths[i] = views[1].path;
		prober_set_users(prober, paths[i], 1, 1, now_us(&views[1]));
	}
	assert_int_equal(prober_sizes(prober).paths, 1024);
	assert_int_equal(prober_sizes(prober).open, 1023);
	/* The one that lingers is still known; then it is the first to go. */
	measure(&views[1], 1, 0);
	assert_int_equal(known_of(&views[1], &known), 0);
	address = nobody(5000);
	views[2].host = views[1].host;
	assert_int_equal(open_to(&views[2], &address, true), -ENOBUFS);
	close_it(&views[1]);
	assert_int_equal(open_to(&views[2], &address, true), 0);
	assert_int_equal(prober_sizes(prober).paths, 1024);
	/* Nobody answers any of them; all of them are told so, and none hinders the others. */
	probe_net_run(net, 60 * S);
	assert_true(views[1].events[PATH_EVENT_UNSUPPORTED] >= 511);
	for (uint32_t i = 0; i < 1023; i++)
		prober_close(prober, paths[i], now_us(&views[1]));
	probe_net_run(net, 31 * S);
	assert_int_equal(prober_sizes(prober).paths, 1);
	end();
}

/* ---- asking for new figures ---- */

static bool refresh_by(bool raw, uint64_t seed)
{
	struct view *view = &views[1];
	struct prober *prober;
	bool good = true;

	begin(2, 20, raw, seed);
	prober = view->host->prober;
	measure(view, 1, 0);
	probe_net_run(net, 33 * S);
	for (unsigned i = 1; i <= 3; i++) {
		uint64_t asked_ns = net->now_ns;

		if (prober_refresh(prober, view->path, now_us(view)) != 0 ||
		    prober_refresh(prober, view->path, now_us(view)) != -EAGAIN)
			good = complain("refresh", i);
		woken(view->host);
		probe_net_run(net, 5 * S);
		if (view->refreshed != i || view->refreshed_ns > asked_ns + 2500 * MS)
			good = complain("refreshed", view->refreshed_ns - asked_ns);
	}
	/* Nothing comes of it: then that is the answer, in time. */
	net->hosts[0].dead = true;
	if (prober_refresh(prober, view->path, now_us(view)) != 0)
		good = complain("refresh of the dead", seed);
	woken(view->host);
	probe_net_run(net, 5 * S + 10 * MS);
	if (view->refreshed != 4)
		good = complain("refreshed", view->refreshed);
	end();
	return good;
}

static bool both_refresh(uint64_t seed)
{
	return refresh_by(false, seed) & refresh_by(true, seed);
}

static void fresh_figures(void **state)
{
	assert_true(seeds_run("fresh_figures", 5, both_refresh));
}

/* ---- links that change ---- */

static void set_link_of(struct view *view, bool running, uint64_t rate_bps, uint8_t group)
{
	const struct prober_link link = {
		.ifindex = IFINDEX,
		.running = running,
		.rate_bps = rate_bps,
		.has_stations = true,
		.tags = true,
		.mac = { { 2, 0, 0, 0, group, (uint8_t)(view->host->number + 1) } },
	};

	assert_int_equal(prober_set_link(view->host->prober, &link, now_us(view)), 0);
	woken(view->host);
}

static void set_link(struct view *view, bool running, uint64_t rate_bps)
{
	set_link_of(view, running, rate_bps, 0);
}

static bool change_link(bool raw, uint64_t seed)
{
	struct view *view = &views[1];
	struct path_fundamentals known;
	uint64_t sent;
	bool good = true;

	begin(2, 20, raw, seed);
	measure(view, 0, 1);
	probe_net_run(net, 15 * S);
	set_link(view, true, 1000000000);
	if (path_state(path_of(view)) != PATH_UNCONGESTED)
		good = complain("nothing has changed", path_state(path_of(view)));
	set_link(view, false, 1000000000);
	if (path_state(path_of(view)) != PATH_UNKNOWN)
		good = complain("state", path_state(path_of(view)));
	probe_net_run(net, 1 * S);
	sent = sent_bytes(view->host);
	probe_net_run(net, 20 * S);
	if (sent_bytes(view->host) != sent)
		good = complain("sent by a link that is down", sent);
	net->hosts[0].down.plan.rate_bps = 5000000;
	set_link(view, true, 100000000);
	probe_net_run(net, 10 * S);
	if (known_of(view, &known) != 0 ||
	    !is_near(known.bottleneck_bps, capacity(5), 0.1 * capacity(5)))
		good = complain("bottleneck", known.bottleneck_bps);
	prober_remove_link(view->host->prober, IFINDEX, now_us(view));
	if (prober_lltd(view->host->prober, IFINDEX))
		good = complain("node of no link", seed);
	probe_net_run(net, 40 * S);
	close_it(view);
	end();
	return good;
}

static bool both_change(uint64_t seed)
{
	return change_link(false, seed) & change_link(true, seed);
}

static void links_change(void **state)
{
	assert_true(seeds_run("links_change", 5, both_change));
}

static bool have_fallen(const struct prober *prober, uint64_t counts[static LLTD_COUNT_COUNT])
{
	bool fallen = false;

	for (int i = 0; i < LLTD_COUNT_COUNT; i++) {
		uint64_t count = prober_lltd_counter(prober, (enum lltd_counter)i);

		fallen |= count < counts[i];
		counts[i] = count;
	}
	return fallen;
}

/* With another address an interface has a node anew; what was counted before stays, even of one that has gone. */
static void counted_for_ever(void **state)
{
	uint64_t counts[LLTD_COUNT_COUNT] = { 0 }, before;
	struct view *view = &views[1];
	const struct prober *prober;

	begin(2, 20, true, 1);
	prober = view->host->prober;
	measure(view, 0, 1);
	probe_net_run(net, 5 * S);
	assert_false(have_fallen(prober, counts));
	before = counts[LLTD_COUNT_RECEIVED];
	assert_true(before > 0 && counts[LLTD_COUNT_SENT] > 0);
	set_link_of(view, true, 1000000000, 1);
	assert_false(have_fallen(prober, counts));
	assert_int_equal(
		lltd_counter(prober_lltd(view->host->prober, IFINDEX), LLTD_COUNT_RECEIVED), 0);
	set_link(view, true, 1000000000);
	probe_net_run(net, 5 * S);
	assert_false(have_fallen(prober, counts));
	assert_true(counts[LLTD_COUNT_RECEIVED] > before);
	prober_remove_link(view->host->prober, IFINDEX, now_us(view));
	assert_false(have_fallen(prober, counts));
	assert_true(counts[LLTD_COUNT_RECEIVED] > before);
	close_it(view);
	end();
}

/* ---- hosts with two addresses ---- */

static unsigned n_frames[LLTD_COUNTER_LEASE + 1]; /* that host 1 has sent, by what they are */
static unsigned n_gaps;				  /* of the probes among them */

static void on_frame(const struct probe_host *host, const struct lltd_frame *frame)
{
	unsigned function = frame->data[LLTD_LINK_HEADER_LEN + 3];
	struct lltd_probe probe;

	if (host->number != 1 || frame->data[12] == 0x81)
		return;
	/* A sink that cannot switch its interrupt moderation off is asked again (P-117): that is no other session. */
	if (function == LLTD_INITIALIZE_SINK &&
	    frame->data[LLTD_HEADER_LEN] == LLTD_MODERATION_KEEP)
		return;
	n_frames[function]++;
	if (function == LLTD_PROBE && lltd_read_probe(frame->data + LLTD_HEADER_LEN,
						      frame->len - LLTD_HEADER_LEN, &probe) == 0)
		n_gaps += probe.test == LLTD_TEST_GAP;
}

/* Both addresses of host 0, measured by host 1 through views 1 and 2. */
static void begin_two(unsigned hosts, uint64_t seed)
{
	begin(hosts, 20, true, seed);
	memset(n_frames, 0, sizeof(n_frames));
	net->watcher.frame = on_frame;
	probe_link_cross(&net->hosts[0].down, 0.3);
	views[2].host = views[1].host;
	measure(&views[1], 0, 1);
	assert_int_equal(open_to(&views[2], &net->hosts[0].other, true), 0);
}

static bool is_known_well(const struct view *view, const char *which)
{
	struct path_fundamentals known;

	if (known_of(view, &known) != 0 || !known.available_set || !known.rtt_set)
		return complain(which, 0);
	if (!is_near(known.bottleneck_bps, capacity(20), 0.1 * capacity(20)))
		return complain(which, known.bottleneck_bps);
	if (!is_near(known.available_bps, 0.7 * capacity(20), 0.2 * capacity(20)))
		return complain(which, known.available_bps);
	if (path_state(path_of(view)) != PATH_UNCONGESTED ||
	    path_get_priority(path_of(view)) != PROBE_PRIORITY_SUPPORTED)
		return complain(which, path_state(path_of(view)));
	return true;
}

static uint32_t sessions_of(unsigned host)
{
	return lltd_sizes(prober_lltd(net->hosts[host].prober, IFINDEX)).sessions;
}

/* Both are measured by one session, and by that alone; whoever leaves takes nothing from the other. */
static bool two(bool tracked, uint64_t seed)
{
	struct view *stays = &views[1 + seed % 2], *leaves = &views[2 - seed % 2];
	const struct probe_host *host;
	bool good;

	begin_two(2, seed);
	host = stays->host;
	probe_net_run(net, seed * 300 * MS);
	use(&views[2], tracked, !tracked);
	probe_net_run(net, 45 * S);
	good = is_known_well(stays, "stays") & is_known_well(leaves, "leaves");
	if (n_frames[LLTD_INITIALIZE_SINK] != 1 || n_frames[LLTD_RESET] > 0 || sessions_of(0) != 1)
		good = complain("sessions begun", n_frames[LLTD_INITIALIZE_SINK]);
	close_it(leaves);
	probe_net_run(net, 40 * S);
	good &= is_known_well(stays, "has stayed");
	if (n_frames[LLTD_INITIALIZE_SINK] != 1 || n_frames[LLTD_RESET] > 0)
		good = complain("session ended with the first", n_frames[LLTD_RESET]);
	close_it(stays);
	probe_net_run(net, 31 * S);
	if (n_frames[LLTD_RESET] != 1 || sessions_of(0) > 0)
		good = complain("not ended with the last", n_frames[LLTD_RESET]);
	if (host->tcp_out_bytes > 0 || host->udp_out_bytes > 0)
		good = complain("by MS-QLPB", host->tcp_out_bytes);
	if (prober_deadline_us(host->prober) != UINT64_MAX)
		good = complain("deadline", seed);
	end();
	return good;
}

static bool two_addresses(uint64_t seed)
{
	return two(false, seed) & two(true, seed);
}

static void addresses_share_a_station(void **state)
{
	assert_true(seeds_run("addresses_share_a_station", 6, two_addresses));
}

/* How many packets the first trains have, and gaps in 20 s when all is known. */
static void cost_of(bool both, uint64_t seed, unsigned *ret_timed, unsigned *ret_gaps)
{
	begin_two(2, seed);
	n_gaps = 0;
	use(&views[2], 0, both);
	probe_net_run(net, 1 * S);
	*ret_timed = n_frames[LLTD_PROBE] - n_gaps;
	probe_net_run(net, 40 * S);
	n_gaps = 0;
	probe_net_run(net, 20 * S);
	*ret_gaps = n_gaps;
	end();
}

/* Gaps and trains are for both; only what is paced each has for itself. */
static bool two_cost_less(uint64_t seed)
{
	unsigned timed[2], gaps[2];

	for (unsigned both = 0; both < 2; both++)
		cost_of(both, seed, &timed[both], &gaps[both]);
	if (getenv("GW_SIM_FIGURES"))
		printf("timed %u %u, gaps %u %u\n", timed[0], timed[1], gaps[0], gaps[1]);
	if (timed[1] > timed[0] * 3 / 2)
		return complain("the first trains", timed[1]);
	if (gaps[1] > gaps[0] * 5 / 4)
		return complain("gaps", gaps[1]);
	return true;
}

static void what_two_addresses_cost(void **state)
{
	assert_true(seeds_run("what_two_addresses_cost", 4, two_cost_less));
}

/* The address goes to another host: so does its path, and the other one stays. */
static bool move(uint64_t seed)
{
	struct path_fundamentals known;
	bool good;

	begin_two(3, seed);
	use(&views[2], 0, 1);
	views[2].host = views[1].host;
	probe_net_run(net, 20 * S);
	good = is_known_well(&views[1], "stays") & is_known_well(&views[2], "before");
	net->hosts[2].other = net->hosts[0].other;
	net->hosts[0].other = (struct address){ 0 };
	probe_net_run(net, 20 * S);
	good &= is_known_well(&views[1], "has stayed");
	if (known_of(&views[2], &known) != 0 || known.bottleneck_bps < 100000000)
		good = complain("after", known.bottleneck_bps);
	if (n_frames[LLTD_INITIALIZE_SINK] != 2 || n_frames[LLTD_RESET] > 0 ||
	    sessions_of(0) != 1 || sessions_of(2) != 1)
		good = complain("sessions", n_frames[LLTD_INITIALIZE_SINK]);
	end();
	return good;
}

static void address_moves(void **state)
{
	assert_true(seeds_run("address_moves", 4, move));
}

/* The station has gone: both notice, and find it again. */
static bool die(uint64_t seed)
{
	bool good;

	begin_two(2, seed);
	use(&views[2], 0, 1);
	probe_net_run(net, 20 * S);
	net->hosts[0].dead = true;
	probe_net_run(net, 30 * S);
	good = views[1].events[PATH_EVENT_UNSUPPORTED] > 0 &&
	       views[2].events[PATH_EVENT_UNSUPPORTED] > 0;
	net->hosts[0].dead = false;
	probe_net_run(net, 80 * S);
	good &= is_known_well(&views[1], "again") & is_known_well(&views[2], "again, other");
	if (sessions_of(0) != 1)
		good = complain("sessions", sessions_of(0));
	end();
	return good;
}

static void station_dies(void **state)
{
	assert_true(seeds_run("station_dies", 4, die));
}

/* ---- two that want the same ---- */

/* Whoever is admitted sends: full packets, evenly. */
static void send_if_admitted(struct view *view, double bps, uint64_t ns)
{
	static uint8_t data[1468];
	unsigned n = (unsigned)(bps * (double)ns / 1e9 / 8 / 1496 + 0.5);

	if (view->admitted != 0)
		return;
	for (unsigned i = 0; i < n; i++)
		probe_host_forge(view->host, view->host, &net->hosts[0], 5000, data, sizeof(data));
}

/* By two hosts, or by one to two addresses. */
static unsigned admit_both(bool raw, bool one, double share, uint64_t seed)
{
	double wanted_bps = share * capacity(20);
	unsigned n = 0;

	begin(3, 20, raw, seed);
	probe_link_cross(&net->hosts[0].down, 0.2);
	if (one)
		views[2].host = views[1].host;
	measure(&views[1], 0, 1);
	assert_int_equal(
		open_to(&views[2], one ? &net->hosts[0].other : &net->hosts[0].address, true), 0);
	use(&views[2], 0, 1);
	probe_net_run(net, 20 * S);
	for (unsigned i = 1; i < 3; i++) {
		int r = prober_admit(views[i].host->prober, views[i].path, 0, (uint64_t)wanted_bps,
				     100 + i, now_us(&views[i]));

		if (r != -EINPROGRESS)
			views[i].admitted = r;
		woken(views[i].host);
	}
	for (unsigned i = 0; i < 210; i++) {
		for (unsigned j = 1; j < 3; j++)
			send_if_admitted(&views[j], wanted_bps, 10 * MS);
		probe_net_run(net, 10 * MS);
	}
	for (unsigned i = 1; i < 3; i++) {
		/* Within two seconds there is an answer. */
		assert_int_not_equal(views[i].admitted, 1);
		assert_true(views[i].admitted != 0 || views[i].token == 100 + i);
		n += views[i].admitted == 0;
	}
	end();
	return n;
}

/* By MS-QLPB, by LLTD, and by LLTD for two addresses of one station. */
static void same_spare_bandwidth(void **state)
{
	for (unsigned way = 0; way < 3; way++) {
		bool raw = way > 0, one = way > 1;
		unsigned none = 0, both = 0, second = 0;

		for (uint64_t seed = 1; seed <= 20; seed++) {
			unsigned n = admit_both(raw, one, 0.55, seed);

			if (n > 1)
				fprintf(stderr, "both: way %u, seed %u\n", way, (unsigned)seed);
			both += n > 1;
			none += n == 0;
		}
		for (uint64_t seed = 1; seed <= 5; seed++)
			second += admit_both(raw, one, 0.25, seed) == 2;
		if (getenv("GW_SIM_FIGURES"))
			printf("same spare bandwidth, way %u: nobody %u, both %u of 20; both where there is room %u of 5\n",
			       way, none, both, second);
		assert_int_equal(both, 0);
		assert_true(none <= 5);
		assert_true(second >= 4);
	}
}

/* A wish is forgotten, with its path or without. */
static void forgotten(void **state)
{
	struct view *view = &views[1];
	struct prober *prober;

	begin(2, 20, false, 6);
	prober = view->host->prober;
	measure(view, 0, 1);
	probe_net_run(net, 10 * S);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(prober_admit(prober, view->path, 0, 3000000, 5, now_us(view)),
				 -EINPROGRESS);
		assert_int_equal(prober_admit(prober, view->path, 0, 4000000, 6, now_us(view)),
				 -EINPROGRESS);
		if (i == 0)
			prober_forget(prober, view->path, 5);
		else
			close_it(view);
		woken(view->host);
		probe_net_run(net, 3 * S);
		assert_int_equal(view->admitted, i == 0 ? 0 : 1);
		assert_int_equal(view->token, i == 0 ? 6 : 0);
		view->admitted = 1;
		view->token = 0;
	}
	end();
}

/* ---- hostile hosts ---- */

static void send_noise(struct probe_host *host, struct probe_host *to, struct probe_host *claims)
{
	uint8_t data[200];
	size_t len = dice_below(&net->dice, sizeof(data));
	uint16_t port = dice_chance(&net->dice, 0.5) ? QLPB_PORT : 40000;

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)dice_next(&net->dice);
	/* Most of it looks like something. */
	if (len > 4 && dice_chance(&net->dice, 0.9)) {
		static const uint8_t ids[] = { 1, 2, 5, 6, 0x0a, 0x14, 0x1e };

		data[0] = ids[dice_below(&net->dice, sizeof(ids))];
		data[3] = data[0] == 5 || data[0] == 6 ? 2 : 1;
	}
	probe_host_forge(host, claims, to, port, data, len);
}

static void send_noisy_frame(struct probe_host *to)
{
	struct lltd *lltd = prober_lltd(to->prober, IFINDEX);
	struct lltd_header header = {
		.ethernet_destination = { { 2, 0, 0, 0, 0, (uint8_t)(to->number + 1) } },
		.function = (enum lltd_function)dice_below(&net->dice, LLTD_COUNTER_LEASE + 1),
		.sequence = (uint16_t)dice_next(&net->dice),
	};
	uint8_t frame[200];
	size_t len;

	if (!lltd)
		return;
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)dice_next(&net->dice);
	header.destination = header.ethernet_destination;
	header.source.octets[0] = 2;
	header.source.octets[5] = (uint8_t)dice_below(&net->dice, 256);
	header.ethernet_source = header.source;
	len = lltd_put_header(frame, &header);
	lltd_receive(lltd, frame, len + dice_below(&net->dice, (uint32_t)(sizeof(frame) - len)),
		     probe_host_stamp_ns(to), probe_host_now_us(to));
	woken(to);
}

/* Whatever comes, memory is bounded, and who measures goes on measuring. */
static bool hostile_by(bool raw, uint64_t seed)
{
	struct path_fundamentals known;
	bool good = true;

	begin(3, 50, raw, seed);
	measure(&views[1], 0, 1);
	for (unsigned i = 0; i < 20000; i++) {
		struct probe_host *to = &net->hosts[i % 2];

		send_noise(&net->hosts[2], to, &net->hosts[dice_below(&net->dice, 3)]);
		send_noisy_frame(to);
		if (i % 100 == 0) {
			struct probe_connection *connection =
				probe_host_connect(&net->hosts[2], to);
			const uint8_t word[4] = { (uint8_t)dice_below(&net->dice, 4), 0, 0, 1 };

			if (connection)
				probe_connection_write(connection, word, sizeof(word));
			if (connection && dice_chance(&net->dice, 0.9))
				probe_connection_close(connection);
		}
		probe_net_run(net, 1 * MS);
		for (unsigned j = 0; j < 2; j++) {
			struct prober *prober = net->hosts[j].prober;
			struct lltd *lltd = prober_lltd(prober, IFINDEX);

			if (qlpb_sizes(prober_qlpb(prober)).sessions > 32 ||
			    qlpb_sizes(prober_qlpb(prober)).experiments > 4 ||
			    (lltd && lltd_sizes(lltd).sessions > 10) ||
			    prober_sizes(prober).paths > 1)
				good = complain("sizes", i);
		}
	}
	if (known_of(&views[1], &known) != 0)
		good = complain("nothing is known", seed);
	if (good && !is_near(known.bottleneck_bps, capacity(50), 0.15 * capacity(50)))
		good = complain("bottleneck", known.bottleneck_bps);
	end();
	return good;
}

static bool hostile(uint64_t seed)
{
	return hostile_by(false, seed) & hostile_by(true, seed);
}

static void hostile_hosts(void **state)
{
	assert_true(seeds_run("hostile_hosts", 2, hostile));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(measured),
		cmocka_unit_test(sink_without_lltd),
		cmocka_unit_test(sink_comes_and_goes),
		cmocka_unit_test(off_link),
		cmocka_unit_test(noticed_and_relieved),
		cmocka_unit_test(what_tracking_costs),
		cmocka_unit_test(lingers),
		cmocka_unit_test(bounded),
		cmocka_unit_test(fresh_figures),
		cmocka_unit_test(links_change),
		cmocka_unit_test(counted_for_ever),
		cmocka_unit_test(addresses_share_a_station),
		cmocka_unit_test(what_two_addresses_cost),
		cmocka_unit_test(address_moves),
		cmocka_unit_test(station_dies),
		cmocka_unit_test(same_spare_bandwidth),
		cmocka_unit_test(forgotten),
		cmocka_unit_test(hostile_hosts),
	};

	seeds_choose_test();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
