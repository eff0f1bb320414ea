/* SPDX-License-Identifier: MIT */
/*
 * test_engine_end.c: the one way out, from every reason, in every state of a flow. A flow of owner
 * `mine` on socket S and destination D is brought into a state, ended for a reason, and ended again;
 * flows of `other` stand beside, under and over it.
 *
 * Proves of the engine: ..Q-067, Q-070, Q-073..Q-075, Q-163, Q-164, Q-171, Q-197, Q-212,
 *
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "engine/internal.h"
#include "world.h"

#define S 1 /* the socket */
#define S2 2
#define S_OTHER 9

enum state {
	STATE_ACTIVE,
	STATE_KEEP_ON_DISCONNECT, /* active; a disconnect does not concern it */
	STATE_KEEP_WHEN_CLOSED,	  /* active; outlives its sockets */
	STATE_MANY,		  /* active, two sockets, three destinations */
	STATE_UNMARKED,		  /* adaptive, no rate yet */
	STATE_UNMARKED_PENDING,	  /* with a request pending on it */
	STATE_MARKED_PENDING,	  /* adaptive with a rate and three requests pending */
	STATE_SHADOWED,		  /* a later flow of another owner is in force */
	STATE_SHADOWING,	  /* an earlier flow of another owner lies beneath */
	STATE_SHADOWING_OWN,	  /* an earlier flow of the same owner lies beneath */
	STATE_CLOSED,		  /* outlived its socket */
	STATE_CLOSED_PENDING,
	STATE_GROUP, /* a program's */
	STATE_COUNT
};

static const char *const state_names[] = {
	"active",	    "keep-on-disconnect", "keep-when-closed", "many",	   "unmarked",
	"unmarked-pending", "marked-pending",	  "shadowed",	      "shadowing", "shadowing-own",
	"closed",	    "closed-pending",	  "program",
};

enum outcome {
	ENDS,
	CLOSES, /* stays without sockets */
	STAYS	/* nothing happens to it */
};

struct scene {
	struct world *world;
	struct owner *mine;
	struct owner *other;
	struct owner *watcher;
	struct address d, d2, d3;
	uint32_t id;	    /* the flow that ends */
	uint32_t beneath;   /* the earlier one, or 0 */
	uint32_t above;	    /* the later one, or 0 */
	uint32_t beside;    /* of `other`, on S, to d2 */
	uint32_t elsewhere; /* of `other`, on S_OTHER, to d */
	uint64_t group;
	uint64_t n_ops;
};

static enum outcome expected(enum state state, enum end_reason reason)
{
	bool closed = state == STATE_CLOSED || state == STATE_CLOSED_PENDING;

	switch (reason) {
	case END_REMOVED:
	case END_HANDLE_CLOSED:
	case END_OWNER_DIED:
		return state == STATE_GROUP ? STAYS : ENDS;
	case END_CLOSED:
	case END_SHUTDOWN:
	case END_DISCONNECTED:
		if (state == STATE_GROUP || closed)
			return STAYS;
		if (reason == END_DISCONNECTED && state == STATE_KEEP_ON_DISCONNECT)
			return STAYS;
		return state == STATE_KEEP_WHEN_CLOSED ? CLOSES : ENDS;
	case END_GROUP_EMPTY:
		return state == STATE_GROUP ? ENDS : STAYS;
	case END_REVOKED:
	case END_STOPPED:
		return ENDS;
	}
	fail();
	return STAYS;
}

static bool is_of_socket(enum end_reason reason)
{
	return reason == END_CLOSED || reason == END_SHUTDOWN || reason == END_DISCONNECTED;
}

/* ---- into the state ---- */

static void pend(struct scene *scene, enum gw_condition condition)
{
	struct world *world = scene->world;

	assert_int_equal(engine_notify(world->engine, scene->mine, scene->id, condition, 1,
				       100 + scene->n_ops, world->now_us),
			 1);
	scene->n_ops++;
}

