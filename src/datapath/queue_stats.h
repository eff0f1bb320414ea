/* SPDX-License-Identifier: MIT */
/*
 * queue_stats.h: what has passed an interface, and what its queue has done with it. No privilege.
 */
#ifndef GW_DATAPATH_QUEUE_STATS_H
#define GW_DATAPATH_QUEUE_STATS_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/netlink.h"

/* Of the queueing discipline at the root; totals, but for the backlog. */
struct queue_stats {
	uint32_t handle; /* another one: totals have begun anew */
	uint64_t bytes, packets;
	uint64_t drops;
	uint64_t marked; /* by ECN */
	uint64_t backlog_bytes;
	uint64_t rate_bps; /* to which it keeps, with link headers; 0: it does not, or not that we know */
	bool rate_of_classes; /* rather ask queue_classes_rate(), now and then: there may be thousands */
};

/* -ENOENT: no such interface, or it has no queue. */
int queue_stats_read(struct netlink *netlink, uint32_t ifindex, struct queue_stats *ret_stats);

/* Of all classes together. */
int queue_classes_rate(struct netlink *netlink, uint32_t ifindex, uint32_t handle,
		       uint64_t *ret_rate_bps);

struct link_counts {
	uint64_t bytes_received, packets_received, bytes_sent, packets_sent;
};

/* All that has passed the interface up to now. */
int link_counts_read(struct netlink *netlink, uint32_t ifindex, struct link_counts *ret_counts);

#endif
