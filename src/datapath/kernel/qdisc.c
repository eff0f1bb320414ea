/* SPDX-License-Identifier: MIT */
/* qdisc.c: see qdisc.h. */
#include "datapath/kernel/qdisc.h"

#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "datapath/kernel/tc.h"

/* Options as dumped may be long, but no longer than what foreign.h keeps. */
#define REQUEST_LEN 4096

static const struct qdisc_kind *const kinds[] = { &qdisc_fq_codel, &qdisc_fq, &qdisc_pfifo,
						  &qdisc_tbf };

const struct qdisc_kind *qdisc_kind_find(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

static struct nlmsghdr *begin(void *buffer, uint16_t type, uint16_t flags,
			      const struct qdisc_place *place)
{
	const struct tcmsg payload = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)place->ifindex,
		.tcm_handle = place->handle,
		.tcm_parent = place->parent,
	};

	return tc_begin(buffer, type, flags, &payload);
}

static int put(struct tc *tc, const struct qdisc_place *place, const struct qdisc_kind *kind,
	       const struct queue_size *size, uint16_t flags)
{
	char buffer[REQUEST_LEN] = { 0 };
	struct nlmsghdr *message = begin(buffer, RTM_NEWQDISC, flags, place);

	mnl_attr_put_strz(message, TCA_KIND, kind->name);
	kind->fill(message, size);
	return tc_change(tc, message);
}

int qdisc_create(struct tc *tc, const struct qdisc_place *place, const struct qdisc_kind *kind,
		 const struct queue_size *size)
{
	return put(tc, place, kind, size, NLM_F_CREATE | NLM_F_EXCL);
}

int qdisc_change(struct tc *tc, const struct qdisc_place *place, const struct qdisc_kind *kind,
		 const struct queue_size *size)
{
	return put(tc, place, kind, size, 0);
}

int qdisc_put_raw(struct tc *tc, const struct qdisc_place *place, const char *kind,
		  const void *options, size_t options_len, bool replace)
{
	char buffer[REQUEST_LEN] = { 0 };
	struct nlmsghdr *message = begin(
		buffer, RTM_NEWQDISC, NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL), place);

	mnl_attr_put_strz(message, TCA_KIND, kind);
	if (options &&
	    !mnl_attr_put_check(message, sizeof(buffer), TCA_OPTIONS, options_len, options))
		return -E2BIG;
	return tc_change(tc, message);
}

int qdisc_delete(struct tc *tc, const struct qdisc_place *place)
{
	char buffer[REQUEST_LEN] = { 0 };

	return tc_change(tc, begin(buffer, RTM_DELQDISC, 0, place));
}

/* --- What is there ---------------------------------------------------------------------------- */

static int on_queue_stats(const struct nlattr *attribute, void *user_data)
{
	struct qdisc_seen *seen = user_data;
	struct gnet_stats_queue queue;

	if (mnl_attr_get_type(attribute) == TCA_STATS_QUEUE &&
	    mnl_attr_get_payload_len(attribute) >= sizeof(queue)) {
		memcpy(&queue, mnl_attr_get_payload(attribute), sizeof(queue));
		seen->drops = queue.drops;
		seen->backlog_bytes = queue.backlog;
	}
	return MNL_CB_OK;
}

static int on_attribute(const struct nlattr *attribute, void *user_data)
{
	struct qdisc_seen *seen = user_data;

	switch (mnl_attr_get_type(attribute)) {
	case TCA_KIND:
		if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			seen->kind = mnl_attr_get_str(attribute);
		break;
	case TCA_OPTIONS:
		seen->options = mnl_attr_get_payload(attribute);
		seen->options_len = mnl_attr_get_payload_len(attribute);
		break;
	case TCA_STATS2:
		mnl_attr_parse_nested(attribute, on_queue_stats, seen);
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

struct visitor {
	uint32_t ifindex;
	qdisc_fn *visit;
	void *user_data;
};

int qdisc_parse(const struct nlmsghdr *message, struct qdisc_seen *ret_qdisc)
{
	const struct tcmsg *payload = mnl_nlmsg_get_payload(message);

	if (message->nlmsg_type != RTM_NEWQDISC ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*payload))
		return -EBADMSG;
	*ret_qdisc = (struct qdisc_seen){
		.place = {
			.ifindex = (uint32_t)payload->tcm_ifindex,
			.parent = payload->tcm_parent,
			.handle = payload->tcm_handle,
		},
		.kind = "",
	};
	mnl_attr_parse(message, sizeof(*payload), on_attribute, ret_qdisc);
	return 0;
}

static int on_qdisc(const struct nlmsghdr *message, void *user_data)
{
	const struct visitor *visitor = user_data;
	struct qdisc_seen seen;

	if (qdisc_parse(message, &seen) < 0)
		return MNL_CB_OK;
	/* The kernel dumps every interface, whichever was asked for. */
	if (visitor->ifindex != 0 && seen.place.ifindex != visitor->ifindex)
		return MNL_CB_OK;
	visitor->visit(visitor->user_data, &seen);
	return MNL_CB_OK;
}

int qdisc_visit(struct tc *tc, uint32_t ifindex, qdisc_fn *visit, void *user_data)
{
	const struct qdisc_place place = { .ifindex = ifindex };
	struct visitor visitor = { .ifindex = ifindex, .visit = visit, .user_data = user_data };
	char buffer[REQUEST_LEN] = { 0 };

	return tc_talk(tc, begin(buffer, RTM_GETQDISC, NLM_F_DUMP, &place), on_qdisc, &visitor);
}
