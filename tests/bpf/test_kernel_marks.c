/* SPDX-License-Identifier: MIT */
/*
 * test_kernel_marks.c: the kernel datapath with real sockets; what arrives at a receiver decides.
 * Proves, and the way out in the kernel: nothing of a socket is left when its
 * close() has returned.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel_world.h"

/* --- Marks ------------------------------------------------------------------------------------ */

static void check_connected(int mouth_family, int ear_family)
{
	struct datapath_target target;
	struct ear ear;
	int fd, other;

	ear_open(&ear, ear_family);
	fd = mouth_open(mouth_family, NULL);
	other = mouth_open(ear_family, &ear);
	if (mouth_family != ear_family) {
		/* A dual-stack socket that talks to an IPv4 host. */
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)&ear.address;
		struct sockaddr_in6 mapped = { .sin6_family = AF_INET6, .sin6_port = v4->sin_port };

		mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
		memcpy(mapped.sin6_addr.s6_addr + 12, &v4->sin_addr, 4);
		assert_int_equal(connect(fd, (struct sockaddr *)&mapped, sizeof(mapped)), 0);
	} else {
		assert_int_equal(connect(fd, (struct sockaddr *)&ear.address, ear.len), 0);
	}
	target = target_for(fd, &ear);

	mouth_say(fd, NULL);
	assert_int_equal(ear_hear(&ear), 0);
	assert_int_equal(apply(&target, DSCP), 0);
	assert_int_equal(count(), 1);
	mouth_say(fd, NULL);
	assert_int_equal(ear_hear(&ear), MARK);
	/* */
	mouth_say(other, NULL);
	assert_int_equal(ear_hear(&ear), 0);
	clear(&target);
	assert_int_equal(count(), 0);
	mouth_say(fd, NULL);
	assert_int_equal(ear_hear(&ear), 0);

	close(fd);
	close(other);
	ear_close(&ear);
}

static void test_ipv4(void **state)
{
	check_connected(AF_INET, AF_INET);
}

static void test_ipv6(void **state)
{
	check_connected(AF_INET6, AF_INET6);
}

static void test_v4_mapped(void **state)
{
	check_connected(AF_INET6, AF_INET);
}

/* what the application has set in the two lowest bits. */
static void test_ecn(void **state)
{
	struct datapath_target target;
	struct ear ear;
	int fd;

	ear_open(&ear, AF_INET);
	fd = mouth_open(AF_INET, &ear);
	target = target_for(fd, &ear);
	assert_int_equal(apply(&target, DSCP), 0);
	for (int ecn = 0; ecn < 4; ecn++) {
		const int tos = 0x20 | ecn;

		assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), 0);
		mouth_say(fd, NULL);
		assert_int_equal(ear_hear(&ear), MARK | ecn);
	}
	close(fd);
	ear_close(&ear);
}

