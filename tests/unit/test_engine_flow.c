/* SPDX-License-Identifier: MIT */
/*
 * test_engine_flow.c: what owners ask for, as the engine answers it and as it stands in the datapath
 * afterwards.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "world.h"

static struct world *world;
static struct owner *mine, *other, *root, *operators;
static struct address d1, d2, d3, d4, six;

static int set_up(void **state)
{
	(void)state;
	world = world_new(NULL);
	mine = world_owner(world, UID_USER);
	other = world_owner(world, UID_OTHER);
	root = world_owner(world, UID_ROOT);
	operators = world_owner(world, UID_OPERATOR);
	d1 = world_address("198.51.100.1", 5060);
	d2 = world_address("198.51.100.2", 5060);
	d3 = world_address("198.51.100.3", 5060);
	d4 = world_address("198.51.100.4", 5060);
	six = world_address("2001:db8::1", 5060);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	world_check(world);
	engine_owner_remove(world->engine, mine, world->now_us);
	engine_owner_remove(world->engine, other, world->now_us);
	engine_owner_remove(world->engine, root, world->now_us);
	engine_owner_remove(world->engine, operators, world->now_us);
	world_check_empty(world);
	world_free(world);
	return 0;
}

static int try_add(struct owner *owner, const struct engine_socket *socket,
		   const struct address *destination, struct flow_request request, uint32_t *id)
{
	return engine_add(world->engine, owner, socket, destination, &request, id, world->now_us);
}

static int dscp(uint64_t cookie, const struct address *destination)
{
	return fake_dscp(&world->datapath, cookie, destination);
}

static struct gw_flow_info info_of(struct owner *owner, uint32_t id)
{
	struct gw_flow_info info;

	assert_int_equal(engine_query(world->engine, owner, id, &info), 0);
	assert_int_equal(info.id, id);
	return info;
}

static int set_class(struct owner *owner, uint32_t id, unsigned traffic_class)
{
	return engine_set_class(world->engine, owner, id, (enum gw_class)traffic_class,
				world->now_us);
}

static int set_dscp(struct owner *owner, uint32_t id, uint32_t value)
{
	return engine_set_dscp(world->engine, owner, id, value, world->now_us);
}

static int set_rate(struct owner *owner, uint32_t id, uint64_t rate_bps, uint32_t shaping)
{
	return engine_set_rate(world->engine, owner, id, rate_bps, shaping, 0, NULL, world->now_us);
}

/* Q-077..Q-083, Q-091: each class at once, under its mark. */
static void every_class_has_its_mark(void **state)
{
	static const int expected[GW_CLASS_COUNT] = { -1, 8, 40, 40, 56, 56 };
	static const int priority[GW_CLASS_COUNT] = { 0, 2, 5, 5, 7, 7 };

	(void)state;
	for (int c = 0; c < GW_CLASS_COUNT; c++) {
		uint64_t cookie = (uint64_t)c + 1;
		const struct fake_mark *mark;

		world_add(world, mine, cookie, &d1, (enum gw_class)c, 0);
		assert_int_equal(dscp(cookie, &d1), expected[c]);
		mark = fake_find(&world->datapath, cookie, &d1);
		assert_non_null(mark);
		assert_int_equal(mark->treatment.mark.set_priority, c != 0);
		assert_int_equal(mark->treatment.mark.priority, priority[c]);
		assert_int_equal(mark->treatment.traffic_class, c);
	}
}

/* identifiers differ, whoever adds.: nothing beside is marked. */
static void identifiers_differ(void **state)
{
	uint32_t a = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	uint32_t b = world_add(world, mine, 1, &d2, GW_CLASS_VOICE, 0);
	uint32_t c = world_add(world, other, 2, &d3, GW_CLASS_VOICE, 0);

	(void)state;
	assert_true(a != b && b != c && a != c);
	assert_null(fake_find(&world->datapath, 1, &d3));
	assert_null(fake_find(&world->datapath, 1, NULL));
	assert_null(fake_find(&world->datapath, 2, &d1));
}

