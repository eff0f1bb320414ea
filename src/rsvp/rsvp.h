/* SPDX-License-Identifier: MIT */
/*
 * rsvp.h: one RSVP node, host or router: RFC 2205 with the processing rules of RFC 2209, IntServ (RFC 2210 to
 * 2215), refresh reduction (RFC 2961), integrity (RFC 2747), policy (RFC 2750, 3181) and diagnostics (RFC 2745).
 *
 * The node makes no system call and reads no clock. What arrives is handed in with the time; what it sends, asks
 * of routes, installs in traffic control and tells its applications goes out through struct rsvp_ports. So a
 * network of a thousand of them runs in one process, under a virtual clock, with a seed. One thread uses a node
 * at a time. A port may be called from within any function of the node; it must not call back into it.
 *
 * Soft state: every function that changes something sends what follows from it before it returns; refreshes and
 * timeouts happen in rsvp_tick(). One way out: whatever ends state (a tear, a timeout, a release, a closed
 * session, an interface that goes) goes through the same two verbs, one for senders, one for reservations.
 *
 * Errors are negative errnos. Microseconds are of the monotonic clock of the caller.
 */
#ifndef GW_RSVP_RSVP_H
#define GW_RSVP_RSVP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/address.h"
#include "rsvp/wire.h"

struct rsvp;
struct rsvp_app; /* one session that a local application takes part in */

/* ---- what the host provides ---- */

/* How a message is to leave: spec/rsvp.md §2.1. */
struct rsvp_packet {
	uint32_t ifindex;      /* 0: by the routing table */
	struct address source; /* family AF_UNSPEC: this node's address on the interface */
	struct address destination;
	uint8_t ttl;
	bool router_alert;
	bool foreign_source; /* the source is not an address of this node */
	/*
	 * Encapsulated, to the port in `destination`. Without a port somebody there may need it, others not: it leaves
	 * both as ever and, to RSVP_UDP_PORT_COPIES and no further than the link, in UDP.
	 */
	bool udp;
	const uint8_t *data;
	size_t len;
};

/* RFC 2205 App. C: what routers listen to, and what only those do that can hear nothing else. */
#define RSVP_UDP_PORT 1698
#define RSVP_UDP_PORT_COPIES 1699

/* Which way data of a session goes. */
#define RSVP_OUT_MAX 32

struct rsvp_route {
	bool local;	     /* this node is (also) a destination */
	uint32_t in_ifindex; /* multicast: where data of the source must arrive; 0: not known */
	unsigned n_out;	     /* 0: nowhere */
	uint32_t out[RSVP_OUT_MAX];
	struct address gateway; /* unicast: the next hop; AF_UNSPEC: on the link */
};

/* One reservation on one outgoing interface, as traffic control is to have it. */
struct rsvp_tc_filter {
	struct rsvp_sender sender;
};

struct rsvp_tc_request {
	uint32_t ifindex;
	struct rsvp_session session;
	enum rsvp_style style;
	struct rsvp_flowspec flowspec; /* what is reserved: the merged one */
	struct rsvp_tspec tspec;       /* what is policed to: min(Resv_Te, Path_Te) */
	bool police_edge, police_merge, police_branch;
	unsigned n_senders; /* that are known now */
	unsigned n_filters; /* 0: every sender (WF) */
	const struct rsvp_tc_filter *filters;
	uint16_t preemption_priority, defending_priority;
};

/* What traffic control, and the applications, may answer: an error of RFC 2205 App. B. */
struct rsvp_error {
	uint8_t code;
	uint8_t flags; /* RSVP_ERROR_IN_PLACE, RSVP_ERROR_NOT_GUILTY */
	uint16_t value;
	struct address node;

	/* Of traffic control that has not enough bandwidth: how much is missing on the interface; 0: not known. */
	uint64_t missing_bps;
	/* Of policy: whole POLICY_DATA objects that go along; good until the port is called again. NULL: none. */
	const uint8_t *policy;
	size_t policy_len;
};

