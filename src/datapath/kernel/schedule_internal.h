/* SPDX-License-Identifier: MIT */
/* schedule_internal.h: what the parts of the scheduler share; see schedule.h. */
#ifndef GW_DATAPATH_SCHEDULE_INTERNAL_H
#define GW_DATAPATH_SCHEDULE_INTERNAL_H

#include "datapath/kernel/foreign.h"
#include "datapath/kernel/htb.h"
#include "datapath/kernel/plan.h"
#include "datapath/kernel/qdisc.h"
#include "datapath/kernel/schedule.h"
#include "datapath/kernel/tc.h"

/*
 * free -> used (reserve) -> draining (release) -> free (tick, nothing queued any more);
 * at a restart: kept -> used (claim), kept -> draining (sweep).
 */
enum pool_state {
	POOL_STATE_FREE,
	POOL_STATE_USED,
	POOL_STATE_DRAINING,
	POOL_STATE_KEPT, /* was given out by the daemon before us */
};

struct pool_counters {
	uint64_t bytes;
	uint64_t packets;
	uint64_t drops;
};

struct pool_class {
	enum pool_state state;
	bool empty; /* while it drains: as last seen */
	struct schedule_demand demand;
	struct pool_counters base; /* the kernel's when it was last idle */
};

/* The classes of the pool, and the free ones in the order in which they came back. */
struct pool {
	struct pool_class *classes;
	uint32_t *free_ring;
	uint32_t size;
	uint32_t free_first;
	uint32_t free_count;
	uint32_t draining;
	uint64_t reserved_bps; /* by those used and kept */
};

struct schedule {
	struct tc tc;
	struct htb htb;
	struct plan plan;
	const struct qdisc_kind *leaf; /* of the bands */
	struct pool pool;
	struct schedule_config config; /* without what it points to */
	struct foreign foreign;
	bool has_foreign;
	bool adopted;
};

int pool_init(struct pool *pool, uint32_t size);
void pool_free(struct pool *pool);
void pool_put_free(struct pool *pool, uint32_t index);

struct pool_counters pool_count(const struct htb_class_seen *seen);

/* NULL: no class of the pool has this minor. */
struct pool_class *pool_find(struct schedule *schedule, uint32_t minor);

/* The class as it should be now under `plan`. */
struct htb_class pool_wanted(const struct schedule *schedule, const struct plan *plan,
			     uint32_t index);

struct qdisc_place schedule_leaf_place(const struct schedule *schedule, uint32_t leaf,
				       uint32_t minor);

/* Every class and queue of the tree according to `plan`, in place. */
int schedule_apply(struct schedule *schedule, const struct plan *plan);

/*
 * Whether the tree that stands is one that we would have built, so that it can be taken over. If so
 * the pool knows which classes are given out. -ENOENT: it is not.
 */
int schedule_adopt(struct schedule *schedule, const struct foreign *root);

#endif
