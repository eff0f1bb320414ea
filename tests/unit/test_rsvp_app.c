/* SPDX-License-Identifier: MIT */
/* test_rsvp_app.c: what applications may ask of a node, and what they are told (R-080, R-081, R-122, spec §8.13, §8.14). */
#include "../sim/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Two hosts on one link. */
struct pair {
	struct sim *sim;
	struct rsvp *rsvp[2];
	struct address address[2];
	struct rsvp_session session;
	struct rsvp_sender sender;
};

static void make_pair(struct pair *pair)
{
	pair->sim = sim_new(21);
	sim_line(pair->sim, 2);
	for (unsigned i = 0; i < 2; i++) {
		pair->rsvp[i] = sim_rsvp(pair->sim, i);
		pair->address[i] = sim_address(pair->sim, i, 1, AF_INET);
	}
	pair->session = sim_session(&pair->address[1], 5004);
	pair->sender = sim_sender(&pair->address[0], 6000);
}

static int open_as(struct pair *pair, uint8_t protocol, uint16_t port, uint8_t form)
{
	struct rsvp_session session = pair->session;
	struct rsvp_app *app = NULL;
	int r;

	session.protocol = protocol;
	session.port = port;
	session.form = form;
	r = rsvp_app_open(pair->rsvp[0], &session, 0, NULL, &app, sim_now(pair->sim));
	if (r == 0)
		rsvp_app_close(pair->rsvp[0], app, sim_now(pair->sim));
	assert_int_equal(rsvp_sizes(pair->rsvp[0]).sessions, 0);
	return r;
}

/* Ports where there are any, and none where there are not; R-216 for IPsec. */
static void test_session_ports(void **state)
{
	struct pair pair;

	(void)state;
	make_pair(&pair);
	assert_int_equal(open_as(&pair, IPPROTO_UDP, 5004, RSVP_FORM_PORTS), 0);
	assert_int_equal(open_as(&pair, IPPROTO_UDP, 0, RSVP_FORM_PORTS), -EINVAL);
	assert_int_equal(open_as(&pair, IPPROTO_TCP, 0, RSVP_FORM_PORTS), -EINVAL);
	assert_int_equal(open_as(&pair, IPPROTO_ICMP, 0, RSVP_FORM_PORTS), 0);
	assert_int_equal(open_as(&pair, IPPROTO_ICMP, 7, RSVP_FORM_PORTS), -EINVAL);
	assert_int_equal(open_as(&pair, 0, 0, RSVP_FORM_PORTS), -EINVAL);
	assert_int_equal(open_as(&pair, IPPROTO_ESP, 7, RSVP_FORM_GPI), 0);
	assert_int_equal(open_as(&pair, IPPROTO_AH, 7, RSVP_FORM_GPI), 0);
	assert_int_equal(open_as(&pair, IPPROTO_ESP, 0, RSVP_FORM_GPI), -EINVAL);
	assert_int_equal(open_as(&pair, IPPROTO_UDP, 7, RSVP_FORM_GPI), -EINVAL);
	sim_free(pair.sim);
}

static int send_as(struct pair *pair, struct sim_app *app, const struct rsvp_sender *sender,
		   const struct rsvp_tspec *tspec)
{
	struct rsvp_sender_request request = {
		.sender = *sender,
		.tspec = *tspec,
		.offers_controlled_load = true,
	};

	return rsvp_app_send(pair->rsvp[0], app->app, &request, sim_now(pair->sim));
}

