/* SPDX-License-Identifier: MIT */
/*
 * groups.h: control groups for programs started with `greenwave run`, one each: greenwave.<inode of
 * the network namespace>/run-<n>, below the root we can see. No controller is enabled in them, so
 * they cost a program nothing but its place in the tree. See kernel.h for what the host calls.
 */
#ifndef GW_DATAPATH_GROUPS_H
#define GW_DATAPATH_GROUPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Depth of run-<n> below the root. */
#define GROUPS_DEPTH 2

struct groups;

/* Finds also what an earlier daemon has made. `root_fd` stays the caller's, and open. */
int groups_open(int root_fd, uint64_t namespace_inode, struct groups **ret_groups);

/* `remove`: empty groups go. */
struct groups *groups_close(struct groups *groups, bool remove);

int groups_create(struct groups *groups, pid_t pid, uint64_t *ret_id);
int groups_remove(struct groups *groups, uint64_t id);
int groups_fd(const struct groups *groups);
int groups_dispatch(struct groups *groups, void (*emptied)(void *user_data, uint64_t id),
		    void *user_data);
void groups_visit(const struct groups *groups,
		  void (*visit)(void *user_data, uint64_t id, bool populated), void *user_data);

#endif
