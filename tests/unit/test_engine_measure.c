/* SPDX-License-Identifier: MIT */
/*
 * test_engine_measure.c: paths that a host measures: when they are, what is told of them, and the requests that wait
 * for what comes of it. The host is fake_measuring.h.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "measured_world.h"

#define SECOND UINT64_C(1000000)
#define MEGABIT UINT64_C(1000000)

static struct world *world;
static struct fake_measuring measuring;
static struct owner *mine, *other, *root;
static struct address d1, d2;

static int set_up(void **state)
{
	(void)state;
	world = measured_world_new(&measuring);
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
	measured_world_end(world, &measuring);
	return 0;
}

static uint32_t add_adaptive(uint64_t cookie, const struct address *destination)
{
	return world_add(world, mine, cookie, destination, GW_CLASS_VOICE, GW_FLOW_ADAPTIVE);
}

static uint32_t add_tcp(uint64_t cookie, const struct address *peer)
{
	struct engine_socket socket = world_connected_socket(cookie, peer);
	const struct flow_request request = { .traffic_class = GW_CLASS_VOICE,
					      .flags = GW_FLOW_ADAPTIVE,
					      .dscp = GW_DSCP_FROM_CLASS };
	uint32_t id = 0;

	socket.protocol = IPPROTO_TCP;
	assert_int_equal(
		engine_add(world->engine, mine, &socket, NULL, &request, &id, world->now_us), 0);
	return id;
}

static void end(uint32_t id)
{
	assert_int_equal(engine_remove(world->engine, mine, id, world->now_us), 0);
}

static void tell(struct measured *measured, enum measuring_event event)
{
	engine_path_event(world->engine, measured->path, event, world->now_us);
}

static void tell_state(struct measured *measured, enum measuring_state state)
{
	measured->state = state;
	tell(measured, MEASURING_EVENT_STATE);
}

/* A sink has answered, and there are figures. */
static void know(struct measured *measured, uint64_t capacity_bps, uint64_t available_bps)
{
	measured->fundamentals_status = 0;
	measured->info = (struct gw_path_info){ .size = sizeof(measured->info),
						.capacity_known = 1,
						.available_known = 1,
						.rtt_known = 1,
						.capacity_bps = capacity_bps,
						.available_bps = available_bps,
						.rtt_us = 1234 };
	tell(measured, MEASURING_EVENT_SUPPORTED);
	tell(measured, MEASURING_EVENT_MEASURED);
}

static int query(struct owner *owner, uint32_t id, uint32_t flags, struct gw_path_info *ret_info)
{
	const struct engine_wait wait = { .is_request = true, .serial = 77, .type = 10 };

	return engine_query_path(world->engine, owner, id, flags, &wait, ret_info, world->now_us);
}

static int ask(uint32_t id, uint32_t flags)
{
	struct gw_path_info info;

	return query(mine, id, flags, &info);
}

static int notify(uint32_t id, uint32_t condition, uint64_t target_bps, uint64_t token)
{
	return engine_notify(world->engine, mine, id, condition, target_bps, token, world->now_us);
}

/* non-adaptive flows open no path; the last adaptive one closes it. */
static void opened_and_closed(void **state)
{
	struct address same_host = d1, group = world_address("239.1.1.1", 5);
	uint32_t plain = world_add(world, mine, 9, &d1, GW_CLASS_VOICE, 0), first, second, many;
	struct measured *measured;

	(void)state;
	same_host.port = 1;
	assert_int_equal(measuring.n_paths, 0);
	many = add_adaptive(8, &group);
	assert_int_equal(measuring.n_paths, 0);
	first = add_adaptive(1, &d1);
	second = add_adaptive(2, &same_host);
	assert_int_equal(measuring.n_paths, 1);
	measured = fake_measured(&measuring, &d1);
	assert_true(measured->target.on_link);
	assert_int_equal(measured->target.ifindex, 2);
	assert_int_equal(measured->flows, 2);
	assert_int_equal(measured->trackers, 0);
	end(first);
	assert_int_equal(measured->flows, 1);
	end(second);
	assert_int_equal(fake_measured_open(&measuring), 0);
	end(plain);
	end(many);
}

