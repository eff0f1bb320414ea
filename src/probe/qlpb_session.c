/* SPDX-License-Identifier: MIT */
/*
 * qlpb_session.c: sessions of a sink (MS-QLPB §3.2): one TCP connection each, on which the initiator says once what
 * it will send, and hears what came of it.
 *
 *   state          event                        what happens
 *   UNKNOWN        handshake 0x01, 0x02         PACKET_PAIR, ROUTE_CHECK; success is sent
 *   UNKNOWN        discard 0x00                 DISCARD, if there may be such sessions; else closed
 *   UNKNOWN        anything else, or 2 s        closed
 *   PACKET_PAIR,   probe                        judged (qlpb_judge.h); summaries are sent
 *   ROUTE_CHECK    anything over TCP            closed
 *   DISCARD        anything over TCP            thrown away, up to a limit
 *   any            30 s without a probe or data closed
 *
 * A session lives until the connection ends, whatever has been measured (spec/probing.md §3.5).
 */
#include "probe/qlpb_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HANDSHAKE_US (2 * US_PER_S)
#define IDLE_US (30 * US_PER_S)

/* ---- coming and going ---- */

static struct session *find(const struct qlpb *qlpb, uint32_t connection)
{
	struct session *session;

	DL_FOREACH(qlpb->sessions, session) {
		if (session->connection == connection)
			return session;
	}
	return NULL;
}

static void forget(struct qlpb *qlpb, struct session *session)
{
	DL_DELETE(qlpb->sessions, session);
	qlpb->sizes.sessions--;
	free(session->train);
	free(session);
}

static void close_session(struct qlpb *qlpb, struct session *session, enum qlpb_counter reason)
{
	qlpb_note(qlpb, reason);
	qlpb->ports.close(qlpb->ports.user_data, session->connection);
	forget(qlpb, session);
}

static uint32_t sessions_of(const struct qlpb *qlpb, const struct address *remote)
{
	struct address host = qlpb_host(remote);
	struct session *session;
	uint32_t n = 0;

	DL_FOREACH(qlpb->sessions, session) {
		struct address other = qlpb_host(&session->remote);

		n += address_equal(&other, &host);
	}
	return n;
}

/* 0, or why not. */
static int admit(struct qlpb *qlpb, const struct address *remote, uint32_t ifindex)
{
	if (!qlpb->config.sink)
		return -EOPNOTSUPP;
	if (qlpb->sizes.sessions >= qlpb->config.max_sessions ||
	    sessions_of(qlpb, remote) >= qlpb->config.max_sessions_per_host)
		return -EUSERS;
	if (!qlpb->ports.on_link(qlpb->ports.user_data, remote, ifindex))
		return -ENETUNREACH;
	return 0;
}

int qlpb_accept(struct qlpb *qlpb, const struct address *remote, uint32_t ifindex,
		uint32_t *ret_connection, uint64_t now_us)
{
	struct session *session = NULL;
	int r = admit(qlpb, remote, ifindex);

	if (r == 0) {
		session = calloc(1, sizeof(*session));
		if (!session)
			r = -ENOMEM;
	}
	if (r < 0) {
		qlpb_note(qlpb, QLPB_COUNT_REFUSED);
		return r;
	}
	session->connection = qlpb_new_id(qlpb);
	session->remote = *remote;
	session->ends_us = now_us + HANDSHAKE_US;
	DL_APPEND(qlpb->sessions, session);
	qlpb->sizes.sessions++;
	qlpb_note(qlpb, QLPB_COUNT_SESSIONS);
	*ret_connection = session->connection;
	return 0;
}

bool qlpb_session_closed(struct qlpb *qlpb, uint32_t connection)
{
	struct session *session = find(qlpb, connection);

	if (!session)
		return false;
	forget(qlpb, session);
	return true;
}

void qlpb_sessions_free(struct qlpb *qlpb)
{
	struct session *session, *next;

	DL_FOREACH_SAFE(qlpb->sessions, session, next) {
		qlpb->ports.close(qlpb->ports.user_data, session->connection);
		forget(qlpb, session);
	}
}

/* ---- time ---- */

void qlpb_sessions_tick(struct qlpb *qlpb, uint64_t now_us)
{
	struct session *session, *next;

	DL_FOREACH_SAFE(qlpb->sessions, session, next) {
		if (session->ends_us <= now_us)
			close_session(qlpb, session, QLPB_COUNT_TIMEOUTS);
	}
}

uint64_t qlpb_sessions_deadline_us(const struct qlpb *qlpb)
{
	uint64_t deadline_us = UINT64_MAX;
	struct session *session;

	DL_FOREACH(qlpb->sessions, session)
		deadline_us = qlpb_earlier(deadline_us, session->ends_us);
	return deadline_us;
}

/* ---- over TCP ---- */

static int say(struct qlpb *qlpb, const struct session *session, enum qlpb_id id, uint8_t flags)
{
	uint8_t message[QLPB_HEADER_LEN];

	qlpb_put_header(message, id, flags);
	return qlpb->ports.write(qlpb->ports.user_data, session->connection, message,
				 sizeof(message));
}

