/* SPDX-License-Identifier: MIT */
/*
 * socket_table.c: see socket_table.h.
 *
 * Entries are found by their cookie; an array, by descriptor, tells how many descriptors are known to lead to each. An
 * entry that none leads to any more may still have a duplicate somewhere: it is kept, and when there are many of
 * them, those are dropped whose sockets no descriptor of the process is of.
 */
#include "winqos/socket_table.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>

#include "winqos/gqos.h"
#include "winqos/winsock_accept.h"
#include "winqos/winsock_group.h"

#define MANY_ORPHANS 256u

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct socket_entry *entries; /* by cookie */
static struct socket_entry **slots;  /* by descriptor */
static unsigned slot_count, orphan_count;

/* So that programs without such sockets pay nothing: how many there are, and how many of them are connecting. */
static atomic_uint entry_count, connecting_count;

void socket_table_lock(void)
{
	pthread_mutex_lock(&table_mutex);
}

void socket_table_unlock(void)
{
	pthread_mutex_unlock(&table_mutex);
}

static bool read_cookie(int fd, uint64_t *ret_cookie)
{
	socklen_t length = sizeof(*ret_cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, ret_cookie, &length) == 0;
}

bool socket_entry_is(const struct socket_entry *entry, int fd)
{
	uint64_t cookie;

	return read_cookie(fd, &cookie) && cookie == entry->cookie;
}

static void entry_destroy(struct object *object)
{
	struct socket_entry *entry = (struct socket_entry *)object;

	if (atomic_load(&entry->connecting))
		atomic_fetch_sub(&connecting_count, 1);
	deferred_free(entry->deferred);
	groups_free(entry->groups);
	free(entry);
}

void socket_entry_put(struct socket_entry *entry)
{
	if (entry)
		object_unref(&entry->object);
}

/* ---- descriptors ---- */

static void leave_slot_locked(int fd)
{
	struct socket_entry *entry = (unsigned)fd < slot_count ? slots[fd] : NULL;

	if (!entry)
		return;
	slots[fd] = NULL;
	if (--entry->slots == 0)
		orphan_count++;
}

static bool grow_slots_locked(int fd)
{
	unsigned count = slot_count ? slot_count : 64;
	struct socket_entry **grown;

	while (count <= (unsigned)fd)
		count *= 2;
	if (count == slot_count)
		return true;
	grown = realloc(slots, count * sizeof(*grown));
	if (!grown)
		return false;
	memset(grown + slot_count, 0, (count - slot_count) * sizeof(*grown));
	slots = grown;
	slot_count = count;
	return true;
}

static bool enter_slot_locked(int fd, struct socket_entry *entry)
{
	if (!grow_slots_locked(fd))
		return false;
	leave_slot_locked(fd);
	slots[fd] = entry;
	if (entry->slots++ == 0)
		orphan_count--;
	return true;
}

/* ---- entries ---- */

static struct socket_entry *find_locked(int fd, uint64_t cookie)
{
	struct socket_entry *entry = (unsigned)fd < slot_count ? slots[fd] : NULL;

	if (!entry || entry->cookie != cookie) {
		HASH_FIND(hh, entries, &cookie, sizeof(cookie), entry);
		if (!entry || !enter_slot_locked(fd, entry))
			return NULL;
	}
	object_ref(&entry->object);
	return entry;
}

struct socket_entry *socket_entry_get(int fd)
{
	struct socket_entry *entry;
	uint64_t cookie;

	if (atomic_load(&entry_count) == 0 || !read_cookie(fd, &cookie))
		return NULL;
	socket_table_lock();
	entry = find_locked(fd, cookie);
	socket_table_unlock();
	return entry;
}

/* With two references: the table's and the caller's. */
static struct socket_entry *entry_new_locked(int fd, uint64_t cookie)
{
	struct socket_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	object_init(&entry->object, OBJECT_SOCKET, entry_destroy);
	entry->cookie = cookie;
	orphan_count++; /* until a descriptor leads to it */
	if (!enter_slot_locked(fd, entry)) {
		orphan_count--;
		socket_entry_put(entry);
		return NULL;
	}
	HASH_ADD(hh, entries, cookie, sizeof(entry->cookie), entry);
	atomic_fetch_add(&entry_count, 1);
	object_ref(&entry->object);
	return entry;
}

