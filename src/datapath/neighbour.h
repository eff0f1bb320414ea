/* SPDX-License-Identifier: MIT */
/*
 * neighbour.h: which station on a link has an address, as the kernel has found out (ARP, neighbour discovery).
 */
#ifndef GW_DATAPATH_NEIGHBOUR_H
#define GW_DATAPATH_NEIGHBOUR_H

#include <stdint.h>

#include "core/address.h"
#include "datapath/netlink.h"

#define NEIGHBOUR_STATION_LEN 6

/*
 * 0; -ENOENT: nobody has asked lately; -EAGAIN: it is being asked for; -EHOSTUNREACH: nobody has answered;
 * -EOPNOTSUPP: the interface has no stations.
 */
int neighbour_lookup(struct netlink *netlink, const struct address *address, uint32_t ifindex,
		     uint8_t ret_station[static NEIGHBOUR_STATION_LEN]);

/* Has the kernel ask for it, without a packet of ours. Needs CAP_NET_ADMIN. */
int neighbour_resolve(struct netlink *netlink, const struct address *address, uint32_t ifindex);

#endif
