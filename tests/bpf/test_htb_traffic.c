/* SPDX-License-Identifier: MIT */
/*
 * test_htb_traffic.c: what the scheduler does to packets. Senders write frames into the link with
 * SO_PRIORITY, which HTB takes for a class; who counts is at the other end of the veth pair.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"
#include "htb_world.h"

#define FRAME_BYTES 1000
#define PAYLOAD 14
#define PROTOCOL 0x88b5 /* for local experiments (IEEE 802); each sender adds its number */
#define SENDERS_MAX 6
#define SEND_BUFFER (4 << 20)

#define TOLERANCE_PERCENT 5
#define WINDOW_US (2 * USEC_PER_SEC)

/*
 * On a machine that others keep busy this process may get no time for longer than the queues last, and the
 * scheduler's timers may come late. Too little says nothing then, and is measured again; too much always does.
 */
#define AWAIT_US (10 * USEC_PER_SEC)
#define PAUSE_US 1000	       /* that the sender makes of itself */
#define PAUSE_LONGEST_US 20000 /* half of the time that the shortest queue here lasts */
#define PAUSE_USUAL_US 3000
#define STOLEN_PERCENT 1 /* of the time, by pauses beyond the usual ones */
#define ATTEMPTS 8

/* What the machine did to the sender in the measurement under way. */
static struct {
	uint64_t longest_us;
	uint64_t stolen_us;
	uint64_t time_us;
} pauses;

struct sender {
	int fd;
	int ear;
	uint16_t protocol;
	uint64_t sent;
	uint64_t received;
};

/* What a test that is given up leaves open. */
static struct schedule *schedule;
static int open_fds[2 * SENDERS_MAX];
static int n_open_fds;

static int setup(void **state)
{
	/* Before all that is not as urgent: of its own it takes but little time. */
	const struct sched_param urgent = { .sched_priority = 1 };

	(void)sched_setscheduler(0, SCHED_FIFO, &urgent);
	return htb_setup(state);
}

static int teardown(void **state)
{
	const struct sched_param usual = { 0 };

	while (n_open_fds > 0)
		close(open_fds[--n_open_fds]);
	schedule = schedule_close(schedule, true, NULL);
	(void)sched_setscheduler(0, SCHED_OTHER, &usual);
	return htb_teardown(state);
}

static bool is_emulated(void)
{
	return getenv("GW_TIME_FACTOR");
}

static int packet_socket(const char *link, uint16_t protocol)
{
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = (int)if_nametoindex(link),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_true(n_open_fds < 2 * SENDERS_MAX);
	open_fds[n_open_fds++] = fd;
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void sender_direct(struct sender *sender, uint32_t minor)
{
	const uint32_t priority = SCHEDULE_HANDLE | minor;

	assert_int_equal(
		setsockopt(sender->fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)), 0);
}

static void sender_open(struct sender *sender, int number, uint32_t minor)
{
	const int buffer = SEND_BUFFER;

	*sender = (struct sender){ .protocol = (uint16_t)(PROTOCOL + number) };
	sender->fd = packet_socket(LINK, sender->protocol);
	sender->ear = packet_socket(PEER, sender->protocol);
	assert_int_equal(
		setsockopt(sender->fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)), 0);
	sender_direct(sender, minor);
}

/* One frame, or nothing if the socket's share of the queue is full. */
static void sender_send(struct sender *sender)
{
	const uint64_t now_us = time_epoch_us();
	uint8_t frame[FRAME_BYTES] = { [0] = 2, [5] = 1, [6] = 2, [11] = 2 };

	frame[12] = (uint8_t)(sender->protocol >> 8);
	frame[13] = (uint8_t)sender->protocol;
	memcpy(frame + PAYLOAD, &now_us, sizeof(now_us));
	if (send(sender->fd, frame, sizeof(frame), 0) == sizeof(frame))
		sender->sent++;
}

/* Frames that have come since the last time; also those that the socket had no room for. */
static uint64_t sender_count(struct sender *sender)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);
	char frame[FRAME_BYTES];

	while (recv(sender->ear, frame, sizeof(frame), 0) > 0)
		;
	assert_int_equal(getsockopt(sender->ear, SOL_PACKET, PACKET_STATISTICS, &stats, &len), 0);
	sender->received += stats.tp_packets;
	return stats.tp_packets;
}

/* So many have arrived in all, and soon unless the machine is busy with others. */
static void await_received(struct sender *sender, uint64_t count)
{
	uint64_t end_us = time_now_us() + AWAIT_US;

	sender_count(sender);
	while (sender->received < count && time_now_us() < end_us) {
		usleep(10000);
		sender_count(sender);
	}
	assert_int_equal(sender->received, count);
}

