/* SPDX-License-Identifier: MIT */
/*
 * test_lib_events.c: requests that pend, and what comes unasked: nothing of it is told twice, out of
 * turn or never. In front of the embedded engine, on paths to this host itself, where requests of TCP sockets
 * pend: nobody takes part in measurements there, but their own connections would tell.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/client.h"

#include <greenwave.h>

#define MANY 3000

static int fd;
static int completed[MANY];
static int n_completed, n_disconnected;

static int set_up(void **state)
{
	(void)state;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memset(completed, 0, sizeof(completed));
	n_completed = n_disconnected = 0;
	return fd < 0;
}

static int tear_down(void **state)
{
	(void)state;
	return close(fd);
}

static void on_event(const struct gw_event *event, void *user_data)
{
	(void)user_data;
	if (event->type == GW_EVENT_DISCONNECTED)
		__atomic_fetch_add(&n_disconnected, 1, __ATOMIC_SEQ_CST);
	if (event->type != GW_EVENT_COMPLETED)
		return;
	assert_true(event->token < MANY);
	assert_int_equal(event->status, -ECANCELED);
	__atomic_fetch_add(&completed[event->token], 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&n_completed, 1, __ATOMIC_SEQ_CST);
}

static struct gw *open_embedded(bool callback)
{
	struct gw_open_options options = { .size = sizeof(options),
					   .mode = GW_MODE_EMBEDDED,
					   .on_event = callback ? on_event : NULL };
	struct gw *gw;

	assert_int_equal(gw_open(&gw, &options), 0);
	return gw;
}

static uint32_t add(struct gw *gw, int port, uint32_t flags)
{
	struct sockaddr_in peer = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct gw_flow_options options =
		GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE, .flags = flags);
	uint32_t id;

	assert_int_equal(gw_flow_add(gw, fd, (struct sockaddr *)&peer, sizeof(peer), &options, &id),
			 0);
	return id;
}

static uint32_t add_pending(struct gw *gw, int port, uint64_t token)
{
	uint32_t id = add(gw, port, GW_FLOW_ADAPTIVE);

	assert_int_equal(gw_flow_notify(gw, id, GW_CONDITION_CONGESTED, 0, token), 1);
	return id;
}

static bool is_readable(struct gw *gw)
{
	struct pollfd event = { .fd = gw_event_fd(gw), .events = POLLIN };

	return poll(&event, 1, 0) == 1;
}

/* ..Q-170 */
static void completions_by_queue(void **state)
{
	struct gw *gw = open_embedded(false);
	struct gw_event event;
	uint32_t id = add_pending(gw, 1, 5);

	(void)state;
	assert_int_equal(gw_event_next(gw, 0, &event), 0);
	assert_int_equal(gw_event_next(gw, 20, &event), 0);
	assert_false(is_readable(gw));
	assert_int_equal(gw_flow_notify(gw, id, GW_CONDITION_CONGESTED, 0, 6), -EEXIST);
	assert_int_equal(gw_flow_notify(gw, id, GW_CONDITION_UNCONGESTED, 0, 5), -EBUSY);
	assert_int_equal(gw_cancel(gw, 6), -ENOENT);
	assert_int_equal(gw_cancel(gw, 5), 0);
	assert_true(is_readable(gw));
	assert_int_equal(gw_event_next(gw, 0, &event), 1);
	assert_int_equal(event.type, GW_EVENT_COMPLETED);
	assert_int_equal(event.token, 5);
	assert_int_equal(event.status, -ECANCELED);
	assert_false(is_readable(gw));
	assert_int_equal(gw_cancel(gw, 5), -ENOENT);
	assert_int_equal(gw_flow_notify(gw, id, GW_CONDITION_CONGESTED, 0, 5), 1);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	assert_int_equal(gw_event_next(gw, 0, &event), 1);
	assert_int_equal(event.token, 5);
	assert_int_equal(gw_event_next(gw, 0, &event), 0);
	gw_close(gw);
}

