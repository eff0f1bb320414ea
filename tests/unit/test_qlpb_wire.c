/* SPDX-License-Identifier: MIT */
/* test_qlpb_wire.c: probe/qlpb_wire, qlpb_stream: MS-QLPB as bytes, against the examples of spec/probing.md §9. */
#include "qlpb_hand.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_bytes(const uint8_t *data, size_t len, const char *hex)
{
	uint8_t expected[256];

	assert_int_equal(hand_hex(hex, expected, sizeof(expected)), len);
	assert_memory_equal(data, expected, len);
}

/* P-001..P-004 */
static void headers(void **state)
{
	static const struct {
		enum qlpb_id id;
		uint8_t flags;
		const char *hex;
	} examples[] = {
		{ QLPB_ID_PACKET_PAIR, 0, "01 00 00 01" },
		{ QLPB_ID_ROUTE_CHECK, 0, "02 00 00 01" },
		{ QLPB_ID_SUCCESS, 0, "1e 00 00 01" },
		{ QLPB_ID_DISCARD, 0, "00 00 00 01" },
		{ QLPB_ID_ROUTE_CHECK_SUMMARY, QLPB_OBSERVED_NONE, "14 00 00 01" },
		{ QLPB_ID_ROUTE_CHECK_SUMMARY, QLPB_OBSERVED_INVERSION, "14 01 00 01" },
		{ QLPB_ID_ROUTE_CHECK_SUMMARY, QLPB_OBSERVED_LOSS, "14 02 00 01" },
		{ QLPB_ID_PACKET_PAIR_SUMMARY, 0, "0a 00 00 01" },
		{ QLPB_ID_GAP_REQUEST, 0, "05 00 00 02" },
		{ QLPB_ID_GAP_REPLY, 0, "06 00 00 02" },
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		uint8_t buf[QLPB_HEADER_LEN], flags;
		enum qlpb_id id;

		memset(buf, 0xee, sizeof(buf));
		qlpb_put_header(buf, examples[i].id, examples[i].flags);
		assert_bytes(buf, sizeof(buf), examples[i].hex);
		assert_int_equal(qlpb_read_header(buf, sizeof(buf), &id, &flags), 0);
		assert_int_equal(id, examples[i].id);
		assert_int_equal(flags, examples[i].flags);
		assert_int_equal(qlpb_read_header(buf, 3, &id, &flags), -EBADMSG);
		buf[2] = 0xff; /* P-010 */
		assert_int_equal(qlpb_read_header(buf, sizeof(buf), &id, &flags), 0);
		buf[3] ^= 3; /* 1 and 2 exchanged: P-003, P-044 */
		assert_int_equal(qlpb_read_header(buf, sizeof(buf), &id, &flags), -EBADMSG);
	}
}

static void every_identifier(void **state)
{
	static const uint8_t known[] = { 0x00, 0x01, 0x02, 0x05, 0x06, 0x0a, 0x14, 0x1e };

	for (unsigned octet = 0; octet < 256; octet++) {
		bool is_known = memchr(known, (int)octet, sizeof(known)) != NULL;
		uint8_t version = octet == 5 || octet == 6 ? 2 : 1, flags;
		uint8_t buf[QLPB_HEADER_LEN] = { (uint8_t)octet, 0, 0, version };
		enum qlpb_id id;

		assert_int_equal(qlpb_read_header(buf, sizeof(buf), &id, &flags),
				 is_known ? 0 : -EBADMSG);
	}
}

