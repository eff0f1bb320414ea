/* SPDX-License-Identifier: MIT */
/* test_engine_tuple.c: flows of packets by their addresses: who may, which are the same, and what works on them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/internal.h"
#include "world.h"

static struct world *world;
static struct owner *mine, *root, *operators;
static struct datapath_tuple usual;

static int setup(void **state)
{
	(void)state;
	world = world_new(NULL);
	mine = world_owner(world, UID_USER);
	root = world_owner(world, UID_ROOT);
	operators = world_owner(world, UID_OPERATOR);
	usual = (struct datapath_tuple){
		.source = world_address("192.0.2.1", 4000),
		.destination = world_address("198.51.100.1", 5060),
		.protocol = IPPROTO_UDP,
		.ifindex = 3,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_end(world);
	return 0;
}

static int add(struct owner *owner, const struct datapath_tuple *tuple, uint32_t *ret_id)
{
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };

	return engine_add_tuple(world->engine, owner, tuple, &request, ret_id, world->now_us);
}

static uint32_t must_add(struct owner *owner, const struct datapath_tuple *tuple)
{
	uint32_t id;

	assert_int_equal(add(owner, tuple, &id), 0);
	return id;
}

static int dscp(const struct datapath_tuple *tuple)
{
	const struct fake_mark *mark = fake_find_tuple(&world->datapath, tuple);

	return mark && mark->treatment.mark.set_dscp ? mark->treatment.mark.dscp : -1;
}

static int keep_record(const struct gw_flow_record *record, void *user_data)
{
	*(struct gw_flow_record *)user_data = *record;
	return 0;
}

static void administrators_only(void **state)
{
	struct engine_owner_info info = { .uid = UID_ROOT, .elsewhere = true };
	struct owner *elsewhere;
	uint32_t id;

	(void)state;
	assert_int_equal(add(mine, &usual, &id), -EACCES);
	assert_int_equal(engine_counters(world->engine)->refused_policy, 1);
	assert_int_equal(engine_owner_add(world->engine, &info, world, &elsewhere), 0);
	assert_int_equal(add(elsewhere, &usual, &id), -EXDEV);
	world_remove_owner(world, elsewhere);
	assert_int_equal(world->datapath.n_marks, 0);
	id = must_add(operators, &usual);
	assert_int_equal(dscp(&usual), 56);
	/* It is the operator's, as others are their handle's. */
	assert_int_equal(engine_remove(world->engine, root, id, 0), -ENOENT);
	assert_int_equal(engine_remove(world->engine, operators, id, 0), 0);
}

static void malformed(void **state)
{
	struct flow_request request = { GW_CLASS_VOICE, GW_FLOW_KEEP_WHEN_CLOSED, -1 };
	struct datapath_tuple bad[15];
	uint32_t id;

	(void)state;
	for (size_t i = 0; i < 15; i++)
		bad[i] = usual;
	bad[0].ifindex = 0;
	bad[1].protocol = 0;
	bad[2].protocol = 256;
	bad[3].protocol = -1;
	bad[4].destination = (struct address){ 0 };
	bad[5].destination = world_address("0.0.0.0", 5060);
	bad[6].destination = world_address("2001:db8::1", 5060);
	bad[7].source = world_address("0.0.0.0", 4000);
	bad[8].source = world_address("224.0.0.1", 4000);
	bad[9].protocol = IPPROTO_ESP; /* which has no ports */
	bad[10].source.family = 99;
	bad[11].destination.family = 99;
	bad[12].destination = world_address("fe80::1", 5060);
	bad[12].destination.scope = 4; /* on another link than the tuple */
	bad[12].source = (struct address){ 0 };
	bad[13].protocol = IPPROTO_ICMP;
	bad[13].source.port = 0;
	bad[14].spi = 1; /* which only IPsec has */
	for (size_t i = 0; i < 15; i++)
		assert_int_equal(add(root, &bad[i], &id), -EINVAL);
	assert_int_equal(engine_add_tuple(world->engine, root, &usual, &request, &id, 0), -EINVAL);
	request.flags = 0;
	request.dscp = 64;
	assert_int_equal(engine_add_tuple(world->engine, root, &usual, &request, &id, 0), -EINVAL);
	assert_int_equal(world->datapath.applies, 0);
}