static void test_bad_senders(void **state)
{
	struct rsvp_tspec tspec = sim_tspec(1000), bad = sim_tspec(-1);
	struct rsvp_sender_request request = { .tspec = tspec };
	struct rsvp_sender sender;
	struct sim_app *app, *other;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	app = sim_open(pair.sim, 0, &pair.session);
	other = sim_open(pair.sim, 0, &pair.session);
	assert_int_equal(send_as(&pair, app, &pair.sender, &bad), -EINVAL);
	sender = sim_sender(&pair.address[1], 6000);
	assert_int_equal(send_as(&pair, app, &sender, &tspec), -EADDRNOTAVAIL);
	sender = pair.sender;
	sender.form = RSVP_FORM_GPI;
	assert_int_equal(send_as(&pair, app, &sender, &tspec), -EINVAL);
	request.sender = pair.sender; /* it offers nothing */
	assert_int_equal(rsvp_app_send(pair.rsvp[0], app->app, &request, sim_now(pair.sim)),
			 -EINVAL);
	assert_int_equal(rsvp_sizes(pair.rsvp[0]).senders, 0);
	assert_int_equal(send_as(&pair, app, &pair.sender, &tspec), 0);
	assert_int_equal(send_as(&pair, other, &pair.sender, &tspec), -EADDRINUSE);
	sender = pair.sender;
	sender.id = 0;
	assert_int_equal(send_as(&pair, other, &sender, &tspec), -EADDRINUSE);
	sender.id = 6001;
	assert_int_equal(send_as(&pair, other, &sender, &tspec), 0);
	assert_int_equal(rsvp_sizes(pair.rsvp[0]).senders, 2);
	sim_free(pair.sim);
}

/* An address that is left open is that of the interface that data leaves by. */
static void test_address_is_chosen(void **state)
{
	struct rsvp_sender sender = { .family = AF_INET, .id = 6000 };
	struct sim_app *from, *to;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	sender.address[10] = sender.address[11] = 0xff;
	from = sim_open(pair.sim, 0, &pair.session);
	to = sim_open(pair.sim, 1, &pair.session);
	sim_send(from, &sender, 1000);
	sim_run(pair.sim, 10 * SIM_MS);
	assert_memory_equal(&sim_last_event(to, RSVP_EVENT_PATH)->event.sender, &pair.sender,
			    sizeof(pair.sender));
	sim_free(pair.sim);
}

/* Who comes later hears of the senders that there are; who closes takes its sender along. */
static void test_comes_and_goes(void **state)
{
	struct rsvp_sender other;
	struct sim_app *from, *to;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	from = sim_open(pair.sim, 0, &pair.session);
	sim_send(from, &pair.sender, 1000);
	sim_run(pair.sim, 10 * SIM_MS);
	to = sim_open(pair.sim, 1, &pair.session);
	assert_int_equal(sim_events(to, RSVP_EVENT_PATH), 1);
	/* Another address is another sender. */
	other = pair.sender;
	other.id = 6001;
	sim_send(from, &other, 1000);
	sim_run(pair.sim, 10 * SIM_MS);
	assert_int_equal(rsvp_sizes(pair.rsvp[1]).senders, 1);
	assert_int_equal(sim_events(to, RSVP_EVENT_PATH), 3);
	sim_close(from);
	sim_run(pair.sim, 10 * SIM_MS);
	assert_true(sim_last_event(to, RSVP_EVENT_PATH)->event.gone);
	assert_int_equal(rsvp_sizes(pair.rsvp[0]).sessions, 0);
	assert_int_equal(sim_sent(pair.sim, 0, RSVP_PATH_TEAR, 0), 2);
	sim_free(pair.sim);
}

/* G-162: of a reservation for every sender those hear, too, who begin to send when it stands. */
static void test_comes_to_what_is_reserved(void **state)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(500);
	struct sim_app *first, *second, *to;
	struct rsvp_sender other;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	first = sim_open(pair.sim, 0, &pair.session);
	second = sim_open(pair.sim, 0, &pair.session);
	to = sim_open(pair.sim, 1, &pair.session);
	sim_send(first, &pair.sender, 1000);
	sim_run(pair.sim, 10 * SIM_MS);
	sim_reserve(to, RSVP_STYLE_WF, &flowspec, NULL, 0, false);
	sim_run(pair.sim, 10 * SIM_MS);
	assert_int_equal(sim_events(first, RSVP_EVENT_RESV), 1);
	other = pair.sender;
	other.id = 6001;
	sim_send(second, &other, 1000);
	assert_int_equal(sim_events(second, RSVP_EVENT_RESV), 1);
	assert_int_equal(sim_events(first, RSVP_EVENT_RESV), 1);
	sim_reserve(to, RSVP_STYLE_WF, NULL, NULL, 0, false);
	sim_run(pair.sim, 10 * SIM_MS);
	assert_true(sim_last_event(first, RSVP_EVENT_RESV)->event.gone);
	assert_true(sim_last_event(second, RSVP_EVENT_RESV)->event.gone);
	sim_free(pair.sim);
}

