/* SPDX-License-Identifier: MIT */
/*
 * test_engine_walk.c: thousands of random steps of several owners on shared sockets, beside a model
 * that knows nothing but a list of (flow, socket, destination) in the order in which they were added.
 * After each step the marks must be those of the model.
 *
 * Each run prints its seed first; GW_SEED=N runs that one alone, GW_STEPS=N bounds it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "world.h"

#define OWNERS 4
#define SOCKETS 5
#define DESTINATIONS 4 /* the first: every destination */
#define FLOWS 40
#define PAIRS 200
#define SEEDS 24
#define STEPS 3000

struct model_flow {
	uint32_t id; /* 0: free */
	int owner;
	uint32_t flags;
	enum gw_class traffic_class;
	int dscp; /* explicit, or -1 */
	bool rate;
	bool shape_only;
	bool cleared;
	int n_pairs;
};

struct pair {
	int flow, socket, destination;
};

static struct {
	struct world *world;
	struct owner *owners[OWNERS];
	uint64_t cookies[SOCKETS];
	uint64_t last_cookie;
	struct address destinations[DESTINATIONS];
	struct model_flow flows[FLOWS];
	struct pair pairs[PAIRS]; /* oldest first */
	int n_pairs;
	uint64_t random;
} m;

static const uint32_t uids[OWNERS] = { UID_ROOT, UID_USER, UID_USER, UID_OTHER };

static int pick(int n)
{
	m.random ^= m.random << 13;
	m.random ^= m.random >> 7;
	m.random ^= m.random << 17;
	return (int)(m.random % (uint64_t)n);
}

/* ---- the model ---- */

static bool claims(const struct model_flow *flow)
{
	return !(flow->flags & GW_FLOW_ADAPTIVE) || flow->rate;
}

static int mark_of(const struct model_flow *flow)
{
	static const int marks[GW_CLASS_COUNT] = { -1, 8, 40, 40, 56, 56 };

	if (flow->cleared || (flow->rate && flow->shape_only))
		return -1;
	return flow->dscp >= 0 ? flow->dscp : marks[flow->traffic_class];
}

static const struct model_flow *expected(int socket, int destination)
{
	for (int i = m.n_pairs; i-- > 0;) {
		const struct pair *pair = &m.pairs[i];

		if (pair->socket == socket && pair->destination == destination &&
		    claims(&m.flows[pair->flow]))
			return &m.flows[pair->flow];
	}
	return NULL;
}

static void drop_pair(int index)
{
	m.flows[m.pairs[index].flow].n_pairs--;
	for (int i = index; i + 1 < m.n_pairs; i++)
		m.pairs[i] = m.pairs[i + 1];
	m.n_pairs--;
}

/* Drops the pairs of a flow (-1: any) on a socket (-1: any). Returns how many. */
static int drop_pairs(int flow, int socket)
{
	int n = 0;

	for (int i = m.n_pairs; i-- > 0;) {
		if ((flow < 0 || m.pairs[i].flow == flow) &&
		    (socket < 0 || m.pairs[i].socket == socket)) {
			drop_pair(i);
			n++;
		}
	}
	return n;
}

static bool has_pair(int flow, int socket, int destination)
{
	for (int i = 0; i < m.n_pairs; i++) {
		const struct pair *pair = &m.pairs[i];

		if (pair->flow == flow && pair->socket == socket &&
		    pair->destination == destination)
			return true;
	}
	return false;
}

static void forget_flow(int flow)
{
	drop_pairs(flow, -1);
	m.flows[flow].id = 0;
}

static void forget_owner(int owner)
{
	for (int i = 0; i < FLOWS; i++) {
		if (m.flows[i].id && m.flows[i].owner == owner)
			forget_flow(i);
	}
}

static void check(void)
{
	size_t n = 0;

	for (int s = 0; s < SOCKETS; s++) {
		for (int d = 0; d < DESTINATIONS; d++) {
			const struct model_flow *flow = expected(s, d);
			const struct fake_mark *mark = fake_find(&m.world->datapath, m.cookies[s],
								 d ? &m.destinations[d] : NULL);

			assert_int_equal(mark != NULL, flow != NULL);
			if (!flow)
				continue;
			n++;
			assert_int_equal(mark->treatment.flow_id, flow->id);
			assert_int_equal(mark->treatment.mark.set_dscp ? mark->treatment.mark.dscp
								       : -1,
					 mark_of(flow));
		}
	}
	assert_int_equal(m.world->datapath.n_marks, n);
	world_check(m.world);
}

