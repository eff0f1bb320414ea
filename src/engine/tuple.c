/* SPDX-License-Identifier: MIT */
/*
 * tuple.c: flows of packets by their addresses, which is how a router knows what it forwards. Such a flow has one
 * tuple in place of sockets, and no two flows have the same. Administrators make them: other people's packets
 * match as well.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/internal.h"

#define PROTOCOL_MAX 255

static bool protocol_has_ports(int protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE ||
	       protocol == IPPROTO_SCTP || protocol == IPPROTO_DCCP;
}

/* A link-local address is meant on the link that the tuple names. */
static bool scope_take(struct address *address, uint32_t ifindex)
{
	if (address->scope != 0 && address->scope != ifindex)
		return false;
	address->scope = address_is_link_local(address) ? ifindex : 0;
	return true;
}

/* One spelling for the same packets. */
static int tuple_normalize(const struct datapath_tuple *given, struct datapath_tuple *ret_tuple)
{
	struct datapath_tuple tuple = *given;

	if (tuple.ifindex == 0 || tuple.protocol < 1 || tuple.protocol > PROTOCOL_MAX)
		return -EINVAL;
	if (tuple.destination.family != AF_INET && tuple.destination.family != AF_INET6)
		return -EINVAL;
	if (address_is_unspecified(&tuple.destination))
		return -EINVAL;
	if (tuple.source.family == AF_UNSPEC)
		tuple.source = (struct address){ 0 };
	else if (tuple.source.family != tuple.destination.family ||
		 address_is_unspecified(&tuple.source) || address_is_multicast(&tuple.source))
		return -EINVAL;
	if ((tuple.source.port != 0 || tuple.destination.port != 0) &&
	    !protocol_has_ports(tuple.protocol))
		return -EINVAL;
	if (!scope_take(&tuple.destination, tuple.ifindex) ||
	    !scope_take(&tuple.source, tuple.ifindex))
		return -EINVAL;
	*ret_tuple = tuple;
	return 0;
}

static struct tuple *tuple_find(const struct engine *engine, const struct datapath_tuple *key)
{
	struct tuple *tuple;

	HASH_FIND(hh, engine->tuples, key, sizeof(*key), tuple);
	return tuple;
}

/* Whoever frees the flow takes it back. */
static int tuple_begin(struct engine *engine, struct flow *flow, const struct datapath_tuple *key)
{
	struct tuple *tuple = calloc(1, sizeof(*tuple));

	if (!tuple)
		return -ENOMEM;
	tuple->key = *key;
	tuple->flow = flow;
	HASH_ADD(hh, engine->tuples, key, sizeof(tuple->key), tuple);
	if (!tuple->hh.tbl) {
		free(tuple);
		return -ENOMEM;
	}
	flow->tuple = tuple;
	flow_count_in_force(engine, flow, 1);
	return flow_target_apply(engine, flow);
}

void tuple_forget(struct engine *engine, struct flow *flow)
{
	HASH_DEL(engine->tuples, flow->tuple);
	free(flow->tuple);
	flow->tuple = NULL;
	flow_count_in_force(engine, flow, -1);
}

int engine_add_tuple(struct engine *engine, struct owner *owner, const struct datapath_tuple *tuple,
		     const struct flow_request *request, uint32_t *ret_flow_id, uint64_t now_us)
{
	struct datapath_tuple key;
	struct flow *flow;
	int r;

	(void)now_us;
	if (!engine->ports.is_administrator(engine->ports.user_data, owner)) {
		engine->counters.refused_policy++;
		return -EACCES;
	}
	if (owner->info.elsewhere)
		return -EXDEV; /* where interfaces have other numbers */
	if (request->flags != 0)
		return -EINVAL;
	r = request_check(engine, owner, request);
	if (r == 0)
		r = tuple_normalize(tuple, &key);
	if (r < 0)
		return r;
	if (tuple_find(engine, &key))
		return -EEXIST;
	r = limits_check(engine, owner, true);
	if (r < 0)
		return r;
	r = flow_new(engine, owner, request, &flow);
	if (r < 0)
		return r;
	r = tuple_begin(engine, flow, &key);
	if (r < 0) {
		if (r == -EOPNOTSUPP)
			engine->counters.refused_datapath++;
		flow_free(engine, flow);
		return r;
	}
	engine->counters.flows_added++;
	tell_watchers(engine, NULL, GW_EVENT_FLOW_ADDED, "added", flow, NULL);
	*ret_flow_id = flow->id;
	return 0;
}
