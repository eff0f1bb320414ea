/* SPDX-License-Identifier: MIT */
/* fq_codel.c: the leaf of choice, fair between flows and short in delay (RFC 8290). */
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "datapath/kernel/qdisc.h"

#define USEC_PER_SEC 1000000u
#define TARGET_MIN_US 5000u
#define INTERVAL_MIN_US 100000u
/* RFC 8290 §5.2.1: the target must exceed the time that one frame takes. */
#define INTERVAL_PER_TARGET 4
#define TARGET_MAX_US (10 * USEC_PER_SEC)
#define PACKETS_MAX 10240

static void fill(struct nlmsghdr *message, const struct queue_size *size)
{
	struct nlattr *options = mnl_attr_nest_start(message, TCA_OPTIONS);
	uint64_t target_us =
		size->frame_bytes * UINT64_C(8) * USEC_PER_SEC * 3 / 2 / size->rate_bps;
	uint64_t interval_us;

	if (target_us < TARGET_MIN_US)
		target_us = TARGET_MIN_US;
	if (target_us > TARGET_MAX_US)
		target_us = TARGET_MAX_US;
	interval_us = target_us * INTERVAL_PER_TARGET;
	if (interval_us < INTERVAL_MIN_US)
		interval_us = INTERVAL_MIN_US;
	mnl_attr_put_u32(message, TCA_FQ_CODEL_LIMIT,
			 size->max_packets > 0 ? size->max_packets : PACKETS_MAX);
	mnl_attr_put_u32(message, TCA_FQ_CODEL_TARGET, (uint32_t)target_us);
	mnl_attr_put_u32(message, TCA_FQ_CODEL_INTERVAL, (uint32_t)interval_us);
	mnl_attr_put_u32(message, TCA_FQ_CODEL_QUANTUM, size->frame_bytes);
	mnl_attr_put_u32(message, TCA_FQ_CODEL_ECN, 1);
	mnl_attr_nest_end(message, options);
}

const struct qdisc_kind qdisc_fq_codel = { .name = "fq_codel", .fill = fill };
