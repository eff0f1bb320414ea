/* SPDX-License-Identifier: MIT */
/*
 * credentials.c: who is an administrator. The kernel's word on the peer of a connection counts, of the moment when it
 * connected: its user and its groups; and, for programs that have CAP_NET_ADMIN without being root, what they have
 * shown. What /proc says of a process is worth nothing: it may have become a program with more rights since, while
 * another one has the connection.
 */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>

#include "daemon/daemon.h"

#define GROUPS_MAX 1024

struct administrators {
	size_t count;
	gid_t gid[CONFIG_NAMES_MAX];
};

int administrators_new(const struct config_names *groups, void (*on_missing)(const char *group),
		       struct administrators **ret_administrators)
{
	struct administrators *administrators = calloc(1, sizeof(*administrators));

	if (!administrators)
		return -ENOMEM;
	for (size_t i = 0; i < groups->count; i++) {
		const struct group *group = getgrnam(groups->name[i]);

		if (group)
			administrators->gid[administrators->count++] = group->gr_gid;
		else
			on_missing(groups->name[i]);
	}
	*ret_administrators = administrators;
	return 0;
}

struct administrators *administrators_free(struct administrators *administrators)
{
	free(administrators);
	return NULL;
}

static bool is_administrators_group(const struct administrators *administrators, gid_t gid)
{
	for (size_t i = 0; i < administrators->count; i++) {
		if (administrators->gid[i] == gid)
			return true;
	}
	return false;
}

static bool is_member(const struct administrators *administrators,
		      const struct connection *connection)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (is_administrators_group(administrators, connection_peer(connection)->gid))
		return true;
	if (getsockopt(connection_fd(connection), SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++) {
		if (is_administrators_group(administrators, groups[i]))
			return true;
	}
	return false;
}

bool administrators_contain(const struct administrators *administrators,
			    const struct connection *connection)
{
	return connection_peer(connection)->uid == 0 || connection_has_net_admin(connection) ||
	       is_member(administrators, connection);
}
