/* SPDX-License-Identifier: MIT */
/*
 * queue.h: what is to happen in a simulated network, in the order of time: a binary heap of events that lie in
 * whatever they are of. Two at the same time happen in the order in which they were set, so that a run can be
 * repeated exactly. Where microseconds are too coarse, all times of a queue are in another unit.
 */
#ifndef GW_SIM_QUEUE_H
#define GW_SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event {
	uint64_t time_us;
	uint64_t order;
	size_t place; /* in the heap, from 1; 0: not set */
	void (*happen)(struct event *event);
};

struct queue {
	struct event **heap; /* from 1 */
	size_t count, room;
	uint64_t order;
};

/* Sets it, or moves it. */
void queue_set(struct queue *queue, struct event *event, uint64_t time_us);
/* Idempotent. */
void queue_cancel(struct queue *queue, struct event *event);
/* The first, no longer set; NULL: none is at or before that time. */
struct event *queue_take(struct queue *queue, uint64_t until_us);
void queue_free(struct queue *queue);

#endif
