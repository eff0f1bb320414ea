/* SPDX-License-Identifier: MIT */
/*
 * test_engine_admit.c: rates of adaptive flows, which the path must have (spec/qwave.md §5.5). The host that knows
 * whether it has is fake_measuring.h.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "measured_world.h"

#define SECOND UINT64_C(1000000)
#define MEGABIT UINT64_C(1000000)

static struct world *world;
static struct fake_measuring measuring;
static struct owner *mine;
static struct address d1;
static uint32_t id;
static struct measured *measured;

static int set_up(void **state)
{
	(void)state;
	world = measured_world_new(&measuring);
	mine = world_owner(world, UID_USER);
	d1 = world_address("198.51.100.1", 5060);
	id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);
	measured = fake_measured(&measuring, &d1);
	engine_path_event(world->engine, measured->path, MEASURING_EVENT_SUPPORTED, world->now_us);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	measured_world_end(world, &measuring);
	return 0;
}

static int set(uint64_t rate_bps, const struct engine_wait *wait)
{
	return engine_set_rate(world->engine, mine, id, rate_bps, GW_SHAPE_AND_MARK, 0, wait,
			       world->now_us);
}

/* A request that is answered when it has ended; `serial` names it. */
static int request(uint64_t rate_bps, uint32_t serial)
{
	return set(rate_bps, &(struct engine_wait){ .is_request = true, .serial = serial });
}

static int begin(uint64_t rate_bps, uint64_t token)
{
	return set(rate_bps, &(struct engine_wait){ .token = token });
}

static uint64_t rate_bps(void)
{
	struct gw_flow_info info;

	assert_int_equal(engine_query(world->engine, mine, id, &info), 0);
	return info.rate_bps;
}

static int dscp(void)
{
	return fake_dscp(&world->datapath, 1, &d1);
}

static void answer(size_t wish, int status)
{
	engine_path_admitted(world->engine, measured->path, measured->wishes[wish].wish.token,
			     status, world->now_us);
}

/* refused at once; the earlier rate stays, and who had none is unmarked. */
static void refused(void **state)
{
	(void)state;
	measured->admit_status = -EBUSY;
	assert_int_equal(request(20 * MEGABIT, 1), -EDQUOT);
	assert_true(rate_bps() == 0);
	assert_int_equal(dscp(), -1);
	measured->admit_status = 0;
	assert_int_equal(request(MEGABIT, 2), 0);
	assert_int_equal(dscp(), 56);
	measured->admit_status = -EBUSY;
	assert_int_equal(request(20 * MEGABIT, 3), -EDQUOT);
	assert_true(rate_bps() == MEGABIT);
	assert_int_equal(dscp(), 56);
	measured->admit_status = -EAGAIN;
	assert_int_equal(request(20 * MEGABIT, 4), -EAGAIN);
	assert_int_equal(engine_counters(world->engine)->refused_admission, 2);
	assert_int_equal(measured->n_wishes, 4);
	assert_true(measured->wishes[3].wish.current_bps == MEGABIT);
	assert_true(measured->wishes[3].wish.wanted_bps == 20 * MEGABIT);
}

/* The answer takes a while: until then nothing is changed. */
static void admitted_later(void **state)
{
	(void)state;
	assert_int_equal(request(5 * MEGABIT, 1), 1);
	assert_true(rate_bps() == 0);
	assert_int_equal(dscp(), -1);
	world_pass(world, SECOND);
	assert_int_equal(world->n_completions, 0);
	answer(0, 0);
	assert_int_equal(world_completions_of(world, 1, 0), 1);
	assert_true(rate_bps() == 5 * MEGABIT);
	assert_int_equal(dscp(), 56);
	answer(0, -EBUSY); /* once is enough */
	assert_int_equal(world->n_completions, 1);
	assert_int_equal(request(6 * MEGABIT, 2), 1);
	answer(1, -EBUSY);
	assert_int_equal(world_completions_of(world, 2, -EDQUOT), 1);
	assert_int_equal(request(6 * MEGABIT, 3), 1);
	answer(2, -EAGAIN);
	assert_int_equal(world_completions_of(world, 3, -EAGAIN), 1);
	assert_true(rate_bps() == 5 * MEGABIT);
	assert_int_equal(request(6 * MEGABIT, 4), 1);
	answer(3, -EOPNOTSUPP);
	assert_int_equal(world_completions_of(world, 4, 0), 1);
	assert_true(rate_bps() == 6 * MEGABIT);
}

