/* SPDX-License-Identifier: MIT */
/*
 * test_lib_placed.c: which descriptors requests about a flow bring along: those that its host needs, of sockets
 * that are still there, under whatever number; at any size, and when memory runs out.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/time.h"
#include "lib/client.h"
#include "scarce_memory.h"

/* ---- a handle, as far as this is concerned ---- */

static struct gw gw;
static int fds[MSG_MAX_FDS];

static int set_up(void **state)
{
	(void)state;
	gw = (struct gw){ .pid = getpid() };
	pthread_mutex_init(&gw.lock, NULL);
	memory_fails_at = 0;
	memory_blocks = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	memory_fails_at = 0;
	placed_free_all(&gw);
	pthread_mutex_destroy(&gw.lock);
	return memory_blocks == 0 ? 0 : -1;
}

static int tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static int udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

/* `new`: a flow of its own; else an attachment. */
static int place(uint32_t id, int fd, uint32_t flags, bool new)
{
	struct placed *placed;
	int r = placed_begin(&gw, new ? 0 : id, fd, flags, &placed);

	if (r < 0 || !placed)
		return r < 0 ? r : 0;
	pthread_mutex_lock(&gw.lock);
	placed_settle(&gw, placed, id);
	pthread_mutex_unlock(&gw.lock);
	return 1;
}

/* How many descriptors come along; the first is of `expected`. */
static size_t collected(uint32_t id, int expected)
{
	size_t n = placed_collect(&gw, id, fds);

	if (n > 0)
		assert_int_equal(socket_cookie(fds[0]), socket_cookie(expected));
	placed_close(fds, n);
	return n;
}

/* ---- what is brought, and when ---- */

static void only_what_is_needed(void **state)
{
	int stream = tcp(), datagram = udp();

	(void)state;
	/* The daemon, with its eBPF: what concerns rates of TCP sockets, and adaptive flows. */
	assert_int_equal(place(1, datagram, 0, true), 0);
	assert_int_equal(place(2, datagram, GW_FLOW_ADAPTIVE, true), 1);
	assert_int_equal(place(3, stream, 0, true), 1);
	assert_int_equal(collected(1, -1), 0);
	assert_int_equal(collected(2, datagram), 1);
	assert_int_equal(collected(3, -1), 0);
	assert_int_equal(placed_collect_one(&gw, 3, socket_cookie(stream), fds), 0);
	placed_expect_rate(&gw, 3);
	placed_expect_rate(&gw, 4); /* there is none: nothing happens */
	assert_int_equal(collected(3, stream), 1);
	assert_int_equal(placed_collect_one(&gw, 3, socket_cookie(stream), fds), 1);
	placed_close(fds, 1);
	assert_int_equal(placed_collect_one(&gw, 3, socket_cookie(datagram), fds), 0);

	/* Where marks are options of the sockets: all of them, always. */
	gw.host_flags = MSG_HOST_NEEDS_FDS;
	assert_int_equal(place(5, datagram, 0, true), 1);
	assert_int_equal(collected(5, datagram), 1);
	close(stream);
	close(datagram);
}

/* At the end, only flows that need it are removed one by one. */
static void the_end(void **state)
{
	int stream = tcp();
	unsigned seen = 0;
	uint32_t id;

	(void)state;
	for (id = 1; id <= 100; id++)
		assert_int_equal(place(id, stream, 0, true), 1);
	placed_expect_rate(&gw, 7);
	placed_expect_rate(&gw, 99);
	while ((id = placed_next(&gw)) != 0) {
		assert_true(id == 7 || id == 99);
		assert_int_equal(collected(id, stream), 1);
		placed_drop(&gw, id, 0);
		seen++;
	}
	assert_int_equal(seen, 2);
	close(stream);
}

