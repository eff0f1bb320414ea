/* SPDX-License-Identifier: MIT */
/*
 * engine.c: an engine's life, its configuration and its clock.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/internal.h"

#define DEFAULT_DISCOVERY_US \
	UINT64_C(10000000) /* spec/qwave.md §5.6: 232 turns into 50 after 10 s */

void engine_config_default(struct engine_config *ret_config)
{
	*ret_config = (struct engine_config){
		.profile = mark_profile_windows,
		.max_flows = 131072,
		.max_flows_per_user = 10000,
		.max_programs_per_user = 256,
		.max_watchers_per_user = 16,
		.max_sockets_per_flow = 1024,
		.max_flows_per_socket = 256,
		.max_ops_per_owner = 4096,
		.max_tracked_per_user = 256,
		.max_reserved_per_user = 100,
		.first_flow_id = 1,
		.discovery_us = DEFAULT_DISCOVERY_US,
	};
}

struct engine *engine_new(const struct engine_ports *ports, const struct engine_config *config)
{
	struct engine *engine = calloc(1, sizeof(*engine));

	if (!engine)
		return NULL;
	engine->ports = *ports;
	engine->config = *config;
	engine->next_id = config->first_flow_id;
	engine->admission = admission_new();
	if (!engine->admission) {
		free(engine);
		return NULL;
	}
	return engine;
}

void engine_stop(struct engine *engine)
{
	struct owner *owner, *next;

	DL_FOREACH_SAFE(engine->owners, owner, next)
		engine_end(engine, &(struct end_scope){ .owner = owner }, END_STOPPED, 0);
}

struct engine *engine_free(struct engine *engine)
{
	struct owner *owner, *next;

	if (!engine)
		return NULL;
	/* First everything ends, then the owners go: those who watch hear of each end. */
	engine_stop(engine);
	DL_FOREACH_SAFE(engine->owners, owner, next)
		owner_free(owner);
	admission_free(engine->admission);
	free(engine);
	return NULL;
}

void engine_reconfigure(struct engine *engine, const struct engine_config *config)
{
	engine->config.profile = config->profile;
	engine->config.marks_ignored = config->marks_ignored;
	engine->config.max_flows = config->max_flows;
	engine->config.max_flows_per_user = config->max_flows_per_user;
	engine->config.max_ops_per_owner = config->max_ops_per_owner;
	engine->config.max_tracked_per_user = config->max_tracked_per_user;
	engine->config.max_reserved_per_user = config->max_reserved_per_user;
	engine_reapply(engine);
}

void engine_reapply(struct engine *engine)
{
	struct flow *flow;

	/* Where that fails the earlier mark stands; the next change of the flow tries again. */
	DL_FOREACH(engine->flows, flow)
		flow_reapply(engine, flow);
}

const struct engine_counters *engine_counters(const struct engine *engine)
{
	return &engine->counters;
}

uint64_t engine_flows_in_force(const struct engine *engine)
{
	return engine->in_force;
}

uint64_t engine_next_deadline_us(const struct engine *engine)
{
	uint64_t deadline_us = ops_deadline_us(engine);

	if (engine->leaving || engine->closing)
		return 0;
	if (engine->unknown_paths && engine->unknown_paths->deadline_us < deadline_us)
		return engine->unknown_paths->deadline_us;
	return deadline_us;
}

void engine_tick(struct engine *engine, uint64_t now_us)
{
	unsigned ended;

	engine_note_time(engine, now_us);
	ended = end_closing(engine, ENDS_PER_TURN);
	if (ended < ENDS_PER_TURN)
		owners_leave(engine, ENDS_PER_TURN - ended);
	paths_give_up(engine);
	ops_tick(engine);
}

static bool is_in_datapath(const struct sock *sock)
{
	const struct slot *slot;

	DL_FOREACH(sock->slots, slot) {
		if (slot->in_force)
			return true;
	}
	return false;
}

void engine_each_socket(struct engine *engine,
			int (*visit)(uint64_t cookie, int family, int protocol,
				     const struct address *local, const struct address *peer,
				     void *user_data),
			void *user_data)
{
	struct sock *sock, *next;

	HASH_ITER(hh, engine->socks, sock, next) {
		if (is_in_datapath(sock) && visit(sock->cookie, sock->family, sock->protocol,
						  &sock->local, &sock->peer, user_data) != 0)
			return;
	}
}

static struct engine_managed describe_sock(const struct sock *sock)
{
	return (struct engine_managed){
		.cookie = sock->cookie,
		.added = sock->added,
		.family = sock->family,
		.protocol = sock->protocol,
		.local = sock->local,
		.peer = sock->peer,
	};
}

bool engine_next_socket(struct engine *engine, struct engine_managed *ret_socket)
{
	const struct sock *sock = engine->next_sock ? engine->next_sock : engine->socks;

	if (!sock)
		return false;
	*ret_socket = describe_sock(sock);
	ret_socket->first = !engine->next_sock;
	engine->next_sock = sock->hh.next;
	return true;
}

bool engine_find_socket(struct engine *engine, uint64_t cookie, struct engine_managed *ret_socket)
{
	const struct sock *sock = sock_find(engine, cookie);

	if (!sock)
		return false;
	*ret_socket = describe_sock(sock);
	return true;
}

uint32_t engine_count_sockets(const struct engine *engine, int family, int protocol)
{
	return engine->n_socks[family == AF_INET6][protocol == IPPROTO_TCP];
}
