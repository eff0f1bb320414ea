/* SPDX-License-Identifier: MIT */
/*
 * class.c: the tables of class.h.
 */
#include "core/class.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

const struct mark_profile mark_profile_windows = {
	.dscp =
		{
			[GW_CLASS_BEST_EFFORT] = DSCP_NONE,
			[GW_CLASS_BACKGROUND] = 8,
			[GW_CLASS_EXCELLENT_EFFORT] = 40,
			[GW_CLASS_AUDIO_VIDEO] = 40,
			[GW_CLASS_VOICE] = 56,
			[GW_CLASS_CONTROL] = 56,
		},
};

const struct mark_profile mark_profile_rfc4594 = {
	.dscp =
		{
			[GW_CLASS_BEST_EFFORT] = DSCP_NONE,
			[GW_CLASS_BACKGROUND] = 8,
			[GW_CLASS_EXCELLENT_EFFORT] = 18,
			[GW_CLASS_AUDIO_VIDEO] = 34,
			[GW_CLASS_VOICE] = 46,
			[GW_CLASS_CONTROL] = 40,
		},
};

static const struct {
	const char *name;
	uint8_t priority; /* 802.1p; 0 is what an untagged frame has, so best effort writes none */
} classes[GW_CLASS_COUNT] = {
	[GW_CLASS_BEST_EFFORT] = { "best-effort", 0 },
	[GW_CLASS_BACKGROUND] = { "background", 2 },
	[GW_CLASS_EXCELLENT_EFFORT] = { "excellent-effort", 5 },
	[GW_CLASS_AUDIO_VIDEO] = { "audio-video", 5 },
	[GW_CLASS_VOICE] = { "voice", 7 },
	[GW_CLASS_CONTROL] = { "control", 7 },
};

const struct mark_profile *mark_profile_find(const char *name)
{
	if (strcmp(name, "windows") == 0)
		return &mark_profile_windows;
	if (strcmp(name, "rfc4594") == 0)
		return &mark_profile_rfc4594;
	return NULL;
}

bool class_is_valid(uint32_t traffic_class)
{
	return traffic_class < GW_CLASS_COUNT;
}

const char *class_name(enum gw_class traffic_class)
{
	return class_is_valid(traffic_class) ? classes[traffic_class].name : NULL;
}

int class_parse(const char *name, enum gw_class *ret_class)
{
	for (uint32_t i = 0; i < GW_CLASS_COUNT; i++) {
		if (strcmp(name, classes[i].name) == 0) {
			*ret_class = (enum gw_class)i;
			return 0;
		}
	}
	return -EINVAL;
}

struct mark class_mark(const struct mark_profile *profile, enum gw_class traffic_class)
{
	struct mark mark = { 0 };

	assert(class_is_valid(traffic_class));

	if (profile->dscp[traffic_class] != DSCP_NONE) {
		mark.set_dscp = true;
		mark.dscp = (uint8_t)profile->dscp[traffic_class];
	}
	if (classes[traffic_class].priority != 0) {
		mark.set_priority = true;
		mark.priority = classes[traffic_class].priority;
	}
	return mark;
}

struct mark class_mark_with_dscp(const struct mark_profile *profile, enum gw_class traffic_class,
				 uint8_t dscp)
{
	struct mark mark = class_mark(profile, traffic_class);

	assert(dscp <= DSCP_MAX);

	mark.set_dscp = true;
	mark.dscp = dscp;
	return mark;
}

struct mark class_mark_nonconformant(const struct mark_profile *profile,
				     enum gw_class traffic_class)
{
	struct mark mark = class_mark(profile, traffic_class);

	if (traffic_class != GW_CLASS_BACKGROUND) {
		mark.dscp = 0;
		mark.priority = 0;
	}
	return mark;
}
