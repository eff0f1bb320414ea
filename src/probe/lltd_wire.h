/* SPDX-License-Identifier: MIT */
/*
 * lltd_wire.h: frames of LLTD's QoS diagnostics as bytes (MS-LLTD §2.2, spec/probing.md §10), from the Ethernet
 * header on, without padding and checksum.
 *
 * Readers return 0 or -EBADMSG and write nothing then. They take longer bodies than they need: short frames are
 * padded on the wire, and nobody can tell padding from payload.
 */
#ifndef GW_PROBE_LLTD_WIRE_H
#define GW_PROBE_LLTD_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LLTD_ETHERTYPE 0x88d9

#define LLTD_HEADER_LEN 32 /* without a tag */
#define LLTD_TAG_LEN 4
#define LLTD_LINK_HEADER_LEN 14 /* what is before what the link carries */
#define LLTD_FRAME_MAX 1514	/* without a tag */

enum lltd_function {
	LLTD_INITIALIZE_SINK = 0x00,
	LLTD_READY = 0x01,
	LLTD_PROBE = 0x02,
	LLTD_QUERY = 0x03,
	LLTD_QUERY_RESP = 0x04,
	LLTD_RESET = 0x05,
	LLTD_ERROR = 0x06,
	LLTD_ACK = 0x07,
	LLTD_COUNTER_SNAPSHOT = 0x08,
	LLTD_COUNTER_RESULT = 0x09,
	LLTD_COUNTER_LEASE = 0x0a,
};

struct lltd_mac {
	uint8_t octets[6];
};

extern const struct lltd_mac lltd_broadcast;

bool lltd_mac_equal(const struct lltd_mac *a, const struct lltd_mac *b);
/* Of one station: no group, and not all zero. */
bool lltd_mac_is_unicast(const struct lltd_mac *mac);

/* ---- what all frames have in common ---- */

struct lltd_header {
	struct lltd_mac ethernet_destination, ethernet_source; /* bridges may have rewritten them */
	bool tagged;
	uint8_t priority; /* of 802.1p, of a tagged frame */
	enum lltd_function function;
	struct lltd_mac destination, source; /* the real ones */
	uint16_t sequence;
};

/* The length of what it has written: the body comes behind it. */
size_t lltd_put_header(uint8_t *buf, const struct lltd_header *header);
/* -EBADMSG also: another version, type of service or EtherType (P-093), a VLAN's frame, no function there is. */
int lltd_read_header(const uint8_t *data, size_t len, struct lltd_header *ret_header,
		     const uint8_t **ret_body, size_t *ret_body_len);

/* ---- bodies ---- */

#define LLTD_MODERATION_OFF 0x00
#define LLTD_MODERATION_KEEP 0xff

#define LLTD_INITIALIZE_LEN 1

#define LLTD_READY_LEN 12

struct lltd_ready {
	uint64_t link_bps; /* in steps of 100; saturates */
	uint64_t frequency;
};

void lltd_put_ready(uint8_t *body, const struct lltd_ready *ready);
int lltd_read_ready(const uint8_t *body, size_t len, struct lltd_ready *ret_ready);

#define LLTD_PROBE_LEN 27

enum lltd_test {
	LLTD_TEST_TIMED = 0,
	LLTD_TEST_GAP = 1,
	LLTD_TEST_GAP_REPLY = 2,
};

/* Times in ticks, each of its own clock. */
struct lltd_probe {
	uint64_t controller_sent, sink_received, sink_sent;
	enum lltd_test test;
	uint8_t packet_id;
	bool tag;	  /* the answer is to be tagged ... */
	uint8_t priority; /* ... with this; 7 bits */
};

void lltd_put_probe(uint8_t *body, const struct lltd_probe *probe);
/* -EBADMSG also: no test there is. */
int lltd_read_probe(const uint8_t *body, size_t len, struct lltd_probe *ret_probe);

#define LLTD_QUERY_RESP_LEN 2
#define LLTD_EVENT_LEN 18
#define LLTD_EVENTS_MAX 82

struct lltd_event {
	uint64_t controller_sent, sink_received;
	uint8_t packet_id;
};

/* The part before the events. */
void lltd_put_query_resp(uint8_t *body, unsigned n_events, bool failed);
void lltd_put_event(uint8_t *body, unsigned i, const struct lltd_event *event);
/* -EBADMSG also: there are fewer events than it says. */
int lltd_read_query_resp(const uint8_t *body, size_t len, unsigned *ret_n_events, bool *ret_failed);
void lltd_get_event(const uint8_t *body, unsigned i, struct lltd_event *ret_event);

#define LLTD_ERROR_LEN 2

enum lltd_error {
	LLTD_ERROR_RESOURCES = 0,
	LLTD_ERROR_BUSY = 1,
	LLTD_ERROR_MODERATION = 2,
};

#define LLTD_SNAPSHOT_LEN 1

/*
 * The Rally kit's has 16 bits (B-11). Without padding the length tells which it is, with it the first octet does,
 * which is zero in any 16-bit number that somebody could mean.
 */
int lltd_read_snapshot(const uint8_t *body, size_t len, unsigned *ret_history);

#define LLTD_RESULT_LEN 4
#define LLTD_COUNTS_LEN 8

/* What passed an interface in a stretch of time, or in all. */
struct lltd_counts {
	uint64_t bytes_received, packets_received, bytes_sent, packets_sent;
};

struct lltd_result {
	uint8_t subsecond_span; /* in 1/256 s */
	uint8_t byte_scale, packet_scale;
	uint8_t history; /* full seconds; behind them stands the one that is under way */
};

void lltd_put_result(uint8_t *body, const struct lltd_result *result);
int lltd_read_result(const uint8_t *body, size_t len, struct lltd_result *ret_result);
/* Number `i`, in the result's scales: to the nearest, saturated; and back. */
void lltd_put_counts(uint8_t *body, unsigned i, const struct lltd_result *result,
		     const struct lltd_counts *counts);
void lltd_get_counts(const uint8_t *body, unsigned i, const struct lltd_result *result,
		     struct lltd_counts *ret_counts);
/* The smallest scale in which a count still fits (P-108). */
uint8_t lltd_byte_scale(uint64_t bytes);
uint8_t lltd_packet_scale(uint64_t packets);

#endif
