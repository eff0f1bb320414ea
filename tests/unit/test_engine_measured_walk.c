/* SPDX-License-Identifier: MIT */
/*
 * test_engine_measured_walk.c: thousands of random steps of owners with adaptive flows, announced hosts and requests
 * that wait, while paths are measured, change, and are not measured any more. After each step the engine's books agree
 * with each other and with the host's; each request that waits is answered once; and at the end nothing is left.
 *
 * GW_SEED=N runs that seed alone.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/internal.h"
#include "measured_world.h"

#define OWNERS 3
#define FLOWS 12
#define HOSTS 4
#define SOCKETS 6
#define SEEDS 120
#define STEPS 1500
#define WAITING 4096

static struct world *world;
static struct fake_measuring measuring;
static struct owner *owners[OWNERS];
static uint32_t flows[FLOWS];
static int owner_of[FLOWS];
static uint64_t random_state;
static uint32_t last_request;
static const struct owner *awaited[WAITING]; /* by the number of the request: whose waits */
static bool measures;

static int pick(int n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (int)(random_state % (uint64_t)n);
}

static struct address host(int n)
{
	return world_address(n == HOSTS - 1 ? "239.1.1.1" : "198.51.100.1",
			     (uint16_t)(1 + n)); /* ports do not make paths */
}

/* Half of them are hosts of their own. */
static struct address any_host(void)
{
	int n = pick(HOSTS);
	struct address address = host(n);

	address.addr[15] = (uint8_t)(1 + n % 2);
	return address;
}

/* ---- who waits ---- */

static struct engine_wait new_wait(void)
{
	struct engine_wait wait = { .is_request = pick(2) };

	assert_true(last_request + 1 < WAITING);
	wait.serial = ++last_request;
	wait.token = last_request;
	return wait;
}

static void asked(const struct engine_wait *wait, const struct owner *owner, int r)
{
	awaited[wait->serial] = r == 1 ? owner : NULL;
}

static void take_completions(void)
{
	for (size_t i = 0; i < world->n_completions; i++) {
		const struct world_completion *completion = &world->completions[i];

		assert_true(completion->token < WAITING);
		/* What is answered within the call that asks is told by that call alone. */
		assert_ptr_equal(awaited[completion->token], completion->owner);
		awaited[completion->token] = NULL;
		assert_true(completion->status <= 0);
	}
	world_forget(world);
}

/* ---- steps ---- */

static void step_add(void)
{
	int n = pick(FLOWS), owner = pick(OWNERS);
	struct address destination = any_host();
	struct engine_socket socket = world_socket((uint64_t)(1 + pick(SOCKETS)));
	const struct flow_request request = {
		.traffic_class = GW_CLASS_VOICE,
		.flags = (pick(8) ? GW_FLOW_ADAPTIVE : 0) |
			 (pick(4) ? 0 : GW_FLOW_KEEP_WHEN_CLOSED),
		.dscp = GW_DSCP_FROM_CLASS,
	};

	if (flows[n] != 0)
		return;
	/* A socket's protocol does not change. */
	socket.protocol = socket.cookie % 2 ? IPPROTO_TCP : IPPROTO_UDP;
	owner_of[n] = owner;
	engine_add(world->engine, owners[owner], &socket, &destination, &request, &flows[n],
		   world->now_us);
}

static void step_ask(int n, struct owner *owner)
{
	struct engine_wait wait = new_wait();
	struct gw_path_info info;
	int r;

	switch (pick(4)) {
	case 0:
		wait.is_request = false;
		r = engine_notify(world->engine, owner, flows[n], (uint32_t)pick(3),
				  (uint64_t)pick(5) * 1000000, wait.token, world->now_us);
		break;
	case 1:
		r = engine_query_path(world->engine, owner, flows[n], (uint32_t)pick(2), &wait,
				      &info, world->now_us);
		if (r == 0 && info.capacity_known && info.available_known)
			assert_true(info.capacity_bps >= info.available_bps);
		break;
	default:
		world->descriptors = pick(2);
		r = engine_set_rate(world->engine, owner, flows[n],
				    pick(6) ? (uint64_t)pick(5) * 1000000 : GW_RATE_MINIMUM, 1, 0,
				    &wait, world->now_us);
		world->descriptors = false;
	}
	assert_true(r <= 1);
	asked(&wait, owner, r);
}

static void step_track(void)
{
	struct owner *owner = owners[pick(OWNERS)];
	struct address address = any_host();
	struct engine_wait wait;

	if (pick(2)) {
		engine_untrack(world->engine, owner, &address, world->now_us);
		return;
	}
	wait = new_wait();
	asked(&wait, owner, engine_track(world->engine, owner, &address, &wait, world->now_us));
}

/* One of the paths that are open. */
static struct measured *any_measured(void)
{
	struct measured *found = NULL;
	int n = 0;

	for (size_t i = 0; i < measuring.n_paths; i++) {
		if (measuring.paths[i].open && pick(++n) == 0)
			found = &measuring.paths[i];
	}
	return found;
}

