/* SPDX-License-Identifier: MIT */
/* test_rsvp_path.c: path state: how it comes, goes on, changes and ends (R-046..R-058, R-069..R-087). */
#include "../sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "rsvp/writer.h"

/* A sender (0), two routers, a receiver (3): the interface toward the receiver is 2 on routers, 1 on the sender. */
struct line {
	struct sim *sim;
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct address source, destination;
	struct sim_app *from, *to;
};

static void make_line(struct line *line, uint16_t family)
{
	line->sim = sim_new(1);
	sim_line(line->sim, 4);
	line->source = sim_address(line->sim, 0, 1, family);
	line->destination = sim_address(line->sim, 3, 1, family);
	line->session = sim_session(&line->destination, 5004);
	line->sender = sim_sender(&line->source, 6000);
	line->from = sim_open(line->sim, 0, &line->session);
	line->to = sim_open(line->sim, 3, &line->session);
}

static bool same_host(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

/* a Path comes all the way. */
static void path_goes_all_the_way(uint16_t family)
{
	const struct sim_event *event;
	const struct sim_packet *packet;
	struct rsvp_message message;
	struct address own;
	struct line line;

	make_line(&line, family);
	sim_interface(line.sim, 1, 2)->refresh_ms = 20000;
	sim_interface_apply(line.sim, 1, 2);
	sim_send(line.from, &line.sender, 10000);
	sim_run(line.sim, 100 * SIM_MS);
	event = sim_last_event(line.to, RSVP_EVENT_PATH);
	assert_non_null(event);
	assert_false(event->event.gone);
	assert_memory_equal(&event->event.sender, &line.sender, sizeof(line.sender));
	assert_true(event->event.tspec.r == 10000);
	assert_true(event->has_adspec);
	assert_int_equal(event->adspec.hops, 3);
	assert_int_equal(event->adspec.mtu, 1500);
	assert_false(event->adspec.broken);
	assert_false(event->event.non_rsvp_hop);
	assert_int_equal(sim_events(line.to, RSVP_EVENT_PATH), 1);
	assert_int_equal(sim_events(line.from, RSVP_EVENT_PATH), 0); /* */

	packet = sim_last_sent(line.sim, 1, RSVP_PATH, 0, &message);
	assert_non_null(packet);
	assert_int_equal(sim_sent(line.sim, 1, RSVP_PATH, 0), 1);
	assert_true(same_host(&packet->packet.source, &line.source));
	assert_true(same_host(&packet->packet.destination, &line.destination));
	assert_true(packet->packet.router_alert);
	assert_true(packet->packet.foreign_source);
	assert_int_equal(packet->packet.ttl, 62); /* */
	assert_int_equal(message.send_ttl, packet->packet.ttl);
	own = sim_address(line.sim, 1, 2, family);
	assert_true(same_host(&message.hop.address, &own));
	assert_int_equal(message.hop.lih, 2);
	assert_int_equal(message.refresh_ms, 20000);
	assert_int_equal(message.session_flags, 0); /* the sender's link polices */
	packet = sim_last_sent(line.sim, 0, RSVP_PATH, 0, &message);
	assert_false(packet->packet.foreign_source);
	assert_int_equal(packet->packet.ttl, 63);
	sim_free(line.sim);
}

static void test_path_goes_all_the_way(void **state)
{
	(void)state;
	path_goes_all_the_way(AF_INET);
	path_goes_all_the_way(AF_INET6);
}

/* New state is repeated at 0.5 s and 2 s, then at R, never at the same interval. */
static void test_new_state_is_repeated(void **state)
{
	struct line line;
	uint64_t times[40];
	size_t n = 0, start;

	(void)state;
	make_line(&line, AF_INET);
	sim_send(line.from, &line.sender, 10000);
	start = sim_now(line.sim);
	sim_run(line.sim, 600 * SIM_S);
	for (size_t i = 0; i < sim_n_packets(line.sim); i++) {
		const struct sim_packet *packet = sim_packet(line.sim, i);

		if (packet->node == 0 && packet->type == RSVP_PATH && n < 40)
			times[n++] = packet->time_us;
	}
	assert_in_range(n, 14, 30);
	assert_int_equal(times[0], start);
	assert_in_range(times[1] - start, 500 * SIM_MS, 510 * SIM_MS);
	assert_in_range(times[2] - start, 2000 * SIM_MS, 2020 * SIM_MS);
	for (size_t i = 3; i < n; i++) {
		assert_in_range(times[i] - times[i - 1], 15 * SIM_S, 45 * SIM_S + 10 * SIM_MS);
		if (i > 3)
			assert_int_not_equal(times[i] - times[i - 1], times[i - 1] - times[i - 2]);
	}
	assert_int_equal(sim_events(line.to, RSVP_EVENT_PATH), 1);
	sim_free(line.sim);
}

/* what is the same only restarts the timer; what has changed goes on at once. */
static void test_change_goes_on_at_once(void **state)
{
	struct line line;

	(void)state;
	make_line(&line, AF_INET);
	sim_send(line.from, &line.sender, 10000);
	sim_run(line.sim, 10 * SIM_S);
	sim_forget(line.sim);
	sim_send(line.from, &line.sender,
		 10000); /* sent at once, but nothing new to those after it */
	sim_run(line.sim, 100 * SIM_MS);
	assert_int_equal(sim_sent(line.sim, 0, RSVP_PATH, 0), 1);
	assert_int_equal(sim_sent(line.sim, 1, RSVP_PATH, 0), 0);
	assert_int_equal(sim_events(line.to, RSVP_EVENT_PATH), 1);
	sim_send(line.from, &line.sender, 20000);
	sim_run(line.sim, 10 * SIM_MS);
	assert_int_equal(sim_sent(line.sim, 2, RSVP_PATH, 0), 1);
	assert_int_equal(sim_events(line.to, RSVP_EVENT_PATH), 2);
	assert_true(sim_last_event(line.to, RSVP_EVENT_PATH)->event.tspec.r == 20000);
	sim_free(line.sim);
}

/* A Path made by hand, from a host behind interface 1 of a node. */
struct by_hand {
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct rsvp_hop hop;
	uint8_t ttl, received_ttl, flags;
	float rate;
	uint8_t type;
};

static enum rsvp_verdict inject(struct sim *sim, unsigned node, uint32_t ifindex,
				const struct by_hand *hand)
{
	struct rsvp_sender_tspec tspec = { .tspec = sim_tspec(hand->rate) };
	struct address source = { .family = hand->sender.family };
	struct address destination = { .family = hand->session.family };
	uint8_t buf[1024];
	struct rsvp_writer writer;
	size_t len;

	memcpy(source.addr, hand->sender.address, 16);
	memcpy(destination.addr, hand->session.address, 16);
	rsvp_writer_start(&writer, buf, sizeof(buf), hand->type ? hand->type : RSVP_PATH, 0,
			  hand->ttl);
	rsvp_put_session(&writer, &hand->session, hand->flags);
	rsvp_put_hop(&writer, &hand->hop);
	if (!hand->type || hand->type == RSVP_PATH)
		rsvp_put_time_values(&writer, 30000);
	rsvp_put_sender(&writer, &hand->sender, &tspec);
	assert_int_equal(rsvp_writer_finish(&writer, &len), 0);
	return sim_inject(sim, node, ifindex, &source, &destination, hand->received_ttl, buf, len);
}

/* A router between two links: a stranger on link 0 sends to a stranger on link 1. */
struct router {
	struct sim *sim;
	struct by_hand hand;
};

static struct address stranger(const struct sim *sim, uint32_t ifindex, uint8_t number)
{
	struct address address = sim_address(sim, 0, ifindex, AF_INET);

	address.addr[15] = number;
	return address;
}

static void make_router(struct router *router)
{
	struct address source, destination;

	router->sim = sim_new(2);
	sim_node(router->sim);
	sim_attach(router->sim, 0, sim_link(router->sim));
	sim_attach(router->sim, 0, sim_link(router->sim));
	source = stranger(router->sim, 1, 9);
	destination = stranger(router->sim, 2, 9);
	router->hand = (struct by_hand){
		.session = sim_session(&destination, 5004),
		.sender = sim_sender(&source, 6000),
		.hop = { .address = source, .lih = 77 },
		.ttl = 60,
		.received_ttl = 60,
		.rate = 1000,
	};
}

/* Routes of the world lead to nodes: there has to be one. */
static void make_routed(struct router *router)
{
	struct address destination;

	make_router(router);
	sim_attach(router->sim, sim_plain_node(router->sim), 1);
	destination = sim_address(router->sim, 1, 1, AF_INET);
	router->hand.session = sim_session(&destination, 5004);
}

/* a Path that came with TTL 1 does not go on. */
static void test_ttl_ends(void **state)
{
	struct router router;

	(void)state;
	make_routed(&router);
	router.hand.ttl = router.hand.received_ttl = 1;
	inject(router.sim, 0, 1, &router.hand);
	assert_int_equal(sim_sent(router.sim, 0, RSVP_PATH, 0), 0);
	assert_int_equal(rsvp_sizes(sim_rsvp(router.sim, 0)).senders, 1);
	router.hand.ttl = router.hand.received_ttl = 2;
	router.hand.rate = 2000;
	inject(router.sim, 0, 1, &router.hand);
	assert_int_equal(sim_sent(router.sim, 0, RSVP_PATH, 0), 1);
	assert_int_equal(sim_last_sent(router.sim, 0, RSVP_PATH, 0, NULL)->packet.ttl, 1);
	sim_free(router.sim);
}

/* a TTL that has fallen tells of a hop that takes no part, and the Adspec says so from there on. */
static void test_non_rsvp_hop(void **state)
{
	struct sim *sim = sim_new(3);
	struct sim_app *from, *to[2];
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct address group = sim_group(AF_INET, 3), address;

	(void)state;
	sim_node(sim);
	sim_plain_node(sim);
	sim_node(sim);
	sim_node(sim);
	for (unsigned i = 0; i < 3; i++)
		sim_connect(sim, i, i + 1);
	session = sim_session(&group, 5004);
	address = sim_address(sim, 0, 1, AF_INET);
	sender = sim_sender(&address, 6000);
	from = sim_open(sim, 0, &session);
	to[0] = sim_open(sim, 2, &session);
	to[1] = sim_open(sim, 3, &session);
	sim_send(from, &sender, 1000);
	sim_run(sim, 100 * SIM_MS);
	assert_non_null(sim_last_event(to[0], RSVP_EVENT_PATH));
	assert_true(sim_last_event(to[0], RSVP_EVENT_PATH)->event.non_rsvp_hop);
	assert_non_null(sim_last_event(to[1], RSVP_EVENT_PATH));
	assert_false(sim_last_event(to[1], RSVP_EVENT_PATH)->event.non_rsvp_hop);
	assert_true(sim_last_event(to[1], RSVP_EVENT_PATH)->adspec.broken);
	sim_free(sim);
}

/* a Path does not go back where it came from, even if the route does. */
static void test_does_not_go_back(void **state)
{
	struct router router;
	struct address destination;
	unsigned node;

	(void)state;
	make_router(&router);
	node = sim_plain_node(router.sim);
	sim_attach(router.sim, node, 0);
	destination = sim_address(router.sim, node, 1, AF_INET);
	router.hand.session = sim_session(&destination, 5004);
	inject(router.sim, 0, 1, &router.hand);
	assert_int_equal(rsvp_sizes(sim_rsvp(router.sim, 0)).senders, 1);
	sim_run(router.sim, 60 * SIM_S);
	assert_int_equal(sim_sent(router.sim, 0, RSVP_PATH, 0), 0);
	sim_free(router.sim);
}

/* */
static void test_disabled_interface(void **state)
{
	struct router router;

	(void)state;
	make_routed(&router);
	sim_interface(router.sim, 0, 2)->enabled = false;
	sim_interface_apply(router.sim, 0, 2);
	inject(router.sim, 0, 1, &router.hand);
	assert_int_equal(sim_sent(router.sim, 0, RSVP_PATH, 0), 0);
	assert_int_equal(rsvp_sizes(sim_rsvp(router.sim, 0)).senders, 1);
	sim_interface(router.sim, 0, 1)->enabled = false;
	sim_interface_apply(router.sim, 0, 1);
	router.hand.sender.id = 6001;
	assert_int_equal(inject(router.sim, 0, 1, &router.hand), RSVP_CONSUMED);
	assert_int_equal(rsvp_sizes(sim_rsvp(router.sim, 0)).senders, 1);
	assert_int_equal(rsvp_count(sim_rsvp(router.sim, 0), RSVP_COUNT_DISABLED), 1);
	sim_free(router.sim);
}

/* alerts can be ignored on an interface. R-055: what is for others goes on as it is. */
static void test_forwarded_as_ip(void **state)
{
	struct router router;

	(void)state;
	make_routed(&router);
	sim_interface(router.sim, 0, 1)->ignore_alert = true;
	sim_interface_apply(router.sim, 0, 1);
	assert_int_equal(inject(router.sim, 0, 1, &router.hand), RSVP_FORWARD);
	assert_int_equal(rsvp_sizes(sim_rsvp(router.sim, 0)).sessions, 0);
	sim_interface(router.sim, 0, 1)->ignore_alert = false;
	sim_interface_apply(router.sim, 0, 1);
	router.hand.type = RSVP_RESV_TEAR; /* whatever is in it */
	assert_int_equal(inject(router.sim, 0, 1, &router.hand), RSVP_FORWARD);
	router.hand.type = 0;
	assert_int_equal(inject(router.sim, 0, 1, &router.hand), RSVP_CONSUMED);
	sim_free(router.sim);
}

/* without a route there is state, and nothing goes on; later it does. */
static void test_no_route(void **state)
{
	struct router router;

	(void)state;
	make_routed(&router);
	sim_link_set_up(router.sim, 1, false, false);
	inject(router.sim, 0, 1, &router.hand);
	assert_int_equal(rsvp_sizes(sim_rsvp(router.sim, 0)).senders, 1);
	assert_int_equal(sim_sent(router.sim, 0, RSVP_PATH, 0), 0);
	sim_link_set_up(router.sim, 1, true, true);
	sim_run(router.sim, 2100 * SIM_MS);
	assert_int_equal(sim_sent(router.sim, 0, RSVP_PATH, 2), 1);
	sim_free(router.sim);
}

static void expect_path_err(struct sim *sim, uint8_t code)
{
	struct rsvp_message message;

	assert_int_equal(sim_sent(sim, 0, RSVP_PATH_ERR, 1), 1);
	assert_non_null(sim_last_sent(sim, 0, RSVP_PATH_ERR, 1, &message));
	assert_int_equal(message.error.code, code);
	assert_int_equal(message.error.value, 0);
	assert_true(message.error.node.family == AF_INET);
	sim_forget(sim);
}

/* */
static void test_ports_conflict(void **state)
{
	struct router router;
	struct rsvp *rsvp;

	(void)state;
	make_routed(&router);
	rsvp = sim_rsvp(router.sim, 0);
	inject(router.sim, 0, 1, &router.hand);
	sim_forget(router.sim);
	router.hand.session.port = 0;
	router.hand.sender.id = 0;
	inject(router.sim, 0, 1, &router.hand);
	expect_path_err(router.sim, RSVP_ERROR_DST_PORTS);
	assert_int_equal(rsvp_sizes(rsvp).sessions, 1);

	router.hand.session.port = 5004;
	inject(router.sim, 0, 1, &router.hand);
	expect_path_err(router.sim, RSVP_ERROR_SRC_PORTS);
	assert_int_equal(rsvp_sizes(rsvp).senders, 1);

	router.hand.session.port = 0;
	router.hand.sender.id = 6000;
	inject(router.sim, 0, 1, &router.hand);
	assert_int_equal(sim_n_packets(router.sim), 0);
	assert_int_equal(rsvp_sizes(rsvp).senders, 1);
	assert_int_equal(rsvp_count(rsvp, RSVP_COUNT_BAD_PORTS), 3);

	/* The other way round: a sender without a port is there first. */
	router.hand.session.port = 5005;
	router.hand.sender.id = 0;
	inject(router.sim, 0, 1, &router.hand);
	sim_forget(router.sim);
	router.hand.sender.id = 6000;
	inject(router.sim, 0, 1, &router.hand);
	expect_path_err(router.sim, RSVP_ERROR_SRC_PORTS);
	sim_free(router.sim);
}

/* who cannot police leaves it to the next one, who says so. */
static void test_e_police(void **state)
{
	struct rsvp_message message;
	struct line line;

	(void)state;
	make_line(&line, AF_INET);
	sim_interface(line.sim, 0, 1)->enforced = false;
	sim_interface_apply(line.sim, 0, 1);
	sim_send(line.from, &line.sender, 1000);
	sim_run(line.sim, 100 * SIM_MS);
	sim_last_sent(line.sim, 0, RSVP_PATH, 0, &message);
	assert_int_equal(message.session_flags, RSVP_SESSION_E_POLICE);
	sim_last_sent(line.sim, 1, RSVP_PATH, 0, &message);
	assert_int_equal(message.session_flags, 0);
	/* A link that nobody schedules is a gap in the service (architecture §5.2). */
	assert_true(sim_last_event(line.to, RSVP_EVENT_PATH)->adspec.broken);
	sim_free(line.sim);
}

/* state outlives two lost refreshes, and ends with a PathTear for those after it. */
static void test_path_expires(void **state)
{
	struct line line;
	uint64_t silent_us;

	(void)state;
	make_line(&line, AF_INET);
	sim_send(line.from, &line.sender, 1000);
	sim_run(line.sim, 60 * SIM_S);
	silent_us = sim_now(line.sim);
	sim_link_set_loss(line.sim, 0, 100);
	sim_run(line.sim,
		112 * SIM_S); /* the last one came at most 45 s ago, and they live 157.5 s */
	assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, 1)).senders, 1);
	assert_int_equal(sim_sent(line.sim, 1, RSVP_PATH_TEAR, 0), 0);
	sim_run(line.sim, silent_us + 158 * SIM_S - sim_now(line.sim));
	assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, 1)).senders, 0);
	assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, 1)).sessions, 0);
	assert_int_equal(rsvp_count(sim_rsvp(line.sim, 1), RSVP_COUNT_TIMEOUTS_PATH), 1);
	assert_in_range(sim_sent(line.sim, 1, RSVP_PATH_TEAR, 0), 1, 2);
	assert_true(sim_last_event(line.to, RSVP_EVENT_PATH)->event.gone);
	assert_int_equal(rsvp_sizes(sim_rsvp(line.sim, 2)).senders, 0);
	sim_free(line.sim);
}

