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

int route_socket(const struct route *route)
{
	return route->fd;
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
	return error->error;
}

static void read_gateway(struct address *gateway, int family, const void *data, size_t len)
{
	if (len < (family == AF_INET ? 4 : 16))
		return;
	*gateway = (struct address){ .family = (uint16_t)family };
	if (family == AF_INET) {
		memset(gateway->addr + 10, 0xff, 2);
		memcpy(gateway->addr + 12, data, 4);
	} else {
		memcpy(gateway->addr, data, 16);
	}
}

static int read_route(const struct nlmsghdr *header, struct route_result *ret_result)
{
	const struct rtmsg *message = NLMSG_DATA(header);
	struct route_result result = { 0 };
	int left;

	if (header->nlmsg_type != RTM_NEWROUTE ||
	    header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
		return -EBADMSG;

	left = (int)RTM_PAYLOAD(header);
	for (const struct rtattr *a = RTM_RTA(message); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_GATEWAY)
			read_gateway(&result.gateway, message->rtm_family, RTA_DATA(a),
				     RTA_PAYLOAD(a));
		else if (a->rta_type == RTA_VIA && RTA_PAYLOAD(a) >= sizeof(struct rtvia))
			read_gateway(&result.gateway,
				     ((const struct rtvia *)RTA_DATA(a))->rtvia_family,
				     ((const struct rtvia *)RTA_DATA(a))->rtvia_addr,
				     RTA_PAYLOAD(a) - sizeof(struct rtvia));
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
	result.on_link = result.gateway.family == AF_UNSPEC;
	if (address_is_link_local(&result.gateway))
		result.gateway.scope = result.ifindex;
	*ret_result = result;
	return 0;
}

union answer {
	struct nlmsghdr header;
	char bytes[2048];
};

/* Waits for the answer to the question in hand. */
static int receive_answer(struct route *route, union answer *ret_answer)
{
	for (;;) {
		ssize_t length = recv(route->fd, ret_answer, sizeof(*ret_answer), 0);

		if (length < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!NLMSG_OK(&ret_answer->header, (size_t)length))
			return -EBADMSG;
		if (ret_answer->header.nlmsg_seq == route->sequence)
			return 0;
	}
}

/* The kernel's own error is returned as it is. */
static int exchange(struct route *route, struct request *request, union answer *ret_answer)
{
	ssize_t sent;

	do
		sent = send(route->fd, request, request->header.nlmsg_len, 0);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : receive_answer(route, ret_answer);
}

int route_lookup(struct route *route, const struct route_query *query,
		 struct route_result *ret_result)
{
	struct request request = { 0 };
	union answer answer;
	int r;

	if (query->destination->family != AF_INET && query->destination->family != AF_INET6)
		return -EINVAL;

	fill_request(&request, query, ++route->sequence);
	r = exchange(route, &request, &answer);
	if (r < 0)
		return r;
	if (answer.header.nlmsg_type == NLMSG_ERROR)
		return error_of_send(read_error(&answer.header));
	return read_route(&answer.header, ret_result);
}

/* ---- neighbours ---- */

/* As the table has it: of several gateways, or of a nexthop object's, none stands where a single one would. */
static bool leads_straight(const struct nlmsghdr *header, uint32_t ifindex)
{
	const struct rtmsg *message = NLMSG_DATA(header);
	uint32_t out = 0;
	int left;

	if (header->nlmsg_type != RTM_NEWROUTE ||
	    header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)) || message->rtm_type != RTN_UNICAST)
		return false;
	left = (int)RTM_PAYLOAD(header);
	for (const struct rtattr *a = RTM_RTA(message); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_GATEWAY || a->rta_type == RTA_VIA ||
		    a->rta_type == RTA_MULTIPATH)
			return false;
		if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) >= sizeof(out))
			memcpy(&out, RTA_DATA(a), sizeof(out));
	}
	return out != 0 && (ifindex == 0 || out == ifindex);
}