/* further sockets and destinations take the flow's class, not their own. */
static void further_sockets_and_destinations(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0), same = id;
	struct engine_socket two = world_socket(2);

	(void)state;
	world_attach(world, mine, id, 1, &d2);
	world_attach(world, mine, id, 1, &d3);
	assert_int_equal(try_add(mine, &two, &d1,
				 (struct flow_request){ GW_CLASS_BACKGROUND, 0, -1 }, &same),
			 0);
	assert_int_equal(same, id);
	assert_int_equal(dscp(1, &d1), 56);
	assert_int_equal(dscp(1, &d2), 56);
	assert_int_equal(dscp(1, &d3), 56);
	assert_null(fake_find(&world->datapath, 1, &d4));
	assert_int_equal(dscp(2, &d1), 56);
	assert_int_equal(info_of(mine, id).sockets, 4);
}

/* adding the same twice is adding it once, and asks nothing of the datapath. */
static void the_same_again(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	unsigned applies = world->datapath.applies;

	(void)state;
	world_attach(world, mine, id, 1, &d1);
	assert_int_equal(world->datapath.applies, applies);
	assert_int_equal(info_of(mine, id).sockets, 1);
	assert_int_equal(engine_detach(world->engine, mine, id, 1, world->now_us), 0);
	assert_null(fake_find(&world->datapath, 1, &d1));
	assert_int_equal(engine_remove(world->engine, mine, id, world->now_us), -ENOENT);
}

/* an adaptive flow has one socket; Q-056..Q-058: only one's own can be added to. */
static void what_cannot_be_added_to(void **state)
{
	uint32_t plain = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	uint32_t adaptive = world_add(world, mine, 2, &d1, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);
	struct flow_request as_plain = { GW_CLASS_VOICE, 0, -1 };
	struct flow_request as_adaptive = { GW_CLASS_VOICE, GW_FLOW_ADAPTIVE, -1 };
	struct flow_request unknown_flag = { GW_CLASS_VOICE, 0x80, -1 };
	struct engine_socket socket = world_socket(3);
	uint32_t id;

	(void)state;
	id = plain;
	assert_int_equal(try_add(mine, &socket, &d1, as_adaptive, &id), -EINVAL);
	assert_int_equal(try_add(mine, &socket, &d1, unknown_flag, &id), -EINVAL);
	assert_int_equal(try_add(other, &socket, &d1, as_plain, &id), -ENOENT);
	assert_int_equal(try_add(root, &socket, &d1, as_plain, &id), -ENOENT);
	id = adaptive;
	assert_int_equal(try_add(mine, &socket, &d1, as_plain, &id), -EINVAL);
	id = 4711;
	assert_int_equal(try_add(mine, &socket, &d1, as_plain, &id), -ENOENT);
	assert_int_equal(id, 4711);
	/* */
	assert_int_equal(engine_detach(world->engine, mine, plain, 1, world->now_us), 0);
	id = plain;
	assert_int_equal(try_add(mine, &socket, &d1, as_plain, &id), -ENOENT);
	assert_int_equal(world->datapath.n_marks, 0);
}

static int note_socket(uint64_t cookie, int family, int protocol, const struct address *local,
		       const struct address *peer, void *user_data)
{
	uint64_t *seen = user_data;

	assert_int_equal(family, AF_INET);
	assert_int_equal(protocol, IPPROTO_UDP);
	assert_non_null(local);
	assert_non_null(peer);
	*seen |= UINT64_C(1) << cookie;
	return 0;
}

/* Who looks for what has gone from the datapath must not be sent for what never stood there. */
static void sockets_in_the_datapath(void **state)
{
	uint64_t seen = 0;
	uint32_t id;

	(void)state;
	world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	id = world_add(world, mine, 2, &d1, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);
	engine_each_socket(world->engine, note_socket, &seen);
	assert_int_equal(seen, 1 << 1);
	assert_int_equal(set_rate(mine, id, GW_RATE_MINIMUM, GW_SHAPE_AND_MARK), 0);
	engine_each_socket(world->engine, note_socket, &seen);
	assert_int_equal(seen, 1 << 1 | 1 << 2);
}

