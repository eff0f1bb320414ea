/* SPDX-License-Identifier: MIT */
/*
 * meter.c: the meter of a flow: which one its settings call for, through which links its packets leave, and how
 * it comes, changes and goes without a moment in which targets are under a meter that is not there.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/internal.h"
#include "engine/provider.h"

/* A rate that no link has needs no meter. */
#define RATE_UNLIMITED_BPS UINT64_C(1000000000000000)

/* The bucket of a rate: 10 ms, and two packets of an Ethernet at least (spec/qwave.md §7.2). */
#define RATE_DEPTH_NS UINT64_C(10000000)
#define RATE_DEPTH_LEAST_BYTES 3000u

/* Finding out the way of one entry is a call into the kernel. With more of them it may be any link. */
#define LINKS_ASKED_MAX 64u

/* No meter: none, the default minimum (spec/qwave.md A-27: no delay shaping), and one beyond any link. */
bool rate_needs_meter(uint64_t rate_bps)
{
	return rate_bps != GW_RATE_NONE && rate_bps != GW_RATE_MINIMUM &&
	       rate_bps < RATE_UNLIMITED_BPS;
}

static bool flow_needs_meter(const struct flow *flow)
{
	const struct flow_settings *settings = &flow->settings;

	return flow_is_in_force(flow) &&
	       (settings->reserved.rate_bps != 0 || rate_needs_meter(settings->rate_bps));
}

/* ---- links ---- */

/* Beyond the first few there is no room in a meter; false if the link is not known. */
static bool links_add(struct meter_links *links, uint32_t ifindex)
{
	for (unsigned i = 0; i < links->n; i++) {
		if (links->ifindexes[i] == ifindex)
			return true;
	}
	if (ifindex != 0 && links->n < DATAPATH_METER_LINKS)
		links->ifindexes[links->n++] = ifindex;
	return ifindex != 0;
}

/* 0: not known. */
static uint32_t entry_link(struct engine *engine, const struct entry *entry)
{
	const struct slot *slot = entry->slot;
	struct engine_route route = { 0 };

	if (slot->sock->bound_ifindex != 0)
		return slot->sock->bound_ifindex;
	if (slot->key.destination.family == AF_UNSPEC || slot_route(engine, slot, &route) < 0)
		return 0;
	return route.ifindex;
}

void flow_links(struct engine *engine, const struct flow *flow, struct meter_links *ret_links)
{
	const struct tuple *tuple;
	const struct entry *entry;
	unsigned asked = 0;

	*ret_links = (struct meter_links){ 0 };
	DL_FOREACH(flow->tuples, tuple)
		links_add(ret_links, tuple->key.ifindex);
	DL_FOREACH2(flow->entries, entry, flow_next) {
		if (asked++ < LINKS_ASKED_MAX && links_add(ret_links, entry_link(engine, entry)))
			continue;
		*ret_links = (struct meter_links){ 0 };
		return;
	}
}

static struct meter_links meter_links(const struct datapath_meter *meter)
{
	struct meter_links links = { .n = meter->n_links };

	for (unsigned i = 0; i < links.n; i++)
		links.ifindexes[i] = meter->links[i];
	return links;
}

/* ---- what is wanted ---- */

static enum datapath_excess excess_of(const struct flow_settings *settings)
{
	if (settings->reserved.rate_bps != 0 && settings->excess_waits)
		return DATAPATH_EXCESS_DELAY;
	if (settings->reserved.rate_bps != 0)
		return settings->excess == GW_EXCESS_DROP ? DATAPATH_EXCESS_DROP
							  : DATAPATH_EXCESS_REMARK;
	return settings->shaping == GW_SHAPE_MARK_CONFORMANT ? DATAPATH_EXCESS_REMARK
							     : DATAPATH_EXCESS_DELAY;
}

