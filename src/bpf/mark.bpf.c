/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * mark.bpf.c: the tc egress classifier. For each packet of a socket, tuple or control group with a flow
 * it writes the DSCP, leaving ECN alone, the priority, and the tag that names its class to a scheduled
 * link. Packets beyond the flow's rate may be dropped; of all others it decides nothing else: filters after
 * it run as if it were not there.
 *
 * Two programs, because a classifier is not told where the network header begins: the common case
 * has it after an Ethernet header, the other finds it out.
 */
#include "mark.h"

SEC("tc")
int mark_ethernet(struct __sk_buff *skb)
{
	return mark_packet(skb, bpf_get_socket_cookie(skb), LINK_ETHERNET);
}

SEC("tc")
int mark_other(struct __sk_buff *skb)
{
	return mark_packet(skb, bpf_get_socket_cookie(skb), LINK_OTHER);
}

char program_license[] SEC("license") = "Dual MIT/GPL";
