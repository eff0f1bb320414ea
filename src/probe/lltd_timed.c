/* SPDX-License-Identifier: MIT */
/*
 * lltd_timed.c: timed probes, which a sink notes and does not answer: a train of them, whose notes are asked for, and
 * claims (claim.h), whose notes are not. A claim goes on beside whatever else the session does, with a sequence
 * number that is far from those.
 */
#include "probe/lltd_internal.h"

#include <errno.h>
#include <stdlib.h>

#include "probe/noise.h"

#define FAR 0x8000

/* How many have left, or a negative errno. `pace` is told when, unless it is NULL. */
static int send_timed(struct lltd *lltd, const struct controlled *session,
		      const struct timed *timed, struct pace *pace)
{
	struct lltd_header header =
		lltd_header_to(lltd, &session->sink, LLTD_PROBE, timed->sequence);
	size_t len = timed->packet_bytes + LLTD_LINK_HEADER_LEN;
	uint8_t *buf = malloc(timed->n * len);
	struct lltd_frame frames[LLTD_EVENTS_MAX];
	uint64_t from_ns;
	int sent;

	if (!buf)
		return -ENOMEM;
	noise_fill(&lltd->noise, buf, timed->n * len);
	for (unsigned i = 0; i < timed->n; i++) {
		uint8_t *frame = buf + i * len;
		size_t header_len = lltd_put_header(frame, &header);

		lltd_put_probe(frame + header_len, &(struct lltd_probe){
							   .controller_sent = timed->sent,
							   .test = LLTD_TEST_TIMED,
							   .packet_id = (uint8_t)(timed->first + i),
						   });
		frames[i] = (struct lltd_frame){ frame, len };
	}
	from_ns = lltd->ports.stamp_ns(lltd->ports.user_data);
	sent = lltd_send(lltd, frames, timed->n);
	if (pace)
		pace_note(pace, timed->first, timed->n, from_ns,
			  lltd->ports.stamp_ns(lltd->ports.user_data));
	free(buf);
	return sent;
}

/* ---- trains ---- */

/* What is due of the train; then the Query. */
static int send_train(struct lltd *lltd, struct controlled *session, uint64_t now_us)
{
	struct timed some = session->batch;
	int sent;

	some.first = session->batch_sent;
	some.n =
		pace_due(&session->pace, session->batch_sent, session->batch.n, now_us * NS_PER_US);
	if (some.n > 0) {
		sent = send_timed(lltd, session, &some, &session->pace);
		if (sent < 0)
			return sent;
		if ((unsigned)sent < some.n)
			return -ENOBUFS;
		session->batch_sent += some.n;
	}
	if (session->batch_sent == session->batch.n)
		lltd_ask_first(lltd, session, CONTROLLED_QUERYING, now_us);
	else
		session->deadline_us = pace_next_us(&session->pace, session->batch_sent, now_us);
	return 0;
}

int lltd_train(struct lltd *lltd, uint32_t id, const struct lltd_train_request *request,
	       uint64_t now_us)
{
	struct controlled *session;
	int r = lltd_find_idle(lltd, id, &session);

	if (r < 0)
		return r;
	if (request->n < 2 || request->n > LLTD_EVENTS_MAX ||
	    request->packet_bytes < LLTD_TRAIN_PACKET_MIN ||
	    request->packet_bytes > LLTD_TRAIN_PACKET_MAX || request->lead >= request->n)
		return -EINVAL;
	session->sequence = lltd_next_sequence(session->sequence);
	session->batch = (struct timed){
		.n = request->n,
		.packet_bytes = request->packet_bytes,
		.sequence = session->sequence,
		.sent = lltd_now_ticks(lltd),
	};
	session->batch_sent = 0;
	session->pace = pace_of(request->rate_bps, request->packet_bytes, request->lead);
	session->pace.begun_ns = now_us * NS_PER_US;
	session->state = CONTROLLED_SENDING;
	r = send_train(lltd, session, now_us);
	if (r < 0) {
		session->state = CONTROLLED_READY;
		session->deadline_us = UINT64_MAX;
	}
	return r;
}

