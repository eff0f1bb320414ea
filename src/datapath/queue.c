/* SPDX-License-Identifier: MIT */
/* queue.c: see queue.h. */
#include "datapath/queue.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "datapath/netlink.h"

/* Handles of traffic control: major and minor, and what stands for no parent. */
#define MAJOR(handle) ((handle)&0xffff0000u)
#define NO_PARENT 0xffffffffu

static bool kind_is(const struct rtattr *kind, const char *name)
{
	return kind && strncmp(RTA_DATA(kind), name, RTA_PAYLOAD(kind)) == 0;
}

static const struct rtattr *find_kind(const struct tcmsg *tc, size_t len)
{
	const struct rtattr *attr =
		(const struct rtattr *)((const char *)tc + NLMSG_ALIGN(sizeof(*tc)));
	int left = (int)len - (int)NLMSG_ALIGN(sizeof(*tc));

	for (; RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == TCA_KIND)
			return attr;
	}
	return NULL;
}

/* The root comes first in a dump. Queues of what arrives (ingress, clsact) have parents of their own. */
void queue_view_add(struct queue_view *view, const void *message, size_t len, uint32_t ifindex)
{
	const struct tcmsg *tc = message;
	const struct rtattr *kind;

	if (len < sizeof(*tc) || (uint32_t)tc->tcm_ifindex != ifindex)
		return;
	kind = find_kind(tc, len);
	if (tc->tcm_parent == NO_PARENT) {
		view->root = tc->tcm_handle;
		view->root_fq = kind_is(kind, "fq");
		view->root_mq = kind_is(kind, "mq");
	} else if (view->root_mq && MAJOR(tc->tcm_parent) == MAJOR(view->root)) {
		view->below++;
		view->below_fq += kind_is(kind, "fq");
	}
}

bool queue_view_is_fq(const struct queue_view *view)
{
	return view->root_fq || (view->root_mq && view->below > 0 && view->below == view->below_fq);
}

struct look {
	uint32_t ifindex;
	struct queue_view view;
};

static void take(void *user_data, const struct nlmsghdr *message)
{
	struct look *look = user_data;

	if (message->nlmsg_type == RTM_NEWQDISC)
		queue_view_add(&look->view, NLMSG_DATA(message), NLMSG_PAYLOAD(message, 0),
			       look->ifindex);
}

bool queue_is_fq(uint32_t ifindex)
{
	struct {
		struct nlmsghdr head;
		struct tcmsg tc;
	} request = {
		.head = { .nlmsg_len = sizeof(request),
			  .nlmsg_type = RTM_GETQDISC,
			  .nlmsg_flags = NLM_F_DUMP },
		.tc = { .tcm_family = AF_UNSPEC, .tcm_ifindex = (int)ifindex },
	};
	struct look look = { .ifindex = ifindex };
	struct netlink *netlink;
	int r = netlink_new(NETLINK_ROUTE, &netlink);

	if (r < 0)
		return false;
	r = netlink_ask(netlink, &request.head, take, &look);
	netlink_free(netlink);
	return r == 0 && queue_view_is_fq(&look.view);
}