/* A path belongs to an interface; who asks again finds the one that packets take now (spec §12). */
static void follows_the_route(void **state)
{
	uint32_t id = add_adaptive(1, &d1);
	struct measured *before = fake_measured(&measuring, &d1), *after;

	(void)state;
	know(before, 10 * MEGABIT, MEGABIT);
	assert_int_equal(ask(id, 0), 0);
	assert_int_equal(notify(id, GW_CONDITION_CONGESTED, 0, 1), 1);
	world->ifindex = 3;
	assert_int_equal(ask(id, 0), -ENODATA);
	assert_false(before->open);
	after = fake_measured(&measuring, &d1);
	assert_int_equal(after->target.ifindex, 3);
	assert_int_equal(world->n_completions, 0);
	tell_state(after, MEASURING_CONGESTED);
	assert_int_equal(world_completions_of(world, 1, 0), 1);
	world->on_link = false;
	assert_int_equal(ask(id, 0), -EOPNOTSUPP);
	assert_int_equal(fake_measured_open(&measuring), 0);
	world->on_link = true;
	assert_int_equal(ask(id, 0), -ENODATA);
	assert_int_equal(fake_measured_open(&measuring), 1);
	world->route_error = -ENETUNREACH;
	assert_int_equal(ask(id, 0), -ENETUNREACH);
	assert_int_equal(notify(id, GW_CONDITION_CONGESTED, 0, 1), -ENETUNREACH);
	assert_int_equal(engine_set_rate(world->engine, mine, id, MEGABIT, 1, 0, NULL,
					 world->now_us),
			 -ENETUNREACH);
}

/* nothing, then figures; what is free is never more than all. */
static void figures(void **state)
{
	uint32_t id = add_adaptive(1, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);
	struct gw_path_info info;

	(void)state;
	assert_int_equal(ask(id, 0), -ENODATA);
	know(measured, 10 * MEGABIT, 11 * MEGABIT);
	assert_int_equal(query(mine, id, 0, &info), 0);
	assert_true(info.capacity_known && info.available_known && info.rtt_known);
	assert_true(info.capacity_bps == 10 * MEGABIT);
	assert_true(info.available_bps == 10 * MEGABIT);
	assert_int_equal(info.rtt_us, 1234);
	assert_int_equal(query(root, id, GW_PATH_FRESH, &info), 0);
	assert_int_equal(measured->n_refreshes, 0);
	assert_int_equal(query(other, id, 0, &info), -ENOENT);
	world_pass(world, 60 * SECOND);
	assert_int_equal(ask(id, 0), 0);
}

/* What is remembered of a path is there at once. */
static void known_already(void **state)
{
	(void)state;
	measuring.next_fundamentals = 0;
	assert_int_equal(ask(add_adaptive(1, &d1), 0), 0);
	assert_true(engine_next_deadline_us(world->engine) == UINT64_MAX);
}

/* a silent host; then it appears. */
static void late_sink(void **state)
{
	uint32_t id = add_adaptive(1, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);

	(void)state;
	world_pass(world, 10 * SECOND - 1);
	assert_int_equal(ask(id, 0), -ENODATA);
	world_pass(world, 1);
	assert_int_equal(ask(id, 0), -EOPNOTSUPP);
	world_pass(world, 3600 * SECOND);
	assert_int_equal(ask(id, 0), -EOPNOTSUPP);
	assert_int_equal(notify(id, GW_CONDITION_CONGESTED, 0, 1), -EOPNOTSUPP);
	tell(measured, MEASURING_EVENT_SUPPORTED);
	assert_int_equal(ask(id, 0), -ENODATA);
	assert_int_equal(notify(id, GW_CONDITION_CONGESTED, 0, 1), 1);
	know(measured, MEGABIT, MEGABIT);
	assert_int_equal(ask(id, 0), 0);
	world_pass(world, 60 * SECOND);
	assert_int_equal(ask(id, 0), 0);
}

