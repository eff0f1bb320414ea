/* SPDX-License-Identifier: MIT */
/*
 * test_provider_share.c: reservations that several sockets of this host have in common (gqos.md §11.2, G-132): each has
 * the marks of its service, and all of them together no more than is reserved.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/internal.h"
#include "provider_world.h"

#define MBIT UINT64_C(1000000)
#define LINK 2

static struct provider_world *pw;
static struct owner *host;
static uint32_t flow_id; /* that the host has for it */

static struct address peer(void)
{
	return world_address("203.0.113.7", 5004);
}

static struct engine_socket connected(uint64_t cookie)
{
	return udp_connected(cookie, "203.0.113.7", 5004);
}

static int setup(void **state)
{
	const struct admission_link_config link = { .rate_bps = 10 * MBIT, .share = 50 };

	(void)state;
	pw = provider_world_new();
	host = world_owner(pw->world, UID_ROOT);
	flow_id = 0;
	return engine_set_link(pw->world->engine, LINK, &link);
}

static int teardown(void **state)
{
	(void)state;
	if (flow_id != 0)
		engine_remove(pw->world->engine, host, flow_id, 0);
	world_remove_owner(pw->world, host);
	provider_world_free(pw);
	return 0;
}

/* The host's flow, with its meter. */
static void begin(const struct engine_service *service)
{
	const struct flow_request request = { .traffic_class = GW_CLASS_BEST_EFFORT,
					      .dscp = GW_DSCP_FROM_CLASS };
	const struct datapath_tuple everyone = { .destination = peer(),
						 .protocol = IPPROTO_UDP,
						 .ifindex = LINK };

	if (flow_id == 0)
		assert_int_equal(engine_add_tuple(pw->world->engine, host, &everyone, &request,
						  &flow_id, 0),
				 0);
	assert_int_equal(engine_reserve_service(pw->world->engine, host, flow_id, service, NULL, 0),
			 0);
}

static unsigned share(const struct engine_service *service, const struct address *sources,
		      unsigned n_sources)
{
	const struct provider_shared shared = {
		.session = { .destination = peer(), .protocol = IPPROTO_UDP, .ifindex = LINK },
		.sources = sources,
		.n_sources = n_sources,
		.service = *service,
		.flow_id = flow_id,
	};
	unsigned n = provider_share(pw->provider, &shared, 0);

	world_check(pw->world);
	return n;
}

static unsigned share_with_all(const struct engine_service *service)
{
	const struct address everyone = { 0 };

	begin(service);
	return share(service, &everyone, 1);
}

static bool is_under_it(uint64_t cookie)
{
	const struct address to = peer();
	const struct datapath_meter *meter = meter_to(pw, cookie, &to);

	return meter && meter->flow_id == flow_id;
}

static int dscp(uint64_t cookie)
{
	const struct address to = peer();

	return dscp_to(pw, cookie, &to);
}

static uint64_t booked(uint32_t column)
{
	struct admission_books books;

	admission_books(engine_admission(pw->world->engine), LINK, &books);
	return books.class_bps[column];
}

static const struct datapath_meter *common_meter(void)
{
	return &fake_meter_of(&pw->world->datapath, flow_id)->meter;
}

/* Both are marked, and kept to one bucket, that is booked once; who ends leaves the other served. */
static void test_two_senders(void **state)
{
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct engine_socket one = connected(1), two = connected(2), three = connected(3);
	uint64_t once;

	(void)state;
	set_ok(pw, &one, &request);
	set_ok(pw, &two, &request);
	begin(&service);
	once = booked(ADMISSION_CONTROLLED_LOAD);
	assert_int_equal(share_with_all(&service), 2);
	assert_int_equal(dscp(1), 0x18);
	assert_int_equal(dscp(2), 0x18);
	assert_true(is_under_it(1) && is_under_it(2));
	assert_true(booked(ADMISSION_CONTROLLED_LOAD) == once);
	/* What is beyond it goes on as that of any such service does (§11.3). */
	assert_int_equal(common_meter()->excess, DATAPATH_EXCESS_REMARK);
	assert_int_equal(common_meter()->excess_mark.dscp, 0);
	assert_int_equal(common_meter()->excess_mark.priority, 1);
	assert_int_equal(common_meter()->excess_class, GW_CLASS_BACKGROUND);
	/* One more comes. */
	set_ok(pw, &three, &request);
	assert_int_equal(dscp(3), 0);
	assert_int_equal(share_with_all(&service), 3);
	assert_int_equal(dscp(3), 0x18);
	/* What is asked for anew stays under it. */
	request.qos.sending.tspec.rate_bps = 2 * MBIT;
	set_ok(pw, &two, &request);
	assert_int_equal(dscp(2), 0x18);
	assert_true(is_under_it(2));
	provider_socket_ended(pw->provider, 1, DIRECTION_BOTH, END_CLOSED, 0);
	request.qos.sending.service = GW_QOS_NONE;
	set_ok(pw, &three, &request);
	world_check(pw->world);
	assert_int_equal(dscp(2), 0x18);
	assert_true(is_under_it(2));
	assert_int_equal(share_with_all(&service), 1);
}

