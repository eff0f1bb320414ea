/* SPDX-License-Identifier: MIT */
/*
 * Tests of datapath/route in a network namespace of their own, with a veth pair and a handful of
 * routes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <linux/mroute.h>
#include <linux/mroute6.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "addresses.h"
#include "datapath/route.h"

static struct route *route;
static bool have_topology;

static bool ip(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "ip %s 2>/dev/null", command);
	return system(line) == 0;
}

/* Two links, of which the second has no default route; the ways of refusing at their own prefixes.
 */
static bool make_topology(void)
{
	static const char *const commands[] = {
		"link set lo up",
		"link add va type veth peer name vb",
		"link add vc type veth peer name vd",
		"addr add 192.0.2.1/24 dev va",
		"addr add 198.51.100.1/24 dev vc",
		"-6 addr add 2001:db8::1/64 dev va nodad",
		"link set va up",
		"link set vb up",
		"link set vc up",
		"link set vd up",
		"route add 203.0.113.0/24 via 192.0.2.254",
		"route add unreachable 10.1.0.0/16",
		"route add prohibit 10.2.0.0/16",
		"route add blackhole 10.3.0.0/16",
		"-6 route add 2001:db8:1::/48 via 2001:db8::fe",
		"-6 route add unreachable 2001:db8:2::/48",
		"-6 route add blackhole 2001:db8:3::/48",
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!ip(commands[i])) {
			print_message("ip %s: failed\n", commands[i]);
			return false;
		}
	}
	return true;
}

