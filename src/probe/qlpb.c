/* SPDX-License-Identifier: MIT */
/* qlpb.c: a node of MS-QLPB as a whole: see qlpb.h. Who gets what arrives: spec/probing.md §1. */
#include "probe/qlpb_internal.h"

#include <stdlib.h>

#include "probe/noise.h"

void qlpb_config_default(struct qlpb_config *ret_config)
{
	*ret_config = (struct qlpb_config){
		.sink = true,
		.initiator = true,
		.max_sessions = 32,
		.max_sessions_per_host = 4,
		.max_experiments = 64,
		.echoes_per_s = 4000,
		.echoes_per_s_per_host = 1000,
	};
}

static uint64_t random64(const struct qlpb_ports *ports)
{
	uint64_t high = ports->random(ports->user_data);

	return high << 32 | ports->random(ports->user_data);
}

struct qlpb *qlpb_new(const struct qlpb_ports *ports, const struct qlpb_config *config)
{
	struct qlpb *qlpb = calloc(1, sizeof(*qlpb));

	if (!qlpb)
		return NULL;
	qlpb->ports = *ports;
	qlpb->config = *config;
	/* Whoever reckons in nanoseconds with 64 bits can do so. */
	qlpb->epoch_100ns = random64(ports) >> 8;
	qlpb->noise = random64(ports) | 1;
	return qlpb;
}

struct qlpb *qlpb_free(struct qlpb *qlpb, uint64_t now_us)
{
	if (!qlpb)
		return NULL;
	qlpb_experiments_free(qlpb, now_us);
	qlpb_sessions_free(qlpb);
	free(qlpb);
	return NULL;
}

uint64_t qlpb_deadline_us(const struct qlpb *qlpb)
{
	return qlpb_earlier(qlpb_sessions_deadline_us(qlpb), qlpb_experiments_deadline_us(qlpb));
}

void qlpb_tick(struct qlpb *qlpb, uint64_t now_us)
{
	qlpb_sessions_tick(qlpb, now_us);
	qlpb_experiments_tick(qlpb, now_us);
	qlpb_settle(qlpb);
}

/* ---- what arrives ---- */

/*
 * What a datagram is depends on the port that it comes from: 2177 sends probegap and nothing else, any other port
 * everything but probegap (MS-QLPB §2.2.1.1, P-045). What else the protocol has is not for UDP.
 */
static bool is_for_udp(enum qlpb_id id, bool from_service)
{
	switch (id) {
	case QLPB_ID_PACKET_PAIR:
	case QLPB_ID_ROUTE_CHECK:
		return !from_service;
	case QLPB_ID_GAP_REQUEST:
	case QLPB_ID_GAP_REPLY:
		return from_service;
	case QLPB_ID_DISCARD:
	case QLPB_ID_PACKET_PAIR_SUMMARY:
	case QLPB_ID_ROUTE_CHECK_SUMMARY:
	case QLPB_ID_SUCCESS:
		return false;
	}
	return false;
}

void qlpb_receive(struct qlpb *qlpb, const struct qlpb_arrival *arrival, const uint8_t *data,
		  size_t len, uint64_t now_us)
{
	enum qlpb_id id;
	uint8_t flags;

	qlpb_note(qlpb, QLPB_COUNT_RECEIVED);
	if (len > DATAGRAM_MAX || qlpb_read_header(data, len, &id, &flags) < 0 ||
	    !is_for_udp(id, arrival->source.port == QLPB_PORT)) {
		qlpb_note(qlpb, QLPB_COUNT_BAD_MESSAGE);
		return;
	}
	if (id == QLPB_ID_GAP_REPLY)
		qlpb_probegap_reply(qlpb, arrival, data, len, now_us);
	else if (!qlpb->config.sink)
		qlpb_note(qlpb, QLPB_COUNT_UNEXPECTED);
	else if (id == QLPB_ID_GAP_REQUEST)
		qlpb_echo(qlpb, arrival, data, len, now_us);
	else
		qlpb_session_probe(qlpb, arrival, data, len, now_us);
	qlpb_settle(qlpb);
}

