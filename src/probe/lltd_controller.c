/* SPDX-License-Identifier: MIT */
/*
 * lltd_controller.c: measuring a link by a sink on it (spec/probing.md §11.1). The state diagram there; each timer
 * is of 100 ms:
 *
 *   (none)        lltd_open()          InitializeSink                                -> initialising
 *   initialising  Ready                ready()                                       -> ready
 *   initialising  Error "moderation"   InitializeSink, next number, leaving it alone -> initialising
 *   initialising  Error, other         ended()                                       -> ended
 *   initialising  timer                InitializeSink again; the 5th time ended()
 *   ready         lltd_train()         probes, Query                                 -> querying
 *   ready         lltd_train(), paced  the first probes                              -> sending
 *   sending       timer                the next ones; after the last one Query       -> sending, querying
 *   querying      QueryResp            train(), ready()                              -> ready
 *   querying      timer                Query again; the 5th time ended()
 *   ready         lltd_probegap()      a probe                                       -> probing
 *   probing       its answer, timer    gap(); the next probe in its time, or ready() -> probing, ready
 *                                      (this timer is longer the longer answers take, and after losses)
 *   any           lltd_close()         Reset                                         -> resetting
 *   resetting     Ack                                                                -> ended
 *   resetting     timer                Reset again; the 5th time                     -> ended
 *   any           no link              ended()                                       -> ended
 *
 * Answers count if sequence number, real source and function are those that are awaited (P-116).
 */
#include "probe/lltd_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe/noise.h"

#define TIMER_US (100 * US_PER_MS)
#define EXPIRIES_MAX 5
/* What is behind a long queue comes back later than that. */
#define GAP_TIMER_MAX_US (800 * US_PER_MS)
#define INTERVAL_MIN_US (1 * US_PER_MS)

/* ---- sessions ---- */

struct controlled *lltd_find_controlled(struct lltd *lltd, uint32_t id)
{
	struct controlled *session;

	DL_FOREACH(lltd->controlled, session) {
		if (session->id == id && session->state != CONTROLLED_RESETTING &&
		    session->state != CONTROLLED_ENDED)
			return session;
	}
	return NULL;
}

static struct controlled *find_sink(struct lltd *lltd, const struct lltd_mac *sink)
{
	struct controlled *session;

	DL_FOREACH(lltd->controlled, session) {
		if (session->state != CONTROLLED_ENDED && lltd_mac_equal(&session->sink, sink))
			return session;
	}
	return NULL;
}

void lltd_settle(struct lltd *lltd)
{
	struct controlled *session, *next;

	DL_FOREACH_SAFE(lltd->controlled, session, next) {
		if (session->state != CONTROLLED_ENDED)
			continue;
		DL_DELETE(lltd->controlled, session);
		lltd->sizes.controlled--;
		free(session);
	}
}

/* Of a closed session nothing is told. */
static void end(struct lltd *lltd, struct controlled *session, int status)
{
	enum controlled_state state = session->state;

	session->state = CONTROLLED_ENDED;
	if (state != CONTROLLED_RESETTING && state != CONTROLLED_ENDED)
		lltd->ports.ended(lltd->ports.user_data, session->data, status);
}

/* Those that somebody opens because others have ended stay. */
void lltd_controller_clear(struct lltd *lltd, int status)
{
	uint32_t last_id = lltd->last_id;
	struct controlled *session;

	DL_FOREACH(lltd->controlled, session) {
		if (session->id <= last_id)
			end(lltd, session, status);
	}
}

void lltd_become_ready(struct lltd *lltd, struct controlled *session, int status)
{
	session->state = CONTROLLED_READY;
	session->deadline_us = UINT64_MAX;
	lltd->ports.ready(lltd->ports.user_data, session->data, status);
}

/* What is repeated until it is answered. */
static void ask(struct lltd *lltd, struct controlled *session, uint64_t now_us)
{
	enum lltd_function function = session->state == CONTROLLED_INITIALISING
					      ? LLTD_INITIALIZE_SINK
				      : session->state == CONTROLLED_QUERYING ? LLTD_QUERY
									      : LLTD_RESET;
	struct lltd_header header =
		lltd_header_to(lltd, &session->sink, function, session->sequence);

	lltd_send_one(lltd, &header, &session->moderation,
		      function == LLTD_INITIALIZE_SINK ? LLTD_INITIALIZE_LEN : 0);
	session->deadline_us = now_us + TIMER_US;
}

