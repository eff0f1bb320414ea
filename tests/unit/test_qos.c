/* SPDX-License-Identifier: MIT */
/* test_qos.c: the QoS of a socket, and what is known of it, as they travel. */
#include "proto/qos.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct sockaddr_storage ip4(uint8_t last, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(0xc0000200u + last) };
	struct sockaddr_storage storage = { 0 };

	memcpy(&storage, &in, sizeof(in));
	return storage;
}

static struct gw_tspec tspec(uint64_t rate_bps)
{
	return (struct gw_tspec){ .size = sizeof(struct gw_tspec),
				  .rate_bps = rate_bps,
				  .depth_bytes = 2,
				  .peak_bps = UINT64_MAX,
				  .min_bytes = 64,
				  .max_bytes = 1500 };
}

static struct codec_bytes encoded(const struct gw_qos *qos, unsigned char *buf, size_t room)
{
	long len = qos_encode(qos, buf, room);

	assert_true(len >= 0);
	return (struct codec_bytes){ buf, (size_t)len };
}

static void everything(void **state)
{
	struct gw_rsvp_flow flows[GW_RSVP_FLOWS_MAX + 1] = { 0 };
	struct gw_qos in = QOS_NOTHING;
	static struct qos_request out;
	unsigned char buf[16384];
	struct codec_bytes bytes;

	(void)state;
	in.sending = (struct gw_qos_direction){ .service = GW_QOS_EITHER,
						.flags = GW_QOS_NO_SIGNALLING,
						.tspec = tspec(1000),
						.latency_us = 0,
						.slack_us = 7 };
	in.receiving = (struct gw_qos_direction){ .service = GW_QOS_GUARANTEED,
						  .flags = GW_QOS_NO_TRAFFIC_CONTROL,
						  .tspec = tspec(2000),
						  .latency_us = UINT32_MAX,
						  .slack_us = UINT32_MAX - 1 };
	in.destination = ip4(2, 5004);
	in.dscp = 0;
	in.priority = 7;
	in.excess = GW_QOS_EXCESS_DISCARD;
	in.shaping_bps = 8000;
	in.sending_policy = "to";
	in.sending_policy_len = 2;
	in.style = GW_RSVP_SE;
	in.confirm = 1;
	in.receiving_policy = "from";
	in.receiving_policy_len = 4;
	in.n_flows = 2;
	in.flows = flows;
	flows[0].sender.address = ip4(3, 6000);
	flows[1].tspec = tspec(5);
	flows[1].slack_us = 9;
	flows[1].service = GW_RSVP_GUARANTEED;

	bytes = encoded(&in, buf, sizeof(buf));
	assert_int_equal(qos_decode(&bytes, &out), 0);
	assert_memory_equal(&out.qos.sending, &in.sending, sizeof(in.sending));
	assert_memory_equal(&out.qos.receiving, &in.receiving, sizeof(in.receiving));
	assert_memory_equal(&out.qos.destination, &in.destination, sizeof(in.destination));
	assert_int_equal(out.qos.dscp, 0);
	assert_int_equal(out.qos.priority, 7);
	assert_int_equal(out.qos.excess, GW_QOS_EXCESS_DISCARD);
	assert_int_equal(out.qos.shaping_bps, 8000);
	assert_int_equal(out.qos.style, GW_RSVP_SE);
	assert_int_equal(out.qos.confirm, 1);
	assert_int_equal(out.qos.sending_policy_len, 2);
	assert_memory_equal(out.qos.sending_policy, "to", 2);
	assert_memory_equal(out.qos.receiving_policy, "from", 4);
	assert_int_equal(out.qos.n_flows, 2);
	assert_memory_equal(&out.qos.flows[0].sender, &flows[0].sender, sizeof(flows[0].sender));
	assert_memory_equal(&out.qos.flows[1].tspec, &flows[1].tspec, sizeof(flows[1].tspec));
	assert_int_equal(out.qos.flows[1].slack_us, 9);
	assert_int_equal(out.qos.flows[1].service, GW_RSVP_GUARANTEED);
	for (size_t room = 0; room < bytes.len; room++)
		assert_int_equal(qos_encode(&in, (unsigned char[16384]){ 0 }, room), -EMSGSIZE);

	in.n_flows = GW_RSVP_FLOWS_MAX + 1;
	bytes = encoded(&in, buf, sizeof(buf));
	assert_int_equal(qos_decode(&bytes, &out), -ENOBUFS);
}

/* Nothing said is nothing sent, and is nothing at the other end. */
static void nothing(void **state)
{
	const struct gw_qos in = QOS_NOTHING;
	static struct qos_request out;
	struct codec_bytes bytes;
	unsigned char buf[16];

	(void)state;
	bytes = encoded(&in, buf, sizeof(buf));
	assert_int_equal(bytes.len, 0);
	assert_int_equal(qos_decode(&bytes, &out), 0);
	assert_int_equal(out.qos.sending.service, GW_QOS_NONE);
	assert_int_equal(out.qos.receiving.latency_us, UINT32_MAX);
	assert_int_equal(out.qos.sending.slack_us, UINT32_MAX);
	assert_int_equal(out.qos.dscp, -1);
	assert_int_equal(out.qos.priority, -1);
	assert_null(out.qos.flows);
	assert_null(out.qos.sending_policy);
}

static void known(void **state)
{
	struct gw_qos_info in = { .size = sizeof(in),
				  .sending = { .service = GW_QOS_CONTROLLED_LOAD,
					       .tspec = tspec(1),
					       .latency_us = UINT32_MAX,
					       .slack_us = 0 },
				  .receiving = { .tspec.size = sizeof(struct gw_tspec),
						 .latency_us = 1,
						 .slack_us = UINT32_MAX },
				  .signals = 1,
				  .traffic_control = 1,
				  .link_bps = 10000000,
				  .end_to_end = UINT32_MAX,
				  .sending_reserved = 1,
				  .max_unreserved_bps = 64000 },
			   out;
	unsigned char buf[512];
	struct codec_bytes bytes = { .data = buf };

	(void)state;
	for (uint32_t answer = 0; answer < 3; answer++) {
		long len;

		in.end_to_end = answer == 2 ? UINT32_MAX : answer;
		len = qos_info_encode(&in, buf, sizeof(buf));
		assert_true(len > 0);
		bytes.len = (size_t)len;
		memset(&out, 0, sizeof(out));
		assert_int_equal(qos_info_decode(&bytes, &out), 0);
		assert_memory_equal(&in, &out, sizeof(in));
	}
	bytes = (struct codec_bytes){ "\x01", 1 };
	assert_int_equal(qos_info_decode(&bytes, &out), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything),
		cmocka_unit_test(nothing),
		cmocka_unit_test(known),
	};

	return cmocka_run_group_tests_name("qos", tests, NULL, NULL);
}
