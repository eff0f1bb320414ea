/* SPDX-License-Identifier: MIT */
/* test_engine_limits.c: how many of everything there may be, and how identifiers are given. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "engine/internal.h"
#include "world.h"

static struct address d;

static struct world *limited(uint32_t total, uint32_t per_user)
{
	struct engine_config config;

	engine_config_default(&config);
	config.max_flows = total;
	config.max_flows_per_user = per_user;
	config.max_programs_per_user = 5;
	config.max_ops_per_owner = 3;
	d = world_address("198.51.100.1", 5060);
	return world_new(&config);
}

static int try_add(struct world *world, struct owner *owner, uint64_t cookie, uint32_t flags,
		   uint32_t *id)
{
	struct flow_request request = { GW_CLASS_VOICE, flags, GW_DSCP_FROM_CLASS };
	struct engine_socket socket = world_socket(cookie);

	return engine_add(world->engine, owner, &socket, &d, &request, id, world->now_us);
}

/* Sessions of whoever signals are bound as flows are, and take none of these away. */
static void sessions_per_user(void **state)
{
	struct world *world = limited(1000, 2);
	struct owner *first = world_owner(world, UID_USER), *second = world_owner(world, UID_USER);
	struct owner *root = world_owner(world, UID_ROOT);

	(void)state;
	assert_int_equal(owner_session_begin(first), 0);
	assert_int_equal(owner_session_begin(second), 0);
	assert_int_equal(owner_session_begin(first), -ENOBUFS);
	assert_int_equal(engine_counters(world->engine)->refused_limit, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(owner_session_begin(root), 0);
	world_add(world, first, 1, &d, GW_CLASS_VOICE, 0);
	owner_session_end(second);
	assert_int_equal(owner_session_begin(first), 0);
	world_free(world);
}

/* Users are bound in all their handles together, and not by each other; root is not. */
static void per_user(void **state)
{
	struct world *world = limited(1000, 4);
	struct owner *first = world_owner(world, UID_USER), *second = world_owner(world, UID_USER);
	struct owner *other = world_owner(world, UID_OTHER), *root = world_owner(world, UID_ROOT);
	uint32_t id = 0, kept;

	(void)state;
	world_add(world, first, 1, &d, GW_CLASS_VOICE, 0);
	world_add(world, first, 2, &d, GW_CLASS_VOICE, 0);
	world_add(world, second, 3, &d, GW_CLASS_VOICE, 0);
	kept = world_add(world, second, 4, &d, GW_CLASS_VOICE, 0);
	assert_int_equal(try_add(world, first, 5, 0, &id), -ENOBUFS);
	assert_int_equal(try_add(world, second, 5, 0, &id), -ENOBUFS);
	assert_int_equal(engine_counters(world->engine)->refused_limit, 2);
	assert_int_equal(id, 0);
	world_check(world);
	for (uint64_t i = 0; i < 10; i++)
		world_add(world, root, 100 + i, &d, GW_CLASS_VOICE, 0);
	world_add(world, other, 5, &d, GW_CLASS_VOICE, 0);
	/* Sockets of one flow count as well. */
	id = kept;
	assert_int_equal(try_add(world, second, 6, 0, &id), -ENOBUFS);
	/* What is there already still succeeds. */
	assert_int_equal(try_add(world, second, 4, 0, &id), 0);
	assert_int_equal(engine_remove(world->engine, second, kept, 0), 0);
	id = 0;
	assert_int_equal(try_add(world, first, 5, 0, &id), 0);
	world_free(world);
}

static void in_total(void **state)
{
	struct world *world = limited(6, 100);
	struct owner *mine = world_owner(world, UID_USER), *root = world_owner(world, UID_ROOT);
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };
	uint32_t id = 0;

	(void)state;
	for (uint64_t i = 1; i <= 3; i++) {
		world_add(world, mine, i, &d, GW_CLASS_VOICE, 0);
		world_add(world, root, i + 10, &d, GW_CLASS_VOICE, 0);
	}
	assert_int_equal(try_add(world, root, 20, 0, &id), -ENOBUFS);
	assert_int_equal(try_add(world, mine, 20, 0, &id), -ENOBUFS);
	assert_int_equal(engine_run(world->engine, mine, &request, 0, &id, 0), -ENOBUFS);
	assert_int_equal(world->last_group, 0);
	engine_owner_remove(world->engine, mine, 0);
	assert_int_equal(try_add(world, root, 20, 0, &id), 0);
	world_free(world);
}

