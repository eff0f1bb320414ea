/* SPDX-License-Identifier: MIT */
/*
 * test_server.c: the engine as its clients meet it, in messages: what is no message, what is no
 * request, and lists whose flows come and go between their pages.
 */
#include "engine/server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fake_datapath.h"
#include "fake_measuring.h"

#define BAD_FD 999 /* what is passed is no socket */
#define BASE_FD 100

static struct fake_datapath datapath;
static struct server *server;
static struct owner *mine, *other, *root;

struct sent {
	struct owner *owner;
	struct msg message;
	bool must_arrive;
};
static struct sent events[64];
static size_t n_events;

/* ---- ports: a descriptor's number is its socket's cookie ---- */

static int port_identify(void *user_data, int fd, bool cookie_only,
			 struct engine_socket *ret_socket)
{
	(void)user_data;
	(void)cookie_only;
	if (fd == BAD_FD)
		return -ENOTSOCK;
	*ret_socket = (struct engine_socket){
		.fd = fd, .cookie = (uint64_t)fd, .family = AF_INET, .protocol = IPPROTO_UDP
	};
	return 0;
}

static int port_route(void *user_data, const struct address *destination,
		      const struct engine_socket *socket, struct engine_route *ret_route)
{
	(void)user_data;
	(void)destination;
	(void)socket;
	ret_route->on_link = true;
	ret_route->ifindex = 4;
	return 0;
}

static bool port_is_administrator(void *user_data, const struct owner *owner)
{
	(void)user_data;
	return owner_info(owner)->uid == 0;
}

static int port_group_create(void *user_data, const struct owner *owner, uint64_t *ret_group)
{
	(void)user_data;
	(void)owner;
	*ret_group = 77;
	return 0;
}

static void port_group_end(void *user_data, uint64_t group)
{
	(void)user_data;
	(void)group;
}

static void port_send_event(void *user_data, struct owner *owner, const void *buf, size_t len,
			    bool must_arrive)
{
	struct sent *sent = &events[n_events % 64];

	(void)user_data;
	n_events++;
	*sent = (struct sent){ .owner = owner, .must_arrive = must_arrive };
	assert_int_equal(msg_decode(buf, len, &sent->message), 0);
}

static uint64_t now_us = 1000;
static uint64_t clock_step_us, n_clock; /* the wall clock goes on each time it is read */

static uint64_t port_wall_clock(void *user_data)
{
	(void)user_data;
	return 123456789 + clock_step_us * n_clock++;
}

static void port_facts(void *user_data, const struct fact_visitor *visitor)
{
	struct msg_fact fact = { .kind = GW_FACT_MECHANISM, .name = "fake", .value = "yes" };

	(void)user_data;
	memset(fact.note, 'x', sizeof(fact.note) - 1);
	for (int i = 0; i < 300; i++) /* several pages */
		visitor->visit(&fact, visitor->visit_data);
}

/* ---- exchanges ---- */

static const void *reply_bytes;
static size_t reply_len;
static const char *why;

static long handle(struct owner *owner, const void *buf, size_t len, const int *fds, size_t n_fds)
{
	void *exact = malloc(len ? len : 1);
	long r;

	memcpy(exact, buf, len);
	why = NULL;
	r = server_handle(server, owner, exact, len, fds, n_fds, now_us, &reply_bytes, &why);
	free(exact);
	return r;
}

/* Sends a request that is well-formed; returns the status of its reply. */
static int ask(struct owner *owner, struct msg *request, const int *fds, size_t n_fds,
	       struct msg *ret_reply)
{
	unsigned char buf[1024];
	struct msg reply;
	long len = msg_encode(request, buf, sizeof(buf));

	assert_true(len > 0);
	request->head.serial++;
	len = msg_encode(request, buf, sizeof(buf));
	len = handle(owner, buf, (size_t)len, fds, n_fds);
	assert_true(len > 0);
	reply_len = (size_t)len;
	assert_int_equal(msg_decode(reply_bytes, reply_len, &reply), 0);
	assert_int_equal(reply.head.type, request->head.type);
	assert_int_equal(reply.head.serial, request->head.serial);
	if (reply.head.status < 0)
		assert_true(reply.present == 0);
	if (ret_reply)
		*ret_reply = reply;
	return reply.head.status;
}

static int say_hello(struct owner *owner, uint32_t protocol, const char *api, struct msg *ret_reply)
{
	struct msg request = { .head = { .type = MSG_HELLO } };

	MSG_SET(&request, TAG_PROTOCOL, protocol, protocol);
	strncpy(request.api, api, sizeof(request.api) - 1);
	request.present |= CODEC_BIT(TAG_API);
	return ask(owner, &request, NULL, 0, ret_reply);
}

static struct owner *stranger(uint32_t uid)
{
	struct engine_owner_info info = { .uid = uid, .pid = 1 };
	struct owner *owner;

	assert_int_equal(server_connect(server, &info, server, &owner), 0);
	return owner;
}

