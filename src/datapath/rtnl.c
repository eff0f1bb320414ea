/* SPDX-License-Identifier: MIT */
/*
 * rtnl.c: see rtnl.h. The socket is connected to the kernel, so that nobody else can send to it. What earlier
 * questions left behind is told apart by its sequence number.
 */
#include "datapath/rtnl.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define ANSWER_LEN 32768
#define ANSWER_TIMEOUT_S 1 /* never needed: the kernel answers inside the send */

struct rtnl {
	int fd;
	uint32_t sequence;
	union {
		struct nlmsghdr header;
		char bytes[ANSWER_LEN];
	} answer;
};

/* What an answer is handed to. */
struct asker {
	void (*take)(void *user_data, const struct nlmsghdr *message);
	void *user_data;
};

struct rtnl *rtnl_free(struct rtnl *rtnl)
{
	if (!rtnl)
		return NULL;
	if (rtnl->fd >= 0)
		close(rtnl->fd);
	free(rtnl);
	return NULL;
}

DEFINE_CLEANUP(struct rtnl *, rtnl_free);

int rtnl_new(struct rtnl **ret_rtnl)
{
	const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	_cleanup_(rtnl_freep) struct rtnl *rtnl = calloc(1, sizeof(*rtnl));

	if (!rtnl)
		return -ENOMEM;
	rtnl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (rtnl->fd < 0 ||
	    setsockopt(rtnl->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    connect(rtnl->fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	*ret_rtnl = steal_ptr(&rtnl);
	return 0;
}

static int send_request(struct rtnl *rtnl, struct nlmsghdr *request)
{
	ssize_t n;

	request->nlmsg_flags |= NLM_F_REQUEST;
	request->nlmsg_seq = ++rtnl->sequence;
	do
		n = send(rtnl->fd, request, request->nlmsg_len, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* 1: more may follow. 0: that was all. */
static int read_message(const struct rtnl *rtnl, const struct nlmsghdr *message,
			const struct asker *asker)
{
	int error = 0;

	if (message->nlmsg_seq != rtnl->sequence)
		return 1;
	if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE) {
		/* Both begin with the result. */
		if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
			memcpy(&error, NLMSG_DATA(message), sizeof(error));
		return error < 0 ? error : 0;
	}
	asker->take(asker->user_data, message);
	return message->nlmsg_flags & NLM_F_MULTI ? 1 : 0;
}

static int read_answer(struct rtnl *rtnl, const struct asker *asker)
{
	const struct nlmsghdr *message = &rtnl->answer.header;
	size_t left;
	ssize_t n;
	int r = 1;

	do
		n = recv(rtnl->fd, &rtnl->answer, sizeof(rtnl->answer), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	left = (size_t)n;
	if (!NLMSG_OK(message, left))
		return -EBADMSG;
	while (r > 0 && NLMSG_OK(message, left)) {
		r = read_message(rtnl, message, asker);
		message = NLMSG_NEXT(message, left);
	}
	return r;
}

int rtnl_ask(struct rtnl *rtnl, struct nlmsghdr *request,
	     void (*take)(void *user_data, const struct nlmsghdr *message), void *user_data)
{
	const struct asker asker = { take, user_data };
	int r = send_request(rtnl, request);

	if (r < 0)
		return r;
	do
		r = read_answer(rtnl, &asker);
	while (r > 0);
	return r;
}

void rtnl_put(struct nlmsghdr *request, uint16_t type, const void *data, size_t size)
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

void rtnl_attributes(const struct nlmsghdr *message, size_t fixed, const struct rtattr **ret,
		     size_t n)
{
	const char *first = (const char *)NLMSG_DATA(message) + NLMSG_ALIGN(fixed);
	size_t len = message->nlmsg_len > NLMSG_SPACE(fixed)
			     ? message->nlmsg_len - NLMSG_SPACE(fixed)
			     : 0;

	sort((const void *)first, len, ret, n);
}

void rtnl_nested(const struct rtattr *attribute, const struct rtattr **ret, size_t n)
{
	sort(RTA_DATA(attribute), RTA_PAYLOAD(attribute), ret, n);
}