void qlpb_received(struct qlpb *qlpb, uint32_t connection, const uint8_t *data, size_t len,
		   uint64_t now_us)
{
	struct experiment *experiment;

	if (qlpb_session_received(qlpb, connection, data, len, now_us))
		return;
	experiment = qlpb_experiment_find(qlpb, connection);
	if (experiment)
		qlpb_experiment_received(qlpb, experiment, data, len, now_us);
	qlpb_settle(qlpb);
}

void qlpb_closed(struct qlpb *qlpb, uint32_t connection, int error, uint64_t now_us)
{
	struct experiment *experiment;

	if (qlpb_session_closed(qlpb, connection))
		return;
	experiment = qlpb_experiment_find(qlpb, connection);
	if (experiment)
		qlpb_experiment_closed(qlpb, experiment, error, now_us);
	qlpb_settle(qlpb);
}

/* ---- what the parts have in common ---- */

static bool is_in_use(struct qlpb *qlpb, uint32_t id)
{
	struct session *session;

	DL_FOREACH(qlpb->sessions, session) {
		if (session->connection == id)
			return true;
	}
	return qlpb_experiment_find(qlpb, id) != NULL;
}

uint32_t qlpb_new_id(struct qlpb *qlpb)
{
	do {
		qlpb->last_id++;
	} while (qlpb->last_id == 0 || is_in_use(qlpb, qlpb->last_id));
	return qlpb->last_id;
}

uint64_t qlpb_wire_time(const struct qlpb *qlpb, uint64_t stamp_ns)
{
	return qlpb->epoch_100ns + stamp_ns / 100;
}

void qlpb_fill(struct qlpb *qlpb, uint8_t *buf, size_t len)
{
	noise_fill(&qlpb->noise, buf, len);
}

int qlpb_send(struct qlpb *qlpb, const struct qlpb_datagram *datagrams, unsigned n)
{
	int sent = qlpb->ports.send(qlpb->ports.user_data, datagrams, n);

	if (sent > 0)
		qlpb->counts[QLPB_COUNT_SENT] += (unsigned)sent;
	if (sent < 0 || (unsigned)sent < n)
		qlpb_note(qlpb, QLPB_COUNT_SEND_FAILED);
	return sent;
}

/* ---- seeing ---- */

static const char *const counter_names[QLPB_COUNT_COUNT] = {
	[QLPB_COUNT_RECEIVED] = "received",	  [QLPB_COUNT_SENT] = "sent",
	[QLPB_COUNT_SEND_FAILED] = "send-failed", [QLPB_COUNT_BAD_MESSAGE] = "bad-message",
	[QLPB_COUNT_NO_SESSION] = "no-session",	  [QLPB_COUNT_UNEXPECTED] = "unexpected",
	[QLPB_COUNT_OFF_LINK] = "off-link",	  [QLPB_COUNT_LIMITED] = "limited",
	[QLPB_COUNT_ECHOED] = "echoed",		  [QLPB_COUNT_SUMMARIES] = "summaries",
	[QLPB_COUNT_SESSIONS] = "sessions",	  [QLPB_COUNT_REFUSED] = "refused",
	[QLPB_COUNT_TIMEOUTS] = "timeouts",	  [QLPB_COUNT_VIOLATIONS] = "violations",
};

const char *qlpb_counter_name(enum qlpb_counter counter)
{
	return counter < QLPB_COUNT_COUNT ? counter_names[counter] : NULL;
}

uint64_t qlpb_count(const struct qlpb *qlpb, enum qlpb_counter counter)
{
	return counter < QLPB_COUNT_COUNT ? qlpb->counts[counter] : 0;
}

struct qlpb_sizes qlpb_sizes(const struct qlpb *qlpb)
{
	return qlpb->sizes;
}
