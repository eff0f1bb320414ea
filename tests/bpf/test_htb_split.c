/* SPDX-License-Identifier: MIT */
/*
 * test_htb_split.c: packets of many segments in the scheduler's classes. TCP and UDP_SEGMENT send from
 * the test's namespace into another, where the other end of the veth pair is; who counts is there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"
#include "htb_world.h"
#include "net.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define HERE "192.0.2.1"
#define THERE "192.0.2.2"
#define PORT 5000
#define FRAME_MAX 1514
#define FRAME_LEAST 100 /* with something in it */

#define WINDOW_US (5 * USEC_PER_SEC)
#define TOLERANCE_PERCENT 1
#define ATTEMPTS 3

/* Sockets of the other namespace, which they keep alive. */
static struct {
	int listener;
	int datagrams;
	int frames; /* sees what arrives, as it arrives */
	pthread_barrier_t barrier;
} there;

static struct schedule *schedule;
static int sender = -1, receiver = -1;

static struct sockaddr_in address_of(const char *text)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	inet_pton(AF_INET, text, &address.sin_addr);
	return address;
}

static int bound(int type)
{
	const struct sockaddr_in address = address_of(THERE);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return fd;
}

static int frames_socket(void)
{
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_IP),
		.sll_ifindex = (int)if_nametoindex(PEER),
	};
	const int on = 1, buffer = 16 << 20;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
		return -1;
	return fd;
}

static void *set_up_there(void *arg)
{
	pid_t *tid = arg;

	*tid = unshare(CLONE_NEWNET) == 0 ? (pid_t)syscall(SYS_gettid) : -1;
	pthread_barrier_wait(&there.barrier);
	/* The link is on its way. */
	pthread_barrier_wait(&there.barrier);
	if (*tid < 0 || net_run("ip addr add " THERE "/24 dev " PEER " && ip link set " PEER " up"))
		return NULL;
	there.listener = bound(SOCK_STREAM);
	there.datagrams = bound(SOCK_DGRAM);
	there.frames = frames_socket();
	return NULL;
}

static int setup(void **state)
{
	pthread_t thread;
	pid_t tid = -1;
	int r = htb_setup(state);

	there.listener = there.datagrams = there.frames = -1;
	if (r != 0 || pthread_barrier_init(&there.barrier, NULL, 2) != 0 ||
	    pthread_create(&thread, NULL, set_up_there, &tid) != 0)
		return -1;
	pthread_barrier_wait(&there.barrier);
	r = net_run("ip link set " PEER " netns %d && ip addr add " HERE "/24 dev " LINK, (int)tid);
	pthread_barrier_wait(&there.barrier);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&there.barrier);
	return r == 0 && there.frames >= 0 && there.datagrams >= 0 && listen(there.listener, 1) == 0
		       ? 0
		       : -1;
}

static void close_one(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int teardown(void **state)
{
	close_one(&sender);
	close_one(&receiver);
	close_one(&there.listener);
	close_one(&there.datagrams);
	close_one(&there.frames);
	schedule = schedule_close(schedule, true, NULL);
	return htb_teardown(state);
}

static void direct(int fd, uint32_t minor)
{
	const uint32_t priority = SCHEDULE_HANDLE | minor;

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)), 0);
}

