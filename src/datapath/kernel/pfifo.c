/* SPDX-License-Identifier: MIT */
/* pfifo.c: the plainest leaf, which every kernel has. */
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>

#include "datapath/kernel/qdisc.h"

/*
 * What is queued should be gone in this time. Less would do for one connection, but several that send
 * 64 KiB at once lose so much of it together that the link falls idle while they wait.
 */
#define DEPTH_MS 250
#define PACKETS_MIN 128
#define PACKETS_MAX 1000

uint32_t qdisc_fifo_packets(const struct queue_size *size)
{
	uint64_t packets = size->rate_bps / 8 * DEPTH_MS / 1000 / size->frame_bytes;

	if (size->max_packets > 0)
		return size->max_packets;
	if (packets < PACKETS_MIN)
		return PACKETS_MIN;
	return packets > PACKETS_MAX ? PACKETS_MAX : (uint32_t)packets;
}

static void fill(struct nlmsghdr *message, const struct queue_size *size)
{
	const struct tc_fifo_qopt options = { .limit = qdisc_fifo_packets(size) };

	mnl_attr_put(message, TCA_OPTIONS, sizeof(options), &options);
}

const struct qdisc_kind qdisc_pfifo = { .name = "pfifo", .fill = fill };
