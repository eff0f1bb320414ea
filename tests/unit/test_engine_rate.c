/* SPDX-License-Identifier: MIT */
/*
 * test_engine_rate.c: which meter a rate makes, through which links, what happens to it when flows change, fail
 * and end, and what is told of it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/internal.h"
#include "world.h"

#define MEGABIT UINT64_C(1000000)

static struct world *world;
static struct owner *mine, *root;
static struct address d1, d2, d3;

static int setup(void **state)
{
	(void)state;
	world = world_new(NULL);
	mine = world_owner(world, UID_USER);
	root = world_owner(world, UID_ROOT);
	d1 = world_address("198.51.100.1", 5060);
	d2 = world_address("198.51.100.2", 5060);
	d3 = world_address("2001:db8::3", 5060);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(world);
	return 0;
}

static int set_rate(uint32_t id, uint64_t rate_bps, uint32_t shaping)
{
	return engine_set_rate(world->engine, mine, id, rate_bps, shaping, 0, NULL, world->now_us);
}

static int set_class(uint32_t id, enum gw_class traffic_class)
{
	return engine_set_class(world->engine, mine, id, traffic_class, world->now_us);
}

static const struct datapath_meter *meter_of(uint32_t id)
{
	const struct fake_meter *there = fake_meter_of(&world->datapath, id);

	return there ? &there->meter : NULL;
}

static const struct datapath_treatment *treatment_of(uint64_t cookie,
						     const struct address *destination)
{
	const struct fake_mark *mark = fake_find(&world->datapath, cookie, destination);

	assert_non_null(mark);
	return &mark->treatment;
}

static struct gw_flow_info info_of(uint32_t id)
{
	struct gw_flow_info info;

	assert_int_equal(engine_query(world->engine, root, id, &info), 0);
	return info;
}

/* ---- which meter ---- */

/* Delayed without marks; delayed with marks; not delayed, and marked as it conforms. */
static void each_shaping(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	const struct datapath_meter *meter;

	(void)state;
	assert_null(meter_of(id));
	assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_ONLY), 0);
	meter = meter_of(id);
	assert_int_equal(meter->excess, DATAPATH_EXCESS_DELAY);
	assert_int_equal(meter->bucket.rate_bps, MEGABIT);
	assert_int_equal(meter->traffic_class, GW_CLASS_BEST_EFFORT);
	assert_int_equal(meter->reserved_bps, 0);
	assert_true(treatment_of(1, &d1)->metered);
	assert_int_equal(treatment_of(1, &d1)->traffic_class, GW_CLASS_BEST_EFFORT);
	assert_int_equal(fake_dscp(&world->datapath, 1, &d1), -1);

	assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_AND_MARK), 0);
	meter = meter_of(id);
	assert_int_equal(meter->excess, DATAPATH_EXCESS_DELAY);
	assert_int_equal(meter->traffic_class, GW_CLASS_VOICE);
	assert_int_equal(fake_dscp(&world->datapath, 1, &d1), 56);
	assert_int_equal(info_of(id).nonconformant_dscp, 0);

	assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_MARK_CONFORMANT), 0);
	meter = meter_of(id);
	assert_int_equal(meter->excess, DATAPATH_EXCESS_REMARK);
	assert_int_equal(meter->traffic_class, GW_CLASS_VOICE);
	assert_int_equal(meter->excess_class, GW_CLASS_BEST_EFFORT);
	assert_true(meter->excess_mark.set_dscp && meter->excess_mark.set_priority);
	assert_int_equal(meter->excess_mark.dscp, 0);
	assert_int_equal(meter->excess_mark.priority, 0);
	assert_int_equal(fake_dscp(&world->datapath, 1, &d1), 56);
	world_check(world);
}

/* Delaying background without marks must not promote it either. */
static void background(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_BACKGROUND, 0);

	(void)state;
	assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_ONLY), 0);
	assert_int_equal(meter_of(id)->traffic_class, GW_CLASS_BACKGROUND);
	/* */
	assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_MARK_CONFORMANT), 0);
	assert_int_equal(meter_of(id)->excess_class, GW_CLASS_BACKGROUND);
	assert_int_equal(meter_of(id)->excess_mark.dscp, 8);
	assert_int_equal(meter_of(id)->excess_mark.priority, 2);
	assert_int_equal(info_of(id).nonconformant_dscp, 8);
	assert_int_equal(info_of(id).nonconformant_priority, 2);
}

