/* SPDX-License-Identifier: MIT */
/* fake_datapath.c: see fake_datapath.h. */
#include "fake_datapath.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static bool same_target(const struct fake_mark *mark, const struct datapath_target *b)
{
	const struct datapath_target *a = &mark->target;

	if (b->tuple)
		return memcmp(&mark->tuple, b->tuple, sizeof(mark->tuple)) == 0;
	return mark->tuple.ifindex == 0 && a->cookie == b->cookie && a->group == b->group &&
	       a->any_destination == b->any_destination &&
	       (a->any_destination || address_equal(&a->destination, &b->destination));
}

static uint32_t digest(const struct datapath_target *target)
{
	uint32_t last;

	if (target->tuple)
		return target->tuple->ifindex;
	memcpy(&last, target->destination.addr + 12, sizeof(last));
	return (uint32_t)(target->cookie * 31 + target->group * 17 + last) ^
	       (uint32_t)target->destination.port << 15;
}

static struct fake_mark *find(struct fake_datapath *datapath, const struct datapath_target *target)
{
	uint32_t wanted = digest(target);

	for (size_t i = 0; i < datapath->n_marks; i++) {
		if (datapath->digests[i] == wanted && same_target(&datapath->marks[i], target))
			return &datapath->marks[i];
	}
	return NULL;
}

static void drop(struct fake_datapath *datapath, struct fake_mark *mark)
{
	size_t last = --datapath->n_marks;

	datapath->digests[mark - datapath->marks] = datapath->digests[last];
	*mark = datapath->marks[last];
}

static bool is_closed(const struct fake_datapath *datapath, uint64_t cookie)
{
	for (size_t i = 0; i < datapath->n_closed; i++) {
		if (datapath->closed[i] == cookie)
			return true;
	}
	return false;
}

static bool fails_now(struct fake_datapath *datapath)
{
	if (datapath->fail_at == 0 || --datapath->fail_at > 0)
		return false;
	if (--datapath->fail_count > 0)
		datapath->fail_at = 1;
	return true;
}

static int fake_apply(void *data, const struct datapath_target *target,
		      const struct datapath_treatment *treatment)
{
	struct fake_datapath *datapath = data;
	struct fake_mark *mark = find(datapath, target);

	assert((target->cookie != 0) + (target->group != 0) + (target->tuple != NULL) == 1);
	assert(target->any_destination == (target->destination.family == AF_UNSPEC));
	assert(!treatment->metered || fake_meter_of(datapath, treatment->flow_id));
	datapath->applies++;
	datapath->last_fd = target->fd;
	if (fails_now(datapath))
		return datapath->fail_with;
	if (target->cookie != 0 && is_closed(datapath, target->cookie))
		return -ENOENT;
	if (!mark) {
		assert(datapath->n_marks < FAKE_MARKS);
		datapath->digests[datapath->n_marks] = digest(target);
		mark = &datapath->marks[datapath->n_marks++];
	}
	*mark = (struct fake_mark){ .target = *target, .treatment = *treatment };
	if (target->tuple)
		mark->tuple = *target->tuple;
	mark->target.tuple = NULL;
	return 0;
}

/* ---- meters ---- */

struct fake_meter *fake_meter_of(struct fake_datapath *datapath, uint32_t flow_id)
{
	for (size_t i = 0; i < datapath->n_meters; i++) {
		if (datapath->meters[i].meter.flow_id == flow_id)
			return &datapath->meters[i];
	}
	return NULL;
}

static int fake_meter(void *data, const struct datapath_meter *meter)
{
	struct fake_datapath *datapath = data;
	struct fake_meter *there = fake_meter_of(datapath, meter->flow_id);
	struct bucket_rule rule;

	assert(meter->flow_id != 0 && class_is_valid(meter->traffic_class));
	assert(bucket_rule_make(&meter->bucket, &rule) == 0);
	assert(meter->n_links <= DATAPATH_METER_LINKS);
	for (unsigned i = 0; i < meter->n_links; i++)
		assert(meter->links[i] != 0);
	datapath->metered++;
	if (fails_now(datapath))
		return datapath->fail_with;
	if (!there) {
		assert(datapath->n_meters < FAKE_METERS);
		there = &datapath->meters[datapath->n_meters++];
		*there = (struct fake_meter){ 0 };
	}
	there->meter = *meter;
	return 0;
}