/* ---- steps ---- */

/* Now and then the datapath refuses, and the verb must change nothing. */
static bool inject_failure(void)
{
	if (pick(12) != 0)
		return false;
	fake_fail(&m.world->datapath, (unsigned)pick(3) + 1, 1, -EOPNOTSUPP);
	return true;
}

/* Did it strike? */
static bool end_failure(bool injected)
{
	bool struck = injected && m.world->datapath.fail_at == 0;

	fake_fail(&m.world->datapath, 0, 0, 0);
	return struck;
}

static int engine_add_pair(int owner, int socket, int destination,
			   const struct flow_request *request, uint32_t *id)
{
	struct engine_socket given = world_socket(m.cookies[socket]);

	return engine_add(m.world->engine, m.owners[owner], &given,
			  destination ? &m.destinations[destination] : NULL, request, id,
			  m.world->now_us);
}

static void append_pair(int flow, int socket, int destination)
{
	m.pairs[m.n_pairs++] = (struct pair){ flow, socket, destination };
	m.flows[flow].n_pairs++;
}

static void step_add(void)
{
	static const uint32_t all_flags[] = { 0,
					      0,
					      0,
					      GW_FLOW_ADAPTIVE,
					      GW_FLOW_KEEP_ON_DISCONNECT,
					      GW_FLOW_KEEP_WHEN_CLOSED,
					      GW_FLOW_KEEP_WHEN_CLOSED | GW_FLOW_ADAPTIVE };
	struct flow_request request = { (enum gw_class)pick(GW_CLASS_COUNT), all_flags[pick(7)],
					GW_DSCP_FROM_CLASS };
	int owner = pick(OWNERS), socket = pick(SOCKETS), destination = pick(DESTINATIONS);
	int flow = 0, r;
	uint32_t id = 0;
	bool injected;

	while (flow < FLOWS && m.flows[flow].id)
		flow++;
	if (flow == FLOWS || m.n_pairs == PAIRS)
		return;
	injected = inject_failure();
	r = engine_add_pair(owner, socket, destination, &request, &id);
	if (end_failure(injected)) {
		assert_int_equal(r, -EOPNOTSUPP);
		return;
	}
	assert_int_equal(r, 0);
	m.flows[flow] = (struct model_flow){ .id = id,
					     .owner = owner,
					     .flags = request.flags,
					     .traffic_class = request.traffic_class,
					     .dscp = -1 };
	append_pair(flow, socket, destination);
}

/* A flow that lives, or -1. */
static int pick_flow(void)
{
	int start = pick(FLOWS);

	for (int i = 0; i < FLOWS; i++) {
		int flow = (start + i) % FLOWS;

		if (m.flows[flow].id)
			return flow;
	}
	return -1;
}

/* Its owner, mostly. */
static int pick_owner(int flow)
{
	return pick(8) == 0 ? pick(OWNERS) : m.flows[flow].owner;
}

static void step_attach(int flow)
{
	struct flow_request request = { .dscp = GW_DSCP_FROM_CLASS };
	int owner = pick_owner(flow), socket = pick(SOCKETS), destination = pick(DESTINATIONS);
	uint32_t id = m.flows[flow].id;
	bool injected, struck;
	int r;

	if (m.n_pairs == PAIRS)
		return;
	injected = inject_failure();
	r = engine_add_pair(owner, socket, destination, &request, &id);
	struck = end_failure(injected);
	assert_int_equal(id, m.flows[flow].id);
	if (owner != m.flows[flow].owner) {
		assert_int_equal(r, -ENOENT);
	} else if (m.flows[flow].flags & GW_FLOW_ADAPTIVE) {
		assert_int_equal(r, -EINVAL);
	} else if (struck) {
		assert_int_equal(r, -EOPNOTSUPP);
	} else {
		assert_int_equal(r, 0);
		if (!has_pair(flow, socket, destination))
			append_pair(flow, socket, destination);
	}
}

