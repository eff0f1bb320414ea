/* SPDX-License-Identifier: MIT */
/*
 * test_htb.c: the scheduler's tree as tc(8) sees it: as built, changed, given back, taken over from
 * others and after a crash. What it does to packets is in test_htb_traffic.c.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/time.h"
#include "htb_world.h"
#include "net.h"

#define POOL_FIRST 0x100u

static const struct schedule_demand call = {
	.traffic_class = GW_CLASS_VOICE,
	.rate_bps = 100000,
	.burst_bytes = 4000,
};

/* --- Building --------------------------------------------------------------------------------- */

static void test_tree(void **state)
{
	char *before = tc_says(), *ids;
	struct schedule *schedule = htb_open(100 * MBIT, 3);

	assert_false(schedule_adopted(schedule));
	assert_class_has(1, "root rate 100Mbit ceil 100Mbit linklayer ethernet");
	/* A quarter of the link is the bands', whatever is reserved; and they may borrow. */
	assert_class_has(schedule_class_of(GW_CLASS_CONTROL), "prio 0 ");
	assert_class_has(schedule_class_of(GW_CLASS_CONTROL), "rate 2500Kbit ceil 25Mbit");
	assert_class_has(schedule_class_of(GW_CLASS_VOICE), "prio 1 ");
	assert_class_has(schedule_class_of(GW_CLASS_VOICE), "rate 7500Kbit ceil 100Mbit");
	assert_class_has(schedule_class_of(GW_CLASS_AUDIO_VIDEO), "prio 2 ");
	assert_class_has(schedule_class_of(GW_CLASS_AUDIO_VIDEO), "rate 6250Kbit ceil 100Mbit");
	assert_class_has(schedule_class_of(GW_CLASS_EXCELLENT_EFFORT), "prio 3 ");
	assert_class_has(schedule_class_of(GW_CLASS_BEST_EFFORT), "prio 4 ");
	assert_class_has(schedule_class_of(GW_CLASS_BEST_EFFORT), "rate 3750Kbit ceil 100Mbit");
	assert_class_has(schedule_class_of(GW_CLASS_BACKGROUND), "prio 5 ");
	assert_class_has(schedule_class_of(GW_CLASS_BACKGROUND), "rate 1250Kbit ceil 100Mbit");
	assert_class_has(POOL_FIRST, "prio 7 ");
	assert_class_has(POOL_FIRST, "rate 8bit ceil 100Mbit");
	assert_class_has(POOL_FIRST + 2, "parent 4757:1 leaf 4802: prio 7 quantum ");
	assert_int_equal(net_run("tc qdisc show dev " LINK " | grep -q "
				 "'^qdisc htb 4757: root .* default 0x10 '"),
			 0);
	ids = tc_says_class_ids();
	assert_string_equal(ids, "htb 4757:1\nhtb 4757:10\nhtb 4757:100\nhtb 4757:101\n"
				 "htb 4757:102\nhtb 4757:11\nhtb 4757:12\nhtb 4757:13\n"
				 "htb 4757:14\nhtb 4757:15\n");
	free(ids);
	assert_int_equal(schedule_check(schedule, NULL), 0);
	assert_null(schedule_close(schedule, true, NULL));
	assert_tc_says(before);
}

static void test_pool_has_its_size(void **state)
{
	struct schedule *schedule = htb_open(100 * MBIT, 0);

	assert_int_equal(schedule_free_classes(schedule), SCHEDULE_POOL_DEFAULT);
	assert_class_has(POOL_FIRST + SCHEDULE_POOL_DEFAULT - 1, "leaf 48ff: prio 7");
	schedule_close(schedule, true, NULL);
}

static void test_link_that_is_down(void **state)
{
	struct schedule *schedule;
	char *before = tc_says();

	net_run("ip link set " LINK " down");
	schedule = htb_open(10 * MBIT, 2);
	net_run("ip link set " LINK " up && ip link set " LINK " down");
	assert_int_equal(schedule_check(schedule, NULL), 0);
	schedule_close(schedule, true, NULL);

	/* Its default comes when it is up. */
	net_run("ip link set " LINK " up");
	assert_tc_says(before);
}

/* Several queues of the hardware become one, and are there again afterwards. */
static void test_link_with_several_queues(void **state)
{
	struct schedule *schedule;
	char *before;

	net_run("ip link del " LINK);
	if (net_run("ip tuntap add " LINK " mode tap multi_queue 2>/dev/null && "
		    "ip link set " LINK " up") != 0) {
		printf("SKIP: no tap links here\n");
		skip();
	}
	before = tc_says();
	assert_non_null(strstr(before, "\"mq\""));
	schedule = htb_open(10 * MBIT, 2);
	assert_int_equal(schedule_check(schedule, NULL), 0);
	schedule_close(schedule, true, NULL);
	assert_tc_says(before);
}

