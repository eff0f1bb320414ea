/* SPDX-License-Identifier: MIT */
/*
 * test_lib_rsvp.c: the RSVP of libgreenwave, with a host in a thread that signals nothing but remembers what it was
 * asked for and answers at once, and with the embedded engine, which cannot signal.
 */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "fake_datapath.h"
#include "fake_signalling.h"
#include "thread_host.h"

static char socket_path[64];
static struct fake_datapath datapath;
static struct fake_signalling fake;
static struct gw *gw;

static struct host *host;

/* ---- a host that answers ---- */

static void set_ip4(struct sockaddr_storage *storage, uint8_t last, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(0xc0000200u + last) };

	memset(storage, 0, sizeof(*storage));
	memcpy(storage, &in, sizeof(in));
}

static int (*plain_send)(void *user_data, struct owner *owner, uint32_t id,
			 const struct gw_rsvp_offer *offer, uint64_t now_us);

/* Whoever sends hears of a reservation from two senders' receivers. */
static int answering_send(void *user_data, struct owner *owner, uint32_t id,
			  const struct gw_rsvp_offer *offer, uint64_t now_us)
{
	struct gw_rsvp_sender senders[2] = { { .form = GW_RSVP_PORTS } };
	struct gw_rsvp_record record = { .size = sizeof(record),
					 .kind = GW_RSVP_RESERVATION,
					 .flags = offer ? 0 : GW_RSVP_GONE,
					 .id = id,
					 .senders = senders,
					 .n_senders = 2,
					 .style = GW_RSVP_SE,
					 .service = GW_RSVP_CONTROLLED_LOAD,
					 .rate_bps = 64000,
					 .dscp = 46,
					 .policy = "abc",
					 .policy_len = 3 };

	set_ip4(&senders[0].address, 1, 1);
	set_ip4(&senders[1].address, 2, 2);
	server_signal(host_server(host), owner, GW_EVENT_RSVP_RESV, id, 0, &record);
	return plain_send(user_data, owner, id, offer, now_us);
}

static int answering_diagnose(void *user_data, struct owner *owner,
			      const struct signalling_question *question, uint64_t now_us)
{
	struct gw_rsvp_record record = { .size = sizeof(record), .kind = GW_RSVP_HOP, .dscp = -1 };

	(void)user_data;
	(void)now_us;
	fake.question = *question;
	for (uint8_t hop = 1; hop <= 3; hop++) {
		set_ip4(&record.hop, hop, 0);
		server_signal(host_server(host), owner, GW_EVENT_RSVP_HOP, question->token, 0,
			      &record);
	}
	server_signal(host_server(host), owner, GW_EVENT_COMPLETED, question->token, -ENODATA,
		      NULL);
	return 0;
}

static int answering_watch(void *user_data, struct owner *owner)
{
	struct gw_rsvp_record record = { .size = sizeof(record),
					 .kind = GW_RSVP_MESSAGE,
					 .flags = GW_RSVP_OUTGOING,
					 .dscp = -1,
					 .text = "Path\n\tSESSION\n" };

	(void)user_data;
	server_signal(host_server(host), owner, GW_EVENT_RSVP_MESSAGE, 0, 0, &record);
	return 0;
}

static struct gw *open_handle(enum gw_mode mode, void (*on_event)(const struct gw_event *, void *))
{
	struct gw_open_options options = { .size = sizeof(options),
					   .mode = mode,
					   .socket_path = socket_path,
					   .on_event = on_event };
	struct gw *opened;

	assert_int_equal(gw_open(&opened, &options), 0);
	return opened;
}

static bool everybody_is_one(void *user_data, const struct connection *connection)
{
	(void)user_data;
	(void)connection;
	return true;
}

static int set_up(void **state)
{
	struct host_options options = {
		.mode = GW_MODE_DAEMON,
		.datapath = &fake_datapath_ops,
		.datapath_data = &datapath,
		.strangers = true,
		.max_clients = 100,
		.max_clients_per_user = 100,
		.is_administrator = everybody_is_one,
	};

	(void)state;
	memset(&datapath, 0, sizeof(datapath));
	fake_signalling_init(&fake);
	plain_send = fake.port.send;
	fake.port.send = answering_send;
	fake.port.watch = answering_watch;
	fake.port.diagnose = answering_diagnose;
	host = thread_host_new(options, socket_path);
	server_set_signalling(host_server(host), &fake.port, 0);
	thread_host_start();
	gw = open_handle(GW_MODE_DAEMON, NULL);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	gw = gw_close(gw);
	thread_host_end();
	return 0;
}

