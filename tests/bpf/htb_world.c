/* SPDX-License-Identifier: MIT */
/* htb_world.c: see htb_world.h. */
#include "htb_world.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "datapath/kernel/htb.h"
#include "datapath/kernel/tc.h"
#include "net.h"

#define SKIP 77
#define TEXT_LEN (1 << 20)

/* --- Requests --------------------------------------------------------------------------------- */

static int made, failing;
static const char *hidden;

ssize_t __real_mnl_socket_sendto(const struct mnl_socket *nl, const void *req, size_t size);
ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *req, size_t size);

/* TCA_KIND is the first attribute of our requests about queues. */
static bool is_of_kind(const struct nlmsghdr *message, const char *kind)
{
	const struct nlattr *attribute =
		mnl_nlmsg_get_payload_offset(message, sizeof(struct tcmsg));

	return message->nlmsg_type == RTM_NEWQDISC &&
	       mnl_nlmsg_get_payload_len(message) > sizeof(struct tcmsg) + MNL_ATTR_HDRLEN &&
	       mnl_attr_get_type(attribute) == TCA_KIND &&
	       strcmp(mnl_attr_get_str(attribute), kind) == 0;
}

static ssize_t send_unknown_kind(const struct mnl_socket *nl, const void *req, size_t size)
{
	char *copy = malloc(size);
	ssize_t n;

	assert_non_null(copy);
	memcpy(copy, req, size);
	copy[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct tcmsg)) + MNL_ATTR_HDRLEN] = '?';
	n = __real_mnl_socket_sendto(nl, copy, size);
	free(copy);
	return n;
}

ssize_t __wrap_mnl_socket_sendto(const struct mnl_socket *nl, const void *req, size_t size)
{
	if (++made == failing) {
		errno = ENOBUFS;
		return -1;
	}
	if (!hidden || !is_of_kind(req, hidden))
		return __real_mnl_socket_sendto(nl, req, size);
	return send_unknown_kind(nl, req, size);
}

void fail_request(int number)
{
	made = 0;
	failing = number;
}

void hide_kind(const char *kind)
{
	hidden = kind;
}

int requests_made(void)
{
	return made;
}

/* --- Links ------------------------------------------------------------------------------------ */

static bool kernel_has_htb(void)
{
	struct tc tc;
	struct htb htb = { .tc = &tc, .handle = SCHEDULE_HANDLE };
	int r;

	assert_int_equal(tc_open(&tc), 0);
	htb.ifindex = if_nametoindex(LINK);
	r = htb_create(&htb, 1, false);
	tc_close(&tc);
	return r == 0;
}

int htb_setup(void **state)
{
	fail_request(0);
	if (net_run("ip link add " LINK " type veth peer name " PEER) != 0)
		return -1;
	if (net_run("sysctl -q -w net.ipv6.conf." LINK ".disable_ipv6=1 "
		    "net.ipv6.conf." PEER ".disable_ipv6=1 2>/dev/null") != 0)
		net_run("ip link set " LINK " addrgenmode none; "
			"ip link set " PEER " addrgenmode none");
	return net_run("ip link set " LINK " up && ip link set " PEER " up");
}

int htb_teardown(void **state)
{
	fail_request(0);
	hide_kind(NULL);
	net_run("ip link del " LINK " 2>/dev/null");
	return 0;
}

int run_htb_tests(int (*run)(void))
{
	bool has;
	int r = net_enter();

	if (r < 0) {
		printf("SKIP: no network namespace of our own: %s\n", strerror(-r));
		return SKIP;
	}
	if (htb_setup(NULL) != 0) {
		printf("SKIP: no veth links here\n");
		return SKIP;
	}
	has = kernel_has_htb();
	htb_teardown(NULL);
	if (!has) {
		printf("SKIP: the kernel has no HTB\n");
		return SKIP;
	}
	return run();
}

struct schedule_config htb_config(uint64_t rate_bps, uint32_t pool_size)
{
	return (struct schedule_config){
		.ifindex = if_nametoindex(LINK),
		.rate_bps = rate_bps,
		.reservable_percent = 75,
		.pool_size = pool_size,
	};
}

struct schedule *htb_open(uint64_t rate_bps, uint32_t pool_size)
{
	const struct schedule_config config = htb_config(rate_bps, pool_size);
	struct schedule *schedule = NULL;
	struct schedule_text text;

	assert_int_equal(schedule_open(&config, &schedule, &text), 0);
	assert_string_equal(text.text, "");
	return schedule;
}

/* --- What tc(8) says -------------------------------------------------------------------------- */

static char *output_of(const char *command)
{
	char *text = malloc(TEXT_LEN);
	FILE *pipe = popen(command, "re");
	size_t len;

	assert_non_null(text);
	assert_non_null(pipe);
	len = fread(text, 1, TEXT_LEN - 1, pipe);
	text[len] = 0;
	assert_int_equal(pclose(pipe), 0);
	assert_true(len < TEXT_LEN - 1);
	return text;
}

char *tc_says(void)
{
	return output_of("tc -j qdisc show dev " LINK " && tc -j class show dev " LINK
			 " && tc class show dev " LINK " && tc -j filter show dev " LINK);
}

char *tc_says_classes(void)
{
	return output_of("tc class show dev " LINK);
}

char *tc_says_filters(const char *parent)
{
	char command[128];

	snprintf(command, sizeof(command), "tc -j filter show dev " LINK " parent %s", parent);
	return output_of(command);
}

char *tc_says_class_ids(void)
{
	return output_of("tc class show dev " LINK " | grep htb | cut -d' ' -f2,3 | sort");
}

void assert_tc_says(char *before)
{
	char *now = tc_says();

	assert_string_equal(now, before);
	free(now);
	free(before);
}

char *tc_says_class(uint32_t minor)
{
	char command[128];

	snprintf(command, sizeof(command),
		 "tc -d class show dev " LINK " | grep '^class htb 4757:%x ' || true", minor);
	return output_of(command);
}

void assert_class_has(uint32_t minor, const char *words)
{
	char *line = tc_says_class(minor);

	if (!strstr(line, words))
		fail_msg("class %x should have \"%s\": %s", minor, words, line);
	free(line);
}
