/* SPDX-License-Identifier: MIT */
/*
 * test_rsvp_host_transport.c: RSVP messages through three network namespaces in a row, left, router and right: how
 * they leave, how they arrive, and what is taken out of what passes through. And packets of every malformation.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "addresses.h"
#include "daemon/rsvp/transport.h"
#include "sockets.h"

enum place { LEFT, ROUTER, RIGHT, PLACES };

static bool have_namespaces;
static int place_fd[PLACES] = { -1, -1, -1 };
static struct transport *transports[PLACES];

/* The last message that arrived, and how many did. */
static struct {
	unsigned n;
	struct transport_message message;
	uint8_t data[65536];
	uint8_t options[64];
} got;

static bool ip(const char *format, ...) __attribute__((format(printf, 1, 2)));
static bool ip(const char *format, ...)
{
	char command[200], line[256];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "ip %s 2>/dev/null", command);
	return system(line) == 0;
}

static void go(enum place place)
{
	assert_int_equal(setns(place_fd[place], CLONE_NEWNET), 0);
}

static bool write_setting(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) > 0;

	if (fd >= 0)
		close(fd);
	return done;
}

static bool make_places(void)
{
	for (int i = 0; i < PLACES; i++) {
		if (unshare(CLONE_NEWNET) < 0)
			return false;
		place_fd[i] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
		if (place_fd[i] < 0 || !ip("link set lo up"))
			return false;
	}
	return true;
}

/* Without duplicate address detection, which takes a second. */
static bool set_up(enum place place, const char *device, const char *address4, const char *address6)
{
	go(place);
	return ip("addr add %s/24 dev %s", address4, device) &&
	       ip("-6 addr add %s/64 dev %s nodad", address6, device) &&
	       ip("link set %s up", device);
}

static bool is_running(enum place place, const char *device)
{
	go(place);
	return link_is_running(device, 20);
}

static bool make_network(void)
{
	go(ROUTER);
	if (!ip("link add r0 type veth peer name l0 netns /proc/self/fd/%d", place_fd[LEFT]) ||
	    !ip("link add r1 type veth peer name g0 netns /proc/self/fd/%d", place_fd[RIGHT]))
		return false;
	if (!write_setting("/proc/sys/net/ipv4/ip_forward", "1") ||
	    !write_setting("/proc/sys/net/ipv6/conf/all/forwarding", "1"))
		return false;
	return set_up(LEFT, "l0", "10.1.0.2", "fd00:1::2") &&
	       set_up(ROUTER, "r0", "10.1.0.1", "fd00:1::1") &&
	       set_up(ROUTER, "r1", "10.2.0.1", "fd00:2::1") &&
	       set_up(RIGHT, "g0", "10.2.0.2", "fd00:2::2") &&
	       ip("route add default via 10.2.0.1") && ip("-6 route add default via fd00:2::1") &&
	       (go(LEFT), ip("route add default via 10.1.0.1")) &&
	       ip("-6 route add default via fd00:1::1") && is_running(LEFT, "l0") &&
	       is_running(ROUTER, "r0") && is_running(ROUTER, "r1") && is_running(RIGHT, "g0");
}

static int enter(void **state)
{
	(void)state;
	/* The links are handed to namespaces by descriptors, which `ip` must inherit. */
	have_namespaces = make_places();
	for (int i = 0; i < PLACES && have_namespaces; i++)
		fcntl(place_fd[i], F_SETFD, 0);
	have_namespaces = have_namespaces && make_network();
	for (int i = 0; i < PLACES && have_namespaces; i++) {
		go((enum place)i);
		assert_int_equal(transport_new(&transports[i]), 0);
		transport_set_dscp(transports[i], 48);
	}
	return 0;
}

static int leave(void **state)
{
	(void)state;
	for (int i = 0; i < PLACES; i++) {
		transports[i] = transport_free(transports[i]);
		if (place_fd[i] >= 0)
			close(place_fd[i]);
	}
	return 0;
}

