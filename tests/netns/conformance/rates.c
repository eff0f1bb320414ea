/* SPDX-License-Identifier: MIT */
/*
 * rates.c: Q-105..Q-107, Q-110, Q-111: what a rate does to datagrams, over loopback. There the kernel has no queue
 * that could delay them: with the daemon they are policed, which test_shaping.py judges; in the embedded engine
 * the calls that send keep to the rate.
 *
 * A busy machine may keep a sender from using its rate, but never lets it use more. Who falls short may therefore
 * try again.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "conformance.h"

#define RATE 1000000
#define OFFERED 5000000
#define HEADERS 28 /* IP and UDP */
#define ATTEMPTS 4

static HANDLE h;
static struct sink sink;
static int fd;
static QOS_FLOWID id;

/* Bits of IP that arrived, by their mark, and when. */
struct tally {
	unsigned sent, arrived;
	double marked, unmarked;
	double began, ended;
};

static void prepare(int shaping)
{
	sink = new_sink(AF_INET);
	fd = connected_socket(&sink);
	h = new_handle();
	id = add_flow(h, fd, NULL, QOSTrafficTypeVoice, QOS_NON_ADAPTIVE_FLOW);
	if (!set_rate(h, id, RATE, shaping, 0)) {
		CHECK_EQUAL(GetLastError(), 50);
		item_skip("nothing here can shape to that rate");
	}
}

static void need_pacing(void)
{
	if (!is_embedded())
		item_skip("datagrams on loopback are policed, not delayed");
}

static bool take(struct tally *tally)
{
	static char data[2048];
	union {
		struct cmsghdr align;
		char bytes[256];
	} control;
	struct iovec iov = { data, sizeof(data) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(sink.fd, &message, MSG_DONTWAIT);
	int tos = 0;

	if (n < 0)
		return false;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			tos = *(unsigned char *)CMSG_DATA(c);
	}
	CHECK(tos == 0 || DSCP(tos) == 56);
	*(tos ? &tally->marked : &tally->unmarked) += (double)(n + HEADERS) * 8;
	tally->arrived++;
	return true;
}

/* Sends for a time, as fast as offered and no faster than the calls let it. */
static struct tally flood(size_t payload, double seconds)
{
	static const char block[1400];
	const double gap = (double)(payload + HEADERS) * 8 / OFFERED;
	struct tally tally = { .began = clock_seconds() };
	double now = tally.began, due = now;

	while (now < tally.began + seconds) {
		if (due > now) {
			const struct timespec rest = { .tv_nsec = (long)((due - now) * 1e9) };

			nanosleep(&rest, NULL);
		}
		CHECK(send(fd, block, payload, 0) == (ssize_t)payload);
		tally.sent++;
		while (take(&tally))
			;
		now = clock_seconds();
		due = due + gap > now - 0.1 ? due + gap : now;
	}
	tally.ended = now;
	for (int i = 0; tally.arrived < tally.sent && i < 10000; i++) {
		usleep(1000);
		while (take(&tally))
			;
	}
	CHECK_EQUAL(tally.arrived, tally.sent); /* nothing is lost */
	return tally;
}

static double per_second(const struct tally *tally, double bits)
{
	return bits / (tally->ended - tally->began);
}

/* The bucket's depth (§7.2) may come on top; there is no other excuse for more. */
static bool is_rate(const struct tally *tally, double bits, double expected, double tolerance)
{
	const double rate = per_second(tally, bits);
	const double depth = expected * 0.01 > 24000 ? expected * 0.01 : 24000;

	if (rate > expected * (1 + tolerance) + depth / (tally->ended - tally->began))
		item_failed(__FILE__, __LINE__, "%.0f bit/s, not %.0f", rate, expected);
	return rate >= expected * (1 - tolerance);
}

static double duration(void)
{
	return long_run ? 10 : 2.5;
}

