/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * classify.bpf.c: the filter on the root of a scheduled link, direct-action. It must be created with the
 * root's `classid` (major, no minor), for the field it writes holds a minor only.
 */
#include "classify.h"

SEC("tc")
int classify(struct __sk_buff *skb)
{
	__u32 minor = class_of(skb);

	if (minor == 0)
		return TC_ACT_UNSPEC;
	skb->tc_classid = minor;
	return TC_ACT_OK;
}

char program_license[] SEC("license") = "Dual MIT/GPL";