/* A sender and a receiver on one node: nothing leaves, and both hear of each other. */
static void test_on_one_node(void **state)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(500);
	struct rsvp_session session;
	struct sim_app *from, *to;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	session = sim_session(&pair.address[0], 5004);
	from = sim_open(pair.sim, 0, &session);
	to = sim_open(pair.sim, 0, &session);
	sim_send(from, &pair.sender, 1000);
	assert_int_equal(sim_events(to, RSVP_EVENT_PATH), 1);
	assert_int_equal(sim_events(from, RSVP_EVENT_PATH), 0);
	sim_reserve(to, RSVP_STYLE_FF, &flowspec, &pair.sender, 1, true);
	assert_int_equal(sim_events(from, RSVP_EVENT_RESV), 1);
	assert_int_equal(sim_events(to, RSVP_EVENT_CONFIRM), 1);
	sim_close(to);
	assert_true(sim_last_event(from, RSVP_EVENT_RESV)->event.gone);
	assert_int_equal(sim_n_packets(pair.sim), 0);
	sim_free(pair.sim);
}

/* What a member of a group reserves is not for what it sends there itself, but others' on its node is. */
static void test_group_on_one_node(void **state)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(500);
	struct sim_app *member, *other;
	struct address group = sim_group(AF_INET, 1);
	struct rsvp_session session = sim_session(&group, 5004);
	struct pair pair;

	(void)state;
	make_pair(&pair);
	member = sim_open(pair.sim, 0, &session);
	other = sim_open(pair.sim, 0, &session);
	sim_send(member, &pair.sender, 1000);
	sim_reserve(member, RSVP_STYLE_WF, &flowspec, NULL, 0, false);
	assert_int_equal(sim_events(member, RSVP_EVENT_RESV), 0);
	sim_reserve(other, RSVP_STYLE_WF, &flowspec, NULL, 0, false);
	assert_int_equal(sim_events(member, RSVP_EVENT_RESV), 1);
	sim_reserve(other, RSVP_STYLE_WF, NULL, NULL, 0, false);
	assert_int_equal(sim_events(member, RSVP_EVENT_RESV), 2);
	assert_true(sim_last_event(member, RSVP_EVENT_RESV)->event.gone);
	sim_free(pair.sim);
}

static int reserve_as(struct pair *pair, struct sim_app *app, enum rsvp_style style,
		      const struct rsvp_flowspec *flowspec, unsigned n_flows, uint8_t dscp)
{
	struct rsvp_reserve_request request = {
		.style = style,
		.n_flows = n_flows,
		.flowspecs = flowspec,
		.senders = &pair->sender,
		.dscp = dscp,
	};

	return rsvp_app_reserve(pair->rsvp[1], app->app, &request, sim_now(pair->sim));
}

