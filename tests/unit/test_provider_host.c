/* SPDX-License-Identifier: MIT */
/*
 * test_provider_host.c: what becomes of QoS where the host can do less, and what the administrator has chosen (gqos.md
 * §11.3, §13, §17).
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

static struct gw_qos_info query(struct provider_world *pw, const struct engine_socket *socket)
{
	struct gw_qos_info info;

	assert_int_equal(provider_query(pw->provider, pw->owner, socket, &info), 0);
	return info;
}

/* ---- what there is ---- */

/* G-256, G-258 */
static void test_without_signalling(void **state)
{
	struct provider_world *pw = provider_world_new_with(&fake_datapath_ops, false);
	struct provider_request request = request_both(GW_QOS_EITHER, MBIT, GW_QOS_GUARANTEED);
	struct engine_socket socket = connected(1);
	struct provider_config config;
	struct address to = peer();
	struct gw_qos_info info;

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(meter_to(pw, 1, &to)->excess, DATAPATH_EXCESS_REMARK);
	assert_int_equal(dscp_to(pw, 1, &to), 0x18); /* there is nothing to wait for */
	provider_config_default(&config);
	config.either_is_guaranteed = true;
	provider_configure(pw->provider, &config);
	set_ok(pw, &socket, &request);
	assert_int_equal(meter_to(pw, 1, &to)->excess, DATAPATH_EXCESS_DELAY);
	assert_int_equal(dscp_to(pw, 1, &to), 0x28);
	assert_int_equal(pw->n_told, 0);
	info = query(pw, &socket);
	assert_int_equal(info.signals, 0);
	assert_int_equal(info.traffic_control, 1);
	assert_int_equal(info.sending.service, GW_QOS_EITHER);
	assert_int_equal(info.receiving.service, GW_QOS_GUARANTEED);
	/* It begins when somebody signals. */
	provider_set_signalling(pw->provider, &pw->signalling.port, pw->world->now_us);
	expect_messages(pw, 1, 0, 0, 0);
	assert_int_equal(dscp_to(pw, 1, &to), 0);
	provider_world_free(pw);
}

/* A datapath that keeps nothing to a rate marks at least. */
static void test_without_meters(void **state)
{
	struct provider_world *pw = provider_world_new_with(&fake_datapath_ops_unmetered, true);
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_service service = service_of(ADMISSION_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = connected(1);
	struct address to = peer();

	(void)state;
	set_ok(pw, &socket, &request);
	assert_int_equal(dscp_to(pw, 1, &to), 0);
	assert_int_equal(reserve(pw, &to, IPPROTO_UDP, &socket.local, &service), 0);
	assert_int_equal(dscp_to(pw, 1, &to), 0x18);
	provider_world_free(pw);
}

/* G-187: a scheduler keeps everything to rates, socket options only TCP, and nothing nothing. */
static void test_local_traffic_control(void **state)
{
	static const struct {
		const struct datapath_ops *ops;
		uint32_t udp, tcp;
	} cases[] = {
		{ &fake_datapath_ops, 1, 1 },
		{ &fake_datapath_ops_descriptors, 0, 1 },
		{ &fake_datapath_ops_unmetered, 0, 0 },
	};
	struct engine_socket udp = connected(1), tcp = tcp_connected(2, "203.0.113.7", 80);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct provider_world *pw = provider_world_new_with(cases[i].ops, true);

		assert_int_equal(query(pw, &udp).traffic_control, cases[i].udp);
		assert_int_equal(query(pw, &tcp).traffic_control, cases[i].tcp);
		provider_world_free(pw);
	}
}

/* G-186: what the administrator says of a link that is handed over, else what the driver says, else nothing. */
static void test_link_rate(void **state)
{
	const struct admission_link_config handed_over = { .rate_bps = 10 * MBIT, .share = 50 };
	struct provider_world *pw = provider_world_new();
	struct engine_socket socket = connected(1), plain = udp_socket(2);
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);

	(void)state;
	pw->world->ifindex = 3;
	assert_true(query(pw, &socket).link_bps == 0);
	pw->link_speed_bps = 1000 * MBIT;
	assert_true(query(pw, &socket).link_bps == 1000 * MBIT);
	assert_true(query(pw, &plain).link_bps == 0); /* it may send anywhere */
	request.destination = peer();
	set_ok(pw, &plain, &request);
	assert_true(query(pw, &plain).link_bps == 1000 * MBIT);
	assert_int_equal(engine_set_link(pw->world->engine, 3, &handed_over), 0);
	assert_true(query(pw, &socket).link_bps == 10 * MBIT);
	pw->world->route_error = -ENETUNREACH;
	assert_true(query(pw, &socket).link_bps == 0);
	pw->world->route_error = 0;
	provider_world_free(pw);
}

