/* SPDX-License-Identifier: MIT */
/* verdict.h: marks as the eBPF programs have them (gw_bpf.h). */
#ifndef GW_DATAPATH_KERNEL_VERDICT_H
#define GW_DATAPATH_KERNEL_VERDICT_H

#include "bpf/gw_bpf.h"
#include "core/class.h"

static inline void verdict_set_mark(struct gw_verdict *verdict, const struct mark *mark)
{
	if (mark->set_dscp) {
		verdict->flags |= GW_VERDICT_SET_DSCP;
		verdict->dscp = mark->dscp;
	}
	if (mark->set_priority) {
		verdict->flags |= GW_VERDICT_SET_PRIORITY;
		verdict->priority = mark->priority;
	}
	if (mark->set_priority && mark->tag)
		verdict->flags |= GW_VERDICT_TAG;
}

#endif
