/* SPDX-License-Identifier: MIT */
/*
 * engine.h: owners, sockets, flows, and the one way out.
 *
 * An owner is one handle of one program (one connection). It owns flows. A flow holds entries; an entry is
 * one socket together with one destination (or with every destination). Entries of different flows may
 * name the same socket and destination: the newest that lays claim is in force, the others are shadowed and
 * come back in turn when it ends. A flow made by engine_run() has a control group in place of sockets, one made
 * by engine_add_tuple() the addresses of packets.
 *
 * A rate or a reservation gives a flow a meter. It is there while anything of the flow is in force: a flow that
 * only keeps its identifier holds nothing of a link.
 *
 *	owner 1--* flow 1--* entry *--1 slot *--1 sock
 *	                \--* op (a request that waits)
 *
 * Whatever ends service, and for whatever reason, goes through engine_end(). It is idempotent: what has
 * ended already is not in its scope any more.
 *
 * The engine makes no system call and reads no clock. Time comes in as `now_us`; the kernel is behind
 * datapath/datapath.h and struct engine_ports. One thread uses an engine at a time.
 *
 * Errors are negative errnos, with the meanings that include/greenwave.h gives them.
 */
#ifndef GW_ENGINE_H
#define GW_ENGINE_H

#include <greenwave.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "core/class.h"
#include "datapath/datapath.h"
#include "engine/admission.h"

struct engine;
struct owner;
struct flow;
struct sock;

/* ---- what the host provides ---- */

/* What a host reads from a descriptor that a caller passed. */
struct engine_socket {
	int fd; /* valid during the call */
	uint64_t cookie;
	int family;   /* AF_INET or AF_INET6: of the socket, not of its packets */
	int protocol; /* IPPROTO_TCP or IPPROTO_UDP */
	struct address local;
	struct address peer; /* AF_UNSPEC: not connected */
	int bound_ifindex;
	unsigned shut; /* DIRECTION_*: shut down, as far as the socket itself tells */
};

struct engine_route {
	bool on_link;	  /* no gateway between; the host itself counts */
	uint32_t ifindex; /* that packets leave through */
};

struct engine_owner_info {
	uint32_t uid;
	int32_t pid;
	bool elsewhere; /* in another network namespace than ours */
	bool host;	/* the host itself, which may do everything */
	char comm[16];
	char api[16];
};

/* A flow of one owner as others see it, and what happened to it. */
struct engine_flow_event {
	enum gw_event_type type;
	const char *reason;
	struct gw_flow_record record;
};

/* Who waits for an answer that may come later. */
struct engine_wait {
	uint64_t token; /* the owner's own, unique among those that wait, by which it can be cancelled */
	bool is_request; /* instead: a request, by its number and type, is answered then */
	uint32_t serial, type;
};

struct engine_completion {
	struct engine_wait wait;
	int status;
	const struct gw_path_info *path; /* of engine_query_path(); else NULL */
	bool granted;			 /* of engine_set_rate(): see there */
};

struct engine_ports {
	void *user_data;
	const struct datapath_ops *datapath;
	void *datapath_data;

	/* Is there a way to `destination`? 0, or -ENETUNREACH, -EHOSTUNREACH, -ENETDOWN. */
	int (*route)(void *user_data, const struct address *destination,
		     const struct engine_socket *socket, struct engine_route *ret_route);

	/* A descriptor of the socket, if the request in hand brought one; else -1. */
	int (*descriptor)(void *user_data, uint64_t cookie);

	/* Asked each time, so that the answer is of now. */
	bool (*is_administrator)(void *user_data, const struct owner *owner);

	/* Puts the owner's process into a control group of its own; -EOPNOTSUPP where there is none. */
	int (*group_create)(void *user_data, const struct owner *owner, uint64_t *ret_group);
	void (*group_end)(void *user_data, uint64_t group);

	/* A pending request of the owner has ended. Must not call back. */
	void (*completed)(void *user_data, struct owner *owner,
			  const struct engine_completion *completion);

	/* Something happened to a flow that `owner` watches. */
	void (*flow_event)(void *user_data, struct owner *owner,
			   const struct engine_flow_event *event);
};