void lltd_ask_first(struct lltd *lltd, struct controlled *session, enum controlled_state state,
		    uint64_t now_us)
{
	session->state = state;
	session->expiries = 0;
	ask(lltd, session, now_us);
}

static struct controlled *new_session(struct lltd *lltd)
{
	struct controlled *session = calloc(1, sizeof(*session));

	if (!session)
		return NULL;
	DL_APPEND(lltd->controlled, session);
	lltd->sizes.controlled++;
	return session;
}

int lltd_open(struct lltd *lltd, const struct lltd_request *request, uint32_t *ret_session,
	      uint64_t now_us)
{
	struct controlled *session = find_sink(lltd, &request->sink);

	if (!lltd->config.controller)
		return -EOPNOTSUPP;
	if (!lltd_mac_is_unicast(&request->sink) ||
	    lltd_mac_equal(&request->sink, &lltd->config.mac))
		return -EINVAL;
	if (session && session->state != CONTROLLED_RESETTING)
		return -EALREADY;
	if (!session && lltd->sizes.controlled >= lltd->config.max_controlled)
		return -EUSERS;
	/* A session that is being closed gives way: the sink knows controllers, not sessions. */
	if (!session)
		session = new_session(lltd);
	if (!session)
		return -ENOMEM;
	session->id = ++lltd->last_id;
	session->sink = request->sink;
	session->data = request->data;
	session->moderation = request->keep_moderation ? LLTD_MODERATION_KEEP : LLTD_MODERATION_OFF;
	session->sequence = lltd_first_sequence(lltd);
	session->claim.deadline_us = UINT64_MAX;
	lltd_ask_first(lltd, session, CONTROLLED_INITIALISING, now_us);
	*ret_session = session->id;
	return 0;
}

void lltd_close(struct lltd *lltd, uint32_t id, uint64_t now_us)
{
	struct controlled *session = lltd_find_controlled(lltd, id);

	if (!session)
		return;
	session->sequence = lltd_next_sequence(session->sequence);
	session->claim.deadline_us = UINT64_MAX;
	lltd_ask_first(lltd, session, CONTROLLED_RESETTING, now_us);
}

/* ---- what trains and gaps have in common ---- */

int lltd_find_idle(struct lltd *lltd, uint32_t id, struct controlled **ret_session)
{
	struct controlled *session = lltd_find_controlled(lltd, id);

	if (!session)
		return -ENOENT;
	if (session->state != CONTROLLED_READY)
		return -EBUSY;
	*ret_session = session;
	return 0;
}

/* Ticks of the sink as nanoseconds. Both wrap; what counts is the difference. */
uint64_t lltd_ticks_to_ns(uint64_t ticks, uint64_t frequency)
{
	return (uint64_t)((unsigned __int128)ticks * UINT64_C(1000000000) / frequency);
}

/* ---- probegap ---- */

static uint32_t gap_bytes(const struct lltd_gap_request *request)
{
	return request->packet_bytes ? request->packet_bytes : LLTD_GAP_PACKET_BYTES;
}

static bool are_all_sent(const struct controlled *session)
{
	return session->gap.stopping || (session->gap.request.count != 0 &&
					 session->gap.n_sent == session->gap.request.count);
}

/*
 * Whose answer is to have a tag has one itself, so that both directions are proven. -EMSGSIZE and other errors: it has
 * not left.
 */
static int send_one_gap(struct lltd *lltd, const struct controlled *session)
{
	const struct lltd_gap_request *request = &session->gap.request;
	struct lltd_header header =
		lltd_header_to(lltd, &session->sink, LLTD_PROBE, session->sequence);
	uint8_t body[LLTD_FRAME_MAX - LLTD_HEADER_LEN];
	size_t len = gap_bytes(request) + LLTD_LINK_HEADER_LEN - LLTD_HEADER_LEN;

	header.tagged = request->tagged;
	header.priority = request->priority;
	lltd_put_probe(body, &(struct lltd_probe){
				     .controller_sent = lltd_ticks(lltd, session->gap.sent_ns),
				     .test = LLTD_TEST_GAP,
				     .packet_id = session->gap.packet_id,
				     .tag = request->tagged,
				     .priority = request->priority,
			     });
	noise_fill(&lltd->noise, body + LLTD_PROBE_LEN, len - LLTD_PROBE_LEN);
	return lltd_send_one(lltd, &header, body, len);
}