/* The host has found out sooner than the engine gives up. */
static void unsupported_at_once(void **state)
{
	uint32_t id = add_adaptive(1, &d1);

	(void)state;
	assert_int_equal(notify(id, GW_CONDITION_CONGESTED, 0, 1), 1);
	tell(fake_measured(&measuring, &d1), MEASURING_EVENT_UNSUPPORTED);
	assert_int_equal(world_completions_of(world, 1, -EOPNOTSUPP), 1);
	assert_int_equal(ask(id, 0), -EOPNOTSUPP);
	assert_true(engine_next_deadline_us(world->engine) == UINT64_MAX);
}

/* waits for the experiment, and shares it. */
static void fresh_figures(void **state)
{
	uint32_t id = add_adaptive(1, &d1), second = add_adaptive(2, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);
	const struct world_completion *done = world->completions;

	(void)state;
	know(measured, 10 * MEGABIT, MEGABIT);
	assert_int_equal(ask(id, GW_PATH_FRESH), 1);
	assert_int_equal(ask(second, GW_PATH_FRESH), 1);
	assert_int_equal(measured->n_refreshes, 1);
	tell(measured, MEASURING_EVENT_MEASURED);
	assert_int_equal(world->n_completions, 0);
	measured->info.available_bps = 2 * MEGABIT;
	tell(measured, MEASURING_EVENT_REFRESHED);
	assert_int_equal(world->n_completions, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(done[i].status, 0);
		assert_true(done[i].is_request && done[i].token == 77 && done[i].has_path);
		assert_true(done[i].path.available_bps == 2 * MEGABIT);
	}
	assert_int_equal(ask(id, 0), 0);
}

/* it does not begin, it says nothing in time, it has nothing to say. */
static void no_fresh_figures(void **state)
{
	uint32_t id = add_adaptive(1, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);

	(void)state;
	measured->refresh_status = -EAGAIN;
	assert_int_equal(ask(id, GW_PATH_FRESH), -EAGAIN);
	measured->refresh_status = 0;
	assert_int_equal(ask(id, GW_PATH_FRESH), 1);
	world_pass(world, 5 * SECOND);
	assert_int_equal(world_completions_of(world, 77, -ETIMEDOUT), 1);
	assert_int_equal(ask(id, GW_PATH_FRESH), 1);
	tell(measured, MEASURING_EVENT_REFRESHED);
	assert_int_equal(world_completions_of(world, 77, -EAGAIN), 1);
	tell(measured, MEASURING_EVENT_SUPPORTED);
	assert_int_equal(ask(id, GW_PATH_FRESH), 1);
	tell(measured, MEASURING_EVENT_UNSUPPORTED);
	assert_int_equal(world_completions_of(world, 77, -EAGAIN), 2);
	assert_int_equal(ask(id, GW_PATH_FRESH), -EAGAIN);
	assert_int_equal(ask(id, 0), -EOPNOTSUPP);
	assert_false(world->completions[0].has_path);
	assert_int_equal(world->n_completions, 3);
}

/* of who turns out not to take part while he is asked anew, there is no result. */
static void fresh_of_nobody(void **state)
{
	uint32_t id = add_adaptive(1, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);

	(void)state;
	assert_int_equal(ask(id, GW_PATH_FRESH), 1);
	tell(measured, MEASURING_EVENT_UNSUPPORTED);
	assert_int_equal(world_completions_of(world, 77, -ETIMEDOUT), 1);
	assert_int_equal(ask(id, GW_PATH_FRESH), -EOPNOTSUPP);
}

/* A request that waits is named by its token, if it has one. */
static void fresh_by_token(void **state)
{
	const struct engine_wait wait = { .token = 5 };
	uint32_t id = add_adaptive(1, &d1);
	struct gw_path_info info;

	(void)state;
	assert_int_equal(engine_query_path(world->engine, mine, id, GW_PATH_FRESH, &wait, &info,
					   world->now_us),
			 1);
	assert_int_equal(notify(id, GW_CONDITION_CONGESTED, 0, 5), -EBUSY);
	assert_int_equal(engine_cancel(world->engine, mine, 5, world->now_us), 0);
	assert_int_equal(world_completions_of(world, 5, -ECANCELED), 1);
	assert_int_equal(engine_query_path(world->engine, mine, id, GW_PATH_FRESH, NULL, &info,
					   world->now_us),
			 -EAGAIN);
	assert_int_equal(ask(id, GW_PATH_FRESH), 1);
	end(id);
	assert_int_equal(world_completions_of(world, 77, -ECANCELED), 1);
}

