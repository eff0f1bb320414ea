/* SPDX-License-Identifier: MIT */
/*
 * tuple.c: flows of packets by their addresses, which is how a router knows what it forwards. Such a flow has
 * tuples in place of sockets, and no two flows have the same. Administrators make them: other people's packets
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
	if (tuple.spi != 0 && tuple.protocol != IPPROTO_ESP && tuple.protocol != IPPROTO_AH)
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

static void tuple_forget(struct engine *engine, struct tuple *tuple)
{
	HASH_DEL(engine->tuples, tuple);
	DL_DELETE(tuple->flow->tuples, tuple);
	free(tuple);
}

/* Enters it into the flow and makes it effective, or does nothing. */
static int tuple_begin(struct engine *engine, struct flow *flow, const struct datapath_tuple *key)
{
	struct tuple *tuple = calloc(1, sizeof(*tuple));
	int r;

	if (!tuple)
		return -ENOMEM;
	tuple->key = *key;
	tuple->flow = flow;
	HASH_ADD(hh, engine->tuples, key, sizeof(tuple->key), tuple);
	if (!tuple->hh.tbl) {
		free(tuple);
		return -ENOMEM;
	}
	DL_APPEND(flow->tuples, tuple);
	r = tuple_apply(engine, tuple);
	if (r < 0) {
		if (r == -EOPNOTSUPP)
			engine->counters.refused_datapath++;
		tuple_forget(engine, tuple);
	}
	return r == -ENOSPC ? -ENOBUFS : r;
}

void tuples_forget(struct engine *engine, struct flow *flow)
{
	while (flow->tuples)
		tuple_forget(engine, flow->tuples);
	flow_count_in_force(engine, flow, -1);
}

int engine_add_tuple(struct engine *engine, struct owner *owner, const struct datapath_tuple *tuple,
		     const struct flow_request *request, uint32_t *ret_flow_id, uint64_t now_us)
{
	struct datapath_tuple key;
	struct flow *flow;
	int r;

	(void)now_us;
	if (!owner_is_administrator(engine, owner)) {
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
		flow_free(engine, flow);
		return r;
	}
	flow_count_in_force(engine, flow, 1);
	engine->counters.flows_added++;
	tell_watchers(engine, NULL, GW_EVENT_FLOW_ADDED, "added", flow, NULL);
	*ret_flow_id = flow->id;
	return 0;
}

int engine_join_tuple(struct engine *engine, struct owner *owner, uint32_t flow_id,
		      const struct datapath_tuple *tuple, uint64_t now_us)
{
	struct datapath_tuple key;
	struct flow *flow;
	int r;

	(void)now_us;
	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r == 0)
		r = tuple_normalize(tuple, &key);
	if (r < 0)
		return r;
	/* The meter, and what is booked, are of the links that it has now. */
	if (!flow->tuples || flow->tuples->key.ifindex != key.ifindex)
		return -EINVAL;
	if (tuple_find(engine, &key))
		return -EEXIST;
	r = limits_check(engine, owner, false);
	if (r == 0)
		r = tuple_begin(engine, flow, &key);
	if (r == 0)
		tell_watchers(engine, NULL, GW_EVENT_FLOW_CHANGED, "added", flow, NULL);
	return r;
}

int engine_part_tuple(struct engine *engine, struct owner *owner, uint32_t flow_id,
		      const struct datapath_tuple *given, uint64_t now_us)
{
	struct datapath_tuple key;
	struct tuple *tuple;
	struct flow *flow;
	int r;

	(void)now_us;
	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r == 0)
		r = tuple_normalize(given, &key);
	if (r < 0)
		return r;
	tuple = tuple_find(engine, &key);
	if (!tuple || tuple->flow != flow)
		return -ENOENT;
	if (!tuple->next && flow->tuples == tuple)
		return -EBUSY;
	tell_watchers(engine, NULL, GW_EVENT_FLOW_CHANGED, "removed", flow, NULL);
	tuple_clear(engine, tuple);
	tuple_forget(engine, tuple);
	return 0;
}
