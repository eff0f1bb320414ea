/* SPDX-License-Identifier: MIT */
/*
 * state.h: the state of an RSVP node; for internal.h alone.
 *
 * What spec/rsvp.md §6 calls PSB, RSB, TCSB and BSB is kept so that no message costs more with more sessions:
 *
 *   destination  where sessions go: routes are asked for it, and ports must agree in it
 *   session      senders, neighbours upstream, and (WF, SE) what is installed for it
 *   sender       one sender of a session: the paths by which it is heard, where it goes on to, and (FF) what is
 *                installed for it
 *   path         what one interface heard of the sender (PSB); at most one of them is forwarded
 *   out          an interface that Paths of the sender leave by
 *   up           one previous hop of a session, or the local application that sends: Resvs go there
 *   install      what one outgoing interface has to give (TCSB); local: to applications on this node
 *   resv         what one next hop, or application, asks for there (RSB)
 *   blockade     a request that was refused upstream (BSB)
 *
 * Ownership goes down this list: a session owns senders, ups and its installs, a sender its paths, outs and
 * installs, an install its resvs. A session with neither senders nor applications is freed.
 */
#ifndef GW_RSVP_STATE_H
#define GW_RSVP_STATE_H

/* A table that cannot grow is an error like any other, not the end of the process. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(element) ((void)(element))
#include <uthash.h>
#include <utlist.h>

#include "core/wheel.h"
#include "rsvp/adspec.h"
#include "rsvp/message.h"
#include "rsvp/policy.h"
#include "rsvp/rsvp.h"
#include "rsvp/writer.h"

#define US_PER_MS UINT64_C(1000)
#define US_PER_S UINT64_C(1000000)

/* Descriptors in one message, which is what receivers take (spec §16.3). */
#define FLOWS_MAX 256
/* INTEGRITY, acknowledgements and MESSAGE_ID, which are put in front of a message when it leaves. */
#define FRONT_MAX 1536
#define SCOPE_MAX 1024

enum timer_kind {
	TIMER_OUT = 1,	 /* Path refresh */
	TIMER_PATH,	 /* path state ends */
	TIMER_UP,	 /* Resv refresh */
	TIMER_RESV,	 /* reservation state ends */
	TIMER_BLOCKADE,	 /* ends */
	TIMER_REPEAT,	 /* a tear, once more */
	TIMER_SETTLE,	 /* routes have settled */
	TIMER_SLEW,	 /* R may grow */
	TIMER_DIAGNOSIS, /* is asked for, once more */
	TIMER_ACK,	 /* acknowledgements are owed */
	TIMER_SREFRESH,	 /* the next summary refresh */
	TIMER_CHALLENGE, /* no Response has come */
};

struct timer {
	struct wheel_timer wheel;
	uint32_t kind;
};

#include "rsvp/keys.h"
#include "rsvp/reduce.h"

#define CONTAINER(member_pointer, type, member) \
	((type *)((char *)(member_pointer)-offsetof(type, member)))

/* Objects that came with state and go on with it, as they came: ADSPEC, POLICY_DATA, unknown classes. */
struct carried {
	uint16_t adspec_len, policy_len, kept_len, zero;
	uint8_t data[];
};

#define CARRIED_MAX (sizeof(struct carried) + RSVP_ADSPEC_MAX + 8192 + 4096)

struct interface {
	struct rsvp_interface info;
	uint32_t refresh_ms; /* R as it is now: it grows slowly (RFC 2205 §3.7) */
	struct timer slew;
	bool udp_heard;		/* somebody there has sent a Path in UDP */
	struct install *booked; /* by booked_prev, _next: what traffic control has there */
	UT_hash_handle hh;
};

