/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * tuple.h: packets told by their addresses: those that are forwarded, and those of sockets that nobody
 * entered.
 */
#ifndef GW_TUPLE_H
#define GW_TUPLE_H

#include "fragment.h"

#define ANY_SOURCE_PORT (GW_WILD_SOURCE | GW_WILD_SOURCE_PORT)

/* For fragments: no socket's cookie has this bit, and one source's datagrams leave by several links. */
#define FOLD_MARK (1ull << 63)
#define FOLD_SPREAD 0x9e3779b97f4a7c15ull

/* All set: it goes to a function that is verified by itself. */
struct tuple_search {
	struct gw_tuplekey exact;
	__u32 kinds;	      /* as in the settings: those to look for */
	__be32 authenticated; /* the SPI of an AH before the transport header; 0: there is none */
	struct gw_verdict found;
};

static __always_inline int needs_ports(__u32 wild)
{
	return !(wild & GW_WILD_PORT) || !(wild & ANY_SOURCE_PORT);
}

static __always_inline int search_kinds(struct tuple_search *search)
{
	struct gw_tuplekey key;
	struct gw_destval *value;
	__u32 wild;

	for (wild = 0; wild < GW_WILD_COUNT; wild++) {
		if (!(search->kinds >> wild & 1))
			continue;
		key = search->exact;
		key.wild = (__u8)wild;
		if (wild & GW_WILD_SOURCE)
			__builtin_memset(key.source, 0, sizeof(key.source));
		if (wild & ANY_SOURCE_PORT) {
			key.source_port = 0;
			key.spi = 0;
		}
		if (wild & GW_WILD_PORT)
			key.port = 0;
		value = bpf_map_lookup_elem(&tuples, &key);
		if (value && is_valid(&value->verdict)) {
			search->found = value->verdict;
			return 1;
		}
	}
	return 0;
}

/* By what the packet carries, then by the AH that it carries this under. */
__attribute__((noinline)) int search_tuples(struct tuple_search *search)
{
	if (!search)
		return 0;
	if (search_kinds(search))
		return 1;
	if (search->authenticated == 0)
		return 0;
	search->exact.protocol = PROTOCOL_AH;
	search->exact.source_port = 0;
	search->exact.port = 0;
	search->exact.spi = search->authenticated;
	return search_kinds(search);
}

static __always_inline int read_source(struct __sk_buff *skb, const struct ip_packet *ip,
				       struct gw_tuplekey *key)
{
	__be32 *words = (__be32 *)key->source;

	if (ip->version == 4) {
		words[2] = bpf_htonl(0xffff);
		return (int)bpf_skb_load_bytes(
			skb, ip->offset + __builtin_offsetof(struct ipv4_header, source), &words[3],
			sizeof(words[3]));
	}
	return (int)bpf_skb_load_bytes(skb,
				       ip->offset + __builtin_offsetof(struct ipv6_header, source),
				       words, sizeof(key->source));
}

/* IPsec has an SPI in the place of ports (RFC 2207). */
static __always_inline int read_spi(struct __sk_buff *skb, const struct ip_packet *ip,
				    struct tuple_search *search)
{
	__be32 spi;

	if (ip->spi == 0 || ip->fragment == FRAGMENT_LATER)
		return 0;
	if (bpf_skb_load_bytes(skb, ip->spi, &spi, sizeof(spi)) != 0)
		return -1;
	if (ip->protocol == PROTOCOL_ESP || ip->protocol == PROTOCOL_AH)
		search->exact.spi = spi;
	else
		search->authenticated = spi;
	return 0;
}

static __always_inline int read_ports(struct __sk_buff *skb, const struct ip_packet *ip,
				      struct gw_tuplekey *key)
{
	__be16 ports[2];

	if (ip->transport == 0 || ip->fragment == FRAGMENT_LATER)
		return 0;
	if (bpf_skb_load_bytes(skb, ip->transport, ports, sizeof(ports)) != 0)
		return -1;
	key->source_port = ports[0];
	key->port = ports[1];
	return 0;
}

static __always_inline __u64 fold_source(const struct gw_tuplekey *key)
{
	const __u64 *source = (const __u64 *)key->source;

	return FOLD_MARK | (source[0] ^ source[1] ^ key->ifindex * FOLD_SPREAD);
}

/* Later fragments can still be told by tuples with any ports, if their first one was not seen. */
static __always_inline __u32 kinds_without_ports(__u32 kinds)
{
	__u32 wild;

#pragma unroll
	for (wild = 0; wild < GW_WILD_COUNT; wild++)
		if (needs_ports(wild))
			kinds &= ~(1u << wild);
	return kinds;
}

static __always_inline int find_for_tuple_fragment(struct tuple_search *search,
						   const struct ip_packet *ip,
						   struct gw_stats *count)
{
	struct gw_fragkey key = fragment_key(fold_source(&search->exact), ip);
	const struct gw_verdict *verdict;
	int found;

	if (ip->fragment == FRAGMENT_LATER) {
		verdict = fragment_recall(&key, count);
		if (verdict) {
			search->found = *verdict;
			return 1;
		}
		search->kinds = kinds_without_ports(search->kinds);
		return search_tuples(search);
	}
	found = search_tuples(search);
	fragment_teach(&key, found ? &search->found : NULL);
	return found;
}

/* 1, and the verdict in `search->found`; or 0. */
static __always_inline int find_for_tuple(struct __sk_buff *skb, const struct ip_packet *ip,
					  struct tuple_search *search, struct gw_stats *count)
{
	const struct gw_settings *known = settings_get();

	if (!known || known->tuples == 0)
		return 0;
	*search = (struct tuple_search){
		.exact = { .ifindex = skb->ifindex, .protocol = ip->protocol },
		.kinds = known->tuple_kinds,
	};
	__builtin_memcpy(search->exact.destination, ip->destination.addr,
			 sizeof(search->exact.destination));
	if (read_source(skb, ip, &search->exact) != 0 || read_ports(skb, ip, &search->exact) != 0 ||
	    read_spi(skb, ip, search) != 0)
		return 0;
	if (ip->fragment == FRAGMENT_NONE)
		return search_tuples(search);
	return find_for_tuple_fragment(search, ip, count);
}

#endif
