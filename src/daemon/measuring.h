/* SPDX-License-Identifier: MIT */
/*
 * measuring.h: the daemon's part in measuring paths: the section `probe` of the configuration, the raw socket, which is
 * opened before rights are dropped, and the log.
 */
#ifndef GW_DAEMON_MEASURING_H
#define GW_DAEMON_MEASURING_H

#include <event2/event.h>

#include "daemon/config.h"
#include "host/host.h"
#include "proto/fact.h"

struct measuring_daemon;

/* Whatever it cannot do is in the log and in the facts: it only fails for want of memory or the like. */
int measuring_daemon_new(struct event_base *base, struct host *host,
			 const struct config_probe *config,
			 struct measuring_daemon **ret_measuring);
/* Before the host goes. */
struct measuring_daemon *measuring_daemon_free(struct measuring_daemon *measuring);

/* Paths that are measured begin anew if anything is different. */
int measuring_daemon_reconfigure(struct measuring_daemon *measuring,
				 const struct config_probe *config);

void measuring_daemon_facts(struct measuring_daemon *measuring, const struct fact_visitor *visitor);

#endif
