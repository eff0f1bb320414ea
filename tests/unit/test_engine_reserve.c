/* SPDX-License-Identifier: MIT */
/*
 * test_engine_reserve.c: reservations of flows: what is asked of the datapath, what is booked of the links, and
 * that the books are right after everything that can happen, a day long.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/rate.h"
#include "engine/internal.h"
#include "world.h"

#define MEGABIT UINT64_C(1000000)

static struct world *world;
static struct owner *mine, *other, *root;
static struct address d1, d2;

static int setup(void **state)
{
	(void)state;
	world = world_new(NULL);
	world->ifindex = 0; /* the last byte of the address */
	mine = world_owner(world, UID_USER);
	other = world_owner(world, UID_OTHER);
	root = world_owner(world, UID_ROOT);
	d1 = world_address("198.51.100.1", 5060);
	d2 = world_address("198.51.100.2", 5060);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(world);
	return 0;
}

static void set_link(uint32_t ifindex, uint64_t rate_bps, uint32_t share)
{
	struct admission_link_config config = { .rate_bps = rate_bps, .share = share };

	assert_int_equal(engine_set_link(world->engine, ifindex, rate_bps ? &config : NULL), 0);
}

/* The shortest packets are as long as what the link adds, so that exactly twice the rate is booked. */
static int reserve_as(struct owner *owner, uint32_t id, uint64_t rate_bps, enum gw_excess excess,
		      struct admission_refusal *ret_refusal)
{
	struct bucket_spec bucket = { .rate_bps = rate_bps, .min_bytes = 38 };

	return engine_reserve(world->engine, owner, id, &bucket, excess, ret_refusal,
			      world->now_us);
}

static int reserve(uint32_t id, uint64_t rate_bps)
{
	return reserve_as(mine, id, rate_bps, GW_EXCESS_DROP, NULL);
}

static uint64_t booked(uint32_t ifindex)
{
	struct admission_books books;

	admission_books(engine_admission(world->engine), ifindex, &books);
	return books.reserved_bps;
}

static const struct datapath_meter *meter_of(uint32_t id)
{
	const struct fake_meter *there = fake_meter_of(&world->datapath, id);

	return there ? &there->meter : NULL;
}

/* ---- one user's share ---- */

static void limit_users(uint32_t percent)
{
	struct engine_config config = world->engine->config;

	config.max_reserved_per_user = percent;
	engine_reconfigure(world->engine, &config);
}

/* Of what is reservable, on each link and of all flows together; others and root have theirs. */
static void one_user_has_a_share(void **state)
{
	uint32_t first = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	uint32_t second = world_add(world, mine, 2, &d1, GW_CLASS_VOICE, 0);
	uint32_t elsewhere = world_add(world, mine, 3, &d2, GW_CLASS_VOICE, 0);
	uint32_t theirs = world_add(world, other, 4, &d1, GW_CLASS_VOICE, 0);
	uint32_t roots = world_add(world, root, 5, &d1, GW_CLASS_VOICE, 0);
	struct admission_refusal refusal = { 0 };
	char text[ADMISSION_TEXT_LEN];

	(void)state;
	limit_users(25);
	set_link(1, 100 * MEGABIT, 80);
	set_link(2, 100 * MEGABIT, 80);
	assert_int_equal(reserve(first, 6 * MEGABIT), 0); /* books 12 of 20 */
	assert_int_equal(reserve_as(mine, second, 5 * MEGABIT, GW_EXCESS_DROP, &refusal), -EDQUOT);
	assert_int_equal(refusal.rule, ADMISSION_RULE_USER);
	assert_string_equal(admission_refusal_format(&refusal, text),
			    "10000000 bit/s asked; 12000000 of 20000000 bit/s are reserved by this "
			    "user already; max-reserved-per-user = 25% (configuration)");
	assert_int_equal(booked(1), 12 * MEGABIT);
	assert_int_equal(reserve(second, 4 * MEGABIT), 0);
	assert_int_equal(reserve(first, 7 * MEGABIT), -EDQUOT);
	assert_int_equal(booked(1), 20 * MEGABIT);
	assert_int_equal(reserve(elsewhere, 10 * MEGABIT), 0);
	assert_int_equal(reserve_as(other, theirs, 10 * MEGABIT, GW_EXCESS_DROP, NULL), 0);
	assert_int_equal(reserve_as(root, roots, 20 * MEGABIT, GW_EXCESS_DROP, NULL), 0);

	/* What was accepted stays when the share shrinks, and may shrink itself. */
	limit_users(0);
	assert_int_equal(reserve(first, 6 * MEGABIT), 0);
	assert_int_equal(reserve(first, 5 * MEGABIT), 0);
	assert_int_equal(reserve(first, 6 * MEGABIT), -EDQUOT);
	assert_int_equal(booked(1), (10 + 8 + 20 + 40) * MEGABIT);
}

