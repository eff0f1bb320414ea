/* SPDX-License-Identifier: MIT */
/*
 * integrity.h: who a message is from, and that it is no repetition of an earlier one (RFC 2747, RFC 3097;
 * spec/rsvp.md §13). Digests are computed by the host, through a callback; time and random numbers are its too.
 *
 * A sender has one sequence for each key. A receiver remembers, for each key and sender, the largest number that it
 * has seen and which of those before it; it may ask a sender where it is (Challenge), so that messages recorded
 * before the receiver started are worthless.
 */
#ifndef GW_RSVP_INTEGRITY_H
#define GW_RSVP_INTEGRITY_H

#include "rsvp/message.h"
#include "rsvp/writer.h"

#define RSVP_WINDOW_MAX 64

/* Keyed digest of `data`; writes rsvp_digest_len() bytes. */
typedef void (*rsvp_digest_fn)(void *user_data, enum rsvp_digest kind, const uint8_t *key,
			       size_t key_len, const uint8_t *data, size_t len,
			       uint8_t *ret_digest);

size_t rsvp_digest_len(enum rsvp_digest kind);

/* How a message is signed and verified. */
struct rsvp_signer {
	rsvp_digest_fn digest;
	void *user_data;
	enum rsvp_digest kind;
	const uint8_t *secret;
	size_t secret_len;
};

/*
 * Signs a finished message that has INTEGRITY first, with room for the digest: over all of it, with checksum and
 * digest zero; the checksum is set after it. -EINVAL: there is no such object, or of another length.
 */
int rsvp_sign(const struct rsvp_signer *signer, uint8_t *message, size_t len);

/*
 * Whether the digest is right; `scratch` holds as much as the message and is overwritten. Takes as long for every
 * wrong one. -EINVAL: no INTEGRITY or a digest of another length; -EACCES: a wrong digest.
 */
int rsvp_verify(const struct rsvp_signer *signer, const struct rsvp_message *message,
		uint8_t *scratch);

/* ---- sequence numbers ---- */

/*
 * The next number: above all before, and, with a clock that does not go back over a restart, above those of the run
 * before: its seconds are the upper half.
 */
uint64_t rsvp_sequence_next(uint64_t *last, uint32_t now_s);

struct rsvp_replay {
	uint64_t largest;
	uint64_t seen; /* bit n: largest - n */
	bool started;
};

/*
 * Takes a number that was authenticated. `window` is how far behind the largest one may be, 1 (each above the one
 * before) to RSVP_WINDOW_MAX. -EALREADY: seen, or too old. The first of all is taken.
 */
int rsvp_replay_check(struct rsvp_replay *replay, uint64_t sequence, unsigned window);

/* ---- asking a sender where it is (RFC 2747 §4.3) ---- */

enum rsvp_handshake_state {
	RSVP_HANDSHAKE_NONE, /* nothing is known of the sender */
	RSVP_HANDSHAKE_ASKED,
	RSVP_HANDSHAKE_DONE,
	RSVP_HANDSHAKE_GIVEN_UP, /* it does not answer */
};

#define RSVP_HANDSHAKE_WAIT_US 500000
#define RSVP_HANDSHAKE_TRIES 5

struct rsvp_handshake {
	enum rsvp_handshake_state state;
	uint8_t tries;
	uint8_t key_id[RSVP_KEY_ID_LEN];
	uint64_t cookie;
	uint64_t again_us; /* asked: when the next Challenge is due */
};

/*
 * An authentic message has come from a sender that nothing is known of. True: it is not processed, and a Challenge
 * with this cookie leaves now. False where the sender does not answer challenges, or has answered.
 */
bool rsvp_handshake_begin(struct rsvp_handshake *handshake, const struct rsvp_integrity *integrity,
			  uint64_t cookie, uint64_t now_us);

/* True: the same Challenge leaves again. False: not yet, or no more (then the state says so). */
bool rsvp_handshake_retry(struct rsvp_handshake *handshake, uint64_t now_us);

/*
 * An authentic Response has come. 0: it answers the Challenge, and numbers begin anew behind its own.
 * -EACCES: nobody asked, or not for that.
 */
int rsvp_handshake_answer(struct rsvp_handshake *handshake, const struct rsvp_message *response,
			  struct rsvp_replay *replay);

/* ---- which key ---- */

struct rsvp_key_validity {
	uint64_t from_us, until_us; /* 0: always */
};

/*
 * Which of several keys to sign with: the valid one that began last. Where none is valid any more, the one that ended
 * last, and *ret_expired says that it has. -1: there is none that has begun.
 */
int rsvp_key_choose(const struct rsvp_key_validity *keys, size_t n_keys, uint64_t now_us,
		    bool *ret_expired);

#endif
