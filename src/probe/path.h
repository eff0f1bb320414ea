/* SPDX-License-Identifier: MIT */
/*
 * path.h: what is known of the way to one host, for all flows that take it (spec/probing.md §6, spec/qwave.md §9,
 * §10): how narrow it is, how much of that is free, how long it takes, whether it is congested. One object per
 * (interface, destination), which decides what is measured when, and judges what comes back together with what the host
 * sees anyway.
 *
 * It sends nothing itself and reads no clock: experiments are started through struct path_ports by whoever
 * speaks MS-QLPB or LLTD, and what they see is handed in. One thread.
 */
#ifndef GW_PROBE_PATH_H
#define GW_PROBE_PATH_H

#include "probe/estimate_passive.h"
#include "probe/sample.h"

struct path;

/* ---- experiments ---- */

/* By which protocol; in the order in which they are tried (spec/probing.md §13). */
enum path_method { PATH_LLTD, PATH_QLPB, PATH_METHOD_COUNT };

enum path_kind {
	PATH_ROUTE_CHECK, /* once; path_priority() */
	PATH_TRAIN,	  /* path_train() */
	PATH_GAPS,	  /* path_gap() for each */
	PATH_PACED,	  /* a train at a rate; path_paced() */
	PATH_CLAIM,	  /* only load: what a flow would send that wants to be admitted */
	PATH_KIND_COUNT
};

struct path_experiment {
	enum path_method method;
	enum path_kind kind;
	unsigned packets;      /* of a train; of gaps, 0: until they are stopped */
	uint32_t packet_bytes; /* of trains and claims */
	uint32_t interval_us;  /* between gaps */
	uint32_t vary_us;      /* each of which is longer by less than that, by chance */
	uint64_t rate_bps;     /* of what is paced, or claimed */
	unsigned lead; /* of what is paced: so many leave at once with the first one that is */
	uint32_t duration_us; /* of a claim */
};

/* ---- what comes of it ---- */

enum path_state {
	PATH_UNKNOWN,
	PATH_UNCONGESTED,
	PATH_CONGESTED,
};
const char *path_state_name(enum path_state state);

enum path_event {
	PATH_EVENT_CONGESTED,
	PATH_EVENT_UNCONGESTED,
	PATH_EVENT_MEASURED,	/* what is free has changed */
	PATH_EVENT_PRIORITY,	/* path_get_priority() says something else */
	PATH_EVENT_SUPPORTED,	/* a sink answers */
	PATH_EVENT_UNSUPPORTED, /* none does, by any protocol */
};

/* None of them may call back into the path. */
struct path_ports {
	void *user_data;
	/*
	 * Begins it, toward the destination; there is never more than one of a kind. 0, and path_finished() will be called
	 * (not from within); or a negative errno: -EPERM, -EOPNOTSUPP: not with this method; -EUSERS, -ENOMEM: not now;
	 * -EBUSY: not as long as another claim goes on.
	 */
	int (*start)(void *user_data, void *data, const struct path_experiment *experiment);
	/* It is not wanted any more: nothing is told of it from now on. */
	void (*stop)(void *user_data, void *data, enum path_kind kind);
	/* From within functions that take the time. */
	void (*event)(void *user_data, void *data, enum path_event event);
	/* The answer to path_admit(), with the `data` of the wish. */
	void (*admitted)(void *user_data, void *data, void *wish_data, int status);
	uint32_t (*random)(void *user_data);
};

struct path_config {
	bool on_link;	       /* no router is in between; else only passive evidence counts */
	uint64_t own_link_bps; /* of the interface; 0: not known */
	bool methods[PATH_METHOD_COUNT];
};

/* NULL: no memory. `data`: for the ports. */
struct path *path_new(const struct path_ports *ports, const struct path_config *config, void *data,
		      uint64_t now_us);
/* Stops what is under way; wishes are answered with -ECANCELED. NULL is allowed; returns NULL. */
struct path *path_free(struct path *path);

uint64_t path_deadline_us(const struct path *path);
void path_tick(struct path *path, uint64_t now_us);

/* ---- who wants to know ---- */

/* Clients that are tracked, and adaptive flows. Without any nothing is sent, from 30 s after the last one on. */
void path_set_users(struct path *path, unsigned trackers, unsigned flows, uint64_t now_us);
#define PATH_LINGER_US UINT64_C(30000000)
/* Nobody has been there for the time to linger: it may be freed. */
bool path_is_idle(const struct path *path, uint64_t now_us);
/* The link has changed: nothing that is known counts any more. */
void path_reset(struct path *path, uint64_t own_link_bps, uint64_t now_us);

/* ---- what experiments have seen ---- */

/* true: that is enough, no more trains need be sent. */
bool path_train(struct path *path, const struct probe_train *train, uint64_t now_us);
void path_paced(struct path *path, const struct probe_train *train, uint64_t now_us);
void path_gap(struct path *path, const struct probe_gap *gap, uint64_t now_us);
/* A train leaves for the same host, whoever wants it: who waits behind that says nothing about others. */
void path_fill(struct path *path, const struct path_experiment *train, uint64_t now_us);
void path_priority(struct path *path, enum probe_priority priority);
/* It has ended by itself: 0, or why there is no (further) result. -ECANCELED: for what another one has ended for. */
void path_finished(struct path *path, enum path_kind kind, int status, uint64_t now_us);

/* ---- what the host sees ---- */

void path_tcp(struct path *path, const struct passive_tcp *tcp, uint64_t now_us);
void path_forget_tcp(struct path *path);
void path_queue(struct path *path, const struct passive_queue *queue, uint64_t now_us);

/* ---- asking ---- */

struct path_fundamentals {
	bool bottleneck_set, available_set, rtt_set;
	uint64_t bottleneck_bps, available_bps; /* of IP packets */
	uint32_t rtt_us;
};

/*
 * What is known now. 0; -EAGAIN: nothing yet, it is being measured (232); -EOPNOTSUPP: it cannot be measured (50), for
 * lack of a sink, or only in part for longer than 10 s.
 */
int path_fundamentals(const struct path *path, uint64_t now_us,
		      struct path_fundamentals *ret_fundamentals);
/* Measure now, whatever the schedule says (FRESH): what is free, and what is narrow if that is older than 30 s. */
void path_refresh(struct path *path, uint64_t now_us);
/* Whether that has been done. */
bool path_is_fresh(const struct path *path);

enum path_state path_state(const struct path *path);
enum probe_priority path_get_priority(const struct path *path);
/* How long a total rate of a flow that now has `current_bps` is attainable (QOSNotifyAvailable). */
bool path_is_attainable(const struct path *path, uint64_t current_bps, uint64_t wanted_bps);

/* ---- admission ---- */

struct path_wish {
	uint64_t current_bps, wanted_bps; /* of the flow */
	void *data;
};

/*
 * 0: it may; -EBUSY: it may not (54); -EAGAIN: it seems not, but measurements contradict each other (1237);
 * -EOPNOTSUPP: there is no sink, so there is no admission control;
 * -EINPROGRESS: admitted() will be called, within 2 s. A host that is not alone makes sure first that no other one
 * takes the same: see path_admit.c.
 */
int path_admit(struct path *path, const struct path_wish *wish, uint64_t now_us);
/* The flow has gone: nothing is told of it any more. */
void path_cancel(struct path *path, const void *wish_data);

/* ---- seeing ---- */

struct path_load {
	uint64_t sent_bits; /* by experiments, as IP packets and their Ethernet header */
	uint64_t claimed_bits;
};
struct path_load path_load(const struct path *path);

#endif
