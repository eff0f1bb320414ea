/* SPDX-License-Identifier: MIT */
/*
 * keys.c: which key signs a message, and whether one that has come is authentic and new (spec/rsvp.md §13;
 * RFC 2747 §3, §4, §5). That is settled before anything else is done about a message.
 */
#include "rsvp/internal.h"

#include <errno.h>
#include <stdlib.h>

#define KEYS_MAX 256u
#define CANDIDATES_MAX 16u

/* ---- which keys there are ---- */

static void free_peers(struct rsvp *rsvp, struct key *key)
{
	struct peer *peer, *next;

	HASH_ITER(hh, key->peers, peer, next) {
		rsvp_stop_timer(rsvp, &peer->timer);
		HASH_DEL(key->peers, peer);
		free(peer);
	}
}

static void free_keys(struct rsvp *rsvp, struct key *keys)
{
	struct key *key, *next;

	DL_FOREACH_SAFE(keys, key, next) {
		free_peers(rsvp, key);
		explicit_bzero(key, sizeof(*key));
		free(key);
	}
}

void rsvp_keys_free(struct rsvp *rsvp)
{
	free_keys(rsvp, rsvp->keys);
	rsvp->keys = NULL;
}

static bool same_key(const struct rsvp_key *a, const struct rsvp_key *b)
{
	return memcmp(a->id, b->id, sizeof(a->id)) == 0 && a->kind == b->kind &&
	       a->ifindex == b->ifindex && address_equal(&a->neighbour, &b->neighbour) &&
	       a->secret_len == b->secret_len && memcmp(a->secret, b->secret, a->secret_len) == 0;
}

/* What is known of a key that stays goes over to the new one. */
static void inherit(struct rsvp *rsvp, struct key *key)
{
	struct peer *peer, *next;
	struct key *old;

	DL_FOREACH(rsvp->keys, old) {
		if (!same_key(&old->info, &key->info))
			continue;
		key->sequence = old->sequence;
		key->peers = old->peers;
		old->peers = NULL;
		HASH_ITER(hh, key->peers, peer, next)
			peer->with = key;
		return;
	}
}

static bool are_good(const struct rsvp_key *keys, size_t n_keys)
{
	for (size_t i = 0; i < n_keys; i++) {
		if (keys[i].secret_len == 0 || keys[i].secret_len > sizeof(keys[i].secret) ||
		    keys[i].kind > RSVP_DIGEST_HMAC_SHA256)
			return false;
	}
	return n_keys <= KEYS_MAX;
}

int rsvp_keys_set(struct rsvp *rsvp, const struct rsvp_key *keys, size_t n_keys)
{
	struct key *list = NULL, *key;

	if (n_keys > 0 && !rsvp->ports.digest)
		return -EOPNOTSUPP;
	if (!are_good(keys, n_keys))
		return -EINVAL;
	for (size_t i = 0; i < n_keys; i++) {
		key = calloc(1, sizeof(*key));
		if (!key) {
			free_keys(rsvp, list);
			return -ENOMEM;
		}
		key->info = keys[i];
		DL_APPEND(list, key);
	}
	DL_FOREACH(list, key)
		inherit(rsvp, key);
	rsvp_keys_free(rsvp);
	rsvp->keys = list;
	return 0;
}

/* ---- which of them ---- */

static bool is_of_interface(const struct key *key, uint32_t ifindex)
{
	return key->info.ifindex == 0 || ifindex == 0 || key->info.ifindex == ifindex;
}

bool rsvp_interface_is_protected(const struct rsvp *rsvp, uint32_t ifindex)
{
	const struct key *key;

	DL_FOREACH(rsvp->keys, key) {
		if (is_of_interface(key, ifindex))
			return true;
	}
	return false;
}

/* How well it suits the neighbour; 0: not at all. One that is for nobody else will do where there is no better. */
enum suitability { SUITS_NOT, SUITS_OTHERS, SUITS_ALL, SUITS_IT };

static enum suitability suits(const struct key *key, uint32_t ifindex,
			      const struct address *neighbour)
{
	if (!is_of_interface(key, ifindex))
		return SUITS_NOT;
	if (key->info.neighbour.family == AF_UNSPEC)
		return SUITS_ALL;
	if (rsvp_same_host(&key->info.neighbour, neighbour))
		return SUITS_IT;
	return neighbour->family == AF_UNSPEC ? SUITS_OTHERS : SUITS_NOT;
}

static enum suitability best(const struct rsvp *rsvp, uint32_t ifindex,
			     const struct address *neighbour)
{
	enum suitability suitability = SUITS_NOT, of_key;
	const struct key *key;

	DL_FOREACH(rsvp->keys, key) {
		of_key = suits(key, ifindex, neighbour);
		if (of_key > suitability)
			suitability = of_key;
	}
	return suitability;
}

