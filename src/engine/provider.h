/* SPDX-License-Identifier: MIT */
/*
 * provider.h: QoS of sockets, signalled: what the RSVP service provider of Winsock does (spec/gqos.md). For each
 * socket of which a program has said what it sends and what it wants of what it receives, it takes part in the
 * sessions of RSVP (engine/signalling.h), puts what is sent under traffic control (engine.h), and tells the owner.
 *
 *	socket 1--* sender session (destination): a session of RSVP, a flow of the engine
 *	       1--* receiver session (local address or group): a session of RSVP
 *
 * Each socket has a flow of the engine too that marks nothing, so that its end is seen even if it only receives.
 * Whatever ends a socket, and in whichever direction, comes through engine_end(), which tells the provider
 * (provider_socket_ended()); what a program ends itself takes the same two verbs, END-SEND and END-RECV of §16.1.
 *
 * No system call, no clock. Errors are negative errnos, as include/greenwave.h has them for gw_qos_set() and its
 * neighbours; after an error nothing has changed.
 */
#ifndef GW_ENGINE_PROVIDER_H
#define GW_ENGINE_PROVIDER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/address.h"
#include "engine/engine.h"
#include "engine/signalling.h"

struct provider;

struct provider_ports {
	void *user_data;

	/*
	 * Tells the owner of a socket: as server_signal(), with the socket in place of the token. `record` as there;
	 * a NULL record is never told.
	 */
	void (*tell)(void *user_data, struct owner *owner, enum gw_event_type type, uint64_t socket,
		     const struct gw_rsvp_record *record);

	/* Of an interface of the host; 0: not known. */
	uint32_t (*link_mtu)(void *user_data, uint32_t ifindex);
	uint64_t (*link_speed_bps)(void *user_data, uint32_t ifindex);
};

/* What the administrator has chosen (§17). */
struct provider_marks {
	uint8_t dscp, priority;
};

struct provider_config {
	/* §11.3 */
	struct provider_marks best_effort, controlled_load, guaranteed, network_control, excess;
	bool marks_at_once; /* also what nothing is reserved for yet has the marks of its service (A46) */
	bool either_is_guaranteed; /* GW_QOS_EITHER where nothing is signalled; else controlled load */
	bool refuses_loopback; /* senders to this host itself are an error, not left to themselves (A38) */
	uint64_t max_unreserved_bps; /* that programs are told they may send without a reservation; 0: any (§13) */
};

void provider_config_default(struct provider_config *ret_config);

/* What has been asked of one socket; pointers are read during the call. */
struct provider_request {
	struct gw_qos qos;	    /* `destination` is not looked at */
	struct address destination; /* AF_UNSPEC: none */
};

/* NULL if memory is short. `ports` is copied; the engine outlives the provider. */
struct provider *provider_new(struct engine *engine, const struct provider_ports *ports);
struct provider *provider_free(struct provider *provider);

/* Of what begins or changes from now on. */
void provider_configure(struct provider *provider, const struct provider_config *config);

/*
 * NULL: nothing is signalled (any more): traffic control only (§17). Kept, not copied. The earlier one must still be
 * there, so that what stands can end: with tears, and an error to whoever had it (E26).
 */
void provider_set_signalling(struct provider *provider, const struct signalling *signalling,
			     uint64_t now_us);

/* Addresses of this host have come or gone: those that receivers on every address have sessions for. */
void provider_set_addresses(struct provider *provider, const struct address *addresses, size_t n,
			    uint64_t now_us);

int provider_set(struct provider *provider, struct owner *owner, const struct engine_socket *socket,
		 const struct provider_request *request, uint64_t now_us);
int provider_look(struct provider *provider, struct owner *owner,
		  const struct engine_socket *socket, uint64_t now_us);
/* GW_QOS_SENDING, _RECEIVING, _SHUT. What is shut down stays so, also of a socket that nothing was asked of. */
int provider_end(struct provider *provider, struct owner *owner, const struct engine_socket *socket,
		 uint32_t directions, uint64_t now_us);
