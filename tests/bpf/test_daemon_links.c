/* SPDX-License-Identifier: MIT */
/*
 * test_daemon_links.c: what the daemon does about links that are handed over and go away with something in force
 * on them: the books of admission control forget the limits, and classes without eBPF are those of a schedule
 * that is there.
 */
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/classes.h"
#include "daemon/links.h"
#include "htb_world.h"
#include "net.h"

#define PERCENT 75
#define FLOW 7

static struct {
	struct handover *handover;
	struct classes *classes;
	struct socket_classes port;
	struct engine *engine;
	struct config config;
} world;

static void on_changed(void *user_data, const struct handover_report *report)
{
	(void)user_data;
	if (world.handover)
		classes_links_changed(world.classes);
	links_admit(world.engine, &world.config, report);
}

static struct handover_link link_named(const char *name)
{
	struct handover_link link = { .rate_bps = 10 * MBIT, .reservable_percent = PERCENT };

	snprintf(link.name, sizeof(link.name), "%s", name);
	return link;
}

static int setup(void **state)
{
	static const struct engine_ports nothing;
	const struct handover_link link = link_named(LINK);
	const struct handover_config config = {
		.links = &link,
		.n_links = 1,
		.classifier_fd = -1,
		.changed = on_changed,
	};
	struct engine_config engine;

	htb_setup(state);
	memset(&world, 0, sizeof(world));
	engine_config_default(&engine);
	world.engine = engine_new(&nothing, &engine);
	world.classes = classes_new();
	assert_non_null(world.engine);
	assert_non_null(world.classes);
	assert_int_equal(handover_open(&config, &world.handover), 0);
	classes_set_handover(world.classes, world.handover);
	world.port = classes_port(world.classes);
	return 0;
}

static int teardown(void **state)
{
	classes_free(world.classes);
	handover_close(world.handover, false);
	engine_free(world.engine);
	return htb_teardown(state);
}

static void let_events_come(void)
{
	struct pollfd pollfd = { .fd = handover_fd(world.handover), .events = POLLIN };

	while (poll(&pollfd, 1, 100) == 1)
		assert_int_equal(handover_event(world.handover), 0);
}

static bool is_enforced(uint32_t ifindex)
{
	struct admission_books books;

	admission_books(engine_admission(world.engine), ifindex, &books);
	return books.enforced;
}

/* What classes the flow has, by its rate; 0: the port has none for it. */
static uint32_t class_of_flow(void)
{
	const struct datapath_meter meter = {
		.flow_id = FLOW,
		.traffic_class = GW_CLASS_VOICE,
		.bucket = { .rate_bps = MBIT },
	};
	uint32_t priority = 0;

	return world.port.class_of(world.port.user_data, &meter, &priority) == 0 ? priority : 0;
}

static uint32_t free_classes(void)
{
	struct schedule *schedule = handover_schedule(world.handover, if_nametoindex(LINK));

	assert_non_null(schedule);
	return schedule_free_classes(schedule);
}

/* --- The interface goes, and comes again ------------------------------------------------------- */

static void replug(void)
{
	net_run("ip link del " LINK);
	let_events_come();
	assert_false(handover_schedule(world.handover, if_nametoindex(LINK)));
	assert_int_equal(net_run("ip link add " LINK " type veth peer name " PEER), 0);
	net_run("ip link set " LINK " up");
	let_events_come();
}

static void test_limits_go_with_the_interface(void **state)
{
	uint32_t before = if_nametoindex(LINK);

	(void)state;
	assert_true(is_enforced(before));
	replug();
	assert_int_not_equal(if_nametoindex(LINK), before);
	assert_false(is_enforced(before));
	assert_true(is_enforced(if_nametoindex(LINK)));
}

static void test_classes_go_with_the_interface(void **state)
{
	uint32_t unused = free_classes();

	(void)state;
	assert_int_not_equal(class_of_flow(), 0);
	assert_int_equal(free_classes(), unused - 1);
	net_run("ip link del " LINK);
	let_events_come();
	/* The schedule that it was of is no more. */
	world.port.class_end(world.port.user_data, FLOW);
	assert_int_equal(class_of_flow(), 0);
}

static void test_classes_come_with_the_interface(void **state)
{
	uint32_t unused = free_classes();

	(void)state;
	assert_int_not_equal(class_of_flow(), 0);
	replug();
	assert_int_equal(free_classes(), unused);
	assert_int_not_equal(class_of_flow(), 0);
	assert_int_equal(free_classes(), unused - 1);
	world.port.class_end(world.port.user_data, FLOW);
	assert_false(handover_tick(world.handover));
	assert_int_equal(free_classes(), unused);
}

/* --- The administrator takes the link back ----------------------------------------------------- */

static void test_limits_go_with_the_configuration(void **state)
{
	const struct handover_link other = link_named(PEER);

	(void)state;
	assert_int_equal(handover_reconfigure(world.handover, &other, 1), 0);
	assert_false(is_enforced(if_nametoindex(LINK)));
	assert_true(is_enforced(if_nametoindex(PEER)));
}

static void test_classes_go_with_the_configuration(void **state)
{
	(void)state;
	assert_int_not_equal(class_of_flow(), 0);
	assert_int_equal(handover_reconfigure(world.handover, NULL, 0), 0);
	world.port.class_end(world.port.user_data, FLOW);
	assert_int_equal(class_of_flow(), 0);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_limits_go_with_the_interface),
		CASE(test_classes_go_with_the_interface),
		CASE(test_classes_come_with_the_interface),
		CASE(test_limits_go_with_the_configuration),
		CASE(test_classes_go_with_the_configuration),
	};

	return cmocka_run_group_tests_name("links of the daemon", tests, NULL, NULL);
}

int main(void)
{
	return run_htb_tests(run);
}
