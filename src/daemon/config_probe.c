/* SPDX-License-Identifier: MIT */
/* config_probe.c: the section `probe` of greenwave.conf(5): which part this host takes in the measuring of paths. */
#include <confuse.h>

#include "daemon/config_internal.h"

#define SWITCH_KEY(name_, member_)                                                            \
	{                                                                                     \
		.name = (name_), .shape = SHAPE_VALUE, .read = config_read_switch,            \
		.expected = "true or false", .offset = offsetof(struct config, probe.member_) \
	}

#define LIMIT_KEY(name_, member_, min_, max_)                                              \
	{                                                                                  \
		.name = (name_), .shape = SHAPE_VALUE, .read = config_read_count,          \
		CONFIG_RANGE(min_, max_), .offset = offsetof(struct config, probe.member_) \
	}

static const struct key probe_keys[] = {
	SWITCH_KEY("initiator", initiator),
	SWITCH_KEY("sink", sink),
	CONFIG_INTERFACES_KEY,
	LIMIT_KEY("max-sessions", max_sessions, 1, 1024),
	LIMIT_KEY("max-sessions-per-host", max_sessions_per_host, 1, 1024),
	LIMIT_KEY("max-answers-per-second", max_answers_per_s, 10, 16000),
	LIMIT_KEY("max-answers-per-second-per-host", max_answers_per_s_per_host, 10, 16000),
};
const struct section config_probe = CONFIG_SECTION("probe", probe_keys);

void config_probe_default(struct config_probe *ret_probe)
{
	*ret_probe = (struct config_probe){
		.initiator = true,
		.sink = true,
		.max_sessions = 32,
		.max_sessions_per_host = 4,
		.max_answers_per_s = 4000,
		.max_answers_per_s_per_host = 1000,
	};
}

void config_probe_take(cfg_t *section, struct config_probe *probe)
{
	config_take_names(section, "interfaces", &probe->interfaces);
}
