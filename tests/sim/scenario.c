/* SPDX-License-Identifier: MIT */
/* scenario.c: see scenario.h. */
#include "scenario.h"

#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SENDER_PORT 6000
#define SESSION_PORT 5000

const struct scenario_plan scenario_plan_default = {
	.weights = {
		[DEED_SEND] = 30, [DEED_STOP] = 10, [DEED_RESERVE] = 30, [DEED_RELEASE] = 10,
	},
	.routers_min = 2,
	.routers_max = 10,
	.hosts_min = 3,
	.hosts_max = 8,
	.sessions_min = 1,
	.sessions_max = 5,
	.multicast = 0.5,
	.crashed_apps = 0.3,
};

/* ---- what is asked for ---- */

/* Whole numbers, so that sums are exact in any order. */
struct rsvp_tspec scenario_tspec(struct dice *dice)
{
	struct rsvp_tspec tspec = {
		.r = (float)(1000 * dice_between(dice, 1, 50)),
		.b = (float)(500 * dice_between(dice, 3, 20)),
		.m = dice_between(dice, 40, 100),
		.M = dice_between(dice, 500, 1400),
	};

	tspec.p = dice_chance(dice, 0.2) ? INFINITY : tspec.r * (float)dice_between(dice, 1, 3);
	return tspec;
}

struct rsvp_flowspec scenario_flowspec(struct dice *dice, enum flowspec_service service)
{
	struct rsvp_flowspec flowspec = { .tspec = scenario_tspec(dice), .service = service };

	if (service == FLOWSPEC_GUARANTEED) {
		flowspec.R = flowspec.tspec.r + (float)(1000 * dice_below(dice, 20));
		flowspec.S = 1000 * dice_below(dice, 5);
	}
	return flowspec;
}

struct rsvp_sender scenario_sender(const struct scenario *scenario,
				   const struct scenario_session *session, uint32_t host)
{
	return net_sender(scenario->net, topology_host(&scenario->topology, host), session->family,
			  SENDER_PORT);
}

/* ---- the network ---- */

static void make_session(struct scenario *scenario, uint32_t i)
{
	static const enum rsvp_style styles[] = { RSVP_STYLE_WF, RSVP_STYLE_FF, RSVP_STYLE_SE };
	struct scenario_session *session = &scenario->sessions[i];
	struct dice *dice = &scenario->dice;
	struct address destination;

	session->multicast = dice_chance(dice, scenario->plan.multicast);
	session->family = dice_chance(dice, 0.3) ? AF_INET6 : AF_INET;
	session->style = scenario->plan.style ? scenario->plan.style : styles[dice_below(dice, 3)];
	session->service = dice_chance(dice, 0.3) ? FLOWSPEC_GUARANTEED : FLOWSPEC_CONTROLLED_LOAD;
	session->receiver = dice_below(dice, scenario->topology.n_hosts);
	if (session->multicast)
		destination = net_group_address(i, session->family);
	else
		destination = net_address(scenario->net,
					  topology_host(&scenario->topology, session->receiver), 0,
					  session->family);
	session->session = net_session(&destination, (uint16_t)(SESSION_PORT + i));
	session->apps = calloc(scenario->topology.n_hosts, sizeof(struct net_app *));
	if (!session->apps)
		abort();
}

static enum shape some_shape(struct scenario *scenario)
{
	unsigned mask = scenario->plan.shapes;
	enum shape shape;

	do {
		shape = dice_below(&scenario->dice, SHAPE_COUNT);
	} while (mask && !(mask >> shape & 1));
	return shape;
}

static void set_key(struct scenario *scenario)
{
	const struct rsvp_key key = {
		.id = { 1 },
		.kind = dice_below(&scenario->dice, RSVP_DIGEST_HMAC_SHA256 + 1),
		.secret = { 1, 2, 3 },
		.secret_len = 3,
		.challenge = dice_chance(&scenario->dice, 0.5),
	};

	net_set_key(scenario->net, &key);
}