/* All with the one mark, or all without. */
static void check_shaped(size_t payload, int dscp)
{
	double rate = 0;

	for (int i = 0; i < ATTEMPTS; i++) {
		struct tally tally = flood(payload, duration());

		CHECK((dscp ? tally.unmarked : tally.marked) == 0);
		if (is_rate(&tally, tally.marked + tally.unmarked, RATE, 0.02))
			return;
		rate = per_second(&tally, tally.marked + tally.unmarked);
	}
	item_failed(__FILE__, __LINE__, "%.0f bit/s, not %d", rate, RATE);
}

/* When the bucket is empty, who must not wait is told so (§7.2). */
static void check_would_block(void)
{
	int sent = 0;

	while (send(fd, "0123456789", 10, MSG_DONTWAIT) == 10 && sent < 1000)
		sent++;
	CHECK(sent < 1000);
	CHECK_EQUAL(errno, EWOULDBLOCK);
	CHECK_EQUAL(WSAGetLastError(), 10035);
	while (sent-- > 0)
		CHECK_EQUAL(DSCP(byte_received(&sink)), 56);
}

/* And Q-108: nothing is left of it afterwards. */
static void q105(void)
{
	double start;

	need_pacing();
	prepare(QOSShapeAndMark);
	check_shaped(1000, 56);
	check_would_block();
	EXPECT_TRUE(set_rate(h, id, QOS_OUTGOING_DEFAULT_MINIMUM_BANDWIDTH, QOSShapeAndMark, 0));
	CHECK_EQUAL(DSCP(byte_sent(fd, &sink)), 56);
	EXPECT_TRUE(set_rate(h, id, 0, QOSShapeAndMark, 0));
	start = clock_seconds();
	for (int i = 0; i < 1000; i++)
		CHECK_EQUAL(byte_sent(fd, &sink), 0);
	CHECK(clock_seconds() - start < 0.2); /* at the rate: 0.232 s, less the bucket */
}

static void q106(void)
{
	need_pacing();
	prepare(QOSShapeOnly);
	check_shaped(1000, 0);
}

static void q107(void)
{
	double rate = 0;

	prepare(QOSUseNonConformantMarkings);
	for (int i = 0; i < ATTEMPTS; i++) {
		struct tally tally = flood(1000, duration());

		rate = per_second(&tally, tally.marked);
		if (is_rate(&tally, tally.marked + tally.unmarked, OFFERED, 0.05) &&
		    is_rate(&tally, tally.marked, RATE, 0.05))
			return;
	}
	item_failed(__FILE__, __LINE__, "%.0f bit/s are marked, not %d", rate, RATE);
}

static void q110(void)
{
	const double payload_share = 100.0 / (100 + HEADERS);
	double rate = 0;

	need_pacing();
	prepare(QOSShapeAndMark);
	EXPECT_TRUE(set_rate(h, id, 1280000, QOSShapeAndMark, 0));
	for (int i = 0; i < ATTEMPTS; i++) {
		struct tally tally = flood(100, duration());

		if (is_rate(&tally, tally.marked * payload_share, 1000000, 0.02))
			return;
		rate = per_second(&tally, tally.marked * payload_share);
	}
	item_failed(__FILE__, __LINE__, "%.0f bit/s of payload, not 1000000", rate);
}

/* The first 100 ms of a new rate do not count. */
static void q111(void)
{
	const double rates[] = { 4000000, 1000000, 2000000 };

	need_pacing();
	prepare(QOSShapeAndMark);
	for (int i = 0; i < 3; i++) {
		struct tally tally;
		int attempt = 0;

		flood(1000, 0.5);
		do {
			CHECK(attempt++ < ATTEMPTS);
			EXPECT_TRUE(set_rate(h, id, (UINT64)rates[i], QOSShapeAndMark, 0));
			tally = flood(1000, 0.1);
			CHECK(tally.unmarked == 0);
			tally = flood(1000, 1);
			CHECK(tally.unmarked == 0);
		} while (!is_rate(&tally, tally.marked, rates[i], 0.03));
	}
}

const struct item rate_items[] = {
	{ "Q-105", "shaped and marked", q105 },		 { "Q-106", "shaped only", q106 },
	{ "Q-107", "what conforms is marked", q107 },	 { "Q-110", "headers count", q110 },
	{ "Q-111", "another rate while sending", q111 }, { 0 },
};
