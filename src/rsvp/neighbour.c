/* SPDX-License-Identifier: MIT */
/*
 * neighbour.c: who speaks to this node: how much each may say, and how much state it may have here (spec/rsvp.md
 * §16.4, §16.5). A neighbour without state is forgotten when another one needs its place.
 */
#include "rsvp/internal.h"

#include <stdlib.h>

#define KEY_LEN sizeof(((struct neighbour *)0)->key)

static unsigned hash_of(const struct rsvp *rsvp, const struct neighbour *probe)
{
	return (unsigned)rsvp_digest64(rsvp->seed, &probe->key, KEY_LEN);
}

static void set_key(struct neighbour *neighbour, uint32_t ifindex, const struct address *address)
{
	neighbour->key.address = *address;
	neighbour->key.address.port = 0;
	neighbour->key.address.scope = 0;
	neighbour->key.ifindex = ifindex;
}

struct neighbour *rsvp_neighbour_find(const struct rsvp *rsvp, uint32_t ifindex,
				      const struct address *address)
{
	struct neighbour probe = { 0 }, *neighbour;

	set_key(&probe, ifindex, address);
	HASH_FIND_BYHASHVALUE(hh, rsvp->neighbours, &probe.key, KEY_LEN, hash_of(rsvp, &probe),
			      neighbour);
	return neighbour;
}

static void set_idle(struct rsvp *rsvp, struct neighbour *neighbour, bool idle)
{
	if (neighbour->idle)
		DL_DELETE(rsvp->idle_neighbours, neighbour);
	if (idle)
		DL_APPEND(rsvp->idle_neighbours, neighbour);
	neighbour->idle = idle;
}

static void forget(struct rsvp *rsvp, struct neighbour *neighbour)
{
	set_idle(rsvp, neighbour, false);
	HASH_DEL(rsvp->neighbours, neighbour);
	rsvp->sizes.neighbours--;
	rsvp_reduction_free(rsvp, neighbour);
	free(neighbour);
}

static struct neighbour *meet(struct rsvp *rsvp, uint32_t ifindex, const struct address *address)
{
	struct neighbour *neighbour;

	if (rsvp->sizes.neighbours >= rsvp->config.max_neighbours) {
		if (!rsvp->idle_neighbours)
			return NULL;
		forget(rsvp, rsvp->idle_neighbours);
	}
	neighbour = calloc(1, sizeof(*neighbour));
	if (!neighbour)
		return NULL;
	set_key(neighbour, ifindex, address);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, rsvp->neighbours, &neighbour->key, KEY_LEN,
				    hash_of(rsvp, neighbour), neighbour);
	if (!neighbour->hh.tbl) {
		free(neighbour);
		return NULL;
	}
	rsvp->sizes.neighbours++;
	neighbour->credit = rsvp->config.messages_per_s_per_neighbour * US_PER_S;
	neighbour->credit_us = rsvp->now_us;
	set_idle(rsvp, neighbour, true);
	return neighbour;
}

struct neighbour *rsvp_neighbour_get(struct rsvp *rsvp, uint32_t ifindex,
				     const struct address *address)
{
	struct neighbour *neighbour = rsvp_neighbour_find(rsvp, ifindex, address);

	if (!neighbour)
		return meet(rsvp, ifindex, address);
	if (neighbour->idle)
		set_idle(rsvp, neighbour, true); /* not silent any more */
	return neighbour;
}

bool rsvp_neighbour_may_send(struct rsvp *rsvp, struct neighbour *neighbour)
{
	uint64_t per_s = rsvp->config.messages_per_s_per_neighbour;
	uint64_t full = per_s * US_PER_S;
	uint64_t passed_us = rsvp->now_us - neighbour->credit_us;

	neighbour->credit_us = rsvp->now_us;
	if (passed_us >= US_PER_S || neighbour->credit + passed_us * per_s >= full)
		neighbour->credit = full;
	else
		neighbour->credit += passed_us * per_s;
	if (neighbour->credit < US_PER_S) {
		neighbour->dropped++;
		return false;
	}
	neighbour->credit -= US_PER_S;
	neighbour->received++;
	return true;
}

bool rsvp_neighbour_has_room(const struct rsvp *rsvp, const struct neighbour *neighbour)
{
	return !neighbour || neighbour->states < rsvp->config.max_state_per_neighbour;
}

void rsvp_neighbour_hold(struct rsvp *rsvp, struct neighbour *neighbour)
{
	if (neighbour && neighbour->states++ == 0)
		set_idle(rsvp, neighbour, false);
}

void rsvp_neighbour_release(struct rsvp *rsvp, struct neighbour *neighbour)
{
	if (neighbour && --neighbour->states == 0 && neighbour->uses == 0)
		set_idle(rsvp, neighbour, true);
}

void rsvp_neighbour_use(struct rsvp *rsvp, struct neighbour *neighbour)
{
	if (neighbour->uses++ == 0)
		set_idle(rsvp, neighbour, false);
}

void rsvp_neighbour_unuse(struct rsvp *rsvp, struct neighbour *neighbour)
{
	if (--neighbour->uses == 0 && neighbour->states == 0)
		set_idle(rsvp, neighbour, true);
}
