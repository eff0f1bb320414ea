/* SPDX-License-Identifier: MIT */
/*
 * test_interfaces.c: interfaces, addresses and word of routes from the kernel, in a network namespace of their own,
 * also after more has happened than the socket could hold.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "addresses.h"
#include "datapath/interfaces.h"
#include "datapath/link.h"
#include "sockets.h"

static struct {
	struct interfaces *interfaces;
	unsigned changed, gone, everywhere, prefixes;
	uint32_t last_gone;
	struct address last_prefix;
	unsigned last_bits;
} seen;

static bool have_namespace;

static bool ip(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "ip %s 2>/dev/null", command);
	return system(line) == 0;
}

static void on_changed(void *user_data, const struct interface *interface)
{
	assert_ptr_equal(user_data, &seen);
	assert_true(interface->ifindex != 0 && interface->name[0] != '\0');
	seen.changed++;
}

static void on_gone(void *user_data, uint32_t ifindex)
{
	(void)user_data;
	seen.gone++;
	seen.last_gone = ifindex;
}

static void on_routes(void *user_data, const struct address *prefix, unsigned prefix_bits)
{
	(void)user_data;
	if (!prefix) {
		seen.everywhere++;
		return;
	}
	seen.prefixes++;
	seen.last_prefix = *prefix;
	seen.last_bits = prefix_bits;
}

static void dispatch(void)
{
	struct pollfd fd = { .fd = interfaces_fd(seen.interfaces), .events = POLLIN };

	while (poll(&fd, 1, 20) > 0)
		assert_int_equal(interfaces_dispatch(seen.interfaces), 0);
}

static void forget(void)
{
	struct interfaces *interfaces = seen.interfaces;

	memset(&seen, 0, sizeof(seen));
	seen.interfaces = interfaces;
}

static const struct interface *find(const char *name)
{
	return interfaces_find(seen.interfaces, if_nametoindex(name));
}

static void assert_address(const struct address *address, const char *text)
{
	struct address expected = address_named(text, 0);

	expected.scope = address->scope;
	assert_memory_equal(address, &expected, sizeof(expected));
}

static int enter(void **state)
{
	(void)state;
	have_namespace = unshare(CLONE_NEWNET) == 0;
	return 0;
}

static int setup(void **state)
{
	const struct interfaces_events events = { on_changed, on_gone, on_routes, &seen };

	(void)state;
	if (!have_namespace)
		return 0;
	memset(&seen, 0, sizeof(seen));
	have_namespace = ip("link set lo up") && ip("link add va type veth peer name vb") &&
			 ip("addr add 192.0.2.1/24 dev va") && ip("addr add 192.0.2.3/24 dev va") &&
			 ip("-6 addr add 2001:db8::1/64 dev va nodad") && ip("link set va up") &&
			 ip("link set vb up mtu 1400") && link_is_running("va", 10) &&
			 link_is_running("vb", 10);
	return interfaces_new(&events, &seen.interfaces);
}

static int teardown(void **state)
{
	(void)state;
	if (!have_namespace)
		return 0;
	seen.interfaces = interfaces_free(seen.interfaces);
	(void)ip("link del va");
	return 0;
}

static void need_namespace(void)
{
	if (have_namespace)
		return;
	print_message("SKIP: needs a network namespace with veth links\n");
	skip();
}

static bool is_listed(const struct address *address)
{
	const struct address *addresses;
	size_t n;

	addresses = interfaces_addresses(seen.interfaces, &n);
	for (size_t i = 0; i < n; i++)
		if (memcmp(addresses[i].addr, address->addr, sizeof(address->addr)) == 0)
			return true;
	return false;
}

static void at_start(void **state)
{
	const struct interface *interface;
	struct address address;

	(void)state;
	need_namespace();
	assert_int_equal(seen.changed, 3);
	interface = find("va");
	assert_non_null(interface);
	assert_string_equal(interface->name, "va");
	assert_true(interface->up && interface->multicast && !interface->loopback);
	assert_int_equal(interface->mtu, 1500);
	/* The first, not a second one of the same network; a global one before that of the link. */
	assert_address(&interface->address4, "192.0.2.1");
	assert_address(&interface->address6, "2001:db8::1");
	assert_int_equal(interface->address6.scope, 0);
	assert_int_equal(find("vb")->mtu, 1400);
	assert_true(find("lo")->loopback);
	assert_null(interfaces_find(seen.interfaces, 9999));
	assert_non_null(interfaces_at(seen.interfaces, 2));
	assert_null(interfaces_at(seen.interfaces, 3));
	address = address_named("192.0.2.3", 0);
	address.port = 7;
	assert_true(interfaces_own(seen.interfaces, &address));
	address = address_named("127.0.0.1", 0);
	assert_true(interfaces_own(seen.interfaces, &address));
	address = address_named("192.0.2.4", 0);
	assert_false(interfaces_own(seen.interfaces, &address));
	address = address_named("192.0.2.3", 0);
	assert_true(is_listed(&address));
	address = address_named("192.0.2.4", 0);
	assert_false(is_listed(&address));
}

