/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * mark.bpf.c: the tc egress classifier. For each packet of a socket or control group with a flow it
 * writes the DSCP, leaving ECN alone, and the priority. It decides nothing else about the packet:
 * filters after it run as if it were not there.
 *
 * Two programs, because a classifier is not told where the network header begins: the common case
 * has it after an Ethernet header, the other finds it out.
 */
#include "mark.h"

SEC("tc")
int mark_ethernet(struct __sk_buff *skb)
{
	mark_packet(skb, bpf_get_socket_cookie(skb), LINK_ETHERNET);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int mark_other(struct __sk_buff *skb)
{
	mark_packet(skb, bpf_get_socket_cookie(skb), LINK_OTHER);
	return TC_ACT_UNSPEC;
}

char program_license[] SEC("license") = "Dual MIT/GPL";
