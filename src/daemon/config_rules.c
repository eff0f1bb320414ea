/* SPDX-License-Identifier: MIT */
/*
 * config_rules.c: the sections `rule` within `rsvp` of greenwave.conf(5): what neighbours may ask for.
 */
#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "daemon/config_internal.h"

#define PREFIX_TEXT_MAX 64

/* ---- values ---- */

/* Of the bits of a version 6 address: one of version 4 is its end. */
static unsigned first_bit(const struct address *address)
{
	return address->family == AF_INET ? 96 : 0;
}

static bool has_host_bits(const struct config_prefix *prefix)
{
	for (unsigned bit = first_bit(&prefix->address) + prefix->bits; bit < 128; bit++)
		if (prefix->address.addr[bit / 8] >> (7 - bit % 8) & 1)
			return true;
	return false;
}

static int parse_prefix(const char *text, struct config_prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	struct config_prefix prefix = { 0 };
	char host[PREFIX_TEXT_MAX];
	uint32_t bits;
	int r;

	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	r = config_parse_host(host, &prefix.address);
	if (r < 0)
		return r;
	bits = 128 - first_bit(&prefix.address);
	if (slash)
		r = parse_u32(slash + 1, 0, bits, &bits);
	prefix.bits = bits;
	if (r < 0 || has_host_bits(&prefix))
		return -EINVAL;
	*ret_prefix = prefix;
	return 0;
}

static int check_prefix(struct config *config, const struct key *key, const char *text)
{
	struct config_prefix prefix;

	return parse_prefix(text, &prefix);
}

static int check_identity(struct config *config, const struct key *key, const char *text)
{
	return *text && strlen(text) < CONFIG_IDENTITY_MAX ? 0 : -EINVAL;
}

static int check_rate(struct config *config, const struct key *key, const char *text)
{
	uint64_t rate_bps;

	return parse_rate(text, &rate_bps);
}

/* ---- the table ---- */

#define PREFIX_KEY(name_)                                                    \
	{                                                                    \
		.name = (name_), .shape = SHAPE_VALUE, .read = check_prefix, \
		.expected = "a prefix such as \"192.0.2.0/24\""              \
	}

#define IDENTITY_KEY(name_)                                                    \
	{                                                                      \
		.name = (name_), .shape = SHAPE_VALUE, .read = check_identity, \
		.expected = "1 to 255 bytes"                                   \
	}

static const struct key rule_keys[] = {
	{ .name = "accept",
	  .shape = SHAPE_VALUE,
	  .read = config_check_switch,
	  .expected = "true or false",
	  .required = true },
	{ .name = "interface",
	  .shape = SHAPE_VALUE,
	  .read = config_check_interface,
	  .expected = CONFIG_INTERFACE_EXPECTED },
	PREFIX_KEY("neighbour"),
	PREFIX_KEY("session"),
	PREFIX_KEY("sender"),
	IDENTITY_KEY("user"),
	IDENTITY_KEY("application"),
	{ .name = "max-rate",
	  .shape = SHAPE_VALUE,
	  .read = check_rate,
	  .expected = "a rate such as 100Mbit (bit, kbit, Mbit, Gbit)" },
	{ .name = "max-priority",
	  .shape = SHAPE_VALUE,
	  .read = config_check_count,
	  CONFIG_RANGE(0, 65535) },
};
const struct section config_rsvp_rule = CONFIG_SECTION("rule", rule_keys);

/* ---- with the keys ---- */

static void take_text(cfg_t *section, const char *name, char *value, size_t size)
{
	const char *text = cfg_getstr(section, name);

	if (text)
		snprintf(value, size, "%s", text);
}

static void take_prefix(cfg_t *section, const char *name, struct config_prefix *prefix)
{
	const char *text = cfg_getstr(section, name);

	if (text)
		(void)parse_prefix(text, prefix);
}

/* Every value has been read once, and found well. */
static void take_rule(cfg_t *section, struct config_rsvp_rule *rule)
{
	const char *rate = cfg_getstr(section, "max-rate"),
		   *priority = cfg_getstr(section, "max-priority");

	rule->max_rate_bps = UINT64_MAX;
	rule->max_priority = UINT16_MAX;
	snprintf(rule->name, sizeof(rule->name), "%s", cfg_title(section));
	(void)parse_switch(cfg_getstr(section, "accept"), &rule->accept);
	take_text(section, "interface", rule->interface, sizeof(rule->interface));
	take_text(section, "user", rule->user, sizeof(rule->user));
	take_text(section, "application", rule->application, sizeof(rule->application));
	take_prefix(section, "neighbour", &rule->neighbour);
	take_prefix(section, "session", &rule->session);
	take_prefix(section, "sender", &rule->sender);
	if (rate)
		(void)parse_rate(rate, &rule->max_rate_bps);
	if (priority)
		(void)parse_u32(priority, 0, UINT16_MAX, &rule->max_priority);
}

void config_rules_take(struct cfg_t *section, struct config_rsvp *rsvp)
{
	const char *others = cfg_getstr(section, "accept-others");
	bool accepts = true;

	for (unsigned i = 0; i < cfg_size(section, "rule"); i++)
		take_rule(cfg_getnsec(section, "rule", i), &rsvp->rules[rsvp->n_rules++]);
	if (others)
		(void)parse_switch(others, &accepts);
	rsvp->rejects_others = !accepts;
}
