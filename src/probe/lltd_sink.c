/* SPDX-License-Identifier: MIT */
/*
 * lltd_sink.c: what others measure by us (spec/probing.md §12.2, §12.3). A controller opens a session, sends timed
 * probes, which are noted in the bucket of their sequence number, and asks for what is noted; or it sends probegap,
 * which goes back at once.
 */
#include "probe/lltd_internal.h"

#include <stdlib.h>
#include <string.h>

/* Sessions that have been idle for IDLE_US when it is looked (P-103). */
#define SCAN_US (30 * US_PER_S)
#define IDLE_US (120 * US_PER_S)

/* The limits are per second; no more than a tenth of that at once. */
static uint32_t burst_of(uint32_t per_s)
{
	return per_s / 10 + 1;
}

static struct session *find(struct lltd *lltd, const struct lltd_mac *controller)
{
	struct session *session;

	DL_FOREACH(lltd->sink.sessions, session) {
		if (lltd_mac_equal(&session->controller, controller))
			return session;
	}
	return NULL;
}

static void free_bucket(struct session *session, struct bucket *bucket)
{
	DL_DELETE(session->buckets, bucket);
	session->n_buckets--;
	free(bucket->events);
	free(bucket);
}

static void free_session(struct lltd *lltd, struct session *session)
{
	struct bucket *bucket, *next;

	DL_FOREACH_SAFE(session->buckets, bucket, next)
		free_bucket(session, bucket);
	DL_DELETE(lltd->sink.sessions, session);
	lltd->sizes.sessions--;
	free(session);
}

void lltd_sink_clear(struct lltd *lltd)
{
	struct session *session, *next;

	DL_FOREACH_SAFE(lltd->sink.sessions, session, next)
		free_session(lltd, session);
	lltd->sink.scan_us = UINT64_MAX;
}

void lltd_sink_tick(struct lltd *lltd, uint64_t now_us)
{
	struct session *session, *next;

	if (now_us < lltd->sink.scan_us)
		return;
	DL_FOREACH_SAFE(lltd->sink.sessions, session, next) {
		if (now_us < session->heard_us + IDLE_US)
			continue;
		free_session(lltd, session);
		lltd_note(lltd, LLTD_COUNT_EXPIRED);
	}
	lltd->sink.scan_us = lltd->sink.sessions ? now_us + SCAN_US : UINT64_MAX;
}

/* Whether the controller, if it is known, and all of them together, may get one more answer. */
static bool may_answer(struct lltd *lltd, struct session *session, uint64_t now_us)
{
	uint32_t per_s = lltd->config.answers_per_s;

	if ((!session || probe_limit_take(&session->answers, per_s, burst_of(per_s), now_us)) &&
	    probe_limit_take(&lltd->sink.answers, 4 * per_s, burst_of(4 * per_s), now_us))
		return true;
	lltd_note(lltd, LLTD_COUNT_LIMITED);
	return false;
}

/*
 * Whoever says that he is somebody else would have us send to that station: it gets no more octets than have come in its
 * name, as they are on a wire, so that nothing is gained by that (spec/probing.md §14).
 */
#define WIRE_MIN 60

static size_t wire_octets(size_t body_len)
{
	size_t len = LLTD_HEADER_LEN + body_len;

	return len > WIRE_MIN ? len : WIRE_MIN;
}

static void owe(struct session *session, const struct arrival *arrival)
{
	session->owed_octets += wire_octets(arrival->body_len);
}

static bool pay(struct session *session, size_t body_len)
{
	size_t octets = wire_octets(body_len);

	if (octets > session->owed_octets)
		return false;
	session->owed_octets -= octets;
	return true;
}

/* ---- sessions ---- */

static void refuse(struct lltd *lltd, const struct arrival *arrival, enum lltd_error error)
{
	struct lltd_header header = lltd_header_back(lltd, arrival, LLTD_ERROR);
	uint8_t body[LLTD_ERROR_LEN] = { 0, (uint8_t)error };

	lltd_note(lltd, LLTD_COUNT_REFUSED);
	if (may_answer(lltd, NULL, arrival->now_us))
		lltd_send_one(lltd, &header, body, sizeof(body));
}