/* still unknown when the time is over. */
static void never_answered(void **state)
{
	(void)state;
	assert_int_equal(request(5 * MEGABIT, 1), 1);
	world_pass(world, 2 * SECOND);
	world_pass(world, SECOND / 4);
	assert_int_equal(world_completions_of(world, 1, -EDQUOT), 1);
	assert_true(measured->wishes[0].forgotten);
	answer(0, 0);
	assert_true(rate_bps() == 0);
}

/* What does not grow is never asked for; nothing and the default minimum are no exception. */
static void lowering(void **state)
{
	(void)state;
	measured->admit_status = 0;
	assert_int_equal(request(5 * MEGABIT, 1), 0);
	measured->admit_status = -EBUSY;
	assert_int_equal(request(5 * MEGABIT, 2), 0);
	assert_int_equal(request(4 * MEGABIT, 3), 0);
	assert_int_equal(request(GW_RATE_MINIMUM, 4), 0);
	assert_int_equal(measured->n_wishes, 1);
	assert_int_equal(request(63000, 5), 0);
	assert_int_equal(request(GW_RATE_NONE, 6), 0);
	assert_int_equal(dscp(), -1);
	assert_int_equal(request(GW_RATE_MINIMUM, 7), -EDQUOT);
	assert_int_equal(measured->n_wishes, 2);
	assert_true(measured->wishes[1].wish.wanted_bps == 64000);
}