/* What one had alone is in common once there are two; after that none of it is that one's own any more. */
static void test_from_one_to_two(void **state)
{
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct engine_socket one = connected(1), two = connected(2);
	const struct address to = peer();
	uint64_t once;

	(void)state;
	begin(&service);
	once = booked(ADMISSION_CONTROLLED_LOAD);
	set_ok(pw, &one, &request);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, NULL, &service), 0);
	set_ok(pw, &two, &request);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, NULL, &service), -ENOENT);
	assert_int_equal(dscp(1), 0x18);
	assert_int_equal(share_with_all(&service), 2);
	assert_int_equal(dscp(1), 0x18);
	assert_int_equal(dscp(2), 0x18);
	assert_true(is_under_it(1) && is_under_it(2));
	assert_true(booked(ADMISSION_CONTROLLED_LOAD) == once);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, NULL, NULL), -ENOENT);
	/* That of one, though there are two by now, can be given back. */
	assert_int_equal(share(&service, NULL, 0), 0);
	assert_int_equal(dscp(1), 0);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &one.local, &service), 0);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, NULL, NULL), 0);
	assert_int_equal(dscp(1), 0);
}

/* G-147: of those that are named, and of nobody else; G-197. */
static void test_who_is_covered(void **state)
{
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct engine_socket sockets[] = { connected(1), connected(2), connected(3), connected(4) };
	struct address named[] = { sockets[0].local, sockets[1].local };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		request.qos.sending.flags = i == 1 ? GW_QOS_NO_TRAFFIC_CONTROL : 0;
		request.qos.sending.service = i == 3 ? GW_QOS_GUARANTEED : GW_QOS_CONTROLLED_LOAD;
		set_ok(pw, &sockets[i], &request);
	}
	begin(&service);
	assert_int_equal(share(&service, named, 2), 2);
	assert_int_equal(dscp(1), 0x18);
	assert_int_equal(dscp(2), -1); /* it wants no traffic control */
	assert_int_equal(dscp(3), 0);
	/* Another two. What the fourth has offered is not what is reserved. */
	named[0] = sockets[2].local;
	named[1] = sockets[3].local;
	assert_int_equal(share(&service, named, 2), 2);
	assert_int_equal(dscp(1), 0);
	assert_false(is_under_it(1));
	assert_int_equal(dscp(3), 0x18);
	assert_int_equal(dscp(4), 0);
	assert_false(is_under_it(4));
}

/* Excess waits, or is discarded, if that is so of each of them. */
static void test_excess_in_common(void **state)
{
	struct provider_request request = request_sending(GW_QOS_GUARANTEED, MBIT);
	struct engine_service service = service_of(ADMISSION_GUARANTEED, MBIT);
	struct engine_socket one = connected(1), two = connected(2);

	(void)state;
	set_ok(pw, &one, &request);
	set_ok(pw, &two, &request);
	assert_int_equal(share_with_all(&service), 2);
	assert_int_equal(dscp(1), 0x28);
	assert_int_equal(dscp(2), 0x28);
	assert_int_equal(common_meter()->excess, DATAPATH_EXCESS_DELAY);
	request.qos.excess = GW_QOS_EXCESS_DISCARD;
	set_ok(pw, &one, &request);
	share_with_all(&service);
	assert_int_equal(common_meter()->excess, DATAPATH_EXCESS_REMARK);
	set_ok(pw, &two, &request);
	share_with_all(&service);
	assert_int_equal(common_meter()->excess, DATAPATH_EXCESS_DROP);
}

/* The host's flow ends, by whomever: what it had is transitional again, under meters of its own. */
static void test_meter_ends(void **state)
{
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct engine_socket one = connected(1), two = connected(2);
	const struct address to = peer();

	(void)state;
	set_ok(pw, &one, &request);
	set_ok(pw, &two, &request);
	assert_int_equal(share_with_all(&service), 2);
	assert_int_equal(engine_remove(pw->world->engine, host, flow_id, 0), 0);
	world_check(pw->world);
	for (uint64_t cookie = 1; cookie <= 2; cookie++) {
		assert_int_equal(dscp(cookie), 0);
		assert_false(is_under_it(cookie));
		assert_non_null(meter_to(pw, cookie, &to));
	}
	flow_id = 0;
}

/* Whom the datapath refuses stays as it was, and the others have it. */
static void test_refused(void **state)
{
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct engine_socket one = connected(1), two = connected(2);
	const struct address everyone = { 0 };

	(void)state;
	set_ok(pw, &one, &request);
	set_ok(pw, &two, &request);
	begin(&service);
	fake_fail(&pw->world->datapath, 1, 1, -EIO);
	assert_int_equal(share(&service, &everyone, 1), 1);
	fake_fail(&pw->world->datapath, 0, 0, 0);
	assert_int_equal(dscp(1), 0);
	assert_false(is_under_it(1));
	assert_int_equal(dscp(2), 0x18);
	assert_int_equal(share(&service, &everyone, 1), 2);
	assert_int_equal(dscp(1), 0x18);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_two_senders),	     TEST(test_from_one_to_two), TEST(test_who_is_covered),
		TEST(test_excess_in_common), TEST(test_meter_ends),	 TEST(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
