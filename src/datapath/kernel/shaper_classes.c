/* SPDX-License-Identifier: MIT */
/* shaper_classes.c: which classes a flow gets on links that are handed over, and with which figures. */
#include <errno.h>
#include <string.h>
#include <utlist.h>

#include "base/log.h"
#include "datapath/kernel/iface.h"
#include "datapath/kernel/shaper_internal.h"

#define MODULE "kernel"

struct shaped_class *class_set_find(struct class_set *set, const struct shaped_link *link)
{
	for (unsigned i = 0; i < set->count; i++)
		if (set->class[i].link == link)
			return &set->class[i];
	return NULL;
}

/* --- Demands ---------------------------------------------------------------------------------- */

/*
 * Of a rate of IP packets what a class has to let through. It reckons the header of the link to each packet on
 * the wire, but what lies beyond that only once to packets that are yet to be segmented when they leave it.
 */
static uint64_t class_rate(const struct shaper *shaper, const struct shaped_flow *flow,
			   const struct shaped_link *link, uint64_t rate_bps)
{
	uint32_t all = handover_overhead_bytes(shaper->handover, link->ifindex);
	uint32_t beyond = all > IFACE_HEADER_BYTES ? all - IFACE_HEADER_BYTES : 0;
	uint64_t leaving = schedule_splits(link->schedule, rate_bps) ? flow->mix.packets
								     : flow->mix.before;
	double around = (double)flow->mix.packets * (all - beyond) + (double)leaving * beyond;

	return (uint64_t)((double)rate_bps * (1 + around / (double)flow->mix.bytes));
}

struct schedule_demand shaper_demand(const struct shaper *shaper, const struct shaped_flow *flow,
				     const struct datapath_meter *meter,
				     const struct shaped_link *link)
{
	struct schedule_demand demand = {
		.traffic_class = meter->traffic_class,
		.rate_bps = meter->reserved_bps,
		.uid = meter->uid,
	};

	if (meter->excess == DATAPATH_EXCESS_DELAY) {
		demand.ceil_bps = class_rate(shaper, flow, link, meter->bucket.rate_bps);
		if (demand.rate_bps > demand.ceil_bps)
			demand.rate_bps = demand.ceil_bps;
	} else {
		/* What conforms may come at once. */
		demand.burst_bytes = meter->bucket.depth_bytes < UINT32_MAX
					     ? (uint32_t)meter->bucket.depth_bytes
					     : UINT32_MAX;
	}
	return demand;
}

static bool is_wanted(const struct datapath_meter *meter, const struct shaped_link *link)
{
	if (meter->excess != DATAPATH_EXCESS_DELAY && meter->reserved_bps == 0)
		return false;
	for (unsigned i = 0; i < meter->n_links; i++)
		if (meter->links[i] == link->ifindex)
			return true;
	return meter->n_links == 0;
}

static int reserve(struct shaper *shaper, const struct gw_meter *entry,
		   const struct shaped_link *link, const struct schedule_demand *demand,
		   uint32_t *ret_minor)
{
	uint32_t kept;

	/* More than the whole is refused for what it is, not as nonsense. */
	if (demand->rate_bps > schedule_reservable_bps(link->schedule))
		return -EDQUOT;
	kept = meters_take_class(&shaper->meters, entry, link->ifindex);
	if (kept != 0 && schedule_claim(link->schedule, kept, demand) == 0) {
		*ret_minor = kept;
		return 0;
	}
	return schedule_reserve(link->schedule, demand, ret_minor);
}

/*
 * A class for the flow, or the one that it has with other figures. Where there is none, the excess is
 * dropped instead of delayed, which only -EDQUOT is no excuse for.
 */
static int take_class(struct shaper *shaper, struct shaped_flow *flow,
		      const struct datapath_meter *meter, const struct gw_meter *entry,
		      struct shaped_link *link, bool guarantee, struct shaped_class *ret_class)
{
	const struct shaped_class *had = class_set_find(&flow->classes, link);
	struct schedule_demand demand = shaper_demand(shaper, flow, meter, link);
	uint32_t minor = had ? had->minor : 0;
	int r;

	if (!guarantee)
		demand.rate_bps = 0;
	r = had ? schedule_change(link->schedule, minor, &demand) : -ENOENT;
	if (r == -ENOENT)
		r = reserve(shaper, entry, link, &demand, &minor);
	if (r < 0)
		return r;
	*ret_class = (struct shaped_class){
		.link = link,
		.minor = minor,
		.ceil_bps = demand.ceil_bps,
	};
	return 0;
}

void shaper_undo_classes(const struct shaper *shaper, struct shaped_flow *flow,
			 const struct class_set *taken)
{
	for (unsigned i = 0; i < taken->count; i++) {
		struct shaped_link *link = taken->class[i].link;
		const struct shaped_class *had = class_set_find(&flow->classes, link);
		struct schedule_demand demand;

		if (!had || had->minor != taken->class[i].minor) {
			schedule_release(link->schedule, taken->class[i].minor);
			continue;
		}
		demand = shaper_demand(shaper, flow, &flow->meter, link);
		(void)schedule_change(link->schedule, had->minor, &demand);
	}
}

int shaper_take_classes(struct shaper *shaper, struct shaped_flow *flow,
			const struct datapath_meter *meter, const struct gw_meter *entry,
			bool insist, struct class_set *ret_taken)
{
	struct class_set taken = { 0 };
	struct shaped_link *link;
	int r;

	DL_FOREACH(shaper->links, link) {
		struct shaped_class *next = &taken.class[taken.count];

		if (!is_wanted(meter, link) || taken.count == GW_METER_CLASSES)
			continue;
		r = take_class(shaper, flow, meter, entry, link, true, next);
		if (r == -EDQUOT && insist) {
			shaper_undo_classes(shaper, flow, &taken);
			return r;
		}
		if (r == -EDQUOT) {
			log_notice(MODULE,
				   "flow %u: interface %u has no room for what was reserved",
				   flow->id, link->ifindex);
			r = take_class(shaper, flow, meter, entry, link, false, next);
		}
		if (r == 0)
			taken.count++;
		else
			log_debug(MODULE, "flow %u: no class on interface %u: %s", flow->id,
				  link->ifindex, strerror(-r));
	}
	*ret_taken = taken;
	return 0;
}

void shaper_release_others(const struct class_set *had, struct class_set *taken)
{
	for (unsigned i = 0; i < had->count; i++) {
		const struct shaped_class *class = &had->class[i];
		const struct shaped_class *now = class_set_find(taken, class->link);

		if (!now || now->minor != class->minor)
			schedule_release(class->link->schedule, class->minor);
	}
}