/* Offers each sender's rate for a while, a millisecond's worth at a time. */
static void offer(struct sender *senders, const uint64_t *rates_bps, int count, uint64_t time_us)
{
	uint64_t start = time_now_us(), now = start, pause, due, done[SENDERS_MAX] = { 0 };

	while (now - start < time_us) {
		for (int i = 0; i < count; i++) {
			due = (now - start) * rates_bps[i] / 8 / FRAME_BYTES / USEC_PER_SEC;
			for (; done[i] < due; done[i]++)
				sender_send(&senders[i]);
		}
		usleep(PAUSE_US);
		pause = time_now_us() - now;
		now += pause;
		if (pause > pauses.longest_us)
			pauses.longest_us = pause;
		if (pause > PAUSE_USUAL_US)
			pauses.stolen_us += pause - PAUSE_USUAL_US;
	}
	pauses.time_us += now - start;
}

/* Whether what has been measured since the last call says what the scheduler does. */
static bool was_undisturbed(void)
{
	bool fine = pauses.longest_us <= PAUSE_LONGEST_US &&
		    pauses.stolen_us * 100 <= pauses.time_us * STOLEN_PERCENT;

	if (!fine)
		printf("Disturbed: %llu us without the processor, %llu of %llu us in all\n",
		       (unsigned long long)pauses.longest_us, (unsigned long long)pauses.stolen_us,
		       (unsigned long long)pauses.time_us);
	memset(&pauses, 0, sizeof(pauses));
	return fine || is_emulated();
}

static void give_up(void)
{
	printf("SKIP: this machine never leaves the sender alone for long enough to measure\n");
	skip();
}

/* Everything that was sent has come, or been dropped. */
static void drain(struct sender *senders, int count)
{
	usleep(300000);
	for (int i = 0; i < count; i++) {
		sender_count(&senders[i]);
		senders[i].sent = senders[i].received = 0;
	}
}

/* One measurement; all together must stay within the limit, disturbed or not. */
static void measure_once(struct sender *senders, const uint64_t *offered_bps, int count,
			 uint64_t settle_us, uint64_t limit_bps, uint64_t *ret_arrived_bps)
{
	uint64_t start, took_us, sum_bps = 0;

	drain(senders, count);
	offer(senders, offered_bps, count, settle_us);
	start = time_now_us();
	for (int i = 0; i < count; i++)
		sender_count(&senders[i]);
	offer(senders, offered_bps, count, WINDOW_US);
	for (int i = 0; i < count; i++)
		ret_arrived_bps[i] = sender_count(&senders[i]) * FRAME_BYTES * 8;
	/* Late at the beginning or here only makes it less. */
	took_us = time_now_us() - start;
	if (took_us > WINDOW_US + PAUSE_LONGEST_US)
		pauses.longest_us = took_us - WINDOW_US;
	for (int i = 0; i < count; i++) {
		ret_arrived_bps[i] = ret_arrived_bps[i] * USEC_PER_SEC / took_us;
		sum_bps += ret_arrived_bps[i];
	}
	assert_true(sum_bps <= limit_bps * (100 + TOLERANCE_PERCENT) / 100);
}

/*
 * What arrives, in bit/s, while rates are offered: not before queues have filled, which takes as
 * long as `settle_us`.
 */
static void measure(struct sender *senders, const uint64_t *offered_bps, int count,
		    uint64_t settle_us, uint64_t limit_bps, uint64_t *ret_arrived_bps)
{
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		measure_once(senders, offered_bps, count, settle_us, limit_bps, ret_arrived_bps);
		if (was_undisturbed())
			return;
	}
	give_up();
}

static void assert_near(uint64_t value, uint64_t wanted)
{
	printf("%.3f of %llu bit/s\n", (double)value / (double)wanted, (unsigned long long)wanted);
	assert_true(value <= wanted * (100 + TOLERANCE_PERCENT) / 100);
	if (!is_emulated())
		assert_true(value >= wanted * (100 - TOLERANCE_PERCENT) / 100);
}

/* --- Rates ------------------------------------------------------------------------------------ */

/* A band alone borrows the whole link, and no more than that. */
static void test_rate_of_the_link(void **state)
{
	static const uint64_t rates_bps[] = { 2 * MBIT, 20 * MBIT, 100 * MBIT };
	struct sender sender;
	uint64_t offered, arrived;

	schedule = htb_open(MBIT, 2);
	sender_open(&sender, 0, schedule_class_of(GW_CLASS_BEST_EFFORT));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(schedule_set_rate(schedule, rates_bps[i], 75), 0);
		offered = rates_bps[i] * 3 / 2;
		measure(&sender, &offered, 1, 300000, rates_bps[i], &arrived);
		assert_near(arrived, rates_bps[i]);
	}
}

