/* SPDX-License-Identifier: MIT */
/* test_provider_send.c: what sockets send under QoS: when Path starts, and what traffic control does (gqos.md). */
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

static const struct fake_session *peer_session(struct provider_world *pw)
{
	struct address address = peer();

	return fake_signalling_find(&pw->signalling, &address);
}

static struct engine_socket connected(uint64_t cookie)
{
	return udp_connected(cookie, "203.0.113.7", 5004);
}

/* G-099, G-105, G-106: connected, then asked: Path at once, with the peer as session and the local side as sender. */
static void test_path_at_once(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket udp = connected(1), tcp = tcp_connected(2, "203.0.113.8", 80);
	struct address web = world_address("203.0.113.8", 80), source;
	const struct fake_session *session;

	(void)state;
	set_ok(pw, &udp, &request);
	set_ok(pw, &tcp, &request);
	expect_messages(pw, 2, 0, 0, 0);
	session = peer_session(pw);
	assert_int_equal(session->session.protocol, IPPROTO_UDP);
	assert_int_equal(address_from_sockaddr((const struct sockaddr *)&session->offer.source,
					       sizeof(session->offer.source), &source),
			 0);
	assert_true(address_equal(&source, &udp.local));
	assert_int_equal(fake_signalling_find(&pw->signalling, &web)->session.protocol,
			 IPPROTO_TCP);
	provider_world_free(pw);
}

/* G-036..G-038: what is left out of the Tspec; §5.3. */
static void test_tspec_is_completed(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, 8 * MBIT);
	struct engine_socket socket = connected(1);
	const struct gw_tspec *tspec;

	(void)state;
	set_ok(pw, &socket, &request);
	tspec = &peer_session(pw)->offer.tspec;
	assert_int_equal(tspec->rate_bps, 8 * MBIT);
	assert_int_equal(tspec->depth_bytes, 100000);
	assert_int_equal(tspec->peak_bps, 0);
	assert_int_equal(tspec->min_bytes, 128);
	assert_int_equal(tspec->max_bytes, 1500);
	request.qos.sending.tspec.min_bytes = 1501;
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	request.qos.sending.tspec.min_bytes = 0;
	request.qos.sending.tspec.peak_bps = MBIT; /* G-035 */
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	request.qos.sending.tspec = (struct gw_tspec){ 0 }; /* G-033, G-034 */
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	expect_messages(pw, 1, 0, 0, 0);
	provider_world_free(pw);
}

/* G-054..G-056, G-042 */
static void test_services_offered(void **state)
{
	static const struct {
		enum gw_qos_service service;
		uint32_t offered;
	} cases[] = {
		{ GW_QOS_CONTROLLED_LOAD, GW_RSVP_OFFER_CONTROLLED_LOAD },
		{ GW_QOS_GUARANTEED, GW_RSVP_OFFER_GUARANTEED },
		{ GW_QOS_EITHER, GW_RSVP_OFFER_CONTROLLED_LOAD | GW_RSVP_OFFER_GUARANTEED },
		{ GW_QOS_QUALITATIVE, GW_RSVP_OFFER_NULL },
	};
	struct provider_world *pw = provider_world_new();
	struct engine_socket socket = connected(1);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool null = cases[i].service == GW_QOS_QUALITATIVE;
		struct provider_request request =
			request_sending(cases[i].service, null ? 0 : MBIT);

		set_ok(pw, &socket, &request);
		assert_int_equal(peer_session(pw)->offer.services, cases[i].offered);
	}
	/* G-057: each change is one Path, and nothing is torn. */
	expect_messages(pw, 4, 0, 0, 0);
	provider_world_free(pw);
}

/* G-059, G-060 */
static void test_changes_of_numbers(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = connected(1);
	struct address to = peer();
	uint32_t flow_id;

	(void)state;
	set_ok(pw, &socket, &request);
	flow_id = meter_to(pw, 1, &to)->flow_id;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 1, 0, 0, 0);
	request.qos.sending.tspec.rate_bps = 2 * MBIT;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 2, 0, 0, 0);
	assert_int_equal(peer_session(pw)->offer.tspec.rate_bps, 2 * MBIT);
	assert_int_equal(meter_to(pw, 1, &to)->flow_id, flow_id);
	assert_int_equal(meter_to(pw, 1, &to)->bucket.rate_bps, 2 * MBIT);
	provider_world_free(pw);
}