/* The table of spec/qwave.md §5.3, destination rules. Q-230 */
static void destinations(void **state)
{
	struct flow_request plain = { GW_CLASS_VOICE, 0, -1 };
	struct flow_request strict = { GW_CLASS_VOICE, GW_FLOW_REQUIRE_DESTINATION, -1 };
	struct engine_socket loose = world_socket(1), connected = world_connected_socket(2, &d1);
	struct address no_port = d1, any = world_address("0.0.0.0", 1), none = { 0 };
	struct address multicast = world_address("239.1.2.3", 5000);
	struct address broadcast = world_address("255.255.255.255", 5000);
	uint32_t id = 0;

	(void)state;
	no_port.port = 0;
	none.port = 1;
	none.addr[3] = 1; /* a hostile peer's idea of an address */
	assert_int_equal(try_add(mine, &loose, NULL, strict, &id), -EDESTADDRREQ);
	assert_int_equal(try_add(mine, &loose, &no_port, plain, &id), -EINVAL);
	assert_int_equal(try_add(mine, &loose, &any, plain, &id), -EINVAL);
	assert_int_equal(try_add(mine, &loose, &none, plain, &id), -EINVAL);
	assert_int_equal(try_add(mine, &connected, &d2, plain, &id), -EINVAL);
	assert_int_equal(id, 0);
	assert_int_equal(world->datapath.n_marks, 0);

	assert_int_equal(try_add(mine, &connected, NULL, strict, &id), 0);
	assert_int_equal(dscp(2, &d1), 56);
	id = 0;
	assert_int_equal(try_add(mine, &connected, &d1, plain, &id), 0); /* */
	id = 0;
	assert_int_equal(try_add(mine, &loose, NULL, plain, &id), 0);
	assert_int_equal(dscp(1, NULL), 56);
	id = 0;
	assert_int_equal(try_add(mine, &loose, &multicast, plain, &id), 0);
	assert_int_equal(dscp(1, &multicast), 56);
	id = 0;
	assert_int_equal(try_add(mine, &loose, &broadcast, plain, &id), 0);
	id = 0;
	assert_int_equal(try_add(mine, &loose, &six, plain, &id), 0);
}

/* no way there. What a connected socket has had once is not asked for. */
static void routes(void **state)
{
	struct flow_request plain = { GW_CLASS_VOICE, 0, -1 };
	struct flow_request adaptive = { GW_CLASS_VOICE, GW_FLOW_ADAPTIVE, -1 };
	struct engine_socket loose = world_socket(1), connected = world_connected_socket(2, &d1);
	uint32_t id = 0;

	(void)state;
	world->route_error = -ENETUNREACH;
	assert_int_equal(try_add(mine, &loose, &d1, plain, &id), -ENETUNREACH);
	assert_int_equal(try_add(mine, &connected, NULL, adaptive, &id), -ENETUNREACH);
	assert_int_equal(world->datapath.applies, 0);
	world->routes_asked = 0;
	assert_int_equal(try_add(mine, &connected, NULL, plain, &id), 0);
	id = 0;
	assert_int_equal(try_add(mine, &loose, NULL, plain, &id), 0);
	assert_int_equal(world->routes_asked, 0);
}

static void malformed_requests(void **state)
{
	struct engine_socket socket = world_socket(1);
	uint32_t id = 0;

	(void)state;
	assert_int_equal(try_add(mine, &socket, &d1, (struct flow_request){ 6, 0, -1 }, &id),
			 -EINVAL);
	assert_int_equal(try_add(mine, &socket, &d1,
				 (struct flow_request){ (enum gw_class) - 1, 0, -1 }, &id),
			 -EINVAL);
	assert_int_equal(try_add(mine, &socket, &d1, (struct flow_request){ 4, 0x20, -1 }, &id),
			 -EINVAL);
	assert_int_equal(try_add(root, &socket, &d1, (struct flow_request){ 4, 0, 64 }, &id),
			 -EINVAL);
	assert_int_equal(try_add(root, &socket, &d1, (struct flow_request){ 4, 0, -2 }, &id),
			 -EINVAL);
	assert_int_equal(try_add(root, &socket, &d1,
				 (struct flow_request){ 4, GW_FLOW_ADAPTIVE, 46 }, &id),
			 -EINVAL);
	assert_int_equal(try_add(mine, &socket, &d1, (struct flow_request){ 4, 0, 46 }, &id),
			 -EACCES);
	assert_int_equal(engine_counters(world->engine)->refused_policy, 1);
	assert_int_equal(try_add(root, &socket, &d1, (struct flow_request){ 4, 0, 46 }, &id), 0);
	assert_int_equal(dscp(1, &d1), 46);
}

