/* SPDX-License-Identifier: MIT */
/* path_internal.h: the state of a path, shared by the files that are one, and by nobody else. */
#ifndef GW_PROBE_PATH_INTERNAL_H
#define GW_PROBE_PATH_INTERNAL_H

#include <utlist.h>

#include "probe/estimate_capacity.h"
#include "probe/estimate_load.h"
#include "probe/estimate_spare.h"
#include "probe/path.h"

#define NS_PER_US UINT64_C(1000)
#define US_PER_MS UINT64_C(1000)
#define US_PER_S UINT64_C(1000000)

/* What a link carries of a packet besides the packet, as shapers count it. */
#define LINK_HEADER_BYTES 14
#define FULL_PACKET_BYTES 1500
#define TRAIN_PACKET_BYTES 1496

#define JUDGE_US (250 * US_PER_MS)

/* The first paced trains, as nobody else sees what a shaper's bucket hides, are sent before they are earned. */
#define PACED_FIRST 4

enum path_support {
	SUPPORT_UNTRIED,
	SUPPORT_TRYING,
	SUPPORT_YES,
	SUPPORT_NO,
};

enum wish_state {
	WISH_WAITING,  /* for its turn */
	WISH_CLAIMING, /* others can see what it would take */
};

struct wish {
	struct path_wish wish;
	enum wish_state state;
	uint64_t turn_us, ends_us;
	uint64_t claimed_us; /* since when */
	double left_share;   /* of the path, with the claim alone */
	struct wish *prev, *next;
};

/* Has been admitted, and may not yet be seen on the path. */
struct grant {
	uint64_t bps, until_us;
};

#define WISHES_MAX 32
#define GRANTS_MAX 32

struct path {
	struct path_ports ports;
	struct path_config config;
	void *data;

	unsigned trackers, flows;
	uint64_t began_us; /* when somebody wanted to know, after nobody had */
	uint64_t used_us;  /* until when */

	enum path_support support;
	enum path_method method;
	uint64_t retry_us, retry_delay_us;
	bool worked[PATH_METHOD_COUNT]; /* has ever, or not been found not to since */
	uint64_t back_us;  /* to one that has worked before; UINT64_MAX: there is none */
	unsigned failures; /* of trains and gaps, in succession */
	enum probe_priority priority;
	bool route_checked;

	bool running[PATH_KIND_COUNT];
	uint64_t train_us, gaps_us, paced_us; /* when the next ones are due */
	unsigned trains_begun;
	unsigned trains_postponed; /* in succession */
	unsigned train_packets;
	bool train_is_first; /* of those that are not earned */
	enum path_method train_method;
	bool long_trains_came, long_trains_refused; /* by another method than all the rest */
	bool gaps_wanted;			    /* all the time */
	uint32_t gap_bytes, gap_interval_us;
	uint64_t gap_started_us, heard_us;
	bool hurry;    /* look more closely, as long as there is credit */
	bool losing;   /* trains would not come through whole */
	bool troubled; /* and would make it worse */
	struct {
		bool wanted;
		unsigned gaps; /* that are to come back yet, or be lost */
		bool train;    /* is to end yet */
	} refresh;

	double credit_bits, debt_bits; /* earned; and sent before it was earned */
	uint64_t credited_us;
	struct path_load load;

	struct capacity capacity;
	struct spare spare;
	struct load paced;
	unsigned paced_begun;
	uint64_t filled_from_us, filled_until_us; /* while the path is full of our own trains */
	double seemed;				  /* share that is free as small packets say */
	uint64_t entered_us;			  /* the state that it is in */
	bool deceived; /* small packets say something else than paced trains do */
	struct passive passive;

	uint64_t judge_us;
	uint64_t steady_us;		   /* since when nothing has changed much */
	unsigned full, clear, slow, moved; /* estimates in succession */
	enum path_state state;
	bool available_known;
	uint64_t available_bps, available_us, told_bps;

	struct wish *wishes;
	unsigned n_wishes;
	struct grant grants[GRANTS_MAX];
};

static inline uint64_t path_earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* How long a full packet takes at the narrowest link. */
uint64_t path_packet_ns(const struct path *path);
void path_tell(struct path *path, enum path_event event);

/* ---- path_budget.c ---- */

double path_earns_bps(const struct path *path);
void path_earn(struct path *path, uint64_t now_us);
double path_cost_bits(uint64_t packets, uint32_t packet_bytes);
/* `first`: it need not be earned before, and is paid back over time. */
void path_spend(struct path *path, uint64_t packets, uint32_t packet_bytes, bool first);
/* Whoever waits for our own trains says nothing about others. */
void path_begin_filling(struct path *path, unsigned packets, uint64_t now_us);
bool path_is_filled(const struct path *path, uint64_t at_us);

/* ---- path_trains.c ---- */

/* Whether the train that is due has to wait. */
bool path_postpone_train(struct path *path, uint64_t now_us);
void path_send_train(struct path *path, uint64_t now_us);
/* Whether that is all that is to be said of it. */
bool path_end_train(struct path *path, int status, uint64_t now_us);
bool path_wants_paced(const struct path *path);
void path_send_paced(struct path *path, uint64_t now_us);
/* There is a flow, where nobody sent: for a client that was only tracked the next ones may be due much later. */
void path_begin_to_send(struct path *path, uint64_t now_us);

/* ---- path_schedule.c ---- */

void path_schedule(struct path *path, uint64_t now_us);
uint64_t path_schedule_deadline_us(const struct path *path, uint64_t judge_us);
int path_start(struct path *path, const struct path_experiment *experiment);
void path_stop(struct path *path, enum path_kind kind);
void path_stop_all(struct path *path);
/* Nobody answers, by this method. */
void path_try_next(struct path *path, uint64_t now_us);
void path_become_supported(struct path *path, uint64_t now_us);

/* ---- path_judge.c ---- */

void path_judge(struct path *path, uint64_t now_us);
/* Without probes nothing is known of what is free, nor of congestion, until something is told again. */
void path_unlearn(struct path *path);
/* In the last moment nobody has found the path without a queue. */
bool path_is_queueing(const struct path *path, uint64_t now_us);
/* What is free as the last moments show it, rather too much than too little. */
bool path_free_now(const struct path *path, uint64_t now_us, uint64_t *ret_bps);

/* ---- path_admit.c ---- */

void path_admit_tick(struct path *path, uint64_t now_us);
uint64_t path_admit_deadline_us(const struct path *path);
void path_admit_end(struct path *path, int status);

#endif
