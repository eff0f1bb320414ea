/* SPDX-License-Identifier: MIT */
/* way.c: finding a way by its name, and the one that asks nobody. */
#include "way.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define VOICE_TOS (56 << 2)

static const struct way *const ways[] = {
	&way_native, &way_qwave, &way_setflow, &way_gqos, &way_bare, &way_message, &way_setsockopt,
#ifdef HAVE_SYSTEMD
	&way_dbus,
#endif
};

const struct way *way_find(const char *kind)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (strcmp(ways[i]->kind, kind) == 0)
			return ways[i];
	die("built without this way: %s", kind);
}

void way_list(void)
{
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		puts(ways[i]->kind);
}

void *way_state(size_t size)
{
	void *state = calloc(1, size);

	if (!state)
		die("out of memory");
	return state;
}

static void *setsockopt_open(const struct lane *lane, int fd, const struct sockaddr_in *destination)
{
	int *state = way_state(sizeof(*state));

	(void)lane;
	(void)destination;
	*state = fd;
	return state;
}

static void set_tos(const int *fd, int tos)
{
	must_call(setsockopt(*fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), "IP_TOS");
}

static void setsockopt_begin(void *state)
{
	set_tos(state, VOICE_TOS);
}

static void setsockopt_end(void *state)
{
	set_tos(state, 0);
}

const struct way way_setsockopt = { .kind = "setsockopt",
				    .open = setsockopt_open,
				    .begin = setsockopt_begin,
				    .end = setsockopt_end };
