/* SPDX-License-Identifier: MIT */
/*
 * test_kernel_meters.c: rates of flows in the kernel datapath, with real packets from one network namespace to
 * another: policed, by classes, paced; what becomes of the excess; and meters while links, sockets and daemons
 * come and go.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/time.h"
#include "meter_world.h"

#define FLOW 7
#define POOL 256

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static void meter_datagrams(struct stream_of_datagrams *stream, const struct datapath_meter *wanted)
{
	assert_int_equal(meter(wanted), 0);
	for (int i = 0; i < stream->n_talkers; i++) {
		const struct datapath_target target = target_any(stream->talker[i]);

		assert_int_equal(apply_metered(&target, wanted->flow_id), 0);
	}
}

/* As the engine ends a rate. */
static void end_meter(struct stream_of_datagrams *stream, uint32_t flow_id)
{
	for (int i = 0; i < stream->n_talkers; i++) {
		const struct datapath_target target = target_any(stream->talker[i]);

		clear(&target);
	}
	kernel_datapath_ops.meter_end(datapath, flow_id);
	kernel_datapath_ops.meter_end(datapath, flow_id);
}

/* --- Policed ---------------------------------------------------------------------------------- */

static void test_policed(void **state)
{
	struct stream_of_datagrams stream;
	struct datapath_meter wanted = delay(FLOW, 8 * MBIT);
	struct datapath_meter_counters read;
	struct datapath_target target;

	datagrams_open(&stream, 1, 1000);
	datagrams_buffer(&stream);
	target = target_any(stream.talker[0]);
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_NONE);
	assert_int_equal(kernel_datapath_ops.meter_read(datapath, FLOW, &read), -ENOENT);
	meter_datagrams(&stream, &wanted);
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_POLICED);
	stream.offered_bps = 16 * MBIT;
	assert_rate(&stream, 8 * MBIT, MARK);

	/* Other rates while it sends. */
	wanted.bucket.rate_bps = 3 * MBIT;
	meter_datagrams(&stream, &wanted);
	assert_rate(&stream, 3 * MBIT, MARK);
	wanted.bucket.rate_bps = 12 * MBIT;
	meter_datagrams(&stream, &wanted);
	assert_rate(&stream, 12 * MBIT, MARK);

	end_meter(&stream, FLOW);
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_NONE);
	assert_int_equal(kernel_datapath_ops.meter_read(datapath, FLOW, &read), -ENOENT);
	assert_int_equal(count(), 0);
	datagrams_forget(&stream);
	datagrams_send(&stream, 500);
	datagrams_await(&stream, 0, 500);
	datagrams_close(&stream);
}

/* Of 1000 bytes, and what is around them: what a bucket fills with while we are kept waiting. */
static uint64_t packets_in(uint64_t since_us, uint64_t rate_bps)
{
	return (time_now_us() - since_us) * rate_bps / USEC_PER_SEC / (8 * 1028);
}

/* What is left of the bucket is what it was: changing the rate yields no burst. */
static void test_rerated_bucket(void **state)
{
	struct stream_of_datagrams stream;
	struct datapath_meter wanted = delay(FLOW, 1 * MBIT);
	uint64_t started_us;

	datagrams_open(&stream, 1, 1000);
	datagrams_buffer(&stream);
	started_us = time_now_us();
	meter_datagrams(&stream, &wanted);
	datagrams_send(&stream, 100); /* the bucket holds 12 */
	for (int i = 0; i < 20; i++) {
		wanted.bucket.rate_bps = i % 2 ? 1 * MBIT : 2 * MBIT;
		meter_datagrams(&stream, &wanted);
		datagrams_send(&stream, 10);
	}
	datagrams_await(&stream, -1, counters(FLOW).conforming_packets);
	assert_true(datagrams_heard(&stream, -1) < 40 + packets_in(started_us, 2 * MBIT));
	assert_true(datagrams_heard(&stream, -1) >= 12);
	datagrams_close(&stream);
}

