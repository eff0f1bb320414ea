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

int lltd_send_timed(struct lltd *lltd, const struct controlled *session, const struct timed *timed)
{
	struct lltd_header header =
		lltd_header_to(lltd, &session->sink, LLTD_PROBE, timed->sequence);
	size_t len = timed->packet_bytes + LLTD_LINK_HEADER_LEN;
	uint8_t *buf = malloc(timed->n * len);
	struct lltd_frame frames[LLTD_EVENTS_MAX];
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
	sent = lltd_send(lltd, frames, timed->n);
	free(buf);
	return sent;
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
		lltd_send_timed(lltd, session, &timed);
	if (!claim_is_over(&session->claim.pace, now_us)) {
		session->claim.deadline_us = claim_deadline_us(&session->claim.pace, now_us);
		return;
	}
	session->claim.deadline_us = UINT64_MAX;
	lltd->ports.claimed(lltd->ports.user_data, session->data);
}
