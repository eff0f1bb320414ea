/* SPDX-License-Identifier: MIT */
/*
 * qlpb_packet_pair.c: how narrow is the path (MS-QLPB §3.1.5)? Up to three trains of probes that leave back to back,
 * 20 ms apart; the sink tells how far from each other they arrived. What follows from that is the estimator's. Or one
 * train whose probes leave at a rate, which the sink cannot tell from the others.
 */
#include "probe/qlpb_internal.h"

#include <errno.h>
#include <stdlib.h>

#define LIMIT_US (1500 * US_PER_MS)
#define INTERVAL_US (20 * US_PER_MS)
#define TRAIN_DEFAULT 16

/* Nothing that a sink says it has seen can have taken longer than the experiment. */
#define DELTA_MAX_100NS (LIMIT_US * 10)

int qlpb_packet_pair_init(struct experiment *experiment, const struct qlpb_request *request)
{
	unsigned train_size = request->train_size ? request->train_size : TRAIN_DEFAULT;
	uint32_t bytes = request->packet_bytes ? request->packet_bytes : QLPB_PACKET_MAX_BYTES;
	uint32_t overhead = qlpb_ip_overhead(experiment->sink.family);

	if (train_size < 2 || train_size > QLPB_TRAIN_MAX || bytes > QLPB_PACKET_MAX_BYTES ||
	    bytes < overhead + QLPB_PROBE_LEN || request->lead >= train_size)
		return -EINVAL;
	experiment->pair = (struct packet_pair){
		.trains_max = request->rate_bps ? 1 : PAIR_TRAINS_MAX,
		.train_size = train_size,
		.sent = train_size,
		.pace = pace_of(request->rate_bps, bytes, request->lead),
		.packet_bytes = bytes,
		.probes = calloc(train_size, bytes - overhead),
	};
	return experiment->pair.probes ? 0 : -ENOMEM;
}

static bool is_sending(const struct packet_pair *pair)
{
	return pair->sent < pair->train_size;
}

static void set_deadline(struct experiment *experiment, uint64_t now_us)
{
	const struct packet_pair *pair = &experiment->pair;
	uint64_t deadline_us = pair->end_us;

	if (is_sending(pair))
		deadline_us =
			qlpb_earlier(deadline_us, pace_next_us(&pair->pace, pair->sent, now_us));
	else if (pair->trains < pair->trains_max)
		deadline_us = qlpb_earlier(deadline_us, pair->next_send_us);
	experiment->deadline_us = deadline_us;
}

static void begin(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	experiment->pair.end_us = now_us + LIMIT_US;
	experiment->pair.next_send_us = now_us;
	set_deadline(experiment, now_us);
}

/* ---- sending ---- */

static void build(struct qlpb *qlpb, struct experiment *experiment)
{
	const struct packet_pair *pair = &experiment->pair;
	size_t len = pair->packet_bytes - qlpb_ip_overhead(experiment->sink.family);

	for (unsigned i = 0; i < pair->train_size; i++) {
		uint8_t *payload = pair->probes + i * len;

		qlpb_put_probe(payload, &(struct qlpb_probe){
						.id = QLPB_ID_PACKET_PAIR,
						.flag = i == 0,
						.initiator_port = experiment->initiator_port,
						.train_size = (uint16_t)pair->train_size,
						.sequence = experiment->sequence++,
					});
		qlpb_fill(qlpb, payload + QLPB_PROBE_LEN, len - QLPB_PROBE_LEN);
	}
}

/* The next `n` of the train: whether they have left. */
static bool send_some(struct qlpb *qlpb, struct experiment *experiment, unsigned n)
{
	struct qlpb_datagram datagrams[QLPB_TRAIN_MAX];
	struct packet_pair *pair = &experiment->pair;
	size_t len = pair->packet_bytes - qlpb_ip_overhead(experiment->sink.family);
	uint64_t from_ns;
	int sent;

	for (unsigned i = 0; i < n; i++) {
		datagrams[i] = qlpb_probe_to(experiment, QLPB_SOCKET_PROBE);
		datagrams[i].data = pair->probes + (pair->sent + i) * len;
		datagrams[i].len = len;
	}
	from_ns = qlpb->ports.stamp_ns(qlpb->ports.user_data);
	sent = qlpb_send(qlpb, datagrams, n);
	pace_note(&pair->pace, pair->sent, n, from_ns, qlpb->ports.stamp_ns(qlpb->ports.user_data));
	pair->sent += n;
	if (sent >= 0 && (unsigned)sent == n)
		return true;
	pair->send_error = sent < 0 ? sent : -ENOBUFS;
	return false;
}

