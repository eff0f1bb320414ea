/* SPDX-License-Identifier: MIT */
/*
 * queue.h: what the queue of a link does with packets that have a departure time. Asking needs no privilege.
 */
#ifndef GW_DATAPATH_QUEUE_H
#define GW_DATAPATH_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Does every packet of the link wait in an fq, so that SO_MAX_PACING_RATE holds for any protocol? That is fq at
 * the root, or mq with nothing but fq below.
 */
bool queue_is_fq(uint32_t ifindex);

/* What has been seen of one link's queue. All zero: nothing. */
struct queue_view {
	bool root_fq, root_mq;
	uint32_t root; /* handle */
	unsigned below, below_fq;
};

/* Takes in one message of a dump (RTM_NEWQDISC: struct tcmsg and attributes). */
void queue_view_add(struct queue_view *view, const void *message, size_t len, uint32_t ifindex);
bool queue_view_is_fq(const struct queue_view *view);

#endif
