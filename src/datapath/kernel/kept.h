/* SPDX-License-Identifier: MIT */
/*
 * kept.h: what was taken over from others, in one file per link, for as long as it is to be given back:
 * a daemon that follows one that was killed finds it there.
 */
#ifndef GW_DATAPATH_KEPT_H
#define GW_DATAPATH_KEPT_H

#include <stddef.h>
#include <stdint.h>

/* More than any tree of queues that is taken over: see foreign_tree.h. */
#define KEPT_MAX ((256u << 10) + 4096)

/* In one step: there is the old file, or the new one. The folder is made if it is missing. */
int kept_write(const char *folder, const char *link, const void *data, size_t len);

/*
 * To be freed. -ENOENT: there is none. -EINVAL: not a file of ours, or not a whole one.
 */
int kept_read(const char *folder, const char *link, void **ret_data, size_t *ret_len);

/* What such a file holds; a part of `bytes`. -EINVAL as above. */
int kept_parse(const void *bytes, size_t len, const void **ret_data, size_t *ret_len);

void kept_remove(const char *folder, const char *link);

#endif
