/* SPDX-License-Identifier: MIT */
/* lltd_wire.c: see lltd_wire.h. */
#include "probe/lltd_wire.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

#define VERSION 1
#define TYPE_OF_SERVICE 2 /* QoS diagnostics */

#define TAG_ETHERTYPE 0x8100
#define TAG_VID_MASK 0x0fff

#define QUERY_RESP_FAILED 0x4000
#define QUERY_RESP_COUNT 0x3fff

#define PROBE_TAG 0x80

const struct lltd_mac lltd_broadcast = { { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

bool lltd_mac_equal(const struct lltd_mac *a, const struct lltd_mac *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool lltd_mac_is_unicast(const struct lltd_mac *mac)
{
	static const struct lltd_mac none;

	return !(mac->octets[0] & 1) && !lltd_mac_equal(mac, &none);
}

/* ---- what all frames have in common ---- */

static uint8_t *put_mac(uint8_t *p, const struct lltd_mac *mac)
{
	memcpy(p, mac, sizeof(*mac));
	return p + sizeof(*mac);
}

static const uint8_t *get_mac(const uint8_t *p, struct lltd_mac *ret_mac)
{
	memcpy(ret_mac, p, sizeof(*ret_mac));
	return p + sizeof(*ret_mac);
}

size_t lltd_put_header(uint8_t *buf, const struct lltd_header *header)
{
	uint8_t *p = put_mac(buf, &header->ethernet_destination);

	p = put_mac(p, &header->ethernet_source);
	if (header->tagged) {
		put16(p, TAG_ETHERTYPE);
		put16(p + 2, (uint16_t)((header->priority & 7) << 13));
		p += LLTD_TAG_LEN;
	}
	put16(p, LLTD_ETHERTYPE);
	p[2] = VERSION;
	p[3] = TYPE_OF_SERVICE;
	p[4] = 0;
	p[5] = (uint8_t)header->function;
	p = put_mac(p + 6, &header->destination);
	p = put_mac(p, &header->source);
	put16(p, header->sequence);
	return (size_t)(p + 2 - buf);
}

int lltd_read_header(const uint8_t *data, size_t len, struct lltd_header *ret_header,
		     const uint8_t **ret_body, size_t *ret_body_len)
{
	struct lltd_header header = { 0 };
	const uint8_t *p = data;

	if (len < LLTD_HEADER_LEN)
		return -EBADMSG;
	p = get_mac(p, &header.ethernet_destination);
	p = get_mac(p, &header.ethernet_source);
	if (get16(p) == TAG_ETHERTYPE) {
		/* Of a priority tag alone: what belongs to a VLAN is not this link's. */
		if (len < LLTD_HEADER_LEN + LLTD_TAG_LEN || (get16(p + 2) & TAG_VID_MASK) != 0)
			return -EBADMSG;
		header.tagged = true;
		header.priority = p[2] >> 5;
		p += LLTD_TAG_LEN;
	}
	if (get16(p) != LLTD_ETHERTYPE || p[2] != VERSION || p[3] != TYPE_OF_SERVICE ||
	    p[5] > LLTD_COUNTER_LEASE)
		return -EBADMSG;
	header.function = (enum lltd_function)p[5];
	p = get_mac(p + 6, &header.destination);
	p = get_mac(p, &header.source);
	header.sequence = get16(p);
	*ret_header = header;
	*ret_body = p + 2;
	*ret_body_len = len - (size_t)(p + 2 - data);
	return 0;
}

/* ---- bodies ---- */

void lltd_put_ready(uint8_t *body, const struct lltd_ready *ready)
{
	uint64_t speed = ready->link_bps / 100;

	put32(body, speed < UINT32_MAX ? (uint32_t)speed : UINT32_MAX);
	put64(body + 4, ready->frequency);
}

int lltd_read_ready(const uint8_t *body, size_t len, struct lltd_ready *ret_ready)
{
	if (len < LLTD_READY_LEN)
		return -EBADMSG;
	*ret_ready = (struct lltd_ready){
		.link_bps = (uint64_t)get32(body) * 100,
		.frequency = get64(body + 4),
	};
	return 0;
}

void lltd_put_probe(uint8_t *body, const struct lltd_probe *probe)
{
	put64(body, probe->controller_sent);
	put64(body + 8, probe->sink_received);
	put64(body + 16, probe->sink_sent);
	body[24] = (uint8_t)probe->test;
	body[25] = probe->packet_id;
	body[26] = (uint8_t)((probe->tag ? PROBE_TAG : 0) | (probe->priority & ~PROBE_TAG));
}

int lltd_read_probe(const uint8_t *body, size_t len, struct lltd_probe *ret_probe)
{
	if (len < LLTD_PROBE_LEN || body[24] > LLTD_TEST_GAP_REPLY)
		return -EBADMSG;
	*ret_probe = (struct lltd_probe){
		.controller_sent = get64(body),
		.sink_received = get64(body + 8),
		.sink_sent = get64(body + 16),
		.test = (enum lltd_test)body[24],
		.packet_id = body[25],
		.tag = body[26] & PROBE_TAG,
		.priority = body[26] & (uint8_t)~PROBE_TAG,
	};
	return 0;
}

void lltd_put_query_resp(uint8_t *body, unsigned n_events, bool failed)
{
	put16(body, (uint16_t)((failed ? QUERY_RESP_FAILED : 0) | n_events));
}

static size_t event_offset(unsigned i)
{
	return LLTD_QUERY_RESP_LEN + LLTD_EVENT_LEN * (size_t)i;
}

void lltd_put_event(uint8_t *body, unsigned i, const struct lltd_event *event)
{
	uint8_t *p = body + event_offset(i);

	put64(p, event->controller_sent);
	put64(p + 8, event->sink_received);
	p[16] = event->packet_id;
	p[17] = 0;
}

int lltd_read_query_resp(const uint8_t *body, size_t len, unsigned *ret_n_events, bool *ret_failed)
{
	unsigned n_events;

	if (len < LLTD_QUERY_RESP_LEN)
		return -EBADMSG;
	n_events = get16(body) & QUERY_RESP_COUNT;
	if (len < event_offset(n_events))
		return -EBADMSG;
	*ret_n_events = n_events;
	*ret_failed = get16(body) & QUERY_RESP_FAILED;
	return 0;
}

void lltd_get_event(const uint8_t *body, unsigned i, struct lltd_event *ret_event)
{
	const uint8_t *p = body + event_offset(i);

	*ret_event = (struct lltd_event){
		.controller_sent = get64(p),
		.sink_received = get64(p + 8),
		.packet_id = p[16],
	};
}

int lltd_read_snapshot(const uint8_t *body, size_t len, unsigned *ret_history)
{
	if (len < LLTD_SNAPSHOT_LEN)
		return -EBADMSG;
	if (len == 2 || (len > 2 && body[0] == 0))
		*ret_history = get16(body);
	else
		*ret_history = body[0];
	return 0;
}

void lltd_put_result(uint8_t *body, const struct lltd_result *result)
{
	body[0] = result->subsecond_span;
	body[1] = result->byte_scale;
	body[2] = result->packet_scale;
	body[3] = result->history;
}

static size_t counts_offset(unsigned i)
{
	return LLTD_RESULT_LEN + LLTD_COUNTS_LEN * (size_t)i;
}

int lltd_read_result(const uint8_t *body, size_t len, struct lltd_result *ret_result)
{
	if (len < LLTD_RESULT_LEN || len < counts_offset(body[3] + 1u))
		return -EBADMSG;
	*ret_result = (struct lltd_result){
		.subsecond_span = body[0],
		.byte_scale = body[1],
		.packet_scale = body[2],
		.history = body[3],
	};
	return 0;
}

/* What one step of a count is. KB are 1024 (spec §11.2). */
static uint64_t byte_step(const struct lltd_result *result)
{
	return (result->byte_scale + UINT64_C(1)) * 1024;
}

static uint64_t packet_step(const struct lltd_result *result)
{
	return result->packet_scale + UINT64_C(1);
}

static uint16_t in_steps(uint64_t count, uint64_t step)
{
	uint64_t steps = count / step + (count % step >= (step + 1) / 2);

	return steps < UINT16_MAX ? (uint16_t)steps : UINT16_MAX;
}

void lltd_put_counts(uint8_t *body, unsigned i, const struct lltd_result *result,
		     const struct lltd_counts *counts)
{
	uint8_t *p = body + counts_offset(i);

	put16(p, in_steps(counts->bytes_received, byte_step(result)));
	put16(p + 2, in_steps(counts->packets_received, packet_step(result)));
	put16(p + 4, in_steps(counts->bytes_sent, byte_step(result)));
	put16(p + 6, in_steps(counts->packets_sent, packet_step(result)));
}

void lltd_get_counts(const uint8_t *body, unsigned i, const struct lltd_result *result,
		     struct lltd_counts *ret_counts)
{
	const uint8_t *p = body + counts_offset(i);

	*ret_counts = (struct lltd_counts){
		.bytes_received = get16(p) * byte_step(result),
		.packets_received = get16(p + 2) * packet_step(result),
		.bytes_sent = get16(p + 4) * byte_step(result),
		.packets_sent = get16(p + 6) * packet_step(result),
	};
}

/* So that UINT16_MAX steps of (scale + 1) * unit hold the count. */
static uint8_t scale_for(uint64_t count, uint64_t unit)
{
	uint64_t scale = count > 0 ? (count - 1) / (UINT16_MAX * unit) : 0;

	return scale < UINT8_MAX ? (uint8_t)scale : UINT8_MAX;
}

uint8_t lltd_byte_scale(uint64_t bytes)
{
	return scale_for(bytes, 1024);
}

uint8_t lltd_packet_scale(uint64_t packets)
{
	return scale_for(packets, 1);
}
