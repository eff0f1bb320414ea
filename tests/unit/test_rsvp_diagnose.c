/* SPDX-License-Identifier: MIT */
/* test_rsvp_diagnose.c: asking each hop of a path what it knows (R-269..R-271; RFC 2745). */
#include "../sim/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Senders at one end of a row, receivers at the other. */
struct row {
	struct sim *sim;
	unsigned last;
	struct rsvp_diagnose_request request;
};

static void make_row(struct row *row, unsigned n_nodes, uint16_t family)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(1000);
	struct address address;
	struct sim_app *from, *to;

	*row = (struct row){ .sim = sim_new(5), .last = n_nodes - 1 };
	sim_line(row->sim, n_nodes);
	address = sim_address(row->sim, row->last, 1, family);
	row->request.session = sim_session(&address, 5004);
	address = sim_address(row->sim, 0, 1, family);
	row->request.sender = sim_sender(&address, 6000);
	from = sim_open(row->sim, 0, &row->request.session);
	to = sim_open(row->sim, row->last, &row->request.session);
	sim_send(from, &row->request.sender, 2000);
	sim_run(row->sim, SIM_S);
	sim_reserve(to, RSVP_STYLE_FF, &flowspec, &row->request.sender, 1, false);
	sim_run(row->sim, 5 * SIM_S);
}

/* From the receiver on, each hop but the sender with the one that is next. */
static void expect_all(const struct row *row, const struct sim_diagnosis *diagnosis)
{
	uint16_t family = row->request.session.family;

	assert_int_equal(diagnosis->n_ends, 1);
	assert_int_equal(diagnosis->status, 0);
	assert_int_equal(diagnosis->n_hops, row->last + 1);
	for (unsigned i = 0; i <= row->last; i++) {
		const struct rsvp_hop_report *hop = &diagnosis->hops[i];
		unsigned node = row->last - i;
		struct address address;

		assert_int_equal(hop->error, 0);
		assert_int_equal(hop->ttl_loss, 0);
		assert_non_null(hop->tspec);
		assert_true(hop->tspec->r == 2000);
		assert_non_null(hop->flowspec);
		assert_true(hop->flowspec->tspec.r == 1000);
		assert_int_equal(hop->style, RSVP_STYLE_FF);
		assert_int_equal(hop->n_senders, 1);
		assert_int_equal(hop->out.family, i == 0 ? AF_UNSPEC : family);
		assert_int_equal(hop->previous.family, node == 0 ? AF_UNSPEC : family);
		if (node == 0)
			continue;
		address = sim_address(row->sim, node, 1, family);
		assert_memory_equal(hop->in.addr, address.addr, 16);
		address = sim_address(row->sim, node - 1, node == 1 ? 1 : 2, family);
		assert_memory_equal(hop->previous.addr, address.addr, 16);
	}
}

/* asked at the receiver, and at the sender, who asks the receiver to begin. */
static void test_each_hop(void **state)
{
	static const uint16_t families[] = { AF_INET, AF_INET6 };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct sim_diagnosis diagnosis;
		struct row row;

		make_row(&row, 5, families[i]);
		assert_int_equal(sim_diagnose(row.sim, row.last, row.request, &diagnosis), 0);
		assert_int_equal(diagnosis.n_hops + diagnosis.n_ends, 0);
		sim_run(row.sim, SIM_S);
		expect_all(&row, &diagnosis);
		assert_int_equal(sim_diagnose(row.sim, 0, row.request, &diagnosis), 0);
		sim_run(row.sim, SIM_S);
		expect_all(&row, &diagnosis);
		sim_free(row.sim);
	}
}

/* no more than were asked for. */
static void test_max_hops(void **state)
{
	struct sim_diagnosis diagnosis;
	struct row row;

	(void)state;
	make_row(&row, 5, AF_INET);
	row.request.max_hops = 2;
	assert_int_equal(sim_diagnose(row.sim, row.last, row.request, &diagnosis), 0);
	sim_run(row.sim, SIM_S);
	assert_int_equal(diagnosis.n_hops, 2);
	assert_int_equal(diagnosis.n_ends, 1);
	assert_int_equal(diagnosis.status, 0);
	sim_free(row.sim);
}

/* nothing is known of such a sender. */
static void test_no_path(void **state)
{
	struct sim_diagnosis diagnosis;
	struct row row;

	(void)state;
	make_row(&row, 3, AF_INET);
	row.request.sender.id++;
	for (unsigned node = 0; node <= row.last; node++) {
		assert_int_equal(sim_diagnose(row.sim, node, row.request, &diagnosis), 0);
		sim_run(row.sim, SIM_S);
		assert_int_equal(diagnosis.n_hops, 1);
		assert_int_equal(diagnosis.hops[0].error, 1);
		assert_null(diagnosis.hops[0].tspec);
		assert_int_equal(diagnosis.status, 0);
	}
	sim_free(row.sim);
}

/* more than fits into one message comes in parts, and nothing of it is lost. */
static void test_parts(void **state)
{
	struct sim_diagnosis diagnosis;
	struct row row;
	size_t replies = 0;

	(void)state;
	make_row(&row, 16, AF_INET);
	sim_record(row.sim, true);
	sim_forget(row.sim);
	assert_int_equal(sim_diagnose(row.sim, row.last, row.request, &diagnosis), 0);
	sim_run(row.sim, SIM_S);
	expect_all(&row, &diagnosis);
	for (size_t i = 0; i < sim_n_packets(row.sim); i++) {
		const struct sim_packet *packet = sim_packet(row.sim, i);

		if (packet->type == RSVP_DREP || packet->type == RSVP_DREQ)
			assert_true(packet->packet.len + 20 <= 1500);
		replies += packet->type == RSVP_DREP;
	}
	assert_true(replies >= 2);
	sim_free(row.sim);
}

/* nobody answers; a part is missing; the node ends; it is not wanted any more. */
static void test_ends(void **state)
{
	struct sim_diagnosis diagnosis;
	struct row row;

	(void)state;
	make_row(&row, 3, AF_INET);
	sim_link_set_loss(row.sim, 0, 100);
	assert_int_equal(sim_diagnose(row.sim, row.last, row.request, &diagnosis), 0);
	sim_run(row.sim, 10 * SIM_S);
	assert_int_equal(diagnosis.n_ends, 1);
	assert_int_equal(diagnosis.status, -ETIMEDOUT);
	assert_int_equal(sim_diagnose(row.sim, row.last, row.request, &diagnosis), 0);
	rsvp_diagnose_cancel(sim_rsvp(row.sim, row.last), diagnosis.diagnosis);
	sim_run(row.sim, 10 * SIM_S);
	assert_int_equal(diagnosis.n_ends + diagnosis.n_hops, 0);
	assert_int_equal(sim_diagnose(row.sim, row.last, row.request, &diagnosis), 0);
	sim_end(row.sim, row.last);
	assert_int_equal(diagnosis.n_ends, 1);
	assert_int_equal(diagnosis.status, -ECANCELED);
	sim_free(row.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_hop), cmocka_unit_test(test_max_hops),
		cmocka_unit_test(test_no_path),	 cmocka_unit_test(test_parts),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