static struct session *new_session(struct lltd *lltd, const struct arrival *arrival)
{
	struct session *session;

	if (lltd->sizes.sessions >= lltd->config.max_sessions) {
		refuse(lltd, arrival, LLTD_ERROR_BUSY);
		return NULL;
	}
	session = calloc(1, sizeof(*session));
	if (!session) {
		refuse(lltd, arrival, LLTD_ERROR_RESOURCES);
		return NULL;
	}
	session->controller = arrival->header.source;
	DL_APPEND(lltd->sink.sessions, session);
	lltd->sizes.sessions++;
	lltd_note(lltd, LLTD_COUNT_SESSIONS);
	if (lltd->sink.scan_us == UINT64_MAX)
		lltd->sink.scan_us = arrival->now_us + SCAN_US;
	return session;
}

static void initialise(struct lltd *lltd, const struct arrival *arrival)
{
	struct lltd_header header = lltd_header_back(lltd, arrival, LLTD_READY);
	struct session *session = find(lltd, &arrival->header.source);
	uint8_t body[LLTD_READY_LEN];

	if (arrival->body_len < LLTD_INITIALIZE_LEN) {
		lltd_note(lltd, LLTD_COUNT_BAD_FRAME);
		return;
	}
	/* What interrupts do is a matter of the whole host, and nobody on the link's to switch. */
	if (arrival->body[0] != LLTD_MODERATION_KEEP) {
		refuse(lltd, arrival, LLTD_ERROR_MODERATION);
		return;
	}
	if (!session)
		session = new_session(lltd, arrival);
	if (!session)
		return;
	session->heard_us = arrival->now_us;
	owe(session, arrival);
	if (!may_answer(lltd, session, arrival->now_us))
		return;
	(void)pay(session, sizeof(body)); /* no longer than what it answers */
	lltd_put_ready(body, &(struct lltd_ready){ lltd->config.link_bps, FREQUENCY });
	lltd_send_one(lltd, &header, body, sizeof(body));
}

static void reset(struct lltd *lltd, const struct arrival *arrival, struct session *session)
{
	struct lltd_header header = lltd_header_back(lltd, arrival, LLTD_ACK);

	free_session(lltd, session);
	if (may_answer(lltd, NULL, arrival->now_us))
		lltd_send_one(lltd, &header, NULL, 0);
}

/* ---- timed probes ---- */

static struct bucket *find_bucket(struct session *session, uint16_t sequence)
{
	struct bucket *bucket;

	DL_FOREACH(session->buckets, bucket) {
		if (bucket->sequence == sequence)
			return bucket;
	}
	return NULL;
}

/* A new one, in place of the oldest where there are enough. NULL: no memory. */
static struct bucket *new_bucket(struct session *session, uint16_t sequence)
{
	struct bucket *bucket;

	if (session->n_buckets == BUCKETS_MAX)
		free_bucket(session, session->buckets);
	bucket = calloc(1, sizeof(*bucket));
	if (!bucket)
		return NULL;
	bucket->sequence = sequence;
	/* Without them the bucket stays, to say so when it is asked for. */
	bucket->events = calloc(LLTD_EVENTS_MAX, sizeof(*bucket->events));
	DL_APPEND(session->buckets, bucket);
	session->n_buckets++;
	return bucket;
}

static void note_probe(struct lltd *lltd, const struct arrival *arrival, struct session *session,
		       const struct lltd_probe *probe)
{
	struct bucket *bucket = find_bucket(session, arrival->header.sequence);

	if (!bucket)
		bucket = new_bucket(session, arrival->header.sequence);
	if (!bucket || !bucket->events || bucket->n_events == LLTD_EVENTS_MAX) {
		lltd_note(lltd, LLTD_COUNT_OVERFLOW);
		return;
	}
	bucket->events[bucket->n_events++] = (struct lltd_event){
		.controller_sent = probe->controller_sent,
		.sink_received = lltd_ticks(lltd, arrival->received_ns),
		.packet_id = probe->packet_id,
	};
	lltd_note(lltd, LLTD_COUNT_NOTED);
}

