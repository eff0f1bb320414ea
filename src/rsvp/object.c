/* SPDX-License-Identifier: MIT */
/*
 * object.c: see object.h. Fields that are not used are not looked at on receipt, and zero when sent (RFC 2205
 * App. A).
 */
#include "rsvp/object.h"

#include <errno.h>

#define IP4_LEN 4u
#define IP6_LEN 16u
#define FLOW_LABEL_MAX 0xfffffu
#define STYLE_MASK 0x1f

int rsvp_object_next(const uint8_t *data, size_t len, size_t *position,
		     struct rsvp_object *ret_object)
{
	const uint8_t *object = data + *position;
	size_t left = len - *position;
	uint16_t object_len;

	if (left == 0)
		return 0;
	if (left < RSVP_OBJECT_HEADER_LEN)
		return -EBADMSG;
	object_len = get16(object);
	if (object_len < RSVP_OBJECT_HEADER_LEN || object_len % 4 != 0 || object_len > left)
		return -EBADMSG;
	*ret_object = (struct rsvp_object){ object, object_len, object[2], object[3] };
	*position += object_len;
	return 1;
}

int rsvp_object_find(const uint8_t *data, size_t len, size_t *position, uint8_t class_num,
		     struct rsvp_object *ret_object)
{
	struct rsvp_object object;

	while (rsvp_object_next(data, len, position, &object) == 1) {
		if (object.class_num == class_num) {
			*ret_object = object;
			return 1;
		}
	}
	return 0;
}

uint16_t rsvp_checksum(const uint8_t *data, size_t len)
{
	uint64_t sum = 0;
	uint16_t result;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += i == 2 ? 0 : get16(data + i);
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	result = (uint16_t)~sum;
	return result ? result : 0xffff;
}

/* ---- addresses ---- */

static void get_ip(const uint8_t *p, uint16_t family, uint8_t ret_bytes[16])
{
	memset(ret_bytes, 0, 16);
	if (family == AF_INET) {
		ret_bytes[10] = ret_bytes[11] = 0xff;
		memcpy(ret_bytes + 12, p, IP4_LEN);
	} else {
		memcpy(ret_bytes, p, IP6_LEN);
	}
}

uint8_t *rsvp_put_ip(uint8_t *p, uint16_t family, const uint8_t bytes[16])
{
	size_t len = rsvp_ip_len(family);

	memcpy(p, bytes + 16 - len, len);
	return p + len;
}

void rsvp_get_ip(const uint8_t *p, uint16_t family, struct address *ret_address)
{
	*ret_address = (struct address){ .family = family };
	get_ip(p, family, ret_address->addr);
}

static void make_address(const uint8_t bytes[16], uint16_t family, uint16_t port,
			 struct address *ret_address)
{
	*ret_address = (struct address){ .family = family, .port = port };
	memcpy(ret_address->addr, bytes, sizeof(ret_address->addr));
}

void rsvp_session_address(const struct rsvp_session *session, struct address *ret_address)
{
	make_address(session->address, session->family,
		     session->form == RSVP_FORM_PORTS ? session->port : 0, ret_address);
}

void rsvp_sender_address(const struct rsvp_sender *sender, struct address *ret_address)
{
	make_address(sender->address, sender->family,
		     sender->form == RSVP_FORM_PORTS ? (uint16_t)sender->id : 0, ret_address);
}

bool rsvp_sender_fits(const struct rsvp_session *session, const struct rsvp_sender *sender)
{
	if (session->family != sender->family)
		return false;
	if (sender->form == RSVP_FORM_FLOW_LABEL)
		return session->form == RSVP_FORM_PORTS;
	return session->form == sender->form;
}

/* An address that IPv6 objects must not hold: an IPv4 host would be two hosts. */
static bool is_mapped(const struct address *address)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };

	return address->family == AF_INET6 && memcmp(address->addr, prefix, sizeof(prefix)) == 0;
}

static bool is_loopback(const struct address *address)
{
	static const uint8_t loopback6[16] = { [15] = 1 };

	if (address->family == AF_INET)
		return address->addr[12] == 127;
	return memcmp(address->addr, loopback6, sizeof(loopback6)) == 0;
}

static bool is_host(const struct address *address)
{
	return !address_is_unspecified(address) && !address_is_multicast(address) &&
	       !is_mapped(address);
}

/* ---- reading ---- */

