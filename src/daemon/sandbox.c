/* SPDX-License-Identifier: MIT */
/*
 * sandbox.c: keeps only what serving needs. Programs and maps are loaded by then, so what remains is: changing
 * map entries (CAP_BPF), and attaching to interfaces that appear later (CAP_NET_ADMIN; CAP_PERFMON because the
 * verifier asks for it again when a filter is put back), and making and removing control groups, whose root
 * directory nobody has the right to write to, not even its owner (CAP_DAC_OVERRIDE). Where RSVP is spoken, the
 * router alert of IPv6 (CAP_NET_RAW). A daemon that was not root has nothing to drop.
 */
#include <cap-ng.h>
#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/daemon.h"

/* Every client holds two descriptors; the soft limit is for programs that use select(). */
void sandbox_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int sandbox_enter(bool raw)
{
	static const unsigned needed[] = { CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON, CAP_DAC_OVERRIDE,
					   CAP_NET_RAW };
	size_t n_needed = sizeof(needed) / sizeof(needed[0]) - (raw ? 0 : 1);
	unsigned kept[sizeof(needed) / sizeof(needed[0])];
	size_t n = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (capng_get_caps_process() < 0)
		return -EPERM;
	for (size_t i = 0; i < n_needed; i++) {
		if (capng_have_capability(CAPNG_PERMITTED, needed[i]))
			kept[n++] = needed[i];
	}
	capng_clear(CAPNG_SELECT_BOTH);
	for (size_t i = 0; i < n; i++)
		capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]);
	/* The bounding set can only be emptied by who may; without that right there was nothing in reach anyway. */
	if (capng_apply(CAPNG_SELECT_BOTH) < 0 && capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	return 0;
}
