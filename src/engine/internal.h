/* SPDX-License-Identifier: MIT */
/*
 * internal.h: the engine's objects, shared by the files of this folder and by nobody else.
 *
 * Ownership: an engine owns its owners, an owner its flows, trackers and ops, a flow its entries. Slots and socks
 * exist for as long as an entry uses them. Paths are shared by adaptive flows and trackers, and go with the last.
 */
#ifndef GW_ENGINE_INTERNAL_H
#define GW_ENGINE_INTERNAL_H

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((void)(element))
#include <uthash.h>
#include <utlist.h>

#include "engine/engine.h"
#include "engine/measuring.h"

/* What one user has in all; bounded by the policy. */
struct user {
	uint32_t uid;
	uint32_t owners;
	uint32_t flows;
	uint32_t in_force; /* of these */
	uint32_t programs; /* of these */
	uint32_t entries;
	uint32_t watchers;
	uint32_t trackers;
	uint32_t sessions; /* of whoever signals */
	struct tracker *tracker_list;
	struct flow *flow_list; /* ascending */
	UT_hash_handle hh;
};

struct owner {
	struct engine *engine;
	struct engine_owner_info info;
	void *host_data;
	struct user *user;
	struct flow *flows;
	struct tracker *trackers;
	struct op *ops; /* by token, those that have one */
	uint32_t n_ops; /* of both kinds */
	bool watching;
	bool closed;		 /* its handle; what was on its way then comes too late */
	struct engine_view view; /* of one that watches */
	bool leaving;		 /* is gone; what it had is being ended */
	bool program; /* stands for the processes of one control group; ends with its one flow */
	struct owner *watch_prev, *watch_next;
	struct owner *leave_prev, *leave_next;
	struct owner *prev, *next;
};

/* In place of those of its class, for packets within the bucket and beyond. */
struct flow_marks {
	bool set;
	uint8_t dscp, priority;
	uint8_t excess_dscp, excess_priority;
};

/* What an owner has asked of a flow; replaced as a whole, so that a failed change leaves no trace. */
struct flow_settings {
	enum gw_class traffic_class;
	int32_t dscp; /* or GW_DSCP_FROM_CLASS */
	uint64_t rate_bps;
	enum gw_shaping shaping;
	uint32_t rate_reason;
	bool rate_cleared; /* rate 0 was asked for: no marks until something is set again */
	struct bucket_spec reserved; /* in place of a rate; its rate 0: nothing is */
	uint64_t reserved_bps; /* at least the bucket's rate; 0: it is only kept to, not reserved */
	uint32_t booked_as;    /* ADMISSION_*; 0: as its traffic class */
	enum gw_excess excess;
	bool excess_waits; /* instead */
	struct flow_marks marks;
	uint32_t lender; /* the flow whose meter it is under, in place of one of its own; 0: none */
};

/* The links that packets leave through; none: not known, it may be any. */
struct meter_links {
	unsigned n;
	uint32_t ifindexes[DATAPATH_METER_LINKS];
};

/* What is booked for a reservation, one holding for each link; twice as many while links are exchanged. */
#define HOLDINGS_MAX (2 * DATAPATH_METER_LINKS)
struct holdings {
	struct admission_holding held[HOLDINGS_MAX];
};

/* What stands in the datapath and in the books for a flow's rate, as long as the meter does. */
struct metering {
	struct datapath_meter meter;
	uint32_t booked_as;	 /* column of the books */
	struct holdings *booked; /* NULL: nothing is reserved */
};

/* Packets by their addresses. */
struct tuple {
	struct datapath_tuple key;
	struct flow *flow;
	struct tuple *prev, *next; /* of the flow */
	UT_hash_handle hh;
};

/* A rate has been admitted, and its owner was told to ask again, with descriptors. */
struct grant {
	uint64_t rate_bps; /* 0: none */
	uint64_t until_us;
};

