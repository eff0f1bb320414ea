/* SPDX-License-Identifier: MIT */
/*
 * config_rsvp.c: the section `rsvp` of greenwave.conf(5): its keys, and what becomes of their values. Those of an
 * interface's own section go before those of all.
 */
#include <arpa/inet.h>
#include <confuse.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/time.h"
#include "daemon/config_internal.h"

#define KEY_ID_MAX ((UINT64_C(1) << 48) - 1)

static const char *const udp_names[] = {
	[CONFIG_RSVP_UDP_OFF] = "off",
	[CONFIG_RSVP_UDP_LISTEN] = "listen",
	[CONFIG_RSVP_UDP_ON] = "on",
};

static const char *const digest_names[] = {
	[CONFIG_HMAC_MD5] = "hmac-md5",
	[CONFIG_HMAC_SHA1] = "hmac-sha1",
	[CONFIG_HMAC_SHA256] = "hmac-sha256",
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- values ---- */

static int find_name(const char *const *names, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], text) == 0)
			return (int)i;
	return -EINVAL;
}

static int check_udp(struct config *config, const struct key *key, const char *text)
{
	return find_name(udp_names, COUNT_OF(udp_names), text) < 0 ? -EINVAL : 0;
}

static int check_algorithm(struct config *config, const struct key *key, const char *text)
{
	return find_name(digest_names, COUNT_OF(digest_names), text) < 0 ? -EINVAL : 0;
}

static int check_dscp(struct config *config, const struct key *key, const char *text)
{
	uint8_t dscp;

	return parse_dscp(text, &dscp);
}

static int check_key_id(struct config *config, const struct key *key, const char *text)
{
	uint64_t id;

	return parse_u64(text, 0, KEY_ID_MAX, &id);
}

static int check_secret(struct config *config, const struct key *key, const char *text)
{
	return *text ? 0 : -EINVAL;
}

/* The first line of the file. */
static int read_secret(const char *path, uint8_t ret_secret[static CONFIG_SECRET_MAX],
		       size_t *ret_len)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	char text[CONFIG_SECRET_MAX + 1];
	struct stat st;
	const char *end;
	ssize_t n;
	size_t len;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return -errno;
	end = memchr(text, '\n', (size_t)n);
	len = end ? (size_t)(end - text) : (size_t)n;
	if (len == 0 || len > CONFIG_SECRET_MAX) {
		r = -EINVAL;
	} else {
		memcpy(ret_secret, text, len);
		*ret_len = len;
	}
	explicit_bzero(text, sizeof(text));
	return r;
}

static int check_secret_file(struct config *config, const struct key *key, const char *text)
{
	uint8_t secret[CONFIG_SECRET_MAX];
	size_t len;
	int r = *text == '/' ? read_secret(text, secret, &len) : -EINVAL;

	explicit_bzero(secret, sizeof(secret));
	return r;
}

int config_parse_host(const char *text, struct address *ret_address)
{
	struct address address = { 0 };

	if (inet_pton(AF_INET, text, address.addr + 12) == 1) {
		memset(address.addr + 10, 0xff, 2);
		address.family = AF_INET;
	} else if (inet_pton(AF_INET6, text, address.addr) == 1) {
		address.family = AF_INET6;
	} else {
		return -EINVAL;
	}
	*ret_address = address;
	return 0;
}

static int parse_neighbour(const char *text, struct address *ret_address)
{
	int r = config_parse_host(text, ret_address);

	if (r == 0 && (address_is_unspecified(ret_address) || address_is_multicast(ret_address)))
		return -EINVAL;
	return r;
}

static int check_neighbour(struct config *config, const struct key *key, const char *text)
{
	struct address address;

	return parse_neighbour(text, &address);
}

/* "2026-12-31T23:59:59Z" */
static int parse_time(const char *text, int64_t *ret_time_s)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	time_t time_s;

	if (!end || *end)
		return -EINVAL;
	time_s = timegm(&tm);
	if (time_s <= 0)
		return -ERANGE;
	*ret_time_s = time_s;
	return 0;
}