static void test_large_rates(void **state)
{
	struct schedule *schedule = htb_open(10000 * MBIT, 2);

	assert_class_has(1, "rate 10Gbit ceil 10Gbit");
	assert_class_has(schedule_class_of(GW_CLASS_VOICE), "quantum 93750 ");
	assert_int_equal(schedule_set_rate(schedule, 100000 * MBIT, 75), 0);
	assert_class_has(1, "rate 100Gbit ceil 100Gbit");
	assert_class_has(schedule_class_of(GW_CLASS_VOICE), "rate 7500Mbit ceil 100Gbit");
	schedule_close(schedule, true, NULL);
}

static void test_overhead(void **state)
{
	struct schedule_config config = htb_config(10 * MBIT, 2);
	struct schedule *schedule;

	config.overhead_bytes = 24;
	assert_int_equal(schedule_open(&config, &schedule, NULL), 0);
	assert_class_has(1, "overhead 24");
	assert_class_has(POOL_FIRST, "overhead 24");
	schedule_close(schedule, true, NULL);
}

static void refuse(const struct schedule_config *config, int error)
{
	struct schedule *schedule = NULL;
	char *before = tc_says();

	assert_int_equal(schedule_open(config, &schedule, NULL), error);
	assert_null(schedule);
	assert_tc_says(before);
}

static void test_absurd_figures(void **state)
{
	struct schedule_config config = htb_config(0, 2);

	refuse(&config, -EINVAL);
	config.rate_bps = UINT64_MAX;
	refuse(&config, -EINVAL);
	config = htb_config(MBIT, 2);
	config.reservable_percent = 101;
	refuse(&config, -EINVAL);
	config = htb_config(MBIT, SCHEDULE_POOL_MAX + 1);
	refuse(&config, -EINVAL);
	config = htb_config(MBIT, 2);
	config.mtu = 10;
	refuse(&config, -EINVAL);
	config = htb_config(MBIT, 2);
	config.ifindex = 9999;
	refuse(&config, -ENODEV);
}

/* Whichever request fails, the link is as it was. */
static void fail_everywhere(const struct schedule_config *config)
{
	struct schedule *schedule = NULL;
	char *before = tc_says();
	int r = -1;

	for (int i = 1; r < 0; i++) {
		fail_request(i);
		r = schedule_open(config, &schedule, NULL);
		if (r == 0) {
			assert_true(requests_made() < i);
			assert_true(i > 15);
			break;
		}
		assert_int_equal(r, -ENOBUFS);
		assert_tc_says(strdup(before));
	}
	fail_request(0);
	schedule_close(schedule, true, NULL);
	assert_tc_says(before);
}

static void test_all_or_nothing(void **state)
{
	const struct schedule_config config = htb_config(10 * MBIT, 2);

	fail_everywhere(&config);
}

static void test_all_or_nothing_by_force(void **state)
{
	struct schedule_config config = htb_config(10 * MBIT, 2);

	config.force = true;
	net_run("tc qdisc add dev " LINK " root handle 7: pfifo limit 77");
	fail_everywhere(&config);
}

/* --- Others ----------------------------------------------------------------------------------- */

static void test_foreign_root_is_refused(void **state)
{
	const struct schedule_config config = htb_config(10 * MBIT, 2);
	struct schedule *schedule = NULL;
	struct schedule_text text;
	char *before;

	net_run("tc qdisc add dev " LINK " root handle 7: tbf rate 1mbit burst 10k latency 50ms");
	before = tc_says();
	assert_int_equal(schedule_open(&config, &schedule, &text), -EBUSY);
	assert_non_null(strstr(text.text, "tbf 7:"));
	assert_tc_says(before);
}

static void take_and_give_back(const char *qdisc)
{
	struct schedule_config config = htb_config(10 * MBIT, 2);
	struct schedule *schedule;
	struct schedule_text text;
	char *before;

	config.force = true;
	assert_int_equal(net_run("tc qdisc add dev " LINK " root %s", qdisc), 0);
	before = tc_says();
	assert_int_equal(schedule_open(&config, &schedule, &text), 0);
	assert_string_equal(text.text, "");
	schedule_close(schedule, true, &text);
	assert_string_equal(text.text, "");
	assert_tc_says(before);
	net_run("tc qdisc del dev " LINK " root");
}

static void test_force_gives_back(void **state)
{
	take_and_give_back("handle 7: pfifo limit 77");
	take_and_give_back("handle 8: tbf rate 1mbit burst 10k latency 50ms");
	take_and_give_back("bfifo limit 12345");
	take_and_give_back("handle 9: htb default 5 r2q 20");
}