static struct owner *friend(uint32_t uid)
{
	struct owner *owner = stranger(uid);

	assert_int_equal(say_hello(owner, MSG_PROTOCOL, "native", NULL), 0);
	return owner;
}

static struct msg add_request(uint16_t port)
{
	struct msg request = { .head = { .type = MSG_ADD } };

	MSG_SET(&request, TAG_FLOW_ID, flow_id, 0);
	MSG_SET(&request, TAG_CLASS, traffic_class, GW_CLASS_VOICE);
	MSG_SET(&request, TAG_FLAGS, flags, 0);
	MSG_SET(&request, TAG_DSCP, dscp, GW_DSCP_FROM_CLASS);
	request.address = (struct address){ .family = AF_INET,
					    .port = port,
					    .addr = { [10] = 0xff, 0xff, 198, 51, 100, 1 } };
	request.present |= CODEC_BIT(TAG_ADDRESS);
	return request;
}

static uint32_t add(struct owner *owner, int fd, uint16_t port)
{
	struct msg request = add_request(port), reply;

	assert_int_equal(ask(owner, &request, &fd, 1, &reply), 0);
	return reply.flow_id;
}

static int remove_flow(struct owner *owner, uint32_t id)
{
	struct msg request = { .head = { .type = MSG_REMOVE } };

	MSG_SET(&request, TAG_FLOW_ID, flow_id, id);
	return ask(owner, &request, NULL, 0, NULL);
}

static struct {
	const struct owner *owner;
	uint32_t flow_id;
	char why[ADMISSION_TEXT_LEN];
} last_refusal;

static void port_refused(void *user_data, const struct owner *owner, uint32_t flow_id,
			 const char *text)
{
	(void)user_data;
	last_refusal.owner = owner;
	last_refusal.flow_id = flow_id;
	snprintf(last_refusal.why, sizeof(last_refusal.why), "%s", text);
}

static int set_up(void **state)
{
	struct server_ports ports = {
		.datapath = &fake_datapath_ops_descriptors,
		.datapath_data = &datapath,
		.route = port_route,
		.is_administrator = port_is_administrator,
		.group_create = port_group_create,
		.group_end = port_group_end,
		.identify = port_identify,
		.send_event = port_send_event,
		.refused = port_refused,
		.wall_clock_us = port_wall_clock,
		.facts = port_facts,
	};
	struct engine_config config;

	(void)state;
	memset(&datapath, 0, sizeof(datapath));
	engine_config_default(&config);
	server = server_new(&ports, &config, GW_MODE_DAEMON, "1.2.3");
	assert_non_null(server);
	mine = friend(1000);
	other = friend(1001);
	root = friend(0);
	n_events = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	server = server_free(server);
	assert_int_equal(datapath.n_marks, 0);
	assert_int_equal(datapath.n_meters, 0);
	return 0;
}

/* ---- requests that wait ---- */

static struct fake_measuring measuring;

static struct measured *measured(void)
{
	struct msg request = add_request(1);

	return fake_measured(&measuring, &request.address);
}

static uint32_t add_adaptive(void)
{
	struct msg request = add_request(1), reply;
	const int fd = BASE_FD;

	fake_measuring_init(&measuring);
	engine_set_measuring(server_engine(server), &measuring.table, now_us);
	request.flags = GW_FLOW_ADAPTIVE;
	assert_int_equal(ask(mine, &request, &fd, 1, &reply), 0);
	engine_path_event(server_engine(server), measured()->path, MEASURING_EVENT_SUPPORTED,
			  now_us);
	return reply.flow_id;
}

/* Sends a request that is not answered yet. */
static void ask_later(struct msg *request, uint32_t serial, const int *fds, size_t n_fds)
{
	unsigned char buf[1024];
	long len;

	request->head.serial = serial;
	len = msg_encode(request, buf, sizeof(buf));
	assert_int_equal(handle(mine, buf, (size_t)len, fds, n_fds), 0);
	assert_int_equal(n_events, 0);
}

static const struct msg *answered(uint16_t type, uint32_t serial, int status)
{
	assert_int_equal(n_events, 1);
	assert_ptr_equal(events[0].owner, mine);
	assert_true(events[0].must_arrive);
	assert_int_equal(events[0].message.head.type, type);
	assert_int_equal(events[0].message.head.serial, serial);
	assert_int_equal(events[0].message.head.status, status);
	n_events = 0;
	return &events[0].message;
}