static void make_network(struct scenario *scenario)
{
	const struct scenario_plan *plan = &scenario->plan;
	struct dice *dice = &scenario->dice;
	struct rsvp_interface setting;
	struct topology_plan shape = {
		.shape = some_shape(scenario),
		.n_routers = dice_between(dice, plan->routers_min, plan->routers_max),
		.n_hosts = dice_between(dice, plan->hosts_min, plan->hosts_max),
		.plain = dice_chance(dice, 0.5) ? plan->plain * dice_unit(dice) : 0,
		.two_homes = dice_chance(dice, 0.5) ? plan->two_homes * dice_unit(dice) : 0,
		.unequal_costs = dice_chance(dice, 0.5),
		.link = net_link_default,
	};

	shape.link.delay_us = dice_between(dice, 100, 30000);
	if (plan->room > 0)
		shape.link.reservable_bytes_per_s = plan->room;
	scenario->topology = topology_make(scenario->net, &shape, dice);
	rsvp_interface_default(&setting);
	setting.refresh_ms = plan->refresh_ms;
	if (setting.refresh_ms == 0)
		setting.refresh_ms = dice_chance(dice, 0.5) ? 30000
							    : dice_between(dice, 5000, 60000);
	setting.reduce_refreshes = plan->reduction == SCENARIO_REDUCED;
	setting.enforced = true;
	setting.udp = plan->udp_only > 0; /* or those who only receive would never be heard of */
	scenario->refresh_us = setting.refresh_ms * MS;
	net_set_interfaces(scenario->net, &setting);
	setting.reduce_refreshes = true;
	for (uint32_t i = 0; plan->reduction == SCENARIO_MIXED && i < scenario->net->n_nodes; i++)
		if (dice_chance(dice, 0.6))
			net_set_node(scenario->net, i, &setting);
	setting.udp_only = true;
	for (uint32_t i = 0; i < scenario->topology.n_hosts; i++) {
		uint32_t host = topology_host(&scenario->topology, i);

		if (!dice_chance(dice, plan->udp_only))
			continue;
		setting.reduce_refreshes = scenario->net->nodes[host]->setting.reduce_refreshes;
		net_set_node(scenario->net, host, &setting);
	}
	if (plan->keyed)
		set_key(scenario);
	net_build(scenario->net);
}

struct scenario *scenario_new(uint64_t seed, const struct scenario_plan *plan)
{
	struct scenario *scenario = calloc(1, sizeof(*scenario));

	if (!scenario)
		abort();
	scenario->plan = *plan;
	scenario->dice.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	scenario->net = net_new(dice_next(&scenario->dice));
	make_network(scenario);
	scenario->n_sessions =
		dice_between(&scenario->dice, plan->sessions_min, plan->sessions_max);
	scenario->sessions = calloc(scenario->n_sessions, sizeof(*scenario->sessions));
	if (!scenario->sessions)
		abort();
	for (uint32_t i = 0; i < scenario->n_sessions; i++)
		make_session(scenario, i);
	return scenario;
}

struct scenario *scenario_free(struct scenario *scenario)
{
	scenario->net = net_free(scenario->net);
	for (uint32_t i = 0; i < scenario->n_sessions; i++)
		free(scenario->sessions[i].apps);
	free(scenario->sessions);
	free(scenario);
	return NULL;
}

/* ---- deeds ---- */

static struct scenario_session *some_session(struct scenario *scenario)
{
	return &scenario->sessions[dice_below(&scenario->dice, scenario->n_sessions)];
}

/* The application of a host in a session; it is opened if it is not. NULL: its host is down. */
static struct net_app *app_of(struct scenario *scenario, struct scenario_session *session,
			      uint32_t host)
{
	uint32_t node = topology_host(&scenario->topology, host);
	struct net_app *app = session->apps[host];

	if (!scenario->net->nodes[node]->up)
		return NULL;
	if (app && app->open)
		return app;
	app = net_app_open(scenario->net, node, &session->session);
	app->stays = !dice_chance(&scenario->dice, scenario->plan.crashed_apps);
	session->apps[host] = app;
	return app;
}

