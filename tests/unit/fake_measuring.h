/* SPDX-License-Identifier: MIT */
/*
 * fake_measuring.h: a host that measures paths as a test says, and remembers what the engine has asked of it.
 */
#ifndef GW_TESTS_FAKE_MEASURING_H
#define GW_TESTS_FAKE_MEASURING_H

#include "engine/measuring.h"

#define FAKE_PATHS 256
#define FAKE_SOCKETS 16
#define FAKE_WISHES 64

struct fake_wish {
	struct measuring_wish wish;
	bool forgotten;
};

/* One path that is open, or was. */
struct measured {
	bool open;
	struct flow_path *path; /* the engine's name */
	struct measuring_target target;
	unsigned trackers, flows;
	uint64_t sockets[FAKE_SOCKETS];
	size_t n_sockets;

	/* What it answers, for the test to set. */
	int fundamentals_status;
	struct gw_path_info info;
	enum measuring_state state;
	bool may_tag;
	uint64_t attainable_bps; /* in all, whatever is sent */
	int admit_status, refresh_status;

	struct fake_wish wishes[FAKE_WISHES]; /* the last of them, round and round */
	size_t n_wishes;
	unsigned n_refreshes;
};

struct fake_measuring {
	struct measuring table;
	struct measured paths[FAKE_PATHS];
	size_t n_paths;
	int open_error;
	int next_fundamentals; /* what a path that is opened says at first */
};

void fake_measuring_init(struct fake_measuring *fake);

/* The open path to a host; NULL: there is none. More than one fails the test. */
struct measured *fake_measured(struct fake_measuring *fake, const struct address *destination);
size_t fake_measured_open(const struct fake_measuring *fake);

#endif
