/* SPDX-License-Identifier: MIT */
/*
 * lltd.h: one interface that speaks LLTD's QoS diagnostics (spec/probing.md part II): as a sink, to whom others
 * measure the link, and as a controller, who measures it.
 *
 * The node opens no socket and reads no clock. The host has a raw socket for the EtherType; what arrives is handed in
 * with the time, what leaves goes through struct lltd_ports. One thread uses a node at a time.
 *
 * A port may be called from within any function of the node and must not call back into it; those that say what has
 * happened (ready(), claimed(), ended(), counted()) may. Sessions are numbers, not used again: one that the node does not know (any
 * more) is ignored.
 *
 * Nothing here is authenticated. A sink keeps a bounded number of sessions with a bounded amount of memory each,
 * answers only single stations, with no more octets than it was sent, but for a tag that was asked for, and for what
 * it has noted for somebody: that at a bounded rate (spec/probing.md §14).
 */
#ifndef GW_PROBE_LLTD_H
#define GW_PROBE_LLTD_H

#include "probe/lltd_wire.h"
#include "probe/sample.h"

struct lltd;

/* ---- what the host provides ---- */

struct lltd_frame {
	const uint8_t *data; /* from the Ethernet header on, with its tag if it has one */
	size_t len;
};

/* Seconds that somebody has counted, oldest first. */
struct lltd_second {
	struct lltd_counts counts;
	uint32_t span_us; /* 1 s; the last one less */
};

struct lltd_ports {
	void *user_data;

	/* Sends them one right after the other. How many have left, from the first on; or a negative errno. */
	int (*send)(void *user_data, const struct lltd_frame *frames, unsigned n);
	/* The same clock as `now_us`, as fine as there is; arrivals carry it too. */
	uint64_t (*stamp_ns)(void *user_data);
	uint32_t (*random)(void *user_data);
	/* All that has passed the interface up to now. */
	void (*counts)(void *user_data, struct lltd_counts *ret_counts);

	/*
	 * With the `data` of the session: it waits for what to do next. `status`: how what it did before has ended. After
	 * lltd_open() and lltd_probegap(): 0; after lltd_train(): 0, or -EIO: the sink could not note it, or the
	 * error with which it could not be sent.
	 */
	void (*ready)(void *user_data, void *data, int status);
	void (*train)(void *user_data, void *data, const struct probe_train *train);
	void (*gap)(void *user_data, void *data, const struct probe_gap *gap);
	/* What was claimed has been sent, and the time is over; unless lltd_end_claim() came before. */
	void (*claimed)(void *user_data, void *data);
	/*
	 * Once for each session that was not closed. -ETIMEDOUT: the sink does not answer (any more); -EBUSY, -ENOMEM: it
	 * does not want to; -EOPNOTSUPP: not in this way; -ENETDOWN: the link is down; -ECANCELED: the node ends.
	 */
	void (*ended)(void *user_data, void *data, int status);

	/* The answer to lltd_count(): 0, or -ETIMEDOUT and nothing. */
	void (*counted)(void *user_data, void *data, int status, const struct lltd_second *seconds,
			unsigned n);
};

struct lltd_config {
	struct lltd_mac mac;
	uint64_t link_bps; /* 0: not known */
	bool sink, controller;
	bool access_point; /* counts for its whole network: also asked for by `bssid` and by broadcast */
	struct lltd_mac bssid;
	uint32_t max_sessions;	 /* of others */
	uint32_t max_controlled; /* own ones */
	uint32_t answers_per_s;	 /* to probes and all that is short */
	uint32_t summaries_per_s; /* long answers, each a frame: to one session; and of counts, to all */
};

/* With everything that has a default. */
void lltd_config_default(struct lltd_config *ret_config);

/* NULL: no memory. */
struct lltd *lltd_new(const struct lltd_ports *ports, const struct lltd_config *config);
/* Ends what is under way with -ECANCELED; frees. NULL is allowed; returns NULL. */
struct lltd *lltd_free(struct lltd *lltd);

/* The next time at which lltd_tick() has something to do; UINT64_MAX: never. It may be now. */
uint64_t lltd_deadline_us(const struct lltd *lltd);
void lltd_tick(struct lltd *lltd, uint64_t now_us);

/* `received_ns`: as early as it was stamped. */
void lltd_receive(struct lltd *lltd, const uint8_t *frame, size_t len, uint64_t received_ns,
		  uint64_t now_us);

/* The medium has gone, or come back (then with its speed): all sessions are over (P-104). */
void lltd_link_changed(struct lltd *lltd, uint64_t link_bps);

/* ---- controller ---- */

struct lltd_request {
	struct lltd_mac sink;
	bool keep_moderation; /* do not ask the sink to switch interrupt moderation off */
	void *data;
};

/*
 * Begins a session. 0, and ready() or ended() will be called, though not before this returns. -EINVAL: no station's
 * address; -EOPNOTSUPP: this is no controller; -EALREADY: there is one with that sink; -EUSERS: there are too many;
 * -ENOMEM.
 */
