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

/* NULL if memory is short. Its tables are bounded by the engine's limits. */
struct socket_datapath *socket_datapath_new(void);

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
 */
extern const struct datapath_ops socket_datapath_ops;

/* One sentence each, NULL at the end: what this datapath cannot do. For status and doctor. */
const char *const *socket_datapath_limitations(void);

#endif