/* By its number, when it has ended, and others are answered meanwhile. */
static void answered_later(void **state)
{
	uint32_t id = add_adaptive();
	struct msg request = { .head = { .type = MSG_QUERY_PATH } };
	const struct msg *reply;

	(void)state;
	MSG_SET(&request, TAG_FLOW_ID, flow_id, id);
	MSG_SET(&request, TAG_FLAGS, flags, GW_PATH_FRESH);
	ask_later(&request, 4711, NULL, 0);
	assert_int_not_equal(add(mine, BASE_FD + 1, 1), 0);
	measured()->fundamentals_status = 0;
	measured()->info =
		(struct gw_path_info){ .available_known = 1, .rtt_known = 1, .rtt_us = 9 };
	engine_path_event(server_engine(server), measured()->path, MEASURING_EVENT_REFRESHED,
			  now_us);
	reply = answered(MSG_QUERY_PATH, 4711, 0);
	assert_false(MSG_HAS(reply, TAG_CAPACITY));
	assert_true(MSG_HAS(reply, TAG_AVAILABLE) && MSG_HAS(reply, TAG_RTT));
	assert_int_equal(reply->rtt_us, 9);
	assert_false(MSG_HAS(reply, TAG_EVENT));
	ask_later(&request, 4712, NULL, 0);
	assert_int_equal(remove_flow(mine, id), 0);
	answered(MSG_QUERY_PATH, 4712, -ECANCELED);
}

static struct msg rate_request(uint32_t id, uint64_t rate_bps)
{
	struct msg request = { .head = { .type = MSG_SET_RATE } };

	MSG_SET(&request, TAG_FLOW_ID, flow_id, id);
	MSG_SET(&request, TAG_RATE, rate_bps, rate_bps);
	MSG_SET(&request, TAG_SHAPING, shaping, GW_SHAPE_AND_MARK);
	MSG_SET(&request, TAG_REASON, reason, 0);
	return request;
}

/* Its descriptors are not kept: they must come again with what has been granted. */
static void rate_answered_later(void **state)
{
	uint32_t id = add_adaptive();
	struct msg request = rate_request(id, 1000000);
	const int fd = BASE_FD;

	(void)state;
	ask_later(&request, 5, &fd, 1);
	engine_path_admitted(server_engine(server), measured()->path,
			     measured()->wishes[0].wish.token, 0, now_us);
	assert_int_equal(answered(MSG_SET_RATE, 5, 0)->flags, MSG_GRANTED);
	assert_int_equal(datapath.n_marks, 0);
	assert_int_equal(ask(mine, &request, &fd, 1, NULL), 0);
	assert_int_equal(datapath.n_marks, 1);
	request = rate_request(id, 2000000);
	ask_later(&request, 6, &fd, 1);
	engine_path_admitted(server_engine(server), measured()->path,
			     measured()->wishes[1].wish.token, -EBUSY, now_us);
	answered(MSG_SET_RATE, 6, -EDQUOT);
}

/* With a token it is answered at once, and an event tells the end. */
static void told_by_token(void **state)
{
	uint32_t id = add_adaptive();
	struct msg request = rate_request(id, 1000000), reply, cancel = { .head = { MSG_CANCEL } };

	(void)state;
	MSG_SET(&request, TAG_TOKEN, token, 99);
	assert_int_equal(ask(mine, &request, NULL, 0, &reply), 0);
	assert_int_equal(reply.flags, MSG_PENDING);
	MSG_SET(&request, TAG_TOKEN, token, 100);
	assert_int_equal(ask(mine, &request, NULL, 0, NULL), -EALREADY);
	MSG_SET(&cancel, TAG_TOKEN, token, 99);
	assert_int_equal(ask(mine, &cancel, NULL, 0, NULL), 0);
	assert_int_equal(answered(MSG_EVENT, 0, -ECANCELED)->token, 99);
	assert_int_equal(events[0].message.event, GW_EVENT_COMPLETED);
}

/* The end of the handle answers all that wait; that of the connection nobody. */
static void waiting_at_the_end(void **state)
{
	struct msg request = { .head = { .type = MSG_TRACK_START } };
	struct msg end = { .head = { .type = MSG_END } };

	(void)state;
	add_adaptive();
	request.address = add_request(1).address;
	request.address.addr[15]++;
	request.present |= CODEC_BIT(TAG_ADDRESS);
	ask_later(&request, 8, NULL, 0);
	assert_int_equal(ask(mine, &end, NULL, 0, NULL), 0);
	answered(MSG_TRACK_START, 8, -ECANCELED);
	mine = friend(1000);
	ask_later(&request, 9, NULL, 0);
	server_disconnect(server, mine, now_us);
	assert_int_equal(n_events, 0);
}

/* ---- introductions ---- */

