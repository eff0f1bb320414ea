/* SPDX-License-Identifier: MIT */
/* test_signal.c: offers, requests and records of RSVP as they travel. */
#include "proto/signal.h"

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

static struct sockaddr_storage ip6(uint8_t last, uint16_t port)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons(port),
				    .sin6_addr.s6_addr = { 0x20, 0x01, 0x0d, 0xb8, [15] = last } };
	struct sockaddr_storage storage = { 0 };

	memcpy(&storage, &in6, sizeof(in6));
	return storage;
}

static void assert_same_address(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	assert_memory_equal(a, b, sizeof(*a));
}

static struct gw_tspec tspec(void)
{
	return (struct gw_tspec){ .size = sizeof(struct gw_tspec),
				  .rate_bps = UINT64_MAX,
				  .depth_bytes = 1u << 31,
				  .peak_bps = 3,
				  .min_bytes = 64,
				  .max_bytes = 1500 };
}

static void offers(void **state)
{
	struct gw_rsvp_offer in = { .size = sizeof(in),
				    .source = ip6(1, 5004),
				    .tspec = tspec(),
				    .services = GW_RSVP_OFFER_NULL,
				    .data_ttl = 64,
				    .policy = "policy",
				    .policy_len = 6 },
			     out;
	unsigned char buf[1024];
	long len = signal_offer_encode(&in, buf, sizeof(buf));
	struct codec_bytes bytes = { buf, (size_t)len };

	(void)state;
	assert_true(len > 0);
	assert_int_equal(signal_offer_decode(&bytes, &out), 0);
	assert_same_address(&in.source, &out.source);
	assert_memory_equal(&in.tspec, &out.tspec, sizeof(out.tspec));
	assert_int_equal(out.services, GW_RSVP_OFFER_NULL);
	assert_int_equal(out.data_ttl, 64);
	assert_int_equal(out.policy_len, 6);
	assert_memory_equal(out.policy, "policy", 6);
	for (size_t room = 0; room < (size_t)len; room++)
		assert_int_equal(signal_offer_encode(&in, buf, room), -EMSGSIZE);
	for (bytes.len = 1; bytes.len < (size_t)len; bytes.len++) /* cut between fields is fine */
		assert_true(signal_offer_decode(&bytes, &out) == 0 ||
			    signal_offer_decode(&bytes, &out) == -EBADMSG);
	/* Nothing said is nothing sent. */
	in = (struct gw_rsvp_offer){ .size = sizeof(in) };
	assert_int_equal(signal_offer_encode(&in, buf, sizeof(buf)), 0);
	bytes = (struct codec_bytes){ buf, 0 };
	assert_int_equal(signal_offer_decode(&bytes, &out), 0);
	assert_int_equal(out.source.ss_family, AF_UNSPEC);
	assert_null(out.policy);
}

static void requests(void **state)
{
	static unsigned char buf[SIGNAL_MAX];
	struct gw_rsvp_flow flows[GW_RSVP_FLOWS_MAX + 1] = { 0 };
	struct gw_rsvp_request in = { .size = sizeof(in),
				      .style = GW_RSVP_FF,
				      .service = GW_RSVP_GUARANTEED,
				      .flags = GW_RSVP_CONFIRM,
				      .dscp = 0,
				      .n_flows = GW_RSVP_FLOWS_MAX,
				      .flows = flows,
				      .policy = "x",
				      .policy_len = 1 };
	static struct signal_request out;
	struct codec_bytes bytes = { .data = buf };
	long len;

	(void)state;
	for (uint8_t i = 0; i <= GW_RSVP_FLOWS_MAX; i++)
		flows[i] = (struct gw_rsvp_flow){ .sender = { .address = ip4(i, i), .id = i },
						  .tspec = tspec(),
						  .rate_bps = UINT64_MAX - i,
						  .slack_us = i };
	len = signal_request_encode(&in, buf, sizeof(buf));
	assert_true(len > 0);
	bytes.len = (size_t)len;
	assert_int_equal(signal_request_decode(&bytes, &out), 0);
	assert_int_equal(out.request.style, GW_RSVP_FF);
	assert_int_equal(out.request.service, GW_RSVP_GUARANTEED);
	assert_int_equal(out.request.flags, GW_RSVP_CONFIRM);
	assert_int_equal(out.request.dscp, 0);
	assert_int_equal(out.request.n_flows, GW_RSVP_FLOWS_MAX);
	assert_ptr_equal(out.request.flows, out.flows);
	for (uint8_t i = 0; i < GW_RSVP_FLOWS_MAX; i++) {
		assert_same_address(&out.flows[i].sender.address, &flows[i].sender.address);
		assert_int_equal(out.flows[i].sender.id, i);
		assert_memory_equal(&out.flows[i].tspec, &flows[i].tspec, sizeof(flows[i].tspec));
		assert_true(out.flows[i].rate_bps == UINT64_MAX - i);
		assert_int_equal(out.flows[i].slack_us, i);
	}
	in.n_flows++; /* one more than a host takes */
	len = signal_request_encode(&in, buf, sizeof(buf));
	bytes.len = (size_t)len;
	assert_int_equal(signal_request_decode(&bytes, &out), -ENOBUFS);
	assert_int_equal(signal_request_encode(&in, buf, 100), -EMSGSIZE);
	/* Of somebody who has not said which mark. */
	bytes.len = 0;
	assert_int_equal(signal_request_decode(&bytes, &out), 0);
	assert_int_equal(out.request.dscp, -1);
	assert_int_equal(out.request.n_flows, 0);
}