/* Flows without sockets, held for their identifiers, give way: the oldest first, the user's own first. */
static void closed_flows_give_way(void **state)
{
	struct world *world = limited(100, 3);
	struct owner *mine = world_owner(world, UID_USER), *other = world_owner(world, UID_OTHER);
	uint32_t oldest, middle, id = 0, others;

	(void)state;
	others = world_add(world, other, 9, &d, GW_CLASS_VOICE, GW_FLOW_KEEP_WHEN_CLOSED);
	oldest = world_add(world, mine, 1, &d, GW_CLASS_VOICE, GW_FLOW_KEEP_WHEN_CLOSED);
	middle = world_add(world, mine, 2, &d, GW_CLASS_VOICE, GW_FLOW_KEEP_WHEN_CLOSED);
	world_add(world, mine, 3, &d, GW_CLASS_VOICE, 0);
	assert_int_equal(try_add(world, mine, 4, 0, &id), -ENOBUFS);
	for (uint64_t cookie = 1; cookie <= 9; cookie += cookie == 2 ? 7 : 1)
		engine_end_socket(world->engine, cookie, DIRECTION_BOTH, END_CLOSED, 0);
	assert_int_equal(try_add(world, mine, 4, 0, &id), 0);
	assert_int_equal(engine_remove(world->engine, mine, oldest, 0), -ENOENT);
	id = 0;
	assert_int_equal(try_add(world, mine, 5, 0, &id), 0);
	assert_int_equal(engine_remove(world->engine, mine, middle, 0), -ENOENT);
	id = 0;
	assert_int_equal(try_add(world, mine, 6, 0, &id), -ENOBUFS);
	assert_int_equal(engine_remove(world->engine, other, others, 0), 0);
	world_check(world);
	world_free(world);
}

/* Groups have tables of their own, which one user cannot fill. */
static void programs_per_user(void **state)
{
	struct world *world = limited(1000, 1000);
	struct owner *mine = world_owner(world, UID_USER), *other = world_owner(world, UID_OTHER);
	struct owner *root = world_owner(world, UID_ROOT);
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };
	uint32_t id, n = 0;

	(void)state;
	while (engine_run(world->engine, mine, &request, 0, &id, 0) == 0 && n < 100)
		n++;
	assert_int_equal(n, 5);
	assert_int_equal(engine_counters(world->engine)->refused_limit, 1);
	assert_int_equal(engine_run(world->engine, other, &request, 0, &id, 0), 0);
	for (n = 0; n < 10; n++)
		assert_int_equal(engine_run(world->engine, root, &request, 0, &id, 0), 0);
	assert_int_equal(engine_end_group(world->engine, 5, END_GROUP_EMPTY, 0), 1);
	assert_false(engine_has_group(world->engine, 5));
	assert_true(engine_has_group(world->engine, 6));
	assert_int_equal(engine_run(world->engine, mine, &request, 0, &id, 0), 0);
	assert_int_equal(engine_run(world->engine, mine, &request, 0, &id, 0), -ENOBUFS);
	world_check(world);
	world_free(world);
}

/* Root may; the others are told what happens in as many places as a person can look at. */
static void watchers_per_user(void **state)
{
	struct world *world = limited(100, 100);
	struct owner *root = world_owner(world, UID_ROOT), *watcher = NULL;

	(void)state;
	for (int i = 0; i < 16; i++) {
		watcher = world_owner(world, UID_USER);
		assert_int_equal(owner_watch(world->engine, watcher), 0);
		assert_int_equal(owner_watch(world->engine, world_owner(world, UID_ROOT)), 0);
	}
	assert_int_equal(owner_watch(world->engine, watcher), 0);
	assert_int_equal(owner_watch(world->engine, world_owner(world, UID_USER)), -ENOBUFS);
	assert_int_equal(owner_watch(world->engine, world_owner(world, UID_OTHER)), 0);
	assert_int_equal(owner_watch(world->engine, root), 0);
	engine_owner_remove(world->engine, watcher, 0);
	assert_int_equal(owner_watch(world->engine, world_owner(world, UID_USER)), 0);
	assert_int_equal(owner_watch(world->engine, world_owner(world, UID_USER)), -ENOBUFS);
	world_check(world);
	world_free(world);
}

/* Flows of one socket and destination lie above each other, but not by the thousand. */
static void flows_per_socket(void **state)
{
	struct world *world = limited(10000, 10000);
	struct owner *mine = world_owner(world, UID_USER), *root = world_owner(world, UID_ROOT);
	uint32_t id = 0, kept;

	(void)state;
	for (int i = 0; i < 128; i++) {
		world_add(world, mine, 1, &d, GW_CLASS_VOICE, i % 2 ? GW_FLOW_ADAPTIVE : 0);
		kept = world_add(world, root, 1, &d, GW_CLASS_VOICE, 0);
	}
	assert_int_equal(try_add(world, mine, 1, 0, &id), -ENOBUFS);
	assert_int_equal(try_add(world, root, 1, 0, &id), -ENOBUFS);
	assert_int_equal(engine_counters(world->engine)->refused_limit, 2);
	id = kept;
	assert_int_equal(try_add(world, root, 1, 0, &id), 0); /* what is there already */
	assert_int_equal(engine_remove(world->engine, root, kept, 0), 0);
	id = 0;
	assert_int_equal(try_add(world, mine, 1, 0, &id), 0);
	world_check(world);
	world_free(world);
}