static void test_bad_reservations(void **state)
{
	struct rsvp_flowspec good = sim_controlled_load(500), bad = sim_guaranteed(500, 400);
	struct sim_app *from, *to, *other;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	from = sim_open(pair.sim, 0, &pair.session);
	to = sim_open(pair.sim, 1, &pair.session);
	other = sim_open(pair.sim, 1, &pair.session);
	sim_send(from, &pair.sender, 1000);
	sim_run(pair.sim, SIM_S);
	assert_int_equal(reserve_as(&pair, to, RSVP_STYLE_FF, &bad, 1, 0xff), -EINVAL);
	assert_int_equal(reserve_as(&pair, to, RSVP_STYLE_NONE, &good, 1, 0xff), -EINVAL);
	assert_int_equal(reserve_as(&pair, to, RSVP_STYLE_FF, &good, 0, 0xff), -EINVAL);
	assert_int_equal(reserve_as(&pair, to, RSVP_STYLE_FF, &good, 257, 0xff), -EINVAL);
	assert_int_equal(reserve_as(&pair, to, RSVP_STYLE_FF, &good, 1, 64), -EINVAL);
	assert_int_equal(reserve_as(&pair, to, RSVP_STYLE_FF, &good, 1, 0xff), 0);
	assert_int_equal(reserve_as(&pair, other, RSVP_STYLE_WF, &good, 1, 0xff), -EBUSY);
	/* Its own style may change. */
	assert_int_equal(reserve_as(&pair, to, RSVP_STYLE_WF, &good, 1, 0xff), 0);
	assert_int_equal(rsvp_sizes(pair.rsvp[1]).reservations, 1);
	sim_run(pair.sim, SIM_S);
	assert_int_equal(sim_last_event(from, RSVP_EVENT_RESV)->event.style, RSVP_STYLE_WF);
	/* Services that cannot be merged. */
	bad = sim_guaranteed(500, 600);
	assert_int_equal(reserve_as(&pair, other, RSVP_STYLE_WF, &bad, 1, 0xff), 0);
	assert_int_equal(sim_last_event(other, RSVP_EVENT_RESV_ERROR)->event.error.code,
			 RSVP_ERROR_TRAFFIC);
	sim_free(pair.sim);
}

/* the receiver's DSCP reaches the sender. */
static void test_dclass(void **state)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(500);
	struct sim_app *from, *to;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	from = sim_open(pair.sim, 0, &pair.session);
	to = sim_open(pair.sim, 1, &pair.session);
	sim_send(from, &pair.sender, 1000);
	sim_run(pair.sim, SIM_S);
	assert_int_equal(reserve_as(&pair, to, RSVP_STYLE_FF, &flowspec, 1, 46), 0);
	sim_run(pair.sim, SIM_S);
	assert_int_equal(sim_last_event(from, RSVP_EVENT_RESV)->event.dscp, 46);
	assert_int_equal(reserve_as(&pair, to, RSVP_STYLE_FF, &flowspec, 1, 0xff), 0);
	sim_run(pair.sim, SIM_S);
	assert_int_equal(sim_last_event(from, RSVP_EVENT_RESV)->event.dscp, 0xff);
	sim_free(pair.sim);
}

/* What is no longer asked for of a sender ends; the rest stays as it is. */
static void test_fewer_senders(void **state)
{
	static const enum rsvp_style styles[] = { RSVP_STYLE_FF, RSVP_STYLE_SE };
	struct rsvp_flowspec flowspec = sim_controlled_load(500);
	struct rsvp_sender senders[2];
	struct sim_app *from[2], *to;
	struct pair pair;

	(void)state;
	for (int s = 0; s < 2; s++) {
		make_pair(&pair);
		to = sim_open(pair.sim, 1, &pair.session);
		for (int i = 0; i < 2; i++) {
			from[i] = sim_open(pair.sim, 0, &pair.session);
			senders[i] = pair.sender;
			senders[i].id = 6000u + (unsigned)i;
			sim_send(from[i], &senders[i], 1000);
		}
		sim_run(pair.sim, SIM_S);
		sim_reserve(to, styles[s], &flowspec, senders, 2, false);
		sim_run(pair.sim, SIM_S);
		for (int i = 0; i < 2; i++)
			assert_false(sim_last_event(from[i], RSVP_EVENT_RESV)->event.gone);
		sim_reserve(to, styles[s], &flowspec, &senders[1], 1, false);
		sim_run(pair.sim, SIM_S);
		assert_true(sim_last_event(from[0], RSVP_EVENT_RESV)->event.gone);
		assert_false(sim_last_event(from[1], RSVP_EVENT_RESV)->event.gone);
		assert_int_equal(sim_n_installed(pair.sim, 0), 1);
		sim_free(pair.sim);
	}
}

