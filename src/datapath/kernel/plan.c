/* SPDX-License-Identifier: MIT */
/*
 * plan.c: see plan.h.
 *
 * HTB serves every class that is within its own rate first, by priority, and only then those that
 * borrow, by priority again. The rates guaranteed add up to no more than the link, so nothing
 * starves however much the bands above borrow; and that is what makes their strict order safe.
 * What is reservable belongs to the reserved classes; what they do not use, the bands borrow.
 */
#include "datapath/kernel/plan.h"

#include <errno.h>

#include "core/bucket.h"
#include "core/rate.h"

#define RATE_MIN_BPS UINT64_C(8000)
#define RATE_MAX_BPS UINT64_C(10000000000000)
#define CEIL_MIN_BPS 1000
#define MTU_DEFAULT 1500
#define MTU_MIN 68
#define MTU_MAX 65535
#define LINK_HEADER_BYTES 18 /* with a VLAN tag */

/* Kept from reservations, so that a link given away whole still carries signalling. */
#define BANDS_MIN_PERCENT 2

/* Signalling is first, and never so much that it could push the others aside. */
#define CONTROL_CEIL_PERCENT 25

/*
 * A bucket for as long as a timer may come late: what it does not hold by then, the link has lost. Virtual machines are
 * late by a few milliseconds time and again.
 */
#define LATE_NS UINT64_C(4000000)
/* What a class may send in its turn, beside its equals. */
#define TURN_NS UINT64_C(1000000)
#define QUANTUM_MAX 200000u

/* What a rate may be ahead of itself: spec/qwave.md §7.2. */
#define SHAPER_TIME_NS UINT64_C(10000000)

/*
 * Packets that wait in a class of the pool. It is the send buffer of a socket that makes its program wait, so the queue
 * has room for what several of them hold: 277 small packets each, as they usually are.
 */
#define POOL_QUEUE_PACKETS 1000

/* Handles of the leaves: the band's class, and the minor of a class of the pool, are added. */
#define LEAF_BANDS 0x4758u
#define LEAF_POOL 0x4800u
#define QUEUE_BANDS 0x4768u
#define QUEUE_POOL 0x5000u

/* From here on a packet of 64 KiB takes less than 2.7 ms, and splitting it too much of the processor. */
#define SPLIT_BELOW_BPS UINT64_C(200000000)
/*
 * Whatever is larger and cannot be split is dropped; so there is room for what links that are built upon
 * this one put before their packets.
 */
#define TAGS_BYTES 64
/* More than any packet has. */
#define UNSPLIT_BYTES (1u << 24)

struct band {
	uint32_t percent; /* of what the bands are guaranteed together */
	uint32_t priority;
};

static const struct band bands[GW_CLASS_COUNT] = {
	[GW_CLASS_CONTROL] = { .percent = 10, .priority = 0 },
	[GW_CLASS_VOICE] = { .percent = 30, .priority = 1 },
	[GW_CLASS_AUDIO_VIDEO] = { .percent = 25, .priority = 2 },
	[GW_CLASS_EXCELLENT_EFFORT] = { .percent = 15, .priority = 3 },
	[GW_CLASS_BEST_EFFORT] = { .percent = 15, .priority = 4 },
	[GW_CLASS_BACKGROUND] = { .percent = 5, .priority = 5 },
};

static uint32_t bands_percent(const struct schedule_config *config)
{
	uint32_t percent = 100 - config->reservable_percent;

	return percent > BANDS_MIN_PERCENT ? percent : BANDS_MIN_PERCENT;
}

int plan_make(const struct schedule_config *config, struct plan *ret_plan)
{
	uint32_t mtu = config->mtu > 0 ? config->mtu : MTU_DEFAULT;
	uint64_t bands_bps;

	if (config->rate_bps < RATE_MIN_BPS || config->rate_bps > RATE_MAX_BPS ||
	    config->reservable_percent > 100 || mtu < MTU_MIN || mtu > MTU_MAX)
		return -EINVAL;
	bands_bps = rate_share(config->rate_bps, bands_percent(config));
	*ret_plan = (struct plan){
		.rate_bps = config->rate_bps,
		.reservable_bps = config->rate_bps - bands_bps,
		.bands_bps = bands_bps,
		.frame_bytes = mtu + LINK_HEADER_BYTES + config->overhead_bytes,
		.overhead_bytes = config->overhead_bytes,
	};
	return 0;
}

/* --- Classes ---------------------------------------------------------------------------------- */

static uint32_t burst(const struct plan *plan, uint64_t rate_bps)
{
	return (uint32_t)bucket_depth_bytes(rate_bps, LATE_NS, plan->frame_bytes);
}

/* Equals share by their guarantees, in turns of no less than a frame. */
static uint32_t quantum(const struct plan *plan, uint64_t rate_bps)
{
	uint64_t bytes = bucket_depth_bytes(rate_bps, TURN_NS, plan->frame_bytes);

	return bytes > QUANTUM_MAX ? QUANTUM_MAX : (uint32_t)bytes;
}

static uint64_t at_least(uint64_t rate_bps, uint64_t min_bps)
{
	return rate_bps > min_bps ? rate_bps : min_bps;
}

