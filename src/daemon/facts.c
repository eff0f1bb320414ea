/* SPDX-License-Identifier: MIT */
/* facts.c: what `greenwave status` and `doctor` show of the datapath: mechanisms, counters, links, limitations. */
#include <stdio.h>

#include "daemon/links.h"
#include "daemon/marker.h"
#include "proto/fact.h"

static void packet_facts(struct marker *marker, const struct fact_visitor *visitor)
{
	static const char *const names[GW_STAT_COUNT] = {
		[GW_STAT_PACKETS] = "packets-seen",	[GW_STAT_MANAGED] = "packets-managed",
		[GW_STAT_REWRITTEN] = "packets-marked", [GW_STAT_FRAGMENTS] = "fragments-matched",
		[GW_STAT_EXCESS] = "packets-excess",	[GW_STAT_DROPPED] = "packets-dropped",
	};
	uint64_t counters[GW_STAT_COUNT];

	if (kernel_datapath_counters(marker->kernel, counters) < 0)
		return;
	for (int i = 0; i < GW_STAT_COUNT; i++)
		fact_tell_counter(visitor, names[i], counters[i]);
}

/* Without eBPF nobody has tried sock_diag but us. */
static void note_sock_diag(struct marker *marker)
{
	struct kernel_fact *mechanism = &marker->facts.mechanism[KERNEL_SOCK_DIAG];

	mechanism->present = marker->endwatch;
	snprintf(mechanism->note, sizeof(mechanism->note), "%s",
		 marker->endwatch ? "sockets that end are found by asking for their state"
				  : "not there: flows of closed sockets stay listed");
}

struct link_visit {
	struct marker *marker;
	const struct fact_visitor *visitor;
};

static void on_link(void *user_data, const struct handover_report *report)
{
	struct link_visit *links = user_data;

	links_tell(report, host_engine(links->marker->host), links->visitor);
}

static void link_facts(struct marker *marker, const struct fact_visitor *visitor)
{
	struct link_visit links = { marker, visitor };

	if (marker->kernel)
		kernel_datapath_visit_handover(marker->kernel, on_link, &links);
	else if (marker->handover)
		handover_visit(marker->handover, on_link, &links);
}

void marker_facts(struct marker *marker, const struct fact_visitor *visitor)
{
	if (marker->kernel)
		kernel_datapath_update_facts(marker->kernel, &marker->facts);
	else
		note_sock_diag(marker);
	for (int i = 0; i < KERNEL_MECHANISM_COUNT; i++) {
		const struct kernel_fact *mechanism = &marker->facts.mechanism[i];

		fact_tell_mechanism(visitor, mechanism->name, mechanism->present, mechanism->note);
	}
	link_facts(marker, visitor);
	if (marker->kernel) {
		packet_facts(marker, visitor);
		return;
	}
	for (const char *const *limitation = socket_datapath_limitations(); *limitation;
	     limitation++)
		fact_tell(visitor, GW_FACT_LIMITATION, "without-bpf", *limitation,
			  marker->why_no_kernel);
}
