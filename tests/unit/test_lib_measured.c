/* SPDX-License-Identifier: MIT */
/*
 * test_lib_measured.c: requests of libgreenwave that wait for a path to be measured: those that block their thread and
 * no other, and those that pend. The host runs in a thread, and measures what the test says.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/time.h"
#include "fake_datapath.h"
#include "fake_measuring.h"
#include "thread_host.h"

#define MEGABIT UINT64_C(1000000)
#define THREADS 16

static char socket_path[64];
static struct fake_datapath datapath;
static struct fake_measuring measuring;
static struct address peer_address;
static struct gw *gw;
static int fd;
static uint32_t id;

static struct host *served;

/* ---- the host ---- */

static void measure(void)
{
	engine_set_measuring(host_engine(served), &measuring.table, time_now_us());
}

static void tell(enum measuring_event event)
{
	struct measured *measured = fake_measured(&measuring, &peer_address);

	engine_path_event(host_engine(served), measured->path, event, time_now_us());
}

static void supported(void)
{
	tell(MEASURING_EVENT_SUPPORTED);
}

static void refreshed(void)
{
	struct measured *measured = fake_measured(&measuring, &peer_address);

	measured->fundamentals_status = 0;
	measured->info = (struct gw_path_info){ .capacity_known = 1,
						.available_known = 1,
						.rtt_known = 1,
						.capacity_bps = 10 * MEGABIT,
						.available_bps = 4 * MEGABIT,
						.rtt_us = 250 };
	tell(MEASURING_EVENT_REFRESHED);
}

static void congested(void)
{
	fake_measured(&measuring, &peer_address)->state = MEASURING_CONGESTED;
	tell(MEASURING_EVENT_STATE);
}

static void answer(int status)
{
	struct measured *measured = fake_measured(&measuring, &peer_address);

	for (size_t i = 0; i < measured->n_wishes && i < FAKE_WISHES; i++)
		engine_path_admitted(host_engine(served), measured->path,
				     measured->wishes[i].wish.token, status, time_now_us());
}

static void admitted(void)
{
	answer(0);
}

static void refused(void)
{
	answer(-EBUSY);
}

static size_t n_wishes, n_refreshes, n_trackers;

static void look(void)
{
	struct measured *measured = fake_measured(&measuring, &peer_address);

	n_wishes = measured ? measured->n_wishes : 0;
	n_refreshes = measured ? measured->n_refreshes : 0;
	n_trackers = measured ? measured->trackers : 0;
}

/* Until the host has been asked, by another thread. */
static void wait_until(const size_t *what, size_t n)
{
	for (int i = 0; i < 5000; i++) {
		thread_host_order(look);
		if (*what == n)
			return;
		usleep(1000);
	}
	fail_msg("the host was not asked");
}

static struct gw *open_handle(void)
{
	struct gw_open_options options = { .size = sizeof(options),
					   .mode = GW_MODE_DAEMON,
					   .socket_path = socket_path };
	struct gw *opened;

	assert_int_equal(gw_open(&opened, &options), 0);
	return opened;
}

static uint32_t add(struct gw *handle, int port)
{
	struct sockaddr_in peer = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct gw_flow_options options =
		GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE, .flags = GW_FLOW_ADAPTIVE);
	uint32_t new_id;

	assert_int_equal(gw_flow_add(handle, fd, (struct sockaddr *)&peer, sizeof(peer), &options,
				     &new_id),
			 0);
	return new_id;
}

static int set_up(void **state)
{
	struct host_options options = { .mode = GW_MODE_DAEMON,
					.datapath = &fake_datapath_ops,
					.datapath_data = &datapath,
					.max_clients = 100,
					.max_clients_per_user = 100 };

	(void)state;
	memset(&datapath, 0, sizeof(datapath));
	fake_measuring_init(&measuring);
	peer_address =
		(struct address){ .family = AF_INET, .addr = { [10] = 0xff, 0xff, 127, 0, 0, 1 } };
	served = thread_host_new(options, socket_path);
	thread_host_start();
	thread_host_order(measure);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	gw = open_handle();
	id = add(gw, 9);
	thread_host_order(supported);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	gw = gw_close(gw);
	thread_host_stop();
	assert_int_equal(fake_measured_open(&measuring), 0);
	assert_int_equal(datapath.n_marks, 0);
	thread_host_end();
	close(fd);
	return 0;
}

