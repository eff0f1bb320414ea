/* SPDX-License-Identifier: MIT */
/*
 * internal.h: what the files of this folder that are an RSVP node ask of each other, over the state that they share
 * (state.h); nobody else's.
 */
#ifndef GW_RSVP_INTERNAL_H
#define GW_RSVP_INTERNAL_H

#include "rsvp/state.h"

/* ---- rsvp.c ---- */

void rsvp_set_timer(struct rsvp *rsvp, struct timer *timer, enum timer_kind kind,
		    uint64_t after_us);
void rsvp_stop_timer(struct rsvp *rsvp, struct timer *timer);
/* In [0.5, 1.5] of it, drawn anew each time. */
uint64_t rsvp_jitter_us(struct rsvp *rsvp, uint32_t refresh_ms);
/* When new state is sent again without a wait for R, and how often. */
#define RSVP_REPEATS 2
uint64_t rsvp_repeat_after_us(uint8_t repeats_left);
/* What follows from what has changed: Resvs to the previous hops that are dirty. Ends every public function. */
void rsvp_flush(struct rsvp *rsvp);
uint64_t rsvp_digest64(uint64_t seed, const void *data, size_t len);
/* Lifetime of state whose neighbour refreshes it every R (spec §7). */
uint64_t rsvp_lifetime_us(const struct interface *interface, uint32_t refresh_ms);

static inline void rsvp_count_one(struct rsvp *rsvp, enum rsvp_counter counter)
{
	rsvp->counts[counter]++;
}

/* The hosts that they name, without a port. */
static inline struct address rsvp_session_host(const struct rsvp_session *session)
{
	struct address address;

	rsvp_session_address(session, &address);
	address.port = 0;
	return address;
}

static inline struct address rsvp_sender_host(const struct rsvp_sender *sender)
{
	struct address address;

	rsvp_sender_address(sender, &address);
	address.port = 0;
	return address;
}

/* ---- carried.c ---- */

/* What of the message goes on, in `buf`, CARRIED_MAX bytes. */
void rsvp_carried_read(const struct rsvp_message *message, bool adspec,
		       struct carried *ret_carried);
bool rsvp_carried_equal(const struct carried *a, const struct carried *b);
bool rsvp_carried_is_empty(const struct carried *carried);
/* A copy in *slot in place of what was there; empty: NULL. -ENOMEM: nothing has changed. */
int rsvp_carried_store(struct carried **slot, const struct carried *carried);
/* Sections; NULL is allowed and gives length 0. */
const uint8_t *rsvp_carried_adspec(const struct carried *carried, size_t *ret_len);
const uint8_t *rsvp_carried_policy(const struct carried *carried, size_t *ret_len);
const uint8_t *rsvp_carried_kept(const struct carried *carried, size_t *ret_len);
/* The first DSCP of a DCLASS object; 0xff: none. */
uint8_t rsvp_carried_dscp(const struct carried *carried);

/* ---- interface.c, neighbour.c ---- */

struct interface *rsvp_interface_find(const struct rsvp *rsvp, uint32_t ifindex);
/* NULL: there is none that is up and where RSVP is spoken. */
struct interface *rsvp_interface_usable(const struct rsvp *rsvp, uint32_t ifindex);
/* Whatever the ports and scopes. */
static inline bool rsvp_same_host(const struct address *a, const struct address *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, sizeof(a->addr)) == 0;
}

/* AF_UNSPEC: it has none of that family. */
const struct address *rsvp_interface_address(const struct interface *interface, uint16_t family);
bool rsvp_address_is_local(const struct rsvp *rsvp, const struct address *address);
void rsvp_slew(struct rsvp *rsvp, struct interface *interface);

/* NULL: there is no room for one more. */
struct neighbour *rsvp_neighbour_get(struct rsvp *rsvp, uint32_t ifindex,
				     const struct address *address);
struct neighbour *rsvp_neighbour_find(const struct rsvp *rsvp, uint32_t ifindex,
				      const struct address *address);
