/* SPDX-License-Identifier: MIT */
/*
 * route.c: see route.h. The kernel answers RTM_GETROUTE inside the send, so that the answer waits
 * when we come to read it. Answers to earlier questions that a signal or a full buffer left behind
 * are told apart by their sequence number.
 */
#include "datapath/route.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS 1000 /* never needed: see above */

struct route {
	int fd;
	uint32_t sequence;
};

struct request {
	struct nlmsghdr header;
	struct rtmsg route;
	uint8_t attributes[64]; /* destination, source, interface, mark */
};

int route_new(struct route **ret_route)
{
	const struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_MS / 1000 };
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct route *route;
	int r;

	route = calloc(1, sizeof(*route));
	if (!route)
		return -ENOMEM;

	route->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (route->fd < 0 ||
	    setsockopt(route->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    connect(route->fd, (const struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		r = -errno;
		route_free(route);
		return r;
	}

	*ret_route = route;
	return 0;
}

struct route *route_free(struct route *route)
{
	if (route) {
		if (route->fd >= 0)
			close(route->fd);
		free(route);
	}
	return NULL;
}

static void put_attribute(struct request *request, unsigned short type, const void *data,
			  size_t size)
{
	size_t offset = NLMSG_ALIGN(request->header.nlmsg_len);
	struct rtattr *attribute = (struct rtattr *)((char *)request + offset);

	attribute->rta_type = type;
	attribute->rta_len = RTA_LENGTH(size);
	memcpy(RTA_DATA(attribute), data, size);
	request->header.nlmsg_len = offset + RTA_SPACE(size);
}

static void put_address(struct request *request, unsigned short type, const struct address *address)
{
	if (address->family == AF_INET)
		put_attribute(request, type, address->addr + 12, 4);
	else
		put_attribute(request, type, address->addr, 16);
}

static void fill_request(struct request *request, const struct route_query *query,
			 uint32_t sequence)
{
	const struct address *destination = query->destination, *source = query->source;
	uint32_t ifindex = query->ifindex != 0 ? query->ifindex : destination->scope;
	uint8_t host_bits = destination->family == AF_INET ? 32 : 128;

	request->header.nlmsg_len = NLMSG_LENGTH(sizeof(request->route));
	request->header.nlmsg_type = RTM_GETROUTE;
	request->header.nlmsg_flags = NLM_F_REQUEST;
	request->header.nlmsg_seq = sequence;
	request->route.rtm_family = (uint8_t)destination->family;
	request->route.rtm_dst_len = host_bits;

	put_address(request, RTA_DST, destination);
	/* A dual-stack socket bound to :: or a v4 packet from it says nothing about the source. */
	if (source && source->family == destination->family && !address_is_unspecified(source)) {
		request->route.rtm_src_len = host_bits;
		put_address(request, RTA_SRC, source);
	}
	if (ifindex != 0)
		put_attribute(request, RTA_OIF, &ifindex, sizeof(ifindex));
	if (query->mark != 0)
		put_attribute(request, RTA_MARK, &query->mark, sizeof(query->mark));
}

/* What a program that sends there gets to see. */
static int error_of_send(int error)
{
	switch (error) {
	case -ENODEV:
		return -ENETDOWN;
	case -EACCES: /* a "prohibit" route */
	case -EINVAL: /* a "blackhole" route */
		return -EHOSTUNREACH;
	default:
		return error;
	}
}

static int read_error(const struct nlmsghdr *header)
{
	const struct nlmsgerr *error = NLMSG_DATA(header);

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*error)) || error->error >= 0)
		return -EBADMSG;
	return error_of_send(error->error);
}

static int read_route(const struct nlmsghdr *header, struct route_result *ret_result)
{
	const struct rtmsg *message = NLMSG_DATA(header);
	struct route_result result = { 0 };
	bool gateway = false;
	int left;

	if (header->nlmsg_type != RTM_NEWROUTE ||
	    header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
		return -EBADMSG;

	left = (int)RTM_PAYLOAD(header);
	for (const struct rtattr *a = RTM_RTA(message); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_GATEWAY || a->rta_type == RTA_VIA)
			gateway = true;
		else if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) >= sizeof(result.ifindex))
			memcpy(&result.ifindex, RTA_DATA(a), sizeof(result.ifindex));
	}

	switch (message->rtm_type) {
	case RTN_UNREACHABLE:
	case RTN_BLACKHOLE:
	case RTN_PROHIBIT:
		return -EHOSTUNREACH;
	default:
		break;
	}
	result.local = message->rtm_type == RTN_LOCAL;
	result.on_link = !gateway;
	*ret_result = result;
	return 0;
}

static int read_answer(struct route *route, struct route_result *ret_result)
{
	union {
		struct nlmsghdr header;
		char bytes[2048];
	} answer;

	for (;;) {
		ssize_t length = recv(route->fd, &answer, sizeof(answer), 0);

		if (length < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!NLMSG_OK(&answer.header, (size_t)length))
			return -EBADMSG;
		if (answer.header.nlmsg_seq != route->sequence)
			continue;
		if (answer.header.nlmsg_type == NLMSG_ERROR)
			return read_error(&answer.header);
		return read_route(&answer.header, ret_result);
	}
}

int route_lookup(struct route *route, const struct route_query *query,
		 struct route_result *ret_result)
{
	struct request request = { 0 };
	ssize_t sent;

	if (query->destination->family != AF_INET && query->destination->family != AF_INET6)
		return -EINVAL;

	fill_request(&request, query, ++route->sequence);
	do
		sent = send(route->fd, &request, request.header.nlmsg_len, 0);
	while (sent < 0 && errno == EINTR);
	if (sent < 0)
		return -errno;
	return read_answer(route, ret_result);
}
