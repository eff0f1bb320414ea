/* SPDX-License-Identifier: MIT */
/*
 * placed.c: finding the descriptors of a flow's sockets again. The application may have closed the one it
 * passed, or closed it and opened something else under the same number; the socket cookie tells. If the
 * socket lives on under another number (dup), that one is found.
 *
 * Only numbers are kept, never copies: a copy would keep a socket alive that the application has closed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

/* A table that cannot grow must not end the program: what has no place in it stays on a list. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((void)(element))
#include <uthash.h>

#include "lib/client.h"

/* A flow of fewer sockets is not worth looking through for those that have closed. */
#define SWEEP_MIN 64u

struct placed_flow;

struct placed_key {
	uint64_t cookie;
	uint64_t id; /* of the flow; 0: it is being asked for */
};

struct placed {
	struct placed_key key;
	int fd;
	bool always;		  /* every request about the flow brings the descriptor */
	bool attached;		  /* to a flow that was there before */
	struct placed_flow *flow; /* NULL: it stands on the list */
	struct placed *prev, *next;
	UT_hash_handle hh;
};

struct placed_flow {
	uint32_t id;
	uint32_t n_sockets;
	uint32_t sweep_at; /* so many sockets */
	bool always;
	bool rated; /* it has, or had, a rate: its sockets may have to be paced, or not any more */
	struct placed *sockets;
	UT_hash_handle hh;
};

