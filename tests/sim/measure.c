/* SPDX-License-Identifier: MIT */
/* measure.c: see measure.h. */
#include "measure.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define GAP_BYTES 60
#define TRAIN_BYTES 1496
#define DEAD_NS (3 * MEASURE_S)
#define WARM_NS (3 * MEASURE_S)

const struct measure_plan measure_plan_default = {
	.link = { .rate_bps = 10000000,
		  .overhead_bytes = 14,
		  .buffer_bytes = 125000,
		  .delay_ns = 200000 },
	.host_bps = 1000000000,
	.back_delay_ns = 300000,
	.noise_ns = 3000,
	.late_ns = 60000,
	.offset_ns = -3600 * INT64_C(1000000000),
	.ppm = 30,
};

uint64_t measure_now_us(const struct measure *measure)
{
	return measure->now_ns / 1000;
}

/* What the sink's clock shows. */
static uint64_t sink_stamp(const struct measure *measure, struct dice *dice, uint64_t ns)
{
	const struct measure_plan *plan = &measure->plan;
	double noise = dice_unit(dice) * (double)plan->noise_ns;
	double drift = (double)ns * plan->ppm * 1e-6;

	if (plan->astray > 0 && dice_chance(dice, plan->astray))
		noise += (2 * dice_unit(dice) - 1) * (double)plan->astray_ns;
	if (plan->batch_ns > 0)
		ns = (ns / plan->batch_ns + 1) * plan->batch_ns;
	return (ns + (uint64_t)plan->offset_ns + (uint64_t)(int64_t)(drift + noise)) / 100 * 100;
}

/* ---- what a path asks for ---- */

static void send_train(struct measure_host *host, const struct path_experiment *train)
{
	struct measure *measure = host->measure;
	uint64_t packet_ns =
		(train->packet_bytes + 38) * UINT64_C(8000000000) / measure->plan.host_bps;
	uint64_t before = 0, arrives_ns = measure->now_ns;

	host->train_packets = train->packets;
	host->train_fails = false;
	for (unsigned i = 0; i < train->packets; i++) {
		uint64_t stamp;

		/* Time does not stand still meanwhile, but nothing else that matters happens in it. */
		if (!bottleneck_pass(&measure->link, measure->now_ns + i * packet_ns,
				     train->packet_bytes, &arrives_ns)) {
			host->train_fails = true;
			break;
		}
		stamp = sink_stamp(measure, &host->dice, arrives_ns);
		if (i > 0)
			host->train_gaps[i - 1] = stamp > before ? stamp - before : 0;
		before = stamp;
	}
	measure->now_ns += train->packets * packet_ns;
	host->train_ns = arrives_ns + measure->plan.back_delay_ns;
	/* Nothing comes back of a train that is not whole. */
	if (host->train_fails)
		host->train_ns = measure->now_ns + 1500 * MEASURE_MS;
}

/* How late a timer is. */
static uint64_t late_ns(struct measure_host *host)
{
	const struct measure_plan *plan = &host->measure->plan;
	double late = dice_unit(&host->dice) * (double)plan->late_ns;

	if (plan->busy > 0 && dice_chance(&host->dice, plan->busy))
		late += dice_unit(&host->dice) * (double)plan->busy_ns;
	return (uint64_t)late;
}

static void start_paced(struct measure_host *host, const struct path_experiment *train)
{
	host->paced_packets = train->packets;
	host->paced_lead = train->lead;
	host->paced_sent = 0;
	host->paced_held_ns = 0;
	host->paced_next_ns = host->paced_first_ns = host->measure->now_ns;
	host->paced_interval_ns = UINT64_C(8000000000) * train->packet_bytes / train->rate_bps;
	host->paced_done_ns = 0;
}

