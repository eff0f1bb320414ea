/* SPDX-License-Identifier: MIT */
/* qlpb_wire.c: see qlpb_wire.h. */
#include "probe/qlpb_wire.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

/* MS-QLPB draws its flag bits with the most significant first (spec §2.2). */
#define FLAG_FIRST 0x80

static uint8_t version_of(enum qlpb_id id)
{
	return id == QLPB_ID_GAP_REQUEST || id == QLPB_ID_GAP_REPLY ? 2 : 1;
}

static bool is_id(uint8_t octet)
{
	switch ((enum qlpb_id)octet) {
	case QLPB_ID_DISCARD:
	case QLPB_ID_PACKET_PAIR:
	case QLPB_ID_ROUTE_CHECK:
	case QLPB_ID_GAP_REQUEST:
	case QLPB_ID_GAP_REPLY:
	case QLPB_ID_PACKET_PAIR_SUMMARY:
	case QLPB_ID_ROUTE_CHECK_SUMMARY:
	case QLPB_ID_SUCCESS:
		return true;
	}
	return false;
}

void qlpb_put_header(uint8_t *buf, enum qlpb_id id, uint8_t flags)
{
	buf[0] = (uint8_t)id;
	buf[1] = flags;
	buf[2] = 0;
	buf[3] = version_of(id);
}

int qlpb_read_header(const uint8_t *data, size_t len, enum qlpb_id *ret_id, uint8_t *ret_flags)
{
	if (len < QLPB_HEADER_LEN || !is_id(data[0]) ||
	    data[3] != version_of((enum qlpb_id)data[0]))
		return -EBADMSG;
	*ret_id = (enum qlpb_id)data[0];
	*ret_flags = data[1];
	return 0;
}

/* One of the two that there are, and long enough. */
static int read_one_of(const uint8_t *data, size_t len, size_t min_len, enum qlpb_id this,
		       enum qlpb_id that, enum qlpb_id *ret_id, uint8_t *ret_flags)
{
	enum qlpb_id id;
	uint8_t flags;
	int r = qlpb_read_header(data, len, &id, &flags);

	if (r < 0)
		return r;
	if (len < min_len || (id != this && id != that))
		return -EBADMSG;
	*ret_id = id;
	*ret_flags = flags;
	return 0;
}

void qlpb_put_probe(uint8_t *buf, const struct qlpb_probe *probe)
{
	qlpb_put_header(buf, probe->id, probe->flag ? FLAG_FIRST : 0);
	put16(buf + 4, probe->initiator_port);
	put16(buf + 6, probe->train_size);
	put32(buf + 8, probe->sequence);
}

int qlpb_read_probe(const uint8_t *data, size_t len, struct qlpb_probe *ret_probe)
{
	enum qlpb_id id;
	uint8_t flags;
	int r = read_one_of(data, len, QLPB_PROBE_LEN, QLPB_ID_PACKET_PAIR, QLPB_ID_ROUTE_CHECK,
			    &id, &flags);

	if (r < 0)
		return r;
	if (get16(data + 6) == 1)
		return -EBADMSG;
	*ret_probe = (struct qlpb_probe){
		.id = id,
		.flag = flags != 0,
		.initiator_port = get16(data + 4),
		.train_size = get16(data + 6),
		.sequence = get32(data + 8),
	};
	return 0;
}

void qlpb_put_gap(uint8_t *buf, const struct qlpb_gap *gap)
{
	qlpb_put_header(buf, gap->id, 0);
	put32(buf + 4, gap->sequence);
	put64(buf + 8, gap->initiator_sent_100ns);
	put64(buf + 16, gap->sink_received_100ns);
	put64(buf + 24, gap->sink_sent_100ns);
}

int qlpb_read_gap(const uint8_t *data, size_t len, struct qlpb_gap *ret_gap)
{
	enum qlpb_id id;
	uint8_t flags;
	int r = read_one_of(data, len, QLPB_GAP_LEN, QLPB_ID_GAP_REQUEST, QLPB_ID_GAP_REPLY, &id,
			    &flags);

	if (r < 0)
		return r;
	*ret_gap = (struct qlpb_gap){
		.id = id,
		.sequence = get32(data + 4),
		.initiator_sent_100ns = get64(data + 8),
		.sink_received_100ns = get64(data + 16),
		.sink_sent_100ns = get64(data + 24),
	};
	return 0;
}

void qlpb_put_summary(uint8_t *buf, const struct qlpb_summary *summary)
{
	qlpb_put_header(buf, QLPB_ID_PACKET_PAIR_SUMMARY, 0);
	put32(buf + 4, summary->sequence);
	put32(buf + 8, summary->interface_speed_bps);
	buf[12] = buf[13] = 0;
	put16(buf + 14, summary->n_deltas);
}

int qlpb_read_summary(const uint8_t *data, size_t len, struct qlpb_summary *ret_summary)
{
	enum qlpb_id id;
	uint8_t flags;
	int r = read_one_of(data, len, QLPB_SUMMARY_LEN, QLPB_ID_PACKET_PAIR_SUMMARY,
			    QLPB_ID_PACKET_PAIR_SUMMARY, &id, &flags);

	if (r < 0)
		return r;
	*ret_summary = (struct qlpb_summary){
		.sequence = get32(data + 4),
		.interface_speed_bps = get32(data + 8),
		.n_deltas = get16(data + 14),
	};
	return 0;
}

void qlpb_put_delta(uint8_t *buf, unsigned i, uint64_t delta_100ns)
{
	put64(buf + qlpb_summary_len(i), delta_100ns);
}

uint64_t qlpb_get_delta(const uint8_t *data, unsigned i)
{
	return get64(data + qlpb_summary_len(i));
}

uint32_t qlpb_speed(uint64_t link_bps, bool wireless)
{
	uint64_t bps = wireless ? link_bps / 10 * 6 + link_bps % 10 * 6 / 10 : link_bps;

	return bps == 0 || bps > UINT32_MAX ? QLPB_SPEED_UNBOUNDED : (uint32_t)bps;
}