static void need_namespaces(void)
{
	if (have_namespaces)
		return;
	print_message("SKIP: needs network namespaces with veth links\n");
	skip();
}

static void assert_address(const struct address *address, const char *text)
{
	struct address expected = address_named(text, 0);

	assert_int_equal(address->family, expected.family);
	assert_memory_equal(address->addr, expected.addr, 16);
}

static void keep(void *user_data, const struct transport_message *message)
{
	(void)user_data;
	got.n++;
	got.message = *message;
	assert_true(message->len <= sizeof(got.data));
	memcpy(got.data, message->data, message->len);
	assert_true(message->options_len <= sizeof(got.options));
	if (message->options_len > 0)
		memcpy(got.options, message->options, message->options_len);
	got.message.data = got.data;
	got.message.options = message->options_len > 0 ? got.options : NULL;
}

/* What arrives there within a moment; true if exactly one did. */
static bool receive(enum place place, enum transport_socket which, int timeout_ms)
{
	struct pollfd fd = { .fd = transport_fd(transports[place], which), .events = POLLIN };

	got.n = 0;
	if (poll(&fd, 1, timeout_ms) > 0)
		assert_false(transport_receive(transports[place], which, 100, keep, NULL));
	return got.n == 1;
}

static bool arrives(enum place place, enum transport_socket which)
{
	return receive(place, which, 10000);
}

static bool stays_away(enum place place, enum transport_socket which)
{
	receive(place, which, 100);
	return got.n == 0;
}

static const uint8_t text[] = "\x10\x01 a message of RSVP, as far as sockets know";

static struct rsvp_packet packet(const char *source, const char *destination)
{
	struct rsvp_packet p = {
		.destination = address_named(destination, 0),
		.ttl = 63,
		.data = text,
		.len = sizeof(text),
	};

	if (source)
		p.source = address_named(source, 0);
	return p;
}

static uint32_t index_in(enum place place, const char *name)
{
	go(place);
	return if_nametoindex(name);
}

static const struct family {
	enum transport_socket raw, passing, udp;
	const char *left, *near, *far, *right, *elsewhere, *group;
} families[] = {
	{ TRANSPORT_RAW4, TRANSPORT_RAW4, TRANSPORT_UDP4, "10.1.0.2", "10.1.0.1", "10.2.0.1",
	  "10.2.0.2", "10.9.0.9", "239.1.1.1" },
	{ TRANSPORT_RAW6, TRANSPORT_ALERT6, TRANSPORT_UDP6, "fd00:1::2", "fd00:1::1", "fd00:2::1",
	  "fd00:2::2", "fd00:9::9", "ff05::11" },
};

/* R-040..R-043, R-045, R-046, R-056: what passes with the alert is taken out, and sent on in its sender's name. */
static void alert(void **state)
{
	(void)state;
	need_namespaces();
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		struct rsvp_packet p = packet(f->left, f->right);

		p.router_alert = true;
		assert_int_equal(transport_send(transports[LEFT], &p), 0);
		assert_true(arrives(ROUTER, f->passing));
		assert_int_equal(got.message.len, sizeof(text));
		assert_memory_equal(got.message.data, text, sizeof(text));
		assert_int_equal(got.message.arrival.ttl, 63);
		assert_true(got.message.arrival.router_alert);
		assert_false(got.message.arrival.udp);
		assert_int_equal(got.message.arrival.ifindex, index_in(ROUTER, "r0"));
		assert_address(&got.message.arrival.source, f->left);
		assert_address(&got.message.arrival.destination, f->right);
		assert_int_equal(got.message.arrival.source.port, 0);
		assert_int_equal(got.message.tos, 48 << 2);
		assert_true(stays_away(RIGHT, f->raw));
		/* On, from an address that is not the router's. */
		p.source = address_named(f->elsewhere, 0);
		p.foreign_source = true;
		p.ttl = 62;
		p.ifindex = index_in(ROUTER, "r1");
		assert_int_equal(transport_send(transports[ROUTER], &p), 0);
		assert_true(arrives(RIGHT, f->raw));
		assert_address(&got.message.arrival.source, f->elsewhere);
		assert_address(&got.message.arrival.destination, f->right);
		assert_int_equal(got.message.arrival.ttl, 62);
		assert_true(got.message.arrival.router_alert);
		assert_memory_equal(got.message.data, text, sizeof(text));
	}
}

