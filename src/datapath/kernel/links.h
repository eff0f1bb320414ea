/* SPDX-License-Identifier: MIT */
/*
 * links.h: keeps the mark program hung up at the egress of every interface of the network
 * namespace, or of those named, while interfaces come, go and change names. See kernel.h for what
 * the host calls.
 */
#ifndef GW_DATAPATH_LINKS_H
#define GW_DATAPATH_LINKS_H

#include "datapath/kernel/egress.h"
#include "datapath/kernel/kernel.h"

struct links;

struct links_config {
	const struct pins *pins;
	int map; /* TABLE_LINKS */
	struct egress_programs programs;
	const char *const *interfaces; /* NULL: every one */
	bool only_clsact;
};

/* Attaches to all there is. One that cannot be attached to is no error here; see links_visit(). */
int links_open(const struct links_config *config, struct links **ret_links);

/* `detach`: takes away what is ours; else it keeps working without us. */
struct links *links_close(struct links *links, bool detach);

/* Whether the queues of the interface keep departure times (GW_LINK_EDT). */
bool links_departs(const struct links *links, uint32_t ifindex);

bool links_use_tcx(const struct links *links);
int links_fd(const struct links *links);
int links_event(struct links *links);
void links_visit(const struct links *links,
		 void (*visit)(void *user_data, const struct kernel_link *link), void *user_data);

#endif