static void step_detach(int flow)
{
	int owner = pick_owner(flow), socket = pick(SOCKETS);
	int r = engine_detach(m.world->engine, m.owners[owner], m.flows[flow].id, m.cookies[socket],
			      m.world->now_us);

	if (owner != m.flows[flow].owner || drop_pairs(flow, socket) == 0) {
		assert_int_equal(r, -ENOENT);
		return;
	}
	assert_int_equal(r, 0);
	if (m.flows[flow].n_pairs == 0)
		forget_flow(flow);
}

static void step_remove(int flow)
{
	int owner = pick_owner(flow);
	int r = engine_remove(m.world->engine, m.owners[owner], m.flows[flow].id, m.world->now_us);

	assert_int_equal(r, owner == m.flows[flow].owner ? 0 : -ENOENT);
	if (r == 0)
		forget_flow(flow);
}

static void step_set_class(int flow)
{
	enum gw_class traffic_class = (enum gw_class)pick(GW_CLASS_COUNT);
	struct model_flow *model = &m.flows[flow];
	int owner = pick_owner(flow), r;
	bool injected = inject_failure(), struck;

	r = engine_set_class(m.world->engine, m.owners[owner], model->id, traffic_class,
			     m.world->now_us);
	struck = end_failure(injected);
	if (owner != model->owner) {
		assert_int_equal(r, -ENOENT);
	} else if (struck) {
		assert_int_equal(r, -EOPNOTSUPP);
	} else {
		assert_int_equal(r, 0);
		model->traffic_class = traffic_class;
		model->dscp = -1;
		model->cleared = false;
	}
}

static void step_set_dscp(int flow)
{
	struct model_flow *model = &m.flows[flow];
	int owner = pick_owner(flow), value = pick(64), r;
	bool injected = inject_failure(), struck;

	r = engine_set_dscp(m.world->engine, m.owners[owner], model->id, (uint32_t)value,
			    m.world->now_us);
	struck = end_failure(injected);
	if (owner != model->owner) {
		assert_int_equal(r, -ENOENT);
	} else if (uids[owner] != UID_ROOT) {
		assert_int_equal(r, -EACCES);
	} else if (struck || (model->flags & GW_FLOW_ADAPTIVE)) {
		assert_int_equal(r, -EOPNOTSUPP);
	} else {
		assert_int_equal(r, 0);
		model->dscp = value;
		model->cleared = false;
	}
}

static void step_set_rate(int flow)
{
	struct model_flow *model = &m.flows[flow];
	int owner = pick_owner(flow), r;
	bool shape_only = pick(3) == 0, injected = inject_failure(), struck;
	uint64_t rates[] = { GW_RATE_NONE, GW_RATE_MINIMUM, (uint64_t)pick(1000000000) + 1 };
	uint64_t rate_bps = rates[pick(3)];

	r = engine_set_rate(m.world->engine, m.owners[owner], model->id, rate_bps,
			    shape_only ? GW_SHAPE_ONLY : GW_SHAPE_AND_MARK, 0, NULL,
			    m.world->now_us);
	struck = end_failure(injected);
	if (owner != model->owner) {
		assert_int_equal(r, -ENOENT);
	} else if (struck) {
		assert_int_equal(r, -EOPNOTSUPP);
	} else {
		assert_int_equal(r, 0);
		model->rate = rate_bps != GW_RATE_NONE;
		model->shape_only = shape_only;
		model->cleared = !model->rate;
	}
}

/* Takes the place of a rate; giving back what is not there changes nothing. */
static void step_reserve(int flow)
{
	struct model_flow *model = &m.flows[flow];
	int owner = pick_owner(flow), r;
	struct bucket_spec bucket = { .rate_bps = (uint64_t)pick(4) * 1000000 };
	bool injected = inject_failure(), struck;

	r = engine_reserve(m.world->engine, m.owners[owner], model->id, &bucket,
			   (enum gw_excess)pick(3), NULL, m.world->now_us);
	struck = end_failure(injected);
	if (owner != model->owner) {
		assert_int_equal(r, -ENOENT);
	} else if (struck || ((model->flags & GW_FLOW_ADAPTIVE) && bucket.rate_bps != 0)) {
		assert_int_equal(r, -EOPNOTSUPP);
	} else {
		assert_int_equal(r, 0);
		if (bucket.rate_bps != 0)
			model->rate = model->cleared = false;
	}
}

