/* SPDX-License-Identifier: MIT */
/* kernel_internal.h: what the parts of kernel.h share: kernel.c opens and closes, port.c is what the engine calls. */
#ifndef GW_DATAPATH_KERNEL_INTERNAL_H
#define GW_DATAPATH_KERNEL_INTERNAL_H

#include "datapath/kernel/cgroup.h"
#include "datapath/kernel/entries.h"
#include "datapath/kernel/events.h"
#include "datapath/kernel/groups.h"
#include "datapath/kernel/handover.h"
#include "datapath/kernel/kernel.h"
#include "datapath/kernel/links.h"
#include "datapath/kernel/metered.h"
#include "datapath/kernel/pins.h"
#include "datapath/kernel/programs.h"
#include "datapath/kernel/shaper.h"
#include "datapath/kernel/tables.h"

struct kernel_datapath {
	uint64_t namespace_inode;
	uint64_t netns_cookie;
	struct cgroup_root cgroup;
	struct pins pins;
	struct tables tables;
	struct programs programs;
	struct entries entries;
	struct metered metered;
	struct shaper shaper;
	struct handover *handover;
	void (*link_changed)(void *user_data, const struct handover_report *report);
	void (*tick_wanted)(void *user_data, int wait_ms);
	void *user_data;
	kernel_close_fn *report_close; /* during kernel_datapath_poll() */
	void *report_user_data;
	struct events events;
	struct links *links;
	struct groups *groups;
	bool present[KERNEL_MECHANISM_COUNT];
};

/* How many links but loopback there are, and how many of them keep to departure times. */
struct departing_links {
	unsigned count, departs;
};

struct departing_links kernel_departing_links(const struct kernel_datapath *datapath);

#endif