/* Both the bridge and the link below it see each packet, which is charged to the rate once. */
static void test_bridged(void **state)
{
	const struct datapath_meter wanted = delay(FLOW, 1 * MBIT);
	struct stream_of_datagrams stream;
	uint64_t started_us, fills_with;

	if (!link_bridge())
		skip();
	run_loop(200);
	datagrams_open(&stream, 1, 1000);
	datagrams_buffer(&stream);
	datagrams_send(&stream, 1); /* neighbours are found */
	datagrams_await(&stream, -1, 1);
	datagrams_forget(&stream);
	started_us = time_now_us();
	meter_datagrams(&stream, &wanted);
	datagrams_send(&stream, 100); /* the bucket holds 12 */
	fills_with = packets_in(started_us, 1 * MBIT);
	datagrams_await(&stream, -1, counters(FLOW).conforming_packets);
	assert_int_equal(datagrams_heard(&stream, MARK), counters(FLOW).conforming_packets);
	assert_true(datagrams_heard(&stream, MARK) >= 12);
	assert_true(datagrams_heard(&stream, MARK) < 40 + fills_with);
	assert_int_equal(counters(FLOW).conforming_packets + counters(FLOW).dropped_packets, 100);
	datagrams_close(&stream);
}

/* A packet longer than the bucket is one that this rate lets through now and then. */
static void test_low_rate(void **state)
{
	struct stream_of_datagrams stream;
	struct datapath_meter wanted = delay(FLOW, 8000);

	datagrams_open(&stream, 1, 1400);
	meter_datagrams(&stream, &wanted);
	datagrams_send(&stream, 20);
	datagrams_await(&stream, -1, 2);
	datagrams_close(&stream);
}

static void test_shared(void **state)
{
	struct stream_of_datagrams stream;
	const struct datapath_meter wanted = delay(FLOW, 6 * MBIT);

	datagrams_open(&stream, 2, 700);
	meter_datagrams(&stream, &wanted);
	stream.offered_bps = 5 * MBIT;
	assert_rate(&stream, 6 * MBIT, MARK);
	datagrams_close(&stream);
}

/* Many packets at once, charged as those that leave. */
static void test_segments(void **state)
{
	struct stream_of_datagrams stream;
	const struct datapath_meter wanted = delay(FLOW, 8 * MBIT);

	datagrams_open(&stream, 1, 10000);
	stream.segment_bytes = 500;
	if (setsockopt(stream.talker[0], IPPROTO_UDP, UDP_SEGMENT, &(int){ 500 }, sizeof(int)) <
	    0) {
		datagrams_close(&stream);
		skip();
	}
	meter_datagrams(&stream, &wanted);
	stream.offered_bps = 16 * MBIT;
	assert_rate(&stream, 8 * MBIT, MARK);
	datagrams_close(&stream);
}

/* --- Excess that does not wait ---------------------------------------------------------------- */

static struct datapath_meter bucket(enum datapath_excess excess)
{
	struct datapath_meter wanted = delay(FLOW, 4 * MBIT);

	wanted.bucket.depth_bytes = 20000;
	wanted.bucket.max_bytes = 1500;
	wanted.excess = excess;
	return wanted;
}

static void test_drop(void **state)
{
	struct stream_of_datagrams stream;
	const struct datapath_meter wanted = bucket(DATAPATH_EXCESS_DROP);
	struct datapath_meter_counters read;
	struct datapath_target target;
	uint64_t started_us = time_now_us(), heard;

	datagrams_open(&stream, 1, 1000);
	datagrams_buffer(&stream);
	target = target_any(stream.talker[0]);
	meter_datagrams(&stream, &wanted);
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_POLICED);
	datagrams_send(&stream, 200);
	read = counters(FLOW);
	datagrams_await(&stream, -1, read.conforming_packets);
	heard = datagrams_heard(&stream, MARK);
	assert_true(heard >= 19 && heard < 60 + packets_in(started_us, 4 * MBIT));
	assert_int_equal(read.conforming_packets, heard);
	assert_int_equal(read.conforming_bytes, heard * 1028);
	assert_int_equal(read.dropped_packets, 200 - heard);
	assert_int_equal(read.dropped_bytes, (200 - heard) * 1028);
	assert_int_equal(read.excess_packets, 0);
	datagrams_close(&stream);
}