/* Closed, shut down or disconnected. A closed one's place is taken by a new socket. */
static void step_socket(void)
{
	static const enum end_reason reasons[] = { END_CLOSED, END_SHUTDOWN, END_DISCONNECTED };
	enum end_reason reason = reasons[pick(3)];
	int socket = pick(SOCKETS);

	if (reason == END_CLOSED && m.world->datapath.n_closed < FAKE_CLOSED)
		fake_close_socket(&m.world->datapath, m.cookies[socket]);
	engine_end_socket(m.world->engine, m.cookies[socket], DIRECTION_BOTH, reason,
			  m.world->now_us);
	for (int flow = 0; flow < FLOWS; flow++) {
		struct model_flow *model = &m.flows[flow];

		if (!model->id)
			continue;
		if (reason == END_DISCONNECTED && (model->flags & GW_FLOW_KEEP_ON_DISCONNECT))
			continue;
		if (drop_pairs(flow, socket) > 0 && model->n_pairs == 0 &&
		    !(model->flags & GW_FLOW_KEEP_WHEN_CLOSED))
			forget_flow(flow);
	}
	if (reason == END_CLOSED)
		m.cookies[socket] = ++m.last_cookie;
}

static void step_owner(void)
{
	int owner = pick(OWNERS);

	if (pick(2) == 0) {
		engine_end(m.world->engine, &(struct end_scope){ .owner = m.owners[owner] },
			   END_HANDLE_CLOSED, m.world->now_us);
	} else {
		engine_owner_remove(m.world->engine, m.owners[owner], m.world->now_us);
		m.owners[owner] = world_owner(m.world, uids[owner]);
	}
	forget_owner(owner);
}

static void step(void)
{
	int what = pick(100), flow = pick_flow();

	if (what < 2)
		step_owner();
	else if (what < 8)
		step_socket();
	else if (what < 35 || flow < 0)
		step_add();
	else if (what < 55)
		step_attach(flow);
	else if (what < 62)
		step_detach(flow);
	else if (what < 70)
		step_remove(flow);
	else if (what < 80)
		step_set_class(flow);
	else if (what < 86)
		step_set_dscp(flow);
	else if (what < 94)
		step_set_rate(flow);
	else
		step_reserve(flow);
}

/* ---- walks ---- */

static void begin(uint64_t seed)
{
	m.n_pairs = 0;
	for (int i = 0; i < FLOWS; i++)
		m.flows[i].id = 0;
	m.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	m.world = world_new(NULL);
	m.world->ifindex = 0;
	for (int i = 0; i < OWNERS; i++)
		m.owners[i] = world_owner(m.world, uids[i]);
	for (int i = 0; i < SOCKETS; i++)
		m.cookies[i] = m.last_cookie = (uint64_t)i + 1;
	m.destinations[1] = world_address("198.51.100.1", 5060);
	m.destinations[2] = world_address("198.51.100.2", 5061);
	m.destinations[3] = world_address("2001:db8::1", 5060);
}

static void walk(uint64_t seed, int steps)
{
	print_message("GW_SEED=%llu\n", (unsigned long long)seed);
	begin(seed);
	for (int i = 0; i < steps; i++) {
		step();
		check();
	}
	for (int i = 0; i < OWNERS; i++)
		engine_owner_remove(m.world->engine, m.owners[i], m.world->now_us);
	world_check_empty(m.world);
	world_free(m.world);
}

static void walks(void **state)
{
	const char *seed = getenv("GW_SEED"), *steps = getenv("GW_STEPS");
	int n = steps ? atoi(steps) : STEPS;

	(void)state;
	if (seed) {
		walk(strtoull(seed, NULL, 10), n);
		return;
	}
	for (uint64_t i = 1; i <= SEEDS; i++)
		walk(i, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