static void begin_to_send(struct scenario *scenario)
{
	struct scenario_session *session = some_session(scenario);
	uint32_t host = dice_below(&scenario->dice, scenario->topology.n_hosts);
	struct rsvp_tspec tspec = scenario_tspec(&scenario->dice);
	struct net_app *app;

	if (!session->multicast && host == session->receiver)
		return;
	app = app_of(scenario, session, host);
	if (app && !app->receives)
		net_app_send(app, SENDER_PORT, &tspec);
}

/* Some of the hosts, as senders; they need not send. */
static unsigned some_senders(struct scenario *scenario, const struct scenario_session *session,
			     uint32_t not_host, struct rsvp_sender *senders)
{
	double share = 0.2 + 0.8 * dice_unit(&scenario->dice);
	unsigned n = 0;

	for (uint32_t i = 0; i < scenario->topology.n_hosts && n < NET_FLOWS_MAX; i++)
		if (i != not_host && dice_chance(&scenario->dice, share))
			senders[n++] = scenario_sender(scenario, session, i);
	return n;
}

static void ask_for(struct scenario *scenario, const struct scenario_session *session,
		    uint32_t host, struct net_app *app)
{
	struct rsvp_flowspec flowspecs[NET_FLOWS_MAX];
	struct rsvp_sender senders[NET_FLOWS_MAX];
	unsigned n = some_senders(scenario, session, host, senders);

	for (unsigned i = 0; i < NET_FLOWS_MAX; i++)
		flowspecs[i] = scenario_flowspec(&scenario->dice, session->service);
	app->confirm = dice_chance(&scenario->dice, 0.3);
	if (session->style == RSVP_STYLE_WF)
		net_app_reserve_wf(app, flowspecs);
	else if (n > 0 && session->style == RSVP_STYLE_FF)
		net_app_reserve_ff(app, flowspecs, n, senders);
	else if (n > 0)
		net_app_reserve_se(app, flowspecs, n, senders);
}

static void begin_to_receive(struct scenario *scenario)
{
	struct scenario_session *session = some_session(scenario);
	uint32_t host = session->receiver;
	struct net_app *app;

	if (session->multicast)
		host = dice_below(&scenario->dice, scenario->topology.n_hosts);
	app = app_of(scenario, session, host);
	if (!app || app->sends)
		return;
	if (session->multicast && !app->joins)
		net_app_join(app);
	/* Some only listen. */
	if (dice_chance(&scenario->dice, 0.9))
		ask_for(scenario, session, host, app);
}

static void leave(struct scenario *scenario, bool sender)
{
	struct scenario_session *session = some_session(scenario);
	uint32_t from = dice_below(&scenario->dice, scenario->topology.n_hosts);

	for (uint32_t i = 0; i < scenario->topology.n_hosts; i++) {
		uint32_t host = (from + i) % scenario->topology.n_hosts;
		struct net_app *app = session->apps[host];

		if (!app || !app->open || app->sends != sender)
			continue;
		if (dice_chance(&scenario->dice, 0.5))
			net_app_close(app);
		else if (sender)
			net_app_send(app, SENDER_PORT, NULL);
		else if (app->receives)
			net_app_release(app);
		return;
	}
}

static void crash(struct scenario *scenario)
{
	net_node_set_up(scenario->net, dice_below(&scenario->dice, scenario->net->n_nodes), false);
}

static void come_back(struct scenario *scenario)
{
	uint32_t n = scenario->net->n_nodes, from = dice_below(&scenario->dice, n);

	for (uint32_t i = 0; i < n; i++) {
		if (scenario->net->nodes[(from + i) % n]->up)
			continue;
		net_node_set_up(scenario->net, (from + i) % n, true);
		return;
	}
}