static void sockets_per_flow(void **state)
{
	struct world *world = limited(10000, 10000);
	struct owner *mine = world_owner(world, UID_USER), *root = world_owner(world, UID_ROOT);
	uint32_t id = world_add(world, mine, 1, &d, GW_CLASS_VOICE, 0), roots;

	(void)state;
	for (uint64_t cookie = 2; cookie <= 1024; cookie++)
		assert_int_equal(try_add(world, mine, cookie, 0, &id), 0);
	assert_int_equal(try_add(world, mine, 1025, 0, &id), -ENOBUFS);
	assert_int_equal(try_add(world, mine, 1024, 0, &id), 0);
	roots = world_add(world, root, 2001, &d, GW_CLASS_VOICE, 0);
	for (uint64_t cookie = 2002; cookie <= 4000; cookie++)
		assert_int_equal(try_add(world, root, cookie, 0, &roots), 0);
	world_check(world);
	world_free(world);
}

/* Of what has much to end, a part ends at a time: the others have their turn between. */
static void endings_take_turns(void **state)
{
	struct world *world = limited(10000, 10000);
	struct owner *mine = world_owner(world, UID_USER), *other = world_owner(world, UID_OTHER);
	size_t before;
	int turns = 0;

	(void)state;
	for (uint64_t cookie = 1; cookie <= 1000; cookie++) {
		world_add(world, mine, cookie, &d, GW_CLASS_VOICE, 0);
		world_add(world, other, cookie + 1000, &d, GW_CLASS_VOICE, 0);
	}
	do {
		before = world->datapath.n_marks;
		turns++;
	} while (engine_owner_close(world->engine, mine, 0) == -EAGAIN &&
		 before - world->datapath.n_marks <= 300);
	assert_in_range(turns, 4, 100);
	assert_int_equal(world->datapath.n_marks, 1000);
	assert_int_equal(engine_counters(world->engine)->ended_by[END_HANDLE_CLOSED], 1000);
	assert_int_equal(engine_owner_close(world->engine, mine, 0), 0);

	engine_owner_remove(world->engine, other, 0);
	for (turns = 0; engine_next_deadline_us(world->engine) == 0; turns++) {
		world_check(world);
		before = world->datapath.n_marks;
		engine_tick(world->engine, 0);
		assert_true(before - world->datapath.n_marks <= 300);
	}
	assert_in_range(turns, 3, 100);
	assert_int_equal(engine_counters(world->engine)->ended_by[END_OWNER_DIED], 1000);
	world_check_empty(world);

	/* An engine that stops does not wait for the rest. */
	other = world_owner(world, UID_OTHER);
	for (uint64_t cookie = 1; cookie <= 1000; cookie++)
		world_add(world, other, cookie, &d, GW_CLASS_VOICE, 0);
	engine_owner_remove(world->engine, other, 0);
	engine_stop(world->engine);
	world_check_empty(world);
	world_free(world);
}

static uint32_t add_to(struct world *world, struct owner *owner, uint16_t port)
{
	struct engine_socket socket = world_socket(7);
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };
	struct address destination = d;
	uint32_t id = 0;

	destination.port = port;
	assert_int_equal(engine_add(world->engine, owner, &socket, &destination, &request, &id, 0),
			 0);
	return id;
}

static int turns_to_come(struct world *world)
{
	int turns = 0;

	while (engine_next_deadline_us(world->engine) == 0) {
		engine_tick(world->engine, 0);
		turns++;
	}
	return turns;
}

/* A socket with many destinations likewise. */
static void closing_takes_turns(void **state)
{
	struct world *world = limited(10000, 10000);
	struct owner *mine = world_owner(world, UID_USER);

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint16_t port = 1; port <= 1000; port++)
			add_to(world, mine, port);
		engine_end_socket(world->engine, 7, DIRECTION_BOTH, END_CLOSED, 0);
		assert_in_range(world->datapath.n_marks, 700, 999);
		assert_int_equal(engine_end_socket(world->engine, 7, DIRECTION_BOTH, END_CLOSED, 0),
				 0);
		world_check(world);
		if (round == 0) {
			assert_in_range(turns_to_come(world), 2, 100);
		} else {
			/* It was not closed: what is new is not among what ends. */
			uint32_t id = add_to(world, mine, 1);

			assert_int_equal(world->datapath.n_marks, 1);
			assert_int_equal(turns_to_come(world), 0);
			assert_int_equal(engine_remove(world->engine, mine, id, 0), 0);
		}
		world_check_empty(world);
	}
	world_free(world);
}