static void set_minimum_rate(struct scene *scene)
{
	struct world *world = scene->world;

	assert_int_equal(engine_set_rate(world->engine, scene->mine, scene->id, GW_RATE_MINIMUM,
					 GW_SHAPE_AND_MARK, 0, NULL, world->now_us),
			 0);
}

static void add_mine(struct scene *scene, uint32_t flags)
{
	scene->id = world_add(scene->world, scene->mine, S, &scene->d, GW_CLASS_VOICE, flags);
}

static void close_socket(struct scene *scene, uint64_t cookie)
{
	fake_close_socket(&scene->world->datapath, cookie);
	engine_end_socket(scene->world->engine, cookie, DIRECTION_BOTH, END_CLOSED,
			  scene->world->now_us);
}

static void start_program(struct scene *scene)
{
	struct flow_request request = { GW_CLASS_VOICE, 0, GW_DSCP_FROM_CLASS };

	assert_int_equal(engine_run(scene->world->engine, scene->mine, &request, 0, &scene->id,
				    scene->world->now_us),
			 0);
	scene->group = scene->world->last_group;
}

static void enter(struct scene *scene, enum state state)
{
	struct world *world = scene->world;

	switch (state) {
	case STATE_ACTIVE:
		add_mine(scene, 0);
		break;
	case STATE_KEEP_ON_DISCONNECT:
		add_mine(scene, GW_FLOW_KEEP_ON_DISCONNECT);
		break;
	case STATE_KEEP_WHEN_CLOSED:
		add_mine(scene, GW_FLOW_KEEP_WHEN_CLOSED);
		break;
	case STATE_MANY:
		add_mine(scene, 0);
		world_attach(world, scene->mine, scene->id, S, &scene->d3);
		world_attach(world, scene->mine, scene->id, S2, &scene->d);
		break;
	case STATE_UNMARKED:
		add_mine(scene, GW_FLOW_ADAPTIVE);
		break;
	case STATE_UNMARKED_PENDING:
		add_mine(scene, GW_FLOW_ADAPTIVE);
		pend(scene, GW_CONDITION_CONGESTED);
		break;
	case STATE_MARKED_PENDING:
		add_mine(scene, GW_FLOW_ADAPTIVE);
		pend(scene, GW_CONDITION_CONGESTED);
		pend(scene, GW_CONDITION_UNCONGESTED);
		pend(scene, GW_CONDITION_AVAILABLE);
		set_minimum_rate(scene);
		break;
	case STATE_SHADOWED:
		add_mine(scene, 0);
		scene->above = world_add(world, scene->other, S, &scene->d, GW_CLASS_BACKGROUND, 0);
		break;
	case STATE_SHADOWING:
		scene->beneath =
			world_add(world, scene->other, S, &scene->d, GW_CLASS_BACKGROUND, 0);
		add_mine(scene, 0);
		break;
	case STATE_SHADOWING_OWN:
		scene->beneath =
			world_add(world, scene->mine, S, &scene->d, GW_CLASS_BACKGROUND, 0);
		add_mine(scene, 0);
		break;
	case STATE_CLOSED:
		add_mine(scene, GW_FLOW_KEEP_WHEN_CLOSED);
		close_socket(scene, S);
		break;
	case STATE_CLOSED_PENDING:
		add_mine(scene, GW_FLOW_KEEP_WHEN_CLOSED | GW_FLOW_ADAPTIVE);
		pend(scene, GW_CONDITION_CONGESTED);
		close_socket(scene, S);
		break;
	case STATE_GROUP:
		start_program(scene);
		break;
	case STATE_COUNT:
		fail();
	}
}

static void scene_new(struct scene *scene, enum state state)
{
	struct world *world = world_new(NULL);

	*scene = (struct scene){
		.world = world,
		.mine = world_owner(world, UID_USER),
		.other = world_owner(world, UID_OTHER),
		.watcher = world_owner(world, UID_ROOT),
		.d = world_address("198.51.100.1", 5060),
		.d2 = world_address("198.51.100.2", 5060),
		.d3 = world_address("198.51.100.1", 5061),
	};
	world->on_link = true;
	owner_watch(world->engine, scene->watcher);
	scene->elsewhere =
		world_add(world, scene->other, S_OTHER, &scene->d, GW_CLASS_AUDIO_VIDEO, 0);
	if (state != STATE_CLOSED && state != STATE_CLOSED_PENDING)
		scene->beside =
			world_add(world, scene->other, S, &scene->d2, GW_CLASS_EXCELLENT_EFFORT, 0);
	enter(scene, state);
	world_check(world);
	world_forget(world);
}