/* Best effort marks nothing, unless a value was set: then the excess must not keep an application's own. */
static void excess_of_best_effort(void **state)
{
	uint32_t id = world_add(world, root, 1, &d1, GW_CLASS_BEST_EFFORT, 0);

	(void)state;
	assert_int_equal(engine_set_rate(world->engine, root, id, MEGABIT, GW_SHAPE_MARK_CONFORMANT,
					 0, NULL, 0),
			 0);
	assert_false(meter_of(id)->excess_mark.set_dscp);
	assert_int_equal(engine_set_dscp(world->engine, root, id, 46, 0), 0);
	assert_true(meter_of(id)->excess_mark.set_dscp);
	assert_int_equal(meter_of(id)->excess_mark.dscp, 0);
}

/* spec/qwave.md §7.2: 10 ms of the rate, at least two full packets. */
static void depth(void **state)
{
	static const struct {
		uint64_t rate_bps, depth_bytes;
	} cases[] = {
		{ 1, 3000 },
		{ 64000, 3000 },
		{ 2400000, 3000 },
		{ 2400800, 3001 },
		{ 1000 * MEGABIT, 1250000 },
		{ UINT64_C(999999999999999), BUCKET_BYTES_MAX },
	};
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(set_rate(id, cases[i].rate_bps, i % 3), 0);
		assert_true(meter_of(id)->bucket.rate_bps == cases[i].rate_bps);
		assert_int_equal(meter_of(id)->bucket.depth_bytes, cases[i].depth_bytes);
		assert_true(info_of(id).rate_bps == cases[i].rate_bps);
	}
}

/* Rates without a meter, from and to those with one. 0 also unmarks; 0xffffffff never delays. */
static void rates_without_meter(void **state)
{
	static const uint64_t free_rates[] = { GW_RATE_NONE, GW_RATE_MINIMUM,
					       UINT64_C(1000000000000000), UINT64_MAX };
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_AND_MARK), 0);
		assert_non_null(meter_of(id));
		assert_int_equal(set_rate(id, free_rates[i], GW_SHAPE_AND_MARK), 0);
		assert_null(meter_of(id));
		assert_false(treatment_of(1, &d1)->metered);
		assert_int_equal(fake_dscp(&world->datapath, 1, &d1),
				 free_rates[i] == GW_RATE_NONE ? -1 : 56);
		world_check(world);
	}
	/* The numbers next to the special ones are rates like any other. */
	assert_int_equal(set_rate(id, (uint64_t)GW_RATE_MINIMUM - 1, GW_SHAPE_AND_MARK), 0);
	assert_non_null(meter_of(id));
	assert_int_equal(set_rate(id, (uint64_t)GW_RATE_MINIMUM + 1, GW_SHAPE_AND_MARK), 0);
	assert_non_null(meter_of(id));
}

/* One request, one new meter: nothing ends in between. */
static void replaced_at_once(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	for (uint64_t i = 1; i <= 5; i++)
		assert_int_equal(set_rate(id, i * MEGABIT, i % 3), 0);
	assert_int_equal(world->datapath.metered, 5);
	assert_int_equal(world->datapath.meters_ended, 0);
	assert_int_equal(set_class(id, GW_CLASS_AUDIO_VIDEO), 0);
	assert_int_equal(meter_of(id)->traffic_class, GW_CLASS_AUDIO_VIDEO);
	assert_int_equal(meter_of(id)->bucket.rate_bps, 5 * MEGABIT);
	assert_int_equal(world->datapath.meters_ended, 0);
}

static void profile_and_policy(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	struct engine_config config;

	(void)state;
	assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_MARK_CONFORMANT), 0);
	engine_config_default(&config);
	config.marks_ignored = true;
	engine_reconfigure(world->engine, &config);
	assert_false(meter_of(id)->excess_mark.set_dscp);
	assert_int_equal(meter_of(id)->traffic_class, GW_CLASS_VOICE);
	assert_true(treatment_of(1, &d1)->metered);
	world_check(world);
	config.marks_ignored = false;
	config.profile = mark_profile_rfc4594;
	engine_reconfigure(world->engine, &config);
	assert_true(meter_of(id)->excess_mark.set_dscp);
	assert_int_equal(fake_dscp(&world->datapath, 1, &d1), 46);
	world_check(world);
}

