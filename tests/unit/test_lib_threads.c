/* SPDX-License-Identifier: MIT */
/*
 * test_lib_threads.c: many threads on one handle, and one that ends it under them.,
 * Worth its time under ThreadSanitizer above all.
 *
 * GW_ROUNDS=N makes it longer.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include <greenwave.h>

#define THREADS 100
#define BUSY 20 /* that an end surprises */

static struct gw *gw;
static int sockets[THREADS];
static unsigned rounds = 10;

static struct gw *open_embedded(void)
{
	struct gw_open_options options = { .size = sizeof(options), .mode = GW_MODE_EMBEDDED };
	struct gw *opened;

	assert_int_equal(gw_open(&opened, &options), 0);
	return opened;
}

static int tos_of(int fd)
{
	socklen_t len = sizeof(int);
	int tos = -1;

	getsockopt(fd, IPPROTO_IP, IP_TOS, &tos, &len);
	return tos;
}

static int add(int fd, uint32_t flags, uint32_t *id)
{
	struct sockaddr_in peer = { .sin_family = AF_INET,
				    .sin_port = htons(9),
				    /* A path for each: one that is used all the time gets old. */
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)fd) };
	struct gw_flow_options options =
		GW_FLOW_OPTIONS(.traffic_class = GW_CLASS_VOICE, .flags = flags);

	return gw_flow_add(gw, fd, (struct sockaddr *)&peer, sizeof(peer), &options, id);
}

/* Each step that does not do what it should is counted. */
static void *work(void *user_data)
{
	int fd = *(int *)user_data;
	intptr_t wrong = 0;

	for (unsigned i = 0; i < rounds; i++) {
		struct gw_flow_info info = { .size = sizeof(info) };
		uint32_t id, adaptive;

		wrong += add(fd, 0, &id) != 0;
		wrong += tos_of(fd) != 56 << 2;
		wrong += gw_flow_set_class(gw, id, GW_CLASS_BACKGROUND) != 0;
		wrong += tos_of(fd) != 8 << 2;
		wrong += gw_flow_query(gw, id, &info) != 0 || info.conformant_dscp != 8;
		wrong += add(fd, GW_FLOW_ADAPTIVE, &adaptive) != 0;
		wrong += gw_flow_notify(gw, adaptive, GW_CONDITION_CONGESTED, 0, adaptive) != 1;
		if (i % 2)
			wrong += gw_cancel(gw, adaptive) != 0;
		wrong += gw_flow_remove(gw, adaptive) != 0;
		wrong += gw_flow_remove(gw, id) != 0;
		wrong += gw_flow_remove(gw, id) != -ENOENT;
		wrong += tos_of(fd) != 0;
	}
	return (void *)wrong;
}

static void start(pthread_t *threads, int n, void *(*run)(void *))
{
	for (int i = 0; i < n; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run, &sockets[i]), 0);
}

static void join(const pthread_t *threads, int n)
{
	for (int i = 0; i < n; i++) {
		void *wrong;

		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_int_equal((intptr_t)wrong, 0);
	}
}