struct flow {
	uint32_t id;
	uint32_t flags; /* GW_FLOW_* */
	struct owner *owner;
	struct flow_settings settings;
	struct entry *entries;
	uint32_t n_entries;
	struct op *ops;
	uint64_t group;		   /* control group of a program */
	struct tuple *tuples;	   /* neither: sockets */
	struct metering *metering; /* NULL: there is no meter */
	bool metered;		   /* its targets are put under the meter */
	bool lends;		   /* other flows may be under it too: the provider knows which */
	bool watches; /* it does nothing, and ends with its socket alone: see engine_watch() */
	struct flow_path *path; /* adaptive flows */
	struct grant grant;
	enum gw_path_state told; /* those who watch */
	struct flow *owner_prev, *owner_next;
	struct flow *path_prev, *path_next;
	struct flow *user_prev, *user_next; /* ascending by id */
	struct flow *prev, *next;	    /* of the engine, ascending by id */
	UT_hash_handle hh;		    /* by id */
	UT_hash_handle by_group;	    /* by group, those that have one */
};

struct entry {
	struct flow *flow;
	bool on_path; /* counted in n_tcp of the flow's path */
	bool shown;   /* it is that of its socket which stands for it where the path is measured */
	struct slot *slot;
	struct entry *flow_prev, *flow_next;
	struct entry *slot_prev, *slot_next; /* in the order in which they were added */
};

struct slot_key {
	uint64_t cookie;
	struct address destination; /* all zero: every destination */
};

/* One destination of one socket, and the flows that lay claim to it. */
struct slot {
	struct slot_key key;
	struct sock *sock;
	struct entry *entries;
	uint32_t n_entries;
	struct entry *in_force; /* what the datapath has now; NULL: nothing */
	struct slot *prev, *next;
	UT_hash_handle hh;
};

struct sock {
	uint64_t cookie;
	int family;
	int protocol;
	struct address local;
	struct address peer;
	uint32_t bound_ifindex;
	uint64_t added; /* counters.entries_added before it */
	uint32_t n_entries;
	uint32_t n_keep; /* of these: their flow outlives a disconnect */
	uint32_t n_watches;
	struct slot *slots;
	bool closing; /* is closed, and not all of it has ended yet */
	struct sock *close_prev, *close_next;
	UT_hash_handle hh;
};

enum op_kind {
	OP_CONDITION, /* of a path */
	OP_FRESH,     /* figures of a path */
	OP_RATE,      /* that must be admitted */
	OP_TRACK      /* until somebody has answered */
};
#define OP_KIND_COUNT 4

/* A rate that is asked for. */
struct rate_wish {
	uint64_t rate_bps;
	enum gw_shaping shaping;
	uint32_t reason;
	bool brought; /* the request has brought descriptors, without which it cannot be applied (well) */
};

/* A request that waits. */
struct op {
	enum op_kind kind;
	struct engine_wait wait;
	struct owner *owner;
	struct flow *flow;	 /* NULL: OP_TRACK */
	struct tracker *tracker; /* OP_TRACK */
	enum gw_condition condition;
	uint64_t target_bps;
	struct rate_wish rate;
	uint64_t wish;		/* by which the admission of the rate is asked for; 0: not yet */
	uint64_t deadline_us;	/* 0: none (yet) */
	struct op *prev, *next; /* of the flow, or of the tracker; oldest first */
	struct op *timed_prev, *timed_next; /* of those of the kind with a deadline, ascending */
	UT_hash_handle hh;		    /* of the owner, by token */
	UT_hash_handle by_wish;
};

/* Does anybody at the other end of a path take part in measuring it? */
enum path_support { SUPPORT_UNKNOWN, SUPPORT_YES, SUPPORT_NO };

struct path_key {
	uint8_t addr[16];
	uint32_t scope;
	uint32_t ifindex;
};

struct flow_path {
	struct path_key key;
	struct address destination;
	bool on_link; /* and one host */
	enum path_support support;
	bool lost;		   /* somebody took part, and does not any more */
	bool tags;		   /* what the flows' treatments say of it */
	struct measured *measured; /* the host's; NULL: it is not measured */
	struct flow *flows;	   /* that use it */
	uint32_t n_flows;
	uint32_t n_tcp; /* entries of theirs that are connections, or will be */
	struct tracker *trackers;
	uint32_t n_trackers;
	unsigned held;		       /* it must not go now */
	uint64_t deadline_us;	       /* of SUPPORT_UNKNOWN */
	struct flow_path *prev, *next; /* of those unknown, ascending by deadline */
	UT_hash_handle hh;
};

/* A host that an owner has announced. */
struct tracker {
	struct owner *owner;
	struct flow_path *path;
	struct op *ops;		     /* who waits for an answer of that host */
	struct tracker *prev, *next; /* of the owner */
	struct tracker *user_prev, *user_next;
	struct tracker *path_prev, *path_next;
};

