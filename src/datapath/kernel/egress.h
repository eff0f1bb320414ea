/* SPDX-License-Identifier: MIT */
/*
 * egress.h: hangs the mark program up at one interface, in the cheaper of two ways that works: tcx,
 * a list of programs of the interface's own (Linux 6.6), or a filter at the clsact hook.
 *
 * tcx costs a packet far less than the other. A tcx link is an object of ours; pinned, it
 * outlives us, and nobody takes it away by the way. The clsact hook is shared: we make it where it
 * is missing, take it away only if we made it and nobody else has hung anything there, and touch no
 * filter but our own. That is known by its priority and handle, fixed so that a successor without
 * any memory finds and replaces it.
 */
#ifndef GW_DATAPATH_EGRESS_H
#define GW_DATAPATH_EGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/kernel/pins.h"
#include "datapath/kernel/tc.h"

struct egress_programs {
	int ethernet;
	int other;
};

/* What all interfaces share. */
struct egress_port {
	struct tc tc;
	const struct pins *pins; /* tcx_<interface index> */
	int map;		 /* TABLE_LINKS: what was made for clsact, and flags */
	struct egress_programs programs;
	bool tcx; /* until the kernel says it has no such thing */
};

struct egress {
	uint32_t ifindex;
	bool ethernet; /* an Ethernet header stands before the network header */
	bool attached;
	int tcx;	   /* a link of ours or of a daemon before us, or -1 */
	bool placed;	   /* the same of a filter at clsact */
	bool made_clsact;  /* and of the hook */
	uint32_t priority; /* of the filter */
	uint32_t flags;	   /* GW_LINK_*, for the programs */
};

/* Recalls what a daemon before us has left there. */
void egress_init(struct egress *egress, const struct egress_port *port, uint32_t ifindex);

/*
 * Attaches, or makes sure of it: where something of ours is there already, its program is exchanged
 * without a gap.
 */
int egress_attach(struct egress *egress, struct egress_port *port);

/* Leaves the interface as if we had never been there. */
void egress_detach(struct egress *egress, struct egress_port *port);

/* Lets go of it: the interface has gone, or what hangs there is to stay (`keep`). */
void egress_release(struct egress *egress, const struct egress_port *port, bool keep);

/* What the programs have to know about the interface from now on. */
void egress_set_flags(struct egress *egress, const struct egress_port *port, uint32_t flags);

/* Whether that message was about our filter's end; then it is to be attached again. */
bool egress_lost_filter(struct egress *egress, const struct tc_filter *filter);
bool egress_lost_clsact(struct egress *egress);

#endif
