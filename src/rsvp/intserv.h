/* SPDX-License-Identifier: MIT */
/*
 * intserv.h: what SENDER_TSPEC and FLOWSPEC objects hold, and the blocks of services and parameters that these
 * and the ADSPEC are made of (RFC 2210 App. 1, RFC 2997; spec/rsvp.md §4.1).
 */
#ifndef GW_RSVP_INTSERV_H
#define GW_RSVP_INTSERV_H

#include "rsvp/object.h"

#define INTSERV_VERSION 0
#define INTSERV_GENERAL 1 /* the service number of what is true of all of them */

enum intserv_param_id {
	INTSERV_HOPS = 4,
	INTSERV_BANDWIDTH = 6,
	INTSERV_LATENCY = 8,
	INTSERV_MTU = 10,
	INTSERV_TOKEN_BUCKET = 127,
	INTSERV_NULL_TSPEC = 128,
	INTSERV_RSPEC = 130,
	INTSERV_C_TOTAL = 133,
	INTSERV_D_TOTAL = 134,
	INTSERV_C_SINCE = 135,
	INTSERV_D_SINCE = 136,
};

#define INTSERV_INVALID 0x80 /* flag of a parameter: somebody on the way could not compose it */
#define INTSERV_BREAK 0x80   /* flag of a block */

struct intserv_block {
	uint8_t service;
	uint8_t flags;
	const uint8_t *data; /* parameters */
	size_t len;
};

struct intserv_param {
	uint8_t id;
	uint8_t flags;
	const uint8_t *value;
	size_t len;
};

/* The blocks of an object. -EBADMSG: another version, or the length of the body is not that of the object. */
int intserv_open(const struct rsvp_object *object, const uint8_t **ret_data, size_t *ret_len);

/* 1: there is one, 0: that was all, -EBADMSG: it does not fit. */
int intserv_block_next(const uint8_t *data, size_t len, size_t *position,
		       struct intserv_block *ret_block);
int intserv_param_next(const uint8_t *data, size_t len, size_t *position,
		       struct intserv_param *ret_param);

float intserv_get_float(const uint8_t *p);
void intserv_put_float(uint8_t *p, float value);
/* Headers of a block and of a parameter; lengths are those of what follows, in bytes. 4 bytes each. */
void intserv_put_block(uint8_t *p, uint8_t service, uint8_t flags, size_t len);
void intserv_put_param(uint8_t *p, uint8_t id, uint8_t flags, size_t len);

/*
 * -EPROTONOSUPPORT: a C-Type that is not known. -EINVAL: malformed, or of values that are not valid (error 21,
 * sub-codes 3 and 4). -EOPNOTSUPP: a service that is not known (sub-code 2).
 */
int rsvp_read_sender_tspec(const struct rsvp_object *object, struct rsvp_sender_tspec *ret_tspec);
int rsvp_read_flowspec(const struct rsvp_object *object, struct rsvp_flowspec *ret_flowspec);

/* Whole objects; RSVP_OBJECT_SMALL bytes are enough. */
size_t rsvp_encode_sender_tspec(uint8_t *buf, const struct rsvp_sender_tspec *tspec);
size_t rsvp_encode_flowspec(uint8_t *buf, const struct rsvp_flowspec *flowspec);

#endif
