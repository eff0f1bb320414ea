/* SPDX-License-Identifier: MIT */
/* Tests of what measuring paths has of its own on a host: stamps, a clock that wakes in time, descriptors that rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"
#include "host/probe/stamp.h"
#include "host/probe/throttle.h"
#include "host/probe/waker.h"

#define MS_NS INT64_C(1000000)
#define S_NS INT64_C(1000000000)

/* ---- stamps ---- */

static uint64_t stamp_from_now(const struct stamp_clock *clock, int64_t offset_ns)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct timespec))] = { 0 };
	struct msghdr message = { .msg_control = control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	int64_t epoch_ns = (int64_t)clock->now_ns - clock->from_epoch_ns + offset_ns;
	struct timespec stamp = { epoch_ns / S_NS, epoch_ns % S_NS };

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_TIMESTAMPNS;
	c->cmsg_len = CMSG_LEN(sizeof(stamp));
	memcpy(CMSG_DATA(c), &stamp, sizeof(stamp));
	return stamp_of(clock, &message);
}

/* P-080's ground: the time of day may be set, and what it says then is not believed. */
static void stamps_are_of_the_clock_that_goes_on(void **state)
{
	struct msghdr bare = { 0 };
	struct stamp_clock clock;

	(void)state;
	stamp_clock_read(&clock);
	assert_true(stamp_from_now(&clock, -3 * MS_NS) == clock.now_ns - 3 * MS_NS);
	assert_true(stamp_from_now(&clock, 0) == clock.now_ns);
	assert_true(stamp_from_now(&clock, 5 * MS_NS) == clock.now_ns);
	assert_true(stamp_from_now(&clock, -3600 * S_NS) == clock.now_ns);
	assert_true(stamp_from_now(&clock, 3600 * S_NS) == clock.now_ns);
	assert_true(stamp_of(&clock, &bare) == clock.now_ns);
}

/* Between sockets: when the datagram was sent, not when somebody looked. */
static void the_kernel_stamps(void **state)
{
	_Alignas(struct cmsghdr) char control[128];
	char data[8];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct stamp_clock clock;
	uint64_t before_ns, after_ns, stamp_ns;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	assert_int_equal(stamp_enable(fds[1]), 0);
	before_ns = stamp_now_ns();
	assert_int_equal(send(fds[0], "x", 1, 0), 1);
	after_ns = stamp_now_ns();
	usleep(20000);
	if (recvmsg(fds[1], &message, 0) != 1)
		fail();
	stamp_clock_read(&clock);
	stamp_ns = stamp_of(&clock, &message);
	close(fds[0]);
	close(fds[1]);
	if (!CMSG_FIRSTHDR(&message)) {
		print_message("SKIP: the kernel stamps no such sockets\n");
		skip();
	}
	/* The two clocks were not compared at the same moment. */
	assert_in_range(stamp_ns, before_ns - MS_NS, after_ns + MS_NS);
}

/* ---- the clock ---- */

#define WAKES 50

struct sleeper {
	struct event_base *base;
	struct waker *waker;
	uint64_t at_us;
	uint64_t late_us[WAKES];
	int n;
};

static void on_wake(void *user_data)
{
	struct sleeper *sleeper = user_data;

	sleeper->late_us[sleeper->n++] = time_now_us() - sleeper->at_us;
	if (sleeper->n == WAKES) {
		event_base_loopbreak(sleeper->base);
		return;
	}
	sleeper->at_us += 1000;
	waker_set(sleeper->waker, sleeper->at_us);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* P-068: a millisecond apart, each in time. */
static void wakes_every_millisecond(void **state)
{
	struct sleeper sleeper = { .base = event_base_new() };
	uint64_t begin_us;

	(void)state;
	assert_int_equal(waker_new(sleeper.base, on_wake, &sleeper, &sleeper.waker), 0);
	begin_us = time_now_us();
	sleeper.at_us = begin_us + 1000;
	waker_set(sleeper.waker, begin_us + 3600 * USEC_PER_SEC);
	waker_set(sleeper.waker, sleeper.at_us); /* replaces it */
	event_base_dispatch(sleeper.base);
	assert_int_equal(sleeper.n, WAKES);
	assert_true(time_now_us() - begin_us >= WAKES * 1000);
	qsort(sleeper.late_us, WAKES, sizeof(sleeper.late_us[0]), compare);
	assert_true(sleeper.late_us[WAKES / 2] < 500);
	waker_free(sleeper.waker);
	event_base_free(sleeper.base);
}

static void wakes_at_once_or_never(void **state)
{
	struct sleeper sleeper = { .base = event_base_new(), .n = WAKES - 1 };

	(void)state;
	assert_int_equal(waker_new(sleeper.base, on_wake, &sleeper, &sleeper.waker), 0);
	waker_set(sleeper.waker, 0);
	event_base_dispatch(sleeper.base);
	assert_int_equal(sleeper.n, WAKES);
	sleeper.n = WAKES - 1;
	waker_set(sleeper.waker, time_now_us() + 5000);
	waker_set(sleeper.waker, UINT64_MAX);
	usleep(10000);
	event_base_loop(sleeper.base, EVLOOP_NONBLOCK);
	assert_int_equal(sleeper.n, WAKES - 1);
	waker_free(sleeper.waker);
	event_base_free(sleeper.base);
}

/* ---- descriptors that rest ---- */

struct flood {
	struct event_base *base;
	struct throttle throttle;
	unsigned n_read;
};

static void on_flood(evutil_socket_t fd, short what, void *user_data)
{
	struct flood *flood = user_data;

	(void)fd;
	(void)what;
	if (throttle_take(&flood->throttle, time_now_us()))
		flood->n_read++; /* and leaves it there: it never ends */
}

static void on_end(evutil_socket_t fd, short what, void *user_data)
{
	struct flood *flood = user_data;

	(void)fd;
	(void)what;
	event_base_loopbreak(flood->base);
}

static double cpu_s(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

/* A flood that never ends is read a thousand times a second, and costs hardly anything beyond that. */
static void floods_are_read_so_often(void **state)
{
	const struct timeval duration = { .tv_usec = 500000 };
	struct flood flood = { .base = event_base_new() };
	double begin_s = cpu_s();
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
	assert_int_equal(send(fds[0], "x", 1, 0), 1);
	assert_int_equal(
		throttle_start(&flood.throttle, flood.base, fds[1], 1000, on_flood, &flood), 0);
	event_base_once(flood.base, -1, EV_TIMEOUT, on_end, &flood, &duration);
	event_base_dispatch(flood.base);
	/* A tenth of a second's worth comes at once. */
	assert_in_range(flood.n_read, 200, 101 + 500 + 300);
	assert_true(flood.throttle.rests > 0);
	assert_true(cpu_s() - begin_s < 0.3);
	throttle_stop(&flood.throttle);
	close(fds[0]);
	close(fds[1]);
	event_base_free(flood.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stamps_are_of_the_clock_that_goes_on),
		cmocka_unit_test(the_kernel_stamps),
		cmocka_unit_test(wakes_every_millisecond),
		cmocka_unit_test(wakes_at_once_or_never),
		cmocka_unit_test(floods_are_read_so_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