/* Finds for each descriptor of the process the entry that it leads to. */
static void find_all_locked(void)
{
	DIR *directory = opendir("/proc/self/fd");
	struct socket_entry *entry;
	struct dirent *file;
	uint64_t cookie;

	while (directory && (file = readdir(directory))) {
		int fd = atoi(file->d_name);

		if (!read_cookie(fd, &cookie))
			continue;
		HASH_FIND(hh, entries, &cookie, sizeof(cookie), entry);
		if (entry)
			enter_slot_locked(fd, entry);
	}
	if (directory)
		closedir(directory);
}

/* Takes what no descriptor leads to out of the table; a list by `hh.next`, with the table's references. */
static struct socket_entry *sweep_locked(void)
{
	struct socket_entry *entry, *next, *dead = NULL;

	find_all_locked();
	HASH_ITER(hh, entries, entry, next) {
		if (entry->slots > 0)
			continue;
		HASH_DEL(entries, entry);
		entry->hh.next = dead;
		dead = entry;
		orphan_count--;
		atomic_fetch_sub(&entry_count, 1);
	}
	return dead;
}

static void bury(struct socket_entry *dead)
{
	while (dead) {
		struct socket_entry *next = dead->hh.next;

		netevents_cancel(dead);
		socket_entry_put(dead);
		dead = next;
	}
}

struct socket_entry *socket_entry_make(int fd)
{
	struct socket_entry *entry, *dead = NULL;
	uint64_t cookie;

	if (!read_cookie(fd, &cookie))
		return NULL;
	socket_table_lock();
	entry = find_locked(fd, cookie);
	if (!entry)
		entry = entry_new_locked(fd, cookie);
	if (orphan_count > MANY_ORPHANS && orphan_count > atomic_load(&entry_count) / 2)
		dead = sweep_locked();
	socket_table_unlock();
	bury(dead);
	return entry;
}

void socket_table_close(int fd)
{
	struct socket_entry *entry = socket_entry_get(fd);
	struct deferred *deferred = NULL;

	if (!entry)
		return;
	if (atomic_load(&entry->qos))
		gqos_closing((SOCKET)fd);
	netevents_close(entry, fd);
	socket_table_lock();
	leave_slot_locked(fd);
	if (entry->slots == 0) {
		deferred = entry->deferred;
		entry->deferred = NULL;
		atomic_store(&entry->has_deferred, false);
	}
	socket_table_unlock();
	deferred_free(deferred);
	socket_entry_put(entry);
}

/* ---- questions ---- */

bool socket_is_qos(int fd)
{
	struct socket_entry *entry = socket_entry_get(fd);
	bool qos = entry && atomic_load(&entry->qos);

	socket_entry_put(entry);
	return qos;
}

void socket_set_connecting(struct socket_entry *entry, bool connecting)
{
	if (atomic_exchange(&entry->connecting, connecting) != connecting)
		atomic_fetch_add(&connecting_count, connecting ? 1u : -1u);
}

void socket_settle(int fd)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	struct socket_entry *entry;

	if (atomic_load(&connecting_count) == 0)
		return;
	entry = socket_entry_get(fd);
	if (entry && atomic_load(&entry->connecting) &&
	    getpeername(fd, (struct sockaddr *)&peer, &length) == 0) {
		socket_set_connecting(entry, false);
		gqos_look((SOCKET)fd);
	}
	socket_entry_put(entry);
}

void socket_visit_qos(void (*visit)(int fd))
{
	int *fds;
	unsigned count = 0;

	socket_table_lock();
	fds = calloc(slot_count ? slot_count : 1, sizeof(*fds));
	for (unsigned fd = 0; fds && fd < slot_count; fd++) {
		if (slots[fd] && atomic_load(&slots[fd]->qos) &&
		    socket_entry_is(slots[fd], (int)fd))
			fds[count++] = (int)fd;
	}
	socket_table_unlock();
	for (unsigned i = 0; i < count; i++)
		visit(fds[i]);
	free(fds);
}

void socket_table_forked_locked(void)
{
	struct socket_entry *entry, *next;

	HASH_ITER(hh, entries, entry, next)
		netevents_forked_locked(&entry->events);
}
