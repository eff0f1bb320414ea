/* SPDX-License-Identifier: MIT */
/*
 * lltd_internal.h: the state of a node, shared by the files that are the node, and by nobody else.
 *
 * A node owns sessions of others (sink), sessions of its own (controller), what it counts for others, and what it asks
 * of others' counts. All are few and looked for one by one. A session of its own that has ended stays until the end
 * of the function that was called (settle), so that nothing disappears under anybody's hands.
 */
#ifndef GW_PROBE_LLTD_INTERNAL_H
#define GW_PROBE_LLTD_INTERNAL_H

#include <utlist.h>

#include "probe/claim.h"
#include "probe/limit.h"
#include "probe/lltd.h"
#include "probe/pace.h"

#define NS_PER_US UINT64_C(1000)
#define US_PER_MS UINT64_C(1000)
#define US_PER_S UINT64_C(1000000)

/* Our clock in frames. Fine enough, and whoever reckons in nanoseconds with 64 bits can do so. */
#define TICK_NS 100
#define FREQUENCY UINT64_C(10000000)

/* A frame that a sink made of one that it got may have a tag more. */
#define FRAME_ROOM (LLTD_FRAME_MAX + LLTD_TAG_LEN)

/* What arrived, once it is known to be for us. */
struct arrival {
	struct lltd_header header;
	const uint8_t *body;
	size_t body_len;
	uint64_t received_ns, now_us;
};

/* ---- sink ---- */

#define BUCKETS_MAX 10

/* Timed probes of one sequence number. */
struct bucket {
	uint16_t sequence;
	unsigned n_events;
	struct lltd_event *events; /* NULL: there was no memory for them */
	struct bucket *prev, *next;
};

struct session {
	struct lltd_mac controller;
	uint64_t heard_us;
	unsigned n_buckets;
	struct bucket *buckets; /* oldest first */
	struct probe_limit answers, summaries;
	uint64_t owed_octets; /* that have come, and have not been answered with as many */
	struct session *prev, *next;
};

struct sink {
	struct session *sessions;
	uint64_t scan_us; /* UINT64_MAX: there is nothing to scan */
	struct probe_limit answers;
};

/* ---- what is counted for others ---- */

#define HISTORY_MAX 30

struct counting {
	uint64_t ends_us; /* of the lease; 0: there is none */
	uint64_t full_us; /* when the last full second ended */
	struct lltd_counts at_full;
	struct lltd_counts seconds[HISTORY_MAX]; /* a ring */
	unsigned n_seconds, newest;
	struct probe_limit answers;
};

/* ---- controller ---- */

/* spec/probing.md §11.1; an idle session does not exist. */
enum controlled_state {
	CONTROLLED_INITIALISING,
	CONTROLLED_READY,
	CONTROLLED_SENDING,   /* a paced train */
	CONTROLLED_QUERYING,  /* a train has been sent */
	CONTROLLED_PROBING,   /* probegap is under way */
	CONTROLLED_RESETTING, /* closed; the sink is not yet known to know it */
	CONTROLLED_ENDED,     /* to be freed */
};

/* Timed probes that leave together. */
struct timed {
	unsigned first; /* its number in the train */
	unsigned n;	/* at most LLTD_EVENTS_MAX */
	uint32_t packet_bytes;
	uint16_t sequence;
	uint64_t sent; /* ticks: what each carries */
};

struct controlled {
	uint32_t id;
	enum controlled_state state;
	struct lltd_mac sink;
	void *data;
	uint16_t sequence; /* of what is under way, or the last one */
	uint64_t deadline_us;
	unsigned expiries; /* in succession */
	uint8_t moderation;
	uint64_t link_bps, frequency; /* of the sink */

	struct timed batch; /* the whole train */
	struct pace pace;
	unsigned batch_sent;
	struct {
		struct lltd_gap_request request;
		uint32_t n_sent;
		bool waiting, stopping;
		uint8_t packet_id;
		uint64_t scheduled_ns, next_ns, sent_ns;
		uint64_t timer_us; /* after that, what has not come back is lost */
	} gap;
	struct {
		struct claim pace;
		uint32_t packet_bytes;
		uint16_t sequence;
		uint64_t deadline_us; /* UINT64_MAX: there is none */
	} claim;
	struct controlled *prev, *next;
};

/* spec/probing.md §11.2 */
enum client_state {
	CLIENT_STOPPED,
	CLIENT_LEASED,
	CLIENT_WAITING, /* for an answer */
};

