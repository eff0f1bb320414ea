/* SPDX-License-Identifier: MIT */
/*
 * msg.c: the tables that say how each message, flow record and fact travels.
 */
#include "proto/msg.h"

#include <errno.h>
#include <string.h>

#define NUMBER(tag, member) CODEC_FIELD(tag, struct msg, member, CODEC_NUMBER)

static const struct codec_field msg_fields[] = {
	NUMBER(TAG_PROTOCOL, protocol),
	NUMBER(TAG_MODE, mode),
	NUMBER(TAG_HOST_FLAGS, host_flags),
	NUMBER(TAG_FLOW_ID, flow_id),
	NUMBER(TAG_FLAGS, flags),
	NUMBER(TAG_CLASS, traffic_class),
	NUMBER(TAG_DSCP, dscp),
	NUMBER(TAG_RATE, rate_bps),
	NUMBER(TAG_SHAPING, shaping),
	NUMBER(TAG_REASON, reason),
	NUMBER(TAG_CONDITION, condition),
	NUMBER(TAG_TOKEN, token),
	NUMBER(TAG_COOKIE, cookie),
	CODEC_FIELD(TAG_ADDRESS, struct msg, address, CODEC_ADDRESS),
	CODEC_FIELD(TAG_API, struct msg, api, CODEC_STRING),
	CODEC_FIELD(TAG_VERSION, struct msg, version, CODEC_STRING),
	NUMBER(TAG_SOCKETS, sockets),
	NUMBER(TAG_CONFORMANT_DSCP, conformant_dscp),
	NUMBER(TAG_NONCONFORMANT_DSCP, nonconformant_dscp),
	NUMBER(TAG_CONFORMANT_PRIORITY, conformant_priority),
	NUMBER(TAG_NONCONFORMANT_PRIORITY, nonconformant_priority),
	NUMBER(TAG_CAPACITY, capacity_bps),
	NUMBER(TAG_AVAILABLE, available_bps),
	NUMBER(TAG_RTT, rtt_us),
	NUMBER(TAG_COUNT, count),
	NUMBER(TAG_ENTRIES, entries),
	NUMBER(TAG_MORE, more),
	CODEC_FIELD(TAG_IDS, struct msg, ids, CODEC_BYTES),
	NUMBER(TAG_EVENT, event),
	NUMBER(TAG_TIME, time_us),
	NUMBER(TAG_LOST, lost),
	CODEC_FIELD(TAG_END_REASON, struct msg, end_reason, CODEC_STRING),
	CODEC_FIELD(TAG_RECORD, struct msg, record, CODEC_BYTES),
	CODEC_FIELD(TAG_FACT, struct msg, fact, CODEC_BYTES),
	NUMBER(TAG_DEPTH, depth_bytes),
	NUMBER(TAG_PEAK, peak_bps),
	NUMBER(TAG_MIN_BYTES, min_bytes),
	NUMBER(TAG_MAX_BYTES, max_bytes),
	NUMBER(TAG_EXCESS, excess),
	CODEC_FIELD(TAG_SOURCE, struct msg, source, CODEC_ADDRESS),
	NUMBER(TAG_IP_PROTOCOL, ip_protocol),
	NUMBER(TAG_INTERFACE, ifindex),
	NUMBER(TAG_SESSION, session),
	CODEC_FIELD(TAG_RSVP, struct msg, rsvp, CODEC_BYTES),
	CODEC_FIELD(TAG_QOS, struct msg, qos, CODEC_BYTES),
};
#define N_MSG_FIELDS (sizeof(msg_fields) / sizeof(msg_fields[0]))

_Static_assert(N_MSG_FIELDS == TAG_LAST - 1, "every tag has its row");
_Static_assert(TAG_LAST <= 64, "a bit per tag");

long msg_encode(const struct msg *message, void *buf, size_t capacity)
{
	if (capacity < sizeof(message->head))
		return -EMSGSIZE;
	memcpy(buf, &message->head, sizeof(message->head));
	return codec_encode(msg_fields, N_MSG_FIELDS, message, message->present, buf,
			    sizeof(message->head), capacity);
}

int msg_decode(const void *buf, size_t len, struct msg *ret_message)
{
	const unsigned char *at = buf;
	struct msg message = { 0 };
	int r;

	if (len < sizeof(message.head) || len > MSG_MAX)
		return -EBADMSG;
	memcpy(&message.head, at, sizeof(message.head));
	r = codec_decode(msg_fields, N_MSG_FIELDS, at + sizeof(message.head),
			 len - sizeof(message.head), &message, &message.present);
	if (r < 0)
		return r;
	*ret_message = message;
	return 0;
}

