/* SPDX-License-Identifier: MIT */
/*
 * op.c: requests that wait: for a condition of a path, for fresh figures of it, for a rate to be admitted, for a
 * host that was announced to answer. Each is completed once, whatever ends it, and its owner is told.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/internal.h"

static struct op *op_find(const struct owner *owner, uint64_t token)
{
	struct op *op;

	HASH_FIND(hh, owner->ops, &token, sizeof(token), op);
	return op;
}

static bool has_token(const struct op *op)
{
	return !op->wait.is_request;
}

void op_drop(struct engine *engine, struct op *op)
{
	struct owner *owner = op->owner;

	wish_forget(engine, op);
	if (has_token(op))
		HASH_DEL(owner->ops, op);
	owner->n_ops--;
	if (op->deadline_us != 0)
		DL_DELETE2(engine->timed[op->kind], op, timed_prev, timed_next);
	if (op->flow)
		DL_DELETE(op->flow->ops, op);
	if (op->tracker)
		DL_DELETE(op->tracker->ops, op);
	free(op);
}

void op_complete_with(struct engine *engine, struct op *op, const struct engine_completion *with)
{
	struct engine_completion completion = *with;
	struct owner *owner = op->owner;

	completion.wait = op->wait;
	op_drop(engine, op);
	engine->counters.ops_completed++;
	if (completion.status == -ECANCELED)
		engine->counters.ops_canceled++;
	if (owner->host_data)
		engine->ports.completed(engine->ports.user_data, owner, &completion);
}

void op_complete(struct engine *engine, struct op *op, int status)
{
	op_complete_with(engine, op, &(struct engine_completion){ .status = status });
}

struct op *flow_find_op(const struct flow *flow, enum op_kind kind)
{
	struct op *op;

	DL_FOREACH(flow->ops, op) {
		if (op->kind == kind)
			break;
	}
	return op;
}

void flow_complete_ops(struct engine *engine, struct flow *flow, int status)
{
	while (flow->ops)
		op_complete(engine, flow->ops, status);
}

int op_start(struct engine *engine, struct owner *owner, const struct op *begun, struct op **ret_op)
{
	struct op *op;

	if (has_token(begun) && op_find(owner, begun->wait.token))
		return -EBUSY;
	if (owner->n_ops >= engine->config.max_ops_per_owner) {
		engine->counters.refused_limit++;
		return -ENOBUFS;
	}
	op = calloc(1, sizeof(*op));
	if (!op)
		return -ENOMEM;
	*op = *begun;
	op->owner = owner;
	if (has_token(op)) {
		HASH_ADD(hh, owner->ops, wait.token, sizeof(op->wait.token), op);
		if (!op->hh.tbl) {
			free(op);
			return -ENOMEM;
		}
	}
	owner->n_ops++;
	if (op->flow)
		DL_APPEND(op->flow->ops, op);
	if (op->tracker)
		DL_APPEND(op->tracker->ops, op);
	engine->counters.ops_started++;
	*ret_op = op;
	return 0;
}

/* All of a kind have the same time, so that the last to begin is the last to end. */
void op_set_deadline(struct engine *engine, struct op *op, uint64_t deadline_us)
{
	op->deadline_us = deadline_us;
	DL_APPEND2(engine->timed[op->kind], op, timed_prev, timed_next);
}

static void op_expire(struct engine *engine, struct op *op)
{
	switch (op->kind) {
	case OP_CONDITION: /* these wait for as long as it takes */
		break;
	case OP_FRESH:
		op_complete(engine, op, -ETIMEDOUT);
		break;
	case OP_RATE:
		rate_answered(engine, op, -EBUSY);
		break;
	case OP_TRACK:
		tracker_end(engine, op->tracker, -EHOSTUNREACH);
		break;
	}
}

void ops_tick(struct engine *engine)
{
	for (unsigned kind = 0; kind < OP_KIND_COUNT; kind++) {
		while (engine->timed[kind] && engine->timed[kind]->deadline_us <= engine->now_us)
			op_expire(engine, engine->timed[kind]);
	}
}

uint64_t ops_deadline_us(const struct engine *engine)
{
	uint64_t deadline_us = UINT64_MAX;

	for (unsigned kind = 0; kind < OP_KIND_COUNT; kind++) {
		const struct op *op = engine->timed[kind];

		if (op && op->deadline_us < deadline_us)
			deadline_us = op->deadline_us;
	}
	return deadline_us;
}

int engine_cancel(struct engine *engine, struct owner *owner, uint64_t token, uint64_t now_us)
{
	struct op *op = op_find(owner, token);

	engine_note_time(engine, now_us);
	if (!op)
		return -ENOENT;
	if (op->kind == OP_RATE)
		rate_answered(engine, op, -ECANCELED);
	else if (op->kind == OP_TRACK)
		tracker_end(engine, op->tracker, -ECANCELED);
	else
		op_complete(engine, op, -ECANCELED);
	return 0;
}
