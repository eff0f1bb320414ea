/* SPDX-License-Identifier: MIT */
/*
 * netlink.c: see netlink.h. The socket is connected to the kernel, so that nobody else can send to it. What earlier
 * questions left behind is told apart by its sequence number.
 */
#include "datapath/netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define ANSWER_LEN 32768
#define ANSWER_TIMEOUT_S 1 /* never needed: the kernel answers inside the send */

struct netlink {
	int fd;
	uint32_t sequence;
	bool interrupted;
	union {
		struct nlmsghdr header;
		char bytes[ANSWER_LEN];
	} answer;
};

struct netlink *netlink_free(struct netlink *netlink)
{
	if (!netlink)
		return NULL;
	if (netlink->fd >= 0)
		close(netlink->fd);
	free(netlink);
	return NULL;
}

DEFINE_CLEANUP(struct netlink *, netlink_free);

int netlink_new(int protocol, struct netlink **ret_netlink)
{
	const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	_cleanup_(netlink_freep) struct netlink *netlink = calloc(1, sizeof(*netlink));

	if (!netlink)
		return -ENOMEM;
	netlink->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (netlink->fd < 0 ||
	    setsockopt(netlink->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    connect(netlink->fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	*ret_netlink = steal_ptr(&netlink);
	return 0;
}

int netlink_fd(const struct netlink *netlink)
{
	return netlink->fd;
}

int netlink_send(struct netlink *netlink, struct nlmsghdr *request)
{
	ssize_t n;

	request->nlmsg_flags |= NLM_F_REQUEST;
	request->nlmsg_seq = ++netlink->sequence;
	netlink->interrupted = false;
	do
		n = send(netlink->fd, request, request->nlmsg_len, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* 1: more may follow. 0: that was all. */
static int read_message(struct netlink *netlink, const struct nlmsghdr *message,
			void (*take)(void *user_data, const struct nlmsghdr *message),
			void *user_data)
{
	int error = 0;

	if (message->nlmsg_seq != netlink->sequence)
		return 1;
	if (message->nlmsg_flags & NLM_F_DUMP_INTR)
		netlink->interrupted = true;
	if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
		/* Both begin with the result; old kernels end a dump without one. */
		if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
			memcpy(&error, NLMSG_DATA(message), sizeof(error));
		return error < 0 ? error : 0;
	}
	take(user_data, message);
	/* The answer to an exact question has no end mark. */
	return message->nlmsg_flags & NLM_F_MULTI ? 1 : 0;
}

int netlink_receive(struct netlink *netlink,
		    void (*take)(void *user_data, const struct nlmsghdr *message), void *user_data)
{
	const struct nlmsghdr *message = &netlink->answer.header;
	size_t left;
	ssize_t n;
	int r = 1;

	do
		n = recv(netlink->fd, &netlink->answer, sizeof(netlink->answer), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	left = (size_t)n;
	if (!NLMSG_OK(message, left))
		return -EBADMSG;
	while (r > 0 && NLMSG_OK(message, left)) {
		r = read_message(netlink, message, take, user_data);
		message = NLMSG_NEXT(message, left);
	}
	return r;
}

int netlink_ask(struct netlink *netlink, struct nlmsghdr *request,
		void (*take)(void *user_data, const struct nlmsghdr *message), void *user_data)
{
	int r = netlink_send(netlink, request);

	if (r < 0)
		return r;
	do
		r = netlink_receive(netlink, take, user_data);
	while (r > 0);
	return r;
}

bool netlink_was_interrupted(const struct netlink *netlink)
{
	return netlink->interrupted;
}

void netlink_put(struct nlmsghdr *request, uint16_t type, const void *data, size_t size)
{
	size_t offset = NLMSG_ALIGN(request->nlmsg_len);
	struct rtattr *attribute = (struct rtattr *)((char *)request + offset);

	attribute->rta_type = type;
	attribute->rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), data, size);
	request->nlmsg_len = (uint32_t)(offset + RTA_SPACE(size));
}

static void sort(const struct rtattr *first, size_t len, const struct rtattr **ret, size_t n)
{
	int left = (int)len;

	memset(ret, 0, n * sizeof(*ret));
	for (const struct rtattr *a = first; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		unsigned type = a->rta_type & NLA_TYPE_MASK;

		if (type < n)
			ret[type] = a;
	}
}

void netlink_attributes(const struct nlmsghdr *message, size_t fixed, const struct rtattr **ret,
			size_t n)
{
	const char *first = (const char *)NLMSG_DATA(message) + NLMSG_ALIGN(fixed);
	size_t len = message->nlmsg_len > NLMSG_SPACE(fixed)
			     ? message->nlmsg_len - NLMSG_SPACE(fixed)
			     : 0;

	sort((const void *)first, len, ret, n);
}

void netlink_nested(const struct rtattr *attribute, const struct rtattr **ret, size_t n)
{
	sort(RTA_DATA(attribute), RTA_PAYLOAD(attribute), ret, n);
}