static void send_paced(struct measure_host *host)
{
	struct measure *measure = host->measure;
	uint64_t arrives_ns, stamp;

	if (!bottleneck_pass(&measure->link, measure->now_ns, TRAIN_BYTES, &arrives_ns)) {
		host->paced_packets = 0;
		host->paced_done_ns = measure->now_ns + 1500 * MEASURE_MS;
		return;
	}
	stamp = sink_stamp(measure, &host->dice, arrives_ns);
	if (host->paced_sent > 0)
		host->paced_gaps[host->paced_sent - 1] =
			stamp > host->paced_stamp_ns ? stamp - host->paced_stamp_ns : 0;
	host->paced_stamp_ns = stamp;
	host->paced_last_ns = measure->now_ns;
	if (host->paced_sent == host->paced_lead)
		host->paced_first_ns = measure->now_ns;
	if (measure->now_ns - host->paced_next_ns > host->paced_held_ns)
		host->paced_held_ns = measure->now_ns - host->paced_next_ns;
	if (host->paced_sent >= host->paced_lead)
		host->paced_next_ns += host->paced_interval_ns;
	if (++host->paced_sent == host->paced_packets)
		host->paced_done_ns = arrives_ns + measure->plan.back_delay_ns;
}

static void take_paced(struct measure_host *host)
{
	uint64_t now_us = measure_now_us(host->measure);
	const struct probe_train train = {
		.packet_bytes = TRAIN_BYTES,
		.n_sent = host->paced_packets,
		.n_gaps = host->paced_packets - 1,
		.gaps_ns = host->paced_gaps,
		.lead = host->paced_lead,
		.spread_ns = host->paced_last_ns - host->paced_first_ns,
		.held_ns = host->paced_held_ns,
	};

	host->paced_done_ns = 0;
	if (host->paced_packets > 0)
		path_paced(host->path, &train, now_us);
	path_finished(host->path, PATH_PACED, host->paced_packets > 0 ? 0 : -ETIMEDOUT, now_us);
	host->paced_packets = host->paced_sent = 0;
}

static bool is_pacing(const struct measure_host *host)
{
	return host->paced_sent < host->paced_packets;
}

static int on_start(void *user_data, void *data, const struct path_experiment *experiment)
{
	struct measure_host *host = data;
	struct measure *measure = host->measure;

	if (measure->forbidden[experiment->method])
		return -EPERM;
	host->started[experiment->kind]++;
	host->started_by[experiment->method][experiment->kind]++;
	host->method = experiment->method;
	if (measure->plan.deaf && experiment->kind != PATH_CLAIM) {
		host->refused = experiment->kind;
		host->refuse_ns = measure->now_ns + 250 * MEASURE_MS;
		return 0;
	}
	switch (experiment->kind) {
	case PATH_TRAIN:
		send_train(host, experiment);
		break;
	case PATH_GAPS:
		host->gaps = true;
		host->gap_ns = host->heard_ns = measure->now_ns;
		host->interval_ns = experiment->interval_us * UINT64_C(1000);
		host->vary_ns = experiment->vary_us * UINT64_C(1000);
		host->gaps_left = experiment->packets > 0 ? experiment->packets : UINT32_MAX;
		host->sequence = 0;
		break;
	case PATH_PACED:
		start_paced(host, experiment);
		break;
	case PATH_CLAIM:
		host->claim_ends_ns = measure->now_ns + experiment->duration_us * UINT64_C(1000);
		bottleneck_source(&measure->link, 4 + host->number, BOTTLENECK_CONSTANT,
				  (double)experiment->rate_bps, measure->now_ns);
		break;
	case PATH_ROUTE_CHECK:
	case PATH_KIND_COUNT:
		return -EOPNOTSUPP;
	}
	return 0;
}

static void on_stop(void *user_data, void *data, enum path_kind kind)
{
	struct measure_host *host = data;

	if (kind == PATH_GAPS) {
		host->gaps = false;
		host->flight_n = 0;
	} else if (kind == PATH_TRAIN) {
		host->train_ns = 0;
	} else if (kind == PATH_PACED) {
		host->paced_packets = host->paced_sent = 0;
		host->paced_done_ns = 0;
	} else if (kind == PATH_CLAIM) {
		host->claim_ends_ns = 0;
		bottleneck_source(&host->measure->link, 4 + host->number, BOTTLENECK_CONSTANT, 0,
				  host->measure->now_ns);
	}
}

static void on_event(void *user_data, void *data, enum path_event event)
{
	struct measure_host *host = data;

	host->events[event]++;
	host->event_ns[event] = host->measure->now_ns;
}

static void on_admitted(void *user_data, void *data, void *wish_data, int status)
{
	struct measure_host *host = data;

	host->admitted = status;
	host->admitted_ns = host->measure->now_ns;
}

static uint32_t on_random(void *user_data)
{
	return (uint32_t)dice_next(user_data);
}

/* ---- what happens ---- */