/* G-098, G-100, G-101: what is asked of a TCP socket waits for the connection, also after one that failed. */
static void test_tcp_waits_for_its_connection(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket tcp = tcp_connected(1, "203.0.113.7", 5004), unbound = tcp;

	(void)state;
	unbound.peer = (struct address){ 0 };
	unbound.local = world_address("0.0.0.0", 0);
	set_ok(pw, &unbound, &request);
	engine_end_socket(pw->world->engine, 1, DIRECTION_BOTH, END_DISCONNECTED, 0);
	expect_messages(pw, 0, 0, 0, 0);
	look_ok(pw, &tcp);
	expect_messages(pw, 1, 0, 0, 0);
	look_ok(pw, &tcp);
	expect_messages(pw, 1, 0, 0, 0);
	provider_world_free(pw);
}

/* G-106 the other way round, G-107, G-108, G-112, G-113 */
static void test_udp_not_connected(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = udp_socket(1), unbound = socket;
	struct sockaddr_in *source;

	(void)state;
	unbound.local = world_address("0.0.0.0", 0);
	assert_int_equal(set(pw, &unbound, &request), -EINVAL);
	world_check_empty(pw->world);
	socket.local = world_address("0.0.0.0", 7000);
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 0, 0, 0);
	assert_int_equal(dscp_to(pw, 1, NULL), -1);
	socket.peer = peer();
	look_ok(pw, &socket);
	expect_messages(pw, 1, 0, 0, 0);
	source = (struct sockaddr_in *)&peer_session(pw)->offer.source;
	assert_int_equal(source->sin_addr.s_addr, INADDR_ANY); /* the routes say */
	assert_int_equal(ntohs(source->sin_port), 7000);
	provider_world_free(pw);
}

/* G-109..G-111, G-234 */
static void test_destinations(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = udp_socket(1);
	struct address one = peer(), two = world_address("203.0.113.8", 5004);

	(void)state;
	request.destination = one;
	set_ok(pw, &socket, &request);
	request.destination = two;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 2, 0, 0, 0);
	request.qos.sending.tspec.rate_bps = 2 * MBIT;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 3, 0, 0, 0);
	assert_int_equal(fake_signalling_count(&pw->signalling, pw->owner), 3); /* with its own */
	assert_int_equal(meter_to(pw, 1, &one)->bucket.rate_bps, MBIT);
	assert_int_equal(meter_to(pw, 1, &two)->bucket.rate_bps, 2 * MBIT);

	forget(pw);
	request = request_sending(GW_QOS_NONE, 0);
	request.destination = one;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 1, 0, 0);
	assert_null(meter_to(pw, 1, &one));
	assert_non_null(meter_to(pw, 1, &two));
	request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	request.destination = one;
	set_ok(pw, &socket, &request);
	forget(pw);
	request = request_sending(GW_QOS_NONE, 0);
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 2, 0, 0);
	provider_world_free(pw);
}

/* §6: ANY_DEST_ADDR asks for traffic control only. */
static void test_any_destination(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_GUARANTEED, MBIT);
	struct engine_socket socket = udp_socket(1);

	(void)state;
	request.destination = world_address("255.255.255.255", 0);
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 0, 0, 0);
	assert_int_equal(meter_to(pw, 1, NULL)->excess, DATAPATH_EXCESS_DELAY);
	request.qos.sending.service = GW_QOS_NONE;
	set_ok(pw, &socket, &request);
	assert_true(fake_find(&pw->world->datapath, 1, NULL)->treatment.watched);
	provider_world_free(pw);
}

/* G-089, G-088 */
static void test_bad_destinations(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket plain = udp_socket(1), socket = connected(2);

	(void)state;
	request.destination = world_address("203.0.113.9", 1);
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	request.destination = peer();
	set_ok(pw, &socket, &request);
	request.destination.port = 0;
	assert_int_equal(set(pw, &plain, &request), -EINVAL);
	request.destination = world_address("2001:db8::1", 1);
	assert_int_equal(set(pw, &plain, &request), -EAFNOSUPPORT);
	provider_world_free(pw);
}

/* ---- traffic control ---- */

