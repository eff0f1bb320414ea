/* SPDX-License-Identifier: MIT */
/* classes.c: see classes.h. */
#include "daemon/classes.h"

#include <errno.h>
#include <stdlib.h>

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "core/rate.h"

#define FRAME_BYTES \
	1500 /* of IP: what rates are converted with, since nobody counts packets here */

struct flow_class {
	uint32_t flow_id;
	uint32_t ifindex;
	struct schedule
		*schedule; /* of that link; goes before this does, see classes_links_changed() */
	uint32_t minor;
	UT_hash_handle hh;
};

struct classes {
	const struct handover *handover;
	struct flow_class *flows;
};

struct classes *classes_new(void)
{
	return calloc(1, sizeof(struct classes));
}

struct classes *classes_free(struct classes *classes)
{
	struct flow_class *flow, *next;

	if (!classes)
		return NULL;
	HASH_ITER(hh, classes->flows, flow, next) {
		HASH_DEL(classes->flows, flow);
		free(flow);
	}
	free(classes);
	return NULL;
}

void classes_set_handover(struct classes *classes, const struct handover *handover)
{
	classes->handover = handover;
}

static struct flow_class *find(const struct classes *classes, uint32_t flow_id)
{
	struct flow_class *flow;

	HASH_FIND(hh, classes->flows, &flow_id, sizeof(flow_id), flow);
	return flow;
}

static void forget(struct classes *classes, struct flow_class *flow)
{
	HASH_DEL(classes->flows, flow);
	free(flow);
}

/* What was given out went with the earlier schedule. A link that has gone is told of without its number. */
void classes_links_changed(struct classes *classes)
{
	struct flow_class *flow, *next;

	HASH_ITER(hh, classes->flows, flow, next) {
		if (handover_schedule(classes->handover, flow->ifindex) != flow->schedule)
			forget(classes, flow);
	}
}

/* --- The port --------------------------------------------------------------------------------- */

/* One link at most is scheduled in most configurations; of several, the first. */
struct choice {
	uint32_t ifindex;
	struct schedule *schedule;
};

static void choose(void *user_data, const struct handover_report *report)
{
	struct choice *choice = user_data;

	if (!choice->schedule && report->state == HANDOVER_SCHEDULED)
		*choice = (struct choice){ report->ifindex, report->schedule };
}

static struct choice choose_link(const struct classes *classes, unsigned n_links,
				 const uint32_t *links)
{
	struct choice choice = { 0 };

	for (unsigned i = 0; i < n_links && !choice.schedule; i++)
		choice =
			(struct choice){ links[i], handover_schedule(classes->handover, links[i]) };
	if (n_links == 0)
		handover_visit(classes->handover, choose, &choice);
	return choice;
}

static uint32_t priority_of(uint32_t minor)
{
	return SCHEDULE_HANDLE | minor;
}

/* Which link a target leaves through nobody knows here: elsewhere than on such links the value means nothing. */
static int band_of(void *user_data, const struct datapath_target *target,
		   enum gw_class traffic_class, uint32_t *ret_priority)
{
	struct classes *classes = user_data;

	(void)target;
	if (!choose_link(classes, 0, NULL).schedule)
		return -ENODATA;
	*ret_priority = priority_of(schedule_class_of(traffic_class));
	return 0;
}

static struct schedule_demand demand_of(const struct classes *classes,
					const struct datapath_meter *meter, uint32_t ifindex)
{
	uint32_t overhead = handover_overhead_bytes(classes->handover, ifindex);

	return (struct schedule_demand){
		.traffic_class = meter->traffic_class,
		.ceil_bps = rate_on_link(meter->bucket.rate_bps, FRAME_BYTES, overhead),
		.uid = meter->uid,
	};
}

static int class_new(struct classes *classes, const struct datapath_meter *meter,
		     const struct choice *link, uint32_t *ret_minor)
{
	const struct schedule_demand demand = demand_of(classes, meter, link->ifindex);
	struct flow_class *flow = calloc(1, sizeof(*flow));
	int r;

	if (!flow)
		return -ENOMEM;
	flow->flow_id = meter->flow_id;
	flow->ifindex = link->ifindex;
	flow->schedule = link->schedule;
	r = schedule_reserve(link->schedule, &demand, &flow->minor);
	if (r < 0) {
		free(flow);
		return r;
	}
	HASH_ADD(hh, classes->flows, flow_id, sizeof(flow->flow_id), flow);
	if (!flow->hh.tbl) {
		schedule_release(link->schedule, flow->minor);
		free(flow);
		return -ENOMEM;
	}
	*ret_minor = flow->minor;
	return 0;
}

static int class_change(struct classes *classes, const struct datapath_meter *meter,
			const struct flow_class *flow, uint32_t *ret_minor)
{
	const struct schedule_demand demand = demand_of(classes, meter, flow->ifindex);
	int r = schedule_change(flow->schedule, flow->minor, &demand);

	if (r == 0)
		*ret_minor = flow->minor;
	return r;
}

static void class_end(void *user_data, uint32_t flow_id)
{
	struct classes *classes = user_data;
	struct flow_class *flow = find(classes, flow_id);

	if (!flow)
		return;
	schedule_release(flow->schedule, flow->minor);
	forget(classes, flow);
}

static int class_of(void *user_data, const struct datapath_meter *meter, uint32_t *ret_priority)
{
	struct classes *classes = user_data;
	struct choice link = choose_link(classes, meter->n_links, meter->links);
	const struct flow_class *flow = find(classes, meter->flow_id);
	uint32_t minor = 0;
	int r;

	if (!link.schedule)
		return -ENODATA;
	if (flow && flow->schedule != link.schedule) {
		class_end(classes, meter->flow_id);
		flow = NULL;
	}
	if (flow)
		r = class_change(classes, meter, flow, &minor);
	else
		r = class_new(classes, meter, &link, &minor);
	if (r < 0)
		return r == -ENOSPC ? -ENODATA : r;
	*ret_priority = priority_of(minor);
	return 0;
}

struct socket_classes classes_port(struct classes *classes)
{
	return (struct socket_classes){
		.user_data = classes,
		.band_of = band_of,
		.class_of = class_of,
		.class_end = class_end,
	};
}
