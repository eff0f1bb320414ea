/* SPDX-License-Identifier: MIT */
/*
 * qlpb_probegap.c: how busy is the path (MS-QLPB §3.1.5)? Small packets there and back, each when its time has come,
 * until somebody cancels, or as many as were asked for. Answers are taken in the order of the questions: what is
 * passed over is lost, and a late answer to it is ignored (P-070).
 *
 * There is no session, so an answer proves itself: it comes from the sink, from port 2177, and brings back the
 * number and the time of a question that is open, neither of which can be guessed.
 */
#include "probe/noise.h"
#include "probe/qlpb_internal.h"

#include <errno.h>
#include <stdlib.h>

#define INTERVAL_US (1 * US_PER_MS)
/* Whoever was held up does not make up for more than that: the estimator would not use it. */
#define CATCH_UP_MAX 16
#define DEAD_US (3 * US_PER_S)
/* After the last question. */
#define LINGER_US (1 * US_PER_S)

int qlpb_probegap_init(struct experiment *experiment, const struct qlpb_request *request)
{
	uint32_t interval_us = request->interval_us ? request->interval_us : INTERVAL_US;

	if (interval_us < INTERVAL_US)
		return -EINVAL;
	experiment->gap = (struct probegap){
		.interval_ns = interval_us * NS_PER_US,
		.vary_ns = request->vary_us * NS_PER_US,
		.count = request->count,
		.ends_us = UINT64_MAX,
		.ring = calloc(GAP_RING, sizeof(struct gap_entry)),
	};
	return experiment->gap.ring ? 0 : -ENOMEM;
}

static void set_deadline(struct experiment *experiment)
{
	const struct probegap *gap = &experiment->gap;
	uint64_t deadline_us = qlpb_earlier(gap->heard_us + DEAD_US, gap->ends_us);

	if (gap->ends_us == UINT64_MAX)
		deadline_us =
			qlpb_earlier(deadline_us, (gap->next_send_ns + NS_PER_US - 1) / NS_PER_US);
	experiment->deadline_us = deadline_us;
}

static void begin(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	struct probegap *gap = &experiment->gap;

	gap->first = qlpb->ports.random(qlpb->ports.user_data);
	gap->next_send_ns = now_us * NS_PER_US;
	gap->heard_us = now_us;
	set_deadline(experiment);
}

/* ---- deciding about questions ---- */

static void report(struct qlpb *qlpb, struct experiment *experiment, const struct probe_gap *answer)
{
	struct probegap *gap = &experiment->gap;
	const struct gap_entry *entry = &gap->ring[gap->n_decided % GAP_RING];
	struct probe_gap sample = answer ? *answer : (struct probe_gap){ .lost = true };

	sample.sequence = gap->n_decided++;
	sample.packet_bytes = QLPB_GAP_LEN + qlpb_ip_overhead(experiment->sink.family);
	sample.scheduled_ns = entry->scheduled_ns;
	sample.sent_ns = entry->sent_ns;
	qlpb->ports.gap(qlpb->ports.user_data, experiment->data, &sample);
}

static void give_up_before(struct qlpb *qlpb, struct experiment *experiment, uint32_t number)
{
	while (experiment->gap.n_decided != number)
		report(qlpb, experiment, NULL);
}

static void end(struct qlpb *qlpb, struct experiment *experiment, int status, uint64_t now_us)
{
	give_up_before(qlpb, experiment, experiment->gap.n_sent);
	qlpb_finish(qlpb, experiment, status, now_us);
}

/* ---- asking ---- */

static void ask(struct qlpb *qlpb, struct experiment *experiment)
{
	struct qlpb_datagram datagram = qlpb_probe_to(experiment, QLPB_SOCKET_SERVICE);
	struct probegap *gap = &experiment->gap;
	uint8_t message[QLPB_GAP_LEN];
	uint64_t sent_ns;
	int sent;

	qlpb_put_gap(message,
		     &(struct qlpb_gap){
			     .id = QLPB_ID_GAP_REQUEST,
			     .sequence = gap->first + gap->n_sent,
			     .initiator_sent_100ns = qlpb_wire_time(qlpb, gap->next_send_ns),
		     });
	datagram.data = message;
	datagram.len = sizeof(message);
	sent_ns = qlpb->ports.stamp_ns(qlpb->ports.user_data);
	sent = qlpb_send(qlpb, &datagram, 1);
	if (sent < 1) {
		/* It has not left, so it is not lost on the way either. */
		gap->send_error = sent < 0 ? sent : -ENOBUFS;
		return;
	}
	if (gap->n_sent - gap->n_decided == GAP_RING)
		report(qlpb, experiment, NULL);
	gap->ring[gap->n_sent++ % GAP_RING] =
		(struct gap_entry){ .scheduled_ns = gap->next_send_ns, .sent_ns = sent_ns };
}

