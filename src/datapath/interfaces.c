/* SPDX-License-Identifier: MIT */
/* interfaces.c: see interfaces.h. */
#include "datapath/interfaces.h"

#include <errno.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "datapath/netlink.h"

#define RECEIVE_LEN 32768
#define DATAGRAMS_PER_TURN 64
#define ROOM_BYTES (4 << 20) /* for what a routing daemon does when a table is exchanged */

/* A change in the middle of reading makes it be read again, so often. */
#define DUMP_ATTEMPTS 4

struct table {
	struct interface *items; /* ascending by index */
	size_t n, room;
	struct address *own; /* ascending; without ports and scopes */
	size_t n_own, own_room;
};

struct interfaces {
	struct interfaces_events events;
	int watch_fd;
	struct netlink *netlink; /* to ask */
	struct table table;
	bool stale; /* it is to be read again */
};

/* ---- the table ---- */

static void table_clear(struct table *table)
{
	free(table->items);
	free(table->own);
	*table = (struct table){ 0 };
}

static int grow(void **items, size_t *room, size_t n, size_t size)
{
	size_t wanted = *room ? 2 * *room : 16;
	void *grown;

	if (n < *room)
		return 0;
	grown = reallocarray(*items, wanted, size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*room = wanted;
	return 0;
}

static int compare_interfaces(const void *a, const void *b)
{
	const struct interface *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

static int compare_addresses(const void *a, const void *b)
{
	const struct address *x = a, *y = b;

	return memcmp(x->addr, y->addr, sizeof(x->addr));
}

static struct interface *table_find(const struct table *table, uint32_t ifindex)
{
	const struct interface key = { .ifindex = ifindex };

	return table->n == 0
		       ? NULL
		       : bsearch(&key, table->items, table->n, sizeof(key), compare_interfaces);
}

/* ---- netlink ---- */

static bool take_u32(const struct rtattr *attribute, uint32_t *ret_value)
{
	if (!attribute || RTA_PAYLOAD(attribute) < sizeof(*ret_value))
		return false;
	memcpy(ret_value, RTA_DATA(attribute), sizeof(*ret_value));
	return true;
}

static bool take_address(const struct rtattr *attribute, int family, struct address *ret_address)
{
	size_t len = family == AF_INET ? 4 : 16;

	*ret_address = (struct address){ 0 };
	if (!attribute || (family != AF_INET && family != AF_INET6) || RTA_PAYLOAD(attribute) < len)
		return false;
	ret_address->family = (uint16_t)family;
	if (family == AF_INET)
		memset(ret_address->addr + 10, 0xff, 2);
	memcpy(ret_address->addr + 16 - len, RTA_DATA(attribute), len);
	return true;
}

/* What RTM_NEWLINK says of the interface's kind is nested. */
static bool is_vlan(const struct rtattr *info)
{
	const struct rtattr *a = info ? RTA_DATA(info) : NULL;
	int left = info ? (int)RTA_PAYLOAD(info) : 0;

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_INFO_KIND)
			return RTA_PAYLOAD(a) == sizeof("vlan") &&
			       memcmp(RTA_DATA(a), "vlan", sizeof("vlan")) == 0;
	}
	return false;
}

