/* SPDX-License-Identifier: MIT */
/*
 * test_server_signalling.c: reservations that are signalled, as a host's port gets them from messages: what is
 * refused, what is filled in, what ends with whom, and what owners are told.
 */
#include "engine/server.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fake_datapath.h"
#include "fake_signalling.h"
#include "proto/signal.h"

static struct fake_datapath datapath;
static struct fake_signalling host;
static struct server *server;
static struct owner *mine, *other, *root, *elsewhere;

/* The last event. */
static struct {
	unsigned n;
	struct owner *owner;
	bool must_arrive;
	struct msg message;
	struct signal_record record;
	unsigned char bytes[MSG_MAX];
} told;

static bool port_is_administrator(void *user_data, const struct owner *owner)
{
	(void)user_data;
	return owner_info(owner)->uid == 0;
}

static void port_send_event(void *user_data, struct owner *owner, const void *buf, size_t len,
			    bool must_arrive)
{
	(void)user_data;
	told.n++;
	told.owner = owner;
	told.must_arrive = must_arrive;
	memcpy(told.bytes, buf, len);
	assert_int_equal(msg_decode(told.bytes, len, &told.message), 0);
	assert_int_equal(told.message.head.type, MSG_EVENT);
	if (MSG_HAS(&told.message, TAG_RSVP))
		assert_int_equal(signal_record_decode(&told.message.rsvp, &told.record), 0);
}

static uint64_t port_wall_clock(void *user_data)
{
	(void)user_data;
	return 1234567;
}

/* ---- exchanges ---- */

static const void *reply_bytes;
static size_t reply_len;

static int ask(struct owner *owner, const struct msg *request, struct msg *ret_reply)
{
	static unsigned char buf[MSG_MAX];
	const char *why = NULL;
	struct msg reply;
	long len = msg_encode(request, buf, sizeof(buf));

	assert_true(len > 0);
	len = server_handle(server, owner, buf, (size_t)len, NULL, 0, 1000, &reply_bytes, &why);
	assert_null(why);
	assert_true(len > 0);
	reply_len = (size_t)len;
	assert_int_equal(msg_decode(reply_bytes, reply_len, &reply), 0);
	if (ret_reply)
		*ret_reply = reply;
	return reply.head.status;
}

static struct owner *connect_as(uint32_t uid, bool is_elsewhere)
{
	struct engine_owner_info info = { .uid = uid, .pid = 1, .elsewhere = is_elsewhere };
	struct msg hello = { .head = { .type = MSG_HELLO }, .api = "native" };
	struct owner *owner;

	assert_int_equal(server_connect(server, &info, server, &owner), 0);
	MSG_SET(&hello, TAG_PROTOCOL, protocol, MSG_PROTOCOL);
	hello.present |= CODEC_BIT(TAG_API);
	assert_int_equal(ask(owner, &hello, NULL), 0);
	return owner;
}