/* Nothing may be under it any more. */
static void fake_meter_end(void *data, uint32_t flow_id)
{
	struct fake_datapath *datapath = data;
	struct fake_meter *there = fake_meter_of(datapath, flow_id);

	for (size_t i = 0; i < datapath->n_marks; i++)
		assert(datapath->marks[i].treatment.flow_id != flow_id ||
		       !datapath->marks[i].treatment.metered);
	datapath->meters_ended++;
	if (there)
		*there = datapath->meters[--datapath->n_meters];
}

static enum gw_shaping_method fake_shaping(void *data, uint32_t flow_id,
					   const struct datapath_target *target)
{
	const struct fake_meter *there = fake_meter_of(data, flow_id);

	/* The socket may have closed, and nobody has been told yet. */
	if (!there || !find(data, target))
		return GW_SHAPING_NONE;
	if (there->meter.excess != DATAPATH_EXCESS_DELAY)
		return GW_SHAPING_POLICED;
	return target->protocol == IPPROTO_TCP ? GW_SHAPING_PACED : GW_SHAPING_EDT;
}

static int fake_meter_read(void *data, uint32_t flow_id,
			   struct datapath_meter_counters *ret_counters)
{
	const struct fake_meter *there = fake_meter_of(data, flow_id);

	if (!there)
		return -ENOENT;
	*ret_counters = there->counters;
	return 0;
}

static void fake_clear(void *data, const struct datapath_target *target)
{
	struct fake_datapath *datapath = data;
	struct fake_mark *mark = find(datapath, target);

	datapath->clears++;
	if (mark)
		drop(datapath, mark);
}

static void drop_socket(struct fake_datapath *datapath, uint64_t cookie)
{
	for (size_t i = datapath->n_marks; i-- > 0;) {
		if (datapath->marks[i].target.cookie == cookie)
			drop(datapath, &datapath->marks[i]);
	}
}

static uint64_t fake_count(void *data)
{
	return ((struct fake_datapath *)data)->n_marks;
}

const struct datapath_ops fake_datapath_ops = {
	.apply = fake_apply,
	.clear = fake_clear,
	.meter = fake_meter,
	.meter_end = fake_meter_end,
	.shaping = fake_shaping,
	.meter_read = fake_meter_read,
	.count = fake_count,
	.tags = true,
};

const struct datapath_ops fake_datapath_ops_unmetered = {
	.apply = fake_apply,
	.clear = fake_clear,
	.count = fake_count,
};

const struct datapath_ops fake_datapath_ops_descriptors = {
	.apply = fake_apply,
	.clear = fake_clear,
	.meter = fake_meter,
	.meter_end = fake_meter_end,
	.shaping = fake_shaping,
	.meter_read = fake_meter_read,
	.count = fake_count,
	.needs_descriptor = true,
};

void fake_fail(struct fake_datapath *datapath, unsigned at, unsigned count, int error)
{
	datapath->fail_at = at;
	datapath->fail_count = count;
	datapath->fail_with = error;
}

void fake_close_socket(struct fake_datapath *datapath, uint64_t cookie)
{
	assert(datapath->n_closed < FAKE_CLOSED);
	datapath->closed[datapath->n_closed++] = cookie;
	drop_socket(datapath, cookie);
}

const struct fake_mark *fake_find(const struct fake_datapath *datapath, uint64_t cookie,
				  const struct address *destination)
{
	struct datapath_target target = { .cookie = cookie, .any_destination = !destination };

	if (destination)
		target.destination = *destination;
	return find((struct fake_datapath *)datapath, &target);
}

const struct fake_mark *fake_find_group(const struct fake_datapath *datapath, uint64_t group)
{
	struct datapath_target target = { .group = group, .any_destination = true };

	return find((struct fake_datapath *)datapath, &target);
}

const struct fake_mark *fake_find_tuple(const struct fake_datapath *datapath,
					const struct datapath_tuple *tuple)
{
	struct datapath_target target = { .tuple = tuple };

	return find((struct fake_datapath *)datapath, &target);
}

int fake_dscp(const struct fake_datapath *datapath, uint64_t cookie,
	      const struct address *destination)
{
	const struct fake_mark *mark = fake_find(datapath, cookie, destination);

	return mark && mark->treatment.mark.set_dscp ? mark->treatment.mark.dscp : -1;
}