/* ---- for the reason ---- */

static unsigned end_sockets(struct scene *scene, unsigned directions, enum end_reason reason)
{
	struct engine *engine = scene->world->engine;
	unsigned ended;

	if (reason == END_CLOSED) {
		fake_close_socket(&scene->world->datapath, S);
		fake_close_socket(&scene->world->datapath, S2);
	}
	ended = engine_end_socket(engine, S, directions, reason, scene->world->now_us);
	return ended + engine_end_socket(engine, S2, directions, reason, scene->world->now_us);
}

/* How many entries and flows ended; what a verb answers instead is checked here. */
static unsigned end_by(struct scene *scene, enum state state, enum end_reason reason, bool again)
{
	struct world *world = scene->world;
	struct engine *engine = world->engine;
	bool answers = expected(state, reason) != STAYS && !again;

	switch (reason) {
	case END_REMOVED:
		assert_int_equal(engine_remove(engine, scene->mine, scene->id, world->now_us),
				 answers ? 0 : -ENOENT);
		return answers;
	case END_HANDLE_CLOSED:
		return engine_end(engine, &(struct end_scope){ .owner = scene->mine }, reason,
				  world->now_us);
	case END_OWNER_DIED:
		if (again)
			return 0;
		engine_owner_remove(engine, scene->mine, world->now_us);
		return 1;
	case END_CLOSED:
	case END_DISCONNECTED:
		return end_sockets(scene, DIRECTION_BOTH, reason);
	case END_SHUTDOWN:
		return end_sockets(scene, DIRECTION_SEND, reason);
	case END_GROUP_EMPTY:
		return engine_end_group(engine, scene->group ? scene->group : 77, reason,
					world->now_us);
	case END_REVOKED:
		return again ? 0
			     : engine_end(
				       engine,
				       &(struct end_scope){ .flow = flow_find(engine, scene->id) },
				       reason, world->now_us);
	case END_STOPPED:
		if (!again)
			world->engine = engine_free(engine);
		return 1;
	}
	return 0;
}

/* ---- what must be true then ---- */

/* Those who stood around: gone only if what happened, happened to the socket. */
static void check_others(const struct scene *scene, enum end_reason reason)
{
	const struct fake_datapath *datapath = &scene->world->datapath;
	bool with_socket = is_of_socket(reason);
	bool own_beneath = scene->beneath &&
			   (reason == END_HANDLE_CLOSED || reason == END_OWNER_DIED) &&
			   !flow_find(scene->world->engine, scene->beneath);

	assert_int_equal(fake_dscp(datapath, S_OTHER, &scene->d), 40);
	if (scene->beside)
		assert_int_equal(fake_dscp(datapath, S, &scene->d2), with_socket ? -1 : 40);
	/* the earlier one comes back; the later one never noticed. */
	if (scene->beneath && !own_beneath)
		assert_int_equal(fake_dscp(datapath, S, &scene->d), with_socket ? -1 : 8);
	if (scene->above)
		assert_int_equal(fake_dscp(datapath, S, &scene->d), with_socket ? -1 : 8);
	if (!scene->above && (!scene->beneath || own_beneath))
		assert_null(fake_find(datapath, S, &scene->d));
	assert_null(fake_find(datapath, S, &scene->d3));
	assert_null(fake_find(datapath, S2, &scene->d));
	if (scene->group) {
		assert_null(fake_find_group(datapath, scene->group));
		assert_int_equal(scene->world->n_ended_groups, 1);
	}
}

