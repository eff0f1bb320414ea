/* SPDX-License-Identifier: MIT */
/*
 * programs.h: loads our eBPF programs and attaches those that are not hung up at interfaces. Each
 * can be refused by a kernel without harm to the others.
 */
#ifndef GW_DATAPATH_PROGRAMS_H
#define GW_DATAPATH_PROGRAMS_H

#include "datapath/kernel/pins.h"
#include "datapath/kernel/tables.h"

enum hook {
	HOOK_RELEASE,
	HOOK_STATE,
	HOOK_SHUTDOWN, /* from here on: at the entry of functions */
	HOOK_UDP_DISCONNECT,
	HOOK_TCP_DISCONNECT,
	HOOK_COUNT
};

struct programs {
	int mark_ethernet;
	int mark_other;
	int link[HOOK_COUNT]; /* -1: not attached */
};

void programs_init(struct programs *programs);

/* Loads the mark programs, and with them makes or adopts the maps. */
int programs_load_mark(struct programs *programs, struct tables *tables, const struct pins *pins,
		       uint32_t max_sockets, uint64_t netns_cookie);

/*
 * Attaches one hook, in place of an earlier daemon's without a gap. `cgroup_fd` is the root, or -1.
 */
int programs_attach(struct programs *programs, enum hook hook, const struct tables *tables,
		    const struct pins *pins, int cgroup_fd);

/* Closing is not detaching as long as a pin holds the link. */
void programs_close(struct programs *programs);

/* The level of the calling process's control group below the root of the hierarchy. */
int programs_current_level(int *ret_level);

#endif
