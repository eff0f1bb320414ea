/* SPDX-License-Identifier: MIT */
/*
 * queue_stats.c: see queue_stats.h. Queues are dumped, never asked for one by one: many kernels tell everybody who
 * watches queues of such an answer.
 */
#include "datapath/queue_stats.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define BITS_PER_BYTE 8

struct request {
	struct nlmsghdr header;
	struct tcmsg tc;
};

struct search {
	uint32_t ifindex;
	bool has_queue;
	struct queue_stats stats;
};

/* ---- values ---- */

static bool is(const struct rtattr *kind, const char *name)
{
	return kind && strncmp(RTA_DATA(kind), name, RTA_PAYLOAD(kind)) == 0;
}

/* As much of a structure as the kernel knows of; the rest is 0. */
static bool copy(const struct rtattr *attribute, void *ret, size_t size)
{
	size_t n;

	memset(ret, 0, size);
	if (!attribute)
		return false;
	n = RTA_PAYLOAD(attribute);
	memcpy(ret, RTA_DATA(attribute), n < size ? n : size);
	return true;
}

/* A rate in a ratespec, or if that is too narrow beside it, in bits per second. */
static uint64_t rate_of(const struct tc_ratespec *spec, const struct rtattr *wide)
{
	uint64_t bytes_per_s;

	return BITS_PER_BYTE * (copy(wide, &bytes_per_s, sizeof(bytes_per_s)) && bytes_per_s
					? bytes_per_s
					: spec->rate);
}

/* ---- what a queue says of itself ---- */

static uint64_t shaper_rate(const struct rtattr *kind, const struct rtattr *options)
{
	const struct rtattr *tbf[TCA_TBF_MAX + 1], *cake[TCA_CAKE_MAX + 1];
	struct tc_tbf_qopt qopt;
	const struct tc_ratespec none = { 0 };

	if (!options)
		return 0;
	if (is(kind, "tbf")) {
		netlink_nested(options, tbf, TCA_TBF_MAX + 1);
		return copy(tbf[TCA_TBF_PARMS], &qopt, sizeof(qopt))
			       ? rate_of(&qopt.rate, tbf[TCA_TBF_RATE64])
			       : 0;
	}
	if (is(kind, "cake")) {
		netlink_nested(options, cake, TCA_CAKE_MAX + 1);
		return rate_of(&none, cake[TCA_CAKE_BASE_RATE64]);
	}
	return 0;
}

static uint64_t marks(const struct rtattr *kind, const struct rtattr *own)
{
	struct tc_fq_codel_xstats fq_codel;
	struct tc_codel_xstats codel;
	struct tc_red_xstats red;

	if (is(kind, "fq_codel") && copy(own, &fq_codel, sizeof(fq_codel)) &&
	    fq_codel.type == TCA_FQ_CODEL_XSTATS_QDISC)
		return fq_codel.qdisc_stats.ecn_mark;
	if (is(kind, "codel") && copy(own, &codel, sizeof(codel)))
		return codel.ecn_mark;
	if (is(kind, "red") && copy(own, &red, sizeof(red)))
		return red.marked;
	return 0;
}

static void read_totals(const struct rtattr *totals, struct queue_stats *stats)
{
	const struct rtattr *attributes[TCA_STATS_MAX + 1];
	struct gnet_stats_basic basic;
	struct gnet_stats_queue queue;
	uint64_t packets;

	if (!totals)
		return;
	netlink_nested(totals, attributes, TCA_STATS_MAX + 1);
	(void)copy(attributes[TCA_STATS_BASIC], &basic, sizeof(basic));
	(void)copy(attributes[TCA_STATS_QUEUE], &queue, sizeof(queue));
	stats->bytes = basic.bytes;
	stats->packets = copy(attributes[TCA_STATS_PKT64], &packets, sizeof(packets))
				 ? packets
				 : basic.packets;
	stats->drops = queue.drops;
	stats->backlog_bytes = queue.backlog;
}

