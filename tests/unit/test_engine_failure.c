/* SPDX-License-Identifier: MIT */
/*
 * test_engine_failure.c: the datapath says no at each step of each verb. Then nothing has been done
 * by halves: what stood before stands, and the books say so. Q-220.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "world.h"

static struct world *world;
static struct owner *mine, *other;
static struct address d1, d2;

static int set_up(void **state)
{
	(void)state;
	world = world_new(NULL);
	mine = world_owner(world, UID_ROOT);
	other = world_owner(world, UID_OTHER);
	owner_watch(world->engine, mine);
	d1 = world_address("198.51.100.1", 5060);
	d2 = world_address("198.51.100.2", 5060);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	engine_owner_remove(world->engine, mine, world->now_us);
	engine_owner_remove(world->engine, other, world->now_us);
	world_check_empty(world);
	world_free(world);
	return 0;
}

static int try_add(uint64_t cookie, const struct address *destination, uint32_t *id)
{
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };
	struct engine_socket socket = world_socket(cookie);

	return engine_add(world->engine, mine, &socket, destination, &request, id, world->now_us);
}

static int dscp(uint64_t cookie)
{
	return fake_dscp(&world->datapath, cookie, &d1);
}

static void first_add(void **state)
{
	static const int errors[] = { -EOPNOTSUPP, -ENOMEM, -ENOSPC, -ENOENT, -EIO };
	uint32_t id = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		fake_fail(&world->datapath, 1, 1, errors[i]);
		assert_int_equal(try_add(1, &d1, &id), errors[i]);
		assert_int_equal(id, 0);
		world_check_empty(world);
	}
	assert_int_equal(engine_counters(world->engine)->refused_datapath, 1);
	assert_int_equal(engine_counters(world->engine)->flows_added, 0);
	assert_int_equal(engine_counters(world->engine)->entries_added, 0);
	assert_int_equal(engine_counters(world->engine)->flows_ended, 0);
	assert_int_equal(world->n_events, 0);
}

static void further_socket(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	world_forget(world);
	fake_fail(&world->datapath, 1, 1, -EOPNOTSUPP);
	assert_int_equal(try_add(2, &d1, &id), -EOPNOTSUPP);
	fake_fail(&world->datapath, 1, 1, -EOPNOTSUPP);
	assert_int_equal(try_add(1, &d2, &id), -EOPNOTSUPP);
	world_check(world);
	assert_int_equal(dscp(1), 56);
	assert_int_equal(world->datapath.n_marks, 1);
	assert_int_equal(world->n_events, 0);
}

/* Over a flow of another: that one's mark stays in force. */
static void over_another(void **state)
{
	uint32_t id = 0;

	(void)state;
	world_add(world, other, 1, &d1, GW_CLASS_BACKGROUND, 0);
	fake_fail(&world->datapath, 1, 1, -EIO);
	assert_int_equal(try_add(1, &d1, &id), -EIO);
	assert_int_equal(dscp(1), 8);
	world_check(world);
}

static struct gw_flow_info info_of(uint32_t id)
{
	struct gw_flow_info info;

	assert_int_equal(engine_query(world->engine, mine, id, &info), 0);
	return info;
}

/* A change of a flow with four sockets fails at each of them in turn: all four are as before. */
static void change_of_several(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	for (uint64_t cookie = 2; cookie <= 4; cookie++)
		world_attach(world, mine, id, cookie, &d1);
	world_forget(world);
	for (unsigned at = 1; at <= 4; at++) {
		fake_fail(&world->datapath, at, 1, -EOPNOTSUPP);
		assert_int_equal(engine_set_class(world->engine, mine, id, GW_CLASS_BACKGROUND, 0),
				 -EOPNOTSUPP);
		world_check(world);
		fake_fail(&world->datapath, at, 1, -EIO);
		assert_int_equal(engine_set_dscp(world->engine, mine, id, 46, 0), -EIO);
		world_check(world);
		fake_fail(&world->datapath, at, 1, -EIO);
		assert_int_equal(engine_set_rate(world->engine, mine, id, 0, 0, 0, NULL, 0), -EIO);
		world_check(world);
		for (uint64_t cookie = 1; cookie <= 4; cookie++)
			assert_int_equal(dscp(cookie), 56);
		assert_int_equal(info_of(id).traffic_class, GW_CLASS_VOICE);
		assert_int_equal(info_of(id).dscp_set, GW_DSCP_FROM_CLASS);
		assert_int_equal(info_of(id).conformant_dscp, 56);
	}
	assert_int_equal(world->n_events, 0);
	fake_fail(&world->datapath, 5, 1, -EIO);
	assert_int_equal(engine_set_class(world->engine, mine, id, GW_CLASS_BACKGROUND, 0), 0);
	assert_int_equal(dscp(4), 8);
}

