/* SPDX-License-Identifier: MIT */
/* cli_run.h: runs commands of the tool in processes of their own, and keeps what they print and how they end. */
#ifndef GW_TESTS_CLI_RUN_H
#define GW_TESTS_CLI_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

#define RUN_LIMIT_S 20

static struct {
	int status; /* exit status, or minus the signal */
	char out[8192];
	char err[2048];
} result;

static void read_back(int fd, char *buf, size_t size)
{
	ssize_t n = pread(fd, buf, size - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	close(fd);
}

static int wait_status(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Starts a command with these as its output; `out` becomes descriptor 1. */
static pid_t start(int out, int err, char **args)
{
	/* Whoever runs the tests may have them ignored. */
	static const int signals[] = { SIGHUP, SIGINT, SIGPIPE, SIGTERM };
	char *argv[40] = { (char *)"greenwave" };
	int argc = 1;
	pid_t pid;

	for (; *args; args++)
		argv[argc++] = *args;
	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(RUN_LIMIT_S);
		for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
			signal(signals[i], SIG_DFL);
		dup2(out, STDOUT_FILENO);
		dup2(err, STDERR_FILENO);
		exit(cli_main(argc, argv));
	}
	return pid;
}

static void run_args(char **args)
{
	int out = memfd_create("out", MFD_CLOEXEC), err = memfd_create("err", MFD_CLOEXEC);

	result.status = wait_status(start(out, err, args));
	read_back(out, result.out, sizeof(result.out));
	read_back(err, result.err, sizeof(result.err));
}

#define RUN(...) run_args((char *[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

#endif
