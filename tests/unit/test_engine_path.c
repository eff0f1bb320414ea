/* SPDX-License-Identifier: MIT */
/*
 * test_engine_path.c: paths of a host that does not measure (yet), and the requests that wait for them, under a clock
 * that the test turns.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "world.h"

#define SECOND UINT64_C(1000000)

static struct world *world;
static struct owner *mine, *other, *root;
static struct address d1, d2;

static int set_up(void **state)
{
	(void)state;
	world = world_new(NULL);
	world->on_link = true;
	mine = world_owner(world, UID_USER);
	other = world_owner(world, UID_USER);
	root = world_owner(world, UID_ROOT);
	d1 = world_address("198.51.100.1", 5060);
	d2 = world_address("2001:db8::2", 5060);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_end(world);
	return 0;
}

static int query_path(struct owner *owner, uint32_t id, uint32_t flags)
{
	struct gw_path_info info;

	return engine_query_path(world->engine, owner, id, flags, NULL, &info, world->now_us);
}

static int notify(struct owner *owner, uint32_t id, uint32_t condition, uint64_t target,
		  uint64_t token)
{
	return engine_notify(world->engine, owner, id, condition, target, token, world->now_us);
}

static uint32_t add_adaptive(uint64_t cookie, const struct address *destination)
{
	return world_add(world, mine, cookie, destination, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);
}

/* nothing yet, for ten seconds; then never. Q-223: a rate is accepted all the same. */
static void discovery_window(void **state)
{
	uint64_t start = world->now_us;
	uint32_t id = add_adaptive(1, &d1);

	(void)state;
	assert_true(engine_next_deadline_us(world->engine) == start + 10 * SECOND);
	assert_int_equal(query_path(mine, id, 0), -ENODATA);
	world_pass(world, 10 * SECOND - 1);
	assert_int_equal(query_path(mine, id, 0), -ENODATA);
	world_pass(world, 1);
	assert_int_equal(query_path(mine, id, 0), -EOPNOTSUPP);
	assert_true(engine_next_deadline_us(world->engine) == UINT64_MAX);
	world_pass(world, 3600 * SECOND);
	assert_int_equal(query_path(mine, id, 0), -EOPNOTSUPP);
	assert_int_equal(query_path(mine, add_adaptive(2, &d1), 0), -EOPNOTSUPP);
	assert_int_equal(engine_set_rate(world->engine, mine, id, GW_RATE_MINIMUM,
					 GW_SHAPE_AND_MARK, 0, NULL, world->now_us),
			 0);
	assert_int_equal(fake_dscp(&world->datapath, 1, &d1), 56);
}

/* Each path has its own deadline; a host is one path, whatever the port. */
static void paths_are_shared(void **state)
{
	struct address same_host = d1;
	uint32_t first = add_adaptive(1, &d1), second, third;

	(void)state;
	same_host.port = 1;
	world_pass(world, 4 * SECOND);
	second = add_adaptive(2, &same_host);
	third = add_adaptive(3, &d2);
	world_pass(world, 6 * SECOND);
	assert_int_equal(query_path(mine, first, 0), -EOPNOTSUPP);
	assert_int_equal(query_path(mine, second, 0), -EOPNOTSUPP);
	assert_int_equal(query_path(mine, third, 0), -ENODATA);
	world_pass(world, 4 * SECOND);
	assert_int_equal(query_path(mine, third, 0), -EOPNOTSUPP);
	/* Forgotten with its last flow: asked for anew, it is looked for anew. */
	assert_int_equal(engine_remove(world->engine, mine, third, world->now_us), 0);
	assert_int_equal(query_path(mine, add_adaptive(3, &d2), 0), -ENODATA);
}

/* non-adaptive, off-link, many receivers. Q-139 */
static void without_support(void **state)
{
	struct address group = world_address("239.1.1.1", 5);
	uint32_t plain = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	uint32_t multicast = add_adaptive(2, &group);
	uint32_t anywhere = add_adaptive(3, NULL);
	uint32_t off_link;

	(void)state;
	world->on_link = false;
	off_link = add_adaptive(4, &d1);
	assert_int_equal(query_path(mine, plain, 0), -EOPNOTSUPP);
	assert_int_equal(query_path(mine, multicast, 0), -EOPNOTSUPP);
	assert_int_equal(query_path(mine, anywhere, 0), -EOPNOTSUPP);
	assert_int_equal(query_path(mine, off_link, 0), -EOPNOTSUPP);
	assert_int_equal(notify(mine, plain, GW_CONDITION_CONGESTED, 0, 1), -EOPNOTSUPP);
	assert_int_equal(notify(mine, off_link, GW_CONDITION_CONGESTED, 0, 1), -EOPNOTSUPP);
	assert_int_equal(query_path(mine, off_link, 2), -EINVAL);
	assert_int_equal(query_path(mine, 4711, 0), -ENOENT);
}

