/* SPDX-License-Identifier: MIT */
/*
 * test_engine_sockets.c: how a host that looks at a few sockets at a time is led through them, while they
 * come and go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>

#include "world.h"

static struct world *world;
static struct owner *owner;

static int set_up(void **state)
{
	(void)state;
	world = world_new(NULL);
	owner = world_owner(world, UID_USER);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_free(world);
	return 0;
}

static uint32_t add(uint64_t cookie)
{
	const struct address destination = world_address("192.0.2.1", 5060);

	return world_add(world, owner, cookie, &destination, GW_CLASS_VOICE, 0);
}

static void expect_next(uint64_t cookie, bool first)
{
	struct engine_managed managed;

	assert_true(engine_next_socket(world->engine, &managed));
	assert_int_equal(managed.cookie, cookie);
	assert_int_equal(managed.first, first);
}

static void end(uint64_t cookie)
{
	assert_true(engine_end_socket(world->engine, cookie, DIRECTION_BOTH, END_CLOSED, 0) > 0);
}

static void goes_round_in_order(void **unused)
{
	struct engine_managed managed;

	(void)unused;
	assert_false(engine_next_socket(world->engine, &managed));
	for (uint64_t cookie = 30; cookie >= 10; cookie -= 10)
		add(cookie);
	for (int round = 0; round < 2; round++) {
		expect_next(30, true);
		expect_next(20, false);
		expect_next(10, false);
	}
}

/* Nobody is passed over when the next, the last or all others go, nor when new ones come. */
static void sockets_may_come_and_go(void **unused)
{
	(void)unused;
	for (uint64_t cookie = 1; cookie <= 5; cookie++)
		add(cookie);
	expect_next(1, true);
	end(2); /* the next */
	expect_next(3, false);
	end(3); /* the one just seen */
	end(1);
	expect_next(4, false);
	add(6);
	expect_next(5, false);
	expect_next(6, false);
	expect_next(4, true);
	expect_next(5, false);
	end(6); /* the next and the last: the round begins anew */
	expect_next(4, true);
	end(4);
	end(5);
	add(7);
	expect_next(7, true);
	expect_next(7, true);
}

static void each_life_is_told_apart(void **unused)
{
	struct engine_managed before, after;
	const struct address destination = world_address("192.0.2.2", 5060);
	uint32_t id = add(1);

	(void)unused;
	assert_true(engine_find_socket(world->engine, 1, &before));
	/* One more destination is the same life, */
	world_attach(world, owner, id, 1, &destination);
	assert_true(engine_find_socket(world->engine, 1, &after));
	assert_int_equal(before.added, after.added);
	/* and after the end of all it is another. */
	end(1);
	assert_false(engine_find_socket(world->engine, 1, &after));
	add(1);
	assert_true(engine_find_socket(world->engine, 1, &after));
	assert_int_not_equal(before.added, after.added);
}

static void kinds_are_counted(void **unused)
{
	const struct address peer = world_address("2001:db8::1", 443);
	const struct flow_request request = { .traffic_class = GW_CLASS_VOICE,
					      .dscp = GW_DSCP_FROM_CLASS };
	struct engine_socket socket = world_connected_socket(2, &peer);
	uint32_t id = 0;

	(void)unused;
	socket.family = AF_INET6;
	socket.protocol = IPPROTO_TCP;
	add(1);
	add(1);
	assert_int_equal(engine_add(world->engine, owner, &socket, NULL, &request, &id, 0), 0);
	assert_int_equal(engine_count_sockets(world->engine, AF_INET, IPPROTO_UDP), 1);
	assert_int_equal(engine_count_sockets(world->engine, AF_INET6, IPPROTO_TCP), 1);
	assert_int_equal(engine_count_sockets(world->engine, AF_INET6, IPPROTO_UDP), 0);
	assert_int_equal(engine_count_sockets(world->engine, AF_INET, IPPROTO_TCP), 0);
	end(1);
	end(2);
	assert_int_equal(engine_count_sockets(world->engine, AF_INET, IPPROTO_UDP), 0);
	assert_int_equal(engine_count_sockets(world->engine, AF_INET6, IPPROTO_TCP), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(goes_round_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sockets_may_come_and_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_life_is_told_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(kinds_are_counted, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