/* unmarked until a rate is accepted, and again without one. */
static void adaptive_flows(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);

	(void)state;
	assert_null(fake_find(&world->datapath, 1, &d1));
	assert_int_equal(info_of(mine, id).conformant_dscp, 0);
	assert_int_equal(set_class(mine, id, GW_CLASS_BACKGROUND), 0);
	assert_null(fake_find(&world->datapath, 1, &d1));
	assert_int_equal(set_rate(mine, id, GW_RATE_MINIMUM, GW_SHAPE_AND_MARK), 0);
	assert_int_equal(dscp(1, &d1), 8);
	assert_int_equal(set_rate(mine, id, GW_RATE_NONE, GW_SHAPE_AND_MARK), 0);
	assert_null(fake_find(&world->datapath, 1, &d1));
	/* */
	assert_int_equal(set_dscp(root, world_add(world, root, 2, &d1, 4, GW_FLOW_ADAPTIVE), 46),
			 -EOPNOTSUPP);
}

/* An adaptive flow that has no rate lies over nothing; with one it does; without, it gives way. */
static void adaptive_over_another(void **state)
{
	uint32_t under = world_add(world, other, 1, &d1, GW_CLASS_BACKGROUND, 0);
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);

	(void)state;
	assert_int_equal(dscp(1, &d1), 8);
	assert_int_equal(set_rate(mine, id, GW_RATE_MINIMUM, GW_SHAPE_AND_MARK), 0);
	assert_int_equal(dscp(1, &d1), 56);
	/* A change below is not seen above. */
	assert_int_equal(set_class(other, under, GW_CLASS_AUDIO_VIDEO), 0);
	assert_int_equal(dscp(1, &d1), 56);
	assert_int_equal(set_rate(mine, id, GW_RATE_NONE, GW_SHAPE_AND_MARK), 0);
	assert_int_equal(dscp(1, &d1), 40);
}

/* */
static void set_the_class(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_BACKGROUND, 0);

	(void)state;
	world_attach(world, mine, id, 2, &d2);
	assert_int_equal(set_class(mine, id, GW_CLASS_VOICE), 0);
	assert_int_equal(dscp(1, &d1), 56);
	assert_int_equal(dscp(2, &d2), 56);
	assert_int_equal(set_class(mine, id, 6), -EINVAL);
	assert_int_equal(set_class(mine, id, (unsigned)-1), -EINVAL);
	assert_int_equal(set_class(other, id, 1), -ENOENT);
	assert_int_equal(set_class(root, id, 1), -ENOENT);
	assert_int_equal(set_class(mine, 4711, 1), -ENOENT);
	assert_int_equal(set_class(mine, 0, 1), -ENOENT);
	assert_int_equal(dscp(1, &d1), 56);
	assert_int_equal(info_of(mine, id).traffic_class, GW_CLASS_VOICE);
}

