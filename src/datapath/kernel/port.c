/* SPDX-License-Identifier: MIT */
/* port.c: the kernel datapath as the engine sees it (datapath.h). */
#include <string.h>

#include "datapath/kernel/kernel_internal.h"

struct departing {
	const struct links *links;
	struct departing_links seen;
};

static void on_link(void *user_data, const struct kernel_link *link)
{
	struct departing *departing = user_data;

	if (strcmp(link->name, "lo") == 0)
		return;
	departing->seen.count++;
	if (links_departs(departing->links, link->ifindex))
		departing->seen.departs++;
}

struct departing_links kernel_departing_links(const struct kernel_datapath *datapath)
{
	struct departing departing = { .links = datapath->links };

	links_visit(datapath->links, on_link, &departing);
	return departing.seen;
}

static int apply(void *datapath, const struct datapath_target *target,
		 const struct datapath_treatment *treatment)
{
	struct kernel_datapath *kernel = datapath;

	return metered_apply(&kernel->metered, target, treatment,
			     shaper_find(&kernel->shaper, treatment->flow_id));
}

static void clear(void *datapath, const struct datapath_target *target)
{
	struct kernel_datapath *kernel = datapath;

	metered_clear(&kernel->metered, target);
	/* Where nobody tells that a socket has gone, this is the last that is heard of it. */
	if (target->cookie != 0 && target->fd < 0 && !kernel->present[KERNEL_SOCK_RELEASE])
		metered_forget(&kernel->metered, target->cookie);
}

static void want_tick(const struct kernel_datapath *kernel)
{
	if (kernel->tick_wanted)
		kernel->tick_wanted(kernel->user_data, SHAPER_TICK_MS);
}

static int meter(void *datapath, const struct datapath_meter *wanted)
{
	struct kernel_datapath *kernel = datapath;

	want_tick(kernel);
	return shaper_meter(&kernel->shaper, wanted);
}

static void meter_end(void *datapath, uint32_t flow_id)
{
	struct kernel_datapath *kernel = datapath;

	shaper_meter_end(&kernel->shaper, flow_id);
	want_tick(kernel); /* what is queued in its classes leaves first */
}

static int meter_read(void *datapath, uint32_t flow_id,
		      struct datapath_meter_counters *ret_counters)
{
	const struct kernel_datapath *kernel = datapath;

	return shaper_read(&kernel->shaper, flow_id, ret_counters);
}

/* On every link that the packets may take. */
static bool has_class(const struct kernel_datapath *kernel, const struct datapath_meter *meter,
		      const struct datapath_target *target)
{
	if (target->cookie == 0 && target->group == 0 && target->tuple)
		return shaper_has_class(&kernel->shaper, meter->flow_id, target->tuple->ifindex);
	for (unsigned i = 0; i < meter->n_links; i++)
		if (!shaper_has_class(&kernel->shaper, meter->flow_id, meter->links[i]))
			return false;
	return meter->n_links > 0 || shaper_has_class(&kernel->shaper, meter->flow_id, 0);
}

static bool departs(const struct kernel_datapath *kernel, const struct datapath_meter *meter,
		    const struct datapath_target *target)
{
	struct departing_links departing;

	if (target->cookie == 0 && target->group == 0 && target->tuple)
		return links_departs(kernel->links, target->tuple->ifindex);
	for (unsigned i = 0; i < meter->n_links; i++)
		if (!links_departs(kernel->links, meter->links[i]))
			return false;
	if (meter->n_links > 0)
		return true;
	departing = kernel_departing_links(kernel);
	return departing.count > 0 && departing.departs == departing.count;
}

static enum gw_shaping_method shaping(void *datapath, uint32_t flow_id,
				      const struct datapath_target *target)
{
	const struct kernel_datapath *kernel = datapath;
	const struct datapath_meter *meter = shaper_find(&kernel->shaper, flow_id);

	if (!meter)
		return GW_SHAPING_NONE;
	if (has_class(kernel, meter, target))
		return GW_SHAPING_CLASS;
	if (meter->excess != DATAPATH_EXCESS_DELAY)
		return GW_SHAPING_POLICED;
	if (metered_is_paced(&kernel->metered, target))
		return GW_SHAPING_PACED;
	return departs(kernel, meter, target) ? GW_SHAPING_EDT : GW_SHAPING_POLICED;
}

static uint64_t count(void *datapath)
{
	const struct kernel_datapath *kernel = datapath;

	return entries_count(&kernel->entries);
}

const struct datapath_ops kernel_datapath_ops = {
	.apply = apply,
	.clear = clear,
	.meter = meter,
	.meter_end = meter_end,
	.shaping = shaping,
	.meter_read = meter_read,
	.count = count,
	.tags = true,
};
