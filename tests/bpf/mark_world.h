/* SPDX-License-Identifier: MIT */
/*
 * mark_world.h: what the tests of rates, tuples and tags share: the programs of mark_run.bpf.c, entries in
 * their maps, and packets sent through them at a time of the test's choice.
 */
#ifndef GW_TEST_MARK_WORLD_H
#define GW_TEST_MARK_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/gw_bpf.h"
#include "core/bucket.h"
#include "mark_run.skel.h"
#include "packet.h"

#define WORLD_COOKIE 4711
#define WORLD_FLOW 42
#define WORLD_IFINDEX 1 /* test runs happen on the loopback interface */
#define WORLD_DSCP 46
#define WORLD_PRIORITY 5
#define WORLD_CLASS 3
#define WORLD_TAG (GW_TAG | GW_BAND(WORLD_CLASS))

#define ACTION_UNSPEC (-1)
#define ACTION_OK 0
#define ACTION_DROP 2

extern struct mark_run_bpf *run;

/* Loads the programs and runs the tests, or tells why not and returns 77. */
int run_mark_tests(int (*tests)(void));

/* For each test: all maps empty, the clock at some hours. */
int world_setup(void **state);

#define WORLD_CASE(function) cmocka_unit_test_setup(function, world_setup)

/* A packet as the kernel would hand it over; 0 where it has nothing to say. */
struct sent {
	const struct packet *packet;
	uint32_t gso_segs;
	uint32_t gso_size;
	uint64_t tstamp;
	uint32_t tag;
};

struct passed {
	int action;
	uint32_t priority;
	uint64_t tstamp;
	uint32_t tag;
	struct packet packet;
};

struct passed world_send(const struct sent *sent);
struct passed world_send_packet(const struct packet *packet);

void world_build(struct packet *packet, int version, uint8_t protocol, unsigned payload_len);

struct gw_verdict world_verdict(uint8_t flags);

/* The socket's verdict for everything that it sends. */
void world_put_socket(const struct gw_verdict *verdict);
void world_put_meter(const struct gw_meter *meter);
void world_put_link(uint32_t flags);
struct gw_bucket world_bucket(void);
void world_settings(uint32_t tuples, uint32_t tuple_kinds);

/* A meter of this bucket without classes, and its excess: DSCP 0, priority 0, background. */
struct gw_meter world_meter(enum gw_meter_action action, const struct bucket_spec *spec);

void world_put(const struct bpf_map *map, const void *key, const void *value);
uint64_t world_stat(enum gw_stat stat);

#endif