/* Without privilege: root of a user namespace of our own. */
static bool enter_namespaces(void)
{
	uid_t uid = geteuid();
	FILE *map;

	if (unshare(CLONE_NEWNET) == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	map = fopen("/proc/self/uid_map", "we");
	if (!map)
		return false;
	fprintf(map, "0 %u 1\n", (unsigned)uid);
	return fclose(map) == 0;
}

static int setup(void **state)
{
	(void)state;
	if (!enter_namespaces())
		print_message("no network namespace of our own: %s\n", strerror(errno));
	else
		have_topology = make_topology();
	return route_new(&route);
}

static int teardown(void **state)
{
	(void)state;
	route = route_free(route);
	return 0;
}

static void need_topology(void)
{
	if (have_topology)
		return;
	print_message("SKIP: needs a network namespace with veth links\n");
	skip();
}

static int look_up(const char *destination, const char *source, uint32_t ifindex,
		   struct route_result *ret_result)
{
	struct address to = address_named(destination, 0), from;
	struct route_query query = { .destination = &to, .ifindex = ifindex };

	if (source) {
		from = address_named(source, 0);
		query.source = &from;
	}
	return route_lookup(route, &query, ret_result);
}

static void assert_route(const char *destination, const char *source, uint32_t bound,
			 const char *device, bool on_link, bool local)
{
	struct route_result result;

	assert_int_equal(look_up(destination, source, bound, &result), 0);
	assert_int_equal(result.ifindex, if_nametoindex(device));
	assert_int_equal(result.on_link, on_link);
	assert_int_equal(result.local, local);
}

static void test_v4(void **state)
{
	(void)state;
	need_topology();
	assert_route("192.0.2.7", NULL, 0, "va", true, false);
	assert_route("203.0.113.1", NULL, 0, "va", false, false);
	assert_route("192.0.2.1", NULL, 0, "lo", true, true);
	assert_route("127.0.0.1", NULL, 0, "lo", true, true);
	assert_route("::ffff:203.0.113.1", NULL, 0, "va", false, false);
}

static void test_v6(void **state)
{
	(void)state;
	need_topology();
	assert_route("2001:db8::7", NULL, 0, "va", true, false);
	assert_route("2001:db8:1::1", NULL, 0, "va", false, false);
	assert_route("::1", NULL, 0, "lo", true, true);
	assert_route("2001:db8::1", NULL, 0, "lo", true, true);
}

/* Q-039's ground: a link-local address says by its scope which link is meant. */
static void test_link_local(void **state)
{
	struct address to;
	struct route_query query = { .destination = &to };
	struct route_result result;

	(void)state;
	need_topology();
	to = address_named("fe80::77", 0);
	to.scope = if_nametoindex("vc");
	assert_int_equal(route_lookup(route, &query, &result), 0);
	assert_int_equal(result.ifindex, to.scope);
	assert_true(result.on_link);
}

/* A device or address that the socket is bound to wins over the table (spec/qwave.md §5.3). */
static void test_bound(void **state)
{
	(void)state;
	need_topology();
	assert_route("192.0.2.7", NULL, if_nametoindex("vc"), "vc", true, false);
	assert_route("192.0.2.7", "192.0.2.1", 0, "va", true, false);
	assert_route("192.0.2.7", "0.0.0.0", 0, "va", true, false);
	assert_route("192.0.2.7", "::", 0, "va", true, false);
	assert_route("2001:db8:1::1", "2001:db8::1", 0, "va", false, false);
}

static void test_multicast(void **state)
{
	struct route_result result;

	(void)state;
	need_topology();
	assert_int_equal(look_up("239.1.2.3", NULL, 0, &result), -ENETUNREACH);
	assert_route("239.1.2.3", NULL, if_nametoindex("vc"), "vc", true, false);
	assert_route("239.1.2.3", "198.51.100.1", 0, "vc", true, false);
	assert_route("255.255.255.255", NULL, if_nametoindex("va"), "va", true, false);
	assert_route("ff05::1", NULL, if_nametoindex("vc"), "vc", true, false);
}

/* Q-064's ground */
static void test_no_way(void **state)
{
	struct route_result result, untouched;

	(void)state;
	need_topology();
	memset(&result, 0xa5, sizeof(result));
	untouched = result;
	assert_int_equal(look_up("10.9.9.9", NULL, 0, &result), -ENETUNREACH);
	assert_int_equal(look_up("2001:db8:9::1", NULL, 0, &result), -ENETUNREACH);
	assert_int_equal(look_up("10.1.0.1", NULL, 0, &result), -EHOSTUNREACH);
	assert_int_equal(look_up("10.2.0.1", NULL, 0, &result), -EHOSTUNREACH);
	assert_int_equal(look_up("10.3.0.1", NULL, 0, &result), -EHOSTUNREACH);
	assert_int_equal(look_up("2001:db8:2::1", NULL, 0, &result), -EHOSTUNREACH);
	assert_int_equal(look_up("2001:db8:3::1", NULL, 0, &result), -EHOSTUNREACH);
	assert_int_equal(look_up("192.0.2.7", NULL, 0xffff, &result), -ENETDOWN);
	assert_memory_equal(&result, &untouched, sizeof(result));
}

static void test_mark(void **state)
{
	struct address to = { 0 };
	struct route_query query = { .destination = &to };
	struct route_result result;

	(void)state;
	need_topology();
	if (!ip("rule add fwmark 7 table 100") || !ip("route add 10.9.0.0/16 dev vc table 100")) {
		print_message("SKIP: this kernel has no policy routing\n");
		skip();
	}
	to = address_named("10.9.0.1", 0);
	assert_int_equal(route_lookup(route, &query, &result), -ENETUNREACH);
	query.mark = 7;
	assert_int_equal(route_lookup(route, &query, &result), 0);
	assert_int_equal(result.ifindex, if_nametoindex("vc"));
}

static void test_no_family(void **state)
{
	const struct address none = { 0 };
	struct route_query query = { .destination = &none };
	struct route_result result;

	(void)state;
	assert_int_equal(route_lookup(route, &query, &result), -EINVAL);
}

static void assert_gateway(const char *destination, const char *gateway, const char *scope)
{
	struct address expected = address_named(gateway, 0);
	struct route_result result;

	expected.scope = scope ? if_nametoindex(scope) : 0;
	assert_int_equal(look_up(destination, NULL, 0, &result), 0);
	assert_memory_equal(&result.gateway, &expected, sizeof(expected));
}

static void test_gateway(void **state)
{
	const struct address none = { 0 };
	struct route_result result;

	(void)state;
	need_topology();
	assert_gateway("203.0.113.1", "192.0.2.254", NULL);
	assert_gateway("2001:db8:1::1", "2001:db8::fe", NULL);
	assert_int_equal(look_up("192.0.2.7", NULL, 0, &result), 0);
	assert_memory_equal(&result.gateway, &none, sizeof(none));
	assert_true(ip("-6 route add 2001:db8:4::/48 via fe80::1 dev vc"));
	assert_gateway("2001:db8:4::1", "fe80::1", "vc");
	if (ip("route add 203.0.114.0/24 via inet6 fe80::1 dev vc"))
		assert_gateway("203.0.114.1", "fe80::1", "vc");
}

/* ---- neighbours ---- */

static bool is_neighbour(const char *text, const char *device)
{
	struct address address = address_named(text, 0);
	uint32_t ifindex = device ? if_nametoindex(device) : 0;

	if (address_is_link_local(&address))
		address.scope = ifindex;
	return route_is_neighbour(route, &address, ifindex);
}

/* Q-181's ground, and that of sinks that answer nobody but those (spec/probing.md §7). */
static void test_neighbours(void **state)
{
	static const char *const elsewhere[] = {
		"203.0.113.1",	 /* behind a router */
		"2001:db8:1::1", /* likewise */
		"10.9.9.8",	 /* nowhere */
		"10.1.0.1",	 /* refused */
		"192.0.2.1",	 /* this host */
		"2001:db8::1",	 /* likewise */
		"192.0.2.255",	 /* all of them */
		"255.255.255.255", "239.1.2.3", "ff02::1",
		"0.0.0.0",	   "::",	"203.0.115.1", /* by two routers */
	};

	(void)state;
	need_topology();
	assert_true(ip("route add 203.0.115.0/24 nexthop via 192.0.2.253 nexthop via 192.0.2.254"));
	assert_true(is_neighbour("192.0.2.7", NULL));
	assert_true(is_neighbour("192.0.2.7", "va"));
	assert_true(is_neighbour("2001:db8::7", "va"));
	assert_true(is_neighbour("fe80::77", "vc"));
	/* There is no such route, whatever a packet bound to the interface would do. */
	assert_false(is_neighbour("192.0.2.7", "vc"));
	assert_false(is_neighbour("2001:db8::7", "vc"));
	for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]); i++) {
		assert_false(is_neighbour(elsewhere[i], NULL));
		assert_false(is_neighbour(elsewhere[i], "va"));
	}
}