/* */
static void test_several_destinations(void **state)
{
	struct datapath_target target[4], any;
	struct ear ear[4];
	int fd = mouth_open(AF_INET, NULL);

	for (int i = 0; i < 4; i++) {
		ear_open(&ear[i], AF_INET);
		target[i] = target_for(fd, &ear[i]);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(apply(&target[i], (uint8_t)(DSCP - i)), 0);
	assert_int_equal(count(), 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(say_and_hear(fd, &ear[i]), (DSCP - i) << 2);
	assert_int_equal(say_and_hear(fd, &ear[3]), 0);

	/* Changed in place, then ended one by one; also without a descriptor, as the engine may. */
	target[1].fd = -1;
	assert_int_equal(apply(&target[1], OTHER_DSCP), 0);
	assert_int_equal(say_and_hear(fd, &ear[1]), OTHER_MARK);
	clear(&target[0]);
	assert_int_equal(say_and_hear(fd, &ear[0]), 0);
	assert_int_equal(say_and_hear(fd, &ear[2]), (DSCP - 2) << 2);

	any = target_any(fd);
	assert_int_equal(apply(&any, 20), 0);
	assert_int_equal(say_and_hear(fd, &ear[0]), 20 << 2);
	assert_int_equal(say_and_hear(fd, &ear[3]), 20 << 2);
	assert_int_equal(say_and_hear(fd, &ear[1]), OTHER_MARK);
	clear(&any);
	clear(&target[1]);
	assert_int_equal(say_and_hear(fd, &ear[1]), 0);
	assert_int_equal(say_and_hear(fd, &ear[2]), (DSCP - 2) << 2);
	clear(&target[2]);
	assert_int_equal(say_and_hear(fd, &ear[2]), 0);
	assert_int_equal(count(), 0);

	for (int i = 0; i < 4; i++)
		ear_close(&ear[i]);
	close(fd);
}

static void test_table_full(void **state)
{
	struct datapath_target target;
	int fd[5];

	teardown(state);
	assert_int_equal(open_with(NULL, 4), 0);
	for (int i = 0; i < 5; i++) {
		fd[i] = mouth_open(AF_INET, NULL);
		target = target_any(fd[i]);
		assert_int_equal(apply(&target, DSCP), i < 4 ? 0 : -ENOSPC);
	}
	assert_int_equal(count(), 4);
	for (int i = 0; i < 5; i++)
		close(fd[i]);
	assert_int_equal(count(), 0);
}

static void check_fragments(int family)
{
	static const char words[4000];
	int version = family == AF_INET ? 4 : 6;
	int sniffer = sniffer_open("lo");
	struct datapath_target target;
	struct sniffed sniffed;
	struct ear ear;
	int fd;

	assert_int_equal(net_run("ip link set lo mtu 1500"), 0);
	ear_open(&ear, family);
	fd = mouth_open(family, &ear);
	target = target_for(fd, &ear);
	assert_int_equal(apply(&target, DSCP), 0);
	sniffer_read(sniffer, version, IPPROTO_UDP, MARK);
	assert_int_equal(send(fd, words, sizeof(words), 0), sizeof(words));
	assert_int_equal(ear_hear(&ear), MARK);
	sniffed = sniffer_read(sniffer, version, IPPROTO_UDP, MARK);
	assert_int_equal(sniffed.count, 3);
	assert_int_equal(sniffed.marked, 3);
	close(fd);
	close(sniffer);
	ear_close(&ear);
	assert_int_equal(net_run("ip link set lo mtu 65536"), 0);
}

static void test_fragments(void **state)
{
	check_fragments(AF_INET);
	check_fragments(AF_INET6);
}

/* A link without an Ethernet header. */
static void test_tun(void **state)
{
	struct ifreq request = { .ifr_name = "gwtun0", .ifr_flags = IFF_TUN | IFF_NO_PI };
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(5004) };
	uint8_t packet[2048] = { 0 };
	struct datapath_target target;
	int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct pollfd pollfd = { .fd = tun, .events = POLLIN };
	int fd;

	if (tun < 0 || ioctl(tun, TUNSETIFF, &request) < 0)
		skip();
	assert_int_equal(net_run("ip addr add 192.0.2.1/24 dev gwtun0 && ip link set gwtun0 up"),
			 0);
	assert_int_equal(kernel_datapath_link_event(datapath), 0);
	assert_true(is_attached("gwtun0"));

	peer.sin_addr.s_addr = htonl(0xc0000202);
	fd = mouth_open(AF_INET, NULL);
	assert_int_equal(connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
	target = target_any(fd);
	assert_int_equal(apply(&target, DSCP), 0);
	assert_int_equal(send(fd, "hello", 5, 0), 5);
	do {
		assert_int_equal(poll(&pollfd, 1, 10000), 1);
		assert_true(read(tun, packet, sizeof(packet)) > 0);
	} while (packet[0] >> 4 != 4); /* IPv6 speaks up by itself */
	assert_int_equal(packet[1], MARK);
	close(fd);
	close(tun);
	assert_int_equal(kernel_datapath_link_event(datapath), 0);
	assert_false(find_link("gwtun0").found);
}

/*
 * Kinds of links that a kernel need not have: what is sent through them, seen on them. 192.0.2.2 is
 * behind the link, which is called gwlink.
 */
static void check_link(const char *create)
{
	struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(5004) };
	struct datapath_target target;
	struct sniffed sniffed;
	int fd, sniffer;

	if (net_run("(%s) 2>/dev/null", create) != 0) {
		net_run("ip link del gwpeer 2>/dev/null");
		skip();
	}
	assert_int_equal(net_run("ip addr add 192.0.2.1/24 dev gwlink && ip link set gwlink up"),
			 0);
	net_run("ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:02 dev gwlink 2>/dev/null");
	assert_int_equal(kernel_datapath_link_event(datapath), 0);
	assert_true(is_attached("gwlink"));
	sniffer = sniffer_open("gwlink");
	peer.sin_addr.s_addr = htonl(0xc0000202);
	fd = mouth_open(AF_INET, NULL);
	assert_int_equal(connect(fd, (struct sockaddr *)&peer, sizeof(peer)), 0);
	target = target_any(fd);
	target.any_destination = false;
	assert_int_equal(address_from_sockaddr((struct sockaddr *)&peer, sizeof(peer),
					       &target.destination),
			 0);
	assert_int_equal(apply(&target, DSCP), 0);
	/* More than the shortest packet that the sniffer looks at. */
	assert_int_equal(send(fd, "twelve bytes and more", 22, 0), 22);
	sniffed = sniffer_read(sniffer, 4, IPPROTO_UDP, MARK);
	assert_int_equal(sniffed.count, 1);
	assert_int_equal(sniffed.marked, 1);
	close(fd);
	close(sniffer);
	assert_int_equal(net_run("ip link del gwlink"), 0);
}

static void test_veth(void **state)
{
	check_link("ip link add gwlink type veth peer name gwpeer && ip link set gwpeer up");
}

static void test_vlan(void **state)
{
	check_link("ip link add gwpeer type veth peer name gwother && ip link set gwpeer up && "
		   "ip link set gwother up && ip link add link gwpeer name gwlink type vlan id 3");
	net_run("ip link del gwpeer 2>/dev/null");
}

static void test_ipip(void **state)
{
	check_link("ip link add gwlink type ipip local 127.0.0.1 remote 127.0.0.2");
}

static void test_gre(void **state)
{
	check_link("ip link add gwlink type gre local 127.0.0.1 remote 127.0.0.2");
}

/* --- TCP -------------------------------------------------------------------------------------- */

/* The client's half, from SYN to data; the server's half stays unmarked. */
static void test_tcp(void **state)
{
	int sniffer = sniffer_open("lo");
	struct datapath_target target;
	struct sniffed sniffed;
	struct stream stream;
	char word[4];

	stream_prepare(&stream);
	target = stream_target(&stream);
	assert_int_equal(apply(&target, DSCP), 0);
	stream_connect(&stream);
	assert_int_equal(send(stream.client, "ping", 4, 0), 4);
	assert_int_equal(recv(stream.server, word, 4, MSG_WAITALL), 4);
	sniffed = sniffer_read(sniffer, 4, IPPROTO_TCP, MARK);
	/* SYN, its acknowledgement, data; and the server's SYN-ACK and acknowledgement. */
	assert_int_equal(sniffed.marked, 3);
	assert_true(sniffed.count > sniffed.marked);

	/* What is longer than a header shares its memory with the send queue. */
	clear(&target);
	assert_int_equal(apply(&target, OTHER_DSCP), 0);
	for (int i = 0; i < 50; i++) {
		char piece[20000] = { 0 };

		assert_int_equal(send(stream.client, piece, sizeof(piece), 0), sizeof(piece));
		assert_int_equal(recv(stream.server, piece, sizeof(piece), MSG_WAITALL),
				 sizeof(piece));
		sniffed = sniffer_read(sniffer, 4, IPPROTO_TCP, OTHER_MARK);
		assert_true(sniffed.marked >= 1);
	}
	stream_close(&stream);
	close(sniffer);
}

static void test_tcp_shutdown_ends(void **state)
{
	struct datapath_target target;
	struct stream stream;
	struct seen seen;

	if (!kernel_datapath_has(datapath, KERNEL_STATE_TRACEPOINT))
		skip();
	stream_prepare(&stream);
	stream_connect(&stream);
	target = stream_target(&stream);
	target.end_on = TARGET_END_ON_SHUTDOWN;
	assert_int_equal(apply(&target, DSCP), 0);
	assert_int_equal(shutdown(stream.client, SHUT_WR), 0);
	assert_false(kernel_datapath_contains(datapath, target.cookie));
	seen = poll_events(target.cookie);
	assert_int_equal(seen.closes, 1);
	assert_int_equal(seen.last.cause, GW_CLOSE_SHUTDOWN);
	assert_int_equal(seen.last.how, SHUT_WR);
	assert_int_equal(seen.last.removed, 1);
	stream_close(&stream);
}

static void test_tcp_shutdown_only_reported(void **state)
{
	struct datapath_target target;
	struct stream stream;
	struct seen seen;

	if (!kernel_datapath_has(datapath, KERNEL_STATE_TRACEPOINT))
		skip();
	stream_prepare(&stream);
	stream_connect(&stream);
	target = stream_target(&stream);
	assert_int_equal(apply(&target, DSCP), 0);
	assert_int_equal(shutdown(stream.client, SHUT_WR), 0);
	assert_true(kernel_datapath_contains(datapath, target.cookie));
	seen = poll_events(target.cookie);
	assert_true(seen.closes >= 1);
	assert_int_equal(seen.last.cause, GW_CLOSE_SHUTDOWN);
	assert_int_equal(seen.last.removed, 0);
	stream_close(&stream);
	assert_false(kernel_datapath_contains(datapath, target.cookie));
}

static void test_tcp_disconnect(void **state)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct datapath_target target;
	struct stream stream;
	struct seen seen;

	if (!kernel_datapath_has(datapath, KERNEL_STATE_TRACEPOINT))
		skip();
	stream_prepare(&stream);
	stream_connect(&stream);
	target = stream_target(&stream);
	target.end_on = TARGET_END_ON_DISCONNECT;
	assert_int_equal(apply(&target, DSCP), 0);
	assert_int_equal(connect(stream.client, &none, sizeof(none)), 0);
	assert_false(kernel_datapath_contains(datapath, target.cookie));
	seen = poll_events(target.cookie);
	assert_int_equal(seen.last.cause, GW_CLOSE_DISCONNECT);
	assert_int_equal(seen.last.removed, 1);
	stream_close(&stream);
}

