/* SPDX-License-Identifier: MIT */
/*
 * claim.h: when the packets of a claim leave: load at a rate, for a while, so that others who look at the path can see
 * what somebody is about to take of it. Nobody answers them. Whoever is held up does not make up for it, so the load
 * is never more than what was asked for, and no more than so many packets leave at once.
 */
#ifndef GW_PROBE_CLAIM_H
#define GW_PROBE_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#define CLAIM_BATCH 64
#define CLAIM_MAX_US UINT64_C(1000000)

struct claim {
	uint64_t next_ns, interval_ns;
	uint64_t ends_us;
};

/* -EINVAL: a rate or size of 0, or longer than CLAIM_MAX_US. */
int claim_begin(struct claim *claim, uint64_t rate_bps, uint32_t packet_bytes, uint32_t duration_us,
		uint64_t now_us);
/* How many packets are to leave now. */
unsigned claim_take(struct claim *claim, uint64_t now_us);
bool claim_is_over(const struct claim *claim, uint64_t now_us);
/* Packets that follow each other closely leave some at a time, a millisecond apart. */
uint64_t claim_deadline_us(const struct claim *claim, uint64_t now_us);

#endif
