/* SPDX-License-Identifier: MIT */
/* kept.c: see kept.h. */
#include "datapath/kernel/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "base/cleanup.h"

#define MAGIC "GWqueue1"
#define PATH_LEN 4096

/* Only daemons on this machine read it, so numbers are as they are in memory. */
struct kept_header {
	char magic[8];
	uint32_t len;
	uint32_t sum; /* of the bytes that follow: a file that was cut or patched is no queue */
};

static uint32_t sum_of(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint32_t sum = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ bytes[i]) * 16777619u;
	return sum;
}

static int path_of(const char *folder, const char *link, const char *end,
		   char ret_path[static PATH_LEN])
{
	int n;

	if (!folder)
		return -ENOENT;
	if (link[0] == 0 || strchr(link, '/'))
		return -EINVAL;
	n = snprintf(ret_path, PATH_LEN, "%s/%s.%s", folder, link, end);
	return n < PATH_LEN ? 0 : -ENAMETOOLONG;
}

static int write_file(const char *path, const void *data, size_t len)
{
	struct kept_header header = { .len = (uint32_t)len, .sum = sum_of(data, len) };
	const struct iovec parts[] = {
		{ .iov_base = &header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)data, .iov_len = len },
	};
	_cleanup_(closep) int fd = -1;
	ssize_t n;

	memcpy(header.magic, MAGIC, sizeof(header.magic));
	/* Whatever lies there is not written into: it may be a link to elsewhere. */
	if (unlink(path) < 0 && errno != ENOENT)
		return -errno;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	n = writev(fd, parts, 2);
	if (n < 0)
		return -errno;
	return (size_t)n == sizeof(header) + len ? 0 : -ENOSPC;
}

/* The folder above it, /run/greenwave, is everyone's way to the daemon's socket. */
static int make_folder(const char *folder)
{
	char above[PATH_LEN];
	char *slash;
	int r = mkdir(folder, 0700) < 0 ? -errno : 0;

	if (r != -ENOENT)
		return r == -EEXIST ? 0 : r;
	snprintf(above, sizeof(above), "%s", folder);
	slash = strrchr(above, '/');
	if (!slash || slash == above)
		return r;
	*slash = '\0';
	/* Whatever the mask of whoever starts the daemon. */
	if (mkdir(above, 0755) == 0 && chmod(above, 0755) < 0)
		return -errno;
	r = mkdir(folder, 0700) < 0 ? -errno : 0;
	return r == -EEXIST ? 0 : r;
}

int kept_write(const char *folder, const char *link, const void *data, size_t len)
{
	char path[PATH_LEN], next[PATH_LEN];
	int r = path_of(folder, link, "queue", path);

	if (r == 0)
		r = path_of(folder, link, "queue.new", next);
	if (r < 0)
		return r;
	if (len > KEPT_MAX)
		return -E2BIG;
	r = make_folder(folder);
	if (r < 0)
		return r;
	r = write_file(next, data, len);
	if (r == 0 && rename(next, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(next);
	return r;
}

int kept_parse(const void *bytes, size_t len, const void **ret_data, size_t *ret_len)
{
	const uint8_t *data = (const uint8_t *)bytes + sizeof(struct kept_header);
	struct kept_header header;

	if (len < sizeof(header))
		return -EINVAL;
	memcpy(&header, bytes, sizeof(header));
	if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0 ||
	    header.len != len - sizeof(header) || header.sum != sum_of(data, header.len))
		return -EINVAL;
	*ret_data = data;
	*ret_len = header.len;
	return 0;
}

/* Only a plain file, of ours and of nobody's else. */
static int open_file(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat stat;

	if (fd < 0)
		return errno == ELOOP ? -EINVAL : -errno;
	if (fstat(fd, &stat) < 0)
		return -errno;
	if (!S_ISREG(stat.st_mode) || stat.st_uid != geteuid() || (stat.st_mode & 022) != 0)
		return -EINVAL;
	return steal_fd(&fd);
}

int kept_read(const char *folder, const char *link, void **ret_data, size_t *ret_len)
{
	const size_t room = sizeof(struct kept_header) + KEPT_MAX + 1;
	_cleanup_(freep) uint8_t *bytes = malloc(room);
	_cleanup_(closep) int fd = -1;
	char path[PATH_LEN];
	const void *data;
	size_t len;
	ssize_t n;
	int r = path_of(folder, link, "queue", path);

	if (r < 0)
		return r;
	if (!bytes)
		return -ENOMEM;
	fd = open_file(path);
	if (fd < 0)
		return fd;
	n = read(fd, bytes, room);
	if (n < 0)
		return -errno;
	r = kept_parse(bytes, (size_t)n, &data, &len);
	if (r < 0)
		return r;
	*ret_data = malloc(len + 1);
	if (!*ret_data)
		return -ENOMEM;
	memcpy(*ret_data, data, len);
	*ret_len = len;
	return 0;
}

void kept_remove(const char *folder, const char *link)
{
	char path[PATH_LEN];

	if (path_of(folder, link, "queue", path) == 0)
		(void)unlink(path);
}