static bool was_asked_for(enum end_reason reason)
{
	return reason == END_REMOVED || reason == END_HANDLE_CLOSED || reason == END_OWNER_DIED;
}

static void check_told(const struct scene *scene, enum state state, enum end_reason reason)
{
	const struct world *world = scene->world;
	bool had_closed = state == STATE_CLOSED || state == STATE_CLOSED_PENDING;
	size_t once = had_closed ? 0 : 1; /* its end was told when its socket closed */
	bool to_owner = !was_asked_for(reason) && state != STATE_GROUP;

	assert_int_equal(world_events_of(world, scene->watcher, GW_EVENT_FLOW_ENDED, scene->id),
			 once);
	assert_int_equal(world_events_of(world, scene->mine, GW_EVENT_FLOW_ENDED, scene->id),
			 to_owner ? once : 0);
	for (size_t i = 0; i < world->n_events; i++) {
		if (world->events[i].event.type == GW_EVENT_FLOW_ENDED)
			assert_string_equal(world->events[i].event.reason, end_reason_name(reason));
	}
}

static void check_completed(const struct scene *scene, enum outcome outcome, enum end_reason reason)
{
	uint64_t expected_n = outcome == ENDS && reason != END_OWNER_DIED ? scene->n_ops : 0;

	assert_int_equal(scene->world->n_completions, expected_n);
	for (uint64_t i = 0; i < expected_n; i++)
		assert_int_equal(world_completions_of(scene->world, 100 + i, -ECANCELED), 1);
}

static unsigned entries_of(const struct scene *scene, enum state state)
{
	if (state == STATE_CLOSED || state == STATE_CLOSED_PENDING)
		return 0;
	return state == STATE_MANY ? 3 : 1;
}

/* Ended with it: those of the same owner, or on the same socket. */
static unsigned companions(const struct scene *scene, enum state state, enum end_reason reason)
{
	unsigned n = 0;

	if (is_of_socket(reason))
		n += (scene->beside != 0) + (scene->beneath != 0) + (scene->above != 0);
	if (state == STATE_SHADOWING_OWN &&
	    (reason == END_HANDLE_CLOSED || reason == END_OWNER_DIED))
		n++;
	return n;
}

static void check_ended(struct scene *scene, enum state state, enum end_reason reason,
			const struct engine_counters *before)
{
	const struct engine_counters *after = engine_counters(scene->world->engine);
	unsigned others = companions(scene, state, reason);
	enum outcome outcome = expected(state, reason);
	uint64_t flows = outcome == ENDS ? 1 : 0;

	assert_true((flow_find(scene->world->engine, scene->id) != NULL) == (outcome == CLOSES));
	assert_int_equal(after->ended_by[reason] - before->ended_by[reason],
			 entries_of(scene, state) + others);
	assert_int_equal(after->flows_ended - before->flows_ended, flows + others);
	assert_int_equal(after->ops_canceled - before->ops_canceled, flows ? scene->n_ops : 0);
	check_others(scene, reason);
	check_told(scene, state, reason);
	check_completed(scene, outcome, reason);
}

/* Everything is as it was; only bystanders on the socket may have gone. */
static void check_stays(struct scene *scene, enum state state)
{
	const struct world *world = scene->world;

	assert_non_null(flow_find(world->engine, scene->id));
	assert_int_equal(world->n_completions, 0);
	assert_int_equal(world_events_of(world, scene->watcher, GW_EVENT_FLOW_ENDED, scene->id), 0);
	if (state == STATE_GROUP)
		assert_int_equal(
			fake_find_group(&world->datapath, scene->group)->treatment.mark.dscp, 56);
	if (state == STATE_KEEP_ON_DISCONNECT)
		assert_int_equal(fake_dscp(&world->datapath, S, &scene->d), 56);
}

static void leave(struct scene *scene, enum end_reason reason)
{
	struct world *world = scene->world;

	if (reason != END_OWNER_DIED)
		engine_owner_remove(world->engine, scene->mine, world->now_us);
	engine_owner_remove(world->engine, scene->other, world->now_us);
	if (scene->group)
		engine_end_group(world->engine, scene->group, END_GROUP_EMPTY, world->now_us);
	world_check_empty(world);
	world_free(world);
}