/* G-186: what one interface alone is asked for. */
static void one_link(void **state)
{
	(void)state;
	need_namespace();
	assert_int_equal(link_mtu(interfaces_fd(seen.interfaces), if_nametoindex("vb")), 1400);
	assert_int_equal(link_mtu(interfaces_fd(seen.interfaces), 9999), 0);
	/* As ethtool(8) has it, "10000Mb/s"; lo has no driver that would say. */
	assert_true(link_speed_bps(if_nametoindex("va")) == UINT64_C(10000000000));
	assert_true(link_speed_bps(if_nametoindex("lo")) == 0);
	assert_true(link_speed_bps(9999) == 0);
}

static void link_local_only(void **state)
{
	const struct interface *interface;

	(void)state;
	need_namespace();
	assert_true(ip("-6 addr flush dev vb scope link"));
	assert_true(ip("-6 addr add fe80::77/64 dev vb nodad"));
	dispatch();
	interface = find("vb");
	assert_address(&interface->address6, "fe80::77");
	assert_int_equal(interface->address6.scope, interface->ifindex);
	assert_int_equal(interface->address4.family, AF_UNSPEC);
}

/* what goes down, is told. */
static void changes(void **state)
{
	struct address address = address_named("198.51.100.9", 0);
	uint32_t va, vb;

	(void)state;
	need_namespace();
	dispatch();
	forget();
	va = if_nametoindex("va");
	vb = if_nametoindex("vb");
	assert_true(ip("link set va mtu 1300"));
	dispatch();
	assert_true(seen.changed >= 1);
	assert_int_equal(find("va")->mtu, 1300);
	assert_true(ip("addr add 198.51.100.9/24 dev vb"));
	dispatch();
	assert_address(&find("vb")->address4, "198.51.100.9");
	assert_true(interfaces_own(seen.interfaces, &address));
	assert_true(ip("addr del 198.51.100.9/24 dev vb"));
	dispatch();
	assert_int_equal(find("vb")->address4.family, AF_UNSPEC);
	assert_false(interfaces_own(seen.interfaces, &address));
	/* Also when it is only the other end. */
	assert_true(ip("link set vb down"));
	dispatch();
	assert_false(find("va")->up);
	assert_false(find("vb")->up);
	assert_true(ip("link set vb up"));
	dispatch();
	assert_true(find("va")->up);
	forget();
	assert_true(ip("link del va"));
	dispatch();
	assert_int_equal(seen.gone, 2);
	assert_null(interfaces_find(seen.interfaces, va));
	assert_null(interfaces_find(seen.interfaces, vb));
	/* Nothing has changed: nothing is told. */
	forget();
	dispatch();
	assert_int_equal(seen.changed + seen.gone, 0);
}

static void routes(void **state)
{
	(void)state;
	need_namespace();
	dispatch();
	forget();
	assert_true(ip("route add 203.0.113.0/25 via 192.0.2.254"));
	dispatch();
	assert_int_equal(seen.prefixes, 1);
	assert_int_equal(seen.last_bits, 25);
	assert_address(&seen.last_prefix, "203.0.113.0");
	assert_true(ip("-6 route add 2001:db8:1::/48 via 2001:db8::fe"));
	dispatch();
	assert_int_equal(seen.last_bits, 48);
	assert_address(&seen.last_prefix, "2001:db8:1::");
	assert_int_equal(seen.everywhere, 0);
	assert_true(ip("route add default via 192.0.2.254"));
	dispatch();
	assert_int_equal(seen.everywhere, 1);
	if (ip("rule add fwmark 7 table 100")) {
		dispatch();
		assert_int_equal(seen.everywhere, 2);
	}
}

/* after an overrun everything is read and asked for anew. */
static void overrun(void **state)
{
	unsigned everywhere;
	const int room = 1;

	(void)state;
	need_namespace();
	dispatch();
	forget();
	assert_int_equal(setsockopt(interfaces_fd(seen.interfaces), SOL_SOCKET, SO_RCVBUF, &room,
				    sizeof(room)),
			 0);
	for (int i = 0; i < 40; i++) {
		char command[64];

		snprintf(command, sizeof(command), "route add 10.%d.0.0/16 via 192.0.2.254", i);
		assert_true(ip(command));
	}
	assert_true(ip("link set vb mtu 1234"));
	dispatch();
	everywhere = seen.everywhere;
	assert_true(everywhere >= 1);
	assert_true(seen.prefixes < 40);
	assert_int_equal(find("vb")->mtu, 1234);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(at_start), TEST(one_link), TEST(link_local_only),
		TEST(changes),	TEST(routes),	TEST(overrun),
	};

	return cmocka_run_group_tests_name("interfaces", tests, enter, NULL);
}
