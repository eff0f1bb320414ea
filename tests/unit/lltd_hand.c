/* SPDX-License-Identifier: MIT */
/* lltd_hand.c: see lltd_hand.h. */
#include "lltd_hand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct play play;

const struct lltd_mac play_controller = { { 2, 0, 0, 0, 0, 1 } };
const struct lltd_mac play_sink = { { 2, 0, 0, 0, 0, 2 } };

static const struct lltd_mac *peer;

static int on_send(void *user_data, const struct lltd_frame *frames, unsigned n)
{
	if (play.send_error < 0)
		return play.send_error;
	for (unsigned i = 0; i < n; i++) {
		struct play_sent *sent = &play.sent[play.n_sent++];

		assert_true(play.n_sent <= PLAY_SENT_MAX && frames[i].len <= sizeof(sent->data));
		sent->at_us = play.now_us;
		sent->len = frames[i].len;
		memcpy(sent->data, frames[i].data, frames[i].len);
	}
	return (int)n;
}

static uint64_t on_stamp(void *user_data)
{
	return play.now_us * 1000;
}

static uint32_t on_random(void *user_data)
{
	return 0x29;
}

static void on_counts(void *user_data, struct lltd_counts *ret_counts)
{
	*ret_counts = play.counts;
}

static void on_ready(void *user_data, void *data, int status)
{
	assert_true(play.n_ready < PLAY_MAX && data == &play);
	play.ready[play.n_ready++] = status;
}

static void on_train(void *user_data, void *data, const struct probe_train *train)
{
	unsigned i = play.n_trains++;

	assert_true(i < PLAY_MAX && train->n_gaps < train->n_sent);
	play.trains[i] = *train;
	memcpy(play.gaps_ns[i], train->gaps_ns, train->n_gaps * sizeof(uint64_t));
	play.trains[i].gaps_ns = play.gaps_ns[i];
}

static void on_gap(void *user_data, void *data, const struct probe_gap *gap)
{
	assert_true(play.n_gaps < PLAY_GAPS_MAX);
	play.gaps[play.n_gaps++] = *gap;
}

static void on_claimed(void *user_data, void *data)
{
	assert_true(data == &play);
	play.n_claimed++;
}

static void on_ended(void *user_data, void *data, int status)
{
	assert_true(play.n_ended < PLAY_MAX);
	play.ended[play.n_ended++] = status;
	if (play.on_ended)
		play.on_ended();
}

static void on_counted(void *user_data, void *data, int status, const struct lltd_second *seconds,
		       unsigned n)
{
	play.n_counted++;
	play.counted_status = status;
	play.n_seconds = n;
	if (n > 0)
		memcpy(play.seconds, seconds, n * sizeof(*seconds));
}

void play_open(const struct lltd_mac *mac)
{
	static const struct lltd_ports ports = {
		.send = on_send,
		.stamp_ns = on_stamp,
		.random = on_random,
		.counts = on_counts,
		.ready = on_ready,
		.train = on_train,
		.gap = on_gap,
		.claimed = on_claimed,
		.ended = on_ended,
		.counted = on_counted,
	};

	memset(&play, 0, sizeof(play));
	play.now_us = 1000000;
	lltd_config_default(&play.config);
	play.config.mac = *mac;
	play.config.link_bps = 54000000;
	peer = mac == &play_sink ? &play_controller : &play_sink;
	play.lltd = lltd_new(&ports, &play.config);
	assert_non_null(play.lltd);
}

int play_teardown(void **state)
{
	play.on_ended = NULL;
	play.lltd = lltd_free(play.lltd);
	return 0;
}

void play_pass(uint64_t us)
{
	uint64_t until_us = play.now_us + us, due_us;

	while ((due_us = lltd_deadline_us(play.lltd)) <= until_us) {
		if (due_us > play.now_us)
			play.now_us = due_us;
		lltd_tick(play.lltd, play.now_us);
	}
	play.now_us = until_us;
}

size_t play_hex(const char *hex, uint8_t *buf, size_t capacity)
{
	size_t len = 0;
	char *end;

	for (const char *p = hex; *p; p = end + strspn(end, " ")) {
		assert_true(len < capacity);
		buf[len++] = (uint8_t)strtoul(p, &end, 16);
	}
	return len;
}

void play_receive(const uint8_t *data, size_t len)
{
	/* A copy without room behind it: whoever reads on is caught. */
	uint8_t *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, data, len);
	lltd_receive(play.lltd, copy, len, play.now_us * 1000, play.now_us);
	free(copy);
}

void play_receive_hex(const char *hex)
{
	uint8_t data[LLTD_FRAME_MAX];

	play_receive(data, play_hex(hex, data, sizeof(data)));
}

const struct play_sent *play_last(void)
{
	assert_true(play.n_sent > 0);
	return &play.sent[play.n_sent - 1];
}

void play_assert_bytes(const uint8_t *data, size_t len, const char *hex)
{
	uint8_t expected[LLTD_FRAME_MAX];

	assert_int_equal(play_hex(hex, expected, sizeof(expected)), len);
	assert_memory_equal(data, expected, len);
}

void play_frame_from(const struct lltd_mac *from, enum lltd_function function, uint16_t sequence,
		     const void *body, size_t body_len)
{
	struct lltd_header header = {
		.ethernet_destination = play.config.mac,
		.ethernet_source = *from,
		.function = function,
		.destination = play.config.mac,
		.source = *from,
		.sequence = sequence,
	};
	uint8_t data[LLTD_FRAME_MAX];
	size_t len = lltd_put_header(data, &header);

	if (body_len > 0)
		memcpy(data + len, body, body_len);
	play_receive(data, len + body_len);
}

void play_frame(enum lltd_function function, uint16_t sequence, const void *body, size_t body_len)
{
	play_frame_from(peer, function, sequence, body, body_len);
}

void play_probe(uint16_t sequence, const struct lltd_probe *probe, const char *payload)
{
	uint8_t body[LLTD_FRAME_MAX] = { 0 };

	lltd_put_probe(body, probe);
	play_frame(LLTD_PROBE, sequence, body,
		   LLTD_PROBE_LEN + play_hex(payload, body + LLTD_PROBE_LEN, 1000));
}

struct play_view play_view(unsigned i)
{
	struct play_view view;

	assert_true(i < play.n_sent);
	assert_int_equal(lltd_read_header(play.sent[i].data, play.sent[i].len, &view.header,
					  &view.body, &view.body_len),
			 0);
	return view;
}