static void set_tree_up(void)
{
	static const char *const steps[] = {
		"qdisc add dev " LINK " root handle 9: htb default 20 r2q 40",
		"class add dev " LINK " parent 9: classid 9:1 htb rate 50mbit burst 15k",
		"class add dev " LINK " parent 9:1 classid 9:10 htb rate 10mbit ceil 50mbit prio 1",
		"class add dev " LINK " parent 9:1 classid 9:20 htb rate 20mbit ceil 40gbit "
		"quantum 3000",
		"class add dev " LINK " parent 9:1 classid 9:30 htb rate 1mbit",
		"qdisc add dev " LINK " parent 9:10 handle 10: pfifo limit 77",
		"qdisc add dev " LINK " parent 9:20 handle 20: tbf rate 1mbit burst 10k limit 50k",
		"qdisc add dev " LINK " parent 20:1 handle 21: htb default 1",
		"class add dev " LINK " parent 21: classid 21:1 htb rate 3mbit",
		"qdisc add dev " LINK " parent 21:1 handle 5: bfifo limit 10000",
		"filter add dev " LINK " parent 9: protocol ip prio 5 handle 1: u32 divisor 16",
		"filter add dev " LINK " parent 9: protocol ip prio 5 u32 ht 1:3: "
		"match ip dport 5009 0xffff flowid 9:10",
		"filter add dev " LINK " parent 9: protocol ip prio 5 u32 "
		"match ip src 192.0.2.0/24 hashkey mask 0x0f at 16 link 1:",
		"filter add dev " LINK " parent 9: protocol ip prio 7 u32 "
		"match ip dport 5010 0xffff flowid 9:20",
		"filter add dev " LINK
		" parent 9:1 protocol ipv6 prio 3 u32 match u32 0 0 flowid 9:30",
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(net_run("tc %s 2>/dev/null", steps[i]), 0);
}

/* Everything that tc(8) can be asked about the link. */
static char *tc_says_all(void)
{
	char *shown = tc_says(), *filters = tc_says_filters("9:1"), *all = malloc(1 << 20);

	assert_non_null(all);
	snprintf(all, 1 << 20, "%s%s", shown, filters);
	free(shown);
	free(filters);
	return all;
}

/* A whole tree of classes, queues and filters comes back to the byte. */
static void test_force_gives_a_tree_back(void **state)
{
	struct schedule_config config = htb_config(10 * MBIT, 2);
	struct schedule *schedule = NULL;
	struct schedule_text text;
	char *before, *now;

	config.force = true;
	set_tree_up();
	before = tc_says_all();
	assert_non_null(strstr(before, "\"u32\""));
	(void)schedule_open(&config, &schedule, &text);
	assert_string_equal(text.text, "");
	assert_non_null(schedule);
	schedule_close(schedule, true, &text);
	assert_string_equal(text.text, "");
	now = tc_says_all();
	assert_string_equal(now, before);
	free(now);
	free(before);
}

/* Hundreds of classes are more than fitted into a page. */
static void test_force_gives_many_classes_back(void **state)
{
	struct schedule_config config = htb_config(10 * MBIT, 2);
	struct schedule *schedule;
	struct schedule_text text;
	char *before, *now;

	config.force = true;
	assert_int_equal(
		net_run("tc qdisc add dev " LINK " root handle 9: htb && "
			"for i in $(seq 1 300); do echo class add dev " LINK
			" parent 9: classid 9:$i htb rate ${i}kbit quantum 2000; done | tc -b - && "
			"tc class show dev " LINK " | sort >/dev/null"),
		0);
	before = tc_says_class_ids();
	assert_int_equal(schedule_open(&config, &schedule, &text), 0);
	schedule_close(schedule, true, &text);
	assert_string_equal(text.text, "");
	now = tc_says_class_ids();
	assert_string_equal(now, before);
	free(now);
	free(before);
}

/* What could not be given back is left alone, and named. */
static void leave_alone(const char *setup, const char *words)
{
	struct schedule_config config = htb_config(10 * MBIT, 2);
	struct schedule *schedule = NULL;
	struct schedule_text text;
	char *before;

	config.force = true;
	set_tree_up();
	if (net_run("%s 2>/dev/null", setup) != 0) {
		printf("Not in this kernel: %s\n", setup);
		net_run("tc qdisc del dev " LINK " root");
		return;
	}
	before = tc_says_all();
	assert_int_equal(schedule_open(&config, &schedule, &text), -EBUSY);
	if (!strstr(text.text, "htb 9:") || !strstr(text.text, words))
		fail_msg("\"%s\" without \"%s\"", text.text, words);
	assert_null(schedule);
	{
		char *now = tc_says_all();

		assert_string_equal(now, before);
		free(now);
	}
	free(before);
	net_run("tc qdisc del dev " LINK " root");
}

static void test_force_leaves_alone_what_cannot_come_back(void **state)
{
	leave_alone("tc filter add dev " LINK
		    " parent 9: prio 9 bpf bytecode '1,6 0 0 4294967295,' "
		    "flowid 9:30",
		    "filter bpf below 9:");
	leave_alone("tc filter add dev " LINK " parent 9:1 protocol ip prio 2 u32 match u32 0 0 "
		    "police rate 1mbit burst 10k drop",
		    "filter u32 below 9: with actions");
	/* The first priority of u32 has gone: the kernel would number anew. */
	leave_alone("tc filter del dev " LINK " parent 9: protocol ip prio 5",
		    "with numbers that the kernel has given");
}

static void test_foreign_survives_a_crash(void **state)
{
	struct schedule_config config = htb_config(10 * MBIT, 2);
	struct schedule *schedule;
	char *before, *kept;
	const void *foreign;

	config.force = true;
	net_run("tc qdisc add dev " LINK " root handle 7: pfifo limit 77");
	before = tc_says();
	assert_int_equal(schedule_open(&config, &schedule, NULL), 0);
	foreign = schedule_foreign(schedule, &config.foreign_len);
	assert_non_null(foreign);
	kept = malloc(config.foreign_len);
	memcpy(kept, foreign, config.foreign_len);
	schedule_close(schedule, false, NULL);

	config.foreign = kept;
	config.foreign_len--;
	assert_int_equal(schedule_open(&config, &schedule, NULL), -EINVAL);
	config.foreign_len++;
	assert_int_equal(schedule_open(&config, &schedule, NULL), 0);
	assert_true(schedule_adopted(schedule));
	free(kept);
	schedule_close(schedule, true, NULL);
	assert_tc_says(before);
}

static void test_root_changed_by_others(void **state)
{
	struct schedule *schedule = htb_open(10 * MBIT, 2);
	struct schedule_text text;
	char *theirs;

	net_run("tc qdisc replace dev " LINK " root handle 7: pfifo limit 77");
	theirs = tc_says();
	assert_int_equal(schedule_check(schedule, &text), -EBUSY);
	assert_non_null(strstr(text.text, "pfifo 7:"));
	schedule_close(schedule, true, &text);
	assert_non_null(strstr(text.text, "pfifo 7:"));
	assert_tc_says(theirs);

	net_run("tc qdisc del dev " LINK " root");
	theirs = tc_says();
	schedule = htb_open(10 * MBIT, 2);
	net_run("tc qdisc del dev " LINK " root");
	assert_int_equal(schedule_check(schedule, &text), -ENOENT);
	schedule_close(schedule, true, NULL);
	assert_tc_says(theirs);
}

static void test_clsact_is_left_alone(void **state)
{
	struct schedule *schedule;
	char *before;

	net_run("tc qdisc add dev " LINK " clsact");
	before = tc_says();
	schedule = htb_open(10 * MBIT, 2);
	schedule_close(schedule, true, NULL);
	assert_tc_says(before);
}

static void test_link_vanishes(void **state)
{
	struct schedule *schedule = htb_open(10 * MBIT, 4);
	uint32_t minor, other;

	assert_int_equal(schedule_reserve(schedule, &call, &minor), 0);
	net_run("ip link del " LINK);
	assert_int_equal(schedule_reserve(schedule, &call, &other), -ENODEV);
	assert_int_equal(schedule_free_classes(schedule), 3);
	assert_int_equal(schedule_change(schedule, minor, &call), -ENODEV);
	assert_int_equal(schedule_set_rate(schedule, 5 * MBIT, 75), -ENODEV);
	assert_int_equal(schedule_check(schedule, NULL), -ENODEV);
	schedule_release(schedule, minor);
	assert_int_equal(schedule_tick(schedule), -ENODEV);
	schedule_close(schedule, true, NULL);
}

/* --- The pool --------------------------------------------------------------------------------- */

static void test_books(void **state)
{
	struct schedule *schedule = htb_open(10 * MBIT, 3);
	struct schedule_demand demand = call;
	uint32_t minors[3], minor;

	assert_int_equal(schedule_reservable_bps(schedule), 7500000);
	demand.rate_bps = 7500001;
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), -EDQUOT);
	demand.rate_bps = 4 * MBIT;
	assert_int_equal(schedule_reserve(schedule, &demand, &minors[0]), 0);
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), -EDQUOT);
	demand.rate_bps = 3500000;
	assert_int_equal(schedule_reserve(schedule, &demand, &minors[1]), 0);
	assert_int_equal(schedule_reserved_bps(schedule), 7500000);

	/* Nothing is changed by what is refused; less is always granted. */
	demand.rate_bps = 3500001;
	assert_int_equal(schedule_change(schedule, minors[1], &demand), -EDQUOT);
	assert_class_has(minors[1], "rate 3500Kbit ceil 10Mbit");
	demand.rate_bps = 1 * MBIT;
	demand.ceil_bps = 2 * MBIT;
	assert_int_equal(schedule_change(schedule, minors[1], &demand), 0);
	assert_class_has(minors[1], "prio 1 ");
	assert_class_has(minors[1], "rate 1Mbit ceil 2Mbit");

	/* Shaped only: no guarantee. */
	demand =
		(struct schedule_demand){ .traffic_class = GW_CLASS_BACKGROUND, .ceil_bps = 64000 };
	assert_int_equal(schedule_reserve(schedule, &demand, &minors[2]), 0);
	assert_class_has(minors[2], "prio 5 ");
	assert_class_has(minors[2], "rate 8bit ceil 64Kbit");
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), -ENOSPC);
	assert_int_equal(schedule_reserved_bps(schedule), 5 * MBIT);

	for (int i = 0; i < 3; i++)
		schedule_release(schedule, minors[i]);
	assert_int_equal(schedule_reserved_bps(schedule), 0);
	assert_int_equal(schedule_change(schedule, minors[0], &call), -ENOENT);
	assert_int_equal(schedule_free_classes(schedule), 0);
	assert_int_equal(schedule_tick(schedule), 0);
	assert_int_equal(schedule_free_classes(schedule), 3);
	assert_class_has(minors[0], "rate 8bit ceil 10Mbit");
	schedule_close(schedule, true, NULL);
}

