/* SPDX-License-Identifier: MIT */
/*
 * placed.c: finding the descriptors of a flow's sockets again. The application may have closed the one it
 * passed, or closed it and opened something else under the same number; the socket cookie tells. If the
 * socket lives on under another number (dup), that one is found.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "lib/client.h"

struct placed {
	uint32_t id; /* 0: the flow is being asked for */
	int fd;
	uint64_t cookie;
	struct placed *prev, *next;
};

uint64_t socket_cookie(int fd)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

/* Lock held. Counts the flow's sockets; an entry of this one that is there already is told apart. */
static struct placed *find_among(struct gw *gw, uint32_t id, uint64_t cookie, size_t *ret_sockets)
{
	struct placed *placed, *found = NULL;

	*ret_sockets = 0;
	DL_FOREACH(gw->placed, placed) {
		if (placed->id != id)
			continue;
		++*ret_sockets;
		if (placed->cookie == cookie)
			found = placed;
	}
	return found;
}

int placed_begin(struct gw *gw, uint32_t id, int fd, uint32_t flow_flags,
		 struct placed **ret_placed)
{
	struct placed *placed;
	size_t n_sockets;
	bool full;

	*ret_placed = NULL;
	if (!(gw->host_flags & MSG_HOST_NEEDS_FDS) && !(flow_flags & GW_FLOW_ADAPTIVE))
		return 0;
	placed = malloc(sizeof(*placed));
	if (!placed)
		return -ENOMEM;
	*placed = (struct placed){ .fd = fd, .cookie = socket_cookie(fd) };
	pthread_mutex_lock(&gw->lock);
	full = id != 0 && !find_among(gw, id, placed->cookie, &n_sockets) &&
	       n_sockets >= MSG_MAX_FDS;
	if (!full)
		DL_APPEND(gw->placed, placed);
	pthread_mutex_unlock(&gw->lock);
	if (full) {
		free(placed);
		return -ENOBUFS;
	}
	*ret_placed = placed;
	return 0;
}

void placed_settle(struct gw *gw, struct placed *placed, uint32_t id)
{
	struct placed *before = NULL;
	size_t n_sockets;

	if (!placed)
		return;
	pthread_mutex_lock(&gw->lock);
	if (id != 0)
		before = find_among(gw, id, placed->cookie, &n_sockets);
	if (before)
		before->fd = placed->fd; /* one for each socket, whatever its destinations */
	if (before || id == 0) {
		DL_DELETE(gw->placed, placed);
		free(placed);
	} else {
		placed->id = id;
	}
	pthread_mutex_unlock(&gw->lock);
}

void placed_drop(struct gw *gw, uint32_t id, uint64_t cookie)
{
	struct placed *placed, *next;

	pthread_mutex_lock(&gw->lock);
	DL_FOREACH_SAFE(gw->placed, placed, next) {
		if (placed->id == id && (cookie == 0 || placed->cookie == cookie)) {
			DL_DELETE(gw->placed, placed);
			free(placed);
		}
	}
	pthread_mutex_unlock(&gw->lock);
}

/*
 * A copy, so that the application may close its own while ours is on its way. -1: the socket is not ours now.
 * Looked at first, since it may be anything by now: to copy and close a descriptor of a file would drop the
 * process's record locks on it.
 */
static int copy_if(int fd, uint64_t cookie)
{
	int copy;

	if (socket_cookie(fd) != cookie)
		return -1;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy >= 0 && socket_cookie(copy) == cookie)
		return copy;
	if (copy >= 0)
		close(copy);
	return -1;
}

static int copy_elsewhere(uint64_t cookie)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *item;
	int copy = -1;

	while (dir && copy < 0 && (item = readdir(dir))) {
		if (item->d_name[0] != '.')
			copy = copy_if(atoi(item->d_name), cookie);
	}
	if (dir)
		closedir(dir);
	return copy;
}

size_t placed_collect(struct gw *gw, uint32_t id, int fds[static MSG_MAX_FDS])
{
	struct placed *placed;
	size_t n = 0;

	pthread_mutex_lock(&gw->lock);
	DL_FOREACH(gw->placed, placed) {
		int copy;

		if ((id != 0 && placed->id != id) || n == MSG_MAX_FDS)
			continue;
		copy = copy_if(placed->fd, placed->cookie);
		if (copy < 0)
			copy = copy_elsewhere(placed->cookie);
		if (copy >= 0)
			fds[n++] = copy;
	}
	pthread_mutex_unlock(&gw->lock);
	return n;
}

void placed_close(const int *fds, size_t n)
{
	while (n > 0)
		close(fds[--n]);
}

/* A flow that has been placed and not yet removed; 0: none. */
static uint32_t placed_first(struct gw *gw)
{
	struct placed *placed;
	uint32_t id = 0;

	pthread_mutex_lock(&gw->lock);
	DL_FOREACH(gw->placed, placed) {
		id = placed->id;
		if (id != 0)
			break;
	}
	pthread_mutex_unlock(&gw->lock);
	return id;
}

void client_remove_placed(struct gw *gw)
{
	int fds[MSG_MAX_FDS];
	struct reply reply;
	uint32_t id;

	while ((id = placed_first(gw)) != 0) {
		struct msg request = REQUEST(MSG_REMOVE);
		size_t n = placed_collect(gw, id, fds);

		MSG_SET(&request, TAG_FLOW_ID, flow_id, id);
		client_last_call(gw, &request, fds, n, &reply);
		placed_close(fds, n);
		placed_drop(gw, id, 0);
	}
}

void placed_free_all(struct gw *gw)
{
	struct placed *placed, *next;

	DL_FOREACH_SAFE(gw->placed, placed, next)
		free(placed);
	gw->placed = NULL;
}
