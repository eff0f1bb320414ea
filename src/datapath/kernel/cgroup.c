/* SPDX-License-Identifier: MIT */
/* cgroup.c: see cgroup.h. */
#include "datapath/kernel/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/cleanup.h"

/*
 * A mount table line: id, parent, device, root, mount point, options, optional fields, "-", type.
 */
struct mount_line {
	char *root;
	char *point;
};

/* Blanks, tabs, newlines and backslashes in paths stand as octal escapes there. */
static void unescape(char *text)
{
	char *out = text;
	unsigned value;

	while (*text) {
		if (text[0] == '\\' && sscanf(text + 1, "%3o", &value) == 1 && strlen(text) >= 4) {
			*out++ = (char)value;
			text += 4;
		} else {
			*out++ = *text++;
		}
	}
	*out = '\0';
}

static bool parse_mount(char *line, struct mount_line *ret_mount)
{
	char *type = strstr(line, " - cgroup2 "), *save = NULL, *field;
	struct mount_line mount = { 0 };
	int number = 0;

	if (!type)
		return false;
	*type = '\0';
	for (field = strtok_r(line, " ", &save); field; field = strtok_r(NULL, " ", &save)) {
		number++;
		if (number == 4)
			mount.root = field;
		if (number == 5)
			mount.point = field;
	}
	if (!mount.root || !mount.point)
		return false;
	unescape(mount.root);
	unescape(mount.point);
	*ret_mount = mount;
	return true;
}

/* Depth below the root of our cgroup namespace; ".." leads out of it. */
static int path_depth(const char *path)
{
	int depth = 0;

	while (*path) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/\n");
		if (len == 0)
			break;
		depth += len == 2 && strncmp(path, "..", 2) == 0 ? -1 : 1;
		path += len;
	}
	return depth;
}

/* The first mounted hierarchy we can really open; another mount may lie over it. */
static int find_mounted(int *ret_fd, int *ret_depth)
{
	_cleanup_(fclosep) FILE *table = fopen("/proc/self/mountinfo", "re");
	_cleanup_(freep) char *line = NULL;
	size_t size = 0;

	if (!table)
		return -errno;
	while (getline(&line, &size, table) > 0) {
		_cleanup_(closep) int fd = -1;
		struct mount_line mount;
		struct statfs fs;

		if (!parse_mount(line, &mount))
			continue;
		fd = open(mount.point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || fstatfs(fd, &fs) < 0 || (uint32_t)fs.f_type != CGROUP2_SUPER_MAGIC)
			continue;
		*ret_depth = path_depth(mount.root);
		*ret_fd = steal_fd(&fd);
		return 0;
	}
	return -ENOENT;
}

/*
 * glibc has these calls only since 2.36. The mount hangs nowhere and goes with the last descriptor.
 */
static int mount_detached(int *ret_fd)
{
	_cleanup_(closep) int context = (int)syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC);
	_cleanup_(closep) int mounted = -1;
	int fd;

	if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mounted = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0);
	if (mounted < 0)
		return -errno;
	fd = openat(mounted, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

int cgroup_root_open(int *ret_fd)
{
	int depth;

	return find_mounted(ret_fd, &depth) == 0 ? 0 : mount_detached(ret_fd);
}

int cgroup_id(int directory_fd, uint64_t *ret_id)
{
	union {
		struct file_handle handle;
		char space[sizeof(struct file_handle) + sizeof(uint64_t)];
	} u = { .handle.handle_bytes = sizeof(uint64_t) };
	int mount_id;

	if (name_to_handle_at(directory_fd, "", &u.handle, &mount_id, AT_EMPTY_PATH) < 0)
		return -errno;
	memcpy(ret_id, u.handle.f_handle, sizeof(*ret_id));
	return 0;
}

static int own_depth(int *ret_depth)
{
	_cleanup_(fclosep) FILE *groups = fopen("/proc/self/cgroup", "re");
	_cleanup_(freep) char *line = NULL;
	size_t size = 0;

	if (!groups)
		return -errno;
	while (getline(&line, &size, groups) > 0) {
		if (strncmp(line, "0::", 3) == 0) {
			*ret_depth = path_depth(line + 3);
			return 0;
		}
	}
	return -ENOENT;
}

int cgroup_root_level(int current_level, uint32_t *ret_level)
{
	_cleanup_(closep) int fd = -1;
	int own = 0, root, level;
	int r = own_depth(&own);

	if (r < 0)
		return r;
	/* A detached mount shows the root of our cgroup namespace. */
	if (find_mounted(&fd, &root) < 0)
		root = 0;
	level = current_level - own + root;
	if (level < 0)
		return -ERANGE;
	*ret_level = (uint32_t)level;
	return 0;
}