/* Hosts that have not been busy take longer for a while. */
static uint64_t warming_ns(const struct measure *measure)
{
	uint64_t left_ns = measure->now_ns < WARM_NS ? WARM_NS - measure->now_ns : 0;

	return measure->plan.warm_ns * left_ns / WARM_NS;
}

static void send_gap(struct measure_host *host)
{
	struct measure *measure = host->measure;
	struct measure_flight *flight =
		&host->flight[(host->flight_first + host->flight_n) % MEASURE_FLIGHT];
	uint64_t arrives_ns;

	assert(host->flight_n < MEASURE_FLIGHT);
	*flight = (struct measure_flight){ .gap = { .sequence = host->sequence++,
						    .packet_bytes = GAP_BYTES,
						    .scheduled_ns = host->gap_ns,
						    .sent_ns = measure->now_ns } };
	host->flight_n++;
	if (!measure->plan.mute &&
	    bottleneck_pass(&measure->link, measure->now_ns, GAP_BYTES, &arrives_ns)) {
		arrives_ns += warming_ns(measure);
		flight->gap.sink_received_ns = sink_stamp(measure, &host->dice, arrives_ns);
		flight->gap.sink_sent_ns = flight->gap.sink_received_ns + 5000;
		flight->back_ns = arrives_ns + 5000 + measure->plan.back_delay_ns;
		flight->gap.received_ns =
			flight->back_ns +
			(uint64_t)(dice_unit(&host->dice) * (double)measure->plan.noise_ns);
	} else {
		flight->gap.lost = true;
	}
	host->gap_ns +=
		host->interval_ns + (uint64_t)(dice_unit(&host->dice) * (double)host->vary_ns);
	if (--host->gaps_left == 0)
		host->gap_ns = UINT64_MAX;
}

/* The first answer that is on its way; NULL: none is. */
static struct measure_flight *first_answer(struct measure_host *host, unsigned *ret_before)
{
	for (unsigned i = 0; i < host->flight_n; i++) {
		struct measure_flight *flight =
			&host->flight[(host->flight_first + i) % MEASURE_FLIGHT];

		*ret_before = i;
		if (!flight->gap.lost)
			return flight;
	}
	return NULL;
}

static void take_answers(struct measure_host *host)
{
	uint64_t now_us = measure_now_us(host->measure);
	struct measure_flight *flight;
	unsigned before;

	while (host->gaps && (flight = first_answer(host, &before)) &&
	       flight->back_ns <= host->measure->now_ns) {
		for (unsigned i = 0; i <= before && host->flight_n > 0; i++) {
			struct probe_gap gap = host->flight[host->flight_first].gap;

			host->flight_first = (host->flight_first + 1) % MEASURE_FLIGHT;
			host->flight_n--;
			path_gap(host->path, &gap, now_us);
		}
		host->heard_ns = host->measure->now_ns;
	}
	if (host->gaps && ((host->gap_ns == UINT64_MAX && host->flight_n == 0) ||
			   host->measure->now_ns >= host->heard_ns + DEAD_NS)) {
		int status = host->gap_ns == UINT64_MAX ? 0 : -ETIMEDOUT;

		host->gaps = false;
		host->flight_n = 0;
		path_finished(host->path, PATH_GAPS, status, now_us);
	}
}