/* ---- sessions ---- */

static uint32_t open_session(struct gw *handle, const char *interface)
{
	struct sockaddr_storage destination;
	uint32_t id = 0;

	set_ip4(&destination, 9, 5004);
	assert_int_equal(gw_rsvp_open(handle, (struct sockaddr *)&destination, sizeof(destination),
				      IPPROTO_UDP, interface, &id),
			 0);
	assert_true(id != 0);
	return id;
}

static void sessions(void **state)
{
	uint32_t id = open_session(gw, "lo"), second = open_session(gw, NULL);

	(void)state;
	assert_true(second != id);
	assert_int_equal(fake.sessions[0].session.ifindex, 1);
	assert_int_equal(fake.sessions[1].session.ifindex, 0);
	assert_int_equal(fake.sessions[0].session.destination.port, 5004);
	assert_int_equal(gw_rsvp_close(gw, id), 0);
	assert_int_equal(gw_rsvp_close(gw, id), -ENOENT);
	assert_int_equal(fake_signalling_count(&fake, NULL), 1);
	gw_end(gw);
	assert_int_equal(fake_signalling_count(&fake, NULL), 0);
	assert_int_equal(gw_rsvp_close(gw, second), -ECANCELED);
}

static void bad_arguments(void **state)
{
	struct sockaddr_storage to;
	struct gw_rsvp_offer offer = { .size = sizeof(offer), .tspec.rate_bps = 1 };
	struct gw_rsvp_flow flows[GW_RSVP_FLOWS_MAX + 1] = { { .tspec.rate_bps = 1 } };
	struct gw_rsvp_request request = { .size = sizeof(request),
					   .style = GW_RSVP_WF,
					   .service = GW_RSVP_GUARANTEED,
					   .dscp = -1,
					   .n_flows = 1,
					   .flows = flows };
	uint32_t id = open_session(gw, NULL), unwritten = 77;

	(void)state;
	set_ip4(&to, 9, 5004);
#define OPEN(handle, address, len, protocol, interface) \
	gw_rsvp_open(handle, (struct sockaddr *)(address), len, protocol, interface, &unwritten)
	assert_int_equal(OPEN(NULL, &to, sizeof(to), IPPROTO_UDP, NULL), -EINVAL);
	assert_int_equal(OPEN(gw, NULL, 0, IPPROTO_UDP, NULL), -EINVAL);
	assert_int_equal(OPEN(gw, &to, 4, IPPROTO_UDP, NULL), -EINVAL);
	assert_int_equal(OPEN(gw, &to, sizeof(to), 0, NULL), -EINVAL);
	assert_int_equal(OPEN(gw, &to, sizeof(to), 256, NULL), -EINVAL);
	assert_int_equal(OPEN(gw, &to, sizeof(to), IPPROTO_UDP, "no-such-if"), -ENODEV);
	assert_int_equal(unwritten, 77);

	assert_int_equal(gw_rsvp_send(NULL, id, &offer), -EINVAL);
	offer.size = 3;
	assert_int_equal(gw_rsvp_send(gw, id, &offer), -EINVAL);
	offer.size = sizeof(offer);
	offer.policy_len = 1;
	assert_int_equal(gw_rsvp_send(gw, id, &offer), -EINVAL);
	offer.policy = malloc(MSG_MAX);
	memset((void *)offer.policy, 1, MSG_MAX);
	offer.policy_len = MSG_MAX;
	assert_int_equal(gw_rsvp_send(gw, id, &offer), -EMSGSIZE);
	free((void *)offer.policy);
	offer.policy = NULL;
	offer.policy_len = 0;
	offer.source.ss_family = AF_UNIX;
	assert_int_equal(gw_rsvp_send(gw, id, &offer), -EINVAL);

	flows[0].reserved[1] = 1;
	assert_int_equal(gw_rsvp_reserve(gw, id, &request), -EINVAL);
	flows[0].reserved[1] = 0;
	flows[0].sender.address.ss_family = AF_UNIX;
	assert_int_equal(gw_rsvp_reserve(gw, id, &request), -EINVAL);
	flows[0].sender.address.ss_family = AF_UNSPEC;
	request.n_flows = 0;
	assert_int_equal(gw_rsvp_reserve(gw, id, &request), -EINVAL);
	request.n_flows = GW_RSVP_FLOWS_MAX + 1;
	assert_int_equal(gw_rsvp_reserve(gw, id, &request), -ENOBUFS);
	assert_int_equal(gw_rsvp_list(gw, GW_RSVP_KIND_BIT(GW_RSVP_SENDER), NULL, NULL), -EINVAL);
	assert_int_equal(gw_rsvp_diagnose(gw, NULL), -EINVAL);
	assert_int_equal(gw_rsvp_watch(NULL), -EINVAL);
}