bool rsvp_neighbour_may_send(struct rsvp *rsvp, struct neighbour *neighbour);
bool rsvp_neighbour_has_room(const struct rsvp *rsvp, const struct neighbour *neighbour);
void rsvp_neighbour_hold(struct rsvp *rsvp, struct neighbour *neighbour);
void rsvp_neighbour_release(struct rsvp *rsvp, struct neighbour *neighbour);
/* The same, without counting as state of it. */
void rsvp_neighbour_use(struct rsvp *rsvp, struct neighbour *neighbour);
void rsvp_neighbour_unuse(struct rsvp *rsvp, struct neighbour *neighbour);

/* ---- slots.c ---- */

/* False: no memory. */
bool slots_take(struct slots *slots, struct session *session);
void slots_give(struct slots *slots, const struct session *session);
void slots_free(struct slots *slots);

/* ---- session.c ---- */

struct session *rsvp_session_find(const struct rsvp *rsvp, const struct rsvp_session *key);
/* -EADDRINUSE: ports conflict (07), -ENOBUFS: too many, -ENOMEM. */
int rsvp_session_get(struct rsvp *rsvp, const struct rsvp_session *key,
		     struct session **ret_session);
void rsvp_session_put(struct rsvp *rsvp, struct session *session);
bool rsvp_session_is_multicast(const struct session *session);
struct sender *rsvp_sender_find(const struct rsvp *rsvp, const struct session *session,
				const struct rsvp_sender *key);
/* -EADDRINUSE: ports conflict (08), -ENOBUFS, -ENOMEM. */
int rsvp_sender_get(struct rsvp *rsvp, struct session *session, const struct rsvp_sender *key,
		    struct sender **ret_sender);
/* Of a sender without paths, outs and installs. */
void rsvp_sender_free(struct rsvp *rsvp, struct sender *sender);
struct out *rsvp_sender_out(const struct sender *sender, uint32_t ifindex);
struct up *rsvp_up_find(const struct session *session, const struct address *address);
struct up *rsvp_up_get(struct session *session, const struct rsvp_hop *hop, uint32_t ifindex,
		       struct rsvp_app *app);
void rsvp_path_attach(struct path *path, struct up *up);
void rsvp_path_detach(struct rsvp *rsvp, struct path *path);
/* The path by which data for applications that listen on that interface (0: any) comes. */
struct path *rsvp_sender_local_path(const struct sender *sender, uint32_t ifindex);

/* ---- send.c ---- */

struct departure {
	uint32_t ifindex;
	struct address source, destination;
	struct address
		next_hop; /* on the way to a destination that is further away; AF_UNSPEC: it is not */
	uint8_t ttl;
	bool router_alert, foreign_source;
	bool bundled;		     /* may be */
	bool by_routes;		     /* whatever the interface: it is not on the link */
	struct neighbour *neighbour; /* whom it is to reach; NULL: not known */
	const struct advert *advert; /* NULL, or plain: it has no MESSAGE_ID */
	struct key *key;	     /* NULL: the one that is for the neighbour */
};

/* Begins a message in the node's buffer. */
void rsvp_begin(struct rsvp *rsvp, struct rsvp_writer *writer, enum rsvp_type type, uint8_t ttl);
/* The one place where messages leave. */
int rsvp_send(struct rsvp *rsvp, struct rsvp_writer *writer, const struct departure *departure,
	      struct rsvp_packet *ret_packet);
/* To a neighbour on that interface: Resv, ResvTear, PathErr, ResvErr. */
int rsvp_send_to_hop(struct rsvp *rsvp, struct rsvp_writer *writer, uint32_t ifindex,
		     const struct address *hop, struct rsvp_packet *ret_packet);
/* The same, of what the up is told: one message, or (advert NULL) several. */
int rsvp_send_resv(struct rsvp *rsvp, struct rsvp_writer *writer, const struct up *up,
		   const struct advert *advert);