/* without it a message passes as any packet. */
static void no_alert(void **state)
{
	(void)state;
	need_namespaces();
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		struct rsvp_packet p = packet(NULL, f->right);

		assert_int_equal(transport_send(transports[LEFT], &p), 0);
		assert_true(arrives(RIGHT, f->raw));
		assert_true(stays_away(ROUTER, f->passing));
		assert_false(got.message.arrival.router_alert);
		/* To the router itself it does arrive; its source is the kernel's choice. */
		p.destination = address_named(f->far, 0);
		assert_int_equal(transport_send(transports[LEFT], &p), 0);
		assert_true(arrives(ROUTER, f->raw));
		assert_address(&got.message.arrival.source, f->left);
		assert_address(&got.message.arrival.destination, f->far);
		assert_int_equal(got.message.arrival.ttl, 63);
		assert_false(got.message.arrival.router_alert);
	}
}

/* What was taken out and is for others goes on as if it had not been. */
static void forwarded(void **state)
{
	(void)state;
	need_namespaces();
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		struct rsvp_packet p = packet(f->elsewhere, f->right);

		p.router_alert = true;
		p.foreign_source = true;
		assert_int_equal(transport_send(transports[LEFT], &p), 0);
		assert_true(arrives(ROUTER, f->passing));
		go(ROUTER);
		assert_int_equal(transport_forward(transports[ROUTER], &got.message), 0);
		assert_true(arrives(RIGHT, f->raw));
		assert_int_equal(got.message.arrival.ttl, 62);
		assert_true(got.message.arrival.router_alert);
		assert_address(&got.message.arrival.source, f->elsewhere);
		assert_int_equal(got.message.tos, 48 << 2);
		got.message.arrival.ttl = 1;
		assert_int_equal(transport_forward(transports[ROUTER], &got.message), -ETIME);
		got.message.arrival.ttl = 9;
		got.message.arrival.destination = address_named(f->group, 0);
		assert_int_equal(transport_forward(transports[ROUTER], &got.message), -EXDEV);
	}
	assert_int_equal(transport_counters(transports[ROUTER])->forwarded, 2);
}

/*
 * Larger than the link: fragments, which the next node puts together; those of IPv4 also on the way, where Linux does
 * so for whoever gets them.
 */
static void large(void **state)
{
	static uint8_t data[20000];

	(void)state;
	need_namespaces();
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + 1);
	data[0] = 0x10;
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		struct rsvp_packet p = packet(f->elsewhere, i == 0 ? f->right : f->far);

		p.router_alert = i == 0;
		p.foreign_source = true;
		p.data = data;
		p.len = sizeof(data);
		p.ifindex = index_in(LEFT, "l0");
		assert_int_equal(transport_send(transports[LEFT], &p), 0);
		assert_true(arrives(ROUTER, f->raw));
		assert_int_equal(got.message.len, sizeof(data));
		assert_memory_equal(got.message.data, data, sizeof(data));
	}
}