struct engine {
	struct engine_ports ports;
	struct engine_config config;
	struct engine_counters counters;
	struct owner *owners;
	struct owner *watchers;
	struct owner *leaving; /* some of what they had ends with each tick */
	struct sock *closing;  /* likewise */
	struct user *users;
	struct flow *flows_by_id;
	struct flow *flows_by_group;
	struct flow *flows; /* ascending */
	uint32_t n_flows;
	uint32_t n_entries;
	uint64_t in_force; /* flows with an entry or a group */
	uint32_t next_id;
	struct slot *slots;
	struct sock *socks;
	struct sock *next_sock; /* of engine_next_socket(); NULL: the first */
	uint32_t n_socks[2][2]; /* IPv6, TCP */
	struct flow_path *paths;
	struct flow_path *unknown_paths;
	uint64_t now_us;		   /* the latest that came in: engine_note_time() */
	const struct measuring *measuring; /* the host's; NULL: it measures nothing */
	bool never_measures;		   /* nor will it */
	struct op *timed[OP_KIND_COUNT];
	struct op *wishes; /* by number */
	uint64_t last_wish;
	struct tuple *tuples;
	struct admission *admission;
	struct provider *provider; /* that is told of ends; NULL: none */
};

/*
 * What ends may have been measured, and that needs the time, which not everybody who ends something has: each function
 * that is told the time notes it.
 */
static inline void engine_note_time(struct engine *engine, uint64_t now_us)
{
	if (now_us > engine->now_us)
		engine->now_us = now_us;
}

/* owner.c */
struct owner *owner_new(struct engine *engine, const struct engine_owner_info *info);
void owner_free(struct owner *owner);
bool owner_is_administrator(const struct engine *engine, const struct owner *owner);
unsigned owners_leave(struct engine *engine, unsigned most);
struct user *user_find(const struct engine *engine, uint32_t uid);

/* socket.c: socks, slots and what stands in the datapath */
struct sock *sock_find(struct engine *engine, uint64_t cookie);
int slot_obtain(struct engine *engine, const struct engine_socket *socket,
		const struct address *destination, struct slot **ret_slot);
struct slot *slot_find(struct engine *engine, uint64_t cookie, const struct address *destination);
void slot_release(struct engine *engine, struct slot *slot); /* frees it, and its sock, if unused */
int slot_refresh(struct engine *engine, struct slot *slot, bool reapply);
void slot_clear(struct engine *engine, struct slot *slot);
void slot_take_out(struct slot *slot, struct entry *entry);
void slot_target(const struct engine *engine, const struct slot *slot,
		 struct datapath_target *ret_target);
/* The way of its packets, or the error of the ports. */
int slot_route(struct engine *engine, const struct slot *slot, struct engine_route *ret_route);
bool slot_is_full(const struct engine *engine, const struct slot *slot);
void slot_drop(struct engine *engine, struct slot *slot, struct entry *entry);
void sock_renew(struct engine *engine, const struct engine_socket *socket);

/* flow.c */
struct flow *flow_find(const struct engine *engine, uint32_t id);
int flow_find_own(const struct engine *engine, const struct owner *owner, uint32_t id,
		  struct flow **ret_flow);
bool flow_claims(const struct flow *flow);
void flow_treatment(const struct engine *engine, const struct flow *flow,
		    struct datapath_treatment *ret_treatment);
bool flow_is_in_force(const struct flow *flow);
bool flow_excess_mark(const struct engine *engine, const struct flow *flow, struct mark *ret_mark);
int flow_new(struct engine *engine, struct owner *owner, const struct flow_request *request,
	     struct flow **ret_flow);
void flow_free(struct engine *engine, struct flow *flow);
void flow_count_in_force(struct engine *engine, struct flow *flow, int change);
int entry_new(struct engine *engine, struct flow *flow, struct slot *slot,
	      struct entry **ret_entry);
void entry_free(struct engine *engine, struct entry *entry); /* takes it out of its flow */

/* target.c: the targets of flows that have no sockets: a program, or tuples */
bool flow_has_targets(const struct flow *flow);
void flow_target(const struct flow *flow, const struct tuple *tuple,
		 struct datapath_target *ret_target);
