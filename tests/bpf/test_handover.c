/* SPDX-License-Identifier: MIT */
/*
 * test_handover.c: links that are handed over come, go, change hands and come back, on veth pairs in a
 * namespace of the test's own; what tc(8) says before and after is compared to the byte.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/kernel/handover.h"
#include "datapath/kernel/iface.h"
#include "htb_world.h"
#include "net.h"

#define PERCENT 75
#define FOREIGN_QDISC "handle 7: pfifo limit 77"

static char folder[64];

/* --- A handover under observation ------------------------------------------------------------- */

#define CHANGES_MAX 32

static struct {
	struct handover *handover;
	int classifier_fd;
	enum handover_state changes[CHANGES_MAX];
	size_t n_changes;
	uint64_t rate_bps; /* of the last change */
} world;

static void on_changed(void *user_data, const struct handover_report *report)
{
	assert_true(world.n_changes < CHANGES_MAX);
	assert_true((report->state == HANDOVER_SCHEDULED) == (report->schedule != NULL));
	assert_true((report->state == HANDOVER_WAITING) == (report->ifindex == 0));
	world.changes[world.n_changes++] = report->state;
	world.rate_bps = report->link.rate_bps;
}

static struct handover_link link_of(const char *name, bool force)
{
	struct handover_link link = {
		.rate_bps = 10 * MBIT,
		.reservable_percent = PERCENT,
		.force = force,
	};

	snprintf(link.name, sizeof(link.name), "%s", name);
	return link;
}

static void open_links(const struct handover_link *links, size_t n_links)
{
	const struct handover_config config = {
		.links = links,
		.n_links = n_links,
		.state_folder = folder,
		.classifier_fd = world.classifier_fd,
		.changed = on_changed,
	};

	world.n_changes = 0;
	assert_int_equal(handover_open(&config, &world.handover), 0);
}

static void open_link(bool force)
{
	const struct handover_link link = link_of(LINK, force);

	open_links(&link, 1);
}

static void close_links(bool restore)
{
	world.handover = handover_close(world.handover, restore);
	assert_null(world.handover);
}

/* What has been told since the last call. */
static void assert_changes(size_t count, ...)
{
	va_list arguments;

	assert_int_equal(world.n_changes, count);
	va_start(arguments, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(world.changes[i], va_arg(arguments, int));
	va_end(arguments);
	world.n_changes = 0;
}

/* Until nothing more happens. */
static void let_events_come(void)
{
	struct pollfd pollfd = { .fd = handover_fd(world.handover), .events = POLLIN };

	while (poll(&pollfd, 1, 100) == 1)
		assert_int_equal(handover_event(world.handover), 0);
	assert_int_equal(handover_event(world.handover), 0);
}

struct look {
	const char *name;
	struct handover_report report;
	char text[256];
	int count;
};

static void on_visit(void *user_data, const struct handover_report *report)
{
	struct look *look = user_data;

	if (strcmp(report->link.name, look->name) != 0)
		return;
	look->report = *report;
	snprintf(look->text, sizeof(look->text), "%s", report->text);
	look->count++;
}

static struct look look_at(const char *name)
{
	struct look look = { .name = name };

	handover_visit(world.handover, on_visit, &look);
	assert_int_equal(look.count, 1);
	return look;
}

static void assert_state(const char *name, enum handover_state state, const char *words)
{
	struct look look = look_at(name);

	if (look.report.state != state || !strstr(look.text, words))
		fail_msg("%s: state %d, \"%s\"", name, (int)look.report.state, look.text);
	if (words[0] == 0)
		assert_string_equal(look.text, "");
}

static struct schedule *schedule_of(const char *name)
{
	struct schedule *schedule = handover_schedule(world.handover, if_nametoindex(name));

	assert_non_null(schedule);
	return schedule;
}

static bool is_kept(void)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/" LINK ".queue", folder);
	return access(path, F_OK) == 0;
}

