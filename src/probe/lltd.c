/* SPDX-License-Identifier: MIT */
/* lltd.c: a node of LLTD's QoS diagnostics as a whole: see lltd.h. What is for whom: spec/probing.md §12.1. */
#include "probe/lltd_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void lltd_config_default(struct lltd_config *ret_config)
{
	*ret_config = (struct lltd_config){
		.sink = true,
		.controller = true,
		.max_sessions = 10,
		.max_controlled = 10,
		.answers_per_s = 1000,
		.summaries_per_s = 50,
	};
}

struct lltd *lltd_new(const struct lltd_ports *ports, const struct lltd_config *config)
{
	struct lltd *lltd = calloc(1, sizeof(*lltd));

	if (!lltd)
		return NULL;
	lltd->ports = *ports;
	lltd->config = *config;
	lltd->epoch_ticks = (uint64_t)ports->random(ports->user_data) << 8;
	lltd->noise = (uint64_t)ports->random(ports->user_data) << 32 | 1;
	lltd->sink.scan_us = UINT64_MAX;
	return lltd;
}

struct lltd *lltd_free(struct lltd *lltd)
{
	if (!lltd)
		return NULL;
	lltd->config.controller = false;
	lltd_controller_clear(lltd, -ECANCELED);
	lltd_settle(lltd);
	lltd_sink_clear(lltd);
	free(lltd);
	return NULL;
}

uint64_t lltd_deadline_us(const struct lltd *lltd)
{
	uint64_t deadline_us = lltd->sink.scan_us;

	deadline_us = lltd_earlier(deadline_us, lltd_counting_deadline_us(lltd));
	deadline_us = lltd_earlier(deadline_us, lltd_controller_deadline_us(lltd));
	return lltd_earlier(deadline_us, lltd_client_deadline_us(lltd));
}

void lltd_tick(struct lltd *lltd, uint64_t now_us)
{
	lltd_sink_tick(lltd, now_us);
	lltd_counting_tick(lltd, now_us);
	lltd_controller_tick(lltd, now_us);
	lltd_client_tick(lltd, now_us);
	lltd_settle(lltd);
}

void lltd_link_changed(struct lltd *lltd, uint64_t link_bps)
{
	lltd->config.link_bps = link_bps;
	lltd_sink_clear(lltd);
	lltd_controller_clear(lltd, -ENETDOWN);
	lltd_settle(lltd);
}

/* ---- what arrives ---- */

/*
 * Counts may be asked of everybody; but many answers to one frame go to whoever it says it is from, so that only
 * who counts for others takes a Snapshot that is for all.
 */
static bool is_destination(const struct lltd *lltd, const struct lltd_header *header)
{
	bool broadcast = lltd_mac_equal(&header->destination, &lltd_broadcast);

	if (lltd_mac_equal(&header->destination, &lltd->config.mac))
		return true;
	if (header->function == LLTD_COUNTER_LEASE && broadcast)
		return true;
	return lltd->config.access_point &&
	       (header->function == LLTD_COUNTER_SNAPSHOT ||
		header->function == LLTD_COUNTER_LEASE) &&
	       (broadcast || lltd_mac_equal(&header->destination, &lltd->config.bssid));
}

static bool is_source(const struct lltd *lltd, const struct lltd_mac *mac)
{
	return lltd_mac_is_unicast(mac) && !lltd_mac_equal(mac, &lltd->config.mac);
}

/* A promiscuous socket hands in what went to others as well. */
static bool is_for_us(const struct lltd *lltd, const struct lltd_header *header)
{
	bool to_us = !lltd_mac_is_unicast(&header->ethernet_destination) ||
		     lltd_mac_equal(&header->ethernet_destination, &lltd->config.mac) ||
		     (lltd->config.access_point &&
		      lltd_mac_equal(&header->ethernet_destination, &lltd->config.bssid));

	return to_us && is_destination(lltd, header) && is_source(lltd, &header->source) &&
	       is_source(lltd, &header->ethernet_source) &&
	       (header->sequence != 0 || header->function == LLTD_COUNTER_LEASE);
}

/* A probe is for the sink, and for the controller if it is an answer. */
static void receive_probe(struct lltd *lltd, const struct arrival *arrival)
{
	struct lltd_probe probe;

	if (lltd_read_probe(arrival->body, arrival->body_len, &probe) < 0)
		lltd_note(lltd, LLTD_COUNT_BAD_FRAME);
	else if (probe.test == LLTD_TEST_GAP_REPLY)
		lltd_controller_probe(lltd, arrival, &probe);
	else
		lltd_sink_probe(lltd, arrival, &probe);
}

