/* SPDX-License-Identifier: MIT */
/*
 * Tests of datapath/queue_stats and datapath/neighbour in a network namespace of their own, on a cable whose queue is
 * shaped in several ways.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath/neighbour.h"
#include "datapath/queue_stats.h"
#include "sockets.h"

#define MBIT UINT64_C(1000000)
#define DATAGRAMS 50
#define DATAGRAM_BYTES 1000
#define FRAME_BYTES (14 + 20 + 8 + DATAGRAM_BYTES)

static struct netlink *rtnl;
static uint32_t va;

static bool run_quietly(const char *program, const char *arguments)
{
	char line[256];

	snprintf(line, sizeof(line), "%s %s 2>/dev/null", program, arguments);
	return system(line) == 0;
}

/* Both ends are here, so that nobody answers questions for addresses: stations are written down. */
static bool make_link(void)
{
	static const char *const commands[] = {
		"link add va type veth peer name vb",
		"addr add 192.0.2.1/24 dev va",
		"-6 addr add 2001:db8::1/64 dev va nodad",
		"link set va up",
		"link set vb up",
		"neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev va",
		"-6 neigh add 2001:db8::2 lladdr 02:00:00:00:00:03 dev va",
	};

	if (unshare(CLONE_NEWNET) < 0)
		return false;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!run_quietly("ip", commands[i]))
			return false;
	va = if_nametoindex("va");
	return link_is_running("va", 15);
}

static int set_up(void **state)
{
	(void)state;
	if (!make_link()) {
		print_message("SKIP: needs a network namespace with veth links\n");
		va = 0;
	}
	return netlink_new(NETLINK_ROUTE, &rtnl);
}

static int tear_down(void **state)
{
	(void)state;
	rtnl = netlink_free(rtnl);
	return 0;
}

static void need_link(void)
{
	if (va == 0)
		skip();
}

static void need_queue(const char *arguments)
{
	need_link();
	run_quietly("tc", "qdisc del dev va root");
	if (!run_quietly("tc", arguments)) {
		print_message("SKIP: this kernel has no such queue: %s\n", arguments);
		skip();
	}
}

static void send_some(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	char data[DATAGRAM_BYTES] = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	inet_pton(AF_INET, "192.0.2.2", &to.sin_addr);
	for (int i = 0; i < DATAGRAMS; i++)
		assert_int_equal(sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&to,
					sizeof(to)),
				 sizeof(data));
	close(fd);
}

static void no_queue(void **state)
{
	struct queue_stats stats;

	(void)state;
	need_queue("qdisc replace dev va root noqueue");
	assert_int_equal(queue_stats_read(rtnl, va, &stats), -ENOENT);
	assert_int_equal(queue_stats_read(rtnl, 9999, &stats), -ENOENT);
}

/* What has left counts with its link header, as it does against the rate. */
static void plain_queue(void **state)
{
	struct queue_stats before, after;

	(void)state;
	need_queue("qdisc replace dev va root handle 7: pfifo limit 1000");
	assert_int_equal(queue_stats_read(rtnl, va, &before), 0);
	send_some();
	assert_int_equal(queue_stats_read(rtnl, va, &after), 0);
	assert_int_equal(after.handle, 0x70000);
	/* The kernel may have something of its own to say on the link. */
	assert_in_range(after.packets - before.packets, DATAGRAMS, DATAGRAMS + 5);
	assert_in_range(after.bytes - before.bytes, DATAGRAMS * FRAME_BYTES,
			DATAGRAMS * FRAME_BYTES + 1000);
	assert_int_equal(after.drops, 0);
	assert_int_equal(after.backlog_bytes, 0);
	assert_int_equal(after.rate_bps, 0);
}

static void token_bucket(void **state)
{
	struct queue_stats stats;

	(void)state;
	need_queue("qdisc replace dev va root tbf rate 64kbit burst 2000 limit 20000");
	send_some();
	assert_int_equal(queue_stats_read(rtnl, va, &stats), 0);
	assert_int_equal(stats.rate_bps, 64000);
	assert_in_range(stats.backlog_bytes, 10000, 20000);
	assert_in_range(stats.drops, DATAGRAMS - 25, DATAGRAMS);
	assert_false(stats.rate_of_classes);
	need_queue("qdisc replace dev va root tbf rate 50gbit burst 2000000 limit 20000");
	assert_int_equal(queue_stats_read(rtnl, va, &stats), 0);
	assert_int_equal(stats.rate_bps, 50000 * MBIT);
}