/* MARK_CONFORMANT: all is sent at once, and only what conforms is marked. */
static void test_remark(void **state)
{
	struct stream_of_datagrams stream;
	struct datapath_meter wanted = bucket(DATAPATH_EXCESS_REMARK);
	struct datapath_meter_counters read;
	uint64_t started_us = time_now_us(), marked;

	wanted.excess_mark = (struct mark){ .set_dscp = true, .dscp = OTHER_DSCP };
	datagrams_open(&stream, 1, 1000);
	datagrams_buffer(&stream);
	meter_datagrams(&stream, &wanted);
	datagrams_send(&stream, 200);
	datagrams_await(&stream, -1, 200);
	marked = datagrams_heard(&stream, MARK);
	read = counters(FLOW);
	assert_true(marked >= 19 && marked < 60 + packets_in(started_us, 4 * MBIT));
	assert_int_equal(datagrams_heard(&stream, OTHER_MARK), 200 - marked);
	assert_int_equal(read.conforming_packets, marked);
	assert_int_equal(read.excess_packets, 200 - marked);
	assert_int_equal(read.excess_bytes, (200 - marked) * 1028);
	assert_int_equal(read.dropped_packets, 0);

	stream.offered_bps = 8 * MBIT;
	assert_rate(&stream, 4 * MBIT, MARK);
	datagrams_close(&stream);
}

/* --- Classes ---------------------------------------------------------------------------------- */

static void check_class(uint32_t payload_bytes, uint64_t rate_bps)
{
	struct stream_of_datagrams stream;
	struct datapath_meter wanted = delay(FLOW, rate_bps);
	struct datapath_target target;

	datagrams_open(&stream, 1, payload_bytes);
	target = target_any(stream.talker[0]);
	meter_datagrams(&stream, &wanted);
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_CLASS);
	stream.offered_bps = rate_bps * 3 / 2;
	assert_rate(&stream, rate_bps, MARK);

	/* Both ways, while it sends. */
	wanted.bucket.rate_bps = rate_bps * 2;
	stream.offered_bps = rate_bps * 3;
	meter_datagrams(&stream, &wanted);
	assert_rate(&stream, rate_bps * 2, MARK);
	wanted.bucket.rate_bps = rate_bps / 2;
	stream.offered_bps = rate_bps;
	meter_datagrams(&stream, &wanted);
	assert_rate(&stream, rate_bps / 2, MARK);

	end_meter(&stream, FLOW);
	datagrams_close(&stream);
}

static void test_class_small(void **state)
{
	check_class(72, MBIT); /* packets of 100 bytes */
}

static void test_class_large(void **state)
{
	check_class(1372, 4 * MBIT);
}

/* Large packets at first, then small ones. */
static void test_class_follows_sizes(void **state)
{
	struct stream_of_datagrams stream;
	const struct datapath_meter wanted = delay(FLOW, MBIT);

	datagrams_open(&stream, 1, 1372);
	meter_datagrams(&stream, &wanted);
	stream.offered_bps = 3 * MBIT / 2;
	assert_rate(&stream, MBIT, MARK);
	stream.payload_bytes = 72;
	/* The queue is full of large ones, which takes its time. */
	datagrams_offer(&stream, 1500);
	assert_rate(&stream, MBIT, MARK);
	datagrams_close(&stream);
}

static void test_class_shared(void **state)
{
	struct stream_of_datagrams stream;
	const struct datapath_meter wanted = delay(FLOW, 4 * MBIT);

	datagrams_open(&stream, 2, 1000);
	meter_datagrams(&stream, &wanted);
	stream.offered_bps = 3 * MBIT;
	assert_rate(&stream, 4 * MBIT, MARK);
	datagrams_close(&stream);
}

static void test_class_segments(void **state)
{
	struct stream_of_datagrams stream;
	const struct datapath_meter wanted = delay(FLOW, 8 * MBIT);

	datagrams_open(&stream, 1, 5000);
	stream.segment_bytes = 500;
	if (setsockopt(stream.talker[0], IPPROTO_UDP, UDP_SEGMENT, &(int){ 500 }, sizeof(int)) <
	    0) {
		datagrams_close(&stream);
		skip();
	}
	meter_datagrams(&stream, &wanted);
	stream.offered_bps = 12 * MBIT;
	assert_rate(&stream, 8 * MBIT, MARK);
	datagrams_close(&stream);
}

