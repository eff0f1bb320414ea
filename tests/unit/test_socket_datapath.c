/* SPDX-License-Identifier: MIT */
/*
 * Tests of datapath/socket on real sockets over loopback: what arrives, what the options say, and
 * what is left when the treatment ends. Run twice, as whoever runs the tests and, if that is root,
 * as nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "datapath/identity.h"
#include "datapath/queue.h"
#include "datapath/socket/socket.h"

/* A sender and the socket that its datagrams arrive at. */
enum pair_kind { PAIR_V4, PAIR_V6, PAIR_MAPPED, PAIR_KIND_COUNT };

struct pair {
	enum pair_kind kind;
	int family; /* of the sender */
	int tx, rx;
	uint64_t cookie;
	struct sockaddr_storage to;
	socklen_t to_len;
	struct address destination;
};

static struct socket_datapath *datapath;

/* ---- sockets ---- */

static int get_int(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &size), 0);
	return value;
}

static void set_int(int fd, int level, int name, int value)
{
	assert_int_equal(setsockopt(fd, level, name, &value, sizeof(value)), 0);
}

static int get_tos(int fd)
{
	return get_int(fd, IPPROTO_IP, IP_TOS);
}

static int get_traffic_class(int fd)
{
	return get_int(fd, IPPROTO_IPV6, IPV6_TCLASS);
}

static int get_priority(int fd)
{
	return get_int(fd, SOL_SOCKET, SO_PRIORITY);
}

static int priority_max(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), seven = 7, r;

	assert_true(fd >= 0);
	r = setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &seven, sizeof(seven));
	close(fd);
	return r == 0 ? 7 : 6;
}

static bool have_ipv6(void)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = -1;

	if (fd >= 0) {
		r = bind(fd, (struct sockaddr *)&sin6, sizeof(sin6));
		close(fd);
	}
	return r == 0;
}

static void need_ipv6(enum pair_kind kind)
{
	if (kind == PAIR_V4 || have_ipv6())
		return;
	print_message("SKIP: no IPv6 on loopback\n");
	skip();
}

static int open_receiver(int family, struct sockaddr_storage *ret_address, socklen_t *ret_len)
{
	const struct timeval timeout = { .tv_sec = 5 };
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		((struct sockaddr_in *)ret_address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		set_int(fd, IPPROTO_IP, IP_RECVTOS, 1);
	} else {
		((struct sockaddr_in6 *)ret_address)->sin6_addr = in6addr_loopback;
		set_int(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
	}
	*ret_len = sizeof(*ret_address);
	assert_int_equal(bind(fd, (struct sockaddr *)ret_address, *ret_len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)ret_address, ret_len), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)), 0);
	return fd;
}

/* The same address as a dual-stack socket is given it. */
static void map_address(struct sockaddr_storage *address, socklen_t *len)
{
	struct sockaddr_in sin = *(struct sockaddr_in *)address;
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)address;

	memset(address, 0, sizeof(*address));
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = sin.sin_port;
	sin6->sin6_addr.s6_addr[10] = 0xff;
	sin6->sin6_addr.s6_addr[11] = 0xff;
	memcpy(sin6->sin6_addr.s6_addr + 12, &sin.sin_addr, 4);
	*len = sizeof(*sin6);
}

static struct pair open_pair(enum pair_kind kind)
{
	struct pair pair = { .kind = kind, .family = kind == PAIR_V4 ? AF_INET : AF_INET6 };

	need_ipv6(kind);
	pair.rx = open_receiver(kind == PAIR_V6 ? AF_INET6 : AF_INET, &pair.to, &pair.to_len);
	if (kind == PAIR_MAPPED)
		map_address(&pair.to, &pair.to_len);
	pair.tx = socket(pair.family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(pair.tx >= 0);
	assert_int_equal(socket_cookie_read(pair.tx, &pair.cookie), 0);
	assert_int_equal(address_from_sockaddr((struct sockaddr *)&pair.to, pair.to_len,
					       &pair.destination),
			 0);
	return pair;
}

static void close_pair(struct pair *pair)
{
	close(pair->tx);
	close(pair->rx);
}

/* Sends one datagram and says which TOS or traffic class byte it arrived with. */
static int byte_on_wire(const struct pair *pair)
{
	char data, control[64];
	struct iovec iov = { .iov_base = &data, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	int value = -1;

	assert_int_equal(
		sendto(pair->tx, "x", 1, 0, (const struct sockaddr *)&pair->to, pair->to_len), 1);
	assert_int_equal(recvmsg(pair->rx, &message, 0), 1);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			value = *CMSG_DATA(c);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			memcpy(&value, CMSG_DATA(c), sizeof(value));
	}
	return value;
}

/* ---- requests ---- */

static struct datapath_target target_of(const struct pair *pair)
{
	return (struct datapath_target){ .cookie = pair->cookie,
					 .fd = pair->tx,
					 .family = pair->family,
					 .protocol = IPPROTO_UDP,
					 .destination = pair->destination };
}

/* The n-th other destination of the same socket. */
static struct datapath_target other_target(const struct pair *pair, uint16_t n)
{
	struct datapath_target target = target_of(pair);

