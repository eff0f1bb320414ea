/* SPDX-License-Identifier: MIT */
/* records.h: what the node says, as greenwave.h says it, and the other way round. */
#ifndef GW_DAEMON_RSVP_RECORDS_H
#define GW_DAEMON_RSVP_RECORDS_H

#include <greenwave.h>

#include "daemon/rsvp/rsvp_daemon.h"

/* A record and the senders that it points to. */
#define RECORD_SENDERS 128
struct rsvp_record {
	struct gw_rsvp_record record;
	struct gw_rsvp_sender senders[RECORD_SENDERS];
};

void record_of_event(const struct rsvp_event *event, struct rsvp_record *ret_record);
void record_of_session(const struct rsvp_session *session, struct rsvp_record *ret_record);
void record_of_sender(const struct rsvp_daemon *daemon, const struct rsvp_sender_info *info,
		      uint64_t now_us, struct rsvp_record *ret_record);
void record_of_reservation(const struct rsvp_daemon *daemon,
			   const struct rsvp_reservation_info *info, uint64_t now_us,
			   struct rsvp_record *ret_record);
void record_of_neighbour(const struct rsvp_daemon *daemon, const struct rsvp_neighbour_info *info,
			 struct rsvp_record *ret_record);

void record_of_hop(const struct rsvp_session *session, const struct rsvp_hop_report *hop,
		   struct rsvp_record *ret_record);

/* -EINVAL: no number of the protocol. */
int tspec_from_public(const struct gw_tspec *tspec, struct rsvp_tspec *ret_tspec);
void sender_from_public(const struct gw_rsvp_sender *sender, struct rsvp_sender *ret_sender);
int flowspec_from_public(const struct gw_rsvp_flow *flow, struct rsvp_flowspec *ret_flowspec);

#endif
