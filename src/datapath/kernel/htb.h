/* SPDX-License-Identifier: MIT */
/*
 * htb.h: the hierarchical token bucket: its root and its classes, one request each. Changing a
 * class costs the same however many there are; adding and deleting does not.
 */
#ifndef GW_DATAPATH_HTB_H
#define GW_DATAPATH_HTB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nlmsghdr;
struct tc;

#define HTB_KIND "htb"

struct htb {
	struct tc *tc;
	uint32_t ifindex;
	uint32_t handle; /* minor 0 */
};

struct htb_class {
	uint32_t minor;
	uint32_t parent; /* a minor; 0: none */
	uint64_t rate_bps;
	uint64_t ceil_bps;
	uint32_t burst_bytes;	   /* at the rate */
	uint32_t ceil_burst_bytes; /* at the ceiling */
	uint32_t quantum_bytes;
	uint32_t priority; /* 0: first */
	uint16_t overhead_bytes;
};

/* -EEXIST without `replace`: someone's root is there. -ENOENT: the kernel has no such kind. */
int htb_create(const struct htb *htb, uint32_t default_minor, bool replace);
int htb_delete(const struct htb *htb);

int htb_class_create(const struct htb *htb, const struct htb_class *htb_class);
int htb_class_change(const struct htb *htb, const struct htb_class *htb_class);

struct htb_class_seen {
	uint32_t minor;
	uint32_t parent; /* a minor; 0: none */
	uint32_t leaf;	 /* handle of its queue; 0: none of a name */
	uint64_t rate_bps;
	uint32_t priority;
	uint64_t bytes;
	uint64_t packets;
	uint64_t backlog_bytes;
	uint64_t backlog_packets;
	uint64_t drops;
};

/* -EBADMSG: not about a class of this root. */
int htb_class_parse(const struct htb *htb, const struct nlmsghdr *message,
		    struct htb_class_seen *ret_class);

typedef void htb_class_fn(void *user_data, const struct htb_class_seen *htb_class);
int htb_class_visit(const struct htb *htb, htb_class_fn *visit, void *user_data);

/* The minor of its default class, from the options that a dump of the root gave; 0: not told. */
uint32_t htb_default_of(const void *options, size_t options_len);

/* A dump tells more of a root than a request for the same root may hold: takes that away. */
void htb_make_request_of(void *options, size_t options_len);

#endif
