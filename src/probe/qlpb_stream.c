/* SPDX-License-Identifier: MIT */
/* qlpb_stream.c: see qlpb_stream.h. */
#include "probe/qlpb_stream.h"

#include <errno.h>
#include <string.h>

static size_t take(struct qlpb_stream *stream, size_t want, const uint8_t **data, size_t *len)
{
	size_t n = want - stream->len < *len ? want - stream->len : *len;

	if (n > 0)
		memcpy(stream->message + stream->len, *data, n);
	stream->len += n;
	*data += n;
	*len -= n;
	return want - stream->len;
}

static void pass_over(struct qlpb_stream *stream, const uint8_t **data, size_t *len)
{
	size_t n = stream->skip < *len ? stream->skip : *len;

	stream->skip -= n;
	*data += n;
	*len -= n;
}

/* How long the message is of which so much has come: what is known of that by now. */
static int length_of(const struct qlpb_stream *stream, size_t *ret_len)
{
	struct qlpb_summary summary;
	enum qlpb_id id;
	uint8_t flags;
	int r;

	*ret_len = QLPB_HEADER_LEN;
	if (stream->len < QLPB_HEADER_LEN)
		return 0;
	r = qlpb_read_header(stream->message, stream->len, &id, &flags);
	if (r < 0)
		return r;
	if (id == QLPB_ID_SUCCESS || id == QLPB_ID_ROUTE_CHECK_SUMMARY)
		return 0;
	if (id != QLPB_ID_PACKET_PAIR_SUMMARY)
		return -EBADMSG;
	*ret_len = QLPB_SUMMARY_LEN;
	if (qlpb_read_summary(stream->message, stream->len, &summary) == 0)
		*ret_len = qlpb_summary_len(summary.n_deltas);
	return 0;
}

int qlpb_stream_next(struct qlpb_stream *stream, const uint8_t **data, size_t *len, size_t *ret_len)
{
	size_t want;
	int r;

	pass_over(stream, data, len);
	while (*len > 0) {
		r = length_of(stream, &want);
		if (r < 0)
			return r;
		if (want > sizeof(stream->message)) {
			stream->skip = want - stream->len;
			stream->len = 0;
			pass_over(stream, data, len);
			continue;
		}
		if (take(stream, want, data, len) > 0)
			return 0;
		r = length_of(stream, &want);
		if (r < 0)
			return r;
		if (want > stream->len)
			continue;
		*ret_len = stream->len;
		stream->len = 0;
		return 1;
	}
	return 0;
}
