/* SPDX-License-Identifier: MIT */
/*
 * groups.h: control groups for programs started with `greenwave run`, one each:
 * greenwave.<inode of the network namespace>.run-<n>, below the group that the program was in. So
 * all limits that were set for it hold as before, and whoever manages its group still finds it. No
 * controller is enabled in ours, so they cost a program nothing but its place in the tree. See
 * kernel.h for what the host calls.
 */
#ifndef GW_DATAPATH_GROUPS_H
#define GW_DATAPATH_GROUPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cgroup_root;
struct groups;

struct groups_config {
	const struct cgroup_root *root; /* stays the caller's, and open */
	uint32_t root_level;		/* of it, in the whole machine's hierarchy */
	uint64_t namespace_inode;

	/* What an earlier daemon has made: how many groups, and which. */
	uint32_t n_known;
	bool (*is_known)(void *user_data, uint64_t id);
	void *user_data;
};

/* Finds also what an earlier daemon has made, and removes what it has left for nothing. */
int groups_open(const struct groups_config *config, struct groups **ret_groups);

/* `remove`: empty groups go. */
struct groups *groups_close(struct groups *groups, bool remove);

/* Bit n: there is one at level n (gw_bpf.h). */
uint32_t groups_levels(const struct groups *groups);

/* -EOPNOTSUPP: the process is where no group can be made, or too deep. */
int groups_create(struct groups *groups, pid_t pid, uint64_t *ret_id);
int groups_remove(struct groups *groups, uint64_t id);
int groups_fd(const struct groups *groups);
int groups_dispatch(struct groups *groups, void (*emptied)(void *user_data, uint64_t id),
		    void *user_data);

/* One process of the group itself, the one longest in it; 0: none, or none that we can see. */
pid_t groups_process(const struct groups *groups, uint64_t id);
void groups_visit(const struct groups *groups,
		  void (*visit)(void *user_data, uint64_t id, bool populated), void *user_data);

#endif