/* ---- the meter ---- */

static void each_excess(void **state)
{
	static const struct {
		enum gw_excess excess;
		enum datapath_excess made;
		enum gw_class excess_class;
	} cases[] = {
		{ GW_EXCESS_DROP, DATAPATH_EXCESS_DROP, GW_CLASS_BEST_EFFORT },
		{ GW_EXCESS_REMARK, DATAPATH_EXCESS_REMARK, GW_CLASS_VOICE },
		{ GW_EXCESS_BEST_EFFORT, DATAPATH_EXCESS_REMARK, GW_CLASS_BEST_EFFORT },
	};
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	uint32_t background = world_add(world, mine, 2, &d1, GW_CLASS_BACKGROUND, 0);
	struct bucket_spec bucket = { 3 * MEGABIT, 20000, 9 * MEGABIT, 100, 1500 };

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(engine_reserve(world->engine, mine, id, &bucket, cases[i].excess,
						NULL, 0),
				 0);
		assert_int_equal(meter_of(id)->excess, cases[i].made);
		if (cases[i].made == DATAPATH_EXCESS_REMARK)
			assert_int_equal(meter_of(id)->excess_class, cases[i].excess_class);
		assert_int_equal(meter_of(id)->excess_mark.set_dscp,
				 cases[i].made == DATAPATH_EXCESS_REMARK);
		assert_int_equal(meter_of(id)->excess_mark.dscp, 0);
		assert_int_equal(meter_of(id)->reserved_bps, 3 * MEGABIT);
		assert_memory_equal(&meter_of(id)->bucket, &bucket, sizeof(bucket));
		assert_int_equal(fake_dscp(&world->datapath, 1, &d1), 56);
		world_check(world);
	}
	/* Best effort would be a promotion. */
	assert_int_equal(reserve_as(mine, background, MEGABIT, GW_EXCESS_BEST_EFFORT, NULL), 0);
	assert_int_equal(meter_of(background)->excess_class, GW_CLASS_BACKGROUND);
	assert_int_equal(meter_of(background)->excess_mark.dscp, 8);
}

static void usual_depth(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	struct bucket_spec bucket = { .rate_bps = 8 * MEGABIT };

	(void)state;
	assert_int_equal(engine_reserve(world->engine, mine, id, &bucket, 0, NULL, 0), 0);
	assert_int_equal(meter_of(id)->bucket.depth_bytes, 100000);
	bucket.rate_bps = 1;
	assert_int_equal(engine_reserve(world->engine, mine, id, &bucket, 0, NULL, 0), 0);
	assert_int_equal(meter_of(id)->bucket.depth_bytes, 3000);
	bucket.max_bytes = 9000;
	assert_int_equal(engine_reserve(world->engine, mine, id, &bucket, 0, NULL, 0), 0);
	assert_int_equal(meter_of(id)->bucket.depth_bytes, 18000);
}