/* A Path that leaves by the out. */
int rsvp_send_path(struct rsvp *rsvp, struct rsvp_writer *writer, const struct out *out,
		   uint8_t ttl);
/* Along the path of the data: Path, PathTear. */
int rsvp_send_along(struct rsvp *rsvp, struct rsvp_writer *writer, const struct sender *sender,
		    uint32_t ifindex, uint8_t ttl, struct rsvp_packet *ret_packet);
/* This node on that interface. False: it has no address of the family there. */
bool rsvp_own_hop(const struct rsvp *rsvp, uint32_t ifindex, uint16_t family,
		  struct rsvp_hop *ret_hop);

/* ---- path.c, route.c ---- */

void rsvp_path_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		       struct neighbour *neighbour, const struct rsvp_message *message);
void rsvp_path_refresh(struct rsvp *rsvp, struct out *out);
/* Now, and twice more soon, out of all but the interface that it came by. */
void rsvp_path_announce(struct rsvp *rsvp, struct sender *sender);
void rsvp_path_announce_out(struct rsvp *rsvp, struct out *out);
/* What has changed of the Tspec, or of who sends, is told to traffic control. */
void rsvp_sender_retune(struct rsvp *rsvp, struct sender *sender);
/* TTL with which Paths of it leave; 0: they do not. */
uint8_t rsvp_path_ttl(const struct path *path);

/* Asks for the route of the sender's data, and sets where its Paths go. New outs are announced, or all of them. */
void rsvp_sender_route(struct rsvp *rsvp, struct sender *sender, bool announce);
void rsvp_out_free(struct rsvp *rsvp, struct sender *sender, struct out *out);
void rsvp_settled(struct rsvp *rsvp);

/* ---- resv.c, tc.c ---- */

struct request {
	struct session *session;
	uint32_t ifindex;
	struct rsvp_app *app;
	const struct rsvp_hop *hop;
	struct neighbour *neighbour;
	enum rsvp_style style;
	const struct rsvp_flowspec *flowspec;
	struct sender **senders; /* none: WF */
	unsigned n_senders;
	uint64_t lifetime_us; /* 0: until it is ended */
	const struct carried *carried;
	const struct rsvp_object *scope;
	const struct rsvp_message_id *id; /* NULL: none */
	bool confirm;
};

void rsvp_resv_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		       struct neighbour *neighbour, const struct rsvp_message *message);
/* -1: *ret_error says why, and all is as before. */
int rsvp_reserve(struct rsvp *rsvp, const struct request *request, struct rsvp_error *ret_error);
struct install *rsvp_install_find(const struct session *session, const struct sender *sender,
				  enum rsvp_style style, bool local, uint32_t ifindex);
struct resv *rsvp_resv_find(const struct install *install, const struct rsvp_hop *hop,
			    const struct rsvp_app *app);
void rsvp_resv_set_timer(struct rsvp *rsvp, struct resv *resv);
bool rsvp_resv_has(const struct resv *resv, const struct sender *sender);
/* Where data of the sender comes to the install. */
bool rsvp_install_reaches(const struct install *install, const struct sender *sender);
/* The LUB of its resvs, and traffic control accordingly. -1: it refuses, and all is as before. */
int rsvp_install_update(struct rsvp *rsvp, struct install *install, struct rsvp_error *ret_error);
void rsvp_install_free(struct rsvp *rsvp, struct install *install);
/* After a change that nobody asked for: who has reserved hears of a refusal. */
void rsvp_install_retune(struct rsvp *rsvp, struct install *install);

/* ---- consent.c, priority.c, preempt.c ---- */

/* Whether policy lets it be. -1: *ret_error says why not. */
int rsvp_consent_to_path(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			 const struct rsvp_message *message, struct rsvp_error *ret_error);
int rsvp_consent_to_resv(struct rsvp *rsvp, const struct request *request,
			 struct rsvp_error *ret_error);

