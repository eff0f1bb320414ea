/* SPDX-License-Identifier: MIT */
/*
 * test_rsvp_services.c: from end to end: DCLASS, the null service, and sessions of IPsec (R-216..R-218, R-267,
 * R-268; RFC 2207, 2996, 2997).
 */
#include "../sim/world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "rsvp/writer.h"

/* A sender, two routers, a receiver. */
struct row {
	struct sim *sim;
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct sim_app *from, *to;
};

#define RECEIVER 3u

static void make_row(struct row *row, uint16_t family)
{
	struct address address;

	*row = (struct row){ .sim = sim_new(3) };
	sim_line(row->sim, RECEIVER + 1);
	address = sim_address(row->sim, RECEIVER, 1, family);
	row->session = sim_session(&address, 5004);
	address = sim_address(row->sim, 0, 1, family);
	row->sender = sim_sender(&address, 6000);
}

static void open_both(struct row *row)
{
	row->from = sim_open(row->sim, 0, &row->session);
	row->to = sim_open(row->sim, RECEIVER, &row->session);
}

static void send_request(struct row *row, const struct rsvp_sender_request *request)
{
	assert_int_equal(rsvp_app_send(sim_rsvp(row->sim, 0), row->from->app, request,
				       sim_now(row->sim)),
			 0);
	sim_run(row->sim, 3 * SIM_S);
}

static void reserve(struct row *row, const struct rsvp_flowspec *flowspec, uint8_t dscp)
{
	const struct rsvp_reserve_request request = {
		.style = RSVP_STYLE_FF,
		.n_flows = 1,
		.flowspecs = flowspec,
		.senders = &row->sender,
		.dscp = dscp,
	};

	assert_int_equal(rsvp_app_reserve(sim_rsvp(row->sim, RECEIVER), row->to->app, &request,
					  sim_now(row->sim)),
			 0);
	sim_run(row->sim, 3 * SIM_S);
}

/* through nodes that carry it as they carry whatever they do not know. */
static void test_dclass(void **state)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(1000);
	const struct sim_event *event;
	struct row row;

	(void)state;
	make_row(&row, AF_INET);
	open_both(&row);
	sim_send(row.from, &row.sender, 2000);
	sim_run(row.sim, SIM_S);
	reserve(&row, &flowspec, 34);
	event = sim_last_event(row.from, RSVP_EVENT_RESV);
	assert_non_null(event);
	assert_int_equal(event->event.dscp, 34);
	reserve(&row, &flowspec, 46);
	event = sim_last_event(row.from, RSVP_EVENT_RESV);
	assert_int_equal(event->event.dscp, 46);
	reserve(&row, &flowspec, 0xff);
	event = sim_last_event(row.from, RSVP_EVENT_RESV);
	assert_int_equal(event->event.dscp, 0xff);
	sim_free(row.sim);
}

/* The block of the null service in an ADSPEC: its word, or 0 if there is none. */
static uint32_t null_block(const struct rsvp_message *message)
{
	const struct rsvp_object *object = &message->object[RSVP_CLASS_ADSPEC];
	struct intserv_block block;
	const uint8_t *data;
	size_t len, position = 0;

	assert_int_equal(intserv_open(object, &data, &len), 0);
	while (intserv_block_next(data, len, &position, &block) == 1) {
		if (block.service == FLOWSPEC_NULL)
			return get32(block.data - 4);
	}
	return 0;
}

/* one word at every hop; reserved without a rate, whatever there is room for; M no more than the link's. */
static void test_null_service(void **state)
{
	struct rsvp_flowspec flowspec = { .service = FLOWSPEC_NULL, .tspec = { .M = 1400 } };
	struct rsvp_sender_request request = { .offers_null = true, .tspec = { .M = 1400 } };
	const struct sim_event *event;
	struct rsvp_message message;
	struct row row;

	(void)state;
	make_row(&row, AF_INET);
	open_both(&row);
	sim_record(row.sim, true);
	request.sender = row.sender;
	send_request(&row, &request);
	for (unsigned node = 0; node < RECEIVER; node++) {
		assert_non_null(sim_last_sent(row.sim, node, RSVP_PATH, 0, &message));
		assert_int_equal(null_block(&message), 6u << 24);
	}
	event = sim_last_event(row.to, RSVP_EVENT_PATH);
	assert_non_null(event);
	assert_true(event->has_adspec);
	assert_true(event->adspec.null.present);
	assert_false(event->adspec.controlled_load.present);
	sim_set_capacity(row.sim, 1, 2, 1);
	reserve(&row, &flowspec, 46);
	event = sim_last_event(row.from, RSVP_EVENT_RESV);
	assert_non_null(event);
	assert_int_equal(event->flowspec.service, FLOWSPEC_NULL);
	assert_int_equal(event->flowspec.tspec.M, 1400);
	assert_int_equal(event->event.dscp, 46);
	for (unsigned node = 0; node < RECEIVER; node++) {
		assert_int_equal(sim_n_installed(row.sim, node), 1);
		assert_int_equal(sim_installed(row.sim, node, 0)->request.flowspec.service,
				 FLOWSPEC_NULL);
	}
	flowspec.tspec.M = 1501;
	reserve(&row, &flowspec, 46);
	event = sim_last_event(row.to, RSVP_EVENT_RESV_ERROR);
	assert_non_null(event);
	assert_int_equal(event->event.error.code, RSVP_ERROR_ADMISSION);
	assert_int_equal(event->event.error.value, RSVP_ADMISSION_MTU);
	sim_free(row.sim);
}