static void test_absurd_demands(void **state)
{
	struct schedule *schedule = htb_open(10 * MBIT, 2);
	struct schedule_demand demand = call;
	uint32_t minor;

	demand.traffic_class = (enum gw_class)GW_CLASS_COUNT;
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), -EINVAL);
	demand = call;
	demand.ceil_bps = call.rate_bps - 1;
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), -EINVAL);
	demand.rate_bps = 0;
	demand.ceil_bps = 1;
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), -EINVAL);
	demand = call;
	demand.rate_bps = UINT64_MAX;
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), -EINVAL);
	assert_int_equal(schedule_change(schedule, 0x10, &call), -ENOENT);
	assert_int_equal(schedule_change(schedule, POOL_FIRST + 2, &call), -ENOENT);
	assert_int_equal(schedule_free_classes(schedule), 2);
	schedule_close(schedule, true, NULL);
}

/* How many classes the user gets; the last of them in *ret_minor. */
static uint32_t take_all(struct schedule *schedule, uint32_t uid, uint32_t *ret_minor)
{
	const struct schedule_demand demand = {
		.traffic_class = GW_CLASS_BEST_EFFORT,
		.ceil_bps = MBIT,
		.uid = uid,
	};
	uint32_t count = 0;
	int r;

	while ((r = schedule_reserve(schedule, &demand, ret_minor)) == 0)
		count++;
	assert_int_equal(r, -ENOSPC);
	return count;
}

