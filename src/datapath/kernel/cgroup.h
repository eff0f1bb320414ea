/* SPDX-License-Identifier: MIT */
/*
 * cgroup.h: the root of the control group hierarchy (version 2) as far as we may see it. Everything
 * works on directory descriptors, because the hierarchy need not be mounted anywhere.
 */
#ifndef GW_DATAPATH_CGROUP_H
#define GW_DATAPATH_CGROUP_H

#include <stdint.h>
#include <sys/types.h>

#define CGROUP_PATH_LEN 4096

struct cgroup_root {
	int fd; /* of the directory; from a mount, or from one that only we hold */
	char path[CGROUP_PATH_LEN]; /* as paths are told to us; "" for the root that we see */
};

int cgroup_root_open(struct cgroup_root *ret_root);

/*
 * The group of a process, as a path below the root directory: "." or "a/b". -EOPNOTSUPP: it lies outside.
 */
int cgroup_path_of(const struct cgroup_root *root, pid_t pid,
		   char ret_path[static CGROUP_PATH_LEN]);

/* How many names a path has. */
int cgroup_path_depth(const char *path);

/* The number that BPF helpers give for the group of this directory. */
int cgroup_id(int directory_fd, uint64_t *ret_id);

/*
 * How deep the directory that cgroup_root_open() found lies below the root of the whole machine's
 * hierarchy: more than 0 in a container. `current_level` is that depth of our own group.
 */
int cgroup_root_level(const struct cgroup_root *root, int current_level, uint32_t *ret_level);

#endif