/* G-150: as many flows as there may be, with a long policy: more than a small message. */
static void large_requests(void **state)
{
	static struct gw_rsvp_flow flows[GW_RSVP_FLOWS_MAX];
	static char policy[16000];
	struct gw_rsvp_request request = { .size = sizeof(request),
					   .style = GW_RSVP_FF,
					   .service = GW_RSVP_GUARANTEED,
					   .dscp = -1,
					   .n_flows = GW_RSVP_FLOWS_MAX,
					   .flows = flows,
					   .policy = policy,
					   .policy_len = sizeof(policy) };
	uint32_t id = open_session(gw, NULL);

	(void)state;
	for (uint8_t i = 0; i < GW_RSVP_FLOWS_MAX; i++) {
		set_ip4(&flows[i].sender.address, i, 1);
		flows[i].tspec.rate_bps = 64000;
	}
	assert_int_equal(gw_rsvp_reserve(gw, id, &request), 0);
	assert_int_equal(fake.request.n_flows, GW_RSVP_FLOWS_MAX);
	assert_int_equal(fake.request.policy_len, sizeof(policy));
	assert_memory_equal(&fake.flows[GW_RSVP_FLOWS_MAX - 1].sender.address,
			    &flows[GW_RSVP_FLOWS_MAX - 1].sender.address,
			    sizeof(struct sockaddr_storage));
	assert_int_equal(fake.flows[GW_RSVP_FLOWS_MAX - 1].rate_bps, 64000);
	assert_int_equal(gw_rsvp_reserve(gw, id, NULL), 0);
	assert_false(fake.sessions[0].reserves);
}

/* A program of later times says more than we know. */
static void structures_of_other_sizes(void **state)
{
	struct {
		struct gw_rsvp_offer offer;
		uint64_t later;
	} longer = { .offer = { .size = sizeof(longer), .tspec.rate_bps = 64000 } };
	uint32_t id = open_session(gw, NULL);

	(void)state;
	assert_int_equal(gw_rsvp_send(gw, id, &longer.offer), 0);
	longer.later = 1;
	assert_int_equal(gw_rsvp_send(gw, id, &longer.offer), -E2BIG);
	longer.offer.size = offsetof(struct gw_rsvp_offer, services);
	longer.offer.services = 0xffff; /* beyond its size */
	assert_int_equal(gw_rsvp_send(gw, id, &longer.offer), 0);
}

/* ---- events ---- */

static void check_reservation(const struct gw_event *event, uint32_t id, uint32_t flags)
{
	struct sockaddr_storage second;

	set_ip4(&second, 2, 2);
	assert_int_equal(event->type, GW_EVENT_RSVP_RESV);
	assert_int_equal(event->token, id);
	assert_true(event->time_us > 0);
	assert_non_null(event->rsvp);
	assert_int_equal(event->rsvp->size, sizeof(*event->rsvp));
	assert_int_equal(event->rsvp->flags, flags);
	assert_int_equal(event->rsvp->style, GW_RSVP_SE);
	assert_int_equal(event->rsvp->dscp, 46);
	assert_int_equal(event->rsvp->n_senders, 2);
	assert_memory_equal(&event->rsvp->senders[1].address, &second, sizeof(second));
	assert_int_equal(event->rsvp->policy_len, 3);
	assert_memory_equal(event->rsvp->policy, "abc", 3);
	assert_null(event->rsvp->text);
}

