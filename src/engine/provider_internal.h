/* SPDX-License-Identifier: MIT */
/*
 * provider_internal.h: the provider's objects, shared by the files provider*.c and by nobody else.
 *
 * A socket has parts: each is one session of RSVP that it takes part in, as a sender, a receiver, or, in a group, both
 * (who sends does not hear itself then). Where nothing is signalled a part is only the flow of what is sent.
 *
 *	holder 1--* qsock 1--* part 1--* heard
 *
 * | part      | the session's destination      | exists                             | sends | receives |
 * |-----------|--------------------------------|------------------------------------|-------|----------|
 * | PEER      | the peer                       | while there is one                 | yes   |          |
 * | NAMED     | QOS_DESTADDR, not connected    | from when it was named to its end  | yes   |          |
 * | GROUP     | the group                      | from join to leave                 | yes   | yes      |
 * | LOCAL     | an address that it is bound to | while it is bound                  |       | yes      |
 *
 * What is asked of a direction never changes once it is made, and is shared by all that it was asked of. A change goes
 * through two steps for every part: *_begin() brings about what is asked for, and fails without a trace; *_settle()
 * takes away what is not asked for any more, and cannot fail. The second step is END-SEND and END-RECV of §16.1.
 */
#ifndef GW_ENGINE_PROVIDER_INTERNAL_H
#define GW_ENGINE_PROVIDER_INTERNAL_H

#include "engine/internal.h"
#include "engine/provider.h"

/* What is asked of what is sent; the Tspec is complete. */
struct sending {
	unsigned refs;
	struct gw_qos_direction direction;
	int32_t dscp, priority; /* or -1 */
	enum gw_qos_excess excess;
	uint64_t shaping_bps;
	size_t policy_len;
	unsigned char policy[];
};

/* The same of what is received. */
struct receiving {
	unsigned refs;
	struct gw_qos_direction direction;
	uint32_t style; /* 0: by default */
	bool confirm;
	const unsigned char *policy; /* behind the flows */
	size_t policy_len;
	uint32_t n_flows;
	struct gw_rsvp_flow flows[];
};

/* A sender that Path has told of. */
struct heard {
	struct address address;
	struct gw_tspec tspec;
	struct gw_rsvp_path path;
	uint32_t flags; /* GW_RSVP_NON_RSVP */
	bool told;	/* the owner knows of it */
	struct heard *prev, *next;
};

/* What the session has been asked to reserve. */
struct wish {
	struct gw_rsvp_request request; /* its flows are these: */
	struct gw_rsvp_flow flows[];
};

enum part_kind { PART_PEER, PART_NAMED, PART_GROUP, PART_LOCAL };

struct part {
	struct qsock *qsock;
	enum part_kind kind;
	struct address destination;
	unsigned directions; /* DIRECTION_*, that it can have */
	uint32_t session;    /* 0: none is open */
	bool closing;	     /* it is being closed: what is told now is of no interest */
	struct part *prev, *next;
	struct part *due_prev, *due_next;
	struct part *target_prev, *target_next;
	struct target *target; /* NULL: it does not send */
	UT_hash_handle hh;     /* by session, if that is open */

	/* A change that is being made; see provider_set.c. */
	bool fresh, touched;
	struct sending *sending_before;
	struct receiving *receiving_before;

	struct sending *sending; /* NULL: nothing was asked */
	struct sending *sent;	 /* NULL: no Path stands */
	struct address source;	 /* of that */
	uint32_t sent_max_bytes; /* likewise, M */
	uint32_t flow_id;	 /* 0: no traffic control */
	bool reserved;		 /* traffic control of the host has this: */
	struct engine_service service;
	uint32_t service_ifindex;
	uint32_t lender; /* the flow whose meter that is, of what several sockets send; 0: its own */
	bool refused;	 /* and the owner knows */
	struct {
		bool stands;
		uint32_t service;
		struct gw_tspec tspec;
		uint64_t rate_bps;
		uint32_t slack_us;
		int32_t dscp;
	} resv; /* the last that was signalled */

	struct receiving *receiving; /* NULL: nothing was asked */
	struct heard *heard;
	struct wish *wish; /* NULL: nothing is reserved */
	bool confirming;
	bool due; /* what was heard has changed */
};

/* All parts with one destination, for reservations. */
struct target_key {
	struct address destination;
	uint32_t protocol;
};

struct target {
	struct target_key key;
	struct part *parts;
	UT_hash_handle hh;
};

struct qsock {
	struct provider *provider;
	struct holder *holder;
	struct engine_socket socket; /* its descriptor is good during the call in hand */
	uint32_t watch_id;	     /* the flow that watches */
	struct sending *sending;     /* the last that was asked of the socket */
	struct receiving *receiving;
	bool hears;    /* is told of senders though it wants nothing of them */
	unsigned shut; /* DIRECTION_* */
	struct part *parts;
	struct qsock *prev, *next; /* of the holder */
	UT_hash_handle hh;	   /* by cookie */
};

/* An owner that has such sockets. */
struct holder {
	struct owner *owner;
	struct qsock *qsocks;
	UT_hash_handle hh;
};

struct provider {
	struct engine *engine;
	struct provider_ports ports;
	struct provider_config config;
	const struct signalling *signalling;
	struct address *addresses; /* without ports */
	size_t n_addresses;
	struct qsock *qsocks;
	struct holder *holders;
	struct part *sessions;
	struct target *targets;
	struct part *due;
	struct part *opening; /* what is told now is of this one */
	uint64_t now_us;
};