/* Seconds of packets wait, and leave at once when the rate ends; none is lost. */
static void test_removal_releases_the_queue(void **state)
{
	struct stream_of_datagrams stream;
	const struct datapath_meter wanted = delay(FLOW, MBIT / 10);

	datagrams_open(&stream, 1, 1000);
	datagrams_buffer(&stream);
	meter_datagrams(&stream, &wanted);
	datagrams_send(&stream, 100);
	run_loop(50);
	assert_true(datagrams_heard(&stream, -1) < 30);
	end_meter(&stream, FLOW);
	/* 8 s at the rate that there was, 8 ms at that of the link. */
	datagrams_await(&stream, -1, 100);
	/* The class is given out again. */
	for (int i = 0; i < 20 && kernel_datapath_tick(datapath) >= 0; i++)
		run_loop(50);
	assert_int_equal(kernel_datapath_tick(datapath), -1);
	datagrams_close(&stream);
}

static void test_pool_empty(void **state)
{
	struct stream_of_datagrams stream;
	struct datapath_meter wanted;
	struct datapath_target target;

	datagrams_open(&stream, 1, 1000);
	target = target_any(stream.talker[0]);
	for (uint32_t i = 0; i < POOL; i++) {
		wanted = delay(100 + i, MBIT);
		assert_int_equal(meter(&wanted), 0);
	}
	wanted = delay(FLOW, 8 * MBIT);
	meter_datagrams(&stream, &wanted);
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_POLICED);
	assert_int_equal(shaping(100 + POOL - 1, &target), GW_SHAPING_CLASS);
	stream.offered_bps = 16 * MBIT;
	assert_rate(&stream, 8 * MBIT, MARK);

	/* One goes, and a meter that is asked for anew has its place. */
	kernel_datapath_ops.meter_end(datapath, 100);
	for (int i = 0; i < 100 && shaping(FLOW, &target) != GW_SHAPING_CLASS; i++) {
		run_loop(100);
		meter_datagrams(&stream, &wanted);
	}
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_CLASS);
	datagrams_close(&stream);
}

static void test_reservations(void **state)
{
	struct datapath_meter first = delay(1, 30 * MBIT), second = delay(2, 30 * MBIT);
	const struct datapath_target any = { .cookie = 1, .any_destination = true, .fd = -1 };

	first.reserved_bps = 30 * MBIT;
	second.reserved_bps = 15 * MBIT;
	assert_int_equal(meter(&first), 0);
	assert_int_equal(meter(&second), 0);
	/* More than there is changes nothing, also not what the flow had. */
	second.reserved_bps = 25 * MBIT;
	assert_int_equal(meter(&second), -EDQUOT);
	assert_int_equal(shaping(2, &any), GW_SHAPING_CLASS);
	second.flow_id = 3;
	assert_int_equal(meter(&second), -EDQUOT);
	assert_int_equal(shaping(3, &any), GW_SHAPING_NONE);
	second.reserved_bps = 6 * MBIT;
	assert_int_equal(meter(&second), -EDQUOT);
	second.reserved_bps = 5 * MBIT;
	assert_int_equal(meter(&second), 0);
	/* What ends makes room. */
	kernel_datapath_ops.meter_end(datapath, 1);
	first.flow_id = 4;
	first.excess = DATAPATH_EXCESS_DROP;
	first.bucket.depth_bytes = 3000;
	assert_int_equal(meter(&first), 0);
	assert_int_equal(shaping(4, &any), GW_SHAPING_CLASS);
}

static void await_shaping(const struct datapath_target *target, enum gw_shaping_method method)
{
	for (int i = 0; i < 100 && shaping(FLOW, target) != method; i++)
		run_loop(100);
	assert_int_equal(shaping(FLOW, target), method);
}

static void test_link_comes_back(void **state)
{
	struct stream_of_datagrams stream;
	struct datapath_meter wanted = delay(FLOW, 4 * MBIT);
	struct datapath_target target;

	/* It may leave through any. */
	wanted.n_links = 0;
	datagrams_open(&stream, 1, 1000);
	target = target_any(stream.talker[0]);
	meter_datagrams(&stream, &wanted);
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_CLASS);
	assert_int_equal(net_run("ip link del " LINK), 0);
	await_shaping(&target, GW_SHAPING_POLICED);
	link_make();
	await_shaping(&target, GW_SHAPING_CLASS);
	stream.offered_bps = 6 * MBIT;
	assert_rate(&stream, 4 * MBIT, MARK);

	/* Not handed over any more: held to the rate all the same. */
	assert_int_equal(kernel_datapath_reconfigure(datapath, NULL, 0), 0);
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_POLICED);
	assert_rate(&stream, 4 * MBIT, MARK);
	datagrams_close(&stream);
}