struct neighbour {
	struct {
		struct address address;
		uint32_t ifindex;
	} key;
	uint32_t states; /* paths and resvs that came from it */
	uint32_t uses;	 /* identifiers of its messages, or of messages to it */
	uint64_t credit; /* messages that it may send now, in millionths */
	uint64_t credit_us;
	uint64_t received, sent, dropped;
	bool udp, authenticated, reduces;
	bool far;	  /* not on the link: somebody in between forwards without RSVP */
	bool rejects_ids; /* it has refused a MESSAGE_ID */
	struct reduction *reduction;   /* NULL: nothing is kept */
	struct neighbour *prev, *next; /* those without state, the one longest silent first */
	bool idle;		       /* is among these */
	UT_hash_handle hh;
};

struct destination {
	struct {
		uint8_t address[16];
		uint16_t family;
		uint8_t protocol, form;
	} key;
	bool settling;			 /* its route is to be asked for again */
	struct session *sessions;	 /* by destination_prev, _next */
	struct destination *prev, *next; /* of those that are settling */
	UT_hash_handle hh;
};

struct session {
	struct rsvp_session key;
	struct destination *destination;
	struct session *destination_prev, *destination_next;
	struct sender *senders;
	struct up *ups;
	struct install *installs; /* WF, SE */
	struct rsvp_app *apps;
	uint32_t n_senders, n_resvs;
	uint32_t slot;
	uint8_t style; /* of all its resvs */
	UT_hash_handle hh;
};

struct sender_key {
	struct session *session;
	struct rsvp_sender sender;
};

struct sender {
	struct sender_key key;
	struct sender *prev, *next; /* of the session */
	struct path *paths;
	struct path *path; /* the one that is forwarded; NULL: none */
	struct out *outs;
	struct install *installs; /* FF */
	struct blockade *blockade;
	uint32_t in_ifindex; /* where its data should arrive, as routes say; 0: not known */
	bool to_local;	     /* data comes to this node too */
	bool doomed;	     /* is being ended */
	UT_hash_handle hh;
};

struct path {
	struct path *next; /* of the sender */
	struct sender *sender;
	struct up *up;
	struct path *up_prev, *up_next;
	struct neighbour *neighbour; /* NULL: the sender is here */
	struct carried *carried;
	struct rsvp_sender_tspec tspec;
	struct timer cleanup;
	struct id_link heard;
	uint32_t in_ifindex;
	uint32_t refresh_ms; /* of who sent it */
	uint8_t ttl;
	uint8_t ttl_loss; /* on the way from the previous hop */
	bool non_rsvp, e_police, udp;
	bool reserved;	/* upstream was asked for it, and not told otherwise */
	bool wanted;	/* is asked for now */
	bool confirmed; /* and a confirmation of it */
	bool held;	/* but not in this message */
	bool chosen;	/* goes into the message that is being made */
};

struct out {
	struct out *next;
	struct sender *sender;
	struct timer refresh;
	struct advert advert;
	struct address next_hop; /* of unicast data; AF_UNSPEC: many, or not known */
	uint32_t ifindex;
	uint8_t repeats; /* that are still to come soon */
};

struct up {
	struct session *session;
	struct up *prev, *next;	   /* of the session */
	struct path *paths;	   /* by up_prev, up_next */
	struct rsvp_app *app;	   /* the sender is here */
	struct blockade *blockade; /* WF */
	struct up *dirty_next;
	struct rsvp_hop hop;
	uint32_t ifindex;
	struct timer refresh;
	struct advert advert;
	uint64_t digest; /* of the last Resv; 0: none */
	uint8_t repeats;
	uint8_t why; /* it is dirty; 0: it is not */
};

struct blockade {
	struct timer timer;
	struct blockade **back; /* where it hangs */
	struct up *up;
	struct rsvp_flowspec refused;
};

struct install {
	struct install *prev, *next; /* of the session or the sender */
	struct session *session;
	struct sender *sender; /* FF */
	struct resv *resvs;
	struct rsvp_flowspec flowspec; /* LUB of them */
	struct install *booked_prev, *booked_next;
	uint64_t booked_bps;
	uint64_t handle; /* of traffic control; 0: none */
	uint64_t digest; /* of what traffic control was told */
	uint32_t ifindex;
	uint16_t defending; /* priority against others that need its room */
	bool local; /* to applications here; then ifindex is where they want data to arrive, 0: anywhere */
	bool merged, blockaded; /* in what is being made for a previous hop */
};