static void connect_tcp(uint32_t minor)
{
	const struct sockaddr_in address = address_of(THERE);
	struct pollfd poller = { .fd = there.listener, .events = POLLIN };

	sender = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(sender >= 0);
	assert_int_equal(connect(sender, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(poll(&poller, 1, 5000), 1);
	receiver = accept4(there.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(receiver >= 0);
	assert_int_equal(fcntl(sender, F_SETFL, O_NONBLOCK), 0);
	direct(sender, minor);
}

/* --- What arrives ----------------------------------------------------------------------------- */

struct arrivals {
	uint64_t first_ns, last_ns;
	uint64_t bytes; /* after the first frame */
	uint64_t frames;
	uint64_t largest;
};

static uint64_t time_of(struct msghdr *message)
{
	struct timespec time = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS)
			memcpy(&time, CMSG_DATA(c), sizeof(time));
	return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static void read_frames(struct arrivals *arrivals)
{
	char byte, control[128];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	ssize_t n;

	for (;;) {
		message.msg_controllen = sizeof(control);
		n = recvmsg(there.frames, &message, MSG_TRUNC);
		if (n <= 0)
			return;
		if (n < FRAME_LEAST)
			continue;
		arrivals->last_ns = time_of(&message);
		if (arrivals->frames++ == 0)
			arrivals->first_ns = arrivals->last_ns;
		else
			arrivals->bytes += (uint64_t)n;
		if (arrivals->largest < (uint64_t)n)
			arrivals->largest = (uint64_t)n;
	}
}

/* As much as the socket takes, for a while; what arrives is counted and thrown away. */
static struct arrivals flood(uint64_t time_us)
{
	static char bytes[1 << 16];
	uint64_t end_us = time_now_us() + time_us;
	struct arrivals arrivals = { 0 };

	while (time_now_us() < end_us) {
		while (write(sender, bytes, sizeof(bytes)) > 0)
			;
		while (recv(receiver, bytes, sizeof(bytes), 0) > 0)
			;
		read_frames(&arrivals);
		usleep(500);
	}
	return arrivals;
}

static double rate_of(const struct arrivals *arrivals)
{
	return (double)arrivals->bytes * 8e9 / (double)(arrivals->last_ns - arrivals->first_ns);
}

/* From the first frame to the last, so that the rate does not depend on where a window cuts frames. */
static void assert_rate(uint64_t rate_bps)
{
	double share = 0;

	flood(USEC_PER_SEC);
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		struct arrivals arrivals = flood(WINDOW_US);

		assert_true(arrivals.frames > 20);
		share = rate_of(&arrivals) * 100 / (double)rate_bps;
		printf("%llu bit/s: %.2f %%, the largest packet has %llu bytes\n",
		       (unsigned long long)rate_bps, share, (unsigned long long)arrivals.largest);
		assert_true(arrivals.largest <= FRAME_MAX);
		/* Too much is always wrong; a machine that is busy may make it less. */
		assert_true(share <= 100 + TOLERANCE_PERCENT);
		if (share >= 100 - TOLERANCE_PERCENT || getenv("GW_TIME_FACTOR"))
			return;
	}
	fail_msg("%.2f %% of %llu bit/s", share, (unsigned long long)rate_bps);
}

static void need_splitter(void)
{
	if (net_run("tc qdisc show dev " LINK " | grep -q '^qdisc tbf 4800: '") == 0)
		return;
	printf("SKIP: the kernel has no TBF\n");
	skip();
}

/* Everything that was queued has left, and every queue of the tree says so. */
static void assert_empty(void)
{
	static char bytes[1 << 16];

	for (int i = 0; i < 100; i++) {
		while (receiver >= 0 && recv(receiver, bytes, sizeof(bytes), 0) > 0)
			;
		if (net_run("! tc -s qdisc show dev " LINK
			    " | grep backlog | grep -vq 'backlog 0b 0p'") == 0)
			return;
		usleep(50000);
	}
	net_run("tc -s qdisc show dev " LINK);
	fail_msg("a queue is not empty, or does not know that it is");
}

/* --- Rates ------------------------------------------------------------------------------------ */

static void run_tcp(uint64_t rate_bps)
{
	struct schedule_demand demand = { .traffic_class = GW_CLASS_BEST_EFFORT,
					  .ceil_bps = rate_bps };
	uint64_t deadline;
	uint32_t minor;

	schedule = htb_open(1000 * MBIT, 1);
	need_splitter();
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), 0);
	connect_tcp(minor);
	assert_rate(rate_bps);
	/* What is queued leaves at once, and the class is free again: nothing was counted wrongly. */
	schedule_release(schedule, minor);
	deadline = time_now_us() + 5 * USEC_PER_SEC;
	while (schedule_tick(schedule) > 0 && time_now_us() < deadline) {
		flood(1000);
		usleep(10000);
		close_one(&sender);
	}
	assert_int_equal(schedule_free_classes(schedule), 1);
	assert_empty();
}

static void test_tcp_at_64_kbit(void **state)
{
	run_tcp(64000);
}

static void test_tcp_at_1_mbit(void **state)
{
	run_tcp(MBIT);
}

static void test_tcp_at_20_mbit(void **state)
{
	run_tcp(20 * MBIT);
}

