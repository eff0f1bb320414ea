/* SPDX-License-Identifier: MIT */
/* rsvp_error.c: see rsvp_error.h. */
#include "core/rsvp_error.h"

#include <stddef.h>

const char *rsvp_error_name(uint8_t code)
{
	static const char *const names[] = {
		[0] = "confirmation",
		[1] = "refused by admission control",
		[2] = "refused by policy",
		[3] = "no path for the session",
		[4] = "no such sender",
		[5] = "another style is in use",
		[6] = "unknown style",
		[7] = "destination ports conflict",
		[8] = "sender ports conflict",
		[12] = "preempted",
		[13] = "unknown object class",
		[14] = "unknown type of an object",
		[20] = "error of the interface to applications",
		[21] = "bad parameters for traffic control",
		[22] = "traffic control failed",
		[23] = "RSVP failed",
		[24] = "routing problem",
		[25] = "notification",
		[26] = "new aggregate needed",
	};

	return code < sizeof(names) / sizeof(names[0]) ? names[code] : NULL;
}
