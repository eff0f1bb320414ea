/* SPDX-License-Identifier: MIT */
/* topology.h: networks of the usual shapes. Hosts come after the routers, and know where they are. */
#ifndef GW_SIM_TOPOLOGY_H
#define GW_SIM_TOPOLOGY_H

#include "net.h"

enum shape {
	SHAPE_LINE,
	SHAPE_STAR,
	SHAPE_DUMBBELL, /* two stars with one link between them */
	SHAPE_TREE,
	SHAPE_RING, /* with chords */
	SHAPE_MESH, /* near ones are connected rather than far ones (Waxman), and all somehow */
	SHAPE_LANS, /* routers on LANs with each other */
	SHAPE_COUNT
};

const char *shape_name(enum shape shape);

struct topology_plan {
	enum shape shape;
	uint32_t n_routers, n_hosts;
	double plain;	  /* share of the routers that know no RSVP */
	double two_homes; /* share of the hosts that have a second link */
	bool unequal_costs;
	struct net_link_how link;
};

struct topology {
	uint32_t n_routers;    /* nodes 0 .. */
	uint32_t n_hosts;      /* nodes n_routers .. */
	uint32_t n_core_links; /* links 0 ..: between routers */
};

/* Nodes and links; net_build() is left to the caller. */
struct topology topology_make(struct net *net, const struct topology_plan *plan, struct dice *dice);

static inline uint32_t topology_host(const struct topology *topology, uint32_t i)
{
	return topology->n_routers + i;
}

#endif