/* An adaptive flow lies over others while it has a rate, with its meter. */
static void adaptive(void **state)
{
	uint32_t plain = world_add(world, mine, 1, &d1, GW_CLASS_BACKGROUND, 0);
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);

	(void)state;
	assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_AND_MARK), 0);
	assert_int_equal(treatment_of(1, &d1)->flow_id, id);
	assert_true(treatment_of(1, &d1)->metered);
	world_check(world);
	assert_int_equal(set_rate(id, GW_RATE_NONE, 0), 0);
	assert_null(meter_of(id));
	assert_int_equal(treatment_of(1, &d1)->flow_id, plain);
	assert_false(treatment_of(1, &d1)->metered);
}

/* ---- links ---- */

static void assert_links(uint32_t id, unsigned n, uint32_t first, uint32_t last)
{
	const struct datapath_meter *meter = meter_of(id);

	assert_non_null(meter);
	assert_int_equal(meter->n_links, n);
	if (n > 0) {
		assert_int_equal(meter->links[0], first);
		assert_int_equal(meter->links[n - 1], last);
	}
}

static void links(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	world->ifindex = 0;
	assert_int_equal(set_rate(id, MEGABIT, 0), 0);
	assert_links(id, 1, 1, 1);
	/* A socket more refreshes the meter, if it leaves through another link. */
	world_attach(world, mine, id, 2, &d1);
	assert_int_equal(world->datapath.metered, 1);
	world_attach(world, mine, id, 2, &d2);
	assert_links(id, 2, 1, 2);
	assert_int_equal(world->datapath.metered, 2);
	world_attach(world, mine, id, 3, &d3);
	assert_links(id, 3, 1, 3);
	assert_true(treatment_of(3, &d3)->metered);
	/* Of one that sends everywhere, none is known any more. */
	world_attach(world, mine, id, 4, NULL);
	assert_links(id, 0, 0, 0);
	world_attach(world, mine, id, 5, &d1);
	assert_links(id, 0, 0, 0);
	assert_int_equal(engine_detach(world->engine, mine, id, 4, 0), 0);
	assert_int_equal(set_rate(id, MEGABIT, 0), 0);
	assert_links(id, 3, 1, 3);
	/* The way is not known: it may be any. */
	world->route_error = -ENETUNREACH;
	assert_int_equal(set_rate(id, MEGABIT, 0), 0);
	assert_links(id, 0, 0, 0);
}

static void bound_socket(void **state)
{
	struct engine_socket socket = world_socket(1);
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };
	uint32_t id = 0;

	(void)state;
	socket.bound_ifindex = 7;
	assert_int_equal(engine_add(world->engine, mine, &socket, NULL, &request, &id, 0), 0);
	assert_int_equal(set_rate(id, MEGABIT, 0), 0);
	assert_links(id, 1, 7, 7);
	assert_int_equal(world->routes_asked, 0);
}

/* Adding a connected socket asks for no route; giving it a rate does. */
static void connected_socket(void **state)
{
	struct engine_socket socket = world_connected_socket(1, &d1);
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };
	uint32_t id = 0;

	(void)state;
	assert_int_equal(engine_add(world->engine, mine, &socket, NULL, &request, &id, 0), 0);
	assert_int_equal(world->routes_asked, 0);
	assert_int_equal(set_rate(id, GW_RATE_MINIMUM, 0), 0);
	assert_int_equal(world->routes_asked, 0);
	assert_int_equal(set_rate(id, MEGABIT, 0), 0);
	assert_int_equal(world->routes_asked, 1);
	assert_links(id, 1, 2, 2);
}