struct engine_config {
	struct mark_profile profile;
	bool marks_ignored; /* every request succeeds, no mark is applied (spec/qwave.md §6.3) */
	uint32_t max_flows;
	uint32_t max_flows_per_user;	/* does not bind root */
	uint32_t max_programs_per_user; /* does not bind root */
	uint32_t max_watchers_per_user; /* does not bind root */
	uint32_t max_sockets_per_flow;	/* with their destinations; does not bind root */
	uint32_t max_flows_per_socket;	/* and destination: shadows of each other */
	uint32_t max_ops_per_owner;
	uint32_t max_tracked_per_user; /* does not bind root */
	uint32_t max_reserved_per_user; /* percent of what is reservable on a link; does not bind root */
	uint32_t first_flow_id;
	uint64_t discovery_us; /* how long an unanswered on-link path stays unknown */
};

void engine_config_default(struct engine_config *ret_config);

/* `ports` is copied. NULL if memory is short. */
struct engine *engine_new(const struct engine_ports *ports, const struct engine_config *config);
struct engine *engine_free(struct engine *engine); /* engine_stop() and the owners go too */

/* Ends everything with END_STOPPED; the owners are there to be told. */
void engine_stop(struct engine *engine);

/* New limits and profile; flows in force get their new marks. */
void engine_reconfigure(struct engine *engine, const struct engine_config *config);

/* The datapath would do another thing for the same flows now. */
void engine_reapply(struct engine *engine);

/* The next time at which engine_tick() has something to do; UINT64_MAX: never. */
uint64_t engine_next_deadline_us(const struct engine *engine);
void engine_tick(struct engine *engine, uint64_t now_us);

/*
 * Which links are scheduled, and how much of them may be reserved; NULL: not scheduled (any more). Reservations
 * stay. Errors: see admission_link_enforce().
 */
int engine_set_link(struct engine *engine, uint32_t ifindex,
		    const struct admission_link_config *config);

/* The books of what is reserved where. Owned by the engine. */
struct admission *engine_admission(struct engine *engine);

/* ---- owners ---- */

int engine_owner_add(struct engine *engine, const struct engine_owner_info *info, void *host_data,
		     struct owner **ret_owner);
const struct engine_owner_info *owner_info(const struct owner *owner);
void *owner_host_data(const struct owner *owner);
void owner_set_api(struct owner *owner, const char *api);

/*
 * The owner takes part in a session of whoever signals. Its user may do so as often as it may have flows, which does
 * not bind root: -ENOBUFS.
 */
int owner_session_begin(struct owner *owner);
void owner_session_end(struct owner *owner);

/* From now on the owner is told what happens to every flow it may see. -ENOBUFS: too many of the user do. */
int owner_watch(struct engine *engine, struct owner *owner);

/*
 * The owner closes its handle: everything of it ends, and it can have nothing any more. -EAGAIN: that was a part of it,
 * as others must not wait; do it again.
 */
int engine_owner_close(struct engine *engine, struct owner *owner, uint64_t now_us);
bool owner_is_closed(const struct owner *owner);

/* Ends everything of the owner, then frees it. If there is much, engine_tick() does the rest. */
void engine_owner_remove(struct engine *engine, struct owner *owner, uint64_t now_us);

/* ---- the one way out ---- */

enum end_reason {
	END_REMOVED,	   /* the owner asked: detach or remove */
	END_HANDLE_CLOSED, /* the owner closed its handle */
	END_OWNER_DIED,	   /* its connection or its process is gone */
	END_CLOSED,	   /* the last copy of the socket was closed */
	END_SHUTDOWN,	   /* the socket was shut down in the direction */
	END_DISCONNECTED,  /* the socket was disconnected */
	END_GROUP_EMPTY,   /* the last process of a program's control group has ended */
	END_REVOKED,	   /* an administrator took it back */
	END_STOPPED	   /* the engine stops */
};
#define END_REASON_COUNT 9
const char *end_reason_name(enum end_reason reason); /* "closed", "owner-died" ... */

/* What ends: everything that matches all members that are set. */
struct end_scope {
	struct owner *owner;
	struct flow *flow;
	struct sock *sock;
	unsigned directions; /* DIRECTION_*; 0 means both */
};

/*
 * Ends service. Marks stop, pending requests of flows that end complete with -ECANCELED, watchers are told.
 * A flow ends with its last entry, except that one with GW_FLOW_KEEP_WHEN_CLOSED outlives its sockets.
 * Returns how many entries and flows ended.
 */
unsigned engine_end(struct engine *engine, const struct end_scope *scope, enum end_reason reason,
		    uint64_t now_us);

/* The same for what the host knows by other names. Unknown ones are fine: then nothing is left to end. */
unsigned engine_end_socket(struct engine *engine, uint64_t cookie, unsigned directions,
			   enum end_reason reason, uint64_t now_us);