/* --- TCP -------------------------------------------------------------------------------------- */

static struct datapath_target target_tcp(int fd)
{
	struct datapath_target target = target_any(fd);

	target.protocol = IPPROTO_TCP;
	return target;
}

static uint64_t pacing_rate(int fd)
{
	uint64_t rate = 0;
	socklen_t len = sizeof(rate);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &len), 0);
	return rate;
}

static void test_tcp_paced(void **state)
{
	struct datapath_meter wanted = delay(FLOW, 20 * MBIT);
	struct connection connection;
	struct datapath_target target;

	connection_open(&connection);
	target = target_tcp(connection.client);
	assert_int_equal(meter(&wanted), 0);
	assert_int_equal(apply_metered(&target, FLOW), 0);
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_PACED);
	assert_int_equal(pacing_rate(connection.client), 20 * MBIT / 8 * 1448 / 1500);
	assert_tcp_rate(&connection, 1, 20 * MBIT);
	assert_int_equal(counters(FLOW).dropped_packets, 0);

	wanted.bucket.rate_bps = 10 * MBIT;
	assert_int_equal(meter(&wanted), 0);
	assert_int_equal(apply_metered(&target, FLOW), 0);
	assert_tcp_rate(&connection, 1, 10 * MBIT);

	/* Without a descriptor the socket cannot be told of another rate, so it is held to it. */
	target.fd = -1;
	wanted.bucket.rate_bps = 8 * MBIT;
	assert_int_equal(meter(&wanted), 0);
	assert_int_equal(apply_metered(&target, FLOW), 0);
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_POLICED);
	target.fd = connection.client;
	clear(&target);
	kernel_datapath_ops.meter_end(datapath, FLOW);
	assert_true(pacing_rate(connection.client) == UINT64_MAX);
	connection_close(&connection);
}

/* Of several none is trusted; the last that is left is again. */
static void test_tcp_shared(void **state)
{
	const struct datapath_meter wanted = delay(FLOW, 10 * MBIT);
	struct datapath_target target[2];
	struct connection connection[2];

	assert_int_equal(meter(&wanted), 0);
	for (int i = 0; i < 2; i++) {
		connection_open(&connection[i]);
		target[i] = target_tcp(connection[i].client);
		assert_int_equal(apply_metered(&target[i], FLOW), 0);
	}
	assert_int_equal(shaping(FLOW, &target[0]), GW_SHAPING_POLICED);
	assert_int_equal(shaping(FLOW, &target[1]), GW_SHAPING_POLICED);
	clear(&target[1]);
	assert_int_equal(shaping(FLOW, &target[0]), GW_SHAPING_PACED);
	assert_int_equal(shaping(FLOW, &target[1]), GW_SHAPING_POLICED);
	assert_true(pacing_rate(connection[1].client) == UINT64_MAX);
	for (int i = 0; i < 2; i++)
		connection_close(&connection[i]);
}

/* Packets of many segments, in a class. */
static void test_tcp_class(void **state)
{
	const struct datapath_meter wanted = delay(FLOW, 20 * MBIT);
	struct connection connection[2];
	struct datapath_target target;

	assert_int_equal(meter(&wanted), 0);
	for (int i = 0; i < 2; i++) {
		connection_open(&connection[i]);
		target = target_tcp(connection[i].client);
		assert_int_equal(apply_metered(&target, FLOW), 0);
		assert_int_equal(shaping(FLOW, &target), GW_SHAPING_CLASS);
	}
	assert_tcp_rate(connection, 2, 20 * MBIT);
	for (int i = 0; i < 2; i++)
		connection_close(&connection[i]);
}

/* --- Packets by their addresses --------------------------------------------------------------- */

