/* SPDX-License-Identifier: MIT */
/*
 * qos.c: the tables that say how the QoS of a socket travels. Numbers for which 0 has a meaning travel one higher, so
 * that what is not stated is 0 and needs no room.
 */
#include "proto/qos.h"

#include <errno.h>

#include "proto/signal_wire.h"

struct wire_direction {
	struct gw_qos_direction said;
	uint32_t latency, slack; /* one higher */
};

struct wire_qos {
	struct wire_direction sending, receiving;
	struct gw_qos qos;
	struct address destination;
	uint32_t dscp, priority; /* one higher */
	struct codec_bytes sending_policy, receiving_policy;
};

#define DIRECTION_FIELDS(tag, structure, member)                                    \
	CODEC_FIELD((tag), structure, member.said.service, CODEC_NUMBER),           \
		CODEC_FIELD((tag) + 1, structure, member.said.flags, CODEC_NUMBER), \
		TSPEC_FIELDS((tag) + 2, structure, member.said.tspec),              \
		CODEC_FIELD((tag) + 7, structure, member.latency, CODEC_NUMBER),    \
		CODEC_FIELD((tag) + 8, structure, member.slack, CODEC_NUMBER)

static const struct codec_field qos_fields[] = {
	DIRECTION_FIELDS(1, struct wire_qos, sending),
	DIRECTION_FIELDS(10, struct wire_qos, receiving),
	CODEC_FIELD(19, struct wire_qos, destination, CODEC_ADDRESS),
	CODEC_FIELD(20, struct wire_qos, dscp, CODEC_NUMBER),
	CODEC_FIELD(21, struct wire_qos, priority, CODEC_NUMBER),
	CODEC_FIELD(22, struct wire_qos, qos.excess, CODEC_NUMBER),
	CODEC_FIELD(23, struct wire_qos, qos.shaping_bps, CODEC_NUMBER),
	CODEC_FIELD(24, struct wire_qos, qos.style, CODEC_NUMBER),
	CODEC_FIELD(25, struct wire_qos, qos.confirm, CODEC_NUMBER),
	CODEC_FIELD(26, struct wire_qos, sending_policy, CODEC_BYTES),
	CODEC_FIELD(27, struct wire_qos, receiving_policy, CODEC_BYTES),
};

/* UINT32_MAX and -1 stand for nothing, and become 0. */
static struct wire_direction to_wire(const struct gw_qos_direction *said)
{
	return (struct wire_direction){
		.said = *said,
		.latency = said->latency_us + 1,
		.slack = said->slack_us + 1,
	};
}

static void from_wire(const struct wire_direction *wire, struct gw_qos_direction *ret_said)
{
	*ret_said = wire->said;
	ret_said->tspec.size = sizeof(ret_said->tspec);
	ret_said->latency_us = wire->latency - 1;
	ret_said->slack_us = wire->slack - 1;
}

static struct codec_bytes policy_of(const void *policy, size_t len)
{
	return len > 0 ? (struct codec_bytes){ policy, len } : (struct codec_bytes){ 0 };
}

long qos_encode(const struct gw_qos *qos, void *buf, size_t capacity)
{
	struct wire_qos wire = {
		.sending = to_wire(&qos->sending),
		.receiving = to_wire(&qos->receiving),
		.qos = *qos,
		.dscp = (uint32_t)qos->dscp + 1,
		.priority = (uint32_t)qos->priority + 1,
		.sending_policy = policy_of(qos->sending_policy, qos->sending_policy_len),
		.receiving_policy = policy_of(qos->receiving_policy, qos->receiving_policy_len),
	};
	long len;

	wire_address(&qos->destination, &wire.destination);
	len = codec_encode(qos_fields, LENGTH(qos_fields), &wire,
			   wire_present(qos_fields, LENGTH(qos_fields), &wire), buf, 0, capacity);
	for (uint32_t i = 0; i < qos->n_flows && len >= 0; i++)
		len = wire_flow_append(&qos->flows[i], buf, (size_t)len, capacity);
	return len;
}

