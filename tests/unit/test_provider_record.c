/* SPDX-License-Identifier: MIT */
/* test_provider_record.c: the QoS of sockets in the list of flows: a record for each session, and its state. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "provider_world.h"

#define MBIT UINT64_C(1000000)
#define RECORDS_MAX 8

static struct {
	struct gw_flow_record records[RECORDS_MAX];
	unsigned n;
} list;

static int collect(const struct gw_flow_record *record, void *user_data)
{
	(void)user_data;
	assert_true(list.n < RECORDS_MAX);
	list.records[list.n++] = *record;
	return 0;
}

static unsigned list_as(struct provider_world *pw, uint32_t uid)
{
	const struct engine_view view = { .uid = uid };
	uint32_t id = 0;

	list.n = 0;
	while ((id = engine_next_flow_id_of(pw->world->engine, &view, id)) != 0)
		engine_flow_records(pw->world->engine, &view, id, collect, NULL);
	return list.n;
}

static void expect_address(const struct sockaddr_storage *sa, const struct address *expected)
{
	struct address address = { 0 };

	if (sa->ss_family != AF_UNSPEC)
		assert_int_equal(address_from_sockaddr((const struct sockaddr *)sa, sizeof(*sa),
						       &address),
				 0);
	assert_true(address_equal(&address, expected));
}

/* There is exactly one of the direction: in this state, between these; NULL: nowhere. */
static const struct gw_flow_record *expect(uint32_t direction, enum gw_flow_state state,
					   const struct address *local,
					   const struct address *destination)
{
	static const struct address nowhere;
	const struct gw_flow_record *found = NULL;

	for (unsigned i = 0; i < list.n; i++) {
		if (list.records[i].direction != direction)
			continue;
		assert_null(found);
		found = &list.records[i];
	}
	assert_non_null(found);
	assert_int_equal(found->state, state);
	expect_address(&found->local, local);
	expect_address(&found->destination, destination ? destination : &nowhere);
	assert_int_equal(found->protocol, IPPROTO_UDP);
	return found;
}

static void test_what_is_sent(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_GUARANTEED, MBIT);
	struct engine_service service = service_of(ADMISSION_GUARANTEED, MBIT);
	struct engine_socket socket = udp_socket(1);
	struct address to = world_address("203.0.113.7", 5004);
	const struct gw_flow_record *record;

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(list_as(pw, UID_USER), 1);
	record = expect(GW_QOS_SENDING, GW_FLOW_WAITING, &socket.local, NULL);
	assert_int_equal(record->dscp, -1);
	assert_int_equal(record->traffic_class, GW_CLASS_VOICE);
	assert_true(record->rate_bps == MBIT && record->socket_cookie == 1);
	assert_int_equal(list_as(pw, UID_OTHER), 0);

	socket.peer = to;
	look_ok(pw, &socket);
	assert_int_equal(list_as(pw, UID_USER), 1);
	record = expect(GW_QOS_SENDING, GW_FLOW_TRANSITIONAL, &socket.local, &to);
	assert_int_equal(record->dscp, 0);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), 0);
	assert_int_equal(list_as(pw, UID_USER), 1);
	record = expect(GW_QOS_SENDING, GW_FLOW_RESERVED, &socket.local, &to);
	assert_int_equal(record->dscp, 0x28);

	/* What has no flow is there all the same; what is not signalled has no more to come. */
	request.qos.sending.flags = GW_QOS_NO_TRAFFIC_CONTROL;
	set_ok(pw, &socket, &request);
	assert_int_equal(list_as(pw, UID_USER), 1);
	record = expect(GW_QOS_SENDING, GW_FLOW_RESERVED, &socket.local, &to);
	assert_int_equal(record->dscp, -1);
	request.qos.sending.flags = GW_QOS_NO_SIGNALLING;
	set_ok(pw, &socket, &request);
	assert_int_equal(list_as(pw, UID_USER), 1);
	expect(GW_QOS_SENDING, GW_FLOW_ACTIVE, &socket.local, &to);
	request = request_sending(GW_QOS_NONE, 0);
	set_ok(pw, &socket, &request);
	assert_int_equal(list_as(pw, UID_USER), 0);
	provider_world_free(pw);
}