/* G-191, G-192, G-193: transitional, then what is reserved, then transitional again. */
static void upgrade(enum gw_qos_service asked, uint32_t booked_as, enum datapath_excess excess,
		    int dscp, int priority, enum gw_class traffic_class)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(asked, 2 * MBIT);
	struct engine_service service = service_of(booked_as, MBIT);
	struct engine_socket socket = connected(1);
	struct address to = peer();
	const struct datapath_meter *meter;
	const struct fake_mark *mark;

	set_ok(pw, &socket, &request);
	meter = meter_to(pw, 1, &to);
	assert_int_equal(dscp_to(pw, 1, &to), 0);
	assert_int_equal(meter->traffic_class, GW_CLASS_BEST_EFFORT);
	assert_int_equal(meter->excess, excess);
	assert_int_equal(meter->bucket.rate_bps, 2 * MBIT);
	assert_int_equal(meter->reserved_bps, 0);

	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), 0);
	meter = meter_to(pw, 1, &to);
	mark = fake_find(&pw->world->datapath, 1, &to);
	assert_int_equal(dscp_to(pw, 1, &to), dscp);
	assert_int_equal(mark->treatment.mark.priority, priority);
	assert_int_equal(meter->traffic_class, traffic_class);
	assert_int_equal(meter->excess, excess);
	assert_int_equal(meter->bucket.rate_bps, MBIT);
	assert_int_equal(meter->reserved_bps,
			 booked_as == ADMISSION_GUARANTEED ? 3 * MBIT / 2 : MBIT);

	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, NULL), 0);
	meter = meter_to(pw, 1, &to);
	assert_int_equal(dscp_to(pw, 1, &to), 0);
	assert_int_equal(meter->bucket.rate_bps, 2 * MBIT);
	assert_int_equal(meter->reserved_bps, 0);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, NULL), -ENOENT);
	provider_world_free(pw);
}

static void test_controlled_load_is_upgraded(void **state)
{
	(void)state;
	upgrade(GW_QOS_CONTROLLED_LOAD, ADMISSION_CONTROLLED_LOAD, DATAPATH_EXCESS_REMARK, 0x18, 4,
		GW_CLASS_AUDIO_VIDEO);
}

static void test_guaranteed_is_upgraded(void **state)
{
	(void)state;
	upgrade(GW_QOS_GUARANTEED, ADMISSION_GUARANTEED, DATAPATH_EXCESS_DELAY, 0x28, 5,
		GW_CLASS_VOICE);
}

static void test_either_is_upgraded(void **state)
{
	(void)state;
	upgrade(GW_QOS_EITHER, ADMISSION_CONTROLLED_LOAD, DATAPATH_EXCESS_REMARK, 0x18, 4,
		GW_CLASS_AUDIO_VIDEO);
}

/* §11.2: never more than was asked for. G-195: the excess has a mark of its own. */
static void test_reserved_no_more_than_asked(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, 5 * MBIT);
	struct engine_socket socket = connected(1);
	struct address to = peer();
	const struct datapath_meter *meter;

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), 0);
	meter = meter_to(pw, 1, &to);
	assert_int_equal(meter->bucket.rate_bps, MBIT);
	assert_true(meter->excess_mark.set_dscp && meter->excess_mark.set_priority);
	assert_int_equal(meter->excess_mark.dscp, 0);
	assert_int_equal(meter->excess_mark.priority, 1);
	assert_int_equal(meter->excess_class, GW_CLASS_BACKGROUND);
	provider_world_free(pw);
}

/* G-197: whose a reservation is. */
static void test_reservations_of_others(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct signalling_session elsewhere = { .protocol = IPPROTO_UDP, .ifindex = 3 };
	struct engine_socket one = connected(1), two = connected(2);
	struct address to = peer(), other = world_address("203.0.113.9", 5004);

	(void)state;
	set_ok(pw, &one, &request);
	assert_int_equal(reserve(pw, &other, IPPROTO_UDP, &one.local, &service), -ENOENT);
	assert_int_equal(reserve(pw, &to, IPPROTO_TCP, &one.local, &service), -ENOENT);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &two.local, &service), -ENOENT);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, NULL, &service), 0); /* the only one */
	set_ok(pw, &two, &request);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, NULL, &service), -ENOENT);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &two.local, &service), 0);
	assert_int_equal(dscp_to(pw, 2, &to), 0x18);
	/* A group may be reserved on several interfaces; the flow can have one of them. */
	elsewhere.destination = to;
	assert_int_equal(provider_reserve(pw->provider, &elsewhere, &two.local, &service, NULL, 0),
			 -ENOENT);
	assert_int_equal(provider_reserve(pw->provider, &elsewhere, &two.local, NULL, NULL, 0),
			 -ENOENT);
	assert_int_equal(dscp_to(pw, 2, &to), 0x18);
	provider_world_free(pw);
}

