/* SPDX-License-Identifier: MIT */
/*
 * provider_record.c: the QoS of sockets as others see it, in the list of flows: one record for each session.
 *
 * | what is sent, or received                    | state        | record of                         |
 * |----------------------------------------------|--------------|-----------------------------------|
 * | nobody is known to be there (yet)            | waiting      | the socket                        |
 * | signalled, and nothing is reserved           | transitional | the flow of what is sent, or the  |
 * | reserved                                     | reserved     | socket, if there is no such flow  |
 * | nothing is signalled                         | active       |                                   |
 */
#include "engine/provider_internal.h"

/* ---- what is sent ---- */

static enum gw_flow_state sending_state(const struct part *part)
{
	if (!part->sent)
		return GW_FLOW_ACTIVE;
	return part->resv.stands || part->reserved ? GW_FLOW_RESERVED : GW_FLOW_TRANSITIONAL;
}

void provider_record_flow(const struct provider *provider, struct gw_flow_record *record)
{
	const struct qsock *qsock = qsock_find(provider, record->socket_cookie);
	const struct part *part;

	if (!qsock)
		return;
	DL_FOREACH(qsock->parts, part) {
		if (part->flow_id == 0 || part->flow_id != record->id)
			continue;
		record->direction = GW_QOS_SENDING;
		record->rate_bps = part->sending ? part->sending->direction.tspec.rate_bps : 0;
		if (record->state == GW_FLOW_ACTIVE)
			record->state = sending_state(part);
		return;
	}
}

/* ---- without a flow of its own ---- */

struct visiting {
	const struct qsock *qsock;
	struct gw_flow_record record; /* what all of the socket's have in common */
	int (*visit)(const struct gw_flow_record *record, void *visit_data);
	void *visit_data;
};

static enum gw_class class_of(enum gw_qos_service service)
{
	if (service == GW_QOS_GUARANTEED)
		return GW_CLASS_VOICE;
	return service == GW_QOS_CONTROLLED_LOAD || service == GW_QOS_EITHER ? GW_CLASS_AUDIO_VIDEO
									     : GW_CLASS_BEST_EFFORT;
}

static int show(struct visiting *visiting, const struct gw_qos_direction *asked, uint32_t direction,
		enum gw_flow_state state, const struct address *local,
		const struct address *destination)
{
	struct gw_flow_record *record = &visiting->record;

	record->direction = direction;
	record->state = state;
	record->traffic_class = class_of(asked->service);
	record->rate_bps = asked->tspec.rate_bps;
	address_to_sockaddr(local, &record->local);
	address_to_sockaddr(destination, &record->destination);
	return visiting->visit(record, visiting->visit_data);
}

static bool is_asked(const struct gw_qos_direction *direction)
{
	return service_is_signalled(direction->service);
}

static int show_sending(struct visiting *visiting)
{
	const struct qsock *qsock = visiting->qsock;
	const struct address *local = &qsock->socket.local;
	const struct part *part;
	bool somewhere = false;
	int r = 0;

	DL_FOREACH(qsock->parts, part) {
		if (!part->sending || !is_asked(&part->sending->direction))
			continue;
		somewhere = true;
		if (r == 0 && part->flow_id == 0)
			r = show(visiting, &part->sending->direction, GW_QOS_SENDING,
				 sending_state(part), local, &part->destination);
	}
	if (r == 0 && !somewhere && qsock->sending && is_asked(&qsock->sending->direction))
		r = show(visiting, &qsock->sending->direction, GW_QOS_SENDING, GW_FLOW_WAITING,
			 local, &qsock->socket.peer);
	return r;
}

/* A rate that was not asked for is the senders'. */
static int show_receiving_at(struct visiting *visiting, const struct part *part)
{
	struct gw_qos_direction asked = part->receiving->direction;
	const struct gw_rsvp_flow *flow = part->wish ? part->wish->flows : NULL;

	if (flow)
		asked.tspec.rate_bps = flow->rate_bps ? flow->rate_bps : flow->tspec.rate_bps;
	return show(visiting, &asked, GW_QOS_RECEIVING,
		    part->wish ? GW_FLOW_RESERVED : GW_FLOW_TRANSITIONAL, &part->destination,
		    &visiting->qsock->socket.peer);
}

static bool has_sender(const struct part *part)
{
	const struct heard *heard;

	DL_FOREACH(part->heard, heard) {
		if (part_matches(part, heard))
			return true;
	}
	return false;
}

/* For what is signalled nowhere nobody waits: what was asked for is all that there is of it (§17, §5.2). */
static enum gw_flow_state unheard_state(const struct qsock *qsock,
					const struct gw_qos_direction *asked)
{
	bool signalled = qsock_can_signal(qsock) && !(asked->flags & GW_QOS_NO_SIGNALLING);

	return signalled ? GW_FLOW_WAITING : GW_FLOW_ACTIVE;
}

/* Of the addresses at which it waits, those where there is a sender; if there is none, it waits at its own. */
static int show_receiving(struct visiting *visiting)
{
	const struct qsock *qsock = visiting->qsock;
	const struct part *part;
	bool somewhere = false;
	int r = 0;

	DL_FOREACH(qsock->parts, part) {
		if (r != 0 || !part->receiving || !is_asked(&part->receiving->direction))
			continue;
		if (has_sender(part))
			r = show_receiving_at(visiting, part);
		else if (part->kind == PART_GROUP)
			r = show(visiting, &part->receiving->direction, GW_QOS_RECEIVING,
				 unheard_state(qsock, &part->receiving->direction),
				 &part->destination, &qsock->socket.peer);
		else
			continue;
		somewhere = true;
	}
	if (r == 0 && !somewhere && qsock->receiving && is_asked(&qsock->receiving->direction))
		r = show(visiting, &qsock->receiving->direction, GW_QOS_RECEIVING,
			 unheard_state(qsock, &qsock->receiving->direction), &qsock->socket.local,
			 &qsock->socket.peer);
	return r;
}

int provider_visit(const struct provider *provider, uint64_t cookie,
		   const struct gw_flow_record *begun,
		   int (*visit)(const struct gw_flow_record *record, void *visit_data),
		   void *visit_data)
{
	struct visiting visiting = { qsock_find(provider, cookie), *begun, visit, visit_data };
	int r;

	if (!visiting.qsock || visiting.qsock->watch_id != begun->id)
		return 0;
	visiting.record.protocol = visiting.qsock->socket.protocol;
	visiting.record.socket_cookie = cookie;
	visiting.record.dscp = -1;
	visiting.record.shaping = GW_SHAPING_NONE;
	r = show_sending(&visiting);
	return r == 0 ? show_receiving(&visiting) : r;
}
