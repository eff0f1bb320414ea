/* SPDX-License-Identifier: MIT */
/*
 * estimate_passive.c: see estimate_passive.h.
 *
 * A TCP connection fills any path now and then, loses a packet, and slows down: that is how it works, and no
 * congestion. What counts is a share of losses or marks that stays, or a delay that stays far above the least one.
 */
#include "probe/estimate_passive.h"

/* What was told longer ago says nothing any more. */
#define FRESH_US UINT64_C(3000000)
/* In succession, so that one burst of losses is not enough. */
#define BAD_MAX 3
/* One of so many segments. */
#define LOST_SHARE 20
#define MARKED_SHARE 20
#define SEGMENTS_MIN 10
/* Above the least, and at least so much. */
#define RTT_TIMES 2
#define RTT_RISE_US 20000
/* The time that the queue of our own interface takes to empty. */
#define BACKLOG_US UINT64_C(100000)
#define DROPPED_SHARE 50
#define RATE_SHARE 0.25
/* The path is as narrow as our own interface if that is the narrowest link. */
#define SAME_LINK 0.1

static enum passive_verdict judge(bool bad, unsigned *bad_times)
{
	*bad_times = bad ? *bad_times + 1 : 0;
	if (*bad_times >= BAD_MAX)
		return PASSIVE_CONGESTED;
	return bad ? PASSIVE_UNKNOWN : PASSIVE_CLEAR;
}

/* What a total has grown by; totals of something else begin anew. */
static uint64_t grown(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static bool is_tcp_bad(const struct passive_tcp *now, const struct passive_tcp *before)
{
	uint64_t sent = grown(now->segments_sent, before->segments_sent);
	uint64_t lost = grown(now->segments_retransmitted, before->segments_retransmitted);
	uint64_t marked = grown(now->marked, before->marked);

	if (sent >= SEGMENTS_MIN && (lost * LOST_SHARE > sent || marked * MARKED_SHARE > sent))
		return true;
	return sent > 0 && now->min_rtt_us > 0 &&
	       now->rtt_us > (uint64_t)now->min_rtt_us * RTT_TIMES &&
	       now->rtt_us > now->min_rtt_us + RTT_RISE_US;
}

void passive_take_tcp(struct passive *passive, const struct passive_tcp *tcp, uint64_t now_us)
{
	bool idle = passive->has_tcp && tcp->segments_sent == passive->tcp.segments_sent;

	passive->rtt_us = tcp->rtt_us;
	if (!tcp->app_limited && tcp->delivery_rate_bps > passive->best_rate_bps)
		passive->best_rate_bps = tcp->delivery_rate_bps;
	/* Who sends nothing hears nothing. */
	if (passive->has_tcp && !idle) {
		passive->tcp_verdict = judge(is_tcp_bad(tcp, &passive->tcp), &passive->tcp_bad);
		passive->tcp_us = now_us;
	}
	passive->tcp = *tcp;
	passive->has_tcp = true;
}

void passive_forget_tcp(struct passive *passive)
{
	passive->has_tcp = false;
	passive->tcp_bad = 0;
	passive->tcp_verdict = PASSIVE_UNKNOWN;
	passive->best_rate_bps = 0;
	passive->rtt_us = 0;
}

static bool is_queue_bad(const struct passive_queue *now, const struct passive_queue *before)
{
	uint64_t packets = grown(now->packets, before->packets);
	uint64_t drops = grown(now->drops, before->drops);
	uint64_t marked = grown(now->marked, before->marked);

	if (drops * DROPPED_SHARE > packets + drops || marked * MARKED_SHARE > packets)
		return true;
	return now->rate_bps > 0 &&
	       (double)now->backlog_bytes * 8e6 / (double)now->rate_bps > (double)BACKLOG_US;
}

static void take_rate(struct passive *passive, const struct passive_queue *queue, uint64_t now_us)
{
	uint64_t passed_us = now_us - passive->queue_us;
	double bps;

	if (passive->queue_us == 0 || passed_us == 0)
		return;
	bps = (double)grown(queue->bytes, passive->queue.bytes) * 8e6 / (double)passed_us;
	passive->sent_bps += (bps - passive->sent_bps) * RATE_SHARE;
}

void passive_take_queue(struct passive *passive, const struct passive_queue *queue, uint64_t now_us)
{
	if (passive->has_queue) {
		passive->queue_verdict =
			judge(is_queue_bad(queue, &passive->queue), &passive->queue_bad);
		take_rate(passive, queue, now_us);
	}
	passive->queue_us = now_us;
	passive->queue = *queue;
	passive->has_queue = true;
}

double passive_own_share(const struct passive *passive, uint64_t capacity_bps, uint64_t now_us)
{
	double rate_bps = (double)passive->queue.rate_bps, used;

	if (!passive->has_queue || now_us - passive->queue_us > FRESH_US || rate_bps <= 0)
		return 1;
	if ((double)capacity_bps < rate_bps * (1 - SAME_LINK) ||
	    (double)capacity_bps > rate_bps * (1 + SAME_LINK))
		return 1;
	used = passive->sent_bps / rate_bps;
	return used < 1 ? 1 - used : 0;
}

enum passive_verdict passive_verdict(const struct passive *passive, uint64_t now_us)
{
	enum passive_verdict tcp = passive->tcp_verdict, queue = passive->queue_verdict;

	if (now_us - passive->tcp_us > FRESH_US)
		tcp = PASSIVE_UNKNOWN;
	if (now_us - passive->queue_us > FRESH_US)
		queue = PASSIVE_UNKNOWN;
	if (tcp == PASSIVE_CONGESTED || queue == PASSIVE_CONGESTED)
		return PASSIVE_CONGESTED;
	return tcp == PASSIVE_CLEAR || queue == PASSIVE_CLEAR ? PASSIVE_CLEAR : PASSIVE_UNKNOWN;
}