static int check_time(struct config *config, const struct key *key, const char *text)
{
	int64_t time_s;

	return parse_time(text, &time_s);
}

/* ---- the tables ---- */

/* What an interface may have of its own: R, W, Kb and K of RFC 2205 §3.7, and more. */
#define INTERFACE_KEYS                                                                             \
	{ .name = "refresh",                                                                       \
	  .shape = SHAPE_VALUE,                                                                    \
	  .read = config_check_duration,                                                           \
	  .min = USEC_PER_SEC,                                                                     \
	  .max = 3600 * USEC_PER_SEC,                                                              \
	  .expected = "a duration from 1s to 60min" },                                             \
		{ .name = "settle",                                                                \
		  .shape = SHAPE_VALUE,                                                            \
		  .read = config_check_duration,                                                   \
		  .min = 0,                                                                        \
		  .max = 60 * USEC_PER_SEC,                                                        \
		  .expected = "a duration from 0s to 60s" },                                       \
		{ .name = "blockade",                                                              \
		  .shape = SHAPE_VALUE,                                                            \
		  .read = config_check_count,                                                      \
		  CONFIG_RANGE(1, 100) },                                                          \
		{ .name = "lifetime-factor",                                                       \
		  .shape = SHAPE_VALUE,                                                            \
		  .read = config_check_count,                                                      \
		  CONFIG_RANGE(1, 100) },                                                          \
		{ .name = "refresh-reduction",                                                     \
		  .shape = SHAPE_VALUE,                                                            \
		  .read = config_check_switch,                                                     \
		  .expected = "true or false" },                                                   \
		{ .name = "latency",                                                               \
		  .shape = SHAPE_VALUE,                                                            \
		  .read = config_check_duration,                                                   \
		  .min = 0,                                                                        \
		  .max = 60 * USEC_PER_SEC,                                                        \
		  .expected = "a duration from 0s to 60s" },                                       \
		{ .name = "udp",                                                                   \
		  .shape = SHAPE_VALUE,                                                            \
		  .read = check_udp,                                                               \
		  .expected = "off, listen or on" },                                               \
		{ .name = "router-alert",                                                          \
		  .shape = SHAPE_VALUE,                                                            \
		  .read = config_check_switch,                                                     \
		  .expected = "true or false" },                                                   \
	{                                                                                          \
		.name = "max-alerts-per-second", .shape = SHAPE_VALUE, .read = config_check_count, \
		CONFIG_RANGE(1, 1000000)                                                           \
	}

static const struct key interface_keys[] = { INTERFACE_KEYS };
const struct section config_rsvp_interface = CONFIG_SECTION("interface", interface_keys);

#define TIME_KEY(name_)                                                    \
	{                                                                  \
		.name = (name_), .shape = SHAPE_VALUE, .read = check_time, \
		.expected = "a time such as 2026-12-31T23:59:59Z"          \
	}

static const struct key key_keys[] = {
	{ .name = "id",
	  .shape = SHAPE_VALUE,
	  .read = check_key_id,
	  .expected = "a number from 0 to 281474976710655",
	  .required = true },
	{ .name = "secret",
	  .shape = SHAPE_VALUE,
	  .read = check_secret,
	  .expected = "1 to 63 bytes",
	  .required = true,
	  .instead = "secret-file" },
	{ .name = "secret-file",
	  .shape = SHAPE_VALUE,
	  .read = check_secret_file,
	  .expected = "the path of a file with 1 to 64 bytes in its first line" },
	{ .name = "algorithm",
	  .shape = SHAPE_VALUE,
	  .read = check_algorithm,
	  .expected = "hmac-md5, hmac-sha1 or hmac-sha256" },
	{ .name = "interface",
	  .shape = SHAPE_VALUE,
	  .read = config_check_interface,
	  .expected = CONFIG_INTERFACE_EXPECTED },
	{ .name = "neighbour",
	  .shape = SHAPE_VALUE,
	  .read = check_neighbour,
	  .expected = "the address of a host" },
	TIME_KEY("valid-from"),
	TIME_KEY("valid-until"),
	{ .name = "challenge",
	  .shape = SHAPE_VALUE,
	  .read = config_check_switch,
	  .expected = "true or false" },
};
const struct section config_rsvp_key = CONFIG_SECTION("key", key_keys);