/* Nobody has more classes than are left for others, not even while they drain; but root. */
static void test_users_leave_some_to_others(void **state)
{
	struct schedule *schedule = htb_open(10 * MBIT, 16);
	uint32_t minor = 0;

	assert_int_equal(take_all(schedule, 1000, &minor), 8);
	schedule_release(schedule, minor);
	assert_int_equal(take_all(schedule, 1000, &minor), 0);
	assert_int_equal(take_all(schedule, 1001, &minor), 4);
	assert_int_equal(schedule_tick(schedule), 0);
	assert_int_equal(take_all(schedule, 1000, &minor), 0);
	assert_int_equal(take_all(schedule, 0, &minor), 5);
	assert_int_equal(schedule_free_classes(schedule), 0);
	schedule_close(schedule, true, NULL);
}

/* A link given away whole keeps something for signalling. */
static void test_everything_is_reservable(void **state)
{
	struct schedule_config config = htb_config(10 * MBIT, 2);
	struct schedule *schedule;

	config.reservable_percent = 100;
	assert_int_equal(schedule_open(&config, &schedule, NULL), 0);
	assert_int_equal(schedule_reservable_bps(schedule), 9800000);
	assert_class_has(schedule_class_of(GW_CLASS_CONTROL), "rate 20Kbit ceil 2500Kbit");
	assert_int_equal(schedule_set_rate(schedule, 10 * MBIT, 0), 0);
	assert_int_equal(schedule_reservable_bps(schedule), 0);
	assert_class_has(schedule_class_of(GW_CLASS_CONTROL), "rate 1Mbit ceil 2500Kbit");
	schedule_close(schedule, true, NULL);
}

/* Hears of every change in the traffic control of this namespace. */
struct monitor {
	struct mnl_socket *netlink;
	int class_changes;
	int others;
};

static void monitor_open(struct monitor *monitor)
{
	*monitor = (struct monitor){
		.netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK),
	};
	assert_non_null(monitor->netlink);
	assert_int_equal(mnl_socket_bind(monitor->netlink, RTMGRP_TC, MNL_SOCKET_AUTOPID), 0);
}

static void monitor_read(struct monitor *monitor)
{
	char buffer[32768];
	ssize_t n;

	while ((n = mnl_socket_recvfrom(monitor->netlink, buffer, sizeof(buffer))) > 0) {
		int len = (int)n;

		for (const struct nlmsghdr *m = (void *)buffer; mnl_nlmsg_ok(m, len);
		     m = mnl_nlmsg_next(m, &len)) {
			if (m->nlmsg_type == RTM_NEWTCLASS)
				monitor->class_changes++;
			else
				monitor->others++;
		}
	}
	assert_int_equal(errno, EAGAIN); /* and not ENOBUFS */
}