/* The highest that are there; none: 0 and 0. */
struct rsvp_preemption rsvp_priorities_of(const struct rsvp *rsvp, const struct carried *carried);
/* Of what is merged there (RFC 3181 §5.1). */
struct rsvp_preemption rsvp_priorities_merged(const struct install *install);
/* False: one of its reservations is not to be merged with others that differ from it. */
bool rsvp_priorities_agree(const struct install *install);
/* An error with a PREEMPTION_PRI that says what is wrong with it. */
struct rsvp_error rsvp_priorities_error(struct rsvp *rsvp, struct rsvp_preemption priorities,
					uint8_t error, uint16_t value);

/* What traffic control has of the install: at that rate; 0: nothing any more. */
void rsvp_book(struct rsvp *rsvp, struct install *install, const struct rsvp_tc_request *request);
void rsvp_unbook(struct rsvp *rsvp, struct install *install);
/* After that error of traffic control. True: others have made room, and it may be tried again. */
bool rsvp_preempt(struct rsvp *rsvp, const struct install *install, const struct rsvp_error *error);

/* ---- merge.c ---- */

/* Why a previous hop is dirty. */
enum why {
	WHY_CHANGE = 1,	  /* what is merged may have changed */
	WHY_TEAR = 2,	  /* reservations were ended: what is no longer merged is torn upstream */
	WHY_REFUSED = 4,  /* a ResvErr has come from there */
	WHY_REFRESH = 8,  /* its time has come */
	WHY_CONFIRM = 16, /* a confirmation is asked for */
};

void rsvp_up_dirty(struct rsvp *rsvp, struct up *up, unsigned why);
/* All previous hops of the sender, or of all senders of a session (NULL). */
void rsvp_ups_dirty(struct rsvp *rsvp, struct session *session, struct sender *sender,
		    unsigned why);
/* With one of its reservations changes what is asked for of the senders of all others that share it. */
void rsvp_install_dirty(struct rsvp *rsvp, const struct install *install);
/* Paths have come or gone, and what is asked for with them, but nobody is to hear of that before the next refresh. */
void rsvp_ups_recheck(struct rsvp *rsvp, struct session *session);
void rsvp_up_update(struct rsvp *rsvp, struct up *up, unsigned why);
/* Whether what is installed there is asked for upstream along the path. */
bool rsvp_install_goes_via(const struct install *install, const struct path *path);

struct merged {
	struct rsvp_flowspec flowspec; /* FF: of the path at hand */
	bool lower;		       /* all are blockaded: it is the least of them */
	bool scoped;
	unsigned n_scope;
	struct address scope[SCOPE_MAX];
};

/* What is asked for of a path in FF; the installs that it comes from are marked. False: nothing. */
bool rsvp_merge_path(const struct path *path, struct merged *merged);

/* ---- upstream.c ---- */

/* SCOPE of the wanted paths, if it needs one (merged->scoped). False: it is empty, and nothing is to be sent. */
bool rsvp_scope_make(const struct up *up, struct merged *merged);
/* Ascending, each once; how many are left. */
unsigned rsvp_sort_addresses(struct address *addresses, unsigned n);
/* A Resv for the chosen paths; returns the digest of what it asks for; 0: it cannot be made. */
uint64_t rsvp_resv_make(struct rsvp *rsvp, struct up *up, const struct merged *merged,
			const struct address *confirm, struct rsvp_writer *writer);

/* ---- tear.c ---- */

void rsvp_path_tear_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			    const struct rsvp_message *message);
void rsvp_resv_tear_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			    const struct rsvp_message *message);
void rsvp_path_tear_send(struct rsvp *rsvp, const struct path *path, const struct out *out);
void rsvp_put_passed(struct rsvp *rsvp, struct rsvp_writer *writer);
/* Of the chosen paths. */
void rsvp_resv_tear_send(struct rsvp *rsvp, struct up *up);
void rsvp_repeat_tear(struct rsvp *rsvp, struct repeat *repeat);
void rsvp_repeat_free(struct rsvp *rsvp, struct repeat *repeat);