/* A class of the pool keeps to its ceiling, at once when that changes. */
static void test_rate_of_a_shaped_class(void **state)
{
	struct schedule_demand demand = { .traffic_class = GW_CLASS_BEST_EFFORT,
					  .ceil_bps = 2 * MBIT };
	struct sender sender;
	uint64_t offered = 12 * MBIT, arrived;
	uint32_t minor;

	schedule = htb_open(100 * MBIT, 2);
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), 0);
	sender_open(&sender, 0, minor);
	measure(&sender, &offered, 1, 300000, demand.ceil_bps, &arrived);
	assert_near(arrived, 2 * MBIT);
	demand.ceil_bps = 8 * MBIT;
	assert_int_equal(schedule_change(schedule, minor, &demand), 0);
	measure(&sender, &offered, 1, 100000, demand.ceil_bps, &arrived);
	assert_near(arrived, 8 * MBIT);
}

/* --- Order ------------------------------------------------------------------------------------ */

/* However much those above ask for, everyone has its guarantee. */
static void test_nobody_starves(void **state)
{
	/* In tenths of a per cent of 20 Mbit/s, of which a quarter is the bands'. */
	static const uint32_t guarantees[GW_CLASS_COUNT] = {
		[GW_CLASS_CONTROL] = 25,     [GW_CLASS_VOICE] = 75,
		[GW_CLASS_AUDIO_VIDEO] = 62, [GW_CLASS_EXCELLENT_EFFORT] = 37,
		[GW_CLASS_BEST_EFFORT] = 37, [GW_CLASS_BACKGROUND] = 12,
	};
	struct sender senders[GW_CLASS_COUNT];
	uint64_t offered[GW_CLASS_COUNT], arrived[GW_CLASS_COUNT], sum = 0;

	schedule = htb_open(20 * MBIT, 2);
	for (enum gw_class c = 0; c < GW_CLASS_COUNT; c++) {
		sender_open(&senders[c], (int)c, schedule_class_of(c));
		offered[c] = 30 * MBIT;
	}
	measure(senders, offered, GW_CLASS_COUNT, 300000, 20 * MBIT, arrived);
	for (enum gw_class c = 0; c < GW_CLASS_COUNT; c++) {
		printf("class %d: %llu bit/s\n", (int)c, (unsigned long long)arrived[c]);
		assert_true(is_emulated() ||
			    arrived[c] >= 20 * MBIT / 1000 * guarantees[c] * 9 / 10);
		sum += arrived[c];
	}
	assert_near(sum, 20 * MBIT);
	/* Signalling is capped; what is left goes to voice, the next in order. */
	assert_near(arrived[GW_CLASS_CONTROL], 5 * MBIT);
	assert_true(is_emulated() || arrived[GW_CLASS_VOICE] > 7 * MBIT);
}

/* Above its guarantee too, a class loses nothing to those below. */
static void test_order_beside_a_flood(void **state)
{
	const uint64_t offered[2] = { 3 * MBIT, 20 * MBIT };
	struct sender senders[2];
	uint64_t arrived[2];

	schedule = htb_open(10 * MBIT, 2);
	sender_open(&senders[0], 0, schedule_class_of(GW_CLASS_VOICE));
	sender_open(&senders[1], 1, schedule_class_of(GW_CLASS_BEST_EFFORT));
	measure(senders, offered, 2, 300000, 10 * MBIT, arrived);
	assert_near(arrived[0], 3 * MBIT);
	assert_near(arrived[0] + arrived[1], 10 * MBIT);
	if (!is_emulated())
		await_received(&senders[0], senders[0].sent);
}

/* A reservation holds beside floods in every band that is served before it. */
static void test_reservation_beside_floods(void **state)
{
	const struct schedule_demand demand = {
		.traffic_class = GW_CLASS_EXCELLENT_EFFORT,
		.rate_bps = 4 * MBIT,
	};
	const uint64_t offered[3] = { 3800000, 20 * MBIT, 20 * MBIT };
	struct sender senders[3];
	uint64_t arrived[3];
	uint32_t minor;

	schedule = htb_open(10 * MBIT, 2);
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), 0);
	sender_open(&senders[0], 0, minor);
	sender_open(&senders[1], 1, schedule_class_of(GW_CLASS_VOICE));
	sender_open(&senders[2], 2, schedule_class_of(GW_CLASS_BEST_EFFORT));
	measure(senders, offered, 3, 300000, 10 * MBIT, arrived);
	assert_near(arrived[0], 3800000);
	assert_near(arrived[0] + arrived[1] + arrived[2], 10 * MBIT);
}

