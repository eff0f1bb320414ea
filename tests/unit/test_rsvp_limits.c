/* SPDX-License-Identifier: MIT */
/* test_rsvp_limits.c: what a node takes at most, and when memory is short (R-272, spec §16). */
#include "rsvp_hand.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scarce_memory.h"

/* ---- a world without memory of its own: what is sent is only counted ---- */

struct bare {
	struct rsvp *rsvp;
	unsigned sent, installed;
	uint32_t random;
	uint64_t now_us;
};

static void bare_send(void *user_data, const struct rsvp_packet *packet)
{
	struct bare *bare = user_data;

	(void)packet;
	bare->sent++;
}

static int bare_route(void *user_data, const struct address *destination,
		      const struct address *source, struct rsvp_route *ret_route)
{
	(void)user_data;
	(void)destination;
	(void)source;
	*ret_route = (struct rsvp_route){ .in_ifindex = 1, .n_out = 2, .out = { 2, 3 } };
	return 0;
}

static int bare_reserve(void *user_data, const struct rsvp_tc_request *request, uint64_t *handle,
			struct rsvp_error *ret_error)
{
	struct bare *bare = user_data;

	(void)request;
	(void)ret_error;
	bare->installed += *handle == 0;
	*handle = 1;
	return 0;
}

static void bare_release(void *user_data, uint64_t handle)
{
	struct bare *bare = user_data;

	(void)handle;
	bare->installed--;
}

static void bare_event(void *user_data, void *app_data, const struct rsvp_event *event)
{
	(void)user_data;
	(void)app_data;
	(void)event;
}

static uint32_t bare_random(void *user_data)
{
	struct bare *bare = user_data;

	return bare->random = bare->random * 1664525 + 1013904223;
}

static struct address host(uint8_t net, uint8_t number)
{
	struct address address = { .family = AF_INET,
				   .addr = { [10] = 0xff, 0xff, 10, 0, net, number } };

	return address;
}

static bool make_bare(struct bare *bare)
{
	struct rsvp_ports ports = {
		.user_data = bare,
		.send = bare_send,
		.route = bare_route,
		.tc_reserve = bare_reserve,
		.tc_release = bare_release,
		.event = bare_event,
		.random = bare_random,
	};
	struct rsvp_interface interface;
	struct rsvp_config config;
	bool good;

	*bare = (struct bare){ .now_us = 1 };
	rsvp_config_default(&config);
	bare->rsvp = rsvp_new(&ports, &config, bare->now_us);
	good = bare->rsvp;
	for (uint32_t i = 1; good && i <= 3; i++) {
		rsvp_interface_default(&interface);
		interface.ifindex = i;
		interface.address4 = host((uint8_t)i, 1);
		good = rsvp_interface_set(bare->rsvp, &interface, bare->now_us) == 0;
	}
	return good;
}

static void receive(struct bare *bare, uint32_t ifindex, struct rsvp_writer *writer)
{
	struct rsvp_arrival arrival = { .ifindex = ifindex,
					.source = host((uint8_t)ifindex, 9),
					.destination_is_local = true,
					.ttl = 60 };
	size_t len;

	assert_int_equal(rsvp_writer_finish(writer, &len), 0);
	rsvp_receive(bare->rsvp, &arrival, writer->buf, len, bare->now_us);
	bare->now_us += 1000;
}

static void path(struct bare *bare, uint16_t port)
{
	static const uint8_t kept[] = { 0, 8, 0xe6, 1, 1, 2, 3, 4 };
	struct address group = sim_group(AF_INET, 1), source = host(1, 9);
	struct rsvp_session session = sim_session(&group, 5004);
	struct rsvp_sender_tspec tspec = { .tspec = sim_tspec(1000) };
	struct rsvp_sender sender = sim_sender(&source, port);
	struct rsvp_hop hop = { .address = source };
	struct rsvp_writer writer;
	uint8_t buf[512];

	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_PATH, 0, 60);
	rsvp_put_session(&writer, &session, 0);
	rsvp_put_hop(&writer, &hop);
	rsvp_put_time_values(&writer, 30000);
	rsvp_put_raw(&writer, kept, sizeof(kept));
	rsvp_put_sender(&writer, &sender, &tspec);
	receive(bare, 1, &writer);
}