/* with a virtual port, of ESP or AH; and senders that have an SPI. */
static void test_gpi_form(void **state)
{
	struct rsvp_app *app = NULL;
	struct row row;

	(void)state;
	make_row(&row, AF_INET);
	row.session.form = RSVP_FORM_GPI;
	assert_int_equal(rsvp_app_open(sim_rsvp(row.sim, 0), &row.session, 0, NULL, &app, 0),
			 -EINVAL);
	row.session.protocol = 50;
	row.session.port = 0;
	assert_int_equal(rsvp_app_open(sim_rsvp(row.sim, 0), &row.session, 0, NULL, &app, 0),
			 -EINVAL);
	row.session.port = 7;
	assert_int_equal(rsvp_app_open(sim_rsvp(row.sim, 0), &row.session, 0, NULL, &app, 0), 0);
	rsvp_app_close(sim_rsvp(row.sim, 0), app, 0);
	row.session.protocol = 51;
	assert_int_equal(rsvp_app_open(sim_rsvp(row.sim, 0), &row.session, 0, NULL, &app, 0), 0);
	{
		const struct rsvp_sender_request request = {
			.sender = row.sender,
			.tspec = sim_tspec(1000),
			.offers_controlled_load = true,
		};

		assert_int_equal(rsvp_app_send(sim_rsvp(row.sim, 0), app, &request, 0), -EINVAL);
	}
	rsvp_app_close(sim_rsvp(row.sim, 0), app, 0);
	sim_free(row.sim);
}

/* all four bytes of the SPI tell flows apart, at every hop. */
static void test_gpi_end_to_end(void **state)
{
	static const uint16_t families[] = { AF_INET, AF_INET6 };
	struct rsvp_flowspec flowspec = sim_controlled_load(1000);

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const struct sim_event *event;
		struct sim_app *other;
		struct row row;

		make_row(&row, families[i]);
		row.session.form = RSVP_FORM_GPI;
		row.session.protocol = 50;
		row.sender.form = RSVP_FORM_GPI;
		row.sender.id = 0x12345678;
		open_both(&row);
		other = sim_open(row.sim, 0, &row.session);
		sim_send(row.from, &row.sender, 2000);
		row.sender.id = 0x92345678;
		sim_send(other, &row.sender, 2000);
		sim_run(row.sim, 3 * SIM_S);
		assert_int_equal(rsvp_sizes(sim_rsvp(row.sim, 1)).senders, 2);
		reserve(&row, &flowspec, 0xff);
		event = sim_last_event(other, RSVP_EVENT_RESV);
		assert_non_null(event);
		assert_int_equal(event->senders[0].id, 0x92345678);
		assert_int_equal(sim_events(row.from, RSVP_EVENT_RESV), 0);
		for (unsigned node = 0; node < RECEIVER; node++) {
			const struct rsvp_tc_request *request;

			assert_int_equal(sim_n_installed(row.sim, node), 1);
			request = &sim_installed(row.sim, node, 0)->request;
			assert_int_equal(request->n_filters, 1);
			assert_memory_equal(&request->filters[0].sender, &row.sender,
					    sizeof(row.sender));
			assert_int_equal(request->session.form, RSVP_FORM_GPI);
		}
		sim_free(row.sim);
	}
}

/* a filter with an SPI in a session with ports changes nothing, and is not answered. */
static void test_gpi_filter_of_ports(void **state)
{
	struct rsvp_flowspec flowspec = sim_controlled_load(1000);
	struct rsvp_writer writer;
	uint8_t buf[512];
	struct rsvp_hop hop;
	struct address own;
	struct row row;
	size_t len;

	(void)state;
	make_row(&row, AF_INET);
	open_both(&row);
	sim_send(row.from, &row.sender, 2000);
	sim_run(row.sim, 3 * SIM_S);
	sim_record(row.sim, true);
	sim_forget(row.sim);
	hop = (struct rsvp_hop){ sim_address(row.sim, 2, 1, AF_INET), 2 };
	own = sim_address(row.sim, 1, 2, AF_INET);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t bad = rsvp_count(sim_rsvp(row.sim, 1), RSVP_COUNT_BAD_OBJECT);

		row.sender.form = i == 0 ? RSVP_FORM_GPI : RSVP_FORM_PORTS;
		rsvp_writer_start(&writer, buf, sizeof(buf), RSVP_RESV, 0, 63);
		rsvp_put_session(&writer, &row.session, 0);
		rsvp_put_hop(&writer, &hop);
		rsvp_put_time_values(&writer, 30000);
		rsvp_put_style(&writer, RSVP_STYLE_FF);
		rsvp_put_flowspec(&writer, &flowspec);
		rsvp_put_filter(&writer, &row.sender);
		assert_int_equal(rsvp_writer_finish(&writer, &len), 0);
		sim_inject(row.sim, 1, 2, &hop.address, &own, 63, buf, len);
		assert_int_equal(sim_n_installed(row.sim, 1), i);
		assert_int_equal(rsvp_count(sim_rsvp(row.sim, 1), RSVP_COUNT_BAD_OBJECT),
				 bad + (i == 0));
		assert_int_equal(sim_sent(row.sim, 1, RSVP_RESV_ERR, 0), 0);
	}
	sim_free(row.sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dclass),
		cmocka_unit_test(test_null_service),
		cmocka_unit_test(test_gpi_form),
		cmocka_unit_test(test_gpi_end_to_end),
		cmocka_unit_test(test_gpi_filter_of_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