/* The callback has been before the call returns. */
static void completions_by_callback(void **state)
{
	struct gw *gw = open_embedded(true);
	struct gw_event event;
	uint32_t id = add_pending(gw, 1, 0);

	(void)state;
	assert_int_equal(gw_event_next(gw, 20, &event), 0);
	assert_int_equal(gw_flow_remove(gw, id), 0);
	assert_int_equal(completed[0], 1);
	add_pending(gw, 1, 1);
	gw_end(gw);
	assert_int_equal(completed[1], 1);
	assert_int_equal(gw_event_next(gw, -1, &event), -ECANCELED);
	gw_close(gw);
	assert_int_equal(n_completed, 2);
	assert_int_equal(n_disconnected, 0);
}

/* Q-171, for as many as there are room for nowhere: each is told once. */
static void thousands_pend_at_the_end(void **state)
{
	struct gw *gw = open_embedded(true);

	(void)state;
	for (int i = 0; i < MANY; i++)
		add_pending(gw, i + 1, (uint64_t)i);
	gw_end(gw);
	assert_int_equal(n_completed, MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(completed[i], 1);
	gw_close(gw);
}

/* The same for who takes them from the queue, afterwards. */
static void thousands_are_queued(void **state)
{
	struct gw *gw = open_embedded(false);
	struct gw_event event;
	int n = 0, r;

	(void)state;
	for (int i = 0; i < MANY; i++)
		add_pending(gw, i + 1, (uint64_t)i);
	gw_end(gw);
	assert_true(is_readable(gw));
	while ((r = gw_event_next(gw, 0, &event)) == 1) {
		on_event(&event, NULL);
		n++;
	}
	assert_int_equal(r, -ECANCELED);
	assert_int_equal(n, MANY);
	assert_int_equal(n_completed, MANY);
	gw_close(gw);
}

/* Who watches and does not listen is told how much went by; a completion is not among it. */
static void lost_events(void **state)
{
	struct gw *gw = open_embedded(false);
	uint64_t lost = 0, seen = 0, before;
	struct gw_event event;
	bool completion = false;

	(void)state;
	assert_int_equal(gw_watch(gw), 0);
	for (int i = 0; i < 2000; i++)
		assert_int_equal(gw_flow_remove(gw, add(gw, 1, 0)), 0);
	add_pending(gw, 2, 0);
	assert_int_equal(gw_cancel(gw, 0), 0);
	/* Readable as long as there is something to take, be it the news that something is lost. */
	while (is_readable(gw)) {
		assert_int_equal(gw_event_next(gw, 0, &event), 1);
		before = lost;
		if (event.type == GW_EVENT_LOST)
			lost += event.lost;
		else if (event.type == GW_EVENT_COMPLETED)
			completion = true;
		else
			seen++;
		assert_true(event.type != GW_EVENT_LOST || lost > before);
	}
	assert_true(completion);
	assert_true(lost > 0);
	assert_int_equal(lost + seen, 2 * 2000 + 1);
	assert_int_equal(gw_event_next(gw, 0, &event), 0);
	gw_close(gw);
}

static void watching(void **state)
{
	struct gw *gw = open_embedded(false), *watcher = open_embedded(false);
	struct gw_event event;
	uint32_t id;

	(void)state;
	assert_int_equal(gw_watch(watcher), 0);
	id = add(gw, 1, 0);
	assert_int_equal(gw_event_next(watcher, 1000, &event), 1);
	assert_int_equal(event.type, GW_EVENT_FLOW_ADDED);
	assert_int_equal(event.flow.id, id);
	assert_int_equal(event.flow.dscp, 56);
	assert_true(event.time_us > 0);
	gw_close(gw);
	assert_int_equal(gw_event_next(watcher, 1000, &event), 1);
	assert_int_equal(event.type, GW_EVENT_FLOW_ENDED);
	assert_string_equal(event.reason, "removed");
	gw_close(watcher);
}

static void *wait_for_event(void *gw)
{
	struct gw_event event;

	return (void *)(intptr_t)gw_event_next(gw, -1, &event);
}

/* whoever waits is let go. */
static void blocked_waiters_are_released(void **state)
{
	pthread_t threads[8];
	void *result;

	(void)state;
	for (int callback = 0; callback < 2; callback++) {
		struct gw *gw = open_embedded(callback);

		for (int i = 0; i < 8; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, wait_for_event, gw), 0);
		usleep(20000);
		gw_end(gw);
		for (int i = 0; i < 8; i++) {
			assert_int_equal(pthread_join(threads[i], &result), 0);
			assert_int_equal((intptr_t)result, -ECANCELED);
		}
		gw_close(gw);
	}
}