/* `request` NULL: that of the socket. */
int provider_join(struct provider *provider, struct owner *owner,
		  const struct engine_socket *socket, const struct address *group,
		  uint32_t directions, const struct provider_request *request, uint64_t now_us);
int provider_leave(struct provider *provider, struct owner *owner, uint64_t cookie,
		   const struct address *group, uint64_t now_us);
int provider_query(struct provider *provider, struct owner *owner,
		   const struct engine_socket *socket, struct gw_qos_info *ret_info);

/*
 * From engine_end() and engine_end_socket(), which need nobody's help for it: the socket has ended, in these directions
 * (DIRECTION_*), for this reason. Of END_DISCONNECTED and END_CLOSED both have. Unknown sockets are fine.
 */
void provider_socket_ended(struct provider *provider, uint64_t cookie, unsigned directions,
			   enum end_reason reason, uint64_t now_us);
/*
 * The owner goes: all that it has ends, of its sockets, and then of what it has asked the signalling for itself. From
 * engine_owner_close(), engine_owner_remove() and engine_end(), which need nobody's help for it either.
 */
void provider_owner_gone(struct provider *provider, struct owner *owner, uint64_t now_us);

/*
 * For the list of flows. One of what is sent is in its place (`record` is of a flow that is in force); the others are
 * visited with the flow that watches their socket, of which `begun` has the identifier and what is its owner's.
 */
void provider_record_flow(const struct provider *provider, struct gw_flow_record *record);
int provider_visit(const struct provider *provider, uint64_t cookie,
		   const struct gw_flow_record *begun,
		   int (*visit)(const struct gw_flow_record *record, void *visit_data),
		   void *visit_data);

/*
 * From the host's signalling: something has happened in a session that the provider has opened. True: it was one of
 * these, and nobody else is to be told. `type` and `record` as for server_signal(). It may come at any time, also from
 * within a call of a port of the signalling, which must not be called back then (signalling.h): what the provider needs
 * is copied. The owner is told at once; what is reserved then is asked for by provider_run(). The server calls that after
 * every request, and the host after whatever else may have signalled something.
 */
bool provider_signalled(struct provider *provider, struct owner *owner, uint32_t session,
			enum gw_event_type type, const struct gw_rsvp_record *record);
void provider_run(struct provider *provider, uint64_t now_us);

/*
 * From the host's traffic control, at the sending host: a reservation on an interface (that of `session`) is for what
 * this one socket sends, whose flow is to have it. `source`: the sender; family AF_UNSPEC: every one. -ENOENT: it is
 * for no such socket, for more than one, or for one that has a reservation on another interface. -EDQUOT:
 * *ret_refusal. After an error the flow is as it was. `service` NULL: it has ended, and the flow is transitional again
 * (§11.2). Nothing is asked of the signalling from in here.
 */
int provider_reserve(struct provider *provider, const struct signalling_session *session,
		     const struct address *source, const struct engine_service *service,
		     struct admission_refusal *ret_refusal, uint64_t now_us);

/* What is reserved for several senders in common, and the flow of the host that has it. */
struct provider_shared {
	struct signalling_session session;
	const struct address *sources; /* family AF_UNSPEC: every one */
	unsigned n_sources;
	struct engine_service service;
	uint32_t flow_id;
};

/*
 * The same for what any number of sockets send. The host has a flow for it already, with the one meter; all of these
 * sockets come under that, each with the marks of its own, so that together they have no more than is reserved. What
 * is beyond waits if it would wait for each of them, is discarded if it would be for each, and else goes on. A socket
 * that this flow had, and that is no longer among them, is transitional again; with the flow's meter ends all of it.
 * Returns how many there are.
 */
unsigned provider_share(struct provider *provider, const struct provider_shared *shared,
			uint64_t now_us);
/* From the engine: such a meter is about to end. */
void provider_meter_ends(struct provider *provider, uint32_t flow_id);

#endif