static void test_what_is_received(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);
	struct address from = world_address("203.0.113.7", 5004), here;
	struct gw_tspec tspec = tspec_of(MBIT);
	const struct gw_flow_record *record;

	(void)state;
	look_ok(pw, &socket); /* who only hears has asked for nothing */
	assert_int_equal(list_as(pw, UID_USER), 0);
	/* At every address: one, until there is a sender at one of them. */
	socket.local = world_address("0.0.0.0", 10001);
	set_ok(pw, &socket, &request);
	assert_int_equal(list_as(pw, UID_USER), 1);
	expect(GW_QOS_RECEIVING, GW_FLOW_WAITING, &socket.local, NULL);
	here = world_address("192.0.2.1", 10001);
	hear_path(pw, &here, &from, &tspec, NULL);
	assert_int_equal(list_as(pw, UID_USER), 1);
	record = expect(GW_QOS_RECEIVING, GW_FLOW_RESERVED, &here, NULL);
	assert_true(record->rate_bps == MBIT);
	assert_int_equal(record->dscp, -1);
	assert_int_equal(record->traffic_class, GW_CLASS_AUDIO_VIDEO);
	request.qos.receiving.flags = GW_QOS_NO_SIGNALLING;
	set_ok(pw, &socket, &request);
	assert_int_equal(list_as(pw, UID_USER), 1);
	expect(GW_QOS_RECEIVING, GW_FLOW_TRANSITIONAL, &here, NULL);
	provider_world_free(pw);
}

static void test_groups(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request =
		request_both(GW_QOS_CONTROLLED_LOAD, MBIT, GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);
	struct address group = world_address("239.1.1.1", 5004);

	(void)state;
	assert_int_equal(provider_join(pw->provider, pw->owner, &socket, &group,
				       GW_QOS_SENDING | GW_QOS_RECEIVING, &request, 0),
			 0);
	assert_int_equal(list_as(pw, UID_USER), 2);
	expect(GW_QOS_SENDING, GW_FLOW_TRANSITIONAL, &socket.local, &group);
	expect(GW_QOS_RECEIVING, GW_FLOW_WAITING, &group, NULL);
	provider_world_free(pw);
}

static void test_without_signalling(void **state)
{
	struct provider_world *pw = provider_world_new_with(&fake_datapath_ops, false);
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = udp_connected(1, "203.0.113.7", 5004);

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(list_as(pw, UID_USER), 1);
	assert_int_equal(expect(GW_QOS_SENDING, GW_FLOW_ACTIVE, &socket.local, &socket.peer)->dscp,
			 0x18);
	provider_world_free(pw);
}

/* §17: nobody will ever tell who receives of a sender: what it has asked for is in force, and that is all. */
static void test_receiver_without_signalling(void **state)
{
	struct provider_world *pw = provider_world_new_with(&fake_datapath_ops, false);
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(list_as(pw, UID_USER), 1);
	expect(GW_QOS_RECEIVING, GW_FLOW_ACTIVE, &socket.local, NULL);
	provider_world_free(pw);
	/* The host signals, but this one does not want it. */
	pw = provider_world_new();
	set_ok(pw, &socket, &request);
	list_as(pw, UID_USER);
	expect(GW_QOS_RECEIVING, GW_FLOW_WAITING, &socket.local, NULL);
	request.qos.receiving.flags = GW_QOS_NO_SIGNALLING;
	set_ok(pw, &socket, &request);
	assert_int_equal(list_as(pw, UID_USER), 1);
	expect(GW_QOS_RECEIVING, GW_FLOW_ACTIVE, &socket.local, NULL);
	provider_world_free(pw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_sent),
		cmocka_unit_test(test_what_is_received),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_without_signalling),
		cmocka_unit_test(test_receiver_without_signalling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