/* The file of the link, replaced by these bytes. */
static void spoil(const void *bytes, size_t len)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/" LINK ".queue", folder);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
	chmod(path, 0600);
}

static int setup(void **state)
{
	memset(&world, 0, sizeof(world));
	world.classifier_fd = -1;
	snprintf(folder, sizeof(folder), "/tmp/greenwave-handover-%d", (int)getpid());
	return htb_setup(state);
}

static int teardown(void **state)
{
	handover_close(world.handover, false);
	fail_request(0);
	net_run("rm -rf %s", folder);
	net_run("ip link del gwx 2>/dev/null");
	return htb_teardown(state);
}

/* --- Taking and giving back ------------------------------------------------------------------- */

static void test_taken_and_given_back(void **state)
{
	char *before = tc_says();

	open_link(false);
	assert_changes(1, HANDOVER_SCHEDULED);
	assert_state(LINK, HANDOVER_SCHEDULED, "");
	assert_class_has(1, "rate 10Mbit overhead 24 ceil 10Mbit linklayer ethernet");
	assert_int_equal(schedule_reservable_bps(schedule_of(LINK)), 7500000);
	/* 14 of header, 8 before the frame, 4 of check sequence, 12 of gap. */
	assert_int_equal(handover_overhead_bytes(world.handover, if_nametoindex(LINK)), 38);
	assert_null(handover_schedule(world.handover, if_nametoindex(PEER)));
	let_events_come();
	assert_changes(0);
	assert_false(is_kept());
	close_links(true);
	assert_tc_says(before);
}

static void test_abandoned_and_given_back(void **state)
{
	const struct schedule_demand demand = { .traffic_class = GW_CLASS_VOICE, .rate_bps = MBIT };
	char *before = tc_says(), *ours;
	uint32_t minor;

	open_link(false);
	assert_int_equal(schedule_reserve(schedule_of(LINK), &demand, &minor), 0);
	ours = tc_says();
	close_links(false);
	assert_tc_says(strdup(ours));
	open_link(false);
	assert_true(schedule_adopted(schedule_of(LINK)));
	assert_int_equal(schedule_reserved_bps(schedule_of(LINK)), MBIT);
	assert_int_equal(schedule_claim(schedule_of(LINK), minor, &demand), 0);
	assert_tc_says(ours);
	close_links(true);
	assert_tc_says(before);
}

static void test_draining_classes_are_found(void **state)
{
	const struct schedule_demand demand = { .traffic_class = GW_CLASS_VOICE, .rate_bps = MBIT };
	uint32_t minor, free_before;

	open_link(false);
	free_before = schedule_free_classes(schedule_of(LINK));
	assert_int_equal(schedule_reserve(schedule_of(LINK), &demand, &minor), 0);
	schedule_release(schedule_of(LINK), minor);
	assert_int_equal(schedule_free_classes(schedule_of(LINK)), free_before - 1);
	assert_false(handover_tick(world.handover));
	assert_int_equal(schedule_free_classes(schedule_of(LINK)), free_before);
	close_links(true);
}

/* What a daemon before us had, and we are not to have, goes back; what is not ours stays. */
static void test_orphans(void **state)
{
	char *before = tc_says();

	net_run("tc qdisc add dev " PEER " root handle 4757: htb default 99");
	open_link(false);
	close_links(false);
	open_links(NULL, 0);
	close_links(false);
	assert_tc_says(before);
	assert_int_equal(net_run("tc qdisc show dev " PEER " | grep -q '^qdisc htb 4757: root'"),
			 0);
}

static void test_absurd_configuration(void **state)
{
	struct handover_link links[2] = { link_of(LINK, false), link_of(LINK, false) };
	struct handover_config config = { .links = links, .n_links = 2, .classifier_fd = -1 };
	char *before = tc_says();

	assert_int_equal(handover_open(&config, &world.handover), -EINVAL);
	memset(links[1].name, 'a', sizeof(links[1].name));
	assert_int_equal(handover_open(&config, &world.handover), -EINVAL);
	assert_null(world.handover);
	snprintf(links[1].name, sizeof(links[1].name), "../../etc");
	links[0].rate_bps = 0;
	open_links(links, 2);
	assert_state(LINK, HANDOVER_REFUSED, "Invalid argument");
	assert_state("../../etc", HANDOVER_WAITING, "no such interface");
	assert_tc_says(before);
}