/* What the initiator wants: 0, or a negative errno and it is not had. */
static int take_handshake(struct qlpb *qlpb, struct session *session)
{
	enum qlpb_id id;
	uint8_t flags;
	int r = qlpb_read_header(session->handshake, sizeof(session->handshake), &id, &flags);

	if (r < 0)
		return r;
	if (id == QLPB_ID_DISCARD && qlpb->config.discard_max_bytes > 0) {
		session->type = SESSION_DISCARD;
		return 0;
	}
	if (id == QLPB_ID_PACKET_PAIR) {
		session->train = calloc(1, sizeof(*session->train));
		if (!session->train)
			return -ENOMEM;
		session->type = SESSION_PACKET_PAIR;
	} else if (id == QLPB_ID_ROUTE_CHECK) {
		session->type = SESSION_ROUTE_CHECK;
	} else {
		return -EBADMSG;
	}
	return say(qlpb, session, QLPB_ID_SUCCESS, 0);
}

/* What arrives once the handshake is over: 0, or the session ends. */
static int take_more(const struct qlpb *qlpb, struct session *session, size_t len)
{
	if (len == 0)
		return 0;
	if (session->type != SESSION_DISCARD)
		return -EBADMSG;
	session->discarded_bytes += len;
	return session->discarded_bytes > qlpb->config.discard_max_bytes ? -EFBIG : 0;
}

static int take(struct qlpb *qlpb, struct session *session, const uint8_t *data, size_t len)
{
	size_t n = sizeof(session->handshake) - session->handshake_len;
	int r;

	if (session->type == SESSION_UNKNOWN) {
		n = n < len ? n : len;
		memcpy(session->handshake + session->handshake_len, data, n);
		session->handshake_len += n;
		if (session->handshake_len < sizeof(session->handshake))
			return 0;
		r = take_handshake(qlpb, session);
		if (r < 0)
			return r;
		len -= n;
	}
	return take_more(qlpb, session, len);
}

bool qlpb_session_received(struct qlpb *qlpb, uint32_t connection, const uint8_t *data, size_t len,
			   uint64_t now_us)
{
	struct session *session = find(qlpb, connection);

	if (!session)
		return false;
	if (len == 0)
		return true;
	if (take(qlpb, session, data, len) < 0)
		close_session(qlpb, session, QLPB_COUNT_VIOLATIONS);
	else if (session->type != SESSION_UNKNOWN)
		session->ends_us = now_us + IDLE_US;
	return true;
}

/* ---- probes ---- */

static int send_train_summary(struct qlpb *qlpb, const struct session *session, uint32_t ifindex)
{
	const struct qlpb_train_judge *train = session->train;
	uint8_t message[QLPB_SUMMARY_LEN + QLPB_DELTA_LEN * (QLPB_SINK_TRAIN_MAX - 1)];
	struct qlpb_link link = { 0 };
	unsigned n = train->length - 1u;

	qlpb->ports.link(qlpb->ports.user_data, ifindex, &link);
	qlpb_put_summary(message,
			 &(struct qlpb_summary){
				 .sequence = train->first,
				 .interface_speed_bps = qlpb_speed(link.rate_bps, link.wireless),
				 .n_deltas = (uint16_t)n,
			 });
	for (unsigned i = 0; i < n; i++) {
		uint64_t before = train->stamps_100ns[i], after = train->stamps_100ns[i + 1];

		/* Stamps of a card may come out of order by a little. */
		qlpb_put_delta(message, i, after > before ? after - before : 0);
	}
	return qlpb->ports.write(qlpb->ports.user_data, session->connection, message,
				 qlpb_summary_len(n));
}

/* The session to which a probe belongs (spec §3.3): the UDP port that it comes from does not matter. */
static struct session *session_of(const struct qlpb *qlpb, const struct qlpb_probe *probe,
				  const struct address *source)
{
	enum session_type type = probe->id == QLPB_ID_PACKET_PAIR ? SESSION_PACKET_PAIR
								  : SESSION_ROUTE_CHECK;
	struct address remote = *source;
	struct session *session;

	remote.port = probe->initiator_port;
	DL_FOREACH(qlpb->sessions, session) {
		if (session->type == type && address_equal(&session->remote, &remote))
			return session;
	}
	return NULL;
}

void qlpb_session_probe(struct qlpb *qlpb, const struct qlpb_arrival *arrival, const uint8_t *data,
			size_t len, uint64_t now_us)
{
	enum qlpb_train_verdict verdict;
	enum qlpb_observation observation;
	struct qlpb_probe probe;
	struct session *session;
	int r = 0;

	if (qlpb_read_probe(data, len, &probe) < 0) {
		qlpb_note(qlpb, QLPB_COUNT_BAD_MESSAGE);
		return;
	}
	session = session_of(qlpb, &probe, &arrival->source);
	if (!session) {
		qlpb_note(qlpb, QLPB_COUNT_NO_SESSION);
		return;
	}
	session->ends_us = now_us + IDLE_US;
	if (session->type == SESSION_ROUTE_CHECK) {
		if (!qlpb_judge_route(&session->route, &probe, &observation))
			return;
		r = say(qlpb, session, QLPB_ID_ROUTE_CHECK_SUMMARY, (uint8_t)observation);
	} else {
		verdict = qlpb_judge_train(session->train, &probe, len,
					   qlpb_wire_time(qlpb, arrival->received_ns));
		if (verdict == QLPB_TRAIN_IGNORED)
			qlpb_note(qlpb, QLPB_COUNT_NO_SESSION);
		if (verdict != QLPB_TRAIN_COMPLETE)
			return;
		r = send_train_summary(qlpb, session, arrival->ifindex);
	}
	if (r < 0)
		close_session(qlpb, session, QLPB_COUNT_VIOLATIONS);
	else
		qlpb_note(qlpb, QLPB_COUNT_SUMMARIES);
}