static void test_udp_shutdown_and_disconnect(void **state)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct datapath_target target;
	struct ear ear;
	int fd;

	if (!kernel_datapath_has(datapath, KERNEL_FENTRY_SHUTDOWN) ||
	    !kernel_datapath_has(datapath, KERNEL_FENTRY_DISCONNECT))
		skip();
	ear_open(&ear, AF_INET);
	fd = mouth_open(AF_INET, &ear);
	target = target_for(fd, &ear);
	target.end_on = TARGET_END_ON_SHUTDOWN | TARGET_END_ON_DISCONNECT;
	assert_int_equal(apply(&target, DSCP), 0);
	assert_int_equal(shutdown(fd, SHUT_RD), 0);
	assert_true(kernel_datapath_contains(datapath, target.cookie));
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_false(kernel_datapath_contains(datapath, target.cookie));
	assert_int_equal(apply(&target, DSCP), 0);
	assert_int_equal(connect(fd, &none, sizeof(none)), 0);
	assert_false(kernel_datapath_contains(datapath, target.cookie));
	close(fd);
	ear_close(&ear);
}

/* --- The end of sockets ----------------------------------------------------------------------- */

static void test_close_removes_before_it_returns(void **state)
{
	struct datapath_target target;
	struct seen seen;
	struct ear ear;
	int fd;

	if (!kernel_datapath_has(datapath, KERNEL_SOCK_RELEASE))
		skip();
	ear_open(&ear, AF_INET);
	poll_events(0);
	for (int i = 0; i < 1000; i++) {
		fd = i % 2 ? mouth_open(AF_INET, &ear)
			   : socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		target = target_any(fd);
		assert_int_equal(apply(&target, DSCP), 0);
		close(fd);
		assert_false(kernel_datapath_contains(datapath, target.cookie));
	}
	seen = poll_events(0);
	assert_int_equal(seen.closes, 1000);
	assert_false(seen.lost);
	assert_int_equal(count(), 0);
	ear_close(&ear);
}

