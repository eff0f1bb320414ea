/* SPDX-License-Identifier: MIT */
/* intserv.c: see intserv.h. Lengths within are in words of 4 bytes, without the word that they stand in. */
#include "rsvp/intserv.h"

#include <errno.h>

#define BUCKET_LEN 20u
#define RSPEC_LEN 8u
#define WORD 4u

int intserv_open(const struct rsvp_object *object, const uint8_t **ret_data, size_t *ret_len)
{
	const uint8_t *p = object->data + RSVP_OBJECT_HEADER_LEN;
	size_t len = object->len - (size_t)RSVP_OBJECT_HEADER_LEN;

	if (len < WORD || p[0] >> 4 != INTSERV_VERSION)
		return -EBADMSG;
	if (get16(p + 2) * (size_t)WORD != len - WORD)
		return -EBADMSG;
	*ret_data = p + WORD;
	*ret_len = len - WORD;
	return 0;
}

/* Both have a header of number, flags, length. */
static int next(const uint8_t *data, size_t len, size_t *position, const uint8_t **ret_header,
		size_t *ret_len)
{
	size_t left = len - *position, content;

	if (left == 0)
		return 0;
	if (left < WORD)
		return -EBADMSG;
	content = get16(data + *position + 2) * (size_t)WORD;
	if (content > left - WORD)
		return -EBADMSG;
	*ret_header = data + *position;
	*ret_len = content;
	*position += WORD + content;
	return 1;
}

int intserv_block_next(const uint8_t *data, size_t len, size_t *position,
		       struct intserv_block *ret_block)
{
	const uint8_t *header;
	size_t content;
	int r;

	r = next(data, len, position, &header, &content);
	if (r == 1)
		*ret_block = (struct intserv_block){ header[0], header[1], header + WORD, content };
	return r;
}

int intserv_param_next(const uint8_t *data, size_t len, size_t *position,
		       struct intserv_param *ret_param)
{
	const uint8_t *header;
	size_t content;
	int r;

	r = next(data, len, position, &header, &content);
	if (r == 1)
		*ret_param = (struct intserv_param){ header[0], header[1], header + WORD, content };
	return r;
}

