/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * parse.h: finds the IP header of a packet about to leave, and in it what a flow is told by:
 * destination address and port, and the identity of a datagram in fragments. Reads only; whatever
 * is not a well-formed IPv4 or IPv6 packet is refused.
 *
 * Headers are read where they lie, which costs nothing. Only when they are not in the linear part
 * of the packet (never so for what local sockets send) are they pulled in first.
 */
#ifndef GW_PARSE_H
#define GW_PARSE_H

#include "vmlinux.h"

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "gw_bpf.h"
#include "headers.h"

#define OTHER_HEADER_MAX 0xffu /* of links other than Ethernet; all bits set: a mask too */
#define EXTENSION_HEADERS_MAX 8
#define TRANSPORT_OFFSET_MAX \
	0xfffu /* beyond it, a packet counts as one without ports; a mask too */

/* How the interface hands us packets. */
enum link_kind {
	LINK_ETHERNET, /* an Ethernet header, perhaps VLAN tags, then the network header */
	LINK_OTHER,    /* no header before it (tun, WireGuard, ppp, ipip), or another kind */
};

enum fragment_kind { FRAGMENT_NONE, FRAGMENT_FIRST, FRAGMENT_LATER };

struct ip_packet {
	struct gw_dest destination;
	__u32 offset;	 /* of the IP header from the start of the packet */
	__u32 id;	 /* of the fragmented datagram */
	__u16 transport; /* offset of the transport header; 0: this packet has no ports */
	__u8 version;
	__u8 tos; /* or traffic class */
	__u8 protocol;
	__u8 fragment; /* enum fragment_kind */
	__u16 spi;     /* offset of the SPI of IPsec; 0: there is none */
};

/*
 * Makes the first `len` bytes readable in place; packet pointers taken before are invalid after it.
 */
static __always_inline int packet_reach(struct __sk_buff *skb, __u32 len)
{
	if ((void *)(long)skb->data + len <= (void *)(long)skb->data_end)
		return 0;
	if (len > skb->len)
		return -1;
	return (int)bpf_skb_pull_data(skb, len);
}

/*
 * A pointer to `size` bytes at `offset`, checked in the way the verifier understands; NULL if not
 * there.
 */
static __always_inline void *packet_at(struct __sk_buff *skb, __u32 offset, __u32 size)
{
	void *data, *end;

	if (packet_reach(skb, offset + size) != 0)
		return NULL;
	data = (void *)(long)skb->data;
	end = (void *)(long)skb->data_end;
	if (data + offset + size > end)
		return NULL;
	return data + offset;
}

/*
 * A number that is known to be no more than the mask. The compiler may compare one copy and go on with
 * another, or put it on the stack, and the verifier of Linux 6.1 then knows of no limit. A mask that the
 * compiler cannot see through tells it once more.
 */
static __always_inline __u32 limited(__u32 value, __u32 mask)
{
	asm volatile("" : "+r"(value));
	return value & mask;
}

static __always_inline __u8 version_of(__be16 ethertype)
{
	if (ethertype == bpf_htons(ETH_P_IP))
		return 4;
	if (ethertype == bpf_htons(ETH_P_IPV6))
		return 6;
	return 0;
}

static __always_inline int find_after_ethernet(struct __sk_buff *skb, struct ip_packet *ip)
{
	__be16 ethertype = (__be16)skb->protocol;
	__u32 offset = ETHERNET_LEN;
	const __be16 *inner;
	int i;

	/*
	 * Tags that the device adds itself are not in the packet, and protocol is that of the
	 * payload then.
	 */
#pragma unroll
	for (i = 0; i < VLAN_TAGS_MAX; i++) {
		if (!is_vlan(ethertype))
			break;
		inner = packet_at(skb, offset + 2, sizeof(*inner));
		if (!inner)
			return -1;
		ethertype = *inner;
		offset += VLAN_LEN;
	}
	ip->version = version_of(ethertype);
	ip->offset = offset;
	return ip->version ? 0 : -1;
}

/*
 * The kernel knows where the network header is but tells a classifier only what stands there. So:
 * read it, compute from its length field where it must begin, and make sure that the same bytes
 * stand there.
 */
