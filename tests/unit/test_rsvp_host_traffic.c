/* SPDX-License-Identifier: MIT */
/*
 * test_rsvp_host_traffic.c: what RSVP reserves, as flows of the engine on a fake datapath: every service and style,
 * changes in place, and refusals that change nothing.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "daemon/rsvp/traffic.h"
#include "engine/internal.h"
#include "world.h"

#define LINK 3
#define MTU 1500

static struct world *world;
static struct traffic *traffic;

static uint32_t mtu_of(void *user_data, uint32_t ifindex)
{
	assert_ptr_equal(user_data, &traffic);
	return ifindex == LINK ? MTU : 0;
}

/* The one socket of this host, if it has an address: what it sends has what is reserved for it. */
static struct {
	struct address source; /* AF_UNSPEC: there is none */
	unsigned n_changes, n_ends;
	int answer;
	bool reserved;
	struct engine_service service;
} sender;

static int reserve_socket(void *user_data, const struct signalling_session *session,
			  const struct address *source, const struct engine_service *service,
			  struct admission_refusal *ret_refusal, uint64_t now_us)
{
	bool everyone = source->family == AF_UNSPEC;

	(void)now_us;
	(void)ret_refusal;
	assert_ptr_equal(user_data, &traffic);
	if (sender.source.family == AF_UNSPEC ||
	    (!everyone && memcmp(source, &sender.source, sizeof(*source)) != 0))
		return -ENOENT;
	assert_int_equal(session->ifindex, LINK);
	assert_int_equal(session->protocol, IPPROTO_UDP);
	assert_int_equal(session->destination.port, 5060);
	if (!service) {
		assert_true(sender.reserved);
		sender.reserved = false;
		sender.n_ends++;
		return 0;
	}
	if (sender.answer < 0)
		return sender.answer;
	sender.n_changes++;
	sender.reserved = true;
	sender.service = *service;
	return 0;
}

/* Sockets of this host, as many as there are, that have a flow in common. */
static struct {
	unsigned n, n_calls, n_sources;
	uint32_t flow_id;
	struct address first;
} sharing;

static unsigned share_sockets(void *user_data, const struct provider_shared *shared,
			      uint64_t now_us)
{
	(void)now_us;
	assert_ptr_equal(user_data, &traffic);
	assert_int_equal(shared->session.ifindex, LINK);
	assert_int_equal(shared->session.destination.port, 5060);
	assert_non_null(flow_find(world->engine, shared->flow_id));
	sharing.n_calls++;
	sharing.n_sources = shared->n_sources;
	sharing.flow_id = shared->flow_id;
	if (shared->n_sources > 0)
		sharing.first = shared->sources[0];
	return shared->n_sources > 0 ? sharing.n : 0;
}