static void stop(struct scene *scene, enum state state)
{
	struct world *world = scene->world;

	end_by(scene, state, END_STOPPED, false);
	assert_int_equal(world->datapath.n_marks, 0);
	assert_int_equal(world->n_ended_groups, state == STATE_GROUP);
	check_told(scene, state, END_STOPPED);
	check_completed(scene, ENDS, END_STOPPED);
	world_free(world);
}

static void try_one(enum state state, enum end_reason reason)
{
	enum outcome outcome = expected(state, reason);
	struct engine_counters before;
	struct scene scene;
	size_t told;

	print_message("%s, %s\n", state_names[state], end_reason_name(reason));
	scene_new(&scene, state);
	if (reason == END_STOPPED) {
		stop(&scene, state);
		return;
	}
	before = *engine_counters(scene.world->engine);
	if (outcome == STAYS)
		end_by(&scene, state, reason, false);
	else
		assert_true(end_by(&scene, state, reason, false) > 0);
	world_check(scene.world);
	if (outcome == STAYS)
		check_stays(&scene, state);
	else
		check_ended(&scene, state, reason, &before);

	/* Once more: nothing is left to end, and nobody is told again. */
	before = *engine_counters(scene.world->engine);
	told = scene.world->n_events + scene.world->n_completions;
	if (outcome == CLOSES && reason == END_REMOVED)
		fail();
	assert_int_equal(end_by(&scene, state, reason, true), 0);
	assert_memory_equal(engine_counters(scene.world->engine), &before, sizeof(before));
	assert_int_equal(scene.world->n_events + scene.world->n_completions, told);
	world_check(scene.world);
	leave(&scene, reason);
}

static void every_reason_in_every_state(void **state)
{
	(void)state;
	assert_int_equal(sizeof(state_names) / sizeof(state_names[0]), STATE_COUNT);
	for (int s = 0; s < STATE_COUNT; s++) {
		for (int reason = 0; reason < END_REASON_COUNT; reason++)
			try_one((enum state)s, (enum end_reason)reason);
	}
}

/* Only sending is served: shutting down the other direction ends nothing. */
static void receiving_does_not_concern_it(void **state)
{
	struct scene scene;

	(void)state;
	scene_new(&scene, STATE_ACTIVE);
	assert_int_equal(engine_end_socket(scene.world->engine, S, DIRECTION_RECEIVE, END_SHUTDOWN,
					   scene.world->now_us),
			 0);
	assert_int_equal(fake_dscp(&scene.world->datapath, S, &scene.d), 56);
	leave(&scene, END_REMOVED);
}

/* one of two sockets goes, then all at once. */
static void sockets_leave_one_by_one(void **state)
{
	struct scene scene;
	struct world *world;

	(void)state;
	scene_new(&scene, STATE_MANY);
	world = scene.world;
	assert_int_equal(engine_detach(world->engine, scene.mine, scene.id, S, world->now_us), 0);
	assert_null(fake_find(&world->datapath, S, &scene.d));
	assert_null(fake_find(&world->datapath, S, &scene.d3));
	assert_int_equal(fake_dscp(&world->datapath, S2, &scene.d), 56);
	assert_int_equal(world_events_of(world, scene.watcher, GW_EVENT_FLOW_ENDED, scene.id), 0);
	/* */
	assert_int_equal(engine_detach(world->engine, scene.mine, scene.id, S, world->now_us),
			 -ENOENT);
	assert_int_equal(engine_detach(world->engine, scene.mine, scene.id, S_OTHER, world->now_us),
			 -ENOENT);
	assert_int_equal(engine_detach(world->engine, scene.mine, scene.id, 12345, world->now_us),
			 -ENOENT);
	assert_int_equal(engine_detach(world->engine, scene.mine, scene.id, S2, world->now_us), 0);
	/* */
	assert_int_equal(engine_detach(world->engine, scene.mine, scene.id, S2, world->now_us),
			 -ENOENT);
	assert_null(flow_find(world->engine, scene.id));
	assert_int_equal(world_events_of(world, scene.watcher, GW_EVENT_FLOW_ENDED, scene.id), 1);
	leave(&scene, END_REMOVED);
}

