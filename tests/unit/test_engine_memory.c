/* SPDX-License-Identifier: MIT */
/*
 * test_engine_memory.c: memory runs out at each allocation in turn of everything that the engine
 * does. It answers -ENOMEM, has done nothing by halves, and does it when memory is back.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "scarce_memory.h"
#include "world.h"

static struct world *world;
static struct owner *mine;
static struct address d1, d2;
static uint32_t id;

static void world_with_flows(void)
{
	world = world_new(NULL);
	world->on_link = true;
	world->ifindex = 0; /* one for each address */
	mine = world_owner(world, UID_ROOT);
	d1 = world_address("198.51.100.1", 5060);
	d2 = world_address("198.51.100.2", 5060);
}

static int add(uint64_t cookie, const struct address *destination, uint32_t flags,
	       uint32_t *flow_id)
{
	struct flow_request request = { GW_CLASS_VOICE, flags, GW_DSCP_FROM_CLASS };
	struct engine_socket socket = world_socket(cookie);

	return engine_add(world->engine, mine, &socket, destination, &request, flow_id, 0);
}

/* ---- what is tried; each from the same beginning ---- */

static int verb_owner(void)
{
	struct engine_owner_info info = { .uid = 77 };
	struct owner *owner;
	int r = engine_owner_add(world->engine, &info, world, &owner);

	if (r == 0)
		engine_owner_remove(world->engine, owner, 0);
	return r;
}

static int verb_add(void)
{
	return add(1, &d1, 0, &id);
}

static int verb_add_adaptive(void)
{
	return add(1, &d1, GW_FLOW_ADAPTIVE, &id);
}

static int verb_attach_socket(void)
{
	return add(2, &d1, 0, &id);
}

static int verb_attach_destination(void)
{
	return add(1, &d2, 0, &id);
}

static int verb_notify(void)
{
	int r = engine_notify(world->engine, mine, id, GW_CONDITION_CONGESTED, 0, 1, 0);

	return r == 1 ? 0 : r;
}

static int verb_run(void)
{
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };

	return engine_run(world->engine, mine, &request, 0, &id, 0);
}

static int verb_adopt(void)
{
	struct datapath_treatment treatment = { .traffic_class = GW_CLASS_VOICE };
	struct engine_owner_info info = { .uid = 77 };

	return engine_adopt_group(world->engine, 50, &treatment, NULL, &info, 0);
}

static int verb_rate(void)
{
	return engine_set_rate(world->engine, mine, id, 1000000, GW_SHAPE_AND_MARK, 0, NULL, 0);
}

static int verb_reserve(void)
{
	struct bucket_spec bucket = { .rate_bps = 1000000 };

	return engine_reserve(world->engine, mine, id, &bucket, GW_EXCESS_DROP, NULL, 0);
}

static int verb_run_rate(void)
{
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };

	return engine_run(world->engine, mine, &request, 1000000, &id, 0);
}

static int verb_tuple(void)
{
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };
	struct datapath_tuple tuple = { .destination = d1, .protocol = IPPROTO_UDP, .ifindex = 1 };

	return engine_add_tuple(world->engine, mine, &tuple, &request, &id, 0);
}

static const struct verb {
	const char *name;
	int (*verb)(void);
	uint32_t flags; /* of the flow that is there before */
	bool with_flow;
	int (*before)(void); /* or NULL */
} verbs[] = {
	{ "owner", verb_owner, 0, false },
	{ "add", verb_add, 0, false },
	{ "add adaptive", verb_add_adaptive, 0, false },
	{ "attach socket", verb_attach_socket, 0, true },
	{ "attach destination", verb_attach_destination, 0, true },
	{ "notify", verb_notify, GW_FLOW_ADAPTIVE, true },
	{ "run", verb_run, 0, false },
	{ "adopt", verb_adopt, 0, false },
	{ "rate", verb_rate, 0, true },
	{ "reserve", verb_reserve, 0, true },
	{ "reserve after a rate", verb_reserve, 0, true, verb_rate },
	{ "attach with a reservation", verb_attach_destination, 0, true, verb_reserve },
	{ "run with a rate", verb_run_rate, 0, false },
	{ "tuple", verb_tuple, 0, false },
};

static void begin(const struct verb *verb)
{
	world_with_flows();
	id = 0;
	if (verb->with_flow)
		assert_int_equal(add(1, &d1, verb->flags, &id), 0);
	if (verb->before)
		assert_int_equal(verb->before(), 0);
}

static void end(void)
{
	if (world->last_group)
		engine_end_group(world->engine, world->last_group, END_GROUP_EMPTY, 0);
	engine_end_group(world->engine, 50, END_GROUP_EMPTY, 0);
	world_remove_owner(world, mine);
	world_check_empty(world);
	world_free(world);
}

/* Fails the n-th allocation. False: there were fewer. */
static bool try_failing(const struct verb *verb, unsigned n)
{
	struct engine_counters before;
	uint32_t id_before;
	int r;

	begin(verb);
	before = *engine_counters(world->engine);
	id_before = id;
	memory_fails_at = n;
	memory_failed = false;
	r = verb->verb();
	memory_fails_at = 0;
	world_check(world);
	if (memory_failed && r < 0) {
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(id, id_before);
		assert_memory_equal(engine_counters(world->engine), &before, sizeof(before));
		assert_int_equal(verb->verb(), 0);
		world_check(world);
	} else {
		assert_int_equal(r, 0);
	}
	end();
	return memory_failed;
}

static void every_allocation(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		unsigned n = 1;

		while (try_failing(&verbs[i], n))
			n++;
		print_message("%s: %u allocations\n", verbs[i].name, n - 1);
		assert_true(n > 1);
	}
}

/* Some allocation fails again and again, also those of growing tables: whoever tries again succeeds. */
static void scarce_memory(void **state)
{
	unsigned refused = 0;

	(void)state;
	world_with_flows();
	for (uint64_t cookie = 1; cookie <= 3000; cookie++) {
		uint32_t flow_id = 0;
		int r;

		do {
			memory_fails_at = (unsigned)(cookie + refused) % 11 + 1;
			r = add(cookie, &d1, 0, &flow_id);
			memory_fails_at = 0;
			refused += r < 0;
			assert_true(r == 0 || r == -ENOMEM);
		} while (r < 0);
	}
	assert_true(refused > 1000);
	assert_int_equal(world->datapath.n_marks, 3000);
	world_check(world);
	end();
}

static void no_engine(void **state)
{
	(void)state;
	memory_fails_at = 1;
	assert_null(world_new(NULL));
	memory_fails_at = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation),
		cmocka_unit_test(scarce_memory),
		cmocka_unit_test(no_engine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
