/* SPDX-License-Identifier: MIT */
/* agent.h: what the files of the agent share: the words of a command, and its answer. */
#ifndef GW_TESTS_AGENT_H
#define GW_TESTS_AGENT_H

#include <qos2.h>
#include <stdbool.h>
#include <sys/socket.h>

/* The real ones: a socket here is a descriptor. */
#undef accept
#undef bind
#undef connect
#undef listen
#undef recv
#undef send
#undef sendto
#undef shutdown
#undef socket

#define WORDS_MAX 16
#define SENTINEL 0xdeadbeef /* the last error before each command */

struct command {
	int argc;
	char *argv[WORDS_MAX];
	int fd; /* that came with it, or -1 */
};

/* Adds to the answer. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* What a call of qos2.h returned, and the last error. A success that writes that would be noticed by the test. */
void say_result(BOOL result);

/* The word, which may be left out. */
long long number(const struct command *c, int i);
/* An address and a port; "-" is none. */
const struct sockaddr *address(const struct command *c, int i, struct sockaddr_storage *storage);
HANDLE *handle_slot(const struct command *c, int i);

/* ---- agent_path.c ---- */

void do_track(const struct command *c);
void do_untrack(const struct command *c);
void do_fundamentals(const struct command *c);
void do_notify(const struct command *c);
void do_notified(const struct command *c);
void do_cancel(const struct command *c);

#endif
