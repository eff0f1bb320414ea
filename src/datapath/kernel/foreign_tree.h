/* SPDX-License-Identifier: MIT */
/*
 * foreign_tree.h: all that someone else has hung below the root of a link (queues, classes, filters), as
 * the requests that make it again, parents first. Only what is known to come back exactly as it was is
 * taken; anything else is refused by name, and nothing has been touched then.
 */
#ifndef GW_DATAPATH_FOREIGN_TREE_H
#define GW_DATAPATH_FOREIGN_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "datapath/kernel/foreign.h"

struct tc;

/* All requests together. */
#define FOREIGN_TREE_MAX (256u << 10)

/* Flat, so that it can be kept in a file: one request behind the other. */
struct foreign_tree {
	struct foreign root;
	uint32_t len;
	uint32_t reserved;
	_Alignas(8) uint8_t requests[];
};

size_t foreign_tree_size(const struct foreign_tree *tree);

/* Names what cannot be made again. */
struct foreign_words {
	char text[128];
};

/*
 * -EOPNOTSUPP: something there could not be made again, -E2BIG: it is more than is kept; named in
 * the words. To be freed.
 */
int foreign_tree_read(struct tc *tc, uint32_t ifindex, struct foreign_tree **ret_tree,
		      struct foreign_words *ret_words);

/* From a file, which may hold anything. -EINVAL: no tree. To be freed. */
int foreign_tree_from_bytes(const void *bytes, size_t len, struct foreign_tree **ret_tree);

/*
 * Puts it in the place of whatever root there is. -EBADMSG: the kernel took it, and made something
 * else of it.
 */
int foreign_tree_restore(struct tc *tc, uint32_t ifindex, const struct foreign_tree *tree);

#endif
