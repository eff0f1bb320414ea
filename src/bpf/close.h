/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * close.h: what every program that notices an ending does: delete the socket's entry if that is
 * due, then tell user space. Sockets without an entry are none of ours: most of the machine's
 * sockets, and all those of other network namespaces, end here after one lookup.
 */
#ifndef GW_CLOSE_H
#define GW_CLOSE_H

#include "maps.h"

static __always_inline void close_report(__u64 cookie, __u32 cause, __u32 how, __u32 removed,
					 __u32 origin)
{
	struct gw_close event = {
		.cookie = cookie,
		.time_ns = bpf_ktime_get_ns(),
		.cause = cause,
		.how = how,
		.removed = removed,
		.origin = origin,
	};
	struct gw_settings *known;

	if (bpf_ringbuf_output(&closes, &event, sizeof(event), 0) == 0)
		return;
	known = settings_get();
	if (known)
		__sync_fetch_and_add(&known->lost, 1);
}

#define END_NEVER 0u
#define END_ALWAYS (~0u)

/*
 * `ends_on`: the GW_SOCKET_END_ON_* flag that lets the kernel delete the entry for this, or one of
 * those.
 */
static __always_inline void close_socket(__u64 cookie, __u32 cause, __u32 how, __u32 ends_on,
					 __u32 origin)
{
	struct gw_socket *entry;
	__u32 removed = 0;

	/* The kernel gives a cookie when first asked; who has none was never entered. */
	if (cookie == 0)
		return;
	entry = bpf_map_lookup_elem(&sockets, &cookie);
	if (!entry)
		return;
	if (ends_on == END_ALWAYS || (entry->flags & ends_on))
		removed = bpf_map_delete_elem(&sockets, &cookie) == 0;
	close_report(cookie, cause, how, removed, origin);
}

#endif
