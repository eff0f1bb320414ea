/* SPDX-License-Identifier: MIT */
/*
 * rsvp_daemon.h: RSVP in the daemon: a node (rsvp/rsvp.h) on this network namespace's interfaces, routes and links.
 *
 *	sockets --> transport --> node --> traffic --> engine
 *	rtnetlink --> interfaces --^ ^-- local applications
 *
 * Nothing is read from files or held open for it unless it is enabled.
 */
#ifndef GW_DAEMON_RSVP_RSVP_DAEMON_H
#define GW_DAEMON_RSVP_RSVP_DAEMON_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/config.h"
#include "host/host.h"
#include "rsvp/rsvp.h"

struct rsvp_daemon;
struct rsvp_local; /* what one program has in one session */

/*
 * `config` is kept until another comes or the end. The host must be there for as long, and its engine. `control_class`:
 * the priority of packets that takes them through links that are handed over before all others. -EPERM without
 * CAP_NET_RAW and CAP_NET_ADMIN.
 */
int rsvp_daemon_new(struct event_base *base, struct host *host, const struct config_rsvp *config,
		    uint32_t control_class, struct rsvp_daemon **ret_daemon);

/* Tears leave, everything reserved is given back. Accepts NULL, returns it. */
struct rsvp_daemon *rsvp_daemon_free(struct rsvp_daemon *daemon);

/*
 * Another configuration; what only a new start can change is told in the log. A negative errno if its keys cannot be
 * used: then it must end, or it would speak without.
 */
int rsvp_daemon_reconfigure(struct rsvp_daemon *daemon, const struct config_rsvp *config);

/* What can be reserved on links, or whether anything can, may have changed. */
void rsvp_daemon_links_changed(struct rsvp_daemon *daemon);

/* ---- local applications ---- */

/*
 * What happens in the session. Called from within anything that is done to the daemon; must not do anything to it
 * itself. The event's pointers end with the call.
 */
typedef void (*rsvp_local_event)(void *user_data, const struct rsvp_event *event);

/*
 * `owner` is whatever the program is known by here, for rsvp_daemon_owner_gone(). A group is joined, so that its Paths
 * arrive. Errors are those of rsvp_app_open(), and -ENODEV: no such interface.
 */
int rsvp_daemon_open(struct rsvp_daemon *daemon, const void *owner,
		     const struct rsvp_session *session, uint32_t ifindex,
		     rsvp_local_event on_event, void *user_data, struct rsvp_local **ret_local);
int rsvp_daemon_send(struct rsvp_local *local, const struct rsvp_sender_request *request);
int rsvp_daemon_reserve(struct rsvp_local *local, const struct rsvp_reserve_request *request);
void rsvp_daemon_close(struct rsvp_local *local);

/* Everything that it has open ends. */
void rsvp_daemon_owner_gone(struct rsvp_daemon *daemon, const void *owner);

/* Who has opened it. */
const void *rsvp_local_owner(const struct rsvp_local *local);

/* ---- asking about paths (RFC 2745) ---- */

struct rsvp_asking;

/* One hop; or, with `hop` NULL, the end, and the asking is gone: the status is that of rsvp_ports.diagnosis. */
typedef void (*rsvp_answer)(void *user_data, const struct rsvp_hop_report *hop, int status);

/*
 * `request->data` is not used. Nothing is answered before this returns; an answer must not do anything to the daemon.
 * Errors are those of rsvp_diagnose().
 */
int rsvp_daemon_ask(struct rsvp_daemon *daemon, const struct rsvp_diagnose_request *request,
		    rsvp_answer on_answer, void *user_data, struct rsvp_asking **ret_asking);
void rsvp_daemon_ask_no_more(struct rsvp_asking *asking);

/* ---- seeing ---- */

/* For rsvp_visit(), rsvp_count(), rsvp_sizes(). */
const struct rsvp *rsvp_daemon_node(const struct rsvp_daemon *daemon);

/* "eth0", or "" if there is none such; returns `buf`. */
#define RSVP_INTERFACE_NAME_LEN 16
const char *rsvp_daemon_interface_name(const struct rsvp_daemon *daemon, uint32_t ifindex,
				       char buf[static RSVP_INTERFACE_NAME_LEN]);

/* 0: there is none such. */
uint32_t rsvp_daemon_interface_index(const struct rsvp_daemon *daemon, const char *name);

/* Everything that is received and sent, as it is on the wire, until it is asked for with NULL. */
typedef void (*rsvp_daemon_tap)(void *user_data, bool sent, uint32_t ifindex,
				const struct address *source, const struct address *destination,
				const uint8_t *data, size_t len);
void rsvp_daemon_set_tap(struct rsvp_daemon *daemon, rsvp_daemon_tap tap, void *user_data);

/*
 * For `greenwave status`: whether RSVP is there (`daemon` NULL: it is not enabled), and what it has counted.
 */
void rsvp_daemon_facts(const struct rsvp_daemon *daemon, const struct fact_visitor *visitor);

#endif
