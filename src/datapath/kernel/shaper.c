/* SPDX-License-Identifier: MIT */
/* shaper.c: see shaper.h. */
#include "datapath/kernel/shaper_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/log.h"

#define MODULE "kernel"

/* As long as nothing of a flow has been seen. */
#define USUAL_PACKET_BYTES 1500

/* Too few would have a class follow every packet. */
#define MIX_MIN_PACKETS 16

/* Differences that are not worth a request. */
#define CEIL_TOLERANCE 0.002

static struct shaped_flow *find_flow(const struct shaper *shaper, uint32_t flow_id)
{
	struct shaped_flow *flow;

	HASH_FIND(hh, shaper->flows, &flow_id, sizeof(flow_id), flow);
	return flow;
}

static struct shaped_link *find_link(const struct shaper *shaper, uint32_t ifindex)
{
	struct shaped_link *link;

	DL_FOREACH(shaper->links, link)
		if (link->ifindex == ifindex)
			return link;
	return NULL;
}

/* --- Meters ----------------------------------------------------------------------------------- */

static void name_classes(struct gw_meter *entry, const struct class_set *set)
{
	memset(entry->classes, 0, sizeof(entry->classes));
	for (unsigned i = 0; i < set->count; i++) {
		entry->classes[i].ifindex = set->class[i].link->ifindex;
		entry->classes[i].minor = set->class[i].minor;
	}
}

/* All or nothing. */
static int install(struct shaper *shaper, struct shaped_flow *flow,
		   const struct datapath_meter *meter, bool known, bool insist)
{
	struct class_set taken, had = flow->classes;
	struct gw_meter entry;
	int r = meters_make(meter, &entry);

	if (r == 0)
		r = shaper_take_classes(shaper, flow, meter, &entry, insist, &taken);
	if (r < 0)
		return r;
	name_classes(&entry, &taken);
	r = meters_put(&shaper->meters, flow->id, &entry, known ? &flow->entry : NULL);
	if (r < 0) {
		shaper_undo_classes(shaper, flow, &taken);
		return r;
	}
	flow->meter = *meter;
	flow->entry = entry;
	flow->classes = taken;
	shaper_release_others(&had, &taken);
	return 0;
}

int shaper_meter(struct shaper *shaper, const struct datapath_meter *meter)
{
	struct shaped_flow *flow = find_flow(shaper, meter->flow_id);
	int r;

	if (flow)
		return install(shaper, flow, meter, true, true);
	flow = calloc(1, sizeof(*flow));
	if (!flow)
		return -ENOMEM;
	flow->id = meter->flow_id;
	flow->mix = (struct mix){ .packets = 1, .before = 1, .bytes = USUAL_PACKET_BYTES };
	HASH_ADD(hh, shaper->flows, id, sizeof(flow->id), flow);
	if (!flow->hh.tbl) {
		free(flow);
		return -ENOMEM;
	}
	r = install(shaper, flow, meter, false, true);
	if (r < 0) {
		HASH_DEL(shaper->flows, flow);
		free(flow);
	}
	return r;
}

void shaper_meter_end(struct shaper *shaper, uint32_t flow_id)
{
	struct shaped_flow *flow = find_flow(shaper, flow_id);
	struct class_set none = { 0 };

	if (!flow)
		return;
	meters_delete(&shaper->meters, flow_id);
	shaper_release_others(&flow->classes, &none);
	HASH_DEL(shaper->flows, flow);
	free(flow);
}

int shaper_read(const struct shaper *shaper, uint32_t flow_id,
		struct datapath_meter_counters *ret_counters)
{
	struct gw_bucket bucket;
	int r = find_flow(shaper, flow_id) ? meters_read(&shaper->meters, flow_id, &bucket)
					   : -ENOENT;

	if (r < 0)
		return r;
	*ret_counters = (struct datapath_meter_counters){
		.conforming_packets = bucket.conforming_packets,
		.conforming_bytes = bucket.conforming_bytes,
		.excess_packets = bucket.excess_packets,
		.excess_bytes = bucket.excess_bytes,
		.dropped_packets = bucket.dropped_packets,
		.dropped_bytes = bucket.dropped_bytes,
	};
	return 0;
}

const struct datapath_meter *shaper_find(const struct shaper *shaper, uint32_t flow_id)
{
	const struct shaped_flow *flow = find_flow(shaper, flow_id);

	return flow ? &flow->meter : NULL;
}

bool shaper_has_class(const struct shaper *shaper, uint32_t flow_id, uint32_t ifindex)
{
	const struct shaped_flow *flow = find_flow(shaper, flow_id);

	for (unsigned i = 0; flow && i < flow->classes.count; i++)
		if (ifindex == 0 || flow->classes.class[i].link->ifindex == ifindex)
			return true;
	return false;
}

/* --- Links ------------------------------------------------------------------------------------ */

static void forget_classes(struct shaper *shaper, const struct shaped_link *link)
{
	struct shaped_flow *flow, *next;

	HASH_ITER(hh, shaper->flows, flow, next) {
		struct class_set *set = &flow->classes;
		struct shaped_class *class = class_set_find(set, link);

		if (class)
			*class = set->class[--set->count];
	}
}

