/* SPDX-License-Identifier: MIT */
/* test_provider_receive.c: what sockets receive under QoS: whom they hear, what is reserved, what is told (gqos.md). */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "provider_world.h"

#define MBIT UINT64_C(1000000)

static struct address sender(unsigned n)
{
	struct address address = world_address("203.0.113.7", 5004);

	address.addr[15] = (uint8_t)(7 + n);
	return address;
}

static const struct fake_session *session_of(struct provider_world *pw,
					     const struct engine_socket *socket)
{
	return fake_signalling_find(&pw->signalling, &socket->local);
}

static void hear(struct provider_world *pw, const struct engine_socket *socket, unsigned n,
		 uint64_t rate_bps)
{
	struct gw_tspec tspec = tspec_of(rate_bps);
	struct address address = sender(n);

	hear_path(pw, &socket->local, &address, &tspec, NULL);
}

static void unhear(struct provider_world *pw, const struct engine_socket *socket, unsigned n)
{
	struct address address = sender(n);

	hear_path_tear(pw, &socket->local, &address);
}

/* ---- when Resv starts ---- */

/* G-134, G-039, G-159, G-141: nothing before Path; then what the sender says, of every sender together. */
static void test_resv_after_path(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);
	struct gw_tspec louder = tspec_of(3 * MBIT);
	struct address second = sender(1);
	const struct fake_session *session;

	(void)state;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 0, 0, 0);
	hear(pw, &socket, 0, MBIT);
	session = session_of(pw, &socket);
	expect_messages(pw, 0, 0, 1, 0);
	assert_int_equal(session->request.style, GW_RSVP_WF);
	assert_int_equal(session->request.service, GW_RSVP_CONTROLLED_LOAD);
	assert_int_equal(session->flows[0].tspec.rate_bps, MBIT);
	assert_int_equal(session->flows[0].tspec.depth_bytes, 4000);
	assert_int_equal(session->flows[0].tspec.peak_bps, 2 * MBIT);
	assert_int_equal(session->flows[0].tspec.min_bytes, 100);
	assert_int_equal(session->flows[0].tspec.max_bytes, 1200);
	/* §9.2: the greatest of all; G-132: one reservation. */
	louder.min_bytes = 64;
	louder.max_bytes = 1000;
	hear_path(pw, &socket.local, &second, &louder, NULL);
	expect_messages(pw, 0, 0, 2, 0);
	assert_int_equal(session->request.n_flows, 1);
	assert_int_equal(session->flows[0].tspec.rate_bps, 3 * MBIT);
	assert_int_equal(session->flows[0].tspec.peak_bps, 6 * MBIT);
	assert_int_equal(session->flows[0].tspec.min_bytes, 64);
	assert_int_equal(session->flows[0].tspec.max_bytes, 1200);
	unhear(pw, &socket, 1);
	expect_messages(pw, 0, 0, 3, 0);
	assert_int_equal(session->flows[0].tspec.rate_bps, MBIT);
	provider_world_free(pw);
}

/* G-135: Path was there before. G-053 and §8.3: heard without being wanted, reserved as soon as it is. */
static void test_path_before_socket(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket one = udp_socket(1), two = udp_socket(2);

	(void)state;
	pw->known = sender(0);
	pw->known_tspec = tspec_of(MBIT);
	set_ok(pw, &one, &request);
	expect_messages(pw, 0, 0, 1, 0);
	look_ok(pw, &two);
	assert_int_equal(told_of(pw, 2, GW_EVENT_RSVP_PATH, false), 1);
	expect_messages(pw, 0, 0, 1, 0);
	set_ok(pw, &two, &request);
	expect_messages(pw, 0, 0, 2, 0);
	assert_int_equal(told_of(pw, 2, GW_EVENT_RSVP_PATH, false), 1);
	provider_world_free(pw);
}