void lltd_train_tick(struct lltd *lltd, struct controlled *session, uint64_t now_us)
{
	int r = send_train(lltd, session, now_us);

	if (r < 0)
		lltd_become_ready(lltd, session, r);
}

/* The gaps between probes that were sent one after the other and arrived so. */
static unsigned gaps_of(const struct controlled *session, const uint8_t *body, unsigned n_events,
			uint64_t gaps_ns[static LLTD_EVENTS_MAX])
{
	struct lltd_event before = { 0 }, event;
	unsigned n = 0;

	for (unsigned i = 0; i < n_events; i++, before = event) {
		lltd_get_event(body, i, &event);
		if (i == 0 || event.packet_id != before.packet_id + 1 ||
		    event.packet_id >= session->batch.n ||
		    event.controller_sent != session->batch.sent ||
		    event.sink_received < before.sink_received)
			continue;
		gaps_ns[n++] = lltd_ticks_to_ns(event.sink_received - before.sink_received,
						session->frequency);
	}
	return n;
}

void lltd_take_query_resp(struct lltd *lltd, struct controlled *session, const uint8_t *body,
			  size_t body_len)
{
	uint64_t gaps_ns[LLTD_EVENTS_MAX];
	struct probe_train train = {
		.packet_bytes = session->batch.packet_bytes,
		.sink_link_bps = session->link_bps,
		.n_sent = session->batch.n,
		.gaps_ns = gaps_ns,
		.lead = session->pace.lead,
		.spread_ns = pace_spread_ns(&session->pace),
		.held_ns = session->pace.held_ns,
	};
	unsigned n_events;
	bool failed;

	if (lltd_read_query_resp(body, body_len, &n_events, &failed) < 0) {
		lltd_note(lltd, LLTD_COUNT_BAD_FRAME);
		return;
	}
	if (n_events > session->batch.n) {
		lltd_note(lltd, LLTD_COUNT_UNEXPECTED);
		return;
	}
	if (!failed) {
		train.n_gaps = gaps_of(session, body, n_events, gaps_ns);
		lltd->ports.train(lltd->ports.user_data, session->data, &train);
	}
	lltd_become_ready(lltd, session, failed ? -EIO : 0);
}

/* ---- claims ---- */

int lltd_claim(struct lltd *lltd, uint32_t id, const struct lltd_claim_request *request,
	       uint64_t now_us)
{
	struct controlled *session = lltd_find_controlled(lltd, id);

	if (!session)
		return -ENOENT;
	if (session->state == CONTROLLED_INITIALISING || session->claim.deadline_us != UINT64_MAX)
		return -EBUSY;
	if (request->packet_bytes < LLTD_TRAIN_PACKET_MIN ||
	    request->packet_bytes > LLTD_TRAIN_PACKET_MAX ||
	    claim_begin(&session->claim.pace, request->rate_bps, request->packet_bytes,
			request->duration_us, now_us) < 0)
		return -EINVAL;
	session->claim.packet_bytes = request->packet_bytes;
	session->claim.sequence = (uint16_t)(session->sequence ^ FAR);
	if (session->claim.sequence == 0)
		session->claim.sequence = 1;
	session->claim.deadline_us = now_us;
	return 0;
}

void lltd_end_claim(struct lltd *lltd, uint32_t id)
{
	struct controlled *session = lltd_find_controlled(lltd, id);

	if (session)
		session->claim.deadline_us = UINT64_MAX;
}

void lltd_claim_tick(struct lltd *lltd, struct controlled *session, uint64_t now_us)
{
	struct timed timed = {
		.n = claim_take(&session->claim.pace, now_us),
		.packet_bytes = session->claim.packet_bytes,
		.sequence = session->claim.sequence,
		.sent = lltd_now_ticks(lltd),
	};

	/* What has found no room is load that nobody saw. */
	if (timed.n > 0)
		send_timed(lltd, session, &timed, NULL);
	if (!claim_is_over(&session->claim.pace, now_us)) {
		session->claim.deadline_us = claim_deadline_us(&session->claim.pace, now_us);
		return;
	}
	session->claim.deadline_us = UINT64_MAX;
	lltd->ports.claimed(lltd->ports.user_data, session->data);
}
