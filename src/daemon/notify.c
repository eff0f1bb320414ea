/* SPDX-License-Identifier: MIT */
/*
 * notify.c: telling whoever started us that we serve: systemd through its datagram socket (sd_notify(3), the
 * documented protocol), a script through the word "ready", a shell by letting the first process end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "daemon/daemon.h"

static int parent_fd = -1; /* of the process that waits for us, after notify_detach() */

void notify_state(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = -1;
	size_t len = path ? strlen(path) : 0;

	if (len == 0 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
		       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
}

/* The first process stays until the daemon serves or has failed, and ends with its result. */
static void wait_for_child(pid_t child, int fd)
{
	int status = 1;
	char byte;

	if (read(fd, &byte, 1) == 1)
		_exit(0);
	waitpid(child, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int notify_detach(void)
{
	int pair[2];
	pid_t child;

	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child < 0) {
		close(pair[0]);
		close(pair[1]);
		return -errno;
	}
	if (child > 0) {
		close(pair[1]);
		wait_for_child(child, pair[0]);
	}
	close(pair[0]);
	parent_fd = pair[1];
	setsid();
	return chdir("/") < 0 ? -errno : 0;
}

static void leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

void notify_ready(bool foreground)
{
	notify_state("READY=1\nSTATUS=serving");
	if (foreground) {
		puts("ready");
		fflush(stdout);
		return;
	}
	leave_terminal();
	if (write(parent_fd, "r", 1) < 0)
		return; /* nobody waits any more */
	close(parent_fd);
}
