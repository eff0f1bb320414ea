/* SPDX-License-Identifier: MIT */
/* world.c: see world.h. */
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "addresses.h"
#include "engine/internal.h"

/* Static: a test that counts allocations must not see this one. */
static struct world the_world;

/* ---- ports ---- */

static int port_route(void *user_data, const struct address *destination,
		      const struct engine_socket *socket, struct engine_route *ret_route)
{
	struct world *world = user_data;

	(void)socket;
	world->routes_asked++;
	if (world->route_error < 0)
		return world->route_error;
	ret_route->on_link = world->on_link;
	ret_route->ifindex = world->ifindex ? world->ifindex : destination->addr[15];
	return 0;
}

static int port_descriptor(void *user_data, uint64_t cookie)
{
	const struct world *world = user_data;

	return world->descriptors ? 1000 + (int)cookie : -1;
}

static bool port_is_administrator(void *user_data, const struct owner *owner)
{
	uint32_t uid = owner_info(owner)->uid;

	(void)user_data;
	return uid == UID_ROOT || uid == UID_OPERATOR;
}

static int port_group_create(void *user_data, const struct owner *owner, uint64_t *ret_group)
{
	struct world *world = user_data;

	(void)owner;
	if (world->group_error < 0)
		return world->group_error;
	*ret_group = ++world->last_group;
	return 0;
}

static void port_group_end(void *user_data, uint64_t group)
{
	struct world *world = user_data;

	assert_true(world->n_ended_groups < 64);
	world->ended_groups[world->n_ended_groups++] = group;
}

static void port_completed(void *user_data, struct owner *owner,
			   const struct engine_completion *completion)
{
	struct world *world = user_data;

	assert_ptr_equal(owner_host_data(owner), world);
	assert_true(world->n_completions < WORLD_RECORDS);
	world->completions[world->n_completions++] = (struct world_completion){
		.owner = owner,
		.token = completion->wait.is_request ? completion->wait.serial
						     : completion->wait.token,
		.is_request = completion->wait.is_request,
		.status = completion->status,
		.granted = completion->granted,
		.has_path = completion->path != NULL,
		.path = completion->path ? *completion->path : (struct gw_path_info){ 0 },
	};
}

static void port_flow_event(void *user_data, struct owner *owner,
			    const struct engine_flow_event *event)
{
	struct world *world = user_data;

	assert_ptr_equal(owner_host_data(owner), world);
	assert_true(world->n_events < WORLD_RECORDS);
	world->events[world->n_events++] =
		(struct world_event){ owner, *event, world->datapath.n_marks };
}

/* ---- life ---- */

struct world *world_new(const struct engine_config *config)
{
	return world_new_with(config, &fake_datapath_ops);
}

struct world *world_new_with(const struct engine_config *config, const struct datapath_ops *ops)
{
	struct world *world = &the_world;
	struct engine_config usual;
	struct engine_ports ports = {
		.user_data = world,
		.datapath = ops,
		.datapath_data = &world->datapath,
		.route = port_route,
		.descriptor = port_descriptor,
		.is_administrator = port_is_administrator,
		.group_create = port_group_create,
		.group_end = port_group_end,
		.completed = port_completed,
		.flow_event = port_flow_event,
	};

	engine_config_default(&usual);
	memset(world, 0, sizeof(*world));
	world->now_us = 1000000;
	world->ifindex = 2;
	world->engine = engine_new(&ports, config ? config : &usual);
	return world->engine ? world : NULL;
}

void world_remove_owner(struct world *world, struct owner *owner)
{
	engine_owner_remove(world->engine, owner, world->now_us);
	while (engine_next_deadline_us(world->engine) == 0)
		engine_tick(world->engine, world->now_us);
}

void world_free(struct world *world)
{
	world->engine = engine_free(world->engine);
	assert_int_equal(world->datapath.n_marks, 0);
	assert_int_equal(world->datapath.n_meters, 0);
}

void world_end(struct world *world)
{
	world_check(world);
	while (world->engine->owners)
		world_remove_owner(world, world->engine->owners);
	world_check_empty(world);
	assert_true(engine_next_deadline_us(world->engine) == UINT64_MAX);
	world_free(world);
}

void world_pass(struct world *world, uint64_t us)
{
	world->now_us += us;
	engine_tick(world->engine, world->now_us);
}

struct owner *world_owner(struct world *world, uint32_t uid)
{
	struct engine_owner_info info = { .uid = uid, .pid = 42, .comm = "test", .api = "native" };
	struct owner *owner;

