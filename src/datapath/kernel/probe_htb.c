/* SPDX-License-Identifier: MIT */
/* probe_htb.c: finds out whether the kernel can schedule links, without scheduling one. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include "datapath/kernel/htb.h"
#include "datapath/kernel/probe.h"
#include "datapath/kernel/schedule.h"
#include "datapath/kernel/tc.h"

#define REQUEST_LEN 256

/*
 * A root without its options is refused, but not before the kernel has found, or loaded, what it is a root of.
 * (Where one of this handle is there it is found to be unchanged.)
 */
int probe_htb(void)
{
	const struct tcmsg payload = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)if_nametoindex("lo"),
		.tcm_handle = SCHEDULE_HANDLE,
		.tcm_parent = TC_H_ROOT,
	};
	char buffer[REQUEST_LEN] = { 0 };
	struct nlmsghdr *message;
	struct tc tc;
	int r = tc_open(&tc);

	if (r < 0)
		return r;
	message = tc_begin(buffer, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &payload);
	mnl_attr_put_strz(message, TCA_KIND, HTB_KIND);
	r = tc_change(&tc, message);
	tc_close(&tc);
	return r == -EINVAL ? 0 : r;
}
