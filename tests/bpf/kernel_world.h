/* SPDX-License-Identifier: MIT */
/*
 * kernel_world.h: what the tests of the kernel datapath share: one datapath, opened anew for each
 * test in a network namespace of the process, and questions about what it has done.
 */
#ifndef GW_TEST_KERNEL_WORLD_H
#define GW_TEST_KERNEL_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "datapath/kernel/kernel.h"
#include "net.h"

#define DSCP 46
#define MARK (DSCP << 2)
#define OTHER_DSCP 10
#define OTHER_MARK (OTHER_DSCP << 2)

extern struct kernel_datapath *datapath;
extern struct kernel_facts facts;

/* Every test in the way the kernel likes best, and those about interfaces once more with clsact. */
extern bool only_clsact;

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)
#define CASE_CLSACT(function)                                                 \
	{                                                                     \
#function " (clsact)", function, setup_clsact, teardown, NULL \
	}

int setup(void **state);
int setup_clsact(void **state);
int teardown(void **state);
int open_with(const char *const *interfaces, uint32_t max_sockets);
int open_datapath(void);

/* Enters a namespace and runs the tests there, or tells why not and returns 77. */
int run_kernel_tests(int (*run)(void));

/* --- Targets ---------------------------------------------------------------------------------- */

struct datapath_target target_any(int fd);
struct datapath_target target_for(int fd, const struct ear *ear);
int apply(const struct datapath_target *target, uint8_t dscp);
void clear(const struct datapath_target *target);
uint64_t count(void);

/* --- What has been seen ----------------------------------------------------------------------- */

struct seen {
	uint64_t cookie;
	int closes; /* of this cookie, or of all if it is 0 */
	bool lost;  /* there were more than found room */
	struct gw_close last;
};

struct seen poll_events(uint64_t cookie);

struct wanted_link {
	const char *name;
	bool found;
	struct kernel_link link;
};

struct wanted_link find_link(const char *name);
bool is_attached(const char *name);
bool has_tcx(const char *name);
bool has_filter(const char *name);
bool has_clsact(const char *name);
bool has_pins(void);

/* --- TCP -------------------------------------------------------------------------------------- */

struct stream {
	int listener;
	int client;
	int server;
	struct sockaddr_in address;
};

void stream_prepare(struct stream *stream);
void stream_connect(struct stream *stream);
void stream_close(struct stream *stream);
struct datapath_target stream_target(const struct stream *stream);

#endif