	target.destination.port = (uint16_t)(pair->destination.port + n);
	return target;
}

static int apply_mark(const struct datapath_target *target, uint32_t flow_id, struct mark mark)
{
	struct datapath_treatment treatment = { .flow_id = flow_id, .mark = mark };

	return socket_datapath_ops.apply(datapath, target, &treatment);
}

static int apply(const struct datapath_target *target, uint32_t flow_id,
		 enum gw_class traffic_class)
{
	return apply_mark(target, flow_id, class_mark(&mark_profile_windows, traffic_class));
}

static void clear(const struct datapath_target *target)
{
	socket_datapath_ops.clear(datapath, target);
}

static int setup(void **state)
{
	(void)state;
	datapath = socket_datapath_new();
	return datapath ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	datapath = socket_datapath_free(datapath);
	return 0;
}

/* ---- marking ---- */

static void check_classes(enum pair_kind kind)
{
	static const struct {
		enum gw_class traffic_class;
		int byte, priority;
	} table[] = {
		{ GW_CLASS_BEST_EFFORT, 0x00, 0 },
		{ GW_CLASS_BACKGROUND, 0x20, 2 },
		{ GW_CLASS_EXCELLENT_EFFORT, 0xa0, 5 },
		{ GW_CLASS_AUDIO_VIDEO, 0xa0, 5 },
		{ GW_CLASS_VOICE, 0xe0, 7 },
		{ GW_CLASS_CONTROL, 0xe0, 7 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct pair pair = open_pair(kind);
		struct datapath_target target = target_of(&pair);
		int expected = table[i].priority > priority_max() ? 6 : table[i].priority;

		assert_int_equal(byte_on_wire(&pair), 0);
		assert_int_equal(apply(&target, 1, table[i].traffic_class), 0);
		assert_int_equal(byte_on_wire(&pair), table[i].byte);
		assert_int_equal(get_priority(pair.tx), expected);
		clear(&target);
		assert_int_equal(byte_on_wire(&pair), 0);
		assert_int_equal(get_priority(pair.tx), 0);
		close_pair(&pair);
	}
}

/* Q-077..Q-083, Q-092 and Q-073 by socket options */
static void test_classes_v4(void **state)
{
	(void)state;
	check_classes(PAIR_V4);
}

static void test_classes_v6(void **state)
{
	(void)state;
	check_classes(PAIR_V6);
}

static void test_classes_mapped(void **state)
{
	(void)state;
	check_classes(PAIR_MAPPED);
}

/* every DSCP with every ECN value, and the application's own byte afterwards */
static void check_ecn(enum pair_kind kind)
{
	struct pair pair = open_pair(kind);
	struct datapath_target target = target_of(&pair);

	for (int dscp = 0; dscp <= DSCP_MAX; dscp++) {
		for (int ecn = 0; ecn < 4; ecn++) {
			struct mark mark = { .set_dscp = true, .dscp = (uint8_t)dscp };
			int own = 10 << 2 | ecn;

			set_int(pair.tx, IPPROTO_IP, IP_TOS, own);
			if (pair.family == AF_INET6)
				set_int(pair.tx, IPPROTO_IPV6, IPV6_TCLASS, own);
			assert_int_equal(apply_mark(&target, 1, mark), 0);
			assert_int_equal(byte_on_wire(&pair), dscp << 2 | ecn);
			clear(&target);
			assert_int_equal(byte_on_wire(&pair), own);
		}
	}
	close_pair(&pair);
}

static void test_ecn_v4(void **state)
{
	(void)state;
	check_ecn(PAIR_V4);
}

static void test_ecn_v6(void **state)
{
	(void)state;
	check_ecn(PAIR_V6);
}

static void test_ecn_mapped(void **state)
{
	(void)state;
	check_ecn(PAIR_MAPPED);
}

/* */
static void test_best_effort_leaves_own_mark(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target target = target_of(&pair);

	(void)state;
	set_int(pair.tx, IPPROTO_IP, IP_TOS, 0x68);
	set_int(pair.tx, SOL_SOCKET, SO_PRIORITY, 3);
	assert_int_equal(apply(&target, 1, GW_CLASS_BEST_EFFORT), 0);
	assert_int_equal(byte_on_wire(&pair), 0x68);
	assert_int_equal(get_priority(pair.tx), 3);
	clear(&target);
	assert_int_equal(byte_on_wire(&pair), 0x68);
	assert_int_equal(get_priority(pair.tx), 3);
	close_pair(&pair);
}

/* A mark without priority must not bring the one that IP_TOS implies. */
static void test_dscp_alone_keeps_priority(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target target = target_of(&pair);

	(void)state;
	set_int(pair.tx, SOL_SOCKET, SO_PRIORITY, 1);
	assert_int_equal(apply_mark(&target, 1, (struct mark){ .set_dscp = true, .dscp = 46 }), 0);
	assert_int_equal(byte_on_wire(&pair), 46 << 2);
	assert_int_equal(get_priority(pair.tx), 1);
	close_pair(&pair);
}

static void test_v6_only_socket(void **state)
{
	struct pair pair = open_pair(PAIR_V6);
	struct datapath_target target = target_of(&pair);

	(void)state;
	set_int(pair.tx, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	assert_int_equal(apply(&target, 1, GW_CLASS_AUDIO_VIDEO), 0);
	assert_int_equal(byte_on_wire(&pair), 0xa0);
	clear(&target);
	assert_int_equal(byte_on_wire(&pair), 0);
	close_pair(&pair);
}

static void check_tcp(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct datapath_target target = {
		.fd = fd, .family = family, .protocol = IPPROTO_TCP, .any_destination = true
	};

	assert_true(fd >= 0);
	assert_int_equal(socket_cookie_read(fd, &target.cookie), 0);
	assert_int_equal(apply(&target, 1, GW_CLASS_AUDIO_VIDEO), 0);
	assert_int_equal(get_tos(fd), 0xa0);
	if (family == AF_INET6)
		assert_int_equal(get_traffic_class(fd), 0xa0);
	assert_int_equal(get_priority(fd), 5);
	clear(&target);
	assert_int_equal(get_tos(fd), 0);
	if (family == AF_INET6)
		assert_int_equal(get_traffic_class(fd), 0);
	assert_int_equal(get_priority(fd), 0);
	close(fd);
}

static void test_tcp(void **state)
{
	(void)state;
	check_tcp(AF_INET);
	need_ipv6(PAIR_V6);
	check_tcp(AF_INET6);
}

/* ---- what the application does itself ---- */

static void test_restores_what_was(void **state)
{
	struct pair pair = open_pair(PAIR_MAPPED);
	struct datapath_target target = target_of(&pair);

	(void)state;
	set_int(pair.tx, IPPROTO_IP, IP_TOS, 0x28);
	set_int(pair.tx, IPPROTO_IPV6, IPV6_TCLASS, 0x48);
	set_int(pair.tx, SOL_SOCKET, SO_PRIORITY, 3);
	assert_int_equal(apply(&target, 1, GW_CLASS_VOICE), 0);
	assert_int_equal(apply(&target, 1, GW_CLASS_BACKGROUND), 0);
	assert_int_equal(get_tos(pair.tx), 0x20);
	assert_int_equal(get_traffic_class(pair.tx), 0x20);
	assert_int_equal(get_priority(pair.tx), 2);
	clear(&target);
	assert_int_equal(get_tos(pair.tx), 0x28);
	assert_int_equal(get_traffic_class(pair.tx), 0x48);
	assert_int_equal(get_priority(pair.tx), 3);
	close_pair(&pair);
}

/* Each value by itself: what the application has chosen since then stays, the rest is restored. */
static void test_respects_later_choice(void **state)
{
	struct pair pair = open_pair(PAIR_MAPPED);
	struct datapath_target target = target_of(&pair);

	(void)state;
	assert_int_equal(apply(&target, 1, GW_CLASS_AUDIO_VIDEO), 0);
	set_int(pair.tx, IPPROTO_IPV6, IPV6_TCLASS, 0x50);
	clear(&target);
	assert_int_equal(get_tos(pair.tx), 0);
	assert_int_equal(get_traffic_class(pair.tx), 0x50);
	assert_int_equal(get_priority(pair.tx), 0);

	assert_int_equal(apply(&target, 1, GW_CLASS_AUDIO_VIDEO), 0);
	set_int(pair.tx, IPPROTO_IP, IP_TOS, 0x50);
	set_int(pair.tx, SOL_SOCKET, SO_PRIORITY, 1);
	clear(&target);
	assert_int_equal(get_tos(pair.tx), 0x50);
	assert_int_equal(get_traffic_class(pair.tx), 0x50);
	assert_int_equal(get_priority(pair.tx), 1);
	close_pair(&pair);
}

/* A choice made between two treatments is the one that comes back after the second. */
static void test_later_choice_is_saved(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target target = target_of(&pair);

	(void)state;
	assert_int_equal(apply(&target, 1, GW_CLASS_VOICE), 0);
	set_int(pair.tx, IPPROTO_IP, IP_TOS, 0x48);
	set_int(pair.tx, SOL_SOCKET, SO_PRIORITY, 1);
	assert_int_equal(apply(&target, 1, GW_CLASS_VOICE), 0);
	assert_int_equal(byte_on_wire(&pair), 0xe0);
	clear(&target);
	assert_int_equal(byte_on_wire(&pair), 0x48);
	assert_int_equal(get_priority(pair.tx), 1);
	close_pair(&pair);
}

/* A priority that could not be given back is not taken away. */
static void test_irreversible_priority(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target target = target_of(&pair);
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0 || priority_max() < 7) {
		close_pair(&pair);
		print_message("SKIP: needs CAP_NET_ADMIN to set such a priority first\n");
		skip();
	}
	set_int(pair.tx, SOL_SOCKET, SO_PRIORITY, 0x10020);
	pid = fork();
	if (pid == 0) {
		if (setgid(65534) < 0 || setuid(65534) < 0)
			_exit(2);
		if (apply(&target, 1, GW_CLASS_BACKGROUND) != -EOPNOTSUPP)
			_exit(1);
		/* Nor is it on record: else this would be a mark that needs no writing. */
		target.fd = -1;
		_exit(apply(&target, 1, GW_CLASS_BEST_EFFORT) == -EOPNOTSUPP ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(get_priority(pair.tx), 0x10020);
	assert_int_equal(get_tos(pair.tx), 0);

	assert_int_equal(apply(&target, 1, GW_CLASS_BACKGROUND), 0);
	clear(&target);
	assert_int_equal(get_priority(pair.tx), 0x10020);
	close_pair(&pair);
}

/* ---- several targets of one socket ---- */

/* another flow takes the only target over, and gives it back. */
static void test_flow_replaces_flow(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target target = target_of(&pair);

	(void)state;
	assert_int_equal(apply(&target, 1, GW_CLASS_VOICE), 0);
	assert_int_equal(apply(&target, 2, GW_CLASS_BACKGROUND), 0);
	assert_int_equal(byte_on_wire(&pair), 0x20);
	assert_int_equal(apply(&target, 1, GW_CLASS_VOICE), 0);
	assert_int_equal(byte_on_wire(&pair), 0xe0);
	assert_int_equal(apply(&target, 2, GW_CLASS_BEST_EFFORT), 0);
	assert_int_equal(byte_on_wire(&pair), 0);
	close_pair(&pair);
}

static void test_equal_marks_share(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target a = target_of(&pair), b = other_target(&pair, 1);

	(void)state;
	assert_int_equal(apply(&a, 1, GW_CLASS_AUDIO_VIDEO), 0);
	assert_int_equal(apply(&b, 2, GW_CLASS_EXCELLENT_EFFORT), 0); /* the same mark */
	clear(&a);
	assert_int_equal(byte_on_wire(&pair), 0xa0);
	clear(&a);
	assert_int_equal(byte_on_wire(&pair), 0xa0);
	clear(&b);
	assert_int_equal(byte_on_wire(&pair), 0);
	close_pair(&pair);
}

/* what cannot be told apart is refused, and nothing changes. */
static void test_different_marks_refused(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target a = target_of(&pair), b = other_target(&pair, 1);
	struct datapath_target any = a;

	(void)state;
	any.any_destination = true;
	assert_int_equal(apply(&a, 1, GW_CLASS_VOICE), 0);
	assert_int_equal(apply(&b, 2, GW_CLASS_BACKGROUND), -EOPNOTSUPP);
	assert_int_equal(apply(&b, 2, GW_CLASS_BEST_EFFORT), -EOPNOTSUPP);
	assert_int_equal(apply(&any, 2, GW_CLASS_BACKGROUND), -EOPNOTSUPP);
	assert_int_equal(byte_on_wire(&pair), 0xe0);

	/* None of the refused ones counts as a target. */
	clear(&a);
	assert_int_equal(byte_on_wire(&pair), 0);
	assert_int_equal(apply(&b, 2, GW_CLASS_BACKGROUND), 0);
	assert_int_equal(byte_on_wire(&pair), 0x20);
	close_pair(&pair);
}

static void test_two_flows_one_changes(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target a = target_of(&pair), b = other_target(&pair, 1);

	(void)state;
	assert_int_equal(apply(&a, 1, GW_CLASS_VOICE), 0);
	assert_int_equal(apply(&b, 2, GW_CLASS_VOICE), 0);
	assert_int_equal(apply(&a, 1, GW_CLASS_BACKGROUND), -EOPNOTSUPP);
	assert_int_equal(byte_on_wire(&pair), 0xe0);
	/* Another flow takes over the one target of flow 1: still not alone. */
	assert_int_equal(apply(&a, 3, GW_CLASS_BACKGROUND), -EOPNOTSUPP);
	/* Once flow 2 has both, it may change. */
	assert_int_equal(apply(&a, 2, GW_CLASS_VOICE), 0);
	assert_int_equal(apply(&a, 2, GW_CLASS_BACKGROUND), 0);
	assert_int_equal(byte_on_wire(&pair), 0x20);
	close_pair(&pair);
}

/* one flow with several destinations of one socket changes all of them. */
static void test_one_flow_changes_all(void **state)
{
	struct pair pair = open_pair(PAIR_V6);
	struct datapath_target target[3] = { target_of(&pair), other_target(&pair, 1),
					     other_target(&pair, 2) };

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(apply(&target[i], 1, GW_CLASS_AUDIO_VIDEO), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(apply(&target[i], 1, GW_CLASS_BACKGROUND), 0);
		assert_int_equal(byte_on_wire(&pair), 0x20);
	}
	clear(&target[0]);
	clear(&target[2]);
	assert_int_equal(byte_on_wire(&pair), 0x20);
	clear(&target[1]);
	assert_int_equal(byte_on_wire(&pair), 0);
	close_pair(&pair);
}

/* */
static void test_other_sockets_untouched(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target target = target_of(&pair);
	struct pair other = pair;

	(void)state;
	other.tx = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(other.tx >= 0);
	assert_int_equal(apply(&target, 1, GW_CLASS_VOICE), 0);
	assert_int_equal(byte_on_wire(&other), 0);
	assert_int_equal(byte_on_wire(&pair), 0xe0);
	close(other.tx);
	close_pair(&pair);
}

static void test_many_destinations(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target target;

	(void)state;
	for (uint16_t i = 0; i < 2000; i++) {
		target = other_target(&pair, i);
		assert_int_equal(apply(&target, i + 1u, GW_CLASS_VOICE), 0);
	}
	for (uint16_t i = 0; i < 2000; i++) {
		assert_int_equal(get_tos(pair.tx), 0xe0);
		target = other_target(&pair, i);
		clear(&target);
	}
	assert_int_equal(byte_on_wire(&pair), 0);
	close_pair(&pair);
}

/* ---- descriptors ---- */

static void test_without_descriptor(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target a = target_of(&pair), b = other_target(&pair, 1);

	(void)state;
	assert_true(socket_datapath_ops.needs_descriptor);
	a.fd = b.fd = -1;
	assert_int_equal(apply(&a, 1, GW_CLASS_VOICE), -EOPNOTSUPP);
	a.fd = pair.tx;
	assert_int_equal(apply(&a, 1, GW_CLASS_VOICE), 0);
	assert_int_equal(apply(&b, 1, GW_CLASS_VOICE), 0); /* nothing to write */
	assert_int_equal(apply(&b, 1, GW_CLASS_BACKGROUND), -EOPNOTSUPP);

	/* Out of reach: the record goes, the socket is as it was. */
	a.fd = -1;
	clear(&a);
	clear(&b);
	assert_int_equal(byte_on_wire(&pair), 0xe0);
	a.fd = pair.tx;
	clear(&a);
	assert_int_equal(byte_on_wire(&pair), 0xe0);
	close_pair(&pair);
}

/* The number has been given to another socket meanwhile: that one is left alone. */
static void test_descriptor_of_another_socket(void **state)
{
	struct pair pair = open_pair(PAIR_V4), other = open_pair(PAIR_V4);
	struct datapath_target target = target_of(&pair);

	(void)state;
	assert_int_equal(apply(&target, 1, GW_CLASS_VOICE), 0);
	set_int(other.tx, IPPROTO_IP, IP_TOS, 0xe0);

	target.fd = other.tx;
	assert_int_equal(apply(&target, 1, GW_CLASS_BACKGROUND), -ENOENT);
	assert_int_equal(get_tos(other.tx), 0xe0);
	clear(&target);
	assert_int_equal(get_tos(other.tx), 0xe0);

	target.fd = other.tx + 100;
	assert_int_equal(apply(&target, 1, GW_CLASS_BACKGROUND), -ENOENT);
	close_pair(&pair);
	close_pair(&other);
}

static void test_groups_refused(void **state)
{
	struct datapath_target target = { .group = 7, .fd = -1, .any_destination = true };

	(void)state;
	assert_int_equal(apply(&target, 1, GW_CLASS_VOICE), -EOPNOTSUPP);
}

static void test_limitations(void **state)
{
	const char *const *limitation = socket_datapath_limitations();
	size_t count = 0;

	(void)state;
	for (; limitation[count]; count++) {
		size_t length = strlen(limitation[count]);

		assert_true(length > 0 && limitation[count][length - 1] == '.');
	}
	assert_true(count >= 3);
}

/* ---- rates ---- */

static int set_meter(uint32_t flow_id, uint64_t rate_bps, enum datapath_excess excess,
		     bool owner_paces)
{
	const struct datapath_meter meter = { .flow_id = flow_id,
					      .bucket = { .rate_bps = rate_bps },
					      .excess = excess,
					      .owner_paces = owner_paces };

	return socket_datapath_ops.meter(datapath, &meter);
}

static int apply_metered(const struct datapath_target *target, uint32_t flow_id)
{
	struct datapath_treatment treatment = { .flow_id = flow_id,
						.traffic_class = GW_CLASS_VOICE,
						.metered = true };

	treatment.mark = class_mark(&mark_profile_windows, GW_CLASS_VOICE);
	return socket_datapath_ops.apply(datapath, target, &treatment);
}

static uint64_t pacing_of(int fd)
{
	uint64_t rate = 0;
	socklen_t size = sizeof(rate);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &size), 0);
	return rate;
}

static struct datapath_target tcp_target(void)
{
	struct datapath_target target = { .family = AF_INET,
					  .protocol = IPPROTO_TCP,
					  .any_destination = true };

	target.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(target.fd >= 0);
	assert_int_equal(socket_cookie_read(target.fd, &target.cookie), 0);
	return target;
}

/* Each of a flow's TCP sockets gets an equal part, and what it had before comes back. */
static void test_tcp_is_paced(void **state)
{
	struct datapath_target targets[] = { tcp_target(), tcp_target(), tcp_target() };
	const uint64_t before = pacing_of(targets[0].fd);
	uint64_t whole;

	(void)state;
	assert_int_equal(apply_metered(&targets[0], 1), -ENOENT);
	assert_int_equal(set_meter(1, 8000000, DATAPATH_EXCESS_DELAY, false), 0);
	assert_int_equal(apply_metered(&targets[0], 1), 0);
	whole = pacing_of(targets[0].fd);
	assert_in_range(whole, 900000, 1000000);
	assert_int_equal(socket_datapath_ops.shaping(datapath, 1, &targets[0]), GW_SHAPING_PACED);
	/* The first cannot be told to give up half. */
	assert_int_equal(apply_metered(&targets[1], 1), -EOPNOTSUPP);
	assert_int_equal(get_tos(targets[1].fd), 0);
	assert_int_equal(apply(&targets[0], 1, GW_CLASS_VOICE), 0);
	assert_int_equal(pacing_of(targets[0].fd), before);
	assert_int_equal(apply(&targets[1], 1, GW_CLASS_VOICE), 0);
	assert_int_equal(set_meter(1, 8000000, DATAPATH_EXCESS_DELAY, false), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(apply_metered(&targets[i], 1), 0);
		assert_in_range(pacing_of(targets[i].fd), whole / 2 - 1, whole / 2 + 1);
	}
	assert_int_equal(apply_metered(&targets[2], 1), -EOPNOTSUPP);
	for (int i = 0; i < 2; i++) {
		clear(&targets[i]);
		assert_int_equal(pacing_of(targets[i].fd), before);
	}
	socket_datapath_ops.meter_end(datapath, 1);
	socket_datapath_ops.meter_end(datapath, 1);
	assert_int_equal(socket_datapath_ops.shaping(datapath, 1, &targets[0]), GW_SHAPING_NONE);
	for (int i = 0; i < 3; i++)
		close(targets[i].fd);
}

/* Datagrams can only be left to who sends them: loopback has no fq. */
static void test_datagrams_need_their_owner(void **state)
{
	struct pair pair = open_pair(PAIR_V4);
	struct datapath_target target = target_of(&pair), tcp = tcp_target();
	struct datapath_meter_counters counters;

	(void)state;
	assert_int_equal(set_meter(1, 8000000, DATAPATH_EXCESS_DELAY, false), 0);
	assert_int_equal(apply_metered(&target, 1), -EOPNOTSUPP);
	assert_int_equal(byte_on_wire(&pair), 0);
	assert_int_equal(set_meter(1, 8000000, DATAPATH_EXCESS_DROP, true), -EOPNOTSUPP);
	assert_int_equal(set_meter(1, 8000000, DATAPATH_EXCESS_REMARK, false), -EOPNOTSUPP);
	assert_int_equal(set_meter(1, 8000000, DATAPATH_EXCESS_DELAY, true), 0);
	assert_int_equal(apply_metered(&target, 1), 0);
	assert_int_equal(byte_on_wire(&pair), 0xe0);
	assert_int_equal(socket_datapath_ops.meter_read(datapath, 1, &counters), -EOPNOTSUPP);
	assert_int_equal(socket_datapath_ops.meter_read(datapath, 2, &counters), -ENOENT);
	assert_int_equal(set_meter(1, 8000000, DATAPATH_EXCESS_REMARK, true), 0);
	assert_int_equal(apply_metered(&target, 1), 0);
	assert_int_equal(socket_datapath_ops.shaping(datapath, 1, &target), GW_SHAPING_NONE);
	assert_int_equal(set_meter(2, 8000000, DATAPATH_EXCESS_REMARK, true), 0);
	assert_int_equal(apply_metered(&tcp, 2), -EOPNOTSUPP);
	clear(&target);
	close(tcp.fd);
	close_pair(&pair);
}

/* ---- classes of scheduled links ---- */

static unsigned classes_ended;

static int band_of(void *user_data, const struct datapath_target *target,
		   enum gw_class traffic_class, uint32_t *ret_priority)
{
	*ret_priority = *(const uint32_t *)user_data + (uint32_t)traffic_class;
	return target->protocol == IPPROTO_UDP ? 0 : -ENODATA;
}

static int class_of(void *user_data, const struct datapath_meter *meter, uint32_t *ret_priority)
{
	*ret_priority = *(const uint32_t *)user_data + 0x100 + meter->flow_id;
	return 0;
}

static void class_end(void *user_data, uint32_t flow_id)
{
	(void)user_data;
	classes_ended += flow_id;
}

/* The class goes into the priority, and the mark stays what it is. */
static void test_classes_of_links(void **state)
{
	const uint32_t major = 0x47570000;
	const struct socket_classes classes = { .user_data = (void *)(uintptr_t)&major,
						.band_of = band_of,
						.class_of = class_of,
						.class_end = class_end };
	struct pair pair;
	struct datapath_target target;

	(void)state;
	if (priority_max() < 7) {
		print_message("SKIP: priorities above 6 need CAP_NET_ADMIN\n");
		skip();
	}
	pair = open_pair(PAIR_V4);
	target = target_of(&pair);
	classes_ended = 0;
	socket_datapath_set_classes(datapath, &classes);
	assert_int_equal(apply(&target, 3, GW_CLASS_VOICE), 0);
	assert_int_equal(get_priority(pair.tx), major); /* the treatment's class is best effort */
	assert_int_equal(set_meter(3, 8000000, DATAPATH_EXCESS_DELAY, false), 0);
	assert_int_equal(apply_metered(&target, 3), 0);
	assert_int_equal(get_priority(pair.tx), major + 0x103);
	assert_int_equal(byte_on_wire(&pair), 0xe0);
	assert_int_equal(socket_datapath_ops.shaping(datapath, 3, &target), GW_SHAPING_CLASS);
	assert_int_equal(apply(&target, 3, GW_CLASS_VOICE), 0);
	assert_int_equal(get_priority(pair.tx), major);
	assert_int_equal(classes_ended, 0);
	socket_datapath_ops.meter_end(datapath, 3);
	assert_int_equal(classes_ended, 3);
	clear(&target);
	assert_int_equal(get_priority(pair.tx), 0);
	assert_int_equal(byte_on_wire(&pair), 0);
	close_pair(&pair);
}

/* ---- what a link's queue is ---- */

static void add_qdisc(struct queue_view *view, uint32_t parent, uint32_t handle, const char *kind)
{
	struct {
		struct tcmsg tc;
		struct rtattr attr;
		char kind[16];
	} message = { .tc = { .tcm_ifindex = 7, .tcm_parent = parent, .tcm_handle = handle } };

	message.attr.rta_type = TCA_KIND;
	message.attr.rta_len = (unsigned short)RTA_LENGTH(strlen(kind) + 1);
	strcpy(message.kind, kind);
	queue_view_add(view, &message, sizeof(message.tc) + message.attr.rta_len, 7);
	queue_view_add(view, &message, sizeof(message.tc), 7 + 1); /* another link's */
}

static void test_queues(void **state)
{
	struct queue_view root = { 0 }, many = { 0 }, other = { 0 }, arrivals = { 0 };

	(void)state;
	assert_false(queue_view_is_fq(&root));
	add_qdisc(&root, 0xffffffffu, 0x80010000, "fq");
	assert_true(queue_view_is_fq(&root));
	add_qdisc(&other, 0xffffffffu, 0x80010000, "fq_codel");
	assert_false(queue_view_is_fq(&other));
	add_qdisc(&many, 0xffffffffu, 0, "mq");
	assert_false(queue_view_is_fq(&many));
	add_qdisc(&many, 1, 0, "fq");
	add_qdisc(&many, 2, 0, "fq");
	add_qdisc(&many, 0xfffffff1u, 0xffff0000, "clsact");
	assert_true(queue_view_is_fq(&many));
	add_qdisc(&many, 3, 0, "pfifo_fast");
	assert_false(queue_view_is_fq(&many));
	add_qdisc(&arrivals, 0xfffffff1u, 0xffff0000, "ingress");
	assert_false(queue_view_is_fq(&arrivals));
	assert_false(queue_is_fq(1)); /* loopback */
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_classes_v4, setup, teardown),
		cmocka_unit_test_setup_teardown(test_classes_v6, setup, teardown),
		cmocka_unit_test_setup_teardown(test_classes_mapped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ecn_v4, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ecn_v6, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ecn_mapped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_best_effort_leaves_own_mark, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dscp_alone_keeps_priority, setup, teardown),
		cmocka_unit_test_setup_teardown(test_v6_only_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restores_what_was, setup, teardown),
		cmocka_unit_test_setup_teardown(test_respects_later_choice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_later_choice_is_saved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_irreversible_priority, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flow_replaces_flow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_equal_marks_share, setup, teardown),
		cmocka_unit_test_setup_teardown(test_different_marks_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_flows_one_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_flow_changes_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_sockets_untouched, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_destinations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_descriptor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_descriptor_of_another_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tcp_is_paced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_datagrams_need_their_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_classes_of_links, setup, teardown),
		cmocka_unit_test(test_queues),
		cmocka_unit_test(test_limitations),
	};

	return cmocka_run_group_tests_name("socket datapath", tests, NULL, NULL);
}

/* The same as somebody who may do nothing. */
static int run_as_nobody(void)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			exit(99);
		exit(run());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(void)
{
	int failed = run();

	if (geteuid() == 0)
		failed += run_as_nobody();
	return failed != 0;
}