static void requests_per_owner(void **state)
{
	struct world *world = limited(100, 100);
	struct owner *mine = world_owner(world, UID_USER);
	uint32_t ids[4];

	(void)state;
	world->on_link = true;
	for (uint64_t i = 0; i < 4; i++) {
		ids[i] = world_add(world, mine, i + 1, &d, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);
		assert_int_equal(engine_notify(world->engine, mine, ids[i], 0, 0, i, 0),
				 i < 3 ? 1 : -ENOBUFS);
	}
	assert_int_equal(engine_cancel(world->engine, mine, 0, 0), 0);
	assert_int_equal(engine_notify(world->engine, mine, ids[3], 0, 0, 3, 0), 1);
	world_free(world);
}

/* not within the next 65,536. */
static void identifiers_are_not_reused(void **state)
{
	struct world *world = limited(100, 100);
	struct owner *mine = world_owner(world, UID_USER);
	uint32_t first = world_add(world, mine, 1, &d, GW_CLASS_VOICE, 0);
	uint32_t last = first;

	(void)state;
	assert_int_equal(engine_remove(world->engine, mine, first, 0), 0);
	for (int i = 0; i < 65536 + 10; i++) {
		uint32_t id = 0;

		assert_int_equal(try_add(world, mine, 1, 0, &id), 0);
		assert_true(id > last);
		assert_int_equal(engine_remove(world->engine, mine, id, 0), 0);
		last = id;
	}
	world_check_empty(world);
	world_free(world);
}

/* Round the corner: never 0, never one that lives, and the list stays in order. */
static void identifiers_go_round(void **state)
{
	struct engine_config config;
	struct world *world;
	struct owner *mine;
	uint32_t low[3], high[3], after = 0, n = 0;

	(void)state;
	engine_config_default(&config);
	config.first_flow_id = UINT32_MAX - 2;
	world = world_new(&config);
	mine = world_owner(world, UID_USER);
	d = world_address("198.51.100.1", 5060);
	for (uint64_t i = 0; i < 3; i++)
		high[i] = world_add(world, mine, 1 + i, &d, GW_CLASS_VOICE, 0);
	assert_int_equal(high[2], UINT32_MAX);
	for (uint64_t i = 0; i < 3; i++)
		low[i] = world_add(world, mine, 10 + i, &d, GW_CLASS_VOICE, 0);
	assert_int_equal(low[0], 1);
	world_check(world);
	while ((after = engine_next_flow_id(world->engine, after)) != 0)
		assert_int_equal(after, n < 3 ? low[n] : high[n - 3]), n++;
	assert_int_equal(n, 6);
	world_free(world);

	/* Neither 0 nor those that live. */
	config.first_flow_id = UINT32_MAX;
	world = world_new(&config);
	mine = world_owner(world, UID_USER);
	assert_int_equal(world_add(world, mine, 1, &d, GW_CLASS_VOICE, 0), UINT32_MAX);
	assert_int_equal(world_add(world, mine, 2, &d, GW_CLASS_VOICE, 0), 1);
	world->engine->next_id = UINT32_MAX;
	assert_int_equal(world_add(world, mine, 3, &d, GW_CLASS_VOICE, 0), 2);
	world_check(world);
	world_free(world);
	config.first_flow_id = 0;
	world = world_new(&config);
	mine = world_owner(world, UID_USER);
	assert_int_equal(world_add(world, mine, 2, &d, GW_CLASS_VOICE, 0), 1);
	world_free(world);
}

/* A limit that is lowered ends nothing, and holds for what comes. */
static void lowered_limits(void **state)
{
	struct world *world = limited(100, 100);
	struct owner *mine = world_owner(world, UID_USER);
	struct engine_config config;
	uint32_t id = 0;

	(void)state;
	for (uint64_t i = 1; i <= 5; i++)
		world_add(world, mine, i, &d, GW_CLASS_VOICE, 0);
	engine_config_default(&config);
	config.max_flows_per_user = 2;
	engine_reconfigure(world->engine, &config);
	assert_int_equal(world->datapath.n_marks, 5);
	assert_int_equal(try_add(world, mine, 6, 0, &id), -ENOBUFS);
	world_free(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(per_user),
		cmocka_unit_test(sessions_per_user),
		cmocka_unit_test(in_total),
		cmocka_unit_test(closed_flows_give_way),
		cmocka_unit_test(programs_per_user),
		cmocka_unit_test(watchers_per_user),
		cmocka_unit_test(flows_per_socket),
		cmocka_unit_test(sockets_per_flow),
		cmocka_unit_test(endings_take_turns),
		cmocka_unit_test(closing_takes_turns),
		cmocka_unit_test(requests_per_owner),
		cmocka_unit_test(identifiers_are_not_reused),
		cmocka_unit_test(identifiers_go_round),
		cmocka_unit_test(lowered_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
