/* SPDX-License-Identifier: MIT */
/*
 * cleanup.h: scope cleanup, so that every early return frees what its function holds. A destructor
 * `x_free()` gets its cleanup twin `x_freep()` from DEFINE_CLEANUP; steal_ptr() and steal_fd() hand the
 * thing over to the caller.
 */
#ifndef GW_BASE_CLEANUP_H
#define GW_BASE_CLEANUP_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((__cleanup__(function)))

/* Takes a pointer out of its variable, which becomes NULL. */
#define steal_ptr(pp)                          \
	({                                     \
		__typeof__(*(pp)) *pp_ = (pp); \
		__typeof__(*(pp)) p_ = *pp_;   \
		*pp_ = NULL;                   \
		p_;                            \
	})

/* Defines functionp(), to be used as _cleanup_(functionp) on a variable of the pointer type `type`. */
#define DEFINE_CLEANUP(type, function)                 \
	static inline void function##p(type *variable) \
	{                                              \
		if (*variable)                         \
			function(*variable);           \
	}                                              \
	_Static_assert(sizeof(type) == sizeof(void *), "a pointer type")

static inline void freep(void *variable)
{
	free(*(void **)variable);
}

static inline void closep(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

/* Takes a descriptor out of its variable, which becomes -1. */
static inline int steal_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

DEFINE_CLEANUP(FILE *, fclose);

#endif