int msg_next(const void *buf, size_t len, uint16_t tag, size_t *position,
	     struct codec_bytes *ret_value)
{
	const unsigned char *at = buf;

	if (len < sizeof(struct msg_head))
		return -EBADMSG;
	return codec_next(at + sizeof(struct msg_head), len - sizeof(struct msg_head), tag,
			  position, ret_value);
}

/* A flow record, with addresses in our own form. */
struct wire_record {
	uint32_t id, uid;
	int32_t pid, protocol;
	uint32_t traffic_class, state;
	int32_t dscp;
	uint64_t rate_bps, cookie;
	struct address local, destination;
	char comm[16], api[16];
	uint64_t conforming_packets, conforming_bytes;
	uint64_t excess_packets, excess_bytes;
	uint64_t dropped_packets, dropped_bytes;
	uint64_t reserved_bps;
	uint32_t shaping, metered;
	uint32_t path_state, path_known; /* RECORD_KNOWS_... */
	uint64_t capacity_bps, available_bps;
	uint32_t rtt_us;
	uint32_t direction;
};

#define RECORD_KNOWS_CAPACITY 0x1u
#define RECORD_KNOWS_AVAILABLE 0x2u
#define RECORD_KNOWS_RTT 0x4u

#define RECORD(tag, member) CODEC_FIELD(tag, struct wire_record, member, CODEC_NUMBER)
static const struct codec_field record_fields[] = {
	RECORD(1, id),
	RECORD(2, uid),
	RECORD(3, pid),
	RECORD(4, protocol),
	RECORD(5, traffic_class),
	RECORD(6, state),
	RECORD(7, dscp),
	RECORD(8, rate_bps),
	RECORD(9, cookie),
	CODEC_FIELD(10, struct wire_record, local, CODEC_ADDRESS),
	CODEC_FIELD(11, struct wire_record, destination, CODEC_ADDRESS),
	CODEC_FIELD(12, struct wire_record, comm, CODEC_STRING),
	CODEC_FIELD(13, struct wire_record, api, CODEC_STRING),
	RECORD(14, conforming_packets),
	RECORD(15, conforming_bytes),
	RECORD(16, excess_packets),
	RECORD(17, excess_bytes),
	RECORD(18, dropped_packets),
	RECORD(19, dropped_bytes),
	RECORD(20, reserved_bps),
	RECORD(21, shaping),
	RECORD(22, metered),
	RECORD(23, path_state),
	RECORD(24, path_known),
	RECORD(25, capacity_bps),
	RECORD(26, available_bps),
	RECORD(27, rtt_us),
	RECORD(28, direction),
};
#define N_RECORD_FIELDS (sizeof(record_fields) / sizeof(record_fields[0]))
#define RECORD_ALL ((CODEC_BIT(N_RECORD_FIELDS + 1) - 1) & ~CODEC_BIT(0))

static void wire_address(const struct sockaddr_storage *sa, struct address *ret_address)
{
	*ret_address = (struct address){ 0 };
	if (sa->ss_family != AF_UNSPEC)
		address_from_sockaddr((const struct sockaddr *)sa, sizeof(*sa), ret_address);
}

static void wire_path(const struct gw_path_info *path, struct wire_record *wire)
{
	wire->path_known = (path->capacity_known ? RECORD_KNOWS_CAPACITY : 0) |
			   (path->available_known ? RECORD_KNOWS_AVAILABLE : 0) |
			   (path->rtt_known ? RECORD_KNOWS_RTT : 0);
	wire->capacity_bps = path->capacity_bps;
	wire->available_bps = path->available_bps;
	wire->rtt_us = path->rtt_us;
}

static struct gw_path_info path_of_wire(const struct wire_record *wire)
{
	return (struct gw_path_info){
		.size = sizeof(struct gw_path_info),
		.capacity_known = (wire->path_known & RECORD_KNOWS_CAPACITY) != 0,
		.available_known = (wire->path_known & RECORD_KNOWS_AVAILABLE) != 0,
		.rtt_known = (wire->path_known & RECORD_KNOWS_RTT) != 0,
		.capacity_bps = wire->capacity_bps,
		.available_bps = wire->available_bps,
		.rtt_us = wire->rtt_us,
	};
}