/* ---- what is forwarded to groups ---- */

/* The virtual interfaces of the kernel's multicast forwarding, and two entries: (S,G) and (*,G). */
static bool make_tree4(int fd)
{
	const char *const names[] = { "va", "vb", "vc" };
	struct mfcctl entry = { .mfcc_parent = 0 };
	const int on = 1;

	if (setsockopt(fd, IPPROTO_IP, MRT_INIT, &on, sizeof(on)) < 0)
		return false;
	for (vifi_t i = 0; i < 3; i++) {
		struct vifctl link = { .vifc_vifi = i,
				       .vifc_flags = VIFF_USE_IFINDEX,
				       .vifc_threshold = 1 };

		link.vifc_lcl_ifindex = (int)if_nametoindex(names[i]);
		if (setsockopt(fd, IPPROTO_IP, MRT_ADD_VIF, &link, sizeof(link)) < 0)
			return false;
	}
	entry.mfcc_origin.s_addr = inet_addr("192.0.2.9");
	entry.mfcc_mcastgrp.s_addr = inet_addr("239.1.1.1");
	entry.mfcc_ttls[1] = entry.mfcc_ttls[2] = 1;
	if (setsockopt(fd, IPPROTO_IP, MRT_ADD_MFC, &entry, sizeof(entry)) < 0)
		return false;
	entry.mfcc_origin.s_addr = 0;
	entry.mfcc_mcastgrp.s_addr = inet_addr("239.1.1.2");
	entry.mfcc_ttls[0] = 1; /* (*,G) has all its links in the list */
	entry.mfcc_ttls[2] = 0;
	return setsockopt(fd, IPPROTO_IP, MRT_ADD_MFC_PROXY, &entry, sizeof(entry)) == 0;
}