#define LIMIT_KEY(name_, max_)                                                     \
	{                                                                          \
		.name = (name_), .shape = SHAPE_VALUE, .read = config_check_count, \
		CONFIG_RANGE(1, max_)                                              \
	}

static const struct key rsvp_keys[] = {
	{ .name = "enabled",
	  .shape = SHAPE_VALUE,
	  .read = config_check_switch,
	  .expected = "true or false" },
	CONFIG_INTERFACES_KEY,
	INTERFACE_KEYS,
	{ .name = "interface", .shape = SHAPE_TITLED, .section = &config_rsvp_interface },
	{ .name = "key",
	  .shape = SHAPE_TITLED,
	  .section = &config_rsvp_key,
	  .title_expected = "a name of 1 to 15 bytes" },
	{ .name = "rule",
	  .shape = SHAPE_TITLED,
	  .section = &config_rsvp_rule,
	  .title_expected = "a name of 1 to 15 bytes" },
	{ .name = "accept-others",
	  .shape = SHAPE_VALUE,
	  .read = config_check_switch,
	  .expected = "true or false" },
	LIMIT_KEY("max-sessions", 4194304),
	LIMIT_KEY("max-senders-per-session", 65536),
	LIMIT_KEY("max-reservations-per-session", 65536),
	LIMIT_KEY("max-state-per-neighbour", 4194304),
	LIMIT_KEY("max-neighbours", 65536),
	LIMIT_KEY("max-messages-per-second", 10000000),
	{ .name = "require-checksum",
	  .shape = SHAPE_VALUE,
	  .read = config_check_switch,
	  .expected = "true or false" },
	{ .name = "dscp",
	  .shape = SHAPE_VALUE,
	  .read = check_dscp,
	  .expected = "a DSCP from 0 to 63, or a name like CS6" },
};
const struct section config_rsvp = CONFIG_SECTION("rsvp", rsvp_keys);

/* ---- what holds without the keys, and with them ---- */

void config_rsvp_default(struct config_rsvp *ret_rsvp)
{
	*ret_rsvp = (struct config_rsvp){
		.usual = { .refresh_ms = 30000,
			   .settle_ms = 2000,
			   .lifetime_factor = 3,
			   .blockade = 3,
			   .latency_us = UINT32_MAX,
			   .max_alerts_per_s = 40000,
			   .reduces_refreshes = true,
			   .router_alert = true },
		.max_sessions = 131072,
		.max_senders_per_session = 1024,
		.max_reservations_per_session = 1024,
		.max_state_per_neighbour = 524288,
		.max_neighbours = 4096,
		.max_messages_per_s = 50000,
		.dscp = 48,
	};
}

/* Every value has been read once, and found well: what is not there leaves the default. */

static void take_count(cfg_t *section, const char *name, uint32_t *value)
{
	const char *text = cfg_getstr(section, name);

	if (text)
		(void)parse_u32(text, 0, UINT32_MAX, value);
}

static void take_switch(cfg_t *section, const char *name, bool *value)
{
	const char *text = cfg_getstr(section, name);

	if (text)
		(void)parse_switch(text, value);
}

/* A duration in units of so many microseconds. */
static void take_duration(cfg_t *section, const char *name, uint32_t unit_us, uint32_t *value)
{
	const char *text = cfg_getstr(section, name);
	uint64_t duration_us;

	if (text && parse_duration(text, &duration_us) == 0)
		*value = (uint32_t)(duration_us / unit_us);
}