unsigned engine_end_group(struct engine *engine, uint64_t group, enum end_reason reason,
			  uint64_t now_us);

/* ---- flows: what owners ask for ---- */

struct flow_request {
	enum gw_class traffic_class;
	uint32_t flags; /* GW_FLOW_* */
	int32_t dscp;	/* 0..63 or GW_DSCP_FROM_CLASS */
};

/*
 * Adds a socket to flow *flow_id of the owner, or to a new flow if that is 0. `destination` NULL: the peer,
 * or everything if not connected.
 */
int engine_add(struct engine *engine, struct owner *owner, const struct engine_socket *socket,
	       const struct address *destination, const struct flow_request *request,
	       uint32_t *flow_id, uint64_t now_us);

/* `rate_bps` as of engine_set_rate(), shaped and marked; 0: not shaped. */
int engine_run(struct engine *engine, struct owner *owner, const struct flow_request *request,
	       uint64_t rate_bps, uint32_t *ret_flow_id, uint64_t now_us);

/* A flow of packets by their addresses. Needs an administrator. `tuple` is copied. */
int engine_add_tuple(struct engine *engine, struct owner *owner, const struct datapath_tuple *tuple,
		     const struct flow_request *request, uint32_t *ret_flow_id, uint64_t now_us);

/*
 * Takes back a program's flow that an earlier engine left in force, with the meter that it had (NULL: none);
 * nobody owns it but its processes. It gets an identifier of its own.
 */
int engine_adopt_group(struct engine *engine, uint64_t group,
		       const struct datapath_treatment *treatment,
		       const struct datapath_meter *meter, const struct engine_owner_info *info,
		       uint64_t now_us);

bool engine_has_group(const struct engine *engine, uint64_t group);

/*
 * More packets for such a flow: all that it has are under one meter. They leave through the same interface, and
 * the last cannot part. -EEXIST: a flow has them. -ENOENT: it is not this one. -EBUSY: they are the last.
 */
int engine_join_tuple(struct engine *engine, struct owner *owner, uint32_t flow_id,
		      const struct datapath_tuple *tuple, uint64_t now_us);
int engine_part_tuple(struct engine *engine, struct owner *owner, uint32_t flow_id,
		      const struct datapath_tuple *tuple, uint64_t now_us);

int engine_detach(struct engine *engine, struct owner *owner, uint32_t flow_id, uint64_t cookie,
		  uint64_t now_us);
int engine_remove(struct engine *engine, struct owner *owner, uint32_t flow_id, uint64_t now_us);
int engine_set_class(struct engine *engine, struct owner *owner, uint32_t flow_id,
		     enum gw_class traffic_class, uint64_t now_us);
int engine_set_dscp(struct engine *engine, struct owner *owner, uint32_t flow_id, uint32_t dscp,
		    uint64_t now_us);

/*
 * 0; or 1: it must be admitted first, and ports->completed() follows within 2 s; until then, and if it is refused, the
 * earlier rate is in force. -EDQUOT: the path does not have it. -EAGAIN: measurements contradict each other.
 * -EALREADY: one with a token waits already; others wait for their turn. `wait` NULL: who asks cannot wait (-EAGAIN).
 * If the request has brought descriptors, which must not be kept while it waits, an admitted rate is not applied, but
 * granted: who asks for it again at once, with descriptors, has it.
 */
int engine_set_rate(struct engine *engine, struct owner *owner, uint32_t flow_id, uint64_t rate_bps,
		    uint32_t shaping, uint32_t reason, const struct engine_wait *wait,
		    uint64_t now_us);

/*
 * Reserves, and polices to the bucket; rate 0 gives it back. -EDQUOT: *ret_refusal says why (it may be NULL).
 */
int engine_reserve(struct engine *engine, struct owner *owner, uint32_t flow_id,
		   const struct bucket_spec *bucket, enum gw_excess excess,
		   struct admission_refusal *ret_refusal, uint64_t now_us);

/*
 * The same for a service of IntServ: more may be set aside than the bucket fills with (R of the guaranteed
 * service), the class comes with the service, and the books name it.
 */
struct engine_service {
	struct bucket_spec bucket;
	uint64_t reserved_bps; /* 0: as the bucket's rate */
	uint32_t booked_as;    /* ADMISSION_*; 0: as the traffic class */
	enum gw_class traffic_class;
	enum gw_excess excess;
};
int engine_reserve_service(struct engine *engine, struct owner *owner, uint32_t flow_id,
			   const struct engine_service *service,
			   struct admission_refusal *ret_refusal, uint64_t now_us);