struct client {
	enum client_state state;
	uint64_t renew_us, deadline_us;
	unsigned expiries;
	uint16_t sequence;
	unsigned history;
	struct lltd_mac station;
	void *data;
};

/* ---- the node ---- */

struct lltd {
	struct lltd_ports ports;
	struct lltd_config config;
	uint64_t epoch_ticks; /* times in frames do not tell how long the host has been up */
	uint64_t noise;
	uint32_t last_id;
	struct sink sink;
	struct counting counting;
	struct controlled *controlled;
	struct client client;
	struct lltd_sizes sizes;
	uint64_t counts[LLTD_COUNT_COUNT];
};

static inline void lltd_note(struct lltd *lltd, enum lltd_counter counter)
{
	lltd->counts[counter]++;
}

static inline uint64_t lltd_ticks(const struct lltd *lltd, uint64_t stamp_ns)
{
	return lltd->epoch_ticks + stamp_ns / TICK_NS;
}

static inline uint64_t lltd_now_ticks(const struct lltd *lltd)
{
	return lltd_ticks(lltd, lltd->ports.stamp_ns(lltd->ports.user_data));
}

static inline uint64_t lltd_earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Random, not 0; and the one that follows (P-112). */
uint16_t lltd_first_sequence(struct lltd *lltd);
uint16_t lltd_next_sequence(uint16_t sequence);

/* From us. */
struct lltd_header lltd_header_to(const struct lltd *lltd, const struct lltd_mac *station,
				  enum lltd_function function, uint16_t sequence);
/* Back to whoever sent it, Ethernet and real addresses exchanged. */
struct lltd_header lltd_header_back(const struct lltd *lltd, const struct arrival *arrival,
				    enum lltd_function function);
/* Counts, too. */
int lltd_send(struct lltd *lltd, const struct lltd_frame *frames, unsigned n);
/* One frame; 0, or a negative errno. */
int lltd_send_one(struct lltd *lltd, const struct lltd_header *header, const uint8_t *body,
		  size_t body_len);

/* ---- lltd_sink.c ---- */

void lltd_sink_receive(struct lltd *lltd, const struct arrival *arrival);
void lltd_sink_probe(struct lltd *lltd, const struct arrival *arrival,
		     const struct lltd_probe *probe);
void lltd_sink_tick(struct lltd *lltd, uint64_t now_us);
void lltd_sink_clear(struct lltd *lltd);

/* ---- lltd_counting.c ---- */

void lltd_counting_receive(struct lltd *lltd, const struct arrival *arrival);
void lltd_counting_tick(struct lltd *lltd, uint64_t now_us);
uint64_t lltd_counting_deadline_us(const struct lltd *lltd);

/* ---- lltd_controller.c ---- */

void lltd_controller_receive(struct lltd *lltd, const struct arrival *arrival);
void lltd_controller_probe(struct lltd *lltd, const struct arrival *arrival,
			   const struct lltd_probe *probe);
void lltd_controller_tick(struct lltd *lltd, uint64_t now_us);
uint64_t lltd_controller_deadline_us(const struct lltd *lltd);
/* Ends every session. */
void lltd_controller_clear(struct lltd *lltd, int status);
void lltd_settle(struct lltd *lltd);
/* One that is neither closed nor over. */
struct controlled *lltd_find_controlled(struct lltd *lltd, uint32_t id);

/* That, and it waits for what to do next. -ENOENT, -EBUSY. */
int lltd_find_idle(struct lltd *lltd, uint32_t id, struct controlled **ret_session);
void lltd_become_ready(struct lltd *lltd, struct controlled *session, int status);
/* Sends what is repeated until it is answered in that state. */
void lltd_ask_first(struct lltd *lltd, struct controlled *session, enum controlled_state state,
		    uint64_t now_us);
uint64_t lltd_ticks_to_ns(uint64_t ticks, uint64_t frequency);

/* ---- lltd_timed.c ---- */

void lltd_train_tick(struct lltd *lltd, struct controlled *session, uint64_t now_us);
void lltd_take_query_resp(struct lltd *lltd, struct controlled *session, const uint8_t *body,
			  size_t body_len);
void lltd_claim_tick(struct lltd *lltd, struct controlled *session, uint64_t now_us);

/* ---- lltd_client.c ---- */

void lltd_client_receive(struct lltd *lltd, const struct arrival *arrival);
void lltd_client_tick(struct lltd *lltd, uint64_t now_us);
uint64_t lltd_client_deadline_us(const struct lltd *lltd);

#endif
