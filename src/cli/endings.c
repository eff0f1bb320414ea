/* SPDX-License-Identifier: MIT */
/* endings.c: see endings.h. */
#include "cli/endings.h"

#include <errno.h>
#include <stddef.h>
#include <sys/signalfd.h>

int endings_watch(bool children, sigset_t *ret_before)
{
	static const int ending[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction inherited;
	sigset_t mask;
	int fd;

	sigemptyset(&mask);
	if (children) {
		signal(SIGCHLD, SIG_DFL); /* if it were ignored, nobody could ask for the status */
		sigaddset(&mask, SIGCHLD);
	}
	for (size_t i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		if (sigaction(ending[i], NULL, &inherited) == 0 && inherited.sa_handler != SIG_IGN)
			sigaddset(&mask, ending[i]);
	sigprocmask(SIG_BLOCK, &mask, ret_before);
	fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}