static void take_train(struct measure_host *host)
{
	struct probe_train train = {
		.packet_bytes = 1496,
		.sink_link_bps = host->measure->plan.sink_link_bps,
		.n_sent = host->train_packets,
		.n_gaps = host->train_packets - 1,
		.gaps_ns = host->train_gaps,
	};
	uint64_t now_us = measure_now_us(host->measure);

	host->train_ns = 0;
	if (!host->train_fails)
		path_train(host->path, &train, now_us);
	path_finished(host->path, PATH_TRAIN, host->train_fails ? -ETIMEDOUT : 0, now_us);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t in_ns(uint64_t us)
{
	return us < UINT64_MAX / 1000 ? us * 1000 : UINT64_MAX;
}

static uint64_t next_of(struct measure_host *host)
{
	uint64_t next_ns = in_ns(path_deadline_us(host->path));
	struct measure_flight *flight;
	unsigned before;

	if (host->gaps) {
		flight = first_answer(host, &before);
		next_ns = earlier(next_ns, host->gap_ns);
		next_ns = earlier(next_ns, host->heard_ns + DEAD_NS);
		if (flight)
			next_ns = earlier(next_ns, flight->back_ns);
	}
	if (host->train_ns > 0)
		next_ns = earlier(next_ns, host->train_ns);
	if (is_pacing(host))
		next_ns = earlier(next_ns, host->paced_next_ns);
	if (host->paced_done_ns > 0)
		next_ns = earlier(next_ns, host->paced_done_ns);
	if (host->refuse_ns > 0)
		next_ns = earlier(next_ns, host->refuse_ns);
	if (host->claim_ends_ns > 0)
		next_ns = earlier(next_ns, host->claim_ends_ns);
	return next_ns;
}

static void step(struct measure_host *host)
{
	struct measure *measure = host->measure;

	if (host->train_ns > 0 && measure->now_ns >= host->train_ns)
		take_train(host);
	if (host->refuse_ns > 0 && measure->now_ns >= host->refuse_ns) {
		host->refuse_ns = 0;
		path_finished(host->path, host->refused, -ETIMEDOUT, measure_now_us(measure));
	}
	if (is_pacing(host) && measure->now_ns >= host->paced_next_ns) {
		if (measure->plan.busy > 0 && host->paced_sent > host->paced_lead)
			measure->now_ns += late_ns(host);
		send_paced(host);
	}
	if (host->paced_done_ns > 0 && measure->now_ns >= host->paced_done_ns)
		take_paced(host);
	if (host->gaps && measure->now_ns >= host->gap_ns) {
		measure->now_ns += late_ns(host);
		send_gap(host);
	}
	take_answers(host);
	if (host->claim_ends_ns > 0 && measure->now_ns >= host->claim_ends_ns) {
		on_stop(NULL, host, PATH_CLAIM);
		path_finished(host->path, PATH_CLAIM, 0, measure_now_us(measure));
	}
	if (measure_now_us(measure) >= path_deadline_us(host->path))
		path_tick(host->path, measure_now_us(measure));
}

void measure_run(struct measure *measure, uint64_t ns)
{
	uint64_t until_ns = measure->now_ns + ns;

	for (;;) {
		struct measure_host *first = NULL;
		uint64_t first_ns = UINT64_MAX;

		for (unsigned i = 0; i < measure->n_hosts; i++) {
			uint64_t next_ns = next_of(&measure->hosts[i]);

			if (next_ns < first_ns) {
				first_ns = next_ns;
				first = &measure->hosts[i];
			}
		}
		if (!first || first_ns > until_ns)
			break;
		if (first_ns > measure->now_ns)
			measure->now_ns = first_ns;
		step(first);
	}
	if (until_ns > measure->now_ns)
		measure->now_ns = until_ns;
}

void measure_cross(struct measure *measure, enum bottleneck_kind kind, double share)
{
	double bps = bottleneck_capacity_bps(&measure->link, 883) * share;

	bottleneck_source(&measure->link, 0, kind, bps, measure->now_ns);
}

void measure_ports(struct measure_host *host, struct path_ports *ret_ports)
{
	*ret_ports = (struct path_ports){
		.user_data = &host->dice,
		.start = on_start,
		.stop = on_stop,
		.event = on_event,
		.admitted = on_admitted,
		.random = on_random,
	};
}

void measure_start(struct measure *measure, const struct measure_plan *plan, unsigned n_hosts,
		   uint64_t seed)
{
	struct path_config config = { .on_link = true, .own_link_bps = plan->own_link_bps };
	struct dice dice = { seed };

	memset(measure, 0, sizeof(*measure));
	measure->plan = *plan;
	measure->now_ns = MEASURE_S;
	measure->n_hosts = n_hosts;
	config.methods[PATH_LLTD] = config.methods[PATH_QLPB] = true;
	bottleneck_start(&measure->link, &plan->link, dice_next(&dice));
	for (unsigned i = 0; i < n_hosts; i++) {
		struct measure_host *host = &measure->hosts[i];
		struct path_ports ports;

		host->measure = measure;
		host->number = i;
		host->dice = dice_fork(&dice);
		host->admitted = 1;
		measure_ports(host, &ports);
		host->path = path_new(&ports, &config, host, measure_now_us(measure));
		assert(host->path);
	}
}

void measure_end(struct measure *measure)
{
	for (unsigned i = 0; i < measure->n_hosts; i++)
		path_free(measure->hosts[i].path);
}
