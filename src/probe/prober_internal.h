/* SPDX-License-Identifier: MIT */
/*
 * prober_internal.h: the state of a prober, shared by the files that are the prober, and by nobody else.
 *
 * Paths are many, and most of them are quiet; so each has one timer, for whatever is next of all that it waits for.
 * The nodes that speak the protocols keep their own time.
 */
#ifndef GW_PROBE_PROBER_INTERNAL_H
#define GW_PROBE_PROBER_INTERNAL_H

#include <uthash.h>
#include <utlist.h>

#include "core/wheel.h"
#include "probe/prober.h"

#define US_PER_MS UINT64_C(1000)
#define US_PER_S UINT64_C(1000000)

struct interface {
	struct prober *prober;
	struct prober_link link;
	struct lltd *lltd;	  /* NULL: it has no stations, or there are no raw sockets */
	struct station *stations; /* that are measured */
	UT_hash_handle hh;	  /* by link.ifindex */
};

/* What a path has asked for, by either protocol, until it stops it or is told that it has ended. */
struct run {
	struct prober_path *path;
	bool wanted;
	struct path_experiment experiment;
	uint32_t number; /* of the experiment of MS-QLPB */
};

struct wish {
	uint64_t token;
	struct wish *prev, *next;
};

/* A TCP connection, and what it had done when it was looked at last. */
struct tcp_socket {
	uint64_t cookie;
	bool seen;
	struct passive_tcp last;
	UT_hash_handle hh; /* by cookie */
};

/* prober_lltd.c */
enum station_state {
	STATION_OPENING,
	STATION_IDLE,
	STATION_BUSY,
};

/* A host on the link, and the session with it, which the paths to all of its addresses share. */
struct station {
	struct interface *interface;
	struct lltd_mac mac;
	uint32_t session;
	enum station_state state;
	struct path_experiment doing; /* when it is busy */
	struct run *run;	      /* who asked for that; NULL: does not want it any more */
	struct run *claim;	      /* NULL: there is none */
	unsigned answered;	      /* of a route check's packets */
	struct prober_path *paths;
	struct station *prev, *next; /* of the interface */
};

/* A path's part in a station. */
struct by_lltd {
	struct station *station; /* NULL: it has none (yet) */
	uint64_t ask_until_us;	 /* for it; 0: it is not being asked for */
	uint64_t timer_us;
	unsigned gaps_done, gaps_heard;
	struct prober_path *prev, *next; /* of the station */
};

struct path_key {
	struct address destination;
	uint32_t ifindex;
};

struct prober_path {
	struct prober *prober;
	struct path_key key;
	bool on_link, open;
	bool used;    /* by somebody */
	bool by_lltd; /* what was begun last was by LLTD */
	void *data;
	struct path *path;
	struct interface *interface; /* NULL: not known (yet) */
	struct run runs[PATH_KIND_COUNT];
	struct by_lltd lltd;
	struct wish *wishes;

	struct tcp_socket *sockets;
	struct passive_tcp tcp; /* of all of them */
	uint64_t look_us;	/* at what the host sees; UINT64_MAX: nobody wants to know */

	uint64_t refresh_ends_us; /* UINT64_MAX: nobody waits */
	uint64_t leaves_us;	  /* of one that is closed */
	struct wheel_timer timer;
	struct prober_path *prev, *next; /* of those that are closed, longest first */
	UT_hash_handle hh;
};

struct prober {
	struct prober_ports ports;
	struct prober_config config;
	uint64_t now_us;
	struct qlpb *qlpb;
	struct interface *interfaces;
	uint64_t lltd_gone[LLTD_COUNT_COUNT]; /* what nodes had counted that are no more */
	struct prober_path *paths;	      /* by key */
	struct prober_path *closed;	      /* those of them that linger */
	struct wheel wheel;		      /* of paths' timers */
};

/* Time does not run backwards, whoever brings it. */
uint64_t prober_at(struct prober *prober, uint64_t now_us);
/* What time it is when a node calls. */
uint64_t prober_now(struct prober *prober);

/* ---- prober_path.c ---- */

/* After whatever may have changed what it waits for. */
void prober_settle(struct prober_path *path);
void prober_tick_path(struct prober_path *path, uint64_t now_us);
void prober_forget_path(struct prober_path *path);
/* What an experiment has seen: whether that is enough. */
bool prober_take_train(struct run *run, const struct probe_train *train);
/* An experiment has ended by itself. */
void prober_run_ended(struct run *run, int status);

/* ---- prober_passive.c ---- */

void prober_look(struct prober_path *path, uint64_t now_us);
void prober_forget_sockets(struct prober_path *path);

/* ---- prober_link.c ---- */

struct interface *prober_interface(const struct prober *prober, uint32_t ifindex);
void prober_free_interfaces(struct prober *prober);

/* ---- prober_qlpb.c ---- */

int prober_qlpb_new(struct prober *prober);
/* As of struct path_ports. */
int prober_qlpb_start(struct run *run, uint64_t now_us);
void prober_qlpb_stop(struct run *run);

/* ---- prober_lltd.c ---- */

/* As of struct path_ports. */
int prober_lltd_start(struct run *run, uint64_t now_us);
void prober_lltd_stop(struct run *run);
void prober_lltd_tick(struct prober_path *path, uint64_t now_us);
/* It ticks soon, if it is settled. */
void prober_lltd_wake(struct prober_path *path);
bool prober_lltd_is_wanted(const struct run *run);
/* Nobody needs a station for it (any more). */
bool prober_lltd_is_done(const struct prober_path *path);
/* All that it wants has, for one reason, which counts once. */
void prober_lltd_fail(struct prober_path *path, int status);
/* Leaves its station, if it has one. */
void prober_lltd_leave(struct prober_path *path);
/* If its address has got another station everything begins anew. */
void prober_lltd_follow(struct prober_path *path, uint64_t now_us);

/* ---- prober_station.c ---- */

struct lltd *prober_lltd_new(struct interface *interface);
/* The station with that address, with which a session is begun if there is none; errors of lltd_open(). */
int prober_station_join(struct prober_path *path, const struct lltd_mac *mac, uint64_t now_us);
/* The last one that does so closes the session; then there is no such station any more. */
void prober_station_part(struct prober_path *path);
/* Begins what comes first of what is wanted, if it is idle. Whoever is done parts. */
void prober_station_go_on(struct station *station, uint64_t now_us);
/* Gaps give way to whatever is shorter, and to gaps at another interval. */
void prober_station_interrupt(const struct station *station);
void prober_station_stop(const struct station *station);
/* As of lltd_claim(); -EOPNOTSUPP: it is not ready, or there is none. */
int prober_station_claim(struct run *run, uint64_t now_us);
/* It is not wanted any more; what others want goes on. */
void prober_station_withdraw(struct station *station, const struct run *run);

#endif
