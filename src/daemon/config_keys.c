/* SPDX-License-Identifier: MIT */
/*
 * config_keys.c: every key of greenwave.conf(5) that has no file of its own, what its value looks like, and where it
 * goes.
 */
#include "daemon/config_internal.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/parse.h"
#include "base/time.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

int config_read_count(struct config *config, const struct key *key, const char *text)
{
	return parse_u32(text, (uint32_t)key->min, (uint32_t)key->max, config_member(config, key));
}

int config_read_switch(struct config *config, const struct key *key, const char *text)
{
	return parse_switch(text, config_member(config, key));
}

int config_check_count(struct config *config, const struct key *key, const char *text)
{
	uint64_t count;

	return parse_u64(text, key->min, key->max, &count);
}

static int check_link_rate(struct config *config, const struct key *key, const char *text)
{
	uint64_t rate_bps;
	int r;

	r = parse_rate(text, &rate_bps);
	if (r < 0)
		return r;
	return rate_bps >= key->min && rate_bps <= key->max ? 0 : -ERANGE;
}

int config_check_switch(struct config *config, const struct key *key, const char *text)
{
	bool on;

	return parse_switch(text, &on);
}

static int read_share(struct config *config, const struct key *key, const char *text)
{
	return parse_share(text, config_member(config, key));
}

static int check_share(struct config *config, const struct key *key, const char *text)
{
	uint32_t percent;

	return parse_share(text, &percent);
}

int config_check_duration(struct config *config, const struct key *key, const char *text)
{
	uint64_t duration_us;
	int r;

	r = parse_duration(text, &duration_us);
	if (r < 0)
		return r;
	return duration_us >= key->min && duration_us <= key->max ? 0 : -ERANGE;
}

