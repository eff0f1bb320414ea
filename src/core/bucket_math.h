/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * bucket_math.h: the token bucket of RFC 2215 §3.6, as far as it is done for every packet. It needs no
 * library, 64-bit numbers only and no division, so that user space and an eBPF program can share it: the
 * latter includes vmlinux.h first. What happens less often is in bucket.h.
 *
 * Units. A nanobit is what one bit per second yields in one nanosecond: 10^-9 bit. Credit is therefore
 * rate times elapsed time, without a rest, for every whole number of bits per second; a byte is 8 * 10^9
 * of them. Nothing is ever rounded, so nothing drifts.
 *
 * Upside down. The bucket keeps how much of it is used, not how many tokens are left:
 *
 *	tokens = depth - used		full: used = 0		in debt: used > depth
 *
 * Used drains with the rate and stops at 0. All zero is thus a full bucket that has never seen a packet,
 * which is what a new entry of a map is, and how buckets begin (RFC 2215: they start full).
 *
 * A packet conforms if both buckets, (r, b) and, where there is a peak rate, (p, M), have room for it;
 * then it is charged to both, else to neither (spec/qwave.md §7.3). So over any time T what conforms is
 * at most M + min(p T, r T + b - M) (RFC 2212).
 *  - A packet shorter than m counts as m. One longer than M never conforms.
 *  - A packet of many segments (GSO) is charged what goes out on the wire: each segment with headers of
 *    its own, and each against m and M. It cannot be cut here, so all of it conforms or none. Larger than
 *    a bucket as a whole, it would never pass; it passes when that bucket is full, and what the bucket did
 *    not have is a debt to be drained first. The long-term rate holds; the burst is max(b, that packet).
 *
 * Time comes from the caller, CLOCK_MONOTONIC in nanoseconds. Two may read the clock in one order and
 * arrive in the other: the later reading stands, the earlier adds nothing. A long pause is cut at the
 * time in which any level drains, so no product can wrap, and no credit is lost by it either.
 *
 * struct bucket is changed under one lock (bpf_spin_lock where the packets are in the kernel); the charge
 * is found before the lock is taken. struct bucket_rule is only read here.
 */
#ifndef GW_CORE_BUCKET_MATH_H
#define GW_CORE_BUCKET_MATH_H

#include <stdbool.h>

#ifdef __VMLINUX_H__
typedef __u64 uint64_t;
typedef __u32 uint32_t;
#else
#include <stdint.h>
#endif

#define BUCKET_BYTE_NBIT 8000000000ull
#define BUCKET_BYTES_MAX 1073741824ull	  /* of a depth, and of one packet */
#define BUCKET_USED_MAX_NBIT (1ull << 63) /* more than BUCKET_BYTES_MAX; `used` never exceeds it */

/* Made by bucket_rule_make(). No padding. */
struct bucket_rule {
	uint64_t rate_bps;
	uint64_t depth_nbit;
	uint64_t drain_ns; /* BUCKET_USED_MAX_NBIT drains in it, rounded up */
	uint64_t peak_bps; /* 0: no peak rate, and the next two are 0 */
	uint64_t peak_depth_nbit;
	uint64_t peak_drain_ns;
	uint32_t min_bytes; /* m */
	uint32_t max_bytes; /* M; without one, what the bucket holds */
};

struct bucket {
	uint64_t used_nbit;
	uint64_t peak_used_nbit;
	uint64_t last_ns;
};

/* Lengths of an IP packet: the IP header counts, the header of the link does not. */
struct bucket_packet {
	uint32_t bytes;		/* as it stands, with one set of headers */
	uint32_t segments;	/* that it will be cut into; 0 and 1: none */
	uint32_t segment_bytes; /* payload of each but the last; only if there are several */
	uint32_t header_bytes;	/* IP and transport, repeated in each; only if there are several */
};

#define BUCKET_TOO_LONG (~0ull)