/* What a neighbour's Path or Resv asks of policy (RFC 2750). */
struct rsvp_policy_question {
	struct rsvp_session session;
	uint32_t ifindex; /* by which the Path came, or where the Resv reserves */
	struct address neighbour;
	const struct rsvp_sender *sender;     /* of Path and FF; else NULL */
	const struct rsvp_tspec *tspec;	      /* of Path; else NULL */
	enum rsvp_style style;		      /* of Resv */
	const struct rsvp_flowspec *flowspec; /* of Resv; else NULL */
	const uint8_t *policy;		      /* POLICY_DATA objects; NULL: none */
	size_t policy_len;
};

enum rsvp_event_type {
	RSVP_EVENT_PATH = 1, /* a sender has come, changed, or (gone) left: to receivers */
	RSVP_EVENT_RESV,     /* reservations for a sender have come, changed or gone: to senders */
	RSVP_EVENT_PATH_ERROR,
	RSVP_EVENT_RESV_ERROR,
	RSVP_EVENT_CONFIRM,
};

struct rsvp_event {
	enum rsvp_event_type type;
	bool gone;
	struct rsvp_session session;
	struct rsvp_sender sender;	      /* of PATH, PATH_ERROR, and RESV for one sender */
	struct rsvp_tspec tspec;	      /* of PATH */
	const struct rsvp_adspec *adspec;     /* of PATH; NULL: none */
	enum rsvp_style style;		      /* of RESV, RESV_ERROR, CONFIRM */
	const struct rsvp_flowspec *flowspec; /* of RESV, RESV_ERROR, CONFIRM; NULL: gone */
	unsigned n_senders;		      /* filters of RESV, RESV_ERROR, CONFIRM */
	const struct rsvp_sender *senders;
	struct rsvp_error error; /* of *_ERROR */
	bool non_rsvp_hop;	 /* of PATH: somebody on the way did not take part */
	const uint8_t *policy;	 /* POLICY_DATA objects as they came; NULL: none */
	size_t policy_len;
	uint8_t dscp; /* of RESV with a DCLASS object; 0xff: none */
};

/* What one hop answers that was asked about a path (RFC 2745). Addresses of family AF_UNSPEC: there is none. */
struct rsvp_hop_report {
	struct address in, out; /* of its interfaces: by which data comes, and leaves */
	struct address previous;
	uint8_t ttl_loss; /* routers between it and the previous hop that do not take part */
	bool merged;	  /* of several reservations */
	uint8_t error;	  /* RSVP_DIAG_*; 0: none */
	uint8_t lifetime_factor;
	uint16_t refresh_s;
	uint32_t arrival_ntp;		      /* when it was asked: the 32 bits in the middle */
	const struct rsvp_tspec *tspec;	      /* NULL: not known there */
	const struct rsvp_flowspec *flowspec; /* NULL: nothing is reserved */
	enum rsvp_style style;
	unsigned n_senders;
	const struct rsvp_sender *senders;
};

struct rsvp_ports {
	void *user_data;

	/* Fails silently: RSVP repeats what is lost. */
	void (*send)(void *user_data, const struct rsvp_packet *packet);

	/* `source`: of multicast data, else AF_UNSPEC. Nowhere is an answer: 0 with n_out 0. */
	int (*route)(void *user_data, const struct address *destination,
		     const struct address *source, struct rsvp_route *ret_route);

	/*
	 * Reserves, or with *handle not 0 changes at once. 0 and a handle, or *ret_error says why not and nothing
	 * has changed. A reservation that only shrinks must not be refused.
	 */
	int (*tc_reserve)(void *user_data, const struct rsvp_tc_request *request, uint64_t *handle,
			  struct rsvp_error *ret_error);
	void (*tc_release)(void *user_data, uint64_t handle);

	/*
	 * Whether it may be, asked for each Path and Resv of a neighbour, refreshes too; NULL: whatever is asked for.
	 * 0, or *ret_error says why not: its value (RSVP_POLICY_ERROR_*, which is _REJECT at first) and policy. What
	 * stands already ends with its lifetime then, for nothing refreshes it.
	 */
	int (*policy)(void *user_data, const struct rsvp_policy_question *question,
		      struct rsvp_error *ret_error);

	/* To the application of `app` (the user data that it was opened with). */
	void (*event)(void *user_data, void *app_data, const struct rsvp_event *event);

	uint32_t (*random)(void *user_data);

	/* Microseconds since 1970, for answers to diagnostics; NULL: there is no such clock. */
	uint64_t (*wall_us)(void *user_data);

