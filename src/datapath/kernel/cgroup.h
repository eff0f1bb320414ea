/* SPDX-License-Identifier: MIT */
/*
 * cgroup.h: the root of the control group hierarchy (version 2) as far as we may see it. Everything
 * works on directory descriptors, because the hierarchy need not be mounted anywhere.
 */
#ifndef GW_DATAPATH_CGROUP_H
#define GW_DATAPATH_CGROUP_H

#include <stdint.h>

/* A descriptor of the root directory; from a mount, or from one that only we hold. */
int cgroup_root_open(int *ret_fd);

/* The number that BPF helpers give for the group of this directory. */
int cgroup_id(int directory_fd, uint64_t *ret_id);

/*
 * How deep the directory that cgroup_root_open() found lies below the root of the whole machine's
 * hierarchy: more than 0 in a container. `current_level` is that depth of our own group.
 */
int cgroup_root_level(int current_level, uint32_t *ret_level);

#endif