/* Whichever request fails, the link has a whole tree of ours in the end, or what it had. */
static void test_all_or_nothing(void **state)
{
	char *before, *kept;

	net_run("tc qdisc add dev " LINK " root " FOREIGN_QDISC);
	before = tc_says();
	for (int i = 1; i < 700; i += i < 12 ? 1 : 71) {
		const struct handover_link link = link_of(LINK, true);
		struct handover_config config = {
			.links = &link, .n_links = 1, .state_folder = folder, .classifier_fd = -1
		};

		fail_request(i);
		if (handover_open(&config, &world.handover) < 0) {
			assert_true(i < 4);
			assert_tc_says(strdup(before));
			continue;
		}
		fail_request(0);
		if (!handover_schedule(world.handover, if_nametoindex(LINK))) {
			assert_tc_says(strdup(before));
			assert_false(is_kept());
			assert_state(LINK, HANDOVER_REFUSED, "No buffer space");
			/* And it is tried again. */
			assert_int_equal(handover_event(world.handover), 0);
		}
		assert_state(LINK, HANDOVER_SCHEDULED, "");
		kept = tc_says();
		assert_non_null(strstr(kept, "4757:1ff"));
		free(kept);
		close_links(true);
		assert_tc_says(strdup(before));
	}
	assert_tc_says(before);
}

/* --- Interfaces come and go ------------------------------------------------------------------- */

static void test_link_that_comes_later(void **state)
{
	const struct handover_link link = link_of("gwx", false);

	open_links(&link, 1);
	assert_state("gwx", HANDOVER_WAITING, "no such interface");
	assert_changes(0);
	assert_int_equal(net_run("ip link add gwx type veth peer name gwy"), 0);
	let_events_come();
	assert_changes(1, HANDOVER_SCHEDULED);
	assert_non_null(schedule_of("gwx"));
}

static void test_hot_plug(void **state)
{
	open_link(false);
	net_run("ip link del " LINK);
	let_events_come();
	assert_changes(2, HANDOVER_SCHEDULED, HANDOVER_WAITING);
	assert_state(LINK, HANDOVER_WAITING, "no such interface");
	htb_setup(NULL);
	let_events_come();
	assert_changes(1, HANDOVER_SCHEDULED);

	/* Gone and back between two looks, also under the same number. */
	net_run("ip link del " LINK);
	htb_setup(NULL);
	let_events_come();
	assert_changes(2, HANDOVER_WAITING, HANDOVER_SCHEDULED);
	assert_int_equal(net_run("n=$(cat /proc/net/dev_mcast | awk '$2 == \"" LINK
				 "\" { print $1; exit }'); ip link del " LINK " && "
				 "ip link add " LINK " index $n type veth peer name " PEER),
			 0);
	let_events_come();
	assert_changes(2, HANDOVER_WAITING, HANDOVER_SCHEDULED);
	assert_int_equal(schedule_check(schedule_of(LINK), NULL), 0);
	close_links(true);
}

static void test_down_and_up(void **state)
{
	char *before = tc_says();

	open_link(false);
	net_run("ip link set " LINK " down");
	let_events_come();
	net_run("ip link set " LINK " up");
	let_events_come();
	assert_changes(1, HANDOVER_SCHEDULED);
	assert_int_equal(schedule_check(schedule_of(LINK), NULL), 0);
	close_links(true);
	assert_tc_says(before);
}