/* G-196: what the link has no room for leaves the flow as it is; the owner hears of it once. */
static void test_refused_here(void **state)
{
	const struct admission_link_config link = { .rate_bps = 10 * MBIT, .share = 20 };
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, 4 * MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, 3 * MBIT);
	struct engine_socket socket = connected(1);
	struct address to = peer();

	(void)state;
	assert_int_equal(engine_set_link(pw->world->engine, 2, &link), 0);
	set_ok(pw, &socket, &request);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), -EDQUOT);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), -EDQUOT);
	assert_int_equal(dscp_to(pw, 1, &to), 0);
	assert_int_equal(pw->n_told, 1);
	assert_int_equal(pw->told[0].type, GW_EVENT_RSVP_PATH_ERROR);
	assert_int_equal(pw->told[0].record.error_code, 1);
	assert_int_equal(pw->told[0].record.error_value, 2);
	service.bucket.rate_bps = MBIT;
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), 0);
	assert_int_equal(dscp_to(pw, 1, &to), 0x18);
	provider_world_free(pw);
}

/* G-084, G-086, G-194 and SHAPING_RATE (G-083): the program's own marks, excess and rate. */
static void test_overrides(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, 2 * MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = connected(1);
	struct address to = peer();

	(void)state;
	request.qos.dscp = 0x2e;
	request.qos.priority = 5;
	request.qos.excess = GW_QOS_EXCESS_DISCARD;
	set_ok(pw, &socket, &request);
	assert_int_equal(dscp_to(pw, 1, &to), 0x2e);
	assert_int_equal(fake_find(&pw->world->datapath, 1, &to)->treatment.mark.priority, 5);
	assert_int_equal(meter_to(pw, 1, &to)->excess, DATAPATH_EXCESS_DROP);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), 0);
	assert_int_equal(dscp_to(pw, 1, &to), 0x2e);
	assert_int_equal(meter_to(pw, 1, &to)->excess, DATAPATH_EXCESS_DROP);

	request.qos.excess = GW_QOS_EXCESS_SHAPE;
	request.qos.shaping_bps = MBIT / 2;
	set_ok(pw, &socket, &request);
	assert_int_equal(meter_to(pw, 1, &to)->excess, DATAPATH_EXCESS_DELAY);
	assert_int_equal(meter_to(pw, 1, &to)->bucket.rate_bps, MBIT / 2);
	/* Objects that are not repeated are not kept (§7.5). */
	request = request_sending(GW_QOS_CONTROLLED_LOAD, 2 * MBIT);
	set_ok(pw, &socket, &request);
	assert_int_equal(dscp_to(pw, 1, &to), 0x18);
	assert_int_equal(meter_to(pw, 1, &to)->excess, DATAPATH_EXCESS_REMARK);
	request.qos.dscp = 64; /* G-085 */
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	provider_world_free(pw);
}

/* G-199 */
static void test_mark_that_receivers_ask_for(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = connected(1);
	struct address to = peer();

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), 0);
	hear_resv(pw, &to, GW_RSVP_CONTROLLED_LOAD, MBIT, 0x12);
	assert_int_equal(dscp_to(pw, 1, &to), 0x12);
	hear_resv(pw, &to, GW_RSVP_CONTROLLED_LOAD, MBIT, -1);
	assert_int_equal(dscp_to(pw, 1, &to), 0x18);
	provider_world_free(pw);
}

/* §5.5: a reservation that is still offered keeps its form; one that is not, does not. G-057 */
static void test_reservation_while_service_changes(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = connected(1);
	struct address to = peer();

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), 0);
	request.qos.sending.service = GW_QOS_EITHER;
	set_ok(pw, &socket, &request);
	assert_int_equal(dscp_to(pw, 1, &to), 0x18);
	request.qos.sending.service = GW_QOS_GUARANTEED;
	set_ok(pw, &socket, &request);
	assert_int_equal(dscp_to(pw, 1, &to), 0);
	assert_int_equal(meter_to(pw, 1, &to)->reserved_bps, 0);
	expect_messages(pw, 3, 0, 0, 0);
	provider_world_free(pw);
}

/* ---- flags ---- */

