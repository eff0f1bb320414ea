/* SPDX-License-Identifier: MIT */
/*
 * object_neighbour.c: see object.h. What two neighbours say only to each other: identifiers of messages and lists of
 * them (RFC 2961), integrity and challenges (RFC 2747).
 */
#include "rsvp/object.h"

#include <errno.h>

#define IP4_LEN 4u
#define IP6_LEN 16u
#define EPOCH_MASK 0xffffffu
#define HANDSHAKE_FLAGS 0x81 /* bits numbered from the left, and as a widely used decoder has it */

/* ---- reading ---- */

int rsvp_read_message_id(const struct rsvp_object *object, struct rsvp_message_id *ret_id)
{
	bool is_ack = object->class_num == RSVP_CLASS_MESSAGE_ID_ACK;

	if (object->ctype != RSVP_CTYPE_ONLY && !(is_ack && object->ctype == RSVP_CTYPE_NACK))
		return -EPROTONOSUPPORT;
	if (object->len != 12)
		return -EBADMSG;
	*ret_id = (struct rsvp_message_id){
		.flags = object->data[4],
		.epoch = get32(object->data + 4) & EPOCH_MASK,
		.id = get32(object->data + 8),
	};
	return 0;
}

/* Bytes of one entry, by C-Type of the list. */
static unsigned listed_len(uint8_t ctype)
{
	switch (ctype) {
	case RSVP_LIST_IDS:
		return 4;
	case RSVP_LIST_SOURCE4:
		return 4 + IP4_LEN;
	case RSVP_LIST_SOURCE6:
		return 4 + IP6_LEN;
	case RSVP_LIST_GROUP4:
		return 4 + 2 * IP4_LEN;
	case RSVP_LIST_GROUP6:
		return 4 + 2 * IP6_LEN;
	default:
		return 0;
	}
}

int rsvp_check_id_list(const struct rsvp_object *object, uint32_t *ret_epoch)
{
	unsigned each = listed_len(object->ctype);

	if (each == 0)
		return -EPROTONOSUPPORT;
	if (object->len < 8 || (object->len - 8u) % each != 0)
		return -EBADMSG;
	*ret_epoch = get32(object->data + 4) & EPOCH_MASK;
	return 0;
}

unsigned rsvp_id_list_count(const struct rsvp_object *object)
{
	return (object->len - 8u) / listed_len(object->ctype);
}

void rsvp_id_list_get(const struct rsvp_object *object, unsigned i, struct rsvp_listed_id *ret_id)
{
	bool is_ip6 = object->ctype == RSVP_LIST_SOURCE6 || object->ctype == RSVP_LIST_GROUP6;
	const uint8_t *p = object->data + 8 + i * listed_len(object->ctype);
	uint16_t family = is_ip6 ? AF_INET6 : AF_INET;

	*ret_id = (struct rsvp_listed_id){ .id = get32(p) };
	if (object->ctype == RSVP_LIST_IDS)
		return;
	rsvp_get_ip(p + 4, family, &ret_id->source);
	if (object->ctype == RSVP_LIST_GROUP4 || object->ctype == RSVP_LIST_GROUP6)
		rsvp_get_ip(p + 4 + rsvp_ip_len(family), family, &ret_id->group);
}

int rsvp_read_integrity(const struct rsvp_object *object, struct rsvp_integrity *ret_integrity)
{
	if (object->ctype != RSVP_CTYPE_ONLY)
		return -EPROTONOSUPPORT;
	if (object->len <= 20)
		return -EBADMSG;
	ret_integrity->handshake = object->data[4] & HANDSHAKE_FLAGS;
	memcpy(ret_integrity->key_id, object->data + 6, RSVP_KEY_ID_LEN);
	ret_integrity->sequence = get64(object->data + 12);
	ret_integrity->digest = object->data + 20;
	ret_integrity->digest_len = object->len - 20u;
	return 0;
}

int rsvp_read_challenge(const struct rsvp_object *object, struct rsvp_challenge *ret_challenge)
{
	if (object->ctype != RSVP_CTYPE_ONLY)
		return -EPROTONOSUPPORT;
	if (object->len != 20)
		return -EBADMSG;
	memcpy(ret_challenge->key_id, object->data + 6, RSVP_KEY_ID_LEN);
	ret_challenge->cookie = get64(object->data + 12);
	return 0;
}

/* ---- making ---- */

size_t rsvp_encode_message_id(uint8_t *buf, uint8_t class_num, uint8_t ctype,
			      const struct rsvp_message_id *id)
{
	put32(buf + 4, (uint32_t)id->flags << 24 | (id->epoch & EPOCH_MASK));
	put32(buf + 8, id->id);
	return rsvp_encode_header(buf, 12, class_num, ctype);
}

size_t rsvp_encode_challenge(uint8_t *buf, const struct rsvp_challenge *challenge)
{
	put16(buf + 4, 0);
	memcpy(buf + 6, challenge->key_id, RSVP_KEY_ID_LEN);
	put64(buf + 12, challenge->cookie);
	return rsvp_encode_header(buf, 20, RSVP_CLASS_CHALLENGE, RSVP_CTYPE_ONLY);
}