static void malformed(void **state)
{
	static const struct bucket_spec bad[] = {
		{ .rate_bps = ADMISSION_RATE_MAX_BPS + 1 },
		{ .rate_bps = UINT64_MAX },
		{ .rate_bps = 1, .depth_bytes = BUCKET_BYTES_MAX + 1 },
		{ .rate_bps = 2, .peak_bps = 1, .max_bytes = 1500 },
		{ .rate_bps = 1, .peak_bps = 2 },
		{ .rate_bps = 1, .min_bytes = 1501, .max_bytes = 1500 },
		{ .rate_bps = 1, .max_bytes = UINT32_MAX },
	};
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	uint32_t adaptive = world_add(world, mine, 2, &d1, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(engine_reserve(world->engine, mine, id, &bad[i], 0, NULL, 0),
				 -EINVAL);
	assert_int_equal(reserve_as(mine, id, MEGABIT, (enum gw_excess)3, NULL), -EINVAL);
	assert_int_equal(reserve(adaptive, MEGABIT), -EOPNOTSUPP);
	assert_int_equal(reserve_as(other, id, MEGABIT, 0, NULL), -ENOENT);
	assert_int_equal(reserve(4711, MEGABIT), -ENOENT);
	assert_null(meter_of(id));
	assert_int_equal(world->datapath.metered, 0);
}

/* A rate and a reservation take each other's place; giving back what is not there changes nothing. */
static void rate_and_reservation(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	struct gw_flow_info info;

	(void)state;
	assert_int_equal(engine_set_rate(world->engine, mine, id, MEGABIT, 0, 0, NULL, 0), 0);
	assert_int_equal(reserve(id, 0), 0);
	assert_int_equal(meter_of(id)->excess, DATAPATH_EXCESS_DELAY);
	assert_int_equal(reserve(id, 2 * MEGABIT), 0);
	assert_int_equal(engine_query(world->engine, mine, id, &info), 0);
	assert_int_equal(info.rate_bps, 0);
	assert_int_equal(info.conformant_dscp, 56);
	assert_int_equal(booked(1), 4 * MEGABIT);
	assert_int_equal(engine_set_rate(world->engine, mine, id, MEGABIT, 0, 0, NULL, 0), 0);
	assert_int_equal(booked(1), 0);
	assert_int_equal(meter_of(id)->reserved_bps, 0);
	assert_int_equal(reserve(id, 2 * MEGABIT), 0);
	assert_int_equal(engine_set_rate(world->engine, mine, id, GW_RATE_NONE, 0, 0, NULL, 0), 0);
	assert_null(meter_of(id));
	/* Reserving marks again; giving it back keeps that. */
	assert_int_equal(reserve(id, 2 * MEGABIT), 0);
	assert_int_equal(fake_dscp(&world->datapath, 1, &d1), 56);
	assert_int_equal(reserve(id, 0), 0);
	assert_int_equal(fake_dscp(&world->datapath, 1, &d1), 56);
	assert_null(meter_of(id));
	assert_int_equal(world->datapath.meters_ended, 2);
	assert_int_equal(booked(1), 0);
}

/* ---- the books ---- */

/* As long as packets say they are: the shortest, or else the longest, or else full ones. */
static void what_is_booked(void **state)
{
	static const struct {
		uint32_t min_bytes, max_bytes, packet_bytes;
	} cases[] = {
		{ 0, 0, 1500 },	   { 100, 0, 100 },   { 100, 1400, 100 },
		{ 0, 1400, 1400 }, { 0, 9000, 1500 }, { 2000, 0, 1500 },
	};
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bucket_spec bucket = { .rate_bps = MEGABIT,
					      .min_bytes = cases[i].min_bytes,
					      .max_bytes = cases[i].max_bytes };

		assert_int_equal(engine_reserve(world->engine, mine, id, &bucket, 0, NULL, 0), 0);
		assert_int_equal(booked(1), rate_on_link(MEGABIT, cases[i].packet_bytes, 38));
		world_check(world);
	}
}