/* no admission where there is nobody to measure with. Q-122: nor for others. */
static void without_admission(void **state)
{
	uint32_t plain = world_add(world, mine, 2, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	measured->admit_status = -EBUSY;
	assert_int_equal(engine_set_rate(world->engine, mine, plain, 20 * MEGABIT, 1, 0, NULL,
					 world->now_us),
			 0);
	assert_int_equal(request(20 * MEGABIT, 1), -EDQUOT);
	engine_path_event(world->engine, measured->path, MEASURING_EVENT_UNSUPPORTED,
			  world->now_us);
	assert_int_equal(request(20 * MEGABIT, 2), 0);
	world->on_link = false;
	assert_int_equal(request(30 * MEGABIT, 3), 0);
	assert_int_equal(measured->n_wishes, 1);
}

/* Who could admit goes while a wish waits. */
static void support_is_lost(void **state)
{
	(void)state;
	assert_int_equal(request(5 * MEGABIT, 1), 1);
	engine_path_event(world->engine, measured->path, MEASURING_EVENT_UNSUPPORTED,
			  world->now_us);
	assert_int_equal(world_completions_of(world, 1, 0), 1);
	assert_true(measured->wishes[0].forgotten);
	assert_true(rate_bps() == 5 * MEGABIT);
}

/* One after the other, and the last that was said is in force at the end; spec §5.5: 170 for tokens only. */
static void in_turn(void **state)
{
	(void)state;
	assert_int_equal(begin(5 * MEGABIT, 10), 1);
	assert_int_equal(begin(6 * MEGABIT, 11), -EALREADY);
	assert_int_equal(request(7 * MEGABIT, 1), 1);
	assert_int_equal(request(MEGABIT, 2), 1);
	assert_int_equal(measured->n_wishes, 1);
	answer(0, 0);
	assert_int_equal(world_completions_of(world, 10, 0), 1);
	assert_int_equal(measured->n_wishes, 2);
	assert_true(measured->wishes[1].wish.current_bps == 5 * MEGABIT);
	assert_int_equal(world->n_completions, 1);
	answer(1, 0);
	assert_int_equal(world_completions_of(world, 1, 0), 1);
	assert_int_equal(world_completions_of(world, 2, 0), 1);
	assert_int_equal(measured->n_wishes, 2);
	assert_true(rate_bps() == MEGABIT);
	assert_int_equal(begin(6 * MEGABIT, 11), 1);
	assert_int_equal(begin(6 * MEGABIT, 11), -EALREADY);
}

/* What waits ends with the flow, or by its owner's word: nothing of it takes effect. */
static void ended(void **state)
{
	(void)state;
	assert_int_equal(begin(5 * MEGABIT, 10), 1);
	assert_int_equal(request(6 * MEGABIT, 1), 1);
	assert_int_equal(engine_cancel(world->engine, mine, 10, world->now_us), 0);
	assert_int_equal(world_completions_of(world, 10, -ECANCELED), 1);
	assert_true(measured->wishes[0].forgotten);
	assert_int_equal(measured->n_wishes, 2);
	assert_int_equal(engine_remove(world->engine, mine, id, world->now_us), 0);
	assert_int_equal(world_completions_of(world, 1, -ECANCELED), 1);
	assert_true(measured->wishes[1].forgotten);
	assert_int_equal(dscp(), -1);
}

/* Who cannot wait is not kept waiting. */
static void cannot_wait(void **state)
{
	(void)state;
	assert_int_equal(set(5 * MEGABIT, NULL), -EAGAIN);
	assert_true(measured->wishes[0].forgotten);
	assert_int_equal(request(5 * MEGABIT, 1), 1);
	assert_int_equal(set(5 * MEGABIT, NULL), -EAGAIN);
}

/* The path is another one: what was asked there is asked here. */
static void moves(void **state)
{
	struct measured *before = measured;
	struct gw_path_info info;

	(void)state;
	assert_int_equal(request(5 * MEGABIT, 1), 1);
	world->ifindex = 3;
	engine_query_path(world->engine, mine, id, 0, NULL, &info, world->now_us);
	assert_true(before->wishes[0].forgotten);
	measured = fake_measured(&measuring, &d1);
	assert_int_equal(measured->n_wishes, 1);
	answer(0, 0);
	assert_int_equal(world_completions_of(world, 1, 0), 1);
	assert_int_equal(request(6 * MEGABIT, 2), 1);
	engine_set_measuring(world->engine, NULL, world->now_us);
	assert_int_equal(world_completions_of(world, 2, 0), 1);
}

/* Descriptors come with the second question, which is answered at once. */
static void granted(void **state)
{
	(void)state;
	world->descriptors = true;
	assert_int_equal(request(5 * MEGABIT, 1), 1);
	answer(0, 0);
	assert_int_equal(world_completions_of(world, 1, 0), 1);
	assert_true(world->completions[0].granted);
	assert_true(rate_bps() == 0);
	assert_int_equal(request(6 * MEGABIT, 2), 1); /* another one */
	answer(1, -EBUSY);
	assert_int_equal(request(5 * MEGABIT, 3), 0);
	assert_true(rate_bps() == 5 * MEGABIT);
	assert_int_equal(request(7 * MEGABIT, 4), 1);
	answer(2, 0);
	world_pass(world, 10 * SECOND);
	assert_int_equal(request(7 * MEGABIT, 5), 1); /* that was long ago */
	assert_int_equal(measured->n_wishes, 4);
}

/* The datapath refuses what the path would have had. */
static void fails_in_the_end(void **state)
{
	(void)state;
	assert_int_equal(request(5 * MEGABIT, 1), 1);
	fake_fail(&world->datapath, 1, 1, -EIO);
	answer(0, 0);
	assert_int_equal(world_completions_of(world, 1, -EIO), 1);
	assert_true(rate_bps() == 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(refused),		 TEST(admitted_later),
		TEST(never_answered),	 TEST(lowering),
		TEST(without_admission), TEST(support_is_lost),
		TEST(in_turn),		 TEST(ended),
		TEST(cannot_wait),	 TEST(moves),
		TEST(granted),		 TEST(fails_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
