/* SPDX-License-Identifier: MIT */
/* htb.c: see htb.h. */
#include "datapath/kernel/htb.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "core/rate.h"
#include "datapath/kernel/qdisc.h"
#include "datapath/kernel/tc.h"

#define REQUEST_LEN 512

/* The newest protocol of HTB, which is also its oldest that is left. */
#define VERSION 3

/* We set quanta explicitly, so that this divisor of rates only has to be there. */
#define RATE_TO_QUANTUM 10

static struct nlmsghdr *begin(void *buffer, const struct htb *htb, uint16_t type, uint16_t flags,
			      uint32_t handle, uint32_t parent)
{
	const struct tcmsg payload = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)htb->ifindex,
		.tcm_handle = handle,
		.tcm_parent = parent,
	};
	struct nlmsghdr *message = tc_begin(buffer, type, flags, &payload);

	mnl_attr_put_strz(message, TCA_KIND, HTB_KIND);
	return message;
}

int htb_create(const struct htb *htb, uint32_t default_minor, bool replace)
{
	const struct tc_htb_glob init = {
		.version = VERSION,
		.rate2quantum = RATE_TO_QUANTUM,
		.defcls = default_minor,
	};
	char buffer[REQUEST_LEN] = { 0 };
	struct nlmsghdr *message = begin(buffer, htb, RTM_NEWQDISC,
					 NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL),
					 htb->handle, TC_H_ROOT);
	struct nlattr *options = mnl_attr_nest_start(message, TCA_OPTIONS);

	mnl_attr_put(message, TCA_HTB_INIT, sizeof(init), &init);
	mnl_attr_nest_end(message, options);
	return tc_change(htb->tc, message);
}

int htb_delete(const struct htb *htb)
{
	const struct qdisc_place place = {
		.ifindex = htb->ifindex,
		.parent = TC_H_ROOT,
		.handle = htb->handle,
	};

	return qdisc_delete(htb->tc, &place);
}

/* --- Classes ---------------------------------------------------------------------------------- */

static struct tc_ratespec ratespec(struct rate_netlink rate, uint16_t overhead_bytes)
{
	return (struct tc_ratespec){
		.linklayer = TC_LINKLAYER_ETHERNET,
		.overhead = overhead_bytes,
		.rate = rate.rate,
	};
}

static int put_class(const struct htb *htb, const struct htb_class *c, uint16_t flags)
{
	const struct rate_netlink rate = rate_to_netlink(c->rate_bps);
	const struct rate_netlink ceil = rate_to_netlink(c->ceil_bps);
	const struct tc_htb_opt parameters = {
		.rate = ratespec(rate, c->overhead_bytes),
		.ceil = ratespec(ceil, c->overhead_bytes),
		.buffer = rate_burst_ticks(c->rate_bps, c->burst_bytes),
		.cbuffer = rate_burst_ticks(c->ceil_bps, c->ceil_burst_bytes),
		.quantum = c->quantum_bytes,
		.prio = c->priority,
	};
	char buffer[REQUEST_LEN] = { 0 };
	struct nlmsghdr *message = begin(buffer, htb, RTM_NEWTCLASS, flags, htb->handle | c->minor,
					 htb->handle | c->parent);
	struct nlattr *options = mnl_attr_nest_start(message, TCA_OPTIONS);

	mnl_attr_put(message, TCA_HTB_PARMS, sizeof(parameters), &parameters);
	if (rate.rate64 > 0)
		mnl_attr_put_u64(message, TCA_HTB_RATE64, rate.rate64);
	if (ceil.rate64 > 0)
		mnl_attr_put_u64(message, TCA_HTB_CEIL64, ceil.rate64);
	mnl_attr_nest_end(message, options);
	return tc_change(htb->tc, message);
}

int htb_class_create(const struct htb *htb, const struct htb_class *htb_class)
{
	return put_class(htb, htb_class, NLM_F_CREATE | NLM_F_EXCL);
}

int htb_class_change(const struct htb *htb, const struct htb_class *htb_class)
{
	return put_class(htb, htb_class, 0);
}

/* --- What is there ---------------------------------------------------------------------------- */

static bool get(const struct nlattr *attribute, void *ret_value, size_t len)
{
	if (mnl_attr_get_payload_len(attribute) < len)
		return false;
	memcpy(ret_value, mnl_attr_get_payload(attribute), len);
	return true;
}

static int on_option(const struct nlattr *attribute, void *user_data)
{
	struct htb_class_seen *seen = user_data;
	struct tc_htb_opt parameters;
	uint64_t rate;

	/* The wide rate comes after the narrow one that it stands for. */
	if (mnl_attr_get_type(attribute) == TCA_HTB_PARMS &&
	    get(attribute, &parameters, sizeof(parameters))) {
		seen->rate_bps = rate_from_bytes(parameters.rate.rate);
		seen->priority = parameters.prio;
	}
	if (mnl_attr_get_type(attribute) == TCA_HTB_RATE64 && get(attribute, &rate, sizeof(rate)))
		seen->rate_bps = rate_from_bytes(rate);
	return MNL_CB_OK;
}