/* ---- calls that block ---- */

/* One call in a thread of its own. */
struct caller {
	pthread_t thread;
	int (*call)(struct caller *caller);
	uint64_t rate_bps;
	struct gw_path_info info;
	int result;
};

static void *caller_run(void *user_data)
{
	struct caller *caller = user_data;

	caller->result = caller->call(caller);
	return NULL;
}

static void begin(struct caller *caller, int (*call)(struct caller *caller))
{
	caller->call = call;
	assert_int_equal(pthread_create(&caller->thread, NULL, caller_run, caller), 0);
}

static int end(struct caller *caller)
{
	pthread_join(caller->thread, NULL);
	return caller->result;
}

static int query_fresh(struct caller *caller)
{
	caller->info.size = sizeof(caller->info);
	return gw_flow_query_path(gw, id, GW_PATH_FRESH, &caller->info);
}

static int set_rate(struct caller *caller)
{
	return gw_flow_set_rate(gw, id, caller->rate_bps, GW_SHAPE_AND_MARK, 0);
}

static int track(struct caller *caller)
{
	struct sockaddr_in host = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1) };

	(void)caller;
	return gw_track_start(gw, (struct sockaddr *)&host, sizeof(host));
}

static uint64_t rate_bps(void)
{
	struct gw_flow_info info = { .size = sizeof(info) };

	assert_int_equal(gw_flow_query(gw, id, &info), 0);
	return info.rate_bps;
}

/* it waits, and others on the handle do not. */
static void fresh_figures(void **state)
{
	struct caller caller;

	(void)state;
	begin(&caller, query_fresh);
	wait_until(&n_refreshes, 1);
	for (int i = 0; i < 100; i++)
		assert_int_equal(rate_bps(), 0);
	thread_host_order(refreshed);
	assert_int_equal(end(&caller), 0);
	assert_int_equal(caller.info.capacity_bps, 10 * MEGABIT);
	assert_int_equal(caller.info.available_bps, 4 * MEGABIT);
	assert_int_equal(caller.info.rtt_us, 250);
}

/* the rate is in force when the call returns, or what was before still is. */
static void admission(void **state)
{
	struct caller caller = { .rate_bps = 2 * MEGABIT };

	(void)state;
	begin(&caller, set_rate);
	wait_until(&n_wishes, 1);
	assert_int_equal(rate_bps(), 0);
	thread_host_order(admitted);
	assert_int_equal(end(&caller), 0);
	assert_int_equal(rate_bps(), 2 * MEGABIT);
	assert_int_equal(datapath.n_marks, 1);
	caller.rate_bps = 20 * MEGABIT;
	begin(&caller, set_rate);
	wait_until(&n_wishes, 2);
	thread_host_order(refused);
	assert_int_equal(end(&caller), -EDQUOT);
	assert_int_equal(rate_bps(), 2 * MEGABIT);
	/* What does not grow is not asked for. */
	assert_int_equal(gw_flow_set_rate(gw, id, MEGABIT, GW_SHAPE_AND_MARK, 2), 0);
}

/* Who blocks is released when the flow goes, and when the handle does. */
static void released(void **state)
{
	struct caller rate = { .rate_bps = MEGABIT }, fresh, tracker;

	(void)state;
	begin(&rate, set_rate);
	wait_until(&n_wishes, 1);
	begin(&fresh, query_fresh);
	wait_until(&n_refreshes, 1);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	assert_int_equal(end(&rate), -ECANCELED);
	assert_int_equal(end(&fresh), -ECANCELED);
	id = add(gw, 9);
	begin(&rate, set_rate);
	wait_until(&n_wishes, 1);
	begin(&fresh, query_fresh);
	wait_until(&n_refreshes, 1);
	begin(&tracker, track);
	usleep(10000);
	gw_end(gw);
	assert_int_equal(end(&rate), -ECANCELED);
	assert_int_equal(end(&fresh), -ECANCELED);
	assert_int_equal(end(&tracker), -ECANCELED);
}

/* The application's own close() is the last one, also while a rate of the socket waits. */
static void closed_meanwhile(void **state)
{
	struct caller caller = { .rate_bps = MEGABIT };
	struct sockaddr_in local = { .sin_family = AF_INET,
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(local);
	int other;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&local, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&local, &len), 0);
	begin(&caller, set_rate);
	wait_until(&n_wishes, 1);
	close(fd);
	other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(other, (struct sockaddr *)&local, len), 0);
	thread_host_order(admitted);
	end(&caller); /* what it says of a socket that is gone is the datapath's affair */
	fd = other;
}

