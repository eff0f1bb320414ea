/* SPDX-License-Identifier: MIT */
/*
 * meter_world.h: for tests of rates: a link from this namespace to another one, streams through it, and how
 * fast they arrive by the kernel's own time stamps.
 */
#ifndef GW_TEST_METER_WORLD_H
#define GW_TEST_METER_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel_world.h"

#define MBIT UINT64_C(1000000)
#define LINK "gwlink"
#define PEER "gwpeer"
#define LINK_BPS (100 * MBIT)

/* For each test: the pair of links, and the datapath; the link is handed over by the second. */
int meter_setup(void **state);
int meter_setup_handed(void **state);
int meter_teardown(void **state);

void link_make(void);
int open_handed(uint64_t rate_bps);
uint32_t link_index(void);

/* Packets pass a bridge on their way to the link from now on. False: this kernel has none. */
bool link_bridge(void);

/* Turns of an event loop for so long. */
void run_loop(unsigned time_ms);

/* --- Flows ------------------------------------------------------------------------------------ */

struct datapath_meter delay(uint32_t flow_id, uint64_t rate_bps);
int meter(const struct datapath_meter *wanted);
int apply_metered(const struct datapath_target *target, uint32_t flow_id);
struct datapath_meter_counters counters(uint32_t flow_id);
enum gw_shaping_method shaping(uint32_t flow_id, const struct datapath_target *target);

/* --- Datagrams -------------------------------------------------------------------------------- */

#define TALKERS_MAX 2
#define IP_UDP_BYTES 28

struct stream_of_datagrams {
	int talker[TALKERS_MAX]; /* connected to the ear */
	int n_talkers;
	int ear; /* in the other namespace */
	uint32_t payload_bytes;
	uint32_t segment_bytes; /* UDP_SEGMENT; 0: none */
	uint64_t offered_bps;	/* IP bytes, of each talker */
	struct heard *heard;
	uint64_t sent; /* packets on the wire */
};

void datagrams_open(struct stream_of_datagrams *stream, int n_talkers, uint32_t payload_bytes);

/* What they send at once need not find room in the kernel's usual buffer. */
void datagrams_buffer(struct stream_of_datagrams *stream);
void datagrams_close(struct stream_of_datagrams *stream);

/* Sends so many at once. */
void datagrams_send(struct stream_of_datagrams *stream, int count);

/* Sends as offered for a while. Whether this process got its time. */
bool datagrams_offer(struct stream_of_datagrams *stream, unsigned time_ms);

/* How many have arrived; of them with this mark byte (-1: any). */
uint64_t datagrams_heard(struct stream_of_datagrams *stream, int mark);
void datagrams_forget(struct stream_of_datagrams *stream);

/* So many must come with that mark (-1: any), and soon unless the machine is busy with others. */
void datagrams_await(struct stream_of_datagrams *stream, int mark, uint64_t count);

/*
 * The stream arrives at this rate of IP bytes, within a percent, once it has settled. A machine that does not
 * let us send tells nothing: then the test is skipped.
 */
void assert_rate(struct stream_of_datagrams *stream, uint64_t rate_bps, int mark);

/* --- TCP -------------------------------------------------------------------------------------- */

struct connection {
	int client;
	int server; /* in the other namespace */
};

void connection_open(struct connection *connection);
void connection_close(struct connection *connection);
void assert_tcp_rate(struct connection *connections, int count, uint64_t rate_bps);

#endif