/* Bands of a slow link split too, so that no voice waits for 64 KiB. */
static void test_bands_split(void **state)
{
	struct arrivals arrivals;

	schedule = htb_open(20 * MBIT, 1);
	need_splitter();
	connect_tcp(schedule_class_of(GW_CLASS_BEST_EFFORT));
	arrivals = flood(USEC_PER_SEC);
	assert_true(arrivals.frames > 100);
	assert_in_range(arrivals.largest, 1000, FRAME_MAX);
}

static uint64_t largest_in(uint32_t minor)
{
	connect_tcp(minor);
	return flood(500000).largest;
}

/* What is fast is left whole, for the sake of the processor; and a change of rate changes that. */
static void test_fast_is_not_split(void **state)
{
	struct schedule_demand demand = { .traffic_class = GW_CLASS_BEST_EFFORT,
					  .ceil_bps = 500 * MBIT };
	struct arrivals arrivals;
	uint32_t minor;

	schedule = htb_open(1000 * MBIT, 1);
	need_splitter();
	assert_true(largest_in(schedule_class_of(GW_CLASS_BEST_EFFORT)) > 2 * FRAME_MAX);
	close_one(&sender);
	close_one(&receiver);
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), 0);
	assert_true(largest_in(minor) > 2 * FRAME_MAX);
	demand.ceil_bps = 20 * MBIT;
	assert_int_equal(schedule_change(schedule, minor, &demand), 0);
	flood(300000);
	arrivals = flood(300000);
	assert_in_range(arrivals.largest, 1000, FRAME_MAX);
	assert_int_equal(schedule_set_rate(schedule, 100 * MBIT, 75), 0);
	close_one(&sender);
	close_one(&receiver);
	connect_tcp(schedule_class_of(GW_CLASS_BEST_EFFORT));
	arrivals = flood(300000);
	assert_in_range(arrivals.largest, 1000, FRAME_MAX);
}

/* --- UDP -------------------------------------------------------------------------------------- */

#define SEGMENT 1200
#define SEGMENTS 40
#define SENDS 100

/* The socket waits for room, so nothing is lost, however much is sent at once. */
static void test_udp_segment(void **state)
{
	const struct schedule_demand demand = { .traffic_class = GW_CLASS_BEST_EFFORT,
						.ceil_bps = 20 * MBIT };
	const struct sockaddr_in address = address_of(THERE);
	static char bytes[SEGMENT * SEGMENTS];
	const int size = SEGMENT, buffer = 16 << 20;
	struct arrivals arrivals = { 0 };
	uint32_t minor, received = 0;

	schedule = htb_open(100 * MBIT, 1);
	need_splitter();
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), 0);
	assert_int_equal(setsockopt(there.datagrams, SOL_SOCKET, SO_RCVBUFFORCE, &buffer,
				    sizeof(buffer)),
			 0);
	sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(sender, (const struct sockaddr *)&address, sizeof(address)), 0);
	if (setsockopt(sender, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0) {
		printf("SKIP: the kernel has no UDP_SEGMENT\n");
		skip();
	}
	direct(sender, minor);
	for (int i = 0; i < SENDS; i++)
		assert_int_equal(send(sender, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_empty();
	read_frames(&arrivals);
	while (recv(there.datagrams, bytes, sizeof(bytes), MSG_TRUNC) == SEGMENT)
		received++;
	assert_int_equal(received, SENDS * SEGMENTS);
	assert_int_equal(arrivals.frames, SENDS * SEGMENTS);
	assert_int_equal(arrivals.largest, SEGMENT + 8 + 20 + 14);
	printf("UDP_SEGMENT: %.2f of %llu bit/s\n", rate_of(&arrivals) / (double)demand.ceil_bps,
	       (unsigned long long)demand.ceil_bps);
	assert_true(rate_of(&arrivals) <= (double)demand.ceil_bps * 1.01);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_tcp_at_64_kbit), CASE(test_tcp_at_1_mbit),	 CASE(test_tcp_at_20_mbit),
		CASE(test_bands_split),	   CASE(test_fast_is_not_split), CASE(test_udp_segment),
	};

	return cmocka_run_group_tests_name("htb_split", tests, NULL, NULL);
}

int main(void)
{
	return run_htb_tests(run);
}
