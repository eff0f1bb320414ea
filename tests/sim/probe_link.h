/* SPDX-License-Identifier: MIT */
/*
 * probe_link.h: one direction of a simulated link that packets queue for: it takes time for each according to its
 * length, holds so many, and then loses, delays, doubles and reorders. Other people's traffic shares it. Time is in
 * nanoseconds, also that of the queue of events.
 */
#ifndef GW_SIM_PROBE_LINK_H
#define GW_SIM_PROBE_LINK_H

#include "dice.h"
#include "queue.h"

/* What a packet of Ethernet takes besides the IP packet: preamble, header, FCS and gap. */
#define PROBE_FRAME_OVERHEAD 38

struct probe_net;
struct probe_link;

struct probe_packet {
	struct event event; /* while it is on its way, after the queue */
	struct probe_packet *next;
	struct probe_link *link; /* which carries it */
	uint32_t from, to;	 /* hosts; others' traffic: UINT32_MAX, which arrives nowhere */
	uint32_t bytes;		 /* as an IP packet */
	uint8_t priority;	 /* of 802.1p; 0: untagged */
	uint8_t dscp;
	uint16_t source_port, destination_port;
	uint32_t claims;   /* the host whose address it bears; `from` unless it is forged */
	uint64_t stamp_ns; /* of the receiving host's clock */
	bool frame;	   /* of a raw socket, and `data` is all of it */
	size_t len;
	uint8_t data[];
};

struct probe_link_plan {
	uint64_t rate_bps; /* of the link, frames and all */
	uint64_t delay_ns;
	uint64_t jitter_ns; /* at most; order is kept */
	uint64_t reorder_ns;
	double loss, duplicate,
		reorder; /* probabilities; reordered ones come up to reorder_ns later */
	uint32_t queue_bytes;
	bool priorities;	   /* those with a tag go first */
	uint32_t tagged_max_bytes; /* longer ones with a tag are dropped; 0: none are */
	double cross;		   /* share of the rate that others send */
};

struct probe_link {
	struct probe_net *net;
	struct probe_link_plan plan;
	struct dice dice;
	struct event served;  /* the packet in service has left */
	struct event arrival; /* of others' traffic */
	struct probe_packet *queue[2], **tail[2];
	struct probe_packet *serving;
	uint32_t queued_bytes;
	uint64_t last_ns; /* when the last one arrives */
	uint64_t carried_bytes, cross_bytes, dropped;
	/* The packet has arrived, and is the callee's. */
	void (*deliver)(struct probe_packet *packet);
};

void probe_link_start(struct probe_link *link, struct probe_net *net, struct dice dice,
		      const struct probe_link_plan *plan,
		      void (*deliver)(struct probe_packet *packet));
/* Others' traffic is so much from now on. */
void probe_link_cross(struct probe_link *link, double share);
/* The packet is the link's from now on. */
void probe_link_send(struct probe_link *link, struct probe_packet *packet);
void probe_link_free(struct probe_link *link);

#endif