/* --- Delay ------------------------------------------------------------------------------------ */

#define DELAYS_MAX 20000

struct delays {
	uint64_t us[DELAYS_MAX];
	size_t count;
};

static uint64_t received_at_us(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct timespec time;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS)
			continue;
		memcpy(&time, CMSG_DATA(c), sizeof(time));
		return (uint64_t)time.tv_sec * USEC_PER_SEC +
		       (uint64_t)time.tv_nsec / NSEC_PER_USEC;
	}
	fail_msg("no time of arrival");
	return 0;
}

static int compare_delays(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* How long each frame that has come was under way, by the kernel's clock at its end. */
static void read_delays(struct sender *sender, struct delays *delays)
{
	char frame[FRAME_BYTES], control[256];
	struct iovec iov = { .iov_base = frame, .iov_len = sizeof(frame) };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control };
	uint64_t left_us, came_us;

	message.msg_controllen = sizeof(control);
	while (delays->count < DELAYS_MAX && recvmsg(sender->ear, &message, 0) == FRAME_BYTES) {
		memcpy(&left_us, frame + PAYLOAD, sizeof(left_us));
		came_us = received_at_us(&message);
		delays->us[delays->count++] = came_us > left_us ? came_us - left_us : 0;
		message.msg_controllen = sizeof(control);
	}
}

static void sort_delays(struct sender *sender, struct delays *delays, const char *name)
{
	delays->count = 0;
	read_delays(sender, delays);
	assert_true(delays->count > 100);
	qsort(delays->us, delays->count, sizeof(delays->us[0]), compare_delays);
	printf("%s: p50 %llu us, p99 %llu us, max %llu us\n", name,
	       (unsigned long long)delays->us[delays->count / 2],
	       (unsigned long long)delays->us[delays->count * 99 / 100],
	       (unsigned long long)delays->us[delays->count - 1]);
}

/* 50 packets of voice a second beside twice as much as the link carries: none is lost or late. */
static void test_voice_is_not_delayed(void **state)
{
	static struct delays delays[2];
	const uint64_t offered[2] = { 50 * FRAME_BYTES * 8, 20 * MBIT };
	const int on = 1, buffer = 8 << 20;
	struct sender senders[2];

	schedule = htb_open(10 * MBIT, 2);
	sender_open(&senders[0], 0, schedule_class_of(GW_CLASS_VOICE));
	sender_open(&senders[1], 1, schedule_class_of(GW_CLASS_BEST_EFFORT));
	for (int i = 0; i < 2; i++) {
		assert_int_equal(
			setsockopt(senders[i].ear, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)), 0);
		assert_int_equal(setsockopt(senders[i].ear, SOL_SOCKET, SO_RCVBUFFORCE, &buffer,
					    sizeof(buffer)),
				 0);
	}
	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		drain(senders, 2);
		offer(senders, offered, 2, 3 * USEC_PER_SEC);
		usleep(200000);
		for (int i = 0; i < 2; i++)
			sort_delays(&senders[i], &delays[i], i ? "bulk" : "voice");
		/* Nobody loses voice, however busy the machine is: it is so little. */
		assert_int_equal(delays[0].count, senders[0].sent);
		if (was_undisturbed()) {
			assert_true(delays[0].us[delays[0].count / 2] * 10 <
				    delays[1].us[delays[1].count / 2]);
			return;
		}
	}
	give_up();
}

/* --- Without loss ----------------------------------------------------------------------------- */

/* Packets without a class, or of one that is not given out, leave all the same. */
static void test_strays(void **state)
{
	static const uint32_t minors[] = { 0x9999, 0x100, 0x101 };
	struct sender sender;

	schedule = htb_open(10 * MBIT, 2);
	sender_open(&sender, 0, 0x9999);
	for (int i = 0; i < 3; i++) {
		sender_direct(&sender, minors[i]);
		for (int k = 0; k < 10; k++)
			sender_send(&sender);
	}
	await_received(&sender, 30);
}

struct wanted_stats {
	uint32_t minor;
	struct schedule_class_stats stats;
};

static void on_stats(void *user_data, const struct schedule_class_stats *stats)
{
	struct wanted_stats *wanted = user_data;

	if (stats->minor == wanted->minor)
		wanted->stats = *stats;
}