static void test_last_copy_counts(void **state)
{
	int fd = mouth_open(AF_INET, NULL), copy = dup(fd);
	struct datapath_target target = target_any(fd);

	assert_int_equal(apply(&target, DSCP), 0);
	close(fd);
	assert_true(kernel_datapath_contains(datapath, target.cookie));
	close(copy);
	assert_false(kernel_datapath_contains(datapath, target.cookie));
}

/* An entry that only watches does nothing to packets, stays when marks go, and sees the end. */
static void test_watched(void **state)
{
	const struct datapath_treatment watched = { .flow_id = 2, .watched = true };
	struct datapath_target any, one;
	struct seen seen;
	struct ear ear;
	int fd;

	ear_open(&ear, AF_INET);
	fd = mouth_open(AF_INET, NULL);
	any = target_any(fd);
	one = target_for(fd, &ear);
	any.end_on = one.end_on = TARGET_WATCHED;
	assert_int_equal(kernel_datapath_ops.apply(datapath, &any, &watched), 0);
	assert_int_equal(count(), 1);
	assert_int_equal(say_and_hear(fd, &ear), 0);
	assert_int_equal(apply(&one, DSCP), 0);
	assert_int_equal(say_and_hear(fd, &ear), MARK);
	clear(&one);
	assert_int_equal(say_and_hear(fd, &ear), 0);
	/* The place of another that has gone: also one for every destination. */
	assert_int_equal(apply(&any, OTHER_DSCP), 0);
	assert_int_equal(say_and_hear(fd, &ear), OTHER_MARK);
	assert_int_equal(kernel_datapath_ops.apply(datapath, &any, &watched), 0);
	assert_int_equal(say_and_hear(fd, &ear), 0);
	assert_true(kernel_datapath_contains(datapath, any.cookie));

	/* When nobody watches any more, what is left is what has a mark. */
	assert_int_equal(apply(&one, DSCP), 0);
	any.end_on = one.end_on = 0;
	clear(&any);
	assert_int_equal(say_and_hear(fd, &ear), MARK);
	clear(&one);
	assert_int_equal(count(), 0);

	any.end_on = TARGET_WATCHED;
	assert_int_equal(kernel_datapath_ops.apply(datapath, &any, &watched), 0);
	poll_events(0);
	close(fd);
	if (kernel_datapath_has(datapath, KERNEL_SOCK_RELEASE)) {
		assert_false(kernel_datapath_contains(datapath, any.cookie));
		seen = poll_events(any.cookie);
		assert_int_equal(seen.closes, 1);
		assert_int_equal(seen.last.cause, GW_CLOSE_RELEASED);
	}
	ear_close(&ear);
}

