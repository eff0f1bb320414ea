/* SPDX-License-Identifier: MIT */
/*
 * foreign.h: the root queueing discipline of a link, which may be ours, someone else's, or the
 * kernel's own default. What hangs below it is in foreign_tree.h.
 */
#ifndef GW_DATAPATH_FOREIGN_H
#define GW_DATAPATH_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/kernel/qdisc.h"

struct foreign {
	char kind[QDISC_KIND_LEN];
	uint32_t handle;	/* 0: the kernel's default, which comes back by itself */
	uint32_t default_minor; /* of an HTB */
};

/* Adds one queue of the link, as a dump tells of it. */
void foreign_add(struct foreign *foreign, const struct qdisc_seen *qdisc);

/* Whether it is a root of somebody else's, if it comes from a file. */
bool foreign_is_sound(const struct foreign *foreign);

/* What the root of the link is now; an empty kind if there is none, as on links that are down. */
int foreign_read(struct tc *tc, uint32_t ifindex, struct foreign *ret_foreign);

#endif
