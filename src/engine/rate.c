/* SPDX-License-Identifier: MIT */
/*
 * rate.c: the rate of a flow, and whether its path has it (spec/qwave.md §5.5).
 *
 * An adaptive flow to a neighbour that takes part in experiments may only have what is free: such a wish is handed to
 * the host, which may need a while. What others ask for the same flow meanwhile waits for its turn, so that the last
 * word is the last that was said. What does not grow is never refused, and needs no answer.
 */
#include <errno.h>

#include "engine/internal.h"

#define REASON_MAX 4u
#define MINIMUM_BPS 64000u /* what the default minimum weighs (spec/qwave.md A-27) */

/* The host answers within 2 s; this is for one that does not. */
#define ADMISSION_US UINT64_C(2100000)
/* For so long a granted rate is there to be asked for again. */
#define GRANT_US UINT64_C(2000000)

uint64_t rate_weight(uint64_t rate_bps)
{
	return rate_bps == GW_RATE_MINIMUM ? MINIMUM_BPS : rate_bps;
}

static int rate_apply(struct engine *engine, struct flow *flow, const struct rate_wish *rate)
{
	struct flow_settings settings = flow->settings;
	struct meter_links links = { 0 };

	if (rate_needs_meter(rate->rate_bps))
		flow_links(engine, flow, &links);
	settings.rate_bps = rate->rate_bps;
	settings.shaping = rate->shaping;
	settings.rate_reason = rate->reason;
	settings.rate_cleared = rate->rate_bps == GW_RATE_NONE;
	settings.reserved = (struct bucket_spec){ 0 };
	settings.reserved_bps = 0;
	settings.booked_as = 0;
	settings.excess = GW_EXCESS_DROP;
	flow->grant = (struct grant){ 0 };
	return flow_change(engine, flow, &settings, &links, NULL);
}

/* ---- admission ---- */

static bool is_granted(const struct engine *engine, const struct flow *flow, uint64_t rate_bps)
{
	return flow->grant.until_us > engine->now_us && rate_bps == flow->grant.rate_bps;
}

static bool needs_admission(const struct engine *engine, const struct flow *flow, uint64_t rate_bps)
{
	const struct flow_path *path = flow->path;

	if (!(flow->flags & GW_FLOW_ADAPTIVE) || !path || !path->on_link || !path->measured ||
	    path->support == SUPPORT_NO)
		return false;
	if (is_granted(engine, flow, rate_bps))
		return false;
	return rate_weight(rate_bps) > rate_weight(flow->settings.rate_bps);
}

/* In the words of our own callers, to whom -EBUSY is something else. */
static int admission_status(struct engine *engine, int status)
{
	if (status == -EBUSY) {
		engine->counters.refused_admission++;
		return -EDQUOT;
	}
	return status == -EOPNOTSUPP ? 0 : status; /* then there is no admission */
}

/* 0, -EDQUOT, -EAGAIN; or -EINPROGRESS: engine_path_admitted() brings the answer with the number of the wish. */
static int ask(struct engine *engine, struct flow *flow, uint64_t rate_bps, uint64_t *ret_number)
{
	const struct measuring *measuring = engine->measuring;
	const struct measuring_wish wish = {
		.current_bps = rate_weight(flow->settings.rate_bps),
		.wanted_bps = rate_weight(rate_bps),
		.token = engine->last_wish + 1,
	};

	if (!needs_admission(engine, flow, rate_bps))
		return 0;
	*ret_number = ++engine->last_wish;
	return admission_status(engine, measuring->admit(measuring->user_data, flow->path->measured,
							 &wish, engine->now_us));
}

static void wish_withdraw(struct engine *engine, const struct flow *flow, uint64_t number)
{
	const struct measuring *measuring = engine->measuring;

	if (flow->path && flow->path->measured)
		measuring->forget_wish(measuring->user_data, flow->path->measured, number);
}

/* It has been asked for, by this number. -ENOMEM: and is forgotten. */
static int wish_start(struct engine *engine, struct op *op, uint64_t number)
{
	op->wish = number;
	HASH_ADD(by_wish, engine->wishes, wish, sizeof(op->wish), op);
	if (op->by_wish.tbl) {
		/* Asked for anew, it has no more time than it had. */
		if (op->deadline_us == 0)
			op_set_deadline(engine, op, engine->now_us + ADMISSION_US);
		return 0;
	}
	op->wish = 0;
	wish_withdraw(engine, op->flow, number);
	return -ENOMEM;
}