static void hello(void **state)
{
	struct owner *owner = stranger(1000);
	struct msg reply, request = { .head = { .type = MSG_STATUS } };
	unsigned char buf[64];
	long len = msg_encode(&request, buf, sizeof(buf));

	(void)state;
	assert_int_equal(handle(owner, buf, (size_t)len, NULL, 0), -EPROTO);
	assert_string_equal(why, "no hello");
	assert_int_equal(say_hello(owner, MSG_PROTOCOL + 1, "native", NULL), -EPROTONOSUPPORT);
	assert_int_equal(say_hello(owner, MSG_PROTOCOL, "\033[2J", NULL), -EINVAL);
	assert_int_equal(say_hello(owner, MSG_PROTOCOL, "na\xc3\xafve", NULL), -EINVAL);
	assert_string_equal(owner_info(owner)->api, "");
	assert_int_equal(say_hello(owner, MSG_PROTOCOL, "native", &reply), 0);
	assert_int_equal(reply.mode, GW_MODE_DAEMON);
	assert_string_equal(reply.version, "1.2.3");
	assert_int_equal(reply.host_flags,
			 MSG_HOST_NEEDS_FDS | MSG_HOST_RATES | MSG_HOST_SIGNALS | MSG_HOST_QOS);
	assert_string_equal(owner_info(owner)->api, "native");
	assert_int_equal(handle(owner, buf, (size_t)len, NULL, 0) > 0, 1);

	request.head.type = MSG_HELLO;
	MSG_SET(&request, TAG_PROTOCOL, protocol, MSG_PROTOCOL);
	request.present |= CODEC_BIT(TAG_API);
	memcpy(request.api, "again", 6);
	len = msg_encode(&request, buf, sizeof(buf));
	assert_int_equal(handle(owner, buf, (size_t)len, NULL, 0), -EPROTO);
	assert_string_equal(why, "second hello");
	assert_string_equal(owner_info(owner)->api, "native");
	request.api[0] = '\0';
	len = msg_encode(&request, buf, sizeof(buf));
	assert_int_equal(handle(stranger(1), buf, (size_t)len, NULL, 0), -EPROTO);
	assert_string_equal(why, "hello without a name");
}

/* ---- rates, reservations, tuples ---- */

static struct msg reserve_request(uint32_t id, uint64_t rate_bps)
{
	struct msg request = { .head = { .type = MSG_RESERVE } };

	MSG_SET(&request, TAG_FLOW_ID, flow_id, id);
	MSG_SET(&request, TAG_RATE, rate_bps, rate_bps);
	MSG_SET(&request, TAG_EXCESS, excess, GW_EXCESS_REMARK);
	return request;
}

/* Every figure of the bucket arrives, and the descriptor reaches the datapath. */
static void reserving(void **state)
{
	uint32_t id = add(mine, BASE_FD, 1);
	struct msg request = reserve_request(id, 1000000);
	const struct datapath_meter *meter;
	int fd = BASE_FD;

	(void)state;
	assert_int_equal(ask(mine, &request, &fd, 1, NULL), 0);
	meter = &fake_meter_of(&datapath, id)->meter;
	assert_int_equal(meter->reserved_bps, 1000000);
	assert_int_equal(meter->bucket.depth_bytes, 12500);
	assert_int_equal(meter->excess, DATAPATH_EXCESS_REMARK);
	assert_int_equal(datapath.last_fd, BASE_FD);
	MSG_SET(&request, TAG_DEPTH, depth_bytes, 20000);
	MSG_SET(&request, TAG_PEAK, peak_bps, 3000000);
	MSG_SET(&request, TAG_MIN_BYTES, min_bytes, 60);
	MSG_SET(&request, TAG_MAX_BYTES, max_bytes, 1500);
	MSG_SET(&request, TAG_EXCESS, excess, GW_EXCESS_DROP);
	assert_int_equal(ask(mine, &request, &fd, 1, NULL), 0);
	assert_int_equal(meter->bucket.depth_bytes, 20000);
	assert_int_equal(meter->bucket.peak_bps, 3000000);
	assert_int_equal(meter->bucket.min_bytes, 60);
	assert_int_equal(meter->bucket.max_bytes, 1500);
	assert_int_equal(meter->excess, DATAPATH_EXCESS_DROP);
	MSG_SET(&request, TAG_EXCESS, excess, GW_EXCESS_BEST_EFFORT + 1);
	assert_int_equal(ask(mine, &request, NULL, 0, NULL), -EINVAL);
	assert_int_equal(ask(other, &request, NULL, 0, NULL), -EINVAL);
	request = reserve_request(id, 0);
	assert_int_equal(ask(other, &request, NULL, 0, NULL), -ENOENT);
	assert_int_equal(ask(mine, &request, NULL, 0, NULL), 0);
	assert_int_equal(datapath.n_meters, 0);
}

static void no_more_to_reserve(void **state)
{
	struct admission_link_config config = { .rate_bps = 2000000, .share = 50 };
	uint32_t id = add(mine, BASE_FD, 1);
	struct msg request = reserve_request(id, 1000000);

	(void)state;
	assert_int_equal(engine_set_link(server_engine(server), 4, &config), 0);
	assert_int_equal(ask(mine, &request, NULL, 0, NULL), -EDQUOT);
	assert_ptr_equal(last_refusal.owner, mine);
	assert_int_equal(last_refusal.flow_id, id);
	assert_non_null(strstr(last_refusal.why, "0 of 1000000 bit/s are reserved already; "
						 "reservable = 50% of the link"));
	request.rate_bps = 900000;
	assert_int_equal(ask(mine, &request, NULL, 0, NULL), 0);
}