/* the previous hop changes: what is reserved is asked of the new one at once, by its LIH. */
static void test_previous_hop_changes(void **state)
{
	struct rsvp_message message;
	struct router router;
	struct rsvp_flowspec flowspec = sim_controlled_load(500);
	struct rsvp_session session;
	struct sim_app *to;
	struct sim *sim;

	(void)state;
	make_router(&router);
	sim = router.sim;
	/* This time the node is the receiver. */
	session = sim_session(&(struct address){ 0 }, 5004);
	{
		struct address own = sim_address(sim, 0, 2, AF_INET);

		session = sim_session(&own, 5004);
	}
	router.hand.session = session;
	to = sim_open(sim, 0, &session);
	inject(sim, 0, 1, &router.hand);
	sim_reserve(to, RSVP_STYLE_FF, &flowspec, &router.hand.sender, 1, false);
	assert_int_equal(sim_sent(sim, 0, RSVP_RESV, 1), 1);
	sim_last_sent(sim, 0, RSVP_RESV, 1, &message);
	assert_int_equal(message.hop.lih, 77);
	router.hand.hop.lih = 78;
	inject(sim, 0, 1, &router.hand);
	assert_int_equal(sim_sent(sim, 0, RSVP_RESV, 1), 2);
	sim_last_sent(sim, 0, RSVP_RESV, 1, &message);
	assert_int_equal(message.hop.lih, 78);
	router.hand.hop.address = stranger(sim, 1, 10);
	inject(sim, 0, 1, &router.hand);
	assert_int_equal(sim_sent(sim, 0, RSVP_RESV, 1), 3);
	assert_int_equal(sim_last_sent(sim, 0, RSVP_RESV, 1, &message)->packet.destination.addr[15],
			 10);
	assert_int_equal(sim_sent(sim, 0, RSVP_RESV_TEAR, 0), 0);
	sim_free(sim);
}