int tuple_apply(struct engine *engine, const struct tuple *tuple);
void tuple_clear(struct engine *engine, const struct tuple *tuple);
/* *ret_failed: the tuple that was refused; those before it have been applied. */
int flow_targets_apply(struct engine *engine, struct flow *flow, const struct tuple **ret_failed);
void flow_targets_roll_back(struct engine *engine, struct flow *flow, const struct tuple *failed);
void flow_targets_clear(struct engine *engine, const struct flow *flow);

/*
 * add.c. A flow that watches marks nothing, hides no other flow, and is shown to nobody, but it stands in the
 * datapath, so that the socket's end is seen, and its shutdown and disconnect; it outlives these two.
 */
int engine_watch(struct engine *engine, struct owner *owner, const struct engine_socket *socket,
		 uint32_t *ret_flow_id);
int request_check(struct engine *engine, const struct owner *owner,
		  const struct flow_request *request);
int limits_check(struct engine *engine, const struct owner *owner, bool new_flow);

/*
 * end.c: these end about as many things as they are told to, and return how many. What ends in one turn is a fraction
 * of a millisecond's work, so that others have theirs.
 */
#define ENDS_PER_TURN 256u
unsigned end_some(struct engine *engine, struct owner *owner, enum end_reason reason,
		  unsigned most);
bool owner_has_anything(const struct owner *owner); /* that could end */
unsigned end_closing(struct engine *engine, unsigned most);
void end_closing_sock(struct engine *engine, uint64_t cookie); /* all that is left of it */

/* change.c */
int flow_change(struct engine *engine, struct flow *flow, const struct flow_settings *settings,
		const struct meter_links *links, struct admission_refusal *ret_refusal);
/* Settings are as before, but what they mean has changed. */
void flow_reapply(struct engine *engine, struct flow *flow);

/*
 * meter.c: a flow's meter, from one state to another. meter_begin() makes that which the settings call for now;
 * then the targets are applied; then either meter_settle() takes away what is not needed any more, or, with the
 * earlier settings, meter_restore(), the targets again, and meter_undone() take back all of it.
 */
struct meter_change {
	bool begun;
	bool had;
	bool metered;
	struct datapath_meter meter;
	struct holdings booked;
	struct meter_links book; /* where a reservation is booked from now on */
};

/* The default minimum and rates beyond any link need none. */
bool rate_needs_meter(uint64_t rate_bps);
/* `links` NULL: those that it has. After an error nothing has changed. */
int meter_begin(struct engine *engine, struct flow *flow, const struct meter_links *links,
		struct meter_change *ret_change, struct admission_refusal *ret_refusal);
/* The same for an entry that has been added; if all is there already, nothing begins. */
int meter_begin_entry(struct engine *engine, struct flow *flow, const struct entry *added,
		      struct meter_change *ret_change);
void meter_settle(struct engine *engine, struct flow *flow, const struct meter_change *change);
bool meter_restore(struct engine *engine, struct flow *flow, const struct meter_change *change);
void meter_undone(struct engine *engine, struct flow *flow, const struct meter_change *change);
/* Its targets have been cleared. */
void flow_unmeter(struct engine *engine, struct flow *flow);
void flow_links(struct engine *engine, const struct flow *flow, struct meter_links *ret_links);

/* reserve.c: growing never takes away, settling never adds, so that either can be the last step */
int holdings_grow(struct engine *engine, struct holdings *holdings, const struct meter_links *links,
		  const struct datapath_meter *meter, uint32_t booked_as,
		  struct admission_refusal *ret_refusal);
void holdings_settle(struct engine *engine, struct holdings *holdings,
		     const struct meter_links *links, const struct datapath_meter *meter);
void holdings_restore(struct engine *engine, struct holdings *holdings,
		      const struct holdings *before);
void holdings_links(const struct holdings *holdings, struct meter_links *ret_links);
void enforced_links(const struct engine *engine, struct meter_links *ret_links);
/* Whether the flow's user may have what the meter reserves, beside what it has; else -EDQUOT. */
int user_share_check(const struct engine *engine, const struct flow *flow,
		     const struct datapath_meter *meter, const struct meter_links *links,
		     struct admission_refusal *ret_refusal);

/* program.c */
struct flow *flow_find_group(const struct engine *engine, uint64_t group);
void group_forget(struct engine *engine, struct flow *flow);

/* tuple.c */
void tuples_forget(struct engine *engine, struct flow *flow);

