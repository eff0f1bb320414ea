/* SPDX-License-Identifier: MIT */
/* sight.c: see sight.h. */
#include "host/sight.h"

#include <netinet/in.h>
#include <stdlib.h>

#define FORGET_PER_TURN 1024

void sight_put(struct sight *sight, struct sight **list)
{
	if (sight->list)
		DL_DELETE2(*sight->list, sight, list_prev, list_next);
	sight->list = list;
	if (list)
		DL_APPEND2(*list, sight, list_prev, list_next);
}

static void sight_free(struct sights *sights, struct sight *sight)
{
	sight_put(sight, NULL);
	HASH_DEL(sights->by_cookie, sight);
	DL_DELETE(sights->by_age, sight);
	free(sight);
}

struct sight *sights_find(const struct sights *sights, uint64_t cookie)
{
	struct sight *sight;

	HASH_FIND(hh, sights->by_cookie, &cookie, sizeof(cookie), sight);
	return sight;
}

/* As the socket was when it was added, and as if it had been seen so. */
static void sight_begin(struct sight *sight, const struct engine_managed *managed)
{
	bool tcp = managed->protocol == IPPROTO_TCP;

	sight_put(sight, NULL);
	sight->added = managed->added;
	sight->query = (struct sockdiag_query){
		.cookie = managed->cookie,
		.family = managed->family,
		.protocol = managed->protocol,
		.ifindex = managed->peer.scope ? managed->peer.scope : managed->local.scope,
		.local = managed->local,
		.remote = managed->peer,
	};
	sight->directions = 0;
	sight->connected = managed->peer.family != AF_UNSPEC;
	sight->known = tcp ? sight->connected : managed->local.port != 0;
	sight->gone = false;
	sight->misses = 0;
	sight->losses = 0;
}

struct sight *sights_obtain(struct sights *sights, const struct engine_managed *managed,
			    struct kind *kind, uint64_t round)
{
	struct sight *sight = sights_find(sights, managed->cookie);

	if (!sight) {
		sight = calloc(1, sizeof(*sight));
		if (!sight)
			return NULL;
		sight->cookie = managed->cookie;
		sight->kind = kind;
		HASH_ADD(hh, sights->by_cookie, cookie, sizeof(sight->cookie), sight);
		if (!sight->hh.tbl) {
			free(sight);
			return NULL;
		}
		sight_begin(sight, managed);
	} else {
		DL_DELETE(sights->by_age, sight);
		if (sight->added != managed->added)
			sight_begin(sight, managed);
	}
	DL_APPEND(sights->by_age, sight);
	sight->round = round;
	return sight;
}

void sights_forget_unmanaged(struct sights *sights, uint64_t round)
{
	for (int i = 0; i < FORGET_PER_TURN; i++) {
		struct sight *oldest = sights->by_age;

		if (!oldest || oldest->round + 1 >= round)
			return;
		sight_free(sights, oldest);
	}
}

void sights_free(struct sights *sights)
{
	while (sights->by_cookie)
		sight_free(sights, sights->by_cookie);
}
