/* SPDX-License-Identifier: MIT */
/*
 * fuzz_netlink.c: any bytes as dumps of interfaces, queues, classes and filters, and as the file that keeps
 * a queue: nothing is read or written outside of them, and what is understood is in bounds.
 */
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "datapath/kernel/edt.h"
#include "datapath/kernel/foreign_tree.h"
#include "datapath/kernel/htb.h"
#include "datapath/kernel/iface.h"
#include "datapath/kernel/kept.h"
#include "datapath/kernel/schedule.h"
#include "datapath/kernel/tc.h"
#include "fuzz.h"

#define LINK_INDEX 3 /* that the seeds speak of */

/* What is made of a whole dump. */
struct seen {
	struct foreign foreign;
	struct edt edt;
};

static void require_inside(const struct nlmsghdr *message, const void *data, size_t len)
{
	const uint8_t *begin = (const uint8_t *)message, *first = data;

	/* The padding of the last attribute may be looked at. */
	require(first >= begin && first + len <= begin + NLMSG_ALIGN(message->nlmsg_len));
}

static void try_iface(const struct nlmsghdr *message)
{
	struct iface iface;

	if (iface_parse(message, &iface) < 0)
		return;
	require(memchr(iface.name, 0, sizeof(iface.name)));
	require(iface_overhead_bytes(&iface) == (iface.vlan ? 28 : 24));
	require(!iface_refusal(&iface) || !iface.ethernet || iface.loopback || iface.wireless);
}

static void try_qdisc(const struct nlmsghdr *message, struct seen *seen)
{
	struct qdisc_seen qdisc;

	if (qdisc_parse(message, &qdisc) < 0)
		return;
	if (qdisc.kind[0])
		require_inside(message, qdisc.kind, strlen(qdisc.kind) + 1);
	if (qdisc.options)
		require_inside(message, qdisc.options, qdisc.options_len);
	(void)qdisc_kind_find(qdisc.kind);
	edt_add(&seen->edt, &qdisc);
	foreign_add(&seen->foreign, &qdisc);
	require(memchr(seen->foreign.kind, 0, sizeof(seen->foreign.kind)));
}

static void try_class(const struct nlmsghdr *message)
{
	const struct htb htb = { .ifindex = LINK_INDEX, .handle = SCHEDULE_HANDLE };
	struct htb_class_seen seen;

	if (htb_class_parse(&htb, message, &seen) == 0)
		require(seen.minor <= 0xffff && seen.parent <= 0xffff);
}

static void try_filter(const struct nlmsghdr *message)
{
	struct tc_filter filter;
	const char *kind;

	if (tc_filter_parse(message, &filter, &kind) < 0)
		return;
	if (kind[0])
		require_inside(message, kind, strlen(kind) + 1);
	require(filter.priority <= 0xffff);
}

static int on_message(const struct nlmsghdr *message, void *user_data)
{
	try_iface(message);
	try_qdisc(message, user_data);
	try_class(message);
	try_filter(message);
	return MNL_CB_OK;
}

static void try_kept(const uint8_t *bytes, size_t size)
{
	struct foreign_tree *tree;
	const void *data;
	size_t len;

	if (kept_parse(bytes, size, &data, &len) < 0)
		return;
	require((const uint8_t *)data + len == bytes + size);
	if (foreign_tree_from_bytes(data, len, &tree) < 0)
		return;
	require(strlen(tree->root.kind) < sizeof(tree->root.kind) && tree->root.handle != 0);
	require(foreign_tree_size(tree) == len);
	free(tree);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = { 0 };
	uint8_t *copy = calloc(1, NLMSG_ALIGN(size) + 1);

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	(void)tc_run(copy, size, 0, 0, on_message, &seen);
	free(copy);
	(void)edt_kept(&seen.edt);
	try_kept(data, size);
	return 0;
}
