/* SPDX-License-Identifier: MIT */
/*
 * test_sim_chaos.c: random networks in which senders and receivers come and go, and things go wrong. When it has
 * stopped, everything that should be reserved is, exactly, and nothing else; refreshes come at their rate; and when
 * all have gone, nothing is left.
 */
#include "judge.h"
#include "scenario.h"
#include "seeds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Most go wrong where little is enough for it: four of five networks are small, so that there may be many. */
static void make_small(struct scenario_plan *plan)
{
	plan->routers_max = 4;
	plan->hosts_min = 2;
	plan->hosts_max = 4;
	plan->sessions_max = 2;
}

static bool run(uint64_t seed, const struct scenario_plan *usual, unsigned deeds)
{
	struct scenario_plan plan = *usual;
	struct scenario *scenario;
	unsigned storms;
	bool good = true;

	if (seed % 5 != 0) {
		make_small(&plan);
		deeds /= 2;
	}
	scenario = scenario_new(seed, &plan);
	storms = dice_between(&scenario->dice, 1, 3);
	for (unsigned i = 0; i < storms && good; i++) {
		good = scenario_storm(scenario, deeds, scenario->refresh_us / 3);
		scenario_calm(scenario);
		good = good && judge_settled(scenario->net);
		good = good && judge_rate(scenario->net, 5 * scenario->refresh_us);
	}
	if (good) {
		scenario_end(scenario);
		good = judge_quiet(scenario->net);
	}
	scenario_free(scenario);
	return good;
}

/* Nothing goes wrong: ..R-128, merging of WF, FF and SE on the way. */
static bool join_and_leave(uint64_t seed)
{
	return run(seed, &scenario_plan_default, 30);
}

static void joining_and_leaving(void **state)
{
	assert_true(seeds_run("joining_and_leaving", 180, join_and_leave));
}

/* what is lost is repeated. */
static bool lose(uint64_t seed)
{
	struct scenario_plan plan = scenario_plan_default;

	plan.loss = 0.3;
	plan.duplicate = 0.2;
	plan.reorder = 0.5;
	return run(seed, &plan, 30);
}

static void losing_packets(void **state)
{
	assert_true(seeds_run("losing_packets", 180, lose));
}

/* R-170..R-177: routes change, links fail, networks fall apart. */
static bool move(uint64_t seed)
{
	struct scenario_plan plan = scenario_plan_default;

	plan.weights[DEED_CUT] = 8;
	plan.weights[DEED_MEND] = 10;
	plan.weights[DEED_COST] = 8;
	plan.two_homes = 0.4;
	return run(seed, &plan, 40);
}

static void changing_routes(void **state)
{
	assert_true(seeds_run("changing_routes", 180, move));
}

/* whoever crashes says nothing. */
static bool crash(uint64_t seed)
{
	struct scenario_plan plan = scenario_plan_default;

	plan.weights[DEED_CRASH] = 6;
	plan.weights[DEED_RETURN] = 8;
	plan.weights[DEED_RESTART] = 6;
	return run(seed, &plan, 40);
}

static void crashing(void **state)
{
	assert_true(seeds_run("crashing", 180, crash));
}

/* routers on the way that know no RSVP. */
static bool be_plain(uint64_t seed)
{
	struct scenario_plan plan = scenario_plan_default;

	plan.plain = 0.5;
	plan.weights[DEED_COST] = 4;
	return run(seed, &plan, 30);
}

static void plain_routers(void **state)
{
	assert_true(seeds_run("plain_routers", 180, be_plain));
}

static bool suffer_everything(uint64_t seed)
{
	struct scenario_plan plan = scenario_plan_default;

	plan.loss = 0.3;
	plan.duplicate = 0.2;
	plan.reorder = 0.5;
	plan.plain = 0.3;
	plan.two_homes = 0.3;
	plan.weights[DEED_CUT] = 5;
	plan.weights[DEED_MEND] = 6;
	plan.weights[DEED_COST] = 5;
	plan.weights[DEED_CRASH] = 4;
	plan.weights[DEED_RETURN] = 6;
	plan.weights[DEED_RESTART] = 4;
	return run(seed, &plan, 60);
}

static void everything(void **state)
{
	assert_true(seeds_run("everything", 180, suffer_everything));
}

/* ---- refreshes reduced (RFC 2961), messages signed (RFC 2747) ---- */

static struct scenario_plan troubled_plan(void)
{
	struct scenario_plan plan = scenario_plan_default;

	plan.loss = 0.2;
	plan.duplicate = 0.1;
	plan.reorder = 0.3;
	plan.plain = 0.2;
	plan.two_homes = 0.2;
	plan.weights[DEED_CUT] = 4;
	plan.weights[DEED_MEND] = 5;
	plan.weights[DEED_COST] = 4;
	plan.weights[DEED_CRASH] = 3;
	plan.weights[DEED_RETURN] = 5;
	plan.weights[DEED_RESTART] = 4;
	return plan;
}

/* R-223..R-239: summaries keep alive what messages have made, and nothing else. */
static bool summarise(uint64_t seed)
{
	struct scenario_plan plan = scenario_plan_default;

	plan.reduction = SCENARIO_REDUCED;
	return run(seed, &plan, 30);
}

static void summaries(void **state)
{
	assert_true(seeds_run("summaries", 180, summarise));
}

static bool summarise_in_trouble(uint64_t seed)
{
	struct scenario_plan plan = troubled_plan();

	plan.reduction = SCENARIO_REDUCED;
	return run(seed, &plan, 50);
}

static void summaries_in_trouble(void **state)
{
	assert_true(seeds_run("summaries_in_trouble", 180, summarise_in_trouble));
}

/* some can, some cannot. */
static bool mix(uint64_t seed)
{
	struct scenario_plan plan = troubled_plan();

	plan.reduction = SCENARIO_MIXED;
	return run(seed, &plan, 50);
}

static void some_reduce(void **state)
{
	assert_true(seeds_run("some_reduce", 180, mix));
}

/* R-061..R-067: hosts that have nothing but UDP, beside others. */
static bool encapsulate(uint64_t seed)
{
	struct scenario_plan plan = troubled_plan();

	plan.plain = 0; /* which such hosts would take for a router that speaks RSVP */
	plan.udp_only = 0.5;
	plan.reduction = seed % 3;
	plan.keyed = seed % 4 == 0;
	return run(seed, &plan, 50);
}

static void udp_hosts(void **state)
{
	assert_true(seeds_run("udp_hosts", 180, encapsulate));
}

/* R-245..R-255: nothing that is signed gets lost for that, nor by challenges after a restart. */
static bool sign(uint64_t seed)
{
	struct scenario_plan plan = troubled_plan();

	plan.keyed = true;
	plan.reduction = seed % 3;
	return run(seed, &plan, 50);
}

static void signed_messages(void **state)
{
	assert_true(seeds_run("signed_messages", 180, sign));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joining_and_leaving), cmocka_unit_test(losing_packets),
		cmocka_unit_test(changing_routes),     cmocka_unit_test(crashing),
		cmocka_unit_test(plain_routers),       cmocka_unit_test(everything),
		cmocka_unit_test(summaries),	       cmocka_unit_test(summaries_in_trouble),
		cmocka_unit_test(some_reduce),	       cmocka_unit_test(signed_messages),
		cmocka_unit_test(udp_hosts),
	};

	seeds_choose_test();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
