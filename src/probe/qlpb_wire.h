/* SPDX-License-Identifier: MIT */
/*
 * qlpb_wire.h: messages of MS-QLPB as bytes (MS-QLPB §2.2): control messages over TCP, probes over UDP. The same
 * number means a handshake on TCP and a probe on UDP.
 *
 * Readers return 0 or -EBADMSG (too short, of another version, or not that message), and write nothing then.
 * Reserved octets and unknown flags are not looked at (P-010). Encoders write every octet of the fixed part.
 */
#ifndef GW_PROBE_QLPB_WIRE_H
#define GW_PROBE_QLPB_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QLPB_PORT 2177

enum qlpb_id {
	QLPB_ID_DISCARD = 0x00,
	QLPB_ID_PACKET_PAIR = 0x01,
	QLPB_ID_ROUTE_CHECK = 0x02,
	QLPB_ID_GAP_REQUEST = 0x05,
	QLPB_ID_GAP_REPLY = 0x06,
	QLPB_ID_PACKET_PAIR_SUMMARY = 0x0a,
	QLPB_ID_ROUTE_CHECK_SUMMARY = 0x14,
	QLPB_ID_SUCCESS = 0x1e,
};

#define QLPB_HEADER_LEN 4
#define QLPB_PROBE_LEN 12
#define QLPB_GAP_LEN 32
#define QLPB_SUMMARY_LEN 16
#define QLPB_DELTA_LEN 8

/* ---- what all have in common ---- */

/* A message that is only this has that length. `flags`: as the octet is sent. */
void qlpb_put_header(uint8_t *buf, enum qlpb_id id, uint8_t flags);
/* -EBADMSG also: an identifier that is none, or not of the version that its message has. */
int qlpb_read_header(const uint8_t *data, size_t len, enum qlpb_id *ret_id, uint8_t *ret_flags);

/* ---- probes of route check and packet pair ---- */

struct qlpb_probe {
	enum qlpb_id id;
	bool flag; /* packet pair: first of its train (F); route check: oversized (O) */
	uint16_t initiator_port; /* of its TCP connection */
	uint16_t train_size;
	uint32_t sequence;
};

void qlpb_put_probe(uint8_t *buf, const struct qlpb_probe *probe);
/*
 * Any flag is the flag: the document numbers its bits without a mask (spec §2.2). -EBADMSG also: a train of one,
 * which there is not.
 */
int qlpb_read_probe(const uint8_t *data, size_t len, struct qlpb_probe *ret_probe);

/* ---- probegap ---- */

/* Times in units of 100 ns, each of its own clock. */
struct qlpb_gap {
	enum qlpb_id id;
	uint32_t sequence;
	uint64_t initiator_sent_100ns; /* when it should have been */
	uint64_t sink_received_100ns, sink_sent_100ns;
};

void qlpb_put_gap(uint8_t *buf, const struct qlpb_gap *gap);
int qlpb_read_gap(const uint8_t *data, size_t len, struct qlpb_gap *ret_gap);

/* ---- what a sink says of a train ---- */

#define QLPB_SPEED_UNBOUNDED UINT32_MAX

struct qlpb_summary {
	uint32_t sequence; /* of the train's first probe */
	uint32_t interface_speed_bps;
	uint16_t n_deltas;
};

/* The part before the deltas, which are behind it, in units of 100 ns. */
void qlpb_put_summary(uint8_t *buf, const struct qlpb_summary *summary);
int qlpb_read_summary(const uint8_t *data, size_t len, struct qlpb_summary *ret_summary);
/* Number `i` of a message that is long enough for it. */
void qlpb_put_delta(uint8_t *buf, unsigned i, uint64_t delta_100ns);
uint64_t qlpb_get_delta(const uint8_t *data, unsigned i);

static inline size_t qlpb_summary_len(unsigned n_deltas)
{
	return QLPB_SUMMARY_LEN + QLPB_DELTA_LEN * (size_t)n_deltas;
}

/*
 * The Interface_Speed field for a link (P-038): what it does not hold, and what is not known (0), is "no bound". A
 * wireless link counts for 60 %.
 */
uint32_t qlpb_speed(uint64_t link_bps, bool wireless);

/* ---- what a route check has shown ---- */

enum qlpb_observation {
	QLPB_OBSERVED_NONE = 0,
	QLPB_OBSERVED_INVERSION = 1,
	QLPB_OBSERVED_LOSS = 2,
	QLPB_OBSERVED_RESERVED = 3,
};

static inline enum qlpb_observation qlpb_observation(uint8_t flags)
{
	return (enum qlpb_observation)(flags & 0x03);
}

#endif
