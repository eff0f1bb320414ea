/* SPDX-License-Identifier: MIT */
/*
 * path.c: what is known of the way to a host, shared by all adaptive flows to it, and the requests that wait
 * for it to change.
 *
 * A path is measured by experiments with the host at its other end, which must be a neighbour (no gateway
 * between) and take part. A path to a neighbour is UNKNOWN until something has been heard from it, and
 * UNSUPPORTED once it has been silent for the discovery time; any other path is UNSUPPORTED at once
 * (spec/qwave.md §5.6, A-33).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/internal.h"

int path_join(struct engine *engine, struct flow *flow, const struct address *destination,
	      bool on_link, uint64_t now_us)
{
	struct path_key key;
	struct path *path;

	memset(&key, 0, sizeof(key));
	memcpy(key.addr, destination->addr, sizeof(key.addr));
	key.scope = destination->scope;
	HASH_FIND(hh, engine->paths, &key, sizeof(key), path);
	if (!path) {
		path = calloc(1, sizeof(*path));
		if (!path)
			return -ENOMEM;
		path->key = key;
		HASH_ADD(hh, engine->paths, key, sizeof(path->key), path);
		if (!path->hh.tbl) {
			free(path);
			return -ENOMEM;
		}
		path->state = PATH_STATE_UNSUPPORTED;
		if (on_link && !address_is_multicast(destination)) {
			path->state = PATH_STATE_UNKNOWN;
			path->deadline_us = now_us + engine->config.discovery_us;
			DL_APPEND(engine->unknown_paths, path);
		}
	}
	DL_APPEND2(path->flows, flow, path_prev, path_next);
	flow->path = path;
	return 0;
}

void path_leave(struct engine *engine, struct flow *flow)
{
	struct path *path = flow->path;

	if (!path)
		return;
	DL_DELETE2(path->flows, flow, path_prev, path_next);
	flow->path = NULL;
	if (path->flows)
		return;
	if (path->state == PATH_STATE_UNKNOWN)
		DL_DELETE(engine->unknown_paths, path);
	HASH_DEL(engine->paths, path);
	free(path);
}

static struct op *op_find(const struct owner *owner, uint64_t token)
{
	struct op *op;

	HASH_FIND(hh, owner->ops, &token, sizeof(token), op);
	return op;
}

void op_complete(struct engine *engine, struct op *op, int status)
{
	struct owner *owner = op->owner;
	uint64_t token = op->token;

	HASH_DEL(owner->ops, op);
	owner->n_ops--;
	DL_DELETE(op->flow->ops, op);
	free(op);
	engine->counters.ops_completed++;
	if (status == -ECANCELED)
		engine->counters.ops_canceled++;
	if (owner->host_data)
		engine->ports.completed(engine->ports.user_data, owner, token, status);
}

void flow_complete_ops(struct engine *engine, struct flow *flow, int status)
{
	while (flow->ops)
		op_complete(engine, flow->ops, status);
}

static int op_start(struct engine *engine, struct owner *owner, struct flow *flow,
		    enum gw_condition condition, uint64_t target_bps, uint64_t token)
{
	struct op *op;

	if (owner->n_ops >= engine->config.max_ops_per_owner) {
		engine->counters.refused_limit++;
		return -ENOBUFS;
	}
	op = calloc(1, sizeof(*op));
	if (!op)
		return -ENOMEM;
	*op = (struct op){
		.token = token,
		.owner = owner,
		.flow = flow,
		.condition = condition,
		.target_bps = target_bps,
	};
	HASH_ADD(hh, owner->ops, token, sizeof(op->token), op);
	if (!op->hh.tbl) {
		free(op);
		return -ENOMEM;
	}
	owner->n_ops++;
	DL_APPEND(flow->ops, op);
	engine->counters.ops_started++;
	return 1;
}

static bool flow_has_op(const struct flow *flow, enum gw_condition condition)
{
	struct op *op;

	DL_FOREACH(flow->ops, op) {
		if (op->condition == condition)
			return true;
	}
	return false;
}

int engine_notify(struct engine *engine, struct owner *owner, uint32_t flow_id, uint32_t condition,
		  uint64_t target_bps, uint64_t token, uint64_t now_us)
{
	struct flow *flow;
	int r;

	(void)now_us;
	if (condition > GW_CONDITION_AVAILABLE)
		return -EINVAL;
	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r < 0)
		return r;
	if (!(flow->flags & GW_FLOW_ADAPTIVE))
		return -EOPNOTSUPP;
	if (condition == GW_CONDITION_AVAILABLE && target_bps <= flow->settings.rate_bps)
		return -EINVAL;
	if (!flow->path || flow->path->state == PATH_STATE_UNSUPPORTED)
		return -EOPNOTSUPP;
	if (flow_has_op(flow, (enum gw_condition)condition))
		return -EEXIST;
	if (op_find(owner, token))
		return -EBUSY;
	return op_start(engine, owner, flow, (enum gw_condition)condition, target_bps, token);
}

int engine_cancel(struct engine *engine, struct owner *owner, uint64_t token)
{
	struct op *op = op_find(owner, token);

	if (!op)
		return -ENOENT;
	op_complete(engine, op, -ECANCELED);
	return 0;
}

int engine_query_path(struct engine *engine, struct owner *owner, uint32_t flow_id, uint32_t flags,
		      struct gw_path_info *ret_info, uint64_t now_us)
{
	struct flow *flow = flow_find(engine, flow_id);

	(void)now_us;
	(void)ret_info; /* written once there are estimates */
	if (flags & ~GW_PATH_FRESH)
		return -EINVAL;
	if (!flow || (flow->owner != owner && !owner_is_administrator(engine, owner)))
		return -ENOENT;
	if (!flow->path || flow->path->state == PATH_STATE_UNSUPPORTED)
		return -EOPNOTSUPP;
	return (flags & GW_PATH_FRESH) && flow->owner == owner ? -EAGAIN : -ENODATA;
}

/*
 * Announcing a host is answered as for one that takes no part in experiments (spec/qwave.md §5.9); so nothing
 * is ever tracked, and there is nothing to take back.
 */
int engine_track(struct engine *engine, struct owner *owner, const struct address *host, bool start,
		 uint64_t now_us)
{
	struct engine_route route;
	int r;

	(void)owner;
	(void)now_us;
	if (address_is_unspecified(host) || address_is_multicast(host))
		return -EINVAL;
	if (!start)
		return -ENOENT;
	r = engine->ports.route(engine->ports.user_data, host, NULL, &route);
	return r < 0 ? r : -EOPNOTSUPP;
}