void wish_forget(struct engine *engine, struct op *op)
{
	uint64_t number = op->wish;

	if (number == 0)
		return;
	HASH_DELETE(by_wish, engine->wishes, op);
	op->wish = 0;
	wish_withdraw(engine, op->flow, number);
}

/* It has been admitted, or not: the end of a request that waited. */
static void rate_end(struct engine *engine, struct op *op, int status)
{
	struct engine_completion with = { .status = status };
	struct flow *flow = op->flow;

	if (status == 0 && op->rate.brought) {
		flow->grant = (struct grant){ op->rate.rate_bps, engine->now_us + GRANT_US };
		with.granted = true;
	} else if (status == 0) {
		with.status = rate_apply(engine, flow, &op->rate);
	}
	op_complete_with(engine, op, &with);
}

/* The oldest wish of the flow gets its turn; those that need no waiting are over at once. */
void flow_ask_rate(struct engine *engine, struct flow *flow)
{
	struct op *op;

	while ((op = flow_find_op(flow, OP_RATE)) && op->wish == 0) {
		uint64_t number;
		int r = ask(engine, flow, op->rate.rate_bps, &number);

		if (r == -EINPROGRESS)
			r = wish_start(engine, op, number);
		else
			rate_end(engine, op, r);
		if (r == -ENOMEM)
			rate_end(engine, op, r);
	}
}

void flow_forget_wish(struct engine *engine, struct flow *flow)
{
	struct op *op = flow_find_op(flow, OP_RATE);

	if (op)
		wish_forget(engine, op);
}

void rate_answered(struct engine *engine, struct op *op, int status)
{
	struct flow *flow = op->flow;

	rate_end(engine, op, admission_status(engine, status));
	flow_ask_rate(engine, flow);
}

/* ---- the owner's word ---- */

static bool has_descriptor(const struct engine *engine, const struct flow *flow)
{
	return flow->entries && engine->ports.descriptor(engine->ports.user_data,
							 flow->entries->slot->sock->cookie) >= 0;
}

static int rate_wait(struct engine *engine, struct flow *flow, const struct rate_wish *rate,
		     const struct engine_wait *wait, struct op **ret_op)
{
	struct op begun = { .kind = OP_RATE, .wait = *wait, .flow = flow, .rate = *rate };
	const struct op *op;

	begun.rate.brought = has_descriptor(engine, flow);
	/* Of those who are told by a token, one is enough (spec/qwave.md §5.5: ERROR_BUSY). */
	DL_FOREACH(flow->ops, op) {
		if (op->kind == OP_RATE && !op->wait.is_request && !wait->is_request)
			return -EALREADY;
	}
	return op_start(engine, flow->owner, &begun, ret_op);
}

static int rate_request(struct engine *engine, struct flow *flow, const struct rate_wish *rate,
			const struct engine_wait *wait)
{
	struct op *op;
	uint64_t number;
	int r;

	/* One that is granted has had its turn. */
	if (flow_find_op(flow, OP_RATE) && !is_granted(engine, flow, rate->rate_bps)) {
		r = wait ? rate_wait(engine, flow, rate, wait, &op) : -EAGAIN;
		return r < 0 ? r : 1;
	}
	r = ask(engine, flow, rate->rate_bps, &number);
	if (r == 0)
		return rate_apply(engine, flow, rate);
	if (r != -EINPROGRESS)
		return r;
	r = wait ? rate_wait(engine, flow, rate, wait, &op) : -EAGAIN;
	if (r < 0) {
		wish_withdraw(engine, flow, number);
		return r;
	}
	r = wish_start(engine, op, number);
	if (r < 0) {
		op_drop(engine, op);
		return r;
	}
	return 1;
}

int engine_set_rate(struct engine *engine, struct owner *owner, uint32_t flow_id, uint64_t rate_bps,
		    uint32_t shaping, uint32_t reason, const struct engine_wait *wait,
		    uint64_t now_us)
{
	const struct rate_wish rate = {
		.rate_bps = rate_bps,
		.shaping = (enum gw_shaping)shaping,
		.reason = reason,
	};
	struct flow *flow;
	int r;

	engine_note_time(engine, now_us);
	r = flow_find_own(engine, owner, flow_id, &flow);
	if (r < 0)
		return r;
	if (shaping > GW_SHAPE_MARK_CONFORMANT || reason > REASON_MAX)
		return -EINVAL;
	if (rate_needs_meter(rate_bps) && !engine->ports.datapath->meter)
		return -EOPNOTSUPP;
	r = path_follow(engine, flow);
	if (r < 0)
		return r;
	return rate_request(engine, flow, &rate, wait);
}
