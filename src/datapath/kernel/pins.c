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
#define PIN_PATH_LEN (PATH_MAX / 2 + 64)

static bool is_bpffs(const char *path)
{
	struct statfs fs;

	return statfs(path, &fs) == 0 && (uint32_t)fs.f_type == BPF_FS_MAGIC;
}

static int find_bpffs(struct pins *pins)
{
	char parent[sizeof(pins->mount)];
	const char *candidates[] = { BPFFS, "/proc/1/root" BPFFS, parent };

	snprintf(parent, sizeof(parent), "/proc/%d/root" BPFFS, (int)getppid());
	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		if (is_bpffs(candidates[i])) {
			snprintf(pins->mount, sizeof(pins->mount), "%s", candidates[i]);
			return 0;
		}
	}
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return -errno;
	snprintf(pins->mount, sizeof(pins->mount), "%s", BPFFS);
	pins->mounted = true;
	return 0;
}

static int make_folder(const char *path)
{
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/*
 * The folder may be removed by its last owner between our opening and locking it: then it is
 * another one.
 */
static int lock_folder(const char *path, int *ret_fd)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	struct stat locked, named;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (fstat(fd, &locked) < 0 || stat(path, &named) < 0)
		return -errno;
	if (locked.st_ino != named.st_ino)
		return -ENOENT;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static int take_folder(struct pins *pins, uint64_t namespace_inode)
{
	char base[sizeof(pins->mount) + sizeof(FOLDER) + 1];
	int r;

	snprintf(base, sizeof(base), "%s/" FOLDER, pins->mount);
	snprintf(pins->folder, sizeof(pins->folder), "%s/%" PRIu64, base, namespace_inode);
	for (int attempt = 0; attempt < 3; attempt++) {
		r = make_folder(base);
		if (r == 0)
			r = make_folder(pins->folder);
		if (r == 0)
			r = lock_folder(pins->folder, &pins->lock_fd);
		if (r != -ENOENT)
			return r;
	}
	return -ENOENT;
}

int pins_open(struct pins *pins, uint64_t namespace_inode)
{
	int r;

	*pins = (struct pins){ .lock_fd = -1 };
	r = find_bpffs(pins);
	if (r == 0)
		r = take_folder(pins, namespace_inode);
	if (r < 0)
		pins_close(pins, false);
	return r;
}

bool pins_available(const struct pins *pins)
{
	return pins->lock_fd >= 0;
}

static void pin_path(const struct pins *pins, const char *name, char ret_path[static PIN_PATH_LEN])
{
	snprintf(ret_path, PIN_PATH_LEN, "%s/%s", pins->folder, name);
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

	if (!pins_available(pins))
		return;
	directory = opendir(pins->folder);
	if (!directory)
		return;
	while ((entry = readdir(directory)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(directory), entry->d_name, 0);
}

static void remove_folder(const struct pins *pins)
{
	char base[sizeof(pins->mount) + sizeof(FOLDER) + 1];

	pins_clear(pins);
	rmdir(pins->folder);
	/* Fails, rightly, while daemons of other namespaces have theirs. */
	snprintf(base, sizeof(base), "%s/" FOLDER, pins->mount);
	rmdir(base);
}

void pins_close(struct pins *pins, bool remove)
{
	if (pins_available(pins)) {
		if (remove)
			remove_folder(pins);
		close(pins->lock_fd);
		pins->lock_fd = -1;
	}
	if (remove && pins->mounted)
		umount2(BPFFS, UMOUNT_NOFOLLOW);
	pins->mounted = false;
}