static void resv(struct bare *bare, uint32_t ifindex, enum rsvp_style style, unsigned n, float rate)
{
	static const uint8_t kept[] = { 0, 8, 0xe6, 1, 1, 2, 3, 4 };
	struct address group = sim_group(AF_INET, 1), source = host(1, 9);
	struct rsvp_session session = sim_session(&group, 5004);
	struct rsvp_flowspec flowspec = sim_controlled_load(rate);
	struct rsvp_hop hop = { .address = host((uint8_t)ifindex, 9), .lih = ifindex };
	struct rsvp_writer writer;
	uint8_t buf[4096];

	rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_RESV, 0, 60);
	rsvp_put_session(&writer, &session, 0);
	rsvp_put_hop(&writer, &hop);
	rsvp_put_time_values(&writer, 30000);
	if (style == RSVP_STYLE_WF)
		rsvp_put_scope(&writer, &source, 1);
	rsvp_put_raw(&writer, kept, sizeof(kept));
	rsvp_put_style(&writer, style);
	rsvp_put_flowspec(&writer, &flowspec);
	for (unsigned i = 0; i < n && style != RSVP_STYLE_WF; i++) {
		struct rsvp_sender sender = sim_sender(&source, (uint16_t)(6000 + i));

		rsvp_put_filter(&writer, &sender);
	}
	receive(bare, ifindex, &writer);
}

/* Much of what a node does, whatever becomes of it. */
static void do_much(struct bare *bare, enum rsvp_style style)
{
	for (uint16_t i = 0; i < 20; i++)
		path(bare, (uint16_t)(6000 + i));
	resv(bare, 2, style, 1, 1000);
	resv(bare, 2, style, 20, 2000);
	resv(bare, 3, style, 4, 3000);
	resv(bare, 3, style, 20, 500);
	for (int i = 0; i < 100; i++) {
		bare->now_us += 3 * SIM_S;
		rsvp_tick(bare->rsvp, bare->now_us);
	}
}

static void memory_fails_everywhere(enum rsvp_style style)
{
	unsigned n = 0;
	struct bare bare;
	bool good;

	do {
		memory_failed = false;
		memory_fails_at = ++n;
		good = make_bare(&bare);
		if (good)
			do_much(&bare, style);
		bare.rsvp = rsvp_free(bare.rsvp, bare.now_us);
		memory_fails_at = 0;
		assert_int_equal(bare.installed, 0);
	} while (memory_failed);
	assert_true(good && n > 50);
}

static void test_memory_fails(void **state)
{
	(void)state;
	memory_fails_everywhere(RSVP_STYLE_FF);
	memory_fails_everywhere(RSVP_STYLE_SE);
	memory_fails_everywhere(RSVP_STYLE_WF);
}

/* ---- limits ---- */

static void expect_error(const struct hand *hand, uint8_t type, uint32_t ifindex)
{
	struct rsvp_message message;

	hand_last(hand, type, ifindex, &message);
	assert_int_equal(message.error.code, RSVP_ERROR_SYSTEM);
}

/* Of these settings the next node has. */
static void make_limited(struct hand *hand, const struct rsvp_config *config)
{
	struct sim *sim;

	hand_make(hand, AF_INET);
	sim = hand->sim;
	*sim_config(sim) = *config;
	sim_restart(sim, HAND_R);
	hand->rsvp = sim_rsvp(sim, HAND_R);
}

