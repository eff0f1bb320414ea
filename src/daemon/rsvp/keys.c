/* SPDX-License-Identifier: MIT */
/* keys.c: the keys of the configuration for the node, in its terms: those of interfaces that are there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "daemon/rsvp/rsvp_internal.h"

static const enum rsvp_digest digests[] = {
	[CONFIG_HMAC_MD5] = RSVP_DIGEST_HMAC_MD5,
	[CONFIG_HMAC_SHA1] = RSVP_DIGEST_HMAC_SHA1,
	[CONFIG_HMAC_SHA256] = RSVP_DIGEST_HMAC_SHA256,
};

uint64_t rsvp_key_time_us(int64_t time_s, uint64_t now_us, uint64_t epoch_us)
{
	int64_t from_now_us = time_s * (int64_t)USEC_PER_SEC - (int64_t)epoch_us;

	if (time_s == 0)
		return 0;
	return from_now_us > -(int64_t)now_us ? (uint64_t)((int64_t)now_us + from_now_us) : 1;
}

/* False: it is for an interface that is not there. */
static bool translate(const struct rsvp_daemon *daemon, const struct config_rsvp_key *config,
		      struct rsvp_key *ret_key)
{
	uint64_t now_us = time_now_us(), epoch_us = time_epoch_us();
	struct rsvp_key key = {
		.kind = digests[config->algorithm],
		.secret_len = config->secret_len,
		.neighbour = config->neighbour,
		.valid_from_us = rsvp_key_time_us(config->valid_from_s, now_us, epoch_us),
		.valid_until_us = rsvp_key_time_us(config->valid_until_s, now_us, epoch_us),
		.challenge = config->challenge,
	};

	if (config->interface[0] != '\0')
		key.ifindex = rsvp_daemon_interface_index(daemon, config->interface);
	if (config->interface[0] != '\0' && key.ifindex == 0)
		return false;
	for (size_t i = 0; i < sizeof(key.id); i++)
		key.id[i] = (uint8_t)(config->id >> 8 * (sizeof(key.id) - 1 - i));
	memcpy(key.secret, config->secret, config->secret_len);
	*ret_key = key;
	explicit_bzero(&key, sizeof(key));
	return true;
}

int rsvp_daemon_set_keys(struct rsvp_daemon *daemon)
{
	const struct config_rsvp *config = daemon->config;
	struct rsvp_key *keys = calloc(config->n_keys + 1, sizeof(*keys));
	size_t n = 0;
	int r;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_keys; i++)
		n += translate(daemon, &config->keys[i], &keys[n]);
	r = rsvp_keys_set(daemon->node, keys, n);
	explicit_bzero(keys, config->n_keys * sizeof(*keys));
	free(keys);
	if (r < 0)
		log_error(RSVP_MODULE, "keys: %s", strerror(-r));
	return r;
}