/* A local sender whose address goes away is torn down (spec §8.12). */
static void test_address_goes(void **state)
{
	struct sim_app *from, *to;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	from = sim_open(pair.sim, 0, &pair.session);
	to = sim_open(pair.sim, 1, &pair.session);
	sim_send(from, &pair.sender, 1000);
	sim_run(pair.sim, SIM_S);
	sim_interface(pair.sim, 0, 1)->address4.addr[15] = 88;
	sim_interface_apply(pair.sim, 0, 1);
	assert_int_equal(rsvp_sizes(pair.rsvp[0]).senders, 0);
	assert_int_equal(sim_events(to, RSVP_EVENT_PATH), 1);
	sim_free(pair.sim);
}

struct seen {
	unsigned senders, reservations, neighbours;
	bool local;
};

static int see_sender(void *user_data, const struct rsvp_sender_info *info)
{
	struct seen *seen = user_data;

	seen->senders++;
	seen->local |= info->local;
	return 0;
}

static int see_reservation(void *user_data, const struct rsvp_reservation_info *info)
{
	struct seen *seen = user_data;

	seen->reservations++;
	assert_int_equal(info->n_senders, 1);
	return 0;
}

static int see_neighbour(void *user_data, const struct rsvp_neighbour_info *info)
{
	struct seen *seen = user_data;

	seen->neighbours++;
	assert_true(info->received > 0);
	return 0;
}

/* One of several that an interface has is as good as its first, as long as it has it. */
static void test_further_addresses(void **state)
{
	struct address more = { .family = AF_INET, .addr = { [10] = 0xff, 0xff, 192, 0, 2, 99 } };
	struct rsvp_tspec tspec = sim_tspec(1000);
	struct sim_app *from, *to;
	struct pair pair;

	(void)state;
	make_pair(&pair);
	from = sim_open(pair.sim, 0, &pair.session);
	to = sim_open(pair.sim, 1, &pair.session);
	pair.sender = sim_sender(&more, 6000);
	assert_int_equal(send_as(&pair, from, &pair.sender, &tspec), -EADDRNOTAVAIL);
	assert_int_equal(rsvp_addresses_set(pair.rsvp[0], &more, 1, sim_now(pair.sim)), 0);
	assert_int_equal(send_as(&pair, from, &pair.sender, &tspec), 0);
	sim_run(pair.sim, 10 * SIM_MS);
	assert_int_equal(sim_events(to, RSVP_EVENT_PATH), 1);
	assert_int_equal(rsvp_addresses_set(pair.rsvp[0], NULL, 0, sim_now(pair.sim)), 0);
	assert_int_equal(rsvp_sizes(pair.rsvp[0]).senders, 0);
	sim_run(pair.sim, 10 * SIM_MS);
	assert_true(sim_last_event(to, RSVP_EVENT_PATH)->event.gone);
	sim_free(pair.sim);
}

static void test_visit(void **state)
{
	struct rsvp_visitor visitor = { see_sender, see_reservation, see_neighbour };
	uint64_t position;
	struct rsvp_flowspec flowspec = sim_controlled_load(500);
	struct sim_app *from, *to;
	struct seen seen[2] = { 0 };
	struct pair pair;

	(void)state;
	make_pair(&pair);
	from = sim_open(pair.sim, 0, &pair.session);
	to = sim_open(pair.sim, 1, &pair.session);
	sim_send(from, &pair.sender, 1000);
	sim_reserve(to, RSVP_STYLE_FF, &flowspec, &pair.sender, 1, false);
	sim_run(pair.sim, SIM_S);
	for (int i = 0; i < 2; i++) {
		position = 0;
		assert_int_equal(rsvp_visit(pair.rsvp[i], &visitor, &position, &seen[i]), 0);
		assert_int_equal(seen[i].senders, 1);
		assert_int_equal(seen[i].reservations, 1);
		assert_int_equal(seen[i].neighbours, 1);
		assert_int_equal(seen[i].local, i == 0);
	}
	for (int i = 0; i < RSVP_COUNT_COUNT; i++)
		assert_non_null(rsvp_counter_name((enum rsvp_counter)i));
	assert_int_equal(rsvp_count_type(pair.rsvp[1], RSVP_PATH, false), 2);
	assert_int_equal(rsvp_count_type(pair.rsvp[0], RSVP_PATH, true), 2);
	sim_free(pair.sim);
}

