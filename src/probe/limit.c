/* SPDX-License-Identifier: MIT */
/* limit.c: see limit.h. */
#include "probe/limit.h"

#define ONE UINT64_C(1000000) /* what a second of one per second gives */

static uint64_t credit_at(const struct probe_limit *limit, uint32_t per_s, uint32_t burst,
			  uint64_t now_us)
{
	uint64_t full = burst * ONE, passed_us = now_us - limit->counted_us;

	if (limit->counted_us == 0)
		return full;
	if (now_us < limit->counted_us)
		return limit->credit;
	if (per_s > 0 && passed_us >= full / per_s)
		return full;
	/* Less than a full bucket came in, which fits. */
	return limit->credit + passed_us * per_s < full ? limit->credit + passed_us * per_s : full;
}

bool probe_limit_take(struct probe_limit *limit, uint32_t per_s, uint32_t burst, uint64_t now_us)
{
	limit->credit = credit_at(limit, per_s, burst, now_us);
	limit->counted_us = now_us > 0 ? now_us : 1;
	if (limit->credit < ONE)
		return false;
	limit->credit -= ONE;
	return true;
}