/* A host hears of a group's sessions where it has joined, and only there. */
static void groups(void **state)
{
	(void)state;
	need_namespaces();
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		struct rsvp_packet p = packet(NULL, f->group);
		struct address group = address_named(f->group, 0);
		uint32_t ifindex = index_in(RIGHT, "g0");

		assert_int_equal(transport_join(transports[RIGHT], &group, 9999), -ENODEV);
		assert_int_equal(transport_join(transports[RIGHT], &group, ifindex), 0);
		assert_int_equal(transport_join(transports[RIGHT], &group, ifindex), 0);
		transport_leave(transports[RIGHT], &group, ifindex);
		assert_true(transport_is_member(transports[RIGHT], &group, ifindex));
		p.router_alert = true;
		p.ttl = 5;
		p.ifindex = index_in(ROUTER, "r1");
		assert_int_equal(transport_send(transports[ROUTER], &p), 0);
		assert_true(arrives(RIGHT, f->raw));
		assert_address(&got.message.arrival.destination, f->group);
		assert_address(&got.message.arrival.source, f->far);
		assert_int_equal(got.message.arrival.ttl, 5);
		assert_int_equal(got.message.arrival.ifindex, ifindex);
		/* Nothing comes back to who has sent it. */
		assert_true(stays_away(ROUTER, f->raw));
		transport_leave(transports[RIGHT], &group, ifindex);
		assert_false(transport_is_member(transports[RIGHT], &group, ifindex));
		assert_int_equal(transport_send(transports[ROUTER], &p), 0);
		assert_true(stays_away(RIGHT, f->raw));
	}
}

/* */
static void udp(void **state)
{
	(void)state;
	need_namespaces();
	assert_int_equal(transport_fd(transports[RIGHT], TRANSPORT_UDP4), -1);
	for (int place = ROUTER; place < PLACES; place++) {
		go((enum place)place);
		assert_int_equal(transport_set_udp(transports[place], true), 0);
		assert_int_equal(transport_set_udp(transports[place], true), 0);
	}
	for (int i = 0; i < 2; i++) {
		const struct family *f = &families[i];
		struct rsvp_packet p = packet(NULL, f->right);
		struct address group = transport_group(p.destination.family);
		uint32_t ifindex = index_in(RIGHT, "g0");

		p.udp = true;
		p.router_alert = true; /* of which UDP knows nothing */
		p.destination.port = RSVP_UDP_PORT;
		p.ttl = 9;
		p.ifindex = index_in(ROUTER, "r1");
		assert_int_equal(transport_send(transports[ROUTER], &p), 0);
		assert_true(arrives(RIGHT, f->udp));
		assert_true(got.message.arrival.udp);
		assert_false(got.message.arrival.router_alert);
		assert_int_equal(got.message.arrival.ttl, 9);
		assert_int_equal(got.message.arrival.ifindex, ifindex);
		assert_int_equal(got.message.arrival.source.port, RSVP_UDP_PORT);
		assert_int_equal(got.message.arrival.destination.port, RSVP_UDP_PORT);
		assert_address(&got.message.arrival.source, f->far);
		assert_address(&got.message.arrival.destination, f->right);
		assert_memory_equal(got.message.data, text, sizeof(text));
		/* Copies for hosts that have nothing but UDP are not for us. */
		p.destination.port = RSVP_UDP_PORT_COPIES;
		assert_int_equal(transport_send(transports[ROUTER], &p), 0);
		assert_true(stays_away(RIGHT, f->udp));
		go(RIGHT);
		assert_int_equal(transport_join(transports[RIGHT], &group, ifindex), 0);
		p.destination = group;
		p.destination.port = RSVP_UDP_PORT;
		p.ttl = 1;
		go(ROUTER);
		assert_int_equal(transport_send(transports[ROUTER], &p), 0);
		assert_true(arrives(RIGHT, f->udp));
		assert_int_equal(got.message.arrival.ttl, 1);
		go(RIGHT);
		transport_leave(transports[RIGHT], &group, ifindex);
	}
	for (int place = ROUTER; place < PLACES; place++) {
		assert_int_equal(transport_set_udp(transports[place], false), 0);
		assert_int_equal(transport_fd(transports[place], TRANSPORT_UDP4), -1);
	}
}