#define PAGED 150

/* Sessions by port, and how often each was seen; a page holds seven. */
struct pages {
	unsigned seen[PAGED + 10], n;
	unsigned neighbours;
};

static int see_in_page(void *user_data, const struct rsvp_sender_info *info)
{
	struct pages *pages = user_data;

	if (pages->n == 7)
		return 1;
	pages->n++;
	pages->seen[info->session.port - 5000]++;
	return 0;
}

static int see_neighbour_in_page(void *user_data, const struct rsvp_neighbour_info *info)
{
	struct pages *pages = user_data;

	(void)info;
	if (pages->n == 7)
		return 1;
	pages->n++;
	pages->neighbours++;
	return 0;
}

/* Page by page, each thing that is there all the while comes once, whatever else comes and goes. */
static void test_visit_pages(void **state)
{
	const struct rsvp_visitor visitor = { .sender = see_in_page,
					      .neighbour = see_neighbour_in_page };
	struct sim_app *apps[PAGED];
	struct pages pages = { 0 };
	uint64_t position = 0;
	unsigned n_pages = 0;
	struct pair pair;
	int r;

	(void)state;
	make_pair(&pair);
	for (unsigned i = 0; i < PAGED; i++) {
		pair.session.port = (uint16_t)(5000 + i);
		apps[i] = sim_open(pair.sim, 0, &pair.session);
		sim_send(apps[i], &pair.sender, 1000);
	}
	sim_run(pair.sim, SIM_S);
	do {
		unsigned gone = 140 - n_pages, came = PAGED + n_pages % 10;

		pages.n = 0;
		r = rsvp_visit(pair.rsvp[1], &visitor, &position, &pages);
		if (n_pages < 10) {
			sim_send(apps[gone], NULL, 0);
			pair.session.port = (uint16_t)(5000 + came);
			sim_send(sim_open(pair.sim, 0, &pair.session), &pair.sender, 1000);
			sim_run(pair.sim, SIM_S);
		}
		n_pages++;
	} while (r != 0);
	assert_in_range(n_pages, 19, 24);
	for (unsigned i = 0; i < PAGED; i++)
		assert_true(pages.seen[i] == 1 || (i > 130 && i <= 140 && pages.seen[i] == 0));
	for (unsigned i = PAGED; i < PAGED + 10; i++)
		assert_true(pages.seen[i] <= 1);
	assert_int_equal(pages.neighbours, 1);
	/* A position that nobody was left at is as good as the end. */
	position = UINT64_MAX;
	assert_int_equal(rsvp_visit(pair.rsvp[1], &visitor, &position, &pages), 0);
	position = UINT64_C(1) << 59;
	pages.n = 0;
	assert_int_equal(rsvp_visit(pair.rsvp[1], &visitor, &position, &pages), 0);
	assert_int_equal(pages.n, 1);
	sim_free(pair.sim);
}

/* ---- hosts that have nothing but UDP ---- */

static void make_udp_only(struct sim *sim, unsigned node)
{
	sim_interface(sim, node, 1)->udp_only = true;
	sim_interface_apply(sim, node, 1);
}

/* In UDP to that address, and nobody on the way is to look at it; returns Send_TTL. */
static uint8_t expect_udp(const struct sim *sim, unsigned node, uint8_t type,
			  const struct address *destination)
{
	struct rsvp_message message;
	const struct sim_packet *packet = sim_last_sent(sim, node, type, 1, &message);

	assert_non_null(packet);
	assert_true(packet->packet.udp);
	assert_false(packet->packet.router_alert);
	assert_false(packet->packet.foreign_source);
	assert_int_equal(packet->packet.destination.port, RSVP_UDP_PORT);
	assert_memory_equal(packet->packet.destination.addr, destination->addr, 16);
	return message.send_ttl;
}