/* P-001, P-006..P-008 */
static void probes(void **state)
{
	static const struct {
		struct qlpb_probe probe;
		const char *hex;
	} examples[] = {
		{ { QLPB_ID_PACKET_PAIR, true, 49876, 4, 1 },
		  "01 80 00 01 c2 d4 00 04 00 00 00 01" },
		{ { QLPB_ID_PACKET_PAIR, false, 49876, 4, 2 },
		  "01 00 00 01 c2 d4 00 04 00 00 00 02" },
		{ { QLPB_ID_PACKET_PAIR, false, 49876, 4, 0x01020304 },
		  "01 00 00 01 c2 d4 00 04 01 02 03 04" },
		{ { QLPB_ID_ROUTE_CHECK, true, 49876, 0, 1 },
		  "02 80 00 01 c2 d4 00 00 00 00 00 01" },
		{ { QLPB_ID_ROUTE_CHECK, false, 49876, 0, 4 },
		  "02 00 00 01 c2 d4 00 00 00 00 00 04" },
		{ { QLPB_ID_ROUTE_CHECK, false, 49876, 5, 5 },
		  "02 00 00 01 c2 d4 00 05 00 00 00 05" },
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		const struct qlpb_probe *example = &examples[i].probe;
		uint8_t buf[QLPB_PROBE_LEN];
		struct qlpb_probe probe;

		memset(buf, 0xee, sizeof(buf));
		qlpb_put_probe(buf, example);
		assert_bytes(buf, sizeof(buf), examples[i].hex);
		assert_int_equal(qlpb_read_probe(buf, sizeof(buf), &probe), 0);
		assert_int_equal(probe.id, example->id);
		assert_int_equal(probe.flag, example->flag);
		assert_int_equal(probe.initiator_port, example->initiator_port);
		assert_int_equal(probe.train_size, example->train_size);
		assert_int_equal(probe.sequence, example->sequence);
		assert_int_equal(qlpb_read_probe(buf, sizeof(buf) - 1, &probe), -EBADMSG);
	}
}

/* The bits of the flags are drawn, not numbered: any is taken (spec §2.2). A train of one is none. */
static void probes_of_others(void **state)
{
	uint8_t buf[QLPB_PROBE_LEN];
	struct qlpb_probe probe;

	hand_hex("01 01 00 01 c2 d4 00 04 00 00 00 01", buf, sizeof(buf));
	assert_int_equal(qlpb_read_probe(buf, sizeof(buf), &probe), 0);
	assert_true(probe.flag);
	buf[7] = 1;
	assert_int_equal(qlpb_read_probe(buf, sizeof(buf), &probe), -EBADMSG);
	hand_hex("05 00 00 02 c2 d4 00 04 00 00 00 01", buf, sizeof(buf));
	assert_int_equal(qlpb_read_probe(buf, sizeof(buf), &probe), -EBADMSG);
}

/* P-001, P-006 */
static void gaps(void **state)
{
	static const struct {
		struct qlpb_gap gap;
		const char *hex;
	} examples[] = {
		{ { QLPB_ID_GAP_REQUEST, 42, 0x1122334455, 0, 0 },
		  "05 00 00 02 00 00 00 2a 00 00 00 11 22 33 44 55"
		  "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00" },
		{ { QLPB_ID_GAP_REPLY, 42, 0x1122334455, 0xaabbcc00, 0xaabbcc32 },
		  "06 00 00 02 00 00 00 2a 00 00 00 11 22 33 44 55"
		  "00 00 00 00 aa bb cc 00 00 00 00 00 aa bb cc 32" },
		{ { QLPB_ID_GAP_REPLY, 0x01020304, 0x0102030405060708, 0x1112131415161718,
		    0x2122232425262728 },
		  "06 00 00 02 01 02 03 04 01 02 03 04 05 06 07 08"
		  "11 12 13 14 15 16 17 18 21 22 23 24 25 26 27 28" },
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		const struct qlpb_gap *example = &examples[i].gap;
		uint8_t buf[QLPB_GAP_LEN];
		struct qlpb_gap gap;

		memset(buf, 0xee, sizeof(buf));
		qlpb_put_gap(buf, example);
		assert_bytes(buf, sizeof(buf), examples[i].hex);
		assert_int_equal(qlpb_read_gap(buf, sizeof(buf), &gap), 0);
		assert_int_equal(gap.id, example->id);
		assert_int_equal(gap.sequence, example->sequence);
		assert_true(gap.initiator_sent_100ns == example->initiator_sent_100ns);
		assert_true(gap.sink_received_100ns == example->sink_received_100ns);
		assert_true(gap.sink_sent_100ns == example->sink_sent_100ns);
		assert_int_equal(qlpb_read_gap(buf, sizeof(buf) - 1, &gap), -EBADMSG);
		qlpb_put_header(buf, QLPB_ID_ROUTE_CHECK, 0);
		assert_int_equal(qlpb_read_gap(buf, sizeof(buf), &gap), -EBADMSG);
	}
}