/* A kept flow whose socket has closed can be given another, and is then as before. */
static void closed_flow_lives_again(void **state)
{
	struct scene scene;
	struct world *world;

	(void)state;
	scene_new(&scene, STATE_CLOSED);
	world = scene.world;
	assert_int_equal(engine_flows_in_force(world->engine), 1); /* `elsewhere` */
	world_attach(world, scene.mine, scene.id, S2, &scene.d);
	assert_int_equal(engine_flows_in_force(world->engine), 2);
	assert_int_equal(fake_dscp(&world->datapath, S2, &scene.d), 56);
	world_check(world);
	/* closed again, then removed by its identifier. */
	close_socket(&scene, S2);
	assert_int_equal(engine_remove(world->engine, scene.mine, scene.id, world->now_us), 0);
	leave(&scene, END_REMOVED);
}

/* on one socket, a thousand times. */
static void open_add_close_repeated(void **state)
{
	struct world *world = world_new(NULL);
	struct address d = world_address("2001:db8::1", 9);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct owner *owner = world_owner(world, UID_USER);

		world_add(world, owner, S, &d, GW_CLASS_CONTROL, 0);
		assert_int_equal(fake_dscp(&world->datapath, S, &d), 56);
		if (i % 2 == 0) {
			engine_end(world->engine, &(struct end_scope){ .owner = owner },
				   END_HANDLE_CLOSED, world->now_us);
			assert_null(fake_find(&world->datapath, S, &d));
		}
		engine_owner_remove(world->engine, owner, world->now_us);
		assert_null(fake_find(&world->datapath, S, &d));
	}
	world_check_empty(world);
	world_free(world);
}

/* What comes back after an end has gone too: nothing stands there, and nothing stale either. */
static void restore_of_a_closed_socket(void **state)
{
	struct scene scene;
	struct world *world;

	(void)state;
	scene_new(&scene, STATE_SHADOWING);
	world = scene.world;
	fake_close_socket(&world->datapath, S); /* and the news has not reached us */
	assert_int_equal(engine_remove(world->engine, scene.mine, scene.id, world->now_us), 0);
	assert_null(fake_find(&world->datapath, S, &scene.d));
	assert_int_not_equal(
		engine_end_socket(world->engine, S, DIRECTION_BOTH, END_CLOSED, world->now_us), 0);
	world_check(world);
	leave(&scene, END_REMOVED);
}

/* Who sends once told of the end sends without a mark, in whatever order processes run. */
static void told_when_nothing_stands_any_more(void **state)
{
	static const enum end_reason reasons[] = { END_REMOVED, END_DISCONNECTED };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct scene scene;
		struct world *world;
		size_t marks, told = 0;

		scene_new(&scene, STATE_ACTIVE);
		world = scene.world;
		marks = world->datapath.n_marks;
		end_by(&scene, STATE_ACTIVE, reasons[i], false);
		for (size_t k = 0; k < world->n_events; k++) {
			const struct world_event *event = &world->events[k];

			if (event->event.type != GW_EVENT_FLOW_ENDED ||
			    event->event.record.id != scene.id)
				continue;
			told++;
			assert_true(event->n_marks < marks);
			/* And is told what it was. */
			assert_int_equal(event->event.record.state, GW_FLOW_ACTIVE);
		}
		assert_true(told > 0);
		leave(&scene, END_REMOVED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told_when_nothing_stands_any_more),
		cmocka_unit_test(every_reason_in_every_state),
		cmocka_unit_test(receiving_does_not_concern_it),
		cmocka_unit_test(sockets_leave_one_by_one),
		cmocka_unit_test(closed_flow_lives_again),
		cmocka_unit_test(open_add_close_repeated),
		cmocka_unit_test(restore_of_a_closed_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