static void test_group4(void **state)
{
	struct address group, source;
	struct route_group found;
	int fd;

	(void)state;
	need_topology();
	group = address_named("239.1.1.1", 0);
	source = address_named("192.0.2.9", 0);
	assert_int_equal(route_group_lookup(route, &group, &source, &found), -ENOENT);
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_IGMP);
	assert_true(fd >= 0);
	if (!make_tree4(fd)) {
		print_message("SKIP: this kernel forwards no multicasts\n");
		close(fd);
		skip();
	}
	assert_int_equal(route_group_lookup(route, &group, &source, &found), 0);
	assert_int_equal(found.in_ifindex, if_nametoindex("va"));
	assert_int_equal(found.n_out, 2);
	assert_int_equal(found.out[0], if_nametoindex("vb"));
	assert_int_equal(found.out[1], if_nametoindex("vc"));
	assert_int_equal(route_group_lookup(route, &group, NULL, &found), -ENOENT);
	source = address_named("192.0.2.10", 0);
	assert_int_equal(route_group_lookup(route, &group, &source, &found), -ENOENT);
	group = address_named("239.1.1.2", 0);
	assert_int_equal(route_group_lookup(route, &group, NULL, &found), 0);
	assert_int_equal(found.in_ifindex, if_nametoindex("va"));
	assert_int_equal(found.n_out, 2);
	close(fd); /* and the tree is gone */
	assert_int_equal(route_group_lookup(route, &group, NULL, &found), -ENOENT);
}

static void test_group6(void **state)
{
	struct mif6ctl link = { .mif6c_mifi = 0, .vifc_threshold = 1 };
	struct mf6cctl entry = { .mf6cc_parent = 0 };
	struct address group, source;
	struct route_group found;
	const int on = 1;
	int fd, r;

	(void)state;
	need_topology();
	group = address_named("ff05::11", 0);
	source = address_named("2001:db8::9", 0);
	fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
	assert_true(fd >= 0);
	r = setsockopt(fd, IPPROTO_IPV6, MRT6_INIT, &on, sizeof(on));
	link.mif6c_pifi = (uint16_t)if_nametoindex("va");
	if (r == 0)
		r = setsockopt(fd, IPPROTO_IPV6, MRT6_ADD_MIF, &link, sizeof(link));
	link.mif6c_mifi = 1;
	link.mif6c_pifi = (uint16_t)if_nametoindex("vc");
	if (r == 0)
		r = setsockopt(fd, IPPROTO_IPV6, MRT6_ADD_MIF, &link, sizeof(link));
	entry.mf6cc_origin.sin6_family = entry.mf6cc_mcastgrp.sin6_family = AF_INET6;
	memcpy(&entry.mf6cc_origin.sin6_addr, source.addr, 16);
	memcpy(&entry.mf6cc_mcastgrp.sin6_addr, group.addr, 16);
	IF_SET(1, &entry.mf6cc_ifset);
	if (r == 0)
		r = setsockopt(fd, IPPROTO_IPV6, MRT6_ADD_MFC, &entry, sizeof(entry));
	if (r < 0 || route_group_lookup(route, &group, &source, &found) == -EOPNOTSUPP) {
		print_message("SKIP: this kernel forwards no multicasts, or does not tell\n");
		close(fd);
		skip();
	}
	assert_int_equal(route_group_lookup(route, &group, &source, &found), 0);
	assert_int_equal(found.in_ifindex, if_nametoindex("va"));
	assert_int_equal(found.n_out, 1);
	assert_int_equal(found.out[0], if_nametoindex("vc"));
	source = address_named("2001:db8::a", 0);
	assert_int_equal(route_group_lookup(route, &group, &source, &found), -ENOENT);
	close(fd);
}

static void test_group_of_no_family(void **state)
{
	const struct address none = { 0 };
	struct route_group found;

	(void)state;
	assert_int_equal(route_group_lookup(route, &none, NULL, &found), -EINVAL);
}

/* One socket, many questions: each answer belongs to its question. */
static void test_many(void **state)
{
	struct timespec begin, end;
	const int count = 20000;
	struct route_result result;
	struct address near, far;
	struct route_query query;

	(void)state;
	need_topology();
	near = address_named("192.0.2.7", 0);
	far = address_named("203.0.113.1", 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < count; i++) {
		query = (struct route_query){ .destination = i % 2 ? &near : &far };
		assert_int_equal(route_lookup(route, &query, &result), 0);
		assert_int_equal(result.on_link, i % 2);
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	print_message("%.2f us a question\n", ((double)(end.tv_sec - begin.tv_sec) * 1e6 +
					       (double)(end.tv_nsec - begin.tv_nsec) / 1e3) /
						      count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v4),
		cmocka_unit_test(test_v6),
		cmocka_unit_test(test_link_local),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_multicast),
		cmocka_unit_test(test_no_way),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_no_family),
		cmocka_unit_test(test_gateway),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_group4),
		cmocka_unit_test(test_group6),
		cmocka_unit_test(test_group_of_no_family),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("route", tests, setup, teardown);
}
