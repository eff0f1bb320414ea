/* SPDX-License-Identifier: MIT */
/* way_native.c: a flow through greenwave.h, at a daemon or at the embedded engine. */
#include <greenwave.h>
#include <string.h>

#include "way.h"

struct native {
	struct gw *gw;
	int fd;
	const struct sockaddr *destination;
	socklen_t destination_len;
	uint32_t id;
};

static void *native_open(const struct lane *lane, int fd, const struct sockaddr_in *destination)
{
	int embedded = strcmp(lane->where, "embedded") == 0;
	const struct gw_open_options how = {
		.size = sizeof(how),
		.mode = embedded ? GW_MODE_EMBEDDED : GW_MODE_DAEMON,
		.socket_path = embedded ? NULL : lane->where,
	};
	struct native *native = way_state(sizeof(*native));

	must(gw_open(&native->gw, &how), lane->where);
	native->fd = fd;
	native->destination = (const struct sockaddr *)destination;
	native->destination_len = destination ? sizeof(*destination) : 0;
	return native;
}

static void native_begin(void *state)
{
	static const struct gw_flow_options voice =
		GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE);
	struct native *native = state;

	must(gw_flow_add(native->gw, native->fd, native->destination, native->destination_len,
			 &voice, &native->id),
	     "gw_flow_add");
}

static void native_end(void *state)
{
	const struct native *native = state;

	must(gw_flow_remove(native->gw, native->id), "gw_flow_remove");
}

const struct way way_native = {
	.kind = "native", .open = native_open, .begin = native_begin, .end = native_end
};
