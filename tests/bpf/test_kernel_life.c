/* SPDX-License-Identifier: MIT */
/*
 * test_kernel_life.c: the kernel datapath beside other daemons, crashed ones and other users of the
 * same hooks, with interfaces that come and go, and with control groups.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/sockdiag.h"
#include "kernel_world.h"

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

	if (!kernel_datapath_has(datapath, KERNEL_TCX)) {
		printf("SKIP: this kernel has no tcx\n");
		skip();
	}
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

	for (int i = 0; i < 100 && empty == 0; i++) {
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

static void test_facts_agree(void **state)
{
	for (int i = 0; i < KERNEL_MECHANISM_COUNT; i++) {
		assert_int_equal(facts.mechanism[i].present,
				 kernel_datapath_has(datapath, (enum kernel_mechanism)i));
		assert_true(facts.mechanism[i].note[0] != '\0');
	}
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_facts_agree),
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

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_kernel_tests(run);
}