static bool are_all_sent(const struct probegap *gap)
{
	return gap->count != 0 && gap->n_sent == gap->count;
}

static void ask_what_is_due(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	struct probegap *gap = &experiment->gap;
	uint64_t now_ns = now_us * NS_PER_US;

	for (unsigned i = 0; gap->next_send_ns <= now_ns && !are_all_sent(gap); i++) {
		uint64_t behind = (now_ns - gap->next_send_ns) / gap->interval_ns;

		if (i == 0 && behind >= CATCH_UP_MAX)
			gap->next_send_ns += (behind - CATCH_UP_MAX + 1) * gap->interval_ns;
		ask(qlpb, experiment);
		gap->next_send_ns += gap->interval_ns + noise_below(&qlpb->noise, gap->vary_ns);
	}
	if (are_all_sent(gap) && gap->ends_us == UINT64_MAX)
		gap->ends_us = now_us + LINGER_US;
}

static void tick(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	struct probegap *gap = &experiment->gap;

	if (gap->ends_us == UINT64_MAX)
		ask_what_is_due(qlpb, experiment, now_us);
	if (now_us >= gap->heard_us + DEAD_US)
		end(qlpb, experiment, gap->send_error < 0 ? gap->send_error : -ETIMEDOUT, now_us);
	else if (now_us >= gap->ends_us)
		end(qlpb, experiment, experiment->result.samples > 0 ? 0 : -ETIMEDOUT, now_us);
	else
		set_deadline(experiment);
}

/* ---- what comes back ---- */

/* The open question that it answers; UINT32_MAX: none of this experiment. */
static uint32_t number_of(const struct qlpb *qlpb, const struct experiment *experiment,
			  const struct qlpb_gap *reply)
{
	const struct probegap *gap = &experiment->gap;
	uint32_t number = reply->sequence - gap->first;

	/* No sink answers before it was asked. */
	if (reply->sink_sent_100ns < reply->sink_received_100ns ||
	    number - gap->n_decided >= gap->n_sent - gap->n_decided ||
	    qlpb_wire_time(qlpb, gap->ring[number % GAP_RING].scheduled_ns) !=
		    reply->initiator_sent_100ns)
		return UINT32_MAX;
	return number;
}

static void take(struct qlpb *qlpb, struct experiment *experiment, uint32_t number,
		 const struct qlpb_gap *reply, uint64_t received_ns, uint64_t now_us)
{
	struct probegap *gap = &experiment->gap;
	struct probe_gap answer = {
		.sink_received_ns = reply->sink_received_100ns * 100,
		.sink_sent_ns = reply->sink_sent_100ns * 100,
		.received_ns = received_ns,
	};

	give_up_before(qlpb, experiment, number);
	report(qlpb, experiment, &answer);
	experiment->result.samples++;
	gap->heard_us = now_us;
	gap->send_error = 0;
	if (are_all_sent(gap) && gap->n_decided == gap->n_sent)
		qlpb_finish(qlpb, experiment, 0, now_us);
	else
		set_deadline(experiment);
}

void qlpb_probegap_reply(struct qlpb *qlpb, const struct qlpb_arrival *arrival, const uint8_t *data,
			 size_t len, uint64_t now_us)
{
	struct experiment *experiment;
	struct qlpb_gap reply;

	if (qlpb_read_gap(data, len, &reply) < 0) {
		qlpb_note(qlpb, QLPB_COUNT_BAD_MESSAGE);
		return;
	}
	DL_FOREACH(qlpb->experiments, experiment) {
		uint32_t number;

		if (experiment->type != &qlpb_probegap || experiment->state != EXPERIMENT_RUNNING ||
		    !address_equal(&experiment->sink, &arrival->source))
			continue;
		number = number_of(qlpb, experiment, &reply);
		if (number == UINT32_MAX)
			continue;
		take(qlpb, experiment, number, &reply, arrival->received_ns, now_us);
		return;
	}
	qlpb_note(qlpb, QLPB_COUNT_UNEXPECTED);
}

const struct experiment_type qlpb_probegap = {
	.begin = begin,
	.tick = tick,
};