static void send_gap(struct lltd *lltd, struct controlled *session, uint64_t now_us)
{
	session->sequence = lltd_next_sequence(session->sequence);
	session->gap.packet_id++;
	session->gap.scheduled_ns = session->gap.next_ns;
	session->gap.sent_ns = lltd->ports.stamp_ns(lltd->ports.user_data);
	session->gap.next_ns += session->gap.request.interval_us * NS_PER_US +
				noise_below(&lltd->noise, session->gap.request.vary_us * NS_PER_US);
	if (send_one_gap(lltd, session) < 0) {
		/* It has not left, so it is not lost on the way either. */
		session->deadline_us = now_us + session->gap.request.interval_us;
		return;
	}
	session->gap.waiting = true;
	session->gap.n_sent++;
	session->deadline_us = now_us + session->gap.timer_us;
}

/* The next one, or no more. Who was held up by an answer does not make up for it. */
static void go_on_probing(struct lltd *lltd, struct controlled *session, uint64_t now_us)
{
	uint64_t now_ns = now_us * NS_PER_US;

	session->gap.waiting = false;
	if (are_all_sent(session)) {
		lltd_become_ready(lltd, session, 0);
		return;
	}
	if (session->gap.next_ns < now_ns)
		session->gap.next_ns = now_ns;
	session->deadline_us = (session->gap.next_ns + NS_PER_US - 1) / NS_PER_US;
}

static struct probe_gap gap_sample(const struct controlled *session)
{
	return (struct probe_gap){
		.sequence = session->gap.n_sent - 1,
		.tagged = session->gap.request.tagged,
		.packet_bytes = gap_bytes(&session->gap.request),
		.scheduled_ns = session->gap.scheduled_ns,
		.sent_ns = session->gap.sent_ns,
	};
}

int lltd_probegap(struct lltd *lltd, uint32_t id, const struct lltd_gap_request *request,
		  uint64_t now_us)
{
	struct controlled *session;
	int r = lltd_find_idle(lltd, id, &session);

	if (r < 0)
		return r;
	if (request->interval_us < INTERVAL_MIN_US || request->priority > 7 ||
	    gap_bytes(request) < LLTD_TRAIN_PACKET_MIN || gap_bytes(request) > LLTD_GAP_PACKET_MAX)
		return -EINVAL;
	session->state = CONTROLLED_PROBING;
	session->gap.request = *request;
	session->gap.n_sent = 0;
	session->gap.waiting = session->gap.stopping = false;
	session->gap.next_ns = now_us * NS_PER_US;
	if (session->gap.timer_us == 0)
		session->gap.timer_us = TIMER_US;
	send_gap(lltd, session, now_us);
	return 0;
}

void lltd_stop(struct lltd *lltd, uint32_t id)
{
	struct controlled *session = lltd_find_controlled(lltd, id);

	if (!session || session->state != CONTROLLED_PROBING)
		return;
	session->gap.stopping = true;
	if (!session->gap.waiting)
		session->deadline_us = 0;
}

static void set_gap_timer(struct controlled *session, uint64_t us)
{
	us = us > TIMER_US ? us : TIMER_US;
	session->gap.timer_us = us < GAP_TIMER_MAX_US ? us : GAP_TIMER_MAX_US;
}

/* Lost (P-114), or the time for the next one has come. */
static void probing_tick(struct lltd *lltd, struct controlled *session, uint64_t now_us)
{
	struct probe_gap sample;

	if (!session->gap.waiting) {
		if (are_all_sent(session))
			lltd_become_ready(lltd, session, 0);
		else
			send_gap(lltd, session, now_us);
		return;
	}
	sample = gap_sample(session);
	sample.lost = true;
	set_gap_timer(session, 2 * session->gap.timer_us);
	lltd->ports.gap(lltd->ports.user_data, session->data, &sample);
	go_on_probing(lltd, session, now_us);
}

void lltd_controller_probe(struct lltd *lltd, const struct arrival *arrival,
			   const struct lltd_probe *probe)
{
	struct controlled *session = find_sink(lltd, &arrival->header.source);
	struct probe_gap sample;

	/* What it brings back proves that it is the answer: numbers can be guessed, times less so. */
	if (!session || session->state != CONTROLLED_PROBING || !session->gap.waiting ||
	    arrival->header.sequence != session->sequence ||
	    probe->packet_id != session->gap.packet_id ||
	    probe->controller_sent != lltd_ticks(lltd, session->gap.sent_ns)) {
		lltd_note(lltd, LLTD_COUNT_UNEXPECTED);
		return;
	}
	sample = gap_sample(session);
	sample.sink_received_ns = lltd_ticks_to_ns(probe->sink_received, session->frequency);
	sample.sink_sent_ns = lltd_ticks_to_ns(probe->sink_sent, session->frequency);
	sample.received_ns = arrival->received_ns;
	set_gap_timer(session, 2 * (arrival->now_us - session->gap.sent_ns / NS_PER_US));
	lltd->ports.gap(lltd->ports.user_data, session->data, &sample);
	go_on_probing(lltd, session, arrival->now_us);
}

