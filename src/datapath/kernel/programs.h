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
	HOOK_SHUTDOWN, /* this and the next ones are at the entry of functions */
	HOOK_UDP_DISCONNECT,
	HOOK_TCP_DISCONNECT,
	HOOK_COUNT
};

struct programs {
	int mark_ethernet;
	int mark_other;
	int classify;	      /* -1: refused */
	int link[HOOK_COUNT]; /* -1: not attached */
};

void programs_init(struct programs *programs);

/*
 * Loads the mark programs, and with them makes or adopts the maps; and the one that reads the tags at the root of
 * scheduled links, without which marks are made all the same.
 */
int programs_load_mark(struct programs *programs, struct tables *tables, const struct pins *pins,
		       uint32_t max_sockets, uint64_t netns_cookie);

/*
 * These attach hooks, in place of an earlier daemon's without a gap. `cgroup_fd` is the root of the
 * control groups, or -1.
 */
int programs_attach_release(struct programs *programs, const struct tables *tables,
			    const struct pins *pins, int cgroup_fd);
int programs_attach_state(struct programs *programs, const struct tables *tables,
			  const struct pins *pins);

/*
 * All those at the entry of functions. At once if it can be, since each load reads the kernel's
 * type information anew, which takes tens of milliseconds; and a host that refuses one (-EPERM)
 * refuses all.
 */
void programs_attach_entries(struct programs *programs, const struct tables *tables,
			     const struct pins *pins, int ret_outcome[static HOOK_COUNT]);

/* Closing is not detaching as long as a pin holds the link. */
void programs_close(struct programs *programs);

/* The level of the calling process's control group below the root of the hierarchy. */
int programs_current_level(int *ret_level);

#endif