static int setup(void **state)
{
	const struct traffic_ports ports = {
		.user_data = &traffic,
		.mtu_of = mtu_of,
		.reserve_socket = reserve_socket,
		.share_sockets = share_sockets,
	};

	(void)state;
	world = world_new(NULL);
	memset(&sender, 0, sizeof(sender));
	memset(&sharing, 0, sizeof(sharing));
	assert_int_equal(traffic_new(world->engine, &ports, &traffic), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_check(world);
	traffic = traffic_free(traffic, 0);
	while (engine_next_flow_id(world->engine, 0) != 0)
		engine_tick(world->engine, 0);
	world_check_empty(world);
	world_free(world);
	return 0;
}

static void hand_over(uint64_t rate_bps)
{
	const struct admission_link_config link = { .rate_bps = rate_bps, .share = 50 };

	assert_int_equal(engine_set_link(world->engine, LINK, rate_bps ? &link : NULL), 0);
}

static uint64_t booked(uint32_t column)
{
	struct admission_books books;

	admission_books(engine_admission(world->engine), LINK, &books);
	return books.class_bps[column];
}

static struct rsvp_tc_filter from(const char *host, uint16_t port)
{
	struct address address = world_address(host, port);
	struct rsvp_tc_filter filter = {
		.sender = { .family = address.family, .id = port },
	};

	memcpy(filter.sender.address, address.addr, 16);
	return filter;
}

/* 1 Mbit/s of packets as long as what the link adds: 2 Mbit/s are booked. */
static struct rsvp_tc_request request(enum rsvp_style style, const struct rsvp_tc_filter *filters,
				      unsigned n)
{
	struct address destination = world_address("198.51.100.1", 5060);
	struct rsvp_tspec tspec = { .r = 125000, .b = 5000, .p = INFINITY, .m = 38, .M = 1500 };
	struct rsvp_tc_request r = {
		.ifindex = LINK,
		.session = { .family = AF_INET, .port = 5060, .protocol = IPPROTO_UDP },
		.style = style,
		.flowspec = { .tspec = tspec, .service = FLOWSPEC_CONTROLLED_LOAD },
		.tspec = tspec,
		.n_filters = n,
		.filters = filters,
	};

	memcpy(r.session.address, destination.addr, 16);
	return r;
}

static struct datapath_tuple tuple(const char *source, uint16_t port)
{
	struct datapath_tuple t = {
		.destination = world_address("198.51.100.1", 5060),
		.protocol = IPPROTO_UDP,
		.ifindex = LINK,
	};

	if (source)
		t.source = world_address(source, port);
	return t;
}

static const struct fake_mark *mark_of(const char *source, uint16_t port)
{
	struct datapath_tuple t = tuple(source, port);

	return fake_find_tuple(&world->datapath, &t);
}

static const struct datapath_meter *only_meter(void)
{
	assert_int_equal(world->datapath.n_meters, 1);
	return &world->datapath.meters[0].meter;
}

static uint64_t must_reserve(const struct rsvp_tc_request *r)
{
	struct rsvp_error error;
	uint64_t handle = 0;

	assert_int_equal(traffic_reserve(traffic, r, &handle, &error, 0), 0);
	assert_true(handle != 0);
	world_check(world);
	return handle;
}

static void refused(const struct rsvp_tc_request *r, uint64_t handle, uint8_t code, uint16_t value)
{
	struct rsvp_error error = { 0 };
	uint64_t before = handle;

	assert_true(traffic_reserve(traffic, r, &handle, &error, 0) < 0);
	assert_true(handle == before);
	assert_int_equal(error.code, code);
	assert_int_equal(error.value, value);
	assert_int_equal(error.flags, 0);
	world_check(world);
}

/* the excess of either service goes on as best effort. */
static void services(void **state)
{
	struct rsvp_tc_filter filter = from("192.0.2.1", 4000);
	struct rsvp_tc_request r = request(RSVP_STYLE_FF, &filter, 1);
	uint64_t handle;

	(void)state;
	hand_over(20000000);
	handle = must_reserve(&r);
	assert_int_equal(mark_of("192.0.2.1", 4000)->treatment.mark.dscp, 40);
	assert_int_equal(only_meter()->traffic_class, GW_CLASS_AUDIO_VIDEO);
	assert_int_equal(only_meter()->bucket.rate_bps, 1000000);
	assert_int_equal(only_meter()->bucket.depth_bytes, 5000);
	assert_int_equal(only_meter()->bucket.peak_bps, 0);
	assert_int_equal(only_meter()->bucket.min_bytes, 38);
	assert_int_equal(only_meter()->bucket.max_bytes, 1500);
	assert_int_equal(only_meter()->reserved_bps, 1000000);
	assert_int_equal(only_meter()->excess, DATAPATH_EXCESS_REMARK);
	assert_int_equal(only_meter()->excess_class, GW_CLASS_BEST_EFFORT);
	assert_int_equal(only_meter()->n_links, 1);
	assert_int_equal(only_meter()->links[0], LINK);
	assert_true(booked(ADMISSION_CONTROLLED_LOAD) == 2000000);
	traffic_release(traffic, handle, 0);
	assert_int_equal(world->datapath.n_marks, 0);
	assert_int_equal(world->datapath.n_meters, 0);
	assert_true(booked(ADMISSION_CONTROLLED_LOAD) == 0);
	assert_int_equal(traffic_count(traffic), 0);
	traffic_release(traffic, handle, 0);

	/* More is set aside than the bucket fills with. */
	r.flowspec.service = FLOWSPEC_GUARANTEED;
	r.flowspec.R = 250000;
	r.tspec.p = 500000;
	handle = must_reserve(&r);
	assert_int_equal(mark_of("192.0.2.1", 4000)->treatment.mark.dscp, 56);
	assert_int_equal(only_meter()->traffic_class, GW_CLASS_VOICE);
	assert_int_equal(only_meter()->bucket.rate_bps, 1000000);
	assert_int_equal(only_meter()->bucket.peak_bps, 4000000);
	assert_int_equal(only_meter()->reserved_bps, 2000000);
	assert_true(booked(ADMISSION_GUARANTEED) == 4000000);
	traffic_release(traffic, handle, 0);

	/* Only a mark. */
	r.flowspec = (struct rsvp_flowspec){ .tspec.M = 1500, .service = FLOWSPEC_NULL };
	r.tspec = r.flowspec.tspec;
	handle = must_reserve(&r);
	assert_int_equal(mark_of("192.0.2.1", 4000)->treatment.traffic_class,
			 GW_CLASS_EXCELLENT_EFFORT);
	assert_int_equal(world->datapath.n_meters, 0);
	traffic_release(traffic, handle, 0);
}

static void styles(void **state)
{
	struct rsvp_tc_filter filters[] = { from("192.0.2.1", 4000), from("192.0.2.2", 0),
					    from("192.0.2.1", 4000) };
	struct rsvp_tc_request r = request(RSVP_STYLE_SE, filters, 3);
	uint64_t handle;

	(void)state;
	/* All senders under one meter, each once. */
	handle = must_reserve(&r);
	assert_int_equal(world->datapath.n_marks, 2);
	assert_int_equal(only_meter()->bucket.rate_bps, 1000000);
	assert_non_null(mark_of("192.0.2.1", 4000));
	assert_non_null(mark_of("192.0.2.2", 0));
	traffic_release(traffic, handle, 0);
	/* Whoever sends. */
	r = request(RSVP_STYLE_WF, NULL, 0);
	handle = must_reserve(&r);
	assert_int_equal(world->datapath.n_marks, 1);
	assert_non_null(mark_of(NULL, 0));
	traffic_release(traffic, handle, 0);
	/* Whose senders have gone is not for everybody. */
	r = request(RSVP_STYLE_SE, filters, 0);
	handle = must_reserve(&r);
	assert_int_equal(world->datapath.n_marks, 0);
	r.n_filters = 2;
	assert_int_equal(traffic_reserve(traffic, &r, &handle, &(struct rsvp_error){ 0 }, 0), 0);
	assert_int_equal(world->datapath.n_marks, 2);
	r.n_filters = 0;
	assert_int_equal(traffic_reserve(traffic, &r, &handle, &(struct rsvp_error){ 0 }, 0), 0);
	assert_int_equal(world->datapath.n_marks, 0);
	assert_int_equal(traffic_count(traffic), 1);
}

/* R-219's ground: of an IPsec session packets are told by the SPI, and not by its virtual port. */
static void ipv6_and_ipsec(void **state)
{
	struct address d6 = world_address("2001:db8::9", 0), s6 = world_address("2001:db8::1", 0);
	struct rsvp_tc_filter filter = {
		.sender = { .family = AF_INET6, .form = RSVP_FORM_FLOW_LABEL, .id = 0x12345 }
	};
	struct rsvp_tc_request r = request(RSVP_STYLE_FF, &filter, 1);
	struct datapath_tuple t = { .protocol = IPPROTO_UDP, .ifindex = LINK };

	(void)state;
	r.session.family = AF_INET6;
	memcpy(r.session.address, d6.addr, 16);
	memcpy(filter.sender.address, s6.addr, 16);
	t.destination = d6;
	t.destination.port = 5060;
	t.source = s6;
	must_reserve(&r);
	assert_non_null(fake_find_tuple(&world->datapath, &t));
	r.session.form = RSVP_FORM_GPI;
	r.session.protocol = IPPROTO_ESP;
	filter.sender.form = RSVP_FORM_GPI;
	t.protocol = IPPROTO_ESP;
	t.destination.port = 0;
	t.spi = 0x12345;
	must_reserve(&r);
	assert_non_null(fake_find_tuple(&world->datapath, &t));
	filter.sender.id = 0x12346;
	must_reserve(&r);
	t.spi = 0x12346;
	assert_non_null(fake_find_tuple(&world->datapath, &t));
	r.session.form = RSVP_FORM_AGGREGATE;
	refused(&r, 0, RSVP_ERROR_TRAFFIC, RSVP_TRAFFIC_SERVICE);
}

/* The rate and the senders change in place: what stays is never without its meter. */
static void changes(void **state)
{
	struct rsvp_tc_filter filters[] = { from("192.0.2.1", 1), from("192.0.2.2", 2),
					    from("192.0.2.3", 3) };
	struct rsvp_tc_request r = request(RSVP_STYLE_SE, filters, 2);
	struct rsvp_error error;
	uint64_t handle;
	uint32_t flow_id;

	(void)state;
	hand_over(20000000);
	handle = must_reserve(&r);
	flow_id = only_meter()->flow_id;
	r.filters = filters + 1;
	r.tspec.r = r.flowspec.tspec.r = 250000;
	assert_int_equal(traffic_reserve(traffic, &r, &handle, &error, 0), 0);
	world_check(world);
	assert_int_equal(only_meter()->flow_id, flow_id);
	assert_int_equal(only_meter()->bucket.rate_bps, 2000000);
	assert_int_equal(world->datapath.n_marks, 2);
	assert_null(mark_of("192.0.2.1", 1));
	assert_non_null(mark_of("192.0.2.3", 3));
	assert_true(booked(ADMISSION_CONTROLLED_LOAD) == 4000000);
	/* None of those that were. */
	r.filters = filters;
	r.n_filters = 1;
	assert_int_equal(traffic_reserve(traffic, &r, &handle, &error, 0), 0);
	world_check(world);
	assert_int_equal(only_meter()->flow_id, flow_id);
	assert_int_equal(world->datapath.n_marks, 1);
	assert_non_null(mark_of("192.0.2.1", 1));
}

/* Errors of RFC 2205 App. B; what is there stays, with its senders. */
static void refusals(void **state)
{
	struct rsvp_tc_filter filters[] = { from("192.0.2.1", 1), from("192.0.2.2", 2) };
	struct rsvp_tc_request r = request(RSVP_STYLE_SE, filters, 1), bad;
	uint64_t handle, none = 0;
	struct rsvp_error error;

	(void)state;
	hand_over(10000000); /* of which 5 may be reserved, which is 2.5 of ours */
	handle = must_reserve(&r);
	bad = request(RSVP_STYLE_SE, filters, 2);
	bad.tspec.r = 400000;
	refused(&bad, handle, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_BANDWIDTH);
	assert_int_equal(only_meter()->bucket.rate_bps, 1000000);
	assert_int_equal(world->datapath.n_marks, 1);
	bad = request(RSVP_STYLE_FF, filters + 1, 1);
	bad.tspec.r = 400000;
	/* 6.4 of the link, beside 2, of 5. */
	assert_int_equal(traffic_reserve(traffic, &bad, &none, &error, 0), -EDQUOT);
	assert_true(error.missing_bps == 3400000);
	refused(&bad, 0, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_BANDWIDTH);
	bad.tspec.r = 3e12f;
	refused(&bad, 0, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_BANDWIDTH);
	bad = request(RSVP_STYLE_FF, filters + 1, 1);
	bad.tspec.M = 1501;
	refused(&bad, 0, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_MTU);
	bad = request(RSVP_STYLE_FF, filters + 1, 1);
	bad.flowspec.service = 99;
	refused(&bad, 0, RSVP_ERROR_TRAFFIC, RSVP_TRAFFIC_SERVICE);
	/* Somebody has these packets already. */
	bad = request(RSVP_STYLE_FF, filters, 1);
	refused(&bad, 0, RSVP_ERROR_TRAFFIC_SYSTEM, EEXIST);
	assert_int_equal(traffic_count(traffic), 1);
	/* less is never refused, also where more is reserved than may be, or the link's MTU is less. */
	hand_over(1000000);
	r.tspec.r = 100000;
	r.tspec.M = 9000;
	assert_int_equal(traffic_reserve(traffic, &r, &handle, &(struct rsvp_error){ 0 }, 0), 0);
	assert_int_equal(only_meter()->bucket.rate_bps, 800000);
}

/* The datapath refuses at any step. */
static void failures(void **state)
{
	struct rsvp_tc_filter filters[] = { from("192.0.2.1", 1), from("192.0.2.2", 2),
					    from("192.0.2.3", 3) };
	struct rsvp_tc_request r = request(RSVP_STYLE_SE, filters, 2), more;
	uint64_t handle;

	(void)state;
	hand_over(20000000);
	for (unsigned at = 1; at <= 5; at++) {
		fake_fail(&world->datapath, at, 1, -EIO);
		refused(&r, 0, RSVP_ERROR_TRAFFIC_SYSTEM, EIO);
		world_check_empty(world);
	}
	fake_fail(&world->datapath, 0, 0, 0);
	handle = must_reserve(&r);
	more = request(RSVP_STYLE_SE, filters + 1, 2);
	more.tspec.r = 200000;
	for (unsigned at = 1; at <= 5; at++) {
		fake_fail(&world->datapath, at, 1, -ENOSPC);
		refused(&more, handle, RSVP_ERROR_TRAFFIC_SYSTEM,
			at == 1 || at == 2 ? ENOBUFS : ENOSPC);
		assert_int_equal(only_meter()->bucket.rate_bps, 1000000);
		assert_int_equal(world->datapath.n_marks, 2);
		assert_non_null(mark_of("192.0.2.1", 1));
	}
	fake_fail(&world->datapath, 0, 0, 0);
}

/* Where nobody tells packets by their addresses, only links that promise nothing take reservations. */
static void without_tuples(void **state)
{
	struct rsvp_tc_filter filter = from("192.0.2.1", 1);
	struct rsvp_tc_request r = request(RSVP_STYLE_FF, &filter, 1);
	uint64_t limit_bps;

	(void)state;
	assert_false(traffic_is_enforced(traffic, LINK, NULL));
	fake_fail(&world->datapath, 1, 1, -EOPNOTSUPP);
	must_reserve(&r);
	assert_int_equal(world->datapath.n_marks, 0);
	assert_int_equal(traffic_count(traffic), 1);
	hand_over(20000000);
	assert_true(traffic_is_enforced(traffic, LINK, &limit_bps));
	assert_true(limit_bps == 10000000);
	fake_fail(&world->datapath, 1, 1, -EOPNOTSUPP);
	refused(&r, 0, RSVP_ERROR_TRAFFIC_SYSTEM, EOPNOTSUPP);
}

/* What one socket of this host sends is that socket's; all else has tuples. */
static void sockets(void **state)
{
	struct rsvp_tc_filter filters[] = { from("192.0.2.1", 1), from("192.0.2.2", 2) };
	struct rsvp_tc_request r = request(RSVP_STYLE_FF, filters, 1);
	struct rsvp_error error;
	uint64_t handle;

	(void)state;
	sender.source = world_address("192.0.2.1", 1);
	handle = must_reserve(&r);
	assert_int_equal(sender.n_changes, 1);
	assert_int_equal(sender.service.bucket.rate_bps, 1000000);
	assert_int_equal(world->datapath.n_marks, 0);
	assert_int_equal(traffic_count(traffic), 1);
	/* For two senders: tuples. */
	r = request(RSVP_STYLE_SE, filters, 2);
	assert_int_equal(traffic_reserve(traffic, &r, &handle, &error, 0), 0);
	assert_int_equal(sender.n_ends, 1);
	assert_int_equal(world->datapath.n_marks, 2);
	/* And back. Whoever sends, if it is one. */
	r = request(RSVP_STYLE_WF, NULL, 0);
	assert_int_equal(traffic_reserve(traffic, &r, &handle, &error, 0), 0);
	assert_int_equal(sender.n_changes, 2);
	assert_int_equal(world->datapath.n_marks, 0);
	/* A refusal leaves it what it has. */
	sender.answer = -EDQUOT;
	refused(&r, handle, RSVP_ERROR_ADMISSION, RSVP_ADMISSION_BANDWIDTH);
	assert_true(sender.reserved);
	traffic_release(traffic, handle, 0);
	assert_int_equal(sender.n_ends, 2);
	assert_int_equal(traffic_count(traffic), 0);
	/* A socket that has closed meanwhile is none any more. */
	sender.answer = 0;
	handle = must_reserve(&r);
	sender.source.family = AF_UNSPEC;
	assert_int_equal(traffic_reserve(traffic, &r, &handle, &error, 0), 0);
	assert_int_equal(world->datapath.n_marks, 1);
	assert_int_equal(sender.n_ends, 2);
}

/* G-132: what several sockets send has one flow, from when there are several, and to its end. */
static void shared_by_sockets(void **state)
{
	struct rsvp_tc_filter filters[] = { from("192.0.2.1", 4000), from("192.0.2.1", 4001) };
	struct rsvp_tc_request r = request(RSVP_STYLE_WF, NULL, 0);
	struct rsvp_error error;
	uint64_t handle;

	(void)state;
	hand_over(5000000); /* of which 2.5 may be reserved: not twice as much as is asked for */
	sender.source = world_address("192.0.2.1", 4000);
	handle = must_reserve(&r);
	assert_int_equal(sharing.n_calls, 0);
	assert_int_equal(sender.n_changes, 1);
	/* There are two by now, which is no single one. */
	sender.source.family = AF_UNSPEC;
	sharing.n = 2;
	assert_int_equal(traffic_reserve(traffic, &r, &handle, &error, 0), 0);
	assert_int_equal(sharing.n_calls, 1);
	assert_int_equal(sharing.flow_id, only_meter()->flow_id);
	assert_int_equal(sharing.n_sources, 1);
	assert_int_equal(sharing.first.family, AF_UNSPEC);
	/* Of which one goes: the other one is served as before. */
	sender.source = world_address("192.0.2.1", 4001);
	sharing.n = 1;
	assert_int_equal(traffic_reserve(traffic, &r, &handle, &error, 0), 0);
	assert_int_equal(sharing.n_calls, 2);
	assert_int_equal(sender.n_changes, 1);
	/* Some that are named. */
	r = request(RSVP_STYLE_SE, filters, 2);
	assert_int_equal(traffic_reserve(traffic, &r, &handle, &error, 0), 0);
	assert_int_equal(sharing.n_sources, 2);
	assert_int_equal(sharing.first.port, 4000);
	/* They are told before the flow ends. */
	traffic_release(traffic, handle, 0);
	assert_int_equal(sharing.n_calls, 4);
	assert_int_equal(sharing.n_sources, 0);
	assert_int_equal(world->datapath.n_meters, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(services),	      TEST(styles),   TEST(ipv6_and_ipsec),
		TEST(changes),	      TEST(refusals), TEST(failures),
		TEST(without_tuples), TEST(sockets),  TEST(shared_by_sockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