static void test_giving_and_taking(void **state)
{
	struct schedule *schedule = htb_open(10 * MBIT, 8);
	char *ids = tc_says_class_ids(), *now;
	struct monitor monitor;
	uint32_t minors[4];

	monitor_open(&monitor);
	for (int i = 0; i < 250; i++) {
		for (int k = 0; k < 4; k++)
			assert_int_equal(schedule_reserve(schedule, &call, &minors[k]), 0);
		for (int k = 0; k < 4; k++)
			schedule_release(schedule, minors[k]);
		assert_int_equal(schedule_tick(schedule), 0);
		monitor_read(&monitor);
	}
	mnl_socket_close(monitor.netlink);
	/* Each class was changed thrice; none was made or deleted, nor was a queue. */
	assert_int_equal(monitor.class_changes, 3000);
	assert_int_equal(monitor.others, 0);
	now = tc_says_class_ids();
	assert_string_equal(now, ids);
	free(now);
	free(ids);
	assert_int_equal(schedule_free_classes(schedule), 8);
	schedule_close(schedule, true, NULL);
}

static int compare_times(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void test_change_is_quick(void **state)
{
	struct schedule *schedule = htb_open(1000 * MBIT, 1000);
	struct schedule_demand demand = call;
	static uint64_t times_us[1000];
	static uint32_t minors[1000];
	uint64_t before;

	for (int i = 0; i < 1000; i++) {
		before = time_now_us();
		fail_request(0);
		assert_int_equal(schedule_reserve(schedule, &demand, &minors[i]), 0);
		assert_int_equal(requests_made(), 1);
		times_us[i] = time_now_us() - before;
	}
	qsort(times_us, 1000, sizeof(times_us[0]), compare_times);
	printf("reserve, up to 1000 in force: median %llu us, p99 %llu us (wanted: 50)\n",
	       (unsigned long long)times_us[500], (unsigned long long)times_us[990]);
	for (int i = 0; i < 1000; i++) {
		demand.rate_bps = 50000 + (uint64_t)i * 8;
		before = time_now_us();
		assert_int_equal(schedule_change(schedule, minors[i], &demand), 0);
		times_us[i] = time_now_us() - before;
	}
	qsort(times_us, 1000, sizeof(times_us[0]), compare_times);
	printf("change, 1000 in force: median %llu us, p99 %llu us (wanted: 50)\n",
	       (unsigned long long)times_us[500], (unsigned long long)times_us[990]);
	schedule_close(schedule, true, NULL);
}

/* --- Rates change ----------------------------------------------------------------------------- */

static void test_other_rate(void **state)
{
	struct schedule *schedule = htb_open(100 * MBIT, 3);
	struct schedule_demand demand = call;
	uint32_t reserved, shaped;
	char *before, *ids = tc_says_class_ids(), *now;

	demand.rate_bps = 10 * MBIT;
	assert_int_equal(schedule_reserve(schedule, &demand, &reserved), 0);
	demand.ceil_bps = 12 * MBIT;
	assert_int_equal(schedule_reserve(schedule, &demand, &shaped), 0);
	assert_int_equal(schedule_set_rate(schedule, 50 * MBIT, 60), 0);
	assert_class_has(1, "rate 50Mbit ceil 50Mbit");
	assert_class_has(schedule_class_of(GW_CLASS_VOICE), "rate 6Mbit ceil 50Mbit");
	assert_class_has(reserved, "rate 10Mbit ceil 50Mbit");
	assert_class_has(shaped, "rate 10Mbit ceil 12Mbit");
	assert_int_equal(schedule_reservable_bps(schedule), 30 * MBIT);

	/* Refused or failed: nothing changes. */
	before = tc_says();
	assert_int_equal(schedule_set_rate(schedule, 0, 60), -EINVAL);
	assert_int_equal(schedule_set_rate(schedule, 50 * MBIT, 101), -EINVAL);
	for (int i = 1; i < 16; i++) {
		fail_request(i);
		assert_int_equal(schedule_set_rate(schedule, 80 * MBIT, 80), -ENOBUFS);
	}
	fail_request(0);
	assert_int_equal(schedule_reservable_bps(schedule), 30 * MBIT);
	assert_tc_says(before);
	now = tc_says_class_ids();
	assert_string_equal(now, ids);
	free(now);
	free(ids);
	schedule_close(schedule, true, NULL);
}

/* More was promised than the link still has: everyone's part shrinks, until someone leaves. */
static void test_overbooked(void **state)
{
	struct schedule *schedule = htb_open(100 * MBIT, 4);
	struct schedule_demand demand = { .traffic_class = GW_CLASS_VOICE };
	uint32_t minors[3], minor;

	for (int i = 0; i < 3; i++) {
		demand.rate_bps = 10 * MBIT;
		assert_int_equal(schedule_reserve(schedule, &demand, &minors[i]), 0);
	}
	assert_int_equal(schedule_set_rate(schedule, 20 * MBIT, 75), 0);
	assert_int_equal(schedule_reservable_bps(schedule), 15 * MBIT);
	assert_int_equal(schedule_reserved_bps(schedule), 30 * MBIT);
	for (int i = 0; i < 3; i++)
		assert_class_has(minors[i], "rate 5Mbit ceil 20Mbit");
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), -EDQUOT);

	schedule_release(schedule, minors[0]);
	assert_class_has(minors[1], "rate 7500Kbit ceil 20Mbit");
	demand.rate_bps = 4 * MBIT;
	assert_int_equal(schedule_change(schedule, minors[1], &demand), 0);
	assert_class_has(minors[1], "rate 4Mbit ceil 20Mbit");
	assert_class_has(minors[2], "rate 10Mbit ceil 20Mbit");
	assert_int_equal(schedule_set_rate(schedule, 100 * MBIT, 75), 0);
	assert_class_has(minors[2], "rate 10Mbit ceil 100Mbit");
	schedule_close(schedule, true, NULL);
}