static void tuples(void **state)
{
	struct msg request = add_request(5060), reply;
	struct datapath_tuple tuple = { .destination = request.address,
					.protocol = IPPROTO_UDP,
					.ifindex = 3 };

	(void)state;
	request.head.type = MSG_ADD_TUPLE;
	MSG_SET(&request, TAG_IP_PROTOCOL, ip_protocol, IPPROTO_UDP);
	MSG_SET(&request, TAG_INTERFACE, ifindex, 3);
	assert_int_equal(ask(mine, &request, NULL, 0, NULL), -EACCES);
	assert_int_equal(ask(root, &request, NULL, 0, &reply), 0);
	assert_non_null(fake_find_tuple(&datapath, &tuple));
	assert_int_equal(ask(root, &request, NULL, 0, NULL), -EEXIST);
	tuple.source = request.source = request.address;
	request.present |= CODEC_BIT(TAG_SOURCE);
	assert_int_equal(ask(root, &request, NULL, 0, NULL), 0);
	assert_non_null(fake_find_tuple(&datapath, &tuple));
	assert_int_equal(remove_flow(root, reply.flow_id), 0);
	assert_int_equal(datapath.n_marks, 1);
}

/* With a rate the program starts under its meter; without one, or from older clients, it has none. */
static void programs_with_rates(void **state)
{
	struct msg request = add_request(1), reply;

	(void)state;
	request.head.type = MSG_RUN;
	assert_int_equal(ask(mine, &request, NULL, 0, &reply), 0);
	assert_null(fake_meter_of(&datapath, reply.flow_id));
	engine_end_group(server_engine(server), 77, END_GROUP_EMPTY, 0);
	MSG_SET(&request, TAG_RATE, rate_bps, 1000000);
	assert_int_equal(ask(mine, &request, NULL, 0, &reply), 0);
	assert_int_equal(fake_meter_of(&datapath, reply.flow_id)->meter.bucket.rate_bps, 1000000);
}

/* ---- what is no message ---- */

static void malformed(void **state)
{
	static unsigned char big[MSG_MAX + 1];
	struct msg request = add_request(1);
	unsigned char buf[1024];
	size_t len = (size_t)msg_encode(&request, buf, sizeof(buf));
	int fd = BASE_FD;

	(void)state;
	for (size_t n = 0; n < len; n++) {
		/* A cut between two fields leaves out the last ones: missing, not malformed. */
		long r = handle(mine, buf, n, &fd, 1);

		if (r > 0)
			continue; /* the address is not needed */
		assert_true(r == -EBADMSG || r == -EPROTO);
		assert_non_null(why);
	}
	assert_int_equal(handle(mine, big, sizeof(big), NULL, 0), -EBADMSG);
	assert_int_equal(handle(mine, "", 0, NULL, 0), -EBADMSG);
}

static void unknown_requests(void **state)
{
	(void)state;
	for (int type = 0; type < 0x10000; type++) {
		struct msg_head head = { .type = (uint16_t)type };

		if (type >= MSG_HELLO && type <= MSG_QOS_QUERY)
			continue;
		assert_int_equal(handle(mine, &head, sizeof(head), NULL, 0), -EPROTO);
		assert_string_equal(why, "unknown request");
	}
}

/* Each request without each of its fields; and with fields that nobody knows yet. */
static void missing_fields(void **state)
{
	int refused = 0;

	(void)state;
	for (uint16_t type = MSG_END; type <= MSG_QOS_QUERY; type++) {
		struct msg_head head = { .type = type };
		long r = handle(other, &head, sizeof(head), NULL, 0);

		if (type == MSG_END || type == MSG_STATUS || type == MSG_WATCH ||
		    type == MSG_RSVP_WATCH || type == MSG_QOS_LOOK || type == MSG_QOS_QUERY) {
			assert_true(r > 0);
			continue;
		}
		assert_int_equal(r, -EPROTO);
		assert_string_equal(why, "request lacks a field");
		refused++;
	}
	assert_int_equal(refused, 28);
	for (uint16_t tag = TAG_FLOW_ID; tag <= TAG_DSCP; tag++) {
		struct msg request = add_request(1);
		unsigned char buf[1024];
		long len;

		request.present &= ~CODEC_BIT(tag);
		len = msg_encode(&request, buf, sizeof(buf));
		assert_int_equal(handle(mine, buf, (size_t)len, NULL, 0), -EPROTO);
	}
}

static void unknown_fields_are_skipped(void **state)
{
	struct msg request = { .head = { .type = MSG_STATUS } };
	unsigned char buf[256];
	long len = msg_encode(&request, buf, sizeof(buf));

	(void)state;
	len = codec_append(TAG_LAST, "from the future", 15, buf, (size_t)len, sizeof(buf));
	len = codec_append(60000, "", 0, buf, (size_t)len, sizeof(buf));
	assert_true(handle(mine, buf, (size_t)len, NULL, 0) > 0);
}

