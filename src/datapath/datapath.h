/* SPDX-License-Identifier: MIT */
/*
 * datapath.h: the port through which the engine makes flows real. The engine knows only this table; the
 * hosts plug in datapath/kernel (eBPF) or datapath/socket (socket options), tests plug in a fake.
 *
 * The unit is one target: a socket together with one destination (or with all), a control group, or packets by
 * their addresses. The engine has already decided which flow is in force for a target, so a datapath never
 * compares flows. Beside its targets a flow may have a meter: the rate that they keep to together.
 */
#ifndef GW_DATAPATH_H
#define GW_DATAPATH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/bucket.h"
#include "core/class.h"

/* Which directions of a socket: what shutdown(2) ends, and what an ending asks for. */
#define DIRECTION_SEND 0x1u
#define DIRECTION_RECEIVE 0x2u
#define DIRECTION_BOTH (DIRECTION_SEND | DIRECTION_RECEIVE)

/* When the kernel may end a socket's entries by itself, besides close. */
#define TARGET_END_ON_SHUTDOWN 0x1u
#define TARGET_END_ON_DISCONNECT 0x2u
#define TARGET_WATCHED 0x4u /* there is one of the socket that is `watched` */

/* Packets by their addresses, as they leave (after address translation). A port 0 is any port. */
struct datapath_tuple {
	struct address source; /* family AF_UNSPEC: any */
	struct address destination;
	int protocol;
	uint32_t ifindex; /* that they leave through */
	uint32_t spi;	  /* of ESP and AH; 0: any */
};

struct datapath_target {
	uint64_t cookie; /* the socket; 0: `group` */
	uint64_t group;	 /* control group id; 0 too: `tuple` */
	const struct datapath_tuple *tuple;
	int fd; /* a descriptor of the socket, valid during the call, or -1 */
	int family;
	int protocol;
	bool any_destination;
	unsigned end_on; /* TARGET_END_ON_*, the same for all targets of a socket */
	struct address destination;
};

struct datapath_treatment {
	uint32_t flow_id; /* or that of the flow whose meter it is under */
	enum gw_class traffic_class;
	struct mark mark; /* core/class.h: what to write, if anything */
	bool metered;	  /* the flow has a meter */
	bool watched; /* nothing is done to packets, and others may do it: only the socket's end is looked for */
};

/* What becomes of packets beyond a flow's bucket. */
enum datapath_excess {
	DATAPATH_EXCESS_DELAY, /* they wait */
	DATAPATH_EXCESS_DROP,
	DATAPATH_EXCESS_REMARK, /* they get `excess_mark`, and the place of `excess_class` in the order */
};

#define DATAPATH_METER_LINKS 8

/* The rate of a flow: of all its targets together, however many. */
struct datapath_meter {
	uint32_t flow_id;
	enum gw_class traffic_class;
	struct bucket_spec bucket; /* RFC 2215; for DELAY only its rate counts */
	enum datapath_excess excess;
	struct mark excess_mark;
	enum gw_class excess_class;
	uint64_t reserved_bps; /* guaranteed where the link is scheduled; 0: nothing is */
	uint32_t uid;	       /* its owner's */
	bool owner_paces; /* GW_FLOW_PACES: it keeps its datagrams to the rate where nothing else can */
	/* The links that its packets leave through; none: not known, it may be any. */
	unsigned n_links;
	uint32_t links[DATAPATH_METER_LINKS];
};

/* Packets as on the wire, bytes of IP. */
struct datapath_meter_counters {
	uint64_t conforming_packets, conforming_bytes;
	uint64_t excess_packets, excess_bytes; /* sent all the same */
	uint64_t dropped_packets, dropped_bytes;
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

	/*
	 * Gives the flow a meter, or another in place of the one it has, at once for all its targets; those that
	 * are `metered` come under it. -EOPNOTSUPP: the excess cannot be treated so here. -EDQUOT: more than is
	 * reservable on a link. -ENOSPC: the table is full. After an error everything is as it was.
	 */
	int (*meter)(void *datapath, const struct datapath_meter *meter);

	/* Its targets must not be `metered` any more. What waits on account of the rate leaves. Idempotent. */
	void (*meter_end)(void *datapath, uint32_t flow_id);

	/* How the rate of packets of this target is kept to. GW_SHAPING_NONE if it has no meter that delays. */
	enum gw_shaping_method (*shaping)(void *datapath, uint32_t flow_id,
					  const struct datapath_target *target);

	/* -ENOENT: no such meter. -EOPNOTSUPP: nobody counts here. */
	int (*meter_read)(void *datapath, uint32_t flow_id,
			  struct datapath_meter_counters *ret_counters);

	/* How many entries stand in the kernel now; 0 for datapaths that keep none. */
	uint64_t (*count)(void *datapath);

	bool needs_descriptor; /* apply and clear work only on a descriptor */
	bool tags;	       /* a mark's `tag` is heeded; else no frame has one */
};

#endif