/* Q-112..Q-114, Q-117, Q-118, Q-127 */
static void set_the_dscp(void **state)
{
	uint32_t id = world_add(world, root, 1, &d1, GW_CLASS_VOICE, 0);
	uint32_t plain = world_add(world, mine, 2, &d1, GW_CLASS_VOICE, 0);
	uint32_t by_operator = world_add(world, operators, 3, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	assert_int_equal(set_dscp(root, id, 46), 0);
	assert_int_equal(dscp(1, &d1), 46);
	assert_int_equal(fake_find(&world->datapath, 1, &d1)->treatment.mark.priority, 7);
	assert_int_equal(info_of(root, id).conformant_dscp, 46);
	assert_int_equal(info_of(root, id).dscp_set, 46);
	assert_int_equal(set_dscp(root, id, 64), -EINVAL);
	assert_int_equal(set_dscp(root, id, UINT32_MAX), -EINVAL);
	assert_int_equal(dscp(1, &d1), 46);
	assert_int_equal(set_dscp(root, id, 63), 0);
	assert_int_equal(set_dscp(root, id, 0), 0);
	assert_int_equal(dscp(1, &d1), 0);
	assert_int_equal(set_class(root, id, GW_CLASS_VOICE), 0);
	assert_int_equal(dscp(1, &d1), 56);
	assert_int_equal(info_of(root, id).dscp_set, GW_DSCP_FROM_CLASS);

	assert_int_equal(set_dscp(mine, plain, 46), -EACCES);
	assert_int_equal(dscp(2, &d1), 56);
	assert_int_equal(set_dscp(operators, by_operator, 46), 0);
	assert_int_equal(dscp(3, &d1), 46);
	assert_int_equal(set_dscp(root, plain, 46), -ENOENT);
}

/* ..Q-131, Q-226 */
static void set_the_rate(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	assert_int_equal(info_of(mine, id).rate_bps, 0);
	assert_int_equal(set_rate(mine, id, GW_RATE_MINIMUM, 3), -EINVAL);
	for (uint32_t reason = 0; reason <= 5; reason++)
		assert_int_equal(engine_set_rate(world->engine, mine, id, GW_RATE_MINIMUM,
						 GW_SHAPE_AND_MARK, reason, NULL, world->now_us),
				 reason < 5 ? 0 : -EINVAL);
	assert_int_equal(dscp(1, &d1), 56);
	assert_int_equal(info_of(mine, id).rate_bps, GW_RATE_MINIMUM);
	assert_int_equal(set_rate(mine, id, 5100000, GW_SHAPE_AND_MARK), 0);
	assert_int_equal(info_of(mine, id).rate_bps, 5100000);
	/* What cannot be done leaves all as before. */
	fake_fail(&world->datapath, 1, 1, -EOPNOTSUPP);
	assert_int_equal(set_rate(mine, id, 1000000, GW_SHAPE_AND_MARK), -EOPNOTSUPP);
	assert_int_equal(info_of(mine, id).rate_bps, 5100000);
	assert_int_equal(set_rate(mine, id, GW_RATE_MINIMUM, GW_SHAPE_AND_MARK), 0);
	assert_int_equal(set_rate(mine, id, UINT64_MAX, GW_SHAPE_AND_MARK), 0);
	assert_true(info_of(mine, id).rate_bps == UINT64_MAX);
	assert_int_equal(dscp(1, &d1), 56);
	/* shaping alone marks nothing. */
	assert_int_equal(set_rate(mine, id, GW_RATE_MINIMUM, GW_SHAPE_ONLY), 0);
	assert_int_equal(dscp(1, &d1), -1);
	assert_int_equal(set_rate(mine, id, GW_RATE_NONE, GW_SHAPE_AND_MARK), 0);
	assert_int_equal(dscp(1, &d1), -1);
	assert_int_equal(set_class(mine, id, GW_CLASS_VOICE), 0);
	assert_int_equal(dscp(1, &d1), 56);
	assert_int_equal(set_rate(other, id, GW_RATE_NONE, 0), -ENOENT);
	assert_int_equal(set_rate(mine, 0, GW_RATE_NONE, 0), -ENOENT);
}

/* */
static void query(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_AUDIO_VIDEO, 0);
	uint32_t background = world_add(world, mine, 2, &d1, GW_CLASS_BACKGROUND, 0);
	struct gw_flow_info info = info_of(mine, id);

	(void)state;
	assert_int_equal(info.conformant_dscp, 40);
	assert_int_equal(info.nonconformant_dscp, 0);
	assert_int_equal(info.conformant_priority, 0);
	assert_int_equal(info.sockets, 1);
	assert_int_equal(set_rate(mine, id, GW_RATE_MINIMUM, GW_SHAPE_MARK_CONFORMANT), 0);
	assert_int_equal(set_rate(mine, background, GW_RATE_MINIMUM, GW_SHAPE_MARK_CONFORMANT), 0);
	assert_int_equal(info_of(mine, id).nonconformant_dscp, 0);
	assert_int_equal(info_of(mine, background).nonconformant_dscp, 8);
	assert_int_equal(engine_query(world->engine, mine, 4711, &info), -ENOENT);
	assert_int_equal(engine_query(world->engine, mine, 0, &info), -ENOENT);
	assert_int_equal(engine_query(world->engine, other, id, &info), -ENOENT);
	assert_int_equal(info_of(root, id).conformant_dscp, 40);
}