/* Nothing brings a closed socket back. */
static void test_no_resurrection(void **state)
{
	struct ear ear[2];
	struct datapath_target target[2];
	int fd = mouth_open(AF_INET, NULL);

	for (int i = 0; i < 2; i++) {
		ear_open(&ear[i], AF_INET);
		target[i] = target_for(fd, &ear[i]);
		assert_int_equal(apply(&target[i], DSCP), 0);
	}
	close(fd);
	for (int i = 0; i < 2; i++) {
		target[i].fd = -1;
		assert_int_equal(apply(&target[i], DSCP), -ENOENT);
		clear(&target[i]);
		ear_close(&ear[i]);
	}
	assert_int_equal(count(), 0);
}

static void test_killed_process(void **state)
{
	struct datapath_target target;
	int fd = mouth_open(AF_INET, NULL), status;
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	assert_true(child > 0);
	target = target_any(fd);
	assert_int_equal(apply(&target, DSCP), 0);
	close(fd); /* the child has the last copy */
	assert_true(kernel_datapath_contains(datapath, target.cookie));
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_false(kernel_datapath_contains(datapath, target.cookie));
}

/* More endings than the ring buffer holds: they are done all the same, and the loss is told. */
static void test_lost_events(void **state)
{
	struct seen seen;
	struct datapath_target target;
	int fd;

	for (int i = 0; i < 3000; i++) {
		fd = mouth_open(AF_INET, NULL);
		target = target_any(fd);
		assert_int_equal(apply(&target, DSCP), 0);
		close(fd);
	}
	assert_int_equal(count(), 0);
	seen = poll_events(0);
	assert_true(seen.lost);
	assert_true(seen.closes > 1000 && seen.closes < 3000);
	assert_false(poll_events(0).lost);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_ipv4),
		CASE_CLSACT(test_ipv4),
		CASE(test_ipv6),
		CASE_CLSACT(test_ipv6),
		CASE(test_v4_mapped),
		CASE(test_ecn),
		CASE(test_several_destinations),
		CASE(test_table_full),
		CASE(test_fragments),
		CASE_CLSACT(test_fragments),
		CASE(test_tun),
		CASE_CLSACT(test_tun),
		CASE(test_veth),
		CASE(test_vlan),
		CASE(test_ipip),
		CASE(test_gre),
		CASE(test_tcp),
		CASE_CLSACT(test_tcp),
		CASE(test_tcp_shutdown_ends),
		CASE(test_tcp_shutdown_only_reported),
		CASE(test_tcp_disconnect),
		CASE(test_udp_shutdown_and_disconnect),
		CASE(test_close_removes_before_it_returns),
		CASE(test_last_copy_counts),
		CASE(test_watched),
		CASE(test_no_resurrection),
		CASE(test_killed_process),
		CASE(test_lost_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_kernel_tests(run);
}
