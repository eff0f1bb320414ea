/* SPDX-License-Identifier: MIT */
/*
 * groups.c: see groups.h. Everything goes through directory descriptors: the hierarchy may be
 * mounted nowhere. Emptiness is told by inotify on cgroup.events, reached through our own
 * descriptor's name in /proc. The kernel puts such a message off for some milliseconds, and forgets
 * it if the group is removed meanwhile; so the directory above is watched too.
 */
#include "datapath/kernel/groups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <uthash.h>

#include "base/cleanup.h"
#include "bpf/gw_bpf.h"
#include "datapath/kernel/cgroup.h"

#define GROUP_NAME_LEN 64
#define CREATE_ATTEMPTS 1000
#define DEPTH_MAX 16
#define READS_PER_TURN 16

struct group {
	uint64_t id;
	uint32_t number;
	uint32_t level;
	int fd;
	int watch;
	struct parent *parent;
	UT_hash_handle hh;	  /* by id */
	UT_hash_handle by_watch;  /* by watch */
	UT_hash_handle by_number; /* by number */
};

/* A directory with groups of ours. */
struct parent {
	int watch;
	unsigned n_groups;
	UT_hash_handle hh;
};

struct groups {
	struct groups_config config;
	int inotify_fd;
	uint32_t last_number;
	uint32_t n_at_level[GW_GROUP_LEVELS];
	struct group *table;
	struct group *watches;
	struct group *numbers;
	struct parent *parents;
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

static int watch(const struct groups *groups, int fd, uint32_t mask)
{
	char path[GROUP_NAME_LEN];
	int r;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = inotify_add_watch(groups->inotify_fd, path, mask);
	return r < 0 ? -errno : r;
}

/* Of one inode there is one watch. */
static struct parent *watch_parent(struct groups *groups, int group_fd)
{
	_cleanup_(closep) int fd = open_directory(group_fd, "..");
	struct parent *parent;
	int number = fd < 0 ? fd : watch(groups, fd, IN_DELETE | IN_ONLYDIR);

