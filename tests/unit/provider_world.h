/* SPDX-License-Identifier: MIT */
/*
 * provider_world.h: a provider in a world of its own: an engine on a fake datapath, a host that signals nothing and
 * remembers what it was asked for, and what owners were told.
 */
#ifndef GW_TESTS_PROVIDER_WORLD_H
#define GW_TESTS_PROVIDER_WORLD_H

#include "engine/provider.h"
#include "fake_signalling.h"
#include "world.h"

#define TOLD_MAX 256

struct told {
	const struct owner *owner;
	enum gw_event_type type;
	uint64_t socket;
	struct gw_rsvp_record record; /* without what it points to */
};

struct provider_world {
	struct world *world;
	struct provider *provider;
	struct fake_signalling signalling;
	struct owner *owner; /* one who is no administrator */
	struct told told[TOLD_MAX];
	size_t n_told;
	uint32_t link_mtu; /* of every interface; 0: not known */
	uint64_t link_speed_bps;

	/* Senders that are known before a session is opened, at whatever destination. */
	struct address known;
	struct gw_tspec known_tspec;
};

/* A host with the addresses 192.0.2.1 and 198.51.100.1 that signals. */
struct provider_world *provider_world_new(void);
struct provider_world *provider_world_new_with(const struct datapath_ops *ops, bool signals);
void provider_world_free(struct provider_world *pw); /* nothing is left then */

/* Sockets of 192.0.2.1, port 10000 + cookie. */
struct engine_socket udp_socket(uint64_t cookie);
struct engine_socket udp_connected(uint64_t cookie, const char *peer, uint16_t port);
struct engine_socket tcp_connected(uint64_t cookie, const char *peer, uint16_t port);

/* Keeps both directions. */
struct provider_request request_nothing(void);
struct provider_request request_sending(enum gw_qos_service service, uint64_t rate_bps);
struct provider_request request_receiving(enum gw_qos_service service);
struct provider_request request_both(enum gw_qos_service sending, uint64_t rate_bps,
				     enum gw_qos_service receiving);

int set(struct provider_world *pw, const struct engine_socket *socket,
	const struct provider_request *request);
void set_ok(struct provider_world *pw, const struct engine_socket *socket,
	    const struct provider_request *request);
void look_ok(struct provider_world *pw, const struct engine_socket *socket);

/* What the network does to sessions of `destination`: a sender comes, changes, or leaves; and so on. */
void hear_path(struct provider_world *pw, const struct address *destination,
	       const struct address *sender, const struct gw_tspec *tspec,
	       const struct gw_rsvp_path *path);
void hear_path_tear(struct provider_world *pw, const struct address *destination,
		    const struct address *sender);
void hear_resv(struct provider_world *pw, const struct address *destination,
	       enum gw_rsvp_service service, uint64_t rate_bps, int32_t dscp);
void hear_resv_tear(struct provider_world *pw, const struct address *destination);
void hear_confirm(struct provider_world *pw, const struct address *destination);
void hear_resv_error(struct provider_world *pw, const struct address *destination);

struct gw_tspec tspec_of(uint64_t rate_bps);

/* How often the owner was told of it: with GW_RSVP_GONE or without. */
size_t told_of(const struct provider_world *pw, uint64_t socket, enum gw_event_type type,
	       bool gone);
void forget(struct provider_world *pw); /* what was told, and the counts of messages */
void expect_messages(const struct provider_world *pw, unsigned paths, unsigned path_tears,
		     unsigned resvs, unsigned resv_tears);

/* The mark of packets to a destination (NULL: all); -1: nothing stands there but a watch. */
int dscp_to(const struct provider_world *pw, uint64_t cookie, const struct address *destination);
const struct datapath_meter *meter_to(struct provider_world *pw, uint64_t cookie,
				      const struct address *destination);

/* Traffic control of the host reserves, or (service NULL) gives it back. */
int reserve(struct provider_world *pw, const struct address *destination, int protocol,
	    const struct address *source, const struct engine_service *service);
struct engine_service service_of(uint32_t booked_as, uint64_t rate_bps);

#endif
