/* SPDX-License-Identifier: MIT */
/*
 * connect.c: finding an engine: the daemon's socket, or the embedded engine in this process.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/time.h"
#include "lib/client.h"

#define DEFAULT_SOCKET "/run/greenwave/socket"
#define EMBEDDED_LIBRARY "libgreenwave-embedded.so.0"

static int connect_daemon(const char *path, int *ret_fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = ANSWER_US / USEC_PER_SEC };
	_cleanup_(closep) int fd = -1;
	uint64_t started_us;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* A daemon that is there but hangs must not hang its clients. */
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -errno;
	started_us = time_now_us();
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (errno == EINTR && time_now_us() - started_us < ANSWER_US)
			continue;
		return errno == EAGAIN || errno == EINTR ? -ETIMEDOUT : -errno;
	}
	*ret_fd = steal_fd(&fd);
	return 0;
}

/*
 * Who has lost the daemon may ask again with every call, and a library that is not there is looked for in many places:
 * that it is missing is remembered for a while.
 */
#define LIBRARY_MISSED_US (5 * USEC_PER_SEC)
static _Atomic uint64_t no_library_until_us;

static int connect_embedded(int *ret_fd)
{
	int (*serve)(int fd);
	void *library;
	int pair[2];
	int r;

	if (time_now_us() < atomic_load(&no_library_until_us))
		return -ELIBACC;
	/* Stays loaded: its thread runs in it. */
	library = dlopen(EMBEDDED_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!library) {
		atomic_store(&no_library_until_us, time_now_us() + LIBRARY_MISSED_US);
		return -ELIBACC;
	}
	*(void **)&serve = dlsym(library, "gw_embedded_serve");
	if (!serve)
		return -ELIBBAD;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = serve(pair[1]);
	if (r < 0) {
		close(pair[0]);
		close(pair[1]);
		return r;
	}
	*ret_fd = pair[0];
	return 0;
}

static int choose_mode(const struct gw_open_options *options, enum gw_mode *ret_mode)
{
	static const char *const names[] = { "auto", "daemon", "embedded" };
	const char *wish = secure_getenv("GREENWAVE_MODE");

	*ret_mode = options->mode;
	if (options->mode != GW_MODE_AUTO || !wish || *wish == '\0')
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(wish, names[i]) == 0) {
			*ret_mode = (enum gw_mode)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int open_daemon(struct gw *gw, const char *path, const char *api)
{
	int r = connect_daemon(path, &gw->fd);

	return r < 0 ? r : client_hello(gw, api);
}

static int open_embedded(struct gw *gw, const char *api)
{
	int r = connect_embedded(&gw->fd);

	return r < 0 ? r : client_hello(gw, api);
}

int client_open(struct gw *gw, const struct gw_open_options *options, const char *api)
{
	const char *path = options->socket_path;
	bool chosen = true;
	enum gw_mode mode;
	int r;

	r = choose_mode(options, &mode);
	if (r < 0)
		return r;
	if (!path)
		path = secure_getenv("GREENWAVE_SOCKET");
	if (!path || *path == '\0') {
		path = DEFAULT_SOCKET;
		chosen = false;
	}
	if (mode == GW_MODE_EMBEDDED)
		return open_embedded(gw, api);
	r = open_daemon(gw, path, api);
	/* The daemon of another network namespace, met by chance, could do nothing for our sockets. */
	if (r == 0 && mode == GW_MODE_AUTO && !chosen && (gw->host_flags & MSG_HOST_ELSEWHERE))
		r = -EXDEV;
	if (r == 0 || mode == GW_MODE_DAEMON)
		return r;
	closep(&gw->fd);
	gw->fd = -1;
	return open_embedded(gw, api);
}
