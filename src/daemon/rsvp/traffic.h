/* SPDX-License-Identifier: MIT */
/*
 * traffic.h: what RSVP has reserved on an interface, as flows of the engine: packets by their addresses, one tuple
 * for each filter, all of a reservation under one meter and in one class of the link (spec/rsvp.md §8.7).
 *
 * | service         | class            | set aside          | policed to               | excess          |
 * |-----------------|------------------|--------------------|--------------------------|-----------------|
 * | guaranteed      | voice            | R of the flowspec  | installed Tspec          | as best effort  |
 * | controlled load | audio-video      | r of the Tspec     | installed Tspec          | as best effort  |
 * | null            | excellent-effort | nothing            | nothing                  | there is none   |
 *
 * What one socket of this host sends, whose QoS a program has stated, has it by that socket (engine/provider.h) and needs
 * no tuples. What several of its sockets send is under the one meter all the same, each of them by its socket.
 *
 * On links that are not handed over nothing is refused for want of bandwidth, and nothing is promised.
 */
#ifndef GW_DAEMON_RSVP_TRAFFIC_H
#define GW_DAEMON_RSVP_TRAFFIC_H

#include "engine/engine.h"
#include "engine/provider.h"
#include "engine/signalling.h"
#include "rsvp/rsvp.h"

struct traffic;

struct traffic_ports {
	void *user_data;
	uint32_t (*mtu_of)(void *user_data, uint32_t ifindex); /* 0: not known */

	/* As server_reserve_socket(); NULL: no socket of this host has QoS. */
	int (*reserve_socket)(void *user_data, const struct signalling_session *session,
			      const struct address *source, const struct engine_service *service,
			      struct admission_refusal *ret_refusal, uint64_t now_us);
	unsigned (*share_sockets)(void *user_data, const struct provider_shared *shared,
				  uint64_t now_us); /* as server_share_sockets(); likewise */
};

/* `ports` is copied. */
int traffic_new(struct engine *engine, const struct traffic_ports *ports,
		struct traffic **ret_traffic);

/* Gives everything back. */
struct traffic *traffic_free(struct traffic *traffic, uint64_t now_us);

/* As the ports tc_reserve and tc_release of struct rsvp_ports. */
int traffic_reserve(struct traffic *traffic, const struct rsvp_tc_request *request,
		    uint64_t *handle, struct rsvp_error *ret_error, uint64_t now_us);
void traffic_release(struct traffic *traffic, uint64_t handle, uint64_t now_us);

/* Whether what is reserved there is kept to, and the capacity that can be reserved. */
bool traffic_is_enforced(const struct traffic *traffic, uint32_t ifindex, uint64_t *ret_limit_bps);

uint32_t traffic_count(const struct traffic *traffic); /* of reservations */

#endif