/* at registration, and once. */
static void level_triggered(void **state)
{
	uint32_t id = add_adaptive(1, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);

	(void)state;
	know(measured, 10 * MEGABIT, 5 * MEGABIT);
	tell_state(measured, MEASURING_UNCONGESTED);
	assert_int_equal(notify(id, GW_CONDITION_UNCONGESTED, 0, 1), 0);
	assert_int_equal(notify(id, GW_CONDITION_CONGESTED, 0, 1), 1);
	tell_state(measured, MEASURING_UNCONGESTED);
	assert_int_equal(world->n_completions, 0);
	tell_state(measured, MEASURING_CONGESTED);
	tell_state(measured, MEASURING_CONGESTED);
	assert_int_equal(world->n_completions, 1);
	assert_int_equal(world_completions_of(world, 1, 0), 1);
	assert_int_equal(notify(id, GW_CONDITION_CONGESTED, 0, 1), 0);
	assert_int_equal(notify(id, GW_CONDITION_UNCONGESTED, 0, 1), 1);
	tell_state(measured, MEASURING_UNCONGESTED);
	assert_int_equal(world_completions_of(world, 1, 0), 2);
	assert_int_equal(notify(id, GW_CONDITION_CONGESTED, 0, 1), 1);
	tell_state(measured, MEASURING_CONGESTED);
	assert_int_equal(world_completions_of(world, 1, 0), 3);
}

/* of the total; and never of a path that is congested. */
static void available(void **state)
{
	uint32_t id = add_adaptive(1, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);

	(void)state;
	know(measured, 10 * MEGABIT, 5 * MEGABIT);
	measured->admit_status = 0;
	assert_int_equal(
		engine_set_rate(world->engine, mine, id, MEGABIT, 1, 0, NULL, world->now_us), 0);
	tell_state(measured, MEASURING_UNCONGESTED);
	measured->attainable_bps = 3 * MEGABIT;
	assert_int_equal(notify(id, GW_CONDITION_AVAILABLE, MEGABIT, 1), -EINVAL);
	assert_int_equal(notify(id, GW_CONDITION_AVAILABLE, 3 * MEGABIT, 1), 0);
	assert_int_equal(notify(id, GW_CONDITION_AVAILABLE, 4 * MEGABIT, 1), 1);
	tell(measured, MEASURING_EVENT_MEASURED);
	assert_int_equal(world->n_completions, 0);
	measured->state = MEASURING_CONGESTED;
	measured->attainable_bps = 4 * MEGABIT;
	tell(measured, MEASURING_EVENT_MEASURED);
	assert_int_equal(world->n_completions, 0);
	tell_state(measured, MEASURING_UNCONGESTED);
	assert_int_equal(world_completions_of(world, 1, 0), 1);
}

/* each flow of the path by its own request; those of other paths are not told. */
static void all_that_wait(void **state)
{
	uint32_t a = add_adaptive(1, &d1), b = add_adaptive(2, &d1), c = add_adaptive(3, &d2);
	struct measured *measured = fake_measured(&measuring, &d1);

	(void)state;
	assert_int_equal(notify(a, GW_CONDITION_CONGESTED, 0, 1), 1);
	assert_int_equal(notify(b, GW_CONDITION_CONGESTED, 0, 2), 1);
	assert_int_equal(notify(b, GW_CONDITION_UNCONGESTED, 0, 3), 1);
	assert_int_equal(notify(c, GW_CONDITION_CONGESTED, 0, 4), 1);
	tell_state(measured, MEASURING_CONGESTED);
	assert_int_equal(world->n_completions, 2);
	assert_int_equal(world_completions_of(world, 1, 0), 1);
	assert_int_equal(world_completions_of(world, 2, 0), 1);
}

