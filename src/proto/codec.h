/* SPDX-License-Identifier: MIT */
/*
 * codec.h: structures to bytes and back, driven by a table. A message is a run of fields, each a tag, a
 * length and a value in host byte order (both ends are on one machine; widths are fixed, so 32-bit programs
 * speak with a 64-bit daemon). An unknown tag is skipped, so either end may be older than the other. A known
 * field of the wrong length, or anything that does not end where it says, makes the whole message invalid.
 */
#ifndef GW_PROTO_CODEC_H
#define GW_PROTO_CODEC_H

#include <stddef.h>
#include <stdint.h>

enum codec_kind {
	CODEC_NUMBER,  /* unsigned or signed integer, copied as it is */
	CODEC_STRING,  /* char array of `size`, NUL-terminated; travels without the NUL */
	CODEC_ADDRESS, /* struct address */
	CODEC_BYTES    /* struct codec_bytes; decoding points into the message */
};

struct codec_bytes {
	const void *data;
	size_t len;
};

struct codec_field {
	uint16_t tag; /* 1..63; also the number of its bit in `present` */
	uint16_t offset;
	uint16_t size;
	uint16_t kind; /* enum codec_kind */
};

/* A table entry for `member` of `structure`. */
#define CODEC_FIELD(tag_, structure, member, kind_)                                 \
	{                                                                           \
		.tag = (tag_), .offset = (uint16_t)offsetof(structure, member),     \
		.size = (uint16_t)sizeof(((structure *)0)->member), .kind = (kind_) \
	}

#define CODEC_BIT(tag) (UINT64_C(1) << (tag))

/* Appends the fields named in `present`. Returns the new length, or -EMSGSIZE. */
long codec_encode(const struct codec_field *fields, size_t n_fields, const void *object,
		  uint64_t present, void *buf, size_t len, size_t capacity);

/* Appends one field of raw bytes (a nested record). Returns the new length, or -EMSGSIZE. */
long codec_append(uint16_t tag, const void *data, size_t data_len, void *buf, size_t len,
		  size_t capacity);

/* Fills the known members of `object` and says which were there. -EBADMSG: not a valid run of fields. */
int codec_decode(const struct codec_field *fields, size_t n_fields, const void *buf, size_t len,
		 void *object, uint64_t *ret_present);

/*
 * Steps through the fields of one tag: `position` starts at 0. Returns 1 and the value, 0 at the end,
 * -EBADMSG.
 */
int codec_next(const void *buf, size_t len, uint16_t tag, size_t *position,
	       struct codec_bytes *ret_value);

#endif