static void many_links(void **state)
{
	uint32_t id = world_add(world, root, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	world->ifindex = 0;
	for (uint8_t i = 2; i <= 64; i++) {
		struct address address = d1;

		address.addr[15] = i < 12 ? i : 1;
		address.port = (uint16_t)(1000 + i);
		world_attach(world, root, id, 1, &address);
	}
	assert_int_equal(engine_set_rate(world->engine, root, id, MEGABIT, 0, 0, NULL, 0), 0);
	assert_links(id, DATAPATH_METER_LINKS, 1, 8);
	/* More than are asked for: they may leave through any. */
	world_attach(world, root, id, 9, &d2);
	assert_links(id, DATAPATH_METER_LINKS, 1, 8);
	world->routes_asked = 0;
	assert_int_equal(engine_set_rate(world->engine, root, id, MEGABIT, 0, 0, NULL, 0), 0);
	assert_links(id, 0, 0, 0);
	assert_int_equal(world->routes_asked, 64);
}

static void descriptors_come_along(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	world->descriptors = true;
	assert_int_equal(set_rate(id, MEGABIT, 0), 0);
	assert_int_equal(world->datapath.last_fd, 1001);
	world->descriptors = false;
	assert_int_equal(set_rate(id, 2 * MEGABIT, 0), 0);
	assert_int_equal(world->datapath.last_fd, -1);
}

static void owner_paces(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, GW_FLOW_PACES);
	uint32_t other = world_add(world, mine, 2, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	assert_int_equal(set_rate(id, MEGABIT, 0), 0);
	assert_int_equal(set_rate(other, MEGABIT, 0), 0);
	assert_true(meter_of(id)->owner_paces);
	assert_false(meter_of(other)->owner_paces);
}

/* ---- failures ---- */

static void no_meters_here(void **state)
{
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };
	struct bucket_spec bucket = { .rate_bps = MEGABIT };
	uint32_t id;

	teardown(state);
	world = world_new_with(NULL, &fake_datapath_ops_unmetered);
	mine = world_owner(world, UID_USER);
	root = world_owner(world, UID_ROOT);
	id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	assert_int_equal(set_rate(id, GW_RATE_MINIMUM, GW_SHAPE_AND_MARK), 0);
	for (uint32_t shaping = 0; shaping < 3; shaping++)
		assert_int_equal(set_rate(id, MEGABIT, shaping), -EOPNOTSUPP);
	/* */
	assert_int_equal(info_of(id).rate_bps, GW_RATE_MINIMUM);
	assert_int_equal(fake_dscp(&world->datapath, 1, &d1), 56);
	assert_int_equal(engine_reserve(world->engine, mine, id, &bucket, GW_EXCESS_DROP, NULL, 0),
			 -EOPNOTSUPP);
	assert_int_equal(engine_run(world->engine, mine, &request, MEGABIT, &id, 0), -EOPNOTSUPP);
	assert_int_equal(world->last_group, 0);
	assert_int_equal(engine_run(world->engine, mine, &request, 0, &id, 0), 0);
	engine_end_group(world->engine, world->last_group, END_GROUP_EMPTY, 0);
}

/* All that stands in the datapath, in one piece to compare. */
struct snapshot {
	size_t n_marks, n_meters;
	struct datapath_treatment treatments[16];
	struct datapath_meter meters[4];
	struct gw_flow_info info;
};

static struct snapshot snapshot(uint32_t id, const struct address *const *destinations)
{
	struct snapshot s = { .n_marks = world->datapath.n_marks,
			      .n_meters = world->datapath.n_meters,
			      .info = info_of(id) };

	for (uint64_t i = 0; i < 4; i++) {
		const struct fake_mark *mark = fake_find(&world->datapath, i + 1, destinations[i]);

		if (mark)
			s.treatments[i] = mark->treatment;
	}
	for (size_t i = 0; i < s.n_meters; i++)
		s.meters[i] = world->datapath.meters[i].meter;
	return s;
}

static void assert_as_before(const struct snapshot *before, uint32_t id,
			     const struct address *const *destinations)
{
	struct snapshot now = snapshot(id, destinations);

	assert_int_equal(now.n_marks, before->n_marks);
	assert_int_equal(now.n_meters, before->n_meters);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(now.treatments[i].flow_id, before->treatments[i].flow_id);
		assert_int_equal(now.treatments[i].metered, before->treatments[i].metered);
		assert_int_equal(now.treatments[i].traffic_class,
				 before->treatments[i].traffic_class);
		assert_memory_equal(&now.treatments[i].mark, &before->treatments[i].mark,
				    sizeof(struct mark));
	}
	for (size_t i = 0; i < now.n_meters; i++)
		assert_memory_equal(&now.meters[i], &before->meters[i], sizeof(now.meters[i]));
	assert_memory_equal(&now.info, &before->info, sizeof(now.info));
}

