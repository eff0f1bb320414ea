/* SPDX-License-Identifier: MIT */
/* test_rsvp_integrity.c: digests by nettle, replays, challenges, and which key is used when. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <nettle/hmac.h>

#include "rsvp/integrity.h"

static void digest(void *user_data, enum rsvp_digest kind, const uint8_t *key, size_t key_len,
		   const uint8_t *data, size_t len, uint8_t *ret_digest)
{
	struct hmac_sha256_ctx sha256;
	struct hmac_sha1_ctx sha1;
	struct hmac_md5_ctx md5;

	switch (kind) {
	case RSVP_DIGEST_HMAC_MD5:
		hmac_md5_set_key(&md5, key_len, key);
		hmac_md5_update(&md5, len, data);
		hmac_md5_digest(&md5, MD5_DIGEST_SIZE, ret_digest);
		break;
	case RSVP_DIGEST_HMAC_SHA1:
		hmac_sha1_set_key(&sha1, key_len, key);
		hmac_sha1_update(&sha1, len, data);
		hmac_sha1_digest(&sha1, SHA1_DIGEST_SIZE, ret_digest);
		break;
	case RSVP_DIGEST_HMAC_SHA256:
		hmac_sha256_set_key(&sha256, key_len, key);
		hmac_sha256_update(&sha256, len, data);
		hmac_sha256_digest(&sha256, SHA256_DIGEST_SIZE, ret_digest);
		break;
	}
}

static const uint8_t secret[] = "a shared secret";
static const uint8_t key_id[RSVP_KEY_ID_LEN] = { 1, 2, 3, 4, 5, 6 };
static const struct rsvp_message_id id = { .epoch = 1, .id = 2 };

static struct rsvp_signer signer_of(enum rsvp_digest kind)
{
	return (struct rsvp_signer){ digest, NULL, kind, secret, sizeof(secret) - 1 };
}

static uint8_t buf[1024], scratch[1024];
static struct rsvp_message message;

static void parse(size_t len)
{
	struct rsvp_complaint complaint;

	assert_int_equal(rsvp_message_parse(buf, len, &rsvp_limits_default, &message, &complaint),
			 0);
}

static size_t make_ack(enum rsvp_digest kind)
{
	struct rsvp_writer writer;
	size_t len = 0;

	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_ACK, 0, 63);
	rsvp_put_integrity(&writer, true, key_id, 77, rsvp_digest_len(kind));
	rsvp_put_ack(&writer, RSVP_CTYPE_ACK, &id);
	assert_int_equal(rsvp_writer_finish(&writer, &len), 0);
	return len;
}

/* R-246..R-248: the digest is over all of the message, and no bit of it may change. */
static void test_digest(void **state)
{
	static const uint16_t lengths[] = { 36, 40, 52 };

	for (enum rsvp_digest kind = RSVP_DIGEST_HMAC_MD5; kind <= RSVP_DIGEST_HMAC_SHA256;
	     kind++) {
		struct rsvp_signer signer = signer_of(kind), other = signer;
		size_t len = make_ack(kind), digest_len = rsvp_digest_len(kind);
		uint8_t by_hand[RSVP_DIGEST_MAX];

		assert_int_equal(get16(buf + RSVP_HEADER_LEN), lengths[kind]);
		assert_int_equal(buf[RSVP_HEADER_LEN + 2], RSVP_CLASS_INTEGRITY);
		memcpy(scratch, buf, len);
		scratch[2] = scratch[3] = 0;
		digest(NULL, kind, secret, sizeof(secret) - 1, scratch, len, by_hand);

		assert_int_equal(rsvp_sign(&signer, buf, len), 0);
		assert_memory_equal(buf + RSVP_HEADER_LEN + 20, by_hand, digest_len);
		parse(len);
		assert_int_equal(message.integrity.sequence, 77);
		assert_int_equal(rsvp_verify(&signer, &message, scratch), 0);
		other.secret_len--;
		assert_int_equal(rsvp_verify(&other, &message, scratch), -EACCES);
		other = signer_of(kind == RSVP_DIGEST_HMAC_MD5 ? RSVP_DIGEST_HMAC_SHA1
							       : RSVP_DIGEST_HMAC_MD5);
		assert_int_equal(rsvp_verify(&other, &message, scratch), -EINVAL);

		for (size_t bit = 0; bit < len * 8; bit++) {
			if (bit / 8 == 2 || bit / 8 == 3)
				continue; /* the checksum */
			buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(rsvp_verify(&signer, &message, scratch), -EACCES);
			buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

/* without the object there is nothing to sign or verify. */
static void test_without(void **state)
{
	struct rsvp_signer signer = signer_of(RSVP_DIGEST_HMAC_MD5);
	struct rsvp_writer writer;
	size_t len;

	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_ACK, 0, 63);
	rsvp_put_ack(&writer, RSVP_CTYPE_ACK, &id);
	assert_int_equal(rsvp_writer_finish(&writer, &len), 0);
	parse(len);
	assert_int_equal(rsvp_verify(&signer, &message, scratch), -EINVAL);
	assert_int_equal(rsvp_sign(&signer, buf, len), -EINVAL);
}

/* */
static void test_sequence(void **state)
{
	uint64_t last = 0, before = 0;

	for (unsigned i = 0; i < 1000; i++) {
		uint64_t next = rsvp_sequence_next(&last, 100 + i / 300);

		assert_true(next > before);
		before = next;
	}
	/* A clock that stands or goes back does not matter; a restart later begins above. */
	assert_true(rsvp_sequence_next(&last, 50) > before);
	before = last;
	last = 0;
	assert_true(rsvp_sequence_next(&last, 104) > before);
}

/* */
static void test_replay(void **state)
{
	struct rsvp_replay replay = { 0 };

	assert_int_equal(rsvp_replay_check(&replay, 100, 32), 0);
	assert_int_equal(rsvp_replay_check(&replay, 100, 32), -EALREADY);
	assert_int_equal(rsvp_replay_check(&replay, 110, 32), 0);
	assert_int_equal(rsvp_replay_check(&replay, 105, 32), 0);
	assert_int_equal(rsvp_replay_check(&replay, 105, 32), -EALREADY);
	assert_int_equal(rsvp_replay_check(&replay, 100, 32), -EALREADY);
	assert_int_equal(rsvp_replay_check(&replay, 79, 32), 0);
	assert_int_equal(rsvp_replay_check(&replay, 78, 32), -EALREADY);
	assert_int_equal(rsvp_replay_check(&replay, UINT64_MAX, 32), 0);
	assert_int_equal(rsvp_replay_check(&replay, 110, 32), -EALREADY);
	assert_int_equal(rsvp_replay_check(&replay, UINT64_MAX - 1, 1), -EALREADY);
	assert_int_equal(rsvp_replay_check(&replay, UINT64_MAX - 63, 64), 0);
	assert_int_equal(rsvp_replay_check(&replay, UINT64_MAX - 64, 64), -EALREADY);
}

static void make_response(uint64_t cookie, const uint8_t *id_of_key, uint64_t sequence)
{
	struct rsvp_challenge challenge = { .cookie = cookie };
	struct rsvp_writer writer;
	size_t len;

	memcpy(challenge.key_id, id_of_key, RSVP_KEY_ID_LEN);
	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_RESPONSE, 0, 63);
	rsvp_put_integrity(&writer, true, id_of_key, sequence, 16);
	rsvp_put_challenge(&writer, &challenge);
	assert_int_equal(rsvp_writer_finish(&writer, &len), 0);
	parse(len);
}

/* R-253..R-255 */
static void test_handshake(void **state)
{
	static const uint8_t another[RSVP_KEY_ID_LEN] = { 9 };
	struct rsvp_integrity integrity = { .handshake = false };
	struct rsvp_handshake handshake = { 0 };
	struct rsvp_replay replay = { 0 };

	memcpy(integrity.key_id, key_id, sizeof(key_id));
	make_response(42, key_id, 1000);
	assert_int_equal(rsvp_handshake_answer(&handshake, &message, &replay), -EACCES);
	assert_false(rsvp_handshake_begin(&handshake, &integrity, 42, 0));
	integrity.handshake = true;
	assert_true(rsvp_handshake_begin(&handshake, &integrity, 42, 0));
	assert_false(rsvp_handshake_begin(&handshake, &integrity, 43, 0));

	make_response(43, key_id, 1000);
	assert_int_equal(rsvp_handshake_answer(&handshake, &message, &replay), -EACCES);
	make_response(42, another, 1000);
	assert_int_equal(rsvp_handshake_answer(&handshake, &message, &replay), -EACCES);
	assert_false(replay.started);
	make_response(42, key_id, 1000);
	assert_int_equal(rsvp_handshake_answer(&handshake, &message, &replay), 0);
	/* What was recorded before it, even within the window, is not taken. */
	assert_int_equal(rsvp_replay_check(&replay, 999, 64), -EALREADY);
	assert_int_equal(rsvp_replay_check(&replay, 1000, 64), -EALREADY);
	assert_int_equal(rsvp_replay_check(&replay, 1001, 64), 0);
	assert_int_equal(rsvp_handshake_answer(&handshake, &message, &replay), -EACCES);
}

static void test_retries(void **state)
{
	struct rsvp_integrity integrity = { .handshake = true };
	struct rsvp_handshake handshake = { 0 };
	uint64_t now_us = 1000;

	assert_true(rsvp_handshake_begin(&handshake, &integrity, 42, now_us));
	for (unsigned i = 1; i < RSVP_HANDSHAKE_TRIES; i++) {
		assert_false(rsvp_handshake_retry(&handshake, handshake.again_us - 1));
		now_us = handshake.again_us;
		assert_true(rsvp_handshake_retry(&handshake, now_us));
	}
	assert_false(rsvp_handshake_retry(&handshake, handshake.again_us));
	assert_int_equal(handshake.state, RSVP_HANDSHAKE_GIVEN_UP);
}

/* */
static void test_keys(void **state)
{
	const struct rsvp_key_validity keys[] = { { 100, 300 }, { 200, 400 }, { 1000, 0 } };
	bool expired = true;

	assert_int_equal(rsvp_key_choose(keys, 2, 50, &expired), -1);
	assert_false(expired);
	assert_int_equal(rsvp_key_choose(keys, 2, 150, &expired), 0);
	assert_int_equal(rsvp_key_choose(keys, 2, 250, &expired), 1);
	assert_false(expired);
	assert_int_equal(rsvp_key_choose(keys, 2, 350, &expired), 1);
	assert_int_equal(rsvp_key_choose(keys, 2, 400, &expired), 1);
	assert_true(expired);
	assert_int_equal(rsvp_key_choose(keys, 3, 1000, &expired), 2);
	assert_false(expired);
	assert_int_equal(rsvp_key_choose(keys, 0, 1000, &expired), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest),	  cmocka_unit_test(test_without),
		cmocka_unit_test(test_sequence),  cmocka_unit_test(test_replay),
		cmocka_unit_test(test_handshake), cmocka_unit_test(test_retries),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