static int read_link(struct table *table, const struct nlmsghdr *header)
{
	const struct ifinfomsg *info = NLMSG_DATA(header);
	const struct rtattr *attributes[IFLA_LINKINFO + 1];
	struct interface interface = { 0 };

	if (header->nlmsg_type != RTM_NEWLINK || header->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return 0;
	netlink_attributes(header, sizeof(*info), attributes, IFLA_LINKINFO + 1);
	interface.ifindex = (uint32_t)info->ifi_index;
	interface.up = (info->ifi_flags & IFF_UP) && (info->ifi_flags & IFF_RUNNING);
	interface.loopback = info->ifi_flags & IFF_LOOPBACK;
	interface.multicast = info->ifi_flags & IFF_MULTICAST;
	(void)take_u32(attributes[IFLA_MTU], &interface.mtu);
	interface.has_station = info->ifi_type == ARPHRD_ETHER && attributes[IFLA_ADDRESS] &&
				RTA_PAYLOAD(attributes[IFLA_ADDRESS]) == sizeof(interface.station);
	interface.vlan = is_vlan(attributes[IFLA_LINKINFO]);
	if (interface.has_station)
		memcpy(interface.station, RTA_DATA(attributes[IFLA_ADDRESS]),
		       sizeof(interface.station));
	if (attributes[IFLA_IFNAME])
		memcpy(interface.name, RTA_DATA(attributes[IFLA_IFNAME]),
		       strnlen(RTA_DATA(attributes[IFLA_IFNAME]),
			       RTA_PAYLOAD(attributes[IFLA_IFNAME]) < sizeof(interface.name) - 1
				       ? RTA_PAYLOAD(attributes[IFLA_IFNAME])
				       : sizeof(interface.name) - 1));
	if (interface.ifindex == 0)
		return 0;
	if (grow((void **)&table->items, &table->room, table->n, sizeof(interface)) < 0)
		return -ENOMEM;
	table->items[table->n++] = interface;
	return 0;
}

/* Others can use it to speak to us, now and for some time. */
static bool is_usable(const struct ifaddrmsg *info, const struct rtattr *more_flags)
{
	uint32_t flags = info->ifa_flags;

	(void)take_u32(more_flags, &flags);
	/* For IPv6 IFA_F_SECONDARY is that of temporary addresses. */
	return info->ifa_scope != RT_SCOPE_HOST &&
	       !(flags & (IFA_F_SECONDARY | IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED));
}

static int read_address(struct table *table, const struct nlmsghdr *header)
{
	const struct ifaddrmsg *info = NLMSG_DATA(header);
	const struct rtattr *attributes[IFA_FLAGS + 1];
	struct interface *interface;
	struct address address, *place;

	if (header->nlmsg_type != RTM_NEWADDR || header->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return 0;
	netlink_attributes(header, sizeof(*info), attributes, IFA_FLAGS + 1);
	/* On a line between two points IFA_ADDRESS is the other end. */
	if (!take_address(attributes[IFA_LOCAL], info->ifa_family, &address) &&
	    !take_address(attributes[IFA_ADDRESS], info->ifa_family, &address))
		return 0;
	if (grow((void **)&table->own, &table->own_room, table->n_own, sizeof(address)) < 0)
		return -ENOMEM;
	table->own[table->n_own++] = address;
	interface = table_find(table, info->ifa_index);
	if (!interface || !is_usable(info, attributes[IFA_FLAGS]))
		return 0;
	if (address_is_link_local(&address))
		address.scope = interface->ifindex;
	place = address.family == AF_INET ? &interface->address4 : &interface->address6;
	if (place->family == AF_UNSPEC || (place->scope != 0 && address.scope == 0))
		*place = address;
	return 0;
}

struct reading {
	struct table *table;
	int (*read_one)(struct table *table, const struct nlmsghdr *header);
	int status;
};

static void take_part(void *user_data, const struct nlmsghdr *header)
{
	struct reading *reading = user_data;

	if (reading->status == 0)
		reading->status = reading->read_one(reading->table, header);
}

/* -EINTR: something changed meanwhile. */
static int dump(struct interfaces *interfaces, uint16_t type, size_t fixed, struct table *table,
		int (*read_one)(struct table *table, const struct nlmsghdr *header))
{
	struct {
		struct nlmsghdr header;
		char fixed[sizeof(struct ifinfomsg)];
	} request = { .header = { .nlmsg_len = (uint32_t)NLMSG_LENGTH(fixed),
				  .nlmsg_type = type,
				  .nlmsg_flags = NLM_F_DUMP } };
	struct reading reading = { .table = table, .read_one = read_one };
	int r = netlink_ask(interfaces->netlink, &request.header, take_part, &reading);

	if (r < 0)
		return r;
	if (reading.status < 0)
		return reading.status;
	return netlink_was_interrupted(interfaces->netlink) ? -EINTR : 0;
}

static int read_all(struct interfaces *interfaces, struct table *ret_table)
{
	struct table table;
	int r = 0;

	for (int attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
		table = (struct table){ 0 };
		r = dump(interfaces, RTM_GETLINK, sizeof(struct ifinfomsg), &table, read_link);
		if (table.n > 0)
			qsort(table.items, table.n, sizeof(*table.items), compare_interfaces);
		if (r >= 0)
			r = dump(interfaces, RTM_GETADDR, sizeof(struct ifaddrmsg), &table,
				 read_address);
		if (r >= 0)
			break;
		table_clear(&table);
		if (r != -EINTR)
			break;
	}
	if (r < 0)
		return r;
	if (table.n_own > 0)
		qsort(table.own, table.n_own, sizeof(*table.own), compare_addresses);
	*ret_table = table;
	return 0;
}

/* ---- telling ---- */

static void tell(struct interfaces *interfaces, const struct table *before)
{
	const struct interfaces_events *events = &interfaces->events;

	for (size_t i = 0; i < before->n; i++)
		if (!table_find(&interfaces->table, before->items[i].ifindex))
			events->gone(events->user_data, before->items[i].ifindex);
	for (size_t i = 0; i < interfaces->table.n; i++) {
		const struct interface *now = &interfaces->table.items[i];
		const struct interface *was = table_find(before, now->ifindex);

		if (!was || memcmp(was, now, sizeof(*now)) != 0)
			events->changed(events->user_data, now);
	}
}

static int synchronize(struct interfaces *interfaces)
{
	struct table before = interfaces->table;
	int r = read_all(interfaces, &interfaces->table);

	if (r < 0)
		return r; /* with the table there was; the next event has it read again */
	interfaces->stale = false;
	tell(interfaces, &before);
	table_clear(&before);
	return 0;
}

/* ---- watching ---- */

static void tell_everywhere(const struct interfaces *interfaces)
{
	interfaces->events.routes(interfaces->events.user_data, NULL, 0);
}

static void take_route(const struct interfaces *interfaces, const struct nlmsghdr *header)
{
	const struct rtmsg *route = NLMSG_DATA(header);
	const struct rtattr *attributes[RTA_DST + 1];
	struct address prefix;
	int family;

	if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) || (route->rtm_flags & RTM_F_CLONED))
		return;
	family = route->rtm_family;
	if (family == RTNL_FAMILY_IPMR)
		family = AF_INET;
	else if (family == RTNL_FAMILY_IP6MR)
		family = AF_INET6;
	if (family != AF_INET && family != AF_INET6)
		return;
	netlink_attributes(header, sizeof(*route), attributes, RTA_DST + 1);
	if (route->rtm_dst_len == 0 || !take_address(attributes[RTA_DST], family, &prefix) ||
	    route->rtm_dst_len > (family == AF_INET ? 32 : 128)) {
		tell_everywhere(interfaces);
		return;
	}
	interfaces->events.routes(interfaces->events.user_data, &prefix, route->rtm_dst_len);
}