/* from every kind of rate to every other, failing at each step: all is exactly as it was. */
static void failing_at_each_step(void **state)
{
	static const uint64_t rates[] = { GW_RATE_NONE, GW_RATE_MINIMUM, MEGABIT, 2 * MEGABIT };
	const struct address *const destinations[] = { &d1, &d2, &d3, NULL };
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	unsigned struck = 0;

	(void)state;
	for (uint64_t i = 1; i < 4; i++)
		world_attach(world, mine, id, i + 1, destinations[i]);
	for (int from = 0; from < 12; from++) {
		for (int to = 0; to < 12; to++) {
			for (unsigned at = 1; at <= 6; at++) {
				struct snapshot before;
				int r;

				assert_int_equal(set_rate(id, rates[from % 4], (uint32_t)from / 4),
						 0);
				before = snapshot(id, destinations);
				fake_fail(&world->datapath, at, 1, -EIO);
				r = set_rate(id, rates[to % 4], (uint32_t)to / 4);
				if (r == 0) {
					fake_fail(&world->datapath, 0, 0, 0);
					continue;
				}
				assert_int_equal(r, -EIO);
				assert_as_before(&before, id, destinations);
				world_check(world);
				struck++;
			}
		}
	}
	/* Four targets each, and a meter before them in half of the cases. */
	assert_int_equal(struck, 12 * 12 * 4 + 12 * 6);
}

/* The earlier meter cannot be made again: nothing of the flow is in force, and the next change is a new start. */
static void meter_is_lost(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	world_attach(world, mine, id, 2, &d2);
	assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_AND_MARK), 0);
	/* The new meter, the first target; then the second target, and the old meter, fail. */
	fake_fail(&world->datapath, 3, 2, -EIO);
	assert_int_equal(set_rate(id, 2 * MEGABIT, GW_SHAPE_AND_MARK), -EIO);
	assert_int_equal(world->datapath.n_meters, 0);
	assert_int_equal(world->datapath.n_marks, 0);
	assert_int_equal(info_of(id).rate_bps, MEGABIT);
	assert_int_equal(set_class(id, GW_CLASS_VOICE), 0);
	assert_int_equal(meter_of(id)->bucket.rate_bps, MEGABIT);
	assert_links(id, 1, 2, 2);
	world_check(world);
}

static void the_table_is_full(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	fake_fail(&world->datapath, 1, 1, -ENOSPC);
	assert_int_equal(set_rate(id, MEGABIT, 0), -ENOBUFS);
	assert_int_equal(engine_counters(world->engine)->refused_limit, 1);
	fake_fail(&world->datapath, 1, 1, -EOPNOTSUPP);
	assert_int_equal(set_rate(id, MEGABIT, 0), -EOPNOTSUPP);
	assert_int_equal(engine_counters(world->engine)->refused_datapath, 1);
	fake_fail(&world->datapath, 1, 1, -EDQUOT);
	assert_int_equal(set_rate(id, MEGABIT, 0), -EDQUOT);
	assert_int_equal(engine_counters(world->engine)->refused_admission, 1);
	assert_null(meter_of(id));
}

/* A socket that cannot come under the meter stays outside, and the meter is as before. */
static void attaching_fails(void **state)
{
	struct flow_request request = { .dscp = GW_DSCP_FROM_CLASS };
	struct engine_socket socket = world_socket(2);
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	world->ifindex = 0;
	assert_int_equal(set_rate(id, MEGABIT, 0), 0);
	for (unsigned at = 1; at <= 2; at++) {
		fake_fail(&world->datapath, at, 1, -EIO);
		assert_int_equal(engine_add(world->engine, mine, &socket, &d2, &request, &id, 0),
				 -EIO);
		assert_links(id, 1, 1, 1);
		world_check(world);
	}
	/* Not even the old meter: then the new one, which has a link too many, stays. */
	fake_fail(&world->datapath, 2, 2, -EIO);
	assert_int_equal(engine_add(world->engine, mine, &socket, &d2, &request, &id, 0), -EIO);
	assert_links(id, 2, 1, 2);
	world_check(world);
}

/* ---- endings ---- */

