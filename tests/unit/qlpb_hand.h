/* SPDX-License-Identifier: MIT */
/*
 * qlpb_hand.h: one node of MS-QLPB played by hand: the test is the clock, the network and the other host, and
 * everything that the node does is kept. There is one at a time.
 */
#ifndef GW_TESTS_QLPB_HAND_H
#define GW_TESTS_QLPB_HAND_H

#include "probe/qlpb.h"

#define HAND_SENT_MAX 4096
#define HAND_WRITTEN_MAX 256
#define HAND_GAPS_MAX 4096
#define HAND_MAX 64

struct hand_sent {
	uint64_t at_us;
	struct qlpb_datagram datagram; /* its data is in `data` */
	uint8_t data[1500];
};

struct hand_written {
	uint64_t at_us;
	uint32_t connection;
	uint8_t data[8192];
	size_t len;
};

struct hand_train {
	struct probe_train train; /* its gaps are in `gaps_ns` */
	uint64_t gaps_ns[QLPB_TRAIN_MAX];
};

struct hand {
	struct qlpb *qlpb;
	struct qlpb_config config; /* before hand_open() */
	uint64_t now_us;
	uint64_t stamp_extra_ns; /* how much finer than now_us the stamps are */
	struct qlpb_link link;
	bool off_link; /* everybody is */
	unsigned on_link_asked;

	/* What goes wrong. */
	unsigned fail_send_at; /* the datagram of that number, from 1, fails once */
	int send_error;
	int connect_error, write_error;
	bool satisfied; /* by the first train */

	/* What the node did. */
	unsigned n_sent, n_written, n_closed, n_connects, n_trains, n_gaps, n_results;
	struct hand_sent sent[HAND_SENT_MAX];
	unsigned batches[HAND_SENT_MAX]; /* how many were sent at once, by the number of the first */
	struct hand_written written[HAND_WRITTEN_MAX];
	uint32_t closed[HAND_MAX];
	uint32_t connects[HAND_MAX];
	struct address connect_sink;
	struct hand_train trains[HAND_MAX];
	struct probe_gap gaps[HAND_GAPS_MAX];
	struct qlpb_result results[HAND_MAX];
	void *result_data[HAND_MAX];
	/* Called by finished(), if set. */
	void (*on_finished)(void *data);
};

extern struct hand hand;

/* Both roles, at 1 s, with the default configuration (which hand.config then is). */
int hand_setup(void **state);
int hand_teardown(void **state);
/* Again, with hand.config. */
void hand_reopen(void);

/* "192.0.2.1", 2177 */
struct address hand_address(const char *text, uint16_t port);
#define HAND_PEER "192.0.2.1"
#define HAND_PEER6 "2001:db8::1"

/* Ticks at every deadline up to then. */
void hand_pass(uint64_t us);

/* Hexadecimal digits, blanks between them as one likes; returns the length. */
size_t hand_hex(const char *hex, uint8_t *buf, size_t size);

/* A datagram from there to this host, at now. */
void hand_datagram(const char *source, uint16_t port, const uint8_t *data, size_t len);
void hand_datagram_hex(const char *source, uint16_t port, const char *hex);
/* Over a connection. */
void hand_receive_hex(uint32_t connection, const char *hex);

/* Somebody connects; fails if that is refused. */
uint32_t hand_accept(const char *remote, uint16_t port);
/* And has shaken hands: 0x01 or 0x02. */
uint32_t hand_session(const char *remote, uint16_t port, enum qlpb_id handshake);

/* A probe of a session with Initiator_Port 49876, and so many octets behind the header. */
void hand_probe(const char *source, enum qlpb_id id, bool flag, unsigned train, uint32_t sequence,
		size_t payload);

/* An experiment that has shaken hands, its connection from port 49876. */
uint32_t hand_experiment(enum qlpb_kind kind, const char *sink);

bool hand_is_closed(uint32_t connection);
/* Whether exactly that was written, as number `i`. */
void hand_assert_written(unsigned i, uint32_t connection, const char *hex);

#endif