static void same_packets(void **state)
{
	struct datapath_tuple tuple = usual, local = usual;
	uint32_t first = must_add(root, &usual), id = 0;

	(void)state;
	assert_int_equal(add(operators, &usual, &id), -EEXIST);
	assert_int_equal(id, 0);
	/* One step aside, each is another. */
	tuple.ifindex++;
	must_add(root, &tuple);
	tuple = usual;
	tuple.protocol = IPPROTO_TCP;
	must_add(root, &tuple);
	tuple = usual;
	tuple.source.port = 0;
	must_add(root, &tuple);
	tuple.destination.port = 0;
	must_add(root, &tuple);
	tuple.source = (struct address){ 0 };
	must_add(root, &tuple);
	/* Whatever is left in a source that is none. */
	tuple.source.port = 9;
	assert_int_equal(add(root, &tuple, &id), -EEXIST);
	tuple.source.port = 0;
	tuple.protocol = IPPROTO_ESP;
	must_add(root, &tuple);
	/* A link-local address means the link of the tuple, said or not. */
	local.source = (struct address){ 0 };
	local.destination = world_address("fe80::1", 5060);
	must_add(root, &local);
	local.destination.scope = local.ifindex;
	assert_int_equal(add(root, &local, &id), -EEXIST);
	assert_int_equal(world->datapath.n_marks, 8);
	/* Free again when its flow has ended. */
	assert_int_equal(engine_remove(world->engine, root, first, 0), 0);
	must_add(operators, &usual);
}

static void refused_by_the_datapath(void **state)
{
	uint32_t id = 0;

	(void)state;
	fake_fail(&world->datapath, 1, 1, -EOPNOTSUPP);
	assert_int_equal(add(root, &usual, &id), -EOPNOTSUPP);
	assert_int_equal(id, 0);
	assert_int_equal(engine_counters(world->engine)->refused_datapath, 1);
	world_check_empty(world);
	must_add(root, &usual);
}

static void settings(void **state)
{
	struct bucket_spec bucket = { .rate_bps = 1000000 };
	struct gw_flow_info info;
	uint32_t id = must_add(root, &usual);
	struct engine_socket socket = world_socket(1);
	struct flow_request request = { .dscp = GW_DSCP_FROM_CLASS };

	(void)state;
	assert_int_equal(engine_set_class(world->engine, root, id, GW_CLASS_BACKGROUND, 0), 0);
	assert_int_equal(dscp(&usual), 8);
	assert_int_equal(engine_set_dscp(world->engine, root, id, 46, 0), 0);
	assert_int_equal(dscp(&usual), 46);
	assert_int_equal(engine_set_rate(world->engine, root, id, 5000000, 1, 0, NULL, 0), 0);
	assert_true(fake_find_tuple(&world->datapath, &usual)->treatment.metered);
	assert_int_equal(fake_meter_of(&world->datapath, id)->meter.n_links, 1);
	assert_int_equal(fake_meter_of(&world->datapath, id)->meter.links[0], 3);
	world_check(world);
	assert_int_equal(
		engine_reserve(world->engine, root, id, &bucket, GW_EXCESS_REMARK, NULL, 0), 0);
	assert_int_equal(fake_meter_of(&world->datapath, id)->meter.reserved_bps, 1000000);
	world_check(world);
	/* It fails, and is as before. */
	for (unsigned at = 1; at <= 2; at++) {
		fake_fail(&world->datapath, at, 1, -EIO);
		assert_int_equal(engine_set_rate(world->engine, root, id, 7, 1, 0, NULL, 0), -EIO);
		assert_int_equal(fake_meter_of(&world->datapath, id)->meter.reserved_bps, 1000000);
		world_check(world);
	}
	assert_int_equal(engine_query(world->engine, root, id, &info), 0);
	assert_int_equal(info.conformant_dscp, 46);
	/* It has no sockets, and takes none. */
	assert_int_equal(engine_add(world->engine, root, &socket, NULL, &request, &id, 0), -EINVAL);
	assert_int_equal(engine_detach(world->engine, root, id, 1, 0), -ENOENT);
	assert_int_equal(engine_remove(world->engine, root, id, 0), 0);
	assert_int_equal(world->datapath.n_meters, 0);
	assert_int_equal(world->datapath.n_marks, 0);
}