#define SUMMARY_HEX                                                               \
	"0a 00 00 01 00 00 00 01 05 f5 e1 00 00 00 00 03 00 00 00 00 00 00 04 b0" \
	"00 00 00 00 00 00 04 b0 00 00 00 00 00 00 04 ba"

/* P-001, P-002, P-005 */
static void summaries(void **state)
{
	static const struct qlpb_summary example = { 1, 100000000, 3 };
	uint8_t buf[QLPB_SUMMARY_LEN + 3 * QLPB_DELTA_LEN];
	struct qlpb_summary summary;

	memset(buf, 0xee, sizeof(buf));
	qlpb_put_summary(buf, &example);
	qlpb_put_delta(buf, 0, 1200);
	qlpb_put_delta(buf, 1, 1200);
	qlpb_put_delta(buf, 2, 1210);
	assert_int_equal(qlpb_summary_len(3), 40);
	assert_bytes(buf, sizeof(buf), SUMMARY_HEX);
	buf[12] = buf[13] = 0xff; /* P-010 */
	assert_int_equal(qlpb_read_summary(buf, QLPB_SUMMARY_LEN, &summary), 0);
	assert_int_equal(summary.sequence, 1);
	assert_int_equal(summary.interface_speed_bps, 100000000);
	assert_int_equal(summary.n_deltas, 3);
	assert_true(qlpb_get_delta(buf, 2) == 1210);
	assert_int_equal(qlpb_read_summary(buf, QLPB_SUMMARY_LEN - 1, &summary), -EBADMSG);
	qlpb_put_header(buf, QLPB_ID_SUCCESS, 0);
	assert_int_equal(qlpb_read_summary(buf, sizeof(buf), &summary), -EBADMSG);
}

/* P-038 */
static void interface_speeds(void **state)
{
	uint8_t buf[QLPB_SUMMARY_LEN];

	assert_int_equal(qlpb_speed(UINT64_C(1000000000), false), 0x3b9aca00);
	assert_int_equal(qlpb_speed(UINT64_C(10000000000), false), 0xffffffff);
	assert_int_equal(qlpb_speed(UINT32_MAX, false), 0xffffffff);
	assert_int_equal(qlpb_speed(UINT32_MAX - 1, false), 0xfffffffe);
	assert_int_equal(qlpb_speed(54000000, true), 32400000);
	assert_int_equal(qlpb_speed(UINT64_MAX, true), 0xffffffff);
	assert_int_equal(qlpb_speed(0, false), 0xffffffff);
	qlpb_put_summary(buf, &(struct qlpb_summary){ .interface_speed_bps =
							      qlpb_speed(54000000, true) });
	assert_bytes(buf + 8, 4, "01 ee 62 80");
}

static void observations(void **state)
{
	assert_int_equal(qlpb_observation(0x02), QLPB_OBSERVED_LOSS);
	assert_int_equal(qlpb_observation(0xfd), QLPB_OBSERVED_INVERSION);
	assert_int_equal(qlpb_observation(0x83), QLPB_OBSERVED_RESERVED);
}

/* ---- the stream ---- */