static int set_up(void **state)
{
	(void)state;
	for (int i = 0; i < THREADS; i++) {
		/* Of TCP: requests pend, though nobody takes part in measurements there. */
		sockets[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (sockets[i] < 0)
			return -1;
	}
	gw = open_embedded();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	gw_close(gw);
	for (int i = 0; i < THREADS; i++)
		close(sockets[i]);
	return 0;
}

static void a_hundred_threads(void **state)
{
	struct gw_status status = { .size = sizeof(status) };
	pthread_t threads[THREADS];
	struct gw_event event;
	unsigned completed = 0;

	(void)state;
	start(threads, THREADS, work);
	join(threads, THREADS);
	while (gw_event_next(gw, 0, &event) == 1)
		completed += event.type == GW_EVENT_COMPLETED;
	assert_int_equal(completed, THREADS * rounds);
	assert_int_equal(gw_status(gw, &status), 0);
	assert_int_equal(status.flows, 0);
}

/* What may come of a call that an end surprises. */
static bool is_expected(int r)
{
	return r == 0 || r == -ECANCELED;
}

static void *work_until_the_end(void *user_data)
{
	int fd = *(int *)user_data;
	struct gw_event event;
	intptr_t wrong = 0;
	uint32_t id;
	int r;

	do {
		r = add(fd, 0, &id);
		wrong += !is_expected(r);
		if (r == 0) {
			r = gw_flow_set_class(gw, id, GW_CLASS_BACKGROUND);
			wrong += !is_expected(r);
		}
		if (fd % 3 == 0 && r == 0)
			r = gw_flow_remove(gw, id);
		wrong += !is_expected(r);
		if (fd % 5 == 0 && r == 0)
			r = gw_event_next(gw, 1, &event);
	} while (r == 0);
	return (void *)(wrong + (r != -ECANCELED));
}

/* Ended by one thread while twenty are inside: complete when it returns, also for who was just adding. */
static void an_end_under_busy_threads(void **state)
{
	(void)state;
	for (unsigned i = 0; i < rounds * 3; i++) {
		pthread_t threads[BUSY];

		start(threads, BUSY, work_until_the_end);
		usleep(i % 7 * 1000);
		gw_end(gw);
		for (int k = 0; k < BUSY; k++)
			assert_int_equal(tos_of(sockets[k]), 0);
		join(threads, BUSY);
		for (int k = 0; k < BUSY; k++)
			assert_int_equal(tos_of(sockets[k]), 0);
		gw_close(gw);
		gw = open_embedded();
	}
}

static int told_of_the_add;

/* Holds the adding thread back when the engine has added, and it does not know that yet. */
static void on_added(const struct gw_event *event, void *user_data)
{
	(void)user_data;
	if (event->type != GW_EVENT_FLOW_ADDED)
		return;
	__atomic_store_n(&told_of_the_add, 1, __ATOMIC_SEQ_CST);
	usleep(100000);
}

static void *add_once(void *user_data)
{
	uint32_t id;

	return (void *)(intptr_t)!is_expected(add(*(int *)user_data, 0, &id));
}

/* Between the engine's answer and its arrival: the end reaches that socket too. */
static void an_end_in_the_middle_of_an_add(void **state)
{
	struct gw_open_options options = { .size = sizeof(options),
					   .mode = GW_MODE_EMBEDDED,
					   .on_event = on_added };
	pthread_t thread;

	(void)state;
	gw_close(gw);
	assert_int_equal(gw_open(&gw, &options), 0);
	assert_int_equal(gw_watch(gw), 0);
	start(&thread, 1, add_once);
	while (!__atomic_load_n(&told_of_the_add, __ATOMIC_SEQ_CST))
		usleep(1000);
	assert_int_equal(tos_of(sockets[0]), 56 << 2);
	gw_end(gw);
	assert_int_equal(tos_of(sockets[0]), 0);
	join(&thread, 1);
	assert_int_equal(tos_of(sockets[0]), 0);
}

static void *end_it(void *user_data)
{
	(void)user_data;
	gw_end(gw);
	return NULL;
}

/* Several end it at once: for each it is complete when it returns. */
static void ended_by_several(void **state)
{
	(void)state;
	for (unsigned i = 0; i < rounds; i++) {
		pthread_t threads[8];
		uint32_t id;

		assert_int_equal(add(sockets[0], 0, &id), 0);
		start(threads, 8, end_it);
		gw_end(gw);
		assert_int_equal(tos_of(sockets[0]), 0);
		join(threads, 8);
		gw_close(gw);
		gw = open_embedded();
	}
}

static void *open_and_close(void *user_data)
{
	intptr_t wrong = 0;

	(void)user_data;
	for (unsigned i = 0; i < rounds; i++) {
		struct gw_open_options options = { .size = sizeof(options),
						   .mode = GW_MODE_EMBEDDED };
		struct gw *other;

		if (gw_open(&other, &options) == 0)
			gw_close(other);
		else
			wrong++;
	}
	return (void *)wrong;
}

static void many_handles(void **state)
{
	pthread_t threads[BUSY];

	(void)state;
	start(threads, BUSY, open_and_close);
	join(threads, BUSY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_hundred_threads),
		TEST(an_end_under_busy_threads),
		TEST(an_end_in_the_middle_of_an_add),
		TEST(ended_by_several),
		TEST(many_handles),
	};

	if (getenv("GW_ROUNDS"))
		rounds = (unsigned)atoi(getenv("GW_ROUNDS"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
