/* SPDX-License-Identifier: MIT */
/*
 * object.h: one object of an RSVP message: finding it, what is in it, and making it. What an object holds is
 * only looked at here, in intserv.h, adspec.h, policy.h and diag.h.
 *
 * Readers return 0, -EPROTONOSUPPORT (a C-Type of the class that is not known) or -EBADMSG (not of that form, or
 * of contents that no such object may have). Encoders write a whole object into `buf` and return its length;
 * every buffer of RSVP_OBJECT_SMALL bytes is large enough where no other size is named.
 */
#ifndef GW_RSVP_OBJECT_H
#define GW_RSVP_OBJECT_H

#include <string.h>

#include "base/bytes.h"
#include "rsvp/wire.h"

/* A view; data points to the header of the object. data NULL: none. */
struct rsvp_object {
	const uint8_t *data;
	uint16_t len; /* header included, a multiple of 4 */
	uint8_t class_num;
	uint8_t ctype;
};

#define RSVP_OBJECT_SMALL 64

/*
 * The object at *position of a sequence of them, which moves on. 1: there is one, 0: that was all, -EBADMSG:
 * what is there is no object, or does not fit.
 */
int rsvp_object_next(const uint8_t *data, size_t len, size_t *position,
		     struct rsvp_object *ret_object);

/* The next of one class. 1 or 0; of data that rsvp_object_next() has gone through before. */
int rsvp_object_find(const uint8_t *data, size_t len, size_t *position, uint8_t class_num,
		     struct rsvp_object *ret_object);

/* Internet checksum of a message whose field counts as 0; 0xffff where that would be 0. */
uint16_t rsvp_checksum(const uint8_t *data, size_t len);

/* ---- addresses ---- */

static inline size_t rsvp_ip_len(uint16_t family)
{
	return family == AF_INET ? 4 : 16;
}

/* As many bytes as the family has. */
void rsvp_get_ip(const uint8_t *p, uint16_t family, struct address *ret_address);
/* Returns what is behind. */
uint8_t *rsvp_put_ip(uint8_t *p, uint16_t family, const uint8_t bytes[16]);

void rsvp_session_address(const struct rsvp_session *session, struct address *ret_address);
void rsvp_sender_address(const struct rsvp_sender *sender, struct address *ret_address);

static inline bool rsvp_session_equal(const struct rsvp_session *a, const struct rsvp_session *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool rsvp_sender_equal(const struct rsvp_sender *a, const struct rsvp_sender *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* Whether such a sender can be one of the session: of its family and told apart the same way (RFC 2207). */
bool rsvp_sender_fits(const struct rsvp_session *session, const struct rsvp_sender *sender);

/* ---- reading ---- */

int rsvp_read_session(const struct rsvp_object *object, struct rsvp_session *ret_session,
		      uint8_t *ret_flags);
/* FILTER_SPEC and SENDER_TEMPLATE. */
int rsvp_read_sender(const struct rsvp_object *object, struct rsvp_sender *ret_sender);
int rsvp_read_hop(const struct rsvp_object *object, struct rsvp_hop *ret_hop);
int rsvp_read_time_values(const struct rsvp_object *object, uint32_t *ret_refresh_ms);
/* -ENOTSUP: a style that is not known. */
int rsvp_read_style(const struct rsvp_object *object, enum rsvp_style *ret_style);
/* RESV_CONFIRM */
int rsvp_read_confirm(const struct rsvp_object *object, struct address *ret_receiver);

struct rsvp_error_spec {
	struct address node;
	uint8_t flags, code;
	uint16_t value;
};
int rsvp_read_error(const struct rsvp_object *object, struct rsvp_error_spec *ret_error);

int rsvp_check_scope(const struct rsvp_object *object);
unsigned rsvp_scope_count(const struct rsvp_object *object);
/* i below the count, of an object that rsvp_check_scope() accepts. */
void rsvp_scope_get(const struct rsvp_object *object, unsigned i, struct address *ret_address);

/* MESSAGE_ID and MESSAGE_ID_ACK */
int rsvp_read_message_id(const struct rsvp_object *object, struct rsvp_message_id *ret_id);

/* MESSAGE_ID_LIST: ids, with the addresses that the C-Type has. */
int rsvp_check_id_list(const struct rsvp_object *object, uint32_t *ret_epoch);
unsigned rsvp_id_list_count(const struct rsvp_object *object);
struct rsvp_listed_id {
	uint32_t id;
	struct address source, group; /* AF_UNSPEC: not in this list */
};
void rsvp_id_list_get(const struct rsvp_object *object, unsigned i, struct rsvp_listed_id *ret_id);

struct rsvp_integrity {
	bool handshake; /* the sender answers challenges */
	uint8_t key_id[RSVP_KEY_ID_LEN];
	uint64_t sequence;
	const uint8_t *digest; /* in the object */
	size_t digest_len;
};
int rsvp_read_integrity(const struct rsvp_object *object, struct rsvp_integrity *ret_integrity);

struct rsvp_challenge {
	uint8_t key_id[RSVP_KEY_ID_LEN];
	uint64_t cookie;
};
int rsvp_read_challenge(const struct rsvp_object *object, struct rsvp_challenge *ret_challenge);

/* DCLASS: the DSCPs, of which the sender uses the first (RFC 2996). */
int rsvp_check_dclass(const struct rsvp_object *object);
uint8_t rsvp_dclass_first(const struct rsvp_object *object);

/* ---- making ---- */

/* Writes the header; the caller has written or writes the rest. Returns len. */
size_t rsvp_encode_header(uint8_t *buf, size_t len, uint8_t class_num, uint8_t ctype);

size_t rsvp_encode_session(uint8_t *buf, const struct rsvp_session *session, uint8_t flags);
size_t rsvp_encode_sender(uint8_t *buf, uint8_t class_num, const struct rsvp_sender *sender);
size_t rsvp_encode_hop(uint8_t *buf, const struct rsvp_hop *hop);
size_t rsvp_encode_time_values(uint8_t *buf, uint32_t refresh_ms);
size_t rsvp_encode_style(uint8_t *buf, enum rsvp_style style);
size_t rsvp_encode_confirm(uint8_t *buf, const struct address *receiver);
size_t rsvp_encode_error(uint8_t *buf, const struct rsvp_error_spec *error);
size_t rsvp_encode_message_id(uint8_t *buf, uint8_t class_num, uint8_t ctype,
			      const struct rsvp_message_id *id);
size_t rsvp_encode_challenge(uint8_t *buf, const struct rsvp_challenge *challenge);

#endif