static void one_of_several_ends(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	world_attach(world, mine, id, 2, &d2);
	assert_int_equal(set_rate(id, MEGABIT, 0), 0);
	engine_end_socket(world->engine, 1, DIRECTION_BOTH, END_CLOSED, 0);
	assert_non_null(meter_of(id));
	world_check(world);
	engine_end_socket(world->engine, 2, DIRECTION_BOTH, END_CLOSED, 0);
	assert_null(meter_of(id));
	assert_int_equal(world->datapath.meters_ended, 1);
}

/* Whatever ends the flow ends its meter. */
static void every_ending(void **state)
{
	(void)state;
	for (uint64_t how = 0; how < 6; how++) {
		uint32_t id = world_add(world, mine, how + 1, &d1, GW_CLASS_VOICE, 0);

		assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_AND_MARK), 0);
		switch (how) {
		case 0:
			assert_int_equal(engine_remove(world->engine, mine, id, 0), 0);
			break;
		case 1:
			assert_int_equal(engine_detach(world->engine, mine, id, how + 1, 0), 0);
			break;
		case 2:
			engine_end_socket(world->engine, how + 1, DIRECTION_SEND, END_SHUTDOWN, 0);
			break;
		case 3:
			engine_end_socket(world->engine, how + 1, DIRECTION_BOTH, END_DISCONNECTED,
					  0);
			break;
		case 4:
			assert_int_equal(engine_owner_close(world->engine, mine, 0), 0);
			break;
		case 5:
			world_remove_owner(world, mine);
			mine = world_owner(world, UID_USER);
			break;
		}
		assert_int_equal(world->datapath.n_meters, 0);
		assert_int_equal(world->datapath.meters_ended, how + 1);
		world_check(world);
	}
}

/* A flow that keeps its identifier has no meter while it has no socket, and gets it back with the next. */
static void kept_when_closed(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, GW_FLOW_KEEP_WHEN_CLOSED);

	(void)state;
	world->ifindex = 0;
	assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_AND_MARK), 0);
	engine_end_socket(world->engine, 1, DIRECTION_BOTH, END_CLOSED, 0);
	assert_null(meter_of(id));
	assert_int_equal(info_of(id).rate_bps, MEGABIT);
	assert_int_equal(set_rate(id, 2 * MEGABIT, GW_SHAPE_AND_MARK), 0);
	assert_null(meter_of(id));
	world_check(world);
	world_attach(world, mine, id, 2, &d2);
	assert_int_equal(meter_of(id)->bucket.rate_bps, 2 * MEGABIT);
	assert_links(id, 1, 2, 2);
	world_check(world);
}

/* Shadowed, a flow keeps its meter; it comes back under it. */
static void shadowed(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0), over;

	(void)state;
	assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_AND_MARK), 0);
	over = world_add(world, mine, 1, &d1, GW_CLASS_CONTROL, 0);
	assert_false(treatment_of(1, &d1)->metered);
	assert_int_equal(set_rate(id, 2 * MEGABIT, GW_SHAPE_AND_MARK), 0);
	world_check(world);
	assert_int_equal(engine_remove(world->engine, mine, over, 0), 0);
	assert_int_equal(treatment_of(1, &d1)->flow_id, id);
	assert_true(treatment_of(1, &d1)->metered);
}

/* ---- programs ---- */

static void program_with_a_rate(void **state)
{
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };
	uint32_t id;

	(void)state;
	assert_int_equal(engine_run(world->engine, mine, &request, MEGABIT, &id, 0), 0);
	assert_int_equal(meter_of(id)->excess, DATAPATH_EXCESS_DELAY);
	assert_links(id, 0, 0, 0);
	assert_true(fake_find_group(&world->datapath, world->last_group)->treatment.metered);
	assert_int_equal(info_of(id).rate_bps, MEGABIT);
	assert_int_equal(info_of(id).shaping, GW_SHAPE_AND_MARK);
	world_check(world);
	engine_end_group(world->engine, world->last_group, END_GROUP_EMPTY, 0);
	assert_int_equal(world->datapath.n_meters, 0);
	/* The meter fails, then the group: nothing stays. */
	for (unsigned at = 1; at <= 2; at++) {
		fake_fail(&world->datapath, at, 1, -EIO);
		assert_int_equal(engine_run(world->engine, mine, &request, MEGABIT, &id, 0), -EIO);
		assert_int_equal(world->datapath.n_meters, 0);
		assert_int_equal(world->n_ended_groups, 1 + at);
		world_check(world);
	}
}