/* spec §5.7: who took part is gone for good: 59; a connection of one's own still tells. */
static void sink_dies(void **state)
{
	uint32_t udp = add_adaptive(1, &d1), tcp = add_tcp(2, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);

	(void)state;
	know(measured, 10 * MEGABIT, 5 * MEGABIT);
	assert_int_equal(notify(udp, GW_CONDITION_CONGESTED, 0, 1), 1);
	assert_int_equal(notify(tcp, GW_CONDITION_CONGESTED, 0, 2), 1);
	assert_int_equal(notify(tcp, GW_CONDITION_AVAILABLE, 20 * MEGABIT, 3), 1);
	measured->fundamentals_status = -EOPNOTSUPP;
	tell(measured, MEASURING_EVENT_UNSUPPORTED);
	assert_int_equal(world_completions_of(world, 1, -ECONNRESET), 1);
	assert_int_equal(world_completions_of(world, 3, -ECONNRESET), 1);
	assert_int_equal(world->n_completions, 2);
	tell_state(measured, MEASURING_CONGESTED);
	assert_int_equal(world_completions_of(world, 2, 0), 1);
	assert_int_equal(notify(udp, GW_CONDITION_CONGESTED, 0, 1), -EOPNOTSUPP);
	assert_int_equal(notify(tcp, GW_CONDITION_CONGESTED, 0, 1), 0);
}

/* with routers in between only what a connection tells counts, and nothing is measured. */
static void off_link(void **state)
{
	struct measured *measured;
	uint32_t udp, tcp;

	(void)state;
	world->on_link = false;
	udp = add_adaptive(1, &d1);
	assert_int_equal(measuring.n_paths, 0);
	tcp = add_tcp(2, &d1);
	measured = fake_measured(&measuring, &d1);
	assert_false(measured->target.on_link);
	assert_int_equal(measured->flows, 2);
	assert_int_equal(ask(udp, 0), -EOPNOTSUPP);
	assert_int_equal(ask(tcp, 0), -EOPNOTSUPP);
	assert_int_equal(ask(tcp, GW_PATH_FRESH), -EOPNOTSUPP);
	assert_int_equal(notify(udp, GW_CONDITION_CONGESTED, 0, 1), -EOPNOTSUPP);
	assert_int_equal(notify(tcp, GW_CONDITION_AVAILABLE, MEGABIT, 1), -EOPNOTSUPP);
	assert_int_equal(notify(tcp, GW_CONDITION_CONGESTED, 0, 1), 1);
	tell_state(measured, MEASURING_CONGESTED);
	assert_int_equal(world_completions_of(world, 1, 0), 1);
	assert_int_equal(notify(tcp, GW_CONDITION_UNCONGESTED, 0, 1), 1);
	engine_set_measuring(world->engine, NULL, world->now_us);
	assert_int_equal(world_completions_of(world, 1, -EOPNOTSUPP), 1);
	assert_int_equal(notify(tcp, GW_CONDITION_CONGESTED, 0, 1), -EOPNOTSUPP);
}

/* Connections are handed over once, however many flows they have, and taken back with the last. */
static void connections(void **state)
{
	uint32_t first = add_tcp(5, &d1), second = add_tcp(5, &d1), udp = add_adaptive(6, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);

	(void)state;
	assert_int_equal(measured->n_sockets, 1);
	assert_int_equal(measured->sockets[0], 5);
	end(first);
	assert_int_equal(measured->n_sockets, 1);
	engine_end_socket(world->engine, 5, DIRECTION_BOTH, END_CLOSED, world->now_us);
	assert_int_equal(measured->n_sockets, 0);
	assert_int_equal(measured->flows, 1);
	assert_int_equal(engine_remove(world->engine, mine, second, world->now_us), -ENOENT);
	end(udp);
}