/* */
static void remove_what_is_not_ours(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);

	(void)state;
	assert_int_equal(engine_remove(world->engine, other, id, world->now_us), -ENOENT);
	assert_int_equal(engine_remove(world->engine, root, id, world->now_us), -ENOENT);
	assert_int_equal(engine_remove(world->engine, mine, 0, world->now_us), -ENOENT);
	assert_int_equal(engine_remove(world->engine, mine, id + 1, world->now_us), -ENOENT);
	assert_int_equal(engine_detach(world->engine, other, id, 1, world->now_us), -ENOENT);
	assert_int_equal(dscp(1, &d1), 56);
	assert_int_equal(engine_remove(world->engine, mine, id, world->now_us), 0);
	assert_int_equal(engine_remove(world->engine, mine, id, world->now_us), -ENOENT);
}

/* marks ignored by policy; given back, they stand again. Another profile, other marks. */
static void reconfigure(void **state)
{
	uint32_t id = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	struct engine_config config;

	(void)state;
	engine_config_default(&config);
	config.marks_ignored = true;
	engine_reconfigure(world->engine, &config);
	assert_int_equal(dscp(1, &d1), -1);
	assert_int_equal(set_class(mine, id, GW_CLASS_CONTROL), 0);
	world_add(world, mine, 2, &d1, GW_CLASS_VOICE, 0);
	assert_int_equal(dscp(2, &d1), -1);
	world_check(world);
	config.marks_ignored = false;
	config.profile = mark_profile_rfc4594;
	engine_reconfigure(world->engine, &config);
	assert_int_equal(dscp(1, &d1), 40);
	assert_int_equal(dscp(2, &d1), 46);
}

