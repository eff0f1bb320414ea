/* SPDX-License-Identifier: MIT */
/* test_sim_large.c: a thousand nodes with some hundred sessions. GW_SIM_MINUTES: how long they live (10). */
#include "judge.h"
#include "scenario.h"
#include "seeds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool live(uint64_t seed)
{
	struct scenario_plan plan = scenario_plan_default;
	const char *minutes = getenv("GW_SIM_MINUTES");
	uint64_t for_us = 60 * SECOND * (minutes ? strtoul(minutes, NULL, 10) : 10);
	const unsigned deeds = 1500;
	struct scenario *scenario;
	bool good = true;

	plan.routers_min = plan.routers_max = 600;
	plan.hosts_min = plan.hosts_max = 400;
	plan.sessions_min = plan.sessions_max = 500;
	plan.multicast = 0.05;
	plan.refresh_ms = 30000;
	plan.weights[DEED_CUT] = 1;
	plan.weights[DEED_MEND] = 2;
	plan.weights[DEED_RESTART] = 1;
	plan.loss = 0.02;
	plan.shapes = 1 << SHAPE_TREE | 1 << SHAPE_MESH | 1 << SHAPE_LANS;
	scenario = scenario_new(seed, &plan);
	scenario->judges_seldom = true;
	good = scenario_storm(scenario, deeds, for_us / deeds);
	scenario_calm(scenario);
	good = good && judge_settled(scenario->net);
	good = good && judge_rate(scenario->net, 3 * scenario->refresh_us);
	printf("%u nodes, %llu packets in %.0f s\n", scenario->net->n_nodes,
	       (unsigned long long)scenario->net->n_packets, (double)scenario->net->now_us / 1e6);
	scenario_end(scenario);
	good = good && judge_quiet(scenario->net);
	scenario_free(scenario);
	return good;
}

static void a_thousand_nodes(void **state)
{
	assert_true(seeds_run("a_thousand_nodes", 1, live));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thousand_nodes),
	};

	seeds_choose_test();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