	/*
	 * Of rsvp_diagnose(), with its `data`: one hop; or, with `hop` NULL, the end: 0, -ETIMEDOUT (nothing has come
	 * back), -ENODATA (not all has), -ECANCELED (the node ends). NULL: nobody asks.
	 */
	void (*diagnosis)(void *user_data, void *data, const struct rsvp_hop_report *hop,
			  int status);

	/* Keyed digest, for INTEGRITY; NULL: no keys are ever configured. Writes the digest. */
	void (*digest)(void *user_data, enum rsvp_digest kind, const uint8_t *key, size_t key_len,
		       const uint8_t *data, size_t len, uint8_t *ret_digest);
};

struct rsvp_config {
	uint32_t max_sessions; /* of all; more get error 23 and what stands survives */
	uint32_t max_senders_per_session;
	uint32_t max_reservations_per_session;
	uint32_t max_state_per_neighbour;
	uint32_t max_neighbours;	       /* those without state make room */
	uint32_t messages_per_s_per_neighbour; /* more are dropped and counted */
	bool require_checksum;
	bool reduces_preempted; /* leaves what may stay of a reservation that makes room (RFC 4495) */
	uint8_t hop_ttl;	/* of messages to a neighbour */

	/* Refresh reduction: what it refreshes goes out in full each so many R all the same; 0: never. */
	uint32_t full_refresh_every;
	uint32_t multicast_ack_ms; /* what was sent to many is acknowledged within that time, at random */

	/* Integrity. */
	uint32_t started_s; /* seconds of a clock that does not go back over a restart, at rsvp_new() */
	uint32_t integrity_window; /* how far behind the last a sequence number may be; 1: not at all */
};

void rsvp_config_default(struct rsvp_config *ret_config);

struct rsvp *rsvp_new(const struct rsvp_ports *ports, const struct rsvp_config *config,
		      uint64_t now_us);

/* Ends all state with tears, then frees. NULL is allowed; returns NULL. */
struct rsvp *rsvp_free(struct rsvp *rsvp, uint64_t now_us);

/* The next time at which rsvp_tick() has something to do; UINT64_MAX: never. */
uint64_t rsvp_next_deadline_us(const struct rsvp *rsvp);
void rsvp_tick(struct rsvp *rsvp, uint64_t now_us);

/*
 * ports.policy may decide otherwise from now on: neighbours that refresh in summaries are asked for everything in full,
 * so that it is asked about.
 */
void rsvp_policy_changed(struct rsvp *rsvp);

/* ---- interfaces ---- */

/* What the node knows of an interface; replaced as a whole. */
struct rsvp_interface {
	uint32_t ifindex;
	bool up;
	bool enabled;			   /* RSVP is spoken there */
	struct address address4, address6; /* AF_UNSPEC: none */
	uint32_t mtu;
	bool enforced; /* the link is scheduled; else the break bit says it is not (architecture §5.2) */
	uint64_t bandwidth_bps;		    /* path bandwidth for the Adspec; 0: not known */
	uint32_t latency_us;		    /* minimum path latency; UINT32_MAX: not known */
	uint32_t error_c_bytes, error_d_us; /* of guaranteed service */
	uint32_t refresh_ms;		    /* R */
	uint32_t settle_ms;		    /* W */
	uint32_t lifetime_factor;	    /* K */
	uint32_t blockade_factor;	    /* Kb */
	uint32_t slew_percent;
	bool reduce_refreshes; /* RFC 2961, where the neighbour can */
	bool udp;	       /* encapsulate, and expect it */
	bool udp_only;	       /* this host can send nothing else there (RFC 2205 App. C: Hu) */
	bool ignore_alert;     /* RFC 6398 */
};

void rsvp_interface_default(struct rsvp_interface *ret_interface);
int rsvp_interface_set(struct rsvp *rsvp, const struct rsvp_interface *interface, uint64_t now_us);
void rsvp_interface_remove(struct rsvp *rsvp, uint32_t ifindex, uint64_t now_us);

/* Further addresses of this node: an interface may have many. -ENOMEM: it knows those that it knew. */
int rsvp_addresses_set(struct rsvp *rsvp, const struct address *addresses, size_t n,
		       uint64_t now_us);

