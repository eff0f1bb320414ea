/* SPDX-License-Identifier: MIT */
/* template_store.c: see template_store.h. */
#include "winqos/template_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".template"
#define INSTALLED_MAX 1024 /* that are listed */

static const char *folder(void)
{
	const char *named = secure_getenv("GREENWAVE_TEMPLATES");

	return named && *named ? named : GW_TEMPLATE_DIR;
}

/* What a file of that name is called: in small letters, and what is neither letter nor digit in numbers. */
static int path_of(const char *name, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/", folder());
	size_t length = (size_t)n;

	if (n < 0 || length + 3 * strlen(name) + sizeof(SUFFIX) > size)
		return -ENAMETOOLONG;
	for (; *name; name++) {
		unsigned char c = (unsigned char)*name;

		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')
			path[length++] = (char)c;
		else
			length += (size_t)sprintf(path + length, "_%02x", c);
	}
	strcpy(path + length, SUFFIX);
	return 0;
}

/* ---- reading ---- */

static int load_path(const char *path, struct template *ret_template)
{
	char text[TEMPLATE_TEXT_MAX];
	struct stat status;
	size_t length = 0;
	ssize_t n = 1;
	int r, fd;

	/* What is no file there must not hold us up. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
	    status.st_size > TEMPLATE_TEXT_MAX)
		n = -1;
	while (n > 0 && length < sizeof(text)) {
		n = read(fd, text + length, sizeof(text) - length);
		length += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	r = n < 0 ? -EBADMSG : template_read(text, length, ret_template);
	return r;
}

int template_load(const char *name, struct template *ret_template)
{
	char path[PATH_MAX];
	int r = path_of(name, path, sizeof(path));

	if (r < 0)
		return -ENOENT;
	r = load_path(path, ret_template);
	/* Nobody but an administrator could put this right. */
	if (r == -EBADMSG || r == -ELOOP ||
	    (r == 0 && !template_is_named(ret_template->name, name)))
		return -ENOENT;
	return r;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *read_entry(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);
	char path[PATH_MAX], own_path[PATH_MAX];
	struct template template;

	if (length <= suffix || strcmp(entry->d_name + length - suffix, SUFFIX) != 0 ||
	    entry->d_name[0] == '.')
		return NULL;
	if (snprintf(path, sizeof(path), "%s/%s", folder(), entry->d_name) >= (int)sizeof(path))
		return NULL;
	/* Under the name of another it would not be found. */
	if (load_path(path, &template) < 0 ||
	    path_of(template.name, own_path, sizeof(own_path)) < 0 || strcmp(path, own_path) != 0)
		return NULL;
	return strdup(template.name);
}

size_t template_list(char ***ret_names)
{
	char **names = calloc(INSTALLED_MAX, sizeof(*names));
	DIR *dir = names ? opendir(folder()) : NULL;
	const struct dirent *entry;
	size_t n = 0;

	while (dir && n < INSTALLED_MAX && (entry = readdir(dir))) {
		names[n] = read_entry(entry);
		n += names[n] != NULL;
	}
	if (dir)
		closedir(dir);
	if (n > 0)
		qsort(names, n, sizeof(*names), compare_names);
	*ret_names = names;
	return n;
}

/* ---- writing ---- */

/* The folder and the one above it. */
static int make_folder(void)
{
	char above[PATH_MAX];
	char *end;

	if (mkdir(folder(), 0755) == 0 || errno == EEXIST)
		return 0;
	if (errno != ENOENT || snprintf(above, sizeof(above), "%s", folder()) >= (int)sizeof(above))
		return -errno;
	end = strrchr(above, '/');
	if (!end)
		return -ENOENT;
	*end = '\0';
	if (mkdir(above, 0755) < 0 && errno != EEXIST)
		return -errno;
	return mkdir(folder(), 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

static int sync_folder(void)
{
	int r = 0, fd = open(folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		r = -errno;
	if (fd >= 0)
		close(fd);
	return r;
}

static int write_all(int fd, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, text, length);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		length -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Everybody may read it. */
static int write_file(int fd, const struct template *template)
{
	char text[TEMPLATE_TEXT_MAX];
	int r = write_all(fd, text, template_write(template, text));

	if (r == 0 && (fchmod(fd, 0644) < 0 || fsync(fd) < 0))
		r = -errno;
	return r;
}

int template_save(const struct template *template)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	int r, fd;

	r = path_of(template->name, path, sizeof(path));
	if (r == 0)
		r = make_folder();
	if (r < 0)
		return r;
	if (snprintf(fresh, sizeof(fresh), "%s/.new-XXXXXX", folder()) >= (int)sizeof(fresh))
		return -ENAMETOOLONG;
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = write_file(fd, template);
	close(fd);
	if (r == 0 && rename(fresh, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(fresh);
	return r < 0 ? r : sync_folder();
}

int template_delete(const char *name)
{
	struct template template;
	char path[PATH_MAX];
	int r = template_load(name, &template);

	if (r == 0)
		r = path_of(name, path, sizeof(path));
	if (r == 0 && unlink(path) < 0)
		r = -errno;
	return r < 0 ? r : sync_folder();
}
