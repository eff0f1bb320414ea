/* SPDX-License-Identifier: MIT */
/*
 * blockade.c: requests that were refused upstream, and stay out of what is asked for there for a while, so that a
 * large request does not keep a smaller one from being served (RFC 2205 §3.5; spec/rsvp.md §11).
 */
#include "rsvp/internal.h"

#include <errno.h>
#include <stdlib.h>

bool rsvp_blockades(const struct blockade *blockade, const struct rsvp_flowspec *flowspec)
{
	return blockade && flowspec_order(&blockade->refused, flowspec) != FLOWSPEC_GREATER;
}

static void restart(struct rsvp *rsvp, struct blockade *blockade)
{
	const struct interface *interface = rsvp_interface_find(rsvp, blockade->up->ifindex);
	uint64_t factor = interface ? interface->info.blockade_factor : 3;
	uint64_t refresh_ms = interface ? interface->refresh_ms : 30000;

	rsvp_set_timer(rsvp, &blockade->timer, TIMER_BLOCKADE, factor * refresh_ms * US_PER_MS);
}

int rsvp_blockade_set(struct rsvp *rsvp, struct blockade **slot, struct up *up,
		      const struct rsvp_flowspec *refused)
{
	struct blockade *blockade = *slot;

	if (!blockade) {
		blockade = calloc(1, sizeof(*blockade));
		if (!blockade)
			return -ENOMEM;
		blockade->back = slot;
		*slot = blockade;
		rsvp->sizes.blockades++;
	}
	blockade->up = up;
	blockade->refused = *refused;
	restart(rsvp, blockade);
	return 0;
}

void rsvp_blockade_free(struct rsvp *rsvp, struct blockade *blockade)
{
	rsvp_stop_timer(rsvp, &blockade->timer);
	*blockade->back = NULL;
	rsvp->sizes.blockades--;
	free(blockade);
}

void rsvp_blockade_expire(struct rsvp *rsvp, struct blockade *blockade)
{
	struct up *up = blockade->up;

	rsvp_blockade_free(rsvp, blockade);
	rsvp_up_dirty(rsvp, up, WHY_CHANGE);
}
