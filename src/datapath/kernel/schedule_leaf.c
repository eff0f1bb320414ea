/* SPDX-License-Identifier: MIT */
/*
 * schedule_leaf.c: what holds the packets of a class: a queue, and above it what splits those that are
 * segmented late. TCP hands down packets of up to 64 KiB even at 64 kbit/s, which would be sent in one
 * piece: 8 s of the flow's rate, and 52 ms of a link of 10 Mbit/s during which voice waits. Where the
 * kernel has no TBF the queue stands alone, with the same handle.
 */
#include <errno.h>

#include "datapath/kernel/schedule_internal.h"

/* Before there is a queue below, the kernel makes one that has room for so many bytes. */
#define FIRST_QUEUE_BYTES (1u << 16)

static struct qdisc_place splitter_place(const struct schedule *schedule, const struct leaf *leaf)
{
	return (struct qdisc_place){
		.ifindex = schedule->htb.ifindex,
		.parent = SCHEDULE_HANDLE | leaf->minor,
		.handle = leaf->splitter,
	};
}

static struct qdisc_place queue_place(const struct schedule *schedule, const struct leaf *leaf)
{
	return (struct qdisc_place){
		.ifindex = schedule->htb.ifindex,
		.parent = schedule->unsplit ? SCHEDULE_HANDLE | leaf->minor : leaf->splitter | 1,
		.handle = leaf->queue,
	};
}

int leaf_create_splitter(struct schedule *schedule, const struct leaf *leaf,
			 const struct queue_size *size)
{
	const struct qdisc_place place = splitter_place(schedule, leaf);
	struct queue_size first = *size;
	int r;

	if (schedule->unsplit)
		return 0;
	first.max_packets = FIRST_QUEUE_BYTES;
	r = qdisc_create(&schedule->tc, &place, &qdisc_tbf, &first);
	/* No such kind; if it was something else, the queue cannot be made either. */
	if (r == -ENOENT && !schedule->splits) {
		schedule->unsplit = true;
		return 0;
	}
	schedule->splits = r == 0;
	return r;
}

int leaf_create_queue(struct schedule *schedule, const struct leaf *leaf,
		      const struct qdisc_kind *kind, const struct queue_size *size)
{
	const struct qdisc_place place = queue_place(schedule, leaf);

	return qdisc_create(&schedule->tc, &place, kind, size);
}

int leaf_change_splitter(struct schedule *schedule, const struct leaf *leaf,
			 const struct queue_size *size)
{
	const struct qdisc_place place = splitter_place(schedule, leaf);

	return schedule->unsplit ? 0 : qdisc_change(&schedule->tc, &place, &qdisc_tbf, size);
}

int leaf_change_queue(struct schedule *schedule, const struct leaf *leaf,
		      const struct qdisc_kind *kind, const struct queue_size *size)
{
	const struct qdisc_place place = queue_place(schedule, leaf);

	return qdisc_change(&schedule->tc, &place, kind, size);
}

/* --- What leaves count ------------------------------------------------------------------------ */

static void add(struct leaf_counters *counters, const struct leaf *leaf,
		const struct qdisc_seen *qdisc)
{
	/* Whatever is dropped below is told to those above; and bytes are counted well in the queue itself. */
	if (counters->drops < qdisc->drops)
		counters->drops = qdisc->drops;
	if (qdisc->place.handle == leaf->queue)
		counters->backlog_bytes = qdisc->backlog_bytes;
}

void leaves_add(struct leaves_seen *leaves, const struct qdisc_seen *qdisc)
{
	uint32_t minor = plan_minor_of_leaf(qdisc->place.handle);
	struct leaf leaf;

	if (minor >= PLAN_BANDS && minor - PLAN_BANDS < GW_CLASS_COUNT) {
		leaf = plan_leaf_of_band(minor - PLAN_BANDS);
		add(&leaves->bands[minor - PLAN_BANDS], &leaf, qdisc);
	}
	if (minor >= PLAN_POOL && minor - PLAN_POOL < leaves->pool_size) {
		leaf = plan_leaf_of_pool(minor);
		add(&leaves->pool[minor - PLAN_POOL], &leaf, qdisc);
	}
}

void leaf_complete(struct htb_class_seen *seen, const struct leaf_counters *leaf)
{
	if (seen->drops < leaf->drops)
		seen->drops = leaf->drops;
	seen->backlog_bytes = leaf->backlog_bytes;
}
