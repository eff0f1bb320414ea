/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * gw_bpf.h: the contract between the eBPF programs and user space. Types and constants only; both
 * sides include it and both check the layout.
 *
 * | map      | key        | value      | written by            | read by | leaves when            |
 * |----------|------------|------------|-----------------------|---------|------------------------|
 * | sockets  | cookie     | gw_socket  | user; release and     | mark    | close, shutdown, or    |
 * |          |            |            | tracing delete        |         | engine                 |
 * | dests    | gw_destkey | gw_destval | user                  | mark    | engine; unreachable as |
 * |          |            |            |                       |         | soon as its socket is  |
 * | groups   | cgroup id  | gw_group   | user                  | mark    | engine (group empty)   |
 * | tuples   | gw_tuplekey| gw_destval | user                  | mark    | engine                 |
 * | meters   | flow id    | gw_meter   | user                  | mark    | engine (meter ends)    |
 * | buckets  | flow id    | gw_bucket  | user makes; mark      | both    | with its meter         |
 * | frags    | gw_fragkey | gw_verdict | mark, first fragments | mark    | least recently used    |
 * | links    | ifindex    | gw_link    | user                  | both    | detach                 |
 * | stats    | 0, per CPU | gw_stats   | mark                  | user    | never                  |
 * | settings | 0          | gw_settings| user; `lost`: release | all     | never                  |
 * |          |            |            | and tracing           |         |                        |
 * | closes   | ring       | gw_close   | release and tracing   | user    | consumed               |
 *
 * A socket has at most one entry in `sockets`. Most flows have one destination (the peer of a
 * connected socket), so the first destination lies in that entry and the common packet costs one
 * lookup; further ones are in `dests`, looked at only if `more` says there are some. Deleting the
 * one entry ends the marks of all destinations at once, which is what lets the kernel do it inside
 * close().
 *
 * Entries carry the generation of the daemon that wrote them, so that a restarted daemon tells its
 * own from its predecessor's, and leftovers in `dests` never answer for a socket entered anew.
 */
#ifndef GW_BPF_H
#define GW_BPF_H

#ifndef __VMLINUX_H__
#include <linux/bpf.h>
#include <linux/types.h>
#endif

/* A program may call nothing under a lock, not even its own functions. */
#ifdef __VMLINUX_H__
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif
#include "core/bucket_math.h"
#ifdef __VMLINUX_H__
#pragma clang attribute pop
#endif

/*
 * In gw_settings. A daemon does not adopt pins of another number, only `links`: it gives back what
 * the other has hung onto interfaces. So gw_link, and gw_settings up to its netns_cookie, mean the
 * same in every version. What an entry of an earlier daemon may lack without harm (a flag that it
 * did not know) needs no new number.
 */
#define GW_BPF_ABI 3

/*
 * A destination as it stands in the packet. IPv4 is ::ffff:a.b.c.d. All in network byte order
 * except scope.
 */
struct gw_dest {
	__u8 addr[16];
	__be16 port;
	__u16 set;   /* 1: this is a destination. 0: empty slot */
	__u32 scope; /* interface index for link-local (unicast and multicast), else 0 */
} __attribute__((aligned(8)));

/*
 * What happens to a packet. Valid without a SET flag: it is left alone, and nothing else is looked
 * up.
 */
#define GW_VERDICT_VALID 0x01
#define GW_VERDICT_SET_DSCP 0x02
#define GW_VERDICT_SET_PRIORITY 0x04
#define GW_VERDICT_METERED 0x08 /* `meters` says more about the flow */
#define GW_VERDICT_PACED 0x10	/* the socket itself keeps to the rate: no need to delay */
#define GW_VERDICT_TAG \
	0x20 /* and a priority tag with `priority`, where the link has none of its own */

struct gw_verdict {
	__u32 flow_id;
	__u8 flags;
	__u8 dscp;     /* 0..63 */
	__u8 priority; /* skb->priority 0..7 */
	__u8 traffic_class;
} __attribute__((aligned(8)));

/* The kernel ends the entry by itself when ... (it always does at release) */
#define GW_SOCKET_END_ON_SHUTDOWN 0x1	/* sending was shut down */
#define GW_SOCKET_END_ON_DISCONNECT 0x2 /* disconnected, or the TCP state became CLOSE */
/* And this says nothing of the kernel: the entry stays though it has no verdict. */
#define GW_SOCKET_WATCHED 0x4