static void events_by_queue(void **state)
{
	struct gw_rsvp_offer offer = { .size = sizeof(offer), .tspec.rate_bps = 64000 };
	uint32_t id = open_session(gw, NULL);
	struct gw_event first, second;

	(void)state;
	assert_int_equal(gw_rsvp_send(gw, id, &offer), 0);
	assert_int_equal(gw_rsvp_send(gw, id, NULL), 0);
	assert_int_equal(gw_event_next(gw, 0, &first), 1);
	assert_int_equal(gw_event_next(gw, 0, &second), 1);
	check_reservation(&first, id, 0); /* still there after the second */
	check_reservation(&second, id, GW_RSVP_GONE);
	gw_event_release(&first);
	gw_event_release(&first);
	assert_null(first.rsvp);
	gw_event_release(&second);
	gw_event_release(NULL);
	assert_int_equal(gw_event_next(gw, 0, &first), 0);
	/* What nobody takes goes with the handle. */
	assert_int_equal(gw_rsvp_send(gw, id, &offer), 0);
}

static unsigned n_called;
static uint32_t called_id;

static void on_event(const struct gw_event *event, void *user_data)
{
	(void)user_data;
	check_reservation(event, called_id, 0);
	n_called++;
}

static void events_by_callback(void **state)
{
	struct gw *calling = open_handle(GW_MODE_DAEMON, on_event);
	struct gw_rsvp_offer offer = { .size = sizeof(offer), .tspec.rate_bps = 64000 };

	(void)state;
	n_called = 0;
	called_id = open_session(calling, NULL);
	assert_int_equal(gw_rsvp_send(calling, called_id, &offer), 0);
	assert_int_equal(gw_rsvp_send(calling, called_id, &offer), 0);
	assert_int_equal(n_called, 2);
	gw_close(calling);
}

static void messages(void **state)
{
	struct gw_event event;

	(void)state;
	assert_int_equal(gw_rsvp_watch(gw), 0);
	assert_int_equal(gw_event_next(gw, 0, &event), 1);
	assert_int_equal(event.type, GW_EVENT_RSVP_MESSAGE);
	assert_string_equal(event.rsvp->text, "Path\n\tSESSION\n");
	assert_int_equal(event.rsvp->flags, GW_RSVP_OUTGOING);
	assert_int_equal(event.rsvp->dscp, -1);
	gw_event_release(&event);
}

static void questions(void **state)
{
	struct gw_rsvp_question question = { .size = sizeof(question),
					     .protocol = IPPROTO_UDP,
					     .max_hops = 5,
					     .token = UINT64_MAX };
	struct gw_event event;
	struct sockaddr_storage hop;

	(void)state;
	set_ip4(&question.destination, 9, 5004);
	assert_int_equal(gw_rsvp_diagnose(gw, &question), -EINVAL); /* of which sender? */
	set_ip4(&question.source, 1, 5004);
	assert_int_equal(gw_rsvp_diagnose(gw, &question), 0);
	assert_int_equal(fake.question.max_hops, 5);
	assert_int_equal(fake.question.session.destination.port, 5004);
	for (uint8_t i = 1; i <= 3; i++) {
		assert_int_equal(gw_event_next(gw, 0, &event), 1);
		assert_int_equal(event.type, GW_EVENT_RSVP_HOP);
		assert_true(event.token == UINT64_MAX);
		set_ip4(&hop, i, 0);
		assert_memory_equal(&event.rsvp->hop, &hop, sizeof(hop));
		gw_event_release(&event);
	}
	assert_int_equal(gw_event_next(gw, 0, &event), 1);
	assert_int_equal(event.type, GW_EVENT_COMPLETED);
	assert_int_equal(event.status, -ENODATA);
	assert_null(event.rsvp);
}

/* ---- seeing ---- */