	if (number < 0)
		return NULL;
	HASH_FIND(hh, groups->parents, &number, sizeof(number), parent);
	if (!parent) {
		parent = calloc(1, sizeof(*parent));
		if (!parent)
			return NULL;
		parent->watch = number;
		HASH_ADD(hh, groups->parents, watch, sizeof(parent->watch), parent);
	}
	parent->n_groups++;
	return parent;
}

static void unwatch_parent(struct groups *groups, struct parent *parent)
{
	if (--parent->n_groups > 0)
		return;
	inotify_rm_watch(groups->inotify_fd, parent->watch);
	HASH_DEL(groups->parents, parent);
	free(parent);
}

static int watch_group(struct groups *groups, struct group *group)
{
	_cleanup_(closep) int fd = openat(group->fd, "cgroup.events", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	group->watch = watch(groups, fd, IN_MODIFY);
	if (group->watch < 0)
		return group->watch;
	group->parent = watch_parent(groups, group->fd);
	if (group->parent)
		return 0;
	inotify_rm_watch(groups->inotify_fd, group->watch);
	return -ENOMEM;
}

static struct group *free_group(struct group *group)
{
	closep(&group->fd);
	free(group);
	return NULL;
}

DEFINE_CLEANUP(struct group *, free_group);

/* The descriptor is the group's from then on, also on failure. */
static int add_group(struct groups *groups, uint32_t number, uint32_t level, int fd,
		     struct group **ret_group)
{
	_cleanup_(free_groupp) struct group *group = calloc(1, sizeof(*group));
	int r;

	if (!group) {
		close(fd);
		return -ENOMEM;
	}
	group->fd = fd;
	group->number = number;
	group->level = level;
	r = cgroup_id(fd, &group->id);
	if (r == 0)
		r = watch_group(groups, group);
	if (r < 0)
		return r;
	HASH_ADD(hh, groups->table, id, sizeof(group->id), group);
	HASH_ADD(by_watch, groups->watches, watch, sizeof(group->watch), group);
	HASH_ADD(by_number, groups->numbers, number, sizeof(group->number), group);
	groups->n_at_level[level]++;
	*ret_group = steal_ptr(&group);
	return 0;
}

static void forget_group(struct groups *groups, struct group *group)
{
	inotify_rm_watch(groups->inotify_fd, group->watch);
	HASH_DELETE(hh, groups->table, group);
	HASH_DELETE(by_watch, groups->watches, group);
	HASH_DELETE(by_number, groups->numbers, group);
	unwatch_parent(groups, group->parent);
	groups->n_at_level[group->level]--;
	free_group(group);
}

static void group_name(const struct groups *groups, uint32_t number,
		       char ret_name[static GROUP_NAME_LEN])
{
	snprintf(ret_name, GROUP_NAME_LEN, "greenwave.%" PRIu64 ".run-%" PRIu32,
		 groups->config.namespace_inode, number);
}

static bool is_ours(const struct groups *groups, const char *name, uint32_t *ret_number)
{
	uint64_t inode;
	int end = 0;

	return sscanf(name, "greenwave.%" SCNu64 ".run-%" SCNu32 "%n", &inode, ret_number, &end) ==
		       2 &&
	       name[end] == '\0' && inode == groups->config.namespace_inode;
}

/* A directory of our name: taken over if the group is known to be ours, else removed if it is empty. */
static void find_group(struct groups *groups, int at, const char *name, uint32_t number,
		       uint32_t level)
{
	_cleanup_(closep) int fd = open_directory(at, name);
	struct group *group;
	uint64_t id;

	if (fd < 0 || cgroup_id(fd, &id) < 0)
		return;
	if (number > groups->last_number)
		groups->last_number = number;
	if (groups->config.is_known(groups->config.user_data, id))
		add_group(groups, number, level, steal_fd(&fd), &group);
	else
		unlinkat(at, name, AT_REMOVEDIR);
}

/* All of the hierarchy is looked through as long as some are missing, else only what lies at its root. */
static void find_left_behind(struct groups *groups, int fd, uint32_t level)
{
	_cleanup_(closedir_cleanupp) DIR *directory = NULL;
	const struct dirent *entry;
	uint32_t number;

	if (level >= GW_GROUP_LEVELS || list_directory(fd, &directory) < 0)
		return;
	while ((entry = readdir(directory))) {
		_cleanup_(closep) int below = -1;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (is_ours(groups, entry->d_name, &number))
			find_group(groups, fd, entry->d_name, number, level);
		if (HASH_COUNT(groups->table) >= groups->config.n_known)
			continue;
		below = open_directory(fd, entry->d_name);
		if (below >= 0)
			find_left_behind(groups, below, level + 1);
	}
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
	_cleanup_(closep) int parent = -1;
	char name[GROUP_NAME_LEN];
	int r = 0;

	if (is_populated(group))
		return -EBUSY;
	group_name(groups, group->number, name);
	/* Whoever manages the group above may have removed ours. */
	parent = open_directory(group->fd, "..");
	if (parent >= 0)
		r = remove_tree(parent, name, 0);
	if (r < 0)
		return r;
	forget_group(groups, group);
	return 0;
}

struct groups *groups_close(struct groups *groups, bool remove)
{
	struct group *group, *next;

	if (!groups)
		return NULL;
	HASH_ITER(hh, groups->table, group, next) {
		if (!remove || remove_group(groups, group) < 0)
			forget_group(groups, group);
	}
	closep(&groups->inotify_fd);
	free(groups);
	return NULL;
}

int groups_open(const struct groups_config *config, struct groups **ret_groups)
{
	struct groups *groups = calloc(1, sizeof(*groups));

	if (!groups)
		return -ENOMEM;
	groups->config = *config;
	groups->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (groups->inotify_fd < 0) {
		free(groups);
		return -errno;
	}
	find_left_behind(groups, config->root->fd, config->root_level + 1);
	*ret_groups = groups;
	return 0;
}

uint32_t groups_levels(const struct groups *groups)
{
	uint32_t levels = 0;

	for (unsigned level = 0; level < GW_GROUP_LEVELS; level++)
		levels |= (uint32_t)(groups->n_at_level[level] > 0) << level;
	return levels;
}

/* A directory with the next number in its name. */
static int make_directory(struct groups *groups, int at, char ret_name[static GROUP_NAME_LEN])
{
	for (int attempt = 0; attempt < CREATE_ATTEMPTS; attempt++) {
		group_name(groups, ++groups->last_number, ret_name);
		if (mkdirat(at, ret_name, 0755) == 0)
			return 0;
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

static int make_group(struct groups *groups, int at, uint32_t level, struct group **ret_group)
{
	char name[GROUP_NAME_LEN];
	int fd, r;

	r = make_directory(groups, at, name);
	if (r < 0)
		return r;
	fd = open_directory(at, name);
	r = fd < 0 ? fd : add_group(groups, groups->last_number, level, fd, ret_group);
	if (r < 0)
		unlinkat(at, name, AT_REMOVEDIR);
	return r;
}

int groups_create(struct groups *groups, pid_t pid, uint64_t *ret_id)
{
	const struct groups_config *config = &groups->config;
	_cleanup_(closep) int above = -1;
	char path[CGROUP_PATH_LEN];
	struct group *group;
	uint32_t level;
	int r;

	r = cgroup_path_of(config->root, pid, path);
	if (r < 0)
		return r;
	level = config->root_level + (uint32_t)cgroup_path_depth(path) + 1;
	if (level >= GW_GROUP_LEVELS)
		return -EOPNOTSUPP;
	above = open_directory(config->root->fd, path);
	if (above < 0)
		return above;
	r = make_group(groups, above, level, &group);
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

/* The group that a message of inotify is about: of its own file, or of the directory above. */
static struct group *group_of(const struct groups *groups, const struct inotify_event *event)
{
	struct group *group = NULL;
	uint32_t number;

	if (!(event->mask & IN_DELETE))
		HASH_FIND(by_watch, groups->watches, &event->wd, sizeof(event->wd), group);
	else if (event->len > 0 && is_ours(groups, event->name, &number))
		HASH_FIND(by_number, groups->numbers, &number, sizeof(number), group);
	return group;
}

static void dispatch_all(struct groups *groups, void (*emptied)(void *user_data, uint64_t id),
			 void *user_data)
{
	struct group *group, *next;

	HASH_ITER(hh, groups->table, group, next) {
		if (!is_populated(group))
			emptied(user_data, group->id);
	}
}

static void dispatch(struct groups *groups, const struct inotify_event *event,
		     void (*emptied)(void *user_data, uint64_t id), void *user_data)
{
	const struct group *group;

	if (event->mask & IN_Q_OVERFLOW) {
		dispatch_all(groups, emptied, user_data);
		return;
	}
	group = group_of(groups, event);
	if (group && !is_populated(group))
		emptied(user_data, group->id);
}

int groups_dispatch(struct groups *groups, void (*emptied)(void *user_data, uint64_t id),
		    void *user_data)
{
	_Alignas(struct inotify_event) char buffer[4096];
	const struct inotify_event *event;
	ssize_t n = 0;

	for (int i = 0; i < READS_PER_TURN; i++) {
		n = read(groups->inotify_fd, buffer, sizeof(buffer));
		if (n <= 0)
			break;
		for (char *at = buffer; at < buffer + n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			dispatch(groups, event, emptied, user_data);
		}
	}
	return n < 0 && errno != EAGAIN && errno != EINTR ? -errno : 0;
}

pid_t groups_process(const struct groups *groups, uint64_t id)
{
	_cleanup_(closep) int fd = -1;
	struct group *group;
	char text[32];
	ssize_t n;

	HASH_FIND(hh, groups->table, &id, sizeof(id), group);
	fd = group ? openat(group->fd, "cgroup.procs", O_RDONLY | O_CLOEXEC) : -1;
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return (pid_t)strtol(text, NULL, 10);
}

void groups_visit(const struct groups *groups,
		  void (*visit)(void *user_data, uint64_t id, bool populated), void *user_data)
{
	struct group *group, *next;

	HASH_ITER(hh, groups->table, group, next)
		visit(user_data, group->id, is_populated(group));
}
