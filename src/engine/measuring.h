/* SPDX-License-Identifier: MIT */
/*
 * measuring.h: the port behind which a host measures paths to other hosts. The engine says to whom, for how many flows
 * and trackers, and asks what is known; the host knows protocols, sockets and the kernel's figures. The engine knows
 * nothing of these.
 *
 * The engine has one measured path for each (interface, destination) that adaptive flows or trackers name, and
 * closes it with the last of them. That a path is remembered, and measured sparingly, for a while after that
 * (spec/qwave.md §5.2) is the host's affair.
 *
 * Errors are negative errnos. No function of the table may call back into the engine; what happens later is told by the
 * functions below, from the host's event loop, when nothing of the host's is half done: while it is being told, the
 * engine may call any function of the table, close() of this path too.
 */
#ifndef GW_ENGINE_MEASURING_H
#define GW_ENGINE_MEASURING_H

#include "core/address.h"
#include "engine/engine.h"

struct flow_path; /* the engine's: one path */
struct measured;  /* the host's: the same one */

struct measuring_target {
	struct address destination; /* port 0 */
	uint32_t ifindex;	    /* by which packets leave */
	bool on_link; /* no router in between: else only what the host sees anyway counts */
};

/* A socket of a flow: what the kernel knows of its connection tells about the path. */
struct measuring_socket {
	uint64_t cookie;
	int family;
	int protocol;
	struct address local, peer;
};

enum measuring_state {
	MEASURING_UNKNOWN,
	MEASURING_UNCONGESTED,
	MEASURING_CONGESTED,
};

/* What a flow wants to send in all, and sends now. */
struct measuring_wish {
	uint64_t current_bps, wanted_bps;
	uint64_t token; /* of the engine; comes back with the answer */
};

struct measuring {
	void *user_data;

	/*
	 * `path` is the engine's name for it, which comes back in what is told. -ENOMEM, -ENOBUFS. What is remembered of
	 * it is asked for by the functions below; only what happens from now on is told.
	 */
	int (*open)(void *user_data, const struct measuring_target *target, struct flow_path *path,
		    struct measured **ret_measured, uint64_t now_us);
	/* Nothing is told of it any more; wishes are forgotten. */
	void (*close)(void *user_data, struct measured *measured, uint64_t now_us);
	/* How many trackers and adaptive flows there are. */
	void (*set_users)(void *user_data, struct measured *measured, unsigned trackers,
			  unsigned flows, uint64_t now_us);
	/* TCP sockets of flows. One that is not (any more) there is no error. */
	int (*add_socket)(void *user_data, struct measured *measured,
			  const struct measuring_socket *socket);
	void (*remove_socket)(void *user_data, struct measured *measured, uint64_t cookie);

	/*
	 * What is known now, as of struct gw_path_info. 0; -ENODATA: nothing yet, it is being measured; -EOPNOTSUPP:
	 * it cannot be measured.
	 */
	int (*fundamentals)(void *user_data, const struct measured *measured,
			    struct gw_path_info *ret_info, uint64_t now_us);
	/*
	 * Measures now, whatever the schedule says: measuring_event(MEASURING_REFRESHED) when something has come of
	 * it. -EAGAIN: not now; -EOPNOTSUPP.
	 */
	int (*refresh)(void *user_data, struct measured *measured, uint64_t now_us);
	enum measuring_state (*state)(void *user_data, const struct measured *measured);
	/* Frames with a priority tag are proven to reach the destination. Asked when an event tells of a change. */
	bool (*may_tag)(void *user_data, const struct measured *measured);
	/* Whether a flow that sends `current_bps` may count on `wanted_bps` in all (spec/qwave.md §5.7). */
	bool (*is_attainable)(void *user_data, const struct measured *measured,
			      uint64_t current_bps, uint64_t wanted_bps);
	/*
	 * Admission (spec/qwave.md §5.5). 0: it may; -EBUSY: it may not; -EOPNOTSUPP: there is no sink, so there is no
	 * admission control; -EINPROGRESS: measuring_admitted() follows, within 2 s.
	 */
	int (*admit)(void *user_data, struct measured *measured, const struct measuring_wish *wish,
		     uint64_t now_us);
	void (*forget_wish)(void *user_data, struct measured *measured, uint64_t token);
};

/*
 * The host measures from now on; `measuring` is kept, not copied. NULL: not any more; all measured paths are closed
 * before this returns, and paths count as such that cannot be measured.
 */
void engine_set_measuring(struct engine *engine, const struct measuring *measuring,
			  uint64_t now_us);

enum measuring_event {
	MEASURING_EVENT_STATE,	     /* congested, or not any more */
	MEASURING_EVENT_MEASURED,    /* what is free has changed */
	MEASURING_EVENT_REFRESHED,   /* the answer to refresh() */
	MEASURING_EVENT_PRIORITY,    /* what may_tag() says */
	MEASURING_EVENT_SUPPORTED,   /* somebody takes part at the other end */
	MEASURING_EVENT_UNSUPPORTED, /* nobody does */
};

/* Something happened to a path that is open. Requests that waited for it complete. */
void engine_path_event(struct engine *engine, struct flow_path *path, enum measuring_event event,
		       uint64_t now_us);
/* The answer to admit(): 0, -EBUSY, -EAGAIN (measurements contradict each other), -EOPNOTSUPP. */
void engine_path_admitted(struct engine *engine, struct flow_path *path, uint64_t token, int status,
			  uint64_t now_us);

#endif