bool config_is_interface(const char *text)
{
	size_t len = strlen(text);

	if (len == 0 || len >= IFNAMSIZ || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return false;
	return !strpbrk(text, "/: ");
}

int config_check_interface(struct config *config, const struct key *key, const char *text)
{
	return config_is_interface(text) ? 0 : -EINVAL;
}

static int check_group(struct config *config, const struct key *key, const char *text)
{
	size_t len = strlen(text);

	return len == 0 || len >= CONFIG_NAME_SIZE || strpbrk(text, ":, ") ? -EINVAL : 0;
}

static int read_profile(struct config *config, const struct key *key, const char *text)
{
	const struct mark_profile *profile = mark_profile_find(text);

	if (!profile)
		return -EINVAL;
	config->marking = *profile;
	return 0;
}

/* The key of the section is the name of the class. */
static int read_class_mark(struct config *config, const struct key *key, const char *text)
{
	enum gw_class traffic_class;
	uint8_t dscp;
	int r;

	r = class_parse(key->name, &traffic_class);
	assert(r == 0);
	if (strcmp(text, "none") == 0) {
		config->marking.dscp[traffic_class] = DSCP_NONE;
		return 0;
	}
	r = parse_dscp(text, &dscp);
	if (r < 0)
		return r;
	config->marking.dscp[traffic_class] = (int8_t)dscp;
	return 0;
}

static int read_application_marks(struct config *config, const struct key *key, const char *text)
{
	bool ignored = strcmp(text, "ignored") == 0;

	if (!ignored && strcmp(text, "allowed") != 0)
		return -EINVAL;
	config->marks_ignored = ignored;
	return 0;
}

/* ---- the tables ---- */

#define CLASS_KEY(name_)                                                                \
	{                                                                               \
		.name = (name_), .shape = SHAPE_VALUE, .read = read_class_mark,         \
		.expected = "a DSCP from 0 to 63, a name like EF, AF41 or CS6, or none" \
	}

static const struct key marking_keys[] = {
	CLASS_KEY("best-effort"), CLASS_KEY("background"), CLASS_KEY("excellent-effort"),
	CLASS_KEY("audio-video"), CLASS_KEY("voice"),	   CLASS_KEY("control"),
};
const struct section config_marking = CONFIG_SECTION("marking", marking_keys);

#define LIMIT_KEY(name_, member_, min_, max_)                                        \
	{                                                                            \
		.name = (name_), .shape = SHAPE_VALUE, .read = config_read_count,    \
		CONFIG_RANGE(min_, max_), .offset = offsetof(struct config, member_) \
	}

static const struct key policy_keys[] = {
	LIMIT_KEY("max-flows-per-user", max_flows_per_user, 1, 1048576),
	LIMIT_KEY("max-flows", max_flows, 1, 1048576),
	{ .name = "max-reserved-per-user",
	  .shape = SHAPE_VALUE,
	  .read = read_share,
	  .expected = "a share from 0% to 100%",
	  .offset = offsetof(struct config, max_reserved_per_user) },
	LIMIT_KEY("max-clients-per-user", max_clients_per_user, 1, 65536),
	LIMIT_KEY("max-clients", max_clients, 1, 65536),
	{ .name = "application-marks",
	  .shape = SHAPE_VALUE,
	  .read = read_application_marks,
	  .expected = "allowed or ignored" },
};
static const struct section policy_section = CONFIG_SECTION("policy", policy_keys);

static const struct key link_keys[] = {
	{ .name = "rate",
	  .shape = SHAPE_VALUE,
	  .read = check_link_rate,
	  .min = CONFIG_LINK_RATE_MIN_BPS,
	  .max = CONFIG_LINK_RATE_MAX_BPS,
	  .expected = "a rate such as 100Mbit (bit, kbit, Mbit, Gbit), from 64kbit to 10000Gbit",
	  .required = true },
	{ .name = "reservable",
	  .shape = SHAPE_VALUE,
	  .read = check_share,
	  .expected = "a share from 0% to 100%" },
	{ .name = "force",
	  .shape = SHAPE_VALUE,
	  .read = config_check_switch,
	  .expected = "true or false" },
};
static const struct section link_section = CONFIG_SECTION("link", link_keys);

static const struct key root_keys[] = {
	{ .name = "marking",
	  .shape = SHAPE_VALUE,
	  .read = read_profile,
	  .expected = "windows or rfc4594" },
	{ .name = "marking", .shape = SHAPE_SECTION, .section = &config_marking },
	{ .name = "administrators",
	  .shape = SHAPE_LIST,
	  .read = check_group,
	  .expected = "the name of a group",
	  .initial = "{" CONFIG_DEFAULT_GROUP "}" },
	CONFIG_INTERFACES_KEY,
	{ .name = "policy", .shape = SHAPE_SECTION, .section = &policy_section },
	{ .name = "link", .shape = SHAPE_TITLED, .section = &link_section },
	{ .name = "rsvp", .shape = SHAPE_SECTION, .section = &config_rsvp },
	{ .name = "gqos", .shape = SHAPE_SECTION, .section = &config_gqos },
	{ .name = "probe", .shape = SHAPE_SECTION, .section = &config_probe },
};
const struct section config_root = CONFIG_SECTION(NULL, root_keys);

static const struct section *const sections[] = {
	&config_marking,	&policy_section,   &link_section,	  &config_rsvp,
	&config_rsvp_interface, &config_rsvp_key,  &config_rsvp_rule,	  &config_probe,
	&config_gqos,		&config_gqos_dscp, &config_gqos_priority,
};

const struct section *config_section(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(sections); i++)
		if (strcmp(sections[i]->name, name) == 0)
			return sections[i];
	return &config_root;
}

const struct key *config_key(const struct section *section, const char *name)
{
	for (size_t i = 0; i < section->count; i++)
		if (strcmp(section->keys[i].name, name) == 0)
			return &section->keys[i];
	return NULL;
}

bool config_is_section(enum shape shape)
{
	return shape == SHAPE_SECTION || shape == SHAPE_TITLED;
}
