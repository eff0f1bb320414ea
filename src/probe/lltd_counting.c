/* SPDX-License-Identifier: MIT */
/*
 * lltd_counting.c: what passes our interface, counted for others as long as somebody has a lease (spec/probing.md
 * §12.4): the last full seconds, and what came since.
 */
#include "probe/lltd_internal.h"

#define LEASE_US (300 * US_PER_S)

static struct lltd_counts counts_since(const struct lltd_counts *now,
				       const struct lltd_counts *then)
{
	return (struct lltd_counts){
		.bytes_received = now->bytes_received - then->bytes_received,
		.packets_received = now->packets_received - then->packets_received,
		.bytes_sent = now->bytes_sent - then->bytes_sent,
		.packets_sent = now->packets_sent - then->packets_sent,
	};
}

static struct lltd_counts share_of(const struct lltd_counts *counts, uint64_t seconds)
{
	return (struct lltd_counts){
		.bytes_received = counts->bytes_received / seconds,
		.packets_received = counts->packets_received / seconds,
		.bytes_sent = counts->bytes_sent / seconds,
		.packets_sent = counts->packets_sent / seconds,
	};
}

static void read_counts(struct lltd *lltd, struct lltd_counts *ret_counts)
{
	lltd->ports.counts(lltd->ports.user_data, ret_counts);
}

uint64_t lltd_counting_deadline_us(const struct lltd *lltd)
{
	const struct counting *counting = &lltd->counting;

	if (counting->ends_us == 0)
		return UINT64_MAX;
	return lltd_earlier(counting->ends_us, counting->full_us + US_PER_S);
}

/* Of a host that was held up, each second that passed gets the same share of what came in them. */
static void take_seconds(struct lltd *lltd, uint64_t now_us)
{
	struct counting *counting = &lltd->counting;
	uint64_t seconds = (now_us - counting->full_us) / US_PER_S;
	struct lltd_counts now, passed, each;

	if (now_us < counting->full_us || seconds == 0)
		return;
	read_counts(lltd, &now);
	passed = counts_since(&now, &counting->at_full);
	each = share_of(&passed, seconds);
	for (uint64_t i = 0; i < seconds && i < HISTORY_MAX; i++) {
		counting->newest = (counting->newest + 1) % HISTORY_MAX;
		counting->seconds[counting->newest] = each;
		if (counting->n_seconds < HISTORY_MAX)
			counting->n_seconds++;
	}
	counting->at_full = now;
	counting->full_us += seconds * US_PER_S;
}

void lltd_counting_tick(struct lltd *lltd, uint64_t now_us)
{
	struct counting *counting = &lltd->counting;

	if (counting->ends_us == 0)
		return;
	if (now_us >= counting->ends_us)
		*counting = (struct counting){ .answers = counting->answers };
	else
		take_seconds(lltd, now_us);
}

static void lease(struct lltd *lltd, uint64_t now_us)
{
	struct counting *counting = &lltd->counting;

	if (counting->ends_us == 0) {
		counting->full_us = now_us;
		read_counts(lltd, &counting->at_full);
	}
	counting->ends_us = now_us + LEASE_US;
}

/* ---- what is told of it ---- */

static void widen(struct lltd_result *result, const struct lltd_counts *counts)
{
	uint64_t bytes = counts->bytes_received > counts->bytes_sent ? counts->bytes_received
								     : counts->bytes_sent;
	uint64_t packets = counts->packets_received > counts->packets_sent
				   ? counts->packets_received
				   : counts->packets_sent;

	if (lltd_byte_scale(bytes) > result->byte_scale)
		result->byte_scale = lltd_byte_scale(bytes);
	if (lltd_packet_scale(packets) > result->packet_scale)
		result->packet_scale = lltd_packet_scale(packets);
}

/* `i` seconds before the newest. */
static const struct lltd_counts *second_before(const struct counting *counting, unsigned i)
{
	return &counting->seconds[(counting->newest + HISTORY_MAX - i) % HISTORY_MAX];
}

/* What came since the last full second; 0 without a lease. */
static uint8_t since_full(struct lltd *lltd, uint64_t now_us, struct lltd_counts *ret_counts)
{
	const struct counting *counting = &lltd->counting;
	struct lltd_counts now;

	if (counting->ends_us == 0) {
		*ret_counts = (struct lltd_counts){ 0 };
		return 0;
	}
	read_counts(lltd, &now);
	*ret_counts = counts_since(&now, &counting->at_full);
	return (uint8_t)((now_us - counting->full_us) * 256 / US_PER_S);
}

static void answer(struct lltd *lltd, const struct arrival *arrival, unsigned history)
{
	struct lltd_header header = lltd_header_back(lltd, arrival, LLTD_COUNTER_RESULT);
	const struct counting *counting = &lltd->counting;
	uint8_t body[LLTD_RESULT_LEN + (HISTORY_MAX + 1) * LLTD_COUNTS_LEN];
	unsigned n = history < counting->n_seconds ? history : counting->n_seconds;
	struct lltd_result result = { .history = (uint8_t)n };
	struct lltd_counts rest;

	result.subsecond_span = since_full(lltd, arrival->now_us, &rest);
	widen(&result, &rest);
	for (unsigned i = 0; i < n; i++)
		widen(&result, second_before(counting, i));
	lltd_put_result(body, &result);
	for (unsigned i = 0; i < n; i++)
		lltd_put_counts(body, i, &result, second_before(counting, n - 1 - i));
	lltd_put_counts(body, n, &result, &rest);
	lltd_send_one(lltd, &header, body, LLTD_RESULT_LEN + (n + 1) * LLTD_COUNTS_LEN);
}

void lltd_counting_receive(struct lltd *lltd, const struct arrival *arrival)
{
	uint32_t per_s = lltd->config.summaries_per_s;
	unsigned history;

	if (!lltd->config.sink) {
		lltd_note(lltd, LLTD_COUNT_NO_SESSION);
		return;
	}
	/* What has passed belongs to the time before. */
	lltd_counting_tick(lltd, arrival->now_us);
	if (arrival->header.function == LLTD_COUNTER_LEASE)
		lease(lltd, arrival->now_us);
	else if (lltd_read_snapshot(arrival->body, arrival->body_len, &history) < 0)
		lltd_note(lltd, LLTD_COUNT_BAD_FRAME);
	else if (!probe_limit_take(&lltd->counting.answers, per_s, per_s / 10 + 1, arrival->now_us))
		lltd_note(lltd, LLTD_COUNT_LIMITED);
	else
		answer(lltd, arrival, history);
}
