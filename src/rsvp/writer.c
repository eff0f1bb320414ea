/* SPDX-License-Identifier: MIT */
/* writer.c: see writer.h. */
#include "rsvp/writer.h"

#include <errno.h>

/* Room for that many bytes, zeroed; NULL: there is none, which is noted. */
static uint8_t *room(struct rsvp_writer *writer, size_t len)
{
	uint8_t *p = writer->buf + writer->len;

	if (writer->overflow || len > writer->capacity - writer->len) {
		writer->overflow = true;
		return NULL;
	}
	memset(p, 0, len);
	writer->len += len;
	return p;
}

/* Room for an object with its header written. */
static uint8_t *room_for_object(struct rsvp_writer *writer, size_t len, uint8_t class_num,
				uint8_t ctype)
{
	uint8_t *p;

	if (len > RSVP_MESSAGE_MAX) {
		writer->overflow = true;
		return NULL;
	}
	p = room(writer, len);
	if (p)
		rsvp_encode_header(p, len, class_num, ctype);
	return p;
}

void rsvp_writer_start(struct rsvp_writer *writer, uint8_t *buf, size_t capacity,
		       enum rsvp_type type, uint8_t flags, uint8_t send_ttl)
{
	uint8_t *header;

	*writer = (struct rsvp_writer){
		.buf = buf,
		.capacity = capacity < RSVP_MESSAGE_MAX ? capacity : RSVP_MESSAGE_MAX,
	};
	header = room(writer, RSVP_HEADER_LEN);
	if (!header)
		return;
	header[0] = (uint8_t)(RSVP_VERSION << 4 | (flags & 0xf));
	header[1] = (uint8_t)type;
	header[4] = send_ttl;
}

void rsvp_put_raw(struct rsvp_writer *writer, const void *data, size_t len)
{
	uint8_t *p = room(writer, len);

	if (p && len > 0)
		memcpy(p, data, len);
}

void rsvp_put_object(struct rsvp_writer *writer, const struct rsvp_object *object)
{
	rsvp_put_raw(writer, object->data, object->len);
}

void rsvp_put_session(struct rsvp_writer *writer, const struct rsvp_session *session, uint8_t flags)
{
	uint8_t object[RSVP_OBJECT_SMALL];

	rsvp_put_raw(writer, object, rsvp_encode_session(object, session, flags));
}

void rsvp_put_hop(struct rsvp_writer *writer, const struct rsvp_hop *hop)
{
	uint8_t object[RSVP_OBJECT_SMALL];

	rsvp_put_raw(writer, object, rsvp_encode_hop(object, hop));
}

void rsvp_put_time_values(struct rsvp_writer *writer, uint32_t refresh_ms)
{
	uint8_t object[RSVP_OBJECT_SMALL];

	rsvp_put_raw(writer, object, rsvp_encode_time_values(object, refresh_ms));
}

void rsvp_put_style(struct rsvp_writer *writer, enum rsvp_style style)
{
	uint8_t object[RSVP_OBJECT_SMALL];

	rsvp_put_raw(writer, object, rsvp_encode_style(object, style));
}

void rsvp_put_sender(struct rsvp_writer *writer, const struct rsvp_sender *sender,
		     const struct rsvp_sender_tspec *tspec)
{
	uint8_t object[RSVP_OBJECT_SMALL];

	rsvp_put_raw(writer, object,
		     rsvp_encode_sender(object, RSVP_CLASS_SENDER_TEMPLATE, sender));
	if (tspec)
		rsvp_put_raw(writer, object, rsvp_encode_sender_tspec(object, tspec));
}

void rsvp_put_flowspec(struct rsvp_writer *writer, const struct rsvp_flowspec *flowspec)
{
	uint8_t object[RSVP_OBJECT_SMALL];

	rsvp_put_raw(writer, object, rsvp_encode_flowspec(object, flowspec));
}

void rsvp_put_filter(struct rsvp_writer *writer, const struct rsvp_sender *sender)
{
	uint8_t object[RSVP_OBJECT_SMALL];

	rsvp_put_raw(writer, object, rsvp_encode_sender(object, RSVP_CLASS_FILTER_SPEC, sender));
}

void rsvp_put_error(struct rsvp_writer *writer, const struct rsvp_error_spec *error)
{
	uint8_t object[RSVP_OBJECT_SMALL];

	rsvp_put_raw(writer, object, rsvp_encode_error(object, error));
}

void rsvp_put_confirm(struct rsvp_writer *writer, const struct address *receiver)
{
	uint8_t object[RSVP_OBJECT_SMALL];

	rsvp_put_raw(writer, object, rsvp_encode_confirm(object, receiver));
}

static void put_addresses(struct rsvp_writer *writer, uint8_t class_num, size_t before,
			  uint8_t last_before, const struct address *addresses, size_t n)
{
	uint16_t family = n > 0 ? addresses[0].family : AF_INET;
	uint8_t *p = room_for_object(writer,
				     RSVP_OBJECT_HEADER_LEN + before + n * rsvp_ip_len(family),
				     class_num, family == AF_INET ? 1 : 2);

	if (!p)
		return;
	p += RSVP_OBJECT_HEADER_LEN + before;
	if (before > 0)
		p[-1] = last_before;
	for (size_t i = 0; i < n; i++)
		p = rsvp_put_ip(p, family, addresses[i].addr);
}