/* ---- descriptors ---- */

static void descriptors(void **state)
{
	struct msg request = add_request(1);
	int fds[MSG_MAX_FDS + 10], bad = BAD_FD;

	(void)state;
	for (unsigned i = 0; i < MSG_MAX_FDS + 10; i++)
		fds[i] = BASE_FD + (int)i;
	assert_int_equal(ask(mine, &request, NULL, 0, NULL), -ENOTSOCK);
	assert_int_equal(ask(mine, &request, fds, 2, NULL), -ENOTSOCK);
	assert_int_equal(ask(mine, &request, &bad, 1, NULL), -ENOTSOCK);
	assert_int_equal(datapath.n_marks, 0);
	assert_int_equal(ask(mine, &request, fds, 1, NULL), 0);
	/* The datapath is given the descriptor that came along, and no other. */
	assert_int_equal(datapath.marks[0].target.fd, BASE_FD);
	request = (struct msg){ .head = { .type = MSG_SET_CLASS } };
	MSG_SET(&request, TAG_FLOW_ID, flow_id, 1);
	MSG_SET(&request, TAG_CLASS, traffic_class, GW_CLASS_CONTROL);
	assert_int_equal(ask(mine, &request, fds, MSG_MAX_FDS + 10, NULL), 0);
	assert_int_equal(datapath.marks[0].target.fd, BASE_FD);
	assert_int_equal(ask(mine, &request, &bad, 1, NULL), 0);
	assert_int_equal(datapath.marks[0].target.fd, -1);
}

/* ---- the end ---- */

/* What other threads of the program had on their way when one ended the handle comes too late. */
static void nothing_after_the_end(void **state)
{
	struct msg end = { .head = { .type = MSG_END } }, request = add_request(2);
	int fd = BASE_FD;

	(void)state;
	add(mine, fd, 1);
	add(other, fd + 1, 1);
	assert_int_equal(ask(mine, &end, &fd, 1, NULL), 0);
	assert_int_equal(datapath.n_marks, 1);
	assert_int_equal(ask(mine, &request, &fd, 1, NULL), -ECANCELED);
	assert_int_equal(datapath.n_marks, 1);
	assert_int_equal(ask(mine, &end, NULL, 0, NULL), 0);
	assert_int_equal(engine_counters(server_engine(server))->ended_by[END_HANDLE_CLOSED], 1);
	server_disconnect(server, mine, 0);
	mine = friend(1000);
	assert_int_equal(ask(mine, &request, &fd, 1, NULL), 0);
}

/* Completions must arrive; what is only of interest need not. */
static void events_and_completions(void **state)
{
	struct msg request = add_request(1), notify = { .head = { .type = MSG_NOTIFY } }, reply;
	struct msg watch = { .head = { .type = MSG_WATCH } };
	int fd = BASE_FD;

	(void)state;
	request.flags = GW_FLOW_ADAPTIVE;
	assert_int_equal(ask(root, &watch, NULL, 0, NULL), 0);
	assert_int_equal(ask(mine, &request, &fd, 1, &reply), 0);
	assert_int_equal(n_events, 1);
	assert_ptr_equal(events[0].owner, root);
	assert_int_equal(events[0].message.event, GW_EVENT_FLOW_ADDED);
	assert_true(events[0].message.time_us == 123456789);
	assert_false(events[0].must_arrive);
	MSG_SET(&notify, TAG_FLOW_ID, flow_id, reply.flow_id);
	MSG_SET(&notify, TAG_CONDITION, condition, GW_CONDITION_CONGESTED);
	MSG_SET(&notify, TAG_RATE, rate_bps, 0);
	MSG_SET(&notify, TAG_TOKEN, token, 0xabcdef);
	assert_int_equal(ask(mine, &notify, NULL, 0, &reply), 0);
	assert_int_equal(reply.flags, 1);
	assert_int_equal(remove_flow(mine, 1), 0);
	assert_int_equal(n_events, 3);
	for (size_t i = 1; i < 3; i++) {
		if (events[i].owner == root)
			continue;
		assert_ptr_equal(events[i].owner, mine);
		assert_true(events[i].must_arrive);
		assert_true(events[i].message.token == 0xabcdef);
		assert_int_equal(events[i].message.head.status, -ECANCELED);
	}
}

/* ---- lists ---- */

#define FLOWS 10000

struct listing {
	uint32_t ids[FLOWS + 100];
	size_t n;
	int pages;
};

/* One more page; false after the last. `request` keeps the place. */
static bool list_page(struct owner *owner, struct msg *request, struct listing *listing)
{
	struct codec_bytes nested;
	struct msg reply;
	size_t position = 0;

	assert_int_equal(ask(owner, request, NULL, 0, &reply), 0);
	assert_true(reply_len <= MSG_MAX);
	while (msg_next(reply_bytes, reply_len, TAG_RECORD, &position, &nested) == 1) {
		struct gw_flow_record record;

		assert_int_equal(record_decode(&nested, &record), 0);
		assert_true(listing->n < FLOWS + 100);
		listing->ids[listing->n++] = record.id;
	}
	listing->pages++;
	request->flow_id = reply.flow_id;
	request->token = reply.token;
	return reply.more;
}

