/* SPDX-License-Identifier: MIT */
/*
 * config_gqos.c: the section `gqos` of greenwave.conf(5): what is left to the administrator of the QoS of sockets
 * (spec/gqos.md §11.3, §13, §17).
 */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "daemon/config_internal.h"

#define LAST_CONTROLLED_LOAD 3 /* of the 0 to 7 that Windows' MapGeneralInfo may be */

static int read_rate(struct config *config, const struct key *key, const char *text)
{
	return parse_rate(text, config_member(config, key));
}

static int read_dscp(struct config *config, const struct key *key, const char *text)
{
	struct provider_marks *marks = config_member(config, key);

	return parse_dscp(text, &marks->dscp);
}

static int read_priority(struct config *config, const struct key *key, const char *text)
{
	struct provider_marks *marks = config_member(config, key);
	uint32_t priority;
	int r = parse_u32(text, (uint32_t)key->min, (uint32_t)key->max, &priority);

	if (r == 0)
		marks->priority = (uint8_t)priority;
	return r;
}

/* By its name, or as the number that stands in the registry of Windows. */
static int read_general_information(struct config *config, const struct key *key, const char *text)
{
	uint32_t number;

	if (strcmp(text, "controlled-load") == 0)
		number = 0;
	else if (strcmp(text, "guaranteed") == 0)
		number = LAST_CONTROLLED_LOAD + 1;
	else if (parse_u32(text, 0, 7, &number) < 0)
		return -EINVAL;
	config->gqos.either_is_guaranteed = number > LAST_CONTROLLED_LOAD;
	return 0;
}

/* ---- the tables ---- */

#define MARK_KEYS(key_)                                                                           \
	{                                                                                         \
		key_("best-effort", best_effort), key_("controlled-load", controlled_load),       \
			key_("guaranteed", guaranteed), key_("network-control", network_control), \
			key_("excess", excess)                                                    \
	}

#define DSCP_KEY(name_, member_)                                          \
	{                                                                 \
		.name = (name_), .shape = SHAPE_VALUE, .read = read_dscp, \
		.expected = "a DSCP from 0 to 63, or a name like CS6",    \
		.offset = offsetof(struct config, gqos.member_)           \
	}
static const struct key dscp_keys[] = MARK_KEYS(DSCP_KEY);
const struct section config_gqos_dscp = CONFIG_SECTION("dscp", dscp_keys);

#define PRIORITY_KEY(name_, member_)                                                              \
	{                                                                                         \
		.name = (name_), .shape = SHAPE_VALUE, .read = read_priority, CONFIG_RANGE(0, 7), \
		.offset = offsetof(struct config, gqos.member_)                                   \
	}
static const struct key priority_keys[] = MARK_KEYS(PRIORITY_KEY);
const struct section config_gqos_priority = CONFIG_SECTION("priority", priority_keys);

#define SWITCH_KEY(name_, member_)                                                           \
	{                                                                                    \
		.name = (name_), .shape = SHAPE_VALUE, .read = config_read_switch,           \
		.expected = "true or false", .offset = offsetof(struct config, gqos.member_) \
	}

static const struct key gqos_keys[] = {
	{ .name = "general-information",
	  .shape = SHAPE_VALUE,
	  .read = read_general_information,
	  .expected = "controlled-load, guaranteed, or a number from 0 to 7" },
	SWITCH_KEY("marks-at-once", marks_at_once),
	SWITCH_KEY("refuse-loopback", refuses_loopback),
	{ .name = "max-unreserved-rate",
	  .shape = SHAPE_VALUE,
	  .read = read_rate,
	  .expected = "a rate such as 100Mbit (bit, kbit, Mbit, Gbit)",
	  .offset = offsetof(struct config, gqos.max_unreserved_bps) },
	{ .name = "dscp", .shape = SHAPE_SECTION, .section = &config_gqos_dscp },
	{ .name = "priority", .shape = SHAPE_SECTION, .section = &config_gqos_priority },
};
const struct section config_gqos = CONFIG_SECTION("gqos", gqos_keys);