	assert_int_equal(engine_owner_add(world->engine, &info, world, &owner), 0);
	return owner;
}

struct address world_address(const char *host, uint16_t port)
{
	return address_named(host, port);
}

struct engine_socket world_socket(uint64_t cookie)
{
	return (struct engine_socket){
		.fd = -1,
		.cookie = cookie,
		.family = AF_INET,
		.protocol = IPPROTO_UDP,
		.local = world_address("192.0.2.1", (uint16_t)(10000 + cookie % 50000)),
	};
}

struct engine_socket world_connected_socket(uint64_t cookie, const struct address *peer)
{
	struct engine_socket socket = world_socket(cookie);

	socket.peer = *peer;
	return socket;
}

/* ---- verbs ---- */

static void add(struct world *world, struct owner *owner, uint64_t cookie,
		const struct address *destination, const struct flow_request *request, uint32_t *id)
{
	struct engine_socket socket = world_socket(cookie);

	assert_int_equal(engine_add(world->engine, owner, &socket, destination, request, id,
				    world->now_us),
			 0);
}

uint32_t world_add(struct world *world, struct owner *owner, uint64_t cookie,
		   const struct address *destination, enum gw_class traffic_class, uint32_t flags)
{
	struct flow_request request = { traffic_class, flags, GW_DSCP_FROM_CLASS };
	uint32_t id = 0;

	add(world, owner, cookie, destination, &request, &id);
	assert_int_not_equal(id, 0);
	return id;
}

void world_attach(struct world *world, struct owner *owner, uint32_t id, uint64_t cookie,
		  const struct address *destination)
{
	struct flow_request request = { .dscp = GW_DSCP_FROM_CLASS };
	uint32_t same = id;

	add(world, owner, cookie, destination, &request, &same);
	assert_int_equal(same, id);
}

/* ---- what was told ---- */

size_t world_events_of(const struct world *world, const struct owner *owner,
		       enum gw_event_type type, uint32_t flow_id)
{
	size_t n = 0;

	for (size_t i = 0; i < world->n_events; i++) {
		const struct world_event *event = &world->events[i];

		n += event->owner == owner && event->event.type == type &&
		     (flow_id == 0 || event->event.record.id == flow_id);
	}
	return n;
}

size_t world_completions_of(const struct world *world, uint64_t token, int status)
{
	size_t n = 0;

	for (size_t i = 0; i < world->n_completions; i++)
		n += world->completions[i].token == token && world->completions[i].status == status;
	return n;
}

void world_forget(struct world *world)
{
	world->n_completions = 0;
	world->n_events = 0;
}

/* ---- the books ---- */

static void check_treatment(const struct world *world, const struct fake_mark *mark,
			    const struct flow *flow)
{
	struct datapath_treatment treatment;

	flow_treatment(world->engine, flow, &treatment);
	assert_non_null(mark);
	assert_int_equal(mark->treatment.flow_id, treatment.flow_id);
	assert_true(treatment.flow_id == flow->id || treatment.flow_id == flow->settings.lender);
	assert_int_equal(mark->treatment.traffic_class, treatment.traffic_class);
	assert_memory_equal(&mark->treatment.mark, &treatment.mark, sizeof(treatment.mark));
	assert_int_equal(mark->treatment.metered, treatment.metered);
	if (treatment.flow_id == flow->id)
		assert_int_equal(treatment.metered, flow->metering != NULL);
	assert_int_equal(mark->treatment.watched, flow->watches);
}

/* Returns how many marks the slot should have: 1 or 0. */
static size_t check_slot(const struct world *world, const struct slot *slot)
{
	bool any = slot->key.destination.family == AF_UNSPEC;
	const struct fake_mark *mark =
		fake_find(&world->datapath, slot->key.cookie, any ? NULL : &slot->key.destination);
	const struct entry *entry, *claim = NULL, *watches = NULL;

	assert_non_null(slot->entries);
	assert_int_equal(slot->sock->cookie, slot->key.cookie);
	DL_FOREACH2(slot->entries, entry, slot_next) {
		assert_ptr_equal(entry->slot, slot);
		if (entry->flow->watches)
			watches = entry;
		else if (flow_claims(entry->flow))
			claim = entry;
	}
	if (!claim && watches) { /* either of several is right */
		assert_non_null(slot->in_force);
		assert_true(slot->in_force->flow->watches);
		claim = slot->in_force;
	}
	assert_ptr_equal(slot->in_force, claim);
	if (!claim) {
		assert_null(mark);
		return 0;
	}
	check_treatment(world, mark, claim->flow);
	return 1;
}

