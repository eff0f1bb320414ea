/* SPDX-License-Identifier: MIT */
/*
 * user.c: what the programs of one user take of a host together: connections, and descriptors that are slow to close.
 */
#include <stdlib.h>

#include "host/internal.h"

#define PARTINGS_PER_USER 4u

struct host_user *user_obtain(struct host *host, uid_t uid)
{
	struct host_user *user;

	HASH_FIND(hh, host->users, &uid, sizeof(uid), user);
	if (user)
		return user;
	user = calloc(1, sizeof(*user));
	if (!user)
		return NULL;
	user->uid = uid;
	HASH_ADD(hh, host->users, uid, sizeof(user->uid), user);
	if (!user->hh.tbl) {
		free(user);
		return NULL;
	}
	return user;
}

void user_drop(struct host *host, struct host_user *user)
{
	HASH_DEL(host->users, user);
	free(user);
}

void user_release(struct host *host, struct host_user *user)
{
	if (user->n_clients > 0 || user->n_partings > 0)
		return;
	user_drop(host, user);
}

/* Root's programs do not answer for each other. */
bool user_is_parting(const struct host_user *user)
{
	return user->uid != 0 && user->n_partings >= PARTINGS_PER_USER;
}