float intserv_get_float(const uint8_t *p)
{
	uint32_t bits = get32(p);
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

void intserv_put_float(uint8_t *p, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	put32(p, bits);
}

static void put_header(uint8_t *p, uint8_t number, uint8_t flags, size_t len)
{
	p[0] = number;
	p[1] = flags;
	put16(p + 2, (uint16_t)(len / WORD));
}

void intserv_put_block(uint8_t *p, uint8_t service, uint8_t flags, size_t len)
{
	put_header(p, service, flags, len);
}

void intserv_put_param(uint8_t *p, uint8_t id, uint8_t flags, size_t len)
{
	put_header(p, id, flags, len);
}

/* ---- reading ---- */

/* Finds a parameter of just that length. -EINVAL: there is none, it occurs twice, or the block is malformed. */
static int find_param(const struct intserv_block *block, uint8_t id, size_t len,
		      const uint8_t **ret_value)
{
	const uint8_t *value = NULL;
	struct intserv_param param;
	size_t position = 0;
	int r;

	while ((r = intserv_param_next(block->data, block->len, &position, &param)) == 1) {
		if (param.id != id)
			continue;
		if (value || param.len != len)
			return -EINVAL;
		value = param.value;
	}
	if (r < 0 || !value)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

static int read_bucket(const struct intserv_block *block, struct rsvp_tspec *ret_tspec)
{
	const uint8_t *p;
	int r;

	r = find_param(block, INTSERV_TOKEN_BUCKET, BUCKET_LEN, &p);
	if (r < 0)
		return r;
	ret_tspec->r = intserv_get_float(p);
	ret_tspec->b = intserv_get_float(p + 4);
	ret_tspec->p = intserv_get_float(p + 8);
	ret_tspec->m = get32(p + 12);
	ret_tspec->M = get32(p + 16);
	return 0;
}

static int read_null(const struct intserv_block *block, uint32_t *ret_M)
{
	const uint8_t *p;
	int r;

	r = find_param(block, INTSERV_NULL_TSPEC, WORD, &p);
	if (r < 0)
		return r;
	*ret_M = get32(p);
	return *ret_M > 0 ? 0 : -EINVAL;
}

static int read_rspec(const struct intserv_block *block, struct rsvp_flowspec *flowspec)
{
	const uint8_t *p;
	int r;

	r = find_param(block, INTSERV_RSPEC, RSPEC_LEN, &p);
	if (r < 0)
		return r;
	flowspec->R = intserv_get_float(p);
	flowspec->S = get32(p + 4);
	return 0;
}

static int read_sender_block(const struct intserv_block *block, struct rsvp_sender_tspec *tspec)
{
	int r;

	switch (block->service) {
	case INTSERV_GENERAL:
		r = read_bucket(block, &tspec->tspec);
		return r < 0 ? r : tspec_check(&tspec->tspec);
	case FLOWSPEC_NULL:
		return read_null(block, &tspec->null_M);
	default:
		return 0; /* an offer that this node does not know */
	}
}

int rsvp_read_sender_tspec(const struct rsvp_object *object, struct rsvp_sender_tspec *ret_tspec)
{
	struct rsvp_sender_tspec tspec = { 0 };
	struct intserv_block block;
	const uint8_t *data;
	size_t len, position = 0;
	int r;

	if (object->ctype != RSVP_CTYPE_INTSERV)
		return -EPROTONOSUPPORT;
	if (intserv_open(object, &data, &len) < 0)
		return -EINVAL;
	while ((r = intserv_block_next(data, len, &position, &block)) == 1) {
		r = read_sender_block(&block, &tspec);
		if (r < 0)
			return r;
	}
	if (r < 0 || (tspec.tspec.M == 0 && tspec.null_M == 0))
		return -EINVAL;
	*ret_tspec = tspec;
	return 0;
}

static int read_flowspec_block(const struct intserv_block *block, struct rsvp_flowspec *flowspec)
{
	int r;

	switch (block->service) {
	case FLOWSPEC_GUARANTEED:
		r = read_rspec(block, flowspec);
		return r < 0 ? r : read_bucket(block, &flowspec->tspec);
	case FLOWSPEC_CONTROLLED_LOAD:
		return read_bucket(block, &flowspec->tspec);
	case FLOWSPEC_NULL:
		return read_null(block, &flowspec->tspec.M);
	default:
		return -EOPNOTSUPP;
	}
}

int rsvp_read_flowspec(const struct rsvp_object *object, struct rsvp_flowspec *ret_flowspec)
{
	struct rsvp_flowspec flowspec = { 0 };
	struct intserv_block block;
	const uint8_t *data;
	size_t len, position = 0;
	int r;

	if (object->ctype != RSVP_CTYPE_INTSERV)
		return -EPROTONOSUPPORT;
	if (intserv_open(object, &data, &len) < 0)
		return -EINVAL;
	if (intserv_block_next(data, len, &position, &block) != 1 || position != len)
		return -EINVAL;
	flowspec.service = block.service;
	r = read_flowspec_block(&block, &flowspec);
	if (r < 0)
		return r;
	r = flowspec_check(&flowspec);
	if (r < 0)
		return r;
	*ret_flowspec = flowspec;
	return 0;
}

/* ---- making ---- */

static uint8_t *put_bucket(uint8_t *p, const struct rsvp_tspec *tspec)
{
	intserv_put_param(p, INTSERV_TOKEN_BUCKET, 0, BUCKET_LEN);
	intserv_put_float(p + 4, tspec->r);
	intserv_put_float(p + 8, tspec->b);
	intserv_put_float(p + 12, tspec->p);
	put32(p + 16, tspec->m);
	put32(p + 20, tspec->M);
	return p + WORD + BUCKET_LEN;
}

static uint8_t *put_null(uint8_t *p, uint32_t M)
{
	intserv_put_block(p, FLOWSPEC_NULL, 0, 2 * WORD);
	intserv_put_param(p + 4, INTSERV_NULL_TSPEC, 0, WORD);
	put32(p + 8, M);
	return p + 3 * WORD;
}

/* Version 0, and the length of what stands behind the first word. */
static size_t finish(uint8_t *buf, const uint8_t *end, uint8_t class_num)
{
	size_t len = (size_t)(end - buf);

	put16(buf + 4, INTSERV_VERSION);
	put16(buf + 6, (uint16_t)((len - 2 * WORD) / WORD));
	return rsvp_encode_header(buf, len, class_num, RSVP_CTYPE_INTSERV);
}

size_t rsvp_encode_sender_tspec(uint8_t *buf, const struct rsvp_sender_tspec *tspec)
{
	uint8_t *p = buf + 2 * WORD;

	if (tspec->tspec.M > 0) {
		intserv_put_block(p, INTSERV_GENERAL, 0, WORD + BUCKET_LEN);
		p = put_bucket(p + WORD, &tspec->tspec);
	}
	if (tspec->null_M > 0)
		p = put_null(p, tspec->null_M);
	return finish(buf, p, RSVP_CLASS_SENDER_TSPEC);
}

size_t rsvp_encode_flowspec(uint8_t *buf, const struct rsvp_flowspec *flowspec)
{
	bool guaranteed = flowspec->service == FLOWSPEC_GUARANTEED;
	size_t len = WORD + BUCKET_LEN + (guaranteed ? WORD + RSPEC_LEN : 0);
	uint8_t *p = buf + 2 * WORD;

	if (flowspec->service == FLOWSPEC_NULL)
		return finish(buf, put_null(p, flowspec->tspec.M), RSVP_CLASS_FLOWSPEC);

	intserv_put_block(p, (uint8_t)flowspec->service, 0, len);
	p = put_bucket(p + WORD, &flowspec->tspec);
	if (guaranteed) {
		intserv_put_param(p, INTSERV_RSPEC, 0, RSPEC_LEN);
		intserv_put_float(p + 4, flowspec->R);
		put32(p + 8, flowspec->S);
		p += WORD + RSPEC_LEN;
	}
	return finish(buf, p, RSVP_CLASS_FLOWSPEC);
}
