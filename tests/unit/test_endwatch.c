/* SPDX-License-Identifier: MIT */
/*
 * Tests of host/endwatch: an engine on a datapath that does nothing, with real sockets over loopback, and
 * the embedded engine behind the library. What ends, why, how soon; and what must not end. What privilege
 * might make a difference to runs twice, as whoever runs the tests and, if that is root, as nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <greenwave.h>
#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "datapath/identity.h"
#include "datapath/sockwatch.h"
#include "host/endwatch.h"
#include "host/host.h"
#include "sockets.h"

#define FD_MAX 1024

static const int families[] = { AF_INET, AF_INET6 };

/* ---- an engine of our own ---- */

static struct event_base *base;
static struct host *host;
static struct owner *owner;
static struct endwatch *endwatch;

static int datapath_apply(void *data, const struct datapath_target *target,
			  const struct datapath_treatment *treatment)
{
	(void)data;
	(void)target;
	(void)treatment;
	return 0;
}

static void datapath_clear(void *data, const struct datapath_target *target)
{
	(void)data;
	(void)target;
}

static const struct datapath_ops datapath = {
	.apply = datapath_apply,
	.clear = datapath_clear,
};

static void start(bool closes, bool shutdowns, bool disconnects)
{
	struct host_options options = { .mode = GW_MODE_DAEMON, .datapath = &datapath };
	const struct engine_owner_info info = { .pid = 1 };

	base = event_base_new();
	assert_non_null(base);
	engine_config_default(&options.engine);
	options.base = base;
	assert_int_equal(host_new(&options, &host), 0);
	assert_int_equal(engine_owner_add(host_engine(host), &info, NULL, &owner), 0);
	assert_int_equal(endwatch_new(&(struct endwatch_options){ .base = base,
								  .host = host,
								  .closes = closes,
								  .shutdowns = shutdowns,
								  .disconnects = disconnects },
				      &endwatch),
			 0);
}

static int set_up(void **state)
{
	(void)state;
	start(true, true, true);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	endwatch = endwatch_free(endwatch);
	engine_owner_remove(host_engine(host), owner, 0);
	host = host_free(host);
	event_base_free(base);
	return 0;
}

static void run_ms(unsigned ms)
{
	const struct timeval time = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_base_loopexit(base, &time);
	event_base_dispatch(base);
}

/* As a host does it: the descriptor is still open when the watch learns of the flow. */
static uint32_t add(int fd, uint32_t flags)
{
	const struct flow_request request = {
		.traffic_class = GW_CLASS_VOICE,
		.flags = flags,
		.dscp = GW_DSCP_FROM_CLASS,
	};
	struct socket_identity identity;
	struct engine_socket socket;
	uint32_t id = 0;

	assert_int_equal(socket_identity_read(fd, &identity), 0);
	socket = (struct engine_socket){
		.fd = fd,
		.cookie = identity.cookie,
		.family = identity.family,
		.protocol = identity.protocol,
		.local = identity.local,
		.peer = identity.peer,
	};
	assert_int_equal(engine_add(host_engine(host), owner, &socket, NULL, &request, &id, 0), 0);
	endwatch_kick(endwatch);
	return id;
}

static bool managed(uint64_t cookie)
{
	struct engine_managed socket;

	return engine_find_socket(host_engine(host), cookie, &socket);
}

static uint64_t ended_by(enum end_reason reason)
{
	return engine_counters(host_engine(host))->ended_by[reason];
}

/* How much slower than a usual machine this one is. */
static unsigned time_factor(void)
{
	const char *text = getenv("GW_TIME_FACTOR");

	return text ? (unsigned)strtoul(text, NULL, 10) : 1;
}

/* Returns how long it took. The limit is for a machine that is busy with others. */
static uint64_t wait_ended_by(enum end_reason reason, uint64_t n)
{
	uint64_t started_us = time_now_us();

	for (unsigned ms = 0; ms < 15000 * time_factor() && ended_by(reason) < n; ms += 10)
		run_ms(10);
	assert_int_equal(ended_by(reason), n);
	return time_now_us() - started_us;
}

static void keep_least(uint64_t *least, uint64_t value)
{
	if (value < *least)
		*least = value;
}

/* ---- closing ---- */

