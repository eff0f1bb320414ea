/* SPDX-License-Identifier: MIT */
/*
 * qlpb_experiment.c: what an initiator's experiments have in common (MS-QLPB §3.1): the connection to the sink, the
 * handshake, and how they end.
 *
 *   state         event                       what happens
 *   CONNECTING    connected                   the handshake is sent; HANDSHAKING, or RUNNING if none is answered
 *   CONNECTING    closed, 3 s                 ends: there is no sink, or it does not answer
 *   HANDSHAKING   success                     RUNNING
 *   HANDSHAKING   any other message           ends: not of the protocol
 *   HANDSHAKING   closed, 250 ms              ends
 *   RUNNING       message, deadline, closed   as its kind says
 *   ENDED         anything                    nothing: it is told of and freed by qlpb_settle()
 *
 * Probegap and claims have no connection and are RUNNING at once.
 */
#include "probe/qlpb_internal.h"

#include <errno.h>
#include <stdlib.h>

/* The system's own limit is that of connections over the whole world; a sink is on the link. */
#define CONNECT_US (3 * US_PER_S)
#define HANDSHAKE_US (250 * US_PER_MS)

static const struct experiment_type *const types[] = {
	[QLPB_ROUTE_CHECK] = &qlpb_route_check,
	[QLPB_PACKET_PAIR] = &qlpb_packet_pair,
	[QLPB_PROBEGAP] = &qlpb_probegap,
	[QLPB_FLOOD] = &qlpb_flood,
	[QLPB_CLAIM] = &qlpb_claim,
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

/* ---- ending ---- */

void qlpb_finish(struct qlpb *qlpb, struct experiment *experiment, int status, uint64_t now_us)
{
	if (experiment->state == EXPERIMENT_ENDED)
		return;
	experiment->state = EXPERIMENT_ENDED;
	experiment->deadline_us = UINT64_MAX;
	experiment->result.status = status;
	experiment->result.duration_us = now_us - experiment->started_us;
	if (experiment->connected)
		qlpb->ports.close(qlpb->ports.user_data, experiment->id);
	experiment->connected = false;
}

static void forget(struct qlpb *qlpb, struct experiment *experiment)
{
	DL_DELETE(qlpb->experiments, experiment);
	qlpb->sizes.experiments--;
	if (experiment->type == &qlpb_packet_pair)
		free(experiment->pair.probes);
	if (experiment->type == &qlpb_probegap)
		free(experiment->gap.ring);
	if (experiment->type == &qlpb_claim)
		free(experiment->claim.probes);
	free(experiment);
}

static struct experiment *find_ended(struct qlpb *qlpb)
{
	struct experiment *experiment;

	DL_FOREACH(qlpb->experiments, experiment) {
		if (experiment->state == EXPERIMENT_ENDED)
			return experiment;
	}
	return NULL;
}

/* The host may start others while it is told, and may even cancel. */
void qlpb_settle(struct qlpb *qlpb)
{
	struct experiment *experiment;

	while ((experiment = find_ended(qlpb))) {
		struct qlpb_result result = experiment->result;
		void *data = experiment->data;

		forget(qlpb, experiment);
		qlpb->ports.finished(qlpb->ports.user_data, data, &result);
	}
}

void qlpb_cancel(struct qlpb *qlpb, uint32_t id)
{
	struct experiment *experiment = qlpb_experiment_find(qlpb, id);

	if (!experiment)
		return;
	qlpb_finish(qlpb, experiment, -ECANCELED, experiment->started_us);
	forget(qlpb, experiment);
}

void qlpb_experiments_free(struct qlpb *qlpb, uint64_t now_us)
{
	struct experiment *experiment, *next;

	/* Whoever starts another one now is told that it is not started. */
	qlpb->config.initiator = false;
	DL_FOREACH_SAFE(qlpb->experiments, experiment, next)
		qlpb_finish(qlpb, experiment, -ECANCELED, now_us);
	qlpb_settle(qlpb);
}

/* ---- beginning ---- */

static int init(struct experiment *experiment, const struct qlpb_request *request)
{
	switch (request->kind) {
	case QLPB_ROUTE_CHECK:
		return 0;
	case QLPB_PACKET_PAIR:
		return qlpb_packet_pair_init(experiment, request);
	case QLPB_PROBEGAP:
		return qlpb_probegap_init(experiment, request);
	case QLPB_FLOOD:
		return qlpb_flood_init(experiment, request);
	case QLPB_CLAIM:
		return qlpb_claim_init(experiment, request);
	}
	return -EINVAL;
}

static int check(struct qlpb *qlpb, const struct qlpb_request *request)
{
	const struct address *sink = &request->sink;

	if (!qlpb->config.initiator)
		return -EOPNOTSUPP;
	if ((unsigned)request->kind >= N_TYPES ||
	    (sink->family != AF_INET && sink->family != AF_INET6) || address_is_unspecified(sink) ||
	    address_is_multicast(sink))
		return -EINVAL;
	if (qlpb->sizes.experiments >= qlpb->config.max_experiments)
		return -EUSERS;
	if (!qlpb->ports.on_link(qlpb->ports.user_data, sink, request->ifindex))
		return -ENETUNREACH;
	return 0;
}

static void run(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	experiment->state = EXPERIMENT_RUNNING;
	experiment->started_us = now_us;
	experiment->type->begin(qlpb, experiment, now_us);
}

static int begin(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	int r;

	if (!experiment->type->has_connection) {
		run(qlpb, experiment, now_us);
		return 0;
	}
	experiment->deadline_us = now_us + CONNECT_US;
	r = qlpb->ports.connect(qlpb->ports.user_data, experiment->id, &experiment->sink,
				experiment->ifindex);
	if (r < 0)
		return r;
	experiment->connected = true;
	return 0;
}

int qlpb_start(struct qlpb *qlpb, const struct qlpb_request *request, uint32_t *ret_experiment,
	       uint64_t now_us)
{
	struct experiment *experiment;
	int r = check(qlpb, request);

	if (r < 0)
		return r;
	experiment = calloc(1, sizeof(*experiment));
	if (!experiment)
		return -ENOMEM;
	experiment->type = types[request->kind];
	experiment->id = qlpb_new_id(qlpb);
	experiment->sink = request->sink;
	experiment->sink.port = QLPB_PORT;
	experiment->ifindex = request->ifindex;
	experiment->data = request->data;
	experiment->sequence = 1;
	experiment->started_us = now_us;
	experiment->result.kind = request->kind;
	DL_APPEND(qlpb->experiments, experiment);
	qlpb->sizes.experiments++;
	r = init(experiment, request);
	if (r == 0)
		r = begin(qlpb, experiment, now_us);
	if (r < 0) {
		forget(qlpb, experiment);
		return r;
	}
	*ret_experiment = experiment->id;
	return 0;
}

struct experiment *qlpb_experiment_find(struct qlpb *qlpb, uint32_t id)
{
	struct experiment *experiment;

	DL_FOREACH(qlpb->experiments, experiment) {
		if (experiment->id == id)
			return experiment;
	}
	return NULL;
}

/* ---- the connection ---- */

void qlpb_connected(struct qlpb *qlpb, uint32_t connection, uint16_t local_port, uint64_t now_us)
{
	struct experiment *experiment = qlpb_experiment_find(qlpb, connection);
	uint8_t message[QLPB_HEADER_LEN];
	int r;

	if (!experiment || experiment->state != EXPERIMENT_CONNECTING ||
	    !experiment->type->has_connection)
		return;
	experiment->initiator_port = local_port;
	qlpb_put_header(message, experiment->type->handshake, 0);
	r = qlpb->ports.write(qlpb->ports.user_data, connection, message, sizeof(message));
	if (r < 0) {
		qlpb_finish(qlpb, experiment, r, now_us);
	} else if (experiment->type->handshake_is_answered) {
		experiment->state = EXPERIMENT_HANDSHAKING;
		experiment->deadline_us = now_us + HANDSHAKE_US;
	} else {
		run(qlpb, experiment, now_us);
	}
	qlpb_settle(qlpb);
}

static bool take(struct qlpb *qlpb, struct experiment *experiment, size_t len, uint64_t now_us)
{
	const uint8_t *message = experiment->stream.message;

	switch (experiment->state) {
	case EXPERIMENT_HANDSHAKING:
		if (message[0] != QLPB_ID_SUCCESS)
			return false;
		run(qlpb, experiment, now_us);
		return true;
	case EXPERIMENT_RUNNING:
		return experiment->type->message &&
		       experiment->type->message(qlpb, experiment, message, len, now_us);
	case EXPERIMENT_CONNECTING:
	case EXPERIMENT_ENDED:
		break;
	}
	return false;
}

void qlpb_experiment_received(struct qlpb *qlpb, struct experiment *experiment, const uint8_t *data,
			      size_t len, uint64_t now_us)
{
	size_t message_len;
	int r = 0;

	if (!experiment->connected || experiment->state == EXPERIMENT_CONNECTING)
		return;
	while (experiment->state != EXPERIMENT_ENDED &&
	       (r = qlpb_stream_next(&experiment->stream, &data, &len, &message_len)) > 0) {
		if (!take(qlpb, experiment, message_len, now_us))
			r = -EBADMSG;
		if (r < 0)
			break;
	}
	if (r < 0 && experiment->state != EXPERIMENT_ENDED) {
		qlpb_note(qlpb, QLPB_COUNT_VIOLATIONS);
		qlpb_finish(qlpb, experiment, -EPROTO, now_us);
	}
}

void qlpb_experiment_closed(struct qlpb *qlpb, struct experiment *experiment, int error,
			    uint64_t now_us)
{
	int status = error < 0 ? error : -ECONNRESET;

	if (!experiment->connected)
		return;
	experiment->connected = false;
	if (experiment->state == EXPERIMENT_RUNNING && experiment->type->closed &&
	    experiment->type->closed(experiment))
		status = 0;
	qlpb_finish(qlpb, experiment, status, now_us);
}

void qlpb_writable(struct qlpb *qlpb, uint32_t connection, uint64_t now_us)
{
	struct experiment *experiment = qlpb_experiment_find(qlpb, connection);

	if (!experiment || experiment->state != EXPERIMENT_RUNNING || !experiment->type->writable)
		return;
	experiment->type->writable(qlpb, experiment, now_us);
	qlpb_settle(qlpb);
}

/* ---- time ---- */

void qlpb_experiments_tick(struct qlpb *qlpb, uint64_t now_us)
{
	struct experiment *experiment;

	DL_FOREACH(qlpb->experiments, experiment) {
		if (experiment->deadline_us > now_us)
			continue;
		if (experiment->state == EXPERIMENT_RUNNING)
			experiment->type->tick(qlpb, experiment, now_us);
		else
			qlpb_finish(qlpb, experiment, -ETIMEDOUT, now_us);
	}
}

uint64_t qlpb_experiments_deadline_us(const struct qlpb *qlpb)
{
	uint64_t deadline_us = UINT64_MAX;
	struct experiment *experiment;

	DL_FOREACH(qlpb->experiments, experiment)
		deadline_us = qlpb_earlier(deadline_us, experiment->deadline_us);
	return deadline_us;
}

/* ---- probes ---- */

struct qlpb_datagram qlpb_probe_to(const struct experiment *experiment, enum qlpb_socket socket)
{
	return (struct qlpb_datagram){
		.socket = socket,
		.ifindex = experiment->ifindex,
		.destination = experiment->sink,
		.hop_limit = HOP_LIMIT,
		.dont_fragment = true,
		.omit_checksum = socket == QLPB_SOCKET_PROBE && experiment->sink.family == AF_INET,
	};
}