/* G-061..G-063 */
static void test_flags_from_the_start(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket one = connected(1), two = connected(2), three = connected(3);
	struct address to = peer();

	(void)state;
	request.qos.sending.flags = GW_QOS_NO_SIGNALLING;
	set_ok(pw, &one, &request);
	expect_messages(pw, 0, 0, 0, 0);
	assert_non_null(meter_to(pw, 1, &to));
	request.qos.sending.flags = GW_QOS_NO_TRAFFIC_CONTROL;
	set_ok(pw, &two, &request);
	expect_messages(pw, 1, 0, 0, 0);
	assert_null(meter_to(pw, 2, &to));
	request.qos.sending.flags = GW_QOS_NO_SIGNALLING | GW_QOS_NO_TRAFFIC_CONTROL;
	set_ok(pw, &three, &request);
	expect_messages(pw, 1, 0, 0, 0);
	assert_null(meter_to(pw, 3, &to));
	provider_world_free(pw);
}

/* G-064..G-067, G-071, G-251 */
static void test_flags_of_a_live_sender(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct provider_request keep = request_nothing();
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = connected(1);
	struct address to = peer();

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), 0);
	keep.qos.sending.flags = GW_QOS_NO_SIGNALLING;
	set_ok(pw, &socket, &keep);
	expect_messages(pw, 1, 1, 0, 0);
	assert_int_equal(dscp_to(pw, 1, &to), 0);
	assert_non_null(meter_to(pw, 1, &to));
	set_ok(pw, &socket, &request);
	expect_messages(pw, 2, 1, 0, 0);
	assert_int_equal(dscp_to(pw, 1, &to), 0); /* what was reserved has ended with Path */

	keep.qos.sending.flags = GW_QOS_NO_TRAFFIC_CONTROL;
	set_ok(pw, &socket, &keep);
	assert_null(meter_to(pw, 1, &to));
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), 0);
	expect_messages(pw, 2, 1, 0, 0);
	set_ok(pw, &socket, &request);
	assert_int_equal(dscp_to(pw, 1, &to), 0x18);
	expect_messages(pw, 2, 1, 0, 0);
	request = request_sending(GW_QOS_NONE, 0);
	request.qos.sending.flags = GW_QOS_NO_SIGNALLING;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 2, 2, 0, 0);
	assert_null(meter_to(pw, 1, &to));
	provider_world_free(pw);
}

/* G-031, G-032, and §5.4: best effort with numbers or marks is local. */
static void test_best_effort(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_both(GW_QOS_BEST_EFFORT, 0, GW_QOS_BEST_EFFORT);
	struct engine_socket socket = connected(1);
	struct address to = peer();

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(dscp_to(pw, 1, &to), -1);
	request.qos.sending.service = request.qos.receiving.service = GW_QOS_NONE;
	set_ok(pw, &socket, &request);
	request = request_sending(GW_QOS_BEST_EFFORT, MBIT);
	request.qos.excess = GW_QOS_EXCESS_SHAPE;
	set_ok(pw, &socket, &request);
	assert_int_equal(meter_to(pw, 1, &to)->excess, DATAPATH_EXCESS_DELAY);
	request.qos.sending.flags = GW_QOS_NO_TRAFFIC_CONTROL;
	set_ok(pw, &socket, &request);
	assert_null(meter_to(pw, 1, &to));
	request = request_sending(GW_QOS_BEST_EFFORT, 0);
	request.qos.dscp = 10;
	set_ok(pw, &socket, &request);
	assert_int_equal(dscp_to(pw, 1, &to), 10);
	assert_null(meter_to(pw, 1, &to));
	expect_messages(pw, 0, 0, 0, 0);
	request.qos.excess = GW_QOS_EXCESS_DISCARD; /* of which rate? */
	assert_int_equal(set(pw, &socket, &request), -EINVAL);
	provider_world_free(pw);
}

/* G-043 */
static void test_network_control(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_NETWORK_CONTROL, MBIT);
	struct engine_socket socket = connected(1);
	struct address to = peer();

	(void)state;
	assert_int_equal(set(pw, &socket, &request), -EACCES);
	pw->owner = world_owner(pw->world, UID_ROOT);
	set_ok(pw, &socket, &request);
	assert_int_equal(dscp_to(pw, 1, &to), 0x30);
	assert_int_equal(meter_to(pw, 1, &to)->traffic_class, GW_CLASS_CONTROL);
	provider_world_free(pw);
}

/* ---- groups ---- */