/* R-036, spec §16.6: hops that cannot be, and Paths that are not what they seem. */
static void test_bad_hops(void **state)
{
	static const uint8_t bad[][4] = {
		{ 0, 0, 0, 0 },
		{ 127, 0, 0, 1 },
		{ 224, 0, 0, 14 },
		{ 255, 255, 255, 255 },
	};
	struct address source, destination;
	struct router router;
	struct rsvp *rsvp;

	(void)state;
	make_routed(&router);
	rsvp = sim_rsvp(router.sim, 0);
	for (size_t i = 0; i < 4; i++) {
		memcpy(router.hand.hop.address.addr + 12, bad[i], 4);
		inject(router.sim, 0, 1, &router.hand);
	}
	router.hand.hop.address = sim_address(router.sim, 0, 2, AF_INET);
	inject(router.sim, 0, 1, &router.hand);
	/* A sender that is this node. */
	router.hand.hop.address = stranger(router.sim, 1, 9);
	source = sim_address(router.sim, 0, 1, AF_INET);
	router.hand.sender = sim_sender(&source, 6000);
	inject(router.sim, 0, 1, &router.hand);
	(void)destination;
	assert_int_equal(rsvp_sizes(rsvp).sessions, 0);
	assert_int_equal(sim_n_packets(router.sim), 0);
	assert_int_equal(
		rsvp_count(rsvp, RSVP_COUNT_BAD_HOP) + rsvp_count(rsvp, RSVP_COUNT_BAD_OBJECT), 6);
	sim_free(router.sim);
}

