/* SPDX-License-Identifier: MIT */
/*
 * end.c: the one way out. Every reason for ending service comes through engine_end(): a closed, shut down or
 * disconnected socket, a removed flow, a closed handle, a dead owner, a program whose last process has ended,
 * an administrator's word, the end of the engine itself.
 *
 * | reason        | what is in the scope                      | flow with GW_FLOW_KEEP_WHEN_CLOSED          |
 * |---------------|-------------------------------------------|---------------------------------------------|
 * | removed       | a flow, or one socket of it               | ends with its last socket                   |
 * | handle-closed, owner-died, stopped | all of an owner      | ends                                        |
 * | closed, shutdown, disconnected     | a socket             | stays, without entries (qwave.md §12)       |
 * | group-empty   | a program's flow                          | ends                                        |
 * | revoked       | a flow                                    | ends                                        |
 *
 * What is signalled for a socket, or for all of an owner, ends first (provider.h), with the flows that it has. With all
 * of an owner end also the hosts that it has announced.
 */
#include <errno.h>
#include <limits.h>

#include "engine/internal.h"
#include "engine/provider.h"

static const char *const end_reason_names[] = {
	[END_REMOVED] = "removed",	     [END_HANDLE_CLOSED] = "handle-closed",
	[END_OWNER_DIED] = "owner-died",     [END_CLOSED] = "closed",
	[END_SHUTDOWN] = "shutdown",	     [END_DISCONNECTED] = "disconnected",
	[END_GROUP_EMPTY] = "program-ended", [END_REVOKED] = "revoked",
	[END_STOPPED] = "stopped",
};
_Static_assert(sizeof(end_reason_names) / sizeof(end_reason_names[0]) == END_REASON_COUNT,
	       "every reason");

const char *end_reason_name(enum end_reason reason)
{
	return end_reason_names[reason];
}

/* Did this happen to the socket, rather than to the flow? Then a flow that wants to may outlive it. */
static bool reason_is_of_socket(enum end_reason reason)
{
	return reason == END_CLOSED || reason == END_SHUTDOWN || reason == END_DISCONNECTED;
}

/* Those who asked for the end know of it; others are told even if they do not watch. */
static struct owner *owner_to_tell(const struct flow *flow, enum end_reason reason)
{
	bool asked = reason == END_REMOVED || reason == END_HANDLE_CLOSED ||
		     reason == END_OWNER_DIED;

	return asked || flow->owner->program ? NULL : flow->owner;
}

static void flow_end(struct engine *engine, struct flow *flow)
{
	struct owner *owner = flow->owner;

	flow_complete_ops(engine, flow, -ECANCELED);
	flow_free(engine, flow);
	engine->counters.flows_ended++;
	if (owner->program)
		owner_free(owner);
}

static void entry_end(struct engine *engine, struct entry *entry, enum end_reason reason)
{
	struct flow *flow = entry->flow;
	struct slot *slot = entry->slot;
	bool last = flow->n_entries == 1;
	struct owner *also = last ? owner_to_tell(flow, reason) : NULL;
	struct engine_flow_event event = {
		.type = last ? GW_EVENT_FLOW_ENDED : GW_EVENT_FLOW_CHANGED,
		.reason = end_reason_name(reason),
	};

	/* As it was; but who is told that it has ended finds no mark any more. */
	event_begin(engine, also, flow, entry, &event);
	slot_drop(engine, slot, entry);
	event_tell(engine, also, flow, &event);
	entry_free(engine, entry);
	slot_release(engine, slot);
	engine->counters.ended_by[reason]++;
}

/* Does what happened to its last socket leave the flow there? */
static bool flow_outlives(const struct flow *flow, enum end_reason reason)
{
	return flow->entries ||
	       (reason_is_of_socket(reason) && (flow->flags & GW_FLOW_KEEP_WHEN_CLOSED));
}

/* Ends the entries of a flow, those of `only` if it is given, and the flow itself if it has come to its end. */
static unsigned end_flow(struct engine *engine, struct flow *flow, const struct sock *only,
			 enum end_reason reason)
{
	struct entry *entry, *next;
	unsigned ended = 0;

	DL_FOREACH_SAFE2(flow->entries, entry, next, flow_next) {
		if (only && entry->slot->sock != only)
			continue;
		entry_end(engine, entry, reason);
		ended++;
	}
	if (only && ended == 0)
		return 0;
	if (flow_outlives(flow, reason))
		return ended;
	if (flow_has_targets(flow)) {
		tell_watchers(engine, owner_to_tell(flow, reason), GW_EVENT_FLOW_ENDED,
			      end_reason_name(reason), flow, NULL);
		engine->counters.ended_by[reason]++;
	}
	flow_end(engine, flow);
	return ended + 1;
}

/* Does the event of the socket concern this flow? */
static bool socket_event_ends(const struct flow *flow, enum end_reason reason)
{
	if (flow->watches && reason != END_CLOSED)
		return false;
	return reason != END_DISCONNECTED || !(flow->flags & GW_FLOW_KEEP_ON_DISCONNECT);
}

