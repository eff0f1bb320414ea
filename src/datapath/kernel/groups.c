/* SPDX-License-Identifier: MIT */
/*
 * groups.c: see groups.h. Everything goes through directory descriptors: the hierarchy may be
 * mounted nowhere. Emptiness is told by inotify on cgroup.events, reached through our own
 * descriptor's name in /proc.
 */
#include "datapath/kernel/groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "datapath/kernel/cgroup.h"

#define GROUP_NAME_LEN 32
#define CREATE_ATTEMPTS 1000
#define DEPTH_MAX 16

struct group {
	uint64_t id;
	uint32_t number;
	int fd;
	int watch;
	UT_hash_handle hh;
};

struct groups {
	int root_fd;
	int base_fd; /* -1: not made yet */
	int inotify_fd;
	uint32_t last_number;
	char base[GROUP_NAME_LEN];
	struct group *table;
};

static void closedir_cleanup(DIR *directory)
{
	closedir(directory);
}

DEFINE_CLEANUP(DIR *, closedir_cleanup);

/* A descriptor, or a negative errno. */
static int open_directory(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

/* The caller's descriptor stays as it is. */
static int list_directory(int fd, DIR **ret_directory)
{
	_cleanup_(closep) int copy = open_directory(fd, ".");
	DIR *directory;

	if (copy < 0)
		return copy;
	directory = fdopendir(copy);
	if (!directory)
		return -errno;
	(void)steal_fd(&copy);
	*ret_directory = directory;
	return 0;
}

/*
 * "populated 1" counts the processes of subgroups too. If it cannot be read, nothing is given up
 * for it.
 */
static bool is_populated(const struct group *group)
{
	_cleanup_(closep) int fd = openat(group->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char text[256];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n < 0)
		return errno != ENODEV && errno != ENOENT;
	text[n] = '\0';
	return !strstr(text, "populated 0");
}

static int watch_group(const struct groups *groups, struct group *group)
{
	_cleanup_(closep) int fd = openat(group->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char path[GROUP_NAME_LEN];

	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	group->watch = inotify_add_watch(groups->inotify_fd, path, IN_MODIFY);
	return group->watch < 0 ? -errno : 0;
}

static struct group *free_group(struct group *group)
{
	closep(&group->fd);
	free(group);
	return NULL;
}

DEFINE_CLEANUP(struct group *, free_group);

static int add_group(struct groups *groups, uint32_t number, int fd, struct group **ret_group)
{
	_cleanup_(free_groupp) struct group *group = calloc(1, sizeof(*group));
	int r;

	if (!group) {
		close(fd);
		return -ENOMEM;
	}
	group->fd = fd;
	group->number = number;
	r = cgroup_id(fd, &group->id);
	if (r == 0)
		r = watch_group(groups, group);
	if (r < 0)
		return r;
	HASH_ADD(hh, groups->table, id, sizeof(group->id), group);
	*ret_group = steal_ptr(&group);
	return 0;
}

static void group_name(uint32_t number, char ret_name[static GROUP_NAME_LEN])
{
	snprintf(ret_name, GROUP_NAME_LEN, "run-%" PRIu32, number);
}

static int find_left_behind(struct groups *groups)
{
	_cleanup_(closedir_cleanupp) DIR *directory = NULL;
	const struct dirent *entry;
	struct group *group;
	uint32_t number;
	int fd, end;
	int r = list_directory(groups->base_fd, &directory);

	if (r < 0)
		return r;
	while ((entry = readdir(directory))) {
		end = 0;
		if (sscanf(entry->d_name, "run-%" SCNu32 "%n", &number, &end) != 1 ||
		    entry->d_name[end] != '\0')
			continue;
		fd = open_directory(groups->base_fd, entry->d_name);
		if (fd < 0)
			continue;
		if (add_group(groups, number, fd, &group) == 0 && number > groups->last_number)
			groups->last_number = number;
	}
	return 0;
}

/* Programs make groups within theirs, so a group is removed from its deepest ones up. */
static int remove_tree(int at, const char *name, int depth)
{
	_cleanup_(closedir_cleanupp) DIR *directory = NULL;
	_cleanup_(closep) int fd = depth < DEPTH_MAX ? open_directory(at, name) : -1;
	const struct dirent *entry;

	if (fd >= 0 && list_directory(fd, &directory) == 0) {
		while ((entry = readdir(directory)))
			if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
				remove_tree(fd, entry->d_name, depth + 1);
	}
	return unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_group(struct groups *groups, struct group *group)
{
	char name[GROUP_NAME_LEN];
	int r;

	group_name(group->number, name);
	r = is_populated(group) ? -EBUSY : remove_tree(groups->base_fd, name, 0);
	if (r < 0)
		return r;
	inotify_rm_watch(groups->inotify_fd, group->watch);
	HASH_DEL(groups->table, group);
	free_group(group);
	return 0;
}

struct groups *groups_close(struct groups *groups, bool remove)
{
	struct group *group, *next;

	if (!groups)
		return NULL;
	HASH_ITER(hh, groups->table, group, next) {
		if (remove && remove_group(groups, group) == 0)
			continue;
		HASH_DEL(groups->table, group);
		free_group(group);
	}
	if (remove && groups->base_fd >= 0)
		unlinkat(groups->root_fd, groups->base, AT_REMOVEDIR);
	closep(&groups->base_fd);
	closep(&groups->inotify_fd);
	free(groups);
	return NULL;
}

static void abandon(struct groups *groups)
{
	groups_close(groups, false);
}

DEFINE_CLEANUP(struct groups *, abandon);

int groups_open(int root_fd, uint64_t namespace_inode, struct groups **ret_groups)
{
	_cleanup_(abandonp) struct groups *groups = calloc(1, sizeof(*groups));
	int r;

	if (!groups)
		return -ENOMEM;
	groups->root_fd = root_fd;
	groups->base_fd = -1;
	groups->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (groups->inotify_fd < 0)
		return -errno;
	snprintf(groups->base, sizeof(groups->base), "greenwave.%" PRIu64, namespace_inode);
	groups->base_fd = open_directory(root_fd, groups->base);
	if (groups->base_fd < 0 && groups->base_fd != -ENOENT)
		return groups->base_fd;
	r = groups->base_fd < 0 ? 0 : find_left_behind(groups);
	if (r < 0)
		return r;
	*ret_groups = steal_ptr(&groups);
	return 0;
}

static int make_base(struct groups *groups)
{
	if (groups->base_fd >= 0)
		return 0;
	if (mkdirat(groups->root_fd, groups->base, 0755) < 0 && errno != EEXIST)
		return -errno;
	groups->base_fd = open_directory(groups->root_fd, groups->base);
	return groups->base_fd < 0 ? groups->base_fd : 0;
}

/* A descriptor of run-<last_number>, or a negative errno. */
static int make_directory(struct groups *groups)
{
	char name[GROUP_NAME_LEN];

	for (int attempt = 0; attempt < CREATE_ATTEMPTS; attempt++) {
		group_name(++groups->last_number, name);
		if (mkdirat(groups->base_fd, name, 0755) == 0)
			return open_directory(groups->base_fd, name);
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int move_process(const struct group *group, pid_t pid)
{
	_cleanup_(closep) int fd = openat(group->fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", (int)pid);

	if (fd < 0 || write(fd, text, (size_t)len) != len)
		return -errno;
	return 0;
}

int groups_create(struct groups *groups, pid_t pid, uint64_t *ret_id)
{
	struct group *group;
	int r = make_base(groups);

	if (r == 0)
		r = make_directory(groups);
	if (r >= 0)
		r = add_group(groups, groups->last_number, r, &group);
	if (r < 0)
		return r;
	r = move_process(group, pid);
	if (r < 0) {
		remove_group(groups, group);
		return r;
	}
	*ret_id = group->id;
	return 0;
}

int groups_remove(struct groups *groups, uint64_t id)
{
	struct group *group;

	HASH_FIND(hh, groups->table, &id, sizeof(id), group);
	return group ? remove_group(groups, group) : -ENOENT;
}

int groups_fd(const struct groups *groups)
{
	return groups->inotify_fd;
}

static struct group *find_watch(const struct groups *groups, int watch)
{
	struct group *group, *next;

	HASH_ITER(hh, groups->table, group, next)
		if (group->watch == watch)
			return group;
	return NULL;
}

int groups_dispatch(struct groups *groups, void (*emptied)(void *user_data, uint64_t id),
		    void *user_data)
{
	_Alignas(struct inotify_event) char buffer[4096];
	const struct inotify_event *event;
	const struct group *group;
	ssize_t n;

	while ((n = read(groups->inotify_fd, buffer, sizeof(buffer))) > 0) {
		for (char *at = buffer; at < buffer + n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			group = find_watch(groups, event->wd);
			if (group && !is_populated(group))
				emptied(user_data, group->id);
		}
	}
	return n < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
}

void groups_visit(const struct groups *groups,
		  void (*visit)(void *user_data, uint64_t id, bool populated), void *user_data)
{
	struct group *group, *next;

	HASH_ITER(hh, groups->table, group, next)
		visit(user_data, group->id, is_populated(group));
}