/* What an earlier engine left behind becomes the same again, under a new identifier. */
static void adopted(void **state)
{
	static const uint32_t shapings[] = { GW_SHAPE_AND_MARK, GW_SHAPE_ONLY,
					     GW_SHAPE_MARK_CONFORMANT };
	struct engine_owner_info info = { .uid = UID_USER, .pid = 7 };

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		uint32_t id = world_add(world, mine, i + 1, &d1, GW_CLASS_VOICE, 0), new_id;
		struct datapath_treatment treatment;
		struct datapath_meter meter;

		assert_int_equal(set_rate(id, MEGABIT, shapings[i]), 0);
		treatment = *treatment_of(i + 1, &d1);
		meter = *meter_of(id);
		assert_int_equal(
			engine_adopt_group(world->engine, 50 + i, &treatment, &meter, &info, 0), 0);
		new_id = fake_find_group(&world->datapath, 50 + i)->treatment.flow_id;
		assert_int_not_equal(new_id, id);
		assert_int_equal(info_of(new_id).rate_bps, MEGABIT);
		assert_int_equal(info_of(new_id).shaping, shapings[i]);
		assert_int_equal(meter_of(new_id)->excess, meter.excess);
		assert_int_equal(meter_of(new_id)->excess_class, meter.excess_class);
		assert_memory_equal(&meter_of(new_id)->bucket, &meter.bucket, sizeof(meter.bucket));
		world_check(world);
		engine_end_group(world->engine, 50 + i, END_GROUP_EMPTY, 0);
	}
}

/* ---- what is told ---- */

static int keep_record(const struct gw_flow_record *record, void *user_data)
{
	*(struct gw_flow_record *)user_data = *record;
	return 0;
}

static struct gw_flow_record record_of(uint32_t id)
{
	struct engine_view view = engine_view_of(world->engine, root);
	struct gw_flow_record record;

	assert_int_equal(engine_flow_records(world->engine, &view, id, keep_record, &record), 0);
	return record;
}

static void records(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	struct gw_flow_record record = record_of(id);
	struct fake_meter *there;

	(void)state;
	assert_int_equal(record.metered, 0);
	assert_int_equal(record.shaping, GW_SHAPING_NONE);
	assert_int_equal(set_rate(id, MEGABIT, GW_SHAPE_AND_MARK), 0);
	there = fake_meter_of(&world->datapath, id);
	there->counters = (struct datapath_meter_counters){ 1, 2, 3, 4, 5, 6 };
	record = record_of(id);
	assert_int_equal(record.metered, 1);
	assert_int_equal(record.shaping, GW_SHAPING_EDT);
	assert_int_equal(record.rate_bps, MEGABIT);
	assert_int_equal(record.reserved_bps, 0);
	assert_int_equal(record.conforming_packets, 1);
	assert_int_equal(record.conforming_bytes, 2);
	assert_int_equal(record.excess_packets, 3);
	assert_int_equal(record.excess_bytes, 4);
	assert_int_equal(record.dropped_packets, 5);
	assert_int_equal(record.dropped_bytes, 6);
	/* The last word on a flow has its last figures. */
	assert_int_equal(owner_watch(world->engine, root), 0);
	assert_int_equal(engine_remove(world->engine, mine, id, 0), 0);
	assert_int_equal(world->n_events, 1);
	assert_int_equal(world->events[0].event.record.conforming_bytes, 2);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_shaping),
		TEST(background),
		TEST(excess_of_best_effort),
		TEST(depth),
		TEST(rates_without_meter),
		TEST(replaced_at_once),
		TEST(profile_and_policy),
		TEST(adaptive),
		TEST(links),
		TEST(bound_socket),
		TEST(connected_socket),
		TEST(many_links),
		TEST(descriptors_come_along),
		TEST(owner_paces),
		TEST(no_meters_here),
		TEST(failing_at_each_step),
		TEST(meter_is_lost),
		TEST(the_table_is_full),
		TEST(attaching_fails),
		TEST(one_of_several_ends),
		TEST(every_ending),
		TEST(kept_when_closed),
		TEST(shadowed),
		TEST(program_with_a_rate),
		TEST(adopted),
		TEST(records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