/* A host that begins to measure finds what is there; one that ceases ends what waits. */
static void measuring_comes_and_goes(void **state)
{
	struct measured *measured;
	uint32_t id, later;

	(void)state;
	engine_set_measuring(world->engine, NULL, world->now_us);
	id = add_adaptive(1, &d1);
	assert_int_equal(ask(id, 0), -EOPNOTSUPP);
	engine_set_measuring(world->engine, &measuring.table, world->now_us);
	later = add_tcp(2, &d1);
	measured = fake_measured(&measuring, &d1);
	assert_int_equal(measured->flows, 2);
	assert_int_equal(measured->n_sockets, 1);
	assert_int_equal(ask(id, 0), -ENODATA);
	assert_int_equal(notify(later, GW_CONDITION_CONGESTED, 0, 1), 1);
	assert_int_equal(ask(id, GW_PATH_FRESH), 1);
	engine_set_measuring(world->engine, NULL, world->now_us);
	assert_int_equal(fake_measured_open(&measuring), 0);
	assert_int_equal(world_completions_of(world, 1, -EOPNOTSUPP), 1);
	assert_int_equal(world_completions_of(world, 77, -EOPNOTSUPP), 1);
	assert_int_equal(ask(id, 0), -EOPNOTSUPP);
}

/* A path that could not be opened is like one where nobody answers, and is tried again. */
static void cannot_open(void **state)
{
	uint32_t id;

	(void)state;
	measuring.open_error = -ENOBUFS;
	id = add_adaptive(1, &d1);
	assert_int_equal(ask(id, 0), -ENODATA);
	assert_int_equal(ask(id, GW_PATH_FRESH), -EAGAIN);
	assert_int_equal(notify(id, GW_CONDITION_CONGESTED, 0, 1), 1);
	world_pass(world, 10 * SECOND);
	assert_int_equal(world_completions_of(world, 1, -EOPNOTSUPP), 1);
	measuring.open_error = 0;
	add_adaptive(2, &d1);
	know(fake_measured(&measuring, &d1), MEGABIT, 0);
	assert_int_equal(ask(id, 0), 0);
}

static uint32_t priority_of(uint32_t id)
{
	struct gw_flow_info info;

	assert_int_equal(engine_query(world->engine, mine, id, &info), 0);
	return info.conformant_priority;
}

static const struct mark *mark_of(uint64_t cookie)
{
	const struct fake_mark *mark = fake_find(&world->datapath, cookie, &d1);

	assert_non_null(mark);
	return &mark->treatment.mark;
}

static void set_rate(uint32_t id, uint32_t shaping)
{
	assert_int_equal(engine_set_rate(world->engine, mine, id, MEGABIT, shaping, 0, NULL,
					 world->now_us),
			 0);
}

static void prove_tags(struct measured *measured, bool may_tag)
{
	measured->may_tag = may_tag;
	tell(measured, MEASURING_EVENT_PRIORITY);
}

/* spec §5.6: a tag only where it is proven to arrive, with a mark, and for adaptive flows alone. */
static void priority_tags(void **state)
{
	uint32_t id = add_adaptive(1, &d1),
		 plain = world_add(world, mine, 2, &d1, GW_CLASS_VOICE, 0);
	struct measured *measured = fake_measured(&measuring, &d1);
	unsigned applies;

	(void)state;
	measured->admit_status = 0;
	know(measured, 10 * MEGABIT, 5 * MEGABIT);
	prove_tags(measured, true);
	assert_int_equal(priority_of(id), 0);
	assert_null(fake_find(&world->datapath, 1, &d1));
	set_rate(id, GW_SHAPE_AND_MARK);
	assert_int_equal(priority_of(id), 7);
	assert_true(mark_of(1)->tag);
	prove_tags(measured, false);
	assert_int_equal(priority_of(id), 0);
	assert_true(mark_of(1)->set_dscp && !mark_of(1)->tag);
	prove_tags(measured, true);
	assert_true(mark_of(1)->tag);
	applies = world->datapath.applies;
	prove_tags(measured, true);
	assert_int_equal(world->datapath.applies, applies);
	assert_int_equal(priority_of(plain), 0);
	assert_false(mark_of(2)->tag);
	set_rate(id, GW_SHAPE_ONLY);
	assert_int_equal(priority_of(id), 0);
	assert_false(mark_of(1)->tag);
}

/* The excess has its own priority in its own tag. */
static void excess_is_tagged(void **state)
{
	uint32_t id = add_adaptive(1, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);
	const struct mark *excess;

	(void)state;
	measured->admit_status = 0;
	know(measured, 10 * MEGABIT, 5 * MEGABIT);
	set_rate(id, GW_SHAPE_MARK_CONFORMANT);
	assert_false(fake_meter_of(&world->datapath, id)->meter.excess_mark.tag);
	prove_tags(measured, true);
	excess = &fake_meter_of(&world->datapath, id)->meter.excess_mark;
	assert_true(excess->tag && excess->priority == 0);
}