/* The configuration speaks of names. */
static void test_renamed(void **state)
{
	char *before = tc_says();

	open_link(false);
	net_run("ip link set " LINK " down && ip link set " LINK " name gwx");
	let_events_come();
	assert_changes(2, HANDOVER_SCHEDULED, HANDOVER_WAITING);
	assert_int_not_equal(net_run("tc qdisc show dev gwx | grep -q 4757:"), 0);
	net_run("ip link set gwx name " LINK " && ip link set " LINK " up");
	let_events_come();
	assert_changes(1, HANDOVER_SCHEDULED);
	close_links(true);
	assert_tc_says(before);
}

static void test_names_are_exchanged(void **state)
{
	const struct handover_link links[2] = { link_of(LINK, false), link_of(PEER, false) };

	open_links(links, 2);
	assert_changes(2, HANDOVER_SCHEDULED, HANDOVER_SCHEDULED);
	net_run("ip link set " LINK " down; ip link set " PEER " down; ip link set " LINK
		" name gwx; ip link set " PEER " name " LINK "; ip link set gwx name " PEER);
	let_events_come();
	assert_changes(4, HANDOVER_WAITING, HANDOVER_WAITING, HANDOVER_SCHEDULED,
		       HANDOVER_SCHEDULED);
	assert_int_equal(schedule_check(schedule_of(LINK), NULL), 0);
	assert_int_equal(schedule_check(schedule_of(PEER), NULL), 0);
	close_links(true);
}

static void test_mtu_is_followed(void **state)
{
	open_link(false);
	/* What passes in 4 ms, or a frame. */
	assert_class_has(1, "burst 5000b");
	assert_class_has(0x100, "cburst 5000b");
	net_run("ip link set " LINK " mtu 9000");
	let_events_come();
	assert_changes(1, HANDOVER_SCHEDULED);
	/* 9000 and 18 of header and tag, 24 on the wire. */
	assert_class_has(1, "burst 9041b");
	assert_class_has(0x100, "cburst 9041b");
	close_links(true);
}

/* --- Links that cannot be scheduled ----------------------------------------------------------- */

static void test_loopback_is_refused(void **state)
{
	const struct handover_link link = link_of("lo", true);

	open_links(&link, 1);
	assert_state("lo", HANDOVER_REFUSED, "loopback");
	assert_changes(1, HANDOVER_REFUSED);
	assert_int_not_equal(net_run("tc qdisc show dev lo | grep -q htb"), 0);
}

static void test_tunnel_is_refused(void **state)
{
	const struct handover_link link = link_of("gwx", true);

	if (net_run("ip tuntap add gwx mode tun 2>/dev/null") != 0) {
		printf("SKIP: no tun links here\n");
		skip();
	}
	open_links(&link, 1);
	assert_state("gwx", HANDOVER_REFUSED, "only Ethernet");
}

/* As far as it goes without a radio: by what the folder of interfaces shows. */
static void test_wireless_is_known(void **state)
{
	struct iface iface = { .ifindex = 5, .name = "gwx", .ethernet = true };

	assert_false(iface_is_wireless(&iface, folder));
	assert_null(iface_refusal(&iface));
	net_run("mkdir -p %s/gwx/phy80211; echo 6 >%s/gwx/ifindex", folder, folder);
	assert_false(iface_is_wireless(&iface, folder)); /* somebody else's */
	net_run("echo 5 >%s/gwx/ifindex", folder);
	assert_true(iface_is_wireless(&iface, folder));
	iface.wireless = true;
	assert_string_equal(iface_refusal(&iface), "Wi-Fi gets marks and priorities only");
}

static void test_vlan(void **state)
{
	const struct handover_link link = link_of("gwx", false);

	if (net_run("ip link add link " LINK " name gwx type vlan id 7 2>/dev/null") != 0) {
		printf("SKIP: no VLAN links here\n");
		skip();
	}
	open_links(&link, 1);
	assert_changes(1, HANDOVER_SCHEDULED);
	assert_int_equal(net_run("tc -d class show dev gwx classid 4757:1 | grep -q 'overhead 28'"),
			 0);
	assert_int_equal(handover_overhead_bytes(world.handover, if_nametoindex("gwx")), 42);
}