/* The new meter, then the target, then the old meter fail: nothing of it stands until the next change. */
static void meter_is_lost(void **state)
{
	uint32_t id = must_add(root, &usual);

	(void)state;
	assert_int_equal(engine_set_rate(world->engine, root, id, 5000000, 1, 0, NULL, 0), 0);
	fake_fail(&world->datapath, 2, 2, -EIO);
	assert_int_equal(engine_set_rate(world->engine, root, id, 6000000, 1, 0, NULL, 0), -EIO);
	assert_int_equal(world->datapath.n_marks, 0);
	assert_int_equal(world->datapath.n_meters, 0);
	assert_int_equal(engine_set_class(world->engine, root, id, GW_CLASS_VOICE, 0), 0);
	assert_int_equal(fake_meter_of(&world->datapath, id)->meter.bucket.rate_bps, 5000000);
	assert_int_equal(fake_meter_of(&world->datapath, id)->meter.links[0], 3);
}

static struct datapath_tuple from(const char *source)
{
	struct datapath_tuple tuple = usual;

	tuple.source = world_address(source, 4000);
	return tuple;
}

static int join(uint32_t id, const struct datapath_tuple *tuple)
{
	return engine_join_tuple(world->engine, root, id, tuple, 0);
}

static int part(uint32_t id, const struct datapath_tuple *tuple)
{
	return engine_part_tuple(world->engine, root, id, tuple, 0);
}

/* All packets of a flow are under one meter; they come and go one by one. */
static void several(void **state)
{
	struct datapath_tuple second = from("192.0.2.2"), third = from("192.0.2.3"), bad = second;
	struct bucket_spec bucket = { .rate_bps = 1000000 };
	uint32_t id = must_add(root, &usual), other;

	(void)state;
	assert_int_equal(join(id, &second), 0);
	assert_int_equal(engine_reserve(world->engine, root, id, &bucket, GW_EXCESS_BEST_EFFORT,
					NULL, 0),
			 0);
	assert_int_equal(join(id, &third), 0);
	world_check(world);
	assert_int_equal(world->datapath.n_marks, 3);
	assert_int_equal(world->datapath.n_meters, 1);
	assert_true(fake_find_tuple(&world->datapath, &third)->treatment.metered);
	/* Nobody else gets them, and they do not get them twice. */
	assert_int_equal(add(operators, &second, &other), -EEXIST);
	assert_int_equal(join(id, &second), -EEXIST);
	/* One that leaves elsewhere has another meter. */
	bad.ifindex++;
	assert_int_equal(join(id, &bad), -EINVAL);
	assert_int_equal(part(id, &bad), -ENOENT);
	bad.destination = (struct address){ 0 };
	assert_int_equal(join(id, &bad), -EINVAL);
	assert_int_equal(join(id + 1, &second), -ENOENT);
	assert_int_equal(engine_join_tuple(world->engine, operators, id, &bad, 0), -ENOENT);
	assert_int_equal(part(id, &usual), 0);
	assert_int_equal(dscp(&usual), -1);
	assert_int_equal(part(id, &usual), -ENOENT);
	assert_int_equal(part(id, &third), 0);
	assert_int_equal(part(id, &second), -EBUSY);
	world_check(world);
	other = must_add(operators, &usual);
	assert_int_equal(part(other, &usual), -ENOENT);
}

/* The datapath refuses at any step: the flow is as it was. */
static void several_or_none(void **state)
{
	struct datapath_tuple second = from("192.0.2.2"), third = from("192.0.2.3");
	struct bucket_spec bucket = { .rate_bps = 1000000 };
	uint32_t id = must_add(root, &usual);

	(void)state;
	assert_int_equal(join(id, &second), 0);
	fake_fail(&world->datapath, 1, 1, -ENOSPC);
	assert_int_equal(join(id, &third), -ENOBUFS);
	world_check(world);
	assert_int_equal(join(id, &third), 0);
	for (unsigned at = 1; at <= 4; at++) {
		fake_fail(&world->datapath, at, 1, -EIO);
		assert_int_equal(engine_reserve(world->engine, root, id, &bucket,
						GW_EXCESS_BEST_EFFORT, NULL, 0),
				 -EIO);
		world_check(world);
		assert_int_equal(world->datapath.n_marks, 3);
		assert_int_equal(world->datapath.n_meters, 0);
		fake_fail(&world->datapath, at, 1, -EIO);
		if (at < 4) {
			assert_int_equal(engine_set_class(world->engine, root, id,
							  GW_CLASS_BACKGROUND, 0),
					 -EIO);
			world_check(world);
			assert_int_equal(dscp(&usual), 56);
			assert_int_equal(dscp(&third), 56);
		}
		fake_fail(&world->datapath, 0, 0, 0);
	}
	/* One that cannot have its earlier treatment back has none. */
	fake_fail(&world->datapath, 2, 2, -EIO);
	assert_int_equal(engine_set_class(world->engine, root, id, GW_CLASS_BACKGROUND, 0), -EIO);
	assert_int_equal(dscp(&usual), -1);
	assert_int_equal(dscp(&second), 56);
	assert_int_equal(engine_set_class(world->engine, root, id, GW_CLASS_BACKGROUND, 0), 0);
	assert_int_equal(dscp(&usual), 8);
}