/* What comes out of `hex` when it arrives in pieces of so many octets: identifiers, or 0xff for -EBADMSG. */
static size_t split(const char *hex, size_t piece, uint8_t ids[static 16])
{
	uint8_t bytes[4096];
	size_t len = hand_hex(hex, bytes, sizeof(bytes)), n = 0;
	struct qlpb_stream stream = { 0 };

	for (size_t at = 0; at < len; at += piece) {
		size_t left = len - at < piece ? len - at : piece, message_len;
		uint8_t *copy = malloc(left);
		const uint8_t *data = copy;
		int r;

		memcpy(copy, bytes + at, left);
		while ((r = qlpb_stream_next(&stream, &data, &left, &message_len)) > 0) {
			enum qlpb_id id;
			uint8_t flags;

			assert_true(n < 16);
			assert_int_equal(qlpb_read_header(stream.message, message_len, &id, &flags),
					 0);
			ids[n++] = (uint8_t)id;
			if (id == QLPB_ID_PACKET_PAIR_SUMMARY)
				assert_bytes(stream.message, message_len, SUMMARY_HEX);
			else
				assert_int_equal(message_len, QLPB_HEADER_LEN);
		}
		free(copy);
		if (r < 0) {
			ids[n++] = 0xff;
			return n;
		}
	}
	return n;
}

/* P-011: whatever TCP does with them. */
static void messages_in_pieces(void **state)
{
	static const char hex[] = "1e 00 00 01" SUMMARY_HEX "14 02 00 01" SUMMARY_HEX "14 00 00 01";
	static const uint8_t expected[] = { 0x1e, 0x0a, 0x14, 0x0a, 0x14 };

	for (size_t piece = 1; piece <= 200; piece++) {
		uint8_t ids[16];

		assert_int_equal(split(hex, piece, ids), sizeof(expected));
		assert_memory_equal(ids, expected, sizeof(expected));
	}
}

static void no_messages_of_a_sink(void **state)
{
	static const char *const examples[] = {
		"1e 00 00 01 01 00 00 01", /* of an initiator */
		"1e 00 00 01 05 00 00 02", /* not of TCP */
		"1e 00 00 01 1e 00 00 02", /* version */
		"1e 00 00 01 77 00 00 01",
	};

	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		for (size_t piece = 1; piece <= 8; piece++) {
			uint8_t ids[16];

			assert_int_equal(split(examples[i], piece, ids), 2);
			assert_int_equal(ids[0], 0x1e);
			assert_int_equal(ids[1], 0xff);
		}
	}
}

/* A summary that is too long is passed over, in as many pieces as it likes; what follows is understood. */
static void too_long_a_summary(void **state)
{
	static const unsigned counts[] = { QLPB_TRAIN_MAX, 1000, 65535 };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		size_t len = qlpb_summary_len(counts[i]) + QLPB_HEADER_LEN;
		uint8_t *bytes = calloc(1, len);

		qlpb_put_summary(bytes, &(struct qlpb_summary){ 1, 0, (uint16_t)counts[i] });
		qlpb_put_header(bytes + len - QLPB_HEADER_LEN, QLPB_ID_ROUTE_CHECK_SUMMARY, 2);
		for (size_t piece = 3; piece < 2000; piece += 331) {
			struct qlpb_stream stream = { 0 };
			unsigned n = 0;

			for (size_t at = 0; at < len; at += piece) {
				size_t left = len - at < piece ? len - at : piece, message_len;
				const uint8_t *data = bytes + at;

				while (qlpb_stream_next(&stream, &data, &left, &message_len) == 1) {
					assert_int_equal(message_len, QLPB_HEADER_LEN);
					assert_int_equal(stream.message[0], 0x14);
					n++;
				}
			}
			assert_int_equal(n, 1);
		}
		free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(every_identifier),
		cmocka_unit_test(probes),
		cmocka_unit_test(probes_of_others),
		cmocka_unit_test(gaps),
		cmocka_unit_test(summaries),
		cmocka_unit_test(interface_speeds),
		cmocka_unit_test(observations),
		cmocka_unit_test(messages_in_pieces),
		cmocka_unit_test(no_messages_of_a_sink),
		cmocka_unit_test(too_long_a_summary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
