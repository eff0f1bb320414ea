/* SPDX-License-Identifier: MIT */
/* fq.c: a leaf that is fair between sockets and keeps to times of departure. */
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "datapath/kernel/qdisc.h"

#define PACKETS_MAX 10000

static void fill(struct nlmsghdr *message, const struct queue_size *size)
{
	struct nlattr *options = mnl_attr_nest_start(message, TCA_OPTIONS);

	mnl_attr_put_u32(message, TCA_FQ_PLIMIT,
			 size->max_packets > 0 ? size->max_packets : PACKETS_MAX);
	mnl_attr_put_u32(message, TCA_FQ_QUANTUM, 2 * size->frame_bytes);
	mnl_attr_nest_end(message, options);
}

const struct qdisc_kind qdisc_fq = { .name = "fq", .fill = fill };
