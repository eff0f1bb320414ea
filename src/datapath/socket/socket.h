/* SPDX-License-Identifier: MIT */
/*
 * socket.h: the datapath that marks by socket options on the descriptor at hand. It needs no
 * privilege and nothing set up, so the embedded engine runs on it, and the daemon where there is no
 * eBPF.
 *
 * A socket option marks everything that the socket sends. Destinations of one socket therefore
 * share one mark: a second flow that wants another mark on the same socket is refused
 * (-EOPNOTSUPP), whereas one flow may change its own mark on all of its destinations at once.
 *
 * The values found on a socket are put back when its last target is cleared, each only as far as
 * the socket still carries what was written here: what the application has chosen since then stays.
 */
#ifndef GW_DATAPATH_SOCKET_SOCKET_H
#define GW_DATAPATH_SOCKET_SOCKET_H

#include "datapath/datapath.h"

struct socket_datapath;

/*
 * Places in the queues of links that are scheduled, for who schedules them without eBPF: a priority of the form
 * major:minor puts a packet into that class. Each returns -ENODATA where there is none: then the priority is the mark's.
 */
struct socket_classes {
	void *user_data;
	/* The band of a traffic class, on the link that the target's packets leave through. */
	int (*band_of)(void *user_data, const struct datapath_target *target,
		       enum gw_class traffic_class, uint32_t *ret_priority);
	/* A class with the rate of the meter on its links, made or changed, until class_end(). */
	int (*class_of)(void *user_data, const struct datapath_meter *meter,
			uint32_t *ret_priority);
	void (*class_end)(void *user_data, uint32_t flow_id);
};

/* NULL if memory is short. Its tables are bounded by the engine's limits. */
struct socket_datapath *socket_datapath_new(void);

/* `classes` is copied. Without it no link is scheduled. */
void socket_datapath_set_classes(struct socket_datapath *datapath,
				 const struct socket_classes *classes);

/* Forgets everything. Sockets that still have marks keep them. */
struct socket_datapath *socket_datapath_free(struct socket_datapath *datapath);

/*
 * The first argument of each is the struct socket_datapath.
 *
 * apply: -EOPNOTSUPP also for control groups, for a mark that could not be undone, and without a
 * descriptor where one is needed; -ENOENT: the descriptor is another socket by now. A priority
 * above 6 that is not permitted becomes 6.
 *
 * clear: without a descriptor of the socket only the record goes.
 *
 * meter: DELAY only, and REMARK if the owner paces; whether the packets of a target can be delayed, its apply says. In a
 * class of a scheduled link all can. Else TCP sockets pace themselves, each to an equal part of the rate, since
 * they know nothing of each other: the parts are those of the sockets that the flow has when it gets the rate, and
 * a further one is refused. So do UDP sockets where fq is the queue of all links; elsewhere their owner must.
 */
extern const struct datapath_ops socket_datapath_ops;

/* One sentence each, NULL at the end: what this datapath cannot do. For status and doctor. */
const char *const *socket_datapath_limitations(void);

#endif