static void test_too_many_sessions(void **state)
{
	struct rsvp_config config;
	struct hand hand;

	(void)state;
	rsvp_config_default(&config);
	config.max_sessions = 10;
	make_limited(&hand, &config);
	for (uint16_t i = 0; i < 20; i++) {
		hand.session.port = (uint16_t)(5000 + i);
		hand_path(&hand, 0, 1000);
	}
	assert_int_equal(rsvp_sizes(hand.rsvp).sessions, 10);
	assert_int_equal(hand_sent(&hand, RSVP_PATH_ERR, 1), 10);
	expect_error(&hand, RSVP_PATH_ERR, 1);
	sim_run(hand.sim, 30 * SIM_S);
	assert_int_equal(rsvp_sizes(hand.rsvp).sessions, 10);
	hand_free(&hand);
}

static void test_too_many_senders(void **state)
{
	struct rsvp_config config;
	struct hand hand;

	(void)state;
	rsvp_config_default(&config);
	config.max_senders_per_session = 2;
	make_limited(&hand, &config);
	for (unsigned i = 0; i < 3; i++)
		hand_path(&hand, i, 1000);
	assert_int_equal(rsvp_sizes(hand.rsvp).senders, 2);
	expect_error(&hand, RSVP_PATH_ERR, 1);
	hand_free(&hand);
}

static void test_too_many_reservations(void **state)
{
	struct rsvp_config config;
	struct hand hand;

	(void)state;
	rsvp_config_default(&config);
	config.max_reservations_per_session = 2;
	make_limited(&hand, &config);
	for (unsigned i = 0; i < 3; i++)
		hand_path(&hand, i, 1000);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 7);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 2);
	assert_int_equal(hand_sent(&hand, RSVP_RESV_ERR, 3), 1);
	expect_error(&hand, RSVP_RESV_ERR, 3);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 2);
	hand_free(&hand);
}

static void test_too_much_of_a_neighbour(void **state)
{
	struct rsvp_config config;
	struct hand hand;

	(void)state;
	rsvp_config_default(&config);
	config.max_state_per_neighbour = 1;
	make_limited(&hand, &config);
	for (unsigned i = 0; i < 3; i++)
		hand_path(&hand, i, 1000);
	assert_int_equal(rsvp_sizes(hand.rsvp).senders, 2);
	expect_error(&hand, RSVP_PATH_ERR, 1);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 7);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 1);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 1000, 1);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 2);
	hand_free(&hand);
}

/* Strangers come and go; those that have something here are not forgotten for them. */
static void test_too_many_neighbours(void **state)
{
	struct rsvp_config config;
	struct rsvp_hop hop;
	struct hand hand;

	(void)state;
	rsvp_config_default(&config);
	config.max_neighbours = 4;
	make_limited(&hand, &config);
	hand_path(&hand, 0, 1000);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	hop = hand.neighbours[4];
	for (uint8_t i = 10; i < 100; i++) {
		hand.neighbours[4].address.addr[15] = i;
		hand_resv_tear(&hand, 4, RSVP_STYLE_FF, 1);
		assert_in_range(rsvp_sizes(hand.rsvp).neighbours, 2, 4);
	}
	hand.neighbours[4] = hop;
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_LIMITED), 0);
	hand_resv_tear(&hand, 3, RSVP_STYLE_FF, 1);
	assert_int_equal(rsvp_sizes(hand.rsvp).reservations, 0);
	hand_free(&hand);
}

/* Spec §16.5: one neighbour that speaks too much does not keep others from being heard. */
static void test_too_many_messages(void **state)
{
	struct rsvp_config config;
	struct hand hand;

	(void)state;
	rsvp_config_default(&config);
	config.messages_per_s_per_neighbour = 100;
	make_limited(&hand, &config);
	hand_path(&hand, 0, 1000);
	for (int i = 0; i < 1000; i++)
		hand_ask(&hand, 3, RSVP_STYLE_FF, (float)(i + 1), 1);
	assert_int_equal(rsvp_count(hand.rsvp, RSVP_COUNT_LIMITED), 900);
	assert_true(sim_installed(hand.sim, HAND_R, 0)->request.flowspec.tspec.r == 100);
	hand_ask(&hand, 4, RSVP_STYLE_FF, 1000, 1);
	assert_int_equal(sim_n_installed(hand.sim, HAND_R), 2);
	sim_run(hand.sim, SIM_S);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 7000, 1);
	assert_true(sim_installed(hand.sim, HAND_R, 0)->request.flowspec.tspec.r == 7000);
	hand_free(&hand);
}

