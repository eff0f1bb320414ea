/* SPDX-License-Identifier: MIT */
/*
 * schedule.h: the order of sending on one link that the administrator has handed over: an HTB tree
 * with a class for the link, a band for each traffic class, and a pool of classes that are given
 * out to reserved and shaped flows by changing them, never by making new ones.
 *
 * Every call is one or more acknowledged requests to the kernel; on the fast path (reserve, change,
 * release) exactly one, and one more when a class changes between slow and fast (schedule_leaf.c). -ENODEV: the link has gone; all there is left to do then is to close.
 */
#ifndef GW_DATAPATH_SCHEDULE_H
#define GW_DATAPATH_SCHEDULE_H

#include <greenwave.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct schedule;

/* The handle of the root. A classifier there must be made with it as its class id. */
#define SCHEDULE_HANDLE 0x47570000u

#define SCHEDULE_POOL_DEFAULT 256
#define SCHEDULE_POOL_MAX 2048

struct schedule_config {
	uint32_t ifindex;
	uint64_t rate_bps; /* what the link really carries, or a little less */
	uint32_t reservable_percent;
	uint32_t mtu;		 /* 0: 1500 */
	uint16_t overhead_bytes; /* per packet, beyond what the kernel counts: preamble, CRC, gap */
	uint32_t pool_size;	 /* 0: SCHEDULE_POOL_DEFAULT */
	bool force;		 /* also take over a link that someone else has set up */
	/* What schedule_foreign() gave before a crash; NULL: nothing. */
	const void *foreign;
	size_t foreign_len;
	/*
	 * What schedule_foreign() is going to give, before it is taken over; an error stops that. NULL:
	 * nobody keeps it.
	 */
	int (*keep)(void *user_data, const void *foreign, size_t foreign_len);
	void *user_data;
};

/* Why, in words for the administrator; empty if there is nothing to say. May be NULL everywhere. */
struct schedule_text {
	char text[256];
};

/*
 * Sets the link up: all or nothing; an error leaves it as it was, but for what the text names. A
 * tree of ours that still stands, of a daemon that has crashed, is adopted without an interruption,
 * or built anew if it does not fit.
 *
 * -EBUSY: someone else's root queueing discipline is there (named in the text), and no `force`, or
 * it holds something that could not be given back (named too). -EOPNOTSUPP: the kernel has no HTB.
 * -EINVAL: absurd figures.
 */
int schedule_open(const struct schedule_config *config, struct schedule **ret_schedule,
		  struct schedule_text *ret_text);

/* `restore`: the link gets back what it had; else the tree stays and works on. Returns NULL. */
struct schedule *schedule_close(struct schedule *schedule, bool restore,
				struct schedule_text *ret_text);

/*
 * Gives back a link with a tree of ours that nobody has opened. `foreign` as above. -ENOENT: there is no
 * such tree.
 */
int schedule_give_back(uint32_t ifindex, const void *foreign, size_t foreign_len,
		       struct schedule_text *ret_text);

bool schedule_adopted(const struct schedule *schedule);

/* What was taken over by force, to be kept in a file; NULL: nothing was. */
const void *schedule_foreign(const struct schedule *schedule, size_t *ret_len);

/*
 * Whether the root is still ours: 0; -ENOENT: it has gone; -EBUSY: someone else has put another
 * there, named in the text; -ENODEV.
 */
int schedule_check(struct schedule *schedule, struct schedule_text *ret_text);

/*
 * Another rate or share: in place, no packet that is queued is lost. If more is reserved than is
 * reservable then, what is guaranteed shrinks in proportion until enough is released. After an
 * error the old figures are in force again.
 */
int schedule_set_rate(struct schedule *schedule, uint64_t rate_bps, uint32_t reservable_percent);

/* Another largest packet, in the same way. */
int schedule_set_mtu(struct schedule *schedule, uint32_t mtu);

/* --- Classes: minors below SCHEDULE_HANDLE ---------------------------------------------------- */

uint32_t schedule_class_of(enum gw_class traffic_class);

struct schedule_demand {
	enum gw_class traffic_class; /* whose place in the order it takes */
	uint64_t rate_bps;	     /* guaranteed; 0: nothing */
	uint64_t ceil_bps;	     /* at most; 0: what the link has */
	uint32_t burst_bytes;	     /* at the guaranteed rate; 0: as little as works */
	uint32_t uid;		     /* whose it is */
};

/*
 * Gives out a class of the pool. -EDQUOT: more than is reservable. -ENOSPC: none is left, or the user has more
 * than is left, and is not root; the flow has to be policed.
 */
int schedule_reserve(struct schedule *schedule, const struct schedule_demand *demand,
		     uint32_t *ret_minor);
int schedule_change(struct schedule *schedule, uint32_t minor,
		    const struct schedule_demand *demand);

/*
 * Takes a class back, once nothing is sent into it any more. What is queued leaves at once, as fast
 * as the link allows; the class is given out again when nothing is left.
 */
void schedule_release(struct schedule *schedule, uint32_t minor);

/*
 * To be called now and then while it returns more than 0: how many classes still drain. -ENOENT,
 * -EBUSY: as from schedule_check().
 */
int schedule_tick(struct schedule *schedule);

/*
 * After a restart: classes that were given out before it are kept until they are claimed; -ENOENT:
 * it is not among them. The sweep releases the rest and tells how many those were.
 */
int schedule_claim(struct schedule *schedule, uint32_t minor, const struct schedule_demand *demand);
uint32_t schedule_sweep(struct schedule *schedule);

/* Whether a class of the pool splits packets of many segments while it has that ceiling. */
bool schedule_splits(const struct schedule *schedule, uint64_t ceil_bps);

uint64_t schedule_reservable_bps(const struct schedule *schedule);
uint64_t schedule_reserved_bps(const struct schedule *schedule);
uint32_t schedule_free_classes(const struct schedule *schedule);

struct schedule_class_stats {
	uint32_t minor;
	bool band; /* else of the pool, and given out */
	enum gw_class traffic_class;
	uint64_t rate_bps;
	/* Of a class of the pool: since it was given out. */
	uint64_t bytes;
	uint64_t packets;
	uint64_t drops;
	uint64_t backlog_bytes;
	uint64_t backlog_packets;
};

int schedule_stats(struct schedule *schedule,
		   void (*visit)(void *user_data, const struct schedule_class_stats *stats),
		   void *user_data);

#endif
