/* SPDX-License-Identifier: MIT */
/* interests.c: see interests.h. */
#include "daemon/rsvp/interests.h"

#include <errno.h>
#include <stdlib.h>

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((void)(element))
#include <uthash.h>

struct key {
	struct rsvp_session session; /* without gaps */
	uint32_t uid;
};

struct interest {
	struct key key;
	unsigned programs;
	UT_hash_handle hh;
};

static struct interest *find(const struct interests *interests, const struct rsvp_session *session,
			     uint32_t uid)
{
	const struct key key = { *session, uid };
	struct interest *interest;

	HASH_FIND(hh, interests->table, &key, sizeof(key), interest);
	return interest;
}

int interests_add(struct interests *interests, const struct rsvp_session *session, uint32_t uid)
{
	struct interest *interest = find(interests, session, uid);

	if (interest) {
		interest->programs++;
		return 0;
	}
	interest = calloc(1, sizeof(*interest));
	if (!interest)
		return -ENOMEM;
	interest->key = (struct key){ *session, uid };
	interest->programs = 1;
	HASH_ADD(hh, interests->table, key, sizeof(interest->key), interest);
	if (!interest->hh.tbl) {
		free(interest);
		return -ENOMEM;
	}
	return 0;
}

void interests_remove(struct interests *interests, const struct rsvp_session *session, uint32_t uid)
{
	struct interest *interest = find(interests, session, uid);

	if (!interest || --interest->programs > 0)
		return;
	HASH_DEL(interests->table, interest);
	free(interest);
}

bool interests_has(const struct interests *interests, const struct rsvp_session *session,
		   uint32_t uid)
{
	return find(interests, session, uid) != NULL;
}
