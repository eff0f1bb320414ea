/* SPDX-License-Identifier: MIT */
/*
 * test_kernel_datapath.c: the kernel datapath with real sockets in a network namespace of its own;
 * what arrives at a receiver decides. Proves, and the way out in the kernel:
 * nothing of a socket is left when its close() has returned.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/kernel/kernel.h"
#include "datapath/sockdiag.h"
#include "net.h"

#define SKIP 77
#define TCX_EGRESS ((enum bpf_attach_type)47)
#define DSCP 46
#define MARK (DSCP << 2)
#define OTHER_DSCP 10
#define OTHER_MARK (OTHER_DSCP << 2)

static struct kernel_datapath *datapath;
static struct kernel_facts facts;

/* --- Helpers ---------------------------------------------------------------------------------- */

/* Every test in the way the kernel likes best, and those about interfaces once more with clsact. */
static bool only_clsact;

static int open_with(const char *const *interfaces, uint32_t max_sockets)
{
	const struct kernel_config config = {
		.interfaces = interfaces,
		.only_clsact = only_clsact,
		.max_sockets = max_sockets,
	};

	return kernel_datapath_open(&config, &facts, &datapath);
}

static int open_datapath(void)
{
	return open_with(NULL, 4096);
}

static int setup(void **state)
{
	only_clsact = false;
	return open_datapath();
}

static int setup_clsact(void **state)
{
	only_clsact = true;
	return open_datapath();
}

static int teardown(void **state)
{
	datapath = kernel_datapath_close(datapath);
	return 0;
}

static struct datapath_treatment treatment(uint8_t dscp)
{
	return (struct datapath_treatment){
		.flow_id = 1,
		.mark = { .set_dscp = true, .dscp = dscp, .set_priority = true, .priority = 5 },
	};
}

static struct datapath_target target_any(int fd)
{
	return (struct datapath_target){ .cookie = socket_cookie(fd),
					 .fd = fd,
					 .any_destination = true };
}

static struct datapath_target target_for(int fd, const struct ear *ear)
{
	struct datapath_target target = { .cookie = socket_cookie(fd), .fd = fd };

	target.destination = ear_address(ear);
	return target;
}

static int apply(const struct datapath_target *target, uint8_t dscp)
{
	const struct datapath_treatment wanted = treatment(dscp);

	return kernel_datapath_ops.apply(datapath, target, &wanted);
}

static void clear(const struct datapath_target *target)
{
	kernel_datapath_ops.clear(datapath, target);
}

static uint64_t count(void)
{
	return kernel_datapath_ops.count(datapath);
}

struct seen {
	uint64_t cookie;
	int closes; /* of this cookie, or of all if it is 0 */
	struct gw_close last;
};

static void on_close(void *user_data, const struct gw_close *event)
{
	struct seen *seen = user_data;

	if (seen->cookie != 0 && event->cookie != seen->cookie)
		return;
	seen->closes++;
	seen->last = *event;
}

static struct seen poll_events(uint64_t cookie)
{
	struct seen seen = { .cookie = cookie };
	bool lost;

	assert_int_equal(kernel_datapath_poll(datapath, on_close, &seen, &lost), 0);
	assert_false(lost);
	return seen;
}

struct wanted_link {
	const char *name;
	bool found;
	struct kernel_link link;
};

static void on_link(void *user_data, const struct kernel_link *link)
{
	struct wanted_link *wanted = user_data;

	if (strcmp(link->name, wanted->name) != 0)
		return;
	wanted->found = true;
	wanted->link = *link;
}

static struct wanted_link find_link(const char *name)
{
	struct wanted_link wanted = { .name = name };

	kernel_datapath_visit_links(datapath, on_link, &wanted);
	return wanted;
}

static bool is_attached(const char *name)
{
	return find_link(name).link.attached;
}

/* What the kernel says, not what we believe. The namespace is ours: whoever is there is we. */
static bool has_tcx(const char *name)
{
	uint32_t ids[4], attached = 4;

	return bpf_prog_query((int)if_nametoindex(name), TCX_EGRESS, 0, NULL, ids, &attached) ==
		       0 &&
	       attached > 0;
}

