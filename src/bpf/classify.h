/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * classify.h: which class of a scheduled link a packet belongs in. The mark program has written that into
 * its tag; this reads it. Of packets without one, those without which the network itself would fall
 * silent go to the control band: no neighbour would be found behind a flood otherwise.
 */
#ifndef GW_CLASSIFY_H
#define GW_CLASSIFY_H

#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "gw_bpf.h"
#include "headers.h"

/* RFC 4861: five types in a row, and the limit tells them from what was routed here. */
#define ND_FIRST 133
#define ND_LAST 137
#define ND_HOP_LIMIT 255

struct icmpv6_begin {
	struct ipv6_header ip;
	__u8 type;
} __attribute__((packed));

/* Where the payload of the link begins, counted from one of the kernel's two marks. */
struct link_payload {
	__u32 from; /* enum bpf_hdr_start_off */
	__u32 offset;
	__be16 ethertype;
	__u16 pad;
};

/* Tags that the device adds are not in the packet yet; those of a tagged device on another are. */
static __always_inline void skip_vlan_tags(struct __sk_buff *skb, struct link_payload *payload)
{
	int i;

#pragma unroll
	for (i = 0; i < VLAN_TAGS_MAX; i++) {
		if (!is_vlan(payload->ethertype))
			return;
		payload->from = BPF_HDR_START_MAC;
		payload->offset = ETHERNET_LEN + (__u32)(i + 1) * VLAN_LEN;
		if (bpf_skb_load_bytes_relative(skb, payload->offset - sizeof(__be16),
						&payload->ethertype, sizeof(__be16),
						BPF_HDR_START_MAC) != 0)
			return;
	}
}

static __always_inline int is_neighbour_discovery(struct __sk_buff *skb,
						  const struct link_payload *payload)
{
	struct icmpv6_begin begin;

	return bpf_skb_load_bytes_relative(skb, payload->offset, &begin, sizeof(begin),
					   payload->from) == 0 &&
	       begin.ip.next == PROTOCOL_ICMPV6 && begin.ip.hop_limit == ND_HOP_LIMIT &&
	       begin.type >= ND_FIRST && begin.type <= ND_LAST;
}

static __always_inline int keeps_network_alive(struct __sk_buff *skb)
{
	struct link_payload payload = {
		.from = BPF_HDR_START_NET,
		.ethertype = (__be16)skb->protocol,
	};

	skip_vlan_tags(skb, &payload);
	switch (bpf_ntohs(payload.ethertype)) {
	case ETH_P_ARP:
	case ETH_P_SLOW: /* LACP: without it, a bond takes its link for dead */
	case ETH_P_PAE:
	case ETH_P_LLDP:
		return 1;
	case ETH_P_IPV6:
		return is_neighbour_discovery(skb, &payload);
	default:
		return 0;
	}
}

/* The minor, or 0: the default class. */
static __always_inline __u32 class_of(struct __sk_buff *skb)
{
	__u32 tag = skb->tc_index;

	if (tag & GW_TAG)
		return tag & GW_TAG_MINOR;
	return keeps_network_alive(skb) ? GW_BAND(GW_BAND_CLASS_CONTROL) : 0;
}

#endif
