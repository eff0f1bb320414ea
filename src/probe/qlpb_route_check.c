/* SPDX-License-Identifier: MIT */
/*
 * qlpb_route_check.c: do packets with a priority tag get to the sink, and do they overtake others (MS-QLPB §3.1.5)?
 * Up to five groups of five probes, 20 ms apart: a tagged one that is as long as a frame may be, three untagged
 * ones, and a short tagged one, which the sink compares with those before it.
 */
#include "probe/qlpb_internal.h"

#include <errno.h>

#define LIMIT_US (400 * US_PER_MS)
#define INTERVAL_US (20 * US_PER_MS)
#define GROUPS_MAX 5
#define GROUP_SIZE 5

/* As IP packets. The first makes a frame of 1518 octets with its tag, which some equipment drops. */
#define OVERSIZED_BYTES 1500
#define LONG_BYTES 1496

#define PRIORITY_DSCP 40
#define PRIORITY_PCP 5

struct group {
	uint8_t payload[GROUP_SIZE][OVERSIZED_BYTES - 28];
	struct qlpb_datagram datagrams[GROUP_SIZE];
};

static void set_deadline(struct experiment *experiment)
{
	const struct route_check *check = &experiment->route;

	experiment->deadline_us = check->groups < GROUPS_MAX
					  ? qlpb_earlier(check->next_send_us, check->end_us)
					  : check->end_us;
}

static void begin(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	experiment->route = (struct route_check){
		.end_us = now_us + LIMIT_US,
		.next_send_us = now_us,
		.previous = QLPB_OBSERVED_RESERVED,
	};
	set_deadline(experiment);
}

static void decide(struct qlpb *qlpb, struct experiment *experiment, bool supported,
		   uint64_t now_us)
{
	experiment->result.priority = supported ? PROBE_PRIORITY_SUPPORTED
						: PROBE_PRIORITY_NOT_SUPPORTED;
	qlpb_finish(qlpb, experiment, 0, now_us);
}

/* Five summaries, or the end of the time: what was seen last counts (spec/probing.md §4.2, B-1). */
static void decide_by_last(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	decide(qlpb, experiment, experiment->route.previous == QLPB_OBSERVED_NONE, now_us);
}

/* ---- sending ---- */

static void build(struct qlpb *qlpb, struct experiment *experiment, struct group *group)
{
	size_t overhead = qlpb_ip_overhead(experiment->sink.family);
	const size_t len[GROUP_SIZE] = { OVERSIZED_BYTES - overhead, LONG_BYTES - overhead,
					 LONG_BYTES - overhead, QLPB_PROBE_LEN, QLPB_PROBE_LEN };

	for (unsigned i = 0; i < GROUP_SIZE; i++) {
		struct qlpb_datagram *datagram = &group->datagrams[i];
		uint8_t *payload = group->payload[i];
		bool last = i == GROUP_SIZE - 1;

		qlpb_put_probe(payload, &(struct qlpb_probe){
						.id = QLPB_ID_ROUTE_CHECK,
						.flag = i == 0,
						.initiator_port = experiment->initiator_port,
						.train_size = last ? GROUP_SIZE : 0,
						.sequence = experiment->sequence++,
					});
		qlpb_fill(qlpb, payload + QLPB_PROBE_LEN, len[i] - QLPB_PROBE_LEN);
		*datagram = qlpb_probe_to(experiment, QLPB_SOCKET_PROBE);
		datagram->data = payload;
		datagram->len = len[i];
		if (i == 0 || last) {
			datagram->dscp = PRIORITY_DSCP;
			datagram->priority = PRIORITY_PCP;
		}
	}
}

static void send_group(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	struct route_check *check = &experiment->route;
	struct group group;
	int sent;

	build(qlpb, experiment, &group);
	/* The path may be narrower than a frame: then tags do not fit either (P-062). */
	if (qlpb_send(qlpb, &group.datagrams[0], 1) < 1) {
		decide(qlpb, experiment, false, now_us);
		return;
	}
	sent = qlpb_send(qlpb, &group.datagrams[1], GROUP_SIZE - 1);
	if (sent < GROUP_SIZE - 1) {
		qlpb_finish(qlpb, experiment, sent < 0 ? sent : -ENOBUFS, now_us);
		return;
	}
	check->groups++;
	check->next_send_us = now_us + INTERVAL_US;
}

static void tick(struct qlpb *qlpb, struct experiment *experiment, uint64_t now_us)
{
	struct route_check *check = &experiment->route;

	if (now_us >= check->end_us) {
		decide_by_last(qlpb, experiment, now_us);
		return;
	}
	if (check->groups < GROUPS_MAX && now_us >= check->next_send_us)
		send_group(qlpb, experiment, now_us);
	if (experiment->state == EXPERIMENT_RUNNING)
		set_deadline(experiment);
}

/* ---- what the sink says ---- */

static bool take_observation(struct qlpb *qlpb, struct experiment *experiment,
			     enum qlpb_observation observation, uint64_t now_us)
{
	struct route_check *check = &experiment->route;

	/* At most one for each group: on a long path a summary comes when the next groups are under way already. */
	if (check->summaries >= check->groups)
		return false;
	check->summaries++;
	if (observation == QLPB_OBSERVED_RESERVED)
		return true;
	if (observation == QLPB_OBSERVED_INVERSION) {
		decide(qlpb, experiment, true, now_us);
		return true;
	}
	if (observation == QLPB_OBSERVED_LOSS && check->previous == QLPB_OBSERVED_LOSS) {
		decide(qlpb, experiment, false, now_us);
		return true;
	}
	check->previous = observation;
	if (check->summaries == GROUPS_MAX)
		decide_by_last(qlpb, experiment, now_us);
	return true;
}

static bool message(struct qlpb *qlpb, struct experiment *experiment, const uint8_t *data,
		    size_t len, uint64_t now_us)
{
	enum qlpb_id id;
	uint8_t flags;

	if (qlpb_read_header(data, len, &id, &flags) < 0 || id != QLPB_ID_ROUTE_CHECK_SUMMARY)
		return false;
	return take_observation(qlpb, experiment, qlpb_observation(flags), now_us);
}

const struct experiment_type qlpb_route_check = {
	.has_connection = true,
	.handshake = QLPB_ID_ROUTE_CHECK,
	.handshake_is_answered = true,
	.begin = begin,
	.message = message,
	.tick = tick,
};