/* ---- what else arrives ---- */

static void take_ready(struct lltd *lltd, struct controlled *session, const struct arrival *arrival)
{
	struct lltd_ready ready;

	/* A clock that does not run cannot be reckoned with. */
	if (lltd_read_ready(arrival->body, arrival->body_len, &ready) < 0 || ready.frequency == 0) {
		lltd_note(lltd, LLTD_COUNT_BAD_FRAME);
		return;
	}
	session->link_bps = ready.link_bps;
	session->frequency = ready.frequency;
	lltd_become_ready(lltd, session, 0);
}

static void take_error(struct lltd *lltd, struct controlled *session, const struct arrival *arrival)
{
	static const int statuses[] = {
		[LLTD_ERROR_RESOURCES] = -ENOMEM,
		[LLTD_ERROR_BUSY] = -EBUSY,
		[LLTD_ERROR_MODERATION] = -EOPNOTSUPP,
	};
	uint8_t error;

	if (arrival->body_len < LLTD_ERROR_LEN || arrival->body[0] != 0 ||
	    arrival->body[1] > LLTD_ERROR_MODERATION) {
		lltd_note(lltd, LLTD_COUNT_BAD_FRAME);
		return;
	}
	error = arrival->body[1];
	if (error == LLTD_ERROR_MODERATION && session->moderation != LLTD_MODERATION_KEEP) {
		session->moderation = LLTD_MODERATION_KEEP;
		session->sequence = lltd_next_sequence(session->sequence);
		lltd_ask_first(lltd, session, CONTROLLED_INITIALISING, arrival->now_us);
		return;
	}
	end(lltd, session, statuses[error]);
}

void lltd_controller_receive(struct lltd *lltd, const struct arrival *arrival)
{
	struct controlled *session = find_sink(lltd, &arrival->header.source);
	enum lltd_function function = arrival->header.function;

	if (session && arrival->header.sequence == session->sequence) {
		if (session->state == CONTROLLED_INITIALISING && function == LLTD_READY) {
			take_ready(lltd, session, arrival);
			return;
		}
		if (session->state == CONTROLLED_INITIALISING && function == LLTD_ERROR) {
			take_error(lltd, session, arrival);
			return;
		}
		if (session->state == CONTROLLED_QUERYING && function == LLTD_QUERY_RESP) {
			lltd_take_query_resp(lltd, session, arrival->body, arrival->body_len);
			return;
		}
		if (session->state == CONTROLLED_RESETTING && function == LLTD_ACK) {
			end(lltd, session, 0);
			return;
		}
	}
	lltd_note(lltd, LLTD_COUNT_UNEXPECTED);
}

/* ---- time ---- */

static void tick_one(struct lltd *lltd, struct controlled *session, uint64_t now_us)
{
	switch (session->state) {
	case CONTROLLED_INITIALISING:
	case CONTROLLED_QUERYING:
	case CONTROLLED_RESETTING:
		if (++session->expiries < EXPIRIES_MAX)
			ask(lltd, session, now_us);
		else
			end(lltd, session, -ETIMEDOUT);
		break;
	case CONTROLLED_PROBING:
		probing_tick(lltd, session, now_us);
		break;
	case CONTROLLED_SENDING:
		lltd_train_tick(lltd, session, now_us);
		break;
	case CONTROLLED_READY:
	case CONTROLLED_ENDED:
		break;
	}
}

void lltd_controller_tick(struct lltd *lltd, uint64_t now_us)
{
	struct controlled *session;

	DL_FOREACH(lltd->controlled, session) {
		if (now_us >= session->deadline_us)
			tick_one(lltd, session, now_us);
		if (session->state != CONTROLLED_ENDED && now_us >= session->claim.deadline_us)
			lltd_claim_tick(lltd, session, now_us);
	}
}

uint64_t lltd_controller_deadline_us(const struct lltd *lltd)
{
	const struct controlled *session;
	uint64_t deadline_us = UINT64_MAX;

	DL_FOREACH(lltd->controlled, session) {
		deadline_us = lltd_earlier(deadline_us, session->deadline_us);
		deadline_us = lltd_earlier(deadline_us, session->claim.deadline_us);
	}
	return deadline_us;
}