/* ---- multicast ---- */

/* A sender (0), a router (1) with receivers 2 and 3 on links of their own. */
struct tree {
	struct sim *sim;
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct sim_app *from, *to[2];
};

static void make_tree(struct tree *tree, uint16_t family)
{
	struct address group = sim_group(family, 7), source;

	tree->sim = sim_new(4);
	for (int i = 0; i < 4; i++)
		sim_node(tree->sim);
	for (unsigned i = 0; i < 4; i++) {
		if (i != 1)
			sim_connect(tree->sim, 1, i);
	}
	tree->session = sim_session(&group, 5004);
	source = sim_address(tree->sim, 0, 1, family);
	tree->sender = sim_sender(&source, 6000);
	tree->from = sim_open(tree->sim, 0, &tree->session);
	tree->to[0] = sim_open(tree->sim, 2, &tree->session);
}

/* copies with a hop and an Adspec of their own; who joins later is reached too. */
static void multicast_path(uint16_t family)
{
	struct rsvp_message message;
	struct address own;
	struct tree tree;

	make_tree(&tree, family);
	sim_interface(tree.sim, 1, 3)->mtu = 1400;
	sim_interface_apply(tree.sim, 1, 3);
	sim_send(tree.from, &tree.sender, 1000);
	sim_run(tree.sim, 5 * SIM_S);
	assert_int_equal(sim_events(tree.to[0], RSVP_EVENT_PATH), 1);
	assert_int_equal(sim_sent(tree.sim, 1, RSVP_PATH, 3), 0);
	tree.to[1] = sim_open(tree.sim, 3, &tree.session);
	sim_run(tree.sim, 1900 * SIM_MS);
	assert_int_equal(sim_sent(tree.sim, 1, RSVP_PATH, 3), 0);
	sim_run(tree.sim, 200 * SIM_MS);
	assert_int_equal(sim_sent(tree.sim, 1, RSVP_PATH, 3), 1);
	assert_int_equal(sim_events(tree.to[1], RSVP_EVENT_PATH), 1);
	assert_int_equal(sim_last_event(tree.to[1], RSVP_EVENT_PATH)->adspec.mtu, 1400);
	assert_int_equal(sim_last_event(tree.to[0], RSVP_EVENT_PATH)->adspec.mtu, 1500);
	for (uint32_t i = 2; i <= 3; i++) {
		assert_non_null(sim_last_sent(tree.sim, 1, RSVP_PATH, i, &message));
		own = sim_address(tree.sim, 1, i, family);
		assert_true(same_host(&message.hop.address, &own));
	}
	assert_int_equal(sim_sent(tree.sim, 1, RSVP_PATH, 1), 0);
	sim_free(tree.sim);
}