/*
 * Routes to some destinations may have changed: those below the prefix, or all (family AF_UNSPEC). They are asked
 * for again, and what follows is done after the interface's settling time (RFC 2205 §3.6).
 */
void rsvp_routes_changed(struct rsvp *rsvp, const struct address *prefix, unsigned prefix_bits,
			 uint64_t now_us);

/* ---- keys (RFC 2747) ---- */

struct rsvp_key {
	uint8_t id[6];
	enum rsvp_digest kind;
	uint8_t secret[64];
	size_t secret_len;
	uint32_t ifindex;			/* 0: every interface */
	struct address neighbour;		/* AF_UNSPEC: every one */
	uint64_t valid_from_us, valid_until_us; /* 0: always */
	bool challenge;
};

/*
 * With keys for an interface, messages without INTEGRITY are dropped there. Replaces all keys; one that stays keeps
 * its sequence. When the last one has ended it stays in use, and RSVP_COUNT_EXPIRED_KEY says so. -EINVAL: no secret;
 * -EOPNOTSUPP: nobody computes digests.
 */
int rsvp_keys_set(struct rsvp *rsvp, const struct rsvp_key *keys, size_t n_keys);

/* ---- messages ---- */

/* How it arrived. */
struct rsvp_arrival {
	uint32_t ifindex;
	struct address source, destination;
	bool destination_is_local;
	uint8_t ttl;
	bool router_alert;
	bool udp;
};

enum rsvp_verdict {
	RSVP_CONSUMED,
	RSVP_FORWARD, /* not for us: to be forwarded as any packet (spec/rsvp.md §2.1) */
};

/* One message. Whatever it is, it is answered, counted or dropped; nothing is kept of `data`. */
enum rsvp_verdict rsvp_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			       const uint8_t *data, size_t len, uint64_t now_us);

/* ---- local applications: RFC 2205 §3.11.1 ---- */

/*
 * Takes part in a session. `ifindex`: where data of a multicast session is received or sent; 0: as the routes say.
 * -EINVAL: ports that contradict the protocol; -EADDRINUSE: 07, another session has the same address with and
 * without a port; -ENOBUFS.
 */
int rsvp_app_open(struct rsvp *rsvp, const struct rsvp_session *session, uint32_t ifindex,
		  void *app_data, struct rsvp_app **ret_app, uint64_t now_us);

struct rsvp_sender_request {
	struct rsvp_sender sender; /* its address must be of this node, or unspecified: chosen then */
	struct rsvp_tspec tspec;
	bool offers_guaranteed, offers_controlled_load, offers_null;
	uint8_t data_ttl;      /* 0: the default, 63 */
	const uint8_t *policy; /* whole POLICY_DATA objects, copied; NULL: none */
	size_t policy_len;
};

/* Path leaves before this returns. Called again it changes the sender; NULL takes it back (PathTear). */
int rsvp_app_send(struct rsvp *rsvp, struct rsvp_app *app,
		  const struct rsvp_sender_request *request, uint64_t now_us);

struct rsvp_reserve_request {
	enum rsvp_style style;
	bool confirm;
	unsigned n_flows; /* WF: 1, no sender; SE: one flowspec, the first; FF: one for each */
	const struct rsvp_flowspec *flowspecs;
	const struct rsvp_sender *senders;
	const uint8_t *policy;
	size_t policy_len;
	uint8_t dscp; /* DCLASS to the sender; 0xff: none */
};

/*
 * Resv leaves before this returns, or with the first matching Path. Called again it changes what is reserved;
 * NULL releases it (ResvTear).
 */
int rsvp_app_reserve(struct rsvp *rsvp, struct rsvp_app *app,
		     const struct rsvp_reserve_request *request, uint64_t now_us);

/* Whatever the application still has ends. NULL is allowed. */
void rsvp_app_close(struct rsvp *rsvp, struct rsvp_app *app, uint64_t now_us);

/* ---- diagnostics: RFC 2745 ---- */

struct rsvp_diagnosis;

struct rsvp_diagnose_request {
	struct rsvp_session session;
	struct rsvp_sender sender;
	/* Where to begin; AF_UNSPEC: here if data of the sender comes here, else at the session's destination. */
	struct address last_hop;
	uint8_t max_hops; /* 0: as many as there are */
	void *data;
};

