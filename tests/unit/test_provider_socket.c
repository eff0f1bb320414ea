/* SPDX-License-Identifier: MIT */
/*
 * test_provider_socket.c: what becomes of sockets that were shut down before anything was asked of them, and of those
 * that have the same addresses (gqos.md §16.4, §11.1).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "provider_world.h"

#define MBIT UINT64_C(1000000)

static struct address peer(void)
{
	return world_address("203.0.113.7", 5004);
}

static struct engine_socket connected(uint64_t cookie)
{
	return udp_connected(cookie, "203.0.113.7", 5004);
}

static void shut(struct provider_world *pw, const struct engine_socket *socket, uint32_t directions)
{
	assert_int_equal(provider_end(pw->provider, pw->owner, socket, directions | GW_QOS_SHUT,
				      pw->world->now_us),
			 0);
	world_check(pw->world);
}

/* ---- shut down before ---- */

/* G-242: a shutdown is remembered also of a socket that nothing was asked of, until that is closed. */
static void test_shut_before_it_is_known(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request sending = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct provider_request receiving = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct provider_request none = request_both(GW_QOS_NONE, 0, GW_QOS_BEST_EFFORT);
	struct engine_socket socket = connected(1);

	(void)state;
	shut(pw, &socket, GW_QOS_SENDING);
	assert_int_equal(set(pw, &socket, &sending), -ESHUTDOWN);
	set_ok(pw, &socket, &receiving);
	shut(pw, &socket, GW_QOS_RECEIVING);
	assert_int_equal(set(pw, &socket, &receiving), -ESHUTDOWN);
	set_ok(pw, &socket, &none); /* what asks for nothing is fine */
	assert_int_equal(fake_signalling_count(&pw->signalling, NULL), 0);
	engine_end_socket(pw->world->engine, 1, DIRECTION_BOTH, END_CLOSED, pw->world->now_us);
	set_ok(pw, &socket, &sending); /* another one, with its number */
	provider_world_free(pw);
}

/* Without GW_QOS_SHUT there is nothing to remember of a socket without QoS. */
static void test_ended_before_it_is_known(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request sending = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = connected(1);

	(void)state;
	assert_int_equal(provider_end(pw->provider, pw->owner, &socket, GW_QOS_SENDING, 0), 0);
	world_check_empty(pw->world);
	set_ok(pw, &socket, &sending);
	provider_world_free(pw);
}

/* By shutdown(2), while nobody was looking: the socket itself tells. */
static void test_shut_by_the_program_itself(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request both =
		request_both(GW_QOS_CONTROLLED_LOAD, MBIT, GW_QOS_CONTROLLED_LOAD);
	struct provider_request sending = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct provider_request receiving = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = connected(1);

	(void)state;
	socket.shut = DIRECTION_SEND;
	assert_int_equal(set(pw, &socket, &both), -ESHUTDOWN);
	assert_int_equal(set(pw, &socket, &sending), -ESHUTDOWN);
	set_ok(pw, &socket, &receiving);
	socket.shut = DIRECTION_RECEIVE;
	assert_int_equal(set(pw, &socket, &both), -ESHUTDOWN);
	set_ok(pw, &socket, &sending);
	expect_messages(pw, 1, 0, 0, 0);
	provider_world_free(pw);
}

/* ---- the same addresses ---- */

/*
 * Two sockets of one host (SO_REUSEADDR, SO_REUSEPORT) between the same addresses: to the network they are one sender.
 * Who comes first is it; the other is told so, and nothing of the first changes.
 */
static void test_two_between_the_same_addresses(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket first = connected(1), second = connected(2);
	struct address to = peer();

	(void)state;
	second.local = first.local;
	set_ok(pw, &first, &request);
	assert_int_equal(set(pw, &second, &request), -EADDRINUSE);
	expect_messages(pw, 1, 0, 0, 0);
	assert_int_equal(meter_to(pw, 2, &to) != NULL, false);
	assert_non_null(meter_to(pw, 1, &to));
	/* What is not signalled does not stand in the way, and both may be under traffic control. */
	request.qos.sending.flags = GW_QOS_NO_SIGNALLING;
	set_ok(pw, &second, &request);
	assert_non_null(meter_to(pw, 2, &to));
	/* A reservation is for the one that is signalled. */
	{
		struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);

		assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &first.local, &service), 0);
	}
	assert_int_equal(dscp_to(pw, 1, &to), 0x18);
	assert_int_equal(dscp_to(pw, 2, &to), 0);
	/* Its place is free as soon as it has gone. */
	engine_end_socket(pw->world->engine, 1, DIRECTION_BOTH, END_CLOSED, pw->world->now_us);
	expect_messages(pw, 1, 1, 0, 0);
	request.qos.sending.flags = 0;
	set_ok(pw, &second, &request);
	expect_messages(pw, 2, 1, 0, 0);
	provider_world_free(pw);
}

/* What they receive is one reservation to the network, and both are told of the sender. */
static void test_two_at_the_same_address(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket first = udp_socket(1), second = udp_socket(2);

	(void)state;
	second.local = first.local;
	set_ok(pw, &first, &request);
	set_ok(pw, &second, &request);
	assert_int_equal(fake_signalling_count(&pw->signalling, pw->owner), 2);
	provider_world_free(pw);
}

/* ---- owners ---- */

/* One way out: with its owner goes what sockets have, and what it has asked the signalling for itself. */
static void test_owners_take_all_with_them(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	const struct signalling_session session = { .destination = world_address("203.0.113.9", 9),
						    .protocol = IPPROTO_UDP };
	struct signalling *signalling = &pw->signalling.port;
	struct engine_socket socket = connected(1);
	uint32_t id;

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(signalling->open(signalling->user_data, pw->owner, &session, &id, 0), 0);
	/* The peer's, its own address's, and that one. */
	assert_int_equal(fake_signalling_count(&pw->signalling, pw->owner), 3);
	assert_int_equal(engine_owner_close(pw->world->engine, pw->owner, pw->world->now_us), 0);
	assert_int_equal(fake_signalling_count(&pw->signalling, NULL), 0);
	expect_messages(pw, 1, 1, 0, 0);
	provider_world_free(pw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shut_before_it_is_known),
		cmocka_unit_test(test_ended_before_it_is_known),
		cmocka_unit_test(test_shut_by_the_program_itself),
		cmocka_unit_test(test_two_between_the_same_addresses),
		cmocka_unit_test(test_two_at_the_same_address),
		cmocka_unit_test(test_owners_take_all_with_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
