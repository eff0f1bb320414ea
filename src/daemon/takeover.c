/* SPDX-License-Identifier: MIT */
/*
 * takeover.c: what a daemon that was killed has left in the kernel, and this one finds: programs keep their
 * class, rate and name; what belonged to sockets ends, for their owners have lost their handles.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/time.h"
#include "daemon/marker.h"

/* Whoever has started it then, it is the program's own user's now. */
static struct engine_owner_info describe_group(const struct marker *marker, uint64_t group)
{
	struct engine_owner_info info = { .pid = kernel_group_process(marker->kernel, group),
					  .comm = "(adopted)" };
	char path[32];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", (int)info.pid);
	if (info.pid > 0 && stat(path, &st) == 0)
		info.uid = st.st_uid;
	host_process_name(info.pid, info.comm);
	return info;
}

static void adopt_group(void *user_data, uint64_t group, bool populated)
{
	struct marker *marker = user_data;
	struct engine_owner_info info = describe_group(marker, group);
	struct datapath_treatment treatment;
	struct datapath_meter meter;
	struct gw_verdict verdict;
	bool metered;
	int r = -ENOENT;

	if (populated && kernel_group_verdict(marker->kernel, group, &verdict) == 0) {
		treatment = (struct datapath_treatment){
			.traffic_class = (enum gw_class)verdict.traffic_class,
			.mark = {
				.set_dscp = verdict.flags & GW_VERDICT_SET_DSCP,
				.set_priority = verdict.flags & GW_VERDICT_SET_PRIORITY,
				.dscp = verdict.dscp,
				.priority = verdict.priority,
			},
		};
		metered = kernel_group_meter(marker->kernel, group, &meter) == 0;
		r = engine_adopt_group(host_engine(marker->host), group, &treatment,
				       metered ? &meter : NULL, &info, time_now_us());
	}
	if (r < 0)
		kernel_group_remove(marker->kernel, group);
}

static bool keep_group(void *user_data, uint64_t group)
{
	struct marker *marker = user_data;

	return engine_has_group(host_engine(marker->host), group);
}

void take_over(struct marker *marker)
{
	int swept;

	if (!kernel_datapath_adopted(marker->kernel))
		return;
	kernel_group_visit(marker->kernel, adopt_group, marker);
	swept = kernel_datapath_sweep(marker->kernel, keep_group, marker);
	if (swept != 0)
		log_notice("kernel",
			   "took over from an earlier daemon, removed %d entries without an owner",
			   swept);
}