static void refused(void **state)
{
	uint32_t a = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	uint32_t b = world_add(world, mine, 2, &d1, GW_CLASS_VOICE, 0);
	struct admission_refusal refusal = { 0 };

	(void)state;
	set_link(1, 10 * MEGABIT, 80);
	assert_int_equal(reserve(a, 3 * MEGABIT), 0);
	assert_int_equal(reserve_as(mine, b, MEGABIT + 1, 0, &refusal), -EDQUOT);
	assert_int_equal(refusal.rule, ADMISSION_RULE_SHARE);
	assert_int_equal(refusal.limit_bps, 8 * MEGABIT);
	assert_int_equal(refusal.asked_bps, 2 * MEGABIT + 2);
	assert_int_equal(refusal.reserved_bps, 6 * MEGABIT);
	assert_null(meter_of(b));
	assert_int_equal(engine_counters(world->engine)->refused_admission, 1);
	assert_int_equal(reserve(b, MEGABIT), 0);
	assert_int_equal(booked(1), 8 * MEGABIT);
	/* More of one's own is more too; all is as before. */
	assert_int_equal(reserve(b, MEGABIT + 1), -EDQUOT);
	assert_int_equal(meter_of(b)->reserved_bps, MEGABIT);
	assert_int_equal(booked(1), 8 * MEGABIT);
	/* The link shrinks: everybody keeps what he has, may have less, may change its class, and not grow again. */
	set_link(1, 5 * MEGABIT, 80);
	assert_int_equal(reserve(a, 3 * MEGABIT), 0);
	assert_int_equal(engine_set_class(world->engine, mine, a, GW_CLASS_CONTROL, 0), 0);
	world_check(world);
	assert_int_equal(reserve(a, 2 * MEGABIT), 0);
	assert_int_equal(reserve(a, 3 * MEGABIT), -EDQUOT);
	assert_int_equal(booked(1), 6 * MEGABIT);
	/* Given back to the host, it has no limits; what is booked stays booked. */
	set_link(1, 0, 0);
	assert_int_equal(reserve(a, 30 * MEGABIT), 0);
	assert_int_equal(booked(1), 62 * MEGABIT);
}

static void several_links(void **state)
{
	struct flow_request request = { .dscp = GW_DSCP_FROM_CLASS };
	struct engine_socket socket = world_socket(2);
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	set_link(1, 10 * MEGABIT, 100);
	set_link(2, 4 * MEGABIT, 100);
	assert_int_equal(reserve(id, 3 * MEGABIT), 0);
	/* The second link has not so much: the socket stays outside. */
	assert_int_equal(engine_add(world->engine, mine, &socket, &d2, &request, &id, 0), -EDQUOT);
	assert_int_equal(meter_of(id)->n_links, 1);
	assert_int_equal(booked(2), 0);
	world_check(world);
	assert_int_equal(reserve(id, 2 * MEGABIT), 0);
	world_attach(world, mine, id, 2, &d2);
	assert_int_equal(meter_of(id)->n_links, 2);
	assert_int_equal(booked(1), 4 * MEGABIT);
	assert_int_equal(booked(2), 4 * MEGABIT);
	/* All or nothing. */
	assert_int_equal(reserve(id, 3 * MEGABIT), -EDQUOT);
	assert_int_equal(booked(1), 4 * MEGABIT);
	assert_int_equal(booked(2), 4 * MEGABIT);
	/* A link that is not used any more is given back with the next change. */
	assert_int_equal(engine_detach(world->engine, mine, id, 2, 0), 0);
	assert_int_equal(reserve(id, 3 * MEGABIT), 0);
	assert_int_equal(booked(1), 6 * MEGABIT);
	assert_int_equal(booked(2), 0);
}

/* Packets that may leave through any link: booked wherever there are limits. */
static void unknown_links(void **state)
{
	uint32_t id = world_add(world, mine, 1, NULL, GW_CLASS_VOICE, 0);

	(void)state;
	set_link(1, 10 * MEGABIT, 100);
	set_link(5, 4 * MEGABIT, 100);
	assert_int_equal(reserve(id, 3 * MEGABIT), -EDQUOT);
	assert_int_equal(reserve(id, 2 * MEGABIT), 0);
	assert_int_equal(meter_of(id)->n_links, 0);
	assert_int_equal(booked(1), 4 * MEGABIT);
	assert_int_equal(booked(5), 4 * MEGABIT);
	/* A link that comes later, and is too small, does not stand against a change of the class. */
	set_link(6, MEGABIT, 100);
	assert_int_equal(engine_set_class(world->engine, mine, id, GW_CLASS_CONTROL, 0), 0);
	assert_int_equal(booked(6), 0);
	world_check(world);
	assert_int_equal(reserve(id, 2 * MEGABIT), -EDQUOT);
	set_link(6, 0, 0);
	assert_int_equal(reserve(id, MEGABIT), 0);
	assert_int_equal(booked(5), 2 * MEGABIT);
}

