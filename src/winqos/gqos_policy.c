/* SPDX-License-Identifier: MIT */
/* gqos_policy.c: see gqos_policy.h. Elements are opaque but for their lengths and types. */
#include "winqos/gqos_policy.h"

#include <qospol.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_POLICY_DATA 14
#define CTYPE_POLICY_DATA 1
#define OBJECT_HEAD 4	   /* length, class, type */
#define POLICY_DATA_HEAD 8 /* that, and where the elements begin */
#define ELEMENT_HEAD RSVP_POLICY_HDR_LEN
#define LIST_HEAD offsetof(RSVP_POLICY_INFO, PolicyElement)

/* Of what the standards number, these are assigned (preemption, user, application); the rest is reserved. */
#define TYPE_FIRST_ASSIGNED 1
#define TYPE_LAST_ASSIGNED 3
#define TYPE_FIRST_FREE 49152

static void put16(uint8_t *at, size_t number)
{
	at[0] = (uint8_t)(number >> 8);
	at[1] = (uint8_t)number;
}

static size_t get16(const uint8_t *at)
{
	return (size_t)at[0] << 8 | at[1];
}

static bool is_reserved(USHORT type)
{
	return type < TYPE_FIRST_ASSIGNED || (type > TYPE_LAST_ASSIGNED && type < TYPE_FIRST_FREE);
}

/*
 * Writes one element of the `left` bytes at `from` to `to`, which has room for all of them, padded. Returns what it
 * takes up in the list, which for the last one may lack its padding; 0: malformed.
 */
static size_t write_element(const unsigned char *from, size_t left, uint8_t *to, USHORT *ret_type)
{
	size_t padded;
	USHORT length;

	if (left < ELEMENT_HEAD)
		return 0;
	memcpy(&length, from, sizeof(length));
	memcpy(ret_type, from + sizeof(length), sizeof(*ret_type));
	padded = RSVP_BYTE_MULTIPLE((size_t)length);
	if (length < ELEMENT_HEAD || length > left || padded > UINT16_MAX)
		return 0;
	memset(to, 0, padded);
	put16(to, padded);
	put16(to + 2, *ret_type);
	memcpy(to + ELEMENT_HEAD, from + ELEMENT_HEAD, length - ELEMENT_HEAD);
	return padded;
}

static int write_elements(const struct gqos_object *object, uint8_t *policy, size_t *ret_length)
{
	const unsigned char *from = object->bytes + LIST_HEAD;
	size_t left = object->length - LIST_HEAD, length = POLICY_DATA_HEAD;
	ULONG count;

	memcpy(&count, object->bytes + offsetof(RSVP_POLICY_INFO, NumPolicyElement), sizeof(count));
	for (ULONG i = 0; i < count; i++) {
		USHORT type;
		size_t taken = write_element(from, left, policy + length, &type);

		if (taken == 0)
			return WSA_QOS_EPOLICYOBJ;
		if (is_reserved(type))
			return WSA_QOS_RESERVED_PETYPE;
		length += taken;
		from += taken < left ? taken : left;
		left -= taken < left ? taken : left;
	}
	/* Of the padding of objects, but not of another element. */
	if (count > 0 && left >= sizeof(RSVP_POLICY))
		return WSA_QOS_EPOLICYOBJ;
	*ret_length = length;
	return 0;
}

int gqos_policy_write(const struct gqos_object *object, void **ret_policy, size_t *ret_length)
{
	size_t length = 0;
	uint8_t *policy;
	int error;

	if (object->length > UINT16_MAX)
		return WSA_QOS_EPOLICYOBJ;
	/* Elements that lack their padding are the last: three bytes more are enough. */
	policy = malloc(POLICY_DATA_HEAD + RSVP_BYTE_MULTIPLE(object->length));
	if (!policy)
		return WSAENOBUFS;
	error = write_elements(object, policy, &length);
	if (!error && length > UINT16_MAX)
		error = WSA_QOS_EPOLICYOBJ;
	if (error || length == POLICY_DATA_HEAD) {
		free(policy);
		policy = NULL;
		length = 0;
	}
	if (error)
		return error;
	if (policy) {
		put16(policy, length);
		policy[2] = CLASS_POLICY_DATA;
		policy[3] = CTYPE_POLICY_DATA;
		put16(policy + 4, POLICY_DATA_HEAD);
		put16(policy + 6, 0);
	}
	*ret_policy = policy;
	*ret_length = length;
	return 0;
}

int gqos_policy_write_at(const RSVP_POLICY_INFO *info, void **ret_policy, size_t *ret_length)
{
	struct gqos_object object = { .bytes = (const unsigned char *)info };
	QOS_OBJECT_HDR head;

	memcpy(&head, info, sizeof(head));
	object.type = head.ObjectType;
	object.length = head.ObjectLength;
	if (object.type != RSVP_OBJECT_POLICY_INFO || object.length < LIST_HEAD)
		return WSA_QOS_EPOLICYOBJ;
	return gqos_policy_write(&object, ret_policy, ret_length);
}

/* ---- the other way ---- */

struct writer {
	unsigned char *at;
	size_t length, capacity;
	ULONG count;
};

static void read_element(struct writer *writer, const uint8_t *element, size_t length)
{
	USHORT head[2] = { (USHORT)length, (USHORT)get16(element + 2) };

	/* Seven more, so that the end can be padded. */
	if (writer->length + length + 7 > writer->capacity)
		return;
	memcpy(writer->at + writer->length, head, sizeof(head));
	memcpy(writer->at + writer->length + sizeof(head), element + ELEMENT_HEAD,
	       length - ELEMENT_HEAD);
	writer->length += length;
	writer->count++;
}

/* The elements of one POLICY_DATA object. */
static void read_object(struct writer *writer, const uint8_t *object, size_t length)
{
	size_t at = length >= POLICY_DATA_HEAD ? get16(object + 4) : length;

	if (at < POLICY_DATA_HEAD)
		return;
	while (at + ELEMENT_HEAD <= length) {
		size_t element = get16(object + at);

		if (element < ELEMENT_HEAD || element % 4 != 0 || element > length - at)
			return;
		read_element(writer, object + at, element);
		at += element;
	}
}

size_t gqos_policy_read(const uint8_t *policy, size_t length, unsigned char *info, size_t capacity)
{
	struct writer writer = { .at = info, .length = LIST_HEAD, .capacity = capacity };
	QOS_OBJECT_HDR head = { .ObjectType = RSVP_OBJECT_POLICY_INFO };
	size_t at = 0;

	while (at + OBJECT_HEAD <= length) {
		size_t object = get16(policy + at);

		if (object < OBJECT_HEAD || object > length - at)
			break;
		if (policy[at + 2] == CLASS_POLICY_DATA)
			read_object(&writer, policy + at, object);
		at += object;
	}
	if (writer.count == 0)
		return 0;
	while (writer.length % 8 != 0)
		info[writer.length++] = 0;
	head.ObjectLength = (ULONG)writer.length;
	memcpy(info, &head, sizeof(head));
	memcpy(info + sizeof(head), &writer.count, sizeof(writer.count));
	return writer.length;
}