/* path.c. NULL: no memory. path_release() frees it if nobody uses it. */
struct flow_path *path_obtain(struct engine *engine, const struct address *destination,
			      const struct engine_route *route);
void path_release(struct engine *engine, struct flow_path *path);
/* It is not freed in between. */
void path_hold(struct flow_path *path);
void path_unhold(struct engine *engine, struct flow_path *path);
void path_users_changed(struct engine *engine, struct flow_path *path);
/* A router has come in between, or has gone. */
void path_set_on_link(struct engine *engine, struct flow_path *path, bool on_link);
/* Nobody took part in the time given. */
void paths_give_up(struct engine *engine);
int path_known(const struct engine *engine, const struct flow_path *path,
	       struct gw_path_info *ret_info);
/* Whether anything is known of congestion there for this flow: by measurements, or by its own connection. */
bool flow_is_watched(const struct flow *flow);
enum measuring_state path_condition(const struct engine *engine, const struct flow_path *path);
/* Frames with a priority tag are proven to arrive, and leave with one (spec/qwave.md §6.2). */
bool flow_tags(const struct flow *flow);
enum gw_path_state flow_path_state(const struct engine *engine, const struct flow *flow);

/* path_flow.c */
int path_join(struct engine *engine, struct flow *flow, const struct address *destination,
	      const struct engine_route *route);
void path_leave(struct engine *engine, struct flow *flow);
/* After its entry was added, and before it goes: what its connection tells is told of the path. */
void path_add_entry(struct engine *engine, struct entry *entry);
void path_remove_entry(struct engine *engine, struct entry *entry);
/* What its connection tells, if it tells anything, is told of the path from now on. */
void path_show(struct engine *engine, struct entry *entry);
/* Follows the route, which may have changed; its error if there is none. */
int path_follow(struct engine *engine, struct flow *flow);

/* op.c: `*ret_op` is in all lists. -ENOBUFS, -ENOMEM, -EBUSY: the owner uses the token already. */
int op_start(struct engine *engine, struct owner *owner, const struct op *begun,
	     struct op **ret_op);
void op_set_deadline(struct engine *engine, struct op *op, uint64_t deadline_us);
void op_drop(struct engine *engine, struct op *op); /* nobody is told */
void op_complete(struct engine *engine, struct op *op, int status);
void op_complete_with(struct engine *engine, struct op *op, const struct engine_completion *with);
struct op *flow_find_op(const struct flow *flow, enum op_kind kind);
void flow_complete_ops(struct engine *engine, struct flow *flow, int status);
void ops_tick(struct engine *engine);
uint64_t ops_deadline_us(const struct engine *engine);

/* condition.c */
void flow_serve_conditions(struct engine *engine, struct flow *flow);
void flow_fail_conditions(struct engine *engine, struct flow *flow, int status);
void flow_serve_fresh(struct engine *engine, struct flow *flow);
void flow_fail_fresh(struct engine *engine, struct flow *flow, int status);

/* rate.c */
uint64_t rate_weight(uint64_t rate_bps);		/* in admission */
void wish_forget(struct engine *engine, struct op *op); /* it may have none */
void rate_answered(struct engine *engine, struct op *op, int status);
/* The path is another one now, or not what it was: what was asked there is asked anew. */
void flow_forget_wish(struct engine *engine, struct flow *flow);
void flow_ask_rate(struct engine *engine, struct flow *flow);

/* track.c */
void tracker_end(struct engine *engine, struct tracker *tracker, int status);
void path_serve_trackers(struct engine *engine, struct flow_path *path, int status);

/* record.c */
void flow_tell_path(struct engine *engine, struct flow *flow); /* if its state is another now */
void record_flow(const struct engine *engine, const struct flow *flow, const struct entry *entry,
		 struct gw_flow_record *ret_record); /* of tuples the first */
bool flow_is_visible(const struct engine_view *view, const struct flow *flow);
/* Tells everyone who watches, and `also`, if it does not. */
void tell_watchers(struct engine *engine, struct owner *also, enum gw_event_type type,
		   const char *reason, const struct flow *flow, const struct entry *entry);
/* The same in two steps: as it is now, and told later. */
void event_begin(const struct engine *engine, const struct owner *also, const struct flow *flow,
		 const struct entry *entry, struct engine_flow_event *event);
void event_tell(struct engine *engine, struct owner *also, const struct flow *flow,
		const struct engine_flow_event *event);

#endif