static void released_with_the_socket(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, GW_FLOW_KEEP_WHEN_CLOSED);
	uint32_t greedy = world_add(world, mine, 2, &d1, GW_CLASS_VOICE, 0);
	struct flow_request request = { .dscp = GW_DSCP_FROM_CLASS };
	struct engine_socket socket = world_socket(3);

	(void)state;
	set_link(1, 10 * MEGABIT, 100);
	assert_int_equal(reserve(id, 3 * MEGABIT), 0);
	engine_end_socket(world->engine, 1, DIRECTION_BOTH, END_CLOSED, 0);
	assert_int_equal(booked(1), 0);
	/* Somebody else has it meanwhile: then the flow gets no socket. */
	assert_int_equal(reserve(greedy, 5 * MEGABIT), 0);
	assert_int_equal(engine_add(world->engine, mine, &socket, &d1, &request, &id, 0), -EDQUOT);
	assert_int_equal(booked(1), 10 * MEGABIT);
	world_check(world);
	assert_int_equal(engine_remove(world->engine, mine, greedy, 0), 0);
	world_attach(world, mine, id, 3, &d1);
	assert_int_equal(booked(1), 6 * MEGABIT);
}

/* From every reservation to every other, failing at each step: the books and all else as before. */
static void failing_at_each_step(void **state)
{
	static const uint64_t rates[] = { 0, MEGABIT, 2 * MEGABIT };
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	unsigned struck = 0;

	(void)state;
	world_attach(world, mine, id, 2, &d2);
	set_link(1, 4 * MEGABIT, 100);
	for (int from = 0; from < 3; from++) {
		for (int to = 0; to < 3; to++) {
			for (unsigned at = 1; at <= 4; at++) {
				assert_int_equal(reserve(id, 0), 0);
				assert_int_equal(reserve(id, rates[from]), 0);
				/* Over-committed: what shrinks and comes back must not be refused. */
				set_link(1, MEGABIT, 100);
				fake_fail(&world->datapath, at, 1, -EIO);
				if (reserve(id, rates[to]) == -EIO) {
					assert_int_equal(booked(1), 2 * rates[from]);
					assert_int_equal(booked(2), 2 * rates[from]);
					assert_int_equal(meter_of(id) != NULL, from != 0);
					if (from)
						assert_int_equal(meter_of(id)->reserved_bps,
								 rates[from]);
					struck++;
				}
				fake_fail(&world->datapath, 0, 0, 0);
				world_check(world);
				set_link(1, 4 * MEGABIT, 100);
			}
		}
	}
	/*
	 * From something to nothing two targets can fail; to the same, or to less, a meter as well. To more, and
	 * from nothing, the link refuses before that.
	 */
	assert_int_equal(struck, 2 * 2 + 3 * 3);
}

static int keep_record(const struct gw_flow_record *record, void *user_data)
{
	*(struct gw_flow_record *)user_data = *record;
	return 0;
}

static void records(void **state)
{
	struct engine_view view = engine_view_of(world->engine, mine);
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	struct gw_flow_record record;

	(void)state;
	assert_int_equal(reserve(id, 3 * MEGABIT), 0);
	assert_int_equal(engine_flow_records(world->engine, &view, id, keep_record, &record), 0);
	assert_int_equal(record.reserved_bps, 3 * MEGABIT);
	assert_int_equal(record.metered, 1);
	assert_int_equal(record.rate_bps, 0);
	assert_int_equal(record.shaping, GW_SHAPING_POLICED);
}

/* ---- a day ---- */

#define DAY_S (24 * 3600)
#define DAY_OWNERS 6
#define DAY_FLOWS 60
#define DAY_LINKS 3 /* the first of them is never handed over */

struct day_flow {
	uint32_t id; /* 0: none */
	int owner;
	uint64_t cookie;
};

static struct {
	struct owner *owners[DAY_OWNERS];
	struct day_flow flows[DAY_FLOWS];
	uint64_t last_cookie;
	uint64_t random;
	unsigned admitted, refused, asked_back;
} day;

static uint64_t pick(uint64_t n)
{
	day.random ^= day.random << 13;
	day.random ^= day.random >> 7;
	day.random ^= day.random << 17;
	return day.random % n;
}