/* Where re-marked excess stands in the order. For background best effort would be a promotion. */
static enum gw_class excess_class_of(const struct flow_settings *settings,
				     enum gw_class traffic_class)
{
	/* Of a service that is signalled it comes after all else (spec/gqos.md §5.1). */
	if (settings->marks.set)
		return GW_CLASS_BACKGROUND;
	if (settings->reserved.rate_bps != 0 && settings->excess == GW_EXCESS_REMARK)
		return traffic_class;
	return traffic_class == GW_CLASS_BACKGROUND ? GW_CLASS_BACKGROUND : GW_CLASS_BEST_EFFORT;
}

static void meter_make(const struct engine *engine, const struct flow *flow,
		       const struct meter_links *links, struct datapath_meter *ret_meter)
{
	const struct flow_settings *settings = &flow->settings;
	struct datapath_treatment treatment;

	flow_treatment(engine, flow, &treatment);
	*ret_meter = (struct datapath_meter){
		.flow_id = flow->id,
		.traffic_class = treatment.traffic_class,
		.bucket = settings->reserved,
		.excess = excess_of(settings),
		.reserved_bps = settings->reserved_bps,
		.uid = flow->owner->info.uid,
		.owner_paces = flow->flags & GW_FLOW_PACES,
		.n_links = links->n,
	};
	if (settings->reserved.rate_bps == 0) {
		ret_meter->bucket.rate_bps = settings->rate_bps;
		ret_meter->bucket.depth_bytes = bucket_depth_bytes(
			settings->rate_bps, RATE_DEPTH_NS, RATE_DEPTH_LEAST_BYTES);
	}
	ret_meter->excess_class = excess_class_of(settings, treatment.traffic_class);
	flow_excess_mark(engine, flow, &ret_meter->excess_mark);
	for (unsigned i = 0; i < links->n; i++)
		ret_meter->links[i] = links->ifindexes[i];
}

/* ---- one change ---- */

static int meter_install(struct engine *engine, const struct datapath_meter *meter)
{
	const struct datapath_ops *ops = engine->ports.datapath;
	int r = ops->meter ? ops->meter(engine->ports.datapath_data, meter) : -EOPNOTSUPP;

	if (r == -EOPNOTSUPP)
		engine->counters.refused_datapath++;
	if (r == -ENOSPC) {
		engine->counters.refused_limit++;
		return -ENOBUFS;
	}
	return r;
}

/* Without links, packets may leave through any; then it is booked wherever there are limits. */
static void choose_book(const struct engine *engine, const struct metering *metering,
			const struct datapath_meter *meter, bool same_links,
			struct meter_links *ret_book)
{
	*ret_book = (struct meter_links){ 0 };
	if (meter->reserved_bps == 0)
		return;
	if (meter->n_links != 0)
		*ret_book = meter_links(meter);
	else if (same_links && metering->booked)
		holdings_links(metering->booked, ret_book);
	else
		enforced_links(engine, ret_book);
}

static int meter_book(struct engine *engine, struct metering *metering,
		      const struct datapath_meter *meter, const struct meter_links *book,
		      struct admission_refusal *ret_refusal)
{
	if (meter->reserved_bps == 0)
		return 0;
	if (!metering->booked)
		metering->booked = calloc(1, sizeof(*metering->booked));
	if (!metering->booked)
		return -ENOMEM;
	return holdings_grow(engine, metering->booked, book, meter, metering->booked_as,
			     ret_refusal);
}

static void meter_unbook(struct engine *engine, struct metering *metering)
{
	const struct holdings none = { 0 };

	if (metering->booked)
		holdings_restore(engine, metering->booked, &none);
	free(metering->booked);
	metering->booked = NULL;
}

/* The books as they were before the change. */
static void meter_rebook(struct engine *engine, struct metering *metering,
			 const struct meter_change *change)
{
	if (change->meter.reserved_bps == 0)
		meter_unbook(engine, metering);
	else if (metering->booked)
		holdings_restore(engine, metering->booked, &change->booked);
}

