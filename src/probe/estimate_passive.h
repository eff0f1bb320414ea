/* SPDX-License-Identifier: MIT */
/*
 * estimate_passive.h: what the host sees anyway tells of congestion, too: what the kernel knows of a flow's own TCP
 * connection, the queue of the interface by which it leaves, marks of routers. No packet is sent for it, so it is
 * all there is for a path without a sink.
 */
#ifndef GW_PROBE_ESTIMATE_PASSIVE_H
#define GW_PROBE_ESTIMATE_PASSIVE_H

#include <stdbool.h>
#include <stdint.h>

/* As of struct tcp_info; totals since the connection began. */
struct passive_tcp {
	uint32_t rtt_us, min_rtt_us; /* smoothed; the least */
	uint64_t segments_sent, segments_retransmitted;
	uint64_t marked; /* acknowledged with an ECN mark */
	uint64_t delivery_rate_bps;
	bool app_limited; /* the rate is that of the program, not that of the path */
};

/* Of the interface, or of the class that the flows have there; totals. */
struct passive_queue {
	uint64_t backlog_bytes;
	uint64_t bytes, packets, drops, marked; /* bytes as they count against the rate */
	uint64_t rate_bps;			/* at which it is emptied; 0: not known */
};

enum passive_verdict {
	PASSIVE_UNKNOWN, /* nothing was sent, or nothing was told lately */
	PASSIVE_CLEAR,
	PASSIVE_CONGESTED,
};

/* One source of it. All zero: nothing is known. */
struct passive {
	bool has_tcp, has_queue;
	struct passive_tcp tcp;
	struct passive_queue queue;
	uint64_t tcp_us, queue_us;   /* when it was told */
	unsigned tcp_bad, queue_bad; /* times in succession */
	enum passive_verdict tcp_verdict, queue_verdict;
	double sent_bps;	/* through the queue, smoothed */
	uint64_t best_rate_bps; /* at which a connection that was not held back has delivered */
	uint64_t rtt_us;
};

/* About every quarter of a second; what is told of another connection starts anew (passive_forget_tcp()). */
void passive_take_tcp(struct passive *passive, const struct passive_tcp *tcp, uint64_t now_us);
void passive_take_queue(struct passive *passive, const struct passive_queue *queue,
			uint64_t now_us);
void passive_forget_tcp(struct passive *passive);
/*
 * What share of our own interface is free: where that is the narrowest link, nobody knows better. 1: it is not, or
 * nothing was told lately.
 */
double passive_own_share(const struct passive *passive, uint64_t capacity_bps, uint64_t now_us);
/* Of both: congested if either is. */
enum passive_verdict passive_verdict(const struct passive *passive, uint64_t now_us);

#endif
