/* SPDX-License-Identifier: MIT */
/* queue.c: see queue.h. */
#include "queue.h"

#include <stdlib.h>

static bool before(const struct event *a, const struct event *b)
{
	return a->time_us != b->time_us ? a->time_us < b->time_us : a->order < b->order;
}

static void put(struct queue *queue, size_t place, struct event *event)
{
	queue->heap[place] = event;
	event->place = place;
}

static void rise(struct queue *queue, struct event *event)
{
	size_t place = event->place;

	for (; place > 1 && before(event, queue->heap[place / 2]); place /= 2)
		put(queue, place, queue->heap[place / 2]);
	put(queue, place, event);
}

static void sink(struct queue *queue, struct event *event)
{
	size_t place = event->place, child;

	while ((child = 2 * place) <= queue->count) {
		if (child < queue->count && before(queue->heap[child + 1], queue->heap[child]))
			child++;
		if (!before(queue->heap[child], event))
			break;
		put(queue, place, queue->heap[child]);
		place = child;
	}
	put(queue, place, event);
}

static void make_room(struct queue *queue)
{
	size_t room = queue->room ? 2 * queue->room : 1024;
	struct event **heap;

	if (queue->count + 1 < queue->room)
		return;
	heap = realloc(queue->heap, room * sizeof(*heap));
	if (!heap)
		abort();
	queue->heap = heap;
	queue->room = room;
}

void queue_set(struct queue *queue, struct event *event, uint64_t time_us)
{
	if (event->place == 0) {
		make_room(queue);
		put(queue, ++queue->count, event);
	}
	event->time_us = time_us;
	event->order = queue->order++;
	rise(queue, event);
	sink(queue, event);
}

void queue_cancel(struct queue *queue, struct event *event)
{
	size_t place = event->place;
	struct event *last;

	if (place == 0)
		return;
	event->place = 0;
	last = queue->heap[queue->count--];
	if (last == event)
		return;
	put(queue, place, last);
	rise(queue, last);
	sink(queue, last);
}

struct event *queue_take(struct queue *queue, uint64_t until_us)
{
	struct event *first;

	if (queue->count == 0 || queue->heap[1]->time_us > until_us)
		return NULL;
	first = queue->heap[1];
	queue_cancel(queue, first);
	return first;
}

void queue_free(struct queue *queue)
{
	free(queue->heap);
	*queue = (struct queue){ 0 };
}
