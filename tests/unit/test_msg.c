/* SPDX-License-Identifier: MIT */
/* test_msg.c: messages, flow records and facts as they travel. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "proto/msg.h"

static void there_and_back(void **state)
{
	struct msg in = { .head = { .type = MSG_SET_RATE, .serial = 0x12345678, .status = -22 } },
		   out;
	unsigned char buf[1024];
	long len;

	(void)state;
	MSG_SET(&in, TAG_FLOW_ID, flow_id, UINT32_MAX);
	MSG_SET(&in, TAG_DSCP, dscp, -1);
	MSG_SET(&in, TAG_RATE, rate_bps, UINT64_MAX);
	memcpy(in.api, "native", 7);
	in.present |= CODEC_BIT(TAG_API);
	len = msg_encode(&in, buf, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(msg_decode(buf, (size_t)len, &out), 0);
	assert_int_equal(out.head.type, MSG_SET_RATE);
	assert_int_equal(out.head.serial, 0x12345678);
	assert_int_equal(out.head.status, -22);
	assert_true(out.present == in.present);
	assert_int_equal(out.flow_id, UINT32_MAX);
	assert_int_equal(out.dscp, -1);
	assert_true(out.rate_bps == UINT64_MAX);
	assert_string_equal(out.api, "native");
	assert_false(MSG_HAS(&out, TAG_CLASS));
	assert_int_equal(out.traffic_class, 0);
}

/* Each field alone, by its tag. */
static void every_field(void **state)
{
	(void)state;
	for (uint16_t tag = 1; tag < TAG_LAST; tag++) {
		struct msg in = { .head = { .type = 1 }, .present = CODEC_BIT(tag) }, out;
		unsigned char buf[256];
		long len = msg_encode(&in, buf, sizeof(buf));

		assert_true(len >= 12 + 4);
		assert_int_equal(msg_decode(buf, (size_t)len, &out), 0);
		assert_true(out.present == CODEC_BIT(tag));
	}
}

static void lengths(void **state)
{
	static unsigned char buf[MSG_MAX + 1], filler[MSG_MAX];
	struct msg message = { .head = { .type = 1 } }, out;

	(void)state;
	assert_int_equal(msg_encode(&message, buf, 11), -EMSGSIZE);
	assert_int_equal(msg_encode(&message, buf, 12), 12);
	assert_int_equal(msg_decode(buf, 12, &out), 0);
	for (size_t n = 0; n < 12; n++)
		assert_int_equal(msg_decode(buf, n, &out), -EBADMSG);
	assert_int_equal(codec_append(60000, filler, MSG_MAX - 12 - 4, buf, 12, sizeof(buf)),
			 MSG_MAX);
	assert_int_equal(msg_decode(buf, MSG_MAX, &out), 0);
	assert_int_equal(msg_decode(buf, MSG_MAX + 1, &out), -EBADMSG);
}

static void set_address(struct sockaddr_storage *storage, int family, uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(0xc0000201) };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons(port),
				     .sin6_addr.s6_addr = { 0xfe, 0x80 },
				     .sin6_scope_id = 2 };

	memset(storage, 0, sizeof(*storage));
	if (family == AF_INET)
		memcpy(storage, &sin, sizeof(sin));
	else
		memcpy(storage, &sin6, sizeof(sin6));
}

static struct gw_flow_record record(uint32_t id)
{
	struct gw_flow_record record = {
		.size = sizeof(record),
		.id = id,
		.uid = 1000,
		.pid = -5,
		.protocol = IPPROTO_UDP,
		.traffic_class = GW_CLASS_VOICE,
		.state = GW_FLOW_SHADOWED,
		.dscp = -1,
		.rate_bps = UINT64_MAX,
		.socket_cookie = 0x1122334455667788,
		.comm = "a program",
		.api = "qwave",
		.conforming_packets = UINT64_MAX,
		.conforming_bytes = 1,
		.excess_packets = UINT64_MAX - 1,
		.excess_bytes = 2,
		.dropped_packets = UINT64_MAX - 2,
		.dropped_bytes = 3,
		.reserved_bps = UINT64_MAX - 3,
		.shaping = GW_SHAPING_POLICED,
		.metered = 1,
		.path_state = GW_PATH_CONGESTED,
		.path = { .size = sizeof(record.path),
			  .capacity_known = 1,
			  .available_known = id % 2,
			  .rtt_known = 1,
			  .capacity_bps = UINT64_MAX,
			  .available_bps = UINT64_MAX - 4,
			  .rtt_us = UINT32_MAX },
		.direction = GW_QOS_RECEIVING,
	};

	set_address(&record.local, AF_INET, 1);
	set_address(&record.destination, AF_INET6, 2);
	return record;
}

