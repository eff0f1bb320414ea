/* SPDX-License-Identifier: MIT */
/* meter_world.c: see meter_world.h. */
#include "meter_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/udp.h>
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

#define BRIDGE "gwbridge"
#define NEAR "192.0.2.1"
#define FAR "192.0.2.2"
#define PORT 5004

#define BUFFER_BYTES (16 << 20)
#define HEARD_MAX 65536

/*
 * Less than any bucket and queue here lasts; and what a bucket fills with meanwhile, which may be spent after the
 * beginning of a measurement, is less than what is tolerated.
 */
#define LATE_US 12000
#define AWAIT_US (10 * USEC_PER_SEC)
#define ATTEMPTS 6
#define SETTLE_MS 700
#define MEASURE_MS 1500
#define TOLERANCE 0.01

struct heard {
	size_t count;
	struct {
		uint64_t time_ns;
		uint32_t bytes; /* of IP */
		int mark;
	} packet[HEARD_MAX];
};

static int near = -1, far = -1; /* namespaces */
static char state_folder[] = "/tmp/test-kernel-meters-XXXXXX";
static uint64_t next_tick_us;

/* --- The link --------------------------------------------------------------------------------- */

static int namespace(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void enter(int fd)
{
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
}

void link_make(void)
{
	assert_int_equal(net_run("ip link add " LINK " type veth peer name " PEER), 0);
	assert_int_equal(net_run("ip link set " PEER " netns /proc/%d/fd/%d", (int)getpid(), far),
			 0);
	assert_int_equal(net_run("ip addr add " NEAR "/24 dev " LINK " && ip link set " LINK " up"),
			 0);
	enter(far);
	assert_int_equal(net_run("ip addr add " FAR "/24 dev " PEER " && ip link set " PEER " up"),
			 0);
	enter(near);
}

uint32_t link_index(void)
{
	return if_nametoindex(LINK);
}

bool link_bridge(void)
{
	if (net_run("ip link add " BRIDGE " type bridge 2>/dev/null") != 0)
		return false;
	assert_int_equal(net_run("ip addr del " NEAR "/24 dev " LINK " && ip link set " LINK
				 " master " BRIDGE " && ip addr add " NEAR "/24 dev " BRIDGE
				 " && ip link set " BRIDGE " up"),
			 0);
	return true;
}

static int make_namespaces(void)
{
	near = namespace();
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	far = namespace();
	enter(near);
	link_make();
	return 0;
}

static int open_config(const struct handover_link *links, size_t n_links)
{
	const struct kernel_config config = {
		.max_sockets = 4096,
		.links = links,
		.n_links = n_links,
		.state_folder = state_folder,
	};

	return kernel_datapath_open(&config, &facts, &datapath);
}

int open_handed(uint64_t rate_bps)
{
	const struct handover_link link = {
		.name = LINK,
		.rate_bps = rate_bps,
		.reservable_percent = 50,
	};

	return open_config(&link, 1);
}

static int set_up(bool handed)
{
	strcpy(state_folder + strlen(state_folder) - 6, "XXXXXX");
	next_tick_us = 0;
	if (!mkdtemp(state_folder) || make_namespaces() < 0)
		return -1;
	return handed ? open_handed(LINK_BPS) : open_config(NULL, 0);
}

int meter_setup(void **state)
{
	return set_up(false);
}

int meter_setup_handed(void **state)
{
	return set_up(true);
}

int meter_teardown(void **state)
{
	teardown(state);
	net_run("ip link del " LINK " 2>/dev/null");
	net_run("ip link del " BRIDGE " 2>/dev/null");
	net_run("rm -rf %s", state_folder);
	close(near);
	close(far);
	return 0;
}

static void turn(void)
{
	uint64_t now_us = time_now_us();
	int delay_ms;

	if (now_us < next_tick_us)
		return;
	assert_int_equal(kernel_datapath_link_event(datapath), 0);
	assert_int_equal(kernel_datapath_handover_event(datapath), 0);
	delay_ms = kernel_datapath_tick(datapath);
	next_tick_us = now_us + (delay_ms < 0 ? 100 : (uint64_t)delay_ms) * USEC_PER_MSEC;
}

void run_loop(unsigned time_ms)
{
	uint64_t end_us = time_now_us() + time_ms * USEC_PER_MSEC;

	while (time_now_us() < end_us) {
		turn();
		usleep(5000);
	}
}

/* --- Flows ------------------------------------------------------------------------------------ */

struct datapath_meter delay(uint32_t flow_id, uint64_t rate_bps)
{
	return (struct datapath_meter){
		.flow_id = flow_id,
		.traffic_class = GW_CLASS_AUDIO_VIDEO,
		.bucket = { .rate_bps = rate_bps },
		.excess = DATAPATH_EXCESS_DELAY,
		.n_links = 1,
		.links = { link_index() },
	};
}

int meter(const struct datapath_meter *wanted)
{
	return kernel_datapath_ops.meter(datapath, wanted);
}

int apply_metered(const struct datapath_target *target, uint32_t flow_id)
{
	const struct datapath_treatment treatment = {
		.flow_id = flow_id,
		.traffic_class = GW_CLASS_AUDIO_VIDEO,
		.mark = { .set_dscp = true, .dscp = DSCP },
		.metered = true,
	};

	return kernel_datapath_ops.apply(datapath, target, &treatment);
}

struct datapath_meter_counters counters(uint32_t flow_id)
{
	struct datapath_meter_counters counters;

	assert_int_equal(kernel_datapath_ops.meter_read(datapath, flow_id, &counters), 0);
	return counters;
}

enum gw_shaping_method shaping(uint32_t flow_id, const struct datapath_target *target)
{
	return kernel_datapath_ops.shaping(datapath, flow_id, target);
}

/* --- Datagrams -------------------------------------------------------------------------------- */

static struct sockaddr_in far_address(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };

	assert_int_equal(inet_pton(AF_INET, FAR, &address.sin_addr), 1);
	return address;
}