static uint32_t check_sock(const struct sock *sock)
{
	const struct entry *entry;
	const struct slot *slot;
	uint32_t n_keep = 0, n_slots = 0, n_watches = 0;

	assert_non_null(sock->slots);
	DL_FOREACH(sock->slots, slot) {
		assert_ptr_equal(slot->sock, sock);
		n_slots++;
		DL_FOREACH2(slot->entries, entry, slot_next) {
			n_keep += (entry->flow->flags & GW_FLOW_KEEP_ON_DISCONNECT) != 0;
			n_watches += entry->flow->watches;
		}
	}
	assert_int_equal(sock->n_keep, n_keep);
	assert_int_equal(sock->n_watches, n_watches);
	return n_slots;
}

/* Who counts whom, and whether the host was told so. */
static void check_path(const struct flow_path *path)
{
	const struct tracker *tracker;
	uint32_t n_flows = 0, n_tcp = 0, n_trackers = 0;
	const struct flow *flow;

	DL_FOREACH2(path->flows, flow, path_next) {
		assert_ptr_equal(flow->path, path);
		n_flows++;
		n_tcp += flow->entries && flow->entries->on_path;
	}
	DL_FOREACH2(path->trackers, tracker, path_next) {
		assert_ptr_equal(tracker->path, path);
		n_trackers++;
	}
	assert_true(n_flows + n_trackers > 0);
	assert_int_equal(path->n_flows, n_flows);
	assert_int_equal(path->n_tcp, n_tcp);
	assert_int_equal(path->n_trackers, n_trackers);
	assert_int_equal(path->held, 0);
}

static void check_flow(const struct flow *flow)
{
	const struct entry *entry;
	const struct op *op;
	uint32_t n = 0;

	assert_int_not_equal(flow->id, 0);
	DL_FOREACH2(flow->entries, entry, flow_next) {
		assert_ptr_equal(entry->flow, flow);
		n++;
	}
	assert_int_equal(flow->n_entries, n);
	assert_true(n == 0 || !flow_has_targets(flow));
	DL_FOREACH(flow->ops, op) {
		assert_ptr_equal(op->flow, flow);
		assert_ptr_equal(op->owner, flow->owner);
	}
}

/* ---- meters, and the books of links ---- */

#define LINKS_CHECKED 16

static bool needs_meter(const struct flow *flow)
{
	return flow_is_in_force(flow) &&
	       (flow->settings.reserved.rate_bps != 0 || rate_needs_meter(flow->settings.rate_bps));
}

static void check_meter(struct world *world, const struct flow *flow)
{
	const struct fake_meter *there = fake_meter_of(&world->datapath, flow->id);

	assert_int_equal(flow->metering != NULL, needs_meter(flow));
	assert_int_equal(flow->metered, flow->metering != NULL);
	assert_int_equal(there != NULL, flow->metering != NULL);
	if (there)
		assert_memory_equal(&there->meter, &flow->metering->meter, sizeof(there->meter));
}

static void check_books(const struct engine *engine)
{
	struct admission_books sums[LINKS_CHECKED] = { 0 }, books;
	const struct flow *flow;

	DL_FOREACH(engine->flows, flow) {
		const struct holdings *booked = flow->metering ? flow->metering->booked : NULL;

		assert_int_equal(booked != NULL,
				 flow->metering && flow->settings.reserved_bps != 0);
		for (unsigned i = 0; booked && i < HOLDINGS_MAX; i++) {
			uint32_t ifindex = admission_holding_ifindex(&booked->held[i]);

			assert_true(ifindex < LINKS_CHECKED);
			if (ifindex == 0)
				continue;
			assert_int_equal(booked->held[i].traffic_class,
					 flow->settings.booked_as
						 ? flow->settings.booked_as
						 : flow->metering->meter.traffic_class);
			sums[ifindex].holdings++;
			sums[ifindex].reserved_bps += booked->held[i].rate_bps;
			sums[ifindex].class_bps[booked->held[i].traffic_class] +=
				booked->held[i].rate_bps;
		}
	}
	for (uint32_t i = 1; i < LINKS_CHECKED; i++) {
		admission_books(engine->admission, i, &books);
		assert_int_equal(books.holdings, sums[i].holdings);
		assert_true(books.reserved_bps == sums[i].reserved_bps);
		assert_memory_equal(books.class_bps, sums[i].class_bps, sizeof(books.class_bps));
	}
	assert_true(admission_next_link(engine->admission, LINKS_CHECKED - 1) == 0);
}