/* A call arrives: a socket, a flow, a reservation. It may be refused, and goes on without. */
static void day_arrival(void)
{
	char host[32];
	struct day_flow *flow = &day.flows[pick(DAY_FLOWS)];
	struct address destination;
	uint32_t flags = pick(4) == 0 ? GW_FLOW_KEEP_WHEN_CLOSED : 0;
	int r;

	if (flow->id)
		return;
	snprintf(host, sizeof(host), "198.51.100.%d", (int)pick(DAY_LINKS) + 1);
	destination = world_address(host, 5060);
	flow->owner = (int)pick(DAY_OWNERS);
	flow->cookie = ++day.last_cookie;
	flow->id = world_add(world, day.owners[flow->owner], flow->cookie,
			     pick(10) ? &destination : NULL, (enum gw_class)pick(GW_CLASS_COUNT),
			     flags);
	r = reserve_as(day.owners[flow->owner], flow->id, (pick(40) + 1) * 100000,
		       (enum gw_excess)pick(3), NULL);
	assert_true(r == 0 || r == -EDQUOT);
	if (r == 0)
		day.admitted++;
	else
		day.refused++;
}

static void day_change(struct day_flow *flow)
{
	struct owner *owner = day.owners[flow->owner];
	struct address destination = world_address(pick(2) ? "198.51.100.1" : "198.51.100.2", 99);
	struct engine_socket socket = world_socket(flow->cookie);
	struct flow_request request = { .dscp = GW_DSCP_FROM_CLASS };
	int r = 0;

	if (pick(8) == 0)
		fake_fail(&world->datapath, (unsigned)pick(3) + 1, 1, -EIO);
	switch (pick(4)) {
	case 0:
		r = reserve_as(owner, flow->id, pick(50) * 100000, (enum gw_excess)pick(3), NULL);
		day.asked_back++;
		break;
	case 1:
		r = engine_set_rate(world->engine, owner, flow->id, pick(3) * MEGABIT, 1, 0, NULL,
				    0);
		break;
	case 2:
		r = engine_set_class(world->engine, owner, flow->id,
				     (enum gw_class)pick(GW_CLASS_COUNT), 0);
		break;
	case 3:
		r = engine_add(world->engine, owner, &socket, &destination, &request, &flow->id, 0);
		break;
	}
	fake_fail(&world->datapath, 0, 0, 0);
	assert_true(r == 0 || r == -EDQUOT || r == -EIO);
}

static void day_end(struct day_flow *flow)
{
	if (pick(2)) {
		engine_end_socket(world->engine, flow->cookie, DIRECTION_BOTH, END_CLOSED, 0);
		if (flow_find(world->engine, flow->id))
			return; /* it keeps its identifier, and holds nothing */
	} else {
		assert_int_equal(engine_remove(world->engine, day.owners[flow->owner], flow->id, 0),
				 0);
	}
	flow->id = 0;
}

static void day_death(int owner)
{
	world_remove_owner(world, day.owners[owner]);
	day.owners[owner] = world_owner(world, (uint32_t)(UID_USER + owner));
	for (int i = 0; i < DAY_FLOWS; i++) {
		if (day.flows[i].owner == owner)
			day.flows[i].id = 0;
	}
}

static void day_link(void)
{
	uint32_t ifindex = 2 + (uint32_t)pick(DAY_LINKS - 1);

	set_link(ifindex, pick(5) ? (10 + pick(40)) * MEGABIT : 0, (uint32_t)pick(101));
}

static void day_event(void)
{
	struct day_flow *flow = &day.flows[pick(DAY_FLOWS)];
	uint64_t what = pick(1000);

	if (what < 3)
		day_death((int)pick(DAY_OWNERS));
	else if (what < 8)
		day_link();
	else if (what < 400 || !flow->id)
		day_arrival();
	else if (what < 700)
		day_change(flow);
	else
		day_end(flow);
}