int meter_begin(struct engine *engine, struct flow *flow, const struct meter_links *links,
		struct meter_change *ret_change, struct admission_refusal *ret_refusal)
{
	struct meter_change change = { .begun = true, .metered = flow->metered };
	struct metering *metering = flow->metering;
	struct datapath_meter meter;
	struct meter_links same = { 0 };
	int r;

	if (metering) {
		change.had = true;
		change.meter = metering->meter;
		same = meter_links(&metering->meter);
		if (metering->booked)
			change.booked = *metering->booked;
	}
	if (!flow_needs_meter(flow)) {
		flow->metered = false; /* the meter itself goes last */
		*ret_change = change;
		return 0;
	}
	if (!metering && !links)
		flow_links(engine, flow, &same);
	if (!metering)
		metering = calloc(1, sizeof(*metering));
	if (!metering)
		return -ENOMEM;
	meter_make(engine, flow, links ? links : &same, &meter);
	choose_book(engine, metering, &meter, !links, &change.book);
	metering->booked_as = flow->settings.booked_as ? flow->settings.booked_as
						       : (uint32_t)meter.traffic_class;
	r = user_share_check(engine, flow, &meter, &change.book, ret_refusal);
	if (r == 0)
		r = meter_book(engine, metering, &meter, &change.book, ret_refusal);
	if (r == 0)
		r = meter_install(engine, &meter);
	if (r < 0) {
		if (r == -EDQUOT)
			engine->counters.refused_admission++;
		meter_rebook(engine, metering, &change);
		if (!change.had)
			free(metering);
		return r;
	}
	metering->meter = meter;
	flow->metering = metering;
	flow->metered = true;
	*ret_change = change;
	return 0;
}

int meter_begin_entry(struct engine *engine, struct flow *flow, const struct entry *added,
		      struct meter_change *ret_change)
{
	struct meter_links links;

	*ret_change = (struct meter_change){ 0 };
	if (!flow_needs_meter(flow))
		return 0;
	if (flow->metering) {
		unsigned n = flow->metering->meter.n_links;

		if (n == 0)
			return 0;
		links = meter_links(&flow->metering->meter);
		if (!links_add(&links, entry_link(engine, added)))
			links.n = 0;
		else if (links.n == n)
			return 0;
	} else {
		flow_links(engine, flow, &links);
	}
	return meter_begin(engine, flow, &links, ret_change, NULL);
}

void meter_settle(struct engine *engine, struct flow *flow, const struct meter_change *change)
{
	struct metering *metering = flow->metering;

	if (!change->begun || !metering)
		return;
	if (!flow->metered)
		flow_unmeter(engine, flow);
	else if (metering->meter.reserved_bps == 0)
		meter_unbook(engine, metering);
	else
		holdings_settle(engine, metering->booked, &change->book, &metering->meter);
}

bool meter_restore(struct engine *engine, struct flow *flow, const struct meter_change *change)
{
	if (!change->begun)
		return true;
	/* It was changed, not just about to go. */
	if (change->had && flow->metered) {
		if (meter_install(engine, &change->meter) < 0)
			return false;
		flow->metering->meter = change->meter;
	}
	flow->metered = change->metered;
	return true;
}

void meter_undone(struct engine *engine, struct flow *flow, const struct meter_change *change)
{
	if (!change->begun || !flow->metering)
		return;
	if (change->had)
		meter_rebook(engine, flow->metering, change);
	else
		flow_unmeter(engine, flow);
}

void flow_unmeter(struct engine *engine, struct flow *flow)
{
	struct metering *metering = flow->metering;

	if (!metering)
		return;
	flow->metered = false;
	if (flow->lends && engine->provider)
		provider_meter_ends(engine->provider, flow->id);
	flow->lends = false;
	engine->ports.datapath->meter_end(engine->ports.datapath_data, flow->id);
	meter_unbook(engine, metering);
	free(metering);
	flow->metering = NULL;
}