static void take(struct interfaces *interfaces, const struct nlmsghdr *header)
{
	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWADDR:
	case RTM_DELADDR:
		interfaces->stale = true;
		return;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		take_route(interfaces, header);
		return;
	case RTM_NEWRULE:
	case RTM_DELRULE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		tell_everywhere(interfaces);
		return;
	default:
		return;
	}
}

int interfaces_dispatch(struct interfaces *interfaces)
{
	_cleanup_(freep) char *buffer = malloc(RECEIVE_LEN);

	if (!buffer)
		return -ENOMEM;
	for (int i = 0; i < DATAGRAMS_PER_TURN; i++) {
		ssize_t received = recv(interfaces->watch_fd, buffer, RECEIVE_LEN, MSG_DONTWAIT);
		const struct nlmsghdr *header = (const void *)buffer;
		size_t len = received > 0 ? (size_t)received : 0;

		if (received < 0 && errno == EINTR)
			continue;
		if (received < 0 && errno == ENOBUFS) {
			/* Something was lost, and nobody knows what. */
			interfaces->stale = true;
			tell_everywhere(interfaces);
			continue;
		}
		if (received <= 0)
			break;
		for (; NLMSG_OK(header, len); header = NLMSG_NEXT(header, len))
			take(interfaces, header);
	}
	return interfaces->stale ? synchronize(interfaces) : 0;
}