static struct msg list_request(void)
{
	struct msg request = { .head = { .type = MSG_LIST } };

	MSG_SET(&request, TAG_FLOW_ID, flow_id, 0);
	MSG_SET(&request, TAG_TOKEN, token, 0);
	MSG_SET(&request, TAG_FLAGS, flags, 0);
	return request;
}

static void list_of_ten_thousand(void **state)
{
	static struct listing listing;
	struct msg request = list_request();

	(void)state;
	listing = (struct listing){ 0 };
	for (int i = 0; i < FLOWS; i++)
		assert_int_equal(add(root, BASE_FD + i % 100, (uint16_t)(i + 1)), i + 1);
	while (list_page(root, &request, &listing))
		;
	assert_int_equal(listing.n, FLOWS);
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_int_equal(listing.ids[i], i + 1);
	assert_true(listing.pages > 10);
	/* A plain user sees none of them. */
	listing = (struct listing){ 0 };
	request = list_request();
	while (list_page(mine, &request, &listing))
		;
	assert_int_equal(listing.n, 0);
}

/* Between pages every other flow ends: those that stay are all seen, each once, in order. */
static void flows_vanish_between_pages(void **state)
{
	static struct listing listing;
	struct msg request = list_request();
	uint32_t next = 1;
	bool more;

	(void)state;
	listing = (struct listing){ 0 };
	for (int i = 0; i < FLOWS; i++)
		add(root, BASE_FD, (uint16_t)(i + 1));
	do {
		more = list_page(root, &request, &listing);
		for (uint32_t k = 0; k < 150 && next <= FLOWS; k++, next += 2)
			assert_int_equal(remove_flow(root, next), 0);
	} while (more);
	for (size_t i = 1; i < listing.n; i++)
		assert_true(listing.ids[i] > listing.ids[i - 1]);
	for (uint32_t even = 2, i = 0; even <= FLOWS; even += 2) {
		while (i < listing.n && listing.ids[i] < even)
			i++;
		assert_true(i < listing.n && listing.ids[i] == even);
	}
}

/* The flow in whose middle a page ended is gone: the next one's records are not taken for shown. */
static void flow_vanishes_in_the_middle(void **state)
{
	static struct listing listing;
	struct msg request = list_request(), attach;
	uint32_t large = add(mine, BASE_FD, 1), after = 0;
	int fd = BASE_FD;
	size_t shown;

	(void)state;
	listing = (struct listing){ 0 };
	for (uint16_t port = 2; port <= 500; port++) {
		attach = add_request(port);
		attach.flow_id = large;
		assert_int_equal(ask(mine, &attach, &fd, 1, NULL), 0);
	}
	after = add(mine, BASE_FD + 1, 1);
	for (uint16_t port = 2; port <= 150; port++) {
		attach = add_request(port);
		attach.flow_id = after;
		fd = BASE_FD + 1;
		assert_int_equal(ask(mine, &attach, &fd, 1, NULL), 0);
	}
	assert_true(list_page(mine, &request, &listing));
	shown = listing.n;
	assert_true(shown > 10 && shown < 500);
	assert_int_equal(listing.ids[shown - 1], large);
	assert_int_equal(remove_flow(mine, large), 0);
	while (list_page(mine, &request, &listing))
		;
	assert_int_equal(listing.n - shown, 150);
	assert_int_equal(listing.ids[shown], after);
}

/* Undisturbed, a flow of many pairs is shown whole. */
static void large_flow(void **state)
{
	static struct listing listing;
	struct msg request = list_request(), attach;
	uint32_t large = add(mine, BASE_FD, 1);
	int fd = BASE_FD;

	(void)state;
	listing = (struct listing){ 0 };
	for (uint16_t port = 2; port <= 1000; port++) {
		attach = add_request(port);
		attach.flow_id = large;
		assert_int_equal(ask(mine, &attach, &fd, 1, NULL), 0);
	}
	while (list_page(mine, &request, &listing))
		;
	assert_int_equal(listing.n, 1000);
	assert_true(listing.pages > 3);
}

