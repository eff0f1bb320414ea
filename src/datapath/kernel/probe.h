/* SPDX-License-Identifier: MIT */
/*
 * probe.h: finds out which mechanisms work, by making happen what they are for, with sockets that
 * never send a packet, and looking for the effect.
 */
#ifndef GW_DATAPATH_PROBE_H
#define GW_DATAPATH_PROBE_H

#include "datapath/kernel/events.h"
#include "datapath/kernel/programs.h"

struct probe_result {
	bool seen[HOOK_COUNT]; /* the hook fired and told us, or did its work */
	int sockdiag;	       /* 0, or a negative errno */
};

/* Runs the mark program once on a packet of no socket. 0, or a negative errno. */
int probe_mark(const struct programs *programs, const struct tables *tables);

/* Whether the kernel has the queue that handed over links get; nothing is changed. */
int probe_htb(void);

int probe_hooks(const struct tables *tables, struct events *events,
		struct probe_result *ret_result);

#endif