/* Before the first question is due, if other programs let it: the best of some. */
static void close_ends_at_once(void **unused)
{
	uint64_t n = 0, least_us = UINT64_MAX;

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		int client, server, copy;

		need_family(families[i]);
		client = udp_connected(families[i]);
		add(client, 0);
		close(client);
		keep_least(&least_us, wait_ended_by(END_CLOSED, ++n));

		client = socket(families[i], SOCK_DGRAM | SOCK_CLOEXEC, 0);
		add(client, 0);
		close(client);
		keep_least(&least_us, wait_ended_by(END_CLOSED, ++n));

		client = udp_bound(families[i]);
		copy = dup(client);
		add(client, 0);
		close(client);
		run_ms(100);
		assert_int_equal(ended_by(END_CLOSED), n);
		close(copy);
		keep_least(&least_us, wait_ended_by(END_CLOSED, ++n));

		tcp_pair(families[i], &client, &server);
		add(client, 0);
		close(client);
		close(server);
		keep_least(&least_us, wait_ended_by(END_CLOSED, ++n));
	}
	assert_true(least_us < 500 * USEC_PER_MSEC);
}

/* The kernel frees the socket only when its data has been delivered, and the peer does not take it. */
static void close_of_tcp_does_not_wait_for_the_peer(void **unused)
{
	static const char data[65536];
	int client, server;

	(void)unused;
	tcp_pair(AF_INET, &client, &server);
	while (send(client, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
	add(client, 0);
	close(client);
	wait_ended_by(END_CLOSED, 1);
	close(server);
}

/* ---- shutting down ---- */

static void shutdown_of_sending_ends(void **unused)
{
	int fds[8], peers[2], n = 0;

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		need_family(families[i]);
		fds[n++] = udp_connected(families[i]);
		fds[n++] = udp_bound_connected(families[i]);
		fds[n++] = udp_bound(families[i]);
		tcp_pair(families[i], &fds[n++], &peers[i]);
	}
	for (int i = 0; i < n; i++) {
		add(fds[i], 0);
		shutdown(fds[i], i % 2 ? SHUT_WR : SHUT_RDWR);
	}
	wait_ended_by(END_SHUTDOWN, (uint64_t)n);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	close(peers[0]);
	close(peers[1]);
}

/* Also when it comes long after. */
static void shutdown_of_a_known_socket_ends(void **unused)
{
	int fd = udp_connected(AF_INET);

	(void)unused;
	add(fd, 0);
	run_ms(1500);
	assert_true(managed(cookie_of(fd)));
	shutdown(fd, SHUT_WR);
	wait_ended_by(END_SHUTDOWN, 1);
	close(fd);
}

/* Flows only send: nothing of this concerns them. */
static void the_end_of_receiving_is_not_the_end(void **unused)
{
	int udp = udp_connected(AF_INET), tcp[2], left[2];

	(void)unused;
	tcp_pair(AF_INET, &tcp[0], &tcp[1]);
	tcp_pair(AF_INET, &left[0], &left[1]);
	add(udp, 0);
	add(tcp[0], 0);
	add(left[0], 0);
	shutdown(udp, SHUT_RD);
	shutdown(tcp[0], SHUT_RD);
	close(left[1]); /* the peer's FIN */
	run_ms(2000);
	assert_true(managed(cookie_of(udp)));
	assert_true(managed(cookie_of(tcp[0])));
	assert_true(managed(cookie_of(left[0])));
	close(udp);
	close(tcp[0]);
	close(tcp[1]);
	close(left[0]);
}

/* ---- disconnecting ---- */

static void disconnect_ends(void **unused)
{
	int fds[8], peers[2], n = 0;

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		need_family(families[i]);
		fds[n++] = udp_connected(families[i]);
		fds[n++] = udp_bound_connected(families[i]);
		tcp_pair(families[i], &fds[n], &peers[i]);
		n++;
	}
	for (int i = 0; i < n; i++) {
		add(fds[i], 0);
		disconnect(fds[i]);
	}
	wait_ended_by(END_DISCONNECTED, (uint64_t)n);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	close(peers[0]);
	close(peers[1]);
}