static void mend(struct scenario *scenario)
{
	uint32_t n = scenario->net->n_links, from = dice_below(&scenario->dice, n);

	for (uint32_t i = 0; i < n; i++) {
		if (scenario->net->links[(from + i) % n].up)
			continue;
		net_link_set_up(scenario->net, (from + i) % n, true);
		return;
	}
}

static void do_deed(struct scenario *scenario, enum deed deed)
{
	struct net *net = scenario->net;
	struct dice *dice = &scenario->dice;

	switch (deed) {
	case DEED_SEND:
		begin_to_send(scenario);
		break;
	case DEED_STOP:
		leave(scenario, true);
		break;
	case DEED_RESERVE:
		begin_to_receive(scenario);
		break;
	case DEED_RELEASE:
		leave(scenario, false);
		break;
	case DEED_CRASH:
		crash(scenario);
		break;
	case DEED_RETURN:
		come_back(scenario);
		break;
	case DEED_RESTART:
		net_node_restart(net, dice_below(dice, net->n_nodes));
		break;
	case DEED_CUT:
		net_link_set_up(net, dice_below(dice, net->n_links), false);
		break;
	case DEED_MEND:
		mend(scenario);
		break;
	case DEED_COST:
		net_link_set_cost(net, dice_below(dice, net->n_links),
				  dice_between(dice, 1, NET_COST_MAX));
		break;
	case DEED_COUNT:
		abort();
	}
}

static enum deed some_deed(struct scenario *scenario)
{
	uint32_t sum = 0, place;

	for (unsigned i = 0; i < DEED_COUNT; i++)
		sum += scenario->plan.weights[i];
	place = dice_below(&scenario->dice, sum);
	for (unsigned i = 0; i < DEED_COUNT; i++) {
		if (place < scenario->plan.weights[i])
			return i;
		place -= scenario->plan.weights[i];
	}
	abort();
}

/* ---- phases ---- */

bool scenario_storm(struct scenario *scenario, unsigned deeds, uint64_t every_us)
{
	struct dice *dice = &scenario->dice;
	struct net *net = scenario->net;

	net->loss = scenario->plan.loss * dice_unit(dice);
	net->duplicate = scenario->plan.duplicate * dice_unit(dice);
	net->reorder = scenario->plan.reorder * dice_unit(dice);
	for (unsigned i = 0; i < deeds; i++) {
		/* Some come at once, some late. */
		if (!dice_chance(dice, 0.2))
			net_run_for(net, (uint64_t)(-log(1 - dice_unit(dice)) * (double)every_us));
		do_deed(scenario, some_deed(scenario));
		if ((!scenario->judges_seldom || i % 100 == 0) && !judge_books(net))
			return false;
	}
	return true;
}

static void mend_all(struct scenario *scenario)
{
	struct net *net = scenario->net;

	net->loss = net->duplicate = net->reorder = 0;
	for (uint32_t i = 0; i < net->n_links; i++)
		net_link_set_up(net, i, true);
	for (uint32_t i = 0; i < net->n_nodes; i++)
		net_node_set_up(net, i, true);
}

void scenario_calm(struct scenario *scenario)
{
	mend_all(scenario);
	net_run_for(scenario->net, judge_settling_us(scenario->net));
}

void scenario_end(struct scenario *scenario)
{
	struct dice *dice = &scenario->dice;
	double pauses = 60.0 / (scenario->topology.n_hosts * scenario->n_sessions);

	for (uint32_t i = 0; i < scenario->topology.n_hosts; i++) {
		uint32_t node = topology_host(&scenario->topology, i);

		if (dice_chance(dice, 0.3))
			net_node_set_up(scenario->net, node, false);
		for (uint32_t k = 0; k < scenario->n_sessions; k++) {
			struct net_app *app = scenario->sessions[k].apps[i];

			if (app && app->open)
				net_app_close(app);
			if (dice_chance(dice, pauses))
				net_run_for(scenario->net, dice_below(dice, 2000) * MS);
		}
	}
	scenario_calm(scenario);
}