/* --- After a crash ---------------------------------------------------------------------------- */

static void test_adoption(void **state)
{
	char *link = tc_says(), *before;
	struct schedule *schedule = htb_open(100 * MBIT, 4);
	uint32_t claimed, forgotten;

	assert_int_equal(schedule_reserve(schedule, &call, &forgotten), 0);
	assert_int_equal(schedule_reserve(schedule, &call, &claimed), 0);
	before = tc_says();
	assert_null(schedule_close(schedule, false, NULL));
	assert_tc_says(strdup(before));

	schedule = htb_open(100 * MBIT, 4);
	assert_true(schedule_adopted(schedule));
	assert_tc_says(before);
	assert_int_equal(schedule_reserved_bps(schedule), 2 * call.rate_bps);
	assert_int_equal(schedule_free_classes(schedule), 2);
	assert_int_equal(schedule_change(schedule, claimed, &call), -ENOENT);
	assert_int_equal(schedule_claim(schedule, claimed, &call), 0);
	assert_int_equal(schedule_claim(schedule, claimed, &call), -ENOENT);
	assert_int_equal(schedule_sweep(schedule), 1);
	assert_int_equal(schedule_sweep(schedule), 0);
	assert_int_equal(schedule_tick(schedule), 0);
	assert_int_equal(schedule_reserved_bps(schedule), call.rate_bps);
	assert_int_equal(schedule_free_classes(schedule), 3);
	schedule_close(schedule, true, NULL);
	assert_tc_says(link);
}

static void test_adoption_with_other_figures(void **state)
{
	struct schedule *schedule = htb_open(100 * MBIT, 2);

	schedule_close(schedule, false, NULL);
	schedule = htb_open(50 * MBIT, 2);
	assert_true(schedule_adopted(schedule));
	assert_class_has(1, "rate 50Mbit ceil 50Mbit");
	assert_class_has(POOL_FIRST, "ceil 50Mbit");
	schedule_close(schedule, true, NULL);
}

/* A tree of another shape is built anew. */
static void rebuild_after(const char *damage, uint32_t pool_size)
{
	struct schedule *schedule = htb_open(100 * MBIT, 2);

	schedule_close(schedule, false, NULL);
	if (damage)
		assert_int_equal(net_run("%s", damage), 0);
	schedule = htb_open(100 * MBIT, pool_size);
	assert_false(schedule_adopted(schedule));
	assert_int_equal(schedule_free_classes(schedule), pool_size);
	schedule_close(schedule, false, NULL);
	schedule = htb_open(100 * MBIT, pool_size);
	assert_true(schedule_adopted(schedule));
	schedule_close(schedule, true, NULL);
}

static void test_what_does_not_fit(void **state)
{
	rebuild_after(NULL, 3);
	rebuild_after("tc class del dev " LINK " classid 4757:101", 2);
	rebuild_after("tc class add dev " LINK " parent 4757:1 classid 4757:77 htb rate 1mbit", 2);
	rebuild_after("tc qdisc replace dev " LINK " parent 4757:14 handle 99: bfifo", 2);
	/* A queue without what splits, as they were made once. */
	rebuild_after("tc qdisc del dev " LINK " parent 4757:101 && "
		      "tc qdisc add dev " LINK " parent 4757:101 handle 4801: pfifo",
		      2);
	rebuild_after("tc qdisc replace dev " LINK " parent 4801:1 handle 99: pfifo", 2);
	rebuild_after("tc qdisc del dev " LINK " root && "
		      "tc qdisc add dev " LINK " root handle 4757: htb default 5",
		      2);
}

/* --- Splitting -------------------------------------------------------------------------------- */