/* The one to sign with, among those that suit that well. */
static struct key *choose(const struct rsvp *rsvp, uint32_t ifindex,
			  const struct address *neighbour, bool *ret_expired)
{
	struct rsvp_key_validity validity[CANDIDATES_MAX];
	struct key *candidates[CANDIDATES_MAX], *key;
	enum suitability suitability = best(rsvp, ifindex, neighbour);
	unsigned n = 0;
	int chosen;

	*ret_expired = false;
	if (suitability == SUITS_NOT)
		return NULL;
	DL_FOREACH(rsvp->keys, key) {
		if (n == CANDIDATES_MAX || suits(key, ifindex, neighbour) != suitability)
			continue;
		validity[n] = (struct rsvp_key_validity){ key->info.valid_from_us,
							  key->info.valid_until_us };
		candidates[n++] = key;
	}
	chosen = rsvp_key_choose(validity, n, rsvp->now_us, ret_expired);
	return chosen >= 0 ? candidates[chosen] : NULL;
}

/* ---- leaving ---- */

struct key *rsvp_key_to(struct rsvp *rsvp, uint32_t ifindex, const struct address *neighbour)
{
	struct key *key;
	bool expired;

	if (!rsvp->keys)
		return NULL;
	key = choose(rsvp, ifindex, neighbour, &expired);
	if (expired)
		rsvp_count_one(rsvp, RSVP_COUNT_EXPIRED_KEY);
	return key;
}

/* Its seconds go on over a restart. */
static uint64_t next_number(const struct rsvp *rsvp, struct key *key)
{
	uint64_t passed_s = (rsvp->now_us - rsvp->started_us) / US_PER_S;

	return rsvp_sequence_next(&key->sequence, rsvp->config.started_s + (uint32_t)passed_s);
}

void rsvp_key_put(struct rsvp *rsvp, struct key *key, struct rsvp_writer *writer)
{
	rsvp_put_integrity(writer, true, key->info.id, next_number(rsvp, key),
			   rsvp_digest_len(key->info.kind));
}

static struct rsvp_signer signer_of(const struct rsvp *rsvp, const struct key *key)
{
	return (struct rsvp_signer){
		.digest = rsvp->ports.digest,
		.user_data = rsvp->ports.user_data,
		.kind = key->info.kind,
		.secret = key->info.secret,
		.secret_len = key->info.secret_len,
	};
}

void rsvp_key_sign(struct rsvp *rsvp, const struct key *key, uint8_t *message, size_t len)
{
	const struct rsvp_signer signer = signer_of(rsvp, key);

	rsvp_sign(&signer, message, len);
}

/* ---- found by what a message says ---- */

/* The sender's own key before one that all have. */
static struct key *find_key(const struct rsvp *rsvp, uint32_t ifindex, const struct address *origin,
			    const uint8_t id[static RSVP_KEY_ID_LEN])
{
	struct key *key, *found = NULL;

	DL_FOREACH(rsvp->keys, key) {
		enum suitability suitability = suits(key, ifindex, origin);

		if (memcmp(key->info.id, id, RSVP_KEY_ID_LEN) != 0 || suitability == SUITS_NOT)
			continue;
		if (!found || suitability == SUITS_IT)
			found = key;
	}
	return found;
}

/* It has begun, and not ended, or there is no other. */
static bool is_in_use(struct rsvp *rsvp, const struct key *key, uint32_t ifindex,
		      const struct address *origin)
{
	bool expired;

	if (key->info.valid_from_us > rsvp->now_us)
		return false;
	if (key->info.valid_until_us == 0 || key->info.valid_until_us > rsvp->now_us)
		return true;
	if (choose(rsvp, ifindex, origin, &expired) != key)
		return false;
	rsvp_count_one(rsvp, RSVP_COUNT_EXPIRED_KEY);
	return true;
}

bool rsvp_key_renew(struct rsvp *rsvp, const struct rsvp_packet *packet, uint8_t *message,
		    size_t len)
{
	size_t position = RSVP_HEADER_LEN;
	struct rsvp_integrity integrity;
	struct rsvp_object object;
	struct rsvp_writer writer;
	struct key *key;

	if (rsvp_object_next(message, len, &position, &object) != 1 ||
	    object.class_num != RSVP_CLASS_INTEGRITY)
		return !rsvp->keys || !rsvp_interface_is_protected(rsvp, packet->ifindex);
	if (rsvp_read_integrity(&object, &integrity) < 0)
		return false;
	DL_FOREACH(rsvp->keys, key) {
		if (is_of_interface(key, packet->ifindex) &&
		    memcmp(key->info.id, integrity.key_id, RSVP_KEY_ID_LEN) == 0 &&
		    rsvp_digest_len(key->info.kind) == integrity.digest_len)
			break;
	}
	if (!key)
		return false;
	writer = (struct rsvp_writer){ .buf = message, .capacity = len, .len = RSVP_HEADER_LEN };
	rsvp_key_put(rsvp, key, &writer);
	rsvp_key_sign(rsvp, key, message, len);
	return true;
}