struct gw_socket {
	struct gw_dest first;
	struct gw_verdict first_verdict; /* for `first`, if first.set */
	struct gw_verdict any_verdict;	 /* for every destination without one, if valid */
	__u32 more;			 /* 1: the socket has destinations in `dests` too */
	__u16 flags;			 /* GW_SOCKET_* */
	__u16 generation;
};

struct gw_destkey {
	__u64 cookie;
	struct gw_dest dest;
};

struct gw_destval {
	struct gw_verdict verdict;
	__u32 generation; /* counts only if it is that of the entry in `sockets` */
	__u32 pad;
};

struct gw_group {
	struct gw_verdict verdict;
};

/* Groups that lie deeper are not looked for. */
#define GW_GROUP_LEVELS 16

/*
 * A packet that no socket entry stands for, forwarded ones above all, by its 5-tuple as it leaves: after
 * address translation. Addresses and ports as in gw_dest. What a wildcard leaves open is zero here.
 */
#define GW_WILD_SOURCE 0x1	/* any source address, and then any source port */
#define GW_WILD_SOURCE_PORT 0x2 /* any source port, or SPI */
#define GW_WILD_PORT 0x4	/* any destination port */
#define GW_WILD_COUNT 8

struct gw_tuplekey {
	__u8 source[16];
	__u8 destination[16];
	__be16 source_port;
	__be16 port;
	__u32 ifindex; /* that it leaves through */
	__u8 protocol;
	__u8 wild; /* GW_WILD_*; of the present ones the lowest number that matches counts */
	__u16 pad16;
	__be32 spi; /* of ESP and AH, which have it in the place of a source port */
};

/*
 * The meter of a flow: what conforms to its bucket, and what becomes of the excess. All targets of the flow
 * are under it together, whichever socket and link their packets come from and leave through.
 */
enum gw_meter_action {
	GW_METER_DELAY = 1, /* shaped: by a class, by departure time, by the socket; else as DROP */
	GW_METER_DROP = 2,
	GW_METER_REMARK = 3, /* the excess gets the verdict `excess` and the place of its class */
};

#define GW_METER_CLASSES 8

struct gw_meter {
	__u32 action; /* enum gw_meter_action */
	__u32 pad;
	struct bucket_rule rule;
	struct gw_verdict excess;
	/* Its class on links that are handed over; ends with the first ifindex 0. */
	struct {
		__u32 ifindex;
		__u32 minor;
	} classes[GW_METER_CLASSES];
};

/*
 * What of a meter changes with each packet; packets are those on the wire, bytes IP bytes. DELAY by a class
 * counts everything as conforming.
 */
struct gw_bucket {
	struct bpf_spin_lock lock;
	__u32 mean_ns; /* that a packet takes at the rate, where departure times are given */
	struct bucket bucket;
	__u64 departs_ns; /* where the departure time of the next packet begins */
	__u64 conforming_packets;
	__u64 conforming_bytes;
	__u64 excess_packets; /* sent, re-marked */
	__u64 excess_bytes;
	__u64 dropped_packets;
	__u64 dropped_bytes;
	__u64 conforming_before; /* the conforming packets as they were before they are segmented */
	__u32 spread_ns;	 /* how far packets are from mean_ns, on average */
	__u32 pad;
};

struct gw_fragkey {
	__u64 cookie;
	__u8 addr[16];
	__u32 id; /* IPv4 identification or IPv6 fragment identification, as in the packet */
	__u32 protocol;
};

struct gw_link {
	__u32 priority;
	__u32 handle;
	__u32 made_clsact; /* 1: clsact was not there before us */
	__u32 flags;	   /* GW_LINK_* */
};

#define GW_LINK_EDT 0x1 /* every queue below its root is fq: departure times are kept */
#define GW_LINK_UNTAGGED \
	0x2 /* it has tags of its own (a VLAN), or no use for them: none is put on here */

