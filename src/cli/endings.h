/* SPDX-License-Identifier: MIT */
/*
 * endings.h: the signals that end a command which holds something until then.
 */
#ifndef GW_CLI_ENDINGS_H
#define GW_CLI_ENDINGS_H

#include <signal.h>
#include <stdbool.h>

/*
 * A signalfd of SIGINT, SIGTERM and SIGHUP, except of those that whoever started us ignores on purpose, and of SIGCHLD
 * if `children`. They are blocked from now on; *ret_before (may be NULL) is the mask before. -errno.
 */
int endings_watch(bool children, sigset_t *ret_before);

#endif