/* Returns how many there are. */
static size_t check_meters(const struct world *world)
{
	const struct flow *flow;
	size_t n = 0;

	DL_FOREACH(world->engine->flows, flow) {
		check_meter((struct world *)world, flow);
		n += flow->metering != NULL;
	}
	check_books(world->engine);
	return n;
}

static void check_user(const struct user *user)
{
	uint32_t before = 0, flows = 0, in_force = 0, programs = 0;
	const struct flow *flow;

	DL_FOREACH2(user->flow_list, flow, user_next) {
		assert_true(flow->id > before);
		assert_ptr_equal(flow->owner->user, user);
		before = flow->id;
		flows++;
		in_force += flow_is_in_force(flow);
		programs += flow->group != 0;
	}
	assert_int_equal(user->flows, flows);
	assert_int_equal(user->in_force, in_force);
	assert_int_equal(user->programs, programs);
}

static void check_users(const struct engine *engine)
{
	const struct owner *owner;
	const struct flow *flow;
	struct user *user, *next;
	uint32_t owners = 0, flows = 0, entries = 0;

	DL_FOREACH(engine->owners, owner) {
		owners++;
		DL_FOREACH2(owner->flows, flow, owner_next) {
			assert_ptr_equal(flow->owner, owner);
			flows++;
			entries += flow->n_entries;
		}
	}
	assert_int_equal(engine->n_flows, flows);
	assert_int_equal(engine->n_entries, entries);
	HASH_ITER(hh, engine->users, user, next) {
		check_user(user);
		owners -= user->owners;
		flows -= user->flows;
		entries -= user->entries;
	}
	assert_int_equal(owners, 0);
	assert_int_equal(flows, 0);
	assert_int_equal(entries, 0);
}

void world_check(const struct world *world)
{
	const struct engine *engine = world->engine;
	uint32_t n_slots = 0, n_flows = 0, n_tuples = 0, before = 0;
	size_t n_marks = 0, in_force = 0;
	struct slot *slot, *next_slot;
	struct sock *sock, *next_sock;
	const struct tuple *tuple;
	const struct flow_path *path;
	const struct flow *flow;

	for (path = engine->paths; path; path = path->hh.next)
		check_path(path);
	HASH_ITER(hh, engine->slots, slot, next_slot) {
		n_marks += check_slot(world, slot);
	}
	HASH_ITER(hh, engine->socks, sock, next_sock) {
		n_slots += check_sock(sock);
	}
	assert_int_equal(HASH_COUNT(engine->slots), n_slots);
	DL_FOREACH(engine->flows, flow) {
		check_flow(flow);
		assert_true(flow->id > before);
		assert_ptr_equal(flow_find(engine, flow->id), flow);
		before = flow->id;
		n_flows++;
		in_force += flow_is_in_force(flow);
		if (flow->group) {
			check_treatment(world, fake_find_group(&world->datapath, flow->group),
					flow);
			n_marks++;
		}
		DL_FOREACH(flow->tuples, tuple) {
			assert_ptr_equal(tuple->flow, flow);
			check_treatment(world, fake_find_tuple(&world->datapath, &tuple->key),
					flow);
			n_marks++;
			n_tuples++;
		}
	}
	assert_int_equal(HASH_COUNT(engine->tuples), n_tuples);
	assert_int_equal(engine->n_flows, n_flows);
	assert_int_equal(HASH_COUNT(engine->flows_by_id), n_flows);
	assert_int_equal(engine_flows_in_force(engine), in_force);
	assert_int_equal(world->datapath.n_marks, n_marks);
	assert_int_equal(world->datapath.n_meters, check_meters(world));
	check_users(engine);
}

void world_check_empty(const struct world *world)
{
	const struct engine *engine = world->engine;
	const struct owner *owner;

	world_check(world);
	assert_int_equal(world->datapath.n_marks, 0);
	assert_null(engine->flows);
	assert_null(engine->slots);
	assert_null(engine->socks);
	assert_null(engine->tuples);
	assert_null(engine->paths);
	assert_null(engine->unknown_paths);
	assert_null(engine->wishes);
	for (size_t kind = 0; kind < OP_KIND_COUNT; kind++)
		assert_null(engine->timed[kind]);
	assert_int_equal(engine_next_flow_id(engine, 0), 0);
	DL_FOREACH(engine->owners, owner) {
		assert_null(owner->ops);
		assert_null(owner->trackers);
		assert_int_equal(owner->user->trackers, 0);
		assert_int_equal(owner->n_ops, 0);
	}
}