/* A flow has one entry here at most. */
static unsigned end_slot(struct engine *engine, struct slot *slot, enum end_reason reason)
{
	struct entry *entry, *next;
	unsigned ended = 0;

	DL_FOREACH_SAFE2(slot->entries, entry, next, slot_next) {
		struct flow *flow = entry->flow;

		if (!socket_event_ends(flow, reason))
			continue;
		entry_end(engine, entry, reason); /* the slot, and its sock, go with the last */
		ended++;
		if (flow_outlives(flow, reason))
			continue;
		flow_end(engine, flow);
		ended++;
	}
	return ended;
}

static unsigned end_sock(struct engine *engine, struct sock *sock, unsigned directions,
			 enum end_reason reason)
{
	struct slot *slot, *next;
	unsigned ended = 0;

	/* Flows of this stage only send. These are reported as often as a program likes. */
	if (!(directions & DIRECTION_SEND) ||
	    (reason == END_DISCONNECTED && sock->n_keep == sock->n_entries))
		return 0;
	DL_FOREACH_SAFE(sock->slots, slot, next)
		ended += end_slot(engine, slot, reason);
	return ended;
}

/* The marks have gone with the entry in the datapath; these are only books. */
static unsigned close_sock(struct engine *engine, struct sock *sock)
{
	if (sock->n_entries <= ENDS_PER_TURN)
		return end_sock(engine, sock, DIRECTION_BOTH, END_CLOSED);
	sock->closing = true;
	DL_APPEND2(engine->closing, sock, close_prev, close_next);
	return end_closing(engine, ENDS_PER_TURN);
}

/* A sock leaves the list with its last slot. */
unsigned end_closing(struct engine *engine, unsigned most)
{
	unsigned ended = 0;

	while (engine->closing && ended < most)
		ended += end_slot(engine, engine->closing->slots, END_CLOSED);
	return ended;
}

void end_closing_sock(struct engine *engine, uint64_t cookie)
{
	struct sock *sock;

	while ((sock = sock_find(engine, cookie)) && sock->closing)
		end_slot(engine, sock->slots, END_CLOSED);
}

/* What is announced holds no flow, and flows do without (spec/qwave.md §5.10). */
static unsigned end_trackers(struct engine *engine, struct owner *owner, unsigned most)
{
	unsigned ended = 0;

	for (; owner->trackers && ended < most; ended++)
		tracker_end(engine, owner->trackers, -ECANCELED);
	return ended;
}

unsigned end_some(struct engine *engine, struct owner *owner, enum end_reason reason, unsigned most)
{
	unsigned ended = 0;

	while (owner->flows && ended < most)
		ended += end_flow(engine, owner->flows, NULL, reason);
	return ended < most ? ended + end_trackers(engine, owner, most - ended) : ended;
}

bool owner_has_anything(const struct owner *owner)
{
	return owner->flows || owner->trackers;
}

static unsigned end_owner(struct engine *engine, struct owner *owner, enum end_reason reason)
{
	bool program = owner->program;
	struct flow *flow, *next;
	unsigned ended = end_trackers(engine, owner, UINT_MAX);

	DL_FOREACH_SAFE2(owner->flows, flow, next, owner_next) {
		ended += end_flow(engine, flow, NULL, reason);
		if (program)
			break; /* its owner has gone with its only flow */
	}
	return ended;
}

unsigned engine_end(struct engine *engine, const struct end_scope *scope, enum end_reason reason,
		    uint64_t now_us)
{
	engine_note_time(engine, now_us);
	if (scope->flow)
		return end_flow(engine, scope->flow, scope->sock, reason);
	if (scope->sock)
		return engine_end_socket(engine, scope->sock->cookie,
					 scope->directions ? scope->directions : DIRECTION_BOTH,
					 reason, now_us);
	if (!scope->owner)
		return 0;
	if (engine->provider)
		provider_owner_gone(engine->provider, scope->owner, now_us);
	return end_owner(engine, scope->owner, reason);
}

unsigned engine_end_socket(struct engine *engine, uint64_t cookie, unsigned directions,
			   enum end_reason reason, uint64_t now_us)
{
	struct sock *sock;

	engine_note_time(engine, now_us);
	if (engine->provider)
		provider_socket_ended(engine->provider, cookie, directions, reason, now_us);
	sock = sock_find(engine, cookie);
	if (!sock || sock->closing)
		return 0;
	if (reason == END_CLOSED)
		return close_sock(engine, sock);
	return end_sock(engine, sock, directions, reason);
}

unsigned engine_end_group(struct engine *engine, uint64_t group, enum end_reason reason,
			  uint64_t now_us)
{
	struct flow *flow = flow_find_group(engine, group);

	return flow ? engine_end(engine, &(struct end_scope){ .flow = flow }, reason, now_us) : 0;
}