static void take_queue(void *user_data, const struct nlmsghdr *message)
{
	const struct tcmsg *tc = NLMSG_DATA(message);
	const struct rtattr *attributes[TCA_STATS2 + 1];
	struct search *search = user_data;

	if (message->nlmsg_type != RTM_NEWQDISC || message->nlmsg_len < NLMSG_LENGTH(sizeof(*tc)) ||
	    (uint32_t)tc->tcm_ifindex != search->ifindex || tc->tcm_parent != TC_H_ROOT)
		return;
	netlink_attributes(message, sizeof(*tc), attributes, TCA_STATS2 + 1);
	search->has_queue = !is(attributes[TCA_KIND], "noqueue");
	search->stats.rate_of_classes = is(attributes[TCA_KIND], "htb");
	search->stats.handle = tc->tcm_handle;
	search->stats.rate_bps = shaper_rate(attributes[TCA_KIND], attributes[TCA_OPTIONS]);
	search->stats.marked = marks(attributes[TCA_KIND], attributes[TCA_XSTATS]);
	read_totals(attributes[TCA_STATS2], &search->stats);
}

/* HTB itself has no rate; its classes without a parent have, and cannot borrow. */
static void take_class(void *user_data, const struct nlmsghdr *message)
{
	const struct tcmsg *tc = NLMSG_DATA(message);
	const struct rtattr *attributes[TCA_OPTIONS + 1], *htb[TCA_HTB_MAX + 1];
	struct search *search = user_data;
	struct tc_htb_opt opt;

	if (message->nlmsg_type != RTM_NEWTCLASS ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*tc)) || tc->tcm_parent != TC_H_ROOT ||
	    TC_H_MAJ(tc->tcm_handle) != TC_H_MAJ(search->stats.handle))
		return;
	netlink_attributes(message, sizeof(*tc), attributes, TCA_OPTIONS + 1);
	if (!is(attributes[TCA_KIND], "htb") || !attributes[TCA_OPTIONS])
		return;
	netlink_nested(attributes[TCA_OPTIONS], htb, TCA_HTB_MAX + 1);
	if (copy(htb[TCA_HTB_PARMS], &opt, sizeof(opt)))
		search->stats.rate_bps += rate_of(&opt.rate, htb[TCA_HTB_RATE64]);
}

static int dump(struct netlink *netlink, uint16_t type,
		void (*take)(void *user_data, const struct nlmsghdr *message),
		struct search *search)
{
	struct request request = {
		.header = { .nlmsg_len = sizeof(request),
			    .nlmsg_type = type,
			    .nlmsg_flags = NLM_F_DUMP },
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)search->ifindex },
	};

	return netlink_ask(netlink, &request.header, take, search);
}

int queue_stats_read(struct netlink *netlink, uint32_t ifindex, struct queue_stats *ret_stats)
{
	struct search search = { .ifindex = ifindex };
	int r = dump(netlink, RTM_GETQDISC, take_queue, &search);

	if (r < 0)
		return r;
	if (!search.has_queue)
		return -ENOENT;
	*ret_stats = search.stats;
	return 0;
}

int queue_classes_rate(struct netlink *netlink, uint32_t ifindex, uint32_t handle,
		       uint64_t *ret_rate_bps)
{
	struct search search = { .ifindex = ifindex, .stats.handle = handle };
	int r = dump(netlink, RTM_GETTCLASS, take_class, &search);

	if (r < 0)
		return r;
	*ret_rate_bps = search.stats.rate_bps;
	return 0;
}

/* ---- what has passed ---- */

static void take_counts(void *user_data, const struct nlmsghdr *message)
{
	const struct rtattr *attributes[IFLA_STATS_LINK_64 + 1];
	struct link_counts *counts = user_data;
	struct rtnl_link_stats64 stats;

	if (message->nlmsg_type != RTM_NEWSTATS)
		return;
	netlink_attributes(message, sizeof(struct if_stats_msg), attributes,
			   IFLA_STATS_LINK_64 + 1);
	if (!copy(attributes[IFLA_STATS_LINK_64], &stats, sizeof(stats)))
		return;
	*counts = (struct link_counts){
		.bytes_received = stats.rx_bytes,
		.packets_received = stats.rx_packets,
		.bytes_sent = stats.tx_bytes,
		.packets_sent = stats.tx_packets,
	};
}

int link_counts_read(struct netlink *netlink, uint32_t ifindex, struct link_counts *ret_counts)
{
	struct {
		struct nlmsghdr header;
		struct if_stats_msg stats;
	} request = {
		.header = { .nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETSTATS },
		.stats = { .ifindex = ifindex,
			   .filter_mask = IFLA_STATS_FILTER_BIT(IFLA_STATS_LINK_64) },
	};
	struct link_counts counts = { 0 };
	int r = netlink_ask(netlink, &request.header, take_counts, &counts);

	if (r < 0)
		return r;
	*ret_counts = counts;
	return 0;
}