static int decode_flows(const struct codec_bytes *bytes, struct qos_request *request)
{
	struct codec_bytes nested;
	size_t position = 0;
	uint32_t n = 0;
	int r = 0;

	while (r == 0 &&
	       (r = codec_next(bytes->data, bytes->len, TAG_NESTED, &position, &nested)) == 1)
		r = n < GW_RSVP_FLOWS_MAX ? wire_flow_decode(&nested, &request->flows[n++])
					  : -ENOBUFS;
	request->qos.n_flows = n;
	request->qos.flows = n > 0 ? request->flows : NULL;
	return r;
}

int qos_decode(const struct codec_bytes *bytes, struct qos_request *ret_request)
{
	struct gw_qos *qos = &ret_request->qos;
	struct wire_qos wire = { 0 };
	uint64_t present;
	int r;

	r = codec_decode(qos_fields, LENGTH(qos_fields), bytes->data, bytes->len, &wire, &present);
	if (r < 0)
		return r;
	*qos = wire.qos;
	qos->size = sizeof(*qos);
	from_wire(&wire.sending, &qos->sending);
	from_wire(&wire.receiving, &qos->receiving);
	address_to_sockaddr(&wire.destination, &qos->destination);
	qos->dscp = (int32_t)(wire.dscp - 1);
	qos->priority = (int32_t)(wire.priority - 1);
	qos->sending_policy = wire.sending_policy.len > 0 ? wire.sending_policy.data : NULL;
	qos->sending_policy_len = wire.sending_policy.len;
	qos->receiving_policy = wire.receiving_policy.len > 0 ? wire.receiving_policy.data : NULL;
	qos->receiving_policy_len = wire.receiving_policy.len;
	return decode_flows(bytes, ret_request);
}

/* ---- what has been asked for ---- */

struct wire_info {
	struct wire_direction sending, receiving;
	struct gw_qos_info info;
	uint32_t end_to_end; /* one higher */
};

static const struct codec_field info_fields[] = {
	DIRECTION_FIELDS(1, struct wire_info, sending),
	DIRECTION_FIELDS(10, struct wire_info, receiving),
	CODEC_FIELD(19, struct wire_info, info.signals, CODEC_NUMBER),
	CODEC_FIELD(20, struct wire_info, info.traffic_control, CODEC_NUMBER),
	CODEC_FIELD(21, struct wire_info, info.link_bps, CODEC_NUMBER),
	CODEC_FIELD(22, struct wire_info, end_to_end, CODEC_NUMBER),
	CODEC_FIELD(23, struct wire_info, info.sending_reserved, CODEC_NUMBER),
	CODEC_FIELD(24, struct wire_info, info.max_unreserved_bps, CODEC_NUMBER),
};

long qos_info_encode(const struct gw_qos_info *info, void *buf, size_t capacity)
{
	const struct wire_info wire = {
		.sending = to_wire(&info->sending),
		.receiving = to_wire(&info->receiving),
		.info = *info,
		.end_to_end = info->end_to_end + 1,
	};

	return codec_encode(info_fields, LENGTH(info_fields), &wire,
			    wire_present(info_fields, LENGTH(info_fields), &wire), buf, 0,
			    capacity);
}

int qos_info_decode(const struct codec_bytes *bytes, struct gw_qos_info *ret_info)
{
	struct wire_info wire = { 0 };
	uint64_t present;
	int r;

	r = codec_decode(info_fields, LENGTH(info_fields), bytes->data, bytes->len, &wire,
			 &present);
	if (r < 0)
		return r;
	*ret_info = wire.info;
	ret_info->size = sizeof(*ret_info);
	from_wire(&wire.sending, &ret_info->sending);
	from_wire(&wire.receiving, &ret_info->receiving);
	ret_info->end_to_end = wire.end_to_end - 1;
	return 0;
}
