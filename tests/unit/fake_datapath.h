/* SPDX-License-Identifier: MIT */
/*
 * fake_datapath.h: a datapath that remembers what stands for each target and flow, as the kernel
 * would, and fails when it is told to. It insists on the order in which meters come and go. It
 * allocates nothing, so that tests can count what the engine does.
 */
#ifndef GW_TESTS_FAKE_DATAPATH_H
#define GW_TESTS_FAKE_DATAPATH_H

#include <stddef.h>

#include "datapath/datapath.h"

#define FAKE_MARKS 16384
#define FAKE_CLOSED 64
#define FAKE_METERS 1024

struct fake_mark {
	struct datapath_target target; /* its `tuple` is NULL */
	struct datapath_tuple tuple;
	struct datapath_treatment treatment;
};

struct fake_meter {
	struct datapath_meter meter;
	struct datapath_meter_counters counters; /* as the test sets them */
};

struct fake_datapath {
	struct fake_mark marks[FAKE_MARKS];
	uint32_t digests[FAKE_MARKS]; /* of their targets, so that ten thousand are searched fast */
	size_t n_marks;
	unsigned applies;
	unsigned clears;
	int last_fd; /* of the last apply */

	struct fake_meter meters[FAKE_METERS];
	size_t n_meters;
	unsigned metered;      /* calls */
	unsigned meters_ended; /* calls */

	/*
	 * The fail_at-th apply or meter from now on fails (1: the next one), and `fail_count` in all.
	 */
	unsigned fail_at;
	unsigned fail_count;
	int fail_with;

	/* Sockets that exist no more: for them apply fails, and their marks have gone. */
	uint64_t closed[FAKE_CLOSED];
	size_t n_closed;
};

extern const struct datapath_ops fake_datapath_ops;
extern const struct datapath_ops fake_datapath_ops_descriptors; /* needs_descriptor */
extern const struct datapath_ops fake_datapath_ops_unmetered;	/* has no meters */

/* From the at-th apply or meter from now on, `count` of them fail with `error`. */
void fake_fail(struct fake_datapath *datapath, unsigned at, unsigned count, int error);

/* The kernel ends a socket by itself: close() of its last descriptor. */
void fake_close_socket(struct fake_datapath *datapath, uint64_t cookie);

/* What stands for a socket and destination (NULL: every destination); NULL: nothing. */
const struct fake_mark *fake_find(const struct fake_datapath *datapath, uint64_t cookie,
				  const struct address *destination);
const struct fake_mark *fake_find_group(const struct fake_datapath *datapath, uint64_t group);
const struct fake_mark *fake_find_tuple(const struct fake_datapath *datapath,
					const struct datapath_tuple *tuple);

/* The meter of a flow, or NULL. */
struct fake_meter *fake_meter_of(struct fake_datapath *datapath, uint32_t flow_id);

/* The DSCP that stands there; -1: none is written, whether something stands or not. */
int fake_dscp(const struct fake_datapath *datapath, uint64_t cookie,
	      const struct address *destination);

#endif
