/* SPDX-License-Identifier: MIT */
/*
 * interfaces.h: the interfaces of this network namespace and their addresses, kept up to date through rtnetlink,
 * and word of routes that may have changed: what a routing protocol's neighbour has to know. libc only, no
 * privilege.
 *
 * Whatever happens to an interface or an address, all of them are read anew, once for everything that has come
 * together: so the table is right also after messages were lost.
 */
#ifndef GW_DATAPATH_INTERFACES_H
#define GW_DATAPATH_INTERFACES_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"

struct interfaces;

struct interface {
	uint32_t ifindex;
	char name[IFNAMSIZ];
	bool up; /* and its cable is in */
	bool loopback;
	bool multicast;
	bool has_station; /* its link is an Ethernet, or looks like one */
	uint8_t station[6];
	bool vlan; /* it tags all frames, with the priority that the sender's stands for */
	uint32_t mtu;
	/* The first that others may know it by; AF_UNSPEC: none. For IPv6 one of the link, if there is no other. */
	struct address address4, address6;
};

struct interfaces_events {
	/* It is new, or something of it is. */
	void (*changed)(void *user_data, const struct interface *interface);
	void (*gone)(void *user_data, uint32_t ifindex);
	/* Routes to destinations below the prefix may be others; NULL: to any. */
	void (*routes)(void *user_data, const struct address *prefix, unsigned prefix_bits);
	void *user_data;
};

/* Reads all there are; tells of each one that it has changed. A negative errno of netlink. */
int interfaces_new(const struct interfaces_events *events, struct interfaces **ret_interfaces);
struct interfaces *interfaces_free(struct interfaces *interfaces);

/* Readable when there is something for interfaces_dispatch(). */
int interfaces_fd(const struct interfaces *interfaces);

/* Takes what has come, a bounded part of it; the rest makes the descriptor readable again. */
int interfaces_dispatch(struct interfaces *interfaces);

/* NULL: none such. Valid until the next dispatch. */
const struct interface *interfaces_find(const struct interfaces *interfaces, uint32_t ifindex);
const struct interface *interfaces_at(const struct interfaces *interfaces, size_t index);

/* Whether it is one of this host's; ports and scopes do not count. */
bool interfaces_own(const struct interfaces *interfaces, const struct address *address);

/* All of these, without ports and scopes. Valid until the next dispatch. */
const struct address *interfaces_addresses(const struct interfaces *interfaces, size_t *ret_n);

#endif
