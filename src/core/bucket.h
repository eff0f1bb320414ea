/* SPDX-License-Identifier: MIT */
/*
 * bucket.h: making, re-rating and reading token buckets: what happens now and then. What they are, their
 * units and what is done for each packet is in bucket_math.h.
 */
#ifndef GW_CORE_BUCKET_H
#define GW_CORE_BUCKET_H

#include <stdint.h>

#include "core/bucket_math.h"
#include "core/rate.h"

/* The parameters of RFC 2215 §3.6. Bytes are those of IP packets, rates count them. */
struct bucket_spec {
	uint64_t rate_bps;    /* r */
	uint64_t depth_bytes; /* b */
	uint64_t peak_bps;    /* p; 0 or RATE_UNLIMITED: none */
	uint32_t min_bytes;   /* m; 0: none */
	uint32_t max_bytes;   /* M; 0: none, which p needs */
};

/*
 * Exact for every rate. A depth below M is raised to M, or the longest packets could never conform
 * (spec/gqos.md §5.3). Where there is no M, nothing longer than the depth conforms.
 * -EINVAL: no r or no b, m above M (or above b without M), p below r, p without M.
 * -ERANGE: b or M above BUCKET_BYTES_MAX, r unlimited.
 */
int bucket_rule_make(const struct bucket_spec *spec, struct bucket_rule *ret_rule);

/*
 * The bucket from now on obeys `to`. Its tokens are rescaled: as full as it was, it stays, and a debt stays
 * the same part of a bucket. Changing back and forth therefore never yields tokens. (A peak rate that is
 * new starts full.) With the packets in the kernel: read, re-rate, write, under the lock each; what passed
 * in between is not charged.
 */
void bucket_rerate(struct bucket *bucket, const struct bucket_rule *from,
		   const struct bucket_rule *to, uint64_t now_ns);

/* Whole bytes that bucket (r, b) holds at the time; 0 in debt. */
uint64_t bucket_tokens_bytes(const struct bucket *bucket, const struct bucket_rule *rule,
			     uint64_t now_ns);

/*
 * The earliest time at which the charge conforms, if nothing else is charged before: for those who delay
 * the excess themselves. Never earlier than what the bucket has seen. UINT64_MAX: never.
 */
uint64_t bucket_conforms_at_ns(const struct bucket *bucket, const struct bucket_rule *rule,
			       uint64_t charge_bytes);

/*
 * The depth that holds `time_ns` of the rate, but at least `floor_bytes`, and no more than a bucket can
 * hold. A shaper's is 10 ms, at least two packets of the link (spec/qwave.md §7.2).
 */
uint64_t bucket_depth_bytes(uint64_t rate_bps, uint64_t time_ns, uint64_t floor_bytes);

#endif