/* GW_QOS_SENDING and _RECEIVING, as DIRECTION_*. */
static inline unsigned directions_of(uint32_t qos_directions)
{
	return (qos_directions & GW_QOS_SENDING ? DIRECTION_SEND : 0) |
	       (qos_directions & GW_QOS_RECEIVING ? DIRECTION_RECEIVE : 0);
}

/* The interface that packets to a destination (AF_UNSPEC: of any) leave through; 0: not known. */
uint32_t provider_link_to(const struct provider *provider, const struct engine_socket *socket,
			  const struct address *destination);

static inline struct owner *part_owner(const struct part *part)
{
	return part->qsock->holder->owner;
}

/* provider_ask.c: what is asked, checked and kept */
int ask_check(const struct provider *provider, const struct owner *owner,
	      const struct engine_socket *socket, const struct provider_request *request);
struct sending *sending_new(const struct gw_qos *qos); /* NULL: memory */
struct sending *sending_with_flags(const struct sending *sending, uint32_t flags);
struct sending *sending_ref(struct sending *sending); /* NULL is fine */
void sending_unref(struct sending *sending);
bool sending_equal(const struct sending *a, const struct sending *b);
struct receiving *receiving_new(const struct gw_qos *qos);
struct receiving *receiving_with_flags(const struct receiving *receiving, uint32_t flags);
struct receiving *receiving_ref(struct receiving *receiving);
void receiving_unref(struct receiving *receiving);
bool service_is_signalled(enum gw_qos_service service);
enum gw_rsvp_service service_reserved(enum gw_qos_service service); /* by who receives */
bool address_is_loopback(const struct address *address);
bool address_is_everywhere(const struct address *address);

/* provider_socket.c: sockets and their parts */
struct qsock *qsock_find(const struct provider *provider, uint64_t cookie);
int qsock_obtain(struct provider *provider, struct owner *owner, const struct engine_socket *socket,
		 struct qsock **ret_qsock, bool *ret_fresh);
void qsock_free(struct qsock *qsock); /* ends all that it has */
bool qsock_can_signal(const struct qsock *qsock);
void qsock_end(struct qsock *qsock, unsigned directions); /* END-SEND, END-RECV */
/* Its addresses as they are now: what cannot be any more ends. */
void qsock_readdress(struct qsock *qsock, const struct engine_socket *socket);
/* The parts that there should be at its addresses are there, not begun yet. `sends`: that of the peer too. */
int qsock_arrange(struct qsock *qsock, bool sends);
/* What was asked of the socket begins in the parts that can now; the first error. */
int qsock_begin(struct qsock *qsock);
struct part *part_find(const struct qsock *qsock, enum part_kind kind,
		       const struct address *destination);
int part_new(struct qsock *qsock, enum part_kind kind, const struct address *destination,
	     unsigned directions, struct part **ret_part);
void part_free(struct part *part); /* ends all that it has */
void part_reap(struct part *part); /* frees it if nothing is left of it */
int part_open(struct part *part);
void part_close(struct part *part); /* the session, with all that stands there */
struct part *part_by_session(const struct provider *provider, uint32_t session);
struct target *target_find(const struct provider *provider, const struct address *destination,
			   uint32_t protocol);

/* provider_sender.c */
int sender_begin(struct part *part, struct sending *sending);
void sender_settle(struct part *part);
void sender_forget(struct part *part);		   /* the session has been closed */
void sender_refresh(struct part *part);		   /* what its flow gets may have changed */
struct flow *sender_flow(const struct part *part); /* NULL: none */
bool sender_wants_flow(const struct part *part, const struct sending *sending);
int sender_flow_set(const struct part *part, struct flow *flow, const struct sending *sending,
		    struct admission_refusal *ret_refusal);

/* provider_receiver.c */
bool part_hears(const struct part *part);
bool part_matches(const struct part *part, const struct heard *heard);
int receiver_begin(struct part *part, struct receiving *receiving);
void receiver_settle(struct part *part);
void receiver_forget(struct part *part);
void receiver_run(struct part *part); /* what was heard has changed */
void receiver_due(struct part *part);

/* provider_wish.c: what is to be reserved for those that are heard */
struct wish_refusal {
	uint8_t error_code; /* of RSVP; 0: none */
	uint16_t error_value;
};
/* *ret_wish NULL: there is nobody. -ENOMEM; -EINVAL with a refusal: it cannot be. */
int wish_make(const struct part *part, struct wish **ret_wish, struct wish_refusal *ret_refusal);
bool wish_equal(const struct wish *a, const struct wish *b);

/* provider_events.c */
void tell(const struct part *part, enum gw_event_type type, const struct gw_rsvp_record *record);
void tell_error(const struct part *part, enum gw_event_type type, uint8_t code, uint16_t value);
void tell_heard(struct part *part, struct heard *heard);
void heard_forget(struct part *part);

#define ERROR_ADMISSION 1u
#define ADMISSION_DELAY 1u
#define ADMISSION_BANDWIDTH 2u
#define ERROR_STYLE 5u
#define ERROR_TRAFFIC 21u
#define TRAFFIC_BAD_TSPEC 4u
#define ERROR_SYSTEM 23u

#endif
