/* SPDX-License-Identifier: MIT */
/*
 * challenge.c: asking those that nothing is known of where they are in their sequence, so that what was recorded
 * before this node began is worthless, and answering who asks this node (spec/rsvp.md §13; RFC 2747 §4.3, RFC 3097).
 */
#include "rsvp/internal.h"

/* ---- asking ---- */

/* One that did not answer is asked again when it says something after that time. */
#define GIVEN_UP_US (10 * US_PER_S)

static void send_challenge(struct rsvp *rsvp, const struct peer *peer)
{
	struct rsvp_challenge challenge = { .cookie = peer->handshake.cookie };
	struct departure departure = {
		.ifindex = peer->key.ifindex,
		.destination = peer->key.address,
		.ttl = rsvp->config.hop_ttl,
		.by_routes = !address_is_link_local(&peer->key.address),
	};
	struct rsvp_writer writer;
	struct rsvp_hop own;

	if (!rsvp_own_hop(rsvp, peer->key.ifindex, peer->key.address.family, &own))
		return;
	departure.source = own.address;
	memcpy(challenge.key_id, peer->handshake.key_id, sizeof(challenge.key_id));
	rsvp_begin(rsvp, &writer, RSVP_CHALLENGE, departure.ttl);
	rsvp_put_challenge(&writer, &challenge);
	rsvp_send(rsvp, &writer, &departure, NULL);
}

static uint64_t make_cookie(const struct rsvp *rsvp)
{
	uint64_t high = rsvp->ports.random(rsvp->ports.user_data);

	return high << 32 | rsvp->ports.random(rsvp->ports.user_data);
}

bool rsvp_challenge_peer(struct rsvp *rsvp, struct peer *peer,
			 const struct rsvp_integrity *integrity)
{
	struct rsvp_handshake *handshake = &peer->handshake;

	if (!peer->with->info.challenge || handshake->state == RSVP_HANDSHAKE_DONE)
		return false;
	if (handshake->state == RSVP_HANDSHAKE_GIVEN_UP &&
	    rsvp->now_us >= handshake->again_us + GIVEN_UP_US)
		handshake->state = RSVP_HANDSHAKE_NONE;
	if (handshake->state != RSVP_HANDSHAKE_NONE)
		return true;
	/* Who was heard before it had to be asked is known already (R-255: or cannot be asked). */
	if (peer->replay.started ||
	    !rsvp_handshake_begin(handshake, integrity, make_cookie(rsvp), rsvp->now_us))
		return false;
	send_challenge(rsvp, peer);
	rsvp_set_timer(rsvp, &peer->timer, TIMER_CHALLENGE, RSVP_HANDSHAKE_WAIT_US);
	return true;
}

void rsvp_challenge_due(struct rsvp *rsvp, struct peer *peer)
{
	if (!rsvp_handshake_retry(&peer->handshake, rsvp->now_us))
		return;
	send_challenge(rsvp, peer);
	rsvp_set_timer(rsvp, &peer->timer, TIMER_CHALLENGE, RSVP_HANDSHAKE_WAIT_US);
}

/* ---- answering ---- */

#define ANSWERS_PER_S 100u

static bool may_answer(struct rsvp *rsvp)
{
	struct challenge_limit *limit = &rsvp->challenges;

	if (rsvp->now_us - limit->since_us >= US_PER_S)
		*limit = (struct challenge_limit){ .since_us = rsvp->now_us };
	return limit->n++ < ANSWERS_PER_S;
}

/* One that this node could sign with. */
static struct key *own_key(const struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   const uint8_t id[static RSVP_KEY_ID_LEN])
{
	struct key *key;

	DL_FOREACH(rsvp->keys, key) {
		if (memcmp(key->info.id, id, RSVP_KEY_ID_LEN) == 0 &&
		    key->info.valid_from_us <= rsvp->now_us &&
		    (key->info.ifindex == 0 || key->info.ifindex == arrival->ifindex))
			return key;
	}
	return NULL;
}

void rsvp_challenge_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			    const struct rsvp_message *message)
{
	const struct rsvp_challenge *challenge = &message->challenge;
	struct key *key = own_key(rsvp, arrival, challenge->key_id);
	struct departure departure = {
		.ifindex = arrival->ifindex,
		.destination = arrival->source,
		.ttl = rsvp->config.hop_ttl,
		.by_routes = !address_is_link_local(&arrival->source),
		.key = key,
	};
	struct rsvp_writer writer;
	struct rsvp_hop own;

	if (!key || !rsvp_own_hop(rsvp, arrival->ifindex, arrival->source.family, &own)) {
		rsvp_count_one(rsvp, RSVP_COUNT_BAD_INTEGRITY);
		return;
	}
	if (!may_answer(rsvp)) {
		rsvp_count_one(rsvp, RSVP_COUNT_LIMITED);
		return;
	}
	/* From the address that was asked, to the one that asks, whichever way that came. */
	departure.source = own.address;
	if (rsvp_address_is_local(rsvp, &arrival->destination))
		departure.source = arrival->destination;
	departure.destination.port = 0;
	rsvp_begin(rsvp, &writer, RSVP_RESPONSE, departure.ttl);
	rsvp_put_challenge(&writer, challenge);
	rsvp_count_one(rsvp, RSVP_COUNT_CHALLENGED);
	rsvp_send(rsvp, &writer, &departure, NULL);
}