/* G-136, G-137, G-140: where a socket receives. */
static void test_local_addresses(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1), specific = udp_socket(2);
	struct address one = world_address("192.0.2.1", 7000);
	struct address two = world_address("198.51.100.1", 7000);
	struct address added = world_address("198.51.100.9", 7000), from = sender(0);
	const struct address own[] = { two, added };
	struct gw_tspec tspec = tspec_of(MBIT);

	(void)state;
	set_ok(pw, &specific, &request);
	assert_int_equal(fake_signalling_count(&pw->signalling, NULL), 1);
	socket.local = world_address("0.0.0.0", 0);
	set_ok(pw, &socket, &request); /* not bound: kept */
	assert_int_equal(fake_signalling_count(&pw->signalling, NULL), 1);
	socket.local.port = 7000;
	look_ok(pw, &socket);
	assert_int_equal(fake_signalling_count(&pw->signalling, NULL), 3); /* no loopback */
	hear_path(pw, &two, &from, &tspec, NULL);
	expect_messages(pw, 0, 0, 1, 0);
	/* An address has come, another gone: that of the specific one. */
	provider_set_addresses(pw->provider, own, 2, pw->world->now_us);
	assert_null(fake_signalling_find(&pw->signalling, &one));
	assert_non_null(fake_signalling_find(&pw->signalling, &added));
	assert_null(session_of(pw, &specific));
	expect_messages(pw, 0, 0, 1, 0);
	provider_world_free(pw);
}

/* G-138, G-139: a connected socket hears its peer alone. */
static void test_peer_alone(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket sockets[] = { udp_connected(1, "203.0.113.8", 5004),
					   tcp_connected(2, "203.0.113.8", 5004) };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		forget(pw);
		set_ok(pw, &sockets[i], &request);
		hear(pw, &sockets[i], 0, MBIT);
		expect_messages(pw, 0, 0, 0, 0);
		assert_int_equal(pw->n_told, 0);
		hear(pw, &sockets[i], 1, MBIT);
		expect_messages(pw, 0, 0, 1, 0);
		assert_int_equal(session_of(pw, &sockets[i])->request.style, GW_RSVP_FF);
		assert_int_equal(pw->n_told, 1);
	}
	provider_world_free(pw);
}

/* G-143, G-058: of one style, changed, and nothing torn. */
static void test_change_of_service(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_connected(1, "203.0.113.7", 5004);

	(void)state;
	set_ok(pw, &socket, &request);
	hear(pw, &socket, 0, MBIT);
	request.qos.receiving.service = GW_QOS_GUARANTEED;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 0, 2, 0);
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 0, 2, 0);
	assert_int_equal(session_of(pw, &socket)->request.style, GW_RSVP_FF);
	assert_int_equal(session_of(pw, &socket)->request.service, GW_RSVP_GUARANTEED);
	request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT); /* G-052 */
	set_ok(pw, &socket, &request);
	expect_messages(pw, 1, 0, 2, 0);
	provider_world_free(pw);
}

/* G-068, G-069 */
static void test_no_signalling(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);

	(void)state;
	request.qos.receiving.flags = GW_QOS_NO_SIGNALLING;
	set_ok(pw, &socket, &request);
	hear(pw, &socket, 0, MBIT);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_PATH, false), 1);
	expect_messages(pw, 0, 0, 0, 0);
	request.qos.receiving.flags = 0;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 0, 1, 0);
	provider_world_free(pw);
}

/* ---- styles ---- */

static void name(struct gw_rsvp_flow *flow, unsigned n, uint64_t rate_bps)
{
	struct address address = sender(n);

	*flow = (struct gw_rsvp_flow){ .tspec.rate_bps = rate_bps };
	address_to_sockaddr(&address, &flow->sender.address);
}

