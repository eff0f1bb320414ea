/* SPDX-License-Identifier: MIT */
/*
 * qlpb_stream.h: control messages out of the bytes that a sink sends over TCP, which may split and join them
 * (P-011). What is kept is bounded: a summary of more deltas than anybody has asked for is passed over.
 */
#ifndef GW_PROBE_QLPB_STREAM_H
#define GW_PROBE_QLPB_STREAM_H

#include "probe/qlpb_wire.h"

/* The longest train that this initiator sends. */
#define QLPB_TRAIN_MAX 256

struct qlpb_stream {
	uint8_t message[QLPB_SUMMARY_LEN + QLPB_DELTA_LEN * (QLPB_TRAIN_MAX - 1)];
	size_t len;
	size_t skip; /* octets of a message that is too long */
};

/*
 * Takes from *data up to the end of the next message, and moves it and *len on. 1: stream->message is whole, with
 * its length in *ret_len, until the next call; 0: all is taken; -EBADMSG: that is no message of a sink. What is
 * passed over is no message.
 */
int qlpb_stream_next(struct qlpb_stream *stream, const uint8_t **data, size_t *len,
		     size_t *ret_len);

#endif