/* --- Others' queues --------------------------------------------------------------------------- */

static void test_foreign_root_is_refused(void **state)
{
	char *before;

	net_run("tc qdisc add dev " LINK " root " FOREIGN_QDISC);
	before = tc_says();
	open_link(false);
	assert_changes(1, HANDOVER_REFUSED);
	assert_state(LINK, HANDOVER_REFUSED, "pfifo 7:");
	assert_tc_says(before);

	/* Free now. */
	net_run("tc qdisc del dev " LINK " root");
	let_events_come();
	assert_changes(1, HANDOVER_SCHEDULED);
	close_links(true);
}

static void test_force(void **state)
{
	struct stat stat_buffer;
	char path[128], *before;

	net_run("tc qdisc add dev " LINK " root " FOREIGN_QDISC);
	before = tc_says();
	open_link(true);
	assert_changes(1, HANDOVER_SCHEDULED);
	snprintf(path, sizeof(path), "%s/" LINK ".queue", folder);
	assert_int_equal(stat(path, &stat_buffer), 0);
	assert_int_equal(stat_buffer.st_mode & 0777, 0600);
	close_links(true);
	assert_tc_says(before);
	assert_false(is_kept());
}

/* As after kill -9. */
static void test_force_survives_a_crash(void **state)
{
	char *before;

	net_run("tc qdisc add dev " LINK " root " FOREIGN_QDISC);
	before = tc_says();
	open_link(true);
	close_links(false);
	assert_true(is_kept());
	open_link(false);
	assert_true(schedule_adopted(schedule_of(LINK)));
	assert_true(is_kept());
	close_links(true);
	assert_false(is_kept());
	assert_tc_says(strdup(before));

	/* And when the link is not handed over any more. */
	open_link(true);
	close_links(false);
	open_links(NULL, 0);
	assert_false(is_kept());
	close_links(true);
	assert_tc_says(before);
}

/* A whole tree, through the file, as after kill -9. */
static void test_force_keeps_a_tree(void **state)
{
	char *before;

	net_run("tc qdisc add dev " LINK " root handle 9: htb default 20");
	net_run("tc class add dev " LINK " parent 9: classid 9:1 htb rate 9mbit");
	for (int i = 10; i < 60; i++)
		net_run("tc class add dev " LINK
			" parent 9:1 classid 9:%d htb rate %dmbit quantum 2000",
			i, i);
	net_run("tc qdisc add dev " LINK
		" parent 9:20 handle 20: tbf rate 1mbit burst 10k limit 50k");
	net_run("tc filter add dev " LINK " parent 9: protocol ip prio 5 u32 "
		"match ip dport 5009 0xffff flowid 9:20");
	before = tc_says();
	open_link(true);
	assert_changes(1, HANDOVER_SCHEDULED);
	close_links(false);
	assert_true(is_kept());
	open_link(false);
	assert_true(schedule_adopted(schedule_of(LINK)));
	close_links(true);
	assert_false(is_kept());
	assert_tc_says(strdup(before));

	open_link(true);
	close_links(false);
	open_links(NULL, 0);
	assert_false(is_kept());
	close_links(true);
	assert_tc_says(before);
}

static void test_force_needs_the_folder(void **state)
{
	char *before;

	net_run("tc qdisc add dev " LINK " root " FOREIGN_QDISC);
	before = tc_says();
	snprintf(folder, sizeof(folder), "/proc/greenwave-handover");
	open_link(true);
	assert_state(LINK, HANDOVER_REFUSED, "could not be kept");
	assert_tc_says(before);
}