/* to the destination on the link, to the router of the link if it is elsewhere; R-067: to the previous hop. */
static void test_udp_only(void **state)
{
	struct sim *sim = sim_new(22);
	struct rsvp_flowspec flowspec = sim_controlled_load(1000);
	struct address source, router, near, far;
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct sim_app *app, *receiver;

	(void)state;
	sim_line(sim, 3);
	make_udp_only(sim, 0);
	make_udp_only(sim, 2);
	source = sim_address(sim, 0, 1, AF_INET);
	router = sim_address(sim, 1, 1, AF_INET);
	far = sim_address(sim, 2, 1, AF_INET);
	sender = sim_sender(&source, 6000);
	session = sim_session(&router, 5004);
	sim_send(sim_open(sim, 0, &session), &sender, 1000);
	expect_udp(sim, 0, RSVP_PATH, &router);
	session = sim_session(&far, 5005);
	app = sim_open(sim, 0, &session);
	sim_send(app, &sender, 1000);
	assert_int_equal(expect_udp(sim, 0, RSVP_PATH, &router), 63);
	sim_send(app, NULL, 0);
	expect_udp(sim, 0, RSVP_PATH_TEAR, &router);
	/* The other way round: from a host that has more. */
	session = sim_session(&far, 5006);
	near = sim_address(sim, 1, 2, AF_INET);
	sender = sim_sender(&near, 6000);
	receiver = sim_open(sim, 2, &session);
	sim_reserve(receiver, RSVP_STYLE_FF, &flowspec, &sender, 1, false);
	sim_send(sim_open(sim, 1, &session), &sender, 1000);
	sim_run(sim, SIM_S / 4);
	expect_udp(sim, 2, RSVP_RESV, &near);
	sim_reserve(receiver, RSVP_STYLE_FF, NULL, NULL, 0, false);
	expect_udp(sim, 2, RSVP_RESV_TEAR, &near);
	sim_free(sim);
}

/* Paths to groups go to everybody on the link who speaks RSVP, and no further. */
static void test_udp_only_group(void **state)
{
	static const struct address groups[] = {
		{ .family = AF_INET, .addr = { [10] = 0xff, 0xff, 224, 0, 0, 14 } },
		{ .family = AF_INET6, .addr = { 0xff, 0x02, [15] = 0x0e } },
	};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sim *sim = sim_new(23);
		struct address group = sim_group(groups[i].family, 1), source;
		struct rsvp_session session = sim_session(&group, 5004);
		struct rsvp_message message;
		struct rsvp_sender sender;

		sim_line(sim, 2);
		make_udp_only(sim, 0);
		source = sim_address(sim, 0, 1, groups[i].family);
		sender = sim_sender(&source, 6000);
		sim_send(sim_open(sim, 0, &session), &sender, 1000);
		assert_int_equal(expect_udp(sim, 0, RSVP_PATH, &groups[i]), 63);
		assert_int_equal(sim_last_sent(sim, 0, RSVP_PATH, 1, &message)->packet.ttl, 1);
		sim_free(sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_ports),
		cmocka_unit_test(test_bad_senders),
		cmocka_unit_test(test_address_is_chosen),
		cmocka_unit_test(test_comes_and_goes),
		cmocka_unit_test(test_comes_to_what_is_reserved),
		cmocka_unit_test(test_on_one_node),
		cmocka_unit_test(test_group_on_one_node),
		cmocka_unit_test(test_bad_reservations),
		cmocka_unit_test(test_dclass),
		cmocka_unit_test(test_fewer_senders),
		cmocka_unit_test(test_address_goes),
		cmocka_unit_test(test_further_addresses),
		cmocka_unit_test(test_visit),
		cmocka_unit_test(test_visit_pages),
		cmocka_unit_test(test_udp_only),
		cmocka_unit_test(test_udp_only_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
