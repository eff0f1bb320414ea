/* SPDX-License-Identifier: MIT */
/*
 * codec.c: the table-driven codec of codec.h. Everything it reads may come from a hostile peer.
 */
#include "proto/codec.h"

#include <errno.h>
#include <string.h>

#include "core/address.h"

#define FIELD_HEAD 4u /* tag and length, 16 bits each */

long codec_append(uint16_t tag, const void *data, size_t data_len, void *buf, size_t len,
		  size_t capacity)
{
	uint16_t head[2] = { tag, (uint16_t)data_len };
	unsigned char *at = buf;

	if (data_len > UINT16_MAX || len > capacity || capacity - len < FIELD_HEAD + data_len)
		return -EMSGSIZE;
	memcpy(at + len, head, FIELD_HEAD);
	if (data_len > 0)
		memcpy(at + len + FIELD_HEAD, data, data_len);
	return (long)(len + FIELD_HEAD + data_len);
}

static struct codec_bytes field_bytes(const struct codec_field *field, const unsigned char *object)
{
	const unsigned char *member = object + field->offset;
	struct codec_bytes bytes = { member, field->size };

	if (field->kind == CODEC_STRING)
		bytes.len = strnlen((const char *)member, field->size - 1u);
	else if (field->kind == CODEC_BYTES)
		memcpy(&bytes, member, sizeof(bytes));
	return bytes;
}

long codec_encode(const struct codec_field *fields, size_t n_fields, const void *object,
		  uint64_t present, void *buf, size_t len, size_t capacity)
{
	for (size_t i = 0; i < n_fields; i++) {
		const struct codec_field *field = &fields[i];
		struct codec_bytes bytes;
		long r;

		if (!(present & CODEC_BIT(field->tag)))
			continue;
		bytes = field_bytes(field, object);
		r = codec_append(field->tag, bytes.data, bytes.len, buf, len, capacity);
		if (r < 0)
			return r;
		len = (size_t)r;
	}
	return (long)len;
}

/* Reads the field at *position; 1, 0 at the end, -EBADMSG. */
static int field_read(const unsigned char *buf, size_t len, size_t *position, uint16_t *ret_tag,
		      struct codec_bytes *ret_value)
{
	uint16_t head[2];

	if (*position == len)
		return 0;
	if (len - *position < FIELD_HEAD)
		return -EBADMSG;
	memcpy(head, buf + *position, FIELD_HEAD);
	if (len - *position - FIELD_HEAD < head[1])
		return -EBADMSG;
	*ret_tag = head[0];
	*ret_value = (struct codec_bytes){ buf + *position + FIELD_HEAD, head[1] };
	*position += FIELD_HEAD + head[1];
	return 1;
}

/* Only one spelling of each address, or two that are equal would not compare so: what a sockaddr gives. */
static int address_check(const struct codec_bytes *value)
{
	struct address address, spelled = { 0 };
	struct sockaddr_storage sockaddr;

	memcpy(&address, value->data, sizeof(address));
	address_to_sockaddr(&address, &sockaddr);
	if (sockaddr.ss_family != AF_UNSPEC)
		address_from_sockaddr((struct sockaddr *)&sockaddr, sizeof(sockaddr), &spelled);
	return address_equal(&address, &spelled) ? 0 : -EBADMSG;
}

static int field_store(const struct codec_field *field, const struct codec_bytes *value,
		       unsigned char *object)
{
	unsigned char *member = object + field->offset;

	switch ((enum codec_kind)field->kind) {
	case CODEC_STRING:
		if (value->len >= field->size || memchr(value->data, 0, value->len))
			return -EBADMSG;
		memcpy(member, value->data, value->len);
		memset(member + value->len, 0, field->size - value->len);
		return 0;
	case CODEC_BYTES:
		memcpy(member, value, sizeof(*value));
		return 0;
	case CODEC_ADDRESS:
		if (value->len != sizeof(struct address) || address_check(value) < 0)
			return -EBADMSG;
		memcpy(member, value->data, value->len);
		return 0;
	case CODEC_NUMBER:
		if (value->len != field->size)
			return -EBADMSG;
		memcpy(member, value->data, value->len);
		return 0;
	}
	return -EBADMSG;
}

static const struct codec_field *field_find(const struct codec_field *fields, size_t n_fields,
					    uint16_t tag)
{
	/* Tables are in the order of their tags, nearly always without gaps. */
	if (tag >= 1 && tag <= n_fields && fields[tag - 1].tag == tag)
		return &fields[tag - 1];
	for (size_t i = 0; i < n_fields; i++)
		if (fields[i].tag == tag)
			return &fields[i];
	return NULL;
}

int codec_decode(const struct codec_field *fields, size_t n_fields, const void *buf, size_t len,
		 void *object, uint64_t *ret_present)
{
	uint64_t present = 0;
	size_t position = 0;
	struct codec_bytes value;
	uint16_t tag;
	int r;

	while ((r = field_read(buf, len, &position, &tag, &value)) > 0) {
		const struct codec_field *field = field_find(fields, n_fields, tag);

		if (!field)
			continue;
		r = field_store(field, &value, object);
		if (r < 0)
			return r;
		present |= CODEC_BIT(tag);
	}
	if (r < 0)
		return r;
	*ret_present = present;
	return 0;
}

int codec_next(const void *buf, size_t len, uint16_t tag, size_t *position,
	       struct codec_bytes *ret_value)
{
	struct codec_bytes value;
	uint16_t found;
	int r;

	while ((r = field_read(buf, len, position, &found, &value)) > 0) {
		if (found == tag) {
			*ret_value = value;
			return 1;
		}
	}
	return r;
}