static int count_records(const struct gw_rsvp_record *record, void *user_data)
{
	uint32_t *n = user_data;
	struct sockaddr_in source;

	assert_int_equal(record->kind, GW_RSVP_SENDER);
	assert_int_equal(record->n_senders, 1);
	memcpy(&source, &record->senders[0].address, sizeof(source));
	assert_int_equal(ntohs(source.sin_port), *n + 1);
	assert_string_equal(record->interface, "eth0");
	(*n)++;
	return *n == 1234 ? 99 : 0;
}

static void lists(void **state)
{
	uint32_t n = 0;

	(void)state;
	fake.n_records = 1000;
	assert_int_equal(gw_rsvp_list(gw, GW_RSVP_KIND_BIT(GW_RSVP_SENDER), count_records, &n), 0);
	assert_int_equal(n, 1000);
	assert_true(fake.n_visits > 1);
	assert_int_equal(fake.kinds, GW_RSVP_KIND_BIT(GW_RSVP_SENDER));
	fake.n_records = 2000;
	n = 0;
	assert_int_equal(gw_rsvp_list(gw, GW_RSVP_KIND_BIT(GW_RSVP_SENDER), count_records, &n), 99);
	assert_int_equal(n, 1234);
	assert_int_equal(gw_rsvp_list(gw, 0, count_records, &n), -EINVAL);
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(gw_rsvp_style_name(GW_RSVP_FF), "FF");
	assert_string_equal(gw_rsvp_style_name(GW_RSVP_WF), "WF");
	assert_string_equal(gw_rsvp_style_name(GW_RSVP_SE), "SE");
	assert_null(gw_rsvp_style_name((enum gw_rsvp_style)0));
	assert_string_equal(gw_rsvp_service_name(GW_RSVP_GUARANTEED), "guaranteed");
	assert_string_equal(gw_rsvp_service_name(GW_RSVP_CONTROLLED_LOAD), "controlled-load");
	assert_string_equal(gw_rsvp_service_name(GW_RSVP_NULL_SERVICE), "null");
	assert_null(gw_rsvp_service_name((enum gw_rsvp_service)1));
	assert_non_null(gw_rsvp_error_name(1));
	assert_null(gw_rsvp_error_name(9));
	assert_null(gw_rsvp_error_name(255));
}

/* The engine inside a program does not signal, and says so. */
static void embedded(void **state)
{
	struct gw *inside = open_handle(GW_MODE_EMBEDDED, NULL);
	struct gw_rsvp_question question = { .size = sizeof(question), .protocol = IPPROTO_UDP };
	struct gw_rsvp_offer offer = { .size = sizeof(offer), .tspec.rate_bps = 1 };
	struct sockaddr_storage to;
	uint32_t id, n = 0;

	(void)state;
	set_ip4(&to, 9, 5004);
	question.destination = question.source = to;
	assert_int_equal(gw_rsvp_open(inside, (struct sockaddr *)&to, sizeof(to), IPPROTO_UDP, NULL,
				      &id),
			 -EOPNOTSUPP);
	assert_int_equal(gw_rsvp_send(inside, 1, &offer), -EOPNOTSUPP);
	assert_int_equal(gw_rsvp_send(inside, 1, NULL), -EOPNOTSUPP);
	assert_int_equal(gw_rsvp_reserve(inside, 1, NULL), -EOPNOTSUPP);
	assert_int_equal(gw_rsvp_close(inside, 1), -EOPNOTSUPP);
	assert_int_equal(gw_rsvp_watch(inside), -EOPNOTSUPP);
	assert_int_equal(gw_rsvp_diagnose(inside, &question), -EOPNOTSUPP);
	assert_int_equal(gw_rsvp_list(inside, 4, count_records, &n), -EOPNOTSUPP);
	gw_close(inside);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sessions),	       TEST(bad_arguments),
		TEST(large_requests),  TEST(structures_of_other_sizes),
		TEST(events_by_queue), TEST(events_by_callback),
		TEST(messages),	       TEST(questions),
		TEST(lists),	       TEST(names),
		TEST(embedded),
	};

	snprintf(socket_path, sizeof(socket_path), "/tmp/gw-test-rsvp-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
