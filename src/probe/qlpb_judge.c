/* SPDX-License-Identifier: MIT */
/* qlpb_judge.c: see qlpb_judge.h. */
#include "probe/qlpb_judge.h"

/* Sent before the high-priority probe of its group, which has arrived already. Without one, no number is. */
static bool is_straggler(const struct qlpb_route_judge *judge, uint32_t sequence)
{
	/* Signed and wide: a train longer than its last sequence number must not wrap. */
	int64_t first = (int64_t)judge->latest_high - judge->high_train + 1;

	return sequence < judge->latest_high && sequence >= first;
}

static bool best_effort(struct qlpb_route_judge *judge, const struct qlpb_probe *probe,
			enum qlpb_observation *ret_observation)
{
	if (is_straggler(judge, probe->sequence)) {
		judge->latest_high = judge->high_train = judge->consecutive = judge->oversized = 0;
		*ret_observation = QLPB_OBSERVED_INVERSION;
		return true;
	}
	if (probe->flag && probe->sequence > judge->latest_high)
		judge->oversized = probe->sequence;
	return false;
}

/* The probe that closes a group. */
static bool high_priority(struct qlpb_route_judge *judge, const struct qlpb_probe *probe,
			  enum qlpb_observation *ret_observation)
{
	if (judge->consecutive >= probe->train_size) {
		judge->latest_high = judge->high_train = judge->consecutive = judge->oversized = 0;
		*ret_observation = QLPB_OBSERVED_NONE;
		return true;
	}
	/* The oversized probe of this group is missing. */
	if (judge->oversized == 0 ||
	    (uint64_t)judge->oversized + probe->train_size <= probe->sequence) {
		judge->latest_high = judge->high_train = judge->consecutive = 0;
		*ret_observation = QLPB_OBSERVED_LOSS;
		return true;
	}
	judge->latest_high = probe->sequence;
	judge->high_train = probe->train_size;
	return false;
}

bool qlpb_judge_route(struct qlpb_route_judge *judge, const struct qlpb_probe *probe,
		      enum qlpb_observation *ret_observation)
{
	bool follows = probe->sequence == judge->latest + 1;

	judge->consecutive = follows ? judge->consecutive + 1 : 1;
	judge->latest = probe->sequence;
	if (probe->train_size == 0)
		return best_effort(judge, probe, ret_observation);
	return high_priority(judge, probe, ret_observation);
}

static enum qlpb_train_verdict begin(struct qlpb_train_judge *judge, const struct qlpb_probe *probe,
				     size_t probe_bytes, uint64_t stamp_100ns)
{
	judge->first = judge->latest = probe->sequence;
	judge->length = probe->train_size;
	judge->probe_bytes = probe_bytes;
	judge->stamps_100ns[0] = stamp_100ns;
	judge->n = 1;
	return QLPB_TRAIN_GOES_ON;
}

enum qlpb_train_verdict qlpb_judge_train(struct qlpb_train_judge *judge,
					 const struct qlpb_probe *probe, size_t probe_bytes,
					 uint64_t stamp_100ns)
{
	if (probe->train_size < 2 || probe->train_size > QLPB_SINK_TRAIN_MAX)
		return QLPB_TRAIN_IGNORED;
	if (probe->flag)
		return begin(judge, probe, probe_bytes, stamp_100ns);
	if (judge->n == 0 || judge->n == judge->length || probe->sequence != judge->latest + 1 ||
	    probe->train_size != judge->length || probe_bytes != judge->probe_bytes)
		return QLPB_TRAIN_IGNORED;
	judge->latest = probe->sequence;
	judge->stamps_100ns[judge->n++] = stamp_100ns;
	return judge->n == judge->length ? QLPB_TRAIN_COMPLETE : QLPB_TRAIN_GOES_ON;
}
