/* SPDX-License-Identifier: MIT */
/* diag.c: see diag.h. C-Type 1 is of IPv4, 2 of IPv6; DIAG_SELECT has but one. */
#include "rsvp/diag.h"

#include <errno.h>

#define MORE_FRAGMENTS 0x01
#define MERGED 0x80

static uint16_t family_of(uint8_t ctype)
{
	return ctype == 1 ? AF_INET : AF_INET6;
}

static size_t ip_len(uint8_t ctype)
{
	return rsvp_ip_len(family_of(ctype));
}

static uint8_t ctype_of(uint16_t family)
{
	return family == AF_INET ? 1 : 2;
}

/* Reads an address of a C-Type and moves on. */
static void take_address(const uint8_t **p, uint8_t ctype, struct address *ret_address)
{
	rsvp_get_ip(*p, family_of(ctype), ret_address);
	*p += ip_len(ctype);
}

/* ---- checking and reading ---- */

/* The two senders of a DIAGNOSTIC: whole objects, which end where it does. */
static int read_senders(const uint8_t *data, size_t len, struct rsvp_diagnostic *diagnostic)
{
	struct rsvp_object template, requester;
	size_t position = 0;

	if (rsvp_object_next(data, len, &position, &template) != 1 ||
	    rsvp_object_next(data, len, &position, &requester) != 1 || position != len)
		return -EBADMSG;
	if (template.class_num != RSVP_CLASS_SENDER_TEMPLATE ||
	    requester.class_num != RSVP_CLASS_FILTER_SPEC)
		return -EBADMSG;
	if (rsvp_read_sender(&template, &diagnostic->sender) < 0 ||
	    rsvp_read_sender(&requester, &diagnostic->requester) < 0)
		return -EBADMSG;
	return 0;
}

int rsvp_read_diagnostic(const struct rsvp_object *object, struct rsvp_diagnostic *ret_diagnostic)
{
	const uint8_t *p = object->data + RSVP_OBJECT_HEADER_LEN;
	struct rsvp_diagnostic diagnostic;
	int r;

	if (object->ctype != 1 && object->ctype != 2)
		return -EPROTONOSUPPORT;
	if (object->len < RSVP_OBJECT_HEADER_LEN + 12 + ip_len(object->ctype))
		return -EBADMSG;
	diagnostic = (struct rsvp_diagnostic){
		.max_hops = p[0],
		.hop_count = p[1],
		.more_fragments = p[3] & MORE_FRAGMENTS,
		.request_id = get32(p + 4),
		.path_mtu = get16(p + 8),
		.fragment_offset = get16(p + 10),
	};
	p += 12;
	take_address(&p, object->ctype, &diagnostic.last_hop);
	r = read_senders(p, (size_t)(object->data + object->len - p), &diagnostic);
	if (r < 0)
		return r;
	*ret_diagnostic = diagnostic;
	return 0;
}

int rsvp_read_diag_response(const struct rsvp_object *object,
			    struct rsvp_diag_response *ret_response)
{
	const uint8_t *p = object->data + RSVP_OBJECT_HEADER_LEN;
	struct rsvp_diag_response response;
	struct rsvp_object nested;
	size_t position = 0;
	int r;

	if (object->ctype != 1 && object->ctype != 2)
		return -EPROTONOSUPPORT;
	if (object->len < RSVP_OBJECT_HEADER_LEN + 8 + 3 * ip_len(object->ctype))
		return -EBADMSG;
	response = (struct rsvp_diag_response){ .arrival_ntp = get32(p) };
	p += 4;
	take_address(&p, object->ctype, &response.in);
	take_address(&p, object->ctype, &response.out);
	take_address(&p, object->ctype, &response.previous);
	response.d_ttl = p[0];
	response.merged = p[1] & MERGED;
	response.error = p[1] >> 4 & 7;
	response.k = p[1] & 0xf;
	response.timer_s = get16(p + 2);
	response.objects = p + 4;
	response.objects_len = (size_t)(object->data + object->len - response.objects);
	while ((r = rsvp_object_next(response.objects, response.objects_len, &position, &nested)) ==
	       1)
		;
	if (r < 0)
		return r;
	*ret_response = response;
	return 0;
}