static struct gw_rsvp_record record(const struct gw_rsvp_sender *senders, uint32_t n)
{
	return (struct gw_rsvp_record){
		.size = sizeof(struct gw_rsvp_record),
		.kind = GW_RSVP_RESERVATION,
		.flags = GW_RSVP_INSTALLED | GW_RSVP_BLOCKADED,
		.id = 7,
		.destination = ip4(9, 5004),
		.protocol = IPPROTO_UDP,
		.form = GW_RSVP_GPI,
		.uid = 1000,
		.pid = -2,
		.senders = senders,
		.n_senders = n,
		.style = GW_RSVP_SE,
		.service = GW_RSVP_GUARANTEED,
		.tspec = tspec(),
		.rate_bps = 123456789,
		.slack_us = 5,
		.dscp = -1,
		.interface = "eth0",
		.hop = ip4(1, 0),
		.previous = ip6(2, 0),
		.leaving = ip4(3, 0),
		.ttl_loss = 2,
		.expires_ms = 157500,
		.path = { .known = 1,
			  .broken = 1,
			  .hops = 3,
			  .latency_us = UINT32_MAX,
			  .bandwidth_bps = 1000000,
			  .mtu = 1500,
			  .services = GW_RSVP_OFFER_GUARANTEED,
			  .c_total_bytes = 1,
			  .d_total_us = 2,
			  .c_since_bytes = 3,
			  .d_since_us = 4 },
		.error_code = 1,
		.error_value = 2,
		.error_node = ip4(4, 0),
		.name = "messages",
		.value = UINT64_MAX,
		.received = 1,
		.sent = 2,
		.dropped = 3,
		.text = "Path\n",
		.policy = "policy",
		.policy_len = 6,
	};
}