static void test_tuple(void **state)
{
	struct datapath_tuple tuple = { .protocol = IPPROTO_UDP, .ifindex = link_index() };
	const struct datapath_target target = { .tuple = &tuple, .fd = -1 };
	const struct datapath_meter wanted = delay(FLOW, 4 * MBIT);
	struct stream_of_datagrams stream;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	datagrams_open(&stream, 1, 1000);
	assert_int_equal(getpeername(stream.talker[0], (struct sockaddr *)&peer, &len), 0);
	assert_int_equal(address_from_sockaddr((struct sockaddr *)&peer, len, &tuple.destination),
			 0);
	assert_int_equal(meter(&wanted), 0);
	assert_int_equal(apply_metered(&target, FLOW), 0);
	assert_int_equal(apply_metered(&target, FLOW), 0);
	assert_int_equal(count(), 1);
	assert_int_equal(shaping(FLOW, &target), GW_SHAPING_CLASS);
	stream.offered_bps = 6 * MBIT;
	assert_rate(&stream, 4 * MBIT, MARK);
	clear(&target);
	assert_int_equal(count(), 0);
	datagrams_forget(&stream);
	datagrams_send(&stream, 10);
	datagrams_await(&stream, 0, 10);
	datagrams_close(&stream);
}

/* --- Daemons come and go ---------------------------------------------------------------------- */

static bool keep_group(void *user_data, uint64_t group)
{
	return group == *(uint64_t *)user_data;
}

static void test_group_survives_a_crash(void **state)
{
	struct datapath_meter wanted = delay(FLOW, 4 * MBIT), found, lost = delay(FLOW + 1, MBIT);
	struct datapath_target target = { .fd = -1 };
	struct datapath_meter_counters read;
	pid_t child;

	if (!kernel_datapath_has(datapath, KERNEL_CGROUP2))
		skip();
	child = fork();
	if (child == 0) {
		/* Nothing of the datapath's: it is to be opened again while we live. */
		close_range(3, ~0u, 0);
		pause();
		_exit(0);
	}
	assert_int_equal(kernel_group_create(datapath, child, &target.group), 0);
	assert_int_equal(kernel_group_meter(datapath, target.group, &found), -ENOENT);
	assert_int_equal(meter(&wanted), 0);
	assert_int_equal(meter(&lost), 0);
	assert_int_equal(apply_metered(&target, FLOW), 0);
	datapath = kernel_datapath_abandon(datapath);

	assert_int_equal(open_handed(LINK_BPS), 0);
	assert_true(kernel_datapath_adopted(datapath));
	assert_int_equal(kernel_group_meter(datapath, target.group, &found), 0);
	assert_int_equal(found.flow_id, FLOW);
	assert_int_equal(found.bucket.rate_bps, 4 * MBIT);
	assert_int_equal(found.excess, DATAPATH_EXCESS_DELAY);
	assert_int_equal(found.traffic_class, GW_CLASS_AUDIO_VIDEO);

	/* Under another identifier, which an earlier flow had too. */
	found.flow_id = lost.flow_id;
	assert_int_equal(meter(&found), 0);
	assert_int_equal(apply_metered(&target, found.flow_id), 0);
	assert_int_equal(shaping(found.flow_id, &target), GW_SHAPING_CLASS);
	assert_true(kernel_datapath_sweep(datapath, keep_group, &target.group) >= 1);
	assert_int_equal(kernel_datapath_ops.meter_read(datapath, FLOW, &read), -ENOENT);
	assert_int_equal(kernel_datapath_ops.meter_read(datapath, found.flow_id, &read), 0);
	assert_int_equal(count(), 1);

	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	clear(&target);
	kernel_datapath_ops.meter_end(datapath, found.flow_id);
	(void)kernel_group_remove(datapath, target.group);
}

#define PLAIN(function) cmocka_unit_test_setup_teardown(function, meter_setup, meter_teardown)
#define HANDED(function) \
	cmocka_unit_test_setup_teardown(function, meter_setup_handed, meter_teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		PLAIN(test_policed),
		PLAIN(test_rerated_bucket),
		PLAIN(test_bridged),
		PLAIN(test_low_rate),
		PLAIN(test_shared),
		PLAIN(test_segments),
		PLAIN(test_drop),
		PLAIN(test_remark),
		HANDED(test_class_small),
		HANDED(test_class_large),
		HANDED(test_class_follows_sizes),
		HANDED(test_class_shared),
		HANDED(test_class_segments),
		HANDED(test_removal_releases_the_queue),
		HANDED(test_pool_empty),
		HANDED(test_reservations),
		HANDED(test_link_comes_back),
		PLAIN(test_tcp_paced),
		PLAIN(test_tcp_shared),
		HANDED(test_tcp_class),
		HANDED(test_tuple),
		HANDED(test_group_survives_a_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_kernel_tests(run);
}
