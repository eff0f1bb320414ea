/* SPDX-License-Identifier: MIT */
/* idmap.c: state by neighbour and identifier: a table of chains that run through the state itself (reduce.h). */
#include "rsvp/internal.h"

#include <errno.h>
#include <stdlib.h>

#define BUCKETS_MIN 64u

static struct id_link **bucket_of(const struct rsvp *rsvp, const struct id_map *map,
				  const struct neighbour *neighbour, uint32_t id)
{
	const uint64_t key[2] = { (uint64_t)(uintptr_t)neighbour, id };

	return &map->buckets[rsvp_digest64(rsvp->seed, key, sizeof(key)) & (map->n_buckets - 1)];
}

static void push(const struct rsvp *rsvp, struct id_map *map, struct id_link *link)
{
	struct id_link **bucket = bucket_of(rsvp, map, link->neighbour, link->id);

	link->next = *bucket;
	*bucket = link;
}

static int grow(const struct rsvp *rsvp, struct id_map *map)
{
	struct id_map larger = {
		.n_buckets = map->n_buckets ? 2 * map->n_buckets : BUCKETS_MIN,
		.count = map->count,
	};
	struct id_link *link, *next;

	larger.buckets = calloc(larger.n_buckets, sizeof(struct id_link *));
	if (!larger.buckets)
		return map->buckets ? 0 : -ENOMEM; /* longer chains will do */
	for (uint32_t i = 0; i < map->n_buckets; i++) {
		for (link = map->buckets[i]; link; link = next) {
			next = link->next;
			push(rsvp, &larger, link);
		}
	}
	free(map->buckets);
	*map = larger;
	return 0;
}

int id_map_put(struct rsvp *rsvp, struct id_map *map, struct id_link *link,
	       struct neighbour *neighbour, enum id_kind kind, uint32_t epoch, uint32_t id)
{
	if (link->neighbour == neighbour && link->epoch == epoch && link->id == id)
		return 0;
	id_map_remove(rsvp, map, link);
	if (map->count >= map->n_buckets && grow(rsvp, map) < 0)
		return -ENOMEM;
	link->neighbour = neighbour;
	link->id = id;
	link->epoch = epoch & RSVP_EPOCH_MASK;
	link->kind = (uint32_t)kind & 0xff;
	rsvp_neighbour_use(rsvp, neighbour);
	push(rsvp, map, link);
	map->count++;
	return 0;
}

void id_map_remove(struct rsvp *rsvp, struct id_map *map, struct id_link *link)
{
	struct id_link **at;

	if (!link->neighbour)
		return;
	at = bucket_of(rsvp, map, link->neighbour, link->id);
	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	map->count--;
	rsvp_neighbour_unuse(rsvp, link->neighbour);
	*link = (struct id_link){ 0 };
}

struct id_link *id_map_find(const struct rsvp *rsvp, const struct id_map *map,
			    const struct neighbour *neighbour, uint32_t epoch, uint32_t id,
			    const struct id_link *after)
{
	struct id_link *link;

	if (after)
		link = after->next;
	else
		link = map->n_buckets ? *bucket_of(rsvp, map, neighbour, id) : NULL;
	while (link && (link->neighbour != neighbour || link->id != id || link->epoch != epoch))
		link = link->next;
	return link;
}

void id_map_clear(struct rsvp *rsvp, struct id_map *map)
{
	for (uint32_t i = 0; i < map->n_buckets; i++) {
		while (map->buckets[i])
			id_map_remove(rsvp, map, map->buckets[i]);
	}
}

void id_map_free(struct id_map *map)
{
	free(map->buckets);
	*map = (struct id_map){ 0 };
}