/*
 * On its way from the mark program to the root of a scheduled link a packet carries its class in
 * skb->tc_index: the minor, and a bit that no minor has. The priority stays what 802.1p needs. A packet that leaves
 * through several links one above the other (VLAN, bridge, bond) comes by the mark program at each, and keeps its
 * tag in between: that it has been under its flow's meter, and whether it was beyond the bucket there.
 */
#define GW_TAG 0x4000
#define GW_TAG_EXCESS 0x8000
#define GW_TAG_MINOR 0x3fff
#define GW_BAND(traffic_class) (0x10 + (traffic_class))
#define GW_BAND_CLASS_CONTROL 5 /* GW_CLASS_CONTROL */

enum gw_stat {
	GW_STAT_PACKETS,   /* seen by the mark program */
	GW_STAT_MANAGED,   /* matched a flow */
	GW_STAT_REWRITTEN, /* DSCP changed in the header */
	GW_STAT_FRAGMENTS, /* non-first fragments that found their datagram */
	GW_STAT_EXCESS,	   /* beyond a bucket, and sent */
	GW_STAT_DROPPED,   /* beyond a bucket, and not */
	GW_STAT_COUNT
};

struct gw_stats {
	__u64 count[GW_STAT_COUNT];
};

/* Why the kernel ended a socket's service, or what it saw; user space does the bookkeeping. */
enum gw_close_cause {
	GW_CLOSE_RELEASED = 1,	 /* last copy of the socket closed, or its process died */
	GW_CLOSE_SHUTDOWN = 2,	 /* `how` holds SHUT_RD, SHUT_WR or SHUT_RDWR */
	GW_CLOSE_DISCONNECT = 3, /* connect(AF_UNSPEC), or TCP state CLOSE */
};

/* Which program saw it; one ending may be seen by several. */
enum gw_origin {
	GW_ORIGIN_RELEASE = 1,
	GW_ORIGIN_STATE = 2,
	GW_ORIGIN_SHUTDOWN = 3,
	GW_ORIGIN_DISCONNECT = 4,
};

struct gw_close {
	__u64 cookie;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 cause;   /* enum gw_close_cause */
	__u32 how;
	__u32 removed; /* 1: the entry in `sockets` was deleted by the kernel */
	__u32 origin;  /* enum gw_origin */
};

/* One element, key 0, mapped into user space. */
struct gw_settings {
	__u32 abi;
	__u32 groups;	    /* entries in `groups`; 0 spares the lookup */
	__u32 group_levels; /* bit n: one of our control groups lies n below the hierarchy's root */
	__u32 generation;   /* of the daemon now in charge: 1..65535 */
	__u64 netns_cookie; /* of the network namespace served; its inode is used again */
	__u64 lost;	    /* events that found `closes` full; user space must look itself */
	__u32 tuples;	    /* entries in `tuples`; 0 spares the lookups */
	__u32 tuple_kinds;  /* bit n: some of these have `wild` n */
};

#define GW_SETTINGS_IDENTITY_LEN 24 /* what a daemon of another version may read */

_Static_assert(sizeof(struct gw_dest) == 24, "layout");
_Static_assert(sizeof(struct gw_verdict) == 8, "layout");
_Static_assert(sizeof(struct gw_socket) == 48, "layout");
_Static_assert(sizeof(struct gw_destkey) == 32, "layout");
_Static_assert(sizeof(struct gw_destval) == 16, "layout");
_Static_assert(sizeof(struct gw_fragkey) == 32, "layout");
_Static_assert(sizeof(struct gw_link) == 16, "layout");
_Static_assert(sizeof(struct gw_stats) == 48, "layout");
_Static_assert(sizeof(struct gw_tuplekey) == 48, "layout");
_Static_assert(sizeof(struct gw_meter) == 136, "layout");
_Static_assert(sizeof(struct gw_bucket) == 104, "layout");
_Static_assert(sizeof(struct gw_close) == 32, "layout");
_Static_assert(sizeof(struct gw_settings) == 40, "layout");
_Static_assert(__builtin_offsetof(struct gw_socket, any_verdict) == 32, "layout");
_Static_assert(__builtin_offsetof(struct gw_socket, flags) == 44, "layout");
_Static_assert(__builtin_offsetof(struct gw_settings, lost) == GW_SETTINGS_IDENTITY_LEN, "layout");

#endif