static int on_statistic(const struct nlattr *attribute, void *user_data)
{
	struct htb_class_seen *seen = user_data;
	struct gnet_stats_basic basic = { 0 };
	struct gnet_stats_queue queue;

	/* The size of the structure ends in padding, which is not always sent. */
	if (mnl_attr_get_type(attribute) == TCA_STATS_BASIC &&
	    get(attribute, &basic, offsetof(struct gnet_stats_basic, packets) + sizeof(uint32_t))) {
		memcpy(&basic, mnl_attr_get_payload(attribute),
		       offsetof(struct gnet_stats_basic, packets) + sizeof(uint32_t));
		seen->bytes = basic.bytes;
		seen->packets = basic.packets;
	}
	if (mnl_attr_get_type(attribute) == TCA_STATS_QUEUE &&
	    get(attribute, &queue, sizeof(queue))) {
		seen->backlog_bytes = queue.backlog;
		seen->backlog_packets = queue.qlen;
		seen->drops = queue.drops;
	}
	return MNL_CB_OK;
}

static int on_attribute(const struct nlattr *attribute, void *user_data)
{
	if (mnl_attr_get_type(attribute) == TCA_OPTIONS)
		mnl_attr_parse_nested(attribute, on_option, user_data);
	if (mnl_attr_get_type(attribute) == TCA_STATS2)
		mnl_attr_parse_nested(attribute, on_statistic, user_data);
	return MNL_CB_OK;
}

struct visitor {
	const struct htb *htb;
	htb_class_fn *visit;
	void *user_data;
};

int htb_class_parse(const struct htb *htb, const struct nlmsghdr *message,
		    struct htb_class_seen *ret_class)
{
	const struct tcmsg *payload = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type != RTM_NEWTCLASS ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*payload) ||
	    (uint32_t)payload->tcm_ifindex != htb->ifindex ||
	    TC_H_MAJ(payload->tcm_handle) != htb->handle)
		return -EBADMSG;
	*ret_class = (struct htb_class_seen){
		.minor = TC_H_MIN(payload->tcm_handle),
		.parent = payload->tcm_parent == TC_H_ROOT ? 0 : TC_H_MIN(payload->tcm_parent),
		.leaf = payload->tcm_info,
	};
	mnl_attr_parse(message, sizeof(*payload), on_attribute, ret_class);
	return 0;
}

static int on_class(const struct nlmsghdr *message, void *user_data)
{
	const struct visitor *visitor = user_data;
	struct htb_class_seen seen;

	if (htb_class_parse(visitor->htb, message, &seen) < 0)
		return MNL_CB_OK;
	visitor->visit(visitor->user_data, &seen);
	return MNL_CB_OK;
}

int htb_class_visit(const struct htb *htb, htb_class_fn *visit, void *user_data)
{
	const struct tcmsg payload = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)htb->ifindex,
		.tcm_parent = htb->handle, /* no classes of the leaves */
	};
	struct visitor visitor = { .htb = htb, .visit = visit, .user_data = user_data };
	char buffer[REQUEST_LEN] = { 0 };

	return tc_talk(htb->tc, tc_begin(buffer, RTM_GETTCLASS, NLM_F_DUMP, &payload), on_class,
		       &visitor);
}

static int on_default(const struct nlattr *attribute, void *user_data)
{
	struct tc_htb_glob init;

	if (mnl_attr_get_type(attribute) == TCA_HTB_INIT && get(attribute, &init, sizeof(init)))
		*(uint32_t *)user_data = init.defcls;
	return MNL_CB_OK;
}

uint32_t htb_default_of(const void *options, size_t options_len)
{
	uint32_t minor = 0;

	if (options)
		mnl_attr_parse_payload(options, options_len, on_default, &minor);
	return minor;
}

/* Attributes are read-only to libmnl; these are our own copy. */
static int on_init(const struct nlattr *attribute, void *user_data)
{
	struct tc_htb_glob init;

	if (mnl_attr_get_type(attribute) != TCA_HTB_INIT || !get(attribute, &init, sizeof(init)))
		return MNL_CB_OK;
	init.version = VERSION;
	init.direct_pkts = 0;
	memcpy(mnl_attr_get_payload(attribute), &init, sizeof(init));
	return MNL_CB_OK;
}

void htb_make_request_of(void *options, size_t options_len)
{
	mnl_attr_parse_payload(options, options_len, on_init, NULL);
}
