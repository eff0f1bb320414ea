/* SPDX-License-Identifier: MIT */
/*
 * lltd_client.c: asking others what they have counted (spec/probing.md §11.2). The state diagram there:
 *
 *   stopped   lltd_lease()      Lease, to be renewed in 3 min                -> leased
 *   leased    time to renew     Lease                                        -> leased
 *   leased    lltd_count()      Snapshot, to be repeated in 100 ms           -> waiting
 *   waiting   its Result        counted()                                    -> leased
 *   waiting   100 ms            Snapshot again; the 5th time: counted()      -> leased
 *   any       lltd_end_lease()                                               -> stopped
 */
#include "probe/lltd_internal.h"

#include <errno.h>

#define RENEW_US (180 * US_PER_S)
#define RETRY_US (100 * US_PER_MS)
#define EXPIRIES_MAX 5

static void send_lease(struct lltd *lltd, uint64_t now_us)
{
	struct lltd_header header = lltd_header_to(lltd, &lltd_broadcast, LLTD_COUNTER_LEASE, 0);

	lltd_send_one(lltd, &header, NULL, 0);
	lltd->client.renew_us = now_us + RENEW_US;
}

static void send_snapshot(struct lltd *lltd, uint64_t now_us)
{
	struct client *client = &lltd->client;
	struct lltd_header header =
		lltd_header_to(lltd, &client->station, LLTD_COUNTER_SNAPSHOT, client->sequence);
	uint8_t history = (uint8_t)client->history;

	lltd_send_one(lltd, &header, &history, sizeof(history));
	client->deadline_us = now_us + RETRY_US;
}

void lltd_lease(struct lltd *lltd, uint64_t now_us)
{
	struct client *client = &lltd->client;

	if (client->state != CLIENT_STOPPED)
		return;
	if (client->sequence == 0)
		client->sequence = lltd_first_sequence(lltd);
	client->state = CLIENT_LEASED;
	send_lease(lltd, now_us);
}

void lltd_end_lease(struct lltd *lltd)
{
	lltd->client.state = CLIENT_STOPPED;
}

int lltd_count(struct lltd *lltd, const struct lltd_mac *station, unsigned history, void *data,
	       uint64_t now_us)
{
	struct client *client = &lltd->client;

	if (!lltd_mac_is_unicast(station) || history > UINT8_MAX)
		return -EINVAL;
	if (client->state == CLIENT_STOPPED)
		return -ENOTCONN;
	if (client->state == CLIENT_WAITING)
		return -EBUSY;
	client->state = CLIENT_WAITING;
	client->station = *station;
	client->history = history;
	client->data = data;
	client->expiries = 0;
	client->sequence = lltd_next_sequence(client->sequence);
	send_snapshot(lltd, now_us);
	return 0;
}

static void finish(struct lltd *lltd, int status, const struct lltd_second *seconds, unsigned n)
{
	lltd->client.state = CLIENT_LEASED;
	lltd->ports.counted(lltd->ports.user_data, lltd->client.data, status, seconds, n);
}

void lltd_client_receive(struct lltd *lltd, const struct arrival *arrival)
{
	struct client *client = &lltd->client;
	struct lltd_second seconds[UINT8_MAX + 1];
	struct lltd_result result;

	if (lltd_read_result(arrival->body, arrival->body_len, &result) < 0) {
		lltd_note(lltd, LLTD_COUNT_BAD_FRAME);
		return;
	}
	/* More than was asked for cannot be an answer. */
	if (client->state != CLIENT_WAITING || arrival->header.sequence != client->sequence ||
	    !lltd_mac_equal(&arrival->header.source, &client->station) ||
	    result.history > client->history) {
		lltd_note(lltd, LLTD_COUNT_UNEXPECTED);
		return;
	}
	for (unsigned i = 0; i <= result.history; i++) {
		lltd_get_counts(arrival->body, i, &result, &seconds[i].counts);
		seconds[i].span_us = US_PER_S;
	}
	seconds[result.history].span_us = (uint32_t)(result.subsecond_span * US_PER_S / 256);
	finish(lltd, 0, seconds, result.history + 1u);
}

void lltd_client_tick(struct lltd *lltd, uint64_t now_us)
{
	struct client *client = &lltd->client;

	if (client->state != CLIENT_STOPPED && now_us >= client->renew_us)
		send_lease(lltd, now_us);
	if (client->state != CLIENT_WAITING || now_us < client->deadline_us)
		return;
	if (++client->expiries < EXPIRIES_MAX)
		send_snapshot(lltd, now_us);
	else
		finish(lltd, -ETIMEDOUT, NULL, 0);
}

uint64_t lltd_client_deadline_us(const struct lltd *lltd)
{
	const struct client *client = &lltd->client;

	if (client->state == CLIENT_STOPPED)
		return UINT64_MAX;
	if (client->state == CLIENT_LEASED)
		return client->renew_us;
	return lltd_earlier(client->renew_us, client->deadline_us);
}
