/* SPDX-License-Identifier: MIT */
/*
 * consent.h: whether a neighbour may have what it asks for, by the rules of the configuration (RFC 2750, RFC 3181,
 * RFC 3182; spec/rsvp.md §14).
 */
#ifndef GW_DAEMON_RSVP_CONSENT_H
#define GW_DAEMON_RSVP_CONSENT_H

#include "daemon/config.h"
#include "rsvp/rsvp.h"

struct consent {
	const struct config_rsvp *config;
	const char *interface; /* the name of the question's; "": it has none */
	/* Policy that is for another node says nothing here. */
	bool (*is_own)(const void *user_data, const struct address *address);
	const void *user_data;
};

#define CONSENT_POLICY_MAX 64 /* bytes */

/* As rsvp_ports.policy. What `ret_error` points to is written to `policy`. */
int consent_ask(const struct consent *consent, const struct rsvp_policy_question *question,
		uint8_t policy[static CONSENT_POLICY_MAX], struct rsvp_error *ret_error);

#endif