/* G-145, G-147, G-158: those that are there; others when they come; another style tears the first. */
static void test_styles(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);
	const struct fake_session *session;
	struct gw_rsvp_flow flows[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		name(&flows[i], i, (i + 1) * MBIT);
	request.qos.flows = flows;
	request.qos.n_flows = 3;
	request.qos.style = GW_RSVP_FF;
	set_ok(pw, &socket, &request);
	session = session_of(pw, &socket);
	hear(pw, &socket, 9, MBIT); /* nobody asked for it */
	expect_messages(pw, 0, 0, 0, 0);
	hear(pw, &socket, 2, 8 * MBIT);
	hear(pw, &socket, 0, 8 * MBIT);
	expect_messages(pw, 0, 0, 2, 0);
	assert_int_equal(session->request.style, GW_RSVP_FF);
	assert_int_equal(session->request.n_flows, 2);
	assert_int_equal(session->flows[0].tspec.rate_bps, MBIT);
	assert_int_equal(session->flows[1].tspec.rate_bps, 3 * MBIT);

	request.qos.style = GW_RSVP_SE;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 0, 3, 1);
	assert_int_equal(session->request.style, GW_RSVP_SE);
	assert_int_equal(session->request.n_flows, 2);
	assert_int_equal(session->flows[1].tspec.rate_bps, MBIT); /* the first governs */
	unhear(pw, &socket, 0);
	assert_int_equal(session->request.n_flows, 1);

	request.qos.style = GW_RSVP_WF;
	request.qos.n_flows = 0;
	set_ok(pw, &socket, &request);
	assert_int_equal(pw->signalling.resv_tears, 2);
	assert_int_equal(session->flows[0].tspec.rate_bps, 8 * MBIT);
	provider_world_free(pw);
}

/* §10: of a fixed filter each sender may have a service of its own; of other styles there is one. */
static void test_services_of_senders(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);
	const struct fake_session *session;
	struct gw_rsvp_flow flows[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		name(&flows[i], i, 2 * MBIT);
	flows[1].service = GW_RSVP_GUARANTEED;
	flows[2].service = GW_RSVP_NULL_SERVICE;
	request.qos.flows = flows;
	request.qos.n_flows = 3;
	request.qos.style = GW_RSVP_FF;
	set_ok(pw, &socket, &request);
	session = session_of(pw, &socket);
	for (unsigned i = 0; i < 3; i++)
		hear(pw, &socket, i, MBIT);
	assert_int_equal(session->request.n_flows, 3);
	assert_int_equal(session->flows[0].service, GW_RSVP_CONTROLLED_LOAD);
	assert_true(session->flows[0].tspec.rate_bps == 2 * MBIT);
	assert_int_equal(session->flows[1].service, GW_RSVP_GUARANTEED);
	assert_true(session->flows[1].tspec.rate_bps ==
		    MBIT); /* r is the sender's, R was asked for */
	assert_true(session->flows[1].rate_bps == 2 * MBIT);
	assert_int_equal(session->flows[2].service, GW_RSVP_NULL_SERVICE);

	/* Another service alone is another reservation. */
	forget(pw);
	flows[2].service = GW_RSVP_CONTROLLED_LOAD;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 0, 1, 0);
	assert_int_equal(session->flows[2].service, GW_RSVP_CONTROLLED_LOAD);
	flows[2].service = 7;
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	flows[2].service = 0;
	request.qos.style = GW_RSVP_SE;
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	flows[1].service = GW_RSVP_CONTROLLED_LOAD;
	set_ok(pw, &socket, &request);
	provider_world_free(pw);
}

