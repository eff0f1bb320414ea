/* SPDX-License-Identifier: MIT */
/*
 * log.c: formats a message and writes it to standard error in one piece. State is a handful of process-wide
 * variables, set at start; the daemon and the command line have one thread.
 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEBUG_MODULES_MAX 16
#define MODULE_NAME_MAX 31
#define LINE_MAX_BYTES 1024

static char debug_modules[DEBUG_MODULES_MAX][MODULE_NAME_MAX + 1];
static size_t debug_modules_count;
static bool debug_all;

int log_set_debug(const char *modules)
{
	char names[DEBUG_MODULES_MAX][MODULE_NAME_MAX + 1] = { 0 };
	size_t count = 0;
	bool all = false;

	for (const char *next = modules; next && *modules;) {
		size_t len = strcspn(next, ",");

		if (len == 0 || len > MODULE_NAME_MAX)
			return -EINVAL;
		if (count == DEBUG_MODULES_MAX)
			return -E2BIG;
		memcpy(names[count], next, len);
		all = all || strcmp(names[count], "all") == 0;
		count++;
		next = next[len] ? next + len + 1 : NULL;
	}
	memcpy(debug_modules, names, sizeof(names));
	debug_modules_count = count;
	debug_all = all;
	return 0;
}

static bool module_is_debugged(const char *module)
{
	if (debug_all)
		return true;
	for (size_t i = 0; i < debug_modules_count; i++)
		if (strcmp(debug_modules[i], module) == 0)
			return true;
	return false;
}

bool log_enabled(enum log_level level, const char *module)
{
	return level <= LOG_LEVEL_INFO || (level == LOG_LEVEL_DEBUG && module_is_debugged(module));
}

/*
 * systemd.exec(5): JOURNAL_STREAM names device and inode of the stream it gave us. A descendant that
 * redirected its standard error still has the variable, hence the comparison.
 */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARNING:
		return "warning";
	case LOG_LEVEL_NOTICE:
		return "notice";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "error";
}

static void write_all(const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nobody to tell */
		bytes += n;
		len -= (size_t)n;
	}
}

/* What vsnprintf() says it would have written, cut to what fits into `room`. */
static size_t fitted(int would_be, size_t room)
{
	if (would_be < 0)
		return 0;
	return (size_t)would_be < room ? (size_t)would_be : room - 1;
}

void log_write(enum log_level level, const char *module, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	int saved = errno;
	size_t prefix, len;
	va_list ap;

	if (stderr_is_journal())
		len = fitted(snprintf(line, sizeof(line) - 1, "<%d>%s: ", (int)level, module),
			     sizeof(line) - 1);
	else
		len = fitted(snprintf(line, sizeof(line) - 1, "%s: %s: ", level_name(level),
				      module),
			     sizeof(line) - 1);
	prefix = len;

	errno = saved; /* for %m */
	va_start(ap, format);
	len += fitted(vsnprintf(line + len, sizeof(line) - 1 - len, format, ap),
		      sizeof(line) - 1 - len);
	va_end(ap);

	for (size_t i = prefix; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	write_all(line, len);
	errno = saved;
}

bool log_limit_allow(struct log_limit *limit, uint64_t now_us, uint64_t *ret_suppressed)
{
	if (limit->started_us == 0 || now_us - limit->started_us >= limit->interval_us) {
		limit->started_us = now_us ? now_us : 1;
		limit->used = 0;
	}
	if (limit->used >= limit->burst) {
		limit->suppressed++;
		return false;
	}
	limit->used++;
	*ret_suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}
