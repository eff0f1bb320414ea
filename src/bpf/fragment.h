/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * fragment.h: only the first fragment of a datagram carries ports. What is found for it is kept for the
 * others; what is not found is forgotten, for identifications come round again.
 */
#ifndef GW_FRAGMENT_H
#define GW_FRAGMENT_H

#include "maps.h"
#include "parse.h"

/*
 * `who`: the socket's cookie, or a number that stands for the source. Padding included, all bytes count. Of version 6
 * the protocol tells nothing apart (RFC 8200 §4.5), and with an AH or options before it fragments have another.
 */
static __always_inline struct gw_fragkey fragment_key(__u64 who, const struct ip_packet *ip)
{
	struct gw_fragkey key = {
		.cookie = who,
		.id = ip->id,
		.protocol = ip->version == 4 ? ip->protocol : 0,
	};

	__builtin_memcpy(key.addr, ip->destination.addr, sizeof(key.addr));
	return key;
}

static __always_inline const struct gw_verdict *fragment_recall(const struct gw_fragkey *key,
								struct gw_stats *count)
{
	const struct gw_verdict *verdict = bpf_map_lookup_elem(&frags, key);

	if (verdict)
		count->count[GW_STAT_FRAGMENTS]++;
	return verdict;
}

static __always_inline void fragment_teach(const struct gw_fragkey *key,
					   const struct gw_verdict *verdict)
{
	struct gw_verdict keep;

	if (!verdict) {
		bpf_map_delete_elem(&frags, key);
		return;
	}
	keep = *verdict;
	bpf_map_update_elem(&frags, key, &keep, BPF_ANY);
}

#endif
