/* SPDX-License-Identifier: MIT */
/* schedule_internal.h: what the parts of the scheduler share; see schedule.h. */
#ifndef GW_DATAPATH_SCHEDULE_INTERNAL_H
#define GW_DATAPATH_SCHEDULE_INTERNAL_H

#include "datapath/kernel/foreign_tree.h"
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
	uint32_t split_bytes;	   /* what its leaf splits; 0: not known */
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
	bool splits;		       /* there is something above the queues that splits */
	bool unsplit;		       /* the kernel has nothing to split with */
	struct pool pool;
	struct schedule_config config; /* without what it points to */
	struct foreign_tree *foreign;  /* taken over by force, to be given back; NULL: nothing */
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

/* A leaf: the splitter is made first. Where the kernel has none only the queue is. */
int leaf_create_splitter(struct schedule *schedule, const struct leaf *leaf,
			 const struct queue_size *size);
int leaf_create_queue(struct schedule *schedule, const struct leaf *leaf,
		      const struct qdisc_kind *kind, const struct queue_size *size);
int leaf_change_splitter(struct schedule *schedule, const struct leaf *leaf,
			 const struct queue_size *size);
int leaf_change_queue(struct schedule *schedule, const struct leaf *leaf,
		      const struct qdisc_kind *kind, const struct queue_size *size);

/* The leaf of a class of the pool splits what it should while the class has that ceiling (0: the link's). */
int pool_settle_leaf(struct schedule *schedule, const struct plan *plan, uint32_t index,
		     uint64_t ceil_bps);

/* What leaves count that their classes do not know of: parts of packets that were split. */
struct leaf_counters {
	uint32_t drops;
	uint32_t backlog_bytes;
};

struct leaves_seen {
	struct leaf_counters bands[GW_CLASS_COUNT];
	struct leaf_counters *pool;
	uint32_t pool_size;
};

/* Adds one queue of the link. */
void leaves_add(struct leaves_seen *leaves, const struct qdisc_seen *qdisc);

/* What a class counts together with its leaf. */
void leaf_complete(struct htb_class_seen *seen, const struct leaf_counters *leaf);

/* Every class and queue of the tree according to `plan`, in place. */
int schedule_apply(struct schedule *schedule, const struct plan *plan);

/*
 * Whether the tree that stands is one that we would have built, so that it can be taken over. If so
 * the pool knows which classes are given out. -ENOENT: it is not.
 */
int schedule_adopt(struct schedule *schedule, const struct foreign *root);

#endif