/* A rate that makes an adaptive flow mark, or no longer: the flow beneath is part of the change. */
static void change_of_claims(void **state)
{
	uint32_t id;

	(void)state;
	world_add(world, other, 1, &d1, GW_CLASS_BACKGROUND, 0);
	id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);
	fake_fail(&world->datapath, 1, 1, -EIO);
	assert_int_equal(engine_set_rate(world->engine, mine, id, GW_RATE_MINIMUM, 1, 0, NULL, 0),
			 -EIO);
	assert_int_equal(dscp(1), 8);
	world_check(world);
	assert_int_equal(engine_set_rate(world->engine, mine, id, GW_RATE_MINIMUM, 1, 0, NULL, 0),
			 0);
	assert_int_equal(dscp(1), 56);
	fake_fail(&world->datapath, 1, 1, -EIO);
	assert_int_equal(engine_set_rate(world->engine, mine, id, 0, 1, 0, NULL, 0), -EIO);
	assert_int_equal(dscp(1), 56);
	world_check(world);
}

/* Not even the way back works: then those that cannot have their mark have none, not a wrong one. */
static void change_and_way_back(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	world_attach(world, mine, id, 2, &d1);
	world_attach(world, mine, id, 3, &d1);
	fake_fail(&world->datapath, 3, 2, -EIO); /* the third socket, then the first one's return */
	assert_int_equal(engine_set_class(world->engine, mine, id, GW_CLASS_BACKGROUND, 0), -EIO);
	assert_null(fake_find(&world->datapath, 1, &d1));
	assert_int_equal(dscp(2), 56);
	assert_int_equal(dscp(3), 56);
	/* The next change finds it again. */
	assert_int_equal(engine_set_class(world->engine, mine, id, GW_CLASS_AUDIO_VIDEO, 0), 0);
	assert_int_equal(dscp(1), 40);
	world_check(world);
}

/* A socket that has closed in the kernel does not keep the flow's other sockets from a change. */
static void change_with_a_closed_socket(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	world_attach(world, mine, id, 2, &d1);
	fake_close_socket(&world->datapath, 1);
	assert_int_equal(engine_set_class(world->engine, mine, id, GW_CLASS_BACKGROUND, 0), 0);
	assert_int_equal(dscp(2), 8);
	assert_null(fake_find(&world->datapath, 1, &d1));
	assert_int_equal(engine_end_socket(world->engine, 1, DIRECTION_BOTH, END_CLOSED, 0), 1);
	world_check(world);
}

/* The earlier flow cannot come back: nothing stands there, least of all the mark of the one that ended. */
static void restore_after_an_end(void **state)
{
	uint32_t beneath = world_add(world, other, 1, &d1, GW_CLASS_BACKGROUND, 0);
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	fake_fail(&world->datapath, 1, 1, -EIO);
	assert_int_equal(engine_remove(world->engine, mine, id, 0), 0);
	assert_null(fake_find(&world->datapath, 1, &d1));
	/* It is there still, and its next change makes it effective. */
	assert_int_equal(engine_set_class(world->engine, other, beneath, GW_CLASS_AUDIO_VIDEO, 0),
			 0);
	assert_int_equal(dscp(1), 40);
	world_check(world);
}

static void reconfigure(void **state)
{
	struct engine_config config;
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	world_attach(world, mine, id, 2, &d1);
	world_add(world, mine, 3, &d1, GW_CLASS_VOICE, 0);
	engine_config_default(&config);
	config.profile = mark_profile_rfc4594;
	fake_fail(&world->datapath, 1, 1, -EIO);
	engine_reconfigure(world->engine, &config);
	assert_int_equal(dscp(1), 56); /* one keeps the old mark, the others do not wait for it */
	assert_int_equal(dscp(2), 46);
	assert_int_equal(dscp(3), 46);
	engine_reconfigure(world->engine, &config);
	assert_int_equal(dscp(1), 46);
	world_check(world);
}

static void programs(void **state)
{
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };
	struct datapath_treatment treatment = { .traffic_class = GW_CLASS_VOICE };
	struct engine_owner_info info = { .uid = UID_USER };
	uint32_t id = 0;

	(void)state;
	fake_fail(&world->datapath, 1, 1, -EIO);
	assert_int_equal(engine_run(world->engine, mine, &request, 0, &id, 0), -EIO);
	assert_int_equal(id, 0);
	assert_int_equal(world->n_ended_groups, 1);
	world_check_empty(world);
	fake_fail(&world->datapath, 1, 1, -EIO);
	assert_int_equal(engine_adopt_group(world->engine, 7, &treatment, NULL, &info, 0), -EIO);
	world_check_empty(world);
	assert_int_equal(world->n_events, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_add),
		TEST(further_socket),
		TEST(over_another),
		TEST(change_of_several),
		TEST(change_of_claims),
		TEST(change_and_way_back),
		TEST(change_with_a_closed_socket),
		TEST(restore_after_an_end),
		TEST(reconfigure),
		TEST(programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
