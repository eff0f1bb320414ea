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

/* Below the root of our cgroup namespace; ".." leads out of it. */
int cgroup_path_depth(const char *path)
{
	int depth = 0;

	while (*path) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/\n");
		if (len == 0)
			break;
		if (len == 2 && strncmp(path, "..", 2) == 0)
			depth--;
		else if (len != 1 || *path != '.')
			depth++;
		path += len;
	}
	return depth;
}

/* The first mounted hierarchy we can really open; another mount may lie over it. */
static int find_mounted(struct cgroup_root *ret_root)
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
		if (strlen(mount.root) >= sizeof(ret_root->path))
			return -ENAMETOOLONG;
		strcpy(ret_root->path, strcmp(mount.root, "/") == 0 ? "" : mount.root);
		ret_root->fd = steal_fd(&fd);
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

int cgroup_root_open(struct cgroup_root *ret_root)
{
	int r = find_mounted(ret_root);

	if (r == 0)
		return 0;
	/* It shows the root of our cgroup namespace. */
	ret_root->path[0] = '\0';
	return mount_detached(&ret_root->fd);
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

/* As /proc tells it: below the root of our cgroup namespace. */
static int read_path(const char *process, char ret_path[static CGROUP_PATH_LEN])
{
	char name[64];
	_cleanup_(freep) char *line = NULL;
	_cleanup_(fclosep) FILE *groups = NULL;
	size_t size = 0;

	snprintf(name, sizeof(name), "/proc/%s/cgroup", process);
	groups = fopen(name, "re");
	if (!groups)
		return errno == ENOENT ? -ESRCH : -errno;
	while (getline(&line, &size, groups) > 0) {
		if (strncmp(line, "0::", 3) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (strlen(line + 3) >= CGROUP_PATH_LEN)
			return -ENAMETOOLONG;
		strcpy(ret_path, line + 3);
		return 0;
	}
	return -EOPNOTSUPP;
}

static bool leads_out(const char *path)
{
	for (; path; path = strchr(path, '/')) {
		path += strspn(path, "/");
		if (strncmp(path, "..", 2) == 0 && (path[2] == '/' || path[2] == '\0'))
			return true;
	}
	return false;
}

int cgroup_path_of(const struct cgroup_root *root, pid_t pid, char ret_path[static CGROUP_PATH_LEN])
{
	size_t len = strlen(root->path);
	char process[16], path[CGROUP_PATH_LEN];
	const char *below;
	int r;

	snprintf(process, sizeof(process), "%d", (int)pid);
	r = read_path(process, path);
	if (r < 0)
		return r;
	if (strncmp(path, root->path, len) != 0 || (path[len] != '/' && path[len] != '\0') ||
	    leads_out(path + len))
		return -EOPNOTSUPP;
	below = path + len + strspn(path + len, "/");
	strcpy(ret_path, *below ? below : ".");
	return 0;
}

int cgroup_root_level(const struct cgroup_root *root, int current_level, uint32_t *ret_level)
{
	char own[CGROUP_PATH_LEN];
	int level;
	int r = read_path("self", own);

	if (r < 0)
		return r;
	level = current_level - cgroup_path_depth(own) + cgroup_path_depth(root->path);
	if (level < 0)
		return -ERANGE;
	*ret_level = (uint32_t)level;
	return 0;
}