/* Q-228 with three of them, leaving in every order. */
static void layers(void **state)
{
	static const int orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
					  { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
	static const int marks[3] = { 8, 40, 56 };
	static const enum gw_class classes[3] = { GW_CLASS_BACKGROUND, GW_CLASS_AUDIO_VIDEO,
						  GW_CLASS_VOICE };

	(void)state;
	for (int o = 0; o < 6; o++) {
		uint32_t ids[3];

		for (int i = 0; i < 3; i++) {
			ids[i] = world_add(world, mine, 1, &d1, classes[i], 0);
			assert_int_equal(dscp(1, &d1), marks[i]);
		}
		for (int i = 0; i < 3; i++) {
			int newest = -1;

			engine_remove(world->engine, mine, ids[orders[o][i]], world->now_us);
			ids[orders[o][i]] = 0;
			for (int k = 0; k < 3; k++)
				newest = ids[k] ? marks[k] : newest;
			assert_int_equal(dscp(1, &d1), newest);
			world_check(world);
		}
	}
}

/* When may the kernel end a socket's entries by itself? Not while a flow outlives a disconnect. */
static void end_on(void **state)
{
	uint32_t keep;

	(void)state;
	world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	assert_int_equal(fake_find(&world->datapath, 1, &d1)->target.end_on,
			 TARGET_END_ON_SHUTDOWN | TARGET_END_ON_DISCONNECT);
	keep = world_add(world, mine, 1, &d2, GW_CLASS_VOICE, GW_FLOW_KEEP_ON_DISCONNECT);
	assert_int_equal(fake_find(&world->datapath, 1, &d2)->target.end_on,
			 TARGET_END_ON_SHUTDOWN);
	assert_int_equal(engine_end_socket(world->engine, 1, DIRECTION_BOTH, END_DISCONNECTED, 0),
			 2);
	assert_null(fake_find(&world->datapath, 1, &d1));
	assert_int_equal(dscp(1, &d2), 56);
	assert_int_equal(engine_end_socket(world->engine, 1, DIRECTION_BOTH, END_DISCONNECTED, 0),
			 0);
	assert_int_equal(engine_remove(world->engine, mine, keep, world->now_us), 0);
}

static int collect(const struct gw_flow_record *record, void *user_data)
{
	struct gw_flow_record *found = user_data;

	*found = *record;
	return 0;
}

static enum gw_flow_state state_of(uint32_t id)
{
	struct engine_view view = { .everything = true };
	struct gw_flow_record record;

	assert_int_equal(engine_flow_records(world->engine, &view, id, collect, &record), 0);
	assert_int_equal(record.id, id);
	return record.state;
}

static void records(void **state)
{
	uint32_t lower = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	uint32_t upper = world_add(world, other, 1, &d1, GW_CLASS_BACKGROUND, 0);
	uint32_t adaptive = world_add(world, mine, 2, &six, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);
	uint32_t kept = world_add(world, mine, 3, NULL, GW_CLASS_VOICE, GW_FLOW_KEEP_WHEN_CLOSED);
	struct engine_view view = engine_view_of(world->engine, mine);
	struct gw_flow_record record;
	struct address seen;

	(void)state;
	engine_end_socket(world->engine, 3, DIRECTION_BOTH, END_CLOSED, 0);
	assert_int_equal(state_of(lower), GW_FLOW_SHADOWED);
	assert_int_equal(state_of(upper), GW_FLOW_ACTIVE);
	assert_int_equal(state_of(adaptive), GW_FLOW_UNMARKED);
	assert_int_equal(state_of(kept), GW_FLOW_CLOSED);
	assert_false(view.everything);
	assert_int_equal(engine_flow_records(world->engine, &view, upper, collect, &record),
			 -ENOENT);
	assert_int_equal(engine_flow_records(world->engine, &view, lower, collect, &record), 0);
	assert_int_equal(record.dscp, -1); /* the other one's mark is on the wire */
	assert_int_equal(record.uid, UID_USER);
	assert_int_equal(record.pid, 42);
	assert_string_equal(record.comm, "test");
	assert_string_equal(record.api, "native");
	assert_int_equal(record.protocol, IPPROTO_UDP);
	assert_int_equal(record.socket_cookie, 1);
	assert_int_equal(address_from_sockaddr((struct sockaddr *)&record.destination,
					       sizeof(record.destination), &seen),
			 0);
	assert_true(address_equal(&seen, &d1));
	assert_true(engine_view_of(world->engine, root).everything);
	/* Q-192..Q-194, Q-197: ascending, and no more than there are. */
	assert_int_equal(engine_next_flow_id(world->engine, 0), lower);
	assert_int_equal(engine_next_flow_id(world->engine, lower), upper);
	assert_int_equal(engine_next_flow_id(world->engine, kept), 0);
	assert_int_equal(engine_remove(world->engine, other, upper, 0), 0);
	assert_int_equal(engine_next_flow_id(world->engine, lower), adaptive);
	assert_int_equal(engine_next_flow_id(world->engine, upper), adaptive);
}

/* Who sees some flows only is not shown through all the others, from wherever he begins. */
static void walking_a_view(void **state)
{
	uint32_t first = world_add(world, mine, 1, &d1, GW_CLASS_VOICE, 0);
	uint32_t theirs = world_add(world, other, 2, &d1, GW_CLASS_VOICE, 0);
	uint32_t second = world_add(world, mine, 3, &d1, GW_CLASS_VOICE, 0);
	struct engine_view view = engine_view_of(world->engine, mine), nobody = { .uid = 4711 };
	struct engine_view all = engine_view_of(world->engine, root);

	(void)state;
	assert_int_equal(engine_next_flow_id_of(world->engine, &view, 0), first);
	assert_int_equal(engine_next_flow_id_of(world->engine, &view, first), second);
	assert_int_equal(engine_next_flow_id_of(world->engine, &view, theirs), second);
	assert_int_equal(engine_next_flow_id_of(world->engine, &view, second), 0);
	assert_int_equal(engine_next_flow_id_of(world->engine, &view, UINT32_MAX), 0);
	assert_int_equal(engine_next_flow_id_of(world->engine, &nobody, 0), 0);
	assert_int_equal(engine_next_flow_id_of(world->engine, &all, first), theirs);
	assert_int_equal(engine_remove(world->engine, mine, first, 0), 0);
	assert_int_equal(engine_next_flow_id_of(world->engine, &view, first), second);
}

/* Programs: a flow of their own, which outlives the handle that asked for it. */
static void programs(void **state)
{
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };
	struct datapath_treatment treatment = { .traffic_class = GW_CLASS_BACKGROUND };
	struct engine_owner_info info = { .uid = UID_USER, .pid = 7 };
	struct gw_flow_info flow;
	uint32_t id;

	(void)state;
	world->group_error = -EOPNOTSUPP;
	assert_int_equal(engine_run(world->engine, mine, &request, 0, &id, 0), -EOPNOTSUPP);
	world_check(world);
	world->group_error = 0;
	request.flags = GW_FLOW_ADAPTIVE;
	assert_int_equal(engine_run(world->engine, mine, &request, 0, &id, 0), -EINVAL);
	request.flags = 0;
	request.dscp = 46;
	assert_int_equal(engine_run(world->engine, mine, &request, 0, &id, 0), -EACCES);
	request.dscp = GW_DSCP_FROM_CLASS;
	assert_int_equal(engine_run(world->engine, mine, &request, 0, &id, 0), 0);
	assert_int_equal(fake_find_group(&world->datapath, 1)->treatment.mark.dscp, 56);
	assert_int_equal(engine_remove(world->engine, mine, id, 0), -ENOENT);
	assert_int_equal(engine_query(world->engine, mine, id, &flow), -ENOENT);
	assert_int_equal(engine_query(world->engine, root, id, &flow), 0);
	/* Left by an earlier engine, with a mark of its own. */
	treatment.mark = (struct mark){ .set_dscp = true, .dscp = 46 };
	assert_int_equal(engine_adopt_group(world->engine, 99, &treatment, NULL, &info, 0), 0);
	assert_int_equal(fake_find_group(&world->datapath, 99)->treatment.mark.dscp, 46);
	assert_true(engine_has_group(world->engine, 99));
	treatment.traffic_class = 9;
	assert_int_equal(engine_adopt_group(world->engine, 98, &treatment, NULL, &info, 0),
			 -EINVAL);
	world_check(world);
	assert_true(engine_end_group(world->engine, 1, END_GROUP_EMPTY, 0) > 0);
	assert_true(engine_end_group(world->engine, 99, END_GROUP_EMPTY, 0) > 0);
	assert_int_equal(world->n_ended_groups, 2);
}

