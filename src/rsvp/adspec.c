/* SPDX-License-Identifier: MIT */
/* adspec.c: see adspec.h. */
#include "rsvp/adspec.h"

#include <errno.h>
#include <math.h>

#define WORD 4u
#define PARAM_LEN 8u /* of one value, with its header */
#define HOPS_MAX 255
#define UNKNOWN_LATENCY UINT32_MAX
#define FIRST_SPECIFIC 128 /* parameters below are general: they override in a service's block */

/* ---- composing values ---- */

static uint32_t saturating_add(uint32_t a, uint32_t b)
{
	return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* 0: somebody on the way does not know. */
static float least_bandwidth(float a, float b)
{
	return fminf(a, b);
}

/* A value of the wire and what the hop has: the value behind the hop. Ids are of one-word general parameters. */
static uint32_t compose_general(uint8_t id, uint32_t arriving, const struct rsvp_adspec_hop *hop,
				const struct rsvp_adspec_offer *offer)
{
	uint8_t bytes[4];
	float bandwidth;

	switch (id) {
	case INTSERV_HOPS:
		return arriving < HOPS_MAX ? arriving + 1 : arriving;
	case INTSERV_BANDWIDTH:
		put32(bytes, arriving);
		bandwidth = offer && offer->has_bandwidth ? offer->bandwidth : hop->bandwidth;
		intserv_put_float(bytes, least_bandwidth(intserv_get_float(bytes), bandwidth));
		return get32(bytes);
	case INTSERV_LATENCY:
		return saturating_add(arriving, offer && offer->has_latency ? offer->latency_us
									    : hop->latency_us);
	default:
		return min_u32(arriving, offer && offer->has_mtu ? offer->mtu : hop->mtu);
	}
}

static bool is_composed(uint8_t id)
{
	return id == INTSERV_HOPS || id == INTSERV_BANDWIDTH || id == INTSERV_LATENCY ||
	       id == INTSERV_MTU;
}

static bool offers_override(const struct rsvp_adspec_offer *offer, uint8_t id)
{
	return (id == INTSERV_BANDWIDTH && offer->has_bandwidth) ||
	       (id == INTSERV_LATENCY && offer->has_latency) ||
	       (id == INTSERV_MTU && offer->has_mtu);
}

/* ---- reading ---- */

/*
 * A float of the wire that is a bandwidth: no NaN, nothing negative (RFC 2215 §3.3). Senders are seen to begin with
 * infinity, and the first hop that knows its own makes it finite.
 */
static bool bandwidth_is_valid(float bandwidth)
{
	return !isnan(bandwidth) && !signbit(bandwidth);
}

/* Checks one parameter of one block, and its place behind the one before. */
static int check_param(const struct intserv_param *param, int last_id)
{
	bool one_word = is_composed(param->id) ||
			(param->id >= INTSERV_C_TOTAL && param->id <= INTSERV_D_SINCE);

	if (one_word && param->len != WORD)
		return -EINVAL;
	if (param->id == INTSERV_BANDWIDTH && !bandwidth_is_valid(intserv_get_float(param->value)))
		return -EINVAL;
	/* A service's own come first, then the overrides; either in the order of their numbers. */
	if (param->id < FIRST_SPECIFIC && last_id >= FIRST_SPECIFIC)
		return 0;
	if (param->id >= FIRST_SPECIFIC && last_id >= 0 && last_id < FIRST_SPECIFIC)
		return -EINVAL;
	return (int)param->id > last_id ? 0 : -EINVAL;
}

/* The value of a parameter in a block that is checked; false: it has none. */
static bool block_value(const struct intserv_block *block, uint8_t id, uint32_t *ret_value)
{
	struct intserv_param param;
	size_t position = 0;

	while (intserv_param_next(block->data, block->len, &position, &param) == 1) {
		if (param.id == id) {
			*ret_value = get32(param.value);
			return true;
		}
	}
	return false;
}

static bool service_is_known(uint8_t service)
{
	return service == INTSERV_GENERAL || service == FLOWSPEC_GUARANTEED ||
	       service == FLOWSPEC_CONTROLLED_LOAD || service == FLOWSPEC_NULL;
}

static int check_block(const struct intserv_block *block)
{
	struct intserv_param param;
	unsigned general = 0, terms = 0;
	size_t position = 0;
	int last_id = -1, r;

	if (!service_is_known(block->service))
		return 0; /* not looked into, here and when composing */
	while ((r = intserv_param_next(block->data, block->len, &position, &param)) == 1) {
		r = check_param(&param, last_id);
		if (r < 0)
			return r;
		last_id = param.id;
		general += is_composed(param.id);
		terms += param.id >= INTSERV_C_TOTAL && param.id <= INTSERV_D_SINCE;
	}
	if (r < 0)
		return -EINVAL;
	if (block->service == INTSERV_GENERAL)
		return general == 4 ? 0 : -EINVAL;
	/* Overrides alone are a block that a hop before us did not fill. */
	if (block->service == FLOWSPEC_GUARANTEED)
		return terms == 4 || terms == 0 ? 0 : -EINVAL;
	return 0;
}

static void read_service(const struct intserv_block *block, const struct rsvp_adspec *general,
			 struct rsvp_adspec_service *service)
{
	uint8_t bytes[4];
	uint32_t value;

	service->present = true;
	service->broken = block->flags & INTSERV_BREAK;
	service->bandwidth = general->bandwidth;
	service->latency_us = general->latency_us;
	service->mtu = general->mtu;
	if (block_value(block, INTSERV_BANDWIDTH, &value)) {
		put32(bytes, value);
		service->bandwidth = intserv_get_float(bytes);
	}
	block_value(block, INTSERV_LATENCY, &service->latency_us);
	block_value(block, INTSERV_MTU, &service->mtu);
}

static void read_general(const struct intserv_block *block, struct rsvp_adspec *adspec)
{
	struct rsvp_adspec_service values = { 0 };

	read_service(block, adspec, &values);
	adspec->broken = values.broken;
	adspec->bandwidth = values.bandwidth;
	adspec->latency_us = values.latency_us;
	adspec->mtu = values.mtu;
	block_value(block, INTSERV_HOPS, &adspec->hops);
}

static void read_block(const struct intserv_block *block, struct rsvp_adspec *adspec)
{
	switch (block->service) {
	case INTSERV_GENERAL:
		read_general(block, adspec);
		break;
	case FLOWSPEC_GUARANTEED:
		read_service(block, adspec, &adspec->guaranteed);
		block_value(block, INTSERV_C_TOTAL, &adspec->c_total);
		block_value(block, INTSERV_D_TOTAL, &adspec->d_total);
		block_value(block, INTSERV_C_SINCE, &adspec->c_since);
		block_value(block, INTSERV_D_SINCE, &adspec->d_since);
		break;
	case FLOWSPEC_CONTROLLED_LOAD:
		read_service(block, adspec, &adspec->controlled_load);
		break;
	case FLOWSPEC_NULL:
		read_service(block, adspec, &adspec->null);
		break;
	default:
		break;
	}
}

int rsvp_read_adspec(const struct rsvp_object *object, struct rsvp_adspec *ret_adspec)
{
	struct rsvp_adspec adspec = { 0 };
	struct intserv_block block;
	size_t len, position = 0;
	const uint8_t *data;
	int last = -1, r;

	if (object->ctype != RSVP_CTYPE_INTSERV)
		return -EPROTONOSUPPORT;
	if (object->len > RSVP_ADSPEC_MAX || intserv_open(object, &data, &len) < 0)
		return -EINVAL;
	while ((r = intserv_block_next(data, len, &position, &block)) == 1) {
		if ((int)block.service <= last || (last < 0 && block.service != INTSERV_GENERAL) ||
		    check_block(&block) < 0)
			return -EINVAL;
		last = block.service;
		read_block(&block, &adspec);
	}
	if (r < 0 || last < 0)
		return -EINVAL;
	*ret_adspec = adspec;
	return 0;
}

/* ---- making ---- */

static uint8_t *put_value(uint8_t *p, uint8_t id, uint8_t flags, uint32_t value)
{
	intserv_put_param(p, id, flags, WORD);
	put32(p + WORD, value);
	return p + PARAM_LEN;
}

static size_t finish(uint8_t *buf, const uint8_t *end)
{
	size_t len = (size_t)(end - buf);

	put16(buf + 4, INTSERV_VERSION);
	put16(buf + 6, (uint16_t)((len - 2 * WORD) / WORD));
	return rsvp_encode_header(buf, len, RSVP_CLASS_ADSPEC, RSVP_CTYPE_INTSERV);
}

/* The bandwidth that the first hop's is never above: the largest number that is one. */
static uint32_t no_bound_yet(void)
{
	return 0x7f7fffff;
}

size_t rsvp_encode_adspec(uint8_t *buf, bool guaranteed, bool controlled_load, bool null)
{
	uint8_t *p = buf + 2 * WORD;

	intserv_put_block(p, INTSERV_GENERAL, 0, 4 * PARAM_LEN);
	p = put_value(p + WORD, INTSERV_HOPS, 0, 0);
	p = put_value(p, INTSERV_BANDWIDTH, 0, no_bound_yet());
	p = put_value(p, INTSERV_LATENCY, 0, 0);
	p = put_value(p, INTSERV_MTU, 0, UINT32_MAX);
	if (guaranteed) {
		intserv_put_block(p, FLOWSPEC_GUARANTEED, 0, 4 * PARAM_LEN);
		p += WORD;
		for (uint8_t id = INTSERV_C_TOTAL; id <= INTSERV_D_SINCE; id++)
			p = put_value(p, id, 0, 0);
	}
	if (controlled_load) {
		intserv_put_block(p, FLOWSPEC_CONTROLLED_LOAD, 0, 0);
		p += WORD;
	}
	if (null) {
		intserv_put_block(p, FLOWSPEC_NULL, 0, 0);
		p += WORD;
	}
	return finish(buf, p);
}

/* ---- composing ---- */

static const struct rsvp_adspec_offer *offer_of(const struct rsvp_adspec_hop *hop, uint8_t service)
{
	switch (service) {
	case FLOWSPEC_GUARANTEED:
		return &hop->guaranteed;
	case FLOWSPEC_CONTROLLED_LOAD:
		return &hop->controlled_load;
	case FLOWSPEC_NULL:
		return &hop->null;
	default:
		return NULL;
	}
}

static uint32_t compose_term(uint8_t id, uint32_t arriving, const struct rsvp_adspec_hop *hop)
{
	bool is_d = id == INTSERV_D_TOTAL || id == INTSERV_D_SINCE;
	bool since = id == INTSERV_C_SINCE || id == INTSERV_D_SINCE;

	return saturating_add(since && hop->reshapes ? 0 : arriving,
			      is_d ? hop->d_us : hop->c_bytes);
}

/* Unchanged, but marked: this hop has not added its own. */
static uint8_t *put_uncomposed(uint8_t *p, const struct intserv_param *param)
{
	intserv_put_param(p, param->id, param->flags | INTSERV_INVALID, param->len);
	memcpy(p + WORD, param->value, param->len);
	return p + WORD + param->len;
}

static uint8_t *put_composed(uint8_t *p, const struct intserv_block *block,
			     const struct intserv_param *param, const struct rsvp_adspec_hop *hop)
{
	bool is_term = block->service == FLOWSPEC_GUARANTEED && param->id >= INTSERV_C_TOTAL &&
		       param->id <= INTSERV_D_SINCE;
	uint32_t value;

	if (!is_term && !is_composed(param->id))
		return put_uncomposed(p, param);
	value = get32(param->value);
	value = is_term ? compose_term(param->id, value, hop)
			: compose_general(param->id, value, hop, offer_of(hop, block->service));
	return put_value(p, param->id, param->flags, value);
}

/* Overrides that only this hop has, with numbers from `from` up to below `to`: composed with the general value. */
static uint8_t *put_new_overrides(uint8_t *p, const struct intserv_block *block,
				  const struct intserv_block *general,
				  const struct rsvp_adspec_hop *hop, unsigned from, unsigned to)
{
	const struct rsvp_adspec_offer *offer = offer_of(hop, block->service);
	uint32_t arriving = 0;

	for (unsigned id = from; offer && id < to; id++) {
		if (!offers_override(offer, (uint8_t)id) ||
		    block_value(block, (uint8_t)id, &arriving))
			continue;
		block_value(general, (uint8_t)id, &arriving);
		p = put_value(p, (uint8_t)id, 0,
			      compose_general((uint8_t)id, arriving, hop, offer));
	}
	return p;
}

static bool has_terms(const struct intserv_block *block)
{
	uint32_t value;

	return block_value(block, INTSERV_C_TOTAL, &value);
}

static uint8_t *put_params(uint8_t *p, const struct intserv_block *block,
			   const struct intserv_block *general, const struct rsvp_adspec_hop *hop)
{
	struct intserv_param param;
	unsigned next_id = 0; /* overrides below it are done */
	size_t position = 0;

	/* An empty block of the guaranteed service: as if it had come with zeros (RFC 2210 §3.3.3). */
	if (block->service == FLOWSPEC_GUARANTEED && !has_terms(block)) {
		for (uint8_t id = INTSERV_C_TOTAL; id <= INTSERV_D_SINCE; id++)
			p = put_value(p, id, 0, compose_term(id, 0, hop));
	}
	while (intserv_param_next(block->data, block->len, &position, &param) == 1) {
		if (param.id < FIRST_SPECIFIC) {
			p = put_new_overrides(p, block, general, hop, next_id, param.id);
			next_id = param.id;
		}
		p = put_composed(p, block, &param, hop);
	}
	return put_new_overrides(p, block, general, hop, next_id, FIRST_SPECIFIC);
}

static uint8_t *put_block_composed(uint8_t *p, const struct intserv_block *block,
				   const struct intserv_block *general,
				   const struct rsvp_adspec_hop *hop)
{
	const struct rsvp_adspec_offer *offer = offer_of(hop, block->service);
	bool known = block->service == INTSERV_GENERAL || (offer && offer->offered);
	uint8_t flags = block->flags;
	uint8_t *end = p + WORD;

	if (!known || (block->service == INTSERV_GENERAL && hop->broken))
		flags |= INTSERV_BREAK;
	if (known) {
		end = put_params(end, block, general, hop);
	} else {
		memcpy(end, block->data, block->len);
		end += block->len;
	}
	intserv_put_block(p, block->service, flags, (size_t)(end - p) - WORD);
	return end;
}

size_t rsvp_compose_adspec(const struct rsvp_object *object, const struct rsvp_adspec_hop *hop,
			   uint8_t *buf)
{
	struct intserv_block block, general = { 0 };
	uint8_t *p = buf + 2 * WORD;
	size_t len = 0, position = 0;
	const uint8_t *data = NULL;

	intserv_open(object, &data, &len);
	while (intserv_block_next(data, len, &position, &block) == 1) {
		if (block.service == INTSERV_GENERAL)
			general = block;
		p = put_block_composed(p, &block, &general, hop);
	}
	return finish(buf, p);
}
