/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * mark_run.bpf.c: the marking code of src/bpf/mark.h and the sorting of src/bpf/classify.h as they are, run
 * on packets made by a test. Such packets have no socket of an application, so the cookie comes from a
 * variable; so does the time, and tags, which a test run neither takes nor shows, go through others.
 */
#include "vmlinux.h"

volatile __u64 run_clock_ns;

#define meter_clock_ns() run_clock_ns

#include "classify.h"
#include "mark.h"

__u64 run_cookie;
__u64 other_cookie;
__u32 run_tag; /* before, then after */
__u32 run_vlan; /* the tag that the device is to put in, before, then after: RUN_VLAN and what it holds */

#define RUN_VLAN 0x10000

SEC("tc")
int run_ethernet(struct __sk_buff *skb)
{
	return mark_packet(skb, run_cookie, LINK_ETHERNET);
}

SEC("tc")
int run_other(struct __sk_buff *skb)
{
	return mark_packet(skb, run_cookie, LINK_OTHER);
}

SEC("tc")
int run_tagged(struct __sk_buff *skb)
{
	int action;

	skb->tc_index = run_tag;
	action = mark_packet(skb, run_cookie, LINK_ETHERNET);
	run_tag = skb->tc_index;
	return action;
}

static __always_inline __u32 vlan_of(const struct __sk_buff *skb)
{
	return skb->vlan_present ? RUN_VLAN | skb->vlan_tci : 0;
}

/* A function of its own, as what a tag does to the packet is not for the verifier to follow. */
__attribute__((noinline)) int tag_before(struct __sk_buff *skb)
{
	return (int)bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), (__u16)run_vlan);
}

SEC("tc")
int run_vlan_ethernet(struct __sk_buff *skb)
{
	int action;

	if (run_vlan != 0)
		tag_before(skb);
	skb->tc_index = run_tag;
	action = mark_packet(skb, run_cookie, LINK_ETHERNET);
	run_tag = skb->tc_index;
	run_vlan = vlan_of(skb);
	return action;
}

SEC("tc")
int run_vlan_other(struct __sk_buff *skb)
{
	int action = mark_packet(skb, run_cookie, LINK_OTHER);

	run_vlan = vlan_of(skb);
	return action;
}

SEC("tc")
int run_classify(struct __sk_buff *skb)
{
	skb->tc_index = run_tag;
	return class_of(skb);
}

/* A function of its own: in one piece, twice the code is too much for the verifier of Linux 6.1. */
__attribute__((noinline)) int mark_one(struct __sk_buff *skb, __u64 cookie)
{
	return mark_packet(skb, cookie, LINK_ETHERNET);
}

/* Two different marks one after the other: in a repeated run, each has something to write. */
SEC("tc")
int run_twice(struct __sk_buff *skb)
{
	mark_one(skb, run_cookie);
	mark_one(skb, other_cookie);
	return TC_ACT_UNSPEC;
}

/* What a run costs by itself. */
SEC("tc")
int run_nothing(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

char program_license[] SEC("license") = "Dual MIT/GPL";
