/* SPDX-License-Identifier: MIT */
/* sight.h: what the kernel said last of each managed socket; for endwatch.c alone. */
#ifndef GW_HOST_SIGHT_H
#define GW_HOST_SIGHT_H

#include <stdbool.h>
#include <stdint.h>

/* A table that cannot grow is an error like any other. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "datapath/sockdiag.h"
#include "engine/engine.h"

struct kind; /* of sockets: a family and a protocol */

/* Exists from the first look at a socket to the second round in which it is not managed any more. */
struct sight {
	uint64_t cookie;
	uint64_t added; /* engine_managed.added: which life of the socket this is about */
	struct kind *kind;
	struct sockdiag_query query; /* with the addresses of now */
	uint8_t directions;	     /* shut down by the application */
	bool connected;
	bool known; /* it was in the kernel's tables */
	bool gone;  /* it has left them, and that has been told */
	uint8_t misses;
	uint64_t losses;     /* endwatch.losses when it was found last */
	uint64_t round;	     /* when it was looked at last */
	struct sight **list; /* &kind->missing, &kind->sought or NULL */
	struct sight *list_prev, *list_next;
	struct sight *prev, *next; /* by age */
	UT_hash_handle hh;
};

struct sights {
	struct sight *by_cookie;
	struct sight *by_age; /* all of them, the one looked at longest ago first */
};

struct sight *sights_find(const struct sights *sights, uint64_t cookie);

/* Finds or makes the sight of a socket, the youngest now. NULL if memory is short: then next time. */
struct sight *sights_obtain(struct sights *sights, const struct engine_managed *managed,
			    struct kind *kind, uint64_t round);

/* Those that a whole round has passed over are not managed any more. */
void sights_forget_unmanaged(struct sights *sights, uint64_t round);
void sights_free(struct sights *sights);

/* Into another list, or (NULL) into none. */
void sight_put(struct sight *sight, struct sight **list);

#endif