/* Who watches hears of what it may see; who does not, of its own flows' ends only. */
static void watching(void **state)
{
	uint32_t id;

	(void)state;
	owner_watch(world->engine, mine);
	owner_watch(world->engine, mine);
	owner_watch(world->engine, root);
	id = world_add(world, other, 1, &d1, GW_CLASS_VOICE, 0);
	assert_int_equal(world_events_of(world, mine, GW_EVENT_FLOW_ADDED, 0), 0);
	assert_int_equal(world_events_of(world, root, GW_EVENT_FLOW_ADDED, id), 1);
	assert_int_equal(world_events_of(world, other, GW_EVENT_FLOW_ADDED, id), 0);
	assert_int_equal(set_class(other, id, GW_CLASS_CONTROL), 0);
	assert_int_equal(world_events_of(world, root, GW_EVENT_FLOW_CHANGED, id), 1);
	assert_int_equal(set_class(other, id, 77), -EINVAL);
	assert_int_equal(world_events_of(world, root, GW_EVENT_FLOW_CHANGED, id), 1);
	id = world_add(world, mine, 2, &d1, GW_CLASS_VOICE, 0);
	engine_end_socket(world->engine, 2, DIRECTION_BOTH, END_CLOSED, 0);
	assert_int_equal(world_events_of(world, mine, GW_EVENT_FLOW_ENDED, id), 1);
	assert_string_equal(world->events[world->n_events - 1].event.reason, "closed");
	assert_int_equal(world->events[world->n_events - 1].event.record.dscp, 56);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_class_has_its_mark),
		TEST(identifiers_differ),
		TEST(further_sockets_and_destinations),
		TEST(the_same_again),
		TEST(what_cannot_be_added_to),
		TEST(sockets_in_the_datapath),
		TEST(destinations),
		TEST(routes),
		TEST(malformed_requests),
		TEST(adaptive_flows),
		TEST(adaptive_over_another),
		TEST(set_the_class),
		TEST(set_the_dscp),
		TEST(set_the_rate),
		TEST(query),
		TEST(remove_what_is_not_ours),
		TEST(reconfigure),
		TEST(layers),
		TEST(end_on),
		TEST(records),
		TEST(walking_a_view),
		TEST(programs),
		TEST(watching),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