static struct htb_class make_class(const struct plan *plan, uint32_t minor, uint64_t rate_bps,
				   uint64_t ceil_bps, uint32_t priority)
{
	rate_bps = at_least(rate_bps, PLAN_IDLE_BPS);
	return (struct htb_class){
		.minor = minor,
		.parent = PLAN_LINK,
		.rate_bps = rate_bps,
		.ceil_bps = ceil_bps,
		.burst_bytes = burst(plan, rate_bps),
		.ceil_burst_bytes = burst(plan, ceil_bps),
		.quantum_bytes = quantum(plan, rate_bps),
		.priority = priority,
		.overhead_bytes = plan->overhead_bytes,
	};
}

struct htb_class plan_link(const struct plan *plan)
{
	struct htb_class c = make_class(plan, PLAN_LINK, plan->rate_bps, plan->rate_bps, 0);

	c.parent = 0;
	return c;
}

struct htb_class plan_band(const struct plan *plan, enum gw_class traffic_class)
{
	const struct band *band = &bands[traffic_class];
	uint64_t rate_bps = rate_share(plan->bands_bps, band->percent);
	uint64_t ceil_bps = plan->rate_bps;

	if (traffic_class == GW_CLASS_CONTROL)
		ceil_bps = at_least(rate_share(plan->rate_bps, CONTROL_CEIL_PERCENT), rate_bps);
	return make_class(plan, PLAN_BANDS + traffic_class, rate_bps,
			  at_least(ceil_bps, CEIL_MIN_BPS), band->priority);
}

/* Whatever strays into it still leaves, last of all. */
struct htb_class plan_idle(const struct plan *plan, uint32_t minor)
{
	return make_class(plan, minor, PLAN_IDLE_BPS, plan->rate_bps, PLAN_IDLE_PRIORITY);
}

int plan_demand(const struct plan *plan, const struct schedule_demand *demand, uint32_t minor,
		struct htb_class *ret_class)
{
	uint64_t ceil_bps = demand->ceil_bps > 0 ? demand->ceil_bps : plan->rate_bps;

	if ((uint32_t)demand->traffic_class >= GW_CLASS_COUNT || ceil_bps < CEIL_MIN_BPS ||
	    demand->rate_bps > plan->rate_bps || demand->rate_bps > ceil_bps)
		return -EINVAL;
	if (ceil_bps > plan->rate_bps)
		ceil_bps = plan->rate_bps;
	*ret_class = make_class(plan, minor, demand->rate_bps, ceil_bps,
				bands[demand->traffic_class].priority);
	if (demand->burst_bytes > ret_class->burst_bytes)
		ret_class->burst_bytes = demand->burst_bytes;
	/* What the timers of a busy machine are late by must not be lost. */
	if (demand->ceil_bps > 0)
		ret_class->ceil_burst_bytes = (uint32_t)bucket_depth_bytes(
			ceil_bps, SHAPER_TIME_NS, 2 * (uint64_t)plan->frame_bytes);
	return 0;
}

/* --- Queues ----------------------------------------------------------------------------------- */

/* A frame at once at most, unless it is so fast that many take no time worth the work. */
bool plan_splits(const struct plan *plan, uint64_t ceil_bps)
{
	if (ceil_bps == 0 || ceil_bps > plan->rate_bps)
		ceil_bps = plan->rate_bps;
	return ceil_bps < SPLIT_BELOW_BPS;
}

static uint32_t split_bytes(const struct plan *plan, uint64_t ceil_bps)
{
	return plan_splits(plan, ceil_bps) ? plan->frame_bytes + TAGS_BYTES : UNSPLIT_BYTES;
}

struct queue_size plan_band_queue(const struct plan *plan)
{
	return (struct queue_size){
		.rate_bps = plan->rate_bps,
		.frame_bytes = plan->frame_bytes,
		.split_bytes = split_bytes(plan, plan->rate_bps),
	};
}

struct queue_size plan_pool_queue(const struct plan *plan, uint64_t ceil_bps)
{
	return (struct queue_size){
		.rate_bps = plan->rate_bps,
		.frame_bytes = plan->frame_bytes,
		.max_packets = POOL_QUEUE_PACKETS,
		.split_bytes = split_bytes(plan, ceil_bps),
	};
}

struct leaf plan_leaf_of_band(enum gw_class traffic_class)
{
	return (struct leaf){
		.minor = PLAN_BANDS + traffic_class,
		.splitter = (LEAF_BANDS + traffic_class) << 16,
		.queue = (QUEUE_BANDS + traffic_class) << 16,
	};
}

struct leaf plan_leaf_of_pool(uint32_t minor)
{
	return (struct leaf){
		.minor = minor,
		.splitter = (LEAF_POOL + minor - PLAN_POOL) << 16,
		.queue = (QUEUE_POOL + minor - PLAN_POOL) << 16,
	};
}

uint32_t plan_minor_of_leaf(uint32_t handle)
{
	uint32_t major = handle >> 16;

	if (major >= LEAF_BANDS && major - LEAF_BANDS < GW_CLASS_COUNT)
		return PLAN_BANDS + major - LEAF_BANDS;
	if (major >= QUEUE_BANDS && major - QUEUE_BANDS < GW_CLASS_COUNT)
		return PLAN_BANDS + major - QUEUE_BANDS;
	if (major >= LEAF_POOL && major - LEAF_POOL < SCHEDULE_POOL_MAX)
		return PLAN_POOL + major - LEAF_POOL;
	if (major >= QUEUE_POOL && major - QUEUE_POOL < SCHEDULE_POOL_MAX)
		return PLAN_POOL + major - QUEUE_POOL;
	return 0;
}