/* The rate of HTB is that of the classes at its top, and of nobody else's classes. */
static void classes(void **state)
{
	struct queue_stats stats;
	uint64_t rate_bps;

	(void)state;
	need_queue("qdisc replace dev va root handle 5: htb default 10");
	assert_true(run_quietly("tc", "class add dev va parent 5: classid 5:1 htb rate 20mbit"));
	assert_true(run_quietly(
		"tc", "class add dev va parent 5:1 classid 5:10 htb rate 3mbit ceil 20mbit"));
	assert_true(run_quietly("tc", "qdisc add dev va parent 5:10 handle 6: htb"));
	assert_true(run_quietly("tc", "class add dev va parent 6: classid 6:1 htb rate 1mbit"));
	assert_int_equal(queue_stats_read(rtnl, va, &stats), 0);
	assert_true(stats.rate_of_classes);
	assert_int_equal(queue_classes_rate(rtnl, va, stats.handle, &rate_bps), 0);
	assert_int_equal(rate_bps, 20 * MBIT);
	assert_int_equal(queue_classes_rate(rtnl, 9999, stats.handle, &rate_bps), 0);
	assert_int_equal(rate_bps, 0);
}

/* P-106's ground */
static void counts_of_a_link(void **state)
{
	struct link_counts before, after;

	(void)state;
	need_queue("qdisc replace dev va root noqueue");
	assert_int_equal(link_counts_read(rtnl, va, &before), 0);
	send_some();
	assert_int_equal(link_counts_read(rtnl, va, &after), 0);
	assert_in_range(after.packets_sent - before.packets_sent, DATAGRAMS, DATAGRAMS + 5);
	assert_in_range(after.bytes_sent - before.bytes_sent, DATAGRAMS * FRAME_BYTES,
			DATAGRAMS * FRAME_BYTES + 1000);
	assert_int_equal(link_counts_read(rtnl, 9999, &after), -ENODEV);
}

static struct address parse(const char *text)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6 };
	struct address address;

	if (inet_pton(AF_INET, text, &sin.sin_addr) == 1) {
		address_from_sockaddr((struct sockaddr *)&sin, sizeof(sin), &address);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &sin6.sin6_addr), 1);
		address_from_sockaddr((struct sockaddr *)&sin6, sizeof(sin6), &address);
	}
	return address;
}

/* Nobody is there: first it is asked for, then it is known that nobody answers. */
static void nobody_answers(const char *text)
{
	struct address address = parse(text);
	uint8_t station[NEIGHBOUR_STATION_LEN];
	int r;

	assert_int_equal(neighbour_lookup(rtnl, &address, va, station), -ENOENT);
	assert_int_equal(neighbour_resolve(rtnl, &address, va), 0);
	assert_int_equal(neighbour_lookup(rtnl, &address, va, station), -EAGAIN);
	for (int i = 0; i < 100; i++) {
		r = neighbour_lookup(rtnl, &address, va, station);
		if (r != -EAGAIN)
			break;
		usleep(100000);
	}
	/* Entries that failed may also have been thrown away at once. */
	assert_true(r == -EHOSTUNREACH || r == -ENOENT);
}

static void stations(void **state)
{
	static const uint8_t two[] = { 2, 0, 0, 0, 0, 2 }, three[] = { 2, 0, 0, 0, 0, 3 };
	struct address known4 = parse("192.0.2.2"), known6 = parse("2001:db8::2"), none = { 0 };
	uint8_t station[NEIGHBOUR_STATION_LEN];

	(void)state;
	need_link();
	assert_int_equal(neighbour_lookup(rtnl, &known4, va, station), 0);
	assert_memory_equal(station, two, sizeof(two));
	assert_int_equal(neighbour_lookup(rtnl, &known6, va, station), 0);
	assert_memory_equal(station, three, sizeof(three));
	assert_int_equal(neighbour_lookup(rtnl, &none, va, station), -EINVAL);
	nobody_answers("192.0.2.77");
	nobody_answers("2001:db8::77");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_queue),	    cmocka_unit_test(plain_queue),
		cmocka_unit_test(token_bucket),	    cmocka_unit_test(classes),
		cmocka_unit_test(counts_of_a_link), cmocka_unit_test(stations),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
