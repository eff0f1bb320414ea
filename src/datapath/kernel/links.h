/* SPDX-License-Identifier: MIT */
/*
 * links.h: keeps the mark program hung up at the egress of every interface of the network
 * namespace, or of those named, while interfaces come, go and change names. See kernel.h for what
 * the host calls.
 */
#ifndef GW_DATAPATH_LINKS_H
#define GW_DATAPATH_LINKS_H

#include "datapath/kernel/kernel.h"

struct links;

struct links_programs {
	int ethernet;
	int other;
};

/*
 * Attaches to all there is. `map` is the BPF map that remembers what was made, for whoever comes
 * after a crash. An interface that cannot be attached to is no error here; see links_visit().
 */
int links_open(int map, struct links_programs programs, const char *const *interfaces,
	       struct links **ret_links);

/* `detach`: takes away what is ours; else it keeps working without us. */
struct links *links_close(struct links *links, bool detach);

int links_fd(const struct links *links);
int links_event(struct links *links);
void links_visit(const struct links *links,
		 void (*visit)(void *user_data, const struct kernel_link *link), void *user_data);

#endif
