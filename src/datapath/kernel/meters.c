/* SPDX-License-Identifier: MIT */
/* meters.c: see meters.h. */
#include "datapath/kernel/meters.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/time.h"
#include "datapath/kernel/verdict.h"

/* Where nothing can delay: bursts that TCP needs to fill its rate, and at least two packets. */
#define POLICE_TIME_NS UINT64_C(100000000)
#define POLICE_FLOOR_BYTES 3000

struct inherited_meter {
	uint32_t flow_id;
	struct gw_meter meter;
	UT_hash_handle hh;
};

static int table_fd(const struct meters *meters, enum table table)
{
	return meters->tables->fd[table];
}

/* --- Translation ------------------------------------------------------------------------------ */

static struct gw_verdict excess_verdict(const struct datapath_meter *meter)
{
	struct gw_verdict verdict = {
		.flow_id = meter->flow_id,
		.flags = GW_VERDICT_VALID,
		.traffic_class = (uint8_t)meter->excess_class,
	};

	verdict_set_mark(&verdict, &meter->excess_mark);
	return verdict;
}

static int make_delay(const struct datapath_meter *meter, struct bucket_rule *ret_rule)
{
	const struct bucket_spec spec = {
		.rate_bps = meter->bucket.rate_bps,
		.depth_bytes = bucket_depth_bytes(meter->bucket.rate_bps, POLICE_TIME_NS,
						  POLICE_FLOOR_BYTES),
	};
	int r = bucket_rule_make(&spec, ret_rule);

	/* No packet is too long to be sent at a rate: beyond the depth it needs a full bucket. */
	if (r == 0)
		ret_rule->max_bytes = UINT32_MAX;
	return r;
}

int meters_make(const struct datapath_meter *meter, struct gw_meter *ret_meter)
{
	struct gw_meter made = { 0 };
	int r;

	if (meter->excess == DATAPATH_EXCESS_DELAY)
		r = make_delay(meter, &made.rule);
	else
		r = bucket_rule_make(&meter->bucket, &made.rule);
	if (r < 0)
		return r;
	switch (meter->excess) {
	case DATAPATH_EXCESS_DELAY:
		made.action = GW_METER_DELAY;
		break;
	case DATAPATH_EXCESS_DROP:
		made.action = GW_METER_DROP;
		break;
	case DATAPATH_EXCESS_REMARK:
		made.action = GW_METER_REMARK;
		made.excess = excess_verdict(meter);
		break;
	}
	*ret_meter = made;
	return 0;
}

static enum datapath_excess excess_of(const struct gw_meter *meter)
{
	if (meter->action == GW_METER_REMARK)
		return DATAPATH_EXCESS_REMARK;
	return meter->action == GW_METER_DROP ? DATAPATH_EXCESS_DROP : DATAPATH_EXCESS_DELAY;
}

void meters_read_back(const struct gw_meter *meter, struct datapath_meter *ret_meter)
{
	const struct bucket_rule *rule = &meter->rule;
	const struct gw_verdict *excess = &meter->excess;

	*ret_meter = (struct datapath_meter){
		.bucket = {
			.rate_bps = rule->rate_bps,
			.depth_bytes = rule->depth_nbit / BUCKET_BYTE_NBIT,
			.peak_bps = rule->peak_bps,
			.min_bytes = rule->min_bytes,
			.max_bytes = meter->action == GW_METER_DELAY ? 0 : rule->max_bytes,
		},
		.excess = excess_of(meter),
		.excess_mark = {
			.set_dscp = excess->flags & GW_VERDICT_SET_DSCP,
			.set_priority = excess->flags & GW_VERDICT_SET_PRIORITY,
			.dscp = excess->dscp,
			.priority = excess->priority,
		},
		.excess_class = (enum gw_class)excess->traffic_class,
	};
}

/* --- The maps --------------------------------------------------------------------------------- */

int meters_read(const struct meters *meters, uint32_t flow_id, struct gw_bucket *ret_bucket)
{
	return bpf_map_lookup_elem_flags(table_fd(meters, TABLE_BUCKETS), &flow_id, ret_bucket,
					 BPF_F_LOCK);
}

static int make_bucket(const struct meters *meters, uint32_t flow_id)
{
	const struct gw_bucket bucket = { 0 };

	return table_error(
		bpf_map_update_elem(table_fd(meters, TABLE_BUCKETS), &flow_id, &bucket, BPF_ANY));
}

/* What passes between reading and writing is neither charged nor counted. */
static int rerate_bucket(const struct meters *meters, uint32_t flow_id, const struct gw_meter *from,
			 const struct gw_meter *to)
{
	struct gw_bucket bucket;
	int r;

	if (memcmp(&from->rule, &to->rule, sizeof(to->rule)) == 0)
		return 0;
	r = meters_read(meters, flow_id, &bucket);
	if (r < 0)
		return r;
	bucket_rerate(&bucket.bucket, &from->rule, &to->rule, time_now_us() * NSEC_PER_USEC);
	return bpf_map_update_elem(table_fd(meters, TABLE_BUCKETS), &flow_id, &bucket,
				   BPF_EXIST | BPF_F_LOCK);
}