/* it keeps its destination. The kernel has even taken back its port. */
static void a_flow_can_survive_disconnect(void **unused)
{
	int fds[2] = { udp_connected(AF_INET), udp_bound_connected(AF_INET) };
	uint64_t cookies[2];

	(void)unused;
	for (size_t i = 0; i < 2; i++) {
		cookies[i] = cookie_of(fds[i]);
		add(fds[i], GW_FLOW_KEEP_ON_DISCONNECT);
		disconnect(fds[i]);
	}
	run_ms(2500);
	assert_true(managed(cookies[0]));
	assert_true(managed(cookies[1]));
	udp_send(fds[0], AF_INET);
	run_ms(1200);
	assert_true(managed(cookies[0]));
	close(fds[0]);
	close(fds[1]);
	wait_ended_by(END_CLOSED, 2);
}

/* A server's socket gets its port with the first datagram, and another when it likes. */
static void new_addresses_are_followed(void **unused)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)unused;
	assert_true(fd >= 0);
	add(fd, 0);
	run_ms(1200);
	udp_send(fd, AF_INET);
	run_ms(1200);
	udp_connect(fd, AF_INET);
	run_ms(1500);
	assert_true(managed(cookie_of(fd)));
	shutdown(fd, SHUT_WR);
	wait_ended_by(END_SHUTDOWN, 1);
	close(fd);
}

/* Removed, disconnected, added again: what it was in its earlier life does not count. */
static void a_new_life_has_no_past(void **unused)
{
	int fd = udp_bound_connected(AF_INET);
	uint32_t id = add(fd, 0);

	(void)unused;
	run_ms(1200);
	assert_int_equal(engine_remove(host_engine(host), owner, id, 0), 0);
	disconnect(fd);
	add(fd, 0);
	run_ms(2000);
	assert_true(managed(cookie_of(fd)));
	close(fd);
}

/* ---- only what was asked for ---- */

static void others_see_to_the_rest(void **unused)
{
	int shut, disconnected;

	(void)unused;
	start(false, true, false);
	shut = udp_connected(AF_INET);
	disconnected = udp_bound_connected(AF_INET);
	add(shut, 0);
	add(disconnected, 0);
	shutdown(shut, SHUT_WR);
	disconnect(disconnected);
	wait_ended_by(END_SHUTDOWN, 1);
	run_ms(1000);
	assert_true(managed(cookie_of(disconnected)));
	close(shut);
	close(disconnected);
}

/* ---- losses ---- */

/* Calls `visit` for each of our sockets to NETLINK_SOCK_DIAG. */
static void each_netlink(void (*visit)(int fd))
{
	for (int fd = 0; fd < FD_MAX; fd++) {
		int domain = 0, protocol = 0;
		socklen_t len = sizeof(domain);

		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
		    domain == AF_NETLINK &&
		    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
		    protocol == NETLINK_SOCK_DIAG)
			visit(fd);
	}
}

static void shrink(int fd)
{
	const int small = 4096;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
}

static void forget_awaited(void *awaited, uint64_t cookie)
{
	if (*(uint64_t *)awaited == cookie)
		*(uint64_t *)awaited = 0;
}

/* Returns when the kernel has told everybody of it, which it does in its own time. */
static void close_told(struct sockwatch *witness, int fd)
{
	struct pollfd told = { .fd = sockwatch_fd(witness), .events = POLLIN };
	uint64_t awaited = cookie_of(fd);

	close(fd);
	while (awaited) {
		assert_int_equal(poll(&told, 1, 10000), 1);
		assert_int_equal(sockwatch_dispatch(witness, forget_awaited, &awaited), 0);
	}
}

static void close_many(struct sockwatch *witness)
{
	for (int i = 0; i < 500; i++) {
		int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		assert_true(fd >= 0);
		close_told(witness, fd);
	}
}

/* Several rounds of looking at sockets, also where these come late. */
static void run_rounds(void)
{
	for (int i = 0; i < 25; i++)
		run_ms(200);
}

