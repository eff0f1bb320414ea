/* SPDX-License-Identifier: MIT */
/* test_engine_track.c: hosts that owners have announced (spec/qwave.md §5.9, §5.10, §11), with fake_measuring.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "measured_world.h"

#define SECOND UINT64_C(1000000)

static struct world *world;
static struct fake_measuring measuring;
static struct owner *mine, *second, *stranger;
static struct address d1;

static int set_up(void **state)
{
	(void)state;
	world = measured_world_new(&measuring);
	mine = world_owner(world, UID_USER);
	second = world_owner(world, UID_USER);
	stranger = world_owner(world, UID_OTHER);
	d1 = world_address("198.51.100.1", 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	measured_world_end(world, &measuring);
	return 0;
}

static int start(struct owner *owner, const struct address *host, uint32_t serial)
{
	const struct engine_wait wait = { .is_request = true, .serial = serial };

	return engine_track(world->engine, owner, host, &wait, world->now_us);
}

static int stop(struct owner *owner, const struct address *host)
{
	return engine_untrack(world->engine, owner, host, world->now_us);
}

static struct measured *path(void)
{
	return fake_measured(&measuring, &d1);
}

static void answers(enum measuring_event event)
{
	engine_path_event(world->engine, path()->path, event, world->now_us);
}

/* what cannot be tracked at all. */
static void refused(void **state)
{
	struct address multicast = world_address("239.1.1.1", 5), any = world_address("::", 5);

	(void)state;
	assert_int_equal(start(mine, &multicast, 1), -EINVAL);
	assert_int_equal(start(mine, &any, 1), -EINVAL);
	assert_int_equal(stop(mine, &any), -EINVAL);
	world->on_link = false;
	assert_int_equal(start(mine, &d1, 1), -EOPNOTSUPP);
	world->route_error = -EHOSTUNREACH;
	assert_int_equal(start(mine, &d1, 1), -EHOSTUNREACH);
	world->route_error = 0;
	world->on_link = true;
	measuring.open_error = -ENOBUFS;
	assert_int_equal(start(mine, &d1, 1), -ENOBUFS);
	engine_set_measuring(world->engine, NULL, world->now_us);
	assert_int_equal(start(mine, &d1, 1), -EOPNOTSUPP);
	assert_int_equal(stop(mine, &d1), -ENOENT);
	assert_int_equal(measuring.n_paths, 0);
}

/* until somebody answers; the port is ignored; one stop for many starts. */
static void recognised(void **state)
{
	struct address other_port = d1;

	(void)state;
	other_port.port = 2;
	assert_int_equal(start(mine, &d1, 1), 1);
	assert_int_equal(path()->trackers, 1);
	assert_int_equal(path()->flows, 0);
	assert_int_equal(start(mine, &other_port, 2), 1);
	assert_int_equal(path()->trackers, 1);
	answers(MEASURING_EVENT_SUPPORTED);
	assert_int_equal(world_completions_of(world, 1, 0), 1);
	assert_int_equal(world_completions_of(world, 2, 0), 1);
	assert_int_equal(start(mine, &d1, 3), 0);
	assert_int_equal(start(second, &d1, 4), 0);
	assert_int_equal(path()->trackers, 2);
	assert_int_equal(stop(mine, &other_port), 0);
	assert_int_equal(path()->trackers, 1);
	assert_int_equal(stop(second, &d1), 0);
	assert_null(path());
	assert_int_equal(stop(mine, &d1), -ENOENT);
}

/* nobody answers. */
static void silent(void **state)
{
	(void)state;
	assert_int_equal(start(mine, &d1, 1), 1);
	world->now_us += 5 * SECOND;
	engine_tick(world->engine, world->now_us);
	assert_int_equal(world_completions_of(world, 1, -EHOSTUNREACH), 1);
	assert_null(path());
	assert_int_equal(stop(mine, &d1), -ENOENT);
	assert_int_equal(start(mine, &d1, 2), 1);
	answers(MEASURING_EVENT_UNSUPPORTED);
	assert_int_equal(world_completions_of(world, 2, -EHOSTUNREACH), 1);
	assert_int_equal(stop(mine, &d1), -ENOENT);
}

