/* SPDX-License-Identifier: MIT */
/*
 * fuzz_lltd.c: whatever frames come, at whatever times, to a node that is sink and controller at once: it stays within
 * its limits, and answers with no more octets than came, but for what it has noted for somebody.
 *
 * Input: records. The first octet says what it is: with 0x80 a whole frame (length, octets), else what is behind the
 * Ethernet addresses is made for it: function, sequence number, length of the body, body. 0x40: time passes first.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "probe/lltd.h"

static const struct lltd_mac own = { { 2, 0, 0, 0, 0, 2 } };

static struct {
	uint64_t now_us;
	size_t received; /* octets on the wire of the frame that is being handled; 0: none is */
	unsigned trains, ready, ended, opened;
} world;

static size_t on_wire(size_t len)
{
	return len < 60 ? 60 : len;
}

static int on_send(void *user_data, const struct lltd_frame *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *body;
		struct lltd_header header;
		size_t body_len;

		require(frames[i].len <= LLTD_FRAME_MAX + LLTD_TAG_LEN);
		require(lltd_read_header(frames[i].data, frames[i].len, &header, &body,
					 &body_len) == 0);
		require(lltd_mac_equal(&header.source, &own));
		if (world.received > 0 && header.function != LLTD_QUERY_RESP &&
		    header.function != LLTD_COUNTER_RESULT)
			require(on_wire(frames[i].len) <= world.received + LLTD_TAG_LEN);
	}
	return (int)n;
}

static uint64_t on_stamp(void *user_data)
{
	return world.now_us * 1000;
}

static uint32_t on_random(void *user_data)
{
	return 0x29;
}

static void on_counts(void *user_data, struct lltd_counts *ret_counts)
{
	*ret_counts =
		(struct lltd_counts){ world.now_us * 100, world.now_us / 10, world.now_us, 7 };
}

static void on_ready(void *user_data, void *data, int status)
{
	world.ready++;
}

static void on_train(void *user_data, void *data, const struct probe_train *train)
{
	require(train->n_gaps < train->n_sent);
	world.trains++;
}

static void on_gap(void *user_data, void *data, const struct probe_gap *gap)
{
}

static void on_ended(void *user_data, void *data, int status)
{
	world.ended++;
}

static void on_counted(void *user_data, void *data, int status, const struct lltd_second *seconds,
		       unsigned n)
{
	require(n <= 256 && (status == 0) == (n > 0));
}

static void pass(struct lltd *lltd, uint64_t us)
{
	uint64_t until_us = world.now_us + us, due_us;

	world.received = 0;
	for (unsigned i = 0; (due_us = lltd_deadline_us(lltd)) <= until_us; i++) {
		require(i < 100000);
		if (due_us > world.now_us)
			world.now_us = due_us;
		lltd_tick(lltd, world.now_us);
	}
	world.now_us = until_us;
}

/* Something of its own is always under way. */
static void keep_busy(struct lltd *lltd, uint8_t choice)
{
	static const struct lltd_mac sink = { { 2, 0, 0, 0, 0, 1 } };
	static uint32_t session;

	world.received = 0;
	if (lltd_open(lltd, &(struct lltd_request){ .sink = sink }, &session, world.now_us) == 0)
		world.opened++;
	lltd_lease(lltd, world.now_us);
	lltd_count(lltd, &sink, 3, NULL, world.now_us);
	if (choice % 4 == 0)
		lltd_train(lltd, session, &(struct lltd_train_request){ 4, 200, 0 }, world.now_us);
	else if (choice % 4 == 1)
		lltd_probegap(lltd, session, &(struct lltd_gap_request){ 10000, 2, true, 5 },
			      world.now_us);
	else if (choice % 4 == 2)
		lltd_close(lltd, session, world.now_us);
}

static void receive(struct lltd *lltd, const uint8_t *data, size_t len)
{
	world.received = on_wire(len);
	lltd_receive(lltd, data, len, world.now_us * 1000, world.now_us);
	require(lltd_sizes(lltd).sessions <= 10 && lltd_sizes(lltd).controlled <= 10);
}

static void receive_made(struct lltd *lltd, uint8_t kind, uint8_t sequence, const uint8_t *body,
			 size_t len)
{
	uint8_t frame[LLTD_HEADER_LEN + 255];
	struct lltd_header header = {
		.ethernet_destination = own,
		.ethernet_source = { { 2, 0, 0, 0, 0, 1 } },
		.function = kind & 0xf,
		.destination = kind & 0x20 ? lltd_broadcast : own,
		.source = { { 2, 0, 0, 0, 0, kind & 0x10 ? sequence : 1 } },
		.sequence = sequence,
	};

	lltd_put_header(frame, &header);
	memcpy(frame + LLTD_HEADER_LEN, body, len);
	receive(lltd, frame, LLTD_HEADER_LEN + len);
}

/* One record; its length, or 0: that was the last. */
static size_t record(struct lltd *lltd, const uint8_t *data, size_t size)
{
	size_t len;

	if (size < 3)
		return 0;
	len = data[2] < size - 3 ? data[2] : size - 3;
	if (data[0] & 0x40)
		pass(lltd, (uint64_t)data[1] * data[1] * 5000);
	keep_busy(lltd, data[1]);
	if (data[0] & 0x80)
		receive(lltd, data + 3, len);
	else
		receive_made(lltd, data[0], data[1], data + 3, len);
	return 3 + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct lltd_ports ports = {
		.send = on_send,
		.stamp_ns = on_stamp,
		.random = on_random,
		.counts = on_counts,
		.ready = on_ready,
		.train = on_train,
		.gap = on_gap,
		.ended = on_ended,
		.counted = on_counted,
	};
	struct lltd_config config;
	struct lltd *lltd;
	size_t len;

	memset(&world, 0, sizeof(world));
	world.now_us = 1000000;
	lltd_config_default(&config);
	config.mac = own;
	lltd = lltd_new(&ports, &config);
	if (!lltd)
		return 0;
	for (; (len = record(lltd, data, size)) > 0; data += len, size -= len)
		;
	pass(lltd, 400000000);
	/* Whatever there was, nothing is left to do for others. */
	require(lltd_sizes(lltd).sessions == 0);
	lltd_free(lltd);
	return 0;
}