static int join(struct provider_world *pw, const struct engine_socket *socket,
		const struct address *group, uint32_t directions,
		const struct provider_request *request)
{
	int r = provider_join(pw->provider, pw->owner, socket, group, directions, request,
			      pw->world->now_us);

	provider_run(pw->provider, pw->world->now_us);
	world_check(pw->world);
	return r;
}

/* G-125, G-129..G-131 and the sending half of G-126 */
static void test_groups(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = udp_socket(1);
	struct address one = world_address("239.1.1.1", 5004);
	struct address two = world_address("239.1.1.2", 5004);
	struct address unicast = peer();

	(void)state;
	assert_int_equal(join(pw, &socket, &unicast, GW_QOS_SENDING, &request), -EINVAL);
	assert_int_equal(join(pw, &socket, &one, GW_QOS_SENDING, &request), 0);
	assert_int_equal(join(pw, &socket, &one, GW_QOS_SENDING, &request), -EISCONN);
	request.qos.sending.tspec.rate_bps = 3 * MBIT;
	assert_int_equal(join(pw, &socket, &two, GW_QOS_SENDING | GW_QOS_RECEIVING, &request), 0);
	expect_messages(pw, 2, 0, 0, 0);
	assert_int_equal(meter_to(pw, 1, &one)->bucket.rate_bps, MBIT);
	assert_int_equal(meter_to(pw, 1, &two)->bucket.rate_bps, 3 * MBIT);
	request.qos.sending.tspec.rate_bps = 2 * MBIT;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 4, 0, 0, 0);
	assert_int_equal(meter_to(pw, 1, &one)->bucket.rate_bps, 2 * MBIT);
	assert_int_equal(meter_to(pw, 1, &two)->bucket.rate_bps, 2 * MBIT);
	provider_world_free(pw);
}

/* §8.1: asked of the socket first, then joined. */
static void test_group_takes_what_the_socket_has(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = udp_socket(1);
	struct address group = world_address("239.1.1.1", 5004);

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(join(pw, &socket, &group, GW_QOS_SENDING, NULL), 0);
	expect_messages(pw, 1, 0, 0, 0);
	assert_non_null(meter_to(pw, 1, &group));
	provider_world_free(pw);
}

/* What others have done to the socket is not hidden by the watch, and the other way round. */
static void test_beside_other_flows(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_receiving(GW_QOS_CONTROLLED_LOAD);
	struct engine_socket socket = udp_socket(1);
	struct owner *other = world_owner(pw->world, UID_OTHER);
	uint32_t before, after;

	(void)state;
	before = world_add(pw->world, other, 1, NULL, GW_CLASS_VOICE, 0);
	set_ok(pw, &socket, &request);
	assert_int_equal(dscp_to(pw, 1, NULL), 56);
	after = world_add(pw->world, other, 1, NULL, GW_CLASS_BACKGROUND, 0);
	assert_int_equal(dscp_to(pw, 1, NULL), 8);
	assert_int_equal(engine_remove(pw->world->engine, other, after, 0), 0);
	assert_int_equal(engine_remove(pw->world->engine, other, before, 0), 0);
	world_check(pw->world);
	assert_true(fake_find(&pw->world->datapath, 1, NULL)->treatment.watched);
	provider_world_free(pw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_at_once),
		cmocka_unit_test(test_tspec_is_completed),
		cmocka_unit_test(test_services_offered),
		cmocka_unit_test(test_changes_of_numbers),
		cmocka_unit_test(test_tcp_waits_for_its_connection),
		cmocka_unit_test(test_udp_not_connected),
		cmocka_unit_test(test_destinations),
		cmocka_unit_test(test_any_destination),
		cmocka_unit_test(test_bad_destinations),
		cmocka_unit_test(test_controlled_load_is_upgraded),
		cmocka_unit_test(test_guaranteed_is_upgraded),
		cmocka_unit_test(test_either_is_upgraded),
		cmocka_unit_test(test_reserved_no_more_than_asked),
		cmocka_unit_test(test_reservations_of_others),
		cmocka_unit_test(test_refused_here),
		cmocka_unit_test(test_overrides),
		cmocka_unit_test(test_mark_that_receivers_ask_for),
		cmocka_unit_test(test_reservation_while_service_changes),
		cmocka_unit_test(test_flags_from_the_start),
		cmocka_unit_test(test_flags_of_a_live_sender),
		cmocka_unit_test(test_best_effort),
		cmocka_unit_test(test_network_control),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_group_takes_what_the_socket_has),
		cmocka_unit_test(test_beside_other_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