/* ---- life ---- */

static int open_socket(int *ret_fd)
{
	const struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	_cleanup_(closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&self, sizeof(self)) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

/* Kernels without multicast routing or nexthop objects lack the group, and then there is nothing to hear of. */
static int join(int fd)
{
	static const struct {
		int group;
		bool needed;
	} groups[] = {
		{ RTNLGRP_LINK, true },		{ RTNLGRP_IPV4_IFADDR, true },
		{ RTNLGRP_IPV4_ROUTE, true },	{ RTNLGRP_IPV4_RULE, false },
		{ RTNLGRP_IPV4_MROUTE, false }, { RTNLGRP_IPV6_IFADDR, false },
		{ RTNLGRP_IPV6_ROUTE, false },	{ RTNLGRP_IPV6_RULE, false },
		{ RTNLGRP_IPV6_MROUTE, false }, { RTNLGRP_NEXTHOP, false },
	};
	const int room = ROOM_BYTES;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i].group,
			       sizeof(groups[i].group)) < 0 &&
		    groups[i].needed)
			return -errno;
	return 0;
}

int interfaces_new(const struct interfaces_events *events, struct interfaces **ret_interfaces)
{
	struct interfaces *interfaces = calloc(1, sizeof(*interfaces));
	int r;

	if (!interfaces)
		return -ENOMEM;
	interfaces->events = *events;
	interfaces->watch_fd = -1;
	r = open_socket(&interfaces->watch_fd);
	if (r >= 0)
		r = join(interfaces->watch_fd);
	if (r >= 0)
		r = netlink_new(NETLINK_ROUTE, &interfaces->netlink);
	/* After joining: what changes from here on is heard of. */
	if (r >= 0)
		r = synchronize(interfaces);
	if (r < 0) {
		interfaces_free(interfaces);
		return r;
	}
	*ret_interfaces = interfaces;
	return 0;
}

struct interfaces *interfaces_free(struct interfaces *interfaces)
{
	if (!interfaces)
		return NULL;
	if (interfaces->watch_fd >= 0)
		close(interfaces->watch_fd);
	netlink_free(interfaces->netlink);
	table_clear(&interfaces->table);
	free(interfaces);
	return NULL;
}

int interfaces_fd(const struct interfaces *interfaces)
{
	return interfaces->watch_fd;
}

const struct interface *interfaces_find(const struct interfaces *interfaces, uint32_t ifindex)
{
	return table_find(&interfaces->table, ifindex);
}

const struct interface *interfaces_at(const struct interfaces *interfaces, size_t index)
{
	return index < interfaces->table.n ? &interfaces->table.items[index] : NULL;
}

bool interfaces_own(const struct interfaces *interfaces, const struct address *address)
{
	const struct table *table = &interfaces->table;

	return table->n_own > 0 &&
	       bsearch(address, table->own, table->n_own, sizeof(*table->own), compare_addresses);
}

const struct address *interfaces_addresses(const struct interfaces *interfaces, size_t *ret_n)
{
	*ret_n = interfaces->table.n_own;
	return interfaces->table.own;
}