static void step_measured(void)
{
	static const int statuses[] = { 0, -EBUSY, -EAGAIN, -EOPNOTSUPP, -EINPROGRESS };
	struct measured *measured = any_measured();

	if (!measured)
		return;
	switch (pick(4)) {
	case 0:
		measured->fundamentals_status = pick(2) ? 0 : -ENODATA;
		measured->info =
			(struct gw_path_info){ .capacity_known = pick(4) != 0,
					       .available_known = pick(4) != 0,
					       .capacity_bps = (uint64_t)pick(5) * 1000000,
					       .available_bps = (uint64_t)pick(5) * 1000000 };
		measured->attainable_bps = (uint64_t)pick(8) * 1000000;
		measured->state = (enum measuring_state)pick(3);
		break;
	case 1:
		measured->admit_status = statuses[pick(5)];
		measured->refresh_status = pick(3) ? 0 : statuses[2 + pick(2)];
		break;
	case 2:
		engine_path_event(world->engine, measured->path, (enum measuring_event)pick(5),
				  world->now_us);
		break;
	case 3:
		if (measured->n_wishes > 0)
			engine_path_admitted(
				world->engine, measured->path,
				measured->wishes[(measured->n_wishes - 1) % FAKE_WISHES].wish.token,
				statuses[pick(4)], world->now_us);
		break;
	}
}

static void step_world(void)
{
	switch (pick(5)) {
	case 0:
		world->on_link = pick(3) != 0;
		break;
	case 1:
		world->ifindex = (uint32_t)(2 + pick(2));
		break;
	case 2:
		world->now_us += (uint64_t)pick(3000000);
		engine_tick(world->engine, world->now_us);
		break;
	case 3:
		measuring.open_error = pick(4) ? 0 : -ENOBUFS;
		break;
	case 4:
		if (pick(6) == 0) {
			measures = !measures;
			engine_set_measuring(world->engine, measures ? &measuring.table : NULL,
					     world->now_us);
		}
		break;
	}
}

static void step_end(int n)
{
	int owner = owner_of[n];

	switch (pick(6)) {
	case 0:
		engine_end_socket(world->engine, (uint64_t)(1 + pick(SOCKETS)), DIRECTION_BOTH,
				  END_CLOSED, world->now_us);
		break;
	case 1:
		for (n = 0; n < WAITING; n++) {
			if (awaited[n] == owners[owner])
				awaited[n] = NULL; /* nobody is there to be told */
		}
		world_remove_owner(world, owners[owner]);
		owners[owner] = world_owner(world, owner == 0 ? UID_ROOT : UID_USER);
		break;
	case 2:
		engine_cancel(world->engine, owners[owner], (uint64_t)(1 + pick(WAITING - 1)),
			      world->now_us);
		break;
	default:
		engine_remove(world->engine, owners[owner], flows[n], world->now_us);
	}
}

static void step(void)
{
	int n = pick(FLOWS);

	switch (pick(8)) {
	case 0:
	case 1:
		step_add();
		break;
	case 2:
	case 3:
		if (flows[n] != 0)
			step_ask(n, owners[owner_of[n]]);
		break;
	case 4:
		step_track();
		break;
	case 5:
	case 6:
		step_measured();
		break;
	case 7:
		if (pick(2))
			step_world();
		else if (pick(3) == 0)
			step_end(n);
		break;
	}
	for (n = 0; n < FLOWS; n++) {
		if (flows[n] != 0 && !flow_find(world->engine, flows[n]))
			flows[n] = 0;
	}
}

/* The host is told of each open path how many there are. */
static void check_users(void)
{
	const struct flow_path *path;
	size_t n_measured = 0;

	for (path = world->engine->paths; path; path = path->hh.next) {
		if (!path->measured)
			continue;
		n_measured++;
		assert_true(path->measured->open);
		assert_ptr_equal(path->measured->path, path);
		assert_int_equal(path->measured->flows, path->n_flows);
		assert_int_equal(path->measured->trackers, path->n_trackers);
		assert_int_equal(path->measured->target.on_link, path->on_link);
	}
	assert_int_equal(fake_measured_open(&measuring), n_measured);
	assert_true(measures || n_measured == 0);
}

static size_t n_waiting(void)
{
	const struct owner *owner;
	size_t n = 0;

	DL_FOREACH(world->engine->owners, owner)
		n += owner->n_ops;
	return n;
}

static void walk(uint64_t seed)
{
	size_t n = 0;

	print_message("seed %llu\n", (unsigned long long)seed);
	random_state = seed * 0x9e3779b97f4a7c15u + 1;
	world = measured_world_new(&measuring);
	measures = true;
	memset(flows, 0, sizeof(flows));
	memset(awaited, 0, sizeof(awaited));
	last_request = 0;
	for (int i = 0; i < OWNERS; i++)
		owners[i] = world_owner(world, i == 0 ? UID_ROOT : UID_USER);
	for (int i = 0; i < STEPS && measuring.n_paths < FAKE_PATHS - HOSTS; i++) {
		step();
		take_completions();
		world_check(world);
		check_users();
	}
	for (int i = 0; i < WAITING; i++)
		n += awaited[i] != NULL;
	assert_int_equal(n, n_waiting());
	measured_world_end(world, &measuring);
}

static void walks(void **state)
{
	const char *chosen = getenv("GW_SEED");

	(void)state;
	if (chosen) {
		walk(strtoull(chosen, NULL, 0));
		return;
	}
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		walk(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(walks) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