/* G-144, G-149, G-151 and §10: what a socket cannot have changes nothing. */
static void test_bad_styles(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct engine_socket plain = udp_socket(1);
	struct engine_socket connected = udp_connected(2, "203.0.113.7", 5004);
	struct engine_socket tcp = tcp_connected(3, "203.0.113.7", 5004);
	struct gw_rsvp_flow flows[2];
	const struct {
		const struct engine_socket *socket;
		uint32_t style;
		uint32_t n_flows;
		int result;
	} cases[] = {
		{ &plain, GW_RSVP_WF, 1, -EINVAL },
		{ &plain, GW_RSVP_FF, 0, -EINVAL },
		{ &plain, GW_RSVP_SE, 0, -EINVAL },
		{ &plain, 4, 0, -EINVAL },
		{ &plain, 0, 1, -EINVAL },
		{ &connected, GW_RSVP_WF, 0, -EINVAL },
		{ &connected, GW_RSVP_SE, 1, -EINVAL },
		{ &connected, GW_RSVP_FF, 2, -EINVAL },
		{ &tcp, GW_RSVP_WF, 0, -EINVAL },
		{ &tcp, GW_RSVP_SE, 1, -EINVAL },
		{ &connected, GW_RSVP_FF, 1, 0 },
		{ &tcp, GW_RSVP_FF, 0, 0 },
		{ &plain, GW_RSVP_SE, 2, 0 },
	};

	(void)state;
	name(&flows[0], 0, MBIT);
	name(&flows[1], 1, MBIT);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);

		request.qos.style = cases[i].style;
		request.qos.n_flows = cases[i].n_flows;
		request.qos.flows = flows;
		assert_int_equal(set(pw, cases[i].socket, &request), cases[i].result);
	}
	flows[0].sender.address.ss_family = AF_UNSPEC;
	{
		struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);

		request.qos.style = GW_RSVP_FF;
		request.qos.n_flows = 1;
		request.qos.flows = flows;
		assert_int_equal(set(pw, &plain, &request), -EINVAL);
	}
	provider_world_free(pw);
}

/* G-126, G-132, G-133: of a group, WF, and each of two sockets hears. Who sends there too takes part once. */
static void test_groups(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request =
		request_both(GW_QOS_CONTROLLED_LOAD, MBIT, GW_QOS_CONTROLLED_LOAD);
	struct address group = world_address("239.1.1.1", 5004), from = sender(0);
	struct gw_tspec tspec = tspec_of(MBIT);

	(void)state;
	pw->known = from;
	pw->known_tspec = tspec;
	for (uint64_t cookie = 1; cookie <= 3; cookie++) {
		struct engine_socket socket = udp_socket(cookie);

		assert_int_equal(provider_join(pw->provider, pw->owner, &socket, &group,
					       cookie == 1   ? GW_QOS_RECEIVING
					       : cookie == 2 ? GW_QOS_SENDING
							     : GW_QOS_SENDING | GW_QOS_RECEIVING,
					       &request, pw->world->now_us),
				 0);
	}
	expect_messages(pw, 2, 0, 2, 0);
	assert_int_equal(fake_signalling_count(&pw->signalling, NULL), 3);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_PATH, false), 1);
	assert_int_equal(told_of(pw, 2, GW_EVENT_RSVP_PATH, false), 0);
	assert_int_equal(told_of(pw, 3, GW_EVENT_RSVP_PATH, false), 1);
	assert_int_equal(fake_signalling_find(&pw->signalling, &group)->request.style, GW_RSVP_WF);
	provider_world_free(pw);
}

/* A group that is sent to as well: its senders are known still when the other direction begins again (§16.1). */
static void test_group_receives_again(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request =
		request_both(GW_QOS_CONTROLLED_LOAD, MBIT, GW_QOS_CONTROLLED_LOAD);
	struct address group = world_address("239.1.1.1", 5004), from = sender(0), also = sender(1);
	struct engine_socket socket = udp_socket(1);
	struct gw_tspec tspec = tspec_of(MBIT);

	(void)state;
	assert_int_equal(provider_join(pw->provider, pw->owner, &socket, &group,
				       GW_QOS_SENDING | GW_QOS_RECEIVING, &request,
				       pw->world->now_us),
			 0);
	hear_path(pw, &group, &from, &tspec, NULL);
	expect_messages(pw, 1, 0, 1, 0);
	request = request_receiving(GW_QOS_NONE);
	set_ok(pw, &socket, &request);
	forget(pw);
	hear_path(pw, &group, &also, &tspec, NULL);
	assert_int_equal(pw->n_told, 0);
	request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 0, 1, 0);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_PATH, false), 2);
	provider_world_free(pw);
}

/* ---- the guaranteed service ---- */