/* C-Types 1 and 2 with an address of IPv4 or IPv6, and `extra` bytes after it. */
static int family_of(const struct rsvp_object *object, unsigned extra, uint16_t *ret_family)
{
	uint16_t family = object->ctype == 1 ? AF_INET : AF_INET6;

	if (object->ctype != 1 && object->ctype != 2)
		return -EPROTONOSUPPORT;
	if (object->len != RSVP_OBJECT_HEADER_LEN + rsvp_ip_len(family) + extra)
		return -EBADMSG;
	*ret_family = family;
	return 0;
}

/* The C-Types that SESSION, FILTER_SPEC and SENDER_TEMPLATE share, but for 3 and 4. */
struct ctype_form {
	uint8_t ctype;
	uint16_t family;
	uint8_t form;
	uint8_t len;
};

static const struct ctype_form session_ctypes[] = {
	{ 1, AF_INET, RSVP_FORM_PORTS, 12 },	 { 2, AF_INET6, RSVP_FORM_PORTS, 24 },
	{ 3, AF_INET, RSVP_FORM_GPI, 12 },	 { 4, AF_INET6, RSVP_FORM_GPI, 24 },
	{ 9, AF_INET, RSVP_FORM_AGGREGATE, 12 }, { 10, AF_INET6, RSVP_FORM_AGGREGATE, 24 },
};

static const struct ctype_form sender_ctypes[] = {
	{ 1, AF_INET, RSVP_FORM_PORTS, 12 },	   { 2, AF_INET6, RSVP_FORM_PORTS, 24 },
	{ 3, AF_INET6, RSVP_FORM_FLOW_LABEL, 24 }, { 4, AF_INET, RSVP_FORM_GPI, 12 },
	{ 5, AF_INET6, RSVP_FORM_GPI, 24 },	   { 9, AF_INET, RSVP_FORM_AGGREGATE, 8 },
	{ 10, AF_INET6, RSVP_FORM_AGGREGATE, 20 },
};

#define N_SESSION_CTYPES (sizeof(session_ctypes) / sizeof(session_ctypes[0]))
#define N_SENDER_CTYPES (sizeof(sender_ctypes) / sizeof(sender_ctypes[0]))

static int find_ctype(const struct ctype_form *forms, size_t n, const struct rsvp_object *object,
		      const struct ctype_form **ret_form)
{
	for (size_t i = 0; i < n; i++) {
		if (forms[i].ctype != object->ctype)
			continue;
		if (object->len != forms[i].len)
			return -EBADMSG;
		*ret_form = &forms[i];
		return 0;
	}
	return -EPROTONOSUPPORT;
}

static const struct ctype_form *find_form(const struct ctype_form *forms, size_t n, uint16_t family,
					  unsigned form)
{
	for (size_t i = 0; i < n; i++) {
		if (forms[i].family == family && forms[i].form == form)
			return &forms[i];
	}
	return &forms[0];
}

/* RFC 2205 A.1, RFC 2207 §3: what a session must have, by its form. */
static bool session_is_valid(const struct rsvp_session *session)
{
	struct address address;

	rsvp_session_address(session, &address);
	if (address_is_unspecified(&address) || is_mapped(&address))
		return false;
	if (session->form == RSVP_FORM_AGGREGATE)
		return true;
	if (session->protocol == 0)
		return false;
	if (session->form == RSVP_FORM_GPI)
		return session->port != 0 &&
		       (session->protocol == IPPROTO_ESP || session->protocol == IPPROTO_AH);
	return true;
}

int rsvp_read_session(const struct rsvp_object *object, struct rsvp_session *ret_session,
		      uint8_t *ret_flags)
{
	const uint8_t *p = object->data + RSVP_OBJECT_HEADER_LEN;
	struct rsvp_session session = { 0 };
	const struct ctype_form *form;
	int r;

	r = find_ctype(session_ctypes, N_SESSION_CTYPES, object, &form);
	if (r < 0)
		return r;
	session.family = form->family;
	session.form = form->form;
	get_ip(p, session.family, session.address);
	p += rsvp_ip_len(session.family);
	if (session.form == RSVP_FORM_AGGREGATE) {
		session.port = p[3] & 0x3f;
	} else {
		session.protocol = p[0];
		session.port = get16(p + 2);
	}
	if (!session_is_valid(&session))
		return -EBADMSG;
	*ret_session = session;
	*ret_flags = p[1];
	return 0;
}