/* While it is being added, the end finds its descriptor; a refusal forgets it. */
static void being_added(void **state)
{
	int stream = tcp(), datagram = udp();
	struct placed *first, *second;

	(void)state;
	assert_int_equal(placed_begin(&gw, 0, datagram, GW_FLOW_ADAPTIVE, &first), 0);
	assert_int_equal(placed_begin(&gw, 0, stream, 0, &second), 0);
	assert_int_equal(collected(0, datagram), 1); /* the TCP socket has no rate yet */
	pthread_mutex_lock(&gw.lock);
	placed_settle(&gw, first, 0);
	placed_settle(&gw, second, 0);
	pthread_mutex_unlock(&gw.lock);
	assert_int_equal(collected(0, -1), 0);
	assert_int_equal(memory_blocks, 0);
	close(stream);
	close(datagram);
}

static void ended_flows_are_forgotten(void **state)
{
	int stream = tcp(), other = tcp();

	(void)state;
	place(1, stream, 0, true);
	place(1, other, 0, false);
	place(2, stream, 0, true);
	placed_expect_rate(&gw, 1);
	placed_expect_rate(&gw, 2);
	placed_drop(&gw, 1, socket_cookie(stream));
	assert_int_equal(collected(1, other), 1);
	pthread_mutex_lock(&gw.lock);
	placed_ended(&gw, 1);
	placed_ended(&gw, 1);
	pthread_mutex_unlock(&gw.lock);
	assert_int_equal(collected(1, -1), 0);
	assert_int_equal(collected(2, stream), 1);
	placed_drop(&gw, 2, socket_cookie(stream)); /* the last one takes the flow with it */
	assert_int_equal(placed_next(&gw), 0);
	close(stream);
	close(other);
}

/*
 * A flow that outlived its sockets, or that had UDP sockets only, may have got a rate that was not noted: what
 * is attached to it is brought along.
 */
static void attached_to_an_old_flow(void **state)
{
	int stream = tcp();

	(void)state;
	assert_int_equal(place(1, stream, 0, false), 1);
	assert_int_equal(collected(1, stream), 1);
	close(stream);
}

static void one_for_each_socket(void **state)
{
	int stream = tcp();

	(void)state;
	for (int i = 0; i < 300; i++) /* destinations */
		assert_int_equal(place(1, stream, 0, i == 0), 1);
	placed_expect_rate(&gw, 1);
	assert_int_equal(collected(1, stream), 1);
	close(stream);
}

/* ---- sockets that are gone, or have other numbers ---- */

static void numbers_change(void **state)
{
	int stream = tcp(), moved, stranger;

	(void)state;
	place(1, stream, 0, true);
	placed_expect_rate(&gw, 1);
	moved = fcntl(stream, F_DUPFD_CLOEXEC, 200);
	close(stream);
	stranger = tcp();
	assert_int_equal(stranger, stream);
	assert_int_equal(collected(1, moved), 1);
	close(moved);
	assert_int_equal(collected(1, -1), 0); /* and not the stranger */
	assert_int_equal(memory_blocks, 0);
	close(stranger);
}

