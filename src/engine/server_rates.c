/* SPDX-License-Identifier: MIT */
/*
 * server_rates.c: requests for programs as a whole, for reservations, and for packets by their addresses.
 */
#include <errno.h>

#include "engine/server_internal.h"

int server_on_run(struct call *call)
{
	const struct msg *m = call->request;
	struct flow_request request = {
		.traffic_class = (enum gw_class)m->traffic_class,
		.flags = m->flags,
		.dscp = m->dscp,
	};
	uint32_t id;
	int r;

	r = engine_run(call->server->engine, call->owner, &request, m->rate_bps, &id, call->now_us);
	if (r < 0)
		return r;
	MSG_SET(&call->reply, TAG_FLOW_ID, flow_id, id);
	return 0;
}

static void tell_refusal(const struct call *call, const struct admission_refusal *refusal)
{
	const struct server_ports *ports = &call->server->ports;
	char text[ADMISSION_TEXT_LEN];

	/* The datapath's own refusals have no figures. */
	if (ports->refused && refusal->asked_bps != 0)
		ports->refused(ports->user_data, call->owner, call->request->flow_id,
			       admission_refusal_format(refusal, text));
}

int server_on_reserve(struct call *call)
{
	const struct msg *m = call->request;
	struct admission_refusal refusal = { 0 };
	struct bucket_spec bucket = {
		.rate_bps = m->rate_bps,
		.depth_bytes = m->depth_bytes,
		.peak_bps = m->peak_bps,
		.min_bytes = m->min_bytes,
		.max_bytes = m->max_bytes,
	};
	int r;

	if (m->excess > GW_EXCESS_BEST_EFFORT)
		return -EINVAL;
	r = engine_reserve(call->server->engine, call->owner, m->flow_id, &bucket,
			   (enum gw_excess)m->excess, &refusal, call->now_us);
	if (r == -EDQUOT)
		tell_refusal(call, &refusal);
	return r;
}

int server_on_add_tuple(struct call *call)
{
	const struct msg *m = call->request;
	struct flow_request request = {
		.traffic_class = (enum gw_class)m->traffic_class,
		.flags = m->flags,
		.dscp = m->dscp,
	};
	struct datapath_tuple tuple = {
		.source = m->source,
		.destination = m->address,
		.protocol = m->ip_protocol,
		.ifindex = m->ifindex,
	};
	uint32_t id;
	int r;

	r = engine_add_tuple(call->server->engine, call->owner, &tuple, &request, &id,
			     call->now_us);
	if (r < 0)
		return r;
	MSG_SET(&call->reply, TAG_FLOW_ID, flow_id, id);
	return 0;
}
