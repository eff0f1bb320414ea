/* SPDX-License-Identifier: MIT */
/*
 * diag.h: the objects of diagnostic messages (RFC 2745; spec/rsvp.md §4.3), which ask every hop of a path, from
 * the last one to the sender, what it knows of a session.
 */
#ifndef GW_RSVP_DIAG_H
#define GW_RSVP_DIAG_H

#include "rsvp/object.h"

struct rsvp_diagnostic {
	uint8_t max_hops, hop_count;
	bool more_fragments;
	uint32_t request_id;
	uint16_t path_mtu, fragment_offset;
	struct address last_hop;
	struct rsvp_sender sender;    /* whose path it is */
	struct rsvp_sender requester; /* where the reply goes */
};

enum {
	RSVP_DIAG_NO_PATH = 1, /* R-error */
	RSVP_DIAG_TOO_BIG = 2,
	RSVP_DIAG_ROUTE_TOO_BIG = 4,
};

struct rsvp_diag_response {
	uint32_t arrival_ntp; /* the middle 32 bits of the time */
	struct address in, out, previous;
	uint8_t d_ttl;
	bool merged; /* M */
	uint8_t error;
	uint8_t k; /* lifetime factor */
	uint16_t timer_s;
	/* Objects of the state that was asked for, whole. */
	const uint8_t *objects;
	size_t objects_len;
};

#define RSVP_DIAGNOSTIC_MAX (4 + 12 + 16 + 24 + 24)
#define RSVP_DIAG_RESPONSE_FIXED_MAX (4 + 4 + 3 * 16 + 4)

/* DIAGNOSTIC, ROUTE, DIAG_RESPONSE, DIAG_SELECT: -EPROTONOSUPPORT, -EBADMSG. The others need one that is checked. */
int rsvp_check_diag(const struct rsvp_object *object);

int rsvp_read_diagnostic(const struct rsvp_object *object, struct rsvp_diagnostic *ret_diagnostic);
int rsvp_read_diag_response(const struct rsvp_object *object,
			    struct rsvp_diag_response *ret_response);
unsigned rsvp_route_count(const struct rsvp_object *object);
unsigned rsvp_route_pointer(const struct rsvp_object *object);
void rsvp_route_get(const struct rsvp_object *object, unsigned i, struct address *ret_address);
bool rsvp_diag_selects(const struct rsvp_object *select, uint8_t class_num, uint8_t ctype);

/* RSVP_DIAGNOSTIC_MAX bytes. The family is that of last_hop. */
size_t rsvp_encode_diagnostic(uint8_t *buf, const struct rsvp_diagnostic *diagnostic);
/* RSVP_DIAG_RESPONSE_FIXED_MAX bytes and those of the objects. The family is that of `previous`. */
size_t rsvp_encode_diag_response(uint8_t *buf, const struct rsvp_diag_response *response);

#endif