void rsvp_put_scope(struct rsvp_writer *writer, const struct address *senders, size_t n_senders)
{
	put_addresses(writer, RSVP_CLASS_SCOPE, 0, 0, senders, n_senders);
}

void rsvp_put_route(struct rsvp_writer *writer, uint8_t pointer, const struct address *nodes,
		    size_t n_nodes)
{
	put_addresses(writer, RSVP_CLASS_ROUTE, 4, pointer, nodes, n_nodes);
}

void rsvp_put_dclass(struct rsvp_writer *writer, const uint8_t *dscps, size_t n_dscps)
{
	uint8_t *p = room_for_object(writer, RSVP_OBJECT_HEADER_LEN + 4 * n_dscps,
				     RSVP_CLASS_DCLASS, RSVP_CTYPE_ONLY);

	for (size_t i = 0; p && i < n_dscps; i++)
		p[RSVP_OBJECT_HEADER_LEN + 4 * i + 3] = (uint8_t)(dscps[i] << 2);
}

void rsvp_put_message_id(struct rsvp_writer *writer, const struct rsvp_message_id *id)
{
	uint8_t object[RSVP_OBJECT_SMALL];

	rsvp_put_raw(writer, object,
		     rsvp_encode_message_id(object, RSVP_CLASS_MESSAGE_ID, RSVP_CTYPE_ONLY, id));
}

void rsvp_put_ack(struct rsvp_writer *writer, uint8_t ctype, const struct rsvp_message_id *id)
{
	struct rsvp_message_id acked = *id;
	uint8_t object[RSVP_OBJECT_SMALL];

	acked.flags = 0; /* RFC 2961 §4.3: ACK_Desired is of what is acknowledged */
	rsvp_put_raw(writer, object,
		     rsvp_encode_message_id(object, RSVP_CLASS_MESSAGE_ID_ACK, ctype, &acked));
}

void rsvp_put_id_list(struct rsvp_writer *writer, enum rsvp_list list, uint32_t epoch,
		      const struct rsvp_listed_id *ids, size_t n_ids)
{
	bool has_group = list == RSVP_LIST_GROUP4 || list == RSVP_LIST_GROUP6;
	uint16_t family = list == RSVP_LIST_SOURCE4 || list == RSVP_LIST_GROUP4 ? AF_INET
										: AF_INET6;
	size_t each = 4 + (list == RSVP_LIST_IDS ? 0 : rsvp_ip_len(family) * (has_group ? 2 : 1));
	uint8_t *p = room_for_object(writer, 8 + n_ids * each, RSVP_CLASS_MESSAGE_ID_LIST,
				     (uint8_t)list);

	if (!p)
		return;
	put32(p + 4, epoch & 0xffffff);
	p += 8;
	for (size_t i = 0; i < n_ids; i++) {
		put32(p, ids[i].id);
		p += 4;
		if (list != RSVP_LIST_IDS)
			p = rsvp_put_ip(p, family, ids[i].source.addr);
		if (has_group)
			p = rsvp_put_ip(p, family, ids[i].group.addr);
	}
}

void rsvp_put_integrity(struct rsvp_writer *writer, bool handshake,
			const uint8_t key_id[static RSVP_KEY_ID_LEN], uint64_t sequence,
			size_t digest_len)
{
	uint8_t *p =
		room_for_object(writer, 20 + digest_len, RSVP_CLASS_INTEGRITY, RSVP_CTYPE_ONLY);

	if (!p)
		return;
	p[4] = handshake ? 0x80 : 0;
	memcpy(p + 6, key_id, RSVP_KEY_ID_LEN);
	put64(p + 12, sequence);
}

void rsvp_put_challenge(struct rsvp_writer *writer, const struct rsvp_challenge *challenge)
{
	uint8_t object[RSVP_OBJECT_SMALL];

	rsvp_put_raw(writer, object, rsvp_encode_challenge(object, challenge));
}

void rsvp_put_diagnostic(struct rsvp_writer *writer, const struct rsvp_diagnostic *diagnostic)
{
	uint8_t object[RSVP_DIAGNOSTIC_MAX];

	rsvp_put_raw(writer, object, rsvp_encode_diagnostic(object, diagnostic));
}

void rsvp_put_diag_response(struct rsvp_writer *writer, const struct rsvp_diag_response *response)
{
	uint8_t fixed[RSVP_DIAG_RESPONSE_FIXED_MAX];
	struct rsvp_diag_response empty = *response;
	size_t len, at = writer->len;

	if (response->objects_len > RSVP_MESSAGE_MAX) {
		writer->overflow = true;
		return;
	}
	empty.objects_len = 0;
	len = rsvp_encode_diag_response(fixed, &empty);
	rsvp_put_raw(writer, fixed, len);
	rsvp_put_raw(writer, response->objects, response->objects_len);
	if (!writer->overflow)
		put16(writer->buf + at, (uint16_t)(len + response->objects_len));
}

void rsvp_set_checksum(uint8_t *message, size_t len)
{
	put16(message + 2, rsvp_checksum(message, len));
}

int rsvp_writer_finish(struct rsvp_writer *writer, size_t *ret_len)
{
	if (writer->overflow)
		return -EMSGSIZE;
	put16(writer->buf + 6, (uint16_t)writer->len);
	rsvp_set_checksum(writer->buf, writer->len);
	*ret_len = writer->len;
	return 0;
}
