/* SPDX-License-Identifier: MIT */
/* claim.c: see claim.h. */
#include "probe/claim.h"

#include <errno.h>

#define NS_PER_US UINT64_C(1000)
#define TURN_US UINT64_C(1000)

int claim_begin(struct claim *claim, uint64_t rate_bps, uint32_t packet_bytes, uint32_t duration_us,
		uint64_t now_us)
{
	uint64_t interval_ns;

	if (rate_bps == 0 || packet_bytes == 0 || duration_us == 0 || duration_us > CLAIM_MAX_US)
		return -EINVAL;
	interval_ns = UINT64_C(8000000000) * packet_bytes / rate_bps;
	*claim = (struct claim){
		.next_ns = now_us * NS_PER_US,
		.interval_ns = interval_ns > 0 ? interval_ns : 1,
		.ends_us = now_us + duration_us,
	};
	return 0;
}

bool claim_is_over(const struct claim *claim, uint64_t now_us)
{
	return now_us >= claim->ends_us;
}

unsigned claim_take(struct claim *claim, uint64_t now_us)
{
	uint64_t now_ns = now_us * NS_PER_US, n;

	if (now_ns < claim->next_ns || claim_is_over(claim, now_us))
		return 0;
	n = (now_ns - claim->next_ns) / claim->interval_ns + 1;
	claim->next_ns += n * claim->interval_ns;
	return n < CLAIM_BATCH ? (unsigned)n : CLAIM_BATCH;
}

uint64_t claim_deadline_us(const struct claim *claim, uint64_t now_us)
{
	uint64_t next_us = (claim->next_ns + NS_PER_US - 1) / NS_PER_US;

	if (next_us < now_us + TURN_US)
		next_us = now_us + TURN_US;
	return next_us < claim->ends_us ? next_us : claim->ends_us;
}
