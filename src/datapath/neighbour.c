/* SPDX-License-Identifier: MIT */
/* neighbour.c: see neighbour.h. */
#include "datapath/neighbour.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>

/* Good enough to send to: also if it was so a while ago. */
#define KNOWN (NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT)

struct request {
	struct nlmsghdr header;
	struct ndmsg neighbour;
	uint8_t attributes[RTA_SPACE(16)];
};

struct entry {
	uint16_t state;
	size_t station_len;
	uint8_t station[NEIGHBOUR_STATION_LEN];
};

static void fill(struct request *request, uint16_t type, const struct address *address,
		 uint32_t ifindex)
{
	size_t len = address->family == AF_INET ? 4 : 16;

	*request = (struct request){
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(request->neighbour)),
			    .nlmsg_type = type },
		.neighbour = { .ndm_family = (uint8_t)address->family,
			       .ndm_ifindex = (int)ifindex },
	};
	netlink_put(&request->header, NDA_DST, address->addr + 16 - len, len);
}

static void take(void *user_data, const struct nlmsghdr *message)
{
	const struct ndmsg *neighbour = NLMSG_DATA(message);
	const struct rtattr *attributes[NDA_LLADDR + 1];
	struct entry *entry = user_data;

	if (message->nlmsg_type != RTM_NEWNEIGH ||
	    message->nlmsg_len < NLMSG_LENGTH(sizeof(*neighbour)))
		return;
	netlink_attributes(message, sizeof(*neighbour), attributes, NDA_LLADDR + 1);
	entry->state = neighbour->ndm_state;
	if (!attributes[NDA_LLADDR])
		return;
	entry->station_len = RTA_PAYLOAD(attributes[NDA_LLADDR]);
	if (entry->station_len == sizeof(entry->station))
		memcpy(entry->station, RTA_DATA(attributes[NDA_LLADDR]), sizeof(entry->station));
}

int neighbour_lookup(struct netlink *netlink, const struct address *address, uint32_t ifindex,
		     uint8_t ret_station[static NEIGHBOUR_STATION_LEN])
{
	struct request request;
	struct entry entry = { 0 };
	int r;

	if (address->family != AF_INET && address->family != AF_INET6)
		return -EINVAL;
	fill(&request, RTM_GETNEIGH, address, ifindex);
	r = netlink_ask(netlink, &request.header, take, &entry);
	if (r < 0)
		return r;
	if (entry.state & NUD_NOARP)
		return -EOPNOTSUPP;
	if (entry.state & NUD_FAILED)
		return -EHOSTUNREACH;
	if (!(entry.state & KNOWN))
		return entry.state & NUD_INCOMPLETE ? -EAGAIN : -ENOENT;
	if (entry.station_len != NEIGHBOUR_STATION_LEN)
		return -EOPNOTSUPP;
	memcpy(ret_station, entry.station, NEIGHBOUR_STATION_LEN);
	return 0;
}

static void ignore(void *user_data, const struct nlmsghdr *message)
{
	(void)user_data;
	(void)message;
}

int neighbour_resolve(struct netlink *netlink, const struct address *address, uint32_t ifindex)
{
	struct request request;

	if (address->family != AF_INET && address->family != AF_INET6)
		return -EINVAL;
	fill(&request, RTM_NEWNEIGH, address, ifindex);
	request.header.nlmsg_flags = NLM_F_CREATE | NLM_F_ACK;
	request.neighbour.ndm_flags = NTF_USE;
	return netlink_ask(netlink, &request.header, ignore, NULL);
}
