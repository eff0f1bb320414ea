/* SPDX-License-Identifier: MIT */
/* test_lltd_wire.c: probe/lltd_wire: LLTD QoS as bytes, against the examples of spec/probing.md §15 (P-084). */
#include "lltd_hand.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TO_SINK "02 00 00 00 00 02 02 00 00 00 00 01 "
#define TO_CONTROLLER "02 00 00 00 00 01 02 00 00 00 00 02 "

static size_t put(uint8_t *buf, enum lltd_function function, uint16_t sequence, bool to_sink)
{
	struct lltd_mac from = to_sink ? play_controller : play_sink;
	struct lltd_mac to = to_sink ? play_sink : play_controller;

	memset(buf, 0xee, LLTD_FRAME_MAX);
	return lltd_put_header(buf, &(struct lltd_header){
					    .ethernet_destination = to,
					    .ethernet_source = from,
					    .function = function,
					    .destination = to,
					    .source = from,
					    .sequence = sequence,
				    });
}

static void bare_frames(void **state)
{
	static const struct {
		enum lltd_function function;
		uint16_t sequence;
		bool to_sink;
		const char *hex;
	} examples[] = {
		{ LLTD_QUERY, 0x2b, true, TO_SINK "88 d9 01 02 00 03 " TO_SINK "00 2b" },
		{ LLTD_RESET, 0x2d, true, TO_SINK "88 d9 01 02 00 05 " TO_SINK "00 2d" },
		{ LLTD_ACK, 0x2d, false, TO_CONTROLLER "88 d9 01 02 00 07 " TO_CONTROLLER "00 2d" },
	};
	uint8_t buf[LLTD_FRAME_MAX];

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		size_t len =
			put(buf, examples[i].function, examples[i].sequence, examples[i].to_sink);

		play_assert_bytes(buf, len, examples[i].hex);
	}
}

static void ready(void **state)
{
	uint8_t buf[LLTD_FRAME_MAX];
	size_t len = put(buf, LLTD_READY, 0x2a, false);
	struct lltd_ready read;

	lltd_put_ready(buf + len, &(struct lltd_ready){ 54000000, 1000000 });
	play_assert_bytes(buf, len + LLTD_READY_LEN,
			  TO_CONTROLLER "88 d9 01 02 00 01 " TO_CONTROLLER
					"00 2a 00 08 3d 60 00 00 00 00 00 0f 42 40");
	assert_int_equal(lltd_read_ready(buf + len, LLTD_READY_LEN, &read), 0);
	assert_int_equal(read.link_bps, 54000000);
	assert_int_equal(read.frequency, 1000000);
	assert_int_equal(lltd_read_ready(buf + len, LLTD_READY_LEN - 1, &read), -EBADMSG);
	/* What does not fit saturates. */
	lltd_put_ready(buf, &(struct lltd_ready){ UINT64_C(800000000000), 1 });
	play_assert_bytes(buf, 4, "ff ff ff ff");
}