/* What the application has closed is closed: its port can be had again. */
static void nothing_is_kept_alive(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int stream = tcp(), again = tcp();

	(void)state;
	assert_int_equal(bind(stream, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(getsockname(stream, (struct sockaddr *)&address, &len), 0);
	place(1, stream, 0, true);
	placed_expect_rate(&gw, 1);
	assert_int_equal(collected(1, stream), 1);
	close(stream);
	assert_int_equal(bind(again, (struct sockaddr *)&address, sizeof(address)), 0);
	close(again);
}

/* A server puts each connection into the same flow and closes it: what is kept stays small. */
static void sockets_that_come_and_go(void **state)
{
	int lasting = tcp();

	(void)state;
	place(1, lasting, 0, true);
	for (int i = 0; i < 5000; i++) {
		int stream = tcp();

		assert_int_equal(place(1, stream, 0, false), 1);
		close(stream);
		assert_true(memory_blocks < 100);
	}
	placed_expect_rate(&gw, 1);
	assert_int_equal(collected(1, lasting), 1);
	close(lasting);
}

/* More sockets than a message carries: no error where only rates need them, and one where marks do. */
static void more_than_a_message_carries(void **state)
{
	enum { MANY = MSG_MAX_FDS + 20 };
	int many[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		many[i] = tcp();
		assert_int_equal(place(1, many[i], 0, i == 0), 1);
	}
	placed_expect_rate(&gw, 1);
	assert_int_equal(collected(1, many[0]), MSG_MAX_FDS);
	placed_drop(&gw, 1, 0);

	gw.host_flags = MSG_HOST_NEEDS_FDS;
	for (unsigned i = 0; i < MSG_MAX_FDS; i++)
		assert_int_equal(place(2, many[i], 0, i == 0), 1);
	assert_int_equal(place(2, many[MSG_MAX_FDS], 0, false), -ENOBUFS);
	assert_int_equal(place(2, many[5], 0, false), 1); /* another destination */
	close(many[0]);
	assert_int_equal(place(2, many[MSG_MAX_FDS], 0, false), 1);
	assert_int_equal(collected(2, many[1]), MSG_MAX_FDS);
	for (int i = 1; i < MANY; i++)
		close(many[i]);
}

/* ---- size, and short memory ---- */

/* The median over rounds of adding a flow and dropping it, in ns. */
static uint64_t add_and_drop_ns(int fd, uint32_t id)
{
	enum { ROUNDS = 21, EACH = 200 };
	uint64_t took[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t start_us = time_now_us();

		for (int k = 0; k < EACH; k++) {
			place(id, fd, 0, true);
			placed_drop(&gw, id, 0);
		}
		took[i] = (time_now_us() - start_us) * 1000 / EACH;
		for (int k = i; k > 0 && took[k] < took[k - 1]; k--) {
			uint64_t swapped = took[k];

			took[k] = took[k - 1];
			took[k - 1] = swapped;
		}
	}
	return took[ROUNDS / 2];
}

/* A list that is walked would take ten thousand times as long. */
static void a_hundred_thousand_flows(void **state)
{
	enum { FLOWS = 100000 };
	int stream = tcp();
	uint64_t few_ns, many_ns;

	(void)state;
	place(FLOWS + 2, stream, 0, true);
	few_ns = add_and_drop_ns(stream, FLOWS + 1);
	for (uint32_t id = 1; id <= FLOWS; id++)
		place(id, stream, 0, true);
	many_ns = add_and_drop_ns(stream, FLOWS + 1);
	print_message("adding and dropping: %llu ns alone, %llu ns beside %d flows\n",
		      (unsigned long long)few_ns, (unsigned long long)many_ns, FLOWS);
	assert_true(many_ns < few_ns * 20 + 2000);
	assert_int_equal(placed_next(&gw), 0);
	close(stream);
}

/* Each allocation in turn fails, from the first of an empty table to those of tables that grow. */
static void short_memory(void **state)
{
	enum { FLOWS = 700 };
	int stream = tcp();

	(void)state;
	for (unsigned fail = 1; fail <= FLOWS * 2; fail += fail < 40 ? 1 : 7) {
		memory_fails_at = fail;
		for (uint32_t id = 1; id <= FLOWS; id++) {
			int r = place(id, stream, GW_FLOW_ADAPTIVE, true);

			assert_true(r == 1 || (r == -ENOMEM && memory_fails_at == 0));
			assert_int_equal(collected(id, stream), r == 1 ? 1 : 0);
		}
		memory_fails_at = 0;
		for (uint32_t id = 1; id <= FLOWS; id++)
			placed_drop(&gw, id, 0);
		assert_int_equal(placed_next(&gw), 0);
		assert_int_equal(memory_blocks, 0);
	}
	close(stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct rlimit descriptors = { 1024, 1024 };
	const struct CMUnitTest tests[] = {
		TEST(only_what_is_needed),
		TEST(the_end),
		TEST(being_added),
		TEST(ended_flows_are_forgotten),
		TEST(attached_to_an_old_flow),
		TEST(one_for_each_socket),
		TEST(numbers_change),
		TEST(nothing_is_kept_alive),
		TEST(sockets_that_come_and_go),
		TEST(more_than_a_message_carries),
		TEST(a_hundred_thousand_flows),
		TEST(short_memory),
	};

	setrlimit(RLIMIT_NOFILE, &descriptors);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