/* ---- requests that pend ---- */

static void next_event(uint64_t token, int status, struct gw_event *ret_event)
{
	assert_int_equal(gw_event_next(gw, 5000, ret_event), 1);
	assert_int_equal(ret_event->type, GW_EVENT_COMPLETED);
	assert_int_equal(ret_event->token, token);
	assert_int_equal(ret_event->status, status);
}

static void pending_query(void **state)
{
	struct gw_path_info info = { .size = sizeof(info), .rtt_us = 77 };
	struct gw_event event;

	(void)state;
	assert_int_equal(gw_flow_begin_query_path(gw, id, 0, 1, &info), -ENODATA);
	assert_int_equal(gw_flow_begin_query_path(gw, id, GW_PATH_FRESH, 1, &info), 1);
	assert_int_equal(info.rtt_us, 77);
	assert_int_equal(gw_flow_notify(gw, id, GW_CONDITION_CONGESTED, 0, 1), -EBUSY);
	thread_host_order(refreshed);
	next_event(1, 0, &event);
	assert_true(event.flow.path.available_known);
	assert_int_equal(event.flow.path.available_bps, 4 * MEGABIT);
	assert_int_equal(gw_flow_begin_query_path(gw, id, 0, 1, &info), 0);
	assert_int_equal(info.rtt_us, 250);
	assert_int_equal(gw_flow_begin_query_path(gw, id, GW_PATH_FRESH, 2, &info), 1);
	assert_int_equal(gw_cancel(gw, 2), 0);
	next_event(2, -ECANCELED, &event);
	assert_false(event.flow.path.available_known);
}

/* the descriptors that it takes are brought when it has been granted, by whoever reads. */
static void pending_rate(void **state)
{
	struct gw_event event;

	(void)state;
	assert_int_equal(gw_flow_begin_rate(gw, id, MEGABIT, GW_SHAPE_AND_MARK, 0, 5), 1);
	assert_int_equal(gw_flow_begin_rate(gw, id, MEGABIT, GW_SHAPE_AND_MARK, 0, 6), -EALREADY);
	assert_int_equal(gw_event_next(gw, 0, &event), 0);
	thread_host_order(admitted);
	next_event(5, 0, &event);
	assert_int_equal(rate_bps(), MEGABIT);
	assert_int_equal(datapath.n_marks, 1);
	assert_int_equal(gw_flow_begin_rate(gw, id, 0, GW_SHAPE_AND_MARK, 0, 5), 0);
	assert_int_equal(gw_flow_begin_rate(gw, id, MEGABIT, 9, 0, 5), -EINVAL);
	assert_int_equal(gw_flow_begin_rate(gw, id, MEGABIT, GW_SHAPE_AND_MARK, 0, 5), 1);
	thread_host_order(refused);
	next_event(5, -EDQUOT, &event);
	assert_int_equal(gw_flow_begin_rate(gw, id, MEGABIT, GW_SHAPE_AND_MARK, 0, 5), 1);
	assert_int_equal(gw_cancel(gw, 5), 0);
	next_event(5, -ECANCELED, &event);
	assert_int_equal(gw_flow_begin_rate(gw, id, MEGABIT, GW_SHAPE_AND_MARK, 0, 5), 1);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	next_event(5, -ECANCELED, &event);
	assert_int_equal(gw_event_next(gw, 0, &event), 0);
}

/* Granted, and the flow is gone before it is asked for again. */
static void granted_too_late(void **state)
{
	struct gw_event event;

	(void)state;
	assert_int_equal(gw_flow_begin_rate(gw, id, MEGABIT, GW_SHAPE_AND_MARK, 0, 5), 1);
	thread_host_order(admitted);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	assert_int_equal(gw_event_next(gw, 5000, &event), 1);
	assert_int_equal(event.token, 5);
	assert_true(event.status == 0 || event.status == -ENOENT);
}

/* */
static void conditions(void **state)
{
	uint32_t second = add(gw, 10);
	struct gw_event event;

	(void)state;
	assert_int_equal(gw_flow_notify(gw, id, GW_CONDITION_CONGESTED, 0, 1), 1);
	assert_int_equal(gw_flow_notify(gw, second, GW_CONDITION_CONGESTED, 0, 2), 1);
	thread_host_order(congested);
	next_event(1, 0, &event);
	next_event(2, 0, &event);
	assert_int_equal(gw_flow_notify(gw, id, GW_CONDITION_CONGESTED, 0, 1), 0);
}