static void records(void **state)
{
	struct gw_rsvp_sender senders[2] = {
		{ .address = ip4(5, 1) },
		{ .address = ip6(6, 0), .form = GW_RSVP_GPI, .id = 0x12345678 }
	};
	struct gw_rsvp_record in = record(senders, 2), copy;
	static struct signal_record out;
	unsigned char buf[2048], again[2048];
	struct codec_bytes bytes = { .data = buf };
	long len = signal_record_encode(&in, buf, sizeof(buf));

	(void)state;
	assert_true(len > 0);
	bytes.len = (size_t)len;
	assert_int_equal(signal_record_decode(&bytes, &out), 0);
	assert_int_equal(out.record.n_senders, 2);
	assert_memory_equal(out.record.senders, senders, sizeof(senders));
	assert_int_equal(out.text.len, 5);
	assert_memory_equal(out.text.data, "Path\n", 5);
	assert_int_equal(out.record.policy_len, 6);
	assert_memory_equal(out.record.policy, "policy", 6);
	/* All else is the same: it travels as the same bytes. Between the members may be anything. */
	copy = out.record;
	copy.text = in.text;
	assert_int_equal(signal_record_encode(&copy, again, sizeof(again)), len);
	assert_memory_equal(again, buf, (size_t)len);
	assert_int_equal(copy.size, sizeof(copy));
	assert_int_equal(copy.kind, GW_RSVP_RESERVATION);
	assert_int_equal(copy.flags, GW_RSVP_INSTALLED | GW_RSVP_BLOCKADED);
	assert_same_address(&copy.destination, &in.destination);
	assert_same_address(&copy.previous, &in.previous);
	assert_true(copy.tspec.rate_bps == UINT64_MAX);
	assert_int_equal(copy.dscp, -1);
	assert_int_equal(copy.pid, -2);
	assert_string_equal(copy.interface, "eth0");
	assert_int_equal(copy.path.d_since_us, 4);
	assert_int_equal(copy.error_value, 2);
	assert_true(copy.value == UINT64_MAX);
	/* A mark of 0 is a mark. */
	in.dscp = 0;
	bytes.len = (size_t)signal_record_encode(&in, buf, sizeof(buf));
	assert_int_equal(signal_record_decode(&bytes, &out), 0);
	assert_int_equal(out.record.dscp, 0);
}

/* What is too much is left out, in the order that says least, and that is said. */
static void cut(void **state)
{
	static struct gw_rsvp_sender senders[SIGNAL_SENDERS_MAX + 1];
	static char text[20000];
	struct gw_rsvp_record in = record(senders, SIGNAL_SENDERS_MAX);
	static struct signal_record out;
	static unsigned char buf[MSG_MAX];
	struct codec_bytes bytes = { .data = buf };
	size_t whole;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	in.text = text;
	for (uint8_t i = 0; i < SIGNAL_SENDERS_MAX; i++)
		senders[i].address = ip4(i, i);
	whole = bytes.len = (size_t)signal_record_encode(&in, buf, sizeof(buf));
	assert_true(whole < sizeof(buf));
	assert_int_equal(signal_record_decode(&bytes, &out), 0);
	assert_int_equal(out.record.flags & GW_RSVP_CUT, 0);
	assert_int_equal(out.record.n_senders, SIGNAL_SENDERS_MAX);
	assert_int_equal(out.text.len, sizeof(text) - 1);

	for (size_t room = whole - 1; room > 1024; room -= 97) {
		long len = signal_record_encode(&in, buf, room);

		assert_true(len > 0 && (size_t)len <= room);
		bytes.len = (size_t)len;
		assert_int_equal(signal_record_decode(&bytes, &out), 0);
		assert_int_equal(out.record.flags & GW_RSVP_CUT, GW_RSVP_CUT);
		assert_null(out.record.policy);
		assert_true(out.text.len == sizeof(text) - 1 || out.record.n_senders == 0);
		assert_string_equal(out.record.interface, "eth0");
	}
	assert_int_equal(signal_record_encode(&in, buf, 16), -EMSGSIZE);
	in.n_senders++;
	bytes.len = (size_t)signal_record_encode(&in, buf, sizeof(buf));
	assert_int_equal(signal_record_decode(&bytes, &out), 0);
	assert_int_equal(out.record.flags & GW_RSVP_CUT, GW_RSVP_CUT);
	assert_int_equal(out.record.n_senders, SIGNAL_SENDERS_MAX);
}

/* Any change of one byte is harmless: read, or refused. */
static void damaged(void **state)
{
	struct gw_rsvp_sender sender = { .address = ip4(5, 1) };
	struct gw_rsvp_record in = record(&sender, 1);
	static struct signal_record out;
	unsigned char buf[2048];
	struct codec_bytes bytes = { .data = buf };
	int refused = 0;

	(void)state;
	bytes.len = (size_t)signal_record_encode(&in, buf, sizeof(buf));
	for (size_t i = 0; i < bytes.len; i++) {
		buf[i] ^= 0xff;
		refused += signal_record_decode(&bytes, &out) == -EBADMSG;
		buf[i] ^= 0xff;
	}
	assert_true(refused > 50);
	assert_int_equal(signal_record_decode(&bytes, &out), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offers), cmocka_unit_test(requests), cmocka_unit_test(records),
		cmocka_unit_test(cut),	  cmocka_unit_test(damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
