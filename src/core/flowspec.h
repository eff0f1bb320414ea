/* SPDX-License-Identifier: MIT */
/*
 * flowspec.h: what traffic is like (Tspec) and what service it is to get (Rspec), and the arithmetic on them:
 * whether they are valid, which is greater, and what several of them are together (spec/rsvp.md §9; RFC 2211
 * §8, RFC 2212, RFC 2215 §3.6, RFC 2997). Delays and rates of the guaranteed service are in guaranteed.h.
 *
 * The letters are those of the RFCs. r, p and R are bytes of IP packets per second; b, m and M bytes; S
 * microseconds. r, b, p and R are the very single-precision numbers of the wire, so what is only passed on
 * stays what it was, bit for bit.
 */
#ifndef GW_CORE_FLOWSPEC_H
#define GW_CORE_FLOWSPEC_H

#include <stdbool.h>
#include <stdint.h>

/* The service numbers of the wire (RFC 2210, RFC 2997). */
enum flowspec_service {
	FLOWSPEC_NONE = 0,
	FLOWSPEC_GUARANTEED = 2,
	FLOWSPEC_CONTROLLED_LOAD = 5,
	FLOWSPEC_NULL = 6, /* the network decides; only M counts */
};

struct rsvp_tspec {
	float r;    /* token bucket rate */
	float b;    /* token bucket depth */
	float p;    /* peak rate; +infinity: none known */
	uint32_t m; /* shorter packets count as this long */
	uint32_t M; /* longer packets do not conform */
};

/* No padding: the same flowspec is the same bytes. */
struct rsvp_flowspec {
	struct rsvp_tspec tspec;
	float R;	  /* guaranteed: the reserved rate; else 0 */
	uint32_t S;	  /* guaranteed: slack; else 0 */
	uint32_t service; /* enum flowspec_service */
};

enum flowspec_order {
	FLOWSPEC_EQUAL,
	FLOWSPEC_GREATER, /* the first */
	FLOWSPEC_LESS,
	FLOWSPEC_INCOMPARABLE, /* neither, though they can be merged */
	FLOWSPEC_INCOMPATIBLE, /* of different services */
};

/*
 * Bounds of RFC 2211 §5 and RFC 2215: r and p in 1..40e12 (p also +infinity), b in 1..250e9, m and M more
 * than 0, m <= M; no NaN, nothing negative, not even zero. -EINVAL otherwise.
 */
int tspec_check(const struct rsvp_tspec *tspec);

/* The same, and for the guaranteed service p >= r and a finite R >= r. -EOPNOTSUPP: no such service. */
int flowspec_check(const struct rsvp_flowspec *flowspec);

/* A is at least B if its r, b, p, M are at least, and its m at most, those of B. Only of valid ones. */
enum flowspec_order tspec_order(const struct rsvp_tspec *a, const struct rsvp_tspec *b);
enum flowspec_order flowspec_order(const struct rsvp_flowspec *a, const struct rsvp_flowspec *b);

/* What is asked for upstream of both: the largest r, b, p, the smallest m, and the smallest M. */
struct rsvp_tspec tspec_merge(const struct rsvp_tspec *a, const struct rsvp_tspec *b);

/* What covers the traffic of either: the same with the largest M. Never forwarded. */
struct rsvp_tspec tspec_least_common(const struct rsvp_tspec *a, const struct rsvp_tspec *b);

/* All of the traffic of both. */
struct rsvp_tspec tspec_sum(const struct rsvp_tspec *a, const struct rsvp_tspec *b);

/* The smaller; if neither is, the smallest r, p, m, M with the largest b. */
struct rsvp_tspec tspec_minimum(const struct rsvp_tspec *a, const struct rsvp_tspec *b);

/*
 * What is installed for a reservation: no more than the senders say they will send (`path`: the sum of their
 * Tspecs, with the largest M; RFC 2205 §2.2), with the smaller m and M of the two.
 */
struct rsvp_tspec tspec_installed(const struct rsvp_tspec *resv, const struct rsvp_tspec *path);

/* What the traffic is with a link's header on every packet: r, b and p times 1 + header / m. */
struct rsvp_tspec tspec_with_overhead(const struct rsvp_tspec *tspec, uint32_t header_bytes);

/*
 * Least upper bound: the merged Tspec, the largest R, the smallest S. -EINVAL: the services differ (error 21,
 * sub-code 1).
 */
int flowspec_merge(const struct rsvp_flowspec *a, const struct rsvp_flowspec *b,
		   struct rsvp_flowspec *ret_flowspec);

/* Greatest lower bound: the minimum Tspec, the smallest R, the largest S. -EINVAL: the services differ. */
int flowspec_lower_bound(const struct rsvp_flowspec *a, const struct rsvp_flowspec *b,
			 struct rsvp_flowspec *ret_flowspec);

/* Bit for bit the same; two that are equal in order are. */
bool flowspec_same(const struct rsvp_flowspec *a, const struct rsvp_flowspec *b);

#endif