/* FRESH only where it was asked for, and only of one's own. */
static void fresh(void **state)
{
	uint32_t id = add_adaptive(1, &d1);

	(void)state;
	assert_int_equal(query_path(mine, id, GW_PATH_FRESH), -EAGAIN);
	assert_int_equal(query_path(mine, id, 0), -ENODATA);
	assert_int_equal(query_path(root, id, GW_PATH_FRESH), -ENODATA);
	assert_int_equal(query_path(other, id, 0), -ENOENT);
}

/* Q-150..Q-153 */
static void one_request_of_a_kind(void **state)
{
	uint32_t id = add_adaptive(1, &d1), second = add_adaptive(2, &d1);

	(void)state;
	assert_int_equal(notify(mine, id, GW_CONDITION_CONGESTED, 0, 1), 1);
	assert_int_equal(notify(mine, id, GW_CONDITION_CONGESTED, 0, 2), -EEXIST);
	assert_int_equal(notify(mine, id, GW_CONDITION_UNCONGESTED, 0, 2), 1);
	assert_int_equal(notify(mine, id, GW_CONDITION_AVAILABLE, 0, 3), -EINVAL);
	assert_int_equal(notify(mine, id, GW_CONDITION_AVAILABLE, 1, 1), -EBUSY);
	assert_int_equal(notify(mine, id, GW_CONDITION_AVAILABLE, 1, 3), 1);
	assert_int_equal(notify(mine, second, GW_CONDITION_CONGESTED, 0, 4), 1);
	assert_int_equal(notify(mine, id, 3, 0, 5), -EINVAL);
	assert_int_equal(notify(other, id, GW_CONDITION_CONGESTED, 0, 5), -ENOENT);
	assert_int_equal(world->n_completions, 0);
}

/* ..Q-170, Q-234 */
static void cancelling(void **state)
{
	uint32_t id = add_adaptive(1, &d1);

	(void)state;
	assert_int_equal(notify(mine, id, GW_CONDITION_CONGESTED, 0, 7), 1);
	assert_int_equal(engine_cancel(world->engine, mine, 8, 0), -ENOENT);
	assert_int_equal(engine_cancel(world->engine, other, 7, 0), -ENOENT);
	assert_int_equal(world->n_completions, 0);
	assert_int_equal(engine_cancel(world->engine, mine, 7, 0), 0);
	assert_int_equal(world_completions_of(world, 7, -ECANCELED), 1);
	assert_int_equal(engine_cancel(world->engine, mine, 7, 0), -ENOENT);
	assert_int_equal(notify(mine, id, GW_CONDITION_CONGESTED, 0, 7), 1);
	assert_int_equal(engine_remove(world->engine, mine, id, world->now_us), 0);
	assert_int_equal(world_completions_of(world, 7, -ECANCELED), 2);
	assert_int_equal(engine_cancel(world->engine, mine, 7, 0), -ENOENT);
	assert_int_equal(world->n_completions, 2);
}

/* at the deadline all that wait on the path are told, those of other paths are not. */
static void silent_paths_complete_their_requests(void **state)
{
	uint32_t a = add_adaptive(1, &d1), b = add_adaptive(2, &d1), c;

	(void)state;
	assert_int_equal(notify(mine, a, GW_CONDITION_CONGESTED, 0, 1), 1);
	assert_int_equal(notify(mine, b, GW_CONDITION_CONGESTED, 0, 2), 1);
	assert_int_equal(notify(mine, b, GW_CONDITION_AVAILABLE, 5, 3), 1);
	world_pass(world, SECOND);
	c = add_adaptive(3, &d2);
	assert_int_equal(notify(mine, c, GW_CONDITION_CONGESTED, 0, 4), 1);
	world_pass(world, 9 * SECOND);
	for (uint64_t token = 1; token <= 3; token++)
		assert_int_equal(world_completions_of(world, token, -EOPNOTSUPP), 1);
	assert_int_equal(world->n_completions, 3);
	world_pass(world, SECOND);
	assert_int_equal(world_completions_of(world, 4, -EOPNOTSUPP), 1);
	assert_int_equal(world->n_completions, 4);
	assert_int_equal(engine_counters(world->engine)->ops_started, 4);
	assert_int_equal(engine_counters(world->engine)->ops_completed, 4);
	assert_int_equal(engine_counters(world->engine)->ops_canceled, 0);
}

/* The clock may jump over many deadlines at once. */
static void many_deadlines_at_once(void **state)
{
	struct address d = d1;

	(void)state;
	for (uint16_t i = 1; i <= 200; i++) {
		d.addr[15] = (uint8_t)i;
		assert_int_equal(notify(mine, add_adaptive(i, &d), GW_CONDITION_CONGESTED, 0, i),
				 1);
		world->now_us++;
	}
	world_pass(world, 60 * SECOND);
	assert_int_equal(world->n_completions, 200);
	assert_true(engine_next_deadline_us(world->engine) == UINT64_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(discovery_window),
		TEST(paths_are_shared),
		TEST(without_support),
		TEST(fresh),
		TEST(one_request_of_a_kind),
		TEST(cancelling),
		TEST(silent_paths_complete_their_requests),
		TEST(many_deadlines_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