static void probes(void **state)
{
	static const struct {
		struct lltd_probe probe;
		uint16_t sequence;
		const char *payload, *hex;
	} examples[] = {
		{ { .controller_sent = 0x1000, .test = LLTD_TEST_TIMED, .packet_id = 7 },
		  0x2b,
		  "00 00 00 00 00",
		  TO_SINK
		  "88 d9 01 02 00 02 " TO_SINK
		  "00 2b 00 00 00 00 00 00 10 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
		  "00 07 00 00 00 00 00 00" },
		{ { .controller_sent = 0x2000,
		    .test = LLTD_TEST_GAP,
		    .packet_id = 8,
		    .tag = true,
		    .priority = 5 },
		  0x2c,
		  "de ad be ef 01",
		  TO_SINK
		  "88 d9 01 02 00 02 " TO_SINK
		  "00 2c 00 00 00 00 00 00 20 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 "
		  "01 08 85 de ad be ef 01" },
	};
	uint8_t buf[LLTD_FRAME_MAX];

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		size_t len = put(buf, LLTD_PROBE, examples[i].sequence, true);
		struct lltd_probe read;

		lltd_put_probe(buf + len, &examples[i].probe);
		play_hex(examples[i].payload, buf + len + LLTD_PROBE_LEN, 5);
		play_assert_bytes(buf, len + LLTD_PROBE_LEN + 5, examples[i].hex);
		assert_int_equal(lltd_read_probe(buf + len, LLTD_PROBE_LEN, &read), 0);
		assert_int_equal(read.controller_sent, examples[i].probe.controller_sent);
		assert_int_equal(read.test, examples[i].probe.test);
		assert_int_equal(read.packet_id, examples[i].probe.packet_id);
		assert_int_equal(read.tag, examples[i].probe.tag);
		assert_int_equal(read.priority, examples[i].probe.priority);
		assert_int_equal(lltd_read_probe(buf + len, LLTD_PROBE_LEN - 1, &read), -EBADMSG);
		buf[len + 24] = 3;
		assert_int_equal(lltd_read_probe(buf + len, LLTD_PROBE_LEN, &read), -EBADMSG);
	}
}

static void query_resp(void **state)
{
	uint8_t buf[LLTD_FRAME_MAX];
	size_t len = put(buf, LLTD_QUERY_RESP, 0x2b, false), body_len;
	struct lltd_event event;
	unsigned n_events;
	bool failed;

	lltd_put_query_resp(buf + len, 2, false);
	lltd_put_event(buf + len, 0, &(struct lltd_event){ 0x1000, 0x5000, 7 });
	lltd_put_event(buf + len, 1, &(struct lltd_event){ 0x1010, 0x5078, 8 });
	body_len = LLTD_QUERY_RESP_LEN + 2 * LLTD_EVENT_LEN;
	play_assert_bytes(buf, len + body_len,
			  TO_CONTROLLER "88 d9 01 02 00 04 " TO_CONTROLLER "00 2b 00 02 "
					"00 00 00 00 00 00 10 00 00 00 00 00 00 00 50 00 07 00 "
					"00 00 00 00 00 00 10 10 00 00 00 00 00 00 50 78 08 00");
	assert_int_equal(lltd_read_query_resp(buf + len, body_len, &n_events, &failed), 0);
	assert_true(n_events == 2 && !failed);
	lltd_get_event(buf + len, 1, &event);
	assert_true(event.controller_sent == 0x1010 && event.sink_received == 0x5078 &&
		    event.packet_id == 8);
	assert_int_equal(lltd_read_query_resp(buf + len, body_len - 1, &n_events, &failed),
			 -EBADMSG);
	lltd_put_query_resp(buf, 0, true);
	play_assert_bytes(buf, 2, "40 00");
	assert_int_equal(lltd_read_query_resp(buf, 2, &n_events, &failed), 0);
	assert_true(n_events == 0 && failed);
}

/* Also P-109. */
static void counters(void **state)
{
	uint8_t buf[LLTD_FRAME_MAX];
	size_t len = put(buf, LLTD_COUNTER_RESULT, 0x31, false);
	struct lltd_result result = { .subsecond_span = 0x80, .history = 1 }, read;
	struct lltd_counts counts;
	unsigned history;

	lltd_put_result(buf + len, &result);
	lltd_put_counts(buf + len, 0, &result,
			&(struct lltd_counts){ 1200 * 1024, 900, 40 * 1024, 310 });
	lltd_put_counts(buf + len, 1, &result,
			&(struct lltd_counts){ 610 * 1024, 455, 21 * 1024, 160 });
	play_assert_bytes(buf, len + LLTD_RESULT_LEN + 2 * LLTD_COUNTS_LEN,
			  TO_CONTROLLER "88 d9 01 02 00 09 " TO_CONTROLLER "00 31 80 00 00 01 "
					"04 b0 03 84 00 28 01 36 02 62 01 c7 00 15 00 a0");
	assert_int_equal(lltd_read_result(buf + len, 20, &read), 0);
	assert_int_equal(lltd_read_result(buf + len, 19, &read), -EBADMSG);
	lltd_get_counts(buf + len, 0, &read, &counts);
	assert_true(counts.bytes_received == 1200 * 1024 && counts.packets_received == 900 &&
		    counts.bytes_sent == 40 * 1024 && counts.packets_sent == 310);

	play_hex("03", buf, 1);
	assert_true(lltd_read_snapshot(buf, 1, &history) == 0 && history == 3);
	assert_int_equal(lltd_read_snapshot(buf, 0, &history), -EBADMSG);
	/* Sixteen bits, alone and padded; and eight, padded. */
	play_hex("00 03 00 00", buf, 4);
	assert_true(lltd_read_snapshot(buf, 2, &history) == 0 && history == 3);
	assert_true(lltd_read_snapshot(buf, 4, &history) == 0 && history == 3);
	play_hex("03 00 00 00", buf, 4);
	assert_true(lltd_read_snapshot(buf, 4, &history) == 0 && history == 3);
}