/* G-045, G-046, G-048 */
static void test_guaranteed_rates(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_GUARANTEED);
	struct engine_socket socket = udp_socket(1);
	const struct fake_session *session;

	(void)state;
	set_ok(pw, &socket, &request);
	hear(pw, &socket, 0, MBIT);
	session = session_of(pw, &socket);
	assert_int_equal(session->flows[0].rate_bps, MBIT);
	assert_int_equal(session->flows[0].slack_us, 0);
	request.qos.receiving.tspec.rate_bps = 3 * MBIT;
	set_ok(pw, &socket, &request);
	assert_int_equal(session->flows[0].rate_bps, 3 * MBIT);
	assert_int_equal(session->flows[0].tspec.rate_bps, MBIT);
	assert_int_equal(session->flows[0].slack_us, 0);
	request.qos.receiving.slack_us = 2500;
	set_ok(pw, &socket, &request);
	assert_int_equal(session->flows[0].slack_us, 2500);
	expect_messages(pw, 0, 0, 3, 0);
	/* §9.2: less than is sent; G-044: a rate and a latency. */
	request.qos.receiving.tspec.rate_bps = MBIT / 2;
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	request.qos.receiving.tspec.rate_bps = 3 * MBIT;
	request.qos.receiving.latency_us = 1000;
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	assert_int_equal(session->flows[0].rate_bps, 3 * MBIT);
	expect_messages(pw, 0, 0, 3, 0);
	provider_world_free(pw);
}

/* §5.3, as written there: R in bytes, Q and D in microseconds. */
static double bound_us(const struct gw_tspec *tspec, const struct gw_rsvp_path *path,
		       double rate_bytes)
{
	double r = (double)tspec->rate_bps / 8, p = (double)tspec->peak_bps / 8;
	double b = (double)tspec->depth_bytes, longest = tspec->max_bytes;
	double bound = (longest + path->c_total_bytes) / rate_bytes * 1e6 + path->d_total_us;

	if (rate_bytes < p)
		bound += (b - longest) / rate_bytes * (p - rate_bytes) / (p - r) * 1e6;
	return bound;
}

/* G-047, G-049 */
static void test_guaranteed_latency(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_GUARANTEED);
	struct engine_socket socket = udp_socket(1);
	const struct gw_rsvp_path path = { .known = 1,
					   .hops = 2,
					   .latency_us = 3000,
					   .mtu = 1500,
					   .c_total_bytes = 3000,
					   .d_total_us = 1000 };
	struct gw_tspec tspec = tspec_of(MBIT);
	struct address from = sender(0);
	const struct fake_session *session;
	double rate;

	(void)state;
	request.qos.receiving.latency_us = 23000;
	request.qos.receiving.slack_us = 700;
	set_ok(pw, &socket, &request);
	hear_path(pw, &socket.local, &from, &tspec, &path);
	session = session_of(pw, &socket);
	rate = (double)session->flows[0].rate_bps / 8;
	assert_true(rate > (double)MBIT / 8);
	assert_true(bound_us(&tspec, &path, rate) <= 20000.5);
	assert_true(bound_us(&tspec, &path, rate * 0.999) > 20000);
	assert_int_equal(session->flows[0].slack_us, 700);

	/* The terms of the path alone take as long. */
	forget(pw);
	request.qos.receiving.latency_us = 3900;
	set_ok(pw, &socket, &request);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_RESV_ERROR, false), 1);
	assert_int_equal(pw->told[0].record.error_code, 1);
	assert_int_equal(pw->told[0].record.error_value, 1);
	provider_world_free(pw);
}

