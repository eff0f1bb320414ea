/* SPDX-License-Identifier: MIT */
/*
 * pins.c: see pins.h. `ip netns exec` covers /sys by a fresh sysfs, without bpffs; the one of the
 * rest of the system is then still reachable through the root directory of init or of our parent. A
 * mount of our own is the last resort: in a private mount namespace it dies with us, and pins with
 * it.
 */
#include "datapath/kernel/pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"

#define BPFFS "/sys/fs/bpf"
#define FOLDER "greenwave"
#define PIN_PATH_LEN 64

static int open_directory(int at, const char *path, int *ret_fd)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int open_bpffs(const char *path, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	struct statfs fs;
	int r = open_directory(AT_FDCWD, path, &fd);

	if (r < 0)
		return r;
	if (fstatfs(fd, &fs) < 0 || (uint32_t)fs.f_type != BPF_FS_MAGIC)
		return -ENOENT;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int find_bpffs(struct pins *pins)
{
	char parent[64];
	const char *candidates[] = { BPFFS, "/proc/1/root" BPFFS, parent };

	snprintf(parent, sizeof(parent), "/proc/%d/root" BPFFS, (int)getppid());
	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		if (open_bpffs(candidates[i], &pins->mount_fd) == 0)
			return 0;
	}
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return -errno;
	pins->mounted = true;
	return open_bpffs(BPFFS, &pins->mount_fd);
}

/*
 * Where bpffs is open to everyone, as it is unless systemd mounts it, a folder of our name may be somebody else's, who
 * could put maps of his own into it.
 */
static bool is_private(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	       (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int take_directory(int at, const char *name, int *ret_fd)
{
	closep(ret_fd);
	*ret_fd = -1;
	for (int attempt = 0; attempt < 2; attempt++) {
		_cleanup_(closep) int fd = -1;
		int r;

		if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
			return -errno;
		r = open_directory(at, name, &fd);
		if (r < 0)
			return r;
		if (is_private(fd)) {
			*ret_fd = steal_fd(&fd);
			return 0;
		}
		unlinkat(at, name, AT_REMOVEDIR); /* if it is empty */
	}
	return -EPERM;
}

/*
 * The folder may be removed by its last owner between our opening and locking it: then it is
 * another one.
 */
static int lock_folder(const struct pins *pins)
{
	struct stat locked, named;

	if (flock(pins->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fstat(pins->lock_fd, &locked) < 0 ||
	    fstatat(pins->base_fd, pins->folder, &named, 0) < 0)
		return -errno;
	return locked.st_ino == named.st_ino ? 0 : -ENOENT;
}

static int take_folder(struct pins *pins, uint64_t namespace_inode)
{
	int r;

	snprintf(pins->folder, sizeof(pins->folder), "%" PRIu64, namespace_inode);
	for (int attempt = 0; attempt < 3; attempt++) {
		r = take_directory(pins->mount_fd, FOLDER, &pins->base_fd);
		if (r == 0)
			r = take_directory(pins->base_fd, pins->folder, &pins->lock_fd);
		if (r == 0)
			r = lock_folder(pins);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

static void close_directories(struct pins *pins)
{
	closep(&pins->lock_fd);
	closep(&pins->base_fd);
	closep(&pins->mount_fd);
	pins->lock_fd = pins->base_fd = pins->mount_fd = -1;
}

int pins_open(struct pins *pins, uint64_t namespace_inode)
{
	int r;

	*pins = (struct pins){ .mount_fd = -1, .base_fd = -1, .lock_fd = -1 };
	r = find_bpffs(pins);
	if (r == 0)
		r = take_folder(pins, namespace_inode);
	if (r < 0)
		close_directories(pins);
	return r;
}

bool pins_available(const struct pins *pins)
{
	return pins->lock_fd >= 0;
}

static void pin_path(const struct pins *pins, const char *name, char ret_path[static PIN_PATH_LEN])
{
	snprintf(ret_path, PIN_PATH_LEN, "/proc/self/fd/%d/%s", pins->lock_fd, name);
}

int pins_get(const struct pins *pins, const char *name)
{
	char path[PIN_PATH_LEN];

	if (!pins_available(pins))
		return -ENOENT;
	pin_path(pins, name, path);
	return bpf_obj_get(path);
}

int pins_put(const struct pins *pins, const char *name, int fd)
{
	char path[PIN_PATH_LEN], fresh[PIN_PATH_LEN];
	int r;

	if (!pins_available(pins))
		return 0;
	pin_path(pins, name, path);
	pin_path(pins, "new", fresh);
	unlink(fresh);
	r = bpf_obj_pin(fd, fresh);
	if (r < 0)
		return r;
	if (rename(fresh, path) < 0) {
		r = -errno;
		unlink(fresh);
	}
	return r;
}

void pins_drop(const struct pins *pins, const char *name)
{
	char path[PIN_PATH_LEN];

	if (!pins_available(pins))
		return;
	pin_path(pins, name, path);
	unlink(path);
}

static void closedir_cleanup(DIR *directory)
{
	closedir(directory);
}

DEFINE_CLEANUP(DIR *, closedir_cleanup);

void pins_clear(const struct pins *pins)
{
	_cleanup_(closedir_cleanupp) DIR *directory = NULL;
	const struct dirent *entry;
	int copy = -1;

	if (!pins_available(pins) || open_directory(pins->lock_fd, ".", &copy) < 0)
		return;
	directory = fdopendir(copy);
	if (!directory) {
		close(copy);
		return;
	}
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			unlinkat(pins->lock_fd, entry->d_name, 0);
}

static void remove_folder(const struct pins *pins)
{
	pins_clear(pins);
	unlinkat(pins->base_fd, pins->folder, AT_REMOVEDIR);
	/* Fails, rightly, while daemons of other namespaces have theirs. */
	unlinkat(pins->mount_fd, FOLDER, AT_REMOVEDIR);
}

void pins_close(struct pins *pins, bool remove)
{
	if (pins_available(pins)) {
		if (remove)
			remove_folder(pins);
		close_directories(pins);
	}
	if (remove && pins->mounted)
		umount2(BPFFS, UMOUNT_NOFOLLOW);
	pins->mounted = false;
}
