/* SPDX-License-Identifier: MIT */
/* test_edt.c: which arrangements of queues keep departure times, by dumps as kernels give them. */
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "datapath/kernel/edt.h"

static void add(struct edt *edt, const char *kind, uint32_t handle, uint32_t parent)
{
	const struct qdisc_seen seen = {
		.place = { .ifindex = 3, .parent = parent, .handle = handle },
		.kind = kind,
	};

	edt_add(edt, &seen);
}

static void test_roots(void **state)
{
	struct edt edt = { 0 };

	assert_false(edt_kept(&edt));
	add(&edt, "fq", 0, TC_H_ROOT);
	assert_true(edt_kept(&edt));
	add(&edt, "clsact", TC_H_MAKE(TC_H_CLSACT, 0), TC_H_CLSACT);
	assert_true(edt_kept(&edt));
	add(&edt, "fq_codel", 0x80010000, TC_H_ROOT);
	assert_false(edt_kept(&edt));
	add(&edt, "htb", 0x10000, TC_H_ROOT);
	add(&edt, "fq", 0x20000, 0x10001);
	assert_false(edt_kept(&edt));
}

static void try_mq(uint32_t handle)
{
	struct edt edt = { 0 };

	add(&edt, "mq", handle, TC_H_ROOT);
	assert_false(edt_kept(&edt));
	for (uint32_t i = 1; i <= 4; i++)
		add(&edt, "fq", 0, handle | i);
	assert_true(edt_kept(&edt));
	/* Of another root's, and the hook for classifiers. */
	add(&edt, "pfifo", 0x770000, 0x660001);
	add(&edt, "clsact", TC_H_MAKE(TC_H_CLSACT, 0), TC_H_CLSACT);
	assert_true(edt_kept(&edt));
	add(&edt, "fq_codel", 0, handle | 5);
	assert_false(edt_kept(&edt));
}

/* The kernel's own mq has no handle. */
static void test_several_queues(void **state)
{
	try_mq(0);
	try_mq(0x80020000);
}

/* A dump that was disturbed begins anew. */
static void test_dump_begins_anew(void **state)
{
	struct edt edt = { 0 };

	add(&edt, "mq", 0, TC_H_ROOT);
	add(&edt, "pfifo_fast", 0, 1);
	add(&edt, "mq", 0, TC_H_ROOT);
	add(&edt, "fq", 0, 1);
	assert_true(edt_kept(&edt));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roots),
		cmocka_unit_test(test_several_queues),
		cmocka_unit_test(test_dump_begins_anew),
	};

	return cmocka_run_group_tests_name("edt", tests, NULL, NULL);
}