/* §9.2: no packet is promised that the path does not carry. §5.3: without a rate no bound has effect. */
static void test_numbers(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);
	const struct gw_rsvp_path path = { .known = 1, .mtu = 800, .latency_us = UINT32_MAX };
	struct gw_tspec tspec = tspec_of(MBIT);
	struct address from = sender(0);
	const struct fake_session *session;

	(void)state;
	request.qos.receiving.tspec.depth_bytes = 9999;
	set_ok(pw, &socket, &request);
	hear_path(pw, &socket.local, &from, &tspec, &path);
	session = session_of(pw, &socket);
	assert_int_equal(session->flows[0].tspec.max_bytes, 800);
	assert_int_equal(session->flows[0].tspec.depth_bytes, 4000);
	request.qos.receiving.tspec.rate_bps = 4 * MBIT;
	set_ok(pw, &socket, &request);
	assert_int_equal(session->flows[0].tspec.rate_bps, 4 * MBIT);
	assert_int_equal(session->flows[0].tspec.depth_bytes, 9999);
	assert_int_equal(session->flows[0].tspec.peak_bps, 4 * MBIT); /* no less than the rate */
	request = request_receiving(GW_QOS_QUALITATIVE);
	set_ok(pw, &socket, &request);
	assert_int_equal(session->request.service, GW_RSVP_NULL_SERVICE);
	/* G-040 and its like */
	request.qos.receiving.service = GW_QOS_EITHER;
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	request.qos.receiving.service = GW_QOS_NETWORK_CONTROL;
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	provider_world_free(pw);
}

/* Who sends without a rate cannot be promised one: that is an event, as nobody waits for the answer. */
static void test_sender_without_rate(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);

	(void)state;
	set_ok(pw, &socket, &request);
	hear(pw, &socket, 0, 0);
	expect_messages(pw, 0, 0, 0, 0);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_RESV_ERROR, false), 1);
	assert_int_equal(pw->told[1].record.error_code, 21);
	provider_world_free(pw);
}

/* ---- events ---- */

/* G-160, G-161, G-247: new and changed, not again, and each that is gone, so that owners know who is left. */
static void test_senders_are_told(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);

	(void)state;
	set_ok(pw, &socket, &request);
	for (int again = 0; again < 2; again++)
		hear(pw, &socket, 0, MBIT);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_PATH, false), 1);
	assert_int_equal(pw->signalling.resvs, 1);
	hear(pw, &socket, 0, 2 * MBIT);
	hear(pw, &socket, 1, MBIT);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_PATH, false), 3);
	unhear(pw, &socket, 0);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_PATH, true), 1);
	unhear(pw, &socket, 1);
	unhear(pw, &socket, 1);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_PATH, true), 2);
	assert_false(session_of(pw, &socket)->reserves);
	provider_world_free(pw);
}

/* G-162, G-248 */
static void test_receivers_are_told(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, 2 * MBIT);
	struct engine_socket socket = udp_connected(1, "203.0.113.7", 5004);
	struct address to = sender(0);
	struct gw_qos_info info;

	(void)state;
	set_ok(pw, &socket, &request);
	provider_query(pw->provider, pw->owner, &socket, &info);
	assert_int_equal(info.sending_reserved, 0);
	assert_int_equal(info.end_to_end, UINT32_MAX); /* G-189 */
	for (int again = 0; again < 2; again++)
		hear_resv(pw, &to, GW_RSVP_CONTROLLED_LOAD, 2 * MBIT, -1);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_RESV, false), 1);
	hear_resv(pw, &to, GW_RSVP_CONTROLLED_LOAD, MBIT, -1);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_RESV, false), 2);
	provider_query(pw->provider, pw->owner, &socket, &info);
	assert_int_equal(info.sending_reserved, 1);
	assert_int_equal(info.end_to_end, 1);
	assert_int_equal(info.signals, 1);
	hear_resv_tear(pw, &to);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_RESV, true), 1);
	provider_world_free(pw);
}

/* G-156, G-157, G-246: once for each time it was asked for, and not after the end. */
static void test_confirmation(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);

	(void)state;
	request.qos.confirm = 1;
	set_ok(pw, &socket, &request);
	hear(pw, &socket, 0, MBIT);
	assert_true(session_of(pw, &socket)->request.flags & GW_RSVP_CONFIRM);
	for (int again = 0; again < 2; again++)
		hear_confirm(pw, &socket.local);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_CONFIRM, false), 1);
	hear(pw, &socket, 0, 2 * MBIT);
	assert_false(session_of(pw, &socket)->request.flags & GW_RSVP_CONFIRM);
	set_ok(pw, &socket, &request);
	assert_true(session_of(pw, &socket)->request.flags & GW_RSVP_CONFIRM);
	look_ok(pw, &socket);
	expect_messages(pw, 0, 0, 3, 0);

	/* A sender is there, so the session stays while the direction ends. */
	request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	request.qos.receiving.flags = GW_QOS_NO_SIGNALLING;
	set_ok(pw, &socket, &request);
	hear_confirm(pw, &socket.local);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_CONFIRM, false), 1);
	provider_world_free(pw);
}