/* ---- a callback that takes its time ---- */

static int slow_told, slow_running;

static void on_event_slowly(const struct gw_event *event, void *user_data)
{
	(void)user_data;
	if (event->type != GW_EVENT_COMPLETED)
		return;
	__atomic_store_n(&slow_running, 1, __ATOMIC_SEQ_CST);
	usleep(50000);
	__atomic_store_n(&slow_told, 1, __ATOMIC_SEQ_CST);
}

/* Else this thread would read, and the other one wait for ever. */
static void wait_until_read(struct gw *gw)
{
	bool reading = false;

	while (!reading) {
		usleep(1000);
		pthread_mutex_lock(&gw->lock);
		reading = gw->reading;
		pthread_mutex_unlock(&gw->lock);
	}
}

/* Another thread runs the callback; still it has been when the call returns that caused it. Q-074 */
static void told_by_another_thread(void **state)
{
	struct gw_open_options options = { .size = sizeof(options),
					   .mode = GW_MODE_EMBEDDED,
					   .on_event = on_event_slowly };
	pthread_t reader;
	struct gw *gw;
	uint32_t id;

	(void)state;
	for (int i = 0; i < 5; i++) {
		slow_told = slow_running = 0;
		assert_int_equal(gw_open(&gw, &options), 0);
		id = add_pending(gw, 1, 1);
		assert_int_equal(pthread_create(&reader, NULL, wait_for_event, gw), 0);
		wait_until_read(gw);
		assert_int_equal(gw_flow_remove(gw, id), 0);
		assert_int_equal(__atomic_load_n(&slow_running, __ATOMIC_SEQ_CST), 1);
		assert_int_equal(__atomic_load_n(&slow_told, __ATOMIC_SEQ_CST), 1);
		assert_int_equal(pthread_join(reader, NULL), 0);
		gw_close(gw);
	}
}

/* ---- a callback that calls ---- */

static struct gw *calling;
static uint32_t calling_id;
static int n_again;

static void on_event_again(const struct gw_event *event, void *user_data)
{
	(void)user_data;
	if (event->type != GW_EVENT_COMPLETED || n_again >= 20)
		return;
	n_again++;
	assert_int_equal(
		gw_flow_notify(calling, calling_id, GW_CONDITION_CONGESTED, 0, event->token), 1);
	if (n_again < 20)
		assert_int_equal(gw_cancel(calling, event->token), 0);
}

/* from inside a completion the next one is asked for. */
static void calls_from_a_callback(void **state)
{
	struct gw_open_options options = { .size = sizeof(options),
					   .mode = GW_MODE_EMBEDDED,
					   .on_event = on_event_again };

	(void)state;
	n_again = 0;
	assert_int_equal(gw_open(&calling, &options), 0);
	calling_id = add_pending(calling, 1, 1);
	assert_int_equal(gw_cancel(calling, 1), 0);
	assert_int_equal(n_again, 20);
	gw_close(calling);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(completions_by_queue),
		TEST(completions_by_callback),
		TEST(thousands_pend_at_the_end),
		TEST(thousands_are_queued),
		TEST(lost_events),
		TEST(watching),
		TEST(blocked_waiters_are_released),
		TEST(told_by_another_thread),
		TEST(calls_from_a_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