int lltd_open(struct lltd *lltd, const struct lltd_request *request, uint32_t *ret_session,
	      uint64_t now_us);

#define LLTD_TRAIN_PACKET_MIN (LLTD_HEADER_LEN + LLTD_PROBE_LEN - LLTD_LINK_HEADER_LEN)
#define LLTD_TRAIN_PACKET_MAX 1496

struct lltd_train_request {
	unsigned n;	       /* packets, 2 to LLTD_EVENTS_MAX */
	uint32_t packet_bytes; /* behind the Ethernet header */
	uint64_t rate_bps;     /* of those; 0: back to back */
	unsigned lead; /* so many leave at once with the first one that is paced; less than n */
};

/* train(), then ready(). -EBUSY: something else is under way; -EINVAL; -ENOENT: there is no such session. */
int lltd_train(struct lltd *lltd, uint32_t session, const struct lltd_train_request *request,
	       uint64_t now_us);

struct lltd_gap_request {
	uint32_t interval_us;  /* at least 1000 */
	uint32_t count;	       /* 0: until lltd_stop() */
	bool tagged;	       /* they and their answers are to have a priority tag ... */
	uint8_t priority;      /* ... of 0 to 7 */
	uint32_t packet_bytes; /* 0: LLTD_GAP_PACKET_BYTES */
	uint32_t vary_us;      /* each interval is longer by less than that, by chance */
};

/* Some look for the five octets of payload that the text of MS-LLTD has (spec/probing.md B-10). */
#define LLTD_GAP_PACKET_BYTES (LLTD_TRAIN_PACKET_MIN + 5)
#define LLTD_GAP_PACKET_MAX 1500

/*
 * Small packets that the sink sends back, one at a time: the next one not before the one before is there or lost,
 * which is after 100 ms, or more if answers take longer than half of that. gap() for each, then ready(). Errors as
 * above.
 */
int lltd_probegap(struct lltd *lltd, uint32_t session, const struct lltd_gap_request *request,
		  uint64_t now_us);
/* Sends no more of them; ready() when the last one is there or lost. */
void lltd_stop(struct lltd *lltd, uint32_t session);

struct lltd_claim_request {
	uint64_t rate_bps;     /* of what the link carries as its payload */
	uint32_t packet_bytes; /* as of lltd_train() */
	uint32_t duration_us;  /* at most 1 s */
};

/*
 * Only load, which nobody answers, so that others see it; whatever else the session does goes on. claimed() when the
 * time is over. -EBUSY: there is one already, or the session is not ready yet; -EINVAL; -ENOENT.
 */
int lltd_claim(struct lltd *lltd, uint32_t session, const struct lltd_claim_request *request,
	       uint64_t now_us);
void lltd_end_claim(struct lltd *lltd, uint32_t session);

/* Nothing is told of it any more. The sink is told, and asked again if it does not answer. */
void lltd_close(struct lltd *lltd, uint32_t session, uint64_t now_us);

/* ---- counts of others ---- */

/* Everybody on the link counts from now on, until nobody says so any more (P-119). */
void lltd_lease(struct lltd *lltd, uint64_t now_us);
void lltd_end_lease(struct lltd *lltd);
/*
 * What a station has counted, of at most `history` full seconds. 0, and counted() will be called. -ENOTCONN: there is
 * no lease; -EBUSY: another one is asked; -EINVAL.
 */
int lltd_count(struct lltd *lltd, const struct lltd_mac *station, unsigned history, void *data,
	       uint64_t now_us);

/* ---- seeing ---- */

enum lltd_counter {
	LLTD_COUNT_RECEIVED,
	LLTD_COUNT_SENT,
	LLTD_COUNT_SEND_FAILED,
	LLTD_COUNT_BAD_FRAME,  /* none of this protocol, or too short */
	LLTD_COUNT_NOT_FOR_US, /* for another station, or from what is none */
	LLTD_COUNT_NO_SESSION, /* of no session, or with nothing noted */
	LLTD_COUNT_UNEXPECTED, /* an answer to nothing, or one that cannot be */
	LLTD_COUNT_LIMITED,    /* not answered: there were too many */
	LLTD_COUNT_NOTED,      /* timed probes */
	LLTD_COUNT_OVERFLOW,   /* timed probes beyond what is noted */
	LLTD_COUNT_REFLECTED,  /* probegap */
	LLTD_COUNT_SESSIONS,   /* begun by others */
	LLTD_COUNT_REFUSED,    /* sessions */
	LLTD_COUNT_EXPIRED,    /* sessions that did nothing */
	LLTD_COUNT_COUNT
};
const char *lltd_counter_name(enum lltd_counter counter);
uint64_t lltd_counter(const struct lltd *lltd, enum lltd_counter counter);

struct lltd_sizes {
	uint32_t sessions, controlled;
};
struct lltd_sizes lltd_sizes(const struct lltd *lltd);

#endif
