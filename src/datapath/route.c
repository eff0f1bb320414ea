/* SPDX-License-Identifier: MIT */
/*
 * route.c: see route.h. The kernel answers RTM_GETROUTE inside the send, so that the answer waits
 * when we come to read it.
 */
#include "datapath/route.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "datapath/netlink.h"

struct route {
	struct netlink *netlink;
};

struct request {
	struct nlmsghdr header;
	struct rtmsg route;
	uint8_t attributes[64]; /* destination, source, interface, mark */
};

int route_new(struct route **ret_route)
{
	struct route *route = calloc(1, sizeof(*route));
	int r;

	if (!route)
		return -ENOMEM;
	r = netlink_new(NETLINK_ROUTE, &route->netlink);
	if (r < 0) {
		route_free(route);
		return r;
	}
	*ret_route = route;
	return 0;
}

struct route *route_free(struct route *route)
{
	if (route) {
		netlink_free(route->netlink);
		free(route);
	}
	return NULL;
}

int route_socket(const struct route *route)
{
	return netlink_fd(route->netlink);
}

static void put_address(struct request *request, unsigned short type, const struct address *address)
{
	if (address->family == AF_INET)
		netlink_put(&request->header, type, address->addr + 12, 4);
	else
		netlink_put(&request->header, type, address->addr, 16);
}

static void fill_request(struct request *request, const struct route_query *query)
{
	const struct address *destination = query->destination, *source = query->source;
	uint32_t ifindex = query->ifindex != 0 ? query->ifindex : destination->scope;
	uint8_t host_bits = destination->family == AF_INET ? 32 : 128;

	request->header.nlmsg_len = NLMSG_LENGTH(sizeof(request->route));
	request->header.nlmsg_type = RTM_GETROUTE;
	request->route.rtm_family = (uint8_t)destination->family;
	request->route.rtm_dst_len = host_bits;

	put_address(request, RTA_DST, destination);
	/* A dual-stack socket bound to :: or a v4 packet from it says nothing about the source. */
	if (source && source->family == destination->family && !address_is_unspecified(source)) {
		request->route.rtm_src_len = host_bits;
		put_address(request, RTA_SRC, source);
	}
	if (ifindex != 0)
		netlink_put(&request->header, RTA_OIF, &ifindex, sizeof(ifindex));
	if (query->mark != 0)
		netlink_put(&request->header, RTA_MARK, &query->mark, sizeof(query->mark));
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

/* What is made of the one message that is the answer. */
struct found {
	struct route_result result;
	int status;
};

static void take_route(void *user_data, const struct nlmsghdr *header)
{
	struct found *found = user_data;

	found->status = read_route(header, &found->result);
}

int route_lookup(struct route *route, const struct route_query *query,
		 struct route_result *ret_result)
{
	struct found found = { .status = -EBADMSG };
	struct request request = { 0 };
	int r;

	if (query->destination->family != AF_INET && query->destination->family != AF_INET6)
		return -EINVAL;

	fill_request(&request, query);
	r = netlink_ask(route->netlink, &request.header, take_route, &found);
	if (r < 0)
		return error_of_send(r);
	if (found.status < 0)
		return found.status;
	*ret_result = found.result;
	return 0;
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

struct straight {
	uint32_t ifindex;
	bool leads;
};

static void take_straight(void *user_data, const struct nlmsghdr *header)
{
	struct straight *straight = user_data;

	straight->leads = leads_straight(header, straight->ifindex);
}

/*
 * Told by which interface a packet is to leave, the kernel believes without any route that its destination is there:
 * the entry itself is asked for.
 */
bool route_is_neighbour(struct route *route, const struct address *address, uint32_t ifindex)
{
	const struct route_query query = { .destination = address, .ifindex = ifindex };
	struct straight straight = { .ifindex = ifindex };
	struct request request = { 0 };

	if ((address->family != AF_INET && address->family != AF_INET6) ||
	    address_is_unspecified(address) || address_is_multicast(address))
		return false;
	fill_request(&request, &query);
	request.route.rtm_flags = RTM_F_FIB_MATCH;
	return netlink_ask(route->netlink, &request.header, take_straight, &straight) == 0 &&
	       straight.leads;
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

struct found_group {
	struct route_group group;
	int status;
};

static void take_group(void *user_data, const struct nlmsghdr *header)
{
	struct found_group *found = user_data;

	found->status = read_group(header, &found->group);
}

int route_group_lookup(struct route *route, const struct address *group,
		       const struct address *source, struct route_group *ret_group)
{
	struct address any = { .family = group->family };
	const uint32_t table6 = RT_TABLE_MAIN;
	uint8_t host_bits = group->family == AF_INET ? 32 : 128;
	struct found_group found = { .status = -EBADMSG };
	struct request request = { 0 };
	int r;

	if (group->family != AF_INET && group->family != AF_INET6)
		return -EINVAL;
	if (group->family == AF_INET)
		memset(any.addr + 10, 0xff, 2);
	request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.route));
	request.header.nlmsg_type = RTM_GETROUTE;
	request.route.rtm_family = group->family == AF_INET ? RTNL_FAMILY_IPMR : RTNL_FAMILY_IP6MR;
	request.route.rtm_dst_len = request.route.rtm_src_len = host_bits;
	put_address(&request, RTA_SRC, source ? source : &any);
	put_address(&request, RTA_DST, group);
	/* Its table for IPv6 is not the one that the kernel looks in if none is named. */
	if (group->family == AF_INET6)
		netlink_put(&request.header, RTA_TABLE, &table6, sizeof(table6));
	r = netlink_ask(route->netlink, &request.header, take_group, &found);
	if (r == -ENODEV)
		return -ENOENT;
	if (r < 0)
		return r == -ENOENT || r == -EAGAIN ? r : -EOPNOTSUPP;
	if (found.status < 0)
		return found.status;
	*ret_group = found.group;
	return 0;
}