/* through another handle of the user; not for somebody else. */
static void through_another_handle(void **state)
{
	(void)state;
	measuring.next_fundamentals = 0;
	assert_int_equal(start(mine, &d1, 1), 0);
	assert_int_equal(stop(stranger, &d1), -ENOENT);
	assert_int_equal(start(stranger, &d1, 1), 0);
	assert_int_equal(stop(second, &d1), 0);
	assert_int_equal(stop(second, &d1), -ENOENT);
	assert_int_equal(path()->trackers, 1);
}

/* Q-186, §11: flows go on without, and the other way round. */
static void flows_go_on(void **state)
{
	struct address destination = world_address("198.51.100.1", 5060);
	uint32_t id;

	(void)state;
	measuring.next_fundamentals = 0;
	assert_int_equal(start(mine, &d1, 1), 0);
	id = world_add(world, mine, 1, &destination, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);
	assert_int_equal(measuring.n_paths, 1);
	assert_int_equal(path()->flows, 1);
	assert_int_equal(engine_notify(world->engine, mine, id, GW_CONDITION_CONGESTED, 0, 9,
				       world->now_us),
			 1);
	assert_int_equal(stop(mine, &d1), 0);
	assert_int_equal(path()->trackers, 0);
	path()->state = MEASURING_CONGESTED;
	answers(MEASURING_EVENT_STATE);
	assert_int_equal(world_completions_of(world, 9, 0), 1);
	assert_int_equal(start(mine, &d1, 1), 0);
	assert_int_equal(engine_remove(world->engine, mine, id, world->now_us), 0);
	assert_int_equal(path()->flows, 0);
	assert_int_equal(path()->trackers, 1);
}

/* §5.2: with its handle go what it has announced, and what waits for an answer. */
static void ends_with_the_handle(void **state)
{
	(void)state;
	assert_int_equal(start(mine, &d1, 1), 1);
	assert_int_equal(engine_owner_close(world->engine, mine, world->now_us), 0);
	assert_int_equal(world_completions_of(world, 1, -ECANCELED), 1);
	assert_null(path());
	assert_int_equal(start(second, &d1, 2), 1);
	assert_int_equal(stop(second, &d1), 0);
	assert_int_equal(world_completions_of(world, 2, -ECANCELED), 1);
	assert_int_equal(start(second, &d1, 3), 1);
	engine_stop(world->engine);
	assert_int_equal(world_completions_of(world, 3, -ECANCELED), 1);
	assert_null(path());
}

/* By token; and cancelled. */
static void cancelled(void **state)
{
	const struct engine_wait wait = { .token = 5 };

	(void)state;
	assert_int_equal(engine_track(world->engine, mine, &d1, &wait, world->now_us), 1);
	assert_int_equal(engine_cancel(world->engine, mine, 5, world->now_us), 0);
	assert_int_equal(world_completions_of(world, 5, -ECANCELED), 1);
	assert_null(path());
}

/* Each is experiments with a neighbour: a user has some, and not all. */
static void limited(void **state)
{
	struct address host = d1;

	(void)state;
	measuring.next_fundamentals = 0;
	for (unsigned i = 0; i < 200; i++) {
		host.addr[15] = (uint8_t)i;
		assert_int_equal(start(i % 2 ? mine : second, &host, i), 0);
	}
	host.addr[14]++;
	for (unsigned i = 0; i < 56; i++) {
		host.addr[15] = (uint8_t)i;
		assert_int_equal(start(mine, &host, i), 0);
	}
	host.addr[15] = 250;
	assert_int_equal(start(mine, &host, 1), -ENOBUFS);
	assert_int_equal(engine_counters(world->engine)->refused_limit, 1);
	assert_null(fake_measured(&measuring, &host));
	host.addr[15] = 0;
	assert_int_equal(stop(second, &host), 0);
	host.addr[15] = 250;
	world_remove_owner(world, second);
	second = world_owner(world, UID_USER);
	world_check(world);
	assert_int_equal(fake_measured_open(&measuring), 155);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(refused),	   TEST(recognised),
		TEST(silent),	   TEST(through_another_handle),
		TEST(flows_go_on), TEST(ends_with_the_handle),
		TEST(cancelled),   TEST(limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