/* Nobody reads, the messages overflow, and among the lost ones are two of ours. */
static void what_closed_unheard_is_found_out(void **unused)
{
	int known = udp_bound_connected(AF_INET), fresh = udp_connected(AF_INET);
	int open = udp_connected(AF_INET), kept = udp_connected(AF_INET);
	uint64_t known_cookie = cookie_of(known), fresh_cookie = cookie_of(fresh);
	struct sockwatch *witness;

	(void)unused;
	add(known, 0);
	add(open, 0);
	add(kept, GW_FLOW_KEEP_ON_DISCONNECT);
	disconnect(kept);
	/* Had messages been lost before it was missed, it would be taken for closed. */
	run_rounds();
	add(fresh, 0);
	each_netlink(shrink);
	assert_int_equal(sockwatch_new(&witness), 0);
	assert_int_equal(sockwatch_join(witness, AF_INET, IPPROTO_UDP), 0);
	close_many(witness);
	close_told(witness, known);
	close_told(witness, fresh);
	close_many(witness);
	sockwatch_free(witness);
	run_ms(1);
	assert_true(managed(known_cookie) && managed(fresh_cookie));
	wait_ended_by(END_CLOSED, 2);
	assert_false(managed(known_cookie) || managed(fresh_cookie));
	run_ms(500);
	assert_true(managed(cookie_of(open)));
	assert_true(managed(cookie_of(kept)));
	assert_int_equal(ended_by(END_DISCONNECTED), 0);
	close(open);
	close(kept);
	wait_ended_by(END_CLOSED, 4);
}

/* ---- cost ---- */

static unsigned memberships;

static void count_memberships(int fd)
{
	uint32_t groups[4] = { 0 };
	socklen_t len = sizeof(groups);

	assert_int_equal(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &len), 0);
	memberships += (unsigned)__builtin_popcount(groups[0]);
}

static unsigned count_all_memberships(void)
{
	memberships = 0;
	each_netlink(count_memberships);
	return memberships;
}

static void sleeps_without_flows(void **unused)
{
	int asleep = event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
	int fd = udp_connected(AF_INET);
	uint32_t id;

	(void)unused;
	assert_int_equal(count_all_memberships(), 0);
	id = add(fd, 0);
	assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), asleep + 1);
	assert_int_equal(count_all_memberships(), 1);
	run_ms(1200);
	assert_int_equal(engine_remove(host_engine(host), owner, id, 0), 0);
	for (int i = 0; i < 50 && event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) > asleep;
	     i++)
		run_ms(200);
	assert_int_equal(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED), asleep);
	assert_int_equal(count_all_memberships(), 0);

	/* And wakes up again. */
	add(fd, 0);
	close(fd);
	wait_ended_by(END_CLOSED, 1);
}

static uint64_t thread_us(void)
{
	return time_read_us(CLOCK_THREAD_CPUTIME_ID);
}

/* A hundredth of a core; a test that is measured on a busy machine allows itself the double. */
static void keeps_within_its_budget(void **unused)
{
	int fds[800];
	uint64_t before_us, spent_us;

	(void)unused;
	for (size_t i = 0; i < 800; i++) {
		fds[i] = udp_connected(AF_INET);
		add(fds[i], 0);
	}
	run_ms(1500);
	before_us = thread_us();
	run_ms(3000);
	spent_us = thread_us() - before_us;
	assert_true(spent_us < time_factor() * 2 * 3000 * USEC_PER_MSEC / 100);
	/* Each is looked at nevertheless. */
	for (size_t i = 0; i < 800; i++)
		shutdown(fds[i], SHUT_WR);
	wait_ended_by(END_SHUTDOWN, 800);
	for (size_t i = 0; i < 800; i++)
		close(fds[i]);
}

/* ---- the embedded engine ---- */

static struct gw *gw;

static int open_embedded(void **state)
{
	const struct gw_open_options options = { .size = sizeof(options),
						 .mode = GW_MODE_EMBEDDED };

	(void)state;
	return gw_open(&gw, &options);
}

static int close_embedded(void **state)
{
	(void)state;
	gw = gw_close(gw);
	return 0;
}

static void embedded_add(int fd, uint32_t flags)
{
	const struct gw_flow_options options =
		GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE, .flags = flags);
	uint32_t id;

	assert_int_equal(gw_flow_add(gw, fd, NULL, 0, &options, &id), 0);
}

static void expect_ended(const char *reason)
{
	struct gw_event event = { .size = sizeof(event) };

	assert_int_equal(gw_event_next(gw, 15000 * (int)time_factor(), &event), 1);
	assert_int_equal(event.type, GW_EVENT_FLOW_ENDED);
	assert_string_equal(event.reason, reason);
}

static int count_record(const struct gw_flow_record *record, void *user_data)
{
	(void)record;
	(*(unsigned *)user_data)++;
	return 0;
}