static int check_route(const struct rsvp_object *object)
{
	if (object->ctype != 1 && object->ctype != 2)
		return -EPROTONOSUPPORT;
	if (object->len < 8 || (object->len - 8u) % ip_len(object->ctype) != 0)
		return -EBADMSG;
	return rsvp_route_pointer(object) <= rsvp_route_count(object) ? 0 : -EBADMSG;
}

int rsvp_check_diag(const struct rsvp_object *object)
{
	struct rsvp_diag_response response;
	struct rsvp_diagnostic diagnostic;

	switch (object->class_num) {
	case RSVP_CLASS_DIAGNOSTIC:
		return rsvp_read_diagnostic(object, &diagnostic);
	case RSVP_CLASS_DIAG_RESPONSE:
		return rsvp_read_diag_response(object, &response);
	case RSVP_CLASS_ROUTE:
		return check_route(object);
	default:
		return object->ctype == RSVP_CTYPE_ONLY ? 0 : -EPROTONOSUPPORT;
	}
}

unsigned rsvp_route_count(const struct rsvp_object *object)
{
	return (unsigned)((object->len - 8u) / ip_len(object->ctype));
}

unsigned rsvp_route_pointer(const struct rsvp_object *object)
{
	return object->data[7];
}

void rsvp_route_get(const struct rsvp_object *object, unsigned i, struct address *ret_address)
{
	const uint8_t *p = object->data + 8 + i * ip_len(object->ctype);

	take_address(&p, object->ctype, ret_address);
}

bool rsvp_diag_selects(const struct rsvp_object *select, uint8_t class_num, uint8_t ctype)
{
	/* Padded with zeros, which is the class NULL. */
	for (unsigned i = RSVP_OBJECT_HEADER_LEN; i + 1 < select->len; i += 2) {
		if (select->data[i] == class_num && class_num != RSVP_CLASS_NULL &&
		    (select->data[i + 1] == 0 || select->data[i + 1] == ctype))
			return true;
	}
	return false;
}

/* ---- making ---- */

size_t rsvp_encode_diagnostic(uint8_t *buf, const struct rsvp_diagnostic *diagnostic)
{
	uint16_t family = diagnostic->last_hop.family;
	uint8_t *p = buf + RSVP_OBJECT_HEADER_LEN;

	p[0] = diagnostic->max_hops;
	p[1] = diagnostic->hop_count;
	put16(p + 2, diagnostic->more_fragments ? MORE_FRAGMENTS : 0);
	put32(p + 4, diagnostic->request_id);
	put16(p + 8, diagnostic->path_mtu);
	put16(p + 10, diagnostic->fragment_offset);
	p += 12;
	p = rsvp_put_ip(p, family, diagnostic->last_hop.addr);
	p += rsvp_encode_sender(p, RSVP_CLASS_SENDER_TEMPLATE, &diagnostic->sender);
	p += rsvp_encode_sender(p, RSVP_CLASS_FILTER_SPEC, &diagnostic->requester);
	return rsvp_encode_header(buf, (size_t)(p - buf), RSVP_CLASS_DIAGNOSTIC, ctype_of(family));
}

size_t rsvp_encode_diag_response(uint8_t *buf, const struct rsvp_diag_response *response)
{
	uint16_t family = response->previous.family;
	uint8_t *p = buf + RSVP_OBJECT_HEADER_LEN;

	put32(p, response->arrival_ntp);
	p += 4;
	p = rsvp_put_ip(p, family, response->in.addr);
	p = rsvp_put_ip(p, family, response->out.addr);
	p = rsvp_put_ip(p, family, response->previous.addr);
	p[0] = response->d_ttl;
	p[1] = (uint8_t)((response->merged ? MERGED : 0) | (response->error & 7) << 4 |
			 (response->k & 0xf));
	put16(p + 2, response->timer_s);
	p += 4;
	if (response->objects_len > 0)
		memcpy(p, response->objects, response->objects_len);
	return rsvp_encode_header(buf, (size_t)(p - buf) + response->objects_len,
				  RSVP_CLASS_DIAG_RESPONSE, ctype_of(family));
}