static int count_record(const struct gw_flow_record *record, void *user_data)
{
	uint8_t *last_bytes = user_data;

	last_bytes[last_bytes[0]++ + 1] =
		(uint8_t)ntohl(((const struct sockaddr_in *)&record->local)->sin_addr.s_addr);
	return 0;
}

static void several_told(void **state)
{
	struct engine_view view = engine_view_of(world->engine, root);
	struct datapath_tuple second = from("192.0.2.2");
	uint8_t seen[8] = { 0 };
	uint32_t id = must_add(root, &usual);

	(void)state;
	assert_int_equal(owner_watch(world->engine, operators), 0);
	assert_int_equal(join(id, &second), 0);
	assert_int_equal(world_events_of(world, operators, GW_EVENT_FLOW_CHANGED, id), 1);
	assert_int_equal(engine_flow_records(world->engine, &view, id, count_record, seen), 0);
	assert_int_equal(seen[0], 2);
	assert_int_equal(seen[1], 1);
	assert_int_equal(seen[2], 2);
	assert_int_equal(part(id, &usual), 0);
	assert_int_equal(world_events_of(world, operators, GW_EVENT_FLOW_CHANGED, id), 2);
}

static void told(void **state)
{
	struct engine_view view = engine_view_of(world->engine, root);
	struct gw_flow_record record;
	struct sockaddr_storage sockaddr;
	uint32_t id;

	(void)state;
	assert_int_equal(owner_watch(world->engine, operators), 0);
	id = must_add(root, &usual);
	assert_int_equal(world_events_of(world, operators, GW_EVENT_FLOW_ADDED, id), 1);
	assert_int_equal(engine_flow_records(world->engine, &view, id, keep_record, &record), 0);
	assert_int_equal(record.state, GW_FLOW_ACTIVE);
	assert_int_equal(record.dscp, 56);
	assert_int_equal(record.protocol, IPPROTO_UDP);
	assert_int_equal(record.socket_cookie, 0);
	address_to_sockaddr(&usual.source, &sockaddr);
	assert_memory_equal(&record.local, &sockaddr, sizeof(sockaddr));
	address_to_sockaddr(&usual.destination, &sockaddr);
	assert_memory_equal(&record.destination, &sockaddr, sizeof(sockaddr));
	assert_int_equal(engine_flows_in_force(world->engine), 1);
	world_remove_owner(world, root);
	root = world_owner(world, UID_ROOT);
	assert_int_equal(world_events_of(world, operators, GW_EVENT_FLOW_ENDED, id), 1);
	assert_int_equal(engine_flows_in_force(world->engine), 0);
}

static void limits(void **state)
{
	struct engine_config config;
	struct datapath_tuple tuple;
	uint32_t id;

	teardown(state);
	engine_config_default(&config);
	config.max_flows_per_user = 2;
	world = world_new(&config);
	mine = world_owner(world, UID_USER);
	root = world_owner(world, UID_ROOT);
	operators = world_owner(world, UID_OPERATOR);
	tuple = usual;
	for (uint32_t i = 1; i <= 2; i++) {
		tuple.ifindex = i;
		must_add(operators, &tuple);
	}
	tuple.ifindex = 3;
	assert_int_equal(add(operators, &tuple, &id), -ENOBUFS);
	must_add(root, &tuple);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(administrators_only),
		TEST(malformed),
		TEST(same_packets),
		TEST(refused_by_the_datapath),
		TEST(settings),
		TEST(meter_is_lost),
		TEST(several),
		TEST(several_or_none),
		TEST(several_told),
		TEST(told),
		TEST(limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
