/* SPDX-License-Identifier: MIT */
/*
 * frames.h: the raw socket of LLTD's QoS diagnostics (EtherType 0x88D9, spec/probing.md §10), one for all interfaces.
 * Opening it needs CAP_NET_RAW; using it does not, so who drops rights opens it first.
 */
#ifndef GW_HOST_FRAMES_H
#define GW_HOST_FRAMES_H

#include <event2/event.h>

#include "probe/lltd.h"

struct frames;

struct frames_options {
	struct event_base *base;
	int fd; /* of frames_open(); stays the caller's */
	void *user_data;
	/* For this host, or for all; with its tag if it had one. */
	void (*arrived)(void *user_data, uint32_t ifindex, const uint8_t *frame, size_t len,
			uint64_t received_ns, uint64_t now_us);
	/* After some of them. */
	void (*settled)(void *user_data, uint64_t now_us);
};

/* -EPERM: without the right there is none. */
int frames_open(int *ret_fd);

int frames_new(const struct frames_options *options, struct frames **ret_frames);
struct frames *frames_free(struct frames *frames);

/* As of struct prober_ports. */
int frames_send(struct frames *frames, uint32_t ifindex, const struct lltd_frame *items,
		unsigned n);

/* How often reading has rested because too much came. */
uint64_t frames_rests(const struct frames *frames);

#endif