struct filter {
	struct sender *sender;
	uint64_t expires_us;
	bool listed; /* in the last message with a MESSAGE_ID */
};

struct resv {
	struct install *install;
	struct resv *prev, *next;
	struct rsvp_app *app;	     /* NULL: a next hop */
	struct neighbour *neighbour; /* NULL: an application */
	struct carried *carried;
	uint8_t *scope;		/* object; NULL: none */
	struct filter *filters; /* NULL: WF */
	struct filter one;	/* if it is one; of WF only the time */
	uint32_t n_filters;
	struct timer cleanup;
	struct rsvp_hop hop;
	struct rsvp_flowspec flowspec;
	struct rsvp_flowspec
		*cut; /* what was asked for, of which the rest was preempted; NULL: nothing was */
	struct id_link heard;
	uint64_t lifetime_us;
	struct rsvp_preemption priorities;
	uint32_t confirming; /* serial of the message in which it asked for a confirmation */
};

/* A tear that has gone out, and goes once more. */
struct repeat {
	struct timer timer;
	struct repeat *prev, *next;
	struct rsvp_packet packet;
	uint8_t data[];
};

/* What an application has asked for. Reserved as far as there are senders for it. */
struct app_flow {
	struct rsvp_sender sender; /* family AF_UNSPEC: every one */
	struct rsvp_flowspec flowspec;
};

struct app_want {
	enum rsvp_style style;
	bool confirm; /* is to be asked for yet */
	bool asked;   /* has been */
	struct carried *carried;
	unsigned n_flows;
	struct app_flow flows[];
};

struct rsvp_app {
	struct rsvp_app *prev, *next; /* of the session */
	struct session *session;
	void *data;
	uint32_t ifindex;
	struct sender *sender;
	struct app_want *want;
};

/* Whose confirmation the message (or call) asks for that is being processed. */
struct confirming {
	struct address
		receiver; /* AF_UNSPEC: this node's, on the interface that the Resv leaves by */
	uint32_t serial;  /* of the reservations that it made or changed */
};

/* Sessions by number. Below `n` are all of them, and those that are empty. */
struct slots {
	struct session **at;
	uint32_t *empty;
	uint32_t n, n_empty, capacity;
};

struct rsvp {
	struct rsvp_ports ports;
	struct rsvp_config config;
	struct rsvp_limits limits;
	uint64_t now_us;
	uint64_t seed; /* of the tables, so that nobody can aim at one place in them */
	struct wheel wheel;

	struct interface *interfaces;
	struct address *addresses; /* besides those of the interfaces */
	size_t n_addresses;
	struct neighbour *neighbours;
	struct neighbour *idle_neighbours;
	struct destination *destinations;
	struct session *sessions;
	struct slots slots;
	struct sender *senders;
	struct repeat *repeats;
	uint32_t n_repeats;

	struct destination *settling;
	struct timer settle;
	uint64_t settle_first_us;

	struct rsvp_diagnosis *diagnoses;
	uint32_t n_diagnoses;

	struct up *dirty;
	struct confirming confirming;
	const struct rsvp_message *passing; /* the tear that is being passed on */

	uint8_t refusal[32]; /* POLICY_DATA of an error of this node's own */

	uint32_t epoch, last_id; /* of own MESSAGE_IDs */
	struct id_map sent_ids, heard_ids;
	struct bundle *bundle; /* made when it is first needed */
	bool collecting;       /* what leaves may leave together */

	struct key *keys;
	uint64_t started_us;
	struct challenge_limit challenges;

	struct rsvp_sizes sizes;
	uint64_t counts[RSVP_COUNT_COUNT];
	uint64_t types[2][32];
	bool ending;

	uint8_t buf[FRONT_MAX +
		    RSVP_MESSAGE_MAX]; /* the message that is being made, and room in front */
};

#endif
