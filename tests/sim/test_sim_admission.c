/* SPDX-License-Identifier: MIT */
/*
 * test_sim_admission.c: networks whose links do not have room for everybody. Whoever asks for too much hears of it,
 * and keeps nobody else from what fits (R-133, R-136..R-139, R-150..R-158; RFC 2205 §3.5).
 */
#include "judge.h"
#include "scenario.h"
#include "seeds.h"

#include "complaint.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PORT 6000
#define SMALL 10000.0f
#define LARGE 80000.0f
#define ROOM 50000.0

/*
 * One sender, routers in a line, one link between two of them that has little room, and behind it receivers that ask
 * for more than that, beside others that ask for little.
 */
struct line {
	struct net *net;
	enum rsvp_style style;
	struct net_app *sender;
	struct net_app *receivers[4]; /* the first two ask for little */
};

static bool is_small(unsigned receiver)
{
	return receiver < 2;
}

static uint32_t make_routers(struct line *line, struct dice *dice, uint32_t *ret_narrow)
{
	struct net_link_how how = net_link_default;
	uint32_t n = dice_between(dice, 3, 6);

	for (uint32_t i = 0; i < n; i++)
		net_add_node(line->net, NET_ROUTER);
	*ret_narrow = dice_below(dice, n - 1);
	for (uint32_t i = 0; i + 1 < n; i++) {
		how.reservable_bytes_per_s = i == *ret_narrow ? ROOM : INFINITY;
		net_add_link(line->net, &how, 2, (uint32_t[]){ i, i + 1 });
	}
	return n;
}

static struct net_app *place(struct line *line, uint32_t router, const struct rsvp_session *session)
{
	uint32_t host = net_add_node(line->net, NET_HOST);

	net_connect(line->net, host, router);
	return net_app_open(line->net, host, session);
}

static void make_line(struct line *line, struct dice *dice)
{
	static const enum rsvp_style styles[] = { RSVP_STYLE_WF, RSVP_STYLE_FF, RSVP_STYLE_SE };
	struct address group = net_group_address(1, AF_INET);
	struct rsvp_session session = net_session(&group, 5000);
	uint32_t n_routers, narrow;
	struct rsvp_interface setting;

	line->net = net_new(dice_next(dice));
	line->style = styles[dice_below(dice, 3)];
	n_routers = make_routers(line, dice, &narrow);
	line->sender = place(line, dice_between(dice, 0, narrow), &session);
	for (unsigned i = 0; i < 4; i++)
		line->receivers[i] =
			place(line, dice_between(dice, narrow + 1, n_routers - 1), &session);
	rsvp_interface_default(&setting);
	setting.reduce_refreshes = false;
	net_set_interfaces(line->net, &setting);
	net_build(line->net);
}

static void join(const struct line *line, unsigned receiver)
{
	const struct rsvp_sender sender = net_sender(line->net, line->sender->node, AF_INET, PORT);
	struct net_app *app = line->receivers[receiver];
	float rate = is_small(receiver) ? SMALL : LARGE;
	const struct rsvp_flowspec flowspec = {
		.tspec = { .r = rate, .b = 3000, .p = rate, .m = 64, .M = 1000 },
		.service = FLOWSPEC_CONTROLLED_LOAD,
	};

	net_app_join(app);
	if (line->style == RSVP_STYLE_WF)
		net_app_reserve_wf(app, &flowspec);
	else if (line->style == RSVP_STYLE_FF)
		net_app_reserve_ff(app, &flowspec, 1, &sender);
	else
		net_app_reserve_se(app, &flowspec, 1, &sender);
}

/* For a while that blockades begin and end in, whoever asks for little has it. */
static bool watch(const struct line *line, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		net_run_for(line->net, SECOND);
		if (!judge_books(line->net) ||
		    !judge_receiver(line->net, line->receivers[0], line->sender) ||
		    !judge_receiver(line->net, line->receivers[1], line->sender))
			return false;
	}
	return true;
}

static bool judge_errors(const struct line *line)
{
	bool good = true;

	for (unsigned i = 0; i < 4; i++) {
		const struct net_app *app = line->receivers[i];
		const struct net_node *node = line->net->nodes[app->node];

		if (is_small(i) && app->refused > 0 && !app->last_not_guilty)
			good = complain(node, "was told that it asks for too much");
		if (!is_small(i) && (app->refused == 0 || app->last_not_guilty))
			good = complain(node, "was not told that it asks for too much");
		if (app->refused > 0 && app->last_error.value != RSVP_ADMISSION_BANDWIDTH)
			good = complain(node, "was told something else than that there is no room");
	}
	return good;
}

static bool ask_for_too_much(uint64_t seed)
{
	const struct rsvp_tspec tspec = { .r = LARGE, .b = 3000, .p = LARGE, .m = 64, .M = 1000 };
	struct dice dice = { seed };
	struct line line;
	unsigned first;
	bool good;

	make_line(&line, &dice);
	net_app_send(line.sender, PORT, &tspec);
	first = dice_below(&dice, 4);
	for (unsigned i = 0; i < 4; i++) {
		join(&line, (first + i) % 4);
		net_run_for(line.net, dice_below(&dice, 20000) * MS);
	}
	/* A router learns what is refused further up when that is asked for again. */
	net_run_for(line.net, 2 * 1500 * line.net->nodes[0]->setting.refresh_ms);
	good = watch(&line, 400) && judge_errors(&line);
	/* With the others gone everything fits, and the sender learns what there is. */
	for (unsigned i = 2; i < 4; i++)
		net_app_close(line.receivers[i]);
	good = good && watch(&line, 30);
	net_run_for(line.net, judge_settling_us(line.net));
	good = good && judge_settled(line.net);
	for (struct net_app *app = line.net->apps; app; app = app->all_next)
		net_app_close(app);
	net_run_for(line.net, judge_settling_us(line.net));
	good = good && judge_quiet(line.net);
	net_free(line.net);
	return good;
}

static void asking_for_too_much(void **state)
{
	assert_true(seeds_run("asking_for_too_much", 60, ask_for_too_much));
}

/* Random networks with little room everywhere: the books are right, nobody storms, nothing is left. */
static bool share_little(uint64_t seed)
{
	struct scenario_plan plan = scenario_plan_default;
	struct scenario *scenario;
	bool good;

	plan.room = 60000;
	plan.loss = 0.1;
	plan.weights[DEED_CUT] = 3;
	plan.weights[DEED_MEND] = 4;
	plan.weights[DEED_COST] = 3;
	plan.weights[DEED_RESTART] = 2;
	scenario = scenario_new(seed, &plan);
	good = scenario_storm(scenario, 60, scenario->refresh_us / 3);
	scenario_calm(scenario);
	good = good && judge_books(scenario->net);
	good = good && judge_no_storm(scenario->net, 10 * scenario->refresh_us);
	scenario_end(scenario);
	good = good && judge_quiet(scenario->net);
	scenario_free(scenario);
	return good;
}

static void sharing_little(void **state)
{
	assert_true(seeds_run("sharing_little", 150, share_little));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asking_for_too_much),
		cmocka_unit_test(sharing_little),
	};

	seeds_choose_test();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
