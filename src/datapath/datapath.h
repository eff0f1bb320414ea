/* SPDX-License-Identifier: MIT */
/*
 * datapath.h: the port through which the engine makes flows real. The engine knows only this table; the
 * hosts plug in datapath/kernel (eBPF) or datapath/socket (socket options), tests plug in a fake.
 *
 * The unit is one target: a socket together with one destination (or with all), or a control group. The
 * engine has already decided which flow is in force for a target, so a datapath never compares flows.
 */
#ifndef GW_DATAPATH_H
#define GW_DATAPATH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/class.h"

/* Which directions of a socket: what shutdown(2) ends, and what an ending asks for. */
#define DIRECTION_SEND 0x1u
#define DIRECTION_RECEIVE 0x2u
#define DIRECTION_BOTH (DIRECTION_SEND | DIRECTION_RECEIVE)

/* When the kernel may end a socket's entries by itself, besides close. */
#define TARGET_END_ON_SHUTDOWN 0x1u
#define TARGET_END_ON_DISCONNECT 0x2u

struct datapath_target {
	uint64_t cookie; /* the socket; 0: `group` */
	uint64_t group;	 /* control group id */
	int fd;		 /* a descriptor of the socket, valid during the call, or -1 */
	int family;
	int protocol;
	bool any_destination;
	unsigned end_on; /* TARGET_END_ON_*, the same for all targets of a socket */
	struct address destination;
};

struct datapath_treatment {
	uint32_t flow_id;
	enum gw_class traffic_class;
	struct mark mark; /* core/class.h: what to write, if anything */
};

struct datapath_ops {
	/*
	 * Makes the treatment effective for the target, replacing what was there at once (no packet in between
	 * sees neither). Without a descriptor it fails with -ENOENT if the socket has closed meanwhile.
	 * -EOPNOTSUPP: this datapath cannot tell the target's packets apart. On failure nothing has changed.
	 */
	int (*apply)(void *datapath, const struct datapath_target *target,
		     const struct datapath_treatment *treatment);

	/* Ends the treatment of the target; fine if the kernel has ended it already. */
	void (*clear)(void *datapath, const struct datapath_target *target);

	/* How many entries stand in the kernel now; 0 for datapaths that keep none. */
	uint64_t (*count)(void *datapath);

	bool needs_descriptor; /* apply and clear work only on a descriptor */
};

#endif