static __always_inline int find_by_length(struct __sk_buff *skb, struct ip_packet *ip)
{
	struct ipv4_header v4;
	const __u32 *there;
	__u32 begin[5], total, offset, i;

	ip->version = version_of((__be16)skb->protocol);
	if (!ip->version ||
	    bpf_skb_load_bytes_relative(skb, 0, begin, sizeof(begin), BPF_HDR_START_NET) != 0)
		return -1;
	if (ip->version == 4) {
		__builtin_memcpy(&v4, begin, sizeof(v4));
		total = bpf_ntohs(v4.total_len);
	} else {
		/* The first half of the second word; 0 for a jumbogram or a segmented giant. */
		total = bpf_ntohl(begin[1]) >> 16;
		if (total)
			total += sizeof(struct ipv6_header);
	}
	if (total > skb->len)
		return -1;
	offset = total ? skb->len - total : 0;
	if (offset > OTHER_HEADER_MAX)
		return -1;
	ip->offset = limited(offset, OTHER_HEADER_MAX);

	there = packet_at(skb, ip->offset, sizeof(begin));
	if (!there)
		return -1;
	for (i = 0; i < 5; i++)
		if (there[i] != begin[i])
			return -1;
	return 0;
}

/* Which protocols have a destination port in their bytes 2 and 3. */
static __always_inline int has_ports(__u8 protocol)
{
	return protocol == PROTOCOL_UDP || protocol == PROTOCOL_TCP ||
	       protocol == PROTOCOL_UDPLITE || protocol == PROTOCOL_SCTP ||
	       protocol == PROTOCOL_DCCP;
}

static __always_inline __u16 spi_offset(__u8 protocol, __u32 header)
{
	if (header > TRANSPORT_OFFSET_MAX)
		return 0;
	if (protocol == PROTOCOL_ESP)
		return (__u16)(header + ESP_SPI_OFFSET);
	return protocol == PROTOCOL_AH ? (__u16)(header + AH_SPI_OFFSET) : 0;
}

/* By words: from bytes the compiler would make sixteen loads. */
static __always_inline void put_address(struct ip_packet *ip, __be32 a, __be32 b, __be32 c,
					__be32 d)
{
	__be32 *words = (__be32 *)ip->destination.addr;

	words[0] = a;
	words[1] = b;
	words[2] = c;
	words[3] = d;
}

static __always_inline int parse_ipv4(struct __sk_buff *skb, struct ip_packet *ip)
{
	const struct ipv4_header *header = packet_at(skb, ip->offset, sizeof(*header));
	__u32 header_len, total_len;
	__u16 fragment;

	if (!header || (header->version_ihl >> 4) != 4)
		return -1;
	header_len = (header->version_ihl & 0x0fu) * 4;
	total_len = bpf_ntohs(header->total_len);
	/* 0: a giant that is segmented further down. */
	if (header_len < sizeof(*header) || ip->offset + header_len > skb->len ||
	    (total_len && (total_len < header_len || ip->offset + total_len > skb->len)))
		return -1;

	ip->tos = header->tos;
	ip->protocol = header->protocol;
	ip->id = header->id;
	ip->transport = has_ports(ip->protocol) ? (__u16)(ip->offset + header_len) : 0;
	ip->spi = spi_offset(ip->protocol, ip->offset + header_len);
	put_address(ip, 0, 0, bpf_htonl(0xffff), header->destination);
	ip->destination.scope = 0;

	fragment = bpf_ntohs(header->fragment);
	if (fragment & IPV4_FRAGMENT_OFFSET)
		ip->fragment = FRAGMENT_LATER;
	else
		ip->fragment = fragment & IPV4_MORE_FRAGMENTS ? FRAGMENT_FIRST : FRAGMENT_NONE;
	return 0;
}

/* What stands at the end of the chain of extension headers. */
struct ipv6_chain {
	__u32 at; /* offset of the first of them; then of what follows the last */
	__u32 id;
	__u8 protocol;
	__u8 fragment;
	__u16 spi; /* as in ip_packet */
};

static __always_inline int read_ipv6_fragment(struct __sk_buff *skb, struct ipv6_chain *chain)
{
	struct ipv6_fragment header;
	__u16 offset;

	if (bpf_skb_load_bytes(skb, chain->at, &header, sizeof(header)) != 0)
		return -1;
	offset = bpf_ntohs(header.offset);
	chain->id = header.id;
	if (offset & IPV6_FRAGMENT_OFFSET)
		chain->fragment = FRAGMENT_LATER;
	else if (offset & IPV6_MORE_FRAGMENTS)
		chain->fragment = FRAGMENT_FIRST;
	return 0;
}

static __always_inline int is_extension(__u8 protocol)
{
	return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_ROUTING ||
	       protocol == PROTOCOL_FRAGMENT || protocol == PROTOCOL_AH ||
	       protocol == PROTOCOL_DESTINATION_OPTIONS || protocol == PROTOCOL_MOBILITY;
}

