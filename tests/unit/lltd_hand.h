/* SPDX-License-Identifier: MIT */
/*
 * lltd_hand.h: one node of LLTD played by hand: the test is the clock, the link and the other station, and everything
 * that the node does is kept. There is one at a time.
 */
#ifndef GW_TESTS_LLTD_HAND_H
#define GW_TESTS_LLTD_HAND_H

#include "probe/lltd.h"

#define PLAY_SENT_MAX 4096
#define PLAY_GAPS_MAX 256
#define PLAY_MAX 64

struct play_sent {
	uint64_t at_us;
	size_t len;
	uint8_t data[LLTD_FRAME_MAX + LLTD_TAG_LEN];
};

struct play {
	struct lltd *lltd;
	struct lltd_config config; /* before play_open() */
	uint64_t now_us;
	int send_error;
	struct lltd_counts counts; /* what has passed the interface */

	/* What the node did. */
	unsigned n_sent, n_ready, n_trains, n_gaps, n_ended, n_counted, n_claimed;
	struct play_sent sent[PLAY_SENT_MAX];
	int ready[PLAY_MAX], ended[PLAY_MAX];
	struct probe_train trains[PLAY_MAX];
	uint64_t gaps_ns[PLAY_MAX][LLTD_EVENTS_MAX];
	struct probe_gap gaps[PLAY_GAPS_MAX];
	int counted_status;
	unsigned n_seconds;
	struct lltd_second seconds[256];
	void (*on_ended)(void); /* may be NULL */
};

extern struct play play;

/* The stations of spec/probing.md §15. */
extern const struct lltd_mac play_controller, play_sink;

/* At 1 s, with the default configuration, being the station. */
void play_open(const struct lltd_mac *mac);
int play_teardown(void **state);
/* Ticks at every deadline up to then. */
void play_pass(uint64_t us);

size_t play_hex(const char *hex, uint8_t *buf, size_t capacity);
void play_receive(const uint8_t *data, size_t len);
void play_receive_hex(const char *hex);
/* The frame that was sent last. */
const struct play_sent *play_last(void);
void play_assert_bytes(const uint8_t *data, size_t len, const char *hex);

/* From the other station. `body` may be NULL. */
void play_frame(enum lltd_function function, uint16_t sequence, const void *body, size_t body_len);
void play_frame_from(const struct lltd_mac *from, enum lltd_function function, uint16_t sequence,
		     const void *body, size_t body_len);
void play_probe(uint16_t sequence, const struct lltd_probe *probe, const char *payload);

struct play_view {
	struct lltd_header header;
	const uint8_t *body;
	size_t body_len;
};
/* The frame number `i` of those sent, which must be one. */
struct play_view play_view(unsigned i);

#endif
