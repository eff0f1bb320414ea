/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * mark.h: what a flow does to a packet. Kept apart from the programs so that the test can run the
 * very same code on packets that have no socket.
 */
#ifndef GW_MARK_H
#define GW_MARK_H

#include "fragment.h"
#include "maps.h"
#include "meter.h"
#include "parse.h"
#include "tuple.h"

#define DSCP_SHIFT 2
#define ECN_MASK 0x03
#define PRIORITY_SHIFT 13 /* in the second half of a VLAN tag */

static __always_inline int same_destination(const struct gw_dest *a, const struct gw_dest *b)
{
	const __u64 *x = (const __u64 *)a, *y = (const __u64 *)b;

	return x[0] == y[0] && x[1] == y[1] && x[2] == y[2];
}

/* The verdict for exactly this destination. */
static __always_inline const struct gw_verdict *find_destination(__u64 cookie,
								 const struct gw_socket *entry,
								 const struct ip_packet *ip)
{
	struct gw_destkey key;
	struct gw_destval *value;

	if (entry->first.set && same_destination(&entry->first, &ip->destination))
		return is_valid(&entry->first_verdict) ? &entry->first_verdict : NULL;
	if (entry->more == 0)
		return NULL;
	key.cookie = cookie;
	key.dest = ip->destination;
	value = bpf_map_lookup_elem(&dests, &key);
	if (!value || value->generation != entry->generation || !is_valid(&value->verdict))
		return NULL;
	return &value->verdict;
}

static __always_inline const struct gw_verdict *find_fragment(__u64 cookie,
							      const struct gw_socket *entry,
							      const struct ip_packet *ip,
							      struct gw_stats *count)
{
	struct gw_fragkey key = fragment_key(cookie, ip);
	const struct gw_verdict *verdict;

	if (ip->fragment == FRAGMENT_LATER)
		return fragment_recall(&key, count);
	verdict = find_destination(cookie, entry, ip);
	fragment_teach(&key, verdict);
	return verdict;
}

static __always_inline const struct gw_verdict *find_for_socket(struct __sk_buff *skb, __u64 cookie,
								const struct gw_socket *entry,
								struct ip_packet *ip,
								struct gw_stats *count)
{
	const struct gw_verdict *verdict = NULL;

	if (entry->first.set || entry->more) {
		if (parse_port(skb, ip) != 0)
			return NULL;
		if (ip->fragment == FRAGMENT_NONE)
			verdict = find_destination(cookie, entry, ip);
		else
			verdict = find_fragment(cookie, entry, ip, count);
	}
	if (!verdict && is_valid(&entry->any_verdict))
		verdict = &entry->any_verdict;
	return verdict;
}

/* Whether anything but a socket can have a flow. */
static __always_inline int have_others(void)
{
	const struct gw_settings *known = settings_get();

	return known && (known->groups > 0 || known->tuples > 0);
}

static __always_inline const struct gw_verdict *find_for_level(struct __sk_buff *skb, int level)
{
	__u64 id = bpf_skb_ancestor_cgroup_id(skb, level);
	struct gw_group *group = id ? bpf_map_lookup_elem(&groups, &id) : NULL;

	return group && is_valid(&group->verdict) ? &group->verdict : NULL;
}

/* Of groups within each other the innermost counts. */
static __always_inline const struct gw_verdict *find_for_group(struct __sk_buff *skb)
{
	const struct gw_settings *known = settings_get();
	const struct gw_verdict *verdict = NULL;
	__u32 levels;

	if (!known || known->groups == 0)
		return NULL;
	levels = known->group_levels;
	for (int level = GW_GROUP_LEVELS - 1; level >= 0 && !verdict; level--) {
		if (levels >> level & 1)
			verdict = find_for_level(skb, level);
	}
	return verdict;
}

/* RFC 1624, equation 3: the new checksum after one 16-bit word has changed. */
static __always_inline __u16 checksum_adjust(__u16 checksum, __u16 before, __u16 after)
{
	__u32 sum = (__u16)~checksum + (__u32)(__u16)~before + after;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/*
 * Written in place: a helper that stores costs more than all the rest of marking. In turn the
 * verifier puts in front of the program that a packet whose memory is shared gets a writable header
 * first; what TCP sends has one.
 */
static __always_inline int write_ipv4(struct __sk_buff *skb, const struct ip_packet *ip, __u8 tos)
{
	struct ipv4_header *header = packet_at(skb, ip->offset, sizeof(*header));
	__u16 before, after;

	if (!header)
		return -1;
	before = bpf_htons((__u16)(header->version_ihl << 8 | ip->tos));
	after = bpf_htons((__u16)(header->version_ihl << 8 | tos));
	header->tos = tos;
	header->checksum = checksum_adjust(header->checksum, before, after);
	return 0;
}

static __always_inline int write_ipv6(struct __sk_buff *skb, const struct ip_packet *ip, __u8 tos)
{
	__u8 *header = packet_at(skb, ip->offset, 2);

	if (!header)
		return -1;
	header[0] = (__u8)((header[0] & 0xf0) | tos >> 4);
	header[1] = (__u8)((header[1] & 0x0f) | tos << 4);
	return 0;
}

static __always_inline void write_mark(struct __sk_buff *skb, const struct ip_packet *ip,
				       const struct gw_verdict *verdict, struct gw_stats *count)
{
	__u8 tos = (__u8)(ip->tos & ECN_MASK) | (__u8)(verdict->dscp << DSCP_SHIFT);
	int r;

	if (verdict->flags & GW_VERDICT_SET_PRIORITY)
		skb->priority = verdict->priority;
	if (!(verdict->flags & GW_VERDICT_SET_DSCP) || tos == ip->tos)
		return;
	r = ip->version == 4 ? write_ipv4(skb, ip, tos) : write_ipv6(skb, ip, tos);
	if (r == 0)
		count->count[GW_STAT_REWRITTEN]++;
}

/*
 * Only what was sent here, and has not been received since, has its tag from here. Tuples name the one link that
 * they are about.
 */
static __always_inline __u32 tag_from_above(const struct __sk_buff *skb, int is_tuple)
{
	return skb->tc_index & GW_TAG && skb->ingress_ifindex == 0 && !is_tuple ? skb->tc_index : 0;
}

/*
 * A priority tag: IEEE 802.1Q with the VLAN 0, which the kernel keeps beside the packet until a device wants it in
 * there; so nothing moves, and segments get it too. Where links lie one above the other, the topmost puts it on.
 * What has a tag already keeps to that one.
 */
static __always_inline void push_priority_tag(struct __sk_buff *skb, __u8 priority)
{
	__u32 ifindex = skb->ifindex;
	const struct gw_link *link;

	if (skb->vlan_present || is_vlan((__be16)skb->protocol))
		return;
	link = bpf_map_lookup_elem(&links, &ifindex);
	if (link && link->flags & GW_LINK_UNTAGGED)
		return;
	bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), (__u16)(priority << PRIORITY_SHIFT));
}