/* ---- hosts that are announced ---- */

static void toggle_peer(void)
{
	peer_address.addr[15] ^= 1 ^ 2;
}

/* */
static void tracking(void **state)
{
	struct sockaddr_in host = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1) };
	const struct sockaddr *sa = (const struct sockaddr *)&host;
	struct gw *other = open_handle();
	struct caller caller;

	(void)state;
	assert_int_equal(gw_track_stop(gw, sa, sizeof(host)), -ENOENT);
	thread_host_order(toggle_peer);
	begin(&caller, track);
	wait_until(&n_trackers, 1);
	thread_host_order(supported);
	assert_int_equal(end(&caller), 0);
	assert_int_equal(gw_track_start(gw, sa, sizeof(host)), 0);
	assert_int_equal(gw_track_start(other, sa, sizeof(host)), 0);
	wait_until(&n_trackers, 2);
	gw_close(other);
	wait_until(&n_trackers, 1);
	other = open_handle();
	assert_int_equal(gw_track_stop(other, sa, sizeof(host)), 0);
	wait_until(&n_trackers, 0);
	gw_close(other);
	thread_host_order(toggle_peer);
}

/* ---- what is seen ---- */

static int see(const struct gw_flow_record *record, void *user_data)
{
	*(struct gw_flow_record *)user_data = *record;
	return 1;
}

static void listing(void **state)
{
	struct gw *watcher = open_handle();
	struct gw_flow_record record;
	struct gw_event event;

	(void)state;
	assert_int_equal(gw_list(gw, 0, see, &record), 1);
	assert_int_equal(record.path_state, GW_PATH_UNKNOWN);
	assert_false(record.path.capacity_known);
	assert_int_equal(gw_watch(watcher), 0);
	thread_host_order(refreshed);
	thread_host_order(congested);
	assert_int_equal(gw_event_next(watcher, 5000, &event), 1);
	assert_int_equal(event.type, GW_EVENT_FLOW_CHANGED);
	assert_string_equal(event.reason, "path");
	assert_int_equal(event.flow.path_state, GW_PATH_CONGESTED);
	assert_int_equal(event.flow.path.capacity_bps, 10 * MEGABIT);
	assert_string_equal(gw_path_state_name(event.flow.path_state), "congested");
	assert_null(gw_path_state_name((enum gw_path_state)5));
	assert_int_equal(gw_event_next(watcher, 0, &event), 0);
	gw_close(watcher);
}

/* ---- many at once ---- */

static int mixed(struct caller *caller)
{
	for (int i = 0; i < 20; i++) {
		struct gw_path_info info = { .size = sizeof(info) };
		int r = gw_flow_set_rate(gw, id, caller->rate_bps + (uint64_t)i, 1, 0);

		if (r != 0 && r != -EDQUOT && r != -EAGAIN)
			return r;
		r = gw_flow_query_path(gw, id, 0, &info);
		if (r != 0 && r != -ENODATA)
			return r;
	}
	return 0;
}

static bool all_over;

static void *answer_all(void *user_data)
{
	(void)user_data;
	while (!__atomic_load_n(&all_over, __ATOMIC_ACQUIRE)) {
		thread_host_order(admitted);
		usleep(500);
	}
	return NULL;
}

static void storm(void **state)
{
	struct caller callers[THREADS];
	pthread_t answering;

	(void)state;
	all_over = false;
	thread_host_order(refreshed);
	assert_int_equal(pthread_create(&answering, NULL, answer_all, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		callers[i].rate_bps = MEGABIT * (i % 4 + 1);
		begin(&callers[i], mixed);
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(end(&callers[i]), 0);
	__atomic_store_n(&all_over, true, __ATOMIC_RELEASE);
	pthread_join(answering, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(fresh_figures),	TEST(admission),     TEST(released),
		TEST(closed_meanwhile), TEST(pending_query), TEST(pending_rate),
		TEST(granted_too_late), TEST(conditions),    TEST(tracking),
		TEST(listing),		TEST(storm),
	};

	snprintf(socket_path, sizeof(socket_path), "/tmp/gw-measured-%d", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