/* Whatever lies in the file: nothing but what we have written is ever put back. */
static void test_damaged_files_are_ignored(void **state)
{
	static uint8_t bytes[16384];
	char *plain = tc_says(), path[128];
	size_t len;
	FILE *file;

	net_run("tc qdisc add dev " LINK " root " FOREIGN_QDISC);
	open_link(true);
	close_links(false);
	snprintf(path, sizeof(path), "%s/" LINK ".queue", folder);
	file = fopen(path, "re");
	len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	assert_true(len > 100);

	spoil(bytes, len - 1);
	open_link(false);
	assert_state(LINK, HANDOVER_SCHEDULED, "damaged");
	close_links(false);
	spoil(bytes, len); /* the adoption has taken the bad one away */
	bytes[40] ^= 1;
	spoil(bytes, len);
	open_link(false);
	assert_state(LINK, HANDOVER_SCHEDULED, "damaged");
	close_links(false);
	spoil(bytes, sizeof(bytes));
	open_link(false);
	assert_state(LINK, HANDOVER_SCHEDULED, "damaged");
	close_links(false);
	spoil("", 0);
	open_link(false);
	assert_state(LINK, HANDOVER_SCHEDULED, "damaged");
	close_links(false);
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	open_link(false);
	assert_state(LINK, HANDOVER_SCHEDULED, "damaged");
	close_links(true);
	assert_tc_says(plain);
}

/* Left by a crash before the machine was started anew, say. */
static void test_stale_file_is_removed(void **state)
{
	char *before = tc_says();

	mkdir(folder, 0700);
	spoil("GWqueue1", 8);
	open_link(false);
	assert_false(is_kept());
	assert_state(LINK, HANDOVER_SCHEDULED, "");
	close_links(true);
	assert_tc_says(before);
}

static void test_replaced(void **state)
{
	char *theirs;

	open_link(false);
	net_run("tc qdisc replace dev " LINK " root " FOREIGN_QDISC);
	theirs = tc_says();
	let_events_come();
	assert_changes(2, HANDOVER_SCHEDULED, HANDOVER_REPLACED);
	assert_state(LINK, HANDOVER_REPLACED, "pfifo 7:");
	assert_null(handover_schedule(world.handover, if_nametoindex(LINK)));
	for (int i = 0; i < 3; i++)
		assert_int_equal(handover_event(world.handover), 0);
	assert_changes(0);
	assert_tc_says(strdup(theirs));
	close_links(true);
	assert_tc_says(theirs);
}

static void test_replaced_and_taken_back_by_force(void **state)
{
	open_link(true);
	net_run("tc qdisc replace dev " LINK " root " FOREIGN_QDISC);
	let_events_come();
	assert_changes(3, HANDOVER_SCHEDULED, HANDOVER_REPLACED, HANDOVER_SCHEDULED);
	assert_true(is_kept());

	/* We do not fight. */
	for (int i = 0; i < 12; i++) {
		net_run("tc qdisc replace dev " LINK " root " FOREIGN_QDISC);
		let_events_come();
	}
	assert_in_range(world.n_changes, 2, 12);
	world.n_changes = 0;
	assert_state(LINK, HANDOVER_REPLACED, "pfifo 7:");
	close_links(true);
	assert_int_equal(net_run("tc qdisc show dev " LINK " | grep -q '^qdisc pfifo 7: root'"), 0);
}

static void test_deleted_root_is_built_again(void **state)
{
	open_link(false);
	net_run("tc qdisc del dev " LINK " root");
	let_events_come();
	assert_changes(3, HANDOVER_SCHEDULED, HANDOVER_REPLACED, HANDOVER_SCHEDULED);
	assert_int_equal(schedule_check(schedule_of(LINK), NULL), 0);
	for (int i = 0; i < 12; i++) {
		net_run("tc qdisc del dev " LINK " root 2>/dev/null");
		let_events_come();
	}
	assert_in_range(world.n_changes, 2, 12);
	world.n_changes = 0;
	assert_state(LINK, HANDOVER_REPLACED, "taken the queueing discipline away");
	close_links(true);
}