static void dispatch(struct lltd *lltd, const struct arrival *arrival)
{
	switch (arrival->header.function) {
	case LLTD_PROBE:
		receive_probe(lltd, arrival);
		break;
	case LLTD_INITIALIZE_SINK:
	case LLTD_QUERY:
	case LLTD_RESET:
		lltd_sink_receive(lltd, arrival);
		break;
	case LLTD_COUNTER_SNAPSHOT:
	case LLTD_COUNTER_LEASE:
		lltd_counting_receive(lltd, arrival);
		break;
	case LLTD_READY:
	case LLTD_QUERY_RESP:
	case LLTD_ERROR:
	case LLTD_ACK:
		lltd_controller_receive(lltd, arrival);
		break;
	case LLTD_COUNTER_RESULT:
		lltd_client_receive(lltd, arrival);
		break;
	}
}

void lltd_receive(struct lltd *lltd, const uint8_t *frame, size_t len, uint64_t received_ns,
		  uint64_t now_us)
{
	struct arrival arrival = { .received_ns = received_ns, .now_us = now_us };

	lltd_note(lltd, LLTD_COUNT_RECEIVED);
	if (len > FRAME_ROOM ||
	    lltd_read_header(frame, len, &arrival.header, &arrival.body, &arrival.body_len) < 0)
		lltd_note(lltd, LLTD_COUNT_BAD_FRAME);
	else if (!is_for_us(lltd, &arrival.header))
		lltd_note(lltd, LLTD_COUNT_NOT_FOR_US);
	else
		dispatch(lltd, &arrival);
	lltd_settle(lltd);
}

/* ---- what the parts have in common ---- */

uint16_t lltd_first_sequence(struct lltd *lltd)
{
	uint32_t random = lltd->ports.random(lltd->ports.user_data);

	return (uint16_t)(1 + random % UINT16_MAX);
}

uint16_t lltd_next_sequence(uint16_t sequence)
{
	return sequence == UINT16_MAX ? 1 : (uint16_t)(sequence + 1);
}

struct lltd_header lltd_header_to(const struct lltd *lltd, const struct lltd_mac *station,
				  enum lltd_function function, uint16_t sequence)
{
	return (struct lltd_header){
		.ethernet_destination = *station,
		.ethernet_source = lltd->config.mac,
		.function = function,
		.destination = *station,
		.source = lltd->config.mac,
		.sequence = sequence,
	};
}

struct lltd_header lltd_header_back(const struct lltd *lltd, const struct arrival *arrival,
				    enum lltd_function function)
{
	return (struct lltd_header){
		.ethernet_destination = arrival->header.ethernet_source,
		.ethernet_source = lltd->config.mac,
		.function = function,
		.destination = arrival->header.source,
		.source = lltd->config.mac,
		.sequence = arrival->header.sequence,
	};
}

int lltd_send(struct lltd *lltd, const struct lltd_frame *frames, unsigned n)
{
	int sent = lltd->ports.send(lltd->ports.user_data, frames, n);

	if (sent > 0)
		lltd->counts[LLTD_COUNT_SENT] += (unsigned)sent;
	if (sent < 0 || (unsigned)sent < n)
		lltd_note(lltd, LLTD_COUNT_SEND_FAILED);
	return sent;
}

int lltd_send_one(struct lltd *lltd, const struct lltd_header *header, const uint8_t *body,
		  size_t body_len)
{
	uint8_t buf[FRAME_ROOM];
	struct lltd_frame frame = { .data = buf };
	int sent;

	frame.len = lltd_put_header(buf, header);
	assert(body_len <= sizeof(buf) - frame.len);
	if (body_len > 0)
		memcpy(buf + frame.len, body, body_len);
	frame.len += body_len;
	sent = lltd_send(lltd, &frame, 1);
	if (sent < 0)
		return sent;
	return sent == 1 ? 0 : -ENOBUFS;
}

/* ---- seeing ---- */

static const char *const counter_names[LLTD_COUNT_COUNT] = {
	[LLTD_COUNT_RECEIVED] = "received",
	[LLTD_COUNT_SENT] = "sent",
	[LLTD_COUNT_SEND_FAILED] = "send-failed",
	[LLTD_COUNT_BAD_FRAME] = "bad-frame",
	[LLTD_COUNT_NOT_FOR_US] = "not-for-us",
	[LLTD_COUNT_NO_SESSION] = "no-session",
	[LLTD_COUNT_UNEXPECTED] = "unexpected",
	[LLTD_COUNT_LIMITED] = "limited",
	[LLTD_COUNT_NOTED] = "noted",
	[LLTD_COUNT_OVERFLOW] = "overflow",
	[LLTD_COUNT_REFLECTED] = "reflected",
	[LLTD_COUNT_SESSIONS] = "sessions",
	[LLTD_COUNT_REFUSED] = "refused",
	[LLTD_COUNT_EXPIRED] = "expired",
};

const char *lltd_counter_name(enum lltd_counter counter)
{
	return counter < LLTD_COUNT_COUNT ? counter_names[counter] : NULL;
}

uint64_t lltd_counter(const struct lltd *lltd, enum lltd_counter counter)
{
	return lltd->counts[counter];
}

struct lltd_sizes lltd_sizes(const struct lltd *lltd)
{
	return lltd->sizes;
}
