/* SPDX-License-Identifier: MIT */
/*
 * guaranteed.h: the delay that a reservation of the guaranteed service bounds, the rate that a wanted delay
 * takes, and what nodes make of the slack between the two (RFC 2212; spec/rsvp.md §9).
 *
 * Delays here are those of queueing: the end-to-end bound is that plus the minimum latency of the path.
 * Flowspecs are valid ones (flowspec_check()).
 */
#ifndef GW_CORE_GUARANTEED_H
#define GW_CORE_GUARANTEED_H

#include <stdint.h>

#include "core/flowspec.h"

/* Error terms of nodes: C in bytes, D in microseconds. Sums are unsigned 32-bit numbers on the wire. */
struct guaranteed_terms {
	uint32_t c_bytes;
	uint32_t d_us;
};

/* The bound for reserved rate R >= r, in seconds. */
double guaranteed_delay_s(const struct rsvp_tspec *tspec, double R,
			  const struct guaranteed_terms *total);

/*
 * The smallest rate with which the bound is no more than `delay_s`, never below r; as it goes on the wire.
 * -EDOM: no rate would do, the terms alone take as long.
 */
int guaranteed_rate(const struct rsvp_tspec *tspec, double delay_s,
		    const struct guaranteed_terms *total, float *ret_R);

/* What is left of `delay_s` at rate R, in whole microseconds; 0 if nothing. */
uint32_t guaranteed_slack_us(const struct rsvp_tspec *tspec, double R, double delay_s,
			     const struct guaranteed_terms *total);

/*
 * A node spends `spend_us` of the slack for a lower rate: `ret_R` and `ret_S` go upstream. r <= Rout <= Rin, and
 * Sout + (b + Ctot_i) / Rout <= Sin + (b + Ctot_i) / Rin, where Ctot_i is of all nodes from the sender to this.
 * What r makes impossible to spend is left. The same arguments give the same result, as refreshes need.
 */
void guaranteed_spend_slack(const struct rsvp_flowspec *flowspec, uint32_t ctot_bytes,
			    uint32_t spend_us, float *ret_R, uint32_t *ret_S);

/* Bytes of buffer without which packets may be lost; `since` is of the nodes since the last reshaping. */
double guaranteed_buffer_bytes(const struct rsvp_tspec *tspec, double R,
			       const struct guaranteed_terms *since);

/* The same at a node that reshapes. */
double guaranteed_reshaper_bytes(const struct rsvp_tspec *tspec,
				 const struct guaranteed_terms *since);

/*
 * The terms of a node that serves packets one after the other on its link: C = M, D = what one packet of the
 * link's MTU takes, plus the granularity of its clock; each at least 1 and at most 2^28 (RFC 2212).
 */
struct guaranteed_terms guaranteed_local_terms(uint32_t mtu_bytes, uint64_t link_bps,
					       uint32_t tick_us);

#endif