/* The packet's tag, and in `verdict` what it gets; 0: it is to be dropped. */
static __always_inline __u32 meter_verdict(struct __sk_buff *skb, const struct ip_packet *ip,
					   struct gw_verdict *verdict, __u32 above,
					   struct gw_stats *count)
{
	struct metered metered = {
		.flow_id = verdict->flow_id,
		.flags = verdict->flags,
		.offset = ip->offset,
		.transport = ip->transport,
		.protocol = ip->protocol,
		.again = above,
	};
	int ruling;

	if (metered.transport == 0)
		metered.transport =
			ip->offset + (ip->version == 4 ? IPV4_HEADER_LEN : IPV6_HEADER_LEN);
	ruling = meter_packet(skb, &metered);
	if (ruling == METER_DROPPED) {
		count->count[GW_STAT_DROPPED]++;
		return 0;
	}
	if (ruling == METER_EXCESS) {
		count->count[GW_STAT_EXCESS]++;
		*verdict = metered.excess;
		return GW_TAG | GW_TAG_EXCESS | GW_BAND(verdict->traffic_class);
	}
	return GW_TAG | (metered.minor != 0 ? metered.minor : GW_BAND(verdict->traffic_class));
}

static __always_inline int apply_verdict(struct __sk_buff *skb, const struct ip_packet *ip,
					 const struct gw_verdict *found, enum link_kind kind,
					 int is_tuple, struct gw_stats *count)
{
	struct gw_verdict verdict = *found;
	__u32 tag = GW_TAG | GW_BAND(verdict.traffic_class);
	__u32 above = tag_from_above(skb, is_tuple);

	count->count[GW_STAT_MANAGED]++;
	if (verdict.flags & GW_VERDICT_METERED) {
		/* It has its mark and its place, which are not those of the flow. */
		if (above & GW_TAG_EXCESS)
			return TC_ACT_UNSPEC;
		tag = meter_verdict(skb, ip, &verdict, above, count);
		if (tag == 0)
			return TC_ACT_SHOT;
	}
	skb->tc_index = (__u16)tag;
	write_mark(skb, ip, &verdict, count);
	/* Last: where the packet lies is not known any more after it. */
	if (verdict.flags & GW_VERDICT_TAG && kind == LINK_ETHERNET && above == 0)
		push_priority_tag(skb, verdict.priority);
	return TC_ACT_UNSPEC;
}

/* What is looked up goes from the particular to the general. */
static __always_inline const struct gw_verdict *find_verdict(struct __sk_buff *skb, __u64 cookie,
							     enum link_kind kind,
							     struct ip_packet *ip,
							     struct tuple_search *search,
							     struct gw_stats *count)
{
	const struct gw_socket *entry = cookie ? bpf_map_lookup_elem(&sockets, &cookie) : NULL;
	const struct gw_verdict *verdict = NULL;

	/* Most packets of a machine end here. */
	if ((!entry && !have_others()) || parse_ip(skb, kind, ip) != 0)
		return NULL;
	if (entry)
		verdict = find_for_socket(skb, cookie, entry, ip, count);
	if (!verdict && find_for_tuple(skb, ip, search, count))
		verdict = &search->found;
	if (!verdict)
		verdict = find_for_group(skb);
	return verdict;
}

/* What the classifier is to return. */
static __always_inline int mark_packet(struct __sk_buff *skb, __u64 cookie, enum link_kind kind)
{
	const struct gw_verdict *verdict;
	struct tuple_search search;
	struct gw_stats *count;
	struct ip_packet ip;
	__u32 zero = 0;

	count = bpf_map_lookup_elem(&stats, &zero);
	if (!count)
		return TC_ACT_UNSPEC;
	count->count[GW_STAT_PACKETS]++;

	verdict = find_verdict(skb, cookie, kind, &ip, &search, count);
	if (verdict)
		return apply_verdict(skb, &ip, verdict, kind, verdict == &search.found, count);
	/* A tag from elsewhere, such as the link that a tunnel came through, means nothing on this one. */
	if (skb->tc_index & GW_TAG)
		skb->tc_index = 0;
	return TC_ACT_UNSPEC;
}

#endif
