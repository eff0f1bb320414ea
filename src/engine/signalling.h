/* SPDX-License-Identifier: MIT */
/*
 * signalling.h: the port behind which a host signals reservations to others (RSVP). The server of an engine checks
 * the form of what is asked, and who may; the host knows the protocol. The engine knows nothing of either.
 *
 * What an owner has opened ends with it: owner_gone() is called when it closes its handle and when it is removed,
 * in either case before the owner goes, and does nothing for an owner that has nothing (left).
 *
 * Errors are negative errnos with the meanings that include/greenwave.h gives them. A port must not call back into
 * the server, except server_signal().
 */
#ifndef GW_ENGINE_SIGNALLING_H
#define GW_ENGINE_SIGNALLING_H

#include "core/address.h"
#include "engine/engine.h"

struct server;

struct signalling_session {
	struct address destination; /* with its port; 0: the protocol has none */
	uint8_t protocol;
	uint32_t ifindex; /* 0: as the routes say */
};

struct signalling_question {
	struct signalling_session session;
	struct address source;
	uint32_t max_hops; /* 0: no limit */
	uint64_t token;
};

typedef int (*signalling_visit)(const struct gw_rsvp_record *record, void *visit_data);

struct signalling {
	void *user_data;

	/*
	 * The identifier is not 0, and no other session's, whoever its owner. Limits of each user and of all are the
	 * host's: -ENOBUFS.
	 */
	int (*open)(void *user_data, struct owner *owner, const struct signalling_session *session,
		    uint32_t *ret_id, uint64_t now_us);

	/*
	 * NULL takes it back. The session must be the owner's (-ENOENT). Every Tspec is complete: what was left out
	 * has been filled in, except that a peak of 0 stands for none. Every flow has its service, and of the guaranteed
	 * one rate_bps.
	 */
	int (*send)(void *user_data, struct owner *owner, uint32_t id,
		    const struct gw_rsvp_offer *offer, uint64_t now_us);
	int (*reserve)(void *user_data, struct owner *owner, uint32_t id,
		       const struct gw_rsvp_request *request, uint64_t now_us);
	int (*close)(void *user_data, struct owner *owner, uint32_t id, uint64_t now_us);
	void (*owner_gone)(void *user_data, struct owner *owner, uint64_t now_us);

	/*
	 * Visits things of the kinds (GW_RSVP_KIND_BIT()) that are in the view, from *position on, which is 0 at
	 * first and then what the last call has left there. When `visit` returns nonzero, the record was not taken:
	 * the position is that of this record, and the call returns what `visit` did. 0: there is no more. It may
	 * stop earlier, so that others have their turn: -EAGAIN, with the position where to go on. `id` of a record
	 * is that of the session if it is `owner`'s.
	 */
	int (*visit)(void *user_data, const struct owner *owner, const struct engine_view *view,
		     uint32_t kinds, uint64_t *position, signalling_visit visit, void *visit_data,
		     uint64_t now_us);

	/*
	 * From now on the owner is told of messages, GW_EVENT_RSVP_MESSAGE with token 0, until it is gone. The server
	 * has seen that it is an administrator.
	 */
	int (*watch)(void *user_data, struct owner *owner);

	/*
	 * NULL: -EOPNOTSUPP. GW_EVENT_RSVP_HOP for each hop and in any case, once, GW_EVENT_COMPLETED follow, each with
	 * the token; nothing if the owner goes before. -EBUSY: the owner has asked with this token already; -ENOBUFS.
	 */
	int (*diagnose)(void *user_data, struct owner *owner,
			const struct signalling_question *question, uint64_t now_us);
};

/*
 * The host signals from now on; `signalling` is kept, not copied, NULL: not any more. Before it goes, whatever owners
 * still have must have ended.
 */
void server_set_signalling(struct server *server, const struct signalling *signalling,
			   uint64_t now_us);

/* Addresses of this host, all of them, that sessions can have as their destination. */
void server_set_addresses(struct server *server, const struct address *addresses, size_t n,
			  uint64_t now_us);

struct provider_config;

/* What the administrator has chosen (engine/provider.h), of what begins or changes from now on. */
void server_configure_qos(struct server *server, const struct provider_config *config);

/*
 * What has been signalled may have more to follow (engine/provider.h). The server sees to it after each request; the
 * host does once whatever else it was doing is done: a packet has been looked at, a timer was due.
 */
void server_run_signals(struct server *server, uint64_t now_us);

/* From the host's traffic control: see provider_reserve(). */
int server_reserve_socket(struct server *server, const struct signalling_session *session,
			  const struct address *source, const struct engine_service *service,
			  struct admission_refusal *ret_refusal, uint64_t now_us);
struct provider_shared;
unsigned server_share_sockets(struct server *server, const struct provider_shared *shared,
			      uint64_t now_us); /* see provider_share() */

/*
 * Tells an owner. `record` has the kind that belongs to the type: GW_RSVP_SENDER to PATH, _RESERVATION to RESV and
 * CONFIRM, _ERROR, _MESSAGE, _HOP to the others; NULL to GW_EVENT_COMPLETED. Its pointers are read during the call. Of
 * a record that is too large for one message, the policy, then senders, then the end of the text are left out.
 */
void server_signal(struct server *server, struct owner *owner, enum gw_event_type type,
		   uint64_t token, int status, const struct gw_rsvp_record *record);

#endif