/*
 * Asks each hop from the last one to the sender. What they say comes through ports.diagnosis, never before this
 * returns; with the end of it the diagnosis is gone. -EOPNOTSUPP: there is no such port; -EINVAL: no such sender can
 * be of the session; -EDESTADDRREQ: a last hop must be named; -ENOBUFS.
 */
int rsvp_diagnose(struct rsvp *rsvp, const struct rsvp_diagnose_request *request,
		  struct rsvp_diagnosis **ret_diagnosis, uint64_t now_us);
/* Nothing is told of it any more. */
void rsvp_diagnose_cancel(struct rsvp *rsvp, struct rsvp_diagnosis *diagnosis);

/* ---- seeing ---- */

struct rsvp_sender_info {
	struct rsvp_session session;
	struct rsvp_sender sender;
	struct rsvp_tspec tspec;
	struct rsvp_hop previous_hop; /* address AF_UNSPEC: local */
	uint32_t in_ifindex;
	bool local, non_rsvp_hop;
	uint64_t expires_us;
};

struct rsvp_reservation_info {
	struct rsvp_session session;
	enum rsvp_style style;
	struct rsvp_flowspec flowspec;
	struct rsvp_hop next_hop; /* address AF_UNSPEC: local */
	uint32_t out_ifindex;
	bool installed, enforced, blockaded;
	unsigned n_senders;
	const struct rsvp_sender *senders;
	uint64_t expires_us;
};

struct rsvp_neighbour_info {
	struct address address;
	uint32_t ifindex;
	bool reduces_refreshes, udp, authenticated;
	uint64_t received, sent, dropped;
};

/*
 * In no particular order; NULL: not these. A nonzero return of a visitor stops, and is returned. `position` is 0 at
 * first; with what is left there the next call goes on, with the one that a visitor did not take. What is there all
 * the while is seen once, and a call costs what it visits, however many there are.
 */
struct rsvp_visitor {
	int (*sender)(void *user_data, const struct rsvp_sender_info *info);
	int (*reservation)(void *user_data, const struct rsvp_reservation_info *info);
	int (*neighbour)(void *user_data, const struct rsvp_neighbour_info *info);
};
int rsvp_visit(const struct rsvp *rsvp, const struct rsvp_visitor *visitor, uint64_t *position,
	       void *user_data);

enum rsvp_counter {
	RSVP_COUNT_RECEIVED,
	RSVP_COUNT_SENT,
	RSVP_COUNT_FORWARDED,
	RSVP_COUNT_BAD_CHECKSUM,
	RSVP_COUNT_BAD_VERSION,
	RSVP_COUNT_BAD_LENGTH,
	RSVP_COUNT_BAD_TYPE,
	RSVP_COUNT_BAD_OBJECT,
	RSVP_COUNT_UNKNOWN_OBJECT,
	RSVP_COUNT_BAD_HOP,
	RSVP_COUNT_BAD_PORTS,
	RSVP_COUNT_NO_STATE,
	RSVP_COUNT_BAD_INTEGRITY,
	RSVP_COUNT_REPLAYED,
	RSVP_COUNT_OUT_OF_ORDER,
	RSVP_COUNT_LIMITED,
	RSVP_COUNT_DISABLED,
	RSVP_COUNT_TIMEOUTS_PATH,
	RSVP_COUNT_TIMEOUTS_RESV,
	RSVP_COUNT_RETRANSMITTED, /* for want of an acknowledgement */
	RSVP_COUNT_UNKNOWN_ID,	  /* in summary refreshes */
	RSVP_COUNT_EXPIRED_KEY, /* signed or verified with a key that has ended: there is no other */
	RSVP_COUNT_CHALLENGED,	/* answered */
	RSVP_COUNT_COUNT
};
const char *rsvp_counter_name(enum rsvp_counter counter);
uint64_t rsvp_count(const struct rsvp *rsvp, enum rsvp_counter counter);
uint64_t rsvp_count_type(const struct rsvp *rsvp, uint8_t message_type, bool sent);

struct rsvp_sizes {
	uint32_t sessions, senders, reservations, installed, blockades, neighbours;
};
struct rsvp_sizes rsvp_sizes(const struct rsvp *rsvp);

#endif