/* One packet on the wire: its length, or m; BUCKET_TOO_LONG beyond M. */
static inline uint64_t bucket_charge_one(const struct bucket_rule *rule, uint64_t bytes)
{
	if (bytes > rule->max_bytes)
		return BUCKET_TOO_LONG;
	return bytes > rule->min_bytes ? bytes : rule->min_bytes;
}

/*
 * What a packet takes of the buckets, in bytes, or BUCKET_TOO_LONG. Lengths that contradict each other never
 * make it less than the packet as it stands.
 */
static inline uint64_t bucket_charge(const struct bucket_rule *rule,
				     const struct bucket_packet *packet)
{
	uint64_t header = packet->header_bytes;
	uint64_t full, payload, before_last, each, last;

	if (packet->segments <= 1)
		return bucket_charge_one(rule, packet->bytes);

	full = (uint64_t)packet->segments - 1;
	before_last = full * packet->segment_bytes;
	payload = packet->bytes > header ? packet->bytes - header : 0;
	each = bucket_charge_one(rule, header + packet->segment_bytes);
	last = bucket_charge_one(rule,
				 header + (payload > before_last ? payload - before_last : 0));
	if (each == BUCKET_TOO_LONG || last == BUCKET_TOO_LONG || full > BUCKET_BYTES_MAX)
		return BUCKET_TOO_LONG;
	return full * each + last;
}

static inline uint64_t bucket_drain(uint64_t used_nbit, uint64_t rate_bps, uint64_t drain_ns,
				    uint64_t elapsed_ns)
{
	uint64_t credit_nbit;

	if (elapsed_ns >= drain_ns)
		return 0;
	credit_nbit = rate_bps * elapsed_ns; /* < BUCKET_USED_MAX_NBIT */
	return used_nbit > credit_nbit ? used_nbit - credit_nbit : 0;
}

/* Brings the bucket to `now_ns`, if that is later than where it stands. */
static inline void bucket_advance(const struct bucket_rule *rule, struct bucket *bucket,
				  uint64_t now_ns)
{
	uint64_t elapsed_ns;

	if (now_ns <= bucket->last_ns)
		return;
	elapsed_ns = now_ns - bucket->last_ns;
	bucket->last_ns = now_ns;
	bucket->used_nbit =
		bucket_drain(bucket->used_nbit, rule->rate_bps, rule->drain_ns, elapsed_ns);
	bucket->peak_used_nbit = bucket_drain(bucket->peak_used_nbit, rule->peak_bps,
					      rule->peak_drain_ns, elapsed_ns);
}

/* How far a bucket may be used that has room for a charge. One larger than the bucket needs it full. */
static inline uint64_t bucket_room(uint64_t depth_nbit, uint64_t charge_nbit)
{
	return charge_nbit < depth_nbit ? depth_nbit - charge_nbit : 0;
}

/* Charges a packet if it conforms, and says whether it does. `charge_bytes` is bucket_charge()'s. */
static inline bool bucket_take(const struct bucket_rule *rule, struct bucket *bucket,
			       uint64_t charge_bytes, uint64_t now_ns)
{
	uint64_t charge_nbit;

	if (charge_bytes > BUCKET_BYTES_MAX)
		return false;
	charge_nbit = charge_bytes * BUCKET_BYTE_NBIT;

	bucket_advance(rule, bucket, now_ns);
	if (bucket->used_nbit > bucket_room(rule->depth_nbit, charge_nbit))
		return false;
	if (rule->peak_bps != 0) {
		if (bucket->peak_used_nbit > bucket_room(rule->peak_depth_nbit, charge_nbit))
			return false;
		bucket->peak_used_nbit += charge_nbit;
	}
	bucket->used_nbit += charge_nbit;
	return true;
}

_Static_assert(sizeof(struct bucket_rule) == 56, "layout");
_Static_assert(sizeof(struct bucket) == 24, "layout");
_Static_assert(BUCKET_BYTES_MAX <= BUCKET_USED_MAX_NBIT / BUCKET_BYTE_NBIT, "no level can wrap");

#endif
