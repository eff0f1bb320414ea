/* SPDX-License-Identifier: MIT */
/*
 * foreign.h: the root queueing discipline that someone else has put on a link: told apart from the
 * kernel's own default, remembered as far as a dump gives it back, and put there again.
 */
#ifndef GW_DATAPATH_FOREIGN_H
#define GW_DATAPATH_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/kernel/qdisc.h"

#define FOREIGN_OPTIONS_LEN 2048

/* Flat, so that it can be kept in a file. */
struct foreign {
	char kind[QDISC_KIND_LEN];
	uint32_t handle;      /* 0: the kernel's default, which comes back by itself */
	uint32_t inner;	      /* queues and classes below, which cannot be remembered */
	uint32_t options_len; /* FOREIGN_OPTIONS_LEN + 1: too long to be remembered */
	bool has_options;
	uint32_t default_minor; /* of an HTB */
	_Alignas(uint32_t) uint8_t options[FOREIGN_OPTIONS_LEN];
};

/* Adds one queue of the link, as a dump tells of it. */
void foreign_add(struct foreign *foreign, const struct qdisc_seen *qdisc);

/* From a file, which may hold anything. -EINVAL: no queue of somebody else's. */
int foreign_from_bytes(const void *bytes, size_t len, struct foreign *ret_foreign);

/* What the root of the link is now; an empty kind if there is none, as on links that are down. */
int foreign_read(struct tc *tc, uint32_t ifindex, struct foreign *ret_foreign);

/* Whether everything that could be read here can be put back. */
bool foreign_is_whole(const struct foreign *foreign);

/*
 * Puts it in the place of whatever root there is. -EBADMSG: the kernel took it, and made something
 * else of it.
 */
int foreign_restore(struct tc *tc, uint32_t ifindex, const struct foreign *foreign);

#endif
