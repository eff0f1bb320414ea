/* SPDX-License-Identifier: MIT */
/*
 * iface.h: a network interface as rtnetlink tells of it, and whether its order of sending can be ours.
 */
#ifndef GW_DATAPATH_IFACE_H
#define GW_DATAPATH_IFACE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

struct nlmsghdr;

struct iface {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	uint32_t mtu;  /* 0: not told */
	bool ethernet; /* an Ethernet header stands before the network header; also on loopback */
	bool loopback;
	bool vlan;
	bool wireless; /* as far as the message tells; see iface_is_wireless() */
};

/* -EBADMSG: not about an interface, or about the port of a bridge. */
int iface_parse(const struct nlmsghdr *message, struct iface *ret_iface);

/* Asks the kernel, and the folder of interfaces (/sys/class/net) if it shows this namespace. */
bool iface_is_wireless(const struct iface *iface, const char *sys_folder);

/* Why it cannot be scheduled, or NULL. `wireless` is as iface_is_wireless() says. */
const char *iface_refusal(const struct iface *iface);

/* What a packet has beyond its IP bytes in the kernel's queues: the header of the link. */
#define IFACE_HEADER_BYTES 14

/*
 * And what it has on the wire beyond what the queues count. A veth is counted like the Ethernet that it
 * stands for, so that figures that were tried on one hold on the other.
 */
uint16_t iface_overhead_bytes(const struct iface *iface);

#endif
