/* SPDX-License-Identifier: MIT */
/* checks.h: the findings of `greenwave doctor`, each with what to do about it. */
#ifndef GW_CLI_CHECKS_H
#define GW_CLI_CHECKS_H

#include <greenwave.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/records.h"

#define CHECK_NOTE_LEN 320

struct check {
	const char *name; /* static, or owned by `facts` of the same struct checks */
	bool present;
	char note[CHECK_NOTE_LEN]; /* what was seen, or what the absence costs; may be "" */
	const char *next;	   /* the next step, or NULL if there is nothing to do */
};

struct checks {
	struct check *items;
	size_t count;
	struct facts facts; /* of the engine that answered, for its limitations */
};

/* What the daemon behind `gw` has found. Negative errno; checks_free() is due either way. */
int checks_with_daemon(struct checks *checks, struct gw *gw);

/* What can be seen without one; `open_error` is what gw_open() said. */
int checks_without_daemon(struct checks *checks, int open_error);

void checks_free(struct checks *checks);

#endif
