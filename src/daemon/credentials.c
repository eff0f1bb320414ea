/* SPDX-License-Identifier: MIT */
/*
 * credentials.c: who is an administrator. The kernel's word on the peer of a connection counts: its user, its
 * groups, and, for programs that run with CAP_NET_ADMIN without being root, the capabilities of its process.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/daemon.h"

#define GROUPS_MAX 1024
#define PROC_FILE_MAX 4096

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

static int read_proc(const char *process, const char *name, char text[static PROC_FILE_MAX])
{
	char path[64];
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/%s", process, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, PROC_FILE_MAX - 1);
	if (n <= 0)
		return -ENOENT;
	text[n] = '\0';
	return 0;
}

/*
 * A capability counts only in our own user namespace: in one of its own, any program has them all. Seen from
 * here, no namespace below ours that an ordinary user can make has the same map as ours.
 */
static bool is_in_our_user_namespace(const char *process)
{
	char ours[PROC_FILE_MAX], theirs[PROC_FILE_MAX];

	return read_proc("self", "uid_map", ours) == 0 &&
	       read_proc(process, "uid_map", theirs) == 0 && strcmp(ours, theirs) == 0;
}

static bool has_net_admin(pid_t pid)
{
	char process[16], status[PROC_FILE_MAX];
	unsigned long long effective;
	const char *line;

	snprintf(process, sizeof(process), "%d", (int)pid);
	if (!is_in_our_user_namespace(process) || read_proc(process, "status", status) < 0)
		return false;
	line = strstr(status, "\nCapEff:");
	if (!line || sscanf(line, "\nCapEff: %llx", &effective) != 1)
		return false;
	return effective >> CAP_NET_ADMIN & 1;
}

bool administrators_contain(const struct administrators *administrators,
			    const struct connection *connection)
{
	const struct ucred *peer = connection_peer(connection);

	if (peer->uid == 0 || is_member(administrators, connection))
		return true;
	/* What was read in /proc was about the peer only if that has not ended since. */
	return has_net_admin(peer->pid) && connection_peer_runs(connection);
}
