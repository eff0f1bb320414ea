/* SPDX-License-Identifier: MIT */
/* tc.c: see tc.h. */
#include "datapath/kernel/tc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"

#define REQUEST_LEN 512
#define RECEIVE_LEN 32768
#define DUMP_ATTEMPTS 5

int tc_open(struct tc *tc)
{
	struct mnl_socket *netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r;

	tc->netlink = NULL;
	if (!netlink)
		return -errno;
	if (mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		mnl_socket_close(netlink);
		return r;
	}
	*tc = (struct tc){ .netlink = netlink, .sequence = (uint32_t)time(NULL) };
	return 0;
}

void tc_close(struct tc *tc)
{
	if (tc->netlink)
		mnl_socket_close(tc->netlink);
	tc->netlink = NULL;
}

struct nlmsghdr *tc_begin(void *buffer, uint16_t type, uint16_t flags, const struct tcmsg *payload)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	memcpy(mnl_nlmsg_put_extra_header(message, sizeof(*payload)), payload, sizeof(*payload));
	return message;
}

static bool is_sound(const uint8_t *buffer, size_t len)
{
	struct nlmsghdr header;
	size_t taken;

	while (len >= sizeof(header)) {
		memcpy(&header, buffer, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > len)
			return false;
		taken = NLMSG_ALIGN((size_t)header.nlmsg_len);
		if (taken >= len)
			return true;
		buffer += taken;
		len -= taken;
	}
	return true;
}

int tc_run(const void *buffer, size_t len, uint32_t sequence, uint32_t port, mnl_cb_t on_message,
	   void *user_data)
{
	if (!is_sound(buffer, len)) {
		errno = EBADMSG;
		return -1;
	}
	return mnl_cb_run(buffer, len, sequence, port, on_message, user_data);
}

/* Sends, and reads until the acknowledgement or the end of the dump. */
static int talk_once(struct tc *tc, struct nlmsghdr *message, mnl_cb_t on_message, void *user_data)
{
	_cleanup_(freep) char *buffer = malloc(RECEIVE_LEN);
	int r = MNL_CB_OK;
	ssize_t n;

	if (!buffer)
		return -ENOMEM;
	if (!tc->netlink)
		return -ENOTCONN;
	message->nlmsg_seq = ++tc->sequence;
	if (mnl_socket_sendto(tc->netlink, message, message->nlmsg_len) < 0)
		return -errno;
	while (r > MNL_CB_STOP) {
		n = mnl_socket_recvfrom(tc->netlink, buffer, RECEIVE_LEN);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		r = tc_run(buffer, (size_t)n, tc->sequence, mnl_socket_get_portid(tc->netlink),
			   on_message, user_data);
	}
	return r < 0 ? -errno : 0;
}

/*
 * -EINTR: what was being dumped has changed, and the rest is worth nothing. It is left unread, in a
 * socket given up, and the dump begins anew; so visitors may see a thing twice.
 */
int tc_talk(struct tc *tc, struct nlmsghdr *message, mnl_cb_t on_message, void *user_data)
{
	int r = talk_once(tc, message, on_message, user_data);

	for (int attempt = 0; r == -EINTR && attempt < DUMP_ATTEMPTS; attempt++) {
		tc_close(tc);
		r = tc_open(tc);
		if (r < 0)
			return r;
		r = talk_once(tc, message, on_message, user_data);
	}
	return r;
}

int tc_change(struct tc *tc, struct nlmsghdr *message)
{
	message->nlmsg_flags |= NLM_F_ACK;
	return tc_talk(tc, message, NULL, NULL);
}

static int change_clsact(struct tc *tc, uint32_t ifindex, uint16_t type, uint16_t flags)
{
	const struct tcmsg payload = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)ifindex,
		.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0),
		.tcm_parent = TC_H_CLSACT,
	};
	char buffer[REQUEST_LEN] = { 0 };
	struct nlmsghdr *message = tc_begin(buffer, type, flags, &payload);

	mnl_attr_put_strz(message, TCA_KIND, "clsact");
	return tc_change(tc, message);
}