static unsigned count_listed(void)
{
	unsigned n = 0;

	assert_int_equal(gw_list(gw, 0, count_record, &n), 0);
	return n;
}

/* How long a closed socket's flow was still listed. */
static uint64_t time_until_list_is_empty(void)
{
	uint64_t started_us = time_now_us();

	while (count_listed() > 0) {
		assert_true(time_now_us() - started_us < time_factor() * 15 * USEC_PER_SEC);
		usleep(1000);
	}
	return time_now_us() - started_us;
}

/* The best of some: other programs share the machine. */
static void embedded_notices_close(void **unused)
{
	uint64_t best_us = UINT64_MAX;

	(void)unused;
	for (int i = 0; i < 5; i++) {
		int fd = udp_connected(AF_INET);

		embedded_add(fd, 0);
		assert_int_equal(count_listed(), 1);
		close(fd);
		keep_least(&best_us, time_until_list_is_empty());
		expect_ended("closed");
	}
	assert_true(best_us < 100 * USEC_PER_MSEC);
}

/*
 * The identifier stays, the socket's marks and its place in the list do not. A question is not due before a
 * second has passed.
 */
static void embedded_notices_close_of_a_kept_flow(void **unused)
{
	uint64_t best_us = UINT64_MAX;

	(void)unused;
	for (int i = 0; i < 3; i++) {
		int fd = udp_connected(AF_INET);

		embedded_add(fd, GW_FLOW_KEEP_WHEN_CLOSED | GW_FLOW_KEEP_ON_DISCONNECT);
		disconnect(fd);
		usleep(50000);
		assert_int_equal(count_listed(), 1);
		close(fd);
		keep_least(&best_us, time_until_list_is_empty());
	}
	assert_true(best_us < 900 * USEC_PER_MSEC);
}

static void embedded_notices_shutdown(void **unused)
{
	int fd = udp_connected(AF_INET), client, server;

	(void)unused;
	embedded_add(fd, 0);
	shutdown(fd, SHUT_WR);
	expect_ended("shutdown");
	close(fd);
	tcp_pair(AF_INET, &client, &server);
	embedded_add(client, 0);
	shutdown(client, SHUT_WR);
	expect_ended("shutdown");
	close(client);
	close(server);
}

static void embedded_notices_disconnect(void **unused)
{
	int fd = udp_connected(AF_INET);

	(void)unused;
	embedded_add(fd, 0);
	disconnect(fd);
	expect_ended("disconnected");
	close(fd);
}

#define ON_OWN_ENGINE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define ON_EMBEDDED(test) cmocka_unit_test_setup_teardown(test, open_embedded, close_embedded)

/* What privilege might make a difference to. */
#define CASES_OF_EVERYBODY                                                           \
	ON_OWN_ENGINE(close_ends_at_once), ON_OWN_ENGINE(shutdown_of_sending_ends),  \
		ON_OWN_ENGINE(disconnect_ends), ON_EMBEDDED(embedded_notices_close), \
		ON_EMBEDDED(embedded_notices_close_of_a_kept_flow),                  \
		ON_EMBEDDED(embedded_notices_shutdown), ON_EMBEDDED(embedded_notices_disconnect)

static int run(void)
{
	const struct CMUnitTest tests[] = { CASES_OF_EVERYBODY };

	return cmocka_run_group_tests(tests, NULL, NULL);
}

static int run_rest(void)
{
	const struct CMUnitTest tests[] = {
		ON_OWN_ENGINE(close_of_tcp_does_not_wait_for_the_peer),
		ON_OWN_ENGINE(shutdown_of_a_known_socket_ends),
		ON_OWN_ENGINE(the_end_of_receiving_is_not_the_end),
		ON_OWN_ENGINE(a_flow_can_survive_disconnect),
		ON_OWN_ENGINE(new_addresses_are_followed),
		ON_OWN_ENGINE(a_new_life_has_no_past),
		cmocka_unit_test_teardown(others_see_to_the_rest, tear_down),
		ON_OWN_ENGINE(what_closed_unheard_is_found_out),
		ON_OWN_ENGINE(sleeps_without_flows),
		ON_OWN_ENGINE(keeps_within_its_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	int failed = run_also_as_nobody(run);

	return run_rest() + failed != 0;
}