static bool has_filter(const char *name)
{
	return has_tcx(name) ||
	       net_run("tc filter show dev %s egress | grep -q greenwave_mark", name) == 0;
}

static bool has_clsact(const char *name)
{
	return net_run("tc qdisc show dev %s | grep -q clsact", name) == 0;
}

static bool has_pins(void)
{
	struct stat namespace, pins;
	char path[64];

	assert_int_equal(stat("/proc/self/ns/net", &namespace), 0);
	snprintf(path, sizeof(path), "/sys/fs/bpf/greenwave/%lu", (unsigned long)namespace.st_ino);
	return stat(path, &pins) == 0;
}

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

static void test_clear_socket(void **state)
{
	struct datapath_target target[3];
	struct ear ear[3];
	int fd = mouth_open(AF_INET6, NULL);

	for (int i = 0; i < 3; i++) {
		ear_open(&ear[i], AF_INET6);
		target[i] = target_for(fd, &ear[i]);
		assert_int_equal(apply(&target[i], DSCP), 0);
	}
	kernel_datapath_ops.clear_socket(datapath, socket_cookie(fd), fd);
	assert_int_equal(count(), 0);
	/* What was there before does not come back with a new flow. */
	assert_int_equal(apply(&target[0], DSCP), 0);
	assert_int_equal(apply(&target[1], OTHER_DSCP), 0);
	assert_int_equal(say_and_hear(fd, &ear[0]), MARK);
	assert_int_equal(say_and_hear(fd, &ear[1]), OTHER_MARK);
	assert_int_equal(say_and_hear(fd, &ear[2]), 0);
	for (int i = 0; i < 3; i++)
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
		assert_int_equal(poll(&pollfd, 1, 1000), 1);
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

struct stream {
	int listener;
	int client;
	int server;
	struct sockaddr_in address;
};

static void stream_prepare(struct stream *stream)
{
	socklen_t len = sizeof(stream->address);

	stream->address = (struct sockaddr_in){ .sin_family = AF_INET,
						.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	stream->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	stream->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	stream->server = -1;
	assert_int_equal(bind(stream->listener, (struct sockaddr *)&stream->address, len), 0);
	assert_int_equal(getsockname(stream->listener, (struct sockaddr *)&stream->address, &len),
			 0);
	assert_int_equal(listen(stream->listener, 1), 0);
}

static void stream_connect(struct stream *stream)
{
	assert_int_equal(connect(stream->client, (struct sockaddr *)&stream->address,
				 sizeof(stream->address)),
			 0);
	stream->server = accept4(stream->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(stream->server >= 0);
}

static void stream_close(struct stream *stream)
{
	close(stream->client);
	close(stream->server);
	close(stream->listener);
}

static struct datapath_target stream_target(const struct stream *stream)
{
	struct datapath_target target = { .cookie = socket_cookie(stream->client),
					  .fd = stream->client };

	assert_int_equal(address_from_sockaddr((const struct sockaddr *)&stream->address,
					       sizeof(stream->address), &target.destination),
			 0);
	return target;
}

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
	assert_int_equal(poll_events(0).closes, 1000);
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
	struct seen seen = { 0 };
	struct datapath_target target;
	bool lost;
	int fd;

	for (int i = 0; i < 3000; i++) {
		fd = mouth_open(AF_INET, NULL);
		target = target_any(fd);
		assert_int_equal(apply(&target, DSCP), 0);
		close(fd);
	}
	assert_int_equal(count(), 0);
	assert_int_equal(kernel_datapath_poll(datapath, on_close, &seen, &lost), 0);
	assert_true(lost);
	assert_true(seen.closes > 1000 && seen.closes < 3000);
	assert_int_equal(kernel_datapath_poll(datapath, on_close, &seen, &lost), 0);
	assert_false(lost);
}

/* --- Daemons come and go ---------------------------------------------------------------------- */

static void test_marks_survive_a_crash(void **state)
{
	struct datapath_target kept, dropped, closed;
	struct ear ear;
	int fd[3];

	ear_open(&ear, AF_INET);
	for (int i = 0; i < 3; i++)
		fd[i] = mouth_open(AF_INET, &ear);
	kept = target_for(fd[0], &ear);
	dropped = target_for(fd[1], &ear);
	closed = target_for(fd[2], &ear);
	assert_int_equal(apply(&kept, DSCP), 0);
	assert_int_equal(apply(&dropped, DSCP), 0);
	assert_int_equal(apply(&closed, DSCP), 0);
	datapath = kernel_datapath_abandon(datapath);

	/* Nobody is there. */
	mouth_say(fd[0], NULL);
	assert_int_equal(ear_hear(&ear), MARK);
	close(fd[2]);

	assert_int_equal(open_datapath(), 0);
	assert_true(kernel_datapath_adopted(datapath));
	assert_int_equal(count(), 2);
	mouth_say(fd[0], NULL);
	assert_int_equal(ear_hear(&ear), MARK);

	/* Who comes back keeps its mark, or gets its new one; who does not loses it. */
	assert_int_equal(apply(&kept, OTHER_DSCP), 0);
	assert_int_equal(kernel_datapath_sweep(datapath, NULL, NULL), 1);
	mouth_say(fd[0], NULL);
	assert_int_equal(ear_hear(&ear), OTHER_MARK);
	mouth_say(fd[1], NULL);
	assert_int_equal(ear_hear(&ear), 0);
	assert_int_equal(count(), 1);

	/* The hooks are ours now. */
	close(fd[0]);
	assert_int_equal(count(), 0);
	assert_true(poll_events(kept.cookie).closes >= 1);
	close(fd[1]);
	ear_close(&ear);
	assert_true(!only_clsact || find_link("lo").link.made_clsact);
}

static void test_other_size_starts_afresh(void **state)
{
	int fd = mouth_open(AF_INET, NULL);
	struct datapath_target target = target_any(fd);

	assert_int_equal(apply(&target, DSCP), 0);
	datapath = kernel_datapath_abandon(datapath);
	assert_int_equal(open_with(NULL, 100), 0);
	assert_false(kernel_datapath_adopted(datapath));
	assert_int_equal(count(), 0);
	assert_int_equal(apply(&target, DSCP), 0);
	close(fd);
	assert_int_equal(count(), 0);
}

static void test_one_daemon_per_namespace(void **state)
{
	const struct kernel_config config = { 0 };
	struct kernel_datapath *second = NULL;
	struct kernel_facts second_facts;

	assert_int_equal(kernel_datapath_open(&config, &second_facts, &second), -EBUSY);
	assert_null(second);
	assert_true(has_filter("lo"));
}

/* Two daemons at once: each one's hook sees the other's sockets close and lets them be. */
static void test_daemon_in_another_namespace(void **state)
{
	int fd = mouth_open(AF_INET, NULL), status;
	struct datapath_target target = target_any(fd);
	pid_t child;

	assert_int_equal(apply(&target, DSCP), 0);
	child = fork();
	if (child == 0) {
		struct datapath_target own;
		int r = net_enter(), socket_there;

		datapath = NULL; /* the parent's, which is not ours to close */
		if (r == 0)
			r = open_datapath();
		socket_there = mouth_open(AF_INET, NULL);
		own = target_any(socket_there);
		if (r == 0)
			r = apply(&own, DSCP);
		close(socket_there);
		if (r == 0 && (count() != 0 || !has_filter("lo")))
			r = -1;
		kernel_datapath_close(datapath);
		_exit(r == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(count(), 1);
	close(fd);
	assert_int_equal(count(), 0);
}

static void test_clean_close(void **state)
{
	assert_true(has_filter("lo"));
	assert_int_equal(has_clsact("lo"), !kernel_datapath_has(datapath, KERNEL_TCX));
	assert_true(!kernel_datapath_has(datapath, KERNEL_BPFFS) || has_pins());
	teardown(state);
	assert_false(has_filter("lo"));
	assert_false(has_clsact("lo"));
	assert_false(has_pins());
}

/* --- Interfaces ------------------------------------------------------------------------------- */

#define FOREIGN_ADD "tc filter add dev lo %s protocol all prio %d u32 match u32 0 0 classid 1:1"

static void test_foreign_filters_survive(void **state)
{
	teardown(state);
	assert_int_equal(net_run("tc qdisc add dev lo clsact"), 0);
	assert_int_equal(net_run(FOREIGN_ADD, "egress", 99), 0);
	assert_int_equal(open_datapath(), 0);
	assert_true(has_filter("lo"));
	assert_false(find_link("lo").link.made_clsact);
	teardown(state);
	assert_false(has_filter("lo"));
	assert_int_equal(net_run("tc filter show dev lo egress | grep -q 'pref 99 u32'"), 0);
	assert_int_equal(net_run("tc qdisc del dev lo clsact"), 0);
}

/* The hook is ours, but somebody hung something there later, even in the other direction. */
static void test_hook_in_use_stays(void **state)
{
	assert_true(find_link("lo").link.made_clsact);
	assert_int_equal(net_run(FOREIGN_ADD, "ingress", 99), 0);
	teardown(state);
	assert_true(has_clsact("lo"));
	assert_false(has_filter("lo"));
	assert_int_equal(net_run("tc filter show dev lo ingress | grep -q 'pref 99 u32'"), 0);
	assert_int_equal(net_run("tc qdisc del dev lo clsact"), 0);
}

/* The place of our filter is taken by one of another kind. */
static void test_priority_taken(void **state)
{
	teardown(state);
	assert_int_equal(net_run("tc qdisc add dev lo clsact"), 0);
	assert_int_equal(net_run(FOREIGN_ADD, "egress", 7), 0);
	assert_int_equal(open_datapath(), 0);
	assert_true(has_filter("lo"));
	/* A successor finds it where it is. */
	datapath = kernel_datapath_abandon(datapath);
	assert_int_equal(open_datapath(), 0);
	teardown(state);
	assert_false(has_filter("lo"));
	assert_int_equal(net_run("tc filter show dev lo egress | grep -q 'pref 7 u32'"), 0);
	assert_int_equal(net_run("tc qdisc del dev lo clsact"), 0);
}

static void test_interfaces_come_and_go(void **state)
{
	assert_int_equal(net_run("ip link add gwa type veth peer name gwb"), 0);
	assert_int_equal(kernel_datapath_link_event(datapath), 0);
	assert_true(is_attached("gwa") && has_filter("gwa"));
	assert_true(is_attached("gwb") && has_filter("gwb"));
	assert_int_equal(net_run("ip link set gwa name gwc"), 0);
	assert_int_equal(kernel_datapath_link_event(datapath), 0);
	assert_true(is_attached("gwc") && has_filter("gwc"));
	assert_false(find_link("gwa").found);
	assert_int_equal(net_run("ip link del gwc"), 0);
	assert_int_equal(kernel_datapath_link_event(datapath), 0);
	assert_false(find_link("gwc").found);
	assert_false(find_link("gwb").found);
}

static void test_only_named_interfaces(void **state)
{
	static const char *const names[] = { "gwb", "gwd", NULL };

	/*
	 * What the daemon before us served and we do not is given back, though nobody closed it
	 * cleanly.
	 */
	datapath = kernel_datapath_abandon(datapath);
	assert_int_equal(net_run("ip link add gwa type veth peer name gwb"), 0);
	assert_int_equal(open_with(names, 4096), 0);
	assert_true(has_filter("gwb"));
	assert_false(has_filter("gwa"));
	assert_false(has_filter("lo"));
	assert_false(has_clsact("lo"));
	assert_int_equal(net_run("ip link set gwa name gwd && ip link set gwb name gwe"), 0);
	assert_int_equal(kernel_datapath_link_event(datapath), 0);
	assert_true(is_attached("gwd") && has_filter("gwd"));
	assert_false(has_filter("gwe"));
	assert_false(has_clsact("gwe"));
	teardown(state);
	assert_false(has_filter("gwd"));
	assert_int_equal(net_run("ip link del gwd"), 0);
}

/* Put back, but not for ever. */
static void test_deleted_filter_comes_back(void **state)
{
	assert_int_equal(net_run("tc filter del dev lo egress"), 0);
	assert_false(has_filter("lo"));
	assert_int_equal(kernel_datapath_link_event(datapath), 0);
	assert_true(has_filter("lo"));
	assert_int_equal(net_run("tc qdisc del dev lo clsact"), 0);
	assert_int_equal(kernel_datapath_link_event(datapath), 0);
	assert_true(has_filter("lo"));
	assert_true(find_link("lo").link.made_clsact);
	for (int i = 0; i < 10; i++) {
		net_run("tc filter del dev lo egress 2>/dev/null");
		assert_int_equal(kernel_datapath_link_event(datapath), 0);
	}
	assert_false(has_filter("lo"));
	assert_false(is_attached("lo"));
	teardown(state);
	assert_false(has_clsact("lo"));
}

/* A new daemon, or kernel, has another way: the old one's traces go. */
static void test_change_of_ways(void **state)
{
	int fd = mouth_open(AF_INET, NULL);
	struct datapath_target target = target_any(fd);
	struct ear ear;

	if (!kernel_datapath_has(datapath, KERNEL_TCX))
		skip();
	ear_open(&ear, AF_INET);
	assert_int_equal(apply(&target, DSCP), 0);
	for (int i = 0; i < 3; i++) {
		datapath = kernel_datapath_abandon(datapath);
		only_clsact = !only_clsact;
		assert_int_equal(open_datapath(), 0);
		assert_int_equal(has_clsact("lo"), only_clsact);
		assert_int_equal(has_tcx("lo"), !only_clsact);
		assert_int_equal(say_and_hear(fd, &ear), MARK);
	}
	close(fd);
	ear_close(&ear);
}

/* --- Control groups --------------------------------------------------------------------------- */

static void on_empty(void *user_data, uint64_t group)
{
	*(uint64_t *)user_data = group;
}

static uint64_t wait_empty(void)
{
	struct pollfd pollfd = { .fd = kernel_group_event_fd(datapath), .events = POLLIN };
	uint64_t empty = 0;

	for (int i = 0; i < 20 && empty == 0; i++) {
		poll(&pollfd, 1, 100);
		assert_int_equal(kernel_group_dispatch(datapath, on_empty, &empty), 0);
	}
	return empty;
}

/* Waits for a byte, then sends a datagram and answers a connection; again until the end of file. */
static pid_t start_talker(int pipe_fd[2], const struct ear *ear)
{
	pid_t child;
	char byte;

	assert_int_equal(pipe(pipe_fd), 0);
	child = fork();
	assert_true(child >= 0);
	if (child > 0) {
		close(pipe_fd[0]);
		return child;
	}
	/* Nothing of the datapath's: it is to be opened again while we live. */
	dup2(pipe_fd[0], 3);
	close_range(4, ~0u, 0);
	while (read(3, &byte, 1) == 1) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		sendto(fd, "hello", 5, 0, (const struct sockaddr *)&ear->address, ear->len);
		close(fd);
	}
	_exit(0);
}

static void test_group(void **state)
{
	struct datapath_target target = { .fd = -1, .any_destination = true };
	struct gw_verdict verdict;
	struct ear ear;
	int pipe_fd[2], status;
	pid_t child;

	if (!kernel_datapath_has(datapath, KERNEL_CGROUP2))
		skip();
	ear_open(&ear, AF_INET);
	child = start_talker(pipe_fd, &ear);
	assert_int_equal(kernel_group_create(datapath, child, &target.group), 0);
	assert_int_equal(write(pipe_fd[1], "x", 1), 1);
	assert_int_equal(ear_hear(&ear), 0);
	assert_int_equal(apply(&target, DSCP), 0);
	assert_int_equal(count(), 1);
	assert_int_equal(kernel_group_verdict(datapath, target.group, &verdict), 0);
	assert_int_equal(verdict.dscp, DSCP);
	assert_int_equal(write(pipe_fd[1], "x", 1), 1);
	assert_int_equal(ear_hear(&ear), MARK);
	assert_int_equal(kernel_group_remove(datapath, target.group), -EBUSY);

	/* A daemon's crash is nothing to the group. */
	datapath = kernel_datapath_abandon(datapath);
	assert_int_equal(write(pipe_fd[1], "x", 1), 1);
	assert_int_equal(ear_hear(&ear), MARK);
	assert_int_equal(open_datapath(), 0);
	assert_int_equal(kernel_group_verdict(datapath, target.group, &verdict), 0);

	clear(&target);
	assert_int_equal(count(), 0);
	assert_int_equal(write(pipe_fd[1], "x", 1), 1);
	assert_int_equal(ear_hear(&ear), 0);

	close(pipe_fd[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(wait_empty(), target.group);
	assert_int_equal(kernel_group_remove(datapath, target.group), 0);
	assert_int_equal(kernel_group_remove(datapath, target.group), -ENOENT);
	ear_close(&ear);
}

static bool keep_nothing(void *user_data, uint64_t group)
{
	return false;
}

static bool keep_everything(void *user_data, uint64_t group)
{
	return true;
}

static void test_sweep_groups(void **state)
{
	struct datapath_target target = { .fd = -1, .any_destination = true, .group = 12345678 };

	assert_int_equal(apply(&target, DSCP), 0);
	datapath = kernel_datapath_abandon(datapath);
	assert_int_equal(open_datapath(), 0);
	assert_int_equal(kernel_datapath_sweep(datapath, keep_everything, NULL), 0);
	assert_int_equal(count(), 1);
	assert_int_equal(kernel_datapath_sweep(datapath, keep_nothing, NULL), 1);
	assert_int_equal(count(), 0);
}

/* The server's SYN-ACK belongs to the listening program's group. */
static void test_group_marks_syn_ack(void **state)
{
	struct datapath_target target = { .fd = -1, .any_destination = true };
	int sniffer = sniffer_open("lo"), go[2], ready[2], status;
	struct sniffed sniffed;
	struct stream stream;
	char byte = 0;
	pid_t child;

	if (!kernel_datapath_has(datapath, KERNEL_CGROUP2))
		skip();
	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		/* Sockets belong to the group they were made in. */
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		stream_prepare(&stream);
		if (write(ready[1], &stream.address, sizeof(stream.address)) < 0 ||
		    read(go[0], &byte, 1) < 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(kernel_group_create(datapath, child, &target.group), 0);
	assert_int_equal(apply(&target, DSCP), 0);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(read(ready[0], &stream.address, sizeof(stream.address)),
			 sizeof(stream.address));
	stream.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(stream.client, (struct sockaddr *)&stream.address,
				 sizeof(stream.address)),
			 0);
	sniffed = sniffer_read(sniffer, 4, IPPROTO_TCP, MARK);
	assert_int_equal(sniffed.count, 3);
	assert_int_equal(sniffed.marked, 1);
	assert_int_equal(write(go[1], "x", 1), 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(stream.client);
	clear(&target);
	assert_int_equal(wait_empty(), target.group);
	assert_int_equal(kernel_group_remove(datapath, target.group), 0);
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(ready[i]);
	}
	close(sniffer);
}

/* --- Asking for the state of sockets ---------------------------------------------------------- */

static void test_sockdiag_udp(void **state)
{
	struct sockdiag_query query = { .family = AF_INET, .protocol = IPPROTO_UDP };
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);
	struct sockdiag_state answer;
	struct sockdiag *sockdiag;
	struct ear ear;
	int fd;

	if (!kernel_datapath_has(datapath, KERNEL_SOCK_DIAG))
		skip();
	assert_int_equal(sockdiag_new(&sockdiag), 0);
	ear_open(&ear, AF_INET);
	fd = mouth_open(AF_INET, &ear);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&local, &len), 0);
	assert_int_equal(address_from_sockaddr((struct sockaddr *)&local, len, &query.local), 0);
	query.remote = ear_address(&ear);
	query.cookie = socket_cookie(fd);
	assert_int_equal(sockdiag_find(sockdiag, &query, &answer), 0);
	assert_true(answer.connected);
	assert_int_equal(answer.directions, 0);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_int_equal(sockdiag_find(sockdiag, &query, &answer), 0);
	assert_int_equal(answer.directions, DIRECTION_SEND);
	/* Somebody else at that address is not the one asked for. */
	query.cookie ^= UINT64_C(1) << 60;
	assert_int_equal(sockdiag_find(sockdiag, &query, &answer), -ENOENT);
	query.cookie ^= UINT64_C(1) << 60;
	close(fd);
	assert_int_equal(sockdiag_find(sockdiag, &query, &answer), -ENOENT);
	ear_close(&ear);
	sockdiag_free(sockdiag);
}

static void test_sockdiag_tcp(void **state)
{
	struct sockdiag_query query = { .family = AF_INET, .protocol = IPPROTO_TCP };
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);
	struct sockdiag_state answer;
	struct sockdiag *sockdiag;
	struct stream stream;

	if (!kernel_datapath_has(datapath, KERNEL_SOCK_DIAG))
		skip();
	assert_int_equal(sockdiag_new(&sockdiag), 0);
	stream_prepare(&stream);
	stream_connect(&stream);
	assert_int_equal(getsockname(stream.client, (struct sockaddr *)&local, &len), 0);
	assert_int_equal(address_from_sockaddr((struct sockaddr *)&local, len, &query.local), 0);
	query.remote = stream_target(&stream).destination;
	query.cookie = socket_cookie(stream.client);
	assert_int_equal(sockdiag_find(sockdiag, &query, &answer), 0);
	assert_int_equal(answer.tcp_state, TCP_ESTABLISHED);
	assert_true(answer.connected);
	assert_int_equal(shutdown(stream.client, SHUT_RD), 0);
	assert_int_equal(sockdiag_find(sockdiag, &query, &answer), 0);
	assert_int_equal(answer.directions, DIRECTION_RECEIVE);
	stream_close(&stream);
	sockdiag_free(sockdiag);
}

/* --- What the machine offers ------------------------------------------------------------------ */

static void print_facts(void)
{
	for (int i = 0; i < KERNEL_MECHANISM_COUNT; i++)
		printf("%-18s %-3s %s\n", facts.mechanism[i].name,
		       facts.mechanism[i].present ? "yes" : "no", facts.mechanism[i].note);
}

static void test_facts_agree(void **state)
{
	for (int i = 0; i < KERNEL_MECHANISM_COUNT; i++) {
		assert_int_equal(facts.mechanism[i].present,
				 kernel_datapath_has(datapath, (enum kernel_mechanism)i));
		assert_true(facts.mechanism[i].note[0] != '\0');
	}
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
#define CASE_CLSACT(function)                                                 \
	{                                                                     \
#function " (clsact)", function, setup_clsact, teardown, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_facts_agree),
		CASE(test_ipv4),
		CASE_CLSACT(test_ipv4),
		CASE(test_ipv6),
		CASE_CLSACT(test_ipv6),
		CASE(test_v4_mapped),
		CASE(test_ecn),
		CASE(test_several_destinations),
		CASE(test_clear_socket),
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
		CASE(test_no_resurrection),
		CASE(test_killed_process),
		CASE(test_lost_events),
		CASE(test_marks_survive_a_crash),
		CASE_CLSACT(test_marks_survive_a_crash),
		CASE(test_other_size_starts_afresh),
		CASE_CLSACT(test_other_size_starts_afresh),
		CASE(test_one_daemon_per_namespace),
		CASE(test_daemon_in_another_namespace),
		CASE(test_clean_close),
		CASE_CLSACT(test_clean_close),
		CASE(test_foreign_filters_survive),
		CASE_CLSACT(test_foreign_filters_survive),
		CASE_CLSACT(test_hook_in_use_stays),
		CASE(test_priority_taken),
		CASE_CLSACT(test_priority_taken),
		CASE(test_interfaces_come_and_go),
		CASE_CLSACT(test_interfaces_come_and_go),
		CASE(test_only_named_interfaces),
		CASE_CLSACT(test_only_named_interfaces),
		CASE_CLSACT(test_deleted_filter_comes_back),
		CASE(test_change_of_ways),
		CASE(test_group),
		CASE(test_sweep_groups),
		CASE(test_group_marks_syn_ack),
		CASE(test_sockdiag_udp),
		CASE(test_sockdiag_tcp),
	};
	int r = net_enter();

	if (r < 0) {
		printf("SKIP: no network namespace of our own: %s\n", strerror(-r));
		return SKIP;
	}
	r = open_datapath();
	print_facts();
	if (r < 0) {
		printf("SKIP: no kernel datapath here: %s\n", strerror(-r));
		return SKIP;
	}
	teardown(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
