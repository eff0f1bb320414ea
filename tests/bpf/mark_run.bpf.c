/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * mark_run.bpf.c: the marking code of src/bpf/mark.h as it is, run on packets made by a test. Such
 * packets have no socket of an application, so the cookie comes from a variable.
 */
#include "mark.h"

__u64 run_cookie;
__u64 other_cookie;

SEC("tc")
int run_ethernet(struct __sk_buff *skb)
{
	mark_packet(skb, run_cookie, LINK_ETHERNET);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int run_other(struct __sk_buff *skb)
{
	mark_packet(skb, run_cookie, LINK_OTHER);
	return TC_ACT_UNSPEC;
}

/* Two different marks one after the other: in a repeated run, each has something to write. */
SEC("tc")
int run_twice(struct __sk_buff *skb)
{
	mark_packet(skb, run_cookie, LINK_ETHERNET);
	mark_packet(skb, other_cookie, LINK_ETHERNET);
	return TC_ACT_UNSPEC;
}

/* What a run costs by itself. */
SEC("tc")
int run_nothing(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

char program_license[] SEC("license") = "Dual MIT/GPL";
