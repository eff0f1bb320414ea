/* SPDX-License-Identifier: MIT */
/*
 * tbf.c: a token bucket filter that limits nothing: it stands above the queue of a leaf because it
 * is what splits packets that are segmented late (GSO), so that none larger than its bucket is sent in
 * one piece. What holds the packets is a queue below it.
 */
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "core/rate.h"
#include "datapath/kernel/qdisc.h"

/*
 * At which even the largest packet takes no whole nanosecond. So it never waits for tokens; nor would one
 * that was queued as a whole wait for ever, when the bucket has become too small for it.
 */
#define RATE_BPS UINT64_C(8000000000000000)

static void fill(struct nlmsghdr *message, const struct queue_size *size)
{
	const struct rate_netlink rate = rate_to_netlink(RATE_BPS);
	const struct tc_tbf_qopt parameters = {
		.rate = { .linklayer = TC_LINKLAYER_ETHERNET, .rate = rate.rate },
		/* The kernel hands it down to the queue below, if that is a plain one: so packets, there. */
		.limit = qdisc_fifo_packets(size),
	};
	struct nlattr *options = mnl_attr_nest_start(message, TCA_OPTIONS);

	mnl_attr_put(message, TCA_TBF_PARMS, sizeof(parameters), &parameters);
	if (rate.rate64 > 0)
		mnl_attr_put_u64(message, TCA_TBF_RATE64, rate.rate64);
	mnl_attr_put_u32(message, TCA_TBF_BURST, size->split_bytes);
	mnl_attr_nest_end(message, options);
}

const struct qdisc_kind qdisc_tbf = { .name = "tbf", .fill = fill };