uint64_t socket_cookie(int fd)
{
	uint64_t cookie;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

static bool is_stream(int fd)
{
	socklen_t len = sizeof(int);
	int type;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/* ---- the tables; lock held ---- */

static struct placed_flow *find_flow(const struct placed_table *table, uint32_t id)
{
	struct placed_flow *flow;

	HASH_FIND(hh, table->flows, &id, sizeof(id), flow);
	return flow;
}

static struct placed *find_socket(const struct placed_table *table, uint32_t id, uint64_t cookie)
{
	struct placed_key key = { .cookie = cookie, .id = id };
	struct placed *placed;

	HASH_FIND(hh, table->sockets, &key, sizeof(key), placed);
	if (placed)
		return placed;
	DL_FOREACH(table->loose, placed) {
		if (placed->key.id == id && placed->key.cookie == cookie)
			return placed;
	}
	return NULL;
}

static struct placed_flow *make_flow(struct placed_table *table, uint32_t id)
{
	struct placed_flow *flow = find_flow(table, id);

	if (flow)
		return flow;
	flow = malloc(sizeof(*flow));
	if (!flow)
		return NULL;
	*flow = (struct placed_flow){ .id = id, .sweep_at = SWEEP_MIN };
	HASH_ADD(hh, table->flows, id, sizeof(flow->id), flow);
	if (!flow->hh.tbl) {
		free(flow);
		return NULL;
	}
	return flow;
}

static void free_flow_if_empty(struct placed_table *table, struct placed_flow *flow)
{
	if (flow->sockets)
		return;
	HASH_DEL(table->flows, flow);
	free(flow);
}

/* From the list into the tables. Where memory is short it stays on the list, which is slower. */
static void file(struct placed_table *table, struct placed *placed)
{
	struct placed_flow *flow = make_flow(table, (uint32_t)placed->key.id);

	if (!flow)
		return;
	/* A flow that was there and had none of our sockets: what it was told before has not been noted. */
	flow->rated |= !flow->sockets && placed->attached;
	HASH_ADD(hh, table->sockets, key, sizeof(placed->key), placed);
	if (!placed->hh.tbl) {
		free_flow_if_empty(table, flow);
		return;
	}
	DL_DELETE(table->loose, placed);
	placed->flow = flow;
	flow->always |= placed->always;
	DL_APPEND(flow->sockets, placed);
	flow->n_sockets++;
}

/* Leaves its flow without sockets, if it was the last. */
static void discard(struct placed_table *table, struct placed *placed)
{
	if (placed->flow) {
		HASH_DEL(table->sockets, placed);
		DL_DELETE(placed->flow->sockets, placed);
		placed->flow->n_sockets--;
	} else {
		DL_DELETE(table->loose, placed);
	}
	free(placed);
}

static void drop_flow(struct placed_table *table, uint32_t id)
{
	struct placed_flow *flow = find_flow(table, id);
	struct placed *placed, *next;

	if (flow) {
		DL_FOREACH_SAFE(flow->sockets, placed, next)
			discard(table, placed);
		free_flow_if_empty(table, flow);
	}
	DL_FOREACH_SAFE(table->loose, placed, next) {
		if (placed->key.id == id)
			discard(table, placed);
	}
}

/* ---- sockets that have other numbers by now, or none; lock held ---- */

static bool is_there(const struct placed *placed)
{
	return socket_cookie(placed->fd) == placed->key.cookie;
}

/* Looks through all descriptors for sockets of the flow, and notes the numbers that they have. */
static void renumber(struct placed_table *table, uint32_t id)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *item;

	while (dir && (item = readdir(dir))) {
		int fd = atoi(item->d_name);
		uint64_t cookie = item->d_name[0] == '.' ? 0 : socket_cookie(fd);
		struct placed *placed = cookie == 0 ? NULL : find_socket(table, id, cookie);

		if (placed && placed->fd != fd && !is_there(placed))
			placed->fd = fd;
	}
	if (dir)
		closedir(dir);
}

/* Forgets those sockets of a flow that this program has no descriptor of any more. */
static void sweep(struct placed_table *table, struct placed_flow *flow)
{
	struct placed *placed, *next;
	bool missing = false;

	DL_FOREACH(flow->sockets, placed)
		missing |= !is_there(placed);
	if (missing)
		renumber(table, flow->id);
	DL_FOREACH_SAFE(flow->sockets, placed, next) {
		if (missing && !is_there(placed))
			discard(table, placed);
	}
	flow->sweep_at = flow->n_sockets < SWEEP_MIN / 2 ? SWEEP_MIN : flow->n_sockets * 2;
}

/* ---- adding ---- */

/* Lock held. A host that works on descriptors must be given all those of a flow in one message. */
static bool is_full(struct gw *gw, uint32_t id, uint64_t cookie)
{
	struct placed_flow *flow;
	bool full;

	if (!(gw->host_flags & MSG_HOST_NEEDS_FDS) || find_socket(&gw->placed, id, cookie))
		return false;
	flow = find_flow(&gw->placed, id);
	if (!flow || flow->n_sockets < MSG_MAX_FDS)
		return false;
	sweep(&gw->placed, flow);
	full = flow->n_sockets >= MSG_MAX_FDS;
	free_flow_if_empty(&gw->placed, flow);
	return full;
}

int placed_begin(struct gw *gw, uint32_t id, int fd, uint32_t flow_flags,
		 struct placed **ret_placed)
{
	bool always = (gw->host_flags & MSG_HOST_NEEDS_FDS) || (flow_flags & GW_FLOW_ADAPTIVE);
	struct placed *placed;
	bool full;

	*ret_placed = NULL;
	if (!always && !is_stream(fd))
		return 0;
	placed = malloc(sizeof(*placed));
	if (!placed)
		return -ENOMEM;
	*placed = (struct placed){
		.key.cookie = socket_cookie(fd), .fd = fd, .always = always, .attached = id != 0
	};
	pthread_mutex_lock(&gw->lock);
	full = id != 0 && is_full(gw, id, placed->key.cookie);
	if (!full)
		DL_APPEND(gw->placed.loose, placed);
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
	struct placed_table *table = &gw->placed;
	struct placed *before = id == 0 ? NULL : find_socket(table, id, placed->key.cookie);
	struct placed_flow *flow;

	if (before)
		before->fd = placed->fd; /* one for each socket, whatever its destinations */
	if (before || id == 0) {
		discard(table, placed);
		return;
	}
	placed->key.id = id;
	file(table, placed);
	flow = placed->flow;
	if (flow && flow->n_sockets >= flow->sweep_at) {
		sweep(table, flow);
		free_flow_if_empty(table, flow);
	}
}

void placed_expect_rate(struct gw *gw, uint32_t id)
{
	struct placed_flow *flow;

	pthread_mutex_lock(&gw->lock);
	flow = find_flow(&gw->placed, id);
	if (flow)
		flow->rated = true;
	pthread_mutex_unlock(&gw->lock);
}

void placed_ended(struct gw *gw, uint32_t id)
{
	drop_flow(&gw->placed, id);
}

static void drop_socket(struct placed_table *table, uint32_t id, uint64_t cookie)
{
	struct placed *placed = find_socket(table, id, cookie);
	struct placed_flow *flow = placed ? placed->flow : NULL;

	if (placed)
		discard(table, placed);
	if (flow)
		free_flow_if_empty(table, flow);
}

void placed_drop(struct gw *gw, uint32_t id, uint64_t cookie)
{
	pthread_mutex_lock(&gw->lock);
	if (cookie == 0)
		drop_flow(&gw->placed, id);
	else
		drop_socket(&gw->placed, id, cookie);
	pthread_mutex_unlock(&gw->lock);
}

/* ---- collecting ---- */

void placed_close(const int *fds, size_t n)
{
	while (n > 0)
		close(fds[--n]);
}

/*
 * A copy, so that the application may close its own while ours is on its way. -1: the socket is not ours now.
 * Looked at first, since it may be anything by now: to copy and close a descriptor of a file would drop the
 * process's record locks on it.
 */
static int copy_of(const struct placed *placed)
{
	int copy;

	if (!is_there(placed))
		return -1;
	copy = fcntl(placed->fd, F_DUPFD_CLOEXEC, 0);
	if (copy >= 0 && socket_cookie(copy) == placed->key.cookie)
		return copy;
	if (copy >= 0)
		close(copy);
	return -1;
}

static size_t copy_all(const struct placed_flow *flow, int fds[static MSG_MAX_FDS])
{
	const struct placed *placed;
	size_t n = 0;

	DL_FOREACH(flow->sockets, placed) {
		int copy;

		if (n == MSG_MAX_FDS)
			break;
		copy = copy_of(placed);
		if (copy >= 0)
			fds[n++] = copy;
	}
	return n;
}

/* Lock held. Those on the list that belong to no flow yet, or whose flow has no place in the table. */
static size_t copy_loose(const struct placed_table *table, uint32_t id, size_t n,
			 int fds[static MSG_MAX_FDS])
{
	const struct placed *placed;

	DL_FOREACH(table->loose, placed) {
		int copy;

		if (n == MSG_MAX_FDS)
			break;
		if (id != 0 ? placed->key.id != id : !placed->always)
			continue;
		copy = copy_of(placed);
		if (copy >= 0)
			fds[n++] = copy;
	}
	return n;
}

size_t placed_collect(struct gw *gw, uint32_t id, int fds[static MSG_MAX_FDS])
{
	struct placed_flow *flow;
	size_t n = 0;

	pthread_mutex_lock(&gw->lock);
	flow = id == 0 ? NULL : find_flow(&gw->placed, id);
	if (flow && (flow->always || flow->rated)) {
		n = copy_all(flow, fds);
		if (n < MSG_MAX_FDS && n < flow->n_sockets) {
			placed_close(fds, n);
			sweep(&gw->placed, flow);
			n = copy_all(flow, fds);
		}
		free_flow_if_empty(&gw->placed, flow);
	}
	n = copy_loose(&gw->placed, id, n, fds);
	pthread_mutex_unlock(&gw->lock);
	return n;
}

size_t placed_collect_one(struct gw *gw, uint32_t id, uint64_t cookie, int *ret_fd)
{
	struct placed *placed;
	int copy = -1;

	pthread_mutex_lock(&gw->lock);
	placed = find_socket(&gw->placed, id, cookie);
	if (placed && (!placed->flow || placed->flow->always || placed->flow->rated))
		copy = copy_of(placed);
	pthread_mutex_unlock(&gw->lock);
	if (copy < 0)
		return 0;
	*ret_fd = copy;
	return 1;
}

/* ---- the end ---- */

uint32_t placed_next(struct gw *gw)
{
	struct placed_flow *flow, *next;
	const struct placed *placed;
	uint32_t id = 0;

	pthread_mutex_lock(&gw->lock);
	HASH_ITER(hh, gw->placed.flows, flow, next) {
		id = flow->id;
		if (flow->always || flow->rated)
			break;
		drop_flow(&gw->placed, id);
		id = 0;
	}
	if (id == 0) {
		DL_FOREACH(gw->placed.loose, placed) {
			id = (uint32_t)placed->key.id;
			if (id != 0)
				break;
		}
	}
	pthread_mutex_unlock(&gw->lock);
	return id;
}

void placed_free_all(struct gw *gw)
{
	struct placed_table *table = &gw->placed;
	struct placed *placed, *next;

	while (table->flows)
		drop_flow(table, table->flows->id);
	DL_FOREACH_SAFE(table->loose, placed, next)
		discard(table, placed);
}