int tc_clsact_create(struct tc *tc, uint32_t ifindex)
{
	return change_clsact(tc, ifindex, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
}

int tc_clsact_delete(struct tc *tc, uint32_t ifindex)
{
	return change_clsact(tc, ifindex, RTM_DELQDISC, 0);
}

static struct nlmsghdr *begin_filter(void *buffer, uint16_t type, uint16_t flags,
				     const struct tc_filter *filter)
{
	const struct tcmsg payload = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)filter->ifindex,
		.tcm_handle = filter->handle,
		.tcm_parent = filter->parent,
		.tcm_info = TC_H_MAKE(filter->priority << 16, htons(ETH_P_ALL)),
	};
	struct nlmsghdr *message = tc_begin(buffer, type, flags, &payload);

	mnl_attr_put_strz(message, TCA_KIND, "bpf");
	return message;
}

int tc_filter_put(struct tc *tc, const struct tc_filter *filter, int program_fd, const char *name)
{
	char buffer[REQUEST_LEN] = { 0 };
	struct nlmsghdr *message = begin_filter(buffer, RTM_NEWTFILTER, NLM_F_CREATE, filter);
	struct nlattr *options = mnl_attr_nest_start(message, TCA_OPTIONS);

	mnl_attr_put_u32(message, TCA_BPF_FD, (uint32_t)program_fd);
	mnl_attr_put_strz(message, TCA_BPF_NAME, name);
	if (filter->class_id != 0)
		mnl_attr_put_u32(message, TCA_BPF_CLASSID, filter->class_id);
	mnl_attr_put_u32(message, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
	mnl_attr_nest_end(message, options);
	return tc_change(tc, message);
}

int tc_filter_delete(struct tc *tc, const struct tc_filter *filter)
{
	char buffer[REQUEST_LEN] = { 0 };

	return tc_change(tc, begin_filter(buffer, RTM_DELTFILTER, 0, filter));
}

static int on_kind(const struct nlattr *attribute, void *user_data)
{
	const char **kind = user_data;

	if (mnl_attr_get_type(attribute) == TCA_KIND &&
	    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
		*kind = mnl_attr_get_str(attribute);
	return MNL_CB_OK;
}

int tc_filter_parse(const struct nlmsghdr *message, struct tc_filter *ret_filter,
		    const char **ret_kind)
{
	const struct tcmsg *payload = mnl_nlmsg_get_payload(message);
	const char *kind = "";

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*payload))
		return -EBADMSG;
	mnl_attr_parse(message, sizeof(*payload), on_kind, &kind);
	*ret_filter = (struct tc_filter){
		.ifindex = (uint32_t)payload->tcm_ifindex,
		.parent = payload->tcm_parent,
		.priority = TC_H_MAJ(payload->tcm_info) >> 16,
		.handle = payload->tcm_handle,
	};
	*ret_kind = kind;
	return 0;
}

struct filter_visitor {
	tc_filter_fn *visit;
	void *user_data;
};

static int on_filter(const struct nlmsghdr *message, void *user_data)
{
	const struct filter_visitor *visitor = user_data;
	struct tc_filter filter;
	const char *kind;

	/* Handle 0 announces a priority, not a filter. */
	if (message->nlmsg_type == RTM_NEWTFILTER &&
	    tc_filter_parse(message, &filter, &kind) == 0 && filter.handle != 0)
		visitor->visit(visitor->user_data, &filter, kind);
	return MNL_CB_OK;
}

int tc_filter_visit(struct tc *tc, uint32_t ifindex, uint32_t parent, tc_filter_fn *visit,
		    void *user_data)
{
	const struct tcmsg payload = {
		.tcm_family = AF_UNSPEC,
		.tcm_ifindex = (int)ifindex,
		.tcm_parent = parent,
	};
	struct filter_visitor visitor = { .visit = visit, .user_data = user_data };
	char buffer[REQUEST_LEN] = { 0 };

	return tc_talk(tc, tc_begin(buffer, RTM_GETTFILTER, NLM_F_DUMP, &payload), on_filter,
		       &visitor);
}

struct link_visitor {
	tc_link_fn *visit;
	void *user_data;
};

static int on_link(const struct nlmsghdr *message, void *user_data)
{
	const struct link_visitor *visitor = user_data;

	visitor->visit(visitor->user_data, message);
	return MNL_CB_OK;
}

int tc_link_visit(struct tc *tc, tc_link_fn *visit, void *user_data)
{
	struct link_visitor visitor = { .visit = visit, .user_data = user_data };
	char buffer[REQUEST_LEN] = { 0 };
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *payload;

	message->nlmsg_type = RTM_GETLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	payload = mnl_nlmsg_put_extra_header(message, sizeof(*payload));
	payload->ifi_family = AF_UNSPEC;
	return tc_talk(tc, message, on_link, &visitor);
}