/* But for what lies unused between members of the path. */
static void assert_same(const struct gw_flow_record *a, const struct gw_flow_record *b)
{
	const struct gw_path_info *p = &a->path, *q = &b->path;

	assert_memory_equal(a, b, offsetof(struct gw_flow_record, path));
	assert_true(p->size == q->size && p->rtt_us == q->rtt_us);
	assert_true(p->capacity_known == q->capacity_known && p->rtt_known == q->rtt_known &&
		    p->available_known == q->available_known);
	assert_true(p->capacity_bps == q->capacity_bps && p->available_bps == q->available_bps);
	assert_int_equal(a->direction, b->direction);
}

static void records(void **state)
{
	struct msg message = { .head = { .type = MSG_LIST } };
	struct gw_flow_record in[3] = { record(1), record(2), record(3) }, out;
	unsigned char buf[2048];
	struct codec_bytes nested;
	size_t position = 0;
	long len = msg_encode(&message, buf, sizeof(buf));

	(void)state;
	memset(&in[1].local, 0, sizeof(in[1].local)); /* none */
	for (int i = 0; i < 3; i++)
		len = record_append(&in[i], buf, (size_t)len, sizeof(buf));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(msg_next(buf, (size_t)len, TAG_RECORD, &position, &nested), 1);
		assert_int_equal(record_decode(&nested, &out), 0);
		assert_same(&out, &in[i]);
	}
	assert_int_equal(msg_next(buf, (size_t)len, TAG_RECORD, &position, &nested), 0);
	assert_int_equal(msg_next(buf, 11, TAG_RECORD, &position, &nested), -EBADMSG);
	len = record_append(&in[0], buf, 12, sizeof(buf));
	for (size_t room = 12; room < (size_t)len; room++)
		assert_int_equal(record_append(&in[0], buf, 12, room), -EMSGSIZE);
	/* Cut off inside. */
	nested.len--;
	assert_int_equal(record_decode(&nested, &out), -EBADMSG);
}

/* What an older end writes, and what it reads of ours: new fields are at the end, and unknown ones are skipped. */
static void records_of_other_ages(void **state)
{
	struct gw_flow_record in = record(7), out, old = in;
	unsigned char buf[1024];
	struct codec_bytes nested, value;
	size_t position = 0, fields = 0, old_len = 0;
	long len;

	(void)state;
	memset(buf, 0, 12);
	len = record_append(&in, buf, 12, sizeof(buf));
	assert_int_equal(msg_next(buf, (size_t)len, TAG_RECORD, &position, &nested), 1);
	position = 0;
	for (uint16_t tag = 1; tag <= 13; tag++) {
		assert_int_equal(codec_next(nested.data, nested.len, tag, &position, &value), 1);
		old_len = position;
		fields++;
	}
	assert_int_equal(fields, 13);
	nested.len = old_len;
	assert_int_equal(record_decode(&nested, &out), 0);
	old.conforming_packets = old.conforming_bytes = 0;
	old.excess_packets = old.excess_bytes = 0;
	old.dropped_packets = old.dropped_bytes = 0;
	old.reserved_bps = 0;
	old.shaping = GW_SHAPING_NONE;
	old.metered = 0;
	old.path_state = GW_PATH_NONE;
	old.path = (struct gw_path_info){ .size = sizeof(old.path) };
	old.direction = 0;
	assert_same(&out, &old);
}

/* The numbers are those that programs out there were built with. */
static void numbers_stay(void **state)
{
	(void)state;
	assert_int_equal(MSG_RUN, 16);
	assert_int_equal(MSG_WATCH, 20);
	assert_int_equal(MSG_RESERVE, 21);
	assert_int_equal(MSG_ADD_TUPLE, 22);
	assert_int_equal(TAG_FACT, 34);
	assert_int_equal(TAG_DEPTH, 35);
	assert_int_equal(TAG_INTERFACE, 42);
}

static void facts(void **state)
{
	struct msg_fact in = { .kind = GW_FACT_LIMITATION }, out;
	unsigned char buf[1024];
	struct codec_bytes nested;
	size_t position = 0;
	long len;

	(void)state;
	memset(in.name, 'n', sizeof(in.name) - 1);
	memset(in.value, 'v', sizeof(in.value) - 1);
	memset(in.note, 'o', sizeof(in.note) - 1);
	memset(buf, 0, 12);
	len = fact_append(&in, buf, 12, sizeof(buf));
	assert_true(len > 0);
	assert_int_equal(msg_next(buf, (size_t)len, TAG_FACT, &position, &nested), 1);
	assert_int_equal(fact_decode(&nested, &out), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	nested.len = 3;
	assert_int_equal(fact_decode(&nested, &out), -EBADMSG);
	nested.len = 0;
	assert_int_equal(fact_decode(&nested, &out), 0);
	assert_string_equal(out.name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(every_field),
		cmocka_unit_test(lengths),
		cmocka_unit_test(records),
		cmocka_unit_test(records_of_other_ages),
		cmocka_unit_test(numbers_stay),
		cmocka_unit_test(facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