/* The kernel has more to tell than there is room for. */
static void test_overrun(void **state)
{
	const int small = 1;

	open_link(false);
	assert_int_equal(setsockopt(handover_fd(world.handover), SOL_SOCKET, SO_RCVBUFFORCE, &small,
				    sizeof(small)),
			 0);
	for (int i = 0; i < 20; i++)
		net_run("ip link set " PEER " alias x%d", i);
	net_run("tc qdisc replace dev " LINK " root " FOREIGN_QDISC);
	let_events_come();
	assert_changes(2, HANDOVER_SCHEDULED, HANDOVER_REPLACED);
	net_run("for i in $(seq 20); do ip link set " PEER " alias y$i; done; ip link del " LINK);
	let_events_come();
	assert_changes(1, HANDOVER_WAITING);
}

/* --- Another configuration -------------------------------------------------------------------- */

static void test_reconfigure_in_place(void **state)
{
	const struct schedule_demand demand = { .traffic_class = GW_CLASS_VOICE, .rate_bps = MBIT };
	struct handover_link link = link_of(LINK, false);
	struct schedule *schedule;
	char *before = tc_says(), *ids, *now;
	uint32_t minor;

	open_link(false);
	schedule = schedule_of(LINK);
	assert_int_equal(schedule_reserve(schedule, &demand, &minor), 0);
	ids = tc_says_class_ids();
	world.n_changes = 0;
	link.rate_bps = 20 * MBIT;
	link.reservable_percent = 50;
	assert_int_equal(handover_reconfigure(world.handover, &link, 1), 0);
	assert_changes(1, HANDOVER_SCHEDULED);
	assert_int_equal(world.rate_bps, 20 * MBIT);
	assert_ptr_equal(schedule_of(LINK), schedule);
	assert_class_has(1, "rate 20Mbit overhead 24 ceil 20Mbit");
	assert_class_has(minor, "rate 1Mbit overhead 24 ceil 20Mbit");
	now = tc_says_class_ids();
	assert_string_equal(now, ids);
	free(now);
	free(ids);

	/* Nothing changes, nothing is told. */
	assert_int_equal(handover_reconfigure(world.handover, &link, 1), 0);
	assert_changes(0);

	/* Absurd: the old figures stay. */
	link.rate_bps = 1;
	assert_int_equal(handover_reconfigure(world.handover, &link, 1), 0);
	assert_state(LINK, HANDOVER_SCHEDULED, "keeps its old rate");
	let_events_come();
	assert_state(LINK, HANDOVER_SCHEDULED, "keeps its old rate");
	assert_int_equal(look_at(LINK).report.link.rate_bps, 20 * MBIT);
	assert_class_has(1, "rate 20Mbit overhead 24 ceil 20Mbit");
	link.rate_bps = 30 * MBIT;
	assert_int_equal(handover_reconfigure(world.handover, &link, 1), 0);
	assert_state(LINK, HANDOVER_SCHEDULED, "");
	close_links(true);
	assert_tc_says(before);
}

static void test_reconfigure_other_links(void **state)
{
	const struct handover_link links[2] = { link_of(PEER, false), link_of(LINK, false) };
	struct handover_link twice[2] = { link_of(LINK, false), link_of(LINK, false) };
	char *before = tc_says();

	open_link(false);
	assert_int_equal(handover_reconfigure(world.handover, links, 2), 0);
	assert_non_null(schedule_of(PEER));
	assert_non_null(schedule_of(LINK));
	assert_int_equal(handover_reconfigure(world.handover, links, 1), 0);
	assert_null(handover_schedule(world.handover, if_nametoindex(LINK)));
	assert_tc_says(strdup(before));
	assert_int_equal(handover_reconfigure(world.handover, twice, 2), -EINVAL);
	assert_non_null(schedule_of(PEER));
	assert_int_equal(handover_reconfigure(world.handover, NULL, 0), 0);
	assert_int_not_equal(net_run("tc qdisc show dev " PEER " | grep -q 4757:"), 0);
	close_links(true);
	assert_tc_says(before);
}