/* More senders than go into one message: it takes several, and all are reserved. */
static void test_long_resv(void **state)
{
	static const enum rsvp_style styles[] = { RSVP_STYLE_FF, RSVP_STYLE_SE };
	struct rsvp_flowspec flowspec = sim_controlled_load(10);
	static struct rsvp_sender senders[256];
	struct rsvp_reserve_request request = { .n_flows = 256, .senders = senders, .dscp = 0xff };
	static struct rsvp_flowspec flowspecs[256];
	struct address group = sim_group(AF_INET, 4), address;
	struct rsvp_session session = sim_session(&group, 5004);
	struct sim_app *from[300], *to[2];
	struct sim *sim;

	(void)state;
	for (int s = 0; s < 2; s++) {
		sim = sim_new(41);
		sim_line(sim, 3);
		sim_connect(sim, 1, sim_node(sim));
		to[0] = sim_open(sim, 2, &session);
		to[1] = sim_open(sim, 3, &session);
		address = sim_address(sim, 0, 1, AF_INET);
		for (unsigned i = 0; i < 300; i++) {
			struct rsvp_sender sender = sim_sender(&address, (uint16_t)(6000 + i));

			from[i] = sim_open(sim, 0, &session);
			sim_send(from[i], &sender, 1000);
			if (i < 256)
				flowspecs[i] = flowspec;
		}
		sim_run(sim, SIM_S);
		request.style = styles[s];
		request.flowspecs = flowspecs;
		for (unsigned a = 0; a < 2; a++) {
			for (unsigned i = 0; i < 256; i++)
				senders[i] = sim_sender(&address, (uint16_t)(6000 + i + a * 44));
			assert_int_equal(rsvp_app_reserve(sim_rsvp(sim, 2 + a), to[a]->app,
							  &request, sim_now(sim)),
					 0);
		}
		sim_run(sim, 3 * SIM_S);
		for (unsigned i = 0; i < 300; i++) {
			assert_non_null(sim_last_event(from[i], RSVP_EVENT_RESV));
			assert_false(sim_last_event(from[i], RSVP_EVENT_RESV)->event.gone);
		}
		sim_run(sim, 300 * SIM_S);
		assert_false(sim_last_event(from[299], RSVP_EVENT_RESV)->event.gone);
		assert_false(sim_last_event(from[0], RSVP_EVENT_RESV)->event.gone);
		for (unsigned a = 0; a < 2; a++)
			sim_reserve(to[a], RSVP_STYLE_FF, NULL, NULL, 0, false);
		sim_run(sim, 3 * SIM_S);
		for (unsigned i = 0; i < 300; i++)
			assert_true(sim_last_event(from[i], RSVP_EVENT_RESV)->event.gone);
		sim_free(sim);
	}
}

/* ---- what is malformed ---- */

/* All that the node says of its state. */
struct picture {
	struct rsvp_sizes sizes;
	size_t n;
	struct rsvp_tspec tspecs[8];
	struct rsvp_flowspec flowspecs[8];
	uint64_t expires_us[16];
};

static int paint_sender(void *user_data, const struct rsvp_sender_info *info)
{
	struct picture *picture = user_data;

	picture->tspecs[picture->n] = info->tspec;
	picture->expires_us[picture->n++] = info->expires_us;
	return 0;
}

static int paint_reservation(void *user_data, const struct rsvp_reservation_info *info)
{
	struct picture *picture = user_data;

	picture->flowspecs[picture->n] = info->flowspec;
	picture->expires_us[picture->n++] = info->expires_us;
	return 0;
}

static struct picture paint(const struct rsvp *rsvp)
{
	const struct rsvp_visitor visitor = { .sender = paint_sender,
					      .reservation = paint_reservation };
	struct picture picture;
	uint64_t position = 0;