/* G-037, §9.1: M is no more than the interface takes, and m no more than M. */
static void test_packets_fit_the_interface(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = connected(1);
	struct address to = peer();
	const struct gw_tspec *tspec;

	(void)state;
	pw->link_mtu = 1280;
	set_ok(pw, &socket, &request);
	tspec = &fake_signalling_find(&pw->signalling, &to)->offer.tspec;
	assert_int_equal(tspec->max_bytes, 1280);
	assert_int_equal(tspec->min_bytes, 128);
	request.qos.sending.tspec.max_bytes = 9000;
	request.qos.sending.tspec.min_bytes = 2000;
	set_ok(pw, &socket, &request);
	assert_int_equal(tspec->max_bytes, 1280);
	assert_int_equal(tspec->min_bytes, 1280);
	expect_messages(pw, 2, 0, 0, 0);
	/* The same said again is no message, unless the interface takes another length now. */
	set_ok(pw, &socket, &request);
	expect_messages(pw, 2, 0, 0, 0);
	pw->link_mtu = 9000;
	set_ok(pw, &socket, &request);
	expect_messages(pw, 3, 0, 0, 0);
	assert_int_equal(tspec->max_bytes, 9000);
	assert_int_equal(tspec->min_bytes, 2000);
	pw->link_mtu = 0;
	request.qos.sending.tspec.max_bytes = 65535;
	set_ok(pw, &socket, &request);
	assert_int_equal(tspec->max_bytes, 65535);
	provider_world_free(pw);
}

/* ---- what is chosen ---- */

static void configure(struct provider_world *pw, const struct provider_config *config)
{
	provider_configure(pw->provider, config);
}

/* A46, G-259: the administrator's marks, and when they begin. */
static void test_configured_marks(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_GUARANTEED, MBIT);
	struct engine_socket socket = connected(1);
	struct provider_config config;
	struct address to = peer();

	(void)state;
	provider_config_default(&config);
	config.marks_at_once = true;
	config.guaranteed = (struct provider_marks){ 46, 6 };
	configure(pw, &config);
	set_ok(pw, &socket, &request);
	assert_int_equal(dscp_to(pw, 1, &to), 46);
	assert_int_equal(fake_find(&pw->world->datapath, 1, &to)->treatment.mark.priority, 6);
	provider_world_free(pw);
}

/* G-188: programs are told, and nothing else comes of it. */
static void test_limit_without_reservation(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, 2 * MBIT);
	struct engine_socket socket = connected(1);
	struct provider_config config;

	(void)state;
	assert_true(query(pw, &socket).max_unreserved_bps == 0);
	provider_config_default(&config);
	config.max_unreserved_bps = MBIT;
	configure(pw, &config);
	set_ok(pw, &socket, &request);
	assert_true(query(pw, &socket).max_unreserved_bps == MBIT);
	assert_true(query(pw, &socket).sending.tspec.rate_bps == 2 * MBIT);
	expect_messages(pw, 1, 0, 0, 0);
	provider_world_free(pw);
}

/* A38: RSVP is not run over loopback, and the call succeeds. */
static void test_loopback(void **state)
{
	struct provider_world *pw = provider_world_new();
	struct provider_request request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	struct engine_socket socket = udp_connected(1, "127.0.0.1", 5004);
	struct engine_socket other = udp_socket(2);
	struct provider_config config;

	(void)state;
	socket.local = world_address("127.0.0.1", 7000);
	set_ok(pw, &socket, &request);
	expect_messages(pw, 0, 0, 0, 0);
	assert_int_equal(fake_signalling_count(&pw->signalling, NULL), 0);
	assert_int_equal(pw->world->datapath.n_meters, 0);
	/* §14: where the administrator is strict it is an error, of what is signalled. */
	provider_config_default(&config);
	config.refuses_loopback = true;
	configure(pw, &config);
	assert_int_equal(set(pw, &socket, &request), -ENETUNREACH);
	request = request_sending(GW_QOS_BEST_EFFORT, 0);
	set_ok(pw, &socket, &request);
	request = request_sending(GW_QOS_CONTROLLED_LOAD, MBIT);
	request.destination = world_address("127.0.0.2", 5004);
	assert_int_equal(set(pw, &other, &request), -ENETUNREACH);
	request.destination = peer();
	set_ok(pw, &other, &request);
	provider_world_free(pw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_signalling),
		cmocka_unit_test(test_without_meters),
		cmocka_unit_test(test_local_traffic_control),
		cmocka_unit_test(test_link_rate),
		cmocka_unit_test(test_packets_fit_the_interface),
		cmocka_unit_test(test_configured_marks),
		cmocka_unit_test(test_limit_without_reservation),
		cmocka_unit_test(test_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