static void test_force_is_given_later(void **state)
{
	struct handover_link link = link_of(LINK, true);
	char *before;

	net_run("tc qdisc add dev " LINK " root " FOREIGN_QDISC);
	before = tc_says();
	open_link(false);
	assert_changes(1, HANDOVER_REFUSED);
	assert_int_equal(handover_reconfigure(world.handover, &link, 1), 0);
	assert_changes(1, HANDOVER_SCHEDULED);
	close_links(true);
	assert_tc_says(before);
}

/* --- The classifier --------------------------------------------------------------------------- */

#define FILTER_SHOWN "tc filter show dev " LINK " parent 4757: | grep -q "

/* Leaves every packet alone. */
static int load_classifier(void)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "gw_test", "GPL", program, 2, NULL);
}

static void test_classifier(void **state)
{
	char *before = tc_says();

	world.classifier_fd = load_classifier();
	if (world.classifier_fd < 0) {
		printf("SKIP: no programs for classifiers here\n");
		skip();
	}
	open_link(false);
	assert_changes(1, HANDOVER_SCHEDULED);
	assert_int_equal(net_run(FILTER_SHOWN "'protocol all pref 1 bpf .*flowid 4757:.*"
					      "greenwave_class direct-action'"),
			 0);
	net_run("tc filter del dev " LINK " parent 4757:");
	assert_int_not_equal(net_run(FILTER_SHOWN "greenwave_class"), 0);
	let_events_come();
	assert_int_equal(net_run(FILTER_SHOWN "greenwave_class"), 0);
	assert_changes(0);

	/* It works on after a crash, and its successor without programs takes it away. */
	close_links(false);
	assert_int_equal(net_run(FILTER_SHOWN "greenwave_class"), 0);
	open_link(false);
	assert_int_equal(net_run("test $(tc filter show dev " LINK
				 " parent 4757: | grep -c greenwave_class) = 1"),
			 0);
	close_links(false);
	close(world.classifier_fd);
	world.classifier_fd = -1;
	open_link(false);
	assert_int_not_equal(net_run(FILTER_SHOWN "greenwave_class"), 0);
	close_links(true);
	assert_tc_says(before);
}

/* A link whose packets would find no class is not taken. */
static void test_classifier_that_cannot_be_attached(void **state)
{
	char *before = tc_says();

	world.classifier_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	open_link(false);
	assert_state(LINK, HANDOVER_REFUSED, "classifier");
	assert_tc_says(before);
	close(world.classifier_fd);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_taken_and_given_back),
		CASE(test_abandoned_and_given_back),
		CASE(test_draining_classes_are_found),
		CASE(test_orphans),
		CASE(test_absurd_configuration),
		CASE(test_all_or_nothing),
		CASE(test_link_that_comes_later),
		CASE(test_hot_plug),
		CASE(test_down_and_up),
		CASE(test_renamed),
		CASE(test_names_are_exchanged),
		CASE(test_mtu_is_followed),
		CASE(test_loopback_is_refused),
		CASE(test_tunnel_is_refused),
		CASE(test_wireless_is_known),
		CASE(test_vlan),
		CASE(test_foreign_root_is_refused),
		CASE(test_force),
		CASE(test_force_survives_a_crash),
		CASE(test_force_keeps_a_tree),
		CASE(test_force_needs_the_folder),
		CASE(test_damaged_files_are_ignored),
		CASE(test_stale_file_is_removed),
		CASE(test_replaced),
		CASE(test_replaced_and_taken_back_by_force),
		CASE(test_deleted_root_is_built_again),
		CASE(test_overrun),
		CASE(test_reconfigure_in_place),
		CASE(test_reconfigure_other_links),
		CASE(test_force_is_given_later),
		CASE(test_classifier),
		CASE(test_classifier_that_cannot_be_attached),
	};

	return cmocka_run_group_tests_name("handover", tests, NULL, NULL);
}

int main(void)
{
	return run_htb_tests(run);
}