static void set_int(int fd, int level, int name, int value)
{
	assert_int_equal(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

static int far_socket(int type)
{
	const struct sockaddr_in address = far_address();
	int fd;

	enter(far);
	fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	enter(near);
	assert_true(fd >= 0);
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

void datagrams_open(struct stream_of_datagrams *stream, int n_talkers, uint32_t payload_bytes)
{
	const struct sockaddr_in address = far_address();

	*stream = (struct stream_of_datagrams){
		.n_talkers = n_talkers,
		.payload_bytes = payload_bytes,
		.ear = far_socket(SOCK_DGRAM),
		.heard = calloc(1, sizeof(struct heard)),
	};
	assert_non_null(stream->heard);
	set_int(stream->ear, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	set_int(stream->ear, IPPROTO_IP, IP_RECVTOS, 1);
	for (int i = 0; i < n_talkers; i++) {
		stream->talker[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		assert_true(stream->talker[i] >= 0);
		assert_int_equal(connect(stream->talker[i], (const struct sockaddr *)&address,
					 sizeof(address)),
				 0);
	}
}

void datagrams_buffer(struct stream_of_datagrams *stream)
{
	for (int i = 0; i < stream->n_talkers; i++)
		set_int(stream->talker[i], SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES);
}

void datagrams_close(struct stream_of_datagrams *stream)
{
	for (int i = 0; i < stream->n_talkers; i++)
		close(stream->talker[i]);
	close(stream->ear);
	free(stream->heard);
}

static bool say(struct stream_of_datagrams *stream, int talker)
{
	static const char words[65536];
	uint32_t segment = stream->segment_bytes;

	if (send(stream->talker[talker], words, stream->payload_bytes, 0) < 0)
		return false;
	stream->sent += segment ? (stream->payload_bytes + segment - 1) / segment : 1;
	return true;
}

void datagrams_send(struct stream_of_datagrams *stream, int count)
{
	for (int i = 0; i < count; i++) {
		struct pollfd room = { .fd = stream->talker[i % stream->n_talkers],
				       .events = POLLOUT };

		assert_int_equal(poll(&room, 1, 10000), 1);
		assert_true(say(stream, i % stream->n_talkers));
	}
}

static bool hear_one(struct stream_of_datagrams *stream)
{
	struct heard *heard = stream->heard;
	char words[2048], control[256];
	struct iovec part = { .iov_base = words, .iov_len = sizeof(words) };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(stream->ear, &message, 0);
	struct timespec ts;

	if (n < 0)
		return false;
	assert_true(heard->count < HEARD_MAX);
	heard->packet[heard->count].bytes = (uint32_t)n + IP_UDP_BYTES;
	heard->packet[heard->count].mark = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS) {
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			heard->packet[heard->count].time_ns =
				(uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
			heard->packet[heard->count].mark = *(uint8_t *)CMSG_DATA(c);
		}
	}
	heard->count++;
	return true;
}

uint64_t datagrams_heard(struct stream_of_datagrams *stream, int mark)
{
	uint64_t count = 0;

	while (hear_one(stream))
		;
	for (size_t i = 0; i < stream->heard->count; i++)
		count += mark < 0 || stream->heard->packet[i].mark == mark;
	return count;
}

void datagrams_await(struct stream_of_datagrams *stream, int mark, uint64_t count)
{
	uint64_t end_us = time_now_us() + AWAIT_US;

	while (datagrams_heard(stream, mark) < count && time_now_us() < end_us)
		run_loop(5);
	/* Nor do more come. */
	run_loop(20);
	assert_int_equal(datagrams_heard(stream, mark), count);
}

void datagrams_forget(struct stream_of_datagrams *stream)
{
	(void)datagrams_heard(stream, -1);
	stream->heard->count = 0;
	stream->sent = 0;
}

static uint64_t wire_bits(const struct stream_of_datagrams *stream)
{
	uint32_t segment = stream->segment_bytes;
	uint32_t packets = segment ? (stream->payload_bytes + segment - 1) / segment : 1;

	return 8 * (stream->payload_bytes + (uint64_t)packets * IP_UDP_BYTES);
}

bool datagrams_offer(struct stream_of_datagrams *stream, unsigned time_ms)
{
	uint64_t start = time_now_us(), now = start, before, due, done = 0;
	bool late = false;

	while (now - start < time_ms * USEC_PER_MSEC) {
		due = (now - start) * stream->offered_bps / wire_bits(stream) / USEC_PER_SEC;
		/* What finds no room in the socket waits there as it is. */
		for (; done < due; done++)
			for (int i = 0; i < stream->n_talkers; i++)
				(void)say(stream, i);
		(void)datagrams_heard(stream, -1);
		turn();
		usleep(1000);
		before = now;
		now = time_now_us();
		late |= now - before > LATE_US;
	}
	return !late;
}

/* Packets that came as one, or were sent in one go. */
#define TOGETHER_NS 300000

/* Of what arrived since then; what came first only begins the time. */
static double heard_bps(const struct heard *heard, uint64_t since_ns, int mark)
{
	uint64_t first_ns = 0, last_ns = 0, bytes = 0;

	for (size_t i = 0; i < heard->count; i++) {
		if (heard->packet[i].time_ns < since_ns ||
		    (mark >= 0 && heard->packet[i].mark != mark))
			continue;
		if (first_ns == 0)
			first_ns = heard->packet[i].time_ns;
		else if (heard->packet[i].time_ns - first_ns > TOGETHER_NS)
			bytes += heard->packet[i].bytes;
		last_ns = heard->packet[i].time_ns;
	}
	return last_ns > first_ns ? (double)bytes * 8e9 / (double)(last_ns - first_ns) : 0;
}

static bool is_near(double bps, uint64_t rate_bps)
{
	double ratio = bps / (double)rate_bps;

	return ratio > 1 - TOLERANCE && ratio < 1 + TOLERANCE;
}

void assert_rate(struct stream_of_datagrams *stream, uint64_t rate_bps, int mark)
{
	uint64_t since_ns;
	double bps;
	bool fair;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		datagrams_forget(stream);
		/* In one go: while nothing is sent, a bucket fills. */
		since_ns = (time_epoch_us() + SETTLE_MS * USEC_PER_MSEC) * NSEC_PER_USEC;
		fair = datagrams_offer(stream, SETTLE_MS + MEASURE_MS);
		bps = heard_bps(stream->heard, since_ns, mark);
		printf("%.4f of %.3f Mbit/s%s\n", bps / (double)rate_bps,
		       (double)rate_bps / (double)MBIT, fair ? "" : " (disturbed)");
		if (is_near(bps, rate_bps))
			return;
		assert_false(fair);
	}
	skip(); /* others keep this machine too busy */
}

/* --- TCP -------------------------------------------------------------------------------------- */

void connection_open(struct connection *connection)
{
	const struct sockaddr_in address = far_address();
	int listener = far_socket(SOCK_STREAM);
	struct pollfd pollfd = { .fd = listener, .events = POLLIN };

	assert_int_equal(listen(listener, 1), 0);
	connection->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		connect(connection->client, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(poll(&pollfd, 1, 10000), 1);
	connection->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(connection->server >= 0);
	assert_int_equal(fcntl(connection->client, F_SETFL, O_NONBLOCK), 0);
	close(listener);
}

void connection_close(struct connection *connection)
{
	close(connection->client);
	close(connection->server);
}

/* From *now_us on, which is at the end then. What was received since counts. */
static uint64_t stream_for(struct connection *connections, int count, unsigned time_ms,
			   uint64_t *now_us, bool *ret_fair)
{
	static char words[65536];
	uint64_t start = *now_us, now = start, before, bytes = 0;
	ssize_t n;

	*ret_fair = true;
	while (now - start < time_ms * USEC_PER_MSEC) {
		for (int i = 0; i < count; i++) {
			while (send(connections[i].client, words, sizeof(words), MSG_NOSIGNAL) > 0)
				;
			while ((n = recv(connections[i].server, words, sizeof(words), 0)) > 0)
				bytes += (uint64_t)n;
		}
		turn();
		usleep(1000);
		before = now;
		now = time_now_us();
		*ret_fair &= now - before <= LATE_US;
	}
	*now_us = now;
	return bytes;
}

/* Full packets over Ethernet with time stamps. */
static double ip_bps(uint64_t bytes, uint64_t time_us)
{
	return (double)bytes * 1500 / 1448 * 8e6 / (double)time_us;
}

void assert_tcp_rate(struct connection *connections, int count, uint64_t rate_bps)
{
	uint64_t bytes, start_us, now_us = time_now_us();
	double bps;
	bool fair;

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		stream_for(connections, count, SETTLE_MS, &now_us, &fair);
		start_us = now_us;
		bytes = stream_for(connections, count, 2 * MEASURE_MS, &now_us, &fair);
		bps = ip_bps(bytes, now_us - start_us);
		printf("TCP: %.4f of %.3f Mbit/s%s\n", bps / (double)rate_bps,
		       (double)rate_bps / (double)MBIT, fair ? "" : " (disturbed)");
		if (is_near(bps, rate_bps))
			return;
		assert_false(fair);
	}
	skip(); /* others keep this machine too busy */
}