/* Errors of the network are passed on to who asked, not to who only listens. */
static void test_errors(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);

	(void)state;
	look_ok(pw, &socket);
	hear_resv_error(pw, &socket.local);
	assert_int_equal(pw->n_told, 0);
	set_ok(pw, &socket, &request);
	hear(pw, &socket, 0, MBIT);
	hear_resv_error(pw, &socket.local);
	assert_int_equal(told_of(pw, 1, GW_EVENT_RSVP_RESV_ERROR, false), 1);
	provider_world_free(pw);
}

/* §6: policy goes along with what is sent and what is reserved, also when it is all that has changed. */
static void test_policy(void **state)
{
	static const uint8_t sent[] = { 0, 8, 14, 1, 1, 2, 3, 4 }, asked[] = { 0, 4, 14, 9 };
	struct provider_world *pw = provider_world_new();
	struct provider_request request =
		request_both(GW_QOS_CONTROLLED_LOAD, MBIT, GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_connected(1, "203.0.113.7", 5004);

	(void)state;
	set_ok(pw, &socket, &request);
	hear(pw, &socket, 0, MBIT);
	assert_int_equal(pw->signalling.offer_policy_len, 0);
	assert_int_equal(pw->signalling.request_policy_len, 0);
	request.qos.sending_policy = sent;
	request.qos.sending_policy_len = sizeof(sent);
	request.qos.receiving_policy = asked;
	request.qos.receiving_policy_len = sizeof(asked);
	set_ok(pw, &socket, &request);
	expect_messages(pw, 2, 0, 2, 0);
	assert_int_equal(pw->signalling.offer_policy_len, sizeof(sent));
	assert_int_equal(pw->signalling.offer_policy_last, 4);
	assert_int_equal(pw->signalling.request_policy_len, sizeof(asked));
	assert_int_equal(pw->signalling.request_policy_last, 9);
	/* Also of what is reserved later. */
	hear(pw, &socket, 0, 2 * MBIT);
	assert_int_equal(pw->signalling.request_policy_len, sizeof(asked));
	/* Without it, it is taken back. */
	request.qos.sending_policy_len = request.qos.receiving_policy_len = 0;
	set_ok(pw, &socket, &request);
	assert_int_equal(pw->signalling.offer_policy_len, 0);
	assert_int_equal(pw->signalling.request_policy_len, 0);
	provider_world_free(pw);
}

/* Sessions of others, opened by programs themselves, are none of ours. */
static void test_sessions_of_others(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct gw_rsvp_record record = { .size = sizeof(record) };
	struct engine_socket socket = udp_socket(1);

	(void)state;
	look_ok(pw, &socket);
	assert_false(provider_signalled(pw->provider, pw->owner, 77, GW_EVENT_RSVP_PATH, &record));
	assert_false(provider_signalled(pw->provider, world_owner(pw->world, UID_OTHER),
					session_of(pw, &socket)->id, GW_EVENT_RSVP_PATH, &record));
	provider_world_free(pw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resv_after_path),
		cmocka_unit_test(test_path_before_socket),
		cmocka_unit_test(test_local_addresses),
		cmocka_unit_test(test_peer_alone),
		cmocka_unit_test(test_change_of_service),
		cmocka_unit_test(test_no_signalling),
		cmocka_unit_test(test_styles),
		cmocka_unit_test(test_services_of_senders),
		cmocka_unit_test(test_bad_styles),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_group_receives_again),
		cmocka_unit_test(test_guaranteed_rates),
		cmocka_unit_test(test_guaranteed_latency),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sender_without_rate),
		cmocka_unit_test(test_senders_are_told),
		cmocka_unit_test(test_receivers_are_told),
		cmocka_unit_test(test_confirmation),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_sessions_of_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