/* The proof goes with who gave it, and with who measures. */
static void tags_end(void **state)
{
	uint32_t id = add_adaptive(1, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);

	(void)state;
	measured->admit_status = 0;
	know(measured, 10 * MEGABIT, 5 * MEGABIT);
	prove_tags(measured, true);
	set_rate(id, GW_SHAPE_AND_MARK);
	assert_true(mark_of(1)->tag);
	tell(measured, MEASURING_EVENT_UNSUPPORTED);
	assert_false(mark_of(1)->tag);
	tell(measured, MEASURING_EVENT_SUPPORTED);
	assert_true(mark_of(1)->tag);
	engine_set_measuring(world->engine, NULL, world->now_us);
	assert_true(mark_of(1)->set_dscp && !mark_of(1)->tag);
	assert_int_equal(priority_of(id), 0);
}

/* A router has come in between: the next request finds that out. */
static void tags_end_at_a_router(void **state)
{
	uint32_t id = add_adaptive(1, &d1);
	struct measured *measured = fake_measured(&measuring, &d1);

	(void)state;
	measured->admit_status = 0;
	know(measured, 10 * MEGABIT, 5 * MEGABIT);
	prove_tags(measured, true);
	set_rate(id, GW_SHAPE_AND_MARK);
	assert_true(mark_of(1)->tag);
	world->on_link = false;
	set_rate(id, GW_SHAPE_AND_MARK);
	assert_true(mark_of(1)->set_dscp && !mark_of(1)->tag);
	assert_int_equal(priority_of(id), 0);
}

static const struct gw_flow_record *last_record(void)
{
	assert_true(world->n_events > 0);
	return &world->events[world->n_events - 1].event.record;
}

/* Those who watch hear of another state, and not of other figures. */
static void watching(void **state)
{
	uint32_t id;
	struct measured *measured;

	(void)state;
	assert_int_equal(owner_watch(world->engine, root), 0);
	id = add_adaptive(1, &d1);
	measured = fake_measured(&measuring, &d1);
	world_forget(world);
	know(measured, 10 * MEGABIT, 5 * MEGABIT);
	tell(measured, MEASURING_EVENT_MEASURED);
	assert_int_equal(world->n_events, 0);
	tell_state(measured, MEASURING_UNCONGESTED);
	tell_state(measured, MEASURING_UNCONGESTED);
	assert_int_equal(world->n_events, 1);
	assert_int_equal(world_events_of(world, root, GW_EVENT_FLOW_CHANGED, id), 1);
	assert_string_equal(world->events[0].event.reason, "path");
	assert_int_equal(last_record()->path_state, GW_PATH_UNCONGESTED);
	assert_true(last_record()->path.available_bps == 5 * MEGABIT);
	tell_state(measured, MEASURING_CONGESTED);
	assert_int_equal(last_record()->path_state, GW_PATH_CONGESTED);
	measured->fundamentals_status = -EOPNOTSUPP;
	tell(measured, MEASURING_EVENT_UNSUPPORTED);
	assert_int_equal(last_record()->path_state, GW_PATH_UNSUPPORTED);
	assert_false(last_record()->path.capacity_known);
	assert_int_equal(world->n_events, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(opened_and_closed),
		TEST(follows_the_route),
		TEST(figures),
		TEST(known_already),
		TEST(late_sink),
		TEST(unsupported_at_once),
		TEST(fresh_figures),
		TEST(no_fresh_figures),
		TEST(fresh_of_nobody),
		TEST(fresh_by_token),
		TEST(level_triggered),
		TEST(available),
		TEST(all_that_wait),
		TEST(sink_dies),
		TEST(off_link),
		TEST(connections),
		TEST(measuring_comes_and_goes),
		TEST(cannot_open),
		TEST(priority_tags),
		TEST(excess_is_tagged),
		TEST(tags_end),
		TEST(tags_end_at_a_router),
		TEST(watching),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
