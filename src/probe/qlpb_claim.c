/* SPDX-License-Identifier: MIT */
/*
 * qlpb_claim.c: load for a while (claim.h), of probes that belong to no session: each names the TCP port 0, which no
 * connection has, so that a sink passes over them in silence (spec/probing.md §3.3). Nothing comes back, and what
 * came of it others see.
 */
#include "probe/qlpb_internal.h"

#include <errno.h>
#include <stdlib.h>

int qlpb_claim_init(struct experiment *experiment, const struct qlpb_request *request)
{
	uint32_t bytes = request->packet_bytes ? request->packet_bytes : QLPB_PACKET_MAX_BYTES;
	uint32_t overhead = qlpb_ip_overhead(experiment->sink.family);
	struct claim pace;

	if (bytes > QLPB_PACKET_MAX_BYTES || bytes < overhead + QLPB_PROBE_LEN ||
	    claim_begin(&pace, request->rate_bps, bytes, request->duration_us,
			experiment->started_us) < 0)
		return -EINVAL;
	experiment->claim.pace = pace;
	experiment->claim.len = bytes - overhead;
	experiment->claim.probes = calloc(CLAIM_BATCH, experiment->claim.len);
	return experiment->claim.probes ? 0 : -ENOMEM;
}

static void begin(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	experiment->deadline_us = now_us;
}

static void send_some(struct qlpb *qlpb, struct experiment *experiment, unsigned n)
{
	struct qlpb_datagram datagrams[CLAIM_BATCH];
	size_t len = experiment->claim.len;
	int sent;

	for (unsigned i = 0; i < n; i++) {
		uint8_t *payload = experiment->claim.probes + i * len;

		qlpb_put_probe(payload, &(struct qlpb_probe){
						.id = QLPB_ID_PACKET_PAIR,
						.sequence = experiment->sequence++,
					});
		qlpb_fill(qlpb, payload + QLPB_PROBE_LEN, len - QLPB_PROBE_LEN);
		datagrams[i] = qlpb_probe_to(experiment, QLPB_SOCKET_PROBE);
		datagrams[i].data = payload;
		datagrams[i].len = len;
	}
	/* What has found no room is load that nobody saw. */
	sent = qlpb_send(qlpb, datagrams, n);
	if (sent > 0)
		experiment->result.bytes += (unsigned)sent * len;
}

static void tick(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	struct claim *pace = &experiment->claim.pace;
	unsigned n = claim_take(pace, now_us);

	if (n > 0)
		send_some(qlpb, experiment, n);
	if (claim_is_over(pace, now_us))
		qlpb_finish(qlpb, experiment, 0, now_us);
	else
		experiment->deadline_us = claim_deadline_us(pace, now_us);
}

const struct experiment_type qlpb_claim = {
	.begin = begin,
	.tick = tick,
};
