/* SPDX-License-Identifier: MIT */
/*
 * rate.c: giving a flow a rate, or a reservation.
 *
 * The sockets of some flows must be at hand when a rate becomes effective (placed.c). A rate that has to be admitted
 * first takes a while, for which nobody must hold copies of them: so the host says when it is granted, and it is asked
 * for again, with fresh copies. A call does that itself; for a rate that pends by a token whoever reads the host's word
 * does it, and the reply to that is then what the program hears.
 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "lib/client.h"
#include "lib/options.h"

/* How often what is granted is asked for again, should it take so long that it is not granted any more. */
#define GRANTS_MAX 3

struct pending_rate {
	uint64_t token;
	uint32_t serial; /* of the second request; 0: there is none under way */
	struct msg request;
	struct pending_rate *prev, *next;
};

static void fill_rate(struct msg *request, uint64_t rate_bps, enum gw_shaping shaping,
		      uint32_t reason)
{
	MSG_SET(request, TAG_RATE, rate_bps, rate_bps);
	MSG_SET(request, TAG_SHAPING, shaping, shaping);
	MSG_SET(request, TAG_REASON, reason, reason);
}

/* To TCP sockets a rate, and that there is none any more, is an option of their own. */
static int change_rate(struct gw *gw, struct msg *request, uint32_t id, struct reply *reply)
{
	if (client_is_inherited(gw))
		return -ECHILD;
	placed_expect_rate(gw, id);
	return flow_change(gw, request, id, reply);
}

int gw_flow_set_rate(struct gw *gw, uint32_t id, uint64_t rate_bps, enum gw_shaping shaping,
		     uint32_t reason)
{
	struct reply reply;
	int r;

	if (!gw)
		return -EINVAL;
	for (int i = 0; i < GRANTS_MAX; i++) {
		struct msg request = REQUEST(MSG_SET_RATE);

		fill_rate(&request, rate_bps, shaping, reason);
		r = change_rate(gw, &request, id, &reply);
		if (r < 0)
			return r;
		if (!(reply.msg.flags & MSG_GRANTED)) {
			if (pace_knows(gw, id))
				pace_set_rate(gw, id, rate_bps, shaping,
					      shaping == GW_SHAPE_MARK_CONFORMANT
						      ? flow_excess_dscp(gw, id)
						      : -1);
			return 0;
		}
	}
	return -EAGAIN;
}

/* ---- by token ---- */

static void forget(struct gw *gw, struct pending_rate *pending)
{
	DL_DELETE(gw->rates, pending);
	free(pending);
}

int gw_flow_begin_rate(struct gw *gw, uint32_t id, uint64_t rate_bps, enum gw_shaping shaping,
		       uint32_t reason, uint64_t token)
{
	struct msg request = REQUEST(MSG_SET_RATE);
	struct pending_rate *pending;
	struct reply reply;
	int r;

	if (!gw)
		return -EINVAL;
	/* Nobody else can bring the descriptors, and pace what is sent. */
	if (gw->host_flags & MSG_HOST_NEEDS_FDS)
		return gw_flow_set_rate(gw, id, rate_bps, shaping, reason);
	if (client_is_inherited(gw))
		return -ECHILD;
	pending = calloc(1, sizeof(*pending));
	if (!pending)
		return -ENOMEM;
	fill_rate(&request, rate_bps, shaping, reason);
	MSG_SET(&request, TAG_TOKEN, token, token);
	MSG_SET(&request, TAG_FLOW_ID, flow_id, id);
	pending->token = token;
	pending->request = request;
	/* It may be over before we hear that it pends. */
	pthread_mutex_lock(&gw->lock);
	DL_APPEND(gw->rates, pending);
	pthread_mutex_unlock(&gw->lock);
	r = change_rate(gw, &request, id, &reply);
	if (r == 0 && reply.msg.flags & MSG_PENDING)
		return 1;
	pthread_mutex_lock(&gw->lock);
	forget(gw, pending);
	pthread_mutex_unlock(&gw->lock);
	return r;
}

static struct pending_rate *find(const struct gw *gw, const struct msg *msg)
{
	bool event = msg->head.type == MSG_EVENT;
	struct pending_rate *pending;

	if (event && msg->event != GW_EVENT_COMPLETED)
		return NULL;
	/* One that was refused its token, and is about to go, comes after that which has it. */
	DL_FOREACH(gw->rates, pending) {
		if (event ? pending->token == msg->token
			  : pending->serial != 0 && pending->serial == msg->head.serial)
			break;
	}
	return pending;
}

/* Negative: it could not. */
static int ask_again(struct gw *gw, struct pending_rate *pending)
{
	struct msg request = pending->request;
	int fds[MSG_MAX_FDS] = { -1 };
	int r;

	request.head.serial = pending->serial = client_serial(gw);
	pthread_mutex_unlock(&gw->lock);
	r = client_send(gw, &request, fds, placed_collect(gw, request.flow_id, fds));
	pthread_mutex_lock(&gw->lock);
	return r;
}

/* Of this thread alone: it is the one that reads. */
bool rate_moves_on(struct gw *gw, struct msg *msg)
{
	struct pending_rate *pending = find(gw, msg);
	int status = msg->head.status;

	if (!pending)
		return false;
	pending->serial = 0;
	if (status == 0 && (msg->flags & MSG_PENDING))
		return true;
	if (status == 0 && (msg->flags & MSG_GRANTED)) {
		status = ask_again(gw, pending);
		if (status == 0)
			return true;
	}
	*msg = (struct msg){ .head = { .type = MSG_EVENT, .status = status } };
	MSG_SET(msg, TAG_EVENT, event, GW_EVENT_COMPLETED);
	MSG_SET(msg, TAG_TOKEN, token, pending->token);
	forget(gw, pending);
	return false;
}

void rate_free_all(struct gw *gw)
{
	while (gw->rates)
		forget(gw, gw->rates);
}

/* ---- reservations ---- */

int gw_flow_reserve(struct gw *gw, uint32_t id, const struct gw_tspec *tspec, enum gw_excess excess)
{
	struct msg request = REQUEST(MSG_RESERVE);
	struct gw_tspec t = { 0 };
	struct reply reply;
	int r;

	if (!gw || (unsigned)excess > GW_EXCESS_BEST_EFFORT)
		return -EINVAL;
	r = options_read(tspec, &t, sizeof(t));
	if (r < 0)
		return r;
	if (tspec && t.rate_bps == 0) /* which would give a reservation back */
		return -EINVAL;
	if (!(gw->host_flags & MSG_HOST_RATES))
		return -EOPNOTSUPP;
	MSG_SET(&request, TAG_RATE, rate_bps, t.rate_bps);
	MSG_SET(&request, TAG_DEPTH, depth_bytes, t.depth_bytes);
	MSG_SET(&request, TAG_PEAK, peak_bps, t.peak_bps);
	MSG_SET(&request, TAG_MIN_BYTES, min_bytes, t.min_bytes);
	MSG_SET(&request, TAG_MAX_BYTES, max_bytes, t.max_bytes);
	MSG_SET(&request, TAG_EXCESS, excess, excess);
	return change_rate(gw, &request, id, &reply);
}