/* Every flow anew: what it has on other links stays. */
static void follow(struct shaper *shaper)
{
	struct shaped_flow *flow, *next;
	int r;

	HASH_ITER(hh, shaper->flows, flow, next) {
		const struct datapath_meter meter = flow->meter;

		r = install(shaper, flow, &meter, true, false);
		if (r < 0)
			log_warning(MODULE, "flow %u: its rate is not kept to on all links: %s",
				    flow->id, strerror(-r));
	}
}

static struct shaped_link *add_link(struct shaper *shaper, const struct handover_report *report)
{
	struct shaped_link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	snprintf(link->name, sizeof(link->name), "%s", report->link.name);
	link->ifindex = report->ifindex;
	link->schedule = report->schedule;
	DL_APPEND(shaper->links, link);
	return link;
}

static void drop_link(struct shaper *shaper, struct shaped_link *link)
{
	forget_classes(shaper, link);
	DL_DELETE(shaper->links, link);
	free(link);
}

/* Its classes went with it. An interface that has gone is reported without its number. */
static void drop_stale_links(struct shaper *shaper, const struct handover_report *report)
{
	struct shaped_link *link, *next;

	DL_FOREACH_SAFE(shaper->links, link, next) {
		bool meant = link->ifindex == report->ifindex ||
			     strcmp(link->name, report->link.name) == 0;

		if (meant &&
		    (link->schedule != report->schedule || link->ifindex != report->ifindex))
			drop_link(shaper, link);
	}
}

void shaper_link_changed(struct shaper *shaper, const struct handover_report *report)
{
	struct shaped_link *link;

	drop_stale_links(shaper, report);
	if (report->state == HANDOVER_SCHEDULED && report->schedule) {
		link = find_link(shaper, report->ifindex);
		if (!link)
			link = add_link(shaper, report);
		/* Nobody is going to claim what is left there. */
		if (link && shaper->swept)
			(void)schedule_sweep(link->schedule);
	}
	follow(shaper);
}

/* --- Sizes of packets ------------------------------------------------------------------------- */

/* What the flow has sent since the last time. */
static bool take_mix(const struct shaper *shaper, struct shaped_flow *flow)
{
	struct gw_bucket bucket;
	struct mix now, mix;

	if (meters_read(&shaper->meters, flow->id, &bucket) < 0)
		return false;
	now = (struct mix){
		.packets = bucket.conforming_packets,
		.before = bucket.conforming_before,
		.bytes = bucket.conforming_bytes,
	};
	mix = (struct mix){
		.packets = now.packets - flow->seen.packets,
		.before = now.before - flow->seen.before,
		.bytes = now.bytes - flow->seen.bytes,
	};
	if (mix.packets < MIX_MIN_PACKETS || mix.bytes == 0)
		return false;
	flow->seen = now;
	flow->mix = mix;
	return true;
}

static void fit_class(const struct shaper *shaper, const struct shaped_flow *flow,
		      struct shaped_class *class)
{
	const struct schedule_demand demand =
		shaper_demand(shaper, flow, &flow->meter, class->link);
	double difference = (double)demand.ceil_bps - (double)class->ceil_bps;

	if (difference < 0)
		difference = -difference;
	if (difference <= CEIL_TOLERANCE * (double)class->ceil_bps)
		return;
	if (schedule_change(class->link->schedule, class->minor, &demand) == 0)
		class->ceil_bps = demand.ceil_bps;
}

bool shaper_tick(struct shaper *shaper)
{
	struct shaped_flow *flow, *next;
	bool any = false;

	HASH_ITER(hh, shaper->flows, flow, next) {
		if (flow->meter.excess != DATAPATH_EXCESS_DELAY || flow->classes.count == 0)
			continue;
		any = true;
		if (!take_mix(shaper, flow))
			continue;
		for (unsigned i = 0; i < flow->classes.count; i++)
			fit_class(shaper, flow, &flow->classes.class[i]);
	}
	return any;
}

/* --- Life ------------------------------------------------------------------------------------- */

int shaper_init(struct shaper *shaper, const struct tables *tables)
{
	*shaper = (struct shaper){ .swept = !tables->adopted };
	return meters_init(&shaper->meters, tables);
}

static bool is_ours(void *user_data, uint32_t flow_id)
{
	return find_flow(user_data, flow_id);
}

int shaper_sweep(struct shaper *shaper)
{
	struct shaped_link *link;
	int r = meters_sweep(&shaper->meters, is_ours, shaper);

	/* No meter names those classes any more. */
	shaper->swept = true;
	DL_FOREACH(shaper->links, link)
		(void)schedule_sweep(link->schedule);
	return r;
}

void shaper_free(struct shaper *shaper)
{
	struct shaped_flow *flow, *next_flow;
	struct shaped_link *link, *next_link;

	HASH_ITER(hh, shaper->flows, flow, next_flow) {
		HASH_DEL(shaper->flows, flow);
		free(flow);
	}
	DL_FOREACH_SAFE(shaper->links, link, next_link) {
		DL_DELETE(shaper->links, link);
		free(link);
	}
	meters_free(&shaper->meters);
}