static void who_sees_what(void **state)
{
	struct listing *listing = calloc(1, sizeof(*listing));
	struct msg request, reply;
	uint32_t ids[4];

	(void)state;
	assert_non_null(listing);
	add(mine, BASE_FD, 1);
	add(other, BASE_FD + 1, 1);
	add(root, BASE_FD + 2, 1);
	request = list_request();
	assert_false(list_page(mine, &request, listing));
	assert_int_equal(listing->n, 1);
	assert_int_equal(listing->ids[0], 1);
	request = list_request();
	assert_false(list_page(root, &request, listing));
	assert_int_equal(listing->n, 4);
	free(listing);
	/* Q-191..Q-194 */
	request = (struct msg){ .head = { .type = MSG_ENUMERATE } };
	MSG_SET(&request, TAG_FLOW_ID, flow_id, 0);
	assert_int_equal(ask(mine, &request, NULL, 0, NULL), -EACCES);
	assert_int_equal(ask(root, &request, NULL, 0, &reply), 0);
	assert_int_equal(reply.ids.len, 12);
	memcpy(ids, reply.ids.data, 12);
	assert_int_equal(ids[0], 1);
	assert_int_equal(ids[2], 3);
	assert_false(reply.more);
}

static void enumerate_in_pages(void **state)
{
	struct msg request = { .head = { .type = MSG_ENUMERATE } }, reply;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < FLOWS; i++)
		add(root, BASE_FD, (uint16_t)(i + 1));
	MSG_SET(&request, TAG_FLOW_ID, flow_id, 0);
	do {
		assert_int_equal(ask(root, &request, NULL, 0, &reply), 0);
		n += reply.ids.len / 4;
		memcpy(&request.flow_id, (const char *)reply.ids.data + reply.ids.len - 4, 4);
	} while (reply.more);
	assert_int_equal(n, FLOWS);
	assert_int_equal(request.flow_id, FLOWS);
}

static void facts_in_pages(void **state)
{
	struct msg request = { .head = { .type = MSG_FACTS } }, reply;
	int n = 0, pages = 0;

	(void)state;
	MSG_SET(&request, TAG_COUNT, count, 0);
	do {
		struct codec_bytes nested;
		size_t position = 0;

		assert_int_equal(ask(mine, &request, NULL, 0, &reply), 0);
		while (msg_next(reply_bytes, reply_len, TAG_FACT, &position, &nested) == 1)
			n++;
		request.count = reply.count;
		pages++;
	} while (reply.more);
	assert_true(pages > 1);
	assert_true(n > 300 && n < 400);
}

static void status(void **state)
{
	struct msg request = { .head = { .type = MSG_STATUS } }, reply;

	(void)state;
	add(mine, BASE_FD, 1);
	add(mine, BASE_FD, 2);
	assert_int_equal(ask(mine, &request, NULL, 0, &reply), 0);
	assert_int_equal(reply.count, 2);
	assert_int_equal(reply.entries, 2);
	assert_string_equal(reply.version, "1.2.3");
}

/* what is another's is not there. */
static void foreign_flows(void **state)
{
	uint32_t id = add(mine, BASE_FD, 1);
	struct msg query = { .head = { .type = MSG_QUERY } }, reply;

	(void)state;
	assert_int_equal(remove_flow(other, id), -ENOENT);
	assert_int_equal(remove_flow(root, id), -ENOENT);
	MSG_SET(&query, TAG_FLOW_ID, flow_id, id);
	assert_int_equal(ask(other, &query, NULL, 0, NULL), -ENOENT);
	assert_int_equal(ask(root, &query, NULL, 0, &reply), 0);
	assert_int_equal(reply.conformant_dscp, 56);
	assert_int_equal(remove_flow(mine, id), 0);
}

static uint64_t entries_seen_by(struct owner *owner)
{
	struct msg request = { .head = { .type = MSG_STATUS } };
	struct msg reply;

	assert_int_equal(ask(owner, &request, NULL, 0, &reply), 0);
	return reply.entries;
}

/* Counting takes a while: a plain user cannot keep the host busy with it. */
static void counting(void **state)
{
	(void)state;
	clock_step_us = 1000;
	assert_int_equal(entries_seen_by(mine), 0);
	add(mine, BASE_FD, 5060);
	assert_int_equal(entries_seen_by(mine), 0);
	assert_int_equal(entries_seen_by(root), 1);
	add(mine, BASE_FD + 1, 5060);
	assert_int_equal(entries_seen_by(other), 1);
	now_us += 50 * clock_step_us;
	assert_int_equal(entries_seen_by(other), 2);
	clock_step_us = 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hello),
		TEST(answered_later),
		TEST(rate_answered_later),
		TEST(told_by_token),
		TEST(waiting_at_the_end),
		TEST(reserving),
		TEST(no_more_to_reserve),
		TEST(tuples),
		TEST(programs_with_rates),
		TEST(counting),
		TEST(malformed),
		TEST(unknown_requests),
		TEST(missing_fields),
		TEST(unknown_fields_are_skipped),
		TEST(descriptors),
		TEST(nothing_after_the_end),
		TEST(events_and_completions),
		TEST(list_of_ten_thousand),
		TEST(flows_vanish_between_pages),
		TEST(flow_vanishes_in_the_middle),
		TEST(large_flow),
		TEST(who_sees_what),
		TEST(enumerate_in_pages),
		TEST(facts_in_pages),
		TEST(status),
		TEST(foreign_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