long record_append(const struct gw_flow_record *record, void *buf, size_t len, size_t capacity)
{
	struct wire_record wire = {
		.id = record->id,
		.uid = record->uid,
		.pid = record->pid,
		.protocol = record->protocol,
		.traffic_class = record->traffic_class,
		.state = record->state,
		.dscp = record->dscp,
		.rate_bps = record->rate_bps,
		.cookie = record->socket_cookie,
		.conforming_packets = record->conforming_packets,
		.conforming_bytes = record->conforming_bytes,
		.excess_packets = record->excess_packets,
		.excess_bytes = record->excess_bytes,
		.dropped_packets = record->dropped_packets,
		.dropped_bytes = record->dropped_bytes,
		.reserved_bps = record->reserved_bps,
		.shaping = record->shaping,
		.metered = record->metered,
		.path_state = record->path_state,
		.direction = record->direction,
	};
	unsigned char nested[640];
	long r;

	wire_path(&record->path, &wire);
	wire_address(&record->local, &wire.local);
	wire_address(&record->destination, &wire.destination);
	memcpy(wire.comm, record->comm, sizeof(wire.comm));
	memcpy(wire.api, record->api, sizeof(wire.api));
	r = codec_encode(record_fields, N_RECORD_FIELDS, &wire, RECORD_ALL, nested, 0,
			 sizeof(nested));
	if (r < 0)
		return r;
	return codec_append(TAG_RECORD, nested, (size_t)r, buf, len, capacity);
}

int record_decode(const struct codec_bytes *bytes, struct gw_flow_record *ret_record)
{
	struct wire_record wire = { 0 };
	uint64_t present;
	int r;

	r = codec_decode(record_fields, N_RECORD_FIELDS, bytes->data, bytes->len, &wire, &present);
	if (r < 0)
		return r;
	*ret_record = (struct gw_flow_record){
		.size = sizeof(*ret_record),
		.id = wire.id,
		.uid = wire.uid,
		.pid = wire.pid,
		.protocol = wire.protocol,
		.traffic_class = (enum gw_class)wire.traffic_class,
		.state = (enum gw_flow_state)wire.state,
		.dscp = wire.dscp,
		.rate_bps = wire.rate_bps,
		.socket_cookie = wire.cookie,
		.conforming_packets = wire.conforming_packets,
		.conforming_bytes = wire.conforming_bytes,
		.excess_packets = wire.excess_packets,
		.excess_bytes = wire.excess_bytes,
		.dropped_packets = wire.dropped_packets,
		.dropped_bytes = wire.dropped_bytes,
		.reserved_bps = wire.reserved_bps,
		.shaping = (enum gw_shaping_method)wire.shaping,
		.metered = wire.metered,
		.path_state = (enum gw_path_state)wire.path_state,
		.path = path_of_wire(&wire),
		.direction = wire.direction,
	};
	address_to_sockaddr(&wire.local, &ret_record->local);
	address_to_sockaddr(&wire.destination, &ret_record->destination);
	memcpy(ret_record->comm, wire.comm, sizeof(wire.comm));
	memcpy(ret_record->api, wire.api, sizeof(wire.api));
	return 0;
}

static const struct codec_field fact_fields[] = {
	CODEC_FIELD(1, struct msg_fact, kind, CODEC_NUMBER),
	CODEC_FIELD(2, struct msg_fact, name, CODEC_STRING),
	CODEC_FIELD(3, struct msg_fact, value, CODEC_STRING),
	CODEC_FIELD(4, struct msg_fact, note, CODEC_STRING),
};
#define N_FACT_FIELDS (sizeof(fact_fields) / sizeof(fact_fields[0]))

long fact_append(const struct msg_fact *fact, void *buf, size_t len, size_t capacity)
{
	unsigned char nested[sizeof(*fact) + 32];
	long r;

	r = codec_encode(fact_fields, N_FACT_FIELDS, fact, UINT64_MAX, nested, 0, sizeof(nested));
	if (r < 0)
		return r;
	return codec_append(TAG_FACT, nested, (size_t)r, buf, len, capacity);
}

int fact_decode(const struct codec_bytes *bytes, struct msg_fact *ret_fact)
{
	struct msg_fact fact = { 0 };
	uint64_t present;
	int r;

	r = codec_decode(fact_fields, N_FACT_FIELDS, bytes->data, bytes->len, &fact, &present);
	if (r < 0)
		return r;
	*ret_fact = fact;
	return 0;
}
