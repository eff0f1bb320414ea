/* SPDX-License-Identifier: MIT */
/* complaint.h: what the judge says on stderr. All of these return false. */
#ifndef GW_SIM_COMPLAINT_H
#define GW_SIM_COMPLAINT_H

#include "seen.h"

/* About a node; NULL: about the network. */
bool complain(const struct net_node *node, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool complain_session(const struct net_node *node, const struct rsvp_session *session,
		      const char *format, ...) __attribute__((format(printf, 3, 4)));
bool complain_tc(const struct net_node *node, const struct rsvp_tc_request *request,
		 const char *what);
bool complain_resv(const struct seen_resv *resv, const char *what);
bool complain_sender(const struct seen_sender *sender, const char *what);

/* "controlled load r 1000 b 2000 p 3000 m 100 M 1500"; returns `buf`. */
#define FLOWSPEC_TEXT_LEN 160
const char *flowspec_text(const struct rsvp_flowspec *flowspec, char buf[static FLOWSPEC_TEXT_LEN]);

/* The first application of each session that is open, in *ret_first, to be freed by the caller. How many. */
size_t judge_sessions(const struct net *net, const struct net_app ***ret_first);

#endif
