/* SPDX-License-Identifier: MIT */
/*
 * signal_wire.h: what the files that encode the structures of signalling share.
 */
#ifndef GW_PROTO_SIGNAL_WIRE_H
#define GW_PROTO_SIGNAL_WIRE_H

#include <greenwave.h>

#include "core/address.h"
#include "proto/codec.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* Tags that occur several times in one value, in every table: they are no fields of a structure. */
#define TAG_NESTED 63u

/* A token bucket, wherever it stands. */
#define TSPEC_FIELDS(tag, structure, member)                                         \
	CODEC_FIELD((tag), structure, member.rate_bps, CODEC_NUMBER),                \
		CODEC_FIELD((tag) + 1, structure, member.depth_bytes, CODEC_NUMBER), \
		CODEC_FIELD((tag) + 2, structure, member.peak_bps, CODEC_NUMBER),    \
		CODEC_FIELD((tag) + 3, structure, member.min_bytes, CODEC_NUMBER),   \
		CODEC_FIELD((tag) + 4, structure, member.max_bytes, CODEC_NUMBER)

/* AF_UNSPEC becomes an address of all zero. */
void wire_address(const struct sockaddr_storage *sa, struct address *ret_address);

/* The fields that are not zero. */
uint64_t wire_present(const struct codec_field *fields, size_t n_fields, const void *object);

/* Nested, with TAG_NESTED. The new length, or -EMSGSIZE. */
long wire_flow_append(const struct gw_rsvp_flow *flow, void *buf, size_t len, size_t capacity);
int wire_flow_decode(const struct codec_bytes *bytes, struct gw_rsvp_flow *ret_flow);

#endif