static void test_multicast_path(void **state)
{
	(void)state;
	multicast_path(AF_INET);
	multicast_path(AF_INET6);
}

/* what comes from elsewhere is kept, not forwarded, until data comes that way. */
static void test_multicast_wrong_interface(void **state)
{
	struct by_hand hand = { .ttl = 60, .received_ttl = 60, .rate = 1000 };
	struct sim *sim = sim_new(5);
	struct address group = sim_group(AF_INET, 9), source;
	unsigned near, far;

	(void)state;
	/* 0: the router; 1: the source's router, reached by two links; 2: a receiver. */
	for (int i = 0; i < 3; i++)
		sim_node(sim);
	near = sim_connect(sim, 0, 1);
	far = sim_connect(sim, 0, 1);
	sim_connect(sim, 0, 2);
	sim_attach(sim, 1, sim_link(sim));
	hand.session = sim_session(&group, 5004);
	sim_open(sim, 2, &hand.session);
	sim_link_set_cost(sim, far, 10, false);
	source = sim_address(sim, 1, 3, AF_INET);
	source.addr[15] = 99; /* a host behind 1 */
	sim_attach(sim, sim_plain_node(sim), 3);
	source = sim_address(sim, 3, 1, AF_INET);
	hand.sender = sim_sender(&source, 6000);
	hand.hop.address = sim_address(sim, 1, 2, AF_INET);
	inject(sim, 0, 2, &hand);
	assert_int_equal(rsvp_sizes(sim_rsvp(sim, 0)).senders, 1);
	assert_int_equal(sim_sent(sim, 0, RSVP_PATH, 0), 0);
	hand.hop.address = sim_address(sim, 1, 1, AF_INET);
	inject(sim, 0, 1, &hand);
	assert_int_equal(sim_sent(sim, 0, RSVP_PATH, 3), 1);
	assert_int_equal(sim_sent(sim, 0, RSVP_PATH, 0), 1);
	/* The tear of the one that is not forwarded ends only that. */
	hand.type = RSVP_PATH_TEAR;
	hand.hop.address = sim_address(sim, 1, 2, AF_INET);
	inject(sim, 0, 1, &hand);
	assert_int_equal(rsvp_count(sim_rsvp(sim, 0), RSVP_COUNT_NO_STATE), 1);
	inject(sim, 0, 2, &hand);
	assert_int_equal(sim_sent(sim, 0, RSVP_PATH_TEAR, 0), 0);
	assert_int_equal(rsvp_sizes(sim_rsvp(sim, 0)).senders, 1);
	/* The way back changes: the other one is forwarded. */
	hand.type = 0;
	inject(sim, 0, 2, &hand);
	sim_forget(sim);
	sim_link_set_cost(sim, near, 50, true);
	sim_run(sim, 2100 * SIM_MS);
	hand.rate = 3000;
	inject(sim, 0, 2, &hand);
	{
		struct rsvp_message message;

		assert_non_null(sim_last_sent(sim, 0, RSVP_PATH, 3, &message));
		assert_true(message.tspec.tspec.r == 3000);
	}
	sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_goes_all_the_way),
		cmocka_unit_test(test_new_state_is_repeated),
		cmocka_unit_test(test_change_goes_on_at_once),
		cmocka_unit_test(test_ttl_ends),
		cmocka_unit_test(test_non_rsvp_hop),
		cmocka_unit_test(test_does_not_go_back),
		cmocka_unit_test(test_disabled_interface),
		cmocka_unit_test(test_forwarded_as_ip),
		cmocka_unit_test(test_no_route),
		cmocka_unit_test(test_ports_conflict),
		cmocka_unit_test(test_e_police),
		cmocka_unit_test(test_path_expires),
		cmocka_unit_test(test_previous_hop_changes),
		cmocka_unit_test(test_bad_hops),
		cmocka_unit_test(test_multicast_path),
		cmocka_unit_test(test_multicast_wrong_interface),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
