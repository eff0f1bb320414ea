/* SPDX-License-Identifier: MIT */
/*
 * qlpb_flood.c: fills the path over TCP: a session whose sink throws away whatever comes (MS-QLPB §2.2.1.1, Discard
 * Flood Session). For people who look for faults; nothing starts it by itself. How fast it went is in the result.
 */
#include "probe/qlpb_internal.h"

#include <errno.h>

#define CHUNK_BYTES 16384
/* Nothing has left for so long: the sink does not read. */
#define STUCK_US (10 * US_PER_S)

int qlpb_flood_init(struct experiment *experiment, const struct qlpb_request *request)
{
	if (request->flood_bytes == 0)
		return -EINVAL;
	experiment->flood.left_bytes = request->flood_bytes;
	return 0;
}

static void begin(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	experiment->deadline_us = now_us + STUCK_US;
}

static void writable(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	struct flood *flood = &experiment->flood;
	uint8_t chunk[CHUNK_BYTES];
	size_t len = (size_t)qlpb_earlier(flood->left_bytes, sizeof(chunk));
	int r;

	if (len == 0) {
		qlpb_finish(qlpb, experiment, 0, now_us);
		return;
	}
	qlpb_fill(qlpb, chunk, len);
	r = qlpb->ports.write(qlpb->ports.user_data, experiment->id, chunk, len);
	if (r < 0) {
		qlpb_finish(qlpb, experiment, r, now_us);
		return;
	}
	flood->left_bytes -= len;
	experiment->result.bytes += len;
	experiment->deadline_us = now_us + STUCK_US;
}

static void tick(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	qlpb_finish(qlpb, experiment, -ETIMEDOUT, now_us);
}

const struct experiment_type qlpb_flood = {
	.has_connection = true,
	.handshake = QLPB_ID_DISCARD,
	.begin = begin,
	.tick = tick,
	.writable = writable,
};