static int set_up(void **state)
{
	struct server_ports ports = {
		.datapath = &fake_datapath_ops,
		.datapath_data = &datapath,
		.is_administrator = port_is_administrator,
		.send_event = port_send_event,
		.wall_clock_us = port_wall_clock,
	};
	struct engine_config config;

	(void)state;
	memset(&datapath, 0, sizeof(datapath));
	memset(&told, 0, sizeof(told));
	engine_config_default(&config);
	server = server_new(&ports, &config, GW_MODE_DAEMON, "1.2.3");
	assert_non_null(server);
	fake_signalling_init(&host);
	server_set_signalling(server, &host.port, 1000);
	mine = connect_as(1000, false);
	other = connect_as(1001, false);
	root = connect_as(0, false);
	elsewhere = connect_as(1000, true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server = server_free(server);
	return 0;
}

static struct address ip4(uint8_t last, uint16_t port)
{
	return (struct address){ .family = AF_INET,
				 .port = port,
				 .addr = { [10] = 0xff, 0xff, 192, 0, 2, last } };
}

static struct msg open_request(int protocol)
{
	struct msg request = { .head = { .type = MSG_RSVP_OPEN } };

	MSG_SET(&request, TAG_ADDRESS, address, ip4(9, 5004));
	MSG_SET(&request, TAG_IP_PROTOCOL, ip_protocol, protocol);
	return request;
}

static uint32_t open_session(struct owner *owner)
{
	struct msg request = open_request(IPPROTO_UDP), reply;

	assert_int_equal(ask(owner, &request, &reply), 0);
	assert_true(reply.session != 0);
	return reply.session;
}

static int session_request(struct owner *owner, enum msg_type type, uint32_t id, const void *value,
			   long len)
{
	struct msg request = { .head = { .type = type } };

	MSG_SET(&request, TAG_SESSION, session, id);
	if (value)
		MSG_SET(&request, TAG_RSVP, rsvp, ((struct codec_bytes){ value, (size_t)len }));
	return ask(owner, &request, NULL);
}

static int offer(struct owner *owner, uint32_t id, const struct gw_rsvp_offer *what)
{
	static unsigned char buf[SIGNAL_MAX];
	long len = what ? signal_offer_encode(what, buf, sizeof(buf)) : 0;

	assert_true(len >= 0);
	return session_request(owner, MSG_RSVP_SEND, id, what ? buf : NULL, len);
}

static int reserve(struct owner *owner, uint32_t id, const struct gw_rsvp_request *what)
{
	static unsigned char buf[SIGNAL_MAX];
	long len = what ? signal_request_encode(what, buf, sizeof(buf)) : 0;

	assert_true(len >= 0);
	return session_request(owner, MSG_RSVP_RESERVE, id, what ? buf : NULL, len);
}

/* ---- hosts that do not signal ---- */

static void nobody_signals(void **state)
{
	(void)state;
	server_set_signalling(server, NULL, 1000);
	for (uint16_t type = MSG_RSVP_OPEN; type <= MSG_RSVP_DIAGNOSE; type++) {
		struct msg request = open_request(IPPROTO_UDP);

		request.head.type = type;
		MSG_SET(&request, TAG_SESSION, session, 1);
		MSG_SET(&request, TAG_FLAGS, flags, GW_RSVP_KIND_BIT(GW_RSVP_SENDER));
		MSG_SET(&request, TAG_TOKEN, token, 0);
		MSG_SET(&request, TAG_SOURCE, source, ip4(1, 1));
		assert_int_equal(ask(root, &request, NULL), -EOPNOTSUPP);
	}
	server_disconnect(server, mine, 0);
}

static void unable_to_ask(void **state)
{
	struct msg request = open_request(IPPROTO_UDP);

	(void)state;
	host.port.diagnose = NULL;
	request.head.type = MSG_RSVP_DIAGNOSE;
	MSG_SET(&request, TAG_TOKEN, token, 1);
	MSG_SET(&request, TAG_SOURCE, source, ip4(1, 1));
	assert_int_equal(ask(root, &request, NULL), -EOPNOTSUPP);
}

/* ---- sessions ---- */

static void sessions_belong_to_owners(void **state)
{
	struct gw_rsvp_offer some = { .tspec.rate_bps = 64000 };
	uint32_t id = open_session(mine);

	(void)state;
	assert_int_equal(host.sessions[0].session.destination.port, 5004);
	assert_int_equal(host.sessions[0].session.protocol, IPPROTO_UDP);
	assert_int_equal(host.sessions[0].session.ifindex, 0);
	assert_int_equal(offer(other, id, &some), -ENOENT);
	assert_int_equal(offer(mine, id, &some), 0);
	assert_true(host.sessions[0].sends);
	assert_int_equal(offer(mine, id, NULL), 0);
	assert_false(host.sessions[0].sends);
	assert_int_equal(session_request(other, MSG_RSVP_CLOSE, id, NULL, 0), -ENOENT);
	assert_int_equal(session_request(mine, MSG_RSVP_CLOSE, id, NULL, 0), 0);
	assert_int_equal(session_request(mine, MSG_RSVP_CLOSE, id, NULL, 0), -ENOENT);
	assert_int_equal(fake_signalling_count(&host, NULL), 0);
}

static void bad_sessions(void **state)
{
	struct msg request = open_request(0);

	(void)state;
	assert_int_equal(ask(mine, &request, NULL), -EINVAL);
	request = open_request(256);
	assert_int_equal(ask(mine, &request, NULL), -EINVAL);
	request = open_request(IPPROTO_UDP);
	request.address = (struct address){ 0 };
	assert_int_equal(ask(mine, &request, NULL), -EINVAL);
	request = open_request(IPPROTO_UDP);
	assert_int_equal(ask(elsewhere, &request, NULL), -EXDEV);
	host.error = -ENOBUFS;
	assert_int_equal(ask(mine, &request, NULL), -ENOBUFS);
	assert_int_equal(fake_signalling_count(&host, NULL), 0);
}

/* Whether the handle is closed or its program dies: what it had ends, once, and nothing of others. */
static void all_ends_with_its_owner(void **state)
{
	struct msg end = { .head = { .type = MSG_END } },
		   watch = { .head = { .type = MSG_RSVP_WATCH } };

	(void)state;
	open_session(mine);
	open_session(mine);
	open_session(other);
	open_session(root);
	assert_int_equal(ask(root, &watch, NULL), 0);
	assert_ptr_equal(host.watching, root);
	assert_int_equal(ask(mine, &end, NULL), 0);
	assert_int_equal(fake_signalling_count(&host, mine), 0);
	assert_int_equal(fake_signalling_count(&host, NULL), 2);
	server_disconnect(server, mine, 0);
	server_disconnect(server, root, 0);
	assert_null(host.watching);
	assert_int_equal(fake_signalling_count(&host, NULL), 1);
	server_disconnect(server, other, 0);
	assert_int_equal(fake_signalling_count(&host, NULL), 0);
}

/* ---- offers ---- */

static void offers_are_completed(void **state)
{
	struct gw_rsvp_offer some = { .tspec.rate_bps = 8000000, .policy = "abc", .policy_len = 3 };
	uint32_t id = open_session(mine);

	(void)state;
	assert_int_equal(offer(mine, id, &some), 0);
	assert_int_equal(host.offer.services,
			 GW_RSVP_OFFER_GUARANTEED | GW_RSVP_OFFER_CONTROLLED_LOAD);
	assert_int_equal(host.offer.tspec.depth_bytes, 100000); /* 100 ms */
	assert_int_equal(host.offer.tspec.min_bytes, 128);
	assert_int_equal(host.offer.tspec.max_bytes, 1500);
	assert_int_equal(host.offer.tspec.peak_bps, 0);
	assert_int_equal(host.offer_policy_len, 3);
	assert_int_equal(host.offer_policy_last, 'c');
	some.tspec = (struct gw_tspec){ .rate_bps = 8000, .max_bytes = 100 };
	assert_int_equal(offer(mine, id, &some), 0);
	assert_int_equal(host.offer.tspec.depth_bytes, 200); /* two packets */
	assert_int_equal(host.offer.tspec.min_bytes, 100);
	some.tspec = (struct gw_tspec){
		.rate_bps = 8000, .depth_bytes = 1, .peak_bps = 8000, .min_bytes = 1, .max_bytes = 1
	};
	some.services = GW_RSVP_OFFER_GUARANTEED;
	assert_int_equal(offer(mine, id, &some), 0);
	assert_int_equal(host.offer.tspec.depth_bytes, 1);
	assert_int_equal(host.offer.services, GW_RSVP_OFFER_GUARANTEED);
	/* Null service alone needs no rate. */
	some = (struct gw_rsvp_offer){ .services = GW_RSVP_OFFER_NULL };
	assert_int_equal(offer(mine, id, &some), 0);
	assert_int_equal(host.offer.tspec.max_bytes, 1500);
	assert_int_equal(host.offer.tspec.depth_bytes, 0);
}

static void bad_offers(void **state)
{
	static const struct gw_rsvp_offer bad[] = {
		{ .tspec.rate_bps = 0 },
		{ .tspec.rate_bps = 0, .services = GW_RSVP_OFFER_NULL | GW_RSVP_OFFER_GUARANTEED },
		{ .tspec = { .rate_bps = 2, .peak_bps = 1 } },
		{ .tspec = { .rate_bps = 2, .min_bytes = 1501 } },
		{ .tspec = { .rate_bps = 2, .min_bytes = 101, .max_bytes = 100 } },
		{ .tspec.rate_bps = 2, .services = 8 },
		{ .tspec.rate_bps = 2, .data_ttl = 256 },
	};
	uint32_t id = open_session(mine);

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(offer(mine, id, &bad[i]), -EINVAL);
	assert_int_equal(session_request(mine, MSG_RSVP_SEND, id, "\1", 1), -EBADMSG);
	assert_false(host.sessions[0].sends);
}

/* ---- requests ---- */

static struct gw_rsvp_flow flow_from(uint8_t last)
{
	struct address sender = ip4(last, 5004);
	struct gw_rsvp_flow flow = { .tspec.rate_bps = 64000 };

	if (last != 0)
		address_to_sockaddr(&sender, &flow.sender.address);
	return flow;
}

static void requests_are_completed(void **state)
{
	struct gw_rsvp_flow flows[2] = { flow_from(1), flow_from(2) };
	struct gw_rsvp_request some = { .style = GW_RSVP_FF,
					.service = GW_RSVP_GUARANTEED,
					.dscp = 46,
					.flags = GW_RSVP_CONFIRM,
					.n_flows = 2,
					.flows = flows };
	uint32_t id = open_session(mine);

	(void)state;
	flows[1].rate_bps = 128000;
	flows[1].slack_us = 3;
	assert_int_equal(reserve(mine, id, &some), 0);
	assert_int_equal(host.request.n_flows, 2);
	assert_int_equal(host.request.dscp, 46);
	assert_int_equal(host.request.flags, GW_RSVP_CONFIRM);
	assert_int_equal(host.flows[0].rate_bps, 64000);
	assert_int_equal(host.flows[0].tspec.depth_bytes, 3000);
	assert_int_equal(host.flows[1].rate_bps, 128000);
	assert_int_equal(host.flows[1].slack_us, 3);
	/* One for all: the first says what. */
	some.style = GW_RSVP_SE;
	flows[1].tspec.rate_bps = 0;
	assert_int_equal(reserve(mine, id, &some), 0);
	assert_int_equal(host.flows[1].tspec.rate_bps, 64000);
	assert_int_equal(host.flows[1].rate_bps, 64000);
	/* No rate but that of the Tspec. */
	some.service = GW_RSVP_CONTROLLED_LOAD;
	flows[0].rate_bps = flows[0].slack_us = 5;
	assert_int_equal(reserve(mine, id, &some), 0);
	assert_int_equal(host.flows[0].rate_bps, 0);
	assert_int_equal(host.flows[0].slack_us, 0);
	some = (struct gw_rsvp_request){ .style = GW_RSVP_WF,
					 .service = GW_RSVP_NULL_SERVICE,
					 .dscp = -1,
					 .n_flows = 1,
					 .flows = (struct gw_rsvp_flow[]){ { .rate_bps = 0 } } };
	assert_int_equal(reserve(mine, id, &some), 0);
	assert_int_equal(host.request.dscp, -1);
	assert_int_equal(host.flows[0].tspec.max_bytes, 1500);
	assert_int_equal(reserve(mine, id, NULL), 0);
	assert_false(host.sessions[0].reserves);
}

static void bad_requests(void **state)
{
	struct gw_rsvp_flow named = flow_from(1), all = flow_from(0), slow = flow_from(1),
			    spi = flow_from(1), rateless = flow_from(1);
	struct gw_rsvp_request good = { .style = GW_RSVP_FF,
					.service = GW_RSVP_GUARANTEED,
					.dscp = -1,
					.n_flows = 1,
					.flows = &named },
			       bad[12];
	uint32_t id = open_session(mine);
	size_t n = 0;

	(void)state;
	slow.rate_bps = 63999;
	spi.sender.form = GW_RSVP_GPI;
	rateless.tspec.rate_bps = 0;
	for (size_t i = 0; i < 12; i++)
		bad[i] = good;
	bad[n++].style = (enum gw_rsvp_style)1;
	bad[n++].service = (enum gw_rsvp_service)1;
	bad[n++].dscp = 64;
	bad[n++].dscp = -2;
	bad[n++].flags = 2;
	bad[n++].n_flows = 0;
	bad[n++].flows = &all;
	bad[n++].flows = &slow;
	bad[n++].flows = &spi;
	bad[n++].flows = &rateless;
	bad[n++].style = GW_RSVP_WF; /* with a sender */
	bad[n].flows = (struct gw_rsvp_flow[]){ all, all };
	bad[n].n_flows = 2;
	bad[n++].style = GW_RSVP_WF;
	assert_int_equal(n, 12);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(reserve(mine, id, &bad[i]), -EINVAL);
	assert_int_equal(session_request(mine, MSG_RSVP_RESERVE, id, "\1", 1), -EBADMSG);
	assert_false(host.sessions[0].reserves);
	assert_int_equal(reserve(other, id, &good), -ENOENT);
	assert_int_equal(reserve(mine, id, &good), 0);
}

/* ---- seeing ---- */

static int list(struct owner *owner, uint32_t kinds, uint64_t token, struct msg *ret_reply)
{
	struct msg request = { .head = { .type = MSG_RSVP_LIST } };

	MSG_SET(&request, TAG_FLAGS, flags, kinds);
	MSG_SET(&request, TAG_TOKEN, token, token);
	return ask(owner, &request, ret_reply);
}

static uint32_t list_all(struct owner *owner, unsigned *ret_pages)
{
	struct signal_record decoded;
	struct codec_bytes nested;
	uint64_t token = 0;
	struct msg reply;
	uint32_t n = 0;

	*ret_pages = 0;
	do {
		size_t position = 0;

		assert_int_equal(list(owner, GW_RSVP_KIND_BIT(GW_RSVP_SENDER), token, &reply), 0);
		while (msg_next(reply_bytes, reply_len, TAG_RSVP, &position, &nested) == 1) {
			assert_int_equal(signal_record_decode(&nested, &decoded), 0);
			assert_int_equal(decoded.record.rate_bps, n);
			assert_int_equal(decoded.record.n_senders, 1);
			n++;
		}
		token = reply.token;
		(*ret_pages)++;
	} while (reply.more);
	return n;
}

static void lists_in_pages(void **state)
{
	unsigned pages;

	(void)state;
	assert_int_equal(list_all(mine, &pages), 0);
	assert_int_equal(pages, 1);
	host.n_records = 10000;
	assert_int_equal(list_all(mine, &pages), 10000);
	assert_true(pages > 10 && pages < 200);
	assert_false(host.view.everything);
	assert_int_equal(host.view.uid, 1000);
	host.rest_after = 7; /* somebody else's turn */
	assert_int_equal(list_all(root, &pages), 10000);
	assert_int_equal(pages, (10000 + 6) / 7);
	assert_true(host.view.everything);
}

static void bad_lists(void **state)
{
	struct msg reply;

	(void)state;
	assert_int_equal(list(mine, 0, 0, &reply), -EINVAL);
	assert_int_equal(list(mine, GW_RSVP_KIND_BIT(GW_RSVP_MESSAGE), 0, &reply), -EINVAL);
	assert_int_equal(list(mine, 1, 0, &reply), -EINVAL);
	assert_int_equal(list(mine, GW_RSVP_KIND_BIT(GW_RSVP_NEIGHBOUR), 0, &reply), -EACCES);
	assert_int_equal(list(root, GW_RSVP_KIND_BIT(GW_RSVP_NEIGHBOUR), 0, &reply), 0);
	host.error = -ENOMEM;
	assert_int_equal(list(root, GW_RSVP_KIND_BIT(GW_RSVP_NEIGHBOUR), 0, &reply), -ENOMEM);
}

static void watching(void **state)
{
	struct msg request = { .head = { .type = MSG_RSVP_WATCH } };

	(void)state;
	assert_int_equal(ask(mine, &request, NULL), -EACCES);
	assert_null(host.watching);
	assert_int_equal(ask(root, &request, NULL), 0);
	assert_ptr_equal(host.watching, root);
}

static void questions(void **state)
{
	struct msg request = open_request(IPPROTO_UDP);

	(void)state;
	request.head.type = MSG_RSVP_DIAGNOSE;
	MSG_SET(&request, TAG_SOURCE, source, ip4(1, 5004));
	MSG_SET(&request, TAG_COUNT, count, 255);
	MSG_SET(&request, TAG_TOKEN, token, UINT64_MAX);
	assert_int_equal(ask(mine, &request, NULL), 0);
	assert_ptr_equal(host.asked, mine);
	assert_int_equal(host.question.session.destination.port, 5004);
	assert_true(address_equal(&host.question.source, &request.source));
	assert_int_equal(host.question.max_hops, 255);
	assert_true(host.question.token == UINT64_MAX);
	host.error = -EBUSY;
	assert_int_equal(ask(mine, &request, NULL), -EBUSY);
	assert_int_equal(ask(elsewhere, &request, NULL), -EXDEV);
	request.count = 256;
	assert_int_equal(ask(mine, &request, NULL), -EINVAL);
	request.count = 1;
	request.source.family = AF_INET6;
	request.source.addr[10] = 0;
	assert_int_equal(ask(mine, &request, NULL), -EINVAL);
}

/* ---- telling ---- */

static void events(void **state)
{
	struct gw_rsvp_record record = { .size = sizeof(record),
					 .kind = GW_RSVP_RESERVATION,
					 .flags = GW_RSVP_GONE,
					 .style = GW_RSVP_WF,
					 .dscp = -1 };

	(void)state;
	server_signal(server, mine, GW_EVENT_RSVP_RESV, 7, 0, &record);
	assert_int_equal(told.n, 1);
	assert_ptr_equal(told.owner, mine);
	assert_false(told.must_arrive);
	assert_int_equal(told.message.event, GW_EVENT_RSVP_RESV);
	assert_int_equal(told.message.token, 7);
	assert_int_equal(told.message.time_us, 1234567);
	assert_int_equal(told.record.record.kind, GW_RSVP_RESERVATION);
	assert_int_equal(told.record.record.flags, GW_RSVP_GONE);
	assert_int_equal(told.record.record.style, GW_RSVP_WF);

	server_signal(server, root, GW_EVENT_COMPLETED, 8, -ETIMEDOUT, NULL);
	assert_int_equal(told.n, 2);
	assert_true(told.must_arrive);
	assert_int_equal(told.message.head.status, -ETIMEDOUT);
	assert_int_equal(told.message.token, 8);
	assert_false(MSG_HAS(&told.message, TAG_RSVP));
}

/* A message of 64 KiB as text does not fit, and what does is told. */
static void long_texts(void **state)
{
	char *text = malloc(100001);
	struct gw_rsvp_record record = {
		.size = sizeof(record), .kind = GW_RSVP_MESSAGE, .dscp = -1, .text = text
	};

	(void)state;
	memset(text, 'x', 100000);
	text[100000] = '\0';
	server_signal(server, root, GW_EVENT_RSVP_MESSAGE, 0, 0, &record);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.record.record.flags, GW_RSVP_CUT);
	assert_true(told.record.text.len > 10000);
	free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_signals),
		TEST(unable_to_ask),
		TEST(sessions_belong_to_owners),
		TEST(bad_sessions),
		TEST(all_ends_with_its_owner),
		TEST(offers_are_completed),
		TEST(bad_offers),
		TEST(requests_are_completed),
		TEST(bad_requests),
		TEST(lists_in_pages),
		TEST(bad_lists),
		TEST(watching),
		TEST(questions),
		TEST(events),
		TEST(long_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