static void scales(void **state)
{
	assert_int_equal(lltd_byte_scale(0), 0);
	assert_int_equal(lltd_byte_scale(UINT64_C(65535) * 1024), 0);
	assert_int_equal(lltd_byte_scale(UINT64_C(65535) * 1024 + 1), 1);
	assert_int_equal(lltd_byte_scale(UINT64_MAX), 255);
	assert_int_equal(lltd_packet_scale(65535), 0);
	assert_int_equal(lltd_packet_scale(65536), 1);
}

/* P-093, P-110: what is no frame of ours. */
static void no_frames(void **state)
{
	static const struct {
		const char *what;
		size_t offset;
		uint8_t value;
	} changes[] = {
		{ "EtherType", 13, 0xd8 },    { "version", 14, 2 },	    { "version", 14, 0 },
		{ "type of service", 15, 0 }, { "type of service", 15, 1 }, { "function", 17, 11 },
		{ "function", 17, 0xff },
	};
	uint8_t buf[LLTD_FRAME_MAX];
	size_t len = put(buf, LLTD_QUERY, 1, true), body_len;
	struct lltd_header header;
	const uint8_t *body;

	assert_int_equal(lltd_read_header(buf, len, &header, &body, &body_len), 0);
	assert_int_equal(body_len, 0);
	for (size_t shorter = 0; shorter < len; shorter++)
		assert_int_equal(lltd_read_header(buf, shorter, &header, &body, &body_len),
				 -EBADMSG);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		put(buf, LLTD_QUERY, 1, true);
		buf[changes[i].offset] = changes[i].value;
		assert_int_equal(lltd_read_header(buf, len, &header, &body, &body_len), -EBADMSG);
	}
	/* Reserved is not looked at. */
	put(buf, LLTD_QUERY, 1, true);
	buf[16] = 0xff;
	assert_int_equal(lltd_read_header(buf, len, &header, &body, &body_len), 0);
}

static void tags(void **state)
{
	uint8_t buf[LLTD_FRAME_MAX];
	struct lltd_header header;
	const uint8_t *body;
	size_t len, body_len;

	len = play_hex("02 00 00 00 00 02 02 00 00 00 00 01 81 00 a0 00 88 d9 01 02 00 03 " TO_SINK
		       "00 2b",
		       buf, sizeof(buf));
	assert_int_equal(lltd_read_header(buf, len, &header, &body, &body_len), 0);
	assert_true(header.tagged && header.priority == 5 && header.sequence == 0x2b);
	assert_int_equal(body_len, 0);
	assert_int_equal(lltd_read_header(buf, len - 1, &header, &body, &body_len), -EBADMSG);
	buf[15] = 7; /* of a VLAN */
	assert_int_equal(lltd_read_header(buf, len, &header, &body, &body_len), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bare_frames), cmocka_unit_test(ready),	   cmocka_unit_test(probes),
		cmocka_unit_test(query_resp),  cmocka_unit_test(counters), cmocka_unit_test(scales),
		cmocka_unit_test(no_frames),   cmocka_unit_test(tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
