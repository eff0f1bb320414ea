/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * level.bpf.c: tells how deep the caller's control group lies below the root of the whole
 * hierarchy, which a process inside a cgroup namespace cannot see. Run once at start, by a test
 * run; attached to nothing.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#define DEEPEST 64

SEC("raw_tp/sys_enter")
int current_level(void *ctx)
{
	int level;

	for (level = 0; level < DEEPEST; level++)
		if (bpf_get_current_ancestor_cgroup_id(level) == 0)
			break;
	return level - 1;
}

char program_license[] SEC("license") = "Dual MIT/GPL";