/* Link-local neighbours are those on the interface. */
static void link_local(void **state)
{
	struct rsvp_packet p = packet("fe80::77", "fe80::78");

	(void)state;
	need_namespaces();
	go(ROUTER);
	assert_true(ip("-6 addr add fe80::77/64 dev r1 nodad"));
	go(RIGHT);
	assert_true(ip("-6 addr add fe80::78/64 dev g0 nodad"));
	p.ifindex = index_in(ROUTER, "r1");
	assert_int_equal(transport_send(transports[ROUTER], &p), 0);
	assert_true(arrives(RIGHT, TRANSPORT_RAW6));
	assert_address(&got.message.arrival.source, "fe80::77");
	assert_int_equal(got.message.arrival.source.scope, index_in(RIGHT, "g0"));
	assert_int_equal(got.message.arrival.destination.scope, index_in(RIGHT, "g0"));
}

static void cannot_leave(void **state)
{
	struct rsvp_packet p = packet(NULL, "10.2.0.2");
	uint64_t failed;

	(void)state;
	need_namespaces();
	go(ROUTER);
	failed = transport_counters(transports[ROUTER])->failed;
	p.ifindex = 9999;
	assert_true(transport_send(transports[ROUTER], &p) < 0);
	p = packet(NULL, "198.51.100.1");
	assert_int_equal(transport_send(transports[ROUTER], &p), -ENETUNREACH);
	p = packet(NULL, "10.2.0.2");
	p.udp = true;
	assert_int_equal(transport_send(transports[ROUTER], &p), -EAFNOSUPPORT);
	p = packet(NULL, "10.2.0.255");
	assert_int_equal(transport_send(transports[ROUTER], &p), -EACCES);
	assert_int_equal(transport_counters(transports[ROUTER])->failed, failed + 4);
}

/* A bounded part of a flood, and the rest later. */
static void bounded(void **state)
{
	struct rsvp_packet p = packet(NULL, "10.1.0.1");
	struct pollfd fd;

	(void)state;
	need_namespaces();
	go(LEFT);
	for (int i = 0; i < 100; i++)
		assert_int_equal(transport_send(transports[LEFT], &p), 0);
	fd = (struct pollfd){ transport_fd(transports[ROUTER], TRANSPORT_RAW4), POLLIN, 0 };
	assert_int_equal(poll(&fd, 1, 10000), 1);
	usleep(20000);
	got.n = 0;
	assert_true(transport_receive(transports[ROUTER], TRANSPORT_RAW4, 40, keep, NULL));
	assert_int_equal(got.n, 40);
	assert_false(transport_receive(transports[ROUTER], TRANSPORT_RAW4, 100, keep, NULL));
	assert_int_equal(got.n, 100);
}

/* ---- packets, without sockets ---- */

static void parse4(void **state)
{
	uint8_t good[] = { 0x46, 0xc0, 0,   36, 0, 1, 0,    0, 63, 46, 0,  0, 10, 1,  0, 2, 10, 2,
			   0,	 2,    148, 4,	0, 0, 0x10, 1, 0,  0,  63, 0, 0,  12, 1, 2, 3,	4 };
	struct transport_message message;
	uint8_t bad[sizeof(good)];

	(void)state;
	assert_int_equal(transport_parse4(good, sizeof(good), &message), 0);
	assert_true(message.arrival.router_alert);
	assert_int_equal(message.arrival.ttl, 63);
	assert_int_equal(message.tos, 0xc0);
	assert_int_equal(message.len, 12);
	assert_ptr_equal(message.data, good + 24);
	assert_int_equal(message.options_len, 4);
	for (size_t len = 0; len < 24; len++)
		assert_int_equal(transport_parse4(good, len, &message), -EBADMSG);
	assert_int_equal(transport_parse4(good, 24, &message), 0);
	assert_int_equal(message.len, 0);
	/* Versions, header lengths, protocols. */
	memcpy(bad, good, sizeof(good));
	bad[0] = 0x66;
	assert_int_equal(transport_parse4(bad, sizeof(bad), &message), -EBADMSG);
	bad[0] = 0x44;
	assert_int_equal(transport_parse4(bad, sizeof(bad), &message), -EBADMSG);
	bad[0] = 0x4f;
	assert_int_equal(transport_parse4(bad, sizeof(bad), &message), -EBADMSG);
	bad[0] = 0x46;
	bad[9] = 17;
	assert_int_equal(transport_parse4(bad, sizeof(bad), &message), -EBADMSG);
	/* Options that are no alert, or end where they should not. */
	static const uint8_t options[][4] = { { 148, 3, 0, 0 }, { 148, 0, 0, 0 }, { 148, 5, 0, 0 },
					      { 0, 148, 4, 0 }, { 1, 1, 1, 148 }, { 7, 4, 148, 4 },
					      { 1, 148, 4, 0 }, { 148, 1, 4, 0 } };
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		memcpy(bad, good, sizeof(good));
		memcpy(bad + 20, options[i], 4);
		assert_int_equal(transport_parse4(bad, sizeof(bad), &message), 0);
		assert_false(message.arrival.router_alert);
	}
}