int meters_put(const struct meters *meters, uint32_t flow_id, const struct gw_meter *meter,
	       const struct gw_meter *before)
{
	int r = before ? rerate_bucket(meters, flow_id, before, meter)
		       : make_bucket(meters, flow_id);

	if (r < 0)
		return r;
	r = table_error(
		bpf_map_update_elem(table_fd(meters, TABLE_METERS), &flow_id, meter, BPF_ANY));
	if (r < 0 && before)
		(void)rerate_bucket(meters, flow_id, meter, before);
	else if (r < 0)
		bpf_map_delete_elem(table_fd(meters, TABLE_BUCKETS), &flow_id);
	return r;
}

void meters_delete(const struct meters *meters, uint32_t flow_id)
{
	bpf_map_delete_elem(table_fd(meters, TABLE_METERS), &flow_id);
	bpf_map_delete_elem(table_fd(meters, TABLE_BUCKETS), &flow_id);
}

/* --- What was there before -------------------------------------------------------------------- */

static void inherit(void *user_data, const void *key, const void *value)
{
	struct inherited_meter *inherited = calloc(1, sizeof(*inherited));
	struct meters *meters = user_data;

	/* Then that flow is one without a rate. */
	if (!inherited)
		return;
	memcpy(&inherited->flow_id, key, sizeof(inherited->flow_id));
	memcpy(&inherited->meter, value, sizeof(inherited->meter));
	/* A rule that could not be used without care was not written by us. */
	if (inherited->meter.rule.rate_bps == 0 ||
	    inherited->meter.rule.depth_nbit < BUCKET_BYTE_NBIT) {
		free(inherited);
		return;
	}
	HASH_ADD(hh, meters->inherited, flow_id, sizeof(inherited->flow_id), inherited);
	if (!inherited->hh.tbl)
		free(inherited);
}

int meters_init(struct meters *meters, const struct tables *tables)
{
	*meters = (struct meters){ .tables = tables };
	if (!tables->adopted)
		return 0;
	return table_visit(table_fd(meters, TABLE_METERS), sizeof(uint32_t),
			   sizeof(struct gw_meter), inherit, meters);
}

void meters_free(struct meters *meters)
{
	struct inherited_meter *inherited, *next;

	HASH_ITER(hh, meters->inherited, inherited, next) {
		HASH_DEL(meters->inherited, inherited);
		free(inherited);
	}
}

const struct gw_meter *meters_inherited(const struct meters *meters, uint32_t flow_id)
{
	const struct inherited_meter *inherited;

	HASH_FIND(hh, meters->inherited, &flow_id, sizeof(flow_id), inherited);
	return inherited ? &inherited->meter : NULL;
}

/* One that is taken leaves its place in the list, which another may follow. */
static uint32_t take_from(struct gw_meter *meter, uint32_t ifindex)
{
	uint32_t minor;

	for (int i = 0; i < GW_METER_CLASSES && meter->classes[i].ifindex != 0; i++) {
		if (meter->classes[i].ifindex != ifindex)
			continue;
		minor = meter->classes[i].minor;
		meter->classes[i].minor = 0;
		if (minor != 0)
			return minor;
	}
	return 0;
}

uint32_t meters_take_class(struct meters *meters, const struct gw_meter *like, uint32_t ifindex)
{
	struct inherited_meter *inherited, *next;
	uint32_t minor;

	HASH_ITER(hh, meters->inherited, inherited, next) {
		if (inherited->meter.action != like->action ||
		    memcmp(&inherited->meter.rule, &like->rule, sizeof(like->rule)) != 0)
			continue;
		minor = take_from(&inherited->meter, ifindex);
		if (minor != 0)
			return minor;
	}
	return 0;
}

struct sweep {
	const struct meters *meters;
	bool (*kept)(void *user_data, uint32_t flow_id);
	void *user_data;
	enum table table;
	int removed;
};

static void sweep_one(void *user_data, const void *key, const void *value)
{
	struct sweep *sweep = user_data;
	uint32_t flow_id;

	(void)value;
	memcpy(&flow_id, key, sizeof(flow_id));
	if (!sweep->kept(sweep->user_data, flow_id) &&
	    bpf_map_delete_elem(table_fd(sweep->meters, sweep->table), key) == 0)
		sweep->removed++;
}

int meters_sweep(struct meters *meters, bool (*kept)(void *user_data, uint32_t flow_id),
		 void *user_data)
{
	struct sweep sweep = {
		.meters = meters,
		.kept = kept,
		.user_data = user_data,
		.table = TABLE_METERS,
	};
	int removed, r;

	meters_free(meters);
	r = table_visit(table_fd(meters, TABLE_METERS), sizeof(uint32_t), sizeof(struct gw_meter),
			sweep_one, &sweep);
	removed = sweep.removed;
	sweep.table = TABLE_BUCKETS;
	if (r == 0)
		r = table_visit(table_fd(meters, TABLE_BUCKETS), sizeof(uint32_t),
				sizeof(struct gw_bucket), sweep_one, &sweep);
	return r < 0 ? r : removed;
}
