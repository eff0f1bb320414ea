/* SPDX-License-Identifier: MIT */
/* integrity.c: see integrity.h. */
#include "rsvp/integrity.h"

#include <errno.h>

#define DIGEST_AT 20u /* in the object */

size_t rsvp_digest_len(enum rsvp_digest kind)
{
	switch (kind) {
	case RSVP_DIGEST_HMAC_MD5:
		return 16;
	case RSVP_DIGEST_HMAC_SHA1:
		return 20;
	case RSVP_DIGEST_HMAC_SHA256:
	default:
		return 32;
	}
}

static void compute(const struct rsvp_signer *signer, const uint8_t *message, size_t len,
		    uint8_t digest[static RSVP_DIGEST_MAX])
{
	signer->digest(signer->user_data, signer->kind, signer->secret, signer->secret_len, message,
		       len, digest);
}

int rsvp_sign(const struct rsvp_signer *signer, uint8_t *message, size_t len)
{
	size_t digest_len = rsvp_digest_len(signer->kind), position = RSVP_HEADER_LEN;
	uint8_t digest[RSVP_DIGEST_MAX];
	struct rsvp_object object;

	if (len < RSVP_HEADER_LEN || rsvp_object_next(message, len, &position, &object) != 1 ||
	    object.class_num != RSVP_CLASS_INTEGRITY || object.len != DIGEST_AT + digest_len)
		return -EINVAL;
	put16(message + 2, 0);
	memset(message + RSVP_HEADER_LEN + DIGEST_AT, 0, digest_len);
	compute(signer, message, len, digest);
	memcpy(message + RSVP_HEADER_LEN + DIGEST_AT, digest, digest_len);
	rsvp_set_checksum(message, len);
	return 0;
}

/* In a time that does not depend on where they differ. */
static bool same_digest(const uint8_t *a, const uint8_t *b, size_t len)
{
	uint8_t difference = 0;

	for (size_t i = 0; i < len; i++)
		difference |= a[i] ^ b[i];
	return difference == 0;
}

int rsvp_verify(const struct rsvp_signer *signer, const struct rsvp_message *message,
		uint8_t *scratch)
{
	size_t digest_len = rsvp_digest_len(signer->kind);
	uint8_t digest[RSVP_DIGEST_MAX];

	if (!rsvp_message_has(message, RSVP_CLASS_INTEGRITY) ||
	    message->integrity.digest_len != digest_len)
		return -EINVAL;
	memcpy(scratch, message->data, message->len);
	put16(scratch + 2, 0);
	memset(scratch + (message->integrity.digest - message->data), 0, digest_len);
	compute(signer, scratch, message->len, digest);
	return same_digest(digest, message->integrity.digest, digest_len) ? 0 : -EACCES;
}

/* ---- sequence numbers ---- */

uint64_t rsvp_sequence_next(uint64_t *last, uint32_t now_s)
{
	uint64_t of_clock = (uint64_t)now_s << 32;

	*last = *last < of_clock ? of_clock : *last + 1;
	return *last;
}

int rsvp_replay_check(struct rsvp_replay *replay, uint64_t sequence, unsigned window)
{
	uint64_t behind, ahead;

	if (!replay->started) {
		*replay = (struct rsvp_replay){ sequence, 1, true };
		return 0;
	}
	if (sequence > replay->largest) {
		ahead = sequence - replay->largest;
		replay->seen = ahead < RSVP_WINDOW_MAX ? replay->seen << ahead | 1 : 1;
		replay->largest = sequence;
		return 0;
	}
	behind = replay->largest - sequence;
	if (behind >= window || behind >= RSVP_WINDOW_MAX || replay->seen >> behind & 1)
		return -EALREADY;
	replay->seen |= 1ull << behind;
	return 0;
}

/* ---- the handshake ---- */

bool rsvp_handshake_begin(struct rsvp_handshake *handshake, const struct rsvp_integrity *integrity,
			  uint64_t cookie, uint64_t now_us)
{
	if (handshake->state != RSVP_HANDSHAKE_NONE || !integrity->handshake)
		return false;
	*handshake = (struct rsvp_handshake){
		.state = RSVP_HANDSHAKE_ASKED,
		.tries = 1,
		.cookie = cookie,
		.again_us = now_us + RSVP_HANDSHAKE_WAIT_US,
	};
	memcpy(handshake->key_id, integrity->key_id, sizeof(handshake->key_id));
	return true;
}

bool rsvp_handshake_retry(struct rsvp_handshake *handshake, uint64_t now_us)
{
	if (handshake->state != RSVP_HANDSHAKE_ASKED || now_us < handshake->again_us)
		return false;
	if (handshake->tries == RSVP_HANDSHAKE_TRIES) {
		handshake->state = RSVP_HANDSHAKE_GIVEN_UP;
		return false;
	}
	handshake->tries++;
	handshake->again_us = now_us + RSVP_HANDSHAKE_WAIT_US;
	return true;
}

int rsvp_handshake_answer(struct rsvp_handshake *handshake, const struct rsvp_message *response,
			  struct rsvp_replay *replay)
{
	const struct rsvp_challenge *challenge = &response->challenge;

	if (response->type != RSVP_RESPONSE || handshake->state != RSVP_HANDSHAKE_ASKED ||
	    challenge->cookie != handshake->cookie ||
	    memcmp(challenge->key_id, handshake->key_id, RSVP_KEY_ID_LEN) != 0 ||
	    memcmp(response->integrity.key_id, handshake->key_id, RSVP_KEY_ID_LEN) != 0)
		return -EACCES;
	handshake->state = RSVP_HANDSHAKE_DONE;
	*replay = (struct rsvp_replay){ response->integrity.sequence, UINT64_MAX, true };
	return 0;
}

/* ---- which key ---- */

int rsvp_key_choose(const struct rsvp_key_validity *keys, size_t n_keys, uint64_t now_us,
		    bool *ret_expired)
{
	int valid = -1, ended = -1;

	for (size_t i = 0; i < n_keys; i++) {
		bool has_ended = keys[i].until_us != 0 && keys[i].until_us <= now_us;

		if (keys[i].from_us > now_us)
			continue;
		if (!has_ended && (valid < 0 || keys[i].from_us > keys[valid].from_us))
			valid = (int)i;
		if (has_ended && (ended < 0 || keys[i].until_us > keys[ended].until_us))
			ended = (int)i;
	}
	*ret_expired = valid < 0 && ended >= 0;
	return valid >= 0 ? valid : ended;
}