static void parse6(void **state)
{
	uint8_t good[40 + 16 + 8] = { 0x6c, 0x00, 0, 0, 0, 24, 0, 61 };
	struct transport_message message = { 0 };
	const uint8_t beside[] = { 46, 0, 5, 2, 0, 1, 1, 0 };

	(void)state;
	good[8] = 0xfd;
	good[24] = 0xfd;
	good[24 + 15] = 2;
	memcpy(good + 40, (uint8_t[]){ 60, 0, 1, 0, 5, 2, 0, 1 }, 8); /* hop by hop */
	memcpy(good + 48, (uint8_t[]){ 46, 0, 1, 4, 0, 0, 0, 0 }, 8); /* to the destination */
	good[56] = 0x10;
	assert_int_equal(transport_parse6(good, sizeof(good), NULL, 0, &message), 0);
	assert_true(message.arrival.router_alert);
	assert_int_equal(message.arrival.ttl, 61);
	assert_int_equal(message.tos, 0xc0);
	assert_int_equal(message.len, 8);
	assert_address(&message.arrival.destination, "fd00::2");
	for (size_t len = 1; len < 56; len++) {
		message = (struct transport_message){ 0 };
		assert_int_equal(transport_parse6(good, len, NULL, 0, &message), -EBADMSG);
	}
	good[41] = 9;
	assert_int_equal(transport_parse6(good, sizeof(good), NULL, 0, &message), -EBADMSG);
	good[41] = 0;
	good[40] = 17;
	assert_int_equal(transport_parse6(good, sizeof(good), NULL, 0, &message), -EBADMSG);
	/* As it arrives for this host: the message alone, and the header beside. */
	message = (struct transport_message){ .arrival.ttl = 9 };
	assert_int_equal(transport_parse6(text, sizeof(text), beside, 8, &message), 0);
	assert_true(message.arrival.router_alert);
	assert_int_equal(message.arrival.ttl, 9);
	assert_int_equal(message.len, sizeof(text));
	for (size_t len = 0; len < 6; len++) {
		assert_int_equal(transport_parse6(text, sizeof(text), beside, len, &message), 0);
		assert_false(message.arrival.router_alert);
	}
	assert_int_equal(transport_parse6(text, 0, NULL, 0, &message), 0);
	assert_int_equal(message.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alert),      cmocka_unit_test(no_alert),
		cmocka_unit_test(forwarded),  cmocka_unit_test(large),
		cmocka_unit_test(groups),     cmocka_unit_test(udp),
		cmocka_unit_test(link_local), cmocka_unit_test(cannot_leave),
		cmocka_unit_test(bounded),    cmocka_unit_test(parse4),
		cmocka_unit_test(parse6),
	};

	return cmocka_run_group_tests_name("transport", tests, enter, leave);
}