static void query(struct lltd *lltd, const struct arrival *arrival, struct session *session)
{
	struct lltd_header header = lltd_header_back(lltd, arrival, LLTD_QUERY_RESP);
	const struct bucket *bucket = find_bucket(session, arrival->header.sequence);
	uint8_t body[LLTD_QUERY_RESP_LEN + LLTD_EVENTS_MAX * LLTD_EVENT_LEN];
	uint32_t per_s = lltd->config.summaries_per_s;
	size_t len;

	if (!bucket) {
		lltd_note(lltd, LLTD_COUNT_NO_SESSION);
		return;
	}
	len = LLTD_QUERY_RESP_LEN + bucket->n_events * LLTD_EVENT_LEN;
	/* Longer than the question: not often, and what it tells of has paid for it. */
	if (!probe_limit_take(&session->summaries, per_s, burst_of(per_s), arrival->now_us) ||
	    !pay(session, len)) {
		lltd_note(lltd, LLTD_COUNT_LIMITED);
		return;
	}
	lltd_put_query_resp(body, bucket->n_events, !bucket->events);
	for (unsigned i = 0; i < bucket->n_events; i++)
		lltd_put_event(body, i, &bucket->events[i]);
	lltd_send_one(lltd, &header, body, len);
}

/* ---- probegap ---- */

static void reflect(struct lltd *lltd, const struct arrival *arrival, struct session *session,
		    const struct lltd_probe *probe)
{
	struct lltd_header header = lltd_header_back(lltd, arrival, LLTD_PROBE);
	struct lltd_probe answer = *probe;
	uint8_t body[FRAME_ROOM];

	if (arrival->body_len > LLTD_FRAME_MAX - LLTD_HEADER_LEN ||
	    !may_answer(lltd, session, arrival->now_us))
		return;
	(void)pay(session, arrival->body_len); /* as long as what it answers */
	header.tagged = probe->tag;
	header.priority = probe->priority & 7;
	memcpy(body, arrival->body, arrival->body_len);
	answer.test = LLTD_TEST_GAP_REPLY;
	answer.sink_received = lltd_ticks(lltd, arrival->received_ns);
	answer.sink_sent = lltd_now_ticks(lltd);
	if (answer.sink_sent < answer.sink_received)
		answer.sink_sent = answer.sink_received; /* stamps of two sources */
	lltd_put_probe(body, &answer);
	if (lltd_send_one(lltd, &header, body, arrival->body_len) == 0)
		lltd_note(lltd, LLTD_COUNT_REFLECTED);
}

/* ---- what arrives ---- */

/* The session of whoever sent it, which is still wanted then; NULL, and counted: there is none. */
static struct session *session_of(struct lltd *lltd, const struct arrival *arrival)
{
	struct session *session = lltd->config.sink ? find(lltd, &arrival->header.source) : NULL;

	if (!session) {
		lltd_note(lltd, LLTD_COUNT_NO_SESSION);
		return NULL;
	}
	session->heard_us = arrival->now_us;
	owe(session, arrival);
	return session;
}

void lltd_sink_probe(struct lltd *lltd, const struct arrival *arrival,
		     const struct lltd_probe *probe)
{
	struct session *session = session_of(lltd, arrival);

	if (!session)
		return;
	if (probe->test == LLTD_TEST_TIMED)
		note_probe(lltd, arrival, session, probe);
	else
		reflect(lltd, arrival, session, probe);
}

void lltd_sink_receive(struct lltd *lltd, const struct arrival *arrival)
{
	struct session *session;

	if (arrival->header.function == LLTD_INITIALIZE_SINK && lltd->config.sink) {
		initialise(lltd, arrival);
		return;
	}
	session = session_of(lltd, arrival);
	if (!session)
		return;
	if (arrival->header.function == LLTD_QUERY)
		query(lltd, arrival, session);
	else
		reset(lltd, arrival, session);
}
