/* SPDX-License-Identifier: MIT */
/*
 * test_sim_repair.c: how long it takes: reservations follow a route that has changed, long before refreshes would
 * have brought it about (R-170..R-172); and reservations for everybody go where routers stand in circles, once
 * nobody asks for them any more.
 */
#include "judge.h"
#include "scenario.h"
#include "seeds.h"

#include "complaint.h"
#include "expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PORT 6000

static const struct rsvp_flowspec flowspec = {
	.tspec = { .r = 10000, .b = 3000, .p = 20000, .m = 64, .M = 1000 },
	.service = FLOWSPEC_CONTROLLED_LOAD,
};

static struct topology make(struct net *net, const struct topology_plan *plan, struct dice *dice)
{
	struct topology topology = topology_make(net, plan, dice);
	struct rsvp_interface setting;

	rsvp_interface_default(&setting);
	setting.reduce_refreshes = false;
	net_set_interfaces(net, &setting);
	net_build(net);
	return topology;
}

/* ---- local repair ---- */

/* A link between routers that data of the session crosses; NET_NONE: it crosses none. */
static uint32_t link_of_path(struct net *net, const struct topology *topology,
			     const struct rsvp_session *session, struct dice *dice)
{
	uint32_t links[64], n = 0;
	struct expect expect;

	expect_session(net, session, &expect);
	for (uint32_t i = 0; i < expect.n_paths && n < 64; i++) {
		const struct expect_path *path = &expect.paths[i];
		uint32_t link;

		if (path->hop_node == NET_NONE)
			continue;
		link = net->nodes[path->hop_node]->interfaces[path->hop_interface].link;
		if (link < topology->n_core_links)
			links[n++] = link;
	}
	expect_free(&expect);
	return n > 0 ? links[dice_below(dice, n)] : NET_NONE;
}

static bool can_reach(struct net *net, const struct net_app *sender, const struct net_app *receiver)
{
	bool reaches = false;
	struct expect expect;

	expect_session(net, &receiver->session, &expect);
	for (uint32_t i = 0; i < expect.n_senders; i++)
		if (expect.senders[i].app == sender)
			reaches = expect_local_path(&expect, i, receiver->node);
	expect_free(&expect);
	return reaches;
}

/* Routing notices, then W passes, then there is one Path and one Resv over each hop. */
static uint64_t repair_us(const struct net *net)
{
	return net->converge_us + net->notify_us + net->nodes[0]->setting.settle_ms * MS +
	       2 * SECOND;
}

static bool cut(struct net *net, const struct topology *topology, struct dice *dice,
		const struct net_app *sender, const struct net_app *receiver)
{
	uint32_t link = link_of_path(net, topology, &receiver->session, dice);
	bool good = true;

	if (link == NET_NONE)
		return true;
	net_link_set_up(net, link, false);
	net_run_for(net, repair_us(net));
	if (can_reach(net, sender, receiver))
		good = judge_receiver(net, receiver, sender);
	/* What has come apart comes together again, or the old way is the better one after all. */
	net_run_for(net, judge_settling_us(net));
	net_link_set_up(net, link, true);
	net_run_for(net, repair_us(net));
	good = good && judge_receiver(net, receiver, sender);
	/* Routers on the way that was left may take what they hear for a mere refresh, while they still have state. */
	net_run_for(net, judge_settling_us(net));
	return good;
}

static bool repair(uint64_t seed)
{
	struct dice dice = { seed };
	struct net *net = net_new(dice_next(&dice));
	const struct topology_plan plan = {
		.shape = dice_chance(&dice, 0.5) ? SHAPE_RING : SHAPE_MESH,
		.n_routers = dice_between(&dice, 4, 10),
		.n_hosts = 2,
		.unequal_costs = true,
		.link = net_link_default,
	};
	struct topology topology = make(net, &plan, &dice);
	uint32_t from = topology_host(&topology, 0), to = topology_host(&topology, 1);
	bool multicast = dice_chance(&dice, 0.5), good = true;
	struct address destination = multicast ? net_group_address(1, AF_INET6)
					       : net_address(net, to, 0, AF_INET6);
	struct rsvp_session session = net_session(&destination, 5000);
	struct net_app *sender = net_app_open(net, from, &session);
	struct net_app *receiver = net_app_open(net, to, &session);

	if (multicast)
		net_app_join(receiver);
	net_app_reserve_wf(receiver, &flowspec);
	net_app_send(sender, PORT, &flowspec.tspec);
	net_run_for(net, repair_us(net));
	good = judge_receiver(net, receiver, sender);
	for (unsigned i = 0; i < 5 && good; i++)
		good = cut(net, &topology, &dice, sender, receiver);
	good = good && judge_settled(net);
	net_free(net);
	return good;
}

static void local_repair(void **state)
{
	assert_true(seeds_run("local_repair", 120, repair));
}

/* ---- circles ---- */

static bool circle(uint64_t seed)
{
	struct dice dice = { seed };
	struct net *net = net_new(dice_next(&dice));
	const struct topology_plan plan = {
		.shape = SHAPE_RING,
		.n_routers = dice_between(&dice, 3, 8),
		.n_hosts = 8,
		.link = net_link_default,
	};
	struct topology topology = make(net, &plan, &dice);
	struct address group = net_group_address(1, AF_INET);
	struct rsvp_session session = net_session(&group, 5000);
	bool good;

	/* Everybody listens, so that Paths go everywhere; half of them send, the others reserve. */
	for (uint32_t i = 0; i < plan.n_hosts; i++) {
		struct net_app *app = net_app_open(net, topology_host(&topology, i), &session);

		net_app_join(app);
		app->stays = false;
		if (i % 2 == 0)
			net_app_send(app, PORT, &flowspec.tspec);
		else
			net_app_reserve_wf(app, &flowspec);
	}
	net_run_for(net, judge_settling_us(net));
	good = judge_settled(net);
	for (uint32_t i = 1; i < plan.n_hosts; i += 2) {
		if (dice_chance(&dice, 0.5))
			net_node_set_up(net, topology_host(&topology, i), false);
		for (struct net_app *app = net->apps; app; app = app->all_next)
			if (app->node == topology_host(&topology, i) && app->app)
				net_app_release(app);
	}
	net_run_for(net, judge_settling_us(net));
	good = good && judge_settled(net);
	for (uint32_t i = 0; i < net->n_nodes; i++)
		if (net->nodes[i]->ledger.count > 0)
			good = complain(net->nodes[i], "reservations keep each other alive");
	net_free(net);
	return good;
}

static void circles(void **state)
{
	assert_true(seeds_run("circles", 60, circle));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_repair),
		cmocka_unit_test(circles),
	};

	seeds_choose_test();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