/*
 * Rare, so it may be slow: a helper call per header. A function of its own, so that the verifier
 * goes through the loop once and not once for every way to what follows.
 */
__attribute__((noinline)) int walk_extensions(struct __sk_buff *skb, struct ipv6_chain *chain)
{
	__u8 next[2]; /* next header, length in a unit that depends on the header */
	int i;

	if (!chain)
		return -1;
	for (i = 0; i < EXTENSION_HEADERS_MAX && is_extension(chain->protocol); i++) {
		if (bpf_skb_load_bytes(skb, chain->at, next, sizeof(next)) != 0)
			return -1;
		if (chain->protocol == PROTOCOL_FRAGMENT) {
			if (read_ipv6_fragment(skb, chain) != 0)
				return -1;
			chain->at += sizeof(struct ipv6_fragment);
		} else if (chain->protocol == PROTOCOL_AH) {
			chain->spi = spi_offset(chain->protocol, chain->at);
			chain->at += (next[1] + 2u) * 4;
		} else {
			chain->at += (next[1] + 1u) * 8;
		}
		chain->protocol = next[0];
		/* What follows in a later fragment is the middle of something. */
		if (chain->fragment == FRAGMENT_LATER)
			return 0;
	}
	if (chain->protocol == PROTOCOL_ESP)
		chain->spi = spi_offset(chain->protocol, chain->at);
	return 0;
}

static __always_inline int parse_ipv6_chain(struct __sk_buff *skb, struct ip_packet *ip)
{
	struct ipv6_chain chain = {
		.at = ip->offset + (__u32)sizeof(struct ipv6_header),
		.protocol = ip->protocol,
		.fragment = FRAGMENT_NONE,
	};

	if (walk_extensions(skb, &chain) != 0)
		return -1;
	ip->protocol = chain.protocol;
	ip->fragment = chain.fragment;
	ip->id = chain.id;
	ip->spi = chain.spi;
	ip->transport =
		has_ports(ip->protocol) && chain.at <= TRANSPORT_OFFSET_MAX ? (__u16)chain.at : 0;
	return 0;
}

/*
 * RFC 4291: fe80::/10, and multicast of interface or link scope; spec of the address is then per
 * link.
 */
static __always_inline int is_link_local(const __u8 addr[16])
{
	if (addr[0] == 0xfe)
		return (addr[1] & 0xc0) == 0x80;
	return addr[0] == 0xff && ((addr[1] & 0x0f) == 1 || (addr[1] & 0x0f) == 2);
}

static __always_inline int parse_ipv6(struct __sk_buff *skb, struct ip_packet *ip)
{
	const struct ipv6_header *header = packet_at(skb, ip->offset, sizeof(*header));
	__u32 word;

	if (!header)
		return -1;
	word = bpf_ntohl(header->version_class_flow);
	if (word >> 28 != 6 ||
	    ip->offset + sizeof(*header) + bpf_ntohs(header->payload_len) > skb->len)
		return -1;

	ip->tos = (__u8)(word >> 20);
	ip->protocol = header->next;
	ip->fragment = FRAGMENT_NONE;
	ip->spi = 0;
	ip->transport = (__u16)(ip->offset + sizeof(*header));
	put_address(ip, header->destination[0], header->destination[1], header->destination[2],
		    header->destination[3]);
	ip->destination.scope = is_link_local(ip->destination.addr) ? skb->ifindex : 0;

	if (ip->protocol == PROTOCOL_UDP || ip->protocol == PROTOCOL_TCP)
		return 0;
	return parse_ipv6_chain(skb, ip);
}

/* Everything but the port. 0, or -1: not an IP packet that may be touched. */
static __always_inline int parse_ip(struct __sk_buff *skb, enum link_kind kind,
				    struct ip_packet *ip)
{
	int r = kind == LINK_ETHERNET ? find_after_ethernet(skb, ip) : find_by_length(skb, ip);

	if (r != 0)
		return r;
	ip->destination.set = 1;
	ip->destination.port = 0;
	return ip->version == 4 ? parse_ipv4(skb, ip) : parse_ipv6(skb, ip);
}

/* Later fragments and protocols without ports have port 0. */
static __always_inline int parse_port(struct __sk_buff *skb, struct ip_packet *ip)
{
	const __be16 *port;

	if (ip->transport == 0 || ip->fragment == FRAGMENT_LATER)
		return 0;
	port = packet_at(skb, limited(ip->transport, TRANSPORT_OFFSET_MAX) + 2, sizeof(*port));
	if (!port)
		return -1;
	ip->destination.port = *port;
	return 0;
}

#endif