int engine_query(struct engine *engine, struct owner *owner, uint32_t flow_id,
		 struct gw_flow_info *ret_info);

/*
 * What is known of the path of an adaptive flow: 0, -ENODATA (nothing yet), -EOPNOTSUPP. With GW_PATH_FRESH also 1: it
 * is being measured, and ports->completed() follows within 5 s; -EAGAIN; -ETIMEDOUT. `wait` NULL: who asks cannot wait.
 */
int engine_query_path(struct engine *engine, struct owner *owner, uint32_t flow_id, uint32_t flags,
		      const struct engine_wait *wait, struct gw_path_info *ret_info,
		      uint64_t now_us);

/* 0: the condition holds already. 1: pending, ports->completed() follows. */
int engine_notify(struct engine *engine, struct owner *owner, uint32_t flow_id, uint32_t condition,
		  uint64_t target_bps, uint64_t token, uint64_t now_us);
int engine_cancel(struct engine *engine, struct owner *owner, uint64_t token, uint64_t now_us);

/*
 * A host may soon receive adaptive flows: until it is taken back, or the owner goes, its path is measured. 0; 1: nobody
 * has answered yet, ports->completed() follows within 5 s: 0, or -EHOSTUNREACH, and it is not tracked. -EOPNOTSUPP:
 * there is a router in between. -ENOBUFS.
 */
int engine_track(struct engine *engine, struct owner *owner, const struct address *host,
		 const struct engine_wait *wait, uint64_t now_us);

/* Takes back what the owner has announced, or else what another handle of its user has. -ENOENT: none has. */
int engine_untrack(struct engine *engine, struct owner *owner, const struct address *host,
		   uint64_t now_us);

/* ---- seeing ---- */

/* Whose flows an owner may see; found once, used for many. */
struct engine_view {
	uint32_t uid;
	bool everything;
};
struct engine_view engine_view_of(const struct engine *engine, const struct owner *owner);

/* The smallest identifier above `after`, or 0. All flows of the host. */
uint32_t engine_next_flow_id(const struct engine *engine, uint32_t after);

/* The same of those in a view. */
uint32_t engine_next_flow_id_of(const struct engine *engine, const struct engine_view *view,
				uint32_t after);

/*
 * Visits the records of one flow: one for each entry, or one without addresses. Returns what `visit` returns
 * if that is not 0. -ENOENT: no such flow in this view.
 */
int engine_flow_records(const struct engine *engine, const struct engine_view *view,
			uint32_t flow_id,
			int (*visit)(const struct gw_flow_record *record, void *user_data),
			void *user_data);

struct engine_counters {
	uint64_t flows_added, flows_ended, entries_added;
	uint64_t ended_by[END_REASON_COUNT]; /* entries */
	uint64_t refused_limit, refused_policy, refused_datapath, refused_admission;
	uint64_t ops_started, ops_completed, ops_canceled;
};
const struct engine_counters *engine_counters(const struct engine *engine);
uint64_t engine_flows_in_force(const struct engine *engine);

/*
 * Calls `visit` for every socket of which something should stand in the datapath, for hosts that look whether it
 * does. Not for those that wait, unmarked, for a rate. A nonzero return stops.
 */
void engine_each_socket(struct engine *engine,
			int (*visit)(uint64_t cookie, int family, int protocol,
				     const struct address *local, const struct address *peer,
				     void *user_data),
			void *user_data);

/* A managed socket, with the addresses that it had when it was added. */
struct engine_managed {
	uint64_t cookie;
	uint64_t added; /* engine_counters()->entries_added then: each new life of a socket has another */
	int family;
	int protocol;
	struct address local;
	struct address peer;
	bool first; /* a round begins */
};

/*
 * The next managed socket, round and round in the order in which they were added, for a host that looks at a
 * few at a time. Sockets may come and go between calls. False: there is none.
 */
bool engine_next_socket(struct engine *engine, struct engine_managed *ret_socket);

/* The same of one socket, with `first` not set. False: it is not managed. */
bool engine_find_socket(struct engine *engine, uint64_t cookie, struct engine_managed *ret_socket);

/* How many sockets of a kind are managed. */
uint32_t engine_count_sockets(const struct engine *engine, int family, int protocol);

#endif
