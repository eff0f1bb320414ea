/* SPDX-License-Identifier: MIT */
/*
 * retransmit.c: what this node advertises with a MESSAGE_ID: sent again until it is acknowledged, then left to
 * Srefresh (spec/rsvp.md §12; RFC 2961 §4, §6). Where that is not possible, as RFC 2205 says.
 */
#include "rsvp/internal.h"

/* ---- conditions ---- */

static void leave_summary(struct rsvp *rsvp, struct advert *advert)
{
	if (advert->condition == ADVERT_SUMMARY)
		rsvp_srefresh_remove(rsvp, advert);
	advert->condition = ADVERT_PLAIN;
}

void rsvp_advert_end(struct rsvp *rsvp, struct advert *advert)
{
	leave_summary(rsvp, advert);
	id_map_remove(rsvp, &rsvp->sent_ids, &advert->link);
}

/* Each trigger message has a greater identifier than all before. */
static void give_id(struct rsvp *rsvp, struct advert *advert, enum id_kind kind,
		    struct neighbour *neighbour)
{
	leave_summary(rsvp, advert);
	if (id_map_put(rsvp, &rsvp->sent_ids, &advert->link, neighbour, kind, rsvp->epoch,
		       ++rsvp->last_id) == 0)
		advert->condition = ADVERT_SENT;
}

void rsvp_advert_begin(struct rsvp *rsvp, struct advert *advert, enum id_kind kind,
		       struct neighbour *neighbour, bool trigger, uint8_t *repeats)
{
	if (!rsvp_may_reduce(rsvp, neighbour)) {
		rsvp_advert_end(rsvp, advert);
	} else if (trigger || advert->link.neighbour != neighbour) {
		*repeats = RSVP_REPEATS;
		give_id(rsvp, advert, kind, neighbour);
	} else if (advert->condition == ADVERT_SENT && *repeats < RSVP_REPEATS) {
		rsvp_count_one(rsvp, RSVP_COUNT_RETRANSMITTED);
	}
}

bool rsvp_advert_id(const struct advert *advert, struct rsvp_message_id *ret_id)
{
	if (!advert || !advert->link.neighbour)
		return false;
	*ret_id = (struct rsvp_message_id){
		.epoch = advert->link.epoch,
		.id = advert->link.id,
		.flags = advert->condition == ADVERT_SENT ? RSVP_ID_ACK_DESIRED : 0,
	};
	return true;
}

/* ---- when it is sent again ---- */

/* At 0.5 s and 1.5 s after the first. */
#define RAPID_US (US_PER_S / 2)

void rsvp_advert_set_timer(struct rsvp *rsvp, const struct advert *advert, struct timer *timer,
			   enum timer_kind kind, uint32_t ifindex, uint8_t *repeats)
{
	const struct interface *interface = rsvp_interface_find(rsvp, ifindex);
	uint32_t refresh_ms = interface ? interface->refresh_ms : 30000;
	uint64_t after_us;

	if (advert->condition == ADVERT_SUMMARY && rsvp->config.full_refresh_every == 0) {
		rsvp_stop_timer(rsvp, timer);
		return;
	}
	if (advert->condition == ADVERT_SUMMARY)
		after_us = rsvp_jitter_us(rsvp, refresh_ms) * rsvp->config.full_refresh_every;
	else if (*repeats == 0)
		after_us = rsvp_jitter_us(rsvp, refresh_ms);
	else if (advert->condition == ADVERT_SENT)
		after_us = RAPID_US << (RSVP_REPEATS - (*repeats)--);
	else
		after_us = rsvp_repeat_after_us((*repeats)--);
	rsvp_set_timer(rsvp, timer, kind, after_us);
}

/* ---- what the neighbour says of it ---- */

struct handle {
	struct out *out;
	struct up *up;
	struct timer *timer;
	enum timer_kind kind;
	uint32_t ifindex;
	uint8_t *repeats;
};

static struct handle handle_of(struct advert *advert)
{
	if (advert->link.kind == ID_OUT) {
		struct out *out = CONTAINER(advert, struct out, advert);

		return (struct handle){ .out = out,
					.timer = &out->refresh,
					.kind = TIMER_OUT,
					.ifindex = out->ifindex,
					.repeats = &out->repeats };
	} else {
		struct up *up = CONTAINER(advert, struct up, advert);

		return (struct handle){ .up = up,
					.timer = &up->refresh,
					.kind = TIMER_UP,
					.ifindex = up->ifindex,
					.repeats = &up->repeats };
	}
}

static struct advert *find(struct rsvp *rsvp, const struct neighbour *neighbour, uint32_t epoch,
			   uint32_t id)
{
	struct id_link *link = id_map_find(rsvp, &rsvp->sent_ids, neighbour, epoch, id, NULL);

	return link ? CONTAINER(link, struct advert, link) : NULL;
}

void rsvp_advert_acked(struct rsvp *rsvp, struct neighbour *neighbour, uint32_t epoch, uint32_t id)
{
	struct advert *advert = find(rsvp, neighbour, epoch, id);
	struct handle handle;

	if (!advert || advert->condition != ADVERT_SENT)
		return;
	handle = handle_of(advert);
	*handle.repeats = 0;
	if (!rsvp_may_reduce(rsvp, neighbour) || !rsvp_srefresh_add(rsvp, advert))
		return; /* plain refreshes go on */
	advert->condition = ADVERT_SUMMARY;
	rsvp_advert_set_timer(rsvp, advert, handle.timer, handle.kind, handle.ifindex,
			      handle.repeats);
}

void rsvp_advert_answered(struct rsvp *rsvp, struct advert *advert)
{
	struct handle handle;

	if (advert->condition != ADVERT_SENT)
		return;
	handle = handle_of(advert);
	if (*handle.repeats == 0)
		return;
	*handle.repeats = 0;
	rsvp_advert_set_timer(rsvp, advert, handle.timer, handle.kind, handle.ifindex,
			      handle.repeats);
}

/* Many come at once when a neighbour has begun anew: they are answered at a pace that it can follow. */
#define RESEND_EVERY_US 100

void rsvp_advert_nacked(struct rsvp *rsvp, struct neighbour *neighbour, uint32_t epoch, uint32_t id)
{
	struct advert *advert = find(rsvp, neighbour, epoch, id);
	struct reduction *reduction = neighbour->reduction;
	uint64_t wait_us = 0;
	struct handle handle;

	if (!advert)
		return;
	handle = handle_of(advert);
	leave_summary(rsvp, advert);
	advert->condition = ADVERT_SENT;
	*handle.repeats = RSVP_REPEATS;
	if (reduction && reduction->resend_us > rsvp->now_us)
		wait_us = reduction->resend_us - rsvp->now_us;
	if (reduction)
		reduction->resend_us = rsvp->now_us + wait_us + RESEND_EVERY_US;
	rsvp_set_timer(rsvp, handle.timer, handle.kind, wait_us);
	if (wait_us > 0)
		return;
	if (handle.out)
		rsvp_path_refresh(rsvp, handle.out);
	else
		rsvp_up_update(rsvp, handle.up, WHY_REFRESH);
}

void rsvp_advert_dismiss(struct rsvp *rsvp, struct advert *advert, uint64_t within_us)
{
	struct handle handle = handle_of(advert);

	rsvp_advert_end(rsvp, advert);
	*handle.repeats = 0;
	rsvp_set_timer(rsvp, handle.timer, handle.kind, within_us);
}