static void take_time(cfg_t *section, const char *name, int64_t *value_s)
{
	const char *text = cfg_getstr(section, name);

	if (text)
		(void)parse_time(text, value_s);
}

static void take_interface(cfg_t *section, struct config_rsvp_interface *interface)
{
	const char *udp = cfg_getstr(section, "udp");

	take_duration(section, "refresh", USEC_PER_MSEC, &interface->refresh_ms);
	take_duration(section, "settle", USEC_PER_MSEC, &interface->settle_ms);
	take_duration(section, "latency", 1, &interface->latency_us);
	take_count(section, "blockade", &interface->blockade);
	take_count(section, "lifetime-factor", &interface->lifetime_factor);
	take_count(section, "max-alerts-per-second", &interface->max_alerts_per_s);
	take_switch(section, "refresh-reduction", &interface->reduces_refreshes);
	take_switch(section, "router-alert", &interface->router_alert);
	if (udp)
		interface->udp =
			(enum config_rsvp_udp)find_name(udp_names, COUNT_OF(udp_names), udp);
}

static void take_key(cfg_t *section, struct config_rsvp_key *key)
{
	const char *secret = cfg_getstr(section, "secret"),
		   *file = cfg_getstr(section, "secret-file"),
		   *algorithm = cfg_getstr(section, "algorithm"),
		   *interface = cfg_getstr(section, "interface"),
		   *neighbour = cfg_getstr(section, "neighbour");

	snprintf(key->name, sizeof(key->name), "%s", cfg_title(section));
	(void)parse_u64(cfg_getstr(section, "id"), 0, KEY_ID_MAX, &key->id);
	if (secret) {
		key->secret_len = strlen(secret);
		memcpy(key->secret, secret, key->secret_len);
	} else if (file) {
		(void)read_secret(file, key->secret, &key->secret_len);
	}
	if (algorithm)
		key->algorithm = (enum config_digest)find_name(digest_names, COUNT_OF(digest_names),
							       algorithm);
	if (interface)
		snprintf(key->interface, sizeof(key->interface), "%s", interface);
	if (neighbour)
		(void)parse_neighbour(neighbour, &key->neighbour);
	take_time(section, "valid-from", &key->valid_from_s);
	take_time(section, "valid-until", &key->valid_until_s);
	take_switch(section, "challenge", &key->challenge);
}

static void take_limits(cfg_t *section, struct config_rsvp *rsvp)
{
	const char *dscp = cfg_getstr(section, "dscp");

	take_count(section, "max-sessions", &rsvp->max_sessions);
	take_count(section, "max-senders-per-session", &rsvp->max_senders_per_session);
	take_count(section, "max-reservations-per-session", &rsvp->max_reservations_per_session);
	take_count(section, "max-state-per-neighbour", &rsvp->max_state_per_neighbour);
	take_count(section, "max-neighbours", &rsvp->max_neighbours);
	take_count(section, "max-messages-per-second", &rsvp->max_messages_per_s);
	take_switch(section, "require-checksum", &rsvp->require_checksum);
	if (dscp)
		(void)parse_dscp(dscp, &rsvp->dscp);
}

void config_rsvp_take(cfg_t *section, struct config_rsvp *rsvp)
{
	take_switch(section, "enabled", &rsvp->enabled);
	config_take_names(section, "interfaces", &rsvp->names);
	take_interface(section, &rsvp->usual);
	take_limits(section, rsvp);
	for (unsigned i = 0; i < cfg_size(section, "interface"); i++) {
		struct config_rsvp_interface *interface = &rsvp->interfaces[rsvp->n_interfaces++];
		cfg_t *own = cfg_getnsec(section, "interface", i);

		*interface = rsvp->usual;
		snprintf(interface->name, sizeof(interface->name), "%s", cfg_title(own));
		take_interface(own, interface);
	}
	config_rules_take(section, rsvp);
	for (unsigned i = 0; i < cfg_size(section, "key"); i++)
		take_key(cfg_getnsec(section, "key", i), &rsvp->keys[rsvp->n_keys++]);
}