/* ---- arriving ---- */

/* Made only for who has the key. NULL: there are too many, or there is no memory. */
static struct peer *get_peer(struct rsvp *rsvp, struct key *key, uint32_t ifindex,
			     const struct address *origin)
{
	struct peer probe = { 0 }, *peer;

	probe.key.address = *origin;
	probe.key.address.port = 0;
	probe.key.address.scope = 0;
	probe.key.ifindex = ifindex;
	HASH_FIND(hh, key->peers, &probe.key, sizeof(probe.key), peer);
	if (peer)
		return peer;
	if (HASH_COUNT(key->peers) >= rsvp->config.max_neighbours)
		return NULL;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->key = probe.key;
	peer->with = key;
	HASH_ADD_KEYPTR(hh, key->peers, &peer->key, sizeof(peer->key), peer);
	if (!peer->hh.tbl) {
		free(peer);
		return NULL;
	}
	return peer;
}

/* It may have been heard by another interface than its answer comes by. */
static struct peer *asked(struct peer *heard, const struct rsvp_message *message)
{
	struct peer *peer, *next;

	HASH_ITER(hh, heard->with->peers, peer, next) {
		if (peer->handshake.state == RSVP_HANDSHAKE_ASKED &&
		    peer->handshake.cookie == message->challenge.cookie &&
		    rsvp_same_host(&peer->key.address, &heard->key.address))
			return peer;
	}
	return heard;
}

static bool take_response(struct rsvp *rsvp, struct peer *heard, const struct rsvp_message *message)
{
	struct peer *peer = asked(heard, message);

	if (rsvp_handshake_answer(&peer->handshake, message, &peer->replay) < 0) {
		rsvp_count_one(rsvp, RSVP_COUNT_BAD_INTEGRITY);
		return false;
	}
	rsvp_stop_timer(rsvp, &peer->timer);
	return true;
}

/* It is authentic; whether it is also new. */
static bool is_new(struct rsvp *rsvp, struct peer *peer, const struct rsvp_message *message)
{
	if (message->type == RSVP_RESPONSE)
		return take_response(rsvp, peer, message);
	if (rsvp_challenge_peer(rsvp, peer, &message->integrity))
		return false;
	if (rsvp_replay_check(&peer->replay, message->integrity.sequence,
			      rsvp->config.integrity_window) < 0) {
		rsvp_count_one(rsvp, RSVP_COUNT_REPLAYED);
		return false;
	}
	return true;
}

/* The key that the message is signed with; NULL: it is signed with none, or not rightly. */
static struct key *verify(struct rsvp *rsvp, uint32_t ifindex, const struct rsvp_message *message,
			  const struct address *origin)
{
	struct rsvp_signer signer;
	struct key *key;

	if (!rsvp_message_has(message, RSVP_CLASS_INTEGRITY))
		return NULL;
	key = find_key(rsvp, ifindex, origin, message->integrity.key_id);
	if (!key || !is_in_use(rsvp, key, ifindex, origin))
		return NULL;
	signer = signer_of(rsvp, key);
	return rsvp_verify(&signer, message, rsvp->buf) == 0 ? key : NULL;
}

bool rsvp_is_authentic(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		       const struct rsvp_message *message, const struct address *origin)
{
	struct peer *peer;
	struct key *key;

	/* What is in a Bundle is signed on its own; who challenges is not to be trusted. */
	if (message->type == RSVP_CHALLENGE || message->type == RSVP_BUNDLE)
		return true;
	if (!rsvp_interface_is_protected(rsvp, arrival->ifindex))
		return message->type != RSVP_RESPONSE;
	key = verify(rsvp, arrival->ifindex, message, origin);
	if (!key) {
		rsvp_count_one(rsvp, RSVP_COUNT_BAD_INTEGRITY);
		return false;
	}
	peer = get_peer(rsvp, key, arrival->ifindex, origin);
	if (!peer) {
		rsvp_count_one(rsvp, RSVP_COUNT_LIMITED);
		return false;
	}
	return is_new(rsvp, peer, message);
}