/* ---- end.c: the one way out ---- */

/*
 * Ends path state, whatever the reason: PathTear goes on, reservations for the sender end with it, and what is left
 * of the session when nobody needs it.
 */
void rsvp_path_end(struct rsvp *rsvp, struct path *path);
/* Ends a reservation, or (SE) its part for one sender: traffic control follows, and `why` says who upstream hears. */
void rsvp_resv_end(struct rsvp *rsvp, struct resv *resv, struct sender *sender, unsigned why);
/* What of it is past its time. */
void rsvp_resv_expire(struct rsvp *rsvp, struct resv *resv);
/* Everything that goes out of an interface, or (in) also what came by it. */
void rsvp_interface_end(struct rsvp *rsvp, uint32_t ifindex, bool in);

/* ---- error.c, confirm.c, blockade.c ---- */

void rsvp_path_err_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   const struct rsvp_message *message);
void rsvp_resv_err_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   const struct rsvp_message *message);
/* In answer to a Path. */
void rsvp_path_err_answer(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			  const struct rsvp_message *message, const struct rsvp_error *error);
/* In answer to a Resv; `flow` is the FF descriptor that it is about, else NULL. */
void rsvp_resv_err_answer(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			  const struct rsvp_message *message, const struct rsvp_flow *flow,
			  const struct rsvp_error *error);
/* To who made a reservation. `flowspec` NULL: its own. `scope`: NULL for none. */
void rsvp_resv_err_send(struct rsvp *rsvp, const struct resv *resv, const struct rsvp_error *error,
			const struct rsvp_flowspec *flowspec, const struct rsvp_message *cause);

void rsvp_confirm_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			  const struct rsvp_message *message);
/* The reservation's request holds as far as this node can tell. */
void rsvp_confirm_answer(struct rsvp *rsvp, const struct resv *resv);

int rsvp_blockade_set(struct rsvp *rsvp, struct blockade **slot, struct up *up,
		      const struct rsvp_flowspec *refused);
void rsvp_blockade_free(struct rsvp *rsvp, struct blockade *blockade);
void rsvp_blockade_expire(struct rsvp *rsvp, struct blockade *blockade);
/* Whether it keeps the flowspec from being asked for: NULL does not. */
bool rsvp_blockades(const struct blockade *blockade, const struct rsvp_flowspec *flowspec);

/* ---- receive.c, diagnose.c, diagnosis.c ---- */

/* Neither loopback nor nobody in particular: such a one is never answered (spec §16.5). */
bool rsvp_is_host(const struct address *address);

void rsvp_dreq_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		       const struct rsvp_message *message);
/* It has got to where it is to be answered. */
void rsvp_diagnose_here(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			const struct rsvp_message *message);
void rsvp_drep_receive(struct rsvp *rsvp, const struct rsvp_message *message);
/* A DREP that is for this node. */
void rsvp_diagnosis_receive(struct rsvp *rsvp, const uint8_t *data, size_t len);
void rsvp_diagnosis_expire(struct rsvp *rsvp, struct timer *timer);
void rsvp_diagnoses_end(struct rsvp *rsvp);
/* This node's address on the interface that leads there. */
bool rsvp_source_towards(struct rsvp *rsvp, const struct address *to, struct address *ret_source);
/* ---- reduce.c ---- */

