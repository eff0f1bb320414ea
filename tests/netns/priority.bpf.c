/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * priority.bpf.c: a filter on an HTB root that puts a packet into class :10 + skb->priority, so that the
 * counters of the classes tell with which priority packets reach a queueing discipline.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

__attribute__((section("classifier"), used)) int by_priority(struct __sk_buff *skb)
{
	skb->tc_classid = 0x10 + (skb->priority & 15);
	return TC_ACT_OK;
}

__attribute__((section("license"), used)) char _license[] = "Dual MIT/GPL";