	memset(&picture, 0, sizeof(picture));
	rsvp_visit(rsvp, &visitor, &position, &picture);
	picture.sizes = rsvp_sizes(rsvp);
	picture.sizes.neighbours = 0;
	return picture;
}

static bool is_malformed(const uint8_t *data, size_t len)
{
	struct rsvp_complaint complaint;
	struct rsvp_message message;
	int r = rsvp_message_parse(data, len, &rsvp_limits_default, &message, &complaint);

	return r < 0 && r != -EOPNOTSUPP;
}

/* A Path, a Resv or a tear with each of its bytes wrong in several ways; those that are malformed must do nothing. */
static unsigned spoil(struct hand *hand, uint32_t ifindex, uint8_t *data, size_t len)
{
	static const uint8_t ways[] = { 0x01, 0x02, 0x04, 0x10, 0x40, 0x80, 0xff };
	struct address source = hand->neighbours[ifindex].address;
	struct address own = sim_address(hand->sim, HAND_R, ifindex, AF_INET);
	struct picture before = paint(hand->rsvp), after;
	unsigned n = 0;

	for (size_t at = 0; at < len; at++) {
		for (unsigned i = 0; i < sizeof(ways); i++) {
			uint8_t kept = data[at];

			data[at] ^= ways[i];
			if (at != 2 && at != 3)
				rsvp_set_checksum(data, len);
			if (is_malformed(data, len)) {
				sim_inject(hand->sim, HAND_R, ifindex, &source, &own, 63, data,
					   len);
				after = paint(hand->rsvp);
				assert_memory_equal(&before, &after, sizeof(before));
				n++;
			}
			data[at] = kept;
			rsvp_set_checksum(data, len);
		}
	}
	return n;
}

/* */
static void test_malformed(void **state)
{
	static const uint8_t types[] = { RSVP_PATH, RSVP_RESV, RSVP_PATH_TEAR, RSVP_RESV_TEAR };
	struct rsvp_sender_tspec tspec = { .tspec = sim_tspec(3000) };
	struct rsvp_flowspec flowspec = sim_controlled_load(2000);
	struct rsvp_writer writer;
	struct hand hand;
	uint8_t buf[512];
	size_t len;

	(void)state;
	hand_make(&hand, AF_INET);
	hand_path(&hand, 0, 5000);
	hand_ask(&hand, 3, RSVP_STYLE_FF, 1000, 1);
	sim_run(hand.sim, SIM_S);
	for (unsigned i = 0; i < sizeof(types); i++) {
		bool upstream = types[i] == RSVP_RESV || types[i] == RSVP_RESV_TEAR;
		uint32_t ifindex = upstream ? 3 : 1;

		rsvp_writer_start(&writer, buf, sizeof(buf), types[i], 0, 63);
		rsvp_put_session(&writer, &hand.session, 0);
		rsvp_put_hop(&writer, &hand.neighbours[ifindex]);
		if (types[i] == RSVP_PATH || types[i] == RSVP_RESV)
			rsvp_put_time_values(&writer, 30000);
		if (upstream) {
			rsvp_put_style(&writer, RSVP_STYLE_FF);
			rsvp_put_flowspec(&writer, &flowspec);
			rsvp_put_filter(&writer, &hand.senders[0]);
		} else {
			rsvp_put_sender(&writer, &hand.senders[0], &tspec);
		}
		assert_int_equal(rsvp_writer_finish(&writer, &len), 0);
		assert_true(spoil(&hand, ifindex, buf, len) > 100);
	}
	hand_free(&hand);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_fails),
		cmocka_unit_test(test_too_many_sessions),
		cmocka_unit_test(test_too_many_senders),
		cmocka_unit_test(test_too_many_reservations),
		cmocka_unit_test(test_too_much_of_a_neighbour),
		cmocka_unit_test(test_too_many_neighbours),
		cmocka_unit_test(test_too_many_messages),
		cmocka_unit_test(test_long_resv),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