/*
 * Told by which interface a packet is to leave, the kernel believes without any route that its destination is there:
 * the entry itself is asked for.
 */
bool route_is_neighbour(struct route *route, const struct address *address, uint32_t ifindex)
{
	const struct route_query query = { .destination = address, .ifindex = ifindex };
	struct request request = { 0 };
	union answer answer;

	if ((address->family != AF_INET && address->family != AF_INET6) ||
	    address_is_unspecified(address) || address_is_multicast(address))
		return false;
	fill_request(&request, &query, ++route->sequence);
	request.route.rtm_flags = RTM_F_FIB_MATCH;
	return exchange(route, &request, &answer) == 0 && leads_straight(&answer.header, ifindex);
}

/* ---- multicast forwarding ---- */

static void read_group_links(const struct rtattr *multipath, struct route_group *group)
{
	const struct rtnexthop *hop = RTA_DATA(multipath);
	size_t left = RTA_PAYLOAD(multipath);

	while (left >= sizeof(*hop) && hop->rtnh_len >= sizeof(*hop) && hop->rtnh_len <= left) {
		size_t step = RTNH_ALIGN(hop->rtnh_len);

		if (group->n_out < ROUTE_GROUP_LINKS && hop->rtnh_ifindex > 0)
			group->out[group->n_out++] = (uint32_t)hop->rtnh_ifindex;
		if (step >= left)
			return;
		left -= step;
		hop = (const struct rtnexthop *)((const char *)hop + step);
	}
}

static int read_group(const struct nlmsghdr *header, struct route_group *ret_group)
{
	const struct rtmsg *message = NLMSG_DATA(header);
	struct route_group group = { 0 };
	int left;

	if (header->nlmsg_type != RTM_NEWROUTE ||
	    header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
		return -EBADMSG;
	left = (int)RTM_PAYLOAD(header);
	for (const struct rtattr *a = RTM_RTA(message); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_IIF && RTA_PAYLOAD(a) >= sizeof(group.in_ifindex))
			memcpy(&group.in_ifindex, RTA_DATA(a), sizeof(group.in_ifindex));
		else if (a->rta_type == RTA_MULTIPATH)
			read_group_links(a, &group);
	}
	/* Asked for by a packet, and not answered by a routing daemon yet. */
	if (group.in_ifindex == 0)
		return -ENOENT;
	*ret_group = group;
	return 0;
}

int route_group_lookup(struct route *route, const struct address *group,
		       const struct address *source, struct route_group *ret_group)
{
	struct address any = { .family = group->family };
	const uint32_t table6 = RT_TABLE_MAIN;
	uint8_t host_bits = group->family == AF_INET ? 32 : 128;
	struct request request = { 0 };
	union answer answer;
	int r;

	if (group->family != AF_INET && group->family != AF_INET6)
		return -EINVAL;
	if (group->family == AF_INET)
		memset(any.addr + 10, 0xff, 2);
	request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.route));
	request.header.nlmsg_type = RTM_GETROUTE;
	request.header.nlmsg_flags = NLM_F_REQUEST;
	request.header.nlmsg_seq = ++route->sequence;
	request.route.rtm_family = group->family == AF_INET ? RTNL_FAMILY_IPMR : RTNL_FAMILY_IP6MR;
	request.route.rtm_dst_len = request.route.rtm_src_len = host_bits;
	put_address(&request, RTA_SRC, source ? source : &any);
	put_address(&request, RTA_DST, group);
	/* Its table for IPv6 is not the one that the kernel looks in if none is named. */
	if (group->family == AF_INET6)
		put_attribute(&request, RTA_TABLE, &table6, sizeof(table6));
	r = exchange(route, &request, &answer);
	if (r < 0)
		return r;
	if (answer.header.nlmsg_type == NLMSG_ERROR) {
		r = read_error(&answer.header);
		return r == -ENOENT || r == -ENODEV ? -ENOENT : -EOPNOTSUPP;
	}
	return read_group(&answer.header, ret_group);
}