static void send_what_is_due(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	struct packet_pair *pair = &experiment->pair;
	unsigned n = pace_due(&pair->pace, pair->sent, pair->train_size, now_us * NS_PER_US);
	bool whole = n == 0 || send_some(qlpb, experiment, n);

	if (whole && is_sending(pair))
		return;
	/* A train with a hole says nothing. The next one may have more luck. */
	if (whole)
		pair->awaited[pair->trains] = experiment->sequence - pair->train_size;
	pair->sent = pair->train_size;
	pair->trains++;
	pair->next_send_us = now_us + INTERVAL_US;
}

static void begin_train(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	build(qlpb, experiment);
	experiment->pair.sent = 0;
	experiment->pair.pace.begun_ns = now_us * NS_PER_US;
}

/* The time is over: what has been heard is what there is. */
static void end(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	int status = experiment->pair.send_error < 0 ? experiment->pair.send_error : -ETIMEDOUT;

	qlpb_finish(qlpb, experiment, experiment->result.samples > 0 ? 0 : status, now_us);
}

static void tick(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	const struct packet_pair *pair = &experiment->pair;

	if (now_us >= pair->end_us) {
		end(qlpb, experiment, now_us);
		return;
	}
	if (!is_sending(pair) && pair->trains < pair->trains_max && now_us >= pair->next_send_us)
		begin_train(qlpb, experiment, now_us);
	if (is_sending(pair))
		send_what_is_due(qlpb, experiment, now_us);
	set_deadline(experiment, now_us);
}

/* ---- what the sink says ---- */

/* Its train is no longer awaited then. */
static bool is_awaited(struct packet_pair *pair, const struct qlpb_summary *summary)
{
	if (summary->n_deltas != pair->train_size - 1)
		return false;
	for (unsigned i = 0; i < PAIR_TRAINS_MAX; i++) {
		if (pair->awaited[i] != 0 && pair->awaited[i] == summary->sequence) {
			pair->awaited[i] = 0;
			return true;
		}
	}
	return false;
}

static bool is_heard_of_all(const struct packet_pair *pair)
{
	for (unsigned i = 0; i < PAIR_TRAINS_MAX; i++) {
		if (pair->awaited[i] != 0)
			return false;
	}
	return pair->trains == pair->trains_max;
}

/* false: no sink can have seen that. */
static bool read_gaps(const uint8_t *data, unsigned n, uint64_t gaps_ns[static QLPB_TRAIN_MAX])
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t delta_100ns = qlpb_get_delta(data, i);

		if (delta_100ns > DELTA_MAX_100NS)
			return false;
		gaps_ns[i] = delta_100ns * 100;
	}
	return true;
}

/* What fits no train of this experiment is passed over (P-066), whoever may have made the sink say it. */
static bool message(struct qlpb *qlpb, struct experiment *experiment, const uint8_t *data,
		    size_t len, uint64_t now_us)
{
	struct packet_pair *pair = &experiment->pair;
	uint64_t gaps_ns[QLPB_TRAIN_MAX];
	struct qlpb_summary summary;
	struct probe_train train;

	if (qlpb_read_summary(data, len, &summary) < 0)
		return false;
	if (!is_awaited(pair, &summary) || !read_gaps(data, summary.n_deltas, gaps_ns)) {
		qlpb_note(qlpb, QLPB_COUNT_UNEXPECTED);
		return true;
	}
	train = (struct probe_train){
		.packet_bytes = pair->packet_bytes,
		.sink_link_bps = summary.interface_speed_bps == QLPB_SPEED_UNBOUNDED
					 ? 0
					 : summary.interface_speed_bps,
		.n_sent = pair->train_size,
		.n_gaps = summary.n_deltas,
		.gaps_ns = gaps_ns,
		.lead = pair->pace.lead,
		.spread_ns = pace_spread_ns(&pair->pace),
		.held_ns = pair->pace.held_ns,
	};
	experiment->result.samples++;
	if (qlpb->ports.train(qlpb->ports.user_data, experiment->data, &train) ||
	    is_heard_of_all(pair))
		qlpb_finish(qlpb, experiment, 0, now_us);
	return true;
}

/* Some sinks end the session after one summary (spec/probing.md §3.5, B-3). */
static bool closed(const struct experiment *experiment)
{
	return experiment->result.samples > 0;
}

const struct experiment_type qlpb_packet_pair = {
	.has_connection = true,
	.handshake = QLPB_ID_PACKET_PAIR,
	.handshake_is_answered = true,
	.begin = begin,
	.message = message,
	.tick = tick,
	.closed = closed,
};
