/* SPDX-License-Identifier: MIT */
/*
 * listener.c: the socket that programs connect to. Anyone may: what each may do is decided per request. A lock
 * beside the socket tells a daemon that serves it from a socket file that a crash has left.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/time.h"
#include "daemon/daemon.h"

#define ACCEPTS_PER_TURN 8 /* then the clients that are there already */
#define PAUSE_MS 100	   /* when there are no descriptors left */

struct listener {
	struct host *host;
	struct sockaddr_un address;
	char lock_path[sizeof(((struct sockaddr_un *)0)->sun_path) + sizeof(".lock")];
	int fd;
	int lock_fd;
	struct event *readable;
	struct event *resume;
	struct log_limit limit;
};

static void on_resume(evutil_socket_t fd, short what, void *user_data)
{
	struct listener *listener = user_data;

	(void)fd;
	(void)what;
	event_add(listener->readable, NULL);
}

/* Waiting clients stay in the queue until some others have gone. */
static void pause_accepting(struct listener *listener, int error)
{
	struct timeval wait = { .tv_usec = PAUSE_MS * 1000 };

	log_limited(&listener->limit, time_now_us(), LOG_LEVEL_WARNING, "client",
		    "cannot accept: %s", strerror(error));
	event_del(listener->readable);
	event_add(listener->resume, &wait);
}

static void on_readable(evutil_socket_t listen_fd, short what, void *user_data)
{
	struct listener *listener = user_data;

	(void)what;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			host_accept(listener->host, fd);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno != EAGAIN)
			pause_accepting(listener, errno);
		return;
	}
}

/* The folder is made if its parent exists, as /run does. */
static int make_folder(const char *path)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return 0;
	*slash = '\0';
	if (mkdir(folder, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	/* Whatever the mask of who has started us. */
	return chmod(folder, 0755) < 0 ? -errno : 0;
}

static int try_lock(const char *lock_path, int *ret_fd)
{
	_cleanup_(closep) int fd = -1;
	struct stat locked, named;

	fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
	if (fstat(fd, &locked) < 0 || lstat(lock_path, &named) < 0)
		return -errno;
	if (locked.st_ino != named.st_ino)
		return -ENOENT;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* Its last owner may remove the file between our opening and locking it: then it is another one. */
static int take_lock(struct listener *listener)
{
	int r = -ENOENT;

	snprintf(listener->lock_path, sizeof(listener->lock_path), "%s.lock",
		 listener->address.sun_path);
	for (int attempt = 0; attempt < 3 && r == -ENOENT; attempt++)
		r = try_lock(listener->lock_path, &listener->lock_fd);
	return r;
}

/* Only a socket is ever removed, whatever else may have that name. */
static int remove_stale(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	return unlink(path) < 0 ? -errno : 0;
}

/* For everyone from the first moment: a chmod() later could meet what has taken its place. */
static int bind_for_all(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0111);
	int r = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(mask);
	return r;
}

static int bind_socket(struct listener *listener)
{
	const char *path = listener->address.sun_path;
	int r;

	r = make_folder(path);
	if (r < 0)
		return r;
	r = take_lock(listener);
	if (r < 0)
		return r;
	r = remove_stale(path);
	if (r < 0)
		return r;
	listener->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0)
		return -errno;
	r = bind_for_all(listener->fd, &listener->address);
	if (r < 0)
		return r;
	return listen(listener->fd, SOMAXCONN) < 0 ? -errno : 0;
}

int listener_new(struct event_base *base, const char *path, struct host *host,
		 struct listener **ret_listener)
{
	struct listener *listener;
	int r;

	if (strlen(path) >= sizeof(listener->address.sun_path))
		return -ENAMETOOLONG;
	listener = calloc(1, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	*listener = (struct listener){
		.host = host,
		.address.sun_family = AF_UNIX,
		.fd = -1,
		.lock_fd = -1,
		.limit = LOG_LIMIT(5, 10 * USEC_PER_SEC),
	};
	strcpy(listener->address.sun_path, path);
	r = bind_socket(listener);
	if (r < 0) {
		listener_free(listener);
		return r;
	}
	listener->readable =
		event_new(base, listener->fd, EV_READ | EV_PERSIST, on_readable, listener);
	listener->resume = evtimer_new(base, on_resume, listener);
	if (!listener->readable || !listener->resume || event_add(listener->readable, NULL) < 0) {
		listener_free(listener);
		return -ENOMEM;
	}
	*ret_listener = listener;
	return 0;
}

struct listener *listener_free(struct listener *listener)
{
	if (!listener)
		return NULL;
	if (listener->readable)
		event_free(listener->readable);
	if (listener->resume)
		event_free(listener->resume);
	/* Both only if they are ours; the lock last. */
	if (listener->fd >= 0) {
		unlink(listener->address.sun_path);
		close(listener->fd);
	}
	if (listener->lock_fd >= 0) {
		unlink(listener->lock_path);
		close(listener->lock_fd);
	}
	free(listener);
	return NULL;
}