static struct schedule_class_stats stats_of(uint32_t minor)
{
	struct wanted_stats wanted = { .minor = minor };

	assert_int_equal(schedule_stats(schedule, on_stats, &wanted), 0);
	return wanted.stats;
}

/* A class is not given out again before all that was queued in it has left. */
static void test_draining(void **state)
{
	struct schedule_demand demand = { .traffic_class = GW_CLASS_BEST_EFFORT, .ceil_bps = 8000 };
	struct schedule_class_stats stats;
	struct sender sender;
	uint64_t deadline;
	uint32_t minor, other;
	int draining;

	schedule = htb_open(2 * MBIT, 1);
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), 0);
	sender_open(&sender, 0, minor);
	for (int i = 0; i < 60; i++)
		sender_send(&sender);
	assert_int_equal(sender.sent, 60);
	stats = stats_of(minor);
	assert_in_range(stats.backlog_packets, 55, 59);
	assert_true(stats.backlog_bytes >= 55 * FRAME_BYTES);

	/* 60 frames take a quarter of a second on this link, and a minute at the old ceiling. */
	schedule_release(schedule, minor);
	assert_int_equal(schedule_tick(schedule), 1);
	assert_int_equal(schedule_reserve(schedule, &demand, &other), -ENOSPC);
	deadline = time_now_us() + AWAIT_US;
	do {
		usleep(20000);
		draining = schedule_tick(schedule);
	} while (draining == 1 && time_now_us() < deadline);
	assert_int_equal(draining, 0);
	await_received(&sender, 60);

	/* The next owner's counters begin at zero. */
	assert_int_equal(schedule_reserve(schedule, &demand, &other), 0);
	assert_int_equal(other, minor);
	assert_int_equal(stats_of(minor).packets, 0);
	sender_send(&sender);
	await_received(&sender, 61);
	stats = stats_of(minor);
	assert_int_equal(stats.packets, 1);
	assert_int_equal(stats.bytes, FRAME_BYTES);
	assert_int_equal(stats.drops, 0);
}

/* What finds no room is counted. */
static void test_drops_are_counted(void **state)
{
	struct schedule_demand demand = { .traffic_class = GW_CLASS_BEST_EFFORT, .ceil_bps = 8000 };
	struct sender sender;
	uint32_t minor;

	schedule = htb_open(MBIT, 1);
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), 0);
	sender_open(&sender, 0, minor);
	/* There is room for 1000, and two or three are on their way at once. */
	for (int i = 0; i < 1070; i++)
		sender_send(&sender);
	assert_in_range(stats_of(minor).drops, 60, 72);
}

/* Neither another rate nor a crash and its adoption loses what is queued. */
static void test_queues_are_not_touched(void **state)
{
	struct schedule_demand demand = { .traffic_class = GW_CLASS_VOICE, .rate_bps = 100000 };
	uint32_t band = schedule_class_of(GW_CLASS_BEST_EFFORT), minor;
	struct sender senders[2];

	schedule = htb_open(MBIT, 2);
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), 0);
	sender_open(&senders[0], 0, band);
	sender_open(&senders[1], 1, minor);
	for (int i = 0; i < 50; i++) {
		sender_send(&senders[0]);
		sender_send(&senders[1]);
	}
	assert_int_equal(schedule_set_rate(schedule, 2 * MBIT, 75), 0);
	schedule = schedule_close(schedule, false, NULL);
	schedule = htb_open(4 * MBIT, 2);
	assert_true(schedule_adopted(schedule));
	assert_true(stats_of(minor).backlog_packets > 0);
	sender_send(&senders[1]);
	await_received(&senders[1], senders[1].sent);
	usleep(700000);
	for (int i = 0; i < 2; i++)
		sender_count(&senders[i]);
	/* fq_codel may drop what has waited for long; it counts that. */
	assert_int_equal(senders[0].received + stats_of(band).drops, senders[0].sent);
	assert_true(senders[0].received >= 40);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_rate_of_the_link),
		CASE(test_rate_of_a_shaped_class),
		CASE(test_nobody_starves),
		CASE(test_order_beside_a_flood),
		CASE(test_reservation_beside_floods),
		CASE(test_voice_is_not_delayed),
		CASE(test_strays),
		CASE(test_draining),
		CASE(test_drops_are_counted),
		CASE(test_queues_are_not_touched),
	};

	return cmocka_run_group_tests_name("htb_traffic", tests, NULL, NULL);
}

int main(void)
{
	return run_htb_tests(run);
}
