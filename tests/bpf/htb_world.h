/* SPDX-License-Identifier: MIT */
/*
 * htb_world.h: what the tests of the scheduler share: a veth pair in a namespace of the process's
 * own, what tc(8) says about it, and requests that fail on demand.
 */
#ifndef GW_TEST_HTB_WORLD_H
#define GW_TEST_HTB_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/kernel/schedule.h"

#define LINK "gwa"
#define PEER "gwb"
#define MBIT UINT64_C(1000000)

/* Enters a namespace and runs the tests there, or tells why not and returns 77. */
int run_htb_tests(int (*run)(void));

/* For each test: a new pair of links, up; the teardown takes them away again. */
int htb_setup(void **state);
int htb_teardown(void **state);

#define HTB_CASE(function) cmocka_unit_test_setup_teardown(function, htb_setup, htb_teardown)

struct schedule_config htb_config(uint64_t rate_bps, uint32_t pool_size);
struct schedule *htb_open(uint64_t rate_bps, uint32_t pool_size);

/* What tc(8) says about the link: its queues and its classes. To be freed. */
char *tc_says(void);
char *tc_says_classes(void);
char *tc_says_filters(const char *parent);
char *tc_says_class_ids(void);

/* Fails the test unless tc(8) says the same as before; frees both. */
void assert_tc_says(char *before);

/* The line of the class, or an empty text. To be freed. */
char *tc_says_class(uint32_t minor);
void assert_class_has(uint32_t minor, const char *words);

/* Of the requests to the kernel from now on the one of this number fails; 0: none. */
void fail_request(int number);
int requests_made(void);

/* The kernel does not know this kind of queue until the end of the test. */
void hide_kind(const char *kind);

#endif