/* NULL: no memory. */
struct reduction *rsvp_reduction_get(struct neighbour *neighbour);
void rsvp_reduction_free(struct rsvp *rsvp, struct neighbour *neighbour);
/* Whether it may be sent MESSAGE_IDs, Srefreshs and Bundles; NULL may not. */
bool rsvp_may_reduce(const struct rsvp *rsvp, const struct neighbour *neighbour);
/* What the header says of who sent it. */
void rsvp_watch_reduction(struct neighbour *neighbour, const struct rsvp_message *message);
/* Of messages that leave there. */
uint8_t rsvp_header_flags(const struct rsvp *rsvp, uint32_t ifindex);
/* True: the error was about a MESSAGE_ID; what it was in is sent without, now and from now on. */
bool rsvp_ids_are_rejected(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   const struct rsvp_message *message);
/* False: what has come is older than the state that it is about. */
bool rsvp_is_in_order(const struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		      struct neighbour *neighbour, const struct rsvp_message *message);
/* NULL: it has none. */
const struct rsvp_message_id *rsvp_message_id_of(const struct rsvp_message *message);
/* The message was taken in; `changed`: it said something new. */
void rsvp_path_heard(struct rsvp *rsvp, struct path *path, struct neighbour *neighbour,
		     const struct rsvp_message *message, bool changed);
void rsvp_resv_heard(struct rsvp *rsvp, struct resv *resv, const struct request *request,
		     bool changed);
/* Whoever mentions it is asked for the whole message: there is not state any more for all that it said. */
void rsvp_forget_id(struct rsvp *rsvp, struct neighbour *neighbour, uint32_t epoch, uint32_t id);
void rsvp_forget_heard(struct rsvp *rsvp, const struct id_link *link);
/* The message would come again, by its identifier. False: some of it would be refused. */
bool rsvp_path_touch(struct rsvp *rsvp, struct path *path);
bool rsvp_resv_touch(struct rsvp *rsvp, struct resv *resv);

/* ---- retransmit.c ---- */

/*
 * The advert is about to be sent in full to the neighbour (NULL: many, or one that is not known). `trigger`: it is
 * new, or says something new; it has a new identifier then.
 */
void rsvp_advert_begin(struct rsvp *rsvp, struct advert *advert, enum id_kind kind,
		       struct neighbour *neighbour, bool trigger, uint8_t *repeats);
/* It has been sent in full: the timer is set to when it is sent again. */
void rsvp_advert_set_timer(struct rsvp *rsvp, const struct advert *advert, struct timer *timer,
			   enum timer_kind kind, uint32_t ifindex, uint8_t *repeats);
/* It is not advertised any more, or plain from now on. Idempotent. */
void rsvp_advert_end(struct rsvp *rsvp, struct advert *advert);
/* What is advertised becomes plain, and is refreshed within that time. */
void rsvp_advert_dismiss(struct rsvp *rsvp, struct advert *advert, uint64_t within_us);
/* False: it has none. */
bool rsvp_advert_id(const struct advert *advert, struct rsvp_message_id *ret_id);
/* With an error, which tells as well as an acknowledgement that it has arrived (RFC 2961 §4.6). */
void rsvp_advert_answered(struct rsvp *rsvp, struct advert *advert);
void rsvp_advert_acked(struct rsvp *rsvp, struct neighbour *neighbour, uint32_t epoch, uint32_t id);
void rsvp_advert_nacked(struct rsvp *rsvp, struct neighbour *neighbour, uint32_t epoch,
			uint32_t id);

/* ---- ack.c ---- */

/* RSVP_CTYPE_ACK or _NACK goes to it within that time. */
void rsvp_ack_owe(struct rsvp *rsvp, struct neighbour *neighbour, uint8_t ctype, uint32_t epoch,
		  uint32_t id, uint64_t delay_us);
/* If the message wants one. */
void rsvp_ack_message(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		      struct neighbour *neighbour, const struct rsvp_message *message);
/* Writes as many of those owed as fit into `room` bytes. */
void rsvp_ack_put(struct rsvp *rsvp, struct neighbour *neighbour, struct rsvp_writer *writer,
		  size_t room);
void rsvp_ack_due(struct rsvp *rsvp, struct reduction *reduction);
/* Those in a message. */
void rsvp_ack_receive(struct rsvp *rsvp, struct neighbour *neighbour,
		      const struct rsvp_message *message);