static uint32_t get_sender_id(const uint8_t *p, unsigned form)
{
	switch (form) {
	case RSVP_FORM_PORTS:
		return get16(p + 2);
	case RSVP_FORM_GPI:
		return get32(p);
	case RSVP_FORM_FLOW_LABEL:
		return get32(p) & FLOW_LABEL_MAX;
	default:
		return 0;
	}
}

int rsvp_read_sender(const struct rsvp_object *object, struct rsvp_sender *ret_sender)
{
	const uint8_t *p = object->data + RSVP_OBJECT_HEADER_LEN;
	struct rsvp_sender sender = { 0 };
	const struct ctype_form *form;
	struct address address;
	int r;

	r = find_ctype(sender_ctypes, N_SENDER_CTYPES, object, &form);
	if (r < 0)
		return r;
	sender.family = form->family;
	sender.form = form->form;
	get_ip(p, sender.family, sender.address);
	sender.id = get_sender_id(p + rsvp_ip_len(sender.family), sender.form);
	rsvp_sender_address(&sender, &address);
	if (!is_host(&address))
		return -EBADMSG;
	*ret_sender = sender;
	return 0;
}

int rsvp_read_hop(const struct rsvp_object *object, struct rsvp_hop *ret_hop)
{
	const uint8_t *p = object->data + RSVP_OBJECT_HEADER_LEN;
	struct rsvp_hop hop;
	uint16_t family;
	int r;

	r = family_of(object, 4, &family);
	if (r < 0)
		return r;
	rsvp_get_ip(p, family, &hop.address);
	hop.lih = get32(p + rsvp_ip_len(family));
	if (!is_host(&hop.address) || is_loopback(&hop.address))
		return -EBADMSG;
	*ret_hop = hop;
	return 0;
}

int rsvp_read_time_values(const struct rsvp_object *object, uint32_t *ret_refresh_ms)
{
	if (object->ctype != RSVP_CTYPE_ONLY)
		return -EPROTONOSUPPORT;
	if (object->len != 8)
		return -EBADMSG;
	*ret_refresh_ms = get32(object->data + 4);
	return 0;
}

int rsvp_read_style(const struct rsvp_object *object, enum rsvp_style *ret_style)
{
	uint8_t style;

	if (object->ctype != RSVP_CTYPE_ONLY)
		return -EPROTONOSUPPORT;
	if (object->len != 8)
		return -EBADMSG;
	style = object->data[7] & STYLE_MASK;
	if (style != RSVP_STYLE_FF && style != RSVP_STYLE_WF && style != RSVP_STYLE_SE)
		return -ENOTSUP;
	*ret_style = style;
	return 0;
}

int rsvp_read_confirm(const struct rsvp_object *object, struct address *ret_receiver)
{
	struct address receiver;
	uint16_t family;
	int r;

	r = family_of(object, 0, &family);
	if (r < 0)
		return r;
	rsvp_get_ip(object->data + RSVP_OBJECT_HEADER_LEN, family, &receiver);
	if (!is_host(&receiver))
		return -EBADMSG;
	*ret_receiver = receiver;
	return 0;
}

int rsvp_read_error(const struct rsvp_object *object, struct rsvp_error_spec *ret_error)
{
	const uint8_t *p = object->data + RSVP_OBJECT_HEADER_LEN;
	uint16_t family;
	int r;

	r = family_of(object, 4, &family);
	if (r < 0)
		return r;
	rsvp_get_ip(p, family, &ret_error->node);
	p += rsvp_ip_len(family);
	ret_error->flags = p[0];
	ret_error->code = p[1];
	ret_error->value = get16(p + 2);
	return 0;
}

int rsvp_check_scope(const struct rsvp_object *object)
{
	if (object->ctype != 1 && object->ctype != 2)
		return -EPROTONOSUPPORT;
	if ((object->len - RSVP_OBJECT_HEADER_LEN) % (object->ctype == 1 ? IP4_LEN : IP6_LEN) != 0)
		return -EBADMSG;
	return 0;
}

unsigned rsvp_scope_count(const struct rsvp_object *object)
{
	return (object->len - RSVP_OBJECT_HEADER_LEN) / (object->ctype == 1 ? IP4_LEN : IP6_LEN);
}