/* Never is more admitted than the link had to give when it was; and at the end nothing is left. */
static void a_day(void **state)
{
	const char *seed = getenv("GW_SEED");
	uint64_t end_us, nonce = seed ? strtoull(seed, NULL, 10) : 1;

	(void)state;
	print_message("GW_SEED=%llu\n", (unsigned long long)nonce);
	day.random = nonce * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (int i = 0; i < DAY_OWNERS; i++)
		day.owners[i] = world_owner(world, (uint32_t)(UID_USER + i));
	set_link(2, 40 * MEGABIT, 75);
	set_link(3, 20 * MEGABIT, 50);
	end_us = world->now_us + DAY_S * UINT64_C(1000000);
	while (world->now_us < end_us) {
		uint64_t limit_bps, before_bps = booked(2);
		struct admission_books books;

		day_event();
		world_check(world); /* the books are the sums of what flows hold */
		admission_books(engine_admission(world->engine), 2, &books);
		limit_bps = books.enforced ? books.limit_bps : UINT64_MAX;
		assert_true(books.reserved_bps <= before_bps || books.reserved_bps <= limit_bps);
		world->now_us += 1 + pick(8000000); /* 4 s on average */
		engine_tick(world->engine, world->now_us);
	}
	for (int i = 0; i < DAY_OWNERS; i++)
		world_remove_owner(world, day.owners[i]);
	for (uint32_t i = 1; i <= DAY_LINKS; i++)
		assert_int_equal(booked(i), 0);
	/* It was a day on which something happened. */
	assert_true(day.admitted > 1000 && day.refused > 300 && day.asked_back > 300);
}

/* IntServ: what is set aside may be more than the bucket fills with, and is in the books under its service. */
static void services(void **state)
{
	struct engine_service service = {
		.bucket = { .rate_bps = MEGABIT, .min_bytes = 38 },
		.reserved_bps = 3 * MEGABIT,
		.booked_as = ADMISSION_GUARANTEED,
		.traffic_class = GW_CLASS_VOICE,
		.excess = GW_EXCESS_BEST_EFFORT,
	};
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_BACKGROUND, 0);
	struct admission_books books;

	(void)state;
	set_link(1, 10 * MEGABIT, 100);
	assert_int_equal(engine_reserve_service(world->engine, mine, id, &service, NULL, 0), 0);
	assert_int_equal(meter_of(id)->bucket.rate_bps, MEGABIT);
	assert_int_equal(meter_of(id)->reserved_bps, 3 * MEGABIT);
	assert_int_equal(meter_of(id)->traffic_class, GW_CLASS_VOICE);
	admission_books(engine_admission(world->engine), 1, &books);
	assert_int_equal(books.class_bps[ADMISSION_GUARANTEED], 6 * MEGABIT);
	assert_int_equal(books.class_bps[GW_CLASS_VOICE], 0);
	world_check(world);
	/* Too much, and everything is as it was, the class too. */
	service.reserved_bps = 6 * MEGABIT;
	service.booked_as = ADMISSION_CONTROLLED_LOAD;
	service.traffic_class = GW_CLASS_AUDIO_VIDEO;
	assert_int_equal(engine_reserve_service(world->engine, mine, id, &service, NULL, 0),
			 -EDQUOT);
	assert_int_equal(meter_of(id)->traffic_class, GW_CLASS_VOICE);
	assert_int_equal(booked(1), 6 * MEGABIT);
	world_check(world);
	/* Less than the bucket cannot be set aside. */
	service.reserved_bps = 0;
	assert_int_equal(engine_reserve_service(world->engine, mine, id, &service, NULL, 0), 0);
	assert_int_equal(meter_of(id)->reserved_bps, MEGABIT);
	admission_books(engine_admission(world->engine), 1, &books);
	assert_int_equal(books.class_bps[ADMISSION_CONTROLLED_LOAD], 2 * MEGABIT);
	assert_int_equal(books.class_bps[ADMISSION_GUARANTEED], 0);
	service.booked_as = ADMISSION_CLASS_COUNT;
	assert_int_equal(engine_reserve_service(world->engine, mine, id, &service, NULL, 0),
			 -EINVAL);
	service.booked_as = 0;
	service.bucket.rate_bps = 0;
	assert_int_equal(engine_reserve_service(world->engine, mine, id, &service, NULL, 0), 0);
	assert_int_equal(booked(1), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_user_has_a_share),
		TEST(each_excess),
		TEST(usual_depth),
		TEST(malformed),
		TEST(rate_and_reservation),
		TEST(what_is_booked),
		TEST(refused),
		TEST(several_links),
		TEST(unknown_links),
		TEST(released_with_the_socket),
		TEST(failing_at_each_step),
		TEST(records),
		TEST(services),
		TEST(a_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