/* ---- srefresh.c ---- */

/* False: no memory. */
bool rsvp_srefresh_add(struct rsvp *rsvp, struct advert *advert);
void rsvp_srefresh_remove(struct rsvp *rsvp, struct advert *advert);
void rsvp_srefresh_due(struct rsvp *rsvp, struct reduction *reduction);
void rsvp_srefresh_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			   struct neighbour *neighbour, const struct rsvp_message *message);

/* ---- bundle.c ---- */

/* False: it does not fit, and nothing waits any more. */
bool rsvp_bundle_add(struct rsvp *rsvp, const struct neighbour *neighbour,
		     const struct rsvp_packet *packet);
void rsvp_bundle_flush(struct rsvp *rsvp);

/* ---- keys.c, challenge.c: see keys.h ---- */

/* NULL: messages to that neighbour (AF_UNSPEC: many, or not known) are not signed. */
struct key *rsvp_key_to(struct rsvp *rsvp, uint32_t ifindex, const struct address *neighbour);
/* INTEGRITY, to be completed by rsvp_key_sign() when the message is finished. */
void rsvp_key_put(struct rsvp *rsvp, struct key *key, struct rsvp_writer *writer);
void rsvp_key_sign(struct rsvp *rsvp, const struct key *key, uint8_t *message, size_t len);
/* A message that goes out once more, with a number of its own. False: its key is gone, and it must not. */
bool rsvp_key_renew(struct rsvp *rsvp, const struct rsvp_packet *packet, uint8_t *message,
		    size_t len);
/* Whether the message may be processed. `origin`: the hop that it names, or its IP source. */
bool rsvp_is_authentic(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
		       const struct rsvp_message *message, const struct address *origin);
bool rsvp_interface_is_protected(const struct rsvp *rsvp, uint32_t ifindex);
void rsvp_keys_free(struct rsvp *rsvp);

/* An authentic message of a peer that nothing is known of; true: it was challenged, and nothing else is done. */
bool rsvp_challenge_peer(struct rsvp *rsvp, struct peer *peer,
			 const struct rsvp_integrity *integrity);
void rsvp_challenge_due(struct rsvp *rsvp, struct peer *peer);
void rsvp_challenge_receive(struct rsvp *rsvp, const struct rsvp_arrival *arrival,
			    const struct rsvp_message *message);

/* ---- app.c, app_reserve.c ---- */

/* The application no longer sends. */
void rsvp_app_sender_end(struct rsvp *rsvp, struct rsvp_app *app);
/* Reserves what applications want of the senders that there are. */
void rsvp_app_fulfil(struct rsvp *rsvp, struct session *session);
/* It wants nothing any more. */
void rsvp_app_release(struct rsvp *rsvp, struct rsvp_app *app);

/* ---- app_event.c ---- */

/* A sender has come, changed or gone. */
void rsvp_app_path_event(struct rsvp *rsvp, struct sender *sender, const struct path *path);
/* The path is about to go; there may be another one. */
void rsvp_app_path_lost(struct rsvp *rsvp, struct sender *sender, const struct path *path);
/* The same, to one application. */
void rsvp_app_tell_path(struct rsvp *rsvp, const struct rsvp_app *app, const struct path *path,
			bool gone);
/* Of the application that sends behind the up; NULL: there is no reservation any more. */
void rsvp_app_resv_event(struct rsvp *rsvp, struct up *up, const struct merged *merged);
void rsvp_app_path_error(struct rsvp *rsvp, const struct rsvp_app *app, const struct sender *sender,
			 const struct rsvp_error_spec *spec);
void rsvp_app_resv_error(struct rsvp *rsvp, const struct resv *resv, const struct rsvp_error *error,
			 const struct rsvp_flowspec *flowspec);
void rsvp_app_confirm(struct rsvp *rsvp, const struct resv *resv);
void rsvp_app_confirmed(struct rsvp *rsvp, const struct rsvp_message *message);

#endif