void rsvp_scope_get(const struct rsvp_object *object, unsigned i, struct address *ret_address)
{
	uint16_t family = object->ctype == 1 ? AF_INET : AF_INET6;

	rsvp_get_ip(object->data + RSVP_OBJECT_HEADER_LEN + i * rsvp_ip_len(family), family,
		    ret_address);
}

int rsvp_check_dclass(const struct rsvp_object *object)
{
	if (object->ctype != RSVP_CTYPE_ONLY)
		return -EPROTONOSUPPORT;
	return object->len >= 8 ? 0 : -EBADMSG;
}

uint8_t rsvp_dclass_first(const struct rsvp_object *object)
{
	return object->data[7] >> 2;
}

/* ---- making ---- */

size_t rsvp_encode_header(uint8_t *buf, size_t len, uint8_t class_num, uint8_t ctype)
{
	put16(buf, (uint16_t)len);
	buf[2] = class_num;
	buf[3] = ctype;
	return len;
}

size_t rsvp_encode_session(uint8_t *buf, const struct rsvp_session *session, uint8_t flags)
{
	const struct ctype_form *form =
		find_form(session_ctypes, N_SESSION_CTYPES, session->family, session->form);
	uint8_t *p = buf + RSVP_OBJECT_HEADER_LEN;

	memset(buf, 0, form->len);
	rsvp_put_ip(p, session->family, session->address);
	p += rsvp_ip_len(session->family);
	p[1] = flags;
	if (session->form == RSVP_FORM_AGGREGATE) {
		p[3] = (uint8_t)session->port;
	} else {
		p[0] = session->protocol;
		put16(p + 2, session->port);
	}
	return rsvp_encode_header(buf, form->len, RSVP_CLASS_SESSION, form->ctype);
}

size_t rsvp_encode_sender(uint8_t *buf, uint8_t class_num, const struct rsvp_sender *sender)
{
	const struct ctype_form *form =
		find_form(sender_ctypes, N_SENDER_CTYPES, sender->family, sender->form);

	memset(buf, 0, form->len);
	rsvp_put_ip(buf + RSVP_OBJECT_HEADER_LEN, sender->family, sender->address);
	/* A port and a label end where the word does. */
	if (sender->form != RSVP_FORM_AGGREGATE)
		put32(buf + RSVP_OBJECT_HEADER_LEN + rsvp_ip_len(sender->family), sender->id);
	return rsvp_encode_header(buf, form->len, class_num, form->ctype);
}

/* Address, then a word. */
static size_t encode_address(uint8_t *buf, uint8_t class_num, const struct address *address,
			     uint32_t word, unsigned word_len)
{
	size_t len = rsvp_ip_len(address->family);

	rsvp_put_ip(buf + RSVP_OBJECT_HEADER_LEN, address->family, address->addr);
	if (word_len > 0)
		put32(buf + RSVP_OBJECT_HEADER_LEN + len, word);
	return rsvp_encode_header(buf, RSVP_OBJECT_HEADER_LEN + len + word_len, class_num,
				  address->family == AF_INET ? 1 : 2);
}

size_t rsvp_encode_hop(uint8_t *buf, const struct rsvp_hop *hop)
{
	return encode_address(buf, RSVP_CLASS_HOP, &hop->address, hop->lih, 4);
}

size_t rsvp_encode_confirm(uint8_t *buf, const struct address *receiver)
{
	return encode_address(buf, RSVP_CLASS_RESV_CONFIRM, receiver, 0, 0);
}

size_t rsvp_encode_error(uint8_t *buf, const struct rsvp_error_spec *error)
{
	uint32_t word = (uint32_t)error->flags << 24 | (uint32_t)error->code << 16 | error->value;

	return encode_address(buf, RSVP_CLASS_ERROR_SPEC, &error->node, word, 4);
}

static size_t encode_word(uint8_t *buf, uint8_t class_num, uint32_t word)
{
	put32(buf + RSVP_OBJECT_HEADER_LEN, word);
	return rsvp_encode_header(buf, 8, class_num, RSVP_CTYPE_ONLY);
}

size_t rsvp_encode_time_values(uint8_t *buf, uint32_t refresh_ms)
{
	return encode_word(buf, RSVP_CLASS_TIME_VALUES, refresh_ms);
}

size_t rsvp_encode_style(uint8_t *buf, enum rsvp_style style)
{
	return encode_word(buf, RSVP_CLASS_STYLE, style);
}