/* Only a class that changes between slow and fast costs another request; which may fail. */
static void test_change_between_slow_and_fast(void **state)
{
	struct schedule *schedule = htb_open(1000 * MBIT, 2);
	struct schedule_demand demand = { .traffic_class = GW_CLASS_VOICE, .rate_bps = 8000 };
	uint32_t minor;
	char *before;

	demand.ceil_bps = 100 * MBIT;
	before = tc_says();
	for (int i = 1; i <= 2; i++) {
		fail_request(i);
		assert_int_equal(schedule_reserve(schedule, &demand, &minor), -ENOBUFS);
	}
	fail_request(0);
	assert_int_equal(schedule_free_classes(schedule), 2);
	assert_int_equal(schedule_reserved_bps(schedule), 0);
	assert_tc_says(before);
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), 0);
	demand.ceil_bps = 150 * MBIT;
	fail_request(0);
	assert_int_equal(schedule_change(schedule, minor, &demand), 0);
	assert_int_equal(requests_made(), 1);
	demand.ceil_bps = 0;
	assert_int_equal(schedule_change(schedule, minor, &demand), 0);
	assert_int_equal(requests_made(), 3);
	schedule_close(schedule, true, NULL);
}

/* Without TBF there are queues all the same, and they are taken over after a crash. */
static void test_kernel_without_splitter(void **state)
{
	struct schedule_demand demand = { .traffic_class = GW_CLASS_VOICE, .ceil_bps = MBIT };
	char *before = tc_says(), *now;
	struct schedule *schedule;
	uint32_t minor;

	hide_kind("tbf");
	schedule = htb_open(1000 * MBIT, 2);
	now = tc_says();
	assert_null(strstr(now, "tbf"));
	free(now);
	assert_class_has(POOL_FIRST, "leaf 5000: ");
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), 0);
	assert_int_equal(schedule_set_rate(schedule, 100 * MBIT, 75), 0);
	schedule_close(schedule, false, NULL);
	schedule = htb_open(100 * MBIT, 2);
	assert_true(schedule_adopted(schedule));
	assert_int_equal(schedule_claim(schedule, minor, &demand), 0);
	schedule_close(schedule, true, NULL);
	assert_tc_says(before);
}

/* --- Statistics ------------------------------------------------------------------------------- */

struct tally {
	int bands, others;
	uint32_t other;
};

static void on_stats(void *user_data, const struct schedule_class_stats *stats)
{
	struct tally *tally = user_data;

	if (stats->band) {
		assert_int_equal(stats->minor, schedule_class_of(stats->traffic_class));
		tally->bands++;
	} else {
		assert_int_equal(stats->traffic_class, GW_CLASS_VOICE);
		assert_int_equal(stats->rate_bps, call.rate_bps);
		tally->other = stats->minor;
		tally->others++;
	}
	assert_int_equal(stats->backlog_packets, 0);
}

static void test_stats_tell_what_is_given_out(void **state)
{
	struct schedule *schedule = htb_open(100 * MBIT, 4);
	struct tally tally = { 0 };
	uint32_t minor;

	assert_int_equal(schedule_reserve(schedule, &call, &minor), 0);
	assert_int_equal(schedule_stats(schedule, on_stats, &tally), 0);
	assert_int_equal(tally.bands, GW_CLASS_COUNT);
	assert_int_equal(tally.others, 1);
	assert_int_equal(tally.other, minor);
	schedule_close(schedule, true, NULL);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		HTB_CASE(test_tree),
		HTB_CASE(test_pool_has_its_size),
		HTB_CASE(test_link_that_is_down),
		HTB_CASE(test_link_with_several_queues),
		HTB_CASE(test_large_rates),
		HTB_CASE(test_overhead),
		HTB_CASE(test_absurd_figures),
		HTB_CASE(test_all_or_nothing),
		HTB_CASE(test_all_or_nothing_by_force),
		HTB_CASE(test_foreign_root_is_refused),
		HTB_CASE(test_force_gives_back),
		HTB_CASE(test_force_gives_a_tree_back),
		HTB_CASE(test_force_gives_many_classes_back),
		HTB_CASE(test_force_leaves_alone_what_cannot_come_back),
		HTB_CASE(test_foreign_survives_a_crash),
		HTB_CASE(test_root_changed_by_others),
		HTB_CASE(test_clsact_is_left_alone),
		HTB_CASE(test_link_vanishes),
		HTB_CASE(test_books),
		HTB_CASE(test_absurd_demands),
		HTB_CASE(test_everything_is_reservable),
		HTB_CASE(test_users_leave_some_to_others),
		HTB_CASE(test_giving_and_taking),
		HTB_CASE(test_change_is_quick),
		HTB_CASE(test_other_rate),
		HTB_CASE(test_overbooked),
		HTB_CASE(test_adoption),
		HTB_CASE(test_adoption_with_other_figures),
		HTB_CASE(test_what_does_not_fit),
		HTB_CASE(test_change_between_slow_and_fast),
		HTB_CASE(test_kernel_without_splitter),
		HTB_CASE(test_stats_tell_what_is_given_out),
	};

	return cmocka_run_group_tests_name("htb", tests, NULL, NULL);
}

int main(void)
{
	return run_htb_tests(run);
}
